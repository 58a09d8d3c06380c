"""A process that runs an embedded chain until SIGTERM: `python -m chain_kill.child FOLDER ANVIL`.

Prints one line when it serves: endpoint, anvil's process id, and what the start found.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from commonworks.chain.embedded import ChainConfig, EmbeddedChain, Tuning

CONFIG = ChainConfig(chain_id=1009, genesis_timestamp=1_700_000_000)
# Snapshots and idle blocks far more often than in life, so that kills hit them.
TUNING = Tuning(coalesce_s=0.002, snapshot_every_blocks=23)
TICK_S = 0.05
SPEED = 40


def now() -> int:
    """Return a network time that runs faster than the clock, so that idle blocks are made."""
    return int(time.time() * SPEED)


async def run(folder: Path, anvil: Path) -> None:
    """Serve, let time go on, leave on SIGTERM."""
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    async with EmbeddedChain.open(folder, anvil, config=CONFIG, now=now, tuning=TUNING) as chain:
        told = {
            "endpoint": chain.endpoint,
            "anvil": chain.anvil_pid,
            "recovery": asdict(chain.recovery),
        }
        print(json.dumps(told), flush=True)
        while not end.is_set():
            await chain.mine()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), TICK_S)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), Path(sys.argv[2])))
