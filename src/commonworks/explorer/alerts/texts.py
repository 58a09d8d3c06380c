"""What a message says, in the language that is spoken now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commonworks.errors import InvariantBroken
from commonworks.explorer.alerts.rules import Channel, Kind, Subscription
from commonworks.explorer.alerts.store import CONFIRM, TEST
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, mark, ngettext
from commonworks.explorer.web.model import address_text
from commonworks.explorer.web.plain_text import one_line
from commonworks.explorer.web.templating import duration, moment, money_of, short
from commonworks.explorer.web.words import reason_words

SUBJECT_MAX: Final = 150
"""Longest subject, characters."""
LABEL_MAX: Final = 60
"""Longest name from elsewhere that is repeated in a message."""

KIND_WORDS: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.SILENT: (
        mark("A device is silent"),
        mark("One of your devices has said nothing for longer than you allow."),
    ),
    Kind.REJECTED: (
        mark("Statements were rejected"),
        mark("An epoch was settled that rejected statements of your devices, with the reasons."),
    ),
    Kind.PAYOUT: (
        mark("Earnings can be claimed"),
        mark("What an epoch brought you can be claimed now."),
    ),
    Kind.VOTE: (
        mark("A vote is open"),
        mark("A vote began, or it ends soon and you have not voted."),
    ),
}
"""What can be told: a few words, one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A message in words."""

    subject: str
    """One line."""
    lines: tuple[str, ...]
    """Paragraphs of plain text."""
    place: str
    """Path of the page to look at."""


def cut(text: str, longest: int) -> str:
    """Return foreign text as one line without control characters, cut to a length."""
    plain = one_line(text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def compose(site: Site, subscription: Subscription, kind: str, data: Mapping[str, Any]) -> Text:
    """Return what a message says."""
    makers = {
        Kind.SILENT: _silent,
        Kind.REJECTED: _rejected,
        Kind.PAYOUT: _payout,
        Kind.VOTE: _vote,
    }
    network = cut(site.name, LABEL_MAX)
    if kind == CONFIRM:
        subject = gettext("Confirm your alerts")
        body = [
            gettext(
                "Somebody who signed in as %(account)s wants alerts of the network %(network)s to "
                "be sent to this address.",
                account=short(address_text(subscription.account)),
                network=network,
            ),
            gettext(
                "If that was you, open the link below and confirm. If not, do nothing: you will "
                "hear no more of it."
            ),
        ]
        text = Text(subject=subject, lines=tuple(body), place="/alerts")
    elif kind == TEST:
        text = Text(
            subject=gettext("A test"),
            lines=(gettext("This is a test: alerts reach you here. There is nothing to do."),),
            place="/alerts",
        )
    else:
        text = makers[Kind(kind)](site, data)
    return Text(
        subject=cut(f"[{network}] {text.subject}", SUBJECT_MAX),
        lines=text.lines,
        place=text.place,
    )


def _device(one: Mapping[str, Any]) -> str:
    label = one.get("label")
    if label:
        return cut(str(label), LABEL_MAX)
    return gettext("device %(number)s", number=one["device"])


def _silent(_: Site, data: Mapping[str, Any]) -> Text:
    name = _device(data)
    return Text(
        subject=gettext("%(device)s is silent", device=name),
        lines=(
            gettext(
                "Nothing has arrived from %(device)s since %(moment)s. You asked to be told after "
                "%(period)s.",
                device=name,
                moment=moment(data["heard_at"]),
                period=duration(data["silent_after_s"]),
            ),
            gettext("Look whether it has power and a connection, and whether its agent runs."),
        ),
        place=f"/devices/{data['device']}",
    )


def _rejected(site: Site, data: Mapping[str, Any]) -> Text:
    lines = [
        ngettext(
            "Epoch %(epoch)s rejected one statement of your devices.",
            "Epoch %(epoch)s rejected %(num)s statements of your devices.",
            data["count"],
            epoch=data["epoch"],
        )
    ]
    for found in data["reasons"]:
        words = reason_words(site, found["reason"])
        devices = ", ".join(
            gettext("%(device)s (%(count)s)", device=_device(one), count=one["count"])
            for one in found["devices"]
        )
        told = " ".join(part for part in (words.meaning, words.advice) if part)
        lines.append(
            gettext(
                "%(reason)s: %(devices)s. %(explanation)s",
                reason=words.title,
                devices=devices,
                explanation=told,
            ).strip()
        )
    first = data["reasons"][0]["devices"][0]["device"]
    several = {one["device"] for found in data["reasons"] for one in found["devices"]} - {first}
    return Text(
        subject=ngettext(
            "One statement was rejected", "%(num)s statements were rejected", data["count"]
        ),
        lines=tuple(lines),
        place=f"/epochs/{data['epoch']}" if several else f"/devices/{first}",
    )


def _payout(site: Site, data: Mapping[str, Any]) -> Text:
    amounts = gettext(" and ").join(
        money_of(site, one["amount"], one["asset"]) for one in data["earned"]
    )
    return Text(
        subject=gettext("You can claim %(amounts)s", amounts=amounts),
        lines=(
            gettext(
                "The epochs up to %(epoch)s brought you %(amounts)s more. You can claim it now.",
                epoch=data["epoch"],
                amounts=amounts,
            ),
            gettext("It does not expire: claim when you like."),
        ),
        place="/accounts/{account}",
    )


def _vote(_: Site, data: Mapping[str, Any]) -> Text:
    title = cut(data["title"], LABEL_MAX)
    values = {"number": data["proposal"], "title": title, "moment": moment(data["ends_at"])}
    if data["ending"]:
        subject = gettext("The vote on proposal %(number)s ends soon", **values)
        line = gettext(
            "The vote on proposal %(number)s, %(title)s, ends at %(moment)s. You have not voted.",
            **values,
        )
    else:
        subject = gettext("The vote on proposal %(number)s is open", **values)
        line = gettext(
            "The vote on proposal %(number)s, %(title)s, is open until %(moment)s.", **values
        )
    return Text(subject=subject, lines=(line,), place=f"/governance/{data['proposal']}")


def footer(subscription: Subscription, links: Sequence[str]) -> str:
    """Return the last paragraph: why this came, and how it stops."""
    if subscription.channel is not Channel.EMAIL:
        raise InvariantBroken("only e-mail has a footer")
    why = gettext(
        "You get this because alerts for the account %(account)s are sent to this address.",
        account=short(address_text(subscription.account)),
    )
    return "\n".join([why, *links])
