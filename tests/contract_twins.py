"""The compiled contracts and their Python model, driven side by side by one random play.

Every action goes to both; both must accept it, or refuse it with the same error and arguments.
The play follows the rounds of each epoch, so that much of it is accepted, and strews in actions at
wrong times, by wrong people, with wrong numbers.
"""

from __future__ import annotations

import chain_kit as kit
from twin_devices import DeviceTwins
from twin_members import MemberTwins
from twin_pair import DAY_S, EPOCHS, LOGS, VERIFIERS
from twin_rounds import RoundTwins


class Twins(DeviceTwins, MemberTwins, RoundTwins):
    """One random play on both."""

    async def play(self) -> None:
        """Found the nodes, settle EPOCHS epochs with noise all over, then let the exit open."""
        await self.open()
        for name in kit.NAMES:
            await self.mint(name)
        for name in VERIFIERS:
            await self.register_verifier(name)
            await self.bond(name)
        for name in LOGS:
            await self.register_gateway(name)
        for _ in range(6):
            await self.choose((self.govern_devices, self.set_policy, self.define, self.appoint))
        for epoch in range(EPOCHS):
            if epoch == EPOCHS // 2:
                await self.vote("currency_growth_max", 1)
                await self.vote("half_life_epochs", self.random.choice((1, 2)))
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
        for _ in range(6):
            await self.choose((self.set_payees, self.transfer_share, self.change_payees))
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
        if self.refusals["GrowthExceeded"] and self.model.settlement.next_to_finalise == epoch:
            await self.vote("currency_growth_max", 10**12)
            await self.rig.advance(self.rig.now + kit.EPOCH_S)
            await self.finalise(epoch)
        await self.halt()
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
                *(self.enrol, self.enrol_for, self.enrol_batch, self.approve_device),
                *(self.move_device, self.retire, self.govern_devices),
                *(self.set_payees, self.set_payees, self.transfer_share, self.transfer_share),
                *(self.change_payees, self.retire_by_all, self.appoint),
                *(self.deposit, self.deposit, self.permit, self.withdraw, self.limit, self.mint),
                *(self.bond, self.unbond, self.finish_unbonding, self.refresh, self.claim),
                *(self.register_gateway, self.register_verifier, self.set_policy, self.define),
                *(self.anchor, self.confirm, self.close, self.attest, self.finalise, self.halt),
                *(self.enter_exit, self.exit, self.exit_without_leaf),
            )
        )
