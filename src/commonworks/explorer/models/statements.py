"""What the answers about statements and reasons hold."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from commonworks.explorer.web.model import DeviceRef, Hash, Model, Party, Time


class Standing(StrEnum):
    """What became of a statement."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WAITING = "waiting"
    """Logged, and not judged yet."""


class ReasonText(Model):
    """A reason in plain words, in the language of the request."""

    code: str = Field(description="Code from the closed list; never changes its meaning.")
    title: str = Field(description="A few words.")
    meaning: str = Field(description="One sentence: what was wrong.")
    advice: str = Field(description="What the owner should do; empty where nothing is to be done.")


class LogRef(Model):
    """A transparency log and the gateway that runs it."""

    log_id: Hash
    gateway: str | None = Field(description="The gateway's name as it registered; null: unknown.")


class StatementRow(Model):
    """One logged entry."""

    identity: Hash
    log: LogRef
    position: int = Field(description="Place in its log, from 0.")
    kind: str | None = Field(description="What it says; null where it could not be decoded.")
    device: DeviceRef | None = Field(description="Device that it counts for; null: not known.")
    resource: str | None
    sealed: bool = Field(description="Its content travels beside the log, for members only.")
    size: int = Field(description="Length as logged, bytes.")
    said_at: Time | None = Field(description="Time that a public one speaks of; null otherwise.")
    epoch: int | None = Field(description="Epoch that judged it; null while it waits.")
    outcome: Standing
    reason: ReasonText | None = Field(description="Why it was rejected; null otherwise.")


class Place(Model):
    """Where one copy of a statement is logged, and how to fetch its proof."""

    log: LogRef
    position: int
    size: int = Field(description="Length of this copy, bytes.")
    epoch: int | None
    command: str = Field(description="Command line that fetches this copy with its receipt.")


class Signer(Model):
    """Who signed a statement, as far as the chain knows the key."""

    kid: Hash = Field(description="Thumbprint of the key that it names.")
    device: DeviceRef | None = Field(description="Enrolled device with that key; null: none.")
    owner: Party | None
    others: int = Field(description="How many more device ids carry the same key.")
    registrar: bool = Field(description="The key is, or was, admitted as a registrar's.")


class CheckState(StrEnum):
    """How far a check got."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not reached, or not known yet."""


class Check(Model):
    """One of the checks that every statement goes through, in their order."""

    name: str = Field(description="What is checked, in words.")
    state: CheckState


class StatementDetail(Model):
    """A statement as the index knows it: where it is, whose, what became of it, and why."""

    identity: Hash
    places: list[Place] = Field(description="Every log that holds a copy; at least one.")
    kind: str | None
    kind_text: str = Field(description="What such a statement says, in words.")
    signer: Signer | None = Field(description="Null where it could not be decoded.")
    device: DeviceRef | None
    owner: Party | None
    resource: str | None
    sealed: bool
    said_at: Time | None
    epoch: int | None
    outcome: Standing
    summary: str = Field(description="What became of it, in one sentence.")
    reason: ReasonText | None
    money: str = Field(description="What that means for money, in plain words.")
    advice: str = Field(description="What its owner should do; empty where nothing is to be done.")
    checks: list[Check]
    command: str | None = Field(description="Command line that shows its verdict; null: none yet.")


class NamedValue(Model):
    """One decoded field."""

    name: str
    value: str
    meaning: str


class PayloadColumn(Model):
    """One decoded column of a payload."""

    name: str = Field(description="Its name; the unit stands last in it.")
    dtype: str
    meaning: str = Field(description="What the resource says it means; empty where unknown.")
    count: int = Field(description="How many values it has.")
    values: list[str] = Field(description="The first of them.")


class Evidence(Model):
    """A statement as it lies in its log, taken apart here and now."""

    readable: bool = Field(description="Whether the log could be read from here.")
    problem: str = Field(description="Why not, in words; empty where it could.")
    raw: str = Field(description="The bytes as logged, hexadecimal.")
    header: list[NamedValue] = Field(description="The signed header, decoded.")
    payload: list[NamedValue] = Field(description="Single values of the payload, where shown.")
    columns: list[PayloadColumn] = Field(description="Columns of the payload, where shown.")
    rows_shown: int = Field(description="Most values of a column in the answer.")
    hidden: str = Field(description="Why the payload is not shown; empty where it is.")
    yours: bool = Field(description="It is shown because the reader signed in as its owner.")
    signature: bool | None = Field(
        description="Whether its signature holds under the enrolled key; null: not to be checked."
    )


class StatementAnswer(Model):
    """Everything about one statement."""

    statement: StatementDetail
    evidence: Evidence


class ReasonCount(Model):
    """A reason with how often it occurred."""

    reason: ReasonText
    scope: str = Field(description="`kernel`, or the resource that has this reason.")
    published: str = Field(description="The sentence that was published with the code.")
    statements: int = Field(description="Logged copies of statements rejected for it.")
    spans: int = Field(
        description="Spans of time credited less than claimed, in the newest `span_epochs` epochs."
    )
    newest_epoch: int | None = Field(description="Newest epoch that rejected a statement for it.")


class RefusalText(Model):
    """Why a gateway does not log what it is sent. Nothing of it is in a log or settled."""

    code: str
    published: str = Field(description="The sentence that was published with the code.")
    meaning: str = Field(description="What it means, in the language of the request.")
    advice: str = Field(description="What to do.")


class ReasonsAnswer(Model):
    """Every reason there is."""

    reasons: list[ReasonCount]
    span_epochs: int = Field(description="Newest settled epochs whose spans are counted.")
    refusals: list[RefusalText]
