"""Why a reading is not credited, and what payments are for: closed lists, published for ever."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Why(StrEnum):
    """Reasons of this resource, for whole statements and for single readings."""

    NO_CELL = "rainfall.no_cell"
    OFF_SLOT = "rainfall.off_slot"
    FORECAST = "rainfall.forecast"
    CONTRADICTION = "rainfall.contradiction"
    UNWITNESSED = "rainfall.unwitnessed"
    DISAGREEMENT = "rainfall.disagreement"
    UNFUNDED = "rainfall.unfunded"


REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Why.NO_CELL: "The station was enrolled without a cell, so it has no neighbours.",
        Why.OFF_SLOT: "No reading of it lies on a ten-minute mark of the epoch that settles.",
        Why.FORECAST: "The chain covered it before the minutes that it speaks of were over.",
        Why.CONTRADICTION: "The station signed two different readings of the same minutes.",
        Why.UNWITNESSED: "Too few other accounts of the cell measured the same minutes.",
        Why.DISAGREEMENT: "Not more than half of the cell's other accounts measured the like.",
        Why.UNFUNDED: "The subscription goes beyond the free deposit or the device's limit.",
    }
)
"""One sentence for each reason."""

SUBSCRIPTION: Final = "rainfall.subscription"
PURPOSES: Final[Mapping[str, str]] = MappingProxyType(
    {SUBSCRIPTION: "A subscriber's share for an account's verified readings."}
)
"""One sentence for each purpose."""
