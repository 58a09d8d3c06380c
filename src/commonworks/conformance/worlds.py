"""A resource's world, played and settled as a network would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonworks import canonical
from commonworks.conformance.findings import Finding, Rule
from commonworks.conformance.shown import check_shown
from commonworks.conformance.stage import CURRENCY, LOGS, START_S, TOKEN, Played, Stage
from commonworks.crypto.hashes import sha256
from commonworks.errors import CommonworksError, InvariantBroken
from commonworks.model import Entry, Outcome, Settlement, State
from commonworks.resources.base import Resource
from commonworks.resources.simulator import SEASONS, Cast, Simulator, World
from commonworks.settlement.state import INITIAL
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.translog.tree import leaf_hash
from commonworks.units import DAY_S

HONEST: Final = "honest"
JUNK: Final = (b"", b"junk", b"\xd2\x84\x40\xa0\x40\x40")
"""Bytes that a log may hold and that are no statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A world's epochs: what was played and what came out."""

    stage: Stage
    played: tuple[Played, ...]
    settled: tuple[Settlement, ...]


def check_simulator(simulator: Simulator, resource: Resource, seed: int) -> Iterator[Finding]:
    """Yield what is wrong with the worlds that a simulator makes."""
    for season in SEASONS:
        for cheaters in (True, False):
            where = f"{season}, {'cheating' if cheaters else HONEST}"
            try:
                world, again = (
                    world_of(simulator, seed, season=season, cheaters=cheaters) for _ in range(2)
                )
                wrong = list(_world(resource, simulator, season, world, again))
            except Exception as error:
                # a simulator is foreign code: whatever escapes it is what this check looks for
                message = f"{type(error).__name__}: {error}"
                yield Finding(rule=Rule.WORLD, where=where, message=message)
                continue
            for message in wrong:
                yield Finding(rule=Rule.WORLD, where=where, message=message)
            liars = [a.name for a in world.cast.actors if a.behaviour != HONEST]
            if cheaters and not liars:
                yield Finding(rule=Rule.CHEATERS, where=where, message="nobody cheats")
            if not cheaters and liars:
                message = f"{liars[0]} is not honest"
                yield Finding(rule=Rule.CHEATERS, where=where, message=message)


def world_of(simulator: Simulator, seed: int, *, season: str, cheaters: bool) -> World:
    """Return a world at its natural start, or at one of ours."""
    natural = simulator.natural_start(season)
    start_s = START_S if natural is None else natural
    return simulator.world(seed=seed, season=season, cheaters=cheaters, start_s=start_s)


def _world(
    resource: Resource, simulator: Simulator, season: str, world: World, again: World
) -> Iterator[str]:
    cast = world.cast
    natural = simulator.natural_start(season)
    if cast.start_s != (START_S if natural is None else natural):
        yield "it does not begin where it was asked to"
    if cast.length_s < DAY_S:
        yield "it reaches for less than a day"
    span = (cast.start_s, cast.start_s + DAY_S // 4)
    first, second = (list(one.step(*span)) for one in (world, again))
    if cast != again.cast or first != second:
        yield "the same arguments give another world"
    names = {actor.name for actor in cast.actors}
    if len(names) != len(cast.actors):
        yield "two actors have one name"
    if any(one.actor not in names or one.poses_as not in names for one in first):
        yield "somebody speaks who is not in the cast"
    if any(one.kind not in resource.schemas for one in first):
        yield "somebody says what the resource has no schema for"
    yield from _services(resource, cast)


def _services(resource: Resource, cast: Cast) -> Iterator[str]:
    addresses = {p.key for p in resource.parameters if p.unit == "address"}
    for key in sorted(set(cast.service_accounts) - addresses):
        yield f"service account {key} is no parameter of unit address"


def tell(resource: Resource, world: World, epochs: int | None = None) -> Told | Finding:
    """Play and settle a world's first epochs; a finding where that fails."""
    where = "a world"
    try:
        stage = Stage(resource, world)
        played, settled, state = [], [], INITIAL
        for epoch in range(min(epochs or stage.epochs, stage.epochs)):
            where = f"epoch {epoch}"
            entries = stage.entries(epoch)
            played.append(stage.play(state, entries))
            settled.append(stage.settle(state, entries))
            state = settled[-1].state
    except Exception as error:
        # world and rules are foreign code: whatever escapes them is what this check looks for
        message = f"{type(error).__name__}: {error}"
        return Finding(rule=Rule.TOTAL, where=where, message=message)
    return Told(stage=stage, played=tuple(played), settled=tuple(settled))


def check_told(told: Told) -> Iterator[Finding]:
    """Yield what is wrong with a world's settlements."""
    for played, settled in zip(told.played, told.settled, strict=True):
        where = f"epoch {settled.epoch}"
        for message in _money(played, settled):
            yield Finding(rule=Rule.MONEY, where=where, message=message)
        yield from check_views(told.stage.resource, settled, where)
        yield from _figures(told.stage.resource, settled, where)
    yield from _again(told)
    yield from _spread(told)
    yield from _growth(told)


def _money(played: Played, settled: Settlement) -> Iterator[str]:
    before = {(t.asset, t.account): t for t in played.before.totals}
    deposits = played.data.facts.deposits
    for asset, minted in ((CURRENCY, 0), (TOKEN, settled.minted_wei)):
        rows = [total for total in settled.payouts if total.asset == asset]
        old = [total for (where, _), total in before.items() if where == asset]
        earned = sum(t.earned for t in rows) - sum(t.earned for t in old)
        spent = sum(t.spent for t in rows) - sum(t.spent for t in old)
        if earned != spent + minted:
            yield f"{earned} is earned, {spent} spent and {minted} minted"
        if any(t.spent > deposits.get((asset, t.account), 0) for t in rows):
            yield "an account spent more than it deposited"
    if settled.minted_wei + settled.unminted_wei < settled.minted_wei:
        yield "more is minted than the schedule allows"


def check_views(resource: Resource, settled: Settlement, where: str) -> Iterator[Finding]:
    """Yield what is wrong with the tables of a settled epoch."""

    def wrong(message: str) -> Finding:
        return Finding(rule=Rule.VIEWS, where=where, message=message)

    (result,) = settled.resources
    try:
        tables = resource.views(result)
    except Exception as error:
        yield wrong(f"views failed: {type(error).__name__}: {error}")
        return
    names = Counter(table.name for table in tables)
    for table in tables:
        if names[table.name] > 1 or not table.name or not table.columns:
            yield wrong(f"table {table.name!r} needs a name of its own and columns")
        for row in table.rows:
            if len(row) != len(table.columns):
                yield wrong(f"a row of {table.name} has {len(row)} of {len(table.columns)} cells")
                break
            if not all(isinstance(cell, str | int) for cell in row):
                yield wrong(f"a row of {table.name} holds more than text and integers")
                break
    yield from check_shown(resource, tables, result, where)


def _figures(resource: Resource, settled: Settlement, where: str) -> Iterator[Finding]:
    (result,) = settled.resources
    for figure in resource.figures:
        if figure.key not in result.summary:
            message = f"the summary has no {figure.key}"
            yield Finding(rule=Rule.FIGURE, where=where, message=message)


def hashes(settled: Settlement) -> tuple[bytes, bytes, bytes]:
    """Return the hashes that may not depend on how evidence arrived."""
    commitment = settled.commitment
    return commitment.result_hash, commitment.state_hash, commitment.payout_root


def _again(told: Told) -> Iterator[Finding]:
    """Settle the last epoch again, from its state as it is kept between runs."""
    stage, played, settled = told.stage, told.played[-1], told.settled[-1]
    kept = canonical.decode(State, canonical.encode(played.before))
    if stage.settle(kept, played.entries).digest != settled.digest:
        message = "the state that was kept gives another digest"
        yield Finding(rule=Rule.STATE, where=f"epoch {settled.epoch}", message=message)


def spread(stage: Stage, entries: Sequence[Entry], end_s: int) -> tuple[Entry, ...]:
    """Return the same evidence otherwise: shuffled, in two logs, with copies, with junk."""
    found: list[Entry] = []
    for entry in sorted(entries, key=lambda item: sha256(item.statement)):
        lot = entry.statement[-1] % 3
        found.append(replace(entry, log_id=LOGS[lot % 2]))
        if lot:  # a copy comes later, to the same log or to the other
            late_s = max(entry.anchored_at, end_s)
            found.append(replace(entry, log_id=LOGS[1], anchored_at=late_s))
    alien = (*JUNK, stage.stranger().statement)
    found += [
        Entry(log_id=LOGS[0], index=0, statement=raw, preimage=None, anchored_at=end_s)
        for raw in alien
    ]
    counts: Counter[bytes] = Counter()
    numbered = []
    for entry in found:
        numbered.append(replace(entry, index=counts[entry.log_id]))
        counts[entry.log_id] += 1
    return tuple(numbered)


def _spread(told: Told) -> Iterator[Finding]:
    stage, played, settled = told.stage, told.played[0], told.settled[0]
    entries = spread(stage, played.entries, played.data.facts.end)
    where = f"epoch {settled.epoch}, spread over logs"
    try:
        other = stage.settle(played.before, entries)
    except (CommonworksError, InvariantBroken) as error:
        yield Finding(rule=Rule.SPREAD, where=where, message=str(error))
        return
    results = (
        (settled.resources, settled.rewards, settled.payouts, settled.state.resources),
        (other.resources, other.rewards, other.payouts, other.state.resources),
    )
    if canonical.encode(results[0]) != canonical.encode(results[1]):
        yield Finding(rule=Rule.SPREAD, where=where, message="another result")
    yield from _judged(other, entries, where)


def _judged(settled: Settlement, entries: Sequence[Entry], where: str) -> Iterator[Finding]:
    """Every logged statement has one verdict, or waits for the epoch that it speaks of."""
    logged = set()
    for entry in entries:
        decoded = decode_statement(entry.statement, entry.preimage)
        if isinstance(decoded, Reason):
            logged.add(leaf_hash(entry.statement))
        else:
            logged.add(decoded.identity)
    judged = [verdict.identity for verdict in settled.verdicts]
    waiting = {item.identity for item in settled.state.pending}
    if len(set(judged)) != len(judged) or set(judged) | waiting != logged:
        message = f"{len(logged)} statements were logged, {len(judged)} judged"
        yield Finding(rule=Rule.VERDICTS, where=where, message=message)


def _growth(told: Told) -> Iterator[Finding]:
    """When nothing comes in any more, what a resource keeps stops growing within the lateness."""
    stage, state = told.stage, told.settled[-1].state
    quiet = told.played[-1].data.policy["lateness_s"] // stage.network.epoch_length_s + 2
    sizes = []
    where = f"{quiet} epochs without a statement"
    for _ in range(quiet):
        try:
            state = stage.settle(state, ()).state
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            yield Finding(rule=Rule.TOTAL, where=where, message=message)
            return
        sizes.append(len(dict(state.resources)[stage.resource.name]))
    if sizes[-1] > sizes[-2]:
        message = f"the state still grows, from {sizes[-2]} to {sizes[-1]} bytes"
        yield Finding(rule=Rule.STATE, where=where, message=message)


def noticed(settled: Settlement) -> int:
    """Return how many statements an epoch rejected and how many intervals it reduced."""
    rejected = sum(verdict.outcome is Outcome.REJECTED for verdict in settled.verdicts)
    return rejected + sum(len(part.intervals) for part in settled.resources)


def check_cheaters(cheating: Told, honest: Told) -> Iterator[Finding]:
    """Yield when the liars of a world do not show, or show no more than honest devices do."""
    seen, without = (noticed(told.settled[0]) for told in (cheating, honest))
    if not seen:
        yield Finding(rule=Rule.CHEATERS, where="epoch 0", message="no cheater was noticed")
    elif seen <= without:
        message = f"{seen} rejections and reductions with cheaters, {without} without"
        yield Finding(rule=Rule.CHEATERS, where="epoch 0", message=message)
