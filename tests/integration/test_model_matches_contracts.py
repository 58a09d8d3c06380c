"""Differential test: the Python model of the contracts against the contracts themselves."""

from __future__ import annotations

import ast
import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import chain_kit as kit
from commonworks import simulation
from commonworks.chain.abi import CONTRACTS, contract
from commonworks.events import Share
from commonworks.simulation.blocks import refuse
from commonworks.simulation.devices import DevicesModel
from commonworks.simulation.governance import Governed, PolicyModel
from commonworks.simulation.rounds import SettlementModel
from commonworks.simulation.token import CommonsToken
from commonworks.simulation.vault import VaultModel
from contract_twins import Twins
from twin_pair import EPOCHS

SEEDS = (7, 10)
MORE_SEEDS = range(100, 130)


async def play(folder: Path, seed: int) -> Twins:
    async with kit.open_network(folder) as rig:
        twins = Twins(rig, seed)
        await twins.play()
        return twins


def check(folder: Path, seed: int) -> Twins:
    twins = asyncio.run(play(folder, seed))
    assert sum(twins.accepted.values()) > 90
    assert sum(twins.refused.values()) > 80
    assert twins.accepted["enter_exit"] == 1
    return twins


def test_both_accept_refuse_and_say_the_same(tmp_path: Path) -> None:
    played = [check(tmp_path / str(seed), seed) for seed in SEEDS]
    assert all(twins.accepted["finalise"] == EPOCHS for twins in played)
    assert all(twins.refusals["GrowthExceeded"] > 0 for twins in played)
    accepted = sum((twins.accepted for twins in played), Counter[str]())
    for name in ("claim", "halt", "set_payees", "transfer_share", "enrol_batch", "appoint"):
        assert accepted[name] > 0, name


@pytest.mark.slow
@pytest.mark.parametrize("seed", MORE_SEEDS)
def test_both_accept_refuse_and_say_the_same_at_length(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed)


def early_policy(self: PolicyModel) -> int:
    return self.current_epoch()


def impatient_root(self: VaultModel) -> object:
    return self._roots[-1] if self._roots else self._claimable


def generous_quorum(self: SettlementModel, epoch: int, total: int) -> int:
    return 1


def lasting_founder(self: Governed, sender: bytes) -> None:
    if sender not in (self.owner, self.founder):
        raise refuse("OwnableUnauthorizedAccount", account=sender)


def schedule_anew(self: CommonsToken, epoch: int) -> int:
    start, half_life = self._policy.history("half_life_epochs")[-1]
    return max(0, epoch - start) * (2**96 // half_life)


def one_payee(self: DevicesModel, device: int) -> tuple[Share, ...]:
    shares = sorted(self._payees.get(device, {}).items())[:1]
    return tuple(Share(account=account, ppm=ppm) for account, ppm in shares)


def no_breaker(self: VaultModel, asset: bytes, epoch: int, growth: int) -> None:
    pass


@pytest.mark.parametrize(
    ("model", "method", "bug"),
    [
        (PolicyModel, "_next_epoch", early_policy),
        (VaultModel, "_current", impatient_root),
        (VaultModel, "_require_growth", no_breaker),
        (SettlementModel, "_needed", generous_quorum),
        (Governed, "_only_owner", lasting_founder),
        (CommonsToken, "halvings_at", schedule_anew),
        (DevicesModel, "payees_of", one_payee),
    ],
    ids=[
        "early policy",
        "impatient root",
        "no breaker",
        "generous quorum",
        "lasting founder",
        "schedule anew",
        "one payee",
    ],
)
def test_a_planted_bug_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: type, method: str, bug: object
) -> None:
    monkeypatch.setattr(model, method, bug)
    for seed in SEEDS:
        try:
            asyncio.run(play(tmp_path / str(seed), seed))
        except AssertionError:
            return
    pytest.fail("no seed of the suite shows it")


def refusals_in(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield name and argument names of every `refuse(...)` in a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if not named or node.func.id != "refuse" or not isinstance(node.args[0], ast.Constant):
            continue
        plain = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
        spread = {
            key.value
            for keyword in node.keywords
            if isinstance(keyword.value, ast.Dict) and keyword.arg is None
            for key in keyword.value.keys
            if isinstance(key, ast.Constant)
        }
        yield node.args[0].value, plain | spread


def test_every_refusal_of_the_model_is_an_error_of_the_contracts() -> None:
    known: dict[str, list[set[str]]] = {}
    for name in CONTRACTS:
        for item in contract(name).errors.values():
            known.setdefault(item.name, []).append({field.name for field in item.inputs})
    folder = Path(simulation.__file__).parent
    seen = [pair for path in sorted(folder.glob("*.py")) for pair in refusals_in(path)]
    assert len(seen) > 50
    assert [pair for pair in seen if pair[1] not in known.get(pair[0], [])] == []
