"""The diary: chain events, newest first, each as a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, tuple_, union_all

from commonworks.explorer.events_in_words import (
    RUNS,
    Names,
    Part,
    describe,
    kind_words,
    names_of,
)
from commonworks.explorer.index.schema import chain_event
from commonworks.explorer.models.activity import ActivityEvent, SentencePart
from commonworks.explorer.site import Site
from commonworks.explorer.web.model import address_text, amount_text, hash_text, party
from commonworks.explorer.web.pagination import Page, decode_cursor, encode_cursor, page_of

ROWS_MAX: Final = 200
"""Most events that one page of lines is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events; None: all."""

    kind: str | None = None
    device: int | None = None
    account: bytes | None = None
    """As either of the two whom an event is about."""
    epoch: int | None = None


ALL = Wanted()


def events(
    connection: Connection,
    site: Site,
    wanted: Wanted = ALL,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[ActivityEvent]:
    """Return events, newest first, and where the list goes on."""
    rows = _rows(connection, wanted, limit + 1, decode_cursor(cursor, int, int))
    names = names_of(connection, site, rows[:limit])
    return page_of(
        rows,
        limit,
        key=lambda row: (row.block, row.log_index),
        build=lambda row: event(site, row, names),
    )


# --- as pages show them ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the diary: an event, or a run of the same that one gateway made."""

    block: int
    log_index: int
    time: int
    tx: str
    """Of the newest event in it."""
    parts: tuple[Part, ...]
    """What it says, with its links."""
    count: int
    """Events in it."""
    each: str | None
    """Page that shows each event of a run; None for a single one."""


def diary(
    connection: Connection,
    site: Site,
    wanted: Wanted = ALL,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[Any]:
    """Return lines, newest first, and where the diary goes on.

    Of a kind in `RUNS`, events of one gateway with nothing but that kind between them are one line
    with the time of the newest, so that a gateway's hourly anchors do not hide what else happened;
    unless just that kind is asked for. Guarantees: the events of all lines of a page are the next
    ones of `events`, none left out; a run ends with its page.
    """
    rows = _rows(connection, wanted, ROWS_MAX + 1, decode_cursor(cursor, int, int))
    runs = _runs(rows[:ROWS_MAX], limit, fold=wanted.kind is None)
    told = sum(len(run) for run in runs)
    names = names_of(connection, site, [run[0] for run in runs])
    more = encode_cursor(rows[told - 1].block, rows[told - 1].log_index) if told else None
    return Page[Any](
        items=[_line(site, run, names) for run in runs], next=more if told < len(rows) else None
    )


def _runs(rows: Sequence[Row[Any]], limit: int, *, fold: bool) -> list[list[Row[Any]]]:
    """Return the first events as at most `limit` runs; together they are a beginning of `rows`."""
    runs: list[list[Row[Any]]] = []
    open_runs: dict[tuple[str, bytes | None], list[Row[Any]]] = {}
    for row in rows:
        one = (row.kind, row.log_id)
        if one in open_runs:
            open_runs[one].append(row)
            continue
        if len(runs) == limit:
            break
        runs.append([row])
        if not fold or row.kind not in RUNS:
            open_runs = {}
        else:
            open_runs[one] = runs[-1]
    return runs


def _line(site: Site, run: Sequence[Row[Any]], names: Names) -> Line:
    newest, count = run[0], len(run)
    # A cursor just above the newest: the page begins with it.
    begin = encode_cursor(newest.block, newest.log_index + 1)
    return Line(
        block=newest.block,
        log_index=newest.log_index,
        time=newest.time,
        tx=hash_text(newest.tx),
        parts=describe(site, newest, names, times=count).parts,
        count=count,
        each=f"/activity?kind={newest.kind}&cursor={begin}" if count > 1 else None,
    )


# --- reading --------------------------------------------------------------------------------------


def _rows(
    connection: Connection, wanted: Wanted, count: int, before: tuple[Any, ...] | None
) -> Sequence[Row[Any]]:
    """Read rows by index: those about an account are two walks, merged."""
    table = chain_event
    terms: list[ColumnElement[bool]] = []
    if wanted.kind is not None:
        terms.append(table.c.kind == wanted.kind)
    if wanted.device is not None:
        terms.append(table.c.device == wanted.device)
    if wanted.epoch is not None:
        terms.append(table.c.epoch == wanted.epoch)
    if before is not None:
        terms.append(tuple_(table.c.block, table.c.log_index) < before)
    newest = (table.c.block.desc(), table.c.log_index.desc())
    if wanted.account is None:
        query = select(table).where(*terms).order_by(*newest).limit(count)
        return connection.execute(query).all()
    sides = (
        table.c.account == wanted.account,
        and_(
            table.c.other == wanted.account,
            or_(table.c.account.is_(None), table.c.account != wanted.account),
        ),
    )
    walks = [
        select(select(table).where(side, *terms).order_by(*newest).limit(count).subquery())
        for side in sides
    ]
    both = union_all(*walks).subquery()
    merged = select(both).order_by(both.c.block.desc(), both.c.log_index.desc()).limit(count)
    return connection.execute(merged).all()


def event(site: Site, row: Row[Any], names: Names) -> ActivityEvent:
    """Return a row of the diary as it is shown."""
    sentence = describe(site, row, names)
    return ActivityEvent(
        block=row.block,
        log_index=row.log_index,
        time=row.time,
        tx=hash_text(row.tx),
        kind=row.kind,
        heading=kind_words(row.kind),
        text=sentence.text,
        parts=[SentencePart(text=part.text, href=part.href) for part in sentence.parts],
        epoch=row.epoch,
        device=row.device,
        log_id=None if row.log_id is None else hash_text(row.log_id),
        account=None if row.account is None else party(site, row.account),
        other=None if row.other is None else party(site, row.other),
        asset=None if row.asset is None else address_text(row.asset),
        amount=None if row.amount is None else amount_text(row.amount),
    )
