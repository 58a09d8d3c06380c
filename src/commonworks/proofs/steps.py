"""A check as a list of steps, each with what it computed, and one verdict over all.

Rule: every step of docs/spec/proof.md is in the list, also one that could not be checked. Step
names and reasons are closed lists; a published one never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class StepName(StrEnum):
    """What is checked, in the order of the checks."""

    FORM = "form"
    """The file has the form of a proof."""
    STATEMENT = "statement"
    """The entry decodes; a public one names this network."""
    IDENTITY = "identity"
    """The hash of what was signed is the identity."""
    LEAF_IDENTITY = "leaf_identity"
    """What is no statement is named by its leaf hash."""
    DEVICE_KEY = "device_key"
    """The device's key is the one that the statement names."""
    DEVICE_SIGNATURE = "device_signature"
    """The statement's signature verifies under it."""
    LEAF = "leaf"
    """The entry's hash as a leaf of the log."""
    NODE = "node"
    """A node on the path to the log's root."""
    ROOT = "root"
    """The path fits and ends at the root."""
    LOG = "log"
    """Name and key of the log give its id."""
    CHECKPOINT_ROOT = "checkpoint_root"
    """A second path ends at the root of the checkpoint."""
    CHECKPOINT = "checkpoint"
    """The log's key signed that checkpoint."""
    PAYOUT_WORDS = "payout_words"
    """The first of a payout leaf's two hashes."""
    PAYOUT_LEAF = "payout_leaf"
    """The second one."""
    PAYOUT_NODE = "payout_node"
    """A node on the path to the payout root."""
    PAYOUT_ROOT = "payout_root"
    """The path ends at the payout root that was finalised."""
    PAYOUT_TOTAL = "payout_total"
    """The leaf is within the totals of its asset."""
    NETWORK = "network"
    """Contracts, times and manifest give the network's id."""
    WALLET = "wallet"
    """The chain that was asked is the network's."""
    ANCHOR = "anchor"
    """The root is the one that was anchored."""
    RANGE = "range"
    """The epoch's evidence holds the position."""
    EVIDENCE = "evidence"
    """The ranges give the epoch's evidence hash."""
    CLOSED = "closed"
    """The epoch was closed with it."""
    COMMITTED = "committed"
    """What was finalised is of this epoch and this evidence."""
    DIGEST = "digest"
    """The commitment gives the epoch's digest."""
    FINALISED = "finalised"
    """The chain finalised this digest."""


class Why(StrEnum):
    """Why a step fails or was not checked, or on whose word it stands."""

    BAD_ADDRESS = "bad_address"
    BAD_FORM = "bad_form"
    BAD_FORMAT = "bad_format"
    BAD_HEX = "bad_hex"
    BAD_JSON = "bad_json"
    BAD_LENGTH = "bad_length"
    BAD_NOTE = "bad_note"
    BAD_NUMBER = "bad_number"
    BAD_SIGNATURE = "bad_signature"
    BAD_TEXT = "bad_text"
    BEYOND_TOTAL = "beyond_total"
    MISSING_MEMBER = "missing_member"
    NO_CHAIN = "no_chain"
    NO_CHECKPOINT = "no_checkpoint"
    NO_KEY = "no_key"
    NO_MANIFEST = "no_manifest"
    NOT_ANCHORED = "not_anchored"
    NOT_CLOSED = "not_closed"
    NOT_FINALISED = "not_finalised"
    NOT_IN_TRANSACTION = "not_in_transaction"
    NOT_STATEMENT = "not_statement"
    OTHER_CHAIN = "other_chain"
    OTHER_EPOCH = "other_epoch"
    OTHER_NETWORK = "other_network"
    OTHER_RANGE = "other_range"
    OTHER_SIZE = "other_size"
    OUTSIDE_RANGE = "outside_range"
    PATH_TOO_LONG = "path_too_long"
    PATH_TOO_SHORT = "path_too_short"
    POSITION_OUTSIDE = "position_outside"
    RANGES_UNORDERED = "ranges_unordered"
    REPEATED_MEMBER = "repeated_member"
    TOLD_BY_CHAIN = "told_by_chain"
    TOLD_BY_FILE = "told_by_file"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    TOTALS_UNORDERED = "totals_unordered"
    UNKNOWN_MEMBER = "unknown_member"
    UNKNOWN_TRANSACTION = "unknown_transaction"
    UNREADABLE = "unreadable"
    WRONG_ANCHOR = "wrong_anchor"
    WRONG_DIGEST = "wrong_digest"
    WRONG_EVIDENCE = "wrong_evidence"
    WRONG_IDENTITY = "wrong_identity"
    WRONG_KEY = "wrong_key"
    WRONG_LOG = "wrong_log"
    WRONG_NETWORK_ID = "wrong_network_id"
    WRONG_ROOT = "wrong_root"


class Status(StrEnum):
    """How a step came out."""

    OK = "ok"
    """Computed here, or asked of the chain, and it fits."""
    FAIL = "fail"
    """It does not fit."""
    TOLD = "told"
    """It fits what the file says about the chain; nobody else was asked."""
    SKIP = "skip"
    """Not checked."""


class Verdict(StrEnum):
    """What all steps together say."""

    HOLDS = "holds"
    TOLD = "told"
    """It holds as far as whoever made the file tells the truth about the chain."""
    OPEN = "open"
    """It holds against the log's own signature; no anchor covers it yet."""
    FAILS = "fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step."""

    name: StepName
    status: Status
    why: Why | None
    where: str
    """Member of the file that is meant, dotted; empty where the step says it all."""
    number: int | None
    """Place of a node on its path, from 1."""
    values: Mapping[str, str]
    """What went in: bytes as 0x hexadecimal."""
    result: str | None
    """What came out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A proof file, checked."""

    steps: tuple[Step, ...]
    verdict: Verdict

    def named(self, status: Status) -> tuple[StepName, ...]:
        """Return the steps with a status, each once, in order."""
        return tuple(dict.fromkeys(step.name for step in self.steps if step.status is status))


Shown = bytes | int | str | None
"""A value of a step; None is left out."""
Values = Mapping[str, Shown]
NOTHING: Final[Values] = MappingProxyType({})


class Steps:
    """Steps as they are done."""

    def __init__(self) -> None:
        self._done: list[Step] = []

    def add(
        self,
        name: StepName,
        status: Status,
        *,
        why: Why | None = None,
        where: str = "",
        number: int | None = None,
        result: Shown = None,
        values: Values = NOTHING,
    ) -> None:
        """Add a step."""
        shown = {key: _text(value) for key, value in values.items() if value is not None}
        self._done.append(
            Step(
                name=name,
                status=status,
                why=why,
                where=where,
                number=number,
                values=shown,
                result=None if result is None else _text(result),
            )
        )

    def judge(
        self,
        name: StepName,
        fits: bool,
        otherwise: Why,
        *,
        result: Shown = None,
        values: Values = NOTHING,
    ) -> None:
        """Add a step that fits or fails for one reason."""
        status = Status.OK if fits else Status.FAIL
        self.add(name, status, why=None if fits else otherwise, result=result, values=values)

    def same(
        self,
        name: StepName,
        computed: bytes,
        expected: bytes,
        otherwise: Why,
        values: Values = NOTHING,
    ) -> None:
        """Add a step that fits when two byte strings are the same."""
        fits = computed == expected
        shown = values if fits else {**values, "expected": expected}
        self.judge(name, fits, otherwise, result=computed, values=shown)

    def end(self, *, open_: bool = False) -> Checked:
        """Return all steps with their verdict; `open_`: there is no anchor to hold against."""
        found = {step.status for step in self._done}
        verdict = Verdict.HOLDS
        if Status.FAIL in found:
            verdict = Verdict.FAILS
        elif open_:
            verdict = Verdict.OPEN
        elif Status.TOLD in found:
            verdict = Verdict.TOLD
        return Checked(steps=tuple(self._done), verdict=verdict)


def _text(value: bytes | int | str) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
