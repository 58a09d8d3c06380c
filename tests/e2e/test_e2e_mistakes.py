"""Mistakes and bad luck: one clear line that says what to do, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import commonworks, installed
from street import Street, results

from commonworks import wiring

pytestmark = pytest.mark.xdist_group("e2e")

Copy = Callable[[], Path]

INVALID, MISSING, CONFLICT, UNAUTHORIZED, UNAVAILABLE, CORRUPT = range(2, 8)
"""Exit codes, as commonworks.errors has them."""

LOOKS = (
    ("epoch", "list"),
    ("epoch", "show", "0"),
    ("verdicts", "0"),
    ("audit", "0"),
    ("device", "list"),
    ("device", "show", "house-1/solar"),
    ("account", "show", "farm-1"),
    ("claim", "--account", "farm-1"),
    ("deposit", "1", "--account", "farm-1"),
    ("withdraw", "1", "--account", "farm-1"),
    ("limit", "farm-1/main", "1", "--account", "farm-1"),
    ("receipt", "get", "0", "file"),
    ("agent", "run", "--once"),
    ("up",),
)
"""Commands that need a network."""


@pytest.mark.parametrize("command", LOOKS, ids=" ".join)
def test_no_network_in_the_folder(command: tuple[str, ...], tmp_path: Path) -> None:
    told = commonworks(*command, "--home", tmp_path / "empty")
    assert told.refused(MISSING)
    assert re.search(r"\n  .*commonworks (init|account|device)\b", told.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"{}",
        b'{"format": "commonworks/9"}',
        b"null",
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "list", "no text", "no fields", "other format", "null", "deep"],
)
def test_a_corrupt_network_json(content: bytes, copy: Copy) -> None:
    home = copy()
    (home / "network.json").write_bytes(content)
    for command in (("epoch", "list"), ("demo", "--no-serve")):
        assert "network.json" in commonworks(*command, "--home", home).refused(CORRUPT)


def test_every_field_of_network_json_is_checked(copy: Copy) -> None:
    home = copy()
    document = json.loads((home / "network.json").read_text())
    for name in document:
        for value in (None, -1, "x", [1], {"a": 1}):
            if document[name] is None and value is None:
                continue
            (home / "network.json").write_text(json.dumps({**document, name: value}))
            done = commonworks("account", "show", "farm-1", "--home", home)
            assert "Traceback" not in done.err, (name, value, done.err)
            if done.code:
                assert done.refused(done.code), (name, value)


def test_damaged_files_of_a_demo(copy: Copy) -> None:
    home = copy()
    for content in (b"", b"{", b"[]", b"{}", b'{"seed": "x"}', b"\xff"):
        (home / "demo.json").write_bytes(content)
        done = commonworks("demo", "--no-serve", "--home", home)
        assert "demo.json" in done.refused(CORRUPT), content


def test_damaged_keys(copy: Copy) -> None:
    home = copy()
    for content in (b"", b"{", b"[]", b"{}", b"null"):
        (home / "accounts" / "farm-1.json").write_bytes(content)
        done = commonworks("deposit", "1", "--account", "farm-1", "--home", home)
        assert "farm-1" in done.refused(CORRUPT), content
        (home / "devices" / "house-1.solar.json").write_bytes(content)
        done = commonworks("device", "show", "house-1/solar", "--home", home)
        assert "house-1.solar" in done.refused(CORRUPT), content


def test_a_damaged_chain(copy: Copy) -> None:
    home = copy()
    journal = home / "chain" / "journal"
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    assert commonworks("epoch", "list", "--home", home).refused(CORRUPT)
    journal.write_bytes(b"")
    done = commonworks("epoch", "list", "--home", home)
    assert done.code in (CONFLICT, CORRUPT, MISSING)
    assert done.refused(done.code)


def test_a_demo_is_no_place_for_another_network(home: Path, tmp_path: Path) -> None:
    assert "demo" in commonworks("init", "--name", "Mine", "--home", home).refused(CONFLICT)
    rpc = ("--rpc", "http://127.0.0.1:1")
    assert commonworks("init", "--name", "Mine", "--home", home, *rpc).refused(CONFLICT)
    file = tmp_path / "file"
    file.touch()
    done = commonworks("demo", "--no-serve", "--home", file)
    assert done.code == INVALID
    assert "Traceback" not in done.err


def test_what_is_not_known(home: Path, tmp_path: Path) -> None:
    for command in (("epoch", "show", 99), ("verdicts", 99), ("audit", 99)):
        assert "epoch 99" in commonworks(*command, "--home", home).refused(MISSING)
    for number in ("-1", "x", "99999999999999999999"):
        done = commonworks("epoch", "show", "--home", home, "--", number)
        assert done.code in (INVALID, MISSING)
        assert "Traceback" not in done.err
    shown = commonworks("epoch", "show", 0, "--table", "nothing", "--home", home)
    assert "nothing" in shown.refused(MISSING)
    for command in (
        ("account", "show", "nobody"),
        ("claim", "--account", "nobody"),
        ("deposit", "1", "--account", "nobody"),
        ("withdraw", "1", "--account", "nobody"),
    ):
        assert "nobody" in commonworks(*command, "--home", home).refused(MISSING)
    for command in (
        ("device", "show", "house-99/none"),
        ("device", "enrol", "house-99/none", "--owner", "farm-1", "--resource", "energy"),
        ("limit", "house-99/none", "1", "--account", "farm-1"),
    ):
        assert "house-99/none" in commonworks(*command, "--home", home).refused(MISSING)
    enrol = ("device", "enrol", "house-1/solar", "--owner", "house-1", "--resource", "water")
    assert "water" in commonworks(*enrol, "--home", home).refused(MISSING)
    gateway = ("receipt", "get", 0, tmp_path / "x", "--gateway", "gateway-9")
    assert "gateway-9" in commonworks(*gateway, "--home", home).refused(MISSING)
    who = ("claim", "--account", "0x0000000000000000000000000000000000000001")
    assert commonworks(*who, "--home", home).refused(MISSING)
    assert commonworks("claim", "--account", "0x12", "--home", home).refused(INVALID)


@pytest.mark.parametrize("value", ["", "x", "1,5", "1.2345678", "1e3", "-1", "1.", "٣", "0x10"])
def test_malformed_amounts(home: Path, value: str) -> None:
    done = commonworks("deposit", "--account", "farm-1", "--home", home, "--", value)
    assert value in done.refused(INVALID)


def test_more_than_there_is(home: Path) -> None:
    large, vast = "1000000", "1" + "0" * 90
    deposit = commonworks("deposit", large, "--account", "farm-1", "--home", home)
    assert deposit.refused(CONFLICT)
    assert "fund" in deposit.err
    for command in (
        ("deposit", vast, "--account", "farm-1"),
        ("withdraw", vast, "--account", "farm-1"),
        ("account", "fund", "farm-1", vast),
        ("limit", "farm-1/main", vast, "--account", "farm-1"),
    ):
        assert commonworks(*command, "--home", home).refused(INVALID)


def test_money_is_told_in_units(copy: Copy) -> None:
    """People read amounts in the asset's units, programs integers; refusals name no raw units."""
    home = copy()
    for command in (("deposit", "0"), ("withdraw", "0")):
        done = commonworks(*command, "--account", "farm-1", "--home", home)
        assert "nothing" in done.refused(INVALID)
    done = commonworks("withdraw", "999999", "--account", "farm-1", "--home", home)
    assert re.search(r"farm-1 has deposited [\d,.]+ tEUR", done.refused(CONFLICT))
    done = commonworks("claim", "--account", "relayer", "--home", home)
    assert done.refused(MISSING)
    assert "--asset currency" in done.err
    foreign = ("limit", "farm-1/main", "1", "--account", "farm-2", "--home", home)
    assert "farm-1" in commonworks(*foreign).refused(UNAUTHORIZED)
    told = commonworks("withdraw", "1.25", "--account", "farm-1", "--home", home).ok()
    assert re.search(r"^amount +1\.25 tEUR$", told.out, re.MULTILINE)
    asked = commonworks("withdraw", "1.25", "--account", "farm-1", "--home", home, "--json").ok()
    assert json.loads(asked.out)["amount"] == 1_250_000
    told = commonworks("limit", "farm-1/main", "7.5", "--account", "farm-1", "--home", home).ok()
    assert re.search(r"^limit +7\.50 tEUR$", told.out, re.MULTILINE)
    told = commonworks("claim", "--account", "farm-2", "--home", home).ok()
    assert re.search(r"^amount +[\d,]+\.\d+ CWK$", told.out, re.MULTILINE)


def test_proposals_that_nobody_could_carry_out(home: Path) -> None:
    new = ("proposal", "new", "--title", "x", "--as", "farm-1", "--home", home)
    vast = "9" * 78
    somebody = "0x0000000000000000000000000000000000000001"
    for change in (
        ("--define", "=1:0:2"),
        ("--define", "f\x01o=1:0:2"),
        ("--call", f"{somebody}:00:{vast}"),
        ("--transfer", "token:0:farm-2"),
        ("--set", f"energy.grid_charge={vast}"),
    ):
        assert commonworks(*new, *change).refused(INVALID), change
    for device in ("9999", vast):
        assert commonworks(*new, "--reference", device).refused(MISSING)


def test_bad_names(home: Path) -> None:
    for name in ("", "../x", "A", "a b", "x" * 300, ".hidden"):
        made = commonworks("account", "new", "--home", home, "--", name)
        assert made.refused(INVALID), name
    for name in ("", "../x", "a b", ".hidden", "x" * 300, "\N{SNOWMAN}"):
        assert commonworks("device", "new", "--home", home, "--", name).refused(INVALID), name
    assert "exists" in commonworks("account", "new", "farm-1", "--home", home).refused(CONFLICT)
    taken = commonworks("device", "new", "house-1/solar", "--home", home)
    assert "exists" in taken.refused(CONFLICT)


def test_malformed_statements(home: Path) -> None:
    submit = ("device", "submit", "house-1/solar", "--resource", "energy", "--home", home)
    for columns in (("x",), ("x=",), ("=1",), ("x=1",), ("sell_min_micro_per_kwh=-1",)):
        done = commonworks(*submit, "--kind", "order", *columns)
        assert done.refused(INVALID), columns
    assert commonworks(*submit, "--kind", "order", "--time", "-5").refused(INVALID)
    assert commonworks(*submit, "--kind", "binding").refused(INVALID)
    vast = f"sell_min_micro_per_kwh={10**30}"
    assert commonworks(*submit, "--kind", "order", vast).refused(INVALID)


def test_sources_of_readings(home: Path, tmp_path: Path) -> None:
    run = ("agent", "run", "--once", "--home", home, "--device")
    assert "names no source" in commonworks(*run, "x").refused(INVALID)
    missing = f"house-1/solar:energy:{tmp_path / 'none'}"
    assert str(tmp_path / "none") in commonworks(*run, missing).refused(MISSING)
    assert commonworks(*run, "house-1/solar:water:x").refused(MISSING)
    assert commonworks(*run, "nobody:energy:x").refused(MISSING)


def test_a_missing_chain_program(copy: Copy, tmp_path: Path) -> None:
    home = copy()
    script = tmp_path / "anvil"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    wrong = tmp_path / "wrong"
    shutil.copy("/bin/true", wrong)
    for path, code in ((tmp_path / "none", MISSING), (script, MISSING), (wrong, UNAVAILABLE)):
        for command in (("epoch", "list", "--home", home), ("demo", "--no-serve", "--home", home)):
            done = commonworks(*command, variables={"COMMONWORKS_ANVIL": str(path)})
            assert "anvil" in done.refused(code).lower()


def test_a_checkout_without_npm_packages(tmp_path: Path) -> None:
    """The package elsewhere, where no node_modules lie beside it and nothing is on PATH."""
    package = Path(wiring.__file__).parents[1]
    unfinished = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "src" / package.name, ignore=unfinished)
    done = installed(
        *("demo", "--no-serve", "--home", tmp_path / "home"),
        variables={"PYTHONPATH": str(tmp_path / "src"), "PATH": str(tmp_path)},
    )
    assert "anvil" in done.refused(MISSING)
    assert "npm" in done.err


@pytest.mark.parametrize("place", ["--rpc"])
def test_an_endpoint_that_does_not_answer(tmp_path: Path, place: str) -> None:
    done = commonworks(
        *("init", "--name", "Far", "--home", tmp_path / "far", place, "http://127.0.0.1:1"),
        variables={"COMMONWORKS_PASSPHRASE": "x"},
    )
    assert "127.0.0.1:1" in done.refused(UNAVAILABLE)
    for address in ("ftp://127.0.0.1", "nonsense"):
        done = commonworks(
            *("init", "--name", "Far", "--home", tmp_path / "far", place, address),
            variables={"COMMONWORKS_PASSPHRASE": "x"},
        )
        assert done.refused(INVALID)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes; just a folder without the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    yield place
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk(street: Street, small_disk: Path, tmp_path: Path) -> None:
    """The demo stops in one line, and goes on when there is room."""
    limit = None if os.path.ismount(small_disk) else 300_000
    home = small_disk / "home"
    one_day = ("demo", "--days", 1, "--no-serve", "--json", "--home")
    full = commonworks(*one_day, home, file_bytes=limit)
    assert full.refused(UNAVAILABLE)
    roomy = tmp_path / "roomy"
    shutil.copytree(home, roomy)
    went_on = commonworks(*one_day, roomy).ok().document
    assert results(went_on) == results(street.document)[:1]
    full = commonworks("backup", small_disk / "b.tar.gz", "--home", roomy, file_bytes=limit)
    assert "backup" in full.refused(UNAVAILABLE)


def test_a_folder_that_may_not_be_written() -> None:
    """Nobody, not even root, makes a folder in /proc."""
    nowhere = Path("/proc/commonworks")
    key = {"COMMONWORKS_PASSPHRASE": "x"}
    for command in (
        ("demo", "--no-serve"),
        ("init", "--name", "Nowhere"),
        ("account", "new", "alice"),
        ("device", "new", "roof"),
    ):
        done = commonworks(*command, "--home", nowhere, variables=key)
        assert str(nowhere) in done.refused(UNAVAILABLE)


def test_wrong_usage_is_told_by_the_command_itself() -> None:
    for command in (("nonsense",), ("epoch",), ("demo", "--days", "x"), ("audit",), ("--nothing",)):
        done = commonworks(*command)
        assert done.code == INVALID
        assert "Traceback" not in done.err
        assert "Usage: commonworks" in done.err
