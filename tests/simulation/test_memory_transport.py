"""HTTP without sockets answers as the real server does, and fails as a network does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import pytest

from commonworks.errors import Unavailable
from commonworks.simulation.clock import VirtualClock
from commonworks.simulation.faults import CALM, Dice, Sky, Weather
from commonworks.simulation.store import SimulatedStore
from commonworks.simulation.transport import STRAY_S_MAX, TIMEOUT_S, MemoryTransport, Mishap, ask
from commonworks.statements.model import MAX_ITEMS_PER_POST
from commonworks.transport import GatewayApp, HttpTransport, serve
from gateway_kit import GENESIS_S, asynchronous, device, open_gateway, report

KEY: Final = device(1)
HOME: Final = "http://gateway"
POSTS: Final = {
    "one statement": report(KEY, 1).encode(),
    "the same again": report(KEY, 1).encode(),
    "two, one of a stranger": report(KEY, 2).encode() + report(device(2), 3).encode(),
    "nothing": b"",
    "no CBOR": b"\xff\xff",
    "too many": b"\x00" * (MAX_ITEMS_PER_POST + 1),
}
GETS: Final = (
    "/checkpoint",
    "/tile/0/000.p/1",
    "/tile/entries/000.p/2",
    "/tile/entries/001",
    "/checkpoint?x=1",
    "/v1/status",
    "/v1/statements",
    "/sealed/entries/000.p/1",
    "/../secret",
    "/",
)


class Listener:
    """A server over an application; it counts what reaches it."""

    def __init__(self, app: GatewayApp) -> None:
        self.app = app
        self.reached = 0

    async def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes] | None:
        """Answer one request."""
        self.reached += 1
        return await ask(self.app, method, path, headers, body)


async def listener() -> Listener:
    return Listener(GatewayApp(await open_gateway(SimulatedStore(), devices=[KEY])))


@asynchronous
async def test_answers_are_those_of_the_real_server() -> None:
    """Status and body, byte for byte, of what clients send and of what they should not."""
    clock = VirtualClock(GENESIS_S)
    ours = MemoryTransport(
        {HOME: await listener()}, clock, Sky(CALM, clock, lambda *_: None).dice("a wire", 0)
    )
    app = GatewayApp(await open_gateway(SimulatedStore(), devices=[KEY]))
    async with serve(app, "127.0.0.1", 0) as url, HttpTransport() as theirs:
        for name, body in POSTS.items():
            expected = await theirs.post(f"{url}/v1/statements", body)
            assert await ours.post(f"{HOME}/v1/statements", body) == expected, name
        for path in GETS:
            for headers in ({}, {"authorization": "Commonworks none"}):
                expected = await theirs.get(url + path, headers)
                assert await ours.get(HOME + path, headers) == expected, path
    with pytest.raises(Unavailable):
        await ours.get("http://nobody/checkpoint", {})


class Always(Dice):
    """Dice that always fall the same way."""

    def __init__(self, sky: Sky, mishap: Mishap, number: int) -> None:
        super().__init__(sky, "a wire", 0)
        self.mishap = mishap
        self.number = number

    def strike(self, kinds: object) -> Mishap:  # type: ignore[override]
        """Return the mishap."""
        return self.mishap

    def below(self, limit: int) -> int:
        """Return the number, within the limit."""
        return min(self.number, limit - 1)


@pytest.mark.parametrize(
    ("mishap", "number", "waited_s", "answered", "reached"),
    [
        (Mishap.LOST, 0, TIMEOUT_S, False, 0),
        (Mishap.ANSWER_LOST, 0, 0, False, 1),
        (Mishap.LATE, 29, 30, True, 1),
        (Mishap.LATE, 89, TIMEOUT_S, False, 1),
        (Mishap.ANSWER_LATE, 29, 30, True, 1),
        (Mishap.ANSWER_LATE, 89, TIMEOUT_S, False, 1),
        (Mishap.DOUBLED, STRAY_S_MAX, 0, True, 2),
    ],
)
@asynchronous
async def test_mishaps(
    mishap: Mishap, number: int, waited_s: int, answered: bool, reached: int
) -> None:
    """What the client sees and when, and what reaches the server in the end all the same."""
    clock = VirtualClock(GENESIS_S)
    server = await listener()
    sky = Sky(Weather(seed=1), clock, lambda *_: None)
    wire = MemoryTransport({HOME: server}, clock, Always(sky, mishap, number))
    request = asyncio.ensure_future(wire.get(f"{HOME}/v1/status", {}))
    ended_at: list[int] = []
    request.add_done_callback(lambda _: ended_at.append(clock.now()))
    await clock.advance_to(GENESIS_S + STRAY_S_MAX + TIMEOUT_S)
    assert ended_at == [GENESIS_S + waited_s]
    assert (request.exception() is None) is answered
    assert server.reached == reached
