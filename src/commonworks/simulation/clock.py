"""Virtual time: a clock that moves only when it is told to.

Goal: a whole network runs in one process, in an order that a seed fixes, as fast as it can compute.
Rule: time advances from waiter to waiter; after each waiter wakes, everything that can run runs
until nothing is ready, and only then does time move on.
Invariant: a waiter for time t never sees `now() < t`, and no waiter sees time go back.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sized
from typing import Final, cast

from commonworks.errors import InvalidInput, require

SETTLE_PASSES_MAX: Final = 1_000_000
"""Passes over the event loop after which tasks that never rest are called a defect."""

BLIND_PASSES: Final = 1_000
"""Passes made where an event loop does not tell whether anything is ready (uvloop)."""


class VirtualClock:
    """Network time that stands still between calls of `advance_to`. Implements `ports.Clock`."""

    def __init__(self, start_s: int) -> None:
        self._now_s = start_s
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._registered = 0

    def now(self) -> int:
        """Return virtual time, Unix seconds."""
        return self._now_s

    async def sleep_until(self, time_s: int) -> None:
        """Return when `now() >= time_s`; a time that has passed still lets other tasks run."""
        if time_s <= self._now_s:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (time_s, self._registered, woken))
        self._registered += 1
        await woken

    def next_wake(self) -> int | None:
        """Return the earliest time that anybody waits for, or None where nobody waits."""
        while self._waiters and self._waiters[0][2].done():
            heapq.heappop(self._waiters)  # its task was cancelled
        return self._waiters[0][0] if self._waiters else None

    async def advance_to(self, time_s: int) -> None:
        """Move time to `time_s`, waking every waiter on the way at its own time.

        Waiters wake in order of time, then of registration, one after the other: each runs, with
        all that follows from it, until nothing is ready before the next one wakes.
        Raises: InvalidInput when `time_s` lies in the past.
        """
        if time_s < self._now_s:
            raise InvalidInput(f"the clock stands at {self._now_s} and cannot go back to {time_s}")
        await settle()
        while (wake_s := self.next_wake()) is not None and wake_s <= time_s:
            _, _, woken = heapq.heappop(self._waiters)
            self._now_s = max(self._now_s, wake_s)
            woken.set_result(None)
            await settle()
        self._now_s = max(self._now_s, time_s)
        await settle()


async def settle() -> None:
    """Return when no other task of this event loop can run without time or input from outside.

    asyncio has no public way to ask whether anything is ready; the attribute read here exists in
    every release of its own loops. Where it is missing, a fixed number of passes is made.
    """
    ready = cast(Sized | None, getattr(asyncio.get_running_loop(), "_ready", None))
    if ready is None:
        for _ in range(BLIND_PASSES):
            await asyncio.sleep(0)
        return
    await asyncio.sleep(0)
    passes = 0
    while len(ready) > 0:
        require(passes < SETTLE_PASSES_MAX, "tasks keep running and never wait for anything")
        passes += 1
        await asyncio.sleep(0)
