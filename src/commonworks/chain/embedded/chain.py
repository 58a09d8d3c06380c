"""The embedded chain: one call to open it, one object to use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from commonworks.chain.embedded.config import LABEL, ChainConfig, Head, Tuning
from commonworks.chain.embedded.engine import Engine
from commonworks.chain.embedded.lock import FolderLock
from commonworks.chain.embedded.proxy import Proxy
from commonworks.chain.embedded.recovery import Progress, Recovery
from commonworks.chain.embedded.server import listen, serving, url

_DEFAULT_TUNING: Final = Tuning()


class EmbeddedChain:
    """A running chain: anvil behind our proxy, journaled, owned by this process.

    Clients, also those inside this process, speak JSON-RPC with `endpoint`. What it acknowledged
    survives any crash. It has one operator, who could rewrite it: show `LABEL` wherever it appears.
    """

    label: Final = LABEL

    def __init__(self, engine: Engine, endpoint: str) -> None:
        """Use `open`."""
        self._engine = engine
        self.endpoint = endpoint

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        anvil: Path,
        *,
        config: ChainConfig,
        now: Callable[[], int],
        host: str = "127.0.0.1",
        port: int = 0,
        tuning: Tuning = _DEFAULT_TUNING,
        progress: Progress | None = None,
    ) -> AsyncIterator[EmbeddedChain]:
        """Start the chain in `folder`, or bring it back, and run it until the block is left.

        `anvil`: the native executable (`find_anvil`). `now`: network time in Unix seconds; block
        timestamps follow it and never fall. `progress(done, total)`: called while blocks are
        replayed.
        Raises: Conflict (another process owns the folder; the port is taken; the journal was
        written with other settings), Corrupt (damaged journal), NotFound (no anvil), InvalidInput,
        Unavailable.
        """
        lock = FolderLock(folder)
        async with AsyncExitStack() as stack:
            stack.callback(lock.release)
            listener = listen(host, port)
            stack.callback(listener.close)
            engine = Engine(folder, anvil, config=config, now=now, tuning=tuning)
            await engine.start(progress)
            stack.push_async_callback(engine.close)
            proxy = Proxy(engine, config.chain_id)
            await stack.enter_async_context(
                serving(proxy, listener, tuning.max_concurrent_requests)
            )
            endpoint = url(listener)
            lock.publish(endpoint)
            stack.callback(lock.withdraw)
            yield cls(engine, endpoint)

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""
        return self._engine.config.chain_id

    @property
    def head(self) -> Head:
        """The newest visible block."""
        return self._engine.head

    @property
    def recovery(self) -> Recovery:
        """How the chain came back when it was opened."""
        return self._engine.recovery

    @property
    def anvil_pid(self) -> int:
        """Process id of the anvil that is running now; it changes when anvil had to be replaced."""
        return self._engine.anvil_pid

    async def mine(self) -> Head:
        """Let block time catch up with `now()` and return the head.

        Makes one block when transactions are ready or time went on since the head, else none.
        Raises: Unavailable when the chain stopped.
        """
        return await self._engine.mine()

    async def wait_stopped(self) -> None:
        """Return when the chain was closed; raise what stopped it otherwise.

        Run it beside the rest of the program: a chain that lost its disk serves errors only.
        """
        await asyncio.shield(self._engine.stopped)
