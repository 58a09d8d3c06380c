"""Map cells: how finely a device may say where it is. Pure; H3 does the geometry.

Rule: what is published is a cell, never a point, and no finer one than the map shows. Source: the
H3 grid (Uber, Apache-2.0): hexagons in 16 resolutions; one of resolution 7 covers about 5 km².
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import h3  # type: ignore[import-untyped, unused-ignore]

from commonworks.errors import InvalidInput

MAP_RESOLUTION: Final = 7
"""Finest H3 resolution on the map where policy names none: cells of some 5 square kilometres."""

NOWHERE: Final = 0
"""The cell of a device whose owner says no place."""

CELL_MAX: Final = 2**64 - 1
"""Largest number that the contracts keep as a cell."""

RINGS: Final = 6
"""Rings of cells around one: enough to hold every point within a twentieth of a degree."""

LATITUDE_MAX: Final = 90
LONGITUDE_MAX: Final = 180


def cell_at(latitude: float, longitude: float) -> str:
    """Return the cell of a point, as fine as the map; raise InvalidInput off the globe."""
    if not abs(latitude) <= LATITUDE_MAX or not abs(longitude) <= LONGITUDE_MAX:
        raise InvalidInput(
            "there is no such place",
            hint="latitude is -90 to 90, longitude -180 to 180, in degrees",
        )
    return str(h3.latlng_to_cell(latitude, longitude, MAP_RESOLUTION))


def parse_place(text: str) -> tuple[float, float]:
    """Return latitude and longitude from `48.2,16.37`; raise InvalidInput."""
    first, comma, second = text.partition(",")
    try:
        if not comma:
            raise ValueError
        return float(first), float(second)
    except ValueError:
        raise InvalidInput(
            f"{text[:60]!r} is no place", hint="write LATITUDE,LONGITUDE, for example 48.2,16.37"
        ) from None


def parse_cell(text: str) -> int:
    """Return a cell as the contracts keep it, from hexadecimal; 0 is nowhere.

    Raises: InvalidInput for what is no H3 cell, and for a finer one than the map shows.
    """
    try:
        cell = int(text, 16)
    except ValueError:
        cell = -1
    if cell == NOWHERE:
        return NOWHERE
    written = f"{cell:x}" if 0 < cell <= CELL_MAX else ""
    if not h3.is_valid_cell(written):
        raise InvalidInput(
            f"{text[:40]!r} is no H3 cell", hint="write it in hexadecimal, or give a place"
        )
    finer = h3.get_resolution(written)
    if finer > MAP_RESOLUTION:
        coarse = h3.cell_to_parent(written, MAP_RESOLUTION)
        raise InvalidInput(
            f"cell {written} has resolution {finer}, finer than the {MAP_RESOLUTION} of the map",
            hint=f"what is on a chain stays there: give {coarse}, which it lies in",
        )
    return cell


def near(latitude: float, longitude: float) -> Sequence[str]:
    """Return the cells around a point, sorted: its own and `RINGS` rings."""
    return sorted(h3.grid_disk(cell_at(latitude, longitude), RINGS))
