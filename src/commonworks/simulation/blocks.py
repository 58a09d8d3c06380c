"""Blocks of the model chain: one transaction each, at virtual time, all or nothing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict
from commonworks.events import (
    Event,
    Position,
)
from commonworks.ports import Clock, Head

NOBODY: Final = bytes(20)
"""The zero address: where a device id goes that is burnt."""

FIRST_BLOCK: Final = 1
"""Block 0 is the chain's genesis and holds nothing of the network."""


def refuse(name: str, **arguments: object) -> Conflict:
    """Return the refusal that the contracts' custom error `name` stands for.

    Message and fields are those of the chain client, so that roles see no difference.
    """
    shown = ", ".join(f"{key}={_show(value)}" for key, value in arguments.items())
    return Conflict(f"the contract refuses: {name}({shown})", refusal=name, arguments=arguments)


class Blocks:
    """The chain under the model contracts: time, blocks, events."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._head = Head(block=FIRST_BLOCK - 1, time=clock.now())
        self._tx = b""
        self._written = 0
        self._events: list[Event] = []
        self._blocks: list[int] = []

    @property
    def time(self) -> int:
        """Timestamp of the block that is being made, or of the newest one."""
        return self._head.time

    def head(self) -> Head:
        """Return the newest block; time that passed since the last one makes an empty one."""
        now = self._clock.now()
        if now > self._head.time:
            self._head = Head(block=self._head.block + 1, time=now)
        return self._head

    @contextmanager
    def transaction(self) -> Iterator[bytes]:
        """Make a block with one transaction; yield its hash. An exception undoes the block."""
        before = (self._head, len(self._events))
        self._head = Head(block=self._head.block + 1, time=self._clock.now())
        self._tx = keccak256(b"transaction" + self._head.block.to_bytes(8, "big"))
        self._written = 0
        try:
            yield self._tx
        except BaseException:
            self._head = before[0]
            del self._events[before[1] :], self._blocks[before[1] :]
            raise

    def here(self) -> Position:
        """Return the position of the next event in the block that is being made."""
        return Position(
            block=self._head.block, time=self._head.time, index=self._written, tx=self._tx
        )

    def emit(self, event: Event) -> None:
        """Write an event that was made at `here`."""
        self._events.append(event)
        self._blocks.append(event.at.block)
        self._written += 1

    def events(self, first_block: int, last_block: int) -> Sequence[Event]:
        """Return the events of the blocks first..last, in chain order."""
        start = bisect_left(self._blocks, first_block)
        end = bisect_right(self._blocks, last_block)
        return tuple(self._events[start:end])


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
