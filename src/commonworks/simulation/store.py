"""A Store that loses power: everything that the port does not promise, it takes away.

Goal: prove an order of writes against the promise of the port, not against a kind disk.
Rule: a value is durable when the call that wrote it returned, and not a moment before. A call that
fails may have done nothing, something, or everything, and what it did may be visible until the
power goes and gone afterwards. A deletion is never durable.
Invariant: the same seed and the same calls give the same losses.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from commonworks.errors import Conflict, Unavailable


class PowerCut(Exception):
    """The power went. Nothing answers any more until `reboot`."""


class Fault(StrEnum):
    """What goes wrong at one step, in every form."""

    FAILED = "failed"
    """The step reports an error and did nothing."""
    FAILED_APPLIED = "failed, but applied"
    """The step reports an error; what it did shows, and is not durable."""
    FAILED_PARTLY = "failed, partly applied"
    """The same for half of what it was to do."""
    CUT_BEFORE = "power cut before"
    """The power goes before the step does anything."""
    CUT_APPLIED = "power cut, applied"
    """The power goes after the step's effect shows and before it is durable."""
    CUT_PARTLY = "power cut, partly applied"
    """The same for half of what it was to do."""

    @property
    def is_cut(self) -> bool:
        """Whether nothing happens after it."""
        return self in (Fault.CUT_BEFORE, Fault.CUT_APPLIED, Fault.CUT_PARTLY)


class Survival(StrEnum):
    """What a power cut leaves of the changes that were not durable."""

    NOTHING = "nothing"
    """None of them."""
    EVERYTHING = "everything"
    """All of them: the disk was faster than it had to be."""
    SOME = "some"
    """Each by the toss of a seeded coin."""


@dataclass(slots=True)
class FaultPlan:
    """Which steps go wrong, and a count of the steps so far."""

    faults: Mapping[int, Fault]
    """Step number, from 0 -> fault."""
    step: int = 0
    """Number of the next step."""
    dead: bool = False
    """Whether the power is gone."""

    def next(self) -> Fault | None:
        """Count one step; return its fault. Raises PowerCut where the power is gone."""
        if self.dead:
            raise PowerCut
        fault = self.faults.get(self.step)
        self.step += 1
        if fault is not None and fault.is_cut:
            self.dead = True
        return fault


def coin(survival: Survival, seed: int) -> Callable[[], bool]:
    """Return what decides, change by change, whether it survives."""
    if survival is Survival.SOME:
        chance = random.Random(seed)  # noqa: S311 - a simulation must repeat itself
        return lambda: chance.random() < 0.5
    return lambda: survival is Survival.EVERYTHING


class SimulatedStore:
    """Values in memory with the durability of the port, and no more. Implements `ports.Store`.

    Every call that changes something is one step of the fault plan; reading always works while
    there is power. Nothing here waits, so that a run on virtual time is exact.
    """

    def __init__(self, faults: Mapping[int, Fault] | None = None) -> None:
        self.plan = FaultPlan(faults=dict(faults or {}))
        self._durable: dict[str, bytes] = {}
        self._visible: dict[str, bytes] = {}

    def files(self, *, durable: bool = False) -> Mapping[str, bytes]:
        """Return everything that shows now or, with `durable`, what no power cut can take."""
        return dict(self._durable if durable else self._visible)

    def reboot(
        self,
        survival: Survival = Survival.NOTHING,
        *,
        seed: int = 0,
        faults: Mapping[int, Fault] | None = None,
    ) -> SimulatedStore:
        """Return the store as it is after a power cut now."""
        survives = coin(survival, seed)
        after = SimulatedStore(faults)
        after._durable = dict(self._durable)
        for path in sorted(self._durable.keys() | self._visible.keys()):
            value = self._visible.get(path)
            if value != self._durable.get(path) and survives():
                _set(after._durable, path, value)
        after._visible = dict(after._durable)
        self.plan.dead = True
        return after

    async def read(self, path: str) -> bytes | None:
        """See `ports.Store.read`."""
        self._powered()
        return self._visible.get(path)

    async def write(self, files: Mapping[str, bytes]) -> None:
        """See `ports.Store.write`."""
        self._apply(dict(files))

    async def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """See `ports.Store.swap`."""
        self._powered()
        if self._visible.get(path) != old:
            raise Conflict(f"{path} holds another value than expected", path=path)
        self._apply({path: new})

    async def delete(self, path: str) -> None:
        """See `ports.Store.delete`."""
        self._apply({path: None}, durable=False)

    async def list(self, prefix: str) -> Sequence[str]:
        """See `ports.Store.list`."""
        self._powered()
        return sorted(path for path in self._visible if path.startswith(prefix))

    def _powered(self) -> None:
        if self.plan.dead:
            raise PowerCut

    def _apply(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        fault = self.plan.next()
        done = dict(changes)
        if fault in (Fault.FAILED, Fault.CUT_BEFORE):
            done = {}
        elif fault in (Fault.FAILED_PARTLY, Fault.CUT_PARTLY):
            done = dict(list(changes.items())[: len(changes) // 2])
        for path, value in done.items():
            _set(self._visible, path, value)
            if durable and fault is None:
                _set(self._durable, path, value)
        if fault is not None:
            if fault.is_cut:
                raise PowerCut
            raise Unavailable("the simulated disk failed", hint="try again", fault=str(fault))


def _set(values: dict[str, bytes], path: str, value: bytes | None) -> None:
    if value is None:
        values.pop(path, None)
    else:
        values[path] = value
