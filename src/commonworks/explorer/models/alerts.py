"""Answers about alerts: what is on offer, and an account's subscriptions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from commonworks.explorer.alerts.rules import (
    SILENT_AFTER_MAX_S,
    SILENT_AFTER_MIN_S,
    SILENT_AFTER_S,
    Channel,
    Kind,
)
from commonworks.explorer.web.model import WHOLE, Address, Model, Time

TARGET_MAX = 500
SilentAfter = Annotated[
    int,
    Field(
        ge=SILENT_AFTER_MIN_S,
        le=SILENT_AFTER_MAX_S,
        description="Silence of a device that is told, seconds of network time.",
    ),
    WHOLE,
]


class AlertKind(Model):
    """One thing that an owner can be told."""

    kind: Kind
    title: str
    explains: str


class AlertOffers(Model):
    """What this explorer can do for owners."""

    email: bool = Field(description="Whether the operator has set a mail server up.")
    webhook: bool
    kinds: list[AlertKind]
    missing: str | None = Field(description="What an operator would have to set up; null: nothing.")


class AlertSubscription(Model):
    """One subscription of the account that signed in."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    account: Address
    channel: Channel
    target: str
    kinds: list[Kind]
    silent_after_s: SilentAfter
    language: str
    in_force: bool = Field(description="False while its address has not agreed.")
    created_at: Time
    sent: int = Field(description="Messages that were delivered.")
    waiting: int = Field(description="Messages on their way.")
    trouble: str | None = Field(description="Why the newest message was not delivered.")
    secret: str | None = Field(
        description="What a webhook's messages are signed with (Standard Webhooks)."
    )


class AlertSubscriptions(Model):
    """The subscriptions of the account that signed in."""

    items: list[AlertSubscription]


class AlertWish(Model):
    """A subscription to be made."""

    channel: Channel
    target: str = Field(
        min_length=1, max_length=TARGET_MAX, description="E-mail address, or URL of the webhook."
    )
    kinds: list[Kind] = Field(min_length=1, max_length=len(Kind))
    silent_after_s: SilentAfter = SILENT_AFTER_S


class AlertToken(Model):
    """What a link in a message carries."""

    token: str = Field(min_length=1, max_length=200)


class AlertAgreed(Model):
    """What agreeing to a subscription did."""

    in_force: bool


class AlertEnded(Model):
    """What ending a subscription did."""

    ended: bool = Field(description="False where it was ended before.")


class AlertQueued(Model):
    """A message on its way."""

    id: str = Field(description="Its id: receivers tell repetitions by it.")
