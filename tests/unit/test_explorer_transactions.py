"""Prepared calls, signed transactions and what they did, over ports that a test tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

import explorer_kit as kit
from commonworks.errors import Conflict, Unavailable
from commonworks.explorer.index import schema
from commonworks.explorer.ports import Prepared, PriceNow
from commonworks.explorer.queries.transactions import EVENTS_MAX

ADA = "0x" + "0" * 38 + "A1"
TX = "0x" + kit.digest(7).hex()


@pytest.fixture
def told() -> kit.Told:
    call = Prepared(to=kit.account(0x52), data=b"\x01\x02", value_wei=0, does="Pays <b>Ada</b>.")
    return kit.Told(prepared=(call,))


@pytest.fixture
def browser(told: kit.Told) -> TestClient:
    return kit.client(kit.make_site(told))


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("claim", {"asset": "token"}),
        ("deposit", {"value": "12.5"}),
        ("withdraw", {"value": "12.5", "asset": "currency"}),
        ("limit", {"device": 7, "value": "0"}),
        ("sell", {"value": "3", "slippage": "1"}),
        ("delegate", {"to": ADA}),
        ("vote", {"proposal": 1, "support": "for", "reason": "why"}),
        ("queue", {"proposal": 1}),
        ("execute", {"proposal": 1}),
        ("cancel", {"proposal": 1}),
        ("enrol", {"resource": "energy", "public_key": "0x" + "11" * 32}),
        ("payees", {"device": 7, "shares": [{"account": ADA, "ppm": 1_000_000}]}),
    ],
)
def test_an_action_is_prepared(
    browser: TestClient, told: kit.Told, action: str, values: dict[str, Any]
) -> None:
    found = browser.post(f"/api/v1/actions/{action}", json={"account": ADA, **values})
    assert found.status_code == 200, found.text
    assert found.json() == {
        "chain_id": 31_337,
        "calls": [
            {
                "to": "0x0000000000000000000000000000000000000052",
                "data": "0x0102",
                "value": "0",
                "does": "Pays <b>Ada</b>.",
            }
        ],
    }
    ((asked, got),) = told.asked
    assert asked == action
    assert {"account": ADA, **values}.items() <= got.items()


@pytest.mark.parametrize(
    "body",
    [
        {"account": "ada", "asset": "token"},
        {"asset": "token"},
        {"account": ADA, "asset": "gold"},
        {"account": ADA, "asset": "token", "more": 1},
        [],
    ],
)
def test_a_wish_that_does_not_fit_is_refused(browser: TestClient, body: object) -> None:
    assert browser.post("/api/v1/actions/claim", json=body).status_code == 422
    assert browser.post("/api/v1/actions/steal", json=body).status_code in (404, 405)


def test_a_signed_transaction_is_passed_on(browser: TestClient, told: kit.Told) -> None:
    found = browser.post("/api/v1/transactions", json={"raw": "0x02c0"})
    assert found.json() == {"tx": "0x" + kit.digest(1).hex()}
    assert told.submitted == [b"\x02\xc0"]
    for raw in ("02c0", "0x", "0x0", "0xgg", "0x" + "00" * 60_001):
        assert browser.post("/api/v1/transactions", json={"raw": raw}).status_code == 422
    foreign = {"origin": "https://evil.example"}
    found = browser.post("/api/v1/transactions", json={"raw": "0x02c0"}, headers=foreign)
    assert found.status_code == 403
    assert len(told.submitted) == 1


def test_a_refusal_is_a_problem_in_words(
    browser: TestClient, told: kit.Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: bytes) -> bytes:
        raise Conflict("The account does not have that much.", hint="Take less.")

    monkeypatch.setattr(told, "submit", refuse)
    found = browser.post("/api/v1/transactions", json={"raw": "0x02c0"})
    assert found.status_code == 409
    assert found.headers["content-type"] == "application/problem+json"
    assert found.json()["detail"] == "The account does not have that much.; Take less."


def recorded(place: int) -> dict[str, Any]:
    return {
        "block": 5, "log_index": place, "time": kit.GENESIS, "tx": kit.digest(7),
        "kind": "claimed", "epoch": 0, "account": kit.account(0xA1),
        "asset": kit.network().currency, "amount": 1_230_000, "detail": json.dumps({}),
    }  # fmt: skip


def test_what_a_transaction_did(told: kit.Told) -> None:
    site = kit.make_site(told)
    kit.fill(site.engine, schema.chain_event, recorded(0), recorded(1))
    browser = kit.client(site)
    found = browser.get(f"/api/v1/transactions/{TX}").json()
    assert (found["state"], found["block"], found["more"]) == ("succeeded", 5, False)
    assert [event["log_index"] for event in found["events"]] == [0, 1]
    assert "claimed 1.23 tEUR" in found["events"][0]["text"]
    page = browser.get(f"/transactions/{TX}").text
    assert "Succeeded" in page
    assert "claimed 1.23 tEUR" in page
    kit.fill(site.engine, schema.chain_event, *(recorded(n) for n in range(2, EVENTS_MAX + 1)))
    found = browser.get(f"/api/v1/transactions/{TX}").json()
    assert (len(found["events"]), found["more"]) == (EVENTS_MAX, True)


@pytest.mark.parametrize(
    ("receipt", "state", "words"),
    [
        (True, "succeeded", "Succeeded"),
        (False, "failed", "refused it when its block was made"),
        (None, "waiting", "It is in no block"),
    ],
)
def test_what_became_of_a_transaction(
    browser: TestClient, told: kit.Told, receipt: bool | None, state: str, words: str
) -> None:
    if receipt is not None:
        told.receipts[kit.digest(7)] = receipt
    assert browser.get(f"/api/v1/transactions/{TX}").json()["state"] == state
    assert words in browser.get(f"/transactions/{TX}").text


def test_a_chain_that_does_not_answer_is_said(
    browser: TestClient, told: kit.Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: bytes) -> bool | None:
        raise Unavailable("nobody there")

    monkeypatch.setattr(told, "receipt", silent)
    assert browser.get(f"/api/v1/transactions/{TX}").json()["state"] == "unknown"
    assert "No endpoint of the chain answers" in browser.get(f"/transactions/{TX}").text


def test_a_quote(browser: TestClient, told: kit.Told) -> None:
    assert browser.get("/api/v1/quote?amount_in=5").status_code == 404
    told.price = PriceNow(amount_in=5, amount_out=3)
    assert browser.get("/api/v1/quote?amount_in=5").json() == {"amount_in": "5", "amount_out": "3"}
    assert browser.get("/api/v1/quote?amount_in=-5").status_code == 422
