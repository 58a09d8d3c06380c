"""The command tree."""

from __future__ import annotations

import sys

import click

from commonworks.cli.demo import demo
from commonworks.cli.shell import run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="commonworks")
def root() -> None:
    """Launch and run a network that many people own.

    Try it: `commonworks demo` lets a street run its own network for two days.
    """


root.add_command(demo)


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(root))
