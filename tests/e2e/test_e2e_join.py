"""A newcomer joins from an empty folder: by command line only, to a first judged report."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from command_line import Done, Running, commonworks, installed, running

from commonworks.wiring.home import PASSPHRASE_VARIABLE

pytestmark = pytest.mark.xdist_group("e2e_join")

FOUNDERS: Final = {PASSPHRASE_VARIABLE: "correct horse", "COMMONWORKS_PRIVATE_WEBHOOKS": "1"}
NEWCOMERS: Final = {PASSPHRASE_VARIABLE: "battery staple"}
EPOCH_S: Final = 60
FOUNDING_S: Final = 75
QUARTER_S: Final = 900
WAIT_S: Final = 200


def newcomer(*arguments: object) -> Done:
    return commonworks(*arguments, variables=NEWCOMERS)


@pytest.fixture(scope="module")
def founders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of those who run the network."""
    return tmp_path_factory.mktemp("join") / "home"


@pytest.fixture(scope="module")
def network(founders: Path) -> Iterator[Running]:
    """A network that stays, with its explorer; epochs of a minute."""
    home = founders
    installed(
        *("init", "--name", "Test street", "--resource", "energy", "--home", home),
        *("--epoch", EPOCH_S, "--genesis", int(time.time()) + FOUNDING_S),
        *("--set", "grace_s=0", "--set", "confirm_s=2", "--set", "hold_s=0"),
        variables=FOUNDERS,
    ).ok()
    with running("up", "--home", home, variables=FOUNDERS) as up:
        up.says("Ctrl-C stops it")
        yield up
        assert up.interrupt().code in (0, 130)


@pytest.fixture(scope="module")
def url(network: Running) -> str:
    """Where the explorer is."""
    line = network.says("explorer http")
    return next(word for word in line.split() if word.startswith("http"))


def ask(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url.rstrip('/')}{path}", timeout=30) as answer:
        return json.loads(answer.read())


def progress(url: str, thumbprint: str) -> dict[str, str]:
    """Return the state of each step."""
    found = ask(url, f"/api/v1/join/progress?thumbprint={thumbprint}")
    return {step["name"]: step["state"] for step in found["steps"]}


def until(happened: Any, what: str) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (value := happened()):
        assert time.monotonic() < deadline, f"not {what} in time"
        time.sleep(0.1)
    return value


def test_from_an_empty_folder_to_a_judged_report(url: str, tmp_path: Path) -> None:
    home = tmp_path / "mine"
    joined = newcomer("join", f"{url}/join?resource=energy", "--home", home, "--json").ok()
    assert joined.document["resource"] == "energy"
    assert [path.name for path in home.iterdir()] == ["network.json"]
    assert joined.document["endpoints"][0].startswith("http://127.0.0.1:")

    account = newcomer("account", "new", "me", "--home", home).ok().out.strip()
    thumbprint = newcomer("device", "new", "roof", "--home", home).ok().out.strip()
    assert set(progress(url, thumbprint).values()) == {"waiting"}

    enrol = ("device", "enrol", "roof", "--owner", "me", "--resource", "energy", "--home", home)
    fine = newcomer(*enrol, "--cell", "891e15b4677ffff")
    refused = fine.refused(2)
    assert "finer than the 7 that this network's policy allows" in refused
    assert "give 871e15b46ffffff" in fine.err
    shown = newcomer("policy", "show", "map_resolution", "--home", home).ok().out
    assert "H3 resolution 7 (cells of about 5.2 km²)" in shown
    assert "a smaller number means larger map cells" in shown
    enrolled = newcomer(*enrol, "--place", "48.2,16.37").ok()
    assert "only the cell 871e15b46ffffff, about 5.2 km²" in enrolled.err
    assert "its binding is logged" in enrolled.err
    until(lambda: progress(url, thumbprint)["bound"] == "done", "bound")
    device = ask(url, f"/api/v1/join/progress?thumbprint={thumbprint}")
    assert device["owner"].lower() == account.lower()
    assert progress(url, thumbprint)["logged"] == "waiting"

    start = int(time.time()) // QUARTER_S * QUARTER_S - QUARTER_S
    columns = {"offset_s": [0], "import_wh": [0], "export_wh": [250]}
    readings = tmp_path / "readings.jsonl"
    line = {"kind": "report", "time": start, "columns": columns}
    readings.write_text(json.dumps(line) + "\n")
    source = f"roof:energy:{readings}"
    sent = newcomer("agent", "run", "--once", "--device", source, "--home", home).ok()
    assert "1 logged, 0 waiting, 0 refused" in sent.err
    until(lambda: progress(url, thumbprint)["logged"] == "done", "logged")
    until(lambda: progress(url, thumbprint)["judged"] != "waiting", "judged")
    last = ask(url, f"/api/v1/join/progress?thumbprint={thumbprint}")["steps"][-1]
    assert last["state"] in ("done", "failed"), last
    assert last["detail"].startswith("Epoch "), last


def test_a_passkey_joins_as_well(url: str, tmp_path: Path) -> None:
    home = tmp_path / "mine"
    newcomer("join", url, "--home", home).ok()
    newcomer("account", "passkey", "me", "--home", home).ok()
    newcomer("device", "new", "roof", "--home", home).ok()
    enrol = ("device", "enrol", "roof", "--owner", "me", "--resource", "energy", "--home", home)
    assert "its binding is logged" in newcomer(*enrol).ok().err


def test_joining_replaces_nothing(url: str, founders: Path, tmp_path: Path) -> None:
    home = tmp_path / "mine"
    first = newcomer("join", url, "--home", home).ok()
    before = (home / "network.json").read_bytes()
    again = newcomer("join", url, "--home", home, "--network", first.out.strip()).ok()
    assert "still in" in again.err
    assert (home / "network.json").read_bytes() == before
    assert "not of the expected" in newcomer(
        *("join", url, "--home", home, "--network", "0x" + "11" * 32)
    ).refused(4)

    configuration = ask(url, "/api/v1/join/configuration")
    forged = {**configuration, "manifest": {**configuration["manifest"], "name": "Other"}}
    file = tmp_path / "forged.json"
    file.write_text(json.dumps(forged))
    assert "another manifest" in newcomer("join", file, "--home", tmp_path / "x").refused(4)
    assert not (tmp_path / "x").exists()

    file.write_text(json.dumps(configuration))
    assert newcomer("join", file, "--home", tmp_path / "by-file").ok().out == first.out
    file.write_text(json.dumps({**configuration, "cell": "891e15b4677ffff"}))
    old = newcomer("join", file, "--home", tmp_path / "older", "--json").ok()
    assert old.document["cell"] == "871e15b46ffffff"
    assert "finer than the network allows now" in old.err
    file.write_text("{}")
    assert "no configuration" in newcomer("join", file, "--home", tmp_path / "x").refused(2)
    assert "runs this network itself" in newcomer("join", url, "--home", founders).refused(4)


def test_alerts_by_command_line_reach_a_webhook(network: Running, founders: Path) -> None:
    """What an operator subscribes, the running explorer sends."""
    del network
    heard: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def alerts(*arguments: object) -> Done:
        return commonworks("alerts", *arguments, "--home", founders, variables=FOUNDERS)

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        place = f"http://127.0.0.1:{server.server_address[1]}/x"
        add = ("add", "--account", "founder", "--webhook", place, "--kinds", "silent,vote")
        made = alerts(*add, "--json").ok().document
        assert made["in_force"]
        assert made["secret"].startswith("whsec_")
        assert "there already" in alerts(*add).refused(4)
        ident = alerts("test", made["id"]).ok().out.strip()
        until(lambda: heard, "called")
        until(lambda: alerts("list", "--json").ok().document[0]["sent"] == 1, "noted")
        server.shutdown()
        thread.join()
    assert [(one["id"], one["type"]) for one in heard] == [(ident, "test")]
    assert alerts("list").ok().out.count("in force") == 1
    alerts("remove", made["id"]).ok()
    assert alerts("list", "--json").ok().document == []
    assert "no such subscription" in alerts("remove", made["id"]).refused(3)
    mail = ("add", "--account", "founder", "--email", "ada@example.org")
    assert "cannot send e-mail" in alerts(*mail).refused(6)
    inside = commonworks(
        *("alerts", "add", "--account", "founder", "--webhook", "https://10.0.0.1/"),
        *("--home", founders),
        variables={PASSPHRASE_VARIABLE: "correct horse"},
    )
    assert "no public address" in inside.refused(2)
