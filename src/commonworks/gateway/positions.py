"""Where each statement lies: what a gateway asks of an index, and one in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from commonworks.errors import require


class Positions(Protocol):
    """Identity -> position of every entry of one log. Derived: it may forget, never invent."""

    @property
    def size(self) -> int:
        """Number of entries it knows: positions 0..size-1."""
        ...

    def find(self, identities: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the positions of those identities that it knows.

        Raises Unavailable when it had to forget everything; it is filled again from the log.
        """
        ...

    def append(self, first: int, identities: Sequence[bytes]) -> None:
        """Record that `identities` are the entries from position `first` = `size` on."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...


class MemoryPositions:
    """Positions in a dictionary: for simulation and small logs. Filled from the log at start."""

    def __init__(self) -> None:
        self._positions: dict[bytes, int] = {}

    @property
    def size(self) -> int:
        """See `Positions.size`."""
        return len(self._positions)

    def find(self, identities: Sequence[bytes]) -> Mapping[bytes, int]:
        """See `Positions.find`."""
        known = self._positions
        return {identity: known[identity] for identity in identities if identity in known}

    def append(self, first: int, identities: Sequence[bytes]) -> None:
        """See `Positions.append`."""
        require(first == len(self._positions), "an index grows without gaps")
        self._positions.update((identity, first + n) for n, identity in enumerate(identities))
        require(len(self._positions) == first + len(identities), "no statement is logged twice")

    def reset(self) -> None:
        """See `Positions.reset`."""
        self._positions.clear()
