"""Transactions of one account: nonces, gas, receipts, refusals.

Rule: one account's transactions leave through one `Sender`, which holds the nonce under a lock from
estimate to acceptance. Where gas costs something, a transaction that would revert is refused before
it is sent, with the contract's own error; one that reverts on chain is executed again to learn why.
Where gas is free, the chain itself decides: an estimate sees the time of the newest block, and on a
chain that makes blocks only when something happens the next one may be much later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from eth_account.signers.local import LocalAccount

from commonworks.chain.abi import Refusal
from commonworks.chain.endpoints import Endpoint, Endpoints, Rejected, bytes_of, hex_of, int_of
from commonworks.chain.logs import RawLog, parse_log
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict, Unavailable

RECEIPT_TIMEOUT_S: Final = 120.0
"""Longest wait for a transaction to be mined and final before `Unavailable` is raised."""

POLL_FIRST_S: Final = 0.01
"""First pause between two looks for a receipt; doubles up to the last."""

POLL_LAST_S: Final = 1.0
"""Longest pause between two looks for a receipt."""

BATCH_MAX: Final = 256
"""Most transactions of one account that are under way at once."""

GAS_MARGIN_PERCENT: Final = 30
"""Added to an estimate: the state may move between estimate and execution."""

FREE_GAS_LIMIT: Final = 15_000_000
"""Gas limit of a call that an estimate refused where gas is free; below the cap of EIP-7825."""

_NONCE_WORDS: Final = ("nonce", "already known", "already imported", "replacement")
"""How nodes say that this transaction, or another one in its place, came before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A transaction to be: everything but account, nonce and fees."""

    to: bytes | None
    """Contract to call, 20 bytes; None creates one."""
    data: bytes
    """Call data, or creation code with arguments."""
    gas: int | None = None
    """Gas limit; None estimates it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A transaction that the chain carried out."""

    tx: bytes
    """Hash, 32 bytes."""
    block: int
    """Block that contains it."""
    gas_used: int
    created: bytes | None
    """Address of the contract that it created."""
    logs: tuple[RawLog, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fees:
    maximum: int
    priority: int


class Sender:
    """Sends the transactions of one account."""

    def __init__(
        self,
        endpoints: Endpoints,
        account: LocalAccount,
        *,
        confirmations: int = 0,
        timeout_s: float = RECEIPT_TIMEOUT_S,
    ) -> None:
        self._endpoints = endpoints
        self._account = account
        self._confirmations = confirmations
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._nonce: int | None = None
        self._chain_id: int | None = None
        self.address = bytes.fromhex(account.address[2:])

    async def send(self, call: Call) -> Receipt:
        """Send one call and return its receipt once it is final.

        Raises: Conflict with the contract's own error when it is refused, Unavailable when no
        endpoint answers or nothing is mined in time (the transaction may still be carried out).
        """
        return (await self.batch([call]))[0]

    async def batch(self, calls: Sequence[Call]) -> tuple[Receipt, ...]:
        """Send calls with consecutive nonces; return their receipts in order once all are final.

        All estimates are made before anything is sent: a call that depends on an earlier one of
        the same batch should have its `gas` given. Raises as `send`: for the first call refused,
        after every other one of its slice of BATCH_MAX was waited for.
        """
        receipts: list[Receipt] = []
        for start in range(0, len(calls), BATCH_MAX):
            receipts += await self._slice(calls[start : start + BATCH_MAX])
        return tuple(receipts)

    async def next_nonce(self, block: str = "pending") -> int:
        """Return the account's next nonce, counting what is `pending` or only what is mined."""
        answer = await self._endpoints.request(
            "eth_getTransactionCount", hex_of(self.address), block
        )
        return int_of(answer)

    async def _slice(self, calls: Sequence[Call]) -> Sequence[Receipt]:
        async with self._lock:
            fees = await self._fees()
            limits = await asyncio.gather(*(self._gas(call, fees) for call in calls))
            sent = await self._submit(calls, limits, fees)
        outcomes = await asyncio.gather(
            *(
                self._receipt(tx, raw, call, gas)
                for (tx, raw), call, gas in zip(sent, calls, limits, strict=True)
            ),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return cast(Sequence[Receipt], outcomes)

    async def _submit(
        self, calls: Sequence[Call], limits: Sequence[int], fees: _Fees
    ) -> list[tuple[bytes, bytes]]:
        """Sign and hand over every call; return hash and raw bytes of each. Holds the lock.

        A nonce that somebody else used (the same account in another process) is read again once.
        """
        for attempt in (1, 2):
            if self._nonce is None:
                self._nonce = await self.next_nonce()
            first = self._nonce
            signed = [
                await self._sign(call, gas, first + offset, fees)
                for offset, (call, gas) in enumerate(zip(calls, limits, strict=True))
            ]
            answers = await asyncio.gather(
                *(self._hand_over(tx, raw) for tx, raw in signed), return_exceptions=True
            )
            failures = [answer for answer in answers if isinstance(answer, BaseException)]
            if not failures:
                self._nonce = first + len(calls)
                return signed
            self._nonce = None
            stale = isinstance(failures[0], Rejected) and _speaks_of_nonce(failures[0])
            if attempt == 2 or not stale or len(failures) < len(calls):
                raise failures[0]
        raise Unavailable("the account's nonce keeps changing")

    async def _hand_over(self, tx: bytes, raw: bytes) -> None:
        """Give one signed transaction to an endpoint; one that it knows already is fine."""
        try:
            await self._endpoints.request("eth_sendRawTransaction", hex_of(raw))
        except Rejected as error:
            if not _speaks_of_nonce(error):
                raise
            if await self._endpoints.request("eth_getTransactionByHash", hex_of(tx)) is None:
                raise

    async def _sign(self, call: Call, gas: int, nonce: int, fees: _Fees) -> tuple[bytes, bytes]:
        if self._chain_id is None:
            self._chain_id = await self._endpoints.chain_id()
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": nonce,
            "gas": gas,
            "maxFeePerGas": fees.maximum,
            "maxPriorityFeePerGas": fees.priority,
            "value": 0,
            "data": call.data,
        }
        if call.to is not None:
            fields["to"] = call.to
        raw = bytes(self._account.sign_transaction(fields).raw_transaction)
        return keccak256(raw), raw

    async def _fees(self) -> _Fees:
        """Return fees that a block's base fee may double under; nothing where nothing is asked."""

        async def read(endpoint: Endpoint) -> _Fees:
            base = int_of((await endpoint.block("latest")).get("baseFeePerGas", "0x0"))
            priority = int_of(await endpoint.request("eth_maxPriorityFeePerGas"))
            return _Fees(maximum=2 * base + priority, priority=priority)

        return await self._endpoints.run(read)

    async def _gas(self, call: Call, fees: _Fees) -> int:
        if call.gas is not None:
            return call.gas
        # named: without a block some nodes estimate in a pending one with a time of its own
        request = (self._request(call), "latest")
        try:
            estimate = int_of(await self._endpoints.request("eth_estimateGas", *request))
        except Rejected:
            raise
        except Conflict:
            if fees.maximum > 0:
                raise
            return FREE_GAS_LIMIT
        return estimate + estimate * GAS_MARGIN_PERCENT // 100

    def _request(self, call: Call) -> dict[str, str]:
        request = {"from": hex_of(self.address), "data": hex_of(call.data)}
        if call.to is not None:
            request["to"] = hex_of(call.to)
        return request

    async def _receipt(self, tx: bytes, raw: bytes, call: Call, gas: int) -> Receipt:
        """Return the receipt once its block is final; raise what the contract said otherwise."""
        pause_s = POLL_FIRST_S
        try:
            async with asyncio.timeout(self._timeout_s):
                while (found := await self._endpoints.run(lambda e: self._final(e, tx))) is None:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, POLL_LAST_S)
                    if pause_s == POLL_LAST_S:  # a reorganisation may have dropped it
                        await self._again(raw)
        except TimeoutError:
            raise Unavailable(
                f"transaction {hex_of(tx)} is not final after {self._timeout_s} s", tx=tx
            ) from None
        receipt = _parse_receipt(found)
        if int_of(found["status"]) == 1:
            return receipt
        raise await self._why(call, gas, receipt)

    async def _final(self, endpoint: Endpoint, tx: bytes) -> dict[str, object] | None:
        found = await endpoint.request("eth_getTransactionReceipt", hex_of(tx))
        if not isinstance(found, dict) or found.get("blockNumber") is None:
            return None
        deep = int_of(found["blockNumber"]) + self._confirmations
        if self._confirmations and await endpoint.block_number() < deep:
            return None
        return found

    async def _again(self, raw: bytes) -> None:
        try:
            await self._endpoints.request("eth_sendRawTransaction", hex_of(raw))
        except (Rejected, Unavailable):
            return  # known, mined or nobody there: the receipt or the timeout will tell

    async def _why(self, call: Call, gas: int, receipt: Receipt) -> Conflict:
        """Execute a reverted call again in the state of its block and return its refusal."""
        request = self._request(call) | {"gas": hex(gas)}
        try:
            await self._endpoints.request("eth_call", request, hex(receipt.block))
        except Conflict as error:
            return error
        return Refusal(name="unknown", arguments={"tx": receipt.tx}).conflict()


def _speaks_of_nonce(error: Rejected) -> bool:
    return any(word in error.message for word in _NONCE_WORDS)


def _parse_receipt(found: dict[str, object]) -> Receipt:
    created = found.get("contractAddress")
    return Receipt(
        tx=bytes_of(found["transactionHash"]),
        block=int_of(found["blockNumber"]),
        gas_used=int_of(found["gasUsed"]),
        created=None if created is None else bytes_of(created),
        logs=tuple(parse_log(entry) for entry in cast(list[object], found["logs"])),
    )
