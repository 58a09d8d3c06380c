"""Energy's results as named tables that the command line and the explorer render as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from commonworks.crypto import cbor
from commonworks.model import (
    ResourceResult,
)
from commonworks.resources.base import Table
from commonworks.units import mul_div

KILO: Final = 1000
"""Tariffs are per kWh, quantities in Wh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBill:
    """One device's epoch, as `market_v1` recorded it."""

    device: int
    account: bytes
    bought_wh: int
    sold_wh: int
    paid_micro: int
    earned_micro: int
    rest_import_wh: int
    rest_export_wh: int
    utility_paid_micro: int
    utility_earned_micro: int


def device_bills(result: ResourceResult) -> tuple[DeviceBill, ...]:
    """Return the bills of an epoch, by device."""
    names = (
        "device", "account", "bought_wh", "sold_wh", "paid_micro", "earned_micro",
        "rest_import_wh", "rest_export_wh", "utility_paid_micro", "utility_earned_micro",
    )  # fmt: skip
    _, traded = _decode(result)
    return tuple(DeviceBill(**dict(zip(names, row, strict=True))) for row in traded[1])


def _decode(result: ResourceResult) -> tuple[Any, Any]:
    fields: Any = cbor.decode(result.detail)
    verified, traded = fields
    return verified, traded


def views(result: ResourceResult) -> Sequence[Table]:
    """Return the tables of one epoch.

    Tables: `totals`; `prices` by interval; `balance` against the feeder by interval; `bills` by
    device; `flows`, who supplied whom; `cuts`, less credited than claimed, by device and reason;
    `outside`, by account what the rest comes to at the utility's tariffs, beside the Vault;
    `sources`, whence the street's energy came and where it went. What names a device or an account
    is personal: only those concerned see it.
    """
    verified, traded = _decode(result)
    prices, _, flows = traded
    return (
        Table(
            name="totals",
            columns=("figure", "value"),
            rows=tuple((name, value) for name, value in sorted(result.summary.items())),
        ),
        Table(
            name="prices",
            columns=(
                "start_s", "price_micro_per_kwh", "matched_wh", "supply_wh", "demand_wh",
            ),
            rows=tuple(tuple(row) for row in prices),
        ),
        Table(
            name="balance",
            columns=(
                "start_s", "import_wh", "export_wh", "losses_wh", "feeder_import_wh",
                "feeder_export_wh", "corroborated", "residual_wh", "tolerance_wh",
            ),
            rows=tuple(tuple(int(value) for value in row[:9]) for row in verified[0]),
        ),
        Table(
            name="bills",
            columns=(
                "device", "account", "bought_wh", "sold_wh", "paid_micro", "earned_micro",
                "rest_import_wh", "rest_export_wh",
            ),
            rows=tuple(
                (
                    bill.device, "0x" + bill.account.hex(), bill.bought_wh, bill.sold_wh,
                    bill.paid_micro, bill.earned_micro, bill.rest_import_wh, bill.rest_export_wh,
                )
                for bill in device_bills(result)
            ),
            concerns=("device", "account"),
        ),
        Table(
            name="flows",
            columns=("seller_device", "buyer_device", "quantity_wh", "energy_micro"),
            rows=tuple(tuple(row) for row in flows),
            concerns=("seller_device", "buyer_device"),
        ),
        _cuts(result),
        _outside(result),
        _sources(result),
    )  # fmt: skip


def _cuts(result: ResourceResult) -> Table:
    """Return what was claimed and not credited, by device and reason."""
    lost: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for item in result.intervals:
        row = lost[item.device, item.reason]
        row[0] += 1
        row[1] += item.claimed
        row[2] += item.credited
    return Table(
        name="cuts",
        columns=("device", "reason", "intervals", "claimed_wh", "credited_wh"),
        rows=tuple((device, reason, *row) for (device, reason), row in sorted(lost.items())),
        concerns=("device",),
    )


def _outside(result: ResourceResult) -> Table:
    """Return what moved outside the Vault by account: the rest, at the utility's tariffs."""
    verified, _ = _decode(result)
    tariff_import, tariff_export = verified[3], verified[4]
    moved: defaultdict[bytes, list[int]] = defaultdict(lambda: [0, 0])
    for bill in device_bills(result):
        due_in = mul_div(tariff_export, bill.rest_export_wh, KILO) - bill.utility_earned_micro
        due_out = mul_div(tariff_import, bill.rest_import_wh, KILO) - bill.utility_paid_micro
        moved[bill.account][0] += due_in
        moved[bill.account][1] += due_out
    return Table(
        name="outside",
        columns=("account", "earned_micro", "paid_micro"),
        rows=tuple(("0x" + account.hex(), *row) for account, row in sorted(moved.items())),
        concerns=("account",),
    )


def _sources(result: ResourceResult) -> Table:
    """Return where the energy of all came from and went to; the three parts overlap nowhere."""
    summary = result.summary
    return Table(
        name="sources",
        columns=("source", "target", "quantity_wh"),
        rows=(
            ("sun", "homes", summary.get("shared_wh", 0)),
            ("utility", "homes", summary.get("utility_import_wh", 0)),
            ("sun", "utility", summary.get("utility_export_wh", 0)),
        ),
    )
