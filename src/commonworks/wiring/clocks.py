"""Network clocks for real runs: the machine's own, and one that a replay drives."""

from __future__ import annotations

import asyncio
import time
from typing import Final

POLL_S: Final = 0.2
"""How often a sleeper looks at the clock again."""


class SystemClock:
    """Network time is the machine's time. Implements `ports.Clock`."""

    def now(self) -> int:
        """Return Unix seconds."""
        return int(time.time())

    async def sleep_until(self, time_s: int) -> None:
        """Return when the machine's clock has reached `time_s`."""
        while (left := time_s - time.time()) > 0:  # noqa: ASYNC110 - time has no event
            await asyncio.sleep(min(left, POLL_S))


class ReplayClock:
    """Network time that a driver moves, or that runs on from where it stands.

    Implements `ports.Clock`. Stopped at first; `set` moves it forward, `run` lets it go on.
    """

    def __init__(self, start_s: int) -> None:
        self._base_s = start_s
        self._since: float | None = None
        self._speed = 1.0

    def now(self) -> int:
        """Return network time, Unix seconds."""
        if self._since is None:
            return self._base_s
        return self._base_s + int((time.monotonic() - self._since) * self._speed)

    def set(self, time_s: int) -> None:
        """Stop the clock at `time_s`, or leave it where it stands when that is later."""
        self._base_s = max(self.now(), time_s)
        self._since = None

    def run(self, speed: float = 1.0) -> None:
        """Let it go on from where it stands, `speed` network seconds a second."""
        self._base_s, self._since, self._speed = self.now(), time.monotonic(), speed

    async def sleep_until(self, time_s: int) -> None:
        """Return when network time has reached `time_s`, whoever moves it."""
        while self.now() < time_s:  # noqa: ASYNC110 - time has no event
            await asyncio.sleep(POLL_S)
