"""Raw signed transactions: whose they are and which nonce they take.

Only what the proxy needs before it passes a transaction on. Anvil judges the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from commonworks.chain.embedded.frames import MAX_RAW_TRANSACTION_BYTES
from commonworks.crypto.hashes import keccak256
from commonworks.errors import InvalidInput

# Fields of each kind: EIP-155 legacy, EIP-2930, EIP-1559. Blobs (3) and delegations (4) are
# refused: a delegation changes other accounts' nonces and could void what was acknowledged.
_LEGACY_FIELDS: Final = 9
_TYPED_FIELDS: Final = {1: 11, 2: 12}
_SIGNATURE_FIELDS: Final = 3

# SECP256K1's order; EIP-2 wants s in its lower half.
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

_SHORT: Final = 55

# Where receiver, coin and data stand among the fields of each kind; 0 is legacy.
_CONTENT_FIELDS: Final = {0: (3, 4, 5), 1: (4, 5, 6), 2: (5, 6, 7)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a transaction does."""

    to: bytes | None
    """Contract or account, 20 bytes; None creates a contract."""
    value_wei: int
    """The chain's own coin that goes with it."""
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """A signed transaction as it travels."""

    raw: bytes
    """EIP-2718 bytes, as signed."""
    hash: bytes
    """keccak-256 of `raw`, 32 bytes."""
    sender: bytes
    """Address recovered from the signature, 20 bytes."""
    nonce: int
    """The sender's transaction number, from 0."""


def decode(raw: bytes, *, chain_id: int) -> Transaction:
    """Return sender and nonce of a raw transaction that is signed for this chain.

    Guarantees: one sender, nonce and content has one encoding per signature (RLP strict, low s).
    Raises: InvalidInput with the rule that was broken.
    """
    if len(raw) > MAX_RAW_TRANSACTION_BYTES:
        raise InvalidInput(f"the transaction is larger than {MAX_RAW_TRANSACTION_BYTES} bytes")
    kind = raw[0] if raw else 0
    if kind >= 0xC0:
        nonce, message, parity, r, s = _legacy(raw, chain_id)
    elif kind in _TYPED_FIELDS:
        nonce, message, parity, r, s = _typed(raw, kind, chain_id)
    else:
        raise InvalidInput(f"transactions of type {kind} are not offered; use 0, 1 or 2")
    if parity not in (0, 1) or not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
        raise InvalidInput("the transaction's signature is out of range")
    try:
        signature = Signature(vrs=(parity, r, s))
        sender = signature.recover_public_key_from_msg_hash(
            keccak256(message)
        ).to_canonical_address()
    except (BadSignature, ValidationError, ValueError) as error:
        raise InvalidInput("the transaction's signature does not recover to a sender") from error
    return Transaction(raw=raw, hash=keccak256(raw), sender=bytes(sender), nonce=nonce)


def contents(transaction: Transaction) -> Contents:
    """Return what a decoded transaction does; raise InvalidInput for a receiver of odd length."""
    raw = transaction.raw
    kind = raw[0] if raw[0] in _TYPED_FIELDS else 0
    items = _list(raw[1:] if kind else raw)
    to, value, data = (items[place] for place in _CONTENT_FIELDS[kind])
    receiver = _string(to)
    if len(receiver) not in (0, 20):
        raise InvalidInput("the transaction's receiver is no account")
    return Contents(to=receiver or None, value_wei=_integer(value), data=_string(data))


def _legacy(raw: bytes, chain_id: int) -> tuple[int, bytes, int, int, int]:
    items = _list(raw)
    if len(items) != _LEGACY_FIELDS:
        raise InvalidInput("a legacy transaction has 9 fields")
    v, r, s = (_integer(item) for item in items[-_SIGNATURE_FIELDS:])
    if v not in (35 + 2 * chain_id, 36 + 2 * chain_id):
        raise InvalidInput(f"the transaction is not signed for chain {chain_id} (EIP-155)")
    unsigned = [*items[:-_SIGNATURE_FIELDS], _encoded_integer(chain_id), b"\x80", b"\x80"]
    return _integer(items[0]), _encoded_list(unsigned), v - 35 - 2 * chain_id, r, s


def _typed(raw: bytes, kind: int, chain_id: int) -> tuple[int, bytes, int, int, int]:
    items = _list(raw[1:])
    if len(items) != _TYPED_FIELDS[kind]:
        raise InvalidInput(f"a transaction of type {kind} has {_TYPED_FIELDS[kind]} fields")
    if _integer(items[0]) != chain_id:
        raise InvalidInput(f"the transaction is not signed for chain {chain_id}")
    parity, r, s = (_integer(item) for item in items[-_SIGNATURE_FIELDS:])
    message = raw[:1] + _encoded_list(items[:-_SIGNATURE_FIELDS])
    return _integer(items[1]), message, parity, r, s


def _list(data: bytes) -> list[bytes]:
    """Return the encoded items of the RLP list that `data` is, none left over."""
    start, end, is_list = _span(data, 0)
    if not is_list or end != len(data):
        raise InvalidInput("the transaction is not one RLP list")
    items = []
    while start < end:
        _, item_end, _ = _span(data, start)
        if item_end > end:
            raise InvalidInput("an RLP item is longer than its list")
        items.append(data[start:item_end])
        start = item_end
    return items


def _span(data: bytes, at: int) -> tuple[int, int, bool]:
    """Return where the content of the item at `at` starts and ends, and whether it is a list."""
    if at >= len(data):
        raise InvalidInput("the transaction ends early")
    first = data[at]
    if first < 0x80:
        return at, at + 1, False
    is_list = first >= 0xC0
    length = first - (0xC0 if is_list else 0x80)
    start = at + 1
    if length > _SHORT:
        size = length - _SHORT
        digits = data[start : start + size]
        start += size
        length = int.from_bytes(digits, "big")
        if len(digits) < size or digits[0] == 0 or length <= _SHORT:
            raise InvalidInput("an RLP length is not in its shortest form")
    elif not is_list and length == 1 and data[start : start + 1] < b"\x80":
        raise InvalidInput("an RLP byte is not in its shortest form")
    if start + length > len(data):
        raise InvalidInput("the transaction ends early")
    return start, start + length, is_list


def _integer(item: bytes) -> int:
    start, end, is_list = _span(item, 0)
    if is_list or end - start > 32 or item[start : start + 1] == b"\x00":
        raise InvalidInput("a number in the transaction is not in its shortest form")
    return int.from_bytes(item[start:end], "big")


def _string(item: bytes) -> bytes:
    start, end, is_list = _span(item, 0)
    if is_list:
        raise InvalidInput("a list stands where the transaction has bytes")
    return item[start:end]


def _encoded_integer(value: int) -> bytes:
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return digits if len(digits) == 1 and value < 0x80 else bytes([0x80 + len(digits)]) + digits


def _encoded_list(items: list[bytes]) -> bytes:
    content = b"".join(items)
    if len(content) <= _SHORT:
        return bytes([0xC0 + len(content)]) + content
    digits = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([0xC0 + _SHORT + len(digits)]) + digits + content
