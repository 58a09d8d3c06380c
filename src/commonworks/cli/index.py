"""`commonworks index`: what the explorer reads from, derived from chain and logs."""

from __future__ import annotations

import click

from commonworks.cli.shell import (
    Bar,
    asynchronous,
    home_option,
    json_option,
    put_json,
    put_rows,
    say,
)
from commonworks.wiring.explorer.indexing import IndexStatus, rebuild, status_of
from commonworks.wiring.explorer.site import index_of
from commonworks.wiring.home import Home
from commonworks.wiring.session import open_session
from commonworks.wiring.words import clean


@click.group()
def index() -> None:
    """The explorer's index: derived, and made anew whenever it is in doubt."""


@index.command("rebuild")
@click.option("--as", "reader", help="Account that asks other gateways for sealed payloads.")
@home_option
@json_option
@asynchronous
async def index_rebuild(*, reader: str | None, home: Home, as_json: bool) -> None:
    """Make the index anew from the chain and the logs.

    Example: commonworks index rebuild --home home/street

    Epochs are settled again where their evidence can be read; where it was erased by rule, what
    this folder's verifier stored counts as far as it hashes to what was finalised. The old index
    stays until the new one is whole; an explorer that runs goes on with the new one.
    """
    bar = Bar("indexing")
    async with open_session(home, say) as session:
        found = await rebuild(
            session, reader=reader, progress=lambda _, done, total: bar.show(done, total)
        )
    bar.clear()
    _show(found, as_json)
    if found.troubles:
        raise click.exceptions.Exit(1)


@index.command("status")
@home_option
@json_option
def index_status(*, home: Home, as_json: bool) -> None:
    """Show how far the index has read.

    Example: commonworks index status --home home/street
    """
    _show(status_of(index_of(home)), as_json)


def _show(found: IndexStatus, as_json: bool) -> None:
    if as_json:
        put_json(
            {
                "path": str(found.path),
                "block": found.block,
                "finalised": found.finalised,
                "settled": found.settled,
                "logs": [
                    {"log": "0x" + log.log_id.hex(), "gateway": log.name, "entries": log.entries}
                    for log in found.logs
                ],
                "rows": found.rows,
                "troubles": [f"{item.what}: {item.error}" for item in found.troubles],
            }
        )
        return
    block = "-" if found.block is None else str(found.block)
    rows = [
        ("index", str(found.path)),
        ("block", block),
        ("epochs", f"{found.settled} of {found.finalised} final ones"),
    ]
    rows += [
        (f"log {log.log_id.hex()[:16]}", f"{log.entries:,} entries  {clean(log.name)}")
        for log in found.logs
    ]
    rows += [(name, f"{count:,} rows") for name, count in sorted(found.rows.items()) if count]
    put_rows(("part", "read"), rows)
    for item in found.troubles:
        say(clean(f"{item.what}: {item.error}"))
