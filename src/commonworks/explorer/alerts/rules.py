"""What is due to be told, from rows. Pure.

Rule: one alert for one cause. A cause has a key; whoever keeps alerts keeps one for each key. What
was over before a subscription came into force is history and is never told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from commonworks.units import DAY_S

SILENT_AFTER_MIN_S: Final = 3_600
SILENT_AFTER_MAX_S: Final = 90 * DAY_S
SILENT_AFTER_S: Final = DAY_S
"""After how much silence an owner is told: bounds and default, network time."""

ENDING_S: Final = DAY_S
"""How long before its end a vote is told again, where it lasts four times as long."""
ENDING_PART: Final = 4
"""Of shorter votes: the last quarter."""


class Kind(StrEnum):
    """What an owner can be told."""

    SILENT = "silent"
    """A device said nothing for too long."""
    REJECTED = "rejected"
    """Statements of the owner's devices were rejected."""
    PAYOUT = "payout"
    """New earnings can be claimed."""
    VOTE = "vote"
    """A vote is open, or ends soon and the owner has not voted."""


class Channel(StrEnum):
    """How an owner is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One owner's wish to be told."""

    ident: str
    """Random, 32 hexadecimal digits."""
    account: bytes
    """Whom it is about, 20 bytes."""
    channel: Channel
    target: str
    """E-mail address, or URL of the webhook."""
    kinds: frozenset[Kind]
    silent_after_s: int
    """Silence of a device that is told, network seconds."""
    language: str
    """Language of the texts: a code of the explorer's."""
    in_force: bool
    """Whether its target has agreed."""
    since_s: int
    """Since when it is in force, network time; what was before is history."""
    epochs_seen: int
    """Newest settled epoch that was looked at; -1: none."""
    payouts_seen: int
    """Newest claimable epoch that was looked at; -1: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """When a device was last heard of."""

    device: int
    label: str | None
    """What people call it."""
    heard_at: int
    """When the chain first covered its newest statement; its enrolment where there is none."""
    fresh: bool
    """It has a statement that no anchor covers yet: it is not silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Rejected statements of one device and one reason in one epoch."""

    epoch: int
    device: int
    label: str | None
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Earning:
    """What became claimable in one asset since it was last looked at."""

    asset: bytes
    amount: int
    """Smallest unit, above 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A proposal's vote."""

    number: int
    title: str
    start_s: int
    end_s: int
    canceled: bool
    voted: bool
    """Whether the subscriber has voted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the index says that concerns one subscription."""

    now_s: int
    """Network time."""
    settled: int
    """Newest settled epoch; -1: none."""
    claimable: int
    """Epoch whose payout root is claimable; -1: none, or not known now."""
    lives: Sequence[Life]
    rejections: Sequence[Rejection]
    """Of epochs after `epochs_seen`, up to `settled`."""
    earnings: Sequence[Earning]
    """Of epochs after `payouts_seen`, up to `claimable`."""
    ballots: Sequence[Ballot]
    """That are not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something to tell, once."""

    kind: str
    """A `Kind`, or `confirm` and `test`, which no rule makes."""
    key: str
    """Names the cause: the same one is never told twice to the same subscription."""
    data: Mapping[str, Any]
    """The facts, values of JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What a look at the facts leads to."""

    alerts: tuple[Alert, ...]
    epochs_seen: int
    payouts_seen: int


def due(subscription: Subscription, facts: Facts) -> Due:
    """Return what is to be told now, and how far was looked.

    Guarantees: the same facts give the same alerts; a kind that is not wished for gives none, and
    is looked at all the same, so that wishing for it later tells no history.
    """
    rules = {
        Kind.SILENT: _silent,
        Kind.REJECTED: _rejected,
        Kind.PAYOUT: _payout,
        Kind.VOTE: _votes,
    }
    wanted = subscription.kinds if subscription.in_force else frozenset()
    return Due(
        alerts=tuple(
            alert for kind in Kind if kind in wanted for alert in rules[kind](subscription, facts)
        ),
        epochs_seen=max(subscription.epochs_seen, facts.settled),
        payouts_seen=max(subscription.payouts_seen, facts.claimable),
    )


def _silent(subscription: Subscription, facts: Facts) -> Iterator[Alert]:
    for life in facts.lives:
        overdue_s = life.heard_at + subscription.silent_after_s
        if life.fresh or not subscription.since_s < overdue_s <= facts.now_s:
            continue
        yield Alert(
            kind=Kind.SILENT,
            key=f"silent:{life.device}:{life.heard_at}",
            data={
                "device": life.device,
                "label": life.label,
                "heard_at": life.heard_at,
                "silent_after_s": subscription.silent_after_s,
            },
        )


def _rejected(subscription: Subscription, facts: Facts) -> Iterator[Alert]:
    fresh = [one for one in facts.rejections if one.epoch > subscription.epochs_seen]
    for epoch in sorted({one.epoch for one in fresh}):
        found = [one for one in fresh if one.epoch == epoch]
        reasons = []
        for reason in sorted({one.reason for one in found}):
            parts = [one for one in found if one.reason == reason]
            reasons.append(
                {
                    "reason": reason,
                    "count": sum(one.count for one in parts),
                    "devices": [
                        {"device": one.device, "label": one.label, "count": one.count}
                        for one in sorted(parts, key=lambda one: one.device)
                    ],
                }
            )
        yield Alert(
            kind=Kind.REJECTED,
            key=f"rejected:{epoch}",
            data={
                "epoch": epoch,
                "count": sum(one.count for one in found),
                "reasons": reasons,
            },
        )


def _payout(subscription: Subscription, facts: Facts) -> Iterator[Alert]:
    if facts.claimable <= subscription.payouts_seen or not facts.earnings:
        return
    yield Alert(
        kind=Kind.PAYOUT,
        key=f"payout:{facts.claimable}",
        data={
            "epoch": facts.claimable,
            "earned": [
                {"asset": "0x" + one.asset.hex(), "amount": str(one.amount)}
                for one in sorted(facts.earnings, key=lambda one: one.asset)
            ],
        },
    )


def _votes(subscription: Subscription, facts: Facts) -> Iterator[Alert]:
    for ballot in facts.ballots:
        if ballot.canceled or ballot.voted or not ballot.start_s <= facts.now_s < ballot.end_s:
            continue
        lasts_s = ballot.end_s - ballot.start_s
        ending_s = ballot.end_s - min(ENDING_S, lasts_s // ENDING_PART)
        data = {
            "proposal": ballot.number,
            "title": ballot.title,
            "starts_at": ballot.start_s,
            "ends_at": ballot.end_s,
        }
        if subscription.since_s < ending_s <= facts.now_s:
            yield Alert(
                kind=Kind.VOTE, key=f"vote:{ballot.number}:ending", data={**data, "ending": True}
            )
        elif subscription.since_s < ballot.start_s:
            yield Alert(
                kind=Kind.VOTE, key=f"vote:{ballot.number}:open", data={**data, "ending": False}
            )
