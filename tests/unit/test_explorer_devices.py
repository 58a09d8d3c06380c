"""Devices in the explorer: how each stands, what its owner should do, and who sees quantities."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import event, update
from starlette.testclient import TestClient

from commonworks.explorer.index import schema
from commonworks.explorer.queries.devices import coarse
from commonworks.explorer.site import Site
from explorer_epoch_world import (
    ADA,
    BOB,
    EVE,
    HOSTILE,
    SEALED,
    Entries,
    device_row,
    get,
    hex_of,
    world,
)
from explorer_kit import (
    DAY,
    GENESIS,
    account,
    client,
    digest,
    fill,
    make_site,
    set_parameter,
    sign_in,
)


@pytest.fixture
def site() -> Site:
    return world()


@pytest.fixture
def web(site: Site) -> TestClient:
    return client(site)


def ids(page: Any) -> list[int]:
    return [one["device"]["device"] for one in page["items"]]


# --- the list -------------------------------------------------------------------------------------


def test_devices_come_newest_first_with_their_share_of_rejections(web: TestClient) -> None:
    page = get(web, "/devices")
    assert ids(page) == [5, 4, 3, 2, 1]
    first = page["items"][-1]
    assert (first["statements"], first["rejected"], first["rejected_ppm"]) == (8, 3, 375_000)
    assert page["items"][0]["rejected_ppm"] is None
    assert first["device"] == {"device": 1, "label": "roof", "resource": SEALED}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("resource=open", [3]),
        ("resource=nothing", []),
        (f"owner={hex_of(ADA)}", [3, 1]),
        ("rejections=true", [3, 1]),
        ("rejections=false", [5, 4, 2]),
        ("reference=true", [1]),
        ("reference=false", [5, 4, 3, 2]),
        (f"owner={hex_of(BOB)}&rejections=true", []),
        ("resource=sealed&rejections=true", [1]),
    ],
)
def test_filters(web: TestClient, query: str, expected: list[int]) -> None:
    assert ids(get(web, f"/devices?{query}")) == expected


def test_a_device_is_found_by_every_cell_around_it_that_the_map_shows(web: TestClient) -> None:
    # its cell has resolution 9; these are its ancestors of resolution 7, 3 and 0, and a neighbour
    for cell in ("871f8894cffffff", "831f88fffffffff", "801ffffffffffff"):
        assert ids(get(web, f"/devices?cell={cell}")) == [1], cell
    assert ids(get(web, "/devices?cell=871f88940ffffff")) == []


def test_nobody_asks_finer_than_the_map(web: TestClient) -> None:
    answer = web.get("/api/v1/devices?cell=891f8894c6bffff")
    assert answer.status_code == 400
    assert "finer than the map" in answer.json()["detail"]
    assert web.get("/api/v1/devices?cell=fffffffffffffff").status_code == 400


def test_cells_are_shown_no_finer_than_the_map(web: TestClient) -> None:
    assert get(web, "/devices/1")["cell"] == "871f8894cffffff"
    assert get(web, "/devices")["items"][-1]["cell"] == "871f8894cffffff"
    assert "891f8894c6bffff" not in web.get("/devices/1").text
    assert coarse("831f88fffffffff", 7) == "831f88fffffffff"
    assert coarse(None, 7) is None
    assert coarse("11", 7) is None


def test_a_vote_coarsens_devices_that_are_there_already(site: Site, web: TestClient) -> None:
    fine, allowed, coarse_ = "891f8894c6bffff", "861f8894fffffff", "871f8894cffffff"
    set_parameter(site, "map_resolution", (0, 9))
    assert get(web, "/devices/1")["cell"] == fine
    assert get(web, "/devices/1")["map_resolution"] == 9
    assert ids(get(web, f"/devices?cell={fine}")) == [1]
    set_parameter(site, "map_resolution", (0, 9), (3, 6), (4, 9))  # it is epoch 3
    found = get(web, "/devices/1")
    assert (found["cell"], found["map_resolution"]) == (allowed, 6)
    assert get(web, "/devices")["items"][-1]["cell"] == allowed
    assert ids(get(web, f"/devices?cell={allowed}")) == [1]
    for asked in (fine, coarse_):
        answer = web.get(f"/api/v1/devices?cell={asked}")
        assert answer.status_code == 400
        assert allowed in answer.json()["detail"], "what to ask for instead"
    for path in ("/devices/1", "/devices", "/api/v1/search?q=roof", "/search?q=roof"):
        shown = web.get(path).text
        assert fine not in shown
        assert coarse_ not in shown


@pytest.mark.parametrize("query", ["", "resource=sealed&", f"owner={hex_of(BOB)}&"])
def test_pages_are_complete_and_repeat_nothing(web: TestClient, query: str) -> None:
    whole = ids(get(web, f"/devices?{query}limit=200"))
    found: list[int] = []
    cursor = ""
    for _ in range(20):
        page = get(web, f"/devices?{query}limit=2{cursor}")
        found += ids(page)
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == whole
    assert len(found) == len(set(found)) >= 3


def test_a_cursor_of_another_list_is_refused(web: TestClient) -> None:
    other = get(web, "/statements?limit=1")["next"]
    assert web.get(f"/api/v1/devices?cursor={other}").status_code == 400


# --- one device -----------------------------------------------------------------------------------


def test_status_of_a_device_whose_statements_were_partly_rejected(web: TestClient) -> None:
    found = get(web, "/devices/1")
    assert found["status"] == {
        "code": "mixed",
        "text": "3 of 5 statements of epoch 1 were rejected: bad signature.",
        "epoch": 1,
        "judged": 5,
        "rejected": 3,
    }
    advice = {one["code"]: one for one in found["advice"]}
    assert advice["bad_signature"]["link"] == "/statements?device=1&reason=bad_signature"
    assert "check its key" in advice["bad_signature"]["text"]


def test_a_statement_in_two_logs_is_counted_once(web: TestClient) -> None:
    assert get(web, "/devices/1")["history"] == [
        {"epoch": 0, "judged": 3, "accepted": 3, "rejected": 0},
        {"epoch": 1, "judged": 5, "accepted": 2, "rejected": 3},
    ]


def test_status_of_a_good_device(web: TestClient) -> None:
    found = get(web, "/devices/2")
    assert found["status"]["code"] == "good"
    assert found["status"]["text"] == "Its last statements were accepted in epoch 1."
    assert found["advice"] == []
    assert [(one["account"]["address"].lower(), one["ppm"]) for one in found["payees"]] == [
        (hex_of(BOB), 700_000),
        (hex_of(EVE), 300_000),
    ]


def test_status_of_a_silent_device_and_its_silent_epoch(web: TestClient) -> None:
    found = get(web, "/devices/4")
    assert found["status"]["code"] == "silent"
    assert found["status"]["text"] == "Nothing was judged since epoch 0: it may be silent."
    assert [one["judged"] for one in found["history"]] == [1, 0]
    assert [one["code"] for one in found["advice"]] == ["silent"]


def test_a_device_without_a_binding_is_told_to_bind(web: TestClient) -> None:
    found = get(web, "/devices/3")
    assert found["status"]["code"] == "rejected"
    assert [one["code"] for one in found["advice"]] == ["not_bound"]


def test_a_new_device_waits_or_is_told_to_report(site: Site, web: TestClient) -> None:
    assert [one["code"] for one in get(web, "/devices/5")["advice"]] == ["first_epoch"]
    with site.engine.begin() as connection:
        own = schema.statement.c.device == 5
        connection.execute(schema.statement.delete().where(own))
    advice = get(web, "/devices/5")["advice"]
    assert [one["code"] for one in advice] == ["first_report"]
    assert advice[0]["command"] == (
        "commonworks agent run --device NAME:sealed:readings.jsonl --home home/test"
    )


def test_a_retired_device_needs_nothing(site: Site, web: TestClient) -> None:
    with site.engine.begin() as connection:
        own = schema.device.c.device == 2
        connection.execute(update(schema.device).where(own).values(owner=bytes(20)))
    found = get(web, "/devices/2")
    assert (found["status"]["code"], found["advice"]) == ("retired", [])


def test_a_device_that_may_spend_asks_for_a_deposit_once_nothing_is_left(
    site: Site, web: TestClient
) -> None:
    fill(site.engine, schema.spend_limit, {"account": BOB, "device": 2, "limit": 7})
    movement = {
        "block": 1, "log_index": 0, "number": 0, "kind": "deposit", "account": BOB,
        "asset": account(0xE0), "amount": 2_000_014, "time": GENESIS, "tx": digest(7),
    }  # fmt: skip
    assert [one["code"] for one in get(web, "/devices/2")["advice"]] == ["deposit"]
    # BOB spent 2,000,013: one micro-unit is left, and that is enough to say nothing
    fill(site.engine, schema.movement, movement)
    assert get(web, "/devices/2")["advice"] == []


def test_what_a_device_may_spend_is_said_and_set_on_its_page(site: Site, web: TestClient) -> None:
    assert get(web, "/devices/2")["spend_limit"] == "0"
    assert "lets it spend nothing" in web.get("/devices/2").text
    fill(
        site.engine, schema.spend_limit,
        {"account": BOB, "device": 2, "limit": 2_500_000},
        {"account": ADA, "device": 2, "limit": 7},
    )  # fmt: skip
    found = get(web, "/devices/2")
    assert found["spend_limit"] == "2500000"  # its owner's limit alone counts
    assert found["limit_command"].startswith("commonworks limit ")
    assert " AMOUNT --account " in found["limit_command"]
    page = web.get("/devices/2").text
    assert "spend up to 2.50 tEUR in an epoch" in page
    assert page.count('data-action="limit"') == 1
    assert f'data-own="{found["owner"]["address"]}"' in page


@pytest.mark.parametrize("why", ["exit", "retired"])
def test_no_limit_is_offered_where_none_would_count(site: Site, web: TestClient, why: str) -> None:
    if why == "retired":
        with site.engine.begin() as connection:
            own = schema.device.c.device == 2
            connection.execute(update(schema.device).where(own).values(owner=bytes(20)))
    else:
        fill(site.engine, schema.chain_event, {
            "block": 900, "log_index": 0, "time": GENESIS, "tx": digest(9), "kind": "exit_entered",
            "detail": "{}",
        })  # fmt: skip
    assert get(web, "/devices/2")["limit_command"] is None
    assert 'data-action="limit"' not in web.get("/devices/2").text


def test_public_parts_of_the_earnings(web: TestClient) -> None:
    found = get(web, "/devices/2")
    assert [(one["account"]["address"].lower(), one["epochs"], one["amount_wei"])
            for one in found["rewards"]] == [(hex_of(BOB), 1, str(2 * 10**18))]  # fmt: skip
    assert get(web, "/devices/1")["payments"] == 1


# --- who sees what --------------------------------------------------------------------------------


def test_a_stranger_sees_no_quantity_and_no_payment_of_a_sealed_resource(web: TestClient) -> None:
    found = get(web, "/devices/1")
    assert [one["quantity"] for one in found["quality"]] == [None]
    assert found["quality"][0]["quality_ppm"] == 900_000
    spans = get(web, "/devices/1/spans")["items"]
    assert [(one["claimed"], one["credited"]) for one in spans] == [(None, None)] * 2
    assert {one["reason"]["code"] for one in spans} == {"sealed.too_much"}
    assert get(web, "/devices/1/payments")["items"] == []
    text = web.get("/devices/1").text
    for secret in ("1,009", "101 Wh", "102 Wh", "53 Wh", "2.00 tEUR"):
        assert secret not in text
    assert "1 payment was made for it" in text


def test_the_owner_sees_its_own(web: TestClient) -> None:
    sign_in(web, ADA)
    found = get(web, "/devices/1")
    assert found["yours"]
    assert [one["quantity"] for one in found["quality"]] == [1_009]
    spans = get(web, "/devices/1/spans")["items"]
    assert [(one["claimed"], one["credited"]) for one in spans] == [(102, 53), (101, 53)]
    payments = get(web, "/devices/1/payments")["items"]
    assert [(one["amount"], one["purpose_text"]) for one in payments] == [
        ("2000000", "Bought from a neighbour.")
    ]
    text = web.get("/devices/1").text
    assert "2.00 tEUR" in text
    assert "101 Wh" in text


def test_a_payer_sees_its_payment_and_no_quantity(web: TestClient) -> None:
    sign_in(web, BOB)
    assert len(get(web, "/devices/1/payments")["items"]) == 1
    assert get(web, "/devices/1")["quality"][0]["quantity"] is None
    assert get(web, "/devices/1/spans")["items"][0]["claimed"] is None


def test_another_member_sees_as_little_as_a_stranger(web: TestClient) -> None:
    sign_in(web, EVE)
    assert get(web, "/devices/1/payments")["items"] == []
    assert get(web, "/devices/1")["quality"][0]["quantity"] is None


def test_everybody_sees_a_public_resource(web: TestClient) -> None:
    assert [one["quantity"] for one in get(web, "/devices/3")["quality"]] == [4_007]
    assert get(web, "/devices/3/spans")["items"][0]["claimed"] == 103
    assert get(web, "/devices/3/payments")["items"][0]["amount"] == "3000000"


def test_a_new_owner_sees_nothing_of_the_time_before(site: Site, web: TestClient) -> None:
    moment = GENESIS + DAY + 901
    fill(
        site.engine,
        schema.chain_event,
        {
            "block": 3, "log_index": 0, "time": moment, "tx": digest(9), "kind": "transferred",
            "device": 1, "account": BOB, "other": ADA, "detail": "{}",
        },
    )  # fmt: skip
    sign_in(web, ADA)
    spans = get(web, "/devices/1/spans")["items"]
    # spans of 00:15 and 00:00 in epoch 1; it became hers one second after a quarter past
    assert [one["claimed"] for one in spans] == [None, None]
    for epoch in (1, 2):
        fill(
            site.engine,
            schema.payment,
            {
                "epoch": epoch, "number": 90, "resource": SEALED, "payer": EVE, "payee": BOB,
                "amount": 7, "purpose": "sale", "device": 1,
            },
        )  # fmt: skip
    payments = get(web, "/devices/1/payments")["items"]
    others = [one["epoch"] for one in payments if one["number"] == 90]
    assert others == [2]  # of the epoch in which it changed hands only what she paid or got


def test_lists_of_a_device_page_through(web: TestClient) -> None:
    first = get(web, "/devices/1/spans?limit=1")
    second = get(web, f"/devices/1/spans?limit=1&cursor={first['next']}")
    assert [one["number"] for one in (*first["items"], *second["items"])] == [1, 0]
    assert second["next"] is None


# --- strangers' texts, wrong addresses ------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/devices", "/devices/2", "/devices/1", f"/devices?owner={hex_of(BOB)}"]
)
def test_hostile_names_are_text(web: TestClient, path: str) -> None:
    text = web.get(path).text
    assert "<script>alert" not in text
    assert HOSTILE not in text
    for name in re.findall(r"[^>]*&lt;script&gt;[^<]*", text):
        assert "&#39;" in name
    # a name that turns the reading direction is kept inside an element of its own
    for line in text.splitlines():
        if "\u202e" in line:
            assert 'dir="auto"' in line or "<bdi>" in line or "<title>" in line or "&lt;" in line


def test_a_hostile_filter_is_text(web: TestClient) -> None:
    text = web.get("/devices", params={"resource": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/devices/6", 404),
        (f"/devices/{2**63 - 1}", 404),
        ("/devices/6/spans", 404),
        ("/devices/6/payments", 404),
        ("/devices?cursor=nonsense", 400),
        ("/devices/1/spans?cursor=nonsense", 400),
        ("/devices/1/payments?cursor=nonsense", 400),
    ],
)
def test_what_is_not_there_is_a_problem(web: TestClient, path: str, status: int) -> None:
    answer = web.get("/api/v1" + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_pages_answer_in_html(web: TestClient) -> None:
    assert web.get("/devices?owner=0x12").status_code == 400
    missing = web.get("/devices/6")
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("text/html")
    assert web.get("/devices?rejections=&owner=&cell=&reference=&resource=").status_code == 200


def test_an_empty_network_has_an_empty_list() -> None:
    web = client(make_site())
    assert get(web, "/devices") == {"items": [], "next": None}
    assert "No device is enrolled yet." in web.get("/devices").text


def test_many_devices_take_as_many_queries_as_few() -> None:
    site = make_site()
    numbers = range(1, 130)
    rows = [{**device_row(1, account(number)), "device": number} for number in numbers]
    fill(site.engine, schema.device, *rows)
    entries = Entries()
    for number in numbers:
        entries.add(1, 0)
        entries.made[-1]["device"] = number
    fill(site.engine, schema.statement, *entries.made)
    web = client(site)
    for path in ("/devices", "/statements", "/statements?epoch=0"):
        few, many = (_queries(site, web, f"{path}{'&' if '?' in path else '?'}limit={limit}")
                     for limit in (2, 120))  # fmt: skip
        assert few == many, path


def _queries(site: Site, web: TestClient, path: str) -> int:
    seen: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(site.engine, "before_cursor_execute", note)
    get(web, path)
    event.remove(site.engine, "before_cursor_execute", note)
    return len(seen)


def test_the_page_links_to_what_it_rests_on(web: TestClient) -> None:
    text = web.get("/devices/1").text
    for link in (
        "/statements?device=1&amp;reason=bad_signature",
        "/reasons#bad_signature",
        "/epochs/1",
        "/transactions/0x" + digest(101).hex(),
    ):
        assert link in text, link
