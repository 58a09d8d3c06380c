"""The audit: anybody recomputes an epoch from the chain and the evidence, and from nothing else.

Goal: equal inputs give equal bytes, so a difference is a fact and can be named. Rule: epochs are
settled again from genesis, because the state between them is derived too. Invariant: nothing that
a verifier stored is believed; a stored state is used only where its hash stands on chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from commonworks.errors import NotFound
from commonworks.events import Commitment
from commonworks.model import Settlement
from commonworks.settlement.facts import facts_at, policy_at
from commonworks.settlement.settle import settle
from commonworks.translog.check import Fault, check_log
from commonworks.translog.tree import Frontier
from commonworks.wiring.evidence import (
    AuditedLog,
    Source,
    handed_over,
    may_be_erased,
    read_evidence,
)

__all__ = ["AuditReport", "AuditedLog", "Source", "audit", "compare"]

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
    state = await handed_over(source, first - 1)
    settled: Settlement | None = None
    for number in range(epoch + 1):
        progress(f"{'recomputing' if number >= first else 'reading'} epoch {number}")
        read = await read_evidence(source, number, frontiers)
        differences.extend(read.faults)
        if number < first:
            continue
        if read.missing and may_be_erased(source, number):
            erased.append(f"epoch {number}: evidence erased by rule")
            settled = None
            if number < epoch:
                state = await handed_over(source, number)
            continue
        differences.extend(read.missing)
        settled = settle(
            source.resources,
            policy_at(source.view.events, number),
            facts_at(source.network, source.view.events, number),
            state,
            read.evidence,
        )
        state = settled.state
        differences.extend(compare(settled, source))
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


def _name(source: AuditedLog, fault: Fault) -> str:
    return f"log {source.name}: {fault}"


def compare(settled: Settlement, source: Source) -> tuple[str, ...]:
    """Return a line for the first field in which an epoch differs from what was finalised.

    Where another release settled it, a line before that says which.
    """
    epoch = settled.epoch
    found: list[str] = []
    rules = settled.commitment.rules_hash
    if rules != source.rules_hash:
        found.append(
            f"epoch {epoch} was settled by rules {rules.hex()[:16]}, this release has "
            f"{source.rules_hash.hex()[:16]}: audit it with the release that it names"
        )
    expected = source.view.finalised[epoch].commitment
    for name, words in COMPARED:
        if getattr(settled.commitment, name) != getattr(expected, name):
            found.append(f"epoch {epoch}: {words} differs")
            break
    return tuple(found)
