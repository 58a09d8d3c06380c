"""Intake: every reason of the kernel, each produced by settling; bindings, duplicates, sites."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commonworks.crypto import cbor, cose
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm
from commonworks.model import (
    Outcome,
    Settlement,
)
from commonworks.policy import KERNEL_PARAMETERS
from commonworks.resources.base import Visibility
from commonworks.statements.codec import Item
from commonworks.statements.model import MAX_STATEMENT_BYTES, Kind, Reason
from commonworks.translog.tree import leaf_hash
from settlement_world import (
    BEFORE_S,
    EPOCH_S,
    GENESIS_S,
    World,
    account,
    gauge,
    hashes,
    identity_of,
    level,
    reason_of,
    spoiled,
)

LATENESS_S = next(p.default for p in KERNEL_PARAMETERS if p.key == "lateness_s")


@pytest.fixture
def world() -> World:
    """A network with one bound gauge `g1` of anna's and a registrar."""
    made = World([gauge()])
    made.registrar()
    made.enrol("g1", "anna")
    made.log(made.binding("g1", "anna"), at=BEFORE_S)
    return made


def only_reason(result: Settlement, raw: bytes) -> str:
    """Return why bytes that do not decode were rejected."""
    (verdict,) = (v for v in result.verdicts if v.identity == leaf_hash(raw))
    assert verdict.kind is None
    return verdict.reason


def envelope(world: World, headers: dict[int, object], payload: bytes = b"\xa0") -> Item:
    """Return a COSE_Sign1 by g1 with any protected header."""
    protected = cbor.encode(headers)
    signature = world.key("g1").sign(cose.sig_structure(protected, payload))
    return Item(statement=cose.encode_sign1(protected, {}, payload, signature), preimage=None)


def sealed_world() -> World:
    """A network whose gauge reports are sealed."""
    plain = gauge()
    report = replace(plain.schemas[Kind.REPORT], sealed=True)
    made = World([replace(plain, visibility=Visibility.MEMBERS, schemas={Kind.REPORT: report})])
    made.enrol("g1", "anna")
    made.log(made.binding("g1", "anna"), at=BEFORE_S)
    return made


class TestReasons:
    """One test a reason, in the order of the guards."""

    def test_undecodable(self, world: World) -> None:
        world.log(Item(statement=b"no statement", preimage=None))
        assert only_reason(world.settle(), b"no statement") == Reason.UNDECODABLE

    def test_too_large(self, world: World) -> None:
        raw = bytes(MAX_STATEMENT_BYTES + 1)
        world.log(Item(statement=raw, preimage=None))
        assert only_reason(world.settle(), raw) == Reason.TOO_LARGE

    def test_bad_header(self, world: World) -> None:
        item = envelope(world, {1: -8})
        world.log(item)
        assert only_reason(world.settle(), item.statement) == Reason.BAD_HEADER

    def test_unknown_type_by_content_type(self, world: World) -> None:
        kid = world.key("g1").public.thumbprint
        item = envelope(world, {1: -8, 3: "application/vnd.commonworks.poem+cbor", 4: kid})
        world.log(item)
        assert only_reason(world.settle(), item.statement) == Reason.UNKNOWN_TYPE

    def test_unknown_type_by_resource(self, world: World) -> None:
        schema = replace(gauge().schemas[Kind.REPORT], kind=Kind.ORDER)
        item = world.record("g1", schema, GENESIS_S, {"level": [1]})
        world.log(item)
        assert reason_of(world.settle(), item) == Reason.UNKNOWN_TYPE

    def test_payload_mismatch(self, world: World) -> None:
        item = level(world, "g1", 1, GENESIS_S)
        world.log(Item(statement=item.statement, preimage=b"nobody asked"))
        assert only_reason(world.settle(), item.statement) == Reason.PAYLOAD_MISMATCH

    def test_unknown_key(self, world: World) -> None:
        (item,) = world.log(level(world, "stranger", 1, GENESIS_S))
        assert reason_of(world.settle(), item) == Reason.UNKNOWN_KEY

    def test_bad_signature(self, world: World) -> None:
        item = level(world, "g1", 1, GENESIS_S)
        world.log(spoiled(item))
        assert reason_of(world.settle(), item) == Reason.BAD_SIGNATURE

    def test_payload_missing(self) -> None:
        world = sealed_world()
        item = level(world, "g1", 1, GENESIS_S)
        world.log(Item(statement=item.statement, preimage=None))
        assert reason_of(world.settle(), item) == Reason.PAYLOAD_MISSING

    def test_wrong_network(self, world: World) -> None:
        schema = gauge().schemas[Kind.REPORT]
        item = world.record("g1", schema, GENESIS_S, {"level": [1]}, network=bytes(32))
        world.log(item)
        assert reason_of(world.settle(), item) == Reason.WRONG_NETWORK

    def test_unknown_resource(self, world: World) -> None:
        schema = gauge().schemas[Kind.REPORT]
        item = world.record("g1", schema, GENESIS_S, {"level": [1]}, resource="tides")
        world.log(item)
        assert reason_of(world.settle(), item) == Reason.UNKNOWN_RESOURCE

    def test_bad_schema(self, world: World) -> None:
        wide = replace(gauge().schemas[Kind.REPORT], max_rows=100)
        item = world.record("g1", wide, GENESIS_S, {"level": [1] * 4})
        world.log(item)
        assert reason_of(world.settle(), item) == Reason.BAD_SCHEMA

    def test_bad_schema_when_sealed_against_the_rule(self, world: World) -> None:
        sealed = replace(gauge().schemas[Kind.REPORT], sealed=True)
        (item,) = world.log(world.record("g1", sealed, GENESIS_S, {"level": [1]}))
        assert reason_of(world.settle(), item) == Reason.BAD_SCHEMA

    @pytest.mark.parametrize(("ahead_s", "reason"), [(0, ""), (1, Reason.FUTURE)])
    def test_future(self, world: World, ahead_s: int, reason: str) -> None:
        item = level(world, "g1", 1, GENESIS_S + 100 + ahead_s)
        world.log(item, at=GENESIS_S + 100)
        assert reason_of(world.settle(), item) == reason

    @pytest.mark.parametrize(("age_s", "reason"), [(0, ""), (1, Reason.TOO_LATE)])
    def test_too_late(self, world: World, age_s: int, reason: str) -> None:
        (item,) = world.log(level(world, "g1", 1, GENESIS_S - LATENESS_S - age_s))
        assert reason_of(world.settle(), item) == reason

    def test_not_bound(self, world: World) -> None:
        world.enrol("g2", "ben")
        (item,) = world.log(level(world, "g2", 1, GENESIS_S))
        assert reason_of(world.settle(), item) == Reason.NOT_BOUND

    def test_not_registrar(self, world: World) -> None:
        schema = gauge().schemas[Kind.SITE]
        (item,) = world.log(world.record("g1", schema, GENESIS_S, {"level": [1]}))
        result = world.settle()
        assert reason_of(result, item) == Reason.NOT_REGISTRAR
        assert world.state.sites == ()  # nobody fills the state with tables of its own

    def test_superseded(self, world: World) -> None:
        (newer,) = world.log(world.binding("g1", "anna", generation=2))
        result = world.settle()
        assert reason_of(result, newer) == ""
        assert reason_of(result, world.binding("g1", "anna")) == Reason.SUPERSEDED

    def test_a_resources_own_reason(self) -> None:
        world = World([gauge(reason="gauge.broken")])
        world.enrol("g1", "anna")
        world.log(world.binding("g1", "anna"), at=BEFORE_S)
        (item,) = world.log(level(world, "g1", 1, GENESIS_S))
        assert reason_of(world.settle(), item) == "gauge.broken"

    def test_every_reason_has_its_test(self) -> None:
        tested = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        assert {str(reason) for reason in Reason if reason != "unknown_type"} <= tested
        assert {"unknown_type_by_content_type", "unknown_type_by_resource"} <= tested


class TestCountersigned:
    """A registrar's statement around a device's own."""

    def settle(self, world: World, signer: str, requester: str, inner: int = 5) -> str:
        schema = gauge().schemas[Kind.REPLACE]
        request = world.record(requester, schema, GENESIS_S, {"level": [inner]})
        item = world.record(signer, schema, GENESIS_S, {"level": [5]}, request=request.statement)
        world.log(item)
        return reason_of(world.settle(), item)

    def test_accepted_for_the_device(self, world: World) -> None:
        assert self.settle(world, "registrar", "g1") == ""

    def test_somebody_elses_countersignature(self, world: World) -> None:
        assert self.settle(world, "g1", "g1") == Reason.NOT_REGISTRAR

    def test_a_device_that_is_not_bound(self, world: World) -> None:
        world.enrol("g2", "ben")
        assert self.settle(world, "registrar", "g2") == Reason.NOT_BOUND

    def test_a_request_that_says_something_else(self, world: World) -> None:
        assert self.settle(world, "registrar", "g1", inner=6) == Reason.BAD_SCHEMA

    def test_a_forged_request(self, world: World) -> None:
        schema = gauge().schemas[Kind.REPLACE]
        request = spoiled(world.record("g1", schema, GENESIS_S, {"level": [5]}))
        (item,) = world.log(
            world.record("registrar", schema, GENESIS_S, {"level": [5]}, request=request.statement)
        )
        assert reason_of(world.settle(), item) == Reason.BAD_SIGNATURE

    def test_no_request_at_all(self, world: World) -> None:
        schema = gauge().schemas[Kind.REPLACE]
        (item,) = world.log(world.record("registrar", schema, GENESIS_S, {"level": [5]}))
        assert reason_of(world.settle(), item) == Reason.BAD_SCHEMA

    def test_a_registrar_who_was_removed(self, world: World) -> None:
        world.registrar(active=False)
        assert self.settle(world, "registrar", "g1") == Reason.UNKNOWN_KEY


class TestBinding:
    """Who a device counts for."""

    def owner(self, result: Settlement) -> bytes:
        (reward,) = result.rewards
        return reward.account

    def test_p256_keys_count_too(self, world: World) -> None:
        world.enrol("secure", "ben", algorithm=Algorithm.ES256)
        world.log(world.binding("secure", "ben"), level(world, "secure", 7, GENESIS_S))
        assert self.owner(world.settle()) == account("ben")

    def test_a_transfer_needs_a_new_binding(self, world: World) -> None:
        world.log(level(world, "g1", 1, GENESIS_S))
        assert self.owner(world.settle()) == account("anna")
        world.transfer("g1", "anna", "ben", at=GENESIS_S + EPOCH_S + 5)
        (orphan,) = world.log(level(world, "g1", 2, GENESIS_S + EPOCH_S), epoch=1)
        result = world.settle()
        assert reason_of(result, orphan) == Reason.NOT_BOUND
        assert result.rewards == ()
        start = GENESIS_S + 2 * EPOCH_S
        world.log(world.binding("g1", "ben", 2, start), level(world, "g1", 3, start), epoch=2)
        assert self.owner(world.settle()) == account("ben")

    def test_the_key_counts_for_whom_it_names(self, world: World) -> None:
        world.enrol("g1", "ben")  # ben squats on anna's key: his own id, her thumbprint
        world.log(level(world, "g1", 1, GENESIS_S))
        assert self.owner(world.settle()) == account("anna")

    def test_an_owner_who_never_enrolled_the_key(self, world: World) -> None:
        (item,) = world.log(world.binding("g1", "carol", generation=9))
        world.log(level(world, "g1", 1, GENESIS_S))
        result = world.settle()
        assert reason_of(result, item) == Reason.NOT_BOUND
        assert self.owner(result) == account("anna")

    def test_an_older_generation_comes_too_late(self, world: World) -> None:
        world.enrol("g1", "ben")
        world.log(world.binding("g1", "ben", generation=5))
        world.settle()
        start = GENESIS_S + EPOCH_S
        (old,) = world.log(world.binding("g1", "anna", 4, start), epoch=1)
        world.log(level(world, "g1", 1, start), epoch=1)
        result = world.settle()
        assert reason_of(result, old) == Reason.SUPERSEDED
        assert self.owner(result) == account("ben")

    def test_equal_generations_do_not_oust_each_other(self, world: World) -> None:
        world.settle()
        world.enrol("g1", "ben")
        start = GENESIS_S + EPOCH_S
        (item,) = world.log(world.binding("g1", "ben", 1, start), epoch=1)
        assert reason_of(world.settle(), item) == Reason.SUPERSEDED

    def test_a_transfer_at_the_boundary_belongs_to_the_next_epoch(self, world: World) -> None:
        world.transfer("g1", "anna", "ben", at=GENESIS_S + EPOCH_S)
        world.log(level(world, "g1", 1, GENESIS_S))
        assert self.owner(world.settle()) == account("anna")


class TestOnce:
    """The same identity counts once, whichever logs and epochs hold it."""

    def test_copies_in_two_logs(self, world: World) -> None:
        item = level(world, "g1", 7, GENESIS_S)
        world.log(item)
        once = hashes(world.settle_with(world.evidence(0)))
        world.log(item, item, log=1)
        assert hashes(world.settle()) == once

    def test_a_copy_in_a_later_epoch_is_silent(self, world: World) -> None:
        item = level(world, "g1", 7, GENESIS_S)
        world.log(item)
        world.settle()
        world.log(item, spoiled(item), epoch=1)
        result = world.settle()
        assert result.verdicts == ()
        assert result.rewards == ()

    def test_a_bad_copy_shadows_nothing(self, world: World) -> None:
        item = level(world, "g1", 7, GENESIS_S)
        world.log(spoiled(item), item)
        assert reason_of(world.settle(), item) == ""

    def test_a_bad_copy_of_an_earlier_epoch_shadows_nothing(self, world: World) -> None:
        item = level(world, "g1", 7, GENESIS_S)
        world.log(spoiled(item))
        assert reason_of(world.settle(), item) == Reason.BAD_SIGNATURE
        world.log(item, epoch=1)
        assert reason_of(world.settle(), item) == ""

    def test_a_payload_that_comes_later(self) -> None:
        world = sealed_world()
        item = level(world, "g1", 7, GENESIS_S)
        world.log(Item(statement=item.statement, preimage=None))
        assert reason_of(world.settle(), item) == Reason.PAYLOAD_MISSING
        world.log(item, epoch=1)
        assert reason_of(world.settle(), item) == ""

    def test_one_log_without_the_payload(self) -> None:
        world = sealed_world()
        item = level(world, "g1", 7, GENESIS_S)
        world.log(Item(statement=item.statement, preimage=None), log=1)
        world.log(item)
        world.log(Item(statement=item.statement, preimage=b"wrong"), log=1)
        assert reason_of(world.settle(), item) == ""

    def test_bytes_that_pose_as_another_statements_identity(self, world: World) -> None:
        item = level(world, "g1", 7, GENESIS_S)
        signed = cose.decode_sign1(item.statement)
        forged = cose.sig_structure(signed.protected, signed.payload or b"")
        assert sha256(forged) == identity_of(item)
        world.log(item, Item(statement=forged, preimage=None))
        result = world.settle()
        assert reason_of(result, item) == ""
        assert only_reason(result, forged) == Reason.UNDECODABLE

    def test_seen_is_forgotten_when_a_copy_would_be_too_late(self, world: World) -> None:
        world.log(level(world, "g1", 7, GENESIS_S))
        world.settle()
        assert world.state.seen
        epochs = 1 + LATENESS_S // EPOCH_S
        for _ in range(epochs):
            world.settle()
        assert world.state.seen == ()


class TestPending:
    """What is known early waits for its epoch."""

    def test_a_report_of_the_next_epoch(self, world: World) -> None:
        start = GENESIS_S + EPOCH_S
        (item,) = world.log(level(world, "g1", 7, start), at=start + 30)
        first = world.settle()
        assert identity_of(item) not in {v.identity for v in first.verdicts}
        assert [p.identity for p in world.state.pending] == [identity_of(item)]
        second = world.settle()
        assert reason_of(second, item) == ""
        assert len(second.rewards) == 1
        assert world.state.pending == ()

    def test_its_copy_in_the_next_epoch_changes_nothing(self, world: World) -> None:
        start = GENESIS_S + EPOCH_S
        item = level(world, "g1", 7, start)
        world.log(item, at=start + 30)
        world.settle()
        alone = hashes(world.settle_with(world.evidence(1)))
        world.log(item, spoiled(item), epoch=1)
        assert hashes(world.settle()) == alone


class TestSites:
    """Tables that governance puts into force."""

    def site(self, world: World, time: int = GENESIS_S, signer: str = "registrar") -> Item:
        return world.record(signer, gauge().schemas[Kind.SITE], time, {"level": [3]})

    def test_one_that_a_vote_adopts_epochs_later(self, world: World) -> None:
        (item,) = world.log(self.site(world))
        world.adopt(item, at=GENESIS_S + 5 * EPOCH_S)
        for _ in range(6):
            assert [identity for _, identity, _ in world.state.sites] in ([], [identity_of(item)])
            world.settle()
        assert [identity for _, identity, _ in world.state.sites] == [identity_of(item)]
        for _ in range(2 * LATENESS_S // EPOCH_S):
            world.settle()
        assert [identity for _, identity, _ in world.state.sites] == [identity_of(item)]

    def test_one_that_nobody_adopts_is_forgotten(self, world: World) -> None:
        world.log(self.site(world))
        for _ in range(2 + LATENESS_S // EPOCH_S):
            world.settle()
        assert world.state.sites == ()

    def test_an_adopted_one_is_never_too_late(self, world: World) -> None:
        (item,) = world.log(self.site(world, GENESIS_S - 2 * LATENESS_S))
        assert reason_of(world.settle_with(world.evidence(0)), item) == Reason.TOO_LATE
        world.adopt(item)
        assert reason_of(world.settle(), item) == ""
        assert [identity for _, identity, _ in world.state.sites] == [identity_of(item)]

    def test_the_resource_sees_the_one_in_force(self) -> None:
        seen = []
        plain = gauge()
        spy = replace(
            plain.rules,
            verify=lambda data: (seen.append(data.site), plain.rules.verify(data))[1],
        )
        world = World([replace(plain, rules=spy)])
        world.registrar()
        (item,) = world.log(self.site(world))
        world.settle()
        world.adopt(item, at=GENESIS_S + EPOCH_S)
        world.settle()
        assert seen[0] is None
        assert seen[1] is not None
        assert seen[1].columns == {"level": (3,)}


def test_every_verdict_is_named_and_sorted(world: World) -> None:
    world.log(level(world, "g1", 1, GENESIS_S), level(world, "g1", 2, GENESIS_S))
    world.log(Item(statement=b"", preimage=None))
    result = world.settle()
    identities = [verdict.identity for verdict in result.verdicts]
    assert identities == sorted(identities)
    assert all((v.outcome is Outcome.ACCEPTED) == (v.reason == "") for v in result.verdicts)
    assert len(identities) == 4
