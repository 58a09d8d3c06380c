"""A real low-voltage street: two recorded weeks of 28 consumers, 8 solar plants and their feeder.

The data come from the SimBench grid `1-LV-rural1--2-no_sw` and a power flow over each of its
quarter hours; scripts/build_street.py makes the files, docs/guide/street-data.md says how, and
data/ATTRIBUTION.md under which licence. Only the simulator reads them: no rule may.

Signs are the street's: `import` is energy that flows into a member's installation (for the feeder:
from the grid into the street), `export` is energy that flows out of it. With the losses of
losses.py, for every interval and within rounding and class:

    sum of exports - sum of imports - losses = feeder export - feeder import
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from commonworks.errors import Corrupt, InvalidInput

SCHEMA_VERSION: Final = 1
"""Format of the packaged files that this module reads."""

SEASONS: Final = ("summer", "winter")
"""Names of the packaged weeks."""


class MeterKind(StrEnum):
    """What stands behind a meter, from the category of its recorded profile."""

    HOUSEHOLD = "household"
    """A home (standard load profile group H0)."""
    DAIRY_FARM = "dairy-farm"
    """A farm with dairy cattle (group L1)."""
    FARM = "farm"
    """Any other farm (group L2)."""
    HEAT_PUMP = "heat-pump"
    """An electric heat pump, air or ground source."""
    CAR_CHARGER = "car-charger"
    """A charging point for an electric car."""
    SOLAR = "solar"
    """A photovoltaic plant."""
    FEEDER = "feeder"
    """The meter between the transformer and the street."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A line of the street: it leads from its parent's far end to a bus of its own."""

    name: str
    """Name of the line, for example `line-10`."""
    parent: int
    """Index of the branch it hangs on, always smaller than its own; -1 at the transformer."""
    resistance_uohm: int
    """Resistance of one phase conductor, micro-ohm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetMeter:
    """A meter and what it truly measured in each interval."""

    name: str
    """Owner and place, unique in the street, for example `house-2/heat-pump`."""
    owner: str
    """Account that owns the meter, for example `house-2`."""
    kind: MeterKind
    """What stands behind it."""
    source: str
    """Element of the SimBench grid and its profile."""
    branch: int
    """Index of the branch at whose far end it stands; -1 for the feeder, at the transformer."""
    rating_w: int
    """Most the connection carries: main fuse in A times three phases of 230 V."""
    plant_wp: int
    """Peak power of the solar plant, watt peak; 0 without one."""
    class_ppm: int
    """Largest relative error of the meter's accuracy class, parts per million."""
    import_wh: tuple[int, ...]
    """Energy drawn in each interval, Wh."""
    export_wh: tuple[int, ...]
    """Energy fed in during each interval, Wh."""
    voltage_dv: tuple[int, ...]
    """Voltage in each interval, line to neutral, tenths of a volt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariffs:
    """What the utility charges and pays without a network, micro-units of currency per kWh."""

    utility_import_micro_per_kwh: int
    """Price of a kWh drawn from the grid, everything included."""
    utility_export_micro_per_kwh: int
    """Paid for a kWh fed into the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """One recorded week of the street. Every series has `intervals` values."""

    season: str
    """`summer` or `winter`."""
    start_utc: int
    """Start of the first interval, Unix seconds: a Monday 00:00 at UTC+1 (local standard time)."""
    interval_s: int
    """Length of an interval, seconds."""
    intervals: int
    """Number of intervals: seven days."""
    meters: tuple[StreetMeter, ...]
    """Members' meters, grouped by owner."""
    feeder: StreetMeter
    """The feeder's meter, owned by the grid operator."""
    branches: tuple[Branch, ...]
    """Lines, parents before children."""
    clear_sky_wh_per_mwp: tuple[int, ...]
    """Most that a megawatt peak of solar plant can feed in per interval, Wh; 0 at night."""
    tariffs: Tariffs
    """The utility's prices."""
    line_losses_mwh: tuple[int, ...]
    """True losses of all lines per interval by the power flow, mWh: to judge estimates by; no
    meter measures them and no rule sees them."""


@lru_cache(maxsize=len(SEASONS))
def load_street(season: str) -> Street:
    """Return the packaged week of `season`, which is one of `SEASONS`.

    Raises: InvalidInput for another season; Corrupt when the packaged file is not what
    scripts/build_street.py writes.
    """
    if season not in SEASONS:
        raise InvalidInput(
            f"no street data for season {season!r}", hint=f"choose one of {', '.join(SEASONS)}"
        )
    file = resources.files(__package__) / "data" / f"street-{season}.json"
    try:
        street = street_from_document(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise Corrupt(
            f"street data of {season} are damaged ({error})", hint="install the package again"
        ) from error
    return street


def street_from_document(document: Mapping[str, Any]) -> Street:
    """Return the street that a decoded file describes.

    Series of zeros are left out of the files, and voltages are kept once per bus; both are
    restored here. Raises: KeyError, TypeError or ValueError where the document is not of
    `SCHEMA_VERSION` or its series do not all have `intervals` values.
    """
    if document["schema"] != SCHEMA_VERSION:
        raise ValueError(f"schema {document['schema']}, expected {SCHEMA_VERSION}")
    intervals = int(document["intervals"])
    voltages = [_series(values, intervals) for values in document["voltage_dv"]]
    root_voltage = _series(document["feeder_voltage_dv"], intervals)
    return Street(
        season=str(document["season"]),
        start_utc=int(document["start_utc"]),
        interval_s=int(document["interval_s"]),
        intervals=intervals,
        meters=tuple(
            _meter(entry, intervals, voltages[entry["branch"]]) for entry in document["meters"]
        ),
        feeder=_meter(document["feeder"], intervals, root_voltage),
        branches=tuple(Branch(**entry) for entry in document["branches"]),
        clear_sky_wh_per_mwp=_series(document["clear_sky_wh_per_mwp"], intervals),
        tariffs=Tariffs(**document["tariffs"]),
        line_losses_mwh=_series(document["line_losses_mwh"], intervals),
    )


def _meter(entry: Mapping[str, Any], intervals: int, voltage_dv: tuple[int, ...]) -> StreetMeter:
    """Return the meter of one entry of a file."""
    return StreetMeter(
        name=str(entry["name"]),
        owner=str(entry["owner"]),
        kind=MeterKind(entry["kind"]),
        source=str(entry["source"]),
        branch=int(entry["branch"]),
        rating_w=int(entry["rating_w"]),
        plant_wp=int(entry["plant_wp"]),
        class_ppm=int(entry["class_ppm"]),
        import_wh=_series(entry.get("import_wh", ()), intervals),
        export_wh=_series(entry.get("export_wh", ()), intervals),
        voltage_dv=voltage_dv,
    )


def _series(values: Any, intervals: int) -> tuple[int, ...]:
    """Return a series of non-negative integers; an empty one stands for zeros."""
    series = tuple(values) or (0,) * intervals
    if len(series) != intervals or not all(type(value) is int and value >= 0 for value in series):
        raise ValueError("a series is not one non-negative integer per interval")
    return series
