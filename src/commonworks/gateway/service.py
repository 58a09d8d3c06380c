"""The gateway: pools what arrives, answers with receipts, follows the chain, anchors its log.

Goal: an acknowledgement is an inclusion proof under a durable, published checkpoint, no promise.
Rule: group commit. While one pool is written the next one gathers; an idle gateway commits at once.
Invariant: a statement is answered only after the pool that holds it was committed and published.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from commonworks.crypto.keys import PublicKey
from commonworks.errors import CommonworksError, Conflict, InvalidInput, Unavailable
from commonworks.gateway.access import Gatekeeper
from commonworks.gateway.admission import Quota, decode_item, judge, sign_refusal
from commonworks.gateway.chainview import ChainView
from commonworks.gateway.growth import LogKeys, stored_at
from commonworks.gateway.positions import MemoryPositions, Positions
from commonworks.gateway.sequencer import Sequencer
from commonworks.gateway.staging import Addition, total_bytes
from commonworks.model import (
    Network,
)
from commonworks.ports import Anchor, Chain, Clock, Keys, Store
from commonworks.statements.model import MAX_ITEMS_PER_POST, Refusal
from commonworks.translog.tiles import CHECKPOINT_PATH, SEALED, parse_path

NOTE_KEY: Final = "note"
"""Name, at the Keys port, of the Ed25519 key that signs checkpoints."""

RECEIPT_KEY: Final = "receipt"
"""Name, at the Keys port, of the ES256 key that signs receipts and refusals."""

POOL_ENTRIES_MAX: Final = 16_384
"""Most statements that wait for one commit; more are turned away for the moment."""

POOL_BYTES_MAX: Final = 128 << 20
"""Most bytes of statements and preimages that wait for one commit."""

ITEMS_PER_TURN: Final = 32
"""Items checked before other tasks get a turn, some 10 ms."""

BLOCKS_PER_READ: Final = 10_000
"""Most blocks of events asked for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What an operator chooses, and what the network gives."""

    name: str
    """The gateway's name, part of its log's origin."""
    network: Network
    """The network it serves."""
    statements_per_hour_max: int = 10_000
    """Quota: most statements of one key logged in an hour of network time."""
    anchor_period_s: int = 3_600
    """Longest time between two anchors of a log that grows, network time."""
    grace_s: int = 3_600
    """Grace period where the chain does not tell another, seconds."""
    auditors: frozenset[bytes] = frozenset()
    """Accounts that may read sealed payloads besides members and node operators, 20 bytes each."""

    @property
    def origin(self) -> str:
        """Name of the log in its checkpoints."""
        return f"{self.network.network_id[:4].hex()}.commonworks/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a gateway is and has done since it started."""

    name: str
    origin: str
    vkey: str
    """The key that checkpoints are checked with."""
    log_id: bytes
    """The log's identity, 32 bytes."""
    size: int
    """Entries published."""
    refusals: Mapping[str, int]
    """Reason -> count."""
    duplicates: int
    """Items answered with a position that they had already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A statement that a gateway logs, or has logged."""

    addition: Addition
    """What it adds to the log."""
    kid: bytes
    """Thumbprint of the key that signed it, 32 bytes."""
    charged: bool
    """Whether it counted against that key's quota."""


@dataclass(slots=True)
class _Pool:
    """What waits for the next commit."""

    additions: dict[bytes, Addition] = field(default_factory=dict)
    size_bytes: int = 0
    commit: asyncio.Task[Mapping[bytes, bytes]] | None = None


class Gateway:
    """One gateway over its ports. Open it with `Gateway.open`; calls may overlap."""

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        store: Store,
        chain: Chain | None,
        clock: Clock,
        keys: Keys,
        positions: Positions | None = None,
    ) -> None:
        """`store` is this gateway's own folder, `positions` its index (in memory by default)."""
        self._settings = settings
        self._store = store
        self._chain = chain
        self._clock = clock
        self._log_keys = LogKeys(
            origin=settings.origin,
            network_id=settings.network.network_id,
            note_key=keys.signer(NOTE_KEY),
            receipt_key=keys.signer(RECEIPT_KEY),
        )
        self._log_id = self._log_keys.log_id
        if positions is None:
            positions = MemoryPositions()
        self._log = Sequencer(store=store, positions=positions, keys=self._log_keys)
        self._view = ChainView(log_id=self._log_id, grace_s=settings.grace_s)
        self._gatekeeper = Gatekeeper(network_id=settings.network.network_id, log_id=self._log_id)
        self._admitted: dict[bytes, PublicKey] = {}
        self._quota = Quota(settings.statements_per_hour_max)
        self._refusals: Counter[str] = Counter()
        self._duplicates = 0
        self._size = 0
        self._pool = _Pool()
        self._turn = asyncio.Lock()
        self._following = asyncio.Lock()
        self._anchored_at: int | None = None

    @classmethod
    async def open(
        cls,
        *,
        settings: GatewaySettings,
        store: Store,
        chain: Chain | None,
        clock: Clock,
        keys: Keys,
        positions: Positions | None = None,
    ) -> Gateway:
        """Return a gateway whose log is recovered and that has read the chain.

        Raises: Corrupt when the log is behind, or contradicts, what it published or anchored.
        """
        gateway = cls(
            settings=settings,
            store=store,
            chain=chain,
            clock=clock,
            keys=keys,
            positions=positions,
        )
        async with gateway._turn:
            await gateway._recover()
        await gateway._follow()
        await gateway._check_anchor()
        return gateway

    async def close(self) -> None:
        """Return when nothing waits for a commit any more. The store is the caller's to close."""
        await self._flush()

    @property
    def log_id(self) -> bytes:
        """The log's identity, 32 bytes."""
        return self._log_id

    @property
    def vkey(self) -> str:
        """The key that the log's checkpoints are checked with, as text."""
        return self._log_keys.note.vkey

    @property
    def receipt_key(self) -> PublicKey:
        """The key that receipts and refusals are checked with."""
        return self._log_keys.receipt_key.public

    def admit(self, keys: Mapping[bytes, PublicKey]) -> None:
        """Admit keys besides those that the chain enrols; only under their own thumbprint."""
        for kid, key in keys.items():
            if key.thumbprint != kid:
                raise InvalidInput("a key is admitted under its own thumbprint", kid=kid.hex())
            self._admitted[kid] = key

    async def submit(self, items: Sequence[bytes]) -> list[bytes]:
        """Return one answer per item, in order: a receipt or a signed refusal.

        Inputs: 1..1,000 items as docs/spec/submission.md describes them; any bytes.
        Guarantees: on return every receipt's entry is durable and published.
        Raises: Unavailable when nothing can be logged now; then nothing is acknowledged, and
        sending the same again is safe. Corrupt when the log must not go on. InvalidInput for too
        many.
        """
        if not 0 < len(items) <= MAX_ITEMS_PER_POST:
            raise InvalidInput(f"a submission has 1 to {MAX_ITEMS_PER_POST} items")
        answers: list[bytes | Arrival] = []
        arriving: set[bytes] = set()
        for n, item in enumerate(items):
            if n % ITEMS_PER_TURN == ITEMS_PER_TURN - 1:
                await asyncio.sleep(0)
            arrival = self._admit(item, arriving)
            if isinstance(arrival, Refusal):
                answers.append(self._refuse(arrival, item))
            else:
                arriving.add(arrival.addition.identity)
                answers.append(arrival)
        arrivals = [answer for answer in answers if not isinstance(answer, bytes)]
        receipts = await self._logged(arrivals) if arrivals else {}
        return [
            answer if isinstance(answer, bytes) else receipts[answer.addition.identity]
            for answer in answers
        ]

    async def read(self, path: str) -> bytes | None:
        """Return a tlog-tiles resource (`checkpoint`, `tile/...`), or None where it is not."""
        if path != CHECKPOINT_PATH and parse_path(path) is None:
            return None
        return await self._store.read(stored_at(path))

    async def read_sealed(self, path: str, authorization: str | None) -> bytes | None:
        """Return a bundle of preimages (`sealed/entries/...`), or None where it is not.

        `authorization` is the signed request. Raises: Unauthorized (field `forbidden` set where the
        account is known and may not).
        """
        readers = self._view.members() | self._view.operators | self._settings.auditors
        self._gatekeeper.check(authorization, readers=readers, now=self._clock.now())
        if not path.startswith(SEALED + "/") or parse_path(f"tile/entries{path[14:]}") is None:
            return None
        return await self._store.read(stored_at(path))

    def status(self) -> Status:
        """Return what this gateway is and has done since it started."""
        return Status(
            name=self._settings.name,
            origin=self._settings.origin,
            vkey=self.vkey,
            log_id=self._log_id,
            size=self._size,
            refusals=dict(self._refusals),
            duplicates=self._duplicates,
        )

    async def tick(self) -> None:
        """Read what is new on chain, and anchor when it is time. Safe to repeat at any moment.

        Raises: Unavailable when the chain or the store does not answer (the next tick goes on);
        Corrupt when the chain knows more of this log than the log itself.
        """
        if self._chain is None:
            return
        await self._follow()
        now = self._clock.now()
        if not self._anchor_due(now):
            return
        await self._flush()
        await self._check_anchor()
        head = self._log.head
        if head is None or head.tree.size <= self._anchored_size():
            return
        try:
            await self._chain.send(Anchor(tip=head.tree.tip(self._log_id)))
        except Conflict:
            # An anchor that was sent before, with an answer that never came, is refused now.
            await self._follow()
            if self._anchored_size() < head.tree.size:
                raise
        self._anchored_at = now
        self._view.anchored = head.tree.tip(self._log_id)

    def _admit(self, item: bytes, arriving: Collection[bytes]) -> Arrival | Refusal:
        """Return what is to be logged, or looked up; only what is new counts against a quota.

        `arriving` holds the identities that came before it in the same submission.
        """
        decoded = decode_item(item)
        if isinstance(decoded, Refusal):
            return decoded
        statement, addition = decoded
        identity, kid = statement.identity, statement.kid
        waiting = identity in arriving or identity in self._pool.additions
        is_new = not waiting and not self._log.find([identity])
        refusal = judge(
            statement,
            network_id=self._settings.network.network_id,
            key=self._admitted.get(kid) or self._view.key(kid),
            quota_left=self._quota.left(kid, self._clock.now()) if is_new else 1,
        )
        if refusal is not None:
            return refusal
        if is_new:
            self._quota.charge(kid)
        else:
            self._duplicates += 1
        return Arrival(addition=addition, kid=kid, charged=is_new)

    def _refuse(self, reason: Refusal, item: bytes) -> bytes:
        self._refusals[str(reason)] += 1
        return sign_refusal(self._log_keys, reason=reason, item=item, now=self._clock.now())

    async def _logged(self, arrivals: Sequence[Arrival]) -> Mapping[bytes, bytes]:
        """Return the receipts by identity once the pool that holds all arrivals is published."""
        try:
            # A submitter that goes away takes nothing with it: others still wait for this pool.
            return await asyncio.shield(self._join([arrival.addition for arrival in arrivals]))
        except CommonworksError:
            for arrival in arrivals:
                if arrival.charged:
                    self._quota.refund(arrival.kid)
            raise

    def _join(self, additions: Sequence[Addition]) -> asyncio.Task[Mapping[bytes, bytes]]:
        """Add to the gathering pool; return its commit."""
        pool = self._pool
        arriving = total_bytes(additions)
        too_many = len(pool.additions) + len(additions) > POOL_ENTRIES_MAX
        if too_many or pool.size_bytes + arriving > POOL_BYTES_MAX:
            raise Unavailable("the gateway has more to log than it can", hint="try again shortly")
        for addition in additions:
            pool.additions.setdefault(addition.identity, addition)
        pool.size_bytes += arriving
        if pool.commit is None:
            pool.commit = asyncio.get_running_loop().create_task(self._commit(pool))
            pool.commit.add_done_callback(_retrieve)
        return pool.commit

    async def _commit(self, pool: _Pool) -> Mapping[bytes, bytes]:
        async with self._turn:
            self._pool = _Pool()  # from here on, arrivals gather for the next turn
            head, positions = await self._log.append(pool.additions.values())
            self._size = head.tree.size
        return await self._log.receipts(head, positions)

    async def _flush(self) -> None:
        """Return when everything received before this call is published, or has failed."""
        if self._pool.commit is not None:
            await asyncio.wait([self._pool.commit])
        async with self._turn:
            if self._log.head is None:
                await self._recover()

    async def _recover(self) -> None:
        self._size = (await self._log.recover()).tree.size

    async def _follow(self) -> None:
        """Fold the events of every final block that was not read yet."""
        if self._chain is None:
            return
        async with self._following:
            last = (await self._chain.head()).block
            while self._view.next_block <= last:
                first = self._view.next_block
                upto = min(last, first + BLOCKS_PER_READ - 1)
                self._view.fold(await self._chain.events(first, upto))
                self._view.next_block = upto + 1

    def _anchored_size(self) -> int:
        return self._view.anchored.size if self._view.anchored is not None else 0

    async def _check_anchor(self) -> None:
        """Raise Corrupt when the log is behind its anchor on chain, or is another log."""
        anchored = self._view.anchored
        if anchored is not None:
            async with self._turn:
                await self._log.check_prefix(anchored.size, anchored.root, "its anchor on chain")

    def _anchor_due(self, now: int) -> bool:
        """Whether the period has passed, or an epoch's last evidence has just become complete."""
        pending = self._pool.commit is not None or self._size > self._anchored_size()
        if not pending:
            return False
        if self._anchored_at is None:
            return True
        if now - self._anchored_at >= self._settings.anchor_period_s:
            return True
        complete_at = self._complete_at(now)
        return complete_at is not None and self._anchored_at < complete_at

    def _complete_at(self, now: int) -> int | None:
        """Return the newest time, up to now, at which an epoch's grace period ended."""
        network = self._settings.network
        epoch = network.epoch_at(now) - 1
        while epoch >= 0:
            complete_at = network.epoch_start(epoch + 1) + self._view.grace_at(epoch)
            if complete_at <= now:
                return complete_at
            epoch -= 1
        return None


def _retrieve(commit: asyncio.Task[Mapping[bytes, bytes]]) -> None:
    """Look at a pool's failure even when every submitter has gone away."""
    if not commit.cancelled():
        commit.exception()
