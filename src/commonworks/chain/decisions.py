"""What a proposal may decide, as typed values; and the calls that carry it out.

Rule: a decision is shown in words only where encoding it again gives exactly the call that would be
carried out; everything else is shown as the raw call that it is. So nothing hides behind words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from commonworks.chain.abi import Contract, Item, contract, decode
from commonworks.chain.calls import Calls
from commonworks.chain.endpoints import hex_of
from commonworks.chain.plan import Deployment, GenesisParameter
from commonworks.crypto.hashes import keccak256
from commonworks.crypto.keys import PublicKey
from commonworks.errors import Corrupt, InvalidInput, NotFound
from commonworks.settlement.facts import key_of, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCall:
    """A call that the timelock makes, as it is."""

    to: bytes
    """Contract or account, 20 bytes."""
    value_wei: int
    """Native currency of the chain that goes with it."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParameter:
    """Change a parameter when the next epoch opens."""

    key: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineParameter:
    """Bring a parameter into being when the next epoch opens."""

    parameter: GenesisParameter


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRegistrar:
    """Admit a registrar's key to a resource, or dismiss it."""

    resource: str
    key: PublicKey
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReference:
    """Admit a device as an independent reference, or dismiss it."""

    device: int
    admitted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptSite:
    """Put a site statement in force."""

    resource: str
    site: bytes
    """Which place, 32 bytes."""
    statement: bytes
    """Identity of the statement, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitMember:
    """Give an account a vote; where members vote."""

    account: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMember:
    """Take an account's vote; where members vote."""

    account: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointGuardian:
    """Put somebody into the guardian's office, or renew it."""

    holder: bytes
    """20 zero bytes: nobody."""
    until: int
    """First Unix second in which it may not halt any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Pay out of the treasury."""

    asset: bytes
    """The token or the settlement currency."""
    receiver: bytes
    amount: int
    """In the asset's smallest unit."""


Decision = (
    SetParameter
    | DefineParameter
    | SetRegistrar
    | SetReference
    | AdoptSite
    | AdmitMember
    | RemoveMember
    | AppointGuardian
    | Transfer
    | RawCall
)
"""One thing that a proposal does."""


def encode_decision(deployment: Deployment, decision: Decision) -> RawCall:
    """Return the call that carries a decision out.

    Raises: InvalidInput when a value does not fit, or a membership is asked for where the token
    votes.
    """
    calls = Calls(deployment)
    match decision:
        case RawCall():
            return decision
        case SetParameter(key=key, value=value):
            made = calls.set_parameter(key, value)
        case DefineParameter(parameter=parameter):
            made = calls.define_parameter(parameter)
        case SetRegistrar(resource=resource, key=public, active=active):
            made = calls.set_registrar(resource, public, active)
        case SetReference(device=device, admitted=admitted):
            made = calls.set_reference(device, admitted)
        case AdoptSite(resource=resource, site=site, statement=statement):
            made = calls.adopt_site(resource, site, statement)
        case AdmitMember(account=account):
            made = calls.admit_member(account)
        case RemoveMember(account=account):
            made = calls.remove_member(account)
        case AppointGuardian(holder=holder, until=until):
            data = contract("Guardian")["appoint"].call(holder, until)
            return RawCall(to=deployment.government.guardian, value_wei=0, data=data)
        case Transfer(asset=asset, receiver=receiver, amount=amount):
            made = calls.transfer(asset, receiver, amount)
    if made.to is None:
        raise InvalidInput("a proposal cannot create a contract")
    return RawCall(to=made.to, value_wei=0, data=made.data)


def decode_decision(deployment: Deployment, call: RawCall) -> Decision:
    """Return what a call decides; the call itself where it is nothing that is known.

    Total: whatever a stranger proposed gives a decision.
    """
    named = _named(deployment, call)
    if named is None or call.value_wei:
        return call
    source, item, values = named
    reader = _READERS.get((source, item.name))
    if reader is None:
        return call
    try:
        decision = reader(call, values)
        again = None if decision is None else encode_decision(deployment, decision)
    except (InvalidInput, ValueError):
        return call
    return decision if decision is not None and again == call else call


def spell(deployment: Deployment, call: RawCall) -> str:
    """Return a call as text: contract, function and arguments where the contract is known."""
    known = spell_known(deployment, call)
    return known or f"{hex_of(call.to)} with data {hex_of(call.data)}"


def spell_known(deployment: Deployment, call: RawCall) -> str | None:
    """Return contract, function and arguments of a call; None where that is not known."""
    named = _named(deployment, call)
    if named is None:
        return None
    source, item, values = named
    shown = ", ".join(f"{name}={_show(value)}" for name, value in values.items())
    if item.call(*values.values()) != call.data:  # bytes that the function would never read
        shown += f"; data {hex_of(call.data)}"
    return f"{source}.{item.name}({shown})"


_REPLACING: Final = frozenset(
    keccak256(signature)[:4]
    for signature in (
        b"transferOwnership(address)",
        b"renounceOwnership()",
        b"grantRole(bytes32,address)",
        b"revokeRole(bytes32,address)",
        b"renounceRole(bytes32,address)",
        b"updateDelay(uint256)",
        b"updateTimelock(address)",
    )
)
"""Selectors that CommonsTimelock makes wait longest."""

_RELAY: Final = keccak256(b"relay(address,uint256,bytes)")[:4]
"""The Governor's own way to call something; what it carries counts."""


def replaces_government(call: RawCall) -> bool:
    """Tell whether a call replaces a part of the government: it waits longer than the exit."""
    data = call.data
    while data[:4] == _RELAY:
        try:
            data = cast(bytes, decode(["address", "uint256", "bytes"], data[4:])[2])
        except Corrupt:
            return False  # the timelock cannot schedule it
    return data[:4] in _REPLACING


_Values = Mapping[str, Any]


NAMED_BYTES_MAX: Final = 8 << 10
"""Longest data of a call that is taken apart. Pointers in it may share what they point at, so what
is unfolded grows with the square of what a stranger wrote."""


def _named(deployment: Deployment, call: RawCall) -> tuple[str, Item, dict[str, object]] | None:
    """Return contract, function and arguments of a call to a contract of the network."""
    if len(call.data) > NAMED_BYTES_MAX:
        return None
    for source, found in _contracts(deployment, call.to):
        for item in found.functions.values():
            if item.selector == call.data[:4]:
                try:
                    return source, item, item.named_inputs(call.data[4:])
                except Corrupt:
                    return None
    return None


def _contracts(deployment: Deployment, address: bytes) -> list[tuple[str, Contract]]:
    government = deployment.government
    known = {
        **deployment.watched,
        deployment.currency: "CommonsToken",  # any ERC-20 answers to these
        deployment.token: "CommonsToken",
        government.timelock: "CommonsTimelock",
        government.governor: "CommonsGovernor",
        government.guardian: "Guardian",
    }
    if government.membership is not None:
        known[government.membership] = "Membership"
    name = known.get(address)
    if name is None:
        return []
    try:
        return [(name, contract(name))]
    except NotFound:
        return []


def _set_registrar(_: RawCall, values: _Values) -> Decision | None:
    resource = text_of(values["resource"])
    key = key_of(values["alg"], values["publicKey"], values["thumbprint"])
    if resource is None or key is None:
        return None
    return SetRegistrar(resource=resource, key=key, active=values["active"])


def _set_parameter(_: RawCall, values: _Values) -> Decision | None:
    key = text_of(values["key"])
    return None if key is None else SetParameter(key=key, value=values["value_"])


def _define_parameter(_: RawCall, values: _Values) -> Decision | None:
    key = text_of(values["key"])
    if key is None:
        return None
    return DefineParameter(
        parameter=GenesisParameter(
            key=key, value=values["value_"], minimum=values["min"], maximum=values["max"]
        )
    )


def _adopt_site(_: RawCall, values: _Values) -> Decision | None:
    resource = text_of(values["resource"])
    if resource is None:
        return None
    return AdoptSite(resource=resource, site=values["site"], statement=values["statement"])


_READERS: Final[Mapping[tuple[str, str], Callable[[RawCall, _Values], Decision | None]]] = {
    ("Policy", "set"): _set_parameter,
    ("Policy", "defineParameter"): _define_parameter,
    ("Devices", "setRegistrar"): _set_registrar,
    ("Devices", "setReference"): lambda _, v: SetReference(device=v["id"], admitted=v["admitted"]),
    ("Devices", "adoptSite"): _adopt_site,
    ("Membership", "admit"): lambda _, v: AdmitMember(account=v["account"]),
    ("Membership", "remove"): lambda _, v: RemoveMember(account=v["account"]),
    ("Guardian", "appoint"): lambda _, v: AppointGuardian(
        holder=v["newHolder"], until=v["newUntil"]
    ),
    ("CommonsToken", "transfer"): lambda call, v: Transfer(
        asset=call.to, receiver=v["to"], amount=v["value"]
    ),
}


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return hex_of(value)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_show(item) for item in value)}]"
    return str(value)
