"""What a gateway logs and what it refuses: one guard per reason, acceptance last.

Logging is not judging: whether a statement counts is settlement's work. Here a statement only has
to be well-formed, of this network, by an enrolled key within its quota, and signed by that key.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from commonworks.crypto import cbor, cose
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import PublicKey
from commonworks.errors import InvalidInput
from commonworks.gateway.growth import LogKeys
from commonworks.gateway.staging import Addition
from commonworks.statements.codec import Item, decode_statement
from commonworks.statements.model import (
    MAX_PREIMAGE_BYTES,
    MAX_STATEMENT_BYTES,
    Reason,
    Refusal,
    Statement,
    refusal_for,
)

REFUSAL_CONTENT_TYPE: Final = "application/vnd.commonworks.refusal+cbor"

HOUR_S: Final = 3_600
"""Span of network time that a quota counts over."""

ITEM_BYTES_MAX: Final = MAX_STATEMENT_BYTES + MAX_PREIMAGE_BYTES + 16
"""Largest item that can hold a statement and a preimage of the largest size, with their heads."""


class Quota:
    """Statements logged per key in the current hour of network time."""

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._hour = -1
        self._used: Counter[bytes] = Counter()

    def left(self, kid: bytes, now: int) -> int:
        """Return how many more statements of this key may be logged in this hour."""
        if now // HOUR_S != self._hour:
            self._hour = now // HOUR_S
            self._used.clear()
        return self._per_hour - self._used[kid]

    def charge(self, kid: bytes) -> None:
        """Count one statement of this key."""
        self._used[kid] += 1

    def refund(self, kid: bytes) -> None:
        """Take one back: it was not logged after all."""
        self._used[kid] = max(0, self._used[kid] - 1)


def decode_item(item: bytes) -> tuple[Statement, Addition] | Refusal:
    """Return what an item submits, or why it is refused whoever signed it. Total."""
    if len(item) > ITEM_BYTES_MAX:
        return Refusal.TOO_LARGE
    try:
        submitted = Item.decode(item)
    except InvalidInput:
        return Refusal.UNDECODABLE
    statement = decode_statement(submitted.statement, submitted.preimage)
    if isinstance(statement, Reason):
        return refusal_for(statement)
    if statement.payload is None:
        return refusal_for(Reason.PAYLOAD_MISSING)
    addition = Addition(
        identity=statement.identity,
        statement=submitted.statement,
        preimage=submitted.preimage,
    )
    return statement, addition


def judge(
    statement: Statement, *, network_id: bytes, key: PublicKey | None, quota_left: int
) -> Refusal | None:
    """Return why a decoded statement is refused, or None where it is logged.

    `key` is the admitted key whose thumbprint the statement names. Total; the signature comes last
    because it costs most.
    """
    if statement.payload is None or statement.payload.network != network_id:
        return Refusal.WRONG_NETWORK
    if key is None:
        return Refusal.UNKNOWN_KEY
    if quota_left <= 0:
        return Refusal.OVER_QUOTA
    signed = statement.signed
    message = cose.sig_structure(signed.protected, signed.payload or b"")
    if key.algorithm is not statement.algorithm or not key.verify(message, signed.signature):
        return Refusal.BAD_SIGNATURE
    return None


def sign_refusal(keys: LogKeys, *, reason: Refusal, item: bytes, now: int) -> bytes:
    """Return the signed refusal of `item` (docs/spec/submission.md section 1.3)."""
    key = keys.receipt_key
    protected = cbor.encode(
        {
            cose.HEADER_ALGORITHM: int(key.algorithm),
            cose.HEADER_CONTENT_TYPE: REFUSAL_CONTENT_TYPE,
            cose.HEADER_KEY_ID: key.public.thumbprint,
        }
    )
    payload = cbor.encode(
        {
            "network": keys.network_id,
            "log": keys.log_id,
            "time": now,
            "reason": str(reason),
            "item": sha256(item),
        }
    )
    signature = key.sign(cose.sig_structure(protected, payload))
    return cose.encode_sign1(protected, {}, payload, signature)
