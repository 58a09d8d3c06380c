"""Logged entries as statement rows, and what verdicts make of them.

Goal: the same rows whether an entry is read before or after its device is enrolled, its epoch
closed, its settlement folded. Rule: everything about a statement that can change follows from
tables (`device`, `verdict`, `evidence_range`), never from what came first.

Until a statement is judged its device is the first live one enrolled for its key. A rejection
that names no device, of a statement whose signature the kernel had checked, counts for the first
device that was enrolled for the key when the epoch ended: an owner finds what was rejected.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Final

from sqlalchemy import Connection, bindparam, case, or_, select, update

from commonworks.explorer.index.rows import Row, add, clean, parts
from commonworks.explorer.index.schema import device, evidence_range, statement, verdict
from commonworks.model import Network, Outcome
from commonworks.settlement.facts import NOBODY
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Kind, Reason, Record, Statement
from commonworks.translog.tree import leaf_hash

RESOURCE_MAX: Final = 31
"""Longest name of a resource."""

UNSIGNED: Final = frozenset({str(Reason.UNKNOWN_KEY), str(Reason.BAD_SIGNATURE)})
"""Rejections of statements that may be anybody's."""

_BY_DEVICE: Final = or_(statement.c.sealed, statement.c.kind == str(Kind.BINDING))
"""Statements that do not say publicly which resource they are for: their device says it."""


def statement_row(log_id: bytes, position: int, raw: bytes) -> Row:
    """Return the row of an entry, whatever its bytes are, as everybody can read it.

    Sealed payloads are not looked at: they are for members, and may be erased.
    """
    leaf = leaf_hash(raw)
    row: Row = {
        "log_id": log_id,
        "position": position,
        "identity": leaf,
        "leaf": leaf,
        "kind": None,
        "kid": None,
        "device": None,
        "resource": None,
        "said_at": None,
        "sealed": False,
        "bytes": len(raw),
        "epoch": None,
        "outcome": None,
        "reason": None,
    }
    decoded = decode_statement(raw, None)
    if not isinstance(decoded, Statement):
        return row
    row |= {
        "identity": decoded.identity,
        "kind": str(decoded.kind),
        "kid": decoded.kid,
        "sealed": decoded.sealed,
    }
    if decoded.payload is not None:
        row["said_at"] = decoded.payload.time
    if isinstance(decoded.payload, Record) and len(decoded.payload.resource) <= RESOURCE_MAX:
        row["resource"] = clean(decoded.payload.resource)
    return row


class LogFold:
    """Entries of logs, and the devices and verdicts of statements."""

    def __init__(self, connection: Connection, network: Network) -> None:
        self._connection = connection
        self._network = network

    # --- entries ------------------------------------------------------------------------------

    def entries(self, log_id: bytes, items: Sequence[tuple[int, bytes]]) -> list[Row]:
        """Add a log's entries (position, bytes) that are not there yet; return their rows."""
        rows = [statement_row(log_id, position, raw) for position, raw in items]
        devices = self.devices_of({row["kid"] for row in rows if row["kid"] is not None})
        for row in rows:
            self._attach(row, devices.get(row["kid"]))
        self._judge_fresh(log_id, rows)
        add(self._connection, statement, rows)
        return rows

    def _judge_fresh(self, log_id: bytes, rows: Sequence[Row]) -> None:
        """Give entries the verdicts that were folded before them."""
        found = self._verdicts({row[name] for row in rows for name in ("identity", "leaf")})
        if not found:
            return
        changed = self._attribute(
            (item, row["kid"]) for row in rows for item in found.get(row["identity"], ())
        )
        self._keep(changed)
        self.count(changed)
        spans = self._spans(log_id)
        chosen = []
        for row in rows:
            said, of_leaf = found.get(row["identity"], ()), found.get(row["leaf"], ())
            item = choose(row, said, of_leaf, spans.epoch_of(row["position"]))
            if item is not None:
                chosen.append((row, item))
        devices = self._named(item["device"] for _, item in chosen)
        for row, item in chosen:
            row |= {name: item[name] for name in ("epoch", "outcome", "reason")}
            self._attach(row, devices.get(item["device"]))

    def _keep(self, changed: Sequence[Row]) -> None:
        """Write the devices that verdicts got."""
        if changed:
            self._connection.execute(
                update(verdict)
                .where(
                    verdict.c.identity == bindparam("b_identity"),
                    verdict.c.epoch == bindparam("b_epoch"),
                )
                .values(device=bindparam("b_device")),
                [
                    {
                        "b_identity": item["identity"],
                        "b_epoch": item["epoch"],
                        "b_device": item["device"],
                    }
                    for item in changed
                ],
            )

    @staticmethod
    def _attach(row: Row, found: tuple[int, str] | None) -> None:
        row["device"] = None if found is None else found[0]
        if row["sealed"] or row["kind"] == Kind.BINDING:
            row["resource"] = None if found is None else found[1]

    def _verdicts(self, names: Collection[bytes]) -> Mapping[bytes, Sequence[Row]]:
        found: defaultdict[bytes, list[Row]] = defaultdict(list)
        for part in parts(sorted(names)):
            rows = self._connection.execute(select(verdict).where(verdict.c.identity.in_(part)))
            for row in rows:
                found[row.identity].append(dict(row._mapping))
        return found

    def _spans(self, log_id: bytes) -> Spans:
        table = evidence_range
        rows = self._connection.execute(
            select(table.c.first, table.c.size, table.c.epoch).where(table.c.log_id == log_id)
        )
        return Spans((first, size, epoch) for first, size, epoch in rows)

    # --- devices ------------------------------------------------------------------------------

    def devices_of(self, kids: Iterable[bytes]) -> dict[bytes, tuple[int, str]]:
        """Return (device, resource) of the first live device of each key."""
        found: dict[bytes, tuple[int, str]] = {}
        for part in parts(sorted(kids)):
            rows = self._connection.execute(
                select(device.c.thumbprint, device.c.device, device.c.resource)
                .where(device.c.thumbprint.in_(part), device.c.owner != NOBODY)
                .order_by(device.c.device.desc())
            )
            found.update({kid: (number, resource) for kid, number, resource in rows})
        return found

    def _named(self, devices: Iterable[int | None]) -> dict[int | None, tuple[int, str]]:
        """Return (device, resource) of devices by their id."""
        found: dict[int | None, tuple[int, str]] = {}
        for part in parts(sorted({number for number in devices if number is not None})):
            rows = self._connection.execute(
                select(device.c.device, device.c.resource).where(device.c.device.in_(part))
            )
            found.update({number: (number, resource) for number, resource in rows})
        return found

    def resolve(self, kids: Iterable[bytes]) -> None:
        """Give waiting statements the device that their key has now."""
        waiting: set[bytes] = set()
        wanted = sorted(kids)
        for part in parts(wanted):
            waiting.update(
                self._connection.execute(
                    select(statement.c.kid)
                    .where(statement.c.epoch.is_(None), statement.c.kid.in_(part))
                    .distinct()
                ).scalars()
            )
        if not waiting:
            return
        devices = self.devices_of(waiting)
        changes = [
            {
                "b_kid": kid,
                "b_device": devices[kid][0] if kid in devices else None,
                "b_resource": devices[kid][1] if kid in devices else None,
            }
            for kid in sorted(waiting)
        ]
        self._connection.execute(
            update(statement)
            .where(statement.c.epoch.is_(None), statement.c.kid == bindparam("b_kid"))
            .values(
                device=bindparam("b_device"),
                resource=case(
                    (_BY_DEVICE, bindparam("b_resource", type_=statement.c.resource.type)),
                    else_=statement.c.resource,
                ),
            ),
            changes,
        )

    # --- verdicts -----------------------------------------------------------------------------

    def judge(self, epoch: int, said: Sequence[Row], bare: Set[bytes]) -> None:
        """Give every copy of what an epoch judged its verdict, and keep the verdicts.

        Inputs: `said`, rows of `verdict`, which may get a device here; `bare`, the names among
        them that are leaf hashes.
        """
        by_name = {item["identity"]: item for item in said}
        rows = self._copies(by_name)
        self._attribute((by_name[row["identity"]], row["kid"]) for row in rows)
        by_leaf = self._bare_copies(epoch, bare - {row["identity"] for row in rows})
        add(self._connection, verdict, said)
        again = [row for row in rows if row["epoch"] is not None]
        fresh = [row for row in rows if row["epoch"] is None]
        chosen = [(row, by_name[row["identity"]]) for row in fresh]
        chosen += [(row, by_name[row["leaf"]]) for row in by_leaf]
        self._write(chosen + self._choose_again(again))

    def _copies(self, by_name: Collection[bytes]) -> list[Row]:
        """Return every entry read that has one of these identities."""
        found: list[Row] = []
        for part in parts(sorted(by_name)):
            rows = self._connection.execute(select(*_JUDGED).where(statement.c.identity.in_(part)))
            found.extend(dict(row._mapping) for row in rows)
        return found

    def _bare_copies(self, epoch: int, names: Collection[bytes]) -> list[Row]:
        """Return the epoch's entries whose leaf was judged though they have an identity: beside a
        sealed statement lay another's payload.
        """
        found: list[Row] = []
        if not names:
            return found
        spans = self._connection.execute(
            select(evidence_range).where(evidence_range.c.epoch == epoch)
        ).all()
        for span, part in itertools.product(spans, parts(sorted(names))):
            rows = self._connection.execute(
                select(*_JUDGED).where(
                    statement.c.log_id == span.log_id,
                    statement.c.position >= span.first,
                    statement.c.position < span.size,
                    statement.c.leaf.in_(part),
                )
            )
            found.extend(dict(row._mapping) for row in rows)
        return found

    def _choose_again(self, rows: Sequence[Row]) -> list[tuple[Row, Row]]:
        """Return the verdicts of entries that had one before."""
        said = self._verdicts({row[name] for row in rows for name in ("identity", "leaf")})
        spans = {log_id: self._spans(log_id) for log_id in {row["log_id"] for row in rows}}
        found = []
        for row in rows:
            epoch = spans[row["log_id"]].epoch_of(row["position"])
            chosen = choose(row, said.get(row["identity"], ()), said.get(row["leaf"], ()), epoch)
            if chosen is not None:
                found.append((row, chosen))
        return found

    def _write(self, chosen: Sequence[tuple[Row, Row]]) -> None:
        """Write verdicts onto entries."""
        devices = self._named(item["device"] for _, item in chosen)
        changes = []
        # In the tables' own order: neighbours lie on one page.
        for row, item in sorted(chosen, key=lambda pair: (pair[0]["log_id"], pair[0]["position"])):
            self._attach(row, devices.get(item["device"]))
            changes.append(
                {
                    "b_log_id": row["log_id"],
                    "b_position": row["position"],
                    "b_epoch": item["epoch"],
                    "b_device": row["device"],
                    "b_resource": row["resource"],
                    "b_outcome": item["outcome"],
                    "b_reason": item["reason"],
                }
            )
        if changes:
            self._connection.execute(
                update(statement)
                .where(
                    statement.c.log_id == bindparam("b_log_id"),
                    statement.c.position == bindparam("b_position"),
                )
                .values(
                    {
                        name: bindparam(f"b_{name}")
                        for name in ("epoch", "device", "resource", "outcome", "reason")
                    }
                ),
                changes,
            )

    def _attribute(self, pairs: Iterable[tuple[Row, bytes | None]]) -> list[Row]:
        """Give rejections that name no device the one that their key meant; return these."""
        wanted: dict[tuple[bytes, int], tuple[Row, bytes]] = {}
        for item, kid in pairs:
            if (
                kid is not None
                and item["device"] is None
                and item["outcome"] == Outcome.REJECTED
                and item["reason"] not in UNSIGNED
            ):
                wanted[item["identity"], item["epoch"]] = (item, kid)
        enrolled = self._enrolled({kid for _, kid in wanted.values()})
        changed = []
        for item, kid in wanted.values():
            end = self._network.epoch_start(item["epoch"] + 1)
            item["device"] = next(
                (number for number, time in enrolled.get(kid, ()) if time < end), None
            )
            if item["device"] is not None:
                changed.append(item)
        return changed

    def _enrolled(self, kids: Collection[bytes]) -> Mapping[bytes, Sequence[tuple[int, int]]]:
        """Return (device, time of enrolment) of every device of a key, the first one first."""
        found: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
        for part in parts(sorted(kids)):
            rows = self._connection.execute(
                select(device.c.thumbprint, device.c.device, device.c.enrolled_at)
                .where(device.c.thumbprint.in_(part))
                .order_by(device.c.device)
            )
            for kid, number, time in rows:
                found[kid].append((number, time))
        return found

    def count(self, said: Iterable[Row]) -> None:
        """Add verdicts to the counters of their devices."""
        judged: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, -1])
        for item in said:
            if item["device"] is not None:
                tally = judged[item["device"]]
                tally[0] += 1
                tally[1] += item["outcome"] == Outcome.REJECTED
                tally[2] = max(tally[2], item["epoch"])
        if not judged:
            return
        last = device.c.last_judged_epoch
        self._connection.execute(
            update(device)
            .where(device.c.device == bindparam("b_device"))
            .values(
                statements=device.c.statements + bindparam("b_statements"),
                rejected=device.c.rejected + bindparam("b_rejected"),
                last_judged_epoch=case(
                    (last > bindparam("b_epoch"), last),
                    else_=bindparam("b_epoch", type_=last.type),
                ),
            ),
            [
                {"b_device": n, "b_statements": t[0], "b_rejected": t[1], "b_epoch": t[2]}
                for n, t in sorted(judged.items())
            ],
        )


_JUDGED: Final = tuple(
    statement.c[name]
    for name in (
        "log_id", "position", "identity", "leaf", "kind", "kid", "sealed", "resource", "epoch",
    )
)  # fmt: skip


def choose(row: Row, said: Sequence[Row], of_leaf: Sequence[Row], epoch: int | None) -> Row | None:
    """Return the verdict of an entry among all that were given to what it says.

    Inputs: rows of `verdict` for its identity and for its leaf; the epoch whose evidence it is
    part of, None while it is of none.
    A copy that is logged again is judged again unless it counted already; one whose time is to
    come is judged later than it was logged. So: its leaf's of its own epoch, else the newest up to
    its own epoch, else the first.
    """
    if row["identity"] != row["leaf"]:
        for item in of_leaf:
            if item["epoch"] == epoch:
                return item
    until = [item for item in said if epoch is None or item["epoch"] <= epoch]
    if until:
        return max(until, key=lambda item: item["epoch"])
    return min(said, key=lambda item: item["epoch"], default=None)


class Spans:
    """The parts of one log that epochs closed."""

    def __init__(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """`rows`: (first, size, epoch); they do not overlap."""
        self._rows = sorted(row for row in rows if row[0] < row[1])

    def epoch_of(self, position: int) -> int | None:
        """Return the epoch whose evidence holds an entry, None while there is none."""
        at = bisect_right(self._rows, position, key=lambda row: row[0]) - 1
        if at < 0 or position >= self._rows[at][1]:
            return None
        return self._rows[at][2]
