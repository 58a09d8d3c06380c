"""Runs inside the environment of the independent COSE implementation: JSON in, JSON out.

Each line of input is one request; each line of output answers it. Knows nothing of the project.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from cwt import COSE, COSEKey


def cose_key(fields: dict[str, str]) -> Any:
    labels = {1: int(fields["kty"]), -1: int(fields["crv"]), 3: int(fields["alg"])}
    octets = {2: "kid", -2: "x", -3: "y", -4: "d"}
    octet_fields = {label: bytes.fromhex(fields[n]) for label, n in octets.items() if n in fields}
    return COSEKey.new({**labels, **octet_fields})


def headers(pairs: list[list[Any]]) -> dict[Any, Any]:
    """Headers as [label, type, value], in order, because JSON keys are text."""
    return {
        label: bytes.fromhex(value) if kind == "bytes" else value for label, kind, value in pairs
    }


def shown(header: dict[Any, Any]) -> list[list[Any]]:
    return [
        [label, "bytes", value.hex()] if isinstance(value, bytes) else [label, "plain", value]
        for label, value in header.items()
    ]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    key = cose_key(request["key"])
    if request["do"] == "sign":
        data = COSE.new().encode_and_sign(
            bytes.fromhex(request["payload"]),
            key,
            protected=headers(request["protected"]),
            unprotected=headers(request["unprotected"]),
        )
        return {"data": data.hex()}
    try:
        protected, unprotected, payload = COSE.new().decode_with_headers(
            bytes.fromhex(request["data"]), key
        )
    except Exception as error:  # whatever it raises is its verdict
        return {"verified": False, "error": f"{type(error).__name__}: {error}"}
    return {
        "verified": True,
        "protected": shown(protected),
        "unprotected": shown(unprotected),
        "payload": payload.hex(),
    }


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
