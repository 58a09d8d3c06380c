"""The demo: a simulated world on real contracts, real logs, real HTTP, with a clock that waits.

Goal: somebody with a fresh machine watches a network settle days in seconds, with the same code
that runs for years.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from commonworks.agent import Agent, AgentSettings, GatewayAddress
from commonworks.errors import Conflict, Corrupt, InvalidInput
from commonworks.simulation.actors import HOUR_S, Player, derive
from commonworks.storage.files import FileStore
from commonworks.units import DAY_S
from commonworks.wiring.cast import (
    enrol_cast,
    make_accounts,
    member_names,
    overrides,
)
from commonworks.wiring.discover import select_resources, simulated, simulator
from commonworks.wiring.founding import (
    FOUNDING_ACCOUNTS,
    GATEWAY,
    Charter,
    deploy_network,
    ensure_account,
    free_port,
    make_manifest,
    register_nodes,
)
from commonworks.wiring.home import DEMO_MARK, Home
from commonworks.wiring.nodes import KeyFolder, Nodes, run_nodes
from commonworks.wiring.profiles import Profile
from commonworks.wiring.replay import Demo
from commonworks.wiring.session import Progress, Session, attach, network_clock, open_chain

ANY_START_S: Final = 1_767_225_600
"""Genesis of a demo none of whose worlds plays recorded data: 2026-01-01 00:00 UTC."""
GOVERNMENT: Final = {
    "voting_delay_s": HOUR_S,
    "voting_period_s": 36 * HOUR_S,
    "timelock_delay_s": 12 * HOUR_S,
}
"""A demo's days are few: what begins after one day is voted on after the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """What a demo was started with; kept in its folder."""

    seed: int
    days: int
    season: str
    resources: tuple[str, ...]
    cheaters: bool
    profile: Profile = Profile.COMMONS

    def document(self) -> dict[str, object]:
        """Return the settings as JSON values."""
        return {
            "seed": self.seed,
            "days": self.days,
            "season": self.season,
            "resources": list(self.resources),
            "cheaters": self.cheaters,
            "profile": str(self.profile),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> DemoSettings:
        """Return settings from JSON values; raise Corrupt where they are none."""
        try:
            return cls(
                seed=int(document["seed"]),
                days=int(document["days"]),
                season=str(document["season"]),
                resources=tuple(document["resources"]),
                cheaters=bool(document["cheaters"]),
                profile=Profile(document["profile"]),
            )
        except (KeyError, TypeError, ValueError):
            hint = "start a demo in another folder"
            raise Corrupt(f"{DEMO_MARK} is damaged", hint=hint) from None


def players_of(settings: DemoSettings) -> list[Player]:
    """Return the worlds that take part, all begun at the same moment.

    Raises: InvalidInput when no resource of the demo brings a simulator, the data are too short, or
    two worlds call a device the same.
    """
    resources = select_resources(settings.resources)
    simulators = {name: simulator(name) for name in simulated(sorted(resources))}
    if not simulators:
        raise InvalidInput("none of these resources brings a simulator")
    recorded = [one.natural_start(settings.season) for one in simulators.values()]
    start_s = max((at for at in recorded if at is not None), default=ANY_START_S)
    players = [
        Player(
            resource=resources[name],
            world=one.world(
                seed=settings.seed,
                season=settings.season,
                cheaters=settings.cheaters,
                start_s=start_s,
            ),
        )
        for name, one in simulators.items()
    ]
    longest = min(player.world.cast.length_s for player in players) // DAY_S
    if not 1 <= settings.days <= longest:
        raise InvalidInput(f"the data reach for 1 to {longest} days, not {settings.days}")
    names = Counter(actor.name for player in players for actor in player.world.cast.actors)
    shared = sorted(name for name, count in names.items() if count > 1)
    if shared:
        raise InvalidInput(f"two devices of these resources are called {shared[0]}")
    return players


@asynccontextmanager
async def open_demo(home: Home, settings: DemoSettings, progress: Progress) -> AsyncIterator[Demo]:
    """Found the demo's network, or take up the one that is there, and run its nodes.

    Raises: Conflict when the folder holds a network that is no demo, or a demo of other settings.
    """
    players = players_of(settings)
    settings = _mark(home, settings)
    make_accounts_of_nodes(home, settings.seed)
    make_accounts(home, settings.seed, players)
    if not home.exists():
        home.write_manifest(_manifest(home, settings, players))
    manifest = home.manifest()
    resources = select_resources(manifest.resources)
    clock = network_clock(manifest)
    async with AsyncExitStack() as stack:
        opened = open_chain(home, manifest, clock, progress)
        endpoints, embedded = await stack.enter_async_context(opened)
        if embedded is None:
            raise Conflict(
                f"another process runs the network in {home.path}",
                hint="stop it first, or choose another --home",
            )
        manifest = await deploy_network(home, manifest, endpoints, progress)
        session = await attach(home, manifest, clock, endpoints, embedded, resources)
        await _people(session, settings, players, progress)
        nodes = await stack.enter_async_context(run_nodes(session))
        agent = await _agent(session, nodes, stack)
        demo = Demo(nodes, agent, players, settings.days)
        await demo.prepare()
        yield demo


def _mark(home: Home, settings: DemoSettings) -> DemoSettings:
    """Mark the folder as this demo's; refuse any other network's."""
    known = home.demo_settings()
    if known:
        before = DemoSettings.read(known)
        if replace(before, days=settings.days) != settings:
            raise Conflict(
                f"{home.path} holds a demo with other settings",
                hint="choose another --home, or start it with the settings it was made with",
            )
        home.mark_demo(settings.document())
        return settings
    if home.exists():
        raise Conflict(f"{home.path} holds a network that is no demo", hint="choose another --home")
    home.mark_demo(settings.document())
    return settings


def make_accounts_of_nodes(home: Home, seed: int) -> None:
    """Make the accounts that run the network."""
    for name in FOUNDING_ACCOUNTS:
        ensure_account(home, name, key=derive(seed, f"account/{name}"))


def _manifest(home: Home, settings: DemoSettings, players: Sequence[Player]) -> Any:
    start = players[0].world.cast.start_s
    charter = Charter(
        name="Demo street",
        demo=True,
        genesis_time=start,
        epoch_length_s=DAY_S,
        currency_code="tEUR",
        currency_decimals=6,
        currency_address=None,
        profile=settings.profile,
        members=tuple(sorted(home.address(name) for name in member_names(players))),
        own_exchange=True,
        router=None,
        overrides={**GOVERNMENT, **overrides(home, players)},
    )
    return make_manifest(home, charter, select_resources(settings.resources))


async def _people(
    session: Session, settings: DemoSettings, players: Sequence[Player], progress: Progress
) -> None:
    """Register nodes and members."""
    port = free_port(session.home.gateway(GATEWAY) / "port")
    seeds = {name: derive(settings.seed, f"gateway/{name}") for name in ("note", "receipt")}
    await register_nodes(session, f"http://127.0.0.1:{port}", progress, seeds)
    await enrol_cast(session, players, progress)


async def _agent(session: Session, nodes: Nodes, stack: AsyncExitStack) -> Agent:
    """Return the agent that speaks for all simulated devices."""
    store = FileStore(session.home.agent("street"))
    stack.callback(store.close)
    gateway = nodes.gateway
    agent = Agent(
        settings=AgentSettings(
            network_id=session.network.network_id,
            gateways=(
                GatewayAddress(
                    name=GATEWAY,
                    endpoint=nodes.registered_url,
                    log_id=gateway.log_id,
                    receipt_key=gateway.receipt_key,
                ),
            ),
        ),
        transport=nodes.transport,
        clock=session.clock,
        store=store,
        keys=KeyFolder(session.home.devices),
        chain=nodes.reader,
    )
    await agent.open()
    return agent
