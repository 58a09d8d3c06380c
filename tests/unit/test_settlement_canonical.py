"""The canonical form, the state's bytes, and the commitment's hashes, word by word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

import cbor2
import pytest

from commonworks import canonical
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Corrupt, InvariantBroken
from commonworks.events import (
    AssetTotal,
    Commitment,
    Range,
)
from commonworks.model import (
    State,
    Total,
)
from commonworks.settlement.commitment import digest, evidence_hash
from commonworks.settlement.state import INITIAL, state_hash
from commonworks.statements.model import Kind
from settlement_world import CURRENCY, GENESIS_S, TOKEN, World, account, gauge, level


class Colour(StrEnum):
    """A text."""

    RED = "red"


class Number(IntEnum):
    """An integer."""

    TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One of everything that has a canonical form."""

    number: int
    text: str
    flag: bool
    missing: bytes | None
    colours: tuple[Colour, ...]
    pairs: Mapping[str, int]
    members: frozenset[int]


SAMPLE = Sample(
    number=-7,
    text="é",
    flag=True,
    missing=None,
    colours=(Colour.RED,),
    pairs={"b": 1, "a": 2, "aa": 3},
    members=frozenset({300, 2}),
)


class TestForm:
    """What values become."""

    def test_a_record_is_the_array_of_its_fields(self) -> None:
        plain = [-7, "é", True, None, ["red"], [["a", 2], ["b", 1], ["aa", 3]], [2, 300]]
        assert canonical.plain(SAMPLE) == plain

    def test_independent_software_reads_the_same(self) -> None:
        assert cbor2.loads(canonical.encode(SAMPLE)) == canonical.plain(SAMPLE)

    def test_maps_and_sets_forget_their_order(self) -> None:
        other = replace(SAMPLE, pairs={"aa": 3, "a": 2, "b": 1}, members=frozenset({2, 300}))
        assert canonical.encode(other) == canonical.encode(SAMPLE)

    @pytest.mark.parametrize("number", [0, -1, 2**64 - 1, -(2**64)])
    def test_64_bits_are_plain(self, number: int) -> None:
        assert canonical.plain(number) == number

    def test_more_are_a_sign_and_bytes(self) -> None:
        assert canonical.plain(2**64) == [False, b"\x01" + bytes(8)]
        assert canonical.plain(-(2**64) - 1) == [True, b"\x01" + bytes(7) + b"\x01"]

    def test_true_is_not_one(self) -> None:
        assert canonical.encode(True) != canonical.encode(1)
        assert canonical.plain(Number.TWO) == 2

    @pytest.mark.parametrize("value", [1.5, {1: 2.5}, object(), Sample])
    def test_nothing_else(self, value: object) -> None:
        with pytest.raises(InvariantBroken):
            canonical.encode(value)


class TestRead:
    """Back from bytes, and only from those."""

    def test_round_trip(self) -> None:
        assert canonical.decode(Sample, canonical.encode(SAMPLE)) == SAMPLE

    @pytest.mark.parametrize(
        "changed",
        [
            [-7, "é", 1, None, ["red"], [], []],
            [-7, "é", True, None, ["blue"], [], []],
            [-7, "é", True, None, ["red"], [["b", 1], ["a", 2]], []],
            [-7, "é", True, None, ["red"], [], [300, 2]],
            [-7, "é", True, None, ["red"], []],
            [[False, b"\x07"], "é", True, None, ["red"], [], []],
            [[False, bytes(9)], "é", True, None, ["red"], [], []],
            ["7", "é", True, None, ["red"], [], []],
            5,
        ],
    )
    def test_other_bytes_are_corrupt(self, changed: object) -> None:
        with pytest.raises(Corrupt):
            canonical.decode(Sample, canonical.encode(changed))

    @pytest.mark.parametrize("data", [b"", b"\xff", b"\x80\x80"])
    def test_no_cbor_is_corrupt(self, data: bytes) -> None:
        with pytest.raises(Corrupt):
            canonical.decode(Sample, data)


class TestState:
    """What goes from one epoch to the next."""

    def busy(self) -> State:
        world = World([gauge()], currency_growth_max=7)
        world.registrar()
        world.enrol("g1", "anna")
        world.deposit("anna", 2**70)
        world.withdraw("anna", 2**69, at=GENESIS_S)
        schema = world.resources["gauge"].schemas[Kind.SITE]
        site = world.record("registrar", schema, GENESIS_S, {"level": [1]})
        world.log(world.binding("g1", "anna"), site, level(world, "g1", 3, GENESIS_S))
        world.log(level(world, "g1", 4, GENESIS_S + 3_600), at=GENESIS_S + 3_700)
        return world.settle().state

    def test_round_trip_with_something_in_every_field(self) -> None:
        state = self.busy()
        assert all(getattr(state, name) not in ((), b"", None) for name in state.__slots__)
        assert canonical.decode(State, canonical.encode(state)) == state
        assert canonical.decode(State, canonical.encode(INITIAL)) == INITIAL

    def test_the_hash_leaves_only_the_digest_out(self) -> None:
        state = self.busy()
        assert state_hash(replace(state, digest=bytes(32))) == state_hash(state)
        assert state_hash(replace(state, seen=())) != state_hash(state)
        assert state_hash(replace(state, minted_wei=state.minted_wei + 1)) != state_hash(state)


def word(value: int | bytes) -> bytes:
    """Return one ABI word: numbers and addresses right-aligned."""
    raw = value.to_bytes(32, "big") if isinstance(value, int) else value
    return raw.rjust(32, b"\0")


class TestCommitment:
    """The same bytes as Solidity's abi.encode, laid out by hand."""

    def test_evidence_hash(self) -> None:
        ranges = [
            Range(log_id=b"a" * 32, first=2, size=5, root=b"r" * 32),
            Range(log_id=b"b" * 32, first=0, size=7, root=b"s" * 32),
        ]
        words = [3, 64, 2, b"a" * 32, 2, 5, b"r" * 32, b"b" * 32, 0, 7, b"s" * 32]
        assert evidence_hash(3, ranges) == keccak256(b"".join(map(word, words)))
        assert evidence_hash(3, []) == keccak256(b"".join(map(word, [3, 64, 0])))

    def test_digest(self) -> None:
        hashes = [bytes([number]) * 32 for number in range(1, 9)]
        commitment = Commitment(
            previous_digest=hashes[0],
            evidence_hash=hashes[1],
            facts_hash=hashes[2],
            policy_hash=hashes[3],
            rules_hash=hashes[4],
            result_hash=hashes[5],
            state_hash=hashes[6],
            payout_root=hashes[7],
            minted_wei=10**24,
            totals=(AssetTotal(asset=CURRENCY, earned=5, spent=7),),
        )
        words = [b"n" * 32, 9, *hashes, 10**24, 12 * 32, 1, CURRENCY, 5, 7]
        assert digest(b"n" * 32, 9, commitment) == keccak256(b"".join(map(word, words)))

    def test_every_part_counts(self) -> None:
        world = World([gauge()])
        first = world.settle().commitment
        for name in first.__slots__:
            value = getattr(first, name)
            other: object = b"x" * 32 if isinstance(value, bytes) else 1
            if name == "totals":
                other = (AssetTotal(asset=TOKEN, earned=0, spent=0),)
            changed = replace(first, **{name: other})
            assert digest(b"n" * 32, 0, changed) != digest(b"n" * 32, 0, first), name

    def test_payouts_are_sorted_leaves(self) -> None:
        world = World([gauge()])
        for name in "abcdef":
            world.deposit(name, 5)
            world.deposit(name, 6, asset=TOKEN)
        payouts = world.settle().payouts
        assert [(t.asset, t.account) for t in payouts] == sorted(
            (asset, account(name)) for asset in (TOKEN, CURRENCY) for name in "abcdef"
        )
        assert all(isinstance(item, Total) for item in payouts)
