"""Proposals as the index has them, joined with how they stand on chain now.

The index has what was proposed and every vote; state, quorum and date of execution are the chain's
to tell. Where it cannot be asked, what follows from index and clock is told and the rest left open.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, func, select

from commonworks.errors import NotFound, Unavailable
from commonworks.explorer.index import schema
from commonworks.explorer.models.governance import (
    AccountVotes,
    Act,
    ActView,
    CallView,
    ChangeView,
    Electorate,
    Moment,
    NextMoment,
    ProposalBrief,
    ProposalView,
    Rules,
    Step,
    Support,
    Tally,
    TimelineEntry,
    VoteView,
)
from commonworks.explorer.ports import CallRecord, StandingNow
from commonworks.explorer.queries import parameters
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.queries.sums import chunked_sum, combined
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import (
    Party,
    address_text,
    amount_text,
    hash_text,
    party,
)
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of
from commonworks.ports import ProposalState
from commonworks.units import DAY_S, PPM, WEI_DECIMALS

DECISION_LIFE_S: Final = 30 * DAY_S
"""How long what succeeded can be queued, and what is queued be executed (CommonsTimelock.sol)."""

ASKING_MAX: Final = 8
"""Proposals whose standing is asked for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A proposal's row, and what its votes add up to in the index."""

    row: Any
    counted: Mapping[str, int]
    """Support -> votes."""
    voters: int
    changes: Mapping[str, int]
    """Parameters that it would set."""


# --- what decides ---------------------------------------------------------------------------------


def rules(connection: Connection, site: Site) -> Rules:
    """Return what decides on this network, by the parameters in force now."""
    values = parameters.current_values(connection, site)
    members = site.contracts.membership is not None
    return Rules(
        electorate=Electorate.MEMBERSHIP if members else Electorate.TOKEN,
        symbol="" if members else site.token_symbol,
        decimals=0 if members else WEI_DECIMALS,
        governor=address_text(site.contracts.governor),
        timelock=address_text(site.contracts.timelock),
        voting_delay_s=values.get("voting_delay_s"),
        voting_period_s=values.get("voting_period_s"),
        timelock_delay_s=values.get("timelock_delay_s"),
        decision_life_s=DECISION_LIFE_S,
        proposal_threshold_ppm=values.get("proposal_threshold_ppm"),
        vote_quorum_ppm=values.get("vote_quorum_ppm"),
        command=command_line(
            site, "proposal", "new", "--title", "TITLE", "--set", "KEY=VALUE", "--as", "ACCOUNT"
        ),
        lending=command_line(site, "proposal", "delegate", "TO", "--as", "ACCOUNT"),
    )


# --- reading the index ----------------------------------------------------------------------------


def find(connection: Connection, number: int) -> Found:
    """Return one proposal; raise NotFound."""
    wanted = select(schema.proposal).where(schema.proposal.c.number == number)
    row = connection.execute(wanted).first()
    if row is None:
        raise NotFound(
            gettext("there is no proposal %(number)s", number=number),
            hint=gettext("see all of them: /governance"),
        )
    return _with_votes(connection, [row])[0]


def newest(connection: Connection, limit: int, cursor: str | None) -> list[Found]:
    """Return proposals, the newest first: one more than `limit` where there are more."""
    before = decode_cursor(cursor, int)
    column = schema.proposal.c.number
    wanted = select(schema.proposal).order_by(column.desc()).limit(limit + 1)
    if before is not None:
        wanted = wanted.where(column < before[0])
    return _with_votes(connection, connection.execute(wanted).all())


def votes(
    connection: Connection,
    site: Site,
    number: int,
    support: Support | None,
    limit: int,
    cursor: str | None,
) -> Page[VoteView]:
    """Return a proposal's votes, the newest first. Raises NotFound."""
    found, before = find(connection, number), decode_cursor(cursor, int)
    table = schema.vote
    wanted = select(table).where(table.c.proposal == found.row.proposal)
    if support is not None:
        wanted = wanted.where(table.c.support == support.value)
    if before is not None:
        wanted = wanted.where(table.c.number < before[0])
    rows = connection.execute(wanted.order_by(table.c.number.desc()).limit(limit + 1)).all()
    return page_of(rows, limit, lambda row: (row.number,), lambda row: _vote(site, row))


def _with_votes(connection: Connection, rows: Sequence[Any]) -> list[Found]:
    table = schema.vote
    wanted = (
        select(table.c.proposal, table.c.support, func.count(), *chunked_sum(table.c.weight))
        .where(table.c.proposal.in_([row.proposal for row in rows]))
        .group_by(table.c.proposal, table.c.support)
    )
    counted: dict[str, dict[str, int]] = {}
    voters: dict[str, int] = {}
    for proposal, support, count, *parts in connection.execute(wanted):
        voters[proposal] = voters.get(proposal, 0) + count
        counted.setdefault(proposal, {})[support or ""] = combined(parts)
    return [
        Found(
            row=row,
            counted=counted.get(row.proposal, {}),
            voters=voters.get(row.proposal, 0),
            changes={key: int(value) for key, value in json.loads(row.changes).items()},
        )
        for row in rows
    ]


def _vote(site: Site, row: Any) -> VoteView:
    known = row.support in set(Support)
    return VoteView(
        number=row.number,
        voter=party(site, row.voter),
        support=Support(row.support) if known else None,
        weight=amount_text(row.weight),
        reason=row.reason,
        tx=hash_text(row.tx),
    )


# --- asking the chain -----------------------------------------------------------------------------


async def standings(site: Site, found: Sequence[Found]) -> list[StandingNow | None]:
    """Return how proposals stand; None where that is over, or the chain cannot be asked."""
    gate = asyncio.Semaphore(ASKING_MAX)

    async def ask(one: Found) -> StandingNow | None:
        if one.row.executed_tx is not None or one.row.canceled_tx is not None:
            return None
        async with gate:
            return await standing(site, one.row.number)

    return list(await asyncio.gather(*(ask(one) for one in found)))


async def standing(site: Site, number: int) -> StandingNow | None:
    """Return how a proposal stands now; None where the chain cannot be asked."""
    try:
        return await site.council.standing(number)
    except (Unavailable, NotFound):  # an index that is ahead of the endpoint knows more than it
        return None


async def account_votes(
    site: Site, account: bytes, found: Found | None, cast: VoteView | None
) -> AccountVotes:
    """Return what an account decides with: now, and in a vote that has begun."""
    begun = found is not None and site.clock.now() > found.row.vote_start
    now, then = await asyncio.gather(
        site.council.votes_of(account, None),
        site.council.votes_of(account, found.row.vote_start if begun and found else None),
    )
    return AccountVotes(
        account=party(site, account),
        votes_now=amount_text(now),
        votes_then=amount_text(then) if begun else None,
        cast=cast,
    )


def cast_by(connection: Connection, site: Site, found: Found, account: bytes) -> VoteView | None:
    """Return how an account voted on a proposal, None where it did not."""
    table = schema.vote
    wanted = select(table).where(table.c.proposal == found.row.proposal, table.c.voter == account)
    row = connection.execute(wanted.order_by(table.c.number.desc()).limit(1)).first()
    return None if row is None else _vote(site, row)


# --- as it is shown -------------------------------------------------------------------------------


def page(
    site: Site, found: Sequence[Found], stand: Sequence[StandingNow | None], limit: int
) -> Page[ProposalBrief]:
    """Return a page of proposals."""
    rows = list(zip(found, stand, strict=True))
    return page_of(rows, limit, lambda pair: (pair[0].row.number,), lambda pair: brief(site, *pair))


def brief(site: Site, found: Found, now: StandingNow | None) -> ProposalBrief:
    """Return a proposal as lists show it."""
    row, state = found.row, state_of(site, found, now)
    executable = None if now is None else now.executable_from
    return ProposalBrief(
        number=row.number,
        id=hash_text(int(row.proposal).to_bytes(32, "big")),
        title=row.title,
        proposer=party(site, row.proposer),
        state=state,
        tally=tally(found, now),
        vote_start=row.vote_start,
        vote_end=row.vote_end,
        executable_from=executable,
        next=next_moment(site, row, state, executable),
        sets=sorted(found.changes),
        votes=found.voters,
    )


def state_of(site: Site, found: Found, now: StandingNow | None) -> ProposalState | None:
    """Return where a proposal stands; None where only the chain could tell, and does not."""
    row, time_s = found.row, site.clock.now()
    if row.executed_tx is not None:
        return ProposalState.EXECUTED
    if row.canceled_tx is not None:
        return ProposalState.CANCELED
    if now is not None:
        return now.state
    if time_s <= row.vote_start:
        return ProposalState.PENDING
    return ProposalState.ACTIVE if time_s <= row.vote_end else None


def tally(found: Found, now: StandingNow | None) -> Tally:
    """Return how the vote stands: the chain's own count, or the index's where it is over."""
    counted = [found.counted.get(support.value, 0) for support in Support]
    if now is not None:
        counted = [now.votes_for, now.votes_against, now.votes_abstain]
    agreed, against, abstained = counted
    cast, reached = sum(counted), agreed + abstained
    quorum = None if now is None else now.quorum
    everybody = None if now is None else now.votes_all
    return Tally(
        votes_for=amount_text(agreed),
        votes_against=amount_text(against),
        votes_abstain=amount_text(abstained),
        for_ppm=_share(agreed, cast) or 0,
        against_ppm=_share(against, cast) or 0,
        abstain_ppm=_share(abstained, cast) or 0,
        counted=amount_text(reached),
        quorum=None if quorum is None else amount_text(quorum),
        quorum_ppm=_share(reached, quorum),
        quorum_reached=None if quorum is None else reached >= quorum,
        votes_all=None if everybody is None else amount_text(everybody),
        turnout_ppm=_share(cast, everybody),
    )


def next_moment(
    site: Site, row: Any, state: ProposalState | None, executable: int | None
) -> NextMoment | None:
    """Return a proposal's next date, None where nothing is to come."""
    match state:
        case ProposalState.PENDING:
            return NextMoment(what=Moment.VOTE_BEGINS, time=row.vote_start)
        case ProposalState.ACTIVE:
            return NextMoment(what=Moment.VOTE_ENDS, time=row.vote_end)
        case ProposalState.SUCCEEDED:
            return NextMoment(what=Moment.QUEUE_UNTIL, time=row.vote_end + DECISION_LIFE_S)
        case ProposalState.QUEUED if executable is not None:
            if executable > site.clock.now():
                return NextMoment(what=Moment.EXECUTABLE_FROM, time=executable)
            return NextMoment(what=Moment.EXECUTE_UNTIL, time=executable + DECISION_LIFE_S)
        case _:
            return None


def view(connection: Connection, site: Site, found: Found, now: StandingNow | None) -> ProposalView:
    """Return a proposal whole."""
    shown = brief(site, found, now)
    return ProposalView(
        proposal=shown,
        body=found.row.body,
        calls=[_call(site, call) for call in json.loads(found.row.calls)],
        changes=_changes(connection, site, found),
        timeline=_timeline(connection, site, found, shown),
        acts=_acts(site, shown),
        tx=hash_text(found.row.tx),
    )


def _call(site: Site, call: Mapping[str, Any]) -> CallView:
    address = bytes.fromhex(str(call["to"]).removeprefix("0x"))
    data = bytes.fromhex(str(call["data"]).removeprefix("0x"))
    made = CallRecord(to=address, value_wei=int(call["value"]), data=data)
    to = party(site, address)
    return CallView(
        to=to
        if to.label is not None
        else Party(address=to.address, label=_contract(site, address)),
        value_wei=amount_text(made.value_wei),
        data="0x" + data.hex(),
        does=site.council.says(made, partial(parameters.text_of, site)),
    )


def _contract(site: Site, address: bytes) -> str | None:
    """Return what a contract of the network is called, None for any other account."""
    known = ("policy", "settlement", "vault", "devices", "nodes", "token", "currency", "membership")
    return next((name for name in known if getattr(site.contracts, name) == address), None)


def _changes(connection: Connection, site: Site, found: Found) -> list[ChangeView]:
    """Return what a proposal would set, beside what holds now or held when it was carried out."""
    history = parameters.changes_of(connection, sorted(found.changes))
    return [
        _change(site, key, value, history.get(key, []), found.row.executed_tx)
        for key, value in sorted(found.changes.items())
    ]


def _change(
    site: Site, key: str, value: int, rows: Sequence[Any], executed: bytes | None
) -> ChangeView:
    unit = parameters.unit_of(site, key)
    done = next((row for row in rows if executed is not None and row.tx == executed), None)
    if done is None:
        old = parameters.value_at(rows, parameters.epoch_now(site))
    else:
        old = next((row.value for row in rows if row.number == done.number - 1), None)
    bounds = (rows[0].minimum, rows[0].maximum) if rows else None
    return ChangeView(
        key=key,
        unit=unit,
        description=parameters.description_of(site, key),
        old=None if old is None else parameters.value_of(site, unit, old),
        new=parameters.value_of(site, unit, value),
        minimum=None if bounds is None else parameters.value_of(site, unit, bounds[0]),
        maximum=None if bounds is None else parameters.value_of(site, unit, bounds[1]),
        bounded=bounds is not None and unit not in parameters.ANY,
        within=bounds is None or bounds[0] <= value <= bounds[1],
        from_epoch=None if done is None else done.from_epoch,
    )


def _timeline(
    connection: Connection, site: Site, found: Found, shown: ProposalBrief
) -> list[TimelineEntry]:
    """Return the stations of a proposal's way, those that are still to come included."""
    row, now = found.row, site.clock.now()
    times = _times(connection, (row.tx, row.queued_tx, row.executed_tx, row.canceled_tx))

    def station(step: Step, time: int | None, tx: bytes | None, reached: bool) -> TimelineEntry:
        text = None if tx is None else hash_text(tx)
        return TimelineEntry(step=step, time=time, tx=text, reached=reached)

    def done(step: Step, tx: bytes | None) -> TimelineEntry:
        return station(step, times.get(tx or b""), tx, tx is not None)

    made = times.get(row.tx) or _proposed_at(connection, site, row.vote_start)
    found_steps = [station(Step.PROPOSED, made, row.tx, True)]
    if row.canceled_tx is not None:
        return [*found_steps, done(Step.CANCELED, row.canceled_tx)]
    found_steps.append(station(Step.VOTE_BEGINS, row.vote_start, None, now > row.vote_start))
    found_steps.append(station(Step.VOTE_ENDS, row.vote_end, None, now > row.vote_end))
    if shown.state is ProposalState.DEFEATED:
        return found_steps
    due = shown.executable_from
    waited = row.executed_tx is not None or (due is not None and now >= due)
    return [
        *found_steps,
        done(Step.QUEUED, row.queued_tx),
        station(Step.EXECUTABLE, due, None, waited),
        done(Step.EXECUTED, row.executed_tx),
    ]


def _times(connection: Connection, hashes: Sequence[bytes | None]) -> dict[bytes, int]:
    """Return when transactions came, of those that the diary knows."""
    table = schema.chain_event
    wanted = select(table.c.tx, func.min(table.c.time)).group_by(table.c.tx)
    known = [one for one in hashes if one is not None]
    rows = connection.execute(wanted.where(table.c.tx.in_(known)))
    return {tx: int(time) for tx, time in rows}


def _proposed_at(connection: Connection, site: Site, vote_start: int) -> int | None:
    """Return when a proposal was made: its vote begins the voting delay of that moment later."""
    rows = parameters.changes_of(connection, ["voting_delay_s"]).get("voting_delay_s", [])
    possible = set()
    for delay in {row.value for row in rows}:
        made = vote_start - delay
        if parameters.value_at(rows, max(site.network.epoch_at(made), 0)) == delay:
            possible.add(made)
    return possible.pop() if len(possible) == 1 else None


def _acts(site: Site, shown: ProposalBrief) -> list[ActView]:
    """Return what can be done with a proposal in its state."""
    number = str(shown.number)
    match shown.state:
        case ProposalState.PENDING:
            return [_act(site, Act.CANCEL, number, "--as", "ACCOUNT")]
        case ProposalState.ACTIVE:
            rest = ("--as", "ACCOUNT", "--reason", "WHY")
            return [_act(site, Act.VOTE, number, one, *rest, support=one) for one in Support]
        case ProposalState.SUCCEEDED:
            return [_act(site, Act.QUEUE, number)]
        case ProposalState.QUEUED if (
            shown.executable_from is not None and shown.executable_from <= site.clock.now()
        ):
            return [_act(site, Act.EXECUTE, number)]
        case _:
            return []


def _act(site: Site, act: Act, *words: str, support: Support | None = None) -> ActView:
    return ActView(act=act, support=support, command=command_line(site, "proposal", act, *words))


def _share(part: int, whole: int | None) -> int | None:
    """Return a part of a whole in ppm, None of nothing."""
    return part * PPM // whole if whole else None
