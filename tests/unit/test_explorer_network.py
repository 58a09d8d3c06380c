"""The overview's figures by hand, the running epoch, and a map that shows nobody too closely."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal, localcontext
from math import cos, radians
from typing import Any

import h3
import pytest
from babel.numbers import format_decimal
from sqlalchemy import insert

from commonworks.explorer.index import schema
from commonworks.explorer.models.network import EpochStage, MapAnswer
from commonworks.explorer.queries import network as queries
from commonworks.explorer.sessions import Door
from commonworks.explorer.site import Site
from commonworks.explorer.web import templating
from commonworks.explorer.web.counts import Counts
from commonworks.resources.base import Visibility
from commonworks.resources.energy.simulate import OUTLYING, SIMULATOR, VILLAGE
from explorer_kit import (
    DAY,
    GENESIS,
    FixedClock,
    account,
    client,
    digest,
    fill,
    make_site,
    set_parameter,
)

HOSTILE = '<img src=x onerror="alert(1)">'
PLACE = h3.latlng_to_cell(51.4, 9.3, 9)
NEAR = h3.cell_to_parent(PLACE, 7)


def device_row(number: int, **changes: Any) -> dict[str, Any]:
    """Return a row of the table of devices."""
    row: dict[str, Any] = {
        "device": number, "owner": account(1), "thumbprint": digest(number), "algorithm": -8,
        "public_key": bytes(32), "resource": "energy", "cell": None, "enroller": account(1),
        "enrolled_at": 0, "enrolled_tx": digest(1), "reference": False, "statements": 0,
        "rejected": 0, "last_judged_epoch": None,
    }  # fmt: skip
    return row | changes


def epoch_row(number: int, **changes: Any) -> dict[str, Any]:
    """Return the row of a closed epoch."""
    row = dict.fromkeys(column.name for column in schema.epoch.columns)
    return row | {
        "epoch": number, "start_s": GENESIS + number * DAY, "end_s": GENESIS + (number + 1) * DAY,
        "closed_at": 2, "closed_block": 3, "closed_tx": digest(4), "evidence_hash": digest(5),
    } | changes  # fmt: skip


def settled(statements: int, accepted: int, paid: int, minted: int) -> dict[str, Any]:
    """Return what a settlement adds to an epoch's row."""
    return {
        "finalised_at": 5, "digest": digest(6), "statements": statements, "accepted": accepted,
        "rejected": statements - accepted, "paid_micro": paid, "minted_wei": minted,
    }  # fmt: skip


def statement_row(position: int, epoch: int | None) -> dict[str, Any]:
    """Return a row of the table of statements."""
    return {
        "log_id": digest(1), "position": position, "identity": digest(position), "kind": "report",
        "kid": None, "device": None, "resource": None, "said_at": None, "sealed": False,
        "bytes": 1, "leaf": digest(position), "epoch": epoch, "outcome": None, "reason": None,
    }  # fmt: skip


def map_of(site: Site, resource: str | None = None, **options: Any) -> MapAnswer:
    """Return the map."""
    with site.engine.connect() as connection:
        return queries.device_map(connection, site, resource, **options)


# --- figures --------------------------------------------------------------------------------------


def test_figures_by_hand() -> None:
    site = make_site()
    fill(site.engine, schema.device, device_row(1), device_row(2), device_row(3, owner=account(2)))
    fill(
        site.engine, schema.epoch,
        epoch_row(0, **settled(7, 5, 11, 13)), epoch_row(1, **settled(17, 17, 2**70, 19)),
        epoch_row(2, finalised_at=5), epoch_row(3),
    )  # fmt: skip
    fill(
        site.engine, schema.statement, statement_row(0, 0), statement_row(1, None),
        statement_row(2, None),
    )  # fmt: skip
    with site.engine.connect() as connection:
        found = queries.network(connection, site)
    figures = found.figures
    assert (figures.devices, figures.contributors) == (3, 2)
    assert (figures.epochs_closed, figures.epochs_settled) == (4, 2)
    assert (figures.statements, figures.accepted, figures.rejected) == (24, 22, 2)
    assert figures.accepted_ppm == 916_666  # 22 of 24, floored
    assert figures.waiting == 2
    assert (figures.paid, figures.minted) == (str(2**70 + 11), "32")
    assert [(line.epoch, line.stage) for line in found.newest_epochs] == [
        (3, EpochStage.CLOSED), (2, EpochStage.FINAL), (1, EpochStage.SETTLED),
        (0, EpochStage.SETTLED),
    ]  # fmt: skip


def test_the_clock_on_the_wall_is_told_to_the_minute() -> None:
    site = make_site(door=Door(now=lambda: GENESIS + 59))
    with site.engine.connect() as connection:
        assert queries.network(connection, site).wall_time == GENESIS


def test_a_network_without_anything_has_no_share() -> None:
    site = make_site()
    with site.engine.connect() as connection:
        found = queries.network(connection, site)
    assert found.figures.accepted_ppm is None
    assert found.newest_epochs == []
    assert found.nodes.operators == []


def test_the_running_epoch_closes_after_grace_and_confirmation() -> None:
    site = make_site(clock=FixedClock(GENESIS + 3 * DAY + DAY // 4))
    change = {
        "key": "grace_s", "minimum": 0, "maximum": 10**6, "time": 1, "tx": digest(1),
    }  # fmt: skip
    fill(
        site.engine, schema.parameter_change,
        {**change, "number": 0, "value": 3600, "from_epoch": 0},
        {**change, "number": 1, "value": 601, "from_epoch": 3},
        {**change, "number": 2, "value": 7, "from_epoch": 4},
    )  # fmt: skip
    with site.engine.connect() as connection:
        found = queries.running(connection, site, site.clock.now())
    assert found is not None
    assert (found.epoch, found.start, found.end) == (3, GENESIS + 3 * DAY, GENESIS + 4 * DAY)
    assert found.passed_ppm == 250_000
    assert found.evidence_until == found.end + 601
    # confirm_s was never set on chain here: its default holds
    assert found.closes_at == found.evidence_until + site.parameters["confirm_s"].default


def test_before_genesis_no_epoch_runs() -> None:
    site = make_site(clock=FixedClock(GENESIS - 1))
    with site.engine.connect() as connection:
        assert queries.running(connection, site, site.clock.now()) is None
    assert "has not begun yet" in client(site).get("/").text


def test_who_operates_both_kinds_of_node_is_one_operator() -> None:
    site = make_site(labels={account(7): "founder"})
    fill(site.engine, schema.gateway, {
        "log_id": digest(1), "operator": account(7), "name": "g", "origin": "o", "endpoint": "e",
        "note_key": digest(1), "receipt_key": bytes(32), "registered_at": 0,
        "registered_tx": digest(1),
    })  # fmt: skip
    both = {"name": "v", "endpoint": "e", "registered_at": 0, "registered_tx": digest(1)}
    fill(
        site.engine, schema.verifier, {"operator": account(7), **both},
        {"operator": account(8), **both},
    )  # fmt: skip
    with site.engine.connect() as connection:
        found = queries.operators(connection, site)
    assert (found.gateways, found.verifiers, found.operators_count) == (1, 2, 2)
    assert [operator.label for operator in found.operators] == ["founder", None]


# --- counts kept by state of the index ------------------------------------------------------------


def test_a_figure_is_counted_again_when_the_index_moved() -> None:
    site, counts, asked = make_site(), Counts(), []

    def count(_: object) -> int:
        asked.append(1)
        return len(asked)

    fill(site.engine, schema.cursor, {"name": "block", "value": 5})
    with site.engine.connect() as connection:
        assert [counts.of(connection, "a", count) for _ in range(3)] == [1, 1, 1]
        assert counts.of(connection, "b", count) == 2
    with site.engine.begin() as connection:
        connection.execute(insert(schema.cursor).values(name="settled", value=0))
    with site.engine.connect() as connection:
        assert counts.of(connection, "a", count) == 3


# --- the map --------------------------------------------------------------------------------------


def test_devices_are_shown_no_closer_than_the_map_allows() -> None:
    site = make_site()
    fill(site.engine, schema.device, *(device_row(n, cell=PLACE) for n in range(3)))
    found = map_of(site)
    [feature] = found.features
    assert feature.properties.cell == NEAR
    assert found.resolution == 7, "what holds where policy names none"
    assert (feature.properties.minimum, feature.properties.maximum) == (3, 3)


def test_a_vote_coarsens_the_map_for_devices_that_are_there_already() -> None:
    """From the opening of its epoch on, and whatever was counted before; finer again as well."""
    clock = FixedClock(GENESIS + 3 * DAY - 1)
    site = make_site(clock=clock)
    web = client(site)
    fill(site.engine, schema.device, *(device_row(n, cell=PLACE) for n in range(3)))
    set_parameter(site, "map_resolution", (0, 9), (3, 5), (4, 15))
    coarse = h3.cell_to_parent(PLACE, 5)
    seen = []
    for time_s in (GENESIS + 3 * DAY - 1, GENESIS + 3 * DAY, GENESIS + 4 * DAY):
        clock.time_s = time_s
        answer = web.get("/api/v1/network/map").json()
        [feature] = answer["features"]
        seen.append((feature["properties"]["cell"], answer["resolution"]))
        page = web.get("/").text
        assert feature["properties"]["cell"] in page
        assert (PLACE in page) == (feature["properties"]["cell"] == PLACE)
    assert seen == [(PLACE, 9), (coarse, 5), (PLACE, 15)]


def test_one_or_two_sealed_devices_are_a_range_and_public_ones_are_not() -> None:
    site = make_site()
    sealed = site.resources["energy"]
    assert sealed.visibility is Visibility.MEMBERS
    public = replace(sealed, name="rain", visibility=Visibility.PUBLIC)
    site.resources = {"energy": sealed, "rain": public}
    fill(
        site.engine, schema.device,
        device_row(1, cell=NEAR), device_row(2, cell=NEAR, resource="rain"), device_row(3),
    )  # fmt: skip
    found = map_of(site)
    [cell] = [feature.properties for feature in found.features]
    told = {one.resource: (one.minimum, one.maximum) for one in cell.resources}
    assert told == {"energy": (1, 2), "rain": (1, 1)}
    assert (cell.minimum, cell.maximum) == (2, 3)
    assert found.unplaced == 1
    assert map_of(site, "rain").unplaced == 0
    [only] = map_of(site, "rain").features
    assert only.properties.maximum == 1
    assert "1–2" in client(site).get("/").text


def test_a_wide_network_is_shown_in_coarser_cells() -> None:
    site = make_site()
    cells = sorted(h3.grid_disk(NEAR, 6))
    fill(site.engine, schema.device, *(device_row(n, cell=c) for n, c in enumerate(cells)))
    found = map_of(site, limit=20)
    assert len(found.features) <= 20
    assert found.resolution < 7
    assert sum(feature.properties.minimum for feature in found.features) <= len(cells)
    assert len(map_of(site).features) == len(cells) == 127


def test_an_outline_is_a_closed_ring_that_does_not_go_around_the_world() -> None:
    cell = h3.latlng_to_cell(0.0, 180.0, 3)
    ring = queries.outline(cell)
    assert ring[0] == ring[-1]
    assert max(x for x, _ in ring) - min(x for x, _ in ring) < 10


def test_the_picture_is_true_to_scale_at_its_middle() -> None:
    site = make_site()
    fill(site.engine, schema.device, *(device_row(n, cell=NEAR) for n in range(4)))
    found = map_of(site)
    picture = queries.picture(found)
    assert picture is not None
    [hexagon] = picture.hexagons
    assert hexagon.shade == queries.shade(4) == 3
    corners = [tuple(map(float, corner.split(","))) for corner in hexagon.points.split()]
    ring = found.features[0].geometry.coordinates[0][:-1]
    assert len(corners) == len(ring)
    wide = max(x for x, _ in corners) - min(x for x, _ in corners)
    high = max(y for _, y in corners) - min(y for _, y in corners)
    east = max(x for x, _ in ring) - min(x for x, _ in ring)
    north = max(y for _, y in ring) - min(y for _, y in ring)
    assert wide / high == pytest.approx(east * cos(radians(51.4)) / north, rel=0.01)
    assert all(0 < x < picture.width and 0 < y < picture.height for x, y in corners)


def test_without_places_there_is_no_picture() -> None:
    assert queries.picture(map_of(make_site())) is None


def test_the_simulated_street_lies_in_four_neighbouring_cells() -> None:
    cells = {f"{cell:x}" for cell in (VILLAGE, *OUTLYING.values())}
    assert all(h3.is_valid_cell(cell) and h3.get_resolution(cell) == 7 for cell in cells)
    assert cells <= set(h3.grid_disk(f"{VILLAGE:x}", 1))
    assert len(cells) == 4
    for season in ("summer", "winter"):
        start = SIMULATOR.natural_start(season)
        assert start is not None
        world = SIMULATOR.world(seed=1, season=season, cheaters=True, start_s=start)
        assert all(bool(actor.cell) == actor.enrolled for actor in world.cast.actors)
        assert {actor.owner for actor in world.cast.actors} > set(OUTLYING)


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_numbers_are_written_as_the_language_library_writes_them(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templating.i18n, "language", lambda: language)
    for units in (0, 1, 999, 1_000, 123_450_000, 2**64, 2**256 - 1, -1_234_500):
        for decimals, digits in ((0, 2), (2, 2), (6, 2), (18, 4)):
            with localcontext(prec=120):
                whole = Decimal(units).scaleb(-decimals)
                places = min(digits, decimals)
                shown = whole.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN)
                pattern = ("#,##0." + "0" * places).rstrip(".")
                expected = format_decimal(shown, format=pattern, locale=language)
            if not whole or abs(whole) >= 1:
                assert templating.amount(units, decimals, digits) == expected
        with localcontext(prec=120):
            expected = format_decimal(units, locale=language)
        assert templating.number(units) == expected
    for units, text in ((438_485, "0.43"), (45_678, "0.04567"), (999, "0.000999"), (7, "0.000007")):
        expected = format_decimal(Decimal(text), format="0.##########", locale=language)
        assert templating.amount(units, 6) == expected
    assert templating.amount(1, 18) == format_decimal(
        Decimal("1e-18"), format="0." + "0" * 18, locale=language
    )


# --- through HTTP ---------------------------------------------------------------------------------


def test_the_first_page_says_what_it_is_and_escapes_the_network_name() -> None:
    site = make_site(name=HOSTILE, labels={account(7): HOSTILE})
    fill(
        site.engine, schema.verifier,
        {"operator": account(7), "name": HOSTILE, "endpoint": "e", "registered_at": 0,
         "registered_tx": digest(1)},
    )  # fmt: skip
    page = client(site).get("/")
    assert page.status_code == 200
    assert "<img" not in page.text
    assert page.text.count("&lt;img src=x onerror=") >= 2
    for text in ("single-operator chain", "Demo", "I contribute", "I vote", "I want to check it"):
        assert text in page.text
    assert page.text.count("<h1") == 1


def test_the_api_says_what_the_page_shows() -> None:
    site = make_site()
    fill(site.engine, schema.device, device_row(1, cell=PLACE))
    web = client(site)
    found = web.get("/api/v1/network").json()
    assert (found["name"], found["chain_id"], found["figures"]["devices"]) == (
        "Test street", 31_337, 1,
    )  # fmt: skip
    places = web.get("/api/v1/network/map").json()
    assert places["type"] == "FeatureCollection"
    assert places["features"][0]["geometry"]["type"] == "Polygon"
    assert web.get("/api/v1/network/map", params={"resource": "none"}).status_code == 404


def test_the_manifest_keeps_the_operators_own_endpoints_to_itself() -> None:
    document = {"name": "n", "chain": {"chain_id": 5, "endpoints": ["https://key@rpc.example"]}}
    site = make_site(manifest=json.dumps(document).encode(), rpc=("https://open.example",))
    found = client(site).get("/api/v1/network/manifest").json()
    assert found["chain"] == {"chain_id": 5, "endpoints": ["https://open.example"]}
