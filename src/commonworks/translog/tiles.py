"""Tiles and bundles: how a log lies in files (C2SP tlog-tiles).

Goal: a log that a plain file server can serve and that grows by writing new files only.
Rule: a tile at level l holds up to 256 consecutive nodes of tree level 8*l; a bundle holds the
entries under one level-0 tile. Only full tiles are hashed into the level above. A partial tile is
the right edge of one tree size; as the log grows, a wider one comes, under another path.
Invariant: what lies at a path never changes while the log is honest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from commonworks.errors import Corrupt, InvalidInput, NotFound
from commonworks.translog.tree import (
    HASH_SIZE,
    MAX_SIZE,
    Frontier,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    node_hash,
    root,
)

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
MAX_LEVEL: Final = 63  # of a path; a tree below 2**63 entries reaches level 7
MAX_ENTRY_BYTES: Final = 0xFFFF  # what the two-byte length prefix can say
MAX_BUNDLE_BYTES: Final = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
MAX_CACHED_TILES: Final = 64  # a HashReader's memory: 64 tiles of 511 hashes, about 2 MB

CHECKPOINT_PATH: Final = "checkpoint"
ENTRIES: Final = "tile/entries"
SEALED: Final = "sealed/entries"

# path -> the bytes there, or None where nothing is.
Read = Callable[[str], bytes | None]

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)"
    r"/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TileId:
    """The address of one tile or entry bundle."""

    level: int | None
    """Tile level, 0..63; None for an entry bundle."""
    index: int
    """Position within the level, from 0."""
    width: int = TILE_WIDTH
    """Hashes or entries it holds, 1..256; below 256 it is partial."""

    @property
    def path(self) -> str:
        """The resource's path below the log's prefix."""
        if self.level is None:
            return entries_path(self.index, self.width)
        return tile_path(self.level, self.index, self.width)


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile: `tile/<L>/<N>[.p/<W>]`. Raises InvalidInput out of range."""
    if not 0 <= level <= MAX_LEVEL:
        raise InvalidInput("no such tile level", level=level)
    return _path(f"tile/{level}", index, width)


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle: `tile/entries/<N>[.p/<W>]`."""
    return _path(ENTRIES, index, width)


def sealed_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of the preimages beside an entry bundle: `sealed/entries/<N>[.p/<W>]`."""
    return _path(SEALED, index, width)


def _path(directory: str, index: int, width: int) -> str:
    """Return `directory/<N>[.p/<W>]` with the index in groups of three digits (`x001/x234/067`)."""
    if not (0 <= index <= MAX_SIZE and 1 <= width <= TILE_WIDTH):
        raise InvalidInput("no such tile", index=index, width=width)
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"{directory}/{name}" if width == TILE_WIDTH else f"{directory}/{name}.p/{width}"


def parse_path(path: str) -> TileId | None:
    """Return what a path addresses, or None unless it is the one canonical path of a resource.

    A server that opens files only for what this accepts cannot be led out of its folder.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level = None if match["level"] == "entries" else int(match["level"])
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = int(match["width"] or TILE_WIDTH)
    # A partial tile is at most 255 wide, and leading groups of zeros are a second spelling.
    partial_too_wide = match["width"] is not None and width >= TILE_WIDTH
    if partial_too_wide or index > MAX_SIZE or (level or 0) > MAX_LEVEL:
        return None
    tile = TileId(level=level, index=index, width=width)
    return tile if tile.path == path else None


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Return a bundle: each entry after its length as two bytes, big-endian.

    Raises InvalidInput for an entry above 65,535 bytes, or more than 256 of them.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise InvalidInput("an entry has at most 65,535 bytes", length=len(entry))
        parts += (len(entry).to_bytes(2, "big"), entry)
    if len(parts) > 2 * TILE_WIDTH:
        raise InvalidInput("a bundle has at most 256 entries", entries=len(parts) // 2)
    return b"".join(parts)


def split_bundle(data: bytes) -> Iterator[bytes]:
    """Yield a bundle's entries one by one; raise Corrupt where one is cut off."""
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise Corrupt("a bundle ends in the middle of an entry", offset=at)
        yield data[at + 2 : end]
        at = end


def decode_entries(data: bytes, width: int) -> tuple[bytes, ...]:
    """Return the `width` entries of a bundle.

    Raises Corrupt when the bytes hold fewer or more entries, or end in the middle of one.
    """
    entries = tuple(islice(split_bundle(data), width + 1))  # of nothing there can be millions
    if len(entries) != width:
        raise Corrupt("a bundle holds the wrong number of entries", width=width, got=len(entries))
    return entries


def width_at(size: int, level: int, index: int) -> int:
    """Return how many hashes tile (level, index) has in a tree of `size`: 0 (none) .. 256 (full).

    Level 0 also gives the width of the entry bundle with that index.
    """
    return max(0, min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH))


def edge_tiles(size: int) -> tuple[TileId, ...]:
    """Return the partial tiles of a tree size, level 0 first; all that appending hashes needs."""
    edge = []
    level = 0
    while count := size >> (TILE_HEIGHT * level):
        if count % TILE_WIDTH:
            tile = TileId(level=level, index=count // TILE_WIDTH, width=count % TILE_WIDTH)
            edge.append(tile)
        level += 1
    return tuple(edge)


def tiles_between(old_size: int, size: int) -> Iterator[TileId]:
    """Yield what the tree of `size` has and that of `old_size` had not: bundles, tiles by level.

    A mirror that holds `old_size` fetches exactly these. From 0 they are the whole log.
    """
    for level in (None, *range(-(-size.bit_length() // TILE_HEIGHT))):
        shift = TILE_HEIGHT * (level or 0)
        old_count, count = old_size >> shift, size >> shift
        if count > old_count:
            for index in range(old_count // TILE_WIDTH, -(-count // TILE_WIDTH)):
                width = min(TILE_WIDTH, count - index * TILE_WIDTH)
                yield TileId(level=level, index=index, width=width)


def read_tile(read: Read, tile: TileId) -> bytes | None:
    """Return a tile's or bundle's bytes, or None.

    A log may delete a partial tile once the full one exists, so that is looked for too, and cut to
    the width asked for (a full bundle whose lengths do not add up is returned as it is).
    """
    data = read(tile.path)
    if data is not None or tile.width == TILE_WIDTH:
        return data
    whole = read(TileId(level=tile.level, index=tile.index).path)
    if whole is None:
        return None
    if tile.level is not None:
        return whole[: tile.width * HASH_SIZE]
    at = 0
    for _ in range(tile.width):
        at += 2 + int.from_bytes(whole[at : at + 2], "big")
    return whole[:at]


def _existing(read: Read, tile: TileId) -> bytes:
    """Return a tile that must be there; raise Corrupt when it is not, or has the wrong length."""
    data = read_tile(read, tile)
    if data is None:
        raise Corrupt(f"the log has no {tile.path}", path=tile.path)
    if tile.level is not None and len(data) != tile.width * HASH_SIZE:
        raise Corrupt(f"{tile.path} has the wrong length", path=tile.path, length=len(data))
    return data


def tiles_for(old_size: int, new_leaf_hashes: Sequence[bytes], read: Read) -> Mapping[str, bytes]:
    """Return the tiles that appending leaf hashes to a tree of `old_size` makes: path -> bytes.

    Reads at most one partial tile a level (`edge_tiles(old_size)`), never an old entry. Full tiles
    where a tile filled up, partial ones at the new right edge; none for levels that did not grow.
    Raises Corrupt when an edge tile is missing or misshapen. It does not check the edge's hashes:
    a writer does so once, at start, by `HashReader.frontier().root()` against its checkpoint.
    """
    files: dict[str, bytes] = {}
    level, count, added = 0, old_size, list(new_leaf_hashes)
    while added:
        index, width = divmod(count, TILE_WIDTH)
        row = b""
        if width:
            row = _existing(read, TileId(level=level, index=index, width=width))
        row += b"".join(added)
        above = []
        tile_bytes = TILE_WIDTH * HASH_SIZE
        for at in range(0, len(row), tile_bytes):
            tile = row[at : at + tile_bytes]
            files[tile_path(level, index, len(tile) // HASH_SIZE)] = tile
            if len(tile) == tile_bytes:
                above.append(root(tile_hashes(tile)))
            index += 1
        level, count, added = level + 1, count >> TILE_HEIGHT, above
    return files


def bundles_for(
    old_size: int, items: Sequence[bytes], read: Read, directory: str = ENTRIES
) -> Mapping[str, bytes]:
    """Return the bundles that appending items to `old_size` of them makes: path -> bytes.

    `directory` is `ENTRIES` for entries, `SEALED` for preimages (empty where there is none).
    Raises Corrupt when the partial bundle at the old edge is missing or holds another number.
    """
    files: dict[str, bytes] = {}
    index, width = divmod(old_size, TILE_WIDTH)
    pending = list(items)
    if width and pending:
        path = _path(directory, index, width)
        data = read(path)
        if data is None:
            raise Corrupt(f"the log has no {path}", path=path)
        pending = [*decode_entries(data, width), *pending]
    for at in range(0, len(pending), TILE_WIDTH):
        chunk = pending[at : at + TILE_WIDTH]
        files[_path(directory, index + at // TILE_WIDTH, len(chunk))] = encode_entries(chunk)
    return files


def tile_hashes(data: bytes) -> list[bytes]:
    """Return the hashes in a tile's bytes."""
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


class HashReader:
    """The nodes of one tree size, out of its tiles; serves as `ReadHash` for proofs.

    It believes what it reads. Whoever did not write the tiles checks what comes out: a proof
    against a signed root, a frontier against the checkpoint; `check.py` checks everything.
    """

    def __init__(self, read: Read, size: int) -> None:
        """Read tiles of the tree of `size` leaves through `read`."""
        self._read = read
        self._size = size
        # Each tile as rows of nodes: its own hashes, then one row for each level above them. The
        # entries of one pool share tiles, so that a thousand receipts hash each of them once.
        self._rows: dict[tuple[int, int], list[list[bytes]]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return node (level, index). Raises NotFound for a missing tile, Corrupt for a bad one."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, at = divmod(index, TILE_WIDTH >> height)
        row = self._tile_rows(tile_level, tile_index)[height]
        if at >= len(row):
            raise InvalidInput("no such node in the tree", level=level, index=index)
        return row[at]

    def frontier(self) -> Frontier:
        """Return the tree's right edge."""
        return frontier_at(self._size, self)

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Prove leaf `index` in this tree; raises as `tree.inclusion_proof` and `__call__` do."""
        return inclusion_proof(index, self._size, self)

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """Prove that the tree of `old_size` is a prefix of this one; raises likewise."""
        return consistency_proof(old_size, self._size, self)

    def _tile_rows(self, level: int, index: int) -> list[list[bytes]]:
        """Return a tile's rows, from memory or by reading it; the oldest in memory goes first."""
        rows = self._rows.get((level, index))
        if rows is None:
            rows = self._load(level, index)
            if len(self._rows) >= MAX_CACHED_TILES:
                del self._rows[next(iter(self._rows))]
            self._rows[level, index] = rows
        return rows

    def _load(self, level: int, index: int) -> list[list[bytes]]:
        """Read one tile and hash its rows."""
        width = width_at(self._size, level, index)
        if width == 0:
            raise InvalidInput("no such tile in the tree", level=level, index=index)
        tile = TileId(level=level, index=index, width=width)
        data = read_tile(self._read, tile)
        if data is None:
            raise NotFound(f"the log has no {tile.path}", path=tile.path)
        if len(data) != width * HASH_SIZE:
            raise Corrupt(f"{tile.path} has the wrong length", path=tile.path, length=len(data))
        rows = [tile_hashes(data)]
        for _ in range(TILE_HEIGHT - 1):
            below = rows[-1]
            # Only whole subtrees: a node without a partner is not a node of the next row yet.
            rows.append([node_hash(*pair) for pair in zip(below[::2], below[1::2], strict=False)])
        return rows


def _tiles_touched(size: int, walk: Callable[[Callable[[int, int], bytes]], object]) -> set[TileId]:
    """Return the tiles that a computation reads, by running it over nodes that are all zero."""
    touched: set[TileId] = set()

    def note(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index = index // (TILE_WIDTH >> height)
        width = width_at(size, tile_level, tile_index)
        touched.add(TileId(level=tile_level, index=tile_index, width=width))
        return bytes(HASH_SIZE)

    walk(note)
    return touched


def inclusion_tiles(index: int, size: int) -> frozenset[TileId]:
    """Return the tiles that an inclusion proof reads, for callers that must fetch them first."""
    return frozenset(_tiles_touched(size, lambda read: inclusion_proof(index, size, read)))


def consistency_tiles(old_size: int, size: int) -> frozenset[TileId]:
    """Return the tiles that a consistency proof reads, for callers that must fetch them first."""
    return frozenset(_tiles_touched(size, lambda read: consistency_proof(old_size, size, read)))
