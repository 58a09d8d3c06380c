"""Ed25519 (RFC 8032) with one strict predicate, the same whichever library computes the curve.

Libraries differ on signatures at the edge: points of small order, encodings that are not canonical,
S beyond the group order, the equation with or without the cofactor. Two verifiers that differ on
one signature settle two different epochs, so the edge is decided here, before the library.
Rule: A and R are canonical encodings, neither has small order, S < L, and S*B = R + k*A holds
without the cofactor (libsodium compares R byte by byte; the published edge cases pin that).
"""

from __future__ import annotations

from typing import Final

import nacl.bindings
import nacl.exceptions

from commonworks.errors import InvalidInput

PUBLIC_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_P: Final = 2**255 - 19
_L: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_Y_MASK: Final = (1 << 255) - 1


def _order_eight_y() -> tuple[int, int]:
    # A point of order eight doubles to (+-sqrt(-1), 0); with y**2 = -x**2 there, the curve equation
    # -x**2 + y**2 = 1 + d*x**2*y**2 becomes d*z**2 + 2*z - 1 = 0 for z = y**2.
    root = _square_root((1 + _D) % _P)
    for candidate in (root, _P - root):
        z = (candidate - 1) * pow(_D, -1, _P) % _P
        if pow(z, (_P - 1) // 2, _P) == 1:
            y = _square_root(z)
            return y, _P - y
    raise ArithmeticError("the curve has points of order eight")


def _square_root(value: int) -> int:
    root = pow(value, (_P + 3) // 8, _P)
    if root * root % _P != value % _P:
        root = root * pow(2, (_P - 1) // 4, _P) % _P
    return root


_SMALL_ORDER_Y: Final = frozenset((0, 1, _P - 1, *_order_eight_y()))
"""The y coordinates of the eight points whose order divides the cofactor."""


def point_is_strict(encoded: bytes) -> bool:
    """Return whether 32 bytes are a canonical encoding (y < p) not of a small-order point.

    The two encodings of x = 0 with the sign bit set fall under small order. Whether the point lies
    on the curve at all is left to `public_is_valid` and to verification.
    """
    y = int.from_bytes(encoded, "little") & _Y_MASK
    return y < _P and y not in _SMALL_ORDER_Y


def public_is_valid(public: bytes) -> bool:
    """Return whether `public` is a key that a strict signature can verify under.

    Guarantees: true only for 32 bytes, canonical, not of small order, on the curve.
    Source: RFC 8032 section 5.1.3 for decompression.
    """
    if len(public) != PUBLIC_BYTES or not point_is_strict(public):
        return False
    y = int.from_bytes(public, "little") & _Y_MASK
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return pow(x_squared, (_P - 1) // 2, _P) == 1


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` over `message` verifies strictly under `public`.

    Inputs: any bytes. Guarantees: the predicate of this module, never an exception.
    Source: RFC 8032 section 5.1.7; Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs".
    """
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if int.from_bytes(signature[32:], "little") >= _L:
        return False
    if not point_is_strict(public) or not point_is_strict(signature[:32]):
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, public)
    except nacl.exceptions.CryptoError:
        return False
    return True


def public_from_seed(seed: bytes) -> bytes:
    """Return the 32-byte public key of a 32-byte seed (RFC 8032 section 5.1.5)."""
    if len(seed) != SEED_BYTES:
        raise InvalidInput("an Ed25519 seed has 32 bytes")
    public, _ = nacl.bindings.crypto_sign_seed_keypair(seed)
    return bytes(public)


def sign(seed: bytes, public: bytes, message: bytes) -> bytes:
    """Return the deterministic 64-byte signature of `message` (RFC 8032 section 5.1.6)."""
    signed: bytes = nacl.bindings.crypto_sign(message, seed + public)
    return signed[:SIGNATURE_BYTES]
