"""What a simulated network is founded with, and everything that its devices will say.

Goal: many runs in different weather over one script, signed once. Rule: a script follows from its
setting alone; no run changes it. Keys and addresses are those of a demo with the same seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from eth_account import Account
from eth_account.signers.local import LocalAccount

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import InvalidInput
from commonworks.events import Share
from commonworks.gateway import NOTE_KEY, RECEIPT_KEY
from commonworks.model import Network
from commonworks.policy import KERNEL_PARAMETERS, parameter_table
from commonworks.resources.base import Resource
from commonworks.settlement.facts import word_of
from commonworks.simulation.actors import BEFORE_S, HOUR_S, Player, Said, Signed, Signers, derive
from commonworks.simulation.contracts import ContractsModel, ModelPlan, model_address
from commonworks.simulation.devices import EnrolledKey
from commonworks.simulation.governance import Parameter
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.translog.notes import log_id
from commonworks.units import DAY_S, PPM, WEI

FOUNDER: Final = "founder"
RELAYER: Final = "relayer"
GATEWAY: Final = "gateway-1"
VERIFIER: Final = "verifier-1"
"""Accounts, and machines, that a simulated network has besides its members."""

GATEWAY_URL: Final = f"http://{GATEWAY}"
TIMELOCK: Final = model_address("timelock")
"""What owns everything that is governed, and the treasury; nobody has its key."""

EMISSION_WEI: Final = 10_000 * WEI
SHARED_EVERY: Final = 3
SHARED_PPM: Final = 333_333
"""Part of every third device's earnings that goes to another account than its owner's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A simulated network: everything about it but the weather."""

    players: tuple[Player, ...]
    """The worlds that take part."""
    epochs: int
    """Epochs that are played."""
    seed: int = 1
    """Of every key."""
    agents: int = 3
    """Agents among which the owners are shared out."""
    overrides: Mapping[str, int] = field(default_factory=dict)
    """Parameter -> value at genesis where it is not the default."""
    epoch_length_s: int = DAY_S
    wishes: bool = True
    """Whether members also deposit and withdraw while the epochs run, and share devices."""
    verifier_bond: int = 100_000 * WEI
    """In the smallest unit of what nodes bond."""
    gateway_bond: int = 10_000 * WEI
    """In the smallest unit of what nodes bond."""
    plan: ModelPlan | None = None
    """The contracts, where they are to be those of another network (a demo's, for example)."""


def account_of(seed: int, name: str) -> LocalAccount:
    """Return the account of that name, with its key."""
    account: LocalAccount = Account.from_key(derive(seed, f"account/{name}"))
    return account


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a member asks of the Vault while an epoch runs."""

    time_s: int
    account: bytes
    deposit: int
    """Currency paid in; 0 for none."""
    withdrawal: int
    """Currency asked back; 0 for none."""


class Script:
    """One setting, worked out: accounts, keys, and statements signed when they are first needed."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.resources: dict[str, Resource] = {p.resource.name: p.resource for p in setting.players}
        casts = [player.world.cast for player in setting.players]
        names = {a.owner for cast in casts for a in cast.actors}
        names |= {name for cast in casts for name in cast.service_accounts.values()}
        names |= {name for cast in casts for name in cast.deposits_micro}
        names |= {FOUNDER, RELAYER, GATEWAY, VERIFIER}
        self.addresses = {
            name: bytes.fromhex(account_of(setting.seed, name).address[2:])
            for name in sorted(names)
        }
        self.plan = setting.plan if setting.plan is not None else self._plan()
        self.network: Network = self.plan.network
        if min(cast.length_s for cast in casts) < setting.epochs * self.plan.epoch_length_s:
            raise InvalidInput(f"the data do not reach for {setting.epochs} epochs")
        seed = setting.seed
        self.keys = {
            actor.name: PrivateKey.from_seed(actor.algorithm, derive(seed, f"device/{actor.name}"))
            for cast in casts
            for actor in cast.actors
        }
        self.registrar = PrivateKey.from_seed(Algorithm.EDDSA, derive(seed, "registrar"))
        algorithms = {NOTE_KEY: Algorithm.EDDSA, RECEIPT_KEY: Algorithm.ES256}
        self.gateway_keys = {
            name: PrivateKey.from_seed(algorithm, derive(seed, f"gateway/{name}"))
            for name, algorithm in algorithms.items()
        }
        self.signers = Signers(
            self.network.network_id,
            setting.players,
            keys=self.keys,
            registrar=self.registrar,
            addresses=self.addresses,
        )
        self._said: dict[int, Said] = {}

    @property
    def start(self) -> int:
        """Genesis."""
        return self.network.genesis_time

    @property
    def length_s(self) -> int:
        """Length of all epochs that are played."""
        return self.setting.epochs * self.network.epoch_length_s

    @property
    def origin(self) -> str:
        """Origin of the gateway's log."""
        return f"{self.network.network_id[:4].hex()}.commonworks/{GATEWAY}"

    @property
    def log_id(self) -> bytes:
        """The gateway's log."""
        return log_id(self.origin, self.gateway_keys[NOTE_KEY].public.raw)

    def account(self, name: str) -> LocalAccount:
        """Return an account with its key."""
        return account_of(self.setting.seed, name)

    @cached_property
    def standing(self) -> tuple[Signed, ...]:
        """What is said before the first epoch opens."""
        time_s = self.start - BEFORE_S
        return tuple(
            signed
            for player in self.setting.players
            for signed in self.signers.standing(player, time_s)
        )

    def said(self, hour: int) -> Said:
        """Return what devices say when the hour from genesis + `hour` hours is over."""
        if hour not in self._said:
            at = self.start + hour * HOUR_S
            self._said[hour] = self.signers.said(at, at + HOUR_S)
        return self._said[hour]

    def agent_of(self, owner: str) -> int:
        """Return the number of the agent that speaks for an owner's devices."""
        return sorted(self.addresses).index(owner) % self.setting.agents if owner else 0

    def wishes(self) -> list[Wish]:
        """Return what members ask of the Vault: in each epoch one withdraws, one pays in more."""
        deposits = sorted(self._deposits().items())
        if not self.setting.wishes or not deposits:
            return []
        wishes = []
        for epoch in range(self.setting.epochs):
            time_s = self.network.epoch_start(epoch) + self.network.epoch_length_s // 2
            for turn, part in enumerate((4, 10)):
                name, amount = deposits[(2 * epoch + turn) % len(deposits)]
                wishes.append(
                    Wish(
                        time_s=time_s,
                        account=self.addresses[name],
                        deposit=amount // part if turn else 0,
                        withdrawal=0 if turn else amount // part,
                    )
                )
        return wishes

    def found(self, contracts: ContractsModel) -> None:
        """Register the nodes, enrol the members' devices, deposit and limit, each in a block."""
        self._register_nodes(contracts)
        for player in self.setting.players:
            self._enrol(contracts, player)
        for name, amount in sorted(self._deposits().items()):
            account = self.addresses[name]
            contracts.mint_currency(self.plan.founder, account, amount)
            contracts.deposit(account, self.plan.currency, amount)

    def adopt_sites(self, contracts: ContractsModel) -> None:
        """Put every site table in force."""
        for player in self.setting.players:
            site = self.signers.site(player, self.start - BEFORE_S)
            if site is None:
                continue
            decoded = decode_statement(site.statement, None)
            if isinstance(decoded, Reason):
                raise InvalidInput(f"the site table of {player.resource.name} is {decoded}")
            with contracts.transaction():
                contracts.devices.adopt_site(
                    self.plan.founder,
                    resource=word_of(player.resource.name),
                    site=derive(0, player.resource.name),
                    statement=decoded.identity,
                )

    def _plan(self) -> ModelPlan:
        """Return contracts with default parameters and service accounts of our own."""
        table = parameter_table([KERNEL_PARAMETERS, *(r.parameters for r in self._resources())])
        named = {
            key: int.from_bytes(self.addresses[name], "big")
            for player in self.setting.players
            for key, name in player.world.cast.service_accounts.items()
        }
        values = {key: parameter.default for key, parameter in table.items()}
        values |= named | dict(self.setting.overrides)
        genesis_time = max(player.world.cast.start_s for player in self.setting.players)
        bonds = ((VERIFIER, self.setting.verifier_bond), (GATEWAY, self.setting.gateway_bond))
        longest = table["half_life_epochs"].maximum
        return ModelPlan(
            owner=TIMELOCK,
            founder=self.addresses[FOUNDER],
            guardian_holder=self.addresses[FOUNDER],
            guardian_until=genesis_time + 180 * DAY_S,
            genesis_time=genesis_time,
            epoch_length_s=self.setting.epoch_length_s,
            parameters=tuple(
                Parameter(
                    key=word_of(key), value=values[key], minimum=spec.minimum, maximum=spec.maximum
                )
                for key, spec in sorted(table.items())
            ),
            allocations=tuple((self.addresses[name], bond) for name, bond in bonds),
            cap_wei=sum(bond for _, bond in bonds) + EMISSION_WEI * 2 * (longest + 2),
            initial_emission_wei=EMISSION_WEI,
            manifest_hash=derive(self.setting.seed, "manifest"),
        )

    def _resources(self) -> Sequence[Resource]:
        return [player.resource for player in self.setting.players]

    def _deposits(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for player in self.setting.players:
            for name, amount in player.world.cast.deposits_micro.items():
                total[name] = total.get(name, 0) + amount
        return total

    def _register_nodes(self, contracts: ContractsModel) -> None:
        gateway, verifier = self.addresses[GATEWAY], self.addresses[VERIFIER]
        with contracts.transaction():
            contracts.nodes.register_gateway(
                gateway,
                name=GATEWAY,
                origin=self.origin,
                endpoint=GATEWAY_URL,
                log_id=self.log_id,
                note_key=self.gateway_keys[NOTE_KEY].public.raw,
                receipt_key=self.gateway_keys[RECEIPT_KEY].public.raw,
            )
        with contracts.transaction():
            contracts.nodes.register_verifier(verifier, name=VERIFIER, endpoint="")
        bonds = ((gateway, self.setting.gateway_bond), (verifier, self.setting.verifier_bond))
        for operator, bond in bonds:
            if self.plan.bonds_in_currency:
                contracts.mint_currency(self.plan.founder, operator, bond)
            contracts.bond(operator, bond)

    def _enrol(self, contracts: ContractsModel, player: Player) -> None:
        """Enrol a world's devices in the cast's order, so that ids are those of a demo."""
        resource, founder = word_of(player.resource.name), self.plan.founder
        deadline = contracts.blocks.time + DAY_S
        ids: dict[str, int] = {}
        actors = [actor for actor in player.world.cast.actors if actor.enrolled]
        for actor in actors:
            key = self.keys[actor.name].public
            with contracts.transaction():
                ids[actor.name] = contracts.devices.enrol_for(
                    self.addresses[RELAYER],
                    self.addresses[actor.owner],
                    EnrolledKey(
                        thumbprint=key.thumbprint,
                        algorithm=int(key.algorithm),
                        public_key=key.raw,
                        resource=resource,
                        cell=actor.cell,
                    ),
                    deadline,
                )
        with contracts.transaction():
            contracts.devices.set_registrar(
                founder,
                resource=resource,
                thumbprint=self.registrar.public.thumbprint,
                algorithm=int(self.registrar.public.algorithm),
                public_key=self.registrar.public.raw,
                active=True,
            )
        for actor in actors[::SHARED_EVERY] if self.setting.wishes else ():
            self._share(contracts, ids[actor.name], self.addresses[actor.owner])
        for actor in actors:
            if actor.reference:
                with contracts.transaction():
                    contracts.devices.set_reference(founder, ids[actor.name], admitted=True)
            if actor.spend_limit_micro:
                with contracts.transaction():
                    contracts.vault.set_spend_limit(
                        self.addresses[actor.owner], ids[actor.name], actor.spend_limit_micro
                    )

    def _share(self, contracts: ContractsModel, device: int, owner: bytes) -> None:
        """Let a device's owner share what it earns with the relayer, who has no device."""
        ppm = {owner: PPM - SHARED_PPM, self.addresses[RELAYER]: SHARED_PPM}
        shares = [Share(account=account, ppm=part) for account, part in sorted(ppm.items())]
        with contracts.transaction():
            contracts.devices.set_payees(owner, device, shares)
