"""Pages about proposals, votes, back-tests and parameters."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from commonworks.errors import Unavailable
from commonworks.explorer.models.governance import (
    AccountVotes,
    BacktestView,
    Electorate,
    GainPanel,
    Rules,
)
from commonworks.explorer.pages import governance_words, parameters
from commonworks.explorer.queries import governance, trials
from commonworks.explorer.queries.governance import Found
from commonworks.explorer.site import Site
from commonworks.explorer.web import plain_text
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.i18n import gettext, ngettext
from commonworks.explorer.web.model import Number
from commonworks.explorer.web.pagination import CursorQuery
from commonworks.explorer.web.templating import amount, number, render

router: Final = APIRouter()

PROPOSALS_SHOWN: Final = 20
VOTES_SHOWN: Final = 25
BARS_SHOWN: Final = 24
"""Bars in a picture, as many as the command draws; the table beneath has more."""
BAR_DIGITS: Final = 6
"""Decimal places of what a picture is drawn from."""


@router.get("/governance")
async def proposals(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    cursor: CursorQuery = None,
) -> Response:
    """Show what decides here, and every proposal."""
    rules = await asyncio.to_thread(governance.rules, connection, site)
    found = await asyncio.to_thread(governance.newest, connection, PROPOSALS_SHOWN, cursor)
    standings = await governance.standings(site, found)
    return await asyncio.to_thread(
        _render,
        request,
        "governance/proposals.html",
        site=site,
        rules=rules,
        page=governance.page(site, found, standings, PROPOSALS_SHOWN),
        yours=await _yours(site, viewer, None, connection),
    )


@router.get("/governance/{number}")
async def proposal(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    number: Number,
    cursor: CursorQuery = None,
) -> Response:
    """Show one proposal."""
    found = await asyncio.to_thread(governance.find, connection, number)
    now = await governance.standing(site, number)
    return await asyncio.to_thread(
        _render,
        request,
        "governance/proposal.html",
        site=site,
        rules=await asyncio.to_thread(governance.rules, connection, site),
        view=await asyncio.to_thread(governance.view, connection, site, found, now),
        votes=await asyncio.to_thread(
            governance.votes, connection, site, number, None, VOTES_SHOWN, cursor
        ),
        yours=await _yours(site, viewer, found, connection),
        trial=await _trial(site, connection, viewer, found),
    )


async def _trial(
    site: Site, connection: Connection, viewer: bytes | None, found: Found
) -> BacktestView:
    """Return how far a proposal's back-test is; it is begun by whoever looks first."""
    asked = await asyncio.to_thread(trials.wanted, connection, site, found)
    if asked is None:
        return trials.absent(found)
    who = await asyncio.to_thread(trials.reader, connection, site, viewer)
    try:
        return await trials.tried(site, who, asked)
    except Unavailable:
        return await trials.postponed(site, who, asked)


async def _yours(
    site: Site, viewer: bytes | None, found: Found | None, connection: Connection
) -> AccountVotes | None:
    """Return what the reader votes with; None for a stranger, or while the chain is silent."""
    if viewer is None:
        return None
    cast = None
    if found is not None:
        cast = await asyncio.to_thread(governance.cast_by, connection, site, found, viewer)
    try:
        return await governance.account_votes(site, viewer, found, cast)
    except Unavailable:
        return None


# --- how it is shown ------------------------------------------------------------------------------


def _render(
    request: Request, template: str, *, site: Site, rules: Rules, **context: Any
) -> Response:
    return render(
        request,
        template,
        rules=rules,
        now=site.clock.now(),
        words=governance_words,
        text=plain_text,
        votes_text=lambda units: votes_text(rules, int(units)),
        gains_chart=gains_chart,
        **context,
    )


def votes_text(rules: Rules, units: int) -> str:
    """Return a number of votes in what votes."""
    if rules.electorate is Electorate.MEMBERSHIP:
        return ngettext("%(count)s vote", "%(count)s votes", units, count=number(units))
    return f"{amount(units, rules.decimals)} {rules.symbol}"


def gains_chart(panel: GainPanel) -> dict[str, Any]:
    """Return who gains and who loses as bars, winners first; in two colours and by sign."""
    most = sorted(panel.bars, key=lambda bar: -abs(int(bar.gain)))[:BARS_SHOWN]
    bars = [bar for bar in panel.bars if any(bar is one for one in most)]
    values = [Decimal(bar.gain).scaleb(-panel.decimals) for bar in bars]
    gains = [str(round(value, BAR_DIGITS)) if value > 0 else None for value in values]
    losses = [str(round(value, BAR_DIGITS)) if value < 0 else None for value in values]
    shared = {"unit": panel.symbol, "stack": True}
    return {
        "kind": "bars",
        "names": [governance_words.bar_name(bar) for bar in bars],
        "series": [
            {"label": gettext("more"), "values": gains, "tone": 1, **shared},
            {"label": gettext("less"), "values": losses, "tone": 2, **shared},
        ],
        "summary": gettext(
            "%(gaining)s accounts would have more %(symbol)s, %(losing)s less.",
            gaining=number(panel.gaining),
            losing=number(panel.losing),
            symbol=panel.symbol,
        ),
    }


router.include_router(parameters.router)
