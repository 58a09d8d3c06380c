"""Signing, sealing, schemas and requests, with numbers a person can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from commonworks.crypto import cbor, cose
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import InvalidInput
from commonworks.statements import arrays
from commonworks.statements.codec import (
    Item,
    check_schema,
    decode_request,
    decode_statement,
    sign_binding,
    sign_record,
    verify_signature,
)
from commonworks.statements.model import (
    MAX_PREIMAGE_BYTES,
    MAX_STATEMENT_BYTES,
    REASONS,
    REFUSALS,
    Binding,
    Column,
    DType,
    Kind,
    Reason,
    Record,
    Refusal,
    Schema,
    Signer,
    Statement,
    refusal_for,
)

NETWORK = bytes(range(32))
OWNER = bytes(range(20))
SALT = bytes(16)
KEY = PrivateKey.from_seed(Algorithm.EDDSA, bytes(range(32)))
REGISTRAR = PrivateKey.from_seed(Algorithm.ES256, bytes(range(32)))

LEVEL = Column(name="level_mm", dtype=DType.U16, minimum=2, maximum=7000, description="level")
DRIFT = Column(
    name="drift_um", dtype=DType.I32, minimum=-11, maximum=13, required=False, description="drift"
)
PLACES = Column(
    name="place", dtype=DType.B32, minimum=0, maximum=0, required=False, description="where"
)


def schema(
    kind: Kind = Kind.REPORT,
    *,
    sealed: bool = False,
    signer: Signer = Signer.DEVICE,
    equal_length: bool = True,
    max_rows: int = 5,
) -> Schema:
    return Schema(
        kind=kind,
        columns=(LEVEL, DRIFT, PLACES),
        max_rows=max_rows,
        sealed=sealed,
        signer=signer,
        description="water levels",
        equal_length=equal_length,
    )


def record(
    columns: Mapping[str, Sequence[int] | Sequence[bytes]],
    dtypes: Mapping[str, DType],
    request: bytes | None = None,
) -> Record:
    """A record through the codec: packed and decoded, with any types, whatever a schema says."""
    fields: dict[str, object] = {
        "network": NETWORK,
        "resource": "water",
        "time": 3,
        "columns": {name: arrays.pack(dtypes[name], values) for name, values in columns.items()},
    }
    kind = Kind.REPORT
    if request is not None:
        fields["request"], kind = request, Kind.REPLACE
    headers = cbor.encode(
        {1: -8, 3: f"application/vnd.commonworks.{kind}+cbor", 4: KEY.public.thumbprint}
    )
    raw = cose.encode_sign1(headers, {}, cbor.encode(fields), bytes(64))
    decoded = decode_statement(raw, None)
    assert isinstance(decoded, Statement)
    assert isinstance(decoded.payload, Record)
    return decoded.payload


TYPES = {"level_mm": DType.U16, "drift_um": DType.I32, "place": DType.B32}


def test_a_binding_by_hand() -> None:
    item = sign_binding(KEY, NETWORK, 3, OWNER, 5)
    assert item.preimage is None
    protected = bytes.fromhex("a3" + "0127" + "03") + b"\x78\x28"
    protected += b"application/vnd.commonworks.binding+cbor" + bytes.fromhex("045820")
    protected += KEY.public.thumbprint
    payload = bytes.fromhex("a4" + "6474696d65" + "03" + "656f776e6572" + "54") + OWNER
    payload += bytes.fromhex("676e6574776f726b" + "5820") + NETWORK
    payload += bytes.fromhex("6a67656e65726174696f6e" + "05")
    signature = KEY.sign(cose.sig_structure(protected, payload))
    expected = b"\xd2\x84\x58" + bytes((len(protected),)) + protected + b"\xa0"
    expected += b"\x58" + bytes((len(payload),)) + payload + b"\x58\x40" + signature
    assert item.encode() == expected
    statement = decode_statement(expected, None)
    assert isinstance(statement, Statement)
    assert statement.payload == Binding(network=NETWORK, time=3, owner=OWNER, generation=5)
    assert statement.identity == sha256(cose.sig_structure(protected, payload))


def test_a_sealed_report_shows_nothing_without_its_preimage() -> None:
    item = sign_record(
        KEY, Kind.REPORT, NETWORK, "water", 3, {"level_mm": [17]}, schema(sealed=True), salt=SALT
    )
    assert item.preimage is not None
    assert b"water" not in item.statement
    assert b"water" in item.preimage
    hidden, known = decode_statement(item.statement, None), decode_statement(*_parts(item))
    assert isinstance(hidden, Statement)
    assert isinstance(known, Statement)
    assert hidden.payload is None
    assert isinstance(known.payload, Record)
    assert known.payload.columns == {"level_mm": (17,)}
    assert hidden.identity == known.identity
    assert hidden.sealed
    assert verify_signature(hidden, KEY.public)


def _parts(item: Item) -> tuple[bytes, bytes | None]:
    return item.statement, item.preimage


def test_another_salt_is_another_identity() -> None:
    items = [
        sign_record(
            KEY, Kind.REPORT, NETWORK, "water", 3, {"level_mm": [17]}, schema(sealed=True), salt=s
        )
        for s in (bytes(16), bytes(15) + b"\x01")
    ]
    identities = set()
    for item in items:
        statement = decode_statement(*_parts(item))
        assert isinstance(statement, Statement)
        identities.add(statement.identity)
    assert len(identities) == 2


def test_a_signature_counts_for_its_own_key_only() -> None:
    statement = decode_statement(sign_binding(KEY, NETWORK, 3, OWNER, 5).encode(), None)
    assert isinstance(statement, Statement)
    assert verify_signature(statement, KEY.public)
    other = PrivateKey.from_seed(Algorithm.EDDSA, bytes(32)).public
    assert not verify_signature(statement, other)
    assert not verify_signature(statement, REGISTRAR.public)
    # The right bytes under the wrong algorithm are another key.
    confused = PublicKey(algorithm=Algorithm.ES256, raw=KEY.public.raw)
    assert not verify_signature(statement, confused)


def test_a_good_signature_under_the_name_of_another_key_does_not_count() -> None:
    signed = cose.decode_sign1(sign_binding(KEY, NETWORK, 3, OWNER, 5).encode())
    assert signed.payload is not None
    other = PrivateKey.from_seed(Algorithm.EDDSA, bytes(32)).public
    protected = cbor.encode({**signed.headers, 4: other.thumbprint})
    signature = KEY.sign(cose.sig_structure(protected, signed.payload))
    raw = cose.encode_sign1(protected, {}, signed.payload, signature)
    statement = decode_statement(raw, None)
    assert isinstance(statement, Statement)
    assert KEY.public.verify(cose.sig_structure(protected, signed.payload), signature)
    assert not verify_signature(statement, KEY.public)
    assert not verify_signature(statement, other)


@pytest.mark.parametrize(
    ("columns", "dtypes", "fits"),
    [
        ({"level_mm": [2, 7000]}, TYPES, True),
        ({"level_mm": [2], "drift_um": [-11], "place": [NETWORK]}, TYPES, True),
        ({"level_mm": [1]}, TYPES, False),
        ({"level_mm": [7001]}, TYPES, False),
        ({"level_mm": [2], "drift_um": [-12]}, TYPES, False),
        ({"level_mm": [2], "drift_um": [14]}, TYPES, False),
        ({"drift_um": [0]}, TYPES, False),
        ({}, TYPES, False),
        ({"level_mm": []}, TYPES, False),
        ({"level_mm": [3] * 5}, TYPES, True),
        ({"level_mm": [3] * 6}, TYPES, False),
        ({"level_mm": [3, 5], "drift_um": [0]}, TYPES, False),
        ({"level_mm": [3], "other": [0]}, TYPES | {"other": DType.U8}, False),
        ({"level_mm": [3]}, {"level_mm": DType.U32}, False),
        ({"level_mm": [3]}, {"level_mm": DType.I16}, False),
        ({"level_mm": [NETWORK]}, {"level_mm": DType.B32}, False),
        ({"level_mm": [3], "place": [3] * 1}, TYPES | {"place": DType.U8}, False),
    ],
)
def test_schema(
    columns: Mapping[str, Sequence[int]], dtypes: Mapping[str, DType], fits: bool
) -> None:
    assert check_schema(record(columns, dtypes), schema()) is fits


def test_columns_of_their_own_length_where_the_schema_allows() -> None:
    loose = schema(equal_length=False)
    assert check_schema(record({"level_mm": [3, 5, 7], "drift_um": []}, TYPES), loose)
    assert not check_schema(record({"level_mm": [3] * 6}, TYPES), loose)


def test_a_countersignature_exactly_where_it_is_asked_for() -> None:
    countersigned = schema(Kind.REPLACE, signer=Signer.COUNTERSIGNED)
    plain = schema(Kind.REPLACE, signer=Signer.REGISTRAR)
    with_request = record({"level_mm": [3]}, TYPES, request=b"x")
    without = record({"level_mm": [3]}, TYPES)
    assert check_schema(with_request, countersigned)
    assert not check_schema(without, countersigned)
    assert check_schema(without, plain)
    assert not check_schema(with_request, plain)


def replace(
    key: PrivateKey, request: bytes | None, *, time: int = 3, level: int = 3, sealed: bool = False
) -> Item:
    return sign_record(
        key,
        Kind.REPLACE,
        NETWORK,
        "water",
        time,
        {"level_mm": [level]},
        schema(Kind.REPLACE, signer=Signer.COUNTERSIGNED, sealed=sealed),
        salt=SALT if sealed and request is not None else None,
        request=request,
    )


@pytest.mark.parametrize("sealed", [False, True])
def test_a_replacement_carries_the_request_of_the_device(sealed: bool) -> None:
    request = replace(KEY, None, sealed=sealed)
    assert request.preimage is None
    outer = decode_statement(*_parts(replace(REGISTRAR, request.statement, sealed=sealed)))
    assert isinstance(outer, Statement)
    assert isinstance(outer.payload, Record)
    inner = decode_request(outer.payload)
    assert isinstance(inner, Statement)
    assert verify_signature(inner, KEY.public)
    assert verify_signature(outer, REGISTRAR.public)


def test_a_request_that_says_something_else_is_none() -> None:
    requests = {
        "other time": replace(KEY, None, time=5).statement,
        "other value": replace(KEY, None, level=5).statement,
        "a request within": replace(REGISTRAR, replace(KEY, None).statement).statement,
        "a binding": sign_binding(KEY, NETWORK, 3, OWNER, 5).statement,
    }
    for why, request in requests.items():
        outer = decode_statement(replace(REGISTRAR, request).statement, None)
        assert isinstance(outer, Statement)
        assert isinstance(outer.payload, Record)
        assert decode_request(outer.payload) is Reason.BAD_SCHEMA, why
    assert decode_request(record({"level_mm": [3]}, TYPES)) is Reason.BAD_SCHEMA
    assert decode_request(record({}, TYPES, request=b"\xff")) is Reason.UNDECODABLE


def test_signing_what_would_be_rejected_is_an_error() -> None:
    def sign(
        columns: Mapping[str, Sequence[int] | Sequence[bytes]] | None = None,
        resource: str = "water",
        rules: Schema | None = None,
        salt: bytes | None = None,
    ) -> None:
        sign_record(
            KEY,
            Kind.REPORT,
            NETWORK,
            resource,
            3,
            {"level_mm": [3]} if columns is None else columns,
            rules or schema(),
            salt=salt,
        )

    sign()
    with pytest.raises(InvalidInput, match="no column depth_mm"):
        sign({"level_mm": [3], "depth_mm": [3]})
    with pytest.raises(InvalidInput, match=r"level_mm is outside 2\.\.7000"):
        sign({"level_mm": [1]})
    with pytest.raises(InvalidInput, match="level_mm is missing"):
        sign({})
    with pytest.raises(InvalidInput, match="level_mm is outside"):
        sign({"level_mm": [NETWORK]})
    with pytest.raises(InvalidInput, match="identifiers of 32 bytes"):
        sign({"level_mm": [3], "place": [b"short"]})
    with pytest.raises(InvalidInput, match="bad_schema"):
        sign(resource="Water")
    with pytest.raises(InvalidInput, match="public, without a salt"):
        sign(salt=SALT)
    with pytest.raises(InvalidInput, match="sealed with a salt"):
        sign(rules=schema(sealed=True))
    with pytest.raises(InvalidInput, match="undecodable"):
        sign(rules=schema(sealed=True), salt=SALT[:15])
    with pytest.raises(InvalidInput, match="schema of a order"):
        sign(rules=schema(Kind.ORDER))
    with pytest.raises(InvalidInput, match="bad_schema"):
        sign_binding(KEY, NETWORK, -1, OWNER, 5)
    with pytest.raises(InvalidInput, match="bad_schema"):
        sign_binding(KEY, NETWORK, 3, OWNER + b"\x00", 5)


@pytest.mark.parametrize("sealed", [False, True])
def test_the_largest_statement_and_one_row_more(sealed: bool) -> None:
    def sign(rows: int) -> Item:
        return sign_record(
            KEY,
            Kind.REPORT,
            NETWORK,
            "water",
            3,
            {"level_mm": [3] * rows},
            schema(sealed=sealed, max_rows=100_000),
            salt=SALT if sealed else None,
        )

    def limited(item: Item) -> int:
        return len(item.statement if item.preimage is None else item.preimage)

    assert MAX_STATEMENT_BYTES == MAX_PREIMAGE_BYTES == 65_535
    rows = 30_000
    rows += (65_535 - limited(sign(rows))) // 2  # two bytes a row
    assert limited(sign(rows)) in (65_534, 65_535)
    with pytest.raises(InvalidInput, match="too_large"):
        sign(rows + 1)


def test_items_as_they_are_posted() -> None:
    public = sign_binding(KEY, NETWORK, 3, OWNER, 5)
    sealed = sign_record(
        KEY, Kind.REPORT, NETWORK, "water", 3, {"level_mm": [17]}, schema(sealed=True), salt=SALT
    )
    assert Item.decode(public.encode()) == public
    assert Item.decode(sealed.encode()) == sealed
    body = public.encode() + sealed.encode() + public.encode()
    assert [Item.decode(part) for part in cbor.decode_sequence(body, 3)] == [public, sealed, public]
    for junk in (
        b"",
        b"\x00",
        b"\x81\x40",
        b"\x82\x40\xf6",
        b"\x83\x40\x40\x40",
        b"\x82\x40\x40\x00",
    ):
        with pytest.raises(InvalidInput):
            Item.decode(junk)


def test_every_reason_and_refusal_has_its_line() -> None:
    assert set(REASONS) == set(Reason)
    assert set(REFUSALS) == set(Refusal)
    for line in (*REASONS.values(), *REFUSALS.values()):
        assert line
        assert "\n" not in line
    assert {refusal_for(reason) for reason in Reason} == {Refusal.TOO_LARGE, Refusal.UNDECODABLE}


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.B32])
def test_bounds_of_each_type(dtype: DType) -> None:
    layout = arrays.LAYOUTS[dtype]
    bounds = (layout.minimum, layout.maximum)
    assert arrays.unpack(arrays.pack(dtype, bounds)) == (dtype, bounds)
    for outside in (layout.minimum - 1, layout.maximum + 1):
        with pytest.raises(InvalidInput, match=str(dtype)):
            arrays.pack(dtype, (outside,))
    with pytest.raises(InvalidInput, match=str(dtype)):
        arrays.pack(dtype, (b"x",))


def test_little_endian_by_hand() -> None:
    assert cbor.encode(arrays.pack(DType.U32, [1, 256])).hex() == "d84648" + "0100000000010000"
    assert cbor.encode(arrays.pack(DType.I16, [-2])).hex() == "d84d42" + "feff"
    assert cbor.encode(arrays.pack(DType.B32, [NETWORK])).hex() == "5820" + NETWORK.hex()
