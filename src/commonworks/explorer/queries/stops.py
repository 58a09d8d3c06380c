"""What stops money now, or may: halts of payouts, an epoch that stays open, the Vault's exit.

Goal: who waits for money reads why, by whose word and until when, and nothing while all moves.
Rule: everything follows from the diary and the payout roots that the index folded, and from the
policy's own numbers. What no event tells, the Vault's refusal of an epoch beyond its limits, is
told as what is seen: a quorum agrees, and the epoch is not final.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from commonworks.explorer.index.schema import (
    attestation,
    chain_event,
    epoch,
    payout_root,
    verifier,
)
from commonworks.explorer.models.nodes import Weight
from commonworks.explorer.models.stops import (
    EpochPayout,
    GuardianView,
    Halt,
    HaltVote,
    Stop,
    StopKind,
    Stops,
)
from commonworks.explorer.queries import parameters
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.queries.epoch_times import Courses
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import amount_text, hash_text, party
from commonworks.explorer.web.templating import duration, money_of
from commonworks.units import HOUR_S, PPM

VOTED, HALTED, BY_GUARDIAN = "halt_voted", "halted", "guardian_halted"
_HALTS: Final = (VOTED, HALTED, BY_GUARDIAN)
EXIT_ENTERED: Final = "exit_entered"
APPOINTED: Final = "guardian_appointed"
EXIT_AFTER: Final = "exit_after_s"

HALTS_MAX: Final = 10
"""Most epochs whose halt is told at a time."""
NOT_FINAL_AFTER_S: Final = HOUR_S
"""How long a quorum may agree on an epoch that nobody makes final before it is worth a word."""

Anything = Row[*tuple[Any, ...]]


def stops(connection: Connection, site: Site) -> Stops:
    """Return everything that stops money now, and who may."""
    return Stops(
        time=site.clock.now(),
        items=stopping(connection, site),
        guardian=guardian(connection, site),
    )


def stopping(connection: Connection, site: Site) -> list[Stop]:
    """Return everything that stops money now, the heaviest first."""
    opened = exit_since(connection)
    if opened is not None:
        return [_exit(opened)]  # nothing is settled any more, and every hold and halt has passed
    return [
        *_exit_due(connection, site),
        *_halts(connection, site),
        *_not_final(connection, site),
    ]


# --- payouts --------------------------------------------------------------------------------------


def epoch_payout(connection: Connection, site: Site, number: int) -> EpochPayout | None:
    """Return when an epoch's earnings can be claimed; None before its root is in the Vault."""
    query = select(payout_root).where(payout_root.c.epoch == number)
    own = connection.execute(query).one_or_none()
    if own is None:
        return None
    standing = payout_root.c.replaced_by.is_(None)
    query = select(payout_root).where(payout_root.c.epoch >= number, standing)
    root = connection.execute(query.order_by(payout_root.c.epoch).limit(1)).one()
    now = site.clock.now()
    halt = _halt_of(connection, site, number)
    stop = None
    if halt is not None:
        until = root.in_force_at
        if halt.stopped_at is None:  # votes count while the epoch's own hold runs
            until = min(until, own.accepted_at + Courses(connection, site).of(number).hold_s)
        halt = halt.model_copy(update={"active": now < until})
        stop = _halted(site, halt, until) if halt.active else None
    return EpochPayout(
        root_epoch=root.epoch,
        claimable_at=root.in_force_at,
        claimable=now >= root.in_force_at,
        halt=halt,
        stop=stop,
    )


def of_epoch(
    connection: Connection, site: Site, payout: EpochPayout | None, number: int
) -> list[Stop]:
    """Return what stops one epoch: its payout, or that it does not become final."""
    if payout is not None:
        return [] if payout.stop is None else [payout.stop]
    return [one for one in stopping(connection, site) if one.epoch == number]


def waits_until(connection: Connection) -> int | None:
    """Return when the newest root comes into force; None before the first."""
    newest = select(payout_root.c.in_force_at).order_by(payout_root.c.epoch.desc()).limit(1)
    return connection.execute(newest).scalar()


def root_in_force(connection: Connection, now: int) -> int | None:
    """Return the epoch of the root that claims are made against; None before the first."""
    query = select(func.max(payout_root.c.epoch)).where(
        payout_root.c.replaced_by.is_(None), payout_root.c.in_force_at <= now
    )
    return connection.execute(query).scalar()


def _halts(connection: Connection, site: Site) -> Iterator[Stop]:
    """Yield halts that hold something up, those that were voted last first."""
    done = root_in_force(connection, site.clock.now())
    query = (
        select(chain_event.c.epoch)
        .where(
            chain_event.c.kind.in_((VOTED, HALTED)),
            chain_event.c.epoch > (-1 if done is None else done),
        )
        .distinct()
        .order_by(chain_event.c.epoch.desc())
        .limit(HALTS_MAX)
    )
    for number in connection.execute(query).scalars().all():
        found = epoch_payout(connection, site, number)
        if found is not None and found.stop is not None:
            yield found.stop


def _halt_of(connection: Connection, site: Site, number: int) -> Halt | None:
    """Return who stopped an epoch's payout, or voted to; None where nobody did."""
    query = (
        select(chain_event, verifier.c.name)
        .outerjoin(verifier, verifier.c.operator == chain_event.c.account)
        .where(chain_event.c.epoch == number, chain_event.c.kind.in_(_HALTS))
        .order_by(chain_event.c.block, chain_event.c.log_index)
    )
    rows = connection.execute(query).all()
    if not rows:
        return None
    by_kind: defaultdict[str, list[Anything]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    voted, halted, guardians = (by_kind[kind] for kind in _HALTS)
    voices = _voices(connection, site, number)
    return Halt(
        epoch=number,
        stopped_at=halted[0].time if halted else None,
        stopped_tx=hash_text(halted[0].tx) if halted else None,
        guardian=party(site, guardians[0].account) if guardians else None,
        votes=[
            HaltVote(
                verifier=party(site, row.account),
                name=row.name,
                stake=amount_text(row.amount),
                time=row.time,
                tx=hash_text(row.tx),
            )
            for row in voted
        ],
        votes_stake=amount_text(sum(row.amount for row in voted)),
        needed_stake=amount_text(voices.total - voices.needed + 1),
        active=False,
    )


def halt_votes(
    connection: Connection, operators: Sequence[bytes], epochs: Sequence[int]
) -> Mapping[tuple[bytes, int], Anything]:
    """Return some verifiers' votes to stop payouts, by verifier and epoch, the newest first."""
    if not epochs:
        return {}
    wanted = select(chain_event).where(
        chain_event.c.kind == VOTED,
        chain_event.c.account.in_(operators),
        chain_event.c.epoch.between(epochs[-1], epochs[0]),
    )
    return {(row.account, row.epoch): row for row in connection.execute(wanted)}


def halt_votes_of(connection: Connection, operator: bytes) -> int:
    """Return how often a verifier voted to stop a payout."""
    counted = select(func.count()).select_from(chain_event)
    mine = counted.where(chain_event.c.kind == VOTED, chain_event.c.account == operator)
    return int(connection.execute(mine).scalar_one())


def _halted(site: Site, halt: Halt, until: int) -> Stop:
    stake = money_of(site, halt.votes_stake, site.bond_asset)
    if halt.stopped_at is None:
        return Stop(
            kind=StopKind.VOTING,
            weight=Weight.WAIT,
            title=gettext("Verifiers want the payout of epoch %(epoch)s stopped", epoch=halt.epoch),
            meaning=gettext(
                "Votes with a stake of %(stake)s are for it; %(needed)s stop it, if they come "
                "before the time below.",
                stake=stake,
                needed=money_of(site, halt.needed_stake, site.bond_asset),
            ),
            epoch=halt.epoch,
            since=halt.votes[0].time if halt.votes else None,
            until=until,
            halt=halt,
        )
    if halt.guardian is not None:
        who = gettext("The guardian stopped it, so that people have time to look at the result.")
    else:
        who = gettext("Verifiers with a stake of %(stake)s voted to stop it.", stake=stake)
    rest = gettext(
        "What this epoch and later ones pay cannot be claimed before the time below. What earlier "
        "ones paid can be claimed as ever."
    )
    return Stop(
        kind=StopKind.HALTED,
        weight=Weight.BAD,
        title=gettext("The payout of epoch %(epoch)s is stopped", epoch=halt.epoch),
        meaning=f"{who} {rest}",
        epoch=halt.epoch,
        since=halt.stopped_at,
        until=until,
        halt=halt,
    )


# --- epochs that do not become final --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voices:
    """Who had how much say at an epoch's end, as the contract counts it."""

    stakes: Mapping[bytes, int]
    total: int
    needed: int
    """Smallest stake that is a quorum."""


def _voices(connection: Connection, site: Site, number: int) -> _Voices:
    changes = (
        select(chain_event.c.account, chain_event.c.amount)
        .where(
            chain_event.c.kind == "stake_changed",
            chain_event.c.time < site.network.epoch_start(number + 1),
        )
        .order_by(chain_event.c.block, chain_event.c.log_index)
    )
    stakes = {row.account: int(row.amount) for row in connection.execute(changes)}
    total = sum(stakes.values())
    quorum_ppm = Courses(connection, site).of(number).quorum_ppm
    return _Voices(stakes=stakes, total=total, needed=max(1, -(-total * quorum_ppm // PPM)))


def _not_final(connection: Connection, site: Site) -> Iterator[Stop]:
    """Yield the epoch on whose result a quorum agrees and which is not final in spite of it."""
    first = select(func.min(epoch.c.epoch)).where(epoch.c.finalised_at.is_(None))
    number = connection.execute(first).scalar()
    if number is None:
        return
    since = _agreed_at(
        connection.execute(
            select(attestation)
            .where(attestation.c.epoch == number)
            .order_by(attestation.c.time, attestation.c.verifier)
        ).all(),
        _voices(connection, site, number),
    )
    if since is None or site.clock.now() - since < NOT_FINAL_AFTER_S:
        return
    yield Stop(
        kind=StopKind.NOT_FINAL,
        weight=Weight.WAIT,
        title=gettext("Epoch %(epoch)s does not become final", epoch=number),
        meaning=gettext(
            "Verifiers with a quorum of the stake agree on its result, and anybody may make it "
            "final. The Vault refuses that while the epoch would add more earnings, spending or "
            "tokens than an epoch may; a vote can raise these limits. What became final before "
            "can be claimed as ever."
        ),
        epoch=number,
        since=since,
        until=None,
        halt=None,
    )


def _agreed_at(attested: Sequence[Anything], voices: _Voices) -> int | None:
    """Return when attestations, in order of time, first made a quorum for one digest."""
    behind: defaultdict[bytes, int] = defaultdict(int)
    for row in attested:
        behind[row.digest] += voices.stakes.get(row.verifier, 0)
        if behind[row.digest] >= voices.needed:
            return int(row.time)
    return None


# --- the exit -------------------------------------------------------------------------------------


def exit_since(connection: Connection) -> int | None:
    """Return when the Vault's exit was opened; None while it is shut."""
    query = select(chain_event.c.time).where(chain_event.c.kind == EXIT_ENTERED)
    return connection.execute(query.limit(1)).scalar()


def _exit(since: int) -> Stop:
    return Stop(
        kind=StopKind.EXIT,
        weight=Weight.BAD,
        title=gettext("The Vault's exit is open"),
        meaning=gettext(
            "No epoch became final for so long that the exit was opened. It is never shut again: "
            "no epoch is settled any more, nothing can be deposited, and deposits are not asked "
            "back but taken out. Everybody can take out now what was earned and not claimed, and "
            "the deposit that was not spent."
        ),
        epoch=None,
        since=since,
        until=None,
        halt=None,
    )


def _exit_due(connection: Connection, site: Site) -> Iterator[Stop]:
    """Yield that anybody may open the exit, where that is so."""
    patience = parameters.current_values(connection, site, [EXIT_AFTER]).get(EXIT_AFTER)
    last = connection.execute(select(func.max(epoch.c.finalised_at))).scalar()
    since = site.network.genesis_time if last is None else int(last)
    if patience is None or site.clock.now() < since + patience:
        return
    yield Stop(
        kind=StopKind.EXIT_DUE,
        weight=Weight.BAD,
        title=gettext("The Vault's exit can be opened"),
        meaning=gettext(
            "No epoch became final for longer than %(span)s. Anybody may open the Vault's exit "
            "now, for ever: then no epoch is settled any more, and everybody can take out what was "
            "earned and not claimed, and the deposit that was not spent.",
            span=duration(patience),
        ),
        epoch=None,
        since=since + patience,
        until=None,
        halt=None,
        command=command_line(site, "exit", "--open", "--account", "ACCOUNT"),
    )


# --- the guardian ---------------------------------------------------------------------------------


def guardian(connection: Connection, site: Site) -> GuardianView | None:
    """Return who may stop a payout alone; None where nobody was ever appointed."""
    appointed = _newest(connection, APPOINTED)
    if appointed is None:
        return None
    halted = _newest(connection, BY_GUARDIAN)
    until, holder = _number(appointed, "until"), appointed.account
    somebody = holder is not None and any(holder)
    return GuardianView(
        holder=party(site, holder) if somebody else None,
        until=until,
        in_office=somebody and site.clock.now() < until,
        ready_at=None if halted is None else _number(halted, "ready_at"),
    )


def _newest(connection: Connection, kind: str) -> Anything | None:
    newest = (chain_event.c.block.desc(), chain_event.c.log_index.desc())
    query = select(chain_event).where(chain_event.c.kind == kind).order_by(*newest)
    return connection.execute(query.limit(1)).first()


def _number(row: Anything, name: str) -> int:
    return int(json.loads(row.detail)[name])
