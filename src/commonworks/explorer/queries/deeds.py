"""What verifiers did for epochs: confirmed, attested, voted to stop; and whether they had a voice.

A verifier's voice in an epoch is its stake after the last block before the epoch's end, as the
contract counts it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from commonworks.explorer.index import schema
from commonworks.explorer.models.nodes import Duty
from commonworks.explorer.queries import stops
from commonworks.explorer.web.model import hash_text

Anything = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What some verifiers did for some epochs."""

    stakes: Mapping[bytes, Sequence[tuple[int, int]]]
    """Verifier -> (time, stake from then on), by time."""
    confirmed: Mapping[tuple[bytes, int], Anything]
    attested: Mapping[tuple[bytes, int], Anything]
    halting: Mapping[tuple[bytes, int], Anything]

    def is_due(self, operator: bytes, row: Anything) -> bool:
        """Tell whether a verifier had a voice at an epoch's end."""
        stake = 0
        for time, value in self.stakes.get(operator, ()):
            if time >= row.end_s:
                break
            stake = value
        return stake > 0

    def duty(self, operator: bytes, row: Anything) -> Duty:
        """Return what a verifier did for an epoch."""
        confirmed = self.confirmed.get((operator, row.epoch))
        attested = self.attested.get((operator, row.epoch))
        halting = self.halting.get((operator, row.epoch))
        final = row.finalised_at is not None
        return Duty(
            epoch=row.epoch,
            ended_at=row.end_s,
            closed_at=row.closed_at,
            due=self.is_due(operator, row),
            confirmed_at=None if confirmed is None else confirmed.time,
            confirmed_tx=None if confirmed is None else hash_text(confirmed.tx),
            attested_at=None if attested is None else attested.time,
            attested_tx=None if attested is None else hash_text(attested.tx),
            finalised=final,
            agrees=attested.digest == row.digest if attested is not None and final else None,
            halt_voted_at=None if halting is None else halting.time,
            halt_voted_tx=None if halting is None else hash_text(halting.tx),
        )


def closed_epochs(
    connection: Connection, limit: int, before: int | None = None
) -> Sequence[Anything]:
    """Return closed epochs, the newest first."""
    table = schema.epoch
    columns = (table.c.epoch, table.c.end_s, table.c.closed_at, table.c.finalised_at)
    wanted = select(*columns, table.c.digest).order_by(table.c.epoch.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(table.c.epoch < before)
    return connection.execute(wanted).all()


def deeds_of(
    connection: Connection, operators: Sequence[bytes], epochs: Sequence[Anything]
) -> Deeds:
    """Return what verifiers did for epochs that follow each other, the newest first."""
    stakes: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
    diary = schema.chain_event
    changes = (
        select(diary.c.account, diary.c.time, diary.c.amount)
        .where(diary.c.kind == "stake_changed", diary.c.account.in_(operators))
        .order_by(diary.c.block, diary.c.log_index)
    )
    for row in connection.execute(changes):
        stakes[row.account].append((row.time, row.amount))

    def found(table: Any) -> Mapping[tuple[bytes, int], Anything]:
        if not epochs:
            return {}
        wanted = select(table).where(
            table.c.verifier.in_(operators),
            table.c.epoch.between(epochs[-1].epoch, epochs[0].epoch),
        )
        return {(row.verifier, row.epoch): row for row in connection.execute(wanted)}

    return Deeds(
        stakes=stakes,
        confirmed=found(schema.confirmation),
        attested=found(schema.attestation),
        halting=stops.halt_votes(connection, operators, [row.epoch for row in epochs]),
    )
