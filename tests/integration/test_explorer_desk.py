"""The explorer's desk and ledger on real contracts: prepared, signed by a key, passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import h3
import pytest
from eth_account.messages import encode_defunct

import chain_kit as kit
from commonworks import ports
from commonworks.chain.abi import contract
from commonworks.chain.calls import Calls, GatewayEntry
from commonworks.chain.decisions import RawCall, SetParameter
from commonworks.chain.deploy import deploy
from commonworks.chain.exchange import add_genesis_liquidity, exchange_of
from commonworks.chain.government import Governance, describe_proposal
from commonworks.chain.uniswap import SWAP_EXACT_IN
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Conflict, InvalidInput, NotFound, Unavailable
from commonworks.events import AssetTotal, Commitment, Range, Share, Tip
from commonworks.explorer.ports import Prepared
from commonworks.model import Network, Settlement, Total
from commonworks.ports import Log
from commonworks.settlement import payout
from commonworks.settlement.commitment import evidence_hash
from commonworks.translog.notes import NoteKey
from commonworks.wiring.explorer.desk import ChainDesk
from commonworks.wiring.explorer.ledger import ChainLedger
from commonworks.wiring.explorer.spelling import Speller, exact

LOG: Final = sha256(b"log")
ROOT: Final = sha256(b"root")
POOL: Final = (50_021, 5_003_000)
"""Token (wei) and currency (micro-units) that the exchange opens with."""
MONEY: Final = 1_009_000
"""Currency that Ada has, micro-units."""
EARNED: Final = 3_001
DEPOSITED: Final = 700_001
METER: Final = PrivateKey.from_seed(Algorithm.EDDSA, sha256(b"meter")).public
CELL: Final = "871e15b46ffffff"
"""A map cell of resolution 7."""


class Archive:
    """Settlements that a test put in."""

    def __init__(self) -> None:
        self.payouts: dict[int, Sequence[Total]] = {}

    async def settlement(self, epoch: int) -> Settlement | None:
        found = self.payouts.get(epoch)
        return None if found is None else cast(Settlement, SimpleNamespace(payouts=tuple(found)))

    def log(self, log_id: bytes) -> Log | None:
        return None

    def note_key(self, log_id: bytes) -> NoteKey | None:
        return None


@dataclass
class Clock:
    """The rig's clock."""

    rig: kit.Rig

    def now(self) -> int:
        return self.rig.now

    async def sleep_until(self, time_s: int) -> None:
        raise NotImplementedError


@dataclass
class Office:
    """A network with an exchange, its desk, and people who sign."""

    rig: kit.Rig
    archive: Archive = field(default_factory=Archive)

    @property
    def speller(self) -> Speller:
        return Speller(
            deployment=self.rig.at,
            token_symbol="TT",
            currency_code="tEUR",
            currency_decimals=6,
        )

    @property
    def network(self) -> Network:
        at = self.rig.at
        return Network(
            network_id=at.network_id,
            genesis_time=kit.GENESIS,
            epoch_length_s=kit.EPOCH_S,
            token=at.token,
            currency=at.currency,
            currency_code="tEUR",
            treasury=at.government.timelock,
            initial_emission_wei=0,
        )

    @property
    def desk(self) -> ChainDesk:
        return ChainDesk(
            self.rig.endpoints,
            self.rig.at,
            archive=self.archive,
            clock=Clock(self.rig),
            network=self.network,
            resources=("energy",),
            speller=self.speller,
        )

    @property
    def ledger(self) -> ChainLedger:
        return ChainLedger(self.rig.endpoints, self.rig.at)

    async def prepare(self, name: str, action: str, **values: object) -> Sequence[Prepared]:
        wish = {"account": "0x" + kit.address(name).hex(), **values}
        return await self.desk.prepare(action, wish)

    async def sign(self, name: str, to: bytes | None, data: bytes, **more: Any) -> bytes:
        nonce = int(
            str(
                await self.rig.endpoints.request(
                    "eth_getTransactionCount", "0x" + kit.address(name).hex(), "pending"
                )
            ),
            16,
        )
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": kit.CHAIN_ID,
            "nonce": nonce,
            "gas": 2_000_000,
            "maxFeePerGas": 0,
            "maxPriorityFeePerGas": 0,
            "value": 0,
            "data": data,
            **more,
        }
        if to is not None:
            fields["to"] = to
        return bytes(kit.account(name).sign_transaction(fields).raw_transaction)

    async def send(self, name: str, call: Prepared) -> bytes:
        """Let somebody sign a prepared call and hand it in; return the transaction."""
        tx = await self.desk.submit(await self.sign(name, call.to, call.data))
        for _ in range(1_000):
            if (succeeded := await self.desk.receipt(tx)) is not None:
                break
            await asyncio.sleep(0.01)
        assert succeeded
        return tx

    async def act(self, name: str, action: str, **values: object) -> list[str]:
        """Prepare, sign and send an action; return what its calls did."""
        prepared = await self.prepare(name, action, **values)
        for call in prepared:
            await self.send(name, call)
        return [call.does for call in prepared]


def run(scenario: Callable[[Office], Awaitable[None]], folder: Path) -> None:
    """Run a scenario on a founded network with an exchange that has liquidity."""

    async def main() -> None:
        async with kit.open_rig(folder) as rig:
            rig.deployment = await deploy(
                rig.endpoints, kit.account("deployer"), kit.plan(exchange=True)
            )
            owner = rig.member("owner")
            await owner.mint_currency(kit.address("gateway"), POOL[1])
            await owner.mint_currency(kit.address("ada"), MONEY)
            await add_genesis_liquidity(rig.member("gateway"), *POOL)
            await scenario(Office(rig))

    asyncio.run(main())


def text_of(name: str) -> str:
    return "0x" + kit.address(name).hex()


# --- money ----------------------------------------------------------------------------------------


def test_deposit_limit_and_withdrawal(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        rig, currency = office.rig, office.rig.at.currency
        said = await office.act("ada", "deposit", asset="currency", value="0.700001")
        assert said == [
            "Allows the Vault to take up to 0.700001 tEUR from your wallet. It moves no money yet. "
            "(Token.approve)",
            "Moves 0.700001 tEUR from your wallet into the Vault, to your account's credit there. "
            "(Vault.deposit)",
        ]
        books = await rig.member("ada").vault_account(currency, kit.address("ada"))
        assert books.deposited == DEPOSITED
        held = await office.ledger.balances(kit.address("ada"))
        assert (held.currency, held.token, held.votes) == (MONEY - DEPOSITED, 100_003, 100_003)
        assert (held.contract, held.coin_wei) == (False, 0)
        with pytest.raises(Conflict, match=r"has only 0\.308999 tEUR"):
            await office.prepare("ada", "deposit", asset="currency", value="0.309")
        (said_,) = await office.act("ada", "withdraw", asset="currency", value="0,1")
        assert said_.startswith("Asks the Vault to give 0.10 tEUR of your unspent deposit back.")
        with pytest.raises(Conflict, match=r"0\.700001 tEUR of unspent deposit"):
            await office.prepare("ada", "withdraw", asset="currency", value="0.700002")
        await office.act(
            "ada", "enrol", resource="energy", public_key="0x" + METER.raw.hex(), cell=CELL
        )
        assert await rig.member("ada").owner_of(1) == kit.address("ada")
        (limited,) = await office.act("ada", "limit", device=1, value="0")
        assert limited.startswith("Lets device 1 spend at most 0.00 tEUR")
        with pytest.raises(Conflict, match="belongs to another account"):
            await office.prepare("bob", "limit", device=1, value="5")
        with pytest.raises(Conflict, match="no such device"):
            await office.prepare("bob", "limit", device=2, value="5")

    run(scenario, tmp_path)


def test_a_larger_allowance_is_cut_and_an_equal_one_kept(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        ada, at = office.rig.member("ada"), office.rig.at
        await ada.send(Calls(at).approve(at.currency, at.vault, 5))
        calls = await office.prepare("ada", "deposit", asset="currency", value="0.000005")
        assert [call.to for call in calls] == [at.vault]
        calls = await office.prepare("ada", "deposit", asset="currency", value="0.000007")
        assert [call.to for call in calls] == [at.currency, at.currency, at.vault]
        assert calls[0].does.startswith("Takes back what the Vault was allowed")

    run(scenario, tmp_path)


def test_a_sale_at_the_exchange(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        at, ledger = office.rig.at, office.ledger
        price = await ledger.sale(10_007)
        assert price is not None
        quote = await exchange_of(office.rig.endpoints, at).quote_sell(10_007)
        assert price.amount_out == quote.amount_out
        amount = "0.000000000000010007"
        calls = await office.prepare("ada", "sell", value=amount, slippage="2")
        item = SWAP_EXACT_IN
        given, least, path, receiver, deadline = item.named_inputs(calls[1].data[4:]).values()
        assert (given, receiver) == (10_007, kit.address("ada"))
        assert least == quote.amount_out * 980_000 // 1_000_000
        assert path == (at.token, at.currency)
        assert office.rig.now < cast(int, deadline) <= office.rig.now + 660
        assert f"Sells exactly {amount} TT for at least {exact(cast(int, least), 6)} tEUR" in (
            calls[1].does
        )
        for call in calls:
            await office.send("ada", call)
        held = await ledger.balances(kit.address("ada"))
        assert held.token == 100_003 - 10_007
        assert held.currency == MONEY + quote.amount_out
        with pytest.raises(Conflict, match="has only"):
            await office.prepare("ada", "sell", value="1")
        with pytest.raises(InvalidInput, match="At most 50 percent"):
            await office.prepare("ada", "sell", value=amount, slippage="50.1")
        _, late = await office.prepare("bob", "sell", value=amount)
        raw = await office.sign("bob", late.to, late.data)
        with pytest.raises(Conflict, match="could not pay"):  # the allowance was never sent
            await office.desk.submit(raw)

    run(scenario, tmp_path)


def test_a_network_without_liquidity_quotes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with kit.open_network(tmp_path) as rig:
            office = Office(rig)
            assert await office.ledger.sale(1) is None
            with pytest.raises(NotFound, match="no exchange"):
                await office.prepare("ada", "sell", value="0.0000000000000001")

    asyncio.run(main())


async def settle(office: Office, totals: Sequence[Total]) -> None:
    """Take epoch 0 from its first anchor to its finality, with these leaves."""
    rig = office.rig
    gateway_key = PrivateKey.from_seed(Algorithm.ES256, sha256(b"receipts")).public
    await rig.member("gateway").register_gateway(
        GatewayEntry(
            name="gate",
            origin="example.org/gate",
            endpoint="http://gate",
            log_id=LOG,
            note_key=sha256(b"note"),
            receipt_key=gateway_key.raw,
        )
    )
    await rig.member("verifier-a").register_verifier("eye", "http://v", bond_wei=20_011)
    await rig.advance(kit.GENESIS + 10)
    gateway, verifier = rig.client("gateway"), rig.client("verifier-a")
    tip = Tip(log_id=LOG, size=5, root=ROOT)
    await gateway.send(ports.Anchor(tip=tip))
    end = kit.GENESIS + kit.EPOCH_S
    await rig.advance(end + kit.GRACE_S)
    await verifier.send(ports.Confirm(epoch=0, tips=(tip,)))
    await rig.advance(end + kit.GRACE_S + kit.CONFIRM_S)
    await gateway.send(ports.Close(epoch=0))
    item = contract("Policy")["hashAt"]
    policy = item.results(await rig.endpoints.call(rig.at.policy, item.call(0)))[0]
    commitment = Commitment(
        previous_digest=bytes(32),
        evidence_hash=evidence_hash(0, [Range(log_id=LOG, first=0, size=5, root=ROOT)]),
        facts_hash=sha256(b"facts"),
        policy_hash=cast(bytes, policy),
        rules_hash=(0x1234).to_bytes(32, "big"),
        result_hash=sha256(b"result"),
        state_hash=sha256(b"state"),
        payout_root=payout.root(totals),
        minted_wei=0,
        totals=(
            AssetTotal(
                asset=rig.at.currency,
                earned=sum(total.earned for total in totals),
                spent=sum(total.spent for total in totals),
            ),
        ),
    )
    await verifier.send(ports.Attest(epoch=0, commitment=commitment))
    await gateway.send(ports.Finalise(epoch=0, commitment=commitment))


def test_a_claim(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        rig, currency = office.rig, office.rig.at.currency
        await office.act("ada", "deposit", asset="currency", value="0.700001")
        totals = [
            Total(asset=currency, account=kit.address("ada"), earned=0, spent=EARNED),
            Total(asset=currency, account=kit.address("bob"), earned=EARNED, spent=0),
        ]
        await settle(office, totals)
        assert await office.ledger.claimable() is None
        with pytest.raises(Conflict, match="Nothing can be claimed yet"):
            await office.prepare("bob", "claim", asset="currency")
        await rig.advance(rig.now + kit.HOLD_S)
        root = await office.ledger.claimable()
        assert root is not None
        assert (root.epoch, root.root) == (0, payout.root(totals))
        with pytest.raises(Unavailable, match="epoch 0 is not at hand"):
            await office.prepare("bob", "claim", asset="currency")
        office.archive.payouts[0] = totals
        with pytest.raises(NotFound, match="has earned nothing"):
            await office.prepare("eve", "claim", asset="currency")
        # eve pushes what bob earned: the money is bob's
        (said,) = await office.act("eve", "claim", asset="currency", receiver=text_of("bob"))
        assert "0.003001 tEUR" in said
        assert kit.account("bob").address in said
        assert (await office.ledger.balances(kit.address("bob"))).currency == EARNED
        with pytest.raises(Conflict, match="was claimed already") as caught:
            await office.prepare("bob", "claim", asset="currency")
        assert caught.value.fields["refusal"] == "NothingToClaim"
        with pytest.raises(Conflict, match=r"0\.697 tEUR of unspent deposit"):
            await office.prepare("ada", "withdraw", asset="currency", value="0.697001")

    run(scenario, tmp_path)


# --- votes and devices ----------------------------------------------------------------------------


def test_a_vote_and_what_follows(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        rig = office.rig
        await rig.advance(kit.GENESIS + 1)
        ada = Governance(rig.member("ada"))
        words = describe_proposal("More grace", "Links are slow.", kit.address("ada"))
        await ada.propose([SetParameter(key="grace_s", value=67)], words)
        with pytest.raises(Conflict, match="the proposal is pending"):
            await office.prepare("bob", "vote", proposal=1, support="for")
        (found,) = await ada.proposals()
        await rig.advance(found.vote_start + 1)
        (said,) = await office.act("bob", "vote", proposal="1", support="for", reason="It is dark.")
        assert said == (
            "Votes for proposal 1, “More grace”. Its reason stays on chain: “It is dark.”. "
            "A vote cannot be changed. (Governor.castVoteWithReason)"
        )
        with pytest.raises(Conflict, match="voted already"):
            await office.prepare("bob", "vote", proposal=1, support="against")
        with pytest.raises(Conflict, match="no votes when this vote began"):
            await office.prepare("stranger", "vote", proposal=1, support="for")
        with pytest.raises(InvalidInput, match="for, against or abstain"):
            await office.prepare("eve", "vote", proposal=1, support="maybe")
        with pytest.raises(NotFound, match="no proposal 2"):
            await office.prepare("eve", "vote", proposal=2, support="for")
        for name in ("ada", "eve", "gateway"):
            await office.act(name, "vote", proposal=1, support="for")
        await rig.advance(found.vote_end + 1)
        (queued,) = await office.act("stranger", "queue", proposal=1)
        assert queued.startswith("Puts proposal 1, “More grace” into the timelock")
        eta = (await ada.standing(found)).executable_from
        assert eta is not None
        await rig.advance(eta)
        (executed,) = await office.act("stranger", "execute", proposal=1)
        assert executed.startswith("Carries out proposal 1, “More grace”")
        with pytest.raises(Conflict, match="the proposal is executed"):
            await office.prepare("stranger", "queue", proposal=1)
        with pytest.raises(Conflict, match="only who proposed it"):
            await office.prepare("stranger", "cancel", proposal=1)

    run(scenario, tmp_path)


def test_delegating_and_payees(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        rig = office.rig
        (said,) = await office.act("ada", "delegate", to=text_of("bob"))
        assert f"Lets {kit.account('bob').address} vote with your votes" in said
        assert (await office.ledger.balances(kit.address("bob"))).votes == 200_006
        assert (await office.ledger.balances(kit.address("ada"))).delegate == kit.address("bob")
        assert (await office.ledger.balances(kit.address("bob"))).delegate == kit.address("bob")
        assert (await office.ledger.balances(rig.at.vault)).delegate is None
        key = PrivateKey.from_seed(Algorithm.ES256, sha256(b"meter")).public
        (said,) = await office.act(
            "ada",
            "enrol",
            resource="energy",
            public_key="0x" + key.raw.hex(),
            thumbprint="0x" + key.thumbprint.hex(),
        )
        assert key.thumbprint.hex() in said
        assert "It names no place." in said
        wish: dict[str, Any] = {
            "device": 1,
            "shares": [
                {"account": text_of("bob"), "ppm": 700_000},
                {"account": text_of("ada"), "ppm": 300_000},
            ],
        }
        (said,) = await office.act("ada", "payees", **wish)
        assert "among 2 payees" in said
        shares = {
            Share(account=kit.address(n), ppm=p) for n, p in (("bob", 700_000), ("ada", 300_000))
        }
        assert set(await rig.member("ada").payees_of(1)) == shares
        with pytest.raises(Conflict, match="has payees already"):
            await office.prepare("ada", "payees", **wish)
        wish["shares"][0]["ppm"] = 700_001
        with pytest.raises(InvalidInput, match="one whole"):
            await office.prepare("ada", "payees", **wish)
        for change in (
            {"public_key": "0x" + bytes(32).hex()},
            {"resource": "gold"},
            {"thumbprint": "0x" + bytes(32).hex()},
            {"cell": "x"},
            {"cell": "11"},
        ):
            values = {"resource": "energy", "public_key": "0x" + key.raw.hex(), **change}
            with pytest.raises(InvalidInput):
                await office.prepare("bob", "enrol", **values)

    run(scenario, tmp_path)


def test_a_vote_makes_cells_coarser_from_the_next_epoch_on(tmp_path: Path) -> None:
    """By the epoch that the network's clock is in, before any block of it was made."""

    async def scenario(office: Office) -> None:
        rig, wish = office.rig, {"resource": "energy", "public_key": "0x" + METER.raw.hex()}
        fine, coarse = h3.cell_to_center_child(CELL, 8), h3.cell_to_parent(CELL, 6)
        with pytest.raises(InvalidInput, match=f"{fine} is finer .* resolution 7") as caught:
            await office.prepare("ada", "enrol", **wish, cell=fine)
        assert CELL in caught.value.hint
        await rig.advance(kit.GENESIS + 1)
        ada = Governance(rig.member("ada"))
        words = describe_proposal("Coarser", "Nobody needs to know.", kit.address("ada"))
        await ada.propose([SetParameter(key="map_resolution", value=6)], words)
        (found,) = await ada.proposals()
        await rig.advance(found.vote_start + 1)
        for name in ("ada", "bob", "eve", "gateway"):
            await office.act(name, "vote", proposal=1, support="for")
        await rig.advance(found.vote_end + 1)
        await office.act("ada", "queue", proposal=1)
        eta = (await ada.standing(found)).executable_from
        assert eta is not None
        await rig.advance(eta)
        await office.act("ada", "execute", proposal=1)
        assert await office.prepare("ada", "enrol", **wish, cell=CELL)
        epoch = office.network.epoch_at(rig.now)
        rig.clock[0] = office.network.epoch_start(epoch + 1)
        with pytest.raises(InvalidInput, match="at most resolution 6") as caught:
            await office.prepare("ada", "enrol", **wish, cell=CELL)
        assert coarse in caught.value.hint
        (said,) = await office.act("ada", "enrol", **wish, cell=coarse)
        assert coarse in said
        asked = rig.member("bob")
        assert await asked.parameter("map_resolution", epoch) == 7
        assert await asked.parameter("map_resolution", epoch + 1) == 6
        assert await asked.parameter("map_resolution") == 6
        assert await asked.parameter("no_such_key") is None

    run(scenario, tmp_path)


# --- what is refused ------------------------------------------------------------------------------


def test_what_is_not_for_this_network_is_not_passed_on(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        desk, at = office.desk, office.rig.at
        calls = Calls(at)
        good = calls.transfer(at.token, kit.address("bob"), 7)
        assert good.to is not None
        raw = await office.sign("ada", good.to, good.data)
        with pytest.raises(InvalidInput, match="bytes"):
            await desk.submit(b"")
        with pytest.raises(InvalidInput, match="bytes"):
            await desk.submit(raw + bytes(70_000))
        with pytest.raises(InvalidInput):
            await desk.submit(raw[:-1])
        with pytest.raises(InvalidInput):
            await desk.submit(raw + b"\0")
        with pytest.raises(InvalidInput, match="not signed for chain"):
            await desk.submit(await office.sign("ada", good.to, good.data, chainId=1))
        stranger = kit.address("stranger")
        with pytest.raises(InvalidInput, match="no contract of this network"):
            await desk.submit(await office.sign("ada", stranger, b""))
        with pytest.raises(InvalidInput, match="for nobody"):
            await desk.submit(await office.sign("ada", None, b"\x60\x00"))
        # one bit of the content changed: the signature is somebody else's, who owns nothing
        place = raw.index(good.data) + len(good.data) - 1
        tampered = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises((Conflict, InvalidInput)):
            await desk.submit(tampered)
        much = calls.transfer(at.token, kit.address("bob"), 10**9)
        assert much.to is not None
        with pytest.raises(Conflict, match="does not have that much") as caught:
            await desk.submit(await office.sign("ada", much.to, much.data))
        assert caught.value.fields["refusal"] == "ERC20InsufficientBalance"
        with pytest.raises(Conflict, match="has to come before 1"):
            await desk.submit(await office.sign("ada", good.to, good.data, nonce=1))
        tx = await desk.submit(raw)
        assert await desk.submit(raw) == tx
        with pytest.raises(Conflict, match="number 0 for another transaction"):
            await desk.submit(await office.sign("ada", good.to, good.data, nonce=0, gas=90_000))
        assert await desk.receipt(bytes(32)) is None

    run(scenario, tmp_path)


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("steal", {}),
        ("deposit", {"asset": "gold", "value": "1"}),
        ("deposit", {"asset": "currency"}),
        ("deposit", {"asset": "currency", "value": "0"}),
        ("deposit", {"asset": "currency", "value": "-1"}),
        ("deposit", {"asset": "currency", "value": "1e3"}),
        ("deposit", {"asset": "currency", "value": "1.0000001"}),
        ("deposit", {"asset": "currency", "value": "9" * 40}),
        ("deposit", {"asset": "currency", "value": 1}),
        ("sell", {"value": "1", "slippage": "x"}),
        ("vote", {"proposal": "x", "support": "for"}),
        ("limit", {"device": -1, "value": "1"}),
        ("limit", {"device": True, "value": "1"}),
        ("delegate", {"to": "bob"}),
        ("payees", {"device": 1, "shares": []}),
        ("payees", {"device": 1, "shares": [7]}),
        ("claim", {"account": "0x12", "asset": "token"}),
    ],
)
def test_wishes_are_read_strictly(action: str, values: Mapping[str, object]) -> None:
    nothing = bytes(20)
    at = cast(
        Any,
        SimpleNamespace(
            vault=nothing,
            token=nothing,
            currency=bytes([1]) * 20,
            government=SimpleNamespace(router=nothing),
        ),
    )
    desk = ChainDesk(
        cast(Any, None), at, archive=Archive(), clock=cast(Any, None), network=cast(Any, None),
        resources=(), speller=Speller(
            deployment=at, token_symbol="TT", currency_code="tEUR", currency_decimals=6
        ),
    )  # fmt: skip
    with pytest.raises(InvalidInput):
        asyncio.run(desk.prepare(action, {"account": text_of("ada"), **values}))


# --- words ----------------------------------------------------------------------------------------


def test_words_never_say_more_than_the_bytes(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        at, speller = office.rig.at, office.speller
        data = Calls(at).deposit(at.currency, 5).data
        said = speller.words(RawCall(to=at.vault, value_wei=0, data=data))
        assert said.startswith("Moves 0.000005 tEUR")
        for hidden in (
            RawCall(to=at.vault, value_wei=0, data=data + b"\0"),
            RawCall(to=at.vault, value_wei=1, data=data),
            RawCall(to=kit.address("eve"), value_wei=0, data=data),
            RawCall(to=at.vault, value_wei=0, data=data[:40]),
            RawCall(to=at.vault, value_wei=0, data=b""),
        ):
            assert "Moves" not in speller.words(hidden)
        router = at.government.router
        assert router is not None
        path = [at.currency, at.token]
        swap = SWAP_EXACT_IN.call(1, 2, path, kit.address("ada"), 3)
        assert "Sells" not in speller.words(RawCall(to=router, value_wei=0, data=swap))

    run(scenario, tmp_path)


def test_a_contract_account_is_asked_for_its_signature(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        ledger = office.ledger
        digest = sha256(b"digest")
        ada = kit.account("ada")
        signature = bytes(ada.sign_message(encode_defunct(b"x")).signature)
        assert not await ledger.signed(kit.address("ada"), digest, signature)
        assert not await ledger.signed(office.rig.at.vault, digest, signature)
        assert (await ledger.balances(office.rig.at.vault)).contract

    run(scenario, tmp_path)
