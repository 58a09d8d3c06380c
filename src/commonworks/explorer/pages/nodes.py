"""Pages about gateways and verifiers."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from commonworks.explorer.models.nodes import AnchorView, Duty
from commonworks.explorer.queries import nodes, stops
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.site import Site
from commonworks.explorer.web import plain_text
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import AddressText, HashText, address_bytes, hash_bytes
from commonworks.explorer.web.pagination import CursorQuery
from commonworks.explorer.web.templating import amount, number, render

router: Final = APIRouter()

NODES_SHOWN: Final = 64
"""Most nodes of a kind on the page: as many as can have a voice, or are followed."""
ROWS_SHOWN: Final = 20
MINUTE_S: Final = 60


@router.get("/nodes")
def overview(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    verifiers: CursorQuery = None,
    gateways: CursorQuery = None,
) -> Response:
    """Show gateways and verifiers with what is wrong with them."""
    return _render(
        request,
        "nodes/nodes.html",
        site,
        quorum=nodes.quorum(connection, site),
        verifiers=nodes.verifiers(connection, site, NODES_SHOWN, verifiers),
        gateways=nodes.gateways(connection, site, NODES_SHOWN, gateways),
        guardian=stops.guardian(connection, site),
    )


@router.get("/nodes/verifiers/{address}")
def verifier(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    address: AddressText,
    cursor: CursorQuery = None,
) -> Response:
    """Show one verifier."""
    operator = address_bytes(address)
    view = nodes.verifier(connection, site, operator)
    done = nodes.duties(connection, operator, ROWS_SHOWN, cursor)
    return _render(
        request,
        "nodes/verifier.html",
        site,
        quorum=nodes.quorum(connection, site),
        view=view,
        item=view.verifier,
        duties=done,
        chart=lag_chart(done.items),
        audit=command_line(site, "audit", str(done.items[0].epoch)) if done.items else None,
    )


@router.get("/nodes/gateways/{log_id}")
def gateway(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    log_id: HashText,
    cursor: CursorQuery = None,
) -> Response:
    """Show one gateway and its log."""
    log = hash_bytes(log_id)
    view = nodes.gateway(connection, site, log)
    anchors = nodes.anchors(connection, log, ROWS_SHOWN, cursor)
    return _render(
        request,
        "nodes/gateway.html",
        site,
        quorum=nodes.quorum(connection, site),
        view=view,
        item=view.gateway,
        anchors=anchors,
        chart=growth_chart(anchors.items),
    )


def lag_chart(duties: list[Duty]) -> dict[str, Any] | None:
    """Return how long a verifier took for each epoch, as a chart; None for less than two."""
    rows = list(reversed(duties))
    if len(rows) < 2:
        return None
    confirming = [_minutes(row.ended_at, row.confirmed_at) for row in rows]
    attesting = [_minutes(row.closed_at, row.attested_at) for row in rows]
    unit = gettext("minutes")
    return {
        "kind": "bars",
        "names": [gettext("Epoch %(epoch)s", epoch=number(row.epoch)) for row in rows],
        "series": [
            {
                "label": gettext("confirmed, after its end"),
                "values": confirming,
                "unit": unit,
                "digits": 1,
            },
            {
                "label": gettext("attested, after its close"),
                "values": attesting,
                "unit": unit,
                "digits": 1,
            },
        ],
    }


def growth_chart(anchors: list[AnchorView]) -> dict[str, Any] | None:
    """Return how a log grew on chain, as a chart; None for less than two anchors."""
    rows = list(reversed(anchors))
    if len(rows) < 2:
        return None
    return {
        "kind": "area",
        "at": [row.time for row in rows],
        "series": [
            {
                "label": gettext("Entries anchored"),
                "values": [row.size for row in rows],
                "unit": gettext("entries"),
                "digits": 0,
            }
        ],
    }


def _minutes(begin: int, end: int | None) -> float | None:
    return None if end is None else round((end - begin) / MINUTE_S, 1)


def _render(request: Request, template: str, site: Site, **context: Any) -> Response:
    def shown(units: str, asset: bytes) -> str:
        symbol, decimals = site.asset(asset)
        return f"{amount(units, decimals)} {symbol}"

    return render(
        request,
        template,
        now=site.clock.now(),
        text=plain_text,
        bond=site.bond_asset,
        shown=shown,
        **context,
    )
