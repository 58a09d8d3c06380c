"""The network manifest: everything that is decided before there is a chain, in one JSON file.

Source: docs/spec/manifest.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from commonworks.chain.accounts import address_bytes, address_text
from commonworks.chain.plan import (
    Allocation,
    Deployment,
    DeploymentPlan,
    GenesisParameter,
    Government,
)
from commonworks.crypto import cbor
from commonworks.crypto.hashes import sha256
from commonworks.errors import Corrupt, InvalidInput

FORMAT: Final = "commonworks/2"
EPOCH_LENGTH_MIN_S: Final = 60


class Votes(StrEnum):
    """What votes."""

    TOKEN = "token"  # noqa: S105 - an asset
    """One vote for every unit of the token, bonds included."""
    MEMBERSHIP = "membership"
    """One member, one vote."""


class Bonds(StrEnum):
    """What nodes bond."""

    TOKEN = "token"  # noqa: S105 - an asset
    CURRENCY = "currency"
    """The settlement currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidity:
    """What an exchange of the network's own starts with."""

    account: bytes
    """Who provides it, out of its genesis allocation."""
    token_wei: int
    currency: int
    """In the settlement currency's smallest unit; the ratio is the first price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlace:
    """Where a founded network lives."""

    chain_id: int
    settlement: bytes
    currency: bytes
    government: Government
    genesis_block: int
    genesis_hash: bytes
    endpoints: tuple[str, ...]
    """JSON-RPC addresses; empty: the embedded chain in the network's own folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One network's manifest."""

    name: str
    demo: bool
    """Keys are derived from a seed: never on any chain but the embedded one."""
    genesis_time: int
    epoch_length_s: int
    token_name: str
    token_symbol: str
    cap_wei: int
    initial_emission_wei: int
    """Most that epoch 0 may mint; 0: this network never mints."""
    allocations: tuple[Allocation, ...]
    currency_code: str
    currency_decimals: int
    currency_address: bytes | None
    """None: the test currency is created with the network."""
    founder: bytes
    """Acts for the timelock until genesis."""
    guardian: bytes
    guardian_until: int
    """First second in which the guardian may not halt any more, unless a vote renews it."""
    votes: Votes
    members: tuple[bytes, ...]
    """Who has a vote at first, where members vote."""
    bonds: Bonds
    liquidity: Liquidity | None
    """None: no exchange of the network's own."""
    router: bytes | None
    """Router of an exchange that exists already (Uniswap v2)."""
    parameters: tuple[GenesisParameter, ...]
    resources: tuple[str, ...]
    place: ChainPlace | None = None
    """None until the contracts are deployed."""

    @property
    def exchange_router(self) -> bytes | None:
        """Router of the exchange, own or existing; None where there is none."""
        return self.router if self.place is None else self.place.government.router

    def plan(self) -> DeploymentPlan:
        """Return the deployment that this manifest asks for."""
        return DeploymentPlan(
            token_name=self.token_name,
            token_symbol=self.token_symbol,
            allocations=self.allocations,
            cap_wei=self.cap_wei,
            initial_emission_wei=self.initial_emission_wei,
            founder=self.founder,
            guardian=self.guardian,
            guardian_until=self.guardian_until,
            members=self.members if self.votes is Votes.MEMBERSHIP else None,
            bonds_in_currency=self.bonds is Bonds.CURRENCY,
            genesis_time=self.genesis_time,
            epoch_length_s=self.epoch_length_s,
            manifest_hash=manifest_hash(self),
            parameters=self.parameters,
            currency=self.currency_address,
            currency_owner=self.founder if self.currency_address is None else None,
            exchange=self.liquidity is not None,
            router=self.router,
        )


def _document(manifest: Manifest) -> dict[str, Any]:
    currency: dict[str, Any] = {
        "code": manifest.currency_code,
        "decimals": manifest.currency_decimals,
    }
    if manifest.currency_address is not None:
        currency["address"] = address_text(manifest.currency_address)
    return {
        "format": FORMAT,
        "name": manifest.name,
        "demo": manifest.demo,
        "genesis_time": manifest.genesis_time,
        "epoch_length_s": manifest.epoch_length_s,
        "token": {
            "name": manifest.token_name,
            "symbol": manifest.token_symbol,
            "cap_wei": str(manifest.cap_wei),
            "initial_emission_wei": str(manifest.initial_emission_wei),
            "allocations": [
                {"account": address_text(item.account), "amount_wei": str(item.amount_wei)}
                for item in manifest.allocations
            ],
        },
        "currency": currency,
        "founder": address_text(manifest.founder),
        "guardian": {
            "account": address_text(manifest.guardian),
            "until": manifest.guardian_until,
        },
        "government": {
            "votes": str(manifest.votes),
            "members": [address_text(member) for member in manifest.members],
            "bonds": str(manifest.bonds),
        },
        "exchange": _exchange_document(manifest),
        "parameters": [
            {
                "key": item.key,
                "value": str(item.value),
                "minimum": str(item.minimum),
                "maximum": str(item.maximum),
            }
            for item in manifest.parameters
        ],
        "resources": list(manifest.resources),
    }


def _exchange_document(manifest: Manifest) -> dict[str, Any]:
    if manifest.router is not None:
        return {"router": address_text(manifest.router)}
    if manifest.liquidity is None:
        return {}
    return {
        "liquidity": {
            "account": address_text(manifest.liquidity.account),
            "token_wei": str(manifest.liquidity.token_wei),
            "currency": str(manifest.liquidity.currency),
        }
    }


def manifest_hash(manifest: Manifest) -> bytes:
    """Return SHA-256 over the manifest's canonical bytes, where it lives left out."""
    return sha256(cbor.encode(_document(manifest)))


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as the JSON of `network.json`."""
    document = _document(manifest)
    place = manifest.place
    if place is not None:
        document["chain"] = {
            "chain_id": place.chain_id,
            "settlement": address_text(place.settlement),
            "currency": address_text(place.currency),
            "government": {
                name: None if address is None else address_text(address)
                for name, address in asdict(place.government).items()
            },
            "genesis_block": place.genesis_block,
            "genesis_hash": "0x" + place.genesis_hash.hex(),
            "endpoints": list(place.endpoints),
        }
    return json.dumps(document, indent=2).encode() + b"\n"


def decode_manifest(data: bytes) -> Manifest:
    """Return the manifest in a `network.json`; raise Corrupt where it is not one."""
    try:
        document = json.loads(data)
        if document["format"] != FORMAT:
            raise Corrupt(f"network.json has format {document['format']!r}, not {FORMAT!r}")
        manifest = _from_document(document)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
        raise Corrupt(
            f"network.json is not a network's manifest ({error})",
            hint="restore it from a backup: commonworks restore",
        ) from error
    if manifest.epoch_length_s < EPOCH_LENGTH_MIN_S:
        raise Corrupt(f"network.json: epochs of {manifest.epoch_length_s} s are too short")
    return manifest


def _from_document(document: Mapping[str, Any]) -> Manifest:
    token, currency = document["token"], document["currency"]
    place = document.get("chain")
    return Manifest(
        name=str(document["name"]),
        demo=bool(document["demo"]),
        genesis_time=int(document["genesis_time"]),
        epoch_length_s=int(document["epoch_length_s"]),
        token_name=str(token["name"]),
        token_symbol=str(token["symbol"]),
        cap_wei=int(token["cap_wei"]),
        initial_emission_wei=int(token["initial_emission_wei"]),
        allocations=tuple(
            Allocation(account=address_bytes(item["account"]), amount_wei=int(item["amount_wei"]))
            for item in token["allocations"]
        ),
        currency_code=str(currency["code"]),
        currency_decimals=int(currency["decimals"]),
        currency_address=address_bytes(currency["address"]) if "address" in currency else None,
        founder=address_bytes(document["founder"]),
        guardian=address_bytes(document["guardian"]["account"]),
        guardian_until=int(document["guardian"]["until"]),
        votes=Votes(document["government"]["votes"]),
        members=tuple(address_bytes(member) for member in document["government"]["members"]),
        bonds=Bonds(document["government"]["bonds"]),
        liquidity=_liquidity(document["exchange"].get("liquidity")),
        router=_optional(document["exchange"].get("router")),
        parameters=tuple(
            GenesisParameter(
                key=str(item["key"]),
                value=int(item["value"]),
                minimum=int(item["minimum"]),
                maximum=int(item["maximum"]),
            )
            for item in document["parameters"]
        ),
        resources=tuple(str(name) for name in document["resources"]),
        place=None
        if place is None
        else ChainPlace(
            chain_id=int(place["chain_id"]),
            settlement=address_bytes(place["settlement"]),
            currency=address_bytes(place["currency"]),
            government=_government(place["government"]),
            genesis_block=int(place["genesis_block"]),
            genesis_hash=bytes.fromhex(place["genesis_hash"][2:]),
            endpoints=tuple(str(url) for url in place["endpoints"]),
        ),
    )


def _government(found: Mapping[str, Any]) -> Government:
    return Government(
        timelock=address_bytes(found["timelock"]),
        governor=address_bytes(found["governor"]),
        guardian=address_bytes(found["guardian"]),
        accounts=address_bytes(found["accounts"]),
        membership=_optional(found["membership"]),
        router=_optional(found["router"]),
    )


def _optional(text: str | None) -> bytes | None:
    return None if text is None else address_bytes(text)


def _liquidity(found: Mapping[str, Any] | None) -> Liquidity | None:
    if found is None:
        return None
    return Liquidity(
        account=address_bytes(found["account"]),
        token_wei=int(found["token_wei"]),
        currency=int(found["currency"]),
    )


def placed(manifest: Manifest, deployment: Deployment, endpoints: tuple[str, ...]) -> ChainPlace:
    """Return where a deployed network lives; refuse a demo on any chain but its own."""
    if manifest.demo and endpoints:
        raise InvalidInput(
            "a demo's keys are known to everybody: it runs on the embedded chain only",
            hint="found a real network with: commonworks init",
        )
    return ChainPlace(
        chain_id=deployment.chain_id,
        settlement=deployment.settlement,
        currency=deployment.currency,
        government=deployment.government,
        genesis_block=deployment.genesis_block,
        genesis_hash=deployment.genesis_hash,
        endpoints=endpoints,
    )
