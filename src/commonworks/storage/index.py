"""Where each statement lies in a log: a SQLite table that can be rebuilt from the log.

Goal: a duplicate is found in microseconds, whatever the log's size.
Rule: nothing here is evidence. The table is written without fsync and thrown away whenever it is
in doubt: unreadable, not counting what it says, or left open when the machine (not only the
process) went down. Whoever opens it then fills it again from the log.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from commonworks.errors import Unavailable, require

SCHEMA_VERSION: Final = 1
BOOT_ID_PATH: Final = "/proc/sys/kernel/random/boot_id"
"""A name for this run of the machine; where there is none, an unclean end always means rebuild."""

_SCHEMA: Final = """
CREATE TABLE entry (identity BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class SqliteIndex:
    """Identity -> position in one log. One writer; every call is short and blocks."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the index at `path`; an absent or doubtful one becomes empty."""
        self._path = os.fspath(path)
        self._size = 0
        os.makedirs(os.path.dirname(os.path.abspath(self._path)), mode=0o700, exist_ok=True)
        connection = self._trusted()
        self._connection = connection if connection is not None else self._new()

    @property
    def size(self) -> int:
        """Number of entries indexed: positions 0..size-1."""
        return self._size

    def find(self, identities: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the positions of those identities that are logged.

        Raises Unavailable when the table turns out to be unreadable; it is empty from then on.
        """
        found: dict[bytes, int] = {}
        try:
            for identity in identities:
                row = self._connection.execute(
                    "SELECT position FROM entry WHERE identity = ?", (identity,)
                ).fetchone()
                if row is not None:
                    found[identity] = row[0]
        except sqlite3.DatabaseError as error:
            raise self._doubted(error) from error
        return found

    def append(self, first: int, identities: Sequence[bytes]) -> None:
        """Record that `identities` are the entries from position `first` = `size` on.

        All or nothing for a killed process; not durable against a power cut. Raises as `find`.
        """
        require(first == self._size, "an index grows without gaps")
        rows = [(identity, first + n) for n, identity in enumerate(identities)]
        try:
            with self._connection:
                self._connection.execute("BEGIN")
                self._connection.executemany("INSERT INTO entry VALUES (?, ?)", rows)
                self._set("size", str(first + len(rows)))
        except sqlite3.DatabaseError as error:
            raise self._doubted(error) from error
        self._size = first + len(rows)

    def reset(self) -> None:
        """Forget everything."""
        self._connection.close()
        self._connection = self._new()

    def close(self) -> None:
        """Close it so that the next start may trust it."""
        with contextlib.suppress(sqlite3.DatabaseError):
            self._connection.execute("PRAGMA synchronous = FULL")
            self._set("open_since_boot", "")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _trusted(self) -> sqlite3.Connection | None:
        """Return a connection to the index that is there, or None where it cannot be trusted."""
        if not os.path.exists(self._path):
            return None
        try:
            connection = self._connect()
            meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            (count,) = connection.execute("SELECT count(*) FROM entry").fetchone()
            left_open = meta["open_since_boot"]
            whole = meta["version"] == str(SCHEMA_VERSION) and meta["size"] == str(count)
            if not whole or (left_open and left_open != _boot_id()):
                connection.close()
                return None
            self._connection = connection
            self._set("open_since_boot", _boot_id() or "unknown")
        except (sqlite3.DatabaseError, KeyError):
            return None
        self._size = count
        return connection

    def _new(self) -> sqlite3.Connection:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path + suffix)
        self._size = 0
        try:
            self._connection = self._connect()
            self._connection.executescript(_SCHEMA)
            self._set("version", str(SCHEMA_VERSION))
            self._set("size", "0")
            self._set("open_since_boot", _boot_id() or "unknown")
        except sqlite3.DatabaseError as error:
            raise Unavailable(
                f"cannot create the index {self._path}: {error}",
                hint="free some space, or check the folder's permissions",
                path=self._path,
            ) from error
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    def _set(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _doubted(self, error: sqlite3.DatabaseError) -> Unavailable:
        """Start again with an empty index, and say so to whoever asked."""
        self.reset()
        return Unavailable(f"the index {self._path} was unreadable: {error}", hint="try again")


def _boot_id() -> str:
    try:
        with open(BOOT_ID_PATH, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
