"""A network's id: what everything that is signed for it carries. Source: docs/spec/manifest.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eth_abi.abi import encode

from commonworks.crypto.hashes import keccak256

DOMAIN: Final = "commonworks/1"
"""First word of what a network id commits to."""


def network_id(
    chain_id: int,
    contracts: Sequence[bytes],
    genesis_time: int,
    epoch_length_s: int,
    manifest_hash: bytes,
) -> bytes:
    """Return the id that the Settlement contract computes in its constructor, 32 bytes.

    Inputs: `contracts` are Settlement, CommonsToken, Devices, Nodes, Vault, Policy, in this order;
    times in seconds.
    """
    types = ["string", "uint256", *["address"] * len(contracts), "uint64", "uint64", "bytes32"]
    fixed = [genesis_time, epoch_length_s, manifest_hash]
    return keccak256(encode(types, [DOMAIN, chain_id, *contracts, *fixed]))
