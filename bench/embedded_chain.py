"""What the embedded chain's durability costs, beside bare anvil: `python bench/embedded_chain.py`.

Each line compares two ways on the same machine and prints the ratio.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from eth_account import Account

from commonworks.chain.embedded import ChainConfig, EmbeddedChain, Tuning, find_anvil
from commonworks.chain.embedded.anvil import Anvil
from commonworks.chain.embedded.recovery import mine_block, send_raw

CONFIG = ChainConfig(chain_id=1009, genesis_timestamp=1_700_000_000)
TUNING = Tuning(snapshot_every_blocks=10**9)
SEQUENTIAL = 500
SENDERS = 40
EACH = 100
LOW_BLOCKS = 200
HIGH_BLOCKS = 3_000


class Clock:
    """A time that goes on by a second at each look, so that no block is merged."""

    def __init__(self) -> None:
        self.now = CONFIG.genesis_timestamp

    def __call__(self) -> int:
        self.now += 1
        return self.now


def signed(account: int, count: int) -> list[bytes]:
    """Return an account's first transactions."""
    signer = Account.from_key((0x51 + account).to_bytes(32, "big"))
    return [
        bytes(
            signer.sign_transaction(
                {
                    "type": 2,
                    "chainId": CONFIG.chain_id,
                    "nonce": nonce,
                    "to": "0x" + "11" * 20,
                    "value": 0,
                    "gas": 21_000,
                    "maxFeePerGas": 0,
                    "maxPriorityFeePerGas": 0,
                }
            ).raw_transaction
        )
        for nonce in range(count)
    ]


async def seconds(work: Awaitable[object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def one_by_one(send: Callable[[bytes], Awaitable[object]], raws: list[bytes]) -> None:
    """Send each transaction after the answer to the one before."""
    for raw in raws:
        await send(raw)


async def all_at_once(send: Callable[[bytes], Awaitable[object]], raws: list[list[bytes]]) -> None:
    """Let all senders send at the same time, each in order."""
    await asyncio.gather(*(one_by_one(send, own) for own in raws))


async def bare(folder: Path, one: list[bytes], many: list[list[bytes]]) -> tuple[float, float]:
    """Measure anvil itself: accepted only, mined at the end, lost at a crash."""
    anvil = await Anvil.start(find_anvil(None), CONFIG.flags(), folder / "home")

    async def send(raw: bytes) -> None:
        await send_raw(anvil, raw)

    try:
        sequential = await seconds(one_by_one(send, one))
        await mine_block(anvil, CONFIG.genesis_timestamp)
        return sequential, await seconds(all_at_once(send, many))
    finally:
        await anvil.stop()


async def durable(
    folder: Path, one: list[bytes], many: list[list[bytes]]
) -> tuple[float, float, float]:
    """Measure the chain: through the proxy, synced and mined meanwhile; and its idle blocks."""
    opening = EmbeddedChain.open(
        folder / "chain", find_anvil(None), config=CONFIG, now=Clock(), tuning=TUNING
    )
    async with opening as chain, aiohttp.ClientSession() as session:

        async def send(raw: bytes) -> None:
            body = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "eth_sendRawTransaction",
                "params": ["0x" + raw.hex()],
            }
            async with session.post(chain.endpoint, json=body) as response:
                if "result" not in await response.json():
                    raise RuntimeError("refused")

        sequential = await seconds(one_by_one(send, one))
        bulk = await seconds(all_at_once(send, many))
        await chain.mine()
        shutil.copytree(folder / "chain", folder / "image")
        return sequential, bulk, chain.head.number


async def start(folder: Path) -> tuple[float, int, int]:
    """Measure a start: seconds, blocks replayed, transactions."""
    opening = EmbeddedChain.open(folder, find_anvil(None), config=CONFIG, now=Clock())
    async with opening as chain:
        found = chain.recovery
        return found.seconds, found.replayed_blocks, found.transactions


async def idle(folder: Path) -> tuple[float, float, float, float]:
    """Measure idle blocks near genesis and higher up, and a snapshot there."""
    opening = EmbeddedChain.open(
        folder / "idle", find_anvil(None), config=CONFIG, now=Clock(), tuning=TUNING
    )

    async def mine(chain: EmbeddedChain, count: int) -> None:
        for _ in range(count):
            await chain.mine()

    async with opening as chain:
        low = await seconds(mine(chain, LOW_BLOCKS)) / LOW_BLOCKS
        await mine(chain, HIGH_BLOCKS - 2 * LOW_BLOCKS)
        high = await seconds(mine(chain, LOW_BLOCKS)) / LOW_BLOCKS
        closing = time.perf_counter()
    closed = time.perf_counter() - closing
    again, _, _ = await start(folder / "idle")
    return low, high, closed, again


async def run(folder: Path) -> None:
    """Measure and print."""
    one = signed(0, SEQUENTIAL)
    many = [signed(number + 1, EACH) for number in range(SENDERS)]
    bulk_count = SENDERS * EACH
    bare_one, bare_many = await bare(folder, one, many)
    our_one, our_many, blocks = await durable(folder, one, many)
    print(
        f"sequential sends   bare anvil {SEQUENTIAL / bare_one:6.0f}/s   durable and mined "
        f"{SEQUENTIAL / our_one:6.0f}/s   x {our_one / bare_one:.2f} the time"
    )
    print(
        f"{SENDERS} senders at once bare anvil {bulk_count / bare_many:6.0f}/s   durable and mined "
        f"{bulk_count / our_many:6.0f}/s   x {our_many / bare_many:.2f} the time"
    )
    genesis, replayed, transactions = await start(folder / "image")
    snapshot, _, _ = await start(folder / "image")
    print(
        f"start after a crash, {replayed} blocks, {transactions} transactions: from genesis "
        f"{genesis:.2f} s   from a snapshot {snapshot:.2f} s   x {genesis / snapshot:.1f}"
    )
    print(
        f"replay             {transactions / genesis:6.0f} transactions/s, "
        f"x {(our_one + our_many) / genesis:.1f} as fast as they came ({blocks} blocks)"
    )
    low, high, closed, again = await idle(folder)
    print(
        f"idle block         near genesis {low * 1e3:.2f} ms   at block {HIGH_BLOCKS} "
        f"{high * 1e3:.2f} ms   x {high / low:.1f}"
    )
    print(
        f"at block {HIGH_BLOCKS}      clean exit with snapshot {closed:.2f} s   start from it "
        f"{again:.2f} s   x {again / closed:.1f}"
    )


def main() -> None:
    """Run in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


if __name__ == "__main__":
    main()
