"""One canonical byte form for every value that is hashed or kept between epochs.

A frozen record becomes the array of its fields in order of declaration, a mapping the array of its
pairs sorted by encoded key, a set a sorted array; integers, bytes, text, booleans and None stand
for themselves. The array is written as deterministic CBOR (RFC 8949, 4.2.1), so equal values have
equal bytes on every machine. Floats are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from commonworks.crypto import cbor
from commonworks.crypto.hashes import keccak256
from commonworks.errors import InvariantBroken


def plain(value: object) -> Any:
    """Return `value` as arrays, integers, bytes and text, in canonical order.

    Raises: InvariantBroken for a value that has no canonical form (a float, an open object).
    """
    if value is None or isinstance(value, (bool, bytes)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (int, str)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, Mapping):
        pairs = [[plain(key), plain(item)] for key, item in value.items()]
        return sorted(pairs, key=lambda pair: cbor.encode(pair[0]))
    if isinstance(value, Set):
        return sorted((plain(item) for item in value), key=cbor.encode)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    raise InvariantBroken(f"{type(value).__name__} has no canonical form")


def encode(value: object) -> bytes:
    """Return the canonical bytes of `value`."""
    return cbor.encode(plain(value))


def digest(value: object) -> bytes:
    """Return keccak-256 over the canonical bytes of `value`, 32 bytes."""
    return keccak256(encode(value))
