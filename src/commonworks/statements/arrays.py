"""Columns as typed arrays (RFC 8746): packed, little-endian, one CBOR item each."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from commonworks.crypto.cbor import Tag
from commonworks.errors import InvalidInput
from commonworks.statements.model import ID_BYTES, DType, Values
from commonworks.units import INT63_MAX


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How one integer type is packed."""

    tag: int
    """CBOR tag of the array."""
    width: int
    """Bytes of one element."""
    code: str
    """struct code of one element."""
    minimum: int
    """Smallest value that the type carries here."""
    maximum: int
    """Largest value that the type carries here."""


def _integer(tag: int, code: str, *, signed: bool) -> Layout:
    width = struct.calcsize(f"<{code}")
    top = 8 * width - signed
    minimum = -(1 << top) if signed else 0
    maximum = min((1 << top) - 1, INT63_MAX)
    return Layout(tag=tag, width=width, code=code, minimum=minimum, maximum=maximum)


LAYOUTS: Final = MappingProxyType(
    {
        DType.U8: _integer(64, "B", signed=False),
        DType.U16: _integer(69, "H", signed=False),
        DType.U32: _integer(70, "I", signed=False),
        DType.U64: _integer(71, "Q", signed=False),
        DType.I8: _integer(72, "b", signed=True),
        DType.I16: _integer(77, "h", signed=True),
        DType.I32: _integer(78, "i", signed=True),
        DType.I64: _integer(79, "q", signed=True),
    }
)
"""Integer element type -> layout (RFC 8746 section 2.1). `b32` is an untagged byte string."""

_DTYPES: Final = {layout.tag: dtype for dtype, layout in LAYOUTS.items()}

ARRAY_TAGS: Final = frozenset(_DTYPES)
"""The CBOR tags that a payload may contain."""


def pack(dtype: DType, values: Sequence[int] | Sequence[bytes]) -> object:
    """Return the CBOR item of a column.

    Raises: InvalidInput when a value is not of the element type.
    """
    if dtype is DType.B32:
        if not all(isinstance(value, bytes) and len(value) == ID_BYTES for value in values):
            raise InvalidInput(f"a b32 column holds identifiers of {ID_BYTES} bytes")
        return b"".join(value for value in values if isinstance(value, bytes))
    layout = LAYOUTS[dtype]
    integers = [value for value in values if isinstance(value, int)]
    if len(integers) != len(values) or not _in_range(layout, integers):
        raise InvalidInput(f"a {dtype} column holds integers {layout.minimum}..{layout.maximum}")
    return Tag(layout.tag, struct.pack(f"<{len(integers)}{layout.code}", *integers))


def unpack(item: object) -> tuple[DType, Values] | None:
    """Return element type and values of a column's CBOR item, or None when it is no column.

    Guarantees: `pack` of the result encodes to the same bytes; every integer fits 64 signed bits.
    """
    if isinstance(item, bytes):
        if len(item) % ID_BYTES:
            return None
        ids = tuple(item[start : start + ID_BYTES] for start in range(0, len(item), ID_BYTES))
        return DType.B32, ids
    if not isinstance(item, Tag) or not isinstance(item.value, bytes):
        return None
    dtype = _DTYPES.get(item.number)
    if dtype is None:
        return None
    layout = LAYOUTS[dtype]
    count, rest = divmod(len(item.value), layout.width)
    if rest:
        return None
    values: tuple[int, ...] = struct.unpack(f"<{count}{layout.code}", item.value)
    return (dtype, values) if _in_range(layout, values) else None


def _in_range(layout: Layout, values: Sequence[int]) -> bool:
    return not values or (min(values) >= layout.minimum and max(values) <= layout.maximum)
