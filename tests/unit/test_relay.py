"""The relay over its ports: budgets, newcomers, refusals, copies, crashes."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field

import pytest

from commonworks.errors import CommonworksError, Conflict, Corrupt, NotFound, Unavailable
from commonworks.ports import Store
from commonworks.relay import REASONS, Carried, Declined, Examined, Limits, Reason, Relay, Relayed
from commonworks.relay.messages import (
    CreateAccount,
    FinishRecovery,
    Message,
    SpendLimit,
    charged,
    encode_message,
)
from commonworks.simulation.store import Fault, PowerCut, SimulatedStore, Survival
from gateway_kit import EPOCH_S, GENESIS_S, NETWORK, StoppedClock, asynchronous

ADA, BOB, NEW = bytes([1]) * 20, bytes([2]) * 20, bytes([3]) * 20
MEMBER_GAS, TOTAL_GAS = 1_009, 2_003
GAS, USED = 211, 199


@dataclass(kw_only=True)
class Chain:
    """The RelayChain port as a double: it carries out everything once, and counts what it took."""

    members: set[bytes] = field(default_factory=lambda: {ADA, BOB})
    limits_of: dict[int, Limits] = field(default_factory=dict)
    refusal: CommonworksError | None = None
    lost: CommonworksError | None = None
    reverts: str | None = None
    gas: int = GAS
    done: set[Message] = field(default_factory=set)
    paid: Counter[bytes] = field(default_factory=Counter)
    asked: int = 0

    async def limits(self, epoch: int) -> Limits:
        """Return what was set for an epoch."""
        self.asked += 1
        return self.limits_of.get(epoch, Limits(member_gas=MEMBER_GAS, total_gas=TOTAL_GAS))

    async def is_member(self, account: bytes) -> bool:
        """Tell who is listed."""
        return account in self.members

    async def examine(self, message: Message) -> Examined:
        """Refuse what is set, and what was done before."""
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        if message in self.done:
            raise Conflict("the contract refuses: InvalidSignature()", refusal="InvalidSignature")
        account = charged(message) or NEW
        return Examined(account=account, gas=self.gas, member=account in self.members)

    async def carry(self, message: Message, gas: int) -> Carried:
        """Take less gas than the limit, or fail as set."""
        await asyncio.sleep(0)
        if self.lost is not None:
            raise self.lost
        used = gas if self.reverts else min(gas, USED)
        self.paid[charged(message) or NEW] += used
        self.done.add(message)
        if self.reverts:
            return Carried(transaction=None, gas_used=used, error=self.reverts)
        return Carried(transaction=len(self.done).to_bytes(32, "big"), gas_used=used)


_numbers = itertools.count()


def wish(account: bytes = ADA) -> bytes:
    """Return a document that was never there before."""
    return encode_message(
        SpendLimit(
            account=account, device=1, limit=next(_numbers), deadline=2**40, signature=b"s" * 65
        )
    )


async def opened(
    chain: Chain | None = None, *, store: Store | None = None, clock: StoppedClock | None = None
) -> Relay:
    """Return an open relay."""
    return await Relay.open(
        network=NETWORK,
        store=SimulatedStore() if store is None else store,
        chain=Chain() if chain is None else chain,
        clock=StoppedClock() if clock is None else clock,
    )


def declined(answer: Relayed | Declined, reason: Reason) -> Declined:
    """Check that an answer is a refusal for this reason."""
    assert isinstance(answer, Declined), answer
    assert answer.reason is reason
    assert answer.detail
    assert "\n" not in answer.detail
    return answer


# --- what goes through ----------------------------------------------------------------------------


@asynchronous
async def test_what_a_member_signed_is_handed_in_and_charged_with_what_it_took() -> None:
    relay = await opened()
    answer = await relay.hand_in(wish())
    assert answer == Relayed(
        transaction=bytes(31) + b"\x01", account=ADA, gas=USED, left=MEMBER_GAS - USED
    )
    budget = await relay.budget(ADA)
    assert (budget.spent, budget.left, budget.limit) == (USED, MEMBER_GAS - USED, MEMBER_GAS)
    assert (budget.epoch, budget.renews, budget.member) == (0, GENESIS_S + EPOCH_S, True)
    assert (await relay.budget(BOB)).spent == 0


@asynchronous
async def test_a_created_account_pays_for_itself() -> None:
    relay = await opened(Chain(members={ADA, BOB, NEW}))
    terms = CreateAccount(
        qx=bytes(32), qy=bytes(32), recoverers=(), threshold=0, recovery_delay_s=86_400
    )
    answer = await relay.hand_in(encode_message(terms))
    assert isinstance(answer, Relayed)
    assert answer.account == NEW
    assert (await relay.budget(NEW)).spent == USED


# --- what does not --------------------------------------------------------------------------------


@asynchronous
async def test_documents_that_say_nothing_cost_nothing() -> None:
    chain = Chain()
    relay = await opened(chain)
    declined(await relay.hand_in(b'{"kind":"mint"}'), Reason.UNKNOWN_KIND)
    declined(await relay.hand_in(b"{"), Reason.MALFORMED)
    assert not chain.paid


@pytest.mark.parametrize(
    ("error", "reason", "name"),
    [
        (Conflict("no", refusal="InvalidSignature"), Reason.BAD_SIGNATURE, "InvalidSignature"),
        (Conflict("no", refusal="ERC2612InvalidSigner"), Reason.BAD_SIGNATURE, None),
        (Conflict("no", refusal="GovernorInvalidSignature"), Reason.BAD_SIGNATURE, None),
        (Conflict("no", refusal="SignatureExpired"), Reason.WOULD_FAIL, "SignatureExpired"),
        (Conflict("no"), Reason.WOULD_FAIL, "unknown"),
        (NotFound("no such account"), Reason.NO_ACCOUNT, None),
        (Unavailable("nobody there"), Reason.UNAVAILABLE, None),
    ],
)
@asynchronous
async def test_what_the_chain_refuses_is_not_paid_for(
    error: CommonworksError, reason: Reason, name: str | None
) -> None:
    chain = Chain(refusal=error)
    relay = await opened(chain)
    answer = declined(await relay.hand_in(wish()), reason)
    assert name is None or answer.error == name
    assert not chain.paid
    assert (await relay.budget(ADA)).spent == 0


@asynchronous
async def test_what_fails_all_the_same_is_charged() -> None:
    chain = Chain(reverts="SignatureExpired")
    relay = await opened(chain)
    answer = declined(await relay.hand_in(wish()), Reason.WOULD_FAIL)
    assert answer.error == "SignatureExpired"
    assert (await relay.budget(ADA)).spent == GAS == chain.paid[ADA]


@pytest.mark.parametrize(("sent", "booked"), [(False, 0), (True, GAS), (None, GAS)])
@asynchronous
async def test_gas_of_what_may_have_been_sent_stays_booked(sent: bool | None, booked: int) -> None:
    fields = {} if sent is None else {"sent": sent}
    chain = Chain(lost=Unavailable("the chain went away", **fields))
    relay = await opened(chain)
    declined(await relay.hand_in(wish()), Reason.UNAVAILABLE)
    assert (await relay.budget(ADA)).spent == booked


# --- budgets --------------------------------------------------------------------------------------


async def until_declined(relay: Relay, account: bytes = ADA) -> tuple[int, Declined]:
    """Hand in until the relay declines; return how often it did not, and why at last."""
    for count in itertools.count():
        answer = await relay.hand_in(wish(account))
        if isinstance(answer, Declined):
            return count, answer
    raise AssertionError


@asynchronous
async def test_a_member_has_so_much_an_epoch_and_is_told_when_it_renews() -> None:
    clock = StoppedClock(GENESIS_S + 5)
    chain = Chain()
    relay = await opened(chain, clock=clock)
    count, over = await until_declined(relay)
    assert over.reason is Reason.OVER_BUDGET
    assert over.renews == GENESIS_S + EPOCH_S
    assert count == 5, "the sixth could take 211 of the 14 that are left"
    assert chain.paid[ADA] == 5 * USED <= MEMBER_GAS
    assert isinstance(await relay.hand_in(wish(BOB)), Relayed), "others have their own"
    clock.now_s = GENESIS_S + EPOCH_S
    assert isinstance(await relay.hand_in(wish()), Relayed)
    assert (await relay.budget(ADA)).spent == USED


@asynchronous
async def test_everybody_together_has_so_much() -> None:
    people = [bytes([n]) * 20 for n in range(10, 20)]
    chain = Chain(members=set(people))
    relay = await opened(chain)
    for account in people:
        await until_declined(relay, account)
    assert TOTAL_GAS - GAS < chain.paid.total() <= TOTAL_GAS
    over = declined(await relay.hand_in(wish(people[9])), Reason.OVER_BUDGET)
    assert over.renews == GENESIS_S + EPOCH_S


@asynchronous
async def test_newcomers_share_a_tenth_and_take_nothing_from_members() -> None:
    chain = Chain(members={ADA}, limits_of={0: Limits(member_gas=5_000, total_gas=10_000)})
    relay = await opened(chain)
    strangers = [bytes([n]) * 20 for n in range(100, 200)]
    for account in strangers:
        await relay.hand_in(wish(account))
    assert 1_000 - GAS < chain.paid.total() <= 1_000
    assert (await relay.budget(strangers[-1])).left < GAS
    assert not (await relay.budget(strangers[-1])).member
    assert (await relay.budget(ADA)).left == 5_000
    assert isinstance(await relay.hand_in(wish(ADA)), Relayed)


@asynchronous
async def test_what_takes_more_than_an_epoch_gives_is_told_so() -> None:
    relay = await opened(Chain(gas=MEMBER_GAS + 1))
    over = declined(await relay.hand_in(wish()), Reason.OVER_BUDGET)
    assert f"an account has {MEMBER_GAS}" in over.detail


@asynchronous
async def test_a_budget_of_nothing_closes_the_relay() -> None:
    relay = await opened(Chain(limits_of={0: Limits(member_gas=0, total_gas=0)}))
    declined(await relay.hand_in(wish()), Reason.OVER_BUDGET)


@asynchronous
async def test_a_changed_policy_counts_from_its_epoch_on() -> None:
    clock = StoppedClock(GENESIS_S)
    chain = Chain(limits_of={1: Limits(member_gas=GAS, total_gas=TOTAL_GAS)})
    relay = await opened(chain, clock=clock)
    await relay.hand_in(wish())
    assert isinstance(await relay.hand_in(wish()), Relayed)
    assert chain.asked == 1, "an open epoch's policy is asked for once"
    clock.now_s += EPOCH_S
    assert isinstance(await relay.hand_in(wish()), Relayed)
    declined(await relay.hand_in(wish()), Reason.OVER_BUDGET)


@asynchronous
async def test_before_genesis_the_first_epochs_budget_serves() -> None:
    clock = StoppedClock(GENESIS_S - 10 * EPOCH_S)
    chain = Chain()
    relay = await opened(chain, clock=clock)
    await relay.hand_in(wish())
    chain.limits_of[0] = Limits(member_gas=GAS, total_gas=TOTAL_GAS)
    declined(await relay.hand_in(wish()), Reason.OVER_BUDGET)
    assert (await relay.budget(ADA)).renews == GENESIS_S + EPOCH_S


# --- at the same time -----------------------------------------------------------------------------


@asynchronous
async def test_two_copies_are_paid_for_once() -> None:
    chain = Chain()
    relay = await opened(chain)
    document = wish()
    answers = await asyncio.gather(*(relay.hand_in(document) for _ in range(5)))
    assert sum(isinstance(answer, Relayed) for answer in answers) == 1
    refused = [answer for answer in answers if isinstance(answer, Declined)]
    assert {answer.reason for answer in refused} == {Reason.BAD_SIGNATURE}
    assert chain.paid[ADA] == USED


@asynchronous
async def test_many_at_once_stay_within_the_budget() -> None:
    chain = Chain(members={bytes([n]) * 20 for n in range(50)})
    relay = await opened(chain)
    documents = [wish(bytes([n]) * 20) for n in range(50)]
    answers = await asyncio.gather(*(relay.hand_in(document) for document in documents))
    assert chain.paid.total() <= TOTAL_GAS
    over = {answer.reason for answer in answers if isinstance(answer, Declined)}
    assert over == {Reason.OVER_BUDGET}


@asynchronous
async def test_too_many_at_once_are_told_to_wait() -> None:
    relay = await opened(Chain(limits_of={0: Limits(member_gas=10**9, total_gas=10**9)}))
    answers = await asyncio.gather(*(relay.hand_in(wish()) for _ in range(300)))
    reasons = Counter(answer.reason for answer in answers if isinstance(answer, Declined))
    assert reasons == {Reason.UNAVAILABLE: 300 - 256}


# --- books that survive ---------------------------------------------------------------------------


@asynchronous
async def test_the_books_survive_a_restart_and_old_epochs_go() -> None:
    store, clock = SimulatedStore(), StoppedClock(GENESIS_S)
    relay = await opened(store=store, clock=clock)
    await relay.hand_in(wish())
    await relay.hand_in(wish(BOB))
    store = store.reboot()
    again = await opened(store=store, clock=clock)
    assert [(await again.budget(a)).spent for a in (ADA, BOB)] == [USED, USED]
    clock.now_s += EPOCH_S
    later = await opened(store=store, clock=clock)
    assert (await later.budget(ADA)).spent == 0
    assert not store.files()


@pytest.mark.parametrize("name", ["spent/0/zz", "spent/x/" + "00" * 20, "spent/0/" + "00" * 20])
@asynchronous
async def test_damaged_books_stop_the_relay(name: str) -> None:
    store = SimulatedStore()
    await store.write({name: b"12"})
    with pytest.raises(Corrupt):
        await opened(store=store)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("survival", list(Survival))
@pytest.mark.parametrize("step", range(8))
@asynchronous
async def test_whatever_the_disk_does_no_more_is_paid_than_the_policy_allows(
    fault: Fault, survival: Survival, step: int
) -> None:
    chain, clock = Chain(), StoppedClock(GENESIS_S)
    store = SimulatedStore({step: fault})
    relay = await opened(chain, store=store, clock=clock)
    try:
        for number in range(12):
            answer = await relay.hand_in(wish(ADA if number % 2 else BOB))
            if isinstance(answer, Relayed):
                assert answer.left <= MEMBER_GAS - chain.paid[answer.account]
    except PowerCut:
        store = store.reboot(survival, seed=step)
        relay = await opened(chain, store=store, clock=clock)
    for account in (ADA, BOB):
        assert (await relay.budget(account)).spent >= chain.paid[account], "the books know it all"
        await until_declined(relay, account)
        assert chain.paid[account] <= MEMBER_GAS
    assert chain.paid.total() <= TOTAL_GAS


@asynchronous
async def test_a_disk_that_fails_afterwards_takes_no_answer_away() -> None:
    relay = await opened(store=SimulatedStore({1: Fault.FAILED}))
    assert isinstance(await relay.hand_in(wish()), Relayed)
    assert (await relay.budget(ADA)).spent == GAS, "booked in full"


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(Reason)
    assert all(REASONS.values())


@asynchronous
async def test_messages_to_an_account_are_charged_to_it() -> None:
    relay = await opened()
    await relay.hand_in(encode_message(FinishRecovery(account=BOB)))
    assert (await relay.budget(BOB)).spent == USED
