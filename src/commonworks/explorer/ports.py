"""What the explorer asks of the world outside its index. Adapters live in `wiring.explorer`.

Everything here is read when somebody asks and belongs to no row: balances, votes as they stand,
what a wallet would have to sign. Nothing holds a key. Accounts are 20 bytes, hashes 32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from commonworks.model import Settlement
from commonworks.ports import Log
from commonworks.translog.notes import NoteKey


class Archive(Protocol):
    """The evidence behind the index."""

    async def settlement(self, epoch: int) -> Settlement | None:
        """Return the settlement of a finalised epoch, None while it is not at hand.

        Only one whose digest is the finalised one and whose parts hash to it is ever returned.
        """
        ...

    def log(self, log_id: bytes) -> Log | None:
        """Return a gateway's log, None where it cannot be read from here."""
        ...

    def note_key(self, log_id: bytes) -> NoteKey | None:
        """Return the key of a log's checkpoints as the chain has it."""
        ...


# --- accounts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """What an account holds now, outside the Vault. Smallest units."""

    token: int
    currency: int
    coin_wei: int
    """The chain's own coin: what transactions cost."""
    votes: int
    """Votes that it casts now, its delegators' included."""
    contract: bool
    """It is a contract (a passkey's account for example), no key pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimable:
    """The payout root that claims are made against now."""

    epoch: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceNow:
    """What the exchange gives for an amount of tokens."""

    amount_in: int
    """Tokens, wei."""
    amount_out: int
    """Currency, smallest unit, fee and impact taken off."""


class Ledger(Protocol):
    """What the chain says now about accounts."""

    async def balances(self, account: bytes) -> Balances:
        """Return an account's balances. Raises Unavailable when no endpoint answers."""
        ...

    async def claimable(self) -> Claimable | None:
        """Return the root that is claimable now; None before the first."""
        ...

    async def sale(self, amount_in: int) -> PriceNow | None:
        """Return what selling so many tokens gives now; None without an exchange or liquidity."""
        ...

    async def signed(self, account: bytes, digest: bytes, signature: bytes) -> bool:
        """Tell whether a contract account says that it signed a digest (ERC-1271)."""
        ...


# --- government -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call that a proposal would make."""

    to: bytes
    value_wei: int
    data: bytes
    does: str
    """In words, or as contract, function and arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteRecord:
    """A vote that was cast."""

    voter: bytes
    support: str | None
    """`for`, `against`, `abstain`."""
    weight: int
    reason: str
    tx: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRecord:
    """A proposal as the Governor's events tell it."""

    proposal: int
    number: int
    proposer: bytes
    title: str
    body: str
    calls: tuple[CallRecord, ...]
    changes: Mapping[str, int]
    """Parameters that it would set."""
    vote_start: int
    vote_end: int
    tx: bytes
    votes: tuple[VoteRecord, ...]
    queued_tx: bytes | None
    executed_tx: bytes | None
    canceled_tx: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingNow:
    """How a proposal stands now."""

    state: str
    """pending, active, canceled, defeated, succeeded, queued, expired, executed."""
    votes_for: int
    votes_against: int
    votes_abstain: int
    quorum: int | None
    votes_all: int | None
    executable_from: int | None


class Council(Protocol):
    """The network's government, read from the Governor."""

    async def proposals(self) -> Sequence[ProposalRecord]:
        """Return every proposal, oldest first."""
        ...

    async def standing(self, number: int) -> StandingNow:
        """Return how the proposal with this number stands now; raise NotFound."""
        ...

    async def votes_of(self, account: bytes, time_s: int | None) -> int:
        """Return an account's votes at a moment, or now."""
        ...


# --- acting ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One transaction for a wallet to sign: what it would send, and what that does."""

    to: bytes
    data: bytes
    value_wei: int
    does: str
    """Contract, function and arguments in words."""


class Desk(Protocol):
    """Prepares transactions and passes signed ones on. It holds no key."""

    async def prepare(self, action: str, values: Mapping[str, object]) -> Sequence[Prepared]:
        """Return the calls that do a member's action, in order.

        Raises: InvalidInput for an action or values that there are not, Conflict when it could
        not succeed now, NotFound for what it names.
        """
        ...

    async def submit(self, raw: bytes) -> bytes:
        """Pass a signed transaction to the chain; return its hash.

        Raises: InvalidInput when it is none, is for another chain, or addresses no contract of
        this network; Conflict with the contract's own error when it would fail.
        """
        ...

    async def receipt(self, tx: bytes) -> bool | None:
        """Tell whether a transaction succeeded; None while it is not in a block."""
        ...
