"""Pages about governed parameters; part of the slice governance."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from commonworks.explorer.models.parameters import ParameterBrief, ParameterChange, ParameterView
from commonworks.explorer.queries import parameters
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery
from commonworks.explorer.web.templating import render

router: Final = APIRouter()


@router.get("/parameters")
def list_parameters(request: Request, site: SiteDep, connection: ConnDep) -> Response:
    """Show every parameter as it is now."""
    page = parameters.parameters(connection, site, parameters.PARAMETERS_MAX, None)
    groups: dict[str | None, list[ParameterBrief]] = {None: []}
    for item in page.items:
        groups.setdefault(item.resource, []).append(item)
    return render(
        request,
        "governance/parameters.html",
        groups=groups,
        epoch=parameters.epoch_now(site),
        more=page.next is not None,
    )


@router.get("/parameters/{key:path}")
def one_parameter(
    request: Request, site: SiteDep, connection: ConnDep, key: str, cursor: CursorQuery = None
) -> Response:
    """Show one parameter with its history."""
    view = parameters.parameter(connection, site, key, LIMIT_DEFAULT, cursor)
    item = view.parameter
    return render(
        request,
        "governance/parameter.html",
        view=view,
        item=item,
        on_chain=item.value and parameters.chain_text(site, item.unit, int(item.value.value)),
        chart=chart_of(site, view),
    )


def chart_of(site: Site, view: ParameterView) -> dict[str, Any] | None:
    """Return a parameter's past values as a chart; None where one value or no number is to show."""
    changes, unit = list(reversed(view.history.items)), view.parameter.unit
    if len(changes) < 2 or unit in parameters.ANY:
        return None
    decimals, shown = parameters.scale_of(site, unit)
    at, values = _stairs(site, changes, view.epoch)
    return {
        "kind": "line",
        "at": at,
        "series": [
            {
                "label": view.parameter.key,
                "values": [str(Decimal(value).scaleb(-decimals)) for value in values],
                "unit": shown,
                "digits": min(decimals, 6),
            }
        ],
        "summary": gettext(
            "%(key)s went from %(old)s to %(new)s.",
            key=view.parameter.key,
            old=changes[0].value.text,
            new=changes[-1].value.text,
        ),
    }


def _stairs(site: Site, changes: list[ParameterChange], epoch: int) -> tuple[list[int], list[int]]:
    """Return moments and values of a line that jumps where an epoch opens."""
    at: list[int] = []
    values: list[int] = []
    for change in changes:
        opens = site.network.epoch_start(change.from_epoch)
        if values and opens > at[-1]:
            at.append(opens)
            values.append(values[-1])
        at.append(max(opens, at[-1] if at else opens))
        values.append(int(change.value.value))
    end = site.network.epoch_start(epoch + 1)
    if end > at[-1]:
        at.append(end)
        values.append(values[-1])
    return at, values
