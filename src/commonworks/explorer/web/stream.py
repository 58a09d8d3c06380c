"""What happens, told to whoever listens: a bounded queue each, and nobody slows the teller down."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

QUEUE_MAX: Final = 256
"""Most messages that wait for one listener; one that falls further behind is told to look anew."""

LISTENERS_MAX: Final = 1_000
"""Most listeners at once."""

CLIENT_LISTENERS_MAX: Final = 32
"""Most of them from one client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing that happened."""

    number: int
    """Counts up from 1 while the process runs."""
    kind: str
    """`statements`, `event`, `epoch`, `head`; `resync` when messages were left out; `close` when
    nothing more will come."""
    data: Mapping[str, object]
    """Values of JSON."""


class Listener:
    """One reader of the broadcast. `get` waits for the next message."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE_MAX)

    async def get(self) -> Message:
        """Return the next message; `resync` where some were left out before it."""
        return await self._queue.get()

    def offer(self, message: Message) -> None:
        """Hand a message over from any thread."""
        self._loop.call_soon_threadsafe(self._put, message)

    def _put(self, message: Message) -> None:
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            message = Message(number=message.number, kind="resync", data={})
        self._queue.put_nowait(message)


class Broadcast:
    """Tells every listener. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._clients: Counter[str] = Counter()
        self._number = 0
        self._run = secrets.token_hex(4)

    @property
    def number(self) -> int:
        """Number of the newest message; 0 before the first."""
        return self._number

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, kind: str, data: Mapping[str, object]) -> None:
        """Tell everybody; never waits."""
        with self._lock:
            self._number += 1
            message = Message(number=self._number, kind=kind, data=data)
            for listener in self._listeners:
                listener.offer(message)

    def close(self) -> None:
        """Tell everybody that nothing more will come, so that the server can stop."""
        self.publish("close", {})

    def identity(self, number: int) -> str:
        """Return what names a message beyond this process: numbers begin again with each start."""
        return f"{self._run}-{number}"

    def has_room(self, client: str) -> bool:
        """Tell whether one more may listen, in all and from this client."""
        within = len(self._listeners) < LISTENERS_MAX
        return within and self._clients[client] < CLIENT_LISTENERS_MAX

    @contextmanager
    def listen(self, client: str = "") -> Iterator[Listener | None]:
        """Listen until the block is left; None where too many do already."""
        listener = Listener(asyncio.get_running_loop())
        with self._lock:
            admitted = listener if self.has_room(client) else None
            if admitted is not None:
                self._listeners.add(admitted)
                self._clients[client] += 1
        try:
            yield admitted
        finally:
            if admitted is not None:
                with self._lock:
                    self._listeners.discard(admitted)
                    self._clients[client] -= 1
                    if not self._clients[client]:
                        del self._clients[client]
