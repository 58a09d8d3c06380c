"""Key files: private, durable, never overwritten; locked and damaged are told apart."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Conflict, Corrupt, NotFound, Unauthorized, Unavailable
from commonworks.storage import keyfiles
from commonworks.storage.keyfiles import inspect_key, read_key, write_key

SEED = bytes(range(100, 132))
BOTH = pytest.mark.parametrize("algorithm", list(Algorithm))


@pytest.fixture
def cheap_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests ask what happens, not how much the passphrase costs to try."""
    monkeypatch.setattr(keyfiles, "SCRYPT_LOG2_N", 4)


def key(algorithm: Algorithm = Algorithm.EDDSA) -> PrivateKey:
    return PrivateKey.from_seed(algorithm, SEED)


def rewrite(path: Path, **changes: object) -> None:
    """Change fields and give the file a checksum that fits them, as only a forger would."""
    document = json.loads(path.read_bytes())
    document.pop("checksum")
    document.update(changes)
    document["checksum"] = keyfiles._checksum(document)
    path.write_text(json.dumps(document))


@BOTH
def test_plain_file_gives_the_key_back(tmp_path: Path, algorithm: Algorithm) -> None:
    path = tmp_path / "roof.json"
    write_key(path, key(algorithm))
    assert read_key(path) == key(algorithm)
    assert read_key(path, "an unneeded passphrase") == key(algorithm)
    assert not inspect_key(path).encrypted
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["roof.json"]


@BOTH
def test_encrypted_file_at_full_cost(tmp_path: Path, algorithm: Algorithm) -> None:
    path = tmp_path / "roof.json"
    write_key(path, key(algorithm), passphrase="grüner Strom")
    assert SEED.hex() not in path.read_text()
    assert read_key(path, "grüner Strom") == key(algorithm)
    assert inspect_key(path).encrypted
    assert inspect_key(path).public == key(algorithm).public
    assert json.loads(path.read_bytes())["encrypted"]["log2_n"] == 16


@pytest.mark.usefixtures("cheap_passphrase")
def test_wrong_or_missing_passphrase_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "roof.json"
    write_key(path, key(), passphrase="right")
    with pytest.raises(Unauthorized, match="wrong passphrase for key file") as wrong:
        read_key(path, "wrong")
    assert "\n" not in str(wrong.value)
    with pytest.raises(Unauthorized, match="needs its passphrase"):
        read_key(path)


@pytest.mark.usefixtures("cheap_passphrase")
@pytest.mark.parametrize("passphrase", [None, "right"])
def test_every_flipped_byte_is_corrupt_and_never_a_wrong_passphrase(
    tmp_path: Path, passphrase: str | None
) -> None:
    path = tmp_path / "roof.json"
    write_key(path, key(), passphrase=passphrase)
    original = path.read_bytes()
    for position in range(len(original)):
        damaged = bytearray(original)
        damaged[position] ^= 0x01
        if _same_json(bytes(damaged), original):
            continue
        path.write_bytes(damaged)
        with pytest.raises(Corrupt, match="is damaged"):
            read_key(path, passphrase)


def _same_json(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b"[" * 4000, b" " * 5000, b'{"checksum": "x"}'],
)
def test_anything_else_is_corrupt(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "roof.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Corrupt):
        read_key(path)


@pytest.mark.usefixtures("cheap_passphrase")
def test_a_forged_checksum_does_not_help(tmp_path: Path) -> None:
    path = tmp_path / "roof.json"
    write_key(path, key())
    other = PrivateKey.from_seed(Algorithm.EDDSA, bytes(32)).public
    rewrite(path, public=other.raw.hex(), thumbprint=other.thumbprint.hex())
    with pytest.raises(Corrupt):
        read_key(path)
    path.unlink()
    write_key(path, key(), passphrase="right")
    box = json.loads(path.read_bytes())["encrypted"]
    for change in ({"log2_n": 40}, {"log2_n": True}, {"kdf": "none"}, {"r": 1 << 20}, {"salt": 7}):
        rewrite(path, encrypted=box | change)
        with pytest.raises(Corrupt):
            read_key(path, "right")
    # The public key is authenticated with the seed: swapping it fails the decryption.
    rewrite(path, encrypted=box, public=other.raw.hex(), thumbprint=other.thumbprint.hex())
    with pytest.raises(Unauthorized):
        read_key(path, "right")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_open_to_others_is_refused_with_a_hint(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "roof.json"
    write_key(path, key())
    path.chmod(mode)
    for attempt in (read_key, inspect_key):
        with pytest.raises(Unauthorized, match="chmod 600"):
            attempt(path)


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "roof.json"
    write_key(path, key())
    before = path.read_bytes()
    with pytest.raises(Conflict, match="exists already"):
        write_key(path, key(Algorithm.ES256))
    assert path.read_bytes() == before
    dangling = tmp_path / "dangling.json"
    dangling.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(Conflict):
        write_key(dangling, key())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dangling.json", "roof.json"]


def test_missing_file_and_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_key(tmp_path / "none.json")
    with pytest.raises(NotFound):
        write_key(tmp_path / "none" / "roof.json", key())


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="disk full"):
        write_key(tmp_path / "roof.json", key())
    assert list(tmp_path.iterdir()) == []


def test_file_and_folder_are_synced_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def record(descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        linked = (tmp_path / "roof.json").exists()
        synced.append(f"{'folder' if stat.S_ISDIR(mode) else 'file'} {linked}")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    write_key(tmp_path / "roof.json", key())
    assert synced == ["file False", "folder True"]
