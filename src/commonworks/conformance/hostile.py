"""Statements that no honest device would send and every schema allows: the edges of its ranges.

They are built from the schema alone, so they fit any resource. What the kernel lets through, the
rules must judge: a reason, never a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

from commonworks.crypto.hashes import sha256
from commonworks.resources.base import Authentic, ResourceInput
from commonworks.statements.codec import check_schema
from commonworks.statements.model import Column, DType, Kind, Record, Schema, Signer, Values

ROWS_MAX: Final = 40
"""Most rows of a hostile table: enough to contradict itself, short enough to be quick."""


def hostile_statements(
    data: ResourceInput, schemas: Mapping[Kind, Schema], name: str
) -> tuple[Authentic, ...]:
    """Return statements at the edges of every schema, in the name of some of the input's devices.

    Guarantees: each fits its schema, as the kernel would have checked; sorted by identity.
    """
    devices = [data.devices[device] for device in sorted(data.devices)[:3]]
    facts = data.facts
    late = data.policy["lateness_s"]
    times = (facts.start, facts.end - 1, facts.start + 1, max(0, facts.start - late))
    found: list[Authentic] = []
    for kind, schema in sorted(schemas.items()):
        signers = devices if schema.signer is not Signer.REGISTRAR else devices[:1]
        for record in hostile_records(schema, data.facts.network.network_id, name, times):
            for device, anchored_at in product(signers, (record.time, facts.end + 60)):
                registrar = schema.signer is Signer.REGISTRAR
                label = f"{kind}/{device.device}/{anchored_at}/{record.time}/{len(found)}"
                found.append(
                    Authentic(
                        identity=sha256(label.encode()),
                        kind=kind,
                        device=None if registrar else device,
                        account=None if registrar else data.accounts[device.device],
                        record=record,
                        request=record if schema.signer is Signer.COUNTERSIGNED else None,
                        anchored_at=anchored_at,
                    )
                )
    return tuple(sorted(found, key=lambda item: item.identity))


def hostile_records(
    schema: Schema, network: bytes, name: str, times: tuple[int, ...]
) -> Iterator[Record]:
    """Yield records at the edges of a schema: least and most, few and many rows, gaps, nothing."""
    required = tuple(column for column in schema.columns if column.required)
    for time, columns in product(times, (schema.columns, required)):
        for values in _tables(schema, columns):
            record = Record(
                network=network,
                resource=name,
                time=time,
                columns=values,
                dtypes={column.name: column.dtype for column in columns},
                request=b"" if schema.signer is Signer.COUNTERSIGNED else None,
            )
            if check_schema(record, schema):
                yield record


def _tables(schema: Schema, columns: tuple[Column, ...]) -> Iterator[dict[str, Values]]:
    many = min(schema.max_rows, ROWS_MAX)
    for rows, edge in product(sorted({1, many}), ("least", "most", "both")):
        yield {column.name: _values(column, rows, edge) for column in columns}
    if not schema.equal_length:
        yield {column.name: () for column in columns}
        yield {c.name: _values(c, (i * 7) % (many + 1), "both") for i, c in enumerate(columns)}
        yield {c.name: _values(c, many - (i * 7) % many, "most") for i, c in enumerate(columns)}


def _values(column: Column, rows: int, edge: str) -> Values:
    """Return a column of its least or its most, or of both and what lies between, in turn."""
    if column.dtype is DType.B32:
        return tuple(sha256(bytes([row if edge == "both" else 0])) for row in range(rows))
    low, high = column.minimum, column.maximum
    between = low + (high - low) // 3
    choice = {"least": (low,), "most": (high,), "both": (low, high, between)}[edge]
    return tuple(choice[row % len(choice)] for row in range(rows))
