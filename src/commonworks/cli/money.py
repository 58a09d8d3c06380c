"""`commonworks deposit`, `withdraw`, `claim`: money in and out of the Vault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from commonworks.chain.members import Done, Members, Requested
from commonworks.chain.messages import sign_spend_limit, sign_withdrawal
from commonworks.chain.signer import Signer
from commonworks.cli.shell import (
    amount,
    asynchronous,
    home_option,
    json_option,
    put_json,
    put_rows,
    say,
    whole,
)
from commonworks.errors import Conflict, NotFound
from commonworks.wiring.cast import DEADLINE_S
from commonworks.wiring.field import has_relayer
from commonworks.wiring.founding import RELAYER
from commonworks.wiring.home import Home
from commonworks.wiring.records import asset_of, find_device, push_claim, resolve_account
from commonworks.wiring.session import Session, open_session

ASSETS = click.Choice(["currency", "token"])


@asynccontextmanager
async def acting(session: Session, name: str) -> AsyncIterator[Members]:
    """Yield the contracts as an account of this folder acts on them."""
    client = session.client()
    try:
        yield Members(client.endpoints, session.deployment, session.home.account(name))
    finally:
        await client.close()


def _done(as_json: bool, rows: dict[str, object]) -> None:
    if as_json:
        put_json(rows)
    else:
        put_rows(("field", "value"), [(name, str(value)) for name, value in rows.items()])


@click.command()
@click.argument("value")
@click.option("--account", "name", required=True, help="Account that pays, and is credited.")
@click.option("--asset", type=ASSETS, default="currency", show_default=True)
@home_option
@json_option
@asynchronous
async def deposit(*, value: str, name: str, asset: str, home: Home, as_json: bool) -> None:
    """Put money into the Vault, to spend on services.

    Example: commonworks deposit 50 --account alice
    """
    async with open_session(home, say) as session, acting(session, name) as members:
        address, decimals, symbol = asset_of(session, asset)
        units = whole(value, decimals)
        balance = await members.balance(address, home.address(name))
        if balance < units:
            raise Conflict(
                f"{name} has {amount(balance, decimals)} {symbol}",
                hint="deposit less, or fund the account first",
            )
        done = await members.deposit(address, units)
    _done(as_json, {"deposited": units, "asset": symbol, "tx": "0x" + done.tx.hex()})


async def _request(
    session: Session, members: Members, signer: Signer, asset: bytes, units: int
) -> Requested:
    """Ask for a deposit back; where the folder has a relayer, it hands in what the owner signs."""
    if not has_relayer(session.home):
        return await members.request_withdrawal(asset, units)
    signed = sign_withdrawal(
        signer,
        session.deployment,
        asset,
        units,
        nonce=await members.vault_nonce(signer.address),
        deadline=session.clock.now() + DEADLINE_S,
    )
    async with acting(session, RELAYER) as relayer:
        return await relayer.request_withdrawal_for(signed)


@click.command()
@click.argument("value")
@click.option("--account", "name", required=True, help="Account whose deposit it is.")
@click.option("--asset", type=ASSETS, default="currency", show_default=True)
@home_option
@json_option
@asynchronous
async def withdraw(*, value: str, name: str, asset: str, home: Home, as_json: bool) -> None:
    """Ask for unspent deposit back; the next epoch turns it into a claim.

    Example: commonworks withdraw 20 --account alice
    """
    async with open_session(home, say) as session, acting(session, name) as members:
        address, decimals, symbol = asset_of(session, asset)
        units = whole(value, decimals)
        done = await _request(session, members, home.signer(name), address, units)
        epoch = max(session.network.epoch_at(session.clock.now()), 0)
    say(f"claim it once epoch {epoch} is final: commonworks claim --account {name} --asset {asset}")
    _done(
        as_json,
        {
            "request": done.request,
            "amount": units,
            "asset": symbol,
            "epoch": epoch,
            "tx": "0x" + done.tx.hex(),
        },
    )


@click.command()
@click.option("--account", "name", required=True, help="Who is paid: a name here, or an address.")
@click.option("--asset", type=ASSETS, default="token", show_default=True)
@click.option("--by", default="relayer", show_default=True, help="Account that sends it.")
@home_option
@json_option
@asynchronous
async def claim(*, name: str, asset: str, by: str, home: Home, as_json: bool) -> None:
    """Pay an account what it earned so far; anyone may push it.

    Example: commonworks claim --account alice --asset currency
    """
    async with open_session(home, say) as session, acting(session, by) as members:
        address, decimals, symbol = asset_of(session, asset)
        await session.pass_time()
        view = await session.view()
        who = resolve_account(home, name)
        paid = await push_claim(session, view, members, address, who)
    say(f"{name} received {amount(paid.amount, decimals)} {symbol}")
    _done(
        as_json,
        {"account": name, "amount": paid.amount, "asset": symbol, "tx": "0x" + paid.tx.hex()},
    )


async def _set_limit(
    session: Session, members: Members, signer: Signer, device: int, units: int
) -> Done:
    """Set a device's limit; where the folder has a relayer, it hands in what the owner signs."""
    if not has_relayer(session.home):
        return await members.set_spend_limit(device, units)
    signed = sign_spend_limit(
        signer,
        session.deployment,
        device,
        units,
        nonce=await members.vault_nonce(signer.address),
        deadline=session.clock.now() + DEADLINE_S,
    )
    async with acting(session, RELAYER) as relayer:
        return await relayer.set_spend_limit_for(signed)


@click.command("limit")
@click.argument("device")
@click.argument("value")
@click.option("--account", "name", required=True, help="The device's owner.")
@home_option
@json_option
@asynchronous
async def limit(*, device: str, value: str, name: str, home: Home, as_json: bool) -> None:
    """Limit what a device may spend in one epoch.

    Example: commonworks limit roof/heat-pump 5 --account alice
    """
    async with open_session(home, say) as session, acting(session, name) as members:
        view = await session.view()
        found = find_device(session, view, home.device_key(device).public)
        if found is None:
            raise NotFound(f"{device} is not enrolled", hint="enrol it: commonworks device enrol")
        units = whole(value, session.manifest.currency_decimals)
        done = await _set_limit(session, members, home.signer(name), found.device, units)
    _done(as_json, {"device": found.device, "limit": units, "tx": "0x" + done.tx.hex()})
