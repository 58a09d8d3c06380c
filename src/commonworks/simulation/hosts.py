"""Machines that run one role each: they lose power, come up again with what their disk kept, go on.

Goal: the roles' own code, started and ended as badly as machines do it. Rule: a role that is cut
off never gets another turn; its successor knows only the disk and the chain.
Invariant: an error that no operator could wait out (Corrupt, a broken invariant, anything outside
the error tree) is a finding, and the host stops.
"""

from __future__ import annotations

import asyncio
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from commonworks.agent import Agent, AgentSettings
from commonworks.agent.queue import QUEUE
from commonworks.crypto import cbor
from commonworks.crypto.cbor import decode_sequence
from commonworks.crypto.keys import PrivateKey
from commonworks.errors import CommonworksError, Corrupt, NotFound
from commonworks.gateway import Gateway, GatewaySettings, MemoryPositions
from commonworks.model import Network
from commonworks.ports import Chain, Clock, Keys, Transport
from commonworks.simulation.faults import DARK_S_MAX, Disk, Sky
from commonworks.simulation.store import PowerCut
from commonworks.simulation.transport import Answer, ask
from commonworks.statements.codec import Item
from commonworks.statements.model import MAX_ITEMS_PER_POST
from commonworks.translog.receipts import decode_receipt
from commonworks.transport.gateway_app import SUBMIT_PATH, GatewayApp
from commonworks.verifier.role import Verifier

OK: Final = 200
BROKEN: Final = 500
WAKE_S: Final = 300
"""How often a machine without power looks whether it came back early."""
NEVER: Final = 2**62
"""A time that does not come."""


@dataclass(slots=True)
class Record:
    """What an outside observer of one run has seen."""

    clock: Clock
    journal: list[str] = field(default_factory=list)
    """Every fault, restart and trouble, with its time."""
    findings: list[str] = field(default_factory=list)
    """Everything that must not happen."""
    acknowledged: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Statement -> (position in the log, when it was first acknowledged)."""
    restarts: int = 0

    def note(self, who: str, what: str) -> None:
        """Write a line into the journal."""
        self.journal.append(f"{self.clock.now()} {who}: {what}")

    def find(self, who: str, what: str) -> None:
        """Add a finding."""
        self.note(who, f"FINDING {what}")
        self.findings.append(f"{who}: {what}")


class HeldKeys:
    """The Keys port over keys in memory."""

    def __init__(self, keys: Mapping[str, PrivateKey]) -> None:
        self._keys = dict(keys)

    def signer(self, name: str) -> PrivateKey:
        """See `ports.Keys.signer`."""
        if name not in self._keys:
            raise NotFound(f"there is no key {name}")
        return self._keys[name]


class Host(ABC):
    """One machine."""

    def __init__(self, name: str, sky: Sky, record: Record, period: Callable[[], int]) -> None:
        """`period` says how long the role waits between two turns, network time."""
        self.name = name
        self.sky = sky
        self.record = record
        self.disk = Disk(sky, name)
        self.life = 0
        """How often the power went."""
        self.dark: list[tuple[int, int]] = []
        """When the role did not run after a power cut: from, until."""
        self._period = period
        self._dice = sky.dice(f"{name}'s power", 0)
        self._off_until = 0
        self._work: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def running(self) -> bool:
        """Whether the machine has power."""
        return self.sky.clock.now() >= self._off_until and not self.disk.simulated.plan.dead

    async def live(self) -> None:
        """Run until cancelled."""
        clock = self.sky.clock
        while not self._stopped:
            if clock.now() < self._off_until:
                await clock.sleep_until(min(self._off_until, clock.now() + WAKE_S))
                continue
            await self.turn()
            await clock.sleep_until(clock.now() + self._period())

    async def turn(self) -> None:
        """Start the role where it does not run, and let it do what is due."""
        life = self.life
        self._work = asyncio.ensure_future(self._run())
        try:
            await asyncio.wait({self._work})
        finally:
            self._work.cancel()
        if self.life == life and not self._work.cancelled():
            self._take(self._work.exception(), life)
        if self.up and self.dark and self.dark[-1][1] == NEVER:
            self.dark[-1] = (self.dark[-1][0], self.sky.clock.now())

    def cut(self, off_s: int = 0) -> None:
        """Cut the power now; it comes back after `off_s`, or after some minutes."""
        off_s = off_s or 1 + self._dice.below(DARK_S_MAX)
        now = self.sky.clock.now()
        self.life += 1
        self.record.restarts += 1
        self._off_until = now + off_s
        self.dark.append((now, NEVER))
        if self._work is not None:
            self._work.cancel()
        self._forget()
        survival = self.disk.reboot()
        self.record.note(self.name, f"power cut, {survival} survives, back in {off_s} s")

    def restore(self) -> None:
        """Cut the power and give it back at once, for the last look."""
        self.cut(1)
        self._off_until = 0

    def _take(self, error: BaseException | None, life: int) -> None:
        """Judge how a turn or an answer ended."""
        if error is None or self.life != life:
            return
        if isinstance(error, PowerCut):
            self.cut()
        elif isinstance(error, CommonworksError) and not isinstance(error, Corrupt):
            self.record.note(self.name, f"will try again: {error}")
        else:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
            self.record.find(self.name, f"stopped by {type(error).__name__} at {where}: {error}")
            self._stopped = True

    def was_up(self, start_s: int, end_s: int) -> bool:
        """Whether the role ran all the time from `start_s` to `end_s`."""
        return not any(start < end_s and until > start_s for start, until in self.dark)

    @property
    @abstractmethod
    def up(self) -> bool:
        """Whether the role runs."""

    @abstractmethod
    async def _run(self) -> None:
        """Do one turn."""

    @abstractmethod
    def _forget(self) -> None:
        """Drop the role: nothing of it outlives the power."""


class GatewayHost(Host):
    """A gateway and its server. Implements `transport.Server`."""

    def __init__(
        self,
        name: str,
        sky: Sky,
        record: Record,
        period: Callable[[], int],
        *,
        network: Network,
        chain: Chain,
        keys: Keys,
    ) -> None:
        super().__init__(name, sky, record, period)
        self.gateway: Gateway | None = None
        self._settings = GatewaySettings(name=name, network=network)
        self._chain = chain
        self._keys = keys
        self._positions = MemoryPositions()

    async def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Answer | None:
        """See `transport.Server.answer`. What it acknowledges is remembered."""
        gateway, life = self.gateway, self.life
        if gateway is None or self._stopped:
            return None
        try:
            status, said = await ask(GatewayApp(gateway), method, path, headers, body)
        except Exception as error:  # whatever it is: `_take` judges it
            self._take(error, life)
            return None
        if self.life != life:
            return None
        if status == BROKEN:
            self.record.find(self.name, f"answers 500: {said.decode(errors='replace')}")
        if status == OK and method == "POST" and path == SUBMIT_PATH:
            self._remember(body, said)
        return status, said

    async def _run(self) -> None:
        if self.gateway is None:
            gateway = await Gateway.open(
                settings=self._settings,
                store=self.disk.store,
                chain=self._chain,
                clock=self.sky.clock,
                keys=self._keys,
                positions=self._positions,
            )
            self._check_reopened(gateway)
            self.gateway = gateway
        await self.gateway.tick()

    @property
    def up(self) -> bool:
        """See `Host.up`."""
        return self.gateway is not None

    def _forget(self) -> None:
        self.gateway = None
        if self._dice.below(2):
            # The index is derived: it may be gone, or remember more than the disk does.
            self._positions = MemoryPositions()

    def _remember(self, body: bytes, said: bytes) -> None:
        items = decode_sequence(body, MAX_ITEMS_PER_POST)
        for raw, answer in zip(items, decode_sequence(said, len(items)), strict=True):
            index = _position(answer)
            if index is None:
                continue
            statement = Item.decode(raw).statement
            known = self.record.acknowledged.setdefault(statement, (index, self.sky.clock.now()))
            if known[0] != index:
                self.record.find(self.name, f"entry {known[0]} is acknowledged as {index} too")

    def _check_reopened(self, gateway: Gateway) -> None:
        size = gateway.status().size
        lost = [index for index, _ in self.record.acknowledged.values() if index >= size]
        if lost:
            self.record.find(
                self.name, f"starts with {size} entries, but acknowledged entry {max(lost)}"
            )


class VerifierHost(Host):
    """A verifier."""

    def __init__(
        self,
        name: str,
        sky: Sky,
        record: Record,
        period: Callable[[], int],
        *,
        make: Callable[[Host], Verifier],
    ) -> None:
        """`make` builds the role over the host's disk as it is now."""
        super().__init__(name, sky, record, period)
        self.verifier: Verifier | None = None
        self._make = make

    async def _run(self) -> None:
        if self.verifier is None:
            self.verifier = self._make(self)
        for trouble in await self.verifier.tick():
            self.record.note(self.name, f"trouble: {trouble.what}: {trouble.error}")
            if isinstance(trouble.error, Corrupt):
                self.record.find(self.name, f"{trouble.what}: {trouble.error}")

    @property
    def up(self) -> bool:
        """See `Host.up`."""
        return self.verifier is not None

    def _forget(self) -> None:
        self.verifier = None


class AgentHost(Host):
    """An agent, with the devices that speak through it.

    A device keeps what it said until its agent has taken it over durably: that is its own memory.
    """

    def __init__(
        self,
        name: str,
        sky: Sky,
        record: Record,
        period: Callable[[], int],
        *,
        settings: AgentSettings,
        transport: Transport,
        chain: Chain,
    ) -> None:
        super().__init__(name, sky, record, period)
        self.agent: Agent | None = None
        self.said: list[Item] = []
        """What the devices still hold."""
        self.said_at: dict[bytes, int] = {}
        """When a device said each statement."""
        self.kept: set[bytes] = set()
        """Statements that the agent took over and must keep until a closed range has them."""
        self._settings = settings
        self._transport = transport
        self._chain = chain
        self._batches: dict[str, tuple[bytes, frozenset[bytes]]] = {}

    def say(self, item: Item) -> None:
        """Let a device say something; the agent takes it over with its next turn."""
        self.said.append(item)
        self.said_at[item.statement] = self.sky.clock.now()

    def held(self) -> set[bytes]:
        """Return the statements that a process started now would find in the agent's queue."""
        found: set[bytes] = set()
        for path, data in self.disk.simulated.files().items():
            if path.startswith(QUEUE):
                known = self._batches.get(path)
                if known is None or known[0] != data:
                    known = self._batches[path] = (data, frozenset(_statements(data)))
                found |= known[1]
        return found

    async def _run(self) -> None:
        if self.agent is None:
            agent = Agent(
                settings=self._settings,
                transport=self._transport,
                clock=self.sky.clock,
                store=self.disk.store,
                keys=HeldKeys({}),
                chain=self._chain,
            )
            await agent.open()
            self.agent = agent
        if self.said:
            taken = list(self.said)
            await self.agent.enqueue(taken)
            self.kept.update(item.statement for item in taken)
            del self.said[: len(taken)]
        await self.agent.tick()

    @property
    def up(self) -> bool:
        """See `Host.up`."""
        return self.agent is not None

    def _forget(self) -> None:
        self.agent = None


def _statements(batch: bytes) -> list[bytes]:
    """Return the statements in a file of an agent's queue."""
    fields = cbor.decode(batch, tags=())
    if not isinstance(fields, list) or not isinstance(fields[1], list):
        return []
    return [row[0] for row in fields[1] if isinstance(row, list) and isinstance(row[0], bytes)]


def _position(answer: bytes) -> int | None:
    """Return the position that a receipt states; None for a refusal."""
    try:
        return decode_receipt(answer).index
    except CommonworksError:
        return None
