"""Integer money, time and shares, and the rounding rules that everything paid obeys.

Rule: nothing paid or compared is a float. Every split floors and names its residual, so that the
parts and the residual always add up to the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from commonworks.errors import require

PPM: Final = 1_000_000
"""One whole in parts per million."""

MICRO: Final = 1_000_000
"""Micro-units in one unit of a settlement currency (six decimals)."""

WEI_DECIMALS: Final = 18
"""Decimal places of a network token."""

WEI: Final = 10**WEI_DECIMALS
"""Smallest units in one network token."""

INT63_MAX: Final = 2**63 - 1
"""Largest integer a statement may carry; columns fit a signed 64-bit array unchanged."""

HOUR_S: Final = 3_600
"""Seconds in one hour."""

DAY_S: Final = 86_400
"""Seconds in one day."""


def mul_div(value: int, numerator: int, denominator: int) -> int:
    """Return floor(value * numerator / denominator) of non-negative integers.

    Guarantees: never negative; exact (Python integers do not wrap).
    Raises: InvariantBroken when an argument is negative or the denominator is zero.
    """
    require(value >= 0 and numerator >= 0 and denominator > 0, "mul_div of a negative or by zero")
    return value * numerator // denominator


def share_ppm(value: int, ppm: int) -> int:
    """Return the floored share of `value` given in parts per million (0..1,000,000)."""
    require(0 <= ppm <= PPM, "a share lies between nothing and the whole")
    return mul_div(value, ppm, PPM)


def split_floor(total: int, weights: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Split `total` in proportion to `weights`, each part floored; return parts and residual.

    Inputs: total >= 0, weights >= 0 in any unit. With no weight at all everything is residual.
    Guarantees: sum(parts) + residual == total; 0 <= residual < len(weights) when a weight is > 0.
    """
    whole = sum(weights)
    if whole == 0:
        return (0,) * len(weights), total
    parts = tuple(mul_div(total, weight, whole) for weight in weights)
    return parts, total - sum(parts)


def apportion(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Split `total` in proportion to `weights` without a residual, by largest remainder.

    Inputs: 0 <= total; weights >= 0, at least one > 0 when total > 0. Ties in the remainder go to
    the earlier position, so the caller's order must be canonical.
    Guarantees: sum == total; no part exceeds its exact share by one or more; when
    total <= sum(weights), no part exceeds its weight.
    Source: Hamilton's method of apportionment.
    """
    if total == 0:
        return (0,) * len(weights)
    whole = sum(weights)
    require(whole > 0, "nothing to apportion by")
    parts = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    missing = total - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
    for position in by_remainder[:missing]:
        parts[position] += 1
    return tuple(parts)
