"""Weather: what goes wrong in a simulated network, drawn from a seed.

Goal: every fault of every port, in both forms (failed; failed but applied), at any moment, and the
same ones again for the same seed. Rule: each channel (a disk, a node's way to the chain, a client's
way to a server) draws from its own dice, so that one more draw here shifts nothing there.
Invariant: a channel has at most `FAULTS_PER_SPELL` faults in `SPELL_S`; what is longer is an
outage, and an outage has a beginning and an end that the run knows.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from commonworks.errors import Conflict, Unavailable
from commonworks.events import (
    Event,
)
from commonworks.ports import Action, Chain, Clock, Head
from commonworks.simulation.store import Fault, SimulatedStore, Survival
from commonworks.units import PPM

T = TypeVar("T")

SPELL_S: Final = 1_800
"""Span of network time over which a channel's faults are bounded."""
FAULTS_PER_SPELL: Final = 3
"""Most faults of one channel in a spell: trying again gets through in the end."""
SLOW_SEND_S_MAX: Final = 240
"""Longest time between a transaction's sending and its block, network time."""
SLOW_STEP_S_MAX: Final = 20
"""Longest time that a disk takes for one step, network time."""
DARK_S_MAX: Final = 600
"""Longest time until a machine that lost its power runs again, network time."""
PLANNED_STEPS: Final = 4_000
"""Steps of a disk that are drawn ahead; after them it is healthy until the next power cut."""
OUTAGE_S_MAX: Final = 6 * 3_600
"""Longest time that a node or the chain is away."""
CHAIN: Final = "chain"
"""Name under which everybody's way to the chain is out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Somebody is away for a while."""

    who: str
    """Name of a host, or `CHAIN`."""
    start_s: int
    """Seconds after genesis."""
    length_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How much goes wrong from genesis on."""

    seed: int
    """Of all dice."""
    wire_ppm: int = 0
    """Share of the requests between nodes that meet with a mishap."""
    chain_ppm: int = 0
    """Share of the calls to the chain that fail, in some form."""
    disk_ppm: int = 0
    """Share of a disk's steps at which it fails or the power goes."""
    slow_ppm: int = 0
    """Share of a disk's steps that take time, so that others come in between."""
    outages: tuple[Outage, ...] = ()

    @property
    def calm(self) -> bool:
        """Whether nothing at all goes wrong."""
        shares = (self.wire_ppm, self.chain_ppm, self.disk_ppm, self.slow_ppm)
        return not any(shares) and not self.outages


CALM: Final = Weather(seed=0)
"""Nothing goes wrong."""


def forecast(seed: int, hosts: Sequence[str], length_s: int) -> Weather:
    """Return the weather of a seed for a run of `length_s` from genesis on.

    Even seeds bring squalls (frequent short faults), odd seeds bring storms as well (outages of
    hours of a node or of the chain).
    """
    chance = random.Random(f"forecast/{seed}")  # noqa: S311 - a simulation must repeat itself
    storms = chance.randint(2, 4) if seed % 2 else 0
    outages = [
        Outage(
            who=chance.choice([*hosts, CHAIN]),
            start_s=chance.randrange(length_s),
            length_s=chance.randint(600, OUTAGE_S_MAX),
        )
        for _ in range(storms)
    ]
    return Weather(
        seed=seed,
        wire_ppm=chance.choice((50_000, 150_000, 300_000)),
        chain_ppm=chance.choice((20_000, 100_000, 200_000)),
        disk_ppm=chance.choice((10_000, 30_000, 80_000)),
        slow_ppm=chance.choice((0, 50_000, 200_000)),
        outages=tuple(sorted(outages, key=lambda outage: outage.start_s)),
    )


class Dice:
    """One channel's chance."""

    def __init__(self, sky: Sky, channel: str, ppm: int) -> None:
        self._sky = sky
        self._channel = channel
        self._ppm = ppm
        self._random = random.Random(f"{sky.weather.seed}/{channel}")  # noqa: S311 - see above
        self._struck: deque[int] = deque(maxlen=FAULTS_PER_SPELL)

    def strike(self, kinds: Sequence[T]) -> T | None:
        """Return what goes wrong now, or None. Bounded as the module says."""
        if not self._sky.active or self._random.randrange(PPM) >= self._ppm:
            return None
        now = self._sky.clock.now()
        if len(self._struck) == FAULTS_PER_SPELL and now - self._struck[0] < SPELL_S:
            return None
        self._struck.append(now)
        kind = self._random.choice(kinds)
        self._sky.note(self._channel, str(kind))
        return kind

    def below(self, limit: int) -> int:
        """Return a number in 0..limit-1."""
        return self._random.randrange(limit)


class Sky:
    """The weather over one run: active from genesis until everybody is to recover."""

    def __init__(self, weather: Weather, clock: Clock, note: Callable[[str, str], None]) -> None:
        self.weather = weather
        self.clock = clock
        self.active = False
        self.counts: Counter[str] = Counter()
        """Faults so far, by kind."""
        self.out: dict[str, int] = {}
        """Who is out -> until when."""
        self._note = note

    def dice(self, channel: str, ppm: int) -> Dice:
        """Return the dice of a channel."""
        return Dice(self, channel, ppm)

    def note(self, who: str, what: str) -> None:
        """Count a fault and write it into the run's journal."""
        self.counts[what] += 1
        self._note(who, what)

    def is_out(self, who: str) -> bool:
        """Whether an outage of `who` lasts now."""
        return self.active and self.clock.now() < self.out.get(who, 0)


# --- disks --------------------------------------------------------------------------------------


class Disk:
    """A host's disk: a store that fails, loses power and takes its time.

    Each time the power comes back, `store` is another object: what ran before cannot touch it.
    """

    def __init__(self, sky: Sky, name: str) -> None:
        self._sky = sky
        self._channel = f"{name}'s disk"
        self._dice = sky.dice(self._channel, sky.weather.disk_ppm)
        self._pauses = sky.dice(f"{name}'s slow disk", sky.weather.slow_ppm)
        self.simulated = SimulatedStore()
        self.store = PacedStore(self.simulated, self._pause)

    def begin(self) -> None:
        """Let the weather in."""
        self.simulated.plan.step = 0
        self.simulated.plan.faults = self._plan()

    def reboot(self) -> Survival:
        """Cut the power and give it back; return what the cut left of what was not durable."""
        survival = list(Survival)[self._dice.below(len(Survival))]
        faults = self._plan() if self._sky.active else {}
        self.simulated = self.simulated.reboot(
            survival, seed=self._dice.below(2**32), faults=faults
        )
        self.store = PacedStore(self.simulated, self._pause)
        return survival

    def _plan(self) -> Mapping[int, Fault]:
        ppm, kinds = self._sky.weather.disk_ppm, list(Fault)
        plan = {
            step: kinds[self._dice.below(len(kinds))]
            for step in range(PLANNED_STEPS)
            if self._dice.below(PPM) < ppm
        }
        return NotedPlan(plan, lambda fault: self._sky.note(self._channel, fault))

    async def _pause(self) -> None:
        if self._pauses.strike(("takes its time",)) is not None:
            delay = self._pauses.below(SLOW_STEP_S_MAX + 1)
            await self._sky.clock.sleep_until(self._sky.clock.now() + delay)


class NotedPlan(dict[int, Fault]):
    """A fault plan that tells when a fault strikes."""

    def __init__(self, plan: Mapping[int, Fault], note: Callable[[Fault], None]) -> None:
        super().__init__(plan)
        self._note = note

    def get(self, step: int, default: Any = None) -> Any:
        """Return the fault of a step that is taken now."""
        fault = super().get(step, default)
        if fault is not None:
            self._note(fault)
        return fault


class PacedStore:
    """A store whose changes may take time before they happen. Implements `ports.Store`."""

    def __init__(self, store: SimulatedStore, pause: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._pause = pause

    async def read(self, path: str) -> bytes | None:
        """See `ports.Store.read`."""
        return await self._store.read(path)

    async def write(self, files: Mapping[str, bytes]) -> None:
        """See `ports.Store.write`."""
        await self._pause()
        await self._store.write(files)

    async def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """See `ports.Store.swap`."""
        await self._pause()
        await self._store.swap(path, old, new)

    async def delete(self, path: str) -> None:
        """See `ports.Store.delete`."""
        await self._store.delete(path)

    async def list(self, prefix: str) -> Sequence[str]:
        """See `ports.Store.list`."""
        return await self._store.list(prefix)


# --- the chain ----------------------------------------------------------------------------------


class ReadFault(StrEnum):
    """What goes wrong when the chain is read."""

    UNAVAILABLE = "no endpoint answers"
    BEHIND = "an endpoint is behind"


class SendFault(StrEnum):
    """What goes wrong when a transaction is sent."""

    LOST = "transaction lost"
    ANSWER_LOST = "transaction done, its answer lost"
    REFUSED = "transaction refused for no reason"
    SLOW = "transaction takes minutes"


class FaultyChain:
    """One operator's way to the chain. Implements `ports.Chain`."""

    def __init__(
        self,
        chain: Chain,
        sky: Sky,
        name: str,
        before_send: Callable[[Action], None] = lambda _: None,
    ) -> None:
        """`before_send` sees every action that reaches the chain, before the chain does."""
        self._chain = chain
        self._sky = sky
        self._dice = sky.dice(f"{name}'s chain", sky.weather.chain_ppm)
        self._before_send = before_send
        self._last: Head | None = None

    async def head(self) -> Head:
        """See `ports.Chain.head`."""
        self._reachable()
        fault = self._dice.strike(list(ReadFault))
        if fault is ReadFault.UNAVAILABLE:
            raise Unavailable("the simulated endpoint does not answer")
        if fault is None or self._last is None:
            self._last = await self._chain.head()
        return self._last

    async def events(self, first_block: int, last_block: int) -> Sequence[Event]:
        """See `ports.Chain.events`."""
        self._reachable()
        if self._dice.strike((ReadFault.UNAVAILABLE,)) is not None:
            raise Unavailable("the simulated endpoint does not answer")
        return await self._chain.events(first_block, last_block)

    async def send(self, action: Action) -> bytes:
        """See `ports.Chain.send`."""
        self._reachable()
        fault = self._dice.strike(list(SendFault))
        if fault is SendFault.LOST:
            raise Unavailable("the simulated endpoint lost the transaction")
        if fault is SendFault.REFUSED:
            raise Conflict("the contract refuses: Simulated()", refusal="Simulated")
        if fault is SendFault.SLOW:
            delay = 1 + self._dice.below(SLOW_SEND_S_MAX)
            await self._sky.clock.sleep_until(self._sky.clock.now() + delay)
        self._before_send(action)
        tx = await self._chain.send(action)
        if fault is SendFault.ANSWER_LOST:
            raise Unavailable("the simulated endpoint lost the answer")
        return tx

    def _reachable(self) -> None:
        if self._sky.is_out(CHAIN):
            raise Unavailable("every simulated endpoint is out")
