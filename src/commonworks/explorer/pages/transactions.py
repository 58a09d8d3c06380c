"""The page of a transaction."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from commonworks.explorer.api.transactions import look_up
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.model import HashText, hash_bytes
from commonworks.explorer.web.templating import render

router = APIRouter()


@router.get("/transactions/{tx}")
async def transaction_page(
    request: Request, site: SiteDep, connection: ConnDep, tx: HashText
) -> Response:
    """Show what a transaction did."""
    view = await look_up(site, connection, hash_bytes(tx))
    return render(request, "transactions/transaction.html", view=view)
