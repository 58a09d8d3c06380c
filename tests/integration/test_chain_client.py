"""The chain adapter against real contracts on the embedded chain, through its proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import chain_kit as kit
from commonworks import events as said
from commonworks import model, ports
from commonworks.chain import logs as chain_logs
from commonworks.chain.abi import contract, encode
from commonworks.chain.calls import GatewayEntry
from commonworks.chain.deploy import deploy, read_deployment, read_network
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.members import Members
from commonworks.chain.messages import (
    Enrolment,
    SignedPayees,
    sign_batch,
    sign_enrolment,
    sign_payees,
    sign_permit,
    sign_share_transfer,
    sign_spend_limit,
    sign_withdrawal,
)
from commonworks.chain.plan import created_address, planned_addresses
from commonworks.chain.transactions import Call, Sender
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import Conflict, InvalidInput, NotFound, Unauthorized, Unavailable
from commonworks.events import (
    AssetTotal,
    Commitment,
    Tip,
)
from commonworks.model import (
    Total,
)
from commonworks.settlement import payout
from commonworks.settlement.commitment import digest, evidence_hash

LOG = sha256(b"log")
ROOT = sha256(b"root")


def key(name: str, algorithm: Algorithm = Algorithm.EDDSA) -> PublicKey:
    return PrivateKey.from_seed(algorithm, sha256(name.encode())).public


def gateway_entry() -> GatewayEntry:
    return GatewayEntry(
        name="north",
        origin="0011.commonworks/north",
        endpoint="http://127.0.0.1:1",
        log_id=LOG,
        note_key=key("note").raw,
        receipt_key=key("receipt", Algorithm.ES256).raw,
    )


def run(scenario: Callable[[kit.Rig], Awaitable[None]], folder: Path) -> None:
    async def main() -> None:
        async with kit.open_network(folder) as rig:
            await scenario(rig)

    asyncio.run(main())


# --- deployment -------------------------------------------------------------------------------


class PowerCutError(Exception):
    """Stands for the end of a process."""


def cut_after(count: int) -> Callable[[str], None]:
    """Return a progress callback that ends the process once `count` contracts are there."""
    seen: list[str] = []

    def progress(name: str) -> None:
        seen.append(name)
        if len(seen) == count:
            raise PowerCutError

    return progress


def test_a_deployment_goes_on_wherever_it_was_interrupted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with kit.open_rig(tmp_path) as rig:
            deployer = kit.account("deployer")
            contracts = len(planned_addresses(kit.address("deployer"), kit.plan()))
            for count in range(1, contracts + 1):
                with pytest.raises(PowerCutError):
                    await deploy(rig.endpoints, deployer, kit.plan(), progress=cut_after(count))
                assert await Sender(rig.endpoints, deployer).next_nonce() == count
            first = await deploy(rig.endpoints, deployer, kit.plan())
            assert await deploy(rig.endpoints, deployer, kit.plan()) == first
            assert await Sender(rig.endpoints, deployer).next_nonce() == contracts
            where = (first.settlement, first.currency, first.government)
            assert await read_deployment(rig.endpoints, *where) == first

    asyncio.run(scenario())


def test_a_network_reads_back_from_two_addresses(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        network = await read_network(rig.endpoints, rig.at.settlement, rig.at.currency)
        assert network == model.Network(
            network_id=rig.at.network_id,
            genesis_time=kit.GENESIS,
            epoch_length_s=kit.EPOCH_S,
            token=rig.at.token,
            currency=rig.at.currency,
            currency_code="tEUR",
            initial_emission_wei=kit.INITIAL_EMISSION_WEI,
            treasury=rig.at.government.timelock,
        )
        where = (rig.endpoints, rig.at.settlement, rig.at.currency, rig.at.government)
        assert await read_deployment(*where, genesis_block=rig.at.genesis_block) == rig.at
        with pytest.raises(NotFound, match="was not created there"):
            await read_deployment(*where, genesis_block=rig.at.genesis_block + 1)
        with pytest.raises(NotFound, match="no contract Settlement"):
            await read_network(rig.endpoints, b"\x01" * 20, rig.at.currency)

    run(scenario, tmp_path)


def test_an_account_that_was_used_for_something_else_is_refused(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        deployer = kit.account("deployer")
        other = kit.plan(manifest_hash=sha256(b"another manifest"))
        with pytest.raises(Conflict, match="deployed with another network id"):
            await deploy(rig.endpoints, deployer, other)
        parameters = kit.plan().parameters[:-1]
        changed = (*parameters, replace(kit.plan().parameters[-1], value=1))
        with pytest.raises(Conflict, match="another policy of epoch 0"):
            await deploy(rig.endpoints, deployer, kit.plan(parameters=changed))
        used = kit.account("eve")
        members = Members(rig.endpoints, rig.at, used)
        await members.transfer(rig.at.token, kit.address("bob"), 1)
        with pytest.raises(Conflict, match="no contract Policy"):
            await deploy(rig.endpoints, used, kit.plan())
        moved = await deploy(rig.endpoints, used, kit.plan(first_nonce=1))
        assert moved.policy == created_address(kit.address("eve"), 1)
        assert moved.network_id != rig.at.network_id

    run(scenario, tmp_path)


def test_addresses_of_created_contracts_follow_the_published_example() -> None:
    # What every Foundry user sees: the first deployments of the first well-known test account.
    deployer = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
    expected = {
        0: "5fbdb2315678afecb367f032d93f642f64180aa3",
        1: "e7f1725e7734ce288f8367e1bb143e90bb3f0512",
        2: "9fe46736679d2d9a65f0992f2272de9f3c7fa6e0",
    }
    for nonce, text in expected.items():
        assert created_address(deployer, nonce).hex() == text


# --- a whole round ----------------------------------------------------------------------------


async def relay_members(rig: kit.Rig) -> None:
    """Enrol, fund, limit and withdraw for members who only sign; `eve` relays."""
    relayer, owner = rig.member("eve"), rig.member("owner")
    deadline = rig.now + 100
    enrolments = [
        sign_enrolment(
            kit.signer(name),
            rig.at,
            Enrolment(key=key(name), resource="energy", cell=17),
            nonce=0,
            deadline=deadline,
        )
        for name in ("ada", "bob")
    ]
    enrolled = await relayer.enrol_all(enrolments)
    assert [item.device for item in enrolled] == [1, 2]
    assert await relayer.owner_of(2) == kit.address("bob")
    domain = await relayer.permit_domain(rig.at.currency)
    await owner.mint_currency(kit.address("ada"), 1_000_000)
    ada = kit.signer("ada")
    permit = sign_permit(
        ada, rig.at, rig.at.currency, 700_001, domain=domain, nonce=0, deadline=deadline
    )
    await relayer.deposit_with_permit(permit)
    limit = sign_spend_limit(ada, rig.at, 1, 5_003, nonce=0, deadline=deadline)
    await relayer.set_spend_limit_for(limit)
    wish = sign_withdrawal(ada, rig.at, rig.at.currency, 100_003, nonce=1, deadline=deadline)
    assert (await relayer.request_withdrawal_for(wish)).request == 1
    assert (await relayer.vault_account(rig.at.currency, kit.address("ada"))).deposited == 700_001
    assert await relayer.balance(rig.at.currency, kit.address("ada")) == 299_999


def commitment_for(rig: kit.Rig, evidence: bytes, policy: bytes, totals: list[Total]) -> Commitment:
    sums = [
        AssetTotal(
            asset=asset,
            earned=sum(total.earned for total in totals if total.asset == asset),
            spent=sum(total.spent for total in totals if total.asset == asset),
        )
        for asset in sorted({total.asset for total in totals})
    ]
    return Commitment(
        previous_digest=bytes(32),
        evidence_hash=evidence,
        facts_hash=sha256(b"facts"),
        policy_hash=policy,
        rules_hash=(0x1234).to_bytes(32, "big"),
        result_hash=sha256(b"result"),
        state_hash=sha256(b"state"),
        payout_root=payout.root(totals),
        minted_wei=sum(total.earned for total in totals if total.asset == rig.at.token),
        totals=tuple(sums),
    )


async def policy_hash(rig: kit.Rig, epoch: int) -> bytes:
    item = contract("Policy")["hashAt"]
    answer = item.results(await rig.endpoints.call(rig.at.policy, item.call(epoch)))[0]
    assert isinstance(answer, bytes)
    return answer


def test_a_whole_epoch_from_enrolment_to_claim(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        await rig.member("gateway").register_gateway(gateway_entry())
        await rig.member("verifier-a").register_verifier("eye", "http://v", bond_wei=20_011)
        assert await rig.member("eve").stake_of(kit.address("verifier-a")) == 20_011
        owner = rig.member("owner")
        await owner.set_registrar("energy", key("registrar"))
        await relay_members(rig)
        await owner.set_reference(2)
        await owner.adopt_site("energy", sha256(b"street"), sha256(b"site"))
        await owner.set_parameter("lateness_s", 100_003)
        await rig.advance(kit.GENESIS + 10)
        gateway, verifier = rig.client("gateway"), rig.client("verifier-a")
        anyone = rig.client("eve")
        tip = Tip(log_id=LOG, size=5, root=ROOT)
        await gateway.send(ports.Anchor(tip=tip))
        end = kit.GENESIS + kit.EPOCH_S
        await rig.advance(end + kit.GRACE_S)
        await verifier.send(ports.Confirm(epoch=0, tips=(tip,)))
        await rig.advance(end + kit.GRACE_S + kit.CONFIRM_S)
        await anyone.send(ports.Close(epoch=0))
        totals = [
            Total(asset=rig.at.currency, account=kit.address("ada"), earned=0, spent=3_001),
            Total(asset=rig.at.currency, account=kit.address("bob"), earned=3_001, spent=0),
            Total(asset=rig.at.token, account=kit.address("bob"), earned=997, spent=0),
        ]
        closed = said.Range(log_id=LOG, first=0, size=5, root=ROOT)
        evidence = evidence_hash(0, [closed])
        commitment = commitment_for(rig, evidence, await policy_hash(rig, 0), totals)
        await verifier.send(ports.Attest(epoch=0, commitment=commitment))
        await anyone.send(ports.Finalise(epoch=0, commitment=commitment))
        relayer = rig.member("eve")
        assert await relayer.claimable_root() is None
        leaf, proof = payout.proof(totals, rig.at.currency, kit.address("bob"))
        with pytest.raises(Conflict, match="NothingClaimable"):
            await relayer.claim(leaf, proof)
        await rig.advance(rig.now + kit.HOLD_S)
        paid = await relayer.claim(leaf, proof)
        assert paid.amount == await relayer.balance(rig.at.currency, kit.address("bob")) == 3_001
        claimable = await relayer.claimable_root()
        assert claimable is not None
        assert (claimable.epoch, claimable.root) == (0, commitment.payout_root)

        head = await anyone.head()
        assert head.time == rig.now
        events = await anyone.events(0, head.block)
        names = [type(event).__name__ for event in events]
        assert names == [
            *["ParameterDefined"] * len(kit.plan().parameters),
            "GuardianAppointed",
            *["GatewayRegistered", "VerifierRegistered", "Bonded", "StakeChanged", "RegistrarSet"],
            *["Enrolled", "Enrolled", "Deposited", "SpendLimitSet", "WithdrawalRequested"],
            *["ReferenceSet", "SiteAdopted", "ParameterSet"],
            *["Anchored", "Confirmed", "Closed", "Attested", "Finalised"],
            *["RootAccepted", "Claimed"],
        ]
        finalised = next(event for event in events if isinstance(event, said.Finalised))
        assert finalised.commitment == commitment
        assert finalised.digest == digest(rig.at.network_id, 0, commitment)
        evidence_event = next(event for event in events if isinstance(event, said.Closed))
        assert (evidence_event.ranges, evidence_event.evidence_hash) == ((closed,), evidence)
        assert evidence_event.at.time == end + kit.GRACE_S + kit.CONFIRM_S
        places = [(event.at.block, event.at.index) for event in events]
        assert places == sorted(places)

    run(scenario, tmp_path)


def test_members_enrol_many_and_share_what_a_device_earns(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        relayer, deadline = rig.member("eve"), rig.now + 100
        ada, bob = kit.address("ada"), kit.address("bob")
        devices = [Enrolment(key=key(f"ada {n}"), resource="energy", cell=n) for n in range(3)]
        batch = sign_batch(kit.signer("ada"), rig.at, "energy", devices, nonce=0, deadline=deadline)
        enrolled = await relayer.enrol_batch_for(batch)
        assert [item.device for item in enrolled] == [1, 2, 3]
        assert await relayer.owner_of(3) == ada
        assert await relayer.payees_of(2) == ()
        first = tuple(
            sorted(
                [said.Share(account=ada, ppm=600_000), said.Share(account=bob, ppm=400_000)],
                key=lambda share: share.account,
            )
        )
        await rig.member("ada").set_payees(2, first)
        assert await relayer.payees_of(2) == first
        moved = sign_share_transfer(
            kit.signer("bob"), rig.at, 2, ada, 150_000, nonce=0, deadline=deadline
        )
        await relayer.transfer_share_for(moved)
        assert {s.account: s.ppm for s in await relayer.payees_of(2)} == {
            ada: 750_000,
            bob: 250_000,
        }
        wanted = (said.Share(account=kit.address("eve"), ppm=1_000_000),)
        nonce = await relayer.payees_nonce(2)
        signatures = tuple(
            sign_payees(
                kit.signer({ada: "ada", bob: "bob"}[share.account]),
                rig.at,
                2,
                wanted,
                payees_nonce=nonce,
                deadline=deadline,
            )
            for share in await relayer.payees_of(2)
        )
        with pytest.raises(Conflict, match="WrongSignatureCount"):
            await relayer.change_payees(
                SignedPayees(device=2, shares=wanted, deadline=deadline, signatures=signatures[:1])
            )
        await relayer.change_payees(
            SignedPayees(device=2, shares=wanted, deadline=deadline, signatures=signatures)
        )
        assert await relayer.payees_of(2) == wanted
        client = rig.client("eve")
        events = await client.events(0, (await client.head()).block)
        lists = [event.shares for event in events if isinstance(event, said.PayeesSet)]
        assert lists[0] == first
        assert lists[-1] == wanted
        assert len(lists) == 3

    run(scenario, tmp_path)


# --- refusals ---------------------------------------------------------------------------------


def test_a_refusal_carries_the_contracts_own_error(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        client = rig.client("eve")
        with pytest.raises(Conflict, match=r"CloseTooEarly\(epoch=0, deadline=") as early:
            await client.send(ports.Close(epoch=0))
        deadline = kit.GENESIS + kit.EPOCH_S + kit.GRACE_S + kit.CONFIRM_S
        assert early.value.fields["refusal"] == "CloseTooEarly"
        assert early.value.fields["arguments"] == {"epoch": 0, "deadline": deadline}
        with pytest.raises(Conflict, match="NotGateway") as stranger:
            await client.send(ports.Anchor(tip=Tip(log_id=LOG, size=1, root=ROOT)))
        assert stranger.value.fields["arguments"] == {"logId": LOG, "caller": kit.address("eve")}
        with pytest.raises(Unauthorized, match="no account to act with"):
            await rig.client().send(ports.Close(epoch=0))
        with pytest.raises(Conflict, match="OwnableUnauthorizedAccount"):
            await rig.member("eve").set_parameter("grace_s", 1)

    run(scenario, tmp_path)


def test_a_forged_or_expired_message_is_refused_and_a_used_one_too(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        relayer = rig.member("eve")
        ada, enrolment = kit.signer("ada"), Enrolment(key=key("ada"), resource="energy")
        signed = sign_enrolment(ada, rig.at, enrolment, nonce=0, deadline=rig.now + 10)
        forged = replace(signed, enrolment=replace(enrolment, cell=99))
        with pytest.raises(Conflict, match="InvalidSignature"):
            await relayer.enrol_for(forged)
        with pytest.raises(Conflict, match="SignatureExpired"):
            await relayer.enrol_for(replace(signed, deadline=rig.now - 1))
        await relayer.enrol_for(signed)
        with pytest.raises(Conflict, match="InvalidSignature"):  # its nonce is used up
            await relayer.enrol_for(signed)
        assert await relayer.enrol_nonce(kit.address("ada")) == 1

    run(scenario, tmp_path)


def test_network_time_counts_even_where_no_block_has_shown_it_yet(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        deadline = kit.GENESIS + kit.EPOCH_S + kit.GRACE_S + kit.CONFIRM_S
        client = rig.client("eve")
        rig.clock[0] = deadline  # nobody mined since: the newest block is older
        assert (await client.head()).time < deadline
        await client.send(ports.Close(epoch=0))
        head = await client.head()
        closed = (await client.events(0, head.block))[-1]
        assert isinstance(closed, said.Closed)
        assert closed.at.time == head.time == deadline

    run(scenario, tmp_path)


def test_where_gas_costs_something_nothing_is_sent_that_would_be_refused(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        sent: list[str] = []

        def priced(call: dict[str, Any]) -> dict[str, Any] | None:
            sent.append(call["method"])
            return {"result": "0x7"} if call["method"] == "eth_maxPriorityFeePerGas" else None

        async with faulty_endpoint(rig.chain.endpoint, priced) as dear:
            client = rig.client("eve", urls=[dear])
            with pytest.raises(Conflict, match="CloseTooEarly"):
                await client.send(ports.Close(epoch=0))
        assert "eth_estimateGas" in sent
        assert "eth_sendRawTransaction" not in sent

    run(scenario, tmp_path)


def test_a_refusal_inside_a_batch_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        members = rig.member("ada")
        enrolments = [Enrolment(key=key(f"device {n}"), resource="energy") for n in (1, 2)]
        wrong = members.calls.retire(7)
        first, second = (members.calls.enrol(item) for item in enrolments)
        with pytest.raises(Conflict, match="ERC721NonexistentToken"):
            await members.batch([first, wrong, second])
        events = await rig.client().events(0, (await rig.client().head()).block)
        owners = [event.device for event in events if isinstance(event, said.Enrolled)]
        assert owners == [1, 2]
        with pytest.raises(Conflict, match="ERC721NonexistentToken"):
            await members.batch([wrong, members.calls.approve_bond(1)], gas=None)
        assert (await members.enrol(Enrolment(key=key("device 3"), resource="energy"))).device == 3

    run(scenario, tmp_path)


# --- nonces, finality, pages ------------------------------------------------------------------


def test_hundreds_of_transactions_of_one_account_keep_their_order(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        members = rig.member("ada")
        count = 300
        enrolments = [
            Enrolment(key=PublicKey(algorithm=Algorithm.EDDSA, raw=sha256(b"%d" % n)), resource="x")
            for n in range(count)
        ]
        receipts = await members.batch([members.calls.enrol(item) for item in enrolments])
        devices = [
            event.device
            for receipt in receipts
            for event in members.events(receipt)
            if isinstance(event, said.Enrolled)
        ]
        assert devices == list(range(1, count + 1))

    run(scenario, tmp_path)


def test_two_processes_with_one_account_do_not_lose_a_transaction(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        one, two = (Members(rig.endpoints, rig.at, kit.account("ada")) for _ in range(2))
        for number, members in enumerate((one, two, one, two, one)):
            await members.enrol(Enrolment(key=key(f"device {number}"), resource="energy"))
        await asyncio.gather(
            *(one.set_spend_limit(1, limit) for limit in range(5)),
        )
        events = await rig.client().events(0, (await rig.client().head()).block)
        assert sum(isinstance(event, said.Enrolled) for event in events) == 5
        limits = [event.limit for event in events if isinstance(event, said.SpendLimitSet)]
        assert sorted(limits) == [0, 1, 2, 3, 4]

    run(scenario, tmp_path)


def test_what_is_not_deep_enough_is_not_there_yet(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        await rig.member("gateway").register_gateway(gateway_entry())
        client = rig.client("gateway", confirmations=3)
        shallow = await rig.client().head()
        assert (await client.head()).block == shallow.block - 3
        sending = asyncio.create_task(
            client.send(ports.Anchor(tip=Tip(log_id=LOG, size=1, root=ROOT)))
        )
        while (await rig.client().head()).block <= shallow.block:
            assert not sending.done()
        for _ in range(3):
            await rig.advance(rig.now + 1)
        tx = await sending
        head = await client.head()
        assert [e.at.tx for e in await client.events(head.block, head.block)] == [tx]

    run(scenario, tmp_path)


def test_events_come_page_by_page_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(rig: kit.Rig) -> None:
        for limit in range(7):
            await rig.member("ada").set_spend_limit(1, limit)
        client = rig.client()
        head = await client.head()
        whole = await client.events(0, head.block)
        monkeypatch.setattr(chain_logs, "PAGE_BLOCKS", 3)
        assert await client.events(0, head.block) == whole
        parts = [await client.events(n, n) for n in range(head.block + 1)]
        assert tuple(event for part in parts for event in part) == whole
        with pytest.raises(InvalidInput, match="no blocks"):
            await client.events(3, 2)
        with pytest.raises(Unavailable, match="has no block"):
            await client.events(0, head.block + 1)
        again = await read_deployment(
            rig.endpoints, rig.at.settlement, rig.at.currency, rig.at.government
        )
        assert again == rig.at

    run(scenario, tmp_path)


def test_a_strangers_bytes_in_an_event_do_not_stop_the_fold(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        item = contract("Nodes")["registerVerifier"]
        data = item.selector + encode(["bytes", "bytes"], [b"\xff\xfe", b"\xc3\x28"])
        await rig.member("eve").send(Call(to=rig.at.nodes, data=data))
        client = rig.client()
        last = (await client.events(0, (await client.head()).block))[-1]
        assert isinstance(last, said.VerifierRegistered)
        assert last.name == "��"

    run(scenario, tmp_path)


# --- endpoints --------------------------------------------------------------------------------

Answer = Callable[[dict[str, Any]], dict[str, Any] | int | None]


@asynccontextmanager
async def faulty_endpoint(upstream: str, answer: Answer) -> AsyncIterator[str]:
    """Serve a JSON-RPC endpoint that passes requests on, unless `answer` says otherwise.

    A number is an HTTP status, a mapping replaces result or error, None passes on.
    """
    async with aiohttp.ClientSession() as session:

        async def handle(request: web.Request) -> web.Response:
            call = json.loads(await request.read())
            own = answer(call)
            if isinstance(own, int):
                return web.Response(status=own)
            if own is not None:
                return web.json_response({"jsonrpc": "2.0", "id": call["id"], **own})
            async with session.post(upstream, json=call) as response:
                return web.json_response(await response.json())

        application = web.Application()
        application.router.add_post("/", handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        try:
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()


def test_dead_and_overloaded_endpoints_are_skipped(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        dead = "http://127.0.0.1:9"
        healthy = rig.chain.endpoint
        async with (
            faulty_endpoint(healthy, lambda _: 503) as broken,
            faulty_endpoint(healthy, lambda _: 429) as busy,
            faulty_endpoint(healthy, lambda _: {"error": {"code": -32005, "message": "x"}}) as full,
            faulty_endpoint(healthy, lambda _: {"nonsense": 1}) as odd,
        ):
            client = rig.client("gateway", urls=[dead, broken, busy, full, odd, healthy])
            await rig.member("gateway").register_gateway(gateway_entry())
            await client.send(ports.Anchor(tip=Tip(log_id=LOG, size=1, root=ROOT)))
            assert (await client.head()).block == (await rig.client().head()).block
            nobody = rig.client(urls=[dead, broken])
            with pytest.raises(Unavailable, match="no chain endpoint answers"):
                await nobody.head()

    run(scenario, tmp_path)


def test_an_endpoint_that_dies_in_the_middle_is_replaced(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        healthy = rig.chain.endpoint
        alive = True
        async with faulty_endpoint(healthy, lambda _: None if alive else 502) as mortal:
            client = rig.client("eve", urls=[mortal, healthy])
            before = await client.head()
            alive = False
            assert await client.head() == before
            with pytest.raises(Conflict, match="CloseTooEarly"):
                await client.send(ports.Close(epoch=0))

    run(scenario, tmp_path)


def test_an_endpoint_that_limits_pages_or_lags_still_gives_everything(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        for limit in range(5):
            await rig.member("ada").set_spend_limit(1, limit)
        head = await rig.client().head()

        def limited(call: dict[str, Any]) -> dict[str, Any] | None:
            if call["method"] != "eth_getLogs":
                return None
            span = call["params"][0]
            if int(span["toBlock"], 16) - int(span["fromBlock"], 16) < 2:
                return None
            return {"error": {"code": -32602, "message": "block range is too wide"}}

        def behind(call: dict[str, Any]) -> dict[str, Any] | None:
            if call["method"] != "eth_getBlockByNumber" or call["params"][0] != hex(head.block):
                return None
            return {"result": None}

        whole = await rig.client().events(0, head.block)
        async with (
            faulty_endpoint(rig.chain.endpoint, limited) as small,
            faulty_endpoint(rig.chain.endpoint, behind) as late,
        ):
            assert await rig.client(urls=[small]).events(0, head.block) == whole
            assert await rig.client(urls=[late, small]).events(0, head.block) == whole

    run(scenario, tmp_path)


def test_another_chain_stops_everything(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        async with (
            kit.open_rig(tmp_path / "id", chain_id=kit.CHAIN_ID + 1) as other_id,
            kit.open_rig(tmp_path / "fork", start=kit.GENESIS - 999) as fork,
            kit.open_rig(tmp_path / "empty") as empty,
        ):
            await fork.found()
            assert fork.at.network_id == rig.at.network_id  # same accounts, same addresses
            healthy = rig.chain.endpoint
            for wrong, why in ((other_id, "its chain id is"), (fork, "its block 1 is another")):
                client = rig.client(urls=[wrong.chain.endpoint, healthy])
                with pytest.raises(Conflict, match=why):
                    await client.head()
            behind = rig.client(urls=[empty.chain.endpoint, healthy])
            assert (await behind.head()).block == (await rig.client().head()).block

    run(scenario, tmp_path / "home")


def test_a_transaction_that_an_endpoint_swallows_is_reported(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        def swallow(call: dict[str, Any]) -> dict[str, Any] | None:
            if call["method"] == "eth_sendRawTransaction":
                return {"result": "0x" + "00" * 32}
            return None

        async with faulty_endpoint(rig.chain.endpoint, swallow) as liar:
            endpoints = Endpoints([liar])
            members = Members(endpoints, rig.at, kit.account("ada"), timeout_s=0.05)
            with pytest.raises(Unavailable, match="is not final after"):
                await members.set_spend_limit(1, 2)
            await endpoints.close()

    run(scenario, tmp_path)


@pytest.mark.parametrize("url", ["", "ftp://x", "127.0.0.1:8545"])
def test_an_address_that_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is no endpoint"):
        Endpoints([url])
