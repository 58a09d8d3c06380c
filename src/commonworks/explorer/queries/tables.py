"""A resource's tables in words and as charts, whatever the resource."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from commonworks.explorer.index.schema import device
from commonworks.explorer.models.resources import (
    Chart,
    ChartMark,
    ChartSeries,
    CodeText,
    ColumnText,
    PictureText,
    ResourceSeries,
    TableText,
)
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import DeviceRef, Party, device_ref, party
from commonworks.explorer.web.words import reason_words
from commonworks.resources.base import Resource
from commonworks.resources.shown import CURRENCY, Holds, Picture, PictureKind, Series

ADDRESS_DIGITS = 42
IDS_AT_ONCE = 500
"""Devices looked up in one query."""


def said(text: str) -> str:
    """Return a text in the language of the request; nothing stays nothing."""
    return gettext(text) if text else ""


def column_text(site: Site, resource: Resource, table: str, column: str) -> ColumnText:
    """Return a column, or a total, in words."""
    heading = resource.heading(table, column)
    return ColumnText(
        key=column,
        words=said(heading.words),
        unit=said(heading.unit).replace(CURRENCY, site.network.currency_code),
        scale=heading.scale,
        digits=heading.digits,
        holds=heading.holds,
    )


def table_text(site: Site, resource: Resource, name: str, columns: str, rows: str) -> TableText:
    """Return a table of the index (JSON) in words."""
    return TableText(
        name=name,
        title=said(resource.heading(name, name).words),
        columns=[column_text(site, resource, name, key) for key in json.loads(columns)],
        rows=json.loads(rows),
    )


def code_words(site: Site, resource: Resource, code: str) -> str:
    """Return a code of a cell in words; one that nobody knows stands for itself."""
    if code in resource.purposes:
        return said(resource.purposes[code])
    if code in resource.headings:
        return said(resource.headings[code].words)
    return reason_words(site, code).title


def codes_in(site: Site, resource: Resource, tables: Sequence[TableText]) -> list[CodeText]:
    """Return the words of every code in the tables, by code."""
    found = sorted({str(cell) for cell in _cells(tables, Holds.CODE)})
    return [CodeText(code=code, words=code_words(site, resource, code)) for code in found]


def names_in(
    connection: Connection, site: Site, tables: Sequence[TableText]
) -> tuple[dict[int, DeviceRef], list[Party]]:
    """Return the devices by id and the accounts that tables name, as they are shown."""
    ids = sorted({cell for cell in _cells(tables, Holds.DEVICE) if isinstance(cell, int)})
    devices = {number: device_ref(site, number) for number in ids}
    columns = (device.c.device, device.c.thumbprint, device.c.resource)
    for first in range(0, len(ids), IDS_AT_ONCE):
        some = ids[first : first + IDS_AT_ONCE]
        for row in connection.execute(select(*columns).where(device.c.device.in_(some))):
            devices[row.device] = device_ref(site, row.device, row.thumbprint, row.resource)
    texts = sorted({str(cell) for cell in _cells(tables, Holds.ACCOUNT)})
    accounts = [
        party(site, bytes.fromhex(text[2:])) for text in texts if len(text) == ADDRESS_DIGITS
    ]
    return devices, accounts


def _cells(tables: Sequence[TableText], holds: Holds) -> Iterable[int | str]:
    for table in tables:
        for place, column in enumerate(table.columns):
            if column.holds is holds:
                yield from (row[place] for row in table.rows)


# --- pictures -------------------------------------------------------------------------------------


def pictures(
    site: Site,
    resource: Resource,
    tables: Sequence[TableText],
    own: Sequence[TableText],
    devices: Mapping[int, DeviceRef],
) -> list[PictureText]:
    """Return every picture that has something to show, as the resource orders them.

    Guarantees: a table of which only own rows are at hand is drawn from these, and says so.
    """
    public, mine = ({table.name: table for table in some} for some in (tables, own))
    found = []
    for picture in resource.pictures:
        table = public.get(picture.table) or mine.get(picture.table)
        if picture.kind is PictureKind.FIGURES or table is None or not table.rows:
            continue
        draw = _flow if picture.kind is PictureKind.FLOW else _over_time
        found.append(
            PictureText(
                name=picture.name,
                title=said(picture.title),
                explains=said(picture.explains),
                table=table.name,
                columns=_drawn(picture),
                own=picture.table not in public,
                chart=draw(site, resource, picture, table, devices),
            )
        )
    return found


def _drawn(picture: Picture) -> list[str]:
    """Return the columns that a picture draws, each once."""
    series = (item.column for item in picture.series)
    ends = (picture.x, picture.source, picture.target, picture.value)
    return list(dict.fromkeys(key for key in (*ends, *series) if key))


def shifted(value: int, scale: int) -> str:
    """Return an integer after shifting by `scale` decimal places, as digits."""
    if scale == 0:
        return str(value)
    whole, part = divmod(abs(value), 10**scale)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{scale}d}"


def _place(table: TableText, key: str) -> int:
    return next(place for place, column in enumerate(table.columns) if column.key == key)


def _over_time(
    site: Site,
    resource: Resource,
    picture: Picture,
    table: TableText,
    devices: Mapping[int, DeviceRef],
) -> Chart:
    """Draw columns over moments; rows of one moment are added up."""
    del site, resource, devices
    when = _place(table, picture.x)
    moments = sorted({int(row[when]) for row in table.rows})
    return Chart(
        kind=picture.kind,
        at=moments,
        series=[_series(table, item, when, moments) for item in picture.series],
    )


def _series(table: TableText, item: Series, when: int, moments: Sequence[int]) -> ChartSeries:
    place = _place(table, item.column)
    gate = _place(table, item.where) if item.where else None
    column = table.columns[place]
    sums: defaultdict[int, int] = defaultdict(int)
    for row in table.rows:
        if gate is None or row[gate]:
            sums[int(row[when])] += int(row[place])
    return ChartSeries(
        label=column.words,
        unit=column.unit,
        digits=column.digits,
        values=[shifted(sums[at], column.scale) if at in sums else None for at in moments],
        axis=item.axis,
        kind=item.kind,
        tone=item.tone,
        mirrored=item.mirrored,
    )


def _flow(
    site: Site,
    resource: Resource,
    picture: Picture,
    table: TableText,
    devices: Mapping[int, DeviceRef],
) -> Chart:
    """Draw what flows from sources to targets; the broadest first, names in words."""
    source, target, value = (
        _place(table, key) for key in (picture.source, picture.target, picture.value)
    )
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in table.rows:
        ends = (
            _name(site, resource, table.columns[place], row[place], devices)
            for place in (source, target)
        )
        sums[next(ends), next(ends)] += int(row[value])
    column = table.columns[value]
    return Chart(
        kind=picture.kind,
        unit=column.unit,
        digits=column.digits,
        links=[
            (begin, end, shifted(amount, column.scale))
            for (begin, end), amount in sorted(sums.items(), key=lambda item: -item[1])
            if amount > 0
        ],
    )


def _name(
    site: Site,
    resource: Resource,
    column: ColumnText,
    cell: Any,
    devices: Mapping[int, DeviceRef],
) -> str:
    """Return what a cell is called in a picture."""
    if column.holds is Holds.DEVICE:
        known = devices.get(cell)
        return f"{known.label} #{cell}" if known and known.label else f"#{cell}"
    if column.holds is Holds.ACCOUNT:
        label = site.labels.get(bytes.fromhex(str(cell)[2:]))
        return label or f"{str(cell)[:6]}…{str(cell)[-4:]}"
    if column.holds is Holds.CODE:
        return code_words(site, resource, str(cell))
    return str(cell)


def series_chart(series: ResourceSeries, marked: int) -> Chart:
    """Draw a total epoch by epoch, one of them marked."""
    column = series.column
    names = {p.epoch: gettext("Epoch %(number)s", number=p.epoch) for p in series.points}
    return Chart(
        kind=PictureKind.BARS,
        names=list(names.values()),
        series=[
            ChartSeries(
                label=column.words,
                unit=column.unit,
                digits=column.digits,
                values=[shifted(int(point.value), column.scale) for point in series.points],
            )
        ],
        marks=[
            ChartMark(name=names[epoch], label=gettext("shown above"))
            for epoch in names
            if epoch == marked
        ],
    )
