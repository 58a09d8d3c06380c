"""Standing orders: which one of a device's counts in an epoch.

Rule: the newest whose statement the chain covered before the epoch opened. What was anchored later
could have been written with hindsight, so it waits for the next epoch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from commonworks.resources.base import Authentic, ResourceInput, Terms
from commonworks.resources.energy.readings import integers
from commonworks.resources.energy.state_v1 import Standing
from commonworks.statements.model import Kind


def _one(statement: Authentic, name: str) -> int | None:
    values = integers(statement.record, name)
    return values[0] if values else None


def standing_orders(
    data: ResourceInput, known: Mapping[int, Sequence[Standing]]
) -> dict[int, tuple[Standing, ...]]:
    """Return per device the order in force for this epoch, then those that come after it.

    Inputs: `known`, what the last epoch left. Guarantees: independent of the statements' order.
    """
    orders: defaultdict[int, set[Standing]] = defaultdict(set)
    for device, rows in known.items():
        orders[device].update(rows)
    for statement in data.statements:
        if statement.kind is Kind.ORDER and statement.device is not None:
            orders[statement.device.device].add(
                Standing(
                    time=statement.record.time,
                    identity=statement.identity,
                    anchored_at=statement.anchored_at,
                    sell_min=_one(statement, "sell_min_micro_per_kwh"),
                    buy_max=_one(statement, "buy_max_micro_per_kwh"),
                )
            )
    kept: dict[int, tuple[Standing, ...]] = {}
    for device, found in sorted(orders.items()):
        by_time = sorted(found, key=lambda item: (item.time, item.identity))
        first = max(
            (i for i, row in enumerate(by_time) if row.anchored_at < data.facts.start), default=0
        )
        kept[device] = tuple(by_time[first:])
    return kept


def terms_in_force(
    data: ResourceInput, orders: Mapping[int, Sequence[Standing]]
) -> tuple[Terms, ...]:
    """Return the orders that the chain covered before the epoch opened: no hindsight."""
    return tuple(
        Terms(
            device=device,
            account=data.accounts[device],
            supply_minimum=rows[0].sell_min,
            demand_maximum=rows[0].buy_max,
        )
        for device, rows in sorted(orders.items())
        if device in data.accounts and rows[0].anchored_at < data.facts.start
    )
