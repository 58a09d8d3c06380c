"""Reading a range of a log, with its sealed payloads, from anywhere that has one."""

from __future__ import annotations

from commonworks.errors import Corrupt, NotFound
from commonworks.ports import Log
from commonworks.settlement.epochs import LoggedItem
from commonworks.translog.notes import Checkpoint, parse_note
from commonworks.translog.tiles import (
    CHECKPOINT_PATH,
    TILE_WIDTH,
    decode_entries,
    entries_path,
    sealed_path,
    split_bundle,
    width_at,
)


async def log_size(log: Log) -> int:
    """Return the size that the log's checkpoint states (its signature is not checked here)."""
    data = await log.read(CHECKPOINT_PATH)
    if data is None:
        return 0
    return Checkpoint.decode(parse_note(data).text).size


async def read_bundle(log: Log, index: int, width: int) -> list[LoggedItem]:
    """Return one bundle of `width` entries with their preimages.

    Raises: NotFound when the log does not have it; Corrupt when it is not a bundle.
    """
    statements = await log.read(entries_path(index, width))
    preimages = await log.read_sealed(sealed_path(index, width))
    if statements is None or preimages is None:
        raise NotFound(f"the log has no bundle {entries_path(index, width)}")
    rows = zip(
        _entries(statements, index, width, entries_path(index, width)),
        _entries(preimages, index, width, sealed_path(index, width)),
        strict=True,
    )
    return [
        LoggedItem(
            index=index * TILE_WIDTH + offset, statement=statement, preimage=preimage or None
        )
        for offset, (statement, preimage) in enumerate(rows)
    ]


def _entries(data: bytes, index: int, width: int, path: str) -> tuple[bytes, ...]:
    """Return a bundle's entries; where it is damaged, raise Corrupt naming the entry."""
    good = 0
    try:
        for _ in split_bundle(data):
            good += 1
        return decode_entries(data, width)
    except Corrupt as error:
        entry = index * TILE_WIDTH + min(good, width - 1)
        raise Corrupt(f"{path}, entry {entry}: {error.message}", entry=entry) from None


async def read_items(log: Log, first: int, size: int) -> list[LoggedItem]:
    """Return entries first..size-1 of a log that states at least `size`.

    Raises: Corrupt when the log is shorter than `size`; NotFound for a missing bundle.
    """
    stated = await log_size(log)
    if stated < size:
        raise Corrupt(f"the log states {stated} entries where {size} were anchored")
    items: list[LoggedItem] = []
    for index in range(first // TILE_WIDTH, -(-size // TILE_WIDTH) if size > first else 0):
        items += await read_bundle(log, index, width_at(stated, 0, index))
    return [item for item in items if first <= item.index < size]
