"""Statements and reasons in the explorer: found, explained, shown, and hidden where personal."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from commonworks.explorer.index import schema
from commonworks.explorer.models.statements import CheckState, Standing
from commonworks.explorer.queries.verdict_words import checks
from commonworks.explorer.site import Site
from commonworks.statements.model import (
    REASONS,
    REFUSALS,
    Reason,
)
from explorer_epoch_world import (
    HOSTILE,
    LOG_A,
    LOG_B,
    get,
    world,
)
from explorer_kit import client, fill, make_site


@pytest.fixture
def site() -> Site:
    return world()


@pytest.fixture
def web(site: Site) -> TestClient:
    return client(site)


def places(page: Any) -> list[tuple[str, int]]:
    return [(one["log"]["log_id"][-1], one["position"]) for one in page["items"]]


# --- the list -------------------------------------------------------------------------------------


def test_what_waits_comes_first_then_the_newest_epoch_its_rejections_first(
    web: TestClient,
) -> None:
    rows = get(web, "/statements", limit=200)["items"]
    assert len(rows) == 21
    assert [one["outcome"] for one in rows[:2]] == ["waiting", "waiting"]
    assert [one["epoch"] for one in rows[2:14]] == [1] * 12
    assert [one["outcome"] for one in rows[2:7]] == ["rejected"] * 5
    assert [one["outcome"] for one in rows[7:14]] == ["accepted"] * 7
    assert [one["epoch"] for one in rows[14:]] == [0] * 7


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"outcome": "rejected"}, 5),
        ({"outcome": "accepted"}, 14),
        ({"outcome": "waiting"}, 2),
        ({"reason": "bad_signature"}, 3),
        ({"reason": "too_late"}, 0),
        ({"epoch": 1}, 12),
        ({"epoch": 1, "outcome": "rejected"}, 5),
        ({"epoch": 1, "reason": "not_bound"}, 2),
        ({"epoch": 7}, 0),
        ({"device": 1}, 10),
        ({"device": 1, "outcome": "rejected"}, 3),
        ({"device": 1, "outcome": "waiting"}, 1),
        ({"device": 1, "epoch": 0}, 4),
        ({"kind": "binding"}, 4),
        ({"kind": "binding", "outcome": "waiting"}, 1),
        ({"kind": "report"}, 17),
        ({"kind": "site"}, 0),
        ({"kind": "report", "outcome": "rejected"}, 5),
        ({"kind": "binding", "outcome": "rejected"}, 0),
        ({"resource": "open"}, 2),
        ({"resource": "open", "outcome": "accepted"}, 0),
        ({"resource": "sealed", "outcome": "rejected"}, 3),
        ({"log": LOG_B.hex()}, 1),
        ({"log": LOG_A.hex()}, 20),
        ({"log": LOG_A.hex(), "outcome": "rejected"}, 5),
        ({"log": LOG_A.hex(), "outcome": "waiting"}, 2),
        ({"log": LOG_A.hex(), "kind": "binding", "epoch": 0}, 3),
        ({"log": "0x" + LOG_A.hex().upper(), "device": 2}, 7),
    ],
)
def test_filters_and_pages(web: TestClient, filters: dict[str, Any], count: int) -> None:
    whole = get(web, "/statements", limit=200, **filters)
    assert len(whole["items"]) == count
    assert whole["next"] is None
    found: list[tuple[str, int]] = []
    cursor: dict[str, str] = {}
    for _ in range(30):
        page = get(web, "/statements", limit=3, **filters, **cursor)
        found += places(page)
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == places(whole)
    assert len(set(found)) == count


def test_of_one_log_the_newest_position_comes_first(web: TestClient) -> None:
    rows = get(web, "/statements", log=LOG_A.hex(), limit=200)["items"]
    assert [one["position"] for one in rows] == list(range(19, -1, -1))


def test_a_page_stays_the_same_while_more_is_logged(site: Site, web: TestClient) -> None:
    first = get(web, "/statements", outcome="rejected", limit=2)
    before = get(web, "/statements", outcome="rejected", limit=2, cursor=first["next"])
    with site.engine.begin() as connection:
        newest = schema.statement.c.position == 19
        connection.execute(
            update(schema.statement)
            .where(newest, schema.statement.c.log_id == LOG_A)
            .values(epoch=2, outcome="rejected", reason="future")
        )
    after = get(web, "/statements", outcome="rejected", limit=2, cursor=first["next"])
    assert before == after


# --- one statement --------------------------------------------------------------------------------


def identity_of(site: Site, **wanted: Any) -> str:
    table = schema.statement
    with site.engine.connect() as connection:
        query = select(table.c.identity).where(*(table.c[k] == v for k, v in wanted.items()))
        found = connection.execute(query.order_by(table.c.position)).scalars().first()
    assert found is not None
    return str(found.hex())


def test_a_rejected_statement_says_why_what_it_means_and_what_to_do(
    site: Site, web: TestClient
) -> None:
    found = get(web, f"/statements/{identity_of(site, reason='bad_signature')}")["statement"]
    assert found["summary"] == "Epoch 1 rejected it: bad signature."
    assert found["reason"]["code"] == "bad_signature"
    assert "anybody could have written it" in found["reason"]["meaning"]
    assert "earned nothing and cost nothing" in found["money"]
    assert "check its key" in found["advice"]
    assert [one["state"] for one in found["checks"]] == ["passed"] * 2 + ["failed"] + [
        "skipped"
    ] * 8
    assert found["device"]["device"] == 1
    assert found["signer"]["device"]["label"] == "roof"
    assert found["command"] == "commonworks verdicts 1 --all --device 1 --home home/test"


def test_its_page_says_the_same(site: Site, web: TestClient) -> None:
    identity = identity_of(site, reason="bad_signature")
    text = web.get(f"/statements/{identity}").text
    for part in (
        "Epoch 1 rejected it: bad signature.",
        "anybody could have written it",
        "earned nothing and cost nothing",
        "check its key",
        f"/proofs/receipt/0x{identity}",
        "/epochs/1#check",
        "commonworks receipt get 9 entry-9.cose --gateway",
        "Its log cannot be read from here",
    ):
        assert part in text, part


def test_no_command_holds_what_strangers_chose(site: Site, web: TestClient) -> None:
    identity = identity_of(site, reason="bad_signature")
    command = get(web, f"/statements/{identity}")["statement"]["places"][0]["command"]
    # the gateway's name is hostile: a quote, an ampersand, a turn of the reading direction
    assert command == ("commonworks receipt get 9 entry-9.cose --gateway NAME --home home/test")
    assert HOSTILE not in command
    assert "<script>alert" not in web.get(f"/statements/{identity}").text


def test_a_statement_in_two_logs_lists_both(site: Site, web: TestClient) -> None:
    found = get(web, f"/statements/{identity_of(site, log_id=LOG_B)}")["statement"]
    assert [(one["log"]["log_id"][-1], one["position"]) for one in found["places"]] == [
        ("a", 5),
        ("b", 0),
    ]
    assert found["places"][1]["log"]["gateway"] is None
    assert "--gateway" not in found["places"][1]["command"]


def test_a_waiting_statement_says_so(site: Site, web: TestClient) -> None:
    found = get(web, f"/statements/{identity_of(site, device=1, outcome=None)}")["statement"]
    assert found["outcome"] == "waiting"
    assert found["command"] is None
    assert {one["state"] for one in found["checks"]} == {"skipped"}
    assert "waits for the epoch" in found["summary"]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_fails_exactly_one_check(reason: Reason) -> None:
    states = [one.state for one in checks(Standing.REJECTED, "report", str(reason))]
    at = states.index(CheckState.FAILED)
    assert at < len(states) - 1, "only a resource's reason may fail the last check"
    assert states[:at] == [CheckState.PASSED] * at
    assert set(states[at + 1 :]) <= {CheckState.SKIPPED}


def test_undecodable_bytes_fail_the_first_check() -> None:
    assert checks(Standing.REJECTED, None, "unknown_type")[0].state is CheckState.FAILED
    assert checks(Standing.REJECTED, "report", "sealed.too_much")[-1].state is CheckState.FAILED
    assert all(one.state is CheckState.PASSED for one in checks(Standing.ACCEPTED, "report", None))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/statements/zz", 400),
        (f"/statements/{'0' * 63}", 400),
        (f"/statements/{'g' * 64}", 400),
        (f"/statements/{'0' * 64}", 404),
        ("/statements?cursor=nonsense", 400),
    ],
)
def test_what_is_not_there_is_a_problem(web: TestClient, path: str, status: int) -> None:
    answer = web.get("/api/v1" + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    page = web.get(path)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")


def test_the_form_may_be_sent_empty_or_wrong(web: TestClient) -> None:
    empty = "outcome=&reason=&epoch=&device=&kind=&resource=&log="
    assert web.get(f"/statements?{empty}").status_code == 200
    assert web.get("/statements?outcome=maybe").status_code == 400
    assert web.get("/statements?epoch=soon").status_code == 400
    text = web.get("/statements", params={"reason": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in text


# --- reasons --------------------------------------------------------------------------------------


def test_every_reason_and_refusal_is_listed_with_words_and_counts(web: TestClient) -> None:
    answer = get(web, "/reasons")
    rows = {one["reason"]["code"]: one for one in answer["reasons"]}
    assert set(rows) == {*map(str, REASONS), "sealed.too_much", "open.too_much"}
    assert rows["bad_signature"]["statements"] == 3
    assert rows["not_bound"]["statements"] == 2
    assert rows["bad_signature"]["newest_epoch"] == 1
    assert (rows["sealed.too_much"]["spans"], rows["open.too_much"]["spans"]) == (2, 1)
    assert rows["too_late"]["newest_epoch"] is None
    for one in rows.values():
        assert one["reason"]["title"]
        assert one["reason"]["meaning"]
    assert [one["code"] for one in answer["refusals"]] == [str(one) for one in REFUSALS]
    assert all(one["meaning"] and one["advice"] for one in answer["refusals"])


def test_the_page_of_reasons_links_to_statements_and_can_be_linked_to(web: TestClient) -> None:
    text = web.get("/reasons").text
    assert '<a href="/statements?reason=bad_signature">3</a>' in text
    assert 'id="not_bound"' in text
    assert 'id="sealed.too_much"' in text
    for refusal in REFUSALS:
        assert f"<code>{refusal}</code>" in text


def test_counts_follow_the_index(site: Site, web: TestClient) -> None:
    get(web, "/reasons")
    with site.engine.begin() as connection:
        connection.execute(schema.statement.delete().where(schema.statement.c.epoch == 1))
    fill(site.engine, schema.cursor, {"name": "block", "value": 12})
    rows = {one["reason"]["code"]: one for one in get(web, "/reasons")["reasons"]}
    assert rows["bad_signature"]["statements"] == 0


def test_an_empty_network(web: TestClient) -> None:
    empty = client(make_site())
    assert get(empty, "/statements") == {"items": [], "next": None}
    assert "Nothing is logged yet." in empty.get("/statements").text
    assert empty.get("/reasons").status_code == 200
