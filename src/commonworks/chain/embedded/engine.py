"""The engine: anvil, journal and clock made into one chain that survives.

Goal: an acknowledged transaction is in the chain exactly once, a visible block for ever.
Rule: accept -> journal -> sync -> acknowledge; mine -> journal -> sync -> visible. One task mines,
takes snapshots and recovers anvil, so these never overlap; requests pass the gate around it.
Invariant: outside the gate's exclusive side, anvil's blocks are exactly the journal's blocks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from commonworks.chain.embedded import journal as journals
from commonworks.chain.embedded import snapshots
from commonworks.chain.embedded.anvil import (
    LONG_CALL_TIMEOUT_S,
    Anvil,
    AnvilLost,
    AnvilRefused,
)
from commonworks.chain.embedded.config import ChainConfig, Head, Tuning
from commonworks.chain.embedded.frames import Accepted, Dropped, Mined
from commonworks.chain.embedded.gate import Gate
from commonworks.chain.embedded.journal import Contents, Journal, Reader
from commonworks.chain.embedded.recovery import (
    Block,
    Progress,
    Recovery,
    from_hex,
    latest_block,
    mine_block,
    rebuild,
    send_raw,
)
from commonworks.chain.embedded.snapshots import Snapshot
from commonworks.chain.embedded.transaction import Transaction, decode
from commonworks.errors import Conflict, Unavailable, require

# An anvil that keeps dying is not a matter of bad luck.
MAX_RESTARTS: Final = 5
RESTART_WINDOW_S: Final = 600.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A transaction on its way: to anvil, to the journal, into a block."""

    transaction: Transaction
    """Which one."""
    acknowledged: asyncio.Future[None]
    """Done when it is durable; failed when it was refused."""

    @property
    def slot(self) -> tuple[bytes, int]:
        """Sender and nonce, which one transaction at a time may hold."""
        return self.transaction.sender, self.transaction.nonce


class Engine:
    """One running chain. `start`, use, `close`."""

    def __init__(
        self,
        folder: Path,
        executable: Path,
        *,
        config: ChainConfig,
        now: Callable[[], int],
        tuning: Tuning,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.config = config
        self._executable = executable
        self._now = now
        self._tuning = tuning
        self._journal_path = folder / "journal"
        self._snapshots_folder = folder / "snapshots"
        self._home = folder / "anvil-home"
        self._gate = Gate()
        self._work = asyncio.Event()
        self._usable = asyncio.Event()
        self._asked: list[asyncio.Future[Head]] = []
        self._slots: dict[tuple[bytes, int], Waiting] = {}
        self._pending: dict[bytes, Waiting] = {}
        self._accepting: set[asyncio.Task[None]] = set()
        self._restarts: deque[float] = deque(maxlen=MAX_RESTARTS)
        self._closing = False
        self._spare: Anvil | None = None
        self._resources = AsyncExitStack()
        self._snapshot_number = 0
        self._anvil: Anvil
        self._journal: Journal
        self._task: asyncio.Task[None]
        self.head: Head
        self.recovery: Recovery
        self.version = ""
        self.stopped: asyncio.Future[None] = loop.create_future()
        self.stopped.add_done_callback(_retrieve)

    async def start(self, progress: Progress | None) -> None:
        """Bring anvil to the journal's last block and begin to work.

        Raises: Conflict (other settings), Corrupt (damage), NotFound, InvalidInput, Unavailable.
        """
        try:
            await self._open_journal(progress)
        except BaseException:
            await self._resources.aclose()
            raise
        self._usable.set()
        self._work.set()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Finish what is under way, take a snapshot, stop anvil, release the journal."""
        self._closing = True
        self._work.set()
        await asyncio.wait([self._task])
        if self._accepting:
            await asyncio.wait(self._accepting)
        await self._resources.aclose()

    @property
    def anvil_pid(self) -> int:
        """Process id of the anvil that is running now."""
        return self._anvil.pid

    # Requests ---------------------------------------------------------------------------------

    async def send(self, raw: bytes) -> bytes:
        """Return the transaction's hash once it is durable; repeating it returns the same.

        Raises: InvalidInput (not a transaction for this chain), Conflict (another one of the same
        sender and nonce waits), AnvilRefused (anvil will not have it), Unavailable.
        """
        self._raise_if_stopped()
        transaction = decode(raw, chain_id=self.config.chain_id)
        waiting = self._slots.get((transaction.sender, transaction.nonce))
        if waiting is None:
            if len(self._slots) >= self._tuning.max_pending:
                raise Unavailable(
                    f"{len(self._slots)} transactions wait already", hint="try again later"
                )
            waiting = self._reserve(transaction)
            # A task of its own: a client that leaves must not part anvil's pool and the journal.
            task = asyncio.create_task(self._accept(waiting))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)
        elif waiting.transaction.hash != transaction.hash:
            raise Conflict(
                f"nonce {transaction.nonce} of 0x{transaction.sender.hex()} is taken by the "
                f"waiting transaction 0x{waiting.transaction.hash.hex()}"
            )
        await asyncio.shield(waiting.acknowledged)
        return transaction.hash

    async def forward(self, body: bytes) -> bytes:
        """Return anvil's answer to one request that changes nothing."""
        return await self._through(lambda anvil: anvil.forward(body))

    async def mine(self) -> Head:
        """Let the chain's time catch up with `now()` and return the head.

        Makes one block when transactions are ready or time went on, else none.
        """
        self._raise_if_stopped()
        asked: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._work.set()
        return await asked

    async def _through(self, operation: Callable[[Anvil], Awaitable[T]]) -> T:
        """Pass the gate with an operation; once more when anvil was lost meanwhile."""
        for _ in range(2):
            while True:
                await self._usable.wait()
                async with self._gate.shared():
                    self._raise_if_stopped()
                    if not self._usable.is_set():
                        continue
                    anvil = self._anvil
                    try:
                        return await operation(anvil)
                    except AnvilLost:
                        self._lose(anvil)
                        break
        raise Unavailable("anvil was lost twice during this request", hint="try again")

    def _reserve(self, transaction: Transaction) -> Waiting:
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.add_done_callback(_retrieve)
        waiting = Waiting(transaction=transaction, acknowledged=acknowledged)
        self._slots[waiting.slot] = waiting
        return waiting

    async def _accept(self, waiting: Waiting) -> None:
        try:
            await (await self._through(lambda anvil: self._offer(anvil, waiting)))
        except Exception as error:
            self._free(waiting)
            waiting.acknowledged.set_exception(error)
        else:
            waiting.acknowledged.set_result(None)

    async def _offer(self, anvil: Anvil, waiting: Waiting) -> asyncio.Future[None]:
        """Offer a transaction to anvil, then to the journal; the result is done when durable."""
        transaction = waiting.transaction
        try:
            accepted = await send_raw(anvil, transaction.raw)
        except AnvilRefused:
            identity = "0x" + transaction.hash.hex()
            if await anvil.call("eth_getTransactionReceipt", identity) is None:
                raise
            # It is in a block: an answer got lost, and the sender asks again.
            self._free(waiting)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        if accepted != transaction.hash:
            raise AnvilLost("anvil reads a transaction differently")
        self._pending[transaction.hash] = waiting
        self._work.set()
        return self._journal.append(Accepted(raw=transaction.raw))

    def _free(self, waiting: Waiting) -> None:
        if self._slots.get(waiting.slot) is waiting:
            del self._slots[waiting.slot]

    # The engine's own task --------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while not (self._closing or self.stopped.done()):
                await self._work.wait()
                if self._pending and not self._asked:
                    await asyncio.sleep(self._tuning.coalesce_s)
                self._work.clear()
                asked = tuple(self._asked)
                await self._turn(forced=bool(asked))
                for future in asked:
                    self._asked.remove(future)
                    if not future.done():
                        future.set_result(self.head)
            await self._last_snapshot()
        except Exception as error:
            self._stop(error)
        else:
            self._stop(None)

    async def _last_snapshot(self) -> None:
        if self.stopped.done():
            return
        try:
            await self._snapshot(due=self.head.number > self._snapshot_number)
        except AnvilLost:
            # Nothing is lost: the next start replays the journal from an older snapshot.
            return

    def _stop(self, failure: Exception | None) -> None:
        """End the chain's work, for good: by `failure`, or because it was closed."""
        if self.stopped.done():
            return
        if failure is None:
            self.stopped.set_result(None)
        else:
            self.stopped.set_exception(failure)
        closed = failure or Unavailable("the embedded chain was closed", hint="start it again")
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(closed)
        self._usable.set()
        self._work.set()

    def _raise_if_stopped(self) -> None:
        if not self.stopped.done():
            return
        failure = self.stopped.exception()
        why = f"the embedded chain stopped: {failure}" if failure else "the chain was closed"
        raise Unavailable(why)

    def _lose(self, anvil: Anvil) -> None:
        """Stop trusting this anvil; requests wait until the engine has another."""
        if anvil is self._anvil and not self.stopped.done():
            self._usable.clear()
            self._work.set()

    async def _turn(self, *, forced: bool) -> None:
        """Mine what is ready, on an anvil that lives; take a snapshot when one is due."""
        while True:
            try:
                if not self._usable.is_set():
                    await self._restart()
                async with self._gate.exclusive():
                    await self._mine(forced=forced)
                every = self._tuning.snapshot_every_blocks
                await self._snapshot(due=self.head.number - self._snapshot_number >= every)
            except AnvilLost:
                self._lose(self._anvil)
            else:
                return

    async def _mine(self, *, forced: bool) -> None:
        anvil = self._anvil
        timestamp = max(self.head.timestamp, self._now())
        ready, _ = await self._pool(anvil)
        if not ready and (not forced or timestamp == self.head.timestamp):
            return
        try:
            block = await mine_block(anvil, timestamp)
        except AnvilRefused as error:
            raise AnvilLost(f"anvil does not mine: {error}") from error
        self._check(block, timestamp)
        dropped = await self._dropped(anvil, block)
        head = block.head
        durable = [
            self._journal.append(
                Mined(
                    number=head.number,
                    timestamp=head.timestamp,
                    hash=head.hash,
                    transactions=block.transactions,
                )
            )
        ]
        if dropped:
            durable.append(self._journal.append(Dropped(transactions=dropped)))
        await asyncio.gather(*durable)
        self._settle((*block.transactions, *dropped))
        self.head = head
        if self._pending and (block.transactions or dropped):
            # The block may have been full, or these may wait for an earlier nonce.
            self._work.set()

    def _check(self, block: Block, timestamp: int) -> None:
        """A block that does not follow from the journal is void, and so is its anvil."""
        follows = (
            block.parent == self.head.hash
            and block.head.number == self.head.number + 1
            and block.head.timestamp == timestamp
            and all(identity in self._pending for identity in block.transactions)
        )
        if not follows:
            raise AnvilLost("anvil made a block that does not follow")

    async def _dropped(self, anvil: Anvil, block: Block) -> tuple[bytes, ...]:
        """Return the pending transactions that anvil no longer knows after this block."""
        left = [identity for identity in self._pending if identity not in set(block.transactions)]
        ready, queued = await self._pool(anvil)
        if ready + queued == len(left):
            return ()
        dropped = []
        for identity in left:
            if await anvil.call("eth_getTransactionByHash", "0x" + identity.hex()) is None:
                dropped.append(identity)
        return tuple(dropped)

    async def _pool(self, anvil: Anvil) -> tuple[int, int]:
        """Return how many transactions are ready, and how many wait for an earlier nonce."""
        if not self._pending:
            return 0, 0
        status = await anvil.call("txpool_status")
        return int(status["pending"], 16), int(status["queued"], 16)

    def _settle(self, identities: tuple[bytes, ...]) -> None:
        for identity in identities:
            waiting = self._pending.pop(identity)
            self._free(waiting)

    async def _snapshot(self, *, due: bool) -> None:
        if not due:
            return
        head = self.head
        state = await self._anvil.call("anvil_dumpState", timeout_s=LONG_CALL_TIMEOUT_S)
        snapshot = Snapshot(head=head, state=from_hex(state))
        await asyncio.to_thread(snapshots.write, self._snapshots_folder, snapshot)
        self._snapshot_number = head.number

    # Recovery ---------------------------------------------------------------------------------

    async def _open_journal(self, progress: Progress | None) -> None:
        started = asyncio.get_running_loop().time()
        self._spare = await self._start_anvil()
        self._resources.push_async_callback(self._stop_spare)
        settings = await self._settings(self._spare)
        if not self._journal_path.exists():
            await asyncio.to_thread(journals.create, self._journal_path, settings)
        with Reader(self._journal_path) as reader:
            journals.require_same(reader.settings(), settings, self._journal_path)
        contents = await asyncio.to_thread(self._read)
        snapshot = await self._rebuild(contents, progress)
        self._resources.push_async_callback(self._stop_anvil)
        self.head = contents.head
        self._journal = Journal(self._journal_path, contents, self._stop)
        self._resources.push_async_callback(self._journal.close)
        for identity, raw in contents.pending.items():
            waiting = self._reserve(decode(raw, chain_id=self.config.chain_id))
            waiting.acknowledged.set_result(None)
            self._pending[identity] = waiting
        await self._put_back()
        self.recovery = Recovery(
            blocks=contents.blocks,
            transactions=contents.transactions,
            snapshot=snapshot.head.number if snapshot is not None else None,
            replayed_blocks=contents.blocks - self._snapshot_number,
            pending=len(contents.pending),
            torn_bytes=contents.torn_bytes,
            seconds=asyncio.get_running_loop().time() - started,
        )

    async def _settings(self, anvil: Anvil) -> journals.Settings:
        """Return what the journal's header must say for this anvil."""
        client = str(await anvil.call("web3_clientVersion"))
        self.version = client.removeprefix("anvil/v")
        genesis = (await latest_block(anvil)).head
        require(genesis.number == 0, "a new anvil stands at genesis")
        return {
            "anvil": self.version,
            "chain_id": self.config.chain_id,
            "genesis_timestamp_s": self.config.genesis_timestamp,
            "gas_limit": self.config.gas_limit,
            "hardfork": self.config.hardfork,
            "flags": list(self.config.flags()),
            "genesis": genesis.hash,
        }

    def _read(self) -> Contents:
        wanted = snapshots.numbers(self._snapshots_folder)
        with Reader(self._journal_path) as reader:
            return reader.check(self.config.genesis_timestamp, wanted)

    async def _rebuild(self, contents: Contents, progress: Progress | None) -> Snapshot | None:
        anvil, snapshot = await rebuild(
            self._start_anvil, self._journal_path, contents, self._snapshots_folder, progress
        )
        self._anvil = anvil
        self._snapshot_number = snapshot.head.number if snapshot is not None else 0
        anvil.exited.add_done_callback(lambda _: self._lose(anvil))
        return snapshot

    async def _put_back(self) -> None:
        """Give a new anvil the pending transactions, in their order."""
        refused = []
        for identity, waiting in self._pending.items():
            try:
                await send_raw(self._anvil, waiting.transaction.raw)
            except AnvilRefused:
                refused.append(identity)
        if refused:
            await self._journal.append(Dropped(transactions=tuple(refused)))
            self._settle(tuple(refused))

    async def _restart(self) -> None:
        """Replace an anvil that was lost; no request passes meanwhile."""
        now = asyncio.get_running_loop().time()
        if len(self._restarts) == MAX_RESTARTS and now - self._restarts[0] < RESTART_WINDOW_S:
            raise Unavailable(
                f"anvil was lost {MAX_RESTARTS} times within {RESTART_WINDOW_S / 60:.0f} minutes",
                hint="nothing acknowledged is lost; is there enough memory?",
            )
        self._restarts.append(now)
        async with self._gate.exclusive():
            await self._anvil.stop()
            await self._journal.flush()
            contents = await asyncio.to_thread(self._read)
            require(contents.head == self.head, "the journal ends at the head")
            require(list(contents.pending) == list(self._pending), "the journal knows who waits")
            await self._rebuild(contents, None)
            await self._put_back()
            self._usable.set()

    async def _start_anvil(self) -> Anvil:
        if self._spare is not None:
            anvil, self._spare = self._spare, None
            return anvil
        return await Anvil.start(self._executable, self.config.flags(), self._home)

    async def _stop_spare(self) -> None:
        if self._spare is not None:
            await self._spare.stop()

    async def _stop_anvil(self) -> None:
        await self._anvil.stop()


def _retrieve(future: asyncio.Future[None]) -> None:
    """Look at a failure that nobody may be waiting for, so that asyncio does not complain."""
    if not future.cancelled():
        future.exception()
