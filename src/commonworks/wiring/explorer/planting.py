"""The newest epoch's payout tree, built beside everything else before anybody asks for a proof."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from commonworks.errors import CommonworksError
from commonworks.explorer.index.engine import database_errors
from commonworks.explorer.queries.proofs import build_newest_tree
from commonworks.explorer.site import Site


@asynccontextmanager
async def planting(site: Site, on_trouble: Callable[[str], None]) -> AsyncIterator[asyncio.Event]:
    """Build the newest tree whenever the event that is the value is set.

    In a thread, one at a time: it takes seconds where a network has a hundred thousand accounts,
    and a fraction of one where the tree of the epoch before is there.
    """
    settled = asyncio.Event()
    task = asyncio.create_task(_plant(site, settled, on_trouble))
    try:
        yield settled
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _plant(site: Site, settled: asyncio.Event, on_trouble: Callable[[str], None]) -> None:
    while True:
        await settled.wait()
        settled.clear()
        try:
            await asyncio.to_thread(_build, site)
        except CommonworksError as error:
            on_trouble(f"explorer, payout tree: {error}")


def _build(site: Site) -> None:
    # A read-only snapshot of its own: a request's would end with the request.
    with database_errors(), site.engine.connect() as connection:
        build_newest_tree(connection, site.trees)
