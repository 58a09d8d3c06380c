"""Pictures of every page of the explorer, from a demo network, into docs/screenshots.

Each page as a wide light and a narrow dark picture; `--all` adds the other two combinations,
`--url` looks at an explorer that runs already, `--out` writes elsewhere. Prints one line a picture.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from PIL import Image
from playwright.async_api import Browser, FloatRect, Page, ViewportSize, async_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = ROOT / "docs" / "screenshots"
READY: Final = re.compile(r"^explorer (http://\S+)")
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDE: Final = ViewportSize(width=1280, height=900)
NARROW: Final = ViewportSize(width=390, height=844)
HEIGHT_MAX: Final = 4_000
"""Longest picture, pixels of a page: what follows looks like what came before."""
COLOURS: Final = 192


def chromium() -> str:
    """Return the browser's path; exits with what to do where there is none."""
    look = [str(ROOT / "scripts" / "browser.sh"), "--find"]
    found = subprocess.run(look, check=False, stdout=subprocess.PIPE, text=True)
    if found.returncode:
        sys.exit(found.returncode)  # it has said what to do
    return found.stdout.strip()


@contextmanager
def demo() -> Iterator[str]:
    """Run a demo network with an open vote; yield its explorer's URL once the days are settled."""
    with tempfile.TemporaryDirectory() as folder:
        street = ("demo", "--home", f"{folder}/street")
        run_to_end(*street, "--days", "1", "--no-serve")
        run_to_end(
            *("proposal", "new", "--title", "Dearer wires", "--set", "energy.grid_charge=90000"),
            *("--description", "The wires age; the charge pays for new ones."),
            *("--as", "verifier-1", "--home", f"{folder}/street"),
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # as readers elsewhere see it: without the folders of this machine
        served = ("--explorer-port", str(port), "--reached-at", f"http://127.0.0.1:{port}")
        command = commonworks(*street, "--days", "2", *served)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                url = _url(process)
                votes = ("--as", "farm-1", "--reason", "Safer lines for all of us.")
                run_to_end("proposal", "vote", "1", "for", *votes, "--home", f"{folder}/street")
                while get(f"{url}/api/v1/governance/1/backtest")["stage"] in ("waiting", "running"):
                    time.sleep(1)
                yield url
            finally:
                process.terminate()
                process.wait()


def commonworks(*words: str) -> list[str]:
    """Return a command line of the installed package."""
    return [str(Path(sys.executable).with_name("commonworks")), *words]


def run_to_end(*words: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(commonworks(*words), check=True, stdout=subprocess.DEVNULL)


def _url(process: subprocess.Popen[str]) -> str:
    stream = process.stderr
    for line in stream if stream is not None else ():
        if found := READY.match(line):
            return found[1]
    sys.exit("the demo ended before its explorer was there")


def get(url: str) -> Any:
    """Return an answer of the API."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def places(url: str) -> dict[str, str]:
    """Return every page worth a picture: its name and its address."""
    api = f"{url}/api/v1"
    rejected = get(f"{api}/statements?outcome=rejected&limit=1")["items"][0]
    device = rejected["device"]["device"] if rejected["device"] else 1
    epoch = max(row["epoch"] for row in get(f"{api}/epochs")["items"] if row["minted_wei"])
    name = get(f"{api}/resources")[0]["name"]
    owners = [one for one in get(f"{api}/accounts?limit=50")["items"] if one["devices"]]
    who = owners[0]["account"]["address"]
    key = "quorum_ppm"
    gateway = get(f"{api}/nodes/gateways")["items"][0]["log_id"]
    leaf = get(f"{api}/epochs/{epoch}/payouts?limit=1")["items"][0]
    payout = f"{epoch}/{leaf['asset']}/{leaf['account']['address']}"
    return {
        "overview": "/",
        "devices": "/devices",
        "device": f"/devices/{device}",
        "statements": "/statements?outcome=rejected",
        "statement": f"/statements/{rejected['identity'].removeprefix('0x')}",
        "reasons": "/reasons",
        "epochs": "/epochs",
        "epoch": f"/epochs/{epoch}",
        "resource": f"/resources/{name}",
        "accounts": "/accounts",
        "account": f"/accounts/{who}",
        "monthly": f"/accounts/{who}/statement",
        "governance": "/governance",
        "proposal": "/governance/1",
        "parameters": "/parameters",
        "parameter": f"/parameters/{key}",
        "nodes": "/nodes",
        "gateway": f"/nodes/gateways/{gateway}",
        "activity": "/activity",
        "search": "/search?q=house",
        "proof-receipt": f"/proofs/receipt/{rejected['identity'].removeprefix('0x')}",
        "proof-payout": f"/proofs/payout/{payout}",
        "session": "/session",
        "join": "/join",
        "alerts": "/alerts",
        "not-found": "/nothing-here",
    }


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Yield a headless Chromium."""
    async with async_playwright() as play:
        started = await play.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield started
        finally:
            await started.close()


async def shoot(page: Page, url: str, target: Path) -> None:
    """Write one page as a small PNG."""
    await page.goto(url, wait_until="load")
    await page.wait_for_timeout(700)  # charts draw after they were laid out
    height = await page.evaluate("document.documentElement.scrollHeight")
    size = page.viewport_size or WIDE
    clip = FloatRect(x=0, y=0, width=size["width"], height=min(height, HEIGHT_MAX))
    await page.screenshot(path=target, full_page=True, clip=clip)
    with Image.open(target) as picture:
        picture.convert("RGB").quantize(COLOURS).save(target, optimize=True)


async def run(url: str, target: Path, everything: bool, only: str) -> None:
    """Write all pictures."""
    wanted = set(only.split(",")) if only else None
    found = await asyncio.to_thread(places, url)
    pages = {name: path for name, path in found.items() if wanted is None or name in wanted}
    looks: list[tuple[str, ViewportSize, Literal["light", "dark"]]]
    looks = [("wide", WIDE, "light"), ("narrow", NARROW, "dark")]
    if everything:
        looks += [("wide", WIDE, "dark"), ("narrow", NARROW, "light")]
    async with browser() as opened:
        for form, size, scheme in looks:
            context = await opened.new_context(
                viewport=size,
                color_scheme=scheme,
                locale="en-GB",
                timezone_id="Europe/Berlin",
                reduced_motion="reduce",
            )
            page = await context.new_page()
            for name, path in pages.items():
                file = target / f"{name}-{form}-{scheme}.png"
                await shoot(page, url + path, file)
                print(f"{file.name}: {file.stat().st_size // 1024} KiB")
            await context.close()


def main() -> None:
    """Read the command line and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="An explorer that runs already.")
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--all", action="store_true", help="Every page in all four looks.")
    parser.add_argument("--only", default="", help="Names of pages, with commas.")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.url:
        asyncio.run(run(given.url, given.out, given.all, given.only))
        return
    with demo() as url:
        asyncio.run(run(url, given.out, given.all, given.only))


if __name__ == "__main__":
    main()
