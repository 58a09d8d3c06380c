"""Payout trees, built beside everything else before anybody asks for a proof.

The newest first, in memory; then the book of all of them (`leafbook`), one epoch after the other,
with as long a pause after each as it took, so that pages have a processor for themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from commonworks.errors import CommonworksError
from commonworks.explorer.index.engine import database_errors
from commonworks.explorer.queries.planted import build_newest_tree, write_next_tree
from commonworks.explorer.site import Site


@asynccontextmanager
async def planting(site: Site, on_trouble: Callable[[str], None]) -> AsyncIterator[asyncio.Event]:
    """Build the newest tree, and bring the book up to it, whenever the event is set.

    The event is the value. In a thread, one at a time: a tree takes seconds where a network has a
    hundred thousand accounts, and half as many where the one of the epoch before is there.
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
    now = asyncio.get_running_loop().time
    while True:
        await settled.wait()
        settled.clear()
        try:
            await asyncio.to_thread(_build, site)
            more = True
            while more and not settled.is_set():
                began = now()
                more = await asyncio.to_thread(_write, site)
                if more:
                    await asyncio.sleep(now() - began)
        except CommonworksError as error:
            on_trouble(f"explorer, payout tree: {error}")


def _build(site: Site) -> None:
    # A read-only snapshot of its own: a request's would end with the request.
    with database_errors(), site.engine.connect() as connection:
        build_newest_tree(connection, site.trees)


def _write(site: Site) -> bool:
    """Write one epoch's tree into the book; tell whether there may be more."""
    if site.trees.book is None:
        return False
    with database_errors(), site.engine.connect() as connection:
        return write_next_tree(connection, site.trees.book)
