"""Proof files against the house's own check: what fits, and each field that is another one."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from commonworks.cli.proof import words_of_steps
from commonworks.errors import InvalidInput
from commonworks.events import Anchored, Closed, Event, Finalised, Position
from commonworks.explorer.models import proofs as models
from commonworks.proofs import (
    FILE_BYTES_MAX,
    ChainAnswers,
    Checked,
    Fault,
    Status,
    StepName,
    Verdict,
    Why,
    check_proof,
    form,
    read_proof,
)
from commonworks.proofs.check import path_length, path_nodes
from commonworks.translog.tree import inclusion_proof, leaf_hash, node_hash, root_from_inclusion
from explorer_kit import account, client, digest
from proof_kit import (
    CLOSED,
    ENTRIES,
    LOG_ID,
    entries,
    epoch,
    identity,
    proof_site,
    real_network,
    root_at,
)

NETWORK = real_network()
ANCHOR_TX, CLOSED_TX, FINAL_TX = digest(0xA000 + CLOSED), digest(0xC100), digest(0xF100)
UNREADABLE = 5
"""Entry of the kit's log that is no statement."""
Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def served() -> Any:
    return client(proof_site())


def fetched(served: Any, path: str) -> dict[str, Any]:
    answer = served.get(path)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def of_entry(served: Any, position: int) -> dict[str, Any]:
    return fetched(served, f"/api/v1/proofs/receipt/{identity(entries()[position]).hex()}")


@pytest.fixture(scope="module")
def statement(served: Any) -> dict[str, Any]:
    return of_entry(served, 256)


@pytest.fixture(scope="module")
def payout(served: Any) -> dict[str, Any]:
    path = f"/api/v1/proofs/payout/0/0x{NETWORK.token.hex()}/0x{account(3).hex()}"
    return fetched(served, path)


def check(document: object, chain: ChainAnswers | None = None) -> Checked:
    return check_proof(json.dumps(document).encode(), chain)


def failed(document: object, chain: ChainAnswers | None = None) -> list[str]:
    checked = check(document, chain)
    assert (checked.verdict is Verdict.FAILS) == bool(checked.named(Status.FAIL))
    return [str(name) for name in checked.named(Status.FAIL)]


def whys(checked: Checked, status: Status) -> set[tuple[StepName, Why | None]]:
    return {(step.name, step.why) for step in checked.steps if step.status is status}


def changed(document: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    at: Any = made
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    return made


# --- what fits ------------------------------------------------------------------------------------


def test_a_sound_statement_holds_as_far_as_the_file_is_honest(statement: dict[str, Any]) -> None:
    checked = check(statement)
    assert checked.verdict is Verdict.TOLD
    assert whys(checked, Status.TOLD) == {
        (StepName.ANCHOR, Why.TOLD_BY_FILE),
        (StepName.CLOSED, Why.TOLD_BY_FILE),
        (StepName.FINALISED, Why.TOLD_BY_FILE),
    }
    assert whys(checked, Status.SKIP) == {(StepName.WALLET, Why.NO_CHAIN)}
    by_name = {step.name: step for step in checked.steps}
    assert by_name[StepName.ROOT].result == "0x" + root_at(CLOSED).hex()
    assert by_name[StepName.IDENTITY].result == statement["identity"]
    assert by_name[StepName.DIGEST].result == "0x" + epoch(0).digest.hex()
    nodes = [step for step in checked.steps if step.name is StepName.NODE]
    assert [step.number for step in nodes] == [1, 2, 3, 4, 5]
    assert nodes[-1].result == by_name[StepName.ROOT].result


def test_a_sound_payout_holds_as_far_as_the_file_is_honest(payout: dict[str, Any]) -> None:
    checked = check(payout)
    assert checked.verdict is Verdict.TOLD
    assert checked.named(Status.TOLD) == (StepName.FINALISED,)
    by_name = {step.name: step for step in checked.steps}
    assert by_name[StepName.PAYOUT_ROOT].result == ("0x" + epoch(0).commitment.payout_root.hex())
    assert len(by_name[StepName.PAYOUT_WORDS].values["words"]) == 2 + 2 * 4 * 32


def test_every_entry_of_the_log_is_proven(served: Any) -> None:
    for position in range(0, ENTRIES, 13):
        verdict = check(of_entry(served, position)).verdict
        assert verdict is (Verdict.TOLD if position < 290 else Verdict.OPEN), position


def test_what_is_no_statement_is_named_by_its_leaf(served: Any) -> None:
    document = of_entry(served, UNREADABLE)
    checked = check(document)
    assert checked.verdict is Verdict.TOLD
    assert (StepName.STATEMENT, Why.NOT_STATEMENT) in whys(checked, Status.SKIP)
    assert failed(changed(document, ("identity",), "0x" + "12" * 32)) == ["leaf_identity"]


def test_what_is_not_there_yet_is_not_checked(statement: dict[str, Any]) -> None:
    bare = dict(statement, anchor=None, evidence=None, checkpoint=None, device=None)
    checked = check(bare)
    assert checked.verdict is Verdict.OPEN
    assert {why for _, why in whys(checked, Status.SKIP)} == {
        Why.NO_CHAIN, Why.NO_CHECKPOINT, Why.NO_KEY, Why.NOT_ANCHORED, Why.NOT_CLOSED,
    }  # fmt: skip
    waiting = check(changed(statement, ("evidence", "finality"), None))
    assert (StepName.DIGEST, Why.NOT_FINALISED) in whys(waiting, Status.SKIP)
    nameless = check(changed(statement, ("network", "manifest_hash"), None))
    assert (StepName.NETWORK, Why.NO_MANIFEST) in whys(nameless, Status.SKIP)


# --- every field ----------------------------------------------------------------------------------

BESIDES = ("tx", "time", "name", "receipt_key", "device", "claim")
"""Members beside the proof: told, or only where to look."""

BREAKS: dict[str, set[str]] = {
    "network.id": {"statement", "digest", "network"},
    "network": {"network"},
    "identity": {"identity"},
    "statement": {"identity", "leaf_identity"},
    "log.id": {"log", "range"},
    "log.origin": {"log"},
    "log.note_key": {"log"},
    "inclusion.path": {"root"},
    "inclusion.root": {"root"},
    "inclusion.position": {"root"},
    "inclusion.size": {"anchor"},
    "anchor.size": {"anchor"},
    "anchor.root": {"anchor"},
    "checkpoint.note": {"checkpoint"},
    "checkpoint.path": {"checkpoint_root"},
    "device.algorithm": {"form"},
    "device.public_key": {"device_key"},
    "evidence.epoch": {"evidence"},
    "evidence.ranges": {"evidence"},
    "evidence.evidence_hash": {"evidence"},
    "evidence.finality.digest": {"digest"},
    "evidence.finality.commitment": {"digest"},
    "format": {"form"},
    "leaf.asset": {"payout_root"},
    "leaf.account": {"payout_root"},
    "leaf.earned": {"payout_root"},
    "leaf.spent": {"payout_root"},
    "siblings": {"payout_root"},
    "finality.digest": {"digest"},
    "finality.commitment": {"digest"},
}
"""Dotted beginning of a field -> steps, of which one at least must name it."""


def fields(document: Any, prefix: Place = ()) -> Iterator[Place]:
    """Yield the place of every single value that is part of what is proven."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in items:
        place = (*prefix, name)
        if value is None or (name in BESIDES and len(place) != 1) or place == ("claim",):
            continue
        if isinstance(value, (dict, list)):
            yield from fields(value, place)
        else:
            yield place


def another(value: Any) -> Any:
    """Return a value of the same form that is another one."""
    if isinstance(value, int):
        return value + 1
    if value.startswith("0x") and len(value) == 42:
        flipped = bytes.fromhex(value[2:-2]) + bytes([bytes.fromhex(value[-2:])[0] ^ 1])
        from commonworks.explorer.web.model import address_text

        return address_text(flipped)
    if value.startswith("0x"):
        middle = len(value) // 2
        return value[:middle] + format(int(value[middle], 16) ^ 1, "x") + value[middle + 1 :]
    if value.isdecimal():
        return str(int(value) + 1)
    return value[:-3] + ("A" if value[-3] != "A" else "B") + value[-2:]


def breaks(place: Place) -> set[str]:
    name = ".".join(str(part) for part in place)
    found = [key for key in BREAKS if name == key or name.startswith(key + ".")]
    assert found, name
    return BREAKS[max(found, key=len)]


@pytest.mark.parametrize("kind", ["statement", "payout"])
def test_every_field_that_is_another_one_is_named(
    kind: str, statement: dict[str, Any], payout: dict[str, Any]
) -> None:
    document = statement if kind == "statement" else payout
    places = list(fields(document))
    assert len(places) > (60 if kind == "statement" else 30)
    for place in places:
        value: Any = document
        for name in place:
            value = value[name]
        named = failed(changed(document, place, another(value)))
        assert set(named) & breaks(place), (place, named)


def test_a_field_left_out_added_or_written_twice_is_named(payout: dict[str, Any]) -> None:
    for place in fields(payout):
        made = copy.deepcopy(payout)
        at: Any = made
        for name in place[:-1]:
            at = at[name]
        if isinstance(at, list):
            continue
        del at[place[-1]]
        (step,) = check(made).steps
        dotted = ".".join(str(part) for part in place)
        if place == ("format",):
            assert (step.why, step.where) == (Why.BAD_FORMAT, "format")
        else:
            assert (step.why, step.where) == (Why.MISSING_MEMBER, dotted)
    (step,) = check({**payout, "more": 1}).steps
    assert (step.why, step.where) == (Why.UNKNOWN_MEMBER, "more")
    text = json.dumps(payout).replace('"earned"', '"earned": "7", "earned"', 1)
    (step,) = check_proof(text.encode()).steps
    assert (step.name, step.why, step.where) == (StepName.FORM, Why.REPEATED_MEMBER, "earned")


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (("leaf", "earned"), "07", Why.BAD_NUMBER),
        (("leaf", "earned"), 7, Why.BAD_NUMBER),
        (("leaf", "earned"), str(2**256), Why.BAD_NUMBER),
        (("leaf", "earned"), "\u0661", Why.BAD_NUMBER),
        (("leaf", "account"), "0x" + "ab" * 20, Why.BAD_ADDRESS),
        (("leaf", "account"), "0x" + "00" * 19, Why.BAD_ADDRESS),
        (("siblings",), ["0x" + "00" * 32] * 65, Why.PATH_TOO_LONG),
        (("siblings",), {}, Why.BAD_FORM),
        (("siblings", 0), "0x" + "0A" * 32, Why.BAD_HEX),
        (("siblings", 0), "0x" + "00" * 31, Why.BAD_LENGTH),
        (("finality", "time"), -1, Why.BAD_NUMBER),
        (("finality", "time"), 1.0, Why.BAD_NUMBER),
        (("finality", "time"), True, Why.BAD_NUMBER),
        (("finality", "time"), 2**53, Why.BAD_NUMBER),
        (("network",), None, Why.BAD_FORM),
        (("claim",), {}, Why.MISSING_MEMBER),
    ],
)
def test_every_value_has_one_spelling(
    payout: dict[str, Any], place: Place, value: Any, why: Why
) -> None:
    (step,) = check(changed(payout, place, value)).steps
    assert (step.name, step.status, step.why) == (StepName.FORM, Status.FAIL, why)
    assert step.where.startswith(".".join(str(part) for part in place))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", Why.BAD_JSON),
        (b"\xff", Why.BAD_JSON),
        (b"[]", Why.BAD_FORMAT),
        (b"null", Why.BAD_FORMAT),
        (b'{"format": ["commonworks-payout-proof-v1"]}', Why.BAD_FORMAT),
        (b'{"format": NaN}', Why.BAD_JSON),
        (b"[" * 1_001, Why.TOO_MANY),
        (b" " * (FILE_BYTES_MAX + 1), Why.TOO_LARGE),
        (b'{"n": ' + b"9" * 5_000 + b"}", Why.BAD_JSON),
    ],
)
def test_what_is_no_proof_file_ends_in_one_step(data: bytes, why: Why) -> None:
    (step,) = check_proof(data).steps
    assert (step.name, step.status, step.why) == (StepName.FORM, Status.FAIL, why)
    with pytest.raises(Fault):
        read_proof(data)


def test_totals_and_ranges_have_one_order(
    statement: dict[str, Any], payout: dict[str, Any]
) -> None:
    place = ("finality", "commitment", "totals")
    totals = payout["finality"]["commitment"]["totals"]
    swapped = check(changed(payout, place, totals[::-1]))
    assert (StepName.DIGEST, Why.TOTALS_UNORDERED) in whys(swapped, Status.FAIL)
    ranges = statement["evidence"]["ranges"]
    swapped = check(changed(statement, ("evidence", "ranges"), ranges[::-1]))
    assert (StepName.EVIDENCE, Why.RANGES_UNORDERED) in whys(swapped, Status.FAIL)


def test_a_path_says_why_it_cannot_fit(statement: dict[str, Any]) -> None:
    path = statement["inclusion"]["path"]
    cases = [
        (("inclusion", "path"), [*path, path[0]], Why.PATH_TOO_LONG),
        (("inclusion", "path"), path[:-1], Why.PATH_TOO_SHORT),
        (("inclusion", "position"), str(CLOSED), Why.POSITION_OUTSIDE),
    ]
    for place, value, why in cases:
        found = whys(check(changed(statement, place, value)), Status.FAIL)
        assert (StepName.ROOT, why) in found


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 31, 33])
def test_the_nodes_that_are_shown_are_those_of_the_path(size: int) -> None:
    leaves = [leaf_hash(b"%d" % place) for place in range(size)]

    def node(level: int, place: int) -> bytes:
        if level == 0:
            return leaves[place]
        return node_hash(node(level - 1, 2 * place), node(level - 1, 2 * place + 1))

    for position in range(size):
        path = inclusion_proof(position, size, node)
        assert path_length(position, size) == len(path)
        nodes = path_nodes(leaves[position], position, size, path)
        last = node_hash(*nodes[-1]) if nodes else leaves[position]
        assert last == root_from_inclusion(leaves[position], position, size, path)


# --- a chain --------------------------------------------------------------------------------------


def answers(**other: Any) -> ChainAnswers:
    """Return what the kit's chain says about the statement and the payout of epoch 0."""
    at, one = Position(block=1, time=0, index=0, tx=digest(1)), epoch(0)
    events: dict[bytes, tuple[Event, ...]] = {
        ANCHOR_TX: (Anchored(at=at, log_id=LOG_ID, size=CLOSED, root=root_at(CLOSED)),),
        CLOSED_TX: (
            Closed(at=at, epoch=0, evidence_hash=one.commitment.evidence_hash, ranges=one.ranges),
        ),
        FINAL_TX: (Finalised(at=at, epoch=0, digest=one.digest, commitment=one.commitment),),
    }
    said = ChainAnswers(
        chain_id=31_337,
        network_id=NETWORK.network_id,
        anchored=root_at(CLOSED),
        evidence_hash=one.commitment.evidence_hash,
        digest=one.digest,
        events=events,
    )
    return dataclasses.replace(said, **other)


def test_what_the_chain_confirms_holds(statement: dict[str, Any], payout: dict[str, Any]) -> None:
    for document in (statement, payout):
        checked = check(document, answers())
        assert checked.verdict is Verdict.HOLDS
        assert not checked.named(Status.TOLD)
        assert not checked.named(Status.SKIP)
    unknown = check(statement, answers(events={}))
    assert unknown.verdict is Verdict.HOLDS
    assert (StepName.ANCHOR, Why.UNKNOWN_TRANSACTION) in whys(unknown, Status.OK)


@pytest.mark.parametrize(
    ("other", "step", "why"),
    [
        ({"anchored": bytes(32)}, StepName.ANCHOR, Why.WRONG_ANCHOR),
        ({"evidence_hash": bytes(32)}, StepName.CLOSED, Why.WRONG_EVIDENCE),
        ({"digest": bytes(32)}, StepName.FINALISED, Why.WRONG_DIGEST),
        ({"chain_id": 1}, StepName.WALLET, Why.OTHER_CHAIN),
        ({"network_id": bytes(32)}, StepName.WALLET, Why.OTHER_NETWORK),
        ({"network_id": b""}, StepName.WALLET, Why.OTHER_NETWORK),
        ({"events": {ANCHOR_TX: ()}}, StepName.ANCHOR, Why.NOT_IN_TRANSACTION),
        ({"events": {CLOSED_TX: ()}}, StepName.CLOSED, Why.NOT_IN_TRANSACTION),
        ({"events": {FINAL_TX: ()}}, StepName.FINALISED, Why.NOT_IN_TRANSACTION),
    ],
)
def test_a_chain_that_says_otherwise_is_heard(
    statement: dict[str, Any], other: dict[str, Any], step: StepName, why: Why
) -> None:
    checked = check(statement, answers(**other))
    assert checked.verdict is Verdict.FAILS
    assert whys(checked, Status.FAIL) == {(step, why)}


def test_a_forged_root_that_the_file_agrees_with_is_told_by_the_chain_alone(
    payout: dict[str, Any],
) -> None:
    """Who makes up a whole epoch deceives nobody who asks the chain."""
    commitment = epoch(0).commitment
    leaf = payout["leaf"]
    forged = copy.deepcopy(payout)
    forged["siblings"] = []
    forged["leaf"] = leaf | {"earned": "999999"}
    from commonworks.model import Total
    from commonworks.settlement.commitment import digest as epoch_digest
    from commonworks.settlement.payout import leaf_hash as payout_leaf

    mine = Total(asset=NETWORK.token, account=account(3), earned=999_999, spent=int(leaf["spent"]))
    totals = tuple(dataclasses.replace(one, earned=10**9, spent=10**9) for one in commitment.totals)
    made = dataclasses.replace(commitment, payout_root=payout_leaf(mine), totals=totals)
    said = forged["finality"]["commitment"]
    said["payout_root"] = "0x" + made.payout_root.hex()
    for one in said["totals"]:
        one |= {"earned": str(10**9), "spent": str(10**9)}
    forged["finality"]["digest"] = "0x" + epoch_digest(NETWORK.network_id, 0, made).hex()
    assert check(forged).verdict is Verdict.TOLD
    assert failed(forged, answers()) == ["finalised"]


# --- words and limits -----------------------------------------------------------------------------


def test_every_step_reason_and_value_has_its_words(
    statement: dict[str, Any], payout: dict[str, Any], served: Any
) -> None:
    words = words_of_steps()
    for name in StepName:
        assert words[f"step.{name}"]
        assert words[f"what.{name}"]
    for why in Why:
        assert words[f"reason.{why}"]
    documents = [statement, payout, of_entry(served, UNREADABLE)]
    for document in documents:
        for chain in (None, answers(), answers(anchored=bytes(32), digest=bytes(32))):
            for step in check(document, chain).steps:
                assert not {name for name in step.values if f"value.{name}" not in words}
    spoken = " ".join(words[f"reason.{why}"] for why in Why)
    for elsewhere in ("browser", "wallet", "this site", "this page"):
        assert elsewhere not in spoken


def test_the_formats_are_the_explorers() -> None:
    given = (models.StatementProof, models.PayoutProof)
    formats = [get_args(one.model_fields["format"].annotation) for one in given]
    assert formats == [(form.STATEMENT_FORMAT,), (form.PAYOUT_FORMAT,)]
    assert issubclass(Fault, InvalidInput)
