"""JSON-RPC endpoints of one chain, with fail-over.

Endpoints are tried in the order given, beginning with the last one that answered; one that is dead
or behind is skipped. Before an endpoint is believed it must show the right chain: same chain id,
same genesis block of the network, same network id in the contract. One that shows another chain is
a mistake in the configuration and stops everything, since skipping it would hide the mistake.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint

from commonworks.chain.abi import Refusal, contract, decode_refusal
from commonworks.errors import Conflict, InvalidInput, Unavailable

REQUEST_TIMEOUT_S: Final = 30
"""Longest wait for one answer before an endpoint counts as dead."""

CONNECTIONS_MAX: Final = 32
"""Concurrent connections to one endpoint."""

_HEX_BYTES: Final = re.compile(r"0x([0-9a-fA-F]{2})*")

_REVERTED: Final = 3
"""JSON-RPC error code of an execution that reverted (geth, anvil, reth, ...)."""

_BUSY_CODES: Final = frozenset({-32005, -32016, -32603})
"""Rate limits and internal errors: another endpoint may do better."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an endpoint must show before it is believed."""

    chain_id: int
    settlement: bytes
    """Address of the Settlement contract, 20 bytes."""
    network_id: bytes
    """What that contract must say it is, 32 bytes."""
    genesis_block: int
    """Number of the block that holds the network's first contract."""
    genesis_hash: bytes
    """Hash of that block: two chains with one chain id still differ here."""


class Rejected(Conflict):
    """The endpoint answered, and the answer is no."""


class Endpoint:
    """One JSON-RPC server."""

    def __init__(self, url: str, *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(f"{url!r} is no endpoint", hint="give an http(s) address")
        self.url = url
        self.verified = False
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._provider: AsyncHTTPProvider | None = None
        self._opening = asyncio.Lock()

    async def request(self, method: str, *params: object) -> object:
        """Return the result of one request.

        Raises: Unavailable when nobody answers or the server is overloaded; Conflict with the
        contract's own error when the execution reverted; Rejected for every other refusal.
        """
        provider = await self._open()
        try:
            response = await provider.make_request(RPCEndpoint(method), list(params))
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"endpoint {self.url} does not answer: {error!r}") from error
        if not isinstance(response, dict) or not {"result", "error"} & response.keys():
            raise Unavailable(f"endpoint {self.url} does not speak JSON-RPC")
        refused = response.get("error")
        if refused is not None:
            raise self._refused(method, refused)
        return response["result"]

    async def call(self, to: bytes, data: bytes, block: int | str = "latest") -> bytes:
        """Return what a contract answers in the state after `block`; no code answers nothing."""
        at = block if isinstance(block, str) else hex(block)
        answer = await self.request("eth_call", {"to": hex_of(to), "data": hex_of(data)}, at)
        return bytes_of(answer)

    async def block_number(self) -> int:
        """Return the number of the newest block."""
        return int_of(await self.request("eth_blockNumber"))

    async def block(self, number: int | str) -> dict[str, object]:
        """Return a block's header; raises Unavailable when this endpoint has no such block."""
        at = number if isinstance(number, str) else hex(number)
        block = await self.request("eth_getBlockByNumber", at, False)
        if not isinstance(block, dict):
            raise Unavailable(f"endpoint {self.url} has no block {number} (still syncing?)")
        return block

    async def close(self) -> None:
        """Close the connections."""
        if self._provider is not None:
            await self._provider.disconnect()
            self._provider = None

    async def _open(self) -> AsyncHTTPProvider:
        async with self._opening:
            if self._provider is None:
                provider = AsyncHTTPProvider(
                    self.url,
                    request_kwargs={"timeout": self._timeout},
                    exception_retry_configuration=None,
                )
                # web3's own session opens a new connection for every request
                connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
                session = aiohttp.ClientSession(connector=connector, raise_for_status=True)
                await provider.cache_async_session(session)
                self._provider = provider
            return self._provider

    def _refused(self, method: str, error: object) -> Exception:
        if not isinstance(error, dict):
            return Rejected(f"endpoint {self.url} refuses {method}: {error}")
        code, message, data = error.get("code"), error.get("message"), error.get("data")
        if isinstance(data, dict):
            data = data.get("data")
        if isinstance(data, str) and _HEX_BYTES.fullmatch(data):
            return decode_refusal(bytes.fromhex(data[2:])).conflict()
        if code == _REVERTED or "revert" in str(message):
            return Refusal(name="unknown", arguments={"message": message}).conflict()
        if code in _BUSY_CODES:
            return Unavailable(f"endpoint {self.url} is busy: {message}")
        broke = "insufficient funds" in str(message).lower()
        return Rejected(
            f"endpoint {self.url} refuses {method}: {message}",
            hint="send this account some of the chain's coin, then start again" if broke else "",
            code=code,
        )


class Endpoints:
    """Several endpoints of one chain, used as one."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        identity: Identity | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        if not urls:
            raise InvalidInput("no chain endpoint given", hint="name at least one")
        self._endpoints = [Endpoint(url, timeout_s=timeout_s) for url in urls]
        self._current = 0
        self.identity = identity

    async def run(self, operation: Callable[[Endpoint], Awaitable[T]]) -> T:
        """Return what `operation` returns on the first endpoint that is alive.

        The whole operation runs on one endpoint, so that what it reads fits together; it may run
        again from its beginning on the next one.
        Raises: Unavailable when none answers, Conflict when one shows another chain.
        """
        failures: list[str] = []
        for step in range(len(self._endpoints)):
            position = (self._current + step) % len(self._endpoints)
            endpoint = self._endpoints[position]
            try:
                if not endpoint.verified and self.identity is not None:
                    await verify_identity(endpoint, self.identity)
                    endpoint.verified = True
                result = await operation(endpoint)
            except Unavailable as error:
                endpoint.verified = False  # what comes back may be something else
                failures.append(error.message)
                continue
            self._current = position
            return result
        raise Unavailable(
            f"no chain endpoint answers: {'; '.join(failures)}", hint="check the endpoints"
        )

    async def request(self, method: str, *params: object) -> object:
        """Return the result of one request, as `run` does."""
        return await self.run(lambda endpoint: endpoint.request(method, *params))

    async def call(self, to: bytes, data: bytes, block: int | str = "latest") -> bytes:
        """Return what a contract answers, as `run` does."""
        return await self.run(lambda endpoint: endpoint.call(to, data, block))

    async def chain_id(self) -> int:
        """Return the chain's id (EIP-155)."""
        return int_of(await self.request("eth_chainId"))

    async def close(self) -> None:
        """Close every connection; the endpoints open again when they are used again."""
        for endpoint in self._endpoints:
            await endpoint.close()


async def verify_identity(endpoint: Endpoint, identity: Identity) -> None:
    """Return when the endpoint shows the network's chain.

    Raises: Unavailable when it is behind (no such block yet), Conflict when it is another chain.
    """
    chain_id = int_of(await endpoint.request("eth_chainId"))
    if chain_id != identity.chain_id:
        raise _other_chain(endpoint, f"its chain id is {chain_id}, not {identity.chain_id}")
    block = await endpoint.block(identity.genesis_block)
    if bytes_of(block["hash"]) != identity.genesis_hash:
        raise _other_chain(endpoint, f"its block {identity.genesis_block} is another one")
    answer = await endpoint.call(identity.settlement, contract("Settlement")["networkId"].call())
    if answer != identity.network_id:
        raise _other_chain(endpoint, "its contract names another network")


def _other_chain(endpoint: Endpoint, why: str) -> Conflict:
    return Conflict(
        f"endpoint {endpoint.url} is another chain: {why}",
        hint="remove it from the configuration, or correct the network's manifest",
        endpoint=endpoint.url,
    )


def hex_of(value: bytes) -> str:
    """Return bytes as JSON-RPC writes them."""
    return "0x" + value.hex()


def bytes_of(value: object) -> bytes:
    """Return the bytes behind JSON-RPC's hex; raises Unavailable when the server sent no hex."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise Unavailable(f"the endpoint answered {value!r} where bytes belong")


def int_of(value: object) -> int:
    """Return the integer behind JSON-RPC's hex; raises Unavailable when the server sent none."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise Unavailable(f"the endpoint answered {value!r} where a number belongs")
