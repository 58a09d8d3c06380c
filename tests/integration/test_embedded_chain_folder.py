"""Who owns a chain's folder, how others find it, and what stops a start."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from chain_kill.chains import CONFIG, GENESIS, Clock, opened

from commonworks.chain.embedded import ChainConfig, EmbeddedChain, find_anvil, live_endpoint
from commonworks.errors import Conflict, InvalidInput, NotFound


def refused(folder: Path, kind: type[Exception], match: str, **options: Any) -> None:
    """Assert that a chain does not start, with one line that says what and what to do."""

    async def run() -> None:
        with pytest.raises(kind, match=match) as caught:
            async with opened(folder, Clock(), **options):
                pytest.fail("it started")
        assert "\n" not in str(caught.value)

    asyncio.run(run())


def test_one_owner_at_a_time_and_others_find_it(tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    assert live_endpoint(folder) is None

    async def run() -> None:
        async with opened(folder) as (chain, client):
            assert live_endpoint(folder) == chain.endpoint == client.endpoint
            told = json.loads((folder / "endpoint.json").read_bytes())
            assert told == {"pid": os.getpid(), "endpoint": chain.endpoint}
            with pytest.raises(Conflict, match=f"is run by process {os.getpid()}"):
                async with opened(folder):
                    pytest.fail("two owners")
            assert live_endpoint(folder) == chain.endpoint
            assert await client.call("eth_chainId") == hex(CONFIG.chain_id)

    asyncio.run(run())
    assert live_endpoint(folder) is None
    assert not (folder / "endpoint.json").exists()


def test_an_endpoint_without_a_holder_is_not_alive(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1")
    (tmp_path / "endpoint.json").write_text('{"pid": 1, "endpoint": "http://127.0.0.1:1"}')
    assert live_endpoint(tmp_path) is None


def test_an_occupied_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(tmp_path / "chain", Conflict, f"port {port} on 127.0.0.1 is in use", port=port)
    asyncio.run(_starts(tmp_path / "chain"))


async def _starts(folder: Path) -> None:
    async with opened(folder):
        pass


def test_a_foreign_address_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "chain", InvalidInput, "cannot listen on 192.0.2.1", host="192.0.2.1")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"chain_id": 1013}, "chain_id is 1009 there and 1013 here"),
        ({"genesis_timestamp": GENESIS + 1}, "genesis_timestamp_s"),
        ({"gas_limit": 30_000_000}, "gas_limit"),
        ({"hardfork": "prague"}, "hardfork"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    asyncio.run(_starts(tmp_path / "chain"))
    settings = {"chain_id": CONFIG.chain_id, "genesis_timestamp": GENESIS, **change}
    refused(tmp_path / "chain", Conflict, named, config=ChainConfig(**settings))


def test_an_unknown_hardfork_shows_what_anvil_says(tmp_path: Path) -> None:
    config = ChainConfig(chain_id=1009, genesis_timestamp=GENESIS, hardfork="atlantis")
    refused(tmp_path / "chain", Exception, "anvil ended while it started", config=config)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 0},
        {"genesis_timestamp": -1},
        {"gas_limit": 1},
        {"hardfork": "--fork-url"},
    ],
)
def test_senseless_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        ChainConfig(**{"chain_id": 1009, "genesis_timestamp": GENESIS, **change})


def test_a_missing_or_wrong_anvil_is_named(tmp_path: Path) -> None:
    script = tmp_path / "anvil.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    other = shutil.which("true")
    assert other is not None
    cases: list[tuple[Path, type[Exception], str]] = [
        (tmp_path / "none", NotFound, "there is no anvil"),
        (script, InvalidInput, "is a script"),
        (Path(other), Exception, "anvil ended while it started"),
    ]

    async def run() -> None:
        for executable, kind, match in cases:
            opening = EmbeddedChain.open(tmp_path / "chain", executable, config=CONFIG, now=Clock())
            with pytest.raises(kind, match=match):
                async with opening:
                    pytest.fail("it started")

    asyncio.run(run())


def test_anvil_is_found_in_the_documented_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = find_anvil(None)
    monkeypatch.delenv("COMMONWORKS_ANVIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(NotFound, match="not installed") as caught:
        find_anvil(tmp_path)
    assert "npm install" in caught.value.hint

    package = tmp_path / "global" / "node_modules" / "@foundry-rs"
    native = package / real.parents[1].name / "bin" / "anvil"
    native.parent.mkdir(parents=True)
    native.symlink_to(real)
    shim = package / "anvil" / "bin.mjs"
    shim.parent.mkdir()
    shim.write_text("#!/usr/bin/env node\n")
    shim.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "anvil").symlink_to(shim)
    assert find_anvil(tmp_path) == real, "the executable behind npm's script"

    project = tmp_path / "node_modules" / "@foundry-rs" / real.parents[1].name / "bin" / "anvil"
    project.parent.mkdir(parents=True)
    shutil.copy(real, project)
    assert find_anvil(tmp_path) == project

    own = tmp_path / "own-anvil"
    shutil.copy(real, own)
    monkeypatch.setenv("COMMONWORKS_ANVIL", str(own))
    assert find_anvil(tmp_path) == own
    monkeypatch.setenv("COMMONWORKS_ANVIL", str(shim))
    with pytest.raises(NotFound, match="no native executable"):
        find_anvil(tmp_path)
