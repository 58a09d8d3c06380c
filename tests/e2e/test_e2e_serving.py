"""A demo that keeps running: other commands attach to its chain and its gateway."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import commonworks, running
from street import GATEWAY, Street

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture(scope="module")
def url(serving: Path) -> str:
    """Where the gateway of the running network listens: the street's own port, or a free one."""
    up = (serving.parent / "told").read_text()
    found = re.search(r"gateway (http://\S+)", up)
    assert found
    return found[1]


def test_a_log_is_checked_by_folder_and_by_url(serving: Path, url: str) -> None:
    by_folder = commonworks("log", "check", "--home", serving, "--json").ok().document
    vkey = (serving / "gateways" / GATEWAY / "vkey").read_text().strip()
    by_url = commonworks("log", "check", url, "--vkey", vkey, "--json").ok().document
    assert by_url == by_folder
    unsigned = commonworks("log", "check", url, "--json").ok()
    assert unsigned.document == {**by_url, "signed": False}
    assert "the checkpoint's signature is not checked" in unsigned.err


def test_an_audit_runs_beside_the_network(street: Street, serving: Path, url: str) -> None:
    found = commonworks("audit", 1, "--home", serving, "--json").ok().document
    assert found["digest"]["found"] == street.document["epochs"][1]["digest"]
    remote = commonworks(
        *("audit", 0, "--home", serving, "--log", url, "--as", "verifier-1", "--json")
    )
    assert remote.ok().document["equal"] is True


def test_what_is_sealed_is_for_members_only(serving: Path, url: str) -> None:
    remote = ("audit", 0, "--home", serving, "--log", url)
    assert "sealed" in commonworks(*remote).refused(5)
    commonworks("account", "new", "stranger", "--home", serving).ok()
    assert commonworks(*remote, "--as", "stranger").refused(5)
    assert commonworks(*remote, "--as", "farm-2").ok()


def test_a_log_of_somebody_else_is_not_audited(
    serving: Path, url: str, copy: Callable[[], Path]
) -> None:
    other = copy() / "gateways" / GATEWAY
    note = other / "log" / "checkpoint"
    note.write_bytes(note.read_bytes()[:-6] + b"AAAA=\n")
    done = commonworks("audit", 0, "--home", serving, "--log", other)
    assert "no gateway of this network has signed" in done.refused(2)


def test_commands_act_on_the_running_chain(serving: Path) -> None:
    before = _deposited(serving, "farm-2")
    commonworks("account", "fund", "farm-2", "7", "--home", serving).ok()
    commonworks("deposit", "7", "--account", "farm-2", "--home", serving).ok()
    assert _deposited(serving, "farm-2") == before + 7_000_000


def test_a_receipt_comes_from_the_running_gateway(serving: Path, tmp_path: Path) -> None:
    file = tmp_path / "entry.cose"
    commonworks("receipt", "get", 700, file, "--home", serving).ok()
    assert "proven: entry 700" in commonworks("receipt", "check", file, "--home", serving).ok().out


def test_a_second_network_in_the_same_folder_is_refused(street: Street, serving: Path) -> None:
    for arguments in (("up",), ("demo", "--no-serve")):
        with running(*arguments, "--home", serving) as second:
            told = second.wait().refused(4)
        assert "another process runs the network" in told
    target = serving.parent / "running.tar.gz"
    assert "running" in commonworks("backup", target, "--home", serving).refused(4)
    assert not target.exists()


def _deposited(home: Path, name: str) -> int:
    shown = commonworks("account", "show", name, "--home", home, "--json").ok().document
    (currency,) = [asset for asset in shown["assets"] if asset["decimals"] == 6]
    return int(currency["deposited"])
