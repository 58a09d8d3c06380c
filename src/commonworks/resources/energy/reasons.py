"""Why energy is not credited, and what payments are for: closed lists, published for ever."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Why(StrEnum):
    """Reasons of this resource, for whole statements and for single intervals."""

    NO_SITE = "energy.no_site"
    NOT_IN_SITE = "energy.not_in_site"
    MISALIGNED = "energy.misaligned"
    FUTURE = "energy.future"
    CONFLICTING = "energy.conflicting"
    ALREADY_SETTLED = "energy.already_settled"
    OVER_RATING = "energy.over_rating"
    REGISTER_FELL = "energy.register_fell"
    BEYOND_CLEAR_SKY = "energy.beyond_clear_sky"
    BALANCE_CUT = "energy.balance_cut"
    LATE = "energy.late"
    LATE_UNSEEN = "energy.late_unseen"
    UNFUNDED = "energy.unfunded"


REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Why.NO_SITE: "No site table is in force, so nothing can be verified.",
        Why.NOT_IN_SITE: "The meter is not in the street's site table.",
        Why.MISALIGNED: "The reading does not lie on a quarter-hour mark.",
        Why.FUTURE: "The reading is of a moment that had not come when the chain covered it.",
        Why.CONFLICTING: "The meter signed two different readings for one moment.",
        Why.ALREADY_SETTLED: "A reading of this moment or later was settled before.",
        Why.OVER_RATING: "More energy than the connection can carry in that time.",
        Why.REGISTER_FELL: "A register stands lower than before, and no replacement was signed.",
        Why.BEYOND_CLEAR_SKY: "More export than the plant can yield under the clearest sky.",
        Why.BALANCE_CUT: "The street claimed more than its feeder saw; shared pro rata.",
        Why.LATE: "Not known quarter by quarter in time; settled at the utility's tariff.",
        Why.LATE_UNSEEN: "Late export beyond what the feeder saw and nobody was credited.",
        Why.UNFUNDED: "The bid goes beyond the free deposit or the device's spending limit.",
    }
)
"""One sentence for each reason."""


class Purpose(StrEnum):
    """What a payment is for."""

    TRADE = "energy.trade"
    GRID = "energy.grid_charge"
    LEVY = "energy.levy"
    VAT = "energy.vat"
    UTILITY_IMPORT = "energy.utility_import"
    UTILITY_EXPORT = "energy.utility_export"


PURPOSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        Purpose.TRADE: "Energy bought from a neighbour.",
        Purpose.GRID: "Grid charge on a local trade.",
        Purpose.LEVY: "Levies on a local trade.",
        Purpose.VAT: "Value added tax on a local trade.",
        Purpose.UTILITY_IMPORT: "Energy drawn from the utility at its retail tariff.",
        Purpose.UTILITY_EXPORT: "Energy fed into the utility's grid at its feed-in tariff.",
    }
)
"""One sentence for each purpose."""
