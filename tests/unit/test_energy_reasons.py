"""Every reason of energy, each produced by settling a street; registers, gaps, meters replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commonworks.model import (
    Settlement,
    Side,
)
from commonworks.resources.energy.reasons import REASONS, Why
from commonworks.statements.codec import Item
from commonworks.statements.model import Reason
from settlement_world import BEFORE_S, EPOCH_S, GENESIS_S, account, hashes, reason_of
from street_world import INTERVAL_S, Meter, Street, reasons

NEXT_S = GENESIS_S + EPOCH_S
MARK = [GENESIS_S + n * INTERVAL_S for n in range(9)]


@pytest.fixture
def street() -> Street:
    """A plant of 10 kWp and a house, 40 kW each, on a line without resistance.

    The sky allows 250 Wh per kWp and quarter-hour: 2,500 Wh for the plant.
    """
    return Street({"sun": Meter(plant_wp=10_000), "house": Meter()})


def credits(result: Settlement) -> dict[tuple[int, int, Side], int]:
    """Return credited Wh by (device, interval number, side)."""
    start = GENESIS_S + result.epoch * EPOCH_S
    return {
        (c.device, (c.start_s - start) // INTERVAL_S, c.side): c.quantity
        for c in result.resources[0].credits
    }


SUN, HOUSE = 2, 3
"""Device ids: the feeder is 1."""


class TestStatements:
    """Why a whole statement does not count."""

    def test_no_site(self, street: Street) -> None:
        street.log(street.site_item([0, 0], [1]), at=BEFORE_S)  # logged, never adopted
        street.adopt(street.site_item([0, 0, 0], [1]), "energy")  # adopted, never logged
        report = street.measure(0, {"sun": [(0, 5)] * 4})["sun"]
        result = street.settle()
        assert reason_of(result, report) == Why.NO_SITE
        assert result.resources[0].credits == ()

    def test_the_registers_survive_an_epoch_without_a_site(self, street: Street) -> None:
        street.measure(0, {"sun": [(0, 5)] * 4})
        street.settle()
        street.adopt(street.site_item([0, 0, 0], [1]), "energy", at=NEXT_S)
        street.measure(1, {"sun": [(0, 7)] * 4})
        street.settle()
        street.adopt(street.site, "energy", at=NEXT_S + EPOCH_S)
        street.measure(2, {"sun": [(0, 11)] * 4})
        result = street.settle()
        # the report of epoch 2 begins at its first mark: 28 Wh of epoch 1 and 11 are one span
        assert reasons(result) == [(SUN, -4, Why.LATE_UNSEEN, 39, 0)]
        assert credits(result) == {(SUN, n, Side.SUPPLY): 11 for n in (1, 2, 3)}

    def test_a_site_that_contradicts_itself(self, street: Street) -> None:
        street.meters["house"] = Meter(branch=7)
        broken = street.site_item([0], [1])
        street.log(broken, at=BEFORE_S)
        street.adopt(broken, "energy")
        report = street.measure(0, {"sun": [(0, 5)] * 4})["sun"]
        assert reason_of(street.settle(), report) == Why.NO_SITE

    def test_not_in_site(self, street: Street) -> None:
        street.enrol("extra", "anna", resource="energy")
        street.log(street.binding("extra", "anna"), at=BEFORE_S)
        report = street.readings("extra", [(MARK[1], 5, 0)])
        street.log(report)
        assert reason_of(street.settle(), report) == Why.NOT_IN_SITE

    def test_a_feeder_that_nobody_admitted(self, street: Street) -> None:
        street.reference("feeder", admitted=False)
        report = street.measure(0, {"sun": [(0, 5)] * 4})["feeder"]
        result = street.settle()
        assert reason_of(result, report) == Why.NOT_IN_SITE
        assert result.resources[0].summary["intervals_without_feeder"] == 4

    def test_misaligned(self, street: Street) -> None:
        report = street.readings("sun", [(MARK[1] + 1, 5, 0)])
        street.log(report)
        result = street.settle()
        assert reason_of(result, report) == Why.MISALIGNED
        assert [row[2] for row in reasons(result)] == [Why.MISALIGNED]

    def test_future(self, street: Street) -> None:
        rows = [(MARK[1], 5, 0), (MARK[6], 5, 0)]
        both, ahead = street.readings("sun", rows), street.readings("sun", rows[1:], MARK[2])
        street.log(both, ahead, at=MARK[6] - 1)
        result = street.settle()
        assert reason_of(result, both) == ""
        assert reason_of(result, ahead) == Why.FUTURE
        assert [row[2] for row in reasons(result)] == [Why.FUTURE] * 2

    def test_conflicting(self, street: Street) -> None:
        street.measure(0, {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4})
        liar = street.readings("sun", [(MARK[2], 1_000, 701)], GENESIS_S)
        street.log(liar)
        result = street.settle()
        assert reason_of(result, liar) == Why.CONFLICTING
        # neither counts; the next mark closes the gap: 200 Wh known as one span
        assert reasons(result) == [
            (SUN, 1, Why.CONFLICTING, 0, 0),
            (SUN, 1, Why.CONFLICTING, 0, 0),
            (SUN, 1, Why.LATE, 200, 200),
        ]

    def test_two_statements_that_agree(self, street: Street) -> None:
        reports = street.measure(0, {"sun": [(0, 100)] * 4, "house": [(100, 0)] * 4})
        again = street.readings("sun", [(MARK[2], 1_000, 700)], GENESIS_S)
        street.log(again)
        result = street.settle()
        assert reason_of(result, again) == reason_of(result, reports["sun"]) == ""
        assert reasons(result) == []

    def test_already_settled(self, street: Street) -> None:
        street.measure(0, {"sun": [(0, 100)] * 4})
        street.settle()
        again = street.readings("sun", [(MARK[2], 1_000, 999)], MARK[1])
        street.log(again, epoch=1)
        result = street.settle()
        assert reason_of(result, again) == Why.ALREADY_SETTLED
        assert credits(result) == {}

    def test_register_fell(self, street: Street) -> None:
        rows = [(MARK[0], 1_000, 500), (MARK[1], 1_000, 499), (MARK[2], 1_000, 700)]
        first, fell = street.readings("sun", [rows[0], rows[2]]), street.readings("sun", rows[1:2])
        street.log(first, fell)
        result = street.settle()
        assert reason_of(result, fell) == Why.REGISTER_FELL
        assert (SUN, 0, Why.REGISTER_FELL, 0, 0) in reasons(result)
        assert (SUN, 0, Why.LATE_UNSEEN, 200, 0) in reasons(result)  # no feeder reported

    @pytest.mark.parametrize(
        ("imported", "exported", "reason"),
        [(10_000, 0, ""), (10_001, 0, Why.OVER_RATING), (0, 10_001, Why.OVER_RATING)],
    )
    def test_over_rating(self, street: Street, imported: int, exported: int, reason: str) -> None:
        # 40 kW carry 10,000 Wh in a quarter-hour
        street.log(street.readings("house", [(MARK[0], 2_000, 500)]))
        report = street.readings("house", [(MARK[1], 2_000 + imported, 500 + exported)], MARK[0])
        street.log(report)
        result = street.settle()
        assert reason_of(result, report) == reason
        if reason:
            assert reasons(result) == [(HOUSE, 0, Why.OVER_RATING, 10_001, 0)]

    def test_a_report_at_night_counts_for_nothing(self, street: Street) -> None:
        street.log(street.readings("house", [(MARK[0], 2_000, 500)]))
        report = street.readings("house", [(MARK[1], 2_000, 600)], MARK[0])
        street.log(report)
        result = street.settle()
        assert reason_of(result, report) == Why.BEYOND_CLEAR_SKY
        assert reasons(result) == [(HOUSE, 0, Why.BEYOND_CLEAR_SKY, 100, 0)]


class TestIntervals:
    """Why less than claimed is credited."""

    def test_beyond_clear_sky(self, street: Street) -> None:
        street.measure(0, {"sun": [(0, 2_500), (3, 2_501), (0, 1), (0, 0)]})
        result = street.settle()
        assert reasons(result) == [(SUN, 1, Why.BEYOND_CLEAR_SKY, 2_501, 0)]
        assert credits(result) == {
            (SUN, 0, Side.SUPPLY): 2_500,
            (SUN, 1, Side.DEMAND): 3,  # what it drew stays drawn
            (SUN, 2, Side.SUPPLY): 1,
        }

    def test_a_fraction_of_a_watt_hour_at_dawn_is_one(self) -> None:
        sky = [0, 1, 0, 0]
        street = Street({"sun": Meter(plant_wp=10_000)}, sky_wh_per_mwp=sky)
        street.measure(0, {"sun": [(0, 1), (0, 1), (0, 1), (0, 0)]})
        result = street.settle()
        assert credits(result) == {(SUN, 1, Side.SUPPLY): 1}
        assert [row[1:3] for row in reasons(result)] == [
            (0, Why.BEYOND_CLEAR_SKY),
            (2, Why.BEYOND_CLEAR_SKY),
        ]

    def test_outside_the_sky_table_nothing_is_allowed(self) -> None:
        street = Street({"sun": Meter(plant_wp=10_000)}, sky_wh_per_mwp=[250_000] * 3)
        street.measure(0, {"sun": [(0, 100)] * 4})
        assert reasons(street.settle()) == [(SUN, 3, Why.BEYOND_CLEAR_SKY, 100, 0)]

    def test_balance_cut(self) -> None:
        street = Street({n: Meter(plant_wp=10_000) for n in ("sun", "roof", "barn")})
        flows = {"sun": [(0, 500)] * 4, "roof": [(0, 300)] * 4, "barn": [(0, 200)] * 4}
        street.measure(0, flows, feeder=[993, 1_000, 1_003, -5])
        result = street.settle()
        # 7 Wh too many, pro rata 3.5 : 2.1 : 1.4, the largest remainder to the first
        assert [row for row in reasons(result) if row[1] == 0] == [
            (2, 0, Why.BALANCE_CUT, 500, 496),
            (3, 0, Why.BALANCE_CUT, 300, 298),
            (4, 0, Why.BALANCE_CUT, 200, 199),
        ]
        # interval 3: nobody exported at all
        assert sum(row[4] for row in reasons(result) if row[1] == 3) == 0
        assert {row[1] for row in reasons(result)} == {0, 3}
        balance = result.resources[0].summary
        assert balance["cut_wh"] == 7 + 1_000
        assert balance["residual_wh"] == 7 - 3 + 1_005

    def test_import_that_nobody_owned_up_to(self, street: Street) -> None:
        street.measure(0, {"house": [(100, 0)] * 4, "sun": [(0, 0)] * 4}, feeder=[-130] * 4)
        result = street.settle()
        assert reasons(result) == []  # nothing to cut; it is shown, nobody pays for it
        assert result.resources[0].summary["unattributed_wh"] == 120
        assert credits(result) == {(HOUSE, n, Side.DEMAND): 100 for n in range(4)}

    def test_a_gap_is_late_and_comes_out_of_what_the_feeder_saw(self, street: Street) -> None:
        street.measure(0, {"sun": [(0, 300)] * 4, "house": [(100, 0)] * 4}, gaps={"sun": [2]})
        result = street.settle()
        assert reasons(result) == [(SUN, 1, Why.LATE, 600, 600)]
        summary = result.resources[0].summary
        assert (summary["export_wh"], summary["late_export_wh"]) == (600, 600)
        assert (summary["import_wh"], summary["late_import_wh"]) == (400, 0)

    def test_two_gaps_at_once_know_only_their_net(self, street: Street) -> None:
        street.measure(
            0, {"sun": [(0, 300)] * 4, "house": [(100, 0)] * 4}, gaps={"sun": [2], "house": [2]}
        )
        # the feeder saw 200 Wh twice; what the house took of the sun's in the gap nobody saw
        assert reasons(street.settle()) == [
            (SUN, 1, Why.LATE_UNSEEN, 600, 400),
            (HOUSE, 1, Why.LATE, 200, 200),
        ]

    def test_late_unseen(self, street: Street) -> None:
        flows = {"sun": [(0, 300)] * 4}
        street.measure(0, flows, feeder=[300, 250, 250, 300], gaps={"sun": [2]})
        assert reasons(street.settle()) == [(SUN, 1, Why.LATE_UNSEEN, 600, 500)]

    def test_late_by_an_epoch(self, street: Street) -> None:
        reports = street.measure(0, {"sun": [(0, 300)] * 4, "house": [(100, 0)] * 4})
        street.entries[0] = [
            e for e in street.entries[0] if e.statement != reports["sun"].statement
        ]
        street.log(reports["sun"], epoch=1)
        first = street.settle()
        assert credits(first) == {(HOUSE, n, Side.DEMAND): 100 for n in range(4)}
        assert first.resources[0].summary["residual_wh"] == -4 * 300
        second = street.settle()
        assert reason_of(second, reports["sun"]) == ""
        assert reasons(second) == [(SUN, n - 4, Why.LATE, 300, 300) for n in range(4)]
        third = street.settle()
        assert third.resources[0].summary["late_export_wh"] == 0

    def test_a_late_import_gives_back_what_was_cut(self, street: Street) -> None:
        flows = {"sun": [(0, 300)] * 4, "house": [(100, 0)] * 4}
        reports = street.measure(0, flows)
        street.entries[0] = [
            e for e in street.entries[0] if e.statement != reports["house"].statement
        ]
        street.log(reports["house"], epoch=1)
        first = street.settle()
        assert reasons(first) == [(SUN, n, Why.BALANCE_CUT, 300, 200) for n in range(4)]
        second = street.settle()
        summary = second.resources[0].summary
        assert (summary["late_import_wh"], summary["late_export_wh"]) == (400, 400)
        assert street.settle().resources[0].summary["late_export_wh"] == 0

    def test_residues_older_than_the_maximum_lateness_are_gone(self) -> None:
        street = Street(
            {"sun": Meter(plant_wp=10_000), "house": Meter()}, sky_wh_per_mwp=[250_000] * 800
        )
        flows = {"sun": [(0, 300)] * 4, "house": [(0, 0)] * 4}
        street.measure(0, flows, gaps={"sun": [1, 2, 3, 4]})
        street.settle()
        for _ in range(24 * 7 + 1):
            street.settle()
        epoch = street.state.epoch + 1
        start = street.network.epoch_start(epoch)
        street.log(street.readings("sun", [(start, 1_000, 1_700)], start), epoch=epoch)
        assert [row[2:] for row in reasons(street.settle())] == [(Why.LATE_UNSEEN, 1_200, 0)]

    def test_unfunded(self) -> None:
        street = Street({"sun": Meter(plant_wp=10_000), "house": Meter()}, funds=1_000)
        street.orders(sun=0, house=-100_000)
        street.measure(0, {"sun": [(0, 300)] + [(0, 0)] * 3, "house": [(30, 0)] + [(0, 0)] * 3})
        # 1,000 micro buy 10 Wh at 100,000 micro per kWh, the bid's own limit
        assert reasons(street.settle()) == [(HOUSE, 0, Why.UNFUNDED, 30, 10)]

    def test_every_reason_has_its_test(self) -> None:
        tests = " ".join((*dir(TestStatements), *dir(TestIntervals)))
        assert [why for why in Why if f"test_{why.removeprefix('energy.')}" not in tests] == []
        assert set(REASONS) == set(Why)


class TestRegisters:
    """Energy is the difference of two readings that count."""

    def test_the_first_reading_is_a_beginning(self, street: Street) -> None:
        report = street.readings("house", [(MARK[2], 123_456_789, 0)], GENESIS_S)
        street.log(report)
        result = street.settle()
        assert reason_of(result, report) == ""
        assert (credits(result), reasons(result)) == ({}, [])

    def test_an_epoch_goes_on_where_the_last_one_stopped(self, street: Street) -> None:
        street.measure(0, {"house": [(11, 0), (13, 0), (17, 0), (19, 0)]})
        street.settle()
        street.measure(1, {"house": [(23, 0), (29, 0), (31, 0), (37, 0)]})
        assert [c.quantity for c in street.settle().resources[0].credits] == [23, 29, 31, 37]

    def test_readings_beyond_the_epoch_wait(self, street: Street) -> None:
        marks = [(MARK[n], 2_000 + 10 * n, 500) for n in range(9)]
        street.log(street.readings("house", marks, GENESIS_S), at=MARK[8] + 5)
        assert sum(c.quantity for c in street.settle().resources[0].credits) == 40
        second = street.settle()
        assert [c.quantity for c in second.resources[0].credits] == [10] * 4
        assert reasons(second) == []

    def test_a_closing_reading_under_the_next_epochs_time_is_late(self, street: Street) -> None:
        street.log(street.readings("house", [(MARK[3], 2_000, 500)]))
        street.log(street.readings("house", [(MARK[4], 2_007, 500)]))  # its time is the epoch's end
        street.settle()
        assert reasons(street.settle()) == [(HOUSE, -1, Why.LATE, 7, 7)]

    def test_voltage_is_optional(self, street: Street) -> None:
        street.measure(0, {"house": [(10, 0)] * 4})
        assert street.settle().resources[0].summary["import_wh"] == 40


class TestReplacement:
    """A meter is exchanged: the registrar countersigns."""

    def story(self, street: Street, change: Item, epoch: int = 0) -> Settlement:
        """The house reads 2,000, 2,010, then the new meter 7, 17, 27 from the second mark."""
        old = [(MARK[0], 2_000, 500), (MARK[1], 2_010, 500)]
        new = [(MARK[3], 17, 0), (MARK[4], 27, 0)]
        street.log(street.readings("house", old), street.readings("house", new, GENESIS_S))
        street.log(change, epoch=epoch)
        return street.settle()

    def test_no_energy_is_lost(self, street: Street) -> None:
        change = street.replacement("house", MARK[2], (2_020, 500), (7, 0))
        result = self.story(street, change)
        assert reason_of(result, change) == ""
        assert credits(result) == {(HOUSE, n, Side.DEMAND): 10 for n in range(4)}
        assert reasons(result) == []

    def test_without_it_the_register_fell(self, street: Street) -> None:
        change = street.replacement("house", MARK[2], (2_020, 500), (7, 0), signer="house")
        result = self.story(street, change)
        assert reason_of(result, change) == Reason.NOT_REGISTRAR
        assert [row[2] for row in reasons(result)] == [Why.REGISTER_FELL] * 2

    def test_it_comes_an_epoch_later(self, street: Street) -> None:
        change = street.replacement("house", MARK[2], (2_020, 500), (7, 0))
        self.story(street, change, epoch=1)
        street.log(street.readings("house", [(MARK[5], 37, 0)], MARK[4]), epoch=1)
        result = street.settle()
        assert reasons(result) == [
            (HOUSE, -3, Why.LATE, 10, 10),  # old meter, 2,010 to 2,020
            (HOUSE, -2, Why.LATE, 30, 30),  # new meter, 7 to 37
        ]

    def test_off_the_mark(self, street: Street) -> None:
        change = street.replacement("house", MARK[2] + 60, (2_020, 500), (7, 0))
        assert reason_of(self.story(street, change), change) == Why.MISALIGNED

    def test_final_registers_that_fell(self, street: Street) -> None:
        change = street.replacement("house", MARK[2], (1_999, 400), (7, 0))
        result = self.story(street, change)
        assert reason_of(result, change) == Why.REGISTER_FELL
        assert all(row[3] >= 0 for row in reasons(result))

    def test_a_change_before_what_is_settled(self, street: Street) -> None:
        street.measure(0, {"house": [(10, 0)] * 4})
        street.settle()
        change = street.replacement("house", MARK[2], (2_020, 500), (7, 0))
        street.log(change, epoch=1)
        assert reason_of(street.settle(), change) == Why.ALREADY_SETTLED

    def test_a_meter_that_never_reported_begins_with_it(self, street: Street) -> None:
        change = street.replacement("house", MARK[1], (2_020, 500), (7, 0))
        street.log(change, street.readings("house", [(MARK[2], 17, 0)], GENESIS_S))
        result = street.settle()
        assert reason_of(result, change) == ""
        assert credits(result) == {(HOUSE, 1, Side.DEMAND): 10}


class TestOwners:
    """Registers belong to the meter, not to its device id."""

    def test_a_new_owner_gets_no_interval_again(self, street: Street) -> None:
        reports = street.measure(0, {"sun": [(0, 300)] * 4, "house": [(0, 0)] * 4})
        street.settle()
        street.enrol("sun", "ben", resource="energy", at=NEXT_S)
        street.log(street.binding("sun", "ben", 2, NEXT_S), epoch=1)
        replayed = street.readings("sun", [(MARK[0], 1_000, 500), (MARK[4], 1_000, 1_700)], MARK[0])
        street.log(reports["sun"], replayed, epoch=1)
        street.measure(1, {"sun": [(0, 200)] * 4, "house": [(0, 0)] * 4})
        result = street.settle()
        assert reason_of(result, replayed) == Why.ALREADY_SETTLED
        ben = street.devices["sun"]
        assert credits(result) == {(ben, n, Side.SUPPLY): 200 for n in range(4)}
        assert {c.account for c in result.resources[0].credits} == {account("ben")}

    def test_a_meter_that_was_unbound_for_an_epoch_keeps_its_past(self, street: Street) -> None:
        street.measure(0, {"sun": [(0, 300)] * 4, "house": [(0, 0)] * 4})
        street.settle()
        street.transfer("sun", "sun", "ben", at=NEXT_S)
        street.measure(1, {"sun": [(0, 100)] * 4, "house": [(0, 0)] * 4})
        street.settle()  # nobody is bound to it
        start = NEXT_S + EPOCH_S
        street.log(street.binding("sun", "ben", 2, start), epoch=2)
        again = street.readings("sun", [(MARK[1], 1_000, 800), (MARK[4], 1_000, 1_700)], MARK[0])
        street.log(again, epoch=2)
        street.measure(2, {"sun": [(0, 50)] * 4, "house": [(0, 0)] * 4})
        result = street.settle()
        assert reason_of(result, again) == Why.ALREADY_SETTLED
        # 400 Wh of the epoch without an owner and the first 50 are one span
        late = [row for row in reasons(result) if row[2] != Why.ALREADY_SETTLED]
        assert late == [(SUN, -4, Why.LATE, 450, 450)]


def test_epochs_that_do_not_begin_on_a_quarter_hour(street: Street) -> None:
    street.network = replace(street.network, genesis_time=GENESIS_S - 60)
    street.measure(0, {"house": [(10, 0)] * 4})  # marks at 59, 14, 29, 44 minutes of the epoch
    street.entries[0] = street.entries[0][:-2]
    marks = [(MARK[n], 2_000 + 10 * n, 500) for n in range(5)]
    street.log(street.readings("house", marks, GENESIS_S), at=MARK[5])
    first = street.settle()
    assert [c.quantity for c in first.resources[0].credits] == [10] * 3
    second = street.settle()  # the interval across the boundary
    assert [(row[2], row[3]) for row in reasons(second)] == [(Why.LATE, 10)]


def test_reports_split_otherwise_move_the_same_money(street: Street) -> None:
    street.orders(sun=90_000, house=-290_000)
    reports = street.measure(0, {"sun": [(0, 300)] * 4, "house": [(100, 0)] * 4})
    whole = street.settle_with(street.evidence(0))
    street.entries[0] = [e for e in street.entries[0] if e.statement != reports["house"].statement]
    for n in range(5):
        base = GENESIS_S + max(n - 1, 0) * INTERVAL_S
        street.log(street.readings("house", [(MARK[n], 2_000 + 100 * n, 500)], base))
    split = street.settle()
    assert split.payouts == whole.payouts
    assert split.resources == whole.resources
    assert hashes(split)[2] == hashes(whole)[2]
