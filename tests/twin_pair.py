"""The compiled contracts and their Python model side by side: one action on both, compared.

`Pair` knows how to act and whom to take; who acts how is said in `twin_members`, `twin_devices`
and `twin_rounds`, and `contract_twins` plays them all.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import chain_kit as kit
from commonworks.chain.abi import contract
from commonworks.chain.calls import Calls
from commonworks.chain.plan import key_word
from commonworks.chain.transactions import Call
from commonworks.crypto.hashes import sha256
from commonworks.errors import Conflict
from commonworks.events import Commitment, Event, ParameterDefined, Tip
from commonworks.model import Total
from commonworks.simulation.contracts import ContractsModel, ModelPlan
from commonworks.simulation.governance import Parameter
from commonworks.stops import GuardianAppointed

MEMBERS: Final = ("ada", "bob", "eve")
VERIFIERS: Final = ("verifier-a", "verifier-b", "verifier-c")
LOGS: Final = {"gateway": sha256(b"log 1"), "ada": sha256(b"log 2")}
EPOCHS: Final = 5
DAY_S: Final = 86_400
TIMELOCK: Final = "timelock"
"""Who governs after genesis; nobody has its key, so its code gives way (see `Pair.open`)."""

FORWARDER: Final = bytes.fromhex(
    "601436038060145f375f5f825f5f5f3560601c5af13d5f5f3e601f573d5ffd5b3d5ff3"
)
"""EVM code that calls the address in the first 20 bytes of its input with the rest of it, and
returns or reverts with what comes back: whoever calls it acts as it. It stands in for the timelock,
whose own rules (proposals, votes, delays) have tests of their own and no part in the model."""

Outcome = tuple[str, dict[str, object]] | None


class ListClock:
    """The rig's own clock, as the model's port."""

    def __init__(self, clock: list[int]) -> None:
        self._clock = clock

    def now(self) -> int:
        """Return network time."""
        return self._clock[0]

    async def sleep_until(self, time_s: int) -> None:
        """Nothing in a play waits."""
        raise NotImplementedError


def model_plan(rig: kit.Rig) -> ModelPlan:
    """Return the model's plan for the network that the rig founded."""
    plan = kit.plan()
    return ModelPlan(
        owner=rig.at.government.timelock,
        founder=plan.founder,
        guardian_holder=plan.guardian,
        guardian_until=plan.guardian_until,
        bonds_in_currency=plan.bonds_in_currency,
        genesis_time=plan.genesis_time,
        epoch_length_s=plan.epoch_length_s,
        parameters=tuple(
            Parameter(key=key_word(p.key), value=p.value, minimum=p.minimum, maximum=p.maximum)
            for p in plan.parameters
        ),
        allocations=tuple((item.account, item.amount_wei) for item in plan.allocations),
        cap_wei=plan.cap_wei,
        initial_emission_wei=plan.initial_emission_wei,
        manifest_hash=plan.manifest_hash,
        chain_id=kit.CHAIN_ID,
        token=rig.at.token,
        devices=rig.at.devices,
        nodes=rig.at.nodes,
        settlement=rig.at.settlement,
        vault=rig.at.vault,
        policy=rig.at.policy,
        guardian=rig.at.government.guardian,
        currency=rig.at.currency,
    )


def plain(event: Event) -> Event:
    """Return an event without what two chains never share: block, index and transaction."""
    return replace(event, at=replace(event.at, block=0, index=0, tx=b""))


class Pair:
    """A network on chain, its model, and the people who act on both."""

    def __init__(self, rig: kit.Rig, seed: int) -> None:
        self.rig = rig
        self.model = ContractsModel(model_plan(rig), ListClock(rig.clock))
        self.random = random.Random(seed)
        self.calls = Calls(rig.at)
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.assets = (rig.at.currency, rig.at.token)
        self.leaves: dict[int, list[Total]] = {}
        self.sizes: dict[bytes, int] = dict.fromkeys(LOGS.values(), 0)
        self.anchored: list[Tip] = []
        self.commitments: dict[int, Commitment] = {}

    async def open(self) -> None:
        """Let anybody act as the timelock, by its name."""
        code = "0x" + FORWARDER.hex()
        timelock = "0x" + self.rig.at.government.timelock.hex()
        await self.rig.chain._engine._through(
            lambda anvil: anvil.call("anvil_setCode", timelock, code)
        )

    def address(self, name: str) -> bytes:
        """Return the address of a name."""
        return self.rig.at.government.timelock if name == TIMELOCK else kit.address(name)

    # --- the pair -----------------------------------------------------------------------------

    async def both(self, name: str, sender: str, call: Call, act: Callable[[], object]) -> bool:
        """Do one action on both, compare, and tell whether it was accepted."""
        real = await self._on_chain(sender, call)
        twin = self._in_model(act)
        assert real == twin, f"{name} by {sender} at {self.rig.now}: chain {real}, model {twin}"
        (self.refused if real else self.accepted)[name] += 1
        if real:
            self.refusals[real[0]] += 1
        return real is None

    async def _on_chain(self, sender: str, call: Call) -> Outcome:
        if sender == TIMELOCK:
            assert call.to is not None
            sender, call = "eve", Call(to=self.address(TIMELOCK), data=call.to + call.data)
        try:
            await self.rig.member(sender).send(call)
        except Conflict as error:
            return _outcome(error)
        return None

    def _in_model(self, act: Callable[[], object]) -> Outcome:
        try:
            with self.model.transaction():
                act()
        except Conflict as error:
            return _outcome(error)
        return None

    async def compare_events(self) -> int:
        """Compare every event since the beginning; return how many there are."""
        client = self.rig.client()
        real = await client.events(0, (await client.head()).block)
        twin = self.model.blocks.events(0, self.model.blocks.head().block)
        first = len(self.model.plan.parameters) + 1  # founded later in the model than on chain
        assert {type(event) for event in real[:first]} == {ParameterDefined, GuardianAppointed}
        assert [plain(event) for event in real[first:]] == [plain(event) for event in twin[first:]]
        return len(real)

    async def compare_books(self) -> None:
        """Compare balances and the Vault's books."""
        looker = self.rig.member("eve")
        holders = [kit.address(name) for name in (*kit.NAMES, "owner")]
        tokens = {self.rig.at.token: self.model.token, self.rig.at.currency: self.model.currency}
        for asset, token in tokens.items():
            for holder in (*holders, self.rig.at.vault, self.rig.at.nodes):
                assert await looker.balance(asset, holder) == token.balances[holder]
        for name in VERIFIERS:
            stake = await looker.stake_of(kit.address(name))
            assert stake == self.model.nodes.stake_now(kit.address(name))
        for epoch in range(EPOCHS + 2):
            item = contract("Policy")["hashAt"]
            answer = await self.rig.endpoints.call(self.rig.at.policy, item.call(epoch))
            assert answer == self.model.policy.hash_at(epoch)
            item = contract("CommonsToken")["emissionOf"]
            answer = await self.rig.endpoints.call(self.rig.at.token, item.call(epoch))
            assert item.results(answer) == (self.model.token.emission_of(epoch),)

    # --- whom and how much --------------------------------------------------------------------

    async def choose(self, actions: tuple[Callable[[], Any], ...]) -> None:
        """Do one of these."""
        await self.random.choice(actions)()

    def member(self) -> str:
        return self.random.choice(MEMBERS)

    def anybody(self) -> str:
        return self.random.choice((*kit.NAMES, "owner", "guardian"))

    def government(self) -> str:
        """Return mostly who may govern now: the founder until genesis, then the timelock."""
        rightful = "owner" if self.rig.now < kit.GENESIS else TIMELOCK
        return self.random.choice((*(rightful,) * 4, "owner", self.anybody()))

    def usually(self, right: str) -> str:
        """Return the right person nine times out of ten."""
        return right if self.random.random() < 0.9 else self.anybody()

    def amount(self, around: int) -> int:
        """Return an amount around a number: mostly less, sometimes nothing or too much."""
        return self.random.choice(
            (0, 1, around, around + 1, *(self.random.randint(0, around),) * 6)
        )

    def epoch(self) -> int:
        return max(0, self.model.settlement.next_to_finalise + self.random.choice((-1, 0, 0, 1)))


def _outcome(error: Conflict) -> Outcome:
    arguments = error.fields["arguments"]
    assert isinstance(arguments, dict)
    return str(error.fields["refusal"]), arguments
