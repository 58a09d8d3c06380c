"""Rainfall's results as named tables that the command line and the explorer render as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commonworks.crypto import cbor
from commonworks.model import (
    ResourceResult,
)
from commonworks.resources.base import Table


def views(result: ResourceResult) -> Sequence[Table]:
    """Return the tables of one epoch: totals; rain by slot and cell; stations; disputes."""
    fields: Any = cbor.decode(result.detail)
    record, stations = fields
    return (
        Table(
            name="totals",
            columns=("figure", "value"),
            rows=tuple(sorted(result.summary.items())),
        ),
        Table(
            name="rain",
            columns=("start_s", "cell", "rain_um", "stations"),
            rows=tuple((start, f"{cell:x}", rain, count) for start, cell, rain, count in record),
        ),
        Table(
            name="stations",
            columns=("device", "account", "verified_readings"),
            rows=tuple(
                (device, f"0x{account.hex()}", count) for device, account, count in stations
            ),
        ),
        Table(
            name="disputes",
            columns=("device", "start_s", "reason"),
            rows=tuple((item.device, item.start_s, item.reason) for item in result.intervals),
        ),
    )
