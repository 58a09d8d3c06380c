"""Epochs: the list with the one that runs, and one epoch in full."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from commonworks.errors import NotFound
from commonworks.explorer.index.schema import attestation, epoch
from commonworks.explorer.models.epochs import (
    AssetTotalRow,
    CheckIt,
    CommitmentField,
    EpochDetail,
    EpochRow,
)
from commonworks.explorer.queries import epoch_evidence, epoch_money, stops
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.queries.epoch_times import Course, Courses, state_of, timeline
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text, amount_text, hash_text
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of
from commonworks.explorer.web.templating import money_of

ELSEWHERE: Final = "FOLDER"
"""Stands in a printed command for a folder on somebody else's machine."""


def list_epochs(
    connection: Connection, site: Site, *, limit: int, cursor: str | None = None
) -> Page[EpochRow]:
    """Return epochs, the newest first: the one that runs now, those that close, those closed.

    Raises: InvalidInput for a cursor that is none.
    """
    where = decode_cursor(cursor, int)
    now = site.clock.now()
    newest = newest_epoch(connection, site)
    top = newest if where is None else min(newest, where[0] - 1)
    numbers = list(range(top, max(-1, top - limit - 1), -1))
    rows: dict[int, Row[Any]] = {}
    if numbers:
        between = epoch.c.epoch.between(numbers[-1], numbers[0])
        rows = {row.epoch: row for row in connection.execute(select(epoch).where(between))}
    courses = Courses(connection, site)
    return page_of(
        numbers,
        limit,
        lambda number: (number,),
        lambda number: _epoch_row(number, rows.get(number), courses.of(number), now),
    )


def newest_epoch(connection: Connection, site: Site) -> int:
    """Return the epoch that runs now, -1 before genesis; never one before what is closed."""
    closed = connection.execute(select(func.max(epoch.c.epoch))).scalar_one_or_none()
    running = site.network.epoch_at(site.clock.now())
    return max(-1, running, -1 if closed is None else closed)


def _epoch_row(number: int, row: Row[Any] | None, course: Course, now: int) -> EpochRow:
    return EpochRow(
        epoch=number,
        start=course.start,
        end=course.end,
        state=state_of(row, course, now),
        closes_at=course.deadline,
        statements=None if row is None else row.statements,
        rejected=None if row is None else row.rejected,
        paid=None if row is None else _amount(row.paid_micro),
        minted_wei=None if row is None else _amount(row.minted_wei),
    )


def _amount(value: int | None) -> str | None:
    return None if value is None else amount_text(value)


def _hash(value: bytes | None) -> str | None:
    return None if value is None else hash_text(value)


def epoch_record(connection: Connection, site: Site, number: int) -> Row[Any] | None:
    """Return a closed epoch's row, None for one that runs or closes; raise NotFound."""
    row = connection.execute(select(epoch).where(epoch.c.epoch == number)).one_or_none()
    if row is None and number > newest_epoch(connection, site):
        raise NotFound(gettext("epoch %(number)s has not begun", number=number))
    return row


def get_epoch(connection: Connection, site: Site, number: int) -> EpochDetail:
    """Return an epoch: its course, evidence, verdicts, totals and commitment. Raises NotFound."""
    row = epoch_record(connection, site, number)
    course = Courses(connection, site).of(number)
    now = site.clock.now()
    digest = None if row is None else row.digest
    judged = row if row is not None and row.statements is not None else None
    ranges = epoch_evidence.ranges_of(connection, number)
    first = select(func.min(attestation.c.time)).where(attestation.c.epoch == number)
    attested = connection.execute(first).scalar_one_or_none()
    payout = stops.epoch_payout(connection, site, number)
    return EpochDetail(
        epoch=number,
        start=course.start,
        end=course.end,
        state=state_of(row, course, now),
        settled=judged is not None,
        timeline=timeline(row, course, now, attested, payout),
        quorum_ppm=course.quorum_ppm,
        closed_tx=None if row is None else hash_text(row.closed_tx),
        finalised_tx=None if row is None else _hash(row.finalised_tx),
        evidence_hash=None if row is None else hash_text(row.evidence_hash),
        ranges=ranges,
        verifiers=epoch_evidence.verifiers_of(
            connection, site, number, digest, ranges if row is not None else None
        ),
        statements=None if row is None else row.statements,
        accepted=None if row is None else row.accepted,
        rejected=None if row is None else row.rejected,
        verdicts=[]
        if judged is None
        else epoch_evidence.verdicts_of(connection, site, number, judged),
        spans=epoch_evidence.spans_of(connection, site, number),
        resources=epoch_money.resources_of(connection, site, number),
        paid=None if row is None else _amount(row.paid_micro),
        purposes=epoch_money.purposes_of(connection, site, number),
        minted_wei=None if row is None else _amount(row.minted_wei),
        pools=epoch_money.pools_of(connection, number),
        residuals=[] if row is None else epoch_money.residuals_of(connection, site, row),
        withdrawn=[] if row is None else epoch_money.withdrawn_of(connection, row),
        payout_root=None if row is None else _hash(row.payout_root),
        payout=payout,
        leaves=None if judged is None else judged.leaves,
        totals=[] if row is None else _totals(site, row),
        digest=_hash(digest),
        commitment=[] if row is None else _commitment(site, row),
        check=None if digest is None else _check(site, number),
    )


def _totals(site: Site, row: Row[Any]) -> list[AssetTotalRow]:
    """Return the totals of all accounts, as committed."""
    if row.totals is None:
        return []
    found = []
    for one in json.loads(row.totals):
        address = bytes.fromhex(str(one["asset"]).removeprefix("0x"))
        found.append(
            AssetTotalRow(
                asset=address_text(address),
                symbol=site.asset(address)[0],
                earned=str(one["earned"]),
                spent=str(one["spent"]),
            )
        )
    return found


def _check(site: Site, number: int) -> CheckIt:
    return CheckIt(
        command=command_line(site, "audit", str(number)),
        elsewhere=f"commonworks audit {number} --home {ELSEWHERE}",
        quick=command_line(site, "audit", str(number), "--from-state"),
        verdicts=command_line(site, "verdicts", str(number)),
    )


def _commitment(site: Site, row: Row[Any]) -> list[CommitmentField]:
    """Return what the digest is over, each part with what it stands for."""
    if row.digest is None:
        return []
    meanings = {
        "previous_digest": gettext(
            "The digest of the epoch before: so one digest names the whole history."
        ),
        "evidence_hash": gettext(
            "The evidence that was frozen: which entries of which logs, under which roots."
        ),
        "facts_hash": gettext(
            "What the chain said up to the epoch's end: devices, owners, payees, deposits, limits."
        ),
        "policy_hash": gettext("The history of all voted parameters up to this epoch."),
        "rules_hash": gettext("The source code of the rules that settle, and their tables."),
        "result_hash": gettext("Every verdict, all work and every payment, in canonical order."),
        "state_hash": gettext("What the next epoch starts from."),
        "payout_root": gettext("The root of the payout tree that claims are proven against."),
    }
    fields = [
        CommitmentField(name=name, value=hash_text(getattr(row, name)), meaning=meaning)
        for name, meaning in meanings.items()
        if getattr(row, name) is not None
    ]
    if row.minted_total_wei is not None:
        fields.append(
            CommitmentField(
                name="minted_wei",
                value=amount_text(row.minted_total_wei),
                meaning=gettext(
                    "Everything minted by settlements up to this epoch, in the smallest unit: "
                    "%(amount)s.",
                    amount=money_of(site, row.minted_total_wei, site.network.token),
                ),
            )
        )
    return fields
