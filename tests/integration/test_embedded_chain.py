"""The embedded chain on the real anvil: acknowledge, mine, tell the time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from chain_kill.chains import GENESIS, Clock, opened
from chain_kill.client import LOGS_TIME, RETURNS_TIME, RpcError, account, sign
from eth_account import Account

from commonworks.chain.embedded import ChainConfig, Tuning
from commonworks.chain.embedded.recovery import mine_block


def test_an_account_without_coin_gets_its_transaction_mined(tmp_path: Path) -> None:
    async def run() -> None:
        clock = Clock(GENESIS + 101)
        async with opened(tmp_path / "chain", clock) as (chain, client):
            identity = await client.send(sign(account(1), 0))
            receipt = await client.receipt(identity)
            block = await client.call("eth_getBlockByNumber", "latest", False)
            assert receipt["status"] == "0x1"
            assert receipt["blockHash"] == block["hash"] == "0x" + chain.head.hash.hex()
            assert int(block["timestamp"], 16) == GENESIS + 101 == chain.head.timestamp
            assert (chain.head.number, block["transactions"]) == (1, [identity])

    asyncio.run(run())


def test_time_moves_when_asked_and_never_back(tmp_path: Path) -> None:
    async def run() -> None:
        clock = Clock(GENESIS)
        async with opened(tmp_path / "chain", clock) as (chain, client):
            sent = await client.send(sign(account(1), 0, to=b"", data=RETURNS_TIME))
            contract = (await client.receipt(sent))["contractAddress"]

            async def seen() -> int:
                return int(await client.call("eth_call", {"to": contract}, "latest"), 16)

            assert await seen() == GENESIS
            first = chain.head
            assert await chain.mine() == first, "time did not go on: no block"
            clock.now = GENESIS + 900
            heads = await asyncio.gather(*(chain.mine() for _ in range(17)))
            assert {head.number for head in heads} <= {first.number + 1}, "idle blocks are merged"
            assert await seen() == GENESIS + 900
            clock.now = GENESIS + 30
            assert (await chain.mine()).timestamp == GENESIS + 900
            await client.receipt(await client.send(sign(account(1), 1)))
            assert chain.head.timestamp == GENESIS + 900

    asyncio.run(run())


def test_a_resent_transaction_has_the_same_hash_and_happens_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "chain") as (_, client):
            raw = sign(account(1), 0)
            together = await asyncio.gather(*(client.send(raw) for _ in range(5)))
            await client.receipt(together[0])
            assert {*together, await client.send(raw)} == {together[0]}
            mined = [t for block in await client.blocks() for t in block["transactions"]]
            assert mined == [together[0]]

    asyncio.run(run())


def test_a_nonce_belongs_to_the_first_transaction_whatever_the_second_offers(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with opened(tmp_path / "chain") as (_, client):
            second = await client.send(sign(account(1), 1))
            rich = sign(account(1), 1, maxFeePerGas=10**9, maxPriorityFeePerGas=10**9)
            with pytest.raises(RpcError, match=f"taken by the waiting transaction {second}"):
                await client.send(rich)
            assert await client.call("eth_getTransactionReceipt", second) is None
            first = await client.send(sign(account(1), 0))
            assert await client.receipt(first)
            assert await client.receipt(second)
            with pytest.raises(RpcError, match="nonce too low"):
                await client.send(sign(account(1), 1, data=b"other"))

    asyncio.run(run())


def test_transactions_sent_together_share_blocks_and_lose_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "chain") as (chain, client):

            async def sender(number: int) -> list[str]:
                return [await client.send(sign(account(number), n)) for n in range(13)]

            each = await asyncio.gather(*(sender(number) for number in range(11)))
            sent = [identity for hashes in each for identity in hashes]
            for identity in sent:
                await client.receipt(identity)
            mined = [t for block in await client.blocks() for t in block["transactions"]]
            assert sorted(mined) == sorted(sent)
            assert chain.head.number < len(sent)

    asyncio.run(run())


def test_a_full_block_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    async def run() -> None:
        config = ChainConfig(chain_id=1009, genesis_timestamp=GENESIS, gas_limit=100_000)
        async with opened(tmp_path / "chain", config=config) as (_, client):
            # The first nonce comes last, so that all become ready at the same moment.
            raws = [sign(account(1), nonce, gas=21_000) for nonce in reversed(range(9))]
            for identity in [await client.send(raw) for raw in raws]:
                await client.receipt(identity)
            filled = [len(block["transactions"]) for block in (await client.blocks())[1:]]
            assert filled == [4, 4, 1]
            with pytest.raises(RpcError, match="gas"):
                await client.send(sign(account(1), 9, gas=100_001))

    asyncio.run(run())


def test_a_transaction_that_anvil_gives_up_frees_its_nonce(tmp_path: Path) -> None:
    async def run() -> None:
        poor = Account.from_key("0x" + "37" * 32)
        # Coin exists only by anvil's own methods, which no client reaches.
        async with opened(tmp_path / "chain") as (chain, client):
            await chain._engine._anvil.call("anvil_setBalance", poor.address, hex(10))
            second = await client.send(sign(poor, 1, value=10))
            first = await client.send(sign(poor, 0, value=10))
            assert await client.receipt(first)
            await chain.mine()
            assert await client.call("eth_getTransactionByHash", second) is None
            third = await client.send(sign(poor, 1, value=0))
            assert await client.receipt(third)
            mined = [t for block in await client.blocks() for t in block["transactions"]]
            assert mined == [first, third]

    asyncio.run(run())


def test_too_many_waiting_transactions_are_refused(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "chain", tuning=Tuning(max_pending=3)) as (_, client):
            for nonce in (1, 2, 3):
                await client.send(sign(account(1), nonce))
            with pytest.raises(RpcError, match="3 transactions wait already"):
                await client.send(sign(account(2), 0))

    asyncio.run(run())


def test_logs_and_receipts_are_complete(tmp_path: Path) -> None:
    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path / "chain", clock) as (_, client):
            sent = await client.send(sign(account(1), 0, to=b"", data=LOGS_TIME))
            contract = (await client.receipt(sent))["contractAddress"]
            for nonce in (1, 2, 3):
                clock.now += 100
                await client.receipt(await client.send(sign(account(1), nonce, to=contract)))
            found = {"address": contract, "fromBlock": "earliest", "toBlock": "finalized"}
            logs = await client.call("eth_getLogs", found)
            times = [int(log["data"], 16) for log in logs]
            assert times == [GENESIS + 107, GENESIS + 207, GENESIS + 307]

    asyncio.run(run())


def test_a_block_that_does_not_follow_is_never_shown(tmp_path: Path) -> None:
    """What anvil knows beyond the journal is void: a stray block makes it start over."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path / "chain", clock) as (chain, client):
            await client.receipt(await client.send(sign(account(1), 0)))
            before, pid = chain.head, chain.anvil_pid
            await mine_block(chain._engine._anvil, before.timestamp)
            clock.now += 60
            head = await chain.mine()
            assert head.number == before.number + 1
            assert chain.anvil_pid != pid
            blocks = await client.blocks()
            assert blocks[-1]["hash"] == "0x" + head.hash.hex()
            assert blocks[-1]["parentHash"] == "0x" + before.hash.hex()

    asyncio.run(run())
