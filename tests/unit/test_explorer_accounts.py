"""Accounts: balances, history and statements, with numbers that a person can check."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from starlette.testclient import TestClient

import explorer_kit as kit
from commonworks.errors import Unavailable
from commonworks.explorer import sessions
from commonworks.explorer.index import schema
from commonworks.explorer.models.accounts import AssetName
from commonworks.explorer.ports import Balances, Claimable, PriceNow
from commonworks.explorer.queries.account_csv import plain_units, safe_cell
from commonworks.explorer.queries.account_statement import (
    explained,
    month_at,
    month_of,
    month_statement,
)
from commonworks.explorer.queries.accounts import accounts
from commonworks.explorer.site import Site

ADA, BOB, EVE, DAN, ZOE = (kit.account(number) for number in (0xA1, 0xB2, 0xE5, 0xD4, 0xF6))
TOKEN, MONEY = kit.network().token, kit.network().currency
DAY = kit.DAY
JANUARY = kit.GENESIS
FEBRUARY = JANUARY + 31 * DAY
HOLD = 3_607
RESOURCE = "energy"


def address(account: bytes) -> str:
    return "0x" + account.hex()


def final(epoch: int, at: int, *, settled: bool = True) -> Mapping[str, object]:
    begins = JANUARY + epoch * DAY
    row: dict[str, object] = {
        "epoch": epoch,
        "start_s": begins,
        "end_s": begins + DAY,
        "closed_at": begins + DAY + 60,
        "closed_block": 10 * epoch + 5,
        "closed_tx": kit.digest(0xC000 + epoch),
        "evidence_hash": kit.digest(1),
        "finalised_at": at,
        "finalised_tx": kit.digest(0xF000 + epoch),
        "statements": 7 if settled else None,
    }
    return row


def moved(
    block: int, kind: str, account: bytes, amount: int, at: int, **more: Any
) -> dict[str, Any]:
    return {
        "block": block,
        "log_index": 0,
        "number": 0,
        "kind": kind,
        "account": account,
        "asset": MONEY,
        "amount": amount,
        "epoch": None,
        "request": None,
        "time": at,
        "tx": kit.digest(0x7000 + block),
        **more,
    }


def leaf(epoch: int, asset: bytes, account: bytes, earned: int, spent: int) -> dict[str, Any]:
    return {"asset": asset, "account": account, "epoch": epoch, "earned": earned, "spent": spent}


def paid(epoch: int, number: int, payer: bytes, payee: bytes, amount: int, device: int = 0) -> Any:
    purposes = kit.make_site().resources[RESOURCE].purposes
    return {
        "epoch": epoch,
        "number": number,
        "resource": RESOURCE,
        "payer": payer,
        "payee": payee,
        "amount": amount,
        "purpose": next(iter(purposes)),
        "device": device,
    }


def device(number: int, owner: bytes) -> dict[str, Any]:
    return {
        "device": number,
        "owner": owner,
        "thumbprint": kit.digest(0xD000 + number),
        "algorithm": -8,
        "public_key": bytes(32),
        "resource": RESOURCE,
        "cell": None,
        "enroller": owner,
        "enrolled_at": JANUARY,
        "enrolled_tx": kit.digest(2),
        "reference": False,
        "statements": 11,
        "rejected": 2,
        "last_judged_epoch": 1,
    }


@pytest.fixture
def told() -> kit.Told:
    return kit.Told(root=Claimable(epoch=1, root=kit.digest(3)))


@pytest.fixture
def site(told: kit.Told) -> Site:
    """Two epochs final in January, one in February; Ada deposits, earns, spends, withdraws.

    Ada's money, micro-units: deposited 1,000 on 2 January. Epoch 0: earned 131, spent 17.
    Epoch 1: earned 40 and gets 100 of its deposit back, spends 3. Epoch 2 (final on 1 February):
    earned 7. Claimed 131 on 20 January. Token, wei: 5 in epoch 0, 11 in epoch 1.
    """
    made = kit.make_site(told)
    engine = made.engine
    kit.fill(
        engine,
        schema.epoch,
        final(0, JANUARY + 3 * DAY),
        final(1, JANUARY + 5 * DAY),
        final(2, FEBRUARY),
    )
    kit.fill(
        engine,
        schema.movement,
        moved(2, "deposit", ADA, 1_000, JANUARY + DAY),
        moved(3, "withdrawal_requested", ADA, 100, JANUARY + 2 * DAY, request=1),
        moved(20, "withdrawn", ADA, 100, JANUARY + 5 * DAY, epoch=1, request=1),
        moved(30, "claim", ADA, 131, JANUARY + 19 * DAY, epoch=0),
        moved(31, "deposit", DAN, 13, JANUARY + 20 * DAY),
    )
    kit.fill(
        engine,
        schema.payout,
        leaf(0, MONEY, ADA, 131, 17),
        leaf(1, MONEY, ADA, 131 + 40 + 100, 17 + 3 + 100),
        leaf(2, MONEY, ADA, 278, 120),
        leaf(0, TOKEN, ADA, 5, 0),
        leaf(1, TOKEN, ADA, 16, 0),
        leaf(0, MONEY, BOB, 17, 131),
        leaf(1, MONEY, BOB, 20, 171),
        leaf(1, TOKEN, BOB, 1_000_003, 0),
        leaf(0, MONEY, EVE, 0, 0),
    )
    kit.fill(
        engine,
        schema.payment,
        paid(0, 0, BOB, ADA, 101),
        paid(0, 1, BOB, ADA, 30, 7),
        paid(0, 2, ADA, BOB, 17),
        paid(1, 0, BOB, ADA, 40),
        paid(1, 1, ADA, BOB, 3),
    )
    kit.fill(
        engine,
        schema.reward,
        {"epoch": 0, "number": 0, "resource": RESOURCE, "account": ADA, "amount_wei": 5},
        {"epoch": 1, "number": 0, "resource": RESOURCE, "account": ADA, "amount_wei": 7},
        {"epoch": 1, "number": 1, "resource": "verifiers", "account": ADA, "amount_wei": 4},
    )
    kit.fill(engine, schema.device, device(7, ADA), device(8, ZOE), device(9, ADA))
    kit.fill(
        engine,
        schema.payee,
        {"device": 7, "account": ADA, "ppm": 300_000},
        {"device": 7, "account": BOB, "ppm": 700_000},
    )
    kit.fill(engine, schema.payout_root, kit.root_row(2, FEBRUARY, FEBRUARY + HOLD))
    return made


@pytest.fixture
def browser(site: Site) -> TestClient:
    return kit.client(site)


def answer(browser: TestClient, path: str, **query: object) -> Any:
    found = browser.get(f"/api/v1{path}", params={k: str(v) for k, v in query.items()})
    assert found.status_code == 200, found.text
    return found.json()


def signed_in(site: Site, account: bytes, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    session = sessions.Session(account=account, expires_at=2**40, token=bytes(8))
    monkeypatch.setattr(sessions, "session_of", lambda *_: session)
    return kit.client(site)


# --- the list -------------------------------------------------------------------------------------


def listed(site: Site, by: AssetName, limit: int) -> list[list[bytes]]:
    pages, cursor = [], None
    with site.engine.connect() as connection:
        while True:
            page = accounts(connection, site, by, limit=limit, cursor=cursor)
            pages.append([bytes.fromhex(row.account.address[2:]) for row in page.items])
            cursor = page.next
            if cursor is None:
                return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_who_earned_most_comes_first_and_nobody_is_left_out(site: Site, limit: int) -> None:
    money = [one for page in listed(site, AssetName.CURRENCY, limit) for one in page]
    assert money == [ADA, BOB, EVE, DAN, ZOE]
    token = [one for page in listed(site, AssetName.TOKEN, limit) for one in page]
    assert token == [BOB, ADA, DAN, EVE, ZOE]


def test_equal_earnings_keep_one_order(site: Site) -> None:
    kit.fill(
        site.engine, schema.payout, *(leaf(0, MONEY, kit.account(n), 17, 0) for n in (1, 2, 3))
    )
    flat = [one for page in listed(site, AssetName.CURRENCY, 1) for one in page]
    assert flat[:2] == [ADA, BOB]
    assert flat[2:5] == [kit.account(3), kit.account(2), kit.account(1)]


def test_a_row_says_what_was_earned(browser: TestClient) -> None:
    rows = answer(browser, "/accounts", asset="currency")["items"]
    assert rows[0] == {
        "account": {"address": address(ADA).replace("a1", "A1"), "label": None},
        "earned_token": "16",
        "earned_currency": "278",
        "devices": 2,
    }
    assert rows[-1]["earned_currency"] is None


@pytest.mark.parametrize("cursor", ["x", "WzEsIngiLFsiYiIsImFhIl1d", "WzEsIjk5IixbImIiLCJhYSJdXQ"])
def test_a_cursor_of_somebody_elses_is_refused(browser: TestClient, cursor: str) -> None:
    assert browser.get("/api/v1/accounts", params={"cursor": cursor}).status_code == 400


# --- one account ----------------------------------------------------------------------------------


def test_what_the_vault_holds(browser: TestClient, told: kit.Told) -> None:
    told.held[ADA] = Balances(
        token=9, currency=21, coin_wei=1, votes=9, delegate=ADA, contract=False
    )
    told.price = PriceNow(amount_in=9, amount_out=4)
    found = answer(browser, f"/accounts/{address(ADA)}")
    money, token = found["books"]
    assert money["deposited"] == "1000"
    assert money["withdrawn"] == "100"
    assert money["spent"] == "20"  # 17 + 3, what came back left aside
    assert money["unspent"] == "880"  # 1,000 - 20 - 100
    assert money["earned"] == "178"  # 131 + 40 + 7
    assert money["claimed"] == "131"
    assert money["claimable"] == "140"  # 271 at epoch 1, less 131
    assert money["pending"] == "7"
    assert money["pending_until"] == FEBRUARY + HOLD
    assert (token["earned"], token["claimable"], token["pending"]) == ("16", "16", "0")
    assert token["pending_until"] is None
    assert (found["devices"], found["payee_of"], found["claimable_epoch"]) == (2, 1, 1)
    assert found["wallet"]["sale"] == "4"
    acts = {(one["act"], one["asset"]): one["most"] for one in found["acts"]}
    assert acts == {
        ("claim", "currency"): "140",
        ("claim", "token"): "16",
        ("deposit", "currency"): "21",
        ("withdraw", "currency"): "880",
        ("limit", "currency"): None,
        ("sell", "token"): "9",
        ("delegate", None): None,
    }


def test_commands_stand_beside_what_can_be_done(site: Site) -> None:
    site.labels = {ADA: "ada's house"}
    found = answer(kit.client(site), f"/accounts/{address(ADA)}")
    commands = {one["act"]: one["command"] for one in found["acts"]}
    assert commands["withdraw"] == (
        "commonworks withdraw AMOUNT --account 'ada'\"'\"'s house' --home home/test"
    )


def test_votes_that_are_lent_are_shown_and_can_be_taken_back(told: kit.Told) -> None:
    site = kit.make_site(told)
    site.labels = {ADA: "ada", ZOE: "zoe"}
    for who, votes, delegate, offered in (
        (ADA, 9, ADA, {"delegate"}),
        (ADA, 0, ADA, set()),  # it has nothing to lend
        (ADA, 0, ZOE, {"delegate", "recall"}),
        (ADA, 0, None, set()),  # outside the vote
    ):
        told.held[who] = Balances(
            token=0, currency=0, coin_wei=0, votes=votes, delegate=delegate, contract=False
        )
        browser = kit.client(site)
        found = answer(browser, f"/accounts/{address(who)}")
        lent_to = found["wallet"]["delegate"]
        assert (lent_to and lent_to["label"]) == (delegate and site.labels[delegate])
        commands = {one["act"]: one["command"] for one in found["acts"]}
        assert {name for name in commands if name in ("delegate", "recall")} == offered
        page = browser.get(f"/accounts/{address(who)}").text
        assert ("Its own votes are lent." in page) == (delegate == ZOE)
        assert page.count('data-action="delegate"') == len(offered)
        if "recall" in offered:
            line = "commonworks proposal delegate ada --as ada --home home/test"
            assert commands["recall"] == line
            assert line in page
        if "delegate" in offered:
            line = "commonworks proposal delegate ACCOUNT --as ada --home home/test"
            assert commands["delegate"] == line


def test_nothing_is_offered_that_could_only_fail(told: kit.Told) -> None:
    told.held[ZOE] = Balances(
        token=9, currency=0, coin_wei=0, votes=0, delegate=ZOE, contract=False
    )
    site = kit.make_site(told)  # nobody trades: the ledger knows no price
    assert answer(kit.client(site), f"/accounts/{address(ZOE)}")["acts"] == []


def test_a_chain_that_does_not_answer_hides_the_rest_only(
    site: Site, told: kit.Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: bytes) -> Balances:
        raise Unavailable("nobody there")

    monkeypatch.setattr(told, "balances", silent)
    browser = kit.client(site)
    found = answer(browser, f"/accounts/{address(ADA)}")
    assert found["wallet"] is None
    assert found["books"][0]["claimable"] is None
    assert found["books"][0]["earned"] == "178"
    assert "No endpoint of the chain answers" in browser.get(f"/accounts/{address(ADA)}").text


def test_before_the_first_root_nothing_is_claimable(browser: TestClient, told: kit.Told) -> None:
    told.root = None
    books = answer(browser, f"/accounts/{address(ADA)}")["books"]
    assert books[0]["claimable"] == "0"
    assert books[0]["pending"] == "147"  # 278 - 131 claimed


def test_earnings_are_differences_of_leaves(browser: TestClient) -> None:
    rows = answer(browser, f"/accounts/{address(ADA)}/earnings")["items"]
    shown = [
        (r["epoch"], r["earned_currency"], r["spent_currency"], r["earned_token"]) for r in rows
    ]
    assert shown == [(2, "7", "0", "0"), (1, "40", "3", "11"), (0, "131", "17", "5")]
    assert [(one["resource"], one["amount_wei"]) for one in rows[1]["rewards"]] == [
        (RESOURCE, "7"),
        ("verifiers", "4"),
    ]
    first = answer(browser, f"/accounts/{address(ADA)}/earnings", limit=1)
    second = answer(browser, f"/accounts/{address(ADA)}/earnings", limit=1, cursor=first["next"])
    assert [page["items"][0] for page in (first, second)] == rows[:2]


def test_movements_devices_and_votes(browser: TestClient, site: Site) -> None:
    kinds = [m["kind"] for m in answer(browser, f"/accounts/{address(ADA)}/movements")["items"]]
    assert kinds == ["claim", "withdrawn", "withdrawal_requested", "deposit"]
    devices = answer(browser, f"/accounts/{address(ADA)}/devices")["items"]
    assert [(d["device"]["device"], d["ppm"], d["named"]) for d in devices] == [
        (7, 300_000, True),
        (9, 1_000_000, False),
    ]
    of_bob = answer(browser, f"/accounts/{address(BOB)}/devices")["items"]
    assert [(d["device"]["device"], d["ppm"]) for d in of_bob] == [(7, 700_000)]
    kit.fill(
        site.engine,
        schema.proposal,
        {
            "proposal": "5", "number": 1, "proposer": BOB, "title": "<b>Less</b>", "body": "",
            "calls": "[]", "changes": "{}", "vote_start": 1, "vote_end": 2, "tx": kit.digest(5),
        },
    )  # fmt: skip
    kit.fill(
        site.engine,
        schema.vote,
        {
            "proposal": "5", "number": 0, "voter": ADA, "support": "for", "weight": 3,
            "reason": "=1+1", "tx": kit.digest(6),
        },
    )  # fmt: skip
    votes = answer(browser, f"/accounts/{address(ADA)}/votes")["items"]
    assert [(v["proposal"], v["support"], v["weight"]) for v in votes] == [(1, "for", "3")]
    page = browser.get(f"/accounts/{address(ADA)}").text
    assert "&lt;b&gt;Less" in page
    assert "<b>Less" not in page


def test_what_an_account_lets_a_device_spend_is_beside_it(site: Site, browser: TestClient) -> None:
    kit.fill(
        site.engine,
        schema.spend_limit,
        {"account": ADA, "device": 7, "limit": 3_000_017},
        {"account": BOB, "device": 7, "limit": 5},
    )
    owned = answer(browser, f"/accounts/{address(ADA)}/devices")["items"]
    limits = {one["device"]["device"]: one["spend_limit"] for one in owned}
    assert limits[7] == "3000017"
    assert set(limits.values()) <= {"3000017", "0"}
    assert "3.00 tEUR" in browser.get(f"/accounts/{address(ADA)}").text


def test_every_page_of_an_account_opens(browser: TestClient) -> None:
    for path in ("", "/earnings", "/movements", "/devices", "/votes", "/statement"):
        found = browser.get(f"/accounts/{address(ADA)}{path}")
        assert found.status_code == 200, found.text
        assert found.text.count("<h1>") == 1
    assert browser.get("/accounts").status_code == 200
    assert browser.get(f"/accounts/{address(kit.account(1))}").status_code == 200
    assert browser.get(f"/accounts/{address(ADA)}/nothing").status_code in (404, 422)


# --- statements -----------------------------------------------------------------------------------


def balance(one: Mapping[str, Any], name: str) -> tuple[int, int, int, int]:
    return tuple(  # type: ignore[return-value]
        int(one[key]) for key in (f"opening_{name}", f"{name}_in", f"{name}_out", f"closing_{name}")
    )


def test_a_statement_adds_up(browser: TestClient) -> None:
    found = answer(browser, f"/accounts/{address(ADA)}/statement", month="2026-01")
    money, token = found["assets"]
    # deposit: 1,000 in; 17 + 3 spent and 100 given back
    assert balance(money, "deposit") == (0, 1_000, 120, 880)
    # earnings: 131 + 40 earned and 100 given back; 131 claimed
    assert balance(money, "earnings") == (0, 271, 131, 140)
    assert balance(token, "earnings") == (0, 16, 0, 16)
    for one in found["assets"]:
        for name in ("deposit", "earnings"):
            opening, inward, outward, closing = balance(one, name)
            assert opening + inward - outward == closing
            assert sum(int(entry[f"{name}_in"]) for entry in one["entries"]) == inward
            assert sum(int(entry[f"{name}_out"]) for entry in one["entries"]) == outward


def test_a_month_opens_as_the_one_before_closed(browser: TestClient) -> None:
    months = [
        answer(browser, f"/accounts/{address(ADA)}/statement", month=name)["assets"]
        for name in ("2025-12", "2026-01", "2026-02", "2026-03")
    ]
    for earlier, later in pairwise(months):
        for one, two in zip(earlier, later, strict=True):
            assert one["closing_deposit"] == two["opening_deposit"]
            assert one["closing_earnings"] == two["opening_earnings"]
    assert balance(months[2][0], "earnings") == (140, 7, 0, 147)
    # after the last month: deposited 1,000 - 120; earned 278 - 131 claimed
    assert months[3][0]["closing_deposit"] == "880"
    assert months[3][0]["closing_earnings"] == "147"


def test_everybody_sees_the_sums_and_the_account_its_purposes(
    site: Site, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/accounts/{address(ADA)}/statement"
    public = answer(browser, path, month="2026-01")
    assert public["private"]
    texts = {entry["text"] for entry in public["assets"][0]["entries"]}
    assert texts == {
        "Deposit", "Claim", "Payments received", "Payments for services",
        "Deposit given back, to be claimed",
    }  # fmt: skip
    own = answer(signed_in(site, ADA, monkeypatch), path, month="2026-01")
    assert not own["private"]
    resource = site.resources[RESOURCE]
    code = next(iter(resource.purposes))
    sold, bought = resource.purpose(code, received=True), resource.purpose(code)
    assert sold != bought  # each side of a trade reads its own sentence
    first = [e for e in own["assets"][0]["entries"] if e["epoch"] == 0 and e["kind"] == "earning"]
    # 101 was paid directly; what device 7 earned is split among payees: the rest of the leaf
    assert {(e["text"], e["earnings_in"]) for e in first} == {
        (sold, "101"),
        ("Shares of what devices earned", "30"),
    }
    assert own["assets"][0]["closing_earnings"] == public["assets"][0]["closing_earnings"]
    others = answer(signed_in(site, BOB, monkeypatch), path, month="2026-01")
    assert others["private"]
    assert bought not in {e["text"] for e in own["assets"][0]["entries"] if e["kind"] == "earning"}


def test_rewards_are_told_by_resource(browser: TestClient) -> None:
    token = answer(browser, f"/accounts/{address(ADA)}/statement", month="2026-01")["assets"][1]
    rewards = [(e["epoch"], e["text"], e["earnings_in"]) for e in token["entries"]]
    assert (1, "Reward: Running a verifier", "4") in rewards
    assert sum(int(amount) for _, _, amount in rewards) == 16


def test_parts_that_exceed_their_total_explain_nothing() -> None:
    assert list(explained(10, {"a": 3, "b": 4}, "rest")) == [("a", 3), ("b", 4), ("rest", 3)]
    assert list(explained(10, {"a": 11}, "rest")) == [("rest", 10)]
    assert list(explained(7, {"a": 3, "b": 4}, "rest")) == [("a", 3), ("b", 4)]
    assert list(explained(0, {}, "rest")) == []


def test_a_month_is_complete_when_it_is_over_and_settled(site: Site) -> None:
    def complete() -> bool:
        with site.engine.connect() as connection:
            return month_statement(connection, site, ADA, month_of("2026-01"), None).complete

    clock: Any = site.clock
    assert not complete()
    clock.time_s = FEBRUARY
    assert complete()
    kit.fill(site.engine, schema.epoch, final(3, FEBRUARY - 1, settled=False))
    assert not complete()


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "1999-01", "2026-01-01", "x", "2026-00"])
def test_what_is_no_month_is_refused(browser: TestClient, text: str) -> None:
    found = browser.get(f"/api/v1/accounts/{address(ADA)}/statement", params={"month": text})
    assert found.status_code in (400, 422)


def test_months_follow_each_other() -> None:
    december = month_of("2026-12")
    assert (december.before, december.after) == ("2026-11", "2027-01")
    assert december.ends == month_of("2027-01").begins
    assert month_at(december.ends - 1).name == "2026-12"


# --- files ----------------------------------------------------------------------------------------


def test_the_file_says_the_same(browser: TestClient) -> None:
    found = browser.get(f"/accounts/{address(ADA)}/statement.csv", params={"month": "2026-01"})
    assert found.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert found.content.startswith(b"\xef\xbb\xbf")  # a spreadsheet knows the encoding by it
    assert 'filename="0x' in found.headers["content-disposition"]
    assert found.text.count("\r\n") == found.text.count("\n")
    rows = list(csv.DictReader(io.StringIO(found.content.decode("utf-8-sig"), newline="")))
    money = [row for row in rows if row["asset"] == "tEUR"]
    assert (money[0]["kind"], money[-1]["kind"]) == ("opening", "closing")
    assert money[-1]["deposit_balance"] == money[-2]["deposit_balance"] == "0.000880"
    assert money[-1]["earnings_balance"] == money[-2]["earnings_balance"] == "0.000140"
    assert money[-1]["deposit_in"] == "0.001000"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe_cell(text) == "'" + text
    assert safe_cell("x" + text) == "x" + text


def test_a_hostile_purpose_stays_text(site: Site, browser: TestClient) -> None:
    hostile = '=cmd|"/c calc"!A1'
    kit.fill(
        site.engine,
        schema.reward,
        {"epoch": 2, "number": 0, "resource": hostile, "account": EVE, "amount_wei": 3},
    )
    kit.fill(site.engine, schema.payout, leaf(2, TOKEN, EVE, 3, 0))
    found = browser.get(f"/accounts/{address(EVE)}/statement.csv", params={"month": "2026-02"})
    for row in csv.reader(io.StringIO(found.content.decode("utf-8-sig"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    page = browser.get(f"/accounts/{address(EVE)}/statement", params={"month": "2026-02"}).text
    assert "&#34;/c calc&#34;" in page


def test_units_are_written_in_full() -> None:
    assert plain_units(1_230_000, 6) == "1.230000"
    assert plain_units(-5, 2) == "-0.05"
    assert plain_units(7, 0) == "7"
    assert plain_units(2**255, 18).endswith(".792003956564819968")
