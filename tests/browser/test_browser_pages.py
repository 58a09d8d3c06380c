"""Every page in a real browser: light and dark, wide and narrow, no error, nothing too wide, and
no serious violation of accessibility (axe-core)."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from browsing import NARROW, WIDE, Shown, Visit

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "overview", "devices", "device", "statements", "statement", "reasons", "epochs", "epoch",
    "resource", "accounts", "account", "governance", "proposal", "parameters", "parameter", "nodes",
    "gateway", "verifier", "activity", "search", "proofs", "proof-receipt", "proof-payout",
    "session", "join", "alerts", "transaction", "monthly",
)  # fmt: skip
LOOKS = {
    "wide-light": (WIDE, "light"),
    "wide-dark": (WIDE, "dark"),
    "narrow-light": (NARROW, "light"),
    "narrow-dark": (NARROW, "dark"),
}


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


@cache
def places(url: str) -> dict[str, str]:
    """Return the address of every page."""
    api = f"{url}/api/v1"
    rejected = get(f"{api}/statements?outcome=rejected&limit=1")["items"][0]
    identity = rejected["identity"].removeprefix("0x")
    device = get(f"{api}/devices?limit=1")["items"][0]["device"]["device"]
    owners = [one for one in get(f"{api}/accounts?limit=50")["items"] if one["devices"]]
    address = owners[0]["account"]["address"]
    gateway = get(f"{api}/nodes/gateways")["items"][0]["log_id"]
    verifier = get(f"{api}/nodes/verifiers")["items"][0]["operator"]["address"]
    leaf = get(f"{api}/epochs/1/payouts?limit=1")["items"][0]
    event = get(f"{api}/activity?limit=1")["items"][0]
    return {
        "overview": "/",
        "devices": "/devices",
        "device": f"/devices/{device}",
        "statements": "/statements?outcome=rejected",
        "statement": f"/statements/{identity}",
        "reasons": "/reasons",
        "epochs": "/epochs",
        "epoch": "/epochs/1",
        "resource": "/resources/energy",
        "accounts": "/accounts",
        "account": f"/accounts/{address}",
        "governance": "/governance",
        "proposal": "/governance/1",
        "parameters": "/parameters",
        "parameter": "/parameters/quorum_ppm",
        "nodes": "/nodes",
        "gateway": f"/nodes/gateways/{gateway}",
        "verifier": f"/nodes/verifiers/{verifier}",
        "activity": "/activity",
        "search": "/search?q=farm",
        "proofs": "/proofs",
        "proof-receipt": f"/proofs/receipt/{identity}",
        "proof-payout": f"/proofs/payout/1/{leaf['asset']}/{leaf['account']['address']}",
        "session": "/session",
        "join": "/join",
        "alerts": "/alerts",
        "transaction": f"/transactions/{event['tx']}",
        "monthly": f"/accounts/{address}/statement?month=2016-06",
    }


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("look", LOOKS)
def test_every_page(shown: Shown, visit: Callable[..., Visit], name: str, look: str) -> None:
    size, scheme = LOOKS[look]
    opened = visit(viewport=size, color_scheme=scheme)
    page = opened.page
    answer = page.goto(shown.url + places(shown.url)[name])
    assert answer is not None
    assert answer.status == 200
    assert page.locator("h1").count() == 1
    page.wait_for_load_state("load")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{wide} pixels too wide"
    serious = axe(opened)
    assert not serious, "\n".join(serious)


BEYOND = """() => [...document.querySelectorAll("main *")].filter((one) => {
  for (let box = one; box; box = box.parentElement) {
    if (box !== one && getComputedStyle(box).overflowX !== "visible") return false;
  }
  return one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > innerWidth;
}).map((one) => one.outerHTML.slice(0, 160)).slice(-5)"""
"""What stands beyond the edge of the window, innermost last."""


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_large_letters_fit_a_phone(shown: Shown, visit: Callable[..., Visit], locale: str) -> None:
    """Letters twice as large (WCAG 1.4.4), words as long as German has them: no page is wider."""
    page = visit(viewport=NARROW, locale=locale).page
    wide = {}
    for name in PAGES:
        page.goto(shown.url + places(shown.url)[name])
        page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide[name] = page.evaluate(BEYOND)
    assert wide == {}, "beyond the edge"


def axe(opened: Visit) -> list[str]:
    """Return what axe-core calls serious or critical."""
    page = opened.page
    page.evaluate(AXE.read_text())  # a tool's evaluation is no script of the page: no policy asks
    found = page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
    )
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]


def test_rows_of_many_columns_are_blocks_on_a_phone(
    shown: Shown, visit: Callable[..., Visit]
) -> None:
    """Nothing of a row is beyond the edge, each value says its heading, and it stays a table."""
    page = visit(viewport=NARROW).page
    for path in ("/", "/devices", "/epochs"):
        page.goto(shown.url + path)
        table = page.locator("table.stacked").first
        frame = table.locator("xpath=..")
        assert frame.evaluate("part => part.scrollWidth <= part.clientWidth"), path
        assert table.locator("tbody td[data-label='Statements']").count() > 0
        assert page.get_by_role("row").count() > 1
