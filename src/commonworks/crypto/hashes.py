"""The two hash functions of the house: SHA-256 for evidence, Keccak-256 for the chain."""

from __future__ import annotations

import hashlib

import sha3  # type: ignore[import-not-found, import-untyped, unused-ignore]


def sha256(data: bytes) -> bytes:
    """Return the 32-byte SHA-256 digest of `data` (FIPS 180-4)."""
    return hashlib.sha256(data).digest()


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of `data`.

    Source: the EVM's keccak256, the original padding of Keccak, not that of FIPS 202 SHA3-256.
    """
    return bytes(sha3.keccak_256(data).digest())
