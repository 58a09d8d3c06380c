"""A network that stays: founded, run, stopped, killed, run again; members act while it runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, Running, commonworks, installed, running

from commonworks.wiring.home import PASSPHRASE_VARIABLE

pytestmark = pytest.mark.xdist_group("e2e_network")

UNLOCKED = {PASSPHRASE_VARIABLE: "correct horse"}
EPOCH_S = 60
FOUNDING_S = 40
"""How long founding may take, before epoch 0 opens: keys are slow to lock on purpose."""
SOON_S = 10
"""What Ctrl-C may take."""
QUARTER_S = 900


def command(*arguments: object) -> Done:
    return commonworks(*arguments, variables=UNLOCKED)


@contextmanager
def up(home: Path) -> Iterator[Running]:
    with running("up", "--home", home, variables=UNLOCKED) as process:
        process.says("Ctrl-C stops it")
        yield process


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network as `init` left it; epochs of seconds, so that a test sees some."""
    home = tmp_path_factory.mktemp("network") / "home"
    done = installed(
        *("init", "--name", "Test street", "--resource", "energy", "--home", home),
        *("--epoch", EPOCH_S, "--genesis", int(time.time()) + FOUNDING_S),
        *("--set", "grace_s=0", "--set", "confirm_s=2", "--set", "hold_s=0"),
        variables=UNLOCKED,
    ).ok()
    assert done.out.startswith("0x")
    assert len(done.out.strip()) == 66
    return home


def test_founding_again_changes_nothing(founded: Path) -> None:
    before = (founded / "network.json").read_bytes()
    first, second = (
        command("init", "--name", name, "--home", founded).ok().out for name in ("Same", "Other")
    )
    assert first == second
    assert (founded / "network.json").read_bytes() == before


def test_a_killed_network_goes_on(founded: Path) -> None:
    """Deposits acknowledged before kill -9 are there after it, once."""
    (before, _) = _json("account", "show", "founder", home=founded)["assets"]
    for amount in (3, 5):
        with up(founded) as network:
            command("account", "fund", "founder", amount, "--home", founded).ok()
            command("deposit", amount, "--account", "founder", "--home", founded).ok()
            network.kill()
    with up(founded) as network:
        (after, _) = _json("account", "show", "founder", home=founded)["assets"]
        assert network.interrupt().code in (0, 130)
    assert after["deposited"] == before["deposited"] + 8_000_000
    assert after["balance"] == before["balance"]


def test_a_member_joins_earns_nothing_yet_and_gets_a_deposit_back(
    founded: Path, tmp_path: Path
) -> None:
    """Everything a member does, while the network runs and settles."""
    with up(founded) as network:
        assert command("account", "new", "alice", "--home", founded).ok().out.startswith("0x")
        assert len(command("device", "new", "roof/solar", "--home", founded).ok().out.strip()) == 64
        enrol = ("--owner", "alice", "--resource", "energy", "--home", founded)
        enrolled = command("device", "enrol", "roof/solar", *enrol).ok()
        assert enrolled.out.strip() == "1"
        assert "its binding is logged" in enrolled.err
        again = command("device", "enrol", "roof/solar", *enrol).ok()
        assert again.out.strip() == "1"
        shown = _json("device", "show", "roof/solar", home=founded)
        assert (shown["enrolled"], shown["owner"], shown["id"]) == (True, "alice", 1)
        (listed,) = _json("device", "list", home=founded)
        assert listed["name"] == "roof/solar"

        order = ("--kind", "order", "sell_min_micro_per_kwh=90000")
        submitted = command(
            *("device", "submit", "roof/solar", "--resource", "energy", "--home", founded), *order
        )
        assert submitted.ok().out.strip() == "logged"

        command("account", "fund", "alice", "100.50", "--home", founded).ok()
        command("deposit", "50", "--account", "alice", "--home", founded).ok()
        command("withdraw", "20.25", "--account", "alice", "--home", founded).ok()
        _readings(tmp_path / "roof.jsonl")
        delivered = command(
            *("agent", "run", "--once", "--home", founded),
            *("--device", f"roof/solar:energy:{tmp_path / 'roof.jsonl'}"),
        ).ok()
        assert "1 logged, 0 waiting, 0 refused" in delivered.err
        assert "line 2: no reading" in delivered.err
        assert "line 3: no reading" in delivered.err
        assert "line 4: no reading" in delivered.err

        asked = _epochs_closed(network)
        network.says(f"epoch {asked + 1}: ")
        paid = command(
            *("claim", "--account", "alice", "--asset", "currency", "--home", founded, "--json")
        ).ok()
        assert paid.document["amount"] == 20_250_000
        began = time.monotonic()
        done = network.interrupt()
        assert time.monotonic() - began < SOON_S
        assert done.code in (0, 130)
        assert "Traceback" not in done.err
    (currency, _) = _json("account", "show", "alice", home=founded)["assets"]
    assert (currency["balance"], currency["deposited"]) == (70_750_000, 50_000_000)
    assert command("audit", 0, "--home", founded).ok()


def _epochs_closed(network: Running) -> int:
    """Return the number of the newest epoch that was told, -1 before the first."""
    return max(
        (
            int(line.split(":")[0].removeprefix("epoch "))
            for line in network.err.splitlines()
            if line.startswith("epoch ")
        ),
        default=-1,
    )


def _readings(file: Path) -> None:
    """Write one good line among lines that are none."""
    start = int(time.time()) // QUARTER_S * QUARTER_S - 2 * QUARTER_S
    columns = {"offset_s": [0, QUARTER_S], "import_wh": [0, 0], "export_wh": [0, 250]}
    rounded = {**columns, "export_wh": [0, 250.5]}
    lacking = {"offset_s": [0, QUARTER_S]}
    lines = [
        json.dumps({"kind": "report", "time": start, "columns": columns}),
        "no reading",
        json.dumps({"kind": "report", "time": start, "columns": rounded}),
        json.dumps({"kind": "report", "time": start, "columns": lacking}),
    ]
    file.write_text("".join(line + "\n" for line in lines))


def _json(*arguments: object, home: Path) -> Any:
    return command(*arguments, "--home", home, "--json").ok().document


def test_one_folder_is_run_once(founded: Path) -> None:
    with up(founded) as network:
        with running("up", "--home", founded, variables=UNLOCKED) as second:
            assert second.wait().refused(4)
        assert network.process.poll() is None
        began = time.monotonic()
        assert network.interrupt(signal.SIGTERM).code in (0, 130)
        assert time.monotonic() - began < SOON_S


def test_an_occupied_port_is_named(founded: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(founded, home)
    port = int((home / "gateways" / "gateway-1" / "port").read_text())
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with running("up", "--home", home, variables=UNLOCKED) as refused:
            assert f"port {port}" in refused.wait().refused(4)


def test_keys_are_locked(founded: Path, tmp_path: Path) -> None:
    wrong = {PASSPHRASE_VARIABLE: "wrong"}
    fund = ("account", "fund", "relayer", "1", "--home", founded)
    assert "wrong passphrase for account founder" in commonworks(*fund, variables=wrong).refused(5)
    assert "locked" in commonworks(*fund).refused(5)
    file = tmp_path / "passphrase"
    assert str(file) in commonworks(*fund, "--passphrase-file", file).refused(2)
    file.write_text(UNLOCKED[PASSPHRASE_VARIABLE] + "\n")
    assert commonworks(*fund, "--passphrase-file", file).ok()
    assert "wrong passphrase" in commonworks("up", "--home", founded, variables=wrong).refused(5)


def test_key_files_are_for_their_owner_only(founded: Path) -> None:
    locked = command("device", "new", "locked", "--alg", "p256", "--lock", "--home", founded).ok()
    files = [
        *(founded / "accounts").glob("*.json"),
        *(founded / "devices").glob("*.json"),
        *(founded / "gateways" / "gateway-1" / "keys").glob("*.json"),
    ]
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
    shown = _json("device", "show", "locked", home=founded)
    assert (shown["locked"], shown["algorithm"]) == (True, "es256")
    assert shown["key"] == locked.out.strip()
    wrong = {PASSPHRASE_VARIABLE: "wrong"}
    submit = ("device", "submit", "locked", "--resource", "energy", "--kind", "order")
    done = commonworks(*submit, "buy_max_micro_per_kwh=1", "--home", founded, variables=wrong)
    assert done.refused(5)
    taken = command("device", "new", "locked", "--home", founded)
    assert "exists" in taken.refused(4)


def test_a_first_epoch_in_the_past_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "late"
    done = command("init", "--name", "Late", "--home", home, "--genesis", int(time.time()) - 1)
    assert "--genesis" in done.refused(2)
    assert not home.exists() or not os.listdir(home)
