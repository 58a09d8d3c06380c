"""Facts: a fold over events that stops at the epoch's boundary, and the policy's history."""

from __future__ import annotations

import pytest

from commonworks.crypto.hashes import keccak256
from commonworks.crypto.keys import Algorithm
from commonworks.errors import InvalidInput
from commonworks.events import (
    Enrolled,
    ParameterDefined,
    ParameterSet,
    RegistrarSet,
    SiteAdopted,
)
from commonworks.settlement.facts import NO_HISTORY, key_of, policy_at, text_of, word_of
from settlement_world import (
    BEFORE_S,
    CURRENCY,
    EPOCH_S,
    GENESIS_S,
    TOKEN,
    World,
    account,
    gauge,
    key,
)

END_S = GENESIS_S + EPOCH_S


@pytest.fixture
def world() -> World:
    """A network without anything."""
    return World([gauge()])


class TestBoundary:
    """Blocks before the epoch's end count; the end itself is the next epoch's."""

    @pytest.mark.parametrize(("at", "seen"), [(END_S - 1, True), (END_S, False)])
    def test_everything(self, world: World, at: int, seen: bool) -> None:
        world.enrol("g1", "anna", at=at)
        world.deposit("anna", 7, at=at)
        world.reference("g1", at=at)
        facts = world.facts(0)
        assert (1 in facts.devices) is seen
        assert facts.deposits == ({(CURRENCY, account("anna")): 7} if seen else {})
        assert facts.references == ({1} if seen else set())
        assert 1 in world.facts(1).devices

    def test_a_request_belongs_to_one_epoch(self, world: World) -> None:
        for at in (BEFORE_S, END_S - 1, END_S, END_S + EPOCH_S):
            world.withdraw("anna", 5, at=at)
        assert [w.request for w in world.facts(0).withdrawals] == [1, 2]
        assert [w.request for w in world.facts(1).withdrawals] == [3]
        assert [w.request for w in world.facts(2).withdrawals] == [4]


class TestFold:
    """What the last word is."""

    def test_deposits_add_up_by_asset_and_account(self, world: World) -> None:
        world.deposit("anna", 7)
        world.deposit("anna", 5)
        world.deposit("anna", 3, asset=TOKEN)
        world.deposit("ben", 2)
        assert world.facts(0).deposits == {
            (CURRENCY, account("anna")): 12,
            (TOKEN, account("anna")): 3,
            (CURRENCY, account("ben")): 2,
        }

    def test_a_transfer_moves_the_device(self, world: World) -> None:
        world.enrol("g1", "anna")
        world.transfer("g1", "anna", "ben", at=GENESIS_S)
        assert world.facts(0).devices[1].owner == account("ben")

    def test_a_transfer_of_an_unknown_device_is_nothing(self, world: World) -> None:
        world.devices["ghost"] = 9
        world.transfer("ghost", "anna", "ben", at=GENESIS_S)
        assert world.facts(0).devices == {}

    def test_the_last_limit_and_reference_count(self, world: World) -> None:
        world.enrol("g1", "anna")
        world.limit("anna", "g1", 5)
        world.limit("anna", "g1", 3)
        world.reference("g1")
        world.reference("g1", admitted=False)
        facts = world.facts(0)
        assert facts.spend_limits == {(account("anna"), 1): 3}
        assert facts.references == frozenset()

    def test_a_registrar_comes_and_goes(self, world: World) -> None:
        world.registrar("r1")
        world.registrar("r2")
        world.registrar("r1", active=False)
        world.registrar("r3", active=False)
        assert [item.key for item in world.facts(0).registrars] == [key("r2").public]

    def test_the_last_site_adopted(self, world: World) -> None:
        for site in (b"a" * 32, b"b" * 32):
            world.event(SiteAdopted, resource=word_of("gauge"), site=site, statement=site)
        assert world.facts(0).sites == {"gauge": b"b" * 32}


class TestSkipped:
    """What the contract cannot check and nobody could authenticate."""

    def enrolled(self, world: World, **changed: object) -> bool:
        public = key("g1").public
        fields: dict[str, object] = {
            "device": 1,
            "owner": account("anna"),
            "thumbprint": public.thumbprint,
            "algorithm": int(public.algorithm),
            "public_key": public.raw,
            "resource": word_of("gauge"),
            "cell": 0,
            "enroller": account("anna"),
        }
        world.event(Enrolled, **{**fields, **changed})
        return 1 in world.facts(0).devices

    def test_a_proper_one(self, world: World) -> None:
        assert self.enrolled(world)

    @pytest.mark.parametrize(
        "changed",
        [
            {"thumbprint": bytes(32)},
            {"public_key": bytes(32)},
            {"public_key": b"short"},
            {"algorithm": -36},
            {"algorithm": int(Algorithm.ES256)},
            {"resource": bytes(32)},
            {"resource": b"\xff" * 32},
            {"resource": b"a\0b".ljust(32, b"\0")},
        ],
    )
    def test_a_malformed_one(self, world: World, changed: dict[str, object]) -> None:
        assert not self.enrolled(world, **changed)

    def test_registrars_and_sites(self, world: World) -> None:
        public = key("r").public
        for word, thumbprint in ((bytes(32), public.thumbprint), (word_of("gauge"), bytes(32))):
            world.event(
                RegistrarSet,
                resource=word,
                thumbprint=thumbprint,
                algorithm=int(public.algorithm),
                public_key=public.raw,
                active=True,
            )
        world.event(SiteAdopted, resource=bytes(32), site=bytes(32), statement=bytes(32))
        facts = world.facts(0)
        assert (facts.registrars, facts.sites) == ((), {})

    def test_key_of(self) -> None:
        public = key("r").public
        assert key_of(-8, public.raw, public.thumbprint) == public
        assert key_of(-8, public.raw, bytes(32)) is None


class TestWords:
    """Text in 32 bytes."""

    def test_both_ways(self) -> None:
        assert text_of(word_of("energy.levy")) == "energy.levy"
        assert word_of("a" * 31) == b"a" * 31 + b"\0"

    @pytest.mark.parametrize("text", ["", "a" * 32, "é", "a\0b"])
    def test_what_does_not_fit(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            word_of(text)


class TestPolicy:
    """Values by epoch, and the hash that the contract keeps."""

    def test_a_change_takes_effect_when_its_epoch_opens(self) -> None:
        world = World([gauge()], grace_s=11)
        world.event(ParameterSet, GENESIS_S + 5, key=word_of("grace_s"), value=13, from_epoch=1)
        assert [world.policy(e)["grace_s"] for e in range(3)] == [11, 13, 13]
        assert world.policy(0).history_hash != world.policy(1).history_hash
        assert world.policy(1).history_hash == world.policy(2).history_hash

    def test_the_history_hash_word_by_word(self) -> None:
        define = ParameterDefined(
            at=World([gauge()]).events[0].at,
            key=word_of("grace_s"),
            value=-2,
            minimum=-3,
            maximum=5,
            from_epoch=0,
        )
        change = ParameterSet(at=define.at, key=word_of("grace_s"), value=4, from_epoch=7)

        def word(number: int) -> bytes:
            return (number % 2**256).to_bytes(32, "big")

        first = keccak256(NO_HISTORY + define.key + word(-2) + word(-3) + word(5) + word(0))
        second = keccak256(first + change.key + word(4) + word(7))
        assert policy_at([define, change], 0).history_hash == first
        assert policy_at([define, change], 6).history_hash == first
        assert policy_at([define, change], 7).history_hash == second
        assert policy_at([], 0).history_hash == NO_HISTORY

    def test_a_key_that_is_no_text_counts_in_the_hash_only(self) -> None:
        world = World([gauge()])
        before = world.policy(0)
        world.event(ParameterSet, key=b"\xff" * 32, value=1, from_epoch=0)
        after = world.policy(0)
        assert after.values == before.values
        assert after.history_hash != before.history_hash
