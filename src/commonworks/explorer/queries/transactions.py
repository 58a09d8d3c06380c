"""What a transaction made the contracts record."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from commonworks.explorer.events_in_words import names_of
from commonworks.explorer.index.schema import chain_event
from commonworks.explorer.models.transactions import TransactionState, TransactionView
from commonworks.explorer.queries.activity import event
from commonworks.explorer.site import Site
from commonworks.explorer.web.model import hash_text

EVENTS_MAX: Final = 200
"""Most events of one transaction that are shown: an enrolment of many devices has more."""


def transaction(
    connection: Connection, site: Site, tx: bytes, state: TransactionState
) -> TransactionView:
    """Return a transaction; one that the index knows has succeeded, whatever the chain answers."""
    ordered = (chain_event.c.block, chain_event.c.log_index)
    query = select(chain_event).where(chain_event.c.tx == tx).order_by(*ordered)
    rows = connection.execute(query.limit(EVENTS_MAX + 1)).all()
    shown = rows[:EVENTS_MAX]
    names = names_of(connection, site, shown)
    return TransactionView(
        tx=hash_text(tx),
        state=TransactionState.SUCCEEDED if rows else state,
        block=rows[0].block if rows else None,
        time=rows[0].time if rows else None,
        events=[event(site, row, names) for row in shown],
        more=len(rows) > EVENTS_MAX,
    )


def state_of(succeeded: bool | None) -> TransactionState:
    """Return what a receipt says."""
    if succeeded is None:
        return TransactionState.WAITING
    return TransactionState.SUCCEEDED if succeeded else TransactionState.FAILED
