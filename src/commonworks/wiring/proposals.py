"""What people write about proposals as typed decisions, and what a proposal does to policy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.chain.accounts import address_bytes
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
)
from commonworks.chain.plan import GenesisParameter
from commonworks.crypto.hashes import sha256
from commonworks.errors import InvalidInput, NotFound
from commonworks.events import ParameterDefined, ParameterSet
from commonworks.policy import INT256_MAX, INT256_MIN, Parameter, parameter_table
from commonworks.settlement.epochs import ChainView
from commonworks.settlement.facts import text_of
from commonworks.units import DAY_S
from commonworks.wiring.discover import parameters
from commonworks.wiring.field import schema_of
from commonworks.wiring.records import devices_now, find_device, resolve_account
from commonworks.wiring.session import Session

NOBODY: Final = bytes(20)
DIGITS_MAX: Final = 78
"""Most digits of a number: more does not fit 256 bits."""

UINT256_MAX: Final = 2**256 - 1

KEY_PATTERN: Final = re.compile(r"[a-z][a-z0-9_.]*")
"""Keys of parameters that people can read and write."""

TERM_MAX_DAYS: Final = 365
"""Longest term of a guardian's office."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """What a proposal does to the parameters, and what else it does."""

    overrides: Mapping[str, int]
    """Parameters that there are -> value."""
    defined: Mapping[str, int]
    """Parameters that it brings into being -> value."""
    rest: tuple[Decision, ...]
    """Everything else: no part of a back-test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value that a parameter was given."""

    from_epoch: int
    """First epoch in which it holds."""
    value: int
    tx: bytes
    """Transaction that gave it."""
    time: int
    """When, Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One parameter as the chain knows it."""

    key: str
    minimum: int
    maximum: int
    changes: tuple[Change, ...]
    """In order, the definition first."""

    def at(self, epoch: int) -> int | None:
        """Return the value in an epoch; None before it was defined."""
        held = [change.value for change in self.changes if change.from_epoch <= epoch]
        return held[-1] if held else None


def histories(view: ChainView) -> Mapping[str, History]:
    """Return every parameter of a network with all its values, sorted by key."""
    bounds: dict[str, tuple[int, int]] = {}
    changes: dict[str, list[Change]] = {}
    for event in view.events:
        if not isinstance(event, (ParameterDefined, ParameterSet)):
            continue
        key = text_of(event.key)
        if key is None:
            continue
        if isinstance(event, ParameterDefined):
            bounds[key] = (event.minimum, event.maximum)
        changes.setdefault(key, []).append(
            Change(
                from_epoch=event.from_epoch,
                value=event.value,
                tx=event.at.tx,
                time=event.at.time,
            )
        )
    return {
        key: History(
            key=key, minimum=bounds[key][0], maximum=bounds[key][1], changes=tuple(changes[key])
        )
        for key in sorted(changes)
        if key in bounds
    }


def find_history(view: ChainView, key: str) -> History:
    """Return one parameter's history; raise NotFound where the network has no such parameter."""
    found = histories(view).get(key)
    if found is None:
        raise NotFound(f"this network has no parameter {key}", hint="see: commonworks policy list")
    return found


def known_parameters(session: Session) -> Mapping[str, Parameter]:
    """Return unit and description of every parameter that this release knows, by key."""
    return parameters(session.resources)


def policy_change(decisions: Sequence[Decision]) -> PolicyChange:
    """Return what decisions do to the parameters; of two about the same one the later counts."""
    overrides: dict[str, int] = {}
    defined: dict[str, int] = {}
    rest: list[Decision] = []
    for decision in decisions:
        match decision:
            case DefineParameter(parameter=parameter):
                defined[parameter.key] = parameter.value
            case SetParameter(key=key, value=value):
                (defined if key in defined else overrides)[key] = value
            case _:
                rest.append(decision)
    return PolicyChange(overrides=overrides, defined=defined, rest=tuple(rest))


# --- what people write ----------------------------------------------------------------------------


class Reader:
    """Reads decisions as people write them at the command line."""

    def __init__(self, session: Session, view: ChainView) -> None:
        self._session = session
        self._view = view
        self._known = known_parameters(session)
        self._histories = histories(view)

    def setting(self, text: str) -> SetParameter:
        """Read KEY=VALUE; a value may be an account's name where the parameter is an account."""
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"{text!r} sets nothing", hint="write KEY=VALUE")
        history = self._histories.get(key)
        if history is None:
            raise NotFound(
                f"this network has no parameter {key}", hint="see: commonworks policy list"
            )
        number = self._value(key, value)
        if not history.minimum <= number <= history.maximum:
            raise InvalidInput(
                f"{key} = {value} is outside {history.minimum}..{history.maximum}",
                hint="a vote cannot set it so; choose a value within the bounds",
            )
        return SetParameter(key=key, value=number)

    def definition(self, text: str) -> DefineParameter:
        """Read KEY=VALUE:MINIMUM:MAXIMUM."""
        key, _, words = text.partition("=")
        parts = words.split(":")
        if len(parts) != 3:
            raise InvalidInput(f"{text!r} defines nothing", hint="write KEY=VALUE:MINIMUM:MAXIMUM")
        if not KEY_PATTERN.fullmatch(key):
            raise InvalidInput(
                f"{key!r} is no key of a parameter",
                hint="use lower-case letters, digits, dot and underscore",
            )
        if key in self._histories:
            raise InvalidInput(f"{key} is defined already", hint=f"change it: --set {key}=...")
        value, minimum, maximum = (self._value(key, part) for part in parts)
        parameter_table(  # its key must fit, its value lie within its bounds
            [
                [
                    Parameter(
                        key=key,
                        unit="",
                        minimum=minimum,
                        maximum=maximum,
                        default=value,
                        description="",
                    )
                ]
            ]
        )
        made = GenesisParameter(key=key, value=value, minimum=minimum, maximum=maximum)
        return DefineParameter(parameter=made)

    def member(self, text: str, *, admit: bool) -> Decision:
        """Read an account."""
        account = resolve_account(self._session.home, text)
        return AdmitMember(account=account) if admit else RemoveMember(account=account)

    def reference(self, text: str, *, admitted: bool) -> SetReference:
        """Read a device: a name of this folder, or its id."""
        return SetReference(device=self._device(text), admitted=admitted)

    def registrar(self, text: str, *, active: bool) -> SetRegistrar:
        """Read NAME:RESOURCE, the name of a device key of this folder."""
        name, _, resource = text.rpartition(":")
        if not name:
            raise InvalidInput(f"{text!r} is no registrar", hint="write NAME:RESOURCE")
        schema_of(self._session, resource)
        key = self._session.home.device_key(name).public
        return SetRegistrar(resource=resource, key=key, active=active)

    def site(self, text: str) -> AdoptSite:
        """Read RESOURCE:PLACE:STATEMENT, the statement by its identity in hex."""
        parts = text.split(":")
        if len(parts) != 3:
            raise InvalidInput(f"{text!r} is no site", hint="write RESOURCE:PLACE:STATEMENT")
        schema_of(self._session, parts[0])
        statement = _hex(parts[2], "a statement's identity")
        if len(statement) != 32:
            raise InvalidInput("a statement's identity has 32 bytes")
        return AdoptSite(resource=parts[0], site=sha256(parts[1].encode()), statement=statement)

    def guardian(self, text: str) -> AppointGuardian:
        """Read ACCOUNT:DAYS; `nobody` ends the office."""
        if text == "nobody":
            return AppointGuardian(holder=NOBODY, until=0)
        name, _, days = text.rpartition(":")
        if not name or not is_number(days) or not 1 <= int(days) <= TERM_MAX_DAYS:
            raise InvalidInput(
                f"{text!r} is no guardian and term",
                hint=f"write ACCOUNT:DAYS, at most {TERM_MAX_DAYS} days, or nobody",
            )
        holder = resolve_account(self._session.home, name)
        return AppointGuardian(holder=holder, until=self._session.clock.now() + int(days) * DAY_S)

    def transfer(self, asset: bytes, amount: int, receiver: str) -> Transfer:
        """Read who is paid out of the treasury."""
        if amount == 0:
            raise InvalidInput("a transfer of nothing", hint="write ASSET:AMOUNT:TO, above 0")
        account = resolve_account(self._session.home, receiver)
        return Transfer(asset=asset, receiver=account, amount=amount)

    def call(self, text: str) -> RawCall:
        """Read ADDRESS:DATA or ADDRESS:DATA:WEI, the data in hex."""
        parts = text.split(":")
        if len(parts) not in (2, 3) or not is_number(parts[2] if len(parts) == 3 else "0"):
            raise InvalidInput(
                f"{text!r} is no call", hint="write ADDRESS:DATA or ADDRESS:DATA:WEI"
            )
        return RawCall(
            to=address_bytes(parts[0]),
            value_wei=int(parts[2]) if len(parts) == 3 else 0,
            data=_hex(parts[1], "a call's data"),
        )

    def _device(self, text: str) -> int:
        if is_number(text):
            known = devices_now(self._session, self._view)
            if int(text) not in {device.device for device in known}:
                raise NotFound(f"no device has the id {text}", hint="see: commonworks device list")
            return int(text)
        home = self._session.home
        found = find_device(self._session, self._view, home.device_key(text).public)
        if found is None:
            raise NotFound(f"{text} is not enrolled", hint="enrol it: commonworks device enrol")
        return found.device

    def _value(self, key: str, text: str) -> int:
        unit = self._known[key].unit if key in self._known else ""
        if is_number(text.removeprefix("-")):
            value = int(text)
        elif unit == "hash" and text.startswith("0x"):
            raw = _hex(text, key)
            if len(raw) != 32:
                raise InvalidInput(f"{key} is a hash of 32 bytes")
            value = int.from_bytes(raw, "big", signed=True)
        elif unit == "address":
            value = int.from_bytes(resolve_account(self._session.home, text), "big")
        else:
            raise InvalidInput(f"{text!r} is no value for {key}", hint=f"give a number ({unit})")
        if not INT256_MIN <= value <= INT256_MAX:
            raise InvalidInput(f"{text} does not fit a parameter")
        return value


def is_number(text: str) -> bool:
    """Tell whether a text is a number that the contracts' 256 bits hold."""
    few = text.isdecimal() and text.isascii() and len(text) <= DIGITS_MAX
    return few and int(text) <= UINT256_MAX


def _hex(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise InvalidInput(f"{text!r} is not {what} in hex") from None
