"""Reading a log's entries for the index: only what the log's own key signed.

Rule: nothing is handed on that does not hash to a signed checkpoint, and every portion extends the
one before it. Memory: one portion.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from commonworks.errors import Corrupt, InvalidInput, NotFound
from commonworks.ports import Log
from commonworks.translog.notes import Checkpoint, NoteKey, open_checkpoint
from commonworks.translog.tiles import (
    CHECKPOINT_PATH,
    TILE_WIDTH,
    HashReader,
    TileId,
    consistency_tiles,
    decode_entries,
    edge_tiles,
    entries_path,
    width_at,
)
from commonworks.translog.tree import Frontier, leaf_hash, verify_consistency

PORTION_BYTES: Final = 8 << 20
"""A portion ends with the bundle in which it reaches so many bytes: a log of nothing but the
largest entries takes no more memory than any other."""

STATED_MAX: Final = 2**53
"""Largest log that is believed to be one."""


class LogReader:
    """One log, read from where the index stands."""

    def __init__(self, log: Log, key: NoteKey) -> None:
        """`key` is the one that the chain has for the log's checkpoints."""
        self._log = log
        self._key = key
        self._frontier: Frontier | None = None
        """The tree up to where was read last."""

    async def checkpoint(self) -> Checkpoint | None:
        """Return what the log states and its key signed, None before its first checkpoint.

        Raises: Corrupt when it is not signed by the key.
        """
        data = await self._log.read(CHECKPOINT_PATH)
        if data is None:
            return None
        try:
            stated = open_checkpoint(data, self._key)
        except InvalidInput as error:
            raise Corrupt(f"log {self._key.name}: {error.message}") from error
        if stated.size > STATED_MAX:
            raise Corrupt(f"log {self._key.name} states {stated.size} entries")
        return stated

    async def read(self, first: int, upto: int, stated: Checkpoint) -> list[tuple[int, bytes]]:
        """Return entries from `first` on with their positions: to upto-1, fewer where they are
        large, always one at least.

        Raises: Corrupt when they do not hash to the checkpoint; NotFound when some are missing.
        """
        before = await self._edge(first)
        entries = await self._entries(first, upto, stated.size)
        upto = first + len(entries)
        after = before.extend(leaf_hash(raw) for _, raw in entries)
        tiles = await self._tiles(consistency_tiles(upto, stated.size))
        proof = HashReader(tiles.get, stated.size).consistency_proof(upto)
        if not verify_consistency(upto, after.root(), stated.size, stated.root, proof):
            self._frontier = None
            raise Corrupt(
                f"log {self._key.name}: entries {first}..{upto - 1} do not hash to its checkpoint",
                hint="see where it is wrong: commonworks log check",
            )
        self._frontier = after
        return entries

    async def _edge(self, size: int) -> Frontier:
        """Return the tree up to `size`; the check of what follows finds out a wrong one."""
        if self._frontier is None or self._frontier.size != size:
            tiles = await self._tiles(edge_tiles(size))
            self._frontier = HashReader(tiles.get, size).frontier()
        return self._frontier

    async def _entries(self, first: int, upto: int, size: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        size_bytes = 0
        for index in range(first // TILE_WIDTH, -(-upto // TILE_WIDTH)):
            width = width_at(size, 0, index)
            path = entries_path(index, width)
            data = await self._log.read(path)
            if data is None:
                raise NotFound(f"log {self._key.name} has no {path}")
            bundle = enumerate(decode_entries(data, width), start=index * TILE_WIDTH)
            found += (item for item in bundle if first <= item[0] < upto)
            size_bytes += len(data)
            if size_bytes >= PORTION_BYTES:
                break
        return found

    async def _tiles(self, wanted: Collection[TileId]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for tile in wanted:
            data = await self._log.read(tile.path)
            if data is not None:
                found[tile.path] = data
        return found


def devices_in(rows: Sequence[dict[str, object]], limit: int) -> list[int]:
    """Return the devices that statement rows are from, each once, in order of appearance."""
    found = dict.fromkeys(row["device"] for row in rows)
    return [number for number in found if isinstance(number, int)][:limit]
