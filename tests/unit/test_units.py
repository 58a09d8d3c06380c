"""Integer arithmetic: floors, shares and splits that lose nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonworks.errors import InvariantBroken
from commonworks.units import PPM, apportion, mul_div, share_ppm, split_floor

WEIGHTS = st.lists(st.integers(0, 10**30), max_size=8)


def test_mul_div_floors() -> None:
    assert mul_div(7, 11, 13) == 5  # 77 / 13 = 5.92
    assert mul_div(2**255, 2**255, 2**255) == 2**255


@pytest.mark.parametrize("arguments", [(-1, 1, 1), (1, -1, 1), (1, 1, 0), (1, 1, -1)])
def test_mul_div_refuses(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(InvariantBroken):
        mul_div(*arguments)


def test_share_ppm() -> None:
    assert share_ppm(1_999_999, 500_000) == 999_999
    assert (share_ppm(7, 0), share_ppm(7, PPM)) == (0, 7)
    for ppm in (-1, PPM + 1):
        with pytest.raises(InvariantBroken):
            share_ppm(7, ppm)


def test_split_floor() -> None:
    assert split_floor(100, [1, 1, 1]) == ((33, 33, 33), 1)
    assert split_floor(100, [2, 0, 5]) == ((28, 0, 71), 1)
    assert split_floor(100, [0, 0]) == ((0, 0), 100)
    assert split_floor(100, []) == ((), 100)


def test_apportion() -> None:
    assert apportion(100, [1, 1, 1]) == (34, 33, 33)  # a tie: the earlier position
    assert apportion(10, [2, 0, 5]) == (3, 0, 7)  # 2.86, 7.14
    assert apportion(0, [0, 0]) == (0, 0)
    assert apportion(0, []) == ()
    with pytest.raises(InvariantBroken):
        apportion(1, [0, 0])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(0, 10**40), WEIGHTS)
def test_a_split_loses_nothing(total: int, weights: list[int]) -> None:
    parts, residual = split_floor(total, weights)
    assert sum(parts) + residual == total
    if sum(weights):
        assert 0 <= residual < len(weights)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(0, 10**12), WEIGHTS)
def test_an_apportionment_is_within_one(total: int, weights: list[int]) -> None:
    if not sum(weights):
        return
    parts = apportion(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)
        assert part <= weight or total > sum(weights)
