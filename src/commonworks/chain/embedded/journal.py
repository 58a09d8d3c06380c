"""The journal file: group commit when writing, one checked pass when reading.

Goal: what `append` has confirmed survives any crash. Rule: docs/spec/journal.md, sections 4 and 5.
Invariant: at most one frame is unsynced at any moment; after one failure nothing is written.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from commonworks.chain.embedded import frames
from commonworks.chain.embedded.config import Head
from commonworks.chain.embedded.files import replace_file, storage_failure, write_all
from commonworks.chain.embedded.frames import Accepted, Dropped, Mined, Record
from commonworks.crypto import cbor
from commonworks.crypto.hashes import keccak256
from commonworks.errors import CommonworksError, Conflict, Corrupt, InvalidInput

FORMAT: Final = "commonworks-journal/1"

# Soft limit of a group; with one record of any size on top it stays within a frame's limit.
GROUP_BYTES: Final = 4 * 2**20
GROUP_RECORDS: Final = 10_000

Settings = Mapping[str, str | int | bytes | list[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What one checked pass over a journal found."""

    head: Head
    """The last block; genesis when there is none yet."""
    blocks: int
    """Mined records."""
    transactions: int
    """Transactions in blocks."""
    known: Mapping[int, bytes]
    """Block hashes for the numbers that were asked for, as far as there are such blocks."""
    pending: Mapping[bytes, bytes]
    """Accepted, neither mined nor dropped: hash to raw transaction, in order of acceptance."""
    end: int
    """Where the last good frame ends."""
    last: int
    """Where the last good frame starts."""
    torn_bytes: int
    """Bytes behind `end`, left by a crash during the last write."""


class Reader:
    """A read-only view of a journal file, as long as the file is when this opens."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise Corrupt(
                f"{path} cannot be read: {error}", hint="restore the file from a backup"
            ) from error
        self._data = cast(frames.Buffer, self._map)
        self.marker, self._header = frames.read_header(self._data, where=str(path))

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._map.close()

    def settings(self) -> dict[str, object]:
        """Return the header's map."""
        try:
            value = cbor.decode(self._header.payload)
        except (InvalidInput, ValueError) as error:
            raise Corrupt(f"{self._path} has an unreadable header") from error
        if not isinstance(value, dict) or not isinstance(value.get("genesis"), bytes):
            raise Corrupt(f"{self._path} has an unknown header")
        return value

    def records(self) -> Iterator[Record]:
        """Yield the records of all good frames in order; Corrupt on damage in the middle."""
        for frame in self._frames():
            yield from frames.decode_group(frame, where=str(self._path))

    def check(self, genesis_timestamp: int, wanted: frozenset[int]) -> Contents:
        """Read the whole file once and check that its records make sense in their order.

        `wanted`: the block numbers whose hashes the caller needs.
        """
        genesis = self.settings()["genesis"]
        head = Head(number=0, timestamp=genesis_timestamp, hash=cast(bytes, genesis))
        last, transactions = self._header, 0
        pending, known = dict[bytes, bytes](), dict[int, bytes]()
        for last in self._frames():
            for record in frames.decode_group(last, where=str(self._path)):
                if isinstance(record, Accepted):
                    pending[keccak256(record.raw)] = record.raw
                    continue
                if isinstance(record, Mined):
                    head = self._next_head(head, record)
                    transactions += len(record.transactions)
                    if head.number in wanted:
                        known[head.number] = head.hash
                for identity in record.transactions:
                    if pending.pop(identity, None) is None:
                        raise self._nonsense(f"transaction 0x{identity.hex()} was not waiting")
        return Contents(
            head=head,
            blocks=head.number,
            transactions=transactions,
            known=known,
            pending=pending,
            end=last.end,
            last=last.offset,
            torn_bytes=len(self._data) - last.end,
        )

    def last_frame(self, contents: Contents) -> bytes:
        """Return the bytes of the last good frame."""
        return self._data[contents.last : contents.end]

    def _frames(self) -> Iterator[frames.Frame]:
        return frames.read_groups(
            self._data, marker=self.marker, start=self._header.end, where=str(self._path)
        )

    def _next_head(self, head: Head, record: Mined) -> Head:
        if record.number != head.number + 1 or record.timestamp < head.timestamp:
            raise self._nonsense(f"block {record.number} does not follow block {head.number}")
        return Head(number=record.number, timestamp=record.timestamp, hash=record.hash)

    def _nonsense(self, what: str) -> Corrupt:
        return Corrupt(
            f"{self._path} contradicts itself: {what}", hint="restore the file from a backup"
        )


def create(path: Path, settings: Settings) -> None:
    """Write a journal without records; it exists under its name only when it is complete."""
    marker = secrets.token_bytes(frames.MARKER_BYTES)
    header = frames.encode_frame(
        marker=marker,
        offset=len(frames.MAGIC),
        payload=cbor.encode({"format": FORMAT, **settings}),
    )
    replace_file(path, frames.MAGIC + header)


def require_same(found: Mapping[str, object], ours: Settings, path: Path) -> None:
    """Raise Conflict, naming what differs, unless the header is what we would write."""
    wanted = {"format": FORMAT, **ours}
    names = sorted(found.keys() | wanted.keys())
    differing = [
        f"{name} is {_shown(found.get(name))} there and {_shown(wanted.get(name))} here"
        for name in names
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        raise Conflict(
            f"{path} belongs to a chain with other settings: {', '.join(differing)}",
            hint="start it with its own settings and the same anvil, or use another folder",
        )


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, list):
        return repr(" ".join(map(str, value)))
    return "absent" if value is None else repr(value)


class Journal:
    """The writing end of a journal file.

    `append` returns at once; the future it returns is done when the record is durable and fails
    when it may not be. After a failure each append fails: stop, and start again.
    """

    def __init__(
        self, path: Path, contents: Contents, on_failure: Callable[[CommonworksError], None]
    ) -> None:
        """Cut a torn tail and make the last good frame durable; then the file takes records."""
        self._path = path
        self._on_failure = on_failure
        self._offset = contents.end
        self._waiting: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._committing: asyncio.Task[None] | None = None
        self._failure: CommonworksError | None = None
        with Reader(path) as reader:
            self._marker, last = reader.marker, reader.last_frame(contents)
        try:
            self._descriptor = os.open(path, os.O_RDWR)
            os.ftruncate(self._descriptor, contents.end)
            os.lseek(self._descriptor, contents.last, os.SEEK_SET)
            write_all(self._descriptor, last)
            os.fsync(self._descriptor)
        except OSError as error:
            raise storage_failure(error, path) from error
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def append(self, record: Record) -> asyncio.Future[None]:
        """Put a record behind all earlier ones; the future is done when it is durable."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            durable.set_exception(self._failure)
            return durable
        self._waiting.append((frames.encode_record(record), durable))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return durable

    async def flush(self) -> None:
        """Return when no append is under way."""
        while self._committing is not None:
            await asyncio.wait([self._committing])

    async def close(self) -> None:
        """Finish what was appended and release the file."""
        await self.flush()
        self._thread.shutdown()
        os.close(self._descriptor)

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group = self._take_group()
                frame = frames.encode_frame(
                    marker=self._marker,
                    offset=self._offset,
                    payload=frames.encode_group([record for record, _ in group]),
                )
                try:
                    await loop.run_in_executor(self._thread, self._write, frame)
                except OSError as error:
                    self._fail(storage_failure(error, self._path), group)
                    return
                self._offset += len(frame)
                for _, durable in group:
                    if not durable.done():
                        durable.set_result(None)
        finally:
            self._committing = None

    def _take_group(self) -> list[tuple[bytes, asyncio.Future[None]]]:
        group = [self._waiting.popleft()]
        size = len(group[0][0])
        while self._waiting and len(group) < GROUP_RECORDS:
            size += len(self._waiting[0][0])
            if size > GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        return group

    def _write(self, frame: bytes) -> None:
        write_all(self._descriptor, frame)
        os.fdatasync(self._descriptor)

    def _fail(
        self, failure: CommonworksError, group: list[tuple[bytes, asyncio.Future[None]]]
    ) -> None:
        self._failure = failure
        for _, durable in [*group, *self._waiting]:
            if not durable.done():
                durable.set_exception(failure)
        self._waiting.clear()
        self._on_failure(failure)


__all__ = ["Contents", "Dropped", "Journal", "Reader", "Settings", "create", "require_same"]
