"""Members, nodes and government on both: money in and out, bonds, parameters, the guardian."""

from __future__ import annotations

from dataclasses import replace

import chain_kit as kit
from commonworks.chain.abi import contract
from commonworks.chain.calls import GatewayEntry
from commonworks.chain.messages import sign_permit, sign_spend_limit, sign_withdrawal
from commonworks.chain.plan import GenesisParameter, key_word
from commonworks.chain.transactions import Call
from commonworks.model import Total
from commonworks.settlement import payout
from commonworks.simulation.governance import Parameter
from twin_pair import DAY_S, LOGS, MEMBERS, VERIFIERS, Pair


class MemberTwins(Pair):
    """What members, operators and governance do outside the rounds."""

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
            kit.signer(name),
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
            kit.signer(name), self.rig.at, asset, amount, nonce=nonce, deadline=deadline
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
            kit.signer(name), self.rig.at, device, limit, nonce=nonce, deadline=deadline
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
        amount = self.amount(20_011) if name is None else 16_013 + self.random.randrange(4_003)
        allowed = amount if name else self.random.choice((amount, amount, amount // 2))
        account = kit.address(who)
        await self.both(
            "approve_bond",
            who,
            self.calls.approve_bond(allowed),
            lambda: self.model.bond_asset.approve(account, self.rig.at.nodes, allowed),
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

    async def appoint(self) -> None:
        """Put somebody into the guardian's office, sometimes for too long, by right or not."""
        sender, holder = self.government(), self.random.choice(("guardian", "guardian", "eve"))
        until = self.rig.now + self.random.choice((0, 9 * DAY_S, 90 * DAY_S, 366 * DAY_S))
        guardian = self.rig.at.government.guardian
        values = (kit.address(holder), until)
        await self.both(
            "appoint",
            sender,
            Call(to=guardian, data=contract("Guardian")["appoint"].call(*values)),
            lambda: self.model.guardian.appoint(self.address(sender), *values),
        )

    async def set_policy(self) -> None:
        """Change a parameter, sometimes beyond its bounds, unknown, or as somebody else."""
        sender = self.government()
        key, value = self.random.choice(
            (
                ("hold_s", kit.HOLD_S + self.random.randrange(5)),
                ("grace_s", kit.GRACE_S + self.random.randrange(5)),
                ("quorum_ppm", self.random.choice((500_000, 500_001, 666_667, 700_001))),
                ("verifier_bond_min", self.random.choice((7, kit.BOND_MIN, 16_001))),
                ("half_life_epochs", self.random.choice((0, 1, 2, 3, 4, 5))),
                ("currency_growth_max", self.random.choice((1, 2_003, 10**12))),
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
            lambda: self.model.policy.set(self.address(sender), key_word(key), value),
        )

    async def define(self) -> None:
        """Define a parameter."""
        sender, key = self.government(), self.random.choice(("extra", "other", ""))
        value = self.random.randrange(-20, 20)
        parameter = GenesisParameter(key=key, value=value, minimum=-17, maximum=17)
        twin = Parameter(key=key_word(key), value=value, minimum=-17, maximum=17)
        await self.both(
            "define",
            sender,
            self.calls.define_parameter(parameter),
            lambda: self.model.policy.define(self.address(sender), twin),
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
