"""Lists of the API: whole whatever the size of a page, and no cursor but one's own."""

from __future__ import annotations

import base64
import json
from functools import cache
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import delete, insert, select
from starlette.testclient import TestClient

from commonworks.errors import InvalidInput
from commonworks.explorer.app import SLICES
from commonworks.explorer.index import schema
from commonworks.explorer.web.pagination import (
    CURSOR_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    decode_cursor,
    encode_cursor,
    page_of,
)
from explorer_kit import client, make_site
from explorer_rows import addresses, full_site, routes, signed_in
from index_story import rows_of

STEPS_MAX = 400
FILTERS = {
    "/statements": ("outcome=rejected", "outcome=accepted", "outcome=waiting", "epoch=1",
                    "kind=report", "resource=energy", "device=1"),
    "/devices": ("resource=energy", "rejections=true", "rejections=false", "reference=true"),
    "/activity": ("kind=enrolled", "epoch=0", "device=1"),
    "/accounts": ("asset=token", "asset=currency"),
    "/governance/{number}/votes": ("support=for",),
}  # fmt: skip


def lists() -> list[str]:
    """Return the routes of every list that goes on."""
    return [
        f"/api/v1{route.path}"
        for name in SLICES
        for route in routes(import_module(f"commonworks.explorer.api.{name}").router)
        if "GET" in route.methods and "cursor" in {p.name for p in route.dependant.query_params}
    ]


@cache
def browser() -> TestClient:
    """Return a member's browser: what is hers is in her lists."""
    site = full_site()
    return client(site, cookies=signed_in(site))


@cache
def asked() -> list[str]:
    """Return the address of every list, with one of each parameter, and with filters."""
    site = browser().app.state.site  # type: ignore[attr-defined]
    found = []
    for route in lists():
        for address in addresses(site, route, each=1):
            if "?" not in address:
                found.append(address + "?")
                filters = FILTERS.get(route.removeprefix("/api/v1"), ())
                found += [f"{address}?{one}&" for one in filters]
    return found


def get(address: str) -> Any:
    answer = browser().get(address)
    assert answer.status_code == 200, (address, answer.text)
    return answer.json()


def part(answer: Any) -> Any:
    """Return the page of an answer: itself, or the one page inside it."""
    if "items" in answer:
        return answer
    (page,) = [one for one in answer.values() if isinstance(one, dict) and "next" in one]
    return page


def walk(address: str, limit: int) -> list[str]:
    """Return every item of a list, read page by page."""
    items: list[str] = []
    cursor = ""
    for _ in range(STEPS_MAX):
        page = part(get(f"{address}limit={limit}{cursor}"))
        assert len(page["items"]) <= limit
        assert page["items"] or page["next"] is None
        items += [json.dumps(item, sort_keys=True) for item in page["items"]]
        if page["next"] is None:
            return items
        cursor = f"&cursor={page['next']}"
    raise AssertionError(f"{address} does not end")


def test_every_list_is_whole_whatever_the_size_of_its_pages() -> None:
    assert len(lists()) > 15
    long = 0
    for address in asked():
        whole = walk(address, LIMIT_MAX)
        for limit in (1, 2, 7):
            if len(whole) > 30 and limit == 1:
                continue
            assert walk(address, limit) == whole, (address, limit)
        assert len(set(whole)) == len(whole), address
        long += len(whole) > 7
    assert long > 15


def test_a_list_says_as_much_as_it_has() -> None:
    """What is walked is what the tables hold."""
    site = browser().app.state.site  # type: ignore[attr-defined]
    held = {name: len(rows) for name, rows in rows_of(site.engine).items()}
    for path, table in (
        ("devices", "device"), ("statements", "statement"), ("activity", "chain_event"),
        ("governance", "proposal"), ("nodes/verifiers", "verifier"), ("nodes/gateways", "gateway"),
    ):  # fmt: skip
        assert len(walk(f"/api/v1/{path}?", 50)) == held[table], path


def test_the_default_page_is_the_largest_that_a_reader_wants() -> None:
    page = get("/api/v1/activity")
    assert len(page["items"]) == LIMIT_DEFAULT
    assert page["next"]


def test_what_is_added_meanwhile_moves_nothing() -> None:
    site = full_site()
    mine = client(site)
    first = mine.get("/api/v1/devices?limit=5").json()
    with site.engine.begin() as connection:
        row = dict(connection.execute(select(schema.device).limit(1)).one()._mapping)
        connection.execute(insert(schema.device), [row | {"device": 9_000 + n} for n in range(3)])
        last = first["items"][-1]["device"]
        connection.execute(delete(schema.device).where(schema.device.c.device == last["device"]))
    second = mine.get("/api/v1/devices", params={"limit": 5, "cursor": first["next"]}).json()
    ids = [item["device"]["device"] for item in first["items"] + second["items"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 10


# --- cursors --------------------------------------------------------------------------------------


def refused(address: str, cursor: str) -> None:
    answer = browser().get(address.rstrip("?&"), params={"cursor": cursor})
    assert answer.status_code == (422 if len(cursor) > CURSOR_MAX else 400), (address, cursor)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "cursor" in answer.json()["detail"]


HOSTILE = [
    "x", "AAAA", "=", "é", "\0", "' OR 1=1", "W10", "e30", "bnVsbA", "MQ", "W1tdXQ",
    base64.urlsafe_b64encode(b"[" * 300).decode(),
    base64.urlsafe_b64encode(b"[" + b"9" * 700 + b"]").decode(),
    base64.urlsafe_b64encode(b'[["b","zz"]]').decode(),
    base64.urlsafe_b64encode(b'[["b","' + b"00" * 40 + b'"]]').decode(),
    base64.urlsafe_b64encode(b"[NaN,Infinity]").decode(),
    base64.urlsafe_b64encode(b"[1e400]").decode(),
    base64.urlsafe_b64encode(b"[true,null]").decode(),
    "A" * (CURSOR_MAX + 1),
]  # fmt: skip


@pytest.mark.parametrize("cursor", HOSTILE)
def test_damaged_cursors_are_refused_by_every_list(cursor: str) -> None:
    for address in {one.partition("?")[0] for one in asked()}:
        refused(address, cursor)


def test_cursors_of_other_values_are_refused_by_every_list() -> None:
    """Of other lengths or kinds than the list's own."""
    strange = [
        encode_cursor(),
        encode_cursor(*range(9)),
        encode_cursor(b"x" * 20, b"y", "z", 1, 2, 3),
        encode_cursor("only text", "and more", "and more"),
        encode_cursor(2**63),
        encode_cursor(-(2**64), 1),
    ]
    for address in {one.partition("?")[0] for one in asked()}:
        for cursor in strange:
            refused(address, cursor)


def test_a_cursor_of_another_list_never_breaks_one() -> None:
    """Lists of the same shape take each other's; whatever comes is a page or a refusal."""
    cursors = {part(get(f"{address}limit=1"))["next"] for address in asked()} - {None}
    assert len(cursors) > 10
    refusals = 0
    for address in {one.partition("?")[0] for one in asked()}:
        for cursor in sorted(cursors)[:: len(cursors) // 8]:
            answer = browser().get(address, params={"limit": 2, "cursor": cursor})
            assert answer.status_code in (200, 400), (address, cursor, answer.text)
            refusals += answer.status_code == 400
    assert refusals > len(lists())


def test_the_ends_of_every_integer_are_cursors_and_no_faults() -> None:
    for address in {one.partition("?")[0] for one in asked()}:
        cursor = part(get(f"{address}?limit=1"))["next"]
        if cursor is None:
            continue
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.urlsafe_b64decode(padded))
        for extreme in (2**63 - 1, -(2**63), 0):
            moved = [extreme if isinstance(one, int) else one for one in values]
            data = json.dumps(moved).encode()
            answer = browser().get(
                address, params={"cursor": base64.urlsafe_b64encode(data).decode().rstrip("=")}
            )
            assert answer.status_code in (200, 400), (address, moved, answer.text)


def test_cursors_carry_what_they_were_given() -> None:
    values = (7, "a/b?c=ü", bytes(range(32)), -(2**63), 2**63 - 1)
    assert decode_cursor(encode_cursor(*values), int, str, bytes, int, int) == values
    assert decode_cursor(None, int) is None
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor(*values), int, str, bytes, int, str)
    assert encode_cursor(*values).isascii()
    assert not set(encode_cursor(*values)) & set("+/=&?#")


def test_a_page_is_cut_where_it_is_full() -> None:
    full = page_of([1, 2, 3], 2, lambda n: (n,), str)
    assert (full.items, decode_cursor(full.next, int)) == (["1", "2"], (2,))
    for rows in ([], [1], [1, 2]):
        assert page_of(rows, 2, lambda n: (n,), str).next is None


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "1.5", "", str(10**30)])
def test_limits_that_are_none_are_refused(limit: str) -> None:
    answer = client(make_site()).get("/api/v1/devices", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["place"] == "query.limit"
