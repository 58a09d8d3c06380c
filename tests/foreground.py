"""Programs that tests start, as at a terminal."""

from __future__ import annotations

import signal


def heed_ctrl_c() -> None:
    """Undo what a shell does to the jobs that it runs in the background: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
