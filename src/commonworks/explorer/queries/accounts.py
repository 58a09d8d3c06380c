"""Accounts: who takes part, what the Vault holds for them, what each epoch added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, and_, exists, func, or_, select, true

from commonworks.errors import InvalidInput
from commonworks.explorer.index.columns import AMOUNT_DIGITS
from commonworks.explorer.index.schema import (
    device,
    movement,
    payee,
    payout,
    vote,
)
from commonworks.explorer.models.accounts import (
    AccountDetail,
    AccountRow,
    ActKind,
    ActView,
    AssetName,
    Books,
    WalletBalances,
)
from commonworks.explorer.models.stops import Stop, StopKind
from commonworks.explorer.ports import Balances, Claimable
from commonworks.explorer.queries import stops
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.queries.sums import chunked_sum, combined
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text, amount_text, party
from commonworks.explorer.web.pagination import Page, decode_cursor, encode_cursor

ADDRESS_BYTES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainNow:
    """What the chain answered about an account; None where it did not answer."""

    balances: Balances | None
    claimable: Claimable | None
    answered: bool
    """Whether `claimable` is the chain's answer."""
    sale: int | None
    """Currency that selling all its tokens brings."""


def assets(site: Site) -> Mapping[AssetName, bytes]:
    """Return the assets of a network, the one that pays people first."""
    both = {AssetName.CURRENCY: site.network.currency, AssetName.TOKEN: site.network.token}
    return both


def default_asset(site: Site) -> AssetName:
    """Return what lists are sorted by unless asked: what everybody who works earns."""
    return AssetName.TOKEN if site.mints else AssetName.CURRENCY


# --- the list -------------------------------------------------------------------------------------


def accounts(
    connection: Connection, site: Site, by: AssetName, *, limit: int, cursor: str | None
) -> Page[AccountRow]:
    """Return everybody who owns devices, is paid or deposited; most earned in an asset first.

    Whoever has no leaf in that asset comes after all who have, in the order of addresses.
    """
    asset = assets(site)[by]
    after = _place(cursor)
    found: list[bytes] = []
    keys: list[tuple[int, str, bytes]] = []
    if after is None or after[0] == 1:
        for row in _with_leaf(connection, asset, limit + 1, after):
            found.append(row.account)
            keys.append((1, str(row.earned), row.account))
    missing = limit + 1 - len(found)
    if missing > 0:
        last = after[2] if after is not None and after[0] == 0 else b""
        others = [one for one in assets(site).values() if one != asset]
        for account in _without_leaf(connection, asset, others, missing, last):
            found.append(account)
            keys.append((0, "", account))
    more = len(found) > limit
    return Page[AccountRow](
        items=_rows(connection, site, found[:limit]),
        next=encode_cursor(*keys[limit - 1]) if more else None,
    )


def _place(cursor: str | None) -> tuple[int, str, bytes] | None:
    """Return where the list goes on: whether with a leaf, what it earned, which account."""
    after = decode_cursor(cursor, int, str, bytes)
    if after is None:
        return None
    kind, earned, account = after
    digits = str(earned) or "0"
    plain = len(digits) <= AMOUNT_DIGITS and digits.isascii() and digits.isdecimal()
    if kind not in (0, 1) or not plain or int(digits) >= 2**256 or len(account) != ADDRESS_BYTES:
        raise InvalidInput(
            gettext("the cursor is not one that this list gave"), hint=gettext("begin without one")
        )
    return kind, digits, account


def _with_leaf(
    connection: Connection, asset: bytes, count: int, after: tuple[Any, ...] | None
) -> Sequence[Any]:
    """Read newest leaves by what they earned: an account's older leaves are passed over."""
    newer = payout.alias("newer")
    superseded = exists().where(
        newer.c.asset == payout.c.asset,
        newer.c.account == payout.c.account,
        newer.c.epoch > payout.c.epoch,
    )
    terms = [payout.c.asset == asset, ~superseded]
    if after is not None:
        earned, account = int(after[1]), after[2]
        below = payout.c.earned < earned
        terms.append(or_(below, and_(payout.c.earned == earned, payout.c.account < account)))
        terms.append(payout.c.earned <= earned)
    query = select(payout.c.account, payout.c.earned).where(*terms)
    ordered = query.order_by(payout.c.earned.desc(), payout.c.account.desc()).limit(count)
    return connection.execute(ordered).all()


def _without_leaf(
    connection: Connection, asset: bytes, others: Sequence[bytes], count: int, after: bytes
) -> Sequence[bytes]:
    """Read by address who takes part without a leaf in an asset: each source by its own index."""
    leaves = payout.alias("leaves")
    sources: list[tuple[Column[bytes], ColumnElement[bool]]] = [
        (device.c.owner, true()),
        (movement.c.account, true()),
        (payee.c.account, true()),
    ]
    sources += [(leaves.c.account, leaves.c.asset == one) for one in others]
    found: set[bytes] = set()
    for column, term in sources:
        # distinct first: an account is looked up once, however many rows it has
        walk = select(column.label("account")).where(column > after, term).distinct().subquery()
        leaf = exists().where(payout.c.asset == asset, payout.c.account == walk.c.account)
        query = select(walk.c.account).where(~leaf).order_by(walk.c.account).limit(count)
        found.update(connection.execute(query).scalars())
    return sorted(found)[:count]


def _rows(connection: Connection, site: Site, found: Sequence[bytes]) -> list[AccountRow]:
    if not found:
        return []
    owned = select(device.c.owner, func.count()).where(device.c.owner.in_(found))
    counts = {row[0]: int(row[1]) for row in connection.execute(owned.group_by(device.c.owner))}
    earned: dict[tuple[bytes, bytes], int] = {}
    leaves = select(payout.c.asset, payout.c.account, func.max(payout.c.earned).label("earned"))
    leaves = leaves.where(payout.c.account.in_(found)).group_by(payout.c.asset, payout.c.account)
    for row in connection.execute(leaves):  # never falls: the newest is the largest
        earned[row.asset, row.account] = int(row.earned)
    token, currency = site.network.token, site.network.currency

    def shown(asset: bytes, account: bytes) -> str | None:
        value = earned.get((asset, account))
        return None if value is None else amount_text(value)

    return [
        AccountRow(
            account=party(site, account),
            earned_token=shown(token, account),
            earned_currency=shown(currency, account),
            devices=counts.get(account, 0),
        )
        for account in found
    ]


# --- one account ----------------------------------------------------------------------------------


def account_detail(
    connection: Connection, site: Site, account: bytes, now: ChainNow, viewer: bytes | None
) -> AccountDetail:
    """Return an account; one that nobody ever heard of has nothing anywhere."""
    books = [
        _books(connection, site, name, asset, account, now) for name, asset in assets(site).items()
    ]
    held_up = _stops(connection, site, books)
    exiting = any(one.kind is StopKind.EXIT for one in held_up)
    owned = _count(connection, device.c.owner == account)
    return AccountDetail(
        account=party(site, account),
        books=books,
        wallet=_wallet(site, now),
        claimable_epoch=None if now.claimable is None else now.claimable.epoch,
        devices=owned,
        payee_of=_count(connection, payee.c.account == account),
        votes_cast=_count(connection, vote.c.voter == account),
        acts=_acts(site, account, books, now, exiting=exiting, owned=owned),
        stops=held_up,
        yours=viewer == account,
    )


def _books(
    connection: Connection, site: Site, name: AssetName, asset: bytes, account: bytes, now: ChainNow
) -> Books:
    deposited, claimed, withdrawn = (
        moved(connection, account, asset, kind) for kind in ("deposit", "claim", "withdrawn")
    )
    left = exits(connection, account, asset)
    returned = sum(part.deposit for part in left)
    claimed += sum(part.earnings for part in left)
    earned, spent = leaf_at(connection, account, asset, None)
    claimable = pending = None
    if now.answered:
        until = -1 if now.claimable is None else now.claimable.epoch
        reached, _ = leaf_at(connection, account, asset, until)
        claimable = max(0, reached - claimed)
        pending = earned - max(reached, claimed)
    symbol, decimals = site.asset(asset)
    return Books(
        asset=name,
        address=address_text(asset),
        symbol=symbol,
        decimals=decimals,
        deposited=amount_text(deposited),
        spent=amount_text(spent - withdrawn),
        withdrawn=amount_text(withdrawn + returned),
        unspent=amount_text(deposited - spent - returned),
        earned=amount_text(earned - withdrawn),
        claimed=amount_text(claimed),
        claimable=None if claimable is None else amount_text(claimable),
        pending=None if pending is None else amount_text(max(0, pending)),
        pending_until=stops.waits_until(connection) if pending else None,
    )


def leaf_at(
    connection: Connection, account: bytes, asset: bytes, last: int | None
) -> tuple[int, int]:
    """Return (earned, spent) of an account after an epoch, or now where `last` is None."""
    terms = [payout.c.asset == asset, payout.c.account == account]
    if last is not None:
        terms.append(payout.c.epoch <= last)
    query = select(payout.c.earned, payout.c.spent).where(*terms)
    row = connection.execute(query.order_by(payout.c.epoch.desc()).limit(1)).first()
    return (0, 0) if row is None else (row.earned, row.spent)


def moved(connection: Connection, account: bytes, asset: bytes, kind: str) -> int:
    """Return the sum of an account's movements of a kind in an asset."""
    query = select(*chunked_sum(movement.c.amount)).where(
        movement.c.account == account, movement.c.asset == asset, movement.c.kind == kind
    )
    return combined(connection.execute(query).one())


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPart:
    """What the Vault's exit paid an account at once."""

    deposit: int
    """Of it, deposit that was not spent."""
    earnings: int
    """Of it, earnings that were not claimed."""
    time: int
    tx: bytes


def exits(connection: Connection, account: bytes, asset: bytes) -> list[ExitPart]:
    """Return what the exit paid an account in an asset, in order.

    The event tells one sum. Either way out takes the whole unspent deposit; the rest are earnings.
    """
    place = (movement.c.block, movement.c.log_index)
    query = select(movement).where(
        movement.c.account == account, movement.c.asset == asset, movement.c.kind == "exit"
    )
    rows = connection.execute(query.order_by(*place)).all()
    if not rows:
        return []
    _, spent = leaf_at(connection, account, asset, None)
    unspent = max(0, moved(connection, account, asset, "deposit") - spent)
    found = []
    for row in rows:
        deposit = min(int(row.amount), unspent)
        unspent -= deposit
        found.append(
            ExitPart(deposit=deposit, earnings=row.amount - deposit, time=row.time, tx=row.tx)
        )
    return found


def _stops(connection: Connection, site: Site, books: Sequence[Books]) -> list[Stop]:
    """Return what keeps an account's money from moving; what does not concern it is left out."""
    aside = set()
    if not any(one.pending is None or int(one.pending) for one in books):
        aside |= {StopKind.HALTED, StopKind.VOTING}
    if not any(int(one.earned) for one in books):
        aside |= {StopKind.NOT_FINAL}
    return [one for one in stops.stopping(connection, site) if one.kind not in aside]


def _count(connection: Connection, term: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).where(term)).scalar_one())


def _wallet(site: Site, now: ChainNow) -> WalletBalances | None:
    held = now.balances
    if held is None:
        return None
    return WalletBalances(
        token=amount_text(held.token),
        currency=amount_text(held.currency),
        coin_wei=amount_text(held.coin_wei),
        votes=amount_text(held.votes),
        delegate=None if held.delegate is None else party(site, held.delegate),
        contract=held.contract,
        sale=None if now.sale is None else amount_text(now.sale),
    )


def _acts(
    site: Site,
    account: bytes,
    books: Sequence[Books],
    now: ChainNow,
    *,
    exiting: bool,
    owned: int,
) -> list[ActView]:
    """Return what makes sense: nothing is offered that could only fail. `owned`: its devices.

    Once the exit is open it pays everything at once, the Vault takes nothing any more, and no
    device spends.
    """
    name = site.labels.get(account) or address_text(account)
    acts: list[ActView] = []

    def add(act: ActKind, asset: AssetName | None, most: int, *words: str) -> None:
        if most > 0:
            line = command_line(site, *words)
            acts.append(ActView(act=act, asset=asset, most=amount_text(most), command=line))

    for one in books:
        choice = ("--asset", one.asset.value)
        due = int(one.claimable or 0)
        if exiting:
            rest = due + int(one.unspent) if now.answered else 0
            add(ActKind.EXIT, one.asset, rest, "exit", "--account", name, *choice)
        else:
            add(ActKind.CLAIM, one.asset, due, "claim", "--account", name, *choice)
    if account in (site.contracts.timelock, site.contracts.vault, site.contracts.governor):
        return acts  # nobody signs for these: what they do is voted on
    held = now.balances
    money = books[0]
    if held is not None and held.currency and not exiting:
        words = ("deposit", "AMOUNT", "--account", name)
        add(ActKind.DEPOSIT, AssetName.CURRENCY, held.currency, *words)
    back = ("withdraw", "AMOUNT", "--account", name)
    if not exiting:
        add(ActKind.WITHDRAW, money.asset, int(money.unspent), *back)
    if owned and held is not None and not exiting:
        line = command_line(site, "limit", "DEVICE", "AMOUNT", "--account", name)
        acts.append(ActView(act=ActKind.LIMIT, asset=AssetName.CURRENCY, most=None, command=line))
    if held is not None and site.contracts.router is not None and now.sale is not None:
        add(ActKind.SELL, AssetName.TOKEN, held.token, "token", "sell", "AMOUNT", "--as", name)
    return acts + ([] if held is None else _votes(site, account, name, held))


def _votes(site: Site, account: bytes, name: str, held: Balances) -> list[ActView]:
    """Return what makes sense with an account's votes: lend them, take back what is lent."""
    lent = held.delegate not in (None, account)

    def act(kind: ActKind, receiver: str) -> ActView:
        line = command_line(site, "proposal", "delegate", receiver, "--as", name)
        return ActView(act=kind, asset=None, most=None, command=line)

    acts = [act(ActKind.RECALL, name)] if lent else []
    return [*acts, act(ActKind.DELEGATE, "ACCOUNT")] if lent or held.votes else acts
