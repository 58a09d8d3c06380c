"""The overview: the first page."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from commonworks.explorer.queries import activity, network
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.templating import render

router = APIRouter()

EVENTS_SHOWN: Final = 10
CELLS_SHOWN: Final = 12
"""Cells in the table beside the map; the rest is in the answer of the API."""
CLOCKS_APART_S: Final = 90
"""Network time further from the wall clock than this is worth a word."""


@router.get("/")
def overview_page(request: Request, site: SiteDep, connection: ConnDep) -> Response:
    """Show what the network is and what happens in it."""
    shown = network.network(connection, site)
    places = network.device_map(connection, site, limit=network.PICTURE_CELLS_MAX)
    return render(
        request,
        "network/overview.html",
        clock_differs=abs(shown.wall_time - shown.now) > CLOCKS_APART_S,
        net=shown,
        events=activity.diary(connection, site, limit=EVENTS_SHOWN).items,
        places=places,
        picture=network.picture(places),
        cells=network.heaviest(places, CELLS_SHOWN),
    )
