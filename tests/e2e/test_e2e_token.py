"""A contributor turns earned tokens into money, from the command line alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import commonworks

from commonworks.units import WEI

pytestmark = pytest.mark.xdist_group("e2e")

SEALED = {"COMMONWORKS_PASSPHRASE": "a long sentence"}


def balance(home: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = (
        commonworks("token", "balance", name, "--home", home, "--json").ok().document
    )
    return document


def tokens(units: int) -> str:
    """Return an amount as a person writes it, with nothing rounded."""
    return f"{units // WEI}.{units % WEI:018}"


def test_earned_tokens_become_money_in_one_command(copy: Callable[[], Path]) -> None:
    home = copy()
    before = balance(home, "house-2")
    earned = before["unclaimed"]
    assert before["token"] == 0
    assert earned > 0
    quote = commonworks("token", "quote", "sell", tokens(earned), "--home", home, "--json").ok()
    assert quote.document["amount_out"] == before["brings"] > 0
    pool = commonworks("token", "pool", "--home", home, "--json").ok().document
    refusal = commonworks("token", "sell", "all", "--as", "house-2", "--home", home)
    assert refusal.refused(4) == "house-2 has 0.000000 CWK"
    sale = commonworks(
        *("token", "sell", "all", "--claim", "--as", "house-2", "--home", home, "--json")
    ).ok()
    swapped = ("side", "asset_in", "amount_in", "asset_out", "amount_out", "price")
    assert {name: sale.document[name] for name in swapped} == {
        name: quote.document[name] for name in swapped
    }
    assert "house-2 received" in sale.err
    after = balance(home, "house-2")
    assert (after["token"], after["unclaimed"]) == (0, 0)
    assert after["currency"] == before["currency"] + sale.document["amount_out"]
    moved = commonworks("token", "pool", "--home", home, "--json").ok().document
    assert moved["reserve_token"] == pool["reserve_token"] + earned
    assert moved["reserve_currency"] == pool["reserve_currency"] - sale.document["amount_out"]
    assert moved["shares"] - moved["treasury_shares"] == 1_000

    more = commonworks("token", "buy", "1", "--as", "house-2", "--home", home)
    assert "1.000000 CWK for at most" in more.ok().err
    assert balance(home, "house-2")["token"] == WEI
    again = commonworks("token", "sell", "2", "--claim", "--as", "house-2", "--home", home)
    assert again.refused(4) == "house-2 has 1.000000 CWK"


def test_mistakes_in_a_trade_end_in_one_line(home: Path) -> None:
    def refused(code: int, *arguments: str) -> str:
        return commonworks("token", *arguments, "--home", home).refused(code)

    assert "costs" in refused(4, "buy", "1", "--as", "guardian")
    assert "holds no more" in refused(4, "quote", "buy", "50001")
    assert "more than nothing" in refused(2, "quote", "sell", "0")
    assert "brings nothing" in refused(2, "quote", "sell", "0.000000000001")
    assert "no amount" in refused(2, "quote", "sell", "much")
    assert "slippage of 60" in refused(2, "sell", "1", "--as", "guardian", "--slippage", "60")
    assert "no account nobody" in refused(3, "sell", "1", "--as", "nobody")


def test_a_co_op_has_no_exchange(tmp_path: Path) -> None:
    home = tmp_path / "coop"
    found = ("init", "--name", "Co-op", "--resource", "energy", "--profile", "coop")
    commonworks(*found, "--home", home, variables=SEALED).ok()
    for words in (["pool"], ["quote", "sell", "1"], ["sell", "all", "--as", "founder"]):
        done = commonworks("token", *words, "--home", home, variables=SEALED)
        assert done.refused(3) == "this network has no exchange"
