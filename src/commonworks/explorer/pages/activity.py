"""The page of the diary."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from commonworks.errors import InvalidInput
from commonworks.explorer.events_in_words import KINDS, kind_words
from commonworks.explorer.queries.activity import Wanted, diary
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import NUMBER_MAX, address_bytes
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery
from commonworks.explorer.web.templating import render

router = APIRouter()

Text = Annotated[str, Query(max_length=80)]


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
        device=_number(kept["device"]),
        account=address_bytes(kept["account"]) if kept["account"] else None,
        epoch=_number(kept["epoch"]),
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


def _number(text: str) -> int | None:
    plain = text.removeprefix("#")
    if not plain:
        return None
    if not (plain.isascii() and plain.isdecimal()) or int(plain) > NUMBER_MAX:
        raise InvalidInput(
            gettext("%(text)s is no number", text=repr(text)),
            hint=gettext("write digits, or leave the field empty"),
        )
    return int(plain)
