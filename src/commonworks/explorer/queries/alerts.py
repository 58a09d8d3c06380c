"""What alerts are decided by, read from the index."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import Connection, and_, func, select

from commonworks.errors import NotFound, Unavailable
from commonworks.explorer.alerts.delivery import secret_text
from commonworks.explorer.alerts.desk import AlertDesk
from commonworks.explorer.alerts.rules import (
    Ballot,
    Channel,
    Earning,
    Facts,
    Kind,
    Life,
    Rejection,
    Subscription,
)
from commonworks.explorer.alerts.store import Baseline, Standing
from commonworks.explorer.alerts.texts import KIND_WORDS
from commonworks.explorer.index import schema
from commonworks.explorer.index.rows import BLOCK, LOG, cursor_value
from commonworks.explorer.models.alerts import (
    AlertKind,
    AlertOffers,
    AlertSubscription,
    AlertSubscriptions,
)
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text

REJECTED = "rejected"
NONE_YET = -1


def desk_of(site: Site) -> AlertDesk:
    """Return the desk of a site; raise NotFound where it has none."""
    if site.alerts is None:
        raise NotFound(
            gettext("this explorer tells nobody"), hint=gettext("it was started without alerts")
        )
    return site.alerts


def offers(site: Site) -> AlertOffers:
    """Return what this explorer can do for owners."""
    missing = None
    if site.alerts is None:
        missing = gettext("This explorer was started without alerts.")
    elif site.alerts.mail is None:
        missing = gettext(
            "This explorer cannot send e-mail: its operator has not named a mail server "
            "(COMMONWORKS_SMTP_URL). Webhooks work."
        )
    return AlertOffers(
        email=site.alerts is not None and site.alerts.mail is not None,
        webhook=site.alerts is not None,
        kinds=[
            AlertKind(kind=kind, title=gettext(title), explains=gettext(explains))
            for kind, (title, explains) in KIND_WORDS.items()
        ],
        missing=missing,
    )


def subscriptions(site: Site, account: bytes) -> AlertSubscriptions:
    """Return an account's subscriptions, oldest first."""
    desk = desk_of(site)
    return AlertSubscriptions(
        items=[shown(desk, standing) for standing in desk.store.standings(account)]
    )


def shown(desk: AlertDesk, standing: Standing) -> AlertSubscription:
    """Return a subscription as its owner sees it."""
    one = standing.subscription
    hook = one.channel is Channel.WEBHOOK
    return AlertSubscription(
        id=one.ident,
        account=address_text(one.account),
        channel=one.channel,
        target=one.target,
        kinds=sorted(one.kinds),
        silent_after_s=one.silent_after_s,
        language=one.language,
        in_force=one.in_force,
        created_at=standing.created_s,
        sent=standing.sent,
        waiting=standing.waiting,
        trouble=standing.trouble,
        secret=secret_text(desk.store.secret_of(one.ident)) if hook else None,
    )


def settled(connection: Connection) -> int:
    """Return the newest epoch whose settlement is in the index; -1: none."""
    table = schema.epoch.c
    newest = (
        select(table.epoch).where(table.statements.is_not(None)).order_by(table.epoch.desc())
    ).limit(1)
    found = connection.execute(newest).scalar()
    return NONE_YET if found is None else int(found)


async def claimable_epoch(site: Site) -> int | None:
    """Return the epoch that can be claimed against; -1: none yet; None: nobody knows now."""
    try:
        root = await site.ledger.claimable()
    except Unavailable:
        return None
    return NONE_YET if root is None else root.epoch


async def baseline(site: Site) -> Baseline:
    """Return where history ends now."""

    def read() -> int:
        with site.engine.connect() as connection:
            return settled(connection)

    newest = await asyncio.to_thread(read)
    claimable = await claimable_epoch(site)
    return Baseline(
        now_s=site.clock.now(),
        settled=newest,
        claimable=newest if claimable is None else claimable,
    )


def facts(
    connection: Connection, site: Site, subscription: Subscription, claimable: int | None
) -> Facts:
    """Return what concerns one subscription.

    Inputs: `claimable` as `claimable_epoch` returns it; None: payouts wait for the next look.
    """
    wanted, newest = subscription.kinds, settled(connection)
    until = subscription.payouts_seen if claimable is None else claimable
    return Facts(
        now_s=site.clock.now(),
        settled=newest,
        claimable=until,
        lives=_lives(connection, site, subscription.account) if Kind.SILENT in wanted else (),
        rejections=_rejections(connection, site, subscription, newest)
        if Kind.REJECTED in wanted
        else (),
        earnings=_earnings(connection, subscription, until) if Kind.PAYOUT in wanted else (),
        ballots=_ballots(connection, site, subscription.account) if Kind.VOTE in wanted else (),
    )


def _lives(connection: Connection, site: Site, account: bytes) -> Sequence[Life]:
    """Return when an account's devices were last heard of.

    Where the index has not read a log as far as the chain covers it, nobody knows whether a device
    is silent: then it counts as fresh. One that never spoke may have spoken in any log.
    """
    table, behind = schema.device.c, _behind(connection)
    rows = connection.execute(
        select(table.device, table.thumbprint, table.enrolled_at, table.last_judged_epoch)
        .where(table.owner == account)
        .order_by(table.device)
    )
    found = []
    for row in rows.all():
        newest = _newest(connection, row.device, row.last_judged_epoch)
        heard = [_anchored_at(connection, log_id, position) for log_id, position in newest]
        known = [time_s for time_s in heard if time_s is not None]
        logs = {log_id for log_id, _ in newest} or behind
        found.append(
            Life(
                device=row.device,
                label=site.device_labels.get(row.thumbprint),
                heard_at=max([row.enrolled_at, *known]),
                fresh=len(known) < len(heard) or bool(logs & behind),
            )
        )
    return found


def _behind(connection: Connection) -> set[bytes]:
    """Return the logs that the index has read less of than the chain covers."""
    found = set()
    for log_id in connection.execute(select(schema.gateway.c.log_id)).scalars().all():
        covered = connection.execute(
            select(func.max(schema.anchor.c.size)).where(schema.anchor.c.log_id == log_id)
        ).scalar()
        if (covered or 0) > (cursor_value(connection, LOG + log_id.hex()) or 0):
            found.add(log_id)
    return found


def block_of(connection: Connection) -> int | None:
    """Return the newest block that the index holds; None before the first."""
    return cursor_value(connection, BLOCK)


def _newest(connection: Connection, device: int, judged: int | None) -> Sequence[tuple[bytes, int]]:
    """Return each log's newest position of a device, among what waits and what was judged last.

    Two short reads of one index, however long the device's history is.
    """
    table = schema.statement.c
    positions: dict[bytes, int] = {}
    for where in (
        table.epoch.is_(None),
        *(() if judged is None else (table.epoch == judged,)),
    ):
        rows = connection.execute(
            select(table.log_id, func.max(table.position))
            .where(table.device == device, where)
            .group_by(table.log_id)
        )
        for log_id, position in rows:
            positions[log_id] = max(position, positions.get(log_id, -1))
    return sorted(positions.items())


def _anchored_at(connection: Connection, log_id: bytes, position: int) -> int | None:
    """Return when the chain first covered an entry; None while it does not."""
    table = schema.anchor.c
    found: int | None = connection.execute(
        select(table.time)
        .where(table.log_id == log_id, table.size > position)
        .order_by(table.size)
        .limit(1)
    ).scalar()
    return found


def _rejections(
    connection: Connection, site: Site, subscription: Subscription, newest: int
) -> Sequence[Rejection]:
    said, owned = schema.statement.c, schema.device.c
    rows = connection.execute(
        select(said.epoch, said.device, owned.thumbprint, said.reason, func.count())
        .join_from(schema.statement, schema.device, owned.device == said.device)
        .where(
            owned.owner == subscription.account,
            said.epoch > subscription.epochs_seen,
            said.epoch <= newest,
            said.outcome == REJECTED,
        )
        .group_by(said.epoch, said.device, owned.thumbprint, said.reason)
        .order_by(said.epoch, said.device, said.reason)
    )
    return [
        Rejection(
            epoch=epoch,
            device=device,
            label=site.device_labels.get(thumbprint),
            reason=reason or "",
            count=count,
        )
        for epoch, device, thumbprint, reason, count in rows
    ]


def _earnings(connection: Connection, subscription: Subscription, until: int) -> Sequence[Earning]:
    if until <= subscription.payouts_seen:
        return ()
    table = schema.payout.c
    changed = connection.execute(
        select(table.asset)
        .where(
            table.account == subscription.account,
            table.epoch > subscription.payouts_seen,
            table.epoch <= until,
        )
        .distinct()
    ).scalars()
    found = []
    for asset in sorted(changed.all()):
        before = _earned(connection, asset, subscription.account, subscription.payouts_seen)
        amount = _earned(connection, asset, subscription.account, until) - before
        if amount > 0:
            found.append(Earning(asset=asset, amount=amount))
    return found


def _earned(connection: Connection, asset: bytes, account: bytes, epoch: int) -> int:
    """Return an account's cumulative earnings as an epoch left them."""
    table = schema.payout.c
    found = connection.execute(
        select(table.earned)
        .where(table.asset == asset, table.account == account, table.epoch <= epoch)
        .order_by(table.epoch.desc())
        .limit(1)
    ).scalar()
    return int(found or 0)


def _ballots(connection: Connection, site: Site, account: bytes) -> Sequence[Ballot]:
    table, cast = schema.proposal.c, schema.vote.c
    rows = connection.execute(
        select(
            *(table.number, table.title, table.vote_start, table.vote_end, table.canceled_tx),
            cast.voter,
        )
        .join_from(
            schema.proposal,
            schema.vote,
            and_(cast.proposal == table.proposal, cast.voter == account),
            isouter=True,
        )
        .where(table.vote_end > site.clock.now())
        .order_by(table.number)
    )
    return [
        Ballot(
            number=row.number,
            title=row.title,
            start_s=row.vote_start,
            end_s=row.vote_end,
            canceled=row.canceled_tx is not None,
            voted=row.voter is not None,
        )
        for row in rows
    ]
