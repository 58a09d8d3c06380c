"""The explorer as a process: it answers, follows, is killed, is refused, and ends when told to."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import shutil
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from command_line import WAIT_TIMEOUT_S, Running, commonworks, installed, running

from commonworks.chain.embedded import live_endpoint
from commonworks.errors import CommonworksError
from commonworks.explorer.index.engine import open_index
from commonworks.wiring.explorer.indexing import status_of
from commonworks.wiring.explorer.site import index_of
from commonworks.wiring.home import PASSPHRASE_VARIABLE, Home
from index_story import differences, rows_of

pytestmark = pytest.mark.xdist_group("e2e")

Copy = Callable[[], Path]

CONFLICT, CORRUPT, INTERRUPTED = 4, 7, 130
"""Exit codes, as commonworks.errors has them, and Ctrl-C's."""
SOON_S: Final = 10
"""What Ctrl-C may take."""
LIVE_S: Final = 5.0
"""What may pass between a block and its events in an answer. The aim is two seconds; this is for
machines that do much else."""
READER_S: Final = 0.1
"""Between two requests of one reader: more often than that is refused."""
REBUILD: Final = "commonworks index rebuild"


def index(place: Path) -> Path:
    return index_of(Home(path=place))


def until(happened: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WAIT_TIMEOUT_S
    while not (value := happened()):
        assert time.monotonic() < deadline, f"not {what} in time"
        time.sleep(READER_S)
    return value


def address(process: Running) -> str:
    """Return where an explorer said that it is."""
    found = re.search(r"explorer (http://\S+)", process.says("explorer http"))
    assert found
    return found[1].rstrip("/")


def read(url: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{url}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ask(url: str, path: str) -> Any:
    status, text = read(url, f"/api/v1{path}")
    assert status == 200, text
    return json.loads(text)


@contextmanager
def exploring(place: Path, *arguments: object) -> Iterator[tuple[Running, str]]:
    """Run an explorer of a folder; its URL too."""
    with running("explorer", "--home", place, *arguments) as process:
        yield process, address(process)


@contextmanager
def network(place: Path) -> Iterator[Running]:
    """Run a folder's network without an explorer."""
    with running("up", "--no-explorer", "--home", place) as up:
        up.says("Ctrl-C stops it")
        yield up


def settled(url: str) -> int:
    return int(ask(url, "/network")["figures"]["epochs_settled"])


def chain_head(place: Path) -> int:
    endpoint = live_endpoint(place / "chain")
    assert endpoint
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
    request = urllib.request.Request(
        endpoint, json.dumps(question).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(json.loads(answer.read())["result"], 16)


def shown_after(place: Path, url: str, kind: str, *command: object) -> float:
    """Run a command while asking; return how long after its block an answer had it, seconds.

    A block is seen a little after it is made: by as much the figure is too small, 0.02 s or so.
    """
    path = f"/activity?kind={kind}&limit=1"
    before = ask(url, path)["items"]
    seen: dict[int, float] = {}
    with running(*command, "--home", place) as acting:

        def shown() -> Any:
            seen.setdefault(chain_head(place), time.monotonic())
            found = ask(url, path)["items"]
            return found if found != before else None

        found = until(shown, f"{kind} was shown")
        now = time.monotonic()
        acting.wait().ok()
    return now - min(at for block, at in seen.items() if block >= found[0]["block"])


def paid_in(place: Path, url: str) -> float:
    """Deposit by command; return how long after its block an answer had it, seconds."""
    commonworks("account", "fund", "farm-2", "7", "--home", place).ok()
    return shown_after(place, url, "deposited", "deposit", "7", "--account", "farm-2")


# --- alone and beside a network -------------------------------------------------------------------


def test_alone_it_answers_and_ends_with_an_open_stream(copy: Copy) -> None:
    place = copy()
    with exploring(place) as (process, url):
        assert urlsplit(url).hostname == "127.0.0.1"
        until(lambda: settled(url) == 2, "two epochs were read")
        status, page = read(url, "/")
        assert (status, "Demo street" in page) == (200, True)
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        with closing(connection):
            connection.request("GET", "/api/v1/stream")
            stream = connection.getresponse()
            assert stream.readline().startswith(b"retry:")
            began = time.monotonic()
            done = process.interrupt()
            took = time.monotonic() - began
            assert took < SOON_S
            assert stream.read().endswith(b"\n")
    assert done.code == INTERRUPTED
    assert "Traceback" not in done.err
    assert "commonworks: " not in done.err
    assert done.out == ""
    print(f"Ctrl-C took {took:.2f} s")


def test_beside_a_network_what_is_done_is_shown_within_seconds(copy: Copy) -> None:
    place = copy()
    with network(place) as up, exploring(place) as (process, url):
        assert "explorer" not in up.err
        until(lambda: settled(url) == 2, "two epochs were read")
        deposit_s = paid_in(place, url)
        claim_s = shown_after(place, url, "claimed", "claim", "--account", "farm-2")
        assert process.interrupt().code == INTERRUPTED
        assert up.process.poll() is None, "the network goes on without it"
    print(f"deposit shown {deposit_s:.2f} s after its block, claim {claim_s:.2f} s")
    assert max(deposit_s, claim_s) < LIVE_S


# --- killed ---------------------------------------------------------------------------------------


def progress(place: Path) -> tuple[int, int, int]:
    """Return how far an index is: blocks, entries, epochs; -1 where there is none."""
    try:
        found = status_of(index(place))
    except (CommonworksError, OSError):
        return -1, -1, -1
    return found.block or 0, sum(log.entries for log in found.logs), found.settled


def test_killed_again_and_again_its_rows_equal_a_rebuild(copy: Copy, tmp_path: Path) -> None:
    place = copy()
    shutil.rmtree(place / "explorer", ignore_errors=True)
    moments: list[Callable[[tuple[int, int, int]], bool]] = [
        lambda at: at[0] >= 0,
        lambda at: at[0] > 0,
        lambda at: at[1] > 0,
        lambda at: at[2] > 0,
        lambda at: at[2] > 1,
    ]
    left = []
    for moment in moments:
        with running("explorer", "--home", place) as process:
            process.until(lambda _, m=moment: m(progress(place)), "it came so far")  # type: ignore[misc]
            process.kill()
            assert "Traceback" not in process.err
        left.append(progress(place))
    print(f"killed at (block, entries, epochs): {left}")
    assert left == sorted(left), "nothing that was read is read again"
    assert left[0][2] < 2, "the first kill was in the middle"
    with exploring(place) as (process, url):
        paid_in(place, url)
        process.kill()
    with exploring(place) as (process, url):
        paid_in(place, url)
        head = chain_head(place)
        until(lambda: ask(url, "/network")["indexed_block"] == head, "all was read")
        assert process.interrupt().code == INTERRUPTED
    followed = tmp_path / "followed.sqlite"
    with closing(sqlite3.connect(index(place))) as source, closing(sqlite3.connect(followed)) as to:
        source.backup(to)
    commonworks("index", "rebuild", "--home", place).ok()
    live, anew = open_index(followed), open_index(index(place))
    try:
        assert differences(live, anew) == []
        assert len(rows_of(anew)["epoch"]) == 2
    finally:
        live.dispose()
        anew.dispose()


# --- refused --------------------------------------------------------------------------------------


@contextmanager
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_second_one_and_a_taken_port_are_one_clear_error(copy: Copy) -> None:
    place = copy()
    with taken() as port:
        refused = commonworks("explorer", "--port", port, "--home", place)
        assert str(port) in refused.refused(CONFLICT)
        (place / "explorer").mkdir(exist_ok=True)
        (place / "explorer" / "port").write_text(f"{port}\n")
        with exploring(place) as (process, url):  # nobody chose that port: it moves
            assert urlsplit(url).port != port
            assert read(url, "/")[0] == 200
            for arguments in ((), ("--port", "0")):
                second = commonworks("explorer", *arguments, "--home", place)
                assert url in second.refused(CONFLICT)
            with running("up", "--home", place) as up:
                assert "another process runs" in up.wait().refused(CONFLICT)
            assert read(url, "/")[0] == 200
            process.interrupt()
    with exploring(place) as (_, url):
        assert urlsplit(url).port == port, "its own port again"


def _text(file: Path) -> None:
    file.write_bytes(b"nothing like a database" * 1_000)


def _newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")


def _empty_pages(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[100 : len(data) // 2] = bytes(len(data) // 2 - 100)
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (_text, CORRUPT, "damaged"),
        (_empty_pages, CORRUPT, "damaged"),
        (_newer, CONFLICT, "another release"),
    ],
    ids=["no database", "pages lost", "newer release"],
)
def test_an_index_in_doubt_says_what_mends_it(
    damage: Callable[[Path], None], code: int, words: str, copy: Copy
) -> None:
    place = copy()
    commonworks("index", "rebuild", "--home", place).ok()
    for suffix in ("-wal", "-shm"):
        index(place).with_name(index(place).name + suffix).unlink(missing_ok=True)
    damage(index(place))
    refused = commonworks("explorer", "--home", place)
    assert words in refused.refused(code)
    assert REBUILD in refused.err
    commonworks("index", "rebuild", "--home", place).ok()
    with exploring(place) as (_, url):
        assert settled(url) == 2


# --- while it runs --------------------------------------------------------------------------------


def test_it_serves_on_while_its_index_is_made_anew(copy: Copy) -> None:
    place = copy()
    with exploring(place) as (process, url):
        until(lambda: settled(url) == 2, "two epochs were read")
        stop, answers = threading.Event(), list[tuple[int, str]]()

        def visit() -> None:
            for path in itertools.cycle(("/api/v1/epochs/1", "/epochs/1", "/api/v1/network")):
                answers.append((read(url, path)[0], path))
                if stop.wait(READER_S):  # as fast as one reader may ask
                    return

        visitor = threading.Thread(target=visit)
        visitor.start()
        try:
            commonworks("index", "rebuild", "--home", place).ok()
        finally:
            stop.set()
            visitor.join()
        assert len(answers) > 1
        assert {status for status, _ in answers} == {200}, answers
        paid_in(place, url)
        assert "stands still" not in process.err


def test_a_chain_that_goes_away_and_comes_back(copy: Copy) -> None:
    place = copy()
    with exploring_beside(place) as (up, process, url):
        until(lambda: settled(url) == 2, "two epochs were read")
        up.kill()
        told = process.says("explorer, chain")
        until(lambda: read(url, "/")[0] == 200, "pages stay")
        assert read(url, "/epochs/1")[0] == 200
        with network(place):
            print(f"shown {paid_in(place, url):.2f} s after its block once the chain was back")
            found = [line for line in process.err.splitlines() if "explorer, chain" in line]
            assert found == [told], "it is told once"
        assert process.interrupt().code == INTERRUPTED


@contextmanager
def exploring_beside(place: Path) -> Iterator[tuple[Running, Running, str]]:
    """Run a network and its explorer as two processes."""
    with ExitStack() as stack:
        up = stack.enter_context(network(place))
        process, url = stack.enter_context(exploring(place))
        yield up, process, url


# --- who is told what -----------------------------------------------------------------------------

SECRET_KEY: Final = "4b1d-operators-own-key"
"""Part of a chain endpoint that only its operator may know."""
FOUNDERS: Final = {PASSPHRASE_VARIABLE: "correct horse"}
PUBLIC: Final = "https://rpc.example/everybody"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a network that is no demo, and runs."""
    place = tmp_path_factory.mktemp("own") / "home"
    named = ("init", "--name", "Own street", "--resource", "energy", "--home", place)
    installed(*named, variables=FOUNDERS).ok()
    with running("up", "--no-explorer", "--home", place, variables=FOUNDERS) as up:
        up.says("Ctrl-C stops it")
        yield place
        assert up.interrupt().code in (0, INTERRUPTED)


def labels(url: str) -> set[str]:
    """Return what accounts and nodes are called."""
    found = {row["account"]["label"] for row in ask(url, "/accounts?limit=200")["items"]}
    found |= {party["label"] for party in ask(url, "/network")["nodes"]["operators"]}
    return found - {None}


def test_a_networks_own_names_are_shown_on_demand_only(own: Path) -> None:
    with exploring(own) as (_, url):  # it holds no key: nobody typed a passphrase
        assert not labels(url) & {"founder", "verifier-1", "gateway-1"}
        assert ask(url, "/search?q=founder")["groups"] == []
    with exploring(own, "--names") as (_, url):
        assert labels(url) & {"founder", "verifier-1", "gateway-1"}
        assert ask(url, "/search?q=founder")["groups"] != []


def test_a_demos_names_can_be_left_out(copy: Copy) -> None:
    place = copy()
    with exploring(place) as (_, url):
        until(lambda: settled(url) == 2, "two epochs were read")
        assert "verifier-1" in labels(url)
    with exploring(place, "--no-names") as (_, url):
        assert "verifier-1" not in labels(url)


def test_where_people_reach_it_is_what_a_wallet_signs_for(copy: Copy) -> None:
    place = copy()
    hosts = ("--reached-at", "street.example", "--reached-at", "http://street.local:8080")
    with exploring(place, *hosts) as (_, url):
        for origin in ("https://street.example", "http://street.local:8080"):
            status, message = to_sign(url, origin)
            assert status == 200, message
            assert f"{urlsplit(origin).netloc} wants you to sign in" in message
            assert f"URI: {origin}" in message
        for origin in ("https://elsewhere.example", url):
            assert to_sign(url, origin)[0] in (401, 403)
        until(lambda: settled(url) == 2, "two epochs were read")
        page = read(url, "/epochs/1")[1]
        assert f"commonworks audit 1 --home home/{place.name}" in page
        assert str(place.parent) not in page, "where it lies here is nothing to readers elsewhere"
    refused = commonworks("explorer", "--reached-at", "ftp://x", "--home", place)
    assert "ftp://x" in refused.refused(2)


def to_sign(url: str, origin: str) -> tuple[int, str]:
    """Ask for a message to sign as a page of some origin does; return status and text."""
    place = urlsplit(origin)
    headers = {"host": place.netloc, "origin": origin, "content-type": "application/json"}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    with closing(connection):
        body = json.dumps({"account": "0x" + "1" * 40})
        connection.request("POST", "/api/v1/session/message", body, headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
    return answer.status, document.get("message", str(document))


class _Forwarder(BaseHTTPRequestHandler):
    """A chain endpoint whose address is a secret, in front of another one."""

    target: str

    def do_POST(self) -> None:
        if SECRET_KEY not in self.path:
            self.send_error(403)
            return
        body = self.rfile.read(int(self.headers["content-length"]))
        request = urllib.request.Request(self.target, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = answer.read()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(found)))
        self.end_headers()
        self.wfile.write(found)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def forwarded(target: str) -> Iterator[str]:
    handler = type("Handler", (_Forwarder,), {"target": target})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/{SECRET_KEY}"
        finally:
            server.shutdown()
            thread.join()


def test_an_endpoint_of_the_operators_is_in_no_answer(own: Path, tmp_path: Path) -> None:
    endpoint = live_endpoint(own / "chain")
    assert endpoint
    place = tmp_path / "observer"
    place.mkdir()
    with forwarded(endpoint) as private:
        manifest = json.loads((own / "network.json").read_text())
        manifest["chain"]["endpoints"] = [private]
        (place / "network.json").write_text(json.dumps(manifest))
        secrets = (SECRET_KEY, urlsplit(private).netloc)
        with exploring(place) as (process, url):
            until(lambda: ask(url, "/network")["indexed_block"], "the chain was read")
            assert ask(url, "/network/manifest")["chain"]["endpoints"] == []
            for path in everything(url):
                text = read(url, path)[1]
                assert not [secret for secret in secrets if secret in text], path
            process.interrupt()
        with exploring(place, "--public-rpc", PUBLIC) as (_, url):
            assert ask(url, "/network/manifest")["chain"]["endpoints"] == [PUBLIC]
            joining = [read(url, path)[1] for path in everything(url)]
            assert any(PUBLIC in text for text in joining)
            assert not [text for text in joining for secret in secrets if secret in text]


def everything(url: str) -> list[str]:
    """Return every address that needs no parameter, of pages and answers, and some that do."""
    paths = ask(url, "/openapi.json")["paths"]
    plain = [p for p, does in paths.items() if "get" in does and "{" not in p and "stream" not in p]
    pages = ["/", *(p.removeprefix("/api/v1") for p in plain), "/join?resource=energy", "/proofs"]
    account = next(iter(ask(url, "/accounts")["items"]), {"account": {"address": "0x" + "1" * 40}})
    some = [f"/accounts/{account['account']['address']}", "/epochs/0", "/resources/energy"]
    return [*plain, *pages, *some, *(f"/api/v1{path}" for path in some), "/no-such-page"]
