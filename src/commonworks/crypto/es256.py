"""ES256 (ECDSA on P-256 with SHA-256) with low s, as secure elements and the EVM can check it.

ECDSA accepts (r, n - s) wherever it accepts (r, s). Only the lower of the two is a signature here,
so that nobody turns one signed statement or receipt into two encodings.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from commonworks.errors import InvalidInput

PUBLIC_BYTES: Final = 64
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""n, the order of the base point (FIPS 186-5, SP 800-186 section 3.2.1.3)."""

_SEED_LABEL: Final = b"commonworks/keys/v1/P-256"
_CACHED_KEYS: Final = 4096


def scalar_from_seed(seed: bytes) -> int:
    """Return the private scalar that a 32-byte seed stands for.

    Guarantees: 1 <= scalar < n, the same for ever; 384 bits are reduced, so the bias is below
    2**-128. Source: RFC 5869 section 2.3 (expand); FIPS 186-5 appendix A.2.1 (extra random bits).
    """
    if len(seed) != SEED_BYTES:
        raise InvalidInput("a P-256 seed has 32 bytes")
    stretched = HKDFExpand(algorithm=hashes.SHA256(), length=48, info=_SEED_LABEL).derive(seed)
    return int.from_bytes(stretched, "big") % (ORDER - 1) + 1


def private_key(scalar: int) -> ec.EllipticCurvePrivateKey:
    """Return the library's private key for a scalar in 1..n-1."""
    return ec.derive_private_key(scalar, ec.SECP256R1())


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return x || y, 64 bytes, of a private key's public point."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def public_is_valid(public: bytes) -> bool:
    """Return whether `public` is x || y of a point on the curve (never the point at infinity)."""
    return _load(public) is not None


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return r || s, 64 bytes, of `message`: deterministic (RFC 6979), with the lower s."""
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(message, algorithm))
    return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether r || s verifies over SHA-256(message) under x || y.

    Inputs: any bytes. Guarantees: false unless 0 < r < n and 0 < s <= n/2; never an exception.
    Source: RFC 9053 section 2.1; FIPS 186-5 section 6.4.2.
    """
    if len(signature) != SIGNATURE_BYTES:
        return False
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not (0 < r < ORDER and 0 < s <= ORDER // 2):
        return False
    key = _load(public)
    if key is None:
        return False
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=_CACHED_KEYS)
def _load(public: bytes) -> ec.EllipticCurvePublicKey | None:
    # Cached: decoding the point costs about as much as verifying, and devices sign again and again.
    if len(public) != PUBLIC_BYTES:
        return None
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public)
    except ValueError:
        return None
