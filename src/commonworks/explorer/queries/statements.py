"""Statements: the list, and one statement with what became of it and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    func,
    literal_column,
    select,
    tuple_,
)

from commonworks.errors import NotFound
from commonworks.explorer.index.schema import chain_event, device, gateway, statement
from commonworks.explorer.models.statements import (
    LogRef,
    Place,
    Signer,
    Standing,
    StatementDetail,
    StatementRow,
)
from commonworks.explorer.queries import verdict_words
from commonworks.explorer.queries.commands import command_line, plain_name
from commonworks.explorer.queries.devices import reason_text, refs_of
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import DeviceRef, Party, device_ref, hash_text, party
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of
from commonworks.statements.model import Kind

PLACES_MAX: Final = 64
"""Copies of one statement that are listed: as many as there are logs in a confirmation."""

REGISTRARS_MAX: Final = 1_000
"""Newest events about registrars that are searched for a key."""

WAITING_CURSOR: Final = -1
"""Stands for `no epoch yet` in a cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which statements; None: all."""

    outcome: Standing | None = None
    reason: str | None = None
    epoch: int | None = None
    device: int | None = None
    kind: Kind | None = None
    resource: str | None = None
    log: bytes | None = None


ALL: Final = Wanted()


def list_statements(
    connection: Connection,
    site: Site,
    wanted: Wanted = ALL,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[StatementRow]:
    """Return logged entries: those that wait first, then by epoch, the newest first.

    Within an epoch the rejected ones come first.
    A statement that lies in several logs comes once for each. Of one log alone they come by
    position, the newest first. Raises: InvalidInput for a cursor that is none.
    """
    after = decode_cursor(cursor, int, str, bytes, int)
    rows: list[Row[Any]] = []
    for walk in _walks(wanted, after):
        rows += connection.execute(walk.limit(limit + 1 - len(rows))).all()
        if len(rows) > limit:
            break
    shown = rows[:limit]
    refs = refs_of(connection, site, [row.device for row in shown if row.device is not None])
    logs = log_refs(connection, {row.log_id for row in shown})
    return page_of(
        rows,
        limit,
        lambda row: (
            WAITING_CURSOR if row.epoch is None else row.epoch,
            row.outcome or "",
            row.log_id,
            row.position,
        ),
        lambda row: statement_row(site, row, refs, logs),
    )


def _walks(wanted: Wanted, after: tuple[int, str, bytes, int] | None) -> Sequence[Select[Any]]:
    """Return the queries that give the list in its order, each a walk along an index."""
    table = statement.c
    terms = _terms(wanted)
    if (
        wanted.log is not None
        and replace(wanted, log=None, outcome=None) == ALL
        and (wanted.outcome is not Standing.REJECTED)
    ):
        past = () if after is None else (table.position < after[3],)
        by_position = table.position.desc()
        return (select(statement).where(*terms, *past).order_by(by_position),)
    unjudged = (table.epoch.is_(None), table.outcome.is_(None))
    waiting: Select[Any] | None = select(statement).where(*terms, *unjudged)
    judged = select(statement).where(*terms, table.epoch.is_not(None))
    if wanted.epoch is not None or wanted.outcome not in (None, Standing.WAITING) or wanted.reason:
        waiting = None
    if after is not None:
        epoch, _, log_id, position = after
        if epoch != WAITING_CURSOR:
            waiting = None
            here = tuple_(table.epoch, table.outcome, table.log_id, table.position)
            judged = judged.where(here < after)
        elif waiting is not None:
            waiting = waiting.where(tuple_(table.log_id, table.position) < (log_id, position))
    order = (table.log_id.desc(), table.position.desc())
    walks = [] if waiting is None else [waiting.order_by(*order)]
    if wanted.outcome is not Standing.WAITING:
        walks.append(judged.order_by(table.epoch.desc(), table.outcome.desc(), *order))
    return walks


def _terms(wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return the conditions, so written that the index is used which keeps the list's order."""
    table = statement.c
    rejected = wanted.outcome is Standing.REJECTED or wanted.reason is not None
    # Rejected statements are few, and have an index in order: nothing else may tempt away from it.
    few = rejected and wanted.device is None and wanted.epoch is None
    equal: Mapping[Any, object] = {
        table.reason: wanted.reason,
        table.epoch: wanted.epoch,
        table.device: wanted.device,
        _without_index(table.resource) if few else table.resource: wanted.resource,
        _without_index(table.log_id) if few else table.log_id: wanted.log,
    }
    terms: list[ColumnElement[bool]] = [
        column == value for column, value in equal.items() if value is not None
    ]
    if wanted.kind is not None:
        terms.append((_without_index(table.kind) if few else table.kind) == str(wanted.kind))
        if wanted.kind is not Kind.REPORT and not few:
            terms.append(literal_column("kind <> 'report'"))  # as the partial index says
    if rejected:
        terms.append(literal_column("outcome = 'rejected'"))
    if wanted.outcome is Standing.WAITING:
        terms.append(table.outcome.is_(None))
    if wanted.outcome is Standing.ACCEPTED:
        # Not `= 'accepted'`: a constant outcome hides that the index by epoch is in order.
        terms.append(table.outcome != str(Standing.REJECTED))
    return terms


def _without_index(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column's value in a form that no index is used for."""
    return func.coalesce(column, column)


def statement_row(
    site: Site, row: Row[Any], refs: Mapping[int, DeviceRef], logs: Mapping[bytes, LogRef]
) -> StatementRow:
    """Return an entry as it is shown."""
    return StatementRow(
        identity=hash_text(row.identity),
        log=logs[row.log_id],
        position=row.position,
        kind=row.kind,
        device=None
        if row.device is None
        else refs.get(row.device, device_ref(site, row.device, None, row.resource)),
        resource=row.resource,
        sealed=row.sealed,
        size=row.bytes,
        said_at=row.said_at,
        epoch=row.epoch,
        outcome=standing(row),
        reason=None if row.reason is None else reason_text(site, row.reason),
    )


def standing(row: Row[Any]) -> Standing:
    """Return what became of an entry."""
    return Standing.WAITING if row.outcome is None else Standing(row.outcome)


def log_refs(connection: Connection, log_ids: set[bytes]) -> dict[bytes, LogRef]:
    """Return logs as they are shown, in one query; those that no gateway registered too."""
    names: dict[bytes, str] = {}
    if log_ids:
        query = select(gateway.c.log_id, gateway.c.name).where(gateway.c.log_id.in_(log_ids))
        names = {row.log_id: row.name for row in connection.execute(query)}
    return {one: LogRef(log_id=hash_text(one), gateway=names.get(one)) for one in log_ids}


# --- one statement --------------------------------------------------------------------------------


def statement_rows(connection: Connection, identity: bytes) -> Sequence[Row[Any]]:
    """Return every copy of a statement; raise NotFound where no log has one."""
    rows = connection.execute(
        select(statement)
        .where(statement.c.identity == identity)
        .order_by(statement.c.log_id, statement.c.position)
        .limit(PLACES_MAX)
    ).all()
    if not rows:
        raise NotFound(
            gettext("no log of this network has such a statement"),
            hint=gettext("what a gateway refused is in no log; see /reasons"),
        )
    return rows


def chosen(rows: Sequence[Row[Any]]) -> Row[Any]:
    """Return the copy that speaks for all: one that was judged, accepted rather than rejected."""
    return min(rows, key=lambda row: (row.outcome is None, row.outcome != "accepted"))


def get_statement(connection: Connection, site: Site, identity: bytes) -> StatementDetail:
    """Return a statement by its identity (or, of undecodable bytes, their leaf hash).

    Raises: NotFound.
    """
    rows = statement_rows(connection, identity)
    row = chosen(rows)
    logs = log_refs(connection, {one.log_id for one in rows})
    counted, owner = _device_of(connection, site, row)
    outcome = standing(row)
    reason = None if row.reason is None else reason_text(site, row.reason)
    return StatementDetail(
        identity=hash_text(identity),
        places=[_place(site, one, logs) for one in rows],
        kind=row.kind,
        kind_text=verdict_words.kind_text(row.kind),
        signer=None if row.kid is None else _signer(connection, site, row.kid, row.device),
        device=counted,
        owner=owner,
        resource=row.resource,
        sealed=row.sealed,
        said_at=row.said_at,
        epoch=row.epoch,
        outcome=outcome,
        summary=verdict_words.summary(outcome, row.epoch, reason),
        reason=reason,
        money=verdict_words.money(outcome, row.kind, row.reason),
        advice=verdict_words.advice(outcome, reason),
        checks=verdict_words.checks(outcome, row.kind, row.reason),
        command=None
        if row.epoch is None
        else command_line(site, "verdicts", str(row.epoch), "--all", *_of_device(row.device)),
    )


def _of_device(number: int | None) -> tuple[str, ...]:
    return () if number is None else ("--device", str(number))


def _place(site: Site, row: Row[Any], logs: Mapping[bytes, LogRef]) -> Place:
    log = logs[row.log_id]
    words = ["receipt", "get", str(row.position), f"entry-{row.position}.cose"]
    if log.gateway is not None:
        words += ["--gateway", plain_name(log.gateway)]
    return Place(
        log=log,
        position=row.position,
        size=row.bytes,
        epoch=row.epoch,
        command=command_line(site, *words),
    )


def _device_of(
    connection: Connection, site: Site, row: Row[Any]
) -> tuple[DeviceRef | None, Party | None]:
    """Return the device that a statement counts for, and its owner."""
    if row.device is None:
        return None, None
    found = connection.execute(select(device).where(device.c.device == row.device)).one_or_none()
    if found is None:
        return device_ref(site, row.device, None, row.resource), None
    ref = device_ref(site, row.device, found.thumbprint, found.resource)
    return ref, party(site, found.owner)


def _signer(connection: Connection, site: Site, kid: bytes, counted: int | None) -> Signer:
    """Return whose key signed: the device that it counts for, else the newest with that key."""
    own = device.c.thumbprint == kid
    many = connection.execute(select(func.count()).where(own)).scalar_one()
    query = select(device).where(own).order_by(device.c.device != (counted or 0)).limit(1)
    found = connection.execute(query).one_or_none()
    if found is None:
        registrar = registrar_key(connection, kid) is not None
        return Signer(kid=hash_text(kid), device=None, owner=None, others=0, registrar=registrar)
    return Signer(
        kid=hash_text(kid),
        device=device_ref(site, found.device, found.thumbprint, found.resource),
        owner=party(site, found.owner),
        others=many - 1,
        registrar=False,
    )


def registrar_key(connection: Connection, kid: bytes) -> tuple[int, bytes] | None:
    """Return algorithm and raw key of a registrar that was ever admitted with this thumbprint."""
    said = select(chain_event.c.detail).where(chain_event.c.kind == "registrar_set")
    newest = said.order_by(chain_event.c.block.desc(), chain_event.c.log_index.desc())
    for text in connection.execute(newest.limit(REGISTRARS_MAX)).scalars():
        detail = json.loads(text)
        if detail["thumbprint"].removeprefix("0x") == kid.hex():
            return detail["algorithm"], bytes.fromhex(detail["public_key"].removeprefix("0x"))
    return None
