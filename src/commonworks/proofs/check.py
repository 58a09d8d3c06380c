"""The checks of a proof file, in the order of docs/spec/proof.md.

Rule: what decides is the code that gateways, settlement and contracts go by; here is only the
order of its questions and what each compared. Everything is total: whatever a file says, the
answer is a list of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from eth_abi.abi import encode

from commonworks.crypto import cose
from commonworks.crypto.hashes import keccak256, sha256
from commonworks.errors import InvalidInput
from commonworks.events import Anchored, Closed, Range
from commonworks.proofs.form import Fault, read_proof
from commonworks.proofs.model import (
    ChainAnswers,
    CheckpointSaid,
    EvidenceSaid,
    FinalitySaid,
    Inclusion,
    NetworkParts,
    PayoutProof,
    StatementProof,
)
from commonworks.proofs.onchain import (
    ChainClaim,
    check_chain,
    check_finalised,
    check_network,
    check_on_chain,
)
from commonworks.proofs.steps import Checked, Status, StepName, Steps, Values, Why
from commonworks.settlement import payout
from commonworks.settlement.commitment import digest as epoch_digest
from commonworks.settlement.commitment import evidence_hash
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason, Statement
from commonworks.translog.notes import Checkpoint, log_id, note_key, open_checkpoint, parse_note
from commonworks.translog.tree import MAX_SIZE, leaf_hash, node_hash, root_from_inclusion

LEAF_TYPES: Final = ("address", "address", "uint256", "uint256")
"""A payout as the chain writes it: asset, account, earned, spent."""


def check_proof(data: bytes, chain: ChainAnswers | None = None) -> Checked:
    """Check a proof file.

    Inputs: any bytes; what a chain answered about this proof, None where none was asked.
    Guarantees: never raises for what the bytes say.
    """
    try:
        proof = read_proof(data)
    except Fault as fault:
        steps = Steps()
        steps.add(StepName.FORM, Status.FAIL, why=fault.why, where=fault.where)
        return steps.end()
    if isinstance(proof, StatementProof):
        return check_statement(proof, chain)
    return check_payout(proof, chain)


def check_statement(proof: StatementProof, chain: ChainAnswers | None) -> Checked:
    """Check that a statement is in a log whose root was anchored, and became evidence."""
    steps = Steps()
    steps.add(StepName.FORM, Status.OK, values={"statement": proof.statement})
    statement = _check_entry(steps, proof)
    _check_device(steps, proof, statement)
    _check_inclusion(steps, proof.statement, proof.inclusion)
    _check_log(steps, proof)
    check_network(steps, proof.network)
    asked = check_chain(steps, proof.network, chain)
    _check_anchor(steps, proof, asked)
    _check_evidence(steps, proof, asked)
    return steps.end(open_=proof.anchor is None)


def check_payout(proof: PayoutProof, chain: ChainAnswers | None) -> Checked:
    """Check that a payout is in the tree whose root the chain finalised."""
    steps = Steps()
    steps.add(StepName.FORM, Status.OK)
    _check_leaf(steps, proof)
    _check_total(steps, proof)
    _check_commitment(steps, proof.network, proof.finality)
    check_network(steps, proof.network)
    asked = check_chain(steps, proof.network, chain)
    check_finalised(steps, proof.finality, asked)
    return steps.end()


# --- the statement itself -------------------------------------------------------------------------


def _check_entry(steps: Steps, proof: StatementProof) -> Statement | None:
    """Add the steps on what the entry is and what it is called."""
    decoded = decode_statement(proof.statement, None)
    leaf = leaf_hash(proof.statement)
    if isinstance(decoded, Reason):
        where = str(decoded)
        steps.add(StepName.STATEMENT, Status.SKIP, why=Why.NOT_STATEMENT, where=where)
        # what no reader of statements can decode is named by its leaf hash
        steps.same(StepName.LEAF_IDENTITY, leaf, proof.identity, Why.WRONG_IDENTITY)
        return None
    said = decoded.payload
    steps.judge(
        StepName.STATEMENT,
        said is None or said.network == proof.network.id,
        Why.OTHER_NETWORK,
        values={
            "kind": str(decoded.kind),
            "sealed": "yes" if decoded.sealed else "no",
            "time": None if said is None else said.time,
            "kid": decoded.kid,
            "network": None if said is None else said.network,
        },
    )
    if proof.identity == leaf:  # sealed, and what was beside it did not fit: judged by its leaf
        steps.same(StepName.LEAF_IDENTITY, leaf, proof.identity, Why.WRONG_IDENTITY)
        return decoded
    message = _message(decoded)
    steps.same(
        StepName.IDENTITY, sha256(message), proof.identity, Why.WRONG_IDENTITY, {"message": message}
    )
    return decoded


def _message(statement: Statement) -> bytes:
    """Return what the device signed."""
    return cose.sig_structure(statement.signed.protected, statement.signed.payload or b"")


def _check_device(steps: Steps, proof: StatementProof, statement: Statement | None) -> None:
    key = proof.device
    if statement is None or key is None:
        why = Why.UNREADABLE if statement is None else Why.NO_KEY
        steps.add(StepName.DEVICE_SIGNATURE, Status.SKIP, why=why)
        return
    named = key.thumbprint == statement.kid and key.algorithm is statement.algorithm
    steps.judge(
        StepName.DEVICE_KEY,
        named,
        Why.WRONG_KEY,
        result=key.thumbprint,
        values={
            "algorithm": key.algorithm.name,
            "key": key.raw,
            "expected": None if named else statement.kid,
        },
    )
    message, signature = _message(statement), statement.signed.signature
    steps.judge(
        StepName.DEVICE_SIGNATURE,
        key.verify(message, signature),
        Why.BAD_SIGNATURE,
        values={"message": message, "signature": signature},
    )


# --- the log --------------------------------------------------------------------------------------


def path_nodes(
    leaf: bytes, position: int, size: int, path: Sequence[bytes]
) -> tuple[tuple[bytes, bytes], ...]:
    """Return the (left, right) of each node on an inclusion path, to be shown.

    Inputs: a path that `root_from_inclusion` accepts for this position and size.
    Source: RFC 9162, 2.1.3; below the height where the two edges part, bits of the position tell
    the side, above it the sibling is always on the left.
    """
    parted = (position ^ (size - 1)).bit_length()
    node, nodes = leaf, []
    for level, sibling in enumerate(path):
        on_right = level >= parted or position >> level & 1
        pair = (sibling, node) if on_right else (node, sibling)
        nodes.append(pair)
        node = node_hash(*pair)
    return tuple(nodes)


def path_length(position: int, size: int) -> int:
    """Return how many siblings a position's path has in a tree: 0 <= position < size."""
    parted = (position ^ (size - 1)).bit_length()
    return parted + (position >> parted).bit_count()


def _path_fault(position: int, size: int, path: Sequence[bytes]) -> Why:
    """Return why a path cannot fit."""
    if not 0 <= position < size <= MAX_SIZE:
        return Why.POSITION_OUTSIDE
    long = len(path) > path_length(position, size)
    return Why.PATH_TOO_LONG if long else Why.PATH_TOO_SHORT


def _check_inclusion(steps: Steps, entry: bytes, at: Inclusion) -> None:
    leaf = leaf_hash(entry)
    steps.add(StepName.LEAF, Status.OK, result=leaf, values={"prefix": "0x00", "statement": entry})
    root = root_from_inclusion(leaf, at.position, at.size, at.path)
    place = {"position": at.position, "size": at.size}
    if root is None:
        why = _path_fault(at.position, at.size, at.path)
        steps.add(StepName.ROOT, Status.FAIL, why=why, where="inclusion", values=place)
        return
    nodes = path_nodes(leaf, at.position, at.size, at.path)
    for number, (left, right) in enumerate(nodes, 1):
        steps.add(
            StepName.NODE,
            Status.OK,
            number=number,
            result=node_hash(left, right),
            values={"left": left, "right": right},
        )
    steps.same(StepName.ROOT, root, at.root, Why.WRONG_ROOT, place)


def _check_log(steps: Steps, proof: StatementProof) -> None:
    log = proof.log
    found = log_id(log.origin, log.note_key)
    steps.same(
        StepName.LOG, found, log.id, Why.WRONG_LOG, {"origin": log.origin, "key": log.note_key}
    )
    if proof.checkpoint is None:
        steps.add(StepName.CHECKPOINT, Status.SKIP, why=Why.NO_CHECKPOINT)
        return
    _check_checkpoint(steps, proof, proof.checkpoint)


def _check_checkpoint(steps: Steps, proof: StatementProof, said: CheckpointSaid) -> None:
    log, position = proof.log, proof.inclusion.position
    data = said.note.encode()
    try:
        head = Checkpoint.decode(parse_note(data).text)
    except InvalidInput:
        steps.add(StepName.CHECKPOINT, Status.FAIL, why=Why.BAD_NOTE, where="checkpoint.note")
        return
    if head.origin != log.origin:
        steps.add(StepName.CHECKPOINT, Status.FAIL, why=Why.WRONG_LOG, where="checkpoint.note")
        return
    root = root_from_inclusion(leaf_hash(proof.statement), position, head.size, said.path)
    if root is None:
        why = _path_fault(position, head.size, said.path)
        steps.add(StepName.CHECKPOINT_ROOT, Status.FAIL, why=why, where="checkpoint.path")
    else:
        steps.same(StepName.CHECKPOINT_ROOT, root, head.root, Why.WRONG_ROOT, {"size": head.size})
    try:
        open_checkpoint(data, note_key(log.origin, log.note_key))
        signed = True
    except InvalidInput:
        signed = False
    values: Values = {"note": said.note, "key": log.note_key}
    steps.judge(StepName.CHECKPOINT, signed, Why.BAD_SIGNATURE, values=values)


# --- the payout -----------------------------------------------------------------------------------


def _check_leaf(steps: Steps, proof: PayoutProof) -> None:
    leaf = proof.leaf
    words = encode(LEAF_TYPES, [leaf.asset, leaf.account, leaf.earned, leaf.spent])
    inner, node = keccak256(words), payout.leaf_hash(leaf)
    steps.add(StepName.PAYOUT_WORDS, Status.OK, result=inner, values={"words": words})
    steps.add(StepName.PAYOUT_LEAF, Status.OK, result=node, values={"inner": inner})
    for number, sibling in enumerate(proof.siblings, 1):
        left, right = sorted((node, sibling))
        node = keccak256(left + right)
        pair = {"left": left, "right": right}
        steps.add(StepName.PAYOUT_NODE, Status.OK, number=number, result=node, values=pair)
    expected = proof.finality.commitment.payout_root
    fits = payout.verify(expected, leaf, proof.siblings)
    wanted = {"expected": None if fits else expected}
    steps.judge(StepName.PAYOUT_ROOT, fits, Why.WRONG_ROOT, result=node, values=wanted)


def _check_total(steps: Steps, proof: PayoutProof) -> None:
    """No account has more than all together: the first thing that the Vault would refuse."""
    leaf = proof.leaf
    totals = proof.finality.commitment.totals
    total = next((one for one in totals if one.asset == leaf.asset), None)
    within = total is not None and leaf.earned <= total.earned and leaf.spent <= total.spent
    steps.judge(
        StepName.PAYOUT_TOTAL,
        within,
        Why.BEYOND_TOTAL,
        values={
            "earned": leaf.earned,
            "spent": leaf.spent,
            "total_earned": None if total is None else total.earned,
            "total_spent": None if total is None else total.spent,
        },
    )


# --- the chain ----------------------------------------------------------------------------------


def _check_anchor(steps: Steps, proof: StatementProof, chain: ChainAnswers | None) -> None:
    anchor, at = proof.anchor, proof.inclusion
    if anchor is None:
        steps.add(StepName.ANCHOR, Status.SKIP, why=Why.NOT_ANCHORED)
        return
    if anchor.size != at.size:
        steps.add(StepName.ANCHOR, Status.FAIL, why=Why.OTHER_SIZE, values={"size": anchor.size})
        return
    claim = ChainClaim(
        computed=at.root,
        said=anchor.root,
        held=None if chain is None else chain.anchored,
        tx=anchor.tx,
        event=(Anchored, proof.log.id, at.size, at.root),
        otherwise=Why.WRONG_ANCHOR,
    )
    values: Values = {"log": proof.log.id, "size": at.size}
    check_on_chain(steps, StepName.ANCHOR, claim, chain, values)


def _check_evidence(steps: Steps, proof: StatementProof, chain: ChainAnswers | None) -> None:
    said = proof.evidence
    if said is None:
        steps.add(StepName.RANGE, Status.SKIP, why=Why.NOT_CLOSED)
        return
    _check_range(steps, proof, said)
    ordered = _in_order(said.ranges)
    computed = evidence_hash(said.epoch, said.ranges) if ordered else bytes(32)
    otherwise = Why.WRONG_EVIDENCE if ordered else Why.RANGES_UNORDERED
    steps.same(StepName.EVIDENCE, computed, said.evidence_hash, otherwise, {"epoch": said.epoch})
    claim = ChainClaim(
        computed=said.evidence_hash,
        said=said.evidence_hash,
        held=None if chain is None else chain.evidence_hash,
        tx=said.tx,
        event=(Closed, said.epoch, said.evidence_hash),
        otherwise=Why.WRONG_EVIDENCE,
    )
    check_on_chain(steps, StepName.CLOSED, claim, chain, {"epoch": said.epoch})
    final = said.finality
    if final is None:
        steps.add(StepName.DIGEST, Status.SKIP, why=Why.NOT_FINALISED)
        return
    evidence = final.commitment.evidence_hash
    part = evidence == said.evidence_hash and final.epoch == said.epoch
    values: Values = {"evidence": evidence, "epoch": final.epoch}
    steps.judge(StepName.COMMITTED, part, Why.OTHER_EPOCH, values=values)
    _check_commitment(steps, proof.network, final)
    check_finalised(steps, final, chain)


def _check_range(steps: Steps, proof: StatementProof, said: EvidenceSaid) -> None:
    at = proof.inclusion
    found = next((one for one in said.ranges if one.log_id == proof.log.id), None)
    inside = found is not None and found.first <= at.position < found.size
    same = inside and found is not None and (found.size, found.root) == (at.size, at.root)
    steps.judge(
        StepName.RANGE,
        same,
        Why.OTHER_RANGE if inside else Why.OUTSIDE_RANGE,
        values={
            "epoch": said.epoch,
            "position": at.position,
            "first": None if found is None else found.first,
            "size": None if found is None else found.size,
            "root": None if found is None else found.root,
        },
    )


def _in_order(ranges: Sequence[Range]) -> bool:
    """Tell whether ranges are written in their one way: ascending by log, none empty."""
    ascending = all(one.log_id < other.log_id for one, other in pairwise(ranges))
    return ascending and all(one.first < one.size for one in ranges)


def _check_commitment(steps: Steps, network: NetworkParts, final: FinalitySaid) -> None:
    totals = final.commitment.totals
    if not all(one.asset < other.asset for one, other in pairwise(totals)):
        steps.add(StepName.DIGEST, Status.FAIL, why=Why.TOTALS_UNORDERED)
        return
    computed = epoch_digest(network.id, final.epoch, final.commitment)
    steps.same(
        StepName.DIGEST,
        computed,
        final.digest,
        Why.WRONG_DIGEST,
        {"network": network.id, "epoch": final.epoch},
    )
