"""Making the index of a network anew: beside the old one, and in its place once it is whole."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, func, select

from commonworks.chain.endpoints import Endpoints
from commonworks.errors import Conflict, Unavailable
from commonworks.explorer.index import schema
from commonworks.explorer.index.engine import BUSY_TIMEOUT_S, database_errors, open_index
from commonworks.explorer.index.follow import Follower, Step, Trouble
from commonworks.explorer.index.rows import BLOCK, SETTLED, cursor_value, log_cursors
from commonworks.storage.files import FileStore
from commonworks.wiring.explorer.archive import open_archive
from commonworks.wiring.explorer.council import ChainCouncil
from commonworks.wiring.explorer.site import folder_of, index_of
from commonworks.wiring.session import Session

REBUILDING: Final = "rebuilding"
"""Folder of an index that is not whole yet."""

_FILES: Final = ("", "-wal", "-shm", "-journal")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedLog:
    """How far one log was read."""

    log_id: bytes
    name: str
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStatus:
    """How far an index is, and how large."""

    path: Path
    block: int | None
    """Last block folded."""
    finalised: int
    """Epochs that the chain finalised, as far as it was read."""
    settled: int
    """Epochs whose settlement was folded."""
    logs: tuple[IndexedLog, ...]
    rows: dict[str, int]
    """Rows by table."""
    troubles: tuple[Trouble, ...] = ()
    """What could not be read; following goes on trying."""


async def rebuild(
    session: Session, *, reader: str | None = None, progress: Progress = lambda *_: None
) -> IndexStatus:
    """Make a network's index anew from chain and logs, and put it in the old one's place.

    Settlements are recomputed where their evidence is at hand, else they are what this folder's
    verifier stored; both must hash to what the chain finalised. Cut off, it leaves the old index.
    Raises: Conflict while another process does the same; Unavailable when the chain is away.
    """
    target = index_of(session.home)
    lock = _lock(folder_of(session.home) / REBUILDING)
    try:
        fresh = folder_of(session.home) / REBUILDING / target.name
        _remove(fresh)
        try:
            step = await _fill(session, fresh, reader, progress)
            await asyncio.to_thread(_swap, fresh, target)
        finally:
            _remove(fresh)
    finally:
        lock.close()
    return status_of(target, tuple(step.troubles))


def status_of(path: Path, troubles: tuple[Trouble, ...] = ()) -> IndexStatus:
    """Return how far the index in a file is. Raises: NotFound where there is none."""
    engine = open_index(path, read_only=True)
    try:
        with database_errors(path), engine.connect() as connection:
            return _status(connection, path, troubles)
    finally:
        engine.dispose()


def _status(connection: Connection, path: Path, troubles: tuple[Trouble, ...]) -> IndexStatus:
    names = {
        row.log_id: row.name
        for row in connection.execute(select(schema.gateway.c.log_id, schema.gateway.c.name))
    }
    finalised = select(func.count()).where(schema.epoch.c.digest.is_not(None))
    return IndexStatus(
        path=path,
        block=cursor_value(connection, BLOCK),
        finalised=int(connection.execute(finalised).scalar_one()),
        settled=cursor_value(connection, SETTLED) or 0,
        logs=tuple(
            IndexedLog(log_id=log_id, name=names.get(log_id, ""), entries=entries)
            for log_id, entries in log_cursors(connection).items()
        ),
        rows={
            table.name: int(
                connection.execute(select(func.count()).select_from(table)).scalar_one()
            )
            for table in schema.metadata.sorted_tables
        },
        troubles=troubles,
    )


async def _fill(session: Session, path: Path, reader: str | None, progress: Progress) -> Step:
    """Fill a new index with everything that there is now."""
    engine = await asyncio.to_thread(open_index, path)
    chain = session.client()
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    try:
        async with open_archive(session, reader=reader, recompute=True) as archive:
            follower = Follower(
                engine=engine,
                chain=chain,
                archive=archive,
                council=ChainCouncil(session, endpoints),
                resources=session.resources,
                network=session.network,
                first_block=session.deployment.genesis_block,
                publish=lambda _kind, _data: None,
                progress=progress,
            )
            step = await follower.step()
            if step.head is None:
                raise Unavailable(
                    f"the chain could not be read ({step.troubles[0].error.message})",
                    hint="start it, or try again; the index that was there stays",
                )
            await asyncio.to_thread(_finish, engine)
            return step
    finally:
        engine.dispose()
        await chain.close()
        await endpoints.close()


def _finish(engine: Engine) -> None:
    """Put everything into the one file that is moved."""
    with database_errors():
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()


def _swap(fresh: Path, target: Path) -> None:
    """Put a whole index in the place of the old one, in one transaction of that.

    Whoever has the old one open goes on with the new content. A file that is no database is
    replaced as a file: nobody can have that open.
    """
    if target.exists():
        try:
            with closing(sqlite3.connect(fresh)) as source, closing(_open(target)) as copy:
                source.backup(copy)
            return
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"{target} cannot be written now ({error})",
                hint="stop whoever writes it, or make room; then try again",
            ) from error
        except sqlite3.DatabaseError:
            _remove(target)
    fresh.replace(target)


def _open(target: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(target, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _remove(path: Path) -> None:
    for suffix in _FILES:
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _lock(folder: Path) -> FileStore:
    try:
        return FileStore(folder, exclusive=True)
    except Conflict:
        raise Conflict(
            "another process makes this index anew", hint="wait until it is done"
        ) from None
