"""Deterministic CBOR (RFC 8949 section 4.2.1), encoded and decoded strictly.

Goal: one value has one encoding, and every verifier, whatever library version it runs, agrees on
which bytes are that encoding. The decoder is therefore our own and closed: it knows integers of
64 bits, byte strings, text, arrays, maps, `false`, `true`, `null` and tags, and nothing else.
Rule: shortest heads, definite lengths, map keys in bytewise order of their encoding, no duplicates.
Invariant: `encode(decode(data)) == data` for everything that `decode` accepts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from commonworks.errors import InvalidInput

MAX_DEPTH: Final = 16
"""Deepest nesting of arrays, maps and tags; the deepest format of the house needs five."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SHORT_HEADS: Final = tuple(
    tuple(bytes((major << 5 | argument,)) for argument in range(24)) for major in range(8)
)
_HEAD_16: Final = struct.Struct(">BH")
_HEAD_32: Final = struct.Struct(">BI")
_HEAD_64: Final = struct.Struct(">BQ")
_SIMPLE_VALUES: Final[dict[int, bool | None]] = {20: False, 21: True, 22: None}
_ARGUMENT_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
# The smallest argument that deserves each longer form; below it the encoding is not the shortest.
_ARGUMENT_MINIMUM: Final = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged value (RFC 8949 section 3.4); whoever reads it decides what the tag means."""

    number: int
    """The tag number, 0..2**64-1."""
    value: object
    """The tagged item."""


def encode(value: object) -> bytes:
    """Return the deterministic encoding of `value`.

    Inputs: int (-2**64..2**64-1), bytes, str, list or tuple, mapping with int, str or bytes keys,
    bool, None, or Tag, nested at most MAX_DEPTH deep.
    Raises: InvalidInput for any other type (floats among them), range or depth.
    Source: RFC 8949 section 4.2.1.
    """
    out = bytearray()
    _write(out, value, MAX_DEPTH)
    return bytes(out)


def decode(data: bytes, tags: Iterable[int] | None = None) -> object:
    """Return the one value that `data` encodes deterministically, with nothing after it.

    Inputs: `data`, any bytes; `tags`, the tag numbers allowed (None allows every tag, as `Tag`).
    Returns: int, bytes, str, list, dict, bool, None or Tag.
    Guarantees: `encode` of the result is `data` again; time linear in len(data).
    Raises: InvalidInput, with the offset, for everything else; never another exception.
    """
    reader = _Reader(data, None if tags is None else frozenset(tags))
    value = reader.item(MAX_DEPTH)
    if reader.position != len(data):
        raise InvalidInput("CBOR: bytes after the item", offset=reader.position)
    return value


def decode_sequence(data: bytes, max_items: int) -> list[bytes]:
    """Split a CBOR sequence (RFC 8742) into its items, each still encoded.

    An item only needs to be well-formed with definite lengths here, so that one item that is not
    deterministic costs only itself and not its neighbours.
    Raises: InvalidInput when an item is not well-formed, or there are more than `max_items`.
    """
    items: list[bytes] = []
    position = 0
    while position < len(data):
        if len(items) == max_items:
            raise InvalidInput(f"CBOR sequence: more than {max_items} items")
        end = _skip(data, position, MAX_DEPTH)
        items.append(data[position:end])
        position = end
    return items


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return _SHORT_HEADS[major][argument]
    initial = major << 5
    if argument < 1 << 8:
        return bytes((initial | 24, argument))
    if argument < 1 << 16:
        return _HEAD_16.pack(initial | 25, argument)
    if argument < 1 << 32:
        return _HEAD_32.pack(initial | 26, argument)
    if argument < 1 << 64:
        return _HEAD_64.pack(initial | 27, argument)
    raise InvalidInput("CBOR: an integer or length needs more than 64 bits")


def _write(out: bytearray, value: object, depth: int) -> None:
    if depth < 0:
        raise InvalidInput(f"CBOR: nested deeper than {MAX_DEPTH}")
    if isinstance(value, bool | None):
        out.append(0xF6 if value is None else 0xF5 if value else 0xF4)
    elif isinstance(value, int):
        out += _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    elif isinstance(value, bytes):
        out += _head(_BYTES, len(value))
        out += value
    elif isinstance(value, str):
        text = _utf8(value)
        out += _head(_TEXT, len(text))
        out += text
    elif isinstance(value, list | tuple):
        out += _head(_ARRAY, len(value))
        for element in value:
            _write(out, element, depth - 1)
    elif isinstance(value, Tag):
        if value.number < 0:
            raise InvalidInput("CBOR: a tag number is not negative")
        out += _head(_TAG, value.number)
        _write(out, value.value, depth - 1)
    elif isinstance(value, Mapping):
        _write_map(out, value, depth)
    else:
        raise InvalidInput(f"CBOR: no encoding for {type(value).__name__}")


def _write_map(out: bytearray, value: Mapping[object, object], depth: int) -> None:
    entries: list[tuple[bytes, object]] = []
    for key, element in value.items():
        if isinstance(key, bool) or not isinstance(key, int | str | bytes):
            raise InvalidInput(f"CBOR: a map key may not be {type(key).__name__}")
        entries.append((encode(key), element))
    entries.sort(key=lambda entry: entry[0])
    out += _head(_MAP, len(entries))
    for encoded_key, element in entries:
        out += encoded_key
        _write(out, element, depth - 1)


def _utf8(value: str) -> bytes:
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput("CBOR: text with an unpaired surrogate") from error


class _Reader:
    """A cursor over one encoded value; every method raises InvalidInput with the offset."""

    __slots__ = ("data", "position", "tags")

    def __init__(self, data: bytes, tags: frozenset[int] | None) -> None:
        self.data = data
        self.position = 0
        self.tags = tags

    def item(self, depth: int) -> object:
        start = self.position
        if depth < 0:
            raise InvalidInput(f"CBOR: nested deeper than {MAX_DEPTH}", offset=start)
        major, argument = self.head()
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self.take(argument)
        if major == _TEXT:
            return self.text(argument)
        if major == _ARRAY:
            self.expect(argument)
            return [self.item(depth - 1) for _ in range(argument)]
        if major == _MAP:
            self.expect(2 * argument)
            return self.map(argument, depth)
        if major == _TAG:
            if self.tags is not None and argument not in self.tags:
                raise InvalidInput(f"CBOR: tag {argument} is not allowed here", offset=start)
            return Tag(argument, self.item(depth - 1))
        if self.data[start] & 0x1F in _SIMPLE_VALUES:
            return _SIMPLE_VALUES[argument]
        raise InvalidInput("CBOR: a float, undefined or unassigned simple value", offset=start)

    def head(self) -> tuple[int, int]:
        start = self.position
        if start >= len(self.data):
            raise InvalidInput("CBOR: truncated", offset=start)
        initial = self.data[start]
        info = initial & 0x1F
        self.position = start + 1
        if info < 24:
            return initial >> 5, info
        if info not in _ARGUMENT_BYTES:
            raise InvalidInput("CBOR: indefinite length or reserved head", offset=start)
        argument = int.from_bytes(self.take(_ARGUMENT_BYTES[info]), "big")
        if argument < _ARGUMENT_MINIMUM[info]:
            raise InvalidInput("CBOR: not the shortest encoding", offset=start)
        return initial >> 5, argument

    def take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self.data):
            raise InvalidInput("CBOR: truncated", offset=self.position)
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def expect(self, items: int) -> None:
        # Each item takes a byte at least: a huge count fails here, before any list grows.
        if items > len(self.data) - self.position:
            raise InvalidInput("CBOR: truncated", offset=self.position)

    def text(self, length: int) -> str:
        start = self.position
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput("CBOR: text is not UTF-8", offset=start) from error

    def map(self, length: int, depth: int) -> dict[object, object]:
        result: dict[object, object] = {}
        previous = b""
        for _ in range(length):
            start = self.position
            if start < len(self.data) and self.data[start] >> 5 not in (0, 1, 2, 3):
                raise InvalidInput("CBOR: a map key must be integer, text or bytes", offset=start)
            key = self.item(depth - 1)
            encoded = self.data[start : self.position]
            # Strictly ascending keys: the order is the deterministic one and none comes twice.
            if encoded <= previous:
                raise InvalidInput("CBOR: map keys out of order or duplicate", offset=start)
            previous = encoded
            result[key] = self.item(depth - 1)
        return result


def _skip(data: bytes, position: int, depth: int) -> int:
    """Return the end of the well-formed item of definite length that begins at `position`."""
    if depth < 0:
        raise InvalidInput(f"CBOR: nested deeper than {MAX_DEPTH}", offset=position)
    if position >= len(data):
        raise InvalidInput("CBOR: truncated", offset=position)
    major, info = data[position] >> 5, data[position] & 0x1F
    argument, end = info, position + 1
    if info >= 24:
        if info not in _ARGUMENT_BYTES:
            raise InvalidInput("CBOR: indefinite length or reserved head", offset=position)
        end += _ARGUMENT_BYTES[info]
        argument = int.from_bytes(data[position + 1 : end], "big")
    if major in (_BYTES, _TEXT):
        end += argument
    if end > len(data):
        raise InvalidInput("CBOR: truncated", offset=position)
    children = {_ARRAY: argument, _MAP: 2 * argument, _TAG: 1}.get(major, 0)
    if children > len(data) - end:
        raise InvalidInput("CBOR: truncated", offset=position)
    for _ in range(children):
        end = _skip(data, end, depth - 1)
    return end
