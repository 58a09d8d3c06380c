"""What stops money, or may, as it is answered and shown."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from commonworks.explorer.models.nodes import Weight
from commonworks.explorer.web.model import Amount, Hash, Model, Party, Time


class StopKind(StrEnum):
    """Why money does not move."""

    HALTED = "halted"
    """The payout root of an epoch was stopped while it waited."""
    VOTING = "voting"
    """Verifiers voted to stop one; not enough of them yet."""
    NOT_FINAL = "not_final"
    """A quorum attested one result, and yet the epoch is not final: the Vault may refuse it."""
    EXIT = "exit"
    """The Vault's exit is open, for ever."""
    EXIT_DUE = "exit_due"
    """Nothing became final for so long that anybody may open it."""


class HaltVote(Model):
    """A verifier that wants a payout stopped."""

    verifier: Party
    name: str | None = Field(description="As it registered; null: not registered.")
    stake: Amount = Field(description="What its vote counts for, smallest unit of the bond.")
    time: Time
    tx: Hash


class Halt(Model):
    """A payout that was stopped, or that verifiers voted to stop."""

    epoch: int
    stopped_at: Time | None = Field(description="Null: the votes are not enough so far.")
    stopped_tx: Hash | None
    guardian: Party | None = Field(description="Who stopped it alone; null: no guardian did.")
    votes: list[HaltVote] = Field(description="In the order in which they were cast.")
    votes_stake: Amount = Field(description="Their stake in all.")
    needed_stake: Amount = Field(description="Smallest stake of votes that stops it.")
    active: bool = Field(description="It still keeps the payout from coming into force.")


class Stop(Model):
    """Something that keeps money from moving now, or is about to, in plain words."""

    kind: StopKind
    weight: Weight
    title: str
    meaning: str
    epoch: int | None = Field(description="Epoch that it is about.")
    since: Time | None
    until: Time | None = Field(
        description="When it ends by itself, or its chance is over; null: not by itself."
    )
    halt: Halt | None
    command: str | None = Field(default=None, description="What anybody may do about it.")


class EpochPayout(Model):
    """When an epoch's earnings can be claimed."""

    root_epoch: int = Field(
        description="Epoch whose root pays them: its own, or a later one that took its place."
    )
    claimable_at: Time = Field(description="As it stands now; a stop moves it.")
    claimable: bool
    halt: Halt | None
    stop: Stop | None = Field(description="What keeps them from being claimed beside the hold.")


class GuardianView(Model):
    """Who may stop a payout alone, and when."""

    holder: Party | None = Field(description="Null: nobody.")
    until: Time = Field(description="First second in which it has no power.")
    in_office: bool
    ready_at: Time | None = Field(description="Not before then again; null: never stopped one.")


class Stops(Model):
    """Everything that stops money now."""

    time: Time = Field(description="Network time.")
    items: list[Stop] = Field(description="The heaviest first; nothing: money moves.")
    guardian: GuardianView | None = Field(description="Null: none was ever appointed.")
