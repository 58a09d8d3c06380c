"""The command line: `commonworks <noun> <verb>`. Data on stdout, people on stderr."""

from __future__ import annotations

import importlib
import sys
from typing import Final

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells expect it."""


def main() -> None:
    """Run the command line and exit with its code.

    The commands are imported here, which takes a second, so that Ctrl-C is heeded by then.
    """
    try:
        commands = importlib.import_module("commonworks.cli.main")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    commands.main()


__all__ = ["INTERRUPTED", "main"]
