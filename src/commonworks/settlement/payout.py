"""The payout tree: who may claim what, in OpenZeppelin's StandardMerkleTree format.

Leaf: (asset, account, cumulative earned, cumulative spent) as
`keccak256(keccak256(abi.encode(address, address, uint256, uint256)))`. Leaf hashes are sorted,
then laid out as a complete binary tree in an array whose last entries are the leaves in reverse;
a parent is the keccak of its two children in ascending order. This is the second of the house's
two Merkle trees; the first, over evidence, is `commonworks.translog.tree`.

Source: documentation of the npm package @openzeppelin/merkle-tree; docs/spec/payout-tree.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from commonworks.crypto.hashes import keccak256
from commonworks.errors import NotFound
from commonworks.model import (
    Total,
)

EMPTY_ROOT: Final = bytes(32)
"""Root of a tree without leaves: nothing can be claimed against it."""


def leaf_hash(total: Total) -> bytes:
    """Return the double keccak-256 of a leaf, 32 bytes."""
    words = (
        total.asset.rjust(32, b"\0")
        + total.account.rjust(32, b"\0")
        + total.earned.to_bytes(32, "big")
        + total.spent.to_bytes(32, "big")
    )
    return keccak256(keccak256(words))


def _parent(left: bytes, right: bytes) -> bytes:
    return keccak256(left + right if left < right else right + left)


def _layout(leaves: Sequence[bytes]) -> list[bytes]:
    """Return the tree as an array: node i has children 2i+1 and 2i+2, leaves stand last."""
    tree = [b""] * (2 * len(leaves) - 1)
    for position, leaf in enumerate(leaves):
        tree[len(tree) - 1 - position] = leaf
    for position in range(len(tree) - 1 - len(leaves), -1, -1):
        tree[position] = _parent(tree[2 * position + 1], tree[2 * position + 2])
    return tree


def root(totals: Sequence[Total]) -> bytes:
    """Return the root over `totals` (any order), or `EMPTY_ROOT` when there are none."""
    if not totals:
        return EMPTY_ROOT
    return _layout(sorted(leaf_hash(total) for total in totals))[0]


def proof(totals: Sequence[Total], asset: bytes, account: bytes) -> tuple[Total, tuple[bytes, ...]]:
    """Return the leaf of (asset, account) and its siblings from the leaf up to the root.

    Raises: NotFound when the tree has no such leaf.
    """
    wanted = next((t for t in totals if t.asset == asset and t.account == account), None)
    if wanted is None:
        raise NotFound("the payout tree has no leaf for this account and asset")
    leaves = sorted(leaf_hash(total) for total in totals)
    tree = _layout(leaves)
    position = len(tree) - 1 - leaves.index(leaf_hash(wanted))
    siblings = []
    while position > 0:
        siblings.append(tree[position + 1 if position % 2 else position - 1])
        position = (position - 1) // 2
    return wanted, tuple(siblings)


def verify(root_hash: bytes, total: Total, siblings: Sequence[bytes]) -> bool:
    """Tell whether `siblings` prove that `total` is a leaf under `root_hash`."""
    node = leaf_hash(total)
    for sibling in siblings:
        node = _parent(node, sibling)
    return node == root_hash
