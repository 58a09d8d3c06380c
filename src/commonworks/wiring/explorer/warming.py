"""What the first readers would wait for, done beside them once the explorer answers.

The first request of a process builds the chain of handlers, compiles templates, reads languages and
opens a connection to the index: some tenths of a second. This asks the application for its own
first page, in every language, and compiles the templates of all others, one thing at a time and
with as long a pause after each as it took: whoever asks meanwhile comes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI

from commonworks.explorer.web.templating import ENVIRONMENT

FIRST_PAGE: Final = "/"
PAUSE_S: Final = 0.5
"""Before anything is done: whoever waited for the explorer to answer is not held up by it."""


@asynccontextmanager
async def warming(app: FastAPI) -> AsyncIterator[asyncio.Task[None]]:
    """Warm an application up until that is done or the block is left; the value is the task."""
    task = asyncio.create_task(_prepare(app))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _prepare(app: FastAPI) -> None:
    await asyncio.sleep(PAUSE_S)
    await warm_up(app)
    set_aside()


def set_aside() -> None:
    """Leave out of garbage collection what is there by now: code, templates, languages, routes.

    It stays as long as the process does. Looked through again and again it holds up whatever page
    is being made at that moment, by more than a tenth of a second.
    """
    gc.collect()
    gc.freeze()


async def warm_up(app: FastAPI) -> None:
    """Do once what the first requests would do."""
    languages: Sequence[str] = app.state.languages.codes
    await _politely(_ask(app, languages[0]))
    for name in ENVIRONMENT.list_templates():
        await _politely(asyncio.to_thread(ENVIRONMENT.get_template, name))
    for language in languages[1:]:
        await _politely(_ask(app, language))
    await asyncio.to_thread(app.openapi)


async def _politely(work: Awaitable[object]) -> None:
    """Do something, and nothing for as long as it took."""
    now = asyncio.get_running_loop().time
    began = now()
    await work
    await asyncio.sleep(now() - began)


async def _ask(app: FastAPI, language: str) -> None:
    """Ask for the first page, as a reader on this machine would, and forget the answer."""

    async def nothing() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def forget(_message: Any) -> None:
        """Nobody reads it."""

    headers = [(b"host", b"127.0.0.1"), (b"accept-language", language.encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": FIRST_PAGE,
        "raw_path": FIRST_PAGE.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, nothing, forget)
