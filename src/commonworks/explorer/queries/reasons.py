"""Every reason there is, kernel's and resources', with how often it occurred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, func, select

from commonworks.explorer.index.schema import epoch, statement, tally
from commonworks.explorer.index.tallies import Tallied
from commonworks.explorer.models.statements import (
    ReasonCount,
    ReasonsAnswer,
    RefusalText,
)
from commonworks.explorer.queries.devices import reason_text
from commonworks.explorer.queries.verdict_words import refusal_advice, refusal_meaning
from commonworks.explorer.site import Site
from commonworks.statements.model import REASONS, REFUSALS

KERNEL: Final = "kernel"
"""Scope of the reasons that every resource has."""


SPAN_EPOCHS: Final = 7
"""Newest settled epochs whose spans are counted: there may be many in each."""

Counted = dict[str, tuple[int, int]]
"""Reason -> statements and newest epoch."""


def list_reasons(connection: Connection, site: Site) -> ReasonsAnswer:
    """Return the closed list: the kernel's reasons first, then each resource's, then refusals."""
    statements = site.counts.of(connection, "reasons", _statements)
    spans = _spans(connection)
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
                spans=spans[code],
                newest_epoch=statements[code][1] if code in statements else None,
            )
            for code, (scope, text) in published.items()
        ],
        span_epochs=SPAN_EPOCHS,
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


def _statements(connection: Connection) -> Counted:
    """Count rejected statements by reason, along their index."""
    whole = (
        select(
            statement.c.reason,
            func.count().label("many"),
            func.max(statement.c.epoch).label("newest"),
        )
        .where(statement.c.reason.is_not(None))
        .group_by(statement.c.reason)
    )
    return {row.reason: (row.many, row.newest) for row in connection.execute(whole)}


def _spans(connection: Connection) -> Counter[str]:
    """Count the shortened spans of the newest settled epochs by reason."""
    newest = (
        select(epoch.c.epoch)
        .where(epoch.c.statements.is_not(None))
        .order_by(epoch.c.epoch.desc())
        .limit(SPAN_EPOCHS)
    )
    return spans_by_reason(connection, connection.execute(newest).scalars().all())


def spans_by_reason(connection: Connection, numbers: Sequence[int]) -> Counter[str]:
    """Return how many spans of epochs were credited less than claimed, by reason."""
    rows = select(tally.c.name, tally.c.rows).where(
        tally.c.epoch.in_(numbers), tally.c.what == str(Tallied.SPAN)
    )
    found: Counter[str] = Counter()
    for row in connection.execute(rows):
        found[row.name] += row.rows
    return found
