"""Answers for newcomers: what can be contributed, where, how, and how far a device is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from commonworks.explorer.web.model import Address, DeviceRef, Hash, Model, Time

CellText = Annotated[
    str, Field(pattern=r"^[0-9a-f]{1,16}$", description="H3 index, hexadecimal; 0: no place given.")
]


class JoinColumn(Model):
    """One column of a report."""

    name: str
    description: str
    required: bool
    minimum: int
    maximum: int


class JoinReport(Model):
    """What a device of a resource can say."""

    kind: str
    description: str
    sealed: bool = Field(description="Its content is for members only.")
    columns: list[JoinColumn]
    example: str = Field(
        description="A line for the agent in the right form; its numbers are no measurement."
    )


class JoinResource(Model):
    """Something that a newcomer can contribute."""

    name: str
    title: str
    unit: str
    members_only: bool = Field(description="Who measures what is seen by members only.")
    devices: int = Field(description="Devices enrolled for it.")
    reports: list[JoinReport]


class JoinResources(Model):
    """Everything that a newcomer can contribute."""

    items: list[JoinResource]


class JoinCell(Model):
    """A cell that a device may say it is in."""

    cell: CellText
    ring: list[tuple[float, float]] = Field(
        description="Its outline, closed: [longitude, latitude], degrees."
    )


class JoinCells(Model):
    """Cells around a rough place: the exact one stays with who asks."""

    resolution: int = Field(description="H3 resolution: the finest that policy allows now.")
    rounding_degrees: float = Field(
        description="Round a place to multiples of this before asking: its cell is among these."
    )
    cells: list[JoinCell]


class JoinGateway(Model):
    """Where statements can be handed in."""

    name: str
    endpoint: str
    log_id: Hash


class JoinReach(StrEnum):
    """From where the chain's endpoints can be used."""

    HERE = "here"
    """Only on the machine that runs the network."""
    ANYWHERE = "anywhere"


class JoinConfiguration(Model):
    """Everything that a fresh machine needs and checks; nothing in it is secret."""

    format: Literal["commonworks-join/1"] = "commonworks-join/1"
    name: str
    network_id: Hash
    time: Time
    manifest: dict[str, Any] = Field(description="The network's manifest, contracts included.")
    endpoints: list[str] = Field(description="JSON-RPC endpoints of its chain.")
    reach: JoinReach
    gateways: list[JoinGateway]
    resource: str | None
    cell: CellText
    device: str | None = Field(description="Name that the newcomer gives its device.")


class JoinStepName(StrEnum):
    """A step from nothing to a first verified report."""

    ENROLLED = "enrolled"
    BOUND = "bound"
    LOGGED = "logged"
    ANCHORED = "anchored"
    JUDGED = "judged"


class JoinState(StrEnum):
    """How a step stands."""

    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"


class JoinStep(Model):
    """One step of a device."""

    name: JoinStepName
    state: JoinState
    title: str
    detail: str = Field(description="One sentence: what happened, or what it waits for.")
    at: Time | None
    href: str | None = Field(description="Page with more about it.")


class JoinProgress(Model):
    """How far a device is on its way to a first verified report."""

    thumbprint: Hash
    device: DeviceRef | None
    owner: Address | None
    steps: list[JoinStep]
    verified: bool = Field(description="A report of it was accepted.")
