"""Receipts: COSE Receipts (RFC 9942) over RFC9162_SHA256, one signature for a whole pool.

Goal: an acknowledgement that *is* the proof, and that a contract can check.
Rule: what is signed is (network, log, tree size, root): the first three stand in the protected
header, whose layout is constant, and the root is the detached payload. Where an entry stands in the
tree is in the unprotected header, so every receipt of a pool carries the same signature.
Invariant: two receipts of one log and size under one key with different roots prove a fork.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.crypto import cbor, cose
from commonworks.crypto.cose import Label
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import InvalidInput
from commonworks.translog.tree import (
    HASH_SIZE,
    MAX_PROOF_HASHES,
    MAX_SIZE,
    leaf_hash,
    root_from_inclusion,
)

LABEL_VDS: Final = 395  # verifiable data structure (RFC 9942)
LABEL_VDP: Final = 396  # its proofs
VDS_RFC9162_SHA256: Final = 1
PROOF_INCLUSION: Final = -1
# Labels below -65536 are for private use (RFC 9052, 11.1).
LABEL_NETWORK: Final = -65537
LABEL_LOG_ID: Final = -65538
LABEL_SIZE: Final = -65539

PROTECTED_BYTES: Final = 134
SIGNED_BYTES: Final = 183
SIGNATURE_BYTES: Final = 64
MAX_RECEIPT_BYTES: Final = 4096  # 64 path hashes and both headers fit in 2,400


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A decoded receipt."""

    network: bytes
    """Network id, 32 bytes."""
    log_id: bytes
    """The log, 32 bytes."""
    kid: bytes
    """Thumbprint of the gateway's ES256 key, 32 bytes."""
    size: int
    """Tree size that the signature covers, 1..MAX_SIZE."""
    index: int
    """The entry's position, 0..size-1."""
    path: tuple[bytes, ...]
    """Inclusion path from the leaf upwards, 32 bytes each; empty only in a tree of one."""
    signature: bytes
    """ES256 over the protected header and the root, 64 bytes, low s."""

    @property
    def protected(self) -> bytes:
        """The protected header, as signed."""
        return receipt_protected(self.kid, self.network, self.log_id, self.size)

    def root(self, entry: bytes) -> bytes | None:
        """Return the root that `entry` at this place leads to; None when the path cannot fit."""
        return root_from_inclusion(leaf_hash(entry), self.index, self.size, self.path)


def receipt_protected(kid: bytes, network: bytes, log_id: bytes, size: int) -> bytes:
    """Return the protected header: always `PROTECTED_BYTES` long, each field at its own offset.

    kid, network and log_id have 32 bytes; the size is written as eight bytes, big-endian.
    """
    if any(len(value) != HASH_SIZE for value in (kid, network, log_id)):
        raise InvalidInput("kid, network id and log id have 32 bytes each")
    if not 1 <= size <= MAX_SIZE:
        raise InvalidInput("a receipt's tree size is out of range", size=size)
    header = {
        cose.HEADER_ALGORITHM: int(Algorithm.ES256),
        cose.HEADER_KEY_ID: kid,
        LABEL_VDS: VDS_RFC9162_SHA256,
        LABEL_NETWORK: network,
        LABEL_LOG_ID: log_id,
        LABEL_SIZE: size.to_bytes(8, "big"),
    }
    return cbor.encode(header)


def receipt_tbs(protected: bytes, root: bytes) -> bytes:
    """Return the bytes to be signed: the Sig_structure over header and 32-byte root (183 bytes)."""
    return cose.sig_structure(protected, root)


def encode_receipt(
    protected: bytes, signature: bytes, size: int, index: int, path: Sequence[bytes]
) -> bytes:
    """Return the receipt of one entry under a pool's signature: a tagged COSE_Sign1."""
    proof = cbor.encode([size, index, list(path)])
    unprotected: dict[Label, object] = {LABEL_VDP: {PROOF_INCLUSION: [proof]}}
    return cose.encode_sign1(protected, unprotected, None, signature)


def decode_receipt(data: bytes) -> Receipt:
    """Return the receipt in `data`; verifies neither path nor signature.

    Raises InvalidInput naming the rule it breaks. Guarantees: encoding it again gives `data`.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise InvalidInput("a receipt has at most 4,096 bytes", length=len(data))
    sign1 = cose.decode_sign1(data)
    if sign1.payload is not None:
        raise InvalidInput("a receipt's payload is detached")
    if len(sign1.signature) != SIGNATURE_BYTES:
        raise InvalidInput("a receipt's signature has 64 bytes", length=len(sign1.signature))
    headers = sign1.headers
    size_bytes = _bytes(headers.get(LABEL_SIZE), 8, "tree size in the protected header")
    size, index, path = _proof(sign1.unprotected)
    receipt = Receipt(
        network=_bytes(headers.get(LABEL_NETWORK), HASH_SIZE, "network id"),
        log_id=_bytes(headers.get(LABEL_LOG_ID), HASH_SIZE, "log id"),
        kid=_bytes(headers.get(cose.HEADER_KEY_ID), HASH_SIZE, "kid"),
        size=int.from_bytes(size_bytes, "big"),
        index=index,
        path=path,
        signature=sign1.signature,
    )
    if receipt.size != size:
        raise InvalidInput("the proof is of another tree size than the signature", size=size)
    if not 0 <= index < size:
        raise InvalidInput("the proof's index is not in its tree", index=index, size=size)
    # Catches a wrong alg or structure, and labels that are not ours: the layout is constant.
    if receipt.protected != sign1.protected:
        raise InvalidInput("the protected header is not that of a receipt")
    if encode_receipt(receipt.protected, receipt.signature, size, index, path) != data:
        raise InvalidInput("a receipt carries one inclusion proof and nothing else")
    return receipt


def verify_receipt(
    data: bytes, entry: bytes, key: PublicKey, network: bytes, log_id: bytes
) -> Receipt:
    """Return the receipt if it proves that `entry` is in that log of that network.

    `entry` is the logged statement, `key` the gateway's ES256 key, `network` and `log_id` are what
    the caller expects, 32 bytes each. Raises InvalidInput naming the first rule that failed.
    Source: RFC 9942, 5.2; RFC 9162, 2.1.3.2.
    """
    receipt = decode_receipt(data)
    if receipt.network != network:
        raise InvalidInput("the receipt is of another network", network=receipt.network.hex())
    if receipt.log_id != log_id:
        raise InvalidInput("the receipt is of another log", log_id=receipt.log_id.hex())
    if key.algorithm is not Algorithm.ES256 or receipt.kid != key.thumbprint:
        raise InvalidInput("the receipt is signed by another key", kid=receipt.kid.hex())
    root = receipt.root(entry)
    if root is None:
        raise InvalidInput("the receipt's path does not fit its index and tree size")
    if not key.verify(receipt_tbs(receipt.protected, root), receipt.signature):
        raise InvalidInput("the receipt's signature does not verify for this entry")
    return receipt


def _bytes(value: object, length: int, name: str) -> bytes:
    """Return `value` if it is a byte string of that length."""
    if not isinstance(value, bytes) or len(value) != length:
        raise InvalidInput(f"a receipt's {name} is a byte string of {length} bytes")
    return value


def _proof(unprotected: Mapping[Label, object]) -> tuple[int, int, tuple[bytes, ...]]:
    """Return size, index and path of the inclusion proof in the unprotected header."""
    proofs = unprotected.get(LABEL_VDP)
    inclusion = proofs.get(PROOF_INCLUSION) if isinstance(proofs, dict) else None
    if not isinstance(inclusion, list) or len(inclusion) != 1:
        raise InvalidInput("a receipt carries one inclusion proof")
    if not isinstance(inclusion[0], bytes):
        raise InvalidInput("an inclusion proof is wrapped in a byte string")
    proof = cbor.decode(inclusion[0])
    if not isinstance(proof, list) or len(proof) != 3:
        raise InvalidInput("an inclusion proof is [size, index, path]")
    size, index, path = proof
    if not (isinstance(size, int) and isinstance(index, int) and isinstance(path, list)):
        raise InvalidInput("an inclusion proof is [size, index, path]")
    if len(path) > MAX_PROOF_HASHES:
        raise InvalidInput("an inclusion path has at most 64 hashes", hashes=len(path))
    # int(): a CBOR `true` is an int to Python; as 1 it shows when the receipt is encoded again.
    hashes = tuple(_bytes(item, HASH_SIZE, "path element") for item in path)
    return int(size), int(index), hashes
