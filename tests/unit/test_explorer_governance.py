"""Proposals, votes, back-tests and parameters in the explorer: queries, answers and pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from backtest_world import Past, past_of
from commonworks.errors import Conflict, InvalidInput, Unavailable
from commonworks.explorer.index import schema
from commonworks.explorer.models.governance import Bar
from commonworks.explorer.ports import (
    StandingNow,
    Trial,
    TrialChange,
    TrialEpoch,
    TrialFailure,
    TrialOutcome,
    TrialRefusal,
    TrialSetting,
    TrialState,
    TrialWanted,
)
from commonworks.explorer.queries import governance, parameters, sums, trials
from commonworks.explorer.site import Site
from commonworks.explorer.web.model import address_text
from commonworks.explorer.web.plain_text import one_line, paragraphs, web_address
from commonworks.ports import ProposalState
from commonworks.units import DAY_S
from commonworks.wiring.backtest import backtest
from commonworks.wiring.explorer import backtests
from commonworks.wiring.explorer.backtests import FolderBacktests, decode_outcome, encode_outcome
from commonworks.wiring.proposals import PolicyChange
from explorer_kit import DAY, GENESIS, FixedClock, Told, account, client, digest, fill, make_site
from street_world import Meter, Street

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=y>'
CURRENCY, TOKEN, TREASURY = account(0xE0), account(0x70), account(0x71)
VOTE_START, VOTE_END = GENESIS + 2 * DAY, GENESIS + 5 * DAY


class Trials:
    """A port for back-tests that says what a test put in."""

    def __init__(self, trial: Trial | None = None) -> None:
        self.trial = trial
        self.asked: list[TrialWanted] = []
        self.kept: dict[int, Trial] = {}
        """Last epoch -> what was computed before."""

    async def look(self, wanted: TrialWanted) -> Trial | None:
        return self.kept.get(wanted.last)

    async def start(self, wanted: TrialWanted) -> Trial:
        self.asked.append(wanted)
        if self.trial is None:
            raise Unavailable("other back-tests are being computed")
        return self.trial


RUNNING = Trial(state=TrialState.RUNNING, done=1, total=3, failure=None, outcome=None)


def make(told: Told | None = None, **changes: Any) -> Site:
    """Return a site with its parameters at their defaults and back-tests that run for ever."""
    site = make_site(told, **{"backtests": Trials(RUNNING), **changes})
    fill(
        site.engine,
        schema.parameter_change,
        *(change(key, 0, known.default, site) for key, known in sorted(site.parameters.items())),
    )
    return site


def change(key: str, number: int, value: int, site: Site, **more: Any) -> dict[str, Any]:
    known = site.parameters.get(key)
    row = {
        "key": key,
        "number": number,
        "value": value,
        "minimum": known.minimum if known else 0,
        "maximum": known.maximum if known else 10,
        "from_epoch": 0,
        "time": GENESIS - 100,
        "tx": digest(1),
    }
    return row | more


def proposal(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a proposal's row."""
    row = {
        "proposal": str(7_000 + number),
        "number": number,
        "proposer": account(0xA1),
        "title": f"Proposal the {number}th",
        "body": "",
        "calls": json.dumps([{"to": "0x" + account(0x55).hex(), "value": 0, "data": "0x1234"}]),
        "changes": json.dumps({"grace_s": 7_200}),
        "vote_start": VOTE_START,
        "vote_end": VOTE_END,
        "tx": digest(0x100 + number),
        "queued_tx": None,
        "executed_tx": None,
        "canceled_tx": None,
    }
    return row | changes


def vote(number: int, support: str | None, weight: int, **changes: Any) -> dict[str, Any]:
    row = {
        "proposal": "7001",
        "number": number,
        "voter": account(0xB0 + number),
        "support": support,
        "weight": weight,
        "reason": "",
        "tx": digest(0x200 + number),
    }
    return row | changes


def epoch(number: int, final: bool = True) -> dict[str, Any]:
    end = GENESIS + (number + 1) * DAY
    return {
        "epoch": number,
        "start_s": end - DAY,
        "end_s": end,
        "closed_at": end + 3_600,
        "closed_block": 10 + number,
        "closed_tx": digest(0x300 + number),
        "evidence_hash": digest(5),
        "finalised_at": end + 7_200 if final else None,
    }


def stands(state: ProposalState, **changes: Any) -> StandingNow:
    now = StandingNow(
        state=state,
        votes_for=0,
        votes_against=0,
        votes_abstain=0,
        quorum=None,
        votes_all=None,
        executable_from=None,
    )
    return replace(now, **changes)


def read(site: Site, query: Callable[[Connection], Any]) -> Any:
    with site.engine.connect() as connection:
        return query(connection)


# --- sums -----------------------------------------------------------------------------------------


def test_amounts_of_256_bits_add_up_exactly() -> None:
    site = make()
    fill(site.engine, schema.proposal, proposal())
    weights = [2**200 + 1, 10**13 - 1, 10**13, 1, 3]
    fill(site.engine, schema.vote, *(vote(n, "for", one) for n, one in enumerate(weights)))
    found = read(site, lambda c: governance.find(c, 1))
    assert found.counted == {"for": sum(weights)}
    assert found.voters == 5
    assert sums.combined([None] * 6) == 0


# --- lists and states -----------------------------------------------------------------------------


def test_the_list_goes_on_by_number_the_newest_first() -> None:
    told = Told(standings={n: stands(ProposalState.ACTIVE) for n in range(1, 6)})
    site = make(told)
    fill(site.engine, schema.proposal, *(proposal(n) for n in range(1, 6)))
    browser = client(site)
    first = browser.get("/api/v1/governance?limit=2").json()
    assert [item["number"] for item in first["items"]] == [5, 4]
    second = browser.get("/api/v1/governance", params={"limit": 2, "cursor": first["next"]}).json()
    assert [item["number"] for item in second["items"]] == [3, 2]
    last = browser.get("/api/v1/governance", params={"limit": 2, "cursor": second["next"]}).json()
    assert ([item["number"] for item in last["items"]], last["next"]) == ([1], None)
    assert browser.get("/api/v1/governance?cursor=nonsense").status_code == 400


def test_a_tally_by_hand() -> None:
    """7 for, 2 against, 1 abstaining, of 100; quorum 16: half of it is reached, 8 of 16."""
    told = Told(
        standings={
            1: stands(
                ProposalState.ACTIVE,
                votes_for=7,
                votes_against=2,
                votes_abstain=1,
                quorum=16,
                votes_all=100,
            )
        }
    )
    site = make(told)
    fill(site.engine, schema.proposal, proposal())
    tally = client(site).get("/api/v1/governance/1").json()["proposal"]["tally"]
    assert (tally["for_ppm"], tally["against_ppm"], tally["abstain_ppm"]) == (
        700_000,
        200_000,
        100_000,
    )
    assert (tally["counted"], tally["quorum_ppm"], tally["quorum_reached"]) == ("8", 500_000, False)
    assert tally["turnout_ppm"] == 100_000
    page = client(site).get("/governance/1").text
    assert 'width="700"' in page
    assert "not reached" in page


@pytest.mark.parametrize(
    ("row", "now", "time", "state"),
    [
        ({}, stands(ProposalState.SUCCEEDED), 0, ProposalState.SUCCEEDED),
        ({"executed_tx": digest(9)}, None, 0, ProposalState.EXECUTED),
        ({"canceled_tx": digest(9)}, stands(ProposalState.PENDING), 0, ProposalState.CANCELED),
        ({}, None, VOTE_START, ProposalState.PENDING),
        ({}, None, VOTE_START + 1, ProposalState.ACTIVE),
        ({}, None, VOTE_END, ProposalState.ACTIVE),
        ({}, None, VOTE_END + 1, None),
    ],
)
def test_a_state_is_the_chains_else_what_follows_from_index_and_clock(
    row: dict[str, Any], now: StandingNow | None, time: int, state: ProposalState | None
) -> None:
    site = make(clock=FixedClock(time))
    fill(site.engine, schema.proposal, proposal(**row))
    found = read(site, lambda c: governance.find(c, 1))
    assert governance.state_of(site, found, now) is state


@pytest.mark.parametrize(
    ("now", "time", "acts", "next_", "words"),
    [
        ("pending", VOTE_START - 3_600, ["cancel"], ("vote_begins", VOTE_START), "in 1 hour"),
        ("active", VOTE_END - 172_800, ["vote"] * 3, ("vote_ends", VOTE_END), "ends in 2 days"),
        ("succeeded", VOTE_END, ["queue"], ("queue_until", VOTE_END + 30 * DAY), "another 30 days"),
        ("queued", VOTE_END, [], ("executable_from", VOTE_END + 60), "in 1 minute"),
        (
            "queued",
            VOTE_END + 60,
            ["execute"],
            ("execute_until", VOTE_END + 60 + 30 * DAY),
            "another 30 days",
        ),
        ("defeated", VOTE_END, [], None, "no quorum"),
        ("expired", VOTE_END, [], None, "in time"),
    ],
)
def test_what_can_be_done_in_each_state_stands_beside_its_command(
    now: str, time: int, acts: list[str], next_: tuple[str, int] | None, words: str
) -> None:
    due = VOTE_END + 60 if now == "queued" else None
    site = make(
        Told(standings={1: stands(ProposalState(now), executable_from=due)}),
        clock=FixedClock(time),
        home="a b",
    )
    fill(site.engine, schema.proposal, proposal())
    answer = client(site).get("/api/v1/governance/1").json()
    assert [one["act"] for one in answer["acts"]] == acts
    shown = answer["proposal"]["next"]
    assert (None if shown is None else (shown["what"], shown["time"])) == next_
    page = client(site).get("/governance/1").text
    assert words in page
    for one in answer["acts"]:
        assert one["command"].startswith(f"commonworks proposal {one['act']} 1")
        assert one["command"].endswith("--home 'a b'")
        assert f'data-action="{one["act"]}"' in page
    if not acts:
        assert "data-action" not in page


def test_a_chain_that_is_silent_leaves_states_open_and_pages_up() -> None:
    class Silent(Told):
        async def standing(self, number: int) -> StandingNow:
            raise Unavailable("no endpoint answers")

        async def votes_of(self, account: bytes, time_s: int | None) -> int:
            raise Unavailable("no endpoint answers")

    site = make(Silent(), clock=FixedClock(VOTE_END + 1))
    fill(site.engine, schema.proposal, proposal())
    fill(site.engine, schema.vote, vote(0, "for", 5), vote(1, "against", 3))
    answer = client(site).get("/api/v1/governance/1").json()["proposal"]
    assert (answer["state"], answer["tally"]["votes_for"], answer["tally"]["quorum"]) == (
        None,
        "5",
        None,
    )
    assert client(site).get("/governance/1").status_code == 200
    assert client(site).get("/governance").status_code == 200
    where = f"/api/v1/governance/accounts/0x{account(0xB0).hex()}"
    assert client(site).get(where).status_code == 503


# --- one proposal ---------------------------------------------------------------------------------


def test_what_a_proposal_would_change_old_new_bounds() -> None:
    site = make(Told(standings={1: stands(ProposalState.ACTIVE)}))
    changes = {"quorum_ppm": 750_000, "grace_s": 8 * DAY_S, "brand_new": 5}
    fill(site.engine, schema.proposal, proposal(changes=json.dumps(changes)))
    rows = client(site).get("/api/v1/governance/1").json()["changes"]
    assert [row["key"] for row in rows] == ["brand_new", "grace_s", "quorum_ppm"]
    new, grace, quorum = rows
    assert (new["old"], new["minimum"], new["bounded"], new["within"]) == (None, None, False, True)
    assert (grace["old"]["text"], grace["new"]["text"]) == ("1 hour", "8 days")
    assert grace["within"] is False  # a week is the most
    assert (quorum["old"]["text"], quorum["new"]["text"]) == ("66.6667 %", "75 %")
    assert (quorum["minimum"]["text"], quorum["maximum"]["text"]) == ("50.0001 %", "100 %")
    assert "outside the bounds" in client(site).get("/governance/1").text


def test_what_was_carried_out_shows_what_held_before() -> None:
    site = make()
    done = digest(0xDD)
    fill(site.engine, schema.proposal, proposal(executed_tx=done, queued_tx=digest(0xDC)))
    for number, value, tx in ((1, 5_400, digest(3)), (2, 7_200, done), (3, 60, digest(4))):
        row = change("grace_s", number, value, site, from_epoch=number, tx=tx)
        fill(site.engine, schema.parameter_change, row)
    answer = client(site).get("/api/v1/governance/1").json()
    (row,) = answer["changes"]
    assert (row["old"]["value"], row["new"]["value"], row["from_epoch"]) == ("5400", "7200", 2)


def test_the_way_of_a_proposal_with_the_times_that_are_known() -> None:
    """Proposed a day before its vote begins, by the delay that held then."""
    site = make(
        Told(standings={1: stands(ProposalState.QUEUED, executable_from=VOTE_END + 90)}),
        clock=FixedClock(VOTE_END + 80),
    )
    delay = change("voting_delay_s", 1, DAY_S, site, from_epoch=0)
    fill(site.engine, schema.parameter_change, delay)
    fill(site.engine, schema.proposal, proposal(queued_tx=digest(0xDC)))
    fill(
        site.engine,
        schema.chain_event,
        {
            "block": 5,
            "log_index": 0,
            "time": VOTE_END + 30,
            "tx": digest(0xDC),
            "kind": "parameter_set",
            "detail": "{}",
        },
    )
    way = client(site).get("/api/v1/governance/1").json()["timeline"]
    assert [(one["step"], one["time"], one["reached"]) for one in way] == [
        ("proposed", VOTE_START - DAY_S, True),
        ("vote_begins", VOTE_START, True),
        ("vote_ends", VOTE_END, True),
        ("queued", VOTE_END + 30, True),
        ("executable", VOTE_END + 90, False),
        ("executed", None, False),
    ]


def test_hostile_titles_bodies_reasons_and_names_stay_text() -> None:
    site = make(
        Told(standings={1: stands(ProposalState.ACTIVE)}, does=HOSTILE),
        labels={account(0xA1): HOSTILE},
        name=HOSTILE,
    )
    body = f"{HOSTILE}\n\njavascript:alert(1) https://a.example/x?y=1. http://b.example/<b>\u202e"
    calls = json.dumps([{"to": "0x" + "11" * 20, "value": 0, "data": "0x"}])
    row = proposal(title=HOSTILE + "\u202eevil\n# two", body=body, calls=calls)
    fill(site.engine, schema.proposal, row)
    fill(site.engine, schema.vote, vote(0, "for", 1, reason=HOSTILE), vote(1, None, 2))
    for path in ("/governance", "/governance/1"):
        page = client(site).get(path).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\u202e" not in page
        assert 'href="javascript' not in page
    assert 'href="https://a.example/x?y=1" rel="nofollow' in page
    assert 'href="http://b.example/"' in page
    answer = client(site).get("/api/v1/governance/1").json()
    assert answer["proposal"]["title"] == row["title"]  # data is passed on as it is


def test_values_of_any_size_are_shown() -> None:
    site = make(Told(standings={1: stands(ProposalState.ACTIVE)}))
    changes = dict.fromkeys(site.parameters, 2**255 - 1) | {"unknown": -(2**255)}
    fill(site.engine, schema.proposal, proposal(changes=json.dumps(changes)))
    assert client(site).get("/governance/1").status_code == 200
    rows = client(site).get("/api/v1/governance/1").json()["changes"]
    assert {row["new"]["value"] for row in rows} == {str(2**255 - 1), str(-(2**255))}


def test_votes_by_key_and_side() -> None:
    site = make(Told(standings={1: stands(ProposalState.ACTIVE)}))
    fill(site.engine, schema.proposal, proposal())
    sides = ["for", "against", "for", "abstain", "for"]
    fill(site.engine, schema.vote, *(vote(n, side, n + 1) for n, side in enumerate(sides)))
    browser = client(site)
    first = browser.get("/api/v1/governance/1/votes?support=for&limit=2").json()
    assert [one["number"] for one in first["items"]] == [4, 2]
    rest = browser.get(
        "/api/v1/governance/1/votes", params={"support": "for", "cursor": first["next"]}
    ).json()
    assert ([one["number"] for one in rest["items"]], rest["next"]) == ([0], None)
    assert browser.get("/api/v1/governance/1/votes?support=maybe").status_code == 422


def test_how_an_account_votes() -> None:
    told = Told(standings={1: stands(ProposalState.ACTIVE)}, votes={account(0xB0): 17})
    site = make(told)
    fill(site.engine, schema.proposal, proposal())
    fill(site.engine, schema.vote, vote(0, "against", 13))
    where = f"/accounts/0x{account(0xB0).hex()}"
    now = client(site).get(f"/api/v1/governance{where}").json()
    assert (now["votes_now"], now["votes_then"], now["cast"]) == ("17", None, None)
    then = client(site).get(f"/api/v1/governance/1{where}").json()
    assert (then["votes_then"], then["cast"]["support"], then["cast"]["weight"]) == (
        "17",
        "against",
        "13",
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/governance/9", 404),
        ("/governance/-1", 422),
        ("/governance/9999999999999999999999", 422),
        ("/governance/9/votes", 404),
        ("/governance/9/backtest", 404),
        ("/governance/9/accounts/0x" + "11" * 20, 404),
        ("/governance/accounts/0x12", 422),
        ("/parameters/nothing", 404),
        ("/parameters/%00", 404),
        ("/parameters/" + "x" * 500, 404),
        ("/parameters/a/b", 404),
    ],
)
def test_problems_are_documents(path: str, status: int) -> None:
    site = make()
    answer = client(site).get("/api/v1" + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "<html" in client(site).get(path).text or path.count("/") > 2


def test_what_decides_here() -> None:
    tokens = client(make()).get("/api/v1/governance/rules").json()
    assert (tokens["electorate"], tokens["decimals"], tokens["vote_quorum_ppm"]) == (
        "token",
        18,
        100_000,
    )
    site = make()
    site.contracts = replace(site.contracts, membership=account(0x58))
    members = client(site).get("/api/v1/governance/rules").json()
    assert (members["electorate"], members["decimals"]) == ("membership", 0)
    assert "one member, one vote" in client(site).get("/governance").text


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("ppm", 666_667, "66.6667 %"),
        ("ppm", 500_000, "50 %"),
        ("s", 93_600, "1 day 2 hours"),
        ("s", 93_661, "93,661 s"),
        ("wei", 15 * 10**17, "1.5 CWT"),
        ("bond", 10**18, "1 CWT"),
        ("micro", 1, "0.000001 tEUR"),
        ("micro per thing", 60_000, "0.06 tEUR / thing"),
        ("epochs", 730, "730 epochs"),
        ("hash", -1, "0x" + "f" * 64),
        ("address", 0, "nobody"),
        ("address", 0x71, "treasury"),
        ("", -7, "-7"),
        ("H3 resolution", 7, "7 (cells of about 5.2 km²)"),
        ("H3 resolution", 12, "12 (cells of about 310 m²)"),
        ("H3 resolution", 16, "16 H3 resolution"),
    ],
)
def test_values_in_units_that_people_use(unit: str, value: int, text: str) -> None:
    site = make(labels={TREASURY: "treasury"})
    assert parameters.value_text(site, unit, value) == text


def test_a_parameter_with_its_history_and_what_waits() -> None:
    site = make(clock=FixedClock(GENESIS + 3 * DAY))
    for number, value, first in ((1, 7_200, 2), (2, 1_800, 9)):
        row = change("grace_s", number, value, site, from_epoch=first, tx=digest(0x400 + number))
        fill(site.engine, schema.parameter_change, row)
    answer = client(site).get("/api/v1/parameters/grace_s?limit=2").json()
    item = answer["parameter"]
    assert (answer["epoch"], item["value"]["text"], item["changes"]) == (3, "2 hours", 2)
    assert [(one["value"]["value"], one["from_epoch"]) for one in item["coming"]] == [("1800", 9)]
    assert [one["number"] for one in answer["history"]["items"]] == [2, 1]
    cursor = answer["history"]["next"]
    rest = client(site).get("/api/v1/parameters/grace_s", params={"cursor": cursor}).json()
    assert [one["number"] for one in rest["history"]["items"]] == [0]
    page = client(site).get("/parameters/grace_s").text
    assert "data-chart" in page
    assert f"/transactions/0x{digest(0x401).hex()}" in page


def test_the_command_says_that_a_value_is_the_chain_s_number_and_shows_one() -> None:
    site = make(labels={TREASURY: "treasury"})
    browser = client(site)
    answer = browser.get("/api/v1/parameters/grace_s").json()
    assert "--set grace_s=VALUE " in answer["command"]
    value = answer["parameter"]["value"]
    assert f"--set grace_s={value['value']} " in answer["example"]
    page = browser.get("/parameters/grace_s").text
    assert "VALUE is the whole number that is kept on chain" in page
    assert f"Now it is {value['value']}, which means {value['text']}." in page
    assert f"--set grace_s={value['value']} " in page
    key = next(key for key, one in site.parameters.items() if one.unit == "address")
    number = int.from_bytes(TREASURY, "big")
    fill(site.engine, schema.parameter_change, change(key, 1, number, site, from_epoch=0))
    assert (
        f"--set {key}={address_text(TREASURY)} "
        in (browser.get(f"/api/v1/parameters/{key}").json()["example"])
    )
    page = browser.get(f"/parameters/{key}").text
    assert "VALUE is an account" in page
    assert "whole number" not in page
    unknown = change("strange", 0, 3, site, from_epoch=99)
    fill(site.engine, schema.parameter_change, unknown)
    assert browser.get("/api/v1/parameters/strange").json()["example"] is None
    assert "Now it is" not in browser.get("/parameters/strange").text


def test_a_parameter_that_this_release_does_not_know() -> None:
    site = make()
    fill(site.engine, schema.parameter_change, change("strange key/<b>", 0, 3, site, from_epoch=99))
    item = client(site).get("/api/v1/parameters/strange key%2F<b>").json()["parameter"]
    assert (item["known"], item["unit"], item["value"]) == (False, "", None)
    assert "does not know" in item["description"]
    page = client(site).get("/parameters").text
    assert "strange key/&lt;b&gt;" in page
    assert client(site).get("/parameters/strange%20key/%3Cb%3E").status_code == 200


def test_every_parameter_is_listed_with_words() -> None:
    site = make()
    browser, found, cursor = client(site), [], None
    while True:
        answer = browser.get(
            "/api/v1/parameters", params={"limit": 7, "cursor": cursor} if cursor else {"limit": 7}
        ).json()
        found += answer["items"]
        cursor = answer["next"]
        if cursor is None:
            break
    assert [item["key"] for item in found] == sorted(site.parameters)
    assert all(item["description"] and item["value"] for item in found)


# --- back-tests -----------------------------------------------------------------------------------


def gain(resource: str, who: bytes, asset: bytes, more: int) -> TrialChange:
    return TrialChange(resource=resource, account=who, asset=asset, before=100, after=100 + more)


def outcome(*changes: TrialChange) -> TrialOutcome:
    return TrialOutcome(
        first=0,
        last=1,
        begin=0,
        settings=(TrialSetting(key="grace_s", before=(3_600,), after=7_200, read=True),),
        accounts=changes,
        epochs=(
            TrialEpoch(epoch=0, paid_before=5, paid_after=7, minted_before=11, minted_after=13),
        ),
        refused=(TrialRefusal(epoch=1, key="currency_growth_max", growth=7, limit=5),),
    )


def sealed_resource(site: Site) -> str:
    return next(name for name, one in site.resources.items() if one.visibility.value == "members")


def panel(site: Site, *changes: TrialChange, viewer: bytes | None = None) -> Any:
    who = read(site, lambda c: trials.reader(c, site, viewer))
    return trials.panel(site, who, CURRENCY, changes)


def bars(found: Any) -> list[tuple[Bar, int, int]]:
    return [(bar.who, bar.accounts, int(bar.gain)) for bar in found.bars]


def test_households_bills_are_shown_together_and_offices_by_name() -> None:
    site = make()
    name = sealed_resource(site)
    homes = [gain(name, account(n), CURRENCY, more) for n, more in enumerate((2, 3, 5, -7, -11), 1)]
    homes += [gain(name, account(6), CURRENCY, -13), gain(name, account(7), CURRENCY, 0)]
    found = panel(site, *homes, gain(name, TREASURY, CURRENCY, 17))
    assert bars(found) == [
        (Bar.ACCOUNT, 1, 17),
        (Bar.GAINING, 3, 10),
        (Bar.LOSING, 3, -31),
    ]
    assert (found.gaining, found.losing, found.unshown) == (4, 3, 0)


def test_few_households_are_not_told_apart_and_fewer_are_not_shown() -> None:
    site = make()
    name = sealed_resource(site)
    homes = [gain(name, account(n), CURRENCY, more) for n, more in ((1, 2), (2, 3), (3, -7))]
    assert bars(panel(site, *homes)) == [(Bar.OTHERS, 3, -2)]
    two = panel(site, *homes[:2])
    assert (bars(two), two.gaining, two.unshown) == ([], 2, 2)
    assert panel(site, gain(name, account(1), CURRENCY, 0)) is None


def test_who_signed_in_sees_its_own_gain() -> None:
    site = make()
    name = sealed_resource(site)
    homes = [gain(name, account(n), CURRENCY, n) for n in (1, 2, 3)]
    found = panel(site, *homes, viewer=account(2))
    assert bars(found) == [(Bar.GAINING, 3, 6), (Bar.YOU, 1, 2)]
    assert panel(site, *homes, viewer=account(9)) == panel(site, *homes)


def test_tokens_are_earned_in_the_open() -> None:
    site = make()
    name = sealed_resource(site)
    who = read(site, lambda c: trials.reader(c, site, None))
    changes = [gain(name, account(1), TOKEN, -2), gain("verifiers", account(2), TOKEN, 3)]
    found = trials.panel(site, who, TOKEN, changes)
    assert found is not None
    assert bars(found) == [(Bar.ACCOUNT, 1, 3), (Bar.ACCOUNT, 1, -2)]


def test_of_many_bars_the_largest_stay() -> None:
    site = make()
    changes = [gain("verifiers", account(n), CURRENCY, n) for n in range(1, 251)]
    found = panel(site, *changes)
    assert (len(found.bars), found.gaining, found.unshown) == (200, 250, 50)
    assert [int(bar.gain) for bar in found.bars] == list(range(250, 50, -1))


def test_the_past_that_is_tried_stands_still_with_the_end_of_the_vote() -> None:
    site = make(clock=FixedClock(GENESIS + 40 * DAY))
    fill(site.engine, schema.proposal, proposal())
    fill(site.engine, schema.epoch, *(epoch(n, final=n < 38) for n in range(40)))
    found = read(site, lambda c: governance.find(c, 1))
    wanted = read(site, lambda c: trials.wanted(c, site, found))
    assert (wanted.first, wanted.last, wanted.from_state) == (0, 3, False)  # vote ended on day 5
    assert trials.command(site, wanted) == (
        "commonworks proposal backtest 1 --epochs 4 --until 3 --home home/test"
    )
    later = replace(found, row=_with(found.row, vote_end=GENESIS + 900 * DAY))
    wanted = read(site, lambda c: trials.wanted(c, site, later))
    assert (wanted.first, wanted.last) == (8, 37)


def _with(row: Any, **changes: Any) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(**(dict(row._mapping) | changes))


def test_a_long_past_is_begun_from_a_state() -> None:
    site = make(clock=FixedClock(GENESIS + 100 * DAY))
    fill(site.engine, schema.proposal, proposal(vote_end=GENESIS + 999 * DAY))
    fill(site.engine, schema.epoch, *(epoch(n) for n in range(99)))
    found = read(site, lambda c: governance.find(c, 1))
    wanted = read(site, lambda c: trials.wanted(c, site, found))
    assert (wanted.first, wanted.last, wanted.from_state) == (69, 98, True)
    assert "--epochs 30 --until 98 --from-state" in trials.command(site, wanted)


def test_the_stages_of_a_back_test_in_answer_and_page() -> None:
    port = Trials(RUNNING)
    site = make(Told(standings={n: stands(ProposalState.ACTIVE) for n in (1, 2)}), backtests=port)
    fill(site.engine, schema.proposal, proposal(1), proposal(2, changes="{}"))
    fill(site.engine, schema.epoch, epoch(0))
    browser = client(site)
    running = browser.get("/api/v1/governance/1/backtest")
    assert (running.status_code, running.headers["retry-after"]) == (202, "2")
    assert (running.json()["done"], running.json()["total"]) == (1, 3)
    assert '<progress id="backtest-bar" max="3" value="1">' in browser.get("/governance/1").text
    none = browser.get("/api/v1/governance/2/backtest").json()
    assert none["stage"] == "absent"
    assert "sets no parameter" in none["explains"]
    assert "sets no parameter" in browser.get("/governance/2").text

    port.trial = replace(RUNNING, state=TrialState.FAILED, failure=TrialFailure.ERASED)
    said = browser.get("/api/v1/governance/1/backtest").json()["explains"]
    assert said == "evidence of these epochs was erased by rule"
    assert said in browser.get("/governance/1").text
    german = browser.get("/governance/1", headers={"accept-language": "de"}).text
    assert "nach den Regeln gelöscht" in german

    changes = (gain("verifiers", account(1), TOKEN, 10**18), gain("x", account(2), CURRENCY, -5))
    port.trial = Trial(
        state=TrialState.DONE, done=1, total=1, failure=None, outcome=outcome(*changes)
    )
    done = browser.get("/api/v1/governance/1/backtest")
    assert (done.status_code, done.json()["stage"], done.json()["sealed"]) == (200, "done", False)
    assert [panel["symbol"] for panel in done.json()["panels"]] == ["tEUR", "CWT"]
    page = browser.get("/governance/1").text
    assert "Who would have had more or less, in CWT" in page
    assert "1.00" in page
    assert "0.000007 tEUR, more than the 0.000005 tEUR that currency_growth_max allows" in page

    port.trial = None  # too many wait
    assert browser.get("/api/v1/governance/1/backtest").status_code == 503
    assert 'data-stage="waiting"' in browser.get("/governance/1").text


def test_what_was_kept_stays_while_another_epoch_is_added() -> None:
    port = Trials(RUNNING)
    told = Told(standings={1: stands(ProposalState.ACTIVE)})
    site = make(told, backtests=port, clock=FixedClock(GENESIS + 40 * DAY))
    fill(site.engine, schema.proposal, proposal(1))
    fill(site.engine, schema.epoch, *(epoch(n) for n in range(4)))
    changes = (gain("verifiers", account(1), TOKEN, 10**18),)
    port.kept[1] = Trial(
        state=TrialState.DONE,
        done=1,
        total=1,
        failure=None,
        outcome=replace(outcome(*changes), last=1),
    )
    browser = client(site)
    said = browser.get("/api/v1/governance/1/backtest").json()
    assert (said["stage"], said["earlier"], said["last"]) == ("running", True, 1)
    page = browser.get("/governance/1").text
    assert "computed before and ends with epoch 1" in page
    assert "Who would have had more or less, in CWT" in page
    assert 'data-stage="running"' in page
    port.trial = None  # too many wait
    assert "computed before and ends with epoch 1" in browser.get("/governance/1").text
    port.trial = replace(RUNNING, state=TrialState.FAILED, failure=TrialFailure.ERASED)
    page = browser.get("/governance/1").text
    assert "was erased by rule" in page
    assert "computed before and ends with epoch 1" in page
    port.trial = port.kept[1]
    said = browser.get("/api/v1/governance/1/backtest").json()
    assert (said["stage"], said["earlier"]) == ("done", False)
    assert "computed before" not in browser.get("/governance/1").text


# --- the adapter ----------------------------------------------------------------------------------


@cache
def past() -> Past:
    """A little street's first four epochs."""
    made = Street(
        {"sun": Meter(plant_wp=10_000), "house": Meter()},
        energy_grid_charge=31_000,
        energy_grid_account=int.from_bytes(account(0xD5), "big"),
        vote_quorum_ppm=100_000,
    )
    made.orders(sun=71_000, house=-301_000)
    for number in range(4):
        made.measure(number, {"sun": [(0, 500)] * 4, "house": [(500, 0)] * 4})
    return past_of(made, 4)


CHARGE = {"energy.grid_charge": 71_000}
WANTED = TrialWanted(number=1, changes=CHARGE, first=1, last=2, from_state=False)


async def tried(wanted: TrialWanted, progress: Callable[[int, int], None]) -> TrialOutcome:
    change = PolicyChange(overrides=wanted.changes, defined={}, rest=())
    return await backtests.outcome_of(past().source, change, wanted, progress)


def test_an_outcome_is_what_the_command_computes() -> None:
    steps: list[tuple[int, int]] = []
    found = asyncio.run(tried(WANTED, lambda done, total: steps.append((done, total))))
    real = asyncio.run(backtest(past().source, CHARGE, epochs=2, from_state=False, until=2))
    assert (found.first, found.last, found.begin) == (1, 2, 0)
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [one.after - one.before for one in found.accounts] == [one.gain for one in real.accounts]
    assert any(one.after != one.before for one in found.accounts)
    assert [(one.epoch, one.paid_after) for one in found.epochs] == [
        (one.epoch, one.after.paid_micro) for one in real.epochs
    ]
    kept = asyncio.run(tried(replace(WANTED, from_state=True), lambda *_: None))
    assert kept.begin == 1


def test_an_outcome_survives_its_file() -> None:
    found = asyncio.run(tried(WANTED, lambda *_: None))
    assert decode_outcome(json.loads(json.dumps(encode_outcome(found)))) == found


def adapter(folder: Path, run: backtests.Run, **options: Any) -> FolderBacktests:
    return FolderBacktests(folder=folder, identity=digest(1), run=run, **options)


async def ended(port: FolderBacktests, wanted: TrialWanted) -> Trial:
    """Wait until a back-test is over."""
    while True:
        found = await port.look(wanted)
        assert found is not None
        if found.state in (TrialState.DONE, TrialState.FAILED):
            return found
        await asyncio.sleep(0)


def test_each_is_computed_once_and_kept(tmp_path: Path) -> None:
    runs: list[TrialWanted] = []

    async def run(wanted: TrialWanted, progress: Callable[[int, int], None]) -> TrialOutcome:
        runs.append(wanted)
        return await tried(wanted, progress)

    async def story() -> None:
        port = adapter(tmp_path / "kept", run)
        assert await port.look(WANTED) is None
        begun = await port.start(WANTED)
        assert (begun.state, begun.total) == (TrialState.WAITING, 3)
        await port.start(WANTED)
        done = await ended(port, WANTED)
        assert (done.state, done.done) == (TrialState.DONE, 3)
        again = adapter(tmp_path / "kept", run)
        assert (await again.start(WANTED)).outcome == done.outcome
        other = replace(WANTED, changes={"energy.grid_charge": 71_001})
        assert await again.look(other) is None
        elsewhere = FolderBacktests(folder=tmp_path / "kept", identity=digest(2), run=run)
        assert await elsewhere.look(WANTED) is None
        (file,) = (tmp_path / "kept").iterdir()
        file.write_text("{}")
        assert await adapter(tmp_path / "kept", run).look(WANTED) is None  # damaged: made anew

    asyncio.run(story())
    assert runs == [WANTED]


def test_one_at_a_time_and_not_too_many_wait(tmp_path: Path) -> None:
    running: list[int] = []
    gate = asyncio.Event()

    async def run(wanted: TrialWanted, progress: Callable[[int, int], None]) -> TrialOutcome:
        running.append(wanted.number)
        await gate.wait()
        return outcome()

    async def story() -> None:
        port = adapter(tmp_path, run)
        each = [replace(WANTED, number=n, changes={"grace_s": n}) for n in range(6)]
        for wanted in each[:5]:
            await port.start(wanted)
        with pytest.raises(Unavailable):
            await port.start(each[5])
        assert running == [0]
        states = [(await port.look(wanted)) for wanted in each[:5]]
        assert [found.state.value for found in states if found] == ["running"] + ["waiting"] * 4
        gate.set()
        for wanted in each[:5]:
            await ended(port, wanted)
        assert running == [0, 1, 2, 3, 4]
        await port.start(each[5])
        await port.close()

    asyncio.run(story())


def test_what_takes_too_long_or_fails_says_so(tmp_path: Path) -> None:
    async def endless(_: TrialWanted, progress: Callable[[int, int], None]) -> TrialOutcome:
        progress(1, 3)
        await asyncio.Event().wait()
        raise AssertionError

    async def failing(_: TrialWanted, progress: Callable[[int, int], None]) -> TrialOutcome:
        raise Conflict("epoch 0: evidence erased by rule", why="erased")

    async def story() -> Sequence[str | None]:
        slow, bad = adapter(tmp_path, endless, time_max_s=0.0), adapter(tmp_path, failing)
        await slow.start(WANTED)
        await bad.start(WANTED)
        found = [await ended(port, WANTED) for port in (slow, bad)]
        assert {one.state for one in found} == {TrialState.FAILED}
        return [one.failure for one in found]

    late, erased = asyncio.run(story())
    assert (late, erased) == (TrialFailure.TOO_LONG, TrialFailure.ERASED)
    assert backtests.failure_of(Unavailable("no endpoint")) is TrialFailure.UNAVAILABLE
    assert backtests.failure_of(InvalidInput("no such")) is TrialFailure.IMPOSSIBLE


def test_its_process_says_what_is_wrong(tmp_path: Path) -> None:
    """The real process, of a folder without a network."""
    with pytest.raises(Conflict, match="no network in"):
        asyncio.run(backtests.run_in_process(tmp_path / "nothing", WANTED, lambda *_: None))


def test_a_parameter_that_no_vote_could_set_so_is_refused() -> None:
    beyond = replace(WANTED, changes={"energy.grid_charge": 10**9})
    with pytest.raises(InvalidInput, match="outside"):
        asyncio.run(tried(beyond, lambda *_: None))


# --- plain text -----------------------------------------------------------------------------------


def test_only_addresses_that_can_be_read_become_links() -> None:
    (lines,) = paragraphs("a https://x.example/p), b\nftp://y http://z.exämple/q \u200bend")
    assert [(one.text, one.href is not None) for one in lines[0]] == [
        ("a ", False),
        ("https://x.example/p", True),
        ("), b", False),
    ]
    assert not any(one.href for one in lines[1])
    assert "\u200b" not in "".join(one.text for one in lines[1])
    assert one_line(" a\n\tb\r c ") == "a b c"
    assert [web_address(text) for text in ("http://a", "javascript:x", "http://a b", "-x")] == [
        "http://a",
        None,
        None,
        None,
    ]
