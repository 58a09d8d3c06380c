"""The schedule over the years, and its pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from commonworks.errors import InvalidInput
from commonworks.settlement.emission import after_epoch, emission_wei
from commonworks.units import DAY_S, WEI
from commonworks.wiring.charts import Gain, Panel, draw_backtest, draw_economy
from commonworks.wiring.discover import installed_resources
from commonworks.wiring.economy import (
    YEAR_S,
    Point,
    Schedule,
    default_schedule,
    epochs_in,
    part_of,
    points,
    steps,
)
from commonworks.wiring.profiles import Profile

SMALL = Schedule(
    name="a street",
    symbol="CWK",
    genesis_time=0,
    epoch_length_s=DAY_S,
    allocated_wei=500,
    cap_wei=10_000,
    initial_wei=1_000,
    half_lives=((0, 2), (4, 4)),
    shares_ppm={"gauge": 600_000, "verifiers": 100_000},
    next_epoch=3,
    minted_wei=2_000,
)


def test_it_halves_and_bends() -> None:
    """Half-life 2 epochs, from epoch 4 on 4: half after 2, a quarter after 4, an eighth after 8."""
    found = list(steps(SMALL, 8))
    assert [p.emission_wei for p in found] == [1_000, 750, 500, 375, 250, 218, 187, 156, 125]
    assert [p.supply_wei for p in found][:4] == [500, 1_500, 2_250, 2_750]
    assert found[-1].supply_wei == 500 + sum(p.emission_wei for p in found[:-1])
    assert SMALL.half_life_at(3) == 2
    assert SMALL.half_life_at(4) == SMALL.half_life_at(99) == 4


def test_it_is_what_settlement_allows() -> None:
    schedule = default_schedule(Profile.COMMONS, DAY_S, installed_resources(), "CWK")
    halvings = 0
    for point in steps(schedule, 3_000):
        assert point.emission_wei == emission_wei(schedule.initial_wei, halvings)
        halvings = after_epoch(halvings, schedule.half_lives[0][1])
    assert point.supply_wei < schedule.cap_wei


def test_supply_stops_at_the_cap() -> None:
    assert list(steps(replace(SMALL, cap_wei=1_600), 5))[-1].supply_wei == 1_600


def test_a_network_that_never_mints() -> None:
    coop = default_schedule(Profile.COOP, DAY_S, installed_resources(), "CWK")
    assert {p.emission_wei for p in steps(coop, 100)} == {0}
    assert coop.allocated_wei == coop.cap_wei == 0


def test_the_parts_of_an_epoch() -> None:
    assert part_of(SMALL, "gauge", 1_000) == 600
    assert part_of(replace(SMALL, shares_ppm={"a": 10**6, "b": 10**6}), "a", 1_001) == 500


def test_how_many_epochs() -> None:
    assert epochs_in(SMALL, 20) == 20 * YEAR_S // DAY_S == 7_304
    with pytest.raises(InvalidInput, match="at most 7 years"):
        epochs_in(replace(SMALL, epoch_length_s=60), 20)
    with pytest.raises(InvalidInput, match="0 years are outside"):
        epochs_in(SMALL, 0)


def test_a_curve_has_both_ends() -> None:
    found = points(SMALL, 1_003, 10)
    assert (found[0].epoch, found[-1].epoch) == (0, 1_003)
    assert 10 <= len(found) <= 13
    assert [p.epoch for p in points(SMALL, 1, 400)] == [0, 1]


# --- pictures -------------------------------------------------------------------------------------


CURVE = (
    Point(epoch=0, emission_wei=10 * WEI, supply_wei=100 * WEI),
    Point(epoch=365, emission_wei=5 * WEI, supply_wei=3_000 * WEI),
    Point(epoch=730, emission_wei=2 * WEI, supply_wei=4_000 * WEI),
)
PANELS = (
    Panel(
        symbol="tEUR",
        decimals=6,
        gains=[Gain(label="ann", amount=1_500_000), Gain(label="ben", amount=-1)],
    ),
    Panel(symbol="CWK", decimals=18, gains=[Gain(label="ann", amount=7 * WEI)]),
)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_equal_numbers_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("one", "two"):
        draw_economy(SMALL, CURVE, tmp_path / f"economy-{name}{suffix}")
        draw_backtest("title", "epochs 1..2", PANELS, tmp_path / f"test-{name}{suffix}")
    for kind in ("economy", "test"):
        one, two = ((tmp_path / f"{kind}-{n}{suffix}").read_bytes() for n in ("one", "two"))
        assert one == two
        assert one.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")


def test_a_picture_has_no_date_and_a_white_ground(tmp_path: Path) -> None:
    path = tmp_path / "economy.svg"
    draw_economy(SMALL, CURVE, path)
    text = path.read_text()
    ElementTree.fromstring(text)
    assert "dc:date" not in text
    assert "fill: #ffffff" in text


def test_many_accounts_and_none(tmp_path: Path) -> None:
    many = [Gain(label=f"house {n}", amount=200 - n) for n in range(400) if n != 200]
    draw_backtest("t", "s", [Panel(symbol="X", decimals=2, gains=many)], tmp_path / "many.png")
    draw_backtest("t", "s", [Panel(symbol="X", decimals=2, gains=[])], tmp_path / "none.png")
    assert (tmp_path / "many.png").stat().st_size > (tmp_path / "none.png").stat().st_size > 1_000


def test_other_names_of_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no name of a picture"):
        draw_economy(SMALL, CURVE, tmp_path / "economy.pdf")
