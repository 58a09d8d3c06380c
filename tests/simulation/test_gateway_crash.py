"""The gateway's crash order, proven at every step of a disk that keeps only what was fsynced."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest

from commonworks.errors import Corrupt, InvariantBroken, Unavailable
from commonworks.gateway import Gateway, MemoryPositions
from commonworks.gateway.sequencer import Sequencer
from commonworks.ports import Store
from commonworks.simulation.disk import SimulatedDisk
from commonworks.simulation.store import Fault, PowerCut, SimulatedStore, Survival
from commonworks.statements.codec import Item
from commonworks.storage.files import FileStore
from commonworks.translog.notes import Checkpoint, open_checkpoint, parse_vkey
from commonworks.translog.tiles import HashReader
from commonworks.translog.tree import verify_consistency
from gateway_kit import checked_entries, device, files, open_gateway, receipt, report

KEY = device(1)
FIRST = [report(KEY, number) for number in range(254)]
ITEMS = [report(KEY, number, sealed=number % 2 == 1) for number in range(1000, 1007)]
# The third pool fills the first tile, so that partial files are outgrown and deleted.
POOLS = [ITEMS[:1], [*ITEMS[1:3], ITEMS[0]], ITEMS[3:5], [*ITEMS[5:7], ITEMS[2]]]


@dataclass
class World:
    """What the outside has seen: what was acknowledged, and every checkpoint that was served."""

    acknowledged: dict[bytes, int] = field(default_factory=dict)
    checkpoints: list[bytes] = field(default_factory=list)


async def see(world: World, store: Store) -> None:
    """Remember the published checkpoint, as a reader who asks now would."""
    note = await store.read("log/checkpoint")
    if note is not None and (not world.checkpoints or world.checkpoints[-1] != note):
        world.checkpoints.append(note)


async def submit(world: World, gateway: Gateway, store: Store, items: list[Item]) -> None:
    """Submit, and remember what was acknowledged; a receipt must be right when it is given."""
    try:
        answers = await gateway.submit([item.encode() for item in items])
    finally:
        if not isinstance(sys.exception(), PowerCut):
            await see(world, store)
    for item, answer in zip(items, answers, strict=True):
        found = receipt(gateway, answer, item)
        before = world.acknowledged.setdefault(item.statement, found.index)
        assert before == found.index, "a statement's position changed"


async def run(world: World, store: Store) -> None:
    """Open the gateway and submit the pools; a submission that fails is sent once more."""
    gateway = None
    for attempt in range(2):
        try:
            gateway = await open_gateway(store, devices=[KEY])
            break
        except Unavailable:
            assert attempt == 0, "one fault, one failure"
    assert gateway is not None
    for pool in POOLS:
        try:
            await submit(world, gateway, store, pool)
        except Unavailable:
            await submit(world, gateway, store, pool)


async def check(world: World, store: Store) -> None:
    """Check everything that was ever shown against the log as it is now, then use it again."""
    gateway = await open_gateway(store, devices=[KEY])
    await see(world, store)
    stored = await files(store)
    entries = checked_entries(stored)
    assert len(set(entries)) == len(entries), "an entry was logged twice"
    for statement, index in world.acknowledged.items():
        assert entries[index : index + 1] == [statement], "an acknowledged statement is lost"
    key = parse_vkey(stored["vkey"].decode().strip())
    now = open_checkpoint(stored["log/checkpoint"], key)
    reader = HashReader(lambda path: stored.get(f"log/{path}"), now.size)
    seen: list[Checkpoint] = [open_checkpoint(note, key) for note in world.checkpoints]
    assert [c.size for c in seen] == sorted(c.size for c in seen), "the log went back"
    for old in seen:
        proof = reader.consistency_proof(old.size)
        assert verify_consistency(old.size, old.root, now.size, now.root, proof), "the log forked"
    assert not [path for path in stored if path.startswith("state/staging/")]
    await submit(world, gateway, store, [*FIRST[:1], *ITEMS])
    held = {statement for statement in entries if statement in world.acknowledged}
    assert gateway.status().size == len(entries) + len(world.acknowledged) - len(held)


async def attempt(
    make: Callable[[Mapping[int, Fault]], tuple[Store, Callable[[Survival, int], Store]]],
    faults: Mapping[int, Fault],
    survival: Survival,
) -> None:
    """Run with faults, cut the power, check what is left."""
    world = World()
    store, reboot = make(faults)
    with contextlib.suppress(PowerCut):
        await run(world, store)
    await check(world, reboot(survival, len(faults)))


@pytest.fixture(scope="module")
def filled() -> SimulatedStore:
    """Return a store whose log has 254 entries: two below a full tile."""
    store = SimulatedStore()

    async def fill() -> None:
        gateway = await open_gateway(store, devices=[KEY])
        await gateway.submit([item.encode() for item in FIRST])

    asyncio.run(fill())
    return store


def simulated(filled: SimulatedStore) -> Callable[..., tuple[Store, Callable[..., Store]]]:
    """Return a maker of stores that promise exactly what the port does."""

    def make(faults: Mapping[int, Fault]) -> tuple[Store, Callable[[Survival, int], Store]]:
        store = SimulatedStore(faults)
        store._durable = dict(filled._durable)
        store._visible = dict(filled._durable)
        return store, lambda survival, seed: store.reboot(survival, seed=seed)

    return make


def on_disk(filled: SimulatedStore) -> Callable[..., tuple[Store, Callable[..., Store]]]:
    """Return a maker of the real file store on a simulated file system."""
    base = SimulatedDisk()
    asyncio.run(FileStore("/", disk=base).write(filled._durable))

    def make(faults: Mapping[int, Fault]) -> tuple[Store, Callable[[Survival, int], Store]]:
        disk = base.reboot(faults=faults)

        def reboot(survival: Survival, seed: int) -> Store:
            return FileStore("/", disk=disk.reboot(survival, seed=seed))

        return FileStore("/", disk=disk), reboot

    return make


async def steps(make: Callable[..., tuple[Store, Callable[..., Store]]]) -> int:
    """Return how many steps a run without faults has."""
    store, _ = make({})
    await run(World(), store)
    plan = store.plan if isinstance(store, SimulatedStore) else cast(FileStore, store)._disk.plan  # type: ignore[attr-defined]
    return plan.step


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("survival", list(Survival))
def test_every_step_of_the_port(filled: SimulatedStore, fault: Fault, survival: Survival) -> None:
    """One fault of each form at each call of the Store port, then a power cut."""

    async def enumerate_() -> None:
        make = simulated(filled)
        total = await steps(make)
        assert total > 15
        for step in range(total):
            await attempt(make, {step: fault}, survival)

    asyncio.run(enumerate_())


@pytest.mark.parametrize("first", [Fault.FAILED, Fault.FAILED_APPLIED, Fault.FAILED_PARTLY])
def test_a_failure_then_a_power_cut(filled: SimulatedStore, first: Fault) -> None:
    """A failed step, retried, and the power going at each of the next steps."""

    async def enumerate_() -> None:
        make = simulated(filled)
        total = await steps(make)
        for step in range(total):
            for later in range(step + 1, min(step + 5, total + 4)):
                plan = {step: first, later: Fault.CUT_APPLIED}
                await attempt(make, plan, Survival.NOTHING)

    asyncio.run(enumerate_())


@pytest.mark.parametrize("fault", list(Fault))
def test_every_step_of_the_disk(filled: SimulatedStore, fault: Fault) -> None:
    """The same with the real file store, at its system calls: two forms of fault at each."""

    make = on_disk(filled)

    async def enumerate_() -> None:
        total = await steps(make)
        assert total > 80
        for step in range(list(Fault).index(fault) % 3, total, 3):
            await attempt(make, {step: fault}, list(Survival)[step % 3])

    asyncio.run(enumerate_())


@pytest.mark.parametrize("fault", list(Fault))
def test_every_step_of_the_first_start(fault: Fault) -> None:
    """The same for a gateway that has never run before."""

    async def enumerate_() -> None:
        make = simulated(SimulatedStore())
        for step in range(await steps(make)):
            await attempt(make, {step: fault}, Survival.NOTHING)
            await attempt(make, {step: fault}, Survival.SOME)

    asyncio.run(enumerate_())


class NoStaging(SimulatedStore):
    """Planted: the staging bundle is not written."""

    async def write(self, files: Mapping[str, bytes]) -> None:
        await super().write({p: d for p, d in files.items() if not p.startswith("state/staging/")})


class CommitInCache(SimulatedStore):
    """Planted: the compare-and-swap returns before it is durable."""

    async def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        durable = dict(self._durable)
        await super().swap(path, old, new)
        self._durable = durable


class PublishFirst(SimulatedStore):
    """Planted: the checkpoint is published before it is committed."""

    async def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        if old != new:
            await self.write({"log/checkpoint": new})
        await super().swap(path, old, new)


class TrustsTheCache(SimulatedStore):
    """Planted: what a failed swap left visible is built on without writing it again."""

    async def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        if old != new:
            await super().swap(path, old, new)


async def no_replay(self: Sequencer, committed: bytes) -> None:
    """Planted: a committed pool is not replayed at start."""


def find_nothing(self: MemoryPositions, identities: list[bytes]) -> dict[bytes, int]:
    """Planted: duplicates are not looked up."""
    return {}


def planted(kind: type[SimulatedStore], filled: SimulatedStore) -> Callable[..., object]:
    """Return a maker of stores with a planted bug."""

    def make(faults: Mapping[int, Fault]) -> tuple[Store, Callable[[Survival, int], Store]]:
        store = kind(faults)
        store._durable = dict(filled._durable)
        store._visible = dict(filled._durable)
        return store, lambda survival, seed: store.reboot(survival, seed=seed)

    return make


def finds_it(make: Callable[..., object]) -> bool:
    """Return whether any single or double fault shows that something is wrong."""

    async def enumerate_() -> bool:
        maker = cast(Callable[..., tuple[Store, Callable[..., Store]]], make)
        total = 40
        for step in range(total):
            for plan in (
                {step: Fault.CUT_BEFORE},
                {step: Fault.CUT_APPLIED},
                {step: Fault.FAILED_APPLIED, step + 3: Fault.CUT_BEFORE},
            ):
                try:
                    await attempt(maker, plan, Survival.NOTHING)
                except (AssertionError, Corrupt, InvariantBroken):
                    return True
        return False

    return asyncio.run(enumerate_())


def test_without_a_bug_nothing_is_found(filled: SimulatedStore) -> None:
    """The tests below mean something only if this one passes."""
    assert not finds_it(simulated(filled))


@pytest.mark.parametrize("kind", [NoStaging, CommitInCache, PublishFirst, TrustsTheCache])
def test_a_planted_bug_in_the_order_is_seen(
    filled: SimulatedStore, kind: type[SimulatedStore]
) -> None:
    """The enumeration is worth something: it finds each of these."""
    assert finds_it(planted(kind, filled))


@pytest.mark.parametrize(
    ("owner", "name", "bug"),
    [
        (Sequencer, "_replay", no_replay),
        (MemoryPositions, "find", find_nothing),
    ],
)
def test_a_planted_bug_in_the_gateway_is_seen(
    filled: SimulatedStore, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, bug: object
) -> None:
    """The same for bugs in what the gateway does with the store."""
    monkeypatch.setattr(owner, name, bug)
    assert finds_it(simulated(filled))
