"""Writing rows: cursors, bulk inserts, and a table's rows that events change one after another.

Everything here is portable SQL: no upsert, no dialect's own words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, select, update

from commonworks.errors import Conflict
from commonworks.explorer.index.schema import cursor
from commonworks.units import INT63_MAX

BLOCK: Final = "block"
"""Cursor: the last block folded."""
SETTLED: Final = "settled"
"""Cursor: how many epochs' settlements were folded."""
STOPS: Final = "stops"
"""Cursor: the last block read again for what stops money; only in an index begun without it."""
LOG: Final = "log:"
"""Cursors of logs begin with this: entries folded of one."""

IN_MAX: Final = 500
"""Most values in one IN (...)."""

T = TypeVar("T")


class Moved(Conflict):
    """The index is not where the writer read it: it was made anew meanwhile."""


Row = dict[str, Any]


def cursor_value(connection: Connection, name: str) -> int | None:
    """Return where a cursor stands, None where it is not yet."""
    found = connection.execute(select(cursor.c.value).where(cursor.c.name == name)).scalar()
    return None if found is None else int(found)


def move_cursor(connection: Connection, name: str, value: int) -> None:
    """Put a cursor where it belongs, in the transaction of the rows that it covers."""
    moved = connection.execute(update(cursor).where(cursor.c.name == name).values(value=value))
    if moved.rowcount == 0:
        connection.execute(insert(cursor).values(name=name, value=value))


def drop_cursor(connection: Connection, name: str) -> None:
    """Take a cursor away that has done its work."""
    connection.execute(delete(cursor).where(cursor.c.name == name))


def log_cursors(connection: Connection) -> dict[bytes, int]:
    """Return the logs that are read, and how many entries of each were folded, by log id."""
    found = connection.execute(select(cursor).where(cursor.c.name.startswith(LOG))).all()
    return {bytes.fromhex(name.removeprefix(LOG)): value for name, value in sorted(found)}


def add(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, many at once; each has every column."""
    if rows:
        connection.execute(insert(table), list(rows))


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield values in portions that fit one IN (...)."""
    for at in range(0, len(values), IN_MAX):
        yield values[at : at + IN_MAX]


class Rows:
    """Some rows of one table, changed in memory and written back together."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._keys = tuple(column.name for column in table.primary_key.columns)
        self._rows: dict[tuple[Any, ...], Row | None] = {}
        self._nothing = dict.fromkeys(column.name for column in table.columns)

    def get(self, *key: Any) -> Row | None:
        """Return a row as it is by now, to be changed with `put`."""
        if key not in self._rows:
            matches = (
                self._table.c[name] == value for name, value in zip(self._keys, key, strict=True)
            )
            found = self._connection.execute(select(self._table).where(and_(*matches))).first()
            self._rows[key] = None if found is None else dict(found._mapping)
        row = self._rows[key]
        return None if row is None else dict(row)

    def put(self, **row: Any) -> None:
        """Make a row what it is from now on; columns not named are NULL."""
        self._rows[tuple(row[name] for name in self._keys)] = {**self._nothing, **row}

    def drop(self, *key: Any) -> None:
        """Take a row away."""
        self._rows[key] = None

    def write(self) -> None:
        """Write everything back."""
        if not self._rows:
            return
        same = (self._table.c[name] == bindparam(f"k_{name}") for name in self._keys)
        keys = [{f"k_{n}": v for n, v in zip(self._keys, key, strict=True)} for key in self._rows]
        self._connection.execute(delete(self._table).where(and_(*same)), keys)
        add(self._connection, self._table, [row for row in self._rows.values() if row is not None])
        self._rows.clear()


# --- values ---------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Return text that every database keeps: no NUL and no half of a surrogate pair."""
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def fitting(value: int | None) -> int | None:
    """Return an integer that fits a column, None for one beyond 63 bits."""
    return value if value is not None and -INT63_MAX <= value <= INT63_MAX else None


def clamped(value: int) -> int:
    """Return the nearest integer that fits a column."""
    return max(-INT63_MAX, min(INT63_MAX, value))


def plain(value: object) -> Any:
    """Return a value as JSON has it: bytes as 0x..., records as objects."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, str):
        return clean(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def to_json(value: object) -> str:
    """Return a value as JSON text, keys sorted; integers of any size stay integers."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"))
