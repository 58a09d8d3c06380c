"""What the answers about accounts hold."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from commonworks.explorer.models.stops import Stop
from commonworks.explorer.web.model import Address, Amount, DeviceRef, Hash, Model, Party, Time


class AssetName(StrEnum):
    """What amounts are in."""

    TOKEN = "token"  # noqa: S105 - an asset
    CURRENCY = "currency"


class AccountRow(Model):
    """An account in a list."""

    account: Party
    earned_token: Amount | None = Field(description="Token earned so far; null: never any.")
    earned_currency: Amount | None = Field(
        description="Currency earned so far, deposits that came back included; null: never any."
    )
    devices: int = Field(description="Devices that it owns.")


class Books(Model):
    """What the Vault holds for an account in one asset. Smallest units."""

    asset: AssetName
    address: Address
    symbol: str
    decimals: int
    deposited: Amount = Field(description="Everything ever deposited.")
    spent: Amount = Field(description="Paid to others for services.")
    withdrawn: Amount = Field(
        description="Unspent deposit that was given back, by settlement or by the exit."
    )
    unspent: Amount = Field(description="Deposit that is there to spend, or to withdraw.")
    earned: Amount = Field(description="Payments and rewards; deposits given back left aside.")
    claimed: Amount = Field(description="Paid out to the account's wallet.")
    claimable: Amount | None = Field(
        description="What a claim pays now; null where the chain does not answer."
    )
    pending: Amount | None = Field(
        description="Final, and not claimable before its hold, or what stopped it, has passed."
    )
    pending_until: Time | None = Field(description="When all of it is claimable.")


class WalletBalances(Model):
    """What an account holds outside the Vault now."""

    token: Amount
    currency: Amount
    coin_wei: Amount = Field(description="The chain's own coin, which pays for transactions.")
    votes: Amount = Field(description="Votes that it casts, its delegators' included.")
    delegate: Party | None = Field(
        description="Who votes with its votes: itself, unless it lent them; null: nobody."
    )
    contract: bool = Field(description="It is a contract, a passkey's account for example.")
    sale: Amount | None = Field(
        description="Currency that selling its tokens brings now; null: no exchange."
    )


class ActKind(StrEnum):
    """What can be done with an account's money and votes."""

    CLAIM = "claim"
    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    EXIT = "exit"
    """Take everything out by the Vault's exit, where that is open."""
    LIMIT = "limit"
    """Say what a device of the account may spend in an epoch."""
    SELL = "sell"
    DELEGATE = "delegate"
    RECALL = "recall"


class ActView(Model):
    """Something that makes sense for an account now."""

    act: ActKind
    asset: AssetName | None
    most: Amount | None = Field(description="The most that it can be, smallest units.")
    command: str = Field(description="The command line that does the same.")


class AccountDetail(Model):
    """Everything that everybody may see about an account's money."""

    account: Party
    books: list[Books]
    wallet: WalletBalances | None = Field(description="Null where the chain does not answer.")
    claimable_epoch: int | None = Field(description="Epoch whose tree claims are made against.")
    devices: int = Field(description="Devices that it owns.")
    payee_of: int = Field(description="Devices of which it is a named payee.")
    votes_cast: int
    acts: list[ActView] = Field(description="Only what makes sense now.")
    stops: list[Stop] = Field(description="What keeps money of this account from moving now.")
    yours: bool = Field(description="The reader signed in as this account.")


class RewardPart(Model):
    """Token for one resource's work, or for running a node."""

    resource: str = Field(description="Resource, or `verifiers`, `gateways`, `treasury`.")
    title: str
    amount_wei: Amount


class EpochEarnings(Model):
    """What an epoch added. Differences of payout leaves, deposits that came back left aside."""

    epoch: int
    ends_at: Time
    earned_currency: Amount
    spent_currency: Amount
    earned_token: Amount
    rewards: list[RewardPart] = Field(description="What the token was for; adds up to it.")


class Movement(Model):
    """Money in or out of the Vault."""

    time: Time
    kind: str = Field(description="deposit, withdrawal_requested, withdrawn, claim or exit.")
    title: str
    asset: AssetName
    amount: Amount
    epoch: int | None
    tx: Hash


class OwnedDevice(Model):
    """A device that an account owns, or of which it is a payee."""

    device: DeviceRef
    resource_title: str
    owner: Party
    ppm: int = Field(description="The account's share of what it earns, parts per million.")
    named: bool = Field(description="By the device's list of payees.")
    spend_limit: str = Field(
        description="What the account lets it spend in an epoch, smallest unit of the currency."
    )
    statements: int
    rejected: int


class CastVote(Model):
    """A vote that an account cast."""

    proposal: int = Field(description="The proposal's number.")
    title: str
    support: str | None = Field(description="for, against, abstain; null: of an unknown kind.")
    weight: Amount
    reason: str
    tx: Hash


# --- the statement of a month ---------------------------------------------------------------------


class EntryKind(StrEnum):
    """What moved money in a statement."""

    DEPOSIT = "deposit"
    SPENDING = "spending"
    EARNING = "earning"
    REWARD = "reward"
    WITHDRAWAL = "withdrawal"
    CLAIM = "claim"
    EXIT = "exit"


class StatementEntry(Model):
    """One line of a statement. Amounts are never negative."""

    time: Time = Field(description="When the chain recorded it.")
    epoch: int | None
    kind: EntryKind
    text: str = Field(description="What it was, in the language asked for.")
    deposit_in: Amount = Field(description="Added to the deposit.")
    deposit_out: Amount = Field(description="Taken from the deposit.")
    earnings_in: Amount = Field(description="Added to what can be claimed.")
    earnings_out: Amount = Field(description="Taken from it.")
    tx: Hash


class AssetStatement(Model):
    """A month of an account in one asset.

    Opening + in - out = closing, for the deposit and for the earnings.
    """

    asset: AssetName
    symbol: str
    decimals: int
    opening_deposit: Amount
    opening_earnings: Amount
    entries: list[StatementEntry]
    deposit_in: Amount
    deposit_out: Amount
    earnings_in: Amount
    earnings_out: Amount
    closing_deposit: Amount
    closing_earnings: Amount


class MonthStatement(Model):
    """A month of an account's money in the Vault, by when the chain recorded it (UTC)."""

    account: Party
    month: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$")
    begins_at: Time
    ends_at: Time = Field(description="First second of the month after.")
    complete: bool = Field(description="The month is over, and everything final in it is indexed.")
    assets: list[AssetStatement]
    private: bool = Field(
        description="Purposes of payments are left out: they are for the account alone."
    )
