"""`commonworks demo`: a street runs its own network, on real data."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from commonworks.chain.accounts import address_text, list_accounts
from commonworks.chain.embedded import LABEL
from commonworks.cli.explorer import Shown, explorer_options, exploring
from commonworks.cli.shell import (
    Bar,
    amount,
    asynchronous,
    json_option,
    program,
    put_json,
    say,
)
from commonworks.errors import InvalidInput
from commonworks.model import (
    Settlement,
)
from commonworks.resources.base import Resource
from commonworks.resources.simulator import SEASONS
from commonworks.wiring.demo import DemoSettings, open_demo
from commonworks.wiring.home import Home
from commonworks.wiring.nodes import keep_running
from commonworks.wiring.profiles import Profile
from commonworks.wiring.records import name_of
from commonworks.wiring.replay import Claim, Demo, EpochLine, savings_micro

WEI_DECIMALS: Final = 18


@click.command()
@click.option(
    "--days",
    default=2,
    show_default=True,
    help="Days to replay, one epoch a day; a demo of fewer days in --home goes on.",
)
@click.option("--season", type=click.Choice(SEASONS), default="summer", show_default=True)
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Network seconds a second; 0: as fast as receipts come.  [default: 0]",
)
@click.option("--seed", default=1, show_default=True, help="Keys and meter errors follow from it.")
@click.option(
    "--home",
    "home_path",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="COMMONWORKS_HOME",
    help="Folder of the demo's network; taken up where it is one.  [default: a fresh folder]",
)
@click.option(
    "--resource",
    "resources",
    multiple=True,
    default=("energy",),
    show_default=True,
    help="Resource that takes part; may be given several times.",
)
@click.option(
    "--profile",
    type=click.Choice([str(profile) for profile in Profile]),
    default=str(Profile.COMMONS),
    show_default=True,
    help="Kind of economy: with a token, or a co-operative of members without one.",
)
@click.option("--honest", is_flag=True, help="Leave the cheaters out.")
@click.option("--serve/--no-serve", default=True, help="Keep running after the replay.")
@explorer_options
@json_option
@asynchronous
async def demo(
    *,
    days: int,
    season: str,
    speed: float,
    seed: int,
    home_path: Path | None,
    resources: tuple[str, ...],
    profile: str,
    honest: bool,
    serve: bool,
    shown: Shown,
    as_json: bool,
) -> None:
    """Let a street run its own network: real data, real contracts, cheaters included.

    Example: commonworks demo --days 3 --season winter --no-serve

    Started again on its folder, it goes on where it was; with more --days, for more days. So what
    one epoch began can be seen in the next: replay one day, withdraw, replay two, claim.
    """
    home = Home(path=home_path or fresh_folder())
    settings = DemoSettings(
        seed=seed,
        days=days,
        season=season,
        resources=resources,
        cheaters=not honest,
        profile=Profile(profile),
    )
    shown = replace(shown, explorer=shown.explorer and serve)
    await play(home, settings, speed=speed, serve=serve, as_json=as_json, shown=shown)


def fresh_folder() -> Path:
    """Return a new folder's path below the working directory."""
    return Path("home") / f"demo-{secrets.token_hex(3)}"


async def play(
    home: Home, settings: DemoSettings, *, speed: float, serve: bool, as_json: bool, shown: Shown
) -> None:
    """Run a demo to its end and show it; keep its network running where `serve` says so."""
    say(f"A demo network in {home.path} (seed {settings.seed}; {LABEL})")
    async with AsyncExitStack() as stack:
        opened = open_demo(home, settings, lambda text: say(f"  {text}"))
        running = await stack.enter_async_context(opened)
        url = None
        if shown.explorer:
            site = exploring(running.session, shown.service)
            url = await stack.enter_async_context(site)
            say(f"  watch it in a browser: {url}")
        _introduce(running)
        lines: list[EpochLine] = []
        bar = Bar("replaying 1 day" if settings.days == 1 else f"replaying {settings.days} days")
        async for line in running.replay(speed, bar.show):
            bar.clear()
            lines.append(line)
            _show_epoch(running, line)
        bar.clear()
        names = _names(home, running)
        last = lines[-1].settlement if lines else None
        claim = await running.claim(names, last) if last else None
        if last is not None:
            _show_end(running, [line.settlement for line in lines], claim)
        if as_json:
            put_json(_document(running, lines, claim))
        if serve:
            await _serve(running, url)


def _names(home: Home, running: Demo) -> dict[bytes, str]:
    """Return the members' names by address: who owns a device."""
    owners = {a.owner for p in running.players for a in p.world.cast.actors if a.enrolled}
    return {item.address: item.name for item in list_accounts(home.accounts) if item.name in owners}


def _introduce(running: Demo) -> None:
    for player in running.players:
        cast = player.world.cast
        facts = ", ".join(
            f"{name.replace('_', ' ')} {value:,}" for name, value in cast.facts.items()
        )
        say(f"  {player.resource.title}: {facts}")
        for actor in cast.actors:
            if actor.behaviour != "honest":
                say(f"    {actor.name} {actor.behaviour}")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _figures(resources: Mapping[str, Resource], settled: Settlement) -> str:
    parts = []
    for part in settled.resources:
        for figure in resources[part.resource].figures:
            value = part.summary.get(figure.key, 0)
            parts.append(
                f"{figure.label} {amount(value, figure.scale, figure.digits)} {figure.unit}"
            )
    return ", ".join(parts)


def _show_epoch(running: Demo, line: EpochLine) -> None:
    settled, network = line.settlement, running.session.network
    currency = f"{amount(settled.paid_micro, running.session.manifest.currency_decimals)}"
    symbol = running.session.manifest.token_symbol
    say()
    start = datetime.fromtimestamp(network.epoch_start(settled.epoch), UTC)
    count = f"{len(settled.verdicts):,} statements"
    say(f"epoch {settled.epoch}: from {start:%Y-%m-%d %H:%M} UTC, {count}")
    say(f"  rejected    {_counts(line.rejected)}")
    say(f"  reduced     {_counts(line.reduced)} (intervals)")
    say(f"  refused     {_counts(line.refused)} (by the gateway), replays {line.repeated}")
    say(f"  {_figures(running.session.resources, settled)}")
    minted = f"minted {amount(settled.minted_wei, WEI_DECIMALS)} {symbol}, "
    say(
        f"  {minted if network.initial_emission_wei else ''}paid {currency} {network.currency_code}"
    )
    say(f"  digest 0x{settled.digest.hex()}")
    say(f"  tx     0x{line.tx.hex()}")


def _show_end(
    running: Demo,
    settled: Sequence[Settlement],
    claim: Claim | None,
) -> None:
    manifest, code = running.session.manifest, running.session.network.currency_code
    decimals, symbol = manifest.currency_decimals, manifest.token_symbol
    saved = savings_micro(settled)
    say()
    say(f"The members saved {amount(saved, decimals)} {code} against the utility alone.")
    say("Who earned what:")
    for account, currency, token in running.earnings(settled[-1]):
        name = name_of(running.session.home, account)
        line = f"  {name:<14} {amount(currency, decimals):>10} {code}"
        if manifest.initial_emission_wei:
            line += f" {amount(token, WEI_DECIMALS):>12} {symbol}"
        say(line)
    if claim is not None:
        paid = amount(claim.amount, decimals) + f" {code}"
        if claim.asset == running.session.network.token:
            paid = amount(claim.amount, WEI_DECIMALS) + f" {symbol}"
        say(f"{claim.name} claimed {paid} on chain: 0x{claim.tx.hex()}")
    home = running.session.home.path
    say("Check it yourself:")
    say(f"  {program()} audit {settled[-1].epoch} --home {home}")
    say(f"  {program()} log check --home {home}")


def _document(running: Demo, lines: Sequence[EpochLine], claim: Claim | None) -> dict[str, Any]:
    session = running.session
    return {
        "network_id": "0x" + session.network.network_id.hex(),
        "home": str(session.home.path.resolve()),
        "currency": session.network.currency_code,
        "epochs": [_epoch_document(session.resources, line) for line in lines],
        "savings_micro": savings_micro([line.settlement for line in lines]),
        "claim": None
        if claim is None
        else {
            "account": address_text(claim.account),
            "asset": "token" if claim.asset == session.network.token else "currency",
            "amount": claim.amount,
            "tx": "0x" + claim.tx.hex(),
        },
    }


def _epoch_document(resources: Mapping[str, Resource], line: EpochLine) -> dict[str, Any]:
    settled = line.settlement
    first = {
        figure.key: part.summary.get(figure.key, 0)
        for part in settled.resources
        for figure in resources[part.resource].figures
    }
    return {
        **first,  # a resource's own words never hide the kernel's
        "epoch": settled.epoch,
        "digest": "0x" + settled.digest.hex(),
        "result": "0x" + settled.commitment.result_hash.hex(),
        "root": "0x" + settled.commitment.payout_root.hex(),
        "statements": len(settled.verdicts),
        "rejected": dict(sorted(line.rejected.items())),
        "reduced_intervals": dict(sorted(line.reduced.items())),
        "refused": dict(sorted(line.refused.items())),
        "replays": line.repeated,
        "minted_wei": settled.minted_wei,
        "paid_micro": settled.paid_micro,
        "tx": "0x" + line.tx.hex(),
        "resources": {part.resource: dict(part.summary) for part in settled.resources},
    }


async def _serve(running: Demo, url: str | None) -> None:
    """Keep the network running at the pace of real time."""
    if running.session.embedded is None:
        raise InvalidInput("the chain of a demo runs in its own process")
    say()
    say(f"The network keeps running. chain {running.session.embedded.endpoint}")
    if url is not None:
        say(f"explorer {url}   open it in a browser")
    say(f"gateway {running.nodes.gateway_url}   Ctrl-C stops it; nothing is lost.")
    running.clock.run()
    await keep_running(running.nodes, lambda line: say(f"  {line}"))
