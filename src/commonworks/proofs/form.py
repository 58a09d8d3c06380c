"""The form of proof files (docs/spec/proof.md, 1): from bytes to values, or a fault with its place.

Rule: exactly the members that the format names, each once, in its one spelling and below its
bound. What is not read here is not checked later, so nothing unknown is let through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

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


Read = Callable[[object, str], T]
"""Reads one value of the file, found at a place; raises Fault."""


def _bytes(value: object, where: str) -> bytes:
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise Fault(Why.BAD_HEX, where)
    return bytes.fromhex(value[2:])


def _sized(length: int) -> Read[bytes]:
    def read(value: object, where: str) -> bytes:
        data = _bytes(value, where)
        if len(data) != length:
            raise Fault(Why.BAD_LENGTH, where)
        return data

    return read


_hash: Final = _sized(32)


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


def _note(value: object, where: str) -> str:
    return _text(value, where, NOTE_CHARACTERS_MAX)


# --- what holds them ------------------------------------------------------------------------------


class _Members:
    """An object of the file with exactly the members that are named; each is read at its place."""

    def __init__(self, value: object, where: str, names: str) -> None:
        if not isinstance(value, dict):
            raise Fault(Why.BAD_FORM, where)
        wanted = names.split()
        for name in value:
            if name not in wanted:
                raise Fault(Why.UNKNOWN_MEMBER, _inside(where, name[:MEMBER_SHOWN]))
        for name in wanted:
            if name not in value:
                raise Fault(Why.MISSING_MEMBER, _inside(where, name))
        self._held: Mapping[str, object] = value
        self._where = where

    def __call__(self, name: str, read: Read[T]) -> T:
        return read(self._held[name], _inside(self._where, name))


def _inside(where: str, name: str | int) -> str:
    return f"{where}.{name}" if where else str(name)


def _several(read: Read[T], most: int, otherwise: Why = Why.TOO_MANY) -> Read[tuple[T, ...]]:
    def each(value: object, where: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Fault(Why.BAD_FORM, where)
        if len(value) > most:
            raise Fault(otherwise, where)
        return tuple(read(item, _inside(where, at)) for at, item in enumerate(value))

    return each


def _optional(read: Read[T]) -> Read[T | None]:
    return lambda value, where: None if value is None else read(value, where)


_path: Final = _several(_hash, MAX_PROOF_HASHES, Why.PATH_TOO_LONG)


# --- the two formats ------------------------------------------------------------------------------


def _statement_proof(document: object) -> StatementProof:
    names = "format network identity statement log inclusion anchor checkpoint device evidence"
    m = _Members(document, "", names)
    return StatementProof(
        network=m("network", _network),
        identity=m("identity", _hash),
        statement=m("statement", _entry),
        log=m("log", _log),
        inclusion=m("inclusion", _inclusion),
        anchor=m("anchor", _optional(_anchor)),
        checkpoint=m("checkpoint", _optional(_checkpoint)),
        device=m("device", _optional(_device)),
        evidence=m("evidence", _optional(_evidence)),
    )


def _payout_proof(document: object) -> PayoutProof:
    m = _Members(document, "", "format network leaf siblings finality claim")
    proof = PayoutProof(
        network=m("network", _network),
        leaf=m("leaf", _leaf),
        siblings=m("siblings", _several(_hash, SIBLINGS_MAX, Why.PATH_TOO_LONG)),
        finality=m("finality", _finality),
    )
    m("claim", _optional(_check_claim))
    return proof


def _network(value: object, where: str) -> NetworkParts:
    contracts = "settlement token devices nodes vault policy"
    names = f"id chain_id {contracts} genesis_time epoch_length_s manifest_hash"
    m = _Members(value, where, names)
    return NetworkParts(
        id=m("id", _hash),
        chain_id=m("chain_id", _count),
        settlement=m("settlement", _address),
        token=m("token", _address),
        devices=m("devices", _address),
        nodes=m("nodes", _address),
        vault=m("vault", _address),
        policy=m("policy", _address),
        genesis_time=m("genesis_time", _count),
        epoch_length_s=m("epoch_length_s", _count),
        manifest_hash=m("manifest_hash", _optional(_hash)),
    )


def _entry(value: object, where: str) -> bytes:
    if isinstance(value, str) and len(value) > 2 + 2 * MAX_STATEMENT_BYTES:
        raise Fault(Why.TOO_LARGE, where)
    return _bytes(value, where)


def _log(value: object, where: str) -> ProvenLog:
    m = _Members(value, where, "id name origin note_key receipt_key")
    return ProvenLog(
        id=m("id", _hash),
        name=m("name", _text),
        origin=m("origin", _text),
        note_key=m("note_key", _hash),
        receipt_key=m("receipt_key", _sized(64)),
    )


def _inclusion(value: object, where: str) -> Inclusion:
    m = _Members(value, where, "position size path root")
    return Inclusion(
        position=m("position", _size),
        size=m("size", _size),
        path=m("path", _path),
        root=m("root", _hash),
    )


def _anchor(value: object, where: str) -> AnchorSaid:
    m = _Members(value, where, "size root tx time")
    return AnchorSaid(
        size=m("size", _size),
        root=m("root", _hash),
        tx=m("tx", _hash),
        time=m("time", _count),
    )


def _checkpoint(value: object, where: str) -> CheckpointSaid:
    m = _Members(value, where, "note path")
    return CheckpointSaid(
        note=m("note", _note),
        path=m("path", _path),
    )


def _algorithm(value: object, where: str) -> Algorithm:
    if isinstance(value, bool) or not isinstance(value, int) or value not in set(Algorithm):
        raise Fault(Why.BAD_NUMBER, where)
    return Algorithm(value)


def _device(value: object, where: str) -> PublicKey:
    m = _Members(value, where, "device algorithm public_key")
    m("device", _count)
    algorithm = m("algorithm", _algorithm)
    raw = m("public_key", _sized(KEY_BYTES[algorithm]))
    return PublicKey(algorithm=algorithm, raw=raw)


def _evidence(value: object, where: str) -> EvidenceSaid:
    m = _Members(value, where, "epoch ranges evidence_hash tx finality")
    return EvidenceSaid(
        epoch=m("epoch", _count),
        ranges=m("ranges", _several(_range, RANGES_MAX)),
        evidence_hash=m("evidence_hash", _hash),
        tx=m("tx", _hash),
        finality=m("finality", _optional(_finality)),
    )


def _range(value: object, where: str) -> Range:
    m = _Members(value, where, "log_id first size root")
    return Range(
        log_id=m("log_id", _hash),
        first=m("first", _size),
        size=m("size", _size),
        root=m("root", _hash),
    )


def _finality(value: object, where: str) -> FinalitySaid:
    m = _Members(value, where, "commitment digest tx time")
    epoch, commitment = m("commitment", _commitment)
    return FinalitySaid(
        epoch=epoch,
        commitment=commitment,
        digest=m("digest", _hash),
        tx=m("tx", _hash),
        time=m("time", _count),
    )


def _commitment(value: object, where: str) -> tuple[int, Commitment]:
    m = _Members(value, where, f"epoch {' '.join(COMMITMENT_HASHES)} minted_wei totals")
    epoch = m("epoch", _count)
    commitment = Commitment(
        **{name: m(name, _hash) for name in COMMITMENT_HASHES},
        minted_wei=m("minted_wei", _digits),
        totals=m("totals", _several(_total, TOTALS_MAX)),
    )
    return epoch, commitment


def _total(value: object, where: str) -> AssetTotal:
    m = _Members(value, where, "asset earned spent")
    return AssetTotal(
        asset=m("asset", _address),
        earned=m("earned", _digits),
        spent=m("spent", _digits),
    )


def _leaf(value: object, where: str) -> Total:
    m = _Members(value, where, "asset account earned spent")
    return Total(
        asset=m("asset", _address),
        account=m("account", _address),
        earned=m("earned", _digits),
        spent=m("spent", _digits),
    )


def _check_claim(value: object, where: str) -> None:
    m = _Members(value, where, "epoch earned claimed pays")
    m("epoch", _count)
    for name in ("earned", "claimed", "pays"):
        m(name, _digits)
