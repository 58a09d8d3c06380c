"""Every payout tree there was, in one file: when each leaf was one, and the top of each tree.

Goal: a payout proof of any epoch, however long past, costs a few hundred leaves and not all of
them. All of them are three seconds of a processor where a network has a hundred thousand accounts.
Rule: of each tree its first nodes are kept, from the root down, and every so many a leaf; of each
leaf the epochs in which it was one. A proof then computes the small tree around one leaf only.
Invariant: nothing here is believed. A proof out of this file holds against the root that the index
has, or it is not given. Whoever deletes the file loses nothing: it is written again from the index.

Room: a row of some fifty bytes for each row of the index's payouts, and 128 KiB at most for each
epoch; about a thirtieth of the index.
"""

from __future__ import annotations

import contextlib
import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonworks.crypto.hashes import keccak256
from commonworks.errors import Corrupt, Unavailable, require
from commonworks.translog.tree import HASH_SIZE

TOP_NODES: Final = 2_047
"""Nodes of a tree that are kept, from the root down: eleven levels, 64 KiB."""
MARKS_MAX: Final = 2_048
"""Most leaves of a tree that are kept beside it, 64 KiB; others are read between two of them."""
BLOCK_LEAVES: Final = 64
"""Fewest leaves from one of these to the next."""
FORMAT: Final = 1
"""Of the file; one of another format is written again."""
BUSY_TIMEOUT_S: Final = 10

_FILES: Final = ("", "-wal", "-shm", "-journal")
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS tree (
  epoch INTEGER PRIMARY KEY, root BLOB NOT NULL, leaves INTEGER NOT NULL, step INTEGER NOT NULL,
  top BLOB NOT NULL, marks BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS leaf (
  hash BLOB PRIMARY KEY, born INTEGER NOT NULL, gone INTEGER
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of one epoch's tree."""

    epoch: int
    root: bytes
    leaves: int
    """How many it has."""
    step: int
    """Leaves from one mark to the next."""
    top: bytes
    """Its first nodes, in the order of OpenZeppelin's array."""
    marks: tuple[bytes, ...]
    """Leaf hashes of rank 0, `step`, 2 `step`, ..."""


class LeafBook:
    """One network's payout trees in a file. One writes; whoever reads may do so from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> tuple[int, bytes] | None:
        """Return (epoch, root) of the newest tree, None without any or where it cannot be read."""
        with contextlib.suppress(sqlite3.Error), self._reading() as file:
            row = file.execute("SELECT epoch, root FROM tree ORDER BY epoch DESC LIMIT 1")
            found = row.fetchone()
            return None if found is None else (int(found[0]), bytes(found[1]))
        return None

    def leaves(self) -> list[bytes]:
        """Return the leaf hashes of the newest tree, sorted.

        Raises: Corrupt for a file that cannot be read.
        """
        try:
            with self._reading() as file:
                rows = file.execute("SELECT hash FROM leaf WHERE gone IS NULL ORDER BY hash")
                return [bytes(row[0]) for row in rows]
        except sqlite3.Error as error:
            raise Corrupt(f"{self._path} is damaged ({error})") from error

    def siblings(self, epoch: int, root: bytes, leaf: bytes) -> tuple[bytes, ...] | None:
        """Return a leaf's siblings up to the root in an epoch's tree.

        None where this is not at hand: the tree is not here yet, it has no such leaf, or what is
        here does not prove it. Never siblings that do not hold.
        """
        with contextlib.suppress(sqlite3.Error, IndexError), self._reading() as file:
            kept = _kept(file, epoch, root)
            return None if kept is None else _Around(file, kept).proof(leaf)
        return None

    def add(
        self, epoch: int, nodes: bytes, before: Sequence[bytes], after: Sequence[bytes]
    ) -> None:
        """Add the tree that comes after the newest.

        Inputs: `nodes` are all of its nodes as OpenZeppelin's array in one run of bytes; `before`
        are the leaf hashes of the newest tree here, `after` those of this one, both sorted.
        It is there whole or not at all.
        Raises: Unavailable where the file cannot be written now.
        """
        step = max(BLOCK_LEAVES, -(-len(after) // MARKS_MAX))
        require(len(nodes) == HASH_SIZE * max(0, 2 * len(after) - 1), "a tree has all its nodes")
        was, now = frozenset(before), frozenset(after)
        try:
            with closing(self._open()) as file, file:
                file.execute("BEGIN IMMEDIATE")
                file.executemany(
                    "UPDATE leaf SET gone = ? WHERE hash = ?",
                    ((epoch, one) for one in before if one not in now),
                )
                # Totals never fall, so no leaf returns; did one, older proofs would only be slower.
                file.executemany(
                    "INSERT OR REPLACE INTO leaf VALUES (?, ?, NULL)",
                    ((one, epoch) for one in after if one not in was),
                )
                top, marks = nodes[: HASH_SIZE * TOP_NODES], b"".join(after[::step])
                root = nodes[:HASH_SIZE] or bytes(HASH_SIZE)
                file.execute(
                    "INSERT INTO tree VALUES (?, ?, ?, ?, ?, ?)",
                    (epoch, root, len(after), step, top, marks),
                )
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path} cannot be written now ({error})") from error

    def clear(self) -> None:
        """Forget everything, so that it can be written anew."""
        for suffix in _FILES:
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = NORMAL")
            file.executescript(_TABLES)
            file.execute(f"PRAGMA user_version = {FORMAT}")
        except BaseException:
            file.close()
            raise
        return file

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Open for reading; raise sqlite3.Error where there is nothing of this format."""
        place = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, timeout=BUSY_TIMEOUT_S, uri=True)) as file:
            (found,) = file.execute("PRAGMA user_version").fetchone()
            if found != FORMAT:
                raise sqlite3.DatabaseError("it has another format")
            file.execute("BEGIN")  # one state of the file for all that follows
            yield file


def _kept(file: sqlite3.Connection, epoch: int, root: bytes) -> Kept | None:
    row = file.execute(
        "SELECT leaves, step, top, marks FROM tree WHERE epoch = ? AND root = ?", (epoch, root)
    ).fetchone()
    if row is None:
        return None
    leaves, step, top, marks = row
    if step < 1 or -(-leaves // step) * HASH_SIZE != len(marks):
        return None  # damaged: the tree could be of any size
    return Kept(
        epoch=epoch,
        root=root,
        leaves=leaves,
        step=step,
        top=top,
        marks=tuple(marks[at : at + HASH_SIZE] for at in range(0, len(marks), HASH_SIZE)),
    )


class _Around:
    """One tree as far as one proof needs it: what is kept of it, and the leaves read so far.

    In OpenZeppelin's array node i has children 2i+1 and 2i+2, and the leaf of rank r, counted from
    the smallest, is node 2n-2-r of a tree of n leaves.
    """

    def __init__(self, file: sqlite3.Connection, kept: Kept) -> None:
        self._file = file
        self._kept = kept
        self._blocks: dict[int, list[bytes]] = {}

    def proof(self, leaf: bytes) -> tuple[bytes, ...] | None:
        """Return a leaf's siblings, None where they do not lead to the root."""
        number = bisect_right(self._kept.marks, leaf) - 1
        block = self._block(number) if number >= 0 else []
        if leaf not in block:
            return None
        at = 2 * self._kept.leaves - 2 - (number * self._kept.step + block.index(leaf))
        node, found = leaf, []
        while at > 0:
            found.append(self._node(at + 1 if at % 2 else at - 1))
            node = parent(node, found[-1])
            at = (at - 1) // 2
        return tuple(found) if node == self._kept.root else None

    def _node(self, at: int) -> bytes:
        if (at + 1) * HASH_SIZE <= len(self._kept.top):
            return self._kept.top[at * HASH_SIZE : (at + 1) * HASH_SIZE]
        if at < self._kept.leaves - 1:
            return parent(self._node(2 * at + 1), self._node(2 * at + 2))
        number, place = divmod(2 * self._kept.leaves - 2 - at, self._kept.step)
        return self._block(number)[place]

    def _block(self, number: int) -> list[bytes]:
        """Return the leaves from one mark to the next, sorted."""
        if number not in self._blocks:
            epoch, marks = self._kept.epoch, self._kept.marks
            end = marks[number + 1] if number + 1 < len(marks) else b"\xff" * (HASH_SIZE + 1)
            rows = self._file.execute(
                "SELECT hash FROM leaf WHERE hash >= ? AND hash < ? AND born <= ?"
                " AND (gone IS NULL OR gone > ?) ORDER BY hash",
                (marks[number], end, epoch, epoch),
            )
            self._blocks[number] = [bytes(row[0]) for row in rows]
        return self._blocks[number]


def parent(left: bytes, right: bytes) -> bytes:
    """Return the node above two nodes of a payout tree (docs/spec/payout-tree.md)."""
    return keccak256(left + right if left < right else right + left)
