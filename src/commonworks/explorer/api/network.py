"""Answers about the network as a whole."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from commonworks.errors import NotFound
from commonworks.explorer.models.network import MapAnswer, NetworkAnswer
from commonworks.explorer.queries import network as queries
from commonworks.explorer.site import Site
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.i18n import gettext

router = APIRouter(tags=["network"])

RESOURCE_NAME_MAX: Final = 31


@router.get("/network")
def read_network(site: SiteDep, connection: ConnDep) -> NetworkAnswer:
    """What this network is, in figures: resources, devices, epochs, money, nodes."""
    return queries.network(connection, site)


@router.get("/network/map")
def read_map(
    site: SiteDep,
    connection: ConnDep,
    resource: Annotated[
        str | None,
        Query(max_length=RESOURCE_NAME_MAX, description="Only devices of this resource."),
    ] = None,
) -> MapAnswer:
    """Devices by H3 cell as GeoJSON, no finer than policy allows now.

    Where a resource's evidence is sealed, a cell with fewer than three of its devices says 1 to 2.
    """
    if resource is not None and resource not in site.resources:
        raise NotFound(
            gettext("this network carries no resource %(resource)s", resource=repr(resource))
        )
    return queries.device_map(connection, site, resource)


@router.get("/network/manifest")
def read_manifest(site: SiteDep) -> dict[str, Any]:
    """The network's manifest: what never changes about it, and where its contracts are.

    Of the chain's endpoints only those for everybody are in it.
    """
    return public_manifest(site)


def public_manifest(site: Site) -> dict[str, Any]:
    """Return the manifest for everybody: an operator's own endpoints may carry its keys."""
    document: dict[str, Any] = json.loads(site.manifest)
    if isinstance(document.get("chain"), dict):
        document["chain"] = {**document["chain"], "endpoints": list(site.rpc)}
    return document
