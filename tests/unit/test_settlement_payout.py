"""The payout tree by hand; tests/integration/test_payout_npm.py compares it with npm's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commonworks.crypto.hashes import keccak256
from commonworks.errors import NotFound
from commonworks.model import (
    Total,
)
from commonworks.settlement.payout import EMPTY_ROOT, leaf_hash, proof, root, verify
from settlement_world import CURRENCY, TOKEN, account

VECTORS = sorted((Path(__file__).resolve().parents[1] / "vectors" / "payouts").glob("*.json"))


def leaves(count: int) -> list[Total]:
    """Return so many leaves."""
    return [
        Total(asset=CURRENCY, account=account(str(n)), earned=7 * n, spent=2**100 + n)
        for n in range(count)
    ]


def test_a_leaf_is_hashed_twice() -> None:
    total = Total(asset=b"\x01" * 20, account=b"\x02" * 20, earned=3, spent=4)
    words = [total.asset, total.account, b"\x03", b"\x04"]
    encoded = b"".join(word.rjust(32, b"\0") for word in words)
    assert leaf_hash(total) == keccak256(keccak256(encoded))


def test_no_leaf() -> None:
    assert root([]) == EMPTY_ROOT == bytes(32)


def test_one_leaf_is_its_own_root() -> None:
    (only,) = leaves(1)
    assert root([only]) == leaf_hash(only)
    assert proof([only], CURRENCY, only.account) == (only, ())


def test_three_leaves_by_hand() -> None:
    rows = leaves(3)
    low, middle, high = sorted(leaf_hash(row) for row in rows)
    # array of five: root, inner, high, middle, low -> inner = middle + low
    inner = keccak256(low + middle)
    assert root(rows) == keccak256(min(inner, high) + max(inner, high))


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 13])
def test_every_leaf_proves_itself_and_nothing_else(count: int) -> None:
    rows = leaves(count)
    top = root(rows)
    for row in rows:
        found, siblings = proof(rows, row.asset, row.account)
        assert found == row
        assert verify(top, row, siblings)
        assert not verify(top, replace(row, earned=row.earned + 1), siblings)
        assert not verify(top, replace(row, asset=TOKEN), siblings)
        assert not verify(top, row, siblings[:-1])


def test_the_order_of_leaves_does_not_matter() -> None:
    rows = leaves(9)
    assert root(rows) == root(rows[::-1])


def test_no_such_leaf() -> None:
    with pytest.raises(NotFound):
        proof(leaves(3), TOKEN, account("0"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vectors(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        Total(
            asset=bytes.fromhex(asset[2:]),
            account=bytes.fromhex(account_[2:]),
            earned=int(earned),
            spent=int(spent),
        )
        for asset, account_, earned, spent in vector["leaves"]
    ]
    assert root(rows).hex() == vector["root"][2:]
    for row, expected in zip(rows, vector["proofs"], strict=True):
        _, siblings = proof(rows, row.asset, row.account)
        assert ["0x" + node.hex() for node in siblings] == expected
