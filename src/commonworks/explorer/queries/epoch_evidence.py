"""An epoch's evidence: ranges of logs, who confirmed and attested what, and the verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, literal_column, select

from commonworks.explorer.index.schema import (
    attestation,
    bond,
    confirmation,
    evidence_range,
    statement,
    verifier,
)
from commonworks.explorer.models.epochs import (
    RangeRow,
    SpanCount,
    TipRow,
    VerdictCount,
    VerifierPart,
)
from commonworks.explorer.models.statements import LogRef
from commonworks.explorer.queries.devices import reason_text
from commonworks.explorer.queries.reasons import spans_by_reason
from commonworks.explorer.queries.statements import log_refs
from commonworks.explorer.site import Site
from commonworks.explorer.web.model import amount_text, hash_text, party


def ranges_of(connection: Connection, number: int) -> list[RangeRow]:
    """Return what each log adds to an epoch's evidence."""
    rows = connection.execute(
        select(evidence_range)
        .where(evidence_range.c.epoch == number)
        .order_by(evidence_range.c.log_id)
    ).all()
    logs = log_refs(connection, {row.log_id for row in rows})
    return [
        RangeRow(
            log=logs[row.log_id],
            first=row.first,
            size=row.size,
            entries=row.size - row.first,
            root=hash_text(row.root),
        )
        for row in rows
    ]


def verifiers_of(
    connection: Connection,
    site: Site,
    number: int,
    digest: bytes | None,
    ranges: Sequence[RangeRow] | None,
) -> list[VerifierPart]:
    """Return what every verifier did for an epoch, those that did nothing included.

    Inputs: `digest`, the finalised one; `ranges`, None until the epoch is closed.
    """
    known = {row.operator: row for row in connection.execute(select(verifier))}
    stakes = {
        row.operator: row.stake
        for row in connection.execute(select(bond.c.operator, bond.c.stake))
        if row.operator in known
    }
    confirmed = _by_verifier(connection, confirmation, number)
    attested = _by_verifier(connection, attestation, number)
    tips = {one: json.loads(row.tips) for one, row in confirmed.items()}
    named = {_bytes(tip["log_id"]) for listed in tips.values() for tip in listed}
    logs = log_refs(connection, named)
    frozen = None if ranges is None else {one.log.log_id: one.size for one in ranges}
    parts = []
    for operator in sorted({*known, *confirmed, *attested}):
        confirming, attesting = confirmed.get(operator), attested.get(operator)
        signed = None if attesting is None else attesting.digest
        parts.append(
            VerifierPart(
                verifier=party(site, operator),
                name=known[operator].name if operator in known else None,
                stake=amount_text(stakes[operator]) if operator in stakes else None,
                confirmed_at=None if confirming is None else confirming.time,
                confirmed_tx=None if confirming is None else hash_text(confirming.tx),
                tips=[_tip(tip, logs, frozen) for tip in tips.get(operator, [])],
                attested_at=None if attesting is None else attesting.time,
                attested_tx=None if attesting is None else hash_text(attesting.tx),
                digest=None if signed is None else hash_text(signed),
                agrees=None if signed is None or digest is None else signed == digest,
            )
        )
    return parts


def _by_verifier(connection: Connection, table: Any, number: int) -> dict[bytes, Row[Any]]:
    query = select(table).where(table.c.epoch == number)
    return {row.verifier: row for row in connection.execute(query)}


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _tip(
    tip: Mapping[str, Any], logs: Mapping[bytes, LogRef], frozen: Mapping[str, int] | None
) -> TipRow:
    log_id = _bytes(tip["log_id"])
    size = int(tip["size"])
    agrees = None if frozen is None else size >= frozen.get(hash_text(log_id), 0)
    return TipRow(log=logs[log_id], size=size, root=hash_text(_bytes(tip["root"])), agrees=agrees)


def verdicts_of(
    connection: Connection, site: Site, number: int, row: Row[Any]
) -> list[VerdictCount]:
    """Return how many statements of a settled epoch were accepted, and rejected by reason.

    A statement that lies in several logs is judged once, and counted once.
    """
    counted = (
        select(
            statement.c.reason,
            func.count(statement.c.identity.distinct()).label("many"),
        )
        .where(statement.c.epoch == number, literal_column("outcome = 'rejected'"))
        .group_by(statement.c.reason)
        .order_by(literal_column("many").desc(), statement.c.reason)
    )
    rejected = [
        VerdictCount(reason=reason_text(site, one.reason), statements=one.many)
        for one in connection.execute(counted)
    ]
    return [VerdictCount(reason=None, statements=row.accepted), *rejected]


def spans_of(connection: Connection, site: Site, number: int) -> list[SpanCount]:
    """Return how many spans of an epoch were credited less than claimed, by reason."""
    found = spans_by_reason(connection, [number])
    return [
        SpanCount(reason=reason_text(site, code), spans=many)
        for code, many in sorted(found.items(), key=lambda one: (-one[1], one[0]))
    ]
