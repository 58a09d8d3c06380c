"""Whatever anybody registers, enrols, logs or proposes, the index goes on."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, Table, func, select

from commonworks import events as all_events
from commonworks import stops
from commonworks.crypto import cbor, cose
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.events import (
    Bonded,
    Closed,
    Event,
    Finalised,
    Position,
    UnbondingStarted,
)
from commonworks.explorer.index import schema
from commonworks.explorer.index.engine import open_index
from commonworks.explorer.index.feed import Feed
from commonworks.explorer.ports import CallRecord, ProposalRecord, VoteRecord
from commonworks.statements import arrays
from commonworks.statements.codec import sign_binding
from commonworks.statements.model import DType, Kind
from explorer_kit import account, digest, network

INTEGERS = (0, 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**255, 2**256 - 1)
TEXTS = (
    "", "\0", "a\0b", "\ufffd" * 64, "\u202e\u2066<b>'\"`", "../../etc/passwd", "\r\nX: y",
    "x" * 1_000_000, "\ud800", "-1", "1e999", "\U0010ffff", "{}", "%(name)s", "{{ 7*7 }}",
)  # fmt: skip
WORDS = (
    bytes(32), b"\xff" * 32, b"energy".ljust(32, b"\0"), b"a\0b".ljust(32, b"\0"),
    b"\x80".ljust(32, b"\0"), b"x" * 32, b"grace_s".ljust(32, b"\0"), b"%s{}<".ljust(32, b"\0"),
)  # fmt: skip
ACCOUNTS = tuple(account(number) for number in (0, 1, 2, 2**160 - 1))
LOGS = tuple(digest(number) for number in range(1, 5))
NAMES = {
    "owner", "enroller", "sender", "receiver", "operator", "verifier", "account", "asset", "holder",
}  # fmt: skip
SMALL = {"algorithm": (-8, -7, 0, 127, -128), "ppm": (0, 1, 10**6, 2**32 - 1)}
"""Fields that the contracts' own types keep small."""
CHAINED = {Closed, Finalised}
"""Come in order of epochs, which the contract keeps."""
HELD = {Bonded, UnbondingStarted}
"""The contract keeps their sums, and these fit 256 bits as well."""
KINDS = [
    kind
    for kind in (vars(all_events) | vars(stops)).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind not in CHAINED | {Event}
]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_index(tmp_path / "index.sqlite")
    yield made
    made.dispose()


def value(random: Random, name: str, kind: Any) -> Any:
    """Return something that an event's field may hold, as unkind as its type allows."""
    if kind is int:
        return random.choice(SMALL.get(name, INTEGERS))
    if kind is bool:
        return random.random() < 0.5
    if kind is str:
        return random.choice(TEXTS)
    if kind is bytes:
        if name in NAMES:
            return random.choice(ACCOUNTS)
        if name == "log_id":
            return random.choice(LOGS)
        if name in ("public_key", "note_key", "receipt_key"):
            return random.choice((bytes(32), b"\xff" * 32, bytes(64), b"\x01" * 64, b""))
        return random.choice(WORDS)
    if dataclasses.is_dataclass(kind):
        return record(random, kind)
    (inner, *_) = typing.get_args(kind)
    return tuple(record(random, inner) for _ in range(random.choice((0, 1, 2, 64))))


def record(random: Random, kind: Any, **known: Any) -> Any:
    """Return a record of hostile values."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(
        **{n: known[n] if n in known else value(random, n, hints[n]) for n in names},
    )


def chain(random: Random, count: int) -> list[Event]:
    """Return events of every kind, one a block."""
    found = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        at = Position(block=number, time=10**9 + number, index=0, tx=digest(number))
        known: dict[str, Any] = {"at": at}
        if kind in HELD:
            known["amount"] = random.choice((0, 1, 2**200))
        found.append(record(random, kind, **known))
    return found


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize("seed", range(4))
def test_any_event_is_folded(engine: Engine, seed: int) -> None:
    random, feed = Random(seed), Feed(network())
    happened = chain(random, 40 * len(KINDS))
    for first in range(0, len(happened), 97):
        with engine.begin() as connection:
            feed.chain(connection, happened[first : first + 97])
    assert count(engine, schema.chain_event) == len(happened)


# --- entries --------------------------------------------------------------------------------------


KEY = PrivateKey.from_seed(Algorithm.EDDSA, bytes(32))


def signed(kind: str, payload: bytes) -> bytes:
    """Return a statement whose form is right, with any payload in it."""
    headers: dict[cose.Label, object] = {
        cose.HEADER_ALGORITHM: int(KEY.algorithm),
        cose.HEADER_KEY_ID: KEY.public.thumbprint,
        cose.HEADER_CONTENT_TYPE: f"application/vnd.commonworks.{kind}+cbor",
    }
    return cose.encode_sign1(cbor.encode(headers), {}, payload, bytes(64))


def entries(random: Random) -> list[bytes]:
    """Return entries as anybody may log them."""
    good = sign_binding(KEY, digest(1), 2**63 - 1, account(1), 2**63 - 1).statement
    bent = [
        good[:at] + bytes([random.randrange(256)]) + good[at + 1 :] for at in range(0, len(good), 3)
    ]
    deep = [bytes([head]) * 60_000 for head in (0x81, 0xA1, 0xC0, 0xD8, 0x9F, 0xBF)]
    payloads: list[bytes] = [b"", b"\xff", b"\x81" * 5_000, cbor.encode({}), cbor.encode(2**64 - 1)]
    for time in (0, 2**63 - 1):
        for resource in ("energy", "x" * 31, "x" * 32):
            column = arrays.pack(DType.U64, [2**63 - 1])
            fields = {"network": digest(1), "resource": resource, "time": time}
            payloads.append(cbor.encode({**fields, "columns": {"energy_wh": column}}))
            payloads.append(cbor.encode({**fields, "columns": {}, "request": good}))
    made = [signed(kind, payload) for kind in [*map(str, Kind), "no\0kind"] for payload in payloads]
    noise = [random.randbytes(random.choice((0, 1, 33, 4_000))) for _ in range(60)]
    return [good, good, b"\xd2" + good, bytes(65_535), *bent, *deep, *made, *noise]


@pytest.mark.parametrize("seed", range(3))
def test_any_entry_is_folded(engine: Engine, seed: int) -> None:
    random, feed = Random(seed), Feed(network())
    logged = entries(random)
    random.shuffle(logged)
    for first in range(0, len(logged), 50):
        part = list(enumerate(logged[first : first + 50], start=first))
        with engine.begin() as connection:
            feed.entries(connection, LOGS[0], part)
    assert count(engine, schema.statement) == len(logged)


# --- government -----------------------------------------------------------------------------------


def proposals(random: Random) -> Sequence[ProposalRecord]:
    """Return proposals and votes of any content; their numbers count up."""

    def one(number: int) -> ProposalRecord:
        call = CallRecord(
            to=random.choice(ACCOUNTS),
            value_wei=random.choice(INTEGERS),
            data=random.choice((b"", b"\xff", bytes(1_000_000))),
        )
        vote = VoteRecord(
            voter=random.choice(ACCOUNTS),
            support=random.choice((None, "for", "against")),
            weight=random.choice(INTEGERS),
            reason=random.choice(TEXTS),
            tx=digest(1),
        )
        return ProposalRecord(
            proposal=2**256 - 1 - number,
            number=number,
            proposer=random.choice(ACCOUNTS),
            title=random.choice(TEXTS),
            body=random.choice(TEXTS),
            calls=(call,) * random.choice((0, 1, 3)),
            changes={random.choice(TEXTS): random.choice(INTEGERS)},
            vote_start=random.choice(INTEGERS),
            vote_end=random.choice(INTEGERS),
            tx=digest(2),
            votes=(vote,) * random.choice((0, 1, 40)),
            queued_tx=None,
            executed_tx=None,
            canceled_tx=None,
        )

    return [one(number) for number in range(1, 30)]


def test_any_proposal_is_folded(engine: Engine) -> None:
    feed = Feed(network())
    for seed in (0, 1):
        with engine.begin() as connection:
            feed.government(connection, proposals(Random(seed)))
    assert count(engine, schema.proposal) == 29
