"""What this folder's verifier settled, and how chain, names and results fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commonworks.chain.accounts import address_bytes, address_text
from commonworks.crypto.keys import PublicKey
from commonworks.errors import Conflict, InvalidInput, NotFound
from commonworks.events import (
    Finalised,
)
from commonworks.model import (
    Device,
    Settlement,
    State,
)
from commonworks.settlement.epochs import ChainView
from commonworks.settlement.facts import facts_at
from commonworks.storage.files import FileStore
from commonworks.verifier.role import archived
from commonworks.wiring.founding import VERIFIER
from commonworks.wiring.home import Home
from commonworks.wiring.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One settled epoch."""

    settlement: Settlement
    final: Finalised | None
    """None while no quorum has attested it."""


async def settled_epoch(home: Home, view: ChainView, epoch: int) -> EpochRecord:
    """Return an epoch as this folder's verifier settled it.

    Raises: NotFound when it was not settled; Conflict when the chain finalised something else.
    """
    store = FileStore(home.verifier(VERIFIER))
    try:
        settlement = await archived(store, epoch)
    finally:
        store.close()
    if settlement is None:
        raise NotFound(
            f"epoch {epoch} is not settled here", hint=f"closed so far: {len(view.closed)} epochs"
        )
    final = view.finalised.get(epoch)
    if final is not None and final.digest != settlement.digest:
        raise Conflict(
            f"epoch {epoch} was finalised with another digest than was settled here",
            hint=f"see where they part: commonworks audit {epoch}",
        )
    return EpochRecord(settlement=settlement, final=final)


async def stored_settlement(home: Home, epoch: int) -> Settlement | None:
    """Return an epoch as this folder's verifier stored it, final or not, or None."""
    if not home.verifier(VERIFIER).is_dir():
        return None
    store = FileStore(home.verifier(VERIFIER))
    try:
        return await archived(store, epoch)
    finally:
        store.close()


async def stored_state(home: Home, epoch: int) -> State | None:
    """Return the state that an epoch left, as this folder's verifier stored it, or None."""
    settlement = await stored_settlement(home, epoch)
    return None if settlement is None else settlement.state


def last_final(view: ChainView) -> int:
    """Return the newest finalised epoch; raise NotFound when there is none yet."""
    if not view.finalised:
        raise NotFound("no epoch is finalised yet", hint="wait for the first one to settle")
    return max(view.finalised)


def devices_now(session: Session, view: ChainView) -> Sequence[Device]:
    """Return every device as the chain has it now, by id."""
    horizon = max(session.network.epoch_at(session.clock.now()), 0) + 1
    devices = facts_at(session.network, view.events, horizon).devices
    return [devices[number] for number in sorted(devices)]


def find_device(session: Session, view: ChainView, key: PublicKey) -> Device | None:
    """Return the device that was enrolled for a key, the newest where there are several."""
    found = [d for d in devices_now(session, view) if d.key.thumbprint == key.thumbprint]
    return found[-1] if found else None


def resolve_account(home: Home, text: str) -> bytes:
    """Return the address that a name of this folder, or a 0x address, means."""
    if text.startswith("0x"):
        return address_bytes(text)
    for address, name in named_contracts(home).items():
        if name == text:
            return address
    return home.address(text)


def name_of(home: Home, address: bytes) -> str:
    """Return the name that this folder has for an address, or the address itself."""
    for name, known in home.accounts_here():
        if known == address:
            return name
    return named_contracts(home).get(address, address_text(address))


def named_contracts(home: Home) -> dict[bytes, str]:
    """Return the names of a founded network's contracts that hold money or decide."""
    place = home.manifest().place if home.exists() else None
    if place is None:
        return {}
    named = {
        "timelock": place.government.timelock,
        "governor": place.government.governor,
        "guardian contract": place.government.guardian,
        "exchange": place.government.router,
    }
    return {address: name for name, address in named.items() if address is not None}


def asset_of(session: Session, name: str) -> tuple[bytes, int, str]:
    """Return (address, decimals, symbol) of `token` or `currency`."""
    if name == "token":
        return session.network.token, 18, session.manifest.token_symbol
    if name == "currency":
        return (
            session.network.currency,
            session.manifest.currency_decimals,
            session.network.currency_code,
        )
    raise InvalidInput(f"{name!r} is no asset of this network", hint="write token or currency")
