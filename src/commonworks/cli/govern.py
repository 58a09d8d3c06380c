"""`commonworks govern`: what the founder decides until genesis; afterwards members vote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from commonworks.chain.members import Members
from commonworks.cli.shell import asynchronous, home_option, put, say
from commonworks.crypto.hashes import sha256
from commonworks.errors import InvalidInput, NotFound, Unauthorized
from commonworks.statements.codec import decode_statement, sign_record
from commonworks.statements.model import Kind, Reason
from commonworks.wiring import documents
from commonworks.wiring.acting import acting
from commonworks.wiring.field import deliver, schema_of
from commonworks.wiring.founding import FOUNDER, GUARDIAN
from commonworks.wiring.home import Home
from commonworks.wiring.records import find_device
from commonworks.wiring.session import Session, open_session


@click.group()
def govern() -> None:
    """Decisions of the founder until genesis: registrars, references, sites, parameters.

    From genesis on the members decide: commonworks proposal new
    """


@asynccontextmanager
async def founding(session: Session, instead: str) -> AsyncIterator[Members]:
    """Yield the contracts as the founder acts on them; refuse where the founding is over."""
    if session.clock.now() >= session.network.genesis_time:
        raise Unauthorized(
            "the founder decided until genesis; now the members do",
            hint=f"commonworks proposal new {instead}",
        )
    async with acting(session, FOUNDER) as founder:
        yield founder


@govern.command("registrar")
@click.argument("name")
@click.option("--resource", required=True)
@click.option("--remove", is_flag=True, help="Dismiss it.")
@home_option
@asynchronous
async def registrar(*, name: str, resource: str, remove: bool, home: Home) -> None:
    """Admit a key of this folder as registrar of a resource, or dismiss it."""
    async with open_session(home, say) as session, founding(session, "--registrar ...") as owner:
        schema_of(session, resource)
        key = home.device_key(name).public
        done = await owner.set_registrar(resource, key, active=not remove)
    put("0x" + done.tx.hex())


@govern.command("reference")
@click.argument("device")
@click.option("--remove", is_flag=True, help="Dismiss it.")
@home_option
@asynchronous
async def reference(*, device: str, remove: bool, home: Home) -> None:
    """Admit a device as an independent reference, or dismiss it."""
    async with open_session(home, say) as session, founding(session, "--reference ...") as owner:
        found = find_device(session, await session.view(), home.device_key(device).public)
        if found is None:
            raise NotFound(f"{device} is not enrolled", hint="enrol it: commonworks device enrol")
        done = await owner.set_reference(found.device, admitted=not remove)
    put("0x" + done.tx.hex())


@govern.command("set")
@click.argument("key")
@click.argument("value", type=int)
@home_option
@asynchronous
async def set_parameter(*, key: str, value: int, home: Home) -> None:
    """Change a parameter when the next epoch opens.

    Example: commonworks govern set energy.grid_charge 50000
    """
    async with open_session(home, say) as session, founding(session, "--set ...") as owner:
        done = await owner.set_parameter(key, value)
    put("0x" + done.tx.hex())


@govern.command("site")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--resource", required=True)
@click.option("--registrar", "signer", required=True, help="Registrar's key of this folder.")
@click.option("--name", default="site", show_default=True, help="Name of the place.")
@home_option
@asynchronous
async def site(*, file: Path, resource: str, signer: str, name: str, home: Home) -> None:
    """Sign a site table, log it, and put it in force.

    FILE is JSON: column -> list of integers, or of 64-digit hex identifiers.
    """
    async with open_session(home, say) as session, founding(session, "--site ...") as owner:
        schemas = schema_of(session, resource).schemas
        if Kind.SITE not in schemas:
            raise InvalidInput(f"{resource} has no site tables")
        item = sign_record(
            home.device_key(signer),
            Kind.SITE,
            session.network.network_id,
            resource,
            session.clock.now(),
            _columns(file),
            schemas[Kind.SITE],
            salt=None,
        )
        say(f"site table: {await deliver(session, [item])}")
        await _adopt(owner, resource, name, item.statement)


@click.command()
@click.argument("epoch", type=click.IntRange(min=0))
@click.option("--as", "name", default=GUARDIAN, show_default=True, help="Guardian, or a verifier.")
@home_option
@asynchronous
async def halt(*, epoch: int, name: str, home: Home) -> None:
    """Stop an epoch's payout root in its hold period, for a bounded time.

    The guardian stops it alone, and then has to wait; verifiers stop it together.
    """
    async with open_session(home, say) as session, acting(session, name) as members:
        await session.pass_time()
        call = members.calls.halt(epoch)
        if home.address(name) != await members.guardian():
            call = members.calls.vote_halt(epoch)
        receipt = await members.send(call)
    put("0x" + receipt.tx.hex())


async def _adopt(owner: Members, resource: str, name: str, statement: bytes) -> None:
    decoded = decode_statement(statement, None)
    if isinstance(decoded, Reason):
        raise InvalidInput(f"the site table does not decode: {decoded}")
    done = await owner.adopt_site(resource, sha256(name.encode()), decoded.identity)
    put("0x" + done.tx.hex())


def _columns(file: Path) -> dict[str, list[int] | list[bytes]]:
    columns: dict[str, list[int] | list[bytes]] = {}
    try:
        for name, values in documents.parse(file.read_bytes()).items():
            if values and isinstance(values[0], str):
                columns[str(name)] = [bytes.fromhex(value) for value in values]
            else:
                columns[str(name)] = [int(value) for value in values]
        return columns
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{file} is no table of columns ({error})") from None
