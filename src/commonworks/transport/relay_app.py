"""The HTTP interface of a relay, as docs/spec/relay.md has it: a thin ASGI application."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final, Protocol

from commonworks.errors import CommonworksError, InvalidInput
from commonworks.relay.messages import BODY_BYTES_MAX, address_of
from commonworks.relay.reasons import Reason
from commonworks.relay.service import Budget, Declined, Relayed
from commonworks.transport.asgi import (
    RETRY_AFTER_S,
    App,
    Receive,
    Response,
    Scope,
    Send,
    problem,
    problem_of,
    read_body,
    respond,
)

RELAY_PATH: Final = "/v1/relay"
BUDGET_PATH: Final = f"{RELAY_PATH}/budget/"

STATUS: Final = {
    Reason.UNKNOWN_KIND: 400,
    Reason.MALFORMED: 400,
    Reason.BAD_SIGNATURE: 403,
    Reason.NO_ACCOUNT: 404,
    Reason.OVER_BUDGET: 429,
    Reason.WOULD_FAIL: 409,
    Reason.UNAVAILABLE: 503,
}
"""HTTP status of each reason."""

_NO_STORE: Final = {"cache-control": "no-store"}


class RelayService(Protocol):
    """What this application asks of a relay; errors are those of `commonworks.errors`."""

    async def hand_in(self, document: bytes) -> Relayed | Declined:
        """Hand in one message."""
        ...

    async def budget(self, account: bytes) -> Budget:
        """Return what is left for an account."""
        ...


class RelayApp:
    """ASGI application over one relay; everything outside its paths goes to another one."""

    def __init__(self, relay: RelayService, otherwise: App | None = None) -> None:
        """`otherwise` answers what is not the relay's, a gateway on the same port for example."""
        self._relay = relay
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        mine = path == RELAY_PATH or path.startswith(f"{RELAY_PATH}/")
        if self._otherwise is not None and not mine:
            await self._otherwise(scope, receive, send)
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
        if path != RELAY_PATH and not path.startswith(BUDGET_PATH):
            return problem(404, "no such resource")
        allowed = ("POST",) if path == RELAY_PATH else ("GET", "HEAD")
        if method not in allowed:
            detail = f"{method} is not for this resource; use {allowed[0]}"
            return problem(405, detail, headers={"allow": ", ".join(allowed)})
        if path == RELAY_PATH:
            return await self._hand_in(scope, receive)
        return await self._budget(path.removeprefix(BUDGET_PATH))

    async def _hand_in(self, scope: Scope, receive: Receive) -> Response:
        body = await read_body(scope, receive, BODY_BYTES_MAX)
        if isinstance(body, Response):
            return body
        answer = await self._relay.hand_in(body)
        if isinstance(answer, Declined):
            return _declined(answer)
        return _document(
            {
                "transaction": "0x" + answer.transaction.hex(),
                "account": "0x" + answer.account.hex(),
                "gas": str(answer.gas),
                "left": str(answer.left),
            }
        )

    async def _budget(self, text: str) -> Response:
        try:
            account = address_of(text)
        except InvalidInput as error:
            return problem(400, error.message, reason=str(Reason.MALFORMED))
        budget = await self._relay.budget(account)
        return _document(
            {
                "network": "0x" + budget.network_id.hex(),
                "account": "0x" + account.hex(),
                "epoch": budget.epoch,
                "member": budget.member,
                "limit": str(budget.limit),
                "spent": str(budget.spent),
                "left": str(budget.left),
                "renews": budget.renews,
            }
        )


def _document(document: dict[str, object]) -> Response:
    body = json.dumps(document).encode()
    return Response(content_type="application/json", body=body, headers=_NO_STORE)


def _declined(declined: Declined) -> Response:
    status = STATUS[declined.reason]
    headers = {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(RETRY_AFTER_S)
    transaction = declined.transaction
    return problem(
        status,
        declined.detail,
        headers=headers,
        reason=str(declined.reason),
        error=declined.error,
        renews=declined.renews,
        transaction=None if transaction is None else "0x" + transaction.hex(),
    )
