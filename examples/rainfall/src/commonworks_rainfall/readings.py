"""What rainfall statements carry: ten-minute sums, as gauges report them, and subscriptions."""

from __future__ import annotations

from typing import Final

from commonworks.statements.model import Column, DType, Kind, Record, Schema, Signer
from commonworks.units import DAY_S

SLOT_S: Final = 600
"""Length of a reading; readings begin on its multiples (Unix seconds)."""

REPORT: Final = Schema(
    kind=Kind.REPORT,
    columns=(
        Column(
            name="offset_s", dtype=DType.U32, minimum=0, maximum=DAY_S - SLOT_S,
            description="Start of the ten minutes after `time`, s.",
        ),
        Column(
            name="rain_um", dtype=DType.U32, minimum=0, maximum=100_000,
            description="Rain that fell in these ten minutes, micrometres.",
        ),
    ),
    max_rows=DAY_S // SLOT_S,
    sealed=False,
    signer=Signer.DEVICE,
    description="Ten-minute sums of one gauge.",
    equal_length=True,
)  # fmt: skip

ORDER: Final = Schema(
    kind=Kind.ORDER,
    columns=(
        Column(
            name="price_micro", dtype=DType.U64, minimum=0, maximum=10**12,
            description="Paid for each epoch's verified record; 0 ends the subscription.",
        ),
    ),
    max_rows=1,
    sealed=False,
    signer=Signer.DEVICE,
    description="A standing subscription, until a later order of the device replaces it.",
    equal_length=True,
)  # fmt: skip


def integers(record: Record, name: str) -> tuple[int, ...]:
    """Return a column of integers."""
    return tuple(value for value in record.columns[name] if isinstance(value, int))
