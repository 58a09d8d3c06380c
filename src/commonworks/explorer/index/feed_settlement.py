"""Settlements as rows: what epochs judged, found, paid and earned.

Only settlements whose digest the chain finalised come here, in order of epochs, after the events
up to their finalisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, and_, func, select, update
from sqlalchemy import Table as Rows

from commonworks.errors import require
from commonworks.explorer.index import schema
from commonworks.explorer.index.feed_logs import LogFold
from commonworks.explorer.index.rows import Row, add, clamped, parts, to_json
from commonworks.explorer.index.tallies import Tallied, tally
from commonworks.model import Network, Outcome, ResourceResult, Settlement
from commonworks.resources.base import Resource, Table

ACCOUNT_LENGTH: Final = 20

Leaves = Mapping[tuple[bytes, bytes], tuple[int, int]]
"""(asset, account) -> (earned, spent), cumulative."""


def leaves_of(settlement: Settlement) -> Leaves:
    """Return the payout tree's leaves of a settlement."""
    return {(t.asset, t.account): (t.earned, t.spent) for t in settlement.payouts}


def leaves_in(connection: Connection) -> Leaves:
    """Return the newest leaves in the index."""
    table = schema.payout
    newest = (
        select(table.c.asset, table.c.account, func.max(table.c.epoch).label("epoch"))
        .group_by(table.c.asset, table.c.account)
        .subquery()
    )
    rows = connection.execute(
        select(table).join(
            newest,
            and_(
                table.c.asset == newest.c.asset,
                table.c.account == newest.c.account,
                table.c.epoch == newest.c.epoch,
            ),
        )
    )
    return {(row.asset, row.account): (row.earned, row.spent) for row in rows}


class SettlementFold:
    """Folds one epoch's settlement."""

    def __init__(self, connection: Connection, network: Network, settlement: Settlement) -> None:
        self._connection = connection
        self._network = network
        self._settled = settlement
        self._epoch = settlement.epoch

    def fold(self, resources: Mapping[str, Resource], before: Leaves) -> None:
        """Write everything; `before` are the leaves that the epoch before left."""
        found = self._connection.execute(
            select(schema.epoch.c.digest).where(schema.epoch.c.epoch == self._epoch)
        ).scalar()
        require(found == self._settled.digest, "a settlement that the chain did not finalise")
        self._verdicts()
        self._results()
        self._money(before)
        self._views(resources)
        self._withdrawn()
        self._counters()

    # --- verdicts -----------------------------------------------------------------------------

    def _verdicts(self) -> None:
        said: list[Row] = [
            {
                "identity": item.identity,
                "epoch": self._epoch,
                "device": item.device,
                "outcome": str(item.outcome),
                "reason": item.reason or None,
            }
            for item in self._settled.verdicts
        ]
        bare = {item.identity for item in self._settled.verdicts if item.kind is None}
        statements = LogFold(self._connection, self._network)
        statements.judge(self._epoch, said, bare)
        statements.count(said)

    def _counters(self) -> None:
        rejected = sum(item.outcome is Outcome.REJECTED for item in self._settled.verdicts)
        count = len(self._settled.verdicts)
        self._connection.execute(
            update(schema.epoch)
            .where(schema.epoch.c.epoch == self._epoch)
            .values(
                statements=count,
                accepted=count - rejected,
                rejected=rejected,
                minted_wei=self._settled.minted_wei,
                unminted_wei=self._settled.unminted_wei,
                paid_micro=self._settled.paid_micro,
                leaves=len(leaves_of(self._settled)),
            )
        )

    def _add(self, table: Rows, what: Tallied, rows: Sequence[Row]) -> None:
        """Insert rows, and what they come to."""
        add(self._connection, table, rows)
        add(self._connection, schema.tally, tally(self._epoch, what, rows))

    # --- results ------------------------------------------------------------------------------

    def _results(self) -> None:
        spans: list[Row] = []
        work: dict[tuple[str, int], Row] = {}
        payments: list[Row] = []
        totals: list[Row] = []
        for result in self._settled.resources:
            name, here = result.resource, {"epoch": self._epoch, "resource": result.resource}
            for item in result.intervals:
                spans.append(
                    here
                    | {
                        "number": len(spans),
                        "device": item.device,
                        "start_s": item.start_s,
                        "length_s": item.length_s,
                        "reason": item.reason,
                        "claimed": clamped(item.claimed),
                        "credited": clamped(item.credited),
                    }
                )
            for done in result.work:
                row = work.setdefault(
                    (name, done.device),
                    here
                    | {
                        "device": done.device,
                        "account": done.account,
                        "quantity": 0,
                        "quality_ppm": done.quality_ppm,
                        "density_ppm": done.density_ppm,
                    },
                )
                row["quantity"] = clamped(row["quantity"] + done.quantity)
            for paid in result.payments:
                payments.append(
                    here
                    | {
                        "number": len(payments),
                        "payer": paid.payer,
                        "payee": paid.payee,
                        "amount": paid.amount,
                        "purpose": paid.purpose,
                        "device": paid.device,
                    }
                )
            totals += [here | {"key": key, "value": v} for key, v in sorted(result.summary.items())]
        self._add(schema.span, Tallied.SPAN, spans)
        self._add(schema.work, Tallied.WORK, list(work.values()))
        self._add(schema.payment, Tallied.PAYMENT, payments)
        add(self._connection, schema.summary, totals)

    def _money(self, before: Leaves) -> None:
        rewards: list[Row] = [
            {
                "epoch": self._epoch,
                "number": number,
                "resource": item.resource,
                "account": item.account,
                "amount_wei": item.amount_wei,
            }
            for number, item in enumerate(self._settled.rewards)
        ]
        changed: list[Row] = [
            {
                "asset": asset,
                "account": account,
                "epoch": self._epoch,
                "earned": amounts[0],
                "spent": amounts[1],
            }
            for (asset, account), amounts in leaves_of(self._settled).items()
            if before.get((asset, account)) != amounts
        ]
        self._add(schema.reward, Tallied.REWARD, rewards)
        add(self._connection, schema.payout, changed)

    def _withdrawn(self) -> None:
        event = schema.chain_event
        final = self._connection.execute(
            select(event.c.block, event.c.log_index, event.c.time, event.c.tx).where(
                event.c.kind == "finalised", event.c.epoch == self._epoch
            )
        ).one()
        rows: list[Row] = [
            {
                **final._mapping,
                "number": number,
                "kind": "withdrawn",
                "account": item.account,
                "asset": item.asset,
                "amount": item.amount,
                "epoch": self._epoch,
                "request": item.request,
            }
            for number, item in enumerate(self._settled.withdrawn)
        ]
        add(self._connection, schema.movement, rows)

    # --- views --------------------------------------------------------------------------------

    def _views(self, resources: Mapping[str, Resource]) -> None:
        whole: list[Row] = []
        private: list[Row] = []
        for result in self._settled.resources:
            resource = resources.get(result.resource)
            for table in () if resource is None else resource.views(result):
                row: Row = {
                    "epoch": self._epoch,
                    "resource": result.resource,
                    "name": table.name,
                    "columns": to_json(table.columns),
                }
                if table.concerns:
                    private += [row | part for part in self._concerning(result, table)]
                else:
                    whole.append(row | {"rows": to_json(table.rows)})
        add(self._connection, schema.view, whole)
        add(self._connection, schema.view_row, private)

    def _concerning(self, result: ResourceResult, table: Table) -> list[Row]:
        """Return a table's rows, once for each account that they concern."""
        places = [table.columns.index(name) for name in table.concerns]
        devices = {row[at] for row in table.rows for at in places if isinstance(row[at], int)}
        owners = self._accounts(result, {int(number) for number in devices})
        found: list[Row] = []
        for number, row in enumerate(table.rows):
            accounts = {_account(row[at], owners) for at in places} - {None}
            text = to_json(row)
            found += [
                {"account": account, "number": number, "row": text}
                for account in sorted(one for one in accounts if one is not None)
            ]
        return found

    def _accounts(self, result: ResourceResult, devices: Iterable[int]) -> Mapping[int, bytes]:
        """Return whom devices counted for: as the settlement says, else who owned them then."""
        known = {item.device: item.account for item in result.credits}
        known |= {item.device: item.account for item in result.work}
        missing = sorted(set(devices) - known.keys())
        return self._owners(missing) | known

    def _owners(self, devices: Sequence[int]) -> dict[int, bytes]:
        """Return who owned devices when the epoch ended, out of the diary."""
        event, end = schema.chain_event, self._network.epoch_start(self._epoch + 1)
        owners: dict[int, bytes] = {}
        for part in parts(devices):
            rows = self._connection.execute(
                select(event.c.kind, event.c.device, event.c.account, event.c.other)
                .where(
                    event.c.device.in_(part),
                    event.c.kind.in_(("enrolled", "transferred")),
                    event.c.time < end,
                )
                .order_by(event.c.block, event.c.log_index)
            )
            for kind, number, account, other in rows:
                owners[number] = account if kind == "enrolled" else other
        return owners


def _account(value: str | int, owners: Mapping[int, bytes]) -> bytes | None:
    """Return the account that a cell means, None where it means none."""
    if isinstance(value, int):
        return owners.get(value)
    try:
        account = bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        return None
    return account if len(account) == ACCOUNT_LENGTH else None
