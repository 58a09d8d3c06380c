"""The page of a resource: an epoch in pictures, tables and reasons, and its totals over time."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from commonworks.errors import NotFound
from commonworks.explorer.api.resources import Name
from commonworks.explorer.models.resources import Chart, ResourceSeries
from commonworks.explorer.queries import resources as queries
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.queries.tables import series_chart
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import NUMBER_MAX
from commonworks.explorer.web.templating import render
from commonworks.resources.base import Visibility

router = APIRouter()

SERIES_EPOCHS: Final = 120
"""Epochs of a total that the page draws."""

ENOUGH_POINTS: Final = 2
"""Fewest epochs that a chart over time is drawn of."""


@router.get("/resources")
def resources_page(site: SiteDep) -> Response:
    """Lead to the first resource: each stands in the navigation."""
    for name in sorted(site.resources):
        return RedirectResponse(f"/resources/{name}", 307)
    raise NotFound(gettext("this network carries no resource"))


@router.get("/resources/{name}")
def resource_page(
    request: Request,
    connection: ConnDep,
    site: SiteDep,
    viewer: ViewerDep,
    name: Name,
    epoch: Annotated[int | None, Query(ge=0, le=NUMBER_MAX)] = None,
    figure: Annotated[str | None, Query(max_length=80)] = None,
) -> HTMLResponse:
    """Show a resource, in its newest settled epoch unless asked for another."""
    detail = queries.describe(connection, site, name)
    newest = queries.newest_epoch(connection)
    number = newest if epoch is None else epoch
    if number is None:
        return render(
            request, "resources/empty.html", detail=detail, commands=_commands(site, None)
        )
    shown = queries.epoch_of(connection, site, name, number, viewer)
    series = None
    followed = figure or next((one.column.key for one in shown.figures), None)
    if followed is not None:
        series = queries.series_of(connection, site, name, followed, SERIES_EPOCHS)
    tables = {table.name: table for table in (*shown.own, *shown.tables)}
    return render(
        request,
        "resources/resource.html",
        detail=detail,
        shown=shown,
        newest=newest,
        tables=tables,
        devices={one.device: one for one in shown.devices},
        accounts={one.address.lower(): one for one in shown.accounts},
        codes={one.code: one.words for one in shown.codes},
        series=series,
        over_time=_over_time(series, number),
        private=shown.visibility is Visibility.MEMBERS,
        commands=_commands(site, number),
    )


def _commands(site: Site, epoch: int | None) -> dict[str, str]:
    """Return what a reader copies: how to buy, and the epoch on the command line."""
    commands = {
        "deposit": command_line(site, "deposit", "50", "--account", "ACCOUNT"),
        "limit": command_line(site, "limit", "DEVICE", "5", "--account", "ACCOUNT"),
    }
    if epoch is not None:
        commands["show"] = command_line(site, "epoch", "show", str(epoch))
    return commands


def _over_time(series: ResourceSeries | None, number: int) -> Chart | None:
    """Draw a total over time, where there is more than one epoch to compare."""
    if series is None or len(series.points) < ENOUGH_POINTS:
        return None
    return series_chart(series, number)
