"""A street of honest and cheating meters, over a real week of data.

Every meter errs within its accuracy class, as real ones do. The cheats are those that the rules
must catch: export inflated by a factor, export at night, one meter reporting for another, a
replayed statement, a key that was never enrolled. Two honest failures take part as well: a meter
that is offline for some hours and catches up the next day, and a feeder gone silent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.crypto.keys import Algorithm
from commonworks.errors import InvalidInput
from commonworks.resources.energy.readings import INTERVAL_S, NO_PARENT
from commonworks.resources.energy.street import MeterKind, Street, StreetMeter, load_street
from commonworks.resources.simulator import Actor, Cast, Columns, Submission
from commonworks.statements.model import Kind
from commonworks.units import DAY_S, MICRO, PPM

REPORT_S: Final = 3600
"""A meter reports once an hour: four readings under one signature."""
STRANGER: Final = "stranger/meter"
INFLATOR: Final = "house-3/solar"
NIGHT_OWL: Final = "house-1/solar"
IMPOSTOR: Final = "farm-10/charger"
POSES_AS: Final = "farm-1/solar"
REPLAYER: Final = "farm-8/charger"
LATECOMER: Final = "farm-7/main"
VILLAGE: Final = 0x871F134F5FFFFFF
"""H3 cell of resolution 7, some 5 square kilometres: the transformer and most meters are in it."""
OUTLYING: Final = {
    "farm-3": 0x871F134F4FFFFFF,
    "farm-8": 0x871F134F4FFFFFF,
    "farm-4": 0x871F134F0FFFFFF,
    "farm-5": 0x871F134F0FFFFFF,
    "farm-10": 0x871F134F0FFFFFF,
    "farm-7": 0x871F134F1FFFFFF,
}
"""Owners along the ends of the lines -> the neighbouring cell that they gave. SimBench says what a
street consumes, not where it lies: the place is made up."""
INFLATION_PPM: Final = 1_500_000
NIGHT_EXPORT_WH: Final = 900
"""What the night owl claims to feed in per quarter-hour between midnight and 4 o'clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meter:
    """A meter as it reports: its registers at each quarter-hour mark, errors and lies included."""

    name: str
    import_wh: tuple[int, ...]
    """Register at mark 0..intervals, Wh."""
    export_wh: tuple[int, ...]
    voltage_mv: tuple[int, ...]
    """At mark 0..intervals."""


def _draw(seed: int, *labels: object, below: int) -> int:
    """Return a number in 0..below-1 that depends on nothing but seed and labels."""
    text = "/".join(str(label) for label in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % below


def _registers(initial: int, energies: Sequence[int], error_ppm: int) -> tuple[int, ...]:
    """Return a register over time: whole Wh of everything so far, times the meter's error."""
    total = 0
    marks = [initial]
    for energy in energies:
        total += energy
        marks.append(initial + total * (PPM + error_ppm) // PPM)
    return tuple(marks)


def _lies(meter: StreetMeter, interval_s: int) -> Sequence[int]:
    """Return the export that a meter claims, interval by interval."""
    if meter.name == INFLATOR:
        return [wh * INFLATION_PPM // PPM for wh in meter.export_wh]
    if meter.name == NIGHT_OWL:
        per_day = DAY_S // interval_s
        night = 4 * 3600 // interval_s
        return [
            wh + (NIGHT_EXPORT_WH if i % per_day < night else 0)
            for i, wh in enumerate(meter.export_wh)
        ]
    return meter.export_wh


class StreetWorld:
    """The street of one season and seed."""

    def __init__(self, street: Street, seed: int, *, cheaters: bool, start_s: int) -> None:
        self._street = street
        self._start_s = start_s
        self._seed = seed
        self._cheaters = cheaters
        metered = (*street.meters, street.feeder)
        self._meters = {meter.name: self._meter(meter) for meter in metered}
        self.cast = self._make_cast(metered)

    def _meter(self, meter: StreetMeter) -> _Meter:
        class_ppm = meter.class_ppm
        error = _draw(self._seed, meter.name, "error", below=class_ppm + 1) - class_ppm // 2
        exports = _lies(meter, self._street.interval_s) if self._cheaters else meter.export_wh
        first = meter.voltage_dv[0]
        return _Meter(
            name=meter.name,
            import_wh=_registers(self._initial(meter, "import"), meter.import_wh, error),
            export_wh=_registers(self._initial(meter, "export"), exports, error),
            voltage_mv=tuple(100 * value for value in (first, *meter.voltage_dv)),
        )

    def _initial(self, meter: StreetMeter, register: str) -> int:
        """A meter was there before the network: its registers do not start at nothing."""
        return _draw(self._seed, meter.name, register, below=50_000_000)

    def _make_cast(self, metered: Sequence[StreetMeter]) -> Cast:
        cheats = {
            INFLATOR: "inflates its export by half",
            NIGHT_OWL: "claims export at night",
            IMPOSTOR: f"also signs in the name of {POSES_AS}",
            REPLAYER: "sends each morning's report again",
            LATECOMER: "is offline for six hours and catches up a day later",
            self._street.feeder.name: "falls silent for two hours on the second day",
        }
        actors = []
        for index, meter in enumerate(metered):
            feeder = meter.kind is MeterKind.FEEDER
            behaviour = cheats.get(meter.name, "honest") if self._cheaters else "honest"
            actors.append(
                Actor(
                    name=meter.name,
                    owner=meter.owner,
                    # every third meter has a secure element that knows P-256 only
                    algorithm=Algorithm.ES256 if index % 3 == 2 else Algorithm.EDDSA,
                    behaviour=behaviour,
                    reference=feeder,
                    spend_limit_micro=0 if feeder or meter.plant_wp else 40 * MICRO,
                    cell=OUTLYING.get(meter.owner, VILLAGE),
                )
            )
        if self._cheaters:
            actors.append(
                Actor(
                    name=STRANGER,
                    owner="stranger",
                    algorithm=Algorithm.EDDSA,
                    behaviour="was never enrolled",
                    enrolled=False,
                )
            )
        buyers = sorted({m.owner for m in self._street.meters if not m.plant_wp})
        return Cast(
            start_s=self._start_s,
            length_s=self._street.intervals * self._street.interval_s,
            actors=tuple(actors),
            # farm-9 deposits too little: its bids run out of funds
            deposits_micro={o: (8 if o == "farm-9" else 400) * MICRO for o in buyers},
            service_accounts={
                "energy.grid_account": "grid-operator",
                "energy.levy_account": "treasury",
                "energy.vat_account": "tax-office",
            },
            facts={
                "consumers": sum(not m.plant_wp for m in self._street.meters),
                "plants": sum(bool(m.plant_wp) for m in self._street.meters),
                "plants_wp": sum(m.plant_wp for m in self._street.meters),
                "interval_s": self._street.interval_s,
            },
        )

    def site(self, thumbprints: Mapping[str, bytes]) -> Columns | None:
        """Return the street's table, as the registrar signs it."""
        street = self._street
        return {
            "meter_kid": [thumbprints[m.name] for m in street.meters],
            "meter_rating_w": [m.rating_w for m in street.meters],
            "meter_plant_wp": [m.plant_wp for m in street.meters],
            "meter_class_ppm": [m.class_ppm for m in street.meters],
            "meter_branch": [m.branch for m in street.meters],
            "branch_parent": [NO_PARENT if b.parent < 0 else b.parent for b in street.branches],
            "branch_resistance_uohm": [b.resistance_uohm for b in street.branches],
            "feeder_kid": [thumbprints[street.feeder.name]],
            "feeder_class_ppm": [street.feeder.class_ppm],
            "feeder_rating_w": [street.feeder.rating_w],
            "voltage_mv": [230_000],
            "sky_start_s": [self._start_s],
            "sky_wh_per_mwp": street.clear_sky_wh_per_mwp,
            "tariff_import_micro_per_kwh": [street.tariffs.utility_import_micro_per_kwh],
            "tariff_export_micro_per_kwh": [street.tariffs.utility_export_micro_per_kwh],
        }

    def standing(self, actor: str) -> Sequence[tuple[Kind, Columns]]:
        """Return a device's order: plants sell above feed-in, consumers buy below retail."""
        meter = next((m for m in self._street.meters if m.name == actor), None)
        if meter is None:
            return ()
        tariffs = self._street.tariffs
        if meter.plant_wp:
            above = 2_000 + _draw(self._seed, actor, "ask", below=30_000)
            limit = tariffs.utility_export_micro_per_kwh + above
            return ((Kind.ORDER, {"sell_min_micro_per_kwh": [limit]}),)
        below = 4_000 + _draw(self._seed, actor, "bid", below=30_000)
        limit = tariffs.utility_import_micro_per_kwh - below
        return ((Kind.ORDER, {"buy_max_micro_per_kwh": [limit]}),)

    def step(self, start_s: int, end_s: int) -> Sequence[Submission]:
        """Return the hourly reports of event time [start, end), hour by hour."""
        found: list[Submission] = []
        for time in range(start_s, end_s, REPORT_S):
            for name in self._meters:
                found.extend(self._hour(name, time))
            if self._cheaters:
                found.extend(self._cheats(time))
        return found

    def _report(self, actor: str, poses_as: str, marks: range, registers: str = "") -> Submission:
        meter = self._meters[registers or poses_as]
        base = self._start_s + marks[0] * INTERVAL_S
        return Submission(
            actor=actor,
            poses_as=poses_as,
            kind=Kind.REPORT,
            time=base,
            columns={
                "offset_s": [(mark - marks[0]) * INTERVAL_S for mark in marks],
                "import_wh": [meter.import_wh[mark] for mark in marks],
                "export_wh": [meter.export_wh[mark] for mark in marks],
                "voltage_mv": [meter.voltage_mv[mark] for mark in marks],
            },
        )

    def _marks(self, time: int) -> range:
        """Return the marks that a report of the hour from `time` reads: its end, not its start.

        The very first report also reads the mark where the data begin.
        """
        first = (time - self._start_s) // INTERVAL_S
        return range(first if first == 0 else first + 1, first + REPORT_S // INTERVAL_S + 1)

    def _hour(self, name: str, time: int) -> Sequence[Submission]:
        """Return what a meter sends at the end of the hour that begins at `time`."""
        day, second = divmod(time - self._start_s, DAY_S)
        hour = second // 3600
        if self._cheaters and name == self._street.feeder.name and day == 1 and hour in (11, 12):
            return ()
        if self._cheaters and name == LATECOMER and hour in range(9, 15) and day == 0:
            return ()
        reports = [self._report(name, name, self._marks(time))]
        if self._cheaters and name == LATECOMER and day == 1 and hour == 9:
            start = time - DAY_S
            reports += [
                self._report(name, name, self._marks(start + i * REPORT_S)) for i in range(6)
            ]
        return reports

    def _cheats(self, time: int) -> Sequence[Submission]:
        """Return the hour's submissions that are nobody's honest report."""
        hour = (time - self._start_s) % DAY_S // 3600
        found = []
        if hour in (10, 14):
            found.append(self._report(IMPOSTOR, POSES_AS, self._marks(time)))
        if hour == 12:
            found.append(self._report(STRANGER, STRANGER, self._marks(time), POSES_AS))
        if hour == 8:
            again = self._report(REPLAYER, REPLAYER, self._marks(time - 2 * 3600))
            found.append(
                Submission(
                    actor=again.actor,
                    poses_as=again.poses_as,
                    kind=again.kind,
                    time=again.time,
                    columns=again.columns,
                    repeats=True,
                )
            )
        return found


class StreetSimulator:
    """Makes streets."""

    def natural_start(self, season: str) -> int | None:
        """Return the first second of the recorded week of `season`."""
        return load_street(season).start_utc

    def world(self, *, seed: int, season: str, cheaters: bool, start_s: int) -> StreetWorld:
        """Return the street of `season` (summer, winter) with the errors of `seed`.

        The recorded week is played as if it had begun at `start_s`, its clear sky with it.
        Raises: InvalidInput when the quarter hours would not lie on the meters' marks.
        """
        street = load_street(season)
        if (start_s - street.start_utc) % INTERVAL_S:
            raise InvalidInput(
                f"the recorded week cannot begin at {start_s}",
                hint=f"choose a start on a multiple of {INTERVAL_S} s",
            )
        return StreetWorld(street, seed, cheaters=cheaters, start_s=start_s)


SIMULATOR: Final = StreetSimulator()
