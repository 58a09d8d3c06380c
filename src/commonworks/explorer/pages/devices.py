"""Pages of the slice devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from commonworks.explorer.models.devices import EpochReports, Quality
from commonworks.explorer.models.statements import Standing
from commonworks.explorer.pages.fields import Text, address_field, text_field
from commonworks.explorer.queries import activity, device_lists, devices, statements
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import Number
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery
from commonworks.explorer.web.templating import number, render
from commonworks.units import PPM

router = APIRouter()

RECENT = 10
"""Items of each list on a device's page."""


@router.get("/devices")
def devices_page(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    resource: Text = "",
    owner: Text = "",
    reference: Text = "",
    rejections: Text = "",
    cell: Text = "",
    cursor: CursorQuery = None,
) -> Response:
    """Show enrolled devices, the newest first. Fields of the form may be empty."""
    given = {
        "resource": resource,
        "owner": owner,
        "reference": reference,
        "rejections": rejections,
        "cell": cell,
    }
    page = devices.list_devices(
        connection,
        site,
        limit=LIMIT_DEFAULT,
        cursor=cursor,
        resource=text_field(resource),
        owner=address_field(owner),
        reference=_flag(reference),
        rejections=_flag(rejections),
        cell=text_field(cell.lower()),
    )
    return render(
        request,
        "devices/devices.html",
        page=page,
        kept=given,
        filtered=any(given.values()),
        first=cursor is None,
    )


def _flag(text: str) -> bool | None:
    match text.strip():
        case "yes" | "true" | "1":
            return True
        case "no" | "false" | "0":
            return False
        case _:
            return None


@router.get("/devices/{device}")
def device_page(
    request: Request,
    device: Number,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    spans: CursorQuery = None,
    payments: CursorQuery = None,
) -> Response:
    """Show a device: how it stands, what its owner should do, and what that follows from."""
    found = devices.get_device(connection, site, viewer, device)
    rejected = statements.Wanted(device=device, outcome=Standing.REJECTED)
    return render(
        request,
        "devices/device.html",
        device=found,
        reports=_reports_chart(found.history),
        quality=_quality_chart(found.quality),
        spans=device_lists.spans_of(connection, site, viewer, device, limit=RECENT, cursor=spans),
        payments=device_lists.payments_of(
            connection, site, viewer, device, limit=RECENT, cursor=payments
        ),
        rejected=statements.list_statements(connection, site, rejected, limit=RECENT),
        recent=statements.list_statements(
            connection, site, statements.Wanted(device=device), limit=RECENT
        ),
        diary=activity.diary(connection, site, activity.Wanted(device=device), limit=RECENT),
    )


def _epoch(one: int) -> str:
    return gettext("Epoch %(epoch)s", epoch=number(one))


def _reports_chart(history: Sequence[EpochReports]) -> dict[str, Any] | None:
    """Return statements by epoch as a chart; None without any."""
    if not history:
        return None
    return {
        "kind": "bars",
        "names": [_epoch(one.epoch) for one in history],
        "series": [
            {
                "label": gettext("Accepted"),
                "values": [one.accepted for one in history],
                "unit": gettext("statements"),
                "digits": 0,
                "tone": 1,
                "stack": True,
            },
            {
                "label": gettext("Rejected"),
                "values": [one.rejected for one in history],
                "unit": gettext("statements"),
                "digits": 0,
                "tone": 2,
                "stack": True,
            },
        ],
    }


def _quality_chart(quality: Sequence[Quality]) -> dict[str, Any] | None:
    """Return quality and density by epoch as a chart, in percent; None without any."""
    if not quality:
        return None
    return {
        "kind": "bars",
        "names": [_epoch(one.epoch) for one in quality],
        "series": [
            {
                "label": gettext("Quality"),
                "values": [one.quality_ppm * 100 / PPM for one in quality],
                "unit": "%",
                "digits": 1,
            },
            {
                "label": gettext("Density"),
                "values": [one.density_ppm * 100 / PPM for one in quality],
                "unit": "%",
                "digits": 1,
            },
        ],
    }
