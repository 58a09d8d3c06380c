"""Running the explorer of a network in this process: index, follower, alerts, web server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from commonworks.chain.endpoints import Endpoints
from commonworks.errors import CommonworksError, Conflict
from commonworks.explorer.app import build_app
from commonworks.explorer.index.engine import open_index
from commonworks.explorer.index.follow import Follower
from commonworks.explorer.leafbook import LeafBook
from commonworks.explorer.ports import Archive
from commonworks.explorer.proofs import PayoutTrees
from commonworks.explorer.web.guard import Limits
from commonworks.explorer.web.proxies import Network
from commonworks.ports import Head
from commonworks.storage.files import FileStore
from commonworks.transport.asgi import App
from commonworks.transport.server import serve
from commonworks.wiring.clocks import ReplayClock
from commonworks.wiring.explorer.alerting import alert_desk, telling
from commonworks.wiring.explorer.archive import open_archive
from commonworks.wiring.explorer.backtests import backtests_of
from commonworks.wiring.explorer.council import ChainCouncil
from commonworks.wiring.explorer.desk import ChainDesk
from commonworks.wiring.explorer.ledger import ChainLedger
from commonworks.wiring.explorer.planting import planting
from commonworks.wiring.explorer.site import Adapters, folder_of, index_of, site_for
from commonworks.wiring.explorer.spelling import speller_of
from commonworks.wiring.explorer.warming import warming
from commonworks.wiring.founding import free_port
from commonworks.wiring.home import write_durably
from commonworks.wiring.session import Session
from commonworks.wiring.telling import ToldOnce

PORT: Final = "port"
"""File that remembers where this network's explorer listens."""
ENDPOINT: Final = "endpoint.json"
"""File that says where the one that runs now is reached."""
BOOK: Final = "payouts.sqlite"
"""File of all payout trees; derived, as the index is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and how an explorer is served."""

    host: str = "127.0.0.1"
    port: int | None = None
    """None: the port that this network's explorer was given first, or another where it is taken."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Names that people reach it at, for example behind a proxy -> `https` or `http`."""
    proxies: tuple[Network, ...] = ()
    """Proxies that are believed about who asks."""
    requests_per_minute: int | None = None
    """How often one reader may ask; None: as often as `Limits` says."""
    names: bool = False
    """Show everybody what this folder calls its accounts and devices."""
    public_rpc: tuple[str, ...] = ()
    """Chain endpoints that newcomers and wallets are told; none: the embedded chain's own."""
    command: str = "commonworks"
    """How the command line is called here."""
    reader: str | None = None
    """Account of this folder that asks other gateways for sealed payloads."""


@asynccontextmanager
async def run_explorer(
    session: Session, place: Place, on_trouble: Callable[[str], None]
) -> AsyncIterator[str]:
    """Follow a network and show it until the block is left; the value is the site's URL.

    `on_trouble` hears each new trouble once, in one line.
    Raises: Conflict when another explorer of this folder runs or the port is taken, Corrupt when
    the index is damaged.
    """
    async with AsyncExitStack() as stack:
        folder = folder_of(session.home)
        stack.callback(_lock(folder).close)
        engine = open_index(index_of(session.home))
        stack.callback(engine.dispose)
        # Readers have their own: whoever could write would hold the follower and each other up.
        reading = open_index(index_of(session.home), read_only=True)
        stack.callback(reading.dispose)
        port = place.port if place.port is not None else free_port(folder / PORT)
        chain = session.client()
        stack.push_async_callback(chain.close)
        endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
        stack.push_async_callback(endpoints.close)
        archive = await stack.enter_async_context(open_archive(session, reader=place.reader))
        council = ChainCouncil(session, endpoints)
        backtests = backtests_of(session, folder)
        stack.push_async_callback(backtests.close)
        site = site_for(
            session,
            reading,
            Adapters(
                archive=archive,
                ledger=ChainLedger(endpoints, session.deployment),
                council=council,
                desk=_desk(session, endpoints, archive),
                backtests=backtests,
            ),
            command=place.command,
            hosts=place.hosts,
            names=place.names,
            public_rpc=place.public_rpc,
        )
        site.trees = PayoutTrees(LeafBook(folder / BOOK))
        follower = Follower(
            engine=engine,
            chain=chain,
            archive=archive,
            council=council,
            resources=session.resources,
            network=session.network,
            first_block=session.deployment.genesis_block,
            publish=site.broadcast.publish,
        )
        # Where nobody chose its port and somebody sits there by now, it moves.
        app = build_app(
            site, limits=Limits.reading(place.requests_per_minute), proxies=place.proxies
        )
        server = serve(cast(App, app), place.host, port, may_move=place.port is None)
        url = await stack.enter_async_context(server)
        here = place.host in ("127.0.0.1", "::1", "localhost") and not place.hosts
        told_in = folder / ENDPOINT
        write_durably(told_in, json.dumps({"url": url}).encode())
        stack.callback(told_in.unlink, missing_ok=True)
        site.alerts = alert_desk(session.home, listens_at=url, only_here=here)
        told = ToldOnce(on_trouble)
        trees = await stack.enter_async_context(planting(site, told.line))
        await stack.enter_async_context(
            telling(site, site.alerts, told.line, lambda: _head_of(follower))
        )
        await stack.enter_async_context(_following(session, follower, told, trees))
        stack.callback(site.broadcast.close)
        await stack.enter_async_context(warming(app))
        yield url


def _head_of(follower: Follower) -> Head | None:
    """Return the chain's newest block as the follower saw it last."""
    return None if follower.last is None else follower.last.head


def _desk(session: Session, endpoints: Endpoints, archive: Archive) -> ChainDesk:
    return ChainDesk(
        endpoints,
        session.deployment,
        archive=archive,
        clock=session.clock,
        network=session.network,
        resources=session.resources,
        speller=speller_of(session),
    )


def _lock(folder: Path) -> FileStore:
    place = folder / ENDPOINT
    try:
        lock = FileStore(folder, exclusive=True)
    except Conflict:
        raise Conflict(
            f"an explorer of this network runs already{_at(place)}",
            hint="open that one, or stop the process that runs it",
        ) from None
    place.unlink(missing_ok=True)  # of one that was killed
    return lock


def _at(place: Path) -> str:
    """Return where the explorer that has the lock is, as far as it said so yet."""
    try:
        return f" at {json.loads(place.read_bytes())['url']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@asynccontextmanager
async def _following(
    session: Session, follower: Follower, told: ToldOnce, trees: asyncio.Event
) -> AsyncIterator[None]:
    task = asyncio.create_task(_follow(session, follower, told, trees))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _follow(
    session: Session, follower: Follower, told: ToldOnce, trees: asyncio.Event
) -> None:
    """Follow until cancelled; what ends it is told, and the pages stay as they are."""
    trees.set()  # of what was settled before

    async def pause(wait_s: float) -> None:
        step = follower.last
        for trouble in step.troubles if step is not None else ():
            told.line(f"explorer, {trouble.what}: {trouble.error}")
        if step is not None and step.epochs:
            trees.set()
        head = step.head if step is not None else None
        if head is not None and session.embedded is None and isinstance(session.clock, ReplayClock):
            session.clock.set(head.time)  # a demo's time is its chain's, whoever runs that
        await asyncio.sleep(wait_s)

    try:
        await follower.run(pause)
    except CommonworksError as error:
        told.line(f"the explorer stands still: {error}")
