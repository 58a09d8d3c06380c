"""The checker of whole logs: one planted fault of every kind, found and named."""

from __future__ import annotations

import pytest

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import InvalidInput
from commonworks.translog.check import (
    Fault,
    FaultKind,
    Verified,
    check_log,
    read_checkpoint,
    verified_bundles,
)
from commonworks.translog.notes import Checkpoint, note_key, sign_checkpoint
from commonworks.translog.tiles import bundles_for, encode_entries, tiles_for
from commonworks.translog.tree import EMPTY_ROOT, leaf_hash, root

ORIGIN = "0badcafe.commonworks/street"
KEY = PrivateKey.from_seed(Algorithm.EDDSA, b"k" * 32)
VKEY = note_key(ORIGIN, KEY.public.raw).vkey
NOTHING: dict[str, bytes] = {}  # a log in which nothing is
SIZE = 600


def entry(index: int) -> bytes:
    return b"entry %d" % index


def log_of(size: int) -> dict[str, bytes]:
    entries = [entry(index) for index in range(size)]
    leaves = [leaf_hash(item) for item in entries]
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=root(leaves))
    return {
        **tiles_for(0, leaves, NOTHING.get),
        **bundles_for(0, entries, NOTHING.get),
        "checkpoint": sign_checkpoint(checkpoint, KEY),
    }


@pytest.fixture
def log() -> dict[str, bytes]:
    return log_of(SIZE)


def fault_of(files: dict[str, bytes], vkey: str | None = VKEY) -> tuple[FaultKind, str, int | None]:
    fault = check_log(files.get, vkey).first_fault
    assert fault is not None
    assert fault.path in str(fault)
    return fault.kind, fault.path, fault.entry


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, SIZE, 65_536, 65_793])
@pytest.mark.parametrize("vkey", [VKEY, None])
def test_a_good_log(size: int, vkey: str | None) -> None:
    files = log_of(size)
    seen: list[int] = []
    report = check_log(files.get, vkey, seen.append)
    assert (report.size, report.entries, report.first_fault) == (size, size, None)
    assert report.root == (root([leaf_hash(entry(i)) for i in range(size)]) or EMPTY_ROOT)
    assert seen == [min(end, size) for end in range(256, size + 256, 256)]


def test_a_log_without_its_checkpoint(log: dict[str, bytes]) -> None:
    del log["checkpoint"]
    assert fault_of(log) == (FaultKind.MISSING, "checkpoint", None)
    report = check_log(log.get, VKEY)
    assert (report.size, report.root, report.entries) == (0, EMPTY_ROOT, 0)


def test_a_checkpoint_that_another_key_signed(log: dict[str, bytes]) -> None:
    checkpoint = read_checkpoint(log.get, VKEY)
    assert isinstance(checkpoint, Checkpoint)
    other = PrivateKey.from_seed(Algorithm.EDDSA, b"o" * 32)
    log["checkpoint"] = sign_checkpoint(checkpoint, other)
    assert fault_of(log) == (FaultKind.BAD_CHECKPOINT, "checkpoint", None)
    assert check_log(log.get, None).first_fault is None


def test_a_checkpoint_with_the_root_of_another_tree(log: dict[str, bytes]) -> None:
    checkpoint = Checkpoint(origin=ORIGIN, size=SIZE, root=b"r" * 32)
    log["checkpoint"] = sign_checkpoint(checkpoint, KEY)
    assert fault_of(log) == (FaultKind.BAD_ROOT, "checkpoint", None)


def test_a_bad_vkey_is_the_callers_mistake(log: dict[str, bytes]) -> None:
    with pytest.raises(InvalidInput):
        check_log(log.get, "not a vkey")


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ],
)
def test_a_missing_resource(log: dict[str, bytes], path: str) -> None:
    del log[path]
    assert fault_of(log) == (FaultKind.MISSING, path, None)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
@pytest.mark.parametrize("change", [lambda d: flipped(d, 40), lambda d: d[:-1], lambda d: d + d])
def test_a_bad_tile(log: dict[str, bytes], path: str, change: object) -> None:
    assert callable(change)
    log[path] = change(log[path])
    assert fault_of(log) == (FaultKind.BAD_TILE, path, None)


@pytest.mark.parametrize("index", [0, 255, 256, 511, 512, 599])
def test_a_bad_entry_is_named_by_its_number(log: dict[str, bytes], index: int) -> None:
    bundle, at = divmod(index, 256)
    path = "tile/entries/002.p/88" if bundle == 2 else f"tile/entries/{bundle:03}"
    items = [entry(i) for i in range(bundle * 256, min(SIZE, bundle * 256 + 256))]
    items[at] = flipped(items[at], 3)
    log[path] = encode_entries(items)
    assert fault_of(log) == (FaultKind.BAD_ENTRY, path, index)
    assert check_log(log.get, VKEY).entries == index


def test_an_entry_changed_together_with_its_tile_is_found_a_level_higher(
    log: dict[str, bytes],
) -> None:
    entries = [entry(i) for i in range(256)]
    entries[7] = b"forged"
    log["tile/entries/000"] = encode_entries(entries)
    log["tile/0/000"] = b"".join(leaf_hash(item) for item in entries)
    assert fault_of(log) == (FaultKind.BAD_TILE, "tile/0/000", None)
    log["tile/1/000.p/2"] = root([leaf_hash(e) for e in entries]) + log["tile/1/000.p/2"][32:]
    assert fault_of(log) == (FaultKind.BAD_ROOT, "checkpoint", None)


def test_bundles_that_are_too_short_or_too_long(log: dict[str, bytes]) -> None:
    path = "tile/entries/002.p/88"
    good = log[path]
    log[path] = encode_entries([entry(i) for i in range(512, 599)])
    assert fault_of(log) == (FaultKind.BAD_ENTRY, path, 599)
    log[path] = good[:-1]
    assert fault_of(log) == (FaultKind.BAD_ENTRY, path, 599)
    log[path] = good + b"\x00\x00"
    assert fault_of(log) == (FaultKind.BAD_BUNDLE, path, None)
    log[path] = good + b"\x00"
    assert fault_of(log) == (FaultKind.BAD_BUNDLE, path, None)
    assert check_log(log.get, VKEY).entries == SIZE


def test_a_bad_edge_tile_above_a_missing_or_cut_bundle_is_not_blamed_on_others(
    log: dict[str, bytes],
) -> None:
    log["tile/0/002.p/88"] = flipped(log["tile/0/002.p/88"], 0)
    log["tile/entries/002.p/88"] = log["tile/entries/002.p/88"][:-1]
    assert fault_of(log) == (FaultKind.BAD_TILE, "tile/0/002.p/88", None)
    del log["tile/entries/002.p/88"]
    # Nothing is left to compare the tile with: only that the root does not fit can be said.
    assert fault_of(log) == (FaultKind.BAD_ROOT, "checkpoint", None)


def test_faults_high_up_in_a_large_log() -> None:
    files = log_of(65_793)
    for path in ("tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1", "tile/0/255", "tile/0/257.p/1"):
        bad = {**files, path: flipped(files[path], 31)}
        assert fault_of(bad) == (FaultKind.BAD_TILE, path, None)


def test_a_mirror_starts_where_it_stopped(log: dict[str, bytes]) -> None:
    checkpoint = read_checkpoint(log.get, VKEY)
    assert isinstance(checkpoint, Checkpoint)
    results = list(verified_bundles(log.get, checkpoint, start=300))
    assert [type(result) for result in results] == [Verified, Verified]
    starts = [result.start for result in results if isinstance(result, Verified)]
    assert starts == [300, 512]
    got = [e for result in results if isinstance(result, Verified) for e in result.entries]
    assert got == [entry(i) for i in range(300, SIZE)]
    assert list(verified_bundles(log.get, checkpoint, start=SIZE)) == []


def test_entries_before_the_first_bad_one_come_out(log: dict[str, bytes]) -> None:
    checkpoint = read_checkpoint(log.get, VKEY)
    assert isinstance(checkpoint, Checkpoint)
    log["tile/entries/001"] = flipped(log["tile/entries/001"], 2)
    first, second = verified_bundles(log.get, checkpoint)
    assert isinstance(first, Verified)
    assert isinstance(second, Fault)
    assert second.entry == 256


def test_memory_does_not_grow_with_the_log() -> None:
    """Every resource is read once, in order, and only a tile a level is kept."""
    files = log_of(65_793)
    reads: list[str] = []

    def read(path: str) -> bytes | None:
        reads.append(path)
        return files.get(path)

    assert check_log(read, VKEY).first_fault is None
    assert len(reads) == len(set(reads)) == len(files)
