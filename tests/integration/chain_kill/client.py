"""A JSON-RPC client and signed transactions, for tests of the embedded chain."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import to_checksum_address

CHAIN_ID = 1009
TIMEOUT_S = 60

# Runtime code of two contracts, each with its constructor: the first logs the block's timestamp
# when called, the second returns it.
LOGS_TIME = "0x6009600c60003960096000f34260005260206000a0"
RETURNS_TIME = "0x6009600c60003960096000f34260005260206000f3"


def account(number: int) -> LocalAccount:
    """Return one of many fixed accounts; none has any coin."""
    return Account.from_key((0x1357_9BDF + number).to_bytes(32, "big"))


def sign(signer: LocalAccount, nonce: int, **fields: Any) -> str:
    """Return a signed transaction that costs nothing, as 0x string."""
    defaults = {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": "0x" + "11" * 20,
        "value": 0,
        "gas": 500_000,
        "maxFeePerGas": 0,
        "maxPriorityFeePerGas": 0,
    }
    merged = {**defaults, **fields}
    if merged["to"]:
        merged["to"] = to_checksum_address(merged["to"])
    return "0x" + bytes(signer.sign_transaction(merged).raw_transaction).hex()


class RpcError(Exception):
    """The chain answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Client:
    """JSON-RPC calls to one endpoint."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, body: object, **options: Any) -> tuple[int, Any]:
        """Post a JSON body, or raw `data`; return status and decoded answer."""
        content = options or {"json": body}
        async with self._session.post(self.endpoint, **content) as response:
            return response.status, await response.json(content_type=None)

    async def call(self, method: str, *parameters: object) -> Any:
        """Return a call's result or raise RpcError."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        _, answer = await self.post(body)
        if "error" in answer:
            raise RpcError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    async def batch(self, calls: list[tuple[str, list[object]]]) -> list[Any]:
        """Return the results of a batch of calls."""
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
            for number, (method, parameters) in enumerate(calls)
        ]
        _, answers = await self.post(body)
        return [answer["result"] for answer in answers]

    async def send(self, raw: str) -> str:
        """Send a raw transaction and return its hash: from now on it is durable."""
        result: str = await self.call("eth_sendRawTransaction", raw)
        return result

    async def receipt(self, identity: str) -> Any:
        """Return a transaction's receipt, once there is one."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                receipt = await self.call("eth_getTransactionReceipt", identity)
                if receipt is not None:
                    return receipt

    async def blocks(self) -> list[Any]:
        """Return all blocks from genesis to the head, with transaction hashes."""
        head = int(await self.call("eth_blockNumber"), 16)
        numbers = range(head + 1)
        blocks: list[Any] = []
        for start in range(0, len(numbers), 100):
            calls: list[tuple[str, list[object]]] = [
                ("eth_getBlockByNumber", [hex(number), False])
                for number in numbers[start : start + 100]
            ]
            blocks += await self.batch(calls)
        return blocks
