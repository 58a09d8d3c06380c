"""What browser tests share: a network that is shown, and a page with what went wrong on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 360, "height": 740}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A network that runs, with its explorer."""

    url: str
    """The explorer."""
    chain: str
    """JSON-RPC endpoint of its chain."""
    home: Path


class Visit:
    """A page, and everything that went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("requestfailed", self._failed)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _failed(self, request: Any) -> None:
        # A page that is left ends its stream and what it was loading: nobody's fault.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.wrong.append(f"failed: {request.url} {request.failure}")
