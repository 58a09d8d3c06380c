"""What a relay asks of the chain: a port of its own, beside those of `commonworks.ports`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from commonworks.relay.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the community lets a relay pay in one epoch."""

    member_gas: int
    """Policy `relay_gas_member`: for one account."""
    total_gas: int
    """Policy `relay_gas_total`: for everybody together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A message that the chain would carry out now."""

    account: bytes
    """Whose budget pays, 20 bytes."""
    gas: int
    """Gas limit that the transaction gets: an estimate with a margin."""
    member: bool
    """Whether the account takes part already; see `RelayChain.is_member`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A transaction that is in a final block."""

    transaction: bytes | None
    """Hash, 32 bytes; None where it was refused and the chain's answer does not name it."""
    gas_used: int
    """What is charged for it: at most the limit."""
    error: str | None = None
    """Name of the contract's error where it was refused all the same: the state had moved on."""


class RelayChain(Protocol):
    """The network's contracts as the relay's account sees them."""

    async def limits(self, epoch: int) -> Limits:
        """Return what the policy of `epoch` lets a relay pay. Raises Unavailable."""
        ...

    async def is_member(self, account: bytes) -> bool:
        """Tell whether an account owns a device or has votes. Raises Unavailable."""
        ...

    async def examine(self, message: Message) -> Examined:
        """Execute a message against the newest block without paying for it.

        Raises: Conflict, with the contract's own error as the field `refusal`, when it would fail;
        NotFound when it is for a member account that is none of this network's factory;
        Unavailable when no endpoint answers.
        """
        ...

    async def carry(self, message: Message, gas: int) -> Carried:
        """Send a message as one transaction with this gas limit; return once it is final.

        Raises: Unavailable. With the field `sent` False nothing was sent; otherwise the transaction
        may still be carried out, once.
        """
        ...
