"""The compiled contracts and their Python model, driven side by side by one random play.

Every action goes to both; both must accept it, or refuse it with the same error and arguments.
The play follows the rounds of each epoch, so that much of it is accepted, and strews in actions at
wrong times, by wrong people, with wrong numbers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import chain_kit as kit
from commonworks.chain.abi import contract
from commonworks.chain.calls import Calls, GatewayEntry
from commonworks.chain.deploy import GenesisParameter, key_word
from commonworks.chain.events import commitment_values, tip_values
from commonworks.chain.messages import (
    Enrolment,
    resource_word,
    sign_enrolment,
    sign_permit,
    sign_spend_limit,
    sign_withdrawal,
)
from commonworks.chain.transactions import Call
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import Conflict
from commonworks.events import (
    AssetTotal,
    Commitment,
    Event,
    Tip,
)
from commonworks.model import (
    Total,
)
from commonworks.settlement import payout
from commonworks.simulation.contracts import ContractsModel, ModelPlan
from commonworks.simulation.governance import Parameter
from commonworks.simulation.registry import EnrolledKey

MEMBERS: Final = ("ada", "bob", "eve")
VERIFIERS: Final = ("verifier-a", "verifier-b", "verifier-c")
LOGS: Final = {"gateway": sha256(b"log 1"), "ada": sha256(b"log 2")}
EPOCHS: Final = 5
DAY_S: Final = 86_400

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
        owner=plan.owner,
        guardian=plan.guardian,
        genesis_time=plan.genesis_time,
        epoch_length_s=plan.epoch_length_s,
        parameters=tuple(
            Parameter(key=key_word(p.key), value=p.value, minimum=p.minimum, maximum=p.maximum)
            for p in plan.parameters
        ),
        allocations=tuple((item.account, item.amount_wei) for item in plan.allocations),
        cap_wei=plan.cap_wei,
        initial_emission_wei=plan.initial_emission_wei,
        half_life_epochs=plan.half_life_epochs,
        manifest_hash=plan.manifest_hash,
        chain_id=kit.CHAIN_ID,
        token=rig.at.token,
        devices=rig.at.devices,
        nodes=rig.at.nodes,
        settlement=rig.at.settlement,
        vault=rig.at.vault,
        policy=rig.at.policy,
        currency=rig.at.currency,
    )


def plain(event: Event) -> Event:
    """Return an event without what two chains never share: block, index and transaction."""
    return replace(event, at=replace(event.at, block=0, index=0, tx=b""))


class Twins:
    """One random play on both."""

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
        first = self.model.plan.parameters  # founded a little later in the model than on chain
        assert [plain(event) for event in real[len(first) :]] == [
            plain(event) for event in twin[len(first) :]
        ]
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

    # --- the play -----------------------------------------------------------------------------

    async def play(self) -> None:
        """Found the nodes, settle EPOCHS epochs with noise all over, then let the exit open."""
        for name in kit.NAMES:
            await self.mint(name)
        for name in VERIFIERS:
            await self.register_verifier(name)
            await self.bond(name)
        for name in LOGS:
            await self.register_gateway(name)
        for epoch in range(EPOCHS):
            await self.settle(epoch)
        await self.compare_events()
        await self.stumble(EPOCHS)
        await self.rig.advance(self.rig.now + 31 * DAY_S)
        await self.deposit_late()
        for _ in range(6):
            await self.choose((self.finish_unbonding, self.refresh, self.claim, self.any_action))
        await self.enter_exit()
        await self.enter_exit()
        for _ in range(25):
            await self.choose((self.exit, self.exit_without_leaf, self.claim, self.any_action))
        await self.compare_events()
        await self.compare_books()

    async def settle(self, epoch: int) -> None:
        """Play one epoch's rounds."""
        start = kit.GENESIS + epoch * kit.EPOCH_S
        await self.rig.advance(max(self.rig.now, start + self.random.randrange(kit.EPOCH_S)))
        await self.noise(12)
        for name in LOGS:
            await self.anchor(name)
        opens, ends = self.model.settlement.confirm_window(epoch)
        await self.rig.advance(max(self.rig.now, opens - self.random.choice((0, 1))))
        await self.noise(4)
        await self.rig.advance(max(self.rig.now, opens))
        for name in VERIFIERS:
            if self.random.random() < 0.9:
                await self.confirm(name, epoch)
        await self.noise(4)
        await self.rig.advance(max(self.rig.now, ends))
        await self.close(epoch)
        for name in self.random.sample(VERIFIERS, 3):
            await self.attest(name, epoch)
            await self.noise(1)
        await self.finalise(epoch)
        await self.noise(4)
        await self.rig.advance(self.rig.now + self.random.choice((1, kit.HOLD_S, kit.HALT_S)))
        for _ in range(6):
            await self.claim()

    async def stumble(self, epoch: int) -> None:
        """Let all verifiers attest what the Vault cannot accept: the epoch never finalises."""
        _, ends = self.model.settlement.confirm_window(epoch)
        await self.rig.advance(max(self.rig.now, ends))
        await self.close(epoch)
        if self.model.settlement.next_to_finalise < epoch:
            return
        spoilt = self.spoil(self.commitment(epoch), inputs=False)
        self.commitments[epoch] = spoilt
        for name in VERIFIERS:
            await self.attest(name, epoch)
        await self.finalise(epoch)
        del self.leaves[epoch]

    async def deposit_late(self) -> None:
        """Deposit for somebody whom no root can know."""
        sender, account = kit.address("eve"), kit.address("guardian")
        await self.both(
            "approve_deposit",
            "eve",
            self.calls.approve_deposit(self.rig.at.currency, 101),
            lambda: self.model.currency.approve(sender, self.rig.at.vault, 101),
        )
        await self.both(
            "deposit",
            "eve",
            self.calls.deposit(self.rig.at.currency, 101, account),
            lambda: self.model.vault.deposit(sender, self.rig.at.currency, 101, account),
        )

    async def noise(self, count: int) -> None:
        """Do some random actions, most of them by members, some at the wrong time."""
        for _ in range(count):
            await self.any_action()

    async def any_action(self) -> None:
        """Do one random action."""
        await self.choose(
            (
                *(self.enrol, self.enrol_for, self.move_device, self.retire, self.govern_devices),
                *(self.deposit, self.deposit, self.permit, self.withdraw, self.limit, self.mint),
                *(self.bond, self.unbond, self.finish_unbonding, self.refresh, self.claim),
                *(self.register_gateway, self.register_verifier, self.set_policy, self.define),
                *(self.anchor, self.confirm, self.close, self.attest, self.finalise, self.halt),
                *(self.enter_exit, self.exit, self.exit_without_leaf),
            )
        )

    async def choose(self, actions: tuple[Callable[[], Any], ...]) -> None:
        """Do one of these."""
        await self.random.choice(actions)()

    def member(self) -> str:
        return self.random.choice(MEMBERS)

    def anybody(self) -> str:
        return self.random.choice((*kit.NAMES, "owner", "guardian"))

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

    # --- members ------------------------------------------------------------------------------

    async def mint(self, name: str | None = None) -> None:
        """Create test currency."""
        account = kit.address(name or self.member())
        sender = self.usually("owner")
        await self.both(
            "mint",
            sender,
            self.calls.mint_currency(account, 50_021),
            lambda: self.model.mint_currency(kit.address(sender), account, 50_021),
        )

    def key(self) -> tuple[Enrolment, EnrolledKey]:
        """Return one of few keys, so that repetitions happen; sometimes a malformed one."""
        algorithm = self.random.choice(tuple(Algorithm))
        length = 32 if algorithm is Algorithm.EDDSA else 64
        raw = bytes([self.random.randrange(6)]) * self.random.choice((length,) * 12 + (33,))
        public = PublicKey(algorithm=algorithm, raw=raw)
        cell = self.random.choice((0, 2**64 - 1))
        own = Enrolment(key=public, resource="energy", cell=cell)
        twin = EnrolledKey(
            thumbprint=public.thumbprint,
            algorithm=int(algorithm),
            public_key=raw,
            resource=resource_word("energy"),
            cell=cell,
        )
        return own, twin

    async def enrol(self) -> None:
        """Enrol a device for oneself."""
        name, (own, twin) = self.member(), self.key()
        await self.both(
            "enrol",
            name,
            self.calls.enrol(own),
            lambda: self.model.devices.enrol(kit.address(name), twin),
        )

    async def enrol_for(self) -> None:
        """Relay an enrolment, sometimes too late."""
        name, sender, (own, twin) = self.member(), self.anybody(), self.key()
        nonce = await self.rig.member(name).enrol_nonce(kit.address(name))
        deadline = self.rig.now + self.random.choice((-1, 0, 10))
        signed = sign_enrolment(kit.account(name), self.rig.at, own, nonce=nonce, deadline=deadline)
        await self.both(
            "enrol_for",
            sender,
            self.calls.enrol_for(signed),
            lambda: self.model.devices.enrol_for(
                kit.address(sender), kit.address(name), twin, deadline
            ),
        )

    def device(self) -> int:
        return self.random.randint(0, self.model.devices.last_id + 1)

    def holder(self, device: int) -> str:
        """Return the name of a device's owner, or anybody's."""
        names = {kit.address(name): name for name in (*kit.NAMES, "owner", "guardian")}
        try:
            return self.usually(names[self.model.devices.owner_of(device)])
        except Conflict:
            return self.anybody()

    async def move_device(self) -> None:
        """Give a device to another member. The real call names the owner that it has."""
        device = self.device()
        sender, receiver = self.holder(device), kit.address(self.member())
        try:
            owner = self.model.devices.owner_of(device)
        except Conflict:
            owner = kit.address(sender)
        await self.both(
            "move_device",
            sender,
            self.calls.transfer_device(owner, receiver, device),
            lambda: self.model.devices.transfer(kit.address(sender), receiver, device),
        )

    async def retire(self) -> None:
        """Burn a device id."""
        device = self.device()
        sender = self.holder(device)
        if self.random.random() < 0.7:  # devices should live a while
            return
        await self.both(
            "retire",
            sender,
            self.calls.retire(device),
            lambda: self.model.devices.retire(kit.address(sender), device),
        )

    async def govern_devices(self) -> None:
        """Admit registrars, references and sites."""
        sender = self.usually("owner")
        account, devices = kit.address(sender), self.model.devices
        kind = self.random.choice(("registrar", "reference", "site"))
        if kind == "registrar":
            (own, twin), active = self.key(), self.random.random() < 0.7
            call = self.calls.set_registrar("energy", own.key, active)
            await self.both(
                "set_registrar",
                sender,
                call,
                lambda: devices.set_registrar(
                    account,
                    resource=twin.resource,
                    thumbprint=twin.thumbprint,
                    algorithm=twin.algorithm,
                    public_key=twin.public_key,
                    active=active,
                ),
            )
        elif kind == "reference":
            device, admitted = self.device(), self.random.random() < 0.7
            await self.both(
                "set_reference",
                sender,
                self.calls.set_reference(device, admitted),
                lambda: devices.set_reference(account, device, admitted),
            )
        else:
            site, statement = sha256(b"place"), self.random.randbytes(32)
            await self.both(
                "adopt_site",
                sender,
                self.calls.adopt_site("energy", site, statement),
                lambda: devices.adopt_site(
                    account, resource=resource_word("energy"), site=site, statement=statement
                ),
            )

    async def deposit(self) -> None:
        """Approve and deposit, sometimes for somebody else."""
        name = self.member()
        asset = self.random.choice((*self.assets * 3, self.rig.at.policy))
        amount = self.amount(9_001)
        allowed = self.random.choice((amount, amount, amount // 2))
        account = kit.address(self.member()) if self.random.random() < 0.3 else None
        sender = kit.address(name)
        if asset in self.assets:
            token = self.model.token if asset == self.rig.at.token else self.model.currency
            await self.both(
                "approve_deposit",
                name,
                self.calls.approve_deposit(asset, allowed),
                lambda: token.approve(sender, self.rig.at.vault, allowed),
            )
        await self.both(
            "deposit",
            name,
            self.calls.deposit(asset, amount, account),
            lambda: self.model.vault.deposit(sender, asset, amount, account),
        )

    async def permit(self) -> None:
        """Relay a permit, sometimes too late or for too much."""
        name, relayer = self.member(), self.anybody()
        asset = self.random.choice(self.assets)
        looker, owner = self.rig.member(name), kit.address(name)
        amount = self.random.choice((1_009, 10**9))
        deadline = self.rig.now + self.random.choice((-1, 0, 10))
        signed = sign_permit(
            kit.account(name),
            self.rig.at,
            asset,
            amount,
            domain=await looker.permit_domain(asset),
            nonce=await looker.permit_nonce(asset, owner),
            deadline=deadline,
        )
        await self.both(
            "permit",
            relayer,
            self.calls.deposit_with_permit(signed),
            lambda: self.model.vault.deposit_with_permit(owner, asset, amount, deadline),
        )

    async def withdraw(self) -> None:
        """Ask for a deposit back, oneself or by a relayer."""
        name, asset = self.member(), self.random.choice(self.assets)
        account = kit.address(name)
        amount = self.amount(self.model.vault.deposited(asset, account))
        if self.random.random() < 0.5:
            await self.both(
                "withdraw",
                name,
                self.calls.request_withdrawal(asset, amount),
                lambda: self.model.vault.request_withdrawal(account, asset, amount),
            )
            return
        nonce = await self.rig.member(name).vault_nonce(account)
        deadline = self.rig.now + self.random.choice((-1, 0, 10))
        signed = sign_withdrawal(
            kit.account(name), self.rig.at, asset, amount, nonce=nonce, deadline=deadline
        )
        await self.both(
            "withdraw_for",
            self.anybody(),
            self.calls.request_withdrawal_for(signed),
            lambda: self.model.vault.request_withdrawal(account, asset, amount, deadline),
        )

    async def limit(self) -> None:
        """Set a spend limit, oneself or by a relayer."""
        name, device, limit = self.member(), self.device(), self.amount(10**12)
        account = kit.address(name)
        nonce = await self.rig.member(name).vault_nonce(account)
        deadline = self.rig.now + self.random.choice((-1, 0, 10))
        signed = sign_spend_limit(
            kit.account(name), self.rig.at, device, limit, nonce=nonce, deadline=deadline
        )
        relayed = self.random.random() < 0.5
        await self.both(
            "limit_for" if relayed else "limit",
            self.anybody() if relayed else name,
            self.calls.set_spend_limit_for(signed)
            if relayed
            else self.calls.set_spend_limit(device, limit),
            lambda: self.model.vault.set_spend_limit(
                account, device, limit, deadline if relayed else None
            ),
        )

    # --- nodes and policy ---------------------------------------------------------------------

    async def register_verifier(self, name: str | None = None) -> None:
        """Declare a verifier."""
        who = name or self.anybody()
        text = "eye" if self.random.random() < 0.9 else "é" * 33
        await self.both(
            "register_verifier",
            who,
            self.calls.register_verifier(text, "http://v"),
            lambda: self.model.nodes.register_verifier(
                kit.address(who), name=text, endpoint="http://v"
            ),
        )

    async def register_gateway(self, name: str | None = None) -> None:
        """Declare a gateway."""
        who = name or self.anybody()
        log_id = LOGS.get(who, self.random.choice((bytes(32), *LOGS.values())))
        short = self.random.random() < 0.1 and name is None
        entry = GatewayEntry(
            name="north",
            origin="o" * (257 if self.random.random() < 0.1 and name is None else 20),
            endpoint="http://g",
            log_id=log_id,
            note_key=bytes(31 if short else 32),
            receipt_key=bytes(64),
        )
        await self.both(
            "register_gateway",
            who,
            self.calls.register_gateway(entry),
            lambda: self.model.nodes.register_gateway(
                kit.address(who),
                name=entry.name,
                origin=entry.origin,
                endpoint=entry.endpoint,
                log_id=entry.log_id,
                note_key=entry.note_key,
                receipt_key=entry.receipt_key,
            ),
        )

    async def bond(self, name: str | None = None) -> None:
        """Approve and bond."""
        who = name or self.random.choice((*VERIFIERS, self.anybody()))
        amount = self.amount(20_011) if name is None else 15_013 + self.random.randrange(5_003)
        allowed = amount if name else self.random.choice((amount, amount, amount // 2))
        account = kit.address(who)
        await self.both(
            "approve_bond",
            who,
            self.calls.approve_bond(allowed),
            lambda: self.model.token.approve(account, self.rig.at.nodes, allowed),
        )
        await self.both(
            "bond",
            who,
            self.calls.bond(amount),
            lambda: self.model.nodes.bond(account, amount),
        )

    async def unbond(self) -> None:
        """Take out some of a bond, sometimes so much that the stake falls away."""
        who = self.random.choice((*VERIFIERS, *MEMBERS))
        amount = self.random.choice((0, 101, 97, 997, 10**6, 4_001))
        await self.both(
            "unbond",
            who,
            self.calls.start_unbonding(amount),
            lambda: self.model.nodes.start_unbonding(kit.address(who), amount),
        )

    async def finish_unbonding(self) -> None:
        """Take what has left a bond."""
        who = self.random.choice(VERIFIERS)
        await self.both(
            "finish_unbonding",
            who,
            self.calls.finish_unbonding(),
            lambda: self.model.nodes.finish_unbonding(kit.address(who)),
        )

    async def refresh(self) -> None:
        """Apply the minimum bond in force."""
        who = kit.address(self.random.choice(VERIFIERS))
        await self.both(
            "refresh",
            self.anybody(),
            self.calls.refresh_stake(who),
            lambda: self.model.nodes.refresh_stake(who),
        )

    async def set_policy(self) -> None:
        """Change a parameter, sometimes beyond its bounds, unknown, or as somebody else."""
        sender = self.usually("owner")
        key, value = self.random.choice(
            (
                ("hold_s", kit.HOLD_S + self.random.randrange(5)),
                ("grace_s", kit.GRACE_S + self.random.randrange(5)),
                ("quorum_ppm", self.random.choice((500_000, 500_001, 666_667, 700_001))),
                ("verifier_bond_min_wei", self.random.choice((7, kit.BOND_MIN_WEI, 16_001))),
                ("unbonding_s", self.random.choice((DAY_S, DAY_S - 1))),
                ("rules", self.random.randrange(-(2**255), 2**255)),
                ("extra", self.random.randrange(-20, 20)),
                ("unknown", 1),
            )
        )
        await self.both(
            "set_policy",
            sender,
            self.calls.set_parameter(key, value),
            lambda: self.model.policy.set(kit.address(sender), key_word(key), value),
        )

    async def define(self) -> None:
        """Define a parameter."""
        sender, key = self.usually("owner"), self.random.choice(("extra", "other", ""))
        value = self.random.randrange(-20, 20)
        parameter = GenesisParameter(key=key, value=value, minimum=-17, maximum=17)
        twin = Parameter(key=key_word(key), value=value, minimum=-17, maximum=17)
        await self.both(
            "define",
            sender,
            self.calls.define_parameter(parameter),
            lambda: self.model.policy.define(kit.address(sender), twin),
        )

    # --- rounds -------------------------------------------------------------------------------

    def _settlement(self, function: str, *values: object) -> Call:
        return Call(to=self.rig.at.settlement, data=contract("Settlement")[function].call(*values))

    async def anchor(self, name: str | None = None) -> None:
        """Anchor a log at a larger size, or wrongly."""
        log_id = LOGS[name] if name else self.random.choice(tuple(LOGS.values()))
        who = name or self.anybody()
        size = self.sizes[log_id] + (
            self.random.randint(1, 9) if name else self.random.choice((0, 3))
        )
        root = (
            bytes(32) if name is None and self.random.random() < 0.2 else self.random.randbytes(32)
        )
        tip = Tip(log_id=log_id, size=size, root=root)
        done = await self.both(
            "anchor",
            who,
            self._settlement("anchor", *tip_values(tip)),
            lambda: self.model.settlement.anchor(kit.address(who), tip),
        )
        if done:
            self.sizes[log_id] = size
            self.anchored.append(tip)

    async def confirm(self, name: str | None = None, epoch: int | None = None) -> None:
        """Confirm some anchors: each log's newest or an older one, sometimes invented."""
        who = name or self.random.choice((*VERIFIERS, "eve"))
        which = self.epoch() if epoch is None else epoch
        tips = []
        for log_id in sorted(LOGS.values()):
            known = [tip for tip in self.anchored if tip.log_id == log_id]
            if known and self.random.random() < 0.9:
                tips.append(self.random.choice(known[-2:]))
        if name is None:
            self.random.shuffle(tips)
            if tips and self.random.random() < 0.3:
                tips[0] = replace(tips[0], root=self.random.randbytes(32))
        chosen = tuple(tips)
        await self.both(
            "confirm",
            who,
            self._settlement("confirm", which, [tip_values(tip) for tip in chosen]),
            lambda: self.model.settlement.confirm(kit.address(who), which, chosen),
        )

    async def close(self, epoch: int | None = None) -> None:
        """Close an epoch."""
        which = self.epoch() if epoch is None else epoch
        await self.both(
            "close",
            self.anybody(),
            self._settlement("close", which),
            lambda: self.model.settlement.close(which),
        )

    def commitment(self, epoch: int) -> Commitment:
        """Return the epoch's result, made up once, mostly right."""
        if epoch not in self.commitments:
            self.commitments[epoch] = self._make_up(epoch)
        return self.commitments[epoch]

    def _make_up(self, epoch: int) -> Commitment:
        minted = self.model.vault.minted_wei
        before = {(t.asset, t.account): t for t in self.leaves.get(epoch - 1, [])}
        budget = min(self.model.token.emission_of(epoch), 50_021)
        leaves = []
        for name in MEMBERS:
            account = kit.address(name)
            for asset in self.assets:
                old = before.get((asset, account))
                earned, spent = (old.earned, old.spent) if old else (0, 0)
                deposited = self.model.vault.deposited(asset, account)
                more = self.random.randint(0, max(0, deposited - spent) // 3)
                mint = self.random.randint(0, budget // 3) if asset == self.rig.at.token else 0
                minted += mint
                leaves.append(
                    Total(
                        asset=asset,
                        account=account,
                        earned=earned + more + mint,
                        spent=spent + more,
                    )
                )
        self.leaves[epoch] = leaves
        hashes = self.model.settlement
        rules = self.model.policy.value_at("rules", epoch) % 2**256
        return Commitment(
            previous_digest=hashes.digest_of(epoch - 1) if epoch else bytes(32),
            evidence_hash=hashes.evidence_hash_of(epoch),
            facts_hash=self.random.randbytes(32),
            policy_hash=self.model.policy.hash_at(epoch),
            rules_hash=rules.to_bytes(32, "big"),
            result_hash=self.random.randbytes(32),
            state_hash=self.random.randbytes(32),
            payout_root=payout.root(leaves),
            minted_wei=minted,
            totals=tuple(
                AssetTotal(
                    asset=asset,
                    earned=sum(leaf.earned for leaf in leaves if leaf.asset == asset),
                    spent=sum(leaf.spent for leaf in leaves if leaf.asset == asset),
                )
                for asset in sorted(self.assets)
            ),
        )

    def spoil(self, right: Commitment, *, inputs: bool = True) -> Commitment:
        """Return a commitment that is wrong in one place; with or without wrong inputs."""
        totals = right.totals
        lower = replace(totals[0], earned=totals[0].earned // 2)
        greedy = replace(totals[-1], earned=totals[-1].earned + 10**7)
        spender = replace(totals[0], spent=10**12)
        names = ("previous_digest", "evidence_hash", "policy_hash", "rules_hash")
        wrong_inputs = [{name: self.random.randbytes(32)} for name in names]
        strange = replace(totals[0], asset=b"\xff" * 20)
        wrong_money: list[dict[str, object]] = [
            {"minted_wei": right.minted_wei + 10**7},
            {"minted_wei": max(0, self.model.vault.minted_wei - 1)},
            {"totals": (lower, *totals[1:])},
            {"totals": (*totals[:-1], greedy)},
            {"totals": (spender, *totals[1:])},
            {"totals": totals[:1]},
            {"totals": totals[::-1]},
            {"totals": (*totals, strange)},
        ]
        change = self.random.choice([*wrong_money, *(wrong_inputs if inputs else [])])
        return replace(right, **change)  # type: ignore[arg-type]

    async def attest(self, name: str | None = None, epoch: int | None = None) -> None:
        """Attest the epoch's result, or a spoilt one."""
        who = name or self.random.choice((*VERIFIERS, "eve"))
        which = self.epoch() if epoch is None else epoch
        if which >= self.model.settlement.next_to_close:
            made = self._wrong_in_time(which)
        else:
            made = self.commitment(which)
            if name is None or self.random.random() < 0.03:
                made = self.spoil(made)
        await self.both(
            "attest",
            who,
            self._settlement("attest", which, commitment_values(made)),
            lambda: self.model.settlement.attest(kit.address(who), which, made),
        )

    def _wrong_in_time(self, epoch: int) -> Commitment:
        """Return some commitment for an epoch that is not closed, without remembering it."""
        leaves = dict(self.leaves)
        made = self._make_up(epoch)
        self.leaves = leaves
        return made

    async def finalise(self, epoch: int | None = None) -> None:
        """Finalise: what was attested, after trying something spoilt."""
        which = self.epoch() if epoch is None else epoch
        early = which >= self.model.settlement.next_to_close
        right = self._wrong_in_time(which) if early else self.commitment(which)
        for made in (self.spoil(right), right):
            await self.both(
                "finalise",
                self.anybody(),
                self._settlement("finalise", which, commitment_values(made)),
                lambda made=made: self.model.settlement.finalise(which, made),
            )

    async def halt(self) -> None:
        """Stop a root, as guardian or as one vote."""
        who = self.random.choice(("guardian", *VERIFIERS, "eve"))
        epoch = max(0, self.model.settlement.next_to_finalise - 1)
        if self.random.random() < 0.5:
            return
        await self.both(
            "halt",
            who,
            self.calls.halt(epoch),
            lambda: self.model.settlement.halt(kit.address(who), epoch),
        )

    # --- money out ----------------------------------------------------------------------------

    def leaf(self) -> tuple[Total, tuple[bytes, ...]]:
        """Return some epoch's leaf with its proof, sometimes a wrong one."""
        if not self.leaves:
            empty = Total(asset=self.assets[0], account=kit.address("ada"), earned=1, spent=0)
            return empty, ()
        current = self.model.vault.claimable_epoch()
        epoch = self.random.choice((*sorted(self.leaves)[-2:], current, current, current))
        if epoch is None or epoch not in self.leaves:
            epoch = max(self.leaves)
        leaves = self.leaves[epoch]
        chosen = self.random.choice(leaves)
        total, proof = payout.proof(leaves, chosen.asset, chosen.account)
        if self.random.random() < 0.15:
            total = replace(total, earned=total.earned + 1)
        return total, proof

    async def claim(self) -> None:
        """Push a claim."""
        total, proof = self.leaf()
        await self.both(
            "claim",
            self.anybody(),
            self.calls.claim(total, proof),
            lambda: self.model.vault.claim(total, proof),
        )

    async def enter_exit(self) -> None:
        """Open the exit, mostly too early."""
        await self.both(
            "enter_exit",
            self.anybody(),
            self.calls.enter_exit(),
            self.model.vault.enter_exit,
        )

    async def exit(self) -> None:
        """Leave with a leaf."""
        total, proof = self.leaf()
        await self.both(
            "exit",
            self.anybody(),
            self.calls.exit(total, proof),
            lambda: self.model.vault.exit(total, proof),
        )

    async def exit_without_leaf(self) -> None:
        """Leave without one."""
        name = self.random.choice(("guardian", self.anybody()))
        asset, account = self.random.choice(self.assets), kit.address(name)
        await self.both(
            "exit_without_leaf",
            self.anybody(),
            self.calls.exit_without_leaf(asset, account),
            lambda: self.model.vault.exit_without_leaf(asset, account),
        )


def _outcome(error: Conflict) -> Outcome:
    arguments = error.fields["arguments"]
    assert isinstance(arguments, dict)
    return str(error.fields["refusal"]), arguments
