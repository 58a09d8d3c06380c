"""Properties of the log: the tree against its definition, appends against batches, tampering."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import CommonworksError
from commonworks.translog import tiles, tree
from commonworks.translog.check import check_log
from commonworks.translog.notes import Checkpoint, note_key, parse_note, sign_checkpoint
from commonworks.translog.receipts import decode_receipt

NOTHING: dict[str, bytes] = {}  # a log in which nothing is
EXHAUSTIVE_SIZE = 70
ORIGIN = "0badcafe.commonworks/street"
KEY = PrivateKey.from_seed(Algorithm.EDDSA, b"k" * 32)
VKEY = note_key(ORIGIN, KEY.public.raw).vkey
LEAVES = [hashlib.sha256(b"\x00%d" % index).digest() for index in range(EXHAUSTIVE_SIZE)]


# The definitions of RFC 6962, 2.1, written as they stand there: slow, and nothing to get wrong.


def mth(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def audit_path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*audit_path(m, leaves[:k]), mth(leaves[k:])]
    return [*audit_path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


ROOTS = [mth(LEAVES[:size]) for size in range(EXHAUSTIVE_SIZE + 1)]


def read_small(level: int, index: int) -> bytes:
    part = LEAVES[index << level : (index + 1) << level]
    assert len(part) == 1 << level, "asked for a subtree that is not whole"
    return tree.root(part)


def tampered(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Every proof that differs from `proof` in one small way."""
    changed: list[tuple[bytes, ...]] = [(*proof, bytes(32)), (bytes(32), *proof)]
    for at, item in enumerate(proof):
        changed.append((*proof[:at], bytes([item[0] ^ 1]) + item[1:], *proof[at + 1 :]))
        changed.append((*proof[:at], *proof[at + 1 :]))
    if len(set(proof)) > 1:
        changed.append((*proof[1:], proof[0]))
    return changed


@pytest.mark.parametrize("size", range(EXHAUSTIVE_SIZE + 1))
def test_roots_and_inclusion_of_every_leaf(size: int) -> None:
    root = ROOTS[size]
    assert tree.root(LEAVES[:size]) == root
    assert tree.Frontier().extend(LEAVES[:size]).root() == root
    assert tree.frontier_at(size, read_small) == tree.Frontier().extend(LEAVES[:size])
    for index in range(size):
        proof = tree.inclusion_proof(index, size, read_small)
        assert list(proof) == audit_path(index, LEAVES[:size])
        assert tree.verify_inclusion(LEAVES[index], index, size, proof, root)
        assert not tree.verify_inclusion(LEAVES[index - 1], index, size, proof, root) or size == 1
        for other in {index - 1, index + 1, size, -1} - {index}:
            assert not tree.verify_inclusion(LEAVES[index], other, size, proof, root)
        for changed in tampered(proof):
            assert not tree.verify_inclusion(LEAVES[index], index, size, changed, root)


@pytest.mark.parametrize("size", range(EXHAUSTIVE_SIZE + 1))
def test_consistency_with_every_older_size(size: int) -> None:
    for old in range(size + 1):
        proof = tree.consistency_proof(old, size, read_small)
        if 0 < old < size:
            assert list(proof) == subproof(old, LEAVES[:size], True)
        assert tree.verify_consistency(old, ROOTS[old], size, ROOTS[size], proof)
        assert not tree.verify_consistency(old, bytes(32), size, ROOTS[size], proof)
        if old > 0:
            assert not tree.verify_consistency(old, ROOTS[old], size, bytes(32), proof)
            for changed in tampered(proof):
                assert not tree.verify_consistency(old, ROOTS[old], size, ROOTS[size], changed)
        if 0 < old < size:
            assert not tree.verify_consistency(old - 1, ROOTS[old], size, ROOTS[size], proof)


def files_of(size: int, stamp: bytes = b"") -> tuple[list[bytes], list[bytes], dict[str, bytes]]:
    entries = [b"%b%d" % (stamp, index) * (index % 5) for index in range(size)]
    leaves = [tree.leaf_hash(entry) for entry in entries]
    files = {
        **tiles.tiles_for(0, leaves, NOTHING.get),
        **tiles.bundles_for(0, entries, NOTHING.get),
    }
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=tree.root(leaves))
    files["checkpoint"] = sign_checkpoint(checkpoint, KEY)
    return entries, leaves, files


LARGE = 140_000  # three tile levels
LARGE_LEAVES = [hashlib.sha256(index.to_bytes(4, "big")).digest() for index in range(LARGE)]
LARGE_FILES = tiles.tiles_for(0, LARGE_LEAVES, NOTHING.get)
LARGE_READER = tiles.HashReader(LARGE_FILES.get, LARGE)
LARGE_ROOT = tree.root(LARGE_LEAVES)


@settings(deadline=None)
@given(st.integers(0, LARGE - 1))
def test_inclusion_from_tiles(index: int) -> None:
    proof = LARGE_READER.inclusion_proof(index)
    assert tree.verify_inclusion(LARGE_LEAVES[index], index, LARGE, proof, LARGE_ROOT)
    for changed in tampered(proof):
        assert not tree.verify_inclusion(LARGE_LEAVES[index], index, LARGE, changed, LARGE_ROOT)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, LARGE))
def test_consistency_from_tiles(old: int) -> None:
    proof = LARGE_READER.consistency_proof(old)
    old_root = tree.root(LARGE_LEAVES[:old])
    assert tree.verify_consistency(old, old_root, LARGE, LARGE_ROOT, proof)
    for changed in tampered(proof):
        assert not tree.verify_consistency(old, old_root, LARGE, LARGE_ROOT, changed)
    if old < LARGE:
        with_forgery = tree.Frontier().extend([*LARGE_LEAVES[: old - 1], bytes(32)]).root()
        assert not tree.verify_consistency(old, with_forgery, LARGE, LARGE_ROOT, proof)


@settings(deadline=None)
@given(st.integers(1, tree.MAX_SIZE), st.data())
def test_proofs_of_any_size_fit_their_limits(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    proof = tree.inclusion_proof(index, size, lambda level, at: bytes(32))
    assert len(proof) <= (size - 1).bit_length()
    assert tree.root_from_inclusion(bytes(32), index, size, proof) is not None
    assert tree.root_from_inclusion(bytes(32), index, size, (*proof, bytes(32))) is None
    consistency = tree.consistency_proof(old, size, lambda level, at: bytes(32))
    assert len(consistency) <= tree.MAX_PROOF_HASHES
    assert len(tiles.inclusion_tiles(index, size)) <= 2 * len(tiles.edge_tiles(size)) + 8


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_appending_in_steps_equals_one_batch(steps: list[int]) -> None:
    size = sum(steps)
    entries, leaves, batch = files_of(size)
    files: dict[str, bytes] = {}
    frontier = tree.Frontier()
    for step in steps:
        old = frontier.size
        new = slice(old, old + step)
        # A writer holds nothing but the partial tiles and the partial bundle of the old edge.
        edge = {tile.path for tile in tiles.edge_tiles(old)}
        edge |= {tiles.entries_path(old // 256, old % 256)} if old % 256 else set()
        held = {path: data for path, data in files.items() if path in edge}
        changed = {
            **tiles.tiles_for(old, leaves[new], held.get),
            **tiles.bundles_for(old, entries[new], held.get),
        }
        assert set(changed) == {tile.path for tile in tiles.tiles_between(old, old + step)}
        assert not set(changed) & set(files), "nothing that was published is written again"
        files.update(changed)
        frontier = frontier.extend(leaves[new])
        assert tiles.HashReader(files.get, frontier.size).frontier() == frontier
    assert frontier.root() == tree.root(leaves)
    expected = {tile.path: batch[tile.path] for tile in tiles.tiles_between(0, size)}
    assert {path: files[path] for path in expected} == expected


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert tiles.decode_entries(tiles.encode_entries(entries), len(entries)) == tuple(entries)


@settings(deadline=None)
@given(
    st.none() | st.integers(0, 63), st.integers(0, tree.MAX_SIZE), st.integers(1, tiles.TILE_WIDTH)
)
def test_paths_round_trip(level: int | None, index: int, width: int) -> None:
    tile = tiles.TileId(level=level, index=index, width=width)
    assert tiles.parse_path(tile.path) == tile


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"tile/(entries|\d{1,2})/[x0-9/.p]{1,20}"))
def test_a_path_has_one_spelling(path: str) -> None:
    tile = tiles.parse_path(path)
    assert tile is None or tile.path == path


SMALL_LOGS = {size: files_of(size) for size in (1, 2, 255, 256, 257, 600, 66_000)}


def entry_at(data: bytes, position: int) -> int:
    """Return which entry of a bundle, with its length before it, holds the byte at `position`."""
    at = 0
    for index in itertools.count():
        at += 2 + int.from_bytes(data[at : at + 2], "big")
        if position < at:
            return index
    raise AssertionError


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([1, 2, 255, 256, 257, 600, 600, 600, 600, 66_000]), st.data())
def test_any_flipped_bit_is_found_and_named(size: int, data: st.DataObject) -> None:
    _, _, files = SMALL_LOGS[size]
    path = data.draw(st.sampled_from(sorted(p for p in files if files[p])))
    position = data.draw(st.integers(0, len(files[path]) - 1))
    changed = bytearray(files[path])
    changed[position] ^= 1 << data.draw(st.integers(0, 7))

    report = check_log({**files, path: bytes(changed)}.get, VKEY)

    fault = report.first_fault
    assert fault is not None
    assert fault.path == path
    if path.startswith("tile/entries/"):
        bundle = tiles.parse_path(path)
        assert bundle is not None
        assert fault.entry == bundle.index * 256 + entry_at(files[path], position)
        assert report.entries == fault.entry
    else:
        assert fault.entry is None


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([257, 600]), st.data())
def test_resources_of_another_log_are_refused(size: int, data: st.DataObject) -> None:
    _, _, files = SMALL_LOGS[size]
    _, _, other = files_of(size, b"other")
    swapped = data.draw(st.sets(st.sampled_from(sorted(other)), min_size=1))
    swapped -= {"checkpoint"} if "checkpoint" in swapped and len(swapped) == len(other) else set()
    assert check_log({**files, **{p: other[p] for p in swapped}}.get, VKEY).first_fault is not None


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_decoders_are_total(data: bytes) -> None:
    for decode in (
        lambda: list(tiles.split_bundle(data)),
        lambda: parse_note(data),
        lambda: Checkpoint.decode(data.decode("latin-1")),
        lambda: decode_receipt(data),
    ):
        try:
            decode()
        except CommonworksError:
            continue
