"""Ethereum accounts in files: standard version 3 keystores, one file per name, mode 600.

A file appears whole or not at all. An empty passphrase is refused unless the caller says that the
network is a demo; the work factor of scrypt is an argument for the same reason.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json
from eth_utils.address import to_checksum_address

from commonworks.errors import (
    Conflict,
    Corrupt,
    InvalidInput,
    NotFound,
    Unauthorized,
    Unavailable,
)

SCRYPT_N: Final = 2**18
"""Work factor of a real account, as geth's standard keystores: about a second and 256 MiB."""

SCRYPT_N_DEMO: Final = 2**10
"""Work factor of a demo account, whose passphrase protects nothing."""

NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Names of accounts: also file names, so no separators and no leading dot."""

_SUFFIX: Final = ".json"
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAccount:
    """A keystore on disk, as far as it can be read without its passphrase."""

    name: str
    """Name of the account in this folder."""
    address: bytes
    """Account that the file says it holds, 20 bytes."""
    path: Path
    """The keystore file."""


def create_account(
    folder: Path,
    name: str,
    passphrase: str,
    *,
    key: bytes | None = None,
    scrypt_n: int = SCRYPT_N,
    allow_empty_passphrase: bool = False,
) -> LocalAccount:
    """Write a new keystore and return its account; durable when it returns.

    Inputs: `key` is the private key (32 bytes), drawn from the system's randomness when None;
    `scrypt_n` a power of two.
    Raises: Conflict when the name is taken, InvalidInput for a bad name or a forbidden empty
    passphrase, Unavailable when the file cannot be written.
    """
    path = _path(folder, name)
    if not passphrase and not allow_empty_passphrase:
        raise InvalidInput(
            f"account {name} needs a passphrase", hint="only a demo network may go without one"
        )
    if path.exists():
        raise _taken(name, path)
    private = secrets.token_bytes(32) if key is None else key
    try:
        account: LocalAccount = Account.from_key(private)
        keystore = create_keyfile_json(
            private, passphrase.encode(), version=3, kdf="scrypt", iterations=scrypt_n
        )
    except ValueError as error:
        raise InvalidInput(f"account {name} cannot be made: {error}") from error
    _write_new(path, name, json.dumps(keystore, sort_keys=True).encode() + b"\n")
    return account


def list_accounts(folder: Path) -> Sequence[StoredAccount]:
    """Return the keystores in `folder`, sorted by name; an absent folder holds none.

    Raises: Corrupt when a file in it is not a keystore.
    """
    if not folder.is_dir():
        return ()
    names = sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))
    return tuple(
        StoredAccount(name=name, address=_address(_read(folder, name), name), path=path)
        for name in names
        if NAME_PATTERN.fullmatch(name) and (path := folder / (name + _SUFFIX)).is_file()
    )


def load_account(folder: Path, name: str, passphrase: str) -> LocalAccount:
    """Return the account called `name`.

    Raises: NotFound when there is none, Unauthorized when the passphrase is wrong, Corrupt when
    the file is no keystore or holds another key than it says.
    """
    keystore = _read(folder, name)
    address = _address(keystore, name)
    try:
        private = decode_keyfile_json(keystore, passphrase.encode())
    except ValueError as error:
        if "MAC" in str(error):
            raise Unauthorized(
                f"wrong passphrase for account {name}", hint="try again with the right one"
            ) from None
        raise _corrupt(name) from error
    except (KeyError, TypeError, NotImplementedError) as error:
        raise _corrupt(name) from error
    account: LocalAccount = Account.from_key(private)
    if bytes.fromhex(account.address[2:]) != address:
        raise _corrupt(name)
    return account


def address_text(address: bytes) -> str:
    """Return an address as people see it: EIP-55 mixed-case hex."""
    return str(to_checksum_address(address))


def address_bytes(text: str) -> bytes:
    """Return the 20 bytes of a hex address; mixed case must carry a right EIP-55 checksum."""
    digits = text.removeprefix("0x")
    if not text.startswith("0x") or not re.fullmatch(r"[0-9a-fA-F]{40}", digits):
        raise InvalidInput(f"{text!r} is not an address", hint="write 0x and 40 hex digits")
    mixed = digits not in (digits.lower(), digits.upper())
    if mixed and to_checksum_address("0x" + digits) != text:
        raise InvalidInput(f"the checksum of address {text} is wrong", hint="copy it again")
    return bytes.fromhex(digits)


def _path(folder: Path, name: str) -> Path:
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is no name for an account",
            hint="use lower-case letters, digits, dot, dash and underscore",
        )
    return folder / (name + _SUFFIX)


def _read(folder: Path, name: str) -> dict[str, object]:
    path = _path(folder, name)
    try:
        keystore = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(
            f"no account {name} in {folder}", hint=f"make it: commonworks account new {name}"
        ) from None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise _corrupt(name) from error
    if not isinstance(keystore, dict):
        raise _corrupt(name)
    return keystore


def _address(keystore: dict[str, object], name: str) -> bytes:
    text = keystore.get("address")
    try:
        address = bytes.fromhex(text.removeprefix("0x")) if isinstance(text, str) else b""
    except ValueError:
        address = b""
    if len(address) != 20:
        raise _corrupt(name)
    return address


def _corrupt(name: str) -> Corrupt:
    return Corrupt(
        f"the keystore of account {name} is damaged", hint="restore it from a backup", account=name
    )


def _taken(name: str, path: Path) -> Conflict:
    return Conflict(f"account {name} exists already", hint="choose another name", path=str(path))


def _write_new(path: Path, name: str, data: bytes) -> None:
    """Create `path` with mode 600, whole and durable, or raise Conflict when it is there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _publish(temporary, path, name)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        hint = "free some space" if error.errno == errno.ENOSPC else "check the folder's rights"
        raise Unavailable(f"cannot write {path}: {error.strerror}", hint=hint) from error


def _publish(temporary: Path, path: Path, name: str) -> None:
    try:
        os.link(temporary, path)  # unlike rename, refuses to replace what is there
    except FileExistsError:
        raise _taken(name, path) from None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
