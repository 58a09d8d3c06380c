"""What newcomers ask: what to contribute, where, how, and how far their device is."""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from sqlalchemy import Connection, Row, func, select

from commonworks.errors import InvalidInput, NotFound
from commonworks.explorer import cells
from commonworks.explorer.api.network import public_manifest
from commonworks.explorer.index import schema
from commonworks.explorer.models.join import (
    JoinCell,
    JoinCells,
    JoinColumn,
    JoinConfiguration,
    JoinGateway,
    JoinProgress,
    JoinReach,
    JoinReport,
    JoinResource,
    JoinResources,
    JoinState,
    JoinStep,
    JoinStepName,
)
from commonworks.explorer.queries import parameters
from commonworks.explorer.queries.network import outline
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text, device_ref, hash_text
from commonworks.explorer.web.words import reason_words
from commonworks.resources.base import Resource, Visibility
from commonworks.statements.model import DType, Kind, Schema, Signer

CONFIGURATION: Final = "/api/v1/join/configuration"
NAME_MAX: Final = 60
"""Longest name of a device that the page proposes commands for."""
FOLDER: Final = "my-network"
"""Folder that the commands propose."""
ACCOUNT: Final = "me"
ACCEPTED: Final = "accepted"
EXAMPLE_STEP_S: Final = 900
"""Examples begin at a multiple of this."""
GATEWAYS_MAX: Final = 50


# --- what to contribute ---------------------------------------------------------------------------


def resources(connection: Connection, site: Site) -> JoinResources:
    """Return everything that a newcomer can contribute."""
    table = schema.device.c
    counted = select(table.resource, func.count()).group_by(table.resource)
    devices = {row.resource: row[1] for row in connection.execute(counted)}
    return JoinResources(
        items=[_resource(site, one, devices.get(one.name, 0)) for one in site.resources.values()]
    )


def _resource(site: Site, resource: Resource, devices: int) -> JoinResource:
    return JoinResource(
        name=resource.name,
        title=gettext(resource.title),
        unit=gettext(resource.unit),
        members_only=resource.visibility is Visibility.MEMBERS,
        devices=devices,
        reports=[
            _report(site, kind, found)
            for kind, found in resource.schemas.items()
            if found.signer is Signer.DEVICE
        ],
    )


def _report(site: Site, kind: Kind, found: Schema) -> JoinReport:
    return JoinReport(
        kind=kind,
        description=gettext(found.description),
        sealed=found.sealed,
        columns=[
            JoinColumn(
                name=one.name,
                description=gettext(one.description),
                required=one.required,
                minimum=one.minimum,
                maximum=one.maximum,
            )
            for one in found.columns
        ],
        example=_example(site, kind, found),
    )


def _example(site: Site, kind: Kind, found: Schema) -> str:
    """Return a line in the right form, with the least value of everything that must be there."""
    now = site.clock.now()
    columns: dict[str, Any] = {
        one.name: [one.minimum]
        for one in found.columns
        if one.required and one.dtype is not DType.B32
    }
    line = {"kind": str(kind), "time": now - now % EXAMPLE_STEP_S, "columns": columns}
    return json.dumps(line)


# --- where ----------------------------------------------------------------------------------------


def cells_near(connection: Connection, site: Site, latitude: float, longitude: float) -> JoinCells:
    """Return the cells around a rough place; raise InvalidInput off the globe."""
    finest = parameters.map_resolution(connection, site)
    return JoinCells(
        resolution=finest,
        rounding_degrees=cells.rounding(finest),
        cells=[
            JoinCell(cell=cell, ring=outline(cell))
            for cell in cells.near(latitude, longitude, finest)
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fineness:
    """How finely a device may say where it is, for the page that asks."""

    resolution: int
    rounding_degrees: float
    area: str
    """About how large such a cell is."""
    parameter: str | None
    """Governed parameter that says so; None where this network's policy has none."""


def fineness(connection: Connection, site: Site) -> Fineness:
    """Return how finely a device may say where it is now."""
    finest = parameters.map_resolution(connection, site)
    governed = parameters.changes_of(connection, [cells.PARAMETER])
    return Fineness(
        resolution=finest,
        rounding_degrees=cells.rounding(finest),
        area=parameters.area_text(finest),
        parameter=cells.PARAMETER if governed else None,
    )


def cell_shown(cell: str) -> JoinCell | None:
    """Return a chosen cell with its outline, None for nowhere; raise InvalidInput."""
    number = cells.parse_cell(cell)
    if number == cells.NOWHERE:
        return None
    return JoinCell(cell=f"{number:x}", ring=outline(f"{number:x}"))


# --- the configuration ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a newcomer has chosen so far."""

    resource: str | None
    cell: str
    """Hexadecimal, no finer than policy allows now; `0`: none."""
    coarsened: bool
    """A finer one was asked for, by an older link or code: `cell` is the one around it."""
    device: str | None


def choice(
    connection: Connection,
    site: Site,
    resource: str | None,
    cell: str | None,
    device: str | None,
) -> Choice:
    """Return a newcomer's choice, checked; raise InvalidInput or NotFound."""
    if resource and resource not in site.resources:
        raise NotFound(
            gettext("this network has no resource %(resource)s", resource=repr(resource[:40]))
        )
    number = cells.parse_cell(cell or "0")
    if device and not _plain(device):
        raise InvalidInput(
            gettext("%(device)s is no name for a device", device=repr(device[:80])),
            hint=gettext("letters, digits, - _ /"),
        )
    wanted = taken = f"{number:x}"
    if number != cells.NOWHERE:
        taken = cells.coarse(wanted, parameters.map_resolution(connection, site))
    return Choice(
        resource=resource or None, cell=taken, coarsened=taken != wanted, device=device or None
    )


def _plain(name: str) -> bool:
    flat = name.replace("/", "")
    return (
        0 < len(name) <= NAME_MAX
        and flat != ""
        and name[0] not in "-/."
        and all(c.isascii() and (c.isalnum() or c in "-_") for c in flat)
    )


def configuration(connection: Connection, site: Site, chosen: Choice) -> JoinConfiguration:
    """Return everything that a fresh machine needs."""
    table = schema.gateway.c
    rows = connection.execute(
        select(table.name, table.endpoint, table.log_id).order_by(table.log_id).limit(GATEWAYS_MAX)
    )
    return JoinConfiguration(
        name=site.name,
        network_id=hash_text(site.network.network_id),
        time=site.clock.now(),
        manifest=public_manifest(site),
        endpoints=list(site.rpc),
        reach=reach(site),
        gateways=[
            JoinGateway(name=row.name, endpoint=row.endpoint, log_id=hash_text(row.log_id))
            for row in rows
        ],
        resource=chosen.resource,
        cell=chosen.cell,
        device=chosen.device,
    )


def reach(site: Site) -> JoinReach:
    """Return from where the chain can be reached by what newcomers are told."""
    return JoinReach.HERE if all(_is_here(url) for url in site.rpc) else JoinReach.ANYWHERE


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def configuration_url(base: str, chosen: Choice) -> str:
    """Return where the configuration of a choice is; `base` is the explorer's own address."""
    wanted = {"resource": chosen.resource, "cell": chosen.cell, "device": chosen.device}
    query = urlencode({name: value for name, value in wanted.items() if value})
    return f"{base.rstrip('/')}{CONFIGURATION}?{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command for the newcomer's machine."""

    does: str
    """What it does, in a sentence."""
    text: str


def program(site: Site) -> str:
    """Return how a newcomer calls the command line: as here, where it must be this machine."""
    return site.command if reach(site) is JoinReach.HERE else "commonworks"


def commands(site: Site, chosen: Choice, url: str) -> Sequence[Command]:
    """Return what to type on the newcomer's machine, in order."""
    call = program(site)
    device = shlex.quote(chosen.device or "my-device")
    resource = shlex.quote(chosen.resource or next(iter(site.resources), ""))
    home = f"--home {FOLDER}"
    where = "" if chosen.cell == "0" else f" --cell {chosen.cell}"
    enrol = f"{call} device enrol {device} --owner {ACCOUNT} --resource {resource}{where} {home}"
    readings = f"--device {device}:{resource}:readings.jsonl"
    return (
        Command(
            does=gettext("Think of a long sentence: it locks your keys. Nobody can restore it."),
            text="export COMMONWORKS_PASSPHRASE='a long sentence of your own'",
        ),
        Command(
            does=gettext("Fetch this network's configuration and check that its chain is the one."),
            text=f"{call} join {shlex.quote(url)} {home}",
        ),
        Command(
            does=gettext("Make an account: it owns the device and is paid."),
            text=f"{call} account new {ACCOUNT} {home}",
        ),
        Command(
            does=gettext("Make the device's key; the line that it prints is the thumbprint."),
            text=f"{call} device new {device} {home}",
        ),
        Command(
            does=gettext("Enrol the device and bind it to you. A relay pays what that costs."),
            text=enrol,
        ),
        Command(
            does=gettext("Start the agent: it signs each line of the file and delivers it."),
            text=f"{call} agent run {readings} {home}",
        ),
    )


# --- how far a device is --------------------------------------------------------------------------


def progress(connection: Connection, site: Site, thumbprint: bytes) -> JoinProgress:
    """Return how far the device with a key is on its way to a first verified report."""
    table = schema.device.c
    found = connection.execute(
        select(schema.device).where(table.thumbprint == thumbprint).order_by(table.device.desc())
    ).first()
    report = None if found is None else _report_of(connection, found.device)
    steps = [_enrolled(found), _bound(connection, found)]
    steps += _steps_of(connection, site, report)
    return JoinProgress(
        thumbprint=hash_text(thumbprint),
        device=None
        if found is None
        else device_ref(site, found.device, found.thumbprint, found.resource),
        owner=None if found is None else address_text(found.owner),
        steps=steps,
        verified=report is not None and report.outcome == ACCEPTED,
    )


def _step(
    name: JoinStepName,
    title: str,
    detail: str,
    *,
    state: JoinState = JoinState.WAITING,
    at: int | None = None,
    href: str | None = None,
) -> JoinStep:
    return JoinStep(name=name, state=state, title=title, detail=detail, at=at, href=href)


def _enrolled(device: Row[Any] | None) -> JoinStep:
    title = gettext("Enrolled")
    if device is None:
        return _step(
            JoinStepName.ENROLLED,
            title,
            gettext("Waiting for the chain to say that a device with this key exists."),
        )
    return _step(
        JoinStepName.ENROLLED,
        title,
        gettext("The chain knows it as device %(number)s.", number=device.device),
        state=JoinState.DONE,
        at=device.enrolled_at,
        href=f"/devices/{device.device}",
    )


def _bound(connection: Connection, device: Row[Any] | None) -> JoinStep:
    title, said = gettext("Bound to its owner"), schema.statement.c
    bound = None
    if device is not None:
        bound = connection.execute(
            select(said.identity)
            .where(said.device == device.device, said.kind == str(Kind.BINDING))
            .limit(1)
        ).scalar()
    if bound is None:
        return _step(
            JoinStepName.BOUND,
            title,
            gettext("Waiting for the device to say, with its own key, whom it works for."),
        )
    return _step(
        JoinStepName.BOUND,
        title,
        gettext("The device has said, with its own key, whom it works for."),
        state=JoinState.DONE,
        href=f"/statements/{hash_text(bound)}",
    )


def _report_of(connection: Connection, device: int) -> Row[Any] | None:
    """Return the first report that was accepted, else the newest one; None where there is none."""
    said = schema.statement.c
    reports = select(schema.statement).where(
        said.device == device, said.kind.is_not(None), said.kind != str(Kind.BINDING)
    )
    accepted = reports.where(said.outcome == ACCEPTED).order_by(said.epoch, said.position)
    newest = reports.order_by(said.position.desc())
    return (
        connection.execute(accepted.limit(1)).first() or connection.execute(newest.limit(1)).first()
    )


def _steps_of(connection: Connection, site: Site, report: Row[Any] | None) -> list[JoinStep]:
    """Return the steps of a report: logged, anchored, judged."""
    if report is None:
        return [
            _step(
                JoinStepName.LOGGED,
                gettext("First report logged"),
                gettext("Waiting for a gateway to log what the agent sends."),
            ),
            _step(JoinStepName.ANCHORED, gettext("Anchored on the chain"), gettext("Comes after.")),
            _step(JoinStepName.JUDGED, gettext("Judged"), gettext("Comes after.")),
        ]
    href = f"/statements/{hash_text(report.identity)}"
    logged = _step(
        JoinStepName.LOGGED,
        gettext("First report logged"),
        gettext("A gateway has logged it at position %(position)s.", position=report.position),
        state=JoinState.DONE,
        href=href,
    )
    return [logged, _anchored(connection, report), _judged(site, report, href)]


def _anchored(connection: Connection, report: Row[Any]) -> JoinStep:
    title, table = gettext("Anchored on the chain"), schema.anchor.c
    at = connection.execute(
        select(table.time)
        .where(table.log_id == report.log_id, table.size > report.position)
        .order_by(table.size)
        .limit(1)
    ).scalar()
    if at is None:
        return _step(
            JoinStepName.ANCHORED,
            title,
            gettext("Waiting for the gateway to anchor its log: at least once an hour."),
        )
    return _step(
        JoinStepName.ANCHORED,
        title,
        gettext("The log cannot leave it out any more."),
        state=JoinState.DONE,
        at=at,
    )


def _judged(site: Site, report: Row[Any], href: str) -> JoinStep:
    if report.epoch is None:
        now = site.clock.now()
        running = max(site.network.epoch_at(now), 0)
        return _step(
            JoinStepName.JUDGED,
            gettext("Judged"),
            gettext(
                "Epoch %(epoch)s is judged after its end and a time of grace. Come back then, or "
                "leave this page open.",
                epoch=running,
            ),
            at=site.network.epoch_start(running + 1),
        )
    if report.outcome == ACCEPTED:
        return _step(
            JoinStepName.JUDGED,
            gettext("Accepted"),
            gettext("Epoch %(epoch)s accepted it: your first verified report.", epoch=report.epoch),
            state=JoinState.DONE,
            href=href,
        )
    words = reason_words(site, report.reason or "")
    told = " ".join(part for part in (words.meaning, words.advice) if part)
    return _step(
        JoinStepName.JUDGED,
        gettext("Rejected"),
        gettext(
            "Epoch %(epoch)s rejected it: %(reason)s. %(explanation)s",
            epoch=report.epoch,
            reason=words.title,
            explanation=told,
        ),
        state=JoinState.FAILED,
        href=href,
    )
