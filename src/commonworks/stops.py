"""What contracts say about stopping money: halts, roots that wait, the guardian, the Vault's exit.

Nothing settles by these events, so they stand beside `events` and not in it: the rules hash covers
that module, and a network need not vote because people want to see more. Accounts are 20 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commonworks.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltVoted(Event):
    """A verifier wants the payout root of an epoch stopped."""

    epoch: int
    verifier: bytes
    stake: int
    """What its voice counts for, as at the epoch's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted(Event):
    """Settlement stopped the payout root of an epoch."""

    epoch: int
    until: int
    """First Unix second at which it may come into force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootAccepted(Event):
    """The Vault took in the payout root of a final epoch."""

    epoch: int
    root: bytes
    claimable_at: int
    """First Unix second at which its own hold has passed; one before it may hold it up longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootDelayed(Event):
    """The Vault keeps a root from coming into force."""

    epoch: int
    """Epoch of the root: the halted one, or a later one whose root covers it."""
    claimable_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitEntered(Event):
    """The Vault's exit is open, for ever."""

    since: int
    """Unix second at which it was opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited(Event):
    """An account was paid at the exit: unclaimed earnings and unspent deposit together."""

    asset: bytes
    account: bytes
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianAppointed(Event):
    """Somebody holds the guardian's office."""

    holder: bytes
    """The zero address: nobody."""
    until: int
    """First Unix second in which it has no power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianHalted(Event):
    """The guardian stopped the payout root of an epoch, by itself."""

    epoch: int
    holder: bytes
    ready_at: int
    """First Unix second at which it may stop another one."""


STOPPING: Final = (
    HaltVoted, Halted, RootAccepted, RootDelayed, ExitEntered, Exited, GuardianAppointed,
    GuardianHalted,
)  # fmt: skip
"""Every class of these events."""
