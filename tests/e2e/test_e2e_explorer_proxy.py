"""The explorer behind a real proxy: readers told apart, nobody else believed, streams at once."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from command_line import commonworks, running

pytestmark = pytest.mark.xdist_group("e2e")

ALLOWED: Final = 12
"""Requests that each reader may make here in a minute."""
ANNA, BERT, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.4"
"""Readers; all addresses of 127.0.0.0/8 are this machine's."""
TIMEOUT_S: Final = 30
PIECE: Final = 1 << 16


class _Proxy(BaseHTTPRequestHandler):
    """What a proxy that speaks https to its readers passes on, as nginx and Caddy do it."""

    target: str

    def _pass_on(self) -> None:
        asked = self.headers
        body = self.rfile.read(int(asked.get("content-length", 0)))
        before = asked.get("x-forwarded-for")
        headers = {key: value for key, value in asked.items() if key.lower() != "connection"}
        headers["X-Forwarded-For"] = ", ".join(filter(None, [before, self.client_address[0]]))
        headers["X-Forwarded-Proto"] = "https"
        headers["X-Forwarded-Host"] = asked["host"]
        headers["Host"] = self.target
        with closing(http.client.HTTPConnection(self.target, timeout=TIMEOUT_S)) as inner:
            inner.request(self.command, self.path, body, headers)
            answer = inner.getresponse()
            self.send_response_only(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(key, value)
            self.send_header("connection", "close")
            self.end_headers()
            while piece := answer.read1(PIECE):
                self.wfile.write(piece)
        self.close_connection = True

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def proxy(target: str) -> Iterator[str]:
    """Run a proxy in front of an explorer; the value is host and port that readers ask."""
    handler = type("Handler", (_Proxy,), {"target": target})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def asking(
    place: str, reader: str, path: str, *, body: object = None, **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """Ask from a reader's address."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    connection = http.client.HTTPConnection(place, timeout=TIMEOUT_S, source_address=(reader, 0))
    with closing(connection):
        connection.request("GET" if data is None else "POST", path, data, named)
        yield connection.getresponse()


def status(place: str, reader: str, **headers: str) -> int:
    with asking(place, reader, "/robots.txt", **headers) as answer:
        return answer.status


def to_sign(place: str, reader: str, host: str) -> Any:
    """Ask for a message to sign; return the answer's document."""
    body = {"account": "0x" + "1" * 40}
    kind = {"content_type": "application/json", "host": host, "origin": f"https://{host}"}
    with asking(place, reader, "/api/v1/session/message", body=body, **kind) as answer:
        return json.loads(answer.read())


def test_readers_behind_a_proxy_are_told_apart(copy: Callable[[], Path]) -> None:
    options = ("--proxy", "127.0.0.1", "--reached-at", "street.example", "--port", 0)
    limit = ("--requests-per-minute", ALLOWED)
    with running("explorer", "--home", copy(), *options, *limit) as explorer:
        found = re.search(r"explorer (http://\S+)", explorer.says("explorer http"))
        assert found
        direct = urlsplit(found[1]).netloc
        with proxy(direct) as front:
            asked = [status(front, ANNA) for _ in range(ALLOWED + 1)]
            assert asked == [200] * ALLOWED + [429]
            # Nothing that she writes makes her another one; nobody else pays for her.
            assert status(front, ANNA, x_forwarded_for="198.51.100.9") == 429
            assert status(front, ANNA, x_forwarded_for="127.0.0.1") == 429
            assert status(front, BERT) == 200
            # Who comes without the proxy is who it is, whatever it says.
            asked = [
                status(direct, STRANGER, x_forwarded_for=f"198.51.100.{number}")
                for number in range(ALLOWED + 1)
            ]
            assert asked == [200] * ALLOWED + [429]
            message = to_sign(front, BERT, "street.example")["message"]
            assert message.startswith("street.example wants you to sign in")
            assert "URI: https://street.example/" in message
            assert "message" not in to_sign(front, BERT, "elsewhere.example")
            with asking(front, BERT, "/api/v1/stream") as stream:
                assert stream.status == 200
                assert stream.getheader("x-accel-buffering") == "no"
                assert stream.readline().startswith(b"retry:")  # and not when it is full


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--proxy", "proxy.example", "no proxy's address"),
        ("--proxy", "10.0.0.1/8", "no proxy's address"),
        ("--proxy", "0.0.0.0/0", "believes everybody"),
    ],
)
def test_what_is_no_proxy_is_refused(home: Path, option: str, value: str, said: str) -> None:
    refused = commonworks("explorer", option, value, "--home", home).refused(2)
    assert value in refused
    assert said in refused
