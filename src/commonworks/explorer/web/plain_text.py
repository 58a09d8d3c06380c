"""What strangers wrote, for showing: text and nothing else.

Rule: no mark-up is read out of it. Addresses of web pages become links only where they are ASCII
and begin with http:// or https://, and the whole address is what stands there to be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

URL: Final = re.compile(r"https?://\S{1,500}", re.IGNORECASE)
ENDS: Final = ".,;:!?'\"()[]{}<>"
"""Characters that end a sentence rather than an address."""
BREAKS: Final = frozenset("<>\"'`\\")
"""Characters before which an address ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A run of text."""

    text: str
    href: str | None = None
    """The same text, where it is the address of a web page."""


def plain(text: str) -> str:
    """Return text without what would move letters or hide among them; one line stays one line."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def one_line(text: str) -> str:
    """Return text on one line."""
    return " ".join(plain(text.replace("\r", " ").replace("\t", " ")).split())


def paragraphs(text: str) -> list[list[list[Segment]]]:
    """Return text as paragraphs of lines of segments."""
    whole = plain(text.replace("\r\n", "\n").replace("\t", "    "))
    return [
        [_segments(line) for line in part.strip("\n").split("\n")]
        for part in re.split(r"\n\s*\n", whole)
        if part.strip()
    ]


def web_address(text: str) -> str | None:
    """Return the address where a whole text is one of a web page, else None."""
    found = URL.fullmatch(text)
    readable = text.isascii() and text.isprintable() and not BREAKS & set(text)
    return text if found is not None and readable else None


def _segments(line: str) -> list[Segment]:
    found, at = [], 0
    for match in URL.finditer(line):
        address = match.group()
        cut = next((n for n, c in enumerate(address) if c in BREAKS), len(address))
        address = address[:cut].rstrip(ENDS)
        if web_address(address) is None:
            continue
        if match.start() > at:
            found.append(Segment(text=line[at : match.start()]))
        found.append(Segment(text=address, href=address))
        at = match.start() + len(address)
    if at < len(line):
        found.append(Segment(text=line[at:]))
    return found
