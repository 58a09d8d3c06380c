"""A week in which members own together, sell, propose, vote, and live with what they decided.

One story, told by commands alone: each chapter needs those before it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from command_line import commonworks, installed

from commonworks.units import PPM

pytestmark = pytest.mark.xdist_group("e2e_economy")

SEED: Final = 11
"""Not the seed of the other tests: two demos of one seed are one network."""
PLANT: Final = "farm-1/solar"
"""The plant that twenty neighbours buy together."""
NEIGHBOURS: Final = tuple(f"neighbour-{number}" for number in range(1, 20))
DORA: Final = "dora"
"""A member without a wallet: her key is a passkey, and she never holds the chain's coin."""
VOTER: Final = "verifier-1"
CHARGE: Final = "energy.grid_charge"
DEARER: Final = 90_000
CHANGED: Final = 6
"""First epoch that is settled with what was decided."""


class Story:
    """A demo's folder, and how far its days have been played."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def play(self, days: int) -> list[dict[str, Any]]:
        """Play the demo up to so many days; return what it says of all epochs."""
        options = ("--days", days, "--seed", SEED, "--no-serve", "--json")
        document = installed("demo", "--home", self.home, *options).ok().document
        epochs: list[dict[str, Any]] = document["epochs"]
        return epochs

    def run(self, *words: object) -> Any:
        """Run a command that must go well; return its document."""
        return commonworks(*words, "--home", self.home, "--json").ok().document

    def say(self, *words: object) -> str:
        """Run a command that must go well and prints no document."""
        return commonworks(*words, "--home", self.home).ok().out.strip()

    def held(self, name: str, asset: int) -> dict[str, int]:
        """Return an account's balance and books; asset 0 is the currency, 1 the token."""
        books: dict[str, int] = self.run("account", "show", name)["assets"][asset]
        return books

    def earned(self, epoch: int) -> dict[tuple[str, str], int]:
        """Return (asset, account) -> everything earned up to an epoch."""
        payouts = self.run("epoch", "show", epoch)["payouts"]
        return {(item["asset"], item["account"]): item["earned"] for item in payouts}

    def charge(self, epoch: int) -> int:
        """Return the grid charge that an epoch was settled with."""
        totals = self.run("epoch", "show", epoch)["resources"]["energy"]["totals"]
        figures = {item["figure"]: item["value"] for item in totals}
        return int(figures["grid_charge_micro_per_kwh"])


def found(home: Path) -> Story:
    """One day has been played; twenty neighbours own the plant, one of them by a passkey."""
    made = Story(home)
    made.play(1)
    made.run("account", "passkey", DORA, "--recoverer", "farm-2", "--recoverer", "farm-3")
    for name in NEIGHBOURS:
        made.say("account", "new", name)
    shares = [word for name in (*NEIGHBOURS, DORA) for word in ("--share", name)]
    made.say("device", "payees", "set", PLANT, *shares)
    return made


def test_a_week_of_a_network_that_its_members_own(tmp_path: Path) -> None:
    story = found(tmp_path / "home")
    for chapter in (
        a_passkey_enrols_without_gas,
        a_plant_pays_its_twenty_owners,
        a_passkey_claims_and_sells,
        a_proposal_is_tried_on_the_past,
        members_vote,
        what_was_voted_is_carried_out_and_settles,
        the_week_can_be_recomputed,
        money_was_conserved_all_week,
    ):
        chapter(story)


def a_passkey_enrols_without_gas(story: Story) -> None:
    story.say("device", "new", "dora/meter")
    enrolled = ("--owner", DORA, "--resource", "energy")
    told = commonworks("device", "enrol", "dora/meter", *enrolled, "--home", story.home).ok()
    assert f"enrolled for {DORA}" in told.err
    devices = {item["name"]: item for item in story.run("device", "list")}
    assert devices["dora/meter"]["owner"] == DORA
    accounts = {item["name"]: item["address"] for item in story.run("account", "list")}
    assert accounts[DORA] == devices["dora/meter"]["owner_address"]
    assert not (story.home / "accounts" / f"{DORA}.json").exists()


def a_plant_pays_its_twenty_owners(story: Story) -> None:
    shares = story.run("device", "payees", "show", PLANT)["payees"]
    assert len(shares) == len(NEIGHBOURS) + 1
    assert sum(share["ppm"] for share in shares) == PPM
    story.play(2)
    earned = story.earned(1)
    parts = [
        [earned.get((asset, share["account"]), 0) for share in shares]
        for asset in sorted({asset for asset, _ in earned})
    ]
    for amounts in parts:
        first, *rest = amounts
        assert min(rest) > 0
        # Equal shares: each got the same of every payment, the first also what rounding left.
        assert max(rest) - min(rest) == 0
        assert first >= rest[0]
    accounts = {item["name"]: item["address"] for item in story.run("account", "list")}
    for share in [share for share in shares if share["account"] != accounts[DORA]][:3]:
        paid = story.run("claim", "--account", share["account"], "--asset", "currency")
        assert paid["amount"] > 0
        again = commonworks(
            *("claim", "--account", share["account"], "--asset", "currency", "--home", story.home)
        )
        assert "everything that is claimable was claimed" in again.refused(4)


def a_passkey_claims_and_sells(story: Story) -> None:
    paid = story.run("claim", "--account", DORA)
    assert paid["amount"] == story.held(DORA, 1)["balance"] > 0
    sale = story.run("token", "sell", "0.1", "--as", DORA)
    assert sale["amount_in"] == 10**17
    assert story.held(DORA, 0)["balance"] == sale["amount_out"] > 0


def a_proposal_is_tried_on_the_past(story: Story) -> None:
    made = story.run(
        *("proposal", "new", "--title", "Dearer wires", "--set", f"{CHARGE}={DEARER}"),
        *("--as", VOTER),
    )
    assert made["proposal"] == 1
    tried = story.run("proposal", "backtest", 1, "--epochs", 2)
    gains = {(item["name"], item["asset"]): item["gain"] for item in tried["accounts"]}
    assert gains["grid-operator", "currency"] > 0
    assert min(gain for (_, asset), gain in gains.items() if asset == "currency") < 0


def members_vote(story: Story) -> None:
    story.play(3)
    weights = {
        name: story.run("proposal", "vote", 1, "for", "--as", name)["weight"]
        for name in (DORA, VOTER)
    }
    assert weights[DORA] == story.held(DORA, 1)["balance"] > 0
    shown = story.run("proposal", "show", 1)
    assert shown["votes_for"] == sum(weights.values())


def what_was_voted_is_carried_out_and_settles(story: Story) -> None:
    story.play(4)
    story.run("proposal", "queue", 1)
    story.play(5)
    story.run("proposal", "execute", 1)
    history = story.run("policy", "show", CHARGE)["history"]
    assert (history[-1]["value"], history[-1]["from_epoch"]) == (DEARER, CHANGED)
    epochs = story.play(CHANGED + 1)
    assert [epoch["epoch"] for epoch in epochs] == list(range(CHANGED + 1))
    before, after = story.charge(CHANGED - 1), story.charge(CHANGED)
    assert (before, after) == (60_000, DEARER)


def the_week_can_be_recomputed(story: Story) -> None:
    found = story.run("audit", CHANGED)
    assert found["equal"] is True
    assert found["differences"] == []


def money_was_conserved_all_week(story: Story) -> None:
    """Per asset earned <= spent + minted: only the token is minted, and by its schedule."""
    document, told = story.run("epoch", "show", CHANGED), story.run("economy", "show")
    assert document["minted_wei"] + document["unminted_wei"] < told["initial_emission_wei"]
    assert told["minted_wei"] < (CHANGED + 1) * told["initial_emission_wei"]
    excess: dict[str, int] = {}
    for item in document["payouts"]:
        more = excess.get(item["asset"], 0) + item["earned"] - item["spent"]
        excess[item["asset"]] = more
    assert sorted(excess.values()) == [0, told["minted_wei"]]
