"""Proofs as files: everything that somebody needs to check a statement or a payout alone.

Both are documents of docs/spec/proof.md, member for member: what the browser verifies is what the
API gives. Counts of entries and amounts are digits, because JSON numbers do not carry 64 bits.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from commonworks.explorer.web.model import Address, Amount, Hash, Model, Time

Bytes = Annotated[str, Field(pattern=r"^0x([0-9a-f]{2})*$", description="Bytes, hexadecimal.")]


class NetworkParts(Model):
    """What a network's id is the hash of (docs/spec/digest.md)."""

    id: Hash
    chain_id: int
    settlement: Address = Field(description="The contract that anchors, closes and finalises.")
    token: Address
    devices: Address
    nodes: Address
    vault: Address
    policy: Address
    genesis_time: Time
    epoch_length_s: int
    manifest_hash: Hash | None = Field(description="Null where this explorer does not know it.")


class ProvenLog(Model):
    """The log that a statement is in, as its gateway registered it on chain."""

    id: Hash = Field(description="SHA-256(origin, 0x0A, 0x01, note key).")
    name: str = Field(description="Name of the gateway.")
    origin: str = Field(description="Name of the log in its checkpoints.")
    note_key: Hash = Field(description="Ed25519 key of its checkpoints.")
    receipt_key: Bytes = Field(description="ES256 key of its receipts, x and y, 64 bytes.")


class Inclusion(Model):
    """Where a statement stands in a tree of its log, and the path up to that tree's root."""

    position: Amount = Field(description="Place in the log, from 0.")
    size: Amount = Field(description="Entries of the tree; an anchored size where there is one.")
    path: list[Hash] = Field(description="Siblings from the leaf upwards (RFC 9162, 2.1.3).")
    root: Hash


class AnchorRecord(Model):
    """The root that the gateway anchored on chain at this size."""

    size: Amount
    root: Hash
    tx: Hash = Field(description="Transaction with the event Anchored.")
    time: Time


class CheckpointRecord(Model):
    """The log's newest published head, and the statement's path in it."""

    note: str = Field(description="Signed note (C2SP tlog-checkpoint).")
    path: list[Hash]


class DeviceKeyRecord(Model):
    """The key that a device was enrolled with."""

    device: int
    algorithm: int = Field(description="COSE: -8 is Ed25519, -7 is ES256.")
    public_key: Bytes = Field(description="32 bytes for Ed25519, x and y for ES256.")


class RangeRecord(Model):
    """Entries first to size-1 of a log, as evidence of an epoch."""

    log_id: Hash
    first: Amount
    size: Amount
    root: Hash


class AssetTotalRecord(Model):
    """Cumulative sums of one asset over all accounts."""

    asset: Address
    earned: Amount
    spent: Amount


class CommitmentRecord(Model):
    """What an epoch's digest is the hash of, with the network's id."""

    epoch: int
    previous_digest: Hash
    evidence_hash: Hash
    facts_hash: Hash
    policy_hash: Hash
    rules_hash: Hash
    result_hash: Hash
    state_hash: Hash
    payout_root: Hash
    minted_wei: Amount
    totals: list[AssetTotalRecord]


class FinalityRecord(Model):
    """An epoch's result as the chain finalised it."""

    commitment: CommitmentRecord
    digest: Hash
    tx: Hash = Field(description="Transaction with the event Finalised.")
    time: Time


class EvidenceRecord(Model):
    """What closing an epoch froze."""

    epoch: int
    ranges: list[RangeRecord]
    evidence_hash: Hash
    tx: Hash = Field(description="Transaction with the event Closed.")
    finality: FinalityRecord | None = Field(description="Null until the epoch is finalised.")


class StatementProof(Model):
    """Proof that a statement is in a log whose root was anchored on chain."""

    format: Literal["commonworks-statement-proof-v1"]
    network: NetworkParts
    identity: Hash
    statement: Bytes = Field(description="The entry as logged, a COSE_Sign1.")
    log: ProvenLog
    inclusion: Inclusion
    anchor: AnchorRecord | None = Field(description="Null until an anchor covers it.")
    checkpoint: CheckpointRecord | None = Field(description="Null where none is at hand.")
    device: DeviceKeyRecord | None = Field(description="Null where the key is not enrolled.")
    evidence: EvidenceRecord | None = Field(description="Null until an epoch has it as evidence.")


class PayoutLeafRecord(Model):
    """A leaf of the payout tree, cumulative over all epochs."""

    asset: Address
    account: Address
    earned: Amount
    spent: Amount


class ClaimRecord(Model):
    """What `claim` would pay now; told by this explorer, not part of the proof."""

    epoch: int = Field(description="Epoch whose root claims are made against now.")
    earned: Amount = Field(description="Cumulative, in that epoch's leaf.")
    claimed: Amount = Field(description="Claimed so far.")
    pays: Amount


class PayoutProof(Model):
    """Proof that a payout is in the tree whose root the chain finalised."""

    format: Literal["commonworks-payout-proof-v1"]
    network: NetworkParts
    leaf: PayoutLeafRecord
    siblings: list[Hash] = Field(description="From the leaf upwards; pairs are hashed sorted.")
    finality: FinalityRecord
    claim: ClaimRecord | None = Field(description="Null while no root is claimable.")
