"""The page where members sign in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from commonworks.explorer.models.session import SessionState
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.sessions import session_of
from commonworks.explorer.web.context import SiteDep
from commonworks.explorer.web.model import party
from commonworks.explorer.web.templating import render

router = APIRouter()


@router.get("/session")
def session_page(
    request: Request,
    site: SiteDep,
    next_: Annotated[str, Query(alias="next", max_length=500)] = "",
) -> Response:
    """Show who signed in, or how to."""
    session = session_of(site, request)
    state = SessionState(
        account=None if session is None else party(site, session.account),
        expires_at=None if session is None else session.expires_at,
    )
    page = render(
        request,
        "session/session.html",
        state=state,
        next=next_ if _is_local(next_) else "",
        command=command_line(site, "token", "balance", "ACCOUNT"),
    )
    page.headers["cache-control"] = "no-store"
    return page


def _is_local(path: str) -> bool:
    """Tell whether a path stays on this site whatever a browser makes of it."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
