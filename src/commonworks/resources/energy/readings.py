"""What energy statements carry: columns, units, ranges.

A meter reports cumulative registers, as real meters do (OBIS 1.8.0 import, 2.8.0 export), read at
the quarter-hour marks; a gap in the readings therefore loses no energy.
"""

from __future__ import annotations

from typing import Final

from commonworks.statements.model import Column, DType, Kind, Record, Schema, Signer
from commonworks.units import DAY_S, INT63_MAX

INTERVAL_S: Final = 900
"""Length of a metering interval; readings lie on its multiples (Unix seconds)."""
READINGS_MAX: Final = 2_000
"""Most readings in one report: about three weeks of quarter-hours."""
METERS_MAX: Final = 1_000
"""Most meters behind one feeder in one site table."""
SKY_MAX: Final = 6_000
"""Most intervals of one clear-sky table: about two months."""
PRICE_MAX: Final = 10_000_000
"""Highest price in micro-units per kWh."""
NO_PARENT: Final = 65_535
"""Parent of a branch that starts at the transformer."""

U32_MAX: Final = 2**32 - 1


def _column(
    name: str, dtype: DType, maximum: int, description: str, *, required: bool = True
) -> Column:
    return Column(
        name=name,
        dtype=dtype,
        minimum=0,
        maximum=maximum,
        required=required,
        description=description,
    )


_REGISTERS: Final = (
    _column("import_wh", DType.U64, INT63_MAX, "OBIS 1.8.0: energy drawn so far, Wh."),
    _column("export_wh", DType.U64, INT63_MAX, "OBIS 2.8.0: energy fed in so far, Wh."),
)

REPORT: Final = Schema(
    kind=Kind.REPORT,
    columns=(
        _column("offset_s", DType.U32, 31 * DAY_S, "Time of the reading after `time`, s."),
        *_REGISTERS,
        _column("voltage_mv", DType.U32, 1_000_000, "Line to neutral, mV.", required=False),
    ),
    max_rows=READINGS_MAX,
    sealed=True,
    signer=Signer.DEVICE,
    description="Register readings of one meter.",
    equal_length=True,
)

ORDER: Final = Schema(
    kind=Kind.ORDER,
    columns=(
        _column(
            "sell_min_micro_per_kwh", DType.U32, PRICE_MAX,
            "Lowest price for the energy itself; absent: does not sell.", required=False,
        ),
        _column(
            "buy_max_micro_per_kwh", DType.U32, PRICE_MAX,
            "Highest price with all charges and taxes; absent: does not buy.", required=False,
        ),
    ),
    max_rows=1,
    sealed=True,
    signer=Signer.DEVICE,
    description="Standing price limits of one device, until a later order replaces them.",
    equal_length=False,
)  # fmt: skip

REPLACE: Final = Schema(
    kind=Kind.REPLACE,
    columns=(
        _column("final_import_wh", DType.U64, INT63_MAX, "Last register of the old meter, Wh."),
        _column("final_export_wh", DType.U64, INT63_MAX, "Last register of the old meter, Wh."),
        _column("first_import_wh", DType.U64, INT63_MAX, "First register of the new meter, Wh."),
        _column("first_export_wh", DType.U64, INT63_MAX, "First register of the new meter, Wh."),
    ),
    max_rows=1,
    sealed=False,
    signer=Signer.COUNTERSIGNED,
    description="At `time` the meter behind this device was exchanged.",
    equal_length=True,
)

SITE: Final = Schema(
    kind=Kind.SITE,
    columns=(
        _column("meter_kid", DType.B32, 0, "Key thumbprint of each meter."),
        _column("meter_rating_w", DType.U32, U32_MAX, "Connection rating of each meter, W."),
        _column("meter_plant_wp", DType.U32, U32_MAX, "Plant behind each meter, W peak; 0: none."),
        _column("meter_class_ppm", DType.U32, 100_000, "Accuracy class of each meter."),
        _column("meter_branch", DType.U16, 65_534, "Branch that each meter hangs on."),
        _column("branch_parent", DType.U16, NO_PARENT, "Branch upstream; 65535: transformer."),
        _column("branch_resistance_uohm", DType.U32, U32_MAX, "Effective resistance, micro-ohm."),
        _column("feeder_kid", DType.B32, 0, "Key thumbprint of the feeder meter."),
        _column("feeder_class_ppm", DType.U32, 100_000, "Accuracy class of the feeder meter."),
        _column("feeder_rating_w", DType.U32, U32_MAX, "Rating of the transformer, W."),
        _column("voltage_mv", DType.U32, 1_000_000, "Nominal voltage, line to neutral, mV."),
        _column("sky_start_s", DType.U64, INT63_MAX, "Start of the clear-sky table, Unix s."),
        _column("sky_wh_per_mwp", DType.U32, U32_MAX, "Most a plant can yield, Wh per MWp."),
        _column("tariff_import_micro_per_kwh", DType.U32, PRICE_MAX, "Utility's retail price."),
        _column("tariff_export_micro_per_kwh", DType.U32, PRICE_MAX, "Utility's feed-in price."),
    ),
    max_rows=SKY_MAX,
    sealed=False,
    signer=Signer.REGISTRAR,
    description="A street: its meters, branches, clear sky and the utility's tariffs.",
    equal_length=False,
)


def integers(record: Record, name: str) -> tuple[int, ...]:
    """Return a column of integers; empty where the record has no such column."""
    return tuple(value for value in record.columns.get(name, ()) if isinstance(value, int))
