"""Deploy a network's contracts, and read a network back from its chain.

The contracts name each other in immutable constructor arguments, so every address is predicted from
the deployer's nonce before anything is sent. The same prediction makes a deployment resumable: the
nonce and the code at the predicted addresses tell what is there, at any point of interruption.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from eth_account.signers.local import LocalAccount

from commonworks.chain.abi import contract, encode
from commonworks.chain.endpoints import (
    Endpoint,
    Endpoints,
    Identity,
    bytes_of,
    hex_of,
    int_of,
)
from commonworks.chain.exchange_code import EXCHANGE_ORDER, ROUTER, exchange_creations
from commonworks.chain.logs import last_log, read_logs
from commonworks.chain.transactions import POLL_FIRST_S, Call, Sender
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict, NotFound
from commonworks.model import (
    Network,
)

ORDER: Final = (
    "Policy", "CommonsToken", "Devices", "Nodes", "Vault", "Settlement",
    "CommonsTimelock", "CommonsGovernor", "Guardian", "MemberAccounts",
)  # fmt: skip
"""Order of creation: the position is the offset of the nonce. Never changes: addresses follow.
Settlement comes after those whose wiring its constructor checks."""

MEMBERSHIP: Final = "Membership"
"""Created where members vote, one vote each."""

TEST_CURRENCY: Final = "TestEuro"
"""Created only where the plan asks for it."""

DOMAIN: Final = "commonworks/1"
"""First word of what a network id commits to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Token that exists from the beginning."""

    account: bytes
    """Receiver, 20 bytes."""
    amount_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenesisParameter:
    """A governed number as the Policy contract is founded with it."""

    key: str
    """ASCII, at most 31 bytes."""
    value: int
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPlan:
    """Everything that fixes a network's contracts, before there is a chain."""

    token_name: str
    token_symbol: str
    allocations: tuple[Allocation, ...]
    """Genesis allocation from the manifest."""
    cap_wei: int
    """Most token that can ever exist, the allocations included."""
    initial_emission_wei: int
    """Most that epoch 0 may mint."""
    founder: bytes
    """Account that acts for the timelock until genesis, 20 bytes."""
    guardian: bytes
    """Account that may stop a root in its hold period, 20 bytes."""
    guardian_until: int
    """First second in which it may not any more, Unix seconds."""
    members: tuple[bytes, ...] | None
    """Who votes, one vote each, at first; None where the token votes."""
    bonds_in_currency: bool
    """Nodes bond the settlement currency instead of the token."""
    genesis_time: int
    """Start of epoch 0, Unix seconds."""
    epoch_length_s: int
    """Length of every epoch."""
    manifest_hash: bytes
    """SHA-256 of the manifest's canonical bytes, 32 bytes; part of the network id."""
    parameters: tuple[GenesisParameter, ...]
    """The policy of epoch 0, in the order in which it is hashed."""
    currency: bytes | None
    """Settlement currency that exists already; None creates the test currency."""
    currency_owner: bytes | None = None
    """Who may mint the test currency, the founder where None; only where `currency` is None."""
    exchange: bool = False
    """Create an exchange of the network's own, from the artifacts that npm installed."""
    router: bytes | None = None
    """Router of an exchange that exists already."""
    first_nonce: int = 0
    """The deployer's nonce for the first contract; 0 for an account made for this network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Government:
    """Where the contracts are that decide, and those that serve members. Addresses of 20 bytes."""

    timelock: bytes
    """Owner of everything that is governed."""
    governor: bytes
    guardian: bytes
    accounts: bytes
    """Factory of accounts that a passkey controls."""
    membership: bytes | None
    """None where the token votes."""
    router: bytes | None
    """Router of the exchange (Uniswap v2); None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where a network's contracts are."""

    chain_id: int
    network_id: bytes
    """What Settlement says it is, 32 bytes."""
    token: bytes
    devices: bytes
    nodes: bytes
    settlement: bytes
    vault: bytes
    policy: bytes
    currency: bytes
    """Settlement currency (an ERC-20)."""
    bond_asset: bytes
    """What nodes bond: the token, or the settlement currency."""
    genesis_block: int
    """Block of the first contract: no fact is older."""
    genesis_hash: bytes
    """Hash of that block."""
    government: Government

    @property
    def votes(self) -> bytes:
        """What votes are counted in: the membership, or the token."""
        return self.government.membership or self.token

    @property
    def identity(self) -> Identity:
        """What every endpoint must show."""
        return Identity(
            chain_id=self.chain_id,
            settlement=self.settlement,
            network_id=self.network_id,
            genesis_block=self.genesis_block,
            genesis_hash=self.genesis_hash,
        )

    @property
    def watched(self) -> Mapping[bytes, str]:
        """Addresses whose logs are facts -> the contract's name."""
        return {
            self.policy: "Policy",
            self.devices: "Devices",
            self.nodes: "Nodes",
            self.settlement: "Settlement",
            self.vault: "Vault",
        }


def created_address(deployer: bytes, nonce: int) -> bytes:
    """Return the address of the contract that `deployer` creates with `nonce`.

    Source: CREATE: the last 20 bytes of keccak-256 over the RLP list of address and nonce.
    """
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    item = number if 0 < nonce < 0x80 else bytes([0x80 + len(number)]) + number
    body = bytes([0x80 + len(deployer)]) + deployer + item
    return keccak256(bytes([0xC0 + len(body)]) + body)[12:]


def key_word(key: str) -> bytes:
    """Return a parameter's key as the contracts keep it: ASCII, left-aligned in 32 bytes."""
    return key.encode("ascii").ljust(32, b"\0")


def planned_addresses(deployer: bytes, plan: DeploymentPlan) -> Mapping[str, bytes]:
    """Return where each contract of the plan will be, by name."""
    names = [*ORDER]
    if plan.members is not None:
        names.append(MEMBERSHIP)
    if plan.currency is None:
        names.append(TEST_CURRENCY)
    if plan.exchange:
        names.extend(EXCHANGE_ORDER)
    return {
        name: created_address(deployer, plan.first_nonce + offset)
        for offset, name in enumerate(names)
    }


def planned_government(at: Mapping[str, bytes], plan: DeploymentPlan) -> Government:
    """Return the part of `planned_addresses` that decides and serves."""
    return Government(
        timelock=at["CommonsTimelock"],
        governor=at["CommonsGovernor"],
        guardian=at["Guardian"],
        accounts=at["MemberAccounts"],
        membership=at.get(MEMBERSHIP),
        router=at.get(ROUTER, plan.router),
    )


def planned_network_id(chain_id: int, deployer: bytes, plan: DeploymentPlan) -> bytes:
    """Return the id that the network of this plan will have on this chain."""
    at = planned_addresses(deployer, plan)
    order = ("Settlement", "CommonsToken", "Devices", "Nodes", "Vault", "Policy")
    types = ["string", "uint256", *["address"] * len(order), "uint64", "uint64", "bytes32"]
    contracts = [at[name] for name in order]
    fixed = [plan.genesis_time, plan.epoch_length_s, plan.manifest_hash]
    return keccak256(encode(types, [DOMAIN, chain_id, *contracts, *fixed]))


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
    creations = _creations(plan, at)
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


def _creations(plan: DeploymentPlan, at: Mapping[str, bytes]) -> Mapping[str, Callable[[], bytes]]:
    """Return what makes the bytes that create each contract."""
    own = {
        name: partial(contract(name).creation, *arguments)
        for name, arguments in _constructor_arguments(plan, at).items()
        if name in at
    }
    if not plan.exchange:
        return own
    return {**own, **exchange_creations(at)}


def _constructor_arguments(
    plan: DeploymentPlan, at: Mapping[str, bytes]
) -> Mapping[str, Sequence[object]]:
    """Return each constructor's arguments, in the order of its declaration."""
    parameters = [
        (key_word(parameter.key), parameter.value, parameter.minimum, parameter.maximum)
        for parameter in plan.parameters
    ]
    allocations = [(allocation.account, allocation.amount_wei) for allocation in plan.allocations]
    epochs = (plan.genesis_time, plan.epoch_length_s)
    wiring = [at[name] for name in ("CommonsToken", "Devices", "Nodes", "Vault", "Policy")]
    currency = at[TEST_CURRENCY] if plan.currency is None else plan.currency
    timelock, policy, token = at["CommonsTimelock"], at["Policy"], at["CommonsToken"]
    founding = (timelock, plan.founder, plan.genesis_time)
    bonds = bytes(20) if plan.bonds_in_currency else at["Nodes"]
    return {
        "Policy": [timelock, plan.founder, parameters, *epochs],
        "CommonsToken": [
            plan.token_name,
            plan.token_symbol,
            allocations,
            (at["Vault"], bonds, timelock, policy),
            plan.cap_wei,
            plan.initial_emission_wei,
        ],
        "Devices": [*founding],
        "Nodes": [currency if plan.bonds_in_currency else token, policy],
        "Vault": [token, policy, at["Settlement"], [currency]],
        "Settlement": [(*wiring, at["Guardian"], *epochs, plan.manifest_hash)],
        "CommonsTimelock": [at["CommonsGovernor"], policy],
        "CommonsGovernor": [at.get(MEMBERSHIP, token), timelock, policy],
        "Guardian": [*founding, at["Settlement"], policy, plan.guardian, plan.guardian_until],
        "MemberAccounts": [],
        MEMBERSHIP: [*founding, list(plan.members or ())],
        TEST_CURRENCY: [plan.founder if plan.currency_owner is None else plan.currency_owner],
    }


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
        _genesis_policy_hash(plan),
        plan.initial_emission_wei,
        plan.cap_wei,
    )
    await _check_government(endpoints, deployment)
    names = ("network id", "policy of epoch 0", "initial emission", "cap")
    for name, found, wanted in zip(names, await endpoints.run(read), expected, strict=True):
        if found != wanted:
            raise Conflict(
                f"the contracts at these addresses were deployed with another {name}",
                hint="deploy from a fresh account, or go back to the manifest used before",
                found=found,
                expected=wanted,
            )


async def _check_government(endpoints: Endpoints, deployment: Deployment) -> None:
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


def _genesis_policy_hash(plan: DeploymentPlan) -> bytes:
    """Return the policy's rolling hash after the plan's parameters, all in force from epoch 0."""
    types = ["bytes32", "bytes32", "int256", "int256", "int256", "uint64"]
    history = bytes(32)
    for parameter in plan.parameters:
        change = [key_word(parameter.key), parameter.value, parameter.minimum, parameter.maximum]
        history = keccak256(encode(types, [history, *change, 0]))
    return history
