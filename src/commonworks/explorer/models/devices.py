"""What the answers about devices hold."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from commonworks.explorer.models.statements import ReasonText
from commonworks.explorer.web.model import (
    Amount,
    DeviceRef,
    Hash,
    Model,
    Party,
    Time,
)

Quantity = int | None
"""In the resource's unit; null where only those concerned may see it."""


class DeviceRow(Model):
    """A device in a list."""

    device: DeviceRef
    owner: Party
    cell: str | None = Field(description="H3 cell, no finer than the network shows on its map.")
    reference: bool = Field(description="Admitted as independent reference.")
    statements: int = Field(description="Statements judged for it so far.")
    rejected: int = Field(description="Of these, rejected.")
    rejected_ppm: int | None = Field(description="Their share; null before the first statement.")
    last_judged_epoch: int | None


class StatusCode(StrEnum):
    """How a device stands."""

    NEW = "new"
    """Nothing was ever judged for it."""
    GOOD = "good"
    """Its last statements were all accepted."""
    MIXED = "mixed"
    """Some of its last statements were rejected."""
    REJECTED = "rejected"
    """All of its last statements were rejected."""
    SILENT = "silent"
    """Epochs were settled since, and nothing of it was in them."""
    RETIRED = "retired"
    """Nobody owns it any more."""


class Status(Model):
    """How a device stands, in one sentence."""

    code: StatusCode
    text: str
    epoch: int | None = Field(description="Newest epoch that judged something of it.")
    judged: int
    rejected: int


class Advice(Model):
    """One thing that the owner should do."""

    code: str = Field(description="A reason's code, or what the index saw: `silent`, `deposit`, …")
    title: str
    text: str
    command: str | None = Field(description="Command line that helps; null where none does.")
    link: str | None = Field(description="Page that shows what it is about.")


class Payee(Model):
    """Who is paid for a device."""

    account: Party
    ppm: int = Field(description="Share of what it earns, parts per million.")


class EpochReports(Model):
    """What an epoch made of a device's statements."""

    epoch: int
    judged: int
    accepted: int
    rejected: int


class Quality(Model):
    """A device's work in an epoch. The quantity is for those concerned."""

    epoch: int
    resource: str
    account: Party
    quality_ppm: int
    density_ppm: int
    quantity: Quantity


class DeviceReason(Model):
    """A reason that a device's statements or spans met."""

    reason: ReasonText
    statements: int
    spans: int
    newest_epoch: int


class SpanRow(Model):
    """A span of event time for which less was credited than claimed."""

    epoch: int
    number: int
    start: Time
    length_s: int
    reason: ReasonText
    claimed: Quantity
    credited: Quantity


class PaymentRow(Model):
    """A payment; only those that the reader may see are in an answer."""

    epoch: int
    number: int
    resource: str
    payer: Party
    payee: Party
    amount: Amount
    purpose: str
    purpose_text: str = Field(description="What the payment is for, in words.")
    device: DeviceRef | None


class RewardTotal(Model):
    """What an account got from the emission for a resource; public by nature."""

    account: Party
    epochs: int
    amount_wei: Amount


class DeviceDetail(Model):
    """Everything that everybody may see about a device, and more for its owner."""

    device: DeviceRef
    resource_title: str | None = Field(description="The resource in words; null where unknown.")
    unit: str | None = Field(description="Unit of quantities.")
    owner: Party
    algorithm: str
    thumbprint: Hash
    public_key: str = Field(description="The raw key, hexadecimal.")
    cell: str | None = Field(description="H3 cell, no finer than the network shows on its map.")
    map_resolution: int = Field(description="Finest H3 resolution that policy lets us show now.")
    enroller: Party
    enrolled_at: Time
    enrolled_tx: Hash
    reference: bool
    payees: list[Payee] = Field(description="Who is paid; the owner alone where none are set.")
    status: Status
    advice: list[Advice]
    statements: int
    rejected: int
    history: list[EpochReports] = Field(description="Newest epochs, the oldest of them first.")
    quality: list[Quality] = Field(description="Newest epochs, the oldest of them first.")
    reasons: list[DeviceReason] = Field(description="Over the same epochs as the history.")
    payments: int = Field(description="Payments for this device so far, whoever may see them.")
    rewards: list[RewardTotal] = Field(description="Its payees' rewards from this resource.")
    spend_limit: Amount = Field(
        description="What its owner lets it spend in an epoch, smallest unit of the currency."
    )
    limit_command: str | None = Field(
        description="Command that sets this limit; null where no limit counts any more."
    )
    private: bool = Field(description="Quantities and payments are for those concerned.")
    yours: bool = Field(description="The reader signed in as its owner.")
