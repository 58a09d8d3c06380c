"""Two cells of rain gauges under passing showers, a subscriber, and some who cheat.

Rain is made from the seed alone: showers of some hours over a whole cell, a little different in
each garden; every gauge errs as tipping buckets do. Any start will do, so this world follows
whatever network it is put on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from commonworks.crypto.keys import Algorithm
from commonworks.resources.simulator import Actor, Cast, Columns, Submission
from commonworks.statements.model import Kind
from commonworks.units import DAY_S, MICRO, PPM
from commonworks_rainfall.readings import SLOT_S

HOUR_S: Final = 3_600
LENGTH_S: Final = 28 * DAY_S
"""Showers have no end; this is as long as anybody would watch."""
CELLS: Final = {"valley": 0x85283473FFFFFFF, "ridge": 0x85283447FFFFFFF}
"""Two neighbouring H3 cells of resolution 5."""
OWNERS: Final = {
    "valley": ("house-1", "orchard", "dairy", "school", "vineyard", "bakery"),
    "ridge": ("mill", "inn", "forester", "school", "chapel"),
}
SUBSCRIBER, PAUPER = "flood-office", "brewery"
PRICE_MICRO: Final = 3 * MICRO
STRANGER: Final = "stranger/gauge"
INVENTOR, SHELTERED = "valley/orchard/gauge", "valley/dairy/gauge"
CONTRADICTOR, PROPHET = "ridge/mill/gauge", "ridge/inn/gauge"
BEHAVIOUR: Final = {
    INVENTOR: "invents its rain",
    SHELTERED: "hangs under a roof",
    CONTRADICTOR: "says two things about one hour, three times a day",
    PROPHET: "reports at noon what it will have measured at one",
    STRANGER: "was never enrolled",
    f"{PAUPER}/terminal": "subscribes beyond its deposit",
}


def _draw(seed: int, *labels: object, below: int) -> int:
    """Return a number in 0..below-1 that depends on nothing but seed and labels."""
    text = "/".join(str(label) for label in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % below


def _terminal(owner: str, *, lies: bool) -> Actor:
    """Return the device by which an account subscribes; it measures nothing and has no cell."""
    name = f"{owner}/terminal"
    return Actor(
        name=name, owner=owner, algorithm=Algorithm.EDDSA,
        behaviour=BEHAVIOUR[name] if lies else "honest", spend_limit_micro=5 * MICRO,
    )  # fmt: skip


class RainWorld:
    """The gauges of one seed."""

    def __init__(self, seed: int, *, cheaters: bool, start_s: int) -> None:
        self._seed = seed
        self._cheaters = cheaters
        gauges = [
            Actor(
                name=(name := f"{place}/{owner}/gauge"),
                owner=owner,
                algorithm=Algorithm.ES256 if owner == "school" else Algorithm.EDDSA,
                behaviour=BEHAVIOUR.get(name, "honest") if cheaters else "honest",
                cell=CELLS[place],
            )
            for place, owners in OWNERS.items()
            for owner in owners
        ]
        others = [_terminal(SUBSCRIBER, lies=False)]
        if cheaters:
            stranger = Actor(
                name=STRANGER, owner="stranger", algorithm=Algorithm.EDDSA,
                behaviour=BEHAVIOUR[STRANGER], enrolled=False, cell=CELLS["valley"],
            )  # fmt: skip
            others += [_terminal(PAUPER, lies=True), stranger]
        self.cast = Cast(
            start_s=start_s,
            length_s=LENGTH_S,
            actors=(*gauges, *others),
            deposits_micro={SUBSCRIBER: 100 * MICRO} | ({PAUPER: MICRO} if cheaters else {}),
            service_accounts={},
            facts={"gauges": len(gauges), "cells": len(CELLS)},
        )

    def site(self, _thumbprints: Mapping[str, bytes]) -> Columns | None:
        """Return nothing: neighbours need no table, their cells are on chain."""
        return None

    def standing(self, actor: str) -> Sequence[tuple[Kind, Columns]]:
        """Return the subscription of a terminal."""
        if not actor.endswith("/terminal"):
            return ()
        return ((Kind.ORDER, {"price_micro": [PRICE_MICRO]}),)

    def step(self, start_s: int, end_s: int) -> Sequence[Submission]:
        """Return one report per gauge and hour of event time [start, end)."""
        found = []
        for hour in range(start_s, end_s, HOUR_S):
            for actor in self.cast.actors:
                if actor.cell:
                    found += self._hour(actor, hour)
        return found

    def _hour(self, actor: Actor, hour: int) -> list[Submission]:
        of_day = (hour - self.cast.start_s) // HOUR_S % 24
        lies = self._cheaters and actor.behaviour != "honest"
        times = [hour]
        if lies and actor.name == PROPHET and of_day in (11, 12):
            times = [hour, hour + HOUR_S] if of_day == 11 else []
        reports = [self._report(actor, time, "measured") for time in times]
        if lies and actor.name == CONTRADICTOR and of_day in (7, 13, 19):
            reports.append(self._report(actor, hour, "invented"))
        return reports

    def _report(self, actor: Actor, hour: int, how: str) -> Submission:
        offsets = range(0, HOUR_S, SLOT_S)
        if self._cheaters and actor.name == INVENTOR:
            how = "invented"
        return Submission(
            actor=actor.name,
            poses_as=actor.name,
            kind=Kind.REPORT,
            time=hour,
            columns={
                "offset_s": list(offsets),
                "rain_um": [self._rain_um(actor, hour + offset, how) for offset in offsets],
            },
        )

    def _rain_um(self, actor: Actor, slot: int, how: str) -> int:
        """Return what a gauge says about a slot, micrometres in tips of 100."""
        if how == "invented":
            return 20_000 + _draw(self._seed, actor.name, slot, how, below=20_000)
        if self._cheaters and actor.name == SHELTERED:
            return 0
        shower = slot // (3 * HOUR_S)
        wet = _draw(self._seed, actor.cell, shower, "shower", below=3) == 0
        sky = _draw(self._seed, actor.cell, slot, "sky", below=6_000) if wet else 0
        error_ppm = _draw(self._seed, actor.name, slot, "error", below=100_000) - 50_000
        return sky * (PPM + error_ppm) // PPM // 100 * 100


class RainSimulator:
    """Makes rain."""

    def natural_start(self, _season: str) -> int | None:
        """Return None: no recorded data, any start will do."""
        return None

    def world(self, *, seed: int, season: str, cheaters: bool, start_s: int) -> RainWorld:
        """Return the gauges of a seed; it rains alike in all seasons here."""
        return RainWorld(_draw(seed, season, below=2**63), cheaters=cheaters, start_s=start_s)


SIMULATOR: Final = RainSimulator()
