"""A founded network on an embedded chain whose clock the test owns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from eth_account import Account
from eth_account.signers.local import LocalAccount

from commonworks.chain.client import ChainClient
from commonworks.chain.deploy import deploy
from commonworks.chain.embedded.anvil import find_anvil
from commonworks.chain.embedded.chain import EmbeddedChain
from commonworks.chain.embedded.config import ChainConfig
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.members import Members
from commonworks.chain.plan import Allocation, Deployment, DeploymentPlan, GenesisParameter
from commonworks.chain.signer import KeystoreSigner
from commonworks.crypto.hashes import sha256
from commonworks.policy import KERNEL_PARAMETERS

CHAIN_ID: Final = 31_337
GENESIS: Final = 1_800_000_000
EPOCH_S: Final = 600
GRACE_S: Final = 61
CONFIRM_S: Final = 127
HOLD_S: Final = 31
HALT_S: Final = 211
BOND_MIN: Final = 1_009
INITIAL_EMISSION_WEI: Final = 1_000_003
HALF_LIFE_EPOCHS: Final = 3
HALF_LIFE_MAX: Final = 4
CAP_WEI: Final = 10_000_019
NAMES: Final = ("gateway", "verifier-a", "verifier-b", "verifier-c", "ada", "bob", "eve")

_VALUES: Final = {
    "grace_s": GRACE_S,
    "confirm_s": CONFIRM_S,
    "hold_s": HOLD_S,
    "halt_s": HALT_S,
    "quorum_ppm": 500_001,
    "verifier_bond_min": BOND_MIN,
    "half_life_epochs": HALF_LIFE_EPOCHS,
    "proposal_threshold_ppm": 0,
    "rules": 0x1234,
}


def account(name: str) -> LocalAccount:
    """Return the account that a name stands for in every test."""
    made: LocalAccount = Account.from_key(sha256(b"test account " + name.encode()))
    return made


def signer(name: str) -> KeystoreSigner:
    """Return what signs messages for a named account."""
    return KeystoreSigner(account(name))


def address(name: str) -> bytes:
    """Return the address of a named account."""
    return bytes.fromhex(account(name).address[2:])


def plan(**changes: object) -> DeploymentPlan:
    """Return the plan of the test network."""
    values: dict[str, object] = {
        "token_name": "Test Token",
        "token_symbol": "TT",
        "allocations": tuple(
            Allocation(account=address(name), amount_wei=100_003) for name in NAMES
        ),
        "cap_wei": CAP_WEI,
        "initial_emission_wei": INITIAL_EMISSION_WEI,
        "founder": address("owner"),
        "guardian": address("guardian"),
        "guardian_until": GENESIS + 30 * 86_400,
        "members": None,
        "bonds_in_currency": False,
        "genesis_time": GENESIS,
        "epoch_length_s": EPOCH_S,
        "manifest_hash": sha256(b"manifest"),
        "parameters": tuple(
            GenesisParameter(
                key=parameter.key,
                value=_VALUES.get(parameter.key, parameter.default),
                minimum=parameter.minimum,
                maximum=HALF_LIFE_MAX if parameter.key == "half_life_epochs" else parameter.maximum,
            )
            for parameter in KERNEL_PARAMETERS
        ),
        "currency": None,
    }
    return DeploymentPlan(**(values | changes))  # type: ignore[arg-type]


@dataclass(kw_only=True)
class Rig:
    """One embedded chain, its clock, and everybody's way to act on it."""

    chain: EmbeddedChain
    clock: list[int]
    endpoints: Endpoints
    deployment: Deployment | None = None
    clients: list[ChainClient] = field(default_factory=list)
    _members: dict[str, Members] = field(default_factory=dict)

    @property
    def at(self) -> Deployment:
        """The deployment; only after `found`."""
        assert self.deployment is not None
        return self.deployment

    @property
    def now(self) -> int:
        """Network time."""
        return self.clock[0]

    async def found(self) -> Deployment:
        """Deploy the test network."""
        self.deployment = await deploy(self.endpoints, account("deployer"), plan())
        return self.deployment

    async def advance(self, time_s: int) -> None:
        """Move network time, and the chain with it."""
        self.clock[0] = time_s
        await self.chain.mine()

    def member(self, name: str) -> Members:
        """Return the named account's way to act."""
        if name not in self._members:
            self._members[name] = Members(self.endpoints, self.at, account(name))
        return self._members[name]

    def client(
        self, name: str | None = None, *, urls: Sequence[str] = (), confirmations: int = 0
    ) -> ChainClient:
        """Return a chain client; it is closed with the rig."""
        made = ChainClient(
            urls or [self.chain.endpoint],
            self.at,
            None if name is None else account(name),
            confirmations,
        )
        self.clients.append(made)
        return made


@asynccontextmanager
async def open_rig(
    folder: Path, *, chain_id: int = CHAIN_ID, start: int = GENESIS - 1_000
) -> AsyncIterator[Rig]:
    """Start an embedded chain in `folder` at network time `start`; nothing is deployed yet."""
    clock = [start]
    config = ChainConfig(chain_id=chain_id, genesis_timestamp=start)
    async with EmbeddedChain.open(
        folder, find_anvil(None), config=config, now=lambda: clock[0]
    ) as chain:
        rig = Rig(chain=chain, clock=clock, endpoints=Endpoints([chain.endpoint]))
        try:
            yield rig
        finally:
            for client in rig.clients:
                await client.close()
            await rig.endpoints.close()


@asynccontextmanager
async def open_network(folder: Path) -> AsyncIterator[Rig]:
    """Start an embedded chain with the test network founded on it."""
    async with open_rig(folder) as rig:
        await rig.found()
        yield rig
