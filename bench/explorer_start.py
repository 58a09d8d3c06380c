"""What the first readers of an explorer wait for: `python bench/explorer_start.py [--home DIR]`.

Starts `commonworks explorer` as a process, twice, and asks each for the same pages, once each. The
first process is asked the moment it answers; the second one when it has had time to warm up. One
line a page with both; the moment at which each answered is above them. Times are a reader's own, of
the clock on the wall: run it on a machine that does nothing else.

Without `--home` a demo of one day is made in a new folder first.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

PAGES: Final = (
    "/", "/?lang=de", "/activity", "/devices", "/statements", "/epochs", "/epochs/0", "/accounts",
    "/governance", "/parameters", "/nodes", "/proofs", "/join", "/alerts", "/api/v1/openapi.json",
)  # fmt: skip
COMMONWORKS: Final = Path(sys.executable).with_name("commonworks")
WARM_UP_S: Final = 10.0
"""What the second process is given before anybody asks."""
START_TIMEOUT_S: Final = 120


@contextlib.contextmanager
def explorer(home: Path) -> Iterator[tuple[str, float]]:
    """Run an explorer; the values are its URL and how long it took to say it, seconds."""
    began = time.monotonic()
    command = [COMMONWORKS, "explorer", "--home", home, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = ""
            for line in process.stderr or ():
                found = re.search(r"explorer (http://\S+)", line)
                if found:
                    url = found[1]
                    break
            if not url:
                sys.exit("the explorer did not start")
            yield url, time.monotonic() - began
        finally:
            process.terminate()
            process.communicate()


def asked(url: str) -> list[tuple[int, float]]:
    """Ask for every page once; return status and seconds of each."""
    found = []
    place = urlsplit(url)
    for path in PAGES:
        began = time.perf_counter()
        connection = http.client.HTTPConnection(place.netloc, timeout=START_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        found.append((answer.status, time.perf_counter() - began))
    return found


def run(home: Path) -> int:
    """Measure; return how many pages were not answered."""
    rows = []
    for wait_s in (0.0, WARM_UP_S):
        with explorer(home) as (url, started_s):
            print(f"answers after {started_s:.2f} s; asked {wait_s:.0f} s later")
            time.sleep(wait_s)
            rows.append(asked(url))
    broken = 0
    print(f"{'first request of':<24} {'at once':>10} {'warmed up':>10}")
    for path, (status, cold_s), (again, warm_s) in zip(PAGES, *rows, strict=True):
        broken += status >= 400 or again >= 400
        print(f"{path:<24} {cold_s * 1e3:7.0f} ms {warm_s * 1e3:7.0f} ms  {again}")
    return broken


def main() -> None:
    """Make or take a network's folder, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--home", type=Path, help="folder of a network whose chain is not needed")
    given = parser.parse_args().home
    with tempfile.TemporaryDirectory() as folder:
        home = given or Path(folder) / "net"
        if given is None:
            demo = ("demo", "--days", "1", "--no-serve", "--home", str(home))
            subprocess.run([COMMONWORKS, *demo], check=True)
        broken = run(home)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
