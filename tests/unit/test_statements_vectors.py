"""Every statement vector decodes as its file says, and the generator still writes the files."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.statements.codec import Item, decode_statement, verify_signature
from commonworks.statements.model import Binding, Reason, Record, Statement

VECTORS = Path(__file__).parent.parent / "vectors"
FOLDER = VECTORS / "statements"
NAMES = sorted(path.name for path in FOLDER.glob("*.json"))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_statements", VECTORS / "make_statements.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while it is being executed.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_generator_writes_these_files(tmp_path: Path) -> None:
    count = generator().write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    assert count == len(NAMES)
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_every_reason_of_the_decoder_has_vectors() -> None:
    reasons = {json.loads((FOLDER / name).read_text())["expect"].get("reason") for name in NAMES}
    assert reasons == {
        None,
        Reason.UNDECODABLE,
        Reason.TOO_LARGE,
        Reason.BAD_HEADER,
        Reason.UNKNOWN_TYPE,
        Reason.PAYLOAD_MISMATCH,
        Reason.BAD_SCHEMA,
    }


def shown(payload: Binding | Record | None) -> dict[str, Any] | None:
    if payload is None:
        return None
    if isinstance(payload, Binding):
        return {
            "network": payload.network.hex(),
            "time": payload.time,
            "owner": payload.owner.hex(),
            "generation": payload.generation,
        }
    return {
        "network": payload.network.hex(),
        "resource": payload.resource,
        "time": payload.time,
        "columns": {
            name: {
                "type": str(payload.dtypes[name]),
                "values": [v.hex() if isinstance(v, bytes) else v for v in values],
            }
            for name, values in payload.columns.items()
        },
        "request": None if payload.request is None else payload.request.hex(),
    }


@pytest.mark.parametrize("name", NAMES)
def test_vector(name: str) -> None:
    vector = json.loads((FOLDER / name).read_text())
    raw = bytes.fromhex(vector["statement"])
    preimage = None if vector["preimage"] is None else bytes.fromhex(vector["preimage"])
    decoded = decode_statement(raw, preimage)
    if "reason" in vector["expect"]:
        assert decoded == Reason(vector["expect"]["reason"]), vector["why"]
        return
    assert isinstance(decoded, Statement), vector["why"]
    key = PublicKey.from_raw(
        Algorithm(vector["public_key"]["algorithm"]), bytes.fromhex(vector["public_key"]["raw"])
    )
    assert decoded.raw == raw
    assert {
        "kind": str(decoded.kind),
        "sealed": decoded.sealed,
        "algorithm": int(decoded.algorithm),
        "kid": decoded.kid.hex(),
        "identity": decoded.identity.hex(),
        "payload": shown(decoded.payload),
        "signature_valid": verify_signature(decoded, key),
    } == vector["expect"]
    assert Item.decode(Item(statement=raw, preimage=preimage).encode()).statement == raw
