"""One seed, one result; and what each option of the demo changes."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from command_line import Done, Running, commonworks, running
from street import Street, results

pytestmark = pytest.mark.xdist_group("e2e_days")

EARNED = 3_000_000
"""What farm-1 takes back of its deposit, micro-units."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("days")


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Done]:
    """Four demos side by side; none of them knows of the others."""
    wanted = {
        "again": ("--days", 1),
        "other": ("--days", 1, "--seed", 2),
        "winter": ("--days", 1, "--season", "winter"),
        "honest": ("--days", 1, "--honest"),
    }
    with ExitStack() as stack:
        started: dict[str, Running] = {}
        for name, options in wanted.items():
            command = ("demo", "--home", folder / name, "--no-serve", "--json", *options)
            started[name] = stack.enter_context(running(*command))
        return {name: one.wait().ok() for name, one in started.items()}


def test_one_seed_gives_one_result(street: Street, runs: dict[str, Done]) -> None:
    assert results(runs["again"].document) == results(street.document)[:1]


def test_another_seed_gives_another(runs: dict[str, Done]) -> None:
    again, other = runs["again"].document, runs["other"].document
    assert results(other) != results(again)
    assert other["network_id"] != again["network_id"]


def test_winter_has_less_sun(runs: dict[str, Done]) -> None:
    summer, winter = (runs[name].document["epochs"][0] for name in ("again", "winter"))
    assert winter["minted_wei"] < summer["minted_wei"]
    assert "from 2016-06" in runs["again"].err
    assert "from 2016-06" not in runs["winter"].err


def test_honest_streets_have_nothing_to_refuse(runs: dict[str, Done]) -> None:
    (epoch,) = runs["honest"].document["epochs"]
    assert epoch["rejected"] == {}
    assert epoch["refused"] == {}
    assert epoch["replays"] == 0
    assert "cheat" not in runs["honest"].err
    assert "inflates" not in runs["honest"].err


def test_one_day_is_one_epoch(runs: dict[str, Done]) -> None:
    assert [epoch["epoch"] for epoch in runs["again"].document["epochs"]] == [0]


def test_more_days_on_the_same_folder_go_on_where_it_was(
    street: Street, runs: dict[str, Done], folder: Path
) -> None:
    """And what was asked for between two epochs is paid by the second."""
    home = folder / "again"
    before = _assets(home, "farm-2")
    asked = commonworks(*("withdraw", "3", "--account", "farm-2", "--home", home, "--json")).ok()
    assert asked.document["amount"] == EARNED
    assert asked.document["epoch"] == 1
    assert "claim --account farm-2 --asset currency" in asked.err
    with running("demo", "--home", home, "--days", 2, "--no-serve", "--json") as more:
        went_on = more.wait().ok().document
    first, second = went_on["epochs"]
    assert first["digest"] == runs["again"].document["epochs"][0]["digest"]
    assert second["statements"] == street.document["epochs"][1]["statements"]
    for name in ("shared_wh", "minted_wei", "paid_micro", "rejected"):
        assert second[name] == street.document["epochs"][1][name], name

    shown = commonworks("epoch", "show", 1, "--home", home, "--json").ok().document
    account = commonworks("account", "show", "farm-2", "--home", home, "--json").ok().document
    (line,) = [
        payout
        for payout in shown["payouts"]
        if payout["account"] == account["address"] and payout["earned"] < 10**12
    ]
    paid = commonworks(
        *("claim", "--account", "farm-2", "--asset", "currency", "--home", home, "--json")
    ).ok()
    assert paid.document["amount"] == line["earned"] > EARNED
    after = _assets(home, "farm-2")
    assert after["balance"] == before["balance"] + line["earned"]
    assert commonworks("audit", 1, "--home", home).ok()


def test_speed_holds_the_replay_to_network_time(tmp_path: Path) -> None:
    """A day and its eight half-hours at 28 hours in eight seconds."""
    began = time.monotonic()
    with running(
        *("demo", "--days", 1, "--speed", 28 * 3_600 / 8, "--home", tmp_path / "slow"),
        *("--no-serve", "--honest"),
    ) as slow:
        slow.says("devices enrolled")
        founded = time.monotonic()
        slow.wait().ok()
    assert time.monotonic() - founded > 7
    assert time.monotonic() - began < 60


def test_other_settings_for_a_demos_folder_are_refused(runs: dict[str, Done], folder: Path) -> None:
    for option in (("--seed", 3), ("--season", "winter"), ("--honest",)):
        done = commonworks("demo", "--home", folder / "again", "--no-serve", *option)
        assert "other settings" in done.refused(4)


def test_days_beyond_the_data_are_refused(tmp_path: Path) -> None:
    for days in (0, 8, -1):
        done = commonworks("demo", "--home", tmp_path / "new", "--days", days, "--no-serve")
        assert "the data reach for 1 to 7 days" in done.refused(2)
        assert not (tmp_path / "new").exists()


def _assets(home: Path, name: str) -> dict[str, int]:
    shown = commonworks("account", "show", name, "--home", home, "--json").ok().document
    (currency,) = [asset for asset in shown["assets"] if asset["decimals"] == 6]
    return dict(currency)
