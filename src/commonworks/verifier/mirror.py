"""A verifier's own copy of every log, payloads included, as far as the chain has anchored it.

Rule: nothing is held that does not hash to an anchored root, and nothing is confirmed that is not
held. Invariant: the record of what is held is written after the bytes it speaks of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from commonworks import canonical
from commonworks.errors import Corrupt, Unavailable
from commonworks.events import (
    Range,
    Tip,
)
from commonworks.ports import Log, Store
from commonworks.settlement.epochs import LoggedItem
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.translog.tiles import (
    ENTRIES,
    SEALED,
    TILE_WIDTH,
    bundles_for,
    decode_entries,
    entries_path,
    sealed_path,
    width_at,
)
from commonworks.translog.tree import Frontier, leaf_hash
from commonworks.verifier.reader import read_items

CHUNK: Final = 64 * TILE_WIDTH
"""Most entries held in memory while mirroring: 16,384."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How far one log is mirrored."""

    size: int
    nodes: tuple[bytes, ...]
    """The tree's right edge at `size`, from which it grows."""

    @property
    def frontier(self) -> Frontier:
        """Return the edge as a tree."""
        return Frontier(size=self.size, nodes=self.nodes)


class Mirror:
    """The copies of all logs in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def held(self, log_id: bytes) -> Held:
        """Return how far a log is mirrored."""
        data = await self._store.read(_record(log_id))
        return Held(size=0, nodes=()) if data is None else canonical.decode(Held, data)

    async def sync(self, log: Log, tip: Tip) -> None:
        """Copy what is missing up to an anchored tip.

        Raises: Corrupt when the log does not hash to the anchored root (nothing of it is held);
        Unavailable when it withholds a payload; whatever the log raises. Safe to repeat.
        """
        held = await self.held(tip.log_id)
        if held.size >= tip.size:
            return
        while held.size < tip.size:
            upto = min(tip.size, held.size + CHUNK)
            items = await read_items(log, held.size, upto)
            _check_payloads(items)
            frontier = held.frontier.extend([leaf_hash(item.statement) for item in items])
            await self._append(tip.log_id, held.size, items)
            held = Held(size=upto, nodes=frontier.nodes)
        if held.frontier.root() != tip.root:
            raise Corrupt(
                f"log {tip.log_id.hex()[:16]} does not hash to the root anchored at {tip.size}",
                hint="the gateway shows another log than it anchored; do not confirm it",
                log_id=tip.log_id,
            )
        # The bundles written so far are nothing until this: only what an anchor proves is held.
        await self._store.write({_record(tip.log_id): canonical.encode(held)})

    async def _append(self, log_id: bytes, size: int, items: Sequence[LoggedItem]) -> None:
        prefix = f"logs/{log_id.hex()}/"
        edge: dict[str, bytes] = {}
        index, width = divmod(size, TILE_WIDTH)
        if width:
            for path in (entries_path(index, width), sealed_path(index, width)):
                data = await self._store.read(prefix + path)
                if data is not None:
                    edge[path] = data
        statements = [item.statement for item in items]
        preimages = [item.preimage or b"" for item in items]
        files = {
            **bundles_for(size, statements, edge.get, ENTRIES),
            **bundles_for(size, preimages, edge.get, SEALED),
        }
        await self._store.write({prefix + path: data for path, data in files.items()})

    async def items(self, part: Range) -> list[LoggedItem]:
        """Return the entries of a range; raise Unavailable when it is not held."""
        held = await self.held(part.log_id)
        if held.size < part.size:
            raise Unavailable(f"log {part.log_id.hex()[:16]} is mirrored to {held.size} only")
        prefix = f"logs/{part.log_id.hex()}/"
        items: list[LoggedItem] = []
        for index in range(part.first // TILE_WIDTH, -(-part.size // TILE_WIDTH)):
            width = width_at(held.size, 0, index)
            entries = await self._store.read(prefix + entries_path(index, width))
            sealed = await self._store.read(prefix + sealed_path(index, width))
            if entries is None or sealed is None:
                raise Corrupt(f"the mirror lacks bundle {index}", hint="delete it; it is rebuilt")
            rows = zip(decode_entries(entries, width), decode_entries(sealed, width), strict=True)
            items += [
                LoggedItem(
                    index=index * TILE_WIDTH + offset,
                    statement=statement,
                    preimage=preimage or None,
                )
                for offset, (statement, preimage) in enumerate(rows)
            ]
        return [item for item in items if part.first <= item.index < part.size]


def _record(log_id: bytes) -> str:
    return f"logs/{log_id.hex()}/held"


def _check_payloads(items: Sequence[LoggedItem]) -> None:
    """Refuse a range with a sealed statement whose payload is missing or not its own."""
    for item in items:
        decoded = decode_statement(item.statement, item.preimage)
        missing = not isinstance(decoded, Reason) and decoded.payload is None
        if missing or decoded is Reason.PAYLOAD_MISMATCH:
            raise Unavailable(
                f"the payload of entry {item.index} is {'missing' if missing else 'not its own'}",
                hint="the gateway withholds evidence; it is not confirmed until it serves it",
            )
