"""kill -9 of a gateway under load: whatever it acknowledged is in its log, at its place, once."""

from __future__ import annotations

import asyncio
import random
import sys
from itertools import count
from pathlib import Path

from commonworks.crypto.cbor import decode_sequence
from commonworks.errors import Unavailable
from commonworks.gateway import Gateway
from commonworks.statements.codec import Item
from commonworks.storage.files import FileStore
from commonworks.storage.index import SqliteIndex
from commonworks.translog.notes import open_checkpoint, parse_vkey
from commonworks.translog.tiles import HashReader
from commonworks.translog.tree import verify_consistency
from commonworks.transport import HttpTransport
from gateway_kit import asynchronous, checked_entries, device, files, open_gateway, receipt, report

ROUNDS = 4
WORKERS = 4
CHILD = Path(__file__).with_name("gateway_child.py")
KEY = device(1)


class Load:
    """What was sent, what was acknowledged, and the checkpoints seen, over all rounds."""

    def __init__(self, checker: Gateway) -> None:
        self.checker = checker
        self.numbers = count()
        self.unsure: list[Item] = []
        self.acknowledged: dict[bytes, int] = {}
        self.checkpoints: list[bytes] = []
        self.chance = random.Random(7)

    async def work(self, transport: HttpTransport, url: str) -> None:
        """Submit until nobody answers; what had no answer is sent again first."""
        while True:
            items = [self.unsure.pop() for _ in range(min(3, len(self.unsure)))]
            fresh = self.chance.randrange(1, 30)
            for number in (next(self.numbers) for _ in range(fresh)):
                items.append(report(KEY, number, sealed=number % 5 == 0))
            try:
                body = b"".join(item.encode() for item in items)
                status, answer = await transport.post(f"{url}/v1/statements", body)
                _, note = await transport.get(f"{url}/checkpoint", {})
            except Unavailable:
                self.unsure += items
                return
            assert status == 200
            self.checkpoints.append(note)
            for item, data in zip(items, decode_sequence(answer, 1000), strict=True):
                index = receipt(self.checker, data, item).index
                assert self.acknowledged.setdefault(item.statement, index) == index


async def one_round(load: Load, folder: Path) -> None:
    """Start the gateway, load it, and kill it in the middle of its work."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    url = (await child.stdout.readline()).decode().strip()
    assert url.startswith("http://"), "the gateway did not start"
    enough = len(load.acknowledged) + load.chance.randrange(1, 200)
    async with HttpTransport(timeout_s=20) as transport:
        workers = [asyncio.create_task(load.work(transport, url)) for _ in range(WORKERS)]
        while len(load.acknowledged) < enough:
            done, _ = await asyncio.wait(workers, timeout=0.001)
            assert not done, [task.result() for task in done]
        child.kill()
        await asyncio.gather(*workers)
    await child.wait()


@asynchronous
async def test_kill_nine_loses_nothing_acknowledged(tmp_path: Path) -> None:
    load = Load(await open_gateway(FileStore(tmp_path / "checker")))
    folder = tmp_path / "gateway"
    for _ in range(ROUNDS):
        await one_round(load, folder)
    assert len(load.acknowledged) >= ROUNDS

    store = FileStore(folder, exclusive=True)
    positions = SqliteIndex(folder / "state" / "index.sqlite")
    gateway = await open_gateway(store, devices=[KEY], positions=positions)
    stored = {path: data for path, data in (await files(store)).items() if "sqlite" not in path}
    entries = checked_entries(stored)
    assert len(set(entries)) == len(entries)
    for statement, index in load.acknowledged.items():
        assert entries[index] == statement
    key = parse_vkey(gateway.vkey)
    now = open_checkpoint(stored["log/checkpoint"], key)
    reader = HashReader(lambda path: stored.get(f"log/{path}"), now.size)
    for note in load.checkpoints:
        old = open_checkpoint(note, key)
        proof = reader.consistency_proof(old.size)
        assert verify_consistency(old.size, old.root, now.size, now.root, proof)
    for item in load.unsure:  # may have been logged or not; now it is, once
        (answer,) = await gateway.submit([item.encode()])
        receipt(gateway, answer, item)
    assert gateway.status().size == positions.size
    positions.close()
    store.close()
