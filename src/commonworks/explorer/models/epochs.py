"""What the answers about epochs hold."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from commonworks.explorer.models.statements import LogRef, ReasonText
from commonworks.explorer.models.stops import EpochPayout
from commonworks.explorer.web.model import Address, Amount, Hash, Model, Party, Time


class EpochState(StrEnum):
    """How far an epoch is."""

    OPEN = "open"
    """It runs: what is measured now belongs to it."""
    CLOSING = "closing"
    """It ended; its evidence still arrives, or is being confirmed."""
    CLOSED = "closed"
    """Its evidence is frozen; verifiers compute and attest."""
    FINALISED = "finalised"
    """A quorum attested one result, for ever."""


class MomentState(StrEnum):
    """Whether a moment has come."""

    DONE = "done"
    DUE = "due"
    """It has a time, which lies ahead."""
    OPEN = "open"
    """It waits for somebody to act."""


class Moment(Model):
    """One point of an epoch's timeline."""

    code: str
    title: str
    meaning: str
    time: Time | None = Field(description="When it was, or will be; null: nobody can know yet.")
    state: MomentState


class EpochRow(Model):
    """An epoch in a list."""

    epoch: int
    start: Time
    end: Time
    state: EpochState
    closes_at: Time = Field(description="From when on it may be closed: confirmations end.")
    statements: int | None = Field(description="Statements judged; null until it is settled.")
    rejected: int | None
    paid: Amount | None = Field(description="Currency that changed hands, smallest units.")
    minted_wei: Amount | None


class RangeRow(Model):
    """The part of a log that an epoch's evidence adds."""

    log: LogRef
    first: int = Field(description="First entry.")
    size: int = Field(description="The log's size at its end: the entries are first..size-1.")
    entries: int
    root: Hash


class TipRow(Model):
    """A log up to a size, as a verifier said that it holds it."""

    log: LogRef
    size: int
    root: Hash
    agrees: bool | None = Field(
        description="It reaches what was frozen for this log; null until the epoch is closed."
    )


class VerifierPart(Model):
    """What one verifier did for an epoch."""

    verifier: Party
    name: str | None = Field(description="As it registered; null: not registered.")
    stake: Amount | None = Field(description="Its stake today, smallest unit of the bond.")
    confirmed_at: Time | None
    confirmed_tx: Hash | None
    tips: list[TipRow]
    attested_at: Time | None
    attested_tx: Hash | None
    digest: Hash | None = Field(description="The digest that it attested; null: none.")
    agrees: bool | None = Field(description="It is the finalised one; null where either lacks.")


class VerdictCount(Model):
    """How many statements of an epoch met one fate."""

    reason: ReasonText | None = Field(description="Null: accepted.")
    statements: int


class SpanCount(Model):
    """How many spans of an epoch were credited less than claimed for one reason."""

    reason: ReasonText
    spans: int


class FigureRow(Model):
    """A resource's total of an epoch, as its author wants it shown first."""

    key: str
    label: str
    value: str = Field(description="Whole number, before shifting by `scale` decimal places.")
    scale: int
    digits: int
    unit: str


class ResourceTotal(Model):
    """What an epoch came to for one resource."""

    resource: str
    title: str | None
    private: bool = Field(description="Quantities by device are for those concerned.")
    figures: list[FigureRow]
    devices: int = Field(description="Devices with work that the emission may reward.")
    quantity: int = Field(description="Their work in all.")
    unit: str | None
    rewards_wei: Amount


class PurposeTotal(Model):
    """Payments of one purpose in all."""

    resource: str
    purpose: str
    purpose_text: str
    payments: int
    amount: Amount


class RewardPool(Model):
    """What the emission gave to one resource's work or to one kind of service."""

    pool: str = Field(description="A resource, or `verifiers`, `gateways`, `treasury`.")
    accounts: int
    amount_wei: Amount


class CommitmentField(Model):
    """One value that an attestation commits to, and what it stands for."""

    name: str
    value: str
    meaning: str


class AssetTotalRow(Model):
    """Cumulative totals of one asset over all accounts, as committed."""

    asset: Address
    symbol: str
    earned: Amount
    spent: Amount


class Residual(Model):
    """Something that was left over, by name."""

    name: str
    value: str = Field(description="Whole number of smallest units, or of `unit` before `scale`.")
    asset: Address | None = Field(description="The asset that it is an amount of; null: none.")
    unit: str = Field(description="Unit after shifting by `scale` places; empty for an asset.")
    scale: int
    digits: int
    meaning: str


class Withdrawn(Model):
    """Unspent deposit that an epoch turned into something to claim."""

    asset: Address
    requests: int
    amount: Amount


class CheckIt(Model):
    """How anybody recomputes the epoch."""

    command: str = Field(description="On a machine that has the network's folder.")
    elsewhere: str = Field(description="On any other machine.")
    quick: str = Field(description="Beginning with the stored state of the epoch before.")
    verdicts: str = Field(description="Shows the verdicts and their reasons.")


class EpochDetail(Model):
    """Everything about an epoch but its long lists."""

    epoch: int
    start: Time
    end: Time
    state: EpochState
    settled: bool = Field(description="Its settlement is in the index.")
    timeline: list[Moment]
    quorum_ppm: int | None = Field(description="Share of the stake that decides.")
    closed_tx: Hash | None
    finalised_tx: Hash | None
    evidence_hash: Hash | None
    ranges: list[RangeRow]
    verifiers: list[VerifierPart]
    statements: int | None
    accepted: int | None
    rejected: int | None
    verdicts: list[VerdictCount]
    spans: list[SpanCount]
    resources: list[ResourceTotal]
    paid: Amount | None
    purposes: list[PurposeTotal]
    minted_wei: Amount | None
    pools: list[RewardPool]
    residuals: list[Residual]
    withdrawn: list[Withdrawn] = Field(description="Unspent deposits given back, by asset.")
    payout_root: Hash | None
    payout: EpochPayout | None = Field(description="Null until it is final.")
    leaves: int | None = Field(description="Leaves of the payout tree; null until it is settled.")
    totals: list[AssetTotalRow]
    digest: Hash | None
    commitment: list[CommitmentField]
    check: CheckIt | None = Field(description="Null until there is a result to check.")


class LeafRow(Model):
    """A leaf of an epoch's payout tree: cumulative, public, what a claim is proven with."""

    asset: Address
    symbol: str
    account: Party
    earned: Amount
    spent: Amount
    changed_in: int = Field(description="Epoch that changed it last, up to this one.")
    proof: str = Field(description="Page that proves it in the browser.")


class RewardRow(Model):
    """A part of an epoch's emission."""

    number: int
    pool: str
    account: Party
    amount_wei: Amount


class WorkRow(Model):
    """A device's work in an epoch. The quantity is for those concerned."""

    resource: str
    device: int
    label: str | None
    account: Party
    quality_ppm: int
    density_ppm: int
    quantity: int | None
    unit: str | None
