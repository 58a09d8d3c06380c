"""A recorded summer day of the real street, meters with their errors, nobody lies."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from commonworks.model import (
    Settlement,
)
from commonworks.resources.energy import RESOURCE as ENERGY
from commonworks.resources.energy.reasons import Why
from commonworks.resources.energy.simulate import SIMULATOR
from commonworks.statements.model import Kind
from commonworks.units import DAY_S, MICRO
from settlement_world import BEFORE_S, GENESIS_S, NETWORK, World, account


def settled_day(*, cheaters: bool) -> Settlement:
    """Return the first day of the summer week."""
    cast = SIMULATOR.world(seed=3, season="summer", cheaters=cheaters, start_s=GENESIS_S)
    grid = int.from_bytes(account("grid-operator"), "big")
    network = replace(NETWORK, epoch_length_s=DAY_S)
    world = World([ENERGY], network, energy_grid_account=grid)
    world.registrar(resource="energy")
    thumbprints = {}
    for actor in cast.cast.actors:
        if actor.enrolled:
            world.enrol(actor.name, actor.owner, resource="energy", algorithm=actor.algorithm)
            world.log(world.binding(actor.name, actor.owner), at=BEFORE_S)
            world.limit(actor.owner, actor.name, 100 * MICRO)
            world.deposit(actor.owner, 100 * MICRO)
        thumbprints[actor.name] = world.key(actor.name).public.thumbprint
        if actor.reference:
            world.reference(actor.name)
        for kind, columns in cast.standing(actor.name):
            schema = ENERGY.schemas[kind]
            order = world.record(actor.name, schema, BEFORE_S, columns, resource="energy")
            world.log(order, at=BEFORE_S)
    table = cast.site(thumbprints)
    assert table is not None
    schema = ENERGY.schemas[Kind.SITE]
    site = world.record("registrar", schema, BEFORE_S, table, resource="energy")
    world.log(site, at=BEFORE_S)
    world.adopt(site, "energy")
    for item in cast.step(GENESIS_S, GENESIS_S + DAY_S):
        schema = ENERGY.schemas[item.kind]
        world.log(world.record(item.actor, schema, item.time, item.columns, resource="energy"))
    return world.settle()


@pytest.fixture(scope="module")
def day() -> Settlement:
    """The honest day."""
    return settled_day(cheaters=False)


def test_nothing_is_rejected(day: Settlement) -> None:
    assert Counter(verdict.reason for verdict in day.verdicts if verdict.reason) == {}
    assert {item.reason for item in day.resources[0].intervals} == {Why.BALANCE_CUT}


def test_the_balance_holds_within_the_meters_classes(day: Settlement) -> None:
    figures = day.resources[0].summary
    assert figures["intervals_beyond_class"] == figures["intervals_without_feeder"] == 0
    assert 0 < figures["cut_wh"] < figures["export_wh"] // 200  # errors cost less than 0.5 %


def test_the_street_shares_and_saves(day: Settlement) -> None:
    figures = day.resources[0].summary
    assert figures["shared_wh"] > 200_000
    assert figures["savings_micro"] > 0
    assert day.minted_wei > 0


def test_liars_show_beyond_the_meters_classes() -> None:
    figures = settled_day(cheaters=True).resources[0].summary
    assert figures["intervals_beyond_class"] > 10
