"""Routes of the slice devices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from commonworks.explorer.models.devices import DeviceDetail, DeviceRow, PaymentRow, SpanRow
from commonworks.explorer.queries import device_lists, devices
from commonworks.explorer.web.context import ConnDep, SiteDep, ViewerDep
from commonworks.explorer.web.model import Number, address_bytes
from commonworks.explorer.web.pagination import (
    LIMIT_DEFAULT,
    CursorQuery,
    LimitQuery,
    Page,
)

router = APIRouter(tags=["devices"])

ResourceQuery = Annotated[str | None, Query(max_length=31, description="Only of this resource.")]
OwnerQuery = Annotated[
    str | None,
    Query(pattern=r"^0x[0-9a-fA-F]{40}$", description="Only those that this account owns."),
]
CellQuery = Annotated[
    str | None,
    Query(pattern=r"^[0-9a-f]{15}$", description="Only those within this H3 cell."),
]


@router.get("/devices")
def list_devices(
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
    resource: ResourceQuery = None,
    owner: OwnerQuery = None,
    reference: Annotated[
        bool | None, Query(description="Only, or no, independent references.")
    ] = None,
    rejections: Annotated[
        bool | None, Query(description="Only those with, or without, rejected statements.")
    ] = None,
    cell: CellQuery = None,
) -> Page[DeviceRow]:
    """List enrolled devices, the newest id first."""
    return devices.list_devices(
        connection,
        site,
        limit=limit,
        cursor=cursor,
        resource=resource,
        owner=None if owner is None else address_bytes(owner),
        reference=reference,
        rejections=rejections,
        cell=cell,
    )


@router.get("/devices/{device}")
def get_device(
    device: Number, site: SiteDep, connection: ConnDep, viewer: ViewerDep
) -> DeviceDetail:
    """Return a device: who owns it, how it stands, what its owner should do, its history.

    Quantities of a resource with sealed evidence are there only for its owner, signed in.
    """
    return devices.get_device(connection, site, viewer, device)


@router.get("/devices/{device}/spans")
def list_spans(
    device: Number,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[SpanRow]:
    """List spans of time for which a device was credited less than it claimed, newest first.

    Quantities of a resource with sealed evidence are there only for its owner, signed in.
    """
    return device_lists.spans_of(connection, site, viewer, device, limit=limit, cursor=cursor)


@router.get("/devices/{device}/payments")
def list_payments(
    device: Number,
    site: SiteDep,
    connection: ConnDep,
    viewer: ViewerDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[PaymentRow]:
    """List payments for a device, newest first.

    Of a resource with sealed evidence only those that concern the account that is signed in.
    """
    return device_lists.payments_of(connection, site, viewer, device, limit=limit, cursor=cursor)
