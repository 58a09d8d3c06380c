"""Server time of every page over a large network's index: `python bench/explorer_pages.py`.

One line a page: the request that comes just after the index moved, when what changes with it must
be counted again; the median of those that follow; the very first of the process, which also reads
routes, templates and the file; and the first figure's ratio to the budget. Fails where a page is
over it. Requests go through the whole application in this process; what is not measured is the
network between. Times are this process's on its processors, the same on a busy machine as on an
idle one.

`--index FILE` takes an index that `explorer_rows.py` made; otherwise one is made in a new folder.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast
from unittest.mock import patch

import httpx2 as httpx
from eth_utils.address import to_checksum_address
from sqlalchemy import Connection, Engine, select

import explorer_chain_rows as rows
import explorer_rows
from commonworks.errors import NotFound, require
from commonworks.explorer.app import SLICES, build_app
from commonworks.explorer.index.engine import open_index
from commonworks.explorer.index.schema import epoch
from commonworks.explorer.leafbook import LeafBook
from commonworks.explorer.ports import (
    Balances,
    Claimable,
    Prepared,
    StandingNow,
    Trial,
    TrialState,
)
from commonworks.explorer.proofs import PayoutTrees
from commonworks.explorer.queries.planted import write_next_tree
from commonworks.explorer.queries.proofs import payout_leaf, payout_siblings
from commonworks.explorer.site import Contracts, Site
from commonworks.explorer.web import counts
from commonworks.explorer.web.guard import Limits
from commonworks.model import Network, Total
from commonworks.wiring.discover import parameters, select_resources
from commonworks.wiring.explorer.warming import set_aside

BUDGET_S: Final = 0.2
"""Server time that a page may take."""
REPEATS: Final = 5
MANY: Final = Limits(read="10000000/minute", write="10000000/minute")

ANNA: Final = to_checksum_address(rows.account(1))
"""The account with most devices."""
BERT: Final = to_checksum_address(rows.account(5_000))
LAST: Final = rows.EPOCHS - 1
PAST: Final = 2
"""An epoch long past."""
REJECTED: Final = rows.hashed("statement", 0).hex()
ACCEPTED: Final = rows.hashed("statement", rows.STATEMENTS * LAST + 1).hex()
TX: Final = "0x" + rows.hashed("tx", 10_000, 0).hex()

PAGES: Final[Mapping[str, Sequence[str]]] = {
    "/": ("/",),
    "/activity": (
        "/activity", "/activity?kind=claimed", "/activity?epoch=3", f"/activity?account={ANNA}",
        f"/activity?device={rows.EXAMPLE_DEVICE}&kind=enrolled",
    ),
    "/search": (
        "/search?q=12", "/search?q=gateway", "/search?q=abcd", f"/search?q={ANNA[:8]}",
        f"/search?q={REJECTED[:8]}", "/search?q=share", "/search?q=no-such-thing",
    ),
    "/devices": (
        "/devices", f"/devices?resource={rows.RESOURCE}", f"/devices?owner={ANNA}",
    ),
    "/devices/{device}": (f"/devices/{rows.EXAMPLE_DEVICE}", "/devices/5000"),
    "/statements": (
        "/statements", "/statements?outcome=rejected", "/statements?outcome=accepted",
        f"/statements?epoch={LAST}", f"/statements?device={rows.EXAMPLE_DEVICE}",
        f"/statements?resource={rows.RESOURCE}", "/statements?reason=bad_signature",
        "/statements?outcome=waiting",
    ),
    "/statements/{identity}": (f"/statements/{ACCEPTED}", f"/statements/{REJECTED}"),
    "/reasons": ("/reasons",),
    "/epochs": ("/epochs",),
    "/epochs/{epoch}": (f"/epochs/{LAST}", "/epochs/0"),
    "/resources": ("/resources",),
    "/resources/{name}": (
        f"/resources/{rows.RESOURCE}", f"/resources/{rows.RESOURCE}?epoch=0",
    ),
    "/accounts": ("/accounts",),
    "/accounts/{address}": (f"/accounts/{ANNA}", f"/accounts/{BERT}"),
    "/accounts/{address}/statement": (f"/accounts/{ANNA}/statement?month=2026-01",),
    "/accounts/{address}/{what}": (f"/accounts/{ANNA}/earnings", f"/accounts/{ANNA}/devices"),
    "/accounts/{address}/statement.csv": (f"/accounts/{ANNA}/statement.csv?month=2026-01",),
    "/governance": ("/governance",),
    "/governance/{number}": ("/governance/3",),
    "/parameters": ("/parameters",),
    "/parameters/{key:path}": ("/parameters/grace_s",),
    "/nodes": ("/nodes",),
    "/nodes/gateways/{log_id}": (f"/nodes/gateways/{rows.hashed('log', 0).hex()}",),
    "/nodes/verifiers/{address}": (
        f"/nodes/verifiers/{to_checksum_address(rows.account(3))}",
    ),
    "/transactions/{tx}": (f"/transactions/{TX}",),
    "/proofs": ("/proofs",),
    "/proofs/payout/{epoch}/{asset}/{account}": (
        f"/proofs/payout/{LAST}/{to_checksum_address(rows.CURRENCY)}/{ANNA}",
        f"/proofs/payout/{PAST}/{to_checksum_address(rows.CURRENCY)}/{BERT}",
    ),
    "/join": ("/join",),
    "/alerts": ("/alerts",),
    "/session": ("/session",),
}  # fmt: skip
"""Every page's route -> addresses that are measured."""

ANSWERS: Final = (
    "/api/v1/network", "/api/v1/network/map", "/api/v1/activity?limit=200",
    "/api/v1/devices?limit=200", "/api/v1/statements?limit=200", "/api/v1/epochs",
    "/api/v1/accounts?limit=200", "/api/v1/search?q=12",
)  # fmt: skip

NOT_MEASURED: Final = frozenset(
    {
        "/alerts/confirm", "/alerts/unsubscribe", "/join/qr.svg", "/join/progress",
        "/proofs/receipt/{identity}",
    }
)  # fmt: skip
"""Parts of forms, answered without a walk through the index, and what reads a gateway's log."""


class Nobody:
    """Ports that have nothing: what a page shows of the index is what is measured."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    async def settlement(self, _epoch: int) -> None:
        """No settlement is at hand."""

    def log(self, _log_id: bytes) -> None:
        """No log can be read."""

    def note_key(self, _log_id: bytes) -> None:
        """No key is known."""

    async def balances(self, account: bytes) -> Balances:
        """Everybody holds nothing."""
        return Balances(token=0, currency=0, coin_wei=0, votes=0, delegate=account, contract=False)

    async def claimable(self) -> Claimable:
        """The newest epoch's root."""
        return Claimable(epoch=LAST, root=self._root)

    async def sale(self, _amount_in: int) -> None:
        """Nothing can be sold."""

    async def signed(self, _account: bytes, _digest: bytes, _signature: bytes) -> bool:
        """No contract signs."""
        return False

    async def proposals(self) -> Sequence[Any]:
        """None beyond the index."""
        return ()

    async def standing(self, number: int) -> StandingNow:
        """Every proposal of the index is open."""
        if not 1 <= number <= rows.PROPOSALS:
            raise NotFound(f"there is no proposal {number}")
        return StandingNow(
            state="active", votes_for=3, votes_against=2, votes_abstain=1, quorum=5, votes_all=9,
            executable_from=None,
        )  # fmt: skip

    async def votes_of(self, _account: bytes, _time_s: int | None) -> int:
        """Nobody has votes."""
        return 0

    async def prepare(self, _action: str, _values: Mapping[str, object]) -> Sequence[Prepared]:
        """Nothing is prepared."""
        return ()

    async def submit(self, _raw: bytes) -> bytes:
        """Nothing is sent."""
        raise NotFound("there is no chain")

    async def receipt(self, _tx: bytes) -> None:
        """No transaction is known."""

    async def look(self, _wanted: Any) -> None:
        """No back-test was made."""

    async def start(self, _wanted: Any) -> Trial:
        """A back-test waits for another one."""
        return Trial(state=TrialState.WAITING, done=0, total=0, failure=None, outcome=None)

    def __getattr__(self, name: str) -> Any:
        """Say which port a page asked for that this bench does not know."""
        raise NotFound(f"this bench has no port {name!r}")


@dataclasses.dataclass
class Clock:
    """Network time in the middle of the running epoch."""

    time_s: int = rows.NOW_S

    def now(self) -> int:
        """Return network time."""
        return self.time_s

    async def sleep_until(self, time_s: int) -> None:
        """Pass over the time."""
        self.time_s = max(self.time_s, time_s)


def make_site(engine: Engine) -> Site:
    """Return a site over an index."""
    known = select_resources((rows.RESOURCE,))
    with engine.connect() as connection:
        root = connection.scalar(select(epoch.c.payout_root).where(epoch.c.epoch == LAST))
    nobody: Any = Nobody(root or bytes(32))
    contract = dict.fromkeys(
        ("settlement", "vault", "devices", "nodes", "policy", "governor"), bytes(19) + b"\1"
    )
    fields: dict[str, Any] = {
        "engine": engine,
        "network": Network(
            network_id=bytes(32), genesis_time=rows.GENESIS_S, epoch_length_s=rows.DAY_S,
            token=rows.TOKEN, currency=rows.CURRENCY, currency_code="tEUR",
            treasury=rows.TREASURY, initial_emission_wei=10**21,
        ),
        "name": "Large street", "demo": False, "single_operator": True, "token_symbol": "CWT",
        "currency_decimals": 6, "mints": True, "manifest": b"{}", "bond_asset": rows.TOKEN,
        "contracts": Contracts(
            chain_id=1, token=rows.TOKEN, currency=rows.CURRENCY, timelock=rows.TREASURY,
            membership=None, router=None, **contract,
        ),
        "resources": known, "parameters": parameters(known), "clock": Clock(),
        "command": "commonworks", "home": "home/large",
        "labels": {rows.account(n): f"member-{n}" for n in range(1_000)},
        "device_labels": {rows.hashed("key", n): f"meter-{n}" for n in range(1, 1_000)},
        "rpc": (), "archive": nobody, "ledger": nobody, "council": nobody, "desk": nobody,
        "backtests": nobody, "hosts": frozenset({"127.0.0.1"}), "secret": bytes(32),
    }  # fmt: skip
    there = {field.name for field in dataclasses.fields(Site)}
    return Site(**{name: value for name, value in fields.items() if name in there})


def _paths(router: Any) -> Iterator[str]:
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _paths(inner)
        elif "GET" in route.methods:
            yield route.path


def page_routes() -> set[str]:
    """Return the paths of all pages."""
    return {
        path
        for name in SLICES
        for path in _paths(import_module(f"commonworks.explorer.pages.{name}").router)
    }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one address takes, seconds."""

    path: str
    status: int
    moved_s: float
    """Just after the index moved."""
    median_s: float
    """While it stands still."""
    cold_s: float
    """The first time in this process."""


async def measure(site: Site, paths: Sequence[str]) -> list[Timing]:
    """Measure addresses."""
    found = []
    moves = 0

    def index_moved(_connection: Connection) -> counts.Mark:
        return (moves, 0, 0)

    app = build_app(site, limits=MANY)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
    with patch.object(counts, "index_mark", index_moved):
        async with client as web:
            for path in paths:
                times = []
                for turn in range(2 + REPEATS):
                    moves += turn == 1
                    started = time.process_time()
                    answer = await web.get(path)
                    times.append(time.process_time() - started)
                found.append(
                    Timing(
                        path=path,
                        status=answer.status_code,
                        cold_s=times[0],
                        moved_s=times[1],
                        median_s=statistics.median(times[2:]),
                    )
                )
    return found


def lines(timings: Sequence[Timing]) -> Iterator[str]:
    """Yield one line for each address."""
    for one in timings:
        verdict = "" if one.moved_s <= BUDGET_S else "  OVER"
        shown = one.path if len(one.path) <= 60 else one.path[:57] + "..."
        yield (
            f"{shown:<60} {one.status} {one.moved_s * 1e3:7.1f} ms "
            f"{one.median_s * 1e3:7.1f} ms median {one.cold_s * 1e3:7.1f} ms cold  "
            f"x{one.moved_s / BUDGET_S:.2f} of budget{verdict}"
        )


def write_book(engine: Engine, trees: PayoutTrees) -> None:
    """Write the book of payout trees, as an explorer that runs has done in the background.

    Prints what that took, and what a proof of a past epoch takes with it and without.
    """
    require(trees.book is not None, "there is a book to write")
    started, written = time.process_time(), 0
    with engine.connect() as connection:
        while write_next_tree(connection, cast(LeafBook, trees.book)):
            written += 1
    took_s = time.process_time() - started
    print(f"payout trees of {written} epochs: {took_s:.1f} s, in the background")
    for name, asked in (("with the book", trees), ("from all leaves", PayoutTrees())):
        with engine.connect() as connection:
            root = connection.scalar(select(epoch.c.payout_root).where(epoch.c.epoch == PAST))
            leaf = payout_leaf(connection, PAST, rows.CURRENCY, rows.account(5_000))
            require(root is not None and leaf is not None, "epoch and leaf are there")
            started = time.process_time()
            payout_siblings(connection, asked, PAST, cast(bytes, root), cast(Total, leaf))
            took_s = time.process_time() - started
        print(f"first proof of epoch {PAST}, {name}: {took_s * 1e3:.1f} ms")


def run(index: Path, book: Path) -> int:
    """Measure every page over an index; return how many fail."""
    engine = open_index(index, read_only=True)
    site = make_site(engine)
    missing = page_routes() - set(PAGES) - NOT_MEASURED
    if missing:
        print(f"no address to measure for: {', '.join(sorted(missing))}", file=sys.stderr)
        return len(missing)
    there = page_routes()
    paths = [path for route, some in PAGES.items() if route in there for path in some]
    paths += ANSWERS
    site.trees = PayoutTrees(LeafBook(book))
    write_book(engine, site.trees)
    set_aside()  # as an explorer that runs has done, too
    timings = asyncio.run(measure(site, paths))
    for line in lines(timings):
        print(line)
    broken = [one for one in timings if one.status >= 400]
    slow = [one for one in timings if one.moved_s > BUDGET_S]
    print(
        f"{len(timings)} addresses over {rows.DEVICES:,} devices: "
        f"{len(slow)} over {BUDGET_S * 1e3:.0f} ms, {len(broken)} not answered"
    )
    return len({one.path for one in (*broken, *slow)})


def main() -> None:
    """Make or take an index, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--index", type=Path, help="file that explorer_rows.py made")
    given = parser.parse_args().index
    with tempfile.TemporaryDirectory() as folder:
        index = given or Path(folder) / "index.sqlite"
        if given is None:
            keys = sorted(parameters(select_resources((rows.RESOURCE,))))
            started = time.perf_counter()
            explorer_rows.make(index, keys)
            print(f"index made in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        failed = run(index, Path(folder) / "book.sqlite")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
