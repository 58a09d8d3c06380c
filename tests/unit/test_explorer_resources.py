"""A resource's page and answers: tables in words, pictures, counts, and whose rows who sees."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import Connection

from commonworks.errors import NotFound
from commonworks.explorer.index import schema
from commonworks.explorer.models.resources import PictureText, ResourceEpoch
from commonworks.explorer.queries import resources as queries
from commonworks.explorer.queries.tables import series_chart, shifted
from commonworks.explorer.site import Site
from commonworks.resources.base import Resource, Visibility
from commonworks.resources.shown import (
    CURRENCY,
    TOTALS,
    Heading,
    Holds,
    Picture,
    PictureKind,
    Series,
)
from explorer_kit import DAY, GENESIS, account, client, digest, fill, make_site, sign_in

ANN, BEN, EVE = account(0xA), account(0xB), account(0xE)
HOUR = 3_600
HOSTILE = "<script>alert(1)</script>"

HEADINGS = {
    TOTALS: Heading(words="Totals"),
    "level": Heading(words="Level of the well"),
    "barrels": Heading(words="Whence and whither"),
    "drawn": Heading(words="Who drew what"),
    "start_s": Heading(words="Begin", holds=Holds.MOMENT),
    "level_mm": Heading(words="Level", unit="m", scale=3, digits=2),
    "seen": Heading(words="Seen", holds=Holds.FLAG),
    "out": Heading(words="From", holds=Holds.CODE),
    "into": Heading(words="To", holds=Holds.CODE),
    "well": Heading(words="The well"),
    "drawn_ml": Heading(words="Drawn", unit="l", scale=3, digits=1),
    "device": Heading(words="Pump", holds=Holds.DEVICE),
    "account": Heading(words="Member", holds=Holds.ACCOUNT),
    "paid_micro": Heading(words="Paid", unit=CURRENCY, scale=6, digits=2),
    "debt_micro": Heading(words="Debt", unit=CURRENCY, scale=6, digits=2),
}
PICTURES = (
    Picture(
        name="figures",
        kind=PictureKind.FIGURES,
        title="The well in figures",
        explains="What the well gave.",
        table=TOTALS,
        series=(Series(column="paid_micro"), Series(column="unknown_yet")),
    ),
    Picture(
        name="level",
        kind=PictureKind.LINE,
        title="Level",
        explains="How high the water stood.",
        table="level",
        x="start_s",
        series=(Series(column="level_mm", where="seen", tone=3),),
    ),
    Picture(
        name="barrels",
        kind=PictureKind.FLOW,
        title="Barrels",
        explains="Where water went.",
        table="barrels",
        source="out",
        target="into",
        value="drawn_ml",
    ),
    Picture(
        name="drawn",
        kind=PictureKind.FLOW,
        title="Pumps and members",
        explains="Your own.",
        table="drawn",
        source="device",
        target="account",
        value="drawn_ml",
    ),
)


@pytest.fixture
def well() -> Resource:
    """A resource for members that nobody but this test knows."""
    base = make_site().resources["energy"]
    return replace(
        base,
        name="well",
        title="Water from one well",
        unit="ml",
        visibility=Visibility.MEMBERS,
        reasons={"well.dry": "The well was dry.", "well.leak": "A pipe leaks."},
        advice={"well.dry": "Wait for rain.", "well.leak": "Mend it."},
        purposes={"well.water": "Water."},
        figures=(),
        headings=HEADINGS,
        pictures=PICTURES,
    )


@pytest.fixture
def site(well: Resource) -> Site:
    """Two settled epochs and one that is only closed; Ann has pump 1, Ben pump 2."""
    made = make_site(
        resources=MappingProxyType({"well": well}),
        labels={ANN: "ann", BEN: HOSTILE},
        device_labels={digest(1): "pump"},
    )
    fill(made.engine, schema.device, *(pump(n, owner) for n, owner in ((1, ANN), (2, BEN))))
    fill(made.engine, schema.epoch, *(closed(n, settled=n < 2) for n in range(3)))
    for epoch, paid in ((0, 7_000_001), (1, 11_000_000)):
        totals = {"paid_micro": paid, "debt_micro": -2_500_000 * epoch}
        fill(
            made.engine,
            schema.summary,
            *(
                {"epoch": epoch, "resource": "well", "key": k, "value": v}
                for k, v in totals.items()
            ),
        )
    levels = [(GENESIS, 1_250, 1), (GENESIS + HOUR, 0, 0), (GENESIS + 2 * HOUR, 750, 1)]
    levels.append((GENESIS, 250, 1))  # two rows of one moment add up to 1.5
    barrels = [("well", "well.leak", 500), ("well", "homes", 2_000), ("well", "homes", 1_000)]
    public(made, "level", ("start_s", "level_mm", "seen"), levels)
    public(made, "barrels", ("out", "into", "drawn_ml"), [*barrels, ("homes", "well", 0)])
    public(made, TOTALS, ("figure", "value"), [("paid_micro", 11_000_000)])
    own(made, 1, ANN, [(0, (1, "0x" + ANN.hex(), 300)), (2, (1, "0x" + BEN.hex(), 40))])
    own(made, 1, BEN, [(1, (2, "0x" + BEN.hex(), 999)), (2, (1, "0x" + BEN.hex(), 40))])
    fill(made.engine, schema.span, *(short(n, device) for n, device in enumerate((1, 1, 2))))
    said = [
        (0, "rejected", "well.dry", 1),
        (1, "rejected", "well.dry", 2),
        (2, "accepted", None, 1),
    ]
    said += [(3, "rejected", "bad_signature", None)]
    fill(made.engine, schema.statement, *(judged(*row) for row in said))
    return made


def pump(number: int, owner: bytes) -> Mapping[str, object]:
    return {
        "device": number, "owner": owner, "thumbprint": digest(number), "algorithm": 1,
        "public_key": bytes(32), "resource": "well", "cell": None, "enroller": owner,
        "enrolled_at": GENESIS, "enrolled_tx": digest(9), "reference": False, "statements": 0,
        "rejected": 0,
    }  # fmt: skip


def closed(number: int, *, settled: bool) -> Mapping[str, object]:
    start = GENESIS + number * DAY
    return {
        "epoch": number, "start_s": start, "end_s": start + DAY, "closed_at": start + DAY,
        "closed_block": number, "closed_tx": digest(number), "evidence_hash": digest(number),
        "statements": 4 if settled else None,
    }  # fmt: skip


def public(site: Site, name: str, columns: Sequence[str], rows: Sequence[Any]) -> None:
    row = {"epoch": 1, "resource": "well", "name": name}
    fill(
        site.engine,
        schema.view,
        row | {"columns": json.dumps(columns), "rows": json.dumps(rows)},
    )


def own(site: Site, epoch: int, who: bytes, rows: Sequence[tuple[int, Any]]) -> None:
    columns = json.dumps(["device", "account", "drawn_ml"])
    base = {"epoch": epoch, "resource": "well", "name": "drawn", "account": who, "columns": columns}
    fill(
        site.engine,
        schema.view_row,
        *(base | {"number": number, "row": json.dumps(row)} for number, row in rows),
    )


def short(number: int, device: int) -> Mapping[str, object]:
    return {
        "epoch": 1, "number": number, "resource": "well", "device": device, "start_s": GENESIS,
        "length_s": HOUR, "reason": "well.leak", "claimed": 7_919, "credited": 0,
    }  # fmt: skip


def judged(place: int, outcome: str, reason: str | None, device: int | None) -> dict[str, object]:
    return {
        "log_id": digest(1), "position": place, "identity": digest(place), "leaf": digest(place),
        "device": device, "resource": "well", "sealed": True, "bytes": 99, "epoch": 1,
        "outcome": outcome, "reason": reason,
    }  # fmt: skip


def shown(site: Site, viewer: bytes | None = None, number: int = 1) -> ResourceEpoch:
    with site.engine.connect() as connection:
        return queries.epoch_of(connection, site, "well", number, viewer)


def picture(epoch: ResourceEpoch, name: str) -> PictureText:
    return next(one for one in epoch.pictures if one.name == name)


# --- an epoch -------------------------------------------------------------------------------------


def test_totals_in_whole_units(site: Site) -> None:
    epoch = shown(site)
    assert [(one.column.words, one.column.unit, one.value) for one in epoch.totals] == [
        ("Debt", "tEUR", "-2500000"),
        ("Paid", "tEUR", "11000000"),
    ]
    assert [one.column.key for one in epoch.figures] == ["paid_micro"]  # others are unknown yet
    assert (epoch.previous, epoch.following) == (0, None)  # the third is not settled
    assert epoch.figures_explained == "What the well gave."


def test_a_line_has_gaps_where_nothing_was_seen(site: Site) -> None:
    drawn = picture(shown(site), "level")
    assert drawn.chart.at == [GENESIS, GENESIS + HOUR, GENESIS + 2 * HOUR]
    (series,) = drawn.chart.series
    assert series.values == ["1.500", None, "0.750"]
    assert (series.label, series.unit, series.digits, series.tone) == ("Level", "m", 2, 3)
    assert drawn.columns == ["start_s", "level_mm"]


def test_a_flow_adds_up_and_speaks_in_words(site: Site) -> None:
    """2,000 and 1,000 ml are one ribbon of 3 l; nothing flows nowhere."""
    drawn = picture(shown(site), "barrels")
    assert drawn.chart.links == [("The well", "homes", "3.000"), ("The well", "Leak", "0.500")]
    assert (drawn.chart.unit, drawn.chart.digits, drawn.own) == ("l", 1, False)


def test_tables_follow_the_pictures_and_totals_stand_apart(site: Site) -> None:
    assert [table.name for table in shown(site).tables] == ["level", "barrels"]


def test_counts_by_reason(site: Site) -> None:
    epoch = shown(site)
    counted = [(one.reason.code, one.count, one.devices) for one in epoch.rejected]
    assert counted == [("well.dry", 2, 2), ("bad_signature", 1, 0)]
    (leak,) = epoch.reduced
    assert (leak.reason.title, leak.reason.advice) == ("Leak", "Mend it.")
    assert (leak.count, leak.devices) == (3, 2)


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [(90_317, 6, "0.090317"), (-5, 3, "-0.005"), (7, 0, "7"), (10**30 + 1, 3, f"{10**27}.001")],
)
def test_shifting_is_exact(value: int, scale: int, text: str) -> None:
    assert shifted(value, scale) == text


# --- whose rows -----------------------------------------------------------------------------------


def test_a_stranger_sees_no_row_of_anybody(site: Site) -> None:
    epoch = shown(site)
    assert (epoch.own, epoch.devices, epoch.accounts) == ([], [], [])
    assert {one.name for one in epoch.pictures} == {"level", "barrels"}
    assert shown(site, EVE).own == []


def test_a_member_sees_what_concerns_it_and_nothing_else(site: Site) -> None:
    (table,) = shown(site, ANN).own
    assert table.rows == [[1, "0x" + ANN.hex(), 300], [1, "0x" + BEN.hex(), 40]]
    drawn = picture(shown(site, ANN), "drawn")
    assert drawn.own
    assert drawn.chart.links == [("pump #1", "ann", "0.300"), ("pump #1", HOSTILE, "0.040")]
    (table,) = shown(site, BEN).own
    assert [row[2] for row in table.rows] == [999, 40]
    assert shown(site, ANN, number=0).own == []


def test_quantities_of_others_are_in_no_answer(site: Site) -> None:
    """What was claimed (7,919) and what the others drew (999, 300) never leaves."""
    web = client(site)
    for path in ("/resources/well?epoch=1", "/api/v1/resources/well/epochs/1"):
        # the mark in addresses of our files is no quantity, whatever digits it has
        text = re.sub(r"/static/[0-9a-f]+/", "/static/", web.get(path).text)
        assert web.get(path).status_code == 200
        for secret in ("7919", "7,919", "7.919", "999", "0.300"):
            assert secret not in text, (path, secret)


# --- over time ------------------------------------------------------------------------------------


def test_a_total_over_time(site: Site) -> None:
    with site.engine.connect() as connection:
        series = queries.series_of(connection, site, "well", "paid_micro")
        newest = queries.series_of(connection, site, "well", "paid_micro", 1)
        never = queries.series_of(connection, site, "well", "level_mm")
    assert [(p.epoch, p.start, p.value) for p in series.points] == [
        (0, GENESIS, "7000001"),
        (1, GENESIS + DAY, "11000000"),
    ]
    assert [point.epoch for point in newest.points] == [1]
    assert never.points == []
    chart = series_chart(series, 1)
    assert chart.names == ["Epoch 0", "Epoch 1"]
    assert chart.series[0].values == ["7.000001", "11.000000"]
    assert [mark.name for mark in chart.marks] == ["Epoch 1"]
    assert series_chart(series, 9).marks == []


def missing_resource(connection: Connection, site: Site) -> None:
    queries.describe(connection, site, "wind")


def missing_epoch(connection: Connection, site: Site) -> None:
    queries.epoch_of(connection, site, "well", 2, None)


def missing_total(connection: Connection, site: Site) -> None:
    queries.series_of(connection, site, "well", "nothing")


@pytest.mark.parametrize("ask", [missing_resource, missing_epoch, missing_total])
def test_what_there_is_not(site: Site, ask: Any) -> None:
    with site.engine.connect() as connection, pytest.raises(NotFound):
        ask(connection, site)


# --- pages and answers ----------------------------------------------------------------------------


def test_the_list_and_the_description(site: Site) -> None:
    web = client(site)
    (row,) = web.get("/api/v1/resources").json()
    assert (row["name"], row["visibility"], row["newest"]) == ("well", "members", 1)
    assert row["figures"][0]["value"] == "11000000"
    one = web.get("/api/v1/resources/well").json()
    assert (one["oldest"], one["newest"]) == (0, 1)
    assert [reason["code"] for reason in one["reasons"]] == ["well.dry", "well.leak"]
    assert [total["key"] for total in one["totals"]] == ["debt_micro", "paid_micro"]
    assert web.get("/api/v1/resources/well/series?figure=paid_micro&limit=1").json()["points"]
    assert web.get("/api/v1/resources/well/series?figure=nothing").status_code == 404
    assert web.get("/api/v1/resources/wind").status_code == 404
    assert web.get("/resources").headers["location"] == "/resources/well"


def test_the_page_reads_without_scripts(site: Site) -> None:
    text = client(site).get("/resources/well").text
    for words in ("Water from one well", "Epoch 1", "11.00 tEUR", "Level (m)", "The well was dry.",
                  "Mend it.", "3 spans", "2 devices", "Sign in with your wallet"):  # fmt: skip
        assert words in text
    for code in ("level_mm", "paid_micro", "drawn_ml", "_micro"):
        assert f">{code}" not in text
    assert 'href="/resources/well?epoch=0' in text
    assert "style=" not in text
    assert text.count("<h1") == 1


def test_the_page_before_the_first_epoch(well: Resource) -> None:
    site = make_site(resources=MappingProxyType({"well": well}))
    answer = client(site).get("/resources/well")
    assert answer.status_code == 200
    assert "No epoch is settled yet" in answer.text
    (row,) = client(site).get("/api/v1/resources").json()
    assert (row["newest"], row["figures"]) == (None, [])


def test_an_epoch_in_which_nothing_happened(site: Site) -> None:
    text = client(site).get("/resources/well?epoch=0").text
    assert "everything that was claimed was credited" in text
    assert client(site).get("/resources/well?epoch=2").status_code == 404


def test_hostile_names_stay_text(site: Site) -> None:
    text = sign_in(client(site), ANN).get("/resources/well").text
    assert "Pumps and members" in text
    assert "&lt;script&gt;" in text
    assert HOSTILE not in text
