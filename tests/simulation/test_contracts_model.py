"""The model of the contracts behind the port that roles use, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
    Share,
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
from commonworks.simulation.devices import PAYEES_MAX, EnrolledKey
from commonworks.simulation.governance import GuardianModel, Parameter
from commonworks.units import DAY_S

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


def refusal(act: Callable[[], object]) -> str:
    """Return the error with which an action is refused."""
    with pytest.raises(Conflict) as caught:
        act()
    return str(caught.value.fields["refusal"])


class TestGovernment:
    """The founder until genesis, the timelock for ever, the guardian now and then."""

    def test_the_founders_power_ends_with_genesis(self) -> None:
        clock = VirtualClock(GENESIS - 1)
        contracts = ContractsModel(plan(), clock)
        key = b"hold_s".ljust(32, b"\0")
        for sender in (FOUNDER, OWNER):
            with contracts.transaction():
                contracts.policy.set(sender, key, 17)
        asyncio.run(clock.advance_to(GENESIS))
        with contracts.transaction():
            contracts.policy.set(OWNER, key, 19)
            refused = refusal(lambda: contracts.policy.set(FOUNDER, key, 23))
        assert refused == "OwnableUnauthorizedAccount"
        assert [contracts.policy.value_at("hold_s", epoch) for epoch in (0, 1)] == [17, 19]

    def test_the_guardian_waits_between_two_halts_and_leaves_in_time(self) -> None:
        async def scenario() -> list[str]:
            clock = VirtualClock(GENESIS)
            stopped: list[tuple[bytes, int]] = []
            contracts = ContractsModel(plan(), clock)
            guardian = GuardianModel(
                contracts.blocks,
                address=model_address("guardian"),
                owner=OWNER,
                founder=FOUNDER,
                policy=contracts.policy,
                stop=lambda sender, epoch: stopped.append((sender, epoch)),
                holder=ADA,
                until=GENESIS + 100 * DAY_S,
            )
            found = [refusal(lambda: guardian.halt(OWNER, 7))]
            guardian.halt(ADA, 7)
            pause = DEFAULTS["halt_s"] + DEFAULTS["guardian_cooldown_s"]
            for at in (GENESIS + pause - 1, GENESIS + pause, GENESIS + 100 * DAY_S):
                await clock.advance_to(at)
                with contracts.transaction():
                    if at == GENESIS + pause:
                        guardian.halt(ADA, 8)
                    else:
                        found.append(refusal(lambda: guardian.halt(ADA, 9)))
            late = clock.now() + 365 * DAY_S + 1
            found.append(refusal(lambda: guardian.appoint(OWNER, ADA, late)))
            assert stopped == [(guardian.address, 7), (guardian.address, 8)]
            return found

        expected = ["NotHolder", "NotReady", "TermOver", "TermTooLong"]
        assert asyncio.run(scenario()) == expected


class TestFounding:
    """What the token refuses to be founded with."""

    def test_a_cap_below_the_schedule(self) -> None:
        longest = next(p.maximum for p in KERNEL_PARAMETERS if p.key == "half_life_epochs")
        least = 10**24 + plan().initial_emission_wei * (3 * (longest + 1) + 1) // 2
        ContractsModel(replace(plan(), cap_wei=least), VirtualClock(GENESIS))
        tight = replace(plan(), cap_wei=least - 1)
        assert refusal(lambda: ContractsModel(tight, VirtualClock(GENESIS))) == "CapExceeded"

    def test_an_allocation_that_nobody_could_ever_use(self) -> None:
        for account in (plan().vault, plan().nodes):
            useless = replace(plan(), allocations=((account, 1),))
            refused = refusal(lambda useless=useless: ContractsModel(useless, VirtualClock(0)))
            assert refused == "UselessAllocation"

    def test_bonds_in_the_currency(self) -> None:
        coop = replace(plan(), bonds_in_currency=True, initial_emission_wei=0, allocations=())
        contracts = ContractsModel(coop, VirtualClock(GENESIS))
        contracts.mint_currency(FOUNDER, VERIFIER, 10**22)
        contracts.bond(VERIFIER, 10**22)
        assert contracts.currency.balances[coop.nodes] == 10**22
        assert contracts.token.supply == 0


def test_a_list_holds_so_many_payees_and_no_more() -> None:
    contracts = ContractsModel(plan(), VirtualClock(GENESIS))
    raw = EnrolledKey(thumbprint=LOG, algorithm=-8, public_key=LOG, resource=bytes(32))
    accounts = [bytes([n]) * 20 for n in range(1, PAYEES_MAX + 1)]
    shares = [Share(account=account, ppm=2) for account in accounts]
    shares[0] = replace(shares[0], ppm=1_000_000 - 2 * (PAYEES_MAX - 1))
    with contracts.transaction():
        devices = contracts.devices
        device = devices.enrol_batch(ADA, raw.resource, [raw, raw])
        devices.set_payees(ADA, device, shares)
        assert refusal(lambda: devices.transfer_share(accounts[0], device, ADA, 1)) == (
            "TooManyPayees"
        )
        devices.transfer_share(accounts[1], device, ADA, 2)  # leaves as it gives everything
        assert len(devices.payees_of(device)) == PAYEES_MAX
        assert devices.payees_of(device + 1) == ()
