"""Proposals, votes and what they would change, as they are answered and shown."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from commonworks.explorer.models.parameters import ParameterValue
from commonworks.explorer.web.model import Address, Amount, Hash, Model, Party, Time
from commonworks.ports import ProposalState


class Electorate(StrEnum):
    """What votes."""

    TOKEN = "token"  # noqa: S105 - an asset
    """One vote for every unit of the token."""
    MEMBERSHIP = "membership"
    """One member, one vote."""


class Support(StrEnum):
    """What a vote says."""

    FOR = "for"
    AGAINST = "against"
    ABSTAIN = "abstain"


class Moment(StrEnum):
    """What the next date of a proposal is."""

    VOTE_BEGINS = "vote_begins"
    VOTE_ENDS = "vote_ends"
    QUEUE_UNTIL = "queue_until"
    EXECUTABLE_FROM = "executable_from"
    EXECUTE_UNTIL = "execute_until"


class Step(StrEnum):
    """A station on a proposal's way."""

    PROPOSED = "proposed"
    VOTE_BEGINS = "vote_begins"
    VOTE_ENDS = "vote_ends"
    QUEUED = "queued"
    EXECUTABLE = "executable"
    EXECUTED = "executed"
    CANCELED = "canceled"


class Act(StrEnum):
    """What somebody can do with a proposal."""

    VOTE = "vote"
    QUEUE = "queue"
    EXECUTE = "execute"
    CANCEL = "cancel"


class Rules(Model):
    """What decides here."""

    electorate: Electorate
    symbol: str = Field(description="What votes are counted in; empty where members vote.")
    decimals: int = Field(description="Decimal places of votes.")
    governor: Address
    timelock: Address
    voting_delay_s: int | None = Field(description="From a proposal to the start of its vote.")
    voting_period_s: int | None = Field(description="How long a vote lasts.")
    timelock_delay_s: int | None = Field(description="From queueing to execution, at least.")
    decision_life_s: int = Field(description="Within which it must be queued, then executed.")
    proposal_threshold_ppm: int | None = Field(description="Share of all votes to propose.")
    vote_quorum_ppm: int | None = Field(description="Share of all votes, for or abstaining.")
    command: str = Field(description="Command that makes a proposal.")
    lending: str = Field(description="Command that lets another account vote with one's votes.")


class Tally(Model):
    """How a vote stands."""

    votes_for: Amount
    votes_against: Amount
    votes_abstain: Amount
    for_ppm: int = Field(description="Of those cast.")
    against_ppm: int
    abstain_ppm: int
    counted: Amount = Field(description="For and abstaining: what the quorum is compared with.")
    quorum: Amount | None = Field(description="Null before the vote has begun, or unknown.")
    quorum_ppm: int | None = Field(description="Share of the quorum that is reached.")
    quorum_reached: bool | None
    votes_all: Amount | None = Field(description="All votes when the vote began.")
    turnout_ppm: int | None = Field(description="Votes cast, of all.")


class NextMoment(Model):
    """The next date of a proposal."""

    what: Moment
    time: Time


class ProposalBrief(Model):
    """One proposal in a list."""

    number: int
    id: Hash
    title: str = Field(description="As its proposer wrote it: hostile until escaped.")
    proposer: Party
    state: ProposalState | None = Field(description="Null while the chain cannot be asked.")
    tally: Tally
    vote_start: Time
    vote_end: Time
    executable_from: Time | None
    next: NextMoment | None
    sets: list[str] = Field(description="Keys of the parameters that it would set.")
    votes: int = Field(description="How many voted.")


class CallView(Model):
    """One call that a proposal would make."""

    to: Party
    value_wei: Amount = Field(description="Of the chain's own coin.")
    data: str = Field(description="Call data, hexadecimal.")
    does: str = Field(description="In words, or as contract, function and arguments.")


class ChangeView(Model):
    """One parameter that a proposal would set."""

    key: str
    unit: str
    description: str
    old: ParameterValue | None = Field(description="Null: it is not defined yet.")
    new: ParameterValue
    minimum: ParameterValue | None
    maximum: ParameterValue | None
    bounded: bool
    within: bool = Field(description="Whether the bounds allow it.")
    from_epoch: int | None = Field(description="First epoch in which it holds, once carried out.")


class TimelineEntry(Model):
    """One station of a proposal."""

    step: Step
    time: Time | None = Field(description="Null where no block's time is known here.")
    tx: Hash | None
    reached: bool


class ActView(Model):
    """What somebody can do with a proposal now."""

    act: Act
    support: Support | None
    command: str = Field(description="The command line that does it.")


class ProposalView(Model):
    """One proposal whole."""

    proposal: ProposalBrief
    body: str = Field(description="As its proposer wrote it: hostile until escaped.")
    calls: list[CallView]
    changes: list[ChangeView]
    timeline: list[TimelineEntry]
    acts: list[ActView] = Field(description="Only what is possible in this state.")
    tx: Hash


class VoteView(Model):
    """A vote that was cast."""

    number: int = Field(description="In the order in which they were cast, from 0.")
    voter: Party
    support: Support | None = Field(description="Null: unknown to this release.")
    weight: Amount
    reason: str = Field(description="As the voter wrote it: hostile until escaped.")
    tx: Hash


class AccountVotes(Model):
    """What an account decides with."""

    account: Party
    votes_now: Amount = Field(description="Its own and those delegated to it.")
    votes_then: Amount | None = Field(description="When the vote began; null before, or for none.")
    cast: VoteView | None = Field(description="How it voted; null: it did not.")


# --- trying a proposal on the past ----------------------------------------------------------------


class TrialStage(StrEnum):
    """How far a back-test is."""

    ABSENT = "absent"
    """There is nothing to compute; `explains` says why."""
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Bar(StrEnum):
    """Whose gain a bar is."""

    ACCOUNT = "account"
    YOU = "you"
    """The reader's own, where others' are sealed."""
    GAINING = "gaining"
    """Together, those whose evidence is sealed and who would have more."""
    LOSING = "losing"
    OTHERS = "others"
    """Together, those whose evidence is sealed: too few on one side to be shown apart."""


class GainBar(Model):
    """What somebody would have more, or less."""

    who: Bar
    account: Party | None
    accounts: int = Field(description="How many it stands for.")
    gain: Amount = Field(description="Smallest units; negative: less.")


class GainPanel(Model):
    """Who gains and who loses in one asset."""

    asset: Address
    symbol: str
    decimals: int
    bars: list[GainBar] = Field(description="Winners first.")
    gaining: int = Field(description="Accounts that would have more.")
    losing: int
    unshown: int = Field(description="Accounts in no bar: sealed and too few, or beyond the limit.")


class TrialSettingView(Model):
    """One parameter that the back-test changed."""

    key: str
    before: list[ParameterValue] = Field(description="Values in the epochs recomputed.")
    after: ParameterValue
    read: bool = Field(description="Whether anything that these epochs settled by looked at it.")


class TrialEpochView(Model):
    """One epoch, as it was and as it would have been."""

    epoch: int
    paid_before: Amount
    paid_after: Amount
    minted_before: Amount
    minted_after: Amount


class BacktestView(Model):
    """What past epochs would have been under a proposal."""

    stage: TrialStage
    explains: str = Field(description="Why there is nothing, or what went wrong; else empty.")
    command: str | None = Field(description="The command line that computes the same.")
    done: int = Field(description="Epochs recomputed so far.")
    total: int
    first: int | None
    last: int | None
    begin: int | None = Field(description="First epoch under the changed policy.")
    earlier: bool = Field(
        description="What is shown ends before the epochs asked for, which have no outcome yet."
    )
    settings: list[TrialSettingView]
    panels: list[GainPanel]
    sealed: bool = Field(description="Whether some accounts are shown together only.")
    epochs: list[TrialEpochView]
    refused: list[str]
