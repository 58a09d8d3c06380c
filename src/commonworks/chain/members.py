"""What members, operators and governance do on chain, and what they can look up there.

Each action is a transaction of this object's account. Where somebody else signed the action (an
enrolment, a withdrawal, a limit, a permit), this account is the relayer: it pays, and decides
nothing. Many actions at once go through `batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from eth_account.signers.local import LocalAccount

from commonworks.chain.abi import contract
from commonworks.chain.calls import Calls, GatewayEntry
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.events import decode_log
from commonworks.chain.messages import (
    Enrolment,
    PermitDomain,
    SignedBatch,
    SignedEnrolment,
    SignedPayees,
    SignedPermit,
    SignedShareTransfer,
    SignedSpendLimit,
    SignedWithdrawal,
)
from commonworks.chain.plan import Deployment, GenesisParameter, key_word
from commonworks.chain.transactions import RECEIPT_TIMEOUT_S, Call, Receipt, Sender
from commonworks.crypto.keys import PublicKey
from commonworks.errors import Conflict, Unauthorized, require
from commonworks.events import (
    Claimed,
    Enrolled,
    Event,
    Share,
    WithdrawalRequested,
)
from commonworks.model import (
    Total,
)
from commonworks.stops import Exited

ACTION_GAS: Final = 1_000_000
"""Gas limit that no single action of a member reaches; for batches that depend on themselves."""

E = TypeVar("E", bound=Event)


class Acting(Protocol):
    """What sends an account's transactions: with its key, or through a relay."""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        ...

    async def send(self, call: Call) -> Receipt:
        """Have one call carried out; return its receipt."""
        ...

    async def batch(self, calls: Sequence[Call]) -> tuple[Receipt, ...]:
        """Have calls carried out in order; return a receipt for each."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An action that the chain carried out."""

    tx: bytes
    """Hash of the transaction, 32 bytes."""
    block: int
    """Block that contains it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledDevice(Done):
    """A device was enrolled."""

    device: int
    """Its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested(Done):
    """A withdrawal was asked for."""

    request: int
    """Its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid(Done):
    """A claim paid out."""

    amount: int
    """In the asset's smallest unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultAccount:
    """What the Vault's books say about an account in one asset, in its smallest unit."""

    deposited: int
    """Everything ever deposited."""
    claimed: int
    """Everything ever claimed."""
    returned: int
    """Unspent deposit paid back at the exit."""
    first_deposit_at: int
    """Unix seconds; 0 where there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimableRoot:
    """The payout root that claims are made against now."""

    epoch: int
    root: bytes


class Members:
    """One account's way to act on a network's contracts, and anybody's way to look at them."""

    def __init__(
        self,
        endpoints: Endpoints,
        deployment: Deployment,
        account: LocalAccount | Acting | None = None,
        *,
        confirmations: int = 0,
        timeout_s: float = RECEIPT_TIMEOUT_S,
    ) -> None:
        """`account`: a key, or whatever sends transactions for an account; None: only looks."""
        self.endpoints = endpoints
        self.deployment = deployment
        self.calls = Calls(deployment)
        self._sender = (
            Sender(endpoints, account, confirmations=confirmations, timeout_s=timeout_s)
            if isinstance(account, LocalAccount)
            else account
        )

    # --- sending ------------------------------------------------------------------------------

    async def send(self, call: Call) -> Receipt:
        """Send one call; see `Sender.send` for what it raises."""
        return await self._require_sender().send(call)

    async def batch(
        self, calls: Sequence[Call], *, gas: int | None = ACTION_GAS
    ) -> tuple[Receipt, ...]:
        """Send many calls quickly and return their receipts in the order of the calls.

        With a fixed `gas` limit nothing is estimated, so a call may build on an earlier one of the
        same batch, and one that is refused shows only in its receipt: Conflict is raised for the
        first. With None every call is estimated first, against the state before the batch, so that
        where gas costs something a refused call stops the whole batch before it is sent.
        """
        limited = [replace(call, gas=gas) if call.gas is None else call for call in calls]
        return await self._require_sender().batch(limited)

    def events(self, receipt: Receipt) -> tuple[Event, ...]:
        """Return the events that a transaction wrote (time 0 where the endpoint told none)."""
        sources = self.deployment.watched
        decoded = (
            decode_log(sources[log.address], log, log.time or 0)
            for log in receipt.logs
            if log.address in sources
        )
        return tuple(event for event in decoded if event is not None)

    # --- devices ------------------------------------------------------------------------------

    async def enrol(self, enrolment: Enrolment) -> EnrolledDevice:
        """Enrol a device for this account."""
        return self.enrolled(await self.send(self.calls.enrol(enrolment)))

    async def enrol_for(self, signed: SignedEnrolment) -> EnrolledDevice:
        """Hand in somebody's signed enrolment."""
        return self.enrolled(await self.send(self.calls.enrol_for(signed)))

    async def enrol_all(self, signed: Sequence[SignedEnrolment]) -> tuple[EnrolledDevice, ...]:
        """Hand in many signed enrolments at once; results in the same order."""
        receipts = await self.batch([self.calls.enrol_for(item) for item in signed])
        return tuple(self.enrolled(receipt) for receipt in receipts)

    async def enrol_batch_for(self, signed: SignedBatch) -> tuple[EnrolledDevice, ...]:
        """Hand in somebody's signed enrolment of many devices; results in the same order."""
        receipt = await self.send(self.calls.enrol_batch_for(signed))
        return tuple(
            EnrolledDevice(tx=receipt.tx, block=receipt.block, device=event.device)
            for event in self.events(receipt)
            if isinstance(event, Enrolled)
        )

    async def set_payees(self, device: int, shares: Sequence[Share]) -> Done:
        """Name who earns with a device of this account that earned for it alone."""
        return await self._do(self.calls.set_payees(device, shares))

    async def change_payees(self, signed: SignedPayees) -> Done:
        """Hand in other payees, signed by all that there are."""
        return await self._do(self.calls.change_payees(signed))

    async def transfer_share(self, device: int, receiver: bytes, ppm: int) -> Done:
        """Give a part of this account's share in a device's earnings to another account."""
        return await self._do(self.calls.transfer_share(device, receiver, ppm))

    async def transfer_share_for(self, signed: SignedShareTransfer) -> Done:
        """Hand in a payee's signed transfer of its share."""
        return await self._do(self.calls.transfer_share_for(signed))

    async def transfer_device(self, receiver: bytes, device: int) -> Done:
        """Give a device id of this account to another one."""
        sender = self._require_sender().address
        return await self._do(self.calls.transfer_device(sender, receiver, device))

    async def set_registrar(self, resource: str, key: PublicKey, *, active: bool = True) -> Done:
        """Admit a registrar's key to a resource, or remove it; governance only."""
        return await self._do(self.calls.set_registrar(resource, key, active))

    async def set_reference(self, device: int, *, admitted: bool = True) -> Done:
        """Admit a device as an independent reference, or dismiss it; governance only."""
        return await self._do(self.calls.set_reference(device, admitted))

    async def adopt_site(self, resource: str, site: bytes, statement: bytes) -> Done:
        """Put a site statement in force for a resource; governance only."""
        return await self._do(self.calls.adopt_site(resource, site, statement))

    # --- nodes --------------------------------------------------------------------------------

    async def register_gateway(self, entry: GatewayEntry) -> Done:
        """Declare this account's gateway and its log."""
        return await self._do(self.calls.register_gateway(entry))

    async def register_verifier(self, name: str, endpoint: str, *, bond_wei: int = 0) -> Done:
        """Declare this account's verifier and, where given, bond for it."""
        calls = [self.calls.register_verifier(name, endpoint)]
        if bond_wei:
            calls += [self.calls.approve_bond(bond_wei), self.calls.bond(bond_wei)]
        return _done((await self.batch(calls))[-1])

    async def bond(self, amount_wei: int) -> Done:
        """Add to this account's bond."""
        calls = [self.calls.approve_bond(amount_wei), self.calls.bond(amount_wei)]
        return _done((await self.batch(calls))[-1])

    async def start_unbonding(self, amount_wei: int) -> Done:
        """Take an amount out of this account's bond; it stops counting at once."""
        return await self._do(self.calls.start_unbonding(amount_wei))

    async def finish_unbonding(self) -> Done:
        """Get what has left this account's bond, once it is ready."""
        return await self._do(self.calls.finish_unbonding())

    # --- money --------------------------------------------------------------------------------

    async def transfer(self, asset: bytes, receiver: bytes, amount: int) -> Done:
        """Move `amount` of this account's balance."""
        return await self._do(self.calls.transfer(asset, receiver, amount))

    async def mint_currency(self, account: bytes, amount: int) -> Done:
        """Create test currency; its owner only, on the embedded chain only."""
        return await self._do(self.calls.mint_currency(account, amount))

    async def deposit(self, asset: bytes, amount: int, *, account: bytes | None = None) -> Done:
        """Deposit this account's money for itself or, where given, for another account."""
        calls = [
            self.calls.approve_deposit(asset, amount),
            self.calls.deposit(asset, amount, account),
        ]
        return _done((await self.batch(calls))[-1])

    async def deposit_with_permit(self, signed: SignedPermit) -> Done:
        """Hand in somebody's permit: its money is deposited in its favour."""
        return await self._do(self.calls.deposit_with_permit(signed))

    async def request_withdrawal(self, asset: bytes, amount: int) -> Requested:
        """Ask for unspent deposit of this account back."""
        return self.requested(await self.send(self.calls.request_withdrawal(asset, amount)))

    async def request_withdrawal_for(self, signed: SignedWithdrawal) -> Requested:
        """Hand in somebody's signed withdrawal request."""
        return self.requested(await self.send(self.calls.request_withdrawal_for(signed)))

    async def set_spend_limit(self, device: int, limit: int) -> Done:
        """Limit what this account spends through a device per epoch."""
        return await self._do(self.calls.set_spend_limit(device, limit))

    async def set_spend_limit_for(self, signed: SignedSpendLimit) -> Done:
        """Hand in somebody's signed spend limit."""
        return await self._do(self.calls.set_spend_limit_for(signed))

    async def claim(self, total: Total, proof: Sequence[bytes]) -> Paid:
        """Pay an account what it earned; anyone may push it."""
        return self.paid(await self.send(self.calls.claim(total, proof)))

    # --- governance ---------------------------------------------------------------------------

    async def set_parameter(self, key: str, value: int) -> Done:
        """Change a parameter when the next epoch opens; governance only."""
        return await self._do(self.calls.set_parameter(key, value))

    async def define_parameter(self, parameter: GenesisParameter) -> Done:
        """Bring a parameter into being when the next epoch opens; governance only."""
        return await self._do(self.calls.define_parameter(parameter))

    # --- looking ------------------------------------------------------------------------------

    async def parameter(self, key: str, epoch: int | None = None) -> int | None:
        """Return a governed parameter's value in an epoch, by default in the chain's own now.

        None where it was not in force then, or this network never defined it.
        """
        word, at = key_word(key), self.deployment.policy
        asked = ("value", word) if epoch is None else ("valueAt", word, epoch)
        try:
            return int(await self._ask("Policy", at, *asked))
        except Conflict as error:
            if error.fields.get("refusal") == "NotDefined":
                return None
            raise

    async def balance(self, asset: bytes, account: bytes) -> int:
        """Return an account's balance of an ERC-20, in its smallest unit."""
        return int(await self._ask("CommonsToken", asset, "balanceOf", account))

    async def vault_account(self, asset: bytes, account: bytes) -> VaultAccount:
        """Return what the Vault's books say about an account in one asset."""
        values = await self._ask_all("Vault", self.deployment.vault, "accountOf", asset, account)
        deposited, claimed, returned, first = (int(value) for value in values)
        return VaultAccount(
            deposited=deposited, claimed=claimed, returned=returned, first_deposit_at=first
        )

    async def claimable_root(self) -> ClaimableRoot | None:
        """Return the root that claims are made against now, or None where there is none yet."""
        return await self._root("claimableRoot", none="NothingClaimable")

    async def last_root(self) -> ClaimableRoot | None:
        """Return the root of the last final epoch, by which the exit pays; None: none yet."""
        return await self._root("lastRoot", none="NoRoot")

    async def guardian(self) -> bytes:
        """Return the account that holds the guardian's office."""
        at = self.deployment.government.guardian
        return bytes(await self._ask("Guardian", at, "holder"))

    async def owner_of(self, device: int) -> bytes:
        """Return the account that holds a device id; raise Conflict where there is none."""
        return bytes(await self._ask("Devices", self.deployment.devices, "ownerOf", device))

    async def payees_of(self, device: int) -> tuple[Share, ...]:
        """Return who earns with a device; nothing means its owner alone."""
        found = await self._ask("Devices", self.deployment.devices, "payeesOf", device)
        return tuple(Share(account=bytes(account), ppm=int(ppm)) for account, ppm in found)

    async def payees_nonce(self, device: int) -> int:
        """Return the nonce of the next change of a device's payees."""
        return int(await self._ask("Devices", self.deployment.devices, "payeesNonce", device))

    async def stake_of(self, operator: bytes) -> int:
        """Return a verifier's stake now, in wei; 0 below the minimum bond."""
        return int(await self._ask("Nodes", self.deployment.nodes, "stakeOf", operator))

    async def enrol_nonce(self, account: bytes) -> int:
        """Return the nonce of an account's next signed enrolment."""
        return int(await self._ask("Devices", self.deployment.devices, "nonces", account))

    async def vault_nonce(self, account: bytes) -> int:
        """Return the nonce of an account's next signed withdrawal request or spend limit."""
        return int(await self._ask("Vault", self.deployment.vault, "nonces", account))

    async def permit_nonce(self, asset: bytes, account: bytes) -> int:
        """Return the nonce of an account's next permit for an asset (ERC-2612)."""
        return int(await self._ask("CommonsToken", asset, "nonces", account))

    async def permit_domain(self, asset: bytes) -> PermitDomain:
        """Return what an asset calls itself in its permits (ERC-5267)."""
        values = await self._ask_all("CommonsToken", asset, "eip712Domain")
        return PermitDomain(name=str(values[1]), version=str(values[2]))

    # --- inside -------------------------------------------------------------------------------

    async def _root(self, function: str, *, none: str) -> ClaimableRoot | None:
        """Ask the Vault for a root; `none` is the refusal by which it says that there is none."""
        try:
            values = await self._ask_all("Vault", self.deployment.vault, function)
        except Conflict as error:
            if error.fields.get("refusal") == none:
                return None
            raise
        return ClaimableRoot(epoch=int(values[0]), root=bytes(values[1]))

    async def _do(self, call: Call) -> Done:
        return _done(await self.send(call))

    def paid(self, receipt: Receipt) -> Paid:
        """Return what a transaction's claim paid."""
        claimed = self._only(receipt, Claimed)
        return Paid(tx=receipt.tx, block=receipt.block, amount=claimed.amount)

    def taken_out(self, receipt: Receipt) -> Paid:
        """Return what the exit paid by a transaction."""
        exited = self._only(receipt, Exited)
        return Paid(tx=receipt.tx, block=receipt.block, amount=exited.amount)

    def enrolled(self, receipt: Receipt) -> EnrolledDevice:
        """Return the device that a transaction enrolled."""
        device = self._only(receipt, Enrolled).device
        return EnrolledDevice(tx=receipt.tx, block=receipt.block, device=device)

    def requested(self, receipt: Receipt) -> Requested:
        """Return the withdrawal that a transaction asked for."""
        request = self._only(receipt, WithdrawalRequested).request
        return Requested(tx=receipt.tx, block=receipt.block, request=request)

    def _only(self, receipt: Receipt, kind: type[E]) -> E:
        found = [event for event in self.events(receipt) if isinstance(event, kind)]
        require(len(found) == 1, f"a transaction of this kind writes one {kind.__name__}")
        return found[0]

    async def _ask(self, name: str, at: bytes, function: str, *values: object) -> Any:
        return (await self._ask_all(name, at, function, *values))[0]

    async def _ask_all(
        self, name: str, at: bytes, function: str, *values: object
    ) -> tuple[Any, ...]:
        item = contract(name)[function]
        return item.results(await self.endpoints.call(at, item.call(*values)))

    def _require_sender(self) -> Acting:
        if self._sender is None:
            raise Unauthorized("no account to act with", hint="name an account of this network")
        return self._sender


def _done(receipt: Receipt) -> Done:
    return Done(tx=receipt.tx, block=receipt.block)
