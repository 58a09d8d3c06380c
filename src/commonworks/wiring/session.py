"""One opened network: its manifest, its chain (started here when nobody runs it), its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from eth_account.signers.local import LocalAccount

from commonworks.chain.client import ChainClient
from commonworks.chain.deploy import read_deployment, read_network
from commonworks.chain.embedded import ChainConfig, EmbeddedChain, find_anvil, live_endpoint
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.manifest import Manifest
from commonworks.chain.plan import Deployment
from commonworks.errors import Conflict, NotFound
from commonworks.events import (
    GatewayRegistered,
)
from commonworks.model import (
    Network,
)
from commonworks.ports import Clock
from commonworks.resources.base import Resource
from commonworks.settlement.epochs import ChainView
from commonworks.translog.notes import NoteKey, note_key
from commonworks.wiring.clocks import ReplayClock, SystemClock
from commonworks.wiring.discover import installed_rules_hash, select_resources
from commonworks.wiring.home import Home, write_durably

EMBEDDED_CHAIN_ID: Final = 31_337
"""Chain id of embedded chains: what development chains use, so that wallets warn."""

BEFORE_GENESIS_S: Final = 86_400
"""How long before the network's genesis a demo's chain begins: time to found it."""

PROJECT: Final = Path(__file__).resolve().parents[3]
"""Root of a checkout, where npm put the embedded chain."""

PORT: Final = "port"
"""File in the chain's folder that remembers where it was served."""

Progress = Callable[[str], None]


@dataclass(slots=True)
class Session:
    """An opened network. Everything a command needs, nothing started that it does not."""

    home: Home
    manifest: Manifest
    clock: SystemClock | ReplayClock
    endpoints: tuple[str, ...]
    embedded: EmbeddedChain | None
    """The embedded chain when this process runs it."""
    deployment: Deployment
    network: Network
    resources: Mapping[str, Resource]
    rules_hash: bytes

    def client(self, signer: LocalAccount | None = None) -> ChainClient:
        """Return the contracts as one account sees them."""
        return ChainClient(self.endpoints, self.deployment, signer)

    async def view(self) -> ChainView:
        """Return everything that the chain says up to now."""
        client = self.client()
        try:
            head = await client.head()
            view = ChainView()
            view.extend(await client.events(self.deployment.genesis_block, head.block))
            return view
        finally:
            await client.close()

    async def pass_time(self) -> None:
        """Let block time catch up with the network's clock where this process runs the chain."""
        if self.embedded is not None:
            await self.embedded.mine()


def chain_config(manifest: Manifest) -> ChainConfig:
    """Return what fixes the embedded chain of a network."""
    return ChainConfig(
        chain_id=EMBEDDED_CHAIN_ID, genesis_timestamp=manifest.genesis_time - BEFORE_GENESIS_S
    )


@asynccontextmanager
async def open_chain(
    home: Home, manifest: Manifest, clock: Clock, progress: Progress
) -> AsyncIterator[tuple[tuple[str, ...], EmbeddedChain | None]]:
    """Yield the chain's endpoints; start the embedded chain when nobody runs it yet.

    It comes back where it was, for those who were told its endpoint: wallets, newcomers, an
    explorer beside it. Where somebody else sits there by now, it moves.
    """
    if manifest.place is not None and manifest.place.endpoints:
        yield manifest.place.endpoints, None
        return
    running = live_endpoint(home.chain)
    if running is not None:
        yield (running,), None
        return

    def replayed(done: int, total: int) -> None:
        progress(f"embedded chain: {done} of {total} blocks replayed")

    anvil = find_anvil(PROJECT)

    def embedded(port: int) -> AbstractAsyncContextManager[EmbeddedChain]:
        return EmbeddedChain.open(
            home.chain,
            anvil,
            config=chain_config(manifest),
            now=clock.now,
            port=port,
            progress=replayed,
        )

    known = _known_port(home)
    async with AsyncExitStack() as stack:
        try:
            chain = await stack.enter_async_context(embedded(known))
        except Conflict:
            if not known:
                raise
            chain = await stack.enter_async_context(embedded(0))
        port = urlsplit(chain.endpoint).port
        if port != known:
            write_durably(home.chain / PORT, f"{port}\n".encode())
        yield (chain.endpoint,), chain


def _known_port(home: Home) -> int:
    """Return where the embedded chain was served last, 0 where that is not known."""
    try:
        text = (home.chain / PORT).read_text().strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isascii() and text.isdecimal() and int(text) < 1 << 16 else 0


@asynccontextmanager
async def open_session(home: Home, progress: Progress = lambda _: None) -> AsyncIterator[Session]:
    """Open the network of a folder.

    Raises: NotFound where none was founded, Conflict when founding was cut off or the chain is
    another one, Corrupt when the folder is damaged.
    """
    manifest = home.manifest()
    if manifest.place is None:
        again = "commonworks demo" if manifest.demo else "commonworks init"
        raise Conflict(
            f"the network in {home.path} was never finished", hint=f"go on with: {again}"
        )
    resources = select_resources(manifest.resources)
    clock = network_clock(manifest)
    async with AsyncExitStack() as stack:
        chain = open_chain(home, manifest, clock, progress)
        endpoints, embedded = await stack.enter_async_context(chain)
        yield await attach(home, manifest, clock, endpoints, embedded, resources)


def network_clock(manifest: Manifest) -> SystemClock | ReplayClock:
    """Return the clock of a network: a demo's stands where its chain stands."""
    if manifest.demo:
        return ReplayClock(manifest.genesis_time - BEFORE_GENESIS_S)
    return SystemClock()


async def attach(
    home: Home,
    manifest: Manifest,
    clock: SystemClock | ReplayClock,
    endpoints: tuple[str, ...],
    embedded: EmbeddedChain | None,
    resources: Mapping[str, Resource],
) -> Session:
    """Return a session over a chain that runs and a network that is deployed on it."""
    place = manifest.place
    if place is None:
        raise NotFound("the network is not deployed yet")
    readers = Endpoints(endpoints)
    try:
        deployment = await read_deployment(
            readers, place.settlement, place.currency, place.government
        )
        network = await read_network(readers, place.settlement, place.currency)
        block = await readers.run(lambda endpoint: endpoint.block("latest"))
    finally:
        await readers.close()
    if deployment.genesis_hash != place.genesis_hash:
        raise Conflict(
            "the chain is not the one that this network was founded on",
            hint="check the endpoints in network.json",
        )
    if isinstance(clock, ReplayClock):
        clock.set(int(str(block["timestamp"]), 16))
    return Session(
        home=home,
        manifest=manifest,
        clock=clock,
        endpoints=endpoints,
        embedded=embedded,
        deployment=deployment,
        network=network,
        resources=resources,
        rules_hash=installed_rules_hash(resources),
    )


def gateway_note_key(gateway: GatewayRegistered) -> NoteKey:
    """Return the key that a registered gateway's checkpoints are checked with."""
    return note_key(gateway.origin, gateway.note_key)
