"""Write the statement vectors: one JSON file for each case, the same bytes every time.

    python tests/vectors/make_statements.py [FOLDER]

Each file: `name`, `why`, `statement` and `preimage` (hex; null when there is none), `public_key`
(`algorithm`, `raw`), and `expect`: either `{"reason": ...}` or what the statement decodes to, with
`signature_valid`. Nothing here is random: signing is deterministic and seeds are fixed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from commonworks.crypto import cbor, cose, es256
from commonworks.crypto.cbor import Tag
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.statements.codec import Item, sign_binding, sign_record
from commonworks.statements.model import Column, DType, Kind, Reason, Schema, Signer

EDDSA = PrivateKey.from_seed(Algorithm.EDDSA, bytes(range(32)))
ES256 = PrivateKey.from_seed(Algorithm.ES256, bytes(range(32)))
NETWORK = bytes(range(0x20, 0x40))
OWNER = bytes(range(0x60, 0x74))
TIME = 1_700_000_003
SALT = bytes(range(0xA0, 0xB0))
MEDIA = "application/vnd.commonworks"

COLUMNS = tuple(
    Column(name=f"{dtype}_m", dtype=dtype, minimum=-(2**63), maximum=2**63 - 1, description="any")
    for dtype in DType
)
EXTREMES: Mapping[str, tuple[int, ...] | tuple[bytes, ...]] = {
    "u8_m": (0, 2, 255),
    "u16_m": (0, 3, 65_535),
    "u32_m": (0, 5, 2**32 - 1),
    "u64_m": (0, 7, 2**63 - 1),
    "i8_m": (-128, 11, 127),
    "i16_m": (-(2**15), 13, 2**15 - 1),
    "i32_m": (-(2**31), 17, 2**31 - 1),
    "i64_m": (-(2**63), 19, 2**63 - 1),
    "b32_m": (bytes(32), b"\x17" * 32, b"\xff" * 32),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One vector."""

    name: str
    """File name without its ending."""
    why: str
    """What it shows."""
    item: Item
    """The bytes."""
    key: PrivateKey = EDDSA
    """Whose public key the file names."""
    expect: Mapping[str, object]
    """What a decoder must say."""


def schema(kind: Kind, *, sealed: bool = False, signer: Signer = Signer.DEVICE) -> Schema:
    return Schema(
        kind=kind,
        columns=COLUMNS,
        max_rows=96,
        sealed=sealed,
        signer=signer,
        description="every element type",
        equal_length=True,
    )


def shown(columns: Mapping[str, tuple[int, ...] | tuple[bytes, ...]]) -> dict[str, object]:
    return {
        name: {
            "type": name.removesuffix("_m"),
            "values": [v.hex() if isinstance(v, bytes) else v for v in values],
        }
        for name, values in columns.items()
    }


def expected(
    item: Item, key: PrivateKey, kind: Kind, payload: object, *, valid: bool = True
) -> dict[str, object]:
    signed = cose.decode_sign1(item.statement)
    structure = cose.sig_structure(signed.protected, signed.payload or b"")
    return {
        "kind": str(kind),
        "sealed": cose.HEADER_PAYLOAD_HASH_ALGORITHM in signed.headers,
        "algorithm": int(key.algorithm),
        "kid": key.public.thumbprint.hex(),
        "identity": sha256(structure).hex(),
        "payload": payload,
        "signature_valid": valid,
    }


def binding_shown() -> dict[str, object]:
    return {"network": NETWORK.hex(), "time": TIME, "owner": OWNER.hex(), "generation": 7}


def record_shown(request: str | None = None) -> dict[str, object]:
    return {
        "network": NETWORK.hex(),
        "resource": "water",
        "time": TIME,
        "columns": shown(EXTREMES),
        "request": request,
    }


def good_cases() -> Iterator[Case]:
    for key in (EDDSA, ES256):
        tail = key.algorithm.name.lower()
        binding = sign_binding(key, NETWORK, TIME, OWNER, 7)
        yield Case(
            name=f"binding-{tail}",
            why="a device key names its owner",
            item=binding,
            key=key,
            expect=expected(binding, key, Kind.BINDING, binding_shown()),
        )
        for kind in (Kind.REPORT, Kind.ORDER, Kind.SITE):
            for sealed in (False, True):
                item = sign_record(
                    key,
                    kind,
                    NETWORK,
                    "water",
                    TIME,
                    EXTREMES,
                    schema(kind, sealed=sealed),
                    salt=SALT if sealed else None,
                )
                yield Case(
                    name=f"{kind}-{'sealed' if sealed else 'public'}-{tail}",
                    why="every element type at its bounds",
                    item=item,
                    key=key,
                    expect=expected(item, key, kind, record_shown()),
                )
    sealed_report = sign_record(
        EDDSA,
        Kind.REPORT,
        NETWORK,
        "water",
        TIME,
        EXTREMES,
        schema(Kind.REPORT, sealed=True),
        salt=SALT,
    )
    without = Item(statement=sealed_report.statement, preimage=None)
    yield Case(
        name="sealed-without-preimage",
        why="identity and key are known, the payload is not",
        item=without,
        expect=expected(without, EDDSA, Kind.REPORT, None),
    )
    yield from replace_cases()
    yield from signature_cases()


def replace_cases() -> Iterator[Case]:
    countersigned = schema(Kind.REPLACE, signer=Signer.COUNTERSIGNED)
    request = sign_record(
        EDDSA, Kind.REPLACE, NETWORK, "water", TIME, EXTREMES, countersigned, salt=None
    )
    yield Case(
        name="replace-request",
        why="the device's own part of a replacement",
        item=request,
        expect=expected(request, EDDSA, Kind.REPLACE, record_shown()),
    )
    whole = sign_record(
        ES256,
        Kind.REPLACE,
        NETWORK,
        "water",
        TIME,
        EXTREMES,
        countersigned,
        salt=None,
        request=request.statement,
    )
    yield Case(
        name="replace-countersigned",
        why="the registrar's statement carries the device's",
        item=whole,
        key=ES256,
        expect=expected(whole, ES256, Kind.REPLACE, record_shown(request.statement.hex())),
    )


def signature_cases() -> Iterator[Case]:
    for key in (EDDSA, ES256):
        tail = key.algorithm.name.lower()
        raw = sign_binding(key, NETWORK, TIME, OWNER, 7).statement
        flipped = Item(statement=raw[:-1] + bytes((raw[-1] ^ 1,)), preimage=None)
        yield Case(
            name=f"signature-flipped-{tail}",
            why="decodes, but the signature does not verify",
            item=flipped,
            key=key,
            expect=expected(flipped, key, Kind.BINDING, binding_shown(), valid=False),
        )
        short = cose.decode_sign1(raw)
        item = build(short.protected, short.payload, signature=short.signature[:63])
        yield Case(
            name=f"signature-short-{tail}",
            why="a signature has 64 bytes",
            item=item,
            key=key,
            expect=expected(item, key, Kind.BINDING, binding_shown(), valid=False),
        )
    raw = sign_binding(ES256, NETWORK, TIME, OWNER, 7).statement
    s = int.from_bytes(raw[-32:], "big")
    high = Item(statement=raw[:-32] + (es256.ORDER - s).to_bytes(32, "big"), preimage=None)
    yield Case(
        name="signature-high-s-es256",
        why="the upper of the two s verifies elsewhere, not here; the identity is the same",
        item=high,
        key=ES256,
        expect=expected(high, ES256, Kind.BINDING, binding_shown(), valid=False),
    )


def build(
    protected: bytes,
    payload: bytes | None,
    *,
    unprotected: Mapping[int | str, object] | None = None,
    signature: bytes | None = None,
    preimage: bytes | None = None,
) -> Item:
    if signature is None:
        signature = EDDSA.sign(cose.sig_structure(protected, payload or b""))
    raw = cose.encode_sign1(protected, unprotected or {}, payload, signature)
    return Item(statement=raw, preimage=preimage)


def headers(**changes: object) -> bytes:
    """Return a right public header with labels changed; None takes a label away."""
    right: dict[int, object] = {
        1: -8,
        3: f"{MEDIA}.binding+cbor",
        4: EDDSA.public.thumbprint,
    }
    right.update({int(label.removeprefix("l")): value for label, value in changes.items()})
    return cbor.encode({label: value for label, value in right.items() if value is not None})


SEALED_HEADERS: Mapping[str, object] = {
    "l3": None,
    "l258": -16,
    "l259": f"{MEDIA}.report.sealed+cbor",
}
RECORD_HEADERS: Mapping[str, object] = {"l3": f"{MEDIA}.report+cbor"}


def binding_payload(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "network": NETWORK,
        "time": TIME,
        "owner": OWNER,
        "generation": 7,
        **changes,
    }
    return cbor.encode({name: value for name, value in fields.items() if value != "absent"})


def record_payload(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "network": NETWORK,
        "resource": "water",
        "time": TIME,
        "columns": {"height_mm": Tag(70, bytes(8))},
        **changes,
    }
    return cbor.encode({name: value for name, value in fields.items() if value != "absent"})


def rejected(name: str, why: str, item: Item, reason: Reason) -> Case:
    return Case(name=f"{reason}-{name}", why=why, item=item, expect={"reason": str(reason)})


def header_cases() -> Iterator[Case]:
    payload = binding_payload()
    wrong: dict[str, tuple[str, bytes]] = {
        "crit": ("crit is not negotiated here", headers(l2=[4])),
        "extra-label": ("a label beyond the allowed set", headers(l5=b"\x00")),
        "no-kid": ("the key id is missing", headers(l4=None)),
        "short-kid": ("a thumbprint has 32 bytes", headers(l4=bytes(31))),
        "text-kid": ("a thumbprint is a byte string", headers(l4="kid")),
        "no-algorithm": ("the algorithm is missing", headers(l1=None)),
        "algorithm-es384": ("ES384 is not among the two", headers(l1=-35)),
        "algorithm-text": ("algorithms are integers", headers(l1="EdDSA")),
        "content-format": ("content types are text", headers(l3=60)),
        "both-types": ("public and sealed at once", headers(l258=-16, l259="x")),
        "sealed-no-type": ("258 without 259", headers(l3=None, l258=-16)),
        "sealed-sha512": ("only SHA-256", headers(**{**SEALED_HEADERS, "l258": -44})),
        "empty": ("no header at all", b""),
    }
    for name, (why, protected) in wrong.items():
        yield rejected(name, why, build(protected, payload), Reason.BAD_HEADER)
    yield rejected(
        "unprotected",
        "the unprotected header must be empty",
        build(headers(l4=None), payload, unprotected={4: EDDSA.public.thumbprint}),
        Reason.BAD_HEADER,
    )
    yield rejected(
        "unprotected-besides",
        "the unprotected header must be empty, even beside a right protected one",
        build(headers(), payload, unprotected={5: b""}),
        Reason.BAD_HEADER,
    )
    for name, content_type in {
        "other": "application/cwt",
        "kind": f"{MEDIA}.gossip+cbor",
        "sealed-in-3": f"{MEDIA}.report.sealed+cbor",
        "case": f"{MEDIA}.Binding+cbor",
    }.items():
        yield rejected(
            name,
            "no kind of this name",
            build(headers(l3=content_type), payload),
            Reason.UNKNOWN_TYPE,
        )
    for name, content_type in {
        "public-in-259": f"{MEDIA}.report+cbor",
        "sealed-binding": f"{MEDIA}.binding.sealed+cbor",
    }.items():
        protected = headers(**{**SEALED_HEADERS, "l259": content_type})
        yield rejected(
            name, "no sealed kind of this name", build(protected, bytes(32)), Reason.UNKNOWN_TYPE
        )


def form_cases() -> Iterator[Case]:
    right = sign_binding(EDDSA, NETWORK, TIME, OWNER, 7).statement
    payload = binding_payload()
    swapped = bytes.fromhex("a304") + cbor.encode(EDDSA.public.thumbprint) + bytes.fromhex("0127")
    swapped += b"\x03" + cbor.encode(f"{MEDIA}.binding+cbor")
    duplicate = b"\xa4\x01\x27" + headers()[1:]
    forms: dict[str, tuple[str, bytes]] = {
        "empty": ("no bytes", b""),
        "untagged": ("tag 18 is required", right[1:]),
        "tag-98": ("COSE_Sign is another format", b"\xd8\x62" + right[1:]),
        "tag-twice": ("tag 18 within tag 18", b"\xd2" + right),
        "trailing": ("a byte after the item", right + b"\x00"),
        "truncated": ("the last byte is missing", right[:-1]),
        "indefinite": ("an array of indefinite length", b"\xd2\x9f" + right[2:] + b"\xff"),
        "long-tag": ("the tag in two bytes", b"\xd8\x12" + right[1:]),
        "five": ("an array of five", b"\xd2\x85" + right[2:] + b"\x00"),
        "header-order": ("labels out of order", build(swapped, payload).statement),
        "header-twice": ("a label twice", build(duplicate, payload).statement),
        "header-array": ("the header is no map", build(b"\x80", payload).statement),
        "header-empty-map": ("an empty header is h''", build(b"\xa0", payload).statement),
        "detached": ("the payload is nil", build(headers(), None).statement),
        "payload-text": ("the payload is no CBOR", build(headers(), b"\xff").statement),
        "payload-trailing": ("a byte after it", build(headers(), payload + b"\x00").statement),
        "payload-float": ("a float", build(headers(), b"\xf9\x3c\x00").statement),
        "payload-bignum": (
            "a big number is a tag that is not allowed",
            build(headers(), binding_payload(time=Tag(2, b"\x01"))).statement,
        ),
    }
    for name, (why, raw) in forms.items():
        yield rejected(name, why, Item(statement=raw, preimage=None), Reason.UNDECODABLE)
    long = build(headers(**RECORD_HEADERS), bytes(65_536))
    yield rejected("statement", "more than 65,535 bytes", long, Reason.TOO_LARGE)
    largest = sealed_build(cbor.encode([SALT, bytes(65_536)]))
    yield rejected("preimage", "more than 65,535 bytes", largest, Reason.TOO_LARGE)


def sealed_build(preimage: bytes) -> Item:
    return build(headers(**SEALED_HEADERS), sha256(preimage), preimage=preimage)


def sealed_cases() -> Iterator[Case]:
    content = record_payload()
    right = cbor.encode([SALT, content])
    other = cbor.encode([SALT[::-1], content])
    yield rejected(
        "other-preimage",
        "another preimage than the signed one",
        build(headers(**SEALED_HEADERS), sha256(right), preimage=other),
        Reason.PAYLOAD_MISMATCH,
    )
    public = sign_binding(EDDSA, NETWORK, TIME, OWNER, 7).statement
    yield rejected(
        "public",
        "a public statement has no preimage",
        Item(statement=public, preimage=b""),
        Reason.PAYLOAD_MISMATCH,
    )
    short = build(headers(**SEALED_HEADERS), bytes(31), preimage=right)
    yield rejected("hash-short", "a hash has 32 bytes", short, Reason.UNDECODABLE)
    wrong: dict[str, tuple[str, object]] = {
        "salt-short": ("a salt has 16 bytes at least", [SALT[:15], content]),
        "salt-long": ("a salt has 32 bytes at most", [bytes(33), content]),
        "salt-text": ("a salt is a byte string", ["0123456789abcdef", content]),
        "preimage-one": ("salt and payload", [content]),
        "preimage-map": ("an array", {0: SALT, 1: content}),
        "preimage-payload": ("the payload is a byte string", [SALT, {}]),
        "preimage-inside": ("the payload is CBOR", [SALT, b"\xff"]),
    }
    for name, (why, preimage) in wrong.items():
        item = sealed_build(cbor.encode(preimage))
        yield rejected(name, why, item, Reason.UNDECODABLE)
    loose = b"\x82\x58\x10" + SALT + b"\x58\x01\x00"
    yield rejected(
        "preimage-loose", "a length in two bytes", sealed_build(loose), Reason.UNDECODABLE
    )
    yield rejected(
        "sealed-inside",
        "the fields inside are checked too",
        sealed_build(cbor.encode([SALT, record_payload(time=-1)])),
        Reason.BAD_SCHEMA,
    )


def schema_cases() -> Iterator[Case]:
    bindings: dict[str, tuple[str, bytes]] = {
        "no-map": ("the payload is no map", cbor.encode([1, 2])),
        "missing": ("a field is missing", binding_payload(owner="absent")),
        "extra": ("a field too many", binding_payload(note="x")),
        "network": ("a network id has 32 bytes", binding_payload(network=NETWORK[:31])),
        "owner": ("an account has 20 bytes", binding_payload(owner=OWNER + b"\x00")),
        "time-negative": ("before 1970", binding_payload(time=-1)),
        "time-large": ("2**63", binding_payload(time=2**63)),
        "time-true": ("true is no integer", binding_payload(time=True)),
        "generation": ("an integer", binding_payload(generation="7")),
    }
    for name, (why, payload) in bindings.items():
        yield rejected(f"binding-{name}", why, build(headers(), payload), Reason.BAD_SCHEMA)
    many: dict[str, object] = {f"c{number}": b"" for number in range(257)}
    records: dict[str, tuple[str, bytes]] = {
        "resource": ("an upper-case name", record_payload(resource="Water")),
        "resource-long": ("65 characters", record_payload(resource="w" * 65)),
        "columns": ("columns are a map", record_payload(columns=[])),
        "column-name": ("a name with a space", record_payload(columns={"a b": b""})),
        "column-label": ("names are text", record_payload(columns={1: b""})),
        "column-array": ("no typed array", record_payload(columns={"a": [1]})),
        "column-ragged": ("7 bytes of u32", record_payload(columns={"a": Tag(70, bytes(7))})),
        "column-tagged-text": ("a tag on text", record_payload(columns={"a": Tag(70, "four")})),
        "column-u64": (
            "2**63 in a u64",
            record_payload(columns={"a": Tag(71, b"\x00" * 7 + b"\x80")}),
        ),
        "column-b32": ("33 bytes of ids", record_payload(columns={"a": bytes(33)})),
        "column-many": ("257 columns", record_payload(columns=many)),
        "request": ("a request in a report", record_payload(request=b"")),
        "request-null": ("null is no absence", record_payload(request=None)),
    }
    for name, (why, payload) in records.items():
        item = build(headers(**RECORD_HEADERS), payload)
        yield rejected(f"record-{name}", why, item, Reason.BAD_SCHEMA)
    replace = headers(l3=f"{MEDIA}.replace+cbor")
    for name, request in {"null": None, "text": "x"}.items():
        item = build(replace, record_payload(request=request))
        yield rejected(f"replace-{name}", "a request is bytes", item, Reason.BAD_SCHEMA)
    big_endian = build(headers(**RECORD_HEADERS), record_payload(columns={"a": Tag(66, bytes(4))}))
    yield rejected("array-big-endian", "little-endian only", big_endian, Reason.UNDECODABLE)


def cases() -> Iterator[Case]:
    """Yield every case, good ones first."""
    yield from good_cases()
    yield from header_cases()
    yield from form_cases()
    yield from sealed_cases()
    yield from schema_cases()


def write(folder: Path) -> int:
    """Write all cases into `folder` and return how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    for case in cases():
        if case.name in names:
            raise SystemExit(f"two cases are named {case.name}")
        names.add(case.name)
        preimage = case.item.preimage
        document = {
            "name": case.name,
            "why": case.why,
            "statement": case.item.statement.hex(),
            "preimage": None if preimage is None else preimage.hex(),
            "public_key": {
                "algorithm": int(case.key.algorithm),
                "raw": case.key.public.raw.hex(),
            },
            "expect": case.expect,
        }
        (folder / f"{case.name}.json").write_text(json.dumps(document, indent=2) + "\n")
    return len(names)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "statements"
    print(f"{write(target)} cases in {target}")
