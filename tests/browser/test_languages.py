"""Who reads German reads German: no sentence, number or date of another language, on any page.

Each page is read in both languages. What is the same in both, and has several words, nobody
translated: only names may be.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from browsing import Shown, Visit
from reading import Reader, addresses, session_of, strings

from commonworks.wiring.home import Home

ALIKE = 2
"""Pages read of those that differ in numbers only."""
FEWEST = 100
"""Pages that a walk over the demo finds at least; fewer: it lost its way."""

ERRORS = (
    "/nothing-here", "/governance/99", "/devices/9999", "/devices?cell=zz", "/accounts/0x12",
    "/accounts?asset=gold", "/epochs/99999", "/parameters/none", "/search?q=zzz",
    "/transactions/0x12", "/nodes/gateways/00", f"/nodes/verifiers/0x{'11' * 20}",
    "/governance?cursor=xx", f"/accounts/0x{'11' * 20}", f"/statements/{'00' * 32}",
    "/statements?outcome=zzz", "/resources/none", f"/proofs/receipt/{'00' * 32}",
    "/alerts/confirm?token=x", "/join/progress?thumbprint=x",
)  # fmt: skip
"""Addresses of mistakes: what an error says is read as well."""

UNITS = frozenset({"tEUR", "CWK", "kWh", "wei", "gas", "ppm"})
ALGORITHMS = frozenset({"Ed25519 (EdDSA)", "P-256 (ES256)"})
"""Names of signatures, as everybody writes them."""
COMMAND = re.compile(r"^(\S*commonworks |curl )")
"""A command line is the same for everybody."""
NUMBER = re.compile(r"[+-]?\d[\d.,]*")
"""Numbers differ by language without a translation."""
CODE = re.compile(
    r"[a-z]+([._][a-z]+)+|0x[0-9a-fA-F…]+|https?://\S+|\b\w+\.json\b|%\(\w+\)s|/[a-z]+\b|[`“”]"
)
"""Keys of parameters, hashes, addresses."""
CHOICES = re.compile(r"'[^']*'|\baccepted, rejected, waiting\b")
"""What the reader wrote, and what can be written in an address."""
ENGLISH_WORD = re.compile(
    r"\b(the|and|of|with|from|this|that|which|not|are|is|by|for|when|its|no|to|at|has|have)\b"
)
"""Words that German has not, written so: a sentence of which only a part was translated."""
WORD = re.compile(r"[A-Za-zÄÖÜäöüß]{2,}")
ENGLISH_NUMBER = re.compile(r"\d\.\d{1,2}(?![\d.])\s?(%|tEUR|CWK|kWh)|\d,\d{3}\.\d")
"""An amount with an English decimal point."""

SETTLED_TEXTS = """async () => {
  const done = () =>
    [...document.querySelectorAll("time[data-time]")].every((one) => one.dataset.local)
    && [...document.querySelectorAll("figure[data-chart] .canvas:not([hidden])")]
      .every((one) => one.closest("figure").dataset.drawn);
  while (!done()) await new Promise((again) => { setTimeout(again, 50); });
  return [...document.querySelectorAll("body *")]
    .filter((one) => !one.closest("code, pre, script"))
    .flatMap((one) => [
      ...[...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent),
      one.getAttribute("aria-label") ?? "", one.getAttribute("title") ?? "",
    ])
    .map((text) => text.trim().replace(/\\s+/g, " ")).filter(Boolean);
}"""
"""Waits for what scripts write, then reads every text of the page."""


def get(shown: Shown, path: str) -> Any:
    with urllib.request.urlopen(f"{shown.url}/api/v1{path}", timeout=30) as answer:
        return json.load(answer)


def names_of(shown: Shown) -> frozenset[str]:
    """Return what people called things: the network, accounts, devices; what a proposer wrote."""
    proposal = get(shown, "/governance/1")
    accounts = [row["account"]["label"] for row in get(shown, "/accounts?limit=200")["items"]]
    devices = [row["device"]["label"] for row in get(shown, "/devices?limit=200")["items"]]
    home = Home(path=shown.home)
    reasons = [vote["reason"] for vote in get(shown, "/governance/1/votes")["items"]]
    found = [
        get(shown, "/network")["name"], proposal["proposal"]["title"], proposal["body"],
        *reasons, *accounts, *devices, *(name for name, _ in home.accounts_here()),
    ]  # fmt: skip
    return frozenset(filter(None, found))


def bare(text: str, names: frozenset[str]) -> str:
    """Return a text without names, keys and what the reader wrote; nothing of a command line."""
    if COMMAND.match(text):
        return ""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, " ")
    return CHOICES.sub(" ", CODE.sub(" ", text))


def untranslated(
    english: Iterable[str], german: Iterable[str], names: frozenset[str]
) -> dict[str, str]:
    """Return texts of several words that are the same in both languages, or speak English."""
    known = {NUMBER.sub("#", text) for text in english}
    found = {}
    for text in set(german) - ALGORITHMS:
        rest = bare(text, names)
        words = [word for word in WORD.findall(rest) if word not in UNITS]
        same = len(words) > 1 and NUMBER.sub("#", text) in known
        if same or ENGLISH_WORD.search(rest):
            found[text] = rest
    return found


def test_what_is_not_translated_is_seen() -> None:
    """The check below can fail."""
    names = frozenset({"Demo street", "farm-1/main", "farm-1"})
    said = ["Nobody said so.", "farm-1/main · Demo street", "0 tEUR / kWh – 1 tEUR / kWh", "Token"]
    assert list(untranslated(said, [*said, "Anders."], names)) == ["Nobody said so."]
    assert untranslated([], ["Der Lohn: running a verifier for farm-1"], names)
    assert untranslated(["set to 9,000.5 in all"], ["set to 9.000,5 in all"], names)
    assert ENGLISH_NUMBER.search("12.50 tEUR")
    assert ENGLISH_NUMBER.search("1,250.5")
    assert not ENGLISH_NUMBER.search("1.250,50 tEUR am 22.06.2016, Version 1.2.3, 1.250 tEUR")


@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed-in"])
def test_every_sentence_is_in_the_readers_language(shown: Shown, signed_in: bool) -> None:
    first: tuple[str, ...] = ("/", *ERRORS)
    session = ""
    if signed_in:
        account = Home(path=shown.home).account("farm-1")
        session = session_of(shown.url, account)
        own = f"/accounts/{account.address}"
        first = (own, f"{own}/statement?month=2016-06", "/alerts", *first)
    english, german = (Reader(shown.url, one, session) for one in ("en", "de"))
    names = names_of(shown)
    paths = addresses(german, first, ALIKE)
    assert len(paths) > FEWEST
    left: dict[str, str] = {}
    numbers: dict[str, str] = {}
    for path in paths:
        here, there = english.page(path), german.page(path)
        assert here is not None
        assert there is not None
        for text in untranslated(here.texts, there.texts, names):
            left.setdefault(text, path)
        for text in there.texts:
            if ENGLISH_NUMBER.search(text) and not COMMAND.match(text):
                numbers.setdefault(text, path)
    assert not left, "\n".join(f"{path}: {text}" for text, path in sorted(left.items()))
    assert not numbers, "\n".join(f"{path}: {text}" for text, path in sorted(numbers.items()))


def test_a_wallets_dialogs_are_in_the_readers_language(shown: Shown) -> None:
    """The words that scripts show around a transaction."""
    english, german = (
        list(strings(json.loads(Reader(shown.url, one).get("/api/v1/wallet")[1])))
        for one in ("en", "de")
    )
    assert len(german) > 20
    assert untranslated(english, german, names_of(shown)) == {}


def test_scripts_write_in_the_pages_language(shown: Shown, visit: Callable[..., Visit]) -> None:
    """What stands there once every script has run: times, charts in words, quotes, maps."""
    account = Home(path=shown.home).account("farm-1").address
    paths = (
        "/",
        "/resources/energy",
        f"/accounts/{account}",
        "/epochs/1",
        "/governance/1",
        "/join",
    )
    names = names_of(shown)
    pages = {one: visit(locale="en-GB").page for one in ("en", "de")}
    for path in paths:
        said = {}
        for language, page in pages.items():
            page.context.add_cookies([{"name": "lang", "value": language, "url": shown.url}])
            page.goto(shown.url + path, wait_until="load")
            said[language] = page.evaluate(SETTLED_TEXTS)
        left = untranslated(said["en"], said["de"], names)
        assert not left, f"{path}: {left}"
        wrong = [text for text in said["de"] if ENGLISH_NUMBER.search(text)]
        assert not wrong, f"{path}: {wrong}"


def test_an_amount_is_filled_in_as_the_language_writes_it(
    shown: Shown, visit: Callable[..., Visit]
) -> None:
    account = Home(path=shown.home).account("farm-1").address
    page = visit(locale="de-DE").page
    page.goto(f"{shown.url}/accounts/{account}?lang=de")
    button = page.locator("[data-fill][data-units]").first
    units, decimals = (button.get_attribute(f"data-{name}") for name in ("units", "decimals"))
    whole, rest = divmod(int(units or 0), 10 ** int(decimals or 0))
    button.dispatch_event("click")
    places = str(rest).rjust(int(decimals or 0), "0").rstrip("0")
    filled = page.locator(f"#{button.get_attribute('data-fill')}").input_value()
    assert filled == (f"{whole},{places}" if places else str(whole))
