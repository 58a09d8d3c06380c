"""Devices: the list, and one device with what everybody may see of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import h3  # type: ignore[import-untyped]
from sqlalchemy import ColumnElement, Connection, Row, func, literal_column, or_, select

from commonworks.crypto.keys import Algorithm
from commonworks.errors import InvalidInput, NotFound
from commonworks.explorer import cells
from commonworks.explorer.index.schema import (
    chain_event,
    device,
    epoch,
    payee,
    payment,
    reward,
    span,
    statement,
    work,
)
from commonworks.explorer.models.devices import (
    DeviceDetail,
    DeviceReason,
    DeviceRow,
    EpochReports,
    Payee,
    Quality,
    RewardTotal,
)
from commonworks.explorer.models.statements import ReasonText
from commonworks.explorer.queries import device_status, parameters, stops
from commonworks.explorer.queries.privacy import is_public, may_see
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import (
    DeviceRef,
    amount_text,
    device_ref,
    hash_text,
    party,
)
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of
from commonworks.explorer.web.words import reason_words
from commonworks.units import PPM

HISTORY_EPOCHS: Final = 60
"""Epochs that a device's page looks back over."""

DeviceRecord = Row[Any]


def reason_text(site: Site, code: str) -> ReasonText:
    """Return a reason in the reader's language."""
    words = reason_words(site, code)
    return ReasonText(code=code, title=words.title, meaning=words.meaning, advice=words.advice)


def coarse(cell: str | None, finest: int) -> str | None:
    """Return a cell as it may be shown: no finer than policy allows now."""
    if cell is None or not h3.is_valid_cell(cell):
        return None
    return cells.coarse(cell, finest)


def refs_of(connection: Connection, site: Site, numbers: Sequence[int]) -> dict[int, DeviceRef]:
    """Return devices as they are shown, in one query; unknown ids are left out."""
    if not numbers:
        return {}
    columns = (device.c.device, device.c.thumbprint, device.c.resource)
    rows = connection.execute(select(*columns).where(device.c.device.in_(set(numbers))))
    return {row.device: device_ref(site, row.device, row.thumbprint, row.resource) for row in rows}


# --- the list -------------------------------------------------------------------------------------


def _within(cell: str, finest: int) -> ColumnElement[bool]:
    """Return the condition that a device lies in a cell, whatever finer cell it gave."""
    if not h3.is_valid_cell(cell):
        raise InvalidInput(
            gettext("%(cell)s is no H3 cell", cell=repr(cell[:40])),
            hint=gettext("write 15 hexadecimal digits"),
        )
    if cells.finer(cell, finest):
        raise InvalidInput(
            gettext("the cell is finer than the map shows"),
            hint=gettext(
                "ask for resolution %(finest)s or coarser: for %(cell)s",
                finest=finest,
                cell=cells.coarse(cell, finest),
            ),
        )
    # The descendants of one resolution are one range: they share the digits above and differ below.
    at, value = h3.get_resolution(cell), h3.str_to_int(cell)
    ranges = []
    for resolution in range(at, cells.FINEST + 1):
        low = high = value & ~(0xF << 52) | resolution << 52
        for digit in range(at + 1, resolution + 1):
            place = 3 * (cells.FINEST - digit)
            low &= ~(0b111 << place)
            high = high & ~(0b111 << place) | 0b110 << place
        ranges.append(device.c.cell.between(h3.int_to_str(low), h3.int_to_str(high)))
    return or_(*ranges)


def list_devices(
    connection: Connection,
    site: Site,
    *,
    limit: int,
    cursor: str | None = None,
    resource: str | None = None,
    owner: bytes | None = None,
    reference: bool | None = None,
    rejections: bool | None = None,
    cell: str | None = None,
) -> Page[DeviceRow]:
    """Return devices, the newest id first. Raises InvalidInput for a cursor or cell that is none.

    `rejections`: only those with, or only those without, rejected statements.
    """
    finest = parameters.map_resolution(connection, site)
    query = select(device).order_by(device.c.device.desc()).limit(limit + 1)
    if resource is not None:
        query = query.where(device.c.resource == resource)
    if owner is not None:
        query = query.where(device.c.owner == owner)
    if reference is not None:
        # Written as the partial index is, so that it is used.
        query = query.where(literal_column("reference") if reference else ~device.c.reference)
    if rejections is not None:
        query = query.where(literal_column("rejected > 0" if rejections else "rejected = 0"))
    if cell is not None:
        query = query.where(_within(cell, finest))
    where = decode_cursor(cursor, int)
    if where is not None:
        query = query.where(device.c.device < where[0])
    return page_of(
        connection.execute(query).all(),
        limit,
        lambda row: (row.device,),
        lambda row: DeviceRow(
            device=device_ref(site, row.device, row.thumbprint, row.resource),
            owner=party(site, row.owner),
            cell=coarse(row.cell, finest),
            reference=row.reference,
            statements=row.statements,
            rejected=row.rejected,
            rejected_ppm=row.rejected * PPM // row.statements if row.statements else None,
            last_judged_epoch=row.last_judged_epoch,
        ),
    )


# --- one device -----------------------------------------------------------------------------------


def device_record(connection: Connection, number: int) -> DeviceRecord:
    """Return a device's row; raise NotFound."""
    row = connection.execute(select(device).where(device.c.device == number)).one_or_none()
    if row is None:
        raise NotFound(gettext("there is no device %(number)s", number=number))
    return row


def owned_since(connection: Connection, site: Site, row: DeviceRecord) -> tuple[int, int]:
    """Return since when its owner has it: the time, and the first epoch that counted it so.

    What it measured before is its former owner's.
    """
    newest = (
        select(chain_event.c.time)
        .where(chain_event.c.device == row.device, chain_event.c.kind == "transferred")
        .order_by(chain_event.c.block.desc(), chain_event.c.log_index.desc())
        .limit(1)
    )
    transferred = connection.execute(newest).scalar_one_or_none()
    if transferred is None:
        return 0, 0
    return transferred, max(0, site.network.epoch_at(transferred))


def last_settled(connection: Connection) -> int | None:
    """Return the newest epoch whose settlement is in the index."""
    newest = (
        select(epoch.c.epoch)
        .where(epoch.c.statements.is_not(None))
        .order_by(epoch.c.epoch.desc())
        .limit(1)
    )
    return connection.execute(newest).scalar_one_or_none()


def get_device(
    connection: Connection, site: Site, viewer: bytes | None, number: int
) -> DeviceDetail:
    """Return a device. Raises NotFound.

    Guarantees: quantities of a `members` resource are there only where the reader is the account
    that they counted for.
    """
    row = device_record(connection, number)
    resource = site.resources.get(row.resource)
    settled = last_settled(connection)
    first = 0 if settled is None else max(0, settled - HISTORY_EPOCHS + 1)
    history = _history(connection, site, row, first, settled)
    reasons = _reasons(connection, site, number, first)
    shares = _payees(connection, site, row)
    finest = parameters.map_resolution(connection, site)
    status = device_status.status_of(row, settled, history, reasons)
    payments = select(func.count()).where(payment.c.device == number)
    spends = any(row.owner) and stops.exit_since(connection) is None
    return DeviceDetail(
        device=device_ref(site, number, row.thumbprint, row.resource),
        resource_title=None if resource is None else gettext(resource.title),
        unit=None if resource is None else resource.unit,
        owner=party(site, row.owner),
        algorithm=_algorithm(row.algorithm),
        thumbprint=hash_text(row.thumbprint),
        public_key=hash_text(row.public_key),
        cell=coarse(row.cell, finest),
        map_resolution=finest,
        enroller=party(site, row.enroller),
        enrolled_at=row.enrolled_at,
        enrolled_tx=hash_text(row.enrolled_tx),
        reference=row.reference,
        payees=shares,
        status=status,
        advice=device_status.advice_of(connection, site, row, status, reasons),
        statements=row.statements,
        rejected=row.rejected,
        history=history,
        quality=_quality(connection, site, viewer, number, first),
        reasons=reasons,
        payments=connection.execute(payments).scalar_one(),
        rewards=_rewards(connection, site, row, [share.account.address for share in shares], first),
        spend_limit=amount_text(device_status.allowed(connection, row)),
        limit_command=device_status.limit_command(site, row) if spends else None,
        private=not is_public(site, row.resource),
        yours=viewer is not None and viewer == row.owner,
    )


def _algorithm(code: int) -> str:
    match code:
        case Algorithm.EDDSA:
            return "Ed25519 (EdDSA)"
        case Algorithm.ES256:
            return "P-256 (ES256)"
        case _:
            return str(code)


def _payees(connection: Connection, site: Site, row: DeviceRecord) -> list[Payee]:
    """Return who is paid for a device: its owner alone where no list is set."""
    rows = connection.execute(
        select(payee).where(payee.c.device == row.device).order_by(payee.c.account)
    ).all()
    if not rows:
        return [Payee(account=party(site, row.owner), ppm=PPM)]
    return [Payee(account=party(site, one.account), ppm=one.ppm) for one in rows]


def _history(
    connection: Connection, site: Site, row: DeviceRecord, first: int, last: int | None
) -> list[EpochReports]:
    """Return what the newest epochs made of a device's statements, silent epochs included."""
    if last is None:
        return []
    # A statement may lie in several logs: it is judged once.
    counted = (
        select(
            statement.c.epoch,
            statement.c.outcome,
            func.count(statement.c.identity.distinct()).label("many"),
        )
        .where(statement.c.device == row.device, statement.c.epoch >= first)
        .group_by(statement.c.epoch, statement.c.outcome)
    )
    found: dict[tuple[int, str], int] = {
        (one.epoch, one.outcome): one.many for one in connection.execute(counted)
    }
    begun = max(first, min(site.network.epoch_at(row.enrolled_at), last))
    begun = min([begun, *(number for number, _ in found)])
    history = []
    for number in range(max(begun, 0), last + 1):
        accepted = found.get((number, "accepted"), 0)
        rejected = found.get((number, "rejected"), 0)
        history.append(
            EpochReports(
                epoch=number,
                judged=accepted + rejected,
                accepted=accepted,
                rejected=rejected,
            )
        )
    return history


def _reasons(connection: Connection, site: Site, number: int, first: int) -> list[DeviceReason]:
    """Return the reasons that a device met in the newest epochs, the newest first."""
    whole = (
        select(
            statement.c.reason,
            func.count(statement.c.identity.distinct()).label("many"),
            func.max(statement.c.epoch).label("newest"),
        )
        .where(
            statement.c.device == number,
            statement.c.epoch >= first,
            statement.c.reason.is_not(None),
        )
        .group_by(statement.c.reason)
    )
    parts = (
        select(span.c.reason, func.count().label("many"), func.max(span.c.epoch).label("newest"))
        .where(span.c.device == number, span.c.epoch >= first)
        .group_by(span.c.reason)
    )
    statements = {row.reason: row for row in connection.execute(whole)}
    spans = {row.reason: row for row in connection.execute(parts)}
    found = []
    for code in {*statements, *spans}:
        seen = [rows[code] for rows in (statements, spans) if code in rows]
        found.append(
            DeviceReason(
                reason=reason_text(site, code),
                statements=statements[code].many if code in statements else 0,
                spans=spans[code].many if code in spans else 0,
                newest_epoch=max(row.newest for row in seen),
            )
        )
    return sorted(found, key=lambda one: (-one.newest_epoch, -one.statements, one.reason.code))


def _quality(
    connection: Connection, site: Site, viewer: bytes | None, number: int, first: int
) -> list[Quality]:
    """Return a device's work in the newest epochs, the oldest of them first."""
    rows = connection.execute(
        select(work)
        .where(work.c.device == number, work.c.epoch >= first)
        .order_by(work.c.epoch, work.c.resource)
    )
    return [
        Quality(
            epoch=row.epoch,
            resource=row.resource,
            account=party(site, row.account),
            quality_ppm=row.quality_ppm,
            density_ppm=row.density_ppm,
            quantity=row.quantity if may_see(site, row.resource, viewer, row.account) else None,
        )
        for row in rows
    ]


def _rewards(
    connection: Connection, site: Site, row: DeviceRecord, accounts: list[str], first: int
) -> list[RewardTotal]:
    """Return what a device's payees got from its resource's part of the emission lately."""
    owners = [bytes.fromhex(text[2:]) for text in accounts]
    rows = connection.execute(
        select(reward.c.account, reward.c.epoch, reward.c.amount_wei).where(
            reward.c.account.in_(owners),
            reward.c.epoch >= first,
            reward.c.resource == row.resource,
        )
    ).all()
    got = {account: [one for one in rows if one.account == account] for account in owners}
    return [
        RewardTotal(
            account=party(site, account),
            epochs=len({one.epoch for one in mine}),
            amount_wei=amount_text(sum(one.amount_wei for one in mine)),
        )
        for account, mine in got.items()
        if mine
    ]
