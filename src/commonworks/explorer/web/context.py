"""What a handler is given: the site, a reading connection, who signed in, which language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from commonworks.errors import CommonworksError, Unavailable
from commonworks.explorer.sessions import viewer_of
from commonworks.explorer.site import Site


def site_of(request: Request) -> Site:
    """Return the site that a request is for."""
    site: Site = request.app.state.site
    return site


def unreadable(error: DBAPIError) -> CommonworksError:
    """Return the house's error for an index that cannot be read."""
    return Unavailable(
        f"the explorer's index cannot be read: {error.orig}",
        hint="try again; if it stays so: commonworks index rebuild",
    )


def connection_of(site: Annotated[Site, Depends(site_of)]) -> Iterator[Connection]:
    """Yield a connection to the index; everything read through it is of one moment."""
    try:
        with site.engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise unreadable(error) from error


def viewer(request: Request, site: Annotated[Site, Depends(site_of)]) -> bytes | None:
    """Return the account that signed in with its wallet, or None."""
    return viewer_of(site, request)


SiteDep = Annotated[Site, Depends(site_of)]
ConnDep = Annotated[Connection, Depends(connection_of)]
ViewerDep = Annotated[bytes | None, Depends(viewer)]
