"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint).

Goal: the few lines that commit a gateway to its whole log.
Rule: a note is text, an empty line, signature lines. A signature counts only if its key's name and
id are those of the key we were configured with; every other one is ignored. A checkpoint's text is
exactly three lines: origin, size, root.
Invariant: text is returned only after a signature over it verified.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import InvalidInput
from commonworks.translog.tree import EMPTY_ROOT, HASH_SIZE, MAX_SIZE

MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100
KEY_TYPE_ED25519: Final = 0x01
KEY_ID_BYTES: Final = 4

_SEPARATOR: Final = "\n\n"
_SIGNATURE_PREFIX: Final = "\N{EM DASH} "


def log_id(origin: str, ed25519_public: bytes) -> bytes:
    """Return a log's 32-byte identity: SHA-256(origin || 0x0A || 0x01 || public key).

    Its first four bytes are the note's key id (C2SP signed-note, Ed25519 signatures).
    """
    return sha256(origin.encode() + b"\n" + bytes([KEY_TYPE_ED25519]) + ed25519_public)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """The public half of a note key: under this name, this Ed25519 key signs."""

    name: str
    """The key's name; for a log its origin. Not empty, no spaces, no `+`, no control characters."""
    public: PublicKey
    """An Ed25519 key."""

    def __post_init__(self) -> None:
        """Refuse names and keys that no note can carry."""
        _check_name(self.name)
        if self.public.algorithm is not Algorithm.EDDSA or not self.public.is_valid:
            raise InvalidInput("a note key is a valid Ed25519 key", name=self.name)

    @property
    def log_id(self) -> bytes:
        """The identity of the log that signs with this key, 32 bytes."""
        return log_id(self.name, self.public.raw)

    @property
    def key_id(self) -> bytes:
        """The id that signatures carry, 4 bytes."""
        return self.log_id[:KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key as people pass it round: `<name>+<8 hex of the id>+<base64 of type and key>`."""
        encoded = base64.b64encode(bytes([KEY_TYPE_ED25519]) + self.public.raw).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def note_key(name: str, ed25519_public: bytes) -> NoteKey:
    """Return the note key with that name and 32-byte public key; raises InvalidInput."""
    return NoteKey(name=name, public=PublicKey(algorithm=Algorithm.EDDSA, raw=ed25519_public))


def parse_vkey(vkey: str) -> NoteKey:
    """Return the key in a vkey; raise InvalidInput unless it is one, with the right id in it."""
    parts = vkey.split("+", 2)  # the base64 may hold a `+` of its own
    if len(parts) != 3:
        raise InvalidInput("a vkey reads <name>+<key id>+<key>", vkey=vkey)
    name, key_id, encoded = parts
    raw = _decode_base64(encoded)
    if raw is None or raw[:1] != bytes([KEY_TYPE_ED25519]) or len(raw) != 33:
        raise InvalidInput("a vkey holds the type byte 0x01 and an Ed25519 key", vkey=vkey)
    key = note_key(name, raw[1:])
    if key.key_id.hex() != key_id:
        raise InvalidInput("the key id in the vkey is not that of its name and key", vkey=vkey)
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line, not yet verified."""

    name: str
    """The key's name."""
    key_id: bytes
    """4 bytes."""
    signature: bytes
    """The bytes after the key id; 64 for Ed25519."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note taken apart. Nothing in it is verified; `open_note` is what readers want."""

    text: str
    """What is signed, with its final newline."""
    signatures: tuple[NoteSignature, ...]
    """All signature lines, known keys or not, 1..MAX_SIGNATURES."""


def sign_note(text: str, name: str, key: PrivateKey) -> bytes:
    """Return the note that carries `text` and one signature of `key` under `name`.

    `text` ends in a newline and has no other control character. Raises InvalidInput.
    """
    _check_text(text)
    if not text.endswith("\n"):
        raise InvalidInput("the text of a note ends in a newline")
    signer = NoteKey(name=name, public=key.public)
    signature = base64.b64encode(signer.key_id + key.sign(text.encode())).decode()
    return f"{text}\n{_SIGNATURE_PREFIX}{name} {signature}\n".encode()


def parse_note(data: bytes) -> Note:
    """Take a note apart; raise InvalidInput naming the rule it breaks. Verifies no signature."""
    if len(data) > MAX_NOTE_BYTES:
        raise InvalidInput("a note has at most 1,000,000 bytes", length=len(data))
    try:
        note = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("a note is valid UTF-8", offset=error.start) from error
    _check_text(note)
    split = note.rfind(_SEPARATOR)
    if split < 0 or not note.endswith("\n"):
        raise InvalidInput("a note ends in an empty line and signature lines")
    lines = note[split + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise InvalidInput("a note has at most 100 signatures", signatures=len(lines))
    signatures = tuple(_parse_signature(line) for line in lines)
    return Note(text=note[: split + 1], signatures=signatures)


def open_note(data: bytes, key: NoteKey) -> str:
    """Return the text of a note that `key` signed.

    Signatures of other keys are ignored, even under the same name. Raises InvalidInput when the
    note is malformed, when `key` did not sign it, or when a signature under its name and id fails.
    """
    note = parse_note(data)
    own = [s for s in note.signatures if (s.name, s.key_id) == (key.name, key.key_id)]
    if not own:
        raise InvalidInput(f"the note is not signed by {key.name}", key_id=key.key_id.hex())
    if not all(key.public.verify(note.text.encode(), s.signature) for s in own):
        raise InvalidInput(f"the note's signature by {key.name} does not verify")
    return note.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's size and root, as its gateway signs them."""

    origin: str
    """Which log: the name of its note key."""
    size: int
    """Number of entries, 0..MAX_SIZE."""
    root: bytes
    """Tree hash over them, 32 bytes."""

    def __post_init__(self) -> None:
        """Refuse what no checkpoint can say."""
        _check_name(self.origin)
        if not 0 <= self.size <= MAX_SIZE:
            raise InvalidInput("a checkpoint's size is out of range", size=self.size)
        if len(self.root) != HASH_SIZE:
            raise InvalidInput("a checkpoint's root has 32 bytes", length=len(self.root))
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise InvalidInput("the root of an empty log is SHA-256 of nothing")

    def encode(self) -> str:
        """Return the note text: three lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def decode(cls, text: str) -> Checkpoint:
        """Return the checkpoint that a note text says; raise InvalidInput unless it is exactly one.

        Extension lines are refused: nothing would check them.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise InvalidInput("a checkpoint is three lines: origin, size, root")
        origin, size, encoded_root = lines[:3]
        if not (size.isascii() and size.isdecimal() and len(size) <= 19):
            raise InvalidInput("a checkpoint's size is a decimal number", size=size)
        if size.startswith("0") and size != "0":
            raise InvalidInput("a checkpoint's size has no leading zeros", size=size)
        root = _decode_base64(encoded_root)
        if root is None:
            raise InvalidInput("a checkpoint's root is base64")
        return cls(origin=origin, size=int(size), root=root)


def sign_checkpoint(checkpoint: Checkpoint, key: PrivateKey) -> bytes:
    """Return the checkpoint as a note signed under its origin."""
    return sign_note(checkpoint.encode(), checkpoint.origin, key)


def open_checkpoint(data: bytes, key: NoteKey) -> Checkpoint:
    """Return the checkpoint that `key` signed for the log of its own name; raise InvalidInput."""
    checkpoint = Checkpoint.decode(open_note(data, key))
    if checkpoint.origin != key.name:
        raise InvalidInput("the checkpoint is of another log", origin=checkpoint.origin)
    return checkpoint


def _check_name(name: str) -> None:
    """Raise InvalidInput unless `name` can stand in a signature line."""
    if not name or any(c == "+" or c.isspace() or c < " " for c in name):
        raise InvalidInput("a key name is not empty and has no spaces and no `+`", name=name)
    _check_text(name)


def _check_text(text: str) -> None:
    """Raise InvalidInput for control characters and for what UTF-8 cannot carry."""
    if any(c < " " and c != "\n" for c in text):
        raise InvalidInput("a note has no control characters but newlines")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise InvalidInput("a note is valid UTF-8")


def _parse_signature(line: str) -> NoteSignature:
    """Return what a signature line says."""
    if not line.startswith(_SIGNATURE_PREFIX):
        raise InvalidInput("a signature line begins with an em dash and a space")
    name, space, encoded = line[len(_SIGNATURE_PREFIX) :].partition(" ")
    raw = _decode_base64(encoded)
    if not space or raw is None or len(raw) <= KEY_ID_BYTES:
        raise InvalidInput("a signature line reads: dash, key name, base64 of key id and signature")
    _check_name(name)
    return NoteSignature(name=name, key_id=raw[:KEY_ID_BYTES], signature=raw[KEY_ID_BYTES:])


def _decode_base64(text: str) -> bytes | None:
    """Return the bytes of standard base64 in its one canonical spelling, else None."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None
