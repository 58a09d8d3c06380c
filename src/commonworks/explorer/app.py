"""The web application: every slice's pages and answers over one site."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from importlib import import_module, resources
from typing import Final, cast

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from commonworks.errors import NotFound, require
from commonworks.explorer.site import Site
from commonworks.explorer.web import contract, errors
from commonworks.explorer.web.guard import YEAR_S, Guard, Head, Limits
from commonworks.explorer.web.i18n import Languages
from commonworks.explorer.web.proxies import Forwarded, Network

SLICES: Final = (
    "network", "activity", "devices", "statements", "epochs", "resources", "accounts",
    "governance", "nodes", "search", "proofs", "session", "transactions", "join", "alerts",
)  # fmt: skip
"""Parts of the explorer; each has routes in `api` and in `pages` under this name."""

API: Final = "/api/v1"
GZIP_FROM_BYTES: Final = 1_000

DESCRIPTION: Final = """What one network is and did, recomputable from its logs and its chain.

Reading needs no key and is allowed from any origin. Amounts are whole numbers of smallest units, as
text. Times are Unix seconds, UTC. Errors are problem documents (RFC 9457). Lists go on where `next`
says. Answers carry an `ETag`; ask again with `If-None-Match`.
"""


def build_app(
    site: Site, *, limits: Limits | None = None, proxies: Sequence[Network] = ()
) -> FastAPI:
    """Return the application for a site. `proxies` are believed about who asks, and how."""
    languages = Languages(site.resources)
    app = FastAPI(
        title=f"Commonworks explorer: {site.name}",
        description=DESCRIPTION,
        version="1",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # to an address made of a header that anybody may write
        generate_unique_id_function=_operation,
        middleware=[
            Middleware(Forwarded, proxies=proxies),
            Middleware(Head),
            Middleware(GZipMiddleware, minimum_size=GZIP_FROM_BYTES),
            Middleware(Guard, languages=languages, limits=limits or Limits()),
        ],
    )
    app.state.site = site
    app.state.languages = languages
    errors.install(app)
    contract.install(app)
    for name in SLICES:
        app.include_router(_router("api", name), prefix=API)
        app.include_router(_router("pages", name), include_in_schema=False)
    app.add_api_route("/static/{mark}/{path:path}", _static, include_in_schema=False)
    app.add_api_route("/favicon.ico", _favicon, include_in_schema=False)
    app.add_api_route("/robots.txt", _robots, include_in_schema=False)
    app.add_api_route("/api", _api_home, include_in_schema=False)
    return app


def _operation(route: APIRoute) -> str:
    """Return what generated clients call an operation: `devices_list_spans`."""
    return "_".join([str(tag) for tag in route.tags[:1]] + [route.name])


def _router(kind: str, name: str) -> APIRouter:
    router = import_module(f"commonworks.explorer.{kind}.{name}").router
    require(isinstance(router, APIRouter), f"{kind}/{name}.py has a router")
    return cast(APIRouter, router)


def _static(mark: str, path: str) -> Response:  # noqa: ARG001 - only there to outdate caches
    """Serve a file of the package: nothing above it, nothing hidden."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.startswith(".") for part in parts) or "\\" in path:
        raise NotFound("no such file")
    place = resources.files("commonworks.explorer") / "static"
    for part in parts:
        place = place / part
    try:
        found = place.is_file()
    except OSError:  # no name that a file can have
        found = False
    if not found:
        raise NotFound("no such file")
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    headers = {"cache-control": f"public, max-age={YEAR_S}, immutable"}
    return Response(place.read_bytes(), media_type=kind, headers=headers)


def _favicon() -> Response:
    icon = resources.files("commonworks.explorer") / "static" / "icon.svg"
    return Response(icon.read_bytes(), media_type="image/svg+xml")


def _robots() -> Response:
    return Response("User-agent: *\nDisallow: /api/\n", media_type="text/plain")


def _api_home() -> Response:
    return RedirectResponse(f"{API}/openapi.json", 307)
