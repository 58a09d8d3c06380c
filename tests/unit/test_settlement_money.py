"""Money: emission, rewards, payments, withdrawals, leaves; and resources that break their word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commonworks.errors import InvalidInput, InvariantBroken
from commonworks.model import (
    Payment,
    Reward,
)
from commonworks.settlement.emission import (
    HALVING,
    after_epoch,
    emission_pools,
    emission_wei,
    split_rewards,
)
from commonworks.settlement.settle import settle
from commonworks.units import PPM, WEI
from settlement_world import (
    BEFORE_S,
    CURRENCY,
    EPOCH_S,
    GENESIS_S,
    NETWORK,
    TOKEN,
    World,
    account,
    gauge,
    level,
    total,
    work,
)


def amounts(rewards: tuple[Reward, ...]) -> dict[bytes, int]:
    """Return rewards by account."""
    return {reward.account: reward.amount_wei for reward in rewards}


def opening(*half_lives: int) -> int:
    """Return the half-lives that have passed after epochs with these half-lives."""
    passed = 0
    for half_life in half_lives:
        passed = after_epoch(passed, half_life)
    return passed


class TestEmission:
    """E0 = 1000 tokens, H = 2 epochs: 1000, 750, 500, 375, 250, ..."""

    @pytest.mark.parametrize(
        ("epoch", "tokens"), [(0, 1000), (1, 750), (2, 500), (3, 375), (4, 250), (6, 125)]
    )
    def test_it_halves_smoothly(self, epoch: int, tokens: int) -> None:
        assert emission_wei(1_000 * WEI, opening(*[2] * epoch)) == tokens * WEI

    def test_it_ends(self) -> None:
        huge = 2**256 - 1
        assert emission_wei(huge, opening(*[1] * 254)) == 3
        assert emission_wei(huge, opening(*[1] * 255)) == 0
        assert emission_wei(huge, 10**9 * HALVING) == 0

    def test_it_floors(self) -> None:
        # thirds of a half-life floor too: a hair less than a third has passed, so 7 * 5/6 and
        # 7 * 4/6 round as they should, and three of them are not yet a whole one
        found = [emission_wei(7, opening(*[3] * epoch)) for epoch in range(5)]
        assert found == [7, 5, 4, 3, 2]

    def test_another_half_life_bends_the_curve_where_it_is(self) -> None:
        # half of a half-life passes, then the rest of it takes 4 epochs of 8: 750 -> 500
        passed = [opening(2, *[8] * epochs) for epochs in range(5)]
        tokens = [emission_wei(1_000 * WEI, halvings) // WEI for halvings in passed]
        assert tokens == [750, 687, 625, 562, 500]

    def test_none_at_all(self) -> None:
        assert emission_wei(0, opening(2, 3)) == 0

    def test_pools_are_shares(self) -> None:
        assert emission_pools(1_000, {"a": 600_000, "b": 100_000}) == {"a": 600, "b": 100}

    def test_shares_beyond_the_whole_are_weights(self) -> None:
        assert emission_pools(1_001, {"a": PPM, "b": PPM}) == {"a": 500, "b": 500}


class TestRewards:
    """Shares of a pool."""

    def test_pro_rata_by_quantity_quality(self) -> None:
        rewards = split_rewards(
            "gauge", 700, [work("a", 30), work("b", 40), work("c", 60, quality=PPM // 2)], {}, PPM
        )
        # weights 30 : 40 : 30 of 700
        assert amounts(rewards) == {account("a"): 210, account("b"): 280, account("c"): 210}

    def test_floors_leave_a_residual(self) -> None:
        rewards = split_rewards("gauge", 100, [work(n, 1) for n in "abc"], {}, PPM)
        assert sorted(amounts(rewards).values()) == [33, 33, 33]

    def test_no_account_beyond_the_cap_however_many_devices(self) -> None:
        rewards = split_rewards(
            "gauge", 1_000, [work("a", 30), work("a", 30), work("b", 40)], {}, 410_000
        )
        assert amounts(rewards) == {account("a"): 410, account("b"): 400}

    def test_no_work_beyond_its_ceiling(self) -> None:
        rewards = split_rewards("gauge", 1_000, [work("a", 1, ceiling=7), work("b", 1)], {}, PPM)
        assert amounts(rewards) == {account("a"): 7, account("b"): 500}

    def test_nothing_for_nothing(self) -> None:
        assert split_rewards("gauge", 1_000, [], {}, PPM) == ()
        assert split_rewards("gauge", 1_000, [work("a", 0)], {}, PPM) == ()
        assert split_rewards("gauge", 1_000, [work("a", 1, ceiling=0)], {}, PPM) == ()


class TestMinting:
    """Emission through settle()."""

    def test_what_nobody_earned_is_not_minted(self) -> None:
        world = World([gauge()], account_cap_ppm=400_000)
        world.enrol("g1", "anna")
        world.log(world.binding("g1", "anna"), level(world, "g1", 5, GENESIS_S))
        result = world.settle()
        assert amounts(result.rewards) == {account("anna"): 400 * WEI}
        assert (result.minted_wei, result.unminted_wei) == (400 * WEI, 600 * WEI)
        assert total(result, "anna", TOKEN) == (400 * WEI, 0)
        assert world.state.minted_wei == 400 * WEI

    def test_minting_accumulates_along_the_schedule(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "anna")
        world.log(world.binding("g1", "anna"))
        for epoch in range(4):
            start = NETWORK.epoch_start(epoch)
            world.log(level(world, "g1", 5, start), epoch=epoch)
            result = world.settle()
        assert total(result, "anna", TOKEN) == (2_625 * WEI, 0)  # 1000 + 750 + 500 + 375
        assert result.commitment.minted_wei == 2_625 * WEI

    def test_two_resources_that_each_want_everything(self) -> None:
        world = World([gauge("gauge"), gauge("tide")], account_cap_ppm=PPM)
        world.enrol("g1", "anna")
        world.enrol("t1", "ben", resource="tide")
        world.log(world.binding("g1", "anna"), world.binding("t1", "ben"))
        world.log(level(world, "g1", 5, GENESIS_S), level(world, "t1", 5, GENESIS_S, "tide"))
        result = world.settle()
        assert amounts(result.rewards) == {account("anna"): 500 * WEI, account("ben"): 500 * WEI}

    def test_a_device_serves_its_own_resource_only(self) -> None:
        world = World([gauge("gauge"), gauge("tide")])
        world.enrol("g1", "anna")
        world.log(level(world, "g1", 5, GENESIS_S, "tide"))
        world.log(world.binding("g1", "anna"))
        assert world.settle().rewards == ()


def paying(*rows: tuple[str, str, int], purpose: str = "gauge.water") -> World:
    """Return a world whose market moves money each epoch; ann deposited 1,000."""
    payments = [
        Payment(
            payer=account(payer), payee=account(payee), amount=amount, purpose=purpose, device=0
        )
        for payer, payee, amount in rows
    ]
    world = World([gauge(payments=payments)], token_growth_max_wei=10**30)
    world.deposit("ann", 1_000)
    return world


class TestPayments:
    """Deposits become earnings."""

    def test_what_one_spends_others_earn(self) -> None:
        world = paying(("ann", "bob", 30), ("ann", "cat", 12))
        world.settle()
        result = world.settle()
        assert total(result, "ann") == (0, 84)
        assert total(result, "bob") == (60, 0)
        assert total(result, "cat") == (24, 0)
        assert result.paid_micro == 42

    def test_every_depositor_has_a_leaf(self) -> None:
        world = paying()
        world.deposit("dan", 5, asset=TOKEN)
        world.deposit("eve", 5, at=GENESIS_S + EPOCH_S)  # the next epoch's
        first = world.settle()
        leaves = {(item.asset, item.account) for item in first.payouts}
        assert leaves == {(CURRENCY, account("ann")), (TOKEN, account("dan"))}
        assert (CURRENCY, account("eve")) in {(t.asset, t.account) for t in world.settle().payouts}

    def test_totals_by_asset(self) -> None:
        world = paying(("ann", "bob", 30))
        world.deposit("bob", 10**25, asset=TOKEN)
        totals = {t.asset: (t.earned, t.spent) for t in world.settle().commitment.totals}
        assert totals == {CURRENCY: (30, 30), TOKEN: (0, 0)}


class TestWithdrawals:
    """A request becomes earned + spent."""

    def test_it_gets_what_is_free(self) -> None:
        world = paying(("ann", "bob", 300))
        world.withdraw("ann", 600, at=GENESIS_S + 5)
        world.withdraw("ann", 600, at=GENESIS_S + 6)
        result = world.settle()
        assert [item.amount for item in result.withdrawn] == [600, 100]
        assert total(result, "ann") == (700, 1_000)
        assert result.paid_micro == 300

    def test_each_request_once(self) -> None:
        world = paying()
        world.withdraw("ann", 70, at=GENESIS_S - 5)  # before genesis belongs to epoch 0
        world.withdraw("ann", 30, at=GENESIS_S + EPOCH_S)
        assert total(world.settle(), "ann") == (70, 70)
        assert total(world.settle(), "ann") == (100, 100)
        assert total(world.settle(), "ann") == (100, 100)

    def test_somebody_without_a_deposit(self) -> None:
        world = paying()
        world.withdraw("mallory", 70, at=GENESIS_S + 5)
        result = world.settle()
        assert [item.amount for item in result.withdrawn] == [0]
        assert total(result, "mallory") == (0, 0)

    def test_another_asset(self) -> None:
        world = paying()
        world.deposit("ann", 10**30, asset=TOKEN)
        world.withdraw("ann", 10**29, at=GENESIS_S + 5, asset=TOKEN)
        assert total(world.settle(), "ann", TOKEN) == (10**29, 10**29)


class TestBrokenWord:
    """A resource that breaks its contract stops settlement, it never moves money."""

    @pytest.mark.parametrize(
        ("rows", "purpose"),
        [
            ([("ann", "bob", 1_001)], "gauge.water"),
            ([("ann", "bob", 600), ("ann", "cat", 401)], "gauge.water"),
            ([("bob", "ann", 1)], "gauge.water"),
            ([("ann", "bob", 0)], "gauge.water"),
            ([("ann", "bob", -1)], "gauge.water"),
            ([("ann", "bob", 1)], "gauge.wine"),
        ],
    )
    def test_payments(self, rows: list[tuple[str, str, int]], purpose: str) -> None:
        with pytest.raises(InvariantBroken):
            paying(*rows, purpose=purpose).settle()

    @pytest.mark.parametrize("resource", [gauge(judge=False), gauge(reason="gauge.undeclared")])
    def test_verdicts(self, resource: object) -> None:
        world = World([resource])  # type: ignore[list-item]
        world.enrol("g1", "anna")
        world.log(world.binding("g1", "anna"), level(world, "g1", 5, GENESIS_S))
        with pytest.raises(InvariantBroken):
            world.settle()

    def test_epochs_that_differ(self) -> None:
        world = paying()
        with pytest.raises(InvariantBroken):
            settle(world.resources, world.policy(1), world.facts(0), world.state, world.evidence(0))

    def test_a_policy_without_a_parameter(self) -> None:
        world = paying()
        policy = world.policy(0)
        values = {name: value for name, value in policy.values.items() if name != "account_cap_ppm"}
        with pytest.raises(InvalidInput, match="account_cap_ppm"):
            settle(
                world.resources,
                replace(policy, values=values),
                world.facts(0),
                world.state,
                world.evidence(0),
            )


def test_the_chain_of_digests() -> None:
    world = paying()
    world.log(level(world, "stranger", 1, BEFORE_S))
    first, second = world.settle(), world.settle()
    assert first.commitment.previous_digest == bytes(32)
    assert second.commitment.previous_digest == first.digest
    assert second.state.digest == second.digest
