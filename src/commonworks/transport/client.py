"""The Transport port over HTTP: bounded requests, and nothing but bytes back."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import aiohttp

from commonworks.errors import Unavailable

ANSWER_BYTES_MAX: Final = 64 << 20
"""Largest answer taken in."""

TIMEOUT_S: Final = 60
"""How long a request may take altogether, real time."""

CONNECT_TIMEOUT_S: Final = 5
"""How long connecting may take, real time."""

CONNECTIONS_PER_HOST_MAX: Final = 16

_CHUNK_BYTES: Final = 1 << 16


class HttpTransport:
    """Requests by HTTP. Implements `ports.Transport`; an asynchronous context manager."""

    def __init__(
        self, *, timeout_s: float = TIMEOUT_S, answer_bytes_max: int = ANSWER_BYTES_MAX
    ) -> None:
        self._answer_bytes_max = answer_bytes_max
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._session: aiohttp.ClientSession | None = None
        self._routes: dict[str, str] = {}

    def reroute(self, registered: str, actual: str) -> None:
        """Send what is meant for one address to another: a node that moved within this machine."""
        self._routes[registered.rstrip("/")] = actual.rstrip("/")

    async def __aenter__(self) -> Self:
        """Open; connections are made when they are needed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection."""
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """See `ports.Transport.post`."""
        return await self._request("POST", url, body=body, headers={})

    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """See `ports.Transport.get`."""
        return await self._request("GET", url, body=None, headers=headers)

    async def _request(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit_per_host=CONNECTIONS_PER_HOST_MAX)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, auto_decompress=False
            )
        for registered, actual in self._routes.items():
            if url.startswith(registered + "/"):
                url = actual + url[len(registered) :]
        sent = {"content-type": "application/cbor-seq"} if body is not None else {}
        try:
            async with self._session.request(
                method, url, data=body, headers={**sent, **headers}, allow_redirects=False
            ) as answer:
                return answer.status, await _bounded(answer, url, self._answer_bytes_max)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise Unavailable(
                f"no answer from {url}: {said}", hint="check the address, or try again", url=url
            ) from error


async def _bounded(answer: aiohttp.ClientResponse, url: str, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > bytes_max:
            raise Unavailable(f"the answer of {url} is larger than any that it may give", url=url)
    return bytes(body)
