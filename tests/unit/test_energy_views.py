"""Energy in words and pictures: what everybody sees, what only those concerned see, in German."""

from __future__ import annotations

from importlib import resources

import pytest
from babel.messages.pofile import read_po

from commonworks.model import ResourceResult
from commonworks.resources.base import Table
from commonworks.resources.energy import RESOURCE
from commonworks.resources.energy.views import views
from commonworks.resources.shown import CURRENCY, TOTALS, Holds, PictureKind
from street_world import Meter, Street

PUBLIC = {"totals", "prices", "balance", "sources"}


def settled(sun: int, house: int) -> ResourceResult:
    """Settle an hour in which a plant feeds in and a house draws, both in its first quarter."""
    street = Street({"sun": Meter(plant_wp=10_000), "house": Meter()})
    street.orders(sun=83_000, house=-307_000)
    nothing = [(0, 0)] * 3
    street.measure(0, {"sun": [(0, sun), *nothing], "house": [(house, 0), *nothing]})
    (result,) = street.settle().resources
    return result


def tables(result: ResourceResult) -> dict[str, Table]:
    return {table.name: table for table in views(result)}


@pytest.mark.parametrize(
    ("sun", "house", "shared", "drawn", "fed"),
    [(70, 100, 70, 30, 0), (130, 100, 100, 0, 30), (0, 100, 0, 100, 0)],
)
def test_where_energy_came_from_and_went(
    sun: int, house: int, shared: int, drawn: int, fed: int
) -> None:
    assert tables(settled(sun, house))["sources"].rows == (
        ("sun", "homes", shared),
        ("utility", "homes", drawn),
        ("sun", "utility", fed),
    )


def test_what_names_a_device_or_an_account_concerns_it() -> None:
    shown = tables(settled(130, 100))
    assert {name for name, table in shown.items() if not table.concerns} == PUBLIC
    assert shown["flows"].concerns == ("seller_device", "buyer_device")
    assert shown["bills"].concerns == ("device", "account")
    personal = {Holds.DEVICE, Holds.ACCOUNT}
    for name in PUBLIC:
        holds = {RESOURCE.heading(name, column).holds for column in shown[name].columns}
        assert not holds & personal


def test_every_quantity_is_shown_in_whole_units() -> None:
    """What ends in _wh is shown in kWh, micro-units in the currency: three and six places."""
    for table in tables(settled(130, 100)).values():
        for column in table.columns:
            heading = RESOURCE.heading(table.name, column)
            assert heading.words != column
            if column.endswith("_wh"):
                assert (heading.unit, heading.scale) == ("kWh", 3)
            if "_micro" in column:
                assert CURRENCY in heading.unit
                assert heading.scale == 6


def test_the_same_key_reads_otherwise_among_the_totals() -> None:
    assert RESOURCE.heading("balance", "import_wh").words == "Drawn, by the meters"
    assert RESOURCE.heading(TOTALS, "import_wh").words == "Drawn by the homes"
    assert RESOURCE.heading("", "unheard_of").words == "unheard_of"


def test_what_the_page_shows_first() -> None:
    kinds = [picture.kind for picture in RESOURCE.pictures]
    assert kinds[0] is PictureKind.FIGURES
    assert kinds.count(PictureKind.FLOW) == 2
    first = [item.column for item in RESOURCE.pictures[0].series]
    assert "savings_micro" in first
    assert set(first) <= set(settled(130, 100).summary)


def test_every_text_is_translated() -> None:
    place = resources.files("commonworks.resources.energy") / "locale/de/LC_MESSAGES/energy.po"
    with place.open("rb") as file:
        german = read_po(file)
    texts = set(RESOURCE.texts())
    assert {text for text in texts if not (german.get(text) and german[text].string)} == set()
    assert {str(message.id) for message in german if message.id} == texts
    for message in german:  # a unit's place for the currency stays a place
        assert (CURRENCY in str(message.id)) is (CURRENCY in str(message.string))


def test_a_title_for_each_reason() -> None:
    assert RESOURCE.code_title("energy.beyond_clear_sky") == "Beyond clear sky"
    assert set(RESOURCE.advice) == set(RESOURCE.reasons)
