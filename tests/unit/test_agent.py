"""An agent over its ports: durable queue, receipts, refusals, gateways that fail or lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from commonworks.agent import Agent, AgentSettings, Device, GatewayAddress, Reading
from commonworks.crypto.cbor import decode_sequence
from commonworks.crypto.keys import PrivateKey
from commonworks.errors import Corrupt, InvalidInput, Unavailable
from commonworks.events import (
    Closed,
    Event,
    GatewayRegistered,
    Position,
    Range,
)
from commonworks.gateway import Gateway
from commonworks.ports import Action, Head
from commonworks.simulation.store import SimulatedStore
from commonworks.statements.codec import Item
from commonworks.statements.model import Kind, Refusal
from gateway_kit import (
    GENESIS_S,
    NETWORK,
    SeedKeys,
    StoppedClock,
    asynchronous,
    checked_entries,
    device,
    files,
    open_gateway,
    report,
    schema,
)

KEY = device(1)
AT = Position(block=0, time=0, index=0, tx=bytes(32))


class Wire:
    """The Transport port straight into gateways, each of which may be down or lie."""

    def __init__(self, gateways: Mapping[str, Gateway]) -> None:
        self.gateways = gateways
        self.down: set[str] = set()
        self.lying: set[str] = set()
        self.posts: list[tuple[str, int]] = []

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Submit."""
        name = url.removeprefix("http://").removesuffix("/v1/statements")
        items = decode_sequence(body, 1000)
        self.posts.append((name, len(items)))
        if name in self.down:
            raise Unavailable("down")
        answers = await self.gateways[name].submit(items)
        if name in self.lying:
            answers = [answers[-1]] * len(answers)
        return 200, b"".join(answers)

    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Nothing is read here."""
        return 404, b""


class Events:
    """The Chain port, for reading."""

    def __init__(self, *events: Event) -> None:
        self.list = list(events)

    async def head(self) -> Head:
        """One event a block."""
        return Head(block=len(self.list), time=0)

    async def events(self, first_block: int, last_block: int) -> Sequence[Event]:
        """Return events; the n-th is in block n + 1."""
        return [e for n, e in enumerate(self.list, 1) if first_block <= n <= last_block]

    async def send(self, action: Action) -> bytes:
        """An agent sends nothing."""
        raise NotImplementedError


class DeviceKeys:
    """The Keys port over one device."""

    def signer(self, name: str) -> PrivateKey:
        """Return the device's key."""
        assert name == "meter"
        return KEY


async def gateway(seed: int, **settings: object) -> Gateway:
    """Return a gateway with keys of its own."""
    return await open_gateway(
        SimulatedStore(), devices=[KEY], keys=SeedKeys(seed), clock=CLOCK, **settings
    )


CLOCK = StoppedClock()


def address(name: str, one: Gateway) -> GatewayAddress:
    """Return where a gateway is."""
    return GatewayAddress(
        name=name, endpoint=f"http://{name}", log_id=one.log_id, receipt_key=one.receipt_key
    )


def closed(one: Gateway, size: int, epoch: int = 0) -> Closed:
    """Return the closing of an epoch that has the log up to `size`."""
    span = Range(log_id=one.log_id, first=0, size=size, root=bytes(32))
    return Closed(at=AT, epoch=epoch, evidence_hash=bytes(32), ranges=(span,))


async def agent(
    wire: Wire,
    store: SimulatedStore,
    *,
    chain: Events | None = None,
    devices: Sequence[Device] = (),
    known: Sequence[GatewayAddress] = (),
    **settings: int,
) -> Agent:
    """Return an open agent that knows the wire's gateways in order, or those given."""
    addresses = known or [address(name, one) for name, one in wire.gateways.items()]
    one = Agent(
        settings=AgentSettings(
            network_id=NETWORK.network_id, gateways=tuple(addresses), **settings
        ),
        transport=wire,
        clock=CLOCK,
        store=store,
        keys=DeviceKeys(),
        chain=chain,
        devices=devices,
    )
    await one.open()
    return one


@pytest.fixture(autouse=True)
def _new_clock() -> None:
    CLOCK.now_s = GENESIS_S


def items(*numbers: int) -> list[Item]:
    """Return reports by number."""
    return [report(KEY, number, sealed=True) for number in numbers]


@asynchronous
async def test_kept_until_a_closed_range_has_it() -> None:
    one = await gateway(1)
    wire, chain = Wire({"one": one}), Events()
    mine = await agent(wire, SimulatedStore(), chain=chain)
    await mine.enqueue(items(2, 3, 5))
    assert (mine.pending, mine.unacknowledged) == (3, 3)
    await mine.tick()
    assert (mine.pending, mine.unacknowledged, mine.acknowledged) == (3, 0, 3)
    assert [item for item, _ in mine.receipts()] == items(2, 3, 5)
    await mine.tick()
    assert wire.posts == [("one", 3)]  # acknowledged: not sent again
    chain.list.append(closed(one, 2))
    await mine.tick()
    assert mine.pending == 1
    chain.list.append(closed(one, 3))
    await mine.tick()
    assert mine.pending == 0


@asynchronous
async def test_the_queue_survives_a_power_cut_at_any_moment() -> None:
    one = await gateway(1)
    wire, store = Wire({"one": one}), SimulatedStore()
    mine = await agent(wire, store)
    await mine.enqueue(items(2, 3))
    mine = await agent(wire, store := store.reboot())
    assert (mine.pending, mine.unacknowledged) == (2, 2)
    await mine.tick()
    mine = await agent(wire, store := store.reboot())
    assert (mine.pending, mine.unacknowledged) == (2, 0)
    await mine.enqueue(items(3, 5))
    assert mine.pending == 3
    await store.write(dict.fromkeys(await store.list("receipts/"), b"\x00"))
    mine = await agent(wire, store := store.reboot())
    assert (mine.pending, mine.unacknowledged) == (3, 3)  # asked for again: the same positions
    await mine.tick()
    assert mine.unacknowledged == 0
    assert one.status().size == 3
    await store.write(dict.fromkeys(await store.list("queue/"), b"\x00"))
    with pytest.raises(Corrupt, match="damaged"):
        await agent(wire, store)


@asynchronous
async def test_goes_to_the_next_gateway_and_stays_with_it() -> None:
    wire = Wire({"one": await gateway(1), "two": await gateway(2)})
    mine = await agent(wire, SimulatedStore())
    wire.down.add("one")
    await mine.enqueue(items(2, 3))
    await mine.tick()
    assert (mine.unacknowledged, wire.posts) == (0, [("one", 2), ("two", 2)])
    await mine.enqueue(items(5))
    await mine.tick()
    assert wire.posts[2:] == [("two", 1)]
    wire.down.add("two")
    await mine.enqueue(items(7))
    await mine.tick()
    assert mine.unacknowledged == 1
    wire.down.clear()
    await mine.tick()
    assert mine.unacknowledged == 1  # not yet: it waits a little
    CLOCK.now_s += 60
    await mine.tick()
    assert mine.unacknowledged == 0


@asynchronous
async def test_a_proof_that_does_not_hold_is_no_receipt() -> None:
    wire = Wire({"one": await gateway(1), "two": await gateway(2)})
    mine = await agent(wire, SimulatedStore())
    wire.lying.add("one")
    await mine.enqueue(items(2, 3, 5))
    await mine.tick()
    assert mine.faults == {"one": 2}
    assert mine.unacknowledged == 0
    impostor = address("one", wire.gateways["two"])
    mine = await agent(Wire({"one": wire.gateways["one"]}), SimulatedStore(), known=[impostor])
    await mine.enqueue(items(2))
    await mine.tick()
    assert (mine.unacknowledged, mine.faults) == (1, {"one": 1})


@asynchronous
async def test_sent_elsewhere_too_when_no_range_closes_over_it() -> None:
    one, two = await gateway(1), await gateway(2)
    wire, chain = Wire({"one": one, "two": two}), Events()
    mine = await agent(wire, SimulatedStore(), chain=chain, resubmit_after_s=1000)
    await mine.enqueue(items(2))
    await mine.tick()
    CLOCK.now_s += 999
    await mine.tick()
    assert two.status().size == 0
    CLOCK.now_s += 1
    await mine.tick()
    assert two.status().size == 1
    CLOCK.now_s += 5000
    await mine.tick()
    assert [name for name, _ in wire.posts] == ["one", "two"]  # nobody is left to ask
    chain.list.append(closed(two, 1))
    await mine.tick()
    assert mine.pending == 0


@asynchronous
async def test_refusals_show_and_only_final_ones_end_it() -> None:
    one, two = await gateway(1), await gateway(2, statements_per_hour_max=0)
    wire = Wire({"one": one, "two": two})
    mine = await agent(wire, SimulatedStore(), give_up_after_s=500)
    unknown = report(device(2), 3)
    spoilt = items(5)[0]
    spoilt = Item(statement=spoilt.statement[:-1] + b"\0", preimage=spoilt.preimage)
    await mine.enqueue([items(2)[0], unknown, spoilt])
    await mine.tick()
    # `two` says over_quota before it looks at the signature: that may pass, so nothing is final.
    assert mine.refusal_counts == {"unknown_key": 2, "bad_signature": 1, "over_quota": 1}
    assert {r.reason for r in mine.refusals} == {
        Refusal.UNKNOWN_KEY,
        Refusal.BAD_SIGNATURE,
        Refusal.OVER_QUOTA,
    }
    assert (mine.pending, mine.given_up) == (3, 0)
    alone = await agent(Wire({"one": one}), SimulatedStore())
    await alone.enqueue([unknown, spoilt])
    await alone.tick()
    assert (alone.pending, alone.given_up) == (1, 1)
    CLOCK.now_s += 501
    await mine.tick()
    assert (mine.pending, mine.given_up) == (1, 2)


@asynchronous
async def test_gateways_come_from_the_chain() -> None:
    one = await gateway(1)
    keys = SeedKeys(1)
    registered = GatewayRegistered(
        at=AT,
        operator=bytes(20),
        name="one",
        origin="x",
        endpoint="http://one",
        log_id=one.log_id,
        note_key=keys.note.public.raw,
        receipt_key=keys.receipt.public.raw,
    )
    chain = Events()
    mine = await agent(Wire({"one": one}), SimulatedStore(), chain=chain, known=[])
    mine._gateways.clear()
    await mine.enqueue(items(2))
    await mine.tick()
    chain.list.append(registered)
    CLOCK.now_s += 60
    await mine.tick()
    assert mine.unacknowledged == 0


@asynchronous
async def test_devices_are_read_signed_and_read_again_without_a_second_claim() -> None:
    store = SimulatedStore()
    one = await open_gateway(store, devices=[KEY], clock=CLOCK)

    def source(now: int) -> list[Reading]:
        return [Reading(kind=Kind.REPORT, time=GENESIS_S, columns={"level_mm": [now % 7, 11]})]

    meter = Device(
        key="meter", resource="levels", schemas={Kind.REPORT: schema(sealed=True)}, source=source
    )
    for _ in range(2):  # the second one starts with nothing, as after a lost folder
        mine = await agent(Wire({"one": one}), SimulatedStore(), devices=[meter])
        await mine.tick()
        await mine.tick()
        assert (mine.pending, mine.unacknowledged) == (1, 0)
    CLOCK.now_s += 1
    await mine.tick()
    assert mine.pending == 2
    assert len(checked_entries(await files(store))) == 2
    unfit = Device(key="meter", resource="levels", schemas={}, source=source)
    broken = await agent(Wire({"one": one}), SimulatedStore(), devices=[unfit])
    with pytest.raises(InvalidInput, match="no schema"):
        await broken.tick()


@asynchronous
async def test_more_than_one_submission_takes() -> None:
    one = await gateway(1)
    wire = Wire({"one": one})
    mine = await agent(wire, SimulatedStore())
    await mine.enqueue([report(KEY, number) for number in range(1203)])
    await mine.tick()
    assert wire.posts == [("one", 1000), ("one", 203)]
    assert mine.unacknowledged == 0
