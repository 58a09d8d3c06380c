"""A month of an account's money in the Vault, as a statement that adds up.

Rule: money is booked when the chain recorded it: a deposit or a claim in its block, what an epoch
paid in the block that made it final. Invariant, for deposit and earnings apart: opening + in - out
= closing, and a month opens as the one before closed. What an epoch added is the difference of two
payout leaves, whatever the lines beneath it can explain; the rest is one line of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from commonworks.errors import InvalidInput
from commonworks.explorer.index.schema import epoch, movement, payee, payment, payout, reward
from commonworks.explorer.models.accounts import (
    AssetName,
    AssetStatement,
    EntryKind,
    MonthStatement,
    StatementEntry,
)
from commonworks.explorer.queries.account_history import differences, reward_title
from commonworks.explorer.queries.accounts import ExitPart, assets, exits, leaf_at
from commonworks.explorer.queries.device_lists import purpose_text
from commonworks.explorer.queries.privacy import is_public, may_see
from commonworks.explorer.queries.sums import chunked_sum, combined
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import amount_text, hash_text, party

_MONTH: Final = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A calendar month, UTC."""

    name: str
    """YYYY-MM."""
    begins: int
    ends: int
    """First second of the next one."""

    def has(self, time_s: int) -> bool:
        """Tell whether a moment lies in it."""
        return self.begins <= time_s < self.ends

    @property
    def before(self) -> str:
        """Name of the month before."""
        return _name_at(self.begins - 1)

    @property
    def after(self) -> str:
        """Name of the next month."""
        return _name_at(self.ends)


def month_of(text: str) -> Month:
    """Return a month from YYYY-MM; raise InvalidInput."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise InvalidInput(
            gettext("%(text)s is no month", text=repr(text[:20])),
            hint=gettext("write for example 2026-11"),
        )
    year, number = int(found[1]), int(found[2])
    begins = datetime(year, number, 1, tzinfo=UTC)
    ends = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return Month(name=text, begins=int(begins.timestamp()), ends=int(ends.timestamp()))


def month_at(time_s: int) -> Month:
    """Return the month that a moment lies in."""
    return month_of(_name_at(time_s))


def _name_at(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    kind: EntryKind
    text: str
    time: int
    epoch: int | None
    tx: bytes
    deposit: int = 0
    """What it adds to the deposit; negative: takes."""
    earnings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """One account's month, for one reader."""

    connection: Connection
    site: Site
    account: bytes
    month: Month
    viewer: bytes | None


def month_statement(
    connection: Connection, site: Site, account: bytes, month: Month, viewer: bytes | None
) -> MonthStatement:
    """Return the statement of an account for a month, as far as the index has read.

    `viewer` is who asks: purposes of payments for a resource whose evidence is for members are
    shown to the account alone; everybody else sees their sum.
    """
    reader = _Reader(connection=connection, site=site, account=account, month=month, viewer=viewer)
    finals = _finals(reader)
    waiting = any(row.statements is None for row in finals)
    lines = _lines(reader, [row for row in finals if row.statements is not None])
    private = viewer != account and not all(is_public(site, name) for name in site.resources)
    return MonthStatement(
        account=party(site, account),
        month=month.name,
        begins_at=month.begins,
        ends_at=month.ends,
        complete=month.ends <= site.clock.now() and not waiting,
        assets=[
            _asset_statement(reader, name, asset, lines[asset])
            for name, asset in assets(site).items()
        ],
        private=private,
    )


def _finals(reader: _Reader) -> Sequence[Any]:
    """Return the epochs that became final in the month, in order."""
    query = select(
        epoch.c.epoch, epoch.c.finalised_at, epoch.c.finalised_tx, epoch.c.statements
    ).where(epoch.c.finalised_at >= reader.month.begins, epoch.c.finalised_at < reader.month.ends)
    return reader.connection.execute(query.order_by(epoch.c.epoch)).all()


def _asset_statement(
    reader: _Reader, name: AssetName, asset: bytes, lines: Sequence[_Line]
) -> AssetStatement:
    deposit, earnings = _opening(reader, asset)
    ordered = sorted(lines, key=lambda line: (line.time, line.epoch or -1, line.kind, line.text))
    inward = (sum(max(0, x.deposit) for x in lines), sum(max(0, x.earnings) for x in lines))
    outward = (sum(max(0, -x.deposit) for x in lines), sum(max(0, -x.earnings) for x in lines))
    symbol, decimals = reader.site.asset(asset)
    return AssetStatement(
        asset=name,
        symbol=symbol,
        decimals=decimals,
        opening_deposit=amount_text(deposit),
        opening_earnings=amount_text(earnings),
        entries=[_entry(line) for line in ordered],
        deposit_in=amount_text(inward[0]),
        deposit_out=amount_text(outward[0]),
        earnings_in=amount_text(inward[1]),
        earnings_out=amount_text(outward[1]),
        closing_deposit=amount_text(deposit + inward[0] - outward[0]),
        closing_earnings=amount_text(earnings + inward[1] - outward[1]),
    )


def _entry(line: _Line) -> StatementEntry:
    return StatementEntry(
        time=line.time,
        epoch=line.epoch,
        kind=line.kind,
        text=line.text,
        deposit_in=amount_text(max(0, line.deposit)),
        deposit_out=amount_text(max(0, -line.deposit)),
        earnings_in=amount_text(max(0, line.earnings)),
        earnings_out=amount_text(max(0, -line.earnings)),
        tx=hash_text(line.tx),
    )


def _opening(reader: _Reader, asset: bytes) -> tuple[int, int]:
    """Return (deposit, earnings) that were there when the month began."""
    query = select(func.max(epoch.c.epoch)).where(
        epoch.c.finalised_at < reader.month.begins, epoch.c.statements.is_not(None)
    )
    last = reader.connection.execute(query).scalar()
    earned, spent = (
        (0, 0) if last is None else leaf_at(reader.connection, reader.account, asset, last)
    )
    left = [part for part in _exits(reader, asset) if part.time < reader.month.begins]
    deposit = _sum(reader, asset, "deposit") - spent - sum(part.deposit for part in left)
    claimed = _sum(reader, asset, "claim") + sum(part.earnings for part in left)
    return deposit, earned - claimed


def _exits(reader: _Reader, asset: bytes) -> Sequence[ExitPart]:
    return exits(reader.connection, reader.account, asset)


def _sum(reader: _Reader, asset: bytes, kind: str) -> int:
    query = select(*chunked_sum(movement.c.amount)).where(
        movement.c.account == reader.account,
        movement.c.asset == asset,
        movement.c.kind == kind,
        movement.c.time < reader.month.begins,
    )
    return combined(reader.connection.execute(query).one())


# --- lines ----------------------------------------------------------------------------------------


def _lines(reader: _Reader, finals: Sequence[Any]) -> Mapping[bytes, list[_Line]]:
    lines: defaultdict[bytes, list[_Line]] = defaultdict(list)
    for row in _moved(reader):
        line = _movement_line(row)
        if line is not None:
            lines[row.asset].append(line)
    for asset in assets(reader.site).values():
        lines[asset] += [_exit_line(p) for p in _exits(reader, asset) if reader.month.has(p.time)]
    if not finals:
        return lines
    by_epoch = {row.epoch: row for row in finals}
    span = (min(by_epoch), max(by_epoch))
    changed = select(payout.c.epoch).where(
        payout.c.account == reader.account, payout.c.epoch.between(*span)
    )
    epochs = [n for n in reader.connection.execute(changed.distinct()).scalars() if n in by_epoch]
    added = differences(reader.connection, reader.site, reader.account, epochs)
    paid, got = _payments(reader, span)
    rewards = _rewards(reader, span)
    token = reader.site.network.token
    for (asset, number), (earned, spent) in added.items():
        final = by_epoch[number]
        known: Mapping[str, int] = rewards[number] if asset == token else got[number]
        kind = EntryKind.REWARD if asset == token else EntryKind.EARNING
        for text, amount in explained(earned, known, _rest_earned(reader, asset)):
            lines[asset].append(_epoch_line(final, kind, text, earnings=amount))
        known = {} if asset == token else paid[number]
        for text, amount in explained(spent, known, _rest_spent(reader)):
            lines[asset].append(_epoch_line(final, EntryKind.SPENDING, text, deposit=-amount))
    return lines


def explained(total: int, parts: Mapping[str, int], rest: str) -> Iterator[tuple[str, int]]:
    """Split a total into its known parts and a rest; where parts exceed it, all of it is rest.

    Guarantees: the amounts are positive and add up to the total.
    """
    known = sum(parts.values())
    if known > total:
        parts, known = {}, 0
    yield from ((text, amount) for text, amount in sorted(parts.items()) if amount > 0)
    if total > known:
        yield rest, total - known


def _rest_earned(reader: _Reader, asset: bytes) -> str:
    if asset == reader.site.network.token:
        return gettext("Rewards")
    if reader.viewer == reader.account:
        return gettext("Shares of what devices earned")
    return gettext("Payments received")


def _rest_spent(reader: _Reader) -> str:
    if reader.viewer == reader.account:
        return gettext("Payments")
    return gettext("Payments for services")


def _epoch_line(
    final: Any, kind: EntryKind, text: str, *, deposit: int = 0, earnings: int = 0
) -> _Line:
    return _Line(
        kind=kind,
        text=text,
        time=final.finalised_at,
        epoch=final.epoch,
        tx=final.finalised_tx,
        deposit=deposit,
        earnings=earnings,
    )


def _exit_line(part: ExitPart) -> _Line:
    return _Line(
        kind=EntryKind.EXIT,
        text=gettext("Taken out by the exit"),
        time=part.time,
        epoch=None,
        tx=part.tx,
        deposit=-part.deposit,
        earnings=-part.earnings,
    )


def _moved(reader: _Reader) -> Sequence[Any]:
    query = select(movement).where(
        movement.c.account == reader.account,
        movement.c.time >= reader.month.begins,
        movement.c.time < reader.month.ends,
    )
    return reader.connection.execute(query).all()


def _movement_line(row: Any) -> _Line | None:
    """Return a movement as a line; one that moved nothing has none."""
    match row.kind:
        case "deposit":
            kind, text, deposit, earnings = EntryKind.DEPOSIT, gettext("Deposit"), row.amount, 0
        case "claim":
            kind, text, deposit, earnings = EntryKind.CLAIM, gettext("Claim"), 0, -row.amount
        case "withdrawn" if row.amount:
            text = gettext("Deposit given back, to be claimed")
            kind, deposit, earnings = EntryKind.WITHDRAWAL, -row.amount, row.amount
        case _:
            return None
    return _Line(
        kind=kind,
        text=text,
        time=row.time,
        epoch=row.epoch,
        tx=row.tx,
        deposit=deposit,
        earnings=earnings,
    )


_Parts = defaultdict[int, defaultdict[str, int]]


def _parts() -> _Parts:
    return defaultdict(lambda: defaultdict(int))


def _payments(reader: _Reader, span: tuple[int, int]) -> tuple[_Parts, _Parts]:
    """Return (paid, got) by epoch and purpose, as far as the reader may see them.

    What a device with payees earned is split among them all: its payments explain nothing here.
    """
    paid, got = _parts(), _parts()
    account = reader.account
    columns = (payment.c.epoch, payment.c.resource, payment.c.purpose, payment.c.amount)
    within = payment.c.epoch.between(*span)
    shared = select(payee.c.device).where(payee.c.device == payment.c.device).exists()
    for parts, term in ((paid, payment.c.payer == account), (got, payment.c.payee == account)):
        query = select(*columns).where(term, within)
        for row in reader.connection.execute(query.where(~shared) if parts is got else query):
            if may_see(reader.site, row.resource, reader.viewer, account):
                text = purpose_text(reader.site, row.resource, row.purpose, received=parts is got)
                parts[row.epoch][text] += row.amount
    return paid, got


def _rewards(reader: _Reader, span: tuple[int, int]) -> _Parts:
    found = _parts()
    query = select(reward.c.epoch, reward.c.resource, reward.c.amount_wei).where(
        reward.c.account == reader.account, reward.c.epoch.between(*span)
    )
    for row in reader.connection.execute(query):
        text = gettext("Reward: %(what)s", what=reward_title(reader.site, row.resource))
        found[row.epoch][text] += row.amount_wei
    return found
