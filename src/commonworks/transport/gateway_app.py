"""The HTTP interface of a gateway, as docs/spec/submission.md has it: a thin ASGI application."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from commonworks.crypto.cbor import decode_sequence
from commonworks.errors import CommonworksError, InvalidInput
from commonworks.statements.model import MAX_ITEMS_PER_POST
from commonworks.translog.tiles import CHECKPOINT_PATH, SEALED, TILE_WIDTH, parse_path
from commonworks.transport.asgi import (
    Receive,
    Response,
    Scope,
    Send,
    header,
    problem,
    problem_of,
    read_body,
    respond,
)

BODY_BYTES_MAX: Final = 64 << 20
"""Largest submission."""

SUBMIT_PATH: Final = "/v1/statements"
STATUS_PATH: Final = "/v1/status"
CBOR_SEQUENCE: Final = "application/cbor-seq"

_IMMUTABLE: Final = {"cache-control": "public, max-age=31536000, immutable"}
_PARTIAL: Final = {"cache-control": "public, max-age=60"}
_NO_STORE: Final = {"cache-control": "no-store"}
_PRIVATE: Final = {"cache-control": "private, no-store"}


class GatewayStatus(Protocol):
    """What `GET /v1/status` tells."""

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def vkey(self) -> str: ...
    @property
    def log_id(self) -> bytes: ...
    @property
    def size(self) -> int: ...
    @property
    def refusals(self) -> Mapping[str, int]: ...
    @property
    def duplicates(self) -> int: ...


class GatewayService(Protocol):
    """What this application asks of a gateway; errors are those of `commonworks.errors`."""

    async def submit(self, items: Sequence[bytes]) -> list[bytes]:
        """Return one receipt or refusal per item, in order."""
        ...

    async def read(self, path: str) -> bytes | None:
        """Return a tlog-tiles resource, or None where it is not."""
        ...

    async def read_sealed(self, path: str, authorization: str | None) -> bytes | None:
        """Return a bundle of preimages, or None; raises Unauthorized."""
        ...

    def status(self) -> GatewayStatus:
        """Return what the gateway is and has done."""
        ...


class GatewayApp:
    """ASGI application over one gateway."""

    def __init__(self, gateway: GatewayService) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            response = await self._answer(scope, receive)
        except CommonworksError as error:
            response = problem_of(error)
        await respond(scope, send, response)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path, method = scope["path"], scope["method"]
        if scope["raw_path"].decode("latin-1") != path or scope["query_string"]:
            return problem(404, "no such resource")
        is_post = path == SUBMIT_PATH
        allowed = ("POST",) if is_post else ("GET", "HEAD")
        if method not in allowed:
            detail = f"{method} is not for this resource; use {allowed[0]}"
            return problem(405, detail, headers={"allow": ", ".join(allowed)})
        if is_post:
            return await self._submit(scope, receive)
        if path == STATUS_PATH:
            return self._status()
        if path.startswith(f"/{SEALED}/"):
            return await self._sealed(path[1:], header(scope, b"authorization"))
        return await self._read(path[1:])

    async def _submit(self, scope: Scope, receive: Receive) -> Response:
        body = await read_body(scope, receive, BODY_BYTES_MAX)
        if isinstance(body, Response):
            return body
        try:
            items = decode_sequence(body, MAX_ITEMS_PER_POST)
        except InvalidInput as error:
            offset = error.fields.get("offset")
            if offset is None:  # well-formed as far as it was read: too many
                return problem(413, f"a submission has at most {MAX_ITEMS_PER_POST} items")
            return problem(400, f"{error.message} at byte {offset}", offset=offset)
        if not items:
            return problem(400, "the submission is empty", offset=0)
        answers = await self._gateway.submit(items)
        return Response(content_type=CBOR_SEQUENCE, body=b"".join(answers), headers=_NO_STORE)

    def _status(self) -> Response:
        status = self._gateway.status()
        document = {
            "name": status.name,
            "origin": status.origin,
            "vkey": status.vkey,
            "log_id": status.log_id.hex(),
            "size": status.size,
            "refusals": dict(status.refusals),
            "duplicates": status.duplicates,
        }
        body = json.dumps(document).encode()
        return Response(content_type="application/json", body=body, headers=_NO_STORE)

    async def _read(self, path: str) -> Response:
        data = await self._gateway.read(path)
        if data is None:
            return problem(404, "no such resource")
        if path == CHECKPOINT_PATH:
            return Response(content_type="text/plain; charset=utf-8", body=data, headers=_NO_STORE)
        tile = parse_path(path)
        full = tile is not None and tile.width == TILE_WIDTH
        return Response(
            content_type="application/octet-stream",
            body=data,
            headers=_IMMUTABLE if full else _PARTIAL,
        )

    async def _sealed(self, path: str, authorization: str | None) -> Response:
        data = await self._gateway.read_sealed(path, authorization)
        if data is None:
            return problem(404, "no such resource")
        return Response(content_type="application/octet-stream", body=data, headers=_PRIVATE)
