"""Every reason there is, kernel's and resources', with how often it occurred."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from commonworks.explorer.index.schema import span, statement
from commonworks.explorer.models.statements import (
    ReasonCount,
    ReasonsAnswer,
    RefusalText,
)
from commonworks.explorer.queries.devices import reason_text
from commonworks.explorer.queries.verdict_words import refusal_advice, refusal_meaning
from commonworks.explorer.site import Site
from commonworks.statements.model import REASONS, REFUSALS

KERNEL = "kernel"

Counted = tuple[dict[str, tuple[int, int]], dict[str, int]]


def list_reasons(connection: Connection, site: Site) -> ReasonsAnswer:
    """Return the closed list: the kernel's reasons first, then each resource's, then refusals."""
    statements, spans = site.counts.of(connection, "reasons", _count)
    published = {str(code): (KERNEL, text) for code, text in REASONS.items()}
    for name in sorted(site.resources):
        published |= {
            str(code): (name, text) for code, text in site.resources[name].reasons.items()
        }
    return ReasonsAnswer(
        reasons=[
            ReasonCount(
                reason=reason_text(site, code),
                scope=scope,
                published=text,
                statements=statements.get(code, (0, 0))[0],
                spans=spans.get(code, 0),
                newest_epoch=statements[code][1] if code in statements else None,
            )
            for code, (scope, text) in published.items()
        ],
        refusals=[
            RefusalText(
                code=str(code),
                published=text,
                meaning=refusal_meaning(code),
                advice=refusal_advice(code),
            )
            for code, text in REFUSALS.items()
        ],
    )


def _count(connection: Connection) -> Counted:
    """Count rejected statements and shortened spans by reason, each along an index."""
    whole = (
        select(
            statement.c.reason,
            func.count().label("many"),
            func.max(statement.c.epoch).label("newest"),
        )
        .where(statement.c.reason.is_not(None))
        .group_by(statement.c.reason)
    )
    parts = select(span.c.reason, func.count().label("many")).group_by(span.c.reason)
    return (
        {row.reason: (row.many, row.newest) for row in connection.execute(whole)},
        {row.reason: row.many for row in connection.execute(parts)},
    )
