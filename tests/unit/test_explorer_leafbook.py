"""The book of payout trees: the same proofs as the simple way gives, or none."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from commonworks.errors import Corrupt, NotFound, Unavailable
from commonworks.explorer import leafbook
from commonworks.explorer.index import schema
from commonworks.explorer.leafbook import LeafBook
from commonworks.explorer.proofs import LeafChanges, PayoutTree, PayoutTrees
from commonworks.explorer.queries import planted
from commonworks.explorer.queries import proofs as queries
from commonworks.explorer.site import Site
from commonworks.model import Total
from commonworks.settlement import payout
from commonworks.wiring.explorer import planting as wired
from explorer_kit import account, client, digest
from gateway_kit import asynchronous
from proof_kit import epoch, payouts, proof_site, real_network

WAIT_S = 60


def total(number: int, earned: int) -> Total:
    return Total(asset=account(1), account=account(number), earned=earned, spent=0)


def hashes(totals: tuple[Total, ...]) -> list[bytes]:
    return sorted(payout.leaf_hash(one) for one in totals)


def write(book: LeafBook, history: list[tuple[Total, ...]]) -> None:
    """Add the tree of each epoch of a history."""
    before: list[bytes] = []
    for number, totals in enumerate(history):
        after = hashes(totals)
        book.add(number, PayoutTree(after).nodes, before, after)
        before = after


def history_of(changes: list[Mapping[int, int]]) -> list[tuple[Total, ...]]:
    """Return each epoch's totals: what it adds to whose earnings."""
    earned: dict[int, int] = {}
    found = []
    for more in changes:
        for number, amount in more.items():
            earned[number] = earned.get(number, 0) + amount
        found.append(tuple(total(number, value) for number, value in earned.items()))
    return found


changing = st.dictionaries(st.integers(0, 70), st.integers(1, 10**30), max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    changes=st.lists(changing, min_size=1, max_size=6),
    top=st.sampled_from([0, 1, 2, 3, 8, 31, 10_000]),
    block=st.sampled_from([1, 2, 3, 7, 64]),
    most=st.sampled_from([1, 5, 2_048]),
)
def test_every_proof_of_every_epoch_is_the_simple_ways(
    changes: list[Mapping[int, int]], top: int, block: int, most: int, scratch: Path
) -> None:
    history = history_of(changes)
    book = LeafBook(scratch / "book.sqlite")
    book.clear()
    limits = {"TOP_NODES": top, "BLOCK_LEAVES": block, "MARKS_MAX": most}
    with patch.multiple(leafbook, **limits):
        write(book, history)
    for number, totals in enumerate(history):
        root = payout.root(totals)
        for one in {one for some in history for one in some}:
            found = book.siblings(number, root, payout.leaf_hash(one))
            if one in totals:
                assert found == payout.proof(totals, one.asset, one.account)[1]
            else:
                assert found is None, "this was no leaf in that epoch"
    assert book.last() == (len(history) - 1, payout.root(history[-1]))
    assert book.leaves() == hashes(history[-1])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("book")


HISTORY = history_of([dict.fromkeys(range(300), 7), {3: 11, 299: 13}, {3: 17, 300: 19}])


@pytest.fixture
def book(tmp_path: Path) -> LeafBook:
    made = LeafBook(tmp_path / "book.sqlite")
    write(made, HISTORY)
    return made


def test_another_root_or_epoch_or_leaf_has_no_proof(book: LeafBook) -> None:
    root, leaf = payout.root(HISTORY[1]), payout.leaf_hash(HISTORY[1][5])
    assert book.siblings(1, root, leaf) is not None
    assert book.siblings(1, digest(1), leaf) is None
    assert book.siblings(2, root, leaf) is None
    assert book.siblings(3, root, leaf) is None
    for other in (bytes(32), b"\xff" * 32, digest(7)):
        assert book.siblings(1, root, other) is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE tree SET top = zeroblob(length(top))",
        "UPDATE tree SET marks = zeroblob(length(marks))",
        "UPDATE tree SET marks = x''",
        "UPDATE tree SET leaves = leaves + 1",
        "UPDATE tree SET leaves = leaves / 2",
        "UPDATE tree SET leaves = 1000000000000",
        "UPDATE tree SET leaves = -1",
        "UPDATE tree SET step = 0",
        "UPDATE tree SET step = step - 1",
        "DELETE FROM leaf",
        "DELETE FROM leaf WHERE hash IN (SELECT hash FROM leaf ORDER BY hash LIMIT 40 OFFSET 10)",
        "UPDATE leaf SET gone = 1",
        "DELETE FROM tree",
        "DROP TABLE leaf",
        "PRAGMA user_version = 7",
    ],
)
def test_a_damaged_book_gives_no_proof_that_does_not_hold(book: LeafBook, damage: str) -> None:
    with patch.object(leafbook, "TOP_NODES", 7):
        book.clear()
        write(book, HISTORY)
    with closing(sqlite3.connect(book._path)) as file, file:
        file.execute(damage)
    totals, lost = HISTORY[1], 0
    root = payout.root(totals)
    for one in totals:
        found = book.siblings(1, root, payout.leaf_hash(one))
        lost += found is None
        assert found is None or payout.verify(root, one, found)
    assert lost


def test_what_is_no_book_is_none(tmp_path: Path) -> None:
    place = tmp_path / "book.sqlite"
    book = LeafBook(place)
    assert (book.last(), book.siblings(0, digest(0), digest(1))) == (None, None)
    assert not place.exists(), "reading made a file"
    place.write_bytes(b"no database at all" * 100)
    assert (book.last(), book.siblings(0, digest(0), digest(1))) == (None, None)
    with pytest.raises(Corrupt):
        book.leaves()
    with pytest.raises(Unavailable):
        book.add(0, digest(1), [], [digest(1)])


def test_a_tree_is_added_whole_or_not_at_all(book: LeafBook) -> None:
    before = hashes(HISTORY[-1])
    after = sorted([*before[1:], digest(5)])
    with pytest.raises(Unavailable):  # epoch 2 is there
        book.add(2, PayoutTree(after).nodes, before, after)
    assert (book.last(), book.leaves()) == ((2, payout.root(HISTORY[2])), before)


# --- out of an index ------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = proof_site()
    found.trees = PayoutTrees(LeafBook(tmp_path / "book.sqlite"))
    return found


def book_of(site: Site) -> LeafBook:
    assert site.trees.book is not None
    return site.trees.book


def fill_book(site: Site) -> int:
    """Write until nothing is missing; return in how many steps."""
    with site.engine.connect() as connection:
        steps = 0
        while planted.write_next_tree(connection, book_of(site)):
            steps += 1
    return steps


def never(_known: int) -> LeafChanges:
    raise AssertionError("the index was read for a whole tree")


def test_the_book_is_the_indexs(site: Site) -> None:
    assert fill_book(site) == 2
    assert fill_book(site) == 0
    for number in (0, 1):
        totals, root = payouts(number), epoch(number).commitment.payout_root
        for one in totals:
            found = site.trees.siblings(number, root, payout.leaf_hash(one), never)
            assert found == payout.proof(totals, one.asset, one.account)[1]


def test_a_page_takes_its_proof_from_the_book(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/api/v1/proofs/payout/0/0x{real_network().token.hex()}/0x{account(1).hex()}"
    simple = client(proof_site()).get(path).json()
    fill_book(site)
    monkeypatch.setattr(queries, "leaf_changes", lambda _connection, known, _number: never(known))
    assert client(site).get(path).json() == simple


def test_without_the_book_a_proof_comes_from_all_leaves(site: Site) -> None:
    totals, root = payouts(0), epoch(0).commitment.payout_root
    leaf = totals[0]
    with site.engine.connect() as connection:
        found = queries.payout_siblings(connection, site.trees, 0, root, leaf)
        absent = Total(asset=leaf.asset, account=leaf.account, earned=1, spent=10**9)
        with pytest.raises(NotFound):
            queries.payout_siblings(connection, site.trees, 0, root, absent)
    assert found == payout.proof(totals, leaf.asset, leaf.account)[1]


@pytest.mark.parametrize("how", ["another root", "no database", "other format"])
def test_a_book_that_is_not_this_indexs_begins_anew(site: Site, how: str) -> None:
    fill_book(site)
    place = book_of(site)._path
    match how:
        case "another root":
            with closing(sqlite3.connect(place)) as file, file:
                file.execute("UPDATE tree SET root = zeroblob(32) WHERE epoch = 1")
        case "no database":
            place.write_bytes(b"nothing" * 1_000)
        case _:
            with closing(sqlite3.connect(place)) as file, file:
                file.execute("PRAGMA user_version = 9")
    assert fill_book(site) == 2
    assert book_of(site).last() == (1, epoch(1).commitment.payout_root)


def test_a_book_that_is_ahead_waits_for_the_index(site: Site) -> None:
    fill_book(site)
    with site.engine.begin() as connection:
        connection.execute(
            update(schema.epoch).where(schema.epoch.c.epoch == 1).values(statements=None)
        )
    assert fill_book(site) == 0
    assert book_of(site).last() == (1, epoch(1).commitment.payout_root)


def test_leaves_that_do_not_give_the_root_are_not_written(site: Site) -> None:
    with site.engine.begin() as connection:
        connection.execute(
            update(schema.payout).where(schema.payout.c.account == account(4)).values(earned=1)
        )
    with pytest.raises(Corrupt, match="index rebuild"):
        fill_book(site)
    assert book_of(site).last() is None


@pytest.mark.parametrize(("near", "built"), [(0, True), (1, False)])
def test_all_leaves_are_read_at_once_only_where_the_book_is_far_behind(
    site: Site, near: int, built: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planted, "NEAR", near)
    with site.engine.connect() as connection:
        planted.write_next_tree(connection, book_of(site))  # epoch 0; epoch 1 is newer
        planted.build_newest_tree(connection, site.trees)
    assert bool(site.trees._trees) == built


@asynchronous
async def test_an_explorer_that_runs_writes_its_book(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    complete, loop = asyncio.Event(), asyncio.get_running_loop()
    really = wired._write

    def write_one(site: Site) -> bool:
        more = really(site)
        if not more:
            loop.call_soon_threadsafe(complete.set)
        return more

    monkeypatch.setattr(wired, "_write", write_one)
    async with asyncio.timeout(WAIT_S), wired.planting(site, told.append) as settled:
        settled.set()
        await complete.wait()
    assert book_of(site).last() == (1, epoch(1).commitment.payout_root)
    assert not told
