"""The journal file: what is confirmed survives, and a failure is final."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from commonworks.chain.embedded import journal as journals
from commonworks.chain.embedded.config import Head
from commonworks.chain.embedded.frames import Accepted, Dropped, Mined, Record
from commonworks.chain.embedded.journal import Contents, Journal, Reader
from commonworks.crypto.hashes import keccak256
from commonworks.errors import CommonworksError, Conflict, Corrupt, Unavailable

GENESIS = b"\x07" * 32
SETTINGS: journals.Settings = {"chain_id": 1009, "flags": ["--a", "1"], "genesis": GENESIS}
START = 1_700_000_000


def accepted(number: int) -> Accepted:
    return Accepted(raw=b"raw transaction %d" % number)


def identity(number: int) -> bytes:
    return keccak256(accepted(number).raw)


def mined(number: int, *transactions: int, timestamp: int = START) -> Mined:
    hashes = tuple(identity(transaction) for transaction in transactions)
    return Mined(number=number, timestamp=timestamp, hash=bytes([number]) * 32, transactions=hashes)


def new(folder: Path) -> Path:
    path = folder / "journal"
    journals.create(path, SETTINGS)
    return path


def read(path: Path, *wanted: int) -> Contents:
    with Reader(path) as reader:
        return reader.check(START, frozenset(wanted))


def write(path: Path, records: Sequence[Record]) -> None:
    """Append each record in a frame of its own."""

    async def run() -> None:
        journal = Journal(path, read(path), pytest.fail)
        for record in records:
            await journal.append(record)
        await journal.close()

    asyncio.run(run())


def test_an_empty_journal_stands_at_genesis(tmp_path: Path) -> None:
    contents = read(new(tmp_path))
    assert contents.head == Head(number=0, timestamp=START, hash=GENESIS)
    assert (contents.blocks, contents.transactions, contents.torn_bytes) == (0, 0, 0)
    assert not contents.pending


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    path = new(tmp_path)
    write(path, [accepted(2), accepted(3), accepted(5), mined(1, 3), accepted(7)])
    write(path, [Dropped(transactions=(identity(2),)), mined(2, 7, timestamp=START + 11)])
    contents = read(path, 1, 4)
    assert contents.head == Head(number=2, timestamp=START + 11, hash=b"\x02" * 32)
    assert (contents.blocks, contents.transactions) == (2, 2)
    assert contents.pending == {identity(5): accepted(5).raw}
    assert contents.known == {1: b"\x01" * 32}
    with Reader(path) as reader:
        assert [type(record) for record in reader.records()] == [
            *(Accepted, Accepted, Accepted, Mined, Accepted, Dropped, Mined)
        ]


def test_appends_that_wait_together_share_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new(tmp_path)
    syncs: list[int] = []
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (syncs.append(fd), sync(fd)))

    async def run() -> None:
        journal = Journal(path, read(path), pytest.fail)
        await asyncio.gather(*(journal.append(accepted(number)) for number in range(997)))
        await journal.close()

    asyncio.run(run())
    assert len(syncs) == 1
    assert len(read(path).pending) == 997


def test_groups_are_split_before_they_outgrow_a_frame(tmp_path: Path) -> None:
    path = new(tmp_path)
    large = [Accepted(raw=bytes([number + 1]) * 100_000) for number in range(97)]

    async def run() -> None:
        journal = Journal(path, read(path), pytest.fail)
        await asyncio.gather(*(journal.append(record) for record in large))
        await journal.close()

    asyncio.run(run())
    assert list(read(path).pending.values()) == [record.raw for record in large]


def test_a_torn_tail_is_cut_once_and_the_file_goes_on(tmp_path: Path) -> None:
    path = new(tmp_path)
    write(path, [accepted(2), accepted(3)])
    whole = path.read_bytes()
    write(path, [accepted(5)])
    torn = path.read_bytes()[:-1]
    path.write_bytes(torn)
    assert read(path).torn_bytes == len(torn) - len(whole)
    write(path, [accepted(7)])
    contents = read(path)
    assert contents.torn_bytes == 0
    assert list(contents.pending.values()) == [accepted(n).raw for n in (2, 3, 7)]


def test_damage_in_the_middle_stops_and_changes_nothing(tmp_path: Path) -> None:
    path = new(tmp_path)
    write(path, [accepted(2), accepted(3), accepted(5)])
    data = bytearray(path.read_bytes())
    data[data.index(accepted(3).raw)] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(Corrupt, match="damaged at byte"):
        read(path)
    assert path.read_bytes() == bytes(data)


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    path = new(tmp_path)
    with Reader(path) as reader:
        found = reader.settings()
    journals.require_same(found, SETTINGS, path)
    with pytest.raises(Conflict) as caught:
        journals.require_same(found, {**SETTINGS, "chain_id": 1013, "gas_limit": 7}, path)
    assert "chain_id is 1009 there and 1013 here" in caught.value.message
    assert "gas_limit is absent there and 7 here" in caught.value.message
    assert "flags" not in caught.value.message


@pytest.mark.parametrize(
    "records",
    [
        [mined(2)],
        [mined(1), mined(1)],
        [mined(1, timestamp=START - 1)],
        [mined(1, 2)],
        [accepted(2), mined(1, 2), mined(2, 2)],
        [accepted(2), Dropped(transactions=(identity(2),)), mined(1, 2)],
    ],
)
def test_records_that_contradict_each_other_stop_the_reader(
    tmp_path: Path, records: list[Record]
) -> None:
    path = new(tmp_path)
    write(path, records)
    with pytest.raises(Corrupt, match="contradicts itself"):
        read(path)


def test_a_transaction_may_be_accepted_again_after_it_was_dropped(tmp_path: Path) -> None:
    path = new(tmp_path)
    gone = Dropped(transactions=(identity(2),))
    write(path, [accepted(2), gone, accepted(2), mined(1, 2)])
    assert read(path).transactions == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.ENOSPC, Unavailable), (errno.EDQUOT, Unavailable), (errno.EIO, Corrupt)],
)
def test_a_failed_sync_is_final(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    kind: type[CommonworksError],
) -> None:
    path = new(tmp_path)
    calls = 0

    def fails(_: int) -> None:
        nonlocal calls
        calls += 1
        raise OSError(code, os.strerror(code))

    async def run() -> None:
        failures: list[CommonworksError] = []
        journal = Journal(path, read(path), failures.append)
        await journal.append(accepted(2))
        monkeypatch.setattr(os, "fdatasync", fails)
        first, second = journal.append(accepted(3)), journal.append(accepted(5))
        results = await asyncio.gather(first, second, return_exceptions=True)
        results += await asyncio.gather(journal.append(accepted(7)), return_exceptions=True)
        assert [type(result) for result in results] == [kind] * 3
        assert len(failures) == 1
        assert isinstance(failures[0], kind)
        await journal.close()

    asyncio.run(run())
    assert calls == 1


def test_a_disk_that_fills_up_in_the_middle_of_a_frame_leaves_a_torn_tail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new(tmp_path)
    write(path, [accepted(2)])
    real = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[: len(data) // 2])

    async def run() -> None:
        failures: list[CommonworksError] = []
        journal = Journal(path, read(path), failures.append)
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(Unavailable, match="no room"):
            await journal.append(accepted(3))
        await journal.close()

    asyncio.run(run())
    contents = read(path)
    assert contents.torn_bytes > 0
    assert list(contents.pending.values()) == [accepted(2).raw]


def test_a_journal_exists_only_when_its_header_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(Unavailable):
        new(tmp_path)
    assert not (tmp_path / "journal").exists()


def test_an_emptied_file_is_refused(tmp_path: Path) -> None:
    path = new(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(Corrupt):
        read(path)
