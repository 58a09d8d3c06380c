"""The embedded chain comes back: from snapshots, from genesis, after anvil's death, or not at all.

A copy of a running chain's folder is what a crash at that moment would leave.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from chain_kill.chains import CONFIG, Clock, opened
from chain_kill.client import LOGS_TIME, Client, RpcError, account, sign

from commonworks.chain.embedded import Tuning, snapshots
from commonworks.chain.embedded.engine import MAX_RESTARTS
from commonworks.chain.embedded.frames import Mined, encode_frame, encode_group, encode_record
from commonworks.chain.embedded.journal import Reader
from commonworks.chain.embedded.snapshots import Snapshot
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Corrupt, Unavailable

EVERY = Tuning(coalesce_s=0.001, snapshot_every_blocks=7)


async def everything(client: Client) -> tuple[list[Any], list[Any], list[Any]]:
    """Return all that a client can know: blocks, receipts, logs."""
    blocks = await client.blocks()
    identities = [identity for block in blocks for identity in block["transactions"]]
    receipts = [await client.call("eth_getTransactionReceipt", i) for i in identities]
    found = {"fromBlock": "earliest", "toBlock": "latest"}
    return blocks, receipts, await client.call("eth_getLogs", found)


async def use(client: Client, clock: Clock, nonces: range) -> None:
    """Make a block for each nonce: a contract first, then calls of it, each with a log."""
    signer = account(1)
    for nonce in nonces:
        clock.now += 10
        fields = {"to": b"", "data": LOGS_TIME} if nonce % 5 == 0 else {"to": _contract(nonce)}
        await client.receipt(await client.send(sign(signer, nonce, **fields)))


def _contract(nonce: int) -> str:
    """Return the address of the newest contract that account 1 made before this nonce."""
    made = nonce - nonce % 5
    encoded = bytes([made]) if made else b"\x80"
    content = b"\x94" + bytes.fromhex(account(1).address[2:]) + encoded
    return "0x" + keccak256(bytes([0xC0 + len(content)]) + content)[12:].hex()


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Return the folder that a crash left behind, and all that was known before."""
    root = tmp_path_factory.mktemp("crashed")

    async def run() -> Any:
        clock = Clock()
        async with opened(root / "chain", clock, tuning=EVERY) as (_, client):
            await use(client, clock, range(20))
            await client.send(sign(account(1), 21))
            shutil.copytree(root / "chain", root / "image")
            known = await everything(client)
            assert [len(part) for part in known] == [21, 20, 16]
            return known

    return root / "image", asyncio.run(run())


@pytest.fixture
def image(crashed: tuple[Path, Any], tmp_path: Path) -> tuple[Path, Any]:
    """Return a copy of that folder for one test."""
    shutil.copytree(crashed[0], tmp_path / "chain")
    return tmp_path / "chain", crashed[1]


def test_a_snapshot_and_the_blocks_after_it_give_the_same_chain(image: tuple[Path, Any]) -> None:
    folder, before = image

    async def run() -> None:
        async with opened(folder, Clock()) as (chain, client):
            assert chain.recovery.snapshot == 14
            assert (chain.recovery.blocks, chain.recovery.replayed_blocks) == (20, 6)
            assert (chain.recovery.transactions, chain.recovery.pending) == (20, 1)
            assert await everything(client) == before

    asyncio.run(run())


def test_the_journal_alone_gives_the_same_chain(image: tuple[Path, Any]) -> None:
    folder, before = image
    shutil.rmtree(folder / "snapshots")
    told: list[tuple[int, int]] = []

    async def run() -> None:
        options = {"progress": lambda done, total: told.append((done, total))}
        async with opened(folder, Clock(), **options) as (chain, client):
            assert chain.recovery.snapshot is None
            assert chain.recovery.replayed_blocks == 20
            assert await everything(client) == before

    asyncio.run(run())
    assert told == [(10, 20), (20, 20)]


def test_a_transaction_that_waited_still_waits_after_the_crash(image: tuple[Path, Any]) -> None:
    folder, _ = image

    async def run() -> None:
        raw = sign(account(1), 21)
        async with opened(folder, Clock()) as (_, client):
            identity = await client.send(raw)
            with pytest.raises(RpcError, match="taken"):
                await client.send(sign(account(1), 21, data=b"other"))
            await client.send(sign(account(1), 20))
            assert int((await client.receipt(identity))["blockNumber"], 16) == 21

    asyncio.run(run())


def test_a_clean_exit_leaves_nothing_to_replay(image: tuple[Path, Any]) -> None:
    folder, before = image

    async def run() -> None:
        async with opened(folder, Clock()):
            pass
        async with opened(folder, Clock()) as (chain, client):
            assert (chain.recovery.snapshot, chain.recovery.replayed_blocks) == (20, 0)
            assert await everything(client) == before

    asyncio.run(run())


def test_a_damaged_snapshot_gives_way_to_the_older(image: tuple[Path, Any]) -> None:
    folder, before = image
    path = folder / "snapshots" / "000000000014.snapshot"
    path.write_bytes(path.read_bytes()[:-1])

    async def run() -> None:
        async with opened(folder, Clock()) as (chain, client):
            assert chain.recovery.snapshot == 7
            assert await everything(client) == before

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["garbage", "older"])
def test_a_wrong_state_is_noticed_and_genesis_tried(image: tuple[Path, Any], kind: str) -> None:
    folder, before = image
    newest, older = snapshots.newest_first(folder / "snapshots")
    state = b"no state at all" if kind == "garbage" else older.state
    snapshots.write(folder / "snapshots", Snapshot(head=newest.head, state=state))

    async def run() -> None:
        async with opened(folder, Clock()) as (chain, client):
            assert (chain.recovery.snapshot, chain.recovery.replayed_blocks) == (None, 20)
            assert await everything(client) == before

    asyncio.run(run())


def test_a_torn_tail_is_cut(image: tuple[Path, Any]) -> None:
    folder, before = image
    journal = folder / "journal"
    data = journal.read_bytes()
    journal.write_bytes(data + data[8:16] + b"\x00\x00\x01\x00unfinished")

    async def run() -> None:
        async with opened(folder, Clock()) as (chain, client):
            assert chain.recovery.torn_bytes == 22
            assert await everything(client) == before

    asyncio.run(run())


def test_damage_in_the_middle_stops_with_one_line(image: tuple[Path, Any]) -> None:
    folder, _ = image
    journal = folder / "journal"
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 0x40
    journal.write_bytes(data)

    async def run() -> None:
        with pytest.raises(Corrupt, match="is damaged at byte") as caught:
            async with opened(folder, Clock()):
                pytest.fail("it started")
        assert caught.value.hint

    asyncio.run(run())
    assert journal.read_bytes() == bytes(data)


def test_a_journal_that_lost_its_end_is_refused(image: tuple[Path, Any]) -> None:
    folder, _ = image

    async def run() -> None:
        async with opened(folder, Clock()):
            pass
        journal = folder / "journal"
        journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])
        with pytest.raises(Corrupt, match="the journal lost its end"):
            async with opened(folder, Clock()):
                pytest.fail("it started")

    asyncio.run(run())


def test_a_block_that_replays_to_another_hash_is_refused(image: tuple[Path, Any]) -> None:
    folder, _ = image
    journal = folder / "journal"
    with Reader(journal) as reader:
        marker, head = reader.marker, reader.check(CONFIG.genesis_timestamp, frozenset()).head
    data = journal.read_bytes()
    other = Mined(number=head.number + 1, timestamp=head.timestamp, hash=bytes(32), transactions=())
    payload = encode_group([encode_record(other)])
    journal.write_bytes(data + encode_frame(marker=marker, offset=len(data), payload=payload))

    async def run() -> None:
        with pytest.raises(Corrupt, match="block 21 is 0x00"):
            async with opened(folder, Clock()):
                pytest.fail("it started")

    asyncio.run(run())


def test_when_anvil_dies_requests_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path / "chain", clock, tuning=EVERY) as (chain, client):
            await use(client, clock, range(9))
            waiting = await client.send(sign(account(2), 1))
            before = await everything(client)
            dead = chain.anvil_pid
            os.kill(dead, signal.SIGKILL)
            calls = [everything(client), client.send(sign(account(3), 0))]
            after, sent = await asyncio.gather(*calls)
            assert after[0][: len(before[0])] == before[0]
            assert chain.anvil_pid != dead
            await client.receipt(sent)
            await client.send(sign(account(2), 0))
            await client.receipt(waiting)

    asyncio.run(run())


def test_an_anvil_that_keeps_dying_stops_the_chain(tmp_path: Path) -> None:
    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path / "chain", clock) as (chain, client):
            for _ in range(MAX_RESTARTS):
                os.kill(chain.anvil_pid, signal.SIGKILL)
                clock.now += 1
                await chain.mine()
            os.kill(chain.anvil_pid, signal.SIGKILL)
            with pytest.raises(Unavailable, match="anvil was lost 5 times within 10 minutes"):
                await chain.wait_stopped()
            with pytest.raises(RpcError, match="the embedded chain stopped"):
                await client.call("eth_getBlockByNumber", "latest", False)
            with pytest.raises(Unavailable, match="stopped"):
                await chain.mine()

    asyncio.run(run())


def test_a_full_disk_stops_the_chain_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "chain"

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def run() -> None:
        async with opened(folder, Clock()) as (chain, client):
            kept = await client.send(sign(account(1), 0))
            await client.receipt(kept)
            with monkeypatch.context() as patch:
                patch.setattr(os, "fdatasync", full)
                with pytest.raises(RpcError, match="no room to write"):
                    await client.send(sign(account(1), 1))
            with pytest.raises(Unavailable, match="no room to write"):
                await chain.wait_stopped()
            with pytest.raises(RpcError, match="stopped: no room to write"):
                await client.send(sign(account(2), 0))
        async with opened(folder, Clock()) as (chain, client):
            assert chain.recovery.transactions == 1
            assert await client.receipt(kept)

    asyncio.run(run())
