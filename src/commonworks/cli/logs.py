"""`commonworks log check` and `commonworks receipt check`: evidence, checked offline."""

from __future__ import annotations

from pathlib import Path

import click

from commonworks.cli.shell import (
    Bar,
    asynchronous,
    home_option,
    json_option,
    put,
    put_json,
    say,
)
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import InvalidInput
from commonworks.gateway import RECEIPT_KEY
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.storage.keyfiles import inspect_key
from commonworks.translog.check import Fault, check_log, read_checkpoint
from commonworks.translog.notes import parse_vkey
from commonworks.translog.receipts import decode_receipt, verify_receipt
from commonworks.wiring.founding import GATEWAY
from commonworks.wiring.home import Home, write_durably
from commonworks.wiring.logsource import sync_reader, vkey_beside
from commonworks.wiring.retention import erase
from commonworks.wiring.session import open_session
from commonworks.wiring.transparent import split_transparent, transparent_statement


@click.group()
def log() -> None:
    """Transparency logs."""


@log.command("check")
@click.argument("place", required=False)
@click.option("--vkey", help="Key that signs its checkpoints.  [default: the one beside it]")
@home_option
@json_option
def log_check(*, place: str | None, vkey: str | None, home: Home, as_json: bool) -> None:
    """Verify a whole log: signature, every tile, every entry.

    PLACE is a folder or a URL.  [default: the first gateway of --home]

    Exit code 0: it is whole; 1: it is not, and the first fault is named.
    """
    place = place or str(home.gateway(GATEWAY))
    key = vkey or vkey_beside(place)
    if key is None:
        say("no vkey given: the checkpoint's signature is not checked")
    read = sync_reader(place)
    stated = read_checkpoint(read, None)
    size = 0 if isinstance(stated, Fault) else stated.size
    bar = Bar("checking")
    report = check_log(read, key, lambda done: bar.show(done, size))
    bar.clear()
    fault = report.first_fault
    if as_json:
        put_json(
            {
                "size": report.size,
                "root": report.root.hex(),
                "entries": report.entries,
                "signed": key is not None,
                "fault": None if fault is None else str(fault),
            }
        )
    elif fault is None:
        signer = f" signed by {parse_vkey(key).name}" if key else ""
        put(f"whole: {report.size} entries, root {report.root.hex()}{signer}")
    else:
        put(f"fault after {report.entries} good entries: {fault}")
    if fault is not None:
        raise click.exceptions.Exit(1)


@log.command("erase")
@home_option
@json_option
@asynchronous
async def log_erase(*, home: Home, as_json: bool) -> None:
    """Erase sealed payloads whose retention period has passed (policy: retention_s).

    The logs keep the salted hashes and still verify. Safe beside a running network.
    """
    async with open_session(home, say) as session:
        view = await session.view()
        done = await erase(home, session.network, view, session.clock.now())
    if as_json:
        put_json([{"gateway": e.gateway, "upto": e.upto, "payloads": e.payloads} for e in done])
        return
    for item in done:
        put(f"{item.gateway}: {item.payloads} payloads erased; kept from entry {item.upto} on")
    if not done:
        put("nothing to erase: every retention period still runs")


@click.group()
def receipt() -> None:
    """Receipts: proofs that a statement is in a log."""


@receipt.command("get")
@click.argument("entry", type=int)
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--gateway", "name", default=GATEWAY, show_default=True)
@home_option
@asynchronous
async def receipt_get(*, entry: int, target: Path, name: str, home: Home) -> None:
    """Write an entry of a gateway's log with its receipt into one file.

    Example: commonworks receipt get 57 entry-57.cose
    """
    async with open_session(home, say) as session:
        data = await transparent_statement(session, name, entry)
    write_durably(target, data)
    put(str(target))


@receipt.command("check")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", help="The gateway's receipt key, 128 hex digits.  [default: --home's]")
@click.option("--gateway", "name", default=GATEWAY, show_default=True)
@home_option
@json_option
def receipt_check(*, file: Path, key: str | None, name: str, home: Home, as_json: bool) -> None:
    """Verify a statement's receipt offline: signature and inclusion proof.

    FILE is what `receipt get` writes: the statement with its receipt (RFC 9942) in one object.
    Exit code 0: the statement is in the log; 2: the receipt does not prove it.
    """
    public = _receipt_key(key, home, name)
    statement, receipts = split_transparent(file.read_bytes())
    decoded = decode_statement(statement, None)
    if isinstance(decoded, Reason):
        raise InvalidInput(f"{file} holds no statement: {decoded}")
    proven = []
    for data in receipts:
        said = decode_receipt(data)
        proven.append(verify_receipt(data, statement, public, said.network, said.log_id))
    if as_json:
        put_json(
            [
                {
                    "network": item.network.hex(),
                    "log": item.log_id.hex(),
                    "entry": item.index,
                    "size": item.size,
                    "identity": decoded.identity.hex(),
                }
                for item in proven
            ]
        )
        return
    for item in proven:
        put(
            f"proven: entry {item.index} of the first {item.size} of log "
            f"{item.log_id.hex()[:16]}, network {item.network.hex()[:16]}"
        )


def _receipt_key(key: str | None, home: Home, name: str) -> PublicKey:
    if key is None:
        path = home.gateway(name) / "keys" / f"{RECEIPT_KEY}.json"
        if not path.exists():
            raise InvalidInput("no receipt key given", hint="give it with --key, or a --home")
        return inspect_key(path).public
    try:
        return PublicKey.from_raw(Algorithm.ES256, bytes.fromhex(key.removeprefix("0x")))
    except ValueError:
        raise InvalidInput("the key is not hexadecimal") from None
