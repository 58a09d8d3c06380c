"""What a resource is: the seam between the kernel and everything that can be contributed.

A resource declares what its statements look like, which reasons and parameters it has, and two
pure functions per version of its rules: `verify` turns authenticated statements into verified
quantities, `market` turns quantities into payments. The kernel does everything else.

Rule: both functions are deterministic, do no I/O, read no clock, and return the same for any order
of `ResourceInput.statements` (they come sorted by identity; nothing else may order them).
Invariant: payments never exceed `ResourceInput.budgets`; settlement checks it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from commonworks.model import (
    Credit,
    Device,
    Facts,
    IntervalVerdict,
    Payment,
    ResourceResult,
    Verdict,
    Work,
)
from commonworks.policy import Parameter, Policy
from commonworks.resources.shown import Heading, Picture
from commonworks.statements.model import Kind, Record, Schema, Signer


class Visibility(StrEnum):
    """Who may read a resource's evidence."""

    PUBLIC = "public"
    MEMBERS = "members"
    """Payloads are sealed: the log carries salted hashes (personal data)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentic:
    """A statement whose signature, network, schema and owner the kernel has checked."""

    identity: bytes
    kind: Kind
    device: Device | None
    """None for statements that a registrar signed."""
    account: bytes | None
    """Account that the device counts for."""
    record: Record
    request: Record | None
    """For a countersigned statement: the record that the device itself signed."""
    anchored_at: int
    """When the chain first covered it; what is anchored later than a moment was not known then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceInput:
    """Everything that one resource's rules may look at for one epoch."""

    facts: Facts
    policy: Policy
    devices: Mapping[int, Device]
    """This resource's devices with a binding in force, by id."""
    accounts: Mapping[int, bytes]
    """Device id -> account it counts for."""
    statements: Sequence[Authentic]
    """Sorted by identity. Times lie before the epoch's end; older ones are late, not wrong."""
    site: Record | None
    """The site table in force, where one was adopted and logged."""
    state: bytes
    """What this resource left in the last epoch; empty at first."""
    budgets: Mapping[bytes, int]
    """Account -> currency that it may still spend (micro-units)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A standing order in force for the whole epoch."""

    device: int
    account: bytes
    supply_minimum: int | None
    """Lowest price at which it sells; None when it does not sell."""
    demand_maximum: int | None
    """Highest price, all charges included, at which it buys; None when it does not buy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What verification hands to the market."""

    verdicts: tuple[Verdict, ...]
    """One for each statement of the input."""
    intervals: tuple[IntervalVerdict, ...]
    """Where less than claimed was credited, and why; sorted by (device, start, reason)."""
    credits: tuple[Credit, ...]
    """Sorted by (start, device, side)."""
    terms: tuple[Terms, ...]
    """Sorted by device."""
    state: bytes
    """For the next epoch."""
    summary: Mapping[str, int]
    detail: object
    """Values of deterministic CBOR: what the market and the views also need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """What the market hands back to settlement."""

    work: tuple[Work, ...]
    payments: tuple[Payment, ...]
    intervals: tuple[IntervalVerdict, ...]
    """Bids or offers that did not count, and why."""
    summary: Mapping[str, int]
    detail: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One frozen version of a resource's rules."""

    version: int
    modules: tuple[str, ...]
    """Module names whose source the rules hash covers, in order."""
    verify: Callable[[ResourceInput], Verified]
    market: Callable[[ResourceInput, Verified], Traded]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A named table that explorer and command line render without knowing the resource."""

    name: str
    columns: tuple[str, ...]
    """Headings, with the unit in the name."""
    rows: tuple[tuple[str | int, ...], ...]
    concerns: tuple[str, ...] = ()
    """Columns with a device id or a 0x account: a row is shown only to these accounts and to those
    that these devices count for. Empty: everybody may see the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One total of an epoch that people look at first."""

    key: str
    """Key of `ResourceResult.summary`."""
    label: str
    """For people, for example `shared`."""
    unit: str
    """Unit after shifting by `scale` places."""
    scale: int
    """Decimal places between the integer and the unit shown: 3 for thousandths."""
    digits: int = 2
    """Decimal places shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of contribution, whole."""

    name: str
    """ASCII, lower case, at most 31 bytes: the key everywhere."""
    title: str
    """For people, one line."""
    unit: str
    """Unit of its quantities, for people."""
    visibility: Visibility
    schemas: Mapping[Kind, Schema]
    """What each kind of statement carries; a missing kind is `unknown_type`."""
    reasons: Mapping[str, str]
    """Closed list: code -> one sentence. Codes start with `<name>.`."""
    purposes: Mapping[str, str]
    """Closed list of what payments are for: code -> one sentence, as who pays reads it."""
    parameters: tuple[Parameter, ...]
    """Keys start with `<name>.`; `<name>.emission_ppm` is its share of the emission."""
    rules: Rules
    """The version that this release settles by."""
    figures: tuple[Figure, ...]
    """Totals that an epoch's line shows, most important first."""
    views: Callable[[ResourceResult], Sequence[Table]]
    """Pure: a result as named tables. Beside the module lie translations of `texts()`:
    `locale/<language>/LC_MESSAGES/<name>.po`."""
    headings: Mapping[str, Heading] = field(default_factory=dict)
    """Words for the views' tables and columns, keys of the summary, and codes in cells. The key
    `<table>.<column>` goes before `<column>`."""
    pictures: tuple[Picture, ...] = ()
    """How tables are drawn, most important first."""
    advice: Mapping[str, str] = field(default_factory=dict)
    """One sentence for each reason: what the owner should do."""
    received: Mapping[str, str] = field(default_factory=dict)
    """What a payment is for, as who gets it reads it: purpose -> one sentence. A purpose that is
    not here reads alike on both sides."""

    def heading(self, table: str, column: str) -> Heading:
        """Return a column's heading; one without words of its own stands for itself."""
        named = self.headings.get(f"{table}.{column}") or self.headings.get(column)
        return named or Heading(words=column)

    def purpose(self, code: str, *, received: bool = False) -> str:
        """Return what a payment is for, as who pays or who gets it reads it; else the code."""
        known = self.purposes.get(code, code)
        return self.received.get(code, known) if received else known

    def texts(self) -> Iterator[str]:
        """Yield every text for people, for translation; some more than once."""
        yield from filter(None, self._texts())

    def _texts(self) -> Iterator[str]:
        yield from (self.title, self.unit)
        for figure in self.figures:
            yield from (figure.label, figure.unit)
        for code, sentence in self.reasons.items():
            yield from (self.code_title(code), sentence)
        yield from self.advice.values()
        yield from (*self.purposes.values(), *self.received.values())
        for parameter in self.parameters:
            yield from (parameter.description, parameter.unit.rpartition(" per ")[2])
        for schema in self.schemas.values():
            if schema.signer is Signer.DEVICE:
                yield schema.description
                yield from (column.description for column in schema.columns)
        for heading in self.headings.values():
            yield from (heading.words, heading.unit)
        for picture in self.pictures:
            yield from (picture.title, picture.explains)

    def code_title(self, code: str) -> str:
        """Return one of its codes as a few words: `<name>.too_late` is `Too late`."""
        plain = code.removeprefix(f"{self.name}.").replace("_", " ")
        return plain[:1].upper() + plain[1:]
