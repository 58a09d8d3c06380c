"""One opened network as the explorer's `Site`: which adapters, which names, which secret."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from commonworks.chain.manifest import encode_manifest, manifest_hash
from commonworks.errors import Corrupt
from commonworks.explorer.ports import Archive, Backtests, Council, Desk, Ledger
from commonworks.explorer.site import Contracts, Site
from commonworks.storage.keyfiles import inspect_key
from commonworks.wiring.home import Home
from commonworks.wiring.proposals import known_parameters
from commonworks.wiring.records import named_contracts
from commonworks.wiring.session import Session

FOLDER: Final = "explorer"
"""The explorer's folder in a network's folder."""

INDEX: Final = "index.sqlite"
SECRET: Final = "secret"  # noqa: S105 - a file's name
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What stands behind the explorer's ports."""

    archive: Archive
    ledger: Ledger
    council: Council
    desk: Desk
    backtests: Backtests


def folder_of(home: Home) -> Path:
    """Return the explorer's folder."""
    return home.path / FOLDER


def index_of(home: Home) -> Path:
    """Return where the index lies."""
    return folder_of(home) / INDEX


def site_for(
    session: Session,
    engine: Engine,
    adapters: Adapters,
    *,
    command: str,
    hosts: Mapping[str, str],
    names: bool,
    public_rpc: tuple[str, ...],
) -> Site:
    """Return the site of a network.

    Inputs: `command` is how the command line is called here; `hosts` are the names that people
    reach the site at; `names` shows everybody what this folder calls its accounts and devices (a
    demo's are no secret); `public_rpc` are the endpoints that everybody may be told: those of
    network.json may carry the operator's own key, so of a foreign chain none is told otherwise.
    """
    manifest, at = session.manifest, session.deployment
    accounts, devices = _names(session.home) if names else ({}, {})
    return Site(
        engine=engine,
        network=session.network,
        name=manifest.name,
        demo=manifest.demo,
        single_operator=_has_own_chain(session),
        token_symbol=manifest.token_symbol,
        currency_decimals=manifest.currency_decimals,
        mints=bool(session.network.initial_emission_wei),
        manifest=encode_manifest(manifest),
        bond_asset=at.bond_asset,
        contracts=Contracts(
            chain_id=at.chain_id,
            settlement=at.settlement,
            vault=at.vault,
            devices=at.devices,
            nodes=at.nodes,
            policy=at.policy,
            token=at.token,
            currency=at.currency,
            governor=at.government.governor,
            timelock=at.government.timelock,
            membership=at.government.membership,
            router=at.government.router,
            manifest_hash=manifest_hash(manifest),
        ),
        resources=session.resources,
        parameters=known_parameters(session),
        clock=session.clock,
        command=command,
        home=_told_as(session.home.path) if hosts else str(session.home.path.absolute()),
        labels={**accounts, **named_contracts(session.home)},
        device_labels=devices,
        rpc=public_rpc or (session.endpoints if _has_own_chain(session) else ()),
        archive=adapters.archive,
        ledger=adapters.ledger,
        council=adapters.council,
        desk=adapters.desk,
        backtests=adapters.backtests,
        hosts=hosts,
        secret=_secret(session.home),
    )


def _told_as(home: Path) -> str:
    """Return a folder as readers elsewhere are told of it: none of where it lies here."""
    return str(Path("home") / home.name) if home.is_absolute() else str(home)


def _has_own_chain(session: Session) -> bool:
    place = session.manifest.place
    return place is None or not place.endpoints


def _names(home: Home) -> tuple[Mapping[bytes, str], Mapping[bytes, str]]:
    """Return what a folder calls its accounts and its devices' keys."""
    accounts = {address: name for name, address in home.accounts_here()}
    devices: dict[bytes, str] = {}
    for name in home.device_names():
        devices[inspect_key(home.device_file(name)).public.thumbprint] = name
    return accounts, devices


def _secret(home: Home) -> bytes:
    """Return what signs sessions, made once; only this user can read it."""
    place = folder_of(home) / SECRET
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
    found = place.read_bytes()
    if len(found) != SECRET_BYTES:
        raise Corrupt(f"{place} is damaged", hint="delete it; whoever signed in does so again")
    return found
