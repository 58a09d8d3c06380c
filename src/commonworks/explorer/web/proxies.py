"""Who asks, where a proxy stands between: told by proxies that the operator named, and no others.

Goal: each reader has limits of its own, and what a reader writes into a header changes nobody's.
Rule: X-Forwarded-For is read from its right end, which the nearest proxy wrote, and no further
than the first address that is no proxy of ours: everything to the left of that anybody may have
written. X-Forwarded-Proto and X-Forwarded-Host count as the nearest proxy has them. From any other
connection all three are ignored. What a wallet signs still counts for the hosts that the operator
named, whatever is forwarded (`sessions.host_of`).

uvicorn brings a middleware for this; it takes what is no address for a client, takes what is no
network for a name, knows neither IPv4 inside IPv6 nor X-Forwarded-Host. Here such a thing is
refused at the start, or not believed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final

from commonworks.errors import InvalidInput

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOPS_MAX: Final = 16
"""Most proxies one behind the other that are looked through."""
READER_PREFIX: Final = 64
"""Bits of an IPv6 address that tell one reader from another: each has all addresses below."""

_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_SCHEMES: Final = (b"http", b"https")
_AUTHORITY: Final = re.compile(
    rb"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?",
    re.IGNORECASE,
)
_WITH_PORT: Final = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?")


def parse_proxy(text: str) -> Network:
    """Return the addresses that `--proxy` names: one, or a network (`10.0.0.0/8`).

    Raises: InvalidInput for what is neither, and for a network of everybody.
    """
    try:
        found = ip_network(text.strip())
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is no proxy's address: {error}", hint="write 127.0.0.1 or 10.0.0.0/8"
        ) from None
    if found.prefixlen == 0:
        raise InvalidInput(
            f"{text!r} believes everybody: every reader could write an address of its choice",
            hint="name the proxy's own address",
        )
    return found


def reader_of(scope: Mapping[str, Any]) -> str:
    """Return whom a request is counted for: an IPv4 address, or the network of an IPv6 one."""
    host = str((scope.get("client") or ("?", 0))[0])
    address = _parsed(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), READER_PREFIX), strict=False))
    return host if address is None else str(address)


class Forwarded:
    """ASGI middleware: client, scheme and host as proxies that are believed have them."""

    def __init__(self, app: App, *, proxies: Sequence[Network]) -> None:
        self._app = app
        self._proxies = tuple(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            scope = self._seen_through(scope)
        await self._app(scope, receive, send)

    def _seen_through(self, scope: Scope) -> Scope:
        peer = _parsed(str((scope.get("client") or ("", 0))[0]))
        if peer is None or not self._believes(peer):
            return scope
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        client = self._client(peer, b",".join(_values(headers, _FOR)))
        seen = {**scope, "client": (str(client), 0 if client != peer else scope["client"][1])}
        scheme = _nearest(headers, _PROTO).lower()
        if scheme in _SCHEMES:
            seen["scheme"] = scheme.decode()
        host = _nearest(headers, _HOST)
        if _AUTHORITY.fullmatch(host):
            rest = [header for header in headers if header[0] != b"host"]
            seen["headers"] = [(b"host", host), *rest]
        return seen

    def _client(self, peer: Address, forwarded: bytes) -> Address:
        """Return the nearest address that is no proxy of ours; the farthest proxy before none."""
        known = peer
        for part in reversed(forwarded.rsplit(b",", HOPS_MAX)):
            said = _parsed(part.decode("latin-1").strip())
            if said is None:
                return known  # whoever wrote this, nothing to the left of it can be told apart
            known = said
            if not self._believes(said):
                break
        return known

    def _believes(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def _parsed(text: str) -> Address | None:
    """Return an address, with or without a port; IPv4 inside IPv6 is IPv4."""
    found = _WITH_PORT.fullmatch(text)
    plain = text if found is None else found["six"] or found["four"] or ""
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _nearest(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return what the nearest proxy says in a header: the last of its values."""
    return b",".join(_values(headers, name)).rpartition(b",")[2].strip()
