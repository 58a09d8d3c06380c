"""What nodes and the treasury get of the emission: services out of events, pools, rewards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest

from commonworks.errors import InvariantBroken
from commonworks.events import Closed, Range, UnbondingStarted
from commonworks.model import Role, Settlement
from commonworks.settlement.emission import EARNERS
from commonworks.units import PPM, WEI
from settlement_world import (
    BEFORE_S,
    EPOCH_S,
    GENESIS_S,
    LOGS,
    NETWORK,
    TOKEN,
    World,
    account,
    gauge,
    level,
    total,
)

BOND = 1_000 * WEI
"""The smallest that counts, of gateways."""


def window(epoch: int) -> int:
    """Return a moment within an epoch."""
    return GENESIS_S + epoch * EPOCH_S + 500


def services(world: World, epoch: int) -> dict[tuple[str, bytes], int]:
    """Return the weights in the facts of an epoch, by role and account."""
    return {(str(s.role), s.account): s.weight for s in world.facts(epoch).service}


def verifier(name: str) -> tuple[str, bytes]:
    return (str(Role.VERIFIER), account(name))


def gateway(name: str) -> tuple[str, bytes]:
    return (str(Role.GATEWAY), account(name))


@pytest.fixture
def world() -> World:
    """Two verifiers with stakes 7 and 11, a bonded and an unbonded gateway."""
    made = World([gauge()])
    made.stake("vera", 7)
    made.stake("vito", 11)
    made.gateway("gate", 0, bond=BOND)
    made.gateway("loose", 1, bond=BOND - 1)
    return made


class TestVerifiers:
    """Stake at the settled epoch's end, once for confirming and once for the right digest."""

    def test_confirming_and_attesting_count_alike(self, world: World) -> None:
        both, one = ["vera", "vito"], ["vito"]
        world.serve(0, window(1), confirmed=both, attested=one)
        assert services(world, 1) == {verifier("vera"): 7, verifier("vito"): 22}

    def test_another_digest_does_not_count(self, world: World) -> None:
        world.serve(0, window(1), attested=["vera"], wrong=["vito"])
        assert services(world, 1) == {verifier("vera"): 7}

    def test_it_counts_in_the_window_of_finalising(self, world: World) -> None:
        world.serve(0, window(1), attested=["vera"])
        assert services(world, 0) == services(world, 2) == {}

    @pytest.mark.parametrize(("second", "epoch"), [(-1, 1), (0, 2)])
    def test_the_windows_end_is_the_next_ones(self, world: World, second: int, epoch: int) -> None:
        world.serve(0, GENESIS_S + 2 * EPOCH_S + second, attested=["vera"])
        assert [bool(services(world, e)) for e in range(4)] == [e == epoch for e in range(4)]

    def test_late_epochs_count_together(self, world: World) -> None:
        for epoch in range(3):
            world.serve(epoch, window(4), confirmed=["vera"], attested=["vera"])
        assert services(world, 4) == {verifier("vera"): 6 * 7}

    def test_an_epoch_that_never_finalises_never_counts(self, world: World) -> None:
        world.serve(0, window(1), confirmed=["vera"])
        world.events.pop()  # it was not finalised
        assert all(services(world, epoch) == {} for epoch in range(5))

    def test_the_stake_is_that_of_the_settled_epochs_end(self, world: World) -> None:
        world.stake("vera", 100, at=GENESIS_S + EPOCH_S - 1)
        world.stake("vera", 5_000, at=GENESIS_S + EPOCH_S)
        world.serve(0, window(1), attested=["vera"])
        assert services(world, 1) == {verifier("vera"): 100}
        world.serve(1, window(2), attested=["vera"])
        assert services(world, 2) == {verifier("vera"): 5_000}

    def test_who_had_no_stake_has_no_weight(self, world: World) -> None:
        world.stake("vera", 0, at=GENESIS_S + 9)
        world.serve(0, window(1), confirmed=["vera", "stranger"], attested=["vito"])
        assert services(world, 1) == {verifier("vito"): 11}


class TestGateways:
    """One for each settled range of a bonded gateway's log."""

    def test_a_bonded_one(self, world: World) -> None:
        world.serve(0, window(2), logs=[0, 1])
        world.serve(1, window(2), logs=[0])
        assert services(world, 2) == {gateway("gate"): 2}

    def test_the_bond_is_that_of_the_windows_end(self, world: World) -> None:
        world.serve(0, window(1), logs=[0])
        for at, counts in ((GENESIS_S + 2 * EPOCH_S, True), (GENESIS_S + 2 * EPOCH_S - 1, False)):
            world.event(UnbondingStarted, at, operator=account("gate"), amount=1, ready_at=at + 9)
            assert (services(world, 1) == {gateway("gate"): 1}) is counts
            world.events.pop()

    def test_a_vote_changes_what_bond_it_takes(self, world: World) -> None:
        world.serve(0, window(1), logs=[0, 1])
        world.set_policy("gateway_bond_min", BOND - 1, from_epoch=2, at=window(1))
        world.serve(1, window(2), logs=[0, 1])
        assert services(world, 1) == {gateway("gate"): 1}
        assert services(world, 2) == {gateway("gate"): 1, gateway("loose"): 1}

    def test_an_empty_range_and_an_unknown_log(self, world: World) -> None:
        ranges = [
            Range(log_id=LOGS[0], first=7, size=7, root=bytes(32)),
            Range(log_id=bytes(32), first=0, size=9, root=bytes(32)),
        ]
        world.serve(0, window(1))
        world.events = [event for event in world.events if not isinstance(event, Closed)]
        last = world.events.pop()
        world.event(Closed, window(1), epoch=0, evidence_hash=bytes(32), ranges=tuple(ranges))
        world.events.append(last)
        assert services(world, 1) == {}


def rewards(result: Settlement) -> Mapping[tuple[str, bytes], int]:
    """Return rewards by who gives and who gets them."""
    return {(item.resource, item.account): item.amount_wei for item in result.rewards}


def settled(world: World, epochs: int) -> Settlement:
    """Settle so many epochs; return the last."""
    return [world.settle() for _ in range(epochs)][-1]


SHARES = {
    "gauge_emission_ppm": 500_000,
    "emission_verifiers_ppm": 200_000,
    "emission_gateways_ppm": 100_000,
    "emission_treasury_ppm": 50_000,
}


class TestRewards:
    """E0 is 1000 tokens and H 2 epochs: epoch 1 may mint 750 of them."""

    def test_everybodys_share(self) -> None:
        world = World([gauge()], **SHARES)
        world.stake("vera", 1)
        world.stake("vito", 2)
        world.gateway("gate", 0, bond=BOND)
        world.gateway("wide", 1, bond=2 * BOND)
        both = ["vera", "vito"]
        world.serve(0, window(1), confirmed=both, attested=both, logs=[0, 1])
        result = settled(world, 2)
        assert rewards(result) == {
            ("gateways", account("gate")): 37_500_000_000_000_000_000,
            ("gateways", account("wide")): 37_500_000_000_000_000_000,
            ("treasury", account("treasury")): 37_500_000_000_000_000_000,
            ("verifiers", account("vera")): 50 * WEI,
            ("verifiers", account("vito")): 100 * WEI,
        }
        assert result.minted_wei == 2_625 * WEI // 10  # nobody worked: the gauge's half is not made
        assert result.unminted_wei == 750 * WEI - result.minted_wei
        assert total(result, "treasury", TOKEN) == (875 * WEI // 10, 0)  # of two epochs

    def test_nobody_served(self) -> None:
        result = settled(World([gauge()], **{**SHARES, "emission_treasury_ppm": 0}), 2)
        assert (result.rewards, result.minted_wei) == ((), 0)

    def test_the_cap_of_accounts_is_for_resources_only(self) -> None:
        world = World([gauge()], **SHARES, account_cap_ppm=100_000)
        world.stake("vera", 1)
        world.enrol("g1", "vera")
        world.log(world.binding("g1", "vera"), level(world, "g1", 5, GENESIS_S))
        world.log(level(world, "g1", 5, GENESIS_S + EPOCH_S), epoch=1)
        world.serve(0, window(1), confirmed=["vera"])
        found = rewards(settled(world, 2))
        assert found["gauge", account("vera")] == 375 * WEI // 10  # a tenth of 375
        assert found["verifiers", account("vera")] == 150 * WEI

    def test_shares_beyond_the_whole_are_weights(self) -> None:
        world = World([gauge()], **{**SHARES, "gauge_emission_ppm": PPM})
        world.stake("vera", 1)
        world.serve(0, window(1), attested=["vera"])
        found = rewards(settled(world, 2))
        assert found["verifiers", account("vera")] == 750 * WEI * 200_000 // 1_350_000

    def test_floors_leave_a_residual_that_is_not_minted(self) -> None:
        world = World([gauge()], **SHARES)
        for name in ("a", "b", "c"):
            world.stake(name, 1)
        world.serve(0, window(1), attested=["a", "b", "c"])
        world.set_policy("emission.verifiers_ppm", 1, from_epoch=1, at=window(0))
        result = settled(world, 2)
        pool = 750 * WEI // PPM
        assert sum(v for (n, _), v in rewards(result).items() if n == "verifiers") == pool // 3 * 3

    def test_where_nothing_is_ever_minted(self) -> None:
        """A cooperative: the same services, no token."""
        world = World([gauge()], replace(NETWORK, initial_emission_wei=0), **SHARES)
        world.stake("vera", 1)
        world.gateway("gate", 0, bond=BOND)
        world.enrol("g1", "anna")
        world.log(world.binding("g1", "anna"), level(world, "g1", 5, GENESIS_S))
        world.serve(0, window(1), attested=["vera"], logs=[0])
        for _ in range(3):
            result = world.settle()
            assert (result.rewards, result.minted_wei, result.unminted_wei) == ((), 0, 0)
            assert not [item for item in result.payouts if item.asset == TOKEN]
        assert world.facts(1).service

    @pytest.mark.parametrize("name", EARNERS)
    def test_no_resource_is_called_like_another_earner(self, name: str) -> None:
        with pytest.raises(InvariantBroken):
            World([gauge(name)]).settle()


def test_the_order_of_events_within_a_moment_does_not_show(world: World) -> None:
    both = ["vera", "vito"]
    world.serve(0, window(1), confirmed=both, attested=both, logs=[0, 1])
    expected = world.facts(1).service
    founding = [event for event in world.events if event.at.time < GENESIS_S]
    *rounds, last = [event for event in world.events if event.at.time >= GENESIS_S]
    for seed in range(10):
        Random(seed).shuffle(rounds)
        world.events = [*founding, *rounds, last]
        assert world.facts(1).service == expected


def test_what_was_before_the_network_opened_belongs_to_its_first_epoch(world: World) -> None:
    """A chain may hold events before genesis; nothing was finalised then, bonds were."""
    assert world.facts(0).service == ()
    assert all(event.at.time == BEFORE_S for event in world.events)
