"""The fold: chain events, logged entries, settlements and proposals into the index's rows.

Goal: the same chain and logs give the same rows, read in one go or followed in any steps.
Rule: chain events come in chain order; a log's entries in order of position; settlements in order
of epochs, each after the event that finalised it. Between these three any interleaving will do.
Invariant: a step's rows and the cursor that covers them move in the caller's one transaction; a
step that was cut off leaves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from commonworks.events import Event
from commonworks.explorer.index.feed_chain import ChainFold
from commonworks.explorer.index.feed_government import fold_government
from commonworks.explorer.index.feed_logs import LogFold
from commonworks.explorer.index.feed_settlement import (
    Leaves,
    SettlementFold,
    leaves_in,
    leaves_of,
)
from commonworks.explorer.index.rows import (
    BLOCK,
    LOG,
    SETTLED,
    STOPS,
    Moved,
    Row,
    cursor_value,
    drop_cursor,
    move_cursor,
)
from commonworks.explorer.ports import ProposalRecord
from commonworks.model import Network, Settlement
from commonworks.resources.base import Resource
from commonworks.stops import STOPPING


class Feed:
    """Writes the index of one network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._leaves: tuple[int, Leaves] | None = None
        """The newest epoch folded here and its leaves; checked against the cursor."""

    def chain(
        self, connection: Connection, events: Sequence[Event], *, until: int | None = None
    ) -> None:
        """Fold events that follow those folded before.

        Inputs: `until`, the block up to which these are all events; the last event's by default.
        """
        before = cursor_value(connection, BLOCK)
        if cursor_value(connection, STOPS) is not None:
            raise Moved("what stops money is to be read first", hint="read that to its end")
        if before is not None and any(event.at.block <= before for event in events):
            raise Moved("these events are in the index already", hint="go on where it stands")
        fold = ChainFold(connection, self._network)
        fold.fold(events)
        fold.write()
        LogFold(connection, self._network).resolve(fold.kids)
        last = until if until is not None else max((e.at.block for e in events), default=before)
        if last is not None:
            move_cursor(connection, BLOCK, last)

    def stops(self, connection: Connection, events: Sequence[Event], *, until: int) -> None:
        """Fold what stops money of blocks that were folded by a release that passed it over.

        Inputs: all events of the next blocks after those read again before, up to `until`, which
        is no later than the last block folded. Where it is that block, this is done for ever.
        """
        before, folded = cursor_value(connection, STOPS), cursor_value(connection, BLOCK)
        if before is None or folded is None or not before < until <= folded:
            raise Moved("these blocks are not to be read again", hint="go on where it stands")
        fold = ChainFold(connection, self._network)
        fold.fold([event for event in events if isinstance(event, STOPPING)])
        fold.write()
        if until == folded:
            drop_cursor(connection, STOPS)
        else:
            move_cursor(connection, STOPS, until)

    def entries(
        self, connection: Connection, log_id: bytes, items: Sequence[tuple[int, bytes]]
    ) -> list[Row]:
        """Fold a log's next entries, (position, bytes) in order; return their rows."""
        name = LOG + log_id.hex()
        size = cursor_value(connection, name) or 0
        if [position for position, _ in items] != list(range(size, size + len(items))):
            raise Moved(f"the index has {size} entries of this log", hint="go on where it stands")
        rows = LogFold(connection, self._network).entries(log_id, items)
        move_cursor(connection, name, size + len(items))
        return rows

    def settlement(
        self, connection: Connection, settlement: Settlement, resources: Mapping[str, Resource]
    ) -> None:
        """Fold the settlement of the next epoch; the chain finalised its digest."""
        settled = cursor_value(connection, SETTLED) or 0
        if settlement.epoch != settled:
            raise Moved(f"epoch {settled} is the next to fold", hint="go on where it stands")
        if self._leaves is not None and self._leaves[0] == settled - 1:
            before = self._leaves[1]
        else:
            before = leaves_in(connection)
        SettlementFold(connection, self._network, settlement).fold(resources, before)
        move_cursor(connection, SETTLED, settled + 1)
        self._leaves = (settled, leaves_of(settlement))

    def government(
        self, connection: Connection, proposals: Sequence[ProposalRecord]
    ) -> tuple[int, ...]:
        """Fold every proposal as it is now; return the numbers of those that changed."""
        return fold_government(connection, proposals)
