"""Embedded chains inside the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chain_kill.client import CHAIN_ID, Client
from commonworks.chain.embedded import ChainConfig, EmbeddedChain, Tuning, find_anvil

GENESIS = 1_700_000_000
CONFIG = ChainConfig(chain_id=CHAIN_ID, genesis_timestamp=GENESIS)
# Short enough not to be felt, long enough that transactions sent together share a block.
TUNING = Tuning(coalesce_s=0.005)


class Clock:
    """Network time in the test's hands."""

    def __init__(self, now: int = GENESIS + 7) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@asynccontextmanager
async def opened(
    folder: Path, clock: Clock | None = None, **options: Any
) -> AsyncIterator[tuple[EmbeddedChain, Client]]:
    """Run a chain in `folder` and a client of it."""
    settings = {"config": CONFIG, "now": clock or Clock(), "tuning": TUNING, **options}
    async with (
        EmbeddedChain.open(folder, find_anvil(None), **settings) as chain,
        Client(chain.endpoint) as client,
    ):
        yield chain, client
