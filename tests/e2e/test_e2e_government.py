"""Proposals from the command line alone: tried on the past, voted, carried out, told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Done, commonworks, pass_time

pytestmark = pytest.mark.xdist_group("e2e")

CHARGE = "energy.grid_charge"
DEARER = 90_000


def propose(home: Path, *options: object) -> Done:
    """Let the verifier, whose bond votes, propose something."""
    fixed = ("--title", "Dearer wires", "--as", "verifier-1", "--home", home)
    return commonworks("proposal", "new", *fixed, *options)


def test_a_charge_is_tried_voted_and_changed(copy: Callable[[], Path]) -> None:
    home = copy()
    at = ("--home", home, "--json")
    made = propose(home, "--set", f"{CHARGE}={DEARER}", "--transfer", "token:12.5:farm-1", "--json")
    document = made.ok().document
    assert document["proposal"] == 1
    assert "set energy.grid_charge to 90,000 micro per kWh" in made.err
    (listed,) = commonworks("proposal", "list", *at).ok().document
    assert (listed["state"], listed["title"]) == ("pending", "Dearer wires")
    tried = commonworks("proposal", "backtest", 1, "--epochs", 2, *at).ok().document
    assert tried["not_part"] == ["pay 12.5000 CWK from the treasury to farm-1"]

    windows = {p["key"]: p["value"] for p in commonworks("policy", "list", *at).ok().document}
    early = commonworks("proposal", "vote", 1, "for", "--as", "verifier-1", "--home", home)
    assert early.refused(4) == "the proposal is pending"
    pass_time(home, windows["voting_delay_s"] + 1)
    voted = commonworks(
        *("proposal", "vote", 1, "for", "--as", "verifier-1", "--reason", "They rust."), *at
    ).ok()
    assert voted.document["weight"] > 0
    again = commonworks("proposal", "vote", 1, "against", "--as", "verifier-1", "--home", home)
    assert again.refused(4) == "this account has voted already"
    nothing = commonworks("proposal", "vote", 1, "against", "--as", "farm-9", *at).ok()
    assert nothing.document["weight"] == 0
    assert "weighs nothing" in nothing.err

    pass_time(home, windows["voting_period_s"] + 1)
    queued = commonworks("proposal", "queue", 1, *at).ok().document
    soon = commonworks("proposal", "execute", 1, "--home", home)
    assert soon.refused(6) == "its delay in the timelock has not passed"
    pass_time(home, windows["timelock_delay_s"])
    done = commonworks("proposal", "execute", 1, *at).ok().document
    assert done["executable_from"] == queued["executable_from"]
    shown = commonworks("proposal", "show", 1, *at).ok().document
    assert (shown["state"], shown["executed_tx"]) == ("executed", done["tx"])
    assert [vote["reason"] for vote in shown["votes"]] == ["They rust.", ""]
    parameter = commonworks("policy", "show", CHARGE, *at).ok().document
    assert parameter["value"] == parameter["history"][0]["value"]
    change = parameter["history"][1]
    assert (change["value"], change["tx"]) == (DEARER, done["tx"])
    assert change["from_epoch"] == parameter["epoch"] + 1
    (told,) = commonworks("policy", "history", *at).ok().document
    assert told == {"key": CHARGE, **change}


def test_votes_are_lent_and_taken_back(copy: Callable[[], Path]) -> None:
    home = copy()
    at = ("--home", home, "--json")

    def delegate(*words: object) -> Done:
        return commonworks("proposal", "delegate", *words, "--as", "verifier-1", *at)

    shown = delegate("--show").ok()
    own = shown.document["own_votes"]
    assert own > 0
    assert shown.document["delegate"] == shown.document["account"]
    assert "tx" not in shown.document
    lent = delegate("farm-9").ok()
    assert (lent.document["own_votes"], lent.document["casts_votes"]) == (own, 0)
    assert lent.document["tx"].startswith("0x")
    assert re.search(r"^farm-9 votes with the [0-9,.]+ CWK of verifier-1$", lent.err, re.MULTILINE)
    told = commonworks("proposal", "delegate", "--show", "--as", "farm-9", "--home", home).ok()
    assert "that others lent it" in told.err
    assert delegate("farm-9").refused(4) == "farm-9 votes with the votes of verifier-1 already"
    propose(home, "--set", f"{CHARGE}={DEARER}").refused(4)
    for made, code in (
        (delegate(), 2),
        (delegate("farm-9", "--show"), 2),
        (delegate(f"0x{'00' * 20}"), 2),
        (delegate("nobody-here"), 3),
    ):
        made.refused(code)
    back = delegate("verifier-1").ok().document
    assert (back["delegate"], back["casts_votes"]) == (back["account"], own)


def test_everything_that_a_proposal_can_decide_is_said_in_words(copy: Callable[[], Path]) -> None:
    home = copy()
    made = propose(
        home,
        *("--set", "energy.levy_account=farm-1", "--set", f"rules=0x{'ab' * 32}"),
        *("--define", "tides.height=5:-1:9", "--reference", 3, "--remove-reference", 3),
        *("--registrar", "registrar:energy", "--remove-registrar", "registrar:energy"),
        *("--site", f"energy:street:{'cd' * 32}", "--transfer", "currency:1.5:farm-2"),
        *("--guardian", "nobody", "--call", f"0x{'12' * 20}:0x3456:7"),
    )
    made.ok()
    at = ("--home", home)
    shown = commonworks("proposal", "show", 1, *at, "--json").ok().document
    words = [decision["words"] for decision in shown["decisions"]]
    thumbprint = words[5].split()[3]
    assert words == [
        "set energy.levy_account to farm-1 when the next epoch opens",
        f"set rules to 0x{'ab' * 32} when the next epoch opens",
        "define tides.height = 5, bounds -1..9, when the next epoch opens",
        "admit device 3 as a reference",
        "dismiss device 3 as a reference",
        f"admit the registrar {thumbprint} of energy",
        f"dismiss the registrar {thumbprint} of energy",
        f"put the site table {'cd' * 8} of energy in force",
        "pay 1.5000 tEUR from the treasury to farm-2",
        "end the guardian's office",
        f"call 0x{'12' * 20} with data 0x3456 with 7 wei of the chain's currency",
    ]
    assert f"- {words[0]}" in made.err.splitlines()
    people = commonworks("proposal", "show", 1, *at).ok().out
    assert all(f"{n}. {text}" in people for n, text in enumerate(words, start=1))
    tried = commonworks("proposal", "backtest", 1, "--epochs", 1, *at).ok().out
    assert "tides.height: not defined -> 5" in tried
    left_out = re.findall(r"^not part of the back-test: (.*)$", tried, re.MULTILINE)
    assert left_out == [
        *words[3:],
        "rules: the back-test settles by the rules of this release",
        "tides.height: nothing that these epochs settled by looks at it",
    ]
    commonworks("proposal", "cancel", 1, "--as", "verifier-1", *at).ok()
    (listed,) = commonworks("proposal", "list", *at, "--json").ok().document
    assert listed["state"] == "canceled"


@pytest.mark.parametrize("begin", [(), ("--from-state",)], ids=["genesis", "state"])
def test_table_document_and_picture_agree(
    serving: Path, tmp_path: Path, begin: tuple[str, ...]
) -> None:
    """What people read, what programs read and what is drawn are the same numbers."""
    options = ("--set", f"{CHARGE}={DEARER}", "--epochs", 1, *begin, "--home", serving)
    picture = tmp_path / "gains.svg"
    document = (
        commonworks("proposal", "backtest", *options, "--json", "--picture", picture).ok().document
    )
    people = commonworks("proposal", "backtest", *options).ok()
    began = document["begun_from"]
    assert began == ("the state of epoch 0" if begin else "genesis")
    assert f"epochs 1..1, begun from {began}; " in people.out
    rows = {}
    for line in people.out.splitlines():
        found = re.match(r"energy\s+(\S+)\s+.*\s([+-][\d.,]+) (tEUR|CWK)\s+(gains|loses)$", line)
        if found:
            rows[found[1], found[3]] = (float(found[2].replace(",", "")), found[4])
    gains = {
        (item["name"], {"currency": "tEUR", "token": "CWK"}[item["asset"]]): item["gain"]
        for item in document["accounts"]
        if item["before"] != item["after"]
    }
    assert rows.keys() == {where for where, gain in gains.items() if gain}
    for (name, symbol), (shown, verb) in rows.items():
        exact = gains[name, symbol] / 10 ** (6 if symbol == "tEUR" else 18)
        assert abs(shown - exact) < 0.0001
        assert (verb == "gains") == (exact > 0)
    assert gains["grid-operator", "tEUR"] > 0
    (epoch,) = document["epochs"]
    grid = {
        side: epoch[side]["figures"]["energy"]["grid_charge_micro_per_kwh"]
        for side in ("before", "after")
    }
    assert grid == {"before": 60_000, "after": DEARER}
    assert picture.read_text().startswith("<?xml")
    same = tmp_path / "again.svg"
    commonworks("proposal", "backtest", *options, "--json", "--picture", same).ok()
    assert same.read_bytes() == picture.read_bytes()


def test_the_economy_is_told_and_drawn(serving: Path, tmp_path: Path) -> None:
    told = commonworks("economy", "show", "--home", serving, "--json").ok().document
    assert told["supply_wei"] == told["allocated_wei"] + told["minted_wei"]
    epochs = commonworks("epoch", "list", "--home", serving, "--json").ok().document
    assert told["minted_wei"] == sum(epoch["minted_wei"] for epoch in epochs)
    assert told["years"]["20"] < told["cap_wei"]
    picture = tmp_path / "economy.png"
    commonworks("economy", "plot", "--years", 20, "--out", picture, "--home", serving).ok()
    assert picture.read_bytes().startswith(b"\x89PNG")
    nowhere = tmp_path / "no network"
    fresh = commonworks("economy", "show", "--home", nowhere, "--json").ok()
    assert fresh.document["minted_wei"] == 0
    assert "these are the defaults" in fresh.err
    svg = tmp_path / "economy.svg"
    commonworks("economy", "plot", "--out", svg, "--epoch", 3_600, "--home", nowhere).ok()
    assert "dc:date" not in svg.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("proposal", "show", "7"), 3, "there is no proposal 7"),
        (("proposal", "show", "first"), 2, "'first' names no proposal"),
        (("proposal", "backtest"), 2, "a back-test tries one proposal, or values"),
        (("proposal", "backtest", "--set", "grace_s"), 2, "'grace_s' sets nothing"),
        (
            ("proposal", "backtest", "--set", "nothing=1"),
            3,
            "this network has no parameter nothing",
        ),
        (("proposal", "backtest", "--set", "grace_s=-1"), 2, "grace_s = -1 is outside 0..604800"),
        (("proposal", "backtest", "--set", "grace_s=often"), 2, "'often' is no value for grace_s"),
        (
            ("proposal", "backtest", "--set", "grace_s=1", "--picture", "a.pdf"),
            2,
            "a.pdf is no name of a picture",
        ),
        (("policy", "show", "nothing"), 3, "this network has no parameter nothing"),
        (("economy", "plot", "--out", "a.gif"), 2, "a.gif is no name of a picture"),
        (
            ("economy", "show", "--epoch", "3600"),
            2,
            "the network in {home} has its own epochs",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_told_in_a_line(
    serving: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert commonworks(*arguments, "--home", serving).refused(code) == said.format(home=serving)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "a proposal without a change"),
        (("--set", "energy.vat_ppm=500001"), 2, "energy.vat_ppm = 500001 is outside 0..500000"),
        (("--define", "a.b=1"), 2, "'a.b=1' defines nothing"),
        (("--define", "grace_s=1:0:2"), 2, "grace_s is defined already"),
        (("--define", "a.b=3:0:2"), 2, "parameter a.b = 3 is outside 0..2"),
        (("--admit-member", "farm-1"), 2, "the token votes in this network: it has no membership"),
        (("--reference", "nobody/meter"), 3, None),
        (("--registrar", "registrar"), 2, "'registrar' is no registrar"),
        (("--registrar", "registrar:tides"), 3, "this network has no resource tides"),
        (("--transfer", "token:1"), 2, "'token:1' pays nothing"),
        (("--transfer", "gold:1:farm-1"), 2, "'gold' is no asset of this network"),
        (("--guardian", "farm-1:366"), 2, "'farm-1:366' is no guardian and term"),
        (("--call", "0x12"), 2, "'0x12' is no call"),
        (("--site", "energy:here:12"), 2, "a statement's identity has 32 bytes"),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, tuple) else None,
)
def test_a_proposal_that_cannot_be_made(
    serving: Path, options: tuple[str, ...], code: int, said: str | None
) -> None:
    told = propose(serving, *options).refused(code)
    assert said is None or told == said


def test_who_has_no_votes_cannot_propose(serving: Path) -> None:
    done = commonworks(
        *("proposal", "new", "--title", "Mine", "--set", "grace_s=1", "--as", "farm-9"),
        *("--home", serving),
    )
    assert re.fullmatch(r"proposing takes [\d.]+ CWK; farm-9 has 0.00 CWK", done.refused(4))
