"""The auction, bills, funds, the utility and rewards: numbers a person can check by hand."""

from __future__ import annotations

import pytest

from commonworks.model import (
    Settlement,
)
from commonworks.resources.energy.auction_v1 import NOTHING, Clearing, Match, Offer, clear
from commonworks.resources.energy.reasons import PURPOSES, Purpose, Why
from commonworks.resources.energy.views import device_bills, views
from commonworks.units import PPM, WEI
from settlement_world import (
    BEFORE_S,
    EPOCH_S,
    GENESIS_S,
    TOKEN,
    account,
    reason_of,
    total,
)
from street_world import Meter, Street, reasons


def number(name: str) -> int:
    """Return an account as a policy value."""
    return int.from_bytes(account(name), "big")


def offers(*rows: tuple[int, int, int]) -> list[Offer]:
    """Return offers from (device, quantity, limit) rows."""
    return [Offer(device=device, quantity=q, limit=limit) for device, q, limit in rows]


def traded(clearing: Clearing) -> set[tuple[int, int, int]]:
    """Return matches as (seller, buyer, quantity)."""
    return {(m.seller, m.buyer, m.quantity) for m in clearing.matches}


class TestAuction:
    """One price, the middle of what clears."""

    def test_no_cross(self) -> None:
        assert clear(offers((1, 5, 11)), offers((2, 5, 10))) == NOTHING
        assert clear([], offers((2, 5, 10))) == clear(offers((1, 5, 11)), []) == NOTHING

    def test_the_middle_between_two_limits(self) -> None:
        cleared = clear(offers((1, 5, 11)), offers((2, 5, 18)))
        assert cleared == Clearing(
            price=14, quantity=5, matches=(Match(seller=1, buyer=2, quantity=5),)
        )

    def test_scarce_supply_prices_at_what_the_marginal_buyer_bids(self) -> None:
        # 5 Wh for two buyers of 5: the second one's 13 stays unfilled, so 13..17 clears
        cleared = clear(offers((1, 5, 3)), offers((2, 5, 17), (3, 5, 13)))
        assert (cleared.price, traded(cleared)) == (15, {(1, 2, 5)})

    def test_scarce_demand_prices_at_what_the_marginal_seller_asks(self) -> None:
        # device 2's second half stays unsold: 7..7
        cleared = clear(offers((1, 5, 3), (2, 4, 7)), offers((3, 7, 17)))
        assert (cleared.price, traded(cleared)) == (7, {(1, 3, 5), (2, 3, 2)})

    def test_a_partial_margin_on_both_sides_of_the_range(self) -> None:
        # sold out at 3 and 5; the next bid 4 waits, the last one pays up to 11: range 5..11
        cleared = clear(offers((1, 2, 3), (2, 3, 5)), offers((3, 5, 11), (4, 9, 4)))
        assert (cleared.price, cleared.quantity) == (8, 5)

    def test_a_tie_is_shared_pro_rata_not_first_come(self) -> None:
        cleared = clear(offers((1, 30, 5), (2, 10, 5)), offers((3, 20, 9)))
        assert traded(cleared) == {(1, 3, 15), (2, 3, 5)}

    def test_a_tie_with_an_odd_watt_hour(self) -> None:
        # 10 over 7 : 7 is 5 : 5; 11 gives the odd one to the lower device
        cleared = clear(offers((1, 7, 5), (2, 7, 5)), offers((3, 11, 9)))
        assert traded(cleared) == {(1, 3, 6), (2, 3, 5)}

    def test_who_supplied_whom_is_pro_rata(self) -> None:
        cleared = clear(offers((1, 30, 5), (2, 60, 5)), offers((3, 30, 9), (4, 60, 9)))
        assert traded(cleared) == {(1, 3, 10), (1, 4, 20), (2, 3, 20), (2, 4, 40)}

    def test_the_order_of_offers_does_not_matter(self) -> None:
        asks, bids = offers((1, 7, 5), (2, 7, 5), (5, 3, 4)), offers((3, 9, 9), (4, 4, 6))
        assert clear(asks, bids) == clear(asks[::-1], bids[::-1])


def charged(**more: int) -> Street:
    """A plant and a house; grid 29, levy 17 micro per Wh, tax 19 %, all with receivers."""
    rates: dict[str, int] = {
        "energy_grid_charge": 29_000,
        "energy_levy": 17_000,
        "energy_vat_ppm": 190_000,
        "energy_grid_account": number("dso"),
        "energy_levy_account": number("state"),
        "energy_vat_account": number("tax"),
        "account_cap_ppm": PPM,
        "energy_emission_ppm": PPM,
    }
    funds = more.pop("funds", 10**9)
    meters = {"sun": Meter(plant_wp=10_000), "house": Meter()}
    return Street(meters, funds=funds, **{**rates, **more})


def once(street: Street, sun: int = 100, house: int = 100) -> Settlement:
    """Settle an epoch in which energy flows in the first interval only."""
    nothing = [(0, 0)] * 3
    street.measure(0, {"sun": [(0, sun), *nothing], "house": [(house, 0), *nothing]})
    return street.settle()


def paid(result: Settlement) -> dict[tuple[bytes, bytes, str], int]:
    """Return payments by (payer, payee, purpose)."""
    return {(p.payer, p.payee, p.purpose): p.amount for p in result.resources[0].payments}


class TestBills:
    """Energy, grid charge, levy, tax."""

    def test_an_interval_by_hand(self) -> None:
        street = charged()
        street.orders(sun=83_000, house=-307_000)
        result = once(street)
        # limit for energy: floor(307,000 / 1.19) = 257,983, less 29,000 and 17,000 = 211,983
        # price: (83,000 + 211,983) // 2 = 147,491; 100 Wh: 14,749 (floored)
        # grid 2,900, levy 1,700, tax 19 % of 19,349 = 3,676 (floored)
        assert paid(result) == {
            (account("house"), account("sun"), Purpose.TRADE): 14_749,
            (account("house"), account("dso"), Purpose.GRID): 2_900,
            (account("house"), account("state"), Purpose.LEVY): 1_700,
            (account("house"), account("tax"), Purpose.VAT): 3_676,
        }
        assert total(result, "house") == (0, 23_025)
        assert total(result, "sun") == (14_749, 0)
        summary = result.resources[0].summary
        assert summary["shared_wh"] == 100
        assert summary["mean_price_micro_per_kwh"] == 147_490
        assert summary["charges_micro"] == 2_900 + 1_700 + 3_676
        # against the utility: 30,700 for import, 8,300 for export
        assert summary["savings_micro"] == (30_700 - 23_025) + (14_749 - 8_300)
        assert result.paid_micro == 23_025

    def test_a_charge_without_a_receiver_is_not_due(self) -> None:
        street = charged(energy_levy_account=0, energy_vat_account=0)
        street.orders(sun=83_000, house=-112_001)
        result = once(street)
        # 112,001 - 29,000 = 83,001: the middle of 83,000 and 83,001 floors to 83,000
        assert paid(result) == {
            (account("house"), account("sun"), Purpose.TRADE): 8_300,
            (account("house"), account("dso"), Purpose.GRID): 2_900,
        }

    def test_a_bid_that_the_charges_eat_up(self) -> None:
        street = charged()
        street.orders(sun=0, house=-54_739)  # 54,739 / 1.19 = 45,999 < 46,000
        result = once(street)
        assert paid(result) == {}
        assert reasons(result) == []

    def test_a_bid_for_free_energy(self) -> None:
        street = charged()
        street.orders(sun=0, house=-54_740)  # exactly the charges
        assert paid(once(street)) == {
            (account("house"), account("dso"), Purpose.GRID): 2_900,
            (account("house"), account("state"), Purpose.LEVY): 1_700,
            (account("house"), account("tax"), Purpose.VAT): 874,
        }

    def test_tiny_amounts_floor_to_nothing(self) -> None:
        street = charged(energy_grid_charge=29, energy_levy=17)
        street.orders(sun=0, house=-100)
        result = once(street, sun=1, house=1)
        assert paid(result) == {}
        assert result.resources[0].summary["shared_wh"] == 1

    def test_without_orders_nothing_is_traded(self) -> None:
        result = once(charged())
        assert paid(result) == {}
        summary = result.resources[0].summary
        assert (summary["utility_import_wh"], summary["utility_export_wh"]) == (100, 100)

    def test_what_is_unmatched_is_recorded_not_paid(self) -> None:
        street = charged()
        street.orders(sun=83_000, house=-307_000)
        result = once(street, sun=70, house=100)
        bills = {bill.device: bill for bill in device_bills(result.resources[0])}
        assert (bills[3].bought_wh, bills[3].rest_import_wh) == (70, 30)
        assert (bills[2].sold_wh, bills[2].rest_export_wh) == (70, 0)
        assert bills[3].utility_paid_micro == 0


class TestOrders:
    """Standing limits, never hindsight."""

    @pytest.mark.parametrize(("anchored", "counts"), [(GENESIS_S - 1, True), (GENESIS_S, False)])
    def test_anchored_before_the_epoch_opens(self, anchored: int, counts: bool) -> None:
        street = charged()
        street.log(street.order("sun", sell=83_000), at=BEFORE_S)
        street.log(street.order("house", buy=307_000), at=anchored)
        assert bool(paid(once(street))) is counts

    def test_it_counts_from_the_next_epoch_on(self) -> None:
        street = charged()
        street.orders(sun=83_000)
        item = street.order("house", buy=307_000, time=GENESIS_S + 5)
        street.log(item, at=GENESIS_S + 6)
        result = once(street)
        assert (reason_of(result, item), paid(result)) == ("", {})
        street.measure(1, {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4})
        street.log(street.order("house", time=GENESIS_S + EPOCH_S), epoch=1)  # wants no more
        assert street.settle().resources[0].summary["shared_wh"] == 400
        street.measure(2, {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4})
        street.settle()
        street.measure(3, {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4})
        assert street.settle().resources[0].summary["shared_wh"] == 0

    def test_the_newest_counts_whatever_was_anchored_last(self) -> None:
        street = charged()
        street.orders(sun=83_000)
        street.log(street.order("house", time=BEFORE_S + 9), at=BEFORE_S + 10)  # no longer buys
        street.log(street.order("house", buy=307_000, time=BEFORE_S + 5), at=BEFORE_S + 20)
        assert paid(once(street)) == {}

    def test_an_order_in_two_logs_counts_from_its_first_anchor(self) -> None:
        street = charged()
        street.orders(sun=83_000)
        item = street.order("house", buy=307_000)
        street.log(item, at=GENESIS_S + 50)
        street.log(item, at=GENESIS_S - 50, log=1)
        assert paid(once(street))


class TestFunds:
    """A bid counts up to the free deposit and the device's limit."""

    def test_the_free_deposit(self) -> None:
        street = charged(funds=23_024)  # one micro short of 75 Wh at the limit of 307 per Wh
        street.orders(sun=83_000, house=-307_000)
        result = once(street)
        assert reasons(result) == [(3, 0, Why.UNFUNDED, 100, 74)]
        assert result.resources[0].summary["unfunded_wh"] == 26

    def test_the_devices_limit(self) -> None:
        street = charged()
        street.limit("house", "house", 3_069)
        street.orders(sun=83_000, house=-307_000)
        assert reasons(once(street)) == [(3, 0, Why.UNFUNDED, 100, 9)]

    def test_the_limit_holds_over_the_whole_epoch(self) -> None:
        street = charged()
        street.limit("house", "house", 46_050)  # two bills of 23,025
        street.orders(sun=83_000, house=-307_000)
        street.measure(0, {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4})
        result = street.settle()
        assert total(result, "house")[1] <= 46_050
        assert [row[1] for row in reasons(result)] == [1, 2, 3]

    def test_no_limit_means_nothing(self) -> None:
        street = charged()
        street.limit("house", "house", 0)
        street.orders(sun=83_000, house=-307_000)
        result = once(street)
        assert paid(result) == {}
        assert reasons(result) == [(3, 0, Why.UNFUNDED, 100, 0)]

    def test_two_devices_share_one_deposit(self) -> None:
        meters = {"sun": Meter(plant_wp=10_000), "house": Meter(), "car": Meter()}
        street = Street(meters, owners={"car": "house"}, funds=1_000)
        street.orders(sun=0, house=-100_000, car=-100_000)
        flows = {"sun": [(0, 60)], "house": [(7, 0)], "car": [(53, 0)]}
        street.measure(0, {name: rows + [(0, 0)] * 3 for name, rows in flows.items()})
        result = street.settle()
        # 700 for the house are reserved, 300 are left: 3 Wh for the car
        assert reasons(result) == [(4, 0, Why.UNFUNDED, 53, 3)]

    def test_money_that_was_withdrawn_is_gone(self) -> None:
        street = charged(funds=30_700)
        street.withdraw("house", 30_700, at=GENESIS_S + 5)
        once(street)
        orders = street.order("house", buy=307_000), street.order("sun", sell=0)
        street.log(*orders, epoch=1, at=GENESIS_S + 6)
        street.measure(1, {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4})
        result = street.settle()
        assert paid(result) == {}
        assert {row[2] for row in reasons(result)} == {Why.UNFUNDED}


class TestUtility:
    """It settles what the street did not match, when it takes part."""

    def street(self, deposit: int, **more: int) -> Street:
        street = charged(energy_utility_account=number("utility"), **more)
        street.deposit("utility", deposit)
        return street

    def test_both_ways(self) -> None:
        result = once(self.street(10**9), sun=70, house=110)
        assert paid(result) == {
            (account("utility"), account("sun"), Purpose.UTILITY_EXPORT): 5_810,
            (account("house"), account("utility"), Purpose.UTILITY_IMPORT): 33_770,
        }

    def test_as_far_as_it_has_funds(self) -> None:
        assert paid(once(self.street(100), sun=70, house=0)) == {
            (account("utility"), account("sun"), Purpose.UTILITY_EXPORT): 100
        }

    def test_short_funds_are_shared_and_the_rest_is_named(self) -> None:
        street = Street(
            {"sun": Meter(plant_wp=10_000), "roof": Meter(plant_wp=10_000)},
            energy_utility_account=number("utility"),
        )
        street.deposit("utility", 1_000)
        street.orders(sun=0, roof=0)
        street.measure(0, {"sun": [(0, 300)] * 4, "roof": [(0, 100)] * 4})
        result = street.settle()
        assert paid(result) == {
            (account("utility"), account("sun"), Purpose.UTILITY_EXPORT): 750,
            (account("utility"), account("roof"), Purpose.UTILITY_EXPORT): 250,
        }
        due = 4 * (300 + 100) * 83
        assert result.resources[0].summary["utility_unpaid_micro"] == due - 1_000

    def test_as_far_as_the_member_has_funds(self) -> None:
        street = self.street(10**9)
        street.limit("house", "house", 1_000)
        assert paid(once(street, sun=0, house=110)) == {
            (account("house"), account("utility"), Purpose.UTILITY_IMPORT): 1_000
        }

    def test_without_funds_it_takes_no_part(self) -> None:
        street = charged(energy_utility_account=number("utility"))
        assert paid(once(street, sun=70, house=110)) == {}

    def test_nothing_for_export_that_no_feeder_saw(self) -> None:
        street = self.street(10**9)
        street.orders(sun=0, house=-307_000)
        flows = {"sun": [(0, 100)] * 4, "house": [(0, 0)] * 4}
        street.measure(0, flows, feeder=[None] * 4)
        assert paid(street.settle()) == {}

    def test_late_energy(self) -> None:
        street = self.street(10**9)
        street.orders(sun=0, house=-307_000)
        flows = {"sun": [(0, 100)] * 4, "house": [(0, 0)] * 4}
        street.measure(0, flows, gaps={"sun": [1]})
        assert (
            paid(street.settle())[account("utility"), account("sun"), Purpose.UTILITY_EXPORT]
            == 4 * 8_300
        )


PRICE = {"energy_token_price": 1_000_000, "energy_reward_ratio_ppm": 500_000}
"""A token is worth one unit of currency; rewards return half of the charges."""


class TestRewards:
    """Emission for corroborated supply to neighbours, up to a share of the charges."""

    def reward(self, result: Settlement) -> int:
        return total(result, "sun", TOKEN)[0]

    def test_the_ceiling(self) -> None:
        street = charged(**PRICE)
        street.orders(sun=83_000, house=-307_000)
        # half of the charges 2,900 + 1,700 + 3,676 = 8,276, at one unit per token
        result = once(street)
        assert self.reward(result) == 4_138 * WEI // 10**6
        assert result.unminted_wei == 1_000 * WEI - 4_138 * WEI // 10**6

    def test_nothing_without_a_feeder(self) -> None:
        street = charged(**PRICE)
        street.orders(sun=83_000, house=-307_000)
        flows = {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4}
        street.measure(0, flows, feeder=[None] * 4)
        result = street.settle()
        assert result.resources[0].summary["shared_wh"] == 400  # trade settles
        assert result.minted_wei == 0
        assert result.resources[0].summary["intervals_without_feeder"] == 4

    def test_a_feeder_silent_for_one_mark(self) -> None:
        street = charged(**PRICE)
        street.orders(sun=83_000, house=-307_000)
        flows = {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4}
        street.measure(0, flows, feeder=[0, None, 0, 0])
        result = street.settle()
        (work,) = result.resources[0].work
        assert (work.quantity, work.quality_ppm) == (200, PPM)

    def test_nothing_on_the_feeder_owners_own_word(self) -> None:
        street = Street({"sun": Meter(plant_wp=10_000), "house": Meter()}, feeder_owner="sun")
        street.orders(sun=83_000, house=-307_000)
        result = once(street)
        assert result.resources[0].summary["shared_wh"] == 100
        assert (result.resources[0].work, result.minted_wei) == ((), 0)

    def test_nothing_without_charges(self) -> None:
        street = Street({"sun": Meter(plant_wp=10_000), "house": Meter()})
        street.orders(sun=83_000, house=-307_000)
        result = once(street)
        assert result.resources[0].summary["shared_wh"] == 100
        assert result.minted_wei == 0

    def test_the_pool_and_the_accounts_cap(self) -> None:
        street = charged(**{**PRICE, "energy_emission_ppm": 1, "account_cap_ppm": 300_000})
        street.orders(sun=83_000, house=-307_000)
        assert self.reward(once(street)) == 3 * WEI // 10_000  # of a pool of 0.001 tokens

    def test_coverage_is_quality(self) -> None:
        street = charged(**PRICE)
        street.orders(sun=83_000, house=-307_000)
        flows = {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4}
        street.measure(0, flows, gaps={"sun": [2]})
        (work,) = street.settle().resources[0].work
        assert (work.quantity, work.quality_ppm) == (200, 500_000)


class TestViews:
    """Named tables of an epoch."""

    def test_every_table_is_rectangular(self) -> None:
        street = charged()
        street.orders(sun=83_000, house=-307_000)
        street.measure(0, {"sun": [(0, 100), (0, 9_000)] * 2, "house": [(100, 0)] * 4})
        (result,) = street.settle().resources
        tables = {table.name: table for table in views(result)}
        assert list(tables) == [
            *("totals", "prices", "balance", "bills", "flows", "cuts", "outside", "sources"),
        ]
        for table in tables.values():
            assert table.rows, table.name
            assert {len(row) for row in table.rows} == {len(table.columns)}
        assert tables["flows"].rows == ((2, 3, 200, 29_498),)
        assert tables["cuts"].rows == ((2, Why.BEYOND_CLEAR_SKY, 2, 18_000, 0),)
        assert [row[:3] for row in tables["prices"].rows] == [
            (GENESIS_S, 147_491, 100),
            (GENESIS_S + 900, 0, 0),
            (GENESIS_S + 1_800, 147_491, 100),
            (GENESIS_S + 2_700, 0, 0),
        ]

    def test_bills_name_the_account(self) -> None:
        street = charged()
        street.orders(sun=83_000, house=-307_000)
        (result,) = once(street).resources
        sun, house = device_bills(result)
        assert (sun.account, sun.sold_wh, sun.earned_micro) == (account("sun"), 100, 14_749)
        assert (house.account, house.bought_wh, house.paid_micro) == (
            account("house"),
            100,
            23_025,
        )


def test_every_purpose_is_declared() -> None:
    assert set(PURPOSES) == set(Purpose)
