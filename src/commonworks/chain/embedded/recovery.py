"""From journal and snapshots back to a running anvil that knows the same chain.

docs/spec/journal.md, section 7. The invariant: anvil's blocks have the hashes that the journal
names, or the start fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from commonworks.chain.embedded import snapshots
from commonworks.chain.embedded.anvil import LONG_CALL_TIMEOUT_S, Anvil, AnvilRefused
from commonworks.chain.embedded.config import Head
from commonworks.chain.embedded.frames import Accepted, Mined
from commonworks.chain.embedded.journal import Contents, Reader
from commonworks.chain.embedded.snapshots import Snapshot
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Corrupt

PROGRESS_BLOCKS: Final = 10

Progress = Callable[[int, int], None]
StartAnvil = Callable[[], Awaitable[Anvil]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """What anvil says of a block."""

    head: Head
    """Number, timestamp and hash."""
    parent: bytes
    """Hash of the block before, 32 bytes."""
    transactions: tuple[bytes, ...]
    """Transaction hashes in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """How a chain came back."""

    blocks: int
    """Blocks in the journal."""
    transactions: int
    """Transactions in them."""
    snapshot: int | None
    """Number of the block whose snapshot was loaded; None when replayed from genesis."""
    replayed_blocks: int
    """Blocks mined again, each with the same hash."""
    pending: int
    """Acknowledged transactions that still waited for a block."""
    torn_bytes: int
    """Bytes of an unfinished write that were cut off."""
    seconds: float
    """How long it took."""


class _ReplayDiffers(Exception):
    """Anvil made other blocks than the journal names."""


async def mine_block(anvil: Anvil, timestamp: int) -> Block:
    """Mine one block at this timestamp; anvil refuses one before the head's."""
    request = {"timestamp": timestamp, "blocks": 1}
    blocks = await anvil.call("evm_mine_detailed", request, timeout_s=LONG_CALL_TIMEOUT_S)
    return _block(blocks[0])


async def latest_block(anvil: Anvil) -> Block:
    """Return anvil's newest block."""
    return _block(await anvil.call("eth_getBlockByNumber", "latest", False))


async def send_raw(anvil: Anvil, raw: bytes) -> bytes:
    """Put a raw transaction into anvil's pool and return its hash; AnvilRefused if it will not."""
    return from_hex(await anvil.call("eth_sendRawTransaction", "0x" + raw.hex()))


def from_hex(text: str) -> bytes:
    """Return the bytes of a 0x string."""
    return bytes.fromhex(text.removeprefix("0x"))


async def rebuild(
    start: StartAnvil,
    journal: Path,
    contents: Contents,
    folder: Path,
    progress: Progress | None,
) -> tuple[Anvil, Snapshot | None]:
    """Start an anvil and bring it to the journal's last block, without pending transactions.

    `folder` holds the snapshots. Returns the snapshot's use as well.
    Raises: Corrupt when the journal does not replay to its own hashes.
    """
    usable = await asyncio.to_thread(
        lambda: next(snapshots.usable(folder, contents.head, contents.known), None)
    )
    attempts: Sequence[Snapshot | None] = (None,) if usable is None else (usable, None)
    for snapshot in attempts:
        anvil = await start()
        try:
            await _replay(anvil, journal, contents, snapshot, progress)
        except _ReplayDiffers as error:
            await anvil.stop()
            difference = str(error)
        except BaseException:
            await anvil.stop()
            raise
        else:
            return anvil, snapshot
    raise Corrupt(
        f"{journal} does not replay: {difference}",
        hint="restore the folder from a backup; nothing was changed",
    )


async def _replay(
    anvil: Anvil,
    journal: Path,
    contents: Contents,
    snapshot: Snapshot | None,
    progress: Progress | None,
) -> None:
    if snapshot is not None:
        await _load(anvil, snapshot)
    base = (await latest_block(anvil)).head
    waiting: dict[bytes, bytes] = {}
    with Reader(journal) as reader:
        if snapshot is None and base.hash != reader.settings()["genesis"]:
            raise _ReplayDiffers(f"genesis is 0x{base.hash.hex()}")
        for record in reader.records():
            if isinstance(record, Accepted):
                waiting[keccak256(record.raw)] = record.raw
                continue
            raws = [waiting.pop(identity) for identity in record.transactions]
            if isinstance(record, Mined) and record.number > base.number:
                await _repeat(anvil, record, raws)
                if progress is not None and record.number % PROGRESS_BLOCKS == 0:
                    progress(record.number - base.number, contents.blocks - base.number)


async def _load(anvil: Anvil, snapshot: Snapshot) -> None:
    state = "0x" + snapshot.state.hex()
    try:
        await anvil.call("anvil_loadState", state, timeout_s=LONG_CALL_TIMEOUT_S)
    except AnvilRefused as error:
        raise _ReplayDiffers(f"anvil refuses the snapshot: {error}") from error
    if (await latest_block(anvil)).head != snapshot.head:
        raise _ReplayDiffers(f"the snapshot of block {snapshot.head.number} is of another block")


async def _repeat(anvil: Anvil, record: Mined, raws: Sequence[bytes]) -> None:
    """Mine a block again. One after another: calls under way together may change places."""
    try:
        for raw in raws:
            await send_raw(anvil, raw)
        block = await mine_block(anvil, record.timestamp)
    except AnvilRefused as error:
        raise _ReplayDiffers(f"anvil refuses block {record.number}: {error}") from error
    if block.head.hash != record.hash:
        raise _ReplayDiffers(
            f"block {record.number} is 0x{record.hash.hex()}, but becomes 0x{block.head.hash.hex()}"
        )


def _block(value: Any) -> Block:
    transactions = value["transactions"]
    return Block(
        head=Head(
            number=int(value["number"], 16),
            timestamp=int(value["timestamp"], 16),
            hash=from_hex(value["hash"]),
        ),
        parent=from_hex(value["parentHash"]),
        transactions=tuple(
            from_hex(item["hash"] if isinstance(item, dict) else item) for item in transactions
        ),
    )
