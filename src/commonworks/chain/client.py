"""The network's contracts as one operator sees them: adapter behind the port `Chain`.

What it tells is final: blocks fewer than `confirmations` deep do not exist for it, neither in
`head` nor in `events` nor for the receipt that `send` waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from eth_account.signers.local import LocalAccount

from commonworks.chain.abi import contract
from commonworks.chain.endpoints import Endpoint, Endpoints, int_of
from commonworks.chain.events import commitment_values, decode_log, tip_values
from commonworks.chain.logs import RawLog, read_logs
from commonworks.chain.plan import Deployment
from commonworks.chain.transactions import Call, Sender
from commonworks.errors import InvalidInput, Unauthorized
from commonworks.events import (
    Event,
)
from commonworks.ports import Action, Anchor, Attest, Close, Confirm, Finalise, Head

CONFIRMATIONS_MAX: Final = 10_000
"""Deepest finality that makes sense; more is a mistake in the configuration."""


class ChainClient:
    """Implements `ports.Chain` over JSON-RPC endpoints. Without a signer it only reads."""

    def __init__(
        self,
        endpoints: Sequence[str],
        deployment: Deployment,
        signer: LocalAccount | None = None,
        confirmations: int = 0,
    ) -> None:
        if not 0 <= confirmations <= CONFIRMATIONS_MAX:
            raise InvalidInput(f"confirmations = {confirmations} is outside 0..{CONFIRMATIONS_MAX}")
        self.deployment = deployment
        self.endpoints = Endpoints(endpoints, identity=deployment.identity)
        self.sender = (
            None if signer is None else Sender(self.endpoints, signer, confirmations=confirmations)
        )
        self._confirmations = confirmations

    async def head(self) -> Head:
        """Return the newest block that is `confirmations` deep."""

        async def read(endpoint: Endpoint) -> Head:
            newest = await endpoint.block("latest")
            number = int_of(newest["number"])
            if self._confirmations:
                number = max(0, number - self._confirmations)
                newest = await endpoint.block(number)
            return Head(block=number, time=int_of(newest["timestamp"]))

        return await self.endpoints.run(read)

    async def events(self, first_block: int, last_block: int) -> Sequence[Event]:
        """Return the contracts' events of the blocks first..last, in chain order.

        Raises: InvalidInput for an empty or negative span, Unavailable when no endpoint has the
        last block yet.
        """
        if not 0 <= first_block <= last_block:
            raise InvalidInput(f"no blocks {first_block}..{last_block}")
        return await self.endpoints.run(
            lambda endpoint: self._read_events(endpoint, first_block, last_block)
        )

    async def send(self, action: Action) -> bytes:
        """Do `action`; return the transaction's hash once it is final. See `ports.Chain`."""
        if self.sender is None:
            raise Unauthorized(
                "this chain client has no account to act with", hint="name the operator's account"
            )
        receipt = await self.sender.send(self.call_of(action))
        return receipt.tx

    def call_of(self, action: Action) -> Call:
        """Return the transaction that does `action`."""
        functions = contract("Settlement")
        match action:
            case Anchor(tip=tip):
                data = functions["anchor"].call(*tip_values(tip))
            case Confirm(epoch=epoch, tips=tips):
                data = functions["confirm"].call(epoch, [tip_values(tip) for tip in tips])
            case Close(epoch=epoch):
                data = functions["close"].call(epoch)
            case Attest(epoch=epoch, commitment=commitment):
                data = functions["attest"].call(epoch, commitment_values(commitment))
            case Finalise(epoch=epoch, commitment=commitment):
                data = functions["finalise"].call(epoch, commitment_values(commitment))
        return Call(to=self.deployment.settlement, data=data)

    async def close(self) -> None:
        """Close the connections."""
        await self.endpoints.close()

    async def _read_events(self, endpoint: Endpoint, first: int, last: int) -> Sequence[Event]:
        sources = self.deployment.watched
        logs = await read_logs(endpoint, tuple(sources), first, last)
        times = await _block_times(endpoint, logs)
        events = (decode_log(sources[log.address], log, times[log.block]) for log in logs)
        return tuple(event for event in events if event is not None)


async def _block_times(endpoint: Endpoint, logs: Sequence[RawLog]) -> Mapping[int, int]:
    """Return the timestamp of every block that the logs stand in."""
    times = {log.block: log.time for log in logs if log.time is not None}
    for number in sorted({log.block for log in logs} - times.keys()):
        times[number] = int_of((await endpoint.block(number))["timestamp"])
    return times
