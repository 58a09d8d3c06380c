"""Snapshots: the state after a block, so that a start need not replay everything.

They are derived: deleting them costs time and nothing else. docs/spec/journal.md, section 6.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonworks.chain.embedded.config import Head
from commonworks.chain.embedded.files import replace_file, storage_failure
from commonworks.crypto import cbor
from commonworks.errors import Corrupt, InvalidInput

MAGIC: Final = b"CWSNAP1\n"
KEEP: Final = 2
_SUFFIX: Final = ".snapshot"
_CHECKSUM_BYTES: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A state and the block after which it was taken."""

    head: Head
    """That block."""
    state: bytes
    """What `anvil_dumpState` returned."""


def write(folder: Path, snapshot: Snapshot) -> None:
    """Make a snapshot durable and remove all but the newest two.

    Raises: Unavailable when there is no room, Corrupt when the disk fails.
    """
    head = snapshot.head
    payload = cbor.encode([head.number, head.timestamp, head.hash, snapshot.state])
    checksum = zlib.crc32(payload).to_bytes(_CHECKSUM_BYTES, "big")
    path = folder / f"{head.number:012d}{_SUFFIX}"
    try:
        folder.mkdir(exist_ok=True)
        replace_file(path, MAGIC + checksum + payload)
        for old in _newest_first(folder)[KEEP:]:
            old.unlink()
    except OSError as error:
        raise storage_failure(error, path) from error


def newest_first(folder: Path) -> Iterator[Snapshot]:
    """Yield the snapshots whose checksum is good, newest first; the others are passed over."""
    for path in _newest_first(folder):
        snapshot = _decode(path.read_bytes())
        if snapshot is not None:
            yield snapshot


def usable(folder: Path, head: Head, known: Mapping[int, bytes]) -> Iterator[Snapshot]:
    """Yield the snapshots of blocks that the journal knows, newest first.

    `head` is the journal's last block, `known` its block hashes by number.
    Raises: Corrupt when a snapshot proves that the journal once was longer.
    """
    for snapshot in newest_first(folder):
        if snapshot.head.number > head.number:
            raise Corrupt(
                f"the journal ends at block {head.number}, but {folder} holds the state after "
                f"block {snapshot.head.number}: the journal lost its end",
                hint="restore the journal from a backup; nothing was changed",
            )
        if known.get(snapshot.head.number) == snapshot.head.hash:
            yield snapshot


def numbers(folder: Path) -> frozenset[int]:
    """Return the block numbers for which there are snapshot files."""
    return frozenset(int(path.stem) for path in _newest_first(folder))


def _newest_first(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.glob(f"*{_SUFFIX}") if p.stem.isdecimal()), reverse=True)


def _decode(data: bytes) -> Snapshot | None:
    start = len(MAGIC) + _CHECKSUM_BYTES
    payload = data[start:]
    checksum = int.from_bytes(data[len(MAGIC) : start], "big")
    if data[: len(MAGIC)] != MAGIC or not payload or zlib.crc32(payload) != checksum:
        return None
    try:
        match cbor.decode(payload):
            case [int(number), int(timestamp), bytes(block), bytes(state)]:
                head = Head(number=number, timestamp=timestamp, hash=block)
                return Snapshot(head=head, state=state)
    except (InvalidInput, ValueError):
        return None
    return None
