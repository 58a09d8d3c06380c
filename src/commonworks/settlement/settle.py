"""The one function that settles an epoch. Verifier, auditor, back-test and simulator call it.

    intake (decode, authenticate, bind) -> each resource: verify, market, payments -> rewards
    -> withdrawals -> totals -> payout tree -> digest

Invariant: per asset, earned <= spent + minted and spent <= deposited; what one account spends,
others earn, to the last unit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from commonworks import canonical
from commonworks.errors import require
from commonworks.events import (
    AssetTotal,
    Commitment,
)
from commonworks.model import (
    Evidence,
    Facts,
    ResourceResult,
    Reward,
    Settlement,
    State,
    Verdict,
)
from commonworks.policy import Policy
from commonworks.resources.base import Resource, ResourceInput
from commonworks.settlement import payout
from commonworks.settlement.commitment import digest, evidence_hash
from commonworks.settlement.emission import (
    after_epoch,
    emission_wei,
    pools_of,
    reward_service,
    split_rewards,
)
from commonworks.settlement.intake import Intake, take_in
from commonworks.settlement.ledger import Ledger
from commonworks.settlement.state import state_hash


def settle(
    resources: Mapping[str, Resource],
    policy: Policy,
    facts: Facts,
    state: State,
    evidence: Evidence,
) -> Settlement:
    """Settle one epoch.

    Inputs: the resources of this release by name; the policy and the facts of the epoch; the state
    that the epoch before left (`settlement.state.INITIAL` before epoch 0); the frozen evidence,
    its entries in any order.
    Returns: verdicts, work, rewards, payments, totals, payout root, digest and the next state.
    Guarantees: deterministic; no I/O, clock or randomness; the same result for entries shuffled,
    duplicated, or spread over other logs and batches; money is conserved.
    Raises: InvariantBroken when a resource breaks its contract; InvalidInput when the policy lacks
    a parameter that a rule needs.
    Source: docs/spec/settlement.md.
    """
    require(facts.epoch == policy.epoch == evidence.epoch == state.epoch + 1, "epochs differ")
    intake = take_in(resources, policy, facts, state, evidence)
    ledger = Ledger(facts, state)
    verdicts = list(intake.verdicts)
    results: list[ResourceResult] = []
    rewards: list[Reward] = []
    own_states: dict[str, bytes] = {}
    budget = emission_wei(facts.network.initial_emission_wei, state.halvings)
    pools = pools_of(budget, policy, resources)
    for name in sorted(resources):
        settled = _settle_resource(resources[name], policy, facts, state, intake, ledger)
        result, judged, own_states[name] = settled
        verdicts.extend(judged)
        results.append(result)
        cap = policy["account_cap_ppm"]
        rewards.extend(split_rewards(name, pools[name], result.work, facts.payees, cap))
    rewards.extend(reward_service(pools, facts))
    minted = sum(reward.amount_wei for reward in rewards)
    require(minted <= budget, "rewards exceed the emission")
    ledger.reward(rewards)
    withdrawn, waiting = ledger.withdraw(policy, (*state.waiting, *facts.withdrawals))
    ordered = tuple(sorted(verdicts, key=lambda item: item.identity))
    require(len({item.identity for item in ordered}) == len(ordered), "a second verdict")
    paid = sum(payment.amount for result in results for payment in result.payments)
    outcome = [facts.epoch, ordered, results, rewards, withdrawn]
    next_state = State(
        epoch=facts.epoch,
        digest=b"",
        bindings=intake.bindings,
        pending=intake.pending,
        seen=intake.seen,
        sites=intake.sites,
        totals=ledger.totals(),
        minted_wei=state.minted_wei + minted,
        halvings=after_epoch(state.halvings, policy["half_life_epochs"]),
        waiting=waiting,
        resources=tuple(sorted(own_states.items())),
    )
    commitment = _commit(policy, facts, state, evidence, next_state, canonical.digest(outcome))
    fixed = digest(facts.network.network_id, facts.epoch, commitment)
    return Settlement(
        epoch=facts.epoch,
        verdicts=ordered,
        resources=tuple(results),
        rewards=tuple(rewards),
        unminted_wei=budget - minted,
        withdrawn=withdrawn,
        minted_wei=minted,
        paid_micro=paid,
        payouts=next_state.totals,
        commitment=commitment,
        digest=fixed,
        state=replace(next_state, digest=fixed),
    )


def _settle_resource(
    resource: Resource, policy: Policy, facts: Facts, state: State, intake: Intake, ledger: Ledger
) -> tuple[ResourceResult, tuple[Verdict, ...], bytes]:
    """Run one resource's rules and book its payments."""
    currency = facts.network.currency
    holders = {account for asset, account in facts.deposits if asset == currency}
    data = ResourceInput(
        facts=facts,
        policy=policy,
        devices=intake.devices[resource.name],
        accounts=intake.accounts,
        statements=intake.statements.get(resource.name, ()),
        site=intake.site_in_force.get(resource.name),
        state=dict(state.resources).get(resource.name, b""),
        budgets={account: ledger.free(currency, account) for account in sorted(holders)},
    )
    verified = resource.rules.verify(data)
    judged = {item.identity for item in verified.verdicts}
    require(
        judged == {item.identity for item in data.statements}
        and len(judged) == len(verified.verdicts),
        f"{resource.name} must judge every statement once",
    )
    traded = resource.rules.market(data, verified)
    reasons = {item.reason for item in verified.verdicts if item.reason}
    reasons |= {item.reason for item in (*verified.intervals, *traded.intervals)}
    require(reasons <= set(resource.reasons), f"{resource.name} gave an undeclared reason")
    purposes = {payment.purpose for payment in traded.payments}
    require(purposes <= set(resource.purposes), "a payment has a declared purpose")
    require(
        all(intake.accounts.get(item.device) == item.account for item in traded.work),
        "work counts for the account of its device",
    )
    ledger.pay(currency, traded.payments, intake.accounts)
    intervals = sorted(
        (*verified.intervals, *traded.intervals),
        key=lambda item: (item.device, item.start_s, item.length_s, item.reason),
    )
    result = ResourceResult(
        resource=resource.name,
        intervals=tuple(intervals),
        credits=verified.credits,
        work=traded.work,
        payments=traded.payments,
        summary={**verified.summary, **traded.summary},
        detail=canonical.encode([verified.detail, traded.detail]),
    )
    return result, verified.verdicts, verified.state


def _commit(
    policy: Policy,
    facts: Facts,
    state: State,
    evidence: Evidence,
    next_state: State,
    result_hash: bytes,
) -> Commitment:
    """Gather the hashes and check the inequalities that the Vault checks again."""
    earned: defaultdict[bytes, int] = defaultdict(int)
    spent: defaultdict[bytes, int] = defaultdict(int)
    deposited: defaultdict[bytes, int] = defaultdict(int)
    for total in next_state.totals:
        earned[total.asset] += total.earned
        spent[total.asset] += total.spent
    for (asset, _), amount in facts.deposits.items():
        deposited[asset] += amount
    for asset, amount in earned.items():
        minted = next_state.minted_wei if asset == facts.network.token else 0
        require(amount <= spent[asset] + minted, "more is earned than was spent and minted")
        require(spent[asset] <= deposited[asset], "more is spent than was deposited")
    return Commitment(
        previous_digest=state.digest,
        evidence_hash=evidence_hash(facts.epoch, evidence.ranges),
        facts_hash=canonical.digest(facts),
        policy_hash=policy.history_hash,
        rules_hash=policy.rules_hash,
        result_hash=result_hash,
        state_hash=state_hash(next_state),
        payout_root=payout.root(next_state.totals),
        minted_wei=next_state.minted_wei,
        totals=tuple(
            AssetTotal(asset=asset, earned=earned[asset], spent=spent[asset])
            for asset in sorted(earned)
        ),
    )
