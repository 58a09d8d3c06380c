"""Models of what governs: who may act as owner, the Policy contract, the guardian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode

from commonworks.crypto.hashes import keccak256
from commonworks.events import (
    ParameterDefined,
    ParameterSet,
)
from commonworks.simulation.blocks import Blocks, refuse
from commonworks.stops import GuardianAppointed, GuardianHalted
from commonworks.units import DAY_S

TERM_MAX_S: Final = 365 * DAY_S
"""Longest term of a guardian's office."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A governed number at genesis."""

    key: bytes
    """ASCII, left-aligned in 32 bytes."""
    value: int
    minimum: int
    maximum: int


class Governed:
    """What governance owns: the timelock for ever, the founder besides it until genesis."""

    def __init__(self, blocks: Blocks, *, owner: bytes, founder: bytes, founding_ends: int) -> None:
        self._blocks = blocks
        self.owner = owner
        self.founder = founder
        self.founding_ends = founding_ends

    def _only_owner(self, sender: bytes) -> None:
        if sender == self.founder and self._blocks.time < self.founding_ends:
            return
        if sender != self.owner:
            raise refuse("OwnableUnauthorizedAccount", account=sender)


class PolicyModel(Governed):
    """Parameters with bounds; every change takes effect when an epoch opens."""

    def __init__(
        self,
        blocks: Blocks,
        *,
        owner: bytes,
        founder: bytes,
        genesis_time: int,
        epoch_length_s: int,
        parameters: Sequence[Parameter],
    ) -> None:
        super().__init__(blocks, owner=owner, founder=founder, founding_ends=genesis_time)
        self.genesis_time = genesis_time
        self.epoch_length_s = epoch_length_s
        self._bounds: dict[bytes, tuple[int, int]] = {}
        self._values: dict[bytes, dict[int, int]] = {}
        self._hashes: dict[int, bytes] = {}
        self._tip = bytes(32)
        for parameter in parameters:
            self._define(parameter, from_epoch=0)

    def current_epoch(self) -> int:
        """Return the epoch of the present block; 0 before genesis."""
        return max(0, (self._blocks.time - self.genesis_time) // self.epoch_length_s)

    def epoch_end(self, epoch: int) -> int:
        """Return the first second after `epoch`."""
        return self.genesis_time + (epoch + 1) * self.epoch_length_s

    def value_at(self, name: str, epoch: int) -> int:
        """Return the value of a parameter in force for `epoch`."""
        key = name.encode().ljust(32, b"\0")
        history = self._values.get(key, {})
        starts = [start for start in history if start <= epoch]
        if not starts:
            raise refuse("NotDefined", key=key, epoch=epoch)
        return history[max(starts)]

    def value(self, name: str) -> int:
        """Return the value of a parameter in force now."""
        return self.value_at(name, self.current_epoch())

    def history(self, name: str) -> list[tuple[int, int]]:
        """Return (epoch from which it holds, value) of a parameter, by epoch."""
        return sorted(self._values.get(name.encode().ljust(32, b"\0"), {}).items())

    def bounds(self, name: str) -> tuple[int, int]:
        """Return the smallest and the largest value that a parameter can have."""
        key = name.encode().ljust(32, b"\0")
        if key not in self._bounds:
            raise refuse("NotDefined", key=key, epoch=self.current_epoch())
        return self._bounds[key]

    def hash_at(self, epoch: int) -> bytes:
        """Return the rolling hash over the changes in force for `epoch`."""
        starts = [start for start in self._hashes if start <= epoch]
        return self._hashes[max(starts)] if starts else bytes(32)

    def define(self, sender: bytes, parameter: Parameter) -> None:
        """Bring a new parameter into being when the next epoch opens."""
        self._only_owner(sender)
        self._define(parameter, self._next_epoch())

    def set(self, sender: bytes, key: bytes, value: int) -> None:
        """Change a parameter when the next epoch opens."""
        self._only_owner(sender)
        from_epoch = self._next_epoch()
        if key not in self._values:
            raise refuse("NotDefined", key=key, epoch=from_epoch)
        self._require_within(key, value, *self._bounds[key])
        self._values[key][from_epoch] = value
        self._extend(from_epoch, ["bytes32", "int256"], [key, value])
        self._blocks.emit(
            ParameterSet(at=self._blocks.here(), key=key, value=value, from_epoch=from_epoch)
        )

    def _define(self, parameter: Parameter, from_epoch: int) -> None:
        key, value = parameter.key, parameter.value
        minimum, maximum = parameter.minimum, parameter.maximum
        if key == bytes(32):
            raise refuse("EmptyKey")
        if key in self._values:
            raise refuse("AlreadyDefined", key=key)
        self._require_within(key, value, minimum, maximum)
        self._bounds[key] = (minimum, maximum)
        self._values[key] = {from_epoch: value}
        types = ["bytes32", "int256", "int256", "int256"]
        self._extend(from_epoch, types, [key, value, minimum, maximum])
        self._blocks.emit(
            ParameterDefined(
                at=self._blocks.here(),
                key=key,
                value=value,
                minimum=minimum,
                maximum=maximum,
                from_epoch=from_epoch,
            )
        )

    def _extend(self, from_epoch: int, types: list[str], change: list[object]) -> None:
        """Hash one more change onto the history."""
        words = ["bytes32", *types, "uint64"]
        self._tip = keccak256(encode(words, [self._tip, *change, from_epoch]))
        self._hashes[from_epoch] = self._tip

    def _next_epoch(self) -> int:
        return 0 if self._blocks.time < self.genesis_time else self.current_epoch() + 1

    @staticmethod
    def _require_within(key: bytes, value: int, minimum: int, maximum: int) -> None:
        if not minimum <= value <= maximum:
            raise refuse("OutOfBounds", key=key, value=value, min=minimum, max=maximum)


class GuardianModel(Governed):
    """Who may stop a root in its hold, how often, and for how long a term."""

    def __init__(
        self,
        blocks: Blocks,
        *,
        address: bytes,
        owner: bytes,
        founder: bytes,
        policy: PolicyModel,
        stop: Callable[[bytes, int], None],
        holder: bytes,
        until: int,
    ) -> None:
        """`stop` is Settlement's `halt(sender, epoch)`."""
        super().__init__(blocks, owner=owner, founder=founder, founding_ends=policy.genesis_time)
        self.address = address
        self._policy = policy
        self._stop = stop
        self.ready_at = 0
        self._take_office(holder, until)

    def halt(self, sender: bytes, epoch: int) -> None:
        """Stop the root of an epoch; sent by the holder, in office and not too soon again."""
        if sender != self.holder:
            raise refuse("NotHolder", caller=sender)
        if self._blocks.time >= self.until:
            raise refuse("TermOver", until=self.until)
        if self._blocks.time < self.ready_at:
            raise refuse("NotReady", readyAt=self.ready_at)
        stopped = self._policy.value_at("halt_s", epoch)
        ready_at = self._blocks.time + stopped + self._policy.value("guardian_cooldown_s")
        self._blocks.emit(
            GuardianHalted(at=self._blocks.here(), epoch=epoch, holder=sender, ready_at=ready_at)
        )
        self._stop(self.address, epoch)
        self.ready_at = ready_at

    def appoint(self, sender: bytes, holder: bytes, until: int) -> None:
        """Put somebody into office, or nobody; a wait that runs goes on."""
        self._only_owner(sender)
        self._take_office(holder, until)

    def _take_office(self, holder: bytes, until: int) -> None:
        latest = self._blocks.time + TERM_MAX_S
        if until > latest:
            raise refuse("TermTooLong", until=until, latest=latest)
        self.holder = holder
        self.until = until
        self._blocks.emit(GuardianAppointed(at=self._blocks.here(), holder=holder, until=until))
