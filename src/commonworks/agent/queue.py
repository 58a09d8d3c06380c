"""The agent's durable queue: every statement that no closed range contains yet.

Rule: an item is written before it is sent, and deleted after a closed range has it. Receipts lie
beside the items; losing them loses nothing, because asking again gives them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from commonworks.crypto import cbor
from commonworks.crypto.hashes import sha256
from commonworks.errors import Corrupt, InvalidInput
from commonworks.ports import Store
from commonworks.statements.codec import Item
from commonworks.translog.receipts import Receipt, decode_receipt

QUEUE: Final = "queue/"
RECEIPTS: Final = "receipts/"


@dataclass(slots=True, kw_only=True)
class Pending:
    """One item on its way into the evidence."""

    item: Item
    """What is submitted."""
    batch: int
    """File that it lies in."""
    queued_at: int
    """Network time at which it was queued."""
    try_at: int = 0
    """Network time before which it is not submitted again."""
    receipts: dict[bytes, bytes] = field(default_factory=dict)
    """Log id -> receipt as received."""
    places: dict[bytes, int] = field(default_factory=dict)
    """Log id -> position there."""

    def add_receipt(self, receipt: Receipt, data: bytes) -> None:
        """Remember where a log has it."""
        self.receipts[receipt.log_id] = data
        self.places[receipt.log_id] = receipt.index


class Queue:
    """Pending items by the SHA-256 of their bytes, oldest first, kept in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: dict[bytes, Pending] = {}
        self._batches: dict[int, set[bytes]] = {}
        self._next_batch = 0

    def __len__(self) -> int:
        """Return how many items are pending."""
        return len(self._pending)

    def items(self) -> Iterator[tuple[bytes, Pending]]:
        """Yield (hash, pending), oldest first."""
        yield from list(self._pending.items())

    async def load(self) -> None:
        """Read what an earlier process left. Raises Corrupt when a file is not what was written."""
        for path in await self._store.list(QUEUE):
            data = await self._store.read(path)
            if data is None:
                continue
            batch = int(path.removeprefix(QUEUE))
            queued_at, items = _decode_batch(path, data)
            receipts = await self._store.read(f"{RECEIPTS}{path.removeprefix(QUEUE)}")
            self._take(batch, queued_at, items)
            self._take_receipts(batch, receipts)
        self._next_batch = max(self._batches, default=-1) + 1

    async def add(self, items: Sequence[Item], now: int) -> None:
        """Queue items; on return they are durable. An item that is queued already is left alone."""
        fresh = {sha256(item.encode()): item for item in items}
        fresh = {name: item for name, item in fresh.items() if name not in self._pending}
        if not fresh:
            return
        batch, self._next_batch = self._next_batch, self._next_batch + 1
        rows = [[item.statement, item.preimage] for item in fresh.values()]
        await self._store.write({_path(QUEUE, batch): cbor.encode([now, rows])})
        self._take(batch, now, list(fresh.values()))

    async def save_receipts(self, batches: set[int]) -> None:
        """Write the receipts of batches, for a restart and for whoever wants to show them."""
        files = {}
        for batch in sorted(batches & self._batches.keys()):
            rows = [
                [name, list(self._pending[name].receipts.values())]
                for name in sorted(self._batches[batch])
            ]
            files[_path(RECEIPTS, batch)] = cbor.encode(rows)
        await self._store.write(files)

    async def remove(self, names: Sequence[bytes]) -> None:
        """Forget items; a batch's files go when its last item does."""
        for name in names:
            batch = self._pending.pop(name).batch
            self._batches[batch].discard(name)
            if not self._batches[batch]:
                del self._batches[batch]
                await self._store.delete(_path(QUEUE, batch))
                await self._store.delete(_path(RECEIPTS, batch))

    def _take(self, batch: int, queued_at: int, items: Sequence[Item]) -> None:
        for item in items:
            name = sha256(item.encode())
            if name not in self._pending:
                self._pending[name] = Pending(item=item, batch=batch, queued_at=queued_at)
                self._batches.setdefault(batch, set()).add(name)

    def _take_receipts(self, batch: int, data: bytes | None) -> None:
        """Take in saved receipts; what does not decode is asked for again."""
        try:
            rows = cbor.decode(data or b"\x80", tags=())
            for name, receipts in rows if isinstance(rows, list) else ():
                pending = self._pending.get(name)
                if pending is not None and pending.batch == batch:
                    for receipt in receipts:
                        pending.add_receipt(decode_receipt(receipt), receipt)
        except (InvalidInput, TypeError, ValueError):
            return


def _path(folder: str, batch: int) -> str:
    return f"{folder}{batch:012}"


def _decode_batch(path: str, data: bytes) -> tuple[int, list[Item]]:
    damaged = Corrupt(
        f"{path} in the agent's folder is damaged", hint="move it away; its readings are lost"
    )
    try:
        fields = cbor.decode(data, tags=())
    except InvalidInput as error:
        raise damaged from error
    if not isinstance(fields, list) or len(fields) != 2 or not isinstance(fields[1], list):
        raise damaged
    items: list[Item] = []
    for row in fields[1]:
        if not isinstance(row, list) or len(row) != 2 or not isinstance(row[0], bytes):
            raise damaged
        items.append(Item(statement=row[0], preimage=row[1]))
    return int(fields[0]), items
