"""Audits and checks of evidence: what is whole passes, one changed byte is found and named."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import commonworks
from street import GATEWAY, Street

pytestmark = pytest.mark.xdist_group("e2e")

Copy = Callable[[], Path]

NAME_BYTES = 2
"""Each entry of a bundle stands behind its length, two bytes, big endian."""


def gateway(home: Path) -> Path:
    return home / "gateways" / GATEWAY


def flip(path: Path, at: int) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def entry_at(bundle: bytes, wanted: int) -> tuple[int, int]:
    """Return where an entry of a bundle begins, behind its length, and how long it is."""
    at = 0
    for _ in range(wanted):
        at += NAME_BYTES + int.from_bytes(bundle[at : at + NAME_BYTES], "big")
    return at + NAME_BYTES, int.from_bytes(bundle[at : at + NAME_BYTES], "big")


def test_an_audit_finds_what_was_finalised(street: Street, home: Path) -> None:
    for epoch in street.document["epochs"]:
        done = commonworks("audit", epoch["epoch"], "--home", home, "--json").ok()
        found = done.document
        assert found["equal"] is True
        assert found["differences"] == []
        assert found["statements"] == epoch["statements"]
        for name in ("result", "root", "digest"):
            assert found[name] == {"found": epoch[name], "expected": epoch[name]}
    told = commonworks("audit", 0, "--home", home).ok().out
    assert "equal" in told
    assert street.document["epochs"][0]["digest"] in told


def test_an_audit_reads_nothing_that_a_verifier_or_an_agent_stored(copy: Copy) -> None:
    home = copy()
    shutil.rmtree(home / "verifiers")
    shutil.rmtree(home / "agents")
    shutil.rmtree(gateway(home) / "state")
    shutil.rmtree(home / "devices")
    assert commonworks("audit", 1, "--home", home, "--json").ok().document["equal"] is True


@pytest.mark.parametrize("offset", [40, -5])
def test_one_byte_of_a_statement_is_found_and_named(copy: Copy, offset: int) -> None:
    """Once in the statement's head, once in its signature."""
    home, entry = copy(), 300
    bundle = gateway(home) / "log" / "tile" / "entries" / "001"
    at, length = entry_at(bundle.read_bytes(), entry - 256)
    flip(bundle, at + offset % length)
    done = commonworks("audit", 0, "--home", home)
    assert done.code == 1, done.err
    (first,) = [line for line in done.out.splitlines() if line.startswith("first difference:")]
    assert GATEWAY in first
    assert "tile/entries/001" in first
    assert f"entry {entry}" in first
    assert "Traceback" not in done.err
    checked = commonworks("log", "check", gateway(home))
    assert checked.code == 1
    assert f"tile/entries/001, entry {entry}" in checked.out


@pytest.mark.parametrize("bundle", ["000", "003", "newest partial"])
def test_a_statement_of_any_bundle_is_found(copy: Copy, bundle: str) -> None:
    home = copy()
    entries = gateway(home) / "log" / "tile" / "entries"
    name = bundle
    if bundle == "newest partial":
        newest = max(entries.glob("*.p/*"), key=lambda path: (path.parent.name, int(path.name)))
        name = str(newest.relative_to(entries))
    data = (entries / name).read_bytes()
    at, length = entry_at(data, 3)
    flip(entries / name, at + length // 2)
    done = commonworks("audit", 1, "--home", home, "--json")
    assert done.code == 1
    first = done.document["differences"][0]
    wanted = int(name.partition(".")[0]) * 256 + 3
    assert GATEWAY in first
    assert f"entry {wanted}" in first
    assert done.document["equal"] is False


def test_one_byte_of_a_sealed_payload_is_found_and_named(copy: Copy) -> None:
    home, entry = copy(), 300
    bundle = gateway(home) / "sealed" / "entries" / "001"
    at, length = entry_at(bundle.read_bytes(), entry - 256)
    assert length > 0
    flip(bundle, at + length // 2)
    done = commonworks("audit", 0, "--home", home, "--json")
    assert done.code == 1
    (first, *_) = done.document["differences"]
    assert GATEWAY in first
    assert f"entry {entry}" in first
    assert "payload" in first
    assert commonworks("log", "check", gateway(home)).ok()  # sealed payloads are not in the tree


def test_a_payload_that_is_gone_is_named(copy: Copy) -> None:
    home, entry = copy(), 300
    bundle = gateway(home) / "sealed" / "entries" / "001"
    data = bundle.read_bytes()
    at, length = entry_at(data, entry - 256)
    bundle.write_bytes(data[: at - NAME_BYTES] + bytes(NAME_BYTES) + data[at + length :])
    done = commonworks("audit", 0, "--home", home, "--json")
    assert done.code == 1
    assert f"entry {entry}: the payload is missing" in done.document["differences"][0]


@pytest.mark.parametrize("resource", ["checkpoint", "tile/0/002", "tile/1/000.p"])
def test_one_byte_of_checkpoint_or_tile_is_found_and_named(copy: Copy, resource: str) -> None:
    home = copy()
    path = gateway(home) / "log" / resource
    if path.is_dir():
        path = max(path.iterdir(), key=lambda part: int(part.name))
    flip(path, path.stat().st_size // 2)
    done = commonworks("audit", 1, "--home", home, "--json")
    assert done.code == 1, done.err
    first = done.document["differences"][0]
    assert GATEWAY in first
    assert resource in first
    checked = commonworks("log", "check", gateway(home), "--json")
    assert checked.code == 1
    assert resource in checked.document["fault"]


def test_a_bundle_that_is_gone_is_named(copy: Copy) -> None:
    home = copy()
    (gateway(home) / "log" / "tile" / "entries" / "002").unlink()
    done = commonworks("audit", 0, "--home", home)
    assert done.code == 1, done.err
    assert "tile/entries/002" in done.out


def test_a_log_that_is_gone_is_one_clear_line(copy: Copy) -> None:
    home = copy()
    shutil.rmtree(gateway(home))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody listens, and nobody else can
        place = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = commonworks("audit", 0, "--home", home, "--log", place)
    assert "(Connection refused)" in done.refused(6)
    assert "no log" in commonworks("log", "check", gateway(home)).refused(3)
    assert "no log" in commonworks("log", "check", "--home", home).refused(3)


def test_a_whole_log_passes_its_check(street: Street, home: Path) -> None:
    told = commonworks("log", "check", gateway(home)).ok()
    assert "signed by" in told.out
    found = commonworks("log", "check", gateway(home) / "log", "--json").ok().document
    assert found["signed"] is True
    assert found["fault"] is None
    assert found["entries"] == found["size"]
    assert found["size"] >= sum(epoch["statements"] for epoch in street.document["epochs"])


def test_another_gateways_key_does_not_vouch(home: Path) -> None:
    vkey = (gateway(home) / "vkey").read_text().strip()
    name, number, key = vkey.split("+", 2)
    other = f"{name}+{number}+{key[:-2]}AA" if not key.endswith("AA") else vkey
    done = commonworks("log", "check", gateway(home), "--vkey", other)
    assert done.code in (1, 2)
    assert "Traceback" not in done.err


def test_receipts_prove_and_tampered_ones_do_not(copy: Copy, tmp_path: Path) -> None:
    home, file = copy(), tmp_path / "entry-57.cose"
    assert commonworks("receipt", "get", 57, file, "--home", home).ok().out.strip() == str(file)
    proven = commonworks("receipt", "check", file, "--home", home, "--json").ok().document
    assert [item["entry"] for item in proven] == [57]
    assert "proven: entry 57" in commonworks("receipt", "check", file, "--home", home).ok().out
    data = file.read_bytes()
    for at in (len(data) // 3, len(data) // 2, len(data) - 3):
        bad = tmp_path / f"bad-{at}.cose"
        bad.write_bytes(data)
        flip(bad, at)
        assert commonworks("receipt", "check", bad, "--home", home).refused(2)
    for name, content in {"empty": b"", "text": b"no receipt", "cut": data[:-9]}.items():
        bad = tmp_path / name
        bad.write_bytes(content)
        assert commonworks("receipt", "check", bad, "--home", home).refused(2)
    log = commonworks("log", "check", gateway(home), "--json").ok().document
    beyond = commonworks("receipt", "get", log["size"], tmp_path / "none", "--home", home)
    assert f"0..{log['size'] - 1}" in beyond.refused(3)
    assert not (tmp_path / "none").exists()
