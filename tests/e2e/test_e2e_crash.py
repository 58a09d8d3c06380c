"""kill -9 of everything, again and again: the demo goes on and comes to the same results."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Running, commonworks, running
from street import GATEWAY, Street, results

pytestmark = pytest.mark.xdist_group("e2e")  # it serves a copy of the street, too

SEEDS = range(7, 7 + int(os.environ.get("COMMONWORKS_CRASH_SEEDS", "1")))
"""Each seed draws other moments; more of them take longer and see more."""

BLINK_S = 0.3
"""Longest pause between a moment and the kill: anything may be under way by then."""

INTERRUPTED = 130
SOON_S = 10
"""Exit code of Ctrl-C, and what it may take."""

Moment = Callable[[Running, Path], object]


def told(text: str) -> Moment:
    """The moment after a line was told, or could have been: earlier runs may have come further."""
    return lambda process, _: process.says(text, "Energy shared and traded")


def replayed(hours: int) -> Moment:
    """The moment after so many hours were said."""

    def reached(home: Path) -> bool:
        try:
            return int((home / "replayed").read_text()) >= hours
        except (FileNotFoundError, ValueError):
            return False

    return lambda process, home: process.until(lambda _: reached(home), f"{hours} hours were said")


def moments(rng: random.Random) -> list[tuple[str, Moment]]:
    """Return when to kill, in the order in which a demo comes to it."""
    contracts = ("Policy", "Devices", "Vault", "Settlement", "TestEuro")
    return [
        ("founding: contracts", told(f"contract {rng.choice(contracts)} is on the chain")),
        ("founding: nodes", told("gateway gateway-1 is registered")),
        ("founding: members", told("devices enrolled")),
        ("first day", replayed(rng.randrange(1, 23))),
        ("end of the first day", replayed(24)),
        ("settling", replayed(25 + rng.randrange(2))),
        ("second day", replayed(rng.randrange(28, 47))),
        ("settling again", replayed(48)),
        ("claiming", lambda process, _: process.says("epoch 1: ")),
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_demo_that_is_killed_again_and_again_comes_to_the_same(
    street: Street, tmp_path: Path, seed: int
) -> None:
    rng, home = random.Random(seed), tmp_path / "home"
    command = ("demo", "--home", home, "--no-serve", "--json")
    killed = []
    for name, moment in moments(rng):
        with running(*command) as process:
            moment(process, home)
            time.sleep(rng.random() * BLINK_S)  # not a wait: the moment itself is drawn
            if process.process.poll() is None:
                killed.append(name)
            process.kill()
            assert "Traceback" not in process.err, (name, process.err)
    assert len(killed) >= len(moments(random.Random(seed))) - 1, killed
    with running(*command) as process:
        done = process.wait().ok()
    _same(street, home, done.document)


def test_ctrl_c_ends_a_demo_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    begun = told("A demo network")
    for moment in (begun, told("contract Vault is on the chain"), replayed(2)):
        with running("demo", "--home", home, "--days", 1, "--no-serve") as process:
            moment(process, home)
            began = time.monotonic()
            done = process.interrupt()
            assert time.monotonic() - began < SOON_S
        assert done.code == INTERRUPTED
        assert "Traceback" not in done.err
        assert "commonworks: " not in done.err


def _same(street: Street, home: Path, document: dict[str, object]) -> None:
    assert results(document) == results(street.document)
    assert document["network_id"] == street.document["network_id"]
    undisturbed = street.copy(home.with_name("undisturbed"))
    for epoch in street.document["epochs"]:
        shown, wanted = (
            commonworks("epoch", "show", epoch["epoch"], "--home", place, "--json").ok().document
            for place in (home, undisturbed)
        )
        assert shown["payouts"] == wanted["payouts"]
        assert shown["root"] == wanted["root"]
    assert commonworks("audit", 1, "--home", home).ok()
    assert commonworks("log", "check", home / "gateways" / GATEWAY).ok()
    _paid_once(home, shown["payouts"])
    assert _paid(home) == _paid(undisturbed)


def _paid(home: Path) -> dict[str, list[dict[str, object]]]:
    """Return every account's books and balances."""
    accounts = commonworks("account", "list", "--home", home, "--json").ok().document
    shown = (
        commonworks("account", "show", account["name"], "--home", home, "--json").ok().document
        for account in accounts
        if account["name"].startswith(("farm-1", "house", "grid", "t"))
    )
    return {account["name"]: account["assets"] for account in shown}


def _paid_once(home: Path, payouts: list[dict[str, object]]) -> None:
    """Claim everything that the member who claimed has earned; not a second time."""
    shown = commonworks("account", "show", "farm-1", "--home", home, "--json").ok().document
    earned = {
        payout["asset"]: payout["earned"]
        for payout in payouts
        if payout["account"] == shown["address"]
    }
    assert len(earned) == 2
    claimed = {line["asset"]: line["claimed"] for line in shown["assets"]}
    (token,) = [line for line in shown["assets"] if line["decimals"] == 18]
    assert token["claimed"] == token["balance"] == max(earned.values())
    assert all(amount <= max(earned.values()) for amount in claimed.values())
    again = commonworks("claim", "--account", "farm-1", "--home", home)
    assert "claimed already" in again.refused(4)
