"""Energy, verified: from meters' statements to credited quantities (rules version 1).

Order of checks, cheapest first: the meter stands in the street's table; readings lie on the
quarter-hour and do not contradict; registers never fall and never outrun the connection; an
interval is credited once; no export beyond the clear sky; and at last the whole street together
never more than its feeder saw. Each check has its reason; see `reasons.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from commonworks.model import (
    Credit,
    IntervalVerdict,
    Outcome,
    Side,
    Verdict,
)
from commonworks.resources.base import Authentic, ResourceInput, Verified
from commonworks.resources.energy.balance_v1 import (
    Balance,
    Claim,
    Feeder,
    Span,
    balance_interval,
    explain_late,
)
from commonworks.resources.energy.orders_v1 import standing_orders, terms_in_force
from commonworks.resources.energy.readings import INTERVAL_S, integers
from commonworks.resources.energy.reasons import Why
from commonworks.resources.energy.registers_v1 import (
    Candidate,
    Delta,
    Replacement,
    Trace,
    trace_registers,
)
from commonworks.resources.energy.site_v1 import Site, read_site
from commonworks.resources.energy.state_v1 import (
    EnergyState,
    Reading,
    Residue,
    Standing,
    decode,
    encode,
)
from commonworks.statements.model import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LateEnergy:
    """Energy that settles at the utility's tariff because it was not known in time."""

    device: int
    account: bytes
    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyDetail:
    """What verification hands to the market and to the views."""

    balances: tuple[Balance, ...]
    """By interval."""
    late: tuple[LateEnergy, ...]
    """By device."""
    coverage_ppm: tuple[tuple[int, int], ...]
    """(device, share of the epoch's intervals known in time)."""
    tariff_import: int
    tariff_export: int


def verify(data: ResourceInput) -> Verified:
    """Verify one epoch of the street.

    Inputs: see `ResourceInput`. Returns: a verdict for each statement, intervals where less than
    claimed was credited, credits per device and interval (Wh), standing orders, the next state.
    Guarantees: every interval is credited at most once; with a feeder, net credits never exceed
    what it saw; independent of the order of statements.
    """
    state = decode(data.state)
    site = read_site(data.site)
    orders = standing_orders(data, state.orders)
    if site is None:
        return _without_site(data, state, orders)
    traces = _trace_all(data, state, site)
    claims, spans, sky = _claims(data, site, traces)
    feeder_intervals = _feeder(data, site, traces)
    balances = tuple(
        balance_interval(start, claims.get(start, ()), feeder_intervals.get(start), site)
        for start in _intervals(data)
    )
    late, late_intervals, residues = _late(data, state, balances, spans)
    intervals = [item for trace in traces.values() for item in trace.intervals]
    intervals += [*sky, *late_intervals, *_cut_intervals(balances, claims)]
    # a meter that is not traced now (unbound, out of the table) keeps its past: were it forgotten,
    # its old readings could be offered and credited again
    kept = {
        data.devices[device].key.thumbprint: trace.kept
        for device, trace in traces.items()
        if trace.kept
    }
    next_state = EnergyState(
        readings={**state.readings, **kept},
        orders=orders,
        residues=residues,
    )
    credits = _credits(data, site, balances, claims)
    detail = EnergyDetail(
        balances=balances,
        late=late,
        coverage_ppm=_coverage(data, claims),
        tariff_import=site.tariff_import,
        tariff_export=site.tariff_export,
    )
    return Verified(
        verdicts=_verdicts(data, traces),
        intervals=_ordered(intervals),
        credits=credits,
        terms=terms_in_force(data, orders),
        state=encode(next_state),
        summary=_summary(balances, late, credits),
        detail=detail,
    )


def _intervals(data: ResourceInput) -> range:
    """Return the starts of the metering intervals that lie whole within the epoch."""
    first = -(-data.facts.start // INTERVAL_S) * INTERVAL_S
    return range(first, data.facts.end - INTERVAL_S + 1, INTERVAL_S)


def _ordered(intervals: Sequence[IntervalVerdict]) -> tuple[IntervalVerdict, ...]:
    return tuple(
        sorted(
            intervals,
            key=lambda item: (item.device, item.start_s, item.length_s, item.reason, item.claimed),
        )
    )


# --- statements -> registers --------------------------------------------------------------------


def _readings(statement: Authentic) -> list[Candidate]:
    record = statement.record
    offsets = integers(record, "offset_s")
    rows = zip(
        offsets,
        integers(record, "import_wh"),
        integers(record, "export_wh"),
        integers(record, "voltage_mv") or (0,) * len(offsets),
        strict=True,
    )
    return [
        Candidate(
            reading=Reading(
                time=record.time + offset,
                import_wh=imported,
                export_wh=exported,
                voltage_mv=voltage,
            ),
            identity=statement.identity,
            anchored_at=statement.anchored_at,
        )
        for offset, imported, exported, voltage in rows
    ]


def _replacement(statement: Authentic) -> Replacement:
    record = statement.record
    final, first = (
        Reading(
            time=record.time,
            import_wh=integers(record, f"{name}_import_wh")[0],
            export_wh=integers(record, f"{name}_export_wh")[0],
            voltage_mv=0,
        )
        for name in ("final", "first")
    )
    return Replacement(final=final, first=first, identity=statement.identity)


def _rating_w(data: ResourceInput, site: Site, device: int) -> int | None:
    """Return the rating of a device's connection, None when it does not stand in the table."""
    kid = data.devices[device].key.thumbprint
    if kid == site.feeder_kid:
        return site.feeder_rating_w if device in data.facts.references else None
    meter = site.meters.get(kid)
    return meter.rating_w if meter else None


def _trace_all(data: ResourceInput, state: EnergyState, site: Site) -> dict[int, Trace]:
    """Follow the registers of every device of the table, by device id."""
    offers: defaultdict[int, list[Candidate]] = defaultdict(list)
    changes: defaultdict[int, list[Replacement]] = defaultdict(list)
    for statement in data.statements:
        if statement.device is None:
            continue
        if statement.kind is Kind.REPORT:
            offers[statement.device.device].extend(_readings(statement))
        elif statement.kind is Kind.REPLACE:
            changes[statement.device.device].append(_replacement(statement))
    traces: dict[int, Trace] = {}
    for device in sorted(data.devices):
        rating_w = _rating_w(data, site, device)
        if rating_w is None:
            continue
        known = state.readings.get(data.devices[device].key.thumbprint, ())
        ordered = sorted(changes[device], key=lambda item: (item.final.time, item.identity))
        traces[device] = trace_registers(
            device, rating_w, known, offers[device], ordered, data.facts.end
        )
    return traces


def _verdicts(data: ResourceInput, traces: Mapping[int, Trace]) -> tuple[Verdict, ...]:
    """Judge each statement: it counts when any of its readings does."""
    verdicts = []
    for statement in data.statements:
        device = statement.device.device if statement.device else None
        reason = ""
        if statement.kind in (Kind.REPORT, Kind.REPLACE) and device is not None:
            trace = traces.get(device)
            if trace is None:
                reason = Why.NOT_IN_SITE
            elif not trace.used[statement.identity]:
                reason = trace.refused.get(statement.identity, Why.ALREADY_SETTLED)
        verdicts.append(_verdict(statement, reason))
    return tuple(verdicts)


def _verdict(statement: Authentic, reason: str) -> Verdict:
    return Verdict(
        identity=statement.identity,
        kind=statement.kind,
        device=statement.device.device if statement.device else None,
        outcome=Outcome.REJECTED if reason else Outcome.ACCEPTED,
        reason=reason,
    )


def _without_site(
    data: ResourceInput, state: EnergyState, orders: Mapping[int, tuple[Standing, ...]]
) -> Verified:
    """Nothing can be verified: reject what a site would verify, keep the registers' past."""
    needs_site = (Kind.REPORT, Kind.REPLACE)
    return Verified(
        verdicts=tuple(
            _verdict(item, Why.NO_SITE if item.kind in needs_site else "")
            for item in data.statements
        ),
        intervals=(),
        credits=(),
        terms=terms_in_force(data, orders),
        state=encode(replace(state, orders=orders)),
        summary={},
        detail=EnergyDetail(
            balances=(), late=(), coverage_ppm=(), tariff_import=0, tariff_export=0
        ),
    )


# --- registers -> claims per interval -----------------------------------------------------------


def _claims(
    data: ResourceInput, site: Site, traces: Mapping[int, Trace]
) -> tuple[dict[int, list[Claim]], list[Span], list[IntervalVerdict]]:
    """Split each meter's deltas into claims per interval and late spans; apply the clear sky."""
    claims: defaultdict[int, list[Claim]] = defaultdict(list)
    spans: list[Span] = []
    sky: list[IntervalVerdict] = []
    for device, trace in sorted(traces.items()):
        meter = site.meters.get(data.devices[device].key.thumbprint)
        if meter is None:
            continue
        for delta in trace.deltas:
            limit = site.sky_limit_wh(meter.plant_wp, delta.start_s, delta.length_s)
            export_wh = delta.export_wh
            if export_wh > limit:
                # more than physics allows is no measurement: nothing of it counts
                export_wh = 0
                trace.void(delta, Why.BEYOND_CLEAR_SKY)
                sky.append(_less(device, delta, Why.BEYOND_CLEAR_SKY, delta.export_wh, 0))
            if delta.length_s == INTERVAL_S and delta.start_s >= data.facts.start:
                claims[delta.start_s].append(
                    Claim(
                        device=device,
                        meter=meter,
                        import_wh=delta.import_wh,
                        export_wh=export_wh,
                    )
                )
            else:
                spans.append(
                    Span(
                        device=device,
                        start_s=delta.start_s,
                        length_s=delta.length_s,
                        import_wh=delta.import_wh,
                        export_wh=export_wh,
                    )
                )
    return dict(claims), spans, sky


def _less(
    device: int, delta: Delta | Span, why: Why, claimed: int, credited: int
) -> IntervalVerdict:
    return IntervalVerdict(
        device=device,
        start_s=delta.start_s,
        length_s=delta.length_s,
        reason=why,
        claimed=claimed,
        credited=credited,
    )


def _feeder(data: ResourceInput, site: Site, traces: Mapping[int, Trace]) -> dict[int, Feeder]:
    """Return what the admitted feeder saw, by interval."""
    for device, trace in sorted(traces.items()):
        if data.devices[device].key.thumbprint == site.feeder_kid:
            return {
                delta.start_s: Feeder(
                    import_wh=delta.import_wh,
                    export_wh=delta.export_wh,
                    voltage_mv=delta.voltage_mv,
                )
                for delta in trace.deltas
                if delta.length_s == INTERVAL_S and delta.start_s >= data.facts.start
            }
    return {}


# --- balance -> credits -------------------------------------------------------------------------


def _cut_intervals(
    balances: Sequence[Balance], claims: Mapping[int, Sequence[Claim]]
) -> list[IntervalVerdict]:
    """Name each export that the balance cut."""
    found = []
    for balance in balances:
        claimed = {claim.device: claim.export_wh for claim in claims.get(balance.start_s, ())}
        for device, cut in balance.cuts:
            found.append(
                IntervalVerdict(
                    device=device,
                    start_s=balance.start_s,
                    length_s=INTERVAL_S,
                    reason=Why.BALANCE_CUT,
                    claimed=claimed[device],
                    credited=claimed[device] - cut,
                )
            )
    return found


def _credits(
    data: ResourceInput,
    site: Site,
    balances: Sequence[Balance],
    claims: Mapping[int, Sequence[Claim]],
) -> tuple[Credit, ...]:
    """Return what each device is credited per interval: imports as claimed, exports after cuts.

    The feeder corroborates nothing for the account that owns it.
    """
    keepers = {
        data.accounts[device]
        for device, item in data.devices.items()
        if item.key.thumbprint == site.feeder_kid
    }
    credits: list[Credit] = []
    for balance in balances:
        cuts = dict(balance.cuts)
        for claim in claims.get(balance.start_s, ()):
            sides = (
                (Side.SUPPLY, claim.export_wh - cuts.get(claim.device, 0)),
                (Side.DEMAND, claim.import_wh),
            )
            credits.extend(
                Credit(
                    device=claim.device,
                    account=data.accounts[claim.device],
                    start_s=balance.start_s,
                    side=side,
                    quantity=quantity,
                    corroborated=balance.corroborated
                    and data.accounts[claim.device] not in keepers,
                )
                for side, quantity in sides
                if quantity > 0
            )
    return tuple(credits)


def _coverage(
    data: ResourceInput, claims: Mapping[int, Sequence[Claim]]
) -> tuple[tuple[int, int], ...]:
    """Return per device the share of the epoch's intervals that were known in time, ppm."""
    total = len(_intervals(data))
    known: defaultdict[int, int] = defaultdict(int)
    for rows in claims.values():
        for claim in rows:
            known[claim.device] += 1
    return tuple((device, count * 1_000_000 // total) for device, count in sorted(known.items()))


def _late(
    data: ResourceInput, state: EnergyState, balances: Sequence[Balance], spans: Sequence[Span]
) -> tuple[tuple[LateEnergy, ...], list[IntervalVerdict], dict[int, Residue]]:
    """Credit late energy out of the residues of past intervals and of this epoch's own."""
    oldest = data.facts.start - data.policy["lateness_s"]
    residues: dict[int, tuple[int, Mapping[int, int]]] = {
        start: (row.unclaimed_wh, dict(row.cuts))
        for start, row in state.residues.items()
        if start >= oldest
    }
    for balance in balances:
        if balance.unclaimed_wh or balance.cuts:
            residues[balance.start_s] = (balance.unclaimed_wh, dict(balance.cuts))
    granted, restored, left = explain_late(residues, spans)
    imports: defaultdict[int, int] = defaultdict(int)
    exports: defaultdict[int, int] = defaultdict(int)
    intervals: list[IntervalVerdict] = []
    for position, span in enumerate(spans):
        got = granted[position]
        imports[span.device] += span.import_wh
        exports[span.device] += got
        if span.import_wh:
            intervals.append(_less(span.device, span, Why.LATE, span.import_wh, span.import_wh))
        if span.export_wh:
            why = Why.LATE if got == span.export_wh else Why.LATE_UNSEEN
            intervals.append(_less(span.device, span, why, span.export_wh, got))
    for device, back in restored.items():
        if device in data.accounts:  # a device that left the network has nobody to credit
            exports[device] += back
    late = tuple(
        LateEnergy(
            device=device,
            account=data.accounts[device],
            import_wh=imports[device],
            export_wh=exports[device],
        )
        for device in sorted({*imports, *exports})
        if imports[device] or exports[device]
    )
    kept = {
        start: Residue(start_s=start, unclaimed_wh=unclaimed, cuts=tuple(sorted(cuts.items())))
        for start, (unclaimed, cuts) in left.items()
        if unclaimed or cuts
    }
    return late, intervals, kept


def _summary(
    balances: Sequence[Balance], late: Sequence[LateEnergy], credits: Sequence[Credit]
) -> dict[str, int]:
    """Return the epoch's totals."""
    return {
        "import_wh": sum(c.quantity for c in credits if c.side is Side.DEMAND),
        "export_wh": sum(c.quantity for c in credits if c.side is Side.SUPPLY),
        "cut_wh": sum(cut for balance in balances for _, cut in balance.cuts),
        "unattributed_wh": sum(wh for balance in balances for _, wh in balance.unattributed),
        "losses_wh": sum(balance.losses_wh for balance in balances),
        "feeder_import_wh": sum(balance.feeder_import_wh for balance in balances),
        "feeder_export_wh": sum(balance.feeder_export_wh for balance in balances),
        "residual_wh": sum(balance.residual_wh for balance in balances),
        "late_import_wh": sum(item.import_wh for item in late),
        "late_export_wh": sum(item.export_wh for item in late),
        "intervals_without_feeder": sum(not balance.corroborated for balance in balances),
        "intervals_beyond_class": sum(
            abs(balance.residual_wh) > balance.tolerance_wh for balance in balances
        ),
    }
