"""An epoch's money: totals, payments, rewards, residuals, and the payout tree's leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, select, tuple_

from commonworks.explorer.index.schema import (
    chain_event,
    movement,
    payment,
    payout,
    reward,
    summary,
    tally,
    work,
)
from commonworks.explorer.index.tallies import Tallied
from commonworks.explorer.models.devices import PaymentRow
from commonworks.explorer.models.epochs import (
    FigureRow,
    LeafRow,
    PurposeTotal,
    Residual,
    ResourceTotal,
    RewardPool,
    RewardRow,
    Withdrawn,
    WorkRow,
)
from commonworks.explorer.queries.device_lists import payment_row, purpose_text
from commonworks.explorer.queries.devices import refs_of
from commonworks.explorer.queries.privacy import is_public, may_see, public_resources
from commonworks.explorer.queries.tables import column_text
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text, amount_text, party
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of
from commonworks.resources.base import Figure, Resource
from commonworks.resources.shown import CURRENCY, TOTALS

RESIDUAL: Final = "residual"
"""Part of the key of a resource's total that says what is left over."""


def tallies_of(connection: Connection, number: int, what: Tallied) -> list[Row[Any]]:
    """Return what an epoch's rows come to, by resource and name; nothing of an unsettled one."""
    rows = select(tally).where(tally.c.epoch == number, tally.c.what == str(what))
    return list(connection.execute(rows.order_by(tally.c.resource, tally.c.name)))


def resources_of(connection: Connection, site: Site, number: int) -> list[ResourceTotal]:
    """Return what an epoch came to for each resource, in the figures that it wants shown."""
    totals: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(select(summary).where(summary.c.epoch == number)):
        totals[row.resource][row.key] = row.value
    done = {
        row.resource: (row.parties, row.total)
        for row in tallies_of(connection, number, Tallied.WORK)
    }
    earned = {pool.pool: pool.amount_wei for pool in pools_of(connection, number)}
    found = []
    for name in sorted({*totals, *done}):
        resource = site.resources.get(name)
        figures = () if resource is None else resource.figures
        devices, quantity = done.get(name, (0, 0))
        found.append(
            ResourceTotal(
                resource=name,
                title=None if resource is None else gettext(resource.title),
                private=not is_public(site, name),
                figures=[
                    _figure(site, resource, one, totals[name][one.key])
                    for one in figures
                    if resource is not None and one.key in totals[name]
                ],
                devices=devices,
                quantity=quantity,
                unit=None if resource is None else resource.unit,
                rewards_wei=earned.get(name, "0"),
            )
        )
    return found


def _figure(site: Site, resource: Resource, one: Figure, value: int) -> FigureRow:
    """Return a figure under the heading of its resource's page: one thing has one name."""
    column = column_text(site, resource, TOTALS, one.key)
    named = column.words != one.key
    return FigureRow(
        key=one.key,
        label=column.words if named else gettext(one.label),
        value=str(value),
        scale=one.scale,
        digits=one.digits,
        unit=column.unit if named else one.unit,
    )


# --- payments -------------------------------------------------------------------------------------


def purposes_of(connection: Connection, site: Site, number: int) -> list[PurposeTotal]:
    """Return an epoch's payments by purpose; totals are for everybody."""
    return [
        PurposeTotal(
            resource=row.resource,
            purpose=row.name,
            purpose_text=purpose_text(site, row.resource, row.name),
            payments=row.rows,
            amount=amount_text(row.total),
        )
        for row in tallies_of(connection, number, Tallied.PAYMENT)
    ]


def list_payments(
    connection: Connection,
    site: Site,
    viewer: bytes | None,
    number: int,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[PaymentRow]:
    """Return an epoch's payments that the reader may see, in the settlement's order.

    Guarantees: of a `members` resource only those that the reader pays or gets.
    Raises: InvalidInput for a cursor that is none.
    """
    where = decode_cursor(cursor, int)
    base = select(payment).where(payment.c.epoch == number)
    if where is not None:
        base = base.where(payment.c.number > where[0])
    walks: list[Select[Any]] = []
    public = public_resources(site)
    if public:
        walks.append(base.where(payment.c.resource.in_(public)))
    if viewer is not None:
        walks += [base.where(payment.c.payer == viewer), base.where(payment.c.payee == viewer)]
    found: dict[int, Row[Any]] = {}
    for walk in walks:
        rows = connection.execute(walk.order_by(payment.c.number).limit(limit + 1))
        found |= {row.number: row for row in rows}
    rows_shown = [found[place] for place in sorted(found)[: limit + 1]]
    refs = refs_of(connection, site, [row.device for row in rows_shown if row.device])
    return page_of(
        rows_shown,
        limit,
        lambda row: (row.number,),
        lambda row: payment_row(site, row, refs, received=row.payee == viewer),
    )


# --- emission -------------------------------------------------------------------------------------


def pools_of(connection: Connection, number: int) -> list[RewardPool]:
    """Return what the emission gave by resource and by kind of service; public by nature."""
    return [
        RewardPool(pool=row.resource, accounts=row.parties, amount_wei=amount_text(row.total))
        for row in tallies_of(connection, number, Tallied.REWARD)
    ]


def list_rewards(
    connection: Connection, site: Site, number: int, *, limit: int, cursor: str | None = None
) -> Page[RewardRow]:
    """Return an epoch's rewards, in its order. Raises InvalidInput for no cursor of its own."""
    where = decode_cursor(cursor, int)
    query = select(reward).where(reward.c.epoch == number)
    if where is not None:
        query = query.where(reward.c.number > where[0])
    rows = connection.execute(query.order_by(reward.c.number).limit(limit + 1)).all()
    return page_of(
        rows,
        limit,
        lambda row: (row.number,),
        lambda row: RewardRow(
            number=row.number,
            pool=row.resource,
            account=party(site, row.account),
            amount_wei=amount_text(row.amount_wei),
        ),
    )


def residuals_of(connection: Connection, site: Site, row: Row[Any]) -> list[Residual]:
    """Return what an epoch left over, by name: of the emission, and of each resource's totals."""
    if row.unminted_wei is None:
        return []
    found = [
        Residual(
            name=gettext("Not minted"),
            value=amount_text(row.unminted_wei),
            asset=address_text(site.network.token),
            unit="",
            scale=0,
            digits=0,
            meaning=gettext(
                "The schedule allowed it and nobody earned it: it never comes into being."
            ),
        )
    ]
    query = select(summary).where(summary.c.epoch == row.epoch).order_by(summary.c.resource)
    for one in connection.execute(query):
        resource = site.resources.get(one.resource)
        if resource is None or RESIDUAL not in one.key or one.key not in resource.headings:
            continue
        heading = resource.headings[one.key]
        found.append(
            Residual(
                name=gettext(heading.words),
                value=str(one.value),
                asset=None,
                unit=heading.unit.replace(CURRENCY, site.network.currency_code),
                scale=heading.scale,
                digits=heading.digits,
                meaning=gettext(
                    "%(resource)s: what its rules could not assign to anybody.",
                    resource=gettext(resource.title),
                ),
            )
        )
    return found


def withdrawn_of(connection: Connection, row: Row[Any]) -> list[Withdrawn]:
    """Return the deposits that an epoch gave back: booked under the block that finalised it."""
    if row.finalised_tx is None:
        return []
    block = (
        select(chain_event.c.block)
        .where(chain_event.c.tx == row.finalised_tx, chain_event.c.kind == "finalised")
        .limit(1)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(movement.c.asset, movement.c.amount).where(
            movement.c.block == block,
            movement.c.kind == "withdrawn",
            movement.c.epoch == row.epoch,
        )
    ).all()
    return [
        Withdrawn(
            asset=address_text(asset),
            requests=sum(one.asset == asset for one in rows),
            amount=amount_text(sum(one.amount for one in rows if one.asset == asset)),
        )
        for asset in sorted({one.asset for one in rows})
    ]


# --- the payout tree ------------------------------------------------------------------------------


def list_leaves(
    connection: Connection,
    site: Site,
    number: int,
    *,
    limit: int,
    cursor: str | None = None,
    account: bytes | None = None,
) -> Page[LeafRow]:
    """Return the leaves of an epoch's payout tree, by asset and account.

    A leaf is its newest row up to that epoch. Raises: InvalidInput for a cursor that is none.
    """
    newest = (
        select(
            payout.c.asset,
            payout.c.account,
            func.max(payout.c.epoch).label("epoch"),
        )
        .where(payout.c.epoch <= number)
        .group_by(payout.c.asset, payout.c.account)
        .order_by(payout.c.asset, payout.c.account)
        .limit(limit + 1)
    )
    if account is not None:
        newest = newest.where(payout.c.account == account)
    where = decode_cursor(cursor, bytes, bytes)
    if where is not None:
        newest = newest.where(tuple_(payout.c.asset, payout.c.account) > where)
    keys = newest.subquery()
    query = (
        select(payout)
        .join(
            keys,
            (payout.c.asset == keys.c.asset)
            & (payout.c.account == keys.c.account)
            & (payout.c.epoch == keys.c.epoch),
        )
        .order_by(payout.c.asset, payout.c.account)
    )
    return page_of(
        connection.execute(query).all(),
        limit,
        lambda row: (row.asset, row.account),
        lambda row: LeafRow(
            asset=address_text(row.asset),
            symbol=site.asset(row.asset)[0],
            account=party(site, row.account),
            earned=amount_text(row.earned),
            spent=amount_text(row.spent),
            changed_in=row.epoch,
            proof=f"/proofs/payout/{number}/{address_text(row.asset)}/{address_text(row.account)}",
        ),
    )


# --- work -----------------------------------------------------------------------------------------


def list_work(
    connection: Connection,
    site: Site,
    viewer: bytes | None,
    number: int,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[WorkRow]:
    """Return an epoch's work by resource and device; the quantity for those concerned.

    Raises: InvalidInput for a cursor that is none.
    """
    where = decode_cursor(cursor, str, int)
    query = select(work).where(work.c.epoch == number)
    if where is not None:
        query = query.where(tuple_(work.c.resource, work.c.device) > where)
    query = query.order_by(work.c.resource, work.c.device).limit(limit + 1)
    rows: Sequence[Row[Any]] = connection.execute(query).all()
    refs = refs_of(connection, site, [row.device for row in rows[:limit]])

    def build(row: Row[Any]) -> WorkRow:
        ref, resource = refs.get(row.device), site.resources.get(row.resource)
        seen = may_see(site, row.resource, viewer, row.account)
        return WorkRow(
            resource=row.resource,
            device=row.device,
            label=None if ref is None else ref.label,
            account=party(site, row.account),
            quality_ppm=row.quality_ppm,
            density_ppm=row.density_ppm,
            quantity=row.quantity if seen else None,
            unit=None if resource is None else resource.unit,
        )

    return page_of(rows, limit, lambda row: (row.resource, row.device), build)
