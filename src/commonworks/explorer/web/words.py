"""Reasons in plain words: what was wrong, what it means, what the owner should do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, mark
from commonworks.statements.model import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A reason, for people."""

    code: str
    title: str
    """A few words."""
    meaning: str
    """One sentence: what was wrong."""
    advice: str
    """One sentence: what the owner should do; empty where nothing is to be done."""


_TITLES: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.UNDECODABLE: mark("Not readable"),
        Reason.TOO_LARGE: mark("Too large"),
        Reason.UNKNOWN_TYPE: mark("Unknown kind"),
        Reason.BAD_HEADER: mark("Wrong header"),
        Reason.UNKNOWN_KEY: mark("Unknown key"),
        Reason.BAD_SIGNATURE: mark("Bad signature"),
        Reason.WRONG_NETWORK: mark("Another network"),
        Reason.UNKNOWN_RESOURCE: mark("Unknown resource"),
        Reason.BAD_SCHEMA: mark("Wrong form"),
        Reason.PAYLOAD_MISSING: mark("Content missing"),
        Reason.PAYLOAD_MISMATCH: mark("Content is not what was signed"),
        Reason.NOT_BOUND: mark("Not bound to its owner"),
        Reason.NOT_REGISTRAR: mark("Not a registrar"),
        Reason.SUPERSEDED: mark("Replaced"),
        Reason.FUTURE: mark("Speaks of the future"),
        Reason.TOO_LATE: mark("Too late"),
    }
)

_MEANINGS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.UNDECODABLE: mark(
            "The bytes are no signed statement in the one form that everybody reads alike."
        ),
        Reason.TOO_LARGE: mark("The statement or its content is longer than 65,535 bytes."),
        Reason.UNKNOWN_TYPE: mark("It says to be a kind of statement that this network lacks."),
        Reason.BAD_HEADER: mark("Its header has fields that do not belong there, or lacks some."),
        Reason.UNKNOWN_KEY: mark("It was signed with a key that no enrolled device has."),
        Reason.BAD_SIGNATURE: mark(
            "The signature does not fit the content and the device's key, so anybody could have "
            "written it."
        ),
        Reason.WRONG_NETWORK: mark("It was signed for another network."),
        Reason.UNKNOWN_RESOURCE: mark("It speaks of a resource that this network does not carry."),
        Reason.BAD_SCHEMA: mark("Its fields, columns or values do not fit what the resource asks."),
        Reason.PAYLOAD_MISSING: mark(
            "Only its seal was logged: the sealed content never arrived beside it."
        ),
        Reason.PAYLOAD_MISMATCH: mark("The sealed content is not the one that was signed."),
        Reason.NOT_BOUND: mark(
            "The device has not said, with its own key, that it works for the account that owns it."
        ),
        Reason.NOT_REGISTRAR: mark("Only an admitted registrar may sign this kind of statement."),
        Reason.SUPERSEDED: mark("A newer statement of the same device takes its place."),
        Reason.FUTURE: mark("It speaks of a time after the epoch that it was to count for."),
        Reason.TOO_LATE: mark("It came later than the longest delay that the rules allow."),
    }
)

_ADVICE: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.UNDECODABLE: mark("Update the device's agent, or report the fault to its maker."),
        Reason.TOO_LARGE: mark("Let the agent send more reports with fewer readings each."),
        Reason.UNKNOWN_TYPE: mark(
            "Update the device's agent: it is older or newer than the network."
        ),
        Reason.BAD_HEADER: mark("Update the device's agent, or report the fault to its maker."),
        Reason.UNKNOWN_KEY: mark("Enrol the device with the key that it signs with."),
        Reason.BAD_SIGNATURE: mark(
            "If the device is yours, check its key and its agent. If somebody imitates it, nothing "
            "is lost: none of this counts."
        ),
        Reason.WRONG_NETWORK: mark("Give the agent this network's configuration again."),
        Reason.UNKNOWN_RESOURCE: mark("Choose a resource that this network carries."),
        Reason.BAD_SCHEMA: mark("Check the source of the readings: names, units and ranges."),
        Reason.PAYLOAD_MISSING: mark("Let the agent send the statement again, with its content."),
        Reason.PAYLOAD_MISMATCH: mark("Let the agent send the statement again; check its storage."),
        Reason.NOT_BOUND: mark(
            "Start the agent once with the device's key: it sends the binding by itself."
        ),
        Reason.NOT_REGISTRAR: mark("Ask the network's members to admit the registrar by a vote."),
        Reason.SUPERSEDED: mark("Nothing: the newer statement counts."),
        Reason.FUTURE: mark("Set the device's clock."),
        Reason.TOO_LATE: mark(
            "Look after the device's connection; what comes in time counts in full."
        ),
    }
)


def reason_words(site: Site, code: str) -> Words:
    """Return a reason in the reader's language; a code nobody knows stands for itself."""
    if code in Reason.__members__.values():
        reason = Reason(code)
        return Words(
            code=code,
            title=gettext(_TITLES[reason]),
            meaning=gettext(_MEANINGS[reason]),
            advice=gettext(_ADVICE[reason]),
        )
    for resource in site.resources.values():
        if code in resource.reasons:
            return Words(
                code=code,
                title=gettext(_title(code, resource.name)),
                meaning=gettext(resource.reasons[code]),
                advice=gettext(resource.advice.get(code, "")) if resource.advice else "",
            )
    return Words(code=code, title=code, meaning="", advice="")


def _title(code: str, resource: str) -> str:
    """Return a resource's code as words: `<resource>.too_fast` is `too fast`."""
    plain = code.removeprefix(f"{resource}.").replace("_", " ")
    return plain[:1].upper() + plain[1:]
