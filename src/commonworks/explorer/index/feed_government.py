"""Proposals and votes as rows. They are read whole; only what changed is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, delete, select

from commonworks.explorer.index.rows import Row, add, clamped, clean, parts, plain, to_json
from commonworks.explorer.index.schema import proposal, vote
from commonworks.explorer.ports import ProposalRecord

_HASHES: Final = ("queued_tx", "executed_tx", "canceled_tx")


def fold_government(connection: Connection, proposals: Sequence[ProposalRecord]) -> tuple[int, ...]:
    """Make the rows those of `proposals`; return the numbers of the proposals that changed."""
    names = [str(record.proposal) for record in proposals]
    known, votes = _known(connection, names), _votes(connection, names)
    changed = []
    for record in proposals:
        row, cast = _row(record), _cast(record)
        name = row["proposal"]
        if known.get(name) == row and votes.get(name, []) == cast:
            continue
        changed.append(record.number)
        connection.execute(delete(vote).where(vote.c.proposal == name))
        connection.execute(delete(proposal).where(proposal.c.proposal == name))
        add(connection, proposal, [row])
        add(connection, vote, cast)
    return tuple(changed)


def _known(connection: Connection, names: Sequence[str]) -> Mapping[str, Row]:
    found: dict[str, Row] = {}
    for part in parts(names):
        rows = connection.execute(select(proposal).where(proposal.c.proposal.in_(part)))
        found.update({row.proposal: dict(row._mapping) for row in rows})
    return found


def _votes(connection: Connection, names: Sequence[str]) -> Mapping[str, Sequence[Row]]:
    found: dict[str, list[Row]] = {}
    for part in parts(names):
        rows = select(vote).where(vote.c.proposal.in_(part)).order_by(vote.c.number)
        for row in connection.execute(rows):
            found.setdefault(row.proposal, []).append(dict(row._mapping))
    return found


def _row(record: ProposalRecord) -> Row:
    return {
        "proposal": str(record.proposal),
        "number": record.number,
        "proposer": record.proposer,
        "title": clean(record.title),
        "body": clean(record.body),
        "calls": to_json(
            [{"to": call.to, "value": call.value_wei, "data": call.data} for call in record.calls]
        ),
        "changes": to_json({plain(key): value for key, value in record.changes.items()}),
        "vote_start": clamped(record.vote_start),
        "vote_end": clamped(record.vote_end),
        "tx": record.tx,
        **{name: getattr(record, name) for name in _HASHES},
    }


def _cast(record: ProposalRecord) -> list[Row]:
    return [
        {
            "proposal": str(record.proposal),
            "number": number,
            "voter": cast.voter,
            "support": cast.support,
            "weight": cast.weight,
            "reason": clean(cast.reason),
            "tx": cast.tx,
        }
        for number, cast in enumerate(record.votes)
    ]
