"""What stops money is seen where it concerns somebody: why, by whom, until when; else nothing."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

import explorer_kit as kit
from commonworks.crypto.hashes import sha256
from commonworks.errors import Conflict
from commonworks.events import Claimed, Commitment, Deposited, Event, Position
from commonworks.explorer.index import schema
from commonworks.explorer.index.feed import Feed
from commonworks.explorer.ports import Balances, Claimable
from commonworks.explorer.queries import stops as queries
from commonworks.explorer.queries.account_statement import month_at, month_statement
from commonworks.explorer.site import Site
from commonworks.simulation.contracts import ContractsModel, ModelPlan
from commonworks.simulation.governance import Parameter
from commonworks.stops import (
    Exited,
    ExitEntered,
    GuardianAppointed,
    GuardianHalted,
    Halted,
    HaltVoted,
    RootAccepted,
    RootDelayed,
)

DAY, GENESIS = kit.DAY, kit.GENESIS
ADA, GUARDIAN = kit.account(0xA1), kit.account(0x6D)
VERA, VITA, VICK = (kit.account(number) for number in (0xE1, 0xE2, 0xE3))
STAKES = {VERA: 7, VITA: 5, VICK: 3}
"""Together 15; by the default quorum 11 are needed, so that 5 stop a payout."""
MONEY = kit.network().currency
FINAL_AT = GENESIS + 2 * DAY + 7_200
"""When epoch 1 became final."""
HOLD = 3_600
HALTED_UNTIL = FINAL_AT + 172_800
NOW = FINAL_AT + 61


class Story:
    """Events one after another, a second apart unless said otherwise, folded at once."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.block = 0

    def say(self, kind: type[Event], at: int, **fields: object) -> None:
        self.block += 1
        position = Position(block=self.block, time=at, index=0, tx=kit.digest(0x7000 + self.block))
        with self.site.engine.begin() as connection:
            event = kind(at=position, **fields)  # type: ignore[call-arg]
            Feed(self.site.network).chain(connection, [event])

    def vote(self, verifier: bytes, at: int = NOW - 10) -> None:
        self.say(HaltVoted, at, epoch=1, verifier=verifier, stake=STAKES[verifier])

    def halt(self, at: int = NOW - 10) -> None:
        self.say(Halted, at, epoch=1, until=HALTED_UNTIL)
        self.say(RootDelayed, at, epoch=1, claimable_at=HALTED_UNTIL)


@pytest.fixture
def told() -> kit.Told:
    """A chain on which epoch 0 can be claimed against."""
    made = kit.Told(root=Claimable(epoch=0, root=kit.digest(1)))
    made.held[ADA] = Balances(
        token=0, currency=19, coin_wei=1, votes=0, delegate=ADA, contract=False
    )
    return made


@pytest.fixture
def site(told: kit.Told) -> Site:
    """Epoch 0 can be claimed against, epoch 1 is in its hold; Ada earned 101 in one, 13 in the
    other, claimed the 101, and has 40 of her deposit left."""
    clock = kit.FixedClock(NOW)
    made = kit.make_site(told, clock=clock, labels={ADA: "ada", GUARDIAN: "watch"})
    for verifier, stake in STAKES.items():
        kit.fill(made.engine, schema.chain_event, diary(-stake, verifier, stake))
        kit.fill(made.engine, schema.verifier, {
            "operator": verifier, "name": f"v{stake}", "endpoint": "https://v.example",
            "registered_at": GENESIS, "registered_tx": kit.digest(1),
        })  # fmt: skip
    for epoch, final in ((0, FINAL_AT - DAY), (1, FINAL_AT)):
        kit.fill(made.engine, schema.epoch, epoch_row(epoch, finalised_at=final))
    for epoch, earned in ((0, 101), (1, 114)):
        kit.fill(made.engine, schema.payout, {
            "asset": MONEY, "account": ADA, "epoch": epoch, "earned": earned, "spent": 10,
        })  # fmt: skip
    story = Story(made)
    story.say(Deposited, GENESIS, asset=MONEY, account=ADA, amount=50, sender=ADA)
    for epoch, final in ((0, FINAL_AT - DAY), (1, FINAL_AT)):
        root = kit.digest(epoch)
        story.say(RootAccepted, final, epoch=epoch, root=root, claimable_at=final + HOLD)
    story.say(Claimed, FINAL_AT, asset=MONEY, account=ADA, amount=101, epoch=0)
    return made


@pytest.fixture
def story(site: Site) -> Story:
    made = Story(site)
    made.block = 100
    return made


@pytest.fixture
def web(site: Site) -> TestClient:
    return kit.client(site)


def diary(block: int, verifier: bytes, stake: int) -> dict[str, Any]:
    return {
        "block": block, "log_index": 0, "time": GENESIS, "tx": kit.digest(9), "epoch": None,
        "kind": "stake_changed", "device": None, "log_id": None, "account": verifier,
        "other": None, "asset": None, "amount": stake, "detail": "{}",
    }  # fmt: skip


def epoch_row(epoch: int, **changes: object) -> dict[str, Any]:
    end = GENESIS + (epoch + 1) * DAY
    row: dict[str, Any] = {column.name: None for column in schema.epoch.columns}
    known = {
        "epoch": epoch, "start_s": end - DAY, "end_s": end, "closed_at": end + 5_401,
        "closed_block": epoch, "closed_tx": kit.digest(2), "evidence_hash": kit.digest(3),
        "statements": 0, "accepted": 0, "rejected": 0, "minted_wei": 0, "unminted_wei": 0,
        "paid_micro": 0, "digest": kit.digest(4), "finalised_tx": kit.digest(5),
    }  # fmt: skip
    return row | known | changes


def attest(site: Site, verifier: bytes, digest: bytes, at: int) -> None:
    kit.fill(site.engine, schema.attestation, {
        "epoch": 2, "verifier": verifier, "digest": digest, "time": at, "tx": kit.digest(6),
    })  # fmt: skip


def get(web: TestClient, path: str) -> Any:
    found = web.get(f"/api/v1{path}")
    assert found.status_code == 200, found.text
    return found.json()


def address(account: bytes) -> str:
    return "0x" + account.hex()


def kinds(web: TestClient) -> list[str]:
    return [one["kind"] for one in get(web, "/network")["stops"]["items"]]


def acts(web: TestClient) -> dict[tuple[str, str], str]:
    found = get(web, f"/accounts/{address(ADA)}")["acts"]
    vault = ("claim", "deposit", "withdraw", "exit")
    return {(one["act"], one["asset"]): one["most"] for one in found if one["act"] in vault}


PAGES = ("/", "/epochs/1", f"/accounts/{address(ADA)}")
NOTICE = 'aria-label="What stops money"'


def noticed(web: TestClient) -> list[bool]:
    texts = [web.get(path) for path in PAGES]
    assert [one.status_code for one in texts] == [200] * len(PAGES)
    return [NOTICE in one.text for one in texts]


# --- nothing --------------------------------------------------------------------------------------


def test_while_all_moves_nothing_is_said(web: TestClient) -> None:
    assert kinds(web) == []
    assert noticed(web) == [False, False, False]
    assert get(web, f"/accounts/{address(ADA)}")["stops"] == []
    payout = get(web, "/epochs/1")["payout"]
    assert payout == {
        "root_epoch": 1, "claimable_at": FINAL_AT + HOLD, "claimable": False, "halt": None,
        "stop": None,
    }  # fmt: skip
    assert get(web, "/network")["stops"]["guardian"] is None
    assert "Who may stop a payout" not in web.get("/nodes").text
    assert "Voted to stop" not in web.get(f"/nodes/verifiers/{address(VERA)}").text


# --- halts ----------------------------------------------------------------------------------------


def test_votes_that_are_not_enough_are_told_as_such(story: Story, web: TestClient) -> None:
    story.vote(VICK)
    assert kinds(web) == ["voting"]
    stop = get(web, "/epochs/1")["payout"]["stop"]
    assert (stop["weight"], stop["until"]) == ("wait", FINAL_AT + HOLD)
    halt = stop["halt"]
    assert (halt["votes_stake"], halt["needed_stake"], halt["stopped_at"]) == ("3", "5", None)
    assert noticed(web) == [True, True, True]
    web.app.state.site.clock.time_s = FINAL_AT + HOLD  # type: ignore[attr-defined]
    assert (kinds(web), noticed(web)) == ([], [False, False, False])


def test_a_halt_by_votes_is_seen_and_ends(story: Story, web: TestClient) -> None:
    story.vote(VICK, NOW - 20)
    story.vote(VITA)
    story.halt()
    assert kinds(web) == ["halted"]
    assert noticed(web) == [True, True, True]
    found = get(web, "/epochs/1")
    payout = found["payout"]
    assert (payout["claimable_at"], payout["claimable"]) == (HALTED_UNTIL, False)
    assert payout["halt"]["guardian"] is None
    voted = [(one["name"], one["stake"]) for one in payout["halt"]["votes"]]
    assert voted == [("v3", "3"), ("v5", "5")]
    assert payout["halt"]["votes_stake"] == "8"
    moments = {one["code"]: one["time"] for one in found["timeline"]}
    assert (moments["stopped"], moments["claimable"]) == (NOW - 10, HALTED_UNTIL)
    page = web.get("/epochs/1").text
    assert "The payout of epoch 1 is stopped" in page
    assert f'data-time="{HALTED_UNTIL}"' in page
    assert "v3" in page
    assert "v5" in page
    account = get(web, f"/accounts/{address(ADA)}")
    [stop] = account["stops"]
    assert (stop["kind"], stop["until"], stop["epoch"]) == ("halted", HALTED_UNTIL, 1)
    assert account["books"][0]["pending_until"] == HALTED_UNTIL
    assert ("claim", "currency") not in acts(web), "the contract would refuse it"
    page = web.get(f"/accounts/{address(ADA)}").text
    assert "once nothing stops it" in page
    assert 'data-action="claim"' not in page
    duties = get(web, f"/nodes/verifiers/{address(VITA)}/epochs")["items"]
    assert {one["epoch"]: one["halt_voted_at"] for one in duties} == {1: NOW - 10, 0: None}
    assert get(web, f"/nodes/verifiers/{address(VITA)}")["halt_votes"] == 1
    assert "Voted to stop its payout" in web.get(f"/nodes/verifiers/{address(VITA)}").text
    assert get(web, "/epochs/0")["payout"]["stop"] is None, "what came before goes on"

    web.app.state.site.clock.time_s = HALTED_UNTIL  # type: ignore[attr-defined]
    web.app.state.site.ledger.root = Claimable(epoch=1, root=kit.digest(1))  # type: ignore[attr-defined]
    assert (kinds(web), noticed(web)) == ([], [False, False, False])
    assert acts(web)["claim", "currency"] == "13"
    assert get(web, "/epochs/1")["payout"]["halt"]["active"] is False


def test_who_has_nothing_waiting_is_not_alarmed(story: Story, web: TestClient) -> None:
    story.halt()
    stranger = f"/accounts/{address(kit.account(0x99))}"
    assert get(web, stranger)["stops"] == []
    assert NOTICE not in web.get(stranger).text


def test_the_guardian_is_named_and_so_is_its_pause(story: Story, web: TestClient) -> None:
    story.say(GuardianAppointed, GENESIS, holder=GUARDIAN, until=NOW + 99)
    assert get(web, "/network")["stops"]["guardian"] == {
        "holder": {"address": get(web, "/network")["stops"]["guardian"]["holder"]["address"],
                   "label": "watch"},
        "until": NOW + 99, "in_office": True, "ready_at": None,
    }  # fmt: skip
    story.say(GuardianHalted, NOW - 5, epoch=1, holder=GUARDIAN, ready_at=NOW + 1_009)
    story.halt(NOW - 5)
    assert get(web, "/epochs/1")["payout"]["halt"]["guardian"]["label"] == "watch"
    assert "Stopped by the guardian" in web.get("/epochs/1").text
    assert f'data-time="{NOW + 1_009}"' in web.get("/nodes").text
    story.say(GuardianAppointed, NOW, holder=bytes(20), until=0)
    found = get(web, "/network")["stops"]["guardian"]
    assert (found["holder"], found["in_office"]) == (None, False)


# --- an epoch that stays open ---------------------------------------------------------------------


def test_an_epoch_that_the_vault_may_refuse(site: Site, web: TestClient) -> None:
    agreed = NOW - queries.NOT_FINAL_AFTER_S
    waits = epoch_row(2, finalised_at=None, digest=None, finalised_tx=None, statements=None)
    kit.fill(site.engine, schema.epoch, waits)
    attest(site, VERA, kit.digest(7), agreed - 99)
    assert kinds(web) == []
    attest(site, VITA, kit.digest(7), agreed)
    assert kinds(web) == ["not_final"]
    assert "Epoch 2 does not become final" in web.get("/epochs/2").text
    assert "Epoch 2 does not become final" in web.get(f"/accounts/{address(ADA)}").text
    assert NOTICE not in web.get("/epochs/1").text
    site.clock.time_s -= 1  # type: ignore[attr-defined]
    assert kinds(web) == [], "others are given time to make it final"


def test_verifiers_who_disagree_are_no_quorum(site: Site, web: TestClient) -> None:
    waits = epoch_row(2, finalised_at=None, digest=None, finalised_tx=None, statements=None)
    kit.fill(site.engine, schema.epoch, waits)
    for verifier, number in ((VERA, 7), (VITA, 8), (VICK, 7)):
        attest(site, verifier, kit.digest(number), NOW - DAY)
    assert kinds(web) == []


# --- the exit -------------------------------------------------------------------------------------


def test_the_exit_may_be_opened_and_is(site: Site, story: Story, web: TestClient) -> None:
    kit.fill(site.engine, schema.parameter_change, {
        "key": "exit_after_s", "number": 0, "value": 30 * DAY, "minimum": 0, "maximum": 99 * DAY,
        "from_epoch": 0, "time": 0, "tx": kit.digest(1),
    })  # fmt: skip
    site.clock.time_s = FINAL_AT + 30 * DAY - 1  # type: ignore[attr-defined]
    assert kinds(web) == []
    site.clock.time_s += 1  # type: ignore[attr-defined]
    assert kinds(web) == ["exit_due"]
    assert "commonworks exit --open --account ACCOUNT" in web.get("/").text
    site.ledger.root = Claimable(epoch=1, root=kit.digest(1))  # type: ignore[attr-defined]
    assert set(acts(web)) == {
        ("claim", "currency"), ("deposit", "currency"), ("withdraw", "currency"),
    }  # fmt: skip
    story.halt(FINAL_AT + 7)
    story.say(ExitEntered, site.clock.now(), since=site.clock.now())
    assert kinds(web) == ["exit"]
    assert acts(web) == {("exit", "currency"): "53"}  # 13 earned, 40 not spent
    assert noticed(web) == [True, False, True]
    page = web.get(f"/accounts/{address(ADA)}").text
    assert "The Vault&#39;s exit is open" in page
    assert 'data-action="exit"' in page
    assert 'data-action="deposit"' not in page


def test_what_the_exit_paid_is_in_the_books(site: Site, story: Story, web: TestClient) -> None:
    at = FINAL_AT + 40 * DAY
    site.clock.time_s = at + 9  # type: ignore[attr-defined]
    site.ledger.root = Claimable(epoch=1, root=kit.digest(1))  # type: ignore[attr-defined]
    story.say(ExitEntered, at, since=at)
    story.say(Exited, at + 1, asset=MONEY, account=ADA, amount=53)
    money = get(web, f"/accounts/{address(ADA)}")["books"][0]
    assert (money["withdrawn"], money["unspent"]) == ("40", "0")
    assert (money["claimed"], money["claimable"]) == ("114", "0")
    assert acts(web) == {}
    moved = get(web, f"/accounts/{address(ADA)}/movements")["items"]
    assert (moved[0]["kind"], moved[0]["amount"]) == ("exit", "53")
    with site.engine.connect() as connection:
        found = month_statement(connection, site, ADA, month_at(at), ADA).assets[0]
        later = month_statement(connection, site, ADA, month_at(at + 40 * DAY), ADA).assets[0]
    entry = found.entries[-1]
    assert (entry.kind, entry.deposit_out, entry.earnings_out) == ("exit", "40", "13")
    assert (found.closing_deposit, found.closing_earnings) == ("0", "0")
    assert (later.opening_deposit, later.opening_earnings) == ("0", "0")


# --- roots, beside the model of the Vault ---------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.time_s = 10**9

    def now(self) -> int:
        return self.time_s

    async def sleep_until(self, time_s: int) -> None:
        raise NotImplementedError


PARAMETERS = {
    "hold_s": 31, "currency_growth_max": 10**9, "token_growth_max_wei": 10**9, "exit_after_s": 1,
}  # fmt: skip


def vault(clock: Clock) -> ContractsModel:
    words = [
        Parameter(key=name.encode().ljust(32, b"\0"), value=value, minimum=0, maximum=2**60)
        for name, value in PARAMETERS.items()
    ]
    halving = Parameter(key=b"half_life_epochs".ljust(32, b"\0"), value=3, minimum=1, maximum=4)
    return ContractsModel(
        ModelPlan(
            owner=ADA,
            founder=ADA,
            genesis_time=10**9,
            epoch_length_s=60,
            parameters=(*words, halving),
        ),
        clock,
    )


def commitment(epoch: int) -> Commitment:
    words = ("previous_digest", "evidence_hash", "facts_hash", "policy_hash", "rules_hash",
             "result_hash", "state_hash")  # fmt: skip
    nothing: Mapping[str, Any] = dict.fromkeys(words, bytes(32))
    root = sha256(b"root %d" % epoch)
    return Commitment(**nothing, payout_root=root, minted_wei=0, totals=())


def in_force(engine: Engine, now: int) -> int | None:
    with engine.connect() as connection:
        found = queries.root_in_force(connection, now)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_roots_come_into_force_as_in_the_vault(seed: int) -> None:
    random, clock = Random(seed), Clock()
    model, engine = vault(clock), kit.memory_index()
    feed, read, epoch, refused, delayed = Feed(kit.network()), 0, 0, 0, 0
    for _ in range(160):
        clock.time_s += random.choice((0, 1, 7, 31, 97))
        try:
            with model.transaction():
                if random.random() < 0.6:
                    model.vault.finalise(epoch, commitment(epoch))
                    epoch += 1
                else:
                    which = max(0, epoch - random.choice((1, 1, 2, 3)))
                    model.vault.halt(which, clock.time_s + random.choice((5, 211)))
                    delayed += 1
        except Conflict:
            refused += 1
        head = model.blocks.head().block
        with engine.begin() as connection:
            feed.chain(connection, model.blocks.events(read, head), until=head)
        read = head + 1
        for _ in range(random.choice((1, 1, 5))):
            model.blocks.head()
            assert in_force(engine, clock.time_s) == model.vault.claimable_epoch()
            clock.time_s += random.choice((1, 13))
    assert epoch > 20
    assert refused
    assert delayed > 5
