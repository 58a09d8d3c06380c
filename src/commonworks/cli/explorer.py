"""The explorer as a command of its own; `up` and `demo` run it too."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import click

from commonworks.cli.shell import asynchronous, home_option, program_anywhere, say
from commonworks.errors import InvalidInput
from commonworks.wiring.home import Home
from commonworks.wiring.session import Session, open_session

PORT: Final = click.IntRange(0, 65_535)
REQUESTS: Final = click.IntRange(1, 1_000_000)

PROGRAM: Final = "commonworks"
"""The command as readers elsewhere have it: where it lies here is nothing to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How an explorer serves its readers."""

    host: str = "127.0.0.1"
    """Address to listen at."""
    port: int | None = None
    """None: the port that this network's explorer had before; 0: a free one."""
    hosts: tuple[str, ...] = ()
    """Where people reach it, as `--reached-at` takes it."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies that are believed about who asks."""
    requests_per_minute: int | None = None
    """How often one reader may ask; None: the default."""
    names: bool | None = None
    """Show what the folder calls its accounts and devices; None: only a demo's."""
    public_rpc: tuple[str, ...] = ()
    """Chain endpoints that wallets and newcomers are told; none: the embedded chain's."""
    reader: str | None = None
    """Account that asks other gateways for sealed payloads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Whether and how a network that runs here is shown in a browser."""

    explorer: bool
    service: Service


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what an operator says about readers, and hand the command a `Service`."""

    @click.option(
        "--reached-at",
        "hosts",
        multiple=True,
        metavar="[http://]HOST[:PORT]",
        help="Where people reach the explorer, for example behind a proxy that speaks https; "
        "several times.",
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
        help="How often one reader may ask the explorer for something.  [default: 1200]",
    )
    @click.option(
        "--names/--no-names",
        default=None,
        help="Show what this folder calls its accounts and devices.  [default: only a demo's]",
    )
    @click.option(
        "--public-rpc",
        multiple=True,
        metavar="URL",
        help="Chain endpoint that wallets and newcomers are told.  [default: the embedded chain's]",
    )
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        hosts: tuple[str, ...],
        proxies: tuple[str, ...],
        requests_per_minute: int | None,
        names: bool | None,
        public_rpc: tuple[str, ...],
        **kwargs: Any,
    ) -> Any:
        service = Service(
            hosts=hosts,
            proxies=proxies,
            requests_per_minute=requests_per_minute,
            names=names,
            public_rpc=public_rpc,
        )
        return command(*args, service=service, **kwargs)

    return wrapped


def explorer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --explorer/--no-explorer, its port and service, and hand the command a `Shown`."""

    @click.option(
        "--explorer/--no-explorer",
        "show",
        default=True,
        help="Show the network to people in a browser.",
    )
    @click.option(
        "--explorer-port",
        type=PORT,
        help="Port of the explorer; 0 takes a free one.  [default: the one that it had before]",
    )
    @service_options
    @functools.wraps(command)
    def wrapped(
        *args: Any, show: bool, explorer_port: int | None, service: Service, **kwargs: Any
    ) -> Any:
        shown = Shown(explorer=show, service=replace(service, port=explorer_port))
        return command(*args, shown=shown, **kwargs)

    return wrapped


@asynccontextmanager
async def exploring(session: Session, service: Service) -> AsyncIterator[str]:
    """Run the explorer of an opened network until the block is left; the value is its URL."""
    # Loaded where it is wanted: no other command waits for its libraries.
    from commonworks.explorer.web.proxies import parse_proxy  # noqa: PLC0415
    from commonworks.wiring.explorer.running import Place, run_explorer  # noqa: PLC0415

    place = Place(
        host=service.host,
        port=service.port,
        hosts=_hosts(service.hosts),
        proxies=tuple(map(parse_proxy, service.proxies)),
        requests_per_minute=service.requests_per_minute,
        names=session.manifest.demo if service.names is None else service.names,
        reader=service.reader,
        public_rpc=service.public_rpc,
        command=PROGRAM if service.hosts else program_anywhere(),
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
@click.option("--as", "reader", help="Account that asks other gateways for sealed payloads.")
@service_options
@home_option
@asynchronous
async def explorer(
    *, host: str, port: int | None, reader: str | None, service: Service, home: Home
) -> None:
    """Show the network to people: pages and an API, until Ctrl-C.

    Example: commonworks explorer --home home/street --port 8080

    It reads chain and logs, holds no key, and may run beside `commonworks up` or elsewhere.
    """
    serving = replace(service, host=host, port=port, reader=reader)
    async with open_session(home, say) as session, exploring(session, serving) as url:
        say(f"explorer {url}   Ctrl-C stops it; nothing is lost.")
        await asyncio.Event().wait()
