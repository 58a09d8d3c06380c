"""Energy, traded and paid (rules version 1).

Per interval, neighbours' surplus meets neighbours' demand in one auction (`auction_v1`). A buyer's
limit includes everything: with energy price p, grid charge g, levy l and tax rate v it pays

    (p + g + l) * (1 + v)

per kWh, so its limit for the energy itself is floor(limit / (1 + v)) - g - l. Every amount floors,
so a bill never exceeds the limit. What nobody matched is recorded at the utility's tariffs, and
paid only when a funded utility account takes part.

Invariant: matched false import and export of one owner move the energy price in a circle but lose
the charges; rewards return at most `reward_ratio_ppm` (< 1) of the charges that a trade paid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from commonworks.errors import require
from commonworks.model import (
    Credit,
    IntervalVerdict,
    Payment,
    Side,
    Work,
)
from commonworks.policy import Policy
from commonworks.resources.base import ResourceInput, Terms, Traded, Verified
from commonworks.resources.energy.auction_v1 import Clearing, Offer, clear
from commonworks.resources.energy.readings import INTERVAL_S
from commonworks.resources.energy.reasons import Purpose, Why
from commonworks.resources.energy.verify_v1 import EnergyDetail
from commonworks.units import PPM, WEI, mul_div, share_ppm, split_floor

KILO: Final = 1000
"""Prices are per kWh, quantities in Wh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """What stands on top of the energy price, and who receives it."""

    grid: int
    """Micro-units per kWh."""
    levy: int
    """Micro-units per kWh."""
    vat_ppm: int
    grid_account: bytes | None
    levy_account: bytes | None
    vat_account: bytes | None

    def energy_limit(self, limit: int) -> int:
        """Return what an all-inclusive limit leaves for the energy itself (may be negative)."""
        return limit * PPM // (PPM + self.vat_ppm) - self.grid - self.levy


def charges_of(policy: Policy) -> Charges:
    """Return the charges of an epoch; one without a receiver is not due."""
    grid, levy, vat = (policy.account(f"energy.{name}_account") for name in ("grid", "levy", "vat"))
    return Charges(
        grid=policy["energy.grid_charge"] if grid else 0,
        levy=policy["energy.levy"] if levy else 0,
        vat_ppm=policy["energy.vat_ppm"] if vat else 0,
        grid_account=grid,
        levy_account=levy,
        vat_account=vat,
    )


@dataclass(slots=True)
class Bill:
    """What one device bought, sold and left over in the epoch."""

    bought_wh: int = 0
    sold_wh: int = 0
    rewarded_wh: int = 0
    """Sold in intervals that the feeder saw."""
    paid_micro: int = 0
    """For energy, charges and tax on local trades."""
    earned_micro: int = 0
    """For energy sold to neighbours."""
    charges_micro: int = 0
    """Charges and tax that trades of this seller's corroborated energy paid."""
    rest_import_wh: int = 0
    """Drawn from the utility (unmatched and late)."""
    rest_export_wh: int = 0
    """Fed into the utility's grid (unmatched and late)."""
    seen_export_wh: int = 0
    """Of it, what the feeder saw: a utility pays for nothing else."""
    utility_paid_micro: int = 0
    """Really paid to the utility."""
    utility_earned_micro: int = 0
    """Really paid by the utility."""


@dataclass(slots=True)
class _Purse:
    """What accounts may still spend, and what devices may still spend of it."""

    accounts: dict[bytes, int]
    devices: dict[int, int]

    def free(self, account: bytes, device: int) -> int:
        return min(self.accounts.get(account, 0), self.devices.get(device, 0))

    def take(self, account: bytes, device: int, amount: int) -> None:
        require(amount <= self.free(account, device), "a bill beyond the funds that were checked")
        self.accounts[account] -= amount
        self.devices[device] -= amount


@dataclass(slots=True)
class _Book:
    """Everything that the market of one epoch gathers."""

    payments: defaultdict[tuple[bytes, bytes, str, int], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    """(payer, payee, purpose, device whose energy it pays or 0) -> micro-units."""
    bills: defaultdict[int, Bill] = field(default_factory=lambda: defaultdict(Bill))
    flows: defaultdict[tuple[int, int], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    prices: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    """(start, price, matched, supply, demand)."""
    intervals: list[IntervalVerdict] = field(default_factory=list)
    utility_unpaid_micro: int = 0
    """Named residual: feed-in that a utility's deposit did not reach for."""

    def pay(
        self, payer: bytes, payee: bytes, purpose: Purpose, amount: int, device: int = 0
    ) -> None:
        if amount > 0:
            self.payments[payer, payee, purpose, device] += amount


def market(data: ResourceInput, verified: Verified) -> Traded:
    """Trade one epoch.

    Inputs: verified credits (Wh) and standing terms; budgets in micro-units.
    Returns: work with its reward ceiling, payments, unfunded bids, and the detail for the views.
    Guarantees: no account spends more than its budget, no device more than its owner's limit; the
    energy payments of an interval have one price; every payment has one payer and one payee.
    """
    detail = verified.detail
    if not isinstance(detail, EnergyDetail):
        require(False, "energy's market got another resource's detail")
        raise TypeError
    terms = {item.device: item for item in verified.terms}
    limits = data.facts.spend_limits
    purse = _Purse(
        accounts=dict(data.budgets),
        devices={
            device: limits.get((account, device), 0) for device, account in data.accounts.items()
        },
    )
    book, charges = _Book(), charges_of(data.policy)
    for start, group in groupby(verified.credits, key=lambda credit: credit.start_s):
        _trade(start, list(group), terms, charges, purse, book, data.accounts)
    for item in detail.late:
        bill = book.bills[item.device]
        bill.rest_import_wh += item.import_wh
        bill.rest_export_wh += item.export_wh
        bill.seen_export_wh += item.export_wh  # late export is granted out of what was seen
    _settle_utility(data, detail, purse, book)
    return Traded(
        work=_work(data, detail, book),
        payments=tuple(
            Payment(payer=payer, payee=payee, amount=amount, purpose=purpose, device=device)
            for (payer, payee, purpose, device), amount in sorted(book.payments.items())
        ),
        intervals=tuple(book.intervals),
        summary=_summary(detail, book, charges),
        detail=_detail(data, book),
    )


def _trade(
    start: int,
    credits: list[Credit],
    terms: Mapping[int, Terms],
    charges: Charges,
    purse: _Purse,
    book: _Book,
    accounts: Mapping[int, bytes],
) -> None:
    """Run one interval's auction and book it."""
    asks, bids = [], []
    reserved: defaultdict[bytes, int] = defaultdict(int)
    for credit in credits:
        term = terms.get(credit.device)
        if credit.side is Side.SUPPLY and term and term.supply_minimum is not None:
            asks.append(
                Offer(device=credit.device, quantity=credit.quantity, limit=term.supply_minimum)
            )
        elif credit.side is Side.DEMAND and term and term.demand_maximum is not None:
            bid = _bid(start, credit, term.demand_maximum, charges, purse, reserved, book)
            bids.extend([bid] if bid else [])
    clearing = clear(asks, bids)
    seen = {credit.device: credit.corroborated for credit in credits}
    _book_trades(clearing, charges, purse, book, accounts, seen)
    sold: defaultdict[int, int] = defaultdict(int)
    bought: defaultdict[int, int] = defaultdict(int)
    for match in clearing.matches:
        sold[match.seller] += match.quantity
        bought[match.buyer] += match.quantity
    for credit in credits:
        bill = book.bills[credit.device]
        if credit.side is Side.SUPPLY:
            rest = credit.quantity - sold[credit.device]
            bill.rest_export_wh += rest
            bill.seen_export_wh += rest if credit.corroborated else 0
        else:
            bill.rest_import_wh += credit.quantity - bought[credit.device]
    supply = sum(c.quantity for c in credits if c.side is Side.SUPPLY)
    demand = sum(c.quantity for c in credits if c.side is Side.DEMAND)
    book.prices.append((start, clearing.price, clearing.quantity, supply, demand))


def _bid(
    start: int,
    credit: Credit,
    limit: int,
    charges: Charges,
    purse: _Purse,
    reserved: defaultdict[bytes, int],
    book: _Book,
) -> Offer | None:
    """Return a device's bid as far as it is funded at its own limit, the worst case."""
    energy_limit = charges.energy_limit(limit)
    if energy_limit < 0 or limit == 0:
        return None
    free = min(
        purse.accounts.get(credit.account, 0) - reserved[credit.account],
        purse.devices.get(credit.device, 0),
    )
    quantity = min(credit.quantity, free * KILO // limit)
    if quantity < credit.quantity:
        book.intervals.append(
            IntervalVerdict(
                device=credit.device,
                start_s=start,
                length_s=INTERVAL_S,
                reason=Why.UNFUNDED,
                claimed=credit.quantity,
                credited=quantity,
            )
        )
    if quantity == 0:
        return None
    reserved[credit.account] += -(-quantity * limit // KILO)
    return Offer(device=credit.device, quantity=quantity, limit=energy_limit)


def _book_trades(
    clearing: Clearing,
    charges: Charges,
    purse: _Purse,
    book: _Book,
    accounts: Mapping[int, bytes],
    corroborated: Mapping[int, bool],
) -> None:
    """Turn matches into payments: energy per pair, charges and tax per pair, all floored."""
    for match in clearing.matches:
        buyer, seller = accounts[match.buyer], accounts[match.seller]
        energy = mul_div(clearing.price, match.quantity, KILO)
        grid = mul_div(charges.grid, match.quantity, KILO)
        levy = mul_div(charges.levy, match.quantity, KILO)
        vat = share_ppm(energy + grid + levy, charges.vat_ppm)
        purse.take(buyer, match.buyer, energy + grid + levy + vat)
        book.pay(buyer, seller, Purpose.TRADE, energy, match.seller)
        for account, purpose, amount in (
            (charges.grid_account, Purpose.GRID, grid),
            (charges.levy_account, Purpose.LEVY, levy),
            (charges.vat_account, Purpose.VAT, vat),
        ):
            if account is not None:
                book.pay(buyer, account, purpose, amount)
        bought, sold = book.bills[match.buyer], book.bills[match.seller]
        bought.bought_wh += match.quantity
        bought.paid_micro += energy + grid + levy + vat
        sold.sold_wh += match.quantity
        sold.earned_micro += energy
        if corroborated[match.seller]:
            sold.rewarded_wh += match.quantity
            sold.charges_micro += grid + levy + vat
        flow = book.flows[match.seller, match.buyer]
        flow[0] += match.quantity
        flow[1] += energy


def _settle_utility(data: ResourceInput, detail: EnergyDetail, purse: _Purse, book: _Book) -> None:
    """Pay what was not matched at the utility's tariffs, as far as the parties have funds."""
    utility = data.policy.account("energy.utility_account")
    if utility is None or purse.accounts.get(utility, 0) <= 0:
        return
    bills = sorted(book.bills.items())
    due = [mul_div(detail.tariff_export, bill.seen_export_wh, KILO) for _, bill in bills]
    funds = purse.accounts[utility]
    paid_out = due if sum(due) <= funds else split_floor(funds, due)[0]
    for (device, bill), paid in zip(bills, paid_out, strict=True):
        purse.accounts[utility] -= paid
        book.pay(utility, data.accounts[device], Purpose.UTILITY_EXPORT, paid, device)
        bill.utility_earned_micro = paid
    book.utility_unpaid_micro = sum(due) - sum(paid_out)
    for device, bill in sorted(book.bills.items()):
        account = data.accounts[device]
        bill_micro = mul_div(detail.tariff_import, bill.rest_import_wh, KILO)
        paid = min(bill_micro, purse.free(account, device))
        if paid:
            purse.take(account, device, paid)
            book.pay(account, utility, Purpose.UTILITY_IMPORT, paid)
        bill.utility_paid_micro = paid


def _work(data: ResourceInput, detail: EnergyDetail, book: _Book) -> tuple[Work, ...]:
    """Return what emission may reward: corroborated supply to neighbours, and its ceiling."""
    coverage = dict(detail.coverage_ppm)
    ratio, price = data.policy["energy.reward_ratio_ppm"], data.policy["energy.token_price"]
    return tuple(
        Work(
            device=device,
            account=data.accounts[device],
            quantity=bill.rewarded_wh,
            quality_ppm=coverage.get(device, 0),
            density_ppm=PPM,
            ceiling_wei=mul_div(share_ppm(bill.charges_micro, ratio), WEI, price),
        )
        for device, bill in sorted(book.bills.items())
        if bill.rewarded_wh
    )


def _saved_micro(detail: EnergyDetail, bill: Bill) -> int:
    """Return what a device saved on local trades against the utility alone."""
    against_import = mul_div(detail.tariff_import, bill.bought_wh, KILO) - bill.paid_micro
    against_export = bill.earned_micro - mul_div(detail.tariff_export, bill.sold_wh, KILO)
    return against_import + against_export


def _summary(detail: EnergyDetail, book: _Book, charges: Charges) -> dict[str, int]:
    shared = sum(row[2] for row in book.prices)
    energy = sum(flow[1] for flow in book.flows.values())
    return {
        "shared_wh": shared,
        "mean_price_micro_per_kwh": mul_div(energy, KILO, shared) if shared else 0,
        "savings_micro": sum(_saved_micro(detail, bill) for bill in book.bills.values()),
        "charges_micro": sum(bill.paid_micro for bill in book.bills.values()) - energy,
        "utility_import_wh": sum(bill.rest_import_wh for bill in book.bills.values()),
        "utility_export_wh": sum(bill.rest_export_wh for bill in book.bills.values()),
        "utility_unpaid_micro": book.utility_unpaid_micro,
        "grid_charge_micro_per_kwh": charges.grid,
        "unfunded_wh": sum(item.claimed - item.credited for item in book.intervals),
    }


def _detail(data: ResourceInput, book: _Book) -> object:
    """Return what the views show: prices by interval, bills by device, who supplied whom."""
    return [
        book.prices,
        [
            [
                device,
                data.accounts[device],
                bill.bought_wh,
                bill.sold_wh,
                bill.paid_micro,
                bill.earned_micro,
                bill.rest_import_wh,
                bill.rest_export_wh,
                bill.utility_paid_micro,
                bill.utility_earned_micro,
            ]
            for device, bill in sorted(book.bills.items())
        ],
        [[seller, buyer, *flow] for (seller, buyer), flow in sorted(book.flows.items())],
    ]
