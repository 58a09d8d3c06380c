"""Energy: smart meters share and trade a street's surplus, checked against its feeder."""

from __future__ import annotations

from typing import Final

from commonworks.resources.base import Figure, Resource, Rules, Visibility
from commonworks.resources.energy.advice import ADVICE
from commonworks.resources.energy.market_v1 import market
from commonworks.resources.energy.parameters import PARAMETERS
from commonworks.resources.energy.pictures import HEADINGS, PICTURES
from commonworks.resources.energy.readings import ORDER, REPLACE, REPORT, SITE
from commonworks.resources.energy.reasons import PURPOSES, REASONS
from commonworks.resources.energy.received import RECEIVED
from commonworks.resources.energy.verify_v1 import verify
from commonworks.resources.energy.views import views
from commonworks.statements.model import Kind

_FOLDER: Final = "commonworks.resources.energy"

RESOURCE: Final = Resource(
    name="energy",
    title="Energy shared and traded between neighbours",
    unit="Wh",
    visibility=Visibility.MEMBERS,
    schemas={
        Kind.REPORT: REPORT,
        Kind.ORDER: ORDER,
        Kind.REPLACE: REPLACE,
        Kind.SITE: SITE,
    },
    reasons=REASONS,
    purposes=PURPOSES,
    parameters=PARAMETERS,
    rules=Rules(
        version=1,
        modules=tuple(
            f"{_FOLDER}.{name}"
            for name in (
                "readings", "parameters", "reasons", "losses", "site_v1", "state_v1",
                "registers_v1", "balance_v1", "orders_v1", "verify_v1", "auction_v1", "market_v1",
            )
        ),
        verify=verify,
        market=market,
    ),
    figures=(
        Figure(key="shared_wh", label="shared", unit="kWh", scale=3),
        Figure(
            key="mean_price_micro_per_kwh", label="mean price", unit="per kWh", scale=6, digits=4
        ),
        Figure(key="cut_wh", label="cut by the feeder", unit="kWh", scale=3),
    ),
    views=views,
    headings=HEADINGS,
    pictures=PICTURES,
    advice=ADVICE,
    received=RECEIVED,
)  # fmt: skip
