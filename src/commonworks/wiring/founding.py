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
from commonworks.chain.deploy import deploy
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.exchange import add_genesis_liquidity, has_liquidity
from commonworks.chain.manifest import Bonds, Liquidity, Manifest, Votes, placed
from commonworks.chain.members import Members
from commonworks.chain.plan import (
    ORDER,
    Allocation,
    Deployment,
    GenesisParameter,
    created_address,
)
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
from commonworks.units import DAY_S
from commonworks.wiring.discover import installed_rules_hash, parameters
from commonworks.wiring.home import Home
from commonworks.wiring.profiles import (
    Economy,
    Profile,
    bounds_of,
    economy_of,
    profile_values,
)
from commonworks.wiring.session import Progress, Session

FOUNDER: Final = "founder"
RELAYER: Final = "relayer"
GUARDIAN: Final = "guardian"
LIQUIDITY: Final = "liquidity"
GATEWAY: Final = "gateway-1"
VERIFIER: Final = "verifier-1"
REGISTRAR: Final = "registrar"
"""Names that a new network starts with."""
FOUNDING_ACCOUNTS: Final = (FOUNDER, RELAYER, GUARDIAN, LIQUIDITY, GATEWAY, VERIFIER)

GUARDIAN_TERM_S: Final = 180 * DAY_S
"""How long after genesis the first guardian may halt; a vote renews it."""

REGISTERED_PORTS: Final = range(10_000, 32_768)
"""Ports of gateways, which are registered for good: below those that systems lend to anyone."""
PORT_TRIES: Final = 100

SYMBOL: Final = "CWK"
"""What a new network's token is called for short."""


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
    profile: Profile
    members: tuple[bytes, ...]
    """Who has a vote at first, where members vote."""
    own_exchange: bool
    """Create an exchange and its first liquidity, where the profile has one."""
    router: bytes | None
    """Router of an exchange that exists already."""
    overrides: Mapping[str, int]
    """Parameter -> value at genesis, where it is not the default."""


def ensure_account(home: Home, name: str, *, key: bytes | None = None) -> bytes:
    """Return the address of an account of this folder; make it where it is missing."""
    for stored in list_accounts(home.accounts):
        if stored.name == name:
            return stored.address
    return bytes.fromhex(home.new_account(name, key=key).address[2:])


def has_relayer(home: Home) -> bool:
    """Tell whether this folder has an account that hands in what members sign."""
    return any(stored.name == RELAYER for stored in list_accounts(home.accounts))


def make_manifest(home: Home, charter: Charter, resources: Mapping[str, Resource]) -> Manifest:
    """Return the manifest of a charter; its accounts must exist."""
    table = parameters(resources)
    economy = economy_of(charter.profile, charter.currency_decimals)
    rules = int.from_bytes(installed_rules_hash(resources), "big", signed=True)
    values = {
        **{key: parameter.default for key, parameter in table.items()},
        "rules": rules,
        **profile_values(economy, charter.epoch_length_s),
        **charter.overrides,
    }
    for key, value in values.items():
        if key not in table:
            raise Conflict(f"no resource of this network has a parameter {key}")
        table[key].check(value)
    bounds = {key: bounds_of(key, table, charter.epoch_length_s) for key in table}
    liquidity = _liquidity(home, charter, economy)
    return Manifest(
        name=charter.name,
        demo=charter.demo,
        genesis_time=charter.genesis_time,
        epoch_length_s=charter.epoch_length_s,
        token_name=f"{charter.name} Commons",
        token_symbol=SYMBOL,
        cap_wei=economy.cap_wei,
        initial_emission_wei=economy.emission_wei_per_day * charter.epoch_length_s // DAY_S,
        allocations=_allocations(home, economy, liquidity),
        currency_code=charter.currency_code,
        currency_decimals=charter.currency_decimals,
        currency_address=charter.currency_address,
        founder=home.address(FOUNDER),
        guardian=home.address(GUARDIAN),
        guardian_until=charter.genesis_time + GUARDIAN_TERM_S,
        votes=economy.votes,
        members=charter.members if economy.votes is Votes.MEMBERSHIP else (),
        bonds=economy.bonds,
        liquidity=liquidity,
        router=charter.router,
        parameters=tuple(
            GenesisParameter(key=key, value=values[key], minimum=least, maximum=most)
            for key, (least, most) in sorted(bounds.items())
        ),
        resources=tuple(sorted(resources)),
    )


def _liquidity(home: Home, charter: Charter, economy: Economy) -> Liquidity | None:
    if not charter.own_exchange or charter.router is not None or not economy.liquidity_wei:
        return None
    return Liquidity(
        account=home.address(LIQUIDITY),
        token_wei=economy.liquidity_wei,
        currency=economy.liquidity_currency * 10**charter.currency_decimals,
    )


def _allocations(
    home: Home, economy: Economy, liquidity: Liquidity | None
) -> tuple[Allocation, ...]:
    """Return who holds token at genesis: bonds of the first nodes, treasury, liquidity."""
    wanted: list[tuple[bytes, int]] = []
    if economy.bonds is Bonds.TOKEN:
        wanted.append((home.address(VERIFIER), economy.verifier_bond))
        wanted.append((home.address(GATEWAY), economy.gateway_bond))
    # The timelock's address follows from the founder's, whose first transactions create contracts.
    timelock = created_address(home.address(FOUNDER), ORDER.index("CommonsTimelock"))
    wanted.append((timelock, economy.treasury_wei))
    if liquidity is not None:
        wanted.append((liquidity.account, liquidity.token_wei))
    return tuple(
        Allocation(account=account, amount_wei=amount) for account, amount in wanted if amount
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
    founder = home.account(FOUNDER)
    try:
        deployment = await deploy(
            connection,
            founder,
            manifest.plan(),
            progress=lambda name: progress(f"contract {name} is on the chain"),
        )
        if manifest.liquidity is not None:
            await _provide(home, connection, deployment, manifest.liquidity, progress)
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


async def _provide(
    home: Home,
    connection: Endpoints,
    deployment: Deployment,
    liquidity: Liquidity,
    progress: Progress,
) -> None:
    """Give the exchange its first liquidity; the timelock owns it."""
    provider = Members(connection, deployment, home.account(LIQUIDITY))
    missing = liquidity.currency - await provider.balance(deployment.currency, liquidity.account)
    done = await has_liquidity(provider)
    if missing > 0 and not done:
        founder = Members(connection, deployment, home.account(FOUNDER))
        await founder.mint_currency(liquidity.account, missing)
    await add_genesis_liquidity(provider, liquidity.token_wei, liquidity.currency)
    if not done:
        progress("the exchange has its first liquidity")


async def register_nodes(
    session: Session, endpoint: str, progress: Progress, seeds: Mapping[str, bytes]
) -> None:
    """Register the first gateway and the first verifier, and bond both."""
    home = session.home
    view = await session.view()
    keys = gateway_keys(home, GATEWAY, seeds)
    origin = gateway_origin(session, GATEWAY)
    note = keys[NOTE_KEY].public.raw
    registered = {type(event) for event in view.events}
    bonded = {event.operator for event in view.events if isinstance(event, Bonded)}
    economy = session_economy(session)
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    try:
        gateway = Members(endpoints, session.deployment, home.account(GATEWAY))
        if GatewayRegistered not in registered:
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
        for name, node, amount in (
            (GATEWAY, gateway, economy.gateway_bond),
            (VERIFIER, verifier, economy.verifier_bond),
        ):
            if home.address(name) not in bonded:
                await _bond(session, node, home.address(name), amount)
                progress(f"{name} is bonded")
    finally:
        await endpoints.close()


def session_economy(session: Session) -> Economy:
    """Return what the profile of a network fixes."""
    coop = session.manifest.votes is Votes.MEMBERSHIP
    profile = Profile.COOP if coop else Profile.COMMONS
    return economy_of(profile, session.manifest.currency_decimals)


async def _bond(session: Session, node: Members, operator: bytes, amount: int) -> None:
    """Bond a node; where the test currency is what nodes bond, the founder makes it first."""
    manifest = session.manifest
    missing = amount - await node.balance(session.deployment.bond_asset, operator)
    if missing > 0 and manifest.bonds is Bonds.CURRENCY and manifest.currency_address is None:
        founder = Members(node.endpoints, session.deployment, session.home.account(FOUNDER))
        await founder.mint_currency(operator, missing)
    await node.bond(amount)


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
