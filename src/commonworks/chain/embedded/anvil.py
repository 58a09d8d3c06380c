"""The anvil process: found, started, spoken to, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import shutil
import signal
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from commonworks.errors import CommonworksError, InvalidInput, NotFound, Unavailable

ENVIRONMENT_VARIABLE: Final = "COMMONWORKS_ANVIL"

START_TIMEOUT_S: Final = 30
CALL_TIMEOUT_S: Final = 30
# Mining a full block, or dumping and loading the whole state.
LONG_CALL_TIMEOUT_S: Final = 600
STOP_TIMEOUT_S: Final = 5
MAX_RESPONSE_BYTES: Final = 64 * 2**20
KEPT_OUTPUT_LINES: Final = 20

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_LISTENING: Final = "Listening on "


class AnvilRefused(CommonworksError):
    """Anvil answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message, code=code)
        self.code = code


class AnvilLost(Unavailable):
    """Anvil died or does not answer; what it knew beyond the journal is void."""


def find_anvil(root: Path | None) -> Path:
    """Return the native anvil executable.

    Looked for in $COMMONWORKS_ANVIL, then in the `node_modules` of `root` (default: of the
    checkout that this package is in), then on PATH. npm's own `anvil` command is a script that
    would stand between us and the process, so the executable behind it is returned.

    Raises: NotFound.
    """
    configured = os.environ.get(ENVIRONMENT_VARIABLE)
    if configured:
        path = Path(configured)
        if _is_native(path):
            return path.resolve()
        raise NotFound(
            f"${ENVIRONMENT_VARIABLE} names {path}, which is no native executable",
            hint="set it to the anvil executable, or unset it",
        )
    modules = [(root or Path(__file__).resolve().parents[4]) / "node_modules"]
    on_path = shutil.which("anvil")
    if on_path is not None:
        # npm links bin/anvil to node_modules/@foundry-rs/anvil/bin.mjs.
        modules.extend(p for p in Path(on_path).resolve().parents if p.name == "node_modules")
    machine = _ARCHITECTURES.get(platform.machine(), platform.machine())
    name = f"anvil-{sys.platform}-{machine}"
    candidates = [folder / "@foundry-rs" / name / "bin" / "anvil" for folder in modules]
    if on_path is not None:
        candidates.append(Path(on_path))
    for candidate in candidates:
        if _is_native(candidate):
            return candidate.resolve()
    raise NotFound(
        "anvil, which runs the embedded chain, is not installed",
        hint=f"run `npm install @foundry-rs/anvil` or set ${ENVIRONMENT_VARIABLE}",
    )


def _is_native(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) != b"#!" and os.access(path, os.X_OK)
    except OSError:
        return False


class Anvil:
    """A running anvil that dies with this process."""

    def __init__(
        self, process: asyncio.subprocess.Process, output: deque[str], endpoint: str
    ) -> None:
        self._process = process
        self._endpoint = endpoint
        self._output = output
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={"content-type": "application/json"},
        )
        self._draining = asyncio.create_task(_drain(process, output))
        self.exited: asyncio.Task[int] = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, executable: Path, flags: Sequence[str], home: Path) -> Anvil:
        """Start anvil on a free port of the loopback interface, with an empty home directory.

        Raises: NotFound or InvalidInput when it is no anvil, Unavailable when it does not start.
        """
        await asyncio.to_thread(_prepare, executable, home)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(executable)),
            *("--host", "127.0.0.1", "--port", "0", *flags),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=home,
            env={"HOME": str(home), "NO_COLOR": "1"},
            # Ctrl-C in a terminal is for us; anvil is still needed to close cleanly.
            start_new_session=True,
        )
        output: deque[str] = deque(maxlen=KEPT_OUTPUT_LINES)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                address = await _listening(process, output)
        except BaseException as error:
            _signal(process, signal.SIGKILL)
            await process.wait()
            if isinstance(error, TimeoutError):
                raise Unavailable(f"anvil did not start within {START_TIMEOUT_S} s") from error
            raise
        return cls(process, output, f"http://{address}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def call(self, method: str, *params: object, timeout_s: int = CALL_TIMEOUT_S) -> Any:
        """Return a call's result.

        Raises: AnvilRefused for an error answer, AnvilLost without an answer.
        """
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        encoded = json.dumps(request).encode()
        try:
            body = await self.forward(encoded, timeout_s=timeout_s, limit=None)
        except AnvilLost:
            raise
        except Unavailable as error:
            # Whether it took effect is unknown, so the process may not be trusted any more.
            raise AnvilLost(f"anvil did not answer {method} in time") from error
        try:
            answer = json.loads(body)
            if "result" in answer:
                return answer["result"]
            refusal = answer["error"]
            code, message = int(refusal["code"]), str(refusal["message"])
        except (ValueError, KeyError, TypeError) as error:
            raise AnvilLost(f"anvil answered {method} with something else") from error
        raise AnvilRefused(code, message)

    async def forward(
        self,
        body: bytes,
        *,
        timeout_s: int = CALL_TIMEOUT_S,
        limit: int | None = MAX_RESPONSE_BYTES,
    ) -> bytes:
        """Return the answer's body to one JSON-RPC request, as it is.

        Raises: AnvilLost without an answer, Unavailable when it takes too long, InvalidInput when
        the answer is larger than `limit`.
        """
        try:
            async with self._session.post(
                self._endpoint, data=body, timeout=aiohttp.ClientTimeout(total=timeout_s)
            ) as response:
                if limit is not None and (response.content_length or 0) > limit:
                    response.close()
                    raise InvalidInput(
                        f"the answer is larger than {limit} bytes", hint="ask for fewer blocks"
                    )
                return await response.read()
        except TimeoutError as error:
            raise Unavailable(f"no answer within {timeout_s} s", hint="ask for less") from error
        except (aiohttp.ClientError, OSError) as error:
            last = f": {self._output[-1]}" if self._output and self.exited.done() else ""
            raise AnvilLost(f"anvil does not answer{last}", hint="try again") from error

    async def stop(self) -> None:
        """End the process: politely, then not."""
        await self._session.close()
        _signal(self._process, signal.SIGTERM)
        await asyncio.wait([self.exited], timeout=STOP_TIMEOUT_S)
        _signal(self._process, signal.SIGKILL)
        await asyncio.wait([self.exited, self._draining])


def _prepare(executable: Path, home: Path) -> None:
    if not executable.is_file():
        raise NotFound(
            f"there is no anvil at {executable}",
            hint=f"run `npm install @foundry-rs/anvil` or set ${ENVIRONMENT_VARIABLE}",
        )
    if not _is_native(executable):
        raise InvalidInput(
            f"{executable} is a script or not executable", hint="name the native anvil executable"
        )
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal a process if it still runs.

    Not by the process object: that would collect a dead child's status before asyncio does.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def _listening(process: asyncio.subprocess.Process, output: deque[str]) -> str:
    """Read anvil's output up to the line that names its address."""
    stdout = process.stdout
    while stdout is not None:
        line = (await stdout.readline()).decode("utf-8", "replace")
        if not line:
            break
        if line.startswith(_LISTENING):
            return line.removeprefix(_LISTENING).strip()
        if line.strip():
            output.append(line.strip())
    last = output[-1] if output else "no output"
    raise Unavailable(f"anvil ended while it started: {last}", hint="is it anvil 1.7?")


async def _drain(process: asyncio.subprocess.Process, output: deque[str]) -> None:
    """Keep reading: anvil stops answering when its pipe is full."""
    stdout = process.stdout
    if stdout is None:
        return
    while chunk := await stdout.read(2**16):
        output.extend(chunk.decode("utf-8", "replace").splitlines())
