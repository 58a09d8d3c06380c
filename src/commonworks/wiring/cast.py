"""Putting a simulated world on a real network: its accounts, devices, deposits and statements.

Keys are derived from the demo's seed, so anybody can derive them: a folder with such keys is marked
and never used on another chain. Every step looks first at what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from commonworks.chain.accounts import address_text
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.members import Members
from commonworks.chain.messages import (
    Enrolment,
    sign_enrolment,
    sign_permit,
    sign_spend_limit,
)
from commonworks.crypto.keys import Algorithm
from commonworks.events import (
    Deposited,
    Enrolled,
    ReferenceSet,
    RegistrarSet,
    SpendLimitSet,
)
from commonworks.resources.simulator import Actor
from commonworks.settlement.epochs import ChainView
from commonworks.simulation.actors import Player, Signers, derive
from commonworks.wiring.founding import FOUNDER, REGISTRAR, RELAYER, ensure_account
from commonworks.wiring.home import Home
from commonworks.wiring.session import Progress, Session

E = TypeVar("E")

DEADLINE_S: Final = 86_400
"""How long a relayed message may be handed in, network time."""


def make_accounts(home: Home, seed: int, players: Sequence[Player]) -> None:
    """Make every account and device key of the demo that is missing."""
    names = [player.world.cast for player in players]
    owners = member_names(players)
    owners |= {name for cast in names for name in cast.service_accounts.values()}
    owners |= {name for cast in names for name in cast.deposits_micro}
    for name in sorted(owners):
        ensure_account(home, name, key=derive(seed, f"account/{name}"))
    for cast in names:
        for actor in cast.actors:
            if not home.device_file(actor.name).exists():
                home.new_device(
                    actor.name, actor.algorithm, seed=derive(seed, f"device/{actor.name}")
                )
    if not home.device_file(REGISTRAR).exists():
        home.new_device(REGISTRAR, Algorithm.EDDSA, seed=derive(seed, "registrar"))


def member_names(players: Sequence[Player]) -> set[str]:
    """Return who owns a device of the demo."""
    return {
        actor.owner for player in players for actor in player.world.cast.actors if actor.enrolled
    }


def overrides(home: Home, players: Sequence[Player]) -> dict[str, int]:
    """Return the policy values that name the demo's service accounts."""
    return {
        key: int.from_bytes(home.address(name), "big")
        for player in players
        for key, name in player.world.cast.service_accounts.items()
    }


async def enrol_cast(session: Session, players: Sequence[Player], progress: Progress) -> None:
    """Enrol devices, admit registrar and references, deposit, set limits: all relayed."""
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    try:
        for player in players:
            await _enrol_player(session, player, endpoints, progress)
        await _fund(session, players, endpoints, progress)
    finally:
        await endpoints.close()


async def _enrol_player(
    session: Session, player: Player, endpoints: Endpoints, progress: Progress
) -> None:
    home, cast = session.home, player.world.cast
    relayer = Members(endpoints, session.deployment, home.account(RELAYER))
    founder = Members(endpoints, session.deployment, home.account(FOUNDER))
    view = await session.view()
    await _enrol_devices(session, player, relayer, view, progress)
    view = await session.view()
    ids = device_ids(session.home, view, cast.actors)
    registrar = home.device_key(REGISTRAR).public
    known = {(e.resource.rstrip(b"\0"), e.thumbprint) for e in _of(view, RegistrarSet)}
    if (player.resource.name.encode(), registrar.thumbprint) not in known:
        await founder.set_registrar(player.resource.name, registrar)
    admitted = {event.device for event in _of(view, ReferenceSet)}
    for actor in cast.actors:
        if actor.reference and ids[actor.name] not in admitted:
            await founder.set_reference(ids[actor.name])
            progress(f"{actor.name} is admitted as reference")
    await _limit(session, player, relayer, view, ids)


async def _enrol_devices(
    session: Session, player: Player, relayer: Members, view: ChainView, progress: Progress
) -> None:
    home = session.home
    there = {(event.owner, event.thumbprint) for event in _of(view, Enrolled)}
    nonces: dict[str, int] = {}
    signed = []
    for actor in player.world.cast.actors:
        key = home.device_key(actor.name).public
        if not actor.enrolled or (home.address(actor.owner), key.thumbprint) in there:
            continue
        if actor.owner not in nonces:
            nonces[actor.owner] = await relayer.enrol_nonce(home.address(actor.owner))
        signed.append(
            sign_enrolment(
                home.signer(actor.owner),
                session.deployment,
                Enrolment(key=key, resource=player.resource.name, cell=actor.cell),
                nonce=nonces[actor.owner],
                deadline=session.clock.now() + DEADLINE_S,
            )
        )
        nonces[actor.owner] += 1
    if signed:
        await relayer.enrol_all(signed)
        progress(f"{len(signed)} devices enrolled, every signature relayed")


async def _fund(
    session: Session, players: Sequence[Player], endpoints: Endpoints, progress: Progress
) -> None:
    """Give the demo's members test currency and deposit it by their own permits."""
    home, currency = session.home, session.network.currency
    relayer = Members(endpoints, session.deployment, home.account(RELAYER))
    founder = Members(endpoints, session.deployment, home.account(FOUNDER))
    funded = {event.account for event in _of(await session.view(), Deposited)}
    wanted: Counter[str] = Counter()
    for player in players:
        for owner, amount in sorted(player.world.cast.deposits_micro.items()):
            if home.address(owner) not in funded:
                wanted[owner] += amount
    missing = [
        relayer.calls.mint_currency(home.address(owner), amount)
        for owner, amount in wanted.items()
        if await relayer.balance(currency, home.address(owner)) < amount
    ]
    if missing:
        await founder.batch(missing)
    domain = await relayer.permit_domain(currency)
    permits = [
        sign_permit(
            home.signer(owner),
            session.deployment,
            currency,
            amount,
            domain=domain,
            nonce=await relayer.permit_nonce(currency, home.address(owner)),
            deadline=session.clock.now() + DEADLINE_S,
        )
        for owner, amount in wanted.items()
    ]
    if permits:
        await relayer.batch([relayer.calls.deposit_with_permit(item) for item in permits])
        total = sum(wanted.values()) // 10**session.manifest.currency_decimals
        code = session.network.currency_code
        progress(f"{len(permits)} members deposited {total:,} {code} by signed permits")


async def _limit(
    session: Session, player: Player, relayer: Members, view: ChainView, ids: Mapping[str, int]
) -> None:
    """Set what each device may spend, as its owner signed it."""
    home = session.home
    there = {(event.account, event.device) for event in _of(view, SpendLimitSet)}
    nonces: dict[str, int] = {}
    signed = []
    for actor in player.world.cast.actors:
        if not actor.spend_limit_micro or not actor.enrolled:
            continue
        owner = home.address(actor.owner)
        if (owner, ids[actor.name]) in there:
            continue
        if actor.owner not in nonces:
            nonces[actor.owner] = await relayer.vault_nonce(owner)
        signed.append(
            sign_spend_limit(
                home.signer(actor.owner),
                session.deployment,
                ids[actor.name],
                actor.spend_limit_micro,
                nonce=nonces[actor.owner],
                deadline=session.clock.now() + DEADLINE_S,
            )
        )
        nonces[actor.owner] += 1
    if signed:
        await relayer.batch([relayer.calls.set_spend_limit_for(item) for item in signed])


def _of(view: ChainView, kind: type[E]) -> list[E]:
    return [event for event in view.events if isinstance(event, kind)]


def device_ids(home: Home, view: ChainView, actors: Sequence[Actor]) -> dict[str, int]:
    """Return the chain's id of each enrolled device, by name."""
    by_key = {event.thumbprint: event.device for event in _of(view, Enrolled)}
    return {
        actor.name: by_key[home.device_key(actor.name).public.thumbprint]
        for actor in actors
        if actor.enrolled
    }


# --- statements ---------------------------------------------------------------------------------


def signers(home: Home, network_id: bytes, players: Sequence[Player]) -> Signers:
    """Return what signs for the simulated devices of this folder. Keys are read once."""
    actors = [actor for player in players for actor in player.world.cast.actors]
    return Signers(
        network_id,
        players,
        keys={actor.name: home.device_key(actor.name) for actor in actors},
        registrar=home.device_key(REGISTRAR),
        addresses={
            owner: home.address(owner)
            for owner in sorted({actor.owner for actor in actors if actor.enrolled})
        },
    )


def account_names(home: Home, names: Sequence[str]) -> dict[bytes, str]:
    """Return the names of accounts by address, for people."""
    return {home.address(name): name for name in names}


def short(address: bytes) -> str:
    """Return an address short enough for a table."""
    text = address_text(address)
    return f"{text[:8]}..{text[-4:]}"
