"""The pages of accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from babel.dates import format_date
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from commonworks.errors import InvalidInput
from commonworks.explorer.api.accounts import detail
from commonworks.explorer.models.accounts import AccountDetail, AssetName, EpochEarnings
from commonworks.explorer.queries import account_history as history
from commonworks.explorer.queries import accounts as queries
from commonworks.explorer.queries.account_csv import plain_units, statement_csv
from commonworks.explorer.queries.account_statement import (
    Month,
    month_at,
    month_of,
    month_statement,
)
from commonworks.explorer.queries.activity import Wanted, diary
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.i18n import gettext, language
from commonworks.explorer.web.model import AddressText, address_bytes, address_text, party
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery
from commonworks.explorer.web.templating import number, render

router = APIRouter()

CHART_EPOCHS: Final = 60
"""Newest epochs in the picture of what an account earned."""
SHOWN: Final = 10
"""Rows of each list on an account's page; the rest has pages of its own."""
CHART_DIGITS: Final = 6

MonthText = Annotated[str, Query(max_length=7)]


class Listed(StrEnum):
    """Lists of an account that have a page of their own."""

    EARNINGS = "earnings"
    MOVEMENTS = "movements"
    DEVICES = "devices"
    VOTES = "votes"


@router.get("/accounts")
def accounts_page(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    asset: Annotated[str, Query(max_length=10)] = "",
    cursor: CursorQuery = None,
) -> Response:
    """Show everybody who takes part."""
    if asset and asset not in set(AssetName):
        raise InvalidInput(
            gettext("%(asset)s is no asset of this network", asset=repr(asset)),
            hint=gettext("token or currency"),
        )
    by = AssetName(asset) if asset else queries.default_asset(site)
    page = queries.accounts(connection, site, by, limit=LIMIT_DEFAULT, cursor=cursor)
    return render(request, "accounts/accounts.html", page=page, by=by, first=cursor is None)


@router.get("/accounts/{address}")
async def account_page(
    request: Request, site: SiteDep, connection: ConnDep, viewer: ViewerDep, address: AddressText
) -> Response:
    """Show an account: its money, what it earned, what it can do."""
    account = address_bytes(address)
    shown = await detail(site, connection, account, viewer)
    lists = await asyncio.to_thread(_lists, site, connection, account)
    month = month_at(site.clock.now())
    return render(
        request,
        "accounts/account.html",
        shown=shown,
        month=month,
        spec=_chart(lists["earnings"].items, shown),
        **lists,
    )


def _lists(site: Site, connection: Connection, account: bytes) -> dict[str, Any]:
    few: dict[str, Any] = {"limit": SHOWN, "cursor": None}
    return {
        "earnings": history.earnings(connection, site, account, limit=CHART_EPOCHS, cursor=None),
        "movements": history.movements(connection, site, account, **few),
        "devices": history.devices_of(connection, site, account, **few),
        "votes": history.votes_cast(connection, account, **few),
        "diary": diary(connection, site, Wanted(account=account), **few),
    }


def _chart(rows: Sequence[EpochEarnings], shown: AccountDetail) -> dict[str, Any]:
    """Return the picture of what epochs added, oldest first: money on the left, token right."""
    ordered = list(reversed(rows))
    series: list[dict[str, Any]] = []
    for place, books in enumerate(shown.books):
        name = "earned_currency" if books.asset is AssetName.CURRENCY else "earned_token"
        values = [int(getattr(row, name)) for row in ordered]
        if any(values):
            series.append(
                {
                    "label": gettext("%(symbol)s earned", symbol=books.symbol),
                    "values": [plain_units(value, books.decimals) for value in values],
                    "unit": books.symbol,
                    "axis": "right" if series else "left",
                    "tone": place + 1,
                }
            )
    names = [gettext("Epoch %(epoch)s", epoch=number(row.epoch)) for row in ordered]
    return {"kind": "bars", "names": names, "series": series}


@router.get("/accounts/{address}/statement.csv")
def statement_file(
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    address: AddressText,
    month: MonthText = "",
) -> Response:
    """Give a month's statement as a file for spreadsheets."""
    account, wanted = address_bytes(address), _month(site, month)
    text = statement_csv(month_statement(connection, site, account, wanted, viewer))
    name = f"{address_text(account)}-{wanted.name}.csv"
    return Response(
        text.encode("utf-8-sig"),  # without the mark some spreadsheets guess another encoding
        media_type="text/csv; charset=utf-8; header=present",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


@router.get("/accounts/{address}/statement")
def statement_page(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    address: AddressText,
    month: MonthText = "",
) -> Response:
    """Show a month's statement, to read and to print."""
    account, wanted = address_bytes(address), _month(site, month)
    statement = month_statement(connection, site, account, wanted, viewer)
    now = month_at(site.clock.now())
    return render(
        request,
        "accounts/statement.html",
        statement=statement,
        month=wanted,
        title=_title(wanted),
        later=wanted.begins < now.begins,
        yours=viewer == account,
    )


def _title(month: Month) -> str:
    """Return a month as people write it."""
    first = datetime.fromtimestamp(month.begins, UTC)
    return format_date(first, "LLLL y", locale=language())


def _month(site: Site, text: str) -> Month:
    return month_of(text) if text else month_at(site.clock.now())


@router.get("/accounts/{address}/{what}")
def account_list_page(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    address: AddressText,
    what: Listed,
    cursor: CursorQuery = None,
) -> Response:
    """Show one of an account's lists in full."""
    account = address_bytes(address)
    asked: dict[str, Any] = {"limit": LIMIT_DEFAULT, "cursor": cursor}
    page: Any
    match what:
        case Listed.EARNINGS:
            page = history.earnings(connection, site, account, **asked)
        case Listed.MOVEMENTS:
            page = history.movements(connection, site, account, **asked)
        case Listed.DEVICES:
            page = history.devices_of(connection, site, account, **asked)
        case Listed.VOTES:
            page = history.votes_cast(connection, account, **asked)
    return render(
        request, "accounts/list.html", what=what.value, page=page, account=party(site, account)
    )
