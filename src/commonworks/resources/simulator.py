"""What a simulator of a resource is: honest and cheating devices, as plain values.

A simulator says who takes part and what each device would sign in a span of network time; whoever
runs it (a demo, a test, the simulation) holds the keys and does the sending. Registered through
the entry-point group `commonworks.simulators`, and never imported by a pure file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from commonworks.crypto.keys import Algorithm
from commonworks.statements.model import Kind

Columns = Mapping[str, Sequence[int] | Sequence[bytes]]

SEASONS: Final = ("summer", "winter")
"""What a world can be asked for; a resource without seasons takes either for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One device of the simulation."""

    name: str
    """Readable, for example `house-2/solar`; unique among all resources that share a network."""
    owner: str
    """Name of the account that owns it."""
    algorithm: Algorithm
    behaviour: str
    """`honest`, or how it cheats or fails, in a few words."""
    enrolled: bool = True
    """False: its key was never enrolled."""
    reference: bool = False
    """Admitted by governance as an independent reference."""
    spend_limit_micro: int = 0
    """Most that its owner lets it spend in one epoch."""
    cell: int = 0
    """Coarse H3 cell that it is enrolled in; 0: its owner gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A statement that a device sends."""

    actor: str
    """Whose key signs."""
    poses_as: str
    """Whose key id the statement names; the actor itself unless it poses as another."""
    kind: Kind
    time: int
    """Base time of the statement, Unix seconds."""
    columns: Columns
    repeats: bool = False
    """A word-for-word copy of an earlier statement (a replay)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who takes part, and what must stand before the first epoch opens."""

    start_s: int
    """Where the world begins, as it was asked to: the start of epoch 0, Unix seconds."""
    length_s: int
    """How far the data reach."""
    actors: tuple[Actor, ...]
    deposits_micro: Mapping[str, int]
    """Owner -> what it deposits in the settlement currency."""
    service_accounts: Mapping[str, str]
    """Policy key of an address-valued parameter -> name of the account that fills it."""
    facts: Mapping[str, int]
    """Named figures about the setting, for people (kWp installed, consumers, ...)."""


class World(Protocol):
    """One seeded run of a resource's simulator."""

    cast: Cast

    def site(self, thumbprints: Mapping[str, bytes], /) -> Columns | None:
        """Return the site table's columns; None where the resource has no site."""
        ...

    def standing(self, actor: str, /) -> Sequence[tuple[Kind, Columns]]:
        """Return what a device signs once, before the first epoch (its order, for example)."""
        ...

    def step(self, start_s: int, end_s: int, /) -> Sequence[Submission]:
        """Return what all devices send for the span of event time [start, end)."""
        ...


class Simulator(Protocol):
    """Makes worlds. Those of several resources share one network, hence one start."""

    def natural_start(self, season: str, /) -> int | None:
        """Return where recorded data begin, Unix seconds; None where any start is as good."""
        ...

    def world(self, *, seed: int, season: str, cheaters: bool, start_s: int) -> World:
        """Return the world of a seed, begun at `start_s`; the same arguments give the same world.

        Raises: InvalidInput where its data cannot be played from that start.
        """
        ...
