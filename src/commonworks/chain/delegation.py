"""Lending votes: who votes with an account's votes, said by itself or signed and handed in.

What votes is the token or the membership; both are OpenZeppelin's Votes, where everybody votes for
itself until it names somebody else. The signed form, `Delegation`, is an ECDSA signature of a key:
the contract takes whoever it recovers from it for the lender, so whoever hands it in on somebody's
account has to recover it first (`lender_of`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from commonworks.chain.abi import contract
from commonworks.chain.endpoints import hex_of
from commonworks.chain.members import Members
from commonworks.chain.messages import PermitDomain
from commonworks.chain.plan import Deployment
from commonworks.chain.signer import Signer, Types, domain_of, recovered, struct
from commonworks.chain.transactions import Call

VOTES: Final = "CommonsToken"
"""Whose interface is asked: the membership answers these functions, too."""

DELEGATION: Final[Types] = {"Delegation": struct("address delegatee,uint256 nonce,uint256 expiry")}
"""OpenZeppelin's Votes (ERC-5805)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDelegation:
    """Votes lent by signature; anybody may hand it in."""

    account: bytes
    """Who lends, 20 bytes."""
    delegatee: bytes
    """Who votes with them; the account itself takes them back."""
    nonce: int
    deadline: int
    """Last second in which it may be handed in, Unix seconds."""
    signature: bytes
    """65 bytes r || s || v."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lending:
    """How an account's votes stand now, in the smallest unit of what votes."""

    delegate: bytes
    """Who votes with its votes: itself, until it lends them; zero: they are outside the vote."""
    own: int
    """Votes that are its own, lent or not, bonds included."""
    casts: int
    """Votes that it casts: its own unless it lent them, and those that others lent it."""


def sign_delegation(
    signer: Signer,
    deployment: Deployment,
    delegatee: bytes,
    *,
    domain: PermitDomain,
    nonce: int,
    deadline: int,
) -> SignedDelegation:
    """Return a delegation that anybody may hand in; `signer` holds a key, no contract.

    Inputs: `domain` and `nonce` are those of what votes (`Members.permit_domain`, `permit_nonce`).
    """
    message = _message(delegatee, nonce, deadline)
    separator = domain_of(domain.name, deployment.chain_id, deployment.votes, domain.version)
    signature = signer.sign_typed(separator, DELEGATION, "Delegation", message)
    return SignedDelegation(
        account=signer.address,
        delegatee=delegatee,
        nonce=nonce,
        deadline=deadline,
        signature=signature,
    )


def lender_of(
    deployment: Deployment,
    domain: PermitDomain,
    *,
    delegatee: bytes,
    nonce: int,
    deadline: int,
    signature: bytes,
) -> bytes | None:
    """Return whose votes a signature lends, as the contract recovers it; None for no signature."""
    separator = domain_of(domain.name, deployment.chain_id, deployment.votes, domain.version)
    message = _message(delegatee, nonce, deadline)
    return recovered(separator, DELEGATION, message, signature)


def delegate_call(deployment: Deployment, delegatee: bytes) -> Call:
    """Return the call with which an account lends its own votes."""
    return Call(to=deployment.votes, data=contract(VOTES)["delegate"].call(delegatee))


def delegate_for_call(
    deployment: Deployment, delegatee: bytes, nonce: int, deadline: int, signature: bytes
) -> Call:
    """Return the call that hands a signed delegation in."""
    r, s, v = signature[:32], signature[32:64], signature[64]
    data = contract(VOTES)["delegateBySig"].call(delegatee, nonce, deadline, v, r, s)
    return Call(to=deployment.votes, data=data)


async def lending_of(members: Members, account: bytes) -> Lending:
    """Return how an account's votes stand now."""
    at = members.deployment

    async def ask(function: str) -> Any:
        item = contract(VOTES)[function]
        return item.results(await members.endpoints.call(at.votes, item.call(account)))[0]

    asked = ["delegates", "balanceOf", "getVotes"]
    if at.government.membership is None:
        asked.append("bondedOf")
    delegate, balance, casts, *bonded = await asyncio.gather(*(ask(name) for name in asked))
    own = sum(int(value) for value in (balance, *bonded))
    return Lending(delegate=bytes(delegate), own=own, casts=int(casts))


def _message(delegatee: bytes, nonce: int, deadline: int) -> dict[str, object]:
    return {"delegatee": hex_of(delegatee), "nonce": nonce, "expiry": deadline}
