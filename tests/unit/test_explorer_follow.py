"""Following live: portions, outages, logs that hang or lie, an index that is made anew under it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from alembic import command
from sqlalchemy import Engine

from commonworks.errors import Corrupt, NotFound, Unavailable
from commonworks.explorer.index import follow
from commonworks.explorer.index.engine import migrations, open_index
from commonworks.explorer.index.follow import Follower
from commonworks.explorer.index.rows import cursor_value
from gateway_kit import asynchronous
from index_story import History, Reader, World, differences, history, rows_of


@pytest.fixture(scope="module")
def story() -> History:
    return history(Random(0))


@pytest.fixture(scope="module")
def whole(story: History, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = open_index(tmp_path_factory.mktemp("whole") / "index.sqlite")
    Reader(made, story).all()
    yield made
    made.dispose()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_index(tmp_path / "index.sqlite")
    yield made
    made.dispose()


class Heard:
    """What was published."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Mapping[str, object]]] = []

    def __call__(self, kind: str, data: Mapping[str, object]) -> None:
        self.all.append((kind, data))

    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.all}


def follower(engine: Engine, world: World, heard: Heard | None = None) -> Follower:
    return Follower(
        engine=engine,
        chain=world,
        archive=world,
        council=world,
        resources=world.story.resources,
        network=world.story.network,
        first_block=0,
        publish=heard or Heard(),
    )


@asynchronous
async def test_followed_live_is_read_in_one_go(
    story: History, whole: Engine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "BLOCKS_MAX", 5)
    monkeypatch.setattr(follow, "ENTRIES_MAX", 7)
    world, random = World(story=story), Random(1)
    live = follower(engine, world)
    for _ in range(12):
        entries = len(next(iter(world.logs.values())).entries) + random.randrange(12)
        block = min(world.block + random.randrange(1, 6), story.head - 1)
        world.go(block, entries, random.randrange(3))
        if random.random() < 0.3:
            live = follower(engine, world)  # the process was started again
        await live.step()
    world.finish()
    step = await live.step()
    assert step.troubles == []
    assert differences(whole, engine) == []
    idle = await live.step()
    assert (idle.blocks, idle.entries, idle.epochs, idle.proposals) == (0, 0, [], ())


@asynchronous
async def test_only_what_is_new_is_told(story: History, engine: Engine) -> None:
    world, heard = World(story=story), Heard()
    live = follower(engine, world, heard)
    world.go(story.head // 2, 9, 1)
    await live.step()
    assert heard.all == []
    await live.step()
    assert heard.all == []
    world.finish()
    await live.step()
    assert heard.kinds() == {"event", "statements", "epoch", "head"}
    states = [data["state"] for kind, data in heard.all if kind == "epoch"]
    assert set(states) == {"closed", "finalised", "settled"}
    said = next(data for kind, data in heard.all if kind == "statements")
    assert set(said) == {"log_id", "size", "count", "devices"}
    happened = [data for kind, data in heard.all if kind == "event"]
    assert all(
        set(data) == {"kind", "block", "tx", "epoch", "device", "account"} for data in happened
    )


@asynchronous
async def test_a_chain_that_is_away_holds_no_log_up(story: History, engine: Engine) -> None:
    world, pauses = World(story=story), list[float]()
    world.go(10**6, 5, 0)
    live = follower(engine, world)
    await live.step()
    world.away = True
    world.go(10**6, 9, 0)
    step = await live.step()
    assert step.head is None
    assert [item.what for item in step.troubles] == ["chain"]
    assert step.entries == 4 * len(world.logs)

    async def pause(wait_s: float) -> None:
        pauses.append(wait_s)
        if len(pauses) == 9:
            world.away = False
        if len(pauses) == 11:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await live.run(pause)
    assert pauses[:8] == sorted(pauses[:8])
    assert pauses[8] == follow.PAUSE_MAX_S
    assert pauses[9:] == [follow.POLL_S] * 2


@asynchronous
async def test_a_log_that_hangs_holds_no_other_up(story: History, engine: Engine) -> None:
    world = World(story=story)
    slow, quick = world.logs
    world.finish()
    world.logs[slow].gate = asyncio.Event()
    live = follower(engine, world)
    entries = 0
    while entries < len(story.logs[quick]):
        step = await live.step(patience_s=0.01)
        assert step.troubles == []
        entries += step.entries
    assert entries == len(story.logs[quick])
    world.logs[slow].gate.set()
    step = await live.step()
    assert step.entries == len(story.logs[slow])


@asynchronous
async def test_a_log_that_fails_is_left_alone_for_a_while(
    story: History, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "POLL_S", 10_000)
    monkeypatch.setattr(follow, "PAUSE_MAX_S", 10_000)
    world = World(story=story)
    bad, good = world.logs
    world.finish()
    world.logs[bad].error = Unavailable("no answer")
    live = follower(engine, world)
    step = await live.step()
    assert [item.what for item in step.troubles] == [f"log {bad.hex()[:16]}"]
    assert step.entries == len(story.logs[good])
    world.logs[bad].error = None
    assert (await live.step()).entries == 0
    assert (await follower(engine, world).step()).entries == len(story.logs[bad])


@pytest.mark.parametrize("lie", ["entry", "signature", "past", "bundle"])
@asynchronous
async def test_a_log_that_lies_is_not_indexed(lie: str, story: History, engine: Engine) -> None:
    world = World(story=story)
    log_id = next(iter(world.logs))
    world.go(10**6, 20, 0)
    live, log = follower(engine, world), world.logs[log_id]
    if lie == "past":
        await live.step()
    before = rows_of(engine)["statement"]
    bundle = f"tile/entries/000.p/{len(log.entries)}"
    if lie == "entry":
        data = bytearray(log.files[bundle])
        data[-1] ^= 1
        log.files[bundle] = bytes(data)
    elif lie == "bundle":
        log.files[bundle] = log.files[bundle][:-1]
    elif lie == "signature":
        log.files["checkpoint"] = log.files["checkpoint"][:-9] + b"AAAAAAAA\n"
    else:  # another past than the one that was read
        other = [raw if n else b"other" for n, raw in enumerate(log.entries)]
        log.entries, log.files = [], {}
        log.grow([*other, b"more"])
    step = await live.step()
    (trouble,) = [item for item in step.troubles if item.what.startswith("log")]
    assert isinstance(trouble.error, Corrupt)
    after = rows_of(engine)["statement"]
    assert [row for row in after if row[0] == log_id] == [row for row in before if row[0] == log_id]


@asynchronous
async def test_an_index_made_anew_under_it_is_gone_on_with(
    story: History, whole: Engine, engine: Engine, tmp_path: Path
) -> None:
    world, heard = World(story=story), Heard()
    world.finish()
    live = follower(engine, world, heard)
    await live.step()
    fresh = open_index(tmp_path / "fresh.sqlite")
    half = World(story=story)
    half.go(story.head // 3, 5, 0)
    await follower(fresh, half).step()
    fresh.dispose()
    with (
        closing(sqlite3.connect(tmp_path / "fresh.sqlite")) as source,
        closing(sqlite3.connect(tmp_path / "index.sqlite")) as target,
    ):
        source.backup(target)
    await live.step()
    assert differences(whole, engine) == []
    assert heard.all == []


@asynchronous
async def test_an_index_that_is_gone_is_one_clear_error(
    story: History, engine: Engine, tmp_path: Path
) -> None:
    world = World(story=story)
    world.finish()
    live = follower(engine, world)
    await live.step()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"index.sqlite{suffix}").unlink(missing_ok=True)
    with pytest.raises(NotFound, match="index rebuild"):
        await live.run()


@asynchronous
async def test_a_chain_that_is_behind_is_waited_for(story: History, engine: Engine) -> None:
    world = World(story=story)
    world.finish()
    newest = world.block
    live = follower(engine, world)
    await live.step()
    world.block = 3  # a lagging endpoint, or another chain
    behind = await live.step()
    assert behind.head is None
    assert behind.blocks == 0
    assert [trouble.what for trouble in behind.troubles] == ["chain"]
    assert "index rebuild" in str(behind.troubles[0].error)
    world.block = newest
    assert (await live.step()).head is not None


@asynchronous
async def test_a_settlement_that_is_not_at_hand_comes_later(story: History, engine: Engine) -> None:
    world = World(story=story)
    world.finish()
    world.settled = 2
    live = follower(engine, world)
    assert (await live.step()).epochs == [0, 1]
    assert (await live.step()).epochs == []
    world.settled = 4
    assert (await live.step()).epochs == [2, 3]


@asynchronous
async def test_an_index_of_an_older_release_catches_up_before_it_goes_on(
    story: History, whole: Engine, engine: Engine
) -> None:
    world = World(story=story)
    world.go(40, 10**6, 0)
    await follower(engine, world).step()
    with engine.begin() as connection:
        command.downgrade(migrations(connection), "0003")
        command.upgrade(migrations(connection), "head")
        assert cursor_value(connection, "stops") == -1
    world.finish()
    world.away = True
    waiting = await follower(engine, world).step()
    assert [one.what for one in waiting.troubles] == ["chain"]
    world.away = False
    step = await follower(engine, world).step()
    assert step.troubles == []
    assert differences(whole, engine) == []
