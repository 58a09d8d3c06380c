"""A Python model of the network's contracts, behind the same port as the real ones.

Goal: a whole network in one process on virtual time, without an EVM. Rule: the model accepts what
the contracts accept, refuses what they refuse with the same error and arguments, and writes the
same events. A differential test plays random actions against both. What the model leaves out: gas,
signatures (a relayed action is taken as validly signed), votes and proposals (the owner acts as it
likes), ERC-20 transfers to the zero address, and events that no fact depends on.

State changes happen inside `transaction`, one action in each; a refused one makes no block:

    with contracts.transaction():
        contracts.devices.set_reference(owner, device, admitted=True)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from eth_abi.abi import encode

from commonworks.crypto.hashes import keccak256
from commonworks.events import (
    Event,
)
from commonworks.model import (
    Network,
)
from commonworks.ports import Action, Anchor, Attest, Clock, Close, Confirm, Finalise, Head
from commonworks.simulation.blocks import Blocks, refuse
from commonworks.simulation.devices import DevicesModel
from commonworks.simulation.governance import GuardianModel, Parameter, PolicyModel
from commonworks.simulation.nodes import NodesModel
from commonworks.simulation.rounds import SettlementModel
from commonworks.simulation.token import CommonsToken, Erc20
from commonworks.simulation.vault import VaultModel


def model_address(name: str) -> bytes:
    """Return the address that the model gives to a contract or an account by default."""
    return keccak256(b"model/" + name.encode())[12:]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """What a network's contracts are founded with."""

    owner: bytes
    """Timelock: what governs Policy, Devices and Guardian, and the treasury; 20 bytes."""
    founder: bytes
    """Account that acts for the owner until genesis; it also mints the test currency."""
    genesis_time: int
    """Start of epoch 0, Unix seconds."""
    epoch_length_s: int
    parameters: tuple[Parameter, ...]
    """The policy of epoch 0."""
    allocations: tuple[tuple[bytes, int], ...] = ()
    """(account, wei) of the token that exists from the beginning."""
    guardian_holder: bytes = bytes(20)
    """Account that may stop a root in its hold period; zero for nobody."""
    guardian_until: int = 0
    """First second in which it may not any more, Unix seconds."""
    bonds_in_currency: bool = False
    """Nodes bond the settlement currency instead of the token."""
    cap_wei: int = 10**31
    """Most token that can ever exist: allocations, and the schedule at its longest half-life."""
    initial_emission_wei: int = 10**21
    currency_code: str = "tEUR"
    manifest_hash: bytes = bytes(32)
    chain_id: int = 1
    token: bytes = model_address("token")
    devices: bytes = model_address("devices")
    nodes: bytes = model_address("nodes")
    settlement: bytes = model_address("settlement")
    vault: bytes = model_address("vault")
    policy: bytes = model_address("policy")
    guardian: bytes = model_address("guardian")
    currency: bytes = model_address("currency")

    @property
    def network_id(self) -> bytes:
        """What the Settlement contract says it is, 32 bytes."""
        contracts = (
            self.settlement,
            self.token,
            self.devices,
            self.nodes,
            self.vault,
            self.policy,
        )
        types = ["string", "uint256", *["address"] * 6, "uint64", "uint64", "bytes32"]
        fixed = (self.genesis_time, self.epoch_length_s, self.manifest_hash)
        return keccak256(encode(types, ["commonworks/1", self.chain_id, *contracts, *fixed]))

    @property
    def network(self) -> Network:
        """What settlement knows about this deployment."""
        return Network(
            network_id=self.network_id,
            genesis_time=self.genesis_time,
            epoch_length_s=self.epoch_length_s,
            token=self.token,
            currency=self.currency,
            currency_code=self.currency_code,
            treasury=self.owner,
            initial_emission_wei=self.initial_emission_wei,
        )


class ContractsModel:
    """All contracts of one network, and the chain under them."""

    def __init__(self, plan: ModelPlan, clock: Clock) -> None:
        self.plan = plan
        self.blocks = Blocks(clock)
        with self.blocks.transaction():
            self.policy = PolicyModel(
                self.blocks,
                owner=plan.owner,
                founder=plan.founder,
                genesis_time=plan.genesis_time,
                epoch_length_s=plan.epoch_length_s,
                parameters=plan.parameters,
            )
        self.token = CommonsToken(
            plan.token,
            minter=plan.vault,
            bonds=bytes(20) if plan.bonds_in_currency else plan.nodes,
            policy=self.policy,
            allocations=plan.allocations,
            cap_wei=plan.cap_wei,
            initial_emission_wei=plan.initial_emission_wei,
        )
        self.currency = Erc20(plan.currency)
        self.devices = DevicesModel(
            self.blocks,
            owner=plan.owner,
            founder=plan.founder,
            founding_ends=plan.genesis_time,
        )
        self.bond_asset = self.currency if plan.bonds_in_currency else self.token
        self.nodes = NodesModel(
            self.blocks, address=plan.nodes, bond_asset=self.bond_asset, policy=self.policy
        )
        self.vault = VaultModel(
            self.blocks,
            address=plan.vault,
            token=self.token,
            policy=self.policy,
            assets={plan.currency: self.currency},
        )
        self.settlement = SettlementModel(
            self.blocks,
            network_id=plan.network_id,
            guardian=plan.guardian,
            nodes=self.nodes,
            policy=self.policy,
            vault=self.vault,
        )
        with self.blocks.transaction():
            self.guardian = GuardianModel(
                self.blocks,
                address=plan.guardian,
                owner=plan.owner,
                founder=plan.founder,
                policy=self.policy,
                stop=self.settlement.halt,
                holder=plan.guardian_holder,
                until=plan.guardian_until,
            )

    @contextmanager
    def transaction(self) -> Iterator[bytes]:
        """Make one block at the clock's present time; yield its transaction's hash.

        Whoever acts inside states the sender with each action. A refusal undoes the block.
        """
        with self.blocks.transaction() as tx:
            yield tx

    def operator(self, account: bytes) -> OperatorChain:
        """Return the chain as the operator with this account sees it."""
        return OperatorChain(self, account)

    def mint_currency(self, sender: bytes, account: bytes, amount: int) -> None:
        """Create test currency; sent by the founder."""
        if sender != self.plan.founder:
            raise refuse("OwnableUnauthorizedAccount", account=sender)
        self.currency.mint(account, amount)

    def deposit(self, account: bytes, asset: bytes, amount: int) -> bytes:
        """Deposit an account's money by its permit, in a block; return the transaction's hash."""
        with self.transaction() as tx:
            self.vault.deposit_with_permit(account, asset, amount, self.blocks.time)
        return tx

    def bond(self, operator: bytes, amount: int) -> bytes:
        """Approve and bond, in two blocks; return the second transaction's hash."""
        with self.transaction():
            self.bond_asset.approve(operator, self.plan.nodes, amount)
        with self.transaction() as tx:
            self.nodes.bond(operator, amount)
        return tx


class OperatorChain:
    """The model's contracts as one operator's account sees them. Implements `ports.Chain`."""

    def __init__(self, contracts: ContractsModel, account: bytes) -> None:
        self._contracts = contracts
        self.account = account

    async def head(self) -> Head:
        """Return the newest block; every block of the model is final."""
        return self._contracts.blocks.head()

    async def events(self, first_block: int, last_block: int) -> Sequence[Event]:
        """Return the events of the blocks first..last, in chain order."""
        return self._contracts.blocks.events(first_block, last_block)

    async def send(self, action: Action) -> bytes:
        """Do `action` as this operator in a block of its own; return the transaction's hash."""
        settlement = self._contracts.settlement
        with self._contracts.transaction() as tx:
            match action:
                case Anchor(tip=tip):
                    settlement.anchor(self.account, tip)
                case Confirm(epoch=epoch, tips=tips):
                    settlement.confirm(self.account, epoch, tips)
                case Close(epoch=epoch):
                    settlement.close(epoch)
                case Attest(epoch=epoch, commitment=commitment):
                    settlement.attest(self.account, epoch, commitment)
                case Finalise(epoch=epoch, commitment=commitment):
                    settlement.finalise(epoch, commitment)
        return tx
