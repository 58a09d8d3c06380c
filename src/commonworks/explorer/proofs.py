"""Proofs out of trees: inclusion paths from a log's tiles, siblings from the payout tree.

Nothing here vouches for anything. Whoever gets a proof checks it; a log or an index that is wrong
gives a proof that does not hold, and the check says where.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from commonworks.errors import Corrupt, NotFound, Unavailable
from commonworks.explorer.leafbook import LeafBook, parent
from commonworks.explorer.web.i18n import gettext
from commonworks.model import Total
from commonworks.ports import Log
from commonworks.settlement.payout import EMPTY_ROOT, leaf_hash
from commonworks.translog.notes import Checkpoint, parse_note
from commonworks.translog.tiles import (
    CHECKPOINT_PATH,
    TILE_WIDTH,
    HashReader,
    TileId,
    decode_entries,
    entries_path,
    inclusion_tiles,
    width_at,
)
from commonworks.translog.tree import HASH_SIZE

TREES_MAX: Final = 4
"""Payout trees kept in memory; one of 200,000 leaves takes 13 MB."""


# --- logs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry of a log with its paths."""

    entry: bytes
    """The statement as logged."""
    path: tuple[bytes, ...]
    """Inclusion path in the tree of the size that was asked for."""
    head_size: int
    """Entries in the log's newest checkpoint."""
    head_note: str
    """That checkpoint, as signed."""
    head_path: tuple[bytes, ...]
    """Inclusion path in the tree of the newest checkpoint."""


async def read_entry(log: Log, position: int, size: int | None) -> LogEntry:
    """Return an entry and its inclusion paths in the tree of `size` (None: the newest).

    Raises: Unavailable when the log does not reach so far here; Corrupt for a damaged bundle.
    """
    note, head = await _head(log)
    wanted = head.size if size is None else size
    if not position < wanted <= head.size:
        raise Unavailable(
            gettext(
                "the log at hand has %(size)s entries, and not yet what was asked for",
                size=head.size,
            ),
            hint=gettext("try again when it has caught up"),
        )
    index = position // TILE_WIDTH
    width = width_at(head.size, 0, index)
    bundle = await log.read(entries_path(index, width))
    if bundle is None:
        missing = entries_path(index, width)
        raise Unavailable(gettext("the log at hand lacks %(path)s", path=missing))
    head_path = await _path(log, position, head.size, head.size)
    return LogEntry(
        entry=decode_entries(bundle, width)[position % TILE_WIDTH],
        path=head_path if wanted == head.size else await _path(log, position, wanted, head.size),
        head_size=head.size,
        head_note=note,
        head_path=head_path,
    )


async def _head(log: Log) -> tuple[str, Checkpoint]:
    data = await log.read(CHECKPOINT_PATH)
    if data is None:
        raise Unavailable(gettext("the log at hand has no checkpoint yet"))
    head = Checkpoint.decode(
        parse_note(data).text
    )  # says what is wrong with bytes that are no text
    return data.decode(), head


async def _path(log: Log, position: int, size: int, head_size: int) -> tuple[bytes, ...]:
    """Return an inclusion path, having fetched the tiles that it needs."""
    tiles: dict[str, bytes] = {}
    for tile in inclusion_tiles(position, size):
        data = await log.read(tile.path) or await _wider(log, tile, head_size)
        if data is None:
            raise Unavailable(gettext("the log at hand lacks %(path)s", path=tile.path))
        tiles[tile.path] = data
    return HashReader(tiles.get, size).inclusion_proof(position)


async def _wider(log: Log, tile: TileId, head_size: int) -> bytes | None:
    """Return a partial tile cut out of the one that the newest checkpoint has in its place."""
    level = tile.level or 0
    width = width_at(head_size, level, tile.index)
    data = await log.read(TileId(level=level, index=tile.index, width=width).path)
    return None if data is None else data[: tile.width * HASH_SIZE]


# --- the payout tree ------------------------------------------------------------------------------


class PayoutTree:
    """One epoch's payout tree: every node, as OpenZeppelin's array in one run of bytes."""

    __slots__ = ("_leaves", "_nodes")

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        """Build it from leaf hashes in any order. Source: docs/spec/payout-tree.md."""
        leaves = sorted(leaf_hashes)
        count = len(leaves)
        tree = [b""] * max(0, count - 1) + leaves[::-1]
        for at in range(count - 2, -1, -1):
            tree[at] = parent(tree[2 * at + 1], tree[2 * at + 2])
        self._leaves = count
        self._nodes = b"".join(tree)

    def __len__(self) -> int:
        """Return the number of leaves."""
        return self._leaves

    def _node(self, at: int) -> bytes:
        return self._nodes[at * HASH_SIZE : (at + 1) * HASH_SIZE]

    @property
    def root(self) -> bytes:
        """The root, `EMPTY_ROOT` without leaves."""
        return self._node(0) if self._leaves else EMPTY_ROOT

    @property
    def nodes(self) -> bytes:
        """Every node, from the root down, in one run of bytes."""
        return self._nodes

    def leaves(self) -> list[bytes]:
        """Return the leaf hashes, sorted."""
        last = 2 * self._leaves - 2
        return [self._node(last - rank) for rank in range(self._leaves)]

    def siblings(self, leaf: bytes) -> tuple[bytes, ...]:
        """Return the siblings of a leaf hash up to the root; raise NotFound for no leaf of it."""
        last = 2 * self._leaves - 2
        rank = bisect_left(range(self._leaves), leaf, key=lambda place: self._node(last - place))
        at = last - rank
        if rank == self._leaves or self._node(at) != leaf:
            raise NotFound(gettext("the payout tree has no such leaf"))
        found = []
        while at > 0:
            found.append(self._node(at + 1 if at % 2 else at - 1))
            at = (at - 1) // 2
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafChanges:
    """What changed in the leaves between two epochs."""

    whole: bool
    """`after` are all leaves, whatever was known: so much changed that a new start costs less."""
    before: Iterable[Total]
    """Leaves of the one that the other has not; read once."""
    after: Iterable[Total]
    """Leaves in their place, and new ones; read once."""


Changes = Callable[[int], LeafChanges]
"""Epoch whose tree is known, -1 for none -> what changed from there to the epoch wanted."""


class PayoutTrees:
    """The newest trees, each built once; safe to ask from any thread.

    A tree is found by its epoch *and* its root, so that an index that was rebuilt never meets what
    was built from another one. What is not in memory is asked of the book, where there is one.
    """

    def __init__(self, book: LeafBook | None = None) -> None:
        self.book = book
        self._lock = threading.Lock()
        self._trees: OrderedDict[tuple[int, bytes], PayoutTree] = OrderedDict()

    def siblings(self, epoch: int, root: bytes, leaf: bytes, changes: Changes) -> tuple[bytes, ...]:
        """Return a leaf's siblings up to the root: from a tree at hand, the book, or a new tree.

        Raises: NotFound for no leaf of it; Corrupt when the leaves do not give the root.
        """
        if self.book is not None and (epoch, root) not in self._trees:
            found = self.book.siblings(epoch, root, leaf)
            if found is not None:
                return found
        return self.tree(epoch, root, changes).siblings(leaf)

    def tree(self, epoch: int, root: bytes, changes: Changes) -> PayoutTree:
        """Return the tree of an epoch with this root, built from the nearest known.

        Raises: Corrupt when the leaves do not give the root.
        """
        key = (epoch, root)
        with self._lock:  # one builds, the others wait for it: a tree costs a second of a processor
            if key not in self._trees:
                self._trees[key] = self._build(epoch, root, changes)
                while len(self._trees) > TREES_MAX:
                    self._trees.popitem(last=False)
            self._trees.move_to_end(key)
            return self._trees[key]

    def _build(self, epoch: int, root: bytes, changes: Changes) -> PayoutTree:
        known = min(self._trees, key=lambda key: abs(key[0] - epoch), default=None)
        for start in (None,) if known is None else (known, None):
            changed = changes(-1 if start is None else start[0])
            tree = grown(() if start is None else self._trees[start].leaves(), changed)
            if tree.root == root:
                return tree
        raise another_root(epoch)


def another_root(epoch: int) -> Corrupt:
    """Return the error of an index whose payouts do not give the root that was finalised."""
    return Corrupt(
        f"the index's payouts of epoch {epoch} do not give the root that was finalised",
        hint="rebuild it: commonworks index rebuild",
    )


def grown(leaves: Iterable[bytes], changed: LeafChanges) -> PayoutTree:
    """Return the tree that changes make of another one's leaf hashes."""
    found: set[bytes] = set() if changed.whole else set(leaves)
    found.difference_update(leaf_hash(total) for total in changed.before)
    found.update(leaf_hash(total) for total in changed.after)
    return PayoutTree(found)
