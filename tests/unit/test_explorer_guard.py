"""What stands before every handler: safe headers, limits, ETags, languages, no secrets."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module, resources
from typing import Any
from urllib.parse import unquote

import httpx2 as httpx
import pytest
from markupsafe import escape
from sqlalchemy import text
from starlette.testclient import TestClient

from commonworks.errors import Corrupt, Unavailable
from commonworks.explorer.app import SLICES, build_app
from commonworks.explorer.ports import TrialFailure, TrialState
from commonworks.explorer.sessions import Door
from commonworks.explorer.site import Site
from commonworks.explorer.web import context, guard
from commonworks.explorer.web.errors import without_places
from commonworks.explorer.web.guard import BODY_BYTES_MAX, CSP, QUERY_BYTES_MAX, Limits
from commonworks.explorer.web.templating import static
from explorer_kit import GENESIS, Told, client, make_site
from explorer_rows import (
    ANNA,
    SMTP_PASSWORD,
    Tried,
    addresses,
    full_site,
    plain,
    routes,
    signed_in,
)

PAGE, ANSWER = "/", "/api/v1/network"
SAFE = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return full_site(folder=tmp_path_factory.mktemp("alerts"))


@pytest.fixture
def browser() -> TestClient:
    return client(make_site(door=Door(now=lambda: GENESIS)))


def limited(read: str = "1000/minute", write: str = "1000/minute", **options: Any) -> TestClient:
    app = build_app(make_site(), limits=Limits(read=read, write=write))
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False, **options)


def every_address(site: Site) -> Iterator[str]:
    """Yield addresses of every route that is read, pages and answers; the stream has no end."""
    for kind, prefix in (("pages", ""), ("api", "/api/v1")):
        for name in SLICES:
            for route in routes(import_module(f"commonworks.explorer.{kind}.{name}").router):
                if "GET" in route.methods and route.path != "/stream":
                    yield from addresses(site, prefix + route.path, each=1)
    yield from (
        "/robots.txt",
        "/favicon.ico",
        "/api",
        "/api/v1/openapi.json",
        static("css/app.css"),
    )


class Broken(Told):
    """A chain that says too much about itself when it fails."""

    error: Exception = Unavailable(
        "no chain endpoint answers: endpoint https://node.example/v3/KEY-OF-OURS is down; "
        "see /home/operator/network/log.txt"
    )

    async def receipt(self, tx: bytes) -> bool | None:
        raise self.error

    async def sale(self, amount_in: int) -> Any:
        raise self.error


def broken(error: Exception) -> TestClient:
    told = Broken()
    told.error = error
    return client(make_site(told))


# --- headers --------------------------------------------------------------------------------------


def safe(answer: httpx.Response) -> None:
    for name, value in SAFE.items():
        assert answer.headers.get_list(name) == [value], (str(answer.url), name)
    kind = answer.headers.get("content-type", "")
    if answer.status_code >= 400:
        below = answer.url.path.startswith("/api/")
        assert kind == ("application/problem+json" if below else "text/html; charset=utf-8")
        assert answer.headers["cache-control"] == "no-store"
        if below:
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert problem["type"] == "about:blank"
            assert problem["title"]
            assert problem["detail"]


def test_every_address_answers_with_safe_headers(full: Site) -> None:
    browser = client(full)
    for address in every_address(full):
        answer = browser.get(address)
        assert answer.status_code < 500, (address, answer.text)
        safe(answer)


@pytest.mark.parametrize("where", ["", "/api/v1"])
def test_errors_have_safe_headers_and_say_what_they_are(where: str, browser: TestClient) -> None:
    expected = {
        400: browser.get(f"{where}/devices?cursor=x"),
        404: browser.get(f"{where}/nothing/here"),
        405: browser.put(f"{where}/devices"),
        413: browser.post(f"{where}/alerts", content=b"x" * (BODY_BYTES_MAX + 1)),
        414: browser.get(f"{where}/devices?x=" + "a" * QUERY_BYTES_MAX),
        422: browser.get(f"{where}/devices/x"),
    }
    for status, answer in expected.items():
        assert answer.status_code == status
        safe(answer)


@pytest.mark.parametrize("path", ["/api/v1/quote?amount_in=1", "/accounts/0x" + "11" * 20])
def test_a_fault_of_ours_has_safe_headers_and_says_nothing_more(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Broken()
    told.error = RuntimeError("password=hunter2")
    site = make_site(told)
    if path.startswith("/accounts"):
        told.balances = told.receipt  # type: ignore[method-assign, assignment]
    answer = client(site).get(path)
    assert answer.status_code == 500
    safe(answer)
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert "hunter2" in capsys.readouterr().err


def test_a_page_that_is_already_there_keeps_its_headers(browser: TestClient) -> None:
    for path in (PAGE, ANSWER):
        first = browser.get(path)
        again = browser.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        safe(again)
        for name in ("etag", "cache-control", "vary"):
            assert again.headers[name] == first.headers[name]
        assert "content-length" not in again.headers


def test_too_many_requests_get_safe_headers() -> None:
    for path in (PAGE, ANSWER):
        browser = limited(read="1/minute")
        browser.get(path)
        answer = browser.get(path)
        assert answer.status_code == 429
        safe(answer)


# --- ETags and compression ------------------------------------------------------------------------


def test_an_etag_stands_for_one_content_whatever_its_coding(browser: TestClient) -> None:
    plain_, packed = (
        browser.get(PAGE, headers={"accept-encoding": coding}) for coding in ("identity", "gzip")
    )
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain_.headers
    assert int(packed.headers["content-length"]) < int(plain_.headers["content-length"])
    assert plain_.text == packed.text
    assert plain_.headers["etag"] == packed.headers["etag"]
    assert plain_.headers["etag"].startswith('W/"')
    for known in ("*", f'"other", {plain_.headers["etag"]}', plain_.headers["etag"][2:]):
        answer = browser.get(PAGE, headers={"if-none-match": known})
        assert answer.status_code == 304, known
    for unknown in ('"other"', "junk", ""):
        assert browser.get(PAGE, headers={"if-none-match": unknown}).status_code == 200


def test_another_language_or_reader_is_another_content(full: Site) -> None:
    browser = client(full)
    path = f"/accounts/0x{ANNA.hex()}"
    tags = {
        browser.get(path).headers["etag"],
        client(full, cookies=signed_in(full)).get(path).headers["etag"],
    }
    assert len(tags) == 2
    vary = browser.get(path).headers["vary"].lower()
    assert {"cookie", "accept-language", "accept-encoding"} <= {
        one.strip() for one in vary.split(",")
    }
    assert browser.get(path).headers["cache-control"] == "private, no-cache"


def test_small_answers_are_not_compressed(browser: TestClient) -> None:
    answer = browser.get("/robots.txt", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert "Disallow: /api/" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


def test_head_is_get_without_the_body(browser: TestClient) -> None:
    for path in (PAGE, ANSWER, static("js/app.js"), "/nothing/here", "/api/v1/nothing"):
        for coding in ("identity", "gzip"):
            headers = {"accept-encoding": coding}
            got = browser.get(path, headers=headers)
            head = browser.head(path, headers=headers)
            assert (head.status_code, head.content) == (got.status_code, b"")
            assert head.headers.items() == got.headers.items()
    assert browser.head("/api/v1/stream").status_code == 405


# --- other sites ----------------------------------------------------------------------------------


def test_other_sites_may_read_the_api_and_nothing_else(browser: TestClient) -> None:
    elsewhere = {"origin": "https://elsewhere.example"}
    for path in (ANSWER, "/api/v1/nothing", "/api/v1/devices?limit=0"):
        answer = browser.get(path, headers=elsewhere)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    for path in (PAGE, "/devices", static("js/app.js")):
        answer = browser.get(path, headers=elsewhere)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path", ["/api/v1/session", "/api/v1/actions/claim", "/api/v1/transactions", "/api/v1/alerts"]
)
def test_other_sites_may_not_write(path: str, browser: TestClient) -> None:
    asked = {
        "origin": "https://elsewhere.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    preflight = browser.options(path, headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "content-type" not in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers
    posted = browser.post(path, json={}, headers={"origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in posted.headers
    assert posted.status_code in (401, 403)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (
            "POST",
            "/api/v1/alerts",
            {"channel": "webhook", "target": "https://a", "kinds": ["vote"]},
        ),
        ("DELETE", "/api/v1/alerts/" + "0" * 32, None),
        ("POST", "/api/v1/alerts/" + "0" * 32 + "/test", None),
        ("DELETE", "/api/v1/session", None),
        ("POST", "/alerts", None),
        ("POST", "/alerts/end", None),
        ("POST", "/alerts/test", None),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
    ],
)
def test_a_member_s_browser_does_nothing_for_other_sites(
    full: Site, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    answer = client(full, cookies=signed_in(full)).request(method, path, json=body, headers=headers)
    assert answer.status_code == 403
    safe(answer)


def test_a_hostile_host_is_nowhere_believed(full: Site) -> None:
    browser = client(full)
    for host in ("evil.example", 'evil"><script>alert(1)</script>', "evil.example:1;rm -rf /"):
        answer = browser.post(
            "/api/v1/session/message",
            json={"account": "0x" + ANNA.hex()},
            headers={"host": host},
        )
        assert answer.status_code in (400, 401, 403), host
        for path in ("/", "/devices/", "/join?resource=energy&cell=0", "/nothing", "/api/v1/none"):
            believed_nowhere(browser, path, host)
    for path in every_address(full):
        believed_nowhere(browser, path, host)


def believed_nowhere(browser: TestClient, path: str, host: str) -> None:
    answer = browser.get(path, headers={"host": host})
    assert answer.status_code < 500, path
    assert "evil" not in answer.headers.get("location", ""), path
    assert "evil" not in answer.text, path


# --- limits ---------------------------------------------------------------------------------------


def test_rates_are_limited_for_each_client_reading_and_writing_apart() -> None:
    app = build_app(make_site(), limits=Limits(read="3/minute", write="2/minute"))

    async def ask(address: str, method: str, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as web:
            return await web.request(method, path)

    async def scenario() -> None:
        for _ in range(3):
            assert (await ask("192.0.2.1", "GET", ANSWER)).status_code == 200
        refused = await ask("192.0.2.1", "GET", ANSWER)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await ask("192.0.2.1", "HEAD", PAGE)).status_code == 429
        assert (await ask("192.0.2.1", "GET", static("css/app.css"))).status_code == 200
        assert (await ask("192.0.2.2", "GET", ANSWER)).status_code == 200
        for _ in range(2):
            assert (await ask("192.0.2.1", "POST", "/api/v1/actions/claim")).status_code == 422
        assert (await ask("192.0.2.1", "DELETE", "/api/v1/session")).status_code == 429
        assert (await ask("192.0.2.2", "DELETE", "/api/v1/session")).status_code == 200

    asyncio.run(scenario())


def test_a_body_that_says_how_long_it_is_is_refused_unread(browser: TestClient) -> None:
    for length, status in (
        (BODY_BYTES_MAX, 422), (BODY_BYTES_MAX + 1, 413), ("x", 400), ("-1", 400),
        ("9" * 5_000, 400), ("", 400),
    ):  # fmt: skip
        answer = browser.post(
            "/api/v1/actions/claim",
            content=b"{}",
            headers={"content-length": str(length), "content-type": "application/json"},
        )
        assert answer.status_code == status, length


@pytest.mark.parametrize("path", ["/api/v1/actions/claim", "/alerts/confirm", "/join/place"])
def test_a_body_that_goes_on_is_cut_off(path: str, browser: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 1
            yield b" " * 1_024

    answer = browser.post(path, content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    safe(answer)


def test_an_answer_in_time_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Told):
        async def sale(self, amount_in: int) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr(guard, "TIME_MAX_S", 0.05)
    answer = client(make_site(Slow())).get("/api/v1/quote?amount_in=1")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    safe(answer)


def test_a_query_that_goes_on_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(connection: Any, *_: Any, **__: Any) -> None:
        connection.execute(
            text(
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
                "SELECT max(x) FROM n"
            )
        )

    monkeypatch.setattr(context, "READ_MAX_S", 0.05)
    monkeypatch.setattr("commonworks.explorer.queries.network.network", endless)
    browser, begun = client(make_site()), time.monotonic()
    answer = browser.get(ANSWER)
    assert answer.status_code == 503
    assert time.monotonic() - begun < 20
    safe(answer)
    monkeypatch.undo()
    assert browser.get(ANSWER).status_code == 200


# --- methods and files ----------------------------------------------------------------------------


def test_methods_that_are_not_there_are_named(browser: TestClient) -> None:
    for path, allowed in (
        ("/api/v1/devices", {"GET", "HEAD"}),
        ("/api/v1/session", {"GET", "HEAD", "POST", "DELETE"}),
        ("/api/v1/transactions", {"POST"}),
        ("/api/v1/stream", {"GET"}),
        ("/alerts", {"GET", "HEAD", "POST"}),
    ):
        answer = browser.request("PATCH", path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == allowed
        safe(answer)


@pytest.mark.parametrize(
    "path",
    [
        "../app.py", "%2e%2e/app.py", "..%2fapp.py", "%2e%2e%2fapp.py", "%252e%252e/app.py",
        "css/../../app.py", "css//app.css", "/etc/passwd", "%2fetc%2fpasswd", "..%5capp.py",
        "..\\app.py", "css/app.css%00", "css", "css/", "", ".hidden", "css/.app.css", "a" * 5_000,
        "css/%ff%fe", "__init__.py", "../../../../../../../../etc/passwd",
    ],
)  # fmt: skip
def test_only_files_meant_to_be_served_are(path: str, browser: TestClient) -> None:
    for mark in ("x", ".."):
        status, headers, body = raw(browser, f"/static/{mark}/{path}")
        assert status == 404, body[:200]
        assert headers[b"content-security-policy"] == CSP.encode()
        assert headers[b"content-type"] == b"text/html; charset=utf-8"


def raw(browser: TestClient, path: str) -> tuple[int, dict[bytes, bytes], bytes]:
    """Ask for a path as it is: clients tidy paths up, servers only decode them."""
    said: list[Any] = []
    scope = {
        "type": "http", "method": "GET", "path": unquote(path, "latin-1"), "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "scheme": "http",
        "server": ("127.0.0.1", 80), "raw_path": path.encode(), "root_path": "",
        "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(browser.app(scope, receive, send))  # type: ignore[arg-type]
    body = b"".join(message.get("body", b"") for message in said)
    return said[0]["status"], dict(said[0]["headers"]), body


def test_files_are_kept_for_ever_under_a_mark_of_their_content(browser: TestClient) -> None:
    answer = browser.get(static("js/app.js"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in answer.headers["content-type"]
    assert re.fullmatch(r"/static/[0-9a-f]{12}/js/app\.js", static("js/app.js"))


# --- language -------------------------------------------------------------------------------------


def language_of(answer: httpx.Response) -> str:
    found = re.search(r'<html lang="([^"]*)">', answer.text)
    assert found is not None
    return found.group(1)


@pytest.fixture
def polyglot() -> TestClient:
    """A browser of a site that has a second language, whatever catalogues there are."""
    site = make_site()
    browser = client(site)
    translations = browser.app.state.languages._translations  # type: ignore[attr-defined]
    translations.setdefault("de", translations["en"])
    return browser


def test_the_language_is_asked_for_kept_or_accepted(polyglot: TestClient) -> None:
    german = {"accept-language": "fr-CH, de-AT;q=0.9, en;q=0.8"}
    assert language_of(polyglot.get(PAGE)) == "en"
    assert language_of(polyglot.get(PAGE, headers=german)) == "de"
    assert language_of(polyglot.get(PAGE, headers={**german, "cookie": "lang=en"})) == "en"
    answer = polyglot.get("/?lang=de")
    assert language_of(answer) == "de"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("lang=de; ")
    assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert language_of(polyglot.get(PAGE)) == "de"  # the browser kept it
    assert "set-cookie" not in polyglot.get("/?lang=de").headers


@pytest.mark.parametrize(
    "junk", ["xx", "../de", "de\r\nset-cookie: a=b", "<script>", "", "de,en", "\x00", "é" * 400]
)
def test_languages_that_are_none_change_nothing(junk: str, polyglot: TestClient) -> None:
    polyglot.cookies.clear()
    asked = polyglot.get("/", params={"lang": junk})
    assert language_of(asked) == "en"
    assert "set-cookie" not in asked.headers
    raw = junk.replace("\r\n", " ").replace("\x00", " ").encode()
    for name in (b"accept-language", b"cookie"):
        value = b"lang=" + raw if name == b"cookie" else raw
        answer = polyglot.get("/", headers=[(name, value)])
        assert answer.status_code == 200
    for accepted in ("de;q=x", ";;;", ",,,", "*", "de;q=0.1, en;q=0.9", "q=1;de"):
        assert language_of(polyglot.get("/", headers={"accept-language": accepted})) == "en"


# --- cookies and secrets --------------------------------------------------------------------------


def test_the_session_s_cookie_is_kept_from_scripts_and_other_sites(full: Site) -> None:
    (value,) = signed_in(full).values()
    for scheme, secure in (("http", False), ("https", True)):
        browser = client(full, cookies=signed_in(full))
        answer = browser.request("DELETE", f"{scheme}://127.0.0.1/api/v1/session")
        flags = {one.strip().lower() for one in answer.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= flags
        assert ("secure" in flags) is secure
    assert value


def test_nothing_secret_is_in_any_answer(full: Site) -> None:
    full.door = Door()
    home = str(full.alerts.store._path.parent) if full.alerts else ""
    secrets = [
        full.secret.hex(), full.secret.hex()[:16], repr(full.secret)[2:20], SMTP_PASSWORD,
        "mail.example", "smtp://", "/SECRET", home, str(resources.files("commonworks")),
        "Traceback", "sqlite",
    ]  # fmt: skip
    assert all(len(one) > 5 for one in secrets)
    for cookies in ({}, signed_in(full)):
        browser = client(full, cookies=cookies)
        for address in every_address(full):
            answer = browser.get(address)
            said = answer.text + str(answer.headers)
            assert not [one for one in secrets if one in said], address


@pytest.mark.parametrize(
    "error",
    [
        Broken.error,
        Corrupt(
            "/home/operator/network/index.sqlite is damaged, says https://x.example/KEY-OF-OURS"
        ),
        Unavailable("endpoint wss://user:KEY-OF-OURS@node.example does not answer"),
    ],
)
def test_errors_name_no_place_of_the_operator_s(error: Exception) -> None:
    answer = broken(error).get("/api/v1/quote?amount_in=1")
    assert answer.status_code in (500, 503)
    safe(answer)
    assert "KEY-OF-OURS" not in answer.text
    assert "operator" not in answer.text
    assert "node.example" not in answer.text


@pytest.mark.parametrize("failure", list(TrialFailure))
def test_a_back_test_that_failed_says_why_in_words_of_ours(failure: TrialFailure) -> None:
    tried = Tried(plain)
    tried.trial = replace(tried.trial, state=TrialState.FAILED, failure=failure, outcome=None)
    browser = client(full_site(backtests=tried))
    answer, page = (
        browser.get(path) for path in ("/api/v1/governance/3/backtest", "/governance/3")
    )
    assert (answer.status_code, page.status_code) == (200, 200)
    words = answer.json()["explains"]
    assert " " in words
    assert str(escape(words)) in page.text


def test_messages_keep_what_is_public() -> None:
    known = "http://127.0.0.1:8545"
    assert without_places(f"endpoint {known} is down", [known]) == f"endpoint {known} is down"
    assert without_places("3/4 of it; and/or 2026/11/21") == "3/4 of it; and/or 2026/11/21"
    assert without_places("write 0x and 40 hexadecimal digits") == (
        "write 0x and 40 hexadecimal digits"
    )


def test_robots_read_pages_and_not_the_api(browser: TestClient) -> None:
    assert browser.get("/robots.txt").text == "User-agent: *\nDisallow: /api/\n"
