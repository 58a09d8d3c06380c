"""Relays: running one for a network's folder, and handing members' messages to whichever answers.

A relay listens beside a gateway, so every gateway's registered address is a place to ask. Where
none answers and this folder has the relayer's account, a relay of this process serves instead: with
the same books, since they lie in the folder and one process at a time has them open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from commonworks.chain.account_sender import AccountSender, HandIn
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.passkey import PasskeySigner
from commonworks.chain.relayed import RelayedChain
from commonworks.errors import (
    CommonworksError,
    Conflict,
    InvalidInput,
    NotFound,
    Unauthorized,
    Unavailable,
)
from commonworks.ports import Transport
from commonworks.relay import Declined, Message, Reason, Relay, Relayed, encode_message
from commonworks.storage.files import FileStore
from commonworks.transport.client import HttpTransport
from commonworks.transport.relay_app import BUDGET_PATH, RELAY_PATH
from commonworks.wiring import documents
from commonworks.wiring.founding import RELAYER, has_relayer
from commonworks.wiring.home import write_durably
from commonworks.wiring.session import Session

RELAY_FOLDER: Final = "relay"
"""Where a relay keeps its books, below the network's folder."""

ADDRESS: Final = "address"
"""File beside the books that says where the relay of a running process listens."""

_ERRORS: Final[dict[str, type[CommonworksError]]] = {
    Reason.UNKNOWN_KIND: InvalidInput,
    Reason.MALFORMED: InvalidInput,
    Reason.BAD_SIGNATURE: Unauthorized,
    Reason.NO_ACCOUNT: NotFound,
    Reason.OVER_BUDGET: Unavailable,
    Reason.WOULD_FAIL: Conflict,
    Reason.UNAVAILABLE: Unavailable,
}


@asynccontextmanager
async def open_relay(session: Session) -> AsyncIterator[Relay]:
    """Yield the relay of this folder, paid for by its relayer's account.

    Raises: NotFound without that account, Conflict while another process has the books open.
    """
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    folder = session.home.path / RELAY_FOLDER
    try:
        store = FileStore(folder, exclusive=True)
    except Conflict as error:
        raise Conflict(
            f"another process has the relay's books in {folder} open, and answers nobody here",
            hint="wait until it has ended, or stop it, and try again",
        ) from error
    try:
        chain = RelayedChain(endpoints, session.deployment, session.home.account(RELAYER))
        yield await Relay.open(
            network=session.network, store=store, chain=chain, clock=session.clock
        )
    finally:
        store.close()
        await endpoints.close()


@asynccontextmanager
async def announced(session: Session, url: str) -> AsyncIterator[None]:
    """Tell other processes of this folder where its relay listens, until the block is left.

    A demo whose port is taken listens elsewhere than its gateway's registration says.
    """
    place = session.home.path / RELAY_FOLDER / ADDRESS
    await asyncio.to_thread(write_durably, place, url.encode() + b"\n")
    try:
        yield
    finally:
        place.unlink(missing_ok=True)


@asynccontextmanager
async def open_hand_in(
    session: Session, urls: Sequence[str] | None = None
) -> AsyncIterator[HandIn]:
    """Yield what hands messages to a relay: one that answers, or this process's own.

    Inputs: `urls` are relays to ask; None: this folder's own where a process runs it, and beside
    every registered gateway.
    Raises: Unavailable when there is none. What is yielded raises what the relay says: Unauthorized
    for a signature, Conflict with the contract's own error (field `refusal`), NotFound for an
    account, Unavailable over budget (field `renews`) or without a chain.
    """
    if urls is None:
        registered = [entry.endpoint for entry in (await session.view()).gateways.values()]
        urls = [*await asyncio.to_thread(_announced, session), *registered]
    async with HttpTransport() as transport:
        for url in urls:
            if await _serves(transport, url, session.network.network_id):
                yield _over_http(transport, url)
                return
        if not has_relayer(session.home):
            raise Unavailable(
                "no relay of this network answers", hint="start one with: commonworks up"
            )
        async with AsyncExitStack() as stack:
            try:
                relay = await stack.enter_async_context(open_relay(session))
            except Conflict as error:
                raise Unavailable(error.message, hint=error.hint) from error
            yield _in_process(session, relay)


@asynccontextmanager
async def open_account(
    session: Session, signer: PasskeySigner, urls: Sequence[str] | None = None
) -> AsyncIterator[AccountSender]:
    """Yield what sends transactions for a passkey's account, as `Sender` does for a key's."""
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    try:
        async with open_hand_in(session, urls) as hand_in:
            yield AccountSender(
                endpoints, signer, session.deployment.chain_id, hand_in, session.clock.now
            )
    finally:
        await endpoints.close()


def _announced(session: Session) -> list[str]:
    """Return where a process of this folder says that its relay listens; asked before believed."""
    try:
        text = (session.home.path / RELAY_FOLDER / ADDRESS).read_text("ascii").strip()
    except (OSError, ValueError):
        return []
    return [text] if text else []


def _in_process(session: Session, relay: Relay) -> HandIn:
    async def hand_in(message: Message) -> bytes:
        await session.pass_time()  # what the chain examines is its newest block
        answer = await relay.hand_in(encode_message(message))
        if isinstance(answer, Relayed):
            return answer.transaction
        raise _error_of(answer)

    return hand_in


def _error_of(declined: Declined) -> CommonworksError:
    return _error(str(declined.reason), declined.detail, declined.error, declined.renews)


def _over_http(transport: Transport, url: str) -> HandIn:
    async def hand_in(message: Message) -> bytes:
        status, body = await transport.post(url.rstrip("/") + RELAY_PATH, encode_message(message))
        answer = _document(body, url)
        if status == HTTPStatus.OK:
            try:
                return bytes.fromhex(str(answer["transaction"]).removeprefix("0x"))
            except (KeyError, ValueError):
                raise _no_relay(url) from None
        reason, detail = str(answer.get("reason", "")), str(answer.get("detail", status))
        raise _error(reason, detail, answer.get("error"), answer.get("renews"))

    return hand_in


def _error(reason: str, detail: str, refusal: object, renews: object) -> CommonworksError:
    """Return the error of the house for what a relay says."""
    kind = _ERRORS.get(reason, Unavailable)
    fields: dict[str, Any] = {"reason": reason, "refusal": refusal, "renews": renews}
    return kind(detail, **{name: value for name, value in fields.items() if value is not None})


async def _serves(transport: Transport, url: str, network_id: bytes) -> bool:
    """Tell whether a relay of this network answers there: ports are reused by other networks."""
    nobody = "0x" + "00" * 20
    try:
        status, body = await transport.get(url.rstrip("/") + BUDGET_PATH + nobody, {})
        return (
            status == HTTPStatus.OK and _document(body, url)["network"] == "0x" + network_id.hex()
        )
    except (Unavailable, InvalidInput, KeyError):
        return False


def _document(body: bytes, url: str) -> dict[str, Any]:
    try:
        document = documents.parse(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _no_relay(url)
    return document


def _no_relay(url: str) -> Unavailable:
    return Unavailable(f"{url} does not answer as a relay does", hint="ask another one", url=url)
