"""What a proof file says, decoded; and what a chain answered about it. Hashes have 32 bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonworks.crypto.keys import PublicKey
from commonworks.events import Commitment, Event, Range
from commonworks.model import Total


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParts:
    """What a network's id is the hash of."""

    id: bytes
    chain_id: int
    settlement: bytes
    """The contract that anchors, closes and finalises."""
    token: bytes
    devices: bytes
    nodes: bytes
    vault: bytes
    policy: bytes
    genesis_time: int
    """Unix seconds."""
    epoch_length_s: int
    manifest_hash: bytes | None
    """None: the id cannot be computed again."""

    @property
    def contracts(self) -> tuple[bytes, ...]:
        """The contracts in the order in which the id names them."""
        return (self.settlement, self.token, self.devices, self.nodes, self.vault, self.policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenLog:
    """The log that a statement is in."""

    id: bytes
    name: str
    """What its gateway is called; not part of the proof."""
    origin: str
    """Name of the log in its checkpoints."""
    note_key: bytes
    """Ed25519 key of its checkpoints, 32 bytes."""
    receipt_key: bytes
    """ES256 key of its receipts, 64 bytes; not part of the proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """A place in a tree of the log and the path to that tree's root."""

    position: int
    size: int
    path: tuple[bytes, ...]
    """From the leaf upwards."""
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorSaid:
    """What the file says about an anchor."""

    size: int
    root: bytes
    tx: bytes
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaid:
    """The log's newest published head and the path in it."""

    note: str
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalitySaid:
    """What the file says that the chain finalised."""

    epoch: int
    commitment: Commitment
    digest: bytes
    tx: bytes
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSaid:
    """What the file says that closing an epoch froze."""

    epoch: int
    ranges: tuple[Range, ...]
    evidence_hash: bytes
    tx: bytes
    finality: FinalitySaid | None
    """None until the epoch is finalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementProof:
    """A statement proof."""

    network: NetworkParts
    identity: bytes
    statement: bytes
    """The entry as logged."""
    log: ProvenLog
    inclusion: Inclusion
    anchor: AnchorSaid | None
    checkpoint: CheckpointSaid | None
    device: PublicKey | None
    evidence: EvidenceSaid | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutProof:
    """A payout proof. What a claim would pay is told in the file, not proven, and left out here."""

    network: NetworkParts
    leaf: Total
    siblings: tuple[bytes, ...]
    """From the leaf upwards."""
    finality: FinalitySaid


Proof = StatementProof | PayoutProof


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainAnswers:
    """What a chain says about a proof, asked at the Settlement contract that the proof names."""

    chain_id: int
    network_id: bytes
    """What that contract calls its network; empty where there is no such contract."""
    anchored: bytes | None = None
    """`anchorOf(log, size)`, zero for none; None: the proof brings no anchor."""
    evidence_hash: bytes | None = None
    """`evidenceHashOf(epoch)`, zero for none; None: the proof brings no evidence."""
    digest: bytes | None = None
    """`digestOf(epoch)`, zero for none; None: the proof brings no finality."""
    events: Mapping[bytes, tuple[Event, ...]]
    """Transaction -> what Settlement said in it; one that the chain does not know is not here."""
