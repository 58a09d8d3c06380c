"""The index of a network that really ran: followed live, made anew, and out of damaged folders."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import commonworks, running
from sqlalchemy import Engine, select, update
from street import GATEWAY, Street

from commonworks import canonical
from commonworks.chain.embedded import live_endpoint
from commonworks.chain.endpoints import Endpoints
from commonworks.explorer.index import schema
from commonworks.explorer.index.engine import open_index
from commonworks.explorer.index.follow import Follower
from commonworks.model import Settlement
from commonworks.wiring.explorer import indexing
from commonworks.wiring.explorer.archive import open_archive
from commonworks.wiring.explorer.council import ChainCouncil
from commonworks.wiring.home import Home
from commonworks.wiring.session import Session, open_session
from index_story import differences, rows_of

pytestmark = pytest.mark.xdist_group("e2e")

INDEX = Path("explorer") / "index.sqlite"
EPOCHS = Path("verifiers") / "verifier-1" / "epochs"


@contextmanager
def opened(path: Path) -> Iterator[Engine]:
    engine = open_index(path)
    try:
        yield engine
    finally:
        engine.dispose()


async def open_follower(stack: AsyncExitStack, session: Session, engine: Engine) -> Follower:
    """Return a follower of a network that runs or lies in a folder."""
    chain = session.client()
    stack.push_async_callback(chain.close)
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    stack.push_async_callback(endpoints.close)
    return Follower(
        engine=engine,
        chain=chain,
        archive=await stack.enter_async_context(open_archive(session)),
        council=ChainCouncil(session, endpoints),
        resources=session.resources,
        network=session.network,
        first_block=session.deployment.genesis_block,
        publish=lambda _kind, _data: None,
    )


async def settled(home: Home, engine: Engine, epochs: int) -> None:
    """Follow a network that another process runs until so many epochs are in the index."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(home))
        follower = await open_follower(stack, session, engine)
        done: list[int] = []
        while len(done) < epochs:
            done += (await follower.step(0.5)).epochs


async def caught_up(home: Home, engine: Engine) -> None:
    """Follow to the end and make the folder's own index anew at the same block."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(home))
        step = await (await open_follower(stack, session, engine)).step()
        assert step.troubles == []
        found = await indexing.rebuild(session)
        assert found.troubles == ()


def test_followed_live_equals_made_anew(copy: Callable[[], Path], tmp_path: Path) -> None:
    place = copy()
    home = Home(path=place)
    with opened(tmp_path / "live.sqlite") as live:
        with running("demo", "--days", 3, "--home", place, "--seed", 1) as demo:
            demo.until(lambda _: live_endpoint(home.chain), "its chain ran")
            asyncio.run(settled(home, live, 3))
            demo.says("Ctrl-C stops it")
            demo.interrupt()
        asyncio.run(caught_up(home, live))
        with opened(place / INDEX) as anew:
            assert differences(live, anew) == []
            assert len(rows_of(anew)["epoch"]) == 3
            with anew.begin() as connection:
                connection.execute(
                    update(schema.reward)
                    .where(schema.reward.c.number == 0)
                    .values(account=bytes(20))
                )
            assert len(differences(live, anew)) > 0


def test_the_command_makes_it_anew_and_tells(home: Path, street: Street) -> None:
    made = commonworks("index", "rebuild", "--home", home, "--json").ok().document
    assert (made["settled"], made["finalised"], made["troubles"]) == (2, 2, [])
    statements = sum(epoch["statements"] for epoch in street.document["epochs"])
    assert made["rows"]["verdict"] == statements
    assert made["logs"][0]["gateway"] == GATEWAY
    assert commonworks("index", "status", "--home", home, "--json").ok().document == made
    told = commonworks("index", "status", "--home", home).ok().out
    assert "2 of 2 final ones" in told


def test_rows_say_what_the_demo_printed(home: Path, street: Street) -> None:
    commonworks("index", "rebuild", "--home", home).ok()
    with opened(home / INDEX) as engine, engine.connect() as connection:
        found = connection.execute(select(schema.epoch).order_by(schema.epoch.c.epoch)).all()
        for row, printed in zip(found, street.document["epochs"], strict=True):
            assert "0x" + row.digest.hex() == printed["digest"]
            assert "0x" + row.payout_root.hex() == printed["root"]
            assert row.statements == printed["statements"]
            assert (row.minted_wei, row.paid_micro) == (
                printed["minted_wei"],
                printed["paid_micro"],
            )


def test_no_index_and_a_damaged_one_say_what_to_do(copy: Callable[[], Path]) -> None:
    place = copy()
    shutil.rmtree(place / "explorer", ignore_errors=True)
    assert "no index" in commonworks("index", "status", "--home", place).refused(3)
    (place / INDEX).parent.mkdir()
    (place / INDEX).write_bytes(b"nothing like a database" * 1_000)
    done = commonworks("index", "status", "--home", place)
    assert "damaged" in done.refused(7)
    assert "commonworks index rebuild" in done.err
    commonworks("index", "rebuild", "--home", place).ok()
    commonworks("index", "status", "--home", place).ok()


def test_what_was_erased_comes_from_the_verifiers_archive(
    copy: Callable[[], Path], home: Path
) -> None:
    commonworks("index", "rebuild", "--home", home).ok()
    place = copy()
    shutil.rmtree(place / "gateways" / GATEWAY / "sealed")
    made = commonworks("index", "rebuild", "--home", place, "--json").ok().document
    assert made["settled"] == 2
    with opened(home / INDEX) as full, opened(place / INDEX) as erased:
        assert differences(full, erased) == []


def test_an_archive_that_was_changed_is_not_believed(copy: Callable[[], Path], home: Path) -> None:
    place = copy()
    path = place / EPOCHS / "00000001"
    stored = canonical.decode(Settlement, path.read_bytes())
    for changed in (
        canonical.encode(_richer(stored)),
        path.read_bytes()[:-1],
    ):
        path.write_bytes(changed)
        commonworks("index", "rebuild", "--home", place).ok()  # the evidence is there
    shutil.rmtree(place / "gateways" / GATEWAY / "sealed")
    done = commonworks("index", "rebuild", "--home", place, "--json")
    assert done.code == 1
    assert done.document["settled"] == 1
    assert done.document["troubles"][0].startswith("settlement of epoch 1")
    commonworks("index", "rebuild", "--home", home).ok()


def _richer(stored: Settlement) -> Settlement:
    first, *rest = stored.rewards
    return replace(stored, rewards=(replace(first, amount_wei=first.amount_wei + 1), *rest))


@pytest.mark.parametrize("cut", [KeyboardInterrupt, asyncio.CancelledError])
def test_a_rebuild_that_is_cut_off_leaves_the_old_index(
    cut: type[BaseException], copy: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copy()
    commonworks("index", "rebuild", "--home", place).ok()
    with opened(place / INDEX) as engine:
        before = rows_of(engine)
    whole = Follower.step

    async def broken(self: Follower, patience_s: float | None = None) -> object:
        await whole(self, patience_s)
        raise cut

    monkeypatch.setattr(Follower, "step", broken)

    async def run() -> None:
        async with open_session(Home(path=place)) as session:
            await indexing.rebuild(session)

    with pytest.raises(cut):
        asyncio.run(run())
    with opened(place / INDEX) as engine:
        assert rows_of(engine) == before
    left = {path.name for path in (place / "explorer" / indexing.REBUILDING).iterdir()}
    assert not any(name.startswith("index") for name in left)
