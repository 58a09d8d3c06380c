"""Any bytes give a statement or a reason, never an exception; what decodes has one encoding."""

from __future__ import annotations

import cbor2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commonworks.crypto import cbor, cose
from commonworks.crypto.cbor import Tag
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import InvalidInput
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
    Column,
    DType,
    Kind,
    Reason,
    Record,
    Schema,
    Signer,
    Statement,
)

NETWORK = bytes(range(32))
KEYS = {a: PrivateKey.from_seed(a, bytes(range(32))) for a in Algorithm}
FUZZ = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCHEMAS = {
    sealed: Schema(
        kind=Kind.REPORT,
        columns=(
            Column(name="level_mm", dtype=DType.U32, minimum=0, maximum=2**32 - 1, description=""),
            Column(name="drift_um", dtype=DType.I64, minimum=-(2**63), maximum=0, description=""),
            Column(name="place", dtype=DType.B32, minimum=0, maximum=0, description=""),
        ),
        max_rows=64,
        sealed=sealed,
        signer=Signer.DEVICE,
        description="",
        equal_length=True,
    )
    for sealed in (False, True)
}


def examples() -> list[Item]:
    columns: dict[str, tuple[int, ...] | tuple[bytes, ...]] = {
        "level_mm": (2, 3),
        "drift_um": (-5, -7),
        "place": (NETWORK, NETWORK),
    }
    items = []
    for key in KEYS.values():
        items.append(sign_binding(key, NETWORK, 3, bytes(20), 5))
        for sealed, schema in SCHEMAS.items():
            salt = bytes(16) if sealed else None
            items.append(
                sign_record(key, Kind.REPORT, NETWORK, "water", 3, columns, schema, salt=salt)
            )
    return items


EXAMPLES = examples()


def judge(raw: bytes, preimage: bytes | None) -> Statement | Reason:
    """Decode, and hold the result against everything that must be true of it."""
    decoded = decode_statement(raw, preimage)
    assert isinstance(decoded, Statement | Reason)
    if isinstance(decoded, Reason):
        return decoded
    signed = decoded.signed
    assert signed.payload is not None
    again = cose.encode_sign1(signed.protected, {}, signed.payload, signed.signature)
    assert again == raw == decoded.raw
    assert cbor.encode(signed.headers) == signed.protected
    assert decoded.identity == sha256(cose.sig_structure(signed.protected, signed.payload))
    assert (decoded.payload is None) == (decoded.sealed and preimage is None)
    for key in KEYS.values():
        verify_signature(decoded, key.public)
    if isinstance(decoded.payload, Record):
        for schema in SCHEMAS.values():
            check_schema(decoded.payload, schema)
        decode_request(decoded.payload)
    return decoded


@FUZZ
@given(raw=st.binary(max_size=400), preimage=st.none() | st.binary(max_size=200))
def test_random_bytes(raw: bytes, preimage: bytes | None) -> None:
    judge(raw, preimage)
    judge(b"\xd2\x84" + raw, preimage)


@FUZZ
@given(data=st.data())
def test_mutated_statements(data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(EXAMPLES))
    raw = mutate(data, item.statement)
    preimage = item.preimage
    if preimage is not None and data.draw(st.booleans()):
        preimage = mutate(data, preimage)
    decoded = judge(raw, preimage)
    if raw != item.statement and isinstance(decoded, Statement):
        # Nothing but the signature may change and leave a signature that verifies.
        for key in KEYS.values():
            assert not verify_signature(decoded, key.public)


def mutate(data: st.DataObject, original: bytes) -> bytes:
    mutated = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, max(0, len(mutated) - 1)))
        action = data.draw(st.sampled_from(("flip", "delete", "insert", "copy", "cut")))
        if action == "flip" and mutated:
            mutated[position] ^= 1 << data.draw(st.integers(0, 7))
        elif action == "delete":
            del mutated[position : position + data.draw(st.integers(1, 8))]
        elif action == "insert":
            mutated[position:position] = data.draw(st.binary(min_size=1, max_size=9))
        elif action == "copy":
            mutated[position:position] = mutated[: data.draw(st.integers(1, 40))]
        else:
            del mutated[position:]
    return bytes(mutated)


def mostly(right: object, *wrong: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.just(right), st.just(right), st.just(right), *wrong)


SCALARS: st.SearchStrategy[object] = st.one_of(
    st.integers(-(2**64), 2**64 - 1),
    st.binary(max_size=40),
    st.text(max_size=12),
    st.booleans(),
    st.none(),
)
LABELS: st.SearchStrategy[int | str] = st.integers(-70_000, 70_000) | st.text(max_size=4)
VALUES: st.SearchStrategy[object] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(LABELS | st.binary(max_size=4), inner, max_size=4),
        st.builds(Tag, st.integers(0, 2**64 - 1) | st.integers(60, 90), inner),
    ),
    max_leaves=12,
)
COLUMNS = st.builds(
    Tag,
    st.sampled_from((64, 69, 70, 71, 72, 77, 78, 79)) | st.integers(60, 90),
    st.binary(max_size=24) | VALUES,
)
TYPES = st.sampled_from(
    [f"application/vnd.commonworks.{kind}{s}+cbor" for kind in Kind for s in ("", ".sealed")]
)


@st.composite
def structured(draw: st.DrawFn) -> Item:
    """A COSE_Sign1 built like a statement, with something odd in any place."""
    payload = draw(
        st.one_of(
            VALUES,
            st.fixed_dictionaries(
                {
                    "network": mostly(NETWORK, VALUES),
                    "resource": mostly("water", VALUES),
                    "time": mostly(3, VALUES),
                    "columns": st.dictionaries(
                        st.sampled_from(("a", "b_m")) | LABELS,
                        COLUMNS | st.binary(max_size=96),
                        max_size=3,
                    )
                    | VALUES,
                },
                optional={"request": st.just(EXAMPLES[0].statement) | VALUES, "extra": VALUES},
            ),
            st.fixed_dictionaries(
                {
                    "network": mostly(NETWORK, VALUES),
                    "time": mostly(3, VALUES),
                    "owner": mostly(bytes(20), VALUES),
                    "generation": mostly(5, VALUES),
                }
            ),
        )
    )
    content = cbor.encode(payload)
    key = KEYS[draw(st.sampled_from(list(Algorithm)))]
    headers: dict[int | str, object] = {
        1: draw(mostly(int(key.algorithm), VALUES)),
        4: draw(mostly(key.public.thumbprint, VALUES)),
    }
    preimage = None
    if draw(st.booleans()):
        preimage = cbor.encode(
            draw(mostly([draw(st.binary(min_size=15, max_size=33)), content], VALUES))
        )
        content = sha256(preimage)
        headers |= {258: draw(mostly(-16, VALUES)), 259: draw(TYPES | VALUES)}
    else:
        headers[3] = draw(TYPES | VALUES)
    if draw(st.integers(0, 5)) == 0:
        headers[draw(LABELS)] = draw(VALUES)
    protected = cbor.encode(headers)
    signature = key.sign(cose.sig_structure(protected, content))
    return Item(statement=cose.encode_sign1(protected, {}, content, signature), preimage=preimage)


@FUZZ
@given(item=structured())
def test_structured_statements(item: Item) -> None:
    judge(item.statement, item.preimage)
    judge(item.statement, None)
    assert Item.decode(item.encode()) == item


@FUZZ
@given(data=st.binary(max_size=200))
def test_what_the_strict_decoder_accepts_a_general_one_reads_too(data: bytes) -> None:
    for candidate in (data, b"\x82" + data, b"\xa1\x01" + data):
        try:
            value = cbor.decode(candidate)
        except InvalidInput:
            continue
        assert cbor.encode(value) == candidate
        if not _holds_tag(value):
            assert cbor2.loads(candidate) == value


def _holds_tag(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_tag(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_holds_tag(inner) for inner in value)
    return isinstance(value, Tag)


@FUZZ
@given(value=VALUES)
def test_every_value_has_one_encoding(value: object) -> None:
    encoded = cbor.encode(value)
    decoded = cbor.decode(encoded)
    assert cbor.encode(decoded) == encoded
    assert cbor.decode_sequence(encoded + encoded, 2) == [encoded, encoded]


@FUZZ
@given(data=st.binary(max_size=120), limit=st.integers(0, 5))
def test_sequences_split_or_are_refused(data: bytes, limit: int) -> None:
    try:
        items = cbor.decode_sequence(data, limit)
    except InvalidInput:
        return
    assert b"".join(items) == data
    assert len(items) <= limit
    assert all(items)


@FUZZ
@given(data=st.data(), sealed=st.booleans(), algorithm=st.sampled_from(list(Algorithm)))
def test_round_trip(data: st.DataObject, sealed: bool, algorithm: Algorithm) -> None:
    rows = data.draw(st.integers(1, 8))

    def column(values: st.SearchStrategy[int]) -> tuple[int, ...]:
        return tuple(data.draw(st.lists(values, min_size=rows, max_size=rows)))

    columns: dict[str, tuple[int, ...] | tuple[bytes, ...]] = {
        "level_mm": column(st.integers(0, 2**32 - 1)),
        "drift_um": column(st.integers(-(2**63), 0)),
        "place": tuple(
            data.draw(st.lists(st.binary(min_size=32, max_size=32), min_size=rows, max_size=rows))
        ),
    }
    salt = data.draw(st.binary(min_size=16, max_size=32)) if sealed else None
    time = data.draw(st.integers(0, 2**63 - 1))
    item = sign_record(
        KEYS[algorithm],
        Kind.REPORT,
        NETWORK,
        "water",
        time,
        columns,
        SCHEMAS[sealed],
        salt=salt,
    )
    decoded = judge(item.statement, item.preimage)
    assert isinstance(decoded, Statement)
    assert isinstance(decoded.payload, Record)
    assert decoded.payload.columns == columns
    assert decoded.payload.time == time
    assert check_schema(decoded.payload, SCHEMAS[sealed])
    assert verify_signature(decoded, KEYS[algorithm].public)
