"""Conformance sees: each broken resource here breaks one rule, and that rule is what is found.

The whole ones, energy and the sample, pass it in tests/integration/test_third_party_resource.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from commonworks.conformance import RULES, Finding, Rule, check_resource
from commonworks.conformance.declaration import check_declaration
from commonworks.conformance.pressure import check_hash_seeds, check_pressure
from commonworks.conformance.sources import check_sources
from commonworks.conformance.worlds import (
    Told,
    check_cheaters,
    check_simulator,
    check_told,
    tell,
    world_of,
)
from commonworks.errors import InvalidInput
from commonworks.model import Outcome, ResourceResult
from commonworks.resources.base import (
    Figure,
    Resource,
    ResourceInput,
    Rules,
    Table,
    Traded,
    Verified,
    Visibility,
)
from commonworks.resources.shown import Heading, PictureKind, Series
from commonworks.settlement import intake, ledger, settle
from commonworks.statements.model import Column, DType, Kind, Signer

# the sample is a package of its own: here it is read where it lies
sys.path.append(str(Path(__file__).parents[2] / "examples" / "rainfall" / "src"))
from commonworks_rainfall import RESOURCE
from commonworks_rainfall.simulate import SIMULATOR, RainSimulator, RainWorld

HOURS_S = 13 * 3_600


class Short(RainSimulator):
    """Rain for half a day, one epoch."""

    def world(self, **arguments: Any) -> RainWorld:
        world = super().world(**arguments)
        world.cast = replace(world.cast, length_s=HOURS_S)
        return world


@cache
def story(*, cheaters: bool = True) -> Told:
    told = tell(RESOURCE, world_of(Short(), 1, season="summer", cheaters=cheaters))
    assert isinstance(told, Told), told
    return told


def rules(found: Iterable[Finding]) -> set[Rule]:
    return {finding.rule for finding in found}


def test_the_whole_sample_has_no_finding() -> None:
    data = story().played[0].data
    assert list(check_declaration(RESOURCE)) == []
    assert list(check_sources(RESOURCE)) == []
    assert list(check_pressure(RESOURCE, data, "")) == []
    assert list(check_hash_seeds(RESOURCE, data, "")) == []
    assert list(check_told(story())) == []
    assert list(check_cheaters(story(), story(cheaters=False))) == []
    assert list(check_simulator(SIMULATOR, RESOURCE, 1)) == []


def test_every_rule_is_explained() -> None:
    assert set(RULES) == set(Rule)


# --- what is declared -----------------------------------------------------------------------------


def parameter(**changes: Any) -> Resource:
    first, *others = RESOURCE.parameters
    return replace(RESOURCE, parameters=(replace(first, **changes), *others))


def schema(kind: Kind = Kind.REPORT, **changes: Any) -> Resource:
    return replace(
        RESOURCE, schemas={**RESOURCE.schemas, kind: replace(RESOURCE.schemas[kind], **changes)}
    )


def column(**changes: Any) -> Resource:
    first, *others = RESOURCE.schemas[Kind.REPORT].columns
    return schema(columns=(replace(first, **changes), *others))


def change(**changes: Any) -> Resource:
    return replace(RESOURCE, **changes)


def picture(**changes: Any) -> Resource:
    first, last = RESOURCE.pictures
    return replace(RESOURCE, pictures=(first, replace(last, **changes)))


SHRUNK = Heading(words="Rain", scale=-3)
FIGURE = Figure(key="verified_readings", label="verified", unit="readings", scale=0)
LEVEL = Column(name="level", dtype=DType.U8, minimum=0, maximum=256, description="Too much.")


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (change(name="Rain"), Rule.NAME),
        (change(name="r" * 32), Rule.NAME),
        (change(title=" "), Rule.DOCUMENTED),
        (parameter(key="rain.emission_ppm"), Rule.PREFIX),
        (parameter(key="rainfall.share_ppm"), Rule.PARAMETER),
        (parameter(key="rainfall.witnesses"), Rule.PARAMETER),
        (parameter(key="rainfall.a_key_beyond_what_a_word_holds"), Rule.PARAMETER),
        (parameter(default=1_000_001), Rule.PARAMETER),
        (parameter(maximum=1_000_001), Rule.PARAMETER),
        (parameter(description=""), Rule.DOCUMENTED),
        (change(reasons={"late": "Too late."}), Rule.PREFIX),
        (change(reasons={"rainfall.late": ""}), Rule.DOCUMENTED),
        (change(purposes={"water.bill": "Water."}), Rule.PREFIX),
        (change(received={"rainfall.gift": "A gift."}), Rule.DOCUMENTED),
        (change(received=dict.fromkeys(RESOURCE.purposes, " ")), Rule.DOCUMENTED),
        (change(advice={}), Rule.DOCUMENTED),
        (change(advice={**RESOURCE.advice, "rainfall.mood": "Cheer up."}), Rule.DOCUMENTED),
        (change(headings={**RESOURCE.headings, "rain": Heading(words=" ")}), Rule.DOCUMENTED),
        (change(headings={**RESOURCE.headings, "rain": SHRUNK}), Rule.FIGURE),
        (picture(title=""), Rule.DOCUMENTED),
        (picture(name="figures"), Rule.PICTURES),
        (picture(x=""), Rule.PICTURES),
        (picture(series=()), Rule.PICTURES),
        (picture(source="cell"), Rule.PICTURES),
        (picture(kind=PictureKind.FLOW), Rule.PICTURES),
        (picture(kind=PictureKind.FIGURES, x=""), Rule.PICTURES),
        (picture(series=(Series(column="rain_um"), Series(column="stations"))), Rule.PICTURES),
        (picture(series=(Series(column="stations", kind=PictureKind.FLOW),)), Rule.PICTURES),
        (column(name="Offset"), Rule.SCHEMA),
        (column(name="rain_um"), Rule.SCHEMA),
        (column(minimum=-1), Rule.SCHEMA),
        (column(description=""), Rule.DOCUMENTED),
        (schema(columns=(LEVEL,)), Rule.SCHEMA),
        (schema(columns=()), Rule.SCHEMA),
        (schema(columns=(replace(LEVEL, maximum=9, required=False),)), Rule.SCHEMA),
        (schema(max_rows=0), Rule.SCHEMA),
        (change(schemas={Kind.REPORT: RESOURCE.schemas[Kind.ORDER]}), Rule.SCHEMA),
        (schema(signer=Signer.REGISTRAR), Rule.SCHEMA),
        (schema(sealed=True), Rule.VISIBILITY),
        (change(visibility=Visibility.MEMBERS), Rule.VISIBILITY),
        (change(figures=(FIGURE, FIGURE)), Rule.FIGURE),
        (change(figures=(replace(FIGURE, unit=""),)), Rule.DOCUMENTED),
        (change(rules=replace(RESOURCE.rules, version=0)), Rule.MODULES),
    ],
)
def test_a_wrong_declaration_is_found(broken: Resource, rule: Rule) -> None:
    assert rule in rules(check_declaration(broken))
    assert rule in rules(check_resource(broken))


# --- the rules' sources ---------------------------------------------------------------------------

CLEAN = "def verify(data): ...\ndef market(data, verified): ...\n"


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (CLEAN, None),
        ("from math import isqrt\n" + CLEAN, None),
        ("import time\n" + CLEAN, Rule.PURE),
        ("from os import path\n" + CLEAN, Rule.PURE),
        ("import numpy\n" + CLEAN, Rule.PURE),
        ("from commonworks.storage import files\n" + CLEAN, Rule.PURE),
        ("from commonworks.resources.energy.losses import TRANSFORMER\n" + CLEAN, Rule.PURE),
        ("def read(): return open('x')\n" + CLEAN, Rule.PURE),
        ("def mix(x): return hash(x)\n" + CLEAN, Rule.PURE),
        ("HALF = 0.5\n" + CLEAN, Rule.INTEGERS),
        ("def half(x): return x / 2\n" + CLEAN, Rule.INTEGERS),
        ("def half(x):\n    x /= 2\n" + CLEAN, Rule.INTEGERS),
        ("def real(x): return float(x)\n" + CLEAN, Rule.INTEGERS),
        ("import math\ndef root(x): return math.sqrt(x)\n" + CLEAN, Rule.INTEGERS),
        ("from .tables import TABLE\n" + CLEAN, Rule.MODULES),
        ("from . import tables\n" + CLEAN, Rule.MODULES),
        ("import {package}.tables\n" + CLEAN, Rule.MODULES),
    ],
)
def test_a_wrong_source_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, rule: Rule | None
) -> None:
    package = f"planted_{abs(hash(source))}"
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "tables.py").write_text("TABLE = (1, 2)\n")
    (folder / "rules_v1.py").write_text(source.replace("{package}", package))
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = planted_in(f"{package}.rules_v1", [f"{package}.rules_v1"])
    assert rules(check_sources(broken)) == ({rule} if rule else set())


def planted_in(module: str, modules: Iterable[str]) -> Resource:
    """Return a resource whose rules say that they stand in `module`; nobody runs them."""

    def verify(data: ResourceInput) -> Verified:
        raise NotImplementedError

    def market(data: ResourceInput, verified: Verified) -> Traded:
        raise NotImplementedError

    verify.__module__ = market.__module__ = module
    own = Rules(version=1, modules=tuple(modules), verify=verify, market=market)
    return replace(RESOURCE, rules=own)


def test_a_module_that_the_hash_leaves_out_is_found() -> None:
    for left_out in RESOURCE.rules.modules:
        modules = tuple(name for name in RESOURCE.rules.modules if name != left_out)
        if left_out.endswith("parameters"):
            continue  # the rules import none of it: it is listed because it says what they mean
        broken = replace(RESOURCE, rules=replace(RESOURCE.rules, modules=modules))
        assert [f.where for f in check_sources(broken)] == [left_out]
    gone = replace(RESOURCE.rules, modules=(*RESOURCE.rules.modules, "commonworks_rainfall.gone"))
    assert rules(check_sources(replace(RESOURCE, rules=gone))) == {Rule.MODULES}


# --- what the rules do ----------------------------------------------------------------------------

true_verify, true_market = RESOURCE.rules.verify, RESOURCE.rules.market
Change = Callable[[ResourceInput, Verified], Verified]
Exchange = Callable[[ResourceInput, Traded], Traded]


def verifying(change: Change) -> Resource:
    def verify(data: ResourceInput) -> Verified:
        return change(data, true_verify(data))

    return replace(RESOURCE, rules=replace(RESOURCE.rules, verify=verify))


def trading(change: Exchange) -> Resource:
    def market(data: ResourceInput, verified: Verified) -> Traded:
        return change(data, true_market(data, verified))

    return replace(RESOURCE, rules=replace(RESOURCE.rules, market=market))


def twice(_data: ResourceInput, done: Verified) -> Verified:
    return replace(done, verdicts=done.verdicts + done.verdicts[:1])


def forgets(_data: ResourceInput, done: Verified) -> Verified:
    return replace(done, verdicts=done.verdicts[1:])


def no_words(_data: ResourceInput, done: Verified) -> Verified:
    rejected = tuple(replace(v, outcome=Outcome.REJECTED, reason="") for v in done.verdicts)
    return replace(done, verdicts=rejected)


def undeclared(_data: ResourceInput, done: Verified) -> Verified:
    whim = tuple(
        replace(v, outcome=Outcome.REJECTED, reason="rainfall.whim") for v in done.verdicts
    )
    return replace(done, verdicts=whim)


def somebody_else(_data: ResourceInput, done: Verified) -> Verified:
    return replace(done, credits=tuple(replace(c, account=b"e" * 20) for c in done.credits))


def credits_twice(_data: ResourceInput, done: Verified) -> Verified:
    doubled = sorted(done.credits * 2, key=lambda c: (c.start_s, c.device))
    return replace(done, credits=tuple(doubled))


def beyond_the_claim(_data: ResourceInput, done: Verified) -> Verified:
    return replace(done, intervals=tuple(replace(i, credited=2) for i in done.intervals))


def unsorted(_data: ResourceInput, done: Verified) -> Verified:
    return replace(done, credits=tuple(reversed(done.credits)))


def real_number(_data: ResourceInput, done: Verified) -> Verified:
    return replace(done, summary={**done.summary, "mean": 0.5})  # type: ignore[dict-item]


def odd_detail(_data: ResourceInput, done: Verified) -> Verified:
    return replace(done, detail=[0.5])


def first_wins(data: ResourceInput, done: Verified) -> Verified:
    first = data.statements[0].identity[0] if data.statements else 0
    return replace(done, summary={**done.summary, "first": first})


CALLS: list[int] = []


def remembers(_data: ResourceInput, done: Verified) -> Verified:
    CALLS.append(1)
    return replace(done, summary={**done.summary, "calls": len(CALLS)})


def stumbles(data: ResourceInput, done: Verified) -> Verified:
    for item in data.statements:
        if item.kind is Kind.REPORT and 100_000 in item.record.columns["rain_um"]:
            raise ZeroDivisionError("an unforeseen reading")
    return done


def one_reading_only(data: ResourceInput, done: Verified) -> Verified:
    for item in data.statements:
        if item.kind is Kind.REPORT:
            _ = item.record.columns["rain_um"][5]
    return done


def overspends(data: ResourceInput, done: Traded) -> Traded:
    return replace(done, payments=tuple(replace(p, amount=p.amount + 10**9) for p in done.payments))


def ignores_limits_of_two(data: ResourceInput, done: Traded) -> Traded:
    return replace(done, payments=done.payments * 40)


def moves_nothing(data: ResourceInput, done: Traded) -> Traded:
    return replace(done, payments=tuple(replace(p, amount=0) for p in done.payments))


def other_purpose(data: ResourceInput, done: Traded) -> Traded:
    return replace(done, payments=tuple(replace(p, purpose="rainfall.tip") for p in done.payments))


def too_dense(data: ResourceInput, done: Traded) -> Traded:
    return replace(done, work=tuple(replace(w, density_ppm=1_000_001) for w in done.work))


def half_work(data: ResourceInput, done: Traded) -> Traded:
    return replace(done, work=tuple(replace(w, quantity=w.quantity / 2) for w in done.work))  # type: ignore[arg-type]


def same_key(data: ResourceInput, done: Traded) -> Traded:
    return replace(done, summary={**done.summary, "verified_readings": 0})


def no_bound(data: ResourceInput, done: Traded) -> Traded:
    _ = 7 // data.policy["rainfall.emission_ppm"]
    return done


PRESSED = [
    (verifying(twice), Rule.VERDICTS),
    (verifying(forgets), Rule.VERDICTS),
    (verifying(no_words), Rule.VERDICTS),
    (verifying(undeclared), Rule.DECLARED),
    (verifying(somebody_else), Rule.CREDITS),
    (verifying(credits_twice), Rule.CREDITS),
    (verifying(beyond_the_claim), Rule.CREDITS),
    (verifying(unsorted), Rule.FORM),
    (verifying(real_number), Rule.FORM),
    (verifying(odd_detail), Rule.FORM),
    (verifying(first_wins), Rule.ORDER),
    (verifying(remembers), Rule.DETERMINISTIC),
    (verifying(stumbles), Rule.TOTAL),
    (verifying(one_reading_only), Rule.TOTAL),
    (trading(overspends), Rule.BUDGETS),
    (trading(ignores_limits_of_two), Rule.BUDGETS),
    (trading(moves_nothing), Rule.BUDGETS),
    (trading(other_purpose), Rule.DECLARED),
    (trading(too_dense), Rule.CREDITS),
    (trading(half_work), Rule.FORM),
    (trading(same_key), Rule.FORM),
    (trading(no_bound), Rule.TOTAL),
]


@pytest.mark.parametrize(("broken", "rule"), PRESSED)
def test_a_wrong_rule_is_found(broken: Resource, rule: Rule) -> None:
    assert rule in rules(check_pressure(broken, story().played[0].data, ""))


def test_a_state_that_is_not_looked_at_is_found() -> None:
    def verify(data: ResourceInput) -> Verified:
        done = true_verify(replace(data, state=b""))
        return replace(done, state=bytes([data.state[0] + 1 if data.state else 0, 1][:1]))

    def strict(data: ResourceInput) -> Verified:
        if data.state:
            raise ValueError("not mine")
        return true_verify(data)

    data = story().played[0].data
    for rule in (verify, strict):
        broken = replace(RESOURCE, rules=replace(RESOURCE.rules, verify=rule))
        assert Rule.STATE in rules(check_pressure(broken, data, ""))


def by_hash(data: ResourceInput) -> Verified:
    """Rules that let a set decide who comes first."""
    done = true_verify(data)
    first = next(iter({item.identity for item in data.statements}), b"\0")
    return replace(done, summary={**done.summary, "first": first[0]})


def test_the_order_of_a_set_is_found() -> None:
    broken = replace(RESOURCE, rules=replace(RESOURCE.rules, verify=by_hash))
    data = story().played[0].data
    assert rules(check_hash_seeds(broken, data, "")) == {Rule.HASH_SEED}


def test_rules_that_no_hash_can_cover_are_found() -> None:
    found = check_hash_seeds(verifying(twice), story().played[0].data, "")
    assert rules(found) == {Rule.MODULES}


# --- worlds ---------------------------------------------------------------------------------------


def viewing(change: Callable[[ResourceResult], Any]) -> Resource:
    return replace(RESOURCE, views=change)


def table(*rows: tuple[Any, ...]) -> Table:
    return Table(name="rain", columns=("start_s", "rain_um"), rows=rows)


def never_mind(data: ResourceInput) -> Verified:
    """Rules that read a state of any length: only its growth is wrong."""
    done = true_verify(replace(data, state=b""))
    return replace(done, state=data.state + b"\0")


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (viewing(lambda _: (table((1,)),)), Rule.VIEWS),
        (viewing(lambda _: (table((1, 0.5)),)), Rule.VIEWS),
        (viewing(lambda _: (table((1, b"raw")),)), Rule.VIEWS),
        (viewing(lambda _: (table(), table())), Rule.VIEWS),
        (viewing(lambda result: result.summary["nothing"]), Rule.VIEWS),
        (viewing(lambda _: (table((1, "much")),)), Rule.VIEWS),
        (viewing(lambda _: (replace(table(), name="snow"),)), Rule.DOCUMENTED),
        (viewing(lambda _: (replace(table(), columns=("start_s", "snow_um")),)), Rule.DOCUMENTED),
        (viewing(lambda _: (table(),)), Rule.PICTURES),
        (viewing(lambda _: (replace(table(), concerns=("rain_um",)),)), Rule.PRIVATE),
        (viewing(lambda _: (replace(table(), concerns=("owner",)),)), Rule.PRIVATE),
        (change(visibility=Visibility.MEMBERS), Rule.PRIVATE),
        (change(headings={}), Rule.DOCUMENTED),
        (change(figures=(replace(FIGURE, key="nothing"),)), Rule.FIGURE),
        (replace(RESOURCE, rules=replace(RESOURCE.rules, verify=never_mind)), Rule.STATE),
    ],
)
def test_what_a_settled_epoch_shows_wrongly_is_found(broken: Resource, rule: Rule) -> None:
    told = tell(broken, world_of(Short(), 1, season="summer", cheaters=True))
    assert isinstance(told, Told)
    assert rule in rules(check_told(told))


def test_rules_that_fail_are_found_as_such() -> None:
    found = tell(verifying(twice), world_of(Short(), 1, season="summer", cheaters=True))
    assert isinstance(found, Finding)
    assert found.rule is Rule.TOTAL


def test_money_from_nowhere_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    earn = ledger.Ledger.earn

    def generous(self: Any, asset: bytes, account: bytes, amount: int) -> None:
        earn(self, asset, account, amount + 1)

    monkeypatch.setattr(ledger.Ledger, "earn", generous)
    monkeypatch.setattr(settle, "require", lambda condition, message: None)
    told = tell(RESOURCE, world_of(Short(), 1, season="summer", cheaters=True))
    assert isinstance(told, Told)
    assert Rule.MONEY in rules(check_told(told))


def test_copies_that_show_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take_in = intake.take_in

    def newest_copy(*arguments: Any) -> Any:
        *others, evidence = arguments
        anchored = {entry.statement: entry.anchored_at for entry in evidence.entries}
        entries = tuple(
            replace(entry, anchored_at=anchored[entry.statement]) for entry in evidence.entries
        )
        return take_in(*others, replace(evidence, entries=entries))

    monkeypatch.setattr(settle, "take_in", newest_copy)
    told = tell(RESOURCE, world_of(Short(), 1, season="summer", cheaters=True))
    assert isinstance(told, Told)
    assert Rule.SPREAD in rules(check_told(told))


def test_cheaters_that_nobody_notices_are_found() -> None:
    honest = story(cheaters=False)
    assert rules(check_cheaters(honest, honest)) == {Rule.CHEATERS}


class Fickle(Short):
    """Another seed each time."""

    calls = 0

    def world(self, *, seed: int, **others: Any) -> RainWorld:
        type(self).calls += 1
        return super().world(seed=self.calls, **others)


class Stubborn(RainSimulator):
    """Begins when it likes."""

    def world(self, *, start_s: int, **others: Any) -> RainWorld:
        return super().world(start_s=start_s + 86_400, **others)


class Saintly(RainSimulator):
    """Knows no cheater."""

    def world(self, *, cheaters: bool, **others: Any) -> RainWorld:
        return super().world(cheaters=False, **others)


class Wicked(RainSimulator):
    """Knows nobody honest."""

    def world(self, *, cheaters: bool, **others: Any) -> RainWorld:
        return super().world(cheaters=True, **others)


class Charging(RainSimulator):
    """Fills a parameter that is no account."""

    def world(self, **arguments: Any) -> RainWorld:
        world = super().world(**arguments)
        services: Mapping[str, str] = {"rainfall.witnesses": "school"}
        world.cast = replace(world.cast, service_accounts=services)
        return world


class Doubled(RainSimulator):
    """Gives two devices one name."""

    def world(self, **arguments: Any) -> RainWorld:
        world = super().world(**arguments)
        world.cast = replace(world.cast, actors=(*world.cast.actors, world.cast.actors[0]))
        return world


class Failing(RainSimulator):
    """Has no data."""

    def world(self, **arguments: Any) -> RainWorld:
        raise InvalidInput("no data")


@pytest.mark.parametrize(
    ("simulator", "rule"),
    [
        (Short(), Rule.WORLD),  # less than a day
        (Fickle(), Rule.WORLD),
        (Stubborn(), Rule.WORLD),
        (Charging(), Rule.WORLD),
        (Doubled(), Rule.WORLD),
        (Failing(), Rule.WORLD),
        (Saintly(), Rule.CHEATERS),
        (Wicked(), Rule.CHEATERS),
    ],
)
def test_a_wrong_simulator_is_found(simulator: RainSimulator, rule: Rule) -> None:
    assert rule in rules(check_simulator(simulator, RESOURCE, 1))
