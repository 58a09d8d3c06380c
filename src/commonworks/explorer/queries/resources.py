"""Resources as they show themselves: tables from the index, words and pictures from the resource.

Rule: this module knows no resource; what a column is called and how a table is drawn comes from
`Resource.headings` and `Resource.pictures`. Rows that concern somebody are read by that account's
key only, so nobody else's can slip in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select
from sqlalchemy.sql import ColumnElement

from commonworks.errors import NotFound
from commonworks.explorer.index.schema import epoch as epochs
from commonworks.explorer.index.schema import statement, summary, tally, view, view_row
from commonworks.explorer.index.tallies import Tallied
from commonworks.explorer.models.resources import (
    PurposeText,
    ReasonCount,
    ResourceDetail,
    ResourceEpoch,
    ResourceRow,
    ResourceSeries,
    SeriesPoint,
    TableText,
    TotalText,
)
from commonworks.explorer.models.statements import ReasonText
from commonworks.explorer.queries.tables import (
    codes_in,
    column_text,
    names_in,
    said,
    table_text,
)
from commonworks.explorer.queries.tables import pictures as pictures_of
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.words import reason_words
from commonworks.resources.base import Resource
from commonworks.resources.shown import TOTALS, PictureKind

SERIES_EPOCHS_MAX: Final = 1_000
"""Most epochs of one series."""
OWN_ROWS_MAX: Final = 5_000
"""Most rows of an epoch that one account is shown."""


def resource_of(site: Site, name: str) -> Resource:
    """Return a resource of the network; raise NotFound."""
    found = site.resources.get(name)
    if found is None:
        known = ", ".join(sorted(site.resources))
        raise NotFound(
            gettext("this network has no resource %(name)s", name=repr(name[:31])),
            hint=gettext("it has: %(known)s", known=known),
        )
    return found


# --- the list, and one resource -------------------------------------------------------------------


def list_resources(connection: Connection, site: Site) -> list[ResourceRow]:
    """Return every resource of the network, by name."""
    return [_row(connection, site, one) for _, one in sorted(site.resources.items())]


def _row(connection: Connection, site: Site, resource: Resource) -> ResourceRow:
    newest = _edge(connection, resource, func.max(summary.c.epoch))
    totals = {} if newest is None else _totals(connection, resource, newest)
    return ResourceRow(
        name=resource.name,
        title=said(resource.title),
        unit=said(resource.unit),
        visibility=resource.visibility,
        newest=newest,
        figures=_figures(site, resource, totals),
    )


def describe(connection: Connection, site: Site, name: str) -> ResourceDetail:
    """Return a resource as it describes itself; raise NotFound."""
    resource = resource_of(site, name)
    row = _row(connection, site, resource)
    totals = [] if row.newest is None else sorted(_totals(connection, resource, row.newest))
    return ResourceDetail(
        **{key: getattr(row, key) for key in ResourceRow.model_fields},
        oldest=_edge(connection, resource, func.min(summary.c.epoch)),
        reasons=[_reason(site, code) for code in resource.reasons],
        purposes=[
            PurposeText(
                code=code,
                words=said(resource.purpose(code)),
                received=said(resource.purpose(code, received=True)),
            )
            for code in resource.purposes
        ],
        totals=[column_text(site, resource, TOTALS, key) for key in totals],
    )


def _edge(connection: Connection, resource: Resource, which: ColumnElement[Any]) -> int | None:
    found: int | None = connection.scalar(select(which).where(summary.c.resource == resource.name))
    return found


def _totals(connection: Connection, resource: Resource, epoch: int) -> dict[str, int]:
    rows = connection.execute(
        select(summary.c.key, summary.c.value)
        .where(summary.c.epoch == epoch, summary.c.resource == resource.name)
        .order_by(summary.c.key)
    )
    return {row.key: row.value for row in rows}


def figure_keys(resource: Resource) -> list[str]:
    """Return the totals that people look at first: the pictured figures, else the declared ones."""
    for picture in resource.pictures:
        if picture.kind is PictureKind.FIGURES:
            return [item.column for item in picture.series]
    return [figure.key for figure in resource.figures]


def _figures(site: Site, resource: Resource, totals: dict[str, int]) -> list[TotalText]:
    return [
        TotalText(column=column_text(site, resource, TOTALS, key), value=str(totals[key]))
        for key in figure_keys(resource)
        if key in totals
    ]


def _reason(site: Site, code: str) -> ReasonText:
    words = reason_words(site, code)
    return ReasonText(code=code, title=words.title, meaning=words.meaning, advice=words.advice)


# --- one epoch ------------------------------------------------------------------------------------


def epoch_of(
    connection: Connection, site: Site, name: str, number: int, viewer: bytes | None
) -> ResourceEpoch:
    """Return what a resource shows of a settled epoch.

    `viewer` is the account that signed in: rows that concern it are in `own`, and nobody else's.
    Raises: NotFound when there is no such resource, or the epoch is not settled.
    """
    resource = resource_of(site, name)
    settled = epochs.c.statements.is_not(None)
    times = connection.execute(
        select(epochs.c.start_s, epochs.c.end_s).where(epochs.c.epoch == number, settled)
    ).one_or_none()
    if times is None:
        raise NotFound(
            gettext("epoch %(number)s is not settled", number=number),
            hint=gettext("ask for an earlier one"),
        )
    totals = _totals(connection, resource, number)
    tables = _tables(connection, site, resource, number)
    own = [] if viewer is None else _own(connection, site, resource, number, viewer)
    devices, accounts = names_in(connection, site, [*tables, *own])
    return ResourceEpoch(
        resource=resource.name,
        title=said(resource.title),
        visibility=resource.visibility,
        epoch=number,
        start=times.start_s,
        end=times.end_s,
        previous=connection.scalar(
            select(func.max(epochs.c.epoch)).where(epochs.c.epoch < number, settled)
        ),
        following=connection.scalar(
            select(func.min(epochs.c.epoch)).where(epochs.c.epoch > number, settled)
        ),
        figures=_figures(site, resource, totals),
        figures_explained=next(
            (said(p.explains) for p in resource.pictures if p.kind is PictureKind.FIGURES), ""
        ),
        totals=[
            TotalText(column=column_text(site, resource, TOTALS, key), value=str(value))
            for key, value in totals.items()
        ],
        pictures=pictures_of(site, resource, tables, own, devices),
        tables=tables,
        own=own,
        rejected=_rejected(connection, site, resource, number),
        reduced=_reduced(connection, site, resource, number),
        devices=list(devices.values()),
        accounts=accounts,
        codes=codes_in(site, resource, [*tables, *own]),
    )


def newest_epoch(connection: Connection) -> int | None:
    """Return the newest settled epoch; None before the first."""
    found: int | None = connection.scalar(
        select(func.max(epochs.c.epoch)).where(epochs.c.statements.is_not(None))
    )
    return found


def _tables(connection: Connection, site: Site, resource: Resource, number: int) -> list[TableText]:
    """Return the tables that everybody may see, but the one that repeats the totals."""
    rows = connection.execute(
        select(view.c.name, view.c.columns, view.c.rows).where(
            view.c.epoch == number, view.c.resource == resource.name, view.c.name != TOTALS
        )
    )
    found = [table_text(site, resource, row.name, row.columns, row.rows) for row in rows]
    order = {picture.table: place for place, picture in reversed([*enumerate(resource.pictures)])}
    return sorted(found, key=lambda table: (order.get(table.name, len(order)), table.name))


def _own(
    connection: Connection, site: Site, resource: Resource, number: int, viewer: bytes
) -> list[TableText]:
    """Return the rows that concern an account, by table."""
    rows = connection.execute(
        select(view_row.c.name, view_row.c.columns, view_row.c.row)
        .where(
            view_row.c.account == viewer,
            view_row.c.resource == resource.name,
            view_row.c.epoch == number,
        )
        .order_by(view_row.c.name, view_row.c.number)
        .limit(OWN_ROWS_MAX)
    ).all()
    found = []
    for name in dict.fromkeys(row.name for row in rows):
        parts = [row for row in rows if row.name == name]
        joined = "[" + ",".join(row.row for row in parts) + "]"
        found.append(table_text(site, resource, name, parts[0].columns, joined))
    return found


def _rejected(
    connection: Connection, site: Site, resource: Resource, number: int
) -> list[ReasonCount]:
    """Count the resource's statements that were rejected, by reason."""
    columns = (statement.c.reason, func.count(), func.count(statement.c.device.distinct()))
    query = (
        select(*columns)
        .where(
            statement.c.epoch == number,
            statement.c.outcome == "rejected",
            statement.c.resource == resource.name,
        )
        .group_by(statement.c.reason)
    )
    key = ("resources.rejected", resource.name, number)
    rows = site.counts.of(connection, key, lambda c: [tuple(row) for row in c.execute(query)])
    return _by_count(site, rows)


def _reduced(
    connection: Connection, site: Site, resource: Resource, number: int
) -> list[ReasonCount]:
    """Return how many spans were not credited as claimed, by reason."""
    rows = connection.execute(
        select(tally.c.name, tally.c.rows, tally.c.parties).where(
            tally.c.epoch == number,
            tally.c.what == str(Tallied.SPAN),
            tally.c.resource == resource.name,
        )
    )
    return _by_count(site, [tuple(row) for row in rows])


def _by_count(site: Site, rows: Sequence[tuple[Any, ...]]) -> list[ReasonCount]:
    """Return rows of (reason, count, devices), the most frequent first."""
    return [
        ReasonCount(reason=_reason(site, code), count=count, devices=devices)
        for code, count, devices in sorted(rows, key=lambda row: (-row[1], row[0]))
    ]


# --- over time ------------------------------------------------------------------------------------


def series_of(
    connection: Connection, site: Site, name: str, figure: str, limit: int = SERIES_EPOCHS_MAX
) -> ResourceSeries:
    """Return a total of the newest `limit` epochs, oldest first; raise NotFound."""
    resource = resource_of(site, name)
    rows = connection.execute(
        select(summary.c.epoch, summary.c.value, epochs.c.start_s)
        .join(epochs, epochs.c.epoch == summary.c.epoch)
        .where(summary.c.resource == resource.name, summary.c.key == figure)
        .order_by(summary.c.epoch.desc())
        .limit(limit)
    ).all()
    if not rows and figure not in resource.headings:
        raise NotFound(
            gettext("%(name)s has no total %(figure)s", name=name, figure=repr(figure[:80])),
            hint=gettext("see `totals` of the resource"),
        )
    points = [
        SeriesPoint(epoch=row.epoch, start=row.start_s, value=str(row.value))
        for row in reversed(rows)
    ]
    column = column_text(site, resource, TOTALS, figure)
    return ResourceSeries(resource=resource.name, column=column, points=points)
