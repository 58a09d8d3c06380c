"""Gateways and verifiers in the explorer: stake, lag, faults, and how to check them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.explorer.index import schema
from commonworks.explorer.site import Site
from commonworks.translog.notes import log_id, note_key
from explorer_kit import DAY, GENESIS, FixedClock, account, client, digest, fill, make_site

TOKENS = 10**18
HOSTILE = '<script>alert(1)</script>"><img src=x>'
NOTE_KEY = PrivateKey.from_seed(Algorithm.EDDSA, sha256(b"a log's key")).public.raw
ORIGIN = "c0ffee.commonworks/one"
LOG = log_id(ORIGIN, NOTE_KEY)
ONE, TWO, THREE = account(0xA1), account(0xA2), account(0xA3)


def make(**changes: Any) -> Site:
    site = make_site(**{"clock": FixedClock(GENESIS + 4 * DAY), **changes})
    for key in ("verifier_bond_min", "gateway_bond_min", "quorum_ppm"):
        known = site.parameters[key]
        row = {
            "key": key,
            "number": 0,
            "value": known.default,
            "minimum": known.minimum,
            "maximum": known.maximum,
            "from_epoch": 0,
            "time": GENESIS - 9,
            "tx": digest(1),
        }
        fill(site.engine, schema.parameter_change, row)
    return site


def verifier(
    site: Site, operator: bytes, bonded: int, stake: int | None = None, **more: Any
) -> None:
    """Register a verifier whose stake counts from before genesis on."""
    stake = bonded if stake is None else stake
    row = {
        "operator": operator,
        "name": "one",
        "endpoint": "",
        "registered_at": GENESIS - 50,
        "registered_tx": digest(2),
    }
    fill(site.engine, schema.verifier, row | {k: v for k, v in more.items() if k in row})
    bond(site, operator, bonded, stake, **{k: v for k, v in more.items() if k not in row})
    if stake:
        stake_changed(site, operator, GENESIS - 40, stake)


def bond(site: Site, operator: bytes, bonded: int, stake: int, **more: Any) -> None:
    row = {"operator": operator, "bonded": bonded, "unbonding": 0, "ready_at": None, "stake": stake}
    fill(site.engine, schema.bond, row | more)


def stake_changed(site: Site, operator: bytes, time: int, stake: int) -> None:
    row = {
        "block": time,
        "log_index": int.from_bytes(operator[-1:], "big"),
        "time": time,
        "tx": digest(3),
        "kind": "stake_changed",
        "account": operator,
        "amount": stake,
        "detail": "{}",
    }
    fill(site.engine, schema.chain_event, row)


def epoch(site: Site, number: int, final: bool = True) -> None:
    end = GENESIS + (number + 1) * DAY
    row = {
        "epoch": number,
        "start_s": end - DAY,
        "end_s": end,
        "closed_at": end + 7_200,
        "closed_block": number,
        "closed_tx": digest(4),
        "evidence_hash": digest(5),
        "finalised_at": end + 7_300 if final else None,
        "digest": digest(0x500 + number) if final else None,
    }
    fill(site.engine, schema.epoch, row)


def served(
    site: Site,
    operator: bytes,
    number: int,
    *,
    confirmed: int | None,
    attested: int | None,
    digest_: bytes | None = None,
) -> None:
    """Let a verifier confirm so long after an epoch's end and attest so long after its close."""
    end = GENESIS + (number + 1) * DAY
    shared = {"epoch": number, "verifier": operator, "tx": digest(6)}
    if confirmed is not None:
        row = shared | {"tips": "[]", "time": end + confirmed}
        fill(site.engine, schema.confirmation, row)
    if attested is not None:
        said = digest_ or digest(0x500 + number)
        row = shared | {"digest": said, "time": end + 7_200 + attested}
        fill(site.engine, schema.attestation, row)


def gateway(site: Site, operator: bytes = ONE, **changes: Any) -> None:
    row = {
        "log_id": LOG,
        "operator": operator,
        "name": "gate",
        "origin": ORIGIN,
        "endpoint": "https://gate.example:8443",
        "note_key": NOTE_KEY,
        "receipt_key": bytes(range(64)),
        "registered_at": GENESIS - 50,
        "registered_tx": digest(2),
    }
    fill(site.engine, schema.gateway, row | changes)


def anchors(site: Site, *rows: tuple[int, int]) -> None:
    fill(
        site.engine,
        schema.anchor,
        *(
            {"log_id": LOG, "size": size, "root": digest(size), "time": time, "tx": digest(7)}
            for size, time in rows
        ),
    )


def read(site: Site, entries: int) -> None:
    fill(site.engine, schema.cursor, {"name": f"log:{LOG.hex()}", "value": entries})


def get(site: Site, path: str, status: int = 200) -> Any:
    answer = client(site).get("/api/v1" + path)
    assert answer.status_code == status, answer.text
    return answer.json()


def kinds(faults: Iterable[dict[str, Any]]) -> list[str]:
    return [fault["kind"] for fault in faults]


# --- verifiers ------------------------------------------------------------------------------------


def test_shares_of_the_stake_and_of_epochs_by_hand() -> None:
    """Stakes of 3, 1 and 0: three quarters and one quarter. Two of three epochs confirmed."""
    site = make()
    verifier(site, ONE, 3_000 * TOKENS, unbonding=0)
    verifier(site, TWO, 1_000 * TOKENS)
    verifier(site, THREE, 999 * TOKENS, stake=0)
    for number in range(3):
        epoch(site, number)
    served(site, ONE, 0, confirmed=3_600, attested=10)
    served(site, ONE, 1, confirmed=3_700, attested=20)
    served(site, ONE, 2, confirmed=3_800, attested=90)
    served(site, TWO, 0, confirmed=5, attested=None)
    served(site, TWO, 2, confirmed=7, attested=11)
    one, two, three = get(site, "/nodes/verifiers")["items"]
    assert [v["stake_ppm"] for v in (one, two, three)] == [750_000, 250_000, 0]
    assert (one["due"], one["confirmed"], one["due_final"], one["attested"]) == (3, 3, 3, 3)
    assert (one["confirm_after_s"], one["attest_after_s"], one["last_attested"]) == (3_700, 20, 2)
    assert (two["due"], two["confirmed"], two["attested"]) == (3, 2, 1)
    assert (three["due"], three["confirm_after_s"]) == (0, None)
    assert (kinds(one["faults"]), kinds(three["faults"])) == ([], ["no_voice"])
    assert [(f["kind"], f["epochs"]) for f in two["faults"]] == [
        ("missed_confirmation", [1]),
        ("missed_attestation", [1, 0]),
    ]


def test_a_voice_is_the_stake_before_an_epochs_end() -> None:
    """Staked at the very second in which epoch 0 ends: it had no voice in it."""
    site = make()
    verifier(site, ONE, 2_000 * TOKENS, stake=0)
    stake_changed(site, ONE, GENESIS + DAY, 2_000 * TOKENS)
    stake_changed(site, ONE, GENESIS + 3 * DAY - 1, 0)
    for number in range(3):
        epoch(site, number)
    rows = get(site, f"/nodes/verifiers/0x{ONE.hex()}/epochs")["items"]
    assert [(row["epoch"], row["due"]) for row in rows] == [(2, False), (1, True), (0, False)]


def test_another_digest_is_a_fault_once_the_epoch_is_final() -> None:
    site = make()
    verifier(site, ONE, 2_000 * TOKENS)
    epoch(site, 0)
    epoch(site, 1, final=False)
    served(site, ONE, 0, confirmed=1, attested=1, digest_=digest(0xBAD))
    served(site, ONE, 1, confirmed=1, attested=1, digest_=digest(0xBAD))
    view = get(site, f"/nodes/verifiers/0x{ONE.hex()}")
    assert [(f["kind"], f["weight"], f["epochs"]) for f in view["verifier"]["faults"]] == [
        ("other_digest", "bad", [0])
    ]
    rows = get(site, f"/nodes/verifiers/0x{ONE.hex()}/epochs")["items"]
    assert [row["agrees"] for row in rows] == [None, False]
    page = client(site).get(f"/nodes/verifiers/0x{ONE.hex()}").text
    assert "another result" in page
    assert "commonworks audit 1 --home home/test" in page
    assert "data-chart" in page


def test_an_epoch_that_nobody_finalises_is_told() -> None:
    site = make()
    verifier(site, ONE, 2_000 * TOKENS)
    epoch(site, 0)
    epoch(site, 1, final=False)
    found = get(site, "/nodes")
    assert (found["waiting"], found["voices"], found["quorum_ppm"]) == (1, 1, 666_667)
    assert found["total_stake"] == str(2_000 * TOKENS)
    page = client(site).get("/nodes").text
    assert "no quorum has finalised it yet" in page
    assert "single operator" in page
    assert "One verifier decides alone" in page
    assert "A demo replays recorded days" in page


@pytest.mark.parametrize(
    ("ready_at", "words"),
    [(GENESIS + 5 * DAY, "in 1 day"), (GENESIS + 4 * DAY, "taken out already")],
)
def test_a_bond_on_its_way_out(ready_at: int, words: str) -> None:
    site = make()
    verifier(site, ONE, 2_000 * TOKENS, unbonding=7 * TOKENS, ready_at=ready_at)
    item = get(site, "/nodes/verifiers")["items"][0]
    assert kinds(item["faults"]) == ["unbonding"]
    assert words in item["faults"][0]["meaning"]
    assert (item["bond"]["unbonding"], item["bond"]["ready_at"]) == (str(7 * TOKENS), ready_at)


def test_service_rewards_add_up_by_role() -> None:
    site = make()
    verifier(site, ONE, 2_000 * TOKENS)
    gateway(site)
    rows = [
        ("verifiers", ONE, 2**130), ("verifiers", ONE, 3), ("gateways", ONE, 5),
        ("verifiers", TWO, 7), ("elsewhere", ONE, 11),
    ]  # fmt: skip
    for number, (name, who, amount) in enumerate(rows):
        row = {
            "epoch": 0,
            "number": number,
            "resource": name,
            "account": who,
            "amount_wei": amount,
        }
        fill(site.engine, schema.reward, row)
    assert get(site, "/nodes/verifiers")["items"][0]["earned_wei"] == str(2**130 + 3)
    assert get(site, "/nodes/gateways")["items"][0]["earned_wei"] == "5"


# --- gateways -------------------------------------------------------------------------------------


def test_a_log_that_is_whole_and_how_to_check_it() -> None:
    site = make(home="a b")
    gateway(site)
    bond(site, ONE, 1_000 * TOKENS, 0)
    anchors(site, (3, GENESIS + 10), (8, GENESIS + 4 * DAY - 60))
    read(site, 8)
    epoch(site, 0)
    epoch(site, 1)
    for number, (first, size) in enumerate(((0, 3), (3, 3))):
        row = {"epoch": number, "log_id": LOG, "first": first, "size": size, "root": digest(size)}
        fill(site.engine, schema.evidence_range, row)
    view = get(site, f"/nodes/gateways/0x{LOG.hex()}")
    item = view["gateway"]
    assert (item["entries"], item["anchored"], item["settled"], item["unanchored"]) == (8, 8, 3, 0)
    assert (item["epochs_counted"], item["epochs_served"], item["faults"]) == (2, 1, [])
    vkey = note_key(ORIGIN, NOTE_KEY).vkey
    assert view["vkey"] == vkey
    assert view["command"] == (
        f"commonworks log check https://gate.example:8443 --vkey {vkey} --home 'a b'"
    )
    page = client(site).get(f"/nodes/gateways/0x{LOG.hex()}").text
    assert "Nothing is wrong" in page
    assert 'href="https://gate.example:8443/checkpoint"' in page
    first = get(site, f"/nodes/gateways/0x{LOG.hex()}/anchors?limit=1")
    assert [row["size"] for row in first["items"]] == [8]
    rest = get(site, f"/nodes/gateways/0x{LOG.hex()}/anchors?cursor={first['next']}")
    assert ([row["size"] for row in rest["items"]], rest["next"]) == ([3], None)


@pytest.mark.parametrize(
    ("entries", "sizes", "late_s", "found"),
    [
        (None, [], 10, ["never_anchored"]),
        (0, [], 10, ["never_anchored"]),
        (5, [5], 3 * DAY, []),  # nothing new to anchor
        (6, [5], 7_200, []),
        (6, [5], 7_201, ["anchors_stopped"]),
        (6, [], 10**6, ["anchors_stopped"]),
        (4, [5], 10, ["entries_unseen"]),
        (None, [5], 10, []),
    ],
)
def test_faults_of_anchoring(
    entries: int | None, sizes: list[int], late_s: int, found: list[str]
) -> None:
    site = make()
    now = site.clock.now()
    gateway(site, registered_at=now - late_s)
    bond(site, ONE, 1_000 * TOKENS, 0)
    for size in sizes:
        anchors(site, (size, now - late_s))
    if entries is not None:
        read(site, entries)
    item = get(site, "/nodes/gateways")["items"][0]
    assert kinds(item["faults"]) == found
    assert all(fault["meaning"] and fault["title"] for fault in item["faults"])


def test_a_small_bond_and_a_key_that_is_none() -> None:
    site = make()
    gateway(site, log_id=digest(0xF0), origin="with space", note_key=bytes(32))
    bond(site, ONE, 999 * TOKENS, 0)
    view = get(site, f"/nodes/gateways/0x{digest(0xF0).hex()}")
    assert kinds(view["gateway"]["faults"]) == ["wrong_key", "never_anchored", "no_voice"]
    assert view["vkey"] is None
    assert "--vkey" not in view["command"]


@pytest.mark.parametrize(
    "endpoint", ["--help", "javascript:alert(1)", "http://a b", "$(reboot)", "", "http://ü.example"]
)
def test_a_hostile_address_gives_neither_link_nor_command(endpoint: str) -> None:
    site = make()
    gateway(site, endpoint=endpoint)
    view = get(site, f"/nodes/gateways/0x{LOG.hex()}")
    assert view["command"] is None
    page = client(site).get(f"/nodes/gateways/0x{LOG.hex()}").text
    assert "log check" not in page
    assert 'rel="nofollow' not in page


def test_an_address_that_a_shell_would_run_is_quoted() -> None:
    site = make()
    gateway(site, endpoint="https://a.example/$(reboot);x")
    line = get(site, f"/nodes/gateways/0x{LOG.hex()}")["command"]
    assert "log check 'https://a.example/$(reboot);x' --vkey" in line


def test_hostile_names_stay_text() -> None:
    site = make(labels={ONE: HOSTILE})
    gateway(site, name=HOSTILE + "\u202e", origin=HOSTILE, endpoint=HOSTILE)
    verifier(site, ONE, 2_000 * TOKENS, name=HOSTILE, endpoint=HOSTILE)
    paths = ("/nodes", f"/nodes/gateways/0x{LOG.hex()}", f"/nodes/verifiers/0x{ONE.hex()}")
    for path in paths:
        answer = client(site).get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert "\u202e" not in answer.text


# --- lists ----------------------------------------------------------------------------------------


def test_lists_go_on_by_bond_and_name() -> None:
    """Bonds of 7, 5, 5, none and none: each once, whatever the page's length."""
    site = make()
    for number, bonded in enumerate((5, 7, 5, None, None)):
        who = account(0xC0 + number)
        gateway(site, who, log_id=digest(0xE0 + number), name=str(number))
        if bonded is not None:
            bond(site, who, bonded * 2**100, 0)
    for limit in (1, 2, 3, 50):
        names: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            tail = f"&cursor={cursor}" if cursor else ""
            answer = get(site, f"/nodes/gateways?limit={limit}{tail}")
            names += [item["name"] for item in answer["items"]]
            cursor = answer["next"]
        assert names == ["1", "0", "2", "3", "4"]


def test_what_a_verifier_did_goes_on_by_epoch() -> None:
    site = make()
    verifier(site, ONE, 2_000 * TOKENS)
    for number in range(5):
        epoch(site, number)
        served(site, ONE, number, confirmed=1, attested=1)
    first = get(site, f"/nodes/verifiers/0x{ONE.hex()}/epochs?limit=3")
    assert [(row["epoch"], row["agrees"]) for row in first["items"]] == [
        (4, True),
        (3, True),
        (2, True),
    ]
    rest = get(site, f"/nodes/verifiers/0x{ONE.hex()}/epochs?limit=3&cursor={first['next']}")
    assert ([row["epoch"] for row in rest["items"]], rest["next"]) == ([1, 0], None)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/nodes/verifiers/0x{TWO.hex()}", 404),
        (f"/nodes/verifiers/0x{TWO.hex()}/epochs", 404),
        (f"/nodes/gateways/0x{digest(9).hex()}", 404),
        (f"/nodes/gateways/0x{digest(9).hex()}/anchors", 404),
        ("/nodes/verifiers/nobody", 422),
        ("/nodes/gateways/0x12", 422),
        ("/nodes/gateways?cursor=eA", 400),
        ("/nodes/verifiers?cursor=WyJ4IixbImIiLCIiXV0", 400),
    ],
)
def test_problems_are_documents(path: str, status: int) -> None:
    answer = client(make()).get("/api/v1" + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_network_without_nodes_yet() -> None:
    site = make(single_operator=False, demo=False)
    page = client(site).get("/nodes").text
    assert "No verifier is registered yet." in page
    assert "nothing can be finalised" in page
    assert "single operator" not in page
    assert "A demo replays" not in page
