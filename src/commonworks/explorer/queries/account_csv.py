"""A statement as a file for spreadsheets (RFC 4180, UTF-8).

Rule: a cell is never a formula. One that begins like a formula gets an apostrophe before it, so
that what a stranger wrote cannot run on the desk of whoever opens the file. Amounts have columns
for in and out instead of signs, so that none of them begins with a minus.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from commonworks.explorer.models.accounts import AssetStatement, MonthStatement

FORMULA_MARKS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for more than text."""

HEADINGS: Final = (
    "asset", "time", "epoch", "kind", "text", "deposit_in", "deposit_out", "deposit_balance",
    "earnings_in", "earnings_out", "earnings_balance", "transaction",
)  # fmt: skip


def statement_csv(statement: MonthStatement) -> str:
    """Return a statement as CSV: per asset the opening, each entry with its balances, the sums."""
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(HEADINGS)
    for one in statement.assets:
        for row in _rows(statement, one):
            writer.writerow([safe_cell(cell) for cell in row])
    return made.getvalue()


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet executes."""
    return "'" + text if text.startswith(FORMULA_MARKS) else text


def _rows(statement: MonthStatement, one: AssetStatement) -> Iterator[tuple[str, ...]]:
    def units(digits: str) -> str:
        return plain_units(int(digits), one.decimals)

    deposit, earnings = int(one.opening_deposit), int(one.opening_earnings)
    yield (
        one.symbol, _iso(statement.begins_at), "", "opening", "", "", "",
        units(one.opening_deposit), "", "", units(one.opening_earnings), "",
    )  # fmt: skip
    for entry in one.entries:
        deposit += int(entry.deposit_in) - int(entry.deposit_out)
        earnings += int(entry.earnings_in) - int(entry.earnings_out)
        yield (
            one.symbol,
            _iso(entry.time),
            "" if entry.epoch is None else str(entry.epoch),
            entry.kind.value,
            entry.text,
            units(entry.deposit_in),
            units(entry.deposit_out),
            units(str(deposit)),
            units(entry.earnings_in),
            units(entry.earnings_out),
            units(str(earnings)),
            entry.tx,
        )
    yield (
        one.symbol, _iso(statement.ends_at), "", "closing", "", units(one.deposit_in),
        units(one.deposit_out), units(one.closing_deposit), units(one.earnings_in),
        units(one.earnings_out), units(one.closing_earnings), "",
    )  # fmt: skip


def plain_units(value: int, decimals: int) -> str:
    """Return smallest units as whole ones with every digit, a point before the places."""
    sign, digits = ("-", -value) if value < 0 else ("", value)
    whole, rest = divmod(digits, 10**decimals)
    return f"{sign}{whole}.{str(rest).rjust(decimals, '0')}" if decimals else f"{sign}{whole}"


def _iso(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
