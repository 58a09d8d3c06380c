"""HTTP without sockets: requests reach a server's own ASGI application within this process.

Goal: clients meet the statuses and bodies that the real server gives, and a network that loses,
delays, doubles and reorders them. Rule: a client waits `TIMEOUT_S` and no longer; what it sent goes
its way all the same. Invariant: nothing here reads a clock but the network's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from commonworks.errors import Unavailable
from commonworks.ports import Clock
from commonworks.simulation.faults import Dice
from commonworks.transport.asgi import App

TIMEOUT_S: Final = 60
"""How long a client waits for an answer, network time."""
LATE_S_MAX: Final = 120
"""Longest delay of a request or an answer; some are longer than the client's patience."""
STRAY_S_MAX: Final = 3 * 3_600
"""How much later a request's double may arrive."""

Answer = tuple[int, bytes]
"""Status and body."""


class Server(Protocol):
    """What listens at an address."""

    async def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Answer | None:
        """Return status and body, or None where nobody answers (any more)."""
        ...


class Mishap(StrEnum):
    """What happens to a request on its way."""

    LOST = "request lost"
    ANSWER_LOST = "answer lost"
    LATE = "request late"
    ANSWER_LATE = "answer late"
    DOUBLED = "request doubled, the second hours later"


async def ask(app: App, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Return what an ASGI application answers to one request. Raises what the application does.

    `path` is as it stands in the URL: escaped, with its query.
    """
    raw_path, _, query = path.partition("?")
    scope: MutableMapping[str, Any] = {
        "type": "http",
        "method": method,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in {**headers, "content-length": str(len(body))}.items()
        ],
    }
    status, parts = 0, bytearray()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.extend(message.get("body", b""))

    await app(scope, receive, send)
    return status, bytes(parts)


class MemoryTransport:
    """One client's requests to servers in this process. Implements `ports.Transport`."""

    def __init__(self, servers: Mapping[str, Server], clock: Clock, dice: Dice) -> None:
        """`servers` by origin, for example `http://gateway-1`."""
        self._servers = servers
        self._clock = clock
        self._dice = dice
        self._under_way: set[asyncio.Task[Answer | None]] = set()

    async def post(self, url: str, body: bytes) -> Answer:
        """See `ports.Transport.post`."""
        return await self._request("POST", url, {"content-type": "application/cbor-seq"}, body)

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """See `ports.Transport.get`."""
        return await self._request("GET", url, headers, b"")

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        mishap = self._dice.strike(list(Mishap))
        if mishap is Mishap.LOST:
            await self._wait(TIMEOUT_S)
            raise Unavailable(f"no answer from {url}: it took too long", url=url)
        if mishap is Mishap.DOUBLED:
            self._spawn(method, url, headers, body, before_s=1 + self._dice.below(STRAY_S_MAX))
        late = 1 + self._dice.below(LATE_S_MAX) if mishap else 0
        exchange = self._spawn(
            method,
            url,
            headers,
            body,
            before_s=late if mishap is Mishap.LATE else 0,
            after_s=late if mishap is Mishap.ANSWER_LATE else 0,
        )
        patience = asyncio.ensure_future(self._wait(TIMEOUT_S))
        try:
            await asyncio.wait({exchange, patience}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            patience.cancel()
        answer = exchange.result() if exchange.done() else None
        if answer is None or mishap is Mishap.ANSWER_LOST:
            raise Unavailable(f"no answer from {url}", url=url)
        return answer

    def _spawn(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        before_s: int = 0,
        after_s: int = 0,
    ) -> asyncio.Task[Answer | None]:
        """Send a request on its way, whoever waits for it."""

        async def exchange() -> Answer | None:
            await self._wait(before_s)
            place = urlsplit(url)
            server = self._servers.get(f"{place.scheme}://{place.netloc}")
            path = f"{place.path}?{place.query}" if place.query else place.path
            answer = await server.answer(method, path, headers, body) if server else None
            await self._wait(after_s)
            return answer

        task = asyncio.ensure_future(exchange())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _wait(self, seconds: int) -> None:
        if seconds:
            await self._clock.sleep_until(self._clock.now() + seconds)
