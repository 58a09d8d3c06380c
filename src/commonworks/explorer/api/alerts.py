"""Routes of the slice alerts: subscriptions of the account that signed in."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path
from fastapi.concurrency import run_in_threadpool

from commonworks.errors import Unauthorized
from commonworks.explorer.alerts.desk import AlertDesk
from commonworks.explorer.models.alerts import (
    AlertAgreed,
    AlertEnded,
    AlertOffers,
    AlertQueued,
    AlertSubscription,
    AlertSubscriptions,
    AlertToken,
    AlertWish,
)
from commonworks.explorer.queries.alerts import (
    baseline,
    desk_of,
    offers,
    shown,
    subscriptions,
)
from commonworks.explorer.sessions import require_same_origin
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import SiteDep, ViewerDep
from commonworks.explorer.web.i18n import gettext, language

router = APIRouter(tags=["alerts"])

OURS: Final = [Depends(require_same_origin)]
"""What the account that signed in may do is done by pages of ours alone."""

IdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="A subscription's id.")]


def signed_in(viewer: bytes | None) -> bytes:
    """Return who signed in; raise Unauthorized where nobody did."""
    if viewer is None:
        raise Unauthorized(
            gettext("alerts are for owners"), hint=gettext("sign in with your wallet first")
        )
    return viewer


def find(desk: AlertDesk, account: bytes, ident: str) -> AlertSubscription:
    """Return one subscription of an account; raise NotFound."""
    desk.owned(account, ident)
    found = [one for one in desk.store.standings(account) if one.subscription.ident == ident]
    return shown(desk, found[0])


async def subscribe(site: Site, viewer: bytes | None, wish: AlertWish) -> AlertSubscription:
    """Add a subscription for who signed in."""
    account, desk = signed_in(viewer), desk_of(site)
    start = await baseline(site)
    made = await run_in_threadpool(
        desk.subscribe,
        account=account,
        channel=wish.channel,
        target=wish.target,
        kinds=frozenset(wish.kinds),
        silent_after_s=wish.silent_after_s,
        language=language(),
        baseline=start,
    )
    return await run_in_threadpool(find, desk, account, made.ident)


@router.get("/alerts/offers")
def alert_offers(site: SiteDep) -> AlertOffers:
    """Return what this explorer can tell owners, and how."""
    return offers(site)


@router.get("/alerts")
def list_alerts(site: SiteDep, viewer: ViewerDep) -> AlertSubscriptions:
    """Return the subscriptions of the account that signed in."""
    return subscriptions(site, signed_in(viewer))


@router.post("/alerts", status_code=201, dependencies=OURS)
async def add_alert(site: SiteDep, viewer: ViewerDep, wish: AlertWish) -> AlertSubscription:
    """Subscribe: an e-mail address has to agree first, by the link that it is sent."""
    return await subscribe(site, viewer, wish)


@router.delete("/alerts/{ident}", dependencies=OURS)
def end_alert(site: SiteDep, viewer: ViewerDep, ident: IdPath) -> AlertEnded:
    """End a subscription of the account that signed in."""
    desk = desk_of(site)
    desk.owned(signed_in(viewer), ident)
    return AlertEnded(ended=desk.store.remove(ident))


@router.post("/alerts/{ident}/test", dependencies=OURS)
def test_alert(site: SiteDep, viewer: ViewerDep, ident: IdPath) -> AlertQueued:
    """Send a message that says only that messages arrive."""
    desk = desk_of(site)
    desk.owned(signed_in(viewer), ident)
    return AlertQueued(id=desk.store.queue_test(ident, desk.wall()))


@router.post("/alerts/confirm")
async def confirm_alert(site: SiteDep, given: AlertToken) -> AlertAgreed:
    """Agree to a subscription, with what the link in its message carries."""
    start = await baseline(site)
    made = await run_in_threadpool(desk_of(site).confirm, given.token, start)
    return AlertAgreed(in_force=made.in_force)


@router.post("/alerts/unsubscribe")
def unsubscribe_alert(site: SiteDep, given: AlertToken) -> AlertEnded:
    """End a subscription, with what the link in a message carries."""
    return AlertEnded(ended=desk_of(site).unsubscribe(given.token))
