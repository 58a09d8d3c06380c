"""What identifies an embedded chain, and what may be tuned without changing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commonworks.errors import InvalidInput

# How the chain must be described wherever it is shown.
LABEL: Final = "single-operator chain"

# States that anvil keeps for calls at past blocks; more costs memory, one state's worth for each.
HISTORY_STATES: Final = 32

_UINT64_MAX: Final = 2**64 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainConfig:
    """The settings that block hashes depend on; the journal's header holds them for ever."""

    chain_id: int
    """EIP-155 chain id, from 1 to 2**63 - 1."""
    genesis_timestamp: int
    """Timestamp of block 0, Unix seconds."""
    gas_limit: int = 60_000_000
    """Gas limit of each block."""
    hardfork: str = "osaka"
    """EVM rules by anvil's name; `osaka` has the P-256 precompile."""

    def __post_init__(self) -> None:
        if not 1 <= self.chain_id < 2**63:
            raise InvalidInput(f"chain id {self.chain_id} is out of range")
        if not 0 <= self.genesis_timestamp < 2**63:
            raise InvalidInput(f"genesis timestamp {self.genesis_timestamp} is out of range")
        if not 100_000 <= self.gas_limit <= _UINT64_MAX:
            raise InvalidInput(f"block gas limit {self.gas_limit} is out of range")
        if not self.hardfork.isalnum():
            raise InvalidInput(f"hardfork {self.hardfork!r} is not a name")

    def flags(self) -> tuple[str, ...]:
        """Return anvil's flags, host and port excepted.

        No mining of its own and first-in-first-out order put time and order into our hands; a base
        fee of 0 lets accounts without any coin send; browsers get no cross-origin access.
        """
        return (
            *("--chain-id", str(self.chain_id)),
            *("--timestamp", str(self.genesis_timestamp)),
            *("--gas-limit", str(self.gas_limit)),
            *("--hardfork", self.hardfork),
            *("--accounts", "0"),
            *("--no-mining", "--order", "fifo"),
            *("--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee"),
            *("--prune-history", str(HISTORY_STATES)),
            *("--no-request-size-limit", "--no-cors", "--disable-console-log"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning:
    """What may change from one start to the next; no hash depends on it."""

    coalesce_s: float = 0.010
    """How long the first waiting transaction waits for others to share its block."""
    snapshot_every_blocks: int = 1_000
    """Blocks between two snapshots; replaying them is the longest part of a start."""
    max_pending: int = 10_000
    """Transactions that may wait for a block; more are refused."""
    max_concurrent_requests: int = 512
    """Connections served at once; more get HTTP 503."""

    def __post_init__(self) -> None:
        if not 0 <= self.coalesce_s <= 1:
            raise InvalidInput(f"coalescing window {self.coalesce_s} s is not within 0 and 1 s")
        if min(self.snapshot_every_blocks, self.max_pending, self.max_concurrent_requests) < 1:
            raise InvalidInput("snapshot spacing and limits of the embedded chain start at 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The newest visible block."""

    number: int
    """Block number; genesis is 0."""
    timestamp: int
    """Unix seconds; never falls from block to block."""
    hash: bytes
    """Block hash, 32 bytes."""
