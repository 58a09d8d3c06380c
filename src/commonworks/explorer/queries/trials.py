"""The back-test's picture: what past epochs would have been under a proposal, and for whom.

Rule: tokens are earned in the open, so their gains are shown by account. What a resource with
sealed evidence moves in the currency is a household's bill, and how a bill answers to a price tells
how much was used: its accounts are shown together, never fewer than `FEW` at once, and each reader
that signed in sees its own. Bodies that hold an office (the treasury, accounts that parameters
name) are shown by name: what they take is everybody's business.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from commonworks.explorer.index.schema import epoch
from commonworks.explorer.models.governance import (
    BacktestView,
    Bar,
    GainBar,
    GainPanel,
    TrialEpochView,
    TrialSettingView,
    TrialStage,
)
from commonworks.explorer.ports import (
    Trial,
    TrialChange,
    TrialEpoch,
    TrialFailure,
    TrialOutcome,
    TrialRefusal,
    TrialSetting,
    TrialState,
    TrialWanted,
)
from commonworks.explorer.queries import parameters
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.queries.governance import Found
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text, amount_text, party
from commonworks.resources.base import Visibility

EPOCHS_SHOWN: Final = 30
"""Most epochs in the picture, as many as the command shows by default."""

FROM_GENESIS_MAX: Final = 90
"""Longest past that is settled again from genesis on; later only the epochs shown are."""

FEW: Final = 3
"""Fewest accounts with sealed evidence that are shown together."""

EARLIER_MAX: Final = 7
"""So many epochs back an outcome is looked for that was kept while the newest is computed."""

BARS_MAX: Final = 200
"""Most bars in one panel: of more accounts, those who gain and lose most."""


# --- what is tried --------------------------------------------------------------------------------


def wanted(connection: Connection, site: Site, found: Found) -> TrialWanted | None:
    """Return what to try: the last epochs that were final when the vote ended, or are now.

    None where the proposal sets no parameter, or no epoch was final by then. The past that is
    shown stands still with the end of the vote: it is the picture that members voted by.
    """
    cut = min(site.clock.now(), found.row.vote_end)
    newest = select(func.max(epoch.c.epoch)).where(epoch.c.finalised_at <= cut)
    last = connection.scalar(newest)
    if not found.changes or last is None:
        return None
    return _until(found.row.number, found.changes, last)


def _until(number: int, changes: Mapping[str, int], last: int) -> TrialWanted:
    return TrialWanted(
        number=number,
        changes=changes,
        first=max(0, last + 1 - EPOCHS_SHOWN),
        last=last,
        from_state=last >= FROM_GENESIS_MAX,
    )


def command(site: Site, trial: TrialWanted) -> str:
    """Return the command line that computes the same."""
    epochs, last = str(trial.last + 1 - trial.first), str(trial.last)
    words = ["backtest", str(trial.number), "--epochs", epochs, "--until", last]
    words += ["--from-state"] if trial.from_state else []
    return command_line(site, "proposal", *words)


# --- what is shown --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who looks, and which accounts everybody may see by name."""

    viewer: bytes | None
    offices: frozenset[bytes]


def reader(connection: Connection, site: Site, viewer: bytes | None) -> Reader:
    """Return who looks."""
    named = parameters.named_accounts(connection, site) | {site.network.treasury}
    return Reader(viewer=viewer, offices=frozenset(named))


def absent(found: Found) -> BacktestView:
    """Return why a proposal has no back-test."""
    sentence = gettext(
        "No epoch was final before the vote ended, so there is no past to try it on."
    )
    if not found.changes:
        sentence = gettext("This proposal sets no parameter, so no past day would have been other.")
    return _view(TrialStage.ABSENT, explains=sentence)


async def tried(site: Site, who: Reader, asked: TrialWanted) -> BacktestView:
    """Return a back-test as a reader may see it; who looks first begins it.

    While it is computed, or where that fails, the newest outcome that was kept of a past that ends
    a few epochs earlier stands in its place: while a vote is open each epoch that becomes final
    asks for another back-test, and none of them takes away what was there. Raises Unavailable when
    too many wait.
    """
    trial = await site.backtests.start(asked)
    kept = None if trial.state is TrialState.DONE else await _earlier(site, asked)
    return view(site, who, asked, trial, kept)


async def postponed(site: Site, who: Reader, asked: TrialWanted) -> BacktestView:
    """Return that too many others are computed first, with what was kept of an earlier past."""
    waits = Trial(state=TrialState.WAITING, done=0, total=0, failure=None, outcome=None)
    return view(site, who, asked, waits, await _earlier(site, asked))


async def _earlier(site: Site, asked: TrialWanted) -> TrialOutcome | None:
    """Return the newest outcome that is at hand for a past that ends a few epochs earlier."""
    for last in range(asked.last - 1, max(-1, asked.last - 1 - EARLIER_MAX), -1):
        found = await site.backtests.look(_until(asked.number, asked.changes, last))
        if found is not None and found.outcome is not None:
            return found.outcome
    return None


def view(
    site: Site, who: Reader, asked: TrialWanted, trial: Trial, kept: TrialOutcome | None = None
) -> BacktestView:
    """Return a back-test as a reader may see it; `kept`: shown as long as it has no outcome."""
    stage, line = TrialStage(trial.state.value), command(site, asked)
    outcome = trial.outcome or kept
    if outcome is None:
        return _view(
            stage,
            explains=_why(trial.failure),
            command=line,
            done=trial.done,
            total=trial.total,
        )
    panels = [
        found
        for asset in (site.network.currency, site.network.token)
        if (found := panel(site, who, asset, outcome.accounts)) is not None
    ]
    return _view(
        stage,
        explains=_why(trial.failure),
        command=line,
        earlier=trial.outcome is None,
        done=trial.done,
        total=trial.total,
        outcome=outcome,
        settings=[_setting(site, one) for one in outcome.settings],
        panels=panels,
        sealed=any(_is_sealed(site, who, one) for one in outcome.accounts),
        refused=[_refusal(site, one) for one in outcome.refused],
    )


def _why(failure: TrialFailure | None) -> str:
    """Return why there is no outcome, as the second half of a sentence."""
    match failure:
        case None:
            return ""
        case TrialFailure.TOO_LONG:
            return gettext("it takes longer than this explorer may compute")
        case TrialFailure.BROKE_OFF:
            return gettext("it broke off")
        case TrialFailure.ERASED:
            return gettext("evidence of these epochs was erased by rule")
        case TrialFailure.INCOMPLETE:
            return gettext("evidence of these epochs is not all at hand")
        case TrialFailure.DIFFERS:
            return gettext("what became final does not follow from the evidence at hand")
        case TrialFailure.INDEX:
            return gettext("the index has other changes of this proposal than the chain")
        case TrialFailure.UNAVAILABLE:
            return gettext("the chain or a log does not answer just now")
        case TrialFailure.IMPOSSIBLE:
            return gettext("it cannot be computed from what is at hand")


def _refusal(site: Site, one: TrialRefusal) -> str:
    return gettext(
        "The Vault would not have let epoch %(epoch)s through: earnings would have grown by "
        "%(growth)s, more than the %(limit)s that %(key)s allows.",
        epoch=one.epoch,
        growth=parameters.text_of(site, one.key, one.growth),
        limit=parameters.text_of(site, one.key, one.limit),
        key=one.key,
    )


def panel(
    site: Site, who: Reader, asset: bytes, changes: Sequence[TrialChange]
) -> GainPanel | None:
    """Return who gains and who loses in an asset; None where nobody does."""
    open_, sealed = _gains(site, who, asset, changes)
    if not open_ and not sealed:
        return None
    named = [
        GainBar(who=Bar.ACCOUNT, account=party(site, one), accounts=1, gain=amount_text(gain))
        for one, gain in open_.items()
    ]
    if who.viewer in sealed:
        own = party(site, who.viewer or b"")
        gain = amount_text(sealed[who.viewer or b""])
        named.append(GainBar(who=Bar.YOU, account=own, accounts=1, gain=gain))
    named.sort(key=lambda bar: -abs(int(bar.gain)))
    together = _together(sealed)
    bars = [*named[: BARS_MAX - len(together)], *together]
    shown = sum(bar.accounts for bar in bars if bar.who is not Bar.YOU)
    gains = [*open_.values(), *sealed.values()]
    symbol, decimals = site.asset(asset)
    return GainPanel(
        asset=address_text(asset),
        symbol=symbol,
        decimals=decimals,
        bars=sorted(bars, key=lambda bar: -int(bar.gain)),
        gaining=sum(gain > 0 for gain in gains),
        losing=sum(gain < 0 for gain in gains),
        unshown=len(gains) - shown,
    )


def _gains(
    site: Site, who: Reader, asset: bytes, changes: Sequence[TrialChange]
) -> tuple[Mapping[bytes, int], Mapping[bytes, int]]:
    """Return gains by account, those that everybody may see and the sealed ones; no zeros."""
    found: tuple[defaultdict[bytes, int], ...] = (defaultdict(int), defaultdict(int))
    for one in changes:
        if one.asset == asset:
            found[_is_sealed(site, who, one)][one.account] += one.after - one.before
    open_, sealed = ({k: gain for k, gain in part.items() if gain} for part in found)
    return open_, sealed


def _is_sealed(site: Site, who: Reader, change: TrialChange) -> bool:
    resource = site.resources.get(change.resource)
    return (
        resource is not None
        and resource.visibility is Visibility.MEMBERS
        and change.asset != site.network.token
        and change.account not in who.offices
    )


def _together(sealed: Mapping[bytes, int]) -> list[GainBar]:
    """Return those whose evidence is sealed as groups that hide each of them."""

    def bar(who: Bar, gains: Sequence[int]) -> GainBar:
        total = amount_text(sum(gains))
        return GainBar(who=who, account=None, accounts=len(gains), gain=total)

    more = [gain for gain in sealed.values() if gain > 0]
    less = [gain for gain in sealed.values() if gain < 0]
    if all(len(side) >= FEW or not side for side in (more, less)):
        sides = ((Bar.GAINING, more), (Bar.LOSING, less))
        return [bar(who, gains) for who, gains in sides if gains]
    return [bar(Bar.OTHERS, [*more, *less])] if len(sealed) >= FEW else []


def _setting(site: Site, one: TrialSetting) -> TrialSettingView:
    unit = parameters.unit_of(site, one.key)
    return TrialSettingView(
        key=one.key,
        before=[parameters.value_of(site, unit, value) for value in one.before],
        after=parameters.value_of(site, unit, one.after),
        read=one.read,
    )


def _epoch(one: TrialEpoch) -> TrialEpochView:
    return TrialEpochView(
        epoch=one.epoch,
        paid_before=amount_text(one.paid_before),
        paid_after=amount_text(one.paid_after),
        minted_before=amount_text(one.minted_before),
        minted_after=amount_text(one.minted_after),
    )


def _view(
    stage: TrialStage,
    *,
    explains: str = "",
    command: str | None = None,
    done: int = 0,
    total: int = 0,
    outcome: TrialOutcome | None = None,
    earlier: bool = False,
    settings: Sequence[TrialSettingView] = (),
    panels: Sequence[GainPanel] = (),
    sealed: bool = False,
    refused: Sequence[str] = (),
) -> BacktestView:
    return BacktestView(
        stage=stage,
        explains=explains,
        command=command,
        done=done,
        total=total,
        first=None if outcome is None else outcome.first,
        last=None if outcome is None else outcome.last,
        begin=None if outcome is None else outcome.begin,
        earlier=earlier,
        settings=list(settings),
        panels=list(panels),
        sealed=sealed,
        epochs=[] if outcome is None else [_epoch(one) for one in outcome.epochs],
        refused=list(refused),
    )
