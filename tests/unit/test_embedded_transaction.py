"""Raw transactions: sender and nonce, or a reason; never a crash."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from commonworks.chain.embedded.transaction import decode
from commonworks.errors import InvalidInput

CHAIN_ID = 1009
ACCOUNT = Account.from_key("0x" + "2b" * 32)
SENDER = bytes.fromhex(ACCOUNT.address[2:])
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE: dict[str, Any] = {
    "to": "0x" + "11" * 20,
    "value": 0,
    "gas": 21_000,
    "chainId": CHAIN_ID,
}
FEES = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
KINDS: dict[str, dict[str, Any]] = {
    "legacy": {"gasPrice": 0},
    "access list": {
        "type": 1,
        "gasPrice": 0,
        "accessList": [{"address": "0x" + "13" * 20, "storageKeys": ["0x" + "17" * 32]}],
    },
    "fees": {"type": 2, **FEES},
}


def sign(**fields: Any) -> Any:
    return ACCOUNT.sign_transaction({**BASE, **fields})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 256, 2**40])
@pytest.mark.parametrize("length", [0, 1, 55, 56, 300, 70_000])
def test_sender_nonce_and_hash_are_those_of_the_signer(kind: str, nonce: int, length: int) -> None:
    signed = sign(nonce=nonce, data=b"\x7f" * length, **KINDS[kind])
    transaction = decode(bytes(signed.raw_transaction), chain_id=CHAIN_ID)
    assert (transaction.sender, transaction.nonce) == (SENDER, nonce)
    assert transaction.hash == bytes(signed.hash)


@pytest.mark.parametrize("kind", KINDS)
def test_other_chains_are_refused(kind: str) -> None:
    raw = bytes(sign(nonce=0, **KINDS[kind]).raw_transaction)
    with pytest.raises(InvalidInput, match="chain 1013"):
        decode(raw, chain_id=1013)


def test_a_legacy_transaction_without_chain_is_refused() -> None:
    fields = {name: value for name, value in BASE.items() if name != "chainId"}
    signed = ACCOUNT.sign_transaction({**fields, "nonce": 0, "gasPrice": 0})
    with pytest.raises(InvalidInput, match="EIP-155"):
        decode(bytes(signed.raw_transaction), chain_id=CHAIN_ID)


@pytest.mark.parametrize("kind", [b"", b"\x00", b"\x03\xc0", b"\x04\xc0", b"\x7e\xc0", b"\x80"])
def test_other_types_are_refused(kind: bytes) -> None:
    with pytest.raises(InvalidInput, match="use 0, 1 or 2"):
        decode(kind, chain_id=CHAIN_ID)


def test_too_large_a_transaction_is_refused() -> None:
    with pytest.raises(InvalidInput, match="larger than"):
        decode(b"\x02" + bytes(131_072), chain_id=CHAIN_ID)


def test_bytes_behind_the_transaction_are_refused() -> None:
    raw = bytes(sign(nonce=0, **KINDS["fees"]).raw_transaction)
    with pytest.raises(InvalidInput, match="one RLP list"):
        decode(raw + b"\x00", chain_id=CHAIN_ID)


def test_the_mirrored_signature_is_refused() -> None:
    """(r, n - s) with the other parity is the same sender's: it would be a second encoding."""
    signed = sign(nonce=0, **KINDS["fees"])
    raw = bytes(signed.raw_transaction)
    mirrored = (ORDER - signed.s).to_bytes(32, "big")
    s = signed.s.to_bytes(32, "big")
    parity = raw[-67:-66]
    assert raw.endswith(b"\xa0" + s)
    assert parity in (b"\x80", b"\x01")
    flipped = b"\x01" if parity == b"\x80" else b"\x80"
    with pytest.raises(InvalidInput, match="signature is out of range"):
        decode(raw[:-67] + flipped + raw[-66:-32] + mirrored, chain_id=CHAIN_ID)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_a_reason(data: bytes) -> None:
    for raw in (data, b"\x02" + data, b"\xf8" + data):
        # No such bytes are signed for this chain by accident.
        with pytest.raises(InvalidInput):
            decode(raw, chain_id=CHAIN_ID)


@given(position=st.integers(min_value=0), change=st.integers(min_value=1, max_value=255))
def test_a_changed_byte_never_leaves_sender_and_content_alone(position: int, change: int) -> None:
    raw = bytearray(sign(nonce=5, data=b"data", **KINDS["fees"]).raw_transaction)
    raw[position % len(raw)] ^= change
    try:
        transaction = decode(bytes(raw), chain_id=CHAIN_ID)
    except InvalidInput:
        return
    assert transaction.sender != SENDER
