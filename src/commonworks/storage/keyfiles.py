"""Device key files: one JSON file per key, readable by its owner alone.

Rule: a key file is written once, whole or not at all, and never overwritten: a lost key is a lost
device. What is damaged is told apart from what is locked: a checksum covers the whole file, so
that with an intact file a failing decryption can only mean another passphrase.
Format: docs/spec/keys.md.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import Conflict, Corrupt, NotFound, Unauthorized, Unavailable

FORMAT: Final = "commonworks-device-key-v1"
MAX_FILE_BYTES: Final = 4096
"""Longest key file; ours have some 800 bytes."""
SCRYPT_LOG2_N: Final = 16
"""Cost of the passphrase: 64 MiB and about 0.2 s."""
SCRYPT_LOG2_N_MAXIMUM: Final = 20
"""Most that a file may ask for, 1 GiB, so that a hostile file cannot exhaust the machine."""
_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 1
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_ALGORITHM_NAMES: Final = {"EdDSA": Algorithm.EDDSA, "ES256": Algorithm.ES256}


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFile:
    """What a key file says without its passphrase."""

    public: PublicKey
    """The public half."""
    encrypted: bool
    """Whether a passphrase is needed to sign."""


def write_key(path: Path, key: PrivateKey, *, passphrase: str | None = None) -> None:
    """Write `key` to `path`, mode 600, encrypted when a passphrase is given.

    Guarantees: durable when it returns (file and directory are synced); the file is never seen
    half-written and an existing one is never touched.
    Raises: Conflict when `path` exists; NotFound without its folder; Unauthorized when the folder
    may not be written; Unavailable when the disk is full.
    """
    name = next(name for name, value in _ALGORITHM_NAMES.items() if value is key.algorithm)
    document: dict[str, object] = {
        "format": FORMAT,
        "algorithm": name,
        "public": key.public.raw.hex(),
        "thumbprint": key.public.thumbprint.hex(),
    }
    if passphrase is None:
        document["seed"] = key.seed.hex()
    else:
        document["encrypted"] = _encrypt(key.seed, passphrase, key.public)
    document["checksum"] = _checksum(document)
    with _told(path):
        _create(path, (json.dumps(document, indent=2) + "\n").encode())


def read_key(path: Path, passphrase: str | None = None) -> PrivateKey:
    """Return the key in `path`; an unneeded passphrase is ignored.

    Raises: NotFound; Unauthorized when others may read the file, when it needs a passphrase or
    another one; Corrupt when its content is not what was written.
    """
    document, public = _read(path)
    try:
        if "encrypted" in document:
            seed = _decrypt(path, document["encrypted"], passphrase, public)
        else:
            seed = _hex(document, "seed", 32)
        key = PrivateKey.from_seed(public.algorithm, seed)
    except (KeyError, TypeError, ValueError) as error:
        raise _corrupt(path) from error
    if key.public != public:
        raise _corrupt(path)
    return key


def inspect_key(path: Path) -> KeyFile:
    """Return what the file says without its passphrase; raises as `read_key` does."""
    document, public = _read(path)
    return KeyFile(public=public, encrypted="encrypted" in document)


def _create(path: Path, content: bytes) -> None:
    # A link of a complete file appears at once and fails where something is: rename would replace.
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(scratch, path)
    finally:
        scratch.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> tuple[Mapping[str, object], PublicKey]:
    with _told(path), path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Unauthorized(
                f"key file {path} is open to other users", hint=f"run: chmod 600 {path}"
            )
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise _corrupt(path)
    try:
        document = json.loads(content)
        if not isinstance(document, dict) or document.pop("checksum") != _checksum(document):
            raise _corrupt(path)
        if document["format"] != FORMAT:
            raise _corrupt(path)
        algorithm = _ALGORITHM_NAMES[document["algorithm"]]
        public = PublicKey(algorithm=algorithm, raw=bytes.fromhex(document["public"]))
        if not public.is_valid or document["thumbprint"] != public.thumbprint.hex():
            raise _corrupt(path)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _corrupt(path) from error
    return document, public


def _checksum(document: Mapping[str, object]) -> str:
    return sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hex()


def _encrypt(seed: bytes, passphrase: str, public: PublicKey) -> dict[str, object]:
    salt = secrets.token_bytes(_SALT_BYTES)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_stretch(passphrase, salt, SCRYPT_LOG2_N)).encrypt(nonce, seed, public.raw)
    return {
        "kdf": "scrypt",
        "log2_n": SCRYPT_LOG2_N,
        "r": _SCRYPT_R,
        "p": _SCRYPT_P,
        "salt": salt.hex(),
        "cipher": "aes-256-gcm",
        "nonce": nonce.hex(),
        "ciphertext": sealed.hex(),
    }


def _decrypt(path: Path, box: object, passphrase: str | None, public: PublicKey) -> bytes:
    if not isinstance(box, dict) or (box["kdf"], box["cipher"]) != ("scrypt", "aes-256-gcm"):
        raise _corrupt(path)
    cost = box["log2_n"]
    if type(cost) is not int or not 1 <= cost <= SCRYPT_LOG2_N_MAXIMUM:
        raise _corrupt(path)
    if (box["r"], box["p"]) != (_SCRYPT_R, _SCRYPT_P):
        raise _corrupt(path)
    salt = _hex(box, "salt", _SALT_BYTES)
    nonce = _hex(box, "nonce", _NONCE_BYTES)
    sealed = _hex(box, "ciphertext", 32 + _TAG_BYTES)
    if passphrase is None:
        raise Unauthorized(f"key file {path} needs its passphrase")
    try:
        return AESGCM(_stretch(passphrase, salt, cost)).decrypt(nonce, sealed, public.raw)
    except InvalidTag as error:
        raise Unauthorized(f"wrong passphrase for key file {path}") from error


def _stretch(passphrase: str, salt: bytes, log2_n: int) -> bytes:
    kdf = Scrypt(salt=salt, length=32, n=1 << log2_n, r=_SCRYPT_R, p=_SCRYPT_P)
    return kdf.derive(passphrase.encode())


def _hex(document: Mapping[str, object], field: str, length: int) -> bytes:
    text = document[field]
    if not isinstance(text, str) or len(text) != 2 * length:
        raise ValueError(field)
    return bytes.fromhex(text)


def _corrupt(path: Path) -> Corrupt:
    return Corrupt(f"key file {path} is damaged", hint="restore it from a backup", path=str(path))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into the house's errors."""
    try:
        yield
    except FileExistsError as error:
        raise Conflict(
            f"key file {path} exists already", hint="choose another name or move the file away"
        ) from error
    except FileNotFoundError as error:
        raise NotFound(f"no key file at {path}", hint="check the name and the folder") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise Conflict(f"{path} is not a place for a key file") from error
    except PermissionError as error:
        raise Unauthorized(f"no permission for key file {path}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(f"disk full at key file {path}", hint="free some space") from error
        raise Unavailable(f"cannot use key file {path}: {error.strerror}") from error
