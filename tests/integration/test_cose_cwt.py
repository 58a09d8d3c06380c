"""Both ways against an independent COSE implementation (`cwt`), in an environment of its own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from commonworks.crypto import cbor, es256
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.statements.codec import (
    Item,
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
    Schema,
    Signer,
    Statement,
)

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
REQUIREMENTS = HERE / "cwt-requirements.txt"
ENVIRONMENT = ROOT / ".tools" / "cwt-env"

NETWORK = bytes(range(32))
SALT = bytes(range(200, 216))
BOTH = pytest.mark.parametrize("algorithm", list(Algorithm))

Ask = Callable[[dict[str, Any]], dict[str, Any]]


def _install(marker: Path) -> None:
    """Make the environment; whatever goes wrong is a failure that says what was tried."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    python = ENVIRONMENT / "bin" / "python"
    uv = shutil.which("uv")
    locked = ["--require-hashes", "--no-deps", "-r", str(REQUIREMENTS)]
    commands: Sequence[Sequence[str]] = (
        (
            (uv, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT)),
            (uv, "pip", "install", "--quiet", "--python", str(python), *locked),
        )
        if uv
        else (
            (sys.executable, "-m", "venv", str(ENVIRONMENT)),
            (str(python), "-m", "pip", "install", "--quiet", *locked),
        )
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(
                "cannot make the environment of the independent COSE implementation:\n"
                f"$ {' '.join(command)}\n{done.stdout}{done.stderr}"
            )
    marker.write_text(hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def cwt() -> Iterator[Ask]:
    """A running worker; made once, remade when the locked versions change."""
    marker = ENVIRONMENT / "installed-from"
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with (ENVIRONMENT.parent / "cwt-env.lock").open("w") as lock:
        # Parallel test processes share the environment: the first makes it, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
        if not marker.exists() or marker.read_text() != wanted:
            _install(marker)
    with subprocess.Popen(
        [ENVIRONMENT / "bin" / "python", "-I", HERE / "cwt_worker.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        requests, answers = worker.stdin, worker.stdout

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            requests.write(json.dumps(request) + "\n")
            requests.flush()
            line = answers.readline()
            assert line, "the worker died; its traceback is above"
            answer: dict[str, Any] = json.loads(line)
            return answer

        yield ask
        requests.close()
        worker.wait(timeout=30)


def signer(algorithm: Algorithm) -> PrivateKey:
    return PrivateKey.from_seed(algorithm, bytes(range(50, 82)))


def key_fields(key: PrivateKey, *, private: bool = False) -> dict[str, str]:
    raw = key.public.raw
    if key.algorithm is Algorithm.EDDSA:
        fields = {"kty": "1", "crv": "6", "alg": "-8", "x": raw.hex()}
        secret = key.seed
    else:
        fields = {"kty": "2", "crv": "1", "alg": "-7", "x": raw[:32].hex(), "y": raw[32:].hex()}
        secret = es256.scalar_from_seed(key.seed).to_bytes(32, "big")
    return {
        **fields,
        "kid": key.public.thumbprint.hex(),
        **({"d": secret.hex()} if private else {}),
    }


def schema(*, sealed: bool) -> Schema:
    column = Column(
        name="height_mm", dtype=DType.U32, minimum=0, maximum=10_000, description="of the water"
    )
    return Schema(
        kind=Kind.REPORT,
        columns=(column,),
        max_rows=96,
        sealed=sealed,
        signer=Signer.DEVICE,
        description="levels",
        equal_length=True,
    )


def ours(key: PrivateKey, *, sealed: bool) -> Item:
    return sign_record(
        key,
        Kind.REPORT,
        NETWORK,
        "water",
        1_700_000_003,
        {"height_mm": (2, 3, 5, 7)},
        schema(sealed=sealed),
        salt=SALT if sealed else None,
    )


@BOTH
@pytest.mark.parametrize("sealed", [False, True])
def test_what_we_sign_verifies_there(cwt: Ask, algorithm: Algorithm, sealed: bool) -> None:
    key = signer(algorithm)
    item = ours(key, sealed=sealed)
    statement = decode_statement(item.statement, item.preimage)
    assert isinstance(statement, Statement)
    answer = cwt({"do": "verify", "data": item.statement.hex(), "key": key_fields(key)})
    assert answer["verified"], answer
    assert bytes.fromhex(answer["payload"]) == statement.signed.payload
    assert answer["unprotected"] == []
    report = "application/vnd.commonworks.report"
    expected: list[list[object]] = [[1, "plain", int(algorithm)]]
    if sealed:
        assert item.preimage is not None
        assert sha256(item.preimage).hex() == answer["payload"]
        expected += [
            [4, "bytes", key.public.thumbprint.hex()],
            [258, "plain", -16],
            [259, "plain", f"{report}.sealed+cbor"],
        ]
    else:
        expected += [
            [3, "plain", f"{report}+cbor"],
            [4, "bytes", key.public.thumbprint.hex()],
        ]
    assert answer["protected"] == expected


@BOTH
def test_a_binding_of_ours_verifies_there(cwt: Ask, algorithm: Algorithm) -> None:
    key = signer(algorithm)
    item = sign_binding(key, NETWORK, 1_700_000_003, bytes(range(20)), 7)
    answer = cwt({"do": "verify", "data": item.encode().hex(), "key": key_fields(key)})
    assert answer["verified"], answer


@BOTH
def test_one_flipped_byte_verifies_nowhere(cwt: Ask, algorithm: Algorithm) -> None:
    key = signer(algorithm)
    raw = ours(key, sealed=False).statement
    decoded = decode_statement(raw, None)
    assert isinstance(decoded, Statement)
    assert decoded.signed.payload is not None
    payload_at = raw.index(decoded.signed.payload) + len(decoded.signed.payload) - 1
    for position in (payload_at, len(raw) - 1):
        damaged = raw[:position] + bytes((raw[position] ^ 1,)) + raw[position + 1 :]
        answer = cwt({"do": "verify", "data": damaged.hex(), "key": key_fields(key)})
        assert not answer["verified"]
        here = decode_statement(damaged, None)
        assert isinstance(here, Statement)
        assert not verify_signature(here, key.public)


def signed_there(
    cwt: Ask,
    key: PrivateKey,
    payload: bytes,
    protected: list[list[object]],
    unprotected: list[list[object]] | None = None,
) -> bytes:
    request = {
        "do": "sign",
        "key": key_fields(key, private=True),
        "payload": payload.hex(),
        "protected": protected,
        "unprotected": unprotected or [],
    }
    return bytes.fromhex(cwt(request)["data"])


def right_headers(key: PrivateKey, content_type: str) -> list[list[object]]:
    return [
        [1, "plain", int(key.algorithm)],
        [3, "plain", content_type],
        [4, "bytes", key.public.thumbprint.hex()],
    ]


def binding_payload() -> bytes:
    return cbor.encode(
        {"network": NETWORK, "time": 1_700_000_003, "owner": bytes(range(20)), "generation": 7}
    )


BINDING = "application/vnd.commonworks.binding+cbor"


def test_what_is_signed_there_is_accepted_here(cwt: Ask) -> None:
    key = signer(Algorithm.EDDSA)
    raw = signed_there(cwt, key, binding_payload(), right_headers(key, BINDING))
    statement = decode_statement(raw, None)
    assert isinstance(statement, Statement)
    assert verify_signature(statement, key.public)
    # Ed25519 is deterministic: the same content gives the same bytes on both sides.
    assert raw == sign_binding(key, NETWORK, 1_700_000_003, bytes(range(20)), 7).encode()


def test_es256_from_there_counts_with_the_lower_s_only(cwt: Ask) -> None:
    key = signer(Algorithm.ES256)
    seen = {"low": 0, "high": 0}
    for _ in range(128):
        raw = signed_there(cwt, key, binding_payload(), right_headers(key, BINDING))
        s = int.from_bytes(raw[-32:], "big")
        half = "low" if s <= es256.ORDER // 2 else "high"
        seen[half] += 1
        statement = decode_statement(raw, None)
        assert isinstance(statement, Statement)
        assert verify_signature(statement, key.public) is (half == "low")
        if half == "high":
            lowered = raw[:-32] + (es256.ORDER - s).to_bytes(32, "big")
            again = decode_statement(lowered, None)
            assert isinstance(again, Statement)
            assert verify_signature(again, key.public)
            assert again.identity == statement.identity
        if all(seen.values()):
            return
    pytest.fail(f"random nonces gave one half only in 128 signatures: {seen}")


@BOTH
def test_a_sealed_statement_from_there_is_accepted_here(cwt: Ask, algorithm: Algorithm) -> None:
    key = signer(algorithm)
    preimage = ours(key, sealed=True).preimage
    assert preimage is not None
    protected = [
        [1, "plain", int(algorithm)],
        [4, "bytes", key.public.thumbprint.hex()],
        [258, "plain", -16],
        [259, "plain", "application/vnd.commonworks.report.sealed+cbor"],
    ]
    raw = signed_there(cwt, key, sha256(preimage), protected)
    statement = decode_statement(raw, preimage)
    assert isinstance(statement, Statement)
    low = int.from_bytes(raw[-32:], "big") <= es256.ORDER // 2
    assert verify_signature(statement, key.public) is (algorithm is Algorithm.EDDSA or low)
    assert decode_statement(raw, preimage + b"\x00") is Reason.PAYLOAD_MISMATCH


@BOTH
def test_other_headers_from_there_get_a_reason(cwt: Ask, algorithm: Algorithm) -> None:
    key = signer(algorithm)
    right = right_headers(key, BINDING)
    kid = right[2]
    cases: list[tuple[list[list[object]], list[list[object]], Reason]] = [
        (right[:2], [kid], Reason.BAD_HEADER),
        (right, [[5, "bytes", "00"]], Reason.BAD_HEADER),
        (right[:2], [], Reason.BAD_HEADER),
        ([*right, [5, "bytes", "00"]], [], Reason.BAD_HEADER),
        ([right[0], [3, "plain", 61], kid], [], Reason.BAD_HEADER),
        ([right[0], [3, "plain", "application/cwt"], kid], [], Reason.UNKNOWN_TYPE),
        ([right[0], kid, right[1]], [], Reason.UNDECODABLE),
    ]
    for protected, unprotected, reason in cases:
        raw = signed_there(cwt, key, binding_payload(), protected, unprotected)
        assert decode_statement(raw, None) is reason, (protected, unprotected)
