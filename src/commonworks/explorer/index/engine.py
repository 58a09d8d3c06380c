"""Opening the index: a SQLite file by its path, or another database by its URL.

Goal: whoever opens an index gets the schema of this release, or one clear error.
Rule: a file that is damaged, or that a newer release wrote, is never mended here: the index is
derived, so it is made again (`commonworks index rebuild`).
Invariant: a connection never outlives its file: one that was replaced or deleted is found out
before the next use.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DatabaseError, DisconnectionError, OperationalError
from sqlalchemy.pool import QueuePool

from commonworks.errors import Conflict, Corrupt, NotFound, Unavailable

BUSY_TIMEOUT_S: Final = 10
"""How long a writer waits for another one."""

CONNECTIONS_KEPT: Final = 8
CONNECTIONS_MORE: Final = 56
"""Beyond those kept; together more than a server has threads."""

CACHE_KIB: Final = 16_384
"""Pages in memory, for each connection."""

REBUILD: Final = "make it again: commonworks index rebuild"

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_PASSING: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
)
"""Primary codes of SQLite that say nothing about the file."""


def open_index(place: str | os.PathLike[str], *, read_only: bool = False) -> Engine:
    """Return the index in a file or behind a URL, with the schema of this release.

    An absent or older one is made or migrated, unless it is opened for reading only.
    Raises: NotFound where there is none to read; Conflict when a newer release wrote it; Corrupt
    when it is no index or damaged; Unavailable when it cannot be opened now.
    """
    text = os.fspath(place)
    engine = create_engine(text) if "://" in text else _sqlite(Path(text), read_only=read_only)
    try:
        with database_errors(text):
            if read_only:
                with engine.connect() as connection:
                    _require_head(connection, text)
            else:
                with engine.begin() as connection:
                    _migrate(connection, text)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def database_errors(place: object = "the index") -> Iterator[None]:
    """Turn what the database says into the house's errors."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        raise _in_house(place, error) from error


def _in_house(place: object, error: Exception) -> Unavailable | Corrupt:
    said = getattr(error, "orig", error)
    if not isinstance(said, sqlite3.Error):
        passing = isinstance(error, OperationalError)
    else:
        passing = getattr(said, "sqlite_errorcode", 0) & 0xFF in _PASSING
    if passing:
        return Unavailable(f"{place} cannot be used now ({said})", hint="make room, or try again")
    return Corrupt(f"{place} is damaged ({said})", hint=REBUILD)


# --- schema ---------------------------------------------------------------------------------------


def migrations(connection: Connection) -> Config:
    """Return Alembic's configuration over an open connection; no file is needed."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _require_head(connection: Connection, place: str) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current != ScriptDirectory(str(_MIGRATIONS)).get_current_head():
        raise Conflict(f"{place} has the schema of another release", hint=REBUILD)


def _migrate(connection: Connection, place: str) -> None:
    """Bring the schema to that of this release, in the connection's transaction."""
    scripts = ScriptDirectory(str(_MIGRATIONS))
    current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    if current is not None and current not in {item.revision for item in scripts.walk_revisions()}:
        raise Conflict(f"another release wrote {place}", hint=REBUILD)
    if current is None and inspect(connection).get_table_names():
        raise Corrupt(f"{place} is no index", hint=REBUILD)
    command.upgrade(migrations(connection), "head")


# --- SQLite ---------------------------------------------------------------------------------------


def _sqlite(path: Path, *, read_only: bool) -> Engine:
    """Return an engine over a file; transactions begin when SQLAlchemy says so."""
    if not read_only:
        _create(path)

    def connect() -> sqlite3.Connection:
        return _connect(path, read_only=read_only)

    engine = create_engine(
        f"sqlite:///{path}",
        creator=connect,
        poolclass=QueuePool,
        pool_size=CONNECTIONS_KEPT,
        max_overflow=CONNECTIONS_MORE,
    )
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def remember(_connection: sqlite3.Connection, record: Any) -> None:
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def same_file(_connection: sqlite3.Connection, record: Any, _proxy: Any) -> None:
        if record.info.get("file") != _identity(path):
            raise DisconnectionError("the index was replaced")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _create(path: Path) -> None:
    """Make the file where there is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise Unavailable(
            f"cannot write {path}: {error.strerror}",
            hint="make room there, or check the folder's rights",
        ) from error


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open a file that is there; a reader's connection can change nothing."""
    if not path.is_file():
        raise NotFound(f"no index in {path}", hint=REBUILD)
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_S,
        )
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the newest steps: they are folded again, their cursors went too.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.DatabaseError as error:
        raise _in_house(path, error) from error
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
