"""The real command line, run from tests: short commands fast, long ones as a process of their own.

Importing the program takes longer than most commands do, so short commands are forked from one
process that has imported it. What runs is the program's own entry point, in a fresh process with
its own arguments, environment, folder, standard streams and exit code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from commonworks.wiring.home import PASSPHRASE_VARIABLE, Home
from commonworks.wiring.session import open_session
from foreground import heed_ctrl_c

PROGRAM: Final = Path(sys.executable).with_name("commonworks")
"""The installed command."""

COMMAND_TIMEOUT_S: Final = 120
"""Longest that a short command may take; it is killed then, and the test fails."""

WAIT_TIMEOUT_S: Final = 120
"""Longest that a test waits for something to happen."""

POLL_S: Final = 0.02

_FORKED: Final = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["commonworks.cli.main"])

_NOT_INHERITED: Final = (
    "COMMONWORKS_HOME",
    PASSPHRASE_VARIABLE,
    "COMMONWORKS_ANVIL",
    "COMMONWORKS_UNISWAP",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ended."""

    code: int
    """Exit code; the negative signal number where a signal ended it."""
    out: str
    """Standard output."""
    err: str
    """Standard error."""

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it is."""
        return json.loads(self.out)

    def ok(self) -> Done:
        """Return itself; fail where the command did."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self

    def refused(self, code: int) -> str:
        """Return the one line that a mistake is told in; fail where it is anything else."""
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.err, self.err
        assert self.out == ""
        told = [line for line in self.err.splitlines() if line.startswith("commonworks: ")]
        assert len(told) == 1, self.err
        return told[0].removeprefix("commonworks: ")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would change a command's meaning."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return {**kept, **(extra or {})}


def _forked(
    arguments: tuple[str, ...], variables: dict[str, str], folder: str, file_bytes: int | None
) -> None:
    """Be the command: the rest of this process is its life."""
    os.setsid()
    if file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    os.environ.clear()
    os.environ.update(variables)
    for number, name in ((1, "out"), (2, "err")):
        target = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(target, number)
        os.close(target)
    sys.argv = ["commonworks", *arguments]
    from commonworks.cli.main import main

    main()


def commonworks(
    *arguments: object,
    variables: Mapping[str, str] | None = None,
    file_bytes: int | None = None,
    timeout_s: float = COMMAND_TIMEOUT_S,
) -> Done:
    """Run a short command to its end. `file_bytes`: how large a file it may write."""
    with tempfile.TemporaryDirectory() as folder:
        texts = tuple(str(argument) for argument in arguments)
        process = _FORKED.Process(
            target=_forked, args=(texts, environment(variables), folder, file_bytes)
        )
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
            raise AssertionError(f"{' '.join(texts)} took more than {timeout_s} s")
        streams = [Path(folder, name) for name in ("out", "err")]
        out, err = (path.read_text() if path.exists() else "" for path in streams)
        return Done(code=process.exitcode, out=out, err=err)


@dataclass(kw_only=True)
class Running:
    """The installed command as a process that is still running, with a group of its own."""

    process: subprocess.Popen[bytes]
    folder: Path
    """Where its streams go."""
    ended: bool = field(default=False)

    @property
    def out(self) -> str:
        """Standard output so far."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """Standard error so far."""
        return (self.folder / "err").read_text()

    def until(self, happened: Callable[[Running], Any], what: str) -> Any:
        """Return what `happened` returns once it is true; fail when the process ends before."""
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while not (value := happened(self)):
            gone = self.process.poll() is not None
            if gone and not (value := happened(self)):
                raise AssertionError(
                    f"ended with {self.process.returncode} before {what}\n{self.out}\n{self.err}"
                )
            if gone:
                break
            assert time.monotonic() < deadline, f"not {what} in time\n{self.err}"
            time.sleep(POLL_S)
        return value

    def says(self, *texts: str) -> str:
        """Wait for a whole line on standard error that holds one of `texts`; return the line."""

        def line(running: Running) -> str:
            whole = running.err.rpartition("\n")[0].splitlines()
            return next((found for found in whole if any(text in found for text in texts)), "")

        return str(self.until(line, f"it said {texts[0]!r}"))

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> Done:
        """Press Ctrl-C, as a terminal does, and return how it ended."""
        os.killpg(self.process.pid, number)
        return self.wait()

    def kill(self) -> None:
        """Kill the whole group at once; nobody gets to say goodbye."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, timeout_s: float = WAIT_TIMEOUT_S) -> Done:
        """Wait for its end."""
        self.process.wait(timeout_s)
        return Done(code=self.process.returncode, out=self.out, err=self.err)


@contextlib.contextmanager
def running(*arguments: object, variables: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Start the installed command; whatever is left of it in the end is killed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
            process = subprocess.Popen(
                [PROGRAM, *(str(argument) for argument in arguments)],
                env=environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=heed_ctrl_c,  # noqa: PLW1509 - it takes no lock
            )
        held = Running(process=process, folder=place)
        try:
            yield held
        finally:
            held.kill()


def installed(*arguments: object, variables: Mapping[str, str] | None = None) -> Done:
    """Run the installed command to its end."""
    with running(*arguments, variables=variables) as held:
        return held.wait()


def pass_time(home: Path, seconds: int) -> None:
    """Let time pass on a demo's chain, as nobody is there to let it pass."""

    async def move() -> None:
        async with open_session(Home(path=home)) as session:
            session.clock.set(session.clock.now() + seconds)  # type: ignore[union-attr]
            await session.pass_time()

    asyncio.run(move())
