"""COSE_Sign1 (RFC 9052 section 4.2), tagged and strictly encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from commonworks.crypto import cbor
from commonworks.errors import InvalidInput

TAG_SIGN1: Final = 18
"""CBOR tag of a COSE_Sign1."""

HEADER_ALGORITHM: Final = 1
HEADER_CRITICAL: Final = 2
HEADER_CONTENT_TYPE: Final = 3
HEADER_KEY_ID: Final = 4
HEADER_PAYLOAD_HASH_ALGORITHM: Final = 258
HEADER_PREIMAGE_CONTENT_TYPE: Final = 259
ALGORITHM_SHA256: Final = -16
"""SHA-256 as a COSE hash algorithm (RFC 9054 section 2.1)."""

Label = int | str
"""A header label (RFC 9052 section 1.5)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign1:
    """A decoded COSE_Sign1; nothing about its signature is implied."""

    protected: bytes
    """The protected header as signed."""
    headers: Mapping[Label, object]
    """The protected header, decoded."""
    unprotected: Mapping[Label, object]
    """The unprotected header; nothing in it is signed."""
    payload: bytes | None
    """What is signed; None when it travels elsewhere (detached)."""
    signature: bytes
    """The signature as received."""


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """Return the bytes that are signed: the Sig_structure with empty external_aad.

    Source: RFC 9052 section 4.4.
    """
    return cbor.encode(["Signature1", protected, b"", payload])


def encode_sign1(
    protected: bytes,
    unprotected: Mapping[Label, object],
    payload: bytes | None,
    signature: bytes,
) -> bytes:
    """Return the tagged, deterministic encoding of a COSE_Sign1."""
    return cbor.encode(cbor.Tag(TAG_SIGN1, [protected, unprotected, payload, signature]))


def decode_sign1(data: bytes) -> Sign1:
    """Return the COSE_Sign1 that `data` encodes: tagged, deterministic, inside and outside.

    Guarantees: `encode_sign1` of the parts is `data` again.
    Raises: InvalidInput for anything else; never another exception.
    """
    item = cbor.decode(data)
    if not isinstance(item, cbor.Tag) or item.number != TAG_SIGN1:
        raise InvalidInput("COSE: not a tagged COSE_Sign1")
    parts = item.value
    if not isinstance(parts, list) or len(parts) != 4:
        raise InvalidInput("COSE: a COSE_Sign1 is an array of four")
    protected, unprotected, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(signature, bytes):
        raise InvalidInput("COSE: protected header and signature must be byte strings")
    if payload is not None and not isinstance(payload, bytes):
        raise InvalidInput("COSE: the payload must be a byte string or nil")
    return Sign1(
        protected=protected,
        headers=_protected_headers(protected),
        unprotected=_headers(unprotected),
        payload=payload,
        signature=signature,
    )


def _protected_headers(protected: bytes) -> Mapping[Label, object]:
    if protected == b"":
        return {}
    headers = _headers(cbor.decode(protected))
    if not headers:
        raise InvalidInput("COSE: an empty protected header is a zero-length string")
    return headers


def _headers(item: object) -> Mapping[Label, object]:
    if not isinstance(item, dict):
        raise InvalidInput("COSE: a header must be a map")
    for label in item:
        if not isinstance(label, int | str):
            raise InvalidInput("COSE: a header label must be an integer or text")
    return item
