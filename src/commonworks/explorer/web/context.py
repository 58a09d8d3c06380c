"""What a handler is given: the site, a reading connection, who signed in, which language."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from commonworks.errors import CommonworksError, Unavailable
from commonworks.explorer.sessions import viewer_of
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext

READ_MAX_S: Final = 20.0
"""Longest time that one request may read the index: less than an answer may take as a whole."""
STEPS: Final = 100_000
"""Steps of SQLite's machine between two looks at the clock."""


def site_of(request: Request) -> Site:
    """Return the site that a request is for."""
    site: Site = request.app.state.site
    return site


def unreadable(error: DBAPIError) -> CommonworksError:
    """Return the house's error for an index that cannot be read."""
    return Unavailable(
        gettext("the explorer's index cannot be read: %(orig)s", orig=error.orig),
        hint=gettext("try again; if it stays so: commonworks index rebuild"),
    )


def connection_of(site: Annotated[Site, Depends(site_of)]) -> Iterator[Connection]:
    """Yield a connection to the index; everything read through it is of one moment."""
    try:
        with site.engine.connect() as connection, _bounded(connection):
            yield connection
    except DBAPIError as error:
        raise unreadable(error) from error


@contextmanager
def _bounded(connection: Connection) -> Iterator[None]:
    """Interrupt what reads for too long: a thread cannot be stopped from outside."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        yield
        return
    ends = time.monotonic() + READ_MAX_S
    raw.set_progress_handler(lambda: time.monotonic() > ends, STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, STEPS)


def viewer(request: Request, site: Annotated[Site, Depends(site_of)]) -> bytes | None:
    """Return the account that signed in with its wallet, or None."""
    return viewer_of(site, request)


SiteDep = Annotated[Site, Depends(site_of)]
ConnDep = Annotated[Connection, Depends(connection_of)]
ViewerDep = Annotated[bytes | None, Depends(viewer)]
