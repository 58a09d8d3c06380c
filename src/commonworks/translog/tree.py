"""The Merkle tree of RFC 6962 over SHA-256: hashes, the growing edge, and proofs.

Goal: prove that an entry is in a log, and that a log only ever grew, in a few dozen hashes.
Rule: a node is addressed as (level, index): the root of the perfect subtree over the 2**level
leaves that begin at index * 2**level. Proof builders ask a `ReadHash` for such nodes and for
nothing else, so the same code serves a list in memory and tiles on a disk.
Invariant: leaves and inner nodes are hashed under different prefixes, so no inner node can ever
be passed off as an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.crypto.hashes import sha256
from commonworks.errors import InvalidInput

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"")
MAX_SIZE: Final = 2**63 - 1  # what every implementation of the format can count
MAX_PROOF_HASHES: Final = 64  # consistency proofs of trees below 2**63 entries need no more

_LEAF_PREFIX: Final = b"\x00"
_NODE_PREFIX: Final = b"\x01"

# (level, index) -> the 32-byte root of that perfect subtree.
ReadHash = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry as a leaf (RFC 6962, 2.1)."""
    return sha256(_LEAF_PREFIX + entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node over its two children (RFC 6962, 2.1)."""
    return sha256(_NODE_PREFIX + left + right)


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the tree hash over leaf hashes, in order; `EMPTY_ROOT` for none (RFC 6962, 2.1).

    Any run of sibling subtrees may stand in for leaves: a tile's 256 hashes give the parent's one.
    """
    if not leaf_hashes:
        return EMPTY_ROOT
    row = list(leaf_hashes)
    while len(row) > 1:
        # A last node without a partner moves up unchanged: the same tree as splitting from the top.
        odd = row[-1:] if len(row) % 2 else []
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)] + odd
    return row[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """A tree's right edge: all that appending needs to know of what came before."""

    size: int = 0
    """Number of leaves, 0..MAX_SIZE."""
    nodes: tuple[bytes, ...] = ()
    """Roots of the perfect subtrees that tile the leaves, left to right, largest first; one for
    each bit that is set in `size`."""

    def __post_init__(self) -> None:
        """Refuse an edge that no tree has."""
        if not 0 <= self.size <= MAX_SIZE:
            raise InvalidInput("tree size is out of range", size=self.size)
        if len(self.nodes) != self.size.bit_count():
            raise InvalidInput("a frontier has one node for each bit of its size", size=self.size)
        if any(len(node) != HASH_SIZE for node in self.nodes):
            raise InvalidInput("a frontier's nodes are 32-byte hashes", size=self.size)

    def extend(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """Return the frontier after appending leaf hashes in order. Linear in their number."""
        nodes = list(self.nodes)
        size = self.size
        for leaf in leaf_hashes:
            node = leaf
            full = size
            while full & 1:
                node = node_hash(nodes.pop(), node)
                full >>= 1
            nodes.append(node)
            size += 1
        return Frontier(size=size, nodes=tuple(nodes))

    def root(self) -> bytes:
        """Return the tree hash at this size."""
        if not self.nodes:
            return EMPTY_ROOT
        result = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            result = node_hash(node, result)
        return result


def frontier_at(size: int, read_hash: ReadHash) -> Frontier:
    """Return the frontier of the first `size` leaves, reading one node for each bit of `size`."""
    nodes = []
    begin = 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            nodes.append(read_hash(level, begin >> level))
            begin += 1 << level
    return Frontier(size=size, nodes=tuple(nodes))


def _split(count: int) -> int:
    """Return the largest power of two below `count` (RFC 6962's k), for count >= 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_hash(begin: int, end: int, read_hash: ReadHash) -> bytes:
    """Return the tree hash over leaves begin..end-1; `begin` is aligned, as splits leave it."""
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return read_hash(level, begin >> level)
    middle = begin + _split(count)
    left = _range_hash(begin, middle, read_hash)
    return node_hash(left, _range_hash(middle, end, read_hash))


def inclusion_proof(index: int, size: int, read_hash: ReadHash) -> tuple[bytes, ...]:
    """Prove that leaf `index` is in the tree of the first `size` leaves.

    Returns the sibling hashes from the leaf upwards. Raises InvalidInput when index >= size.
    Source: RFC 9162, 2.1.3.1.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise InvalidInput("no such leaf in the tree", index=index, size=size)
    siblings: list[tuple[int, int]] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((begin, middle))
            begin = middle
    return tuple(_range_hash(b, e, read_hash) for b, e in reversed(siblings))


def consistency_proof(old_size: int, new_size: int, read_hash: ReadHash) -> tuple[bytes, ...]:
    """Prove that the tree of `old_size` leaves is a prefix of the tree of `new_size` leaves.

    Returns no hashes when the sizes are equal or the old tree is empty: nothing is to be proven.
    Raises InvalidInput when old_size > new_size. Source: RFC 9162, 2.1.4.1.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise InvalidInput("a log does not shrink", old_size=old_size, new_size=new_size)
    if old_size in (0, new_size):
        return ()
    ranges: list[tuple[int, int]] = []
    begin, end = 0, new_size
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin > 0:
        # The old tree's last subtree is no whole old tree, so its hash is not known to a verifier.
        ranges.append((begin, end))
    return tuple(_range_hash(b, e, read_hash) for b, e in reversed(ranges))


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to, or None when its shape cannot fit.

    `leaf` is a leaf hash. Source: RFC 9162, 2.1.3.2, steps 1 to 4.
    """
    if not 0 <= index < size <= MAX_SIZE or not _are_hashes(proof):
        return None
    node_index, last_index = index, size - 1
    node = leaf
    for sibling in proof:
        if last_index == 0:
            return None
        if node_index & 1 or node_index == last_index:
            node = node_hash(sibling, node)
            while not node_index & 1 and node_index:
                node_index >>= 1
                last_index >>= 1
        else:
            node = node_hash(node, sibling)
        node_index >>= 1
        last_index >>= 1
    return node if last_index == 0 else None


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Return whether leaf hash `leaf` stands at `index` in the tree of that size and root.

    Total: any integers and byte strings give an answer. Source: RFC 9162, 2.1.3.2.
    """
    return root_from_inclusion(leaf, index, size, proof) == root


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether the old tree is a prefix of the new one.

    Total: any integers and byte strings give an answer. Source: RFC 9162, 2.1.4.2; for an empty old
    tree, which the RFC leaves out, the proof must be empty and the old root `EMPTY_ROOT`.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE or not _are_hashes(proof):
        return False
    if old_size == new_size:
        return not proof and old_root == new_root and (old_size > 0 or old_root == EMPTY_ROOT)
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    if not proof:
        return False
    whole = old_size & (old_size - 1) == 0
    path = (old_root, *proof) if whole else tuple(proof)
    old_index, new_index = old_size - 1, new_size - 1
    while old_index & 1:
        old_index >>= 1
        new_index >>= 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if new_index == 0:
            return False
        if old_index & 1 or old_index == new_index:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            while not old_index & 1 and old_index:
                old_index >>= 1
                new_index >>= 1
        else:
            new_node = node_hash(new_node, sibling)
        old_index >>= 1
        new_index >>= 1
    return new_index == 0 and old_node == old_root and new_node == new_root


def _are_hashes(proof: Sequence[bytes]) -> bool:
    """Return whether a proof is short enough and made of 32-byte hashes."""
    return len(proof) <= MAX_PROOF_HASHES and all(len(item) == HASH_SIZE for item in proof)
