"""Keys: the strict predicates, decided by published vectors; names; determinism."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from commonworks.crypto import ed25519, es256
from commonworks.crypto.hashes import keccak256, sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import InvalidInput

VECTORS = Path(__file__).parent.parent / "vectors" / "ed25519"
BOTH = pytest.mark.parametrize("algorithm", list(Algorithm))


def vectors() -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted(VECTORS.glob("*.json"))]


def named(vector: Any) -> str:
    return str(vector["name"])


def test_all_vectors_are_there() -> None:
    names = [vector["name"] for vector in vectors()]
    assert sum(name.startswith("rfc8032") for name in names) == 4
    assert sum(name.startswith("speccheck") for name in names) == 12


@pytest.mark.parametrize("vector", vectors(), ids=named)
def test_published_ed25519_vector(vector: Any) -> None:
    public, message, signature = (
        bytes.fromhex(vector[field]) for field in ("public_key", "message", "signature")
    )
    assert ed25519.verify(public, message, signature) is vector["valid"], vector["why"]
    if vector["seed"] is not None:
        key = PrivateKey.from_seed(Algorithm.EDDSA, bytes.fromhex(vector["seed"]))
        assert key.public.raw == public
        assert key.sign(message) == signature
    # A second library behind the same checks gives the same verdict: the predicate is ours.
    assert _other_library(public, message, signature) is vector["valid"]


def _other_library(public: bytes, message: bytes, signature: bytes) -> bool:
    if not ed25519.point_is_strict(public) or not ed25519.point_is_strict(signature[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_encodings_that_are_not_canonical_are_no_points() -> None:
    for excess in range(19):
        for sign in (0, 1 << 255):
            encoded = (ed25519._P + excess | sign).to_bytes(32, "little")
            assert not ed25519.point_is_strict(encoded)
            assert not ed25519.public_is_valid(encoded)


def test_the_eight_points_of_small_order_are_no_keys() -> None:
    small = sorted(ed25519._SMALL_ORDER_Y)
    # Published list of the low-order points' y, as hexadecimal little-endian encodings.
    assert [y.to_bytes(32, "little").hex() for y in small] == [
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
    ]
    for y in small:
        for sign in (0, 1 << 255):
            assert not ed25519.public_is_valid((y | sign).to_bytes(32, "little"))


def test_about_half_of_all_y_are_on_the_curve() -> None:
    valid = [y for y in range(2, 202) if ed25519.public_is_valid(y.to_bytes(32, "little"))]
    assert 70 < len(valid) < 130
    assert ed25519.public_is_valid(PrivateKey.from_seed(Algorithm.EDDSA, bytes(32)).public.raw)


# RFC 6979 appendix A.2.5: one key, SHA-256, two messages.
RFC6979_SCALAR = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
RFC6979_PUBLIC = (
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
RFC6979_SIGNATURES = [
    (
        b"sample",
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    (
        b"test",
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
]


def pair(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@pytest.mark.parametrize(("message", "r", "s"), RFC6979_SIGNATURES)
def test_rfc_6979_signature_with_the_lower_s(message: bytes, r: int, s: int) -> None:
    key = es256.private_key(RFC6979_SCALAR)
    public = es256.public_bytes(key)
    assert public.hex() == RFC6979_PUBLIC
    low, high = sorted((s, es256.ORDER - s))
    assert es256.sign(key, message) == pair(r, low)
    assert es256.verify(public, message, pair(r, low))
    assert not es256.verify(public, message, pair(r, high))
    assert not es256.verify(public, message + b"!", pair(r, low))


def test_es256_bounds_and_forms() -> None:
    public = bytes.fromhex(RFC6979_PUBLIC)
    message, r, s = RFC6979_SIGNATURES[1]
    assert es256.verify(public, message, pair(r, s))
    for bad in (pair(0, s), pair(r, 0), pair(es256.ORDER, s), pair(r, es256.ORDER // 2 + 1)):
        assert not es256.verify(public, message, bad)
    for bad in (b"", pair(r, s)[:-1], pair(r, s) + b"\x00"):
        assert not es256.verify(public, message, bad)
    off_curve = public[:63] + bytes((public[63] ^ 1,))
    for bad in (b"", bytes(64), off_curve, b"\x04" + public, public[:63]):
        assert not es256.public_is_valid(bad)
        assert not es256.verify(bad, message, pair(r, s))


def test_thumbprint_of_the_rfc() -> None:
    # RFC 9679 section 6.
    raw = bytes.fromhex(
        "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"
        "1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"
    )
    key = PublicKey.from_raw(Algorithm.ES256, raw)
    assert key.cose_key.hex() == (
        "a40102200121582065eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"
        "2258201e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"
    )
    assert (
        key.thumbprint.hex() == "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    )


def test_thumbprint_of_an_ed25519_key_by_hand() -> None:
    raw = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    key = PublicKey.from_raw(Algorithm.EDDSA, raw)
    assert key.cose_key == bytes.fromhex("a3010120062158" + "20") + raw
    assert key.thumbprint == sha256(key.cose_key)


@BOTH
def test_keys_from_a_seed_never_change(algorithm: Algorithm) -> None:
    key = PrivateKey.from_seed(algorithm, bytes(range(32)))
    expected = {
        Algorithm.EDDSA: "be5de2f4bcdc383add3fc9827d345f1a37c6a06026b38696fb3229c003b35f49",
        Algorithm.ES256: "48fbc5be47cde1245af4bae11c7990b2a500940ec00076f485a755a7a9df7a16",
    }
    assert key.public.thumbprint.hex() == expected[algorithm]
    assert key == PrivateKey.from_seed(algorithm, bytes(range(32)))
    assert key.sign(b"x") == key.sign(b"x")
    assert key.public.verify(b"x", key.sign(b"x"))
    assert not key.public.verify(b"y", key.sign(b"x"))


@BOTH
def test_generated_keys_differ_and_show_no_secret(algorithm: Algorithm) -> None:
    one, other = PrivateKey.generate(algorithm), PrivateKey.generate(algorithm)
    assert one.public != other.public
    assert repr(one.seed) not in repr(one)
    assert one.seed.hex() not in repr(one)


@BOTH
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(algorithm: Algorithm, length: int) -> None:
    with pytest.raises(InvalidInput):
        PrivateKey.from_seed(algorithm, bytes(length))


@BOTH
@pytest.mark.parametrize("raw", [b"", bytes(32), bytes(64), b"\xff" * 32, b"\xff" * 64])
def test_bytes_that_are_no_key(algorithm: Algorithm, raw: bytes) -> None:
    with pytest.raises(InvalidInput, match="public key"):
        PublicKey.from_raw(algorithm, raw)
    assert not PublicKey(algorithm=algorithm, raw=raw).verify(b"", bytes(64))


def test_the_two_hashes() -> None:
    assert sha256(b"").hex().startswith("e3b0c44298fc1c149afbf4c8996fb924")
    # Not SHA3-256, whose padding differs.
    assert keccak256(b"").hex() == (
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    )
