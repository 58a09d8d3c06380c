"""What stands before every handler: language, limits of rate, size and time, headers, ETags.

Pure ASGI, so that streams pass through. Rule: a page may load nothing that we do not serve, and
nothing inline; whatever a stranger wrote on chain can then run nowhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from commonworks.explorer.web import errors
from commonworks.explorer.web.i18n import Languages, gettext
from commonworks.explorer.web.nesting import Nesting
from commonworks.explorer.web.proxies import reader_of
from commonworks.explorer.web.templating import LANGUAGE_COOKIE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES_MAX: Final = 128 << 10
"""Longest body of a request."""
QUERY_BYTES_MAX: Final = 4 << 10
"""Longest query string."""
FORM: Final = b"application/x-www-form-urlencoded"
"""Content type of what a page's form sends; everything else may be read as JSON."""
TIME_MAX_S: Final = 30.0
"""Longest time that an answer may take, real time; streams excepted."""
LENGTH_DIGITS_MAX: Final = 12
"""Digits of the longest `Content-Length` that is read at all."""
YEAR_S: Final = 31_536_000
TAGGED_BYTES_MAX: Final = 8 << 20
"""Longest answer that gets an ETag."""

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

SAFE_HEADERS: Final = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(self), payment=()"),
)

CORS_HEADERS: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Retry-After"),
)


VARY: Final = b"Accept-Language, Cookie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often one reader may ask, in the notation of the `limits` library."""

    read: str = "1200/minute"
    write: str = "60/minute"

    @classmethod
    def reading(cls, requests_per_minute: int | None) -> Limits:
        """Return the limits with this one for reading; None: as they are."""
        if requests_per_minute is None:
            return cls()
        return cls(read=f"{requests_per_minute}/minute")


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: App, *, languages: Languages, limits: Limits) -> None:
        self._app = app
        self._languages = languages
        self._rates = MovingWindowRateLimiter(MemoryStorage())
        self._read: RateLimitItem = parse(limits.read)
        self._write: RateLimitItem = parse(limits.write)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        asked, kept = self._language(scope, headers)
        answer = _Answer(scope, send, headers, asked if asked != kept else None)
        refused = self._refusal(scope, headers)
        if refused is not None:
            await refused(scope, receive, answer.send)
        elif scope["method"] == "OPTIONS" and scope["path"].startswith("/api/"):
            await _preflight(answer.send)
        else:
            form = headers.get(b"content-type", b"").lower().startswith(FORM)
            await self._within_limits(scope, _bounded(receive, form=form), answer)

    async def _within_limits(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Let the application answer, and answer for it where it does not."""
        try:
            async with asyncio.timeout(None if scope["path"] == errors.STREAM_PATH else TIME_MAX_S):
                await self._app(scope, receive, answer.send)
        except Exception as error:
            if answer.begun:
                raise
            answer.discard()
            request = Request(scope)
            if isinstance(error, TimeoutError):
                detail = gettext("This took too long; please try again.")
                failed = errors.answer(request, 503, detail, headers=errors.RETRY)
            else:
                failed = errors.unexpected(request, error)
            await failed(scope, receive, answer.send)

    def _language(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[str | None, str | None]:
        query = parse_qs(scope["query_string"].decode("latin-1")[:QUERY_BYTES_MAX])
        asked = query.get("lang", [None])[0]
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            cookies = SimpleCookie()
        kept = cookies[LANGUAGE_COOKIE].value if LANGUAGE_COOKIE in cookies else None
        accepted = headers.get(b"accept-language", b"").decode("latin-1")
        self._languages.use(self._languages.choose(asked, kept, accepted))
        return (asked if asked in self._languages.codes else None), kept

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> Response | None:
        request = Request(scope)
        if len(scope["query_string"]) > QUERY_BYTES_MAX:
            return errors.answer(request, 414, gettext("The address is too long."))
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > LENGTH_DIGITS_MAX:
            return errors.answer(request, 400, gettext("The length of the body is no number."))
        if int(length) > BODY_BYTES_MAX:
            return errors.answer(request, 413, _too_large())
        if scope["path"].startswith("/static/"):
            return None
        writes = scope["method"] not in ("GET", "HEAD", "OPTIONS")
        reader = reader_of(scope)
        item, names = self._write if writes else self._read, ("write" if writes else "read", reader)
        if self._rates.hit(item, *names):
            return None
        wait_s = self._rates.get_window_stats(item, *names).reset_time - time.time()
        detail = gettext("Too many requests; please slow down.")
        headers_ = {"retry-after": str(max(1, math.ceil(wait_s)))}
        return errors.answer(request, 429, detail, headers=headers_)


def _too_large() -> str:
    return gettext("At most %(count)s bytes, please.", count=BODY_BYTES_MAX)


def _bounded(receive: Receive, *, form: bool) -> Receive:
    seen, nesting = 0, Nesting()

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        body = message.get("body", b"")
        seen += len(body)
        if seen > BODY_BYTES_MAX:  # the framework lets only errors of HTTP through a body's reader
            raise HTTPException(413, _too_large())
        if not form and not nesting.fits(body):
            raise HTTPException(400, "this is nested deeper than anything asked for here")
        return message

    return bounded


class Head:
    """ASGI middleware: HEAD is answered as GET is, without the body. A stream has no HEAD."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if (
            scope["type"] != "http"
            or scope["method"] != "HEAD"
            or scope["path"] == errors.STREAM_PATH
        ):
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if "body" in message else message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


class _Answer:
    """Sends an answer on, with our headers, an ETag, and nothing where the reader has it."""

    def __init__(
        self, scope: Scope, send: Send, headers: dict[bytes, bytes], language: str | None
    ) -> None:
        self.begun = False
        """Whether something of it has left: it cannot be another one any more."""
        self._scope = scope
        self._send = send
        self._known = headers.get(b"if-none-match", b"")
        self._language = language
        self._start: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Take one ASGI message of the application."""
        if message["type"] == "http.response.start":
            self._decorate(message)
            if self._taggable(message):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if len(self._body) <= TAGGED_BYTES_MAX and message.get("more_body", False):
                return
            start, self._start = self._start, None
            if not message.get("more_body", False):
                await self._tagged(start)
                return
            await self._pass(start)
            message = {**message, "body": bytes(self._body)}
        await self._pass(message)

    def discard(self) -> None:
        """Forget what was kept of an answer that will not be given."""
        self._start = None
        self._body.clear()

    async def _pass(self, message: Message) -> None:
        self.begun = True
        await self._send(message)

    def _taggable(self, start: Message) -> bool:
        kind = dict(start["headers"]).get(b"content-type", b"")
        return (
            start["status"] == 200
            and self._scope["method"] in ("GET", "HEAD")
            and not self._scope["path"].startswith("/static/")
            and not kind.startswith(b"text/event-stream")
        )

    async def _tagged(self, start: Message) -> None:
        body = bytes(self._body)
        # Weak: the same tag stands for the compressed and the plain form.
        tag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        start["headers"] = [*start["headers"], (b"etag", b"W/" + tag)]
        known = {part.strip().removeprefix(b"W/") for part in self._known.split(b",")}
        if body and (tag in known or b"*" in known):
            gone = (b"content-length", b"content-type", b"vary")
            kept = [header for header in start["headers"] if header[0] not in gone]
            kept.append((b"vary", VARY + b", Accept-Encoding"))  # as with what it stands for
            await self._pass({**start, "status": 304, "headers": kept})
            await self._pass({"type": "http.response.body", "body": b""})
            return
        await self._pass(start)
        await self._pass({"type": "http.response.body", "body": body})

    def _decorate(self, start: Message) -> None:
        path = self._scope["path"]
        headers = list(start["headers"])
        present = {key.lower() for key, _ in headers}
        headers += [(k, v) for k, v in SAFE_HEADERS if k not in present]
        if path.startswith("/api/"):
            if self._scope["method"] in ("GET", "HEAD", "OPTIONS"):
                headers += CORS_HEADERS
            headers.append((b"cross-origin-resource-policy", b"cross-origin"))
        else:
            headers.append((b"cross-origin-resource-policy", b"same-origin"))
        if b"cache-control" not in present and not path.startswith("/static/"):
            headers.append((b"cache-control", b"private, no-cache"))
        headers.append((b"vary", VARY))
        if self._language is not None:
            kept = f"Path=/; Max-Age={YEAR_S}; HttpOnly; SameSite=Lax"
            headers.append((b"set-cookie", f"{LANGUAGE_COOKIE}={self._language}; {kept}".encode()))
        start["headers"] = headers


async def _preflight(send: Send) -> None:
    allowed = [
        (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
        (b"access-control-allow-headers", b"If-None-Match"),
        (b"access-control-max-age", b"86400"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": allowed})
    await send({"type": "http.response.body", "body": b""})
