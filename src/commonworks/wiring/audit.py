"""The audit: anybody recomputes an epoch from the chain and the evidence, and from nothing else.

Goal: equal inputs give equal bytes, so a difference is a fact and can be named. Rule: epochs are
settled again from genesis, because the state between them is derived too. Invariant: nothing that
a verifier stored is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonworks.errors import CommonworksError, NotFound, Unauthorized, Unavailable
from commonworks.events import (
    Closed,
    Commitment,
    Range,
)
from commonworks.model import (
    Evidence,
    Network,
    Settlement,
)
from commonworks.ports import Log
from commonworks.resources.base import Resource
from commonworks.settlement.epochs import ChainView, LoggedItem
from commonworks.settlement.facts import facts_at, policy_at
from commonworks.settlement.settle import settle
from commonworks.settlement.state import INITIAL
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.translog.check import Fault, check_log
from commonworks.translog.tiles import Read
from commonworks.translog.tree import Frontier, leaf_hash
from commonworks.verifier.reader import read_items

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
    found: Commitment
    found_digest: bytes
    expected: Commitment
    expected_digest: bytes
    differences: tuple[str, ...]
    """One line each, the first difference first; empty: the epoch is what it should be."""
    statements: int
    """Statements read for this epoch."""


async def audit(
    *,
    network: Network,
    view: ChainView,
    logs: Mapping[bytes, AuditedLog],
    resources: Mapping[str, Resource],
    rules_hash: bytes,
    epoch: int,
    progress: Callable[[str], None],
) -> AuditReport:
    """Recompute epochs 0..`epoch` and compare the last with what was finalised.

    Inputs: `view` over all events of the chain; a log for every range that the epochs closed.
    Raises: NotFound when the epoch is not finalised or a log is missing; Unauthorized or
    Unavailable when a log cannot be read.
    """
    final = view.finalised.get(epoch)
    if final is None:
        raise NotFound(
            f"epoch {epoch} is not finalised",
            hint=f"finalised so far: {len(view.finalised)} epochs, from 0",
        )
    differences: list[str] = []
    for _, source in sorted(logs.items()):
        progress(f"checking log {source.name}")
        fault = check_log(source.read, source.vkey).first_fault
        if fault is not None:
            differences.append(_name(source, fault))
    frontiers: dict[bytes, Frontier] = {}
    state, settled, statements = INITIAL, None, 0
    for number in range(epoch + 1):
        progress(f"recomputing epoch {number}")
        closed = view.closed[number]
        evidence = await _evidence(view, closed, logs, frontiers, differences)
        settled = settle(
            resources,
            policy_at(view.events, number),
            facts_at(network, view.events, number),
            state,
            evidence,
        )
        state, statements = settled.state, len(settled.verdicts)
        _compare(settled, view, number, rules_hash, differences)
    if settled is None:
        raise NotFound(f"there is no epoch {epoch}")
    return AuditReport(
        epoch=epoch,
        found=settled.commitment,
        found_digest=settled.digest,
        expected=final.commitment,
        expected_digest=final.digest,
        differences=tuple(dict.fromkeys(differences)),
        statements=statements,
    )


def _name(source: AuditedLog, fault: Fault) -> str:
    return f"log {source.name}: {fault}"


async def _evidence(
    view: ChainView,
    closed: Closed,
    logs: Mapping[bytes, AuditedLog],
    frontiers: dict[bytes, Frontier],
    differences: list[str],
) -> Evidence:
    """Read an epoch's evidence; its ranges carry the roots that the entries really have."""
    found: list[tuple[Range, Sequence[LoggedItem]]] = []
    for part in closed.ranges:
        source = logs.get(part.log_id)
        if source is None:
            raise NotFound(
                f"log {part.log_id.hex()[:16]} is part of the evidence and not at hand",
                hint="give its folder or URL with --log",
            )
        try:
            items = await read_items(source.log, part.first, part.size)
        except (Unauthorized, Unavailable):
            raise  # that the auditor cannot read it says nothing about it
        except CommonworksError as error:
            differences.append(f"log {source.name}: {error.message}")
            items = []
        differences.extend(_bad_payloads(source, items))
        frontier = frontiers.get(part.log_id, Frontier())
        frontier = frontier.extend([leaf_hash(item.statement) for item in items])
        frontiers[part.log_id] = frontier
        root = frontier.root()
        if root != part.root:
            differences.append(
                f"log {source.name}: entries {part.first}..{part.size - 1} do not hash to the "
                f"root that was closed"
            )
        found.append((replace(part, root=root), items))
    actual = replace(closed, ranges=tuple(part for part, _ in found))
    return view.evidence(actual, found)


def _bad_payloads(source: AuditedLog, items: Sequence[LoggedItem]) -> list[str]:
    """Name every sealed statement whose payload is missing or is not the one that was signed."""
    bad = []
    for item in items:
        decoded = decode_statement(item.statement, item.preimage)
        if decoded is Reason.PAYLOAD_MISMATCH:
            bad.append(f"log {source.name}: entry {item.index}: the payload is not what was signed")
        elif not isinstance(decoded, Reason) and decoded.payload is None:
            bad.append(f"log {source.name}: entry {item.index}: the payload is missing")
    return bad


def _compare(
    settled: Settlement, view: ChainView, epoch: int, rules_hash: bytes, differences: list[str]
) -> None:
    """Name the first field in which an epoch differs from what was finalised."""
    policy = settled.commitment.rules_hash
    if policy != rules_hash:
        differences.append(
            f"epoch {epoch} was settled by rules {policy.hex()[:16]}, this release has "
            f"{rules_hash.hex()[:16]}: audit it with the release that it names"
        )
    expected = view.finalised[epoch].commitment
    for name, words in COMPARED:
        if getattr(settled.commitment, name) != getattr(expected, name):
            differences.append(f"epoch {epoch}: {words} differs")
            return
