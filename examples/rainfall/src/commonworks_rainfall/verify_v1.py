"""Rainfall, verified (rules version 1): a reading counts when the neighbours measured the like.

Rule: nobody confirms himself. The stations of one account are one witness, and a witness confirms
only when all of its stations agree; so a second gauge in the same garden adds no weight.
Invariant: a slot lies in one epoch and is settled in it or never, so nothing is credited twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from commonworks.crypto import cbor
from commonworks.errors import CommonworksError, Corrupt
from commonworks.model import (
    Credit,
    IntervalVerdict,
    Outcome,
    Side,
    Verdict,
)
from commonworks.policy import Policy
from commonworks.resources.base import Authentic, ResourceInput, Terms, Verified
from commonworks.statements.model import Kind
from commonworks.units import share_ppm
from commonworks_rainfall.readings import SLOT_S, integers
from commonworks_rainfall.reasons import Why

Orders = dict[int, list[tuple[int, bytes, int, int]]]
"""Device -> (time, identity, anchored at, price) of its orders, by time."""
Readings = dict[tuple[int, int], set[int]]
"""(slot's start, device) -> everything that the device said about it, micrometres."""
READING: Final = 1
"""A reading is claimed or credited as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRain:
    """What the network knows about one cell in one slot: the record that subscribers pay for."""

    start_s: int
    cell: int
    rain_um: int
    """Lower median of the verified readings."""
    stations: int
    """How many they are."""


def verify(data: ResourceInput) -> Verified:
    """Verify one epoch.

    Inputs: see `ResourceInput`; a station's cell is what it was enrolled with.
    Returns: a verdict for each statement, one credit per verified reading, the subscriptions in
    force as terms, and the record by slot and cell.
    Guarantees: independent of the order of statements; a slot of a station is credited once.
    Raises: Corrupt when the state is not what these rules left.
    """
    readings: Readings = defaultdict(set)
    verdicts = tuple(_take(data, statement, readings) for statement in data.statements)
    credits, intervals, record = _compare(data, readings)
    orders = _orders(data)
    return Verified(
        verdicts=verdicts,
        intervals=intervals,
        credits=credits,
        terms=_terms(data, orders),
        state=cbor.encode([[device, rows] for device, rows in sorted(orders.items())]),
        summary={"verified_readings": len(credits), "disputed_readings": len(intervals)},
        detail=record,
    )


def _take(data: ResourceInput, statement: Authentic, readings: Readings) -> Verdict:
    """Add what a statement says about this epoch to `readings`; return its verdict."""
    device, reason = statement.device, ""
    if statement.kind is Kind.REPORT and device is not None:
        found, reason = 0, Why.OFF_SLOT if device.cell else Why.NO_CELL
        rows = zip(
            integers(statement.record, "offset_s"),
            integers(statement.record, "rain_um"),
            strict=True,
        )
        for offset_s, rain_um in rows if device.cell else ():
            start = statement.record.time + offset_s
            if start % SLOT_S or not data.facts.start <= start <= data.facts.end - SLOT_S:
                continue
            if statement.anchored_at < start + SLOT_S:
                reason = Why.FORECAST
                continue
            readings[start, device.device].add(rain_um)
            found += 1
        reason = "" if found else reason
    return Verdict(
        identity=statement.identity,
        kind=statement.kind,
        device=device.device if device else None,
        outcome=Outcome.REJECTED if reason else Outcome.ACCEPTED,
        reason=reason,
    )


def _compare(
    data: ResourceInput, readings: Readings
) -> tuple[tuple[Credit, ...], tuple[IntervalVerdict, ...], tuple[CellRain, ...]]:
    """Compare the readings of each slot and cell; return what is credited, disputed, recorded."""
    groups: defaultdict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    disputed: dict[tuple[int, int], Why] = {}
    for (start, device), values in readings.items():
        if len(values) > 1:
            disputed[device, start] = Why.CONTRADICTION
        else:
            groups[start, data.devices[device].cell][device] = min(values)
    credited: list[tuple[int, int]] = []
    record = []
    for (start, cell), rain in sorted(groups.items()):
        verified = []
        for device in sorted(rain):
            why = _doubt(data.policy, data.accounts, rain, device)
            if why is None:
                verified.append(rain[device])
                credited.append((start, device))
            else:
                disputed[device, start] = why
        if verified:
            median = sorted(verified)[(len(verified) - 1) // 2]
            record.append(
                CellRain(start_s=start, cell=cell, rain_um=median, stations=len(verified))
            )
    credits = tuple(
        Credit(
            device=device, account=data.accounts[device], start_s=start, side=Side.SUPPLY,
            quantity=READING, corroborated=True,
        )
        for start, device in sorted(credited)
    )  # fmt: skip
    intervals = tuple(
        IntervalVerdict(
            device=device, start_s=start, length_s=SLOT_S, reason=why, claimed=READING, credited=0
        )
        for (device, start), why in sorted(disputed.items())
    )
    return credits, intervals, tuple(record)


def _doubt(
    policy: Policy, accounts: Mapping[int, bytes], rain: Mapping[int, int], device: int
) -> Why | None:
    """Return why a device's reading does not count among its cell's, None when it does."""
    own = rain[device]
    agrees: dict[bytes, bool] = {}
    for other, value in rain.items():
        account = accounts[other]
        if account != accounts[device]:
            allowed = policy["rainfall.tolerance_um"]
            allowed += share_ppm(max(own, value), policy["rainfall.tolerance_ppm"])
            agrees[account] = agrees.get(account, True) and abs(own - value) <= allowed
    if len(agrees) < policy["rainfall.witnesses"]:
        return Why.UNWITNESSED
    return None if 2 * sum(agrees.values()) > len(agrees) else Why.DISAGREEMENT


def _known_orders(state: bytes) -> Iterator[tuple[int, tuple[int, bytes, int, int]]]:
    """Yield (device, order) of what the last epoch left; raise Corrupt for any other state."""
    try:
        known: Any = cbor.decode(state) if state else []
        for device, rows in known:
            for time, identity, anchored_at, price in rows:
                numbers = (device, time, anchored_at, price)
                if not isinstance(identity, bytes) or {type(n) for n in numbers} != {int}:
                    raise TypeError("no order")
                yield device, (time, identity, anchored_at, price)
    except (CommonworksError, TypeError, ValueError) as error:
        raise Corrupt(f"the state of rainfall cannot be read ({error})") from error


def _orders(data: ResourceInput) -> Orders:
    """Return per device the order in force for this epoch, then those that come after it."""
    found: defaultdict[int, set[tuple[int, bytes, int, int]]] = defaultdict(set)
    for device, order in _known_orders(data.state):
        found[device].add(order)
    for item in data.statements:
        if item.kind is Kind.ORDER and item.device is not None:
            (price,) = integers(item.record, "price_micro")
            found[item.device.device].add(
                (item.record.time, item.identity, item.anchored_at, price)
            )
    kept: Orders = {}
    for device, orders in found.items():
        by_time = sorted(orders)
        known_at_start = [i for i, row in enumerate(by_time) if row[2] < data.facts.start]
        kept[device] = by_time[max(known_at_start, default=0) :]
    return kept


def _terms(data: ResourceInput, orders: Orders) -> tuple[Terms, ...]:
    """Return the subscriptions that the chain covered before the epoch opened."""
    return tuple(
        Terms(
            device=device, account=data.accounts[device], supply_minimum=None, demand_maximum=price
        )
        for device, ((_, _, anchored_at, price), *_) in sorted(orders.items())
        if device in data.accounts and anchored_at < data.facts.start and price
    )
