"""`commonworks init`, `up`, `agent run`, `backup`, `restore`: a network that stays."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import click

from commonworks.chain.accounts import address_bytes
from commonworks.chain.embedded import LABEL
from commonworks.chain.manifest import EPOCH_LENGTH_MIN_S
from commonworks.cli.demo import play
from commonworks.cli.explorer import Shown, explorer_options, exploring
from commonworks.cli.shell import (
    Bar,
    amount,
    asynchronous,
    home_option,
    put,
    say,
)
from commonworks.errors import Conflict, InvalidInput
from commonworks.events import Bonded
from commonworks.units import DAY_S
from commonworks.wiring.backup import back_up, restore
from commonworks.wiring.clocks import SystemClock
from commonworks.wiring.demo import DemoSettings
from commonworks.wiring.discover import installed_resources, select_resources
from commonworks.wiring.field import line_device, run_agent
from commonworks.wiring.founding import (
    FOUNDER,
    FOUNDING_ACCOUNTS,
    GATEWAY,
    Charter,
    deploy_network,
    ensure_account,
    free_port,
    make_manifest,
    register_nodes,
)
from commonworks.wiring.home import Home
from commonworks.wiring.nodes import Nodes, keep_running, run_nodes
from commonworks.wiring.profiles import Profile
from commonworks.wiring.records import resolve_account
from commonworks.wiring.session import Session, attach, open_chain, open_session

DECIMALS_MAX: Final = 36
EPOCH_S_MAX: Final = 366 * DAY_S
GENESIS_MAX: Final = 2**40
"""Bounds of what a founder may choose."""

SOON_S: Final = 300
"""How long after founding epoch 0 opens unless the founder says otherwise."""


@click.command()
@click.option("--name", required=True, help="What people call the network.")
@click.option("--resource", "resources", multiple=True, help="Resource to settle; several times.")
@click.option(
    "--epoch",
    "epoch_s",
    type=click.IntRange(EPOCH_LENGTH_MIN_S, EPOCH_S_MAX),
    default=DAY_S,
    show_default=True,
    help="Epoch length, seconds.",
)
@click.option(
    "--genesis",
    type=click.IntRange(0, GENESIS_MAX),
    help="Start of epoch 0, Unix seconds.  [default: in five minutes]",
)
@click.option("--currency", help="Address of the settlement currency.  [default: a test currency]")
@click.option("--currency-code", default="tEUR", show_default=True)
@click.option(
    "--currency-decimals",
    type=click.IntRange(0, DECIMALS_MAX),
    default=6,
    show_default=True,
)
@click.option("--rpc", multiple=True, help="JSON-RPC endpoint.  [default: the embedded chain]")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    help="Port of the first gateway.  [default: a free one]",
)
@click.option(
    "--profile",
    type=click.Choice([str(profile) for profile in Profile]),
    default=str(Profile.COMMONS),
    show_default=True,
    help="commons: a token pays, votes and is sold. coop: one member, one vote, no token.",
)
@click.option("--member", "members", multiple=True, help="Who votes at first in a coop.")
@click.option("--exchange", help="Address of a Uniswap v2 router.  [default: one of our own]")
@click.option("--set", "settings", multiple=True, help="Parameter at genesis: KEY=VALUE.")
@home_option
@asynchronous
async def init(
    *,
    name: str,
    resources: tuple[str, ...],
    epoch_s: int,
    genesis: int | None,
    currency: str | None,
    currency_code: str,
    currency_decimals: int,
    rpc: tuple[str, ...],
    port: int | None,
    profile: str,
    members: tuple[str, ...],
    exchange: str | None,
    settings: tuple[str, ...],
    home: Home,
) -> None:
    """Found a network: keys, contracts, a gateway, a verifier.

    Example: commonworks init --name "Our street" --resource energy
    """
    if home.is_demo():
        raise Conflict(f"{home.path} holds a demo", hint="found a network in another folder")
    chosen = select_resources(resources or tuple(installed_resources()))
    if not home.exists() and genesis is not None and genesis <= time.time():
        raise InvalidInput(
            "--genesis is over: who settles epoch 0 is registered and bonded before it opens",
            hint="give a later time, or none",
        )
    for account in FOUNDING_ACCOUNTS:
        ensure_account(home, account)
    if not home.exists():
        charter = Charter(
            name=name,
            demo=False,
            genesis_time=int(time.time()) + SOON_S if genesis is None else genesis,
            epoch_length_s=epoch_s,
            currency_code=currency_code,
            currency_decimals=currency_decimals,
            currency_address=None if currency is None else address_bytes(currency),
            profile=Profile(profile),
            members=tuple(sorted({resolve_account(home, who) for who in members or (FOUNDER,)})),
            own_exchange=not rpc and currency is None,
            router=None if exchange is None else address_bytes(exchange),
            overrides=_overrides(settings, home),
        )
        home.write_manifest(make_manifest(home, charter, chosen))
    manifest = home.manifest()
    if port is not None:
        home.gateway(GATEWAY).mkdir(parents=True, exist_ok=True)
        (home.gateway(GATEWAY) / "port").write_text(f"{port}\n")
    clock = SystemClock()
    if rpc:
        endpoints: tuple[str, ...] = rpc
        founded = await deploy_network(home, manifest, endpoints, say, external=True)
        session = await attach(home, founded, clock, endpoints, None, chosen)
        await _register(session)
    else:
        async with open_chain(home, manifest, clock, say) as (endpoints, embedded):
            founded = await deploy_network(home, manifest, endpoints, say)
            session = await attach(home, founded, clock, endpoints, embedded, chosen)
            await _register(session)
    say(f"founded {manifest.name}; run it with: commonworks up --home {home.path}")
    put("0x" + session.network.network_id.hex())


async def _register(session: Session) -> None:
    port = free_port(session.home.gateway(GATEWAY) / "port")
    await register_nodes(session, f"http://127.0.0.1:{port}", say, {})
    bonded = [event.at.time for event in (await session.view()).events if isinstance(event, Bonded)]
    if min(bonded) >= session.network.genesis_time:
        raise Conflict(
            "epoch 0 opened before a verifier was bonded, so nobody could ever settle it",
            hint="found it again in another folder, with a later --genesis",
        )


def _overrides(settings: tuple[str, ...], home: Home) -> dict[str, int]:
    """Return parameters from KEY=VALUE words; a value may be an account of this folder."""
    values: dict[str, int] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"{text!r} sets nothing", hint="write KEY=VALUE")
        digits = value.removeprefix("-")
        values[key] = (
            int(value) if digits.isdecimal() else int.from_bytes(home.address(value), "big")
        )
    return values


@click.command()
@click.option("--speed", type=click.FloatRange(min=0), default=0.0, help="Of a demo's replay.")
@explorer_options
@home_option
@asynchronous
async def up(*, speed: float, shown: Shown, home: Home) -> None:
    """Run the network of a folder: chain, gateway, verifier, explorer. Ctrl-C stops it all.

    Nothing is lost by stopping it. A demo goes on where it was.
    """
    if home.is_demo():
        known = DemoSettings.read(home.demo_settings())
        await play(home, known, speed=speed, serve=True, as_json=False, shown=shown)
        return
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(home, say))
        nodes = await stack.enter_async_context(run_nodes(session))
        label = f" ({LABEL})" if session.embedded is not None else ""
        say(f"{session.manifest.name}: chain {session.endpoints[0]}{label}")
        if shown.explorer:
            url = await stack.enter_async_context(exploring(session, shown.service))
            say(f"explorer {url}")
        say(f"gateway {nodes.gateway_url}   Ctrl-C stops it; nothing is lost.")
        told = len(nodes.verifier.view.finalised)

        async def tell() -> None:
            nonlocal told
            told = await _tell_epochs(nodes, told)

        await keep_running(nodes, lambda line: say(f"  {line}"), tell)


async def _tell_epochs(nodes: Nodes, shown: int) -> int:
    """Print the epochs that became final since the last look; return how many were."""
    view, manifest = nodes.verifier.view, nodes.session.manifest
    while shown in view.finalised:
        settled = await nodes.verifier.settlement(shown)
        if settled is None:
            break
        say(
            f"epoch {shown}: {len(settled.verdicts):,} statements, "
            f"minted {amount(settled.minted_wei, 18)} {manifest.token_symbol}, "
            f"paid {amount(settled.paid_micro, manifest.currency_decimals)} "
            f"{nodes.session.network.currency_code}, digest 0x{settled.digest.hex()[:16]}"
        )
        shown += 1
    return shown


@click.group()
def agent() -> None:
    """The agent: signs what devices measure, and delivers it."""


@agent.command("run")
@click.option(
    "--device",
    "sources",
    multiple=True,
    metavar="NAME:RESOURCE:FILE",
    help="A device of this folder and the file its readings come from, one JSON object a line.",
)
@click.option("--once", is_flag=True, help="Stop when everything has its receipt.")
@home_option
@asynchronous
async def agent_run(*, sources: tuple[str, ...], once: bool, home: Home) -> None:
    """Sign readings as they come, deliver them, keep them until an epoch's evidence has them.

    Example: commonworks agent run --device roof/solar:energy:readings.jsonl

    A line: {"kind": "report", "time": 1466377200, "columns": {"offset_s": [900], ...}}
    """
    async with open_session(home, say) as session:
        devices = []
        for text in sources:
            parts = text.split(":", 2)
            if len(parts) != 3:
                raise InvalidInput(f"{text!r} names no source", hint="write NAME:RESOURCE:FILE")
            name, resource, path = parts
            devices.append(line_device(session, name, resource, Path(path), say))
        await run_agent(session, devices, once=once, on_state=say)


@click.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@home_option
def backup(*, target: Path, home: Home) -> None:
    """Write the whole network into one file: keys, evidence, chain.

    Example: commonworks backup street.tar.gz
    """
    bar = Bar("backing up")
    count = back_up(home, target, bar.show)
    bar.clear()
    say(f"{count} files; keep it as safe as the keys that are in it")
    put(str(target))


@click.command("restore")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@home_option
def restore_command(*, source: Path, home: Home) -> None:
    """Bring a network back from a backup, into a new folder.

    Example: commonworks restore street.tar.gz --home street
    """
    bar = Bar("restoring")
    count = restore(source, home, bar.show)
    bar.clear()
    say(f"{count} files; run it with: commonworks up --home {home.path}")
    put(str(home.path))
