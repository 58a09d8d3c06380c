"""Statements: signing them, and decoding any bytes into one or into a reason.

Goal: settlement never meets bytes, only a `Statement` or a `Reason`.
Rule: total and strict. Cheapest check first; each guard names its reason, as the table in
docs/spec/statement.md does. Decoding judges form only: not the signature, not the schema, not time.
Invariant: a statement that decodes encodes to the same bytes again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard, cast

from commonworks.crypto import cbor, cose
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import InvalidInput, require
from commonworks.statements import arrays
from commonworks.statements.model import (
    ACCOUNT_BYTES,
    ID_BYTES,
    MAX_COLUMNS,
    MAX_NAME_BYTES,
    MAX_PREIMAGE_BYTES,
    MAX_STATEMENT_BYTES,
    SALT_BYTES_MAXIMUM,
    SALT_BYTES_MINIMUM,
    Binding,
    Column,
    DType,
    Kind,
    Payload,
    Reason,
    Record,
    Schema,
    Signer,
    Statement,
    Values,
)
from commonworks.units import INT63_MAX

_PUBLIC_LABELS: Final = frozenset(
    (cose.HEADER_ALGORITHM, cose.HEADER_CONTENT_TYPE, cose.HEADER_KEY_ID)
)
_SEALED_LABELS: Final = frozenset(
    (
        cose.HEADER_ALGORITHM,
        cose.HEADER_KEY_ID,
        cose.HEADER_PAYLOAD_HASH_ALGORITHM,
        cose.HEADER_PREIMAGE_CONTENT_TYPE,
    )
)
_PUBLIC_TYPES: Final = {f"application/vnd.commonworks.{kind}+cbor": kind for kind in Kind}
# A binding stays public: who owned what must survive the erasure of sealed evidence.
_SEALED_TYPES: Final = {
    f"application/vnd.commonworks.{kind}.sealed+cbor": kind
    for kind in Kind
    if kind is not Kind.BINDING
}
_BINDING_FIELDS: Final = frozenset(("network", "time", "owner", "generation"))
_RECORD_FIELDS: Final = frozenset(("network", "resource", "time", "columns"))
_COUNTERSIGNED_FIELDS: Final = _RECORD_FIELDS | {"request"}
_ALGORITHMS: Final = frozenset(int(algorithm) for algorithm in Algorithm)
_NAME: Final = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_NAME_BYTES - 1}}}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One submission: a statement, and its preimage when it is sealed."""

    statement: bytes
    """The encoded COSE_Sign1."""
    preimage: bytes | None
    """The salted payload of a sealed statement; None for a public one."""

    def encode(self) -> bytes:
        """Return the item as it is posted: the statement, or an array with its preimage."""
        if self.preimage is None:
            return self.statement
        return cbor.encode([self.statement, self.preimage])

    @classmethod
    def decode(cls, data: bytes) -> Item:
        """Return the item that `data` posts; the statement in it is not looked at yet.

        Raises: InvalidInput when it is neither a tagged item nor an array of two byte strings.
        """
        if data[:1] == bytes((0xC0 | cose.TAG_SIGN1,)):
            return cls(statement=data, preimage=None)
        parts = cbor.decode(data)
        if not isinstance(parts, list) or len(parts) != 2:
            raise InvalidInput("submission: neither a COSE_Sign1 nor an array with its preimage")
        statement, preimage = parts
        if not isinstance(statement, bytes) or not isinstance(preimage, bytes):
            raise InvalidInput("submission: statement and preimage must be byte strings")
        return cls(statement=statement, preimage=preimage)


def sign_binding(key: PrivateKey, network: bytes, time: int, owner: bytes, generation: int) -> Item:
    """Return the public statement by which a device key names its owner.

    Inputs: `network` 32 bytes; `time` in seconds; `owner` 20 bytes; `generation` >= 0.
    Raises: InvalidInput when the result would not decode.
    """
    fields = {"network": network, "time": time, "owner": owner, "generation": generation}
    return _sign(key, Kind.BINDING, cbor.encode(fields), salt=None)


def sign_record(
    key: PrivateKey,
    kind: Kind,
    network: bytes,
    resource: str,
    time: int,
    columns: Mapping[str, Sequence[int] | Sequence[bytes]],
    schema: Schema,
    *,
    salt: bytes | None,
    request: bytes | None = None,
) -> Item:
    """Return a signed record, sealed when a salt is given.

    Inputs: `network` 32 bytes; `time` in seconds; `columns` as `schema` describes them; `salt`
    16..32 secret random bytes, never used twice; `request`, for REPLACE, the device's statement.
    A REPLACE without a request is such a request: public, whatever the schema says.
    Raises: InvalidInput when it does not fit the schema, or the result would not decode.
    """
    if kind is not schema.kind:
        raise InvalidInput(f"a {kind} cannot be signed by the schema of a {schema.kind}")
    is_request = kind is Kind.REPLACE and request is None
    if (salt is not None) != (schema.sealed and not is_request):
        raise InvalidInput(f"a {kind} of {resource} must be {_openness(schema, is_request)}")
    dtypes = {column.name: column.dtype for column in schema.columns}
    unknown = sorted(set(columns) - set(dtypes))
    if unknown:
        raise InvalidInput(f"a {kind} of {resource} has no column {unknown[0]}")
    values = {name: _values(column) for name, column in columns.items()}
    fault = _column_fault(values, {name: dtypes[name] for name in values}, schema)
    if fault:
        raise InvalidInput(f"a {kind} of {resource}: {fault}")
    fields: dict[str, object] = {
        "network": network,
        "resource": resource,
        "time": time,
        "columns": {name: arrays.pack(dtypes[name], column) for name, column in values.items()},
    }
    if request is not None:
        fields["request"] = request
    return _sign(key, kind, cbor.encode(fields), salt=salt)


def decode_statement(raw: bytes, preimage: bytes | None) -> Statement | Reason:
    """Return the statement that `raw` encodes, or the reason why it is none.

    Inputs: any bytes; `preimage` is what travels beside a sealed statement, None when it is not
    there (the statement then has no payload).
    Returns: in this order TOO_LARGE, UNDECODABLE, BAD_HEADER, UNKNOWN_TYPE, PAYLOAD_MISMATCH,
    UNDECODABLE (payload), BAD_SCHEMA; else the statement.
    Guarantees: never raises; time linear in the input. Neither the signature nor the resource's
    schema is checked.
    """
    if len(raw) > MAX_STATEMENT_BYTES or len(preimage or b"") > MAX_PREIMAGE_BYTES:
        return Reason.TOO_LARGE
    try:
        signed = cose.decode_sign1(raw)
    except InvalidInput:
        return Reason.UNDECODABLE
    if signed.payload is None:
        return Reason.UNDECODABLE
    header = _header(signed)
    if isinstance(header, Reason):
        return header
    content = _content(signed.payload, header, preimage)
    if isinstance(content, Reason):
        return content
    payload = None if content is None else _payload(header.kind, content)
    if isinstance(payload, Reason):
        return payload
    return Statement(
        kind=header.kind,
        sealed=header.sealed,
        algorithm=header.algorithm,
        kid=header.kid,
        identity=sha256(cose.sig_structure(signed.protected, signed.payload)),
        payload=payload,
        signed=signed,
        raw=raw,
    )


def decode_request(record: Record) -> Statement | Reason:
    """Return the device's statement inside a REPLACE record, or why it is none.

    Guarantees: a public REPLACE without a request of its own, that says exactly what the record
    says; its signature is not checked. BAD_SCHEMA when there is none or it says anything else.
    """
    if record.request is None:
        return Reason.BAD_SCHEMA
    inner = decode_statement(record.request, None)
    if isinstance(inner, Reason):
        return inner
    said = inner.payload
    if inner.kind is not Kind.REPLACE or not isinstance(said, Record) or said.request is not None:
        return Reason.BAD_SCHEMA
    inside = (said.network, said.resource, said.time, said.columns, said.dtypes)
    outside = (record.network, record.resource, record.time, record.columns, record.dtypes)
    return inner if inside == outside else Reason.BAD_SCHEMA


def verify_signature(statement: Statement, key: PublicKey) -> bool:
    """Return whether `key` is the key that the statement names and its signature verifies.

    Guarantees: false when kid or algorithm differ; strict predicates of `crypto`; never raises.
    """
    if key.algorithm is not statement.algorithm or key.thumbprint != statement.kid:
        return False
    signed = statement.signed
    require(signed.payload is not None, "a decoded statement carries what it signs")
    message = cose.sig_structure(signed.protected, signed.payload or b"")
    return key.verify(message, signed.signature)


def check_schema(record: Record, schema: Schema) -> bool:
    """Return whether a record has the columns, types, lengths and ranges of `schema`.

    Guarantees: true only when every required column is there, no other column is, each has the
    schema's element type, 0..max_rows elements within the range, equal lengths of at least one
    where the schema asks for a table, and a request exactly when a countersignature is asked for.
    """
    countersigned = schema.signer is Signer.COUNTERSIGNED
    if (record.request is not None) != countersigned:
        return False
    return not _column_fault(record.columns, record.dtypes, schema)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    """The protected header of a statement."""

    algorithm: Algorithm
    """How it claims to be signed."""
    kid: bytes
    """Which key it claims."""
    kind: Kind
    """What it says."""
    sealed: bool
    """Whether the payload is a hash."""


def _values(column: Sequence[int] | Sequence[bytes]) -> Values:
    return cast(Values, tuple(column))


def _openness(schema: Schema, is_request: bool) -> str:
    return "sealed with a salt" if schema.sealed and not is_request else "public, without a salt"


def _sign(key: PrivateKey, kind: Kind, payload: bytes, *, salt: bytes | None) -> Item:
    preimage = None if salt is None else cbor.encode([salt, payload])
    headers: dict[cose.Label, object] = {
        cose.HEADER_ALGORITHM: int(key.algorithm),
        cose.HEADER_KEY_ID: key.public.thumbprint,
    }
    if preimage is None:
        headers[cose.HEADER_CONTENT_TYPE] = f"application/vnd.commonworks.{kind}+cbor"
    else:
        payload = sha256(preimage)
        headers[cose.HEADER_PAYLOAD_HASH_ALGORITHM] = cose.ALGORITHM_SHA256
        headers[cose.HEADER_PREIMAGE_CONTENT_TYPE] = (
            f"application/vnd.commonworks.{kind}.sealed+cbor"
        )
    protected = cbor.encode(headers)
    signature = key.sign(cose.sig_structure(protected, payload))
    item = Item(statement=cose.encode_sign1(protected, {}, payload, signature), preimage=preimage)
    result = decode_statement(item.statement, item.preimage)
    if isinstance(result, Reason):
        raise InvalidInput(f"this {kind} would be rejected: {result}", reason=result)
    return item


def _header(signed: cose.Sign1) -> _Header | Reason:
    headers = signed.headers
    if signed.unprotected or headers.keys() not in (_PUBLIC_LABELS, _SEALED_LABELS):
        return Reason.BAD_HEADER
    sealed = cose.HEADER_CONTENT_TYPE not in headers
    algorithm = headers[cose.HEADER_ALGORITHM]
    if not _is_integer(algorithm) or algorithm not in _ALGORITHMS:
        return Reason.BAD_HEADER
    kid = headers[cose.HEADER_KEY_ID]
    if not isinstance(kid, bytes) or len(kid) != ID_BYTES:
        return Reason.BAD_HEADER
    if sealed and headers[cose.HEADER_PAYLOAD_HASH_ALGORITHM] != cose.ALGORITHM_SHA256:
        return Reason.BAD_HEADER
    label = cose.HEADER_PREIMAGE_CONTENT_TYPE if sealed else cose.HEADER_CONTENT_TYPE
    content_type = headers[label]
    if not isinstance(content_type, str):
        return Reason.BAD_HEADER
    kind = (_SEALED_TYPES if sealed else _PUBLIC_TYPES).get(content_type)
    if kind is None:
        return Reason.UNKNOWN_TYPE
    return _Header(
        algorithm=Algorithm(algorithm),
        kid=kid,
        kind=kind,
        sealed=sealed,
    )


def _content(signed: bytes, header: _Header, preimage: bytes | None) -> bytes | Reason | None:
    """Return the encoded payload, None when it is sealed and not there, or a reason."""
    if not header.sealed:
        return signed if preimage is None else Reason.PAYLOAD_MISMATCH
    if len(signed) != ID_BYTES:
        return Reason.UNDECODABLE
    if preimage is None:
        return None
    if sha256(preimage) != signed:
        return Reason.PAYLOAD_MISMATCH
    try:
        parts = cbor.decode(preimage, tags=())
    except InvalidInput:
        return Reason.UNDECODABLE
    if not isinstance(parts, list) or len(parts) != 2:
        return Reason.UNDECODABLE
    salt, content = parts
    if not isinstance(salt, bytes) or not isinstance(content, bytes):
        return Reason.UNDECODABLE
    if not SALT_BYTES_MINIMUM <= len(salt) <= SALT_BYTES_MAXIMUM:
        return Reason.UNDECODABLE
    return content


def _payload(kind: Kind, content: bytes) -> Payload | Reason:
    try:
        fields = cbor.decode(content, tags=arrays.ARRAY_TAGS)
    except InvalidInput:
        return Reason.UNDECODABLE
    if not isinstance(fields, dict):
        return Reason.BAD_SCHEMA
    if kind is Kind.BINDING:
        return _binding(fields)
    return _record(fields, kind)


def _binding(fields: dict[object, object]) -> Binding | Reason:
    if fields.keys() != _BINDING_FIELDS:
        return Reason.BAD_SCHEMA
    network, owner = fields["network"], fields["owner"]
    time, generation = fields["time"], fields["generation"]
    if not _is_bytes(network, ID_BYTES) or not _is_bytes(owner, ACCOUNT_BYTES):
        return Reason.BAD_SCHEMA
    if not _is_unsigned(time) or not _is_unsigned(generation):
        return Reason.BAD_SCHEMA
    return Binding(network=network, time=time, owner=owner, generation=generation)


def _record(fields: dict[object, object], kind: Kind) -> Record | Reason:
    countersigned = kind is Kind.REPLACE and "request" in fields
    if fields.keys() != (_COUNTERSIGNED_FIELDS if countersigned else _RECORD_FIELDS):
        return Reason.BAD_SCHEMA
    network, resource = fields["network"], fields["resource"]
    time, columns = fields["time"], fields["columns"]
    if not _is_bytes(network, ID_BYTES) or not _is_name(resource) or not _is_unsigned(time):
        return Reason.BAD_SCHEMA
    request = fields.get("request")
    # A null request would be a second encoding of a record that has none.
    if not isinstance(request, bytes | None) or countersigned is (request is None):
        return Reason.BAD_SCHEMA
    if not isinstance(columns, dict) or len(columns) > MAX_COLUMNS:
        return Reason.BAD_SCHEMA
    values: dict[str, Values] = {}
    dtypes: dict[str, DType] = {}
    for name, packed in columns.items():
        column = arrays.unpack(packed)
        if column is None or not _is_name(name):
            return Reason.BAD_SCHEMA
        dtypes[name], values[name] = column
    return Record(
        network=network,
        resource=resource,
        time=time,
        columns=values,
        dtypes=dtypes,
        request=request,
    )


def _column_fault(
    columns: Mapping[str, Values], dtypes: Mapping[str, DType], schema: Schema
) -> str:
    """Return what is wrong with the columns under `schema`, empty when nothing is."""
    known = {column.name for column in schema.columns}
    for name in columns:
        if name not in known:
            return f"column {name} is not known"
    for column in schema.columns:
        if column.name not in columns:
            if column.required:
                return f"column {column.name} is missing"
            continue
        values = columns[column.name]
        if dtypes.get(column.name) is not column.dtype:
            return f"column {column.name} is not {column.dtype}"
        if len(values) > schema.max_rows:
            return f"column {column.name} has more than {schema.max_rows} rows"
        if not _in_range(column, values):
            return f"column {column.name} is outside {column.minimum}..{column.maximum}"
    lengths = {len(values) for values in columns.values()}
    if schema.equal_length and (len(lengths) != 1 or 0 in lengths):
        return "the columns are not one table of at least one row"
    return ""


def _in_range(column: Column, values: Values) -> bool:
    if column.dtype is DType.B32:
        return True
    return all(isinstance(v, int) and column.minimum <= v <= column.maximum for v in values)


def _is_integer(value: object) -> TypeGuard[int]:
    # bool is an int to Python, never to CBOR.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_unsigned(value: object) -> TypeGuard[int]:
    return _is_integer(value) and 0 <= value <= INT63_MAX


def _is_bytes(value: object, length: int) -> TypeGuard[bytes]:
    return isinstance(value, bytes) and len(value) == length


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None
