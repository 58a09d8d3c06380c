"""What an owner should do about each reason. Words only: the rules hash does not cover them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from commonworks.resources.energy.reasons import Why

ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        Why.NO_SITE: "Ask the registrar for a site table, and the members to adopt it by a vote.",
        Why.NOT_IN_SITE: "Ask the registrar to enter the meter in the street's site table.",
        Why.MISALIGNED: "Let the agent read the meter on full quarter-hours, and set its clock.",
        Why.FUTURE: "Set the clock of the meter and of its agent.",
        Why.CONFLICTING: "Make sure that only one agent reads and signs for this meter.",
        Why.ALREADY_SETTLED: "Nothing, if the agent repeated itself; else let it report in order.",
        Why.OVER_RATING: "Check the meter; was the connection enlarged, tell the registrar.",
        Why.REGISTER_FELL: "Was the meter replaced, sign the replacement with the registrar; else "
        "have the meter checked.",
        Why.BEYOND_CLEAR_SKY: "Have the meter checked; was the plant enlarged, tell the registrar.",
        Why.BALANCE_CUT: "One meter of the street tells more than is true. If yours is right, ask "
        "for a check of all meters.",
        Why.LATE: "Look after the meter's connection: in time, it trades with the neighbours.",
        Why.LATE_UNSEEN: "Look after the meter's connection, and have the meter checked.",
        Why.UNFUNDED: "Deposit more, or raise the device's spending limit.",
    }
)
"""One sentence for each reason."""
