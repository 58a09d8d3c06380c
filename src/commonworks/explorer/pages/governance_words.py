"""States, stations and sides of a vote in words."""

from __future__ import annotations

from commonworks.explorer.models.governance import (
    Act,
    Bar,
    GainBar,
    Moment,
    NextMoment,
    Step,
    Support,
)
from commonworks.explorer.web.i18n import gettext, ngettext
from commonworks.explorer.web.templating import duration, short
from commonworks.ports import ProposalState


def state(value: ProposalState | None) -> tuple[str, str]:
    """Return a state in words, and the tone of its badge."""
    match value:
        case ProposalState.PENDING:
            return gettext("not yet open"), "wait"
        case ProposalState.ACTIVE:
            return gettext("vote open"), "wait"
        case ProposalState.CANCELED:
            return gettext("taken back"), "plain"
        case ProposalState.DEFEATED:
            return gettext("defeated"), "bad"
        case ProposalState.SUCCEEDED:
            return gettext("succeeded"), "ok"
        case ProposalState.QUEUED:
            return gettext("waiting"), "wait"
        case ProposalState.EXPIRED:
            return gettext("expired"), "bad"
        case ProposalState.EXECUTED:
            return gettext("carried out"), "ok"
        case None:
            return gettext("vote over"), "plain"


def meaning(value: ProposalState | None) -> str:
    """Return what a state means, in a sentence."""
    match value:
        case ProposalState.PENDING:
            return gettext("It was made; its vote has not begun.")
        case ProposalState.ACTIVE:
            return gettext("Members can vote now.")
        case ProposalState.CANCELED:
            return gettext("Who proposed it took it back before the vote.")
        case ProposalState.DEFEATED:
            return gettext("It had no more votes for than against, or no quorum.")
        case ProposalState.SUCCEEDED:
            return gettext("The vote was won; anybody can now put it into the timelock.")
        case ProposalState.QUEUED:
            return gettext("It waits in the timelock, in public, before anybody can carry it out.")
        case ProposalState.EXPIRED:
            return gettext("Nobody queued or carried it out in time; it can be proposed again.")
        case ProposalState.EXECUTED:
            return gettext("What it decided was done; parameters hold from the next epoch on.")
        case None:
            return gettext("The vote is over; the chain cannot be asked just now how it ended.")


def moment(found: NextMoment, now: int) -> str:
    """Return the next date of a proposal as a time from now."""
    span = duration(max(0, found.time - now))
    match found.what:
        case Moment.VOTE_BEGINS:
            return gettext("The vote begins in %(span)s.", span=span)
        case Moment.VOTE_ENDS:
            return gettext("The vote ends in %(span)s.", span=span)
        case Moment.QUEUE_UNTIL:
            return gettext("It can be queued for another %(span)s.", span=span)
        case Moment.EXECUTABLE_FROM:
            return gettext("It can be carried out in %(span)s.", span=span)
        case Moment.EXECUTE_UNTIL:
            return gettext("It can be carried out for another %(span)s.", span=span)


def step(value: Step) -> str:
    """Return a station in words."""
    match value:
        case Step.PROPOSED:
            return gettext("proposed")
        case Step.VOTE_BEGINS:
            return gettext("vote begins")
        case Step.VOTE_ENDS:
            return gettext("vote ends")
        case Step.QUEUED:
            return gettext("put into the timelock")
        case Step.EXECUTABLE:
            return gettext("can be carried out from")
        case Step.EXECUTED:
            return gettext("carried out")
        case Step.CANCELED:
            return gettext("taken back")


def support(value: Support | None) -> tuple[str, str]:
    """Return a side in words, and the tone of its badge."""
    match value:
        case Support.FOR:
            return gettext("for"), "ok"
        case Support.AGAINST:
            return gettext("against"), "bad"
        case Support.ABSTAIN:
            return gettext("abstains"), "plain"
        case None:
            return gettext("unknown"), "plain"


def act(value: Act) -> str:
    """Return what a button says."""
    match value:
        case Act.VOTE:
            return gettext("Vote")
        case Act.QUEUE:
            return gettext("Put into the timelock")
        case Act.EXECUTE:
            return gettext("Carry out")
        case Act.CANCEL:
            return gettext("Take back")


def explains(value: Act) -> str:
    """Return who can do it and what it does."""
    match value:
        case Act.VOTE:
            return gettext("A vote cannot be changed. The reason stands on the chain for ever.")
        case Act.QUEUE:
            return gettext("Anybody may. From then on the delay of the timelock runs.")
        case Act.EXECUTE:
            return gettext("Anybody may. Everything that was decided is done at once.")
        case Act.CANCEL:
            return gettext("Only who proposed it can, and only before the vote begins.")


def bar_name(found: GainBar) -> str:
    """Return whose gain a bar is, short enough to stand beneath it."""
    match found.who:
        case Bar.GAINING:
            return gettext("%(count)s gaining", count=found.accounts)
        case Bar.LOSING:
            return gettext("%(count)s losing", count=found.accounts)
        case Bar.OTHERS:
            return gettext("%(count)s others", count=found.accounts)
        case _:
            return bar(found)


def bar(found: GainBar) -> str:
    """Return whose gain a bar is."""
    match found.who:
        case Bar.ACCOUNT:
            party = found.account
            return "" if party is None else party.label or short(party.address, 6, 4)
        case Bar.YOU:
            return gettext("you")
        case Bar.GAINING:
            return ngettext(
                "%(num)s account that gains", "%(num)s accounts that gain", found.accounts
            )
        case Bar.LOSING:
            return ngettext(
                "%(num)s account that loses", "%(num)s accounts that lose", found.accounts
            )
        case Bar.OTHERS:
            return ngettext(
                "%(num)s account, more and less together",
                "%(num)s accounts, more and less together",
                found.accounts,
            )
