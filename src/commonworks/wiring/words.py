"""A network's own names, units and moments, for people who read what a proposal does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from commonworks.chain.accounts import address_text
from commonworks.chain.decisions import (
    AdmitMember,
    AdoptSite,
    AppointGuardian,
    Decision,
    DefineParameter,
    RawCall,
    RemoveMember,
    SetParameter,
    SetReference,
    SetRegistrar,
    Transfer,
    replaces_government,
    spell,
)
from commonworks.explorer import cells
from commonworks.units import PPM
from commonworks.wiring.proposals import NOBODY, known_parameters
from commonworks.wiring.records import asset_of, name_of
from commonworks.wiring.session import Session

MONEY_DIGITS: Final = 4
"""Decimal places of money shown; all of them with --json."""

YEAR_MAX: Final = 9_999


def clean(text: str) -> str:
    """Return what a stranger wrote without what would move a terminal's cursor or its letters."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def amount(value: int, decimals: int, digits: int = 2) -> str:
    """Return an integer amount in whole units for people, floored to at most `digits` places."""
    digits = min(digits, decimals)
    whole, rest = divmod(abs(value), 10**decimals)
    fraction = str(rest).rjust(decimals, "0")[:digits]
    sign = "-" if value < 0 else ""
    return f"{sign}{whole:,}.{fraction}" if digits else f"{sign}{whole:,}"


def area_text(resolution: int) -> str:
    """Return about how large map cells of a resolution are, 0..15: `5.2 km²`."""
    found = cells.area(resolution)
    return f"{amount(found.value, found.decimals, found.decimals)} {found.unit}"


class Words:
    """Says things about one network."""

    def __init__(self, session: Session, name: Callable[[bytes], str] | None = None) -> None:
        """`name` says what to call an account; by default as this folder does."""
        self._session = session
        self._name = name or (lambda address: name_of(session.home, address))
        self._parameters = known_parameters(session)
        self._names: dict[bytes, str] = {}
        self._assets = {
            address: (symbol, decimals)
            for address, decimals, symbol in (
                asset_of(session, name) for name in ("currency", "token")
            )
        }

    def account(self, address: bytes) -> str:
        """Return what this folder calls an account, or its address."""
        if address == NOBODY:
            return "nobody"
        if address not in self._names:
            self._names[address] = self._name(address)
        return self._names[address]

    def symbol(self, asset: bytes) -> str:
        """Return what people call an asset."""
        found = self._assets.get(asset)
        return address_text(asset) if found is None else found[0]

    def decimals(self, asset: bytes) -> int:
        """Return an asset's decimal places; 0 for one that is not the network's."""
        found = self._assets.get(asset)
        return 0 if found is None else found[1]

    def money(self, asset: bytes, value: int, *, sign: bool = False) -> str:
        """Return an amount in whole units with its symbol; with `sign` a gain has its plus."""
        shown = amount(value, self.decimals(asset), MONEY_DIGITS)
        if value and not shown.strip("-0.,"):  # too little for so few places, and yet not nothing
            shown = amount(value, self.decimals(asset), self.decimals(asset)).rstrip("0")
        return f"{'+' if sign and value > 0 else ''}{shown} {self.symbol(asset)}"

    def votes(self, value: int) -> str:
        """Return a number of votes in what votes."""
        if self._session.deployment.government.membership is not None:
            return f"{value:,} {'vote' if value == 1 else 'votes'}"
        return f"{amount(value, 18)} {self._session.manifest.token_symbol}"

    def share(self, value: int, whole: int) -> str:
        """Return a part of a whole in percent."""
        return f"{amount(value * 100 * PPM // whole, 6)} %" if whole else "-"

    def value(self, key: str, value: int) -> str:
        """Return a parameter's value with its unit."""
        unit = self.unit(key)
        if unit == "address":
            return self.account((value % 2**160).to_bytes(20, "big"))
        if unit == "hash":
            return f"0x{value % 2**256:064x}"
        if key == cells.PARAMETER and cells.COARSEST <= value <= cells.FINEST:
            return f"{unit} {value} (cells of about {area_text(value)})"
        return f"{value:,} {unit}".rstrip()

    def unit(self, key: str) -> str:
        """Return a parameter's unit; empty where this release does not know it."""
        return self._parameters[key].unit if key in self._parameters else ""

    def description(self, key: str) -> str:
        """Return what a parameter is for."""
        if key in self._parameters:
            return self._parameters[key].description
        return "This release does not know what it is for."

    def moment(self, time_s: int) -> str:
        """Return a time as people write it, UTC."""
        try:
            return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        except (ValueError, OverflowError, OSError):
            return f"second {time_s}"

    def decision(self, decision: Decision) -> str:
        """Return what one decision does, in a line."""
        return clean(self._decision(decision)).replace("\n", " ")

    def _decision(self, decision: Decision) -> str:
        match decision:
            case SetParameter(key=key, value=value):
                return f"set {key} to {self.value(key, value)} when the next epoch opens"
            case DefineParameter(parameter=new):
                return (
                    f"define {new.key} = {new.value:,}, bounds {new.minimum:,}..{new.maximum:,}, "
                    "when the next epoch opens"
                )
            case SetRegistrar(resource=resource, key=key_, active=active):
                verb = "admit" if active else "dismiss"
                return f"{verb} the registrar {key_.thumbprint.hex()[:16]} of {resource}"
            case SetReference(device=device, admitted=admitted):
                return f"{'admit' if admitted else 'dismiss'} device {device} as a reference"
            case AdoptSite(resource=resource, statement=statement):
                return f"put the site table {statement.hex()[:16]} of {resource} in force"
            case AdmitMember(account=account):
                return f"admit {self.account(account)} as a member"
            case RemoveMember(account=account):
                return f"remove {self.account(account)} as a member"
            case AppointGuardian(holder=holder, until=until):
                if holder == NOBODY:
                    return "end the guardian's office"
                return f"appoint {self.account(holder)} as guardian until {self.moment(until)}"
            case Transfer(asset=asset, receiver=receiver, amount=value):
                paid = self.money(asset, value)
                return f"pay {paid} from the treasury to {self.account(receiver)}"
            case RawCall():
                return self._call(decision)

    def _call(self, call: RawCall) -> str:
        text = f"call {spell(self._session.deployment, call)}"
        if call.value_wei:
            text += f" with {call.value_wei:,} wei of the chain's currency"
        if replaces_government(call):
            text += " (replaces a part of the government: waits longer than the Vault's exit)"
        return text
