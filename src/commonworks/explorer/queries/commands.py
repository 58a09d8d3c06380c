"""Command lines that pages print: what a reader copies must do what it says, whatever the names."""

from __future__ import annotations

import re
import shlex
from typing import Final

from commonworks.explorer.site import Site

PLACEHOLDER: Final = "NAME"
"""Stands in a printed command for a name that is not known here, or not fit to be copied."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")


def plain_name(name: str | None) -> str:
    """Return a name for a command line: as it is where it holds nothing but plain characters.

    Names come from strangers, and what turns the reading direction shows another command than the
    one that is copied.
    """
    return name if name is not None and _PLAIN.fullmatch(name) else PLACEHOLDER


def command_line(site: Site, *words: str) -> str:
    """Return a command of ours for this network's folder, its arguments quoted for a shell."""
    return f"{site.command} {shlex.join(words)} --home {shlex.quote(site.home)}"
