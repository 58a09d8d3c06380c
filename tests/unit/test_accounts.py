"""Keystores: whole, private, readable by other software, and honest about what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from commonworks.chain.accounts import (
    SCRYPT_N_DEMO,
    address_bytes,
    address_text,
    create_account,
    list_accounts,
    load_account,
)
from commonworks.errors import Conflict, Corrupt, InvalidInput, NotFound, Unauthorized, Unavailable

KEY = bytes(range(1, 33))
ADDRESS = "0x6370eF2f4Db3611D657b90667De398a2Cc2a370C"


def make(folder: Path, name: str = "ada", passphrase: str = "pass") -> str:
    account = create_account(folder, name, passphrase, key=KEY, scrypt_n=SCRYPT_N_DEMO)
    return str(account.address)


def test_an_account_comes_back_with_its_passphrase(tmp_path: Path) -> None:
    assert make(tmp_path) == ADDRESS
    loaded = load_account(tmp_path, "ada", "pass")
    assert bytes(loaded.key) == KEY
    assert loaded.address == ADDRESS


def test_the_file_is_a_standard_keystore_that_only_its_owner_reads(tmp_path: Path) -> None:
    make(tmp_path, passphrase="grün & schön")
    path = tmp_path / "ada.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert Account.decrypt(path.read_text(), "grün & schön") == KEY
    assert [entry.name for entry in tmp_path.iterdir()] == ["ada.json"]


def test_a_keystore_made_elsewhere_loads(tmp_path: Path) -> None:
    foreign = Account.encrypt(KEY, "pass", kdf="pbkdf2", iterations=100)
    (tmp_path / "foreign.json").write_text(json.dumps(foreign))
    assert bytes(load_account(tmp_path, "foreign", "pass").key) == KEY


def test_two_new_accounts_differ(tmp_path: Path) -> None:
    made = [
        create_account(tmp_path, name, "pass", scrypt_n=SCRYPT_N_DEMO).address
        for name in ("one", "two")
    ]
    assert made[0] != made[1]


def test_the_list_is_sorted_and_needs_no_passphrase(tmp_path: Path) -> None:
    assert list_accounts(tmp_path / "nowhere") == ()
    for name in ("zoe", "ada"):
        make(tmp_path, name)
    listed = list_accounts(tmp_path)
    assert [account.name for account in listed] == ["ada", "zoe"]
    assert {address_text(account.address) for account in listed} == {ADDRESS}


def test_an_empty_passphrase_needs_the_demo_flag(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="needs a passphrase"):
        make(tmp_path, passphrase="")
    create_account(
        tmp_path, "ada", "", key=KEY, scrypt_n=SCRYPT_N_DEMO, allow_empty_passphrase=True
    )
    assert load_account(tmp_path, "ada", "").address == ADDRESS


def test_a_taken_name_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    make(tmp_path)
    before = (tmp_path / "ada.json").read_bytes()
    with pytest.raises(Conflict, match="exists already"):
        create_account(tmp_path, "ada", "other", scrypt_n=SCRYPT_N_DEMO)
    assert (tmp_path / "ada.json").read_bytes() == before


def test_of_two_that_make_one_name_at_once_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    before = (tmp_path / "ada.json").read_bytes()
    monkeypatch.setattr(Path, "exists", lambda self: False)  # both looked before either wrote
    with pytest.raises(Conflict, match="exists already"):
        create_account(tmp_path, "ada", "other", scrypt_n=SCRYPT_N_DEMO)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ada.json"]
    assert (tmp_path / "ada.json").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../ada", "a/b", ".ada", "Ada", "a" * 64, "ada\n"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="no name for an account"):
        make(tmp_path, name)


def test_a_wrong_passphrase_is_unauthorized_and_an_absent_account_not_found(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(Unauthorized, match="wrong passphrase for account ada"):
        load_account(tmp_path, "ada", "guess")
    with pytest.raises(NotFound, match="no account bob"):
        load_account(tmp_path, "bob", "pass")


def damage_text(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def damage_address(path: Path) -> None:
    keystore = json.loads(path.read_text())
    keystore["address"] = "00" * 20
    path.write_text(json.dumps(keystore))


def damage_crypto(path: Path) -> None:
    keystore = json.loads(path.read_text())
    del keystore["crypto"]["kdfparams"]
    path.write_text(json.dumps(keystore))


@pytest.mark.parametrize("damage", [damage_text, damage_address, damage_crypto])
def test_a_damaged_file_is_corrupt(tmp_path: Path, damage: object) -> None:
    make(tmp_path)
    assert callable(damage)
    damage(tmp_path / "ada.json")
    with pytest.raises(Corrupt, match="keystore of account ada is damaged"):
        load_account(tmp_path, "ada", "pass")


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable, match="cannot write"):
        make(tmp_path / "file")


@pytest.mark.parametrize("key", [b"short", bytes(32), b"\xff" * 32])
def test_a_key_outside_the_curve_is_refused(tmp_path: Path, key: bytes) -> None:
    with pytest.raises(InvalidInput, match="cannot be made"):
        create_account(tmp_path, "ada", "pass", key=key, scrypt_n=SCRYPT_N_DEMO)
    assert list(tmp_path.iterdir()) == []


def test_addresses_are_bytes_inside_and_checksummed_hex_outside() -> None:
    raw = address_bytes(ADDRESS)
    assert len(raw) == 20
    assert address_text(raw) == ADDRESS
    assert address_bytes(ADDRESS.lower()) == raw
    wrong = ADDRESS.replace("0x6370e", "0x6370E")
    with pytest.raises(InvalidInput, match="checksum"):
        address_bytes(wrong)
    for text in ("", "0x", ADDRESS[2:], ADDRESS + "00", "0x" + "g" * 40):
        with pytest.raises(InvalidInput, match="is not an address"):
            address_bytes(text)
