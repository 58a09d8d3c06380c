"""The demo as a co-operative: one member, one vote; no token is minted, bonded or sold."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from command_line import commonworks, installed

pytestmark = pytest.mark.xdist_group("e2e_coop")

DAYS: Final = 2


@pytest.fixture(scope="module")
def coop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Two days of the demo in the profile `coop`: its folder and its document."""
    home = tmp_path_factory.mktemp("coop") / "home"
    options = ("--profile", "coop", "--days", DAYS, "--no-serve", "--json")
    return home, installed("demo", "--home", home, *options).ok().document


def run(home: Path, *words: object) -> Any:
    return commonworks(*words, "--home", home, "--json").ok().document


def test_the_street_trades_without_a_token(coop: tuple[Path, dict[str, Any]]) -> None:
    home, document = coop
    for epoch in document["epochs"]:
        assert epoch["minted_wei"] == 0
        assert epoch["paid_micro"] > 0
        assert epoch["rejected"]
        payouts = run(home, "epoch", "show", epoch["epoch"])["payouts"]
        assert len({item["asset"] for item in payouts}) == 1
        assert run(home, "audit", epoch["epoch"])["equal"] is True
    claim = document["claim"]
    assert (claim["asset"], claim["amount"] > 0) == ("currency", True)


def test_nodes_bond_the_settlement_currency(coop: tuple[Path, dict[str, Any]]) -> None:
    home, _ = coop
    shown = run(home, "policy", "show", "verifier_bond_min")
    assert shown["value"] == 100 * 10**6
    for name in ("verifier-1", "gateway-1"):
        currency, token = run(home, "account", "show", name)["assets"]
        assert (currency["balance"], token["balance"]) == (0, 0)


def test_nothing_can_be_sold(coop: tuple[Path, dict[str, Any]]) -> None:
    home, _ = coop
    told = commonworks("token", "sell", "1", "--as", "farm-1", "--home", home)
    assert told.refused(3) == "this network has no exchange"
    assert run(home, "economy", "show")["supply_wei"] == 0


def test_a_member_admits_another_by_vote(coop: tuple[Path, dict[str, Any]]) -> None:
    """Who is no member can neither propose nor vote; who is, has one vote, however much it owns."""
    home, _ = coop
    run(home, "account", "passkey", "dora")
    outside = commonworks(
        *("proposal", "new", "--title", "Me", "--admit-member", "dora", "--as", "verifier-1"),
        *("--home", home),
    )
    assert "verifier-1 has 0" in outside.refused(4)
    run(home, "proposal", "new", "--title", "Dora", "--admit-member", "dora", "--as", "farm-1")
    told = commonworks("proposal", "show", 1, "--home", home).ok().out
    assert "admit dora as a member" in told
    later = ("--profile", "coop", "--no-serve", "--json")
    installed("demo", "--home", home, "--days", DAYS + 1, *later).ok()
    members = ("farm-1", "farm-2", "house-1")
    weights = [run(home, "proposal", "vote", 1, "for", "--as", name)["weight"] for name in members]
    assert weights == [1, 1, 1]
    assert run(home, "proposal", "vote", 1, "for", "--as", "verifier-1")["weight"] == 0
    installed("demo", "--home", home, "--days", DAYS + 2, *later).ok()
    run(home, "proposal", "queue", 1)
    installed("demo", "--home", home, "--days", DAYS + 3, *later).ok()
    run(home, "proposal", "execute", 1)
    installed("demo", "--home", home, "--days", DAYS + 4, *later).ok()  # votes are of the past
    lent = run(home, "proposal", "delegate", "farm-1", "--as", "dora")  # she signs with a passkey
    assert (lent["own_votes"], lent["casts_votes"]) == (1, 0)
    assert run(home, "proposal", "delegate", "--show", "--as", "farm-1")["casts_votes"] == 2
    run(home, "proposal", "delegate", "dora", "--as", "dora")
    installed("demo", "--home", home, "--days", DAYS + 5, *later).ok()
    run(home, "proposal", "new", "--title", "Now I", "--set", "grace_s=3600", "--as", "dora")
    assert [item["title"] for item in run(home, "proposal", "list")] == ["Dora", "Now I"]
