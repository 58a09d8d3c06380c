"""Every transaction that members, operators and governance send, as pure values.

A `Call` is built here and sent by a `Sender`, alone or with many others. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commonworks.chain.abi import contract
from commonworks.chain.messages import (
    Enrolment,
    SignedBatch,
    SignedEnrolment,
    SignedPayees,
    SignedPermit,
    SignedShareTransfer,
    SignedSpendLimit,
    SignedWithdrawal,
    resource_word,
)
from commonworks.chain.plan import Deployment, GenesisParameter, key_word
from commonworks.chain.transactions import Call
from commonworks.crypto.keys import PublicKey
from commonworks.errors import InvalidInput
from commonworks.events import Share
from commonworks.model import (
    Total,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayEntry:
    """What a gateway declares about itself."""

    name: str
    """For people, at most 64 bytes."""
    origin: str
    """The log's origin line, at most 256 bytes."""
    endpoint: str
    """URL, at most 256 bytes."""
    log_id: bytes
    """SHA-256 of origin, 0x0A, 0x01 and note key; 32 bytes."""
    note_key: bytes
    """Ed25519 key that signs checkpoints, 32 bytes."""
    receipt_key: bytes
    """P-256 key that signs receipts, x || y, 64 bytes."""


class Calls:
    """Builds the calls to one network's contracts."""

    def __init__(self, deployment: Deployment) -> None:
        self._at = deployment

    # --- ERC-20 -------------------------------------------------------------------------------

    def transfer(self, asset: bytes, receiver: bytes, amount: int) -> Call:
        """Move `amount` of the sender's balance."""
        return _call("CommonsToken", asset, "transfer", receiver, amount)

    def approve(self, asset: bytes, spender: bytes, amount: int) -> Call:
        """Let `spender` move `amount` of the sender's balance."""
        return _call("CommonsToken", asset, "approve", spender, amount)

    def mint_currency(self, account: bytes, amount: int) -> Call:
        """Create test currency; sent by its owner, on the embedded chain only."""
        return _call("TestEuro", self._at.currency, "mint", account, amount)

    # --- devices ------------------------------------------------------------------------------

    def enrol(self, enrolment: Enrolment) -> Call:
        """Enrol a device for the sender."""
        return self._devices("enrol", *_enrolment(enrolment))

    def enrol_for(self, signed: SignedEnrolment) -> Call:
        """Hand in somebody's signed enrolment."""
        key = _enrolment(signed.enrolment)
        return self._devices("enrolFor", signed.account, *key, signed.deadline, signed.signature)

    def transfer_device(self, sender: bytes, receiver: bytes, device: int) -> Call:
        """Give a device id to another account."""
        return self._devices("transferFrom", sender, receiver, device)

    def enrol_batch(self, resource: str, devices: Sequence[Enrolment]) -> Call:
        """Enrol many devices of one resource for the sender."""
        return self._devices("enrolBatch", resource_word(resource), _new_devices(devices))

    def enrol_batch_for(self, signed: SignedBatch) -> Call:
        """Hand in somebody's signed enrolment of many devices."""
        return self._devices(
            "enrolBatchFor",
            signed.account,
            resource_word(signed.resource),
            _new_devices(signed.devices),
            signed.deadline,
            signed.signature,
        )

    def set_payees(self, device: int, shares: Sequence[Share]) -> Call:
        """Name who earns with a device that earned for its owner alone; sent by the owner."""
        return self._devices("setPayees", device, _shares(shares))

    def change_payees(self, signed: SignedPayees) -> Call:
        """Hand in other payees, signed by all that there are."""
        return self._devices(
            "changePayees",
            signed.device,
            _shares(signed.shares),
            signed.deadline,
            list(signed.signatures),
        )

    def transfer_share(self, device: int, receiver: bytes, ppm: int) -> Call:
        """Give a part of the sender's share in a device's earnings to another account."""
        return self._devices("transferShare", device, receiver, ppm)

    def transfer_share_for(self, signed: SignedShareTransfer) -> Call:
        """Hand in a payee's signed transfer of its share."""
        words = (signed.device, signed.account, signed.receiver, signed.ppm)
        return self._devices("transferShareFor", *words, signed.deadline, signed.signature)

    def retire(self, device: int) -> Call:
        """Burn a device id of the sender."""
        return self._devices("retire", device)

    def set_registrar(self, resource: str, key: PublicKey, active: bool) -> Call:
        """Admit a registrar's key to a resource, or remove it; sent by governance."""
        word = resource_word(resource)
        algorithm = int(key.algorithm)
        return self._devices("setRegistrar", word, key.thumbprint, algorithm, key.raw, active)

    def set_reference(self, device: int, admitted: bool) -> Call:
        """Admit a device as an independent reference, or dismiss it; sent by governance."""
        return self._devices("setReference", device, admitted)

    def adopt_site(self, resource: str, site: bytes, statement: bytes) -> Call:
        """Put a site statement in force; sent by governance.

        Inputs: `site` names the place, 32 bytes; `statement` is the identity of the statement.
        """
        return self._devices("adoptSite", resource_word(resource), site, statement)

    # --- nodes --------------------------------------------------------------------------------

    def register_gateway(self, entry: GatewayEntry) -> Call:
        """Declare the sender's gateway and its log."""
        return self._nodes(
            "registerGateway",
            entry.name,
            entry.origin,
            entry.endpoint,
            entry.log_id,
            entry.note_key,
            entry.receipt_key,
        )

    def register_verifier(self, name: str, endpoint: str) -> Call:
        """Declare the sender's verifier."""
        return self._nodes("registerVerifier", name, endpoint)

    def approve_bond(self, amount: int) -> Call:
        """Let Nodes take the sender's bond; goes before `bond`."""
        return self.approve(self._at.bond_asset, self._at.nodes, amount)

    def bond(self, amount: int) -> Call:
        """Add to the sender's bond, out of its allowance for Nodes."""
        return self._nodes("bond", amount)

    def start_unbonding(self, amount: int) -> Call:
        """Take an amount out of the sender's bond; it stops counting at once."""
        return self._nodes("startUnbonding", amount)

    def finish_unbonding(self) -> Call:
        """Pay the sender what has left its bond, once it is ready."""
        return self._nodes("finishUnbonding")

    def refresh_stake(self, operator: bytes) -> Call:
        """Apply the minimum bond now in force to an operator's stake."""
        return self._nodes("refreshStake", operator)

    # --- vault --------------------------------------------------------------------------------

    def approve_deposit(self, asset: bytes, amount: int) -> Call:
        """Let the Vault take the sender's deposit; goes before `deposit`."""
        return self.approve(asset, self._at.vault, amount)

    def deposit(self, asset: bytes, amount: int, account: bytes | None = None) -> Call:
        """Deposit the sender's money for itself or, where given, for another account."""
        if account is None:
            return self._vault("deposit", asset, amount)
        return self._vault("depositFor", asset, account, amount)

    def deposit_with_permit(self, signed: SignedPermit) -> Call:
        """Hand in somebody's permit: its money is deposited in its favour."""
        if len(signed.signature) != 65:
            raise InvalidInput("a permit's signature has 65 bytes")
        r, s, v = signed.signature[:32], signed.signature[32:64], signed.signature[64]
        words = (signed.asset, signed.account, signed.amount, signed.deadline)
        return self._vault("depositWithPermit", *words, v, r, s)

    def request_withdrawal(self, asset: bytes, amount: int) -> Call:
        """Ask for unspent deposit of the sender back."""
        return self._vault("requestWithdrawal", asset, amount)

    def request_withdrawal_for(self, signed: SignedWithdrawal) -> Call:
        """Hand in somebody's signed withdrawal request."""
        words = (signed.account, signed.asset, signed.amount)
        return self._vault("requestWithdrawalFor", *words, signed.deadline, signed.signature)

    def set_spend_limit(self, device: int, limit: int) -> Call:
        """Limit what the sender spends through a device per epoch."""
        return self._vault("setSpendLimit", device, limit)

    def set_spend_limit_for(self, signed: SignedSpendLimit) -> Call:
        """Hand in somebody's signed spend limit."""
        words = (signed.account, signed.device, signed.limit)
        return self._vault("setSpendLimitFor", *words, signed.deadline, signed.signature)

    def claim(self, total: Total, proof: Sequence[bytes]) -> Call:
        """Pay an account what it earned, by its leaf in the claimable root; sent by anyone."""
        leaf = (total.asset, total.account, total.earned, total.spent)
        return self._vault("claim", *leaf, list(proof))

    def enter_exit(self) -> Call:
        """Open the exit when nothing was finalised for too long; sent by anyone."""
        return self._vault("enterExit")

    def exit(self, total: Total, proof: Sequence[bytes]) -> Call:
        """Pay an account at the open exit, by its leaf in the last root; sent by anyone."""
        leaf = (total.asset, total.account, total.earned, total.spent)
        return self._vault("exit", *leaf, list(proof))

    def exit_without_leaf(self, asset: bytes, account: bytes) -> Call:
        """Pay back a deposit that the last root cannot know; sent by anyone."""
        return self._vault("exitWithoutLeaf", asset, account)

    # --- governance and guardian --------------------------------------------------------------

    def set_parameter(self, key: str, value: int) -> Call:
        """Change a parameter when the next epoch opens; sent by governance."""
        return _call("Policy", self._at.policy, "set", key_word(key), value)

    def define_parameter(self, parameter: GenesisParameter) -> Call:
        """Bring a parameter into being when the next epoch opens; sent by governance."""
        words = (parameter.value, parameter.minimum, parameter.maximum)
        key = key_word(parameter.key)
        return _call("Policy", self._at.policy, "defineParameter", key, *words)

    def vote_halt(self, epoch: int) -> Call:
        """Vote to stop a root in its hold; sent by a verifier."""
        return _call("Settlement", self._at.settlement, "halt", epoch)

    def halt(self, epoch: int) -> Call:
        """Stop a root in its hold; sent by the guardian."""
        return _call("Guardian", self._at.government.guardian, "halt", epoch)

    def admit_member(self, account: bytes) -> Call:
        """Give an account a vote; sent by governance."""
        return self._membership("admit", account)

    def remove_member(self, account: bytes) -> Call:
        """Take an account's vote; sent by governance."""
        return self._membership("remove", account)

    def _membership(self, function: str, account: bytes) -> Call:
        at = self._at.government.membership
        if at is None:
            raise InvalidInput("the token votes in this network: it has no membership")
        return _call("Membership", at, function, account)

    def _devices(self, function: str, *values: object) -> Call:
        return _call("Devices", self._at.devices, function, *values)

    def _nodes(self, function: str, *values: object) -> Call:
        return _call("Nodes", self._at.nodes, function, *values)

    def _vault(self, function: str, *values: object) -> Call:
        return _call("Vault", self._at.vault, function, *values)


def _call(name: str, to: bytes, function: str, *values: object) -> Call:
    return Call(to=to, data=contract(name)[function].call(*values))


def _new_devices(devices: Sequence[Enrolment]) -> list[tuple[object, ...]]:
    return [
        (item.key.thumbprint, int(item.key.algorithm), item.key.raw, item.cell) for item in devices
    ]


def _shares(shares: Sequence[Share]) -> list[tuple[bytes, int]]:
    return [(share.account, share.ppm) for share in shares]


def _enrolment(enrolment: Enrolment) -> tuple[object, ...]:
    key = enrolment.key
    word = resource_word(enrolment.resource)
    return (key.thumbprint, int(key.algorithm), key.raw, word, enrolment.cell)
