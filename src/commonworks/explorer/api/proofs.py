"""Proofs as documents: of statements and of payouts, to be verified by whoever gets them."""

from __future__ import annotations

from fastapi import APIRouter

from commonworks.explorer.models.proofs import PayoutProof, StatementProof
from commonworks.explorer.queries.proofs import payout_proof, statement_proof
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.model import (
    AddressText,
    HashText,
    Number,
    address_bytes,
    hash_bytes,
)

router = APIRouter(tags=["proofs"])


@router.get("/proofs/receipt/{identity}", summary="Prove that a statement is in an anchored log")
async def receipt(site: SiteDep, connection: ConnDep, identity: HashText) -> StatementProof:
    """Everything that is needed to check a statement: its bytes, path, anchor, epoch and keys."""
    return await statement_proof(site, connection, hash_bytes(identity))


@router.get(
    "/proofs/payout/{epoch}/{asset}/{account}",
    summary="Prove a payout in the tree that the chain finalised",
)
async def payout(
    site: SiteDep,
    connection: ConnDep,
    epoch: Number,
    asset: AddressText,
    account: AddressText,
) -> PayoutProof:
    """An account's leaf, its siblings, the epoch's commitment, and what a claim would pay now."""
    return await payout_proof(site, connection, epoch, address_bytes(asset), address_bytes(account))
