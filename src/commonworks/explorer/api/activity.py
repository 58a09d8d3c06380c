"""Answers about what happened, and the stream of what happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from commonworks.errors import Unavailable
from commonworks.explorer.models.activity import ActivityEvent
from commonworks.explorer.queries.activity import Wanted, events
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import NUMBER_MAX, address_bytes
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery, LimitQuery, Page
from commonworks.explorer.web.proxies import reader_of
from commonworks.explorer.web.stream import Broadcast, Listener, Message

router = APIRouter(tags=["activity"])

KEEP_ALIVE_S: Final = 15.0
"""Silence after which a comment is sent, so that nobody between closes the connection."""
RETRY_MS: Final = 3_000
"""How long a browser waits before it connects again."""
KINDS_MAX: Final = 200
"""Characters of the list of kinds."""
RESYNC: Final = "resync"
CLOSE: Final = "close"


@router.get("/activity")
def read_activity(
    site: SiteDep,
    connection: ConnDep,
    kind: Annotated[str | None, Query(max_length=40, description="Only this kind.")] = None,
    device: Annotated[int | None, Query(ge=0, le=NUMBER_MAX)] = None,
    account: Annotated[
        str | None, Query(pattern=r"^0x[0-9a-fA-F]{40}$", description="About this account.")
    ] = None,
    epoch: Annotated[int | None, Query(ge=0, le=NUMBER_MAX)] = None,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[ActivityEvent]:
    """What the network's contracts recorded, newest first, each in one sentence."""
    wanted = Wanted(
        kind=kind,
        device=device,
        account=None if account is None else address_bytes(account),
        epoch=epoch,
    )
    return events(connection, site, wanted, limit=limit, cursor=cursor)


# --- the stream -----------------------------------------------------------------------------------


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `event` is the kind, `data` a JSON object.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        503: {"description": "Too many listen, from this client or in all."},
    },
)
async def read_stream(
    request: Request,
    site: SiteDep,
    kinds: Annotated[
        str | None,
        Query(max_length=KINDS_MAX, description="Only these kinds, with commas between."),
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=80)] = None,
) -> StreamingResponse:
    """What happens, as it happens: `statements`, `event`, `epoch`, `head`.

    `resync` says that messages were left out: read again what you show. It comes to a listener that
    was too slow, and to one that names in `Last-Event-ID` a message that is not the newest.
    """
    client = reader_of(request.scope)
    if not site.broadcast.has_room(client):
        raise Unavailable(
            gettext("too many listen already"),
            hint=gettext("close other pages, or try again later"),
        )
    chosen = None if kinds is None else frozenset(filter(None, kinds.split(",")))
    return StreamingResponse(
        frames(site.broadcast, client, chosen=chosen, last_event_id=last_event_id),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def frames(
    broadcast: Broadcast,
    client: str,
    *,
    chosen: frozenset[str] | None = None,
    last_event_id: str | None = None,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> AsyncIterator[bytes]:
    """Yield one listener's frames until it goes or nothing more will come.

    Inputs: `chosen` kinds, None for all; `resync` and the end always come through.
    """
    with broadcast.listen(client) as listener:
        if listener is None:
            return
        newest = broadcast.identity(broadcast.number)
        yield f"retry: {RETRY_MS}\n: welcome\n\n".encode()
        if last_event_id and last_event_id != newest:
            yield frame(RESYNC, {}, newest)
        async with aclosing(_messages(listener, keep_alive_s)) as messages:
            async for message in messages:
                if message is None:
                    yield b": still here\n\n"
                elif message.kind == CLOSE:
                    return
                elif chosen is None or message.kind in chosen or message.kind == RESYNC:
                    yield frame(message.kind, message.data, broadcast.identity(message.number))


async def _messages(
    listener: Listener, keep_alive_s: float
) -> AsyncGenerator[Message | None, None]:
    """Yield what a listener hears; None for each span of silence. No message is lost to a span."""
    waiting = asyncio.ensure_future(listener.get())
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=keep_alive_s)
            if not done:
                yield None
                continue
            message = waiting.result()
            waiting = asyncio.ensure_future(listener.get())
            yield message
    finally:
        waiting.cancel()


def frame(kind: str, data: object, identity: str) -> bytes:
    """Return one event of the stream. JSON has no line breaks, so one `data` line does."""
    text = json.dumps(data, separators=(",", ":"))
    return f"id: {identity}\nevent: {kind}\ndata: {text}\n\n".encode()
