"""Pages of the slice epochs."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from commonworks.explorer.models.epochs import EpochState
from commonworks.explorer.pages.fields import Text, address_field
from commonworks.explorer.queries import epoch_money, epochs, stops
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import Number
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery
from commonworks.explorer.web.templating import render

router = APIRouter()

ROWS = 20
"""Rows of each long list on an epoch's page."""


def states() -> dict[str, tuple[str, str]]:
    """Return each state's word and tone."""
    return {
        EpochState.OPEN: (gettext("runs"), "plain"),
        EpochState.CLOSING: (gettext("closing"), "wait"),
        EpochState.CLOSED: (gettext("closed"), "wait"),
        EpochState.FINALISED: (gettext("final"), "ok"),
    }


@router.get("/epochs")
def epochs_page(
    request: Request, site: SiteDep, connection: ConnDep, cursor: CursorQuery = None
) -> Response:
    """Show epochs, the one that runs first."""
    return render(
        request,
        "epochs/epochs.html",
        page=epochs.list_epochs(connection, site, limit=LIMIT_DEFAULT, cursor=cursor),
        states=states(),
        first=cursor is None,
        length_s=site.network.epoch_length_s,
    )


@router.get("/epochs/{epoch}")
def epoch_page(
    request: Request,
    epoch: Number,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    account: Text = "",
    leaves: CursorQuery = None,
    payments: CursorQuery = None,
    rewards: CursorQuery = None,
    work: CursorQuery = None,
) -> Response:
    """Show an epoch: its course, evidence, verdicts, money, and how to check it."""
    found = epochs.get_epoch(connection, site, epoch)
    return render(
        request,
        "epochs/epoch.html",
        epoch=found,
        stops=stops.of_epoch(connection, site, found.payout, epoch),
        states=states(),
        account=account,
        leaves=epoch_money.list_leaves(
            connection,
            site,
            epoch,
            limit=ROWS,
            cursor=leaves,
            account=address_field(account),
        ),
        payments=epoch_money.list_payments(
            connection, site, viewer, epoch, limit=ROWS, cursor=payments
        ),
        rewards=epoch_money.list_rewards(connection, site, epoch, limit=ROWS, cursor=rewards),
        work=epoch_money.list_work(connection, site, viewer, epoch, limit=ROWS, cursor=work),
        newest=epochs.newest_epoch(connection, site),
    )
