"""Integers that no database has a type for, as columns."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Dialect, String, Text, TypeDecorator

from commonworks.errors import require

AMOUNT_DIGITS: Final = 78
"""Decimal digits of the largest unsigned 256-bit integer."""


class Amount(TypeDecorator[int]):
    """A non-negative integer of up to 256 bits, kept as digits of fixed width: sorts by value."""

    impl = String(AMOUNT_DIGITS)
    cache_ok = True

    def process_bind_param(
        self,
        value: int | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> str | None:
        """Return what is stored."""
        if value is None:
            return None
        require(0 <= value < 2**256, "an amount fits 256 bits")
        return f"{value:0{AMOUNT_DIGITS}d}"

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002
    ) -> int | None:
        """Return what was stored."""
        return None if value is None else int(value)


class Signed(TypeDecorator[int]):
    """An integer of any size and sign, kept as its decimal digits; not for sorting."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self,
        value: int | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> str | None:
        """Return what is stored."""
        return None if value is None else str(value)

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002
    ) -> int | None:
        """Return what was stored."""
        return None if value is None else int(value)
