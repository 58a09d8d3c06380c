"""Proof files of a real network: an explorer gives them, the command line checks them."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, commonworks
from test_e2e_explorer import ask, exploring, read, settled, until

from commonworks.chain.embedded import live_endpoint
from commonworks.proofs import FILE_BYTES_MAX
from commonworks.translog.tree import leaf_hash

pytestmark = pytest.mark.xdist_group("e2e")

FOUND, REFUSED, MISSING, CONFLICT, UNAVAILABLE = 1, 2, 3, 4, 6
"""Exit codes: a check that found something, and those of commonworks.errors."""


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """A network's folder with what its explorer gave, while the explorer runs."""

    home: Path
    url: str
    statement: Path
    payout: Path
    statement_url: str


@pytest.fixture(scope="module")
def proofs(street: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proofs]:
    folder = tmp_path_factory.mktemp("proofs")
    home = street.copy(folder / "home")
    with exploring(home) as (_, url):
        until(lambda: settled(url) == 2, "two epochs were read")
        (entry,) = ask(url, "/statements?limit=1")["items"]
        (leaf,) = ask(url, "/epochs/1/payouts?limit=1")["items"]
        paths = {
            "statement": f"/proofs/receipt/{entry['identity']}",
            "payout": leaf["proof"],
        }
        for name, path in paths.items():
            (folder / f"{name}.json").write_text(json.dumps(ask(url, path)))
        yield Proofs(
            home=home,
            url=url,
            statement=folder / "statement.json",
            payout=folder / "payout.json",
            statement_url=f"{url}/api/v1{paths['statement']}",
        )


def check(place: object, *options: object) -> Done:
    return commonworks("proof", "check", place, *options)


def verdict(done: Done) -> tuple[str, list[str]]:
    document = done.document
    return document["verdict"], document["failed"]


def test_offline_it_holds_as_the_file_tells(proofs: Proofs) -> None:
    for file in (proofs.statement, proofs.payout):
        told = check(file).ok()
        assert "the root was NOT checked against the chain" in told.out
        assert "as far as whoever made this file tells the truth" in told.out.splitlines()[-1]
        assert verdict(check(file, "--json").ok()) == ("told", [])


def test_the_chain_confirms_it(proofs: Proofs) -> None:
    endpoint = live_endpoint(proofs.home / "chain")
    assert endpoint
    for file in (proofs.statement, proofs.payout):
        for options in (("--home", proofs.home), ("--rpc", endpoint)):
            asked = check(file, *options, "--json").ok().document
            assert (asked["verdict"], asked["asked_chain"]) == ("holds", True)
            assert asked["told"] == asked["skipped"] == []
        told = check(file, "--home", proofs.home).ok()
        assert "NOT checked" not in told.out
        assert told.out.splitlines()[-1].startswith("It holds: ")
    assert verdict(check(proofs.statement_url, "--home", proofs.home, "--json").ok()) == (
        "holds", [],
    )  # fmt: skip


def forged(file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    document = json.loads(file.read_text())
    change(document)
    made = tmp_path / "forged.json"
    made.write_text(json.dumps(document))
    return made


def test_a_forged_amount_fails(proofs: Proofs, tmp_path: Path) -> None:
    def richer(document: dict[str, Any]) -> None:
        document["leaf"]["earned"] = str(int(document["leaf"]["earned"]) + 1)

    file = forged(proofs.payout, tmp_path, richer)
    told = check(file)
    assert told.code == FOUND
    last = told.out.splitlines()[-1]
    assert last.startswith("It does not hold. It fails at: The path ends at the payout root (")
    assert "The path leads to another root." in last
    found = check(file, "--home", proofs.home, "--json")
    assert found.code == FOUND
    assert verdict(found) == ("fails", ["payout_root"])


def test_a_root_that_nobody_anchored_is_known_by_asking(proofs: Proofs, tmp_path: Path) -> None:
    """What the file alone cannot show: a tree that its log never put on chain."""
    document = json.loads(proofs.statement.read_text())
    entry = bytes.fromhex(document["statement"][2:])

    def made_up(forgery: dict[str, Any]) -> None:
        forgery["evidence"] = forgery["checkpoint"] = None
        root = "0x" + leaf_hash(entry).hex()
        forgery["inclusion"] = {"position": "0", "size": "1", "path": [], "root": root}
        forgery["anchor"] |= {"size": "1", "root": root}

    file = forged(proofs.statement, tmp_path, made_up)
    assert verdict(check(file, "--json").ok()) == ("told", [])
    asked = check(file, "--home", proofs.home, "--json")
    assert (asked.code, verdict(asked)) == (FOUND, ("fails", ["anchor"]))


def test_a_proof_of_another_network_is_refused(proofs: Proofs, tmp_path: Path) -> None:
    def moved(document: dict[str, Any]) -> None:
        document["network"]["id"] = "0x" + "12" * 32

    file = forged(proofs.payout, tmp_path, moved)
    refused = check(file, "--home", proofs.home).refused(CONFLICT)
    assert "is of another network" in refused
    offline = check(file, "--json")
    assert offline.code == FOUND
    assert set(verdict(offline)[1]) == {"digest", "network"}
    endpoint = live_endpoint(proofs.home / "chain")
    asked = check(file, "--rpc", endpoint, "--json")
    assert asked.code == FOUND
    assert "wallet" in verdict(asked)[1]


# --- strangers' addresses -------------------------------------------------------------------------


@contextmanager
def stranger(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Serve one answer to everything, and remember what was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/proof"
        finally:
            server.shutdown()
            thread.join()


def test_a_stranger_gives_one_document_of_bounded_size() -> None:
    asked: list[str] = []

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(64):
                handler.wfile.write(b" " * FILE_BYTES_MAX)
        except OSError:
            asked.append("hung up")

    with stranger(endless) as url:
        assert "larger than any" in check(url).refused(UNAVAILABLE)
    assert asked == ["/proof", "hung up"]

    def elsewhere(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        handler.send_response(302)
        handler.send_header("location", "/secret")
        handler.end_headers()

    asked.clear()
    with stranger(elsewhere) as url:
        assert "leads elsewhere" in check(url).refused(REFUSED)
    assert asked == ["/proof"]


def test_mistakes_are_one_line(proofs: Proofs, tmp_path: Path) -> None:
    assert "no file" in check(tmp_path / "nothing.json").refused(MISSING)
    assert "no such proof" in check(f"{proofs.statement_url[:-4]}beef").refused(MISSING)
    assert "not a proof file" in check(f"{proofs.url}/proofs").refused(REFUSED)
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (FILE_BYTES_MAX + 1))
    assert "larger than a proof file" in check(large).refused(REFUSED)
    both = check(proofs.payout, "--home", proofs.home, "--rpc", "http://127.0.0.1:1")
    assert "two chains" in both.refused(REFUSED)
    gone = check(proofs.payout, "--rpc", "http://127.0.0.1:1")
    assert "no chain endpoint answers" in gone.refused(UNAVAILABLE)
    receipt = tmp_path / "entry.cose"
    commonworks("receipt", "get", 3, receipt, "--home", proofs.home).ok()
    wrong = check(receipt)
    assert "not a proof file" in wrong.refused(REFUSED)
    assert "receipt check" in wrong.err


def test_the_page_shows_the_command_that_checks_it(proofs: Proofs) -> None:
    document = json.loads(proofs.payout.read_text())
    leaf, number = document["leaf"], document["finality"]["commitment"]["epoch"]
    _, page = read(proofs.url, f"/proofs/payout/{number}/{leaf['asset']}/{leaf['account']}")
    assert f"proof check payout-{number}-{leaf['account']}.json --home" in page
    _, opened = read(proofs.url, "/proofs")
    assert "proof check proof.json --home" in opened
