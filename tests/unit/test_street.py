"""The packaged street: complete, consistent with its own physics, and honest about its limits."""

from __future__ import annotations

import importlib.util
import json
import math
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from commonworks.errors import Corrupt, InvalidInput
from commonworks.resources.energy import street as module
from commonworks.resources.energy.street import (
    SEASONS,
    MeterKind,
    Street,
    StreetMeter,
    load_street,
    street_from_document,
)

DATA = resources.files("commonworks.resources.energy") / "data"


@pytest.fixture(params=SEASONS)
def street(request: pytest.FixtureRequest) -> Street:
    return load_street(request.param)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "build_street.py"
    spec = importlib.util.spec_from_file_location("build_street", path)
    assert spec is not None
    assert spec.loader is not None
    built = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    return built


def document(season: str = "summer") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DATA / f"street-{season}.json").read_text("utf-8"))
    return loaded


def by_name(street: Street, name: str) -> StreetMeter:
    return next(meter for meter in street.meters if meter.name == name)


def test_a_season_is_seven_days_from_a_monday_in_local_standard_time(street: Street) -> None:
    assert (street.interval_s, street.intervals) == (900, 672)
    local = datetime.fromtimestamp(street.start_utc + 3_600, UTC)
    assert (local.weekday(), local.hour, local.minute, local.year) == (0, 0, 0, 2016)


def test_the_street_has_28_consumers_8_plants_and_13_owners(street: Street) -> None:
    kinds = [meter.kind for meter in street.meters]
    assert {kind: kinds.count(kind) for kind in MeterKind if kind in kinds} == {
        MeterKind.HOUSEHOLD: 3,
        MeterKind.DAIRY_FARM: 5,
        MeterKind.FARM: 5,
        MeterKind.HEAT_PUMP: 8,
        MeterKind.CAR_CHARGER: 7,
        MeterKind.SOLAR: 8,
    }
    assert len({meter.owner for meter in street.meters}) == 13
    assert street.feeder.owner == "grid-operator"
    assert street.feeder.kind is MeterKind.FEEDER


def test_names_are_unique_and_begin_with_the_owner(street: Street) -> None:
    names = [meter.name for meter in (*street.meters, street.feeder)]
    assert len(set(names)) == len(names)
    assert all(m.name.startswith(f"{m.owner}/") for m in (*street.meters, street.feeder))


def test_an_owner_lives_on_one_bus(street: Street) -> None:
    branches = {(meter.owner, meter.branch) for meter in street.meters}
    assert len(branches) == len({meter.owner for meter in street.meters}) == len(street.branches)


def test_both_seasons_describe_the_same_place() -> None:
    summer, winter = (load_street(season) for season in SEASONS)
    place = [
        [(m.name, m.kind, m.branch, m.rating_w, m.plant_wp, m.class_ppm) for m in s.meters]
        for s in (summer, winter)
    ]
    assert place[0] == place[1]
    assert summer.branches == winter.branches
    assert summer.feeder.rating_w == winter.feeder.rating_w
    assert summer.tariffs == winter.tariffs


def test_every_reading_fits_its_connection(street: Street) -> None:
    for meter in (*street.meters, street.feeder):
        most_wh = max(*meter.import_wh, *meter.export_wh)
        assert most_wh * 3_600 <= meter.rating_w * street.interval_s, meter.name


def test_consumers_only_draw_and_plants_only_feed_in(street: Street) -> None:
    for meter in street.meters:
        solar = meter.kind is MeterKind.SOLAR
        assert (meter.plant_wp > 0) == solar
        assert not any(meter.import_wh if solar else meter.export_wh), meter.name


def test_no_plant_exceeds_the_clear_sky_and_none_yields_at_night(street: Street) -> None:
    midnight = [k for k in range(street.intervals) if k % 96 < 8 or k % 96 >= 88]
    assert all(street.clear_sky_wh_per_mwp[k] == 0 for k in midnight)
    for meter in street.meters:
        for k, per_mwp in enumerate(street.clear_sky_wh_per_mwp):
            assert meter.export_wh[k] <= meter.plant_wp * per_mwp // 1_000_000, (meter.name, k)


def test_voltages_stay_within_the_european_band(street: Street) -> None:
    # EN 50160: 230 V +- 10 %
    for meter in (*street.meters, street.feeder):
        assert min(meter.voltage_dv) >= 2_070
        assert max(meter.voltage_dv) <= 2_530


def test_a_branch_comes_after_the_one_it_hangs_on(street: Street) -> None:
    assert all(-1 <= b.parent < i for i, b in enumerate(street.branches))
    assert all(b.resistance_uohm > 0 for b in street.branches)
    assert all(0 <= m.branch < len(street.branches) for m in street.meters)


def test_the_balance_closes_within_a_few_watts(street: Street, script: ModuleType) -> None:
    estimates = script.estimated_losses_mwh(street)
    residuals_w = script.residuals_w(street, estimates)
    rms_w = math.sqrt(sum(r * r for r in residuals_w) / len(residuals_w))
    assert rms_w < 8.5
    assert max(abs(r) for r in residuals_w) < 35
    # without losses the same balance is far off, so the rule is what closes it
    blind_w = script.residuals_w(street, [0] * street.intervals)
    assert math.sqrt(sum(r * r for r in blind_w) / len(blind_w)) > 5 * rms_w


def test_a_kilowatt_too_much_shows_in_the_balance(street: Street, script: ModuleType) -> None:
    honest_w = script.residuals_w(street, script.estimated_losses_mwh(street))
    noon = 44
    meters = tuple(
        module.StreetMeter(
            **{
                **{name: getattr(m, name) for name in m.__slots__},
                "export_wh": tuple(
                    wh + (250 if m.name == "farm-6/solar" and k == noon else 0)
                    for k, wh in enumerate(m.export_wh)
                ),
            }
        )
        for m in street.meters
    )
    lying = Street(**{**{n: getattr(street, n) for n in street.__slots__}, "meters": meters})
    lied_w = script.residuals_w(lying, script.estimated_losses_mwh(lying))
    assert lied_w[noon] - honest_w[noon] == pytest.approx(1_000, abs=30)
    assert lied_w[:noon] == honest_w[:noon]


def test_week_totals_are_what_the_guide_says() -> None:
    # docs/guide/street-data.md prints these figures
    for season, drawn_kwh, fed_kwh in (("summer", 3_676, 7_634), ("winter", 4_879, 1_358)):
        street = load_street(season)
        assert round(sum(sum(m.import_wh) for m in street.meters) / 1_000) == drawn_kwh
        assert round(sum(sum(m.export_wh) for m in street.meters) / 1_000) == fed_kwh


def test_registers_never_run_away_from_the_energy_they_count(script: ModuleType) -> None:
    # 1.4 W is 0.35 Wh a quarter hour: registers 0.35 0.70 1.05 1.40 1.75 -> 0 1 1 1 2
    assert script.register_wh([1.4] * 5) == [0, 1, 0, 0, 1]
    assert sum(script.register_wh([1.4] * 1_000)) == 350


def test_a_fuse_is_the_smallest_that_fits_device_and_data(script: ModuleType) -> None:
    assert script.rating_w(11_000, [0]) == 13_800
    assert script.rating_w(11_000, [3_500]) == 24_150
    assert script.rating_w(117_200, [0]) == 138_000


def test_the_file_is_rewritten_byte_for_byte(script: ModuleType) -> None:
    for season in SEASONS:
        assert script.encode(document(season)) == (DATA / f"street-{season}.json").read_bytes()


def test_figures_are_printed_for_people(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    script.print_season("summer")
    printed = capsys.readouterr().out
    assert "0 of 5376 readings above the table" in printed
    assert "36 meters of 13 owners" in printed


def test_the_data_stay_small_and_name_their_licence() -> None:
    sizes = [len((DATA / f"street-{season}.json").read_bytes()) for season in SEASONS]
    assert sum(sizes) < 400_000
    notice = (DATA / "ATTRIBUTION.md").read_text("utf-8")
    assert "Open Database License (ODbL) 1.0" in notice


def test_an_unknown_season_says_which_there_are() -> None:
    with pytest.raises(InvalidInput, match="choose one of summer, winter"):
        load_street("spring")


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": 2},
        {"intervals": 671},
        {"clear_sky_wh_per_mwp": [-1] * 672},
        {"line_losses_mwh": [0.5] * 672},
        {"voltage_dv": []},
    ],
)
def test_a_damaged_document_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises((ValueError, IndexError)):
        street_from_document({**document(), **damage})


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 1}'])
def test_a_damaged_file_says_what_to_do(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "street-summer.json").write_text(content)
    monkeypatch.setattr(module.resources, "files", lambda package: tmp_path)
    with pytest.raises(Corrupt, match="install the package again"):
        load_street.__wrapped__("summer")
