"""Withdrawals within the growth that an epoch allows: in order, never lost, never doubled."""

from __future__ import annotations

from commonworks.model import Payment, Settlement
from settlement_world import CURRENCY, EPOCH_S, GENESIS_S, TOKEN, World, account, gauge, total


def limited(limit: int, *payments: tuple[str, str, int]) -> World:
    """Return a world whose currency grows by at most `limit` an epoch; ann and bob have 1,000."""
    rows = [
        Payment(
            payer=account(payer), payee=account(payee), amount=amount, purpose="gauge.water",
            device=0,
        )
        for payer, payee, amount in payments
    ]  # fmt: skip
    world = World([gauge(payments=rows)], currency_growth_max=limit)
    for name in ("ann", "bob"):
        world.deposit(name, 1_000)
    return world


def got(result: Settlement) -> list[tuple[int, int]]:
    """Return (request, amount) of what was served."""
    return [(item.request, item.amount) for item in result.withdrawn]


def waits(result: Settlement) -> list[tuple[int, int]]:
    """Return (request, amount) of what is still due."""
    return [(item.request, item.amount) for item in result.state.waiting]


def test_what_finds_no_room_waits_and_goes_first() -> None:
    world = limited(100)
    world.withdraw("ann", 70, at=GENESIS_S + 1)
    world.withdraw("bob", 250, at=GENESIS_S + 2)
    world.withdraw("ann", 20, at=GENESIS_S + 3)
    first = world.settle()
    assert (got(first), waits(first)) == ([(1, 70), (2, 30)], [(2, 220), (3, 20)])
    world.withdraw("ann", 5, at=GENESIS_S + EPOCH_S + 1)
    second = world.settle()
    assert (got(second), waits(second)) == ([(2, 100)], [(2, 120), (3, 20), (4, 5)])
    third, fourth = world.settle(), world.settle()
    assert (got(third), got(fourth)) == ([(2, 100)], [(2, 20), (3, 20), (4, 5)])
    assert waits(fourth) == []
    assert total(fourth, "bob") == (250, 250)
    assert total(fourth, "ann") == (95, 95)
    assert got(world.settle()) == []


def test_payments_come_first() -> None:
    world = limited(100, ("ann", "cat", 60))
    world.withdraw("bob", 90, at=GENESIS_S + 1)
    assert (got(result := world.settle()), waits(result)) == ([(1, 40)], [(1, 50)])
    assert (got(result := world.settle()), waits(result)) == ([(1, 40)], [(1, 10)])


def test_payments_beyond_the_limit_are_the_breakers_case() -> None:
    world = limited(100, ("ann", "cat", 160))
    world.withdraw("bob", 90, at=GENESIS_S + 1)
    result = world.settle()
    assert result.paid_micro == 160
    assert (got(result), waits(result)) == ([], [(1, 90)])


def test_a_vote_makes_room() -> None:
    world = limited(100)
    world.withdraw("ann", 900, at=GENESIS_S + 1)
    world.set_policy("currency_growth_max", 10_000, from_epoch=1, at=GENESIS_S + 2)
    assert got(world.settle()) == [(1, 100)]
    assert got(world.settle()) == [(1, 800)]


def test_what_is_not_free_lapses_at_once() -> None:
    world = limited(100)
    world.withdraw("ann", 700, at=GENESIS_S + 1)
    world.withdraw("ann", 700, at=GENESIS_S + 2)
    world.withdraw("ann", 1, at=GENESIS_S + 3)
    result = world.settle()
    # 300 of the second are left beside what waits for the first, nothing for the third
    assert (got(result), waits(result)) == ([(1, 100), (3, 0)], [(1, 600), (2, 300)])


def test_somebody_without_a_deposit_never_waits() -> None:
    world = limited(100)
    world.withdraw("ann", 700, at=GENESIS_S + 1)
    world.withdraw("mallory", 7, at=GENESIS_S + 2)
    result = world.settle()
    assert (got(result), waits(result)) == ([(1, 100), (2, 0)], [(1, 600)])


def test_what_waits_may_still_be_spent() -> None:
    world = limited(100, ("ann", "cat", 90))
    world.withdraw("ann", 1_000, at=GENESIS_S + 1)
    first = world.settle()
    assert (got(first), waits(first)) == ([(1, 10)], [(1, 900)])
    results = [world.settle() for _ in range(9)]
    assert [got(result) for result in results] == [[(1, 10)]] * 9
    assert total(results[-1], "ann") == (100, 1_000)
    assert waits(results[-1]) == []


def test_assets_do_not_wait_for_each_other() -> None:
    world = World([gauge()], currency_growth_max=10, token_growth_max_wei=10**18)
    world.deposit("ann", 1_000)
    world.deposit("ann", 9 * 10**18, asset=TOKEN)
    world.withdraw("ann", 50, at=GENESIS_S + 1)
    world.withdraw("ann", 3 * 10**18, at=GENESIS_S + 2, asset=TOKEN)
    result = world.settle()
    assert got(result) == [(1, 10), (2, 10**18)]
    assert waits(result) == [(1, 40), (2, 2 * 10**18)]
    assert [t.earned for t in result.payouts if t.asset == CURRENCY] == [10]


def test_what_is_minted_takes_its_room() -> None:
    world = World(
        [gauge()],
        token_growth_max_wei=10**21,
        gauge_emission_ppm=0,
        emission_treasury_ppm=400_000,
    )
    world.deposit("ann", 9 * 10**21, asset=TOKEN)
    world.withdraw("ann", 10**21, at=GENESIS_S + 1, asset=TOKEN)
    result = world.settle()
    assert result.minted_wei == 4 * 10**20
    assert waits(result) == [(1, 4 * 10**20)]
