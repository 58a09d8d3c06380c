"""Votes: what a member says about a proposal, cast by itself or signed and handed in by anybody.

The signed forms are OpenZeppelin Governor's: `Ballot`, and `ExtendedBallot` for a vote with a
reason. A vote carries the member's next nonce in the Governor, so it works once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from commonworks.chain.abi import contract
from commonworks.chain.endpoints import hex_of
from commonworks.chain.plan import Deployment
from commonworks.chain.signer import Signer, Types, domain_of, sign_ballot, struct
from commonworks.chain.transactions import Call
from commonworks.errors import InvalidInput

GOVERNOR: Final = "CommonsGovernor"
DOMAIN: Final = "Commonworks Governor"
"""What the Governor calls itself in signed votes."""

EXTENDED: Final[Types] = {
    "ExtendedBallot": struct(
        "uint256 proposalId,uint8 support,address voter,uint256 nonce,string reason,bytes params"
    )
}
"""OpenZeppelin's Governor: a vote with a reason."""

REASON_MAX: Final = 20_000
"""Longest reason of a vote, bytes."""


class Support(IntEnum):
    """What a vote says."""

    AGAINST = 0
    FOR = 1
    ABSTAIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedVote:
    """A vote that anybody may hand in."""

    proposal: int
    support: Support
    reason: str
    voter: bytes
    signature: bytes
    """65 bytes r || s || v, or whatever a contract account accepts."""


def sign_vote(
    signer: Signer,
    deployment: Deployment,
    proposal: int,
    support: Support,
    *,
    nonce: int,
    reason: str = "",
) -> SignedVote:
    """Return a vote that anybody may hand in; `nonce` is the Governor's for this account.

    A vote without a reason is a `Ballot`, one with a reason an `ExtendedBallot` without parameters.
    """
    governor, chain = deployment.government.governor, deployment.chain_id
    if reason:
        message = {
            "proposalId": proposal,
            "support": int(support),
            "voter": hex_of(signer.address),
            "nonce": nonce,
            "reason": checked_reason(reason),
            "params": b"",
        }
        domain = domain_of(DOMAIN, chain, governor)
        signature = signer.sign_typed(domain, EXTENDED, "ExtendedBallot", message)
    else:
        signature = sign_ballot(signer, governor, chain, proposal, int(support), nonce=nonce)
    return SignedVote(
        proposal=proposal,
        support=support,
        reason=reason,
        voter=signer.address,
        signature=signature,
    )


def vote_call(deployment: Deployment, signed: SignedVote) -> Call:
    """Return the call that hands a signed vote in."""
    words: tuple[object, ...] = (signed.proposal, int(signed.support), signed.voter)
    if signed.reason:
        return governor_call(
            deployment,
            "castVoteWithReasonAndParamsBySig",
            *words,
            signed.reason,
            b"",
            signed.signature,
        )
    return governor_call(deployment, "castVoteBySig", *words, signed.signature)


def governor_call(deployment: Deployment, function: str, *values: object) -> Call:
    """Return a call to the Governor."""
    data = contract(GOVERNOR)[function].call(*values)
    return Call(to=deployment.government.governor, data=data)


def checked_reason(reason: str) -> str:
    """Return a reason that is short enough to be kept for ever; raise InvalidInput otherwise."""
    if len(reason.encode()) > REASON_MAX:
        raise InvalidInput(f"a reason has at most {REASON_MAX} bytes")
    return reason
