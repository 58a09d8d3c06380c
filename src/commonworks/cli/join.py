"""`commonworks join`: take part in a network that others run, from an empty folder."""

from __future__ import annotations

import shlex
from typing import Any

import click

from commonworks.cli.shell import (
    asynchronous,
    home_option,
    json_option,
    program,
    put,
    put_json,
    say,
)
from commonworks.errors import InvalidInput
from commonworks.wiring.home import Home

ID_DIGITS = 64


@click.command()
@click.argument("source")
@click.option("--network", help="Network id that it must be, 0x and 64 digits.")
@click.option("--rpc", multiple=True, help="JSON-RPC endpoint instead of those told.")
@home_option
@json_option
@asynchronous
async def join(
    *, source: str, network: str | None, rpc: tuple[str, ...], home: Home, as_json: bool
) -> None:
    """Join a network that others run: fetch its configuration, check its chain, write the folder.

    Example: commonworks join https://explorer.example.org/join --home my-network

    SOURCE is an explorer's address or a file. No chain is started here and nothing is replaced:
    joining again only brings newer endpoints of the same network.
    """
    # Loaded where it is wanted: no other command waits for its libraries.
    from commonworks.wiring.explorer.joining import check, fetch, keep  # noqa: PLC0415

    expected = None if network is None else _network_id(network)
    invitation = await fetch(source)
    checked = await check(invitation, expected, rpc)
    manifest = checked.manifest
    fresh = keep(home, manifest)
    endpoints = manifest.place.endpoints if manifest.place is not None else ()
    document: dict[str, Any] = {
        "name": manifest.name,
        "network_id": "0x" + invitation.network_id.hex(),
        "endpoints": list(endpoints),
        "resource": invitation.resource,
        "cell": f"{checked.cell:x}",
        "device": invitation.device,
    }
    say(f"{'joined' if fresh else 'still in'} {manifest.name}: chain {', '.join(endpoints)}")
    if expected is None:
        say("compare the network's id with what somebody you trust tells you")
    if checked.cell != invitation.cell:
        say(
            f"the cell {invitation.cell:x} is finer than the network allows now: "
            f"take {checked.cell:x}, which it lies in"
        )
    _say_next(home, document)
    if as_json:
        put_json(document)
    else:
        put(document["network_id"])


def _network_id(text: str) -> bytes:
    digits = text.removeprefix("0x")
    try:
        if len(digits) != ID_DIGITS:
            raise ValueError
        return bytes.fromhex(digits)
    except ValueError:
        raise InvalidInput(f"{text[:80]!r} is no network id", hint="0x and 64 digits") from None


def _say_next(home: Home, document: dict[str, Any]) -> None:
    """Say what to do next, as commands that can be copied."""
    device, resource = document["device"] or "DEVICE", document["resource"] or "RESOURCE"
    where = "" if document["cell"] == "0" else f" --cell {document['cell']}"
    folder = f"--home {shlex.quote(str(home.path))}"
    command = program()
    say("next:")
    say(f"  {command} account new me {folder}")
    say(f"  {command} device new {shlex.quote(device)} {folder}")
    enrol = f"device enrol {shlex.quote(device)} --owner me --resource {shlex.quote(resource)}"
    say(f"  {command} {enrol}{where} {folder}")
