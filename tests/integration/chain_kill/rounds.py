"""Rounds of load and SIGKILL: `python -m chain_kill.rounds --rounds 50 --seed 1`.

Each round starts the chain in a process of its own, sends transactions from several accounts at
once, kills the supervisor, anvil, or both at a random moment, starts again, and checks:

1. every acknowledged transaction is in exactly one block;
2. every block that was ever seen is there again, with the same hash;
3. no transaction that nobody sent is there; sending an uncertain one again settles it.
"""

from __future__ import annotations

import argparse
import asyncio
import enum
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp

from chain_kill.client import Client, RpcError, account, sign
from commonworks.chain.embedded import find_anvil

SENDERS = 5
EXIT_TIMEOUT_S = 30
TESTS = Path(__file__).parents[1]


class Victim(enum.Enum):
    """Who is killed, and when."""

    SUPERVISOR = "supervisor"
    ANVIL = "anvil"
    BOTH = "both"
    START = "supervisor, again while it starts"
    NOBODY = "nobody: a clean exit"


@dataclass(kw_only=True, slots=True)
class History:
    """What the outside world was told."""

    sent: dict[str, str] = field(default_factory=dict)
    """Raw transaction by hash, once it was acknowledged."""
    blocks: dict[int, str] = field(default_factory=dict)
    """Hash of each block that was ever seen."""
    uncertain: dict[int, str] = field(default_factory=dict)
    """Sender number to the raw transaction whose answer never came."""
    nonces: list[int] = field(default_factory=lambda: [0] * SENDERS)
    """The next nonce of each sender."""
    kills: dict[Victim, int] = field(default_factory=dict)
    """How often each victim was chosen."""
    recoveries: list[dict[str, Any]] = field(default_factory=list)
    """What each start found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What is run."""

    folder: Path
    """Where the chain keeps its files."""
    anvil: Path
    """The anvil executable."""
    program: str = "child"
    """Which module of this package runs the chain."""


async def spawn(setup: Setup) -> asyncio.subprocess.Process:
    """Start the process that runs the chain, without waiting for it."""
    module = f"{__package__}.{setup.program}"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(setup.folder), str(setup.anvil)),
        stdout=asyncio.subprocess.PIPE,
        cwd=TESTS,
    )


class Child:
    """A running chain process."""

    def __init__(self, process: asyncio.subprocess.Process, told: dict[str, Any]) -> None:
        self.process = process
        self.endpoint: str = told["endpoint"]
        self.anvil: int = told["anvil"]
        self.recovery: dict[str, Any] = told["recovery"]

    @classmethod
    @asynccontextmanager
    async def serve(cls, setup: Setup) -> AsyncIterator[Child]:
        """Start the process and wait until it serves; nothing of it is left behind."""
        process = await spawn(setup)
        try:
            assert process.stdout is not None
            line = await process.stdout.readline()
            assert line, f"the chain did not start: exit code {await process.wait()}"
            yield cls(process, json.loads(line))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def ended(self, how: signal.Signals) -> None:
        """Send a signal to the supervisor; return when it and all its children are gone."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()  # noqa: ASYNC240
        self.process.send_signal(how)
        async with asyncio.timeout(EXIT_TIMEOUT_S):
            await self.process.wait()
            while any(_is_running(int(child)) for child in children):  # noqa: ASYNC110
                await asyncio.sleep(0.001)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def _load(client: Client, history: History, number: int, dice: random.Random) -> None:
    """Send one account's transactions, each after the answer to the one before, until the end."""
    signer = account(number)
    while True:
        raw = history.uncertain.get(number)
        if raw is None:
            data = dice.randbytes(dice.choice((0, 7, 200, 9_000)))
            raw = sign(signer, history.nonces[number], data=data)
        history.uncertain[number] = raw
        try:
            identity = await client.send(raw)
        except (aiohttp.ClientError, OSError, TimeoutError, RpcError):
            return
        history.sent[identity] = raw
        history.nonces[number] += 1
        del history.uncertain[number]


async def _watch(client: Client, history: History) -> None:
    """Remember each block that is shown while the load runs."""
    while True:
        try:
            block = await client.call("eth_getBlockByNumber", "latest", False)
        except (aiohttp.ClientError, OSError, TimeoutError, RpcError):
            return
        number = int(block["number"], 16)
        assert history.blocks.setdefault(number, block["hash"]) == block["hash"]


async def _check(client: Client, history: History) -> None:
    for number, raw in sorted(history.uncertain.items()):
        identity = await client.send(raw)
        history.sent[identity] = raw
        history.nonces[number] += 1
    history.uncertain.clear()
    for identity in history.sent:
        known = await client.call("eth_getTransactionByHash", identity)
        assert known is not None, f"acknowledged transaction {identity} is lost"
        await client.receipt(identity)
    blocks = await client.blocks()
    hashes = {number: block["hash"] for number, block in enumerate(blocks)}
    for number, seen in history.blocks.items():
        assert hashes.get(number) == seen, f"block {number} was {seen}, is {hashes.get(number)}"
    for parent, block in pairwise(blocks):
        assert block["parentHash"] == parent["hash"]
    mined = [identity for block in blocks for identity in block["transactions"]]
    assert sorted(mined) == sorted(history.sent), "each acknowledged transaction once, no other"
    history.blocks = hashes


async def _acknowledged(history: History, count: int, load: list[asyncio.Task[None]]) -> None:
    """Wait until `count` transactions are acknowledged, or nobody sends any more."""
    while len(history.sent) < count and not all(t.done() for t in load):  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def _round(setup: Setup, history: History, victim: Victim, dice: random.Random) -> None:
    history.kills[victim] = history.kills.get(victim, 0) + 1
    async with Child.serve(setup) as child, Client(child.endpoint) as client:
        history.recoveries.append(child.recovery)
        await _check(client, history)
        load = [
            asyncio.create_task(_load(client, history, number, random.Random(dice.random())))
            for number in range(SENDERS)
        ]
        watch = asyncio.create_task(_watch(client, history))
        await _acknowledged(history, len(history.sent) + dice.randrange(1, 150), load)
        # Not a wait for anything: it moves the kill to any point of the work in between.
        await asyncio.sleep(dice.random() * 0.02)
        if victim in (Victim.ANVIL, Victim.BOTH):
            os.kill(child.anvil, signal.SIGKILL)
        if victim is Victim.ANVIL:
            before = len(history.sent)
            await _acknowledged(history, before + 20, load)
            assert len(history.sent) >= before + 20, "the chain goes on without its first anvil"
        await child.ended(signal.SIGTERM if victim is Victim.NOBODY else signal.SIGKILL)
        await asyncio.gather(*load, watch)
    if victim is Victim.START:
        process = await spawn(setup)
        await asyncio.sleep(dice.random() * 1.0)
        process.kill()
        await process.wait()


async def run_rounds(setup: Setup, rounds: int, seed: int) -> History:
    """Run the rounds and a last check; AssertionError says what was lost."""
    dice = random.Random(seed)
    history = History()
    victims: list[Victim] = []
    for _ in range(rounds):
        victims = victims or dice.sample(list(Victim), len(Victim))
        await _round(setup, history, victims.pop(), dice)
    async with Child.serve(setup) as child, Client(child.endpoint) as client:
        history.recoveries.append(child.recovery)
        await _check(client, history)
        await child.ended(signal.SIGTERM)
    return history


def main() -> None:
    """Run from the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(folder=Path(folder), anvil=find_anvil(None))
        history = asyncio.run(run_rounds(setup, arguments.rounds, arguments.seed))
    print(f"{arguments.rounds} rounds in {time.monotonic() - started:.0f} s")
    print(f"{len(history.sent)} acknowledged transactions, each in exactly one block")
    print(f"{len(history.blocks)} blocks, every hash as first seen")
    for victim, count in sorted(history.kills.items(), key=lambda item: item[0].value):
        print(f"  killed {count:3} times: {victim.value}")
    torn = sum(1 for recovery in history.recoveries if recovery["torn_bytes"])
    snapshots = sum(1 for recovery in history.recoveries if recovery["snapshot"] is not None)
    pending = sum(recovery["pending"] for recovery in history.recoveries)
    longest = max(recovery["seconds"] for recovery in history.recoveries)
    print(f"torn tails cut: {torn}; starts from a snapshot: {snapshots}")
    print(f"acknowledged but unmined at a kill: {pending}; longest recovery {longest:.2f} s")


if __name__ == "__main__":
    main()
