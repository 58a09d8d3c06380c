"""Proposals and votes as rows. They are read whole; only what changed is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, delete, select

from commonworks.explorer.index.rows import Row, add, clamped, clean, plain, to_json
from commonworks.explorer.index.schema import proposal, vote
from commonworks.explorer.ports import ProposalRecord

_HASHES: Final = ("queued_tx", "executed_tx", "canceled_tx")


def fold_government(connection: Connection, proposals: Sequence[ProposalRecord]) -> tuple[int, ...]:
    """Make the rows those of `proposals`; return the numbers of the proposals that changed."""
    known = {row.proposal: dict(row._mapping) for row in connection.execute(select(proposal))}
    votes = _votes(connection)
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


def _votes(connection: Connection) -> Mapping[str, Sequence[Row]]:
    found: dict[str, list[Row]] = {}
    for row in connection.execute(select(vote).order_by(vote.c.proposal, vote.c.number)):
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
            [
                {"to": call.to, "value": call.value_wei, "data": call.data, "does": call.does}
                for call in record.calls
            ]
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
