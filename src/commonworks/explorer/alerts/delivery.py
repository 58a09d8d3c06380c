"""Sending messages: by SMTP, and by HTTP POST to a webhook that may be anywhere but inside.

Rule: a webhook's address is looked up once, every address found is examined, and the connection
goes to exactly those (no second lookup that could answer otherwise). Nothing follows a redirect.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hmac
import ipaddress
import json
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from enum import StrEnum
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import aiohttp
import aiosmtplib
from aiohttp.abc import AbstractResolver, ResolveResult

from commonworks.errors import InvalidInput
from commonworks.explorer.web.i18n import gettext

TIMEOUT_S: Final = 20
"""Longest that one delivery may take."""
BODY_MAX: Final = 64 << 10
"""Largest body of a webhook's request, bytes."""
ANSWER_MAX: Final = 4 << 10
"""Most of an answer that is read, bytes."""
RETRIES_S: Final = (60, 300, 1_800, 7_200, 21_600, 43_200, 86_400)
"""Waits between attempts; after the last one the message is given up."""
TARGET_MAX: Final = 500
"""Longest address or URL."""
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+=/-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")
_PERMANENT: Final = range(500, 600)
_GONE: Final = 410
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
"""A host's name: nothing in it that two readers of URLs could take for two hosts."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class Tls(StrEnum):
    """How the way to the mail server is protected."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Where e-mail is handed in."""

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    sender: str
    """Address in From."""
    tls: Tls


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which addresses webhooks may have, as the operator allows."""

    private: bool = False
    """Also addresses of the operator's own networks."""
    loopback: bool = False
    """Also this machine, and there without TLS: demos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message ready to go."""

    ident: str
    """Its idempotency id."""
    kind: str
    target: str
    subject: str
    body: str
    """Plain text, for e-mail."""
    unsubscribe: str
    """URL that ends the subscription by POST; empty: none."""
    secret: bytes = field(repr=False)
    """Signs a webhook's request."""
    document: Mapping[str, Any]
    """A webhook's body: values of JSON."""
    timestamp: int
    """Real time of this attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    sent: bool
    final: bool = False
    """No use in trying again."""
    why: str = ""
    """One line; names no secret."""


SENT: Final = Outcome(sent=True)


# --- what operators set -------------------------------------------------------------------------


def parse_smtp_url(text: str) -> MailSettings:
    """Return settings from `smtp[s]://user:password@host:port?from=address[&tls=none]`.

    `smtp` uses STARTTLS and refuses to go on without it; `smtps` speaks TLS from the start.
    Raises: InvalidInput, which never repeats the password.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
        options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    except ValueError:
        raise _no_smtp("it is no URL") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise _no_smtp("it begins with smtp:// or smtps:// and names a host")
    unknown = options.keys() - {"from", "tls"}
    if unknown or "from" not in options or not is_email(options["from"]):
        raise _no_smtp("its query has from=ADDRESS, and tls=none where there is none")
    if options.get("tls", "none") != "none":
        raise _no_smtp("tls is none or is not given")
    tls = Tls.IMPLICIT if parts.scheme == "smtps" else Tls.STARTTLS
    if "tls" in options:
        tls = Tls.NONE
    if tls is Tls.NONE and parts.password is not None:
        raise _no_smtp("a password is not sent without TLS")
    return MailSettings(
        host=parts.hostname,
        port=port or (465 if tls is Tls.IMPLICIT else 587),
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        sender=options["from"],
        tls=tls,
    )


def _no_smtp(why: str) -> InvalidInput:
    return InvalidInput(
        f"the SMTP setting is not usable: {why}",
        hint="write smtp://user:password@mail.example.org:587?from=alerts@example.org",
    )


def is_email(text: str) -> bool:
    """Tell whether a text is an e-mail address as this explorer takes them."""
    return len(text) <= 254 and _EMAIL.fullmatch(text) is not None


# --- where webhooks may be ----------------------------------------------------------------------


def check_address(text: str, reach: Reach) -> None:
    """Raise InvalidInput for an IP address that no webhook may have.

    Source: the IANA special-purpose registries, as `ipaddress` has them; addresses that carry an
    IPv4 address inside count as that one.
    """
    address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    if address.is_loopback and (reach.loopback or reach.private):
        return
    special = address.is_multicast or address.is_unspecified or address.is_loopback
    if special or address.is_link_local or (address.is_reserved and not address.is_private):
        raise _inside(text)
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:  # of RFC 3879, still
        raise _inside(text)  # routed inside by some
    if not address.is_global and not (reach.private and address.is_private):
        raise _inside(text)


def _inner(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _inside(text: str) -> InvalidInput:
    return InvalidInput(
        gettext("%(text)s is no public address", text=text),
        hint=gettext("a webhook lies on the public internet"),
    )


def check_url(text: str, reach: Reach) -> SplitResult:
    """Return a webhook's URL in parts; raise InvalidInput where none may be called.

    It is HTTPS; HTTP only on this machine, where the operator allows that. What a name resolves to
    is examined with each call.
    """
    wrong = gettext("write https:// and a public host")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidInput(gettext("the webhook's address is no URL"), hint=wrong) from None
    printable = text.isascii() and text.isprintable() and " " not in text
    if len(text) > TARGET_MAX or not printable or not parts.hostname or port == 0:
        raise InvalidInput(gettext("the webhook's address is no URL"), hint=wrong)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidInput(gettext("a webhook's address holds no user and no fragment"), hint=wrong)
    literal = _literal(parts.hostname)
    if literal is not None:
        check_address(literal, reach)
    elif _HOST.fullmatch(parts.hostname) is None:
        raise InvalidInput(gettext("the webhook's address names no host"), hint=wrong)
    here = parts.hostname == "localhost" or (
        literal is not None and ipaddress.ip_address(literal).is_loopback
    )
    if here and not (reach.loopback or reach.private):
        raise _inside(parts.hostname)
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise InvalidInput(gettext("a webhook is called by HTTPS only"), hint=wrong)
    return parts


def _literal(host: str) -> str | None:
    """Return the IP address that a host is written as, None for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if re.fullmatch(r"[0-9a-fA-FxX.]*[0-9][0-9.]*|0[xX][0-9a-fA-F]+", host):
        raise InvalidInput(
            gettext("%(host)s is no canonical address", host=host),
            hint=gettext("write a name, or four numbers with dots"),
        )
    return None


class _Examined(AbstractResolver):
    """Looks a name up and lets through only addresses that a webhook may have."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host; raise OSError where one of them is inside."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results: list[ResolveResult] = []
        for kind, _, protocol, _, place in found:
            address = str(place[0])
            try:
                check_address(address, self._reach)
            except InvalidInput as error:
                raise OSError(errno.EHOSTUNREACH, f"{host}: {error.message}") from error
            results.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        if not results:
            raise OSError(errno.EHOSTUNREACH, f"{host} has no address")
        return results

    async def close(self) -> None:
        """Hold nothing open."""


# --- sending ------------------------------------------------------------------------------------


def signature(secret: bytes, ident: str, timestamp: int, body: bytes) -> str:
    """Return what a webhook's request is signed with.

    Source: the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`, base64, `v1,`
    before it.
    """
    signed = f"{ident}.{timestamp}.".encode() + body
    return "v1," + _base64(hmac.digest(secret, signed, "sha256"))


def secret_text(secret: bytes) -> str:
    """Return a webhook's secret as its libraries take it."""
    return "whsec_" + _base64(secret)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def post(letter: Letter, reach: Reach) -> Outcome:
    """Call a webhook once."""
    try:
        check_url(letter.target, reach)
    except InvalidInput as error:
        return Outcome(sent=False, final=True, why=error.message)
    body = json.dumps(letter.document, ensure_ascii=False, sort_keys=True).encode()
    if len(body) > BODY_MAX:
        return Outcome(sent=False, final=True, why="the message is too long")
    headers = {
        "content-type": "application/json",
        "user-agent": "commonworks-alerts",
        "webhook-id": letter.ident,
        "webhook-timestamp": str(letter.timestamp),
        "webhook-signature": signature(letter.secret, letter.ident, letter.timestamp, body),
    }
    connector = aiohttp.TCPConnector(resolver=_Examined(reach), use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.post(letter.target, data=body, headers=headers, allow_redirects=False) as said,
        ):
            await said.content.read(ANSWER_MAX)
            status = said.status
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(sent=False, why=_why(error))
    if 200 <= status < 300:
        return SENT
    return Outcome(sent=False, final=status == _GONE, why=f"the webhook answered {status}")


def _why(error: BaseException) -> str:
    """Return why a webhook was not reached. Whoever subscribed reads it, and may be anybody: it
    says nothing of what names resolve to here and what listens where.
    """
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S} s"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not accepted"
    return "it cannot be reached from here"


def mail(letter: Letter, settings: MailSettings) -> EmailMessage:
    """Return a message as e-mail.

    Source: RFC 5322; RFC 2369 and 8058 for ending a subscription with one click; RFC 3834.
    """
    message = EmailMessage()
    user, _, domain = letter.target.rpartition("@")
    message["From"] = settings.sender
    message["To"] = Address(username=user, domain=domain)
    message["Subject"] = letter.subject
    message["Date"] = formatdate(letter.timestamp)
    message["Message-ID"] = f"<{letter.ident}@{settings.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if letter.unsubscribe:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.body)
    return message


async def send_mail(letter: Letter, settings: MailSettings) -> Outcome:
    """Hand one e-mail to the mail server."""
    try:
        await aiosmtplib.send(
            mail(letter, settings),
            sender=settings.sender,
            recipients=[letter.target],
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=settings.password,
            use_tls=settings.tls is Tls.IMPLICIT,
            start_tls=settings.tls is Tls.STARTTLS,
            timeout=TIMEOUT_S,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [refused.code for refused in error.recipients]
        final = all(code in _PERMANENT for code in codes)
        return Outcome(sent=False, final=final, why=f"the address was refused ({codes[0]})")
    except aiosmtplib.SMTPResponseException as error:
        return Outcome(sent=False, why=f"the mail server answered {error.code}")
    except (aiosmtplib.SMTPException, OSError) as error:
        return Outcome(sent=False, why=f"the mail server: {type(error).__name__}")
    return SENT


def next_attempt(attempts: int, wall_s: int) -> int | None:
    """Return when a message is tried again after so many failed attempts; None: never."""
    return None if attempts > len(RETRIES_S) else wall_s + RETRIES_S[attempts - 1]


def plain(parts: Sequence[str]) -> str:
    """Return paragraphs as the body of an e-mail."""
    return "\n\n".join(parts) + "\n"
