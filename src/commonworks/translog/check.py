"""Check a whole log, and say where it is wrong.

Goal: whoever changes one byte of a log is found, and the entry, tile or checkpoint is named.
Rule: trust flows down. The key vouches for the checkpoint, its root for the partial tiles at the
right edge, each tile for the full tiles below it, level-0 tiles for entries. So a thing that does
not fit what vouches for it is itself what is wrong.
Invariant: memory holds one tile a level and one bundle, however long the log.

Only the resources of the checkpoint's own tree size are read: partial tiles that older checkpoints
left behind are nobody's evidence any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from commonworks.errors import Corrupt, InvalidInput
from commonworks.translog.notes import Checkpoint, open_checkpoint, parse_note, parse_vkey
from commonworks.translog.tiles import (
    CHECKPOINT_PATH,
    TILE_WIDTH,
    HashReader,
    Read,
    TileId,
    edge_tiles,
    read_tile,
    split_bundle,
    tile_hashes,
    width_at,
)
from commonworks.translog.tree import EMPTY_ROOT, HASH_SIZE, leaf_hash, root


class FaultKind(StrEnum):
    """What is wrong with a log. A published kind never changes its meaning."""

    MISSING = "missing"
    """A resource of the checkpoint's tree size is not there."""
    BAD_CHECKPOINT = "bad_checkpoint"
    """The checkpoint is malformed, of another log, or not signed by the key."""
    BAD_ROOT = "bad_root"
    """The tiles agree with each other, and not with the checkpoint's root."""
    BAD_TILE = "bad_tile"
    """A tile has the wrong length or does not hash to what the level above holds."""
    BAD_ENTRY = "bad_entry"
    """An entry does not hash to what its level-0 tile holds."""
    BAD_BUNDLE = "bad_bundle"
    """A bundle has bytes after its last entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first thing in a log that is wrong."""

    kind: FaultKind
    """Which rule it breaks."""
    path: str
    """The resource that is wrong."""
    entry: int | None = None
    """Index in the log of the entry that is wrong, where it is an entry."""
    what: str
    """One line for people: what was found."""

    def __str__(self) -> str:
        """Say where and what."""
        where = self.path if self.entry is None else f"{self.path}, entry {self.entry}"
        return f"{where}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What a check of a whole log found."""

    size: int
    """Size that the checkpoint says; 0 when there is no good one."""
    root: bytes
    """Root that the checkpoint says; `EMPTY_ROOT` when there is no good one."""
    entries: int
    """Entries verified before the first fault; `size` when there is none."""
    first_fault: Fault | None
    """The first fault; None for a good log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Consecutive entries that are what the checkpoint commits to."""

    start: int
    """Index of the first."""
    entries: tuple[bytes, ...]
    """1..256 entries, from one bundle."""


class _Found(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def read_checkpoint(read: Read, vkey: str | None) -> Checkpoint | Fault:
    """Return the log's checkpoint, or why it cannot be believed.

    With `vkey` None the note's form is checked and its signature is not. Raises InvalidInput only
    for a malformed `vkey`.
    """
    key = None if vkey is None else parse_vkey(vkey)
    data = read(CHECKPOINT_PATH)
    if data is None:
        return Fault(kind=FaultKind.MISSING, path=CHECKPOINT_PATH, what="there is no checkpoint")
    try:
        if key is None:
            return Checkpoint.decode(parse_note(data).text)
        return open_checkpoint(data, key)
    except InvalidInput as error:
        return Fault(kind=FaultKind.BAD_CHECKPOINT, path=CHECKPOINT_PATH, what=str(error))


def verified_bundles(
    read: Read, checkpoint: Checkpoint, start: int = 0
) -> Iterator[Verified | Fault]:
    """Yield the entries from index `start` on, bundle by bundle, each verified up to the root.

    A fault, if there is one, comes last. `checkpoint` must come from `read_checkpoint` or another
    source that the caller believes. A mirror passes the size it already holds as `start`; the tree
    above is verified again, so the old part cannot have changed without changing the root.
    """
    try:
        tiles = _Tiles(read, checkpoint)
        for index in range(start // TILE_WIDTH, -(-checkpoint.size // TILE_WIDTH)):
            yield from _check_bundle(read, tiles, index, start)
    except _Found as found:
        yield found.fault


def check_log(
    read: Read, vkey: str | None, progress: Callable[[int], None] | None = None
) -> LogReport:
    """Verify a whole log: signature, root, every tile, every entry.

    `read` returns a resource's bytes by its path, or None; what it raises passes through.
    `progress` is told the number of entries verified so far, after each bundle.
    Returns a report whose `first_fault` names what is wrong. Raises InvalidInput for a bad `vkey`.
    """
    checkpoint = read_checkpoint(read, vkey)
    if isinstance(checkpoint, Fault):
        return LogReport(size=0, root=EMPTY_ROOT, entries=0, first_fault=checkpoint)
    entries = 0
    first_fault = None
    for result in verified_bundles(read, checkpoint):
        if isinstance(result, Fault):
            first_fault = result
            break
        entries += len(result.entries)
        if progress is not None:
            progress(entries)
    return LogReport(
        size=checkpoint.size, root=checkpoint.root, entries=entries, first_fault=first_fault
    )


class _Tiles:
    """Verified tiles of one tree size: the right edge, and one more a level."""

    def __init__(self, read: Read, checkpoint: Checkpoint) -> None:
        """Verify the right edge against the root; raise _Found when it does not fit."""
        self._read = read
        self._size = checkpoint.size
        edge = {tile: _tile_bytes(read, tile) for tile in edge_tiles(checkpoint.size)}
        by_path = {tile.path: data for tile, data in edge.items()}
        # Full tiles carry whole subtrees of the frontier only through their parents' hashes, so
        # the edge alone gives the root.
        frontier = HashReader(by_path.get, checkpoint.size).frontier()
        if frontier.root() != checkpoint.root:
            raise _Found(_blame_edge(read, edge))
        self._edge = {(tile.level, tile.index): tile_hashes(data) for tile, data in edge.items()}
        self._current: dict[int, tuple[int, list[bytes]]] = {}

    def hashes(self, level: int, index: int) -> list[bytes]:
        """Return the hashes of a tile after verifying it; raise _Found when it is wrong."""
        on_edge = self._edge.get((level, index))
        if on_edge is not None:
            return on_edge
        current = self._current.get(level)
        if current is not None and current[0] == index:
            return current[1]
        above = self.hashes(level + 1, index // TILE_WIDTH)
        tile = TileId(level=level, index=index)
        hashes = tile_hashes(_tile_bytes(self._read, tile))
        if root(hashes) != above[index % TILE_WIDTH]:
            what = f"does not hash to what level {level + 1} holds for it"
            raise _Found(Fault(kind=FaultKind.BAD_TILE, path=tile.path, what=what))
        self._current[level] = (index, hashes)
        return hashes

    def bundle(self, index: int) -> TileId:
        """Return the address of an entry bundle in this tree."""
        return TileId(level=None, index=index, width=width_at(self._size, 0, index))


def _tile_bytes(read: Read, tile: TileId) -> bytes:
    """Return a tile's bytes; raise _Found when it is missing or has the wrong length."""
    data = read_tile(read, tile)
    if data is None:
        raise _Found(Fault(kind=FaultKind.MISSING, path=tile.path, what="there is no such tile"))
    if len(data) != tile.width * HASH_SIZE:
        what = f"has {len(data)} bytes instead of {tile.width * HASH_SIZE}"
        raise _Found(Fault(kind=FaultKind.BAD_TILE, path=tile.path, what=what))
    return data


def _check_bundle(read: Read, tiles: _Tiles, index: int, start: int) -> Iterator[Verified]:
    """Yield a bundle's entries from `start` on; raise _Found at the first that is wrong.

    Entries before the wrong one are good and come out first.
    """
    tile = tiles.bundle(index)
    expected = tiles.hashes(0, index)
    data = read_tile(read, tile)
    if data is None:
        raise _Found(Fault(kind=FaultKind.MISSING, path=tile.path, what="there is no such bundle"))
    first = index * TILE_WIDTH
    good: list[bytes] = []
    fault: Fault | None = None
    try:
        for entry in split_bundle(data):
            if len(good) == len(expected):
                what = f"goes on after its {len(expected)} entries"
                fault = Fault(kind=FaultKind.BAD_BUNDLE, path=tile.path, what=what)
                break
            if leaf_hash(entry) != expected[len(good)]:
                what = f"does not hash to what tile/0 holds ({expected[len(good)].hex()})"
                fault = _bad_entry(tile, first + len(good), what)
                break
            good.append(entry)
    except Corrupt as error:
        fault = _cut_off(tile, first, len(good), len(expected), str(error))
    if fault is None and len(good) < len(expected):
        fault = _bad_entry(tile, first + len(good), "is not in its bundle")
    wanted = tuple(good[max(0, start - first) :])
    if wanted:
        yield Verified(start=max(first, start), entries=wanted)
    if fault is not None:
        raise _Found(fault)


def _bad_entry(tile: TileId, entry: int, what: str) -> Fault:
    return Fault(kind=FaultKind.BAD_ENTRY, path=tile.path, entry=entry, what=what)


def _cut_off(tile: TileId, first: int, good: int, width: int, what: str) -> Fault:
    """Return the fault of a bundle whose bytes end inside an entry, or inside what follows them."""
    if good == width:
        return Fault(kind=FaultKind.BAD_BUNDLE, path=tile.path, what=what)
    return _bad_entry(tile, first + good, what)


def _blame_edge(read: Read, edge: dict[TileId, bytes]) -> Fault:
    """Say which resource is wrong when the right edge does not give the checkpoint's root.

    Partial tiles have no parent to vouch for them, so each is compared with what lies below it:
    where one thing is wrong, that is the tile which differs, or the checkpoint if none does.
    """
    for tile, data in edge.items():
        for at, (held, below) in enumerate(
            zip(tile_hashes(data), _below(read, tile), strict=False)
        ):
            if below is not None and below != held:
                what = f"hash {at} is not that of what lies below it, and the root does not fit"
                return Fault(kind=FaultKind.BAD_TILE, path=tile.path, what=what)
    what = "the root is not that of the log's tiles"
    return Fault(kind=FaultKind.BAD_ROOT, path=CHECKPOINT_PATH, what=what)


def _below(read: Read, tile: TileId) -> Iterator[bytes | None]:
    """Yield an edge tile's hashes as what lies below gives them; None where that is missing."""
    if tile.level:
        for child in range(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width):
            data = read_tile(read, TileId(level=tile.level - 1, index=child))
            yield None if data is None else root(tile_hashes(data))
        return
    bundle = read_tile(read, TileId(level=None, index=tile.index, width=tile.width))
    try:
        for entry in split_bundle(bundle or b""):
            yield leaf_hash(entry)
    except Corrupt:
        return  # what comes after the cut cannot be compared
