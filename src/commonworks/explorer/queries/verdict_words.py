"""A verdict in plain words: what became of a statement, what that means for money, what to do.

Rule: only what the verdict says. The checks are those of docs/spec/settlement.md in their order, so
the reason tells which of them were passed before.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from commonworks.explorer.models.statements import Check, CheckState, ReasonText, Standing
from commonworks.explorer.web.i18n import SOURCE_LANGUAGE, gettext, language, mark
from commonworks.explorer.web.templating import number
from commonworks.statements.model import Kind, Reason, Refusal

_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Kind.BINDING: mark("With its own key, the device names the account that it works for."),
        Kind.REPORT: mark("The device reports what it measured or did."),
        Kind.ORDER: mark("The device's standing limits: at which prices it buys or sells."),
        Kind.SITE: mark("A registrar's tables about a place."),
        Kind.REPLACE: mark("What is behind a device was exchanged; a registrar countersigned it."),
    }
)

_CHECKS: Final[tuple[tuple[str, frozenset[Reason]], ...]] = (
    (
        mark("It can be read, in the one form that everybody reads alike."),
        frozenset(
            {
                Reason.TOO_LARGE,
                Reason.UNDECODABLE,
                Reason.BAD_HEADER,
                Reason.PAYLOAD_MISMATCH,
            }
        ),
    ),
    (mark("It names the key of an enrolled device or registrar."), frozenset({Reason.UNKNOWN_KEY})),
    (mark("The signature holds under that key."), frozenset({Reason.BAD_SIGNATURE})),
    (mark("Its content is there."), frozenset({Reason.PAYLOAD_MISSING})),
    (mark("It was signed for this network."), frozenset({Reason.WRONG_NETWORK})),
    (
        mark("The network carries its resource, and the resource takes this kind."),
        frozenset({Reason.UNKNOWN_RESOURCE, Reason.UNKNOWN_TYPE}),
    ),
    (mark("Its columns, ranges and sealing are as declared."), frozenset({Reason.BAD_SCHEMA})),
    (mark("It does not speak of the future."), frozenset({Reason.FUTURE})),
    (mark("It is not too late."), frozenset({Reason.TOO_LATE})),
    (
        mark("It counts for an account, or a registrar signed it."),
        frozenset({Reason.NOT_BOUND, Reason.NOT_REGISTRAR, Reason.SUPERSEDED}),
    ),
)
"""What is checked, in this order, and the reasons that say a check failed."""

_RULES: Final = mark("It fits the resource's own rules.")

_REFUSED: Final[Mapping[Refusal, str]] = MappingProxyType(
    {
        Refusal.UNDECODABLE: mark(
            "The bytes are no signed statement, or lack the content that belongs to its seal."
        ),
        Refusal.TOO_LARGE: mark("The statement or its content is longer than 65,535 bytes."),
        Refusal.UNKNOWN_KEY: mark("It was signed with a key that no enrolled device has."),
        Refusal.BAD_SIGNATURE: mark("The signature does not fit the content and the key."),
        Refusal.WRONG_NETWORK: mark("It was signed for another network."),
        Refusal.OVER_QUOTA: mark("The key has sent as much in this hour as one key may."),
    }
)

_REFUSALS: Final[Mapping[Refusal, str]] = MappingProxyType(
    {
        Refusal.UNDECODABLE: mark("Update the device's agent, or report the fault to its maker."),
        Refusal.TOO_LARGE: mark("Let the agent send more reports with fewer readings each."),
        Refusal.UNKNOWN_KEY: mark(
            "Enrol the device. Where that was just done, try again when the gateway has seen it."
        ),
        Refusal.BAD_SIGNATURE: mark("Check the device's key: it must be the one that is enrolled."),
        Refusal.WRONG_NETWORK: mark("Give the agent this network's configuration again."),
        Refusal.OVER_QUOTA: mark(
            "Send fewer statements an hour, each with more readings; or use another gateway too."
        ),
    }
)


def kind_text(kind: str | None) -> str:
    """Return what a kind of statement says."""
    if kind is None:
        return gettext("Nobody can tell what it says: it could not be decoded.")
    return gettext(_KINDS[kind]) if kind in _KINDS else kind


def inline(title: str) -> str:
    """Return a title for the middle of a sentence; in other languages capitals mean more."""
    return title[:1].lower() + title[1:] if language() == SOURCE_LANGUAGE else title


def refusal_meaning(refusal: Refusal) -> str:
    """Return what a gateway's refusal means."""
    return gettext(_REFUSED[refusal])


def refusal_advice(refusal: Refusal) -> str:
    """Return what to do about a gateway's refusal."""
    return gettext(_REFUSALS[refusal])


def summary(outcome: Standing, epoch: int | None, reason: ReasonText | None) -> str:
    """Return what became of a statement, in one sentence."""
    match outcome:
        case Standing.ACCEPTED:
            return gettext("Epoch %(epoch)s accepted it.", epoch=number(epoch))
        case Standing.REJECTED:
            return gettext(
                "Epoch %(epoch)s rejected it: %(reason)s.",
                epoch=number(epoch),
                reason="" if reason is None else inline(reason.title),
            )
        case Standing.WAITING:
            return gettext("It is logged, and waits for the epoch that judges it.")


def money(outcome: Standing, kind: str | None, reason: str | None) -> str:
    """Return what a verdict means for money."""
    match outcome:
        case Standing.WAITING:
            return gettext("Nothing yet: money moves when its epoch is settled.")
        case Standing.ACCEPTED:
            return _accepted(kind)
        case Standing.REJECTED if reason == Reason.SUPERSEDED:
            return gettext("None: a newer statement counts in its place.")
        case Standing.REJECTED if kind == Kind.BINDING:
            return gettext(
                "It changed nothing: the device counts for whom it counted before, if anybody."
            )
        case Standing.REJECTED if kind in (Kind.SITE, Kind.REPLACE):
            return gettext("It changed nothing, and nobody was paid or charged because of it.")
        case Standing.REJECTED if kind == Kind.ORDER:
            return gettext(
                "It set no prices: the device trades by its earlier order, or not at all."
            )
        case _:
            return gettext(
                "Nothing that it reports was counted: it earned nothing and cost nothing. What "
                "the device measured may still count through another statement that is accepted."
            )


def _accepted(kind: str | None) -> str:
    match kind:
        case Kind.REPORT:
            return gettext(
                "What it reports entered the settlement. How much of it was credited, and paid, "
                "stands with the device; spans that were credited less have reasons of their own."
            )
        case Kind.BINDING:
            return gettext("From then on the device earns for the account that it names.")
        case Kind.ORDER:
            return gettext("Its prices count for epochs that open after it was anchored.")
        case _:
            return gettext("It moved no money itself; what follows from it is settled by it.")


def advice(outcome: Standing, reason: ReasonText | None) -> str:
    """Return what the owner should do; empty where nothing is to be done."""
    match outcome:
        case Standing.WAITING:
            return gettext("Nothing: wait until the epoch is settled.")
        case Standing.REJECTED if reason is not None:
            return reason.advice
        case _:
            return ""


def checks(outcome: Standing, kind: str | None, reason: str | None) -> list[Check]:
    """Return the checks that every statement goes through, and how far this one got."""
    if outcome is Standing.WAITING:
        reached = 0
    elif outcome is Standing.ACCEPTED:
        reached = len(_CHECKS) + 1
    elif kind is None:
        reached = 0  # some reasons are met while decoding as well as later
    else:
        failing = (place for place, (_, reasons) in enumerate(_CHECKS) if reason in reasons)
        reached = next(failing, len(_CHECKS))
    names = [*(name for name, _ in _CHECKS), _RULES]
    return [
        Check(name=gettext(name), state=_state(place, reached, outcome))
        for place, name in enumerate(names)
    ]


def _state(place: int, reached: int, outcome: Standing) -> CheckState:
    if place < reached:
        return CheckState.PASSED
    if place == reached and outcome is Standing.REJECTED:
        return CheckState.FAILED
    return CheckState.SKIPPED
