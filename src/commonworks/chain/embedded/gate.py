"""Many readers or one writer, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from commonworks.errors import require


class Gate:
    """Requests pass together; while a block is made, nobody passes.

    There is one writer (the chain's engine). It goes before readers that come later, and all
    readers that waited go before its next turn: neither side starves the other.
    """

    def __init__(self) -> None:
        self._readers = 0
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Pass together with other readers."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Pass alone."""
        require(not self._closed, "a gate has one writer")
        self._closed = True
        try:
            await self._idle.wait()
            yield
        finally:
            self._closed = False
            waiting, self._waiting = self._waiting, []
            for turn in waiting:
                if not turn.done():
                    self._count_in()
                    turn.set_result(None)

    async def _enter(self) -> None:
        if not self._closed:
            self._count_in()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled after it was let in: it counts as a reader that leaves.
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _count_in(self) -> None:
        self._readers += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._readers -= 1
        if self._readers == 0:
            self._idle.set()
