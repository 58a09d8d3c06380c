"""The model of the contracts behind the port that roles use, on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from commonworks import ports
from commonworks.crypto.hashes import sha256
from commonworks.errors import Conflict
from commonworks.events import (
    Anchored,
    Closed,
    Commitment,
    Confirmed,
    Finalised,
    Range,
    Tip,
)
from commonworks.model import (
    Total,
)
from commonworks.policy import KERNEL_PARAMETERS
from commonworks.settlement import payout
from commonworks.settlement.commitment import digest, evidence_hash
from commonworks.simulation.clock import VirtualClock
from commonworks.simulation.contracts import ContractsModel, ModelPlan, model_address
from commonworks.simulation.governance import Parameter

GENESIS, EPOCH_S = 1_800_000_000, 600
OWNER, FOUNDER, GATEWAY, VERIFIER, ADA = (
    model_address(name) for name in ("owner", "founder", "g", "v", "ada")
)
LOG = sha256(b"log")
DEFAULTS = {parameter.key: parameter.default for parameter in KERNEL_PARAMETERS}


def plan() -> ModelPlan:
    return ModelPlan(
        owner=OWNER,
        founder=FOUNDER,
        genesis_time=GENESIS,
        epoch_length_s=EPOCH_S,
        parameters=tuple(
            Parameter(
                key=parameter.key.encode().ljust(32, b"\0"),
                value=parameter.default,
                minimum=parameter.minimum,
                maximum=parameter.maximum,
            )
            for parameter in KERNEL_PARAMETERS
        ),
        allocations=((VERIFIER, 10**24),),
    )


def founded(clock: VirtualClock) -> ContractsModel:
    contracts = ContractsModel(plan(), clock)
    with contracts.transaction():
        contracts.nodes.register_gateway(
            GATEWAY,
            name="north",
            origin="origin",
            endpoint="memory:north",
            log_id=LOG,
            note_key=bytes(32),
            receipt_key=bytes(64),
        )
    with contracts.transaction():
        contracts.nodes.register_verifier(VERIFIER, name="eye", endpoint="memory:eye")
    contracts.bond(VERIFIER, 10**22)
    with contracts.transaction():
        contracts.mint_currency(FOUNDER, ADA, 1_009)
    contracts.deposit(ADA, contracts.plan.currency, 1_009)
    return contracts


def test_an_epoch_runs_through_the_port() -> None:
    async def scenario() -> None:
        clock = VirtualClock(GENESIS - 10)
        contracts = founded(clock)
        gateway, verifier = contracts.operator(GATEWAY), contracts.operator(VERIFIER)
        await clock.advance_to(GENESIS + 1)
        tip = Tip(log_id=LOG, size=3, root=sha256(b"root"))
        await gateway.send(ports.Anchor(tip=tip))
        opens = GENESIS + EPOCH_S + DEFAULTS["grace_s"]
        await clock.advance_to(opens - 1)
        with pytest.raises(Conflict, match="OutsideConfirmWindow"):
            await verifier.send(ports.Confirm(epoch=0, tips=(tip,)))
        await clock.advance_to(opens)
        await verifier.send(ports.Confirm(epoch=0, tips=(tip,)))
        await clock.advance_to(opens + DEFAULTS["confirm_s"])
        await gateway.send(ports.Close(epoch=0))
        total = Total(asset=contracts.plan.currency, account=ADA, earned=0, spent=0)
        commitment = Commitment(
            previous_digest=bytes(32),
            evidence_hash=evidence_hash(0, [Range(log_id=LOG, first=0, size=3, root=tip.root)]),
            facts_hash=sha256(b"facts"),
            policy_hash=contracts.policy.hash_at(0),
            rules_hash=bytes(32),
            result_hash=sha256(b"result"),
            state_hash=sha256(b"state"),
            payout_root=payout.root([total]),
            minted_wei=0,
            totals=(),
        )
        wrong = replace(commitment, evidence_hash=bytes(32))
        with pytest.raises(Conflict, match="WrongEvidenceHash"):
            await verifier.send(ports.Attest(epoch=0, commitment=wrong))
        await verifier.send(ports.Attest(epoch=0, commitment=commitment))
        tx = await gateway.send(ports.Finalise(epoch=0, commitment=commitment))
        head = await gateway.head()
        events = await gateway.events(0, head.block)
        rounds = [e for e in events if isinstance(e, (Anchored, Confirmed, Closed, Finalised))]
        assert [type(e).__name__ for e in rounds] == [
            "Anchored",
            "Confirmed",
            "Closed",
            "Finalised",
        ]
        final = rounds[-1]
        assert isinstance(final, Finalised)
        assert final.at.tx == tx
        assert final.digest == digest(contracts.plan.network_id, 0, commitment)
        assert await verifier.events(0, head.block) == events
        with pytest.raises(Conflict, match="AlreadyFinalised"):
            await gateway.send(ports.Finalise(epoch=0, commitment=commitment))

    asyncio.run(scenario())


def test_time_that_passes_makes_a_block_and_a_refusal_makes_none() -> None:
    async def scenario() -> None:
        clock = VirtualClock(GENESIS - 10)
        contracts = founded(clock)
        chain = contracts.operator(GATEWAY)
        before = await chain.head()
        assert await chain.head() == before
        with pytest.raises(Conflict, match="CloseTooEarly"):
            await chain.send(ports.Close(epoch=0))
        assert await chain.head() == before
        await clock.advance_to(GENESIS + 5)
        later = await chain.head()
        assert (later.block, later.time) == (before.block + 1, GENESIS + 5)
        assert await chain.events(later.block, later.block) == ()

    asyncio.run(scenario())
