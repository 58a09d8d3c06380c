"""What a device's page lists: spans credited less than claimed, and payments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from commonworks.explorer.index.schema import payment, span
from commonworks.explorer.models.devices import PaymentRow, SpanRow
from commonworks.explorer.queries.devices import (
    device_record,
    owned_since,
    reason_text,
    refs_of,
)
from commonworks.explorer.queries.privacy import is_public
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import DeviceRef, amount_text, party
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of


def spans_of(
    connection: Connection,
    site: Site,
    viewer: bytes | None,
    number: int,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[SpanRow]:
    """Return where a device was credited less than it claimed, the newest first.

    Guarantees: of a `members` resource the quantities are there for its owner alone, and only of
    the time that it owned the device. Raises: NotFound, InvalidInput for a cursor that is none.
    """
    record = device_record(connection, number)
    since, first_epoch = owned_since(connection, site, record)
    public, own = is_public(site, record.resource), viewer is not None and viewer == record.owner
    query = (
        select(span)
        .where(span.c.device == number)
        .order_by(span.c.epoch.desc(), span.c.number.desc())
        .limit(limit + 1)
    )
    where = decode_cursor(cursor, int, int)
    if where is not None:
        before, within = where
        query = query.where(
            span.c.epoch <= before,
            or_(span.c.epoch < before, span.c.number < within),
        )

    def build(row: Row[Any]) -> SpanRow:
        seen = public or (own and row.epoch >= first_epoch and row.start_s >= since)
        return SpanRow(
            epoch=row.epoch,
            number=row.number,
            start=row.start_s,
            length_s=row.length_s,
            reason=reason_text(site, row.reason),
            claimed=row.claimed if seen else None,
            credited=row.credited if seen else None,
        )

    rows = connection.execute(query).all()
    return page_of(rows, limit, lambda row: (row.epoch, row.number), build)


def payments_of(
    connection: Connection,
    site: Site,
    viewer: bytes | None,
    number: int,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[PaymentRow]:
    """Return payments for a device that the reader may see, the newest first.

    Guarantees: of a `members` resource only those that the reader pays or gets, or of epochs in
    all of which the reader owned the device.
    Raises: NotFound, InvalidInput for a cursor that is none.
    """
    record = device_record(connection, number)
    query = (
        select(payment)
        .where(payment.c.device == number)
        .order_by(payment.c.epoch.desc(), payment.c.number.desc())
        .limit(limit + 1)
    )
    if not is_public(site, record.resource):
        if viewer is None:
            decode_cursor(cursor, int, int)
            return Page[PaymentRow](items=[], next=None)
        concerned = or_(payment.c.payer == viewer, payment.c.payee == viewer)
        if viewer == record.owner:
            since, first_epoch = owned_since(connection, site, record)
            # the epoch in which it changed hands was the former owner's in part, or in whole
            own = payment.c.epoch > first_epoch if since else payment.c.epoch >= first_epoch
            concerned = or_(concerned, own)
        query = query.where(concerned)
    where = decode_cursor(cursor, int, int)
    if where is not None:
        before, within = where
        query = query.where(
            payment.c.epoch <= before,
            or_(payment.c.epoch < before, payment.c.number < within),
        )
    rows = connection.execute(query).all()
    refs = refs_of(connection, site, [number])
    return page_of(
        rows,
        limit,
        lambda row: (row.epoch, row.number),
        # the page of a device tells what it earned; who pays reads its own side
        lambda row: payment_row(site, row, refs, received=row.payer != viewer),
    )


def payment_row(
    site: Site, row: Row[Any], refs: Mapping[int, DeviceRef], *, received: bool
) -> PaymentRow:
    """Return a payment as it is shown; whether the reader may see it is the caller's matter.

    `received`: what it is for is said as who gets it reads it.
    """
    return PaymentRow(
        epoch=row.epoch,
        number=row.number,
        resource=row.resource,
        payer=party(site, row.payer),
        payee=party(site, row.payee),
        amount=amount_text(row.amount),
        purpose=row.purpose,
        purpose_text=purpose_text(site, row.resource, row.purpose, received=received),
        device=refs.get(row.device),
    )


def purpose_text(site: Site, resource: str, purpose: str, *, received: bool = False) -> str:
    """Return what a payment is for, in the reader's language, from the side of who reads it."""
    known = site.resources.get(resource)
    return purpose if known is None else gettext(known.purpose(purpose, received=received))
