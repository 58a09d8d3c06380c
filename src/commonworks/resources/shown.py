"""How a resource shows itself to people: words for its columns, and pictures of its tables.

Pages render these without knowing the resource. Nothing here takes part in settling, so the rules
hash does not cover it: words and pictures may change at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CURRENCY: Final = "{currency}"
"""Stands in units for what people call the network's settlement currency."""

TOTALS: Final = "totals"
"""Name of the table that repeats the summary as (key, value): pages show it in words."""


class Holds(StrEnum):
    """What the cells of a column are."""

    QUANTITY = "quantity"
    """An integer, shown after shifting by the heading's `scale`."""
    MOMENT = "moment"
    """Unix seconds."""
    DURATION = "duration"
    """Seconds."""
    DEVICE = "device"
    """A device id."""
    ACCOUNT = "account"
    """An account as 0x and 40 hexadecimal digits."""
    FLAG = "flag"
    """0 for no, anything else for yes."""
    CODE = "code"
    """Text with words of its own: a reason, a purpose, or the key of a heading."""
    TEXT = "text"
    """Text that is shown as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A column, a key of the summary, a code or a table in words."""

    words: str
    """For people, without the unit."""
    unit: str = ""
    """Unit after shifting by `scale` places; may hold `CURRENCY`."""
    scale: int = 0
    """Decimal places between the integer and the unit shown: 3 for thousandths."""
    digits: int = 0
    """Decimal places shown."""
    holds: Holds = Holds.QUANTITY


class PictureKind(StrEnum):
    """How a table is drawn."""

    LINE = "line"
    """Over time."""
    AREA = "area"
    """Over time, filled down to zero."""
    BARS = "bars"
    """Over time."""
    FLOW = "flow"
    """Ribbons from sources to targets, as broad as what flows (Sankey)."""
    FIGURES = "figures"
    """Numbers in large type."""


class Axis(StrEnum):
    """Which scale a series is read from."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One column of a table as a line, area or bars; words and unit are its heading's."""

    column: str
    """Of the picture's table; for figures a key of the summary."""
    axis: Axis = Axis.LEFT
    """All series of one axis have one unit."""
    kind: PictureKind | None = None
    """Drawn otherwise than the picture; None: like it."""
    where: str = ""
    """Column that is 0 where there is no value to show; empty: there always is one."""
    tone: int = 0
    """Colour of the page, 1..6 (deep green, orange, blue, gold, violet, grey); 0: by place."""
    mirrored: bool = False
    """Also drawn below zero: a tolerance, which is the same on both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How one table is drawn. Whoever may see the table's rows sees the picture of them."""

    name: str
    """Unique within the resource; lower case."""
    kind: PictureKind
    title: str
    """For people, a few words."""
    explains: str
    """For people, one or two sentences: what it shows and how to read it."""
    table: str
    """Name of the table; `TOTALS` for figures."""
    x: str = ""
    """Column with the moment, for what is drawn over time; rows of one moment are added up."""
    series: tuple[Series, ...] = ()
    """What is drawn over time, or the figures; the first is drawn first."""
    source: str = ""
    """Column whence it flows."""
    target: str = ""
    """Column whither it flows."""
    value: str = ""
    """Column with how much flows."""
