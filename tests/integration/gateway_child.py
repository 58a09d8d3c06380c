"""A gateway in a process of its own, to be killed: prints its URL and serves until then."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from commonworks.storage.files import FileStore
from commonworks.storage.index import SqliteIndex
from commonworks.transport import GatewayApp, serve
from gateway_kit import device, open_gateway


async def run(folder: Path) -> None:
    """Serve the gateway in `folder`."""
    store = FileStore(folder, exclusive=True)
    positions = SqliteIndex(folder / "state" / "index.sqlite")
    gateway = await open_gateway(
        store, positions=positions, devices=[device(1)], statements_per_hour_max=10**9
    )
    async with serve(GatewayApp(gateway)) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
