"""What contracts say: chain events, and the records that they carry. Values only.

Facts are a fold over these. Accounts and contract addresses are 20 bytes, hashes and ids 32 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass


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
class Share:
    """One payee's part of what a device earns."""

    account: bytes
    ppm: int
    """Parts per million, > 0; the shares of a list add up to one whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeesSet(Event):
    """Who is paid for a device, from now on."""

    device: int
    shares: tuple[Share, ...]
    """Accounts strictly ascending; empty: the owner gets everything."""


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
class Unbonded(Event):
    """Everything that an operator had asked back was paid out."""

    operator: bytes
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeChanged(Event):
    """A verifier's stake is another from now on."""

    operator: bytes
    stake: int
    """Its bond where that reaches the minimum, else 0."""
    total: int
    """Sum of all verifiers' stakes."""


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
