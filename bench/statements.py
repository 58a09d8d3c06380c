"""What strictness costs: our checks beside the plain library call, as ratios.

    python bench/statements.py

Each line: what strict takes, what plain takes, and strict / plain (1.00 = free).
"""

from __future__ import annotations

from collections.abc import Callable
from timeit import repeat

import cbor2
import nacl.bindings
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from commonworks.crypto import cbor, cose
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.statements.codec import decode_statement, sign_record, verify_signature
from commonworks.statements.model import Column, DType, Kind, Schema, Signer, Statement

ROWS = 96
COLUMNS = tuple(
    Column(name=f"column_{n}", dtype=DType.U64, minimum=0, maximum=2**63 - 1, description="")
    for n in range(4)
)
SCHEMA = Schema(
    kind=Kind.REPORT,
    columns=COLUMNS,
    max_rows=ROWS,
    sealed=False,
    signer=Signer.DEVICE,
    description="a day of readings",
    equal_length=True,
)


def microseconds(call: Callable[[], object], number: int = 500) -> float:
    """Return the best time of one call, in microseconds."""
    return min(repeat(call, number=number, repeat=7)) / number * 1e6


def compare(what: str, strict: Callable[[], object], plain: Callable[[], object]) -> None:
    """Print one side-by-side measurement."""
    ours, theirs = microseconds(strict), microseconds(plain)
    print(f"{what:<44} {ours:8.1f} us {theirs:8.1f} us   ratio {ours / theirs:.2f}")


def signed(algorithm: Algorithm) -> tuple[PrivateKey, Statement]:
    """Return a key and a day of readings that it signed."""
    key = PrivateKey.from_seed(algorithm, bytes(range(32)))
    columns = {column.name: range(1_000_000, 1_000_000 + ROWS) for column in COLUMNS}
    item = sign_record(
        key, Kind.REPORT, bytes(32), "bench", 1_700_000_000, columns, SCHEMA, salt=None
    )
    statement = decode_statement(item.statement, None)
    if not isinstance(statement, Statement):
        raise SystemExit(f"the statement to measure does not decode: {statement}")
    return key, statement


def main() -> None:
    """Measure and print."""
    key, statement = signed(Algorithm.EDDSA)
    structure = cose.sig_structure(statement.signed.protected, statement.signed.payload or b"")
    signature = statement.signed.signature
    raw, payload = statement.raw, statement.signed.payload or b""
    p256, p256_statement = signed(Algorithm.ES256)
    p256_signature = p256_statement.signed.signature
    p256_structure = cose.sig_structure(
        p256_statement.signed.protected, p256_statement.signed.payload or b""
    )
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + p256.public.raw)
    r, s = (int.from_bytes(half, "big") for half in (p256_signature[:32], p256_signature[32:]))

    print(f"one statement: {len(raw)} bytes, {len(COLUMNS)} columns of {ROWS} rows")
    print(f"{'':<44} {'strict':>11} {'plain':>11}")
    compare(
        "Ed25519 verify / libsodium",
        lambda: key.public.verify(structure, signature),
        lambda: nacl.bindings.crypto_sign_open(signature + structure, key.public.raw),
    )
    compare(
        "ES256 verify / OpenSSL",
        lambda: p256.public.verify(p256_structure, p256_signature),
        lambda: point.verify(encode_dss_signature(r, s), p256_structure, ec.ECDSA(hashes.SHA256())),
    )
    compare("CBOR decode / cbor2", lambda: cbor.decode(payload), lambda: cbor2.loads(payload))
    compare(
        "CBOR decode / cbor2, decode and re-encode",
        lambda: cbor.decode(payload),
        lambda: cbor2.dumps(cbor2.loads(payload), canonical=True),
    )
    compare(
        "decode a statement / its signature check",
        lambda: decode_statement(raw, None),
        lambda: verify_signature(statement, key.public),
    )


if __name__ == "__main__":
    main()
