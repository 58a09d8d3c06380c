"""An ASGI application on a socket, inside the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import uvicorn

from commonworks.chain.embedded.proxy import Proxy
from commonworks.errors import Conflict, InvalidInput, Unavailable

BACKLOG: Final = 512
GRACE_S: Final = 5
# Longer than clients keep idle connections, so that they close first and never meet a closed one.
KEEP_ALIVE_S: Final = 75


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0 takes a free one.

    Raises: Conflict when the port is taken, InvalidInput when the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only for sockets that name their protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} on {host} is in use", hint="choose another port, or 0 for a free one"
            ) from error
        raise InvalidInput(
            f"cannot listen on {host} port {port}: {error}", hint="use an address of this machine"
        ) from error
    return listener


def url(listener: socket.socket) -> str:
    """Return the URL under which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A server that leaves signals to the program it runs in, and says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve and tell."""
        await super().startup(sockets)
        self.serving.set()


@contextlib.asynccontextmanager
async def serving(app: Proxy, listener: socket.socket, max_connections: int) -> AsyncIterator[None]:
    """Serve `app` until the block is left; requests under way get `GRACE_S` to finish."""
    application: Any = app
    server = _Server(
        uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            limit_concurrency=max_connections,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.serving.wait())
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        raise Unavailable("the chain's HTTP server did not start") from task.exception()
    try:
        yield
    finally:
        server.should_exit = True
        await task
