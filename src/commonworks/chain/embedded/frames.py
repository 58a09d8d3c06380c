"""The journal's bytes: records, frames, and how a damaged file is told from a torn one.

Goal: say of any file what may be believed. Rule: docs/spec/journal.md, sections 1, 3 and 5.
Invariant: a frame is one group commit, and the next is written only after its sync; so only the
last frame can be incomplete, and a good frame after a bad one always means damage.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from commonworks.crypto import cbor
from commonworks.errors import Corrupt, InvalidInput, require

MAGIC: Final = b"CWJRNL1\n"
MARKER_BYTES: Final = 8
MAX_PAYLOAD_BYTES: Final = 8 * 2**20
MAX_RAW_TRANSACTION_BYTES: Final = 128 * 2**10
HASH_BYTES: Final = 32

_LENGTH_AND_CHECKSUM: Final = struct.Struct(">II")
_PREFIX_BYTES: Final = MARKER_BYTES + _LENGTH_AND_CHECKSUM.size

_ACCEPTED: Final = 1
_MINED: Final = 2
_DROPPED: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """Anvil accepted a transaction."""

    raw: bytes
    """The signed transaction as its sender sent it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mined:
    """A block exists."""

    number: int
    """Block number, from 1."""
    timestamp: int
    """Unix seconds."""
    hash: bytes
    """Block hash, 32 bytes."""
    transactions: tuple[bytes, ...]
    """Transaction hashes in the block's order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """Anvil gave accepted transactions up; they are in no block."""

    transactions: tuple[bytes, ...]
    """Their hashes."""


Record = Accepted | Mined | Dropped


class Buffer(Protocol):
    """What the reader needs of bytes or of a memory map."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> bytes: ...
    def find(self, sub: bytes, start: int, /) -> int:
        """Return the first position of `sub` from `start` on, or -1."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """A good frame."""

    offset: int
    """Where its marker starts."""
    end: int
    """Where the next frame starts."""
    payload: bytes
    """What it carries."""


def encode_frame(*, marker: bytes, offset: int, payload: bytes) -> bytes:
    """Return the bytes of a frame that will stand at `offset`."""
    require(len(marker) == MARKER_BYTES, "a marker has 8 bytes")
    require(1 <= len(payload) <= MAX_PAYLOAD_BYTES, "a payload has 1 to 8,388,608 bytes")
    checksum = _checksum(marker, offset, payload)
    return marker + _LENGTH_AND_CHECKSUM.pack(len(payload), checksum) + payload


def _checksum(marker: bytes, offset: int, payload: bytes) -> int:
    # The marker is covered too: were the header's wrong unnoticed, all frames would look torn.
    place = offset.to_bytes(8, "big") + marker + len(payload).to_bytes(4, "big")
    return zlib.crc32(payload, zlib.crc32(place))


def read_frame(data: Buffer, *, marker: bytes, offset: int) -> Frame | None:
    """Return the good frame at `offset`, or None when there is none."""
    prefix = data[offset : offset + _PREFIX_BYTES]
    if len(prefix) < _PREFIX_BYTES or prefix[:MARKER_BYTES] != marker:
        return None
    length, checksum = _LENGTH_AND_CHECKSUM.unpack(prefix[MARKER_BYTES:])
    start = offset + _PREFIX_BYTES
    if not 1 <= length <= MAX_PAYLOAD_BYTES or start + length > len(data):
        return None
    payload = data[start : start + length]
    if _checksum(marker, offset, payload) != checksum:
        return None
    return Frame(offset=offset, end=start + length, payload=payload)


def read_header(data: Buffer, *, where: str) -> tuple[bytes, Frame]:
    """Return the file's marker and its header frame.

    Raises: Corrupt, since the file got its name only after the header was synced.
    """
    marker = data[len(MAGIC) : len(MAGIC) + MARKER_BYTES]
    if data[: len(MAGIC)] == MAGIC and len(marker) == MARKER_BYTES:
        frame = read_frame(data, marker=marker, offset=len(MAGIC))
        if frame is not None:
            return marker, frame
    raise Corrupt(
        f"{where} does not start with a journal's header",
        hint="restore the file from a backup, or remove the folder to start another chain",
    )


def read_groups(data: Buffer, *, marker: bytes, start: int, where: str) -> Iterator[Frame]:
    """Yield the good frames from `start` on, up to the end or to a torn tail.

    What follows the last frame yielded is a torn tail and may be cut.
    Raises: Corrupt on damage in the middle.
    """
    offset = start
    while offset < len(data):
        frame = read_frame(data, marker=marker, offset=offset)
        if frame is None:
            _refuse_damage(data, marker=marker, bad=offset, where=where)
            return
        yield frame
        offset = frame.end


def _refuse_damage(data: Buffer, *, marker: bytes, bad: int, where: str) -> None:
    candidate = data.find(marker, bad + 1)
    while candidate >= 0:
        if read_frame(data, marker=marker, offset=candidate) is not None:
            raise Corrupt(
                f"{where} is damaged at byte {bad}: good records follow at byte {candidate}",
                hint="nothing was changed; restore the file from a backup",
                offset=bad,
            )
        candidate = data.find(marker, candidate + 1)


def encode_record(record: Record) -> bytes:
    """Return a record's CBOR."""
    if isinstance(record, Accepted):
        require(0 < len(record.raw) <= MAX_RAW_TRANSACTION_BYTES, "a transaction has a limit")
        return cbor.encode([_ACCEPTED, record.raw])
    if isinstance(record, Mined):
        values = [_MINED, record.number, record.timestamp, record.hash, list(record.transactions)]
        return cbor.encode(values)
    return cbor.encode([_DROPPED, list(record.transactions)])


def encode_group(records: Sequence[bytes]) -> bytes:
    """Return the payload of a frame with these encoded records: a CBOR array around them."""
    count = len(records)
    require(0 < count < 2**16, "a group has 1 to 65,535 records")
    head = bytes([0x80 + count]) if count < 24 else _long_array_head(count)
    return head + b"".join(records)


def _long_array_head(count: int) -> bytes:
    return bytes([0x98, count]) if count < 2**8 else b"\x99" + count.to_bytes(2, "big")


def decode_group(frame: Frame, *, where: str) -> tuple[Record, ...]:
    """Return the records of a good frame.

    Raises: Corrupt when the content is not what section 3 says; a crash cannot cause that.
    """
    try:
        values = cbor.decode(frame.payload)
        if not isinstance(values, list) or not values:
            raise ValueError("not an array")
        return tuple(_record(value) for value in values)
    except (InvalidInput, ValueError) as error:
        raise Corrupt(
            f"{where} holds an unknown record at byte {frame.offset}",
            hint="was it written by a newer version? otherwise restore it from a backup",
        ) from error


def _record(value: Any) -> Record:
    match value:
        case [1, bytes(raw)] if 0 < len(raw) <= MAX_RAW_TRANSACTION_BYTES:
            return Accepted(raw=raw)
        case [2, int(number), int(timestamp), bytes(block), list(hashes)]:
            return Mined(
                number=number,
                timestamp=timestamp,
                hash=_hash(block),
                transactions=tuple(map(_hash, hashes)),
            )
        case [3, list(hashes)]:
            return Dropped(transactions=tuple(map(_hash, hashes)))
    raise ValueError("unknown record")


def _hash(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != HASH_BYTES:
        raise ValueError("not a hash")
    return value
