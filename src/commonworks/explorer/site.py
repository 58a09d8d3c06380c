"""What every page and every answer needs: one value, made by wiring, carried by the application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine

from commonworks.explorer.alerts.desk import AlertDesk
from commonworks.explorer.ports import Archive, Backtests, Council, Desk, Ledger
from commonworks.explorer.proofs import PayoutTrees
from commonworks.explorer.sessions import Door
from commonworks.explorer.web.counts import Counts
from commonworks.explorer.web.stream import Broadcast
from commonworks.explorer.web.turns import Turns
from commonworks.model import Network
from commonworks.policy import Parameter
from commonworks.ports import Clock
from commonworks.resources.base import Resource
from commonworks.units import WEI_DECIMALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Where the network's contracts are; 20 bytes each, None where the network has none."""

    chain_id: int
    settlement: bytes
    vault: bytes
    devices: bytes
    nodes: bytes
    policy: bytes
    token: bytes
    currency: bytes
    governor: bytes
    timelock: bytes
    membership: bytes | None
    router: bytes | None
    manifest_hash: bytes | None = None
    """Hash of the manifest, 32 bytes: a part of the network id (docs/spec/digest.md)."""


@dataclass(slots=True, kw_only=True)
class Site:
    """One network as the explorer shows it."""

    engine: Engine
    """The index, for reading."""
    network: Network
    name: str
    """The network's name, from its manifest: hostile until escaped."""
    demo: bool
    single_operator: bool
    """The chain is the embedded one: say so wherever it is shown."""
    token_symbol: str
    currency_decimals: int
    mints: bool
    """Whether tokens are ever minted."""
    manifest: bytes
    """The network's manifest, as the JSON of `network.json`."""
    bond_asset: bytes
    """Address of the asset that nodes bond."""
    contracts: Contracts
    resources: Mapping[str, Resource]
    parameters: Mapping[str, Parameter]
    """Every parameter that this release knows, by key."""
    clock: Clock
    command: str
    """The command line that works on this network: `commonworks`."""
    home: str
    """What stands after --home in printed commands."""
    labels: Mapping[bytes, str]
    """Account -> name, for people: a demo's members, contracts."""
    device_labels: Mapping[bytes, str]
    """Key thumbprint -> a device's name, for people."""
    rpc: tuple[str, ...]
    """Chain endpoints that a wallet can be told."""
    archive: Archive
    ledger: Ledger
    council: Council
    desk: Desk
    backtests: Backtests
    """Proposals tried on the past."""
    broadcast: Broadcast = field(default_factory=Broadcast)
    """What happens, to whoever listens."""
    counts: Counts = field(default_factory=Counts)
    """Figures that change only with the index."""
    trees: PayoutTrees = field(default_factory=PayoutTrees)
    """Payout trees of the epochs that were asked for last."""
    turns: Turns = field(default_factory=Turns)
    """Who reads a log now."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Hosts (`name` or `name:port`) that people reach it at -> `https` or `http`; none: this
    machine only. What a wallet signs counts for these."""
    alerts: AlertDesk | None = None
    """Who wants to be told what; None: this explorer tells nobody."""
    door: Door = field(default_factory=Door)
    """Who comes in: nonces given out and used, sessions ended."""
    secret: bytes
    """Signs sessions; 32 random bytes that never leave the process and its folder."""

    @property
    def token_decimals(self) -> int:
        """Decimal places of the token."""
        return WEI_DECIMALS

    def asset(self, address: bytes) -> tuple[str, int]:
        """Return (symbol, decimals) of an asset; its address and 0 where it is not ours."""
        if address == self.network.token:
            return self.token_symbol, WEI_DECIMALS
        if address == self.network.currency:
            return self.network.currency_code, self.currency_decimals
        return "0x" + address.hex(), 0
