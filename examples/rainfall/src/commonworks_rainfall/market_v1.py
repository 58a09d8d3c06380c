"""Rainfall, paid (rules version 1): each subscriber's price is split over the verified readings.

Invariant: a subscription is paid whole or not at all; what the split floors away stays with the
subscriber and is named `unsplit_micro`.
"""

from __future__ import annotations

from collections import Counter

from commonworks.model import (
    IntervalVerdict,
    Payment,
    Work,
)
from commonworks.resources.base import ResourceInput, Traded, Verified
from commonworks.units import PPM, split_floor
from commonworks_rainfall.reasons import SUBSCRIPTION, Why


def market(data: ResourceInput, verified: Verified) -> Traded:
    """Settle subscriptions and count work.

    Guarantees: nobody pays beyond its budget or the device's spending limit; payments are sorted.
    """
    readings = Counter(credit.device for credit in verified.credits)
    payments, intervals, unsplit = _subscriptions(data, verified)
    stations = Counter(data.devices[device].cell for device in readings)
    work = tuple(
        Work(
            device=device,
            account=data.accounts[device],
            quantity=count,
            quality_ppm=PPM,
            density_ppm=min(
                PPM, PPM * data.policy["rainfall.cell_stations"] // stations[_cell(data, device)]
            ),
            ceiling_wei=count * data.policy["rainfall.reading_wei"],
        )
        for device, count in sorted(readings.items())
    )
    return Traded(
        work=work,
        payments=payments,
        intervals=intervals,
        summary={
            "subscribed_micro": sum(payment.amount for payment in payments),
            "unsplit_micro": unsplit,
        },
        detail=[[device, data.accounts[device], count] for device, count in readings.items()],
    )


def _cell(data: ResourceInput, device: int) -> int:
    return data.devices[device].cell


def _subscriptions(
    data: ResourceInput, verified: Verified
) -> tuple[tuple[Payment, ...], tuple[IntervalVerdict, ...], int]:
    """Return the payments, the subscriptions that were not funded, and what no split could use."""
    readings = Counter(credit.device for credit in verified.credits)
    stations = sorted(readings)
    budgets = dict(data.budgets)
    payments, intervals, unsplit = [], [], 0
    for term in verified.terms:
        price = term.demand_maximum or 0
        limit = data.facts.spend_limits.get((term.account, term.device), 0)
        if price > min(budgets.get(term.account, 0), limit):
            intervals.append(
                IntervalVerdict(
                    device=term.device,
                    start_s=data.facts.start,
                    length_s=data.facts.end - data.facts.start,
                    reason=Why.UNFUNDED,
                    claimed=price,
                    credited=0,
                )
            )
            continue
        parts, residual = split_floor(price, [readings[device] for device in stations])
        for device, part in zip(stations, parts, strict=True):
            if part:
                payments.append(
                    Payment(
                        payer=term.account,
                        payee=data.accounts[device],
                        amount=part,
                        purpose=SUBSCRIPTION,
                        device=device,
                    )
                )
        budgets[term.account] -= price - residual
        unsplit += residual
    return tuple(payments), tuple(intervals), unsplit
