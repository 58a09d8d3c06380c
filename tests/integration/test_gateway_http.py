"""A gateway over real HTTP: submission, read side, sealed payloads, and what it turns away."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from commonworks.crypto.cbor import decode_sequence
from commonworks.errors import Conflict, Corrupt, InvalidInput, Unauthorized, Unavailable
from commonworks.gateway import Gateway, SealedRequest, encode_authorization, request_text
from commonworks.simulation.store import Fault, SimulatedStore
from commonworks.storage.files import FileStore
from commonworks.storage.index import SqliteIndex
from commonworks.translog.check import check_log
from commonworks.translog.tiles import decode_entries
from commonworks.transport import DirectoryLog, GatewayApp, HttpLog, HttpTransport, serve
from gateway_kit import (
    GENESIS_S,
    NETWORK,
    StoppedClock,
    asynchronous,
    device,
    open_gateway,
    receipt,
    refusal,
    report,
)

KEY = device(1)
AUDITOR = Account.from_key(bytes([3]) * 32)
STRANGER = Account.from_key(bytes([4]) * 32)
Answer = tuple[int, dict[str, str], bytes]


@contextlib.asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """Serve a gateway; yield its URL and a plain HTTP client."""
    async with serve(GatewayApp(gateway)) as url, aiohttp.ClientSession() as session:
        yield url, session


async def ask(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send a request; return status, headers (lower case) and body."""
    async with session.request(method, url, data=body, headers=headers) as answer:
        named = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, named, await answer.read()


def is_problem(answer: Answer, status: int, words: str) -> dict[str, object]:
    """Check that an answer is a problem document of one line; return it."""
    found, headers, body = answer
    assert found == status, body
    assert headers["content-type"] == "application/problem+json"
    document = json.loads(body)
    assert document["status"] == status
    assert document.keys() >= {"type", "title", "status", "detail"}
    assert words in document["detail"]
    assert "\n" not in document["detail"]
    assert "Traceback" not in body.decode()
    return dict(document)


def authorization(gateway: Gateway, account: object, expires: int, text: str | None = None) -> str:
    """Return the header of a signed request."""
    if text is None:
        text = request_text(NETWORK.network_id, gateway.log_id, expires)
    signature = account.sign_message(encode_defunct(text=text)).signature  # type: ignore[attr-defined]
    address = bytes.fromhex(account.address[2:])  # type: ignore[attr-defined]
    return encode_authorization(
        SealedRequest(account=address, expires=expires, signature=bytes(signature))
    )


@asynchronous
async def test_submit_and_read_everything_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path, exclusive=True)
    index = SqliteIndex(tmp_path / "state" / "index.sqlite")
    gateway = await open_gateway(store, devices=[KEY], positions=index)
    items = [report(KEY, number, sealed=number % 3 == 0) for number in range(300)]
    async with served(gateway) as (url, session):
        body = b"".join(item.encode() for item in items)
        status, headers, answer = await ask(session, "POST", f"{url}/v1/statements", body=body)
        assert (status, headers["content-type"]) == (200, "application/cbor-seq")
        answers = decode_sequence(answer, 300)
        places = [receipt(gateway, a, i).index for a, i in zip(answers, items, strict=True)]
        assert places == list(range(300))
        one = await ask(session, "POST", f"{url}/v1/statements", body=items[7].encode())
        assert receipt(gateway, one[2], items[7]).index == 7
        bad = await ask(session, "POST", f"{url}/v1/statements", body=b"\x01")
        assert refusal(gateway, bad[2], b"\x01") == "undecodable"

        full = await ask(session, "GET", f"{url}/tile/entries/000")
        assert full[0] == 200
        assert full[1]["content-type"] == "application/octet-stream"
        assert full[1]["cache-control"] == "public, max-age=31536000, immutable"
        assert decode_entries(full[2], 256)[9] == items[9].statement
        partial = await ask(session, "GET", f"{url}/tile/0/001.p/44")
        assert partial[0] == 200
        assert partial[1]["cache-control"] == "public, max-age=60"
        checkpoint = await ask(session, "GET", f"{url}/checkpoint")
        assert checkpoint[1]["content-type"] == "text/plain; charset=utf-8"
        assert checkpoint[1]["cache-control"] == "no-store"
        head = await ask(session, "HEAD", f"{url}/checkpoint")
        assert (head[0], head[2]) == (200, b"")
        assert head[1]["content-length"] == str(len(checkpoint[2]))
        status_document = json.loads((await ask(session, "GET", f"{url}/v1/status"))[2])
        assert status_document == {
            "name": "one",
            "origin": f"{NETWORK.network_id[:4].hex()}.commonworks/one",
            "vkey": gateway.vkey,
            "log_id": gateway.log_id.hex(),
            "size": 300,
            "refusals": {"undecodable": 1},
            "duplicates": 1,
        }
        async with HttpTransport() as transport:
            log = HttpLog(transport, url)
            assert await log.read("tile/entries/000.p/10") is not None  # cut from the full one
            assert await log.read("tile/0/007") is None
            fetched: dict[str, bytes | None] = {}
            for path in ("checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"):
                fetched[path] = await log.read(path)
            for path in ("tile/entries/000", "tile/entries/001.p/44"):
                fetched[path] = await log.read(path)
            assert check_log(fetched.get, gateway.vkey).first_fault is None
            with pytest.raises(InvalidInput):
                await log.read("../vkey")
            folder = DirectoryLog(tmp_path)
            for path, data in fetched.items():
                assert await folder.read(path) == data
            assert await folder.read("tile/0/000.p/3") == (fetched["tile/0/000"] or b"")[:96]
            assert await folder.read_sealed("sealed/entries/001.p/44") is not None
    index.close()
    store.close()


@asynchronous
async def test_what_is_turned_away_says_why() -> None:
    gateway = await open_gateway(SimulatedStore(), devices=[KEY])
    good = report(KEY, 1).encode()
    async with served(gateway) as (url, session):
        submit = f"{url}/v1/statements"
        is_problem(await ask(session, "POST", submit, body=b""), 400, "empty")
        cut = await ask(session, "POST", submit, body=good + good[:-1])
        assert is_problem(cut, 400, "truncated")["offset"] == len(good) + len(good) - 66
        indefinite = await ask(session, "POST", submit, body=good + b"\x9f\xff")
        is_problem(indefinite, 400, f"at byte {len(good)}")
        is_problem(await ask(session, "POST", submit, body=b"\x01" * 1001), 413, "1000 items")
        is_problem(await ask(session, "GET", submit), 405, "POST")
        deleted = await ask(session, "DELETE", f"{url}/checkpoint")
        assert deleted[1]["allow"] == "GET, HEAD"
        for path in (
            "/",
            "/tile/0/001",
            "/tile/0/000.p/0",
            "/checkpoint/",
            "/checkpoint?x=1",
            "/vkey",
            "/state/checkpoint",
            "/%63heckpoint",
            "/tile/../vkey",
            "/..%2fvkey",
        ):
            async with session.get(
                aiohttp.client.URL(url + path, encoded=True), allow_redirects=False
            ) as answer:
                assert answer.status == 404, path
    assert gateway.status().size == 0


async def raw(url: str, data: bytes) -> bytes:
    """Send bytes; return what comes back until the server closes the connection."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@asynchronous
async def test_oversized_and_slow_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonworks.transport.asgi.BODY_TIMEOUT_S", 0.05)
    monkeypatch.setattr("commonworks.transport.server.HEADER_TIMEOUT_S", 0.05)
    monkeypatch.setattr("commonworks.transport.gateway_app.BODY_BYTES_MAX", 1000)
    gateway = await open_gateway(SimulatedStore(), devices=[KEY])
    start = b"POST /v1/statements HTTP/1.1\r\nHost: x\r\n"
    async with serve(GatewayApp(gateway)) as url:
        large = await raw(url, start + b"Content-Length: 100000000000\r\n\r\n")
        assert large.startswith(b"HTTP/1.1 413")
        chunk = b"3e9\r\n" + bytes(1001) + b"\r\n"
        chunked = await raw(url, start + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        assert chunked.startswith(b"HTTP/1.1 413")
        slow = await raw(url, start + b"Content-Length: 10\r\n\r\n12345")
        assert slow.startswith(b"HTTP/1.1 408")
        assert await raw(url, b"GET /checkpoint HTTP/1.1\r\nHos") == b""
        assert await raw(url, b"") == b""
        assert await raw(url, start + b"X: " + b"x" * 100_000) == b""
        assert (await raw(url, b"\x00\x01nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
        two = b"GET /checkpoint HTTP/1.1\r\nHost: x\r\n\r\n" * 2
        assert (await raw(url, two)).count(b"HTTP/1.1 200 OK") == 2


@asynchronous
async def test_a_full_disk_is_503_and_passes() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY])
    item = report(KEY, 1)
    async with served(gateway) as (url, session):
        store.plan.faults = {store.plan.step: Fault.FAILED}
        answer = await ask(session, "POST", f"{url}/v1/statements", body=item.encode())
        is_problem(answer, 503, "failed")
        assert int(answer[1]["retry-after"]) >= 1
        answer = await ask(session, "POST", f"{url}/v1/statements", body=item.encode())
        assert receipt(gateway, answer[2], item).index == 0


@asynchronous
async def test_a_log_in_contradiction_is_500_without_a_traceback() -> None:
    store = SimulatedStore()
    gateway = await open_gateway(store, devices=[KEY])
    other = await open_gateway(store, devices=[KEY])
    await other.submit([report(KEY, 2).encode()])
    async with served(gateway) as (url, session):
        body = report(KEY, 1).encode()
        answer = await ask(session, "POST", f"{url}/v1/statements", body=body)
        is_problem(answer, 500, "somebody else writes the log")


@asynchronous
async def test_sealed_payloads_need_a_signed_request() -> None:
    clock = StoppedClock()
    auditor = bytes.fromhex(AUDITOR.address[2:])
    gateway = await open_gateway(
        SimulatedStore(), clock=clock, devices=[KEY], auditors=frozenset({auditor})
    )
    items = [report(KEY, 1, sealed=True), report(KEY, 2)]
    await gateway.submit([item.encode() for item in items])
    async with served(gateway) as (url, session):
        sealed = f"{url}/sealed/entries/000.p/2"

        async def get(header: str | None, path: str = sealed) -> Answer:
            headers = {} if header is None else {"authorization": header}
            return await ask(session, "GET", path, headers=headers)

        good = authorization(gateway, AUDITOR, GENESIS_S + 3600)
        for _ in range(2):
            status, headers, body = await get(good)
            assert (status, headers["cache-control"]) == (200, "private, no-store")
            assert decode_entries(body, 2) == (items[0].preimage, b"")
        is_problem(await get(good, f"{url}/sealed/entries/001"), 404, "no such resource")
        missing = await get(None)
        is_problem(missing, 401, "signed request")
        assert missing[1]["www-authenticate"] == "Commonworks"
        stranger = authorization(gateway, STRANGER, GENESIS_S + 60)
        is_problem(await get(stranger), 403, "may not read")
        other_log = request_text(NETWORK.network_id, bytes(32), GENESIS_S + 60)
        text = request_text(NETWORK.network_id, gateway.log_id, GENESIS_S + 60)
        forged = STRANGER.sign_message(encode_defunct(text=text)).signature
        request = SealedRequest(account=auditor, expires=GENESIS_S + 60, signature=bytes(forged))
        for header, words in (
            (authorization(gateway, AUDITOR, GENESIS_S + 3601), "too far ahead"),
            (authorization(gateway, AUDITOR, GENESIS_S), "expired"),
            (authorization(gateway, AUDITOR, GENESIS_S + 60, other_log), "another account"),
            (encode_authorization(request), "another account"),
            (
                encode_authorization(
                    SealedRequest(account=auditor, expires=GENESIS_S + 60, signature=bytes(65))
                ),
                "signature",
            ),
            ("Bearer x", "scheme"),
            ("Commonworks !!!", "base64url"),
            ("Commonworks AA", "expires, signature"),
        ):
            is_problem(await get(header), 401, words)
        clock.now_s += 3600
        is_problem(await get(good), 401, "expired")

        async with HttpTransport() as transport:
            fresh = authorization(gateway, AUDITOR, clock.now() + 60)
            log = HttpLog(transport, url, authorization=lambda: fresh)
            assert await log.read_sealed("sealed/entries/000.p/2") is not None
            assert await log.read_sealed("sealed/entries/003") is None
            for other in (HttpLog(transport, url), HttpLog(transport, url, authorization=str)):
                with pytest.raises(Unauthorized):
                    await other.read_sealed("sealed/entries/000.p/2")


@asynchronous
async def test_an_occupied_port_is_one_clear_line() -> None:
    gateway = await open_gateway(SimulatedStore(), devices=[KEY])
    async with serve(GatewayApp(gateway)) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(Conflict, match=f"port {port} .*choose another port"):
            async with serve(GatewayApp(gateway), port=port):
                pass
    async with serve(GatewayApp(gateway), port=port) as again, HttpTransport() as transport:
        assert (await transport.get(f"{again}/checkpoint", {}))[0] == 200  # free again at once
    async with HttpTransport(timeout_s=5) as transport:
        with pytest.raises(Unavailable, match="no answer"):
            await transport.get(f"{url}/checkpoint", {})


def test_errors_of_the_house_are_imported_for_their_status() -> None:
    """A log that must not go on is the server's fault, in HTTP too."""
    from commonworks.transport.asgi import problem_of

    assert problem_of(Corrupt("x")).status == 500
    assert problem_of(Conflict("x")).status == 409
