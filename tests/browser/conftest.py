"""A real browser on a real network: the demo, served with its explorer, and Debian's Chromium.

Everything here runs in one worker (group "browser"): one network, one browser, pages of their own.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import WIDE, Shown, Visit
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from foreground import heed_ctrl_c

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SEED = 7
ADDRESSES = re.compile(r"chain (?P<chain>http://\S+)|^explorer (?P<explorer>http://\S+)")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests in one worker."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


def find_chromium() -> str:
    """Return the browser's path; without one these tests fail, they do not pass unseen."""
    look = str(Path(__file__).parents[2] / "scripts" / "browser.sh")
    found = subprocess.run([look, "--find"], check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium.

    One a module: while Playwright runs, its event loop runs in this thread, and no test of another
    module could run one of its own.
    """
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        yield browser
        browser.close()


def commonworks(*words: str | Path) -> list[str]:
    """Return a command line of the installed package."""
    return [str(Path(sys.executable).with_name("commonworks")), *map(str, words)]


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Two settled days of the demo, its nodes and its explorer; a vote that is open."""
    home = tmp_path_factory.mktemp("shown") / "street"
    street = ("demo", "--home", home, "--seed", str(SEED))
    for words in (
        (*street, "--days", "1", "--no-serve"),
        (
            *("proposal", "new", "--title", "Dearer wires", "--set", "energy.grid_charge=90000"),
            *("--description", "The wires age.", "--as", "verifier-1", "--home", home),
        ),
    ):
        subprocess.run(commonworks(*words), check=True, capture_output=True)
    # all tests are one reader to it, and read faster than a person
    served = ("--explorer-port", "0", "--requests-per-minute", "1000000")
    command = commonworks(*street, "--days", "2", *served)
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,  # noqa: PLW1509 - it takes no lock
    ) as process:
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
