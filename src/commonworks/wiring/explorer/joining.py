"""Joining a network that others run: its configuration from an explorer, checked, in a new folder.

Rule: nothing is written before the chain has shown to be the network that the configuration speaks
of: its network id, its manifest's hash, its first block, its government. What is in the folder is
never replaced, except by newer endpoints of the very same network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import SplitResult, urlsplit, urlunsplit

from commonworks.chain.abi import contract
from commonworks.chain.deploy import check_government, read_deployment
from commonworks.chain.endpoints import Endpoint, Endpoints
from commonworks.chain.manifest import ChainPlace, Manifest, decode_manifest, manifest_hash
from commonworks.chain.members import Members
from commonworks.errors import CommonworksError, Conflict, Corrupt, InvalidInput, NotFound
from commonworks.explorer import cells
from commonworks.transport.client import HttpTransport
from commonworks.wiring import documents
from commonworks.wiring.discover import select_resources
from commonworks.wiring.home import Home

FORMAT: Final = "commonworks-join/1"
CONFIGURATION_PATH: Final = "/api/v1/join/configuration"
BYTES_MAX: Final = 1 << 20
"""Largest configuration."""
ENDPOINTS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What an explorer tells a fresh machine; nothing of it is believed yet."""

    network_id: bytes
    manifest: Manifest
    place: ChainPlace
    endpoints: tuple[str, ...]
    resource: str | None
    cell: int
    """Map cell that the newcomer chose, as fine as it was allowed then; 0: none."""
    device: str | None
    """Name that the newcomer chose for its device."""


async def fetch(source: str) -> Invitation:
    """Return the invitation at an explorer's address or in a file.

    Raises: NotFound or Unavailable where there is none, InvalidInput where it is something else.
    """
    if not source.startswith(("http://", "https://")):
        return parse(_read(Path(source)))
    url = configuration_url(source)
    async with HttpTransport() as transport:
        status, body = await transport.get(
            url, {"accept": "application/json", "accept-encoding": "identity"}
        )
    if status != HTTPStatus.OK:
        raise NotFound(
            f"{url} answered {status}", hint="give the address that the explorer's page shows"
        )
    return parse(body)


def configuration_url(source: str) -> str:
    """Return where an explorer gives its configuration, from any address of its pages."""
    parts = urlsplit(source)
    if parts.path.endswith(CONFIGURATION_PATH):
        return source
    query = parts.query if parts.path.rstrip("/").endswith("/join") else ""
    return urlunsplit(SplitResult(parts.scheme, parts.netloc, CONFIGURATION_PATH, query, ""))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFound(
            f"there is no file {path}", hint="or give http://... or https://..."
        ) from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from None


def parse(data: bytes) -> Invitation:
    """Return the invitation in a configuration; raise InvalidInput where it is none."""
    if len(data) > BYTES_MAX:
        raise _no_configuration(f"more than {BYTES_MAX} bytes")
    try:
        document = documents.parse(data)
        if document["format"] != FORMAT:
            raise _no_configuration(f"format {str(document['format'])[:40]!r}")
        return _invitation(document)
    except Corrupt as error:
        raise _no_configuration(error.message) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_configuration(repr(error)) from None


def _invitation(document: Mapping[str, Any]) -> Invitation:
    manifest = decode_manifest(_encoded(document["manifest"]))
    if manifest.place is None:
        raise _no_configuration("it names no chain")
    endpoints = tuple(str(url) for url in document["endpoints"])
    if len(endpoints) > ENDPOINTS_MAX:
        raise _no_configuration("too many endpoints")
    resource, device = document.get("resource"), document.get("device")
    return Invitation(
        network_id=bytes.fromhex(document["network_id"][2:]),
        manifest=manifest,
        place=manifest.place,
        endpoints=endpoints,
        resource=None if resource is None else str(resource),
        cell=cells.parse_cell(str(document.get("cell") or "0")),
        device=None if device is None else str(device),
    )


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def _no_configuration(why: str) -> InvalidInput:
    return InvalidInput(
        f"this is no configuration to join a network with ({why})",
        hint="give the address that the explorer's page /join shows",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a newcomer may believe, because the chain says so."""

    manifest: Manifest
    """The manifest to keep."""
    cell: int
    """The invitation's map cell, no finer than policy allows now; 0: none."""


async def check(invitation: Invitation, expected: bytes | None, rpc: tuple[str, ...]) -> Checked:
    """Return what to keep once the chain has shown to be the network.

    Inputs: `expected` is the network id that the newcomer knows from elsewhere; `rpc` are endpoints
    to use instead of those told.
    Raises: Conflict where anything is another network's, Unavailable where no endpoint answers.
    """
    if expected is not None and expected != invitation.network_id:
        raise Conflict(
            f"the configuration is of network 0x{invitation.network_id.hex()}, not of the expected",
            hint="ask who gave you the address",
        )
    select_resources(invitation.manifest.resources)
    urls, place = rpc or invitation.endpoints, invitation.place
    endpoints = Endpoints(urls)
    try:
        found = await read_deployment(
            endpoints,
            place.settlement,
            place.currency,
            place.government,
            genesis_block=place.genesis_block,
        )
        said = await endpoints.run(lambda endpoint: _manifest_hash(endpoint, place.settlement))
        await check_government(endpoints, found)
        finest = cells.allowed(await Members(endpoints, found).parameter(cells.PARAMETER))
    except NotFound as error:
        raise Conflict(f"the chain at {urls[0]} is another one: {error.message}") from error
    finally:
        await endpoints.close()
    shown = (
        ("network id", found.network_id, invitation.network_id),
        ("manifest", said, manifest_hash(invitation.manifest)),
        ("first block", found.genesis_hash, place.genesis_hash),
        ("chain id", found.chain_id, place.chain_id),
    )
    for what, there, told in shown:
        if there != told:
            raise Conflict(
                f"the chain at {urls[0]} has another {what} than the configuration says",
                hint="it is another network, or the configuration was changed on its way",
            )
    return Checked(
        manifest=replace(invitation.manifest, place=replace(place, endpoints=tuple(urls))),
        cell=_coarse(invitation.cell, finest),
    )


def _coarse(cell: int, finest: int) -> int:
    return cell if cell == cells.NOWHERE else int(cells.coarse(f"{cell:x}", finest), 16)


async def _manifest_hash(endpoint: Endpoint, settlement: bytes) -> bytes:
    item = contract("Settlement")["manifestHash"]
    return cast(bytes, item.results(await endpoint.call(settlement, item.call()))[0])


def keep(home: Home, manifest: Manifest) -> bool:
    """Write `network.json`; tell whether the folder was new to the network.

    Raises: Conflict where the folder holds another network, or runs this one itself.
    """
    if home.is_demo():
        raise Conflict(f"{home.path} holds a demo", hint="join in another folder")
    if not home.exists():
        home.write_manifest(manifest)
        return True
    there = _known(home)
    if there.place is None or manifest_hash(there) != manifest_hash(manifest):
        raise _taken(home, f"holds another network, {there.name}")
    mine, told = there.place, manifest.place
    if told is None or (mine.genesis_hash, mine.settlement) != (told.genesis_hash, told.settlement):
        raise _taken(home, f"holds another network, {there.name}")
    if not mine.endpoints:
        raise _taken(home, "runs this network itself")
    if there != manifest:
        home.write_manifest(manifest)
    return False


def _known(home: Home) -> Manifest:
    try:
        return home.manifest()
    except CommonworksError as error:
        raise _taken(home, f"holds something else ({error.message})") from error


def _taken(home: Home, why: str) -> Conflict:
    return Conflict(f"{home.path} {why}", hint="join in another folder: --home DIR")
