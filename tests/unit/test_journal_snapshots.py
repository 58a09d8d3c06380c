"""Snapshots: only a whole one of a block that the journal knows is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonworks.chain.embedded import snapshots
from commonworks.chain.embedded.config import Head
from commonworks.chain.embedded.snapshots import Snapshot
from commonworks.errors import Corrupt


def head(number: int) -> Head:
    return Head(number=number, timestamp=1_700_000_000 + number, hash=bytes([number]) * 32)


def snapshot(number: int) -> Snapshot:
    return Snapshot(head=head(number), state=b"state %d" % number)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "snapshots"
    for number in (3, 5, 11):
        snapshots.write(folder, snapshot(number))
    return folder


def known(*numbers: int) -> dict[int, bytes]:
    return {number: head(number).hash for number in numbers}


def test_the_newest_two_are_kept(folder: Path) -> None:
    assert snapshots.numbers(folder) == {5, 11}
    assert list(snapshots.newest_first(folder)) == [snapshot(11), snapshot(5)]
    assert sorted(path.name for path in folder.iterdir()) == [
        "000000000005.snapshot",
        "000000000011.snapshot",
    ]


def test_any_flipped_byte_makes_a_snapshot_unusable(folder: Path) -> None:
    path = folder / "000000000011.snapshot"
    good = path.read_bytes()
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 0x20
        path.write_bytes(damaged)
        assert list(snapshots.newest_first(folder)) == [snapshot(5)]


def test_a_snapshot_of_another_chain_is_passed_over(folder: Path) -> None:
    hashes = {5: head(5).hash, 11: b"\xff" * 32}
    assert list(snapshots.usable(folder, head(11), hashes)) == [snapshot(5)]
    assert list(snapshots.usable(folder, head(13), known(11, 5))) == [snapshot(11), snapshot(5)]


def test_a_snapshot_behind_the_journals_end_proves_a_loss(folder: Path) -> None:
    with pytest.raises(Corrupt, match="the journal lost its end"):
        list(snapshots.usable(folder, head(10), known(5)))


def test_no_folder_means_no_snapshots(tmp_path: Path) -> None:
    assert list(snapshots.newest_first(tmp_path / "none")) == []
    assert snapshots.numbers(tmp_path / "none") == frozenset()
