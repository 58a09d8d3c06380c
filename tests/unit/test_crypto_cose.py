"""COSE_Sign1: one strict form."""

from __future__ import annotations

import pytest

from commonworks.crypto import cbor, cose
from commonworks.crypto.cbor import Tag
from commonworks.errors import InvalidInput

PROTECTED = cbor.encode({1: -8, 4: b"kid"})


def test_sig_structure_by_hand() -> None:
    # RFC 9052 section 4.4: ["Signature1", protected, external_aad, payload].
    expected = "84" + "6a5369676e617475726531" + "43a10126" + "40" + "4301020" + "3"
    assert cose.sig_structure(bytes.fromhex("a10126"), b"\x01\x02\x03").hex() == expected


def test_round_trip() -> None:
    raw = cose.encode_sign1(PROTECTED, {}, b"payload", b"s" * 64)
    assert raw[:2].hex() == "d284"
    signed = cose.decode_sign1(raw)
    assert signed.protected == PROTECTED
    assert signed.headers == {1: -8, 4: b"kid"}
    assert signed.unprotected == {}
    assert (signed.payload, signed.signature) == (b"payload", b"s" * 64)


def test_detached_payload_and_unprotected_header() -> None:
    raw = cose.encode_sign1(PROTECTED, {396: {-1: [b"proof"]}}, None, b"s")
    signed = cose.decode_sign1(raw)
    assert signed.payload is None
    assert signed.unprotected == {396: {-1: [b"proof"]}}


def test_empty_protected_header_is_a_zero_length_string() -> None:
    assert cose.decode_sign1(cose.encode_sign1(b"", {}, b"", b"s")).headers == {}
    with pytest.raises(InvalidInput, match="zero-length"):
        cose.decode_sign1(cose.encode_sign1(b"\xa0", {}, b"", b"s"))


@pytest.mark.parametrize(
    "item",
    [
        [PROTECTED, {}, b"", b""],
        Tag(17, [PROTECTED, {}, b"", b""]),
        Tag(98, [PROTECTED, {}, b"", b""]),
        Tag(18, Tag(18, [PROTECTED, {}, b"", b""])),
        Tag(18, {}),
        Tag(18, [PROTECTED, {}, b""]),
        Tag(18, [PROTECTED, {}, b"", b"", b""]),
        Tag(18, [{}, {}, b"", b""]),
        Tag(18, ["", {}, b"", b""]),
        Tag(18, [PROTECTED, [], b"", b""]),
        Tag(18, [PROTECTED, None, b"", b""]),
        Tag(18, [PROTECTED, {b"x": 1}, b"", b""]),
        Tag(18, [PROTECTED, {}, "", b""]),
        Tag(18, [PROTECTED, {}, b"", None]),
        Tag(18, [b"\x80", {}, b"", b""]),
        Tag(18, [b"\xa1\x01", {}, b"", b""]),
        Tag(18, [bytes.fromhex("a2040001 27"), {}, b"", b""]),
        Tag(18, [PROTECTED + b"\x00", {}, b"", b""]),
    ],
)
def test_other_forms_are_refused(item: object) -> None:
    with pytest.raises(InvalidInput):
        cose.decode_sign1(cbor.encode(item))
