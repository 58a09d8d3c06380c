"""The passkeys of a folder: `passkeys/<name>/key.json` and, once it speaks for one, `account.json`.

A key comes first and its account afterwards, so what is interrupted in between goes on with the
same key. Nothing here asks the chain.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonworks.chain.accounts import NAME_PATTERN, address_bytes, address_text
from commonworks.chain.passkey import PasskeySigner
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import CommonworksError, Corrupt, InvalidInput, NotFound
from commonworks.storage.keyfiles import inspect_key, read_key, write_key
from commonworks.wiring import documents

FOLDER: Final = "passkeys"
"""Name of the folder below a network's own."""

KEY: Final = "key.json"
RECORD: Final = "account.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPasskey:
    """A passkey of this folder that speaks for an account."""

    name: str
    address: bytes
    """The member account, 20 bytes."""
    path: Path
    """Its key file."""

    def unlock(self, secret: Callable[[], str]) -> PasskeySigner:
        """Return what signs for the account; `secret` is asked where the key is locked."""
        locked = inspect_key(self.path).encrypted
        return PasskeySigner(
            address=self.address, key=read_key(self.path, secret() if locked else None)
        )


def list_passkeys(folder: Path) -> tuple[StoredPasskey, ...]:
    """Return the passkeys that have an account, sorted by name; an absent folder holds none."""
    if not folder.is_dir():
        return ()
    names = sorted(path.parent.name for path in folder.glob(f"*/{RECORD}"))
    return tuple(_stored(folder, name) for name in names if NAME_PATTERN.fullmatch(name))


def find_passkey(folder: Path, name: str) -> StoredPasskey | None:
    """Return the passkey called `name`, None where there is none with an account."""
    if not NAME_PATTERN.fullmatch(name) or not (folder / name / RECORD).is_file():
        return None
    return _stored(folder, name)


def open_key(folder: Path, name: str, passphrase: str | None) -> PublicKey:
    """Return the passkey's public half; make its key where it is missing.

    Inputs: `passphrase` locks a key that is made; an existing one stays as it is.
    Raises: InvalidInput for a bad name, or when the name is another account's already.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is no name for an account",
            hint="use lower-case letters, digits, dot, dash and underscore",
        )
    path = folder / name / KEY
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_key(path, PrivateKey.generate(Algorithm.ES256), passphrase=passphrase)
    return inspect_key(path).public


def key_named(folder: Path, name: str) -> PublicKey:
    """Return the public half of a passkey, whether it has an account or not; raise NotFound."""
    path = folder / name / KEY
    if not NAME_PATTERN.fullmatch(name) or not path.exists():
        raise NotFound(
            f"no passkey {name} in {folder}", hint=f"make it: commonworks account passkey {name}"
        )
    return inspect_key(path).public


def record_file(folder: Path, name: str) -> Path:
    """Return where the account of a passkey is kept."""
    return folder / name / RECORD


def encode_record(address: bytes) -> bytes:
    """Return the content of that file."""
    return json.dumps({"address": address_text(address)}).encode() + b"\n"


def _stored(folder: Path, name: str) -> StoredPasskey:
    path = record_file(folder, name)
    try:
        address = address_bytes(str(documents.parse(path.read_bytes())["address"]))
    except (ValueError, KeyError, TypeError, OSError, CommonworksError) as error:
        raise Corrupt(f"{path} is damaged", hint="restore it from a backup") from error
    return StoredPasskey(name=name, address=address, path=folder / name / KEY)
