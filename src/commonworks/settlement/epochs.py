"""What the chain says about one epoch's evidence: which ranges, anchored when, ended how.

Pure folds over events, shared by verifier and auditor so that both mean the same thing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.errors import require
from commonworks.events import (
    Anchored,
    Attested,
    Bonded,
    Closed,
    Confirmed,
    Event,
    Finalised,
    GatewayRegistered,
    Range,
    Tip,
    UnbondingStarted,
)
from commonworks.model import (
    Entry,
    Evidence,
)

LOGS_MAX: Final = 64
"""Most logs that one confirmation names: the contract's TIPS_MAX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedItem:
    """One entry as read from a log."""

    index: int
    statement: bytes
    preimage: bytes | None
    """None where public or erased."""


class ChainView:
    """Events so far, indexed by what roles ask for. Feed it in chain order with `extend`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.gateways: dict[bytes, GatewayRegistered] = {}
        """Log id -> registration."""
        self.closed: dict[int, Closed] = {}
        self.finalised: dict[int, Finalised] = {}
        self.confirmed: set[tuple[int, bytes]] = set()
        """(epoch, verifier)."""
        self.attested: dict[tuple[int, bytes], bytes] = {}
        """(epoch, verifier) -> digest."""
        self._bonds: defaultdict[bytes, int] = defaultdict(int)
        self._anchors: defaultdict[bytes, list[tuple[int, int, bytes]]] = defaultdict(list)

    def extend(self, events: Iterable[Event]) -> None:
        """Add events that follow those already seen."""
        for event in events:
            self.events.append(event)
            match event:
                case GatewayRegistered():
                    self.gateways[event.log_id] = event
                case Bonded():
                    self._bonds[event.operator] += event.amount
                case UnbondingStarted():
                    self._bonds[event.operator] -= event.amount
                case Anchored():
                    self._anchors[event.log_id].append((event.size, event.at.time, event.root))
                case Closed():
                    self.closed[event.epoch] = event
                case Finalised():
                    self.finalised[event.epoch] = event
                case Confirmed():
                    self.confirmed.add((event.epoch, event.verifier))
                case Attested():
                    self.attested[event.epoch, event.verifier] = event.digest
                case _:
                    pass

    def followed(self) -> tuple[bytes, ...]:
        """Return the logs that verifiers mirror and confirm, sorted by log id.

        Anybody may register a gateway, and a confirmation names `LOGS_MAX` logs at most: those of
        the largest bonds count first, so strangers without one crowd nobody out.
        """
        ranked = sorted(
            self.gateways, key=lambda one: (-self._bonds[self.gateways[one].operator], one)
        )
        return tuple(sorted(ranked[:LOGS_MAX]))

    def latest_tip(self, log_id: bytes) -> Tip | None:
        """Return the newest anchor of a log."""
        anchors = self._anchors.get(log_id)
        if not anchors:
            return None
        size, _, root = anchors[-1]
        return Tip(log_id=log_id, size=size, root=root)

    def tip_at(self, log_id: bytes, size: int) -> Tip | None:
        """Return the anchor of exactly `size` entries of a log, or None where there is none."""
        anchors = self._anchors.get(log_id, [])
        position = bisect_left(anchors, size, key=lambda anchor: anchor[0])
        if position == len(anchors) or anchors[position][0] != size:
            return None
        return Tip(log_id=log_id, size=size, root=anchors[position][2])

    def last_anchor_time(self, log_id: bytes) -> int | None:
        """Return when a log was anchored last."""
        anchors = self._anchors.get(log_id)
        return anchors[-1][1] if anchors else None

    def anchored_at(self, log_id: bytes, index: int) -> int:
        """Return the time of the first anchor that covers an entry (one must)."""
        anchors = self._anchors.get(log_id, [])
        position = bisect_left(anchors, index + 1, key=lambda anchor: anchor[0])
        require(position < len(anchors), "an entry of closed evidence is covered by an anchor")
        return anchors[position][1]

    def evidence(
        self, closed: Closed, items: Sequence[tuple[Range, Sequence[LoggedItem]]]
    ) -> Evidence:
        """Return an epoch's evidence from the items read for each of its ranges."""
        return Evidence(
            epoch=closed.epoch,
            ranges=closed.ranges,
            entries=tuple(
                Entry(
                    log_id=part.log_id,
                    index=item.index,
                    statement=item.statement,
                    preimage=item.preimage,
                    anchored_at=self.anchored_at(part.log_id, item.index),
                )
                for part, found in items
                for item in found
            ),
        )
