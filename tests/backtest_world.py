"""A world's past as a chain and its logs keep it: anchored, closed, settled, finalised.

Makes of a `World` (what its chain said, what its logs hold) the source that audits and back-tests
read: events in chain order, and real logs of tiles behind the port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from commonworks.crypto.hashes import sha256
from commonworks.events import (
    Anchored,
    Attested,
    Closed,
    Confirmed,
    Event,
    Finalised,
    Position,
    Range,
)
from commonworks.model import Entry, Settlement, State
from commonworks.settlement.commitment import evidence_hash
from commonworks.settlement.epochs import ChainView, LoggedItem
from commonworks.settlement.facts import facts_at, policy_at
from commonworks.settlement.settle import settle
from commonworks.settlement.state import INITIAL
from commonworks.translog.notes import Checkpoint, note_key, sign_checkpoint
from commonworks.translog.tiles import ENTRIES, SEALED, bundles_for
from commonworks.translog.tree import Frontier, leaf_hash
from commonworks.wiring.evidence import AuditedLog, Source
from settlement_world import EPOCH_S, LOGS, World, account, key

VERIFIER = "verifier"
SETTLED_S = 120
"""After an epoch's end it is final."""


@dataclass(kw_only=True)
class MemoryLog:
    """A log in memory, both behind the port and as the check of tiles reads it."""

    origin: str
    items: list[LoggedItem] = field(default_factory=list)
    frontier: Frontier = field(default_factory=Frontier)
    files: dict[str, bytes] = field(default_factory=dict)

    def extend(self, entries: Sequence[Entry]) -> None:
        """Append entries, and sign the new size."""
        size = len(self.items)
        for entry in entries:
            item = LoggedItem(
                index=len(self.items), statement=entry.statement, preimage=entry.preimage
            )
            self.items.append(item)
        self.frontier = self.frontier.extend([leaf_hash(e.statement) for e in entries])
        for directory, data in (
            (ENTRIES, [entry.statement for entry in entries]),
            (SEALED, [entry.preimage or b"" for entry in entries]),
        ):
            self.files |= bundles_for(size, data, self.files.get, directory)
        checkpoint = Checkpoint(origin=self.origin, size=len(self.items), root=self.frontier.root())
        self.files["checkpoint"] = sign_checkpoint(checkpoint, key(self.origin))

    async def read(self, path: str) -> bytes | None:
        """See `ports.Log.read`."""
        return self.files.get(path)

    async def read_sealed(self, path: str) -> bytes | None:
        """See `ports.Log.read_sealed`."""
        return self.files.get(path)


@dataclass(kw_only=True)
class Past:
    """Epochs that were settled and finalised, and everything to settle them again."""

    world: World
    view: ChainView
    logs: Mapping[bytes, MemoryLog]
    settled: list[Settlement]

    def state_after(self, epoch: int) -> State | None:
        """Return the state that an epoch left."""
        return self.settled[epoch].state if epoch < len(self.settled) else None

    @property
    def source(self) -> Source:
        """What audits and back-tests read."""

        async def stored(epoch: int) -> State | None:
            return self.state_after(epoch)

        return Source(
            network=self.world.network,
            view=self.view,
            logs={
                log_id: AuditedLog(
                    name=log.origin,
                    vkey=note_key(log.origin, key(log.origin).public.raw).vkey,
                    log=log,
                    read=log.files.get,
                )
                for log_id, log in self.logs.items()
            },
            resources=self.world.resources,
            rules_hash=policy_at(self.view.events, 0).rules_hash,
            now=self.world.network.epoch_start(len(self.settled)) + EPOCH_S // 2,
            stored_state=stored,
        )


def past_of(world: World, epochs: int) -> Past:
    """Let a world's first epochs pass: each anchored, closed, settled and finalised.

    What its logs hold must have been anchored in the order of its epochs.
    """
    past = Past(
        world=world,
        view=ChainView(),
        logs={log_id: MemoryLog(origin=f"log-{n}") for n, log_id in enumerate(LOGS)},
        settled=[],
    )
    past.view.extend(world.events)
    state = INITIAL
    for epoch in range(epochs):
        closed = _close(past, epoch)
        items = [(part, past.logs[part.log_id].items[part.first : part.size]) for part in closed]
        event = Closed(
            at=_position(past, epoch),
            epoch=epoch,
            evidence_hash=evidence_hash(epoch, closed),
            ranges=closed,
        )
        past.view.extend([event])
        settled = settle(
            world.resources,
            policy_at(past.view.events, epoch),
            facts_at(world.network, past.view.events, epoch),
            state,
            past.view.evidence(event, items),
        )
        state = settled.state
        past.settled.append(settled)
        past.view.extend(_finalise(past, settled))
    return past


def _close(past: Past, epoch: int) -> tuple[Range, ...]:
    """Append an epoch's entries to the logs, anchor them, and return the ranges that they make."""
    ranges = []
    for log_id, log in sorted(past.logs.items()):
        first = len(log.items)
        entries = [e for e in past.world.entries[epoch] if e.log_id == log_id]
        for time, group in groupby(
            sorted(entries, key=lambda e: e.anchored_at), key=lambda e: e.anchored_at
        ):
            log.extend(list(group))
            root = log.frontier.root()
            at = _position(past, epoch, time)
            past.view.extend([Anchored(at=at, log_id=log_id, size=len(log.items), root=root)])
        if len(log.items) > first:
            part = Range(log_id=log_id, first=first, size=len(log.items), root=log.frontier.root())
            ranges.append(part)
    return tuple(ranges)


def _finalise(past: Past, settled: Settlement) -> list[Event]:
    """Return what the one verifier and the contract say about a settled epoch."""
    at, epoch = _position(past, settled.epoch), settled.epoch
    verifier = account(VERIFIER)
    return [
        Confirmed(at=at, epoch=epoch, verifier=verifier, tips=()),
        Attested(at=at, epoch=epoch, verifier=verifier, digest=settled.digest),
        Finalised(at=at, epoch=epoch, digest=settled.digest, commitment=settled.commitment),
    ]


def _position(past: Past, epoch: int, time: int | None = None) -> Position:
    number = len(past.view.events)
    end = past.world.network.epoch_start(epoch + 1)
    return Position(
        block=number,
        time=end + SETTLED_S if time is None else time,
        index=0,
        tx=sha256(number.to_bytes(8, "big")),
    )
