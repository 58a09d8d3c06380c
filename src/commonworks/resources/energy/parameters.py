"""What members can vote on about energy. Charges stand in every local price and in the savings."""

from __future__ import annotations

from typing import Final

from commonworks.policy import ADDRESS_MAX, Parameter
from commonworks.units import PPM

PARAMETERS: Final[tuple[Parameter, ...]] = (
    Parameter(
        key="energy.emission_ppm", unit="ppm", minimum=0, maximum=PPM, default=600_000,
        description="Share of each epoch's emission that verified local supply can earn.",
    ),
    Parameter(
        key="energy.grid_charge", unit="micro per kWh", minimum=0, maximum=1_000_000,
        default=60_000, description="Grid charge on energy traded within the street.",
    ),
    Parameter(
        key="energy.levy", unit="micro per kWh", minimum=0, maximum=1_000_000, default=20_500,
        description="Taxes and levies per kWh on energy traded within the street.",
    ),
    Parameter(
        key="energy.vat_ppm", unit="ppm", minimum=0, maximum=500_000, default=190_000,
        description="Value added tax on energy price, grid charge and levy.",
    ),
    Parameter(
        key="energy.grid_account", unit="address", minimum=0, maximum=ADDRESS_MAX, default=0,
        description="Account that receives grid charges; nobody: none are due.",
    ),
    Parameter(
        key="energy.levy_account", unit="address", minimum=0, maximum=ADDRESS_MAX, default=0,
        description="Account that receives levies; nobody: none are due.",
    ),
    Parameter(
        key="energy.vat_account", unit="address", minimum=0, maximum=ADDRESS_MAX, default=0,
        description="Account that receives value added tax; nobody: none is due.",
    ),
    Parameter(
        key="energy.utility_account", unit="address", minimum=0, maximum=ADDRESS_MAX, default=0,
        description="Utility that settles what the street did not match; nobody: only recorded.",
    ),
    Parameter(
        key="energy.token_price", unit="micro per token", minimum=1, maximum=10**12,
        default=100_000, description="Reference price that weighs rewards against charges.",
    ),
    Parameter(
        key="energy.reward_ratio_ppm", unit="ppm", minimum=0, maximum=900_000, default=500_000,
        description="Most that rewards may return of the charges a trade paid; below 1 by rule.",
    ),
)  # fmt: skip
"""The reward ratio stays below one so that trading with oneself always loses."""
