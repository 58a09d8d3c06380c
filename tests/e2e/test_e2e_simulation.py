"""The simulation plays the demo's own network, and comes to the demo's own results.

One is real contracts, files and HTTP, the other their models on virtual time; the roles between
them are the same, and so must be every result, to the last bit.
"""

from __future__ import annotations

from typing import Any

import pytest
from street import Street

from commonworks.chain.embedded import ChainConfig
from commonworks.chain.manifest import Manifest
from commonworks.chain.plan import TEST_CURRENCY, key_word, planned_addresses
from commonworks.simulation.contracts import ModelPlan
from commonworks.simulation.governance import Parameter
from commonworks.simulation.network import Run, run
from commonworks.simulation.script import Script, Setting
from commonworks.wiring.demo import DemoSettings, players_of
from commonworks.wiring.home import Home
from commonworks.wiring.session import chain_config


def model_plan(manifest: Manifest) -> ModelPlan:
    """Return the model's plan for the network of a manifest."""
    plan = manifest.plan()
    at = planned_addresses(manifest.founder, plan)
    config: ChainConfig = chain_config(manifest)
    return ModelPlan(
        owner=at["CommonsTimelock"],
        founder=plan.founder,
        guardian_holder=plan.guardian,
        guardian_until=plan.guardian_until,
        bonds_in_currency=plan.bonds_in_currency,
        genesis_time=plan.genesis_time,
        epoch_length_s=plan.epoch_length_s,
        parameters=tuple(
            Parameter(key=key_word(p.key), value=p.value, minimum=p.minimum, maximum=p.maximum)
            for p in plan.parameters
        ),
        allocations=tuple((item.account, item.amount_wei) for item in plan.allocations),
        cap_wei=plan.cap_wei,
        initial_emission_wei=plan.initial_emission_wei,
        currency_code=manifest.currency_code,
        manifest_hash=plan.manifest_hash,
        chain_id=config.chain_id,
        token=at["CommonsToken"],
        devices=at["Devices"],
        nodes=at["Nodes"],
        settlement=at["Settlement"],
        guardian=at["Guardian"],
        vault=at["Vault"],
        policy=at["Policy"],
        currency=at[TEST_CURRENCY],
    )


@pytest.fixture(scope="module")
def simulated(street: Street) -> Run:
    """The demo's network, simulated."""
    home = Home(path=street.home)
    settings = DemoSettings.read(home.demo_settings())
    script = Script(
        Setting(
            players=tuple(players_of(settings)),
            seed=settings.seed,
            epochs=settings.days,
            plan=model_plan(home.manifest()),
            wishes=False,
        )
    )
    return run(script)


def test_the_simulation_comes_to_the_demos_results(street: Street, simulated: Run) -> None:
    """Network, results, payout roots and money are those of the real run."""
    document: dict[str, Any] = street.document
    assert not simulated.findings
    assert f"0x{simulated.network_id.hex()}" == document["network_id"]
    epochs = document["epochs"]
    assert len(simulated.settlements) == len(epochs)
    for ours, theirs in zip(simulated.settlements, epochs, strict=True):
        assert f"0x{ours.commitment.result_hash.hex()}" == theirs["result"]
        assert f"0x{ours.commitment.payout_root.hex()}" == theirs["root"]
        assert len(ours.verdicts) == theirs["statements"]
        assert str(ours.minted_wei) == str(theirs["minted_wei"])
        assert ours.paid_micro == theirs["paid_micro"]
