"""Pages of the slice alerts: subscribing, agreeing, ending. All of it works without a script."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from commonworks.errors import CommonworksError, InvalidInput, NotFound, http_status
from commonworks.explorer.alerts.rules import SILENT_AFTER_S, Channel, Kind
from commonworks.explorer.api.alerts import signed_in, subscribe
from commonworks.explorer.models.alerts import AlertWish
from commonworks.explorer.queries.alerts import baseline, desk_of, offers, subscriptions
from commonworks.explorer.sessions import require_own_page
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import SiteDep, ViewerDep
from commonworks.explorer.web.errors import for_reader
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.templating import render

router = APIRouter()

HOUR_S: Final = 3_600
HOURS: Final = (1, 3, 6, 12, 24, 48, 168)
"""Silences to choose from."""
FIELDS_MAX: Final = 20

TokenQuery = Annotated[str, Query(max_length=200)]


async def form(request: Request) -> dict[str, list[str]]:
    """Return the fields of a form that a page of ours sent; raise Unauthorized for others'."""
    require_own_page(request)
    try:
        text = (await request.body()).decode()
        return parse_qs(text, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise InvalidInput(gettext("the form cannot be read")) from None


def page(
    request: Request,
    site: Site,
    viewer: bytes | None,
    *,
    status: int = 200,
    trouble: str = "",
    done: str = "",
    given: dict[str, list[str]] | None = None,
) -> HTMLResponse:
    """Return the page of alerts; `given` is what a form that failed had in it."""
    there = viewer is not None and site.alerts is not None
    return render(
        request,
        "alerts/alerts.html",
        status=status,
        offers=offers(site),
        mine=subscriptions(site, viewer).items if there and viewer is not None else [],
        trouble=trouble,
        done=done,
        given=given or {},
        hours=HOURS,
        silent_hours=SILENT_AFTER_S // HOUR_S,
    )


@router.get("/alerts")
def alerts(request: Request, site: SiteDep, viewer: ViewerDep, done: str = "") -> HTMLResponse:
    """Show what can be told, and the subscriptions of who signed in."""
    words = {
        "confirm": gettext("Nearly done: open the link in the message that was sent to you."),
        "added": gettext("From now on you are told there. Send a test to see that it arrives."),
        "ended": gettext("That subscription has ended."),
        "test": gettext("A test message is on its way."),
    }
    return page(request, site, viewer, done=words.get(done, ""))


@router.post("/alerts")
async def add(request: Request, site: SiteDep, viewer: ViewerDep) -> Response:
    """Subscribe, by the form of the page."""
    given = await form(request)
    signed_in(viewer)
    try:
        wish = _wish(given)
        made = await subscribe(site, viewer, wish)
    except CommonworksError as error:
        return await run_in_threadpool(
            page,
            *(request, site, viewer),
            status=http_status(error),
            trouble=for_reader(site, error),
            given=given,
        )
    return _back("added" if made.in_force else "confirm")


def _wish(given: dict[str, list[str]]) -> AlertWish:
    hours = given.get("hours", ["24"])[0]
    if not (hours.isascii() and hours.isdecimal()):
        raise InvalidInput(gettext("Choose after how many hours a device counts as silent."))
    try:
        return AlertWish(
            channel=Channel(given.get("channel", [""])[0]),
            target=given.get("target", [""])[0].strip(),
            kinds=[Kind(kind) for kind in given.get("kind", [])],
            silent_after_s=int(hours) * HOUR_S,
        )
    except (ValidationError, ValueError):
        raise InvalidInput(
            gettext("Give an address, and choose at least one thing to be told.")
        ) from None


def _back(done: str) -> Response:
    return RedirectResponse(f"/alerts?done={done}", 303)


@router.post("/alerts/end")
async def end(request: Request, site: SiteDep, viewer: ViewerDep) -> Response:
    """End a subscription of who signed in."""
    return await _act(request, site, viewer, "ended")


@router.post("/alerts/test")
async def test(request: Request, site: SiteDep, viewer: ViewerDep) -> Response:
    """Send a test message."""
    return await _act(request, site, viewer, "test")


async def _act(request: Request, site: Site, viewer: bytes | None, done: str) -> Response:
    given = await form(request)
    account, desk = signed_in(viewer), desk_of(site)
    ident = given.get("id", [""])[0]
    await run_in_threadpool(desk.owned, account, ident)
    if done == "test":
        await run_in_threadpool(desk.store.queue_test, ident, desk.wall())
    else:
        await run_in_threadpool(desk.store.remove, ident)
    return _back(done)


# --- links in messages ----------------------------------------------------------------------------


@router.get("/alerts/confirm")
def ask_to_confirm(request: Request, site: SiteDep, token: TokenQuery = "") -> HTMLResponse:
    """Ask whether to agree: a mailbox that opens links by itself agrees to nothing."""
    try:
        found = desk_of(site).pending(token)
    except NotFound:
        return _gone(request)
    return render(request, "alerts/link.html", purpose="confirm", token=token, found=found)


@router.post("/alerts/confirm")
async def confirm(request: Request, site: SiteDep) -> HTMLResponse:
    """Agree to a subscription."""
    token = (await form(request)).get("token", [""])[0]
    start = await baseline(site)
    try:
        found = await run_in_threadpool(desk_of(site).confirm, token, start)
    except NotFound:
        return _gone(request)
    return render(request, "alerts/link.html", purpose="confirmed", token="", found=found)


@router.get("/alerts/unsubscribe")
def ask_to_end(request: Request, site: SiteDep, token: TokenQuery = "") -> HTMLResponse:
    """Ask whether to end a subscription."""
    desk = desk_of(site)
    ident = desk.store.ident_of("unsubscribe", token)
    try:
        found = desk.store.get(ident)
    except NotFound:
        return _gone(request)
    return render(request, "alerts/link.html", purpose="unsubscribe", token=token, found=found)


@router.post("/alerts/unsubscribe")
def unsubscribe(request: Request, site: SiteDep, token: TokenQuery = "") -> HTMLResponse:
    """End a subscription with one click (RFC 8058): the token says which, whoever asks."""
    desk_of(site).unsubscribe(token)
    return _gone(request)


def _gone(request: Request) -> HTMLResponse:
    return render(request, "alerts/link.html", purpose="ended", token="", found=None)
