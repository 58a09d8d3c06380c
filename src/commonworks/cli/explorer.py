"""The explorer as a command of its own; `up` and `demo` run it too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import click

from commonworks.cli.shell import asynchronous, home_option, program, program_anywhere, say
from commonworks.errors import InvalidInput
from commonworks.wiring.home import Home
from commonworks.wiring.session import Session, open_session

PORT: Final = click.IntRange(0, 65_535)
REQUESTS: Final = click.IntRange(1, 1_000_000)


def explorer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --explorer/--no-explorer and --explorer-port."""
    command = click.option(
        "--explorer-port",
        type=PORT,
        help="Port of the explorer; 0 takes a free one.  [default: the one that it had before]",
    )(command)
    return click.option(
        "--explorer/--no-explorer",
        "show",
        default=True,
        help="Show the network to people on this machine, in a browser.",
    )(command)


@asynccontextmanager
async def exploring(
    session: Session,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    hosts: tuple[str, ...] = (),
    names: bool | None = None,
    reader: str | None = None,
    public_rpc: tuple[str, ...] = (),
    proxies: tuple[str, ...] = (),
    requests_per_minute: int | None = None,
) -> AsyncIterator[str]:
    """Run the explorer of an opened network until the block is left; the value is its URL."""
    # Loaded where it is wanted: no other command waits for its libraries.
    from commonworks.explorer.web.proxies import parse_proxy  # noqa: PLC0415
    from commonworks.wiring.explorer.running import Place, run_explorer  # noqa: PLC0415

    place = Place(
        host=host,
        port=port,
        hosts=_hosts(hosts),
        proxies=tuple(map(parse_proxy, proxies)),
        requests_per_minute=requests_per_minute,
        names=session.manifest.demo if names is None else names,
        reader=reader,
        public_rpc=public_rpc,
        command=program() if hosts else program_anywhere(),
    )
    async with run_explorer(session, place, lambda line: say(f"  {line}")) as url:
        yield url


def _hosts(given: tuple[str, ...]) -> dict[str, str]:
    """Return host -> scheme; https unless http is written."""
    hosts: dict[str, str] = {}
    for text in given:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
            raise InvalidInput(f"{text!r} is no host", hint="write street.example")
        hosts[parts.netloc.lower()] = parts.scheme
    return hosts


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=PORT,
    help="Port; 0 takes a free one.  [default: the one that this network's explorer had before]",
)
@click.option(
    "--reached-at",
    "hosts",
    multiple=True,
    metavar="[http://]HOST[:PORT]",
    help="Where people reach it, for example behind a proxy that speaks https; several times.",
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="Address or network of a proxy that is believed about who asks; several times.",
)
@click.option(
    "--requests-per-minute",
    type=REQUESTS,
    help="How often one reader may ask for something.  [default: 1200]",
)
@click.option(
    "--names/--no-names",
    default=None,
    help="Show what this folder calls its accounts and devices.  [default: only a demo's]",
)
@click.option("--as", "reader", help="Account that asks other gateways for sealed payloads.")
@click.option(
    "--public-rpc",
    multiple=True,
    metavar="URL",
    help="Chain endpoint that wallets and newcomers are told.  [default: the embedded chain's]",
)
@home_option
@asynchronous
async def explorer(
    *,
    host: str,
    port: int | None,
    hosts: tuple[str, ...],
    proxies: tuple[str, ...],
    requests_per_minute: int | None,
    names: bool | None,
    reader: str | None,
    public_rpc: tuple[str, ...],
    home: Home,
) -> None:
    """Show the network to people: pages and an API, until Ctrl-C.

    Example: commonworks explorer --home home/street --port 8080

    It reads chain and logs, holds no key, and may run beside `commonworks up` or elsewhere.
    """
    async with (
        open_session(home, say) as session,
        exploring(
            session,
            host=host,
            port=port,
            hosts=hosts,
            proxies=proxies,
            requests_per_minute=requests_per_minute,
            names=names,
            reader=reader,
            public_rpc=public_rpc,
        ) as url,
    ):
        say(f"explorer {url}   Ctrl-C stops it; nothing is lost.")
        await asyncio.Event().wait()
