"""Receipts, recomputed with cbor2, hashlib and cryptography alone: none of our own codecs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import InvalidInput
from commonworks.translog import receipts, tree

CASE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors/translog/receipt.json").read_text()
)
NETWORK, LOG_ID, PUBLIC, KID, ROOT, PROTECTED, SIGNED, SIGNATURE = (
    bytes.fromhex(CASE[name])
    for name in (
        "network",
        "log_id",
        "public_key",
        "kid",
        "root",
        "protected",
        "signed",
        "signature",
    )
)
ENTRIES = [bytes.fromhex(entry) for entry in CASE["entries"]]
RECEIPTS = [bytes.fromhex(receipt) for receipt in CASE["receipts"]]
KEY = PublicKey(algorithm=Algorithm.ES256, raw=PUBLIC)
SIZE = len(ENTRIES)


def check(data: bytes, entry: bytes = ENTRIES[3]) -> receipts.Receipt:
    return receipts.verify_receipt(data, entry, KEY, NETWORK, LOG_ID)


def test_every_receipt_of_the_pool_verifies_and_shares_one_signature() -> None:
    for index, (entry, data) in enumerate(zip(ENTRIES, RECEIPTS, strict=True)):
        receipt = check(data, entry)
        assert (receipt.index, receipt.size, receipt.signature) == (index, SIZE, SIGNATURE)
        assert (receipt.network, receipt.log_id, receipt.kid) == (NETWORK, LOG_ID, KID)
        assert receipt.root(entry) == ROOT
        again = receipts.encode_receipt(PROTECTED, SIGNATURE, SIZE, index, receipt.path)
        assert again == data


def rfc9162_root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Recompute a root top-down by the tree's definition, unlike the loop that is tested."""
    if size == 1:
        assert path == []
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        left, right = rfc9162_root(leaf, index, half, path[:-1]), path[-1]
    else:
        left, right = path[-1], rfc9162_root(leaf, index - half, size - half, path[:-1])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_receipts_recomputed_independently() -> None:
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + PUBLIC)
    cose_key = {1: 2, -1: 1, -2: PUBLIC[:32], -3: PUBLIC[32:]}
    assert hashlib.sha256(cbor2.dumps(cose_key, canonical=True)).digest() == KID
    for index, (entry, data) in enumerate(zip(ENTRIES, RECEIPTS, strict=True)):
        message = cbor2.loads(data)
        assert message.tag == 18
        protected, unprotected, payload, signature = message.value
        assert payload is None
        header = cbor2.loads(protected)
        assert header == {
            1: -7,
            4: KID,
            395: 1,
            -65537: NETWORK,
            -65538: LOG_ID,
            -65539: SIZE.to_bytes(8, "big"),
        }
        assert list(unprotected) == [396]
        assert list(unprotected[396]) == [-1]
        (proof,) = unprotected[396][-1]
        size, leaf_index, path = cbor2.loads(proof)
        assert (size, leaf_index) == (SIZE, index)
        leaf = hashlib.sha256(b"\x00" + entry).digest()
        root = rfc9162_root(leaf, leaf_index, size, list(path))
        assert root == ROOT
        signed = cbor2.dumps(["Signature1", protected, b"", root])
        assert (signed, hashlib.sha256(signed).hexdigest()) == (SIGNED, CASE["signed_sha256"])
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        assert 0 < s <= order // 2
        point.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


def test_what_is_signed_can_be_rebuilt_from_constants() -> None:
    """As a contract does it: seven constants between five values (docs/spec/receipt.md)."""
    rebuilt = b"".join(
        (
            bytes.fromhex("846a5369676e6174757265315886"),
            bytes.fromhex("a60126045820"),
            KID,
            bytes.fromhex("19018b013a000100005820"),
            NETWORK,
            bytes.fromhex("3a000100015820"),
            LOG_ID,
            bytes.fromhex("3a0001000248"),
            SIZE.to_bytes(8, "big"),
            bytes.fromhex("405820"),
            ROOT,
        )
    )
    assert rebuilt == SIGNED == receipts.receipt_tbs(PROTECTED, ROOT)
    assert (len(SIGNED), len(PROTECTED)) == (receipts.SIGNED_BYTES, receipts.PROTECTED_BYTES)
    assert SIGNED[14 : 14 + 134] == PROTECTED


@pytest.mark.parametrize("size", [1, 255, 256, 2**32, tree.MAX_SIZE])
def test_the_layout_is_constant_whatever_the_size(size: int) -> None:
    protected = receipts.receipt_protected(KID, NETWORK, LOG_ID, size)
    assert len(protected) == receipts.PROTECTED_BYTES
    assert protected[:126] == PROTECTED[:126]
    assert protected[126:] == size.to_bytes(8, "big")


def test_a_tree_of_one_has_an_empty_path() -> None:
    key = PrivateKey.from_seed(Algorithm.ES256, b"1" * 32)
    protected = receipts.receipt_protected(key.public.thumbprint, NETWORK, LOG_ID, 1)
    signature = key.sign(receipts.receipt_tbs(protected, tree.leaf_hash(b"only")))
    data = receipts.encode_receipt(protected, signature, 1, 0, ())
    receipt = receipts.verify_receipt(data, b"only", key.public, NETWORK, LOG_ID)
    assert (receipt.size, receipt.index, receipt.path) == (1, 0, ())


def test_every_flipped_bit_is_refused() -> None:
    data = RECEIPTS[3]
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            with pytest.raises(InvalidInput):
                check(bytes(changed))


def test_a_receipt_says_which_rule_failed() -> None:
    with pytest.raises(InvalidInput, match="signature does not verify"):
        check(RECEIPTS[3], b"another entry")
    with pytest.raises(InvalidInput, match="another network"):
        receipts.verify_receipt(RECEIPTS[3], ENTRIES[3], KEY, b"n" * 32, LOG_ID)
    with pytest.raises(InvalidInput, match="another log"):
        receipts.verify_receipt(RECEIPTS[3], ENTRIES[3], KEY, NETWORK, b"l" * 32)
    for algorithm in Algorithm:
        other = PrivateKey.from_seed(algorithm, b"2" * 32).public
        with pytest.raises(InvalidInput, match="another key"):
            receipts.verify_receipt(RECEIPTS[3], ENTRIES[3], other, NETWORK, LOG_ID)


Edit = Callable[[list[Any], dict[int, Any], list[Any]], None]


def edited(edit: Edit) -> bytes:
    """Return receipt 3 after an edit of its parts, protected header and proof."""
    parts = list(cbor2.loads(RECEIPTS[3]).value)
    header = dict(cbor2.loads(parts[0]))
    size, index, path = cbor2.loads(parts[1][396][-1][0])
    proof = [size, index, list(path)]
    edit(parts, header, proof)
    parts[0] = cbor2.dumps(header, canonical=True)
    if parts[1] == cbor2.loads(RECEIPTS[3]).value[1]:
        parts[1] = {396: {-1: [cbor2.dumps(proof)]}}
    return bytes(cbor2.dumps(cbor2.CBORTag(18, parts), canonical=True))


def test_the_editor_itself_changes_nothing() -> None:
    assert edited(lambda parts, header, proof: None) == RECEIPTS[3]


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (lambda parts, header, proof: parts.__setitem__(2, ROOT), "detached"),
        (lambda parts, header, proof: parts.__setitem__(3, bytes(63)), "64 bytes"),
        (lambda parts, header, proof: parts.__setitem__(1, {}), "one inclusion proof"),
        (lambda parts, header, proof: parts.__setitem__(1, {396: {-1: []}}), "one inclusion proof"),
        (lambda parts, header, proof: parts.__setitem__(1, {396: {-1: [7]}}), "byte string"),
        (
            lambda parts, header, proof: parts.__setitem__(1, {**parts[1], 7: 7}),
            "nothing else",
        ),
        (lambda parts, header, proof: header.__setitem__(1, -8), "protected header"),
        (lambda parts, header, proof: header.__setitem__(395, 2), "protected header"),
        (lambda parts, header, proof: header.__setitem__(395, True), "protected header"),
        (lambda parts, header, proof: header.__setitem__(7, 7), "protected header"),
        (lambda parts, header, proof: header.pop(-65539), "tree size"),
        (lambda parts, header, proof: header.__setitem__(-65539, bytes(7)), "tree size"),
        (lambda parts, header, proof: header.__setitem__(-65537, b"short"), "network id"),
        (lambda parts, header, proof: header.pop(4), "kid"),
        (lambda parts, header, proof: proof.__setitem__(0, SIZE + 1), "another tree size"),
        (lambda parts, header, proof: proof.__setitem__(1, SIZE), "not in its tree"),
        (lambda parts, header, proof: proof.__setitem__(1, -1), "not in its tree"),
        (lambda parts, header, proof: proof.__setitem__(1, True), "nothing else"),
        (lambda parts, header, proof: proof.__setitem__(1, "3"), "size, index, path"),
        (lambda parts, header, proof: proof.append(1), "size, index, path"),
        (lambda parts, header, proof: proof[2].append(bytes(31)), "path element"),
        (lambda parts, header, proof: proof[2].append(bytes(32)), "does not fit"),
        (lambda parts, header, proof: proof[2].pop(), "does not fit"),
        (lambda parts, header, proof: proof[2].extend([bytes(32)] * 65), "64 hashes"),
    ],
)
def test_malformed_receipts(edit: Edit, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        check(edited(edit))


def test_a_receipt_is_bounded() -> None:
    with pytest.raises(InvalidInput, match="4,096"):
        check(bytes(4097))
    protected = receipts.receipt_protected(KID, NETWORK, LOG_ID, tree.MAX_SIZE)
    largest = receipts.encode_receipt(
        protected, SIGNATURE, tree.MAX_SIZE, tree.MAX_SIZE - 1, [bytes(32)] * 64
    )
    assert len(largest) < receipts.MAX_RECEIPT_BYTES


@pytest.mark.parametrize("size", [0, -1, 2**63])
def test_no_protected_header_without_a_tree(size: int) -> None:
    with pytest.raises(InvalidInput):
        receipts.receipt_protected(KID, NETWORK, LOG_ID, size)
    with pytest.raises(InvalidInput):
        receipts.receipt_protected(KID[:31], NETWORK, LOG_ID, 1)
