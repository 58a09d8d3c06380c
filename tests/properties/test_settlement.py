"""Properties of settle(): money, order of evidence, hash seeds, canonical bytes, the schedule."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from commonworks import canonical
from commonworks.model import (
    HeldBinding,
    PendingStatement,
    SeenStatement,
    State,
    Total,
    Withdrawal,
)
from commonworks.settlement.emission import (
    after_epoch,
    emission_pools,
    emission_wei,
    split_payees,
    split_rewards,
)
from commonworks.settlement.payout import proof, root, verify
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.translog.tree import leaf_hash
from commonworks.units import PPM, apportion
from settlement_world import evidence_of, work
from street_story import (
    check_economy,
    check_feeder,
    check_money,
    check_once,
    check_order,
    tell,
)

TESTS = Path(__file__).resolve().parents[1]
STORIES = settings(derandomize=True, max_examples=30, deadline=None)
QUICK = settings(derandomize=True, max_examples=100, deadline=None)
BYTES_20 = st.binary(min_size=20, max_size=20)
BYTES_32 = st.binary(min_size=32, max_size=32)
AMOUNT = st.integers(0, 2**256 - 1)
"""An amount of money as the chain can hold it."""
MORE = st.randoms(use_true_random=False)
SEED = st.integers(0, 2**32)
"""A story is told from its seed: what fails is named by one number."""


@STORIES
@given(SEED)
def test_money_is_conserved_and_no_interval_counts_twice(seed: int) -> None:
    told = tell(Random(seed))
    check_money(told)
    check_economy(told)
    check_once(told)
    check_feeder(told)


@STORIES
@given(SEED)
def test_the_order_of_evidence_does_not_show(seed: int) -> None:
    random = Random(seed)
    check_order(random, tell(random))


@STORIES
@given(SEED)
def test_damaged_evidence_is_data(seed: int) -> None:
    """Any byte of any statement or payload may be another: a verdict each, and money holds."""
    random = Random(seed)
    told = tell(random)[-1]
    entries = []
    for entry in told.evidence.entries:
        damaged = bytearray(entry.statement)
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        cut = entry.statement[: random.randrange(len(entry.statement))]
        preimage = random.choice((entry.preimage, None, b"", damaged[:9]))
        for raw in (bytes(damaged), cut, entry.statement):
            other = bytes(preimage) if preimage is not None else None
            entries.append(replace(entry, statement=raw, preimage=other))
    told.street.state = told.before
    result = told.street.settle_with(evidence_of(told.evidence.epoch, entries))
    check_money([replace(told, result=result)], told.before.minted_wei)
    judged = {verdict.identity for verdict in result.verdicts}
    seen = {item.identity for item in told.before.seen}
    for entry in entries:
        decoded = decode_statement(entry.statement, entry.preimage)
        bare = decode_statement(entry.statement, None)
        named = {d.identity for d in (decoded, bare) if not isinstance(d, Reason)}
        assert (named | {leaf_hash(entry.statement)}) & (judged | seen)


def digests(seed: int) -> str:
    """Return the digests of a story, for another process to compare."""
    return " ".join(item.result.digest.hex() for item in tell(Random(seed)))


def test_the_hash_seed_of_the_interpreter_does_not_show() -> None:
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(TESTS)}
        code = (
            "from random import Random; from street_story import tell;"
            "print(*(i.result.digest.hex() for s in range(3) for i in tell(Random(s))))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True,
            check=True, timeout=60,
        )  # fmt: skip
        found.add(done.stdout.strip())
    assert found == {" ".join(digests(seed) for seed in range(3))}


# --- bytes --------------------------------------------------------------------------------------

STATES = st.builds(
    State,
    epoch=st.integers(-1, 2**40),
    digest=BYTES_32,
    bindings=st.lists(
        st.builds(
            HeldBinding,
            kid=BYTES_32,
            owner=BYTES_20,
            generation=st.integers(0, 2**63 - 1),
            identity=BYTES_32,
        ),
        max_size=3,
    ).map(tuple),
    pending=st.lists(
        st.builds(
            PendingStatement,
            identity=BYTES_32,
            statement=st.binary(max_size=40),
            preimage=st.none() | st.binary(max_size=40),
            anchored_at=st.integers(0, 2**40),
        ),
        max_size=3,
    ).map(tuple),
    seen=st.lists(
        st.builds(SeenStatement, identity=BYTES_32, until=st.integers(0, 2**40)), max_size=3
    ).map(tuple),
    sites=st.lists(
        st.tuples(st.text(max_size=9), BYTES_32, st.binary(max_size=40)), max_size=3
    ).map(tuple),
    totals=st.lists(
        st.builds(Total, asset=BYTES_20, account=BYTES_20, earned=AMOUNT, spent=AMOUNT), max_size=3
    ).map(tuple),
    minted_wei=AMOUNT,
    halvings=AMOUNT,
    waiting=st.lists(
        st.builds(
            Withdrawal,
            request=st.integers(1, 2**40),
            asset=BYTES_20,
            account=BYTES_20,
            amount=AMOUNT,
        ),
        max_size=3,
    ).map(tuple),
    resources=st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=40)), max_size=3).map(
        tuple
    ),
)


@QUICK
@given(STATES)
def test_a_state_comes_back_from_its_bytes(state: State) -> None:
    assert canonical.decode(State, canonical.encode(state)) == state


@QUICK
@given(STATES, STATES)
def test_two_states_have_two_encodings(one: State, other: State) -> None:
    assert (canonical.encode(one) == canonical.encode(other)) is (one == other)


VALUES = st.recursive(
    st.integers(-(2**70), 2**70) | st.binary(max_size=9) | st.text(max_size=5) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@QUICK
@given(VALUES, VALUES)
def test_different_values_have_different_bytes(one: object, other: object) -> None:
    # numbers beyond 64 bits share their form with [negative, bytes]; a record's type tells them
    # apart, so plain forms are what is compared here
    same = repr(canonical.plain(one)) == repr(canonical.plain(other))
    assert (canonical.encode(one) == canonical.encode(other)) is same


@QUICK
@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=6), MORE)
def test_a_mapping_forgets_its_order(mapping: dict[str, int], random: Random) -> None:
    items = list(mapping.items())
    random.shuffle(items)
    assert canonical.encode(dict(items)) == canonical.encode(mapping)


# --- the tree and the schedule ------------------------------------------------------------------


@QUICK
@given(
    st.lists(
        st.builds(Total, asset=BYTES_20, account=BYTES_20, earned=AMOUNT, spent=AMOUNT),
        min_size=1,
        max_size=12,
        unique_by=lambda total: (total.asset, total.account),
    ),
    MORE,
)
def test_every_leaf_has_a_proof_in_any_order(leaves: list[Total], random: Random) -> None:
    top = root(leaves)
    shuffled = list(leaves)
    random.shuffle(shuffled)
    assert root(shuffled) == top
    for leaf in leaves:
        found, siblings = proof(shuffled, leaf.asset, leaf.account)
        assert found == leaf
        assert verify(top, leaf, siblings)


HALF_LIVES = st.lists(st.integers(1, 10**6), max_size=40)
"""The half-life in force for each epoch, from the first on."""


def reference_emission(initial: int, half_lives: Sequence[int]) -> int:
    """Return the emission after epochs with these half-lives, as the contract's loop finds it.

    The contract keeps segments of equal half-lives: (epochs, half-life), and adds them up.
    """
    segments: list[list[int]] = []
    for half_life in half_lives:
        if segments and segments[-1][1] == half_life:
            segments[-1][0] += 1
        else:
            segments.append([1, half_life])
    halvings = sum(count * (2**96 // half_life) for count, half_life in segments)
    whole, fraction = halvings >> 96, halvings % 2**96
    return 0 if whole >= 255 else (initial >> whole) * (2**97 - fraction) // 2**97


def opening(half_lives: Sequence[int]) -> int:
    """Return the half-lives that have passed, as one state after the other carries them."""
    return reduce(after_epoch, half_lives, 0)


@QUICK
@given(AMOUNT, HALF_LIVES)
def test_the_emission_is_the_contracts(initial: int, half_lives: list[int]) -> None:
    found = emission_wei(initial, opening(half_lives))
    assert found == reference_emission(initial, half_lives)


@QUICK
@given(AMOUNT, HALF_LIVES, st.integers(1, 10**6))
def test_emission_never_grows(initial: int, half_lives: list[int], following: int) -> None:
    later = emission_wei(initial, opening([*half_lives, following]))
    assert 0 <= later <= emission_wei(initial, opening(half_lives)) <= initial


@QUICK
@given(st.lists(st.integers(1, 50), max_size=300), st.integers(1, 10**27))
def test_the_schedule_is_bounded_whatever_is_voted(half_lives: list[int], initial: int) -> None:
    """What the token's constructor reserves: E0 * (3 * (Hmax + 1) + 1) / 2."""
    passed = [opening(half_lives[:epoch]) for epoch in range(len(half_lives) + 1)]
    assert 2 * sum(emission_wei(initial, halvings) for halvings in passed) <= initial * (3 * 51 + 1)


@QUICK
@given(st.integers(0, 10**30), st.lists(st.integers(1, 10**6), min_size=1, max_size=64))
def test_shares_of_a_device_come_to_what_it_earned(amount: int, weights: list[int]) -> None:
    ppm = apportion(PPM - len(weights), weights)
    shares = [(bytes([i]) * 20, 1 + part) for i, part in enumerate(ppm)]
    parts = split_payees(amount, shares)
    assert sum(part for _, part in parts) == amount
    for (account, part), (payee, share) in zip(parts, shares, strict=True):
        assert account == payee
        exact = amount * share // PPM
        assert part == exact or (account == shares[0][0] and part < exact + len(shares))


@QUICK
@given(
    st.integers(0, 10**27),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 10**9), st.integers(0, PPM), AMOUNT),
        max_size=6,
    ),
    st.integers(1, PPM),
)
def test_rewards_stay_within_pool_cap_and_ceiling(
    pool: int, rows: list[tuple[str, int, int, int]], cap_ppm: int
) -> None:
    done = [work(name, quantity, quality=q, ceiling=c) for name, quantity, q, c in rows]
    rewards = split_rewards("gauge", pool, done, {}, cap_ppm)
    assert sum(reward.amount_wei for reward in rewards) <= pool
    for reward in rewards:
        assert 0 < reward.amount_wei <= pool * cap_ppm // PPM
        assert reward.amount_wei <= sum(
            item.ceiling_wei for item in done if item.account == reward.account
        )


@QUICK
@given(st.integers(0, 10**27), st.lists(st.integers(0, PPM), max_size=5))
def test_pools_stay_within_the_emission(budget: int, shares: list[int]) -> None:
    named = {str(index): share for index, share in enumerate(shares)}
    pools = emission_pools(budget, named)
    assert sum(pools.values()) <= budget
    if sum(shares) <= PPM:
        assert all(pools[name] == budget * share // PPM for name, share in named.items())
