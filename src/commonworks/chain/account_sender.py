"""A passkey's account where an account with a key would send transactions.

Whoever acts through a `Sender` can act through this one: what would be transactions of the account
becomes a batch that the passkey signs and a relay hands in, so the contracts see the member account
as their caller. Calls that were given together are carried out in one transaction, whole or not at
all; each gets that transaction's receipt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

from commonworks.chain.abi import contract
from commonworks.chain.endpoints import Endpoints, bytes_of, hex_of, int_of
from commonworks.chain.logs import parse_log
from commonworks.chain.passkey import CALLS_MAX, PasskeySigner, Step
from commonworks.chain.transactions import Call, Receipt
from commonworks.errors import InvalidInput, Unavailable
from commonworks.relay.messages import AccountCall, Execute, Message

BATCH_LIFE_S: Final = 3_600
"""How long a signed batch may be handed in, network time."""

HandIn = Callable[[Message], Awaitable[bytes]]
"""Gives a message to a relay; returns the hash of its transaction once that is final."""


class AccountSender:
    """Sends the calls of one member account, through a relay."""

    def __init__(
        self,
        endpoints: Endpoints,
        signer: PasskeySigner,
        chain_id: int,
        hand_in: HandIn,
        now: Callable[[], int],
    ) -> None:
        """`now` is network time, Unix seconds."""
        self._endpoints = endpoints
        self._signer = signer
        self._chain_id = chain_id
        self._hand_in = hand_in
        self._now = now
        self.address = signer.address

    async def send(self, call: Call) -> Receipt:
        """Have one call carried out; return its receipt. Raises what the relay says against it."""
        return (await self.batch([call]))[0]

    async def batch(self, calls: Sequence[Call]) -> tuple[Receipt, ...]:
        """Have calls carried out in order, up to CALLS_MAX of them in one transaction.

        Returns: a receipt for each call; calls of one transaction share theirs.
        Raises: InvalidInput for a call that creates a contract, and what the relay says.
        """
        receipts: list[Receipt] = []
        for start in range(0, len(calls), CALLS_MAX):
            part = [_step(call) for call in calls[start : start + CALLS_MAX]]
            receipts += [await self._carry_out(part)] * len(part)
        return tuple(receipts)

    async def _carry_out(self, steps: Sequence[Step]) -> Receipt:
        nonce = contract("MemberAccount")["executionNonce"]
        answer = await self._endpoints.call(self.address, nonce.call())
        deadline = self._now() + BATCH_LIFE_S
        signature = self._signer.sign_batch(
            self._chain_id,
            steps,
            nonce=cast(int, nonce.results(answer)[0]),
            deadline=deadline,
        )
        calls = tuple(AccountCall(target=s.target, value=s.value, data=s.data) for s in steps)
        tx = await self._hand_in(
            Execute(account=self.address, calls=calls, deadline=deadline, signature=signature)
        )
        return await read_receipt(self._endpoints, tx)


async def read_receipt(endpoints: Endpoints, tx: bytes) -> Receipt:
    """Return the receipt of a transaction that is in a block; raise Unavailable where none is."""
    found = await endpoints.request("eth_getTransactionReceipt", hex_of(tx))
    if not isinstance(found, dict):
        raise Unavailable(f"no endpoint has the transaction {hex_of(tx)} yet", tx=tx)
    fields: dict[str, Any] = found
    return Receipt(
        tx=bytes_of(fields["transactionHash"]),
        block=int_of(fields["blockNumber"]),
        gas_used=int_of(fields["gasUsed"]),
        created=None,
        logs=tuple(parse_log(entry) for entry in fields["logs"]),
    )


def _step(call: Call) -> Step:
    if call.to is None:
        raise InvalidInput("a member account creates no contracts")
    return Step(target=call.to, data=call.data)
