"""The staging bundle: everything one pool adds, in one durable file, before it is committed.

Goal: whatever part of a commit a crash leaves undone can be done again from this file alone.
Rule: a bundle names the checkpoint that it leads to. It is replayed only when the lock store holds
exactly that checkpoint, byte for byte; any other bundle was never committed, or is done with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.crypto import cbor
from commonworks.errors import InvalidInput

STAGING: Final = "state/staging/"
"""Folder of staging bundles, beside the log and never inside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """One statement that a pool adds to the log."""

    identity: bytes
    """SHA-256 of its Sig_structure, 32 bytes."""
    statement: bytes
    """The COSE_Sign1, as it is logged."""
    preimage: bytes | None
    """What travels beside a sealed statement; None for a public one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A pool, ready to be committed or replayed."""

    first: int
    """Size of the log before it: the index of its first entry."""
    checkpoint: bytes
    """The signed checkpoint that it leads to."""
    additions: tuple[Addition, ...]
    """What it adds, in order."""


def staging_path(size: int) -> str:
    """Return where the bundle that leads to `size` entries lies."""
    return f"{STAGING}{size:019}"


def encode_staged(staged: Staged) -> bytes:
    """Return a bundle's bytes."""
    rows = [[a.identity, a.statement, a.preimage] for a in staged.additions]
    return cbor.encode({"additions": rows, "checkpoint": staged.checkpoint, "first": staged.first})


def decode_staged(data: bytes) -> Staged | None:
    """Return the bundle in `data`, or None where it is none."""
    try:
        fields = cbor.decode(data, tags=())
    except InvalidInput:
        return None
    if not isinstance(fields, dict) or fields.keys() != {"additions", "checkpoint", "first"}:
        return None
    first, checkpoint, rows = fields["first"], fields["checkpoint"], fields["additions"]
    if not isinstance(first, int) or not isinstance(checkpoint, bytes):
        return None
    additions = _additions(rows)
    if additions is None:
        return None
    return Staged(first=first, checkpoint=checkpoint, additions=additions)


def _additions(rows: object) -> tuple[Addition, ...] | None:
    if not isinstance(rows, list):
        return None
    additions: list[Addition] = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 3:
            return None
        identity, statement, preimage = row
        if not isinstance(identity, bytes) or not isinstance(statement, bytes):
            return None
        if preimage is not None and not isinstance(preimage, bytes):
            return None
        additions.append(Addition(identity=identity, statement=statement, preimage=preimage))
    return tuple(additions)


def total_bytes(additions: Sequence[Addition]) -> int:
    """Return how many bytes of statements and preimages a pool holds."""
    return sum(len(a.statement) + len(a.preimage or b"") for a in additions)
