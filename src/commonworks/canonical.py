"""One canonical byte form for every value that is hashed or kept between epochs.

A frozen record becomes the array of its fields in order of declaration, a mapping the array of its
pairs sorted by encoded key, a set a sorted array; integers, bytes, text, booleans and None stand
for themselves; an integer beyond 64 bits (wei) becomes [negative, magnitude as bytes]. The array is
written as deterministic CBOR (RFC 8949, 4.2.1), so equal values have equal bytes on every machine.
Floats are refused. `decode` reads the bytes back by the record's own type hints, and accepts only
what `encode` writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from commonworks.crypto import cbor
from commonworks.crypto.hashes import keccak256
from commonworks.errors import CommonworksError, Corrupt, InvariantBroken

T = TypeVar("T")

WORD_MAX: Final = 2**64 - 1
WORD_MIN: Final = -(2**64)
"""What CBOR writes as an integer without a tag."""


def plain(value: object) -> Any:
    """Return `value` as arrays, integers, bytes and text, in canonical order.

    Raises: InvariantBroken for a value that has no canonical form (a float, an open object).
    """
    if value is None or isinstance(value, (bool, bytes)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int):
        return value if WORD_MIN <= value <= WORD_MAX else [value < 0, _magnitude(abs(value))]
    if isinstance(value, str):
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


def _magnitude(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def encode(value: object) -> bytes:
    """Return the canonical bytes of `value`."""
    return cbor.encode(plain(value))


def digest(value: object) -> bytes:
    """Return keccak-256 over the canonical bytes of `value`, 32 bytes."""
    return keccak256(encode(value))


def decode(kind: type[T], data: bytes) -> T:
    """Return the record of type `kind` that `encode` wrote; raise Corrupt for anything else."""
    try:
        value: T = _build(kind, cbor.decode(data))
    except (CommonworksError, TypeError, ValueError, KeyError) as error:
        raise Corrupt(f"stored {kind.__name__} cannot be read ({error})") from error
    if encode(value) != data:
        raise Corrupt(f"stored {kind.__name__} is not canonical")
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(hint: Any, value: Any) -> Any:
    """Return `value` as the type hint says; raise TypeError or ValueError where it cannot be."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return _build_union(arguments, value)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_build(arguments[0], item) for item in value)
        return tuple(_build(part, item) for part, item in zip(arguments, value, strict=True))
    if origin in (Mapping, dict):
        return {_build(arguments[0], key): _build(arguments[1], item) for key, item in value}
    if origin is frozenset:
        return frozenset(_build(arguments[0], item) for item in value)
    if is_dataclass(hint) and isinstance(hint, type):
        names = [field.name for field in fields(hint)]
        hints = _hints(hint)
        pairs = zip(names, value, strict=True)
        return hint(**{name: _build(hints[name], item) for name, item in pairs})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is int and isinstance(value, list):
        negative, magnitude = value
        return -int.from_bytes(magnitude, "big") if negative else int.from_bytes(magnitude, "big")
    if hint in (int, str, bytes, bool) and type(value) is hint:
        return value
    raise TypeError(f"{type(value).__name__} is not {hint}")


def _build_union(arguments: tuple[Any, ...], value: Any) -> Any:
    """Return an optional value: unions other than `X | None` have no canonical form."""
    (inner,) = (part for part in arguments if part is not NoneType)
    return None if value is None else _build(inner, value)
