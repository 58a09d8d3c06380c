"""What the explorer asks of the world outside its index. Adapters live in `wiring.explorer`.

Everything here is read when somebody asks and belongs to no row: balances, votes as they stand,
what a wallet would have to sign. Nothing holds a key. Accounts are 20 bytes, hashes 32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from commonworks.model import Settlement
from commonworks.ports import Log, ProposalState
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
    delegate: bytes | None
    """Who votes with its votes: itself, unless it lent them; None: they are outside the vote."""
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

    state: ProposalState
    votes_for: int
    votes_against: int
    votes_abstain: int
    quorum: int | None
    votes_all: int | None
    executable_from: int | None


ValueWords = Callable[[str, int], str]
"""Puts a parameter's value into words, by its key."""


class Council(Protocol):
    """The network's government, read from the Governor."""

    async def proposals(self) -> Sequence[ProposalRecord]:
        """Return every proposal, oldest first."""
        ...

    async def standing(self, number: int) -> StandingNow:
        """Return how the proposal with this number stands now; raise NotFound."""
        ...

    def says(self, call: CallRecord, value: ValueWords) -> str:
        """Return what a call of a proposal does, in the reader's language.

        Words come from the call's own bytes; what is not known is shown as the call that it is.
        """
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


# --- trying proposals on the past -----------------------------------------------------------------


class TrialState(StrEnum):
    """How far a back-test is."""

    WAITING = "waiting"
    """Another one runs: one at a time."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It cannot be done, or took too long; the reason is beside it."""


class TrialFailure(StrEnum):
    """Why a back-test has no outcome; the command says more."""

    TOO_LONG = "too_long"
    BROKE_OFF = "broke_off"
    ERASED = "erased"
    """Evidence was erased by rule."""
    INCOMPLETE = "incomplete"
    """Evidence is not at hand, or damaged."""
    DIFFERS = "differs"
    """What was finalised does not follow from the evidence."""
    INDEX = "index"
    """The index has other changes of the proposal than the chain."""
    UNAVAILABLE = "unavailable"
    """Something does not answer just now."""
    IMPOSSIBLE = "impossible"
    """The command says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialWanted:
    """What is tried: the same values give the same outcome for ever."""

    number: int
    """The proposal whose parameters are tried."""
    changes: Mapping[str, int]
    """Parameters that it would set; at least one."""
    first: int
    last: int
    """Final epochs shown, both included."""
    from_state: bool
    """The changed policy holds from `first` on, after the stored state of the epoch before it;
    otherwise from genesis on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSetting:
    """One parameter that a back-test changed."""

    key: str
    before: tuple[int, ...]
    """Values that it had in the epochs recomputed; empty: it was not defined."""
    after: int
    read: bool
    """Whether anything that these epochs settled by looked at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialChange:
    """What one account has left from one resource in one asset over the epochs shown."""

    resource: str
    """A resource, or who else shares in the emission: `verifiers`, `gateways`, `treasury`."""
    account: bytes
    asset: bytes
    before: int
    after: int
    """Smallest units; earned less spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEpoch:
    """One epoch of a back-test, as it was and as it would have been."""

    epoch: int
    paid_before: int
    paid_after: int
    """Currency that changed hands, smallest unit."""
    minted_before: int
    minted_after: int
    """Tokens, wei."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRefusal:
    """An epoch of a back-test that the Vault would not have let through."""

    epoch: int
    key: str
    """The parameter that limits how much earnings grow in an epoch."""
    growth: int
    """By how much they would have grown, in that parameter's unit."""
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What past epochs would have been under a proposal."""

    first: int
    last: int
    begin: int
    """First epoch under the changed policy; 0: from genesis on."""
    settings: tuple[TrialSetting, ...]
    accounts: tuple[TrialChange, ...]
    """Everybody who moved anything."""
    epochs: tuple[TrialEpoch, ...]
    refused: tuple[TrialRefusal, ...]
    """Epochs that the Vault would not have let through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A back-test, under way or over."""

    state: TrialState
    done: int
    """Epochs recomputed so far."""
    total: int
    """Epochs to recompute; 0 while that is not known."""
    failure: TrialFailure | None
    """Why there is no outcome."""
    outcome: TrialOutcome | None


class Backtests(Protocol):
    """Past epochs settled again under a proposal's parameters, beside the running site."""

    async def look(self, wanted: TrialWanted) -> Trial | None:
        """Return how far a back-test is; None where nobody has asked for it yet."""
        ...

    async def start(self, wanted: TrialWanted) -> Trial:
        """Begin a back-test unless it was begun, and return at once.

        An outcome is kept: it is computed once. Raises Unavailable when too many wait.
        """
        ...
