"""A network's token over the years: what its schedule lets exist, epoch by epoch.

Goal: everybody sees what is minted before it is. Rule: the same two functions that settlement uses
step through every epoch, so a number here is the number that the token contract enforces. The past
is as policy was; the future is as policy is now, until members vote otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from commonworks.chain.manifest import Manifest
from commonworks.errors import InvalidInput
from commonworks.policy import Policy
from commonworks.resources.base import Resource
from commonworks.settlement.emission import EARNERS, after_epoch, emission_wei
from commonworks.settlement.epochs import ChainView
from commonworks.settlement.facts import policy_at
from commonworks.units import DAY_S, PPM, mul_div
from commonworks.wiring.discover import parameters
from commonworks.wiring.profiles import Profile, economy_of, half_life

YEAR_S: Final = 31_556_952
"""Mean Gregorian year."""

YEARS_MAX: Final = 200
EPOCHS_MAX: Final = 4_000_000
"""Most epochs that a schedule is stepped through."""

EMISSION: Final = "emission"
"""Prefix of the keys of shares that are no resource's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What fixes a network's emission."""

    name: str
    """What it is the schedule of, for people."""
    symbol: str
    genesis_time: int
    epoch_length_s: int
    allocated_wei: int
    """Token that exists from the beginning."""
    cap_wei: int
    """Most that can ever exist."""
    initial_wei: int
    """Most that epoch 0 may mint."""
    half_lives: tuple[tuple[int, int], ...]
    """(epoch, half-life in epochs from that epoch on), ascending, from epoch 0."""
    shares_ppm: Mapping[str, int]
    """Who shares in the emission now -> weight: resources, verifiers, gateways, treasury."""
    next_epoch: int
    """First epoch that is not final; 0 for a network that is yet to be."""
    minted_wei: int
    """Minted by the epochs before it."""

    def half_life_at(self, epoch: int) -> int:
        """Return the half-life in force for an epoch."""
        return next(value for first, value in reversed(self.half_lives) if first <= epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The schedule when one epoch opens."""

    epoch: int
    emission_wei: int
    """Most that this epoch may mint."""
    supply_wei: int
    """Most that exists before it: the allocations, and what every epoch before may mint."""


def schedule_of(
    manifest: Manifest, view: ChainView, resources: Mapping[str, Resource], epoch_now: int
) -> Schedule:
    """Return the schedule of a network that runs, the half-lives that were voted included."""
    changes = sorted(
        {0, *(getattr(event, "from_epoch", 0) for event in view.events), max(epoch_now, 0)}
    )
    steps: list[tuple[int, int]] = []
    for first in changes:
        value = policy_at(view.events, first)["half_life_epochs"]
        if not steps or steps[-1][1] != value:
            steps.append((first, value))
    policy = policy_at(view.events, max(epoch_now, 0))
    last = max(view.finalised) if view.finalised else None
    return Schedule(
        name=manifest.name,
        symbol=manifest.token_symbol,
        genesis_time=manifest.genesis_time,
        epoch_length_s=manifest.epoch_length_s,
        allocated_wei=sum(item.amount_wei for item in manifest.allocations),
        cap_wei=manifest.cap_wei,
        initial_wei=manifest.initial_emission_wei,
        half_lives=tuple(steps),
        shares_ppm=_shares(policy, resources),
        next_epoch=0 if last is None else last + 1,
        minted_wei=0 if last is None else view.finalised[last].commitment.minted_wei,
    )


def default_schedule(
    profile: Profile, epoch_length_s: int, resources: Mapping[str, Resource], symbol: str
) -> Schedule:
    """Return the schedule that a network founded now with the defaults would have."""
    economy = economy_of(profile, currency_decimals=6)
    values = {key: parameter.default for key, parameter in parameters(resources).items()}
    bonds = economy.verifier_bond + economy.gateway_bond if economy.cap_wei else 0
    return Schedule(
        name=f"a new network ({profile.value})",
        symbol=symbol,
        genesis_time=0,
        epoch_length_s=epoch_length_s,
        allocated_wei=economy.treasury_wei + economy.liquidity_wei + bonds,
        cap_wei=economy.cap_wei,
        initial_wei=mul_div(economy.emission_wei_per_day, epoch_length_s, DAY_S),
        half_lives=((0, half_life(epoch_length_s)[0]),),
        shares_ppm=_shares(Policy(epoch=0, values=values, history_hash=b""), resources),
        next_epoch=0,
        minted_wei=0,
    )


def epochs_in(schedule: Schedule, years: int) -> int:
    """Return how many epochs some years hold; raise InvalidInput for too many."""
    if not 1 <= years <= YEARS_MAX:
        raise InvalidInput(f"{years} years are outside 1..{YEARS_MAX}")
    count = years * YEAR_S // schedule.epoch_length_s
    if count > EPOCHS_MAX:
        raise InvalidInput(
            f"{years} years hold {count:,} epochs of {schedule.epoch_length_s} s: too many to step "
            "through",
            hint=f"give at most {EPOCHS_MAX * schedule.epoch_length_s // YEAR_S} years",
        )
    return count


def steps(schedule: Schedule, epochs: int) -> Iterator[Point]:
    """Yield the schedule when each of the first `epochs` epochs opens, and when the last is over.

    Guarantees: the same emission that settlement and the token contract allow; supply <= cap.
    Source: docs/guide/economy.md.
    """
    changes = dict(schedule.half_lives)
    lived, halvings, supply = changes[0], 0, schedule.allocated_wei
    for epoch in range(epochs + 1):
        lived = changes.get(epoch, lived)
        emission = emission_wei(schedule.initial_wei, halvings)
        yield Point(epoch=epoch, emission_wei=emission, supply_wei=supply)
        supply = min(schedule.cap_wei, supply + emission)
        halvings = after_epoch(halvings, lived)


def points(schedule: Schedule, epochs: int, samples: int) -> tuple[Point, ...]:
    """Return about `samples` points of the schedule, first and last included, for a curve."""
    every = max(1, epochs // max(1, samples))
    return tuple(p for p in steps(schedule, epochs) if p.epoch % every == 0 or p.epoch == epochs)


def _shares(policy: Policy, resources: Mapping[str, Resource]) -> dict[str, int]:
    """Return the weights of everybody who shares in the emission, without those of nothing."""
    found = {name: policy.values.get(f"{name}.emission_ppm", 0) for name in sorted(resources)}
    found |= {name: policy.values.get(f"{EMISSION}.{name}_ppm", 0) for name in EARNERS}
    return {name: weight for name, weight in found.items() if weight}


def part_of(schedule: Schedule, name: str, emission: int) -> int:
    """Return what one of those who share can earn at most of an epoch's emission, in wei."""
    whole = max(PPM, sum(schedule.shares_ppm.values()))
    return mul_div(emission, schedule.shares_ppm[name], whole)
