"""Worlds that share a network: one start, one device per name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commonworks.errors import InvalidInput
from commonworks.resources.energy.simulate import SIMULATOR as STREET
from commonworks.resources.simulator import Simulator
from commonworks.wiring import demo
from commonworks.wiring.demo import ANY_START_S, DemoSettings, players_of

sys.path.append(str(Path(__file__).parents[2] / "examples" / "rainfall" / "src"))
from commonworks_rainfall import RESOURCE as RAINFALL
from commonworks_rainfall.simulate import SIMULATOR as RAIN
from commonworks_rainfall.simulate import RainSimulator, RainWorld


def settings(*resources: str) -> DemoSettings:
    return DemoSettings(seed=1, days=1, season="summer", resources=resources, cheaters=True)


def install(monkeypatch: pytest.MonkeyPatch, **simulators: Simulator) -> None:
    """Let wiring find these simulators, and no others."""
    known = {name: replace(RAINFALL, name=name) for name in simulators}
    monkeypatch.setattr(demo, "simulator", lambda name: simulators[name])
    monkeypatch.setattr(demo, "simulated", lambda names: [n for n in names if n in simulators])

    def select(names: Sequence[str]) -> dict[str, Any]:
        return {name: known[name] for name in sorted(names)}

    monkeypatch.setattr(demo, "select_resources", select)


def test_worlds_follow_the_start_of_recorded_data(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, energy=STREET, rainfall=RAIN)
    starts = [player.world.cast.start_s for player in players_of(settings("energy", "rainfall"))]
    assert starts == [STREET.natural_start("summer")] * 2


def test_worlds_without_recorded_data_begin_where_we_say(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, rainfall=RAIN)
    (player,) = players_of(settings("rainfall"))
    assert player.world.cast.start_s == ANY_START_S


def test_a_recorded_week_moves_by_whole_intervals() -> None:
    arguments: dict[str, Any] = {"seed": 1, "season": "summer", "cheaters": True}
    start_s = STREET.natural_start("summer") or 0
    first, moved = (
        STREET.world(**arguments, start_s=at) for at in (start_s, start_s + 365 * 86_400 + 900)
    )
    ((here, *_), (there, *_)) = (
        world.step(world.cast.start_s, world.cast.start_s + 3_600) for world in (first, moved)
    )
    assert there.time - here.time == 365 * 86_400 + 900
    assert there.columns == here.columns
    with pytest.raises(InvalidInput, match="cannot begin"):
        STREET.world(**arguments, start_s=start_s + 1)


class Namesake(RainSimulator):
    """Calls its gauges as another resource calls its own."""

    def world(self, **arguments: Any) -> RainWorld:
        return super().world(**{**arguments, "seed": 2})


def test_two_devices_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, rainfall=RAIN, drizzle=Namesake())
    with pytest.raises(InvalidInput, match="two devices of these resources are called"):
        players_of(settings("rainfall", "drizzle"))
