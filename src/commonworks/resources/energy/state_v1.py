"""What the energy rules keep between epochs: registers, standing orders, residues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonworks import canonical


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
    """Return the state in canonical form."""
    return canonical.encode(state)


def decode(data: bytes) -> EnergyState:
    """Return the state that `encode` wrote; empty bytes are the first state.

    Raises: Corrupt when it is anything else.
    """
    return canonical.decode(EnergyState, data) if data else EMPTY
