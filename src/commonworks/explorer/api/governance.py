"""Answers about proposals, votes, back-tests and parameters."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from commonworks.explorer.api import parameters
from commonworks.explorer.models.governance import (
    AccountVotes,
    BacktestView,
    ProposalBrief,
    ProposalView,
    Rules,
    Support,
    TrialStage,
    VoteView,
)
from commonworks.explorer.queries import governance, trials
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.model import AddressText, Number, address_bytes
from commonworks.explorer.web.pagination import CursorQuery, LimitQuery, Page

router: Final = APIRouter(tags=["governance"])

PROPOSALS_DEFAULT: Final = 20
VOTES_DEFAULT: Final = 50
RETRY_AFTER_S: Final = 2
"""When to look again at a back-test that is under way."""

SupportQuery = Annotated[Support | None, Query(description="Only votes that say this.")]


@router.get("/governance")
async def proposals(
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = PROPOSALS_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[ProposalBrief]:
    """Proposals and how they stand, the newest first."""
    found = await asyncio.to_thread(governance.newest, connection, limit, cursor)
    return governance.page(site, found, await governance.standings(site, found), limit)


@router.get("/governance/rules")
def rules(site: SiteDep, connection: ConnDep) -> Rules:
    """What decides here: what votes, for how long, with which thresholds."""
    return governance.rules(connection, site)


@router.get("/governance/accounts/{address}")
async def votes_of(site: SiteDep, address: AddressText) -> AccountVotes:
    """What an account votes with now, its delegators' votes included."""
    return await governance.account_votes(site, address_bytes(address), None, None)


@router.get("/governance/{number}")
async def proposal(site: SiteDep, connection: ConnDep, number: Number) -> ProposalView:
    """One proposal: what it would do, how its vote stands, what can be done with it now."""
    found = await asyncio.to_thread(governance.find, connection, number)
    now = await governance.standing(site, number)
    return await asyncio.to_thread(governance.view, connection, site, found, now)


@router.get("/governance/{number}/votes")
def votes(
    site: SiteDep,
    connection: ConnDep,
    number: Number,
    support: SupportQuery = None,
    limit: LimitQuery = VOTES_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[VoteView]:
    """Votes on a proposal with their reasons, the newest first."""
    return governance.votes(connection, site, number, support, limit, cursor)


@router.get("/governance/{number}/accounts/{address}")
async def vote_of(
    site: SiteDep, connection: ConnDep, number: Number, address: AddressText
) -> AccountVotes:
    """What an account votes with on a proposal, and how it voted."""
    account = address_bytes(address)
    found = await asyncio.to_thread(governance.find, connection, number)
    cast = await asyncio.to_thread(governance.cast_by, connection, site, found, account)
    return await governance.account_votes(site, account, found, cast)


@router.get(
    "/governance/{number}/backtest",
    responses={202: {"model": BacktestView, "description": "Under way: ask again."}},
)
async def backtest(
    site: SiteDep, connection: ConnDep, viewer: ViewerDep, number: Number, response: Response
) -> BacktestView:
    """What past epochs would have been under a proposal: who gains and who loses.

    The first to ask starts it; the outcome is computed once and kept.
    """
    found = await asyncio.to_thread(governance.find, connection, number)
    asked = await asyncio.to_thread(trials.wanted, connection, site, found)
    if asked is None:
        return trials.absent(found)
    who = await asyncio.to_thread(trials.reader, connection, site, viewer)
    shown = await trials.tried(site, who, asked)
    if shown.stage in (TrialStage.WAITING, TrialStage.RUNNING):
        response.status_code = 202
        response.headers["retry-after"] = str(RETRY_AFTER_S)
    return shown


router.include_router(parameters.router)
