"""What can be done here, what a wallet would sign for it, and what a transaction did."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from commonworks.explorer.models.activity import ActivityEvent
from commonworks.explorer.web.model import WHOLE, Address, Amount, Hash, Model, Time

Written = Annotated[
    str,
    Field(max_length=60, description="Amount in whole units, as people write it: `12.50`."),
]
Asset = Annotated[
    Literal["token", "currency"],
    Field(description="The network's token, or the currency that it settles in."),
]
DeviceId = Annotated[int, Field(ge=0, le=2**53 - 1), WHOLE]
"""Ids count up from 1; what JSON's numbers carry exactly is far beyond them."""
ProposalNumber = Annotated[
    int, Field(ge=1, le=2**31 - 1, description="Its place among all."), WHOLE
]


class Act(Model):
    """Somebody who wants to do something."""

    account: Address = Field(description="Whoever will sign and send it.")


class Claim(Act):
    """Pay an account what it earned; anybody may."""

    asset: Asset
    receiver: Address | None = Field(default=None, description="Who is paid; else `account`.")


class Exit(Claim):
    """Pay an account all that it has in the Vault, by its exit; anybody may."""


class Deposit(Act):
    """Put money into the Vault."""

    asset: Asset = "currency"
    value: Written


class Withdraw(Act):
    """Ask for unspent deposit back."""

    asset: Asset = "currency"
    value: Written


class Limit(Act):
    """Limit what a device may spend in an epoch."""

    device: DeviceId
    value: Written


class Sell(Act):
    """Sell tokens for the currency at the exchange."""

    value: Written
    slippage: Annotated[str, Field(max_length=12)] = Field(
        default="0.5", description="How much worse than the quote it may get, in percent."
    )


class Delegate(Act):
    """Let an account vote with one's votes."""

    to: Address


class CastVote(Act):
    """Vote."""

    proposal: ProposalNumber
    support: Literal["for", "against", "abstain"]
    reason: str = Field(default="", max_length=20_000)


class Advance(Act):
    """Queue, carry out or cancel a proposal."""

    proposal: ProposalNumber


class Enrol(Act):
    """Enrol a device."""

    resource: str = Field(max_length=31)
    public_key: str = Field(
        pattern=r"^0x([0-9a-fA-F]{64}|[0-9a-fA-F]{128})$",
        description="Raw: 32 bytes of Ed25519, or x and y of P-256.",
    )
    thumbprint: Hash | None = Field(default=None, description="Checked where it is given.")
    cell: str = Field(default="", max_length=18, description="H3 cell in hexadecimal, or nothing.")


class PayeeShare(Model):
    """Somebody's part of what a device earns."""

    account: Address
    ppm: Annotated[int, Field(ge=1, le=1_000_000), WHOLE]


class Payees(Act):
    """Name who earns with a device that earned for its owner alone."""

    device: DeviceId
    shares: list[PayeeShare] = Field(min_length=1, max_length=64)


class CallToSign(Model):
    """One transaction for a wallet."""

    to: Address
    data: str = Field(pattern=r"^0x([0-9a-f]{2})*$")
    value: Amount = Field(description="The chain's coin that goes with it, wei.")
    does: str = Field(description="What these very bytes do, in words.")


class PreparedCalls(Model):
    """What a wallet has to send, in order; each after the one before is in a block."""

    chain_id: int
    calls: list[CallToSign]


class SignedTransaction(Model):
    """A signed transaction to pass on."""

    raw: str = Field(
        max_length=120_002, pattern=r"^0x([0-9a-fA-F]{2})+$", description="As EIP-2718 has it."
    )


class Relayed(Model):
    """A transaction that the chain has taken."""

    tx: Hash


class TransactionState(StrEnum):
    """What became of a transaction."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    WAITING = "waiting"
    """In no block yet, or never sent."""
    UNKNOWN = "unknown"
    """No endpoint of the chain answers."""


class TransactionView(Model):
    """A transaction and what it made the contracts record."""

    tx: Hash
    state: TransactionState
    block: int | None
    time: Time | None
    events: list[ActivityEvent] = Field(description="In order; at most 200.")
    more: bool = Field(description="It recorded more than that.")


class Quote(Model):
    """What a sale would give now, fee and impact taken off."""

    amount_in: Amount
    amount_out: Amount
