"""What a search found."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from commonworks.explorer.web.model import Model


class Found(StrEnum):
    """Kinds of things that a search finds, in the order in which they are shown."""

    DEVICE = "device"
    ACCOUNT = "account"
    EPOCH = "epoch"
    TRANSACTION = "transaction"
    STATEMENT = "statement"
    GATEWAY = "gateway"
    VERIFIER = "verifier"
    PROPOSAL = "proposal"
    PARAMETER = "parameter"
    RESOURCE = "resource"
    REASON = "reason"
    CELL = "cell"


class Hit(Model):
    """One thing that was found."""

    title: str = Field(description="What it is called.")
    detail: str = Field(description="More about it in a few words; may be empty.")
    href: str = Field(description="Its page.")
    exact: bool = Field(description="The whole of what was searched for names it.")


class Group(Model):
    """Hits of one kind."""

    kind: Found
    hits: list[Hit]
    more: bool = Field(description="There are others that are not listed.")


class SearchAnswer(Model):
    """What a search found."""

    query: str
    groups: list[Group]
    certain: str | None = Field(
        description="Page of the only thing it can mean; null where there are several or none."
    )
