"""Routes of the slice join: what newcomers need, none of it secret."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from commonworks.explorer.cells import LATITUDE_MAX, LONGITUDE_MAX
from commonworks.explorer.models.join import (
    JoinCells,
    JoinConfiguration,
    JoinProgress,
    JoinResources,
)
from commonworks.explorer.queries import join as queries
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.model import hash_bytes

router = APIRouter(tags=["join"])

ResourceQuery = Annotated[str | None, Query(max_length=31, description="What to contribute.")]
CellQuery = Annotated[
    str | None, Query(max_length=18, description="H3 index, hexadecimal; 0: no place given.")
]
DeviceQuery = Annotated[
    str | None, Query(max_length=60, description="Name that the newcomer gives its device.")
]
ThumbprintQuery = Annotated[
    str,
    Query(pattern=r"^(0x)?[0-9a-fA-F]{64}$", description="Thumbprint of the device's key."),
]


@router.get("/join/resources")
def join_resources(site: SiteDep, connection: ConnDep) -> JoinResources:
    """What can be contributed, and in which form."""
    return queries.resources(connection, site)


@router.get("/join/cells")
def join_cells(
    site: SiteDep,
    connection: ConnDep,
    latitude: Annotated[
        float, Query(ge=-LATITUDE_MAX, le=LATITUDE_MAX, description="Roughly, degrees.")
    ],
    longitude: Annotated[
        float, Query(ge=-LONGITUDE_MAX, le=LONGITUDE_MAX, description="Roughly, degrees.")
    ],
) -> JoinCells:
    """Cells around a rough place: round it to `rounding_degrees`, and choose by yourself."""
    return queries.cells_near(connection, site, latitude, longitude)


@router.get("/join/configuration")
def join_configuration(
    site: SiteDep,
    connection: ConnDep,
    resource: ResourceQuery = None,
    cell: CellQuery = None,
    device: DeviceQuery = None,
) -> JoinConfiguration:
    """Everything that `commonworks join` needs on a fresh machine."""
    chosen = queries.choice(connection, site, resource, cell, device)
    return queries.configuration(connection, site, chosen)


@router.get("/join/progress")
def join_progress(site: SiteDep, connection: ConnDep, thumbprint: ThumbprintQuery) -> JoinProgress:
    """How far a device is on its way to a first verified report."""
    return queries.progress(connection, site, hash_bytes(thumbprint))
