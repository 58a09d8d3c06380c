"""Payout roots as rows: which is in force, which wait, and what a halt does to them.

Rule: the Vault's own (PayoutRoots.sol), said with times instead of places. A root comes into force
when its hold has passed and every one before it is in force. While two wait, a new one takes the
place of the second. A halt moves the time of the first that waits and covers the halted epoch.
Invariant: of the roots that nothing replaced, none comes into force before an earlier one.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from commonworks.explorer.index.rows import Row, Rows, clamped, fitting
from commonworks.explorer.index.schema import payout_root
from commonworks.stops import RootAccepted, RootDelayed

WAITING_MAX = 2
"""Roots that wait at the same time."""


class RootFold:
    """Folds what the Vault said about roots, in chain order, into some rows."""

    def __init__(self, connection: Connection, rows: Rows) -> None:
        self._connection = connection
        self._rows = rows
        self._standing: list[Row] | None = None
        """Roots that nothing replaced, the newest few, in order of epochs."""

    def accept(self, event: RootAccepted) -> None:
        """Put a root behind those that wait."""
        epoch, standing = fitting(event.epoch), self._roots()
        if epoch is None or (standing and epoch <= standing[-1]["epoch"]):
            return
        waiting = [row for row in standing if row["in_force_at"] > event.at.time]
        if len(waiting) >= WAITING_MAX:
            last = waiting.pop()
            standing.remove(last)
            self._rows.put(**last | {"replaced_by": epoch})
        row = {
            "epoch": epoch,
            "root": event.root,
            "accepted_at": event.at.time,
            "accepted_tx": event.at.tx,
            "claimable_at": clamped(event.claimable_at),
            "in_force_at": max(
                clamped(event.claimable_at), *(one["in_force_at"] for one in waiting), 0
            ),
            "stopped_at": None,
            "replaced_by": None,
        }
        standing.append(row)
        self._rows.put(**row)

    def delay(self, event: RootDelayed) -> None:
        """Keep a root, and with it those behind it, from coming into force."""
        standing = self._roots()
        ahead, found = 0, False
        for row in standing:
            if row["epoch"] == event.epoch:
                found = True
                row["claimable_at"] = clamped(event.claimable_at)
                row["stopped_at"] = event.at.time
            if found:
                row["in_force_at"] = max(row["claimable_at"], ahead)
                self._rows.put(**row)
            ahead = row["in_force_at"]

    def _roots(self) -> list[Row]:
        if self._standing is None:
            table = payout_root
            newest = (
                select(table)
                .where(table.c.replaced_by.is_(None))
                .order_by(table.c.epoch.desc())
                .limit(WAITING_MAX + 1)
            )
            found = [dict(row._mapping) for row in self._connection.execute(newest)]
            self._standing = found[::-1]
        return self._standing
