"""What a settled epoch's rows come to, counted once when they are written.

Rule: counted from the very rows that are inserted with them, so the two can never differ. Pages
then read a handful of rows where an epoch has a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from commonworks.explorer.index.rows import Row


class Tallied(StrEnum):
    """Which of an epoch's rows were counted, and by what."""

    WORK = "work"
    """By resource: devices, and the sum of quantities."""
    PAYMENT = "payment"
    """By resource and purpose: the sum of amounts."""
    REWARD = "reward"
    """By resource: accounts, and the sum of amounts."""
    SPAN = "span"
    """By resource and reason: devices."""


_NAME: Final = {Tallied.PAYMENT: "purpose", Tallied.SPAN: "reason"}
"""Column that rows of a resource are told apart by."""
_PARTY: Final = {Tallied.WORK: "device", Tallied.REWARD: "account", Tallied.SPAN: "device"}
"""Column whose different values are counted."""
_TOTAL: Final = {
    Tallied.WORK: "quantity",
    Tallied.PAYMENT: "amount",
    Tallied.REWARD: "amount_wei",
}
"""Column that is added up."""


def tally(epoch: int, what: Tallied, rows: Sequence[Row]) -> list[Row]:
    """Return the tallies of an epoch's rows, by resource and name."""
    name, party, total = _NAME.get(what), _PARTY.get(what), _TOTAL.get(what)
    counts: dict[tuple[str, str], int] = {}
    parties: dict[tuple[str, str], set[Any]] = {}
    totals: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["resource"], "" if name is None else row[name])
        counts[key] = counts.get(key, 0) + 1
        if party is not None:
            parties.setdefault(key, set()).add(row[party])
        if total is not None:
            totals[key] = totals.get(key, 0) + row[total]
    return [
        {
            "epoch": epoch,
            "what": str(what),
            "resource": key[0],
            "name": key[1],
            "rows": counts[key],
            "parties": None if party is None else len(parties[key]),
            "total": totals.get(key),
        }
        for key in sorted(counts)
    ]
