"""Following a network live: read what is new, fold it, tell whoever listens.

Goal: what happens is in the index within two seconds, and a catch-up of years runs in portions.
Rule: a step reads first and writes after, one transaction for each portion; what cannot be read
now is tried again in the next step and holds nothing else up.
Invariant: killed at any moment, the next start goes on where the cursors stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select

from commonworks.errors import (
    CommonworksError,
    Corrupt,
    InvariantBroken,
    NotFound,
    Unavailable,
)
from commonworks.events import Closed, Event, Finalised
from commonworks.explorer.index.engine import database_errors
from commonworks.explorer.index.feed import Feed
from commonworks.explorer.index.feed_chain import diary_row
from commonworks.explorer.index.logs import LogReader, devices_in
from commonworks.explorer.index.rows import (
    BLOCK,
    SETTLED,
    STOPS,
    Moved,
    Row,
    cursor_value,
    log_cursors,
)
from commonworks.explorer.index.schema import epoch as epoch_table
from commonworks.explorer.ports import Archive, Council, ProposalRecord
from commonworks.model import Network, Settlement
from commonworks.ports import Chain, Head
from commonworks.resources.base import Resource

POLL_S: Final = 0.5
"""Real time between two looks."""
PAUSE_MAX_S: Final = 30.0
"""Longest pause while the chain is away."""
BLOCKS_MAX: Final = 2_000
"""Most blocks of one transaction."""
ENTRIES_MAX: Final = 5_000
"""Most entries of one transaction."""
TOLD_DEVICES_MAX: Final = 50
"""Most devices named in one message."""
TOLD_MAX: Final = 200
"""Most messages of one step, the newest; whoever wants them all reads the index."""
LOG_PATIENCE_S: Final = 0.5
"""How long a step waits for logs, real time."""

Publish = Callable[[str, Mapping[str, object]], None]
Progress = Callable[[str, int, int], None]
"""What is read, how far, of how much."""


Told = list[tuple[str, Mapping[str, object]]]
"""What is to be published: kind and data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that could not be read or written; tried again later."""

    what: str
    error: CommonworksError


@dataclass(slots=True, kw_only=True)
class Step:
    """What one step folded."""

    head: Head | None = None
    """The chain's newest block; None when the chain did not answer."""
    blocks: int = 0
    events: int = 0
    entries: int = 0
    epochs: list[int] = field(default_factory=list)
    """Epochs whose settlement was folded."""
    proposals: tuple[int, ...] = ()
    """Numbers of proposals that changed."""
    troubles: list[Trouble] = field(default_factory=list)
    told: Told = field(default_factory=list)


@dataclass(slots=True)
class _Pause:
    """How long something that failed is left alone."""

    wait_s: float = field(default_factory=lambda: POLL_S)
    until: float = 0.0
    """Time of the event loop."""

    def longer(self) -> float:
        """Wait twice as long as last time; return how long."""
        self.wait_s = min(2 * self.wait_s, PAUSE_MAX_S)
        self.until = asyncio.get_running_loop().time() + self.wait_s
        return self.wait_s


class Follower:
    """Keeps one index up with its network. One follower an index."""

    def __init__(
        self,
        *,
        engine: Engine,
        chain: Chain,
        archive: Archive,
        council: Council,
        resources: Mapping[str, Resource],
        network: Network,
        first_block: int,
        publish: Publish,
        progress: Progress = lambda _what, _done, _total: None,
    ) -> None:
        """`first_block`: where the network's contracts begin."""
        self._engine = engine
        self._chain = chain
        self._archive = archive
        self._council = council
        self._resources = resources
        self._first_block = first_block
        self._publish = publish
        self._progress = progress
        self._feed = Feed(network)
        self._turn = asyncio.Lock()
        """One transaction at a time."""
        self._readers: dict[bytes, LogReader] = {}
        self._reading: dict[bytes, asyncio.Task[Step]] = {}
        self._pauses: dict[bytes, _Pause] = {}
        self._block: int | None = None
        """Where the cursor of blocks was left."""
        self._stops_read: int | None = None
        """Block up to which stops were read again; None where none were passed over."""
        self._proposals: dict[int, ProposalRecord] = {}
        """What the index has of each proposal."""
        self._governed_at: int | None = None
        """Head at which proposals were read last."""
        self._caught_up = False
        self.last: Step | None = None
        """What the newest step did."""

    async def step(self, patience_s: float | None = None) -> Step:
        """Fold everything that is new; what could not be read is in the step's troubles.

        Inputs: `patience_s`, how long to wait for logs, real time; slower ones are read on beside
        the next steps. None: until every log was read.
        Raises: NotFound when the index was deleted; Corrupt when it is damaged; Unavailable when
        it cannot be written now.
        """
        step = self.last = Step()
        try:
            await self._look_around()
            await self._follow_chain(step)
            await self._follow_logs(step, patience_s)
            await self._follow_settlements(step)
            await self._follow_government(step)
        except Moved as error:
            step.troubles.append(Trouble(what="index", error=error))
        if self._caught_up:
            for kind, data in step.told[-TOLD_MAX:]:
                self._publish(kind, data)
        self._caught_up = step.head is not None
        return step

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Follow until cancelled. Outages of chain, logs or disk pass; other errors end it.

        Raises: NotFound when the index was deleted; Corrupt when it cannot be trusted.
        """
        outage = _Pause()
        try:
            while True:
                try:
                    step = await self.step(LOG_PATIENCE_S)
                    reached = step.head is not None
                except Unavailable as error:
                    reached = False
                    if self.last is not None:
                        self.last.troubles.append(Trouble(what="index", error=error))
                if reached:
                    outage = _Pause()
                await pause(POLL_S if reached else outage.longer())
        finally:
            await self._stop_reading()

    async def _stop_reading(self) -> None:
        tasks = list(self._reading.values())
        self._reading.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_around(self) -> None:
        """Forget what is known of the index where somebody made it anew meanwhile."""
        stands, self._stops_read = await self._read(
            lambda connection: (cursor_value(connection, BLOCK), cursor_value(connection, STOPS))
        )
        if stands != self._block:
            self._block, self._governed_at, self._caught_up = stands, None, False
            self._proposals.clear()

    # --- chain ----------------------------------------------------------------------------------

    async def _read_stops(self, head: int) -> None:
        """Read blocks again for what an older release passed over, before anything new."""
        done = self._stops_read
        if done is None or self._block is None or head < self._block:
            return
        end = self._block
        async for last, events in self._events(max(done + 1, self._first_block), end):
            await self._write(self._stops_job(events, last))
            self._progress("blocks", last, end)

    async def _events(self, first: int, end: int) -> AsyncIterator[tuple[int, Sequence[Event]]]:
        """Yield events with the last block that they are of, some blocks after the other."""
        while first <= end:
            last = min(first + BLOCKS_MAX - 1, end)
            yield last, await self._chain.events(first, last)
            first = last + 1

    def _stops_job(self, events: Sequence[Event], last: int) -> Callable[[Connection], None]:
        return lambda connection: self._feed.stops(connection, events, until=last)

    async def _follow_chain(self, step: Step) -> None:
        done = self._block
        first = self._first_block if done is None else done + 1
        try:
            step.head = head = await self._chain.head()
            if done is not None and head.block < done:
                raise Unavailable(  # an endpoint may lag behind the one that answered before
                    f"the chain ends at block {head.block}, the index has read to {done}",
                    hint="if it stays so it is another chain: commonworks index rebuild",
                )
            await self._read_stops(head.block)
            async for last, events in self._events(first, head.block):
                await self._write(self._chain_job(events, last))
                self._block = last
                step.blocks = last - first + 1
                step.events += len(events)
                step.told += [item for event in events for item in _told(event)]
                self._progress("blocks", step.blocks, head.block - first + 1)
        except Unavailable as error:
            step.head = None
            step.troubles.append(Trouble(what="chain", error=error))
        if step.head is not None and step.blocks:
            step.told.append(("head", {"block": step.head.block, "time": step.head.time}))

    def _chain_job(self, events: Sequence[Event], last: int) -> Callable[[Connection], None]:
        return lambda connection: self._feed.chain(connection, events, until=last)

    # --- logs -----------------------------------------------------------------------------------

    async def _follow_logs(self, step: Step, patience_s: float | None) -> None:
        """Read every log, all at the same time: one that is slow or away holds up no other."""
        now = asyncio.get_running_loop().time()
        for log_id, size in (await self._read(log_cursors)).items():
            pause = self._pauses.get(log_id)
            if log_id not in self._reading and (pause is None or pause.until <= now):
                self._reading[log_id] = asyncio.create_task(self._follow_log(log_id, size))
        if self._reading:
            await asyncio.wait(self._reading.values(), timeout=patience_s)
        for log_id, task in list(self._reading.items()):
            if task.done():
                del self._reading[log_id]
                done = task.result()
                step.entries += done.entries
                step.told += done.told
                step.troubles += done.troubles

    async def _follow_log(self, log_id: bytes, size: int) -> Step:
        """Read one log to its end; what cannot be read is a trouble and is left alone a while."""
        done = Step()
        try:
            await self._read_log(log_id, size, done)
            self._pauses.pop(log_id, None)
        except CommonworksError as error:
            self._readers.pop(log_id, None)
            if not isinstance(error, Moved):
                self._pauses.setdefault(log_id, _Pause()).longer()
            done.troubles.append(Trouble(what=f"log {log_id.hex()[:16]}", error=error))
        except InvariantBroken:
            raise
        except Exception as error:  # a fault of ours that one log found ends its reading alone
            self._readers.pop(log_id, None)
            self._pauses.setdefault(log_id, _Pause()).longer()
            fault = Corrupt(f"it cannot be read ({error!r})"[:500])
            done.troubles.append(Trouble(what=f"log {log_id.hex()[:16]}", error=fault))
        return done

    async def _read_log(self, log_id: bytes, size: int, done: Step) -> None:
        reader = self._readers.get(log_id)
        if reader is None:
            log, key = self._archive.log(log_id), self._archive.note_key(log_id)
            if log is None or key is None:
                raise NotFound("it cannot be read from here")
            reader = self._readers[log_id] = LogReader(log, key)
        stated = await reader.checkpoint()
        if stated is None:
            return
        begun = size
        while size < stated.size:
            upto = min(size + ENTRIES_MAX, stated.size)
            items = await reader.read(size, upto, stated)
            upto = size + len(items)
            rows = await self._write(self._entries_job(log_id, items))
            said = {
                "log_id": "0x" + log_id.hex(),
                "size": upto,
                "count": len(rows),
                "devices": devices_in(rows, TOLD_DEVICES_MAX),
            }
            done.told.append(("statements", said))
            done.entries += len(rows)
            size = upto
            self._progress("entries", size - begun, stated.size - begun)

    def _entries_job(
        self, log_id: bytes, items: Sequence[tuple[int, bytes]]
    ) -> Callable[[Connection], list[Row]]:
        return lambda connection: self._feed.entries(connection, log_id, items)

    # --- settlements ----------------------------------------------------------------------------

    async def _follow_settlements(self, step: Step) -> None:
        first, last = await self._read(_due)
        for epoch in range(first, last):
            try:
                settled = await self._archive.settlement(epoch)
            except CommonworksError as error:
                step.troubles.append(Trouble(what=f"settlement of epoch {epoch}", error=error))
                return
            if settled is None:
                return
            await self._write(self._settlement_job(settled))
            step.epochs.append(epoch)
            step.told.append(("epoch", {"epoch": epoch, "state": "settled"}))
            self._progress("epochs", epoch + 1 - first, last - first)

    def _settlement_job(self, settled: Settlement) -> Callable[[Connection], None]:
        return lambda connection: self._feed.settlement(connection, settled, self._resources)

    # --- government -----------------------------------------------------------------------------

    async def _follow_government(self, step: Step) -> None:
        if step.head is None or step.head.block == self._governed_at:
            return
        try:
            records = await self._council.proposals()
        except Unavailable as error:
            step.troubles.append(Trouble(what="government", error=error))
            return
        fresh = [item for item in records if self._proposals.get(item.proposal) is not item]
        if fresh:
            step.proposals = await self._write(
                lambda connection: self._feed.government(connection, fresh)
            )
        self._proposals.update({item.proposal: item for item in fresh})
        self._governed_at = step.head.block

    # --- database -------------------------------------------------------------------------------

    async def _read(self, job: Callable[[Connection], Any]) -> Any:
        return await asyncio.to_thread(self._in_transaction, job)

    async def _write(self, job: Callable[[Connection], Any]) -> Any:
        async with self._turn:
            return await asyncio.to_thread(self._in_transaction, job)

    def _in_transaction(self, job: Callable[[Connection], Any]) -> Any:
        with database_errors(), self._engine.begin() as connection:
            return job(connection)


def _due(connection: Connection) -> tuple[int, int]:
    """Return the epochs whose settlement is to be folded: first, and the one after the last."""
    first = cursor_value(connection, SETTLED) or 0
    finalised = select(func.count()).where(epoch_table.c.digest.is_not(None))
    return first, int(connection.execute(finalised).scalar_one())


def _told(event: Event) -> Told:
    """Return what is told of an event: never a stranger's text."""
    row = diary_row(event)
    data = {
        "kind": row["kind"],
        "block": row["block"],
        "tx": "0x" + row["tx"].hex(),
        "epoch": row["epoch"],
        "device": row["device"],
        "account": None if row["account"] is None else "0x" + row["account"].hex(),
    }
    found: Told = [("event", data)]
    if isinstance(event, Closed):
        found.append(("epoch", {"epoch": event.epoch, "state": "closed"}))
    elif isinstance(event, Finalised):
        found.append(("epoch", {"epoch": event.epoch, "state": "finalised"}))
    return found
