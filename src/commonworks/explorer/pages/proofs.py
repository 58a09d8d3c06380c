"""Pages that prove: a statement, a payout, or a file that somebody brings along."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from commonworks.crypto.hashes import keccak256
from commonworks.explorer.models.proofs import (
    AssetTotalRecord,
    ProvenLog,
    RangeRecord,
    StatementProof,
)
from commonworks.explorer.proof_words import proof_words
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.queries.proofs import payout_proof, proven_logs, statement_proof
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import (
    AddressText,
    HashText,
    Number,
    address_bytes,
    hash_bytes,
    hash_text,
)
from commonworks.explorer.web.templating import render

router = APIRouter(tags=["proofs"])

Commands = list[tuple[str, str]]
"""What a command does, and its line."""

RPC_PLACE: Final = "http://127.0.0.1:8545"
"""What stands in a command for a chain endpoint that the reader has to know."""


@router.get("/proofs")
def open_file(request: Request, site: SiteDep, connection: ConnDep) -> HTMLResponse:
    """Verify a file that the reader brings along."""
    logs = proven_logs(connection)
    return render(
        request,
        "proofs/open.html",
        words=proof_words(),
        logs=logs,
        log_rows=_log_rows(logs),
        keys={
            "network": hash_text(site.network.network_id),
            "logs": [{"id": log.id, "receipt_key": log.receipt_key} for log in logs],
        },
        commands=[
            (
                gettext("Verify a proof file, and ask the chain for its root"),
                command_line(site, "proof", "check", "proof.json"),
            ),
            (
                gettext("Verify a receipt, without any network"),
                command_line(site, "receipt", "check", "statement.cose"),
            ),
        ],
    )


@router.get("/proofs/receipt/{identity}")
async def receipt(
    request: Request, site: SiteDep, connection: ConnDep, identity: HashText
) -> HTMLResponse:
    """Show the proof that a statement is in an anchored log."""
    document = await statement_proof(site, connection, hash_bytes(identity))
    file = f"proof-{document.identity[2:18]}.json"
    return render(
        request,
        "proofs/receipt.html",
        document=document,
        file=file,
        check=command_line(site, "proof", "check", file),
        data=document.model_dump(),
        words=proof_words(),
        path_rows=_path_rows,
        range_rows=_range_rows,
        totals_rows=_totals_rows,
        commands=_statement_commands(site, document),
    )


@router.get("/proofs/payout/{epoch}/{asset}/{account}")
async def payout(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    epoch: Number,
    asset: AddressText,
    account: AddressText,
) -> HTMLResponse:
    """Show the proof of an account's payout in an epoch."""
    document = await payout_proof(
        site, connection, epoch, address_bytes(asset), address_bytes(account)
    )
    digest = _word(epoch)
    file = f"payout-{epoch}-{document.leaf.account}.json"
    return render(
        request,
        "proofs/payout.html",
        document=document,
        file=file,
        check=command_line(site, "proof", "check", file),
        data=document.model_dump(),
        words=proof_words(),
        path_rows=_path_rows,
        totals_rows=_totals_rows,
        commands=[
            (
                gettext("Recompute the whole epoch: every verdict, payment and leaf"),
                command_line(site, "audit", str(epoch)),
            ),
            (
                gettext("Ask the chain for the digest of the epoch"),
                _ask_chain(site, "digestOf(uint64)", digest),
            ),
        ],
    )


# --- commands -------------------------------------------------------------------------------------


def _statement_commands(site: Site, document: StatementProof) -> Commands:
    """Return what checks a statement without the explorer."""
    position, gateway = document.inclusion.position, document.log.name
    commands = [
        (
            gettext("Get the statement with the gateway's receipt"),
            command_line(site, "receipt", "get", position, "statement.cose", "--gateway", gateway),
        ),
        (
            gettext("Verify that receipt, without any network"),
            command_line(site, "receipt", "check", "statement.cose", "--gateway", gateway),
        ),
    ]
    if document.anchor is not None:
        words = hash_bytes(document.log.id), _word(int(document.anchor.size))
        commands.append(
            (
                gettext("Ask the chain for the anchored root"),
                _ask_chain(site, "anchorOf(bytes32,uint64)", *words),
            )
        )
    if document.evidence is not None:
        commands.append(
            (
                gettext("Recompute the epoch that judged it"),
                command_line(site, "audit", str(document.evidence.epoch)),
            )
        )
    return commands


def _ask_chain(site: Site, function: str, *words: bytes) -> str:
    """Return a command that asks a chain's endpoint for what Settlement holds."""
    call = {
        "to": hash_text(site.contracts.settlement),
        "data": hash_text(keccak256(function.encode())[:4] + b"".join(words)),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]}
    endpoint = site.rpc[0] if site.rpc else RPC_PLACE
    header = "content-type: application/json"
    return shlex.join(["curl", "-s", "-H", header, "-d", json.dumps(body), endpoint])


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


# --- rows of tables -------------------------------------------------------------------------------


def _code(text: str) -> Markup:
    return Markup('<code class="long">{}</code>').format(text)


def _path_rows(path: Sequence[str]) -> list[tuple[int, Markup]]:
    return [(number, _code(item)) for number, item in enumerate(path, 1)]


def _range_rows(ranges: Sequence[RangeRecord]) -> list[tuple[Markup, str, str, Markup]]:
    return [(_code(one.log_id), one.first, one.size, _code(one.root)) for one in ranges]


def _totals_rows(totals: Sequence[AssetTotalRecord]) -> list[tuple[Markup, str, str]]:
    return [(_code(one.asset), one.earned, one.spent) for one in totals]


def _log_rows(logs: Sequence[ProvenLog]) -> list[tuple[str, Markup, Markup]]:
    return [(log.name, _code(log.id), _code(log.receipt_key)) for log in logs]
