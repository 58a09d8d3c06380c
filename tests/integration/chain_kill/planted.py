"""A chain with a planted bug: it acknowledges, and shows blocks, before the journal has them.

The rounds must notice; a test that cannot fail proves nothing. Run like `child`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from chain_kill import child
from commonworks.chain.embedded.frames import Record
from commonworks.chain.embedded.journal import Journal

LATE_S = 0.2


class Hasty(Journal):
    """A journal that promises first and writes later."""

    def append(self, record: Record) -> asyncio.Future[None]:
        """Return a promise that is kept at once, whatever happens to the record."""
        loop = asyncio.get_running_loop()
        loop.call_later(LATE_S, super().append, record)
        promise: asyncio.Future[None] = loop.create_future()
        promise.set_result(None)
        return promise


if __name__ == "__main__":
    from commonworks.chain.embedded import engine

    engine.Journal = Hasty  # type: ignore[misc]
    asyncio.run(child.run(Path(sys.argv[1]), Path(sys.argv[2])))
