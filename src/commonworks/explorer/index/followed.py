"""Which logs the index reads.

Rule: it follows from the chain alone, event by event, so that whoever reads later reads the same.
"""

from __future__ import annotations

import heapq

from sqlalchemy import Connection, select

from commonworks.explorer.index import schema
from commonworks.explorer.index.rows import LOG, add, log_cursors
from commonworks.settlement.epochs import LOGS_MAX


class Followed:
    """Which logs are read: those that verifiers follow or ever did, and those of closed evidence.

    A log's cursor is made when the chain first makes it one of them, so that a reader who comes
    later reads the same logs as one who was there.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known = set(log_cursors(connection))
        self._fresh: list[bytes] = []
        gateway, bond = schema.gateway, schema.bond
        self._operators: dict[bytes, bytes] = {
            row.log_id: row.operator
            for row in connection.execute(select(gateway.c.log_id, gateway.c.operator))
        }
        self._bonds: dict[bytes, int] = {
            row.operator: row.bonded
            for row in connection.execute(select(bond.c.operator, bond.c.bonded))
        }

    def follow(self, log_id: bytes) -> None:
        """Read a log from now on."""
        if log_id not in self._known:
            self._known.add(log_id)
            self._fresh.append(log_id)

    def register(self, log_id: bytes, operator: bytes) -> None:
        """Take note of a gateway's log."""
        self._operators[log_id] = operator
        self._try(log_id)

    def bond(self, operator: bytes, change: int) -> None:
        """Take note that an operator has more or less at stake."""
        self._bonds[operator] = self._bonds.get(operator, 0) + change
        if change > 0:
            for log_id, owner in self._operators.items():
                if owner == operator:
                    self._try(log_id)
        elif len(self._known) < len(self._operators):
            for log_id in heapq.nsmallest(LOGS_MAX, self._operators, key=self._rank):
                self.follow(log_id)

    def write(self) -> None:
        """Make the cursors of logs that are new."""
        rows = [{"name": LOG + log_id.hex(), "value": 0} for log_id in self._fresh]
        add(self._connection, schema.cursor, rows)

    def _rank(self, log_id: bytes) -> tuple[int, bytes]:
        """Return a log's place: the largest bonds first, as `ChainView.followed` has it."""
        return -self._bonds.get(self._operators[log_id], 0), log_id

    def _try(self, log_id: bytes) -> None:
        """Follow a log unless `LOGS_MAX` others come before it."""
        if log_id in self._known:
            return
        own, before = self._rank(log_id), 0
        for other in self._operators:
            before += self._rank(other) < own
            if before == LOGS_MAX:
                return
        self.follow(log_id)
