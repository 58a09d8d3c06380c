"""The nouns that settlement, resources and roles share. Values only: no behaviour, no I/O.

Amounts are integers. `currency` is the settlement currency (micro-units), `token` the network's
own token (wei). Accounts and contract addresses are 20 bytes, hashes and ids 32 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from commonworks.crypto.keys import PublicKey
from commonworks.events import Commitment, Range
from commonworks.statements.model import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What never changes about one deployment."""

    network_id: bytes
    """Commits to chain, contracts and manifest; 32 bytes."""
    genesis_time: int
    """Start of epoch 0, Unix seconds."""
    epoch_length_s: int
    """Length of every epoch."""
    token: bytes
    """Address of the network's token."""
    currency: bytes
    """Address of the settlement currency (an ERC-20)."""
    currency_code: str
    """What people call it, for example `tEUR`."""
    treasury: bytes
    """Account that gets the treasury's share of the emission: the timelock."""
    initial_emission_wei: int
    """Most that epoch 0 may mint; 0 where nothing is ever minted."""

    def epoch_start(self, epoch: int) -> int:
        """Return the first second of `epoch`."""
        return self.genesis_time + epoch * self.epoch_length_s

    def epoch_at(self, time_s: int) -> int:
        """Return the epoch that contains `time_s`; negative before genesis."""
        return (time_s - self.genesis_time) // self.epoch_length_s


# --- facts, evidence, state -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A thing with a signing key and an id on chain."""

    device: int
    """ERC-721 id."""
    owner: bytes
    """Account that holds the id at the epoch's end."""
    key: PublicKey
    resource: str
    cell: int
    since: tuple[int, int] = (0, 0)
    """Block and log index at which the owner got it or, if later, its list of payees began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """A key that may sign site tables and countersign changes for one resource."""

    resource: str
    key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A request to get unspent deposit back, or what is left of it to serve."""

    request: int
    asset: bytes
    account: bytes
    amount: int


class Role(StrEnum):
    """What a node does that the emission pays for."""

    GATEWAY = "gateway"
    VERIFIER = "verifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one node did for the epochs that were finalised within the facts' epoch."""

    role: Role
    account: bytes
    """The node's operator."""
    weight: int
    """Verifier: stake in the bond's smallest unit, once for each confirmation and once for each
    attestation of what was finalised. Gateway: ranges of its log that settled. Always > 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the chain says up to the last block before the epoch's end."""

    network: Network
    epoch: int
    devices: Mapping[int, Device]
    """By device id."""
    payees: Mapping[int, tuple[tuple[bytes, int], ...]]
    """Device id -> (account, ppm) of everybody paid for it; absent: its owner gets everything."""
    registrars: tuple[Registrar, ...]
    """Admitted registrars, sorted by (resource, thumbprint)."""
    references: frozenset[int]
    """Device ids admitted as independent references."""
    sites: Mapping[str, bytes]
    """Resource -> identity of the site statement in force."""
    deposits: Mapping[tuple[bytes, bytes], int]
    """(asset, account) -> everything ever deposited."""
    withdrawals: tuple[Withdrawal, ...]
    """Requests made since the previous epoch's end, sorted by request id."""
    spend_limits: Mapping[tuple[bytes, int], int]
    """(account, device) -> most it may spend per epoch; absent means nothing."""
    service: tuple[Service, ...]
    """What nodes did, sorted by (role, account)."""

    @property
    def start(self) -> int:
        """First second of the epoch."""
        return self.network.epoch_start(self.epoch)

    @property
    def end(self) -> int:
        """First second after the epoch."""
        return self.network.epoch_start(self.epoch + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One logged statement as evidence."""

    log_id: bytes
    index: int
    """Position in its log."""
    statement: bytes
    """The COSE_Sign1 as logged."""
    preimage: bytes | None
    """Salted payload of a sealed statement; None when public or erased."""
    anchored_at: int
    """Timestamp of the first anchor that covers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What `close(epoch)` froze, with the bytes behind it."""

    epoch: int
    ranges: tuple[Range, ...]
    """Sorted by log id."""
    entries: tuple[Entry, ...]
    """Every entry of every range, in any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBinding:
    """The newest binding known for a key."""

    kid: bytes
    owner: bytes
    generation: int
    identity: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingStatement:
    """A statement that is known already but whose time lies in a later epoch."""

    identity: bytes
    statement: bytes
    preimage: bytes | None
    anchored_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenStatement:
    """An identity that was judged already, kept while its duplicates could still arrive."""

    identity: bytes
    until: int
    """Network time after which a copy is too late anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Cumulative money of one account in one asset: a leaf of the payout tree."""

    asset: bytes
    account: bytes
    earned: int
    spent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the last epoch left. Bounded by the maximum lateness and the number of members."""

    epoch: int
    """Epoch that left it; -1 before the first."""
    digest: bytes
    """Digest of that epoch; 32 zero bytes before the first."""
    bindings: tuple[HeldBinding, ...]
    """Sorted by kid."""
    pending: tuple[PendingStatement, ...]
    """Sorted by identity."""
    seen: tuple[SeenStatement, ...]
    """Sorted by identity."""
    sites: tuple[tuple[str, bytes, bytes], ...]
    """(resource, identity, statement) of site tables known, sorted."""
    totals: tuple[Total, ...]
    """Sorted by (asset, account)."""
    minted_wei: int
    """Cumulative minted."""
    halvings: int
    """Half-lives of the emission that have passed, in units of 2^-96."""
    waiting: tuple[Withdrawal, ...]
    """What withdrawals still get once the growth limit leaves room, sorted by request id."""
    resources: tuple[tuple[str, bytes], ...]
    """Each resource's own state, encoded by itself, sorted by name."""


# --- verdicts and results ---------------------------------------------------------------------


class Outcome(StrEnum):
    """What became of a statement."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one logged statement, and why."""

    identity: bytes
    kind: Kind | None
    """None when it could not be decoded."""
    device: int | None
    """Device that it counts for, where that is known."""
    outcome: Outcome
    reason: str
    """Code from the kernel's or the resource's closed list; empty when accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalVerdict:
    """What became of one device's contribution over one span of event time."""

    device: int
    start_s: int
    """First second of the span."""
    length_s: int
    reason: str
    """Why less than claimed was credited; code from the resource's closed list."""
    claimed: int
    """What the device said, in the resource's unit."""
    credited: int
    """What counts."""


class Side(StrEnum):
    """Which side of a market."""

    SUPPLY = "supply"
    DEMAND = "demand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """A verified quantity of one device in one span of event time."""

    device: int
    account: bytes
    start_s: int
    side: Side
    quantity: int
    """In the resource's unit, > 0."""
    corroborated: bool
    """A reference that the claimant does not control saw it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one device did in an epoch that emission may reward."""

    device: int
    account: bytes
    quantity: int
    """In the resource's unit."""
    quality_ppm: int
    density_ppm: int
    ceiling_wei: int
    """Most that this work may earn, whatever the emission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Currency that moves from one account's deposit to another's earnings."""

    payer: bytes
    payee: bytes
    amount: int
    """Micro-units, > 0."""
    purpose: str
    """Code from the resource's closed list of purposes."""
    device: int
    """Device whose contribution is paid, so that its payees share it; 0: none, the payee's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """Token earned from the epoch's emission."""

    resource: str
    """Resource whose work it rewards, or `verifiers`, `gateways`, `treasury`."""
    account: bytes
    amount_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceResult:
    """One resource's part of a settlement."""

    resource: str
    intervals: tuple[IntervalVerdict, ...]
    credits: tuple[Credit, ...]
    work: tuple[Work, ...]
    payments: tuple[Payment, ...]
    summary: Mapping[str, int]
    """Named totals, unit last in the name."""
    detail: bytes
    """Deterministic CBOR, read by the resource's own views."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An epoch's result: everything that anybody recomputes and compares."""

    epoch: int
    verdicts: tuple[Verdict, ...]
    """Every logged statement of the epoch, once, sorted by identity."""
    resources: tuple[ResourceResult, ...]
    """Sorted by name."""
    rewards: tuple[Reward, ...]
    unminted_wei: int
    """Named residual: what the schedule allowed and nobody earned."""
    withdrawn: tuple[Withdrawal, ...]
    """What each request got in this epoch (never more than was unspent), sorted by request id;
    one that got less because the growth limit was reached waits in the state for the rest."""
    minted_wei: int
    """Minted for this epoch."""
    paid_micro: int
    """Currency that changed hands in this epoch, withdrawals not counted."""
    payouts: tuple[Total, ...]
    """Leaves of the payout tree, sorted by (asset, account)."""
    commitment: Commitment
    digest: bytes
    state: State
    """What the next epoch starts from."""
