"""What fixes a network's contracts before there is a chain: plan, addresses, constructors. Pure.

The contracts name each other in immutable constructor arguments, so every address is predicted from
the deployer's nonce before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from commonworks.chain.abi import contract, encode
from commonworks.chain.endpoints import (
    Identity,
)
from commonworks.chain.exchange_code import EXCHANGE_ORDER, ROUTER, exchange_creations
from commonworks.crypto.hashes import keccak256
from commonworks.settlement.identity import network_id

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
        """Addresses whose logs are read -> the contract's name."""
        return {
            self.policy: "Policy",
            self.devices: "Devices",
            self.nodes: "Nodes",
            self.settlement: "Settlement",
            self.vault: "Vault",
            self.government.guardian: "Guardian",
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
    contracts = [at[name] for name in order]
    return network_id(
        chain_id, contracts, plan.genesis_time, plan.epoch_length_s, plan.manifest_hash
    )


def creations_of(
    plan: DeploymentPlan, at: Mapping[str, bytes]
) -> Mapping[str, Callable[[], bytes]]:
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


def genesis_policy_hash(plan: DeploymentPlan) -> bytes:
    """Return the policy's rolling hash after the plan's parameters, all in force from epoch 0."""
    types = ["bytes32", "bytes32", "int256", "int256", "int256", "uint64"]
    history = bytes(32)
    for parameter in plan.parameters:
        change = [key_word(parameter.key), parameter.value, parameter.minimum, parameter.maximum]
        history = keccak256(encode(types, [history, *change, 0]))
    return history
