"""Gateways and verifiers as the index has them: what they have at stake, what they did, how late.

Only the last `EPOCHS_COUNTED` closed epochs are looked at for lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, literal, or_, select

from commonworks.errors import InvalidInput, NotFound
from commonworks.explorer.index import schema
from commonworks.explorer.index.columns import Amount
from commonworks.explorer.models.nodes import (
    AnchorView,
    Bond,
    Duty,
    GatewayBrief,
    GatewayView,
    Quorum,
    VerifierBrief,
    VerifierView,
)
from commonworks.explorer.queries import faults, parameters, stops
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.queries.deeds import closed_epochs, deeds_of
from commonworks.explorer.queries.sums import chunked_sum, combined
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import amount_text, hash_text, party
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of
from commonworks.explorer.web.plain_text import web_address
from commonworks.translog.notes import NoteKey, note_key
from commonworks.units import PPM

EPOCHS_COUNTED: Final = 100
"""Newest closed epochs by which nodes are judged."""

VERIFIERS, GATEWAYS = "verifiers", "gateways"
"""Names under which settlements reward nodes."""

Anything = Row[*tuple[Any, ...]]


# --- all of them ----------------------------------------------------------------------------------


def quorum(connection: Connection, site: Site) -> Quorum:
    """Return how the verifiers together stand."""
    values = parameters.current_values(connection, site, ["quorum_ppm"])
    stake, symbol = schema.bond.c.stake, site.asset(site.bond_asset)
    counted = connection.execute(select(*chunked_sum(stake))).one()
    voices = select(func.count()).select_from(schema.bond).where(stake > 0)
    first = (
        select(schema.epoch.c.epoch, schema.epoch.c.closed_at)
        .where(schema.epoch.c.finalised_at.is_(None))
        .order_by(schema.epoch.c.epoch)
        .limit(1)
    )
    waiting = connection.execute(first).first()
    return Quorum(
        time=site.clock.now(),
        quorum_ppm=values.get("quorum_ppm"),
        total_stake=amount_text(combined(counted)),
        bond_symbol=symbol[0],
        bond_decimals=symbol[1],
        verifiers=connection.scalar(select(func.count()).select_from(schema.verifier)) or 0,
        voices=connection.scalar(voices) or 0,
        gateways=connection.scalar(select(func.count()).select_from(schema.gateway)) or 0,
        single_operator=site.single_operator,
        waiting=None if waiting is None else waiting.epoch,
        waiting_since=None if waiting is None else waiting.closed_at,
    )


def verifiers(
    connection: Connection, site: Site, limit: int, cursor: str | None
) -> Page[VerifierBrief]:
    """Return verifiers, those with the largest bond first."""
    table = schema.verifier
    rows = connection.execute(_by_bond(table, table.c.operator, limit, cursor)).all()
    briefs = _verifiers(connection, site, rows)
    return page_of(rows, limit, _place, lambda row: briefs[row.operator])


def gateways(
    connection: Connection, site: Site, limit: int, cursor: str | None
) -> Page[GatewayBrief]:
    """Return gateways, those with the largest bond first."""
    table = schema.gateway
    rows = connection.execute(_by_bond(table, table.c.log_id, limit, cursor)).all()
    briefs = _gateways(connection, site, rows)
    return page_of(rows, limit, _place, lambda row: briefs[row.log_id])


def _by_bond(table: Any, name: ColumnElement[bytes], limit: int, cursor: str | None) -> Select[Any]:
    """Return a selection of nodes with their bonds, the largest first, from a cursor on."""
    bonded = func.coalesce(schema.bond.c.bonded, literal(0, Amount()), type_=Amount())
    after = decode_cursor(cursor, str, bytes)
    wanted = (
        select(table, *_bond_columns(), bonded.label("order_bond"), name.label("order_name"))
        .outerjoin(schema.bond, schema.bond.c.operator == table.c.operator)
        .order_by(bonded.desc(), name)
        .limit(limit + 1)
    )
    if after is None:
        return wanted
    if not (after[0].isdecimal() and after[0].isascii() and len(after[0]) <= 77):
        raise InvalidInput(
            gettext("the cursor is not one that this list gave"), hint=gettext("begin without one")
        )
    size, place = int(after[0]), after[1]
    return wanted.where(or_(bonded < size, and_(bonded == size, name > place)))


def _bond_columns() -> list[ColumnElement[Any]]:
    bond = schema.bond.c
    return [bond.bonded, bond.unbonding, bond.ready_at, bond.stake]


def _place(row: Anything) -> tuple[str, bytes]:
    return str(row.order_bond), row.order_name


# --- one of them ----------------------------------------------------------------------------------


def verifier(connection: Connection, site: Site, operator: bytes) -> VerifierView:
    """Return one verifier; raise NotFound."""
    row = connection.execute(_one(schema.verifier, schema.verifier.c.operator == operator)).first()
    if row is None:
        raise NotFound(
            gettext("no verifier is registered by this account"), hint=gettext("see all: /nodes")
        )
    return VerifierView(
        verifier=_verifiers(connection, site, [row])[operator],
        registered_at=row.registered_at,
        registered_tx=hash_text(row.registered_tx),
        epochs_counted=len(closed_epochs(connection, EPOCHS_COUNTED)),
        halt_votes=stops.halt_votes_of(connection, operator),
    )


def gateway(connection: Connection, site: Site, log_id: bytes) -> GatewayView:
    """Return one gateway; raise NotFound."""
    row = connection.execute(_one(schema.gateway, schema.gateway.c.log_id == log_id)).first()
    if row is None:
        raise NotFound(
            gettext("no gateway has registered this log"), hint=gettext("see all: /nodes")
        )
    key = _key(row)
    url = web_address(row.endpoint)
    line = None
    if url is not None:
        line = command_line(site, "log", "check", url, *(("--vkey", key.vkey) if key else ()))
    return GatewayView(
        gateway=_gateways(connection, site, [row])[log_id],
        note_key=hash_text(row.note_key),
        vkey=None if key is None else key.vkey,
        receipt_key="0x" + row.receipt_key.hex(),
        registered_at=row.registered_at,
        registered_tx=hash_text(row.registered_tx),
        command=line,
    )


def duties(connection: Connection, operator: bytes, limit: int, cursor: str | None) -> Page[Duty]:
    """Return what a verifier did for each closed epoch, the newest first. Raises NotFound."""
    known = select(schema.verifier.c.operator).where(schema.verifier.c.operator == operator)
    if connection.execute(known).first() is None:
        raise NotFound(
            gettext("no verifier is registered by this account"), hint=gettext("see all: /nodes")
        )
    before = decode_cursor(cursor, int)
    rows = closed_epochs(connection, limit + 1, None if before is None else before[0])
    deeds = deeds_of(connection, [operator], rows)
    return page_of(rows, limit, lambda row: (row.epoch,), lambda row: deeds.duty(operator, row))


def anchors(
    connection: Connection, log_id: bytes, limit: int, cursor: str | None
) -> Page[AnchorView]:
    """Return a log's anchors, the newest first. Raises NotFound."""
    known = select(schema.gateway.c.log_id).where(schema.gateway.c.log_id == log_id)
    if connection.execute(known).first() is None:
        raise NotFound(
            gettext("no gateway has registered this log"), hint=gettext("see all: /nodes")
        )
    table, before = schema.anchor, decode_cursor(cursor, int)
    wanted = select(table).where(table.c.log_id == log_id)
    if before is not None:
        wanted = wanted.where(table.c.size < before[0])
    rows = connection.execute(wanted.order_by(table.c.size.desc()).limit(limit + 1)).all()
    return page_of(
        rows,
        limit,
        lambda row: (row.size,),
        lambda row: AnchorView(
            size=row.size, root=hash_text(row.root), time=row.time, tx=hash_text(row.tx)
        ),
    )


def _one(table: Any, condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(table, *_bond_columns())
        .outerjoin(schema.bond, schema.bond.c.operator == table.c.operator)
        .where(condition)
    )


def _key(row: Anything) -> NoteKey | None:
    """Return the key of a log's checkpoints, None where what was registered is no such key."""
    try:
        key = note_key(row.origin, row.note_key)
    except InvalidInput:
        return None
    return key if key.log_id == row.log_id else None


# --- verifiers ------------------------------------------------------------------------------------


def _verifiers(
    connection: Connection, site: Site, rows: Sequence[Anything]
) -> dict[bytes, VerifierBrief]:
    operators = [row.operator for row in rows]
    epochs = closed_epochs(connection, EPOCHS_COUNTED)
    deeds = deeds_of(connection, operators, epochs)
    earned = _earned(connection, VERIFIERS, operators)
    minimum = parameters.current_values(connection, site, ["verifier_bond_min"])
    total = combined(connection.execute(select(*chunked_sum(schema.bond.c.stake))).one())
    newest = _last_attested(connection, operators)
    return {
        row.operator: _verifier(
            site,
            row,
            [deeds.duty(row.operator, one) for one in epochs],
            earned.get(row.operator, 0),
            _bond(row, minimum.get("verifier_bond_min")),
            total,
            newest.get(row.operator),
        )
        for row in rows
    }


def _verifier(
    site: Site,
    row: Anything,
    done: Sequence[Duty],
    earned: int,
    bond: Bond,
    total: int,
    last_attested: int | None,
) -> VerifierBrief:
    due = [duty for duty in done if duty.due]
    final = [duty for duty in due if duty.finalised]
    confirming = [d.confirmed_at - d.ended_at for d in due if d.confirmed_at is not None]
    attesting = [d.attested_at - d.closed_at for d in due if d.attested_at is not None]
    stake = row.stake or 0
    return VerifierBrief(
        operator=party(site, row.operator),
        name=row.name,
        endpoint=row.endpoint,
        bond=bond,
        stake=amount_text(stake),
        stake_ppm=stake * PPM // total if total else None,
        due=len(due),
        confirmed=len(confirming),
        due_final=len(final),
        attested=sum(duty.agrees is True for duty in final),
        confirm_after_s=median_low(confirming) if confirming else None,
        attest_after_s=median_low(attesting) if attesting else None,
        last_attested=last_attested,
        earned_wei=amount_text(earned),
        faults=faults.of_verifier(site, bond, stake, done),
    )


def _last_attested(connection: Connection, operators: Sequence[bytes]) -> dict[bytes, int]:
    table = schema.attestation
    wanted = (
        select(table.c.verifier, func.max(table.c.epoch))
        .where(table.c.verifier.in_(operators))
        .group_by(table.c.verifier)
    )
    return {row[0]: row[1] for row in connection.execute(wanted)}


# --- gateways -------------------------------------------------------------------------------------


def _gateways(
    connection: Connection, site: Site, rows: Sequence[Anything]
) -> dict[bytes, GatewayBrief]:
    logs = [row.log_id for row in rows]
    epochs = closed_epochs(connection, EPOCHS_COUNTED)
    names = {f"log:{log_id.hex()}": log_id for log_id in logs}
    cursors = select(schema.cursor).where(schema.cursor.c.name.in_(list(names)))
    entries = {names[row.name]: row.value for row in connection.execute(cursors)}
    newest = _newest_anchors(connection, logs)
    settled = _settled(connection, logs)
    served = _served(connection, logs, epochs)
    earned = _earned(connection, GATEWAYS, [row.operator for row in rows])
    minimum = parameters.current_values(connection, site, ["gateway_bond_min"])
    return {
        row.log_id: _gateway(
            site,
            row,
            _bond(row, minimum.get("gateway_bond_min")),
            entries=entries.get(row.log_id),
            anchor=newest.get(row.log_id),
            settled=settled.get(row.log_id),
            served=served.get(row.log_id, 0),
            counted=len(epochs),
            earned=earned.get(row.operator, 0),
        )
        for row in rows
    }


def _gateway(
    site: Site,
    row: Anything,
    bond: Bond,
    *,
    entries: int | None,
    anchor: Anything | None,
    settled: int | None,
    served: int,
    counted: int,
    earned: int,
) -> GatewayBrief:
    anchored = None if anchor is None else anchor.size
    beyond = None if entries is None else max(0, entries - (anchored or 0))
    return GatewayBrief(
        log_id=hash_text(row.log_id),
        operator=party(site, row.operator),
        name=row.name,
        origin=row.origin,
        endpoint=row.endpoint,
        bond=bond,
        entries=entries,
        anchored=anchored,
        settled=settled,
        anchored_at=None if anchor is None else anchor.time,
        anchored_tx=None if anchor is None else hash_text(anchor.tx),
        unanchored=beyond,
        epochs_counted=counted,
        epochs_served=served,
        earned_wei=amount_text(earned),
        faults=faults.of_gateway(
            site,
            bond,
            entries=entries,
            anchored=anchored,
            last_sign=row.registered_at if anchor is None else anchor.time,
            has_key=_key(row) is not None,
        ),
    )


def _newest_anchors(connection: Connection, logs: Sequence[bytes]) -> dict[bytes, Anything]:
    table = schema.anchor
    sizes = (
        select(table.c.log_id, func.max(table.c.size).label("size"))
        .where(table.c.log_id.in_(logs))
        .group_by(table.c.log_id)
        .subquery()
    )
    same = and_(table.c.log_id == sizes.c.log_id, table.c.size == sizes.c.size)
    return {row.log_id: row for row in connection.execute(select(table).join(sizes, same))}


def _settled(connection: Connection, logs: Sequence[bytes]) -> dict[bytes, int]:
    table = schema.evidence_range
    wanted = select(table.c.log_id, func.max(table.c.size)).where(table.c.log_id.in_(logs))
    return {row[0]: row[1] for row in connection.execute(wanted.group_by(table.c.log_id))}


def _served(
    connection: Connection, logs: Sequence[bytes], epochs: Sequence[Anything]
) -> dict[bytes, int]:
    """Return in how many of some epochs each log has entries of the evidence."""
    if not epochs:
        return {}
    table = schema.evidence_range
    wanted = (
        select(table.c.log_id, func.count())
        .where(
            table.c.log_id.in_(logs),
            table.c.epoch >= epochs[-1].epoch,
            table.c.size > table.c.first,
        )
        .group_by(table.c.log_id)
    )
    return {row[0]: row[1] for row in connection.execute(wanted)}


# --- both -----------------------------------------------------------------------------------------


def _bond(row: Anything, minimum: int | None) -> Bond:
    return Bond(
        bonded=amount_text(row.bonded or 0),
        unbonding=amount_text(row.unbonding or 0),
        ready_at=row.ready_at if row.unbonding else None,
        minimum=None if minimum is None else amount_text(minimum),
    )


def _earned(connection: Connection, name: str, operators: Sequence[bytes]) -> dict[bytes, int]:
    """Return what nodes ever earned for their service, wei."""
    table = schema.reward
    wanted = (
        select(table.c.account, *chunked_sum(table.c.amount_wei))
        .where(table.c.resource == name, table.c.account.in_(operators))
        .group_by(table.c.account)
    )
    return {account: combined(parts) for account, *parts in connection.execute(wanted)}
