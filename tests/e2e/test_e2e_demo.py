"""What the demo prints, for programs on stdout and for people on stderr."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import commonworks, installed
from street import Street

pytestmark = pytest.mark.xdist_group("e2e")

HASH = re.compile(r"0x[0-9a-f]{64}")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def test_the_document_holds_every_field_that_programs_rely_on(street: Street) -> None:
    document = street.document
    assert HASH.fullmatch(document["network_id"])
    assert Path(document["home"]) == street.home.resolve()
    assert document["currency"] == "tEUR"
    assert [epoch["epoch"] for epoch in document["epochs"]] == [0, 1]
    for epoch in document["epochs"]:
        for name in ("digest", "result", "root", "tx"):
            assert HASH.fullmatch(epoch[name]), name
        for name in ("statements", "shared_wh", "minted_wei", "paid_micro"):
            assert type(epoch[name]) is int, name
            assert epoch[name] > 0, name
        assert epoch["rejected"]
        assert all(type(count) is int for count in epoch["rejected"].values())
    assert type(document["savings_micro"]) is int
    assert document["savings_micro"] > 0
    claim = document["claim"]
    assert ADDRESS.fullmatch(claim["account"])
    assert claim["amount"] > 0
    assert HASH.fullmatch(claim["tx"])


def test_stdout_is_the_document_and_people_read_stderr(street: Street) -> None:
    assert json.dumps(street.document, indent=2, ensure_ascii=False) + "\n" == street.ran.out
    told = street.ran.err
    for epoch in street.document["epochs"]:
        assert re.search(rf"epoch {epoch['epoch']}: .*, {epoch['statements']:,} statements\n", told)
        assert epoch["digest"] in told
        assert epoch["tx"] in told
    assert "saved" in told
    assert street.document["claim"]["tx"] in told
    assert f"audit 1 --home {street.home}" in told
    assert "\x1b" not in told
    assert "\r" not in told


def test_every_cheater_is_introduced_and_caught(street: Street) -> None:
    first, second = street.document["epochs"]
    for epoch in (first, second):
        assert epoch["refused"]["bad_signature"] > 0
        assert epoch["refused"]["unknown_key"] > 0
        assert epoch["replays"] > 0
        assert epoch["rejected"]["energy.beyond_clear_sky"] > 0
        assert epoch["reduced_intervals"]["energy.balance_cut"] > 0
        assert epoch["resources"]["energy"]["cut_wh"] > 0
    assert first["resources"]["energy"]["intervals_without_feeder"] == 0
    assert second["resources"]["energy"]["intervals_without_feeder"] >= 8  # two hours
    for words in (
        "house-1/solar claims export at night",
        "house-3/solar inflates its export",
        "farm-10/charger also signs in the name of farm-1/solar",
        "farm-8/charger sends each morning's report again",
        "stranger/meter was never enrolled",
        "grid-operator/feeder falls silent for two hours on the second day",
    ):
        assert words in street.ran.err


def test_the_claim_moved_tokens_on_chain(street: Street, home: Path) -> None:
    claim = street.document["claim"]
    accounts = commonworks("account", "list", "--home", home, "--json").ok().document
    (name,) = [item["name"] for item in accounts if item["address"] == claim["account"]]
    shown = commonworks("account", "show", name, "--home", home, "--json").ok().document
    (token,) = [asset for asset in shown["assets"] if asset["decimals"] == 18]
    assert token["balance"] == token["claimed"] == claim["amount"]
    again = commonworks("claim", "--account", name, "--home", home)
    assert "claimed already" in again.refused(4)


def test_who_earned_is_told_by_name(street: Street) -> None:
    told = street.ran.err.partition("Who earned what:")[2].partition("claimed")[0]
    names = [line.split()[0] for line in told.splitlines() if line.startswith("  ")]
    assert "grid-operator" in names
    assert not [name for name in names if name.startswith("0x")]


def test_the_installed_command_explains_itself() -> None:
    shown = installed("--help").ok()
    for noun in ("demo", "init", "up", "device", "account", "audit", "backup", "log", "receipt"):
        assert re.search(rf"^  {noun} ", shown.out, re.MULTILINE), noun
    assert "--days" in installed("demo", "--help").ok().out
