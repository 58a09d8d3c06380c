"""Proposals, votes and their execution: the Governor and its timelock as members use them.

The Governor is OpenZeppelin's with its standard interface and events, so other governance sites
and wallets read the same proposals. Everything here that looks is a fold over the Governor's own
events and questions to it; nothing is kept.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from commonworks.chain.abi import contract, encode
from commonworks.chain.accounts import address_text
from commonworks.chain.ballots import (
    GOVERNOR,
    SignedVote,
    Support,
    checked_reason,
    governor_call,
    vote_call,
)
from commonworks.chain.decisions import Decision, RawCall, decode_decision, encode_decision
from commonworks.chain.logs import read_logs
from commonworks.chain.members import Done, Members
from commonworks.chain.plan import Deployment
from commonworks.chain.transactions import Call, Receipt
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict, InvalidInput, NotFound, Unavailable
from commonworks.ports import ProposalState

DECISIONS_MAX: Final = 50
"""Most calls in one proposal: what a block can carry out, and people can read."""

TEXT_MAX: Final = 20_000
"""Longest description, bytes."""

PROPOSER_MARK: Final = "#proposer="
"""Ends a description: nobody but this account can make a proposal with these words."""


_STATES: Final = tuple(ProposalState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A vote that was cast."""

    voter: bytes
    support: Support | None
    """None for a kind of vote that this release does not know."""
    weight: int
    """Votes that it has, in the smallest unit of what votes."""
    reason: str
    tx: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposal as its events tell it."""

    proposal: int
    """Its id: a hash over calls and description."""
    number: int
    """Its place among all proposals, from 1."""
    proposer: bytes
    calls: tuple[RawCall, ...]
    """What the timelock would do, in order."""
    decisions: tuple[Decision, ...]
    """The same, in words where they are known."""
    description: str
    vote_start: int
    """Unix second whose votes count; votes are cast after it."""
    vote_end: int
    """Last Unix second of the vote."""
    tx: bytes
    """Transaction that made it."""
    votes: tuple[Vote, ...] = ()
    """In order."""
    queued_tx: bytes | None = None
    executed_tx: bytes | None = None
    canceled_tx: bytes | None = None

    @property
    def title(self) -> str:
        """First line of the description, for lists."""
        first = self.description.strip().split("\n")[0]
        return first.lstrip("#").strip() or "(without a title)"

    @property
    def text(self) -> str:
        """What follows the title, without the mark that names the proposer."""
        _, _, rest = self.description.strip().partition("\n")
        body, mark, _ = rest.rpartition(PROPOSER_MARK)
        return (body if mark else rest).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a proposal stands now."""

    state: ProposalState
    votes_for: int
    votes_against: int
    votes_abstain: int
    quorum: int | None
    """Votes for and abstaining that it needs; None before its vote has begun."""
    votes_all: int | None
    """All votes that there were when it began; None before."""
    executable_from: int | None
    """Unix second from which it can be executed; None before it is queued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed(Done):
    """A proposal was made."""

    proposal: int


@dataclass(slots=True, kw_only=True)
class ProposalBook:
    """Proposals as far as the Governor's events were read; `Governance.follow` goes on."""

    proposals: dict[int, Proposal] = field(default_factory=dict)
    """By id, in the order in which they were made."""
    next_block: int = 0
    """First block that was not read yet."""


def describe_proposal(title: str, text: str, proposer: bytes) -> str:
    """Return a proposal's description: Markdown that ends with who alone may propose it.

    Raises: InvalidInput when there is no title, or it is too long.
    """
    head = " ".join(title.split())
    if not head:
        raise InvalidInput("a proposal needs a title", hint="say in a line what it changes")
    parts = [f"# {head}", text.strip(), f"{PROPOSER_MARK}{address_text(proposer)}"]
    made = "\n\n".join(part for part in parts if part)
    if len(made.encode()) > TEXT_MAX:
        raise InvalidInput(
            f"a description has at most {TEXT_MAX} bytes", hint="link to a longer text"
        )
    return made


def proposal_id(calls: Sequence[RawCall], description: str) -> int:
    """Return the id that a proposal has, made or not.

    Source: OpenZeppelin Governor, hashProposal.
    """
    types = ["address[]", "uint256[]", "bytes[]", "bytes32"]
    return int.from_bytes(keccak256(encode(types, _words(calls, description))), "big")


class Governance:
    """One account's way to propose, vote and execute, and anybody's way to look."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._at = members.deployment

    # --- deciding -----------------------------------------------------------------------------

    async def propose(self, decisions: Sequence[Decision], description: str) -> Proposed:
        """Make a proposal of this account's.

        Raises: InvalidInput for none or too many decisions; Conflict when the account has too few
        votes to propose, or the same proposal was made before.
        """
        if not 1 <= len(decisions) <= DECISIONS_MAX:
            raise InvalidInput(f"a proposal decides 1..{DECISIONS_MAX} things")
        calls = tuple(encode_decision(self._at, decision) for decision in decisions)
        targets, values, data, _ = _words(calls, description)
        receipt = await self._send("propose", targets, values, data, description)
        made = proposal_id(calls, description)
        return Proposed(tx=receipt.tx, block=receipt.block, proposal=made)

    async def vote(self, proposal: int, support: Support, reason: str = "") -> Done:
        """Cast this account's vote; it cannot be changed."""
        words = (proposal, int(support), checked_reason(reason))
        return _done(await self._send("castVoteWithReason", *words))

    async def vote_for(self, signed: SignedVote) -> Done:
        """Hand in somebody's signed vote."""
        return _done(await self._sent(vote_call(self._at, signed)))

    async def queue(self, proposal: Proposal) -> Done:
        """Put a proposal that succeeded into the timelock; anybody may."""
        return _done(await self._send("queue", *_words(proposal.calls, proposal.description)))

    async def execute(self, proposal: Proposal) -> Done:
        """Carry out a proposal whose delay has passed; anybody may."""
        return _done(await self._send("execute", *_words(proposal.calls, proposal.description)))

    async def cancel(self, proposal: Proposal) -> Done:
        """Take a proposal of this account's back, before its vote begins."""
        return _done(await self._send("cancel", *_words(proposal.calls, proposal.description)))

    # --- looking ------------------------------------------------------------------------------

    async def proposals(self) -> tuple[Proposal, ...]:
        """Return every proposal, in the order in which they were made."""
        book = ProposalBook()
        await self.follow(book)
        return tuple(book.proposals.values())

    async def follow(self, book: ProposalBook, until: int | None = None) -> None:
        """Add to a book what the Governor said since, up to block `until` or the newest."""
        first = max(book.next_block, self._at.genesis_block)
        governor = self._at.government.governor

        async def read(endpoint: Any) -> tuple[int, Sequence[Any]]:
            last = await endpoint.block_number() if until is None else until
            if last < first:
                return first - 1, ()
            return last, await read_logs(endpoint, [governor], first, last)

        last, logs = await self._members.endpoints.run(read)
        events = contract(GOVERNOR).events
        for log in logs:
            item = events.get(log.topics[0]) if log.topics else None
            if item is not None:
                fields = item.log_fields(log.topics[1:], log.data)
                self._fold(book.proposals, item.name, fields, log.tx)
        book.next_block = last + 1

    async def proposal(self, wanted: str) -> Proposal:
        """Return a proposal by its number, its id, or the beginning of its id in hex (0x...).

        Raises: NotFound where there is none; InvalidInput for a word that is no such thing, or a
        beginning that several have.
        """
        return find_proposal(await self.proposals(), wanted)

    async def standing(self, proposal: Proposal) -> Standing:
        """Return how a proposal stands at the time of the newest block."""
        number, start = proposal.proposal, proposal.vote_start
        state, counted, eta = await asyncio.gather(
            self._ask("state", number),
            self._ask("proposalVotes", number),
            self._ask("proposalEta", number),
        )
        quorum = total = None
        if _STATES[state[0]] is not ProposalState.PENDING:
            quorum, total = await asyncio.gather(
                self._known_at(self._at.government.governor, GOVERNOR, "quorum", start),
                self._known_at(self._at.votes, "CommonsToken", "getPastTotalSupply", start),
            )
        against, agreed, abstained = (int(value) for value in counted)
        return Standing(
            state=_STATES[state[0]],
            votes_for=agreed,
            votes_against=against,
            votes_abstain=abstained,
            quorum=quorum,
            votes_all=total,
            executable_from=int(eta[0]) or None,
        )

    async def votes_of(self, account: bytes) -> int:
        """Return the votes that an account has now, in the smallest unit of what votes."""
        item = contract("CommonsToken")["getVotes"]
        answer = await self._members.endpoints.call(self._at.votes, item.call(account))
        return _number(item.results(answer)[0])

    async def votes_at(self, account: bytes, time_s: int) -> int:
        """Return the votes that an account had at a moment that has passed, Unix seconds."""
        item = contract("CommonsToken")["getPastVotes"]
        answer = await self._members.endpoints.call(self._at.votes, item.call(account, time_s))
        return _number(item.results(answer)[0])

    async def threshold(self) -> int:
        """Return the votes that proposing takes now."""
        return _number((await self._ask("proposalThreshold"))[0])

    async def vote_nonce(self, voter: bytes) -> int:
        """Return the nonce of an account's next signed vote."""
        return _number((await self._ask("nonces", voter))[0])

    # --- inside -------------------------------------------------------------------------------

    def _fold(
        self, found: dict[int, Proposal], name: str, fields: Mapping[str, Any], tx: bytes
    ) -> None:
        if name == "ProposalCreated":
            made = _created(self._at, fields, tx, len(found) + 1)
            found[made.proposal] = made
            return
        known = found.get(fields.get("proposalId", -1))
        if known is None:
            return
        if name in ("VoteCast", "VoteCastWithParams"):
            known = replace(known, votes=(*known.votes, _vote(fields, tx)))
        elif name == "ProposalQueued":
            known = replace(known, queued_tx=tx)
        elif name == "ProposalExecuted":
            known = replace(known, executed_tx=tx)
        elif name == "ProposalCanceled":
            known = replace(known, canceled_tx=tx)
        found[known.proposal] = known

    async def _known_at(self, at: bytes, name: str, function: str, time: int) -> int | None:
        """Ask for a number of the past; None while the chain's clock has not passed it."""
        item = contract(name)[function]
        try:
            return _number(item.results(await self._members.endpoints.call(at, item.call(time)))[0])
        except Conflict as error:
            if error.fields.get("refusal") == "ERC5805FutureLookup":
                return None
            raise

    async def _ask(self, function: str, *values: object) -> tuple[Any, ...]:
        item = contract(GOVERNOR)[function]
        at = self._at.government.governor
        return item.results(await self._members.endpoints.call(at, item.call(*values)))

    async def _send(self, function: str, *values: object) -> Receipt:
        return await self._sent(governor_call(self._at, function, *values))

    async def _sent(self, call: Call) -> Receipt:
        try:
            return await self._members.send(call)
        except Conflict as error:
            raise in_words(error) from None


def find_proposal(proposals: Sequence[Proposal], wanted: str) -> Proposal:
    """Return a proposal by its number, its id, or the beginning of its id in hex (0x...)."""
    text = wanted.removeprefix("#")
    if text.startswith("0x"):
        digits = text[2:].lower()
        found = [p for p in proposals if f"{p.proposal:064x}".startswith(digits)]
        if len(digits) < 4 or len(found) > 1:
            raise InvalidInput(f"{wanted} could be several proposals", hint="write more of its id")
    elif text.isdecimal() and text.isascii():
        found = [p for p in proposals if text in (str(p.number), str(p.proposal))]
    else:
        raise InvalidInput(
            f"{wanted!r} names no proposal", hint="give its number: commonworks proposal list"
        )
    if not found:
        raise NotFound(f"there is no proposal {wanted}", hint="see: commonworks proposal list")
    return found[0]


def _created(deployment: Deployment, fields: Mapping[str, Any], tx: bytes, number: int) -> Proposal:
    rows = zip(fields["targets"], fields["values"], fields["calldatas"], strict=True)
    calls = tuple(RawCall(to=to, value_wei=value, data=data) for to, value, data in rows)
    return Proposal(
        proposal=fields["proposalId"],
        number=number,
        proposer=fields["proposer"],
        calls=calls,
        decisions=tuple(decode_decision(deployment, call) for call in calls),
        description=fields["description"],
        vote_start=fields["voteStart"],
        vote_end=fields["voteEnd"],
        tx=tx,
    )


def _vote(fields: Mapping[str, Any], tx: bytes) -> Vote:
    support = fields["support"]
    return Vote(
        voter=fields["voter"],
        support=Support(support) if support in set(Support) else None,
        weight=fields["weight"],
        reason=fields["reason"],
        tx=tx,
    )


def _words(
    calls: Sequence[RawCall], description: str
) -> tuple[list[bytes], list[int], list[bytes], bytes]:
    """Return a proposal as the Governor hashes it."""
    return (
        [call.to for call in calls],
        [call.value_wei for call in calls],
        [call.data for call in calls],
        keccak256(description.encode()),
    )


def _number(value: object) -> int:
    return int(str(value))


def _done(receipt: Receipt) -> Done:
    return Done(tx=receipt.tx, block=receipt.block)


def in_words(error: Conflict) -> Conflict | Unavailable:
    """Return a refusal of the Governor's as what it means and what to do; others as they are.

    For whoever sends the Governor a call by other ways than `Governance`.
    """
    match error.fields.get("refusal"):
        case "GovernorUnexpectedProposalState":
            current = _argument(error, "current")
            state = _STATES[current] if current in range(len(_STATES)) else "in another state"
            return Conflict(
                f"the proposal is {state}", hint="see when it can: commonworks proposal show"
            )
        case "GovernorInsufficientProposerVotes":
            takes, has = _argument(error, "threshold"), _argument(error, "votes")
            return Conflict(
                f"proposing takes {takes} votes; this account has {has}",
                hint="let others delegate to you, or let a member with more votes propose it",
            )
        case "GovernorAlreadyCastVote":
            return Conflict("this account has voted already", hint="a vote cannot be changed")
        case "GovernorInvalidSignature":
            return Conflict("the vote's signature is not the voter's", hint="sign it again")
        case "GovernorUnableToCancel":
            return Conflict(
                "only who proposed it can cancel, and only before the vote begins",
                hint="vote against it",
            )
        case "GovernorRestrictedProposer":
            return Conflict("these words name another proposer", hint="write your own")
        case "TimelockUnexpectedOperationState":
            return Unavailable(
                "its delay in the timelock has not passed",
                hint="see when: commonworks proposal show",
            )
        case _:
            return error


def _argument(error: Conflict, name: str) -> int:
    """Return an argument of a refusal; -1 where it is not told.

    What a relay passes on has lost its fields, and kept its words.
    """
    said: Any = error.fields.get("arguments", {})
    if name in said:
        return int(said[name])
    found = re.search(rf"\b{name}=(\d+)", error.message)
    return int(found[1]) if found else -1
