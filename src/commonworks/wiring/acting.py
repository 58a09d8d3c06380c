"""Acting on a network as an account of this folder: by its key, by its passkey, or by its word.

An account with a key sends transactions. A passkey's account has what it signed carried out by a
relay. What contracts take as a signed message is carried by a relay for both, within the member's
budget; where no relay answers, an account with a key sends it itself and pays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from commonworks.chain.account_sender import HandIn, read_receipt
from commonworks.chain.delegation import delegate_call, sign_delegation
from commonworks.chain.members import Acting, Members, Paid
from commonworks.chain.messages import PermitDomain, sign_permit
from commonworks.chain.relayed import SignedAction, message_of
from commonworks.chain.signer import Signer
from commonworks.chain.transactions import Call, Receipt
from commonworks.errors import Conflict, Corrupt, NotFound, Unavailable
from commonworks.model import Total
from commonworks.relay import Message
from commonworks.relay.messages import Claim
from commonworks.settlement import payout
from commonworks.wiring.cast import DEADLINE_S
from commonworks.wiring.records import settled_epoch
from commonworks.wiring.relaying import open_account, open_hand_in
from commonworks.wiring.session import Session


@asynccontextmanager
async def acting_account(session: Session, name: str) -> AsyncIterator[LocalAccount | Acting]:
    """Yield what sends transactions as an account of this folder."""
    passkey = session.home.passkey(name)
    if passkey is None:
        yield session.home.account(name)
        return
    async with open_account(session, passkey.unlock(session.home.secret)) as sender:
        yield sender


@asynccontextmanager
async def acting(session: Session, name: str) -> AsyncIterator[Members]:
    """Yield the contracts as an account of this folder acts on them."""
    client = session.client()
    try:
        async with acting_account(session, name) as account:
            yield Members(client.endpoints, session.deployment, account)
    finally:
        await client.close()


@asynccontextmanager
async def looking(session: Session) -> AsyncIterator[Members]:
    """Yield the contracts as anybody sees them."""
    client = session.client()
    try:
        yield Members(client.endpoints, session.deployment)
    finally:
        await client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A member that signs, and the way to carry what it signed to the contracts."""

    members: Members
    """To look at the contracts; to send where there is no relay."""
    signer: Signer
    deadline: int
    """Last second in which what is signed now may be handed in, Unix seconds."""
    hand_in: HandIn | None
    """None where no relay answers: the member sends its own transaction."""

    async def carry(self, signed: SignedAction, instead: Call) -> Receipt:
        """Have a signed action carried out; `instead` is what the member sends without a relay.

        Raises: what relay or contracts say against it.
        """
        return await _carry(self.members, self.hand_in, message_of(signed), instead)


@asynccontextmanager
async def speaking(session: Session, name: str) -> AsyncIterator[Speaker]:
    """Yield an account of this folder as one that signs what others hand in.

    Raises: Unavailable for a passkey's account where no relay answers.
    """
    async with AsyncExitStack() as stack:
        hand_in = await _relay(session, stack)
        if hand_in is None:
            members = await stack.enter_async_context(acting(session, name))
        else:
            members = await stack.enter_async_context(looking(session))
        yield Speaker(
            members=members,
            signer=session.home.signer(name),
            deadline=session.clock.now() + DEADLINE_S,
            hand_in=hand_in,
        )


async def put_in(session: Session, name: str, asset: bytes, amount: int) -> bytes:
    """Deposit an account's money; return the hash of the transaction.

    A key signs a permit that a relay hands in. A passkey cannot (ERC-2612 knows keys only), and not
    every asset knows permits: then it is an allowance and a deposit.
    """
    async with speaking(session, name) as speaker:
        members, account = speaker.members, session.home.address(name)
        hand_in = speaker.hand_in
        if hand_in is not None and session.home.passkey(name) is None:
            domain = await _permits(members, asset)
            if domain is not None:
                signed = sign_permit(
                    speaker.signer,
                    session.deployment,
                    asset,
                    amount,
                    domain=domain,
                    nonce=await members.permit_nonce(asset, account),
                    deadline=speaker.deadline,
                )
                return await hand_in(message_of(signed))
    async with acting(session, name) as members:
        return (await members.deposit(asset, amount)).tx


async def lend_votes(session: Session, name: str, delegatee: bytes) -> bytes:
    """Lend an account's votes, or take them back; return the hash of the transaction.

    A key signs a delegation that a relay hands in. A passkey cannot (what votes knows keys only):
    its account calls for itself, which a relay carries as well.
    """
    async with speaking(session, name) as speaker:
        members, account = speaker.members, session.home.address(name)
        call = delegate_call(session.deployment, delegatee)
        if session.home.passkey(name) is None:
            votes = session.deployment.votes
            signed = sign_delegation(
                speaker.signer,
                session.deployment,
                delegatee,
                domain=await members.permit_domain(votes),
                nonce=await members.permit_nonce(votes, account),
                deadline=speaker.deadline,
            )
            return (await speaker.carry(signed, call)).tx
    async with acting(session, name) as members:
        return (await members.send(call)).tx


async def _permits(members: Members, asset: bytes) -> PermitDomain | None:
    """Return what an asset calls itself in its permits; None where it knows none."""
    try:
        return await members.permit_domain(asset)
    except (Conflict, Corrupt, NotFound):
        return None


async def push_claim(session: Session, by: str | None, asset: bytes, account: bytes) -> Paid:
    """Claim what an account earned against the root that is claimable now; anybody may.

    Inputs: `by` is the account that sends it; None: a relay, out of the account's budget.
    Raises: NotFound when nothing was earned, Unavailable when the root is not claimable yet or no
    relay answers, Conflict when everything was claimed already.
    """
    async with AsyncExitStack() as stack:
        hand_in = None if by is not None else await _relay(session, stack)
        if by is None and hand_in is None:
            raise Unavailable(
                "no relay of this network answers", hint="name who sends it: --by ACCOUNT"
            )
        way = looking(session) if by is None else acting(session, by)
        members = await stack.enter_async_context(way)
        total, proof = await _leaf(session, members, asset, account)
        claim = Claim(
            account=account, asset=asset, earned=total.earned, spent=total.spent, proof=proof
        )
        instead = members.calls.claim(total, proof)
        return members.paid(await _carry(members, hand_in, claim, instead))


async def _leaf(
    session: Session, members: Members, asset: bytes, account: bytes
) -> tuple[Total, tuple[bytes, ...]]:
    root = await members.claimable_root()
    if root is None:
        raise Unavailable(
            "no payout root is claimable yet",
            hint="a finalised epoch can be claimed against after its hold period",
        )
    found = await _leaf_at(session, root.epoch, asset, account)
    if found is None:
        raise NotFound(
            "the account has earned nothing in this asset so far",
            hint="ask for the other one: --asset currency, or --asset token",
        )
    leaf, siblings = found
    books = await members.vault_account(asset, account)
    if books.claimed >= leaf.earned:
        raise Conflict(
            "everything that is claimable was claimed already",
            hint="claim again after the next final epoch and its hold period",
        )
    return leaf, siblings


async def take_out(session: Session, by: str, asset: bytes, account: bytes) -> Paid:
    """Have the Vault's exit pay an account all that it has there in an asset; anybody may.

    Inputs: `by` is the account of this folder that sends it.
    Raises: Conflict when the exit is shut, or there is nothing to take out.
    """
    async with acting(session, by) as members:
        root = await members.last_root()
        found = None if root is None else await _leaf_at(session, root.epoch, asset, account)
        if found is None:
            call = members.calls.exit_without_leaf(asset, account)
        else:
            call = members.calls.exit(*found)
        return members.taken_out(await members.send(call))


async def _leaf_at(
    session: Session, epoch: int, asset: bytes, account: bytes
) -> tuple[Total, tuple[bytes, ...]] | None:
    """Return an account's leaf in an epoch's payout tree with its proof; None where it has none."""
    record = await settled_epoch(session.home, await session.view(), epoch)
    leaves = record.settlement.payouts
    if not any((leaf.asset, leaf.account) == (asset, account) for leaf in leaves):
        return None
    leaf, siblings = payout.proof(leaves, asset, account)
    return leaf, tuple(siblings)


async def _relay(session: Session, stack: AsyncExitStack) -> HandIn | None:
    try:
        return await stack.enter_async_context(open_hand_in(session))
    except Unavailable:
        return None


async def _carry(
    members: Members, hand_in: HandIn | None, message: Message, instead: Call
) -> Receipt:
    if hand_in is None:
        return await members.send(instead)
    return await read_receipt(members.endpoints, await hand_in(message))
