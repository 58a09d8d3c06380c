"""Members with passkeys and no coin, through a relay over HTTP, on the embedded chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import chain_kit as kit
from commonworks import ports
from commonworks.chain.abi import contract
from commonworks.chain.accounts import address_text
from commonworks.chain.ballots import Support, sign_vote
from commonworks.chain.calls import Calls
from commonworks.chain.decisions import SetParameter
from commonworks.chain.delegation import delegate_call, lending_of, sign_delegation
from commonworks.chain.deploy import deploy
from commonworks.chain.endpoints import Endpoints, Rejected, hex_of
from commonworks.chain.government import Governance
from commonworks.chain.messages import (
    Enrolment,
    sign_batch,
    sign_enrolment,
    sign_permit,
    sign_share_transfer,
    sign_spend_limit,
    sign_withdrawal,
)
from commonworks.chain.passkey import (
    PasskeySigner,
    Step,
    Terms,
    cancel_recovery,
    clone_code,
    key_of,
    point,
    set_recoverers,
    sign_recovery,
)
from commonworks.chain.plan import GenesisParameter
from commonworks.chain.relayed import RelayedChain, message_of
from commonworks.chain.signer import Signer
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import Conflict
from commonworks.events import AssetTotal, Commitment, Share
from commonworks.model import Network, Total
from commonworks.relay import Limits, Message, Relay, encode_message
from commonworks.relay.messages import (
    AccountCall,
    Claim,
    CreateAccount,
    Delegation,
    Execute,
    FinishRecovery,
    StartRecovery,
)
from commonworks.settlement import payout
from commonworks.settlement.commitment import evidence_hash
from commonworks.simulation.store import SimulatedStore
from commonworks.storage.files import FileStore
from commonworks.transport import serve
from commonworks.transport.relay_app import RelayApp

DAY_S = 86_400
DEADLINE = kit.GENESIS + 100 * DAY_S
FUNDS = 1_000_003


class Clock:
    """Network time as the rig has it."""

    def __init__(self, rig: kit.Rig) -> None:
        self._rig = rig

    def now(self) -> int:
        """Return the rig's time."""
        return self._rig.now

    async def sleep_until(self, time_s: int) -> None:
        """Nothing here waits."""
        raise AssertionError(time_s)


@dataclass(kw_only=True)
class Street:
    """A network with a relay, and one's way to both."""

    rig: kit.Rig
    chain: RelayedChain
    url: str
    http: aiohttp.ClientSession

    async def post(self, document: bytes) -> tuple[int, dict[str, Any]]:
        """Send a document to the relay; return status and answer."""
        async with self.http.post(f"{self.url}/v1/relay", data=document) as answer:
            return answer.status, json.loads(await answer.read())

    async def hand_in(self, message: Message) -> dict[str, Any]:
        """Have a message handed in; fail where the relay declines."""
        status, answer = await self.post(encode_message(message))
        assert status == 200, answer
        return answer

    async def declined(self, message: Message, status: int, reason: str) -> dict[str, Any]:
        """Have a message declined for a reason."""
        found, answer = await self.post(encode_message(message))
        assert (found, answer.get("reason")) == (status, reason), answer
        assert answer["status"] == status
        assert answer["detail"]
        assert "\n" not in answer["detail"]
        return answer

    async def budget(self, account: bytes) -> dict[str, Any]:
        """Return what the relay still pays for an account."""
        url = f"{self.url}/v1/relay/budget/{address_text(account)}"
        async with self.http.get(url) as answer:
            assert answer.status == 200
            return dict(await answer.json())

    async def ask(self, name: str, at: bytes, function: str, *values: object) -> Any:
        """Return what a contract's view answers, its first value."""
        item = contract(name)[function]
        return item.results(await self.rig.endpoints.call(at, item.call(*values)))[0]

    async def passkey(
        self, name: str, recoverers: Sequence[bytes] = (), threshold: int = 0
    ) -> PasskeySigner:
        """Create a member's account, relayed."""
        key = PrivateKey.from_seed(Algorithm.ES256, sha256(b"passkey " + name.encode()))
        terms = Terms(
            key=key.public,
            recoverers=tuple(sorted(recoverers)),
            threshold=threshold,
            recovery_delay_s=DAY_S,
        )
        answer = await self.hand_in(creation(terms))
        return PasskeySigner(address=bytes.fromhex(answer["account"][2:]), key=key)

    async def execute(self, member: PasskeySigner, *steps: Step) -> Execute:
        """Return a signed batch of a member's."""
        nonce = int(await self.ask("MemberAccount", member.address, "executionNonce"))
        chain_id = self.rig.at.chain_id
        return Execute(
            account=member.address,
            calls=tuple(AccountCall(target=s.target, value=s.value, data=s.data) for s in steps),
            deadline=DEADLINE,
            signature=member.sign_batch(chain_id, steps, nonce=nonce, deadline=DEADLINE),
        )


def creation(terms: Terms) -> CreateAccount:
    """Return the message that creates an account."""
    qx, qy = point(terms.key)
    return CreateAccount(
        qx=qx,
        qy=qy,
        recoverers=terms.recoverers,
        threshold=terms.threshold,
        recovery_delay_s=terms.recovery_delay_s,
    )


def device(name: str) -> PublicKey:
    """Return a device's key."""
    return PrivateKey.from_seed(Algorithm.EDDSA, sha256(name.encode())).public


async def network_of(rig: kit.Rig) -> Network:
    """Return the network as the relay needs it."""
    return Network(
        network_id=rig.at.network_id,
        genesis_time=kit.GENESIS,
        epoch_length_s=kit.EPOCH_S,
        token=rig.at.token,
        currency=rig.at.currency,
        currency_code="TST",
        treasury=rig.at.government.timelock,
        initial_emission_wei=kit.INITIAL_EMISSION_WEI,
    )


@asynccontextmanager
async def open_street(folder: Path, **limits: int) -> AsyncIterator[Street]:
    """Start a chain, a network on it, and a relay that `eve` pays for."""
    async with kit.open_rig(folder / "chain") as rig:
        plan = kit.plan()
        parameters = [_limited(parameter, limits) for parameter in plan.parameters]
        changed = replace(plan, parameters=tuple(parameters))
        rig.deployment = await deploy(rig.endpoints, kit.account("deployer"), changed)
        chain = RelayedChain(rig.endpoints, rig.at, kit.account("eve"))
        store = FileStore(folder / "relay", exclusive=True)
        try:
            relay = await Relay.open(
                network=await network_of(rig), store=store, chain=chain, clock=Clock(rig)
            )
            async with serve(RelayApp(relay)) as url, aiohttp.ClientSession() as http:
                yield Street(rig=rig, chain=chain, url=url, http=http)
        finally:
            store.close()


def _limited(parameter: GenesisParameter, limits: dict[str, int]) -> GenesisParameter:
    return replace(parameter, value=limits.get(parameter.key, parameter.value))


def run(scenario: Callable[[Street], Awaitable[None]], folder: Path, **limits: int) -> None:
    """Run a scenario on a street of its own."""

    async def main() -> None:
        async with open_street(folder, **limits) as street:
            await scenario(street)

    asyncio.run(main())


# --- accounts -------------------------------------------------------------------------------------


def test_an_account_is_created_where_its_key_says(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        member = await street.passkey("ada", [kit.address("ada"), kit.address("bob")], 2)
        code = await street.rig.endpoints.request(
            "eth_getCode", "0x" + member.address.hex(), "latest"
        )
        factory = street.rig.at.government.accounts
        implementation = await street.ask("MemberAccounts", factory, "implementation")
        assert code == "0x" + clone_code(implementation).hex()
        x, y = point(member.key.public)
        item = contract("MemberAccount")["signer"]
        answer = item.results(await street.rig.endpoints.call(member.address, item.call()))
        assert answer == (x, y)
        assert key_of(x, y) == member.key.public
        terms = Terms(
            key=member.key.public,
            recoverers=tuple(sorted([kit.address("ada"), kit.address("bob")])),
            threshold=2,
            recovery_delay_s=DAY_S,
        )
        again = await street.declined(creation(terms), 409, "would_fail")
        assert again["error"] == "AccountExists"
        bad = creation(replace(terms, threshold=3))
        refused = await street.declined(bad, 409, "would_fail")
        assert refused["error"] == "ThresholdOutOfRange"

    run(scenario, tmp_path)


# --- everything that a member signs ---------------------------------------------------------------


async def enrol_everything(street: Street, member: PasskeySigner) -> None:
    """Enrol one device and two more, and limit what the first may spend."""
    rig = street.rig
    one = Enrolment(key=device("one"), resource="rain", cell=7)
    signed = sign_enrolment(member, rig.at, one, nonce=0, deadline=DEADLINE)
    answer = await street.hand_in(message_of(signed))
    assert bytes.fromhex(answer["account"][2:]) == member.address
    used = await street.declined(message_of(signed), 403, "bad_signature")
    assert used["error"] == "InvalidSignature"
    many = [Enrolment(key=device(name), resource="rain", cell=7) for name in ("two", "three")]
    batch = sign_batch(member, rig.at, "rain", many, nonce=1, deadline=DEADLINE)
    await street.hand_in(message_of(batch))
    for number in (1, 2, 3):
        assert await street.ask("Devices", rig.at.devices, "ownerOf", number) == member.address
    limit = sign_spend_limit(member, rig.at, 1, 5_003, nonce=0, deadline=DEADLINE)
    await street.hand_in(message_of(limit))


async def deposit_and_withdraw(street: Street, member: PasskeySigner) -> None:
    """Deposit in one batch, then ask for a part of it back."""
    rig, calls = street.rig, Calls(street.rig.at)
    currency = rig.at.currency
    await rig.member("owner").mint_currency(member.address, FUNDS)
    steps = [
        Step(target=currency, data=calls.approve_deposit(currency, 701).data),
        Step(target=rig.at.vault, data=calls.deposit(currency, 701).data),
    ]
    await street.hand_in(await street.execute(member, *steps))
    books = await rig.member("eve").vault_account(currency, member.address)
    assert books.deposited == 701
    wish = sign_withdrawal(member, rig.at, currency, 103, nonce=1, deadline=DEADLINE)
    await street.hand_in(message_of(wish))
    too_much = sign_withdrawal(member, rig.at, currency, 702, nonce=2, deadline=DEADLINE)
    refused = await street.declined(message_of(too_much), 409, "would_fail")
    assert refused["error"] == "WithdrawalOutOfRange"


async def share(street: Street, member: PasskeySigner) -> None:
    """Let a device's earnings belong to two, then hand a part on by signature."""
    rig = street.rig
    payees = sorted([Share(account=member.address, ppm=600_000), Share(account=kit.address("bob"),
        ppm=400_000)], key=lambda share: share.account)  # fmt: skip
    listed = [(share.account, share.ppm) for share in payees]
    data = contract("Devices")["setPayees"].call(1, listed)
    await street.hand_in(await street.execute(member, Step(target=rig.at.devices, data=data)))
    signed = sign_share_transfer(
        member, rig.at, 1, kit.address("ada"), 100_000, nonce=2, deadline=DEADLINE
    )
    await street.hand_in(message_of(signed))
    held = await street.ask("Devices", rig.at.devices, "payeesOf", 1)
    assert dict(held) == {
        member.address: 500_000, kit.address("bob"): 400_000, kit.address("ada"): 100_000
    }  # fmt: skip


async def vote(street: Street, member: PasskeySigner) -> None:
    """Vote with tokens that lie in the account, without and with a reason."""
    rig = street.rig
    await rig.member("ada").transfer(rig.at.token, member.address, 10_007)
    await rig.advance(rig.now + 10)
    ada = Governance(rig.member("ada"))
    made = []
    for value in (100_003, 100_019):
        change = SetParameter(key="lateness_s", value=value)
        made.append((await ada.propose([change], f"# {value}")).proposal)
    await rig.advance(rig.now + 2 * DAY_S)
    for number, (proposal, reason) in enumerate(zip(made, ("", "for the grids"), strict=True)):
        support = (Support.FOR, Support.ABSTAIN)[number]
        signed = sign_vote(member, rig.at, proposal, support, nonce=number, reason=reason)
        forged = replace(message_of(signed), support=0)  # type: ignore[type-var]
        refused = await street.declined(forged, 403, "bad_signature")
        assert refused["error"] == "GovernorInvalidSignature"
        await street.hand_in(message_of(signed))
        assert await street.ask(
            "CommonsGovernor", rig.at.government.governor, "hasVoted", proposal, member.address
        )


async def lend(street: Street, member: PasskeySigner) -> None:
    """Lend votes: a passkey's account calls for itself, a key signs and pays nothing either."""
    rig, bob = street.rig, kit.address("bob")
    looking = rig.member("eve")
    before = await lending_of(looking, member.address)
    assert (before.delegate, before.own, before.casts) == (member.address, 10_007, 10_007)
    call = delegate_call(rig.at, bob)
    await street.hand_in(await street.execute(member, Step(target=rig.at.votes, data=call.data)))
    lent = await lending_of(looking, member.address)
    assert (lent.delegate, lent.own, lent.casts) == (bob, 10_007, 0)


def test_a_member_with_a_passkey_and_no_coin_does_everything(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        member = await street.passkey("ada")
        await enrol_everything(street, member)
        await deposit_and_withdraw(street, member)
        await share(street, member)
        await vote(street, member)
        await lend(street, member)
        assert (
            int(
                await street.rig.endpoints.request(  # type: ignore[call-overload]
                    "eth_getTransactionCount", "0x" + member.address.hex(), "latest"
                ),
                16,
            )
            == 1
        )
        budget = await street.budget(member.address)
        assert budget["member"] is True
        assert int(budget["spent"]) + int(budget["left"]) == int(budget["limit"]) == 3_000_000

    run(scenario, tmp_path)


def test_an_account_with_a_key_deposits_by_permit(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        rig = street.rig
        await rig.member("owner").mint_currency(kit.address("ada"), FUNDS)
        domain = await rig.member("eve").permit_domain(rig.at.currency)
        signed = sign_permit(
            kit.signer("ada"), rig.at, rig.at.currency, 701,
            domain=domain, nonce=0, deadline=DEADLINE,
        )  # fmt: skip
        await street.declined(message_of(replace(signed, amount=702)), 403, "bad_signature")
        await street.hand_in(message_of(signed))
        books = await rig.member("eve").vault_account(rig.at.currency, kit.address("ada"))
        assert books.deposited == 701

    run(scenario, tmp_path)


def test_an_account_with_a_key_lends_its_votes_by_signature(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        rig, ada, bob = street.rig, kit.signer("ada"), kit.address("bob")
        looking, votes = rig.member("eve"), rig.at.votes
        domain = await looking.permit_domain(votes)
        own = (await lending_of(looking, ada.address)).own
        assert own > 0

        async def signed(delegatee: bytes, **other: Any) -> Delegation:
            nonce = await looking.permit_nonce(votes, ada.address)
            wish = {"nonce": nonce, "deadline": DEADLINE} | other
            made = message_of(sign_delegation(ada, rig.at, delegatee, domain=domain, **wish))
            assert isinstance(made, Delegation)
            return made

        good = await signed(bob)
        for forged in (
            replace(good, account=kit.address("eve")),  # nobody spends another's budget
            replace(good, delegatee=kit.address("eve")),
            replace(good, nonce=1),
            replace(good, signature=bytes(65)),
            replace(good, signature=bytes([1]) * 64 + b"\x1b"),
            await signed(bob, nonce=1),
        ):
            await street.declined(forged, 403, "bad_signature")
        late = await street.declined(await signed(bob, deadline=1), 409, "would_fail")
        assert late["error"] == "VotesExpiredSignature"
        coin = await rig.endpoints.request("eth_getBalance", hex_of(ada.address), "latest")
        answer = await street.hand_in(good)
        assert answer["account"].lower() == hex_of(ada.address)
        lent = await lending_of(looking, ada.address)
        assert (lent.delegate, lent.own, lent.casts) == (bob, own, 0)
        again = await street.declined(good, 403, "bad_signature")
        assert again["error"] == "InvalidAccountNonce"
        await street.hand_in(await signed(ada.address))
        back = await lending_of(looking, ada.address)
        assert (back.delegate, back.own, back.casts) == (ada.address, own, own)
        assert coin == await rig.endpoints.request("eth_getBalance", hex_of(ada.address), "latest")
        outside = await lending_of(looking, rig.at.vault)
        assert outside.delegate == bytes(20)

    run(scenario, tmp_path)


def test_a_claim_is_pushed(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        rig = street.rig
        member = await street.passkey("ada")
        verifier = rig.client("verifier-a")
        await rig.member("verifier-a").register_verifier("eye", "http://v", bond_wei=20_011)
        end = kit.GENESIS + kit.EPOCH_S
        await rig.advance(kit.GENESIS + 1)
        await rig.advance(end + kit.GRACE_S + kit.CONFIRM_S)
        await verifier.send(ports.Close(epoch=0))
        totals = [
            Total(asset=rig.at.token, account=member.address, earned=997, spent=0),
            Total(asset=rig.at.token, account=kit.address("bob"), earned=3, spent=0),
        ]
        commitment = Commitment(
            previous_digest=bytes(32),
            evidence_hash=evidence_hash(0, []),
            facts_hash=bytes(32),
            policy_hash=await street.ask("Policy", rig.at.policy, "hashAt", 0),
            rules_hash=(0x1234).to_bytes(32, "big"),
            result_hash=bytes(32),
            state_hash=bytes(32),
            payout_root=payout.root(totals),
            minted_wei=1_000,
            totals=(AssetTotal(asset=rig.at.token, earned=1_000, spent=0),),
        )
        await verifier.send(ports.Attest(epoch=0, commitment=commitment))
        await verifier.send(ports.Finalise(epoch=0, commitment=commitment))
        leaf, proof = payout.proof(totals, rig.at.token, member.address)
        claim = Claim(
            account=leaf.account, asset=leaf.asset, earned=leaf.earned, spent=leaf.spent,
            proof=tuple(proof),
        )  # fmt: skip
        await street.declined(claim, 409, "would_fail")
        await rig.advance(rig.now + kit.HOLD_S)
        await street.hand_in(claim)
        assert await rig.member("eve").balance(rig.at.token, member.address) == 997
        again = await street.declined(claim, 409, "would_fail")
        assert again["error"] == "NothingToClaim"
        assert street.chain.call_of(claim) == Calls(rig.at).claim(leaf, proof)

    run(scenario, tmp_path)


# --- recovery -------------------------------------------------------------------------------------


async def start(
    street: Street, member: PasskeySigner, new: PrivateKey, keepers: Sequence[Signer]
) -> StartRecovery:
    """Return a recovery that some people signed."""
    nonce = int(await street.ask("MemberAccount", member.address, "recoveryNonce"))
    qx, qy = point(new.public)
    ordered = sorted(keepers, key=lambda keeper: keeper.address)
    return StartRecovery(
        account=member.address,
        qx=qx,
        qy=qy,
        deadline=DEADLINE,
        signers=tuple(keeper.address for keeper in ordered),
        signatures=tuple(
            sign_recovery(
                keeper, street.rig.at.chain_id, member.address, new.public,
                nonce=nonce, deadline=DEADLINE,
            )
            for keeper in ordered
        ),
    )  # fmt: skip


def test_two_of_three_people_recover_an_account(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        rig = street.rig
        friend = await street.passkey("friend")
        keepers: list[Signer] = [kit.signer("ada"), kit.signer("bob"), friend]
        member = await street.passkey("member", [k.address for k in keepers], 2)
        new = PrivateKey.from_seed(Algorithm.ES256, sha256(b"the new telephone"))
        few = await start(street, member, new, keepers[:1])
        assert (await street.declined(few, 409, "would_fail"))["error"] == "TooFewSigners"
        stranger = await start(street, member, new, [kit.signer("eve"), friend])
        refused = await street.declined(stranger, 409, "would_fail")
        assert refused["error"] == "NotARecoverer"
        await street.hand_in(await start(street, member, new, keepers[1:]))
        early = FinishRecovery(account=member.address)
        assert (await street.declined(early, 409, "would_fail"))["error"] == "RecoveryTooEarly"

        await street.hand_in(await street.execute(member, cancel_recovery(member.address)))
        assert (await street.declined(early, 409, "would_fail"))["error"] == "NoRecovery"
        used = await start(street, member, new, keepers[1:])
        await street.hand_in(used)
        await street.declined(used, 403, "bad_signature")

        await rig.advance(rig.now + DAY_S)
        await street.hand_in(FinishRecovery(account=member.address))
        one = Enrolment(key=device("one"), resource="rain")
        old = sign_enrolment(member, rig.at, one, nonce=0, deadline=DEADLINE)
        await street.declined(message_of(old), 403, "bad_signature")
        renewed = PasskeySigner(address=member.address, key=new)
        signed = sign_enrolment(renewed, rig.at, one, nonce=0, deadline=DEADLINE)
        await street.hand_in(message_of(signed))
        chosen = set_recoverers([kit.address("ada")], 1, 2 * DAY_S, member.address)
        await street.hand_in(await street.execute(renewed, chosen))
        assert await street.ask("MemberAccount", member.address, "threshold") == 1

    run(scenario, tmp_path)


# --- what the relay does not do -------------------------------------------------------------------


def test_contracts_that_are_no_member_accounts_get_nothing(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        for account in (street.rig.at.vault, kit.address("ada")):
            await street.declined(FinishRecovery(account=account), 404, "no_account")

    run(scenario, tmp_path)


def test_a_budget_runs_out_and_renews(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        rig = street.rig
        await rig.advance(kit.GENESIS + 5)
        assert await street.chain.limits(0) == Limits(member_gas=400_000, total_gas=10_000_000)
        await rig.member("ada").enrol(Enrolment(key=device("first"), resource="rain"))
        ada, number = kit.signer("ada"), 0
        while True:
            one = Enrolment(key=device(f"{number}"), resource="rain")
            signed = sign_enrolment(ada, rig.at, one, nonce=number, deadline=DEADLINE)
            status, answer = await street.post(encode_message(message_of(signed)))
            if status != 200:
                break
            number += 1
        assert (status, answer["reason"]) == (429, "over_budget")
        assert answer["renews"] == kit.GENESIS + kit.EPOCH_S
        assert 2 <= number <= 8
        budget = await street.budget(ada.address)
        assert int(budget["spent"]) <= 400_000
        assert budget["renews"] == kit.GENESIS + kit.EPOCH_S
        await rig.advance(kit.GENESIS + kit.EPOCH_S)
        await street.hand_in(message_of(signed))

    run(scenario, tmp_path, relay_gas_member=400_000, relay_gas_total=10_000_000)


def test_late_and_malformed_documents_and_odd_requests(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        rig, url = street.rig, street.url
        one = Enrolment(key=device("one"), resource="rain")
        late = sign_enrolment(kit.signer("ada"), rig.at, one, nonce=0, deadline=rig.now - 1)
        refused = await street.declined(message_of(late), 409, "would_fail")
        assert refused["error"] == "SignatureExpired"
        for document, reason in ((b'{"kind":"mint"}', "unknown_kind"), (b"{", "malformed")):
            status, answer = await street.post(document)
            assert (status, answer["reason"]) == (400, reason)
        async with street.http.get(f"{url}/v1/relay") as answer_:
            assert (answer_.status, answer_.headers["allow"]) == (405, "POST")
        async with street.http.get(f"{url}/v1/relay/budget/0x12") as answer_:
            assert answer_.status == 400
            assert answer_.content_type == "application/problem+json"
        for path in ("/", "/v1/relay/", "/v1/relay/budget", "/v1/relay?x=1"):
            async with street.http.get(url + path) as answer_:
                assert answer_.status == 404
        status, _ = await street.post(b" " * (300 << 10))
        assert status == 413

    run(scenario, tmp_path)


def test_a_chain_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        rig = street.rig
        endpoints = Endpoints(["http://127.0.0.1:1"])
        chain = RelayedChain(endpoints, rig.at, kit.account("eve"))
        store = SimulatedStore()
        relay = await Relay.open(
            network=await network_of(rig), store=store, chain=chain, clock=Clock(rig)
        )
        async with serve(RelayApp(relay)) as url:
            alone = replace(street, url=url)
            answer = await alone.declined(
                FinishRecovery(account=kit.address("ada")), 503, "unavailable"
            )
            assert "no chain endpoint answers" in answer["detail"]
            async with street.http.get(f"{url}/v1/relay/budget/0x{'00' * 20}") as budget:
                assert budget.status == 503
        assert not store.files()
        await endpoints.close()

    run(scenario, tmp_path)


def test_the_relays_calls_are_those_of_members(tmp_path: Path) -> None:
    async def scenario(street: Street) -> None:
        at, calls, ada = street.rig.at, Calls(street.rig.at), kit.signer("ada")
        one = Enrolment(key=device("one"), resource="rain", cell=3)
        enrolment = sign_enrolment(ada, at, one, nonce=0, deadline=DEADLINE)
        batch = sign_batch(ada, at, "rain", [one, one], nonce=0, deadline=DEADLINE)
        moved = sign_share_transfer(ada, at, 1, bytes(20), 5, nonce=0, deadline=DEADLINE)
        wish = sign_withdrawal(ada, at, at.token, 7, nonce=0, deadline=DEADLINE)
        limit = sign_spend_limit(ada, at, 1, 7, nonce=0, deadline=DEADLINE)
        domain = await street.rig.member("eve").permit_domain(at.token)
        permit = sign_permit(ada, at, at.token, 7, domain=domain, nonce=0, deadline=DEADLINE)
        pairs = [
            (enrolment, calls.enrol_for(enrolment)),
            (batch, calls.enrol_batch_for(batch)),
            (moved, calls.transfer_share_for(moved)),
            (wish, calls.request_withdrawal_for(wish)),
            (limit, calls.set_spend_limit_for(limit)),
            (permit, calls.deposit_with_permit(permit)),
        ]
        for signed, call in pairs:
            assert street.chain.call_of(message_of(signed)) == call

    run(scenario, tmp_path)


def test_a_payer_without_coin_sends_nothing_and_books_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(street: Street) -> None:
        async def broke(call: object) -> object:
            raise Rejected("insufficient funds", hint="send this account some coin")

        monkeypatch.setattr(street.chain._sender, "send", broke)
        one = Enrolment(key=device("one"), resource="rain")
        signed = sign_enrolment(kit.signer("ada"), street.rig.at, one, nonce=0, deadline=DEADLINE)
        answer = await street.declined(message_of(signed), 503, "unavailable")
        assert "insufficient funds" in answer["detail"]
        assert (await street.budget(kit.address("ada")))["spent"] == "0"

        async def reverted(call: object) -> object:
            raise Conflict("the contract refuses", refusal="SignatureExpired")

        monkeypatch.setattr(street.chain._sender, "send", reverted)
        answer = await street.declined(message_of(signed), 409, "would_fail")
        assert answer["error"] == "SignatureExpired"
        assert int((await street.budget(kit.address("ada")))["spent"]) > 50_000

    run(scenario, tmp_path)
