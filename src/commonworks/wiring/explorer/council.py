"""The network's government as the explorer shows it, read from the Governor's own events.

What a proposal does is no row: it is said from the calls' own bytes when somebody reads it, in that
reader's language.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from commonworks.chain.decisions import RawCall
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.government import Governance, Proposal, ProposalBook, find_proposal
from commonworks.chain.members import Members
from commonworks.explorer.ports import (
    CallRecord,
    ProposalRecord,
    StandingNow,
    ValueWords,
    VoteRecord,
)
from commonworks.wiring.explorer.spelling import speller_of
from commonworks.wiring.proposals import policy_change
from commonworks.wiring.session import Session


class ChainCouncil:
    """Implements `explorer.ports.Council` over the Governor."""

    def __init__(self, session: Session, endpoints: Endpoints) -> None:
        self._governance = Governance(Members(endpoints, session.deployment))
        self._speller = speller_of(session)
        self._book = ProposalBook()
        self._records: dict[int, tuple[Proposal, ProposalRecord]] = {}
        self._reading = asyncio.Lock()

    async def proposals(self) -> Sequence[ProposalRecord]:
        """See `explorer.ports.Council.proposals`. Raises: Unavailable when no endpoint answers."""
        await self._refresh()
        return [self._record(proposal) for proposal in self._book.proposals.values()]

    async def standing(self, number: int) -> StandingNow:
        """See `explorer.ports.Council.standing`."""
        await self._refresh()
        proposal = find_proposal(tuple(self._book.proposals.values()), str(number))
        now = await self._governance.standing(proposal)
        return StandingNow(
            state=now.state,
            votes_for=now.votes_for,
            votes_against=now.votes_against,
            votes_abstain=now.votes_abstain,
            quorum=now.quorum,
            votes_all=now.votes_all,
            executable_from=now.executable_from,
        )

    def says(self, call: CallRecord, value: ValueWords) -> str:
        """See `explorer.ports.Council.says`."""
        return self._speller.decision(
            RawCall(to=call.to, value_wei=call.value_wei, data=call.data), value
        )

    async def votes_of(self, account: bytes, time_s: int | None) -> int:
        """See `explorer.ports.Council.votes_of`."""
        if time_s is None:
            return await self._governance.votes_of(account)
        return await self._governance.votes_at(account, time_s)

    async def _refresh(self) -> None:
        async with self._reading:  # two that read at once would count votes twice
            await self._governance.follow(self._book)

    def _record(self, proposal: Proposal) -> ProposalRecord:
        """Return a proposal as rows have it; put into words once."""
        known = self._records.get(proposal.proposal)
        if known is None or known[0] is not proposal:
            known = (proposal, self._put_in_words(proposal))
            self._records[proposal.proposal] = known
        return known[1]

    def _put_in_words(self, proposal: Proposal) -> ProposalRecord:
        change = policy_change(proposal.decisions)
        return ProposalRecord(
            proposal=proposal.proposal,
            number=proposal.number,
            proposer=proposal.proposer,
            title=proposal.title,
            body=proposal.text,
            calls=tuple(
                CallRecord(
                    to=call.to,
                    value_wei=call.value_wei,
                    data=call.data,
                )
                for call in proposal.calls
            ),
            changes={**change.overrides, **change.defined},
            vote_start=proposal.vote_start,
            vote_end=proposal.vote_end,
            tx=proposal.tx,
            votes=tuple(
                VoteRecord(
                    voter=vote.voter,
                    support=None if vote.support is None else vote.support.name.lower(),
                    weight=vote.weight,
                    reason=vote.reason,
                    tx=vote.tx,
                )
                for vote in proposal.votes
            ),
            queued_tx=proposal.queued_tx,
            executed_tx=proposal.executed_tx,
            canceled_tx=proposal.canceled_tx,
        )
