"""From readings to signed statements. One signature covers a batch of readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.crypto import cbor
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import PrivateKey
from commonworks.errors import InvalidInput
from commonworks.statements.codec import Item, sign_record
from commonworks.statements.model import SALT_BYTES_MINIMUM, Kind, Schema

Columns = Mapping[str, Sequence[int] | Sequence[bytes]]

_SALT_LABEL: Final = b"commonworks/salt/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A batch of readings, or an order: what becomes one statement."""

    kind: Kind
    """What it is."""
    time: int
    """Base time of the batch, network time."""
    columns: Columns
    """Column name -> values, as the resource's schema for that kind has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device that an agent speaks for."""

    key: str
    """Name of the device's key at the Keys port."""
    resource: str
    """Resource that it contributes to."""
    schemas: Mapping[Kind, Schema]
    """The resource's schemas, by kind."""
    source: Callable[[int], Sequence[Reading]]
    """Called with network time; returns what is ready to be signed, each batch once."""


def sign_reading(
    key: PrivateKey, *, network_id: bytes, resource: str, reading: Reading, schema: Schema
) -> Item:
    """Return the statement that says `reading`.

    Guarantees: the same reading gives the same statement, so that one that is read again after a
    restart is a duplicate and not a second claim.
    Raises: InvalidInput when it does not fit the schema.
    """
    salt = _salt(key, network_id, resource, reading) if schema.sealed else None
    return sign_record(
        key,
        reading.kind,
        network_id,
        resource,
        reading.time,
        reading.columns,
        schema,
        salt=salt,
    )


def sign_ready(device: Device, key: PrivateKey, *, network_id: bytes, now: int) -> list[Item]:
    """Return the statements of everything that the device has ready at `now`."""
    items: list[Item] = []
    for reading in device.source(now):
        schema = device.schemas.get(reading.kind)
        if schema is None:
            raise InvalidInput(f"{device.resource} has no schema for a {reading.kind}")
        items.append(
            sign_reading(
                key,
                network_id=network_id,
                resource=device.resource,
                reading=reading,
                schema=schema,
            )
        )
    return items


def _salt(key: PrivateKey, network_id: bytes, resource: str, reading: Reading) -> bytes:
    """Return the salt of a sealed reading: secret, its own, and the same every time.

    A deterministic signature that is never published is as good as random to everybody else, and
    it needs nothing of the key but that it signs.
    """
    columns = {name: list(values) for name, values in reading.columns.items()}
    said = cbor.encode(
        [_SALT_LABEL, network_id, resource, str(reading.kind), reading.time, columns]
    )
    return sha256(key.sign(said))[:SALT_BYTES_MINIMUM]
