"""Build the packaged street data from the SimBench grid, or print the figures they lead to.

    python scripts/build_street.py --check     figures of the packaged files; needs commonworks only
    python scripts/build_street.py             writes the files again; needs REQUIREMENTS as well

What is done and why stands in docs/guide/street-data.md. The same versions give the same bytes:
integers only, plain JSON, one line a series, no time stamps.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from commonworks.resources.energy.losses import losses_mwh
from commonworks.resources.energy.street import (
    SCHEMA_VERSION,
    SEASONS,
    MeterKind,
    Street,
    load_street,
)

REQUIREMENTS: Final = "simbench==1.6.3 pandapower==3.5.6 pvlib==0.16.1 numba==0.68.1"
GRID: Final = "1-LV-rural1--2-no_sw"
DATA: Final = Path(__file__).parents[1] / "src/commonworks/resources/energy/data"

# A week starts Monday 00:00 local standard time (UTC+1), also in summer.
WEEK_STARTS: Final = {"summer": "2016-06-19T23:00Z", "winter": "2016-01-17T23:00Z"}
# SimBench's stamps are German legal time and its year starts 2016-01-01 00:00 there.
PROFILE_START: Final = "2015-12-31T23:00Z"
# Its solar profiles run one hour ahead of the sun (see shift_figures); they are read an hour later.
SOLAR_SHIFT_INTERVALS: Final = 4
INTERVAL_S: Final = 900
INTERVALS: Final = 7 * 96

FUSES_A: Final = (20, 35, 50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 630)
THREE_PHASES_V: Final = 3 * 230
# The transformer is rated 160 kVA, yet without the left-out batteries summer noons reach 234 kW.
FEEDER_FUSE_A: Final = 400
MEMBER_CLASS_PPM: Final = 10_000
FEEDER_CLASS_PPM: Final = 5_000
TARIFFS: Final = {"utility_import_micro_per_kwh": 320_000, "utility_export_micro_per_kwh": 78_000}

TILTS_DEG: Final = range(0, 61, 5)
AZIMUTHS_DEG: Final = range(0, 360, 10)
# Usual losses between module and meter, and what the sky may add between clouds or on a cold day.
SYSTEM_YIELD: Final = 0.86
SKY_MARGIN: Final = 1.20

KINDS: Final = (
    ("H0", MeterKind.HOUSEHOLD, "main"),
    ("L1", MeterKind.DAIRY_FARM, "main"),
    ("L2", MeterKind.FARM, "main"),
    ("Air", MeterKind.HEAT_PUMP, "heat-pump"),
    ("Soil", MeterKind.HEAT_PUMP, "heat-pump"),
    ("HLS", MeterKind.CAR_CHARGER, "charger"),
    ("PV", MeterKind.SOLAR, "solar"),
)


def library(name: str) -> Any:
    """Import what only a rebuild needs: `--check` and type checks work without it."""
    return importlib.import_module(name)


# --- the grid ----------------------------------------------------------------------------------


def lines_in_order(net: Any) -> list[tuple[int, int, float, str]]:
    """Return (bus, parent bus, ohm, name) of each line, breadth first from the transformer."""
    neighbours: dict[int, list[tuple[int, float, str]]] = {}
    for line in net.line.itertuples():
        ohm = line.r_ohm_per_km * line.length_km / line.parallel
        name = line.name.removeprefix("LV1.101 ").lower().replace(" ", "-")
        neighbours.setdefault(line.from_bus, []).append((line.to_bus, ohm, name))
        neighbours.setdefault(line.to_bus, []).append((line.from_bus, ohm, name))
    root = int(net.trafo.lv_bus.iloc[0])
    order: list[tuple[int, int, float, str]] = []
    queue, seen = [root], {root}
    while queue:
        bus = queue.pop(0)
        for child, ohm, name in sorted(neighbours[bus]):
            if child not in seen:
                seen.add(child)
                order.append((child, bus, ohm, name))
                queue.append(child)
    return order


def devices(net: Any) -> list[dict[str, Any]]:
    """Return every consumer and plant with its owner, grouped by owner in the order of buses."""
    found: list[dict[str, Any]] = []
    for table, power in ((net.load, "import"), (net.sgen, "export")):
        for row in table.itertuples():
            prefix, kind, place = next(x for x in KINDS if row.profile.startswith(x[0]))
            found.append(
                {
                    "bus": int(row.bus),
                    "order": [x[0] for x in KINDS].index(prefix),
                    "kind": kind,
                    "place": place,
                    "table": power,
                    "row": int(row.Index),
                    "source": f"{row.name}, profile {row.profile}",
                    "size_w": round(row.sn_mva * 1e6),
                }
            )
    found.sort(key=lambda x: (x["bus"], x["order"], x["row"]))
    counts: dict[str, int] = {}
    for bus in sorted({x["bus"] for x in found}):
        here = [x for x in found if x["bus"] == bus]
        house = any(x["kind"] is MeterKind.HOUSEHOLD for x in here)
        sort = "house" if house else "farm"
        counts[sort] = counts.get(sort, 0) + 1
        taken: dict[str, int] = {}
        for device in here:
            place = device["place"]
            taken[place] = taken.get(place, 0) + 1
            device["owner"] = f"{sort}-{counts[sort]}"
            suffix = f"-{taken[place]}" if taken[place] > 1 else ""
            device["name"] = f"{device['owner']}/{place}{suffix}"
    return found


# --- the week ----------------------------------------------------------------------------------


def absolute_profiles(net: Any) -> dict[str, Any]:
    """Return active and reactive power of loads and plants over the year, in W and var."""
    np = library("numpy")
    loads, plants = net.profiles["load"], net.profiles["renewables"]
    active = np.array([loads[f"{name}_pload"].values for name in net.load.profile])
    reactive = np.array([loads[f"{name}_qload"].values for name in net.load.profile])
    solar = np.array([plants[name].values for name in net.sgen.profile])
    return {
        "load_w": active * net.load.p_mw.values[:, None] * 1e6,
        "load_var": reactive * net.load.q_mvar.values[:, None] * 1e6,
        "solar_w": np.roll(solar, SOLAR_SHIFT_INTERVALS, axis=1)
        * net.sgen.p_mw.values[:, None]
        * 1e6,
    }


def week_of(profiles: Mapping[str, Any], start: str) -> dict[str, Any]:
    """Return the profiles of the week that begins at `start`."""
    passed = datetime.fromisoformat(start) - datetime.fromisoformat(PROFILE_START)
    first = int(passed.total_seconds()) // INTERVAL_S
    return {name: table[:, first : first + INTERVALS] for name, table in profiles.items()}


def power_flow(net: Any, week: Mapping[str, Any]) -> dict[str, Any]:
    """Solve every interval; return feeder and losses in W and volts (line to neutral) by bus."""
    np, pandapower = library("numpy"), library("pandapower")
    net.storage.in_service = False
    feeder_w, losses_w, volts = [], [], []
    for k in range(INTERVALS):
        net.load.p_mw, net.load.q_mvar = week["load_w"][:, k] / 1e6, week["load_var"][:, k] / 1e6
        net.sgen.p_mw = week["solar_w"][:, k] / 1e6
        pandapower.runpp(net, tolerance_mva=1e-10)
        feeder_w.append(-float(net.res_trafo.p_lv_mw.iloc[0]) * 1e6)
        losses_w.append(float(net.res_line.pl_mw.sum()) * 1e6)
        volts.append(net.res_bus.vm_pu.values * net.bus.vn_kv.values * 1e3 / math.sqrt(3))
    return {"feeder_w": feeder_w, "losses_w": losses_w, "volts": np.array(volts).T}


def register_wh(power_w: Iterable[float]) -> list[int]:
    """Return energy per interval as a register counts it: the running sum is what is rounded."""
    energies: list[int] = []
    exact, register = 0.0, 0
    for power in power_w:
        exact += float(power) * INTERVAL_S / 3600
        reading = math.floor(exact + 0.5)
        energies.append(reading - register)
        register = reading
    return energies


def clear_sky_wh_per_mwp(net: Any, start: str) -> list[int]:
    """Return the upper bound on solar energy in each interval of the week."""
    np, pandas, pvlib = library("numpy"), library("pandas"), library("pvlib")
    points = [json.loads(text)["coordinates"] for text in net.bus.geo]
    place = pvlib.location.Location(
        float(np.mean([y for _, y in points])), float(np.mean([x for x, _ in points])), altitude=40
    )
    minutes = pandas.date_range(start, periods=7 * 1440, freq="1min") + pandas.Timedelta("30s")
    sun = place.get_solarposition(minutes)
    sky = place.get_clearsky(minutes, model="ineichen", solar_position=sun)
    extra = pvlib.irradiance.get_extra_radiation(minutes)
    up = sun.apparent_elevation.values > 0
    best = np.zeros(INTERVALS)
    for tilt in TILTS_DEG:
        for azimuth in AZIMUTHS_DEG if tilt else (180,):
            plane = pvlib.irradiance.get_total_irradiance(
                tilt,
                azimuth,
                sun.apparent_zenith,
                sun.azimuth,
                sky.dni,
                sky.ghi,
                sky.dhi,
                dni_extra=extra,
                model="haydavies",
            ).poa_global.fillna(0)
            best = np.maximum(best, np.where(up, plane, 0).reshape(INTERVALS, 15).mean(axis=1))
    # The solar profiles are hourly values joined by straight lines; the bound has to allow that.
    hourly = np.interp(np.arange(INTERVALS), np.arange(0, INTERVALS, 4), best[::4])
    best = np.where(up.reshape(INTERVALS, 15).any(axis=1), np.maximum(best, hourly), 0)
    watts_per_kwp = best * SYSTEM_YIELD * SKY_MARGIN
    return [math.floor(w * 1000 * INTERVAL_S / 3600 + 0.5) for w in watts_per_kwp]


# --- the file ----------------------------------------------------------------------------------


def rating_w(size_w: int, energy_wh: Sequence[int]) -> int:
    """Return the power of the smallest main fuse that fits the device and all of its data."""
    most_w = max(size_w, (max(energy_wh) + 1) * 3600 // INTERVAL_S)
    return next(fuse * THREE_PHASES_V for fuse in FUSES_A if fuse * THREE_PHASES_V >= most_w)


def decivolts(volts: Iterable[float]) -> list[int]:
    """Return voltages in tenths of a volt, rounded half up."""
    return [math.floor(float(v) * 10 + 0.5) for v in volts]


def meter_entry(device: Mapping[str, Any], branch: int, energy_wh: list[int]) -> dict[str, Any]:
    """Return one member's meter as the file holds it."""
    return {
        "name": device["name"],
        "owner": device["owner"],
        "kind": device["kind"],
        "source": device["source"],
        "branch": branch,
        "rating_w": rating_w(device["size_w"], energy_wh),
        "plant_wp": device["size_w"] if device["kind"] is MeterKind.SOLAR else 0,
        "class_ppm": MEMBER_CLASS_PPM,
        f"{device['table']}_wh": energy_wh,
    }


def feeder_entry(feeder_w: Sequence[float]) -> dict[str, Any]:
    """Return the feeder's meter as the file holds it."""
    drawn = register_wh(max(power, 0) for power in feeder_w)
    fed = register_wh(max(-power, 0) for power in feeder_w)
    return {
        "name": "grid-operator/feeder",
        "owner": "grid-operator",
        "kind": MeterKind.FEEDER,
        "source": "MV1.101-LV1.101-Trafo 1, low-voltage side",
        "branch": -1,
        "rating_w": rating_w(FEEDER_FUSE_A * THREE_PHASES_V, [*drawn, *fed]),
        "plant_wp": 0,
        "class_ppm": FEEDER_CLASS_PPM,
        "import_wh": drawn,
        "export_wh": fed,
    }


def document_of(net: Any, profiles: Mapping[str, Any], season: str) -> dict[str, Any]:
    """Return everything that the file of `season` says."""
    start = WEEK_STARTS[season]
    week = week_of(profiles, start)
    solved = power_flow(net, week)
    lines = lines_in_order(net)
    buses = [bus for bus, _, _, _ in lines]
    root = int(net.trafo.lv_bus.iloc[0])
    power = {"import": week["load_w"], "export": week["solar_w"]}
    return {
        "schema": SCHEMA_VERSION,
        "season": season,
        "start_utc": int(datetime.fromisoformat(start).timestamp()),
        "interval_s": INTERVAL_S,
        "intervals": INTERVALS,
        "tariffs": TARIFFS,
        "branches": [
            {
                "name": name,
                "parent": -1 if parent == root else buses.index(parent),
                "resistance_uohm": round(ohm * 1e6),
            }
            for _, parent, ohm, name in lines
        ],
        "clear_sky_wh_per_mwp": clear_sky_wh_per_mwp(net, start),
        "line_losses_mwh": [
            math.floor(w * 1000 * INTERVAL_S / 3600 + 0.5) for w in solved["losses_w"]
        ],
        "feeder_voltage_dv": decivolts(solved["volts"][root]),
        "voltage_dv": [decivolts(solved["volts"][bus]) for bus in buses],
        "feeder": feeder_entry(solved["feeder_w"]),
        "meters": [
            meter_entry(x, buses.index(x["bus"]), register_wh(power[x["table"]][x["row"]]))
            for x in devices(net)
        ],
    }


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the file's bytes: JSON with one line a value or row, so that a change shows."""
    entries = []
    for key, value in document.items():
        rows = value if isinstance(value, list) and isinstance(value[0], (dict, list)) else None
        text = compact(value) if rows is None else "[\n" + ",\n".join(map(compact, rows)) + "\n]"
        entries.append(f"{compact(key)}:{text}")
    return ("{\n" + ",\n".join(entries) + "\n}\n").encode("ascii")


def compact(value: object) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def build(target: Path) -> None:
    """Write the files of all seasons to `target`."""
    net = library("simbench").get_simbench_net(GRID)
    profiles = absolute_profiles(net)
    for season in SEASONS:
        content = encode(document_of(net, profiles, season))
        (target / f"street-{season}.json").write_bytes(content)
        print(f"{season}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def shift_figures() -> None:
    """Print how well the solar profiles follow a clear sky when they are read later by `shift`."""
    np, pandas, pvlib = library("numpy"), library("pandas"), library("pvlib")
    net = library("simbench").get_simbench_net(GRID)
    start = pandas.date_range(PROFILE_START, periods=len(net.profiles["renewables"]), freq="15min")
    place = pvlib.location.Location(53.642, 11.411, altitude=40)
    middle = start + pandas.Timedelta("450s")
    sun = place.get_solarposition(middle)
    sky = place.get_clearsky(middle, model="ineichen", solar_position=sun)
    roofs = planes(pvlib, sun, sky, (135, 180, 225))
    names = sorted(set(net.sgen.profile))
    print("best correlation with a clear-sky roof / intervals with yield below the horizon")
    for shift in range(-4, 9):
        figures, nights = [], 0
        for name in names:
            late = np.roll(net.profiles["renewables"][name].values, shift)
            match = max(np.corrcoef(roof, late)[0, 1] for roof in roofs)
            night = int(((sun.apparent_elevation.values <= 0) & (late > 0)).sum())
            nights += night
            figures.append(f"{name} {match:.4f} / {night:4d}")
        print(f"{shift * 15:+4d} min: {'   '.join(figures)}   all {nights:4d}")


def planes(pvlib: Any, sun: Any, sky: Any, azimuths: Iterable[int]) -> list[Any]:
    """Return the clear-sky irradiance on roofs of 25 degrees that face `azimuths`."""
    return [
        pvlib.irradiance.get_total_irradiance(
            25, azimuth, sun.apparent_zenith, sun.azimuth, sky.dni, sky.ghi, sky.dhi
        )
        .poa_global.fillna(0)
        .values
        for azimuth in azimuths
    ]


# --- the figures -------------------------------------------------------------------------------


def residuals_w(street: Street, estimated_mwh: Sequence[int]) -> list[float]:
    """Return exports - imports - losses - feeder of each interval as power in W."""
    feeder = street.feeder
    return [
        (
            sum(m.export_wh[k] - m.import_wh[k] for m in street.meters)
            - estimated_mwh[k] / 1000
            - (feeder.export_wh[k] - feeder.import_wh[k])
        )
        * 3600
        / street.interval_s
        for k in range(street.intervals)
    ]


def estimated_losses_mwh(street: Street) -> list[int]:
    """Return what the rule estimates from the meters' claims in each interval."""
    parent = [branch.parent for branch in street.branches]
    resistance = [branch.resistance_uohm for branch in street.branches]
    estimates = []
    for k in range(street.intervals):
        net_wh = [0] * len(parent)
        for meter in street.meters:
            net_wh[meter.branch] += meter.export_wh[k] - meter.import_wh[k]
        voltage_mv = street.feeder.voltage_dv[k] * 100
        estimates.append(losses_mwh(net_wh, parent, resistance, voltage_mv, street.interval_s))
    return estimates


def share_of_flow_mwh(street: Street) -> list[int]:
    """Return losses as the constant share of the feeder's flow that fits this week best."""
    flow = [
        abs(a - b) for a, b in zip(street.feeder.export_wh, street.feeder.import_wh, strict=True)
    ]
    fit = sum(a * b for a, b in zip(flow, street.line_losses_mwh, strict=True))
    share = fit / sum(a * a for a in flow)
    return [round(a * share) for a in flow]


def spread(values: Sequence[float]) -> str:
    """Return root mean square and largest magnitude for people."""
    rms = math.sqrt(sum(v * v for v in values) / len(values))
    return f"RMS {rms:6.2f} W   max {max(abs(v) for v in values):7.2f} W"


def print_sky(street: Street) -> None:
    """Print how far the plants stay below the clear-sky table, at noon and at the day's ends."""
    plants = [m for m in street.meters if m.plant_wp]
    exceeded, day, edge = 0, 0.0, 0.0
    for k, per_mwp in enumerate(street.clear_sky_wh_per_mwp):
        for plant in plants:
            bound = plant.plant_wp * per_mwp // 1_000_000
            exceeded += plant.export_wh[k] > bound
            if bound:
                share = plant.export_wh[k] / bound
                low = per_mwp < max(street.clear_sky_wh_per_mwp) // 3
                edge, day = (max(edge, share), day) if low else (edge, max(day, share))
    table = street.clear_sky_wh_per_mwp
    lit = [k % 96 for k in range(street.intervals) if table[k]]
    sunny = [k % 96 for k in range(street.intervals) if any(p.export_wh[k] for p in plants)]
    print(f"  clear sky: {exceeded} of {street.intervals * len(plants)} readings above the table")
    print(f"    most used {day:.1%} by day, {edge:.1%} with a low sun (table under a third)")
    print(f"    table lit in intervals {min(lit)} to {max(lit)} of the day's 96, ", end="")
    print(f"yield in {min(sunny)} to {max(sunny)}")
    bound_kwh = sum(p.plant_wp for p in plants) * sum(table) / 1e9
    made_kwh = sum(sum(p.export_wh) for p in plants) / 1e3
    print(f"    week {made_kwh:.0f} kWh of at most {bound_kwh:.0f} kWh")


def print_season(season: str) -> None:
    """Print the figures of one packaged week."""
    street = load_street(season)
    path = DATA / f"street-{season}.json"
    begin = datetime.fromtimestamp(street.start_utc, UTC)
    print(f"{season}: {street.intervals} intervals of {street.interval_s} s from {begin:%F %H:%MZ}")
    print(f"  file: {path.stat().st_size} bytes, ", end="")
    print(f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")
    imports = sum(sum(m.import_wh) for m in street.meters) / 1e3
    exports = sum(sum(m.export_wh) for m in street.meters) / 1e3
    owners = {meter.owner for meter in street.meters}
    print(f"  {len(street.meters)} meters of {len(owners)} owners: ", end="")
    print(f"draw {imports:.1f} kWh, feed in {exports:.1f} kWh; ", end="")
    print(f"lines lose {sum(street.line_losses_mwh) / 1e6:.2f} kWh")
    feeder = street.feeder
    print(f"  feeder: import {sum(feeder.import_wh) / 1e3:.1f} kWh, ", end="")
    print(f"export {sum(feeder.export_wh) / 1e3:.1f} kWh, ", end="")
    print(f"most {max(feeder.import_wh) * 4 / 1e3:.1f} / {max(feeder.export_wh) * 4 / 1e3:.1f} kW")
    volts = [v for m in street.meters for v in m.voltage_dv]
    print(f"  voltage: {min(volts) / 10} V to {max(volts) / 10} V line to neutral")
    estimates = estimated_losses_mwh(street)
    wrong_w = [
        (a - b) * 3.6 / street.interval_s
        for a, b in zip(estimates, street.line_losses_mwh, strict=True)
    ]
    print(f"  losses, rule against power flow              {spread(wrong_w)}")
    print("  balance with losses taken as")
    for label, losses in (
        ("I2R of the claimed flows (the rule)", estimates),
        ("the true ones (whole Wh alone)", street.line_losses_mwh),
        ("the best constant share of the flow", share_of_flow_mwh(street)),
        ("none", [0] * street.intervals),
    ):
        print(f"    {label:40s}   {spread(residuals_w(street, losses))}")
    print_sky(street)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="print figures of the packaged files")
    parser.add_argument("--shift", action="store_true", help="print how solar profiles are shifted")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write the files to")
    arguments = parser.parse_args()
    if arguments.check:
        for season in SEASONS:
            print_season(season)
    elif arguments.shift:
        shift_figures()
    else:
        build(arguments.out)


if __name__ == "__main__":
    main()
