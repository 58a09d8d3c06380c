"""What gateways and verifiers did, out of chain events alone: what their share of the emission
goes by.

An epoch counts in the epoch within which it was finalised, whenever that is: late ones together,
one that never finalises never. No log position, clock or message plays a part, so every verifier
finds the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from commonworks.events import (
    Attested,
    Bonded,
    Closed,
    Confirmed,
    Event,
    Finalised,
    GatewayRegistered,
    ParameterDefined,
    ParameterSet,
    Range,
    StakeChanged,
    UnbondingStarted,
)
from commonworks.model import Network, Role, Service

GATEWAY_BOND_MIN = b"gateway_bond_min".ljust(32, b"\0")
"""Policy key of the smallest bond with which a gateway shares in the emission."""


Steps = Mapping[type[Event], Callable[[Any], None]]
"""What each kind of event does to a fold."""


class ServiceFold:
    """The running fold over what concerns nodes, fed in chain order by its `steps`.

    Only events from before the epoch's end may come.
    """

    def __init__(self, network: Network, epoch: int) -> None:
        self._network = network
        self._epoch = epoch
        self.start = network.epoch_start(epoch) if epoch else 0
        """Where the epoch's window begins: at the chain's own beginning for the first."""
        self._bond_min: int | None = None
        self._bonds: defaultdict[bytes, int] = defaultdict(int)
        self._operators: dict[bytes, bytes] = {}
        """Log id -> operator."""
        self._stakes: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
        """Verifier -> (time, stake from then on), by time."""
        self._confirmed: defaultdict[int, list[bytes]] = defaultdict(list)
        self._attested: defaultdict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        self._ranges: dict[int, tuple[Range, ...]] = {}
        self._verifiers: defaultdict[bytes, int] = defaultdict(int)
        self._logs: defaultdict[bytes, int] = defaultdict(int)

        self.steps: Steps = {
            Confirmed: self._confirm,
            Attested: self._attest,
            Closed: self._close,
            Finalised: self._finalise,
            StakeChanged: self._stake,
            Bonded: self._bond,
            UnbondingStarted: self._unbond,
            GatewayRegistered: self._register,
            ParameterDefined: self._govern,
            ParameterSet: self._govern,
        }

    def services(self) -> tuple[Service, ...]:
        """Return what each node did, sorted by (role, account); without weight there is no row."""
        gateways: defaultdict[bytes, int] = defaultdict(int)
        for log_id, count in self._logs.items():
            operator = self._operators.get(log_id)
            if operator is not None and self._is_bonded(operator):
                gateways[operator] += count
        by_role = ((Role.GATEWAY, gateways), (Role.VERIFIER, self._verifiers))
        return tuple(
            Service(role=role, account=account, weight=weight)
            for role, weights in by_role
            for account, weight in sorted(weights.items())
            if weight > 0
        )

    def _is_bonded(self, operator: bytes) -> bool:
        return self._bond_min is not None and self._bonds[operator] >= self._bond_min

    def _confirm(self, event: Confirmed) -> None:
        self._confirmed[event.epoch].append(event.verifier)

    def _attest(self, event: Attested) -> None:
        self._attested[event.epoch].append((event.verifier, event.digest))

    def _close(self, event: Closed) -> None:
        self._ranges[event.epoch] = event.ranges

    def _stake(self, event: StakeChanged) -> None:
        self._stakes[event.operator].append((event.at.time, event.stake))

    def _bond(self, event: Bonded) -> None:
        self._bonds[event.operator] += event.amount

    def _unbond(self, event: UnbondingStarted) -> None:
        self._bonds[event.operator] -= event.amount

    def _register(self, event: GatewayRegistered) -> None:
        self._operators[event.log_id] = event.operator

    def _govern(self, event: ParameterDefined | ParameterSet) -> None:
        if event.key == GATEWAY_BOND_MIN and event.from_epoch <= self._epoch:
            self._bond_min = event.value

    def _finalise(self, event: Finalised) -> None:
        """Count who served an epoch, and forget it: nothing about it can follow."""
        confirmed = self._confirmed.pop(event.epoch, [])
        attested = self._attested.pop(event.epoch, [])
        ranges = self._ranges.pop(event.epoch, ())
        if not self._counts(event):
            return
        right = [verifier for verifier, digest in attested if digest == event.digest]
        for verifier in (*confirmed, *right):
            self._verifiers[verifier] += self._stake_at(verifier, event.epoch)
        for part in ranges:
            if part.size > part.first:
                self._logs[part.log_id] += 1

    def _counts(self, event: Finalised) -> bool:
        return event.at.time >= self.start

    def _stake_at(self, verifier: bytes, epoch: int) -> int:
        """Return a verifier's stake after the last block before the end of `epoch`."""
        history = self._stakes.get(verifier, [])
        end = self._network.epoch_start(epoch + 1)
        position = bisect_left(history, end, key=lambda change: change[0])
        return history[position - 1][1] if position else 0
