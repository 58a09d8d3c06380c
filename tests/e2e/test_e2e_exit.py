"""A network that finalises nothing any more: its members take out what is theirs, by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import commonworks, pass_time

from commonworks.units import DAY_S

pytestmark = pytest.mark.xdist_group("e2e")

CONFLICT = 4
"""Exit code, as commonworks.errors has it."""
MEMBER, NODE = "farm-1", "gateway-1"
"""Who has money there, and who has tokens."""


def books(home: Path, name: str, asset: int) -> dict[str, int]:
    """Return an account's balance and books; asset 0 is the currency, 1 the token."""
    shown = commonworks("account", "show", name, "--home", home, "--json").ok().document
    found: dict[str, int] = shown["assets"][asset]
    return found


def due(home: Path, name: str, asset: int) -> int:
    """Return what is the account's by the payout tree of the last final epoch."""
    at = ("--home", home, "--json")
    address = commonworks("account", "show", name, *at).ok().document["address"]
    currency = json.loads((home / "network.json").read_text())["chain"]["currency"]
    payouts = commonworks("epoch", "show", 1, *at).ok().document["payouts"]
    (leaf,) = (
        leaf
        for leaf in payouts
        if leaf["account"] == address and (leaf["asset"] == currency) == (asset == 0)
    )
    there = books(home, name, asset)
    return there["deposited"] - int(leaf["spent"]) + int(leaf["earned"]) - there["claimed"]


def test_everybody_takes_out_what_is_theirs(copy: Callable[[], Path]) -> None:
    home = copy()
    at = ("--home", home)
    leave = ("exit", "--account", MEMBER, *at)
    shut = commonworks(*leave)
    assert shut.refused(CONFLICT).startswith("The Vault's exit is shut: the network goes on.")
    assert "Claim what was earned" in shut.err
    early = commonworks(*leave, "--open")
    assert early.refused(CONFLICT).startswith("Not enough time has passed")
    assert "The exit can be opened from" in early.err
    parameters = commonworks("policy", "list", *at, "--json").ok().document
    wait_s = {one["key"]: one["value"] for one in parameters}["exit_after_s"]
    pass_time(home, wait_s + DAY_S)

    money, token = due(home, MEMBER, 0), due(home, NODE, 1)
    assert min(money, token) > 0
    before = books(home, MEMBER, 0)["balance"], books(home, NODE, 1)["balance"]
    paid = commonworks(*leave, "--open", "--json").ok().document
    assert paid["amount"] == money
    again = commonworks(*leave)
    assert again.refused(CONFLICT).startswith("The account has nothing left in the Vault")
    pushed = ("exit", "--account", NODE, "--asset", "token", "--by", "house-1", *at, "--json")
    assert commonworks(*pushed).ok().document["amount"] == token
    after = books(home, MEMBER, 0)["balance"], books(home, NODE, 1)["balance"]
    assert after == (before[0] + money, before[1] + token)

    withdrawn = commonworks("withdraw", "1", "--account", "farm-2", *at)
    assert withdrawn.refused(CONFLICT).startswith("The network has stopped and its exit is open")
