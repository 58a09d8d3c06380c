"""How fast one gateway logs, over HTTP and onto a real disk, beside what no gateway could beat.

The ceiling is one core that decodes statements and checks their signatures and does nothing else.
The ratio is what is left of it when every statement is also hashed into the log, made durable,
published, and answered with a receipt over HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import require
from commonworks.gateway import NOTE_KEY, Gateway, GatewaySettings
from commonworks.model import (
    Network,
)
from commonworks.statements.codec import Item, decode_statement, sign_record, verify_signature
from commonworks.statements.model import Column, DType, Kind, Reason, Schema, Signer
from commonworks.storage.files import FileStore
from commonworks.storage.index import SqliteIndex
from commonworks.transport import GatewayApp, HttpTransport, serve

GENESIS_S = 1_700_000_000
READINGS_PER_REPORT = 96
NETWORK = Network(
    network_id=sha256(b"bench"),
    genesis_time=GENESIS_S,
    epoch_length_s=86_400,
    token=bytes(20),
    currency=bytes(20),
    currency_code="TST",
    initial_emission_wei=0,
    treasury=bytes(20),
)
SCHEMA = Schema(
    kind=Kind.REPORT,
    columns=(
        Column(name="a_mm", dtype=DType.U64, minimum=0, maximum=2**40, description="one"),
        Column(name="b_mm", dtype=DType.U64, minimum=0, maximum=2**40, description="other"),
    ),
    max_rows=1_000,
    sealed=True,
    signer=Signer.DEVICE,
    description="two columns",
    equal_length=True,
)


class Keys:
    """Two fixed keys."""

    def signer(self, name: str) -> PrivateKey:
        """Return the note key or the receipt key."""
        algorithm = Algorithm.EDDSA if name == NOTE_KEY else Algorithm.ES256
        return PrivateKey.from_seed(algorithm, bytes([1]) * 32)


class StoppedClock:
    """Network time that stands still."""

    def now(self) -> int:
        """Return genesis."""
        return GENESIS_S

    async def sleep_until(self, time_s: int) -> None:
        """Do not wait."""


def reports(key: PrivateKey, first: int, count: int) -> list[Item]:
    """Return sealed reports with two columns of 96 readings each."""
    rows = list(range(READINGS_PER_REPORT))
    return [
        sign_record(
            key,
            Kind.REPORT,
            NETWORK.network_id,
            "bench",
            GENESIS_S + number,
            {"a_mm": rows, "b_mm": rows},
            SCHEMA,
            salt=sha256(b"%d" % number)[:16],
        )
        for number in range(first, first + count)
    ]


def ceiling(key: PrivateKey, items: Sequence[Item]) -> float:
    """Return statements per second when they are only decoded and verified."""
    started = time.perf_counter()
    for item in items:
        statement = decode_statement(item.statement, item.preimage)
        require(not isinstance(statement, Reason), "the bench signs what decodes")
        require(verify_signature(statement, key.public), "and what verifies")  # type: ignore[arg-type]
    return len(items) / (time.perf_counter() - started)


async def ingest(url: str, items: Sequence[Item], *, batch: int, clients: int) -> float:
    """Return statements per second over HTTP in posts of `batch`, from several clients at once."""
    bodies = [
        b"".join(item.encode() for item in items[at : at + batch])
        for at in range(0, len(items), batch)
    ]

    async def client(transport: HttpTransport) -> None:
        while bodies:
            status, _ = await transport.post(f"{url}/v1/statements", bodies.pop())
            require(status == 200, f"the gateway answered {status}")

    async with HttpTransport() as transport:
        started = time.perf_counter()
        await asyncio.gather(*(client(transport) for _ in range(clients)))
        return len(items) / (time.perf_counter() - started)


async def run(count: int, say: Callable[[str], None]) -> None:
    """Measure on Ed25519 and on P-256 devices."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        store = FileStore(folder, exclusive=True)
        positions = SqliteIndex(Path(folder) / "state" / "index.sqlite")
        gateway = await Gateway.open(
            settings=GatewaySettings(name="b", network=NETWORK, statements_per_hour_max=10**9),
            store=store,
            chain=None,
            clock=StoppedClock(),
            keys=Keys(),
            positions=positions,
        )
        first = 0
        async with serve(GatewayApp(gateway)) as url:
            for algorithm in (Algorithm.EDDSA, Algorithm.ES256):
                key = PrivateKey.from_seed(algorithm, bytes([2]) * 32)
                gateway.admit({key.public.thumbprint: key.public})
                for batch, clients in ((1_000, 2), (100, 4), (1, 32)):
                    items = reports(key, first, count if batch > 1 else count // 10)
                    first += len(items)
                    best = ceiling(key, items)
                    rate = await ingest(url, items, batch=batch, clients=clients)
                    say(
                        f"{algorithm.name:6} {batch:5} a post, {clients:2} clients: "
                        f"{rate:6.0f} statements/s; decode and verify alone {best:6.0f}/s; "
                        f"ratio {rate / best:.2f}"
                    )
        positions.close()
        store.close()


def main() -> None:
    """Print one line per algorithm and batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="statements per measurement")
    asyncio.run(run(parser.parse_args().count, print))


if __name__ == "__main__":
    main()
