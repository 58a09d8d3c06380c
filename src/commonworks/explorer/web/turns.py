"""Who may wait for a log: few at a time, and none for long.

Goal: a gateway that hangs, which anybody may register, costs the readers of its own statements
their bytes, and nobody else anything. Rule: a request holds a connection to the index while it
waits; so only some wait at once, and who comes later is told so at once instead of waiting as well.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from commonworks.errors import Unavailable
from commonworks.explorer.web.i18n import gettext

LOG_MAX: Final = 8
"""Most requests that read one log at once."""
ALL_MAX: Final = 24
"""Most requests that read any log at once: less than half the connections that there are."""
WAIT_MAX_S: Final = 10.0
"""Longest that a request waits for a log, real time."""


class Turns:
    """Requests that read logs now. Belongs to one event loop."""

    def __init__(self, wait_max_s: float = WAIT_MAX_S) -> None:
        self._wait_max_s = wait_max_s
        self._reading: Counter[bytes] = Counter()

    @asynccontextmanager
    async def reading(self, log_id: bytes) -> AsyncIterator[None]:
        """Read a log within the block.

        Raises: Unavailable where too many do so already, or the log takes too long.
        """
        if self._reading[log_id] >= LOG_MAX or self._reading.total() >= ALL_MAX:
            raise Unavailable(
                gettext("too many readers ask for it at once"),
                hint=gettext("try again in a moment"),
            )
        self._reading[log_id] += 1
        try:
            async with asyncio.timeout(self._wait_max_s):
                yield
        except TimeoutError:
            raise Unavailable(gettext("it takes too long to answer")) from None
        finally:
            self._reading[log_id] -= 1
            if not self._reading[log_id]:
                del self._reading[log_id]
