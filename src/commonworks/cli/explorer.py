"""The explorer as a command of its own; `up` and `demo` run it too."""

from __future__ import annotations

import asyncio

import click

from commonworks.cli.shell import asynchronous, home_option, program, say
from commonworks.wiring.explorer.running import Place, run_explorer
from commonworks.wiring.home import Home
from commonworks.wiring.session import open_session


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Port; 0 takes a free one.  [default: the one that this network's explorer had before]",
)
@click.option(
    "--reached-at",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="Name that people reach it at, for example behind a proxy; several times.",
)
@click.option(
    "--names/--no-names",
    default=None,
    help="Show what this folder calls its accounts and devices.  [default: only a demo's]",
)
@click.option("--as", "reader", help="Account that asks other gateways for sealed payloads.")
@home_option
@asynchronous
async def explorer(
    *,
    host: str,
    port: int | None,
    hosts: tuple[str, ...],
    names: bool | None,
    reader: str | None,
    home: Home,
) -> None:
    """Show the network to people: pages and an API, until Ctrl-C.

    Example: commonworks explorer --home home/street --port 8080

    It reads chain and logs, holds no key, and may run beside `commonworks up` or elsewhere.
    """
    async with open_session(home, say) as session:
        place = Place(
            host=host,
            port=port,
            hosts=frozenset(hosts),
            names=session.manifest.demo if names is None else names,
            reader=reader,
            command=program(),
        )
        async with run_explorer(session, place, lambda line: say(f"  {line}")) as url:
            say(f"explorer {url}   Ctrl-C stops it; nothing is lost.")
            await asyncio.Event().wait()
