"""The chain as a relay uses it: adapter behind `relay.RelayChain`, over JSON-RPC endpoints."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from eth_account.signers.local import LocalAccount

from commonworks.chain.abi import contract
from commonworks.chain.ballots import SignedVote, Support, vote_call
from commonworks.chain.delegation import SignedDelegation, delegate_for_call, lender_of
from commonworks.chain.endpoints import Endpoints, Rejected, bytes_of, hex_of, int_of
from commonworks.chain.members import Members
from commonworks.chain.messages import (
    Enrolment,
    PermitDomain,
    SignedBatch,
    SignedEnrolment,
    SignedPermit,
    SignedShareTransfer,
    SignedSpendLimit,
    SignedWithdrawal,
    resource_word,
)
from commonworks.chain.passkey import clone_code
from commonworks.chain.plan import Deployment, key_word
from commonworks.chain.transactions import GAS_MARGIN_PERCENT, Call, Sender
from commonworks.errors import Conflict, NotFound, Unavailable
from commonworks.relay.chain import Carried, Examined, Limits
from commonworks.relay.messages import (
    ACCOUNT_KINDS,
    Ballot,
    Claim,
    CreateAccount,
    Delegation,
    Deposit,
    Enrol,
    EnrolBatch,
    Execute,
    FinishRecovery,
    Message,
    NewDevice,
    ShareTransfer,
    SpendLimit,
    StartRecovery,
    Withdrawal,
    charged,
)

MEMBER_KEY: Final = "relay_gas_member"
TOTAL_KEY: Final = "relay_gas_total"

ACCOUNT_EXISTS: Final = "AccountExists"
"""Error of our own: creating an account again would cost gas and change nothing."""

NOT_LENDER: Final = "InvalidSignature"
"""What the project's own contracts call a signature that is none of the account's."""


SignedAction = (
    SignedEnrolment
    | SignedBatch
    | SignedShareTransfer
    | SignedWithdrawal
    | SignedSpendLimit
    | SignedPermit
    | SignedVote
    | SignedDelegation
)
"""What members sign with the functions of `chain.messages`, `ballots` and `delegation`."""


def message_of(signed: SignedAction) -> Message:
    """Return what a member signed as the message that a relay takes."""
    if isinstance(signed, SignedVote):
        return Ballot(
            voter=signed.voter,
            proposal=signed.proposal,
            support=int(signed.support),
            reason=signed.reason,
            signature=signed.signature,
        )
    ending: dict[str, Any] = {"deadline": signed.deadline, "signature": signed.signature}
    match signed:
        case SignedEnrolment(account=owner, enrolment=enrolment):
            return Enrol(
                owner=owner,
                resource=enrolment.resource,
                **_device(enrolment),
                **ending,
            )
        case SignedBatch(account=owner, resource=resource, devices=devices):
            batch = tuple(NewDevice(**_device(enrolment)) for enrolment in devices)
            return EnrolBatch(owner=owner, resource=resource, devices=batch, **ending)
        case SignedShareTransfer(account=sender, device=device, receiver=receiver, ppm=ppm):
            return ShareTransfer(device=device, sender=sender, receiver=receiver, ppm=ppm, **ending)
        case SignedWithdrawal(account=account, asset=asset, amount=amount):
            return Withdrawal(account=account, asset=asset, amount=amount, **ending)
        case SignedSpendLimit(account=account, device=device, limit=limit):
            return SpendLimit(account=account, device=device, limit=limit, **ending)
        case SignedPermit(account=account, asset=asset, amount=amount):
            return Deposit(account=account, asset=asset, amount=amount, **ending)
        case SignedDelegation(account=account, delegatee=delegatee, nonce=nonce):
            return Delegation(account=account, delegatee=delegatee, nonce=nonce, **ending)


def _device(enrolment: Enrolment) -> dict[str, Any]:
    """Return what an enrolment says about a device itself."""
    key = enrolment.key
    return {
        "thumbprint": key.thumbprint,
        "alg": int(key.algorithm),
        "public_key": key.raw,
        "cell": enrolment.cell,
    }


class RelayedChain:
    """Implements `relay.RelayChain` with one account that pays."""

    def __init__(
        self,
        endpoints: Endpoints,
        deployment: Deployment,
        payer: LocalAccount,
        *,
        confirmations: int = 0,
    ) -> None:
        self._endpoints = endpoints
        self._at = deployment
        self._sender = Sender(endpoints, payer, confirmations=confirmations)
        self._clone_code: bytes | None = None
        self._votes_domain: PermitDomain | None = None

    async def limits(self, epoch: int) -> Limits:
        """See `RelayChain.limits`."""
        member, total = await asyncio.gather(
            *(
                self._ask("Policy", self._at.policy, "valueAt", key_word(key), epoch)
                for key in (MEMBER_KEY, TOTAL_KEY)
            )
        )
        return Limits(member_gas=int(member), total_gas=int(total))

    async def is_member(self, account: bytes) -> bool:
        """See `RelayChain.is_member`."""
        if not any(account):
            return False  # the contracts refuse to speak of the zero address
        devices, votes = await asyncio.gather(
            self._ask("Devices", self._at.devices, "balanceOf", account),
            self._ask("CommonsToken", self._at.votes, "getVotes", account),
        )
        return bool(devices or votes)

    async def examine(self, message: Message) -> Examined:
        """See `RelayChain.examine`."""
        account = charged(message)
        if isinstance(message, CreateAccount):
            account = await self._new_account(message)
        elif isinstance(message, ACCOUNT_KINDS):
            await self._require_account(message.account)
        elif isinstance(message, Delegation):
            await self._require_lender(message)
        gas, member = await asyncio.gather(
            self._estimate(self.call_of(message)), self.is_member(account or b"")
        )
        return Examined(account=account or b"", gas=gas, member=member)

    async def carry(self, message: Message, gas: int) -> Carried:
        """See `RelayChain.carry`. What was refused on chain is charged with its whole limit."""
        call = self.call_of(message)
        try:
            receipt = await self._sender.send(Call(to=call.to, data=call.data, gas=gas))
        except Rejected as error:
            raise Unavailable(
                f"the relay cannot send: {error.message}", hint=error.hint, sent=False
            ) from error
        except Conflict as error:
            refusal = str(error.fields.get("refusal", "unknown"))
            return Carried(transaction=None, gas_used=gas, error=refusal)
        return Carried(transaction=receipt.tx, gas_used=receipt.gas_used)

    def call_of(self, message: Message) -> Call:
        """Return the transaction that hands a message in."""
        match message:
            case Enrol() | EnrolBatch() | ShareTransfer():
                return self._to_devices(message)
            case Withdrawal() | SpendLimit() | Deposit() | Claim():
                return self._to_vault(message)
            case Execute() | StartRecovery() | FinishRecovery():
                return _to_account(message)
            case Ballot():
                return vote_call(self._at, _vote(message))
            case Delegation(delegatee=delegatee, nonce=nonce, deadline=deadline):
                return delegate_for_call(self._at, delegatee, nonce, deadline, message.signature)
            case CreateAccount():
                accounts = self._at.government.accounts
                return _call("MemberAccounts", accounts, "create", *_terms(message))

    def _to_devices(self, message: Enrol | EnrolBatch | ShareTransfer) -> Call:
        m, at = message, self._at.devices
        ending = (m.deadline, m.signature)
        words: tuple[object, ...]
        match m:
            case Enrol():
                key = (m.thumbprint, m.alg, m.public_key)
                words = (m.owner, *key, resource_word(m.resource), m.cell)
                return _call("Devices", at, "enrolFor", *words, *ending)
            case EnrolBatch():
                batch = [(d.thumbprint, d.alg, d.public_key, d.cell) for d in m.devices]
                word = resource_word(m.resource)
                return _call("Devices", at, "enrolBatchFor", m.owner, word, batch, *ending)
            case ShareTransfer():
                words = (m.device, m.sender, m.receiver, m.ppm)
                return _call("Devices", at, "transferShareFor", *words, *ending)

    def _to_vault(self, message: Withdrawal | SpendLimit | Deposit | Claim) -> Call:
        m, at = message, self._at.vault
        words: tuple[object, ...]
        match m:
            case Withdrawal():
                words = (m.account, m.asset, m.amount, m.deadline, m.signature)
                return _call("Vault", at, "requestWithdrawalFor", *words)
            case SpendLimit():
                words = (m.account, m.device, m.limit, m.deadline, m.signature)
                return _call("Vault", at, "setSpendLimitFor", *words)
            case Deposit():
                r, s, v = m.signature[:32], m.signature[32:64], m.signature[64]
                permit = (m.asset, m.account, m.amount, m.deadline, v, r, s)
                return _call("Vault", at, "depositWithPermit", *permit)
            case Claim():
                leaf = (m.asset, m.account, m.earned, m.spent)
                return _call("Vault", at, "claim", *leaf, list(m.proof))

    async def _new_account(self, message: CreateAccount) -> bytes:
        """Return where an account will be; raise Conflict where it is already."""
        accounts = self._at.government.accounts
        where = await self._ask("MemberAccounts", accounts, "addressOf", *_terms(message))
        account = bytes(where)
        if await self._code(account):
            raise Conflict(f"the account {hex_of(account)} exists already", refusal=ACCOUNT_EXISTS)
        return account

    async def _require_account(self, account: bytes) -> None:
        """Raise NotFound unless the factory made it: another contract could do anything."""
        if self._clone_code is None:
            factory = self._at.government.accounts
            implementation = await self._ask("MemberAccounts", factory, "implementation")
            self._clone_code = clone_code(bytes(implementation))
        if await self._code(account) != self._clone_code:
            raise NotFound(
                f"{hex_of(account)} is no member account of this network",
                hint="create it first, or check the address",
            )

    async def _require_lender(self, message: Delegation) -> None:
        """Raise Conflict unless the account signed: the contract takes whoever it recovers.

        Otherwise anybody could spend another account's budget with signatures of nobody.
        """
        if self._votes_domain is None:
            members = Members(self._endpoints, self._at)
            self._votes_domain = await members.permit_domain(self._at.votes)
        lender = lender_of(
            self._at,
            self._votes_domain,
            delegatee=message.delegatee,
            nonce=message.nonce,
            deadline=message.deadline,
            signature=message.signature,
        )
        if lender != message.account:
            raise Conflict(
                f"the delegation is not signed by {hex_of(message.account)}",
                refusal=NOT_LENDER,
            )

    async def _estimate(self, call: Call) -> int:
        request = {"from": hex_of(self._sender.address), "data": hex_of(call.data)}
        if call.to is not None:
            request["to"] = hex_of(call.to)
        try:
            # the newest block by name: without one some nodes take a pending one of their own time
            answer = await self._endpoints.request("eth_estimateGas", request, "latest")
        except Rejected as error:
            raise Unavailable(f"the chain gives no estimate: {error.message}") from error
        estimate = int_of(answer)
        return estimate + estimate * GAS_MARGIN_PERCENT // 100

    async def _code(self, account: bytes) -> bytes:
        return bytes_of(await self._endpoints.request("eth_getCode", hex_of(account), "latest"))

    async def _ask(self, name: str, at: bytes, function: str, *values: object) -> Any:
        item = contract(name)[function]
        return item.results(await self._endpoints.call(at, item.call(*values)))[0]


def _to_account(message: Execute | StartRecovery | FinishRecovery) -> Call:
    m, at = message, message.account
    match m:
        case Execute():
            calls = [(call.target, call.value, call.data) for call in m.calls]
            return _call("MemberAccount", at, "executeFor", calls, m.deadline, m.signature)
        case StartRecovery():
            words = (m.qx, m.qy, m.deadline, list(m.signers), list(m.signatures))
            return _call("MemberAccount", at, "startRecovery", *words)
        case FinishRecovery():
            return _call("MemberAccount", at, "finishRecovery")


def _vote(message: Ballot) -> SignedVote:
    return SignedVote(
        proposal=message.proposal,
        support=Support(message.support),
        reason=message.reason,
        voter=message.voter,
        signature=message.signature,
    )


def _terms(message: CreateAccount) -> tuple[object, ...]:
    recoverers = list(message.recoverers)
    return (message.qx, message.qy, recoverers, message.threshold, message.recovery_delay_s)


def _call(name: str, to: bytes, function: str, *values: object) -> Call:
    return Call(to=to, data=contract(name)[function].call(*values))
