"""SIGKILL at any moment: nothing acknowledged is lost, nothing happens twice.

COMMONWORKS_KILL_ROUNDS and COMMONWORKS_KILL_SEED make the run longer or different.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from chain_kill.rounds import Victim, run_rounds
from commonworks.chain.embedded import find_anvil

ROUNDS = int(os.environ.get("COMMONWORKS_KILL_ROUNDS", "6"))
SEED = int(os.environ.get("COMMONWORKS_KILL_SEED", "11"))


@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_acknowledged_transactions_survive_any_kill(tmp_path: Path) -> None:
    history = asyncio.run(run_rounds(tmp_path, find_anvil(None), ROUNDS, SEED))
    assert len(history.sent) > ROUNDS * 10
    assert len(history.kills) == min(ROUNDS, len(Victim))
