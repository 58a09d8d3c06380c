"""The command tree."""

from __future__ import annotations

import sys

import click

from commonworks.cli.alerts import alerts
from commonworks.cli.conformance import conformance
from commonworks.cli.demo import demo
from commonworks.cli.economy import economy
from commonworks.cli.epochs import audit_command, epoch, verdicts
from commonworks.cli.explorer import explorer
from commonworks.cli.govern import govern, halt
from commonworks.cli.index import index
from commonworks.cli.join import join
from commonworks.cli.keys import account, device
from commonworks.cli.logs import log, receipt
from commonworks.cli.money import claim, deposit, limit, withdraw
from commonworks.cli.network import agent, backup, init, restore_command, up
from commonworks.cli.policy import policy
from commonworks.cli.proposal import proposal
from commonworks.cli.shell import run
from commonworks.cli.token import token


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="commonworks")
def root() -> None:
    """Launch and run a network that many people own.

    Try it: `commonworks demo` lets a street run its own network for two days.
    """


for command in (
    demo,
    init,
    up,
    explorer,
    join,
    alerts,
    account,
    device,
    agent,
    govern,
    halt,
    proposal,
    policy,
    economy,
    epoch,
    verdicts,
    audit_command,
    deposit,
    withdraw,
    limit,
    claim,
    token,
    log,
    receipt,
    backup,
    restore_command,
    conformance,
    index,
):
    root.add_command(command)


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(root))
