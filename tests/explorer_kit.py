"""A small explorer for tests: an index in memory, and ports that say what a test tells them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, delete, insert, select, update
from sqlalchemy.pool import StaticPool
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from commonworks.errors import NotFound
from commonworks.explorer import sessions
from commonworks.explorer.app import build_app
from commonworks.explorer.index import schema
from commonworks.explorer.index.tallies import Tallied
from commonworks.explorer.index.tallies import tally as tallied
from commonworks.explorer.ports import (
    Balances,
    CallRecord,
    Claimable,
    Prepared,
    PriceNow,
    ProposalRecord,
    StandingNow,
    ValueWords,
)
from commonworks.explorer.site import Contracts, Site
from commonworks.explorer.web.guard import Limits
from commonworks.model import Network, Settlement
from commonworks.ports import Log
from commonworks.translog.notes import NoteKey
from commonworks.wiring.discover import installed_resources, parameters, select_resources

GENESIS = 1_767_225_600
DAY = 86_400
MANY = Limits(read="1000000/minute", write="1000000/minute")


def account(number: int) -> bytes:
    """Return an address that a person can tell from others."""
    return number.to_bytes(20, "big")


def digest(number: int) -> bytes:
    """Return a hash that a person can tell from others."""
    return number.to_bytes(32, "big")


def network() -> Network:
    """Return a network of one-day epochs from 2026-01-01 on."""
    return Network(
        network_id=digest(0xC0FFEE),
        genesis_time=GENESIS,
        epoch_length_s=DAY,
        token=account(0x70),
        currency=account(0xE0),
        currency_code="tEUR",
        treasury=account(0x71),
        initial_emission_wei=10**21,
    )


def contracts() -> Contracts:
    """Return addresses for every contract."""
    return Contracts(
        chain_id=31_337,
        settlement=account(0x51),
        vault=account(0x52),
        devices=account(0x53),
        nodes=account(0x54),
        policy=account(0x55),
        token=account(0x70),
        currency=account(0xE0),
        governor=account(0x56),
        timelock=account(0x71),
        membership=None,
        router=account(0x57),
        manifest_hash=digest(0x3A),
    )


@dataclass
class FixedClock:
    """Network time as a test sets it."""

    time_s: int = GENESIS + 3 * DAY

    def now(self) -> int:
        return self.time_s

    async def sleep_until(self, time_s: int) -> None:
        self.time_s = max(self.time_s, time_s)


@dataclass
class Told:
    """Every port of the explorer, answering what a test put in."""

    settlements: dict[int, Settlement] = field(default_factory=dict)
    logs: dict[bytes, Log] = field(default_factory=dict)
    note_keys: dict[bytes, NoteKey] = field(default_factory=dict)
    held: dict[bytes, Balances] = field(default_factory=dict)
    root: Claimable | None = None
    price: PriceNow | None = None
    signatures: set[tuple[bytes, bytes, bytes]] = field(default_factory=set)
    made: list[ProposalRecord] = field(default_factory=list)
    standings: dict[int, StandingNow] = field(default_factory=dict)
    votes: dict[bytes, int] = field(default_factory=dict)
    does: str = "Does it."
    prepared: Sequence[Prepared] = ()
    asked: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    submitted: list[bytes] = field(default_factory=list)
    receipts: dict[bytes, bool] = field(default_factory=dict)

    # archive
    async def settlement(self, epoch: int) -> Settlement | None:
        return self.settlements.get(epoch)

    def log(self, log_id: bytes) -> Log | None:
        return self.logs.get(log_id)

    def note_key(self, log_id: bytes) -> NoteKey | None:
        return self.note_keys.get(log_id)

    # ledger
    async def balances(self, account: bytes) -> Balances:
        nothing = Balances(
            token=0, currency=0, coin_wei=0, votes=0, delegate=account, contract=False
        )
        return self.held.get(account, nothing)

    async def claimable(self) -> Claimable | None:
        return self.root

    async def sale(self, amount_in: int) -> PriceNow | None:
        return self.price

    async def signed(self, account: bytes, digest: bytes, signature: bytes) -> bool:
        return (account, digest, signature) in self.signatures

    # council
    async def proposals(self) -> Sequence[ProposalRecord]:
        return self.made

    async def standing(self, number: int) -> StandingNow:
        if number not in self.standings:
            raise NotFound(f"there is no proposal {number}")
        return self.standings[number]

    def says(self, call: CallRecord, value: ValueWords) -> str:
        return self.does

    async def votes_of(self, account: bytes, time_s: int | None) -> int:
        return self.votes.get(account, 0)

    # desk
    async def prepare(self, action: str, values: Mapping[str, object]) -> Sequence[Prepared]:
        self.asked.append((action, values))
        return self.prepared

    async def submit(self, raw: bytes) -> bytes:
        self.submitted.append(raw)
        return digest(len(self.submitted))

    async def receipt(self, tx: bytes) -> bool | None:
        return self.receipts.get(tx)


class NoBacktests:
    """Back-tests of a site that has none at hand; a test that needs them brings its own."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this test's site was asked for back-tests: {name}")


def memory_index() -> Engine:
    """Return an empty index in memory that several threads share."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    schema.metadata.create_all(engine)
    return engine


def root_row(epoch: int, accepted_at: int, in_force_at: int, **changes: object) -> dict[str, Any]:
    """Return a payout root that nothing stopped or replaced."""
    row: dict[str, Any] = {
        "epoch": epoch,
        "root": digest(0x4007 + epoch),
        "accepted_at": accepted_at,
        "accepted_tx": digest(0xACCE + epoch),
        "claimable_at": in_force_at,
        "in_force_at": in_force_at,
        "stopped_at": None,
        "replaced_by": None,
    }
    return row | changes


COUNTED = {
    schema.work: Tallied.WORK,
    schema.payment: Tallied.PAYMENT,
    schema.reward: Tallied.REWARD,
    schema.span: Tallied.SPAN,
}


def fill(engine: Engine, table: Table, *rows: Mapping[str, object]) -> None:
    """Insert rows, and what settled epochs then come to."""
    with engine.begin() as connection:
        connection.execute(insert(table), [dict(row) for row in rows])
        if table in COUNTED:
            _count(connection, table)
        elif table in (schema.epoch, schema.payout):
            _count_leaves(connection)


def _count(connection: Connection, table: Table) -> None:
    what, tally = COUNTED[table], schema.tally
    connection.execute(delete(tally).where(tally.c.what == str(what)))
    found = [dict(row._mapping) for row in connection.execute(select(table))]
    for epoch in sorted({row["epoch"] for row in found}):
        of_it = [row for row in found if row["epoch"] == epoch]
        connection.execute(insert(tally), tallied(epoch, what, of_it))


def _count_leaves(connection: Connection) -> None:
    keys = [
        (row.epoch, row.asset, row.account) for row in connection.execute(select(schema.payout))
    ]
    settled = select(schema.epoch.c.epoch).where(schema.epoch.c.statements.is_not(None))
    for epoch in connection.execute(settled).scalars().all():
        leaves = {key[1:] for key in keys if key[0] <= epoch}
        values = (
            update(schema.epoch).where(schema.epoch.c.epoch == epoch).values(leaves=len(leaves))
        )
        connection.execute(values)


def set_parameter(site: Site, key: str, *changes: tuple[int, int]) -> None:
    """Give a parameter its values on chain, each as (first epoch, value), instead of any before."""
    table, known = schema.parameter_change, site.parameters[key]
    with site.engine.begin() as connection:
        connection.execute(delete(table).where(table.c.key == key))
    row = {
        "key": key, "minimum": known.minimum, "maximum": known.maximum, "time": GENESIS,
        "tx": digest(1),
    }  # fmt: skip
    rows = [
        {**row, "number": number, "from_epoch": epoch, "value": value}
        for number, (epoch, value) in enumerate(changes)
    ]
    fill(site.engine, table, *rows)


def make_site(told: Told | None = None, **changes: Any) -> Site:
    """Return a site over an empty index in memory; `changes` replace any of its fields."""
    told = told or Told()
    resources = select_resources(tuple(installed_resources()))
    fields: dict[str, Any] = {
        "engine": memory_index(),
        "network": network(),
        "name": "Test street",
        "demo": True,
        "single_operator": True,
        "token_symbol": "CWT",
        "currency_decimals": 6,
        "mints": True,
        "manifest": b'{"name": "Test street"}\n',
        "bond_asset": account(0x70),
        "contracts": contracts(),
        "resources": resources,
        "parameters": parameters(resources),
        "clock": FixedClock(),
        "command": "commonworks",
        "home": "home/test",
        "labels": {},
        "device_labels": {},
        "rpc": ("http://127.0.0.1:8545",),
        "archive": told,
        "ledger": told,
        "council": told,
        "desk": told,
        "backtests": NoBacktests(),
        "secret": bytes(32),
    }
    return Site(**{**fields, **changes})


def client(site: Site, **options: Any) -> TestClient:
    """Return a browser without scripts; errors of ours become answers, as in service."""
    options = {"raise_server_exceptions": False, "follow_redirects": False, **options}
    return TestClient(build_app(site, limits=MANY), base_url="http://127.0.0.1", **options)


def sign_in(web: TestClient, who: bytes) -> TestClient:
    """Give a browser the session of somebody who signed in; return it."""
    site: Site = web.app.state.site  # type: ignore[attr-defined]
    expires_at = site.door.now() + sessions.SESSION_S
    session = sessions.Session(account=who, expires_at=expires_at, token=secrets.token_bytes(8))
    request, answer = (
        Request({"type": "http", "scheme": "http", "path": "/", "headers": []}),
        Response(),
    )
    sessions.keep(site, request, answer, session)
    name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
    web.cookies.set(name, value)
    return web
