"""A statement's bytes in the explorer: shown as logged, and hidden where personal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import CommonworksError, Unauthorized, Unavailable
from commonworks.explorer.index import schema
from commonworks.explorer.site import Site
from commonworks.statements.codec import Item, decode_statement, sign_binding, sign_record
from commonworks.statements.model import (
    Column,
    DType,
    Kind,
    Reason,
    Schema,
    Signer,
)
from commonworks.translog.notes import Checkpoint, sign_checkpoint
from commonworks.translog.tiles import CHECKPOINT_PATH, bundles_for
from commonworks.translog.tiles import SEALED as SEALED_ENTRIES
from commonworks.translog.tree import leaf_hash
from explorer_epoch_world import (
    ADA,
    BOB,
    KEYS,
    LOG_A,
    SEALED,
    get,
    world,
)
from explorer_kit import DAY, GENESIS, Told, client, digest, fill, network, sign_in

REPORT = Schema(
    kind=Kind.REPORT,
    columns=(
        Column(
            name="energy_wh", dtype=DType.U64, minimum=0, maximum=2**62, description="Drawn, Wh."
        ),
    ),
    max_rows=100,
    sealed=True,
    signer=Signer.DEVICE,
    description="Readings.",
    equal_length=True,
)


@dataclass
class FakeLog:
    """A log of a few entries, as its gateway would serve it."""

    items: list[Item]
    error: CommonworksError | None = None
    private: bool = False
    erased: bool = False

    def _files(self, directory: str, parts: list[bytes]) -> Mapping[str, bytes]:
        return bundles_for(0, parts, lambda _: None, directory)

    async def read(self, path: str) -> bytes | None:
        if self.error is not None:
            raise self.error
        if path == CHECKPOINT_PATH:
            key = PrivateKey.from_seed(Algorithm.EDDSA, bytes(32))
            return sign_checkpoint(
                Checkpoint(origin="log", size=len(self.items), root=digest(1)), key
            )
        entries = [item.statement for item in self.items]
        return self._files("tile/entries", entries).get(path)

    async def read_sealed(self, path: str) -> bytes | None:
        if self.private:
            raise Unauthorized("members only")
        parts = [b"" if self.erased else item.preimage or b"" for item in self.items]
        return self._files(SEALED_ENTRIES, parts).get(path)


def binding(number: int) -> Item:
    return sign_binding(KEYS[number], network().network_id, GENESIS + 17, ADA, 3)


def report(values: tuple[int, ...] = (1_009, 1_013), time: int = GENESIS + DAY) -> Item:
    return sign_record(
        KEYS[1], Kind.REPORT, network().network_id, SEALED, time,
        {"energy_wh": values}, REPORT, salt=bytes(range(16)),
    )  # fmt: skip


def identity(item: Item) -> bytes:
    decoded = decode_statement(item.statement, None)
    return leaf_hash(item.statement) if isinstance(decoded, Reason) else decoded.identity


def logged(log: FakeLog, *, device: int | None = 1, epoch: int | None = 1) -> TestClient:
    """Return a browser at a site whose log A holds these entries, and nothing else does."""
    site = world(Told(logs={LOG_A: log}))
    table = schema.statement
    with site.engine.begin() as connection:
        connection.execute(table.delete())
    for position, item in enumerate(log.items):
        decoded = decode_statement(item.statement, None)
        known = None if isinstance(decoded, Reason) else decoded
        fill(
            site.engine,
            table,
            {
                "log_id": LOG_A, "position": position, "identity": identity(item),
                "leaf": leaf_hash(item.statement), "kind": known and str(known.kind),
                "kid": known and known.kid, "device": device, "resource": SEALED,
                "said_at": None, "sealed": bool(known and known.sealed),
                "bytes": len(item.statement), "epoch": epoch,
                "outcome": None if epoch is None else "accepted", "reason": None,
            },
        )  # fmt: skip
    return client(site)


def evidence(web: TestClient, item: Item) -> Any:
    return get(web, f"/statements/{identity(item).hex()}")["evidence"]


def test_a_public_statement_is_shown_decoded_with_its_bytes() -> None:
    item = binding(1)
    web = logged(FakeLog([report(), item]))
    found = evidence(web, item)
    assert found["raw"] == item.statement.hex()
    assert found["signature"] is True
    assert found["hidden"] == ""
    values = {one["name"]: one["value"] for one in found["payload"]}
    assert values["Owner"].lower() == "0x" + ADA.hex()
    assert values["Generation"] == "3"
    assert item.statement.hex() in web.get(f"/statements/{identity(item).hex()}").text


def test_a_signature_that_does_not_hold_is_told() -> None:
    item = binding(1)
    broken = Item(statement=item.statement[:-1] + bytes([item.statement[-1] ^ 1]), preimage=None)
    assert evidence(logged(FakeLog([broken])), broken)["signature"] is False


def test_a_sealed_statement_is_not_shown_to_strangers() -> None:
    found = evidence(logged(FakeLog([report()])), report())
    assert found["columns"] == found["payload"] == []
    assert "It is sealed" in found["hidden"]
    assert not found["yours"]
    assert found["signature"] is True


def test_its_owner_sees_a_sealed_statement() -> None:
    web = sign_in(logged(FakeLog([report()])), ADA)
    found = evidence(web, report())
    assert found["yours"]
    assert found["hidden"] == ""
    assert [(one["name"], one["count"], one["values"]) for one in found["columns"]] == [
        ("energy_wh", 2, ["1009", "1013"])
    ]
    assert "1009" in web.get(f"/statements/{identity(report()).hex()}").text


@pytest.mark.parametrize("who", [BOB, bytes(20)])
def test_another_member_does_not(who: bytes) -> None:
    assert evidence(sign_in(logged(FakeLog([report()])), who), report())["columns"] == []


def test_before_it_is_judged_it_is_nobodys() -> None:
    assert (
        evidence(sign_in(logged(FakeLog([report()]), epoch=None), ADA), report())["columns"] == []
    )


def test_whoever_owns_another_device_with_that_key_does_not_see_it() -> None:
    # it is said to count for device 3, whose key did not sign it
    assert evidence(sign_in(logged(FakeLog([report()]), device=3), ADA), report())["columns"] == []


def test_whoever_enrolled_a_members_key_first_does_not_see_what_was_rejected() -> None:
    # keys are public on their way to the chain: device 1 is a stranger's who was faster, and what
    # the member's key signed and no rule accepted was counted for the first device with that key
    web = sign_in(logged(FakeLog([report()])), ADA)
    site: Site = web.app.state.site  # type: ignore[attr-defined]
    with site.engine.begin() as connection:
        connection.execute(update(schema.statement).values(outcome="rejected", reason="too_late"))
    assert evidence(web, report())["columns"] != []  # nobody else has the key
    with site.engine.begin() as connection:
        twin = (
            connection.execute(schema.device.select().where(schema.device.c.device == 1))
            .one()
            ._mapping
        )
        connection.execute(schema.device.insert().values({**twin, "device": 77, "owner": BOB}))
    assert evidence(web, report())["columns"] == []
    with site.engine.begin() as connection:
        connection.execute(update(schema.statement).values(outcome="accepted", reason=None))
    assert evidence(web, report())["columns"] != []  # its binding named the owner


def test_a_new_owner_does_not_see_what_was_measured_before() -> None:
    early = report(time=GENESIS + DAY)
    web = sign_in(logged(FakeLog([early])), ADA)
    site: Site = web.app.state.site  # type: ignore[attr-defined]
    fill(
        site.engine,
        schema.chain_event,
        {
            "block": 3, "log_index": 0, "time": GENESIS + DAY + 1, "tx": digest(9),
            "kind": "transferred", "device": 1, "account": BOB, "other": ADA, "detail": "{}",
        },
    )  # fmt: skip
    found = evidence(web, early)
    assert found["columns"] == []
    assert "before the device was yours" in found["hidden"]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (FakeLog([report()], private=True), "does not show sealed content"),
        (FakeLog([report()], erased=True), "erased by rule"),
    ],
)
def test_content_that_is_not_at_hand_is_a_sentence(log: FakeLog, words: str) -> None:
    assert words in evidence(sign_in(logged(log), ADA), report())["hidden"]


def test_a_log_that_does_not_answer_is_a_sentence() -> None:
    log = FakeLog([report()])
    web = logged(log)
    log.error = Unavailable("nobody answers")
    found = evidence(web, report())
    assert not found["readable"]
    assert "nobody answers" in found["problem"]
    assert web.get(f"/statements/{identity(report()).hex()}").status_code == 200


def test_a_log_that_holds_something_else_now_is_not_believed() -> None:
    log = FakeLog([report()])
    web = logged(log)
    log.items = [report((7, 11))]
    found = evidence(web, report())
    assert found["raw"] == ""
    assert "not to be trusted" in found["problem"]


def test_bytes_that_are_no_statement_are_shown_as_bytes() -> None:
    junk = Item(statement=b"\xd2no statement", preimage=None)
    found = evidence(logged(FakeLog([junk]), device=None), junk)
    assert found["raw"] == junk.statement.hex()
    assert found["header"] == []
    assert "nothing can be decoded" in found["hidden"]


def test_a_key_that_is_none_does_not_break_the_page() -> None:
    web = logged(FakeLog([report()]))
    site: Site = web.app.state.site  # type: ignore[attr-defined]
    with site.engine.begin() as connection:
        own = schema.device.c.device == 1
        connection.execute(update(schema.device).where(own).values(public_key=bytes(32)))
    assert evidence(web, report())["signature"] is None


def test_a_registrars_statement_is_shown_as_one() -> None:
    registrar = PrivateKey.from_seed(Algorithm.ES256, bytes([9]) * 32)
    item = sign_binding(registrar, network().network_id, GENESIS, ADA, 1)
    web = logged(FakeLog([item]), device=None)
    assert not get(web, f"/statements/{identity(item).hex()}")["statement"]["signer"]["registrar"]
    assert evidence(web, item)["signature"] is None
    site: Site = web.app.state.site  # type: ignore[attr-defined]
    key = registrar.public
    fill(
        site.engine,
        schema.chain_event,
        {
            "block": 1, "log_index": 0, "time": GENESIS, "tx": digest(9), "kind": "registrar_set",
            "detail": json.dumps({
                "thumbprint": "0x" + key.thumbprint.hex(), "algorithm": int(key.algorithm),
                "public_key": "0x" + key.raw.hex(),
            }),
        },
    )  # fmt: skip
    assert get(web, f"/statements/{identity(item).hex()}")["statement"]["signer"]["registrar"]
    assert evidence(web, item)["signature"] is True
