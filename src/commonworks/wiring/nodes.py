"""Running a network's nodes in this process: gateway, relay and verifier, and their rounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from commonworks.chain.client import ChainClient
from commonworks.crypto.keys import PrivateKey
from commonworks.errors import Conflict, NotFound, Unavailable
from commonworks.events import (
    GatewayRegistered,
)
from commonworks.gateway import Gateway, GatewaySettings, authorize
from commonworks.ports import Log
from commonworks.storage.files import FileStore
from commonworks.storage.index import SqliteIndex
from commonworks.storage.keyfiles import read_key
from commonworks.transport.asgi import App
from commonworks.transport.client import HttpTransport
from commonworks.transport.gateway_app import GatewayApp
from commonworks.transport.logs import HttpLog
from commonworks.transport.relay_app import RelayApp
from commonworks.transport.server import serve
from commonworks.verifier.role import Trouble, Verifier
from commonworks.wiring.founding import GATEWAY, VERIFIER, has_relayer
from commonworks.wiring.relaying import announced, open_relay
from commonworks.wiring.session import Session
from commonworks.wiring.telling import ToldOnce

ROUND_S: Final = 1.0
"""Real time between two rounds of a network that stays."""


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The Keys port over a folder of key files."""

    folder: Path

    def signer(self, name: str) -> PrivateKey:
        """See `ports.Keys.signer`."""
        return read_key(self.folder / f"{name}.json")


@dataclass(slots=True)
class Nodes:
    """The nodes that this process runs."""

    session: Session
    transport: HttpTransport
    gateway: Gateway
    gateway_url: str
    """Where it listens now."""
    registered_url: str
    """Where the chain says it listens."""
    verifier: Verifier
    reader: ChainClient
    """The chain without an account, for whoever only follows it."""

    async def round(self) -> tuple[Trouble, ...]:
        """Let every node do what is due at network time; return what will be tried again."""
        await self.session.pass_time()
        troubles: list[Trouble] = []
        try:
            await self.gateway.tick()
        except (Unavailable, Conflict) as error:
            troubles.append(Trouble(what=f"gateway {GATEWAY}", error=error))
        try:
            troubles += await self.verifier.tick()
        except Unavailable as error:
            troubles.append(Trouble(what=f"verifier {VERIFIER}", error=error))
        return tuple(troubles)


@asynccontextmanager
async def run_nodes(session: Session) -> AsyncIterator[Nodes]:
    """Run the first gateway and the first verifier of a network until the block is left.

    Raises: Conflict when the gateway's port is taken (a demo takes another one), Corrupt when its
    log is not the one that it anchored.
    """
    home = session.home
    view = await session.view()
    registered = [g for g in view.gateways.values() if g.name == GATEWAY]
    if not registered:
        raise NotFound("the network has no gateway yet", hint="finish founding it first")
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(HttpTransport())
        chain = _client(session, GATEWAY, stack)
        folder = home.gateway(GATEWAY)
        store = FileStore(folder)
        stack.callback(store.close)
        index = SqliteIndex(folder / "state" / "index.sqlite")
        stack.callback(index.close)
        gateway = await Gateway.open(
            settings=GatewaySettings(name=GATEWAY, network=session.network),
            store=store,
            chain=chain,
            clock=session.clock,
            keys=KeyFolder(folder / "keys"),
            positions=index,
        )
        stack.push_async_callback(gateway.close)
        app: App = GatewayApp(gateway)
        if has_relayer(home):
            app = RelayApp(await stack.enter_async_context(open_relay(session)), app)
        place = urlsplit(registered[0].endpoint)
        server = serve(
            app, place.hostname or "127.0.0.1", place.port or 0, may_move=session.manifest.demo
        )
        url = await stack.enter_async_context(server)
        if has_relayer(home):
            await stack.enter_async_context(announced(session, url))
        verifier_store = FileStore(home.verifier(VERIFIER))
        stack.callback(verifier_store.close)
        account = home.account(VERIFIER)

        def open_log(entry: GatewayRegistered) -> Log:
            at = url if entry.log_id == gateway.log_id else entry.endpoint
            leave = authorize(account, session.network.network_id, entry.log_id, session.clock)
            return HttpLog(transport, at, authorization=leave)

        verifier = Verifier(
            network=session.network,
            operator=home.address(VERIFIER),
            chain=_client(session, VERIFIER, stack),
            clock=session.clock,
            store=verifier_store,
            open_log=open_log,
            resources=session.resources,
            rules_hash=session.rules_hash,
        )
        reader = session.client()
        stack.push_async_callback(reader.close)
        if url != registered[0].endpoint:
            transport.reroute(registered[0].endpoint, url)
        yield Nodes(
            session=session,
            transport=transport,
            gateway=gateway,
            gateway_url=url,
            registered_url=registered[0].endpoint,
            verifier=verifier,
            reader=reader,
        )


def _client(session: Session, account: str, stack: AsyncExitStack) -> ChainClient:
    client = session.client(session.home.account(account))
    stack.push_async_callback(client.close)
    return client


async def _nothing() -> None:
    """What is done after a round where nobody asks for more."""


async def keep_running(
    nodes: Nodes,
    on_trouble: Callable[[str], None],
    after_round: Callable[[], Awaitable[None]] = _nothing,
) -> None:
    """Do rounds until cancelled; a chain that stopped ends it with its error.

    `on_trouble` hears each new trouble once, in one line.
    """
    stopped = (
        asyncio.create_task(nodes.session.embedded.wait_stopped())
        if nodes.session.embedded is not None
        else None
    )
    told = ToldOnce(on_trouble)
    try:
        while stopped is None or not stopped.done():
            for trouble in await nodes.round():
                told.line(f"{trouble.what}: {trouble.error}")
            await after_round()
            await asyncio.sleep(ROUND_S)
        await stopped
    finally:
        if stopped is not None:
            stopped.cancel()
