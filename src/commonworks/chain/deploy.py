"""Deploy a network's contracts, and read a network back from its chain.

Addresses are predicted (`chain.plan`), which makes a deployment resumable: the nonce and the code
at the predicted addresses tell what is there, at any point of interruption.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from eth_account.signers.local import LocalAccount

from commonworks.chain.abi import contract
from commonworks.chain.endpoints import (
    Endpoint,
    Endpoints,
    bytes_of,
    hex_of,
    int_of,
)
from commonworks.chain.logs import last_log, read_logs
from commonworks.chain.plan import (
    TEST_CURRENCY,
    Deployment,
    DeploymentPlan,
    Government,
    creations_of,
    genesis_policy_hash,
    planned_addresses,
    planned_government,
    planned_network_id,
)
from commonworks.chain.transactions import POLL_FIRST_S, Call, Sender
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict, NotFound
from commonworks.model import (
    Network,
)


async def deploy(
    endpoints: Endpoints,
    deployer: LocalAccount,
    plan: DeploymentPlan,
    *,
    confirmations: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Deployment:
    """Create the contracts of `plan` that are not there yet; return where all of them are.

    Interrupted at any point it goes on when called again with the same account and plan.
    `progress` hears the name of each contract once it is there.
    Raises: Conflict when the account's nonces went to something else or another plan was deployed
    with them, Unavailable when no endpoint answers.
    """
    account = bytes.fromhex(deployer.address[2:])
    sender = Sender(endpoints, deployer, confirmations=confirmations)
    at = planned_addresses(account, plan)
    creations = creations_of(plan, at)
    for offset, (name, address) in enumerate(at.items()):
        nonce = plan.first_nonce + offset
        if await _settled_nonce(sender) <= nonce:
            await _create(sender, nonce, creations[name]())
        if not await _code(endpoints, address):
            raise Conflict(
                f"no contract {name} where nonce {nonce} of the deployer puts it",
                hint="deploy from a fresh account, or give the plan the right first nonce",
                contract=name,
            )
        progress(name)
    currency = at[TEST_CURRENCY] if plan.currency is None else plan.currency
    government = planned_government(at, plan)
    deployment = await read_deployment(endpoints, at["Settlement"], currency, government)
    await _check_plan(endpoints, deployment, plan, account)
    return deployment


async def read_deployment(
    endpoints: Endpoints,
    settlement: bytes,
    currency: bytes,
    government: Government,
    *,
    genesis_block: int | None = None,
) -> Deployment:
    """Return where a network's contracts are, from the address of its Settlement contract.

    Inputs: `genesis_block` where it is known; otherwise the chain is searched backwards for it.
    Raises: NotFound when there is no such contract on this chain, or another genesis block.
    """

    async def read(endpoint: Endpoint) -> Deployment:
        names = ("networkId", "token", "devices", "nodes", "vault", "policy")
        network_id, token, devices, nodes, vault, policy = [
            cast(bytes, await _ask(endpoint, "Settlement", settlement, name)) for name in names
        ]
        bond_asset = cast(bytes, await _ask(endpoint, "Nodes", nodes, "bondAsset"))
        if genesis_block is None:
            created = await last_log(endpoint, policy, _CREATED, await endpoint.block_number())
        else:
            logs = await read_logs(endpoint, [policy], genesis_block, genesis_block, _CREATED)
            created = logs[0] if logs else None
        if created is None:
            raise NotFound(
                "the Policy contract was not created there", hint="check the genesis block"
            )
        genesis = await endpoint.block(created.block)
        return Deployment(
            chain_id=int_of(await endpoint.request("eth_chainId")),
            network_id=network_id,
            token=token,
            devices=devices,
            nodes=nodes,
            settlement=settlement,
            vault=vault,
            policy=policy,
            currency=currency,
            bond_asset=bond_asset,
            genesis_block=created.block,
            genesis_hash=bytes_of(genesis["hash"]),
            government=government,
        )

    return await endpoints.run(read)


async def read_network(endpoints: Endpoints, settlement: bytes, currency: bytes) -> Network:
    """Return what never changes about a network, from its chain alone.

    Raises: NotFound when there is no such contract or currency on this chain.
    """

    async def read(endpoint: Endpoint) -> Network:
        async def ask(name: str, at: bytes, function: str) -> Any:
            return await _ask(endpoint, name, at, function)

        token = await ask("Settlement", settlement, "token")
        return Network(
            network_id=await ask("Settlement", settlement, "networkId"),
            genesis_time=await ask("Settlement", settlement, "genesisTime"),
            epoch_length_s=await ask("Settlement", settlement, "epochLength"),
            token=token,
            currency=currency,
            currency_code=await ask("CommonsToken", currency, "symbol"),
            initial_emission_wei=await ask("CommonsToken", token, "initialEmissionWei"),
            treasury=await ask("CommonsToken", token, "treasury"),
        )

    return await endpoints.run(read)


_CREATED: Final = (keccak256(b"OwnershipTransferred(address,address)"), bytes(32))
"""Topics of the log that an owned contract writes in its constructor, and never again."""


async def _settled_nonce(sender: Sender) -> int:
    """Return the deployer's mined nonce once nothing that it sent is pending any more."""
    while True:
        mined = await sender.next_nonce("latest")
        if mined == await sender.next_nonce("pending"):
            return mined
        await asyncio.sleep(POLL_FIRST_S)


async def _create(sender: Sender, nonce: int, creation: bytes) -> None:
    mined = await sender.next_nonce("latest")
    if mined != nonce:
        raise Conflict(
            f"the deployer's next nonce is {mined}, not {nonce}",
            hint="nothing else may use this account while a network is deployed",
        )
    await sender.send(Call(to=None, data=creation))


async def _code(endpoints: Endpoints, address: bytes) -> bytes:
    return bytes_of(await endpoints.request("eth_getCode", hex_of(address), "latest"))


async def _ask(endpoint: Endpoint, name: str, at: bytes, function: str) -> object:
    item = contract(name)[function]
    answer = await endpoint.call(at, item.call())
    if not answer:
        raise NotFound(
            f"no contract {name} at {hex_of(at)}", hint="check the chain and the manifest"
        )
    return item.results(answer)[0]


async def _check_plan(
    endpoints: Endpoints, deployment: Deployment, plan: DeploymentPlan, deployer: bytes
) -> None:
    """Raise Conflict when what is on chain is not what the plan says."""

    async def read(endpoint: Endpoint) -> tuple[object, ...]:
        history = contract("Policy")["hashAt"]
        answer = await endpoint.call(deployment.policy, history.call(0))
        token = ("initialEmissionWei", "cap")
        schedule = [await _ask(endpoint, "CommonsToken", deployment.token, name) for name in token]
        return (deployment.network_id, history.results(answer)[0], *schedule)

    expected = (
        planned_network_id(deployment.chain_id, deployer, plan),
        genesis_policy_hash(plan),
        plan.initial_emission_wei,
        plan.cap_wei,
    )
    await check_government(endpoints, deployment)
    names = ("network id", "policy of epoch 0", "initial emission", "cap")
    for name, found, wanted in zip(names, await endpoints.run(read), expected, strict=True):
        if found != wanted:
            raise Conflict(
                f"the contracts at these addresses were deployed with another {name}",
                hint="deploy from a fresh account, or go back to the manifest used before",
                found=found,
                expected=wanted,
            )


async def check_government(endpoints: Endpoints, deployment: Deployment) -> None:
    """Raise Conflict when a contract names another government than the one deployed with it."""
    at, named = deployment, deployment.government

    async def read(endpoint: Endpoint) -> tuple[tuple[str, object, bytes], ...]:
        asked = (
            ("Policy", at.policy, "owner", named.timelock),
            ("Devices", at.devices, "owner", named.timelock),
            ("CommonsToken", at.token, "treasury", named.timelock),
            ("CommonsToken", at.token, "policy", at.policy),
            ("Nodes", at.nodes, "policy", at.policy),
            ("Vault", at.vault, "policy", at.policy),
            ("Settlement", at.settlement, "guardian", named.guardian),
            ("CommonsTimelock", named.timelock, "policy", at.policy),
            ("CommonsGovernor", named.governor, "timelock", named.timelock),
            ("CommonsGovernor", named.governor, "token", at.votes),
            ("Guardian", named.guardian, "owner", named.timelock),
        )
        return tuple(
            [
                (f"{name}.{function}", await _ask(endpoint, name, where, function), wanted)
                for name, where, function, wanted in asked
            ]
        )

    for what, found, wanted in await endpoints.run(read):
        if found != wanted:
            raise Conflict(
                f"{what} names another contract than this network's",
                hint="deploy from a fresh account",
                found=found,
                expected=wanted,
            )
