"""The page of a search."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from commonworks.explorer.queries.search import QUERY_MAX, search
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.templating import render

router = APIRouter()


@router.get("/search")
def search_page(
    request: Request, site: SiteDep, connection: ConnDep, q: Annotated[str, Query()] = ""
) -> Response:
    """Show what was found, or go to the only thing that it can be."""
    found = search(connection, site, q)
    if found.certain is not None:
        return RedirectResponse(found.certain, 303)
    return render(request, "search/search.html", found=found, too_long=len(q) > QUERY_MAX)
