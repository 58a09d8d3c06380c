"""What a resource shows of itself: its words, and an epoch's tables, pictures and figures."""

from __future__ import annotations

from pydantic import Field

from commonworks.explorer.models.statements import ReasonText
from commonworks.explorer.web.model import DeviceRef, Model, Party, Time
from commonworks.resources.base import Visibility
from commonworks.resources.shown import Axis, Holds, PictureKind

SIGNED = r"^-?[0-9]{1,100}$"


class ColumnText(Model):
    """A column, or a total, in words."""

    key: str
    words: str = Field(description="For people, in the language of the request.")
    unit: str = Field(description="Unit after shifting by `scale` places; empty: none.")
    scale: int = Field(description="Decimal places between the integer and the unit.")
    digits: int = Field(description="Decimal places to show.")
    holds: Holds


class TotalText(Model):
    """A named total of an epoch."""

    column: ColumnText
    value: str = Field(pattern=SIGNED, description="Integer, before shifting by `scale` places.")


class TableText(Model):
    """A table that the resource made of an epoch."""

    name: str
    title: str
    columns: list[ColumnText]
    rows: list[list[int | str]] = Field(description="Integers before shifting; a cell a column.")


class ChartSeries(Model):
    """One line, area or row of bars."""

    label: str
    unit: str
    digits: int
    values: list[str | None] = Field(description="In the unit; null where there is no value.")
    axis: Axis = Axis.LEFT
    kind: PictureKind | None = None
    tone: int = 0
    mirrored: bool = False


class ChartMark(Model):
    """An upright line at a name."""

    name: str
    label: str


class Chart(Model):
    """What static/js/charts.js draws."""

    kind: PictureKind
    at: list[Time] = Field(default=[], description="Moments, for what is drawn over time.")
    names: list[str] = Field(default=[], description="One for each place, instead of moments.")
    series: list[ChartSeries] = Field(default=[])
    links: list[tuple[str, str, str]] = Field(
        default=[], description="Source, target and how much flows, in the unit."
    )
    unit: str = ""
    digits: int = 2
    marks: list[ChartMark] = Field(default=[])


class PictureText(Model):
    """A picture of one table."""

    name: str
    title: str
    explains: str
    table: str = Field(description="Table that it is drawn from.")
    columns: list[str] = Field(description="Columns of it that it draws.")
    own: bool = Field(description="Drawn from rows that concern the account that signed in.")
    chart: Chart


class ReasonCount(Model):
    """How often something was not accepted, or not in full, for one reason."""

    reason: ReasonText
    count: int
    devices: int = Field(description="Devices that it happened to.")


class CodeText(Model):
    """A code in cells, in words."""

    code: str
    words: str


class PurposeText(CodeText):
    """What a payment is for, as who pays reads it."""

    received: str = Field(description="The same as who gets it reads it.")


class ResourceRow(Model):
    """A resource in a list."""

    name: str
    title: str
    unit: str
    visibility: Visibility
    newest: int | None = Field(description="Newest epoch that has totals of it; null: none yet.")
    figures: list[TotalText] = Field(description="What people look at first, of that epoch.")


class ResourceDetail(ResourceRow):
    """A resource as it describes itself."""

    oldest: int | None = Field(description="Oldest epoch that has totals of it.")
    reasons: list[ReasonText] = Field(description="Every reason that it can give.")
    purposes: list[PurposeText] = Field(description="What payments are for.")
    totals: list[ColumnText] = Field(description="Totals that can be followed over time.")


class ResourceEpoch(Model):
    """What a resource shows of one settled epoch, to whoever asks."""

    resource: str
    title: str
    visibility: Visibility
    epoch: int
    start: Time
    end: Time
    previous: int | None = Field(description="Settled epoch before it.")
    following: int | None = Field(description="Settled epoch after it.")
    figures: list[TotalText]
    figures_explained: str
    totals: list[TotalText] = Field(description="Every named total.")
    pictures: list[PictureText]
    tables: list[TableText] = Field(description="Tables that everybody may see.")
    own: list[TableText] = Field(description="Rows that concern the account that signed in.")
    rejected: list[ReasonCount] = Field(description="Statements rejected, most frequent first.")
    reduced: list[ReasonCount] = Field(
        description="Spans of time that were not credited as claimed, most frequent first."
    )
    devices: list[DeviceRef] = Field(description="Devices that tables and pictures name.")
    accounts: list[Party] = Field(description="Accounts that tables name.")
    codes: list[CodeText] = Field(description="Codes in cells, in words.")


class SeriesPoint(Model):
    """A total of one epoch."""

    epoch: int
    start: Time
    value: str = Field(pattern=SIGNED, description="Integer, before shifting by `scale` places.")


class ResourceSeries(Model):
    """A total epoch by epoch, oldest first."""

    resource: str
    column: ColumnText
    points: list[SeriesPoint]
