"""From cumulative registers to energy per interval.

Rule: energy is the difference of two readings that both count. A reading that falls, jumps beyond
what the connection can carry, or contradicts another of the same moment does not count, and the
next good one closes the gap: nothing is lost, only known less finely.
Invariant: the deltas of a meter join without gap or overlap, so no interval is credited twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from commonworks.model import (
    IntervalVerdict,
)
from commonworks.resources.energy.readings import INTERVAL_S
from commonworks.resources.energy.reasons import Why
from commonworks.resources.energy.state_v1 import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A reading that some statement offers."""

    reading: Reading
    identity: bytes | None
    """None for a reading kept from the last epoch."""
    anchored_at: int
    """When the chain first covered the statement, Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A change of meter, countersigned by the registrar."""

    final: Reading
    """Old meter's registers at the change."""
    first: Reading
    """New meter's registers at the same moment."""
    identity: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """Energy between two neighbouring readings that count."""

    start_s: int
    length_s: int
    import_wh: int
    export_wh: int
    voltage_mv: int
    """At the end of it; 0 where the meter did not say."""
    identities: frozenset[bytes]
    """Statements of this epoch that brought the reading which closes it."""


@dataclass(slots=True)
class Trace:
    """What one meter's registers say about one epoch."""

    deltas: list[Delta] = field(default_factory=list)
    kept: tuple[Reading, ...] = ()
    """For the next epoch: the last reading that counts, then those beyond the epoch's end."""
    used: Counter[bytes] = field(default_factory=Counter)
    """Statement -> how many of its readings count or are kept."""
    refused: dict[bytes, Why] = field(default_factory=dict)
    """Statement -> reason of its first reading that does not count."""
    intervals: list[IntervalVerdict] = field(default_factory=list)

    def void(self, delta: Delta, why: Why) -> None:
        """A delta with nothing left of it: a statement that brought only such does not count."""
        if delta.import_wh:
            return
        for identity in delta.identities:
            self.used[identity] -= 1
            self.refused.setdefault(identity, why)

    def refuse(self, device: int, candidate: Candidate, why: Why, claimed: int) -> None:
        time = candidate.reading.time
        self.intervals.append(
            IntervalVerdict(
                device=device,
                start_s=time - INTERVAL_S,
                length_s=INTERVAL_S,
                reason=why,
                claimed=claimed,
                credited=0,
            )
        )
        if candidate.identity is not None:
            self.refused.setdefault(candidate.identity, why)


def _limit_wh(rating_w: int, seconds: int) -> int:
    """Return the most a connection can carry in that time, rounded up to whole Wh."""
    return -(-rating_w * seconds // 3600)


def _fault(before: Reading, after: Reading, rating_w: int) -> Why | None:
    """Return why `after` cannot follow `before`, or None when it can."""
    if after.import_wh < before.import_wh or after.export_wh < before.export_wh:
        return Why.REGISTER_FELL
    limit = _limit_wh(rating_w, after.time - before.time)
    if max(after.import_wh - before.import_wh, after.export_wh - before.export_wh) > limit:
        return Why.OVER_RATING
    return None


def _claimed_wh(before: Reading, after: Reading) -> int:
    """Return what a refused reading asked for: export, or import where it claims none."""
    exported = max(after.export_wh - before.export_wh, 0)
    return exported or max(after.import_wh - before.import_wh, 0)


def _unanimous(
    device: int, candidates: Iterable[Candidate], trace: Trace
) -> list[tuple[Reading, list[Candidate]]]:
    """Return one reading a moment with the statements that offer it; refuse contradictions."""
    by_time: defaultdict[int, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.reading.time % INTERVAL_S:
            trace.refuse(device, candidate, Why.MISALIGNED, 0)
        elif candidate.reading.time > candidate.anchored_at:
            # a forecast is no measurement, and it would bar the true reading when that comes
            trace.refuse(device, candidate, Why.FUTURE, 0)
        else:
            by_time[candidate.reading.time].append(candidate)
    agreed: list[tuple[Reading, list[Candidate]]] = []
    for _, group in sorted(by_time.items()):
        held = [item for item in group if item.identity is None]
        values = {item.reading for item in (held or group)}
        if len(values) > 1:
            for item in group:
                trace.refuse(device, item, Why.CONFLICTING, 0)
            continue
        value = values.pop()
        for item in group:
            if item.reading != value:
                trace.refuse(device, item, Why.CONFLICTING, 0)
        agreed.append((value, [item for item in group if item.reading == value]))
    return agreed


def _step(before: Reading, after: Reading, identities: Iterable[bytes]) -> Delta:
    return Delta(
        start_s=before.time,
        length_s=after.time - before.time,
        import_wh=after.import_wh - before.import_wh,
        export_wh=after.export_wh - before.export_wh,
        voltage_mv=after.voltage_mv,
        identities=frozenset(identities),
    )


def trace_registers(
    device: int,
    rating_w: int,
    kept: Sequence[Reading],
    candidates: Iterable[Candidate],
    replacements: Sequence[Replacement],
    end_s: int,
) -> Trace:
    """Follow one meter's registers from its last settled reading to the epoch's end.

    Inputs: rating in W; `kept` from the last epoch (last settled reading first); candidates in any
    order; replacements sorted by time; `end_s` the epoch's end, Unix seconds.
    Returns: the deltas in time order, what to keep, and which statements counted or why not.
    Guarantees: deltas never overlap; no delta exceeds the rating; readings after `end_s` are kept
    untouched for the next epoch.
    """
    trace = Trace()
    last = kept[0] if kept else None
    known = [Candidate(reading=r, identity=None, anchored_at=r.time) for r in kept[1:]]
    changes = list(replacements)
    later: list[Reading] = []
    for reading, offers in _unanimous(device, [*known, *candidates], trace):
        if last is not None and reading.time <= last.time:
            for offer in offers:
                trace.refuse(device, offer, Why.ALREADY_SETTLED, 0)
            continue
        identities = [item.identity for item in offers if item.identity is not None]
        if reading.time > end_s:
            later.append(reading)
            trace.used.update(identities)
            continue
        while changes and changes[0].final.time <= reading.time:
            last = _exchange(device, rating_w, last, changes.pop(0), trace)
        why = _fault(last, reading, rating_w) if last is not None else None
        if last is not None and why is not None:
            for offer in offers:
                trace.refuse(device, offer, why, _claimed_wh(last, reading))
            continue
        if last is not None and reading.time > last.time:
            trace.deltas.append(_step(last, reading, identities))
        last = reading
        trace.used.update(identities)
    while changes:
        last = _exchange(device, rating_w, last, changes.pop(0), trace)
    if last is not None:
        trace.kept = (last, *later)
    elif later:
        trace.kept = tuple(later)
    return trace


def _exchange(
    device: int, rating_w: int, last: Reading | None, change: Replacement, trace: Trace
) -> Reading | None:
    """Close the old meter's registers and go on with the new one's; return the reading to go on.

    A meter without a past begins with the new registers.
    """
    offer = Candidate(reading=change.final, identity=change.identity, anchored_at=change.final.time)
    if change.final.time % INTERVAL_S:
        # a delta that ends inside an interval could not be checked against sky and feeder
        trace.refuse(device, offer, Why.MISALIGNED, 0)
        return last
    if last is not None and change.final.time < last.time:
        trace.refuse(device, offer, Why.ALREADY_SETTLED, 0)
        return last
    why = _fault(last, change.final, rating_w) if last is not None else None
    if last is not None and why is not None:
        trace.refuse(device, offer, why, _claimed_wh(last, change.final))
        return last
    if last is not None and change.final.time > last.time:
        trace.deltas.append(_step(last, change.final, [change.identity]))
    trace.used[change.identity] += 1
    return change.first
