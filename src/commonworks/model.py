"""The nouns that settlement, resources and roles share. Values only: no behaviour, no I/O.

Amounts are integers. `currency` is the settlement currency (micro-units), `token` the network's
own token (wei). Accounts and contract addresses are 20 bytes, hashes and ids 32 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from commonworks.crypto.keys import PublicKey
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
    initial_emission_wei: int
    """Most that epoch 0 may mint."""
    half_life_epochs: int
    """Epochs after which the emission has halved."""

    def epoch_start(self, epoch: int) -> int:
        """Return the first second of `epoch`."""
        return self.genesis_time + epoch * self.epoch_length_s

    def epoch_at(self, time_s: int) -> int:
        """Return the epoch that contains `time_s`; negative before genesis."""
        return (time_s - self.genesis_time) // self.epoch_length_s


# --- chain events -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where on the chain something happened."""

    block: int
    """Block number."""
    time: int
    """Timestamp of that block, Unix seconds."""
    index: int
    """Index of the log in its block."""
    tx: bytes
    """Hash of the transaction, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something a contract said. Facts are a fold over these."""

    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled(Event):
    """A device id was minted for a key."""

    device: int
    owner: bytes
    thumbprint: bytes
    algorithm: int
    public_key: bytes
    resource: bytes
    """Resource name, ASCII, left-aligned in 32 bytes."""
    cell: int
    """Coarse H3 cell, 0 where the owner gave none."""
    enroller: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred(Event):
    """A device id went to another owner."""

    device: int
    sender: bytes
    receiver: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrarSet(Event):
    """A registrar's key was admitted to, or removed from, one resource."""

    resource: bytes
    thumbprint: bytes
    algorithm: int
    public_key: bytes
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSet(Event):
    """A device was admitted, or dismissed, as an independent reference."""

    device: int
    admitted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAdopted(Event):
    """A site statement came into force for a resource."""

    resource: bytes
    site: bytes
    statement: bytes
    """Identity of the site statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRegistered(Event):
    """A gateway declared its log."""

    operator: bytes
    name: str
    origin: str
    endpoint: str
    log_id: bytes
    note_key: bytes
    receipt_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierRegistered(Event):
    """A verifier declared itself."""

    operator: bytes
    name: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonded(Event):
    """Stake was added."""

    operator: bytes
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbondingStarted(Event):
    """Stake asked to leave and no longer counts."""

    operator: bytes
    amount: int
    ready_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDefined(Event):
    """A parameter came into being, with its bounds."""

    key: bytes
    value: int
    minimum: int
    maximum: int
    from_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet(Event):
    """A parameter changed, from the epoch given."""

    key: bytes
    value: int
    from_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored(Event):
    """A gateway committed to its log's size and root."""

    log_id: bytes
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """A log up to one anchored size."""

    log_id: bytes
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Event):
    """A verifier says that it holds these logs, payloads included."""

    epoch: int
    verifier: bytes
    tips: tuple[Tip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The part of one log that an epoch's evidence adds: entries first..size-1."""

    log_id: bytes
    first: int
    size: int
    root: bytes
    """Root of the log at `size`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """The evidence of an epoch is frozen."""

    epoch: int
    evidence_hash: bytes
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested(Event):
    """A verifier signed off on a digest."""

    epoch: int
    verifier: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTotal:
    """Cumulative totals of one asset over all accounts."""

    asset: bytes
    earned: int
    spent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """What an attestation commits to besides network and epoch; mirrors Settlement.Result."""

    previous_digest: bytes
    evidence_hash: bytes
    facts_hash: bytes
    policy_hash: bytes
    rules_hash: bytes
    result_hash: bytes
    state_hash: bytes
    payout_root: bytes
    minted_wei: int
    """Cumulative minted by settlements up to this epoch."""
    totals: tuple[AssetTotal, ...]
    """Sorted by asset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalised(Event):
    """A quorum agreed; the payout root is fixed."""

    epoch: int
    digest: bytes
    commitment: Commitment


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited(Event):
    """Money entered the Vault in favour of an account."""

    asset: bytes
    account: bytes
    amount: int
    sender: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRequested(Event):
    """An account asked for unspent deposit back."""

    request: int
    asset: bytes
    account: bytes
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendLimitSet(Event):
    """An owner limited what one of its devices may spend in an epoch."""

    account: bytes
    device: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Event):
    """Earnings were paid out."""

    asset: bytes
    account: bytes
    amount: int
    epoch: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """A key that may sign site tables and countersign changes for one resource."""

    resource: str
    key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A request, made in this epoch, to get unspent deposit back."""

    request: int
    asset: bytes
    account: bytes
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the chain says up to the last block before the epoch's end."""

    network: Network
    epoch: int
    devices: Mapping[int, Device]
    """By device id."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """Token earned from the epoch's emission."""

    resource: str
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
    """What each request got (never more than was unspent)."""
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
