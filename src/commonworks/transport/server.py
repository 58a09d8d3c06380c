"""A bounded HTTP server inside the running event loop: uvicorn, told what to refuse."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from commonworks.errors import CommonworksError, Conflict, Unavailable
from commonworks.transport.asgi import App

CONNECTIONS_MAX: Final = 1_000
"""Most connections at once; further ones are answered with 503."""

HEADER_BYTES_MAX: Final = 64 << 10
"""Most bytes before a request's header is complete."""

HEADER_TIMEOUT_S: Final = 10
"""How long a request's header may take, real time; also how long an idle connection is kept."""

SHUTDOWN_TIMEOUT_S: Final = 5
"""How long answers on their way may take when the server stops, real time."""

BACKLOG: Final = 1_024

RECURSION_MAX: Final = 2_000
"""Deepest recursion while something is served. A library of wallets raises Python's limit to
100,000 for itself; then a document of so many brackets overflows the C stack, and the process ends
instead of answering that it cannot read it."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with a limit on the size and the duration of a request's header."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header."""
        super().connection_made(transport)
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes while a header is awaited; too many of them end the connection."""
        if self._deadline is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._deadline is not None and self._header_bytes > HEADER_BYTES_MAX:
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The header is there: what follows is bounded by the application."""
        self._stop_waiting()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request's header, unless it came already (pipelining)."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._await_header()

    def _await_header(self) -> None:
        self._stop_waiting()
        self._header_bytes = 0
        self._deadline = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    """A server that leaves signals to the process and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command line's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self.ready.set()


@contextlib.asynccontextmanager
async def serve(
    app: App, host: str = "127.0.0.1", port: int = 0, *, may_move: bool = False
) -> AsyncIterator[str]:
    """Serve `app` for the duration of the context; its value is the server's URL.

    Port 0 takes a free one; `may_move` does so where somebody else sits at `port`. On leaving,
    answers on their way are sent first.
    Raises: Conflict when the port is taken, Unavailable when the address cannot be used.
    """
    sys.setrecursionlimit(min(sys.getrecursionlimit(), RECURSION_MAX))
    try:
        listening = _bind(host, port)
    except Conflict:
        if not may_move:
            raise
        listening = _bind(host, 0)
    config = uvicorn.Config(
        cast(Any, app),
        http=cast(Any, BoundedProtocol),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        backlog=BACKLOG,
        timeout_keep_alive=HEADER_TIMEOUT_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            raise Unavailable("the HTTP server stopped as it started", hint="try again")
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listening.getsockname()[1]}"
    finally:
        ready.cancel()
        server.should_exit = True
        await running
        listening.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio turns Nagle's algorithm off; else answers wait some 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A restarted server takes its port back at once; a running one keeps it all the same.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # Two sockets may be bound to one port until one of them listens.
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise _bind_error(host, port, error) from error
    listening.setblocking(False)
    return listening


def _bind_error(host: str, port: int, error: OSError) -> CommonworksError:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"port {port} on {host} is in use by another program",
            hint="stop that program, or choose another port",
            host=host,
            port=port,
        )
    return Unavailable(
        f"cannot listen on {host}, port {port}: {error.strerror or error}",
        hint="choose another address or port",
        host=host,
        port=port,
    )
