"""What happened to an account: earnings by epoch, money moved, devices, votes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, and_, func, or_, select, tuple_

from commonworks.explorer.index.schema import (
    device,
    movement,
    payee,
    payout,
    proposal,
    reward,
    spend_limit,
    vote,
)
from commonworks.explorer.models.accounts import (
    AssetName,
    CastVote,
    EpochEarnings,
    Movement,
    OwnedDevice,
    RewardPart,
)
from commonworks.explorer.queries.accounts import leaf_at
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, mark
from commonworks.explorer.web.model import amount_text, device_ref, hash_text, party
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of
from commonworks.units import PPM

MOVEMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "deposit": mark("Deposit"),
        "withdrawal_requested": mark("Asked for deposit back"),
        "withdrawn": mark("Deposit given back, to be claimed"),
        "claim": mark("Claim"),
        "exit": mark("Taken out by the exit"),
    }
)
"""Kind of movement -> its heading."""

_SERVICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "verifiers": mark("Running a verifier"),
        "gateways": mark("Running a gateway"),
        "treasury": mark("The treasury's share"),
    }
)
"""What the emission pays besides resources -> in words."""


def reward_title(site: Site, name: str) -> str:
    """Return what a reward is for, in words."""
    known = site.resources.get(name)
    if known is not None:
        return gettext(known.title)
    return gettext(_SERVICES[name]) if name in _SERVICES else name


# --- earnings -------------------------------------------------------------------------------------


def earnings(
    connection: Connection, site: Site, account: bytes, *, limit: int, cursor: str | None
) -> Page[EpochEarnings]:
    """Return what epochs added to an account, newest first; epochs that added nothing are not in.

    Differences of neighbouring leaves, so that the sum over all epochs is what was earned.
    """
    before = decode_cursor(cursor, int)
    terms = [payout.c.account == account]
    if before is not None:
        terms.append(payout.c.epoch < before[0])
    query = select(payout.c.epoch).where(*terms).distinct().order_by(payout.c.epoch.desc())
    epochs = list(connection.execute(query.limit(limit + 1)).scalars())
    parts = differences(connection, site, account, epochs[:limit])
    rewards = _rewards(connection, site, account, epochs[:limit])
    token, currency = site.network.token, site.network.currency

    def built(number: int) -> EpochEarnings:
        money, minted = parts[currency, number], parts[token, number]
        return EpochEarnings(
            epoch=number,
            ends_at=site.network.epoch_start(number + 1),
            earned_currency=amount_text(money[0]),
            spent_currency=amount_text(money[1]),
            earned_token=amount_text(minted[0]),
            rewards=rewards.get(number, []),
        )

    return page_of(epochs, limit, lambda number: (number,), built)


def differences(
    connection: Connection, site: Site, account: bytes, epochs: Sequence[int]
) -> Mapping[tuple[bytes, int], tuple[int, int]]:
    """Return (earned, spent) that each epoch added, by (asset, epoch); withdrawals left aside.

    Inputs: `epochs` with no gap among those that changed a leaf of this account, in any order.
    """
    found: defaultdict[tuple[bytes, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    if not epochs:
        return found
    first, last = min(epochs), max(epochs)
    served: defaultdict[tuple[bytes, int], int] = defaultdict(int)
    back = select(movement.c.asset, movement.c.epoch, movement.c.amount).where(
        movement.c.account == account,
        movement.c.kind == "withdrawn",
        movement.c.epoch.between(first, last),
    )
    for row in connection.execute(back):
        served[row.asset, row.epoch] += row.amount
    for asset in (site.network.token, site.network.currency):
        earned, spent = leaf_at(connection, account, asset, first - 1)
        leaves = select(payout.c.epoch, payout.c.earned, payout.c.spent).where(
            payout.c.asset == asset,
            payout.c.account == account,
            payout.c.epoch.between(first, last),
        )
        for row in connection.execute(leaves.order_by(payout.c.epoch)):
            returned = served[asset, row.epoch]
            found[asset, row.epoch] = (row.earned - earned - returned, row.spent - spent - returned)
            earned, spent = row.earned, row.spent
    return found


def _rewards(
    connection: Connection, site: Site, account: bytes, epochs: Sequence[int]
) -> Mapping[int, list[RewardPart]]:
    if not epochs:
        return {}
    query = select(reward.c.epoch, reward.c.resource, reward.c.amount_wei).where(
        reward.c.account == account, reward.c.epoch.between(min(epochs), max(epochs))
    )
    sums: defaultdict[int, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in connection.execute(query):
        sums[row.epoch][row.resource] += row.amount_wei
    return {
        number: [
            RewardPart(
                resource=name, title=reward_title(site, name), amount_wei=amount_text(amount)
            )
            for name, amount in sorted(of.items())
        ]
        for number, of in sums.items()
    }


# --- money, devices, votes ------------------------------------------------------------------------


def movements(
    connection: Connection, site: Site, account: bytes, *, limit: int, cursor: str | None
) -> Page[Movement]:
    """Return money in and out of the Vault, newest first."""
    place = (movement.c.block, movement.c.log_index, movement.c.number)
    before = decode_cursor(cursor, int, int, int)
    terms = [movement.c.account == account]
    if before is not None:
        terms.append(tuple_(*place) < before)
    query = select(movement).where(*terms).order_by(*(column.desc() for column in place))
    rows = connection.execute(query.limit(limit + 1)).all()

    def built(row: Any) -> Movement:
        is_token = row.asset == site.network.token
        return Movement(
            time=row.time,
            kind=row.kind,
            title=gettext(MOVEMENTS[row.kind]) if row.kind in MOVEMENTS else row.kind,
            asset=AssetName.TOKEN if is_token else AssetName.CURRENCY,
            amount=amount_text(row.amount),
            epoch=row.epoch,
            tx=hash_text(row.tx),
        )

    return page_of(rows, limit, lambda row: (row.block, row.log_index, row.number), built)


def devices_of(
    connection: Connection, site: Site, account: bytes, *, limit: int, cursor: str | None
) -> Page[OwnedDevice]:
    """Return the devices that an account owns, or of which it is a payee, by id."""
    after = decode_cursor(cursor, int)
    mine = and_(payee.c.device == device.c.device, payee.c.account == account)
    owned = select(device.c.device).where(device.c.owner == account)
    named = select(payee.c.device).where(payee.c.account == account)
    anybody = payee.alias("anybody")
    listed = select(func.count()).where(anybody.c.device == device.c.device).scalar_subquery()
    query = select(
        device.c.device,
        device.c.thumbprint,
        device.c.resource,
        device.c.owner,
        device.c.statements,
        device.c.rejected,
        payee.c.ppm,
        listed.label("listed"),
        spend_limit.c.limit.label("allowed"),
    ).outerjoin_from(device, payee, mine)
    allows = and_(spend_limit.c.device == device.c.device, spend_limit.c.account == account)
    query = query.outerjoin(spend_limit, allows)
    query = query.where(device.c.device.in_(owned.union(named)))
    if after is not None:
        query = query.where(device.c.device > after[0])
    rows = connection.execute(query.order_by(device.c.device).limit(limit + 1)).all()

    def built(row: Any) -> OwnedDevice:
        alone = 0 if row.listed else PPM
        known = site.resources.get(row.resource)
        return OwnedDevice(
            device=device_ref(site, row.device, row.thumbprint, row.resource),
            resource_title=row.resource if known is None else gettext(known.title),
            owner=party(site, row.owner),
            ppm=alone if row.ppm is None else row.ppm,
            named=row.ppm is not None,
            spend_limit=amount_text(row.allowed or 0),
            statements=row.statements,
            rejected=row.rejected,
        )

    return page_of(rows, limit, lambda row: (row.device,), built)


def votes_cast(
    connection: Connection, account: bytes, *, limit: int, cursor: str | None
) -> Page[CastVote]:
    """Return the votes that an account cast, newest proposal first."""
    before = decode_cursor(cursor, int, int)
    order = proposal.c.number
    query = select(
        order, proposal.c.title, vote.c.support, vote.c.weight, vote.c.reason, vote.c.tx,
        vote.c.number.label("place"),
    ).join_from(vote, proposal, vote.c.proposal == proposal.c.proposal)  # fmt: skip
    query = query.where(vote.c.voter == account)
    if before is not None:
        earlier = and_(order == before[0], vote.c.number < before[1])
        query = query.where(or_(order < before[0], earlier))
    query = query.order_by(order.desc(), vote.c.number.desc()).limit(limit + 1)
    rows = connection.execute(query).all()

    def built(row: Any) -> CastVote:
        return CastVote(
            proposal=row.number,
            title=row.title,
            support=row.support,
            weight=amount_text(row.weight),
            reason=row.reason,
            tx=hash_text(row.tx),
        )

    return page_of(rows, limit, lambda row: (row.number, row.place), built)
