"""Rainfall in words and pictures: what columns and totals are called, what an owner should do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from commonworks.resources.shown import (
    CURRENCY,
    TOTALS,
    Heading,
    Holds,
    Picture,
    PictureKind,
    Series,
)
from commonworks_rainfall.reasons import SUBSCRIPTION, Why

ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        Why.NO_CELL: "Enrol the gauge again, with the place where it stands.",
        Why.OFF_SLOT: "Let the agent read the gauge at full ten minutes, and set its clock.",
        Why.FORECAST: "Set the clock of the gauge and of its agent.",
        Why.CONTRADICTION: "Make sure that only one agent reads and signs for this gauge.",
        Why.UNWITNESSED: "Win a neighbour for a gauge: readings count when others confirm them.",
        Why.DISAGREEMENT: "Clean the gauge, level it, and see that nothing stands over it.",
        Why.UNFUNDED: "Deposit more, or raise the device's spending limit.",
    }
)
"""One sentence for each reason."""

RECEIVED: Final[Mapping[str, str]] = MappingProxyType(
    {SUBSCRIPTION: "A subscriber's share for your verified readings."}
)
"""What a payment is for, as who gets it reads it."""

HEADINGS: Final[Mapping[str, Heading]] = MappingProxyType(
    {
        TOTALS: Heading(words="Totals"),
        "rain": Heading(words="Rain by ten minutes and cell"),
        "stations": Heading(words="Verified readings by station"),
        "disputes": Heading(words="What was not credited"),
        "figure": Heading(words="Total", holds=Holds.CODE),
        "value": Heading(words="Value"),
        "start_s": Heading(words="Begin", holds=Holds.MOMENT),
        "cell": Heading(words="Cell", holds=Holds.TEXT),
        "rain_um": Heading(words="Rain", unit="mm", scale=3, digits=1),
        "rain.stations": Heading(words="Stations that agree"),
        "device": Heading(words="Station", holds=Holds.DEVICE),
        "account": Heading(words="Account", holds=Holds.ACCOUNT),
        "reason": Heading(words="Reason", holds=Holds.CODE),
        "verified_readings": Heading(words="Verified readings"),
        "disputed_readings": Heading(words="Disputed readings"),
        "subscribed_micro": Heading(words="Paid by subscribers", unit=CURRENCY, scale=6, digits=2),
        "unsplit_micro": Heading(words="Left by rounding", unit=CURRENCY, scale=6, digits=6),
    }
)
"""Words for every table, column and total."""

PICTURES: Final = (
    Picture(
        name="figures",
        kind=PictureKind.FIGURES,
        title="The rain in figures",
        explains="A reading is verified when most neighbours of its cell measured the like.",
        table=TOTALS,
        series=(
            Series(column="verified_readings"),
            Series(column="disputed_readings"),
            Series(column="subscribed_micro"),
        ),
    ),
    Picture(
        name="agreement",
        kind=PictureKind.BARS,
        title="Stations that agree",
        explains="How many gauges of all cells measured the like in the same ten minutes.",
        table="rain",
        x="start_s",
        series=(Series(column="stations"),),
    ),
)
"""How rainfall's tables are drawn."""
