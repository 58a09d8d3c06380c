"""A whole network for one seed on virtual time: every role through its ports, and its weather.

Goal: days of a network in seconds, the same for the same seed, and every invariant checked after.
Rule: roles run as they do in production; only ports are simulated. Before genesis and after the
last epoch's hold the weather is calm, so that a run has a beginning and an end to judge.

    script = Script(Setting(players=players, epochs=2))
    calm = run(script)
    weather = forecast(7, host_names(script.setting), script.length_s)
    run(script, weather, undisturbed=calm).findings
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from commonworks.agent import AgentSettings
from commonworks.errors import Conflict, Unavailable, require
from commonworks.events import Claimed, GatewayRegistered
from commonworks.gateway import authorize
from commonworks.model import Settlement
from commonworks.ports import Action, Confirm, Log
from commonworks.settlement.epochs import ChainView
from commonworks.settlement.facts import policy_at
from commonworks.settlement.payout import proof
from commonworks.simulation import invariants
from commonworks.simulation.actors import BEFORE_S, HOUR_S
from commonworks.simulation.clock import VirtualClock
from commonworks.simulation.contracts import ContractsModel
from commonworks.simulation.economy import economy
from commonworks.simulation.faults import CALM, CHAIN, FaultyChain, Outage, Sky, Weather
from commonworks.simulation.hosts import (
    NEVER,
    AgentHost,
    GatewayHost,
    HeldKeys,
    Host,
    Record,
    VerifierHost,
)
from commonworks.simulation.script import GATEWAY, GATEWAY_URL, VERIFIER, Script, Setting
from commonworks.simulation.transport import MemoryTransport
from commonworks.statements.codec import Item
from commonworks.transport.gateway_app import SUBMIT_PATH
from commonworks.transport.logs import HttpLog
from commonworks.units import DAY_S
from commonworks.verifier.role import Verifier, archived

NODE_PERIOD_S: Final = 900
"""Between two turns of a gateway or verifier while nothing closes."""
CLOSING_PERIOD_S: Final = 120
"""The same from an epoch's end until it must be closed."""
AGENT_PERIOD_S: Final = 300
CLAIM_PERIOD_S: Final = 1_800
"""Between two rounds of pushing claims to their owners."""
CLAIMS_PER_ROUND: Final = 2
"""How often each claim is pushed in a round: whoever pushes may not know that it was done."""
DELIVERY_S: Final = 2 * HOUR_S
"""How long delivering a statement may take while its agent and the gateway run."""
RECOVERY_S: Final = 12 * HOUR_S
"""How long a network may take, in calm weather, to finish what a storm left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run left."""

    network_id: bytes
    epochs: tuple[invariants.Settled, ...]
    """Every finalised epoch, as the simulation settled it again from the gateway's disk."""
    digests: tuple[bytes, ...]
    """The contract's digest of each."""
    claims: tuple[Claimed, ...]
    """Every payment to an owner."""
    arrived: tuple[bool, ...]
    """Per epoch: everything arrived within the grace, and nobody was away while it closed."""
    findings: tuple[str, ...]
    """What must not happen; empty for a good run."""
    journal: tuple[str, ...]
    """Every fault, restart and trouble, in order of time."""
    faults: Mapping[str, int]
    """Faults by kind."""
    restarts: int
    """Power cuts."""

    @property
    def settlements(self) -> list[Settlement]:
        """The epochs' settlements."""
        return [settled.settlement for settled in self.epochs]


def host_names(setting: Setting) -> tuple[str, ...]:
    """Return the names of a network's machines, for its weather."""
    return (GATEWAY, VERIFIER, *(f"agent-{number + 1}" for number in range(setting.agents)))


def run(script: Script, weather: Weather = CALM, *, undisturbed: Run | None = None) -> Run:
    """Run a script in some weather, in an event loop of its own; check every invariant.

    `undisturbed`: the same script's run in calm weather, to compare each epoch with.
    """
    return asyncio.run(_run(script, weather, undisturbed))


async def _run(script: Script, weather: Weather, undisturbed: Run | None) -> Run:
    network = SimulatedNetwork(script, weather)
    try:
        await network.play()
        return await network.judge(undisturbed)
    finally:
        await network.close()


class SimulatedNetwork:
    """One run: the chain's model, the hosts, the wires between them."""

    def __init__(self, script: Script, weather: Weather) -> None:
        self.script = script
        self.clock = VirtualClock(script.start - DAY_S)
        self.record = Record(clock=self.clock)
        self.sky = Sky(weather, self.clock, self.record.note)
        self.contracts = ContractsModel(script.plan, self.clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._chain_out: list[tuple[int, int]] = []
        self._servers: dict[str, GatewayHost] = {}
        self.gateway = GatewayHost(
            GATEWAY,
            self.sky,
            self.record,
            self._node_period,
            network=script.network,
            chain=self._way_to_chain(GATEWAY),
            keys=HeldKeys(script.gateway_keys),
        )
        self._servers[GATEWAY_URL] = self.gateway
        self.verifier = VerifierHost(
            VERIFIER, self.sky, self.record, self._node_period, make=self._verifier()
        )
        self.agents = [self._agent(number) for number in range(script.setting.agents)]
        self._stranger = self._transport("stranger")

    # --- what runs where ------------------------------------------------------------------------

    @property
    def hosts(self) -> list[Host]:
        """Every machine."""
        return [self.gateway, self.verifier, *self.agents]

    def _way_to_chain(self, name: str) -> FaultyChain:
        account = self.script.addresses.get(name, bytes(20))
        return FaultyChain(self.contracts.operator(account), self.sky, name, self._witness)

    def _transport(self, client: str) -> MemoryTransport:
        dice = self.sky.dice(f"{client}'s wire", self.sky.weather.wire_ppm)
        return MemoryTransport(self._servers, self.clock, dice)

    def _verifier(self) -> Callable[[Host], Verifier]:
        script = self.script
        chain, transport = self._way_to_chain(VERIFIER), self._transport(VERIFIER)
        signer = script.account(VERIFIER)

        def open_log(entry: GatewayRegistered) -> Log:
            leave = authorize(signer, script.network.network_id, entry.log_id, self.clock)
            return HttpLog(transport, entry.endpoint, authorization=leave)

        def make(host: Host) -> Verifier:
            return Verifier(
                network=script.network,
                operator=script.addresses[VERIFIER],
                chain=chain,
                clock=self.clock,
                store=host.disk.store,
                open_log=open_log,
                resources=script.resources,
                rules_hash=policy_at(self._view().events, 0).rules_hash,
            )

        return make

    def _agent(self, number: int) -> AgentHost:
        name = f"agent-{number + 1}"
        return AgentHost(
            name,
            self.sky,
            self.record,
            lambda: AGENT_PERIOD_S,
            settings=AgentSettings(network_id=self.script.network.network_id),
            transport=self._transport(name),
            chain=self._way_to_chain(name),
        )

    def _node_period(self) -> int:
        network, now = self.script.network, self.clock.now()
        since = (now - network.genesis_time) % network.epoch_length_s
        opens, closes = self._window(0)
        closing = (
            now >= network.epoch_start(1) and since <= closes - network.epoch_start(1) + HOUR_S
        )
        del opens
        return CLOSING_PERIOD_S if closing else NODE_PERIOD_S

    def _window(self, epoch: int) -> tuple[int, int]:
        """Return when an epoch's grace ends, and when it must be closed."""
        return self.contracts.settlement.confirm_window(epoch)

    # --- the play -------------------------------------------------------------------------------

    async def play(self) -> None:
        """Found the network, play every epoch in its weather, let everybody recover."""
        script, network = self.script, self.script.network
        script.found(self.contracts)
        await self._advance(script.start - BEFORE_S)
        for signed in script.standing:
            self.agents[script.agent_of(signed.owner)].say(signed.item)
        for host in (self.gateway, *self.agents, self.gateway, self.verifier):
            await host.turn()
        script.adopt_sites(self.contracts)
        await self._advance(script.start)
        require(not any(agent.said for agent in self.agents), "what stands is said before genesis")
        self._begin()
        for hour in range(script.length_s // HOUR_S):
            await self._advance(script.start + (hour + 1) * HOUR_S)
            self._say(hour)
        await self._advance(self._window(script.setting.epochs - 1)[1] + HOUR_S)
        await self._recover(network.epoch_start(script.setting.epochs))

    def _begin(self) -> None:
        """Let the weather in, and everybody live on their own from here."""
        self.sky.active = not self.sky.weather.calm
        lives = [host.live() for host in self.hosts]
        lives += [self._claims(), self._wishes()]
        lives += [self._outage(outage) for outage in self.sky.weather.outages]
        self._tasks = [asyncio.ensure_future(life) for life in lives]
        if self.sky.active:
            for host in self.hosts:
                host.disk.begin()

    def _say(self, hour: int) -> None:
        """Hand what an hour was to the agents; let the hostile try their luck."""
        said = self.script.said(hour)
        for signed in said.own:
            self.agents[self.script.agent_of(signed.owner)].say(signed.item)
        if said.hostile:
            self._tasks.append(asyncio.ensure_future(self._attack(said.hostile)))

    async def _recover(self, ended: int) -> None:
        """Cut everybody's power once more; then the weather is calm until all is final."""
        self.sky.active = False
        for host in self.hosts:
            host.restore()
        last = self.script.setting.epochs - 1
        give_up = self.clock.now() + RECOVERY_S
        hold = policy_at(self._view().events, last)["hold_s"]
        while self.clock.now() < give_up:
            await self._advance(self.clock.now() + HOUR_S // 2)
            final = self._view().finalised.get(last)
            if final is not None and self.clock.now() > final.at.time + hold + 2 * CLAIM_PERIOD_S:
                return
        if last not in self._view().finalised:
            self.record.find("network", f"epoch {last} ended at {ended} and is still not final")

    async def _advance(self, time_s: int) -> None:
        await self.clock.advance_to(time_s)
        for task in self._tasks:
            if task.done():
                task.result()
        self._check_agents()

    async def close(self) -> None:
        """End every task."""
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.wait({task})

    async def _outage(self, outage: Outage) -> None:
        start = self.script.start + outage.start_s
        until = start + outage.length_s
        await self.clock.sleep_until(start)
        if not self.sky.active:
            return
        self.sky.note(outage.who, f"out for {outage.length_s} s")
        if outage.who == CHAIN:
            self.sky.out[CHAIN] = max(until, self.sky.out.get(CHAIN, 0))
            self._chain_out.append((start, until))
            return
        next(host for host in self.hosts if host.name == outage.who).cut(outage.length_s)

    async def _attack(self, items: tuple[Item, ...]) -> None:
        body = b"".join(item.encode() for item in items)
        try:
            await self._stranger.post(GATEWAY_URL + SUBMIT_PATH, body)
        except Unavailable:
            return

    async def _wishes(self) -> None:
        """Let members deposit and ask for withdrawals at their times."""
        currency = self.script.plan.currency
        for wish in self.script.wishes():
            await self.clock.sleep_until(wish.time_s)
            if wish.deposit:
                self.contracts.mint_currency(self.script.plan.founder, wish.account, wish.deposit)
                self.contracts.deposit(wish.account, currency, wish.deposit)
            else:
                with self.contracts.transaction():
                    self.contracts.vault.request_withdrawal(wish.account, currency, wish.withdrawal)

    async def _claims(self) -> None:
        """Push every claim to its owner, again and again: anybody may, and none may pay twice."""
        vault = self.contracts.vault
        known: dict[int, Settlement] = {}
        while True:
            await self.clock.sleep_until(self.clock.now() + CLAIM_PERIOD_S)
            self.contracts.blocks.head()  # a root may have become claimable since the last block
            epoch = vault.claimable_epoch()
            if epoch is None or not self.verifier.running:
                continue
            settled = known.get(epoch) or await archived(self.verifier.disk.simulated, epoch)
            if settled is None:
                continue
            known[epoch] = settled
            for total in (t for t in settled.payouts if t.earned):
                leaf, siblings = proof(settled.payouts, total.asset, total.account)
                for _ in range(CLAIMS_PER_ROUND):
                    try:
                        with self.contracts.transaction():
                            vault.claim(leaf, siblings)
                    except Conflict as error:
                        if error.fields.get("refusal") != "NothingToClaim":
                            self.record.find("claims", str(error))

    # --- the judgement --------------------------------------------------------------------------

    def _view(self) -> ChainView:
        view = ChainView()
        view.extend(self.contracts.blocks.events(0, self.contracts.blocks.head().block))
        return view

    def _witness(self, action: Action) -> None:
        """Look at the verifier's disk at the moment when it says that it holds the logs."""
        if not isinstance(action, Confirm):
            return
        log, _ = invariants.read_log(self.gateway.disk.simulated.files())
        mirror = self.verifier.disk.simulated.files(durable=True)
        for tip in action.tips:
            for finding in invariants.mirrored(log, mirror, tip):
                self.record.find(VERIFIER, f"confirms epoch {action.epoch}, but {finding}")

    def _check_agents(self) -> None:
        """An agent's queue has everything that no closed range has yet."""
        closed: set[bytes] | None = None
        for agent in self.agents:
            missing = agent.kept - agent.held()
            if missing and closed is None:
                closed = self._closed_statements()
            forgotten = missing - (closed or set())
            agent.kept -= missing
            if forgotten:
                self.record.find(agent.name, f"forgot {len(forgotten)} statements too early")

    def _closed_statements(self) -> set[bytes]:
        log, _ = invariants.read_log(self.gateway.disk.simulated.files())
        size = max((p.size for e in self._view().closed.values() for p in e.ranges), default=0)
        return {item.statement for item in log[:size]}

    async def judge(self, undisturbed: Run | None) -> Run:
        """Check every invariant; return the run."""
        script, view = self.script, self._view()
        log, findings = invariants.read_log(self.gateway.disk.simulated.files())
        findings += invariants.acknowledged(log, self.record.acknowledged)
        for tip in filter(None, map(view.latest_tip, view.gateways)):
            findings += invariants.mirrored(log, self.verifier.disk.simulated.files(), tip)
        settled, wrong = invariants.resettle(
            view,
            script.network,
            script.resources,
            log,
            script.setting.epochs,
            random.Random(f"shape/{self.sky.weather.seed}"),  # noqa: S311 - see faults.py
        )
        findings += wrong
        for one in settled:
            kept = await archived(self.verifier.disk.simulated, one.settlement.epoch)
            findings += invariants.archived(one.settlement, kept)
        settlements = [one.settlement for one in settled]
        findings += invariants.money(self.contracts, view, settlements)
        findings += economy(
            view.events,
            script.network,
            settlements,
            allocated_wei=sum(amount for _, amount in script.plan.allocations),
            supply_wei=self.contracts.token.supply,
        )
        findings += self._undelivered()
        arrived = [self._arrived(one, undisturbed) for one in settled]
        if undisturbed is not None:
            findings += self._agreement(settled, arrived, undisturbed)
        for finding in findings:
            self.record.find("judge", finding)
        return Run(
            network_id=script.network.network_id,
            epochs=tuple(settled),
            digests=tuple(event.digest for _, event in sorted(view.finalised.items())),
            claims=tuple(event for event in view.events if isinstance(event, Claimed)),
            arrived=tuple(arrived),
            findings=tuple(self.record.findings),
            journal=tuple(self.record.journal),
            faults=dict(self.sky.counts),
            restarts=self.record.restarts,
        )

    def _undelivered(self) -> list[str]:
        """What a device said is logged soon while agent and gateway run, chain or no chain."""
        findings = []
        for agent in self.agents:
            late = 0
            for statement, said_at in agent.said_at.items():
                due = said_at + DELIVERY_S
                _, logged_at = self.record.acknowledged.get(statement, (0, NEVER))
                able = agent.was_up(said_at, due) and self.gateway.was_up(said_at, due)
                late += logged_at == NEVER or (able and logged_at > due)
            if late:
                findings.append(f"{agent.name} delivered {late} statements too late or never")
        return findings

    def _arrived(self, settled: invariants.Settled, undisturbed: Run | None) -> bool:
        epoch = settled.settlement.epoch
        opens, closes = self._window(epoch)
        expected = undisturbed.epochs[epoch].known if undisturbed is not None else settled.known
        times = (self.record.acknowledged.get(statement) for statement in expected)
        in_time = all(known is not None and known[1] <= opens for known in times)
        chain_out = any(start < closes and until > opens for start, until in self._chain_out)
        ran = self.gateway.was_up(opens, closes) and self.verifier.was_up(opens, closes)
        return in_time and ran and not chain_out

    def _agreement(
        self, settled: list[invariants.Settled], arrived: list[bool], undisturbed: Run
    ) -> list[str]:
        """Compare with calm weather for as long as the same was known in time."""
        findings: list[str] = []
        served = True
        for one, other, in_time in zip(settled, undisturbed.epochs, arrived, strict=False):
            served = served and one.service == other.service
            findings += invariants.agrees(one, other, arrived=in_time, served=served)
            if one.known != other.known:
                break
        return findings
