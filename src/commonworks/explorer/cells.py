"""Map cells: how finely a device may say where it is. Pure; H3 does the geometry.

Rule: what is published is a cell, never a point, and no finer one than policy allows. Source: the
H3 grid (Uber, Apache-2.0): hexagons in 16 resolutions, each with a seventh of the area of the one
before; one of resolution 7 covers about 5 km².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Final

import h3  # type: ignore[import-untyped, unused-ignore]

from commonworks.errors import InvalidInput
from commonworks.explorer.web.i18n import gettext
from commonworks.policy import KERNEL_PARAMETERS, Parameter

PARAMETER: Final = "map_resolution"
"""Governed parameter: the finest H3 resolution that is shown and taken."""

DECLARED: Final[Parameter] = next(one for one in KERNEL_PARAMETERS if one.key == PARAMETER)

COARSEST: Final = 0
FINEST: Final = 15
"""Finest H3 resolution that there is: cells of about a square metre."""

NOWHERE: Final = 0
"""The cell of a device whose owner says no place."""

CELL_MAX: Final = 2**64 - 1
"""Largest number that the contracts keep as a cell."""

CHILDREN: Final = 7
"""Cells of the next resolution in one: lengths shrink by its square root."""

RINGS: Final = 6
"""Rings of cells around one: enough to hold every point that rounds to the one in the middle."""

ROUNDING_DEGREES: Final = 0.1
"""To multiples of this a place is rounded before a server is asked for cells of `ROUNDED_FOR`."""
ROUNDED_FOR: Final = 7

LATITUDE_MAX: Final = 90
LONGITUDE_MAX: Final = 180

SQUARE_KM: Final = 1_000_000
"""Square metres in one."""
SQUARE_KM_FROM: Final = 100_000
"""Areas from so many square metres on are told in square kilometres."""


def allowed(value: int | None) -> int:
    """Return the finest resolution that may be shown and taken.

    Inputs: the parameter's value in force; None where the network's policy has no such parameter:
    then its default holds. Returns: 0..15, whatever bounds a network gave the parameter.
    """
    return DECLARED.default if value is None else min(max(value, COARSEST), FINEST)


# --- cells ----------------------------------------------------------------------------------------


def cell_at(latitude: float, longitude: float, finest: int) -> str:
    """Return the cell of a point, as fine as `finest`; raise InvalidInput off the globe."""
    if not abs(latitude) <= LATITUDE_MAX or not abs(longitude) <= LONGITUDE_MAX:
        raise InvalidInput(
            gettext("there is no such place"),
            hint=gettext("latitude is -90 to 90, longitude -180 to 180, in degrees"),
        )
    return str(h3.latlng_to_cell(latitude, longitude, finest))


def coarse(cell: str, finest: int) -> str:
    """Return a cell no finer than `finest`: itself, or the one of that resolution around it."""
    return cell if not finer(cell, finest) else str(h3.cell_to_parent(cell, finest))


def finer(cell: str, finest: int) -> bool:
    """Tell whether a cell is finer than `finest`."""
    return int(h3.get_resolution(cell)) > finest


def near(latitude: float, longitude: float, finest: int) -> Sequence[str]:
    """Return the cells around a point, sorted: its own and `RINGS` rings."""
    return sorted(h3.grid_disk(cell_at(latitude, longitude, finest), RINGS))


def rounding(finest: int) -> float:
    """Return to multiples of how many degrees a place is rounded before asking for cells near it.

    So it says no more than a few cells would. Guarantees: `near` the rounded place is the cell of
    the exact one.
    """
    return float(ROUNDING_DEGREES * CHILDREN ** ((ROUNDED_FOR - finest) / 2))


# --- what people write ----------------------------------------------------------------------------


def parse_place(text: str) -> tuple[float, float]:
    """Return latitude and longitude from `48.2,16.37`; raise InvalidInput."""
    first, comma, second = text.partition(",")
    try:
        if not comma:
            raise ValueError
        return float(first), float(second)
    except ValueError:
        raise InvalidInput(
            gettext("%(text)s is no place", text=repr(text[:60])),
            hint=gettext("write LATITUDE,LONGITUDE, for example 48.2,16.37"),
        ) from None


def parse_cell(text: str) -> int:
    """Return a cell as the contracts keep it, from hexadecimal; 0 is nowhere.

    Raises: InvalidInput for what is no H3 cell. How fine it may be, `require_allowed` says.
    """
    try:
        cell = int(text, 16)
    except ValueError:
        cell = -1
    if cell == NOWHERE:
        return NOWHERE
    if not valid(cell):
        raise InvalidInput(
            gettext("%(text)s is no H3 cell", text=repr(text[:40])),
            hint=gettext("write it in hexadecimal, or give a place"),
        )
    return cell


def valid(cell: int) -> bool:
    """Tell whether a number is an H3 cell."""
    return 0 < cell <= CELL_MAX and bool(h3.is_valid_cell(f"{cell:x}"))


def require_allowed(cell: int, finest: int) -> None:
    """Raise InvalidInput for a cell that is finer than `finest`; nowhere is always fine."""
    written = f"{cell:x}"
    if cell == NOWHERE or not finer(written, finest):
        return
    raise InvalidInput(
        gettext(
            "cell %(written)s has resolution %(resolution)s, finer than the %(finest)s that this "
            "network's policy allows now (%(parameter)s)",
            written=written,
            resolution=h3.get_resolution(written),
            finest=finest,
            parameter=PARAMETER,
        ),
        hint=gettext(
            "what is on a chain stays there: give %(written)s, which it lies in",
            written=coarse(written, finest),
        ),
    )


# --- how large they are ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """About how large cells of a resolution are: two digits of it, exact to nobody."""

    value: int
    """In `unit`, without its decimal point."""
    decimals: int
    """Places of `value` behind the decimal point."""
    unit: str
    """m² or km²."""


def area(resolution: int) -> Area:
    """Return about how large cells of a resolution are, 0..15."""
    square_m = float(h3.average_hexagon_area(resolution, "m^2"))
    large = square_m >= SQUARE_KM_FROM
    size = square_m / SQUARE_KM if large else square_m
    digits = 1 - floor(log10(size))
    decimals = max(digits, 0)
    return Area(
        value=round(round(size, digits) * 10**decimals),
        decimals=decimals,
        unit="km²" if large else "m²",
    )
