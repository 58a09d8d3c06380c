"""Back-tests: past epochs under another policy, beside what they were."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest

from backtest_world import VERIFIER, Past, past_of
from commonworks.errors import CommonworksError, Conflict, InvalidInput, NotFound
from commonworks.events import ParameterSet
from commonworks.model import Payment, Settlement
from commonworks.resources.base import Resource, Table
from commonworks.units import PPM, WEI
from commonworks.wiring.backtest import Backtest, Flow, backtest, booked
from commonworks.wiring.evidence import Source
from settlement_world import (
    BEFORE_S,
    CURRENCY,
    EPOCH_S,
    GENESIS_S,
    TOKEN,
    World,
    account,
    gauge,
    hashes,
    level,
)
from street_story import live
from street_world import Meter, Street

WEEK = 7 * 24


def street(epochs: int, seed: int = 7, **parameters: int) -> Past:
    """Return a street's past under a policy: the same people, readings and orders every time.

    Votes change parameters on the way, but not those that are given.
    """
    random = Random(seed)
    who = {name: int.from_bytes(account(name), "big") for name in ("dso", "state", "tax")}
    made = Street(
        {name: Meter(plant_wp=10_000) for name in ("sun", "roof")}
        | {name: Meter() for name in ("house", "car")},
        owners={"car": "house"},
        funds=9 * 10**6,
        **{
            "energy_grid_charge": 31_000,
            "energy_levy": 17_000,
            "energy_grid_account": who["dso"],
            "energy_levy_account": who["state"],
            "energy_vat_account": who["tax"],
            "half_life_epochs": 37,
            "emission_verifiers_ppm": 100_003,
            "emission_treasury_ppm": 50_021,
            **parameters,
        },
    )
    made.share("roof", ann=333_333, bob=666_667)
    made.stake(VERIFIER, 1_009)
    for name, limits in (
        ("sun", {"sell": 71_000}),
        ("roof", {"sell": 93_000}),
        ("house", {"buy": 301_000}),
        ("car", {"buy": 283_000}),
    ):
        made.log(made.order(name, **limits), at=BEFORE_S)
    for epoch in range(epochs):
        live(made, random, epoch)
    given = {name.replace("_", ".", 1).encode() for name in parameters} | {
        name.encode() for name in parameters
    }
    made.events = [
        event
        for event in made.events
        if not isinstance(event, ParameterSet) or event.key.rstrip(b"\0") not in given
    ]
    return past_of(made, epochs)


@cache
def day() -> Past:
    """A day of the street under its own policy."""
    return street(24)


def run(source: Source, overrides: dict[str, int], **options: Any) -> Backtest:
    """Run a back-test."""
    chosen = {"epochs": 24, "from_state": False, **options}
    return asyncio.run(backtest(source, overrides, **chosen))


def refusal(source: Source, overrides: dict[str, int], **options: Any) -> CommonworksError:
    """Return why a back-test is refused."""
    with pytest.raises(CommonworksError) as caught:
        run(source, overrides, **options)
    return caught.value


# --- the same as a network that had the policy from the start ------------------------------------


POLICIES = (
    {"energy.grid_charge": 71_000},
    {"energy.emission_ppm": 211_000, "emission.verifiers_ppm": 0, "account_cap_ppm": 90_001},
    {"half_life_epochs": 5},
    {"half_life_epochs": 1_009, "energy.reward_ratio_ppm": 100_003, "energy.token_price": 13},
    {"currency_growth_max": 1_000, "energy.vat_ppm": 0},
    {"lateness_s": 86_400, "energy.levy_account": 0},
)


@pytest.mark.slow
def test_a_week_equals_a_week_under_that_policy_from_the_start() -> None:
    """The whole week, with half-life, shares, charges and a growth limit changed at once."""
    changed = {
        "energy.grid_charge": 53_000,
        "half_life_epochs": 91,
        "energy.emission_ppm": 411_000,
        "emission.treasury_ppm": 150_001,
        "currency_growth_max": 20_011,
    }
    was = street(WEEK)
    lived = street(WEEK, **{key.replace(".", "_"): value for key, value in changed.items()})
    found = run(was.source, changed, epochs=WEEK)
    assert found.begun_from == "genesis"
    assert [hashes(s) for s in found.settled] == [hashes(s) for s in lived.settled]
    for ours, theirs in zip(found.settled, lived.settled, strict=True):
        assert replace(ours.state, digest=b"") == replace(theirs.state, digest=b"")
        assert (ours.payouts, ours.rewards, ours.verdicts) == (
            theirs.payouts,
            theirs.rewards,
            theirs.verdicts,
        )
    assert [hashes(s) for s in was.settled] != [hashes(s) for s in lived.settled]
    assert all(setting.read for setting in found.settings)


@pytest.mark.parametrize("changed", POLICIES, ids="+".join)
def test_a_day_equals_a_day_under_that_policy(changed: dict[str, int]) -> None:
    lived = street(24, **{key.replace(".", "_"): value for key, value in changed.items()})
    found = run(day().source, changed)
    assert [hashes(s) for s in found.settled] == [hashes(s) for s in lived.settled]


def test_what_changes_adds_up_to_the_payout_tree() -> None:
    """Over a whole past, what accounts have more or less is what their leaves have."""
    found = run(day().source, {"energy.grid_charge": 71_000, "half_life_epochs": 5})
    for before, settled in ((True, day().settled), (False, found.settled)):
        earned: dict[tuple[bytes, bytes], int] = {}
        spent: dict[tuple[bytes, bytes], int] = {}
        for item in found.accounts:
            flow = item.before if before else item.after
            where = (item.asset, item.account)
            earned[where] = earned.get(where, 0) + flow.earned
            spent[where] = spent.get(where, 0) + flow.spent
        for done in (done for one in settled for done in one.withdrawn):
            where = (done.asset, done.account)
            earned[where] = earned.get(where, 0) + done.amount
            spent[where] = spent.get(where, 0) + done.amount
        for total in settled[-1].payouts:
            where = (total.asset, total.account)
            assert total.earned == earned.get(where, 0)
            assert total.spent == spent.get(where, 0)


# --- where it begins -----------------------------------------------------------------------------


def test_from_a_stored_state_the_past_stays_as_it_was() -> None:
    found = run(day().source, {"energy.grid_charge": 71_000}, epochs=5, from_state=True)
    assert (found.first, found.last, found.begun_from) == (19, 23, "the state of epoch 18")
    always = run(day().source, {"energy.grid_charge": 71_000}, epochs=5)
    assert (always.first, always.last, always.begun_from) == (19, 23, "genesis")
    assert [hashes(s) for s in found.settled] != [hashes(s) for s in always.settled]
    assert {item.epoch: item.before for item in found.epochs} == {
        item.epoch: item.before for item in always.epochs
    }


def test_from_a_state_equals_from_genesis_where_nothing_before_the_window_changed() -> None:
    """The first half of the day nobody can trade: the grid charge plays no part in it."""

    def quiet(**parameters: int) -> Past:
        made = Street(
            {"sun": Meter(plant_wp=10_000), "house": Meter()},
            energy_grid_charge=31_000,
            energy_grid_account=int.from_bytes(account("dso"), "big"),
            **parameters,
        )
        made.orders(sun=71_000, house=-301_000)
        for epoch in range(6):
            traded = 0 if epoch < 3 else 500
            flows = {"sun": [(0, traded)] * 4, "house": [(traded, 0)] * 4}
            made.measure(epoch, flows)
        return past_of(made, 6)

    past = quiet()
    changed = {"energy.grid_charge": 71_000}
    kept = run(past.source, changed, epochs=3, from_state=True)
    whole = run(past.source, changed, epochs=3)
    assert [hashes(s) for s in kept.settled] == [hashes(s) for s in whole.settled]
    assert (kept.accounts, kept.epochs) == (whole.accounts, whole.epochs)
    assert kept.changed


def test_a_window_longer_than_the_past_is_the_whole_past() -> None:
    found = run(day().source, {"energy.grid_charge": 71_000}, epochs=999)
    assert (found.first, found.last) == (0, 23)
    same = run(day().source, {"energy.grid_charge": 71_000}, epochs=999, from_state=True)
    assert same == replace(found, begun_from=same.begun_from)
    assert same.begun_from == "genesis"


def test_up_to_an_epoch_it_is_what_was_tested_when_that_was_the_newest() -> None:
    changed = {"energy.grid_charge": 71_000}
    found, whole = run(day().source, changed, epochs=4, until=17), run(day().source, changed)
    assert (found.first, found.last, found.begun_from) == (14, 17, "genesis")
    assert found.epochs == whole.epochs[14:18]
    assert isinstance(refusal(day().source, changed, until=24), NotFound)


@pytest.mark.parametrize("from_state", [False, True])
def test_an_unchanged_policy_changes_nothing(from_state: bool) -> None:
    same = {"energy.grid_charge": 31_000, "energy.levy": 17_000}
    found = run(day().source, same, epochs=6, from_state=from_state)
    assert found.changed == ()
    assert found.by_account(CURRENCY) == found.by_account(TOKEN) == ()
    assert all(item.before == item.after for item in found.epochs)
    assert [hashes(s) for s in found.settled] == [hashes(s) for s in day().settled[18:]]
    assert any(item.before != Flow() for item in found.accounts)


# --- what it says --------------------------------------------------------------------------------


class TestWhoGains:
    """Three people and one gauge: numbers that a person can check."""

    @staticmethod
    def past(*, outside: int | None = None) -> Past:
        """Ann pays Ben 30 and the village 7 each epoch; Ben reports work; two share his device."""

        def views(_: object) -> tuple[Table, ...]:
            if outside is None:
                return ()
            row = ("0x" + account("ann").hex(), 0, outside)
            columns = ("account", "earned_micro", "paid_micro")
            return (Table(name="outside", columns=columns, rows=(row,)),)

        paid = (("ben", 30, 1), ("village", 7, 0))
        resource: Resource = gauge(
            payments=[
                Payment(
                    payer=account("ann"),
                    payee=account(payee),
                    amount=amount,
                    purpose="gauge.water",
                    device=device,
                )
                for payee, amount, device in paid
            ]
        )
        world = World([replace(resource, views=views)], emission_treasury_ppm=500_000)
        world.enrol("g", "ben")
        world.share("g", ben=900_000, cleo=100_000)
        world.log(world.binding("g", "ben"), at=BEFORE_S)
        world.deposit("ann", 1_000)
        for epoch in range(2):
            time = GENESIS_S + epoch * EPOCH_S + 5
            world.log(level(world, "g", 10, time), epoch=epoch)
        return past_of(world, 2)

    def test_shares_of_the_emission(self) -> None:
        """gauge : treasury is 1 : 1/2 before and 1 : 0 after, of 1,000 + 750 in two epochs."""
        found = run(self.past().source, {"emission.treasury_ppm": 0, "account_cap_ppm": PPM})
        rows = {(i.resource, i.account): i for i in found.accounts if i.asset == TOKEN}
        treasury = rows["treasury", account("treasury")]
        pools = [2 * WEI * 1_000 // 3, 2 * WEI * 750 // 3]
        assert treasury.before.earned == 1_000 * WEI // 3 + 750 * WEI // 3
        assert treasury.after == Flow()
        ben = rows["gauge", account("ben")]
        cap = [pool * 400_000 // PPM for pool in pools]
        assert ben.before.earned == sum(cap)
        assert ben.after.earned == 1_750 * WEI * 9 // 10
        assert found.by_account(TOKEN)[0] == (account("ben"), ben.gain)
        assert found.by_account(TOKEN)[-1] == (account("treasury"), treasury.gain)
        assert [item.after.unminted_wei for item in found.epochs] == [0, 0]

    def test_payments_are_split_over_payees(self) -> None:
        found = run(self.past().source, {"account_cap_ppm": 1})
        rows = {i.account: i.before for i in found.accounts if i.asset == CURRENCY}
        assert rows == {
            account("ann"): Flow(spent=74),
            account("ben"): Flow(earned=54),
            account("cleo"): Flow(earned=6),
            account("village"): Flow(earned=14),
        }
        assert {i.asset for i in found.changed} == {TOKEN}

    def test_what_moves_outside_the_vault_counts(self) -> None:
        found = run(self.past(outside=11).source, {"account_cap_ppm": 1})
        row = next(i for i in found.accounts if i.account == account("ann"))
        assert row.before == Flow(spent=74, outside=-22)
        assert row.before.net == -96

    def test_withdrawals_are_nobodys_gain(self) -> None:
        past = self.past()
        past.world.withdraw("ann", 100, at=GENESIS_S + 9)
        again = past_of(past.world, 2)
        (done,) = again.settled[0].withdrawn
        assert done.amount == 100
        found = run(again.source, {"account_cap_ppm": 1})
        row = next(i for i in found.accounts if i.account == account("ann"))
        assert row.before == row.after == Flow(spent=74)

    def test_the_breaker_is_foreseen(self) -> None:
        found = run(self.past().source, {"token_growth_max_wei": 900 * WEI})
        assert len(found.refused) == 0  # caps leave little
        found = run(self.past().source, {"token_growth_max_wei": 900 * WEI, "account_cap_ppm": PPM})
        assert len(found.refused) == 1
        assert found.refused[0].line.startswith("epoch 0: earnings would grow by 999999")
        assert found.refused[0].key == "token_growth_max_wei"
        found = run(self.past().source, {"currency_growth_max": 36})
        assert [one.epoch for one in found.refused] == [0, 1]

    def test_a_parameter_that_nothing_reads_is_told(self) -> None:
        found = run(self.past().source, {"voting_delay_s": 5, "account_cap_ppm": 3, "rules": 9})
        assert {s.key: s.read for s in found.settings} == {
            "account_cap_ppm": True,
            "rules": False,
            "voting_delay_s": False,
        }
        assert {s.key: (s.before, s.after) for s in found.settings}["account_cap_ppm"] == (
            (400_000,),
            3,
        )

    def test_a_parameter_that_a_vote_changed_meanwhile(self) -> None:
        past = self.past()
        past.world.set_policy("account_cap_ppm", 100_000, 1)
        found = run(past_of(past.world, 2).source, {"account_cap_ppm": 100_000})
        assert found.settings[0].before == (400_000, 100_000)
        assert [item.before == item.after for item in found.epochs] == [False, True]

    def test_a_parameter_that_is_yet_to_be_defined(self) -> None:
        source = self.past().source
        found = run(source, {}, defined={"gauge.new": 7})
        assert found.settings[0].before == ()
        assert not found.changed


# --- what it refuses -----------------------------------------------------------------------------


def test_values_that_a_vote_could_not_set() -> None:
    error = refusal(day().source, {"energy.vat_ppm": 500_001})
    assert isinstance(error, InvalidInput)
    assert error.message == "energy.vat_ppm = 500001 is outside 0..500000"
    assert "no parameter energy.nothing" in refusal(day().source, {"energy.nothing": 1}).message
    assert "needs an epoch" in refusal(day().source, {}, epochs=0).message


def test_a_network_that_finalised_nothing() -> None:
    source = past_of(World([gauge()]), 0).source
    assert isinstance(refusal(source, {}), NotFound)


def test_a_result_that_was_not_what_the_evidence_gives() -> None:
    """The chain says something else than this evidence gives: no back-test."""
    past = street(3)
    final = past.view.finalised[1]
    wrong = replace(final.commitment, result_hash=bytes(32))
    past.view.finalised[1] = replace(final, commitment=wrong)
    error = refusal(past.source, {"energy.grid_charge": 1})
    assert isinstance(error, Conflict)
    assert error.message.startswith("epoch 1: the result (verdicts, work, rewards, payments)")
    assert "audit 1" in error.hint


def test_other_rules_than_this_releases() -> None:
    source = replace(street(1).source, rules_hash=b"\1" * 32)
    assert "settled by rules 00000000" in refusal(source, {"energy.grid_charge": 1}).message


def test_a_state_that_the_chain_does_not_vouch_for() -> None:
    past = street(3)
    past.settled[1] = past.settled[0]
    error = refusal(past.source, {"energy.grid_charge": 1}, epochs=1, from_state=True)
    assert isinstance(error, NotFound)
    assert "no stored state of epoch 1" in error.message
    assert run(past.source, {"energy.grid_charge": 1}, epochs=1).first == 2


def test_evidence_that_is_not_whole() -> None:
    past = street(2)
    for log in past.logs.values():
        for path in [path for path in log.files if path.startswith("sealed/")]:
            log.files[path] = b"\0\0" * len(log.items)
    error = refusal(past.source, {"energy.grid_charge": 1})
    assert isinstance(error, Conflict)
    assert "the payload is missing" in error.message
    later = replace(past.source, now=GENESIS_S + 731 * 86_400)
    error = refusal(later, {"energy.grid_charge": 1})
    assert error.message == "epoch 0: evidence erased by rule"
    assert "--from-state" in error.hint
    nothing = replace(past.source, logs={})
    assert isinstance(refusal(nothing, {"energy.grid_charge": 1}), NotFound)


def test_the_books_of_one_epoch_are_those_of_the_settlement() -> None:
    """What `booked` finds of an epoch is what its totals grew by."""
    past = day()
    for before, after in zip(past.settled, past.settled[1:], strict=False):
        facts = past.world.facts(after.epoch)
        moved = booked(past.world.resources, facts, after)
        grown = _growth(before, after)
        for done in after.withdrawn:
            earned, spent = grown.get((done.asset, done.account), (0, 0))
            grown[done.asset, done.account] = earned - done.amount, spent - done.amount
        found: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        for (_, who, asset), flow in moved.items():
            earned, spent = found.get((asset, who), (0, 0))
            found[asset, who] = earned + flow.earned, spent + flow.spent
        # Who only moved money outside the Vault has a row, and nothing in the Vault's totals.
        found = {where: row for where, row in found.items() if row != (0, 0)}
        assert found == {where: row for where, row in grown.items() if row != (0, 0)}


def _growth(before: Settlement, after: Settlement) -> dict[tuple[bytes, bytes], tuple[int, int]]:
    old = {(t.asset, t.account): (t.earned, t.spent) for t in before.payouts}
    rows = {}
    for total in after.payouts:
        earned, spent = old.get((total.asset, total.account), (0, 0))
        rows[total.asset, total.account] = total.earned - earned, total.spent - spent
    return rows
