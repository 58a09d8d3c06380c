"""What payments are for, as who gets them reads it; the rules hash does not cover these words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from commonworks.resources.energy.reasons import Purpose

RECEIVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        Purpose.TRADE: "Energy sold to a neighbour.",
        Purpose.UTILITY_IMPORT: "Energy delivered at the utility's retail tariff.",
        Purpose.UTILITY_EXPORT: "Energy sold to the utility at its feed-in tariff.",
    }
)
"""One sentence for each purpose that reads otherwise on this side; charges and taxes do not."""
