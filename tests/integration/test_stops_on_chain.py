"""Halts and the exit on real contracts, as the explorer's pages tell them while they last."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import httpx2
import pytest
from sqlalchemy import Engine

import chain_kit as kit
import explorer_kit
from commonworks import ports
from commonworks.chain.abi import contract
from commonworks.chain.calls import Calls, GatewayEntry
from commonworks.chain.transactions import Call
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Conflict
from commonworks.events import AssetTotal, Commitment, Range, Tip
from commonworks.explorer.app import build_app
from commonworks.explorer.index import schema
from commonworks.explorer.index.engine import open_index
from commonworks.explorer.index.follow import Follower
from commonworks.explorer.site import Contracts, Site
from commonworks.model import Network, Settlement, Total
from commonworks.settlement import payout
from commonworks.settlement.commitment import digest, evidence_hash
from commonworks.units import DAY_S
from commonworks.wiring.explorer.desk import ChainDesk
from commonworks.wiring.explorer.ledger import ChainLedger
from commonworks.wiring.explorer.spelling import Speller
from index_story import differences

VERIFIERS: Final = ("verifier-a", "verifier-b", "verifier-c")
LOG: Final = sha256(b"log")
NOTICE: Final = 'aria-label="What stops money"'
VAULT_ACTS: Final = ("claim", "deposit", "withdraw", "exit")
DEPOSIT: Final = 1_009
EARNED: Final = (0, 101, 103)
"""What Bob earned after epochs 0, 1 and 2, of what Ada spent, micro-units."""


@dataclass
class Archive:
    """Payout trees for the desk; settlements for the index are none here."""

    payouts: dict[int, Sequence[Total]] = field(default_factory=dict)

    async def settlement(self, epoch: int) -> Settlement | None:
        found = self.payouts.get(epoch)
        return None if found is None else cast(Settlement, SimpleNamespace(payouts=tuple(found)))

    def log(self, log_id: bytes) -> None:
        return None

    def note_key(self, log_id: bytes) -> None:
        return None


@dataclass
class Clock:
    rig: kit.Rig

    def now(self) -> int:
        return self.rig.now

    async def sleep_until(self, time_s: int) -> None:
        raise NotImplementedError


def network(rig: kit.Rig) -> Network:
    at = rig.at
    return Network(
        network_id=at.network_id,
        genesis_time=kit.GENESIS,
        epoch_length_s=kit.EPOCH_S,
        token=at.token,
        currency=at.currency,
        currency_code="tEUR",
        treasury=at.government.timelock,
        initial_emission_wei=kit.INITIAL_EMISSION_WEI,
    )


class Town:
    """A network with three verifiers, its index and its explorer."""

    def __init__(self, rig: kit.Rig, engine: Engine) -> None:
        self.rig, self.engine, self.at = rig, engine, rig.at
        self.archive = Archive()
        self.follower = self.follow(engine)
        self.desk = ChainDesk(
            rig.endpoints, rig.at, archive=self.archive, clock=Clock(rig), resources=(),
            network=network(rig),
            speller=Speller(
                deployment=rig.at, token_symbol="TT", currency_code="tEUR", currency_decimals=6
            ),
        )  # fmt: skip
        self.site = self._site()
        self.previous = bytes(32)
        self.size = 0

    def _site(self) -> Site:
        at, government = self.at, self.at.government
        made: Site = explorer_kit.make_site(
            engine=self.engine,
            network=network(self.rig),
            clock=Clock(self.rig),
            labels={kit.address("bob"): "bob", kit.address("guardian"): "watch"},
            bond_asset=at.token,
            ledger=ChainLedger(self.rig.endpoints, at),
            desk=self.desk,
            contracts=Contracts(
                chain_id=kit.CHAIN_ID, settlement=at.settlement, vault=at.vault,
                devices=at.devices, nodes=at.nodes, policy=at.policy, token=at.token,
                currency=at.currency, governor=government.governor, timelock=government.timelock,
                membership=None, router=None,
            ),
        )  # fmt: skip
        return made

    def follow(self, engine: Engine) -> Follower:
        return Follower(
            engine=engine, chain=self.rig.client(), archive=Archive(),
            council=explorer_kit.Told(), resources={}, network=network(self.rig),
            first_block=self.at.genesis_block, publish=lambda _kind, _data: None,
        )  # fmt: skip

    async def found(self) -> None:
        """Register nodes; Ada deposits."""
        rig = self.rig
        key = PrivateKey.from_seed(Algorithm.ES256, sha256(b"receipts")).public
        entry = GatewayEntry(
            name="gate", origin="example.org/gate", endpoint="http://gate", log_id=LOG,
            note_key=sha256(b"note"), receipt_key=key.raw,
        )  # fmt: skip
        await rig.member("gateway").register_gateway(entry)
        for name in VERIFIERS:
            await rig.member(name).register_verifier(name, "http://v", bond_wei=kit.BOND_MIN)
        await rig.member("owner").mint_currency(kit.address("ada"), DEPOSIT)
        await rig.member("ada").deposit(self.at.currency, DEPOSIT)

    async def settle(self, epoch: int) -> None:
        """Take an epoch from its anchor to its finality; what it pays is in the index at once."""
        rig, asset = self.rig, self.at.currency
        gateway = rig.client("gateway")
        totals = [
            Total(asset=asset, account=kit.address("ada"), earned=0, spent=EARNED[epoch]),
            Total(asset=asset, account=kit.address("bob"), earned=EARNED[epoch], spent=0),
        ]
        end = kit.GENESIS + (epoch + 1) * kit.EPOCH_S
        await rig.advance(max(rig.now, end - 9))
        first, self.size = self.size, self.size + 5
        tip = Tip(log_id=LOG, size=self.size, root=sha256(b"%d" % epoch))
        await gateway.send(ports.Anchor(tip=tip))
        await rig.advance(end + kit.GRACE_S)
        for name in VERIFIERS:
            await rig.client(name).send(ports.Confirm(epoch=epoch, tips=(tip,)))
        await rig.advance(end + kit.GRACE_S + kit.CONFIRM_S)
        await gateway.send(ports.Close(epoch=epoch))
        item = contract("Policy")["hashAt"]
        said = item.results(await rig.endpoints.call(self.at.policy, item.call(epoch)))
        frozen = Range(log_id=LOG, first=first, size=self.size, root=tip.root)
        commitment = Commitment(
            previous_digest=self.previous,
            evidence_hash=evidence_hash(epoch, [frozen]),
            facts_hash=sha256(b"facts"),
            policy_hash=cast(bytes, said[0]),
            rules_hash=(0x1234).to_bytes(32, "big"),
            result_hash=sha256(b"result"),
            state_hash=sha256(b"state"),
            payout_root=payout.root(totals),
            minted_wei=0,
            totals=(AssetTotal(asset=asset, earned=EARNED[epoch], spent=EARNED[epoch]),),
        )
        for name in VERIFIERS:
            await rig.client(name).send(ports.Attest(epoch=epoch, commitment=commitment))
        await gateway.send(ports.Finalise(epoch=epoch, commitment=commitment))
        self.previous = digest(self.at.network_id, epoch, commitment)
        self.archive.payouts[epoch] = totals
        rows = [
            {"asset": t.asset, "account": t.account, "epoch": epoch, "earned": t.earned,
             "spent": t.spent}
            for t in totals
        ]  # fmt: skip
        explorer_kit.fill(self.engine, schema.payout, *rows)

    async def read(self, path: str) -> Any:
        """Let the index follow, then ask the API."""
        return (await self._get(f"/api/v1{path}")).json()

    async def pages(self, *paths: str) -> list[bool]:
        """Let the index follow, then tell which pages have a notice."""
        return [NOTICE in (await self._get(path)).text for path in paths]

    async def acts(self) -> list[str]:
        """Return what Bob's page offers to do with his money in the Vault."""
        found = await self.read(f"/accounts/{BOB}")
        return [one["act"] for one in found["acts"] if one["act"] in VAULT_ACTS]

    async def _get(self, path: str) -> httpx2.Response:
        await self.follower.step()
        app = httpx2.ASGITransport(app=build_app(self.site, limits=explorer_kit.MANY))
        async with httpx2.AsyncClient(transport=app, base_url="http://127.0.0.1") as web:
            found = await web.get(path)
        assert found.status_code == 200, found.text
        return found


BOB: Final = "0x" + kit.address("bob").hex()
HOME, ONE, ACCOUNT = "/", "/epochs/1", f"/accounts/{BOB}"


async def halt_by_votes(town: Town) -> None:
    rig, calls = town.rig, Calls(town.at)
    await town.settle(0)
    await rig.advance(rig.now + kit.HOLD_S)
    await town.settle(1)
    assert await town.pages(HOME, ONE, ACCOUNT) == [False, False, False]
    due = rig.now + kit.HOLD_S
    payouts = (await town.read(ONE))["payout"]
    assert (payouts["claimable_at"], payouts["halt"]) == (due, None)

    await rig.member("verifier-a").send(calls.vote_halt(1))
    (stop,) = (await town.read("/network"))["stops"]["items"]
    assert (stop["kind"], stop["halt"]["votes_stake"]) == ("voting", str(kit.BOND_MIN))
    assert int(stop["halt"]["needed_stake"]) > kit.BOND_MIN
    await rig.member("verifier-b").send(calls.vote_halt(1))
    found = (await town.read(ONE))["payout"]
    until = rig.now + kit.HALT_S
    assert [one["name"] for one in found["halt"]["votes"]] == list(VERIFIERS[:2])
    assert int(found["halt"]["votes_stake"]) >= int(found["halt"]["needed_stake"])
    assert (found["claimable_at"], found["stop"]["kind"]) == (until, "halted")
    assert await town.pages(HOME, ONE, ACCOUNT) == [True, True, True]
    account = await town.read(ACCOUNT)
    assert [one["until"] for one in account["stops"]] == [until]
    assert account["books"][0]["pending"] == str(EARNED[1])
    with pytest.raises(Conflict):
        await town.desk.prepare("claim", {"account": BOB, "asset": "currency"})
    assert "claim" not in await town.acts()

    await rig.advance(until - 1)
    assert await town.pages(HOME, ONE, ACCOUNT) == [True, True, True]
    await rig.advance(until)
    assert await town.pages(HOME, ONE, ACCOUNT) == [False, False, False]
    assert await town.acts() == ["claim"]
    (claim,) = await town.desk.prepare("claim", {"account": BOB, "asset": "currency"})
    assert f"0.{EARNED[1]:06} tEUR" in claim.does


async def halt_by_the_guardian(town: Town) -> None:
    await town.settle(2)
    before = (await town.read("/network"))["stops"]["guardian"]
    assert (before["in_office"], before["ready_at"]) == (True, None)
    await town.rig.member("guardian").send(Calls(town.at).halt(2))
    found = (await town.read("/epochs/2"))["payout"]["halt"]
    assert (found["guardian"]["label"], found["votes"], found["active"]) == ("watch", [], True)
    after = (await town.read("/network"))["stops"]["guardian"]
    assert after["ready_at"] > town.rig.now + kit.HALT_S
    assert await town.pages(HOME, "/epochs/2", "/epochs/1") == [True, True, False]
    await town.rig.advance(town.rig.now + kit.HALT_S)
    assert await town.pages(HOME, "/epochs/2") == [False, False]


async def leave_by_the_exit(town: Town) -> None:
    rig, asset = town.rig, town.at.currency
    await rig.advance(rig.now + 31 * DAY_S)
    (due,) = (await town.read("/network"))["stops"]["items"]
    assert due["kind"] == "exit_due"
    await rig.member("eve").send(Calls(town.at).enter_exit())
    (stop,) = (await town.read("/network"))["stops"]["items"]
    assert (stop["kind"], stop["since"]) == ("exit", rig.now)
    assert await town.pages(HOME, ACCOUNT) == [True, True]
    assert await town.acts() == ["exit"]
    for action in ("deposit", "withdraw"):
        with pytest.raises(Conflict):
            await town.desk.prepare(
                action, {"account": "0x" + kit.address("ada").hex(), "asset": "currency",
                         "value": "0.000001"}
            )  # fmt: skip
    for name, left in (("bob", EARNED[2]), ("ada", DEPOSIT - EARNED[2])):
        address = "0x" + kit.address(name).hex()
        wish = {"account": "0x" + kit.address("eve").hex(), "asset": "currency"}
        (call,) = await town.desk.prepare("exit", {**wish, "receiver": address})
        assert "exit" in call.does
        books = (await town.read(f"/accounts/{address}"))["books"][0]
        assert int(books["claimable"]) + int(books["unspent"]) == left
        paid = await rig.member("eve").send(Call(to=call.to, data=call.data))
        assert rig.member("eve").taken_out(paid).amount == left
        assert await rig.member("eve").balance(asset, kit.address(name)) == left
        books = (await town.read(f"/accounts/{address}"))["books"][0]
        assert (books["claimable"], books["unspent"]) == ("0", "0")
    assert await town.acts() == []


def test_what_stops_money_is_seen_and_ends(tmp_path: Path) -> None:
    async def main() -> None:
        async with kit.open_network(tmp_path / "chain") as rig:
            town = Town(rig, open_index(tmp_path / "index.sqlite"))
            await town.found()
            await halt_by_votes(town)
            await halt_by_the_guardian(town)
            await leave_by_the_exit(town)
            again = open_index(tmp_path / "again.sqlite")
            step = await town.follow(again).step()
            assert step.events > 0
            told = [line.split()[0].rstrip(":") for line in differences(town.engine, again)]
            assert set(told) <= {"payout"}, "which the settlements would have told"

    asyncio.run(main())
