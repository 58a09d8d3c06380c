"""Map cells: what a place becomes, how fine it may be, and how large that is."""

from __future__ import annotations

import h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonworks.errors import InvalidInput
from commonworks.explorer import cells

VIENNA = (48.2, 16.37)
VIENNA_CELL = "871e15b46ffffff"
RESOLUTIONS = st.integers(cells.COARSEST, cells.FINEST)


def test_a_place_is_its_cell() -> None:
    assert cells.cell_at(*VIENNA, 7) == VIENNA_CELL
    assert cells.cell_at(*VIENNA, 5) == h3.cell_to_parent(VIENNA_CELL, 5)
    assert cells.parse_place("48.2, 16.37") == VIENNA
    assert cells.parse_cell(VIENNA_CELL) == int(VIENNA_CELL, 16)
    assert cells.parse_cell("0x" + VIENNA_CELL) == int(VIENNA_CELL, 16)
    assert cells.parse_cell("0") == 0


@pytest.mark.parametrize("text", ["48.2", "x,y", "", "48.2;16.4", "48,2,16,3"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(InvalidInput):
        cells.parse_place(text)


@pytest.mark.parametrize("place", [(91.0, 0.0), (0.0, 181.0), (float("nan"), 0.0)])
def test_places_off_the_globe(place: tuple[float, float]) -> None:
    with pytest.raises(InvalidInput):
        cells.cell_at(*place, 7)


@pytest.mark.parametrize("text", ["-1", "xyz", "ff", "f" * 40, ""])
def test_what_is_no_cell(text: str) -> None:
    with pytest.raises(InvalidInput):
        cells.parse_cell(text)


def test_a_finer_cell_is_refused_and_the_allowed_one_named() -> None:
    fine = cells.parse_cell(h3.latlng_to_cell(*VIENNA, 9))
    with pytest.raises(InvalidInput, match="resolution 9, finer than the 7") as caught:
        cells.require_allowed(fine, 7)
    assert VIENNA_CELL in caught.value.hint
    with pytest.raises(InvalidInput) as caught:
        cells.require_allowed(int(VIENNA_CELL, 16), 4)
    assert h3.cell_to_parent(VIENNA_CELL, 4) in caught.value.hint
    for cell, finest in ((fine, 9), (fine, 15), (int(VIENNA_CELL, 16), 7), (cells.NOWHERE, 0)):
        cells.require_allowed(cell, finest)


def test_what_policy_allows() -> None:
    assert (cells.DECLARED.minimum, cells.DECLARED.maximum) == (cells.COARSEST, cells.FINEST)
    assert cells.allowed(None) == 7, "a network whose policy has no such parameter"
    assert [cells.allowed(value) for value in (0, 5, 15)] == [0, 5, 15]
    assert [cells.allowed(value) for value in (-3, 16)] == [0, 15], "whatever bounds it was given"


@pytest.mark.parametrize(
    ("resolution", "value", "decimals", "unit"),
    [(0, 4_400_000, 0, "km²"), (5, 250, 0, "km²"), (7, 52, 1, "km²"), (9, 11, 2, "km²"),
     (10, 15_000, 0, "m²"), (12, 310, 0, "m²"), (15, 90, 2, "m²")],
)  # fmt: skip
def test_how_large_cells_are(resolution: int, value: int, decimals: int, unit: str) -> None:
    assert cells.area(resolution) == cells.Area(value=value, decimals=decimals, unit=unit)


@given(st.floats(-90, 90), st.floats(-180, 180), RESOLUTIONS, RESOLUTIONS)
def test_a_coarse_cell_is_no_finer_and_holds_the_fine_one(
    latitude: float, longitude: float, given_as: int, finest: int
) -> None:
    fine = cells.cell_at(latitude, longitude, given_as)
    coarse = cells.coarse(fine, finest)
    assert not cells.finer(coarse, finest)
    assert h3.get_resolution(coarse) == min(given_as, finest)
    assert h3.cell_to_parent(fine, min(given_as, finest)) == coarse


@given(st.floats(-90, 90), st.floats(-180, 180), RESOLUTIONS)
def test_cells_near_a_rounded_place_hold_the_exact_one(
    latitude: float, longitude: float, finest: int
) -> None:
    step = cells.rounding(finest)
    rough = (
        max(-90.0, min(90.0, round(latitude / step) * step)),
        max(-180.0, min(180.0, round(longitude / step) * step)),
    )
    assert cells.cell_at(latitude, longitude, finest) in cells.near(*rough, finest)
