"""Pages of the slice statements: logged entries, one statement, every reason."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response

from commonworks.explorer.models.statements import Standing
from commonworks.explorer.pages.fields import (
    Text,
    choice_field,
    hash_field,
    number_field,
    text_field,
)
from commonworks.explorer.queries import evidence, reasons, statements
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.model import hash_bytes
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery
from commonworks.explorer.web.templating import render
from commonworks.explorer.web.words import reason_words
from commonworks.statements.model import Kind, Reason

router = APIRouter()


@router.get("/statements")
def statements_page(
    request: Request,
    site: SiteDep,
    connection: ConnDep,
    outcome: Text = "",
    reason: Text = "",
    epoch: Text = "",
    device: Text = "",
    kind: Text = "",
    resource: Text = "",
    log: Text = "",
    cursor: CursorQuery = None,
) -> Response:
    """Show logged entries, the newest first. Fields of the form may be empty."""
    given = {
        "outcome": outcome,
        "reason": reason,
        "epoch": epoch,
        "device": device,
        "kind": kind,
        "resource": resource,
        "log": log,
    }
    wanted = statements.Wanted(
        outcome=choice_field(outcome, Standing),
        reason=text_field(reason),
        epoch=number_field(epoch),
        device=number_field(device),
        kind=choice_field(kind, Kind),
        resource=text_field(resource),
        log=hash_field(log),
    )
    codes = [str(code) for code in Reason]
    codes += [code for one in site.resources.values() for code in one.reasons]
    return render(
        request,
        "statements/statements.html",
        page=statements.list_statements(
            connection, site, wanted, limit=LIMIT_DEFAULT, cursor=cursor
        ),
        kept=given,
        filtered=any(given.values()),
        first=cursor is None,
        words=None if wanted.reason is None else reason_words(site, wanted.reason),
        codes=[reason_words(site, code) for code in codes],
        kinds=list(Kind),
    )


@router.get("/statements/{identity}")
async def statement_page(
    request: Request, identity: str, site: SiteDep, connection: ConnDep, viewer: ViewerDep
) -> Response:
    """Show a statement: what became of it, why, what that means and what to do; its bytes."""
    wanted_identity = hash_bytes(identity)
    found = await asyncio.to_thread(statements.get_statement, connection, site, wanted_identity)
    wanted = await asyncio.to_thread(
        evidence.wanted_evidence, connection, site, viewer, wanted_identity
    )
    shown = await evidence.read_evidence(site, wanted)
    return render(request, "statements/statement.html", one=found, evidence=shown)


@router.get("/reasons")
def reasons_page(request: Request, site: SiteDep, connection: ConnDep) -> Response:
    """Show every reason for which something is not credited, or not logged."""
    return render(request, "statements/reasons.html", answer=reasons.list_reasons(connection, site))
