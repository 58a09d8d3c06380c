"""Collective ownership: what a device earns is split over its payees, to the last unit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commonworks.errors import InvariantBroken
from commonworks.events import PayeesSet, Share, Transferred
from commonworks.model import Facts, Payment, Work
from commonworks.resources.base import Resource, ResourceInput, Traded, Verified
from commonworks.settlement.emission import split_payees, split_rewards
from commonworks.statements.codec import sign_binding
from commonworks.units import PPM, WEI
from settlement_world import (
    BEFORE_S,
    EPOCH_S,
    GENESIS_S,
    TOKEN,
    World,
    account,
    gauge,
    level,
    total,
    work,
)

A, B, C = (account(name) for name in ("a", "b", "c"))


class TestSplit:
    """Floors, and the rest to the first of the list."""

    def test_by_hand(self) -> None:
        shares = [(A, 333_333), (B, 333_334), (C, 333_333)]
        assert split_payees(100, shares) == [(A, 34), (B, 33), (C, 33)]
        assert split_payees(1, shares) == [(A, 1), (B, 0), (C, 0)]
        assert split_payees(0, shares) == [(A, 0), (B, 0), (C, 0)]

    def test_the_first_may_be_the_smallest(self) -> None:
        assert split_payees(9, [(A, 1), (B, 999_999)]) == [(A, 1), (B, 8)]

    @pytest.mark.parametrize("shares", [[], [(A, 999_999)], [(A, PPM), (B, 1)]])
    def test_shares_that_are_not_a_whole(self, shares: list[tuple[bytes, int]]) -> None:
        with pytest.raises(InvariantBroken):
            split_payees(7, shares)


class TestRewards:
    """Work is rewarded to payees; ceilings are the work's, caps the payees'."""

    def amounts(self, *done: Work, cap: int = PPM, **payees: int) -> dict[bytes, int]:
        listed = {1: tuple((account(name), ppm) for name, ppm in payees.items())}
        rewards = split_rewards("gauge", 1_000, done, listed if payees else {}, cap)
        return {item.account: item.amount_wei for item in rewards}

    def test_only_the_devices_own(self) -> None:
        done = (work("o", 1), work("o", 1, device=2))
        assert self.amounts(*done, a=700_000, b=300_000) == {
            A: 350,
            B: 150,
            account("o"): 500,
        }

    def test_a_ceiling_comes_before_the_split(self) -> None:
        assert self.amounts(work("o", 1, ceiling=11), a=500_000, b=500_000) == {A: 6, B: 5}

    def test_a_devices_work_is_split_at_once(self) -> None:
        done = (work("o", 1, ceiling=1), work("o", 1, ceiling=1))
        assert self.amounts(*done, a=500_000, b=500_000) == {A: 1, B: 1}

    def test_the_cap_is_each_payees(self) -> None:
        done = (work("o", 1), work("a", 1, device=2))
        # 500 for each device; of the first 300 for a, which has 500 of the second
        assert self.amounts(*done, cap=400_000, a=600_000, b=400_000) == {A: 400, B: 200}


def paying(device: int, *rows: tuple[str, int], payee: str = "anna") -> World:
    """Return a world that pays a device of anna's each epoch, out of deposits of 1,000."""
    world = World([gauge(payments=[
        Payment(
            payer=account(payer), payee=account(payee), amount=amount, purpose="gauge.water",
            device=device,
        )
        for payer, amount in rows
    ])])  # fmt: skip
    for payer in sorted({payer for payer, _ in rows}):
        world.deposit(payer, 1_000)
    world.enrol("g1", "anna")
    world.log(world.binding("g1", "anna"), at=BEFORE_S)
    return world


class TestPayments:
    """Payments for a device go to its payees, its owner where it has none."""

    def test_without_a_list_to_the_owner(self) -> None:
        assert total(paying(1, ("pam", 31)).settle(), "anna") == (31, 0)

    def test_with_a_list_to_the_payees(self) -> None:
        world = paying(1, ("pam", 31))
        world.share("g1", ben=250_000, cat=750_000)
        result = world.settle()
        assert [total(result, name) for name in ("anna", "ben", "cat", "pam")] == [
            (0, 0), (8, 0), (23, 0), (0, 31),
        ]  # fmt: skip
        assert result.paid_micro == 31

    def test_many_small_payments_are_one_amount(self) -> None:
        """Split one by one, they would all go to the first."""
        world = paying(1, *[("pam", 1)] * 10, ("pat", 10))
        world.share("g1", ben=500_000, cat=500_000)
        result = world.settle()
        assert [total(result, name)[0] for name in ("ben", "cat")] == [10, 10]

    def test_what_is_not_a_devices_is_not_shared(self) -> None:
        world = paying(0, ("pam", 31))
        world.share("g1", ben=PPM)
        assert total(world.settle(), "anna") == (31, 0)

    def test_the_list_in_force_at_the_epochs_end(self) -> None:
        world = paying(1, ("pam", 10))
        world.share("g1", at=GENESIS_S + 5, ben=PPM)
        world.share("g1", at=GENESIS_S + EPOCH_S - 1, cat=PPM)
        world.share("g1", at=GENESIS_S + EPOCH_S)
        first, second = world.settle(), world.settle()
        assert [total(first, name)[0] for name in ("anna", "ben", "cat")] == [0, 0, 10]
        assert [total(second, name)[0] for name in ("anna", "ben", "cat")] == [10, 0, 10]

    def test_a_payee_may_pay(self) -> None:
        world = paying(1, ("pam", 10))
        world.share("g1", pam=PPM)
        assert total(world.settle(), "pam") == (10, 10)

    def test_a_device_is_paid_for_its_own_account_only(self) -> None:
        for world in (paying(1, ("pam", 10), payee="eve"), paying(9, ("pam", 10))):
            with pytest.raises(InvariantBroken):
                world.settle()

    def test_work_counts_for_its_devices_own_account_only(self) -> None:
        def elsewhere(resource: Resource) -> Resource:
            def market(data: ResourceInput, verified: Verified) -> Traded:
                return replace(resource.rules.market(data, verified), work=(work("eve", 5),))

            return replace(resource, rules=replace(resource.rules, market=market))

        world = World([elsewhere(gauge())])
        world.enrol("g1", "anna")
        world.log(world.binding("g1", "anna"), level(world, "g1", 5, GENESIS_S))
        with pytest.raises(InvariantBroken):
            world.settle()

    def test_rewards_through_settle(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "anna")
        world.share("g1", ben=999_999, cat=1)
        world.log(world.binding("g1", "anna"), level(world, "g1", 5, GENESIS_S))
        result = world.settle()
        tokens = [total(result, name, TOKEN)[0] for name in ("anna", "ben", "cat")]
        assert tokens == [0, 1_000 * WEI - WEI // 1_000, WEI // 1_000]


class TestFacts:
    """Who is paid at the epoch's end."""

    def payees(self, facts: Facts) -> dict[int, dict[bytes, int]]:
        return {device: dict(shares) for device, shares in facts.payees.items()}

    def test_the_last_list_counts(self) -> None:
        world = World([gauge()])
        world.enrol("g1", "anna")
        world.share("g1", ben=PPM)
        world.share("g1", ben=400_000, cat=600_000)
        assert self.payees(world.facts(0)) == {
            1: {account("ben"): 400_000, account("cat"): 600_000}
        }

    def test_it_goes_along_with_a_transfer_and_ends_with_the_id(self) -> None:
        world = World([gauge()])
        world.enrol("g1", "anna")
        world.share("g1", ben=PPM)
        world.transfer("g1", "anna", "dan", at=BEFORE_S)
        assert self.payees(world.facts(0)) == {1: {account("ben"): PPM}}
        burn = replace(world.events[-1], receiver=bytes(20))  # type: ignore[call-arg]
        world.events.append(burn)
        assert self.payees(world.facts(0)) == {}

    def test_a_device_that_nobody_can_authenticate_has_none(self) -> None:
        world = World([gauge()])
        world.devices["ghost"] = 7
        world.share("ghost", ben=PPM)
        assert world.facts(0).payees == {}


def test_the_smallest_of_several_ids_counts() -> None:
    """One owner may hold several ids for one key: its payees are those of the smallest."""
    world = World([gauge()], account_cap_ppm=PPM)
    world.enrol("g1", "anna")
    world.share("g1", ben=PPM)
    world.enrol("g1", "anna")
    world.share("g1", cat=PPM)
    world.log(world.binding("g1", "anna"), level(world, "g1", 5, GENESIS_S))
    result = world.settle()
    assert [total(result, name, TOKEN)[0] for name in ("ben", "cat")] == [1_000 * WEI, 0]
    (verdict,) = {item.device for item in result.verdicts}
    assert verdict == 1


class TestOneWithAList:
    """An id with a list of payees counts before those without one, whichever is smaller."""

    def earned(self, world: World) -> tuple[list[int], int | None]:
        world.log(world.binding("g1", "anna"), level(world, "g1", 5, GENESIS_S))
        result = world.settle()
        (device,) = {item.device for item in result.verdicts}
        return [total(result, name, TOKEN)[0] // WEI for name in ("anna", "ben", "cat")], device

    def test_an_owner_enrols_the_key_again(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "anna")
        world.share("g1", ben=PPM)
        world.enrol("g1", "anna")
        assert self.earned(world) == ([0, 1_000, 0], 1)

    def test_an_id_that_was_there_before(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "anna")
        world.enrol("g1", "anna")
        world.share("g1", ben=PPM)
        assert self.earned(world) == ([0, 1_000, 0], 2)

    def test_a_smaller_id_that_a_friend_gives(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "friend")
        world.transfer("g1", "friend", "anna", BEFORE_S)
        world.enrol("g1", "anna")
        world.share("g1", ben=PPM)
        assert self.earned(world) == ([0, 1_000, 0], 2)

    def test_the_smallest_of_those_with_one(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "anna")
        for payee in ({"ben": PPM}, {"cat": PPM}):
            world.enrol("g1", "anna")
            world.share("g1", **payee)
        assert self.earned(world) == ([0, 1_000, 0], 2)

    def test_an_id_that_a_stranger_pushes_displaces_none(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "friend")
        world.enrol("g1", "anna")
        pushed = {"sender": account("friend"), "receiver": account("anna")}
        world.event(Transferred, BEFORE_S, device=1, **pushed)
        assert self.earned(world) == ([1_000, 0, 0], 2)

    def test_a_smaller_id_kept_in_reserve_displaces_none(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "anna")
        world.enrol("g1", "anna")
        world.share("g1", ben=PPM)
        world.event(PayeesSet, BEFORE_S, device=1, shares=(Share(account=account("cat"), ppm=PPM),))
        assert self.earned(world) == ([0, 1_000, 0], 2)

    def test_an_id_that_is_given_away_counts_no_more(self) -> None:
        world = World([gauge()], account_cap_ppm=PPM)
        world.enrol("g1", "anna")
        world.enrol("g1", "anna")
        world.share("g1", ben=PPM)
        world.transfer("g1", "anna", "cat", BEFORE_S)
        assert self.earned(world) == ([1_000, 0, 0], 1)


def test_a_retired_id_counts_for_nobody() -> None:
    """The zero address holds it, and a key cannot bind itself to that."""
    world = World([gauge()])
    world.enrol("g1", "anna")
    world.event(Transferred, BEFORE_S, device=1, sender=account("anna"), receiver=bytes(20))
    world.log(sign_binding(world.key("g1"), world.network.network_id, BEFORE_S, bytes(20), 1))
    (verdict,) = world.settle().verdicts
    assert verdict.reason == "not_bound"
