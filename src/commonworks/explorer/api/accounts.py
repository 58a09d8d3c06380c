"""Answers about accounts."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from commonworks.errors import CommonworksError, InvalidInput, Unavailable
from commonworks.explorer.models.accounts import (
    AccountDetail,
    AccountRow,
    AssetName,
    CastVote,
    EpochEarnings,
    MonthStatement,
    Movement,
    OwnedDevice,
)
from commonworks.explorer.models.activity import ActivityEvent
from commonworks.explorer.queries import account_history as history
from commonworks.explorer.queries import accounts as queries
from commonworks.explorer.queries.account_statement import month_at, month_of, month_statement
from commonworks.explorer.queries.activity import Wanted, events
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.model import AddressText, address_bytes
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery, LimitQuery, Page

router = APIRouter(tags=["accounts"])

AssetQuery = Annotated[
    AssetName | None, Query(description="Sort by what was earned in it; else what work earns.")
]
MonthQuery = Annotated[
    str | None, Query(max_length=7, description="YYYY-MM, UTC; else the month that it is now.")
]


@router.get("/accounts")
def read_accounts(
    site: SiteDep,
    connection: ConnDep,
    asset: AssetQuery = None,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[AccountRow]:
    """Everybody who owns devices, is paid or deposited; who earned most first."""
    by = asset or queries.default_asset(site)
    return queries.accounts(connection, site, by, limit=limit, cursor=cursor)


@router.get("/accounts/{address}")
async def read_account(
    site: SiteDep, connection: ConnDep, viewer: ViewerDep, address: AddressText
) -> AccountDetail:
    """An account: what the Vault holds for it, what its wallet has, what it can do now."""
    return await detail(site, connection, address_bytes(address), viewer)


@router.get("/accounts/{address}/earnings")
def read_earnings(
    site: SiteDep,
    connection: ConnDep,
    address: AddressText,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[EpochEarnings]:
    """What epochs added to an account, newest first."""
    account = address_bytes(address)
    return history.earnings(connection, site, account, limit=limit, cursor=cursor)


@router.get("/accounts/{address}/movements")
def read_movements(
    site: SiteDep,
    connection: ConnDep,
    address: AddressText,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[Movement]:
    """Money in and out of the Vault for an account, newest first."""
    account = address_bytes(address)
    return history.movements(connection, site, account, limit=limit, cursor=cursor)


@router.get("/accounts/{address}/devices")
def read_account_devices(
    site: SiteDep,
    connection: ConnDep,
    address: AddressText,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[OwnedDevice]:
    """The devices that an account owns, or of which it is a payee."""
    account = address_bytes(address)
    return history.devices_of(connection, site, account, limit=limit, cursor=cursor)


@router.get("/accounts/{address}/votes")
def read_account_votes(
    connection: ConnDep,
    address: AddressText,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[CastVote]:
    """The votes that an account cast, newest first."""
    return history.votes_cast(connection, address_bytes(address), limit=limit, cursor=cursor)


@router.get("/accounts/{address}/events")
def read_account_events(
    site: SiteDep,
    connection: ConnDep,
    address: AddressText,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[ActivityEvent]:
    """What the contracts recorded about an account, newest first."""
    wanted = Wanted(account=address_bytes(address))
    return events(connection, site, wanted, limit=limit, cursor=cursor)


@router.get("/accounts/{address}/statement")
def read_statement(
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    address: AddressText,
    month: MonthQuery = None,
) -> MonthStatement:
    """A month of an account's money in the Vault; opening, entries, closing: it adds up."""
    wanted = month_at(site.clock.now()) if month is None else month_of(month)
    return month_statement(connection, site, address_bytes(address), wanted, viewer)


async def detail(
    site: Site, connection: Connection, account: bytes, viewer: bytes | None
) -> AccountDetail:
    """Return an account as index and chain know it; what the chain does not answer is left out."""
    now = await chain_now(site, account)
    return await asyncio.to_thread(queries.account_detail, connection, site, account, now, viewer)


async def chain_now(site: Site, account: bytes) -> queries.ChainNow:
    """Return what the chain says about an account now."""
    try:
        balances, claimable = await asyncio.gather(
            site.ledger.balances(account), site.ledger.claimable()
        )
    except Unavailable:
        return queries.ChainNow(balances=None, claimable=None, answered=False, sale=None)
    return queries.ChainNow(
        balances=balances,
        claimable=claimable,
        answered=True,
        sale=await _sale(site, balances.token),
    )


async def _sale(site: Site, tokens: int) -> int | None:
    """Return what selling all tokens brings; None without an exchange, 0 for next to nothing."""
    if site.contracts.router is None or tokens == 0:
        return None
    try:
        price = await site.ledger.sale(tokens)
    except InvalidInput:  # so little that it brings nothing, or more than a pool can hold
        return 0
    except CommonworksError:  # an exchange of somebody else's that does not answer as one
        return None
    return None if price is None else price.amount_out
