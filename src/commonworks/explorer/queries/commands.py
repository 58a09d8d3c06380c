"""Command lines that pages print: what a reader copies must do what it says, whatever the names."""

from __future__ import annotations

import shlex

from commonworks.explorer.site import Site


def command_line(site: Site, *words: str) -> str:
    """Return a command of ours for this network's folder, its arguments quoted for a shell."""
    return f"{site.command} {shlex.join(words)} --home {shlex.quote(site.home)}"
