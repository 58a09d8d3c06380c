"""Resources: what they are, what an epoch shows of them, and their totals over time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from commonworks.explorer.models.resources import (
    ResourceDetail,
    ResourceEpoch,
    ResourceRow,
    ResourceSeries,
)
from commonworks.explorer.queries import resources as queries
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.model import Number

router = APIRouter(tags=["resources"])

Name = Annotated[str, Path(max_length=31, description="The resource's name.")]


@router.get("/resources")
def get_resources(connection: ConnDep, site: SiteDep) -> list[ResourceRow]:
    """Return the network's resources with their newest figures."""
    return queries.list_resources(connection, site)


@router.get("/resources/{name}")
def get_resource(connection: ConnDep, site: SiteDep, name: Name) -> ResourceDetail:
    """Return a resource as it describes itself: reasons, purposes, totals."""
    return queries.describe(connection, site, name)


@router.get("/resources/{name}/epochs/{epoch}")
def get_resource_epoch(
    connection: ConnDep, site: SiteDep, viewer: ViewerDep, name: Name, epoch: Number
) -> ResourceEpoch:
    """Return an epoch's totals, tables, pictures and counts by reason.

    Where evidence is for members, a reader who signed in also gets its own rows; nobody else does.
    """
    return queries.epoch_of(connection, site, name, epoch, viewer)


@router.get("/resources/{name}/series")
def get_resource_series(
    connection: ConnDep,
    site: SiteDep,
    name: Name,
    figure: Annotated[str, Query(max_length=80, description="Key of one of its totals.")],
    limit: Annotated[
        int, Query(ge=1, le=queries.SERIES_EPOCHS_MAX, description="Most epochs, newest kept.")
    ] = queries.SERIES_EPOCHS_MAX,
) -> ResourceSeries:
    """Return a total epoch by epoch, oldest first."""
    return queries.series_of(connection, site, name, figure, limit)
