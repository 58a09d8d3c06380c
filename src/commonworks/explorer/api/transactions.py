"""Answers about transactions: what a wallet would sign, passing it on, what it did.

Preparing changes nothing and needs no account of ours; the wallet decides. Passing on takes only
what is signed already.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection

from commonworks.errors import NotFound, Unavailable
from commonworks.explorer.models.transactions import (
    Act,
    Advance,
    CallToSign,
    CastVote,
    Claim,
    Delegate,
    Deposit,
    Enrol,
    Limit,
    Payees,
    PreparedCalls,
    Quote,
    Relayed,
    Sell,
    SignedTransaction,
    TransactionState,
    TransactionView,
    Withdraw,
)
from commonworks.explorer.queries.transactions import state_of, transaction
from commonworks.explorer.sessions import require_same_origin
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import (
    HashText,
    address_text,
    amount_text,
    hash_bytes,
    hash_text,
)

router = APIRouter(tags=["transactions"])
actions = APIRouter(prefix="/actions", dependencies=[Depends(require_same_origin)])


@actions.post("/claim")
async def prepare_claim(site: SiteDep, act: Claim) -> PreparedCalls:
    """Pay an account what it earned and was not paid yet; anybody may push it."""
    return await _prepared(site, "claim", act)


@actions.post("/deposit")
async def prepare_deposit(site: SiteDep, act: Deposit) -> PreparedCalls:
    """Move money from the wallet into the Vault: an allowance, then the deposit."""
    return await _prepared(site, "deposit", act)


@actions.post("/withdraw")
async def prepare_withdrawal(site: SiteDep, act: Withdraw) -> PreparedCalls:
    """Ask for unspent deposit back; the next settlement makes it claimable."""
    return await _prepared(site, "withdraw", act)


@actions.post("/limit")
async def prepare_limit(site: SiteDep, act: Limit) -> PreparedCalls:
    """Limit what a device of the account may spend in an epoch."""
    return await _prepared(site, "limit", act)


@actions.post("/sell")
async def prepare_sale(site: SiteDep, act: Sell) -> PreparedCalls:
    """Sell tokens at the exchange: an allowance, then the swap with its least price."""
    return await _prepared(site, "sell", act)


@actions.post("/delegate")
async def prepare_delegation(site: SiteDep, act: Delegate) -> PreparedCalls:
    """Let an account, or oneself, vote with the account's votes."""
    return await _prepared(site, "delegate", act)


@actions.post("/vote")
async def prepare_vote(site: SiteDep, act: CastVote) -> PreparedCalls:
    """Vote for, against or abstain; a vote cannot be changed."""
    return await _prepared(site, "vote", act)


@actions.post("/queue")
async def prepare_queueing(site: SiteDep, act: Advance) -> PreparedCalls:
    """Put a proposal that succeeded into the timelock; anybody may."""
    return await _prepared(site, "queue", act)


@actions.post("/execute")
async def prepare_execution(site: SiteDep, act: Advance) -> PreparedCalls:
    """Carry out a proposal whose delay has passed; anybody may."""
    return await _prepared(site, "execute", act)


@actions.post("/cancel")
async def prepare_cancelling(site: SiteDep, act: Advance) -> PreparedCalls:
    """Take a proposal of the account back, before its vote begins."""
    return await _prepared(site, "cancel", act)


@actions.post("/enrol")
async def prepare_enrolment(site: SiteDep, act: Enrol) -> PreparedCalls:
    """Enrol a device with the account as its owner."""
    return await _prepared(site, "enrol", act)


@actions.post("/payees")
async def prepare_payees(site: SiteDep, act: Payees) -> PreparedCalls:
    """Name who earns with a device that earned for its owner alone."""
    return await _prepared(site, "payees", act)


router.include_router(actions)


@router.post("/transactions", dependencies=[Depends(require_same_origin)])
async def pass_on(site: SiteDep, signed: SignedTransaction) -> Relayed:
    """Pass a signed transaction on to the chain, if it is for this network and would succeed."""
    return Relayed(tx=hash_text(await site.desk.submit(bytes.fromhex(signed.raw[2:]))))


@router.get("/transactions/{tx}")
async def read_transaction(site: SiteDep, connection: ConnDep, tx: HashText) -> TransactionView:
    """What a transaction made the contracts record, and what became of it."""
    return await look_up(site, connection, hash_bytes(tx))


@router.get("/quote")
async def read_quote(
    site: SiteDep,
    amount_in: Annotated[
        str, Query(pattern=r"^[0-9]{1,38}$", description="Tokens, smallest units.")
    ],
) -> Quote:
    """What selling so many tokens at the exchange would give now, fee and impact taken off."""
    price = await site.ledger.sale(int(amount_in))
    if price is None:
        raise NotFound(gettext("There is no exchange, or nobody trades there."))
    return Quote(amount_in=amount_text(price.amount_in), amount_out=amount_text(price.amount_out))


async def look_up(site: Site, connection: Connection, tx: bytes) -> TransactionView:
    """Return a transaction as index and chain know it."""
    try:
        state = state_of(await site.desk.receipt(tx))
    except Unavailable:
        state = TransactionState.UNKNOWN
    return await asyncio.to_thread(transaction, connection, site, tx, state)


async def _prepared(site: Site, action: str, act: Act) -> PreparedCalls:
    calls = await site.desk.prepare(action, act.model_dump())
    return PreparedCalls(
        chain_id=site.contracts.chain_id,
        calls=[
            CallToSign(
                to=address_text(call.to),
                data=hash_text(call.data),
                value=amount_text(call.value_wei),
                does=call.does,
            )
            for call in calls
        ],
    )
