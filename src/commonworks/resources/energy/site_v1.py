"""The street's site table as typed values, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonworks.resources.energy.losses import TRANSFORMER
from commonworks.resources.energy.readings import INTERVAL_S, NO_PARENT, integers
from commonworks.statements.model import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteMeter:
    """What the registrar vouches for about one meter."""

    rating_w: int
    plant_wp: int
    class_ppm: int
    branch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A street behind one feeder."""

    meters: Mapping[bytes, SiteMeter]
    """By key thumbprint; the feeder is not among them."""
    parents: tuple[int, ...]
    """Branch -> branch upstream, always a smaller index; TRANSFORMER at the root."""
    resistances_uohm: tuple[int, ...]
    feeder_kid: bytes
    feeder_class_ppm: int
    feeder_rating_w: int
    voltage_mv: int
    """Nominal, line to neutral."""
    sky_start_s: int
    sky_wh_per_mwp: tuple[int, ...]
    tariff_import: int
    """Micro-units per kWh."""
    tariff_export: int

    def sky_limit_wh(self, plant_wp: int, start_s: int, length_s: int) -> int:
        """Return the most that a plant can have fed in over a span of whole intervals, Wh.

        Rounded up: registers show whole Wh, so the Wh that ticks now may have begun before.
        Outside the table nothing is vouched for, so nothing is allowed.
        """
        first = (start_s - self.sky_start_s) // INTERVAL_S
        last = first + length_s // INTERVAL_S
        if first < 0 or last > len(self.sky_wh_per_mwp):
            return 0
        return -(-sum(self.sky_wh_per_mwp[first:last]) * plant_wp // 1_000_000)


def read_site(record: Record | None) -> Site | None:
    """Return the site table, or None when there is none or its columns contradict each other."""
    if record is None:
        return None
    columns = record.columns
    kids = [kid for kid in columns["meter_kid"] if isinstance(kid, bytes)]
    feeders = [kid for kid in columns["feeder_kid"] if isinstance(kid, bytes)]
    numbers = {name: integers(record, name) for name in columns}
    per_meter = [
        numbers[name]
        for name in ("meter_rating_w", "meter_plant_wp", "meter_class_ppm", "meter_branch")
    ]
    parents, resistances = numbers["branch_parent"], numbers["branch_resistance_uohm"]
    single = (
        "feeder_class_ppm",
        "feeder_rating_w",
        "voltage_mv",
        "sky_start_s",
        "tariff_import_micro_per_kwh",
        "tariff_export_micro_per_kwh",
    )
    consistent = (
        len(set(kids)) == len(kids)
        and all(len(column) == len(kids) for column in per_meter)
        and len(parents) == len(resistances)
        and all(parent == NO_PARENT or parent < i for i, parent in enumerate(parents))
        and all(branch < len(parents) for branch in numbers["meter_branch"])
        and len(feeders) == 1
        and feeders[0] not in kids
        and all(len(numbers[name]) == 1 for name in single)
        and numbers["voltage_mv"][0] > 0
        and numbers["sky_start_s"][0] % INTERVAL_S == 0
    )
    if not consistent:
        return None
    one = {name: numbers[name][0] for name in single}
    return Site(
        meters={
            kid: SiteMeter(rating_w=rating, plant_wp=plant, class_ppm=accuracy, branch=branch)
            for kid, rating, plant, accuracy, branch in zip(kids, *per_meter, strict=True)
        },
        parents=tuple(TRANSFORMER if p == NO_PARENT else p for p in parents),
        resistances_uohm=resistances,
        feeder_kid=feeders[0],
        feeder_class_ppm=one["feeder_class_ppm"],
        feeder_rating_w=one["feeder_rating_w"],
        voltage_mv=one["voltage_mv"],
        sky_start_s=one["sky_start_s"],
        sky_wh_per_mwp=numbers["sky_wh_per_mwp"],
        tariff_import=one["tariff_import_micro_per_kwh"],
        tariff_export=one["tariff_export_micro_per_kwh"],
    )
