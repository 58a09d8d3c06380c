"""A gateway over its ports: receipts, duplicates, refusals, pooling, anchoring."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from commonworks.crypto import cbor
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm
from commonworks.errors import Conflict, Corrupt, InvalidInput, Unavailable
from commonworks.events import (
    Anchored,
    Enrolled,
    Event,
    ParameterSet,
    Position,
    RegistrarSet,
    Tip,
)
from commonworks.gateway import Gateway, MemoryPositions
from commonworks.ports import Action, Anchor, Head
from commonworks.simulation.store import Fault, SimulatedStore
from commonworks.statements.codec import Item
from commonworks.translog.notes import open_checkpoint, parse_vkey
from gateway_kit import (
    EPOCH_S,
    GENESIS_S,
    NETWORK,
    SeedKeys,
    StoppedClock,
    admitted,
    asynchronous,
    binding,
    checked_entries,
    device,
    files,
    open_gateway,
    receipt,
    refusal,
    report,
)

KEY = device(1)
OTHER = device(2, Algorithm.ES256)


class ListedChain:
    """The Chain port over a list of events; anchors succeed at once."""

    def __init__(self, clock: StoppedClock, events: Sequence[Event] = ()) -> None:
        self.clock = clock
        self.log = list(events)
        self.anchors: list[tuple[int, Tip]] = []
        self.answer_lost = False

    async def head(self) -> Head:
        """Return the newest block: one per event."""
        return Head(block=len(self.log), time=self.clock.now())

    async def events(self, first_block: int, last_block: int) -> Sequence[Event]:
        """Return events; the n-th is in block n + 1."""
        return [e for n, e in enumerate(self.log, 1) if first_block <= n <= last_block]

    async def send(self, action: Action) -> bytes:
        """Accept an anchor that grows."""
        assert isinstance(action, Anchor)
        tip = action.tip
        if self.anchors and self.anchors[-1][1].size >= tip.size:
            raise Conflict("NotGrowing")
        self.anchors.append((self.clock.now(), tip))
        self.log.append(
            Anchored(at=at(self.clock), log_id=tip.log_id, size=tip.size, root=tip.root)
        )
        if self.answer_lost:
            self.answer_lost = False
            raise Unavailable("the answer was lost")
        return bytes(32)


def at(clock: StoppedClock) -> Position:
    """Return some position now."""
    return Position(block=0, time=clock.now(), index=0, tx=bytes(32))


async def answers(gateway: Gateway, *items: Item) -> list[bytes]:
    """Submit items."""
    return await gateway.submit([item.encode() for item in items])


@asynchronous
async def test_receipts_verify_and_the_log_checks() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY, OTHER])
    items = [
        binding(KEY),
        report(KEY, 3, sealed=True),
        report(OTHER, 5),
        report(OTHER, 7, sealed=True),
    ]
    found = await answers(gateway, *items)
    places = [receipt(gateway, a, i).index for a, i in zip(found, items, strict=True)]
    assert places == [0, 1, 2, 3]
    stored = await files(store)
    assert checked_entries(stored) == [item.statement for item in items]
    assert stored["sealed/entries/000.p/4"] == b"".join(
        len(i.preimage or b"").to_bytes(2, "big") + (i.preimage or b"") for i in items
    )
    assert {path for path in stored if not path.startswith("log/")} == {
        "sealed/entries/000.p/4",
        "state/checkpoint",
        "vkey",
    }
    assert stored["log/checkpoint"] == stored["state/checkpoint"]
    assert stored["vkey"].decode() == f"{gateway.vkey}\n"


@asynchronous
async def test_a_thousand_items_in_one_submission() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY])
    items = [report(KEY, number) for number in range(1000)]
    found = await answers(gateway, *items)
    assert [receipt(gateway, a, i).index for a, i in zip(found, items, strict=True)] == list(
        range(1000)
    )
    stored = await files(store)
    assert len(checked_entries(stored)) == 1000
    with pytest.raises(InvalidInput):
        await gateway.submit([items[0].encode()] * 1001)


@asynchronous
async def test_the_log_grows_over_tiles_and_outgrown_partial_files_go() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY])
    items = [report(KEY, number) for number in range(601)]
    for start in range(0, 601, 101):
        found = await answers(gateway, *items[start : start + 101])
        for item, answer in zip(items[start : start + 101], found, strict=True):
            assert items[receipt(gateway, answer, item).index] == item
    stored = await files(store)
    assert checked_entries(stored) == [item.statement for item in items]
    assert "log/tile/0/000" in stored
    assert not [path for path in stored if "000.p/" in path and "tile/1" not in path]


@asynchronous
async def test_a_duplicate_gets_its_first_position() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY], statements_per_hour_max=3)
    first, second, third = (report(KEY, number) for number in (11, 13, 17))
    (one,) = await answers(gateway, first)
    again = await answers(gateway, second, first, second, third)
    assert receipt(gateway, one, first).index == 0
    assert [
        receipt(gateway, a, i).index
        for a, i in zip(again, (second, first, second, third), strict=True)
    ] == [1, 0, 1, 2]
    assert receipt(gateway, again[1], first).size == 3
    assert gateway.status().duplicates == 2
    assert gateway.status().size == 3
    # Its quota is used up by now, and a duplicate costs nothing.
    (last,) = await answers(gateway, first)
    assert receipt(gateway, last, first).index == 0


@asynchronous
async def test_what_arrives_while_a_pool_is_written_shares_the_next_one() -> None:
    class SlowStore(SimulatedStore):
        """Durable only when the test says so."""

        def __init__(self) -> None:
            super().__init__()
            self.gate, self.reached = asyncio.Event(), asyncio.Event()
            self.bundles: list[str] = []

        async def write(self, written: Mapping[str, bytes]) -> None:
            """Wait at the staging bundle."""
            staging = [path for path in written if path.startswith("state/staging/")]
            self.bundles += staging
            if staging:
                self.reached.set()
                await self.gate.wait()
            await super().write(written)

    store = SlowStore()
    gateway = await open_gateway(store, devices=[KEY])
    items = [report(KEY, number) for number in range(5)]
    first = asyncio.create_task(answers(gateway, items[0]))
    await store.reached.wait()
    rest = [asyncio.create_task(answers(gateway, item, items[0])) for item in items[1:]]
    await asyncio.sleep(0)
    assert not first.done()
    store.gate.set()
    await asyncio.gather(first, *rest)
    assert len(store.bundles) == 2
    assert checked_entries(await files(store)) == [item.statement for item in items]


@asynchronous
async def test_a_submitter_that_goes_away_takes_nothing_with_it() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY])
    items = [report(KEY, number) for number in range(2)]
    gone = asyncio.create_task(answers(gateway, items[0]))
    stays = asyncio.create_task(answers(gateway, items[1]))
    await asyncio.sleep(0)
    gone.cancel()
    (answer,) = await stays
    assert receipt(gateway, answer, items[1]).index == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


@asynchronous
async def test_every_refusal_has_its_reason_signed_and_counted() -> None:
    clock = StoppedClock()
    store = SimulatedStore()
    gateway = await open_gateway(store, clock=clock, devices=[KEY], statements_per_hour_max=2)
    good, sealed = report(KEY, 2), report(KEY, 3, sealed=True)
    spoilt = bytearray(good.statement)
    spoilt[-1] ^= 1
    cases = {
        b"\x00": "undecodable",
        b"\xd2\x84": "undecodable",
        sealed.statement: "undecodable",
        cbor.encode([sealed.statement, (sealed.preimage or b"") + b"x"]): "undecodable",
        cbor.encode([good.statement, b"none was asked for"]): "undecodable",
        cbor.encode(cbor.Tag(18, [b"", {}, bytes(70_000), bytes(64)])): "too_large",
        bytes(200_000): "too_large",
        report(KEY, 2, network_id=bytes(32)).statement: "wrong_network",
        report(OTHER, 2).statement: "unknown_key",
        bytes(spoilt): "bad_signature",
    }
    found = await gateway.submit(list(cases))
    said = [refusal(gateway, a, item) for a, item in zip(found, cases, strict=True)]
    assert said == list(cases.values())
    more = [good, sealed, report(KEY, 5)]
    accepted = await answers(gateway, *more)
    assert receipt(gateway, accepted[1], sealed).index == 1
    assert refusal(gateway, accepted[2], more[2].encode()) == "over_quota"
    clock.now_s += 3600
    (later,) = await answers(gateway, more[2])
    assert receipt(gateway, later, more[2]).index == 2
    assert gateway.status().refusals == {
        "undecodable": 5,
        "too_large": 2,
        "wrong_network": 1,
        "unknown_key": 1,
        "bad_signature": 1,
        "over_quota": 1,
    }


@asynchronous
async def test_a_full_disk_acknowledges_nothing_and_passes() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY], statements_per_hour_max=1)
    item = report(KEY, 1)
    store.plan.faults = {store.plan.step + n: Fault.FAILED for n in range(3)}
    for _ in range(2):
        with pytest.raises(Unavailable):
            await answers(gateway, item)
    store.plan.faults = {}
    (answer,) = await answers(gateway, item)  # what failed did not count against the quota
    assert receipt(gateway, answer, item).index == 0


@asynchronous
async def test_an_index_that_forgot_is_filled_from_the_log() -> None:
    store = SimulatedStore()
    positions = MemoryPositions()
    gateway = await open_gateway(store, devices=[KEY], positions=positions)
    items = [report(KEY, number) for number in range(300)]
    await answers(gateway, *items)
    positions.reset()
    (answer,) = await answers(gateway, items[271])
    assert receipt(gateway, answer, items[271]).index == 271
    foreign = MemoryPositions()
    foreign.append(0, [sha256(b"%d" % n) for n in range(300)])
    gateway = await open_gateway(store, devices=[KEY], positions=foreign)
    (answer,) = await answers(gateway, items[271])
    assert receipt(gateway, answer, items[271]).index == 271


@asynchronous
async def test_other_keys_or_a_changed_log_stop_it() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY])
    await answers(gateway, report(KEY, 1), report(KEY, 2))
    with pytest.raises(Corrupt, match="keys"):
        await open_gateway(store, keys=SeedKeys(2))
    bundle = await store.read("log/tile/entries/000.p/2")
    assert bundle is not None
    await store.write({"log/tile/entries/000.p/2": bundle[:-1] + bytes([bundle[-1] ^ 1])})
    with pytest.raises(Corrupt, match="does not match its tile"):
        await open_gateway(store)
    await store.write({"log/tile/entries/000.p/2": bundle})
    await store.delete("state/checkpoint")
    with pytest.raises(Corrupt, match="missing"):
        await open_gateway(store)


@asynchronous
async def test_somebody_else_writing_the_log_stops_it() -> None:
    store = SimulatedStore()
    one = await open_gateway(store, devices=[KEY])
    other = await open_gateway(store, devices=[KEY])
    await answers(one, report(KEY, 1))
    with pytest.raises(Corrupt, match="somebody else"):
        await answers(other, report(KEY, 2))


def enrolled(clock: StoppedClock, number: int, **changes: object) -> Enrolled:
    """Return the enrolment of device `number` by account 0x07..07."""
    key = device(number).public
    fields: dict[str, object] = {
        "at": at(clock),
        "device": number,
        "owner": bytes([7]) * 20,
        "thumbprint": key.thumbprint,
        "algorithm": -8,
        "public_key": key.raw,
        "resource": b"levels".ljust(32, b"\0"),
        "cell": 0,
        "enroller": bytes([7]) * 20,
    }
    return Enrolled(**{**fields, **changes})  # type: ignore[arg-type]


@asynchronous
async def test_keys_come_from_the_chain_under_their_own_thumbprint() -> None:
    clock = StoppedClock()
    chain = ListedChain(clock, [enrolled(clock, 1)])
    gateway = await open_gateway(SimulatedStore(), clock=clock, chain=chain)
    items = [report(device(n), n) for n in (1, 2, 3, 4)]
    found = await answers(gateway, *items)
    receipt(gateway, found[0], items[0])
    assert refusal(gateway, found[1], items[1].encode()) == "unknown_key"
    registrar = device(3).public
    named = RegistrarSet(
        at=at(clock),
        resource=bytes(32),
        thumbprint=registrar.thumbprint,
        algorithm=-8,
        public_key=registrar.raw,
        active=True,
    )
    # Somebody enrols device 4's thumbprint with a key of his own.
    stolen = enrolled(clock, 4, public_key=device(5).public.raw)
    chain.log += [enrolled(clock, 2), named, stolen]
    await gateway.tick()
    found = await answers(gateway, *items)
    for n in range(3):
        receipt(gateway, found[n], items[n])
    assert refusal(gateway, found[3], items[3].encode()) == "unknown_key"
    with pytest.raises(InvalidInput):
        gateway.admit({bytes(32): device(9).public})
    gateway.admit(admitted(device(4)))
    (last,) = await answers(gateway, items[3])
    receipt(gateway, last, items[3])


@asynchronous
async def test_anchors_by_period_and_always_after_an_epochs_grace() -> None:
    clock = StoppedClock()
    chain = ListedChain(clock, [enrolled(clock, 1)])
    gateway = await open_gateway(
        SimulatedStore(), clock=clock, chain=chain, anchor_period_s=7_200, grace_s=600
    )

    async def step(now_s: int, number: int | None) -> list[int]:
        clock.now_s = now_s
        if number is not None:
            await answers(gateway, report(KEY, number))
        for _ in range(3):
            await gateway.tick()
        return [tip.size for _, tip in chain.anchors]

    assert await step(GENESIS_S + 1, None) == []
    assert await step(GENESIS_S + 2, 1) == [1]
    assert await step(GENESIS_S + 7_201, 2) == [1]
    assert await step(GENESIS_S + 7_202, None) == [1, 2]
    assert await step(GENESIS_S + 20_000, None) == [1, 2]
    end = GENESIS_S + EPOCH_S
    assert await step(end + 500, 3) == [1, 2, 3]
    assert await step(end + 599, 4) == [1, 2, 3]
    assert await step(end + 600, 5) == [1, 2, 3, 5]
    assert await step(end + 601, 6) == [1, 2, 3, 5]
    note = await gateway.read("checkpoint")
    assert note is not None
    checkpoint = open_checkpoint(note, parse_vkey(gateway.vkey))
    assert checkpoint.origin == f"{NETWORK.network_id[:4].hex()}.commonworks/one"


@asynchronous
async def test_the_grace_period_in_force_is_the_policys() -> None:
    clock = StoppedClock()
    longer = ParameterSet(at=at(clock), key=b"grace_s".ljust(32, b"\0"), value=1_200, from_epoch=0)
    chain = ListedChain(clock, [enrolled(clock, 1), longer])
    gateway = await open_gateway(
        SimulatedStore(), clock=clock, chain=chain, anchor_period_s=10**6, grace_s=600
    )
    await answers(gateway, report(KEY, 1))
    await gateway.tick()
    await answers(gateway, report(KEY, 2))
    for after_s, size in ((600, 1), (1_199, 1), (1_200, 2)):
        clock.now_s = GENESIS_S + EPOCH_S + after_s
        await gateway.tick()
        assert chain.anchors[-1][1].size == size


@asynchronous
async def test_an_anchor_whose_answer_was_lost_is_not_an_error() -> None:
    clock = StoppedClock()
    chain = ListedChain(clock, [enrolled(clock, 1)])
    gateway = await open_gateway(SimulatedStore(), clock=clock, chain=chain)
    await answers(gateway, report(KEY, 1))
    chain.answer_lost = True
    with pytest.raises(Unavailable):
        await gateway.tick()
    await gateway.tick()
    assert [tip.size for _, tip in chain.anchors] == [1]


@asynchronous
async def test_it_refuses_to_run_behind_its_anchor() -> None:
    clock = StoppedClock()
    chain = ListedChain(clock, [enrolled(clock, 1)])
    store = SimulatedStore()
    gateway = await open_gateway(store, clock=clock, chain=chain)
    await answers(gateway, report(KEY, 1))
    old = store.reboot()
    gateway = await open_gateway(old, clock=clock, chain=chain)
    await answers(gateway, report(KEY, 2))
    await gateway.tick()
    assert chain.anchors[-1][1].size == 2
    ahead = old.reboot()
    behind = SimulatedStore()
    elsewhere = await open_gateway(behind, devices=[KEY])
    await answers(elsewhere, report(KEY, 1))
    with pytest.raises(Corrupt, match="its anchor on chain has 2"):
        await open_gateway(behind, clock=clock, chain=chain)
    await answers(elsewhere, report(KEY, 4), report(KEY, 5))
    with pytest.raises(Corrupt, match="contradicts its anchor on chain"):
        await open_gateway(behind, clock=clock, chain=chain)
    await open_gateway(ahead, clock=clock, chain=chain)


@asynchronous
async def test_only_resources_of_the_log_can_be_read() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY])
    await answers(gateway, report(KEY, 1))
    assert await gateway.read("tile/0/000.p/1") is not None
    for path in ("../vkey", "vkey", "state/checkpoint", "tile/0/000.p/01", "tile/0/1", "", "log"):
        assert await gateway.read(path) is None
