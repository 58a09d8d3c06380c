"""The file store on a real folder and on a disk that loses power; the index beside it."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from commonworks.crypto.hashes import sha256
from commonworks.errors import Conflict, InvalidInput, InvariantBroken, Unavailable
from commonworks.simulation.disk import SimulatedDisk
from commonworks.simulation.store import Fault, PowerCut, Survival
from commonworks.storage.files import FileStore, OsDisk
from commonworks.storage.index import SqliteIndex
from gateway_kit import asynchronous


@asynchronous
async def test_values_come_back_and_are_listed(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "a" / "b")
    await store.write({"log/tile/0/x001/000.p/7": b"x", "log/checkpoint": b"y", "vkey": b""})
    assert await store.read("log/tile/0/x001/000.p/7") == b"x"
    assert await store.read("vkey") == b""
    assert await store.read("log") is None
    assert await store.read("log/checkpoint/deeper") is None
    assert await store.list("log/") == ["log/checkpoint", "log/tile/0/x001/000.p/7"]
    assert await store.list("log/tile/0/x001/000.p/") == ["log/tile/0/x001/000.p/7"]
    assert await store.list("v") == ["vkey"]
    assert await store.list("none/") == []
    await store.delete("vkey")
    await store.delete("vkey")
    assert await FileStore(tmp_path / "a" / "b").list("") == [
        "log/checkpoint",
        "log/tile/0/x001/000.p/7",
    ]
    assert sorted(p.name for p in (tmp_path / "a" / "b" / "log").rglob("*") if p.is_file()) == [
        "7",
        "checkpoint",
    ]


@asynchronous
async def test_swap_compares(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    await store.swap("state/checkpoint", None, b"one")
    await store.swap("state/checkpoint", b"one", b"two")
    await store.swap("state/checkpoint", b"two", b"two")
    for old in (None, b"one", b""):
        with pytest.raises(Conflict):
            await store.swap("state/checkpoint", old, b"three")
    assert await store.read("state/checkpoint") == b"two"


@asynchronous
async def test_nothing_leads_out_of_the_folder(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for path in (
        "",
        "/etc/passwd",
        "../x",
        "a/../x",
        "a//b",
        "a/",
        ".tmp/value",
        "a/\0",
        "x" * 600,
    ):
        with pytest.raises(InvalidInput):
            await store.read(path)
        with pytest.raises(InvalidInput):
            await store.write({path: b""})


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first = FileStore(tmp_path, exclusive=True)
    with pytest.raises(Conflict, match="in use"):
        FileStore(tmp_path, exclusive=True)
    first.close()
    FileStore(tmp_path, exclusive=True).close()


class FullDisk(OsDisk):
    """No room after some files."""

    def __init__(self, room: int) -> None:
        self.room = room

    def create(self, path: str, data: bytes) -> None:
        """Write while there is room; then half of it."""
        self.room -= 1
        if self.room < 0:
            super().create(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().create(path, data)


@asynchronous
async def test_a_full_disk_says_so_and_leaves_no_halves(tmp_path: Path) -> None:
    disk = FullDisk(1)
    store = FileStore(tmp_path, disk=disk)
    with pytest.raises(Unavailable, match=r"No space left.*free some space"):
        await store.write({"a": b"aaaa", "b": b"bbbb"})
    assert await store.list("") == ["a"]
    assert list((tmp_path / ".tmp").iterdir()) == []
    disk.room = 9
    await store.write({"b": b"bbbb"})
    assert await store.read("b") == b"bbbb"


VALUES = [
    {"a/b/one": b"1" * 10, "a/two": b"2" * 20},
    {"a/b/one": b"3" * 30, "c": b"4" * 40},
    {"c": b"5" * 50},
]


async def run(store: FileStore, done: dict[str, set[bytes | None]]) -> None:
    """Write, remembering for each path which values it may have after a power cut now."""
    for files in VALUES:
        for path, data in files.items():
            done.setdefault(path, {None}).add(data)
        try:
            await store.write(files)
        except Unavailable:
            await store.write(files)
        for path, data in files.items():
            done[path] = {data}


async def attempt(disk: SimulatedDisk, survival: Survival, seed: int) -> None:
    """Run until the power goes; then no value is lost or torn."""
    allowed: dict[str, set[bytes | None]] = {}
    with contextlib.suppress(PowerCut):
        await run(FileStore("/base/store", disk=disk), allowed)
    after = FileStore("/base/store", disk=disk.reboot(survival, seed=seed))
    for path, values in allowed.items():
        assert await after.read(path) in values, path
    again: dict[str, set[bytes | None]] = {}
    await run(after, again)


def disk_with_base(kind: type[SimulatedDisk], faults: Mapping[int, Fault]) -> SimulatedDisk:
    """Return a disk with the store's parent folder on it, durably."""
    disk = kind()
    disk.make("/base")
    disk.make("/base/store")
    disk.sync("/")
    disk.sync("/base")
    disk.plan.step = 0
    disk.plan.faults = faults
    return disk


@pytest.mark.parametrize("fault", list(Fault))
@asynchronous
async def test_what_a_write_reported_survives_a_power_cut_at_every_step(fault: Fault) -> None:
    for survival in Survival:
        for step in range(40):
            await attempt(disk_with_base(SimulatedDisk, {step: fault}), survival, step)
            double = {step: fault, step + 4: Fault.CUT_BEFORE}
            await attempt(disk_with_base(SimulatedDisk, double), survival, step)


class NamesUnsynced(SimulatedDisk):
    """Planted: directories are not synced."""

    def sync(self, directory: str) -> None:
        """Do nothing."""


class BytesUnsynced(SimulatedDisk):
    """Planted: files are not synced."""

    def create(self, path: str, data: bytes) -> None:
        """Write without fsync."""
        super().create(path, data)
        node = self._node(path)
        node.durable = b""  # type: ignore[union-attr]


class ParentsUnsynced(SimulatedDisk):
    """Planted: a new directory is not synced into its parent."""

    def sync(self, directory: str) -> None:
        """Forget the roots of new folders."""
        if directory not in ("/base/store", "/base/store/a"):
            super().sync(directory)


@pytest.mark.parametrize("kind", [NamesUnsynced, BytesUnsynced, ParentsUnsynced])
@asynchronous
async def test_a_missing_fsync_is_seen(kind: type[SimulatedDisk]) -> None:
    seen = 0
    for step in range(40):
        disk = disk_with_base(SimulatedDisk, {step: Fault.CUT_BEFORE})
        disk.__class__ = kind
        try:
            await attempt(disk, Survival.NOTHING, 0)
        except AssertionError:
            seen += 1
    assert seen


def identities(first: int, last: int) -> list[bytes]:
    """Return made-up identities."""
    return [sha256(b"%d" % number) for number in range(first, last)]


def test_the_index_finds_and_survives_a_restart(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    index.append(0, identities(0, 3))
    index.append(3, identities(3, 5))
    assert index.find(identities(2, 7)) == dict(zip(identities(2, 5), (2, 3, 4), strict=True))
    with pytest.raises(InvariantBroken):
        index.append(7, identities(7, 8))
    killed = SqliteIndex(tmp_path / "index.sqlite")  # the first one was not closed
    assert killed.size == 5
    killed.close()
    index = SqliteIndex(tmp_path / "index.sqlite")
    assert index.size == 5
    index.reset()
    assert index.size == 0
    assert index.find(identities(0, 5)) == {}


def test_an_index_in_doubt_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.sqlite"
    index = SqliteIndex(path)
    index.append(0, identities(0, 3))
    monkeypatch.setattr("commonworks.storage.index.BOOT_ID_PATH", str(tmp_path / "none"))
    assert SqliteIndex(path).size == 0  # left open, and the machine was down meanwhile
    index = SqliteIndex(path)
    index.append(0, identities(0, 3))
    index.close()
    other = sqlite3.connect(path)
    other.execute("DELETE FROM entry WHERE position = 1")
    other.commit()
    other.close()
    assert SqliteIndex(path).size == 0  # does not hold what it says
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    index = SqliteIndex(path)
    assert index.size == 0
    index.append(0, identities(0, 3))
    index._connection.execute("DROP TABLE entry")
    with pytest.raises(Unavailable):
        index.find(identities(0, 1))
    assert index.size == 0
    index.append(0, identities(0, 3))
    assert index.find(identities(1, 2)) == {identities(1, 2)[0]: 1}
