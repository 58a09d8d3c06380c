"""Tiles, bundles and their paths, against the examples of the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commonworks.crypto.hashes import sha256
from commonworks.errors import Corrupt, InvalidInput, NotFound
from commonworks.translog import tiles, tree

VECTORS = Path(__file__).parents[1] / "vectors" / "translog"
NOTHING: dict[str, bytes] = {}  # a log in which nothing is


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return loaded


def log_files(size: int) -> tuple[list[bytes], dict[str, bytes]]:
    entries = [b"%d" % index for index in range(size)]
    leaves = [tree.leaf_hash(entry) for entry in entries]
    files = {
        **tiles.tiles_for(0, leaves, NOTHING.get),
        **tiles.bundles_for(0, entries, NOTHING.get),
    }
    return leaves, files


def test_paths() -> None:
    case = vector("paths")
    for item in case["tiles"]:
        tile = tiles.TileId(level=item["level"], index=item["index"], width=item["width"])
        assert tile.path == item["path"]
        assert tiles.parse_path(item["path"]) == tile
    for path in case["refused"]:
        assert tiles.parse_path(path) is None, path
    assert tiles.parse_path("tile/0/" + "x001/" * 5000 + "000") is None
    assert tiles.sealed_path(1000, 7) == "sealed/entries/x001/000.p/7"


@pytest.mark.parametrize(
    ("level", "index", "width"), [(64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)]
)
def test_paths_out_of_range(level: int, index: int, width: int) -> None:
    with pytest.raises(InvalidInput):
        tiles.tile_path(level, index, width)


def test_tree_of_70000_has_the_tiles_that_the_format_names() -> None:
    leaves = [sha256(index.to_bytes(4, "big")) for index in range(70_000)]
    files = tiles.tiles_for(0, leaves, NOTHING.get)
    expected = {tiles.tile_path(0, index) for index in range(273)}
    expected |= {"tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"}
    assert set(files) == expected
    assert [tile.path for tile in tiles.edge_tiles(70_000)] == [
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    listed = {tile.path for tile in tiles.tiles_between(0, 70_000) if tile.level is not None}
    assert listed == expected
    frontier = tree.Frontier().extend(leaves)
    assert tiles.HashReader(files.get, 70_000).frontier() == frontier
    assert files["tile/2/000.p/1"] == tree.root(leaves[:65_536])


def test_tree_of_256_has_a_full_tile_and_its_hash_above() -> None:
    leaves, files = log_files(256)
    assert set(files) == {"tile/0/000", "tile/1/000.p/1", "tile/entries/000"}
    assert files["tile/0/000"] == b"".join(leaves)
    assert files["tile/1/000.p/1"] == tree.root(leaves)


def test_an_append_writes_only_what_changed() -> None:
    _, files = log_files(300)
    more = [tree.leaf_hash(b"more")]
    assert set(tiles.tiles_for(300, more, files.get)) == {"tile/0/001.p/45"}
    assert set(tiles.bundles_for(300, [b"more"], files.get)) == {"tile/entries/001.p/45"}
    assert tiles.tiles_for(300, [], NOTHING.get) == {}
    assert tiles.bundles_for(300, [], NOTHING.get) == {}
    assert {tile.path for tile in tiles.tiles_between(300, 301)} == {
        "tile/0/001.p/45",
        "tile/entries/001.p/45",
    }


def test_bundles_have_two_byte_lengths() -> None:
    assert tiles.encode_entries([b"", b"ab"]) == b"\x00\x00\x00\x02ab"
    assert tiles.decode_entries(b"\x00\x00\x00\x02ab", 2) == (b"", b"ab")
    longest = bytes(65_535)
    assert tiles.decode_entries(tiles.encode_entries([longest]), 1) == (longest,)
    with pytest.raises(InvalidInput, match="65,535"):
        tiles.encode_entries([bytes(65_536)])
    with pytest.raises(InvalidInput, match="256"):
        tiles.encode_entries([b""] * 257)


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"\x00", 1), (b"\x00\x02a", 1), (b"", 1), (b"\x00\x00", 2), (b"\x00\x00", 0)],
)
def test_bad_bundles(data: bytes, width: int) -> None:
    with pytest.raises(Corrupt):
        tiles.decode_entries(data, width)


def test_sealed_bundles_lie_beside_the_log() -> None:
    first = tiles.bundles_for(0, [b"preimage", b""], NOTHING.get, tiles.SEALED)
    assert first == {"sealed/entries/000.p/2": b"\x00\x08preimage\x00\x00"}
    second = tiles.bundles_for(2, [b"x"], first.get, tiles.SEALED)
    assert second == {"sealed/entries/000.p/3": b"\x00\x08preimage\x00\x00\x00\x01x"}


def test_an_append_needs_its_edge() -> None:
    with pytest.raises(Corrupt, match=r"tile/0/000\.p/3"):
        tiles.tiles_for(3, [tree.leaf_hash(b"")], NOTHING.get)
    with pytest.raises(Corrupt, match="wrong length"):
        tiles.tiles_for(3, [tree.leaf_hash(b"")], {"tile/0/000.p/3": b"short"}.get)
    with pytest.raises(Corrupt, match=r"tile/entries/000\.p/3"):
        tiles.bundles_for(3, [b""], NOTHING.get)


def test_a_full_tile_serves_for_a_partial_one_that_was_deleted() -> None:
    leaves, files = log_files(256)
    old = tiles.HashReader(files.get, 200)
    assert old.frontier() == tree.Frontier().extend(leaves[:200])
    bundle = tiles.read_tile(files.get, tiles.TileId(level=None, index=0, width=200))
    assert bundle is not None
    assert tiles.decode_entries(bundle, 200) == tuple(b"%d" % index for index in range(200))


def test_hash_reader_says_what_is_missing() -> None:
    _, files = log_files(300)
    with pytest.raises(NotFound, match="tile/0/000"):
        tiles.HashReader(NOTHING.get, 300).inclusion_proof(5)
    with pytest.raises(Corrupt, match="tile/0/000"):
        tiles.HashReader({**files, "tile/0/000": b"short"}.get, 300).inclusion_proof(5)
    with pytest.raises(InvalidInput):
        tiles.HashReader(files.get, 300)(0, 300)
    with pytest.raises(InvalidInput):
        tiles.HashReader(files.get, 300)(0, 600)


def test_hash_reader_forgets_old_tiles_and_reads_them_again() -> None:
    size = 256 * (tiles.MAX_CACHED_TILES + 3)
    leaves, files = log_files(size)
    hashes = tiles.HashReader(files.get, size)
    root = tree.root(leaves)
    for index in [*range(0, size, 256), 0, size - 1]:
        proof = hashes.inclusion_proof(index)
        assert tree.verify_inclusion(leaves[index], index, size, proof, root)


def test_tiles_to_fetch_before_a_proof_are_those_it_reads() -> None:
    leaves, files = log_files(1000)
    some = {tile.path: files[tile.path] for tile in tiles.inclusion_tiles(300, 1000)}
    assert set(some) == {"tile/0/001", "tile/1/000.p/3", "tile/0/003.p/232"}
    proof = tiles.HashReader(some.get, 1000).inclusion_proof(300)
    assert tree.verify_inclusion(leaves[300], 300, 1000, proof, tree.root(leaves))
    some = {tile.path: files[tile.path] for tile in tiles.consistency_tiles(300, 1000)}
    proof = tiles.HashReader(some.get, 1000).consistency_proof(300)
    assert tree.verify_consistency(300, tree.root(leaves[:300]), 1000, tree.root(leaves), proof)
