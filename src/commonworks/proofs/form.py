"""The form of proof files (docs/spec/proof.md, 1): from bytes to values, or a fault with its place.

Rule: exactly the members that the format names, each once, in its one spelling and below its
bound. What is not read here is not checked later, so nothing unknown is let through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from commonworks.crypto.hashes import keccak256
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import InvalidInput
from commonworks.events import AssetTotal, Commitment, Range
from commonworks.model import Total
from commonworks.proofs.model import (
    AnchorSaid,
    CheckpointSaid,
    EvidenceSaid,
    FinalitySaid,
    Inclusion,
    NetworkParts,
    PayoutProof,
    Proof,
    ProvenLog,
    StatementProof,
)
from commonworks.proofs.steps import Why
from commonworks.statements.model import MAX_STATEMENT_BYTES
from commonworks.translog.tree import MAX_PROOF_HASHES, MAX_SIZE

STATEMENT_FORMAT: Final = "commonworks-statement-proof-v1"
PAYOUT_FORMAT: Final = "commonworks-payout-proof-v1"

FILE_BYTES_MAX: Final = 524_288
"""Longest proof file."""

BRACKETS_MAX: Final = 1_000
"""Most lists and objects in one file: 256 ranges, 64 totals and what holds them. Bounds the
nesting, which would overflow the decoder's stack."""

SIBLINGS_MAX: Final = 64
RANGES_MAX: Final = 256
TOTALS_MAX: Final = 64
NOTE_CHARACTERS_MAX: Final = 16_384
TEXT_CHARACTERS_MAX: Final = 400
"""Longest name of a log or a gateway."""
COUNT_MAX: Final = 2**53 - 1
WORD_MAX: Final = 2**256 - 1
MEMBER_SHOWN: Final = 80
"""Characters of a stranger's member name that a fault repeats."""

KEY_BYTES: Final = {Algorithm.EDDSA: 32, Algorithm.ES256: 64}
COMMITMENT_HASHES: Final = (
    "previous_digest", "evidence_hash", "facts_hash", "policy_hash", "rules_hash", "result_hash",
    "state_hash", "payout_root",
)  # fmt: skip

_HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})*")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,77}")

T = TypeVar("T")


class Fault(InvalidInput):
    """A file that is not as its format prescribes: why, and in which member."""

    def __init__(self, why: Why, where: str = "") -> None:
        super().__init__(f"{where or 'the file'}: {why}", why=str(why), where=where)
        self.why = why
        self.where = where


def read_proof(data: bytes) -> Proof:
    """Return what a proof file says.

    Inputs: any bytes. Raises: Fault naming the first member that breaks a rule; nothing else.
    """
    if len(data) > FILE_BYTES_MAX:
        raise Fault(Why.TOO_LARGE)
    if data.count(b"[") + data.count(b"{") > BRACKETS_MAX:
        raise Fault(Why.TOO_MANY)
    try:
        document = json.loads(
            data.decode(), object_pairs_hook=_once, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):  # among them: no UTF-8, an integer of too many digits
        raise Fault(Why.BAD_JSON) from None
    found = document.get("format") if isinstance(document, dict) else None
    if found == STATEMENT_FORMAT:
        return _statement_proof(document)
    if found == PAYOUT_FORMAT:
        return _payout_proof(document)
    raise Fault(Why.BAD_FORMAT, "format")


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:  # two readers could see two different proofs
            raise Fault(Why.REPEATED_MEMBER, name[:MEMBER_SHOWN])
        members[name] = value
    return members


def _refuse_constant(_: str) -> object:
    raise Fault(Why.BAD_JSON)


# --- single values --------------------------------------------------------------------------------


def _bytes(value: object, where: str, length: int | None = None) -> bytes:
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise Fault(Why.BAD_HEX, where)
    data = bytes.fromhex(value[2:])
    if length is not None and len(data) != length:
        raise Fault(Why.BAD_LENGTH, where)
    return data


def _hash(value: object, where: str) -> bytes:
    return _bytes(value, where, 32)


def _address(value: object, where: str) -> bytes:
    """Read an address as EIP-55 writes it: a capital where the hash's digit is 8 or more."""
    if not isinstance(value, str) or _ADDRESS.fullmatch(value) is None:
        raise Fault(Why.BAD_ADDRESS, where)
    digits = value[2:].lower()
    pairs = zip(digits, keccak256(digits.encode()).hex(), strict=False)
    mixed = "".join(digit.upper() if mark >= "8" else digit for digit, mark in pairs)
    if mixed != value[2:]:
        raise Fault(Why.BAD_ADDRESS, where)
    return bytes.fromhex(digits)


def _digits(value: object, where: str, maximum: int = WORD_MAX) -> int:
    if not isinstance(value, str) or _DIGITS.fullmatch(value) is None or int(value) > maximum:
        raise Fault(Why.BAD_NUMBER, where)
    return int(value)


def _size(value: object, where: str) -> int:
    return _digits(value, where, MAX_SIZE)


def _count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= COUNT_MAX:
        raise Fault(Why.BAD_NUMBER, where)
    return value


def _text(value: object, where: str, maximum: int = TEXT_CHARACTERS_MAX) -> str:
    if not isinstance(value, str) or len(value) > maximum:
        raise Fault(Why.BAD_TEXT, where)
    if any("\ud800" <= character <= "\udfff" for character in value):  # no UTF-8 carries it
        raise Fault(Why.BAD_TEXT, where)
    return value


# --- what holds them ------------------------------------------------------------------------------


def _members(value: object, where: str, names: str) -> Mapping[str, Any]:
    """Return an object's members, exactly those of `names` (words)."""
    if not isinstance(value, dict):
        raise Fault(Why.BAD_FORM, where)
    wanted = names.split()
    for name in value:
        if name not in wanted:
            raise Fault(Why.UNKNOWN_MEMBER, _inside(where, name[:MEMBER_SHOWN]))
    for name in wanted:
        if name not in value:
            raise Fault(Why.MISSING_MEMBER, _inside(where, name))
    return value


def _inside(where: str, name: str | int) -> str:
    return f"{where}.{name}" if where else str(name)


def _several(
    value: object,
    where: str,
    read: Callable[[object, str], T],
    most: int,
    otherwise: Why = Why.TOO_MANY,
) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise Fault(Why.BAD_FORM, where)
    if len(value) > most:
        raise Fault(otherwise, where)
    return tuple(read(item, _inside(where, at)) for at, item in enumerate(value))


def _optional(value: object, where: str, read: Callable[[object, str], T]) -> T | None:
    return None if value is None else read(value, where)


def _path(value: object, where: str) -> tuple[bytes, ...]:
    return _several(value, where, _hash, MAX_PROOF_HASHES, Why.PATH_TOO_LONG)


# --- the two formats ------------------------------------------------------------------------------


def _statement_proof(document: object) -> StatementProof:
    names = "format network identity statement log inclusion anchor checkpoint device evidence"
    m = _members(document, "", names)
    return StatementProof(
        network=_network(m["network"], "network"),
        identity=_hash(m["identity"], "identity"),
        statement=_entry(m["statement"], "statement"),
        log=_log(m["log"], "log"),
        inclusion=_inclusion(m["inclusion"], "inclusion"),
        anchor=_optional(m["anchor"], "anchor", _anchor),
        checkpoint=_optional(m["checkpoint"], "checkpoint", _checkpoint),
        device=_optional(m["device"], "device", _device),
        evidence=_optional(m["evidence"], "evidence", _evidence),
    )


def _payout_proof(document: object) -> PayoutProof:
    m = _members(document, "", "format network leaf siblings finality claim")
    proof = PayoutProof(
        network=_network(m["network"], "network"),
        leaf=_leaf(m["leaf"], "leaf"),
        siblings=_several(m["siblings"], "siblings", _hash, SIBLINGS_MAX, Why.PATH_TOO_LONG),
        finality=_finality(m["finality"], "finality"),
    )
    _optional(m["claim"], "claim", _check_claim)
    return proof


def _network(value: object, where: str) -> NetworkParts:
    contracts = "settlement token devices nodes vault policy"
    names = f"id chain_id {contracts} genesis_time epoch_length_s manifest_hash"
    m = _members(value, where, names)
    return NetworkParts(
        id=_hash(m["id"], f"{where}.id"),
        chain_id=_count(m["chain_id"], f"{where}.chain_id"),
        settlement=_address(m["settlement"], f"{where}.settlement"),
        token=_address(m["token"], f"{where}.token"),
        devices=_address(m["devices"], f"{where}.devices"),
        nodes=_address(m["nodes"], f"{where}.nodes"),
        vault=_address(m["vault"], f"{where}.vault"),
        policy=_address(m["policy"], f"{where}.policy"),
        genesis_time=_count(m["genesis_time"], f"{where}.genesis_time"),
        epoch_length_s=_count(m["epoch_length_s"], f"{where}.epoch_length_s"),
        manifest_hash=_optional(m["manifest_hash"], f"{where}.manifest_hash", _hash),
    )


def _entry(value: object, where: str) -> bytes:
    if isinstance(value, str) and len(value) > 2 + 2 * MAX_STATEMENT_BYTES:
        raise Fault(Why.TOO_LARGE, where)
    return _bytes(value, where)


def _log(value: object, where: str) -> ProvenLog:
    m = _members(value, where, "id name origin note_key receipt_key")
    return ProvenLog(
        id=_hash(m["id"], f"{where}.id"),
        name=_text(m["name"], f"{where}.name"),
        origin=_text(m["origin"], f"{where}.origin"),
        note_key=_hash(m["note_key"], f"{where}.note_key"),
        receipt_key=_bytes(m["receipt_key"], f"{where}.receipt_key", 64),
    )


def _inclusion(value: object, where: str) -> Inclusion:
    m = _members(value, where, "position size path root")
    return Inclusion(
        position=_size(m["position"], f"{where}.position"),
        size=_size(m["size"], f"{where}.size"),
        path=_path(m["path"], f"{where}.path"),
        root=_hash(m["root"], f"{where}.root"),
    )


def _anchor(value: object, where: str) -> AnchorSaid:
    m = _members(value, where, "size root tx time")
    return AnchorSaid(
        size=_size(m["size"], f"{where}.size"),
        root=_hash(m["root"], f"{where}.root"),
        tx=_hash(m["tx"], f"{where}.tx"),
        time=_count(m["time"], f"{where}.time"),
    )


def _checkpoint(value: object, where: str) -> CheckpointSaid:
    m = _members(value, where, "note path")
    return CheckpointSaid(
        note=_text(m["note"], f"{where}.note", NOTE_CHARACTERS_MAX),
        path=_path(m["path"], f"{where}.path"),
    )


def _device(value: object, where: str) -> PublicKey:
    m = _members(value, where, "device algorithm public_key")
    _count(m["device"], f"{where}.device")
    number = m["algorithm"]
    if isinstance(number, bool) or not isinstance(number, int) or number not in set(Algorithm):
        raise Fault(Why.BAD_NUMBER, f"{where}.algorithm")
    algorithm = Algorithm(number)
    raw = _bytes(m["public_key"], f"{where}.public_key", KEY_BYTES[algorithm])
    return PublicKey(algorithm=algorithm, raw=raw)


def _evidence(value: object, where: str) -> EvidenceSaid:
    m = _members(value, where, "epoch ranges evidence_hash tx finality")
    return EvidenceSaid(
        epoch=_count(m["epoch"], f"{where}.epoch"),
        ranges=_several(m["ranges"], f"{where}.ranges", _range, RANGES_MAX),
        evidence_hash=_hash(m["evidence_hash"], f"{where}.evidence_hash"),
        tx=_hash(m["tx"], f"{where}.tx"),
        finality=_optional(m["finality"], f"{where}.finality", _finality),
    )


def _range(value: object, where: str) -> Range:
    m = _members(value, where, "log_id first size root")
    return Range(
        log_id=_hash(m["log_id"], f"{where}.log_id"),
        first=_size(m["first"], f"{where}.first"),
        size=_size(m["size"], f"{where}.size"),
        root=_hash(m["root"], f"{where}.root"),
    )


def _finality(value: object, where: str) -> FinalitySaid:
    m = _members(value, where, "commitment digest tx time")
    epoch, commitment = _commitment(m["commitment"], f"{where}.commitment")
    return FinalitySaid(
        epoch=epoch,
        commitment=commitment,
        digest=_hash(m["digest"], f"{where}.digest"),
        tx=_hash(m["tx"], f"{where}.tx"),
        time=_count(m["time"], f"{where}.time"),
    )


def _commitment(value: object, where: str) -> tuple[int, Commitment]:
    m = _members(value, where, f"epoch {' '.join(COMMITMENT_HASHES)} minted_wei totals")
    epoch = _count(m["epoch"], f"{where}.epoch")
    commitment = Commitment(
        **{name: _hash(m[name], f"{where}.{name}") for name in COMMITMENT_HASHES},
        minted_wei=_digits(m["minted_wei"], f"{where}.minted_wei"),
        totals=_several(m["totals"], f"{where}.totals", _total, TOTALS_MAX),
    )
    return epoch, commitment


def _total(value: object, where: str) -> AssetTotal:
    m = _members(value, where, "asset earned spent")
    return AssetTotal(
        asset=_address(m["asset"], f"{where}.asset"),
        earned=_digits(m["earned"], f"{where}.earned"),
        spent=_digits(m["spent"], f"{where}.spent"),
    )


def _leaf(value: object, where: str) -> Total:
    m = _members(value, where, "asset account earned spent")
    return Total(
        asset=_address(m["asset"], f"{where}.asset"),
        account=_address(m["account"], f"{where}.account"),
        earned=_digits(m["earned"], f"{where}.earned"),
        spent=_digits(m["spent"], f"{where}.spent"),
    )


def _check_claim(value: object, where: str) -> None:
    m = _members(value, where, "epoch earned claimed pays")
    _count(m["epoch"], f"{where}.epoch")
    for name in ("earned", "claimed", "pays"):
        _digits(m[name], f"{where}.{name}")
