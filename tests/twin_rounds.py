"""The rounds of epochs on both: anchor, confirm, close, attest, finalise, halt."""

from __future__ import annotations

from dataclasses import replace

import chain_kit as kit
from commonworks.chain.abi import contract
from commonworks.chain.events import commitment_values, tip_values
from commonworks.chain.plan import key_word
from commonworks.chain.transactions import Call
from commonworks.events import AssetTotal, Commitment, Tip
from commonworks.model import Total
from commonworks.settlement import payout
from twin_pair import LOGS, MEMBERS, TIMELOCK, VERIFIERS, Pair


class RoundTwins(Pair):
    """What nodes do, rightly and wrongly."""

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
        epoch = max(0, self.model.settlement.next_to_finalise - 1)
        if self.random.random() < 0.5:
            return
        if self.random.random() < 0.5:
            who = self.random.choice((*VERIFIERS, "eve"))
            await self.both(
                "vote_halt",
                who,
                self.calls.vote_halt(epoch),
                lambda: self.model.settlement.halt(kit.address(who), epoch),
            )
            return
        names = {kit.address(name): name for name in ("guardian", "eve")}
        who = self.usually(names[self.model.guardian.holder])
        await self.both(
            "halt",
            who,
            self.calls.halt(epoch),
            lambda: self.model.guardian.halt(kit.address(who), epoch),
        )

    async def vote(self, key: str, value: int) -> None:
        """Let a vote change a parameter from the next epoch on."""
        await self.both(
            "vote",
            TIMELOCK,
            self.calls.set_parameter(key, value),
            lambda: self.model.policy.set(self.address(TIMELOCK), key_word(key), value),
        )
