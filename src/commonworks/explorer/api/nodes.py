"""Answers about gateways and verifiers."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from commonworks.explorer.models.nodes import (
    AnchorView,
    Duty,
    GatewayBrief,
    GatewayView,
    Quorum,
    VerifierBrief,
    VerifierView,
)
from commonworks.explorer.queries import nodes
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.model import AddressText, HashText, address_bytes, hash_bytes
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery, LimitQuery, Page

router: Final = APIRouter(tags=["nodes"])


@router.get("/nodes")
def quorum(site: SiteDep, connection: ConnDep) -> Quorum:
    """How the verifiers together stand, and how many nodes there are."""
    return nodes.quorum(connection, site)


@router.get("/nodes/verifiers")
def verifiers(
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[VerifierBrief]:
    """Verifiers with stake, lag and faults; the largest bond first."""
    return nodes.verifiers(connection, site, limit, cursor)


@router.get("/nodes/verifiers/{address}")
def verifier(site: SiteDep, connection: ConnDep, address: AddressText) -> VerifierView:
    """One verifier."""
    return nodes.verifier(connection, site, address_bytes(address))


@router.get("/nodes/verifiers/{address}/epochs")
def duties(
    connection: ConnDep,
    address: AddressText,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[Duty]:
    """What a verifier did for each closed epoch, the newest first."""
    return nodes.duties(connection, address_bytes(address), limit, cursor)


@router.get("/nodes/gateways")
def gateways(
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[GatewayBrief]:
    """Gateways with their logs, lag and faults; the largest bond first."""
    return nodes.gateways(connection, site, limit, cursor)


@router.get("/nodes/gateways/{log_id}")
def gateway(site: SiteDep, connection: ConnDep, log_id: HashText) -> GatewayView:
    """One gateway, its keys, and how to verify its log."""
    return nodes.gateway(connection, site, hash_bytes(log_id))


@router.get("/nodes/gateways/{log_id}/anchors")
def anchors(
    connection: ConnDep,
    log_id: HashText,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[AnchorView]:
    """Sizes and roots to which a gateway committed on chain, the newest first."""
    return nodes.anchors(connection, hash_bytes(log_id), limit, cursor)
