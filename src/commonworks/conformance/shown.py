"""How a resource shows itself: words for columns and codes, pictures, and what is private."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from commonworks.conformance.findings import Finding, Rule
from commonworks.model import ResourceResult
from commonworks.resources.base import Resource, Table, Visibility
from commonworks.resources.shown import TOTALS, Axis, Holds, Picture, PictureKind

OVER_TIME: Final = frozenset({PictureKind.LINE, PictureKind.AREA, PictureKind.BARS})
PERSONAL: Final = frozenset({Holds.DEVICE, Holds.ACCOUNT})
INTEGERS: Final = frozenset({*Holds} - {Holds.ACCOUNT, Holds.CODE, Holds.TEXT})
ACCOUNT_DIGITS: Final = 42
"""Length of an account in a cell, 0x included."""


def check_pictures(resource: Resource) -> Iterator[Finding]:
    """Yield pictures that lack words or what their kind asks for."""
    names = Counter(picture.name for picture in resource.pictures)
    for picture in resource.pictures:
        where = f"picture {picture.name}"
        if names[picture.name] > 1 or not picture.name:
            yield Finding(rule=Rule.PICTURES, where=where, message="needs a name of its own")
        if not picture.title.strip() or not picture.explains.strip():
            yield Finding(rule=Rule.DOCUMENTED, where=where, message="needs title and explanation")
        for message in _lacks(resource, picture):
            yield Finding(rule=Rule.PICTURES, where=where, message=message)


def _lacks(resource: Resource, picture: Picture) -> Iterator[str]:
    flow = (picture.source, picture.target, picture.value)
    if picture.kind is PictureKind.FLOW:
        if not all(flow) or picture.x or picture.series:
            yield "a flow has source, target and value, and nothing else"
        return
    if any(flow) or bool(picture.x) is not (picture.kind in OVER_TIME) or not picture.series:
        yield "has series; a moment on x where it is drawn over time, and nothing of a flow"
    if picture.kind is PictureKind.FIGURES and picture.table != TOTALS:
        yield f"figures are of {TOTALS}"
    if any(item.kind not in {None, *OVER_TIME} for item in picture.series):
        yield "a series is a line, an area or bars"
    for axis in Axis if picture.kind in OVER_TIME else ():
        drawn = [s.column for s in picture.series if s.axis is axis]
        if len({resource.heading(picture.table, column).unit for column in drawn}) > 1:
            yield f"the {axis} axis has more than one unit"


def check_shown(
    resource: Resource, tables: Sequence[Table], result: ResourceResult, where: str
) -> Iterator[Finding]:
    """Yield tables and totals without words, pictures without columns, and what is not private."""
    for table in tables:
        yield from _table(resource, table, where)
    for key in result.summary:
        if f"{TOTALS}.{key}" not in resource.headings and key not in resource.headings:
            message = f"total {key} has no heading"
            yield Finding(rule=Rule.DOCUMENTED, where=where, message=message)
    columns = {table.name: {*table.columns} for table in tables}
    for picture in resource.pictures:
        if picture.kind is PictureKind.FIGURES:
            continue  # like a figure, a total may be missing where nothing was verified
        named = {picture.x, picture.source, picture.target, picture.value}
        named |= {name for item in picture.series for name in (item.column, item.where)}
        for column in sorted(named - {""} - columns.get(picture.table, set())):
            message = f"picture {picture.name}: table {picture.table!r} has no column {column}"
            yield Finding(rule=Rule.PICTURES, where=where, message=message)


def _table(resource: Resource, table: Table, where: str) -> Iterator[Finding]:
    def wrong(rule: Rule, message: str) -> Finding:
        return Finding(rule=rule, where=where, message=f"table {table.name}: {message}")

    if table.name not in resource.headings:
        yield wrong(Rule.DOCUMENTED, "has no heading")
    personal = []
    for place, column in enumerate(table.columns):
        if not {f"{table.name}.{column}", column} & set(resource.headings):
            yield wrong(Rule.DOCUMENTED, f"column {column} has no heading")
            continue
        holds = resource.heading(table.name, column).holds
        cells = [row[place] for row in table.rows if place < len(row)]
        if not all(_fits(holds, cell) for cell in cells):
            yield wrong(Rule.VIEWS, f"column {column} does not hold what its heading says: {holds}")
        if holds in PERSONAL:
            personal.append(column)
    for column in sorted({*table.concerns} - {*personal}):
        yield wrong(Rule.PRIVATE, f"concerns {column}, which holds no device and no account")
    if resource.visibility is Visibility.MEMBERS and {*personal} - {*table.concerns}:
        yield wrong(Rule.PRIVATE, "everybody would see rows of a device or an account")


def _fits(holds: Holds, cell: object) -> bool:
    if holds in INTEGERS:
        return isinstance(cell, int)
    if holds is Holds.ACCOUNT:
        return isinstance(cell, str) and len(cell) == ACCOUNT_DIGITS and cell.startswith("0x")
    return isinstance(cell, str)
