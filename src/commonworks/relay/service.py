"""The relay role: hands in what members signed, and pays for it within what policy allows.

Rule: nothing is paid for before the chain, asked without paying, has said that it would carry the
message out, and before the gas is booked durably. What one account sends goes one after the other,
so that the second of two copies finds the first one done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from commonworks.errors import Conflict, InvalidInput, NotFound, Unavailable
from commonworks.model import Network
from commonworks.ports import Clock, Store
from commonworks.relay.books import Books
from commonworks.relay.chain import Carried, Examined, Limits, RelayChain
from commonworks.relay.messages import (
    CreateAccount,
    Message,
    UnknownKind,
    charged,
    decode_message,
)
from commonworks.relay.reasons import SIGNATURE_ERRORS, Reason
from commonworks.units import PPM

NEWCOMERS_PPM: Final = 100_000
"""Share of everybody's gas that accounts may use which take no part yet: anybody can make accounts
without end, and must not use up what members share."""

WAITING_MAX: Final = 256
"""Most messages under way at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """A message that the chain carried out."""

    transaction: bytes
    """Hash, 32 bytes."""
    account: bytes
    """Whose budget paid, 20 bytes."""
    gas: int
    """What it took."""
    left: int
    """What is left of the account's gas in this epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """A message that the relay does not hand in, or that the chain refused all the same."""

    reason: Reason
    detail: str
    """One line for people: what is wrong and what to do."""
    error: str | None = None
    """The contract's own error."""
    renews: int | None = None
    """When the budget renews, Unix seconds."""
    transaction: bytes | None = None
    """Hash where gas was paid all the same, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a relay still pays for an account."""

    network_id: bytes
    """The network that it serves, 32 bytes."""
    account: bytes
    epoch: int
    member: bool
    """Whether it takes part; a newcomer shares a tenth of the total with all newcomers."""
    limit: int
    """Gas for this account in the epoch."""
    spent: int
    """Gas booked for it so far."""
    left: int
    """What it may still use: the least of its own rest and of everybody's."""
    renews: int
    """When the next epoch opens, Unix seconds."""


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Relay:
    """One relay over its ports. Open it with `Relay.open`; calls may overlap."""

    def __init__(self, *, network: Network, store: Store, chain: RelayChain, clock: Clock) -> None:
        """`store` is this relay's own folder."""
        self._network = network
        self._chain = chain
        self._clock = clock
        self._books = Books(store)
        self._booking = asyncio.Lock()
        self._turns: dict[bytes, _Turn] = {}
        self._waiting = 0
        self._limits: tuple[int, Limits] | None = None

    @classmethod
    async def open(
        cls, *, network: Network, store: Store, chain: RelayChain, clock: Clock
    ) -> Relay:
        """Return a relay that knows what it paid in the present epoch.

        Raises: Corrupt when its books are damaged, Unavailable when they cannot be read.
        """
        relay = cls(network=network, store=store, chain=chain, clock=clock)
        await relay._turn_books()
        return relay

    async def hand_in(self, document: bytes) -> Relayed | Declined:
        """Hand in one message; return once it is in a final block, or why it is not.

        Inputs: any bytes. Raises: Corrupt when the books are damaged; everything else is an answer.
        """
        try:
            message = decode_message(document)
        except UnknownKind as error:
            return Declined(reason=Reason.UNKNOWN_KIND, detail=str(error))
        except InvalidInput as error:
            return Declined(reason=Reason.MALFORMED, detail=str(error))
        if self._waiting >= WAITING_MAX:
            return Declined(
                reason=Reason.UNAVAILABLE, detail="the relay has too much to do; try again shortly"
            )
        self._waiting += 1
        try:
            async with self._in_turn(_queue(message)):
                return await self._relay(message)
        except Unavailable as error:
            return Declined(reason=Reason.UNAVAILABLE, detail=str(error))
        finally:
            self._waiting -= 1

    async def budget(self, account: bytes) -> Budget:
        """Return what this relay still pays for an account. Raises Unavailable."""
        member = await self._chain.is_member(account)
        async with self._booking:
            epoch = await self._turn_books()
            limits = await self._limits_of(epoch)
            return Budget(
                network_id=self._network.network_id,
                account=account,
                epoch=epoch,
                member=member,
                limit=limits.member_gas,
                spent=self._books.of(account).gas,
                left=self._left(account, limits, member=member),
                renews=self._network.epoch_start(epoch + 1),
            )

    async def _relay(self, message: Message) -> Relayed | Declined:
        try:
            examined = await self._chain.examine(message)
        except NotFound as error:
            return Declined(reason=Reason.NO_ACCOUNT, detail=str(error))
        except Conflict as error:
            return _refused(str(error.fields.get("refusal", "unknown")), error.message)
        async with self._booking:
            epoch = await self._turn_books()
            limits = await self._limits_of(epoch)
            left = self._left(examined.account, limits, member=examined.member)
            if examined.gas > left:
                return self._over(examined, limits, left, epoch)
            await self._book(epoch, examined, examined.gas)
        carried = await self._carry(message, examined, epoch)
        await self._correct(epoch, examined, carried.gas_used - examined.gas)
        left = self._left(examined.account, limits, member=examined.member)
        if carried.transaction is None or carried.error is not None:
            refusal = carried.error or "unknown"
            detail = f"the chain refused it when it came: {refusal}; sign it anew"
            return _refused(refusal, detail, carried.transaction)
        return Relayed(
            transaction=carried.transaction,
            account=examined.account,
            gas=carried.gas_used,
            left=left,
        )

    async def _carry(self, message: Message, examined: Examined, epoch: int) -> Carried:
        """Send a message whose gas is booked; give the gas back where nothing was sent."""
        try:
            return await self._chain.carry(message, examined.gas)
        except Unavailable as error:
            if error.fields.get("sent") is False:
                await self._correct(epoch, examined, -examined.gas)
            raise

    async def _correct(self, epoch: int, examined: Examined, gas: int) -> None:
        """Give gas back. Where the books cannot be written now, the full amount stays booked."""
        with suppress(Unavailable):
            async with self._booking:
                await self._book(epoch, examined, gas)

    async def _book(self, epoch: int, examined: Examined, gas: int) -> None:
        await self._books.book(epoch, examined.account, gas, newcomer=not examined.member)

    def _over(self, examined: Examined, limits: Limits, left: int, epoch: int) -> Declined:
        renews = self._network.epoch_start(epoch + 1)
        if examined.gas > limits.member_gas:
            detail = f"it takes {examined.gas} gas; an account has {limits.member_gas} an epoch"
        else:
            detail = f"it takes {examined.gas} gas and {left} are left; the budget renews then"
        return Declined(reason=Reason.OVER_BUDGET, detail=detail, renews=renews)

    def _left(self, account: bytes, limits: Limits, *, member: bool) -> int:
        """Return the gas that may still be booked for an account in the books' epoch."""
        rests = [
            limits.member_gas - self._books.of(account).gas,
            limits.total_gas - self._books.total.gas,
        ]
        if not member:
            shared = limits.total_gas * NEWCOMERS_PPM // PPM
            rests.append(shared - self._books.total.as_newcomer)
        return max(0, min(rests))

    async def _turn_books(self) -> int:
        """Open the books of the present epoch and return it; before genesis it is epoch 0."""
        epoch = max(0, self._network.epoch_at(self._clock.now()))
        await self._books.turn_to(epoch)
        return self._books.epoch

    async def _limits_of(self, epoch: int) -> Limits:
        """Return the limits of an epoch; asked once, since an open epoch's policy is fixed."""
        if self._limits is None or self._limits[0] != epoch:
            limits = await self._chain.limits(epoch)
            if self._clock.now() < self._network.genesis_time:
                return limits
            self._limits = (epoch, limits)
        return self._limits[1]

    @asynccontextmanager
    async def _in_turn(self, key: bytes) -> AsyncIterator[None]:
        """Wait until nothing else of the same account is under way."""
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if turn.users == 0:
                del self._turns[key]


def _queue(message: Message) -> bytes:
    """Return what tells apart the accounts whose messages may overlap."""
    return message.qx if isinstance(message, CreateAccount) else charged(message) or b""


def _refused(error: str, detail: str, transaction: bytes | None = None) -> Declined:
    reason = Reason.BAD_SIGNATURE if error in SIGNATURE_ERRORS else Reason.WOULD_FAIL
    return Declined(reason=reason, detail=detail, error=error, transaction=transaction)
