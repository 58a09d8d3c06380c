"""A real browser on a real network: the demo, served with its explorer, and Debian's Chromium.

Everything here runs in one worker (group "browser"): one network, one browser, pages of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SEED = 7
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 360, "height": 740}
ADDRESSES = re.compile(r"chain (?P<chain>http://\S+)|^explorer (?P<explorer>http://\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A network that runs, with its explorer."""

    url: str
    """The explorer."""
    chain: str
    """JSON-RPC endpoint of its chain."""
    home: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests in one worker."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


def find_chromium() -> str:
    """Return the browser's path; without one these tests fail, they do not pass unseen."""
    names = (os.environ.get("COMMONWORKS_CHROMIUM", ""), "chromium", "chromium-browser")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found is not None, "the browser tests need Chromium: sudo apt install chromium"
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Two settled days of the demo, its nodes and its explorer."""
    home = tmp_path_factory.mktemp("shown") / "street"
    command = [
        str(Path(sys.executable).with_name("commonworks")), "demo", "--home", str(home),
        "--seed", str(SEED), "--explorer-port", "0",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield _addresses(process, home)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            rest = process.stderr.read()
            assert process.wait(timeout=60) in (0, 130), rest


def _addresses(process: subprocess.Popen[str], home: Path) -> Shown:
    found: dict[str, str] = {}
    said: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if match := ADDRESSES.search(line):
            found |= {name: text for name, text in match.groupdict().items() if text}
        if "explorer" in found:
            return Shown(url=found["explorer"], chain=found["chain"], home=home)
    raise AssertionError("the demo ended: " + "".join(said[-20:]))


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


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Open pages: visit(**context options); each must end without an error in its console."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def make(**options: Any) -> Visit:
        options = {
            "viewport": WIDE, "locale": "en-GB", "timezone_id": "Europe/Berlin",
            "reduced_motion": "reduce", **options,
        }  # fmt: skip
        context = chromium.new_context(**options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        visits.append(Visit(context.new_page()))
        return visits[-1]

    yield make
    wrong = [line for one in visits for line in one.wrong]
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)
