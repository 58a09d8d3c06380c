"""Search finds what there is by number, name and beginning, and nothing that was not meant."""

from __future__ import annotations

from typing import Any

import h3  # type: ignore[import-untyped, unused-ignore]
import pytest

from commonworks.explorer.index import schema
from commonworks.explorer.models.search import Found, SearchAnswer
from commonworks.explorer.queries.search import HITS_MAX, QUERY_MAX, search
from commonworks.explorer.site import Site
from explorer_kit import account, client, digest, fill, make_site

ANNA, BERT = bytes.fromhex("aa11" + "00" * 18), bytes.fromhex("aa22" + "00" * 18)
HOSTILE = "<script>alert(1)</script>"
TX = bytes.fromhex("feed" + "00" * 30)


def device_row(number: int, **changes: Any) -> dict[str, Any]:
    """Return a row of the table of devices."""
    row: dict[str, Any] = {
        "device": number, "owner": ANNA, "thumbprint": digest(number), "algorithm": -8,
        "public_key": bytes(32), "resource": "energy", "cell": None, "enroller": account(1),
        "enrolled_at": 0, "enrolled_tx": digest(1), "reference": False, "statements": 0,
        "rejected": 0, "last_judged_epoch": None,
    }  # fmt: skip
    return row | changes


def event_row(block: int, **changes: Any) -> dict[str, Any]:
    """Return a row of the diary."""
    row: dict[str, Any] = {
        "block": block, "log_index": 0, "time": block, "tx": digest(block), "kind": "claimed",
        "epoch": None, "device": None, "log_id": None, "account": None, "other": None,
        "asset": None, "amount": None, "detail": "{}",
    }  # fmt: skip
    return row | changes


def statement_row(position: int, identity: bytes, log: int = 1) -> dict[str, Any]:
    """Return a row of the table of statements."""
    return {
        "log_id": digest(log), "position": position, "identity": identity, "kind": "report",
        "kid": None, "device": None, "resource": None, "said_at": None, "sealed": False,
        "bytes": 1, "leaf": digest(position), "epoch": None, "outcome": None, "reason": None,
    }  # fmt: skip


def epoch_row(number: int) -> dict[str, Any]:
    """Return the row of a closed epoch."""
    return {
        "epoch": number, "start_s": 0, "end_s": 1, "closed_at": 2, "closed_block": 3,
        "closed_tx": digest(4), "evidence_hash": digest(5),
    }  # fmt: skip


@pytest.fixture
def site() -> Site:
    """A site with one thing of each kind."""
    made = make_site(
        labels={ANNA: "anna", account(9): "50% off_"},
        device_labels={digest(12): "mill/gauge", digest(13): HOSTILE},
    )
    fill(
        made.engine, schema.device, device_row(12), device_row(13),
        device_row(14, thumbprint=bytes.fromhex("beef" + "00" * 30)),
    )  # fmt: skip
    fill(made.engine, schema.epoch, epoch_row(12), epoch_row(3))
    fill(made.engine, schema.chain_event, event_row(5, tx=TX, account=BERT, other=ANNA))
    fill(
        made.engine, schema.statement,
        statement_row(0, bytes.fromhex("c0ffee1234" + "00" * 27)),
        statement_row(1, bytes.fromhex("c0ffee1299" + "00" * 27)),
        statement_row(7, bytes.fromhex("c0ffee1299" + "00" * 27), log=2),
    )  # fmt: skip
    fill(made.engine, schema.gateway, {
        "log_id": bytes.fromhex("1099" + "ab" * 30), "operator": ANNA, "name": "North gate",
        "origin": "o", "endpoint": "e", "note_key": digest(1), "receipt_key": bytes(32),
        "registered_at": 0, "registered_tx": digest(1),
    })  # fmt: skip
    fill(made.engine, schema.proposal, {
        "proposal": str(2**200), "number": 3, "proposer": ANNA, "title": "Raise the 100% cap",
        "body": "", "calls": "[]", "changes": "{}", "vote_start": 0, "vote_end": 1,
        "tx": digest(1),
    })  # fmt: skip
    return made


def found(site: Site, query: str) -> SearchAnswer:
    """Search."""
    with site.engine.connect() as connection:
        return search(connection, site, query)


def pages(answer: SearchAnswer) -> dict[Found, list[str]]:
    """Return the pages that were found, by kind."""
    return {group.kind: [hit.href for hit in group.hits] for group in answer.groups}


def test_a_number_means_a_device_and_an_epoch(site: Site) -> None:
    answer = found(site, " 12 ")
    assert pages(answer) == {Found.DEVICE: ["/devices/12"], Found.EPOCH: ["/epochs/12"]}
    assert answer.certain is None


def test_a_number_with_a_hash_sign_that_only_a_device_has_is_certain(site: Site) -> None:
    assert found(site, "#14").certain == "/devices/14"


def test_what_stands_before_a_number_is_read_in_the_reader_s_language(site: Site) -> None:
    asked = {"params": {"q": "Gerät 12"}, "follow_redirects": False}
    german = client(site).get("/search", headers={"accept-language": "de"}, **asked)
    assert german.headers["location"] == "/devices/12"
    assert client(site).get("/search", **asked).status_code == 200


def test_marks_alone_are_taken_literally(site: Site) -> None:
    assert Found.DEVICE not in pages(found(site, "-"))
    assert not found(site, "epoch 99").groups


def test_three_is_an_epoch_and_a_proposal(site: Site) -> None:
    assert set(pages(found(site, "3"))) == {Found.EPOCH, Found.PROPOSAL}


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("beef", "/devices/14"),
        ("0xBEEF", "/devices/14"),
        ("MILL", "/devices/12"),
        ("feed", f"/transactions/0x{TX.hex()}"),
        (TX.hex(), f"/transactions/0x{TX.hex()}"),
        ("0xaa11", "/accounts/0xaA11000000000000000000000000000000000000"),
        ("0x" + BERT.hex(), "/accounts/0xaa22000000000000000000000000000000000000"),
        ("c0ffee1234", "/statements/c0ffee1234" + "00" * 27),
        ("1099abab", "/nodes/gateways/1099" + "ab" * 30),
        ("north", "/nodes/gateways/1099" + "ab" * 30),
        ("cap raise", "/governance/3"),
        (str(2**200), "/governance/3"),
        ("quorum_ppm extra", None),
        ("grace_s", "/parameters/grace_s"),
        ("Epoch 12", "/epochs/12"),
        ("device #13", "/devices/13"),
        ("proposal 3", "/governance/3"),
        ("mill gauge", "/devices/12"),
        ("grace s", "/parameters/grace_s"),
        ("another network", "/reasons#wrong_network"),
        ("bad_signature", "/reasons#bad_signature"),
    ],
)
def test_the_only_hit_is_certain(site: Site, query: str, page: str | None) -> None:
    certain = found(site, query).certain
    assert (certain or "").lower() == (page or "").lower()


HASHES = {"digest": "d16e57", "evidence_hash": "e71d", "payout_root": "9a40"}


@pytest.mark.parametrize("column", HASHES)
def test_an_epoch_is_found_by_what_it_was_fixed_with(site: Site, column: str) -> None:
    start = HASHES[column]
    value = bytes.fromhex(start.ljust(64, "3"))
    fill(site.engine, schema.epoch, {**epoch_row(20), column: value})
    fill(site.engine, schema.epoch, epoch_row(21))
    for query in (start, f"0x{start}", value.hex()):
        answer = found(site, query)
        assert pages(answer) == {Found.EPOCH: ["/epochs/20"]}
        assert answer.certain == "/epochs/20"
    assert "hash is" in answer.groups[0].hits[0].detail or column != "evidence_hash"
    assert not found(site, start + "4").groups


def test_epochs_with_the_same_payout_root_are_all_found(site: Site) -> None:
    same = {"payout_root": bytes.fromhex("9a40" * 16)}
    fill(site.engine, schema.epoch, *({**epoch_row(n), **same} for n in (30, 31)))
    answer = found(site, "9a40" * 16)
    assert pages(answer) == {Found.EPOCH: ["/epochs/31", "/epochs/30"]}
    assert answer.certain is None


def test_a_map_cell_leads_to_its_devices_no_finer_than_the_map(site: Site) -> None:
    exact = h3.latlng_to_cell(48.2, 16.37, 10)
    shown, around = h3.cell_to_parent(exact, 7), h3.cell_to_parent(exact, 5)
    fill(site.engine, schema.device, device_row(77, cell=exact))
    for query in (exact, exact.upper(), shown):
        assert found(site, query).certain == f"/devices?cell={shown}"
    assert found(site, around).certain == f"/devices?cell={around}"
    assert "finest" in found(site, exact).groups[0].hits[0].detail
    page = client(site).get("/search", params={"q": exact}, follow_redirects=True)
    assert "/devices/77" in page.text
    assert exact not in page.text
    empty = h3.latlng_to_cell(-30.0, 100.0, 7)
    assert not found(site, empty).groups
    assert not found(site, shown[:-1]).groups


def test_a_statement_in_two_logs_is_one_hit_and_eight_digits_are_needed(site: Site) -> None:
    assert len(pages(found(site, "c0ffee12"))[Found.STATEMENT]) == 2
    assert Found.STATEMENT not in pages(found(site, "c0ffee1"))


def test_a_short_beginning_is_no_beginning(site: Site) -> None:
    assert pages(found(site, "aa1")) == {}


def test_an_account_is_found_wherever_it_occurs(site: Site) -> None:
    fill(
        site.engine, schema.payout,
        {"asset": account(1), "account": b"\xcc" * 20, "epoch": 0, "earned": 1, "spent": 0},
    )  # fmt: skip
    fill(site.engine, schema.payee, {"device": 12, "account": b"\xdd" * 20, "ppm": 1})
    for digits in ("cccc", "dddd", "aa22"):
        assert len(pages(found(site, digits))[Found.ACCOUNT]) == 1


def test_many_hits_are_cut_and_said_to_be_more(site: Site) -> None:
    rows = [device_row(100 + n, owner=b"\xee\xee" + n.to_bytes(18, "big")) for n in range(15)]
    fill(site.engine, schema.device, *rows)
    answer = found(site, "0xeeee")
    [group] = answer.groups
    assert (len(group.hits), group.more, answer.certain) == (HITS_MAX, True, None)


@pytest.mark.parametrize(
    "query", ["%", "_", "%%", "'", '"', "' OR 1=1 --", "\\", "\0", "\0%", "*", "é", "😀" * 50]
)
def test_wildcards_and_quotes_are_plain_letters(site: Site, query: str) -> None:
    kinds = pages(found(site, query))
    if query.strip("\0") == "%":
        # two names hold this very letter
        assert set(kinds) == {Found.ACCOUNT, Found.PROPOSAL}
    elif query == "_":
        assert set(kinds) == {Found.ACCOUNT, Found.PARAMETER}
    else:
        assert kinds == {}


@pytest.mark.parametrize("query", ["", "   ", "\n\t", "a" * (QUERY_MAX + 1), "f" * 100_000])
def test_nothing_and_too_much_find_nothing(site: Site, query: str) -> None:
    assert found(site, query).groups == []


def test_numbers_beyond_63_bits_are_looked_for_nowhere_but_in_proposals(site: Site) -> None:
    assert pages(found(site, str(2**63))) == {}
    assert pages(found(site, "9" * 78)) == {}


# --- through HTTP ---------------------------------------------------------------------------------


def test_one_certain_hit_leads_to_its_page(site: Site) -> None:
    answer = client(site).get("/search", params={"q": "beef"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/devices/14")


def test_names_are_escaped(site: Site) -> None:
    page = client(site).get("/search", params={"q": "script"}, follow_redirects=False)
    assert page.status_code == 303
    text = client(site).get("/search", params={"q": "<"}).text
    assert "<script>alert" not in text
    fill(site.engine, schema.device, device_row(15, thumbprint=digest(13)))
    text = client(site).get("/search", params={"q": "script"}).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text


def test_an_empty_answer_says_what_can_be_searched_for(site: Site) -> None:
    page = client(site).get("/search", params={"q": "nothing like it"})
    assert page.status_code == 200
    assert "What can be searched for" in page.text


def test_the_api_says_the_same_and_refuses_what_is_too_long(site: Site) -> None:
    answer = client(site).get("/api/v1/search", params={"q": "12"})
    assert answer.json()["groups"][0]["hits"][0]["href"] == "/devices/12"
    assert client(site).get("/api/v1/search", params={"q": "a" * 201}).status_code in (400, 422)
    assert client(site).get("/search", params={"q": "a" * 201}).status_code == 200
