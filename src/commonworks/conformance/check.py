"""The whole check of one resource."""

from __future__ import annotations

from collections.abc import Iterator

from commonworks.conformance.declaration import check_declaration
from commonworks.conformance.findings import Finding
from commonworks.conformance.pressure import check_hash_seeds, check_pressure
from commonworks.conformance.sources import check_sources
from commonworks.conformance.stage import EmptyWorld
from commonworks.conformance.worlds import (
    Told,
    check_cheaters,
    check_simulator,
    check_told,
    check_views,
    tell,
    world_of,
)
from commonworks.resources.base import Resource
from commonworks.resources.simulator import SEASONS, Simulator


def check_resource(
    resource: Resource, simulator: Simulator | None = None, *, seed: int = 1
) -> list[Finding]:
    """Return every finding about a resource; none when it conforms.

    Inputs: `simulator` makes worlds of honest and of cheating devices; without one the rules run
    on an empty network and on hostile statements only.
    Guarantees: never raises for what the resource does; some seconds for a day of a thousand
    statements. Every rule and what it asks for: `findings.RULES`.
    """
    found = list(check_declaration(resource))
    if found:
        return sorted(set(found))  # what is declared wrongly cannot be played
    found += check_sources(resource)
    found += _empty(resource)
    if simulator is not None:
        found += _played(resource, simulator, seed)
    return sorted(set(found))


def _empty(resource: Resource) -> Iterator[Finding]:
    """A network on which nobody says anything, and then only what is hostile."""
    told = tell(resource, EmptyWorld())
    if not isinstance(told, Told):
        yield told
        return
    yield from check_views(resource, told.settled[0], "an empty epoch")
    yield from check_pressure(resource, told.played[0].data, "an empty epoch")
    yield from check_hash_seeds(resource, told.played[0].data, "an empty epoch")


def _played(resource: Resource, simulator: Simulator, seed: int) -> Iterator[Finding]:
    yield from check_simulator(simulator, resource, seed)
    season = SEASONS[0]
    cheating = tell(resource, world_of(simulator, seed, season=season, cheaters=True))
    if not isinstance(cheating, Told):
        yield cheating
        return
    yield from check_told(cheating)
    for played in cheating.played:
        yield from check_pressure(resource, played.data, f"epoch {played.data.facts.epoch}")
    last = cheating.played[-1].data
    yield from check_hash_seeds(resource, last, f"epoch {last.facts.epoch}")
    honest = tell(resource, world_of(simulator, seed, season=season, cheaters=False), epochs=1)
    if isinstance(honest, Told):
        yield from check_cheaters(cheating, honest)
    else:
        yield honest
