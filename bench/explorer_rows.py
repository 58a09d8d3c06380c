"""A large network's index, made up: 100,000 devices, 30 epochs, more than a million statements.

`python bench/explorer_rows.py FILE` makes one (about a minute). Every table has rows in the shape
and proportion that a real index of this size would have; sums agree where pages add them up.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import h3
from sqlalchemy import Table
from sqlalchemy.schema import CreateIndex, DropIndex

from commonworks.explorer.index import schema
from commonworks.explorer.index.engine import open_index
from commonworks.explorer.index.tallies import Tallied, tally
from commonworks.explorer.proofs import PayoutTree
from commonworks.model import Total
from commonworks.settlement.payout import leaf_hash
from explorer_chain_rows import (
    CENTRE,
    CHANGED_LEAVES,
    CURRENCY,
    DEVICES,
    EPOCHS,
    EXAMPLE_DEVICE,
    GENESIS_S,
    LOGS,
    OWNERS,
    PAYMENTS,
    REASONS,
    REJECTED_IN,
    RESOURCE,
    REWARDS,
    SPANS,
    STATEMENTS,
    TOKEN,
    VIEW_ROWS,
    account,
    amount,
    chain_events,
    epoch_start,
    government,
    hashed,
    hexed,
    members,
    movements,
    nodes,
    owner_of,
    per_epoch_nodes,
)

# --- rows -----------------------------------------------------------------------------------------


def _thumbprint(device: int) -> bytes:
    return hashed("key", device)


def _cells() -> list[str]:
    centre = h3.latlng_to_cell(*CENTRE, 7)
    return sorted(h3.grid_disk(centre, 40))


def devices() -> Iterator[dict[str, Any]]:
    """Yield every device."""
    cells = _cells()
    judged = STATEMENTS * EPOCHS // DEVICES
    for device in range(1, DEVICES + 1):
        yield {
            "device": device, "owner": account(owner_of(device)), "thumbprint": _thumbprint(device),
            "algorithm": -8, "public_key": hashed("public", device), "resource": RESOURCE,
            "cell": None if device % 11 == 0 else cells[device * 7919 % len(cells)],
            "enroller": account(0), "enrolled_at": GENESIS_S,
            "enrolled_tx": hashed("enrol", device),
            "reference": device % 1000 == 0, "statements": judged,
            "rejected": int(device % REJECTED_IN == 0), "last_judged_epoch": EPOCHS - 1,
        }  # fmt: skip


def _statement(epoch: int, number: int) -> tuple[bytes, int, bytes, int]:
    """Return (log, position, identity, device) of a statement."""
    place = epoch * STATEMENTS + number
    device = place * 37 % DEVICES + 1
    return hashed("log", place % LOGS), place // LOGS, hashed("statement", place), device


def _outcome(epoch: int, number: int) -> tuple[str, str | None]:
    place = epoch * STATEMENTS + number
    if place % REJECTED_IN:
        return "accepted", None
    return "rejected", REASONS[place // REJECTED_IN % len(REASONS)]


def statements() -> Iterator[dict[str, Any]]:
    """Yield every statement: those of the epochs, and one epoch's that wait."""
    for epoch in range(EPOCHS + 1):
        for number in range(STATEMENTS):
            log, position, identity, device = _statement(epoch, number)
            outcome, reason = _outcome(epoch, number) if epoch < EPOCHS else (None, None)
            yield {
                "log_id": log, "position": position, "identity": identity,
                "leaf": hashed("leaf", identity.hex()), "kind": "order" if number % 50 == 0 else
                "report", "kid": _thumbprint(device), "device": device, "resource": RESOURCE,
                "said_at": None, "sealed": True, "bytes": 300 + number % 200,
                "epoch": epoch if epoch < EPOCHS else None, "outcome": outcome, "reason": reason,
            }  # fmt: skip


def verdicts() -> Iterator[dict[str, Any]]:
    """Yield what settlements said of them."""
    for epoch in range(EPOCHS):
        for number in range(STATEMENTS):
            _, _, identity, device = _statement(epoch, number)
            outcome, reason = _outcome(epoch, number)
            yield {
                "identity": identity, "epoch": epoch, "device": device, "outcome": outcome,
                "reason": reason,
            }  # fmt: skip


def payout_roots() -> Iterator[bytes]:
    """Yield the root of each epoch's payout tree, so that proofs hold."""
    leaves: dict[tuple[bytes, bytes], bytes] = {}
    for _, rows in groupby(payouts(), key=lambda row: int(row["epoch"])):
        for row in rows:
            total = Total(
                asset=row["asset"], account=row["account"], earned=int(row["earned"]),
                spent=int(row["spent"]),
            )  # fmt: skip
            leaves[total.asset, total.account] = leaf_hash(total)
        yield PayoutTree(leaves.values()).root


def epochs() -> Iterator[dict[str, Any]]:
    """Yield every epoch, all settled."""
    for epoch, payout_root in enumerate(payout_roots()):
        rejected = sum(_outcome(epoch, n)[0] == "rejected" for n in range(STATEMENTS))
        hashes = (
            "closed_tx", "evidence_hash", "finalised_tx", "digest", "previous_digest",
            "facts_hash", "policy_hash", "rules_hash", "result_hash", "state_hash",
        )  # fmt: skip
        known = {name: hashed(name, epoch) for name in hashes}
        yield known | {
            "epoch": epoch, "payout_root": payout_root,
            "start_s": epoch_start(epoch), "end_s": epoch_start(epoch + 1),
            "closed_at": epoch_start(epoch + 1) + 5400, "closed_block": 10_000 * (epoch + 1),
            "finalised_at": epoch_start(epoch + 1) + 6000,
            "minted_total_wei": amount(REWARDS * 10**18 * (epoch + 1)),
            "totals": json.dumps(
                [{"asset": hexed(asset), "earned": 10**12, "spent": 10**12}
                 for asset in (TOKEN, CURRENCY)]
            ),
            "statements": STATEMENTS, "accepted": STATEMENTS - rejected, "rejected": rejected,
            "minted_wei": amount(REWARDS * 10**18), "unminted_wei": amount(0),
            "paid_micro": amount(PAYMENTS * 10**6), "leaves": 2 * DEVICES,
        }  # fmt: skip


def work() -> Iterator[dict[str, Any]]:
    """Yield the work of a fifth of all devices in each epoch."""
    for epoch in range(EPOCHS):
        for device in range(1 + epoch % 5, DEVICES + 1, 5):
            yield {
                "epoch": epoch, "resource": RESOURCE, "device": device,
                "account": account(owner_of(device)), "quantity": 1000 + device % 977,
                "quality_ppm": 900_000 + device % 100_000, "density_ppm": 1_000_000,
            }  # fmt: skip


def payments() -> Iterator[dict[str, Any]]:
    """Yield payments; account 1 takes part in some of each epoch."""
    for epoch in range(EPOCHS):
        for number in range(PAYMENTS):
            device = EXAMPLE_DEVICE if number == 0 else number * 53 % DEVICES + 1
            yield {
                "epoch": epoch, "number": number, "resource": RESOURCE,
                "payer": account(1 + number * 61 % OWNERS), "payee": account(owner_of(device)),
                "amount": amount(10**6), "purpose": f"{RESOURCE}.trade", "device": device,
            }  # fmt: skip


def rewards() -> Iterator[dict[str, Any]]:
    """Yield rewards."""
    for epoch in range(EPOCHS):
        for number in range(REWARDS):
            yield {
                "epoch": epoch, "number": number, "resource": RESOURCE,
                "account": account(1 + number * 59 % OWNERS), "amount_wei": amount(10**18),
            }  # fmt: skip


def payouts() -> Iterator[dict[str, Any]]:
    """Yield payout leaves: everybody's in epoch 0, some in each later one."""
    for epoch in range(EPOCHS):
        changed = (
            range(1, DEVICES + 1)
            if epoch == 0
            else sorted({1, *(1 + (epoch * 97 + n * 8) % DEVICES for n in range(CHANGED_LEAVES))})
        )
        for asset in (TOKEN, CURRENCY):
            for number in changed:
                yield {
                    "asset": asset, "account": account(number), "epoch": epoch,
                    "earned": amount((epoch + 1) * 10**6 + number), "spent": amount(number),
                }  # fmt: skip


def spans() -> Iterator[dict[str, Any]]:
    """Yield spans that were credited less."""
    for epoch in range(EPOCHS):
        for number in range(SPANS):
            device = EXAMPLE_DEVICE if number == 0 else number * 31 % DEVICES + 1
            yield {
                "epoch": epoch, "number": number, "resource": RESOURCE, "device": device,
                "start_s": epoch_start(epoch), "length_s": 900,
                "reason": f"{RESOURCE}.balance_cut", "claimed": 1000, "credited": 900,
            }  # fmt: skip


def tallies() -> Iterator[dict[str, Any]]:
    """Yield what every epoch's rows come to."""
    counted = ((Tallied.WORK, work), (Tallied.PAYMENT, payments), (Tallied.REWARD, rewards),
               (Tallied.SPAN, spans))  # fmt: skip
    for what, rows in counted:
        for epoch, found in groupby(rows(), key=lambda row: int(row["epoch"])):
            numbers = ("amount", "amount_wei")
            exact = [
                row | {name: int(row[name]) for name in numbers if name in row} for row in found
            ]
            for row in tally(epoch, what, exact):
                yield row | {"total": None if row["total"] is None else str(row["total"])}


def summaries() -> Iterator[dict[str, Any]]:
    """Yield named totals."""
    keys = ("shared_wh", "mean_price_micro_per_kwh", "cut_wh", "import_wh", "export_wh",
            "savings_micro", "utility_import_wh", "utility_export_wh", "residual_wh")  # fmt: skip
    for epoch in range(EPOCHS):
        for key in keys:
            yield {"epoch": epoch, "resource": RESOURCE, "key": key, "value": str(90_000 + epoch)}


def views() -> Iterator[dict[str, Any]]:
    """Yield a day's public tables."""
    headings = {
        "prices": ("start_s", "price_micro_per_kwh", "matched_wh", "supply_wh", "demand_wh"),
        "balance": ("start_s", "import_wh", "export_wh", "losses_wh", "feeder_import_wh",
                    "feeder_export_wh", "corroborated", "residual_wh", "tolerance_wh"),
    }  # fmt: skip
    for epoch in range(EPOCHS):
        for name, columns in headings.items():
            rows = [
                [
                    epoch_start(epoch) + 900 * n,
                    *((n * 137 + c * 11) % 90_000 for c in range(1, len(columns))),
                ]
                for n in range(96)
            ]
            yield {
                "epoch": epoch, "resource": RESOURCE, "name": name,
                "columns": json.dumps(columns), "rows": json.dumps(rows),
            }  # fmt: skip
        yield {
            "epoch": epoch, "resource": RESOURCE, "name": "sources",
            "columns": '["source","target","quantity_wh"]',
            "rows": '[["sun","homes",279213],["utility","homes",240988],["sun","utility",1505863]]',
        }  # fmt: skip


def view_rows() -> Iterator[dict[str, Any]]:
    """Yield rows for those concerned."""
    columns = '["seller_device","buyer_device","quantity_wh","energy_micro"]'
    for epoch in range(EPOCHS):
        for number in range(VIEW_ROWS):
            yield {
                "epoch": epoch, "resource": RESOURCE, "name": "flows",
                "account": account(1 + number * 17 % 2000), "number": number, "columns": columns,
                "row": json.dumps([EXAMPLE_DEVICE, number + 1, 3124, 275_016]),
            }  # fmt: skip


def cursors() -> Iterator[dict[str, Any]]:
    """Yield how far everything was read."""
    yield {"name": "block", "value": 10_000 * EPOCHS + 100}
    yield {"name": "settled", "value": EPOCHS}
    for log in range(LOGS):
        name = f"log:{hashed('log', log).hex()}"
        yield {"name": name, "value": (EPOCHS + 1) * STATEMENTS // LOGS}


# --- writing --------------------------------------------------------------------------------------

LARGE: Final = (
    (schema.device, devices), (schema.statement, statements), (schema.verdict, verdicts),
    (schema.epoch, epochs), (schema.work, work), (schema.payment, payments),
    (schema.reward, rewards), (schema.payout, payouts), (schema.span, spans),
    (schema.tally, tallies), (schema.summary, summaries), (schema.view, views),
    (schema.view_row, view_rows),
    (schema.chain_event, chain_events), (schema.movement, movements), (schema.cursor, cursors),
)  # fmt: skip
"""Tables that a generator each fills."""


def _insert(connection: sqlite3.Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    names = [column.name for column in table.columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    holes = ", ".join("?" * len(names))
    connection.executemany(
        f'INSERT INTO "{table.name}" ({quoted}) VALUES ({holes})',
        (tuple(row[name] for name in names) for row in rows),
    )


def make(path: Path, keys: Sequence[str]) -> None:
    """Make the index in a new file; `keys` are the parameters' keys.

    Rows go in without indexes, which are then built in order: several times as fast.
    """
    engine = open_index(path)
    dialect = engine.dialect
    indexes = [index for table in schema.metadata.sorted_tables for index in table.indexes]
    drops = [str(DropIndex(index).compile(dialect=dialect)) for index in indexes]
    creates = [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000"):
        connection.execute(f"PRAGMA {pragma}")
    for drop in drops:
        connection.execute(drop)
    connection.execute("BEGIN")
    for table, rows in LARGE:
        _insert(connection, table, rows())
    for few in (per_epoch_nodes(), nodes(), government(keys), members()):
        sorted_rows: dict[str, tuple[Table, list[dict[str, Any]]]] = {}
        for table, row in few:
            sorted_rows.setdefault(table.name, (table, []))[1].append(row)
        for table, found in sorted_rows.values():
            _insert(connection, table, found)
    connection.execute("COMMIT")
    for create in creates:
        connection.execute(create)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def main() -> None:
    """Make an index in the file named on the command line."""
    from commonworks.wiring.discover import installed_resources, parameters  # noqa: PLC0415

    if len(sys.argv) != 2:
        print("nothing to compare here: explorer_pages.py measures over what this file makes")
        return
    path = Path(sys.argv[1])
    started = time.perf_counter()
    make(path, sorted(parameters(installed_resources())))
    size = path.stat().st_size / 2**20
    print(f"{path}: {size:,.0f} MiB in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
