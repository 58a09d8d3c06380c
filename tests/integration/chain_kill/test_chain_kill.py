"""SIGKILL at any moment: nothing acknowledged is lost, nothing happens twice.

COMMONWORKS_KILL_ROUNDS and COMMONWORKS_KILL_SEED make the run longer or different.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from chain_kill.rounds import Setup, Victim, run_rounds
from commonworks.chain.embedded import find_anvil

ROUNDS = int(os.environ.get("COMMONWORKS_KILL_ROUNDS", "6"))
SEED = int(os.environ.get("COMMONWORKS_KILL_SEED", "11"))


@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_acknowledged_transactions_survive_any_kill(tmp_path: Path) -> None:
    setup = Setup(folder=tmp_path, anvil=find_anvil(None))
    history = asyncio.run(run_rounds(setup, ROUNDS, SEED))
    assert len(history.sent) > ROUNDS * 10
    assert len(history.kills) == min(ROUNDS, len(Victim))


def test_a_chain_that_promises_before_it_writes_is_caught(tmp_path: Path) -> None:
    setup = Setup(folder=tmp_path, anvil=find_anvil(None), program="planted")
    with pytest.raises(AssertionError, match=r"is lost|was 0x"):
        asyncio.run(run_rounds(setup, len(Victim), SEED))
