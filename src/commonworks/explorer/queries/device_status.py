"""How a device stands, and what its owner should do: only from what the index knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from commonworks.explorer.index.schema import movement, payout, spend_limit, statement
from commonworks.explorer.models.devices import (
    Advice,
    DeviceReason,
    EpochReports,
    Status,
    StatusCode,
)
from commonworks.explorer.queries.commands import command_line, plain_name
from commonworks.explorer.queries.verdict_words import inline
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, ngettext
from commonworks.explorer.web.templating import number
from commonworks.statements.model import Kind, Reason

ADVICE_REASONS_MAX: Final = 4
"""Reasons of the newest epoch that advice is given for."""


def status_of(
    row: Row[Any],
    settled: int | None,
    history: Sequence[EpochReports],
    reasons: Sequence[DeviceReason],
) -> Status:
    """Return how a device stands, in one sentence.

    Inputs: `settled`, the newest settled epoch; `history` and `reasons` of the newest epochs.
    """
    judged = rejected = 0
    for one in history:
        if one.epoch == row.last_judged_epoch:
            judged, rejected = one.judged, one.rejected
    code = _code(row, settled, judged, rejected)
    return Status(
        code=code,
        text=_sentence(code, row.last_judged_epoch, judged, rejected, reasons),
        epoch=row.last_judged_epoch,
        judged=judged,
        rejected=rejected,
    )


def _code(row: Row[Any], settled: int | None, judged: int, rejected: int) -> StatusCode:
    if not any(row.owner):
        return StatusCode.RETIRED
    if row.last_judged_epoch is None:
        return StatusCode.NEW
    if settled is not None and settled > row.last_judged_epoch:
        return StatusCode.SILENT
    if rejected == 0:
        return StatusCode.GOOD
    return StatusCode.REJECTED if rejected == judged else StatusCode.MIXED


def _sentence(
    code: StatusCode, epoch: int | None, judged: int, rejected: int, reasons: Sequence[DeviceReason]
) -> str:
    match code:
        case StatusCode.RETIRED:
            return gettext("It was retired: nobody owns it, and nothing of it counts.")
        case StatusCode.NEW:
            return gettext("Nothing of it was judged yet.")
        case StatusCode.SILENT:
            return gettext(
                "Nothing was judged since epoch %(epoch)s: it may be silent.", epoch=number(epoch)
            )
        case StatusCode.GOOD:
            return gettext(
                "Its last statements were accepted in epoch %(epoch)s.", epoch=number(epoch)
            )
        case _:
            of_it = [one for one in reasons if one.newest_epoch == epoch and one.statements]
            return ngettext(
                "%(rejected)s of %(judged)s statement of epoch %(epoch)s was rejected: "
                "%(reasons)s.",
                "%(rejected)s of %(judged)s statements of epoch %(epoch)s were rejected: "
                "%(reasons)s.",
                judged,
                rejected=number(rejected),
                judged=number(judged),
                epoch=number(epoch),
                reasons=gettext(", ").join(inline(one.reason.title) for one in of_it),
            )


def advice_of(
    connection: Connection,
    site: Site,
    row: Row[Any],
    status: Status,
    reasons: Sequence[DeviceReason],
) -> list[Advice]:
    """Return what the owner should do, most urgent first; nothing for a retired device."""
    if status.code is StatusCode.RETIRED:
        return []
    found = []
    name = plain_name(site.device_labels.get(row.thumbprint))
    waiting = _waiting(connection, row.device)
    if status.code is StatusCode.SILENT:
        found.append(_silent(site, waiting))
    if status.code is StatusCode.NEW:
        found.append(_new(site, row, name, waiting))
    found += _by_reason(row.device, status, reasons)
    met = {one.reason.code for one in reasons}
    if (
        status.code is not StatusCode.NEW
        and Reason.NOT_BOUND not in met
        and not _bound(connection, row.device)
    ):
        found.append(_unbound(site, row, name))
    if _penniless(connection, site, row):
        found.append(_deposit(site, row))
    return found


def _waiting(connection: Connection, device: int) -> bool:
    query = select(statement.c.position).where(
        statement.c.device == device, statement.c.epoch.is_(None)
    )
    return connection.execute(query.limit(1)).one_or_none() is not None


def _bound(connection: Connection, device: int) -> bool:
    """Tell whether a binding of the device was ever accepted."""
    query = select(statement.c.position).where(
        statement.c.device == device,
        statement.c.kind == str(Kind.BINDING),
        statement.c.outcome == "accepted",
    )
    return connection.execute(query.limit(1)).one_or_none() is not None


def _silent(site: Site, waiting: bool) -> Advice:
    if waiting:
        text = gettext(
            "Statements of it are logged and wait for their epoch. Nothing to do unless that "
            "lasts longer than two epochs."
        )
    else:
        text = gettext(
            "Look after its power and its connection, and start its agent again. What the agent "
            "kept meanwhile is delivered then, and counts while it is not too late."
        )
    return Advice(
        code="silent",
        title=gettext("Find out why it is silent"),
        text=text,
        command=command_line(site, "device", "list"),
        link=None,
    )


def _new(site: Site, row: Row[Any], name: str, waiting: bool) -> Advice:
    if waiting:
        return Advice(
            code="first_epoch",
            title=gettext("Wait for its first epoch"),
            text=gettext(
                "Its first statements are logged. They are judged when the epoch that they "
                "belong to is settled."
            ),
            command=None,
            link=f"/statements?device={row.device}&outcome=waiting",
        )
    return Advice(
        code="first_report",
        title=gettext("Send its first report"),
        text=gettext(
            "It is enrolled, and no gateway has logged anything of it. Start its agent with the "
            "key that it was enrolled with."
        ),
        command=_agent(site, row, name),
        link="/join",
    )


def _by_reason(device: int, status: Status, reasons: Sequence[DeviceReason]) -> list[Advice]:
    """Return the advice of the reasons that its newest judged epoch gave."""
    newest = [one for one in reasons if one.newest_epoch == status.epoch and one.reason.advice]
    return [
        Advice(
            code=one.reason.code,
            title=one.reason.title,
            text=gettext(
                "%(meaning)s What to do: %(advice)s",
                meaning=one.reason.meaning,
                advice=one.reason.advice,
            ),
            command=None,
            link=f"/statements?device={device}&reason={one.reason.code}"
            if one.statements
            else f"/devices/{device}#spans",
        )
        for one in newest[:ADVICE_REASONS_MAX]
    ]


def _agent(site: Site, row: Row[Any], name: str) -> str:
    return command_line(site, "agent", "run", "--device", f"{name}:{row.resource}:readings.jsonl")


def _unbound(site: Site, row: Row[Any], name: str) -> Advice:
    return Advice(
        code="unbound",
        title=gettext("Bind it to its owner"),
        text=gettext(
            "No binding of it was accepted: with its own key it must say whom it works for. Its "
            "agent does so when it starts."
        ),
        command=_agent(site, row, name),
        link=None,
    )


def allowed(connection: Connection, row: Row[Any]) -> int:
    """Return what a device's owner lets it spend in an epoch, smallest unit of the currency."""
    found = connection.scalar(
        select(spend_limit.c.limit).where(
            spend_limit.c.account == row.owner, spend_limit.c.device == row.device
        )
    )
    return int(found or 0)


def limit_command(site: Site, row: Row[Any]) -> str:
    """Return the command line that sets what a device may spend in an epoch."""
    name = plain_name(site.device_labels.get(row.thumbprint))
    return command_line(site, "limit", name, "AMOUNT", "--account", _owner(site, row))


def _owner(site: Site, row: Row[Any]) -> str:
    return plain_name(site.labels.get(row.owner, "0x" + row.owner.hex()))


def _penniless(connection: Connection, site: Site, row: Row[Any]) -> bool:
    """Tell whether the owner lets it spend, and nothing of the owner's deposit is left."""
    if not allowed(connection, row):
        return False
    currency = site.network.currency
    paid_in = connection.execute(
        select(movement.c.amount).where(
            movement.c.account == row.owner,
            movement.c.asset == currency,
            movement.c.kind == "deposit",
        )
    ).scalars()
    spent = connection.execute(
        select(payout.c.spent)
        .where(payout.c.asset == currency, payout.c.account == row.owner)
        .order_by(payout.c.epoch.desc())
        .limit(1)
    ).scalar_one_or_none()
    return bool(sum(paid_in) <= (spent or 0))


def _deposit(site: Site, row: Row[Any]) -> Advice:
    return Advice(
        code="deposit",
        title=gettext("Pay into the Vault"),
        text=gettext(
            "It may spend, and nothing of its owner's deposit is left: what it needs is not bought."
        ),
        command=command_line(site, "deposit", "50", "--account", _owner(site, row)),
        link=f"/accounts/0x{row.owner.hex()}",
    )
