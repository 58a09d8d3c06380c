"""Proofs as the API gives them, checked with the house's own verifiers and none of the explorer."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from sqlalchemy import delete, update

from commonworks.errors import Corrupt, NotFound
from commonworks.explorer.index import schema
from commonworks.explorer.models.proofs import PayoutProof, StatementProof
from commonworks.explorer.proof_words import proof_words
from commonworks.explorer.proofs import LeafChanges, PayoutTree, PayoutTrees
from commonworks.explorer.queries import proofs as queries
from commonworks.explorer.site import Site
from commonworks.model import Total
from commonworks.settlement import payout
from commonworks.translog.tree import leaf_hash, verify_inclusion
from commonworks.wiring.explorer import planting as wired
from explorer_kit import account, client, digest, fill
from gateway_kit import asynchronous
from proof_kit import (
    CLOSED,
    ENTRIES,
    FIRST_ANCHOR,
    LAST_ANCHOR,
    LOG_ID,
    FilesLog,
    entries,
    epoch,
    epoch_row,
    identity,
    log_files,
    payouts,
    proof_site,
    real_network,
    root_at,
)

RECEIPT = "/api/v1/proofs/receipt/0x{}"
PAYOUT = "/api/v1/proofs/payout/{}/0x{}/0x{}"


@pytest.fixture(scope="module")
def site() -> Site:
    return proof_site()


def get(site: Site, path: str) -> dict[str, Any]:
    response = client(site).get(path)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def statement(site: Site, position: int) -> dict[str, Any]:
    return get(site, RECEIPT.format(identity(entries()[position]).hex()))


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def holds(proof: dict[str, Any]) -> bool:
    inclusion = proof["inclusion"]
    return verify_inclusion(
        leaf_hash(raw(proof["statement"])),
        int(inclusion["position"]),
        int(inclusion["size"]),
        [raw(item) for item in inclusion["path"]],
        raw(inclusion["root"]),
    )


@pytest.mark.parametrize("position", [0, 5, 6, 7, 255, 256, CLOSED - 1])
def test_a_judged_statement_is_proven_in_the_tree_that_its_epoch_closed(
    site: Site, position: int
) -> None:
    proof = statement(site, position)
    assert holds(proof)
    assert proof["inclusion"]["position"] == str(position)
    assert proof["inclusion"]["size"] == proof["anchor"]["size"] == str(CLOSED)
    assert raw(proof["anchor"]["root"]) == raw(proof["inclusion"]["root"]) == root_at(CLOSED)
    assert proof["evidence"]["epoch"] == 0
    assert raw(proof["evidence"]["finality"]["digest"]) == epoch(0).digest


def test_what_waits_is_proven_in_the_first_anchor_that_covers_it(site: Site) -> None:
    proof = statement(site, CLOSED)
    assert holds(proof)
    assert proof["inclusion"]["size"] == str(LAST_ANCHOR)
    assert proof["evidence"] is None


def test_without_a_closed_epoch_the_first_anchor_that_covers_it_counts() -> None:
    site = proof_site()
    with site.engine.begin() as connection:
        connection.execute(delete(schema.evidence_range))
    assert statement(site, 0)["inclusion"]["size"] == str(FIRST_ANCHOR)
    assert statement(site, FIRST_ANCHOR)["inclusion"]["size"] == str(CLOSED)


def test_what_no_anchor_covers_is_proven_in_the_newest_checkpoint(site: Site) -> None:
    proof = statement(site, ENTRIES - 1)
    assert proof["anchor"] is None
    assert proof["inclusion"]["size"] == str(ENTRIES)
    assert raw(proof["inclusion"]["root"]) == root_at(ENTRIES)
    assert holds(proof)


def test_a_proof_brings_the_device_key_where_there_is_one(site: Site) -> None:
    assert statement(site, 0)["device"] == {
        "device": 1,
        "algorithm": -7,
        "public_key": statement(site, 2)["device"]["public_key"],
    }
    assert statement(site, 1)["device"]["algorithm"] == -8
    assert statement(site, 5)["device"] is None  # no statement at all


def test_a_statement_that_no_log_has_is_not_found(site: Site) -> None:
    assert client(site).get(RECEIPT.format("ab" * 32)).status_code == 404
    assert client(site).get("/api/v1/proofs/receipt/xyz").status_code in (400, 422)


def test_a_log_that_is_not_at_hand_is_said_to_be_so() -> None:
    site = proof_site()
    site.archive.logs.clear()  # type: ignore[attr-defined]
    assert client(site).get(RECEIPT.format(identity(entries()[0]).hex())).status_code == 503
    site.archive.logs[LOG_ID] = FilesLog(files=dict(log_files(100)))  # type: ignore[attr-defined]
    path = RECEIPT.format(identity(entries()[CLOSED - 1]).hex())
    assert client(site).get(path).status_code == 503


def test_a_log_that_changed_an_entry_gives_a_proof_that_does_not_hold() -> None:
    site = proof_site()
    files = dict(log_files())
    bundle = bytearray(files["tile/entries/000"])
    bundle[50] ^= 1
    files["tile/entries/000"] = bytes(bundle)
    site.archive.logs[LOG_ID] = FilesLog(files=files)  # type: ignore[attr-defined]
    assert not holds(statement(site, 0))


# --- payouts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1])
def test_every_leaf_is_proven_under_the_finalised_root(site: Site, number: int) -> None:
    for total in payouts(number):
        proof = get(site, PAYOUT.format(number, total.asset.hex(), total.account.hex()))
        assert int(proof["leaf"]["earned"]) == total.earned
        assert int(proof["leaf"]["spent"]) == total.spent
        root = raw(proof["finality"]["commitment"]["payout_root"])
        assert root == epoch(number).commitment.payout_root
        assert payout.verify(root, total, [raw(item) for item in proof["siblings"]])


def test_a_claim_pays_what_was_earned_less_what_was_claimed(site: Site) -> None:
    token = real_network().token
    earned = next(t for t in payouts(1) if (t.asset, t.account) == (token, account(3))).earned
    proof = get(site, PAYOUT.format(0, token.hex(), account(3).hex()))
    assert proof["claim"] == {
        "epoch": 1,
        "earned": str(earned),
        "claimed": "11",
        "pays": str(earned - 11),
    }


def test_no_leaf_no_epoch_and_no_finality_are_told_apart() -> None:
    site = proof_site()
    token = real_network().token.hex()
    answer = client(site).get(PAYOUT.format(0, token, account(21).hex()))
    assert answer.status_code == 404  # its first leaf is in epoch 1
    assert client(site).get(PAYOUT.format(9, token, account(1).hex())).status_code == 404
    with site.engine.begin() as connection:
        connection.execute(delete(schema.epoch).where(schema.epoch.c.epoch == 1))
    fill(site.engine, schema.epoch, epoch_row(1, finalised=False))
    answer = client(site).get(PAYOUT.format(1, token, account(1).hex()))
    assert answer.status_code == 404
    assert "not finalised" in answer.json()["detail"]


def test_an_index_that_does_not_give_the_root_is_found_out() -> None:
    site = proof_site()
    with site.engine.begin() as connection:
        connection.execute(
            update(schema.payout).where(schema.payout.c.account == account(4)).values(earned=1)
        )
    path = PAYOUT.format(0, real_network().token.hex(), account(1).hex())
    assert client(site).get(path).status_code == 500


def total(number: int, earned: int) -> Total:
    return Total(asset=account(1), account=account(number), earned=earned, spent=0)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 36])
def test_the_tree_is_that_of_settlement(count: int) -> None:
    totals = [total(number, number) for number in range(count)]
    tree = PayoutTree(payout.leaf_hash(one) for one in totals)
    assert (len(tree), tree.root) == (count, payout.root(totals))
    for one in totals:
        _, expected = payout.proof(totals, one.asset, one.account)
        assert tree.siblings(payout.leaf_hash(one)) == expected
    with pytest.raises(NotFound):
        tree.siblings(digest(1))


def test_a_tree_grows_out_of_the_one_before_it() -> None:
    chance = random.Random(7)
    states: list[dict[int, Total]] = [{n: total(n, n) for n in range(50)}]
    for _ in range(5):
        newer = dict(states[-1])
        for number in chance.sample(range(60), 9):
            newer[number] = total(number, chance.randrange(10**30))
        states.append(newer)
    asked: list[int] = []

    def changes(wanted: int, known: int) -> LeafChanges:
        asked.append(known)
        whole = abs(known - wanted) > 3 or known < 0
        old, new = {} if whole else states[known], states[wanted]
        changed = {n for n in {*old, *new} if old.get(n) != new.get(n)}
        return LeafChanges(
            whole=whole,
            before=[old[n] for n in changed if n in old],
            after=[new[n] for n in changed if n in new],
        )

    trees = PayoutTrees()
    for number in (0, 3, 1, 5):
        root = payout.root(list(states[number].values()))
        assert trees.tree(number, root, lambda k, n=number: changes(n, k)).root == root  # type: ignore[misc]
        trees.tree(number, root, lambda k, n=number: changes(n, k))  # type: ignore[misc]
    assert asked == [-1, 0, 0, 3]
    with pytest.raises(Corrupt):
        trees.tree(5, digest(5), lambda known: changes(5, known))


@pytest.mark.parametrize("part", [0, 10**9], ids=["one by one", "all anew"])
def test_any_known_tree_leads_to_any_other(
    part: int, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "CHANGED_PART", part)
    with site.engine.connect() as connection:
        for known, wanted in product((0, 1), repeat=2):
            trees = PayoutTrees()
            for number in (known, wanted):
                root = epoch(number).commitment.payout_root
                assert len(queries.payout_tree(connection, trees, number, root)) == len(
                    payouts(number)
                )
        far = queries.leaf_changes(connection, 0, 1)
        assert far.whole == (part > 0)
        if not far.whole:
            before, after = set(payouts(0)), set(payouts(1))
            assert (set(far.before), set(far.after)) == (before - after, after - before)


@asynchronous
async def test_the_newest_tree_is_there_before_anybody_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, told, loop = proof_site(), list[str](), asyncio.get_running_loop()
    built, troubled = asyncio.Event(), asyncio.Event()
    really = wired._build

    def build(site: Site) -> None:
        really(site)  # its connection is given back by then: in memory all share one
        loop.call_soon_threadsafe(built.set)

    def trouble(line: str) -> None:
        told.append(line)
        troubled.set()

    def asked(_known: int) -> LeafChanges:
        raise AssertionError("it had to be built")

    monkeypatch.setattr(wired, "_build", build)
    async with asyncio.timeout(60), wired.planting(site, trouble) as settled:
        settled.set()
        await built.wait()
        root = epoch(1).commitment.payout_root
        assert site.trees.tree(1, root, asked).root == root
        with site.engine.begin() as connection:
            connection.execute(update(schema.epoch).values(payout_root=digest(9)))
        settled.set()
        await troubled.wait()
    assert "commonworks index rebuild" in told[0]


# --- words and docs -------------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs" / "spec" / "proof.md"


def members(model: type[BaseModel]) -> Iterator[str]:
    """Yield the names of every member of a document."""
    for name, field in model.model_fields.items():
        yield name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from members(kind)


def test_every_member_and_step_is_in_the_specification() -> None:
    text = DOCS.read_text()
    named = set(members(StatementProof)) | set(members(PayoutProof))
    assert len(named) > 50
    assert {name for name in named if f"`{name}`" not in text} == set()
    steps = {code.removeprefix("step.") for code in proof_words() if code.startswith("step.")}
    assert {step for step in steps if f"`{step}`" not in text} == set()


def test_pages_carry_the_proof_that_the_api_gives(site: Site) -> None:
    name = identity(entries()[0]).hex()
    token = real_network().token.hex()
    for path in (f"proofs/receipt/{name}", f"proofs/payout/1/0x{token}/0x{account(3).hex()}"):
        page = client(site).get(f"/{path}").text
        found = re.search(r'<script type="application/json" id="proof-data">(.*?)</script>', page)
        assert found is not None
        assert json.loads(found[1]) == get(site, f"/api/v1/{path}")


def test_a_hostile_gateway_name_stays_text() -> None:
    site = proof_site()
    evil = "</script><img src=x onerror=alert(1)>'\"; rm -rf ~"
    with site.engine.begin() as connection:
        connection.execute(update(schema.gateway).values(name=evil))
    name = identity(entries()[0]).hex()
    for path in (f"/proofs/receipt/{name}", "/proofs"):
        page = client(site).get(path)
        assert page.status_code == 200
        assert "<img" not in page.text
        assert "</script><img" not in page.text
