"""Founding a network: keys, manifest, contracts, nodes. Every step looks first at what is there.

Rule: a founding that was cut off at any point goes on when it is called again, and does nothing
twice. Invariant: `network.json` names the chain only when every contract is on it.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from commonworks.chain.accounts import list_accounts
from commonworks.chain.calls import GatewayEntry
from commonworks.chain.deploy import Allocation, GenesisParameter, deploy
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.manifest import Manifest, placed
from commonworks.chain.members import Members
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Conflict, Corrupt, Unavailable
from commonworks.events import (
    Bonded,
    GatewayRegistered,
    VerifierRegistered,
)
from commonworks.gateway import NOTE_KEY, RECEIPT_KEY
from commonworks.resources.base import Resource
from commonworks.storage.keyfiles import read_key, write_key
from commonworks.translog.notes import log_id
from commonworks.units import WEI
from commonworks.wiring.discover import installed_rules_hash, parameters
from commonworks.wiring.home import Home
from commonworks.wiring.session import Progress, Session

FOUNDER: Final = "founder"
RELAYER: Final = "relayer"
TREASURY: Final = "treasury"
GATEWAY: Final = "gateway-1"
VERIFIER: Final = "verifier-1"
REGISTRAR: Final = "registrar"
"""Names that a new network starts with."""

REGISTERED_PORTS: Final = range(10_000, 32_768)
"""Ports of gateways, which are registered for good: below those that systems lend to anyone."""
PORT_TRIES: Final = 100

SYMBOL: Final = "CWK"
CAP_WEI: Final = 100_000_000 * WEI
EMISSION_WEI: Final = 10_000 * WEI
HALF_LIFE_S: Final = 2 * 365 * 86_400
BOND_WEI: Final = 100_000 * WEI
TREASURY_WEI: Final = 10_000_000 * WEI
"""What a new network's token starts with unless its founder says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """What a founder decides."""

    name: str
    demo: bool
    genesis_time: int
    epoch_length_s: int
    currency_code: str
    currency_decimals: int
    currency_address: bytes | None
    overrides: Mapping[str, int]
    """Parameter -> value at genesis, where it is not the default."""


def ensure_account(home: Home, name: str, *, key: bytes | None = None) -> bytes:
    """Return the address of an account of this folder; make it where it is missing."""
    for stored in list_accounts(home.accounts):
        if stored.name == name:
            return stored.address
    return bytes.fromhex(home.new_account(name, key=key).address[2:])


def make_manifest(home: Home, charter: Charter, resources: Mapping[str, Resource]) -> Manifest:
    """Return the manifest of a charter; its accounts must exist."""
    table = parameters(resources)
    rules = int.from_bytes(installed_rules_hash(resources), "big", signed=True)
    values = {
        **{key: parameter.default for key, parameter in table.items()},
        "rules": rules,
        **charter.overrides,
    }
    for key, value in values.items():
        if key not in table:
            raise Conflict(f"no resource of this network has a parameter {key}")
        table[key].check(value)
    return Manifest(
        name=charter.name,
        demo=charter.demo,
        genesis_time=charter.genesis_time,
        epoch_length_s=charter.epoch_length_s,
        token_name=f"{charter.name} Commons",
        token_symbol=SYMBOL,
        cap_wei=CAP_WEI,
        initial_emission_wei=EMISSION_WEI * charter.epoch_length_s // 86_400,
        half_life_epochs=max(1, HALF_LIFE_S // charter.epoch_length_s),
        allocations=(
            Allocation(account=home.address(VERIFIER), amount_wei=BOND_WEI),
            Allocation(account=home.address(TREASURY), amount_wei=TREASURY_WEI),
        ),
        currency_code=charter.currency_code,
        currency_decimals=charter.currency_decimals,
        currency_address=charter.currency_address,
        owner=home.address(FOUNDER),
        guardian=home.address(FOUNDER),
        parameters=tuple(
            GenesisParameter(key=key, value=values[key], minimum=spec.minimum, maximum=spec.maximum)
            for key, spec in sorted(table.items())
        ),
        resources=tuple(sorted(resources)),
    )


async def deploy_network(
    home: Home,
    manifest: Manifest,
    endpoints: Sequence[str],
    progress: Progress,
    *,
    external: bool = False,
) -> Manifest:
    """Create the contracts that are missing; return the manifest with its place, and write it.

    `external`: the endpoints are those of a chain that is not this folder's own.
    """
    if manifest.place is not None:
        return manifest
    connection = Endpoints(endpoints)
    try:
        deployment = await deploy(
            connection,
            home.account(FOUNDER),
            manifest.plan(),
            progress=lambda name: progress(f"contract {name} is on the chain"),
        )
    finally:
        await connection.close()
    lasting = tuple(endpoints) if external else ()
    done = replace(manifest, place=placed(manifest, deployment, lasting))
    home.write_manifest(done)
    return done


def gateway_keys(home: Home, name: str, seeds: Mapping[str, bytes]) -> dict[str, PrivateKey]:
    """Return a gateway's two keys by name; make those that are missing (seeded where given)."""
    folder = home.gateway(name) / "keys"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys: dict[str, PrivateKey] = {}
    for key_name, algorithm in ((NOTE_KEY, Algorithm.EDDSA), (RECEIPT_KEY, Algorithm.ES256)):
        path = folder / f"{key_name}.json"
        if not path.exists():
            write_key(path, _make(algorithm, seeds.get(key_name)))
        keys[key_name] = read_key(path)
    return keys


def _make(algorithm: Algorithm, seed: bytes | None) -> PrivateKey:
    return PrivateKey.generate(algorithm) if seed is None else PrivateKey.from_seed(algorithm, seed)


def gateway_origin(session: Session, name: str) -> str:
    """Return the origin line of a gateway's log."""
    return f"{session.network.network_id[:4].hex()}.commonworks/{name}"


async def register_nodes(
    session: Session, endpoint: str, progress: Progress, seeds: Mapping[str, bytes]
) -> None:
    """Register the first gateway and the first verifier, and bond the verifier."""
    home = session.home
    view = await session.view()
    keys = gateway_keys(home, GATEWAY, seeds)
    origin = gateway_origin(session, GATEWAY)
    note = keys[NOTE_KEY].public.raw
    registered = {type(event): event for event in view.events}
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    try:
        if GatewayRegistered not in registered:
            gateway = Members(endpoints, session.deployment, home.account(GATEWAY))
            await gateway.register_gateway(
                GatewayEntry(
                    name=GATEWAY,
                    origin=origin,
                    endpoint=endpoint,
                    log_id=log_id(origin, note),
                    note_key=note,
                    receipt_key=keys[RECEIPT_KEY].public.raw,
                )
            )
            progress(f"gateway {GATEWAY} is registered")
        verifier = Members(endpoints, session.deployment, home.account(VERIFIER))
        if VerifierRegistered not in registered:
            await verifier.register_verifier(VERIFIER, "")
        if Bonded not in registered:
            await verifier.bond(BOND_WEI)
            progress(f"verifier {VERIFIER} is bonded")
    finally:
        await endpoints.close()


def free_port(path: Path) -> int:
    """Return the port that a gateway was given, or a free one, remembered in `path`."""
    if path.exists():
        text = path.read_text().strip()
        if not text.isdecimal() or not 0 < int(text) < 1 << 16:
            raise Corrupt(f"{path} holds no port", hint="delete it, or write one port into it")
        return int(text)
    candidates = random.SystemRandom().sample(REGISTERED_PORTS, PORT_TRIES)
    port = next(filter(_is_free, candidates), None)
    if port is None:
        raise Unavailable("found no free port for the gateway", hint=f"write one into {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{port}\n")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
