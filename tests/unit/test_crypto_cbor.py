"""Deterministic CBOR: one value, one encoding, and nothing else decodes."""

from __future__ import annotations

import cbor2
import pytest

from commonworks.crypto import cbor
from commonworks.crypto.cbor import MAX_DEPTH, Tag
from commonworks.errors import InvalidInput

# RFC 8949 appendix A, those of our types that are deterministic.
EXAMPLES: list[tuple[object, str]] = [
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("IETF", "6449455446"),
    ("\u00fc", "62c3bc"),
    ("\U00010151", "64f0908591"),
    ([], "80"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (Tag(23, b"\x01\x02\x03\x04"), "d74401020304"),
    (Tag(1, 1363896240), "c11a514b67b0"),
]


@pytest.mark.parametrize(("value", "encoded"), EXAMPLES)
def test_examples_of_the_rfc(value: object, encoded: str) -> None:
    assert cbor.encode(value).hex() == encoded
    assert cbor.decode(bytes.fromhex(encoded)) == value


def test_map_keys_sort_by_their_encoding_not_by_length() -> None:
    # RFC 8949 section 4.2.1, the order of its own example.
    keys: list[int | str] = [10, 100, -1, "z", "aa"]
    encoded = cbor.encode(dict.fromkeys(reversed(keys), 0))
    assert encoded.hex() == "a5" + "0a00" + "186400" + "2000" + "617a00" + "62616100"
    decoded = cbor.decode(encoded)
    assert isinstance(decoded, dict)
    assert list(decoded) == keys


NOT_DETERMINISTIC = {
    "empty": "",
    "integer longer than needed, 1 byte": "1817",
    "integer longer than needed, 2 bytes": "1900ff",
    "integer longer than needed, 4 bytes": "1a0000ffff",
    "integer longer than needed, 8 bytes": "1b00000000ffffffff",
    "negative longer than needed": "3800",
    "length longer than needed": "580101",
    "array length longer than needed": "980100",
    "map length longer than needed": "b8010000",
    "tag longer than needed": "d81200",
    "indefinite byte string": "5f4101ff",
    "indefinite text": "7f6161ff",
    "indefinite array": "9f01ff",
    "indefinite map": "bf0101ff",
    "break alone": "ff",
    "reserved head": "1c",
    "float16": "f90000",
    "float32": "fa00000000",
    "float64": "fb0000000000000000",
    "undefined": "f7",
    "simple 0": "e0",
    "simple in two bytes": "f820",
    "false in two bytes": "f814",
    "duplicate keys": "a201000101",
    "keys out of order": "a203000100",
    "map as key": "a1a000",
    "array as key": "a18000",
    "boolean as key": "a1f400",
    "tag as key": "a1c00000",
    "bytes after the item": "0000",
    "truncated head": "19ff",
    "truncated byte string": "420a",
    "truncated array": "8201",
    "truncated map": "a101",
    "huge array": "9bffffffffffffffff",
    "huge map": "bbffffffffffffffff",
    "huge string": "5bffffffffffffffff",
    "text that is not UTF-8": "61ff",
    "text with a surrogate": "63eda080",
    "text with an overlong form": "62c080",
}


@pytest.mark.parametrize("encoded", NOT_DETERMINISTIC.values(), ids=NOT_DETERMINISTIC.keys())
def test_anything_else_is_refused(encoded: str) -> None:
    with pytest.raises(InvalidInput, match="CBOR"):
        cbor.decode(bytes.fromhex(encoded))


def test_tags_only_where_allowed() -> None:
    for number in (0, 2, 18, 24, 55799, 2**64 - 1):
        encoded = cbor.encode(Tag(number, b"\x01"))
        assert cbor.decode(encoded) == Tag(number, b"\x01")
        assert cbor.decode(encoded, tags=(number,)) == Tag(number, b"\x01")
        with pytest.raises(InvalidInput, match="not allowed"):
            cbor.decode(encoded, tags=(64,))


@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x00", b"\xc0"])
def test_nesting_is_bounded(opening: bytes) -> None:
    deepest = opening * MAX_DEPTH + b"\x00"
    assert cbor.encode(cbor.decode(deepest)) == deepest
    for deeper in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(InvalidInput, match="deeper"):
            cbor.decode(opening * deeper + b"\x00")
        with pytest.raises(InvalidInput, match="deeper"):
            cbor.decode_sequence(opening * deeper + b"\x00", 1)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        {1.5: 0},
        {True: 0},
        {None: 0},
        {(1, 2): 0},
        {1, 2},
        bytearray(b"x"),
        object(),
        2**64,
        -(2**64) - 1,
        "\ud800",
        Tag(2**64, 0),
        Tag(-1, 0),
    ],
)
def test_what_has_no_encoding(value: object) -> None:
    with pytest.raises(InvalidInput, match="CBOR"):
        cbor.encode(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidInput, match="deeper"):
        cbor.encode(loop)


def test_a_general_library_reads_the_same() -> None:
    value = {"network": b"\x01" * 32, "time": 1 << 40, "list": [None, True, -7, "ü"], 3: {}}
    assert cbor2.loads(cbor.encode(value)) == value


def test_a_sequence_is_split_into_items() -> None:
    items = [b"\x01", bytes.fromhex("820102"), bytes.fromhex("d8124101"), b"\xa1\x00\x41\x07"]
    assert cbor.decode_sequence(b"".join(items), 4) == items
    assert cbor.decode_sequence(b"", 4) == []
    with pytest.raises(InvalidInput, match="more than 3"):
        cbor.decode_sequence(b"".join(items), 3)


def test_a_sequence_keeps_items_that_are_only_well_formed() -> None:
    # Not the shortest, a float, keys out of order: the fault of that item, not of the sequence.
    items = [b"\x18\x01", bytes.fromhex("f93c00"), bytes.fromhex("a203000100"), b"\x00"]
    assert cbor.decode_sequence(b"".join(items), 4) == items


@pytest.mark.parametrize("broken", ["5f4101ff", "1c", "420a", "82", "a101", "d8", "9bffffffff"])
def test_a_sequence_with_an_item_that_does_not_end(broken: str) -> None:
    with pytest.raises(InvalidInput, match="CBOR"):
        cbor.decode_sequence(b"\x01" + bytes.fromhex(broken), 10)
