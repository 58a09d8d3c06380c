"""An explorer read page by page, as a person without scripts does: every text in one language."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

CODE = frozenset({"script", "style", "code", "pre"})
"""Elements whose content is no language."""
VOID = frozenset({"meta", "link", "br", "input", "img", "hr", "wbr", "rect", "path", "circle"})
SPOKEN = ("title", "aria-label", "alt", "placeholder")
"""Attributes that a reader sees or hears."""
COMMANDS = ("data-copy", "data-values", "data-fill", "data-quote")
"""Attributes that hold commands and identifiers."""
NUMBERS = re.compile(r"0x[0-9a-fA-F]+|[0-9a-f]{15,}|\d+")


class Page(HTMLParser):
    """One page: what it says, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append(tag)
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        for name, value in given.items():
            if name in SPOKEN:
                self._say(value)
            elif name.startswith("data-") and name not in COMMANDS:
                self._data(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not CODE & set(self._open):
            self._say(data)

    def _say(self, text: str) -> None:
        plain = " ".join(text.split())
        if plain:
            self.texts.append(plain)

    def _data(self, value: str) -> None:
        """Take in what scripts show: texts, and JSON with texts in it (charts, dialogs)."""
        try:
            self.texts += strings(json.loads(value))
        except ValueError:
            self._say(value)


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a value of JSON; keys are no texts."""
    if isinstance(value, str):
        yield " ".join(value.split())
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


class Reader:
    """Reads an explorer in one language, as a stranger or signed in."""

    def __init__(self, url: str, language: str, session: str = "") -> None:
        self._url = url
        self._cookie = f"lang={language}" + (f"; {session}" if session else "")

    def get(self, path: str) -> tuple[str, str]:
        """Return an answer's type and text, whatever its status."""
        request = urllib.request.Request(self._url + path, headers={"cookie": self._cookie})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.headers["content-type"], answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.headers["content-type"], answer.read().decode()

    def page(self, path: str) -> Page | None:
        """Return a page; None for what is none."""
        kind, text = self.get(path)
        if not kind.startswith("text/html"):
            return None
        found = Page()
        found.feed(text)
        return found


def session_of(url: str, account: LocalAccount) -> str:
    """Sign in with a wallet; return the session's cookie."""

    def post(path: str, body: dict[str, str]) -> Any:
        request = urllib.request.Request(
            f"{url}/api/v1/{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json", "origin": url},
        )
        return urllib.request.urlopen(request, timeout=30)

    with post("session/message", {"account": account.address}) as answer:
        message = json.load(answer)["message"]
    signature = account.sign_message(encode_defunct(text=message)).signature
    signed = {"message": message, "signature": "0x" + bytes(signature).hex()}
    with post("session", signed) as answer:
        cookie: str = answer.headers["set-cookie"]
    return cookie.split(";", maxsplit=1)[0]


def addresses(reader: Reader, first: tuple[str, ...], alike: int) -> list[str]:
    """Return pages that can be reached by links: of those whose addresses differ in numbers and
    hashes only, `alike`; of parameters every one."""
    todo, seen = deque(first), set(first)
    counted: dict[str, int] = {}
    found = []
    while todo:
        path = todo.popleft()
        page = reader.page(path)
        if page is None:
            continue
        found.append(path)
        for link in page.links:
            place = urldefrag(urljoin(path, link)).url
            parts = urlsplit(place)
            if parts.netloc or not place.startswith("/") or place in seen:
                continue
            if parts.path.startswith(("/static/", "/api/")) or "lang=" in parts.query:
                continue
            shape = NUMBERS.sub("#", re.sub(r"cursor=[^&]*", "cursor", place))
            counted[shape] = counted.get(shape, 0) + 1
            if counted[shape] <= alike:
                seen.add(place)
                todo.append(place)
    return found
