"""Proof files: whatever byte changes, it is refused, or it changed nothing that is proven."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commonworks.proofs import Fault, Verdict, Why, check_proof, read_proof
from explorer_kit import account, client
from proof_kit import entries, identity, proof_site, real_network

BESIDES = {"tx", "time", "claim", "receipt_key"}
"""Members that are told, or only say where to look: docs/spec/proof.md proves nothing of them."""


@cache
def files() -> tuple[bytes, ...]:
    """Return a statement proof, one of an entry that is no statement, and a payout proof."""
    served = client(proof_site())
    asset, holder = real_network().token, account(3)
    paths = [
        f"/api/v1/proofs/receipt/{identity(entries()[256]).hex()}",
        f"/api/v1/proofs/receipt/{identity(entries()[5]).hex()}",
        f"/api/v1/proofs/payout/0/0x{asset.hex()}/0x{holder.hex()}",
    ]
    return tuple(json.dumps(served.get(path).json()).encode() for path in paths)


def proven(value: Any, name: str = "") -> Any:
    """Return a document without what is beside the proof."""
    if isinstance(value, dict):
        kept = {key: proven(item, key) for key, item in value.items() if key not in BESIDES}
        if name == "log":
            del kept["name"]
        if name == "device":
            del kept["device"]
        return kept
    return [proven(item) for item in value] if isinstance(value, list) else value


def refused_or_the_same(before: bytes, after: bytes) -> None:
    checked = check_proof(after)
    if checked.verdict is Verdict.FAILS:
        assert any(step.why is not None for step in checked.steps)
        return
    assert proven(json.loads(after)) == proven(json.loads(before))


places = st.integers(0, 2).flatmap(
    lambda which: st.tuples(st.just(which), st.integers(0, len(files()[which]) - 1))
)


@settings(max_examples=500, deadline=None)
@given(places, st.integers(1, 255))
def test_a_byte_that_is_another_one_is_refused(place: tuple[int, int], mask: int) -> None:
    which, at = place
    before = files()[which]
    after = bytearray(before)
    after[at] ^= mask
    refused_or_the_same(before, bytes(after))


@settings(max_examples=200, deadline=None)
@given(places, st.binary(max_size=4), st.integers(0, 4))
def test_bytes_put_in_or_left_out_are_refused(
    place: tuple[int, int], new: bytes, gone: int
) -> None:
    which, at = place
    before = files()[which]
    refused_or_the_same(before, before[:at] + new + before[at + gone :])


def test_every_digit_of_the_shortest_proof() -> None:
    """Not a sample: each character of the payout proof."""
    before = files()[2]
    for at in range(len(before)):
        after = bytearray(before)
        after[at] ^= 1
        refused_or_the_same(before, bytes(after))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
@example(b'{"format": "commonworks-payout-proof-v1"}')
@example(b'{"format": "commonworks-statement-proof-v1", "network": []}')
def test_any_bytes_end_in_a_verdict(data: bytes) -> None:
    assert check_proof(data).verdict is Verdict.FAILS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2), st.data())
def test_a_member_of_any_other_kind_is_a_fault_with_its_place(which: int, data: Any) -> None:
    document = json.loads(files()[which])
    name = data.draw(st.sampled_from(sorted(set(document) - {"format", "claim"})))
    value = data.draw(json_values)
    if value is None and name in ("anchor", "checkpoint", "device", "evidence"):
        return  # may be left out
    document[name] = value
    if (name, value) == ("siblings", []):
        return  # an empty path is a path
    with pytest.raises(Fault) as refused:
        read_proof(json.dumps(document).encode())
    fault = refused.value
    assert fault.where.startswith(name) or fault.why in (Why.BAD_JSON, Why.TOO_MANY)
