"""The payout tree, written from its published description and sharing nothing with the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_utils import keccak


def leaf(payout: dict[str, Any]) -> bytes:
    """Return keccak(keccak(abi.encode(asset, account, earned, spent)))."""
    words = [
        int(payout["asset"], 16),
        int(payout["account"], 16),
        payout["earned"],
        payout["spent"],
    ]
    return bytes(keccak(keccak(b"".join(word.to_bytes(32, "big") for word in words))))


def root(payouts: Sequence[dict[str, Any]]) -> str:
    """Return the root of OpenZeppelin's StandardMerkleTree over payouts, as the chain has it.

    Its array of 2n-1 nodes ends in the sorted leaves, backwards; so the leaves fill the places
    from the end, and each pair of neighbours, counted from the end, has its parent further left.
    """
    nodes = sorted(leaf(payout) for payout in payouts)
    if not nodes:
        return "0x" + "00" * 32
    taken = 0
    while len(nodes) - taken > 1:  # the queue's front pair becomes a node at its end
        pair = sorted(nodes[taken : taken + 2])
        nodes.append(bytes(keccak(b"".join(pair))))
        taken += 2
    return "0x" + nodes[-1].hex()
