"""The command tree. A command's module is imported when it is called, or all for help."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import click

from commonworks.cli.shell import run
from commonworks.errors import require

PLACES: Final = {
    "demo": "demo",
    "init": "network",
    "up": "network",
    "explorer": "explorer",
    "join": "join",
    "alerts": "alerts",
    "account": "keys",
    "device": "keys",
    "agent": "network",
    "govern": "govern",
    "halt": "govern",
    "proof": "proof",
    "proposal": "proposal",
    "policy": "policy",
    "economy": "economy",
    "epoch": "epochs",
    "verdicts": "epochs",
    "audit": "epochs",
    "deposit": "money",
    "withdraw": "money",
    "limit": "money",
    "claim": "money",
    "exit": "money",
    "token": "token",
    "log": "logs",
    "receipt": "logs",
    "backup": "network",
    "restore": "network",
    "conformance": "conformance",
    "index": "index",
}
"""Command -> the module of this package that it lives in."""

RENAMED: Final = {"audit": "audit_command", "restore": "restore_command", "exit": "leave"}
"""Commands whose function has another name."""


class CommandTree(click.Group):
    """A group whose commands are imported where they are wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        """Return the names of all commands."""
        return sorted(PLACES)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's form
        cmd_name: str,
    ) -> click.Command | None:
        """Return a command, imported now."""
        if cmd_name not in PLACES:
            return None
        if cmd_name not in self.commands:
            module = import_module(f"commonworks.cli.{PLACES[cmd_name]}")
            found = getattr(module, RENAMED.get(cmd_name, cmd_name))
            require(isinstance(found, click.Command), f"{cmd_name} is a command")
            self.add_command(found, cmd_name)
        return self.commands[cmd_name]


@click.group(
    cls=CommandTree,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="commonworks")
def root() -> None:
    """Launch and run a network that many people own.

    Try it: `commonworks demo` lets a street run its own network for two days.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(root))
