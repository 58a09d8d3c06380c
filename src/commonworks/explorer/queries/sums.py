"""Exact sums of amounts in SQL: 256-bit integers, which no database adds up by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Column, ColumnElement, String, cast, func, type_coerce

from commonworks.explorer.index.columns import AMOUNT_DIGITS

CHUNK_DIGITS: Final = 13
"""Digits that are added up at a time: some 900,000 rows fit 63 bits."""
CHUNKS: Final = AMOUNT_DIGITS // CHUNK_DIGITS


def chunked_sum(column: Column[Any]) -> list[ColumnElement[int]]:
    """Return `CHUNKS` sums over parts of an amount's digits; `combined` makes one number of them.

    Amounts are kept as digits of fixed width, so that a part of the digits is a place value.
    """
    digits = type_coerce(column, String)
    return [
        func.sum(cast(func.substr(digits, 1 + part * CHUNK_DIGITS, CHUNK_DIGITS), BigInteger))
        for part in range(CHUNKS)
    ]


def combined(parts: Sequence[int | None]) -> int:
    """Return the sum that `chunked_sum` was asked for; 0 over no rows."""
    total = 0
    for part in parts:
        total = total * 10**CHUNK_DIGITS + int(part or 0)
    return total
