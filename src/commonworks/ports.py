"""The few small contracts towards the outside world.

Roles are logic over these; adapters implement them; wiring brings both together. Each says what is
durable when a call returns and what a caller may retry. All raise errors of `commonworks.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from commonworks.crypto.keys import PrivateKey
from commonworks.events import (
    Commitment,
    Event,
    Tip,
)


class Clock(Protocol):
    """Network time. The only source of `now` for every role."""

    def now(self) -> int:
        """Return network time, Unix seconds. Never goes back within a process."""
        ...

    async def sleep_until(self, time_s: int) -> None:
        """Return when `now() >= time_s`."""
        ...


class Store(Protocol):
    """Named byte strings that survive a power cut.

    Paths are relative, `/`-separated. A reader sees an old or a new value, never a mixture.
    """

    async def read(self, path: str) -> bytes | None:
        """Return the bytes at `path`, or None where nothing is."""
        ...

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Replace each file; on return all are durable (file and directory). Safe to retry.

        Across files there is no order: after a crash any subset may be there.
        Raises Unavailable when the disk is full; then nothing may be taken as written.
        """
        ...

    async def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """Replace `old` by `new`, durably; raise Conflict when `path` holds something else."""
        ...

    async def delete(self, path: str) -> None:
        """Remove `path` if it is there. Need not be durable: it may come back after a crash."""
        ...

    async def list(self, prefix: str) -> Sequence[str]:
        """Return the paths that start with `prefix`, sorted."""
        ...


class Transport(Protocol):
    """Requests to nodes by address. At-most-once per call; every call is safe to retry."""

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Send `body`; return status and answer. Raises Unavailable when nobody answers."""
        ...

    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Fetch `url`; return status and answer. Raises Unavailable when nobody answers."""
        ...


class Log(Protocol):
    """The read side of one transparency log, with the sealed payloads beside it."""

    async def read(self, path: str) -> bytes | None:
        """Return a tlog-tiles resource (`checkpoint`, `tile/...`), or None where it is not."""
        ...

    async def read_sealed(self, path: str) -> bytes | None:
        """Return a bundle of preimages (`sealed/entries/...`), or None where it is not.

        Raises Unauthorized when this reader may not see them.
        """
        ...


class Keys(Protocol):
    """Signing keys by name; the private bytes stay behind the port."""

    def signer(self, name: str) -> PrivateKey:
        """Return the key called `name`; raise NotFound or Unauthorized."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest block that will not be reorganised away."""

    block: int
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Commit a log's size and root. Sent by the log's gateway operator."""

    tip: Tip


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Say that these logs are held, payloads included. Sent by a verifier, tips sorted by log."""

    epoch: int
    tips: tuple[Tip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Freeze the evidence of an epoch after its deadline. Sent by anyone."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attest:
    """Sign off on a result. Sent by a verifier."""

    epoch: int
    commitment: Commitment


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalise:
    """Fix an epoch that a quorum attested. Sent by anyone."""

    epoch: int
    commitment: Commitment


Action = Anchor | Confirm | Close | Attest | Finalise
"""What nodes do on chain. Members' actions go through the chain adapter itself."""


class Chain(Protocol):
    """The network's contracts on their chain, as one operator's account sees them."""

    async def head(self) -> Head:
        """Return the newest final block."""
        ...

    async def events(self, first_block: int, last_block: int) -> Sequence[Event]:
        """Return the contracts' events of the blocks first..last, in chain order."""
        ...

    async def send(self, action: Action) -> bytes:
        """Do `action` as this operator; return the transaction's hash once it is final.

        Raises Conflict when the contract refuses it (already done, not yet, not allowed) with the
        contract's own error in the message, Unavailable when no endpoint answers. Safe to retry:
        every action is refused by the contract the second time.
        """
        ...


# --- government -----------------------------------------------------------------------------------


class ProposalState(StrEnum):
    """Where a proposal stands; in the Governor's order."""

    PENDING = "pending"
    """Its vote has not begun."""
    ACTIVE = "active"
    CANCELED = "canceled"
    DEFEATED = "defeated"
    """More votes against, or no quorum."""
    SUCCEEDED = "succeeded"
    """Can be queued."""
    QUEUED = "queued"
    """Waits in the timelock."""
    EXPIRED = "expired"
    """Was not queued or executed while that was possible."""
    EXECUTED = "executed"
