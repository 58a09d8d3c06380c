"""A street's life as an index reads it: one chain, two logs, settlements; and how to look at rows.

The chain of `street_story` with its epochs closed and finalised as they were really settled. Things
that try the fold are planted: copies in later epochs and in the other log, a payload that is not
its statement's, keys that are enrolled after they spoke or enrolled twice, entries that no epoch
has closed yet.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from sqlalchemy import Engine, select

from commonworks.crypto.hashes import sha256
from commonworks.errors import CommonworksError, NotFound, Unauthorized, Unavailable
from commonworks.events import (
    Anchored,
    Attested,
    Closed,
    Confirmed,
    Event,
    Finalised,
    Position,
    Range,
    Tip,
)
from commonworks.explorer.index import schema
from commonworks.explorer.index.feed import Feed
from commonworks.explorer.index.rows import cursor_value, log_cursors
from commonworks.explorer.ports import CallRecord, ProposalRecord, StandingNow, VoteRecord
from commonworks.model import Entry, Network, Settlement
from commonworks.ports import Head, Log
from commonworks.resources.base import Resource
from commonworks.settlement.facts import NOBODY
from commonworks.statements.codec import Item
from commonworks.stops import (
    GuardianAppointed,
    GuardianHalted,
    Halted,
    HaltVoted,
    RootAccepted,
    RootDelayed,
)
from commonworks.translog.notes import Checkpoint, NoteKey, note_key, sign_checkpoint
from commonworks.translog.tiles import HashReader, bundles_for, tiles_for
from commonworks.translog.tree import leaf_hash
from settlement_world import LOGS, account, key, spoiled
from street_story import VERIFIERS, live, street
from street_world import Street

EPOCHS = 4
SERVED = (Confirmed, Closed, Attested, Finalised)
HALT_S = 7_200
BLOCK_EVENTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that an index is made of."""

    network: Network
    resources: Mapping[str, Resource]
    events: tuple[Event, ...]
    logs: Mapping[bytes, tuple[bytes, ...]]
    settlements: tuple[Settlement, ...]

    @property
    def head(self) -> int:
        """The last block."""
        return self.events[-1].at.block

    def between(self, first: int, last: int) -> list[Event]:
        """Return the events of blocks first..last."""
        return [event for event in self.events if first <= event.at.block <= last]


def history(random: Random, epochs: int = EPOCHS) -> History:
    """Return a street's life."""
    made = street(random)
    made.set_policy("lateness_s", made.network.epoch_length_s, 0)
    for log in (0, 1):
        made.gateway(f"log {log}", log)
    for epoch in range(epochs):
        live(made, random, epoch)
        _plant(made, random, epoch)
    settlements = tuple(made.settle() for _ in range(epochs))
    logs: dict[bytes, list[bytes]] = {log_id: [] for log_id in LOGS}
    served: list[tuple[int, Event]] = []
    for settled in settlements:
        served += _serve(made, settled, logs)
        served += _hold(made, settled)
    open_entries = made.entries[epochs]
    for entry in open_entries:
        logs[entry.log_id].append(entry.statement)
    said = [(event.at.time, event) for event in made.events if not isinstance(event, SERVED)]
    return History(
        network=made.network,
        resources=made.resources,
        events=_chain(said + served),
        logs={log_id: tuple(entries) for log_id, entries in logs.items()},
        settlements=settlements,
    )


def _plant(made: Street, random: Random, epoch: int) -> None:
    """Add to an epoch what tries the fold, and spread it over the logs."""
    end = made.network.epoch_start(epoch + 1)
    early = f"early-{epoch}"
    made.keys[early] = made.key(early)
    made.log(made.binding(early, "house", time=end - 9), epoch=epoch)  # its key is not enrolled
    made.enrol(early, "house", resource="energy", at=end + 5)
    made.log(made.binding(early, "house", 2, time=end + 99), epoch=epoch + 1)
    if epoch % 2:  # the key again, by somebody else; the first id is retired
        first = made.devices[early]
        made.enrol(early, "sun", resource="energy", at=end + 6)
        made.devices["retired"] = first
        made.transfer("retired", "house", "nobody", end + 7)
        last = made.events[-1]
        made.events[-1] = replace(last, receiver=NOBODY)  # type: ignore[call-arg]
    coming = made.binding("roof", "roof", epoch + 9, time=end + 5)
    made.log(coming, epoch=epoch, at=end + 50)  # its time lies in the next epoch
    entries = made.entries[epoch]
    sealed = [entry for entry in entries if entry.preimage is not None]
    if sealed:
        bad = random.choice(sealed)
        other = spoiled(Item(statement=bad.statement, preimage=bad.preimage))
        entries.append(replace(bad, statement=other.statement, preimage=b"\x00"))
    for entry in random.sample(entries, min(6, len(entries))):  # the same again, and once too late
        for later in random.sample((epoch, epoch + 1, epoch + 2), 2):
            delay = made.network.epoch_length_s * (later - epoch)
            made.entries[later].append(replace(entry, anchored_at=entry.anchored_at + delay))
    made.entries[epoch] = [
        replace(entry, log_id=LOGS[random.random() < 0.4]) for entry in made.entries[epoch]
    ]
    random.shuffle(made.entries[epoch])


def _serve(
    made: Street, settled: Settlement, logs: Mapping[bytes, list[bytes]]
) -> list[tuple[int, Event]]:
    """Log an epoch's entries; return what nodes said about it, with the time."""
    epoch, ranges = settled.epoch, []
    end = made.network.epoch_start(epoch + 1)
    grouped: defaultdict[bytes, list[Entry]] = defaultdict(list)
    for entry in made.entries[epoch]:
        grouped[entry.log_id].append(entry)
    for log_id, entries in sorted(grouped.items()):
        first = len(logs[log_id])
        logs[log_id].extend(entry.statement for entry in entries)
        root = sha256(log_id + bytes([epoch]))
        ranges.append(Range(log_id=log_id, first=first, size=len(logs[log_id]), root=root))
    tips = tuple(Tip(log_id=r.log_id, size=r.size, root=r.root) for r in ranges)
    at = Position(block=0, time=0, index=0, tx=bytes(32))
    said: list[Event] = [
        *(Anchored(at=at, log_id=r.log_id, size=r.size, root=r.root) for r in ranges),
        *(Confirmed(at=at, epoch=epoch, verifier=account(v), tips=tips) for v in VERIFIERS),
        Closed(at=at, epoch=epoch, evidence_hash=sha256(b"e"), ranges=tuple(ranges)),
        *(
            Attested(at=at, epoch=epoch, verifier=account(v), digest=settled.digest)
            for v in VERIFIERS
        ),
        Finalised(at=at, epoch=epoch, digest=settled.digest, commitment=settled.commitment),
    ]
    return [(end + 120, event) for event in said]


def _hold(made: Street, settled: Settlement) -> list[tuple[int, Event]]:
    """Return what is said of an epoch's root, with the time: it waits for two epochs and a half.

    The first one is halted by votes, the second by the guardian; each later one takes the place of
    the one that waits second.
    """
    epoch, length = settled.epoch, made.network.epoch_length_s
    at = Position(block=0, time=0, index=0, tx=bytes(32))
    time = made.network.epoch_start(epoch + 1) + 120
    due = time + 5 * length // 2
    root = settled.commitment.payout_root
    said: list[Event] = [RootAccepted(at=at, epoch=epoch, root=root, claimable_at=due)]
    later: list[Event] = []
    if epoch == 0:
        said.insert(0, GuardianAppointed(at=at, holder=account("guardian"), until=due + 99))
        later = [
            *(HaltVoted(at=at, epoch=0, verifier=account(v), stake=7) for v in VERIFIERS),
            Halted(at=at, epoch=0, until=due + HALT_S),
            RootDelayed(at=at, epoch=0, claimable_at=due + HALT_S),
        ]
    elif epoch == 1:
        held = due - length + HALT_S  # that of the root before it, which covers nothing of this one
        later = [
            GuardianHalted(at=at, epoch=1, holder=account("guardian"), ready_at=due + 99),
            Halted(at=at, epoch=1, until=held),
            RootDelayed(at=at, epoch=1, claimable_at=max(held, due)),
        ]
    return [(time, event) for event in said] + [(time + 60, event) for event in later]


def _chain(timed: Sequence[tuple[int, Event]]) -> tuple[Event, ...]:
    """Return events in order of time, a few to a block."""
    found = []
    for number, (time, event) in enumerate(sorted(timed, key=lambda item: item[0])):
        block, index = divmod(number, BLOCK_EVENTS)
        at = Position(block=block, time=time, index=index, tx=sha256(bytes([block % 256, index])))
        found.append(replace(event, at=at))
    return tuple(found)


def proposals() -> tuple[ProposalRecord, ...]:
    """Return two proposals, one of them voted on."""
    call = CallRecord(to=account("policy"), value_wei=0, data=b"\x01")
    votes = tuple(
        VoteRecord(
            voter=account(name),
            support=support,
            weight=10**30 + 7,
            reason="so\0so",
            tx=sha256(b"v"),
        )
        for name, support in (("anna", "for"), ("ben", "against"), ("cat", None))
    )
    first = ProposalRecord(
        proposal=2**255 + 11,
        number=1,
        proposer=account("anna"),
        title="A title",
        body="Why",
        calls=(call,),
        changes={"grace_s": 7},
        vote_start=100,
        vote_end=200,
        tx=sha256(b"p"),
        votes=votes,
        queued_tx=sha256(b"q"),
        executed_tx=None,
        canceled_tx=None,
    )
    return first, replace(first, proposal=3, number=2, votes=(), queued_tx=None)


# --- indexing -------------------------------------------------------------------------------------


class Reader:
    """Folds a history portion by portion, each in its transaction."""

    def __init__(self, engine: Engine, story: History) -> None:
        self.engine = engine
        self.story = story
        self.feed = Feed(story.network)

    def blocks(self, count: int) -> bool:
        """Fold the next blocks; tell whether there were any."""
        with self.engine.begin() as connection:
            first = (cursor_value(connection, "block") or -1) + 1
            if cursor_value(connection, "block") == 0:
                first = 1
            last = min(first + count - 1, self.story.head)
            if first > last:
                return False
            self.feed.chain(connection, self.story.between(first, last), until=last)
        return True

    def entries(self, log_id: bytes, count: int) -> bool:
        """Fold a log's next entries; tell whether there were any."""
        with self.engine.begin() as connection:
            size = log_cursors(connection).get(log_id)
            items = [] if size is None else list(enumerate(self.story.logs[log_id]))[size:]
            if not items:
                return False
            self.feed.entries(connection, log_id, items[:count])
        return True

    def settlement(self) -> bool:
        """Fold the next settlement that is final; tell whether there was one."""
        with self.engine.begin() as connection:
            epoch = cursor_value(connection, "settled") or 0
            final = connection.execute(
                select(schema.epoch.c.digest).where(schema.epoch.c.epoch == epoch)
            ).scalar()
            if final is None:
                return False
            self.feed.settlement(connection, self.story.settlements[epoch], self.story.resources)
        return True

    def government(self) -> None:
        """Fold the proposals."""
        with self.engine.begin() as connection:
            self.feed.government(connection, proposals())

    def all(self) -> None:
        """Fold everything in one go: chain, then logs, then settlements."""
        while self.blocks(10**6):
            pass
        for log_id in sorted(self.story.logs):
            while self.entries(log_id, 10**6):
                pass
        while self.settlement():
            pass
        self.government()

    def mixed(self, random: Random) -> None:
        """Fold everything in small portions in any order."""
        steps: list[Any] = [
            lambda: self.blocks(random.choice((1, 2, 5))),
            self.settlement,
            *(
                lambda log_id=log_id: self.entries(log_id, random.choice((1, 5, 50, 200)))
                for log_id in self.story.logs
            ),
        ]
        weights = [random.random() for _ in steps]
        idle = 0
        while idle < 40:
            moved = random.choices(steps, weights)[0]()
            idle = 0 if moved else idle + 1
        while self.blocks(7):
            pass
        for step in steps[1:]:
            while step():
                pass
        self.government()


def rows_of(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with engine.connect() as connection:
        for table in schema.metadata.sorted_tables:
            rows = connection.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in rows]
    return found


def differences(one: Engine, other: Engine) -> list[str]:
    """Return a line for each row that only one of two indexes has."""
    found, mine, yours = [], rows_of(one), rows_of(other)
    for name in mine:
        found += [f"{name} -{row}" for row in mine[name] if row not in set(yours[name])]
        found += [f"{name} +{row}" for row in yours[name] if row not in set(mine[name])]
        if len(mine[name]) != len(yours[name]):
            found.append(f"{name}: {len(mine[name])} and {len(yours[name])} rows")
    return found


# --- what a follower is given ---------------------------------------------------------------------

NOTE = note_key("gateway.test", key("note").public.raw)


@dataclass(kw_only=True)
class TiledLog:
    """A log in memory that grows; implements `ports.Log`."""

    entries: list[bytes] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    """Nothing is answered until it is set."""
    error: CommonworksError | None = None

    def grow(self, entries: Sequence[bytes]) -> None:
        """Append entries and sign the new size."""
        leaves = [leaf_hash(raw) for raw in entries]
        size = len(self.entries)
        self.files |= tiles_for(size, leaves, self.files.get)
        self.files |= bundles_for(size, entries, self.files.get)
        self.entries += entries
        self.sign()

    def sign(self) -> None:
        """Sign the size and root of what the tiles hold."""
        size = len(self.entries)
        root = HashReader(self.files.get, size).frontier().root()
        stated = Checkpoint(origin=NOTE.name, size=size, root=root)
        self.files["checkpoint"] = sign_checkpoint(stated, key("note"))

    async def read(self, path: str) -> bytes | None:
        """See `ports.Log.read`."""
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.files.get(path)

    async def read_sealed(self, path: str) -> bytes | None:
        """See `ports.Log.read_sealed`: nobody of these tests may."""
        raise Unauthorized("not for you")


@dataclass(kw_only=True)
class World:
    """A chain, logs, settlements and a government that grow as a test says."""

    story: History
    block: int = -1
    settled: int = 0
    voted: tuple[ProposalRecord, ...] = ()
    away: bool = False
    logs: dict[bytes, TiledLog] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.logs = {log_id: TiledLog() for log_id in self.story.logs}

    def go(self, block: int, entries: int, settled: int) -> None:
        """Let everything be as far as that."""
        self.block, self.settled = min(block, self.story.head), settled
        for log_id, log in self.logs.items():
            fresh = self.story.logs[log_id][len(log.entries) : entries]
            if fresh:
                log.grow(fresh)

    def finish(self) -> None:
        """Let everything be as it is in the end."""
        self.go(10**6, 10**6, len(self.story.settlements))
        self.voted = proposals()

    async def head(self) -> Head:
        """See `ports.Chain.head`."""
        if self.away:
            raise Unavailable("the chain is away")
        return Head(block=self.block, time=self.block)

    async def events(self, first_block: int, last_block: int) -> Sequence[Event]:
        """See `ports.Chain.events`."""
        return self.story.between(first_block, last_block)

    async def send(self, action: object) -> bytes:
        """See `ports.Chain.send`: followers do nothing."""
        raise AssertionError(action)

    async def settlement(self, epoch: int) -> Settlement | None:
        """See `explorer.ports.Archive.settlement`."""
        return self.story.settlements[epoch] if epoch < self.settled else None

    def log(self, log_id: bytes) -> Log | None:
        """See `explorer.ports.Archive.log`."""
        return self.logs.get(log_id)

    def note_key(self, log_id: bytes) -> NoteKey | None:
        """See `explorer.ports.Archive.note_key`."""
        return NOTE

    async def proposals(self) -> Sequence[ProposalRecord]:
        """See `explorer.ports.Council.proposals`."""
        return self.voted

    async def standing(self, number: int) -> StandingNow:
        """See `explorer.ports.Council.standing`: not asked here."""
        raise NotFound(str(number))

    async def votes_of(self, account: bytes, time_s: int | None) -> int:
        """See `explorer.ports.Council.votes_of`: not asked here."""
        return 0
