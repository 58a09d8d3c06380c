"""Payout trees made before anybody asks: the newest one in memory, each in its turn in the book."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from commonworks.errors import Corrupt
from commonworks.explorer.index.schema import epoch
from commonworks.explorer.leafbook import LeafBook
from commonworks.explorer.proofs import PayoutTrees, another_root, grown
from commonworks.explorer.queries.proofs import leaf_changes, payout_tree

NEAR: Final = 2
"""Trees that the book may lack and still have the newest sooner than one made of all leaves."""

_SETTLED: Final = select(epoch.c.epoch, epoch.c.payout_root).where(epoch.c.statements.is_not(None))


def build_newest_tree(connection: Connection, trees: PayoutTrees) -> None:
    """Build the payout tree of the newest settled epoch, so that nobody waits for it.

    Not where the book has it, or lacks so little that it has it soon.
    """
    row = connection.execute(_SETTLED.order_by(epoch.c.epoch.desc()).limit(1)).first()
    if row is None:
        return
    last = None if trees.book is None else trees.book.last()
    if last is None or last[0] < row.epoch - NEAR or _root(connection, last[0]) != last[1]:
        payout_tree(connection, trees, row.epoch, row.payout_root)


def write_next_tree(connection: Connection, book: LeafBook) -> bool:
    """Add to the book the oldest settled epoch's tree that it lacks; tell whether there was one.

    A book that does not go with this index, or cannot be read, begins anew; one that is ahead of
    an index that is being filled waits for it.
    Raises: Corrupt when the index's leaves do not give the root; Unavailable where the book cannot
    be written.
    """
    last = book.last()
    if last is None or _root(connection, last[0]) not in (None, last[1]):
        book.clear()
        last = None
    known = -1 if last is None else last[0]
    following = _SETTLED.where(epoch.c.epoch > known).order_by(epoch.c.epoch).limit(1)
    row = connection.execute(following).first()
    if row is None:
        return False
    try:
        before = [] if last is None else book.leaves()
    except Corrupt:
        book.clear()
        return True
    tree = grown(before, leaf_changes(connection, known, row.epoch))
    if tree.root != row.payout_root:
        raise another_root(row.epoch)
    book.add(row.epoch, tree.nodes, before, tree.leaves())
    return True


def _root(connection: Connection, number: int) -> bytes | None:
    """Return the payout root of a settled epoch, None where the index has none yet."""
    row = connection.execute(_SETTLED.where(epoch.c.epoch == number)).first()
    return None if row is None else row.payout_root
