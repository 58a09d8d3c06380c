"""Who signed in: a wallet's signature under a message of EIP-4361, kept as a signed cookie.

Goal: nobody reads a member's own figures without that member's key. Rules: a nonce comes from this
process, works once and for a few minutes; a message counts only for a host that this explorer is
known to be reached at and for this network's chain, so that what was signed for another site is
worth nothing here. The cookie carries account and expiry under a key that never leaves the server.

Source: EIP-4361 (message), EIP-191 (what a key signs), ERC-1271 (contract accounts).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from eth_account import Account
from eth_account.messages import defunct_hash_message, encode_defunct
from eth_utils.address import to_checksum_address
from fastapi import Request, Response

from commonworks.errors import InvalidInput, Unauthorized, Unavailable
from commonworks.explorer.web.i18n import gettext

if TYPE_CHECKING:  # the site carries the door
    from commonworks.explorer.site import Site

SESSION_S: Final = 12 * 3_600
"""Longest session."""

NONCE_S: Final = 300
"""How long a message may take from its making to its signature."""

SKEW_S: Final = 60
"""How far ahead of ours a wallet's clock may be."""

USED_MAX: Final = 100_000
"""Most nonces, and most ended sessions, remembered until they expire by themselves."""

MESSAGE_CHARACTERS_MAX: Final = 2_000
SIGNATURE_BYTES_MAX: Final = 4_096
"""Contract accounts answer for signatures of any form; none is longer."""

KEY_SIGNATURE_BYTES: Final = 65
"""r || s || v of an account with a key."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Hosts that are the reader's own machine, whatever the port: no stranger's page has one."""

_HEAD: Final = " wants you to sign in with your Ethereum account:"

_MESSAGE: Final = re.compile(
    r"(?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://)?(?P<domain>[^\s/?#@]{1,253})"
    + re.escape(_HEAD)
    + r"\n(?P<address>0x[0-9a-fA-F]{40})\n\n(?:(?P<statement>[^\n]+)\n)?\n"
    r"URI: (?P<uri>\S{1,500})\n"
    r"Version: (?P<version>[0-9]{1,4})\n"
    r"Chain ID: (?P<chain>[0-9]{1,20})\n"
    r"Nonce: (?P<nonce>[a-zA-Z0-9]{8,100})\n"
    r"Issued At: (?P<issued>\S{1,40})"
    r"(?:\nExpiration Time: (?P<expires>\S{1,40}))?"
    r"(?:\nNot Before: (?P<begins>\S{1,40}))?"
    r"(?:\nRequest ID: (?P<request>[^\n]*))?"
    r"(?:\nResources:(?P<resources>(?:\n- \S+)*))?"
)

_ACCOUNT_BYTES, _TIME_BYTES, _ID_BYTES, _MAC_BYTES = 20, 8, 8, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A sign-in message, read. Nothing of it is believed yet."""

    scheme: str | None
    domain: str
    address: bytes
    uri: str
    version: str
    chain_id: int
    nonce: str
    issued_at: int
    expires_at: int | None
    begins_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who signed in."""

    account: bytes
    expires_at: int
    """First Unix second, real time, in which it is over."""
    token: bytes
    """Its random id, 8 bytes."""


@dataclass(slots=True, kw_only=True)
class Door:
    """Nonces given out, nonces used, sessions ended. One for each site and process."""

    now: Callable[[], int] = field(default=lambda: int(time.time()))
    """Real time: wallets and browsers know no other, whatever the network's clock says."""
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _gone: dict[bytes, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def nonce(self) -> str:
        """Return a nonce that works once, here, for NONCE_S seconds."""
        body = (self.now() + NONCE_S).to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_ID_BYTES)
        return (body + self._mac(body)).hex()

    def take(self, nonce: str) -> None:
        """Use a nonce up; raise Unauthorized unless it is ours, fresh and unused."""
        try:
            data = bytes.fromhex(nonce)
        except ValueError:
            data = b""
        body, mac = data[: _TIME_BYTES + _ID_BYTES], data[_TIME_BYTES + _ID_BYTES :]
        if not hmac.compare_digest(self._mac(body), mac):
            raise Unauthorized(
                gettext("the message's nonce is not from here"), hint=gettext("sign in again")
            )
        expires = int.from_bytes(body[:_TIME_BYTES], "big")
        if expires <= self.now():
            raise Unauthorized(
                gettext("the message waited too long"), hint=gettext("sign in again")
            )
        if not self._remember(b"nonce" + body, expires):
            raise Unauthorized(
                gettext("the message was used already"), hint=gettext("sign in again")
            )

    def end(self, session: Session) -> None:
        """Make a session worthless before it is over by itself."""
        with self._lock:  # however much else is remembered: whoever goes can always go
            self._gone[b"token" + session.token] = session.expires_at

    def ended(self, session: Session) -> bool:
        """Tell whether a session was ended, or is over."""
        return session.expires_at <= self.now() or b"token" + session.token in self._gone

    def _remember(self, what: bytes, until: int) -> bool:
        """Keep something until a moment; return False where it was there before."""
        with self._lock:
            if what in self._gone:
                return False
            if len(self._gone) >= USED_MAX:
                now = self.now()
                self._gone = {key: end for key, end in self._gone.items() if end > now}
            if len(self._gone) >= USED_MAX:
                raise Unavailable(
                    gettext("too many people sign in at once"),
                    hint=gettext("try again in a minute"),
                )
            self._gone[what] = until
            return True

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, sha256)


# --- the message ----------------------------------------------------------------------------------


def compose(
    *, host: str, scheme: str, account: bytes, chain_id: int, nonce: str, now: int, statement: str
) -> str:
    """Return the message that a wallet signs to sign in."""
    return "\n".join(
        (
            f"{host}{_HEAD}",
            to_checksum_address(account),
            "",
            statement,
            "",
            f"URI: {scheme}://{host}/",
            "Version: 1",
            f"Chain ID: {chain_id}",
            f"Nonce: {nonce}",
            f"Issued At: {_stamp(now)}",
            f"Expiration Time: {_stamp(now + NONCE_S)}",
        )
    )


def parse(text: str) -> Message:
    """Return what a sign-in message says; raise InvalidInput where it is none."""
    found = _MESSAGE.fullmatch(text) if len(text) <= MESSAGE_CHARACTERS_MAX else None
    if found is None:
        raise InvalidInput(
            gettext("this is no sign-in message"), hint=gettext("it has the form of EIP-4361")
        )
    address = found["address"]
    if address != to_checksum_address(address):
        raise InvalidInput(gettext("the account in the message is misspelt (EIP-55)"))
    return Message(
        scheme=found["scheme"],
        domain=found["domain"],
        address=bytes.fromhex(address[2:]),
        uri=found["uri"],
        version=found["version"],
        chain_id=int(found["chain"]),
        nonce=found["nonce"],
        issued_at=_moment(found["issued"]),
        expires_at=None if found["expires"] is None else _moment(found["expires"]),
        begins_at=None if found["begins"] is None else _moment(found["begins"]),
    )


async def sign_in(site: Site, request: Request, text: str, signature: bytes) -> Session:
    """Return a session for whoever signed a message; its nonce is used up by that.

    Raises: InvalidInput where it is no such message, Unauthorized with the rule that it broke,
    Unavailable where a contract account has to be asked and no endpoint answers.
    """
    message, now = parse(text), site.door.now()
    host = host_of(site, request)
    scheme = scheme_of(site, request)
    if message.domain != host or message.scheme not in (None, scheme):
        raise Unauthorized(
            gettext(
                "the message is for %(domain)s, not for %(host)s", domain=message.domain, host=host
            )
        )
    about = urlsplit(message.uri)
    if (about.scheme, about.netloc) != (scheme, host):
        raise Unauthorized(
            gettext("the message is about %(uri)s, not about this explorer", uri=message.uri)
        )
    if message.version != "1":
        raise Unauthorized(gettext("the message has a version that is not known here"))
    if message.chain_id != site.contracts.chain_id:
        raise Unauthorized(
            gettext(
                "the message is for chain %(chain_id)s, not %(ours)s",
                chain_id=message.chain_id,
                ours=site.contracts.chain_id,
            )
        )
    if message.issued_at > now + SKEW_S or (message.begins_at or 0) > now + SKEW_S:
        raise Unauthorized(gettext("the message is of the future"), hint=gettext("set your clock"))
    if message.expires_at is not None and message.expires_at <= now:
        raise Unauthorized(gettext("the message waited too long"), hint=gettext("sign in again"))
    site.door.take(message.nonce)
    if not await _signed(site, message.address, text, signature):
        raise Unauthorized(
            gettext("the signature is not this account's"), hint=gettext("sign with that account")
        )
    token = secrets.token_bytes(_ID_BYTES)
    return Session(account=message.address, expires_at=now + SESSION_S, token=token)


async def _signed(site: Site, account: bytes, text: str, signature: bytes) -> bool:
    if len(signature) > SIGNATURE_BYTES_MAX:
        return False
    if len(signature) == KEY_SIGNATURE_BYTES:
        try:
            recovered = Account.recover_message(encode_defunct(text=text), signature=signature)
        except Exception:  # the library has no common error for bad signatures
            recovered = ""
        if recovered == to_checksum_address(account):
            return True
    return await site.ledger.signed(account, bytes(defunct_hash_message(text=text)), signature)


def _named(request: Request) -> tuple[str, str]:
    """Return the host that a request names, as it stands and without its port."""
    host = request.headers.get("host", "").lower()
    return host, host.rpartition(":")[0] if re.search(r":[0-9]+$", host) else host


def scheme_of(site: Site, request: Request) -> str:
    """Return how people reach the host that a request names.

    A proxy speaks https to them and http to us, so what the operator said about a host counts.
    """
    host, name = _named(request)
    return site.hosts.get(host) or site.hosts.get(name) or request.url.scheme


def host_of(site: Site, request: Request) -> str:
    """Return the host that a request names; raise Unauthorized for one that is not ours.

    A stranger's program may name any host: only known ones keep it from handing in here what a
    member signed for the stranger's own site.
    """
    host, name = _named(request)
    if site.hosts.keys() & {host, name} or (name in LOOPBACK and not site.hosts):
        return host
    raise Unauthorized(
        gettext("this explorer is not known as %(host)s", host=repr(host[:100])),
        hint=gettext("open it at its own address"),
    )


# --- the cookie -----------------------------------------------------------------------------------


def cookie_name(site: Site) -> str:
    """Return the name of a site's cookie: browsers share cookies between ports of one host."""
    return f"commonworks_{site.network.network_id[:4].hex()}"


def session_of(site: Site, request: Request) -> Session | None:
    """Return the session that a request's cookie carries, None where it carries none in force."""
    text = request.cookies.get(cookie_name(site))
    if not text or len(text) > 2 * (_ACCOUNT_BYTES + _TIME_BYTES + _ID_BYTES + _MAC_BYTES):
        return None
    try:
        data = base64.urlsafe_b64decode(text.encode())
    except (ValueError, binascii.Error):
        return None
    body, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    if len(body) != _ACCOUNT_BYTES + _TIME_BYTES + _ID_BYTES:
        return None
    if not hmac.compare_digest(_seal(site, body), mac):
        return None
    session = Session(
        account=body[:_ACCOUNT_BYTES],
        expires_at=int.from_bytes(body[_ACCOUNT_BYTES:-_ID_BYTES], "big"),
        token=body[-_ID_BYTES:],
    )
    return None if site.door.ended(session) else session


def viewer_of(site: Site, request: Request) -> bytes | None:
    """Return the account that signed in, or None."""
    session = session_of(site, request)
    return None if session is None else session.account


def keep(site: Site, request: Request, response: Response, session: Session) -> None:
    """Put a session's cookie into an answer."""
    body = session.account + session.expires_at.to_bytes(_TIME_BYTES, "big") + session.token
    response.set_cookie(
        cookie_name(site),
        base64.urlsafe_b64encode(body + _seal(site, body)).decode(),
        max_age=max(0, session.expires_at - site.door.now()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=scheme_of(site, request) == "https",
    )


def forget(site: Site, request: Request, response: Response) -> None:
    """End a request's session, here and in the browser."""
    session = session_of(site, request)
    if session is not None:
        site.door.end(session)
    response.delete_cookie(
        cookie_name(site),
        path="/",
        httponly=True,
        samesite="strict",
        secure=scheme_of(site, request) == "https",
    )


def _seal(site: Site, body: bytes) -> bytes:
    return hmac.digest(site.secret, b"session" + site.network.network_id + body, sha256)


# --- requests that change something ---------------------------------------------------------------


def require_same_origin(request: Request) -> None:
    """Return when a request that changes something comes from a page of ours, or from no page.

    A body must be JSON, which a form of another site cannot send without asking first.
    Raises: Unauthorized, InvalidInput.
    """
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise _foreign()
    require_own_page(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    empty = request.headers.get("content-length", "0") == "0"
    bodiless = empty and "transfer-encoding" not in request.headers
    if kind != "application/json" and not bodiless:
        raise InvalidInput(gettext("send JSON"), hint=gettext("content-type: application/json"))


def require_own_page(request: Request) -> None:
    """Return when what a request does was asked by a page of ours, by its reader, or by no page.

    Browsers name the page that sends: by Sec-Fetch-Site, older ones by Origin; what sends neither
    is no browser, and carries nobody's cookie by accident. Raises: Unauthorized.
    """
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise _foreign()
    origin, host = request.headers.get("origin"), request.headers.get("host", "").lower()
    if origin is not None and urlsplit(origin).netloc.lower() != host:
        raise _foreign()


def _foreign() -> Unauthorized:
    return Unauthorized(gettext("another site's page may not do this here"), forbidden=True)


def _stamp(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return int(moment.timestamp())
    except (ValueError, OverflowError):
        raise InvalidInput(gettext("%(text)s is no time of RFC 3339", text=repr(text))) from None
