"""The agent: delivers what its devices say, and does not let go before it is evidence.

Goal: no reading is lost to a gateway that is down, slow, cut off, or lies.
Rule: written before it is sent; believed only by a receipt that verifies; kept until a closed range
contains it; sent to another gateway when that takes too long. Sending twice is always safe.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.agent.answers import PASSING, Gate, Refused, check_answer
from commonworks.agent.devices import Device, sign_ready
from commonworks.agent.queue import Pending, Queue
from commonworks.crypto.cbor import decode_sequence
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import InvalidInput, Unavailable
from commonworks.events import (
    Closed,
    Event,
    GatewayRegistered,
)
from commonworks.ports import Chain, Clock, Keys, Store, Transport
from commonworks.statements.codec import Item
from commonworks.statements.model import MAX_ITEMS_PER_POST
from commonworks.units import DAY_S

SUBMIT_PATH: Final = "/v1/statements"

BODY_BYTES_MAX: Final = 16 << 20
"""Most bytes put into one submission; well below what a gateway takes."""

REFUSALS_KEPT_MAX: Final = 1_000
"""Newest refusals kept for people to look at; the counts go on."""

BLOCKS_PER_READ: Final = 10_000
"""Most blocks of events asked for at once."""

_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAddress:
    """A gateway that statements may be sent to."""

    name: str
    """Its name."""
    endpoint: str
    """Its URL."""
    log_id: bytes
    """Its log, 32 bytes."""
    receipt_key: PublicKey
    """The ES256 key that its receipts verify under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """How patient an agent is. All times are network time."""

    network_id: bytes
    """Network that it reports to, 32 bytes."""
    gateways: tuple[GatewayAddress, ...] = ()
    """Gateways known besides those registered on chain, preferred first."""
    resubmit_after_s: int = 2 * DAY_S
    """How long after a receipt a statement may stay outside every closed range before it is sent
    to another gateway as well."""
    retry_after_s: int = 60
    """How long a statement waits after it was refused, or nobody answered."""
    give_up_after_s: int = 7 * DAY_S
    """How long a statement that is only ever refused is tried; later it would be too late."""


class Agent:
    """One agent over its ports, for any number of devices. `tick` does everything."""

    def __init__(
        self,
        *,
        settings: AgentSettings,
        transport: Transport,
        clock: Clock,
        store: Store,
        keys: Keys,
        chain: Chain | None = None,
        devices: Sequence[Device] = (),
    ) -> None:
        """`store` is this agent's own folder; `keys` holds its devices' keys by name."""
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._keys = keys
        self._chain = chain
        self._devices = tuple(devices)
        self._queue = Queue(store)
        self._gateways: dict[bytes, GatewayAddress] = {g.log_id: g for g in settings.gateways}
        self._preferred: bytes | None = None
        self._closed: dict[bytes, int] = {}
        self._next_block = 0
        self._ticking = asyncio.Lock()
        self._acknowledged = 0
        self._given_up = 0
        self._faults: Counter[str] = Counter()
        self._refusal_counts: Counter[str] = Counter()
        self.refusals: deque[Refused] = deque(maxlen=REFUSALS_KEPT_MAX)
        """The newest refusals, verified, oldest first."""

    async def open(self) -> None:
        """Take up what an earlier process left in the queue."""
        await self._queue.load()

    @property
    def pending(self) -> int:
        """Statements that no closed range contains yet."""
        return len(self._queue)

    @property
    def unacknowledged(self) -> int:
        """Statements that no gateway has given a receipt for yet."""
        return sum(not pending.places for _, pending in self._queue.items())

    @property
    def acknowledged(self) -> int:
        """First receipts received since start."""
        return self._acknowledged

    @property
    def given_up(self) -> int:
        """Statements dropped since start: refused for good everywhere, or for too long."""
        return self._given_up

    @property
    def refusal_counts(self) -> Mapping[str, int]:
        """Refusals received since start, by reason."""
        return dict(self._refusal_counts)

    @property
    def faults(self) -> Mapping[str, int]:
        """Answers that proved nothing since start, by gateway: a gateway that lies shows here."""
        return dict(self._faults)

    def receipts(self) -> list[tuple[Item, bytes]]:
        """Return (item, receipt) of everything pending that has one."""
        return [
            (pending.item, receipt)
            for _, pending in self._queue.items()
            for receipt in pending.receipts.values()
        ]

    async def enqueue(self, items: Sequence[Item]) -> None:
        """Take over signed items; on return they are durable and will be delivered."""
        await self._queue.add(items, self._clock.now())

    async def tick(self) -> None:
        """Sign what is ready, follow the chain, deliver. Safe to repeat at any moment.

        A gateway that does not answer is no error: the queue waits. Raises Unavailable when the
        store or the chain does not answer; nothing is lost by that either, and without the chain
        statements are delivered all the same to the gateways that are known.
        """
        async with self._ticking:
            await self._sign_ready()
            unreachable: Unavailable | None = None
            try:
                await self._follow()
                await self._let_go()
            except Unavailable as error:
                unreachable = error
            await self._deliver()
            if unreachable is not None:
                raise unreachable

    async def _sign_ready(self) -> None:
        now = self._clock.now()
        items: list[Item] = []
        for device in self._devices:
            key = self._keys.signer(device.key)
            items += sign_ready(device, key, network_id=self._settings.network_id, now=now)
        await self._queue.add(items, now)

    async def _follow(self) -> None:
        if self._chain is None:
            return
        last = (await self._chain.head()).block
        while self._next_block <= last:
            upto = min(last, self._next_block + BLOCKS_PER_READ - 1)
            for event in await self._chain.events(self._next_block, upto):
                self._take(event)
            self._next_block = upto + 1

    def _take(self, event: Event) -> None:
        if isinstance(event, Closed):
            for closed in event.ranges:
                self._closed[closed.log_id] = closed.size
        elif isinstance(event, GatewayRegistered):
            self._gateways[event.log_id] = GatewayAddress(
                name=event.name,
                endpoint=event.endpoint,
                log_id=event.log_id,
                receipt_key=PublicKey(algorithm=Algorithm.ES256, raw=event.receipt_key),
            )

    async def _let_go(self) -> None:
        """Forget what a closed range contains, and what was refused for too long."""
        now = self._clock.now()
        closed: list[bytes] = []
        hopeless: list[bytes] = []
        for name, pending in self._queue.items():
            if any(place < self._closed.get(log, 0) for log, place in pending.places.items()):
                closed.append(name)
            elif not pending.places and now - pending.queued_at > self._settings.give_up_after_s:
                hopeless.append(name)
        await self._queue.remove([*closed, *hopeless])
        self._given_up += len(hopeless)

    async def _deliver(self) -> None:
        """Send what is due to the first gateway that answers, and on to the next where it fails."""
        now = self._clock.now()
        due = {name: p for name, p in self._queue.items() if p.try_at <= now}
        refused: dict[bytes, list[Refused]] = {}
        for gateway in self._in_order():
            wanted = {n: p for n, p in due.items() if gateway.log_id not in p.places}
            for chunk in _chunks(wanted):
                answered = await self._submit(gateway, chunk)
                if answered is None:
                    break
                for name, answer in answered.items():
                    if isinstance(answer, Refused):
                        refused.setdefault(name, []).append(answer)
                    else:
                        del due[name]
        for pending in due.values():
            pending.try_at = now + self._settings.retry_after_s
        final = [name for name in due if self._is_final(refused.get(name, []))]
        await self._queue.remove(final)
        self._given_up += len(final)

    def _is_final(self, refusals: Sequence[Refused]) -> bool:
        """Whether every gateway has refused it for good: no single one may drop a statement."""
        everywhere = bool(refusals) and len(refusals) == len(self._gateways)
        return everywhere and all(refused.reason not in PASSING for refused in refusals)

    def _in_order(self) -> list[GatewayAddress]:
        """Return the gateways, the one that answered last first."""
        gateways = list(self._gateways.values())
        return sorted(gateways, key=lambda gateway: gateway.log_id != self._preferred)

    async def _submit(
        self, gateway: GatewayAddress, chunk: Mapping[bytes, Pending]
    ) -> dict[bytes, Refused | None] | None:
        """Send items to one gateway; return what it acknowledged (None) or refused, by hash.

        None altogether where it gave no usable answer.
        """
        body = b"".join(pending.item.encode() for pending in chunk.values())
        try:
            status, answer = await self._transport.post(gateway.endpoint + SUBMIT_PATH, body)
        except Unavailable:
            return None
        if status != _OK:
            return None
        try:
            answers = decode_sequence(answer, len(chunk))
        except InvalidInput:
            answers = []
        if len(answers) != len(chunk):
            self._faults[gateway.name] += 1
            return None
        self._preferred = gateway.log_id
        return await self._record(gateway, chunk, answers)

    async def _record(
        self, gateway: GatewayAddress, chunk: Mapping[bytes, Pending], answers: Sequence[bytes]
    ) -> dict[bytes, Refused | None]:
        now = self._clock.now()
        gate = Gate(
            name=gateway.name,
            network_id=self._settings.network_id,
            log_id=gateway.log_id,
            receipt_key=gateway.receipt_key,
        )
        result: dict[bytes, Refused | None] = {}
        batches: set[int] = set()
        for (name, pending), data in zip(chunk.items(), answers, strict=True):
            try:
                answer = check_answer(data, pending.item, gate)
            except InvalidInput:
                self._faults[gateway.name] += 1
                continue
            if isinstance(answer, Refused):
                self._refusal_counts[str(answer.reason)] += 1
                self.refusals.append(answer)
                result[name] = answer
                continue
            self._acknowledged += not pending.places
            pending.add_receipt(answer, data)
            pending.try_at = now + self._settings.resubmit_after_s
            batches.add(pending.batch)
            result[name] = None
        await self._queue.save_receipts(batches)
        return result


def _chunks(wanted: Mapping[bytes, Pending]) -> list[dict[bytes, Pending]]:
    """Split what is to be sent into submissions that every gateway takes."""
    chunks: list[dict[bytes, Pending]] = []
    size = BODY_BYTES_MAX
    for name, pending in wanted.items():
        length = len(pending.item.encode())
        if size + length > BODY_BYTES_MAX or len(chunks[-1]) == MAX_ITEMS_PER_POST:
            chunks.append({})
            size = 0
        chunks[-1][name] = pending
        size += length
    return chunks
