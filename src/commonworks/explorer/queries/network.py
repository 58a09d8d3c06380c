"""The network in figures and on a map, read from the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, radians
from typing import Any, Final

import h3  # type: ignore[import-untyped]
from sqlalchemy import Connection, Row, func, select, union

from commonworks.explorer.index.schema import (
    cursor,
    device,
    epoch,
    gateway,
    parameter_change,
    statement,
    verifier,
)
from commonworks.explorer.models.network import (
    AssetInfo,
    CellCount,
    CellFeature,
    CellProperties,
    EpochLine,
    EpochStage,
    Figures,
    MapAnswer,
    NetworkAnswer,
    Operators,
    Polygon,
    ResourceInfo,
    RunningEpoch,
)
from commonworks.explorer.queries import parameters, stops
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import address_text, amount_text, hash_text, party
from commonworks.resources.base import Visibility
from commonworks.units import PPM

EPOCHS_SHOWN: Final = 7
"""Newest epochs on the overview."""
OPERATORS_SHOWN: Final = 20
FEW: Final = 3
"""Fewer devices than this of a resource with sealed evidence are not counted out in a cell."""
MAP_CELLS_MAX: Final = 2_000
"""Most cells in an answer: a network with more is shown in coarser ones."""
PICTURE_CELLS_MAX: Final = 300
"""Most cells in the picture that a page carries for those without scripts."""
WALL_STEP_S: Final = 60
"""The wall clock is told to this step: what else is the same keeps its ETag as long, seconds."""


def network(connection: Connection, site: Site) -> NetworkAnswer:
    """Return what the network is and where it stands."""
    fixed = site.network
    now = site.clock.now()
    return NetworkAnswer(
        name=site.name,
        demo=site.demo,
        network_id=hash_text(fixed.network_id),
        chain_id=site.contracts.chain_id,
        genesis_time=fixed.genesis_time,
        epoch_length_s=fixed.epoch_length_s,
        now=now,
        wall_time=site.door.now() // WALL_STEP_S * WALL_STEP_S,
        indexed_block=connection.scalar(select(cursor.c.value).where(cursor.c.name == "block")),
        token=_asset(site, fixed.token),
        currency=_asset(site, fixed.currency),
        mints=site.mints,
        treasury=address_text(fixed.treasury),
        resources=resources(connection, site),
        figures=site.counts.of(connection, "network.figures", figures),
        running=running(connection, site, now),
        newest_epochs=newest_epochs(connection, EPOCHS_SHOWN),
        nodes=operators(connection, site),
        stops=stops.stops(connection, site),
    )


def _asset(site: Site, address: bytes) -> AssetInfo:
    symbol, decimals = site.asset(address)
    return AssetInfo(address=address_text(address), symbol=symbol, decimals=decimals)


def resources(connection: Connection, site: Site) -> list[ResourceInfo]:
    """Return every resource with the number of its devices."""
    counted = site.counts.of(connection, "network.resources", _devices_by_resource)
    return [
        ResourceInfo(
            name=one.name,
            title=gettext(one.title),
            unit=one.unit,
            visibility=str(one.visibility),
            devices=counted.get(one.name, 0),
        )
        for one in sorted(site.resources.values(), key=lambda one: one.name)
    ]


def _devices_by_resource(connection: Connection) -> Mapping[str, int]:
    rows = connection.execute(
        select(device.c.resource, func.count()).group_by(device.c.resource)
    ).all()
    return {str(name): int(count) for name, count in rows}


def figures(connection: Connection) -> Figures:
    """Return the network's totals. Counts every row: ask for them through `Site.counts`."""
    columns = (
        epoch.c.statements, epoch.c.accepted, epoch.c.rejected, epoch.c.paid_micro,
        epoch.c.minted_wei,
    )  # fmt: skip
    rows = connection.execute(select(*columns)).all()
    settled = [row for row in rows if row.statements is not None]
    judged = sum(row.statements for row in settled)
    accepted = sum(row.accepted for row in settled)
    waiting = select(func.count()).select_from(statement).where(statement.c.epoch.is_(None))
    owners = select(device.c.owner).distinct().subquery()
    return Figures(
        devices=_count(connection, select(func.count()).select_from(device)),
        contributors=_count(connection, select(func.count()).select_from(owners)),
        epochs_closed=len(rows),
        epochs_settled=len(settled),
        statements=judged,
        accepted=accepted,
        rejected=sum(row.rejected for row in settled),
        accepted_ppm=accepted * PPM // judged if judged else None,
        waiting=_count(connection, waiting),
        paid=amount_text(sum(row.paid_micro or 0 for row in settled)),
        minted=amount_text(sum(row.minted_wei or 0 for row in settled)),
    )


def _count(connection: Connection, query: Any) -> int:
    return int(connection.scalar(query) or 0)


def running(connection: Connection, site: Site, now: int) -> RunningEpoch | None:
    """Return the epoch that contains this moment, and when its evidence is frozen."""
    fixed = site.network
    number = fixed.epoch_at(now)
    if number < 0:
        return None
    start, end = fixed.epoch_start(number), fixed.epoch_start(number + 1)
    until = end + parameter_at(connection, site, "grace_s", number)
    return RunningEpoch(
        epoch=number,
        start=start,
        end=end,
        evidence_until=until,
        closes_at=until + parameter_at(connection, site, "confirm_s", number),
        passed_ppm=(now - start) * PPM // fixed.epoch_length_s,
    )


def parameter_at(connection: Connection, site: Site, key: str, at_epoch: int) -> int:
    """Return a parameter's value in an epoch; its default where the chain never defined it."""
    table = parameter_change
    found = connection.scalar(
        select(table.c.value)
        .where(table.c.key == key, table.c.from_epoch <= at_epoch)
        .order_by(table.c.from_epoch.desc(), table.c.number.desc())
        .limit(1)
    )
    return int(site.parameters[key].default if found is None else found)


def newest_epochs(connection: Connection, limit: int) -> list[EpochLine]:
    """Return the newest closed epochs, newest first."""
    rows = connection.execute(select(epoch).order_by(epoch.c.epoch.desc()).limit(limit)).all()
    return [_epoch_line(row) for row in rows]


def _epoch_line(row: Row[Any]) -> EpochLine:
    if row.statements is not None:
        stage = EpochStage.SETTLED
    else:
        stage = EpochStage.CLOSED if row.finalised_at is None else EpochStage.FINAL
    return EpochLine(
        epoch=row.epoch,
        start=row.start_s,
        end=row.end_s,
        stage=stage,
        statements=row.statements,
        accepted=row.accepted,
        rejected=row.rejected,
        paid=None if row.paid_micro is None else amount_text(row.paid_micro),
        minted=None if row.minted_wei is None else amount_text(row.minted_wei),
    )


def operators(connection: Connection, site: Site) -> Operators:
    """Return who runs gateways and verifiers."""
    both = union(select(gateway.c.operator), select(verifier.c.operator)).subquery()
    found = connection.scalars(select(both.c.operator).order_by(both.c.operator)).all()
    return Operators(
        gateways=_count(connection, select(func.count()).select_from(gateway)),
        verifiers=_count(connection, select(func.count()).select_from(verifier)),
        operators=[party(site, account) for account in found[:OPERATORS_SHOWN]],
        operators_count=len(found),
        single_operator_chain=site.single_operator,
    )


# --- the map --------------------------------------------------------------------------------------

Cells = Mapping[tuple[str, str], int]
"""(cell, resource) -> devices in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Devices by cell, no finer than the map may be."""

    resolution: int
    cells: Cells
    unplaced: int


def places(connection: Connection, limit: int, finest: int) -> Places:
    """Return devices by cell, in the finest resolution up to `finest` with few enough cells.

    Every cell given on chain is taken up to that resolution, so nobody is shown closer than policy
    allows now, whatever it allowed when the cell was given; one that was given coarser stays as
    coarse as it is.
    """
    rows = connection.execute(
        select(device.c.cell, device.c.resource, func.count()).group_by(
            device.c.cell, device.c.resource
        )
    ).all()
    unplaced = sum(count for cell, _, count in rows if cell is None)
    placed: Cells = {(cell, name): count for cell, name, count in rows if cell is not None}
    for resolution in range(finest, -1, -1):
        placed = _coarser(placed, resolution)
        if len({cell for cell, _ in placed}) <= limit or resolution == 0:
            return Places(resolution=resolution, cells=placed, unplaced=unplaced)
    raise AssertionError("the loop ends at resolution 0")


def _coarser(cells: Cells, resolution: int) -> Cells:
    found: Counter[tuple[str, str]] = Counter()
    for (cell, name), count in cells.items():
        parent = (
            cell if h3.get_resolution(cell) <= resolution else h3.cell_to_parent(cell, resolution)
        )
        found[parent, name] += count
    return found


def device_map(
    connection: Connection, site: Site, resource: str | None = None, limit: int = MAP_CELLS_MAX
) -> MapAnswer:
    """Return devices by cell as GeoJSON, of one resource or of all.

    Where a resource's evidence is sealed, one or two devices in a cell are told as a range.
    """
    finest = parameters.map_resolution(connection, site)  # changes with the clock, not the index
    found = site.counts.of(
        connection,
        ("network.places", limit, finest),
        lambda reading: places(reading, limit, finest),
    )
    by_cell: dict[str, dict[str, int]] = {}
    for (cell, name), count in sorted(found.cells.items()):
        if resource is None or name == resource:
            by_cell.setdefault(cell, {})[name] = count
    # large cells first: small ones that lie in them are drawn on top
    order = sorted(by_cell, key=lambda cell: (h3.get_resolution(cell), cell))
    features = [_feature(site, cell, by_cell[cell]) for cell in order]
    return MapAnswer(
        features=features,
        resolution=found.resolution,
        unplaced=found.unplaced if resource is None else _unplaced(connection, resource),
    )


def _unplaced(connection: Connection, resource: str) -> int:
    query = select(func.count()).select_from(device)
    return _count(connection, query.where(device.c.cell.is_(None), device.c.resource == resource))


def _feature(site: Site, cell: str, counts: Mapping[str, int]) -> CellFeature:
    told = [_told(site, name, count) for name, count in counts.items()]
    return CellFeature(
        geometry=Polygon(coordinates=[outline(cell)]),
        properties=CellProperties(
            cell=cell,
            resources=told,
            minimum=sum(one.minimum for one in told),
            maximum=sum(one.maximum for one in told),
        ),
    )


def _told(site: Site, name: str, count: int) -> CellCount:
    known = site.resources.get(name)
    sealed = known is None or known.visibility is Visibility.MEMBERS
    few = sealed and count < FEW
    return CellCount(
        resource=name,
        title=name if known is None else gettext(known.title),
        minimum=1 if few else count,
        maximum=FEW - 1 if few else count,
    )


def outline(cell: str) -> list[tuple[float, float]]:
    """Return a cell's outline as one closed ring of (longitude, latitude), degrees.

    A cell across the 180th meridian goes on beyond it instead of around the world.
    """
    ring = [(longitude, latitude) for latitude, longitude in h3.cell_to_boundary(cell)]
    first = ring[0][0]
    level = [
        (longitude - 360 * round((longitude - first) / 360), latitude)
        for longitude, latitude in ring
    ]
    return [(round(x, 6), round(y, 6)) for x, y in [*level, level[0]]]


# --- the same map as a picture --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hexagon:
    """A cell in a picture."""

    points: str
    """Corners as an SVG attribute."""
    shade: int
    """How many devices, in steps 1..5."""
    cell: CellProperties


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The map as a drawing of fixed width; its parts in drawing units."""

    width: int
    height: int
    hexagons: tuple[Hexagon, ...]
    meridians: tuple[float, ...]
    """Places of the graticule's vertical lines."""
    parallels: tuple[float, ...]


PICTURE_WIDTH: Final = 960
PICTURE_HEIGHT_MIN: Final = 280
PICTURE_HEIGHT_MAX: Final = 620
MARGIN: Final = 0.18
"""Free room around the cells, of the picture's larger side."""
LINES: Final = 8
"""Lines of the graticule across the picture, about."""
SHADES: Final = (1, 3, 10, 100)
"""A cell with more devices than the n-th has shade n + 1."""


def shade(devices: int) -> int:
    """Return how dark a cell is drawn, 1..5."""
    return 1 + sum(devices > bound for bound in SHADES)


def picture(found: MapAnswer) -> Picture | None:
    """Return the map as a drawing: equirectangular, true to scale at its middle. None: no cells."""
    if not found.features:
        return None
    rings = [feature.geometry.coordinates[0] for feature in found.features]
    longitudes = [x for ring in rings for x, _ in ring]
    latitudes = [y for ring in rings for _, y in ring]
    middle = (min(latitudes) + max(latitudes)) / 2
    squeeze = max(cos(radians(middle)), 0.1)
    wide = (max(longitudes) - min(longitudes)) * squeeze
    high = max(latitudes) - min(latitudes)
    room = 2 * MARGIN * max(wide, high)
    height = round(PICTURE_WIDTH * (high + room) / (wide + room))
    height = min(max(height, PICTURE_HEIGHT_MIN), PICTURE_HEIGHT_MAX)
    scale = min(PICTURE_WIDTH / (wide + room), height / (high + room))
    left = (min(longitudes) + max(longitudes)) / 2

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            round(PICTURE_WIDTH / 2 + (x - left) * squeeze * scale, 1),
            round(height / 2 - (y - middle) * scale, 1),
        )

    hexagons = tuple(
        Hexagon(
            points=" ".join("{},{}".format(*at(*corner)) for corner in ring[:-1]),
            shade=shade(feature.properties.maximum),
            cell=feature.properties,
        )
        for ring, feature in zip(rings, found.features, strict=True)
    )
    step = PICTURE_WIDTH / LINES
    return Picture(
        width=PICTURE_WIDTH,
        height=height,
        hexagons=hexagons,
        meridians=_every(step, PICTURE_WIDTH),
        parallels=_every(step, height),
    )


def _every(step: float, length: float) -> tuple[float, ...]:
    return tuple(round(step * line, 1) for line in range(1, int(length / step) + 1))


def heaviest(found: MapAnswer, count: int) -> Sequence[CellProperties]:
    """Return the cells with most devices, most first."""
    cells = [feature.properties for feature in found.features]
    return sorted(cells, key=lambda cell: (-cell.maximum, cell.cell))[:count]
