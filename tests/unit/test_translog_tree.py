"""The Merkle tree: published roots and proofs, and trees that fit on a hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commonworks.crypto.hashes import sha256
from commonworks.errors import InvalidInput
from commonworks.translog import tree

VECTORS = Path(__file__).parents[1] / "vectors" / "translog"


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return loaded


def reader(leaves: list[bytes]) -> tree.ReadHash:
    return lambda level, index: tree.root(leaves[index << level : (index + 1) << level])


def test_published_roots_and_proofs() -> None:
    case = vector("tree_certificate_transparency")
    leaves = [tree.leaf_hash(bytes.fromhex(entry)) for entry in case["entries"]]
    roots = [bytes.fromhex(root) for root in case["roots"]]
    for size, root in enumerate(roots, start=1):
        assert tree.root(leaves[:size]) == root
        assert tree.Frontier().extend(leaves[:size]).root() == root
    for proof in case["inclusion"]:
        path = tuple(bytes.fromhex(item) for item in proof["path"])
        index, size = proof["index"], proof["size"]
        assert tree.inclusion_proof(index, size, reader(leaves)) == path
        assert tree.verify_inclusion(leaves[index], index, size, path, roots[size - 1])
    for proof in case["consistency"]:
        path = tuple(bytes.fromhex(item) for item in proof["path"])
        old, new = proof["old"], proof["new"]
        assert tree.consistency_proof(old, new, reader(leaves)) == path
        assert tree.verify_consistency(old, roots[old - 1], new, roots[new - 1], path)


def test_leaf_and_node_are_hashed_apart() -> None:
    assert tree.leaf_hash(b"") == sha256(b"\x00")
    assert tree.node_hash(b"l" * 32, b"r" * 32) == sha256(b"\x01" + b"l" * 32 + b"r" * 32)
    assert tree.EMPTY_ROOT == tree.root([]) == tree.Frontier().root() == sha256(b"")


def test_three_leaves_by_hand() -> None:
    a, b, c = (tree.leaf_hash(entry) for entry in (b"a", b"b", b"c"))
    assert tree.root([a, b, c]) == tree.node_hash(tree.node_hash(a, b), c)
    assert tree.inclusion_proof(0, 3, reader([a, b, c])) == (b, c)
    assert tree.inclusion_proof(2, 3, reader([a, b, c])) == (tree.node_hash(a, b),)
    assert tree.consistency_proof(2, 3, reader([a, b, c])) == (c,)
    assert tree.consistency_proof(1, 3, reader([a, b, c])) == (b, c)


def test_proofs_of_nothing() -> None:
    leaf = tree.leaf_hash(b"x")
    assert tree.verify_inclusion(leaf, 0, 1, (), leaf)
    assert not tree.verify_inclusion(leaf, 0, 0, (), tree.EMPTY_ROOT)
    assert not tree.verify_inclusion(leaf, -1, 1, (), leaf)
    assert not tree.verify_inclusion(leaf, 0, 1, (b"short",), leaf)
    assert tree.verify_consistency(0, tree.EMPTY_ROOT, 1, leaf, ())
    assert not tree.verify_consistency(0, leaf, 1, leaf, ())
    assert not tree.verify_consistency(0, leaf, 0, leaf, ())
    assert not tree.verify_consistency(2, leaf, 1, leaf, ())
    assert not tree.verify_consistency(1, leaf, 2, leaf, ())


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3), (3, 3)])
def test_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(InvalidInput):
        tree.inclusion_proof(index, size, reader([]))


def test_a_log_does_not_shrink() -> None:
    with pytest.raises(InvalidInput, match="shrink"):
        tree.consistency_proof(3, 2, reader([]))


@pytest.mark.parametrize("nodes", [(), (b"n" * 32, b"n" * 32), (b"short",)])
def test_frontier_refuses_an_edge_that_no_tree_has(nodes: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidInput):
        tree.Frontier(size=4, nodes=nodes)
    with pytest.raises(InvalidInput):
        tree.Frontier(size=-1)
