"""Answers about signing in, and what wallets need to know."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request, Response

from commonworks.explorer.models.session import (
    MessageToSign,
    MessageWanted,
    SessionState,
    SignIn,
    WalletGuide,
)
from commonworks.explorer.queries.session import guide
from commonworks.explorer.sessions import (
    NONCE_S,
    Session,
    compose,
    forget,
    host_of,
    keep,
    require_same_origin,
    scheme_of,
    session_of,
    sign_in,
)
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import SiteDep
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_bytes, party

router = APIRouter(tags=["session"])

NO_STORE: Final = {"cache-control": "no-store"}


@router.get("/session")
def read_session(request: Request, response: Response, site: SiteDep) -> SessionState:
    """Who signed in with a wallet."""
    response.headers.update(NO_STORE)
    return _state(site, session_of(site, request))


@router.post("/session/message", dependencies=[Depends(require_same_origin)])
def make_message(
    request: Request, response: Response, site: SiteDep, wanted: MessageWanted
) -> MessageToSign:
    """Make the message that an account signs to sign in. It works once, for five minutes."""
    now = site.door.now()
    text = compose(
        host=host_of(site, request),
        scheme=scheme_of(site, request),
        account=address_bytes(wanted.account),
        chain_id=site.contracts.chain_id,
        nonce=site.door.nonce(),
        now=now,
        statement=_ascii(gettext("Show me my own figures. This costs nothing and moves nothing.")),
    )
    response.headers.update(NO_STORE)
    return MessageToSign(message=text, expires_at=now + NONCE_S)


@router.post("/session", dependencies=[Depends(require_same_origin)])
async def begin_session(
    request: Request, response: Response, site: SiteDep, signed: SignIn
) -> SessionState:
    """Sign in with a signed message; the session is a cookie that scripts cannot read."""
    signature = bytes.fromhex(signed.signature[2:])
    session = await sign_in(site, request, signed.message, signature)
    keep(site, request, response, session)
    response.headers.update(NO_STORE)
    return _state(site, session)


@router.delete("/session", dependencies=[Depends(require_same_origin)])
def end_session(request: Request, response: Response, site: SiteDep) -> SessionState:
    """Sign out."""
    forget(site, request, response)
    response.headers.update(NO_STORE)
    return _state(site, None)


@router.get("/wallet")
def read_wallet_guide(site: SiteDep) -> WalletGuide:
    """What a browser's wallet needs to know: the chain, and the words of its dialogs."""
    return guide(site)


def _state(site: Site, session: Session | None) -> SessionState:
    if session is None:
        return SessionState(account=None, expires_at=None)
    return SessionState(account=party(site, session.account), expires_at=session.expires_at)


def _ascii(text: str) -> str:
    """Return a statement as EIP-4361 allows it: one line of plain characters."""
    return text.encode("ascii", "ignore").decode().replace("\n", " ")
