"""Planted bugs: each breaks one rule of settlement, and the checks of the properties must see it.

A check that no bug can fail would be worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from commonworks import units
from commonworks.errors import InvariantBroken
from commonworks.model import (
    Total,
)
from commonworks.resources.energy import auction_v1, balance_v1, market_v1, registers_v1, verify_v1
from commonworks.settlement import emission, intake, ledger, payout, service, settle
from street_story import (
    Broken,
    Told,
    check_economy,
    check_feeder,
    check_money,
    check_once,
    check_order,
    tell,
)

SEEDS = range(12)
"""Stories told until one shows the bug."""

Plant = Callable[[pytest.MonkeyPatch], None]
Check = Callable[[Sequence[Told]], None]


def shows(seed: int, check: Check | None) -> bool:
    """Tell whether a story fails its check (without one: the check of order)."""
    random = Random(seed)
    try:
        told = tell(random)
        if check:
            check(told)
        else:
            check_order(random, told)
    except (Broken, InvariantBroken):
        return True
    return False


def unchecked(patch: pytest.MonkeyPatch) -> None:
    """Switch off settlement's own guards, so that only the property's check can see."""
    for module in (settle, ledger):
        patch.setattr(module, "require", lambda condition, message: None)


# --- money ----------------------------------------------------------------------------------------


def earn_a_unit_more(patch: pytest.MonkeyPatch) -> None:
    earn = ledger.Ledger.earn

    def generous(self: Any, asset: bytes, account: bytes, amount: int) -> None:
        earn(self, asset, account, amount + 1)

    patch.setattr(ledger.Ledger, "earn", generous)


def split_rounds_up(patch: pytest.MonkeyPatch) -> None:
    def ceil(total: int, weights: Sequence[int]) -> tuple[tuple[int, ...], int]:
        whole = sum(weights) or 1
        return tuple(-(-total * weight // whole) + 10**21 for weight in weights), 0

    patch.setattr(emission, "split_floor", ceil)
    patch.setattr(
        emission, "share_ppm", lambda value, ppm: 10**30
    )  # the account's cap would hide it
    patch.setattr(market_v1, "WEI", 10**36)  # and so would the ceiling


def forget_who_spent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger.Ledger, "spend", lambda self, asset, account, amount: None)


def leave_out_depositors(patch: pytest.MonkeyPatch) -> None:
    totals = ledger.Ledger.totals

    def only_movers(self: Any) -> tuple[Total, ...]:
        return tuple(t for t in totals(self) if t.earned or t.spent)

    patch.setattr(ledger.Ledger, "totals", only_movers)


def withdraw_without_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger.Ledger, "free", lambda self, asset, account: 10**30)


# --- the economy ----------------------------------------------------------------------------------


def another_half_life_starts_anew(patch: pytest.MonkeyPatch) -> None:
    def anew(halvings: int, half_life: int) -> int:
        step = emission.HALVING // half_life
        return halvings + step if halvings % step == 0 else step

    patch.setattr(settle, "after_epoch", anew)


def keep_the_residual(patch: pytest.MonkeyPatch) -> None:
    def floor(amount: int, shares: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        return [(account, amount * ppm // units.PPM) for account, ppm in shares]

    patch.setattr(ledger, "split_payees", floor)


def the_last_gets_the_residual(patch: pytest.MonkeyPatch) -> None:
    split = emission.split_payees

    def backwards(amount: int, shares: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        return split(amount, shares[::-1])

    patch.setattr(ledger, "split_payees", backwards)


def payees_go_unnoticed(patch: pytest.MonkeyPatch) -> None:
    def to_the_owner(amount: int, shares: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        return [(shares[0][0], amount)]

    patch.setattr(emission, "split_payees", to_the_owner)


def stake_of_today(patch: pytest.MonkeyPatch) -> None:
    def newest(self: Any, verifier: bytes, epoch: int) -> int:
        history = self._stakes.get(verifier, [])
        return int(history[-1][1]) if history else 0

    patch.setattr(service.ServiceFold, "_stake_at", newest)


def every_digest_counts(patch: pytest.MonkeyPatch) -> None:
    finalise = service.ServiceFold._finalise

    def lenient(self: Any, event: Any) -> None:
        said = self._attested[event.epoch]
        self._attested[event.epoch] = [(who, event.digest) for who, _ in said]
        finalise(self, event)

    patch.setattr(service.ServiceFold, "_finalise", lenient)


def every_window_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(service.ServiceFold, "_counts", lambda self, event: True)


def unbonded_gateways_earn(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(service.ServiceFold, "_is_bonded", lambda self, operator: True)


def forget_who_waits(patch: pytest.MonkeyPatch) -> None:
    withdraw = ledger.Ledger.withdraw
    patch.setattr(ledger.Ledger, "withdraw", lambda *given: (withdraw(*given)[0], ()))


def serve_the_last_first(patch: pytest.MonkeyPatch) -> None:
    withdraw = ledger.Ledger.withdraw

    def backwards(self: Any, policy: Any, requests: Sequence[Any]) -> Any:
        done, waiting = withdraw(self, policy, requests[::-1])
        return done[::-1], waiting[::-1]

    patch.setattr(ledger.Ledger, "withdraw", backwards)


def wait_for_the_whole(patch: pytest.MonkeyPatch) -> None:
    withdraw = ledger.Ledger.withdraw

    def again(self: Any, policy: Any, requests: Sequence[Any]) -> Any:
        done, waiting = withdraw(self, policy, requests)
        whole = {item.request: item for item in requests}
        return done, tuple(whole[item.request] for item in waiting)

    patch.setattr(ledger.Ledger, "withdraw", again)


def withdraw_beyond_the_growth(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger.Ledger, "_room", lambda self, policy, asset: 10**30)


# --- energy ---------------------------------------------------------------------------------------


def forget_what_was_settled(patch: pytest.MonkeyPatch) -> None:
    trace = registers_v1.trace_registers

    def amnesia(device: int, rating: int, kept: object, *rest: Any) -> registers_v1.Trace:
        return trace(device, rating, (), *rest)

    patch.setattr(verify_v1, "trace_registers", amnesia)


def late_energy_from_nowhere(patch: pytest.MonkeyPatch) -> None:
    explain = balance_v1.explain_late

    def believe(residues: Any, spans: Sequence[balance_v1.Span]) -> Any:
        _, restored, left = explain(residues, spans)
        return {i: 9 * span.export_wh for i, span in enumerate(spans)}, restored, left

    patch.setattr(verify_v1, "explain_late", believe)


def no_cuts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(balance_v1, "_shares", lambda claims, total, weights: ())


# --- order ----------------------------------------------------------------------------------------


def as_it_comes(items: Iterable[Any], key: object = None, reverse: bool = False) -> list[Any]:
    """Stand in for `sorted`, unsorted."""
    return list(items)


def unsorted_intake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(intake, "sorted", as_it_comes, raising=False)


def first_reading_wins(patch: pytest.MonkeyPatch) -> None:
    def first_come(device: int, candidates: Any, trace: Any) -> Any:
        found: dict[int, Any] = {}
        for item in candidates:
            found.setdefault(item.reading.time, item)
        return [(item.reading, [item]) for _, item in sorted(found.items())]

    patch.setattr(registers_v1, "_unanimous", first_come)
    patch.setattr(intake, "sorted", as_it_comes, raising=False)


def positions_in_the_result(patch: pytest.MonkeyPatch) -> None:
    take_in = intake.take_in

    def remember(*arguments: Any) -> Any:
        taken = take_in(*arguments)
        size = len(arguments[-1].entries)
        return replace(taken, sites=((f"{size}", bytes(32), b""), *taken.sites))

    patch.setattr(settle, "take_in", remember)


MONEY: tuple[Plant, ...] = (
    earn_a_unit_more,
    split_rounds_up,
    forget_who_spent,
    leave_out_depositors,
    withdraw_without_limit,
)
ECONOMY: tuple[Plant, ...] = (
    another_half_life_starts_anew,
    keep_the_residual,
    the_last_gets_the_residual,
    payees_go_unnoticed,
    stake_of_today,
    every_digest_counts,
    every_window_counts,
    unbonded_gateways_earn,
    forget_who_waits,
    serve_the_last_first,
    wait_for_the_whole,
    withdraw_beyond_the_growth,
)
ORDER: tuple[Plant, ...] = (unsorted_intake, first_reading_wins, positions_in_the_result)


@pytest.mark.parametrize("plant", MONEY)
def test_money_checks_see(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    unchecked(monkeypatch)
    plant(monkeypatch)
    assert any(shows(seed, check_money) for seed in SEEDS)


@pytest.mark.parametrize("plant", ECONOMY)
def test_the_economys_check_sees(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(shows(seed, check_economy) for seed in SEEDS)


@pytest.mark.parametrize("plant", [earn_a_unit_more, split_rounds_up, forget_who_spent])
def test_settlement_itself_stops(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(InvariantBroken):
        list(map(tell, map(Random, SEEDS)))


def test_credits_of_one_interval_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_what_was_settled(monkeypatch)
    assert any(shows(seed, check_once) for seed in SEEDS)


@pytest.mark.parametrize("plant", [late_energy_from_nowhere, no_cuts])
def test_the_feeders_check_sees(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(shows(seed, check_feeder) for seed in SEEDS)


@pytest.mark.parametrize("plant", ORDER)
def test_the_check_of_order_sees(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    unchecked(monkeypatch)
    plant(monkeypatch)
    assert any(shows(seed, None) for seed in SEEDS)


def test_without_a_bug_nothing_shows() -> None:
    for check in (check_money, check_economy, check_once, check_feeder, None):
        assert not any(shows(seed, check) for seed in SEEDS)


def test_an_apportionment_that_favours_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The auction's own property: who supplied whom adds up on both sides."""

    def greedy(total: int, weights: Sequence[int]) -> tuple[int, ...]:
        return tuple(-(-total * weight // (sum(weights) or 1)) for weight in weights)

    asks = [auction_v1.Offer(device=n, quantity=7, limit=5) for n in (1, 2, 3)]
    bids = [auction_v1.Offer(device=4, quantity=10, limit=9)]

    def adds_up() -> bool:
        cleared = auction_v1.clear(asks, bids)
        return sum(match.quantity for match in cleared.matches) == cleared.quantity

    assert adds_up()
    monkeypatch.setattr(auction_v1, "apportion", greedy)
    assert not adds_up()
    assert units.apportion(10, [7, 7, 7]) == (4, 3, 3)


def test_a_payout_tree_that_does_not_sort_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Total(asset=bytes(20), account=bytes([n]) * 20, earned=n, spent=0) for n in range(7)]
    top = payout.root(rows)
    monkeypatch.setattr(payout, "_parent", lambda left, right: payout.keccak256(left + right))
    assert payout.root(rows) != top
