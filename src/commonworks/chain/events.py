"""Contract logs as the model's events.

One table says which log becomes which event and where each field comes from. Logs that neither a
fact depends on nor anybody waits for (ownership, approvals) give nothing; so does the transfer with
which a device id is minted, since `Enrolled` says the same and more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from commonworks.chain.abi import WATCHED, Contract, contract
from commonworks.chain.logs import RawLog
from commonworks.errors import Corrupt
from commonworks.events import (
    Anchored,
    AssetTotal,
    Attested,
    Bonded,
    Claimed,
    Closed,
    Commitment,
    Confirmed,
    Deposited,
    Enrolled,
    Event,
    Finalised,
    GatewayRegistered,
    ParameterDefined,
    ParameterSet,
    PayeesSet,
    Position,
    Range,
    ReferenceSet,
    RegistrarSet,
    Share,
    SiteAdopted,
    SpendLimitSet,
    StakeChanged,
    Tip,
    Transferred,
    Unbonded,
    UnbondingStarted,
    VerifierRegistered,
    WithdrawalRequested,
)
from commonworks.stops import (
    Exited,
    ExitEntered,
    GuardianAppointed,
    GuardianHalted,
    Halted,
    HaltVoted,
    RootAccepted,
    RootDelayed,
)

NOBODY: Final = bytes(20)
"""The zero address: sender of a mint."""


def tip_values(tip: Tip) -> tuple[object, ...]:
    """Return a tip as the contract's struct."""
    return (tip.log_id, tip.size, tip.root)


def commitment_values(commitment: Commitment) -> tuple[object, ...]:
    """Return a commitment as the contract's struct `Result`."""
    return (
        commitment.previous_digest,
        commitment.evidence_hash,
        commitment.facts_hash,
        commitment.policy_hash,
        commitment.rules_hash,
        commitment.result_hash,
        commitment.state_hash,
        commitment.payout_root,
        commitment.minted_wei,
        tuple((total.asset, total.earned, total.spent) for total in commitment.totals),
    )


def commitment_of(values: Sequence[Any]) -> Commitment:
    """Return the commitment that the contract's struct `Result` holds."""
    return Commitment(
        previous_digest=values[0],
        evidence_hash=values[1],
        facts_hash=values[2],
        policy_hash=values[3],
        rules_hash=values[4],
        result_hash=values[5],
        state_hash=values[6],
        payout_root=values[7],
        minted_wei=values[8],
        totals=tuple(
            AssetTotal(asset=asset, earned=earned, spent=spent)
            for asset, earned, spent in values[9]
        ),
    )


def _tips(values: Sequence[Any]) -> tuple[Tip, ...]:
    return tuple(Tip(log_id=log_id, size=size, root=root) for log_id, size, root in values)


def _ranges(values: Sequence[Any]) -> tuple[Range, ...]:
    return tuple(
        Range(log_id=log_id, first=first, size=size, root=root)
        for log_id, first, size, root in values
    )


def _shares(values: Sequence[Any]) -> tuple[Share, ...]:
    return tuple(Share(account=account, ppm=ppm) for account, ppm in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """How one log becomes an event."""

    event: type[Event]
    sources: Mapping[str, str]
    """The event's field -> the log's parameter."""
    convert: Mapping[str, Callable[[Any], object]]
    """The event's field -> conversion of a struct."""


def _rule(event: type[Event], sources: str, **convert: Callable[[Any], object]) -> _Rule:
    """Read `sources`: words `field` or `field=parameter`."""
    pairs = (word.partition("=") for word in sources.split())
    return _Rule(
        event=event,
        sources={field: parameter or field for field, _, parameter in pairs},
        convert=convert,
    )


_RULES: Final[Mapping[tuple[str, str], _Rule]] = {
    ("Devices", "Enrolled"): _rule(
        Enrolled,
        "device=id owner thumbprint algorithm=alg public_key=publicKey resource cell enroller",
    ),
    ("Devices", "Transfer"): _rule(Transferred, "device=tokenId sender=from receiver=to"),
    ("Devices", "PayeesSet"): _rule(PayeesSet, "device=id shares", shares=_shares),
    ("Devices", "RegistrarSet"): _rule(
        RegistrarSet, "resource thumbprint algorithm=alg public_key=publicKey active"
    ),
    ("Devices", "ReferenceSet"): _rule(ReferenceSet, "device=id admitted"),
    ("Devices", "SiteAdopted"): _rule(SiteAdopted, "resource site statement"),
    ("Nodes", "GatewayRegistered"): _rule(
        GatewayRegistered,
        "operator name origin endpoint log_id=logId note_key=noteKey receipt_key=receiptKey",
    ),
    ("Nodes", "VerifierRegistered"): _rule(VerifierRegistered, "operator name endpoint"),
    ("Nodes", "Bonded"): _rule(Bonded, "operator amount"),
    ("Nodes", "UnbondingStarted"): _rule(UnbondingStarted, "operator amount ready_at=readyAt"),
    ("Nodes", "Unbonded"): _rule(Unbonded, "operator amount"),
    ("Nodes", "StakeChanged"): _rule(StakeChanged, "operator stake total=totalStake"),
    ("Policy", "ParameterDefined"): _rule(
        ParameterDefined, "key value minimum=min maximum=max from_epoch=fromEpoch"
    ),
    ("Policy", "ParameterSet"): _rule(ParameterSet, "key value from_epoch=fromEpoch"),
    ("Settlement", "Anchored"): _rule(Anchored, "log_id=logId size root"),
    ("Settlement", "Confirmed"): _rule(Confirmed, "epoch verifier tips", tips=_tips),
    ("Settlement", "Closed"): _rule(
        Closed, "epoch evidence_hash=evidenceHash ranges", ranges=_ranges
    ),
    ("Settlement", "Attested"): _rule(Attested, "epoch verifier digest"),
    ("Settlement", "Finalised"): _rule(
        Finalised, "epoch digest commitment=result", commitment=commitment_of
    ),
    ("Vault", "Deposited"): _rule(Deposited, "asset account amount sender=from"),
    ("Vault", "WithdrawalRequested"): _rule(
        WithdrawalRequested, "request=id asset account amount"
    ),
    ("Vault", "SpendLimitSet"): _rule(SpendLimitSet, "account device=deviceId limit"),
    ("Vault", "Claimed"): _rule(Claimed, "asset account amount epoch"),
    ("Settlement", "HaltVoted"): _rule(HaltVoted, "epoch verifier stake"),
    ("Settlement", "Halted"): _rule(Halted, "epoch until"),
    ("Vault", "RootAccepted"): _rule(RootAccepted, "epoch root claimable_at=claimableAt"),
    ("Vault", "RootDelayed"): _rule(RootDelayed, "epoch claimable_at=claimableAt"),
    ("Vault", "ExitEntered"): _rule(ExitEntered, "since=time"),
    ("Vault", "Exited"): _rule(Exited, "asset account amount"),
    ("Guardian", "Appointed"): _rule(GuardianAppointed, "holder until"),
    ("Guardian", "Halted"): _rule(GuardianHalted, "epoch holder ready_at=readyAt"),
}  # fmt: skip


def decode_log(source: str, log: RawLog, time_s: int) -> Event | None:
    """Return the event that a contract's log stands for, or None where nobody reads it.

    Inputs: `source` names the contract that wrote the log (one of `abi.WATCHED`); `time_s` is the
    timestamp of the log's block.
    Raises: Corrupt when the log does not fit the contract's own interface.
    """
    if not log.topics:
        return None
    item = _contracts()[source].events.get(log.topics[0])
    rule = _RULES.get((source, item.name)) if item is not None else None
    if item is None or rule is None:
        return None
    fields = item.log_fields(log.topics[1:], log.data)
    try:
        values: dict[str, Any] = {
            field: rule.convert.get(field, _same)(fields[parameter])
            for field, parameter in rule.sources.items()
        }
    except KeyError as error:
        raise Corrupt(f"{source}.{item.name} has no parameter {error}") from error
    if rule.event is Transferred and values["sender"] == NOBODY:
        return None
    at = Position(block=log.block, time=time_s, index=log.index, tx=log.tx)
    return rule.event(at=at, **values)


@cache
def _contracts() -> Mapping[str, Contract]:
    return {name: contract(name) for name in WATCHED}


def _same(value: object) -> object:
    return value
