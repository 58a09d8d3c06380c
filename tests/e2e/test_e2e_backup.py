"""A network in one file: brought back whole, or not at all."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import commonworks
from street import Street

from commonworks.explorer.index.engine import open_index
from commonworks.wiring.explorer.running import BOOK
from commonworks.wiring.explorer.site import index_of
from commonworks.wiring.home import Home
from index_story import rows_of

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture(scope="module")
def backup(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("backup")
    home, file = street.copy(place / "home"), place / "street.tar.gz"
    done = commonworks("backup", file, "--home", home).ok()
    assert done.out.strip() == str(file)
    assert "files" in done.err
    return file


def test_a_network_comes_back_and_can_be_audited(
    street: Street, backup: Path, tmp_path: Path
) -> None:
    home = tmp_path / "back"
    assert commonworks("restore", backup, "--home", home).ok().out.strip() == str(home)
    found = commonworks("audit", 1, "--home", home, "--json").ok().document
    assert found["digest"]["found"] == street.document["epochs"][1]["digest"]
    assert commonworks("log", "check", "--home", home).ok()
    keys = (home / "accounts").iterdir()
    assert {oct(path.stat().st_mode & 0o777) for path in keys} == {"0o600"}
    again = commonworks("restore", backup, "--home", home)
    assert "not empty" in again.refused(4)


def test_what_follows_from_chain_and_logs_is_not_in_it(street: Street, tmp_path: Path) -> None:
    home, file = street.copy(tmp_path / "home"), tmp_path / "street.tar.gz"
    commonworks("index", "rebuild", "--home", home).ok()
    alerts = ("alerts", "add", "--account", "farm-1", "--webhook", "https://example.org/hook")
    commonworks(*alerts, "--home", home).ok()
    kept = home / "explorer" / "secret"
    kept.write_bytes(bytes(range(32)))
    (home / "explorer" / "index.sqlite-wal").touch()
    (home / "explorer" / "rebuilding" / "index.sqlite").touch()
    (home / "explorer" / BOOK).touch()
    before = _rows(home)
    commonworks("backup", file, "--home", home).ok()
    back = tmp_path / "back"
    commonworks("restore", file, "--home", back).ok()
    there = {path.name for path in (back / "explorer").rglob("*") if path.is_file()}
    assert not [name for name in there if name.startswith("index") or name == BOOK]
    assert (back / "explorer" / "secret").read_bytes() == bytes(range(32))
    assert "example.org" in commonworks("alerts", "list", "--home", back).ok().out
    commonworks("index", "rebuild", "--home", back).ok()
    assert _rows(back) == before


def _rows(home: Path) -> object:
    engine = open_index(index_of(Home(path=home)), read_only=True)
    try:
        return rows_of(engine)
    finally:
        engine.dispose()


def test_a_backup_is_not_written_over(backup: Path, home: Path) -> None:
    before = backup.read_bytes()
    assert "exists already" in commonworks("backup", backup, "--home", home).refused(4)
    assert backup.read_bytes() == before


def _flipped(data: bytes) -> bytes:
    """Change one byte of a file inside, so that only its digest can tell."""
    inside = bytearray(gzip.decompress(data))
    at = inside.index(b"0000000000", len(inside) // 3)
    inside[at] ^= 1
    return gzip.compress(bytes(inside), 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-2_000],
        lambda data: data[:1000] + bytes([data[1000] ^ 1]) + data[1001:],
        lambda data: b"",
        lambda data: b"no backup",
        lambda data: gzip.compress(b"no archive"),
        _flipped,
    ],
    ids=["cut", "end cut off", "one byte", "empty", "text", "no archive", "one byte inside"],
)
def test_a_damaged_backup_is_refused(
    backup: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    bad, home = tmp_path / "bad.tar.gz", tmp_path / "back"
    bad.write_bytes(damage(backup.read_bytes()))
    assert commonworks("restore", bad, "--home", home).refused(7)
    assert list(tmp_path.iterdir()) == [bad]


def test_what_is_not_there_cannot_be_restored_or_backed_up(tmp_path: Path) -> None:
    missing = tmp_path / "missing.tar.gz"
    done = commonworks("restore", missing, "--home", tmp_path / "back")
    assert str(missing) in done.refused(3)
    done = commonworks("backup", missing, "--home", tmp_path / "nothing")
    assert "no network" in done.refused(3)
    assert list(tmp_path.iterdir()) == []
