"""What members can vote on about rainfall."""

from __future__ import annotations

from typing import Final

from commonworks.policy import Parameter
from commonworks.units import PPM, WEI

PARAMETERS: Final[tuple[Parameter, ...]] = (
    Parameter(
        key="rainfall.emission_ppm", unit="ppm", minimum=0, maximum=PPM, default=200_000,
        description="Share of each epoch's emission that verified readings can earn.",
    ),
    Parameter(
        key="rainfall.reading_wei", unit="wei", minimum=0, maximum=WEI, default=WEI // 100,
        description="Most that one verified reading can earn from the emission.",
    ),
    Parameter(
        key="rainfall.witnesses", unit="accounts", minimum=1, maximum=100, default=2,
        description="Fewest other accounts of a cell that must have measured the same minutes.",
    ),
    Parameter(
        key="rainfall.tolerance_um", unit="um", minimum=0, maximum=10_000, default=400,
        description="By how much two gauges of a cell may differ whatever the rain.",
    ),
    Parameter(
        key="rainfall.tolerance_ppm", unit="ppm", minimum=0, maximum=PPM, default=250_000,
        description="By how much more they may differ, as a share of the larger reading.",
    ),
    Parameter(
        key="rainfall.cell_stations", unit="stations", minimum=1, maximum=1_000, default=4,
        description="Stations of a cell that earn in full; more of them share what these earn.",
    ),
)  # fmt: skip
