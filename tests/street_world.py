"""A street to settle: meters with owners, a site table, a feeder that sees the sum of all flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from commonworks.model import (
    IntervalVerdict,
    Settlement,
)
from commonworks.resources.energy import RESOURCE as ENERGY
from commonworks.resources.energy.readings import INTERVAL_S, NO_PARENT, ORDER, REPLACE, REPORT
from commonworks.resources.energy.readings import SITE as SITE_SCHEMA
from commonworks.statements.codec import Item
from settlement_world import BEFORE_S, EPOCH_S, GENESIS_S, NETWORK, World

Flow = tuple[int, int]
"""(import Wh, export Wh) of one interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What the site table says about a meter."""

    plant_wp: int = 0
    rating_w: int = 40_000
    class_ppm: int = 0
    branch: int = 0


class Street(World):
    """A street of meters with one owner each (`anna`'s meter is `anna`), and a feeder of `grid`."""

    INTERVALS = EPOCH_S // INTERVAL_S
    TARIFF_IMPORT = 307_000
    TARIFF_EXPORT = 83_000
    """The utility's prices, micro-units per kWh."""

    def __init__(
        self,
        meters: Mapping[str, Meter],
        *,
        resistance_uohm: Sequence[int] = (0,),
        sky_wh_per_mwp: Sequence[int] = (250_000,) * 400,
        funds: int = 10**9,
        feeder_owner: str = "grid",
        owners: Mapping[str, str] | None = None,
        **parameters: int,
    ) -> None:
        super().__init__([ENERGY], **parameters)
        self.meters = dict(meters)
        self.owners = {name: name for name in meters} | dict(owners or {})
        self.registers = {name: (1_000 * (n + 1), 500) for n, name in enumerate(meters)}
        self.registers["feeder"] = (70_000, 3_000)
        self.read: dict[str, list[tuple[int, int, int]]] = {}
        """Every reading that a meter ever reported: (moment, import, export)."""
        self.registrar(resource="energy")
        self.enrol("feeder", feeder_owner, resource="energy")
        self.reference("feeder")
        self.log(self.binding("feeder", feeder_owner), at=BEFORE_S)
        for name, owner in self.owners.items():
            self.enrol(name, owner, resource="energy")
            self.log(self.binding(name, owner), at=BEFORE_S)
            self.limit(owner, name, funds)
        for owner in sorted(set(self.owners.values())):
            self.deposit(owner, funds)
        self.site = self.site_item(resistance_uohm, sky_wh_per_mwp)
        self.log(self.site, at=BEFORE_S)
        self.adopt(self.site, "energy")

    def site_item(
        self, resistance_uohm: Sequence[int], sky: Sequence[int], time: int = BEFORE_S
    ) -> Item:
        """Return the street's table: every branch hangs on the one before it."""
        rows = list(self.meters.items())
        columns: dict[str, Sequence[int] | Sequence[bytes]] = {
            "meter_kid": [self.key(name).public.thumbprint for name, _ in rows],
            "meter_rating_w": [meter.rating_w for _, meter in rows],
            "meter_plant_wp": [meter.plant_wp for _, meter in rows],
            "meter_class_ppm": [meter.class_ppm for _, meter in rows],
            "meter_branch": [meter.branch for _, meter in rows],
            "branch_parent": [i - 1 if i else NO_PARENT for i in range(len(resistance_uohm))],
            "branch_resistance_uohm": resistance_uohm,
            "feeder_kid": [self.key("feeder").public.thumbprint],
            "feeder_class_ppm": [0],
            "feeder_rating_w": [400_000],
            "voltage_mv": [230_000],
            "sky_start_s": [GENESIS_S],
            "sky_wh_per_mwp": sky,
            "tariff_import_micro_per_kwh": [self.TARIFF_IMPORT],
            "tariff_export_micro_per_kwh": [self.TARIFF_EXPORT],
        }
        return self.record("registrar", SITE_SCHEMA, time, columns, resource="energy")

    def order(
        self, name: str, *, sell: int | None = None, buy: int | None = None, time: int = BEFORE_S
    ) -> Item:
        """Return a standing order, limits in micro-units per kWh."""
        columns: dict[str, Sequence[int]] = {}
        if sell is not None:
            columns["sell_min_micro_per_kwh"] = [sell]
        if buy is not None:
            columns["buy_max_micro_per_kwh"] = [buy]
        return self.record(name, ORDER, time, columns, resource="energy")

    def orders(self, **limits: int) -> None:
        """Log an order for each meter: positive limits sell above, negative buy below."""
        for name, limit in limits.items():
            order = self.order(name, sell=limit) if limit >= 0 else self.order(name, buy=-limit)
            self.log(order, at=BEFORE_S)

    def readings(self, name: str, rows: Sequence[tuple[int, int, int]], time: int = -1) -> Item:
        """Return a report of (moment, import register, export register) rows."""
        base = min(moment for moment, _, _ in rows) if time < 0 else time
        columns = {
            "offset_s": [moment - base for moment, _, _ in rows],
            "import_wh": [imported for _, imported, _ in rows],
            "export_wh": [exported for _, _, exported in rows],
        }
        return self.record(name, REPORT, base, columns, resource="energy")

    def marks(self, name: str, epoch: int, flows: Sequence[Flow]) -> list[tuple[int, int, int]]:
        """Let energy flow through a meter; return its readings at the epoch's marks."""
        start = self.network.epoch_start(epoch)
        imported, exported = self.registers[name]
        rows = [] if name in self.read else [(start, imported, exported)]
        for number, (drawn, fed) in enumerate(flows, start=1):
            imported, exported = imported + drawn, exported + fed
            rows.append((start + number * INTERVAL_S, imported, exported))
        self.registers[name] = imported, exported
        self.read.setdefault(name, []).extend(rows)
        return rows

    def measure(
        self,
        epoch: int,
        flows: Mapping[str, Sequence[Flow]],
        *,
        feeder: Sequence[int | None] | None = None,
        gaps: Mapping[str, Sequence[int]] | None = None,
    ) -> dict[str, Item]:
        """Log every meter's report of an epoch; return them by name.

        The feeder sees the sum of all flows unless `feeder` says what it sees per interval as net
        export (None: it misses the mark at that interval's end). `gaps` are marks that a meter
        misses: 1 is the end of the first interval.
        """
        seen = [sum(f[n][1] - f[n][0] for f in flows.values()) for n in range(self.INTERVALS)]
        missed = {name: set(marks) for name, marks in (gaps or {}).items()}
        if feeder is not None:
            missed["feeder"] = {n + 1 for n, net in enumerate(feeder) if net is None}
            seen = [net or 0 for net in feeder]
        grid = [(max(-net, 0), max(net, 0)) for net in seen]
        reports = {}
        for name, rows in {**flows, "feeder": grid}.items():
            start = self.network.epoch_start(epoch)
            marks = [
                mark
                for mark in self.marks(name, epoch, rows)
                if (mark[0] - start) // INTERVAL_S not in missed.get(name, ())
            ]
            if marks:
                reports[name] = self.readings(name, marks, start)
        self.log(*reports.values(), epoch=epoch)
        return reports

    def replacement(
        self,
        name: str,
        time: int,
        final: Flow,
        first: Flow,
        *,
        signer: str = "registrar",
        requester: str | None = None,
    ) -> Item:
        """Return a change of meter, signed by the device and countersigned."""
        columns = {
            "final_import_wh": [final[0]],
            "final_export_wh": [final[1]],
            "first_import_wh": [first[0]],
            "first_export_wh": [first[1]],
        }
        request = self.record(requester or name, REPLACE, time, columns, resource="energy")
        return self.record(
            signer, REPLACE, time, columns, resource="energy", request=request.statement
        )


def reasons(result: Settlement, name: str = "energy") -> list[tuple[int, int, str, int, int]]:
    """Return a resource's interval verdicts as (device, interval number, reason, claimed, got)."""
    (found,) = (r for r in result.resources if r.resource == name)
    start = NETWORK.epoch_start(result.epoch)

    def row(item: IntervalVerdict) -> tuple[int, int, str, int, int]:
        number = (item.start_s - start) // INTERVAL_S
        return item.device, number, str(item.reason), item.claimed, item.credited

    return [row(item) for item in found.intervals]
