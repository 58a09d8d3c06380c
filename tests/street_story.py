"""Random streets over several epochs, and the checks that every such story must pass.

A story holds honest meters and liars, gaps, reports that come an epoch late, silent feeders, thin
purses, withdrawals beyond what an epoch allows, junk and forged copies; shared devices, nodes that
serve or do not, epochs that finalise late, votes that change the economy on the way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from commonworks.model import (
    Entry,
    Evidence,
    Facts,
    ResourceResult,
    Settlement,
    Side,
    State,
)
from commonworks.resources.energy.reasons import Why
from commonworks.resources.energy.views import views
from commonworks.settlement.emission import emission_wei
from commonworks.simulation.economy import economy
from commonworks.statements.codec import Item
from settlement_world import (
    BEFORE_S,
    CURRENCY,
    GENESIS_S,
    LOGS,
    TOKEN,
    account,
    evidence_of,
    hashes,
    spoiled,
)
from street_world import INTERVAL_S, Flow, Meter, Street

EPOCHS = 4
VERIFIERS, GATEWAYS = ("vera", "vito", "viola"), ("gate", "wide")
BOND_MIN = 1_009
PLANTS, HOUSES = ("sun", "roof"), ("house", "car")


class Broken(AssertionError):
    """A story that does not hold."""


def check(condition: bool, message: str) -> None:
    """Raise `Broken` unless the condition holds."""
    if not condition:
        raise Broken(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One settled epoch of a story."""

    before: State
    facts: Facts
    evidence: Evidence
    result: Settlement
    street: Street


def street(random: Random) -> Street:
    """Return a street of two plants and two consumers, with orders and purses of any kind."""

    def receiver(name: str) -> int:
        return random.choice((0, int.from_bytes(account(name), "big")))

    lines = random.choice(((0,), (20_000, 70_000)))
    meters = {
        name: Meter(plant_wp=10_000 if name in PLANTS else 0, branch=random.randrange(len(lines)))
        for name in (*PLANTS, *HOUSES)
    }
    made = Street(
        meters,
        owners={"car": "house"},
        resistance_uohm=lines,
        funds=random.choice((700, 90_000, 10**9)),
        energy_grid_charge=31_000,
        energy_levy=17_000,
        energy_grid_account=receiver("dso"),
        energy_levy_account=receiver("state"),
        energy_vat_account=receiver("tax"),
        energy_utility_account=receiver("utility"),
        energy_token_price=random.choice((1, 100_000)),
        account_cap_ppm=random.choice((300_000, 1_000_000)),
        currency_growth_max=random.choice((997, 30_011, 10**12)),
        token_growth_max_wei=random.choice((10**18, 10**24)),
        half_life_epochs=random.choice((1, 3, 730)),
        emission_verifiers_ppm=random.choice((0, 100_003)),
        emission_gateways_ppm=random.choice((0, 50_021, 50_021)),
        emission_treasury_ppm=random.choice((0, 999_983)),
        gateway_bond_min=BOND_MIN,
    )
    for name in VERIFIERS:
        made.stake(name, random.randrange(0, 10_007))
    for log, name in enumerate(GATEWAYS):
        made.gateway(name, log, bond=BOND_MIN - random.choice((0, 1)))
    if random.random() < 0.5:
        made.deposit("utility", 10**6)
        made.deposit("utility", 7 * 10**18, asset=TOKEN)
    for name in (*PLANTS, *HOUSES):
        if random.random() < 0.9:
            limit = random.randrange(310_000)
            order = {"sell": limit // 3} if name in PLANTS else {"buy": limit}
            made.log(made.order(name, **order), at=random.choice((BEFORE_S, GENESIS_S + 9)))
    return made


def flows(random: Random) -> dict[str, list[Flow]]:
    """Return what really flows in an epoch."""
    return {
        name: [
            (random.randrange(40), random.randrange(900)) if name in PLANTS
            else (random.randrange(900), 0)
            for _ in range(Street.INTERVALS)
        ]
        for name in (*PLANTS, *HOUSES)
    }  # fmt: skip


def share(made: Street, random: Random, at: int) -> None:
    """Name new payees of some device, or none; sometimes the device goes to somebody else."""
    name = random.choice((*PLANTS, *PLANTS, *HOUSES))
    others = random.sample((*PLANTS, "ben", "cat", "dora"), random.choice((0, 1, 2, 3, 3)))
    cuts = sorted(random.sample(range(1, 1_000_000), max(0, len(others) - 1)))
    parts = [end - start for start, end in pairwise((0, *cuts, 1_000_000))]
    ppm = dict(zip(sorted(others, key=account), parts, strict=False))
    made.share(name, at, **ppm)


def serve(made: Street, random: Random, waiting: list[int], at: int) -> None:
    """Let nodes see some of the ended epochs through, in order."""

    def some(names: Sequence[str]) -> list[str]:
        return [name for name in names if random.random() < 0.7]

    while waiting and random.random() < 0.7:
        attested = some(VERIFIERS)
        made.serve(
            waiting.pop(0),
            at,
            confirmed=some(VERIFIERS),
            attested=attested,
            wrong=[name for name in some(VERIFIERS) if name not in attested],
            logs=[log for log in range(len(LOGS)) if random.random() < 0.8],
        )


def rule(made: Street, random: Random, epoch: int, at: int) -> None:
    """Let a vote change the economy from the next epoch on."""
    key, value = random.choice(
        (
            ("half_life_epochs", random.randrange(1, 9)),
            ("currency_growth_max", random.randrange(1, 99_991)),
            ("token_growth_max_wei", 10**18 * random.randrange(1, 1_009)),
            ("emission.verifiers_ppm", random.randrange(10**6)),
            ("gateway_bond_min", BOND_MIN - random.randrange(2)),
        )
    )
    made.set_policy(key, value, epoch + 1, at)


def live(made: Street, random: Random, epoch: int) -> None:
    """Log an epoch of a street's life."""
    true = flows(random)
    net = [sum(rows[n][1] - rows[n][0] for rows in true.values()) for n in range(4)]
    feeder: list[int | None] = [wh + random.randrange(-9, 10) for wh in net]
    if random.random() < 0.3:
        feeder[random.randrange(4)] = None
    told = dict(true)
    if random.random() < 0.4:  # a liar
        liar = random.choice(PLANTS)
        factor = random.choice((0, 2, 5))
        told[liar] = [(drawn, fed * factor) for drawn, fed in true[liar]]
    gaps = {name: [random.randrange(5)] for name in told if random.random() < 0.3}
    reports = made.measure(epoch, told, feeder=feeder, gaps=gaps)
    for name, report in reports.items():
        if random.random() < 0.2:  # it comes an epoch late
            moved = [e for e in made.entries[epoch] if e.statement == report.statement]
            made.entries[epoch] = [e for e in made.entries[epoch] if e not in moved]
            made.entries[epoch + 1] += [
                replace(entry, anchored_at=entry.anchored_at + 3_600) for entry in moved
            ]
        if random.random() < 0.2:  # a liar about one mark
            start = made.network.epoch_start(epoch)
            mark = start + random.randrange(5) * INTERVAL_S
            imported, exported = made.registers[name]
            made.log(made.readings(name, [(mark, imported, exported)], start), epoch=epoch)
        if random.random() < 0.2:
            made.log(spoiled(report), epoch=epoch)
        if random.random() < 0.2:  # old readings under a new signature
            again = made.readings(name, made.read[name][-random.randrange(2, 9) :])
            made.log(again, epoch=epoch)
    made.log(Item(statement=bytes([epoch]), preimage=None), epoch=epoch)
    at = made.network.epoch_start(epoch) + 1
    while random.random() < 0.5:
        owner = random.choice((*PLANTS, "house"))
        made.withdraw(owner, random.randrange(1, 10**6), at=at)
    if random.random() < 0.3:
        made.withdraw("utility", 10**18 * random.randrange(1, 9), at=at, asset=TOKEN)
    if random.random() < 0.6:
        share(made, random, at)
    if random.random() < 0.3:
        made.stake(random.choice(VERIFIERS), random.randrange(10_007), at)
    if random.random() < 0.4:
        rule(made, random, epoch, at)


def tell(random: Random, epochs: int = EPOCHS) -> list[Told]:
    """Live and settle a street; return its epochs."""
    made = street(random)
    ended: list[int] = []
    for epoch in range(epochs):
        serve(made, random, ended, made.network.epoch_start(epoch))
        live(made, random, epoch)
        ended.append(epoch)
    told = []
    for epoch in range(epochs):
        before, evidence = made.state, made.evidence(epoch)
        result = made.settle()
        facts = made.facts(epoch)
        told.append(Told(before=before, facts=facts, evidence=evidence, result=result, street=made))
    return told


# --- checks -------------------------------------------------------------------------------------


def check_money(told: Sequence[Told], minted: int = 0) -> None:
    """Per asset what is spent and minted is earned, to the last unit; nobody overspends.

    `minted` is what epochs before the first of these minted.
    """
    for item in told:
        result, facts = item.result, item.facts
        old = {(t.asset, t.account): t for t in item.before.totals}
        minted += result.minted_wei
        emission = emission_wei(facts.network.initial_emission_wei, item.before.halvings)
        check(result.minted_wei <= emission, "beyond the schedule")
        check(result.minted_wei + result.unminted_wei == emission, "the residual is not named")
        for asset in (CURRENCY, TOKEN):
            rows = [t for t in result.payouts if t.asset == asset]
            earned, spent = sum(t.earned for t in rows), sum(t.spent for t in rows)
            check(earned == spent + (minted if asset == TOKEN else 0), "money came or went")
        for total in result.payouts:
            where = (total.asset, total.account)
            deposited = facts.deposits.get(where, 0)
            check(0 <= total.spent <= deposited, "spent beyond the deposit")
            before = old.get(where)
            if before:
                check(total.earned >= before.earned, "earned fell")
                check(total.spent >= before.spent, "spent fell")
        check(set(facts.deposits) <= {(t.asset, t.account) for t in result.payouts}, "no leaf")
        check_bookings(item)


def check_bookings(item: Told) -> None:
    """Totals move by payments, rewards and withdrawals alone; who earns, `check_economy` knows."""
    result = item.result
    earned: defaultdict[bytes, int] = defaultdict(int)
    spent: defaultdict[tuple[bytes, bytes], int] = defaultdict(int)
    for payment in (p for r in result.resources for p in r.payments):
        earned[CURRENCY] += payment.amount
        spent[CURRENCY, payment.payer] += payment.amount
    earned[TOKEN] += sum(reward.amount_wei for reward in result.rewards)
    for done in result.withdrawn:
        earned[done.asset] += done.amount
        spent[done.asset, done.account] += done.amount
    old = {(t.asset, t.account): t for t in item.before.totals}
    grown: defaultdict[bytes, int] = defaultdict(int)
    for total in result.payouts:
        where = (total.asset, total.account)
        before = old.get(where)
        grown[total.asset] += total.earned - (before.earned if before else 0)
        check(total.spent == (before.spent if before else 0) + spent[where], "spent")
    for asset in (CURRENCY, TOKEN):
        check(grown[asset] == earned[asset], "earned")


def check_economy(told: Sequence[Told]) -> None:
    """Schedule, services, payees and withdrawals come to what the events alone say."""
    made = told[-1].street
    results = [item.result for item in told]
    minted = results[-1].commitment.minted_wei
    findings = economy(made.events, made.network, results, allocated_wei=0, supply_wei=minted)
    check(not findings, "; ".join(findings))


def check_once(told: Sequence[Told]) -> None:
    """No interval of a meter is credited twice, neither in time nor late."""
    spans: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)
    for item in told:
        (result,) = item.result.resources
        for credit in result.credits:
            spans[credit.device].add((credit.start_s, INTERVAL_S))
        for interval in result.intervals:
            if interval.reason in (Why.LATE, Why.LATE_UNSEEN):
                spans[interval.device].add((interval.start_s, interval.length_s))
        sides = [(c.device, c.start_s, c.side) for c in result.credits]
        check(len(set(sides)) == len(sides), "two credits of one interval")
    for device, found in spans.items():
        ordered = sorted(found)
        for (start, length), (following, _) in pairwise(ordered):
            check(start + length <= following, f"device {device} is credited twice")


def check_feeder(told: Sequence[Told]) -> None:
    """Where the feeder reported, net credits never exceed what it saw and the lines lost.

    Late energy counts on both sides. Where nobody owned up to any import, the rest of what the
    grid fed in cannot be set against anybody.
    """
    credited = allowed = 0
    for item in told:
        (result,) = item.result.resources
        rows = [row for row in balances(result) if row[6]]
        seen = {row[0] for row in rows}
        for credit in (c for c in result.credits if c.start_s in seen):
            credited += credit.quantity if credit.side is Side.SUPPLY else -credit.quantity
        figures = result.summary
        credited += figures["late_export_wh"] - figures["late_import_wh"]
        allowed += figures["unattributed_wh"]
        for _, imports, _, losses, grid_import, grid_export, *_ in rows:
            allowed += grid_export + losses - (grid_import if imports else 0)
    check(credited <= allowed, f"{credited} Wh credited where {allowed} were seen")


def balances(result: ResourceResult) -> list[tuple[int, ...]]:
    """Return an epoch's rows of balance: start, imports, exports, losses, the grid's, ..."""
    table = next(t for t in views(result) if t.name == "balance")
    return [tuple(int(value) for value in row) for row in table.rows]


def variant(random: Random, evidence: Evidence) -> Evidence:
    """Return the same evidence as it could also have come: other order, logs, copies, delays."""
    end_s = GENESIS_S + (evidence.epoch + 1) * 3_600
    entries: list[Entry] = []
    for entry in evidence.entries:
        delay = random.randrange(60) if entry.anchored_at >= end_s else 0
        for log_id in random.choice(((LOGS[0],), (LOGS[1],), LOGS, LOGS * 2)):
            entries.append(replace(entry, log_id=log_id, anchored_at=entry.anchored_at + delay))
        if random.random() < 0.2:  # an honest copy comes later, a forged one earlier
            entries.append(replace(entry, log_id=LOGS[1], anchored_at=entry.anchored_at + 999))
            forged = bytearray(entry.statement)
            forged[-1] ^= 2
            if len(forged) > 99:
                entries.append(replace(entry, statement=bytes(forged), anchored_at=1))
    random.shuffle(entries)
    numbered = [replace(entry, index=index) for index, entry in enumerate(entries)]
    return evidence_of(evidence.epoch, numbered)


def check_order(random: Random, told: Sequence[Told]) -> None:
    """However the evidence arrived, the same result, payouts and state come out."""
    for item in told:
        item.street.state = item.before
        other = item.street.settle_with(variant(random, item.evidence))
        check(hashes(other) == hashes(item.result), "the order of evidence shows")
        check(other.payouts == item.result.payouts, "the order of evidence shows in payouts")
