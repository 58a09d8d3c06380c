"""The little of ASGI and of HTTP errors that our servers need."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from commonworks.errors import CommonworksError, Unauthorized, Unavailable, http_status

BODY_TIMEOUT_S: Final = 60
"""How long a request's body may take to arrive, real time."""

RETRY_AFTER_S: Final = 1
"""What a client is told to wait after a 503, real time."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer."""

    status: int = 200
    """HTTP status."""
    content_type: str
    """Media type of the body."""
    body: bytes
    """The bytes."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers, lower-case names."""


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **fields: object
) -> Response:
    """Return a problem document (RFC 9457); `fields` that JSON can say become members."""
    members = {k: v for k, v in fields.items() if isinstance(v, str | int | bool)}
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }
    return Response(
        status=status,
        content_type="application/problem+json",
        body=json.dumps(document).encode(),
        headers={"cache-control": "no-store", **(headers or {})},
    )


def problem_of(error: CommonworksError) -> Response:
    """Return the problem document for an error of the house."""
    headers: dict[str, str] = {}
    status = http_status(error)
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(RETRY_AFTER_S)
    if isinstance(error, Unauthorized):
        status = 403 if error.fields.get("forbidden") else 401
        if status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = "Commonworks"
    return problem(status, str(error), headers=headers)


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes | Response:
    """Return a request's body, or the problem with it: too large (413) or too slow (408)."""
    too_large = problem(413, f"the body is larger than {limit} bytes", headers=_CLOSE)
    declared = header(scope, b"content-length")
    if declared is not None and (not declared.isdigit() or int(declared) > limit):
        return too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return problem(408, "the connection closed before the body was complete")
                body += message.get("body", b"")
                if len(body) > limit:
                    return too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return problem(408, f"the body took longer than {BODY_TIMEOUT_S} s", headers=_CLOSE)


_CLOSE: Final = {"connection": "close"}


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request header; None where it is not there exactly once."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


async def respond(scope: Scope, send: Send, response: Response) -> None:
    """Send a whole answer; a HEAD request gets its headers only."""
    headers = {
        "content-type": response.content_type,
        "content-length": str(len(response.body)),
        "x-content-type-options": "nosniff",
        **response.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        }
    )
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})
