"""Properties of energy: the auction, registers, and that false energy never pays."""

from __future__ import annotations

import itertools
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from commonworks.model import (
    ResourceResult,
)
from commonworks.resources.energy.auction_v1 import Offer, clear
from commonworks.resources.energy.balance_v1 import Claim, Feeder, balance_interval
from commonworks.resources.energy.registers_v1 import Candidate, trace_registers
from commonworks.resources.energy.site_v1 import Site, SiteMeter
from commonworks.resources.energy.state_v1 import Reading
from commonworks.resources.energy.views import device_bills
from commonworks.units import PPM, WEI
from settlement_world import GENESIS_S, TOKEN, account, identity_of, total
from street_story import Told, check_money, check_once
from street_world import INTERVAL_S, Flow, Meter, Street

QUICK = settings(derandomize=True, max_examples=200, deadline=None)
WHOLE = settings(derandomize=True, max_examples=50, deadline=None)


# --- the auction --------------------------------------------------------------------------------


def offers(first: int, quantity: int) -> st.SearchStrategy[list[Offer]]:
    """Return offers of up to four devices with a few limits, so that ties are common."""
    rows = st.lists(st.tuples(st.integers(1, quantity), st.integers(0, 6)), max_size=4)
    return rows.map(
        lambda found: [
            Offer(device=first + n, quantity=q, limit=limit) for n, (q, limit) in enumerate(found)
        ]
    )


def most_welfare(asks: list[Offer], bids: list[Offer]) -> int:
    """Return the largest sum of (bid - ask) over all ways to trade single units: brute force."""
    sold = sorted(offer.limit for offer in asks for _ in range(offer.quantity))
    bought = sorted((offer.limit for offer in bids for _ in range(offer.quantity)), reverse=True)
    best = 0
    for count in range(min(len(sold), len(bought)) + 1):
        for chosen in itertools.islice(itertools.combinations(sold, count), 5_000):
            best = max(best, sum(bought[:count]) - sum(chosen))
    return best


@QUICK
@given(offers(1, 3), offers(10, 3))
def test_the_auction_has_the_most_welfare_and_volume(asks: list[Offer], bids: list[Offer]) -> None:
    cleared = clear(asks, bids)
    limits = {offer.device: offer.limit for offer in (*asks, *bids)}
    welfare = sum((limits[m.buyer] - limits[m.seller]) * m.quantity for m in cleared.matches)
    assert welfare == most_welfare(asks, bids)
    # no single price lets more change hands
    for price in range(7):
        supply = sum(offer.quantity for offer in asks if offer.limit <= price)
        demand = sum(offer.quantity for offer in bids if offer.limit >= price)
        assert min(supply, demand) <= cleared.quantity


@QUICK
@given(offers(1, 10**6), offers(10, 10**6))
def test_nobody_trades_beyond_its_limit_or_is_left_out(
    asks: list[Offer], bids: list[Offer]
) -> None:
    cleared = clear(asks, bids)
    sold: defaultdict[int, int] = defaultdict(int)
    bought: defaultdict[int, int] = defaultdict(int)
    for match in cleared.matches:
        assert match.quantity > 0
        sold[match.seller] += match.quantity
        bought[match.buyer] += match.quantity
    assert sum(sold.values()) == sum(bought.values()) == cleared.quantity
    for ask in asks:
        assert sold[ask.device] <= ask.quantity
        if sold[ask.device]:
            assert ask.limit <= cleared.price
        if cleared.quantity and sold[ask.device] < ask.quantity:
            assert ask.limit >= cleared.price  # who would have sold for less sold everything
    for bid in bids:
        assert bought[bid.device] <= bid.quantity
        if bought[bid.device]:
            assert bid.limit >= cleared.price
        if cleared.quantity and bought[bid.device] < bid.quantity:
            # the price floors: a bid less than one above it may wait
            assert bid.limit <= cleared.price + 1


@QUICK
@given(offers(1, 10**6), offers(10, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_offers_does_not_show(asks, bids, random) -> None:  # type: ignore[no-untyped-def]
    cleared = clear(asks, bids)
    random.shuffle(asks)
    random.shuffle(bids)
    assert clear(asks, bids) == cleared


# --- the balance --------------------------------------------------------------------------------

SITE = Site(
    meters={},
    parents=(-1, 0, 1),
    resistances_uohm=(30_000, 50_000, 70_000),
    feeder_kid=b"f" * 32,
    feeder_class_ppm=0,
    feeder_rating_w=400_000,
    voltage_mv=230_000,
    sky_start_s=0,
    sky_wh_per_mwp=(),
    tariff_import=0,
    tariff_export=0,
)


@QUICK
@given(
    st.lists(
        st.tuples(st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 2)), max_size=6
    ),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_cuts_restore_what_the_feeder_saw(
    rows: list[tuple[int, int, int]], grid_import: int, grid_export: int
) -> None:
    claims = [
        Claim(
            device=n,
            meter=SiteMeter(rating_w=1, plant_wp=1, class_ppm=0, branch=branch),
            import_wh=drawn,
            export_wh=fed,
        )
        for n, (drawn, fed, branch) in enumerate(rows)
    ]
    feeder = Feeder(import_wh=grid_import, export_wh=grid_export, voltage_mv=0)
    found = balance_interval(0, claims, feeder, SITE)
    cuts, shared = dict(found.cuts), dict(found.unattributed)
    assert all(0 < cuts.get(c.device, 1) <= max(c.export_wh, 1) for c in claims)
    exports = sum(c.export_wh - cuts.get(c.device, 0) for c in claims)
    imports = sum(c.import_wh + shared.get(c.device, 0) for c in claims)
    if found.import_wh:
        assert exports - imports - found.losses_wh <= grid_export - grid_import
    else:
        assert exports == 0 or exports - found.losses_wh <= grid_export - grid_import
    # nothing is cut from an honest street
    if found.residual_wh <= 0:
        assert not cuts
        assert not shared


# --- registers ----------------------------------------------------------------------------------


@QUICK
@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), min_size=1, max_size=20),
    st.data(),
)
def test_any_gaps_keep_all_the_energy(steps: list[Flow], data: st.DataObject) -> None:
    imported, exported = 7_000, 3_000
    rows = [Reading(time=0, import_wh=imported, export_wh=exported, voltage_mv=0)]
    for number, (drawn, fed) in enumerate(steps, start=1):
        imported, exported = imported + drawn, exported + fed
        rows.append(
            Reading(time=INTERVAL_S * number, import_wh=imported, export_wh=exported, voltage_mv=0)
        )
    present = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    there = [row for row, here in zip(rows, present, strict=True) if here]
    twice = data.draw(st.lists(st.sampled_from(there), max_size=5)) if there else []
    offered = data.draw(st.permutations(there + twice))
    candidates = [Candidate(reading=r, identity=b"s", anchored_at=10**9) for r in offered]
    trace = trace_registers(1, 10_000, (), candidates, (), INTERVAL_S * len(rows))
    assert trace.refused == {}
    if not there:
        assert trace.kept == ()
        return
    assert sum(d.import_wh for d in trace.deltas) == there[-1].import_wh - there[0].import_wh
    assert sum(d.export_wh for d in trace.deltas) == there[-1].export_wh - there[0].export_wh
    times = [(d.start_s, d.start_s + d.length_s) for d in trace.deltas]
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(times))
    assert trace.kept == (there[-1],)


@WHOLE
@given(
    st.lists(st.sampled_from(range(5)), max_size=6),
    st.lists(st.integers(0, 2), min_size=3, max_size=3),
    st.lists(st.integers(0, 500), min_size=12, max_size=12),
)
def test_gaps_and_late_reports_keep_all_the_energy(
    gaps: list[int], delays: list[int], energy: list[int]
) -> None:
    """One plant, one house, a feeder that never fails: everything is credited in the end."""
    street = Street({"sun": Meter(plant_wp=10_000), "house": Meter()})
    for epoch in range(3):
        part = energy[4 * epoch : 4 * epoch + 4]
        flows = {"sun": [(0, wh) for wh in part], "house": [(wh // 2, 0) for wh in part]}
        missed = {"sun": [g for g in gaps if g < 4], "house": []}  # its last mark always comes
        reports = street.measure(epoch, flows, gaps=missed)
        street.entries[epoch] = [
            e for e in street.entries[epoch] if e.statement != reports["sun"].statement
        ]
        street.log(reports["sun"], epoch=epoch + delays[epoch])
    imported = exported = 0
    for _ in range(5):
        (result,) = street.settle().resources
        exported += result.summary["export_wh"] + result.summary["late_export_wh"]
        imported += result.summary["import_wh"] + result.summary["late_import_wh"]
    assert imported == sum(wh // 2 for wh in energy)
    # a report that overtook an older one closed its gap: nothing is lost, unless the first
    # reading of all came after energy had flowed
    start = min(marks_seen(gaps, delays))
    assert exported == sum(energy[start:])


def marks_seen(gaps: list[int], delays: list[int]) -> list[int]:
    """Return the marks of the plant that settle first, as numbers of intervals since genesis."""
    arrivals = sorted(range(3), key=lambda epoch: (epoch + delays[epoch], epoch))
    first = arrivals[0] + delays[arrivals[0]]
    together = [epoch for epoch in arrivals if epoch + delays[epoch] == first]
    marks = [
        4 * epoch + mark
        for epoch in together
        for mark in range(0 if epoch == 0 else 1, 5)
        if mark not in gaps or mark == 4
    ]
    return marks


# --- anything that can be signed ----------------------------------------------------------------

EXTREMES = st.sampled_from((0, 1, 899, 900, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1))
MARKS = st.integers(-2, 6).map(lambda n: GENESIS_S + n * INTERVAL_S)


@WHOLE
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("sun", "house", "feeder")),
            st.lists(st.tuples(MARKS, EXTREMES, EXTREMES), min_size=1, max_size=6),
        ),
        max_size=8,
    ),
    st.lists(st.tuples(MARKS, *[EXTREMES] * 4), max_size=2),
    st.tuples(*[st.sampled_from((0, 1, 2**16, 2**32 - 1))] * 3),
    st.integers(0, 10_000_000),
)
def test_whatever_is_signed_gets_a_verdict(
    reports: list[tuple[str, list[tuple[int, int, int]]]],
    changes: list[tuple[int, int, int, int, int]],
    table: tuple[int, int, int],
    limit: int,
) -> None:
    """Registers of any size, in any order, on a street of any size: never a crash."""
    rating, plant, resistance = table
    street = Street(
        {"sun": Meter(plant_wp=plant, rating_w=rating), "house": Meter(rating_w=rating)},
        resistance_uohm=[resistance],
        sky_wh_per_mwp=[2**32 - 1] * 9,
        energy_utility_account=number("utility"),
        energy_grid_account=number("dso"),
    )
    street.deposit("utility", 2**200)
    street.orders(sun=limit, house=-limit)
    items = [street.readings(name, rows) for name, rows in reports]
    items += [street.replacement("house", at, (a, b), (c, d)) for at, a, b, c, d in changes]
    street.log(*items, at=GENESIS_S + 7 * INTERVAL_S)
    told = []
    for _ in range(2):
        before, evidence = street.state, street.evidence(street.state.epoch + 1)
        result = street.settle()
        facts = street.facts(result.epoch)
        told.append(
            Told(before=before, facts=facts, evidence=evidence, result=result, street=street)
        )
    judged = [verdict.identity for item in told for verdict in item.result.verdicts]
    assert {identity_of(item) for item in items} <= set(judged)
    assert len(judged) == len(set(judged))
    check_money(told)
    check_once(told)


# --- false energy -------------------------------------------------------------------------------


def number(name: str) -> int:
    """Return an account as a policy value."""
    return int.from_bytes(account(name), "big")


def wealth(street: Street, result: ResourceResult, names: tuple[str, ...]) -> int:
    """Return what accounts gained on local trades and at the utility's tariffs, micro-units.

    What the utility is owed counts as paid: it is recorded, and billed outside the network where
    no utility account takes part.
    """
    who = {account(name) for name in names}
    moved = 0
    for payment in result.payments:
        moved += payment.amount * ((payment.payee in who) - (payment.payer in who))
    for bill in device_bills(result):
        if bill.account in who:
            moved += street.TARIFF_EXPORT * bill.rest_export_wh // 1_000
            moved -= street.TARIFF_IMPORT * bill.rest_import_wh // 1_000
    return moved


CHARGES = st.fixed_dictionaries(
    {
        "energy_grid_charge": st.sampled_from((0, 1, 977, 60_000)),
        "energy_levy": st.sampled_from((0, 1, 20_500)),
        "energy_vat_ppm": st.sampled_from((0, 190_000, 500_000)),
        "energy_token_price": st.sampled_from((1, 999_983, 10**12)),
        "energy_reward_ratio_ppm": st.sampled_from((0, 500_000, 900_000)),
        "energy_grid_account": st.sampled_from((0, number("dso"))),
        "energy_levy_account": st.sampled_from((0, number("state"))),
        "energy_vat_account": st.sampled_from((0, number("tax"))),
        "energy_emission_ppm": st.just(PPM),
        "account_cap_ppm": st.just(PPM),
    }
)
FALSE_WH = st.integers(1, 2_500)


def reward_micro(result_token: int, price: int) -> int:
    """Return the value of a reward at the reference price, rounded up."""
    return -(-result_token * price // WEI)


@settings(derandomize=True, max_examples=120, deadline=None)
@given(CHARGES, FALSE_WH, st.booleans(), st.integers(0, 307_000), st.integers(0, 307_000))
def test_false_energy_between_two_of_a_kind_never_pays(
    charges: dict[str, int], false_wh: int, one_owner: bool, ask: int, bid: int
) -> None:
    """A pair claims an export and an import of the same size; the feeder cannot tell."""
    owners = {"sink": "liar"} if one_owner else {"sink": "colluder"}
    street = Street({"liar": Meter(plant_wp=10_000), "sink": Meter()}, owners=owners, **charges)
    street.orders(liar=ask, sink=-bid)
    street.measure(0, {"liar": [(0, false_wh)] * 4, "sink": [(false_wh, 0)] * 4})
    settled = street.settle()
    (result,) = settled.resources
    pair = ("liar", *owners.values())
    earned = wealth(street, result, pair)
    token = sum(total(settled, name, TOKEN)[0] for name in {*pair})
    value = reward_micro(token, charges["energy_token_price"])
    assert earned + value <= 0
    paid = result.summary["charges_micro"]
    assert value <= -(-paid * charges["energy_reward_ratio_ppm"] // PPM)
    unmatched = result.summary["utility_import_wh"]
    if paid >= 10 or unmatched:  # below ten micro-units a reward may round up to the charge
        assert earned + value < 0


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    CHARGES,
    FALSE_WH,
    st.tuples(st.integers(0, 2_500), st.integers(0, 2_500)),
    st.tuples(st.integers(83_000, 307_000), st.integers(0, 307_000)),
    st.tuples(st.integers(0, 400_000), st.integers(0, 400_000)),
)
def test_false_energy_among_honest_neighbours_never_pays(
    charges: dict[str, int],
    false_wh: int,
    honest_wh: tuple[int, int],
    honest_limits: tuple[int, int],
    false_limits: tuple[int, int],
) -> None:
    """The pair may sell to honest buyers and buy from honest sellers at any limits.

    Honest sellers ask no less than feed-in, honest buyers bid no more than the utility's price.
    """
    street = Street(
        {
            "liar": Meter(plant_wp=10_000),
            "sink": Meter(),
            "roof": Meter(plant_wp=10_000),
            "home": Meter(),
        },
        owners={"sink": "liar"},
        **charges,
    )
    street.orders(
        liar=false_limits[0], sink=-false_limits[1], roof=honest_limits[0], home=-honest_limits[1]
    )
    flows = {
        "liar": [(0, false_wh)],
        "sink": [(false_wh, 0)],
        "roof": [(0, honest_wh[0])],
        "home": [(honest_wh[1], 0)],
    }
    street.measure(0, {name: [*rows, *[(0, 0)] * 3] for name, rows in flows.items()})
    settled = street.settle()
    (result,) = settled.resources
    value = reward_micro(total(settled, "liar", TOKEN)[0], charges["energy_token_price"])
    gained = wealth(street, result, ("liar",)) + value
    # each amount floors: up to one micro-unit for each of at most four matches and two bills
    assert gained <= 6
    if result.summary["charges_micro"] > 1_000 and false_wh > 100:
        assert gained < 0
