"""What an attestation commits to, hashed exactly as the Settlement contract hashes it.

Source: docs/spec/digest.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode

from commonworks.crypto.hashes import keccak256
from commonworks.events import (
    Commitment,
    Range,
)

NO_DIGEST = bytes(32)
"""The digest before epoch 0."""


def evidence_hash(epoch: int, ranges: Sequence[Range]) -> bytes:
    """Return the hash of an epoch's frozen evidence; `ranges` sorted by log id."""
    rows = [(item.log_id, item.first, item.size, item.root) for item in ranges]
    return keccak256(encode(["uint64", "(bytes32,uint64,uint64,bytes32)[]"], [epoch, rows]))


def digest(network_id: bytes, epoch: int, commitment: Commitment) -> bytes:
    """Return the digest that verifiers attest and the contract recomputes."""
    totals = [(total.asset, total.earned, total.spent) for total in commitment.totals]
    return keccak256(
        encode(
            ["bytes32", "uint64", *["bytes32"] * 8, "uint256", "(address,uint256,uint256)[]"],
            [
                network_id,
                epoch,
                commitment.previous_digest,
                commitment.evidence_hash,
                commitment.facts_hash,
                commitment.policy_hash,
                commitment.rules_hash,
                commitment.result_hash,
                commitment.state_hash,
                commitment.payout_root,
                commitment.minted_wei,
                totals,
            ],
        )
    )


def define_hash(
    history: bytes, key: bytes, value: int, minimum: int, maximum: int, from_epoch: int
) -> bytes:
    """Return the policy history's hash after a parameter was defined."""
    types = ["bytes32", "bytes32", "int256", "int256", "int256", "uint64"]
    return keccak256(encode(types, [history, key, value, minimum, maximum, from_epoch]))


def set_hash(history: bytes, key: bytes, value: int, from_epoch: int) -> bytes:
    """Return the policy history's hash after a parameter was set."""
    types = ["bytes32", "bytes32", "int256", "uint64"]
    return keccak256(encode(types, [history, key, value, from_epoch]))
