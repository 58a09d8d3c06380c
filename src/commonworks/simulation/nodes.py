"""Model of Nodes: gateways and verifiers, their keys, and what they have at stake."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from commonworks.events import (
    Bonded,
    GatewayRegistered,
    StakeChanged,
    Unbonded,
    UnbondingStarted,
    VerifierRegistered,
)
from commonworks.simulation.blocks import Blocks, refuse
from commonworks.simulation.governance import PolicyModel
from commonworks.simulation.token import Erc20

VERIFIERS_MAX: Final = 64
"""Most accounts that have a verifier's stake at one time."""

NAME_MAX: Final = 64
"""Longest node name, bytes."""

TEXT_MAX: Final = 256
"""Longest origin or endpoint, bytes."""


class NodesModel:
    """Gateways, verifiers and their bonds; stakes at any past second."""

    def __init__(
        self, blocks: Blocks, *, address: bytes, bond_asset: Erc20, policy: PolicyModel
    ) -> None:
        self._blocks = blocks
        self._address = address
        self._bond_asset = bond_asset
        self._policy = policy
        self._operators: dict[bytes, bytes] = {}
        self._logs: dict[bytes, bytes] = {}
        self._verifiers: set[bytes] = set()
        self._bonds: dict[bytes, int] = defaultdict(int)
        self._leaving: dict[bytes, tuple[int, int]] = {}
        self._stakes: dict[bytes, dict[int, int]] = defaultdict(dict)
        self._totals: dict[int, int] = {}

    def operator_of(self, log_id: bytes) -> bytes | None:
        """Return the operator of the gateway that keeps a log."""
        return self._operators.get(log_id)

    def stake_now(self, operator: bytes) -> int:
        """Return a verifier's stake now."""
        return _latest(self._stakes[operator])

    def stake_at(self, operator: bytes, time_s: int) -> int:
        """Return a verifier's stake after the last block up to `time_s`, which must be past."""
        self._require_past(time_s)
        return _at(self._stakes[operator], time_s)

    def total_stake_at(self, time_s: int) -> int:
        """Return the sum of all stakes after the last block up to `time_s`."""
        self._require_past(time_s)
        return _at(self._totals, time_s)

    def register_gateway(
        self,
        sender: bytes,
        *,
        name: str,
        origin: str,
        endpoint: str,
        log_id: bytes,
        note_key: bytes,
        receipt_key: bytes,
    ) -> None:
        """Declare the sender's gateway and its log."""
        if log_id == bytes(32):
            raise refuse("ZeroLogId")
        if sender in self._logs:
            raise refuse("GatewayExists", operator=sender, logId=self._logs[sender])
        if log_id in self._operators:
            raise refuse("LogTaken", logId=log_id, operator=self._operators[log_id])
        for text, maximum in ((name, NAME_MAX), (origin, TEXT_MAX), (endpoint, TEXT_MAX)):
            _require_short(text, maximum)
        for key, length in ((note_key, 32), (receipt_key, 64)):
            if len(key) != length:
                raise refuse("WrongKeyLength", length=len(key), expected=length)
        self._logs[sender] = log_id
        self._operators[log_id] = sender
        self._blocks.emit(
            GatewayRegistered(
                at=self._blocks.here(),
                operator=sender,
                name=name,
                origin=origin,
                endpoint=endpoint,
                log_id=log_id,
                note_key=note_key,
                receipt_key=receipt_key,
            )
        )

    def register_verifier(self, sender: bytes, *, name: str, endpoint: str) -> None:
        """Declare the sender's verifier; its bond counts from now on, if it is large enough."""
        if sender in self._verifiers:
            raise refuse("VerifierExists", operator=sender)
        _require_short(name, NAME_MAX)
        _require_short(endpoint, TEXT_MAX)
        stake = self._stake_for(sender, self._bonds[sender], registered=True)
        self._verifiers.add(sender)
        self._blocks.emit(
            VerifierRegistered(
                at=self._blocks.here(), operator=sender, name=name, endpoint=endpoint
            )
        )
        self._set_stake(sender, stake)

    def bond(self, sender: bytes, amount: int) -> None:
        """Add to the sender's bond, out of its allowance for this contract."""
        if amount == 0:
            raise refuse("ZeroAmount")
        stake = self._stake_for(sender, self._bonds[sender] + amount)
        self._bond_asset.transfer_from(self._address, sender, self._address, amount)
        self._bonds[sender] += amount
        self._blocks.emit(Bonded(at=self._blocks.here(), operator=sender, amount=amount))
        self._set_stake(sender, stake)

    def start_unbonding(self, sender: bytes, amount: int) -> None:
        """Take an amount out of the sender's bond; it stops counting at once."""
        if amount == 0:
            raise refuse("ZeroAmount")
        bonded = self._bonds[sender]
        if amount > bonded:
            raise refuse("BondTooSmall", operator=sender, requested=amount, bonded=bonded)
        leaving, ready_before = self._leaving.get(sender, (0, 0))
        ready_at = max(self._blocks.time + self._policy.value("unbonding_s"), ready_before)
        stake = self._stake_for(sender, bonded - amount)
        self._bonds[sender] = bonded - amount
        self._leaving[sender] = (leaving + amount, ready_at)
        self._blocks.emit(
            UnbondingStarted(
                at=self._blocks.here(), operator=sender, amount=amount, ready_at=ready_at
            )
        )
        self._set_stake(sender, stake)

    def finish_unbonding(self, sender: bytes) -> None:
        """Pay the sender everything that is leaving, once it is ready."""
        if sender not in self._leaving:
            raise refuse("NothingUnbonding", operator=sender)
        amount, ready_at = self._leaving[sender]
        if self._blocks.time < ready_at:
            raise refuse("StillUnbonding", operator=sender, readyAt=ready_at)
        self._bond_asset.transfer(self._address, sender, amount)
        del self._leaving[sender]
        self._blocks.emit(Unbonded(at=self._blocks.here(), operator=sender, amount=amount))

    def refresh_stake(self, operator: bytes) -> None:
        """Apply the minimum bond now in force to an operator's stake."""
        self._set_stake(operator, self._stake_for(operator, self._bonds[operator]))

    def _stake_for(self, operator: bytes, bonded: int, *, registered: bool = False) -> int:
        """Return the stake that a bond gives; refuse one verifier too many."""
        if not registered and operator not in self._verifiers:
            return 0
        stake = 0 if bonded < self._policy.value("verifier_bond_min") else bonded
        others = sum(
            1 for other, past in self._stakes.items() if other != operator and _latest(past) > 0
        )
        if stake > 0 and others >= VERIFIERS_MAX:
            raise refuse("VerifierSetFull", maximum=VERIFIERS_MAX)
        return stake

    def _set_stake(self, operator: bytes, stake: int) -> None:
        before = _latest(self._stakes[operator])
        if stake == before:
            return
        total = _latest(self._totals) - before + stake
        self._totals[self._blocks.time] = total
        self._stakes[operator][self._blocks.time] = stake
        self._blocks.emit(
            StakeChanged(at=self._blocks.here(), operator=operator, stake=stake, total=total)
        )

    def _require_past(self, time_s: int) -> None:
        if time_s >= self._blocks.time:
            raise refuse("FutureLookup", time=time_s, currentTime=self._blocks.time)


def _require_short(text: str, maximum: int) -> None:
    length = len(text.encode())
    if length > maximum:
        raise refuse("TextTooLong", length=length, maximum=maximum)


def _latest(history: dict[int, int]) -> int:
    """Return the newest value of a history; times are inserted in ascending order."""
    return history[next(reversed(history))] if history else 0


def _at(history: dict[int, int], time_s: int) -> int:
    return next((history[time] for time in reversed(history) if time <= time_s), 0)
