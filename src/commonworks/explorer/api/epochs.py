"""Routes of the slice epochs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from commonworks.explorer.models.devices import PaymentRow
from commonworks.explorer.models.epochs import (
    EpochDetail,
    EpochRow,
    LeafRow,
    RewardRow,
    WorkRow,
)
from commonworks.explorer.queries import epoch_money, epochs
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.model import Number, address_bytes
from commonworks.explorer.web.pagination import (
    LIMIT_DEFAULT,
    CursorQuery,
    LimitQuery,
    Page,
)

router = APIRouter(tags=["epochs"])


@router.get("/epochs")
def list_epochs(
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[EpochRow]:
    """List epochs, the newest first: the one that runs, those that close, those that are closed."""
    return epochs.list_epochs(connection, site, limit=limit, cursor=cursor)


@router.get("/epochs/{epoch}")
def get_epoch(epoch: Number, site: SiteDep, connection: ConnDep) -> EpochDetail:
    """Return an epoch: its course, evidence, verdicts, totals and what its digest commits to."""
    return epochs.get_epoch(connection, site, epoch)


@router.get("/epochs/{epoch}/payments")
def list_payments(
    epoch: Number,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[PaymentRow]:
    """List an epoch's payments: of public resources all, else those of the account signed in."""
    epochs.epoch_record(connection, site, epoch)
    return epoch_money.list_payments(connection, site, viewer, epoch, limit=limit, cursor=cursor)


@router.get("/epochs/{epoch}/rewards")
def list_rewards(
    epoch: Number,
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[RewardRow]:
    """List what an epoch's emission gave to whom."""
    epochs.epoch_record(connection, site, epoch)
    return epoch_money.list_rewards(connection, site, epoch, limit=limit, cursor=cursor)


@router.get("/epochs/{epoch}/work")
def list_work(
    epoch: Number,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[WorkRow]:
    """List an epoch's work by device; quantities for everybody or for those concerned."""
    epochs.epoch_record(connection, site, epoch)
    return epoch_money.list_work(connection, site, viewer, epoch, limit=limit, cursor=cursor)


@router.get("/epochs/{epoch}/payouts")
def list_payouts(
    epoch: Number,
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
    account: Annotated[
        str | None,
        Query(pattern=r"^0x[0-9a-fA-F]{40}$", description="Only the leaves of this account."),
    ] = None,
) -> Page[LeafRow]:
    """List the leaves of an epoch's payout tree, by asset and account."""
    epochs.epoch_record(connection, site, epoch)
    return epoch_money.list_leaves(
        connection,
        site,
        epoch,
        limit=limit,
        cursor=cursor,
        account=None if account is None else address_bytes(account),
    )
