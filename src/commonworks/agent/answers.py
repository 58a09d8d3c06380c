"""What a gateway's answer to one item is worth: a proof, a signed refusal, or nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commonworks.crypto import cbor, cose
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import InvalidInput
from commonworks.statements.codec import Item
from commonworks.statements.model import Refusal
from commonworks.translog.receipts import Receipt, verify_receipt

REFUSAL_CONTENT_TYPE: Final = "application/vnd.commonworks.refusal+cbor"

PASSING: Final = frozenset({Refusal.UNKNOWN_KEY, Refusal.OVER_QUOTA})
"""Refusals that may pass with time; the others are final for the bytes refused."""

_REFUSAL_FIELDS: Final = frozenset(("network", "log", "time", "reason", "item"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A gateway's signed refusal, verified."""

    item: bytes
    """SHA-256 of the item's bytes."""
    gateway: str
    """Name of the gateway."""
    reason: Refusal
    """Why."""
    time: int
    """Network time at which the gateway said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What an answer is checked against."""

    name: str
    """Name of the gateway."""
    network_id: bytes
    """The network expected, 32 bytes."""
    log_id: bytes
    """The gateway's log, 32 bytes."""
    receipt_key: PublicKey
    """The ES256 key registered for it on chain."""


def check_answer(answer: bytes, item: Item, gate: Gate) -> Receipt | Refused:
    """Return the verified receipt or refusal in an answer.

    Raises: InvalidInput, naming the rule that failed, when it is neither: then the item counts as
    not submitted.
    """
    signed = cose.decode_sign1(answer)
    if signed.headers.get(cose.HEADER_CONTENT_TYPE) == REFUSAL_CONTENT_TYPE:
        return _refused(signed, sha256(item.encode()), gate)
    return verify_receipt(answer, item.statement, gate.receipt_key, gate.network_id, gate.log_id)


def _refused(signed: cose.Sign1, item: bytes, gate: Gate) -> Refused:
    headers = {
        cose.HEADER_ALGORITHM: int(Algorithm.ES256),
        cose.HEADER_CONTENT_TYPE: REFUSAL_CONTENT_TYPE,
        cose.HEADER_KEY_ID: gate.receipt_key.thumbprint,
    }
    if signed.headers != headers or signed.unprotected or signed.payload is None:
        raise InvalidInput("the refusal's headers are not those of this gateway")
    message = cose.sig_structure(signed.protected, signed.payload)
    if not gate.receipt_key.verify(message, signed.signature):
        raise InvalidInput("the refusal's signature does not verify")
    fields = cbor.decode(signed.payload, tags=())
    if not isinstance(fields, dict) or fields.keys() != _REFUSAL_FIELDS:
        raise InvalidInput("the refusal's payload has other fields than a refusal")
    if (fields["network"], fields["log"]) != (gate.network_id, gate.log_id):
        raise InvalidInput("the refusal is of another network or log")
    if fields["item"] != item:
        raise InvalidInput("the refusal is of another item")
    time, reason = fields["time"], fields["reason"]
    if not isinstance(time, int) or not isinstance(reason, str) or reason not in set(Refusal):
        raise InvalidInput("the refusal gives no reason that exists")
    return Refused(item=item, gateway=gate.name, reason=Refusal(reason), time=time)
