"""`commonworks deposit`, `withdraw`, `claim`, `exit`: money in and out of the Vault."""

from __future__ import annotations

import click

from commonworks.chain.messages import sign_spend_limit, sign_withdrawal
from commonworks.cli.shell import (
    amount,
    asynchronous,
    exactly,
    home_option,
    json_option,
    put_fields,
    say,
    some,
    whole,
)
from commonworks.errors import Conflict, NotFound, Unauthorized
from commonworks.wiring.acting import acting, looking, push_claim, put_in, speaking, take_out
from commonworks.wiring.home import Home
from commonworks.wiring.records import asset_of, find_device, name_of, resolve_account
from commonworks.wiring.session import open_session

ASSETS = click.Choice(["currency", "token"])


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
    async with open_session(home, say) as session:
        address, decimals, symbol = asset_of(session, asset)
        units = some(value, decimals)
        async with looking(session) as members:
            balance = await members.balance(address, home.address(name))
        if balance < units:
            raise Conflict(
                f"{name} has {amount(balance, decimals)} {symbol}",
                hint="deposit less, or fund the account first",
            )
        tx = await put_in(session, name, address, units)
    put_fields(
        as_json,
        {"deposited": units, "asset": symbol, "tx": "0x" + tx.hex()},
        {"deposited": f"{exactly(units, decimals)} {symbol}"},
    )


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
    async with open_session(home, say) as session, speaking(session, name) as speaker:
        address, decimals, symbol = asset_of(session, asset)
        units = some(value, decimals)
        members = speaker.members
        books = await members.vault_account(address, speaker.signer.address)
        if units > books.deposited:
            raise Conflict(
                f"{name} has deposited {exactly(books.deposited, decimals)} {symbol}",
                hint="ask for less; what was earned is claimed: commonworks claim",
            )
        signed = sign_withdrawal(
            speaker.signer,
            session.deployment,
            address,
            units,
            nonce=await members.vault_nonce(speaker.signer.address),
            deadline=speaker.deadline,
        )
        instead = members.calls.request_withdrawal(address, units)
        done = members.requested(await speaker.carry(signed, instead))
        epoch = max(session.network.epoch_at(session.clock.now()), 0)
    say(f"claim it once epoch {epoch} is final: commonworks claim --account {name} --asset {asset}")
    put_fields(
        as_json,
        {
            "request": done.request,
            "amount": units,
            "asset": symbol,
            "epoch": epoch,
            "tx": "0x" + done.tx.hex(),
        },
        {"amount": f"{exactly(units, decimals)} {symbol}"},
    )


@click.command()
@click.option("--account", "name", required=True, help="Who is paid: a name here, or an address.")
@click.option("--asset", type=ASSETS, default="token", show_default=True)
@click.option("--by", help="Account that sends it.  [default: a relay, within its budget]")
@home_option
@json_option
@asynchronous
async def claim(*, name: str, asset: str, by: str | None, home: Home, as_json: bool) -> None:
    """Pay an account what it earned so far; anyone may push it.

    Example: commonworks claim --account alice --asset currency
    """
    async with open_session(home, say) as session:
        address, decimals, symbol = asset_of(session, asset)
        await session.pass_time()
        paid = await push_claim(session, by, address, resolve_account(home, name))
    say(f"{name} received {amount(paid.amount, decimals)} {symbol}")
    put_fields(
        as_json,
        {"account": name, "amount": paid.amount, "asset": symbol, "tx": "0x" + paid.tx.hex()},
        {"amount": f"{exactly(paid.amount, decimals)} {symbol}"},
    )


@click.command("exit")
@click.option("--account", "name", required=True, help="Who is paid: a name here, or an address.")
@click.option("--asset", type=ASSETS, default="currency", show_default=True)
@click.option("--by", help="Account that sends it.  [default: the account itself]")
@click.option("--open", "opens", is_flag=True, help="Open the exit first, for ever, if it is due.")
@home_option
@json_option
@asynchronous
async def leave(
    *, name: str, asset: str, by: str | None, opens: bool, home: Home, as_json: bool
) -> None:
    """Take everything out of the Vault by its exit, once nothing becomes final any more.

    It pays earnings that were not claimed and deposit that was not spent; anyone may push it.
    Anyone may open the exit too, when no epoch became final for the policy's exit_after_s.

    Example: commonworks exit --account alice --asset currency
    """
    async with open_session(home, say) as session:
        address, decimals, symbol = asset_of(session, asset)
        await session.pass_time()
        if opens:
            async with acting(session, by or name) as members:
                await members.send(members.calls.enter_exit())
        paid = await take_out(session, by or name, address, resolve_account(home, name))
    say(f"{name} received {amount(paid.amount, decimals)} {symbol}")
    put_fields(
        as_json,
        {"account": name, "amount": paid.amount, "asset": symbol, "tx": "0x" + paid.tx.hex()},
        {"amount": f"{exactly(paid.amount, decimals)} {symbol}"},
    )


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
    async with open_session(home, say) as session, speaking(session, name) as speaker:
        view = await session.view()
        found = find_device(session, view, home.device_key(device).public)
        if found is None:
            raise NotFound(f"{device} is not enrolled", hint="enrol it: commonworks device enrol")
        if found.owner != home.address(name):
            raise Unauthorized(
                f"{device} is {name_of(home, found.owner)}'s, whose limit alone counts",
                hint=f"set it with: --account {name_of(home, found.owner)}",
            )
        _, decimals, symbol = asset_of(session, "currency")
        units = whole(value, decimals)
        members = speaker.members
        signed = sign_spend_limit(
            speaker.signer,
            session.deployment,
            found.device,
            units,
            nonce=await members.vault_nonce(speaker.signer.address),
            deadline=speaker.deadline,
        )
        done = await speaker.carry(signed, members.calls.set_spend_limit(found.device, units))
    put_fields(
        as_json,
        {"device": found.device, "limit": units, "tx": "0x" + done.tx.hex()},
        {"limit": f"{exactly(units, decimals)} {symbol}"},
    )
