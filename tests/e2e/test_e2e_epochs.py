"""Epochs, verdicts and payouts as commands show them; the root recomputed by other code."""

from __future__ import annotations

from pathlib import Path

import merkle
import pytest
from command_line import commonworks
from street import Street

pytestmark = pytest.mark.xdist_group("e2e")


def test_the_root_follows_from_the_payouts(street: Street, home: Path) -> None:
    before: dict[tuple[str, str], dict[str, int]] = {}
    for printed in street.document["epochs"]:
        number = printed["epoch"]
        shown = commonworks("epoch", "show", number, "--home", home, "--json").ok().document
        for name in ("digest", "result", "root", "tx", "minted_wei", "paid_micro", "statements"):
            assert shown[name] == printed[name], name
        assert shown["final"] is True
        assert shown["payouts"]
        assert all(
            set(line) == {"asset", "account", "earned", "spent"} for line in shown["payouts"]
        )
        assert merkle.root(shown["payouts"]) == printed["root"]
        changed = [*shown["payouts"]]
        changed[0] = {**changed[0], "earned": changed[0]["earned"] + 1}
        assert merkle.root(changed) != printed["root"]
        totals = {(line["asset"], line["account"]): line for line in shown["payouts"]}
        for place, old in before.items():
            assert totals[place]["earned"] >= old["earned"]
            assert totals[place]["spent"] >= old["spent"]
        before = totals


def test_what_is_spent_is_earned_by_somebody(home: Path) -> None:
    shown = commonworks("epoch", "show", 1, "--home", home, "--json").ok().document
    by_asset: dict[str, list[int]] = {}
    for line in shown["payouts"]:
        sums = by_asset.setdefault(line["asset"], [0, 0])
        sums[0] += line["earned"]
        sums[1] += line["spent"]
    listed = commonworks("epoch", "list", "--home", home, "--json").ok().document
    minted = sum(item["minted_wei"] for item in listed)
    paid = sum(item["paid_micro"] for item in listed)
    assert sorted(map(tuple, by_asset.values())) == sorted([(minted, 0), (paid, paid)])


def test_people_see_tables_and_names(home: Path) -> None:
    listed = commonworks("epoch", "list", "--home", home).ok().out.splitlines()
    assert listed[0].split()[:2] == ["epoch", "statements"]
    assert len(listed) == 3
    shown = commonworks("epoch", "show", 0, "--home", home).ok().out
    assert "farm-1" in shown
    prices = commonworks("epoch", "show", 0, "--table", "prices", "--home", home).ok().out
    assert len(prices.splitlines()) > 10


def test_verdicts_say_why(home: Path) -> None:
    seen = commonworks("verdicts", 0, "--home", home, "--json").ok().document
    assert {line["reason"] for line in seen["statements"]} == {"energy.beyond_clear_sky"}
    reasons = {line["reason"] for line in seen["intervals"]}
    assert {"energy.balance_cut", "energy.beyond_clear_sky", "energy.late"} <= reasons
    assert all(line["credited"] <= line["claimed"] for line in seen["intervals"])
    assert all(seen["reasons"][reason] for reason in reasons)
    device = seen["statements"][0]["device"]
    one = commonworks("verdicts", 0, "--device", device, "--home", home).ok()
    assert "energy.beyond_clear_sky" in one.out
    assert "energy.beyond_clear_sky: " in one.err


def test_devices_and_accounts_are_listed(home: Path) -> None:
    devices = commonworks("device", "list", "--home", home, "--json").ok().document
    assert len(devices) == 37
    by_name = {device["name"]: device for device in devices}
    assert by_name["house-1/solar"]["owner"] == "house-1"
    assert "stranger/meter" not in by_name
    shown = commonworks("device", "show", "house-1/solar", "--home", home, "--json").ok().document
    assert shown["enrolled"] is True
    assert shown["id"] == by_name["house-1/solar"]["id"]
    stranger = commonworks("device", "show", "stranger/meter", "--home", home, "--json")
    assert stranger.ok().document["enrolled"] is False
