"""Who is believed about who asks: proxies that the operator named, from the right end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import click
import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from commonworks.cli.explorer import explorer
from commonworks.errors import InvalidInput, Unauthorized
from commonworks.explorer.app import build_app
from commonworks.explorer.sessions import host_of, scheme_of
from commonworks.explorer.site import Site
from commonworks.explorer.web.guard import Limits
from commonworks.explorer.web.proxies import HOPS_MAX, Forwarded, parse_proxy, reader_of
from explorer_kit import make_site

PROXY, READER = "10.0.0.7", "203.0.113.5"
BELIEVED = tuple(map(parse_proxy, ("10.0.0.0/24", "192.0.2.1", "2001:db8:f::/48")))


def seen(peer: str, *headers: tuple[str, str], scheme: str = "http") -> dict[str, Any]:
    """Return a request's scope as the application behind the proxies sees it."""
    found: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        found.append(dict(scope))

    scope = {
        "type": "http", "scheme": scheme, "client": (peer, 50_000), "method": "GET", "path": "/",
        "query_string": b"", "server": ("127.0.0.1", 8080),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }  # fmt: skip
    before = repr(scope)
    asyncio.run(Forwarded(app, proxies=BELIEVED)(scope, None, None))  # type: ignore[arg-type]
    assert repr(scope) == before, "what the server holds was changed"
    return found[0]


def client_of(peer: str, *forwarded: str) -> str:
    return str(seen(peer, *(("x-forwarded-for", one) for one in forwarded))["client"][0])


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ((READER,), READER),
        ((f"1.1.1.1, {READER}",), READER),  # what a reader wrote stands further left
        (("1.1.1.1", READER), READER),  # as a header of its own, too
        ((f"{READER}, 10.0.0.9",), READER),  # one proxy of ours behind another
        ((f"1.1.1.1, {READER}, 192.0.2.1, 10.0.0.9",), READER),
        ((f"{READER}:4711",), READER),
        ((f"  {READER}\t",), READER),
        (("2001:db8::5",), "2001:db8::5"),
        (("[2001:db8::5]",), "2001:db8::5"),
        (("[2001:db8::5]:443, 10.0.0.9:80",), "2001:db8::5"),
        (("2001:DB8:0:0::5, 2001:db8:f::1",), "2001:db8::5"),
        (("fe80::1%eth0",), "fe80::1"),
        ((f"::ffff:{READER}",), READER),
        (("10.0.0.8, 10.0.0.9",), "10.0.0.8"),  # asked by a proxy: the farthest of ours
        ((), PROXY),
        (("",), PROXY),
        (("unknown",), PROXY),
        ((f"{READER}, unknown",), PROXY),  # nothing to the left of it can be told apart
        ((f"{READER}, ",), PROXY),
        ((f"{READER}, garbage, 10.0.0.9",), "10.0.0.9"),
        ((f"{READER};drop table",), PROXY),
        (("203.0.113.5:port",), PROXY),
        (("203.0.113.999",), PROXY),
        (("0203.0.113.5",), PROXY),  # which number that is, programs disagree about
        (("[2001:db8::5",), PROXY),
        (("[]:80",), PROXY),
        (("\xff\xfe",), PROXY),
        (("1" * 60_000,), PROXY),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_proxy(
    forwarded: tuple[str, ...], client: str
) -> None:
    assert client_of(PROXY, *forwarded) == client


def test_proxies_are_looked_through_up_to_a_limit() -> None:
    within = ", ".join([READER, *["10.0.0.9"] * (HOPS_MAX - 1)])
    beyond = ", ".join([READER, *["10.0.0.9"] * (HOPS_MAX + 1)])
    assert (client_of(PROXY, within), client_of(PROXY, beyond)) == (READER, "10.0.0.9")


@pytest.mark.parametrize("peer", [READER, "10.0.1.7", "2001:db8:e::1", "testclient", ""])
def test_a_connection_from_elsewhere_is_taken_as_it_is(peer: str) -> None:
    found = seen(
        peer,
        ("host", "street.example"),
        ("x-forwarded-for", "10.0.0.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "other.example"),
    )
    assert (found["client"], found["scheme"]) == ((peer, 50_000), "http")
    assert (b"host", b"street.example") in found["headers"]


def test_ipv4_inside_ipv6_is_the_same_proxy() -> None:
    assert client_of("::ffff:10.0.0.7", READER) == READER


@pytest.mark.parametrize(
    ("said", "scheme"),
    [
        ("https", "https"), ("HTTPS", "https"), ("http", "http"), ("http, https", "https"),
        ("https, http", "http"), ("ftp", "http"), ("", "http"), ("javascript", "http"),
        ("https,", "http"),
    ],
)  # fmt: skip
def test_the_scheme_is_what_the_nearest_proxy_says(said: str, scheme: str) -> None:
    assert seen(PROXY, ("x-forwarded-proto", said))["scheme"] == scheme


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ("street.example", "street.example"), ("street.example:8443", "street.example:8443"),
        ("evil.example, street.example", "street.example"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("", "inner:8080"), ("street.example/path", "inner:8080"), ("a b", "inner:8080"),
        ("user@street.example", "inner:8080"), ("street.example:", "inner:8080"),
        ("<script>", "inner:8080"), ("x" * 300, "inner:8080"), ("-.", "inner:8080"),
    ],
)  # fmt: skip
def test_the_host_is_what_the_nearest_proxy_says(said: str, host: str) -> None:
    found = seen(PROXY, ("host", "inner:8080"), ("x-forwarded-host", said))
    assert [value for name, value in found["headers"] if name == b"host"] == [host.encode()]


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


@given(left=st.lists(st.one_of(addresses, st.text(max_size=20)), max_size=5), reader=addresses)
def test_nothing_that_a_reader_writes_changes_who_it_is(left: list[str], reader: str) -> None:
    """A proxy adds the address that it sees; whatever stood there before it does not count."""
    if any(ip_address(reader) in network for network in BELIEVED):
        return
    written = [one.encode("ascii", "ignore").decode() for one in left]
    found = ip_address(client_of(PROXY, ",".join([*written, reader])))
    assert found == ip_address(client_of(PROXY, reader))


# --- whom a limit counts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "reader"),
    [
        (READER, READER),
        (f"::ffff:{READER}", READER),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("testclient", "testclient"),
    ],
)
def test_readers_of_ipv6_are_counted_by_their_network(address: str, reader: str) -> None:
    assert reader_of({"client": (address, 1)}) == reader


def test_a_server_that_does_not_know_who_asks_counts_all_as_one() -> None:
    assert reader_of({"client": None}) == reader_of({}) == "?"


def asked(site: Site, *readers: str, peer: str = PROXY) -> Iterator[int]:
    """Yield the answers' status for requests that a proxy passes on, three allowed each."""
    app = build_app(site, limits=Limits.reading(3), proxies=BELIEVED)

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as web:
            return [
                (await web.get("/robots.txt", headers={"x-forwarded-for": one})).status_code
                for one in readers
            ]

    yield from asyncio.run(ask())


def test_each_reader_behind_a_proxy_has_limits_of_its_own() -> None:
    four = [READER] * 4
    assert list(asked(make_site(), *four, "203.0.113.6")) == [200, 200, 200, 429, 200]
    # Without a proxy that is believed, what the header says makes nobody another one.
    others = [f"203.0.113.{number}" for number in range(4)]
    assert list(asked(make_site(), *others, peer="198.51.100.1")) == [200, 200, 200, 429]
    # Nor does a fresh address out of the same network, nor what stands to the left.
    same = [f"2001:db8:1:2::{number}" for number in range(4)]
    assert list(asked(make_site(), *same)) == [200, 200, 200, 429]
    faked = [f"198.51.100.{number}, {READER}" for number in range(4)]
    assert list(asked(make_site(), *faked)) == [200, 200, 200, 429]


def test_the_command_says_what_readers_may_by_default() -> None:
    (option,) = (one for one in explorer.params if one.name == "requests_per_minute")
    assert isinstance(option, click.Option)
    assert f"[default: {Limits().read.removesuffix('/minute')}]" in (option.help or "")
    assert (Limits.reading(None), Limits.reading(7).read) == (Limits(), "7/minute")
    assert Limits.reading(7).write == Limits().write


# --- what a wallet signs --------------------------------------------------------------------------


def request(peer: str, *headers: tuple[str, str]) -> Request:
    return Request(seen(peer, *headers))


def test_a_forwarded_host_counts_only_where_the_operator_named_it() -> None:
    site = make_site()
    site.hosts = {"street.example": "https"}
    through = [("host", "127.0.0.1:8080"), ("x-forwarded-host", "street.example")]
    ours = request(PROXY, *through)
    assert (host_of(site, ours), scheme_of(site, ours)) == ("street.example", "https")
    for other in (
        request(READER, *through),  # not from a proxy of ours: it is 127.0.0.1:8080
        request(PROXY, ("host", "street.example"), ("x-forwarded-host", "evil.example")),
    ):
        with pytest.raises(Unauthorized):
            host_of(site, other)


def test_what_the_operator_says_about_a_host_outweighs_the_proxy() -> None:
    site = make_site()
    site.hosts = {"street.example": "https"}
    named = [("host", "street.example"), ("x-forwarded-proto", "http")]
    assert scheme_of(site, request(PROXY, *named)) == "https"
    site.hosts = {}
    said = [("host", "127.0.0.1:8080"), ("x-forwarded-proto", "https")]
    assert scheme_of(site, request(PROXY, *said)) == "https"
    assert scheme_of(site, request(READER, *said)) == "http"


# --- what --proxy takes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("127.0.0.1", "127.0.0.1/32"), ("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128"),
        (" fd00::/8 ", "fd00::/8"),
    ],
)  # fmt: skip
def test_a_proxy_is_an_address_or_a_network(text: str, network: str) -> None:
    assert str(parse_proxy(text)) == network


@pytest.mark.parametrize(
    "text", ["", "*", "localhost", "proxy.example", "10.0.0.1/8", "10.0.0.1:80", "10.0.0.0/33"]
)
def test_what_is_no_proxy_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"no proxy's address"):
        parse_proxy(text)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0"])
def test_nobody_believes_everybody(text: str) -> None:
    with pytest.raises(InvalidInput, match="believes everybody"):
        parse_proxy(text)
