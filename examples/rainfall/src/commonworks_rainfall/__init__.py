"""Rainfall: gauges of one cell confirm each other; subscribers pay for the verified record."""

from __future__ import annotations

from typing import Final

from commonworks.resources.base import Figure, Resource, Rules, Visibility
from commonworks.statements.model import Kind
from commonworks_rainfall.market_v1 import market
from commonworks_rainfall.parameters import PARAMETERS
from commonworks_rainfall.readings import ORDER, REPORT
from commonworks_rainfall.reasons import PURPOSES, REASONS
from commonworks_rainfall.verify_v1 import verify
from commonworks_rainfall.views import views
from commonworks_rainfall.words import ADVICE, HEADINGS, PICTURES, RECEIVED

RESOURCE: Final = Resource(
    name="rainfall",
    title="Rain measured by neighbours who confirm each other",
    unit="readings",
    visibility=Visibility.PUBLIC,
    schemas={Kind.REPORT: REPORT, Kind.ORDER: ORDER},
    reasons=REASONS,
    purposes=PURPOSES,
    parameters=PARAMETERS,
    rules=Rules(
        version=1,
        modules=tuple(
            f"commonworks_rainfall.{name}"
            for name in ("readings", "parameters", "reasons", "verify_v1", "market_v1")
        ),
        verify=verify,
        market=market,
    ),
    figures=(
        Figure(key="verified_readings", label="verified", unit="rain readings", scale=0),
        Figure(key="disputed_readings", label="disputed", unit="rain readings", scale=0),
    ),
    views=views,
    headings=HEADINGS,
    pictures=PICTURES,
    advice=ADVICE,
    received=RECEIVED,
)
