"""After deployment nobody holds an admin key: every owner and every role, read off the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

import chain_kit as kit
from commonworks.chain.abi import CONTRACTS, contract
from commonworks.chain.deploy import deploy
from commonworks.chain.endpoints import int_of
from commonworks.chain.logs import read_logs
from commonworks.chain.messages import Enrolment
from commonworks.chain.plan import Deployment, key_word
from commonworks.chain.transactions import Call
from commonworks.crypto.hashes import keccak256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Conflict

STAND_INS: Final = {"TestEuro", "MemberAccount"}
"""Not the network's: a test currency that stands for somebody else's, and members' own accounts."""

PROPOSER: Final = keccak256(b"PROPOSER_ROLE")
CANCELLER: Final = keccak256(b"CANCELLER_ROLE")
EXECUTOR: Final = keccak256(b"EXECUTOR_ROLE")
ADMIN: Final = bytes(32)
ANYBODY: Final = bytes(20)

GOVERNED: Final = ("Policy", "Devices", "Guardian", "Membership")
"""Contracts that have an owner."""

KEY: Final = key_word("lateness_s")
WORD: Final = bytes(range(32))
OWNERS_CALLS: Final[dict[str, tuple[tuple[Any, ...], ...]]] = {
    "Policy": (("set", KEY, 100_003), ("defineParameter", WORD, 1, 0, 2)),
    "Devices": (
        ("setRegistrar", WORD, WORD, -8, WORD, True),
        ("setReference", 1, True),
        ("adoptSite", WORD, WORD, WORD),
    ),
    "Guardian": (("appoint", kit.address("eve"), kit.GENESIS + 100_000),),
    "Membership": (("admit", kit.address("eve")), ("remove", kit.address("ada"))),
}
"""Everything that only the owner may do, with arguments that it could use."""


def addresses(at: Deployment) -> dict[str, bytes]:
    """Return every contract of the network that stands at a known address."""
    government = at.government
    assert government.membership is not None
    return {
        "Policy": at.policy,
        "CommonsToken": at.token,
        "Devices": at.devices,
        "Nodes": at.nodes,
        "Vault": at.vault,
        "Settlement": at.settlement,
        "CommonsTimelock": government.timelock,
        "CommonsGovernor": government.governor,
        "Guardian": government.guardian,
        "MemberAccounts": government.accounts,
        "Membership": government.membership,
    }


def run(scenario: Callable[[kit.Rig], Awaitable[None]], folder: Path) -> None:
    async def go() -> None:
        async with kit.open_rig(folder) as rig:
            members = tuple(sorted(kit.address(name) for name in kit.NAMES[:-1]))
            plan = kit.plan(members=members)
            rig.deployment = await deploy(rig.endpoints, kit.account("deployer"), plan)
            await scenario(rig)

    asyncio.run(go())


async def ask(rig: kit.Rig, name: str, at: bytes, function: str, *values: object) -> object:
    item = contract(name)[function]
    return item.results(await rig.endpoints.call(at, item.call(*values)))[0]


def test_every_contract_is_looked_at() -> None:
    assert {*CONTRACTS} - STAND_INS == {*GOVERNED} | {
        *("CommonsToken", "Nodes", "Vault", "Settlement"),
        *("CommonsTimelock", "CommonsGovernor", "MemberAccounts"),
    }
    owned = {name for name in CONTRACTS if "owner" in contract(name).functions}
    assert owned - STAND_INS == {*GOVERNED}
    roles = {name for name in CONTRACTS if "hasRole" in contract(name).functions}
    assert roles == {"CommonsTimelock"}


def test_the_timelock_owns_everything_and_only_the_governor_moves_it(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        at = addresses(rig.at)
        timelock, governor = at["CommonsTimelock"], at["CommonsGovernor"]
        for name in GOVERNED:
            assert await ask(rig, name, at[name], "owner") == timelock, name
        assert await ask(rig, "CommonsToken", at["CommonsToken"], "minter") == at["Vault"]
        assert await ask(rig, "CommonsToken", at["CommonsToken"], "treasury") == timelock
        assert await ask(rig, "Vault", at["Vault"], "settlement") == at["Settlement"]
        assert await ask(rig, "Settlement", at["Settlement"], "guardian") == at["Guardian"]
        assert await ask(rig, "CommonsGovernor", governor, "timelock") == timelock
        assert await ask(rig, "CommonsGovernor", governor, "token") == at["Membership"]
        assert await holders(rig, timelock) == {
            (PROPOSER, governor),
            (CANCELLER, governor),
            (EXECUTOR, ANYBODY),
            (ADMIN, timelock),
        }

    run(scenario, tmp_path)


async def holders(rig: kit.Rig, timelock: bytes) -> set[tuple[bytes, bytes]]:
    """Return (role, account) of every role that was granted and not revoked, by the events."""
    granted = keccak256(b"RoleGranted(bytes32,address,address)")
    revoked = keccak256(b"RoleRevoked(bytes32,address,address)")
    head = int_of(await rig.endpoints.request("eth_blockNumber"))
    held: set[tuple[bytes, bytes]] = set()

    async def read(endpoint: Any) -> Any:
        return await read_logs(endpoint, [timelock], 0, head)

    for log in await rig.endpoints.run(read):
        role = (log.topics[1], log.topics[2][12:]) if len(log.topics) > 2 else None
        if role is not None and log.topics[0] == granted:
            held.add(role)
        elif role is not None and log.topics[0] == revoked:
            held.discard(role)
    return held


def test_the_founder_has_no_power_from_genesis_on(tmp_path: Path) -> None:
    async def scenario(rig: kit.Rig) -> None:
        at = addresses(rig.at)
        await rig.member("ada").enrol(enrolment())
        await rig.advance(kit.GENESIS - 10)
        for name, calls in OWNERS_CALLS.items():
            for function, *values in calls:
                call = Call(to=at[name], data=contract(name)[function].call(*values))
                for account in ("founder", "eve"):
                    await check(rig, account, call, before=account == "founder")
        await rig.advance(kit.GENESIS)
        for name, calls in OWNERS_CALLS.items():
            for function, *values in calls:
                call = Call(to=at[name], data=contract(name)[function].call(*values))
                for account in (*kit.NAMES, "founder", "guardian", "deployer"):
                    await check(rig, account, call, before=False)

    run(scenario, tmp_path)


def test_no_function_of_an_owner_is_forgotten() -> None:
    """What is `onlyOwner` in the sources stands in the table above."""
    sources = Path(__file__).resolve().parents[2] / "contracts" / "src"
    for name, calls in OWNERS_CALLS.items():
        text = (sources / f"{name}.sol").read_text()
        functions = {
            part.split("function ", 1)[1].split("(", 1)[0]
            for part in text.split("{")
            if "onlyOwner" in part and "function " in part
        }
        assert functions == {call[0] for call in calls}, name


def enrolment() -> Enrolment:
    """Return what enrols a device."""
    key = PrivateKey.from_seed(Algorithm.EDDSA, bytes(range(32))).public
    return Enrolment(key=key, resource="energy")


async def check(rig: kit.Rig, account: str, call: Call, *, before: bool) -> None:
    """Call as an account; only the founder before genesis may, and tries it without effect."""
    sender = kit.account("owner" if account == "founder" else account)
    request = {
        "from": sender.address,
        "to": "0x" + (call.to or b"").hex(),
        "data": "0x" + call.data.hex(),
    }
    if before:
        await rig.endpoints.request("eth_call", request, "latest")
        return
    with pytest.raises(Conflict, match="OwnableUnauthorizedAccount"):
        await rig.endpoints.request("eth_call", request, "latest")
