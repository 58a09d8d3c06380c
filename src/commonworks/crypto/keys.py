"""Public and private keys of devices, registrars and gateways, under either algorithm."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import nacl.utils
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from commonworks.crypto import cbor, ed25519, es256
from commonworks.crypto.hashes import sha256
from commonworks.errors import InvalidInput

SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


class Algorithm(IntEnum):
    """Signature algorithms by their COSE numbers (RFC 9053 section 2)."""

    EDDSA = -8
    """Ed25519 under the strict predicate of `crypto.ed25519`."""
    ES256 = -7
    """ECDSA on P-256 with SHA-256 and low s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicKey:
    """A public key; may hold bytes that are no key at all, under which nothing verifies."""

    algorithm: Algorithm
    """How signatures under this key are made."""
    raw: bytes
    """EDDSA: 32 bytes (RFC 8032). ES256: 64 bytes, x || y, big-endian."""

    @classmethod
    def from_raw(cls, algorithm: Algorithm, raw: bytes) -> PublicKey:
        """Return the key, or raise InvalidInput when `raw` is not a usable key."""
        key = cls(algorithm=algorithm, raw=raw)
        if not key.is_valid:
            raise InvalidInput(f"not a valid {algorithm.name} public key", public=raw.hex())
        return key

    @property
    def is_valid(self) -> bool:
        """Whether the bytes are a point on the curve, canonical, and not of small order."""
        if self.algorithm is Algorithm.EDDSA:
            return ed25519.public_is_valid(self.raw)
        return es256.public_is_valid(self.raw)

    @property
    def thumbprint(self) -> bytes:
        """The COSE key thumbprint, SHA-256, 32 bytes: the kid (RFC 9679 section 4)."""
        return sha256(self.cose_key)

    @property
    def cose_key(self) -> bytes:
        """The COSE_Key with only its required members, deterministic (RFC 9679 section 4)."""
        if self.algorithm is Algorithm.EDDSA:
            return cbor.encode({1: 1, -1: 6, -2: self.raw})
        return cbor.encode({1: 2, -1: 1, -2: self.raw[:32], -3: self.raw[32:]})

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether `signature` over `message` verifies strictly; never raises."""
        if self.algorithm is Algorithm.EDDSA:
            return ed25519.verify(self.raw, message, signature)
        return es256.verify(self.raw, message, signature)


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateKey:
    """A signing key, held as its 32-byte seed; the seed never shows in `repr`."""

    algorithm: Algorithm
    """How this key signs."""
    seed: bytes = field(repr=False)
    """32 secret bytes. EDDSA: the RFC 8032 private key. ES256: stretched to the scalar."""
    public: PublicKey = field(init=False, compare=False)
    """The public half."""
    _p256: EllipticCurvePrivateKey | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise InvalidInput(f"a key seed has {SEED_BYTES} bytes")
        if self.algorithm is Algorithm.EDDSA:
            p256, raw = None, ed25519.public_from_seed(self.seed)
        else:
            p256 = es256.private_key(es256.scalar_from_seed(self.seed))
            raw = es256.public_bytes(p256)
        object.__setattr__(self, "_p256", p256)
        object.__setattr__(self, "public", PublicKey(algorithm=self.algorithm, raw=raw))

    @classmethod
    def generate(cls, algorithm: Algorithm) -> PrivateKey:
        """Return a new key from the system's random source: for key tools, never for settlement."""
        return cls(algorithm=algorithm, seed=nacl.utils.random(SEED_BYTES))

    @classmethod
    def from_seed(cls, algorithm: Algorithm, seed: bytes) -> PrivateKey:
        """Return the key that 32 bytes stand for, the same for ever."""
        return cls(algorithm=algorithm, seed=seed)

    def sign(self, message: bytes) -> bytes:
        """Return the deterministic 64-byte signature over `message`."""
        if self._p256 is not None:
            return es256.sign(self._p256, message)
        return ed25519.sign(self.seed, self.public.raw, message)
