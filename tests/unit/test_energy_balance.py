"""The feeder balance and the site table by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commonworks.resources.energy.balance_v1 import (
    Balance,
    Claim,
    Feeder,
    Span,
    balance_interval,
    explain_late,
    tolerance_wh,
)
from commonworks.resources.energy.readings import NO_PARENT
from commonworks.resources.energy.site_v1 import Site, SiteMeter, read_site
from commonworks.resources.energy.state_v1 import (
    EMPTY,
    EnergyState,
    Reading,
    Residue,
    Standing,
    decode,
    encode,
)
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason, Record
from street_world import Meter, Street

METER = SiteMeter(rating_w=40_000, plant_wp=10_000, class_ppm=10_000, branch=0)
SITE = Site(
    meters={},
    parents=(-1, 0),
    resistances_uohm=(0, 0),
    feeder_kid=b"f" * 32,
    feeder_class_ppm=5_000,
    feeder_rating_w=400_000,
    voltage_mv=230_000,
    sky_start_s=0,
    sky_wh_per_mwp=(250_000,) * 4,
    tariff_import=307_000,
    tariff_export=83_000,
)


def claims(*rows: tuple[int, int], branch: int = 0) -> list[Claim]:
    """Return claims of devices 1, 2, ... from (import, export) rows."""
    meter = replace(METER, branch=branch)
    return [
        Claim(device=n, meter=meter, import_wh=drawn, export_wh=fed)
        for n, (drawn, fed) in enumerate(rows, start=1)
    ]


def seen(net: int, voltage_mv: int = 0) -> Feeder:
    """Return a feeder that saw a net export."""
    return Feeder(import_wh=max(-net, 0), export_wh=max(net, 0), voltage_mv=voltage_mv)


def balanced(rows: list[Claim], feeder: Feeder | None, site: Site = SITE) -> Balance:
    """Return the balance of the interval at 0."""
    return balance_interval(0, rows, feeder, site)


class TestBalance:
    """excess = exports - imports - losses - what the feeder saw."""

    def test_it_fits(self) -> None:
        found = balanced(claims((0, 500), (200, 0)), seen(300))
        assert (found.residual_wh, found.cuts, found.unclaimed_wh) == (0, (), 0)

    def test_excess_is_cut_pro_rata(self) -> None:
        found = balanced(claims((0, 300), (100, 0), (0, 500)), seen(620))
        assert found.residual_wh == 80
        assert found.cuts == ((1, 30), (3, 50))

    def test_the_odd_watt_hour_of_a_tie_goes_to_the_lower_device(self) -> None:
        assert balanced(claims((0, 300), (0, 300)), seen(597)).cuts == ((1, 2), (2, 1))

    def test_beyond_all_exports_import_is_missing(self) -> None:
        found = balanced(claims((100, 50), (300, 0)), seen(-450))
        assert found.cuts == ((1, 50),)
        assert found.unattributed == ((1, 13), (2, 37))  # 50 as 12.5 : 37.5

    def test_nobody_reported(self) -> None:
        found = balanced([], seen(-70))
        assert (found.residual_wh, found.cuts, found.unattributed) == (70, (), ())

    def test_export_that_nobody_claimed_is_kept(self) -> None:
        found = balanced(claims((0, 300)), seen(420))
        assert (found.residual_wh, found.unclaimed_wh) == (-120, 120)

    def test_a_silent_feeder_cuts_nothing(self) -> None:
        found = balanced(claims((0, 9_999)), None)
        assert (found.corroborated, found.cuts, found.unclaimed_wh) == (False, (), 0)

    def test_losses_are_no_lie(self) -> None:
        # 0.1 ohm, 5 kWh in a quarter-hour are 20 kW: the voltage rises by
        # 0.1 * 20,000 / (3 * 230) = 2.8985 V; 0.1 * 20,000^2 / (3 * 232.898^2) = 245.8 W or
        # 61.45 Wh, floored to 61
        site = replace(SITE, resistances_uohm=(100_000, 0))
        found = balanced(claims((0, 5_000)), seen(5_000 - 61), site)
        assert (found.losses_wh, found.residual_wh) == (61, 0)

    def test_energy_of_a_far_branch_flows_through_the_near_one(self) -> None:
        near, far = (replace(SITE, resistances_uohm=r) for r in ((100_000, 0), (100_000, 100_000)))
        rows = claims((0, 5_000), branch=1)
        assert balanced(rows, seen(0), near).losses_wh == 61
        assert 61 < balanced(rows, seen(0), far).losses_wh < 122  # the voltage has risen there

    @pytest.mark.parametrize(("voltage_mv", "losses_wh"), [(207_000, 75), (206_999, 61), (0, 61)])
    def test_the_feeders_voltage_where_it_is_plausible(
        self, voltage_mv: int, losses_wh: int
    ) -> None:
        site = replace(SITE, resistances_uohm=(100_000, 0))
        assert balanced(claims((0, 5_000)), seen(0, voltage_mv), site).losses_wh == losses_wh

    def test_tolerance(self) -> None:
        # 1 % of 500 and of 301, 0.5 % of 199: 9.005, rounded up; three registers in whole Wh
        assert tolerance_wh(claims((0, 500), (301, 0)), SITE, 199) == 10 + 3


def span(device: int, first: int, length: int, drawn: int, fed: int) -> Span:
    """Return a span of intervals."""
    return Span(
        device=device,
        start_s=900 * first,
        length_s=900 * length,
        import_wh=drawn,
        export_wh=fed,
    )


class TestLate:
    """Credit out of what the feeder saw and nobody was credited."""

    def test_pro_rata_where_it_does_not_suffice(self) -> None:
        spans = [span(1, 0, 2, 0, 300), span(2, 1, 1, 0, 100)]
        granted, restored, left = explain_late({0: (50, {}), 900: (70, {})}, spans)
        # interval 0: 50 to the first; interval 1: 70 as 250 : 100
        assert granted == {0: 100, 1: 20}
        assert restored == {}
        assert left == {0: (0, {}), 900: (0, {})}

    def test_what_is_left_stays(self) -> None:
        granted, _, left = explain_late({0: (50, {}), 900: (70, {})}, [span(1, 0, 2, 0, 60)])
        assert granted == {0: 60}
        assert left == {0: (0, {}), 900: (60, {})}

    def test_a_late_import_restores_cuts(self) -> None:
        _, restored, left = explain_late({0: (0, {7: 30, 8: 60})}, [span(1, 0, 1, 45, 0)])
        assert restored == {7: 15, 8: 30}
        assert left == {0: (0, {7: 15, 8: 30})}

    def test_only_intervals_that_the_span_covers(self) -> None:
        granted, restored, left = explain_late(
            {0: (50, {7: 9}), 2_700: (50, {7: 9})}, [span(1, 1, 2, 99, 99)]
        )
        assert (granted, restored) == ({0: 0}, {})
        assert left == {0: (50, {7: 9}), 2_700: (50, {7: 9})}


def table(**changed: object) -> Record:
    """Return a street's table with some columns changed."""
    street = Street({"sun": Meter(), "house": Meter()})
    statement = decode_statement(street.site.statement, None)
    assert not isinstance(statement, Reason)
    record = statement.payload
    assert isinstance(record, Record)
    return replace(record, columns={**record.columns, **changed})  # type: ignore[arg-type]


class TestSite:
    """A table whose columns contradict each other is none."""

    def test_a_proper_one(self) -> None:
        site = read_site(table())
        assert site is not None
        assert len(site.meters) == 2
        assert (site.tariff_import, site.tariff_export) == (307_000, 83_000)

    @pytest.mark.parametrize(
        "changed",
        [
            {"meter_kid": (b"a" * 32, b"a" * 32)},
            {"meter_rating_w": (1,)},
            {"meter_class_ppm": (1, 2, 3)},
            {"meter_branch": (0, 1)},
            {"branch_parent": (NO_PARENT, 1), "branch_resistance_uohm": (0, 0)},
            {"branch_parent": (NO_PARENT, 0)},
            {"feeder_kid": ()},
            {"feeder_kid": (b"a" * 32, b"b" * 32)},
            {"voltage_mv": (0,)},
            {"voltage_mv": ()},
            {"sky_start_s": (7,)},
            {"tariff_import_micro_per_kwh": (1, 2)},
        ],
    )
    def test_a_contradiction(self, changed: dict[str, object]) -> None:
        assert read_site(table(**changed)) is None

    def test_the_feeder_is_no_meter_of_the_street(self) -> None:
        record = table()
        assert read_site(table(feeder_kid=record.columns["meter_kid"][:1])) is None

    def test_none(self) -> None:
        assert read_site(None) is None

    def test_the_clear_sky_rounds_up_once(self) -> None:
        site = replace(SITE, sky_wh_per_mwp=(100, 250, 0))
        # 10 kWp: 1 and 2.5 Wh
        assert site.sky_limit_wh(10_000, 0, 900) == 1
        assert site.sky_limit_wh(10_000, 900, 900) == 3
        assert site.sky_limit_wh(10_000, 0, 1_800) == 4
        assert site.sky_limit_wh(10_000, 1_800, 900) == 0
        assert site.sky_limit_wh(10_000, -900, 1_800) == 0
        assert site.sky_limit_wh(10_000, 1_800, 1_800) == 0
        assert site.sky_limit_wh(0, 0, 900) == 0


class TestState:
    """What the rules keep between epochs."""

    STATE = EnergyState(
        readings={
            b"k" * 32: (Reading(time=900, import_wh=5, export_wh=2**63 - 1, voltage_mv=0),),
            b"a" * 32: (),
        },
        orders={
            4: (Standing(time=1, identity=b"i" * 32, anchored_at=2, sell_min=None, buy_max=7),)
        },
        residues={900: Residue(start_s=900, unclaimed_wh=3, cuts=((4, 5),))},
    )

    def test_round_trip(self) -> None:
        assert decode(encode(self.STATE)) == self.STATE
        assert decode(encode(EMPTY)) == EMPTY
        assert decode(b"") == EMPTY

    def test_the_order_of_entries_does_not_matter(self) -> None:
        turned = replace(self.STATE, readings=dict(reversed(self.STATE.readings.items())))
        assert encode(turned) == encode(self.STATE)
