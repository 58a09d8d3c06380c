"""The audit: anybody recomputes an epoch from the chain and the evidence, and from nothing else.

Goal: equal inputs give equal bytes, so a difference is a fact and can be named. Rule: epochs are
settled again from genesis, because the state between them is derived too. Invariant: nothing that
a verifier stored is believed; a stored state is used only where its hash stands on chain.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonworks.errors import CommonworksError, NotFound, Unauthorized, Unavailable
from commonworks.events import (
    Commitment,
    Range,
)
from commonworks.model import (
    Evidence,
    Network,
    Settlement,
    State,
)
from commonworks.ports import Log
from commonworks.resources.base import Resource
from commonworks.settlement.epochs import ChainView, LoggedItem
from commonworks.settlement.facts import facts_at, policy_at
from commonworks.settlement.settle import settle
from commonworks.settlement.state import INITIAL, state_hash
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.translog.check import Fault, check_log
from commonworks.translog.tiles import Read
from commonworks.translog.tree import Frontier, leaf_hash
from commonworks.verifier.reader import read_items
from commonworks.wiring.retention import retention_ends

COMPARED: Final = (
    ("previous_digest", "the digest of the epoch before"),
    ("evidence_hash", "the evidence (which logs, how far, which roots)"),
    ("facts_hash", "the facts (what the chain says)"),
    ("policy_hash", "the policy"),
    ("rules_hash", "the rules"),
    ("result_hash", "the result (verdicts, work, rewards, payments)"),
    ("state_hash", "the state handed to the next epoch"),
    ("payout_root", "the payout tree"),
    ("minted_wei", "the amount minted"),
    ("totals", "the totals"),
)
"""Fields of a commitment in the order in which one follows from another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedLog:
    """One log as the auditor reads it."""

    name: str
    """The gateway's name."""
    vkey: str
    log: Log
    read: Read
    """The same log, read synchronously for the check of tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit found."""

    epoch: int
    found: Settlement | None
    """What was recomputed; None where the evidence was erased by rule."""
    expected: Commitment
    expected_digest: bytes
    differences: tuple[str, ...]
    """One line each, the first difference first; empty: the epoch is what it should be."""
    erased: tuple[str, ...]
    """One line for each epoch whose payloads were erased by rule."""
    begun_from: str
    """Where recomputation began: `genesis`, or the stored state that the chain vouches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Everything that an audit reads."""

    network: Network
    view: ChainView
    """All events of the chain."""
    logs: Mapping[bytes, AuditedLog]
    """A log for every range that the epochs closed."""
    resources: Mapping[str, Resource]
    rules_hash: bytes
    now: int
    """Network time: what may have been erased by now."""
    stored_state: Callable[[int], Awaitable[State | None]]
    """The state that an epoch left, as somebody stored it; believed only by its hash on chain."""


async def audit(
    source: Source, epoch: int, *, from_state: bool, progress: Callable[[str], None]
) -> AuditReport:
    """Recompute an epoch and compare it with what was finalised.

    Recomputation begins at genesis. With `from_state` it begins with the stored state of the epoch
    before, whose hash the chain must vouch for. Where payloads were erased by rule, the log's
    roots are checked and the next epoch begins with the stored state.
    Raises: NotFound when the epoch is not finalised, a log is missing, or no stored state fits;
    Unauthorized or Unavailable when a log cannot be read.
    """
    final = source.view.finalised.get(epoch)
    if final is None:
        raise NotFound(
            f"epoch {epoch} is not finalised",
            hint=f"finalised so far: {len(source.view.finalised)} epochs, from 0",
        )
    differences = _check_logs(source, progress)
    erased: list[str] = []
    frontiers: dict[bytes, Frontier] = {}
    first = epoch if from_state else 0
    state = await _handed_over(source, first - 1)
    settled: Settlement | None = None
    for number in range(epoch + 1):
        progress(f"{'recomputing' if number >= first else 'reading'} epoch {number}")
        evidence, missing = await _evidence(source, number, frontiers, differences)
        if number < first:
            continue
        if missing and _may_be_erased(source, number):
            erased.append(f"epoch {number}: evidence erased by rule")
            settled = None
            if number < epoch:
                state = await _handed_over(source, number)
            continue
        differences.extend(missing)
        settled = settle(
            source.resources,
            policy_at(source.view.events, number),
            facts_at(source.network, source.view.events, number),
            state,
            evidence,
        )
        state = settled.state
        _compare(settled, source, number, differences)
    return AuditReport(
        epoch=epoch,
        found=settled,
        expected=final.commitment,
        expected_digest=final.digest,
        differences=tuple(dict.fromkeys(differences)),
        erased=tuple(erased),
        begun_from=f"the state of epoch {first - 1}" if first else "genesis",
    )


def _check_logs(source: Source, progress: Callable[[str], None]) -> list[str]:
    """Return a line for each log in which something does not hash to what vouches for it."""
    found = []
    for _, log in sorted(source.logs.items()):
        progress(f"checking log {log.name}")
        fault = check_log(log.read, log.vkey).first_fault
        if fault is not None:
            found.append(_name(log, fault))
    return found


async def _handed_over(source: Source, epoch: int) -> State:
    """Return the state that an epoch left; only the one whose hash the chain has is believed."""
    if epoch < 0:
        return INITIAL
    final = source.view.finalised[epoch]
    stored = await source.stored_state(epoch)
    if stored is None or state_hash(stored) != final.commitment.state_hash:
        raise NotFound(
            f"no stored state of epoch {epoch} that the chain vouches for",
            hint="ask a verifier for its folder, or audit from genesis",
        )
    return replace(stored, digest=final.digest)


def _may_be_erased(source: Source, epoch: int) -> bool:
    """Tell whether the retention period of an epoch's sealed payloads has passed."""
    return retention_ends(source.network, source.view, epoch) <= source.now


def _name(source: AuditedLog, fault: Fault) -> str:
    return f"log {source.name}: {fault}"


async def _evidence(
    source: Source, epoch: int, frontiers: dict[bytes, Frontier], differences: list[str]
) -> tuple[Evidence, list[str]]:
    """Read an epoch's evidence; its ranges carry the roots that the entries really have.

    Returns the evidence, and a line for each sealed payload that is missing.
    """
    found: list[tuple[Range, Sequence[LoggedItem]]] = []
    missing: list[str] = []
    closed = source.view.closed[epoch]
    for part in closed.ranges:
        log = source.logs.get(part.log_id)
        if log is None:
            raise NotFound(
                f"log {part.log_id.hex()[:16]} is part of the evidence and not at hand",
                hint="give its folder or URL with --log",
            )
        try:
            items = await read_items(log.log, part.first, part.size)
        except (Unauthorized, Unavailable):
            raise  # that the auditor cannot read it says nothing about it
        except CommonworksError as error:
            differences.append(f"log {log.name}: {error.message}")
            items = []
        _check_payloads(log, items, differences, missing)
        frontier = frontiers.get(part.log_id, Frontier())
        frontier = frontier.extend([leaf_hash(item.statement) for item in items])
        frontiers[part.log_id] = frontier
        root = frontier.root()
        if root != part.root:
            differences.append(
                f"log {log.name}: entries {part.first}..{part.size - 1} do not hash to the "
                f"root that was closed"
            )
        found.append((replace(part, root=root), items))
    actual = replace(closed, ranges=tuple(part for part, _ in found))
    return source.view.evidence(actual, found), missing


def _check_payloads(
    log: AuditedLog, items: Sequence[LoggedItem], differences: list[str], missing: list[str]
) -> None:
    """Name every sealed statement whose payload is missing or is not the one that was signed."""
    for item in items:
        decoded = decode_statement(item.statement, item.preimage)
        where = f"log {log.name}: entry {item.index}"
        if decoded is Reason.PAYLOAD_MISMATCH:
            differences.append(f"{where}: the payload is not what was signed")
        elif not isinstance(decoded, Reason) and decoded.payload is None:
            missing.append(f"{where}: the payload is missing")


def _compare(settled: Settlement, source: Source, epoch: int, differences: list[str]) -> None:
    """Name the first field in which an epoch differs from what was finalised."""
    rules = settled.commitment.rules_hash
    if rules != source.rules_hash:
        differences.append(
            f"epoch {epoch} was settled by rules {rules.hex()[:16]}, this release has "
            f"{source.rules_hash.hex()[:16]}: audit it with the release that it names"
        )
    expected = source.view.finalised[epoch].commitment
    for name, words in COMPARED:
        if getattr(settled.commitment, name) != getattr(expected, name):
            differences.append(f"epoch {epoch}: {words} differs")
            return
