"""What the energy rules keep between epochs: registers, standing orders, residues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commonworks.crypto import cbor
from commonworks.errors import CommonworksError, Corrupt


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Reading:
    """A meter's registers at one moment."""

    time: int
    """Unix seconds, a multiple of the interval."""
    import_wh: int
    export_wh: int
    voltage_mv: int
    """Line to neutral; 0 where the meter did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An order: the limits of one device."""

    time: int
    """When its agent signed it; a later one replaces it."""
    identity: bytes
    anchored_at: int
    """When the chain covered it: it counts for epochs that open later."""
    sell_min: int | None
    """Micro-units per kWh."""
    buy_max: int | None
    """Micro-units per kWh, all charges included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """What one past interval left unexplained, for late readings to explain."""

    start_s: int
    unclaimed_wh: int
    """Export that the feeder saw and nobody was credited."""
    cuts: tuple[tuple[int, int], ...]
    """(device, Wh) that the balance took from exporters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyState:
    """The whole of it."""

    readings: Mapping[bytes, tuple[Reading, ...]]
    """Key thumbprint -> last settled reading first, then those beyond the epoch's end. Registers
    belong to the meter, whoever owns it and whichever device id it has."""
    orders: Mapping[int, tuple[Standing, ...]]
    """Device -> the order in force and those anchored too late to be, by time."""
    residues: Mapping[int, Residue]
    """Interval start -> what it left; no older than the maximum lateness."""


EMPTY = EnergyState(readings={}, orders={}, residues={})


def encode(state: EnergyState) -> bytes:
    """Return the state as deterministic CBOR."""
    return cbor.encode(
        [
            [
                [kid, [[r.time, r.import_wh, r.export_wh, r.voltage_mv] for r in rows]]
                for kid, rows in sorted(state.readings.items())
            ],
            [
                [
                    device,
                    [[o.time, o.identity, o.anchored_at, o.sell_min, o.buy_max] for o in rows],
                ]
                for device, rows in sorted(state.orders.items())
            ],
            [
                [row.start_s, row.unclaimed_wh, [list(cut) for cut in row.cuts]]
                for _, row in sorted(state.residues.items())
            ],
        ]
    )


def decode(data: bytes) -> EnergyState:
    """Return the state that `encode` wrote; empty bytes are the first state.

    Raises: Corrupt when it is anything else.
    """
    if not data:
        return EMPTY
    try:
        return _read(cbor.decode(data))
    except (CommonworksError, TypeError, ValueError) as error:
        raise Corrupt(f"the state of energy cannot be read ({error})") from error


def _read(fields: Any) -> EnergyState:
    readings, orders, residues = fields
    return EnergyState(
        readings={
            kid: tuple(
                Reading(time=time, import_wh=imported, export_wh=exported, voltage_mv=voltage)
                for time, imported, exported, voltage in rows
            )
            for kid, rows in readings
        },
        orders={
            device: tuple(
                Standing(
                    time=time,
                    identity=identity,
                    anchored_at=anchored_at,
                    sell_min=sell_min,
                    buy_max=buy_max,
                )
                for time, identity, anchored_at, sell_min, buy_max in rows
            )
            for device, rows in orders
        },
        residues={
            start: Residue(
                start_s=start, unclaimed_wh=unclaimed, cuts=tuple((d, wh) for d, wh in cuts)
            )
            for start, unclaimed, cuts in residues
        },
    )
