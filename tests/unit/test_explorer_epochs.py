"""Epochs in the explorer: their course, evidence, money, payout tree, and how to check them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, update
from starlette.testclient import TestClient

from commonworks.explorer.index import schema
from commonworks.explorer.queries.epoch_times import Courses
from commonworks.explorer.site import Site
from commonworks.explorer.web.pagination import encode_cursor
from explorer_epoch_world import (
    ADA,
    BOB,
    EVE,
    HOSTILE,
    OPEN,
    SEALED,
    VAL,
    VERA,
    VIC,
    epoch_row,
    get,
    hex_of,
    world,
)
from explorer_kit import DAY, GENESIS, FixedClock, account, client, digest, fill, make_site, sign_in

CURRENCY, TOKEN = account(0xE0), account(0x70)


@pytest.fixture
def site() -> Site:
    return world()


@pytest.fixture
def web(site: Site) -> TestClient:
    return client(site)


def walked(web: TestClient, path: str, **params: Any) -> list[Any]:
    """Return a list's items, two a page."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(30):
        page = get(web, path, limit=2, **params, **cursor)
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}
    raise AssertionError("the list never ends")


# --- the list -------------------------------------------------------------------------------------


def test_epochs_from_the_one_that_runs_down_to_the_first(web: TestClient) -> None:
    rows = get(web, "/epochs")["items"]
    assert [(one["epoch"], one["state"]) for one in rows] == [
        (3, "open"),
        (2, "closing"),
        (1, "finalised"),
        (0, "finalised"),
    ]
    assert walked(web, "/epochs") == rows
    # with the policy's defaults: an hour of grace, half an hour to confirm
    assert rows[0]["closes_at"] == GENESIS + 4 * DAY + 3_600 + 1_800
    assert rows[2]["statements"] == 12
    assert rows[2]["paid"] == "5000013"
    assert rows[0]["statements"] is None


def test_a_closed_epoch_that_is_not_final(site: Site, web: TestClient) -> None:
    empty = {name: None for name in epoch_row(2) if name not in (
        "epoch", "start_s", "end_s", "closed_at", "closed_block", "closed_tx", "evidence_hash",
    )}  # fmt: skip
    fill(site.engine, schema.epoch, epoch_row(2, **empty))
    found = get(web, "/epochs/2")
    assert found["state"] == "closed"
    assert not found["settled"]
    assert found["check"] is None
    assert found["leaves"] is None
    assert web.get("/epochs/2").status_code == 200


def test_a_cursor_beyond_the_newest_epoch_shows_nothing_that_has_not_begun(
    web: TestClient,
) -> None:
    first = get(web, "/epochs", limit=1)
    far = first["next"]
    assert get(web, "/epochs", cursor=far)["items"][0]["epoch"] == 2
    assert get(web, "/epochs", cursor=encode_cursor(2**62))["items"][0]["epoch"] == 3
    assert get(web, "/epochs", cursor=encode_cursor(-5))["items"] == []


def test_before_genesis_there_is_no_epoch() -> None:
    web = client(make_site(clock=FixedClock(GENESIS - 1)))
    assert get(web, "/epochs") == {"items": [], "next": None}
    assert "The first epoch has not begun." in web.get("/epochs").text


# --- its course -----------------------------------------------------------------------------------


def moments(found: Any) -> dict[str, tuple[int | None, str]]:
    return {one["code"]: (one["time"], one["state"]) for one in found["timeline"]}


def test_the_course_of_a_settled_epoch(web: TestClient) -> None:
    end = GENESIS + 2 * DAY
    assert moments(get(web, "/epochs/1")) == {
        "began": (GENESIS + DAY, "done"),
        "ended": (end, "done"),
        "grace": (end + 3_600, "done"),
        "deadline": (end + 5_400, "done"),
        "closed": (end + 5_401, "done"),
        "attested": (end + 5_407, "done"),
        "finalised": (end + 5_503, "done"),
        # an hour of hold after it was made final
        "claimable": (end + 9_103, "done"),
    }


def test_the_course_of_the_epoch_that_runs(web: TestClient) -> None:
    found = moments(get(web, "/epochs/3"))
    assert found["began"] == (GENESIS + 3 * DAY, "done")
    assert found["ended"] == (GENESIS + 4 * DAY, "due")
    assert found["closed"] == found["claimable"] == (None, "open")


def test_times_follow_the_policy_of_that_epoch(site: Site, web: TestClient) -> None:
    change = {"minimum": 0, "maximum": 10**6, "time": GENESIS, "tx": digest(1)}
    fill(
        site.engine,
        schema.parameter_change,
        {"key": "grace_s", "number": 0, "value": 101, "from_epoch": 0, **change},
        {"key": "grace_s", "number": 1, "value": 211, "from_epoch": 1, **change},
        {"key": "grace_s", "number": 2, "value": 307, "from_epoch": 1, **change},
        {"key": "hold_s", "number": 0, "value": 7, "from_epoch": 1, **change},
    )
    with site.engine.connect() as connection:
        courses = Courses(connection, site)
    assert [courses.of(number).opens - courses.of(number).end for number in (0, 1, 2)] == [
        101,
        307,
        307,
    ]
    end = GENESIS + 2 * DAY
    assert moments(get(web, "/epochs/1"))["claimable"][0] == end + 5_503 + 7
    # epoch 0: the default hold, an hour
    assert moments(get(web, "/epochs/0"))["claimable"][0] == GENESIS + DAY + 5_503 + 3_600


# --- evidence and verdicts ------------------------------------------------------------------------


def test_evidence_ranges_by_log(web: TestClient) -> None:
    ranges = get(web, "/epochs/1")["ranges"]
    assert [(one["first"], one["size"], one["entries"]) for one in ranges] == [
        (7, 19, 12),
        (0, 1, 1),
    ]
    assert ranges[0]["log"]["gateway"] == HOSTILE


def test_who_confirmed_and_attested_what_and_who_did_not(web: TestClient) -> None:
    parts = {one["verifier"]["address"].lower(): one for one in get(web, "/epochs/1")["verifiers"]}
    assert set(parts) == {hex_of(VERA), hex_of(VIC), hex_of(VAL)}
    assert parts[hex_of(VERA)]["agrees"] is True
    assert parts[hex_of(VIC)]["agrees"] is False
    assert parts[hex_of(VAL)]["confirmed_at"] is parts[hex_of(VAL)]["digest"] is None
    assert [tip["agrees"] for tip in parts[hex_of(VERA)]["tips"]] == [True]
    assert [tip["agrees"] for tip in parts[hex_of(VIC)]["tips"]] == [False]
    text = web.get("/epochs/1").text
    for words in ("did not attest", "did not confirm", "another digest", "less than was frozen"):
        assert words in text, words


def test_verdicts_by_reason_add_up(web: TestClient) -> None:
    found = get(web, "/epochs/1")
    counts = [(one["reason"] and one["reason"]["code"], one["statements"])
              for one in found["verdicts"]]  # fmt: skip
    assert counts == [(None, 7), ("bad_signature", 3), ("not_bound", 2)]
    assert sum(many for _, many in counts) == found["statements"]
    assert [(one["reason"]["code"], one["spans"]) for one in found["spans"]] == [
        ("sealed.too_much", 2),
        ("open.too_much", 1),
    ]
    assert "/statements?epoch=1&amp;reason=bad_signature" in web.get("/epochs/1").text


# --- money ----------------------------------------------------------------------------------------


def test_totals_by_purpose_are_for_everybody_and_add_up(web: TestClient) -> None:
    found = get(web, "/epochs/1")
    purposes = {one["purpose"]: (one["payments"], int(one["amount"])) for one in found["purposes"]}
    assert purposes == {
        "open.trade": (1, 3_000_000),
        "sealed.fee": (1, 13),
        "sealed.trade": (1, 2_000_000),
    }
    assert sum(amount for _, amount in purposes.values()) == int(found["paid"])


def test_sums_are_exact_beyond_63_bits(site: Site, web: TestClient) -> None:
    huge = 2**200
    rows = [
        {"epoch": 0, "number": number, "resource": SEALED, "account": ADA, "amount_wei": huge + 1}
        for number in range(3)
    ]
    fill(site.engine, schema.reward, *rows)
    assert get(web, "/epochs/0")["pools"] == [
        {"pool": SEALED, "accounts": 1, "amount_wei": str(3 * huge + 3)}
    ]


def test_resources_pools_and_residuals(web: TestClient) -> None:
    found = get(web, "/epochs/1")
    assert [(one["resource"], one["devices"], one["quantity"], one["rewards_wei"], one["private"])
            for one in found["resources"]] == [
        (OPEN, 1, 4_007, "0", False),
        (SEALED, 2, 3_012, str(5 * 10**18), True),
    ]  # fmt: skip
    pools = {one["pool"]: int(one["amount_wei"]) for one in found["pools"]}
    assert pools == {SEALED: 5 * 10**18, "verifiers": 2 * 10**18}
    assert sum(pools.values()) == int(found["minted_wei"])
    assert [(one["name"], one["value"], one["unit"]) for one in found["residuals"]] == [
        ("Not minted", str(3 * 10**18), ""),
        ("Residual", "1500", "kWh"),
    ]
    assert "1.50 kWh" in web.get("/epochs/1").text


def test_deposits_given_back(site: Site, web: TestClient) -> None:
    at = {"block": 44, "log_index": 1, "time": GENESIS, "tx": digest(321)}
    fill(
        site.engine,
        schema.chain_event,
        {**at, "kind": "finalised", "epoch": 1, "detail": "{}"},
    )
    for number, amount in enumerate((7, 11)):
        movement = {"kind": "withdrawn", "account": ADA, "asset": CURRENCY, "epoch": 1}
        fill(site.engine, schema.movement, {**at, **movement, "number": number, "amount": amount})
    found = get(web, "/epochs/1")["withdrawn"]
    assert [(one["requests"], one["amount"]) for one in found] == [(2, "18")]


def test_a_stranger_sees_payments_of_public_resources_only(web: TestClient) -> None:
    rows = get(web, "/epochs/1/payments")["items"]
    assert [(one["number"], one["resource"]) for one in rows] == [(2, OPEN)]


@pytest.mark.parametrize(
    ("who", "numbers"), [(ADA, [0, 2]), (BOB, [0, 1, 2]), (EVE, [2]), (account(1), [2])]
)
def test_members_see_their_own_payments_too(
    web: TestClient, who: bytes, numbers: list[int]
) -> None:
    sign_in(web, who)
    assert [one["number"] for one in walked(web, "/epochs/1/payments")] == numbers


def test_quantities_of_work_are_for_those_concerned(web: TestClient) -> None:
    def seen() -> list[int | None]:
        return [one["quantity"] for one in walked(web, "/epochs/1/work")]

    assert seen() == [4_007, None, None]
    assert "1,009" not in web.get("/epochs/1").text
    sign_in(web, ADA)
    assert seen() == [4_007, 1_009, None]
    sign_in(web, EVE)
    assert seen() == [4_007, None, None]


def test_rewards_are_public(web: TestClient) -> None:
    assert [one["amount_wei"] for one in walked(web, "/epochs/1/rewards")] == [
        str(3 * 10**18),
        str(2 * 10**18),
        str(2 * 10**18),
    ]


# --- the payout tree ------------------------------------------------------------------------------


def leaves(rows: Any) -> list[tuple[str, str, str, int]]:
    return [
        (one["account"]["address"][-3:].lower(), one["earned"], one["spent"], one["changed_in"])
        for one in rows
    ]


def test_leaves_are_the_newest_up_to_the_epoch(web: TestClient) -> None:
    assert leaves(walked(web, "/epochs/1/payouts")) == [
        ("ada", str(3 * 10**18), "0", 1),
        ("ada", "5000005", "0", 1),
        ("b0b", "0", "2000013", 1),
    ]
    assert leaves(walked(web, "/epochs/0/payouts")) == [("ada", "5", "0", 0), ("b0b", "0", "0", 0)]
    assert get(web, "/epochs/1")["leaves"] == 3
    assert get(web, "/epochs/0")["leaves"] == 2


def test_leaves_are_found_by_account_with_a_link_to_their_proof(web: TestClient) -> None:
    rows = get(web, "/epochs/1/payouts", account=hex_of(ADA))["items"]
    assert [one["symbol"] for one in rows] == ["CWT", "tEUR"]
    assert rows[1]["proof"].lower() == f"/proofs/payout/1/{hex_of(CURRENCY)}/{hex_of(ADA)}"
    text = web.get(f"/epochs/1?account={hex_of(ADA)}").text
    assert rows[1]["proof"] in text
    assert "This account has no leaf." in web.get(f"/epochs/1?account={hex_of(EVE)}").text


# --- what was attested, and how to check it -------------------------------------------------------


def test_every_part_of_the_digest_is_explained(web: TestClient) -> None:
    found = get(web, "/epochs/1")
    assert [one["name"] for one in found["commitment"]] == [
        "previous_digest", "evidence_hash", "facts_hash", "policy_hash", "rules_hash",
        "result_hash", "state_hash", "payout_root", "minted_wei",
    ]  # fmt: skip
    assert all(one["meaning"] for one in found["commitment"])
    assert found["totals"] == [
        {
            "asset": found["totals"][0]["asset"],
            "symbol": "tEUR",
            "earned": "17",
            "spent": "19",
        }
    ]


def test_the_command_that_recomputes_it_is_exact(web: TestClient) -> None:
    assert get(web, "/epochs/1")["check"] == {
        "command": "commonworks audit 1 --home home/test",
        "elsewhere": "commonworks audit 1 --home FOLDER",
        "quick": "commonworks audit 1 --from-state --home home/test",
        "verdicts": "commonworks verdicts 1 --home home/test",
    }
    text = web.get("/epochs/1").text
    assert 'data-copy="commonworks audit 1 --home home/test"' in text
    assert get(web, "/epochs/3")["check"] is None


def test_a_folder_with_a_space_is_quoted() -> None:
    check = get(client(world(home="my home")), "/epochs/1")["check"]
    assert check["command"] == "commonworks audit 1 --home 'my home'"


def test_figures_of_an_epoch_are_not_added_up_when_it_is_looked_at(
    site: Site, web: TestClient
) -> None:
    before = get(web, "/epochs/1")
    asked: list[str] = []

    @event.listens_for(site.engine, "before_cursor_execute")
    def remember(_c: Any, _cursor: Any, text: str, *_: Any) -> None:
        asked.append(text)

    assert get(web, "/epochs/1") == before
    summed = ("FROM work", "FROM payment", "FROM reward", "FROM span", "FROM payout ")
    assert asked
    assert [text for text in asked if any(part in text for part in summed)] == []


def test_what_is_final_and_not_yet_read_is_not_kept(site: Site, web: TestClient) -> None:
    unread = {"statements": None, "accepted": None, "rejected": None, "paid_micro": None}
    with site.engine.begin() as connection:
        one = schema.epoch.c.epoch == 1
        connection.execute(update(schema.epoch).where(one).values(**unread))
    assert get(web, "/epochs/1")["leaves"] is None
    assert "has not read its settlement yet" in web.get("/epochs/1").text
    with site.engine.begin() as connection:
        connection.execute(
            update(schema.epoch).where(one).values(statements=12, accepted=7, rejected=5)
        )
    assert get(web, "/epochs/1")["leaves"] == 3


# --- strangers' texts, wrong addresses ------------------------------------------------------------


def test_hostile_names_are_text(web: TestClient) -> None:
    for path in ("/epochs/1", "/epochs", "/epochs/0"):
        text = web.get(path).text
        assert "<script>alert" not in text
        assert HOSTILE not in text
    assert "&lt;script&gt;alert" in web.get("/epochs/1").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/epochs/4", 404),
        (f"/epochs/{2**63 - 1}", 404),
        ("/epochs/4/payouts", 404),
        ("/epochs/4/payments", 404),
        ("/epochs/4/rewards", 404),
        ("/epochs/4/work", 404),
        ("/epochs?cursor=nonsense", 400),
        ("/epochs/1/payouts?cursor=nonsense", 400),
        ("/epochs/1/payments?cursor=nonsense", 400),
    ],
)
def test_what_is_not_there_is_a_problem(web: TestClient, path: str, status: int) -> None:
    answer = web.get("/api/v1" + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_pages_answer_in_html(web: TestClient) -> None:
    assert web.get("/epochs/4").status_code == 404
    assert web.get("/epochs/1?account=0x12").status_code == 400
    assert web.get("/epochs/1?account=&leaves=nonsense").status_code == 400
    for number in range(4):
        assert web.get(f"/epochs/{number}").status_code == 200
