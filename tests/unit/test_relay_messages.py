"""Documents for a relay: one spelling, and any bytes end in a message or in one clear line."""

from __future__ import annotations

import json
import typing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonworks.errors import InvalidInput
from commonworks.relay import REASONS, Reason
from commonworks.relay.forms import Hex, Name, Number, Object, Several, Text
from commonworks.relay.messages import (
    BODY_BYTES_MAX,
    KINDS,
    Message,
    UnknownKind,
    address_of,
    charged,
    decode_message,
    encode_message,
)
from commonworks.transport.relay_app import STATUS


def values(form: Any) -> st.SearchStrategy[Any]:
    """Return typed values that a form can write."""
    match form:
        case Hex(least=least, most=most):
            return st.binary(min_size=least, max_size=min(most, least + 40))
        case Number(least=least, most=most):
            return st.integers(least, most)
        case Name():
            return st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).map(
                lambda text: text[:32]
            )
        case Text():
            return st.text(max_size=40)
        case Several(of=of, most=most):
            return st.lists(values(of), max_size=min(most, 3)).map(tuple)
        case Object(of=of):
            return objects(of)
    raise AssertionError(form)


def objects(kind: type) -> st.SearchStrategy[Any]:
    """Return objects of a dataclass of the documents."""
    members = {item.name: values(item.metadata["form"]) for item in fields(kind)}
    return st.builds(kind, **members)


@given(st.sampled_from(list(KINDS.values())).flatmap(objects))
def test_every_message_survives_its_document(message: Message) -> None:
    document = encode_message(message)
    assert decode_message(document) == message
    assert json.loads(document)["kind"] == message.kind
    account = charged(message)
    assert account is None or len(account) == 20


def test_the_list_of_kinds_is_whole() -> None:
    assert set(KINDS.values()) == set(typing.get_args(Message))
    assert sorted(KINDS) == [
        "ballot", "claim", "create_account", "delegation", "deposit", "enrol", "enrol_batch",
        "execute", "finish_recovery", "share_transfer", "spend_limit", "start_recovery",
        "withdrawal",
    ]  # fmt: skip
    for kind in KINDS.values():
        assert all(item.default is MISSING for item in fields(kind)), "nothing is optional"


WITHDRAWAL = {
    "kind": "withdrawal",
    "account": "0x" + "ab" * 20,
    "asset": "0x" + "CD" * 20,
    "amount": "115792089237316195423570985008687907853269984665640564039457584007913129639935",
    "deadline": "1800000000",
    "signature": "0x",
}


def test_a_document_as_it_is_written() -> None:
    message = decode_message(json.dumps(WITHDRAWAL).encode())
    assert (
        encode_message(message)
        == json.dumps(WITHDRAWAL | {"asset": "0x" + "cd" * 20}, separators=(",", ":")).encode()
    )


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("account", "0x" + "ab" * 19, "account: "),
        ("account", "ab" * 20, "20 bytes in hex"),
        ("account", 7, "20 bytes in hex"),
        ("amount", 7, "decimal string"),
        ("amount", "07", "decimal string"),
        ("amount", "-1", "bounds"),
        ("amount", "+1", "decimal string"),
        ("amount", "1e3", "decimal string"),
        ("amount", str(2**256), "bounds"),
        ("amount", "9" * 5_000, "..."),
        ("amount", "\u0661", "decimal string"),
        ("deadline", str(2**53 + 1), "bounds"),
        ("deadline", None, "null"),
        ("signature", "0x" + "00" * 4_097, "0 to 4096 bytes"),
        ("signature", [], "this"),
        ("surplus", "1", "does not belong here"),
        ("amount", ..., "is missing"),
    ],
)
def test_every_other_spelling_is_refused_by_name(member: str, value: object, words: str) -> None:
    document: dict[str, object] = WITHDRAWAL | {member: value}
    if value is ...:
        del document[member]
    with pytest.raises(InvalidInput) as refused:
        decode_message(json.dumps(document).encode())
    assert not isinstance(refused.value, UnknownKind)
    assert member in refused.value.message
    assert words in refused.value.message
    assert len(refused.value.message) < 200
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("kind", ["mint", "", None, 7, ["claim"], "\n", {"a": 1}])
def test_an_unknown_kind_is_told_as_such(kind: object) -> None:
    with pytest.raises(UnknownKind, match="no kind of message"):
        decode_message(json.dumps(WITHDRAWAL | {"kind": kind}).encode())


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"null",
        b'{"kind":"claim","kind":"claim"}',
        b"[" * 100_000,
        b'{"kind":' + b"9" * 5_000 + b"}",
        b" " * (BODY_BYTES_MAX + 1),
    ],
)
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_message(document)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_end_in_one_clear_line(document: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode_message(document)
    assert "\n" not in refused.value.message


def test_lists_have_bounds() -> None:
    recovery = {
        "kind": "start_recovery",
        "account": "0x" + "ab" * 20,
        "qx": "0x" + "00" * 32,
        "qy": "0x" + "00" * 32,
        "deadline": "1",
        "signers": ["0x" + "ab" * 20] * 17,
        "signatures": [],
    }
    with pytest.raises(InvalidInput, match="signers: this is no list of at most 16"):
        decode_message(json.dumps(recovery).encode())
    batch = {
        "kind": "execute",
        "account": "0x" + "ab" * 20,
        "calls": [{"target": "0x" + "ab" * 20, "value": "0"}],
        "deadline": "1",
        "signature": "0x",
    }
    with pytest.raises(InvalidInput, match='calls: member "data" is missing'):
        decode_message(json.dumps(batch).encode())


def test_accounts_are_read_from_a_path_too() -> None:
    assert address_of("0x" + "AB" * 20) == b"\xab" * 20
    with pytest.raises(InvalidInput):
        address_of("0x12")


PAGE = (Path(__file__).parents[2] / "docs" / "spec" / "relay.md").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_the_specification_names_every_member_of_every_kind(kind: str) -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |"))
    for item in fields(KINDS[kind]):
        assert f"`{item.metadata['name'] or item.name}`" in row, item.name


@pytest.mark.parametrize("reason", Reason)
def test_the_specification_names_every_reason_with_its_status(reason: Reason) -> None:
    assert f"| `{reason}` | {STATUS[reason]} | {REASONS[reason]} |" in PAGE
