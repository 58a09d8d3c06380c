"""The nouns of a statement, and the closed lists of why one is rejected or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from commonworks.crypto.cose import Sign1
from commonworks.crypto.keys import Algorithm

MAX_STATEMENT_BYTES: Final = 65_535
"""Largest statement; a log's entry bundle holds the length in 16 bits."""
MAX_PREIMAGE_BYTES: Final = 65_535
"""Largest preimage of a sealed statement, stored in the same kind of bundle."""
MAX_ITEMS_PER_POST: Final = 1_000
"""Most items of one submission."""
MAX_COLUMNS: Final = 256
"""Most columns of one record."""
SALT_BYTES_MINIMUM: Final = 16
SALT_BYTES_MAXIMUM: Final = 32
ID_BYTES: Final = 32
"""Length of a network id, key id, identity and every element of a `b32` column."""
ACCOUNT_BYTES: Final = 20
"""Length of an account's address."""
MAX_NAME_BYTES: Final = 64
"""Longest name of a resource or column."""


class Kind(StrEnum):
    """What a statement says; part of its content type."""

    BINDING = "binding"
    """A device key names its owner and a generation."""
    REPORT = "report"
    """A device reports readings."""
    ORDER = "order"
    """A device's standing limits for buying and selling."""
    SITE = "site"
    """A registrar's tables about a place."""
    REPLACE = "replace"
    """A device is exchanged; the registrar countersigns the device's own request."""


class Signer(StrEnum):
    """Whose key a schema asks for."""

    DEVICE = "device"
    """The device's key."""
    REGISTRAR = "registrar"
    """A registrar's key."""
    COUNTERSIGNED = "countersigned"
    """A registrar's key over a request that the device signed."""


class DType(StrEnum):
    """Element type of a column: a packed little-endian array (RFC 8746), or 32-byte ids."""

    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    """Values below 2**63, so that a column fits a signed 64-bit array unchanged."""
    I8 = "i8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    B32 = "b32"
    """32-byte identifiers, one after the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column that a schema asks for."""

    name: str
    """Lower-case name with the unit last, e.g. `length_mm`."""
    dtype: DType
    """Element type; another one is rejected, even when the values would fit."""
    minimum: int
    """Smallest value allowed, inclusive; ignored for `b32`."""
    maximum: int
    """Largest value allowed, inclusive; ignored for `b32`."""
    required: bool = True
    """Whether a record without this column is rejected."""
    description: str
    """What it means and in which unit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """What a resource expects of one kind of record."""

    kind: Kind
    """The kind of statement; never BINDING, whose shape is fixed."""
    columns: tuple[Column, ...]
    """Every column that may occur; any other is rejected."""
    max_rows: int
    """Most elements of a column."""
    sealed: bool
    """Whether the payload is for members only and travels beside the log."""
    signer: Signer
    """Whose key signs."""
    description: str
    """What such a record says."""
    equal_length: bool
    """Whether all columns are one table: as long as each other, and not empty."""


class Reason(StrEnum):
    """Why a statement is rejected: closed; a published reason never changes its meaning."""

    UNDECODABLE = "undecodable"
    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    BAD_HEADER = "bad_header"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_NETWORK = "wrong_network"
    UNKNOWN_RESOURCE = "unknown_resource"
    BAD_SCHEMA = "bad_schema"
    PAYLOAD_MISSING = "payload_missing"
    PAYLOAD_MISMATCH = "payload_mismatch"
    NOT_BOUND = "not_bound"
    NOT_REGISTRAR = "not_registrar"
    SUPERSEDED = "superseded"
    FUTURE = "future"
    TOO_LATE = "too_late"


REASONS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.UNDECODABLE: "not a deterministic COSE_Sign1 with a deterministic payload",
        Reason.TOO_LARGE: "statement or preimage longer than 65,535 bytes",
        Reason.UNKNOWN_TYPE: "the content type names no kind of statement",
        Reason.BAD_HEADER: "header parameters other than the allowed set, or of a wrong form",
        Reason.UNKNOWN_KEY: "the key id belongs to no enrolled key",
        Reason.BAD_SIGNATURE: "the signature does not verify strictly under the named key",
        Reason.WRONG_NETWORK: "the payload names another network",
        Reason.UNKNOWN_RESOURCE: "the payload names a resource that the policy does not carry",
        Reason.BAD_SCHEMA: "the payload's fields, columns, types, lengths or ranges do not fit",
        Reason.PAYLOAD_MISSING: "a sealed statement's preimage is not there",
        Reason.PAYLOAD_MISMATCH: "the preimage does not hash to the signed payload",
        Reason.NOT_BOUND: "no binding of the key to the account that owns the device",
        Reason.NOT_REGISTRAR: "a registrar's statement signed by somebody else",
        Reason.SUPERSEDED: "a newer statement takes its place",
        Reason.FUTURE: "it speaks of a time after the epoch that settles it",
        Reason.TOO_LATE: "it speaks of a time beyond the maximum lateness",
    }
)
"""One line of documentation for each reason."""


class Refusal(StrEnum):
    """Why a gateway does not log a submission; the answer is signed and counted."""

    UNDECODABLE = "undecodable"
    TOO_LARGE = "too_large"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_NETWORK = "wrong_network"
    OVER_QUOTA = "over_quota"


REFUSALS: Final[Mapping[Refusal, str]] = MappingProxyType(
    {
        Refusal.UNDECODABLE: "it does not decode as a statement, with its preimage when sealed",
        Refusal.TOO_LARGE: "statement or preimage longer than 65,535 bytes",
        Refusal.UNKNOWN_KEY: "the key id belongs to no enrolled key",
        Refusal.BAD_SIGNATURE: "the signature does not verify strictly under the named key",
        Refusal.WRONG_NETWORK: "the payload names another network",
        Refusal.OVER_QUOTA: "the key has used up its share of this gateway",
    }
)
"""One line of documentation for each refusal."""


def refusal_for(reason: Reason) -> Refusal:
    """Return what a gateway answers when a submission does not decode for `reason`.

    Inputs: a reason that `decode_statement` returned, or PAYLOAD_MISSING.
    """
    return Refusal.TOO_LARGE if reason is Reason.TOO_LARGE else Refusal.UNDECODABLE


Values = tuple[int, ...] | tuple[bytes, ...]
"""A decoded column."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """The payload by which a device key names its owner."""

    network: bytes
    """Network id, 32 bytes."""
    time: int
    """When the device says so, seconds since 1970 UTC, below 2**63."""
    owner: bytes
    """Account that the device counts for, 20 bytes."""
    generation: int
    """Counts up with every new binding of the key; below 2**63."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The payload of every other kind: columns of integers or ids for one resource."""

    network: bytes
    """Network id, 32 bytes."""
    resource: str
    """Name of the resource."""
    time: int
    """Base time, seconds since 1970 UTC, below 2**63."""
    columns: Mapping[str, Values]
    """Column name -> values."""
    dtypes: Mapping[str, DType]
    """Column name -> element type as encoded; the same names as `columns`."""
    request: bytes | None
    """REPLACE only: the device's own statement that the registrar countersigns."""


Payload = Binding | Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A decoded statement; its signature is not implied, see `verify_signature`."""

    kind: Kind
    """What it says."""
    sealed: bool
    """Whether the signed payload is a hash and the content travels beside the log."""
    algorithm: Algorithm
    """How it claims to be signed."""
    kid: bytes
    """Thumbprint of the key that it claims to be signed with, 32 bytes."""
    identity: bytes
    """SHA-256 of the Sig_structure, 32 bytes; the same identity counts once."""
    payload: Payload | None
    """The content; None when it is sealed and its preimage was not given."""
    signed: Sign1
    """The COSE_Sign1."""
    raw: bytes
    """The encoded statement, as logged."""
