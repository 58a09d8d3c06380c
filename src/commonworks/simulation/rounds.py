"""Model of the Settlement contract: anchor, confirm, close, attest, finalise, halt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from eth_abi.abi import encode

from commonworks.crypto.hashes import keccak256
from commonworks.events import (
    Anchored,
    Attested,
    Closed,
    Commitment,
    Confirmed,
    Finalised,
    Range,
    Tip,
)
from commonworks.simulation.blocks import Blocks, refuse
from commonworks.simulation.governance import PolicyModel
from commonworks.simulation.nodes import NodesModel
from commonworks.simulation.vault import VaultModel
from commonworks.stops import Halted, HaltVoted
from commonworks.units import PPM

TIPS_MAX: Final = 64
"""Most logs that one confirmation names."""

NOTHING: Final = bytes(32)
"""What the contract reads where nothing was written."""


@dataclass(slots=True, kw_only=True)
class _Epoch:
    """Where one epoch stands."""

    evidence_hash: bytes = NOTHING
    digest: bytes = NOTHING
    hold_ends: int = 0
    halted: bool = False
    halt_stake: int = 0
    points: dict[bytes, dict[int, int]] = field(default_factory=dict)
    """Log -> size -> stake that confirmed exactly this size."""
    confirmed: set[bytes] = field(default_factory=set)
    halt_voted: set[bytes] = field(default_factory=set)
    attestations: dict[bytes, bytes] = field(default_factory=dict)
    attested_stake: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))


class SettlementModel:
    """The rounds of every epoch."""

    def __init__(
        self,
        blocks: Blocks,
        *,
        network_id: bytes,
        guardian: bytes,
        nodes: NodesModel,
        policy: PolicyModel,
        vault: VaultModel,
    ) -> None:
        self._blocks = blocks
        self.network_id = network_id
        self._guardian = guardian
        self._nodes = nodes
        self._policy = policy
        self._vault = vault
        self.next_to_close = 0
        self.next_to_finalise = 0
        self._anchors: dict[tuple[bytes, int], bytes] = {}
        self._anchored_size: dict[bytes, int] = defaultdict(int)
        self._closed_size: dict[bytes, int] = defaultdict(int)
        self._epochs: dict[int, _Epoch] = defaultdict(_Epoch)

    def anchor(self, sender: bytes, tip: Tip) -> None:
        """Commit the sender's log to a size and root."""
        if self._nodes.operator_of(tip.log_id) != sender:
            raise refuse("NotGateway", logId=tip.log_id, caller=sender)
        if tip.root == NOTHING:
            raise refuse("ZeroRoot", logId=tip.log_id, size=tip.size)
        latest = self._anchored_size[tip.log_id]
        if tip.size <= latest:
            raise refuse("AnchorNotLarger", logId=tip.log_id, size=tip.size, anchoredSize=latest)
        self._anchored_size[tip.log_id] = tip.size
        self._anchors[tip.log_id, tip.size] = tip.root
        self._blocks.emit(
            Anchored(at=self._blocks.here(), log_id=tip.log_id, size=tip.size, root=tip.root)
        )

    def confirm(self, sender: bytes, epoch: int, tips: Sequence[Tip]) -> None:
        """Say that the sending verifier holds these logs, payloads included."""
        opens, ends = self.confirm_window(epoch)
        if not opens <= self._blocks.time < ends:
            raise refuse("OutsideConfirmWindow", epoch=epoch, opens=opens, ends=ends)
        stake, _ = self._stakes(epoch, sender)
        state = self._epochs[epoch]
        if sender in state.confirmed:
            raise refuse("AlreadyConfirmed", epoch=epoch, verifier=sender)
        if len(tips) > TIPS_MAX:
            raise refuse("TooManyTips", count=len(tips), maximum=TIPS_MAX)
        before = b""
        for tip in tips:
            if before and tip.log_id <= before:
                raise refuse("TipsNotSorted", logId=tip.log_id)
            if tip.root == NOTHING or self._anchors.get((tip.log_id, tip.size)) != tip.root:
                raise refuse("NotAnchored", logId=tip.log_id, size=tip.size, root=tip.root)
            before = tip.log_id
        state.confirmed.add(sender)
        for tip in tips:
            sizes = state.points.setdefault(tip.log_id, {})
            sizes[tip.size] = sizes.get(tip.size, 0) + stake
        self._blocks.emit(
            Confirmed(at=self._blocks.here(), epoch=epoch, verifier=sender, tips=tuple(tips))
        )

    def close(self, epoch: int) -> None:
        """Freeze the evidence that a quorum confirmed; from the deadline on, by anyone."""
        if epoch != self.next_to_close:
            raise refuse("CloseOutOfOrder", epoch=epoch, expected=self.next_to_close)
        _, deadline = self.confirm_window(epoch)
        if self._blocks.time < deadline:
            raise refuse("CloseTooEarly", epoch=epoch, deadline=deadline)
        ranges = self._ranges(epoch)
        rows = [(item.log_id, item.first, item.size, item.root) for item in ranges]
        types = ["uint64", "(bytes32,uint64,uint64,bytes32)[]"]
        evidence_hash = keccak256(encode(types, [epoch, rows]))
        self.next_to_close = epoch + 1
        self._epochs[epoch].evidence_hash = evidence_hash
        for item in ranges:
            self._closed_size[item.log_id] = item.size
        self._blocks.emit(
            Closed(at=self._blocks.here(), epoch=epoch, evidence_hash=evidence_hash, ranges=ranges)
        )

    def attest(self, sender: bytes, epoch: int, commitment: Commitment) -> None:
        """Sign off on a result; the same one again changes nothing."""
        stake, _ = self._stakes(epoch, sender)
        if epoch >= self.next_to_close:
            raise refuse("NotClosed", epoch=epoch)
        self._require_next(epoch)
        self._require_right_inputs(epoch, commitment)
        state = self._epochs[epoch]
        digest = self.digest_for(epoch, commitment)
        before = state.attestations.get(sender)
        if before == digest:
            return
        if before is not None:
            raise refuse("AlreadyAttested", epoch=epoch, verifier=sender, digest=before)
        state.attestations[sender] = digest
        state.attested_stake[digest] += stake
        self._blocks.emit(
            Attested(at=self._blocks.here(), epoch=epoch, verifier=sender, digest=digest)
        )

    def finalise(self, epoch: int, commitment: Commitment) -> None:
        """Make a result final that a quorum attested; by anyone."""
        self._require_next(epoch)
        state = self._epochs[epoch]
        digest = self.digest_for(epoch, commitment)
        stake = state.attested_stake.get(digest, 0)
        total = self._total_stake(epoch) if stake else 0
        if stake == 0 or stake < self._needed(epoch, total):
            raise refuse("NoQuorum", epoch=epoch, digest=digest, stake=stake, totalStake=total)
        self._blocks.emit(
            Finalised(at=self._blocks.here(), epoch=epoch, digest=digest, commitment=commitment)
        )
        hold_ends = self._vault.finalise(epoch, commitment)
        self.next_to_finalise = epoch + 1
        state.digest = digest
        state.hold_ends = hold_ends

    def halt(self, sender: bytes, epoch: int) -> None:
        """Stop a root in its hold: at the guardian's word, or by verifiers' votes."""
        state = self._epochs[epoch]
        if self._blocks.time >= state.hold_ends:
            raise refuse("NotInHold", epoch=epoch, holdEnds=state.hold_ends)
        if state.halted:
            raise refuse("AlreadyHalted", epoch=epoch)
        if sender != self._guardian and not self._vote_halt(sender, epoch):
            return
        until = self._blocks.time + self._policy.value_at("halt_s", epoch)
        self._blocks.emit(Halted(at=self._blocks.here(), epoch=epoch, until=until))
        self._vault.halt(epoch, until)
        state.halted = True

    def confirm_window(self, epoch: int) -> tuple[int, int]:
        """Return when confirming an epoch opens and when it ends."""
        opens = self._policy.epoch_end(epoch) + self._policy.value_at("grace_s", epoch)
        return opens, opens + self._policy.value_at("confirm_s", epoch)

    def digest_of(self, epoch: int) -> bytes:
        """Return the digest of a finalised epoch, 32 zero bytes before."""
        return self._epochs[epoch].digest

    def evidence_hash_of(self, epoch: int) -> bytes:
        """Return the evidence hash of a closed epoch, 32 zero bytes before."""
        return self._epochs[epoch].evidence_hash

    def digest_for(self, epoch: int, commitment: Commitment) -> bytes:
        """Return what an attestation of this result signs off on."""
        types = ["bytes32", "uint64", *["bytes32"] * 8, "uint256", "(address,uint256,uint256)[]"]
        totals = [(total.asset, total.earned, total.spent) for total in commitment.totals]
        hashes = [
            commitment.previous_digest,
            commitment.evidence_hash,
            commitment.facts_hash,
            commitment.policy_hash,
            commitment.rules_hash,
            commitment.result_hash,
            commitment.state_hash,
            commitment.payout_root,
        ]
        values = [self.network_id, epoch, *hashes, commitment.minted_wei, totals]
        return keccak256(encode(types, values))

    def _ranges(self, epoch: int) -> tuple[Range, ...]:
        needed = self._needed(epoch, self._total_stake(epoch))
        ranges = []
        for log_id, points in sorted(self._epochs[epoch].points.items()):
            first = self._closed_size[log_id]
            size = _quorum_size(points, needed)
            if size > first:
                root = self._anchors[log_id, size]
                ranges.append(Range(log_id=log_id, first=first, size=size, root=root))
        return tuple(ranges)

    def _require_next(self, epoch: int) -> None:
        if epoch > self.next_to_finalise:
            raise refuse("PreviousNotFinalised", epoch=epoch)
        if epoch < self.next_to_finalise:
            raise refuse("AlreadyFinalised", epoch=epoch)

    def _require_right_inputs(self, epoch: int, commitment: Commitment) -> None:
        rules = self._policy.value_at("rules", epoch) % 2**256
        previous = self._epochs[epoch - 1].digest if epoch else NOTHING
        evidence = self._epochs[epoch].evidence_hash
        checks = (
            ("WrongPreviousDigest", commitment.previous_digest, previous),
            ("WrongEvidenceHash", commitment.evidence_hash, evidence),
            ("WrongPolicyHash", commitment.policy_hash, self._policy.hash_at(epoch)),
            ("WrongRulesHash", commitment.rules_hash, rules.to_bytes(32, "big")),
        )
        for name, given, expected in checks:
            if given != expected:
                raise refuse(name, given=given, expected=expected)

    def _vote_halt(self, sender: bytes, epoch: int) -> bool:
        stake, total = self._stakes(epoch, sender)
        state = self._epochs[epoch]
        if sender in state.halt_voted:
            raise refuse("AlreadyVoted", epoch=epoch, verifier=sender)
        state.halt_voted.add(sender)
        state.halt_stake += stake
        self._blocks.emit(
            HaltVoted(at=self._blocks.here(), epoch=epoch, verifier=sender, stake=stake)
        )
        return state.halt_stake > total - self._needed(epoch, total)

    def _stakes(self, epoch: int, verifier: bytes) -> tuple[int, int]:
        """Return a verifier's stake and all stake at the epoch's end; refuse who has none."""
        end = self._policy.epoch_end(epoch)
        stake = self._nodes.stake_at(verifier, end - 1) if self._blocks.time >= end else 0
        if stake == 0:
            raise refuse("NotVerifier", caller=verifier, epoch=epoch)
        return stake, self._nodes.total_stake_at(end - 1)

    def _total_stake(self, epoch: int) -> int:
        return self._nodes.total_stake_at(self._policy.epoch_end(epoch) - 1)

    def _needed(self, epoch: int, total: int) -> int:
        """Return the smallest stake that is a quorum; never zero."""
        scaled = total * self._policy.value_at("quorum_ppm", epoch)
        return max(1, -(-scaled // PPM))


def _quorum_size(points: dict[int, int], needed: int) -> int:
    """Return the largest size that verifiers with `needed` stake hold; 0 for none.

    Whoever confirmed a size holds all smaller ones.
    """
    held = 0
    for size in sorted(points, reverse=True):
        held += points[size]
        if held >= needed:
            return size
    return 0
