"""Proposals on the real contracts: from the first word to what they change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

import chain_kit as kit
from commonworks.chain.abi import contract
from commonworks.chain.ballots import Support, sign_vote
from commonworks.chain.decisions import (
    AdmitMember,
    AdoptSite,
    AppointGuardian,
    Decision,
    DefineParameter,
    RawCall,
    RemoveMember,
    SetParameter,
    SetReference,
    SetRegistrar,
    Transfer,
    encode_decision,
)
from commonworks.chain.deploy import deploy
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.government import (
    Governance,
    Proposal,
    ProposalState,
    describe_proposal,
    proposal_id,
)
from commonworks.chain.members import Members
from commonworks.chain.messages import Enrolment
from commonworks.chain.plan import GenesisParameter
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Conflict, InvalidInput, NotFound, Unavailable
from commonworks.events import (
    ParameterDefined,
    ParameterSet,
    ReferenceSet,
    RegistrarSet,
    SiteAdopted,
)
from commonworks.policy import KERNEL_PARAMETERS
from commonworks.stops import GuardianAppointed
from commonworks.units import DAY_S

KEY = PrivateKey.from_seed(Algorithm.EDDSA, sha256(b"registrar")).public


def run(scenario: Callable[[kit.Rig], Awaitable[None]], folder: Path) -> None:
    """Run a scenario on a founded network where the token votes."""

    async def main() -> None:
        async with kit.open_network(folder) as rig:
            await rig.advance(kit.GENESIS + 1)
            await scenario(rig)

    asyncio.run(main())


def of(rig: kit.Rig, name: str) -> Governance:
    """Return the named account's way to govern."""
    return Governance(rig.member(name))


async def proposed(rig: kit.Rig, *decisions: Decision, title: str = "A change") -> Proposal:
    """Let Ada propose something, and wait until the vote has begun."""
    made = await of(rig, "ada").propose(
        decisions, describe_proposal(title, "Because.", kit.address("ada"))
    )
    found = await of(rig, "ada").proposal(f"0x{made.proposal:064x}")
    await rig.advance(found.vote_start + 1)
    return found


async def carried(rig: kit.Rig, *decisions: Decision, title: str = "A change") -> Proposal:
    """Take a proposal through everything; return it."""
    found = await proposed(rig, *decisions, title=title)
    for name in ("ada", "bob", "eve", "gateway"):
        await of(rig, name).vote(found.proposal, Support.FOR)
    await rig.advance(found.vote_end + 1)
    await of(rig, "eve").queue(found)
    eta = (await of(rig, "eve").standing(found)).executable_from
    assert eta is not None
    await rig.advance(eta)
    await of(rig, "eve").execute(found)
    return await of(rig, "eve").proposal(str(found.proposal))


def test_a_proposal_from_the_first_word_to_what_it_changes(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        ada = of(rig, "ada")
        decision = SetParameter(key="grace_s", value=67)
        words = describe_proposal("More  grace", "Links are slow.", kit.address("ada"))
        assert await ada.votes_of(kit.address("ada")) == 100_003
        assert await ada.threshold() == 1
        made = await ada.propose([decision], words)
        (found,) = await ada.proposals()
        assert found.proposal == made.proposal == proposal_id(found.calls, words)
        assert (found.number, found.title, found.text) == (1, "More grace", "Links are slow.")
        assert (found.decisions, found.proposer) == ((decision,), kit.address("ada"))
        assert (found.vote_start, found.vote_end) == (
            rig.now + DAY_S,
            rig.now + DAY_S + 5 * DAY_S,
        )
        standing = await ada.standing(found)
        assert standing.state is ProposalState.PENDING
        assert standing.quorum is standing.votes_all is standing.executable_from is None
        with pytest.raises(Conflict, match="the proposal is pending"):
            await ada.vote(found.proposal, Support.FOR)

        await rig.advance(found.vote_start + 1)
        await ada.vote(found.proposal, Support.FOR, "I wait every evening.")
        with pytest.raises(Conflict, match="voted already"):
            await ada.vote(found.proposal, Support.AGAINST)
        await of(rig, "bob").vote(found.proposal, Support.AGAINST)
        signed = sign_vote(
            kit.signer("eve"),
            rig.at,
            found.proposal,
            Support.FOR,
            nonce=await ada.vote_nonce(kit.address("eve")),
            reason="relayed",
        )
        await of(rig, "gateway").vote_for(signed)
        plain = sign_vote(kit.signer("gateway"), rig.at, found.proposal, Support.ABSTAIN, nonce=0)
        await ada.vote_for(plain)
        standing = await ada.standing(found)
        assert standing.state is ProposalState.ACTIVE
        votes = (standing.votes_for, standing.votes_against, standing.votes_abstain)
        assert votes == (200_006, 100_003, 100_003)
        assert (standing.votes_all, standing.quorum) == (700_021, 70_003)
        with pytest.raises(Conflict, match="the proposal is active"):
            await ada.queue(found)

        await rig.advance(found.vote_end + 1)
        assert (await ada.standing(found)).state is ProposalState.SUCCEEDED
        await of(rig, "bob").queue(found)
        standing = await ada.standing(found)
        assert (standing.state, standing.executable_from) == (
            ProposalState.QUEUED,
            rig.now + 2 * DAY_S,
        )
        with pytest.raises(Unavailable, match="delay in the timelock"):
            await ada.execute(found)
        await rig.advance(rig.now + 2 * DAY_S)
        done = await of(rig, "bob").execute(found)
        found = await ada.proposal("1")
        assert (await ada.standing(found)).state is ProposalState.EXECUTED
        assert found.executed_tx == done.tx
        assert [(v.voter, v.support, v.weight, v.reason) for v in found.votes] == [
            (kit.address("ada"), Support.FOR, 100_003, "I wait every evening."),
            (kit.address("bob"), Support.AGAINST, 100_003, ""),
            (kit.address("eve"), Support.FOR, 100_003, "relayed"),
            (kit.address("gateway"), Support.ABSTAIN, 100_003, ""),
        ]
        epoch = (rig.now - kit.GENESIS) // kit.EPOCH_S
        events = await rig.client().events(rig.at.genesis_block, done.block)
        (change,) = [e for e in events if isinstance(e, ParameterSet)]
        assert (change.value, change.from_epoch, change.at.tx) == (67, epoch + 1, done.tx)

    run(scenario, tmp_path)


def test_every_kind_of_decision_is_carried_out(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        ada, treasury = rig.member("ada"), rig.at.government.timelock
        device = (await ada.enrol(Enrolment(key=KEY, resource="gauge"))).device
        await ada.transfer(rig.at.token, treasury, 1_013)
        parameter = GenesisParameter(key="gauge.new", value=3, minimum=2, maximum=5)
        term = rig.now + 200 * DAY_S
        decisions: list[Decision] = [
            SetParameter(key="rules", value=-7),
            DefineParameter(parameter=parameter),
            SetRegistrar(resource="gauge", key=KEY, active=True),
            SetReference(device=device, admitted=True),
            AdoptSite(resource="gauge", site=sha256(b"here"), statement=sha256(b"table")),
            AppointGuardian(holder=kit.address("eve"), until=term),
            Transfer(asset=rig.at.token, receiver=kit.address("bob"), amount=1_009),
            RawCall(to=kit.address("bob"), value_wei=0, data=b"\1\2\3"),
        ]
        before = await ada.balance(rig.at.token, kit.address("bob"))
        found = await carried(rig, *decisions)
        assert list(found.decisions) == decisions
        assert await ada.balance(rig.at.token, kit.address("bob")) == before + 1_009
        assert await ada.balance(rig.at.token, treasury) == 4
        events = await rig.client().events(rig.at.genesis_block, await _head(rig))
        said = [e for e in events if e.at.tx == found.executed_tx]
        kinds = [
        ParameterSet, ParameterDefined, RegistrarSet, ReferenceSet, SiteAdopted, GuardianAppointed,
    ]  # fmt: skip
        assert [type(event) for event in said] == kinds

    run(scenario, tmp_path)


def test_the_ways_in_which_a_proposal_ends_without_effect(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        ada, bob = of(rig, "ada"), of(rig, "bob")
        one = SetParameter(key="grace_s", value=1)
        stranger = Governance(Members(rig.endpoints, rig.at, kit.account("stranger")))
        words = describe_proposal("One", "", kit.address("ada"))
        with pytest.raises(Conflict, match="name another proposer"):
            await bob.propose([one], words)
        with pytest.raises(Conflict, match="proposing takes 1 votes; this account has 0"):
            await stranger.propose([one], describe_proposal("One", "", kit.address("stranger")))
        await ada.propose([one], words)
        with pytest.raises(Conflict, match="the proposal is pending"):
            await ada.propose([one], words)
        first = await ada.proposal("#1")
        with pytest.raises(Conflict, match="only who proposed it can cancel"):
            await bob.cancel(first)
        await ada.cancel(first)
        assert (await ada.standing(first)).state is ProposalState.CANCELED
        assert (await ada.proposal("1")).canceled_tx is not None

        lost = await proposed(rig, one, title="Two")
        await ada.vote(lost.proposal, Support.FOR)
        await bob.vote(lost.proposal, Support.AGAINST)
        with pytest.raises(Conflict, match="only who proposed it"):
            await ada.cancel(lost)
        await rig.advance(lost.vote_end + 1)
        assert (await ada.standing(lost)).state is ProposalState.DEFEATED
        with pytest.raises(Conflict, match="the proposal is defeated"):
            await ada.queue(lost)
        late = await proposed(rig, one, title="Three")
        await ada.vote(late.proposal, Support.FOR)
        await rig.advance(late.vote_end + 31 * DAY_S)
        assert (await ada.standing(late)).state is ProposalState.EXPIRED
        assert [p.title for p in await ada.proposals()] == ["One", "Two", "Three"]
        with pytest.raises(NotFound, match="no proposal 4"):
            await ada.proposal("4")
        wrong = sign_vote(kit.signer("eve"), rig.at, late.proposal, Support.FOR, nonce=9)
        with pytest.raises(Conflict, match="signature is not the voter's"):
            await ada.vote_for(wrong)
        with pytest.raises(InvalidInput, match="decides"):
            await ada.propose([], "# Nothing")

    run(scenario, tmp_path)


def test_members_vote_and_admit_members(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        await rig.advance(kit.GENESIS + 1)
        ada = of(rig, "ada")
        eve = kit.address("eve")
        assert await ada.votes_of(kit.address("ada")) == 1
        assert await ada.votes_of(eve) == 0
        found = await proposed(
            rig, AdmitMember(account=eve), RemoveMember(account=kit.address("bob"))
        )
        await ada.vote(found.proposal, Support.FOR)
        standing = await ada.standing(found)
        assert (standing.votes_for, standing.votes_all, standing.quorum) == (1, 2, 1)
        await rig.advance(found.vote_end + 1)
        await ada.queue(found)
        await rig.advance(rig.now + 2 * DAY_S)
        await ada.execute(found)
        assert await ada.votes_of(eve) == 1
        assert await ada.votes_of(kit.address("bob")) == 0

    async def main() -> None:
        async with kit.open_rig(tmp_path) as rig:
            members = (kit.address("ada"), kit.address("bob"))
            plan = kit.plan(members=members, bonds_in_currency=True)
            rig.deployment = await deploy(rig.endpoints, kit.account("deployer"), plan)
            await scenario(rig)

    asyncio.run(main())


def test_a_membership_is_asked_for_where_the_token_votes(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        with pytest.raises(InvalidInput, match="it has no membership"):
            encode_decision(rig.at, AdmitMember(account=kit.address("eve")))

    run(scenario, tmp_path)


def test_the_numbers_of_the_guide(tmp_path: Path) -> None:
    """Threshold, quorum and delays with the defaults, as docs/guide/economy.md works them out."""

    async def scenario(rig: kit.Rig) -> None:
        await rig.advance(kit.GENESIS + 1)
        ada = of(rig, "ada")
        assert await ada.threshold() == 700
        found = await proposed(rig, SetParameter(key="grace_s", value=1))
        standing = await ada.standing(found)
        assert (standing.votes_all, standing.quorum) == (700_021, 70_003)
        delay = contract("CommonsTimelock")["replacementDelay"]
        answer = await rig.endpoints.call(rig.at.government.timelock, delay.call())
        assert delay.results(answer) == (32 * DAY_S,)
        await ada.vote(found.proposal, Support.FOR)
        assert found.vote_end + 2 * DAY_S - rig.now == 7 * DAY_S - 1

    async def main() -> None:
        async with kit.open_rig(tmp_path) as rig:
            defaults = {p.key: p.default for p in KERNEL_PARAMETERS}
            parameters = tuple(
                replace(p, value=defaults[p.key]) if p.key == "proposal_threshold_ppm" else p
                for p in kit.plan().parameters
            )
            plan = kit.plan(parameters=parameters)
            rig.deployment = await deploy(rig.endpoints, kit.account("deployer"), plan)
            await scenario(rig)

    asyncio.run(main())


async def _head(rig: kit.Rig) -> int:
    endpoints: Endpoints = rig.endpoints
    return await endpoints.run(lambda endpoint: endpoint.block_number())
