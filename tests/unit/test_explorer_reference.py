"""The API's page in the reference is true; pages and answers tell the same."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from commonworks.explorer.app import API, SLICES
from commonworks.explorer.sessions import SESSION_S
from commonworks.explorer.web.contract import REFUSALS, REFUSED_CHANGES
from commonworks.explorer.web.guard import BODY_BYTES_MAX, QUERY_BYTES_MAX, TIME_MAX_S, Limits
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, LIMIT_MAX
from commonworks.explorer.web.stream import CLIENT_LISTENERS_MAX
from commonworks.explorer.web.templating import amount, moment, number
from explorer_kit import client
from explorer_rows import ANNA, full_site, routes, samples, signed_in

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text()
EXAMPLES = re.findall(r"```http\n(.*?)```", REFERENCE, re.DOTALL)


@cache
def browser() -> TestClient:
    return client(full_site())


@cache
def schema() -> Any:
    return browser().get(f"{API}/openapi.json").json()


# --- the reference --------------------------------------------------------------------------------


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.partition("\n")[0])
def test_examples_are_true(example: str) -> None:
    asked, *rest = re.split(r"\n\n(?=[0-9]{3}\n|[0-9]{3}$)|\n\n(?=\{)", example.strip())
    sent = rest.pop(0) if rest[0].startswith("{") else None
    (method, path), *headers = (line.split(maxsplit=1) for line in asked.splitlines())
    answer = browser().request(
        method, path, headers={name.rstrip(":"): value for name, value in headers}, content=sent
    )
    status, *named = rest[0].splitlines()
    assert answer.status_code == int(status)
    for name, value in (line.split(": ", 1) for line in named):
        assert answer.headers[name] == value
    if len(rest) > 1:
        said = json.loads(rest[1])
        holds(said, answer.json())
    else:
        assert not answer.content


def holds(said: Any, found: Any) -> None:
    """Check that what an example says is in an answer, which may say more."""
    if isinstance(said, dict):
        for name, value in said.items():
            holds(value, found[name])
    elif isinstance(said, list):
        assert len(said) == len(found)
        for one, other in zip(said, found, strict=True):
            holds(one, other)
    else:
        assert said == found


def test_its_numbers_are_those_of_the_code() -> None:
    limits = Limits()
    for told in (
        f"more than {BODY_BYTES_MAX:,} bytes", f"more than {QUERY_BYTES_MAX:,} bytes",
        f"longer than {TIME_MAX_S:.0f} seconds", f"1 to {LIMIT_MAX}, {LIMIT_DEFAULT} unless",
        f"{int(limits.read.split('/')[0]):,} times", f"{limits.write.split('/')[0]} times a minute",
        f"At most {CLIENT_LISTENERS_MAX} streams", f"at most {SESSION_S // 3600} hours",
    ):  # fmt: skip
        assert told in REFERENCE, told


def test_it_names_every_status_that_the_schema_declares() -> None:
    declared = {
        status
        for path in schema()["paths"].values()
        for operation in path.values()
        for status in operation["responses"]
        if status >= "400"
    }
    assert declared == REFUSALS.keys() | REFUSED_CHANGES.keys()
    assert declared | {"405", "500"} == set(re.findall(r"^\| (\d{3}) \|", REFERENCE, re.MULTILINE))


def table() -> dict[str, list[str]]:
    rows = re.findall(r"^\| (`/[^|]*`) \| ((?:`/[^|]*`)+) \|$", REFERENCE, re.MULTILINE)
    return {page.strip("`"): re.findall(r"`([^`]+)`", answers) for page, answers in rows}


def test_every_page_has_its_answers_and_every_answer_its_page() -> None:
    pages = {
        route.path_format
        for name in SLICES
        for route in routes(import_module(f"commonworks.explorer.pages.{name}").router)
        if "GET" in route.methods
    }
    assert set(table()) == pages
    listed = {f"{API}{path}" for answers in table().values() for path in answers}
    written = {
        path for path, operations in schema()["paths"].items()
        if not path.startswith((f"{API}/actions/",)) and path != f"{API}/transactions"
    }  # fmt: skip
    assert listed == written


# --- pages and answers ----------------------------------------------------------------------------


class Text(HTMLParser):
    """What stands on a page, spaces made one."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def whole(self) -> str:
        return " ".join(" ".join(self.parts).split())


def page(path: str, **cookies: str) -> str:
    answer = client(browser().app.state.site, cookies=cookies).get(path)  # type: ignore[attr-defined]
    assert answer.status_code == 200
    found = Text()
    found.feed(answer.text)
    return found.whole


def get(path: str, **cookies: str) -> Any:
    answer = client(browser().app.state.site, cookies=cookies).get(API + path)  # type: ignore[attr-defined]
    assert answer.status_code == 200
    return answer.json()


def test_the_overview_tells_the_network_s_figures() -> None:
    said, shown = get("/network"), page("/")
    figures = said["figures"]
    for name in ("devices", "statements", "rejected", "epochs_settled"):
        assert number(figures[name]) in shown, name
    assert said["name"] in shown
    assert amount(figures["minted"], said["token"]["decimals"]) in shown
    assert amount(figures["paid"], said["currency"]["decimals"]) in shown


@pytest.mark.parametrize("kind", ["devices", "epochs", "statements", "accounts", "governance"])
def test_lists_are_the_same_on_page_and_in_answer(kind: str) -> None:
    told = get(f"/{kind}")
    keys = {
        "devices": lambda one: f"#{one['device']['device']}",
        "epochs": lambda one: str(one["epoch"]),
        "statements": lambda one: one["identity"][:8],
        "accounts": lambda one: one["account"]["label"] or one["account"]["address"][:6],
        "governance": lambda one: one["title"],
    }
    shown = page(f"/{kind}")
    assert told["items"]
    for item in told["items"]:
        key = keys[kind](item)
        assert key in shown or key.removeprefix("0x") in shown, key


def test_a_device_an_epoch_and_a_statement_are_the_same() -> None:
    device = get("/devices/1000")
    shown = page("/devices/1000")
    assert device["owner"]["label"] in shown
    assert device["status"]["text"] in shown
    assert moment(device["enrolled_at"]) in shown
    for one in device["advice"]:
        assert one["title"] in shown
        assert one["text"] in shown
    epoch = get("/epochs/2")
    shown = page("/epochs/2")
    for row in get("/epochs/2/payouts")["items"]:
        assert row["account"]["label"] or row["account"]["address"][:6] in shown
    for count in epoch["verdicts"]:
        if count["reason"] is not None:
            assert f"{count['reason']['title']}" in shown
            assert number(count["statements"]) in shown
    (rejected,) = get("/statements?outcome=rejected&limit=1")["items"]
    told = get(f"/statements/{rejected['identity']}")["statement"]
    shown = page(f"/statements/{rejected['identity'][2:]}")
    for words in (told["summary"], rejected["reason"]["meaning"], rejected["reason"]["advice"]):
        assert words in shown


def test_an_account_is_the_same_for_who_may_see_it() -> None:
    path = f"/accounts/0x{ANNA.hex()}"
    for cookies in ({}, signed_in(browser().app.state.site)):  # type: ignore[attr-defined]
        told, shown = get(path, **cookies), page(path, **cookies)
        for books in told["books"]:
            assert amount(books["earned"], books["decimals"]) in shown
        for row in get(f"{path}/movements?limit=10", **cookies)["items"]:
            assert moment(row["time"]) in shown
        for row in get(f"{path}/devices?limit=10", **cookies)["items"]:
            assert f"#{row['device']['device']}" in shown


def test_nodes_parameters_and_proposals_are_the_same() -> None:
    known = samples(browser().app.state.site)  # type: ignore[attr-defined]
    verifier = get(f"/nodes/verifiers/{known['verifier'][0]}")["verifier"]
    assert verifier["name"] in page(f"/nodes/verifiers/{known['verifier'][0]}")
    gateway = get(f"/nodes/gateways/{known['log_id'][0]}")["gateway"]
    shown = page(f"/nodes/gateways/{known['log_id'][0]}")
    assert gateway["name"] in shown
    assert gateway["origin"] in shown
    shown = page("/parameters/grace_s")
    for one in get("/parameters/grace_s")["history"]["items"]:
        assert one["value"]["text"] in shown
    proposal = get("/governance/3")["proposal"]
    shown = page("/governance/3")
    assert proposal["title"] in shown
    for vote in get("/governance/3/votes")["items"]:
        assert vote["reason"] in shown
