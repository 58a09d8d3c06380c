"""When things happen to an epoch: from the policy's history and from what the chain recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from commonworks.explorer.index.schema import parameter_change
from commonworks.explorer.models.epochs import EpochState, Moment, MomentState
from commonworks.explorer.models.stops import EpochPayout
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext

KEYS: Final = ("grace_s", "confirm_s", "hold_s", "quorum_ppm")
"""Parameters that an epoch's course depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """When an epoch ends, and when what follows may happen."""

    start: int
    end: int
    opens: int
    """Grace is over: verifiers confirm."""
    deadline: int
    """Confirming is over: anybody may close it."""
    hold_s: int
    quorum_ppm: int


class Courses:
    """The course of any epoch, by the policy in force for it."""

    def __init__(self, connection: Connection, site: Site) -> None:
        """Read the few parameters' history once."""
        self._site = site
        rows = connection.execute(
            select(parameter_change)
            .where(parameter_change.c.key.in_(KEYS))
            .order_by(parameter_change.c.key, parameter_change.c.number)
        ).all()
        self._changes = {key: [one for one in rows if one.key == key] for key in KEYS}

    def value(self, key: str, epoch: int) -> int:
        """Return a parameter in an epoch; its default where the chain never defined it."""
        found = [one.value for one in self._changes[key] if one.from_epoch <= epoch]
        return int(found[-1]) if found else self._site.parameters[key].default

    def of(self, epoch: int) -> Course:
        """Return the course of an epoch."""
        network = self._site.network
        end = network.epoch_start(epoch + 1)
        opens = end + self.value("grace_s", epoch)
        return Course(
            start=network.epoch_start(epoch),
            end=end,
            opens=opens,
            deadline=opens + self.value("confirm_s", epoch),
            hold_s=self.value("hold_s", epoch),
            quorum_ppm=self.value("quorum_ppm", epoch),
        )


def state_of(row: Row[Any] | None, course: Course, now: int) -> EpochState:
    """Return how far an epoch is; `row` is None until it is closed."""
    if row is None:
        return EpochState.OPEN if now < course.end else EpochState.CLOSING
    return EpochState.CLOSED if row.finalised_at is None else EpochState.FINALISED


def timeline(
    row: Row[Any] | None,
    course: Course,
    now: int,
    attested: int | None,
    payout: EpochPayout | None,
) -> list[Moment]:
    """Return an epoch's course as moments, in order.

    Inputs: `row` is None until it is closed; `attested` is the time of the first attestation;
    `payout` says when its root comes into force, None until the Vault has it.
    """
    closed = None if row is None else row.closed_at
    final = None if row is None else row.finalised_at
    claimable = None if final is None else final + course.hold_s
    stopped = None
    if payout is not None:
        claimable = payout.claimable_at
        stopped = None if payout.halt is None else payout.halt.stopped_at
    texts = _texts(payout)
    times: Mapping[str, tuple[int | None, bool]] = {
        "began": (course.start, now >= course.start),
        "ended": (course.end, now >= course.end),
        "grace": (course.opens, now >= course.opens),
        "deadline": (course.deadline, now >= course.deadline),
        "closed": (closed, closed is not None),
        "attested": (attested, attested is not None),
        "finalised": (final, final is not None),
        **({} if stopped is None else {"stopped": (stopped, True)}),
        "claimable": (claimable, claimable is not None and now >= claimable),
    }
    return [
        Moment(
            code=code,
            title=texts[code][0],
            meaning=texts[code][1],
            time=time,
            state=_state(time, done),
        )
        for code, (time, done) in times.items()
    ]


def _state(time: int | None, done: bool) -> MomentState:
    if done:
        return MomentState.DONE
    return MomentState.OPEN if time is None else MomentState.DUE


def _claimable(payout: EpochPayout | None) -> str:
    """Return what it means that an epoch's earnings can be claimed, or could be."""
    if payout is None:
        return gettext("Earnings can be claimed from then on, unless its payout is stopped before.")
    if payout.stop is not None and payout.halt is not None and payout.halt.stopped_at is not None:
        return gettext("It was stopped: earnings can be claimed from then on and not before.")
    if payout.claimable:
        return gettext("Earnings can be claimed from now on.")
    return gettext("Earnings can be claimed from then on, unless its payout is stopped before.")


def _texts(payout: EpochPayout | None) -> Mapping[str, tuple[str, str]]:
    """Return title and meaning of each moment."""
    return {
        "began": (
            gettext("Begins"),
            gettext("What is measured from now on belongs to it."),
        ),
        "ended": (
            gettext("Ends"),
            gettext("What is measured from now on belongs to the next one."),
        ),
        "grace": (
            gettext("Grace is over"),
            gettext("Evidence that a gateway anchored by now counts in time."),
        ),
        "deadline": (
            gettext("Confirming is over"),
            gettext("Verifiers said on chain which evidence they hold; now it may be closed."),
        ),
        "closed": (
            gettext("Closed"),
            gettext("What a quorum of the stake holds is frozen as its evidence."),
        ),
        "attested": (
            gettext("First attested"),
            gettext("A verifier computed the result and signed off on its digest."),
        ),
        "finalised": (
            gettext("Final"),
            gettext("A quorum of the stake attested one digest: it never changes again."),
        ),
        "stopped": (
            gettext("Payout stopped"),
            gettext("The guardian, or verifiers together, stopped its payout while it waited."),
        ),
        "claimable": (gettext("Claimable"), _claimable(payout)),
    }
