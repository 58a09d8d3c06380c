"""What the end-to-end tests share: the two days of the demo, run once, and copies of its folder."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Done, installed, running
from street import Street

SEED = 1


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Street:
    """Two days of the demo with its cheaters, as the installed command left them.

    Shared by all workers: the first that asks runs it, under a lock. Nobody changes it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    place = shared / "street"
    with (shared / "street.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            done = installed(
                *("demo", "--home", place / "home", "--seed", SEED, "--no-serve", "--json")
            ).ok()
            (place / "out").write_text(done.out)
            (place / "err").write_text(done.err)
            (place / "done").touch()
    return Street(
        home=place / "home",
        ran=Done(code=0, out=(place / "out").read_text(), err=(place / "err").read_text()),
    )


@pytest.fixture(scope="session")
def home(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the street's folder for the commands of this worker that only look."""
    return street.copy(tmp_path_factory.mktemp("street") / "home")


@pytest.fixture
def copy(street: Street, tmp_path: Path) -> Callable[[], Path]:
    """Make copies of the street's folder that a test may change."""
    made = 0

    def make() -> Path:
        nonlocal made
        made += 1
        return street.copy(tmp_path / f"copy-{made}")

    return make


@pytest.fixture(scope="module")
def serving(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the street's folder whose network runs."""
    place = street.copy(tmp_path_factory.mktemp("serving") / "home")
    with running("up", "--home", place) as up:
        up.says("Ctrl-C stops it")
        (place.parent / "told").write_text(up.err)
        yield place
        done = up.interrupt()
        assert done.code in (0, 130)
        assert "Traceback" not in done.err
