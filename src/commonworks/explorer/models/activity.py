"""What the diary says: chain events, in words."""

from __future__ import annotations

from pydantic import Field

from commonworks.explorer.web.model import Amount, Hash, Model, Party, Time


class SentencePart(Model):
    """A piece of a sentence."""

    text: str
    href: str | None = Field(description="Page of what it names.")


class ActivityEvent(Model):
    """Something that the network's contracts recorded."""

    block: int
    log_index: int
    time: Time
    tx: Hash
    kind: str = Field(description="The event's class in snake case.")
    heading: str = Field(description="The kind, for people.")
    text: str = Field(description="What happened, one sentence in the language asked for.")
    parts: list[SentencePart] = Field(description="The same sentence with its links.")
    epoch: int | None
    device: int | None
    log_id: Hash | None
    account: Party | None
    other: Party | None
    asset: str | None
    amount: Amount | None
