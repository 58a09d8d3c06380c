"""The explorer's index: one fold, whatever the order; hostile input; a file that is in doubt."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, insert, inspect, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from commonworks.crypto.hashes import sha256
from commonworks.errors import Conflict, Corrupt, InvariantBroken, NotFound
from commonworks.events import (
    Anchored,
    Bonded,
    Claimed,
    Deposited,
    Enrolled,
    Event,
    GatewayRegistered,
    ParameterDefined,
    ParameterSet,
    Position,
    SpendLimitSet,
    Transferred,
    Unbonded,
    UnbondingStarted,
    VerifierRegistered,
    WithdrawalRequested,
)
from commonworks.explorer.index import schema
from commonworks.explorer.index.engine import migrations, open_index
from commonworks.explorer.index.feed import Feed
from commonworks.explorer.index.feed_logs import LogFold, Spans
from commonworks.explorer.index.feed_settlement import leaves_of
from commonworks.explorer.index.rows import Moved, clean, log_cursors
from commonworks.explorer.index.tallies import Tallied
from commonworks.model import Outcome, Settlement
from commonworks.resources.base import Table
from commonworks.settlement.epochs import LOGS_MAX, ChainView
from commonworks.settlement.facts import NOBODY, facts_at, word_of
from commonworks.statements.codec import sign_binding
from index_story import History, Reader, differences, history, proposals, rows_of
from settlement_world import BEFORE_S, NETWORK, account, key

SEEDS = range(4)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_index(tmp_path / "index.sqlite")
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def story() -> History:
    return history(Random(0))


@pytest.fixture(scope="module")
def whole(story: History, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = open_index(tmp_path_factory.mktemp("whole") / "index.sqlite")
    Reader(made, story).all()
    yield made
    made.dispose()


def rows(engine: Engine, table: Any, **where: object) -> list[Mapping[str, Any]]:
    found = select(table).where(*(table.c[name] == value for name, value in where.items()))
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(found)]


def fold(engine: Engine, *events: Event) -> None:
    with engine.begin() as connection:
        Feed(NETWORK).chain(connection, events)


class Chain:
    """Events one after another, each in a block of its own."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def say(self, kind: type[Event], at: int = BEFORE_S, **fields: object) -> None:
        block = len(self.events) + 1
        position = Position(block=block, time=at, index=0, tx=sha256(bytes([block % 256])))
        self.events.append(kind(at=position, **fields))

    def enrol(self, device: int, name: str, owner: str, **changes: object) -> None:
        public = key(name).public
        fields: dict[str, object] = {
            "device": device,
            "owner": account(owner),
            "thumbprint": public.thumbprint,
            "algorithm": int(public.algorithm),
            "public_key": public.raw,
            "resource": word_of("gauge"),
            "cell": 0,
            "enroller": account("enroller"),
        }
        self.say(Enrolled, **(fields | changes))

    def gateway(self, number: int, **changes: object) -> None:
        fields: dict[str, object] = {
            "operator": account(f"operator {number}"),
            "name": f"gate {number}",
            "origin": "origin",
            "endpoint": "http://127.0.0.1",
            "log_id": log_id(number),
            "note_key": bytes(32),
            "receipt_key": bytes(64),
        }
        self.say(GatewayRegistered, **(fields | changes))


def log_id(number: int) -> bytes:
    return sha256(b"log" + number.to_bytes(4, "big"))


# --- one fold, whatever the order -----------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_gives_the_same_rows(seed: int, tmp_path: Path) -> None:
    told = history(Random(seed))
    once, mixed = open_index(tmp_path / "once.sqlite"), open_index(tmp_path / "mixed.sqlite")
    Reader(once, told).all()
    Reader(mixed, told).mixed(Random(seed))
    assert differences(once, mixed) == []
    once.dispose()
    mixed.dispose()


def test_the_story_has_what_tries_the_fold(whole: Engine, story: History) -> None:
    found = rows_of(whole)
    filled = {name for name, items in found.items() if items}
    assert filled >= set(schema.metadata.tables) - {"verifier", "alembic_version"}
    said = rows(whole, schema.statement)
    by_identity: dict[bytes, set[object]] = {}
    for row in said:
        by_identity.setdefault(row["identity"], set()).add((row["epoch"], row["reason"]))
    assert any(len(verdicts) > 1 for verdicts in by_identity.values()), "copies judged apart"
    assert {"payload_mismatch", "too_late", "unknown_key", "bad_signature"} <= {
        row["reason"] for row in said
    }
    assert any(row["epoch"] is None for row in said), "some still wait"
    closed = {
        (part["log_id"], position): part["epoch"]
        for part in rows(whole, schema.evidence_range)
        for position in range(part["first"], part["size"])
    }
    last = len(story.settlements) - 1
    for row in said:
        if closed.get((row["log_id"], row["position"]), last) < last:
            assert row["outcome"] is not None, "what an epoch closed is judged by the next one"


def test_a_planted_difference_is_seen(story: History, whole: Engine, engine: Engine) -> None:
    Reader(engine, story).all()
    assert differences(whole, engine) == []
    with engine.begin() as connection:
        connection.execute(update(schema.bond).values(stake=schema.bond.c.bonded))
    assert any(line.startswith("bond") for line in differences(whole, engine))


@pytest.mark.parametrize(
    "planted",
    [
        (LogFold, "resolve", lambda *_: None),
        (LogFold, "_judge_fresh", lambda *_: None),
        (LogFold, "_choose_again", lambda *_: []),
        (LogFold, "_bare_copies", lambda *_: []),
        (Spans, "epoch_of", lambda *_: None),
    ],
    ids=lambda item: item[1],
)
def test_a_fold_that_depends_on_the_order_is_seen(
    planted: tuple[type, str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: list[str] = []
    for seed in range(12):
        told = history(Random(seed))
        with monkeypatch.context() as patch:
            patch.setattr(*planted)
            once, mixed = open_index(tmp_path / f"{seed}-a"), open_index(tmp_path / f"{seed}-b")
            Reader(once, told).all()
            Reader(mixed, told).mixed(Random(seed))
        found += differences(once, mixed)
        once.dispose()
        mixed.dispose()
        if found:
            return
    pytest.fail("nothing is seen")


class Cut(Exception):
    """The process ends here."""


@pytest.mark.parametrize("seed", range(3))
def test_a_step_that_is_cut_off_leaves_nothing(
    seed: int, story: History, whole: Engine, engine: Engine
) -> None:
    random, armed = Random(seed), [True]

    @event.listens_for(engine, "before_cursor_execute")
    def cut(*_: object) -> None:
        if armed[0] and random.random() < 0.05:
            raise Cut

    reader, cuts = Reader(engine, story), 0
    while cuts < 60:
        before = rows_of_unarmed(engine, armed)
        try:
            moved = reader.blocks(20) or any(reader.entries(log, 30) for log in story.logs)
            if not moved and not reader.settlement():
                break
        except Cut:
            cuts += 1
            assert rows_of_unarmed(engine, armed) == before
    armed[0] = False
    assert cuts > 5
    reader.mixed(random)
    assert differences(whole, engine) == []


def rows_of_unarmed(engine: Engine, armed: list[bool]) -> object:
    armed[0] = False
    found = rows_of(engine)
    armed[0] = True
    return found


def test_what_was_folded_is_not_folded_again(story: History, engine: Engine) -> None:
    reader = Reader(engine, story)
    reader.all()
    feed, log = Feed(story.network), next(iter(story.logs))
    for again in (
        lambda c: feed.chain(c, story.events[-1:]),
        lambda c: feed.entries(c, log, [(0, b"x")]),
        lambda c: feed.settlement(c, story.settlements[0], story.resources),
    ):
        with pytest.raises(Moved), engine.begin() as connection:
            again(connection)


def test_only_what_the_chain_finalised_is_folded(story: History, engine: Engine) -> None:
    reader = Reader(engine, story)
    while reader.blocks(10**6):
        pass
    other = replace(story.settlements[0], digest=bytes(32))
    with pytest.raises(InvariantBroken), engine.begin() as connection:
        reader.feed.settlement(connection, other, story.resources)


# --- settlements ----------------------------------------------------------------------------------


def test_counters_and_leaves_follow_from_the_settlements(story: History, whole: Engine) -> None:
    for settled, row in zip(story.settlements, rows(whole, schema.epoch), strict=True):
        rejected = [v for v in settled.verdicts if v.outcome is Outcome.REJECTED]
        assert row["statements"] == len(settled.verdicts)
        assert (row["rejected"], row["accepted"]) == (
            len(rejected),
            len(settled.verdicts) - len(rejected),
        )
        assert (row["minted_wei"], row["paid_micro"]) == (settled.minted_wei, settled.paid_micro)
        leaves = {}
        for leaf in rows(whole, schema.payout):
            if leaf["epoch"] <= settled.epoch:
                where = leaf["asset"], leaf["account"]
                if where not in leaves or leaves[where][0] < leaf["epoch"]:
                    leaves[where] = leaf["epoch"], (leaf["earned"], leaf["spent"])
        assert {where: amounts for where, (_, amounts) in leaves.items()} == leaves_of(settled)
    judged = rows(whole, schema.verdict)
    for device in rows(whole, schema.device):
        own = [row for row in judged if row["device"] == device["device"]]
        assert device["statements"] == len(own)
        assert device["rejected"] == sum(row["outcome"] == "rejected" for row in own)
        assert device["last_judged_epoch"] == max((row["epoch"] for row in own), default=None)


def test_an_owner_finds_what_came_too_late(whole: Engine) -> None:
    late = rows(whole, schema.statement, reason="too_late")
    assert late
    assert all(row["device"] is not None for row in late)
    unsigned = rows(whole, schema.statement, reason="bad_signature")
    assert unsigned
    assert all(row["device"] is None for row in unsigned)


def test_withdrawals_stand_where_the_epoch_was_finalised(story: History, whole: Engine) -> None:
    for settled in story.settlements:
        found = rows(whole, schema.movement, kind="withdrawn", epoch=settled.epoch)
        assert [row["amount"] for row in found] == [item.amount for item in settled.withdrawn]
        final = rows(whole, schema.chain_event, kind="finalised", epoch=settled.epoch)
        assert {(row["block"], row["log_index"]) for row in found} <= {
            (row["block"], row["log_index"]) for row in final
        }


def test_rows_that_concern_somebody_are_for_them_alone(story: History, engine: Engine) -> None:
    resource = story.resources["energy"]
    others = {**story.resources, "energy": replace(resource, views=_tables)}
    changed = replace(story, resources=others)
    Reader(engine, changed).all()
    assert {row["name"] for row in rows(engine, schema.view)} == {"open"}
    facts = facts_at(story.network, story.events, 0)
    found = rows(engine, schema.view_row, epoch=0)
    mine = {(row["account"], row["number"]) for row in found}
    assert mine == {
        (facts.devices[2].owner, 0),
        (account("anna"), 0),
        (account("anna"), 1),
        (facts.devices[3].owner, 2),
    }
    assert all(row["row"].startswith("[") for row in found)


def _tables(_result: object) -> tuple[Table, ...]:
    anna = "0x" + account("anna").hex()
    return (
        Table(name="open", columns=("a",), rows=((1,),)),
        Table(
            name="closed",
            columns=("device", "account"),
            rows=((2, anna), (99_999, anna), (3, "nobody"), (0, "0x12")),
            concerns=("device", "account"),
        ),
    )


# --- the chain ------------------------------------------------------------------------------------


def test_devices_follow_their_ids(engine: Engine) -> None:
    chain = Chain()
    chain.enrol(1, "one", "anna", cell=0x871FB4662FFFFFF)
    chain.enrol(2, "two", "anna", thumbprint=bytes(32))  # not what the key says
    chain.enrol(3, "three", "anna", resource=b"\xff" * 32)
    chain.enrol(4, "four", "anna", resource=b"x" * 32)
    chain.enrol(5, "five", "anna", cell=2**64 - 1)
    chain.say(Transferred, device=1, sender=account("anna"), receiver=account("ben"))
    chain.say(Transferred, device=7, sender=account("anna"), receiver=account("ben"))
    fold(engine, *chain.events)
    found = {row["device"]: row for row in rows(engine, schema.device)}
    assert set(found) == {1, 5}
    assert (found[1]["owner"], found[1]["cell"]) == (account("ben"), "871fb4662ffffff")
    assert found[5]["cell"] is None
    assert len(rows(engine, schema.chain_event)) == 7


def test_amounts_and_texts_of_any_kind_are_kept(engine: Engine) -> None:
    chain, most = Chain(), 2**256 - 1
    for kind in (Deposited, WithdrawalRequested, Claimed):
        more: dict[str, object] = {
            Deposited: {"sender": account("b")},
            WithdrawalRequested: {"request": most},
            Claimed: {"epoch": 2**64 - 1},
        }[kind]
        chain.say(kind, asset=account("asset"), account=account("a"), amount=most, **more)
    chain.say(SpendLimitSet, account=account("a"), device=most, limit=most)
    chain.say(Anchored, log_id=log_id(1), size=2**64 - 1, root=bytes(32))
    nasty = "<script>\0\ud800'; DROP TABLE device;--"
    chain.gateway(1, name=nasty, origin=nasty, endpoint=nasty)
    chain.say(VerifierRegistered, operator=account("v"), name=nasty, endpoint=nasty)
    word = word_of("grace_s")
    values = {"value": -(2**255), "minimum": -(2**255), "maximum": 2**255 - 1}
    chain.say(ParameterDefined, key=word, **values, from_epoch=2**64 - 1)
    chain.say(ParameterDefined, key=word, **values, from_epoch=0)
    chain.say(ParameterDefined, key=b"\xff" * 32, **values, from_epoch=0)
    chain.say(ParameterSet, key=word, value=2**255 - 1, from_epoch=3)
    chain.say(ParameterSet, key=word_of("unknown"), value=1, from_epoch=3)
    fold(engine, *chain.events)
    assert [row["amount"] for row in rows(engine, schema.movement)] == [most] * 3
    assert rows(engine, schema.gateway)[0]["name"] == clean(nasty)
    assert "\0" not in clean(nasty)
    clean(nasty).encode()
    changes = rows(engine, schema.parameter_change)
    assert [(row["key"], row["number"], row["value"]) for row in changes] == [
        ("grace_s", 0, -(2**255)),
        ("grace_s", 1, 2**255 - 1),
    ]
    assert rows(engine, schema.anchor) == rows(engine, schema.spend_limit) == []
    assert len(rows(engine, schema.chain_event)) == len(chain.events)


def test_what_leaves_a_bond_is_gone_when_it_is_paid_out(engine: Engine) -> None:
    chain, operator = Chain(), account("v")
    chain.say(Bonded, operator=operator, amount=101)
    chain.say(UnbondingStarted, operator=operator, amount=31, ready_at=7)
    fold(engine, *chain.events)
    (row,) = rows(engine, schema.bond)
    assert (row["bonded"], row["unbonding"], row["ready_at"]) == (70, 31, 7)
    chain.say(Unbonded, operator=operator, amount=31)
    fold(engine, chain.events[-1])
    (row,) = rows(engine, schema.bond)
    assert (row["bonded"], row["unbonding"], row["ready_at"]) == (70, 0, None)


@pytest.mark.parametrize("seed", range(4))
def test_the_logs_read_are_those_that_verifiers_ever_followed(seed: int, tmp_path: Path) -> None:
    random, chain, view = Random(seed), Chain(), ChainView()
    followed: set[bytes] = set()
    for number in random.sample(range(LOGS_MAX + 40), LOGS_MAX + 40):
        chain.gateway(number)
        if random.random() < 0.5:
            some = account(f"operator {random.randrange(LOGS_MAX + 40)}")
            chain.say(Bonded, operator=some, amount=random.randrange(1, 9))
        if random.random() < 0.2:
            bonded = [e.operator for e in chain.events if isinstance(e, Bonded)]
            if bonded:
                one = random.choice(bonded)
                chain.say(UnbondingStarted, operator=one, amount=1, ready_at=9)
    for said in chain.events:
        view.extend([said])
        followed |= set(view.followed())
    assert len(followed) > LOGS_MAX
    for name, size in (("once", 10**6), ("steps", 3)):
        made = open_index(tmp_path / f"{name}.sqlite")
        for at in range(0, len(chain.events), size):
            fold(made, *chain.events[at : at + size])
        with made.connect() as connection:
            assert set(log_cursors(connection)) == followed
        made.dispose()


# --- statements -----------------------------------------------------------------------------------


def test_any_bytes_give_a_row(engine: Engine) -> None:
    chain, random = Chain(), Random(1)
    chain.gateway(1)
    fold(engine, *chain.events)
    good = sign_binding(key("one"), NETWORK.network_id, 7, account("anna"), 1).statement
    items = [b"", b"\xd2", bytes(70_000), good, good[:-1]]
    items += [random.randbytes(random.randrange(200)) for _ in range(50)]
    for _ in range(200):
        broken = bytearray(good)
        broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
        items.append(bytes(broken))
    with engine.begin() as connection:
        Feed(NETWORK).entries(connection, log_id(1), list(enumerate(items)))
    found = rows(engine, schema.statement)
    assert [row["bytes"] for row in found] == [len(raw) for raw in items]
    assert (found[3]["kind"], found[3]["said_at"], found[3]["sealed"]) == ("binding", 7, False)
    assert found[0]["kind"] is None
    assert found[0]["identity"] == found[0]["leaf"]


def test_a_waiting_statement_is_its_keys_first_live_device(engine: Engine) -> None:
    chain, feed = Chain(), Feed(NETWORK)
    chain.gateway(1)
    fold(engine, *chain.events)
    raw = sign_binding(key("one"), NETWORK.network_id, 7, account("anna"), 1).statement
    with engine.begin() as connection:
        feed.entries(connection, log_id(1), [(0, raw)])

    def device() -> tuple[object, object]:
        (row,) = rows(engine, schema.statement)
        return row["device"], row["resource"]

    assert device() == (None, None)
    chain.enrol(1, "one", "anna")
    fold(engine, chain.events[-1])
    assert device() == (1, "gauge")
    chain.enrol(2, "one", "mallory", resource=word_of("other"))  # a stranger, with the same key
    fold(engine, chain.events[-1])
    assert device() == (1, "gauge")
    chain.say(Transferred, device=1, sender=account("anna"), receiver=NOBODY)
    fold(engine, chain.events[-1])
    assert device() == (2, "other")


# --- government -----------------------------------------------------------------------------------


def test_proposals_are_written_when_they_change(engine: Engine) -> None:
    feed, (first, second) = Feed(NETWORK), proposals()
    with engine.begin() as connection:
        assert feed.government(connection, [first, second]) == (1, 2)
        assert feed.government(connection, [first, second]) == ()
        voted = replace(second, votes=first.votes[:1])
        assert feed.government(connection, [first, voted]) == (2,)
    found = rows(engine, schema.vote)
    assert [row["proposal"] for row in found].count("3") == 1
    assert {row["reason"] for row in found} == {"so\ufffdso"}
    assert {row["weight"] for row in found} == {10**30 + 7}
    assert rows(engine, schema.proposal, number=1)[0]["proposal"] == str(2**255 + 11)


# --- the file -------------------------------------------------------------------------------------


def test_migrations_give_the_tables_of_the_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_an_older_index_is_migrated_to_the_same_rows(
    story: History, whole: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "older.sqlite"
    older = open_index(path)
    Reader(older, story).all()
    with older.begin() as connection:
        command.downgrade(migrations(connection), "0002")
        assert not inspect(connection).has_table("tally")
        assert not inspect(connection).has_table("payout_root")
    older.dispose()
    migrated = open_index(path)
    assert {row["what"] for row in rows(migrated, schema.tally)} == set(Tallied)
    missing = {line.split()[0] for line in differences(whole, migrated)}
    assert missing >= {"payout_root", "chain_event"}, "these are read again from the chain"
    feed = Feed(story.network)
    with pytest.raises(Moved, match="first"), migrated.begin() as connection:
        feed.chain(connection, [], until=story.head + 1)
    for first, last in ((0, 40), (41, story.head)):
        with migrated.begin() as connection:
            feed.stops(connection, story.between(first, last), until=last)
    assert differences(whole, migrated) == []
    with pytest.raises(Moved), migrated.begin() as connection:
        feed.stops(connection, [], until=story.head)
    migrated.dispose()


def test_tallies_are_what_their_rows_come_to(whole: Engine) -> None:
    found = {
        (row["epoch"], row["what"], row["resource"], row["name"]): row
        for row in rows(whole, schema.tally)
    }
    paid = rows(whole, schema.payment)
    assert paid
    for row in paid:
        key = (row["epoch"], "payment", row["resource"], row["purpose"])
        same = [one for one in paid if (one["epoch"], one["resource"], one["purpose"]) ==
                (row["epoch"], row["resource"], row["purpose"])]  # fmt: skip
        assert found[key]["rows"] == len(same)
        assert found[key]["total"] == sum(one["amount"] for one in same)
    for row in rows(whole, schema.epoch):
        leaves = {(leaf["asset"], leaf["account"]) for leaf in rows(whole, schema.payout)
                  if leaf["epoch"] <= row["epoch"]}  # fmt: skip
        assert row["leaves"] in (None, len(leaves))


def test_an_index_by_its_url_is_the_same(tmp_path: Path) -> None:
    made = open_index(f"sqlite:///{tmp_path / 'other.sqlite'}")
    with made.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    made.dispose()


def test_the_schema_is_no_databases_own() -> None:
    for table in schema.metadata.sorted_tables:
        said = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        assert f"CREATE TABLE {table.name}" in said.replace('"', "")
        for index in table.indexes:
            assert "CREATE INDEX" in str(CreateIndex(index).compile(dialect=postgresql.dialect()))


def test_a_reader_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="index rebuild"):
        open_index(tmp_path / "none.sqlite", read_only=True)
    assert not (tmp_path / "none.sqlite").exists()
    reader = open_index(tmp_path / "index.sqlite", read_only=True)
    with pytest.raises(Exception, match="readonly"), reader.begin() as connection:
        connection.execute(insert(schema.cursor).values(name="block", value=1))
    reader.dispose()


def test_a_reader_sees_one_moment(engine: Engine, tmp_path: Path) -> None:
    reader = open_index(tmp_path / "index.sqlite", read_only=True)
    chain = Chain()
    chain.gateway(1)
    with reader.connect() as connection:
        assert connection.execute(select(schema.gateway)).all() == []
        fold(engine, *chain.events)
        assert connection.execute(select(schema.gateway)).all() == []
    assert len(rows(reader, schema.gateway)) == 1
    reader.dispose()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_in_doubt_is_one_clear_error(read_only: bool, tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 99)
    with pytest.raises(Corrupt, match="index rebuild"):
        open_index(path, read_only=read_only)
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (a)")
    other.close()
    with pytest.raises((Corrupt, Conflict), match="index rebuild"):
        open_index(path, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_release_is_left_alone(read_only: bool, engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="index rebuild"):
        open_index(tmp_path / "index.sqlite", read_only=read_only)


def test_a_file_that_was_deleted_or_replaced_is_found_out(engine: Engine, tmp_path: Path) -> None:
    chain = Chain()
    chain.gateway(1)
    fold(engine, *chain.events)
    path = tmp_path / "index.sqlite"
    other = tmp_path / "other.sqlite"
    open_index(other).dispose()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"index.sqlite{suffix}").unlink(missing_ok=True)
    other.replace(path)
    assert rows(engine, schema.gateway) == []
    path.unlink()
    with pytest.raises(NotFound, match="index rebuild"):
        rows(engine, schema.gateway)


def test_no_settlement_is_needed_to_begin(engine: Engine) -> None:
    with engine.begin() as connection:
        Feed(NETWORK).chain(connection, [], until=7)
    assert rows(engine, schema.cursor) == [{"name": "block", "value": 7}]
    assert isinstance(history(Random(1), 1).settlements[0], Settlement)
