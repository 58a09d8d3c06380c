"""Gateways and verifiers: bonds, lag and faults, as they are answered and shown."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from commonworks.explorer.web.model import Amount, Hash, Model, Party, Time


class FaultKind(StrEnum):
    """What is wrong, or under way, with a node."""

    MISSED_CONFIRMATION = "missed_confirmation"
    """It had a voice and did not confirm an epoch's evidence."""
    MISSED_ATTESTATION = "missed_attestation"
    """It had a voice and did not attest an epoch that was finalised."""
    OTHER_DIGEST = "other_digest"
    """It attested another result than the one that a quorum finalised."""
    NO_VOICE = "no_voice"
    """Its bond is below the minimum."""
    UNBONDING = "unbonding"
    """It asked for its bond, or a part of it, back."""
    NEVER_ANCHORED = "never_anchored"
    ANCHORS_STOPPED = "anchors_stopped"
    """It logs, and does not anchor what it logs."""
    ENTRIES_UNSEEN = "entries_unseen"
    """It anchored more entries than can be read here."""
    WRONG_KEY = "wrong_key"
    """Log id, origin and key do not belong together, or are none."""


class Weight(StrEnum):
    """How much a fault matters."""

    BAD = "bad"
    WAIT = "wait"
    PLAIN = "plain"


class Fault(Model):
    """Something wrong, or under way, with a node, in plain words."""

    kind: FaultKind
    weight: Weight
    title: str
    meaning: str
    epochs: list[int] = Field(description="Epochs that it is about, the newest first; not all.")
    count: int = Field(description="How many epochs it is about; 0 where it is about none.")


class Bond(Model):
    """What a node has at stake."""

    bonded: Amount = Field(description="Smallest unit of what is bonded.")
    unbonding: Amount = Field(description="Asked back; stays until it is taken out.")
    ready_at: Time | None = Field(description="When it may be taken out.")
    minimum: Amount | None = Field(description="Smallest bond that counts; null: not defined.")


class VerifierBrief(Model):
    """One verifier."""

    operator: Party
    name: str = Field(description="As its operator wrote it: hostile until escaped.")
    endpoint: str = Field(description="As its operator wrote it: hostile until escaped.")
    bond: Bond
    stake: Amount = Field(description="Its part in the quorum now.")
    stake_ppm: int | None = Field(description="Of all verifiers' stake; null where nobody has any.")
    due: int = Field(description="Of the last epochs, those in which it had a voice.")
    confirmed: int = Field(description="Of these, those that it confirmed before they closed.")
    due_final: int = Field(description="Of those in which it had a voice, those that are final.")
    attested: int = Field(description="Of these, those that it attested as they were finalised.")
    confirm_after_s: int | None = Field(description="From an epoch's end; the median.")
    attest_after_s: int | None = Field(description="From an epoch's close; the median.")
    last_attested: int | None = Field(description="Newest epoch that it attested.")
    earned_wei: Amount = Field(description="For its service, ever.")
    faults: list[Fault]


class VerifierView(Model):
    """One verifier whole."""

    verifier: VerifierBrief
    registered_at: Time
    registered_tx: Hash
    epochs_counted: int = Field(description="How many of the last closed epochs were looked at.")
    halt_votes: int = Field(description="How often it ever voted to stop a payout.")


class Duty(Model):
    """What a verifier did for one epoch."""

    epoch: int
    ended_at: Time
    closed_at: Time
    due: bool = Field(description="Whether it had a voice at the epoch's end.")
    confirmed_at: Time | None
    confirmed_tx: Hash | None
    attested_at: Time | None
    attested_tx: Hash | None
    finalised: bool
    agrees: bool | None = Field(description="Whether it attested what was finalised.")
    halt_voted_at: Time | None = Field(
        description="When it voted to stop the epoch's payout; null: it did not."
    )
    halt_voted_tx: Hash | None


class GatewayBrief(Model):
    """One gateway and its log."""

    log_id: Hash
    operator: Party
    name: str = Field(description="As its operator wrote it: hostile until escaped.")
    origin: str = Field(description="The log's name in its checkpoints; hostile until escaped.")
    endpoint: str = Field(description="As its operator wrote it: hostile until escaped.")
    bond: Bond
    entries: int | None = Field(description="Entries read here; null: the log is not followed.")
    anchored: int | None = Field(description="Entries that the newest anchor covers.")
    settled: int | None = Field(description="Entries that closed epochs cover.")
    anchored_at: Time | None
    anchored_tx: Hash | None
    unanchored: int | None = Field(description="Entries beyond the newest anchor.")
    epochs_counted: int = Field(description="How many of the last closed epochs were looked at.")
    epochs_served: int = Field(description="Of these, those whose evidence has entries of its log.")
    earned_wei: Amount = Field(description="For its service, ever.")
    faults: list[Fault]


class GatewayView(Model):
    """One gateway whole."""

    gateway: GatewayBrief
    note_key: Hash = Field(description="Ed25519 key that signs the log's checkpoints.")
    vkey: str | None = Field(description="The same as text, as checkers of logs take it.")
    receipt_key: str = Field(description="P-256 key that signs receipts, x and y, hexadecimal.")
    registered_at: Time
    registered_tx: Hash
    command: str | None = Field(description="Command that verifies the whole log; null: no URL.")


class AnchorView(Model):
    """A size and root to which a gateway committed on chain."""

    size: int
    root: Hash
    time: Time
    tx: Hash


class Quorum(Model):
    """How the verifiers together stand."""

    time: Time = Field(description="Network time.")
    quorum_ppm: int | None = Field(description="Share of the stake that decides.")
    total_stake: Amount
    bond_symbol: str
    bond_decimals: int
    verifiers: int = Field(description="Registered.")
    voices: int = Field(description="Of these, those that have a stake.")
    gateways: int = Field(description="Registered.")
    single_operator: bool = Field(description="Whether the chain itself has one operator.")
    waiting: int | None = Field(description="First closed epoch that is not final; null: none.")
    waiting_since: Time | None
