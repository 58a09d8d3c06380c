"""Pages of the slice join: from nothing to a first verified report, without a script too."""

from __future__ import annotations

import io
from typing import Annotated
from urllib.parse import urlencode

import segno
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from commonworks.errors import InvalidInput
from commonworks.explorer import cells
from commonworks.explorer.api.join import CellQuery, DeviceQuery, ResourceQuery
from commonworks.explorer.pages.alerts import form
from commonworks.explorer.queries import join as queries
from commonworks.explorer.queries import parameters
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import hash_bytes
from commonworks.explorer.web.templating import render

router = APIRouter()

REFRESH_S = 10
"""How often the page of a waiting device is read again without a script."""
QR_MODULE = 4
KEY_TEXT_MAX = 200


def base_of(site: Site, request: Request) -> str:
    """Return the explorer's address: the public one, else the one that was asked."""
    public = "" if site.alerts is None else site.alerts.public_url
    here = str(request.base_url).rstrip("/")
    loopback = request.url.hostname in ("127.0.0.1", "localhost", "::1")
    return here if loopback or not public else public


def finest_now(site: SiteDep, connection: ConnDep) -> int:
    """Return the finest H3 resolution that a device may give now."""
    return parameters.map_resolution(connection, site)


@router.get("/join")
def join(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    resource: ResourceQuery = None,
    cell: CellQuery = None,
    device: DeviceQuery = None,
    trouble: Annotated[str | None, Query(max_length=40)] = None,
) -> HTMLResponse:
    """Show the steps, as far as they were taken."""
    chosen = queries.choice(connection, site, resource, cell, device)
    url = queries.configuration_url(base_of(site, request), chosen)
    known = queries.resources(connection, site).items
    return render(
        request,
        "join/join.html",
        known=known,
        chosen=chosen,
        resource=next((one for one in known if one.name == chosen.resource), None),
        placed=cell is not None,
        place=queries.cell_shown(chosen.cell),
        fineness=queries.fineness(connection, site),
        url=url,
        commands=queries.commands(site, chosen, url) if chosen.resource else (),
        reach=queries.reach(site),
        program=queries.program(site),
        trouble=gettext("That is no place: write degrees, for example 48.2 and 16.37.")
        if trouble == "place"
        else "",
    )


@router.post("/join/place")
async def place(request: Request, finest: Annotated[int, Depends(finest_now)]) -> Response:
    """Turn a place into its coarse cell, keep nothing of it, and go on."""
    given = await form(request)

    def text(name: str) -> str:
        return given.get(name, [""])[0].strip().replace(",", ".")[:40]

    resource = given.get("resource", [""])[0][:31]
    try:
        cell = cells.cell_at(float(text("latitude")), float(text("longitude")), finest)
    except (ValueError, InvalidInput):
        query = urlencode({"resource": resource, "trouble": "place"})
        return RedirectResponse(f"/join?{query}#place", 303)
    query = urlencode({"resource": resource, "cell": cell})
    return RedirectResponse(f"/join?{query}#configure", 303)


@router.get("/join/qr.svg")
def qr(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    resource: ResourceQuery = None,
    cell: CellQuery = None,
    device: DeviceQuery = None,
) -> Response:
    """Draw the configuration's address as a QR code."""
    chosen = queries.choice(connection, site, resource, cell, device)
    drawn = io.BytesIO()
    code = segno.make_qr(queries.configuration_url(base_of(site, request), chosen), error="m")
    code.save(drawn, kind="svg", scale=QR_MODULE, border=4, dark="#000", light="#fff")
    return Response(drawn.getvalue(), media_type="image/svg+xml")


@router.get("/join/progress")
def progress(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    thumbprint: Annotated[str, Query(max_length=KEY_TEXT_MAX)] = "",
) -> HTMLResponse:
    """Show how far a device is, and again as it goes on."""
    try:
        key = hash_bytes(thumbprint.strip())
    except InvalidInput:
        raise InvalidInput(
            gettext("That is no thumbprint: it has 64 hexadecimal digits."),
            hint=gettext("`device new` prints it, `device show` prints it again."),
        ) from None
    found = queries.progress(connection, site, key)
    return render(
        request,
        "join/progress.html",
        found=found,
        refresh_s=None if found.verified else REFRESH_S,
    )
