"""The proxy: what clients may ask, and the limits of asking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from chain_kill.chains import Clock, opened
from chain_kill.client import LOGS_TIME, Client, RpcError, account, sign
from web3 import AsyncHTTPProvider, AsyncWeb3

from commonworks.chain.embedded import EmbeddedChain
from commonworks.chain.embedded.proxy import LOCAL_METHODS, MAX_BATCH, MAX_REQUEST_BYTES, METHODS

Act = Callable[[EmbeddedChain, Client], Awaitable[None]]


@pytest.fixture
def served(tmp_path: Path) -> Callable[[Act], None]:
    """Return a function that runs something with a chain and a client."""

    def serve(act: Act) -> None:
        async def run() -> None:
            async with opened(tmp_path / "chain", Clock()) as (chain, client):
                await act(chain, client)

        asyncio.run(run())

    return serve


def test_the_allow_list_is_what_the_documentation_says() -> None:
    adr = Path(__file__).parents[2] / "docs" / "adr" / "0001-embedded-chain.md"
    text = adr.read_text(encoding="utf-8")
    for method in (*METHODS, *LOCAL_METHODS):
        assert f"`{method}`" in text


def test_each_offered_method_answers(served: Callable[[Act], None]) -> None:
    address, block = "0x" + "11" * 20, "0x" + "22" * 32
    calls: dict[str, list[object]] = {
        "eth_accounts": [],
        "eth_blockNumber": [],
        "eth_call": [{"to": address}, "latest"],
        "eth_chainId": [],
        "eth_estimateGas": [{"to": address}],
        "eth_feeHistory": ["0x1", "latest", [50]],
        "eth_gasPrice": [],
        "eth_getBalance": [address, "latest"],
        "eth_getBlockByHash": [block, False],
        "eth_getBlockByNumber": ["latest", False],
        "eth_getCode": [address, "latest"],
        "eth_getLogs": [{"fromBlock": "0x0"}],
        "eth_getStorageAt": [address, "0x0", "latest"],
        "eth_getTransactionByHash": [block],
        "eth_getTransactionCount": [address, "pending"],
        "eth_getTransactionReceipt": [block],
        "eth_maxPriorityFeePerGas": [],
        "eth_sendRawTransaction": [sign(account(1), 0)],
        "eth_syncing": [],
        "net_version": [],
        "web3_clientVersion": [],
    }

    async def act(_: EmbeddedChain, client: Client) -> None:
        answers = {method: await client.call(method, *params) for method, params in calls.items()}
        assert answers["eth_chainId"] == hex(1009)
        assert answers["net_version"] == "1009"
        assert answers["eth_gasPrice"] == answers["eth_maxPriorityFeePerGas"] == "0x0"
        assert answers["eth_accounts"] == []
        assert answers["eth_syncing"] is False
        assert "single-operator chain" in answers["web3_clientVersion"]
        assert set(answers["eth_feeHistory"]["baseFeePerGas"]) == {"0x0"}

    assert set(calls) == {*METHODS, *LOCAL_METHODS}
    served(act)


@pytest.mark.parametrize(
    "method",
    [
        *("anvil_setBalance", "anvil_dumpState", "anvil_loadState", "anvil_mine", "anvil_reset"),
        *("evm_mine", "evm_mine_detailed", "evm_revert", "evm_setNextBlockTimestamp"),
        *("hardhat_setCode", "debug_traceTransaction", "txpool_content", "eth_sendTransaction"),
        *("eth_sign", "eth_signTransaction", "eth_sendUnsignedTransaction", "personal_sign"),
        *("wallet_getCapabilities", "ots_getApiLevel", "trace_block", "ETH_CHAINID", "", "x" * 999),
    ],
)
def test_no_other_method_exists(served: Callable[[Act], None], method: str) -> None:
    async def act(_: EmbeddedChain, client: Client) -> None:
        with pytest.raises(RpcError, match="does not offer") as caught:
            await client.call(method)
        assert caught.value.code == -32601

    served(act)


def test_a_batch_is_worked_off_in_order(served: Callable[[Act], None]) -> None:
    async def act(_: EmbeddedChain, client: Client) -> None:
        sends: list[tuple[str, list[object]]] = [
            ("eth_sendRawTransaction", [sign(account(1), nonce)]) for nonce in range(7)
        ]
        count = ("eth_getTransactionCount", [account(1).address, "pending"])
        *sent, last = await client.batch([*sends, count])
        assert int(last, 16) == 7
        assert [int((await client.receipt(i))["status"], 16) for i in sent] == [1] * 7

    served(act)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"[" * 100_000, -32600),
        (b"[" * 1_999, -32700),
        (("[" * 100_000).encode("utf-16"), -32600),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (b"[" + b",".join([b"1"] * (MAX_BATCH + 1)) + b"]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0xzz"]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x02"]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["x",1]}', -32602),
    ],
)
def test_malformed_requests_get_their_error(
    served: Callable[[Act], None], body: bytes, code: int
) -> None:
    async def act(_: EmbeddedChain, client: Client) -> None:
        headers = {"content-type": "application/json"}
        status, answer = await client.post(None, data=body, headers=headers)
        assert (status, answer["error"]["code"]) == (200, code)
        assert await client.call("eth_chainId") == hex(1009)

    served(act)


def test_http_has_its_own_refusals(served: Callable[[Act], None]) -> None:
    async def act(chain: EmbeddedChain, client: Client) -> None:
        headers = {"content-type": "text/plain"}
        assert (await client.post(None, data=b"{}", headers=headers))[0] == 415
        large = b" " * (MAX_REQUEST_BYTES + 1)
        headers = {"content-type": "application/json"}
        assert (await client.post(None, data=large, headers=headers))[0] == 413
        async with client._session.get(chain.endpoint) as response:
            assert response.status == 405

    served(act)


def test_every_visible_block_counts_as_final(served: Callable[[Act], None]) -> None:
    async def act(chain: EmbeddedChain, client: Client) -> None:
        await client.receipt(await client.send(sign(account(1), 0)))
        latest = await client.call("eth_getBlockByNumber", "latest", False)
        for tag in ("finalized", "safe", "pending"):
            assert await client.call("eth_getBlockByNumber", tag, False) == latest

    served(act)


def test_web3_works_without_special_settings(served: Callable[[Act], None]) -> None:
    async def act(chain: EmbeddedChain, client: Client) -> None:
        web3: Any = AsyncWeb3(AsyncHTTPProvider(chain.endpoint))
        signer = account(1)
        fields = {
            "from": signer.address,
            "data": LOGS_TIME,
            "nonce": await web3.eth.get_transaction_count(signer.address),
            "chainId": await web3.eth.chain_id,
            "maxFeePerGas": await web3.eth.gas_price,
            "maxPriorityFeePerGas": await web3.eth.max_priority_fee,
        }
        fields["gas"] = await web3.eth.estimate_gas(fields)
        signed = signer.sign_transaction(fields)
        sent = await web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = await web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        assert receipt["status"] == 1
        assert await web3.eth.get_code(receipt["contractAddress"])
        assert (await web3.eth.get_block("finalized"))["number"] == receipt["blockNumber"]
        await web3.provider.disconnect()

    served(act)
