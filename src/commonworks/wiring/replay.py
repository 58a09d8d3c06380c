"""A demo that runs: the replay of recorded days on nodes that are real, and what people see of it.

Rule: network time moves on only when every statement of the hour has its receipt. Invariant: one
seed gives one result; a replay that was cut off goes on where it was.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.agent import Agent
from commonworks.agent.service import SUBMIT_PATH
from commonworks.chain.members import Members
from commonworks.crypto.cbor import decode_sequence
from commonworks.errors import Conflict, InvalidInput, Unavailable
from commonworks.model import (
    Outcome,
    Settlement,
    Total,
)
from commonworks.settlement.payout import proof
from commonworks.simulation.actors import BEFORE_S, HOUR_S, Player, derive
from commonworks.statements.codec import Item, decode_statement
from commonworks.statements.model import Reason
from commonworks.units import DAY_S
from commonworks.wiring.cast import (
    signers,
)
from commonworks.wiring.clocks import ReplayClock
from commonworks.wiring.founding import (
    FOUNDER,
    RELAYER,
)
from commonworks.wiring.nodes import Nodes

AFTER_STEPS: Final = 8
"""Half-hours after the last day in which it settles and becomes claimable."""
HTTP_OK: Final = 200
REPLAYED: Final = "replayed"
"""File in a demo's folder: how many hours were said."""
PATIENCE: Final = 50
"""Rounds of delivery before an hour whose statements get no receipt is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLine:
    """What people see of one epoch."""

    settlement: Settlement
    tx: bytes
    """Transaction that finalised it."""
    rejected: Mapping[str, int]
    """Statements by reason."""
    reduced: Mapping[str, int]
    """Intervals of event time by reason why less than claimed was credited."""
    refused: Mapping[str, int]
    """Submissions that the gateway refused, by reason, since the epoch before."""
    repeated: int
    """Submissions that the gateway had already: answered with their original place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The claim that the demo makes on chain."""

    name: str
    account: bytes
    asset: bytes
    amount: int
    """In the asset's smallest unit."""
    tx: bytes


class Demo:
    """A demo that runs: nodes, agent, clock and the simulated world."""

    def __init__(self, nodes: Nodes, agent: Agent, players: Sequence[Player], days: int) -> None:
        self.nodes = nodes
        self.session = nodes.session
        self._days = days
        self.players = players
        self._agent = agent
        clock = self.session.clock
        if not isinstance(clock, ReplayClock):
            raise Conflict("a demo runs on its own clock")
        self.clock = clock
        self._signers = signers(self.session.home, self.session.network.network_id, players)
        self._shown = 0
        self._refused_before: Counter[str] = Counter()
        self._repeated_before = 0

    @property
    def start(self) -> int:
        """Start of epoch 0."""
        return self.session.network.genesis_time

    @property
    def end(self) -> int:
        """End of the last day of the replay."""
        return self.start + self._days * DAY_S

    async def prepare(self) -> None:
        """Log and anchor what must stand before the first epoch opens; adopt the site tables."""
        if self.clock.now() >= self.start:
            return
        time_s = self.start - BEFORE_S
        self.clock.set(time_s)
        await self.session.pass_time()
        for player in self.players:
            standing = self._signers.standing(player, time_s)
            await self._agent.enqueue([signed.item for signed in standing])
        await self._deliver()
        await self.nodes.round()
        await self._adopt_sites(time_s)
        self.clock.set(self.start)
        await self.session.pass_time()

    async def _adopt_sites(self, time_s: int) -> None:
        client = self.session.client()
        try:
            governance = Members(
                client.endpoints,
                self.session.deployment,
                self.session.home.account(FOUNDER),
            )
            for player in self.players:
                site = self._signers.site(player, time_s)
                if site is None:
                    continue
                decoded = decode_statement(site.statement, None)
                if isinstance(decoded, Reason):
                    raise InvalidInput(f"the site table of {player.resource.name} is {decoded}")
                await governance.adopt_site(
                    player.resource.name, derive(0, player.resource.name), decoded.identity
                )
        finally:
            await client.close()

    async def replay(
        self, speed: float, on_hour: Callable[[int, int], None]
    ) -> AsyncIterator[EpochLine]:
        """Play the days hour by hour; yield each epoch as it becomes final.

        `speed`: network seconds a second, 0 for as fast as receipts come. `on_hour(done, total)`.
        """
        hours = (self.end - self.start) // HOUR_S
        total = hours + AFTER_STEPS
        first = self._next_hour(hours)
        began, origin = time.monotonic(), self.start + first * HOUR_S
        for hour in range(first, total):
            at = self.start + hour * HOUR_S
            if hour < hours:
                await self._hour(at)
            else:
                self.clock.set(self.end + (hour - hours + 1) * HOUR_S // 2)
            await self.nodes.round()
            if hour < hours:
                self._note(hour + 1)  # after the round: a confirmation is due in this very hour
            for line in await self._finished():
                yield line
            on_hour(hour + 1, total)
            if speed:
                ahead = (self.clock.now() - origin) / speed - (time.monotonic() - began)
                await asyncio.sleep(max(0.0, ahead))

    def _next_hour(self, hours: int) -> int:
        """Return the hour to go on with: after a demo of fewer days the clock is past it."""
        try:
            return min(int((self.session.home.path / REPLAYED).read_text()), hours)
        except (OSError, ValueError):
            return max(0, (self.clock.now() - self.start) // HOUR_S - 1)

    def _note(self, hours: int) -> None:
        """Note that so many hours were said and have their receipts.

        Not synced: an older note only says some hours again, and what was said before is known.
        """
        note = self.session.home.path / REPLAYED
        fresh = note.with_name(f".{REPLAYED}.new")
        fresh.write_text(f"{hours}\n")
        fresh.replace(note)

    async def _hour(self, at: int) -> None:
        """Let every device say what the hour from `at` was, once it is over."""
        self.clock.set(at + HOUR_S)
        await self.session.pass_time()
        said = self._signers.said(at, at + HOUR_S)
        await self._agent.enqueue([signed.item for signed in said.own])
        await self._deliver()
        if said.hostile:
            await self._attack(said.hostile)

    async def _deliver(self) -> None:
        """Return when every statement has its receipt, or its refusal."""
        for _ in range(PATIENCE):
            await self._agent.tick()
            if not self._agent.unacknowledged:
                return
            await asyncio.sleep(0.1)
        raise Unavailable(
            f"{self._agent.unacknowledged} statements got no receipt",
            hint="is the gateway running? start again: the demo goes on where it was",
        )

    async def _attack(self, items: Sequence[Item]) -> None:
        """Submit what no honest agent would; the gateway refuses it, or knows it already."""
        url = self.nodes.gateway_url + SUBMIT_PATH
        body = b"".join(item.encode() for item in items)
        status, answer = await self.nodes.transport.post(url, body)
        if status != HTTP_OK or len(decode_sequence(answer, len(items))) != len(items):
            raise Unavailable(f"the gateway answered {len(items)} submissions with {status}")

    async def _finished(self) -> list[EpochLine]:
        """Return the epochs that became final since the last look."""
        lines = []
        view = self.nodes.verifier.view
        while self._shown in view.finalised:
            settled = await self.nodes.verifier.settlement(self._shown)
            if settled is None:
                break
            status = self.nodes.gateway.status()
            refused, repeated = Counter(status.refusals), status.duplicates
            lines.append(
                EpochLine(
                    settlement=settled,
                    tx=view.finalised[self._shown].at.tx,
                    rejected=reasons(settled),
                    reduced=Counter(
                        str(item.reason) for part in settled.resources for item in part.intervals
                    ),
                    refused=refused - self._refused_before,
                    repeated=repeated - self._repeated_before,
                )
            )
            self._refused_before, self._repeated_before = refused, repeated
            self._shown += 1
        return lines

    async def claim(self, names: Mapping[bytes, str], settled: Settlement) -> Claim | None:
        """Push the claim of the member that earned most, token first, else currency."""
        network = self.session.network
        members = [
            t
            for t in settled.payouts
            if t.earned and t.account in names and t.asset in (network.token, network.currency)
        ]
        if not members:
            return None
        best = max(members, key=lambda t: (t.asset == network.token, t.earned, t.account))
        leaf, siblings = proof(settled.payouts, best.asset, best.account)
        client = self.session.client()
        try:
            relayer = Members(
                client.endpoints, self.session.deployment, self.session.home.account(RELAYER)
            )
            books = await relayer.vault_account(best.asset, best.account)
            if books.claimed >= leaf.earned:
                return None
            paid = await relayer.claim(leaf, siblings)
        finally:
            await client.close()
        return Claim(
            name=names[best.account],
            account=best.account,
            asset=best.asset,
            amount=paid.amount,
            tx=paid.tx,
        )

    def earnings(self, settled: Settlement) -> list[tuple[bytes, int, int]]:
        """Return (account, currency earned, token earned) of everybody, richest first."""
        network = self.session.network
        rows: dict[bytes, list[int]] = {}
        for total in settled.payouts:
            row = rows.setdefault(total.account, [0, 0])
            row[total.asset == network.token] += _earned(total)
        ranked = sorted(rows.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
        return [(account, *row) for account, row in ranked if any(row)]  # type: ignore[misc]


def _earned(total: Total) -> int:
    return total.earned


def reasons(settled: Settlement) -> Counter[str]:
    """Return how many statements an epoch rejected, by reason."""
    return Counter(
        str(verdict.reason) for verdict in settled.verdicts if verdict.outcome is Outcome.REJECTED
    )


def savings_micro(settled: Sequence[Settlement]) -> int:
    """Return what local trade saved over epochs, as far as the resources say so."""
    return sum(part.summary.get("savings_micro", 0) for one in settled for part in one.resources)
