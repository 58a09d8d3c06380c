"""The command line: `commonworks <noun> <verb>`. Data on stdout, people on stderr."""

from commonworks.cli.main import main

__all__ = ["main"]
