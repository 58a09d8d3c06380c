"""The page of the diary."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from commonworks.explorer.events_in_words import KINDS, kind_words
from commonworks.explorer.pages.fields import Text, address_field, number_field
from commonworks.explorer.queries.activity import Wanted, diary
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery
from commonworks.explorer.web.templating import render

router = APIRouter()


@router.get("/activity")
def activity_page(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    kind: Text = "",
    device: Text = "",
    account: Text = "",
    epoch: Text = "",
    cursor: CursorQuery = None,
) -> Response:
    """Show what the contracts recorded, newest first. Fields of the form may be empty."""
    given = {"kind": kind, "device": device, "account": account, "epoch": epoch}
    kept = {name: text.strip() for name, text in given.items()}
    wanted = Wanted(
        kind=kept["kind"] or None,
        device=number_field(kept["device"]),
        account=address_field(kept["account"]),
        epoch=number_field(kept["epoch"]),
    )
    page = diary(connection, site, wanted, limit=LIMIT_DEFAULT, cursor=cursor)
    return render(
        request,
        "activity/activity.html",
        page=page,
        kept=kept,
        filtered=any(kept.values()),
        first=cursor is None,
        kinds=sorted(((one, kind_words(one)) for one in KINDS), key=lambda pair: pair[1].lower()),
    )
