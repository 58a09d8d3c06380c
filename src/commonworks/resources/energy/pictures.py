"""Energy in words and pictures: what columns, totals and codes are called, how tables are drawn."""

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


def _energy(words: str) -> Heading:
    """Return the heading of what is counted in Wh and shown in kWh."""
    return Heading(words=words, unit="kWh", scale=3, digits=2)


def _money(words: str) -> Heading:
    """Return the heading of what is counted in micro-units of the currency."""
    return Heading(words=words, unit=CURRENCY, scale=6, digits=2)


def _price(words: str) -> Heading:
    """Return the heading of a price in micro-units per kWh."""
    return Heading(words=words, unit=f"{CURRENCY} per kWh", scale=6, digits=4)


def _device(words: str) -> Heading:
    return Heading(words=words, holds=Holds.DEVICE)


HEADINGS: Final[Mapping[str, Heading]] = MappingProxyType(
    {
        # tables
        TOTALS: Heading(words="Totals"),
        "prices": Heading(words="Price and volume by quarter-hour"),
        "balance": Heading(words="Balance against the feeder by quarter-hour"),
        "bills": Heading(words="Bills by device"),
        "flows": Heading(words="Who supplied whom"),
        "cuts": Heading(words="Less credited than claimed"),
        "outside": Heading(words="Due beside the deposit, at the utility's tariffs"),
        "sources": Heading(words="Where energy came from and went"),
        # columns
        "figure": Heading(words="Total", holds=Holds.CODE),
        "value": Heading(words="Value"),
        "start_s": Heading(words="Quarter-hour", holds=Holds.MOMENT),
        "device": _device("Device"),
        "seller_device": _device("Seller"),
        "buyer_device": _device("Buyer"),
        "account": Heading(words="Account", holds=Holds.ACCOUNT),
        "reason": Heading(words="Reason", holds=Holds.CODE),
        "source": Heading(words="From", holds=Holds.CODE),
        "target": Heading(words="To", holds=Holds.CODE),
        "corroborated": Heading(words="Seen by the feeder", holds=Holds.FLAG),
        "intervals": Heading(words="Intervals"),
        "price_micro_per_kwh": _price("Price"),
        "matched_wh": _energy("Shared"),
        "supply_wh": _energy("Sun fed in"),
        "demand_wh": _energy("Load"),
        "import_wh": _energy("Drawn, by the meters"),
        "export_wh": _energy("Fed in, by the meters"),
        "losses_wh": _energy("Lost in the cables"),
        "feeder_import_wh": _energy("Into the street, by the feeder"),
        "feeder_export_wh": _energy("Out of the street, by the feeder"),
        "residual_wh": _energy("Residual"),
        "tolerance_wh": _energy("Tolerance"),
        "bought_wh": _energy("Bought from neighbours"),
        "sold_wh": _energy("Sold to neighbours"),
        "paid_micro": _money("Paid"),
        "earned_micro": _money("Earned"),
        "rest_import_wh": _energy("Drawn from the utility"),
        "rest_export_wh": _energy("Fed to the utility"),
        "quantity_wh": _energy("Energy"),
        "energy_micro": _money("Paid for energy"),
        "claimed_wh": _energy("Claimed"),
        "credited_wh": _energy("Credited"),
        # totals
        "totals.import_wh": _energy("Drawn by the homes"),
        "totals.export_wh": _energy("Fed in by the homes"),
        "shared_wh": _energy("Shared between neighbours"),
        "mean_price_micro_per_kwh": _price("Mean price"),
        "savings_micro": _money("Saved against the utility"),
        "charges_micro": _money("Charges and tax on trades"),
        "utility_import_wh": _energy("Drawn from the utility"),
        "utility_export_wh": _energy("Fed to the utility"),
        "utility_unpaid_micro": _money("Left unpaid by the utility"),
        "grid_charge_micro_per_kwh": _price("Grid charge"),
        "unfunded_wh": _energy("Wanted without funds"),
        "cut_wh": _energy("Cut, beyond what the feeder saw"),
        "unattributed_wh": _energy("Drawn by nobody's account"),
        "late_import_wh": _energy("Drawn, known late"),
        "late_export_wh": _energy("Fed in, known late"),
        "intervals_without_feeder": Heading(words="Quarter-hours without the feeder"),
        "intervals_beyond_class": Heading(words="Quarter-hours beyond the tolerance"),
        # codes
        "sun": Heading(words="The neighbours' sun"),
        "homes": Heading(words="The neighbours' homes"),
        "utility": Heading(words="The utility's grid"),
    }
)
"""Words for everything that a page of energy names."""

PICTURES: Final = (
    Picture(
        name="figures",
        kind=PictureKind.FIGURES,
        title="The street in figures",
        explains="Saved: what the members paid less, and earned more, than the utility's tariffs "
        "would have given them for the same energy.",
        table=TOTALS,
        series=tuple(
            Series(column=key)
            for key in (
                "shared_wh",
                "savings_micro",
                "mean_price_micro_per_kwh",
                "cut_wh",
            )
        ),
    ),
    Picture(
        name="day",
        kind=PictureKind.AREA,
        title="Sun, load and what was shared",
        explains="What the roofs fed in and the homes drew in each quarter-hour, as verified, and "
        "how much of it neighbours traded.",
        table="prices",
        x="start_s",
        series=(
            Series(column="supply_wh", tone=4),
            Series(column="matched_wh", tone=1),
            Series(column="demand_wh", kind=PictureKind.LINE, tone=3),
        ),
    ),
    Picture(
        name="price",
        kind=PictureKind.LINE,
        title="The price among neighbours",
        explains="For the energy alone, without grid charge, levies and tax. A gap: nobody traded.",
        table="prices",
        x="start_s",
        series=(Series(column="price_micro_per_kwh", where="matched_wh"),),
    ),
    Picture(
        name="sources",
        kind=PictureKind.FLOW,
        title="Where energy came from and went",
        explains="From verified totals: what neighbours traded, what the homes drew from the "
        "utility, and what was left over for the utility's grid.",
        table="sources",
        source="source",
        target="target",
        value="quantity_wh",
    ),
    Picture(
        name="flows",
        kind=PictureKind.FLOW,
        title="Who supplied whom",
        explains="Energy that your devices bought from neighbours and sold to them.",
        table="flows",
        source="seller_device",
        target="buyer_device",
        value="quantity_wh",
    ),
    Picture(
        name="residual",
        kind=PictureKind.BARS,
        title="The feeder's check",
        explains="By how much the meters claimed more (above zero) or less than the feeder saw. "
        "Between the lines the meters' accuracy explains it; what is above zero is cut. A gap: "
        "the feeder was silent.",
        table="balance",
        x="start_s",
        series=(
            Series(column="residual_wh", where="corroborated"),
            Series(
                column="tolerance_wh", kind=PictureKind.LINE, where="corroborated", mirrored=True
            ),
        ),
    ),
)
"""How energy's tables are drawn, most important first."""
