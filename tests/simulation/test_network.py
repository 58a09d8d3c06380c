"""A whole network on virtual time: calm days, many seeds of bad weather, and bugs planted in roles.

COMMONWORKS_SIM_SEEDS chooses other seeds: `17`, `3,8,17`, or `100-199`.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from commonworks.agent.queue import Queue
from commonworks.agent.service import Agent
from commonworks.events import Commitment, Finalised
from commonworks.gateway import MemoryPositions
from commonworks.gateway.growth import LOG, Tree, grow, stored_at
from commonworks.gateway.sequencer import COMMITTED, Head, Sequencer
from commonworks.gateway.staging import Addition, Staged, encode_staged, staging_path
from commonworks.model import Outcome, State, Total
from commonworks.ports import Confirm
from commonworks.settlement import intake, ledger, settle
from commonworks.settlement.service import ServiceFold
from commonworks.simulation.faults import forecast
from commonworks.simulation.network import Run, host_names, run
from commonworks.simulation.rounds import SettlementModel
from commonworks.simulation.script import RELAYER, Script, Setting
from commonworks.simulation.token import Erc20
from commonworks.simulation.vault import VaultModel
from commonworks.statements.codec import Item
from commonworks.units import DAY_S, MICRO
from commonworks.verifier.role import Trouble, Verifier
from commonworks.wiring.demo import DemoSettings, players_of

SEEDS = range(6)
"""Weather of the suite: even seeds squalls, odd seeds storms."""


def chosen_seeds() -> Sequence[int]:
    """Return the seeds that the environment asks for, or the suite's."""
    text = os.environ.get("COMMONWORKS_SIM_SEEDS", "")
    seeds: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds or SEEDS


def street(*, key_seed: int = 1, days: int = 1, **setting: Any) -> Script:
    """Return the script of the summer street, cheaters included."""
    demo = DemoSettings(
        seed=key_seed, days=days, season="summer", resources=("energy",), cheaters=True
    )
    return Script(Setting(players=tuple(players_of(demo)), seed=key_seed, **setting))


def short_street(key_seed: int = 1) -> Script:
    """Return a street of three short epochs: much closing, little waiting.

    An epoch may pay out less than members ask back, so that withdrawals wait.
    """
    overrides = {"confirm_s": 3_600, "currency_growth_max": 60 * MICRO}
    return street(key_seed=key_seed, epochs=3, epoch_length_s=DAY_S // 4, overrides=overrides)


@pytest.fixture(scope="module")
def script() -> Script:
    """The street of every test in bad weather."""
    return short_street()


@pytest.fixture(scope="module")
def calm(script: Script) -> Run:
    """The undisturbed run that all weather is compared with."""
    return run(script)


@pytest.fixture(scope="module")
def weathered(script: Script, calm: Run) -> Callable[[int], Run]:
    """Return the runs of the suite's seeds, each made once."""
    return functools.cache(lambda seed: in_weather(script, seed, calm))


def in_weather(script: Script, seed: int, calm: Run) -> Run:
    """Run the script in the weather of a seed."""
    names = host_names(script.setting)
    return run(script, forecast(seed, names, script.length_s), undisturbed=calm)


def told(seed: int, result: Run) -> str:
    """Return what a person needs to go on from a finding."""
    found, last = "\n".join(result.findings), "\n".join(result.journal[-40:])
    return f"seed {seed} (COMMONWORKS_SIM_SEEDS={seed}):\n{found}\n\njournal, its end:\n{last}"


# --- calm weather -------------------------------------------------------------------------------


def test_two_days_of_the_street_settle_undisturbed() -> None:
    """Everybody delivers, both days settle, pay and are claimed; some lies are rejected."""
    script = street(epochs=2, days=2)
    result = run(script)
    assert not result.findings, told(0, result)
    assert [one.epoch for one in result.settlements] == [0, 1]
    assert result.restarts == len(host_names(script.setting)), "only the last look cuts the power"
    for one in result.settlements:
        assert one.paid_micro > 0
        assert one.minted_wei > 0
        assert len(one.verdicts) > 800
        rejected = [v for v in one.verdicts if v.outcome is Outcome.REJECTED]
        assert 0 < len(rejected) < 20
    assert result.digests == tuple(one.digest for one in result.settlements)
    last = result.settlements[-1]
    paid: dict[tuple[bytes, bytes], int] = {}
    for claim in result.claims:
        paid[claim.asset, claim.account] = paid.get((claim.asset, claim.account), 0) + claim.amount
    assert paid == {(t.asset, t.account): t.earned for t in last.payouts if t.earned}
    asked = {wish.account for wish in script.wishes() if wish.withdrawal}
    assert {item.account for one in result.settlements for item in one.withdrawn} == asked


def test_every_part_of_the_economy_takes_part(calm: Run) -> None:
    """Nodes and treasury earn, a shared device is paid to both, withdrawals wait for room."""
    earners = {reward.resource for one in calm.settlements for reward in one.rewards}
    assert earners == {"energy", "gateways", "treasury", "verifiers"}
    assert [bool(one.state.waiting) for one in calm.settlements] == [True, True, True]
    got = [[item.request for item in one.withdrawn] for one in calm.settlements]
    assert got == [[1], [1], [1, 2]]
    relayer = short_street().addresses[RELAYER]
    assert any(t.account == relayer and t.earned for t in calm.settlements[-1].payouts)


def test_one_seed_is_one_run(calm: Run, weathered: Callable[[int], Run]) -> None:
    """Two scripts of one seed give the same everything, in weather too, to the last line."""
    assert in_weather(short_street(), 3, calm) == weathered(3)
    assert weathered(3).journal != weathered(5).journal


def test_another_seed_is_another_network(calm: Run) -> None:
    """Other keys make another network, and its meters err otherwise."""
    other = run(short_street(2))
    assert not other.findings
    assert other.network_id != calm.network_id
    made, expected = other.settlements[0].commitment, calm.settlements[0].commitment
    assert made.result_hash != expected.result_hash


# --- bad weather --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", chosen_seeds())
def test_weather_breaks_no_invariant(
    script: Script, weathered: Callable[[int], Run], seed: int
) -> None:
    """Whatever goes wrong: nothing acknowledged is lost, nothing is paid twice or differently."""
    result = weathered(seed)
    assert not result.findings, told(seed, result)
    assert len(result.epochs) == script.setting.epochs


def test_the_weather_is_bad_enough(script: Script, weathered: Callable[[int], Run]) -> None:
    """The seeds above mean something: they meet every kind of fault, and often compare epochs."""
    results = [weathered(seed) for seed in range(4)]
    faults: set[str] = {kind for one in results for kind in one.faults}
    for kind in (
        "no endpoint answers",
        "an endpoint is behind",
        "transaction done, its answer lost",
        "request lost",
        "answer lost",
        "request late",
        "answer late",
        "request doubled, the second hours later",
        "failed, but applied",
        "power cut, applied",
        "takes its time",
    ):
        assert kind in faults, f"never: {kind}"
    assert any(kind.startswith("out for") for kind in faults)
    assert all(one.restarts > len(host_names(script.setting)) for one in results)
    arrived = [one for result in results for one in result.arrived]
    assert arrived.count(True) >= len(arrived) // 3
    assert False in arrived, "no storm ever kept anything from arriving"


# --- planted bugs -------------------------------------------------------------------------------


async def answer_first(self: Sequencer, tree: Tree, fresh: Sequence[Addition]) -> Head:
    """Planted: the gateway answers, and commits when it comes to it."""
    growth = grow(tree, self._keys, fresh)
    after, path = growth.tree, staging_path(growth.tree.size)
    staged = Staged(first=tree.size, checkpoint=after.checkpoint, additions=tuple(fresh))
    files = {stored_at(name): data for name, data in growth.files.items()}

    async def commit() -> None:
        await self._store.write({path: encode_staged(staged)})
        await self._store.swap(COMMITTED, tree.checkpoint, after.checkpoint)
        await self._store.write(files)
        await self._store.write({LOG + "checkpoint": after.checkpoint})

    asyncio.ensure_future(commit()).add_done_callback(lambda task: task.exception())
    self._remember(growth.files)
    self._head = self._signed(after)
    return self._head


async def replay_nothing(self: Sequencer, committed: bytes) -> None:
    """Planted: a committed pool is not replayed at start."""


def find_nothing(self: MemoryPositions, identities: Sequence[bytes]) -> dict[bytes, int]:
    """Planted: the gateway logs again what it has already."""
    return {}


async def forget_on_receipt(self: Agent) -> None:
    """Planted: the agent lets go of what has a receipt, closed or not."""
    await self._queue.remove([name for name, item in self._queue.items() if item.places])


async def queue_in_memory(self: Queue, items: Sequence[Item], now: int) -> None:
    """Planted: the agent takes over statements without writing them down."""
    self._take(self._next_batch, now, items)
    self._next_batch += 1


async def deliver_with_chain_only(self: Agent) -> None:
    """Planted: an agent that cannot read the chain delivers nothing."""
    await self._sign_ready()
    await self._follow()
    await self._let_go()
    await self._deliver()


async def confirm_unseen(
    self: Verifier, epoch: int, opens: int, patience: int, troubles: list[Trouble]
) -> None:
    """Planted: the verifier confirms every anchor, whether it holds the log or not."""
    confirmed = (epoch, self._operator) in self.view.confirmed
    if confirmed or (self._clock.now() < patience and not await self._all_anchored(opens)):
        return
    tips = [tip for log in sorted(self.view.gateways) if (tip := self.view.latest_tip(log))]
    await self._send(Confirm(epoch=epoch, tips=tuple(tips)), "confirmation", troubles)


async def confirm_in_a_hurry(
    self: Verifier, epoch: int, opens: int, patience: int, troubles: list[Trouble]
) -> None:
    """Planted: a log that could not be read this once is left out of the epoch."""
    confirmed = (epoch, self._operator) in self.view.confirmed
    if confirmed or (self._clock.now() < patience and not await self._all_anchored(opens)):
        return
    tips = []
    for log_id in sorted(self.view.gateways):
        tip = self.view.latest_tip(log_id)
        if tip is not None and (await self._mirror.held(log_id)).size >= tip.size:
            tips.append(tip)
    await self._send(Confirm(epoch=epoch, tips=tuple(tips)), "confirmation", troubles)


def count_again(original: Callable[..., intake.Intake]) -> Callable[..., intake.Intake]:
    """Planted: settlement forgets which statements it has judged before."""

    def take_in(resources: Any, policy: Any, facts: Any, state: State, evidence: Any) -> Any:
        return original(resources, policy, facts, replace(state, seen=()), evidence)

    return take_in


def spend_nothing(self: Any, asset: bytes, account: bytes, amount: int) -> None:
    """Planted: what one account earns, nobody spends."""


def forget_who_waits(original: Callable[..., Any]) -> Callable[..., Any]:
    """Planted: a withdrawal that the epoch has no room for is never served."""
    return lambda *given: (original(*given)[0], ())


def pay_the_owner(amount: int, shares: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """Planted: the first payee of a list gets everything."""
    return [(shares[0][0], amount)]


def serve_for_nothing(self: ServiceFold, event: Finalised) -> None:
    """Planted: nobody remembers which nodes saw an epoch through."""


def mint_generously(self: Erc20, to: bytes, amount: int) -> None:
    """Planted: whoever is minted for gets it, and the treasury a little too."""
    for account, part in ((to, amount), (bytes(20), 1)):
        self.supply += part
        self.balances[account] += part


def forget_the_claim(self: VaultModel, total: Total, amount: int) -> None:
    """Planted: a claim is paid, and the account's claim is not booked."""
    self._assets[total.asset].claimed += amount


def hash_less(original: Callable[..., bytes]) -> Callable[..., bytes]:
    """Planted: the contract leaves the state out of the digest."""

    def digest_for(self: SettlementModel, epoch: int, commitment: Commitment) -> bytes:
        return original(self, epoch, replace(commitment, state_hash=bytes(32)))

    return digest_for


BUGS: Mapping[str, tuple[Any, str, Any, str]] = {
    "the gateway answers before it commits": (
        Sequencer, "_commit", answer_first, "acknowledged entry",
    ),
    "the gateway does not replay": (Sequencer, "_replay", replay_nothing, "is damaged"),
    "the gateway logs duplicates": (MemoryPositions, "find", find_nothing, "logged twice"),
    "the agent forgets on receipt": (Agent, "_let_go", forget_on_receipt, "forgot"),
    "the agent does not write": (Queue, "add", queue_in_memory, "forgot"),
    "the agent needs the chain": (Agent, "tick", deliver_with_chain_only, "too late or never"),
    "the verifier confirms unseen": (Verifier, "_confirm", confirm_unseen, "but the mirror"),
    "the verifier confirms in a hurry": (
        Verifier, "_confirm", confirm_in_a_hurry, "were not settled in it",
    ),
    "settlement counts twice": (
        settle, "take_in", count_again(intake.take_in), "duplicates or order",
    ),
    "settlement spends nothing": (ledger.Ledger, "spend", spend_nothing, "more is earned"),
    "a withdrawal is forgotten": (
        ledger.Ledger, "withdraw", forget_who_waits(ledger.Ledger.withdraw),
        "lapsed although",
    ),
    "shares are not split": (ledger, "split_payees", pay_the_owner, "its shares come to"),
    "nodes go unpaid": (
        ServiceFold, "_finalise", serve_for_nothing, "the rewards of verifiers",
    ),
    "minting is generous": (Erc20, "mint", mint_generously, "the supply is"),
    "a claim pays twice": (VaultModel, "_book_claim", forget_the_claim, "was paid"),
    "the contract hashes less": (
        SettlementModel, "digest_for", hash_less(SettlementModel.digest_for), "digest is not",
    ),
}  # fmt: skip
"""Name -> (where, attribute, what stands there, what a finding says)."""


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(
    script: Script, calm: Run, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    """The suite can see: one of its seeds shows each of these. Without them it finds nothing."""
    owner, name, planted, expected = BUGS[bug]
    monkeypatch.setattr(owner, name, planted)
    for seed in SEEDS:
        if any(expected in finding for finding in in_weather(script, seed, calm).findings):
            return
    pytest.fail(f"no seed of the suite shows that {bug}")
