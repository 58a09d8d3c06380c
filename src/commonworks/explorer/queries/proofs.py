"""What proofs are made of, read from the index."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    ScalarSelect,
    String,
    Subquery,
    and_,
    func,
    select,
    type_coerce,
)

from commonworks.errors import Corrupt, InvalidInput, NotFound, Unavailable
from commonworks.explorer.index.schema import (
    anchor,
    device,
    epoch,
    evidence_range,
    gateway,
    movement,
    payout,
    statement,
)
from commonworks.explorer.models.proofs import (
    AnchorRecord,
    AssetTotalRecord,
    CheckpointRecord,
    ClaimRecord,
    CommitmentRecord,
    DeviceKeyRecord,
    EvidenceRecord,
    FinalityRecord,
    Inclusion,
    NetworkParts,
    PayoutLeafRecord,
    PayoutProof,
    ProvenLog,
    RangeRecord,
    StatementProof,
)
from commonworks.explorer.proofs import LeafChanges, PayoutTree, PayoutTrees, read_entry
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text, amount_text, hash_text
from commonworks.model import Total
from commonworks.proofs.form import PAYOUT_FORMAT, STATEMENT_FORMAT
from commonworks.settlement.payout import leaf_hash as payout_leaf_hash
from commonworks.translog.tree import HASH_SIZE, leaf_hash, root_from_inclusion

LOGS_MAX: Final = 200
"""Most gateways whose keys a page carries."""
LEAVES_AT_ONCE: Final = 5_000
"""Leaves of the payout tree read at a time."""
CHANGED_PART: Final = 4
"""A tree is made of another one where at most a fourth of its leaves changed between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPlace:
    """Where a statement is, and what the index knows about it."""

    identity: bytes
    position: int
    log: ProvenLog
    log_id: bytes
    anchor: AnchorRecord | None
    """The anchor of the size that is proven."""
    size: int | None
    """Size of the tree to prove it in; None: not anchored yet, the newest."""
    evidence: EvidenceRecord | None
    device: DeviceKeyRecord | None


def network_parts(site: Site) -> NetworkParts:
    """Return what the network's id is made of."""
    at = site.contracts
    return NetworkParts(
        id=hash_text(site.network.network_id),
        chain_id=at.chain_id,
        settlement=address_text(at.settlement),
        token=address_text(at.token),
        devices=address_text(at.devices),
        nodes=address_text(at.nodes),
        vault=address_text(at.vault),
        policy=address_text(at.policy),
        genesis_time=site.network.genesis_time,
        epoch_length_s=site.network.epoch_length_s,
        manifest_hash=None if at.manifest_hash is None else hash_text(at.manifest_hash),
    )


def proven_logs(connection: Connection) -> list[ProvenLog]:
    """Return the keys of every gateway's log, oldest first."""
    rows = connection.execute(
        select(gateway).order_by(gateway.c.registered_at, gateway.c.log_id).limit(LOGS_MAX)
    ).mappings()
    return [_log(row) for row in rows]


def statement_place(connection: Connection, identity: bytes) -> StatementPlace:
    """Return where a statement stands: the copy that was judged first, else the first in a log.

    Raises: NotFound when no log has it.
    """
    found = connection.execute(
        select(statement)
        .where(statement.c.identity == identity)
        .order_by(
            statement.c.epoch.is_(None),
            statement.c.epoch,
            statement.c.log_id,
            statement.c.position,
        )
        .limit(1)
    ).mappings()
    row = found.first()
    if row is None:
        raise NotFound(
            gettext(
                "no log that this explorer reads has the statement 0x%(identity)s",
                identity=identity.hex(),
            )
        )
    log_id, position = row["log_id"], row["position"]
    log = connection.execute(select(gateway).where(gateway.c.log_id == log_id)).mappings().first()
    if log is None:
        raise Unavailable(gettext("the gateway of this statement's log is not registered yet"))
    evidence, closed_size = _evidence(connection, log_id, position)
    anchored = _anchor(connection, log_id, position, closed_size)
    return StatementPlace(
        identity=identity,
        position=position,
        log=_log(log),
        log_id=log_id,
        anchor=anchored,
        size=None if anchored is None else int(anchored.size),
        evidence=evidence if anchored is not None else None,
        device=_device_key(connection, row["kid"]),
    )


def _log(row: RowMapping) -> ProvenLog:
    return ProvenLog(
        id=hash_text(row["log_id"]),
        name=row["name"],
        origin=row["origin"],
        note_key=hash_text(row["note_key"]),
        receipt_key=hash_text(row["receipt_key"]),
    )


def _device_key(connection: Connection, kid: bytes | None) -> DeviceKeyRecord | None:
    """Return the enrolled key that a statement names; the first device with it."""
    if kid is None:
        return None
    row = connection.execute(
        select(device.c.device, device.c.algorithm, device.c.public_key)
        .where(device.c.thumbprint == kid)
        .order_by(device.c.device)
        .limit(1)
    ).first()
    if row is None:
        return None
    return DeviceKeyRecord(
        device=row.device, algorithm=row.algorithm, public_key=hash_text(row.public_key)
    )


def _anchor(
    connection: Connection, log_id: bytes, position: int, closed_size: int | None
) -> AnchorRecord | None:
    """Return the anchor of the closed range's size, else the first that covers the position."""
    rows = select(anchor).where(anchor.c.log_id == log_id)
    if closed_size is None:
        rows = rows.where(anchor.c.size > position).order_by(anchor.c.size).limit(1)
    else:
        rows = rows.where(anchor.c.size == closed_size)
    row = connection.execute(rows).mappings().first()
    if row is None:
        return None
    return AnchorRecord(
        size=amount_text(row["size"]),
        root=hash_text(row["root"]),
        tx=hash_text(row["tx"]),
        time=row["time"],
    )


def _evidence(
    connection: Connection, log_id: bytes, position: int
) -> tuple[EvidenceRecord | None, int | None]:
    """Return the closed epoch that has an entry as evidence, and its range's size in that log."""
    own = connection.execute(
        select(evidence_range.c.epoch, evidence_range.c.size).where(
            evidence_range.c.log_id == log_id,
            evidence_range.c.first <= position,
            evidence_range.c.size > position,
        )
    ).first()
    if own is None:
        return None, None
    row = _epoch_row(connection, own.epoch)
    ranges = connection.execute(
        select(evidence_range)
        .where(evidence_range.c.epoch == own.epoch)
        .order_by(evidence_range.c.log_id)
    ).mappings()
    record = EvidenceRecord(
        epoch=own.epoch,
        ranges=[
            RangeRecord(
                log_id=hash_text(one["log_id"]),
                first=amount_text(one["first"]),
                size=amount_text(one["size"]),
                root=hash_text(one["root"]),
            )
            for one in ranges
        ],
        evidence_hash=hash_text(row["evidence_hash"]),
        tx=hash_text(row["closed_tx"]),
        finality=_finality(row) if row["digest"] is not None else None,
    )
    return record, own.size


def _epoch_row(connection: Connection, number: int) -> RowMapping:
    row = connection.execute(select(epoch).where(epoch.c.epoch == number)).mappings().first()
    if row is None:
        raise NotFound(gettext("epoch %(number)s is not closed", number=number))
    return row


def _finality(row: RowMapping) -> FinalityRecord:
    """Return an epoch's commitment as it was finalised."""
    hashes = (
        "previous_digest", "evidence_hash", "facts_hash", "policy_hash", "rules_hash",
        "result_hash", "state_hash", "payout_root",
    )  # fmt: skip
    totals: list[dict[str, Any]] = json.loads(row["totals"])
    return FinalityRecord(
        commitment=CommitmentRecord(
            epoch=row["epoch"],
            **{name: hash_text(row[name]) for name in hashes},
            minted_wei=amount_text(row["minted_total_wei"]),
            totals=[
                AssetTotalRecord(
                    asset=address_text(bytes.fromhex(one["asset"].removeprefix("0x"))),
                    earned=amount_text(int(one["earned"])),
                    spent=amount_text(int(one["spent"])),
                )
                for one in totals
            ],
        ),
        digest=hash_text(row["digest"]),
        tx=hash_text(row["finalised_tx"]),
        time=row["finalised_at"],
    )


# --- payouts --------------------------------------------------------------------------------------


def finality_of(connection: Connection, number: int) -> FinalityRecord:
    """Return what the chain finalised for an epoch; raise NotFound before it did."""
    row = _epoch_row(connection, number)
    if row["digest"] is None:
        raise NotFound(gettext("epoch %(number)s is not finalised yet", number=number))
    if row["statements"] is None:
        raise Unavailable(
            gettext("the settlement of epoch %(number)s is not at hand yet", number=number),
            hint=gettext("try again later"),
        )
    return _finality(row)


def payout_leaf(connection: Connection, number: int, asset: bytes, account: bytes) -> Total | None:
    """Return an account's leaf in an epoch's payout tree, None where it has none."""
    row = connection.execute(
        select(payout)
        .where(payout.c.asset == asset, payout.c.account == account, payout.c.epoch <= number)
        .order_by(payout.c.epoch.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return Total(asset=row.asset, account=row.account, earned=row.earned, spent=row.spent)


def payout_tree(connection: Connection, trees: PayoutTrees, number: int, root: bytes) -> PayoutTree:
    """Return an epoch's payout tree, from memory or out of the index."""
    return trees.tree(number, root, lambda known: leaf_changes(connection, known, number))


def payout_siblings(
    connection: Connection, trees: PayoutTrees, number: int, root: bytes, leaf: Total
) -> tuple[bytes, ...]:
    """Return a leaf's siblings up to the root of an epoch's payout tree."""
    return trees.siblings(
        number,
        root,
        payout_leaf_hash(leaf),
        lambda known: leaf_changes(connection, known, number),
    )


def leaf_changes(connection: Connection, known: int, number: int) -> LeafChanges:
    """Return what differs between the leaves of epoch `known` (-1: none) and those of `number`.

    All leaves where so much changed between the two that a new start costs less.
    """
    low, high = sorted((known, number))
    between = and_(payout.c.epoch > low, payout.c.epoch <= high)
    if known < 0 or _is_much(connection, between, high):
        newest = (
            select(payout.c.asset, payout.c.account, func.max(payout.c.epoch).label("epoch"))
            .where(payout.c.epoch <= number)
            .group_by(payout.c.asset, payout.c.account)
            .subquery()
        )
        every = _leaves(connection, newest, newest.c.epoch)
        return LeafChanges(whole=True, before=(), after=every)
    changed = select(payout.c.asset, payout.c.account).where(between).distinct().subquery()
    return LeafChanges(
        whole=False,
        before=_leaves(connection, changed, _newest_of(changed, known)),
        after=_leaves(connection, changed, _newest_of(changed, number)),
    )


def _is_much(connection: Connection, between: ColumnElement[bool], high: int) -> bool:
    """Tell whether more leaves changed between two epochs than are worth looking up one by one."""
    many = connection.execute(select(func.count()).select_from(payout).where(between)).scalar_one()
    leaves = connection.execute(select(epoch.c.leaves).where(epoch.c.epoch == high)).scalar()
    return many * CHANGED_PART > (leaves or 0)


def _newest_of(keys: Subquery, number: int) -> ScalarSelect[int]:
    """Return the epoch that changed a leaf last, up to `number`."""
    older = payout.alias()
    return (
        select(func.max(older.c.epoch))
        .where(
            older.c.asset == keys.c.asset,
            older.c.account == keys.c.account,
            older.c.epoch <= number,
        )
        .scalar_subquery()
    )


def _leaves(connection: Connection, keys: Subquery, number: ColumnElement[int]) -> Iterator[Total]:
    """Yield the leaves of these keys (asset, account) that epoch `number` changed."""
    same = and_(
        payout.c.asset == keys.c.asset,
        payout.c.account == keys.c.account,
        payout.c.epoch == number,
    )
    # As digits: a column type that decodes each of half a million values costs a second.
    digits = [type_coerce(column, String) for column in (payout.c.earned, payout.c.spent)]
    rows = connection.execute(select(payout.c.asset, payout.c.account, *digits).join(keys, same))
    for part in rows.partitions(LEAVES_AT_ONCE):
        for asset, account, earned, spent in part:
            yield Total(asset=asset, account=account, earned=int(earned), spent=int(spent))


def claimed_by(connection: Connection, asset: bytes, account: bytes) -> int:
    """Return what an account claimed of an asset so far."""
    rows = connection.execute(
        select(movement.c.amount).where(
            movement.c.account == account,
            movement.c.asset == asset,
            movement.c.kind == "claim",
        )
    )
    return sum(row.amount for row in rows)


# --- whole proofs ---------------------------------------------------------------------------------


async def statement_proof(site: Site, connection: Connection, identity: bytes) -> StatementProof:
    """Return the proof that a statement is in a log, as far as chain and log have come.

    Raises: NotFound when no log has it; Unavailable when its log cannot be read from here.
    """
    place = await asyncio.to_thread(statement_place, connection, identity)
    log = site.archive.log(place.log_id)
    if log is None:
        raise Unavailable(
            gettext("the log of %(name)s cannot be read from here", name=place.log.name)
        )
    try:
        async with site.turns.reading(place.log_id):
            read = await read_entry(log, place.position, place.size)
    except (Corrupt, InvalidInput) as error:
        raise Unavailable(
            gettext(
                "the log of %(name)s does not give what it signed: %(message)s",
                name=place.log.name,
                message=error.message,
            )
        ) from error
    size = read.head_size if place.size is None else place.size
    reached = root_from_inclusion(leaf_hash(read.entry), place.position, size, read.path)
    return StatementProof(
        format=STATEMENT_FORMAT,
        network=network_parts(site),
        identity=hash_text(identity),
        statement=hash_text(read.entry),
        log=place.log,
        inclusion=Inclusion(
            position=amount_text(place.position),
            size=amount_text(size),
            path=[hash_text(item) for item in read.path],
            # Unanchored, there is no other root than the one that the path gives.
            root=hash_text(reached or bytes(HASH_SIZE))
            if place.anchor is None
            else place.anchor.root,
        ),
        anchor=place.anchor,
        checkpoint=CheckpointRecord(
            note=read.head_note, path=[hash_text(item) for item in read.head_path]
        ),
        device=place.device,
        evidence=place.evidence,
    )


async def payout_proof(
    site: Site,
    connection: Connection,
    number: int,
    asset: bytes,
    account: bytes,
) -> PayoutProof:
    """Return the proof of an account's leaf in an epoch's payout tree, and what a claim would pay.

    Raises: NotFound for an epoch that is not finalised or an account without a leaf in it.
    """
    finality = await asyncio.to_thread(finality_of, connection, number)
    leaf = await asyncio.to_thread(payout_leaf, connection, number, asset, account)
    if leaf is None:
        raise NotFound(
            gettext("the account has no leaf in the payout tree of epoch %(number)s", number=number)
        )
    root = bytes.fromhex(finality.commitment.payout_root[2:])
    siblings = await asyncio.to_thread(payout_siblings, connection, site.trees, number, root, leaf)
    return PayoutProof(
        format=PAYOUT_FORMAT,
        network=network_parts(site),
        leaf=PayoutLeafRecord(
            asset=address_text(asset),
            account=address_text(account),
            earned=amount_text(leaf.earned),
            spent=amount_text(leaf.spent),
        ),
        siblings=[hash_text(item) for item in siblings],
        finality=finality,
        claim=await _claim(site, connection, asset, account),
    )


async def _claim(
    site: Site, connection: Connection, asset: bytes, account: bytes
) -> ClaimRecord | None:
    """Return what `claim` would pay now, None while nothing is claimable or the chain is silent."""
    try:
        claimable = await site.ledger.claimable()
    except Unavailable:
        return None
    if claimable is None:
        return None
    leaf = await asyncio.to_thread(payout_leaf, connection, claimable.epoch, asset, account)
    claimed = await asyncio.to_thread(claimed_by, connection, asset, account)
    earned = 0 if leaf is None else leaf.earned
    return ClaimRecord(
        epoch=claimable.epoch,
        earned=amount_text(earned),
        claimed=amount_text(claimed),
        pays=amount_text(max(0, earned - claimed)),
    )
