"""What must hold of the economy of a simulated network, worked out once more from events alone.

Emission by the schedule, nodes paid for what they did, earnings shared by the payees' lists,
withdrawals within the growth limit and in order. Nothing here calls the code that it judges; each
check returns findings, one line each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from commonworks.events import (
    Attested,
    Bonded,
    Closed,
    Confirmed,
    Deposited,
    Event,
    Finalised,
    GatewayRegistered,
    ParameterDefined,
    ParameterSet,
    PayeesSet,
    StakeChanged,
    Transferred,
    UnbondingStarted,
    WithdrawalRequested,
)
from commonworks.model import Network, ResourceResult, Settlement, Total, Withdrawal
from commonworks.simulation.blocks import NOBODY

Amounts = dict[bytes, int]
"""Account -> amount."""

WHOLE_PPM = 1_000_000


def economy(
    events: Sequence[Event],
    network: Network,
    settled: Sequence[Settlement],
    *,
    allocated_wei: int,
    supply_wei: int,
) -> list[str]:
    """Return everything that is wrong with the economy of the epochs from 0 on.

    Inputs: all events in chain order; the token's genesis allocation and present supply.
    """
    books = _Books(events, network)
    findings: list[str] = []
    before: Settlement | None = None
    allowed = 0
    for result in settled:
        allowed += books.emission(result.epoch)
        wrong = (
            *_schedule(books, result),
            *_rewards(books, result),
            *_earnings(books, result, before),
            *_withdrawals(books, result, before),
        )
        findings += [f"epoch {result.epoch}: {text}" for text in wrong]
        before = result
    minted = before.commitment.minted_wei if before else 0
    if supply_wei != allocated_wei + minted:
        findings.append(
            f"the supply is {supply_wei}, allocated and minted {allocated_wei + minted}"
        )
    if minted > allowed:
        findings.append(f"{minted} wei were minted where the schedule allows {allowed}")
    return findings


class _Books:
    """What the events say, looked up one question at a time."""

    def __init__(self, events: Sequence[Event], network: Network) -> None:
        self.events = events
        self.network = network

    def before(self, epoch: int) -> list[Event]:
        """Return the events that the facts of an epoch are made of."""
        end = self.network.epoch_start(epoch + 1)
        return [event for event in self.events if event.at.time < end]

    def value(self, name: str, epoch: int) -> int:
        """Return a parameter of an epoch."""
        key = name.encode().ljust(32, b"\0")
        found = [
            event.value
            for event in self.events
            if isinstance(event, (ParameterDefined, ParameterSet))
            and event.key == key
            and event.from_epoch <= epoch
        ]
        return found[-1] if found else 0

    def emission(self, epoch: int) -> int:
        """Return what an epoch may mint, half-life by half-life from the first epoch on."""
        passed = sum(2**96 // self.value("half_life_epochs", past) for past in range(epoch))
        halved = self.network.initial_emission_wei >> passed // 2**96
        return halved * (2**97 - passed % 2**96) // 2**97 if passed < 255 * 2**96 else 0

    def pool(self, earner: str, resources: Sequence[str], epoch: int) -> int:
        """Return an earner's part of an epoch's emission."""
        keys = {name: f"emission.{name}_ppm" for name in ("verifiers", "gateways", "treasury")}
        keys |= {name: f"{name}.emission_ppm" for name in resources}
        weights = {name: self.value(key, epoch) for name, key in keys.items()}
        return self.emission(epoch) * weights[earner] // max(WHOLE_PPM, sum(weights.values()))

    def payees(self, device: int, owner: bytes, epoch: int) -> list[tuple[bytes, int]]:
        """Return who is paid for a device at an epoch's end."""
        shares = [(owner, WHOLE_PPM)]
        for event in self.before(epoch):
            if isinstance(event, PayeesSet) and event.device == device:
                listed = [(share.account, share.ppm) for share in event.shares]
                shares = listed or [(owner, WHOLE_PPM)]
            elif isinstance(event, Transferred) and (event.device, event.receiver) == (
                device,
                NOBODY,
            ):
                shares = [(owner, WHOLE_PPM)]
        return shares

    def split(self, device: int, owner: bytes, amount: int, epoch: int) -> list[tuple[bytes, int]]:
        """Return each payee's part of what a device earned: floors, and the rest to the first."""
        shares = self.payees(device, owner, epoch)
        parts = [(account, amount * ppm // WHOLE_PPM) for account, ppm in shares]
        rest = amount - sum(part for _, part in parts)
        return [(parts[0][0], parts[0][1] + rest), *parts[1:]]


# --- emission -----------------------------------------------------------------------------------


def _schedule(books: _Books, result: Settlement) -> Iterator[str]:
    allowed = books.emission(result.epoch)
    if result.minted_wei > allowed:
        yield f"{result.minted_wei} wei are minted where {allowed} are allowed"
    if result.minted_wei + result.unminted_wei != allowed:
        yield "what is minted and what is not do not add up to the emission"


def _rewards(books: _Books, result: Settlement) -> Iterator[str]:
    found: dict[str, Amounts] = defaultdict(dict)
    for reward in result.rewards:
        if reward.account in found[reward.resource]:
            yield f"{reward.account.hex()[:8]} is rewarded twice by {reward.resource}"
        found[reward.resource][reward.account] = reward.amount_wei
    names = [part.resource for part in result.resources]
    expected = {
        "verifiers": _shared(books, "verifiers", names, result, _verifiers(books, result.epoch)),
        "gateways": _shared(books, "gateways", names, result, _gateways(books, result.epoch)),
        "treasury": _shared(books, "treasury", names, result, {books.network.treasury: 1}),
    }
    for part in result.resources:
        expected[part.resource] = _worked(books, part, names, result.epoch)
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name, {}) != expected.get(name, {}):
            yield f"the rewards of {name} are not what was done for them"


def _shared(
    books: _Books, earner: str, names: Sequence[str], result: Settlement, weights: Amounts
) -> Amounts:
    pool, whole = books.pool(earner, names, result.epoch), sum(weights.values())
    parts = {account: pool * weight // whole for account, weight in weights.items() if weight}
    return {account: part for account, part in parts.items() if part}


def _seen_through(books: _Books, epoch: int) -> list[Finalised]:
    """Return the epochs that were finalised while this one ran."""
    start = books.network.epoch_start(epoch)
    final = [event for event in books.before(epoch) if isinstance(event, Finalised)]
    return [event for event in final if epoch == 0 or event.at.time >= start]


def _verifiers(books: _Books, epoch: int) -> Amounts:
    weights: Amounts = defaultdict(int)
    for final in _seen_through(books, epoch):
        stakes: Amounts = {}
        for event in books.before(final.epoch):
            if isinstance(event, StakeChanged):
                stakes[event.operator] = event.stake
        for event in books.events:
            confirmed = isinstance(event, Confirmed) and event.epoch == final.epoch
            attested = (
                isinstance(event, Attested)
                and event.epoch == final.epoch
                and event.digest == final.digest
            )
            if isinstance(event, (Confirmed, Attested)) and (confirmed or attested):
                weights[event.verifier] += stakes.get(event.verifier, 0)
    return weights


def _gateways(books: _Books, epoch: int) -> Amounts:
    bonds: Amounts = defaultdict(int)
    operators: dict[bytes, bytes] = {}
    ranges: dict[int, list[bytes]] = {}
    for event in books.before(epoch):
        if isinstance(event, Bonded):
            bonds[event.operator] += event.amount
        elif isinstance(event, UnbondingStarted):
            bonds[event.operator] -= event.amount
        elif isinstance(event, GatewayRegistered):
            operators[event.log_id] = event.operator
        elif isinstance(event, Closed):
            ranges[event.epoch] = [part.log_id for part in event.ranges]
    least = books.value("gateway_bond_min", epoch)
    weights: Amounts = defaultdict(int)
    for final in _seen_through(books, epoch):
        for log_id in ranges[final.epoch]:
            if bonds[operators[log_id]] >= least:
                weights[operators[log_id]] += 1
    return weights


def _worked(books: _Books, part: ResourceResult, names: Sequence[str], epoch: int) -> Amounts:
    """Return what a resource's work earns: its share, its ceiling, its payees, the cap."""
    pool = books.pool(part.resource, names, epoch)
    weights = [item.quantity * item.quality_ppm * item.density_ppm for item in part.work]
    devices: dict[tuple[int, bytes], int] = defaultdict(int)
    for item, weight in zip(part.work, weights, strict=True):
        if weight:
            earned = min(pool * weight // sum(weights), item.ceiling_wei)
            devices[item.device, item.account] += earned
    amounts: Amounts = defaultdict(int)
    for (device, owner), earned in devices.items():
        for account, share in books.split(device, owner, earned, epoch):
            amounts[account] += share
    cap = pool * books.value("account_cap_ppm", epoch) // WHOLE_PPM
    return {account: min(amount, cap) for account, amount in amounts.items() if min(amount, cap)}


# --- currency -----------------------------------------------------------------------------------


def _earnings(books: _Books, result: Settlement, before: Settlement | None) -> Iterator[str]:
    """Everybody's earnings in currency grow by payments to it or its devices, and withdrawals."""
    currency = books.network.currency
    expected: Amounts = defaultdict(int)
    devices: dict[tuple[int, bytes], int] = defaultdict(int)
    for payment in (payment for part in result.resources for payment in part.payments):
        devices[payment.device, payment.payee] += payment.amount
    for (device, payee), amount in devices.items():
        for account, share in books.split(device, payee, amount, result.epoch):
            expected[account] += share
    for item in result.withdrawn:
        if item.asset == currency:
            expected[item.account] += item.amount
    old, new = _earned(before, currency), _earned(result, currency)
    for account in sorted(new.keys() | expected.keys()):
        grown = new.get(account, 0) - old.get(account, 0)
        if grown != expected[account]:
            yield f"{account.hex()[:8]} earned {grown}, its shares come to {expected[account]}"


def _earned(result: Settlement | None, asset: bytes) -> Amounts:
    payouts: Sequence[Total] = result.payouts if result else ()
    return {total.account: total.earned for total in payouts if total.asset == asset}


# --- withdrawals --------------------------------------------------------------------------------


def _withdrawals(books: _Books, result: Settlement, before: Settlement | None) -> Iterator[str]:
    """Nothing asked back is lost, doubled or served out of turn; all room is used, and no more."""
    waited = {item.request: item for item in (before.state.waiting if before else ())}
    waiting = {item.request: item for item in result.state.waiting}
    got = {item.request: item for item in result.withdrawn}
    start = books.network.epoch_start(result.epoch)
    asked = dict(waited)
    for event in books.before(result.epoch):
        if isinstance(event, WithdrawalRequested) and (result.epoch == 0 or event.at.time >= start):
            asked[event.request] = Withdrawal(
                request=event.request,
                asset=event.asset,
                account=event.account,
                amount=event.amount,
            )
    if asked.keys() != got.keys() | waiting.keys():
        yield "a withdrawal was lost, or nobody asked for it"
        return
    unspent = _unspent(books, result)
    for item in waiting.values():
        unspent[item.asset, item.account] -= item.amount
    for request, item in sorted(asked.items()):
        served = got[request].amount if request in got else 0
        rest = waiting[request].amount if request in waiting else 0
        if served < 0 or served + rest > item.amount:
            yield f"withdrawal {request} got {served} and waits for {rest} of {item.amount}"
        if served + rest < item.amount and unspent[item.asset, item.account]:
            yield f"withdrawal {request} lapsed although there is unspent deposit"
    if any(amount < 0 for amount in unspent.values()):
        yield "more waits than is unspent"
    for asset in {item.asset for item in asked.values()}:
        yield from _in_turn(books, result, asset, got, waiting)


def _in_turn(
    books: _Books,
    result: Settlement,
    asset: bytes,
    got: Mapping[int, Withdrawal],
    waiting: Mapping[int, Withdrawal],
) -> Iterator[str]:
    served = {r: item.amount for r, item in got.items() if item.asset == asset and item.amount}
    queue = [request for request, item in waiting.items() if item.asset == asset]
    if queue and any(request > min(queue) for request in served):
        yield f"withdrawal {min(queue)} was overtaken"
    token = asset == books.network.token
    limit = books.value("token_growth_max_wei" if token else "currency_growth_max", result.epoch)
    grown = result.minted_wei if token else 0
    if asset == books.network.currency:
        grown = sum(payment.amount for part in result.resources for payment in part.payments)
    room = max(0, limit - grown)
    total = sum(served.values())
    if total > room:
        yield f"{total} were withdrawn where there was room for {room}"
    if queue and total < room:
        yield f"withdrawals wait although there is room for {room - total}"


def _unspent(books: _Books, result: Settlement) -> dict[tuple[bytes, bytes], int]:
    unspent: dict[tuple[bytes, bytes], int] = defaultdict(int)
    for event in books.before(result.epoch):
        if isinstance(event, Deposited):
            unspent[event.asset, event.account] += event.amount
    for total in result.payouts:
        unspent[total.asset, total.account] -= total.spent
    return unspent
