"""Routes of the slice statements: logged entries, one statement, every reason."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query

from commonworks.explorer.models.statements import (
    ReasonsAnswer,
    Standing,
    StatementAnswer,
    StatementRow,
)
from commonworks.explorer.queries import evidence, reasons, statements
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.model import NUMBER_MAX, hash_bytes
from commonworks.explorer.web.pagination import (
    LIMIT_DEFAULT,
    CursorQuery,
    LimitQuery,
    Page,
)
from commonworks.statements.model import Kind

router = APIRouter(tags=["statements"])

NumberQuery = Annotated[int | None, Query(ge=0, le=NUMBER_MAX)]
IdentityText = Annotated[
    str,
    Path(
        description="A statement's identity: 64 hexadecimal digits.",
        # Documented, and checked by `hash_bytes`: what is malformed is a 400 with a hint.
        json_schema_extra={"pattern": r"^(0x)?[0-9a-fA-F]{64}$"},
    ),
]
LogQuery = Annotated[
    str | None,
    Query(pattern=r"^(0x)?[0-9a-fA-F]{64}$", description="Only of this log, by position."),
]


@router.get("/statements")
def list_statements(
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
    outcome: Annotated[Standing | None, Query(description="Only with this outcome.")] = None,
    reason: Annotated[
        str | None, Query(max_length=64, description="Only rejected for this reason.")
    ] = None,
    epoch: NumberQuery = None,
    device: NumberQuery = None,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    resource: Annotated[str | None, Query(max_length=31)] = None,
    log: LogQuery = None,
) -> Page[StatementRow]:
    """List logged entries: those that wait first, then by epoch, the newest first.

    Within an epoch the rejected come first. A statement in several logs comes once for each.
    """
    wanted = statements.Wanted(
        outcome=outcome,
        reason=reason,
        epoch=epoch,
        device=device,
        kind=kind,
        resource=resource,
        log=None if log is None else hash_bytes(log),
    )
    return statements.list_statements(connection, site, wanted, limit=limit, cursor=cursor)


@router.get("/statements/{identity}")
async def get_statement(
    identity: IdentityText, site: SiteDep, connection: ConnDep, viewer: ViewerDep
) -> StatementAnswer:
    """Return a statement: where it is logged, what became of it, why, and its bytes.

    A sealed payload is taken apart only for the account that it counts for, signed in.
    """
    wanted_identity = hash_bytes(identity)
    found = await asyncio.to_thread(statements.get_statement, connection, site, wanted_identity)
    wanted = await asyncio.to_thread(
        evidence.wanted_evidence, connection, site, viewer, wanted_identity
    )
    return StatementAnswer(statement=found, evidence=await evidence.read_evidence(site, wanted))


@router.get("/reasons")
def list_reasons(site: SiteDep, connection: ConnDep) -> ReasonsAnswer:
    """Return every reason for which something is not credited, or not logged, and how often."""
    return reasons.list_reasons(connection, site)
