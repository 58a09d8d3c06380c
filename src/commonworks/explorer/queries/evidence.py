"""A statement as it lies in its log: its bytes, its signed header, and what of it may be shown.

Goal: whoever doubts a verdict sees the very bytes that it is about.
Rule: what is sealed is taken apart only for the account that the statement counts for, signed in.
The log may be somebody else's: what it gives is checked against the index's identity, and a log
that does not answer, or answers nonsense, is a sentence on the page and no error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import CommonworksError, Corrupt, InvalidInput, NotFound, Unauthorized
from commonworks.explorer.index.schema import device
from commonworks.explorer.models.statements import (
    Evidence,
    NamedValue,
    PayloadColumn,
    Standing,
)
from commonworks.explorer.queries.devices import owned_since
from commonworks.explorer.queries.statements import chosen, registrar_key, statement_rows
from commonworks.explorer.site import Site
from commonworks.explorer.web.errors import without_places
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text, hash_text
from commonworks.explorer.web.templating import moment, number
from commonworks.ports import Log
from commonworks.statements.codec import decode_statement, verify_signature
from commonworks.statements.model import (
    Binding,
    Payload,
    Reason,
    Record,
    Statement,
)
from commonworks.translog.notes import Checkpoint, parse_note
from commonworks.translog.tiles import (
    CHECKPOINT_PATH,
    TILE_WIDTH,
    decode_entries,
    entries_path,
    sealed_path,
    width_at,
)
from commonworks.translog.tree import leaf_hash

VALUES_MAX: Final = 96
"""Values of one column that are shown: a day of quarter-hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the index says about the copy that is to be read."""

    identity: bytes
    log_id: bytes
    position: int
    sealed: bool
    key: PublicKey | None
    """The enrolled key that it names; None where none is."""
    yours: bool
    """The reader signed in as the owner whom it counts for."""
    since: int
    """Since when that owner has the device."""


def wanted_evidence(
    connection: Connection, site: Site, viewer: bytes | None, identity: bytes
) -> Wanted:
    """Return which copy to read, and what its reader may see of it. Raises NotFound."""
    row = chosen(statement_rows(connection, identity))
    key = None if row.kid is None else _key(connection, row.kid)
    yours, since = _yours(connection, site, viewer, row)
    return Wanted(
        identity=identity,
        log_id=row.log_id,
        position=row.position,
        sealed=row.sealed,
        key=key,
        yours=yours,
        since=since,
    )


def _key(connection: Connection, kid: bytes) -> PublicKey | None:
    """Return the key with this thumbprint: an enrolled device's, or a registrar's."""
    query = select(device.c.algorithm, device.c.public_key).where(device.c.thumbprint == kid)
    row = connection.execute(query.limit(1)).one_or_none()
    found = registrar_key(connection, kid) if row is None else tuple(row)
    if found is None:
        return None
    try:
        return PublicKey.from_raw(Algorithm(found[0]), found[1])
    except (ValueError, InvalidInput):
        return None  # the chain takes any bytes as a key; nothing verifies under these


def _yours(
    connection: Connection, site: Site, viewer: bytes | None, row: Row[Any]
) -> tuple[bool, int]:
    """Tell whether a statement counts for the reader's own device, signed by its key.

    Before it is judged, nobody but the key says whose it is, and a key may be enrolled by several
    accounts: then it is nobody's. An accepted one has a binding, in which the key itself named the
    owner. A rejected one may only count for the first device that was enrolled with its key, and
    whoever saw a key on its way to the chain can be that first: it is the owner's only where
    nobody else ever enrolled that key.
    """
    if viewer is None or row.kid is None or row.device is None or row.epoch is None:
        return False, 0
    query = select(device).where(device.c.device == row.device)
    record = connection.execute(query).one_or_none()
    if record is None or record.owner != viewer or record.thumbprint != row.kid:
        return False, 0
    if row.outcome != Standing.ACCEPTED and _shared(connection, record):
        return False, 0
    since, first_epoch = owned_since(connection, site, record)
    return row.epoch >= first_epoch, since


def _shared(connection: Connection, record: Row[Any]) -> bool:
    """Tell whether a device's key was enrolled for another device as well."""
    others = select(device.c.device).where(
        device.c.thumbprint == record.thumbprint, device.c.device != record.device
    )
    return connection.execute(others.limit(1)).first() is not None


async def read_evidence(site: Site, wanted: Wanted) -> Evidence:
    """Return a statement's bytes, taken apart. Never fails because of the log."""
    log = site.archive.log(wanted.log_id)
    if log is None:
        return _unread(gettext("Its log cannot be read from here; ask the gateway that runs it."))
    try:
        async with site.turns.reading(wanted.log_id):
            return await _read(site, wanted, log)
    except CommonworksError as error:
        why = without_places(error.message)
        return _unread(gettext("Its log cannot be read just now: %(why)s.", why=why))


async def _read(site: Site, wanted: Wanted, log: Log) -> Evidence:
    """Return a statement's bytes, taken apart; raise what the log raises."""
    raw = await _entry(log, wanted.position)
    decoded = decode_statement(raw, None)
    found = leaf_hash(raw) if isinstance(decoded, Reason) else decoded.identity
    if wanted.identity not in (found, leaf_hash(raw)):
        return _unread(
            gettext("Its log holds something else at this place now: it is not to be trusted.")
        )
    if isinstance(decoded, Reason):
        return _shown(raw, hidden=gettext("These bytes are no statement: nothing can be decoded."))
    preimage, hidden = None, ""
    if decoded.sealed:
        preimage, hidden = await _unsealed(log, wanted)
    whole = decoded if preimage is None else decode_statement(raw, preimage)
    if isinstance(whole, Reason):
        whole, hidden = decoded, gettext("Its sealed content is not what was signed.")
    if preimage is not None and whole.payload is not None and whole.payload.time < wanted.since:
        whole = decoded
        hidden = gettext("It speaks of a time before the device was yours.")
    return _decoded(site, wanted, raw, whole, hidden)


def _unread(problem: str) -> Evidence:
    return Evidence(
        readable=False,
        problem=problem,
        raw="",
        header=[],
        payload=[],
        columns=[],
        rows_shown=VALUES_MAX,
        hidden="",
        yours=False,
        signature=None,
    )


def _shown(raw: bytes, *, hidden: str) -> Evidence:
    return _unread("").model_copy(update={"readable": True, "raw": raw.hex(), "hidden": hidden})


def _decoded(site: Site, wanted: Wanted, raw: bytes, statement: Statement, hidden: str) -> Evidence:
    payload = statement.payload
    return _shown(raw, hidden=hidden).model_copy(
        update={
            "header": _header(statement),
            "payload": [] if payload is None else _fields(payload),
            "columns": _columns(site, statement) if isinstance(payload, Record) else [],
            "yours": statement.sealed and payload is not None,
            "signature": None if wanted.key is None else verify_signature(statement, wanted.key),
        }
    )


# --- reading --------------------------------------------------------------------------------------


async def _size(log: Log) -> int:
    data = await log.read(CHECKPOINT_PATH)
    if data is None:
        raise NotFound(gettext("the log has no checkpoint"))
    return Checkpoint.decode(parse_note(data).text).size


async def _entry(log: Log, position: int) -> bytes:
    """Return one entry of a log; raise NotFound or Corrupt."""
    index, offset = divmod(position, TILE_WIDTH)
    width = width_at(await _size(log), 0, index)
    data = await log.read(entries_path(index, width)) if offset < width else None
    if data is None:
        raise NotFound(gettext("the log has no entry %(position)s", position=position))
    return decode_entries(data, width)[offset]


async def _unsealed(log: Log, wanted: Wanted) -> tuple[bytes | None, str]:
    """Return the content beside a sealed statement, or why it is not shown."""
    if not wanted.yours:
        return None, gettext(
            "It is sealed: the log carries a salted hash of its content, because what it says is "
            "personal. Verifiers hold the content; its owner sees it here after signing in."
        )
    index, offset = divmod(wanted.position, TILE_WIDTH)
    try:
        width = width_at(await _size(log), 0, index)
        data = await log.read_sealed(sealed_path(index, width))
        if data is None:
            raise NotFound(gettext("there is no sealed content"))
        preimage = decode_entries(data, width)[offset]
    except Unauthorized:
        return None, gettext("The gateway does not show sealed content to this explorer.")
    except (Corrupt, NotFound, IndexError):
        return None, gettext("Its sealed content is not at hand.")
    except CommonworksError as error:
        why = without_places(error.message)
        return None, gettext("Its log cannot be read just now: %(why)s.", why=why)
    if not preimage:
        return None, gettext("Its sealed content was erased by rule, or never arrived.")
    return preimage, ""


# --- taking apart ---------------------------------------------------------------------------------


def _header(statement: Statement) -> list[NamedValue]:
    """Return the signed header in words."""
    algorithm = "EdDSA (Ed25519)" if statement.algorithm is Algorithm.EDDSA else "ES256 (P-256)"
    return [
        NamedValue(
            name=gettext("Kind"),
            value=str(statement.kind),
            meaning=gettext("What it says; part of the content type."),
        ),
        NamedValue(
            name=gettext("Algorithm"),
            value=algorithm,
            meaning=gettext("How it says to be signed."),
        ),
        NamedValue(
            name=gettext("Key"),
            value=hash_text(statement.kid),
            meaning=gettext("Thumbprint of the key that signs."),
        ),
        NamedValue(
            name=gettext("Content"),
            value=gettext("sealed") if statement.sealed else gettext("public"),
            meaning=gettext("Sealed: the signed content is a salted hash, SHA-256."),
        ),
        NamedValue(
            name=gettext("Signature"),
            value=hash_text(statement.signed.signature),
            meaning=gettext("Over header and content (COSE_Sign1, RFC 9052)."),
        ),
    ]


def _fields(payload: Payload) -> list[NamedValue]:
    """Return the single values of a payload."""
    fields = [
        NamedValue(
            name=gettext("Network"),
            value=hash_text(payload.network),
            meaning=gettext("The network that it was signed for."),
        ),
        NamedValue(
            name=gettext("Time"),
            value=moment(payload.time),
            meaning=gettext("The moment that it speaks of."),
        ),
    ]
    if isinstance(payload, Binding):
        fields += [
            NamedValue(
                name=gettext("Owner"),
                value=address_text(payload.owner),
                meaning=gettext("The account that the device works for."),
            ),
            NamedValue(
                name=gettext("Generation"),
                value=number(payload.generation),
                meaning=gettext("The binding with the highest one counts."),
            ),
        ]
        return fields
    fields.append(
        NamedValue(
            name=gettext("Resource"),
            value=payload.resource,
            meaning=gettext("What it contributes to."),
        )
    )
    if payload.request is not None:
        fields.append(
            NamedValue(
                name=gettext("Request"),
                value=hash_text(payload.request),
                meaning=gettext("The device's own statement, which the registrar countersigns."),
            )
        )
    return fields


def _columns(site: Site, statement: Statement) -> list[PayloadColumn]:
    """Return a record's columns with what the resource says they mean."""
    record = statement.payload
    if not isinstance(record, Record):
        return []
    resource = site.resources.get(record.resource)
    schema = None if resource is None else resource.schemas.get(statement.kind)
    meanings = {} if schema is None else {one.name: one.description for one in schema.columns}
    return [
        PayloadColumn(
            name=name,
            dtype=str(record.dtypes[name]),
            meaning=gettext(meanings[name]) if name in meanings else "",
            count=len(values),
            values=_texts(values),
        )
        for name, values in record.columns.items()
    ]


def _texts(values: Sequence[int] | Sequence[bytes]) -> list[str]:
    return [
        hash_text(value) if isinstance(value, bytes) else str(value)
        for value in values[:VALUES_MAX]
    ]
