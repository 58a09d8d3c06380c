"""Exact counts that many pages show and that change only when the index does.

Rule: a figure is kept under the state of the index that it was counted in, and read again when the
index has moved. So it is never wrong, and counting a million rows is paid for once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, func, select

from commonworks.explorer.index.schema import cursor

ENTRIES_MAX: Final = 512
"""Figures that are kept; the one unused for longest goes first."""

T = TypeVar("T")

Mark = tuple[int, int, int]


def index_mark(connection: Connection) -> Mark:
    """Return what tells one state of the index from another: its cursors' number, sum, maximum.

    Cursors only ever move forward, so their sum is the same only where all of them are.
    """
    columns = (func.count(), func.sum(cursor.c.value), func.max(cursor.c.value))
    count, total, largest = connection.execute(select(*columns)).one()
    return int(count), int(total or 0), int(largest or 0)


class Counts:
    """Figures of the newest state of the index, by name. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Mark, Any]] = OrderedDict()

    def of(self, connection: Connection, name: Hashable, count: Callable[[Connection], T]) -> T:
        """Return a figure: as it was counted in this state of the index, or counted now.

        Inputs: `name` says what is counted, its arguments included; `count` reads nothing but
        this connection. Two threads may count the same at once: both get the same.
        """
        mark = index_mark(connection)
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and kept[0] == mark:
                self._kept.move_to_end(name)
                return cast(T, kept[1])
        found = count(connection)
        with self._lock:
            self._kept[name] = (mark, found)
            self._kept.move_to_end(name)
            while len(self._kept) > ENTRIES_MAX:
                self._kept.popitem(last=False)
        return found
