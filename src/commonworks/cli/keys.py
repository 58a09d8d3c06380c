"""`commonworks account` and `commonworks device`: who takes part, and with what."""

from __future__ import annotations

from typing import Any

import click

from commonworks.chain.accounts import address_text
from commonworks.chain.members import Members
from commonworks.cli.passkey import passkey, recover
from commonworks.cli.payees import payees
from commonworks.cli.shell import (
    amount,
    asynchronous,
    home_option,
    json_option,
    put,
    put_json,
    put_rows,
    say,
    whole,
)
from commonworks.crypto.keys import Algorithm
from commonworks.errors import InvalidInput
from commonworks.explorer.cells import cell_at, parse_cell, parse_place, require_allowed
from commonworks.model import (
    Device,
)
from commonworks.statements.model import Kind
from commonworks.storage.keyfiles import inspect_key
from commonworks.wiring.field import (
    deliver,
    enrol,
    map_resolution,
    parse_columns,
    sign_for,
    sign_replacement,
)
from commonworks.wiring.home import Home
from commonworks.wiring.records import asset_of, devices_now, find_device, name_of
from commonworks.wiring.session import Session, open_session
from commonworks.wiring.words import area_text

ALGORITHMS = {"ed25519": Algorithm.EDDSA, "p256": Algorithm.ES256}


@click.group()
def account() -> None:
    """Accounts: who owns devices, deposits and claims."""


@account.command("new")
@click.argument("name")
@home_option
def account_new(*, name: str, home: Home) -> None:
    """Make an account. Example: commonworks account new alice"""
    created = home.new_account(name)
    put(created.address)


@account.command("list")
@home_option
@json_option
def account_list(*, home: Home, as_json: bool) -> None:
    """List the accounts of this folder."""
    stored = [(name, address_text(address)) for name, address in home.accounts_here()]
    if as_json:
        put_json([{"name": name, "address": address} for name, address in stored])
        return
    put_rows(("name", "address"), stored)


@account.command("show")
@click.argument("name")
@home_option
@json_option
@asynchronous
async def account_show(*, name: str, home: Home, as_json: bool) -> None:
    """Show an account's balances and deposits."""
    address = home.address(name)
    async with open_session(home, say) as session:
        document = await _balances(session, name, address)
    if as_json:
        put_json(document)
        return
    put(f"{name}  {document['address']}")
    put_rows(
        ("asset", "balance", "deposited", "claimed"),
        [
            (
                line["asset"],
                *(
                    amount(line[key], line["decimals"])
                    for key in ("balance", "deposited", "claimed")
                ),
            )
            for line in document["assets"]
        ],
    )


async def _balances(session: Session, name: str, address: bytes) -> dict[str, Any]:
    client = session.client()
    try:
        members = Members(client.endpoints, session.deployment)
        lines = []
        for kind in ("currency", "token"):
            asset, decimals, symbol = asset_of(session, kind)
            books = await members.vault_account(asset, address)
            lines.append(
                {
                    "asset": symbol,
                    "decimals": decimals,
                    "balance": await members.balance(asset, address),
                    "deposited": books.deposited,
                    "claimed": books.claimed,
                }
            )
    finally:
        await client.close()
    return {"name": name, "address": address_text(address), "assets": lines}


@account.command("fund")
@click.argument("name")
@click.argument("value")
@home_option
@asynchronous
async def account_fund(*, name: str, value: str, home: Home) -> None:
    """Give an account test currency (networks with a test currency only)."""
    async with open_session(home, say) as session:
        if session.manifest.currency_address is not None:
            raise InvalidInput(
                "this network settles in a currency that exists outside of it",
                hint="buy it there, then: commonworks deposit",
            )
        client = session.client()
        try:
            founder = Members(client.endpoints, session.deployment, home.account("founder"))
            units = whole(value, session.manifest.currency_decimals)
            done = await founder.mint_currency(home.address(name), units)
        finally:
            await client.close()
    put("0x" + done.tx.hex())


@click.group()
def device() -> None:
    """Devices: things with a signing key."""


account.add_command(passkey)
account.add_command(recover)
device.add_command(payees)


@device.command("new")
@click.argument("name")
@click.option("--alg", type=click.Choice(list(ALGORITHMS)), default="ed25519", show_default=True)
@click.option("--lock", is_flag=True, help="Encrypt the key with the passphrase.")
@home_option
def device_new(*, name: str, alg: str, lock: bool, home: Home) -> None:
    """Make a device's key. Example: commonworks device new roof/solar"""
    key = home.new_device(name, ALGORITHMS[alg], lock=lock)
    put(key.public.thumbprint.hex())


@device.command("enrol")
@click.argument("name")
@click.option("--owner", required=True, help="Account that owns it.")
@click.option("--resource", required=True, help="What it contributes to.")
@click.option("--cell", help="Coarse H3 cell, hexadecimal; everybody can see it.  [default: none]")
@click.option("--place", metavar="LAT,LON", help="Place; only its coarse cell leaves this machine.")
@home_option
@asynchronous
async def device_enrol(
    *, name: str, owner: str, resource: str, cell: str | None, place: str | None, home: Home
) -> None:
    """Enrol a device on chain and bind it to its owner.

    Example: commonworks device enrol roof/solar --owner alice --resource energy

    A cell finer than policy allows (map_resolution) is refused; a place becomes an allowed one.
    An owner that enrolled the device with its own wallet is given as 0x...: then it is only bound.
    """
    if cell is not None and place is not None:
        raise InvalidInput("give --cell or --place, not both")
    where = parse_cell(cell or "0")
    point = None if place is None else parse_place(place)
    async with open_session(home, say) as session:
        if point is not None:
            where = await _cell_of(session, point)
        elif where:
            require_allowed(where, await map_resolution(session))
        number, told = await enrol(session, name, owner, resource, where)
    say(told)
    put(str(number))


async def _cell_of(session: Session, point: tuple[float, float]) -> int:
    """Return the map cell of a place, as fine as policy allows now."""
    finest = await map_resolution(session)
    cell = cell_at(*point, finest)
    say(f"published is only the cell {cell}, about {area_text(finest)}")
    return parse_cell(cell)


@device.command("submit")
@click.argument("name")
@click.option("--resource", required=True)
@click.option("--kind", type=click.Choice([str(kind) for kind in Kind]), required=True)
@click.option("--time", "time_s", type=int, help="Base time, Unix seconds.  [default: now]")
@click.argument("columns", nargs=-1)
@home_option
@asynchronous
async def device_submit(
    *, name: str, resource: str, kind: str, time_s: int | None, columns: tuple[str, ...], home: Home
) -> None:
    """Sign one statement with a device's key and deliver it.

    Example: commonworks device submit roof/solar --resource energy --kind order
    sell_min_micro_per_kwh=90000
    """
    async with open_session(home, say) as session:
        item = sign_for(
            session,
            name,
            resource,
            Kind(kind),
            session.clock.now() if time_s is None else time_s,
            parse_columns(columns),
        )
        put(await deliver(session, [item]))


@device.command("replace")
@click.argument("name")
@click.option("--resource", required=True)
@click.option("--registrar", required=True, help="Registrar's key of this folder.")
@click.option("--time", "time_s", type=int, help="When, Unix seconds.  [default: now]")
@click.argument("columns", nargs=-1, required=True)
@home_option
@asynchronous
async def device_replace(
    *,
    name: str,
    resource: str,
    registrar: str,
    time_s: int | None,
    columns: tuple[str, ...],
    home: Home,
) -> None:
    """Exchange what is behind a device, countersigned by a registrar.

    Example: commonworks device replace roof/solar --resource energy --registrar registrar
    final_import_wh=812 final_export_wh=90310 first_import_wh=0 first_export_wh=0
    """
    async with open_session(home, say) as session:
        when = session.clock.now() if time_s is None else time_s
        item = sign_replacement(session, name, registrar, resource, when, parse_columns(columns))
        put(await deliver(session, [item]))


@device.command("list")
@home_option
@json_option
@asynchronous
async def device_list(*, home: Home, as_json: bool) -> None:
    """List every device on the chain, with this folder's names."""
    async with open_session(home, say) as session:
        view = await session.view()
        found = devices_now(session, view)
    names = {inspect_key(home.device_file(n)).public.thumbprint: n for n in home.device_names()}
    if as_json:
        put_json([_device(home, item, names) for item in found])
        return
    put_rows(
        ("id", "name", "resource", "owner", "key"),
        [
            (
                item.device,
                names.get(item.key.thumbprint, "-"),
                item.resource,
                name_of(home, item.owner),
                item.key.thumbprint.hex()[:16],
            )
            for item in found
        ],
    )


@device.command("show")
@click.argument("name")
@home_option
@json_option
@asynchronous
async def device_show(*, name: str, home: Home, as_json: bool) -> None:
    """Show one device."""
    path = home.device_file(name)
    if not path.exists():
        raise home.no_device(name)
    key = inspect_key(path)
    async with open_session(home, say) as session:
        view = await session.view()
        found = find_device(session, view, key.public)
    document: dict[str, Any] = {
        "name": name,
        "algorithm": key.public.algorithm.name.lower(),
        "key": key.public.thumbprint.hex(),
        "public_key": "0x" + key.public.raw.hex(),
        "locked": key.encrypted,
        "enrolled": found is not None,
    }
    if found is not None:
        document |= _device(home, found, {})
        document["name"] = name
    if as_json:
        put_json(document)
        return
    put_rows(("field", "value"), [(field, str(value)) for field, value in document.items()])


def _device(home: Home, item: Device, names: dict[bytes, str]) -> dict[str, Any]:
    return {
        "id": item.device,
        "name": names.get(item.key.thumbprint),
        "resource": item.resource,
        "owner": name_of(home, item.owner),
        "owner_address": address_text(item.owner),
        "key": item.key.thumbprint.hex(),
        "cell": hex(item.cell),
    }
