"""What strangers wrote is text, on every page and in every answer; pages load nothing but ours.

The same network is rendered twice: named by honest people, and by people who try everything. What
must be the same is the structure: which elements there are, with which attributes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from importlib import import_module, resources
from itertools import count
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from commonworks.explorer.app import SLICES
from commonworks.explorer.index import schema
from commonworks.explorer.site import Site
from commonworks.explorer.web.templating import ENVIRONMENT
from explorer_kit import client
from explorer_rows import Words, addresses, full_site, plain, routes, signed_in

MARK = "Zqj"
"""Begins what strangers wrote: no word of ours has it."""
ATTACKS = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)' autofocus x='",
    "{{6007*7}}${6007*7}{% raw %}#{6007*7}",
    "javascript:alert(1)",
    "</script></title></textarea></style><img src=x onerror=alert(1)>",
    "<!-- <![CDATA[ ]]> -->",
    "%(name)s %s %d {0} {name}",
    "\u202eevil\u202c\u2066\u200f",
    "nul\0nul\r\nset-cookie: a=b",
    "&lt;b&gt;&#x3c;script&#62;&amp;quot;",
    "https://evil.example/<script>?x=\" onclick='1'",
    "`+alert(1)+`\\u003cscript\\u003e\\",
    "=cmd|'/c calc'!A1",
    "../../etc/passwd?x#y",
)


def hostile() -> Words:
    """Return names that try everything, each of them beginning with another attack."""
    turn = count()

    def word(_: str) -> str:
        first = next(turn) % len(ATTACKS)
        return MARK + "".join(ATTACKS[first:] + ATTACKS[:first])

    return word


def endless(word: str) -> str:
    """Return a name of 10,000 characters, without a place to break it."""
    return (MARK + word + "<b>").ljust(10_000, "W")


@cache
def site_of(kind: str) -> Site:
    """Return the network as it was named."""
    words = {"plain": plain, "hostile": hostile(), "endless": endless}[kind]
    site = full_site(words)
    if kind == "hostile":
        _past_the_fold(site, words)
    return site


def _past_the_fold(site: Site, words: Words) -> None:
    """Write into rows what the fold would have cleaned: templates rely on nothing before them."""
    with site.engine.begin() as connection:
        for table, names in (
            (schema.gateway, ("name", "origin", "endpoint")),
            (schema.verifier, ("name", "endpoint")),
            (schema.proposal, ("title", "body")),
            (schema.vote, ("reason",)),
        ):
            for name in names:
                connection.execute(update(table).values({name: words("")}))
        connection.execute(
            update(schema.chain_event)
            .where(schema.chain_event.c.kind.like("%registered"))
            .values(detail=json.dumps({"name": words(""), "endpoint": words("")}))
        )
        connection.execute(
            update(schema.payment).where(schema.payment.c.number == 1_000).values(purpose=words(""))
        )
        connection.execute(
            update(schema.device).where(schema.device.c.device == 1_002).values(resource=words(""))
        )
        connection.execute(
            update(schema.statement)
            .where(schema.statement.c.outcome == "rejected", schema.statement.c.position < 9)
            .values(reason=words(""))
        )


def page_routes() -> list[str]:
    """Return every page that is read; a picture is none."""
    return [
        route.path
        for name in SLICES
        for route in routes(import_module(f"commonworks.explorer.pages.{name}").router)
        if "GET" in route.methods and not route.path.endswith((".svg", ".csv"))
    ]


def api_routes() -> list[str]:
    """Return every answer that is read and ends."""
    return [
        f"/api/v1{route.path}"
        for name in SLICES
        for route in routes(import_module(f"commonworks.explorer.api.{name}").router)
        if "GET" in route.methods and route.path != "/stream"
    ]


class Structure(HTMLParser):
    """The elements of a page, and whatever is wrong with them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: set[tuple[str, ...]] = set()
        self.wrong: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element."""
        given = dict(attrs)
        self.seen.add((tag, *sorted(given)))
        if len(given) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        self.wrong += [f"<{tag} {name}>" for name in given if name.startswith("on")]
        if "style" in given or tag in ("style", "base", "iframe", "object", "embed"):
            self.wrong.append(f"<{tag} {sorted(given)}>")
        data = given.get("type") == "application/json"
        if tag == "script" and not data and not (given.get("src") or "").startswith("/static/"):
            self.wrong.append(f"a script that is not ours: {given}")
        for name in ("href", "src", "action", "formaction", "data", "poster", "srcset"):
            if name in given and not _leads_well(given[name] or ""):
                self.wrong.append(f"<{tag} {name}={given[name]!r}>")
        if tag == "meta" and (given.get("http-equiv") or "refresh") != "refresh":
            self.wrong.append(f"<meta {given}>")

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        """Take a comment: templates leave none."""
        self.wrong.append(f"a comment: {data[:80]}")


def _leads_well(address: str) -> bool:
    """Tell whether an address stays here or is a web page's, whatever a browser makes of it."""
    if not address.isprintable() or "\\" in address or " " in address:
        return False
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return parts.scheme in ("http", "https") and bool(parts.netloc)
    return address.startswith(("/", "?", "#")) or ":" not in address.partition("/")[0]


REFUSED = ("/alerts/confirm", "/alerts/unsubscribe", "/join/progress", "/proofs/payout")
"""Pages that not every sample is there for; that they say so is a page as well."""


def read(browser: TestClient, address: str) -> Structure:
    """Return the structure of a page; follow where it leads."""
    answer = browser.get(address)
    if answer.status_code in (303, 307):
        assert _leads_well(answer.headers["location"]), address
        answer = browser.get(answer.headers["location"])
    refused = (400, 404) if address.startswith(REFUSED) else ()
    assert answer.status_code in (200, *refused), (address, answer.status_code)
    found = Structure()
    found.feed(answer.text)
    found.close()
    assert not found.wrong, (address, found.wrong[:5])
    return found


def pages(kind: str) -> Iterator[tuple[str, TestClient]]:
    """Yield addresses of pages with the reader who asks: a stranger, then a member."""
    site = site_of(kind)
    for cookies in ({}, signed_in(site)) if kind != "endless" else ({},):
        browser = client(site, cookies=cookies)
        for route in page_routes():
            for address in addresses(site, route, each=2):
                yield address, browser


@cache
def honest_structure() -> frozenset[tuple[str, ...]]:
    """Return every element that pages have, with its attributes, in an honest network."""
    return frozenset(
        one for address, browser in pages("plain") for one in read(browser, address).seen
    )


OPTIONAL = frozenset({("a", "class", "href", "rel"), ("a", "href", "rel")})
"""Elements that only some texts have: addresses of web pages become links."""


@pytest.mark.parametrize("kind", ["hostile", "endless"])
def test_what_strangers_wrote_is_text_on_every_page(kind: str) -> None:
    marked = 0
    for address, browser in pages(kind):
        found = read(browser, address)
        strange = {one for one in found.seen - honest_structure() if one not in OPTIONAL}
        assert not strange, (address, strange)
        text = "".join(found.text)
        marked += MARK in text
        assert "42049" not in text, address
    assert marked > len(page_routes())


def test_a_hole_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENVIRONMENT, "autoescape", False)
    monkeypatch.setattr(ENVIRONMENT, "cache", None)
    with pytest.raises(AssertionError):
        read(client(site_of("hostile")), "/nodes")


def test_every_page_of_an_honest_network_is_well_made() -> None:
    assert len(honest_structure()) > 50
    unclosed = [address for address, browser in pages("plain") if not _closed(browser, address)]
    assert not unclosed


def _closed(browser: TestClient, address: str) -> bool:
    """Tell whether a page has one heading, one main part, and all its elements closed."""
    text = browser.get(address).text
    if not text:
        return True
    balance = all(
        len(re.findall(rf"<{tag}[\s>]", text)) == text.count(f"</{tag}>")
        for tag in ("div", "table", "ul", "ol", "dl", "section", "main", "a", "form", "span", "p")
    )
    return balance and len(re.findall(r"<h1[\s>]", text)) == 1


@pytest.mark.parametrize("kind", ["hostile", "endless"])
def test_what_strangers_wrote_is_data_in_every_answer(kind: str) -> None:
    site, marked = site_of(kind), 0
    for cookies in ({}, signed_in(site)):
        browser = client(site, cookies=cookies)
        for route in api_routes():
            for address in addresses(site, route, each=1):
                answer = browser.get(address)
                assert answer.status_code in (200, 401, 404), (address, answer.text[:300])
                assert answer.headers["content-type"].partition(";")[0] in (
                    "application/json",
                    "application/problem+json",
                )
                assert answer.headers["x-content-type-options"] == "nosniff"
                answer.json()
                marked += MARK in answer.text
    assert marked > 20


def test_templates_have_no_inline_script_style_or_raw_value() -> None:
    folder = resources.files("commonworks.explorer") / "templates"
    sources = {
        f"{slice_.name}/{place.name}": place.read_text(encoding="utf-8")
        for slice_ in folder.iterdir()
        if slice_.is_dir()
        for place in slice_.iterdir()
    }
    sources |= {
        place.name: place.read_text(encoding="utf-8")
        for place in folder.iterdir()
        if place.name.endswith(".html")
    }
    assert len(sources) > 30
    for name, source in sources.items():
        bare = re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", bare), name
        assert not re.search(r"<[^>]*\sstyle\s*=", bare), name
        assert not re.search(r"<style|<base|<iframe|<object|<embed|javascript:", bare, re.I), name
        assert not re.search(r"<[^>]*\son[a-z]+\s*=", bare), name
        assert not re.search(r"<[a-z][^>]*\s[a-z-]+=\{\{", bare), f"{name}: no quotes"
        for script in re.findall(r"<script[^>]*>", bare):
            data = 'type="application/json"' in script
            assert data or re.search(r'src="\{\{ static\(', script), f"{name}: {script}"


def test_our_scripts_make_no_markup_of_data() -> None:
    folder = resources.files("commonworks.explorer") / "static" / "js"
    forbidden = re.compile(
        r"\.innerHTML\s*\+?=(?!=)|\.outerHTML\s*\+?=(?!=)|insertAdjacentHTML|document\.write|\beval\("
        r"|new Function|createContextualFragment|setAttribute\(\s*[\"'](?:on|style)|srcdoc"
        r"|set(?:Timeout|Interval)\(\s*[\"'`]"
    )
    names = [place.name for place in folder.iterdir() if place.name.endswith(".js")]
    assert "app.js" in names
    for name in names:
        source = (folder / name).read_text(encoding="utf-8")
        assert forbidden.search(source) is None, name
        assert not re.search(
            r"https?://(?!www\.w3\.org/)[a-z]", re.sub(r"//.*|/\*.*?\*/", "", source)
        )


def test_a_file_for_spreadsheets_has_no_formulas_of_strangers() -> None:
    site = site_of("hostile")
    browser = client(site, cookies=signed_in(site))
    for address in addresses(site, "/accounts/{address}/statement.csv", each=3):
        answer = browser.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith("attachment; ")
        cells = [cell.strip('"') for line in answer.text.splitlines() for cell in line.split(",")]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
