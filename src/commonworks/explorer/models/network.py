"""What the overview says: the network in figures, its newest epochs, its map."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from commonworks.explorer.models.stops import Stops
from commonworks.explorer.web.model import Address, Amount, Hash, Model, Party, Time


class AssetInfo(Model):
    """Something that amounts are counted in."""

    address: Address
    symbol: str
    decimals: int


class ResourceInfo(Model):
    """A kind of contribution that the network carries."""

    name: str
    title: str
    unit: str = Field(description="Unit of its quantities.")
    visibility: str = Field(description="public, or members: evidence is sealed.")
    devices: int = Field(description="Devices enrolled for it.")


class RunningEpoch(Model):
    """The span of time that is being measured now, and what happens to it afterwards."""

    epoch: int
    start: Time
    end: Time
    evidence_until: Time = Field(description="Until then statements of it still reach it in time.")
    closes_at: Time = Field(description="From then on its evidence is frozen.")
    passed_ppm: int = Field(description="Part of it that has passed, parts per million.")


class EpochStage(StrEnum):
    """How far an epoch is."""

    CLOSED = "closed"
    """Its evidence is frozen; verifiers compute."""
    FINAL = "final"
    """A quorum agreed on the result, whose parts are not indexed here yet."""
    SETTLED = "settled"
    """Final, and every part of the result is indexed."""


class EpochLine(Model):
    """An epoch in one line. Figures are null before it is settled."""

    epoch: int
    start: Time
    end: Time
    stage: EpochStage
    statements: int | None
    accepted: int | None
    rejected: int | None
    paid: Amount | None = Field(description="Settlement currency that changed hands.")
    minted: Amount | None = Field(description="Tokens minted for it.")


class Figures(Model):
    """The network so far."""

    devices: int
    contributors: int = Field(description="Accounts that own a device.")
    epochs_closed: int
    epochs_settled: int
    statements: int = Field(description="Judged so far.")
    accepted: int
    rejected: int
    accepted_ppm: int | None = Field(description="Share accepted; null before the first.")
    waiting: int = Field(description="Logged, not yet judged.")
    paid: Amount = Field(description="Settlement currency that changed hands, in all.")
    minted: Amount = Field(description="Tokens minted by settlements, in all.")


class Operators(Model):
    """Who runs the network's nodes."""

    gateways: int
    verifiers: int
    operators: list[Party] = Field(description="Accounts that run one; the first twenty.")
    operators_count: int
    single_operator_chain: bool = Field(
        description="The chain is the embedded one, which one party runs."
    )


class NetworkAnswer(Model):
    """What this network is."""

    name: str
    demo: bool = Field(description="A demonstration: keys anybody may know, simulated devices.")
    network_id: Hash
    chain_id: int
    genesis_time: Time
    epoch_length_s: int
    now: Time
    wall_time: int = Field(description="The explorer's own clock, to the minute.")
    indexed_block: int | None = Field(description="Newest block in the index.")
    token: AssetInfo
    currency: AssetInfo
    mints: bool = Field(description="Whether tokens are ever minted.")
    treasury: Address
    resources: list[ResourceInfo]
    figures: Figures
    running: RunningEpoch | None = Field(description="Null before the network begins.")
    newest_epochs: list[EpochLine]
    nodes: Operators
    stops: Stops


# --- the map --------------------------------------------------------------------------------------


class CellCount(Model):
    """How many devices of one resource a cell holds; a range where evidence is sealed."""

    resource: str
    title: str
    minimum: int
    maximum: int


class CellProperties(Model):
    """What a cell of the map says."""

    cell: str = Field(description="H3 index, hexadecimal.")
    resources: list[CellCount]
    minimum: int = Field(description="Devices in it, at least.")
    maximum: int = Field(description="Devices in it, at most.")


class Polygon(Model):
    """A cell's outline: one closed ring of [longitude, latitude]."""

    type: Literal["Polygon"] = "Polygon"
    coordinates: list[list[tuple[float, float]]]


class CellFeature(Model):
    """A cell of the map."""

    type: Literal["Feature"] = "Feature"
    geometry: Polygon
    properties: CellProperties


class MapAnswer(Model):
    """Devices by H3 cell, as GeoJSON (RFC 7946)."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[CellFeature]
    resolution: int = Field(
        description="H3 resolution of the cells, no finer than policy allows now."
    )
    unplaced: int = Field(description="Devices whose owners gave no place.")
