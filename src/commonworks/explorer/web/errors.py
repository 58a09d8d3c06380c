"""Errors as answers: problem documents (RFC 9457) below /api, pages elsewhere."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from commonworks.errors import (
    CommonworksError,
    Corrupt,
    InvalidInput,
    Unauthorized,
    Unavailable,
    http_status,
)
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import unreadable
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.templating import render

STREAM_PATH: Final = "/api/v1/stream"
"""What goes on for ever: it has no end, no ETag and no HEAD."""
RETRY_AFTER_S: Final = 2
"""What a client is told to wait after a 503."""
RETRY: Final[Mapping[str, str]] = {"retry-after": str(RETRY_AFTER_S)}

_OURS: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>,;)]+"  # an operator's endpoint may carry its key
    r"|(?<![\w./:-])(?:/[^\s'\"<>,;:/)]+){2,}"  # where things lie on the operator's machine
)


def wants_document(request: Request) -> bool:
    """Tell whether whoever asks is a program."""
    return request.url.path.startswith("/api/")


def answer(
    request: Request,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **fields: object,
) -> Response:
    """Return a problem in the form that fits who asked."""
    title = HTTPStatus(status).phrase
    kept = {"cache-control": "no-store", **(headers or {})}
    if wants_document(request):
        document = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            **fields,
        }
        return JSONResponse(document, status, headers=kept, media_type="application/problem+json")
    page = render(
        request, "error.html", status=status, code=status, title=title, detail=_sentence(detail)
    )
    page.headers.update(kept)
    return page


def _sentence(detail: str) -> str:
    """Return an error's line as a page shows it: as a sentence."""
    end = "" if detail.endswith((".", "!", "?", "…")) else "."
    return detail[:1].upper() + detail[1:] + end if detail else detail


def of_house(request: Request, error: Any) -> Response:
    """Answer an error of the house."""
    status = http_status(error)
    headers: dict[str, str] = {}
    if isinstance(error, Corrupt):
        return unexpected(request, error)
    if isinstance(error, Unavailable):
        headers.update(RETRY)
    if isinstance(error, Unauthorized):
        status = 403 if error.fields.get("forbidden") else 401
        if status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = "Wallet"
    detail = for_reader(request.app.state.site, error)
    return answer(request, status, detail, headers=headers)


def for_reader(site: Site, error: CommonworksError) -> str:
    """Return an error's words without what only its operator should read."""
    echoes = isinstance(error, InvalidInput | Unauthorized)  # of what the reader sent
    return str(error) if echoes else without_places(str(error), site.rpc)


def without_places(text: str, known: Sequence[str] = ()) -> str:
    """Return a message without addresses and paths of the operator's own; `known` may stay."""
    return _OURS.sub(lambda found: found.group() if found.group() in known else "…", text)


def of_request(request: Request, error: Any) -> Response:
    """Answer a request whose parameters or body do not fit."""
    wrong = [
        {"place": ".".join(str(part) for part in one["loc"]), "problem": one["msg"]}
        for one in error.errors()
    ]
    detail = "; ".join(f"{one['place']}: {one['problem']}" for one in wrong)
    if not wants_document(request):
        names = dict.fromkeys(one["place"].rpartition(".")[2] for one in wrong)
        detail = gettext(
            "A value in the address or in a form is not one that fits here: %(names)s.",
            names=", ".join(names),
        )
    return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail[:2_000], errors=wrong)


def of_http(request: Request, error: Any) -> Response:
    """Answer what no route knows."""
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = gettext("There is nothing at this address.")
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"allow": ", ".join(_allowed(request))}
    return answer(request, error.status_code, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """Return the methods of an address: several routes may share it."""
    found = [
        method
        for method in ("GET", "POST", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]
    readable = "GET" in found and request.url.path != STREAM_PATH
    return [*found, *(["HEAD"] if readable else [])]


def of_database(request: Request, error: Any) -> Response:
    """Answer while the index cannot be read."""
    return of_house(request, unreadable(error))


def unexpected(request: Request, error: Exception) -> Response:
    """Answer a fault of ours: the operator sees where, the reader that it was not theirs."""
    traceback.print_exception(error, file=sys.stderr)
    detail = gettext("Something went wrong here. It is not your fault; please try again.")
    return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def install(app: FastAPI) -> None:
    """Register every handler."""
    app.add_exception_handler(CommonworksError, of_house)
    app.add_exception_handler(RequestValidationError, of_request)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(DBAPIError, of_database)
    app.add_exception_handler(Exception, unexpected)
