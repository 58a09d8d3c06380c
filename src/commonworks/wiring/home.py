"""A network's folder: what lies where, opened with one clear error when it is not what it says."""

from __future__ import annotations

import getpass
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eth_account.signers.local import LocalAccount

from commonworks.chain.accounts import create_account, list_accounts, load_account
from commonworks.chain.manifest import Manifest, decode_manifest, encode_manifest
from commonworks.chain.signer import KeystoreSigner, Signer
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Corrupt, InvalidInput, NotFound, Unauthorized, Unavailable
from commonworks.storage.keyfiles import inspect_key, read_key, write_key
from commonworks.wiring import documents
from commonworks.wiring.passkeys import FOLDER as PASSKEYS
from commonworks.wiring.passkeys import StoredPasskey, find_passkey, list_passkeys

MANIFEST: Final = "network.json"
DEMO_MARK: Final = "demo.json"
NAME_MAX: Final = 100
"""Longest name of a device."""
DEMO_SCRYPT_N: Final = 2
"""A demo's keys protect nothing: they come from a seed that everybody may know."""
PASSPHRASE_VARIABLE: Final = "COMMONWORKS_PASSPHRASE"  # noqa: S105 - a name, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folder of one network."""

    path: Path
    passphrase: str | None = None
    """Unlocks accounts and device keys; None: the environment's, or none."""

    @property
    def chain(self) -> Path:
        """Folder of the embedded chain."""
        return self.path / "chain"

    @property
    def accounts(self) -> Path:
        """Folder of keystores."""
        return self.path / "accounts"

    @property
    def devices(self) -> Path:
        """Folder of device keys."""
        return self.path / "devices"

    def gateway(self, name: str) -> Path:
        """Folder of a gateway's log and state."""
        return self.path / "gateways" / name

    def verifier(self, name: str) -> Path:
        """Folder of a verifier's mirror and archive."""
        return self.path / "verifiers" / name

    def agent(self, name: str) -> Path:
        """Folder of an agent's queue."""
        return self.path / "agents" / name

    def exists(self) -> bool:
        """Tell whether a network was founded here, or begun to be."""
        return (self.path / MANIFEST).is_file()

    def manifest(self) -> Manifest:
        """Return the network's manifest; raise NotFound or Corrupt."""
        try:
            data = (self.path / MANIFEST).read_bytes()
            documents.require_shallow(data)
            return decode_manifest(data)
        except ValueError as error:
            raise Corrupt(f"{MANIFEST}: {error}", hint="restore it from a backup") from None
        except FileNotFoundError:
            raise NotFound(
                f"no network in {self.path}",
                hint="found one with `commonworks init`, try `commonworks demo`, or give --home",
            ) from None
        except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
            raise Unauthorized(
                f"{self.path / MANIFEST} cannot be read ({error.strerror})"
            ) from None

    def write_manifest(self, manifest: Manifest) -> None:
        """Write `network.json`, durably and in one piece."""
        write_durably(self.path / MANIFEST, encode_manifest(manifest))

    # --- keys -----------------------------------------------------------------------------------

    def secret(self) -> str:
        """Return the passphrase in force; raise Unauthorized when there is none."""
        if self.passphrase is not None:
            return self.passphrase
        if self.is_demo():
            return ""
        given = os.environ.get(PASSPHRASE_VARIABLE)
        if given is None and sys.stdin.isatty():
            given = getpass.getpass(f"Passphrase of {self.path}: ")
            object.__setattr__(self, "passphrase", given)  # asked once a command
        if given is None:
            raise Unauthorized(
                "this network's keys are locked",
                hint=f"set {PASSPHRASE_VARIABLE} or give --passphrase-file",
            )
        return given

    def is_demo(self) -> bool:
        """Tell whether the folder is marked as a demo."""
        return (self.path / DEMO_MARK).is_file()

    def account(self, name: str) -> LocalAccount:
        """Return an account of this folder, unlocked."""
        return load_account(self.accounts, name, self.secret())

    def passkey(self, name: str) -> StoredPasskey | None:
        """Return a passkey of this folder that speaks for an account, or None."""
        return find_passkey(self.path / PASSKEYS, name)

    def signer(self, name: str) -> Signer:
        """Return what signs messages for an account of this folder, whatever its key is."""
        passkey = self.passkey(name)
        return (
            KeystoreSigner(self.account(name)) if passkey is None else passkey.unlock(self.secret)
        )

    def accounts_here(self) -> list[tuple[str, bytes]]:
        """Return (name, address) of every account of this folder, sorted by name."""
        named = [(item.name, item.address) for item in list_accounts(self.accounts)]
        named += [(item.name, item.address) for item in list_passkeys(self.path / PASSKEYS)]
        return sorted(named)

    def new_account(self, name: str, *, key: bytes | None = None) -> LocalAccount:
        """Make an account; a demo's is derived from its seed and unprotected."""
        demo = self.is_demo()
        return create_account(
            self.accounts,
            name,
            self.secret(),
            key=key,
            allow_empty_passphrase=demo,
            **({"scrypt_n": DEMO_SCRYPT_N} if demo else {}),
        )

    def address(self, name: str) -> bytes:
        """Return the address of an account, without unlocking it."""
        for known, address in self.accounts_here():
            if known == name:
                return address
        raise NotFound(
            f"no account {name} in {self.accounts}", hint="see them with: commonworks account list"
        )

    def device_file(self, name: str) -> Path:
        """Return where a device's key lies; `house-2/solar` is kept as `house-2.solar.json`."""
        flat = name.replace("/", ".")
        if not 0 < len(flat) <= NAME_MAX or flat.startswith(".") or not _is_flat(flat):
            raise InvalidInput(f"{name!r} is no name for a device", hint="letters, digits, - _ /")
        return self.devices / f"{flat}.json"

    def no_device(self, name: str) -> NotFound:
        """Return the error for a device whose key is not in this folder."""
        return NotFound(
            f"no device {name} in {self.devices}",
            hint=f"make it with: commonworks device new {name}",
        )

    def device_names(self) -> list[str]:
        """Return the names of the device keys in this folder, as commands take them."""
        return sorted(path.stem.replace(".", "/") for path in self.devices.glob("*.json"))

    def device_key(self, name: str) -> PrivateKey:
        """Return a device's key, unlocked where it is locked."""
        path = self.device_file(name)
        if not path.exists():
            raise self.no_device(name)
        locked = inspect_key(path).encrypted
        return read_key(path, self.secret() if locked else None)

    def new_device(
        self, name: str, algorithm: Algorithm, *, seed: bytes | None = None, lock: bool = False
    ) -> PrivateKey:
        """Make a device's key file and return the key; raise Conflict when the name is taken."""
        fresh = PrivateKey.generate(algorithm)
        key = fresh if seed is None else PrivateKey.from_seed(algorithm, seed)
        self.devices.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_key(self.device_file(name), key, passphrase=self.secret() if lock else None)
        return key

    # --- demo -----------------------------------------------------------------------------------

    def demo_settings(self) -> dict[str, object]:
        """Return what a demo was started with; empty where this is none."""
        try:
            settings = documents.parse((self.path / DEMO_MARK).read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            settings = None
        if not isinstance(settings, dict) or not settings:
            raise Corrupt(f"{DEMO_MARK} is damaged", hint="start a demo in another folder")
        return settings

    def mark_demo(self, settings: dict[str, object]) -> None:
        """Mark the folder as a demo: its keys are derived from a seed."""
        write_durably(self.path / DEMO_MARK, json.dumps(settings).encode() + b"\n")


def _is_flat(name: str) -> bool:
    return name.isascii() and all(c.isalnum() or c in "-_." for c in name)


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file in one piece; durable when it returns. Raises Unavailable."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(
            f"cannot write {path}: {error.strerror}",
            hint="make room there, or choose another place",
        ) from error
