"""Feeder balance: a street is never credited with more net energy than its feeder saw.

Per interval, all in Wh:

    excess = sum(export) - sum(import) - losses - (feeder export - feeder import)

A positive excess is cut from the exports pro rata (largest remainder); what exceeds all exports is
import that no meter owned up to, shared pro rata over the importers and shown. A negative excess
is export that the feeder saw and nobody claimed: it stays as a residue for late readings. Who lied
cannot be told from one feeder; the residual stays in the result for the rules that will.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from commonworks.resources.energy.losses import losses_mwh
from commonworks.resources.energy.readings import INTERVAL_S
from commonworks.resources.energy.site_v1 import Site, SiteMeter
from commonworks.units import PPM, apportion


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one meter says about one interval, after its own checks."""

    device: int
    meter: SiteMeter
    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """What the reference meter saw in one interval."""

    import_wh: int
    """From the grid into the street."""
    export_wh: int
    """From the street into the grid."""
    voltage_mv: int
    """Line to neutral; 0 where it did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One interval of the street, balanced against its feeder."""

    start_s: int
    import_wh: int
    """Sum of claims."""
    export_wh: int
    """Sum of claims."""
    losses_wh: int
    feeder_import_wh: int
    feeder_export_wh: int
    corroborated: bool
    """Whether the feeder reported this interval."""
    residual_wh: int
    """The excess, signed: positive when the street claims more than its feeder saw."""
    tolerance_wh: int
    """What the accuracy classes of all meters explain."""
    cuts: tuple[tuple[int, int], ...]
    """(device, Wh) taken from each exporter."""
    unattributed: tuple[tuple[int, int], ...]
    """(device, Wh) of import that nobody owned up to, shared over the importers."""
    unclaimed_wh: int
    """Export that the feeder saw and nobody claimed."""


def tolerance_wh(claims: Sequence[Claim], site: Site, feeder_wh: int) -> int:
    """Return the residual that accuracy classes and whole-Wh registers explain, rounded up.

    Worst case, not quadrature: every meter may err by its class in the same direction, and each
    of the registers involved is read in whole Wh.
    Source: accuracy classes of IEC 62053-21 and -22.
    """
    errors = sum(c.meter.class_ppm * (c.import_wh + c.export_wh) for c in claims)
    errors += site.feeder_class_ppm * feeder_wh
    return -(-errors // PPM) + len(claims) + 1


def _voltage_mv(feeder: Feeder | None, site: Site) -> int:
    """Return the feeder's own voltage where plausible (EN 50160: +-10 %), else the nominal."""
    if feeder is not None and 9 * site.voltage_mv <= 10 * feeder.voltage_mv <= 11 * site.voltage_mv:
        return feeder.voltage_mv
    return site.voltage_mv


def balance_interval(
    start_s: int, claims: Sequence[Claim], feeder: Feeder | None, site: Site
) -> Balance:
    """Balance one interval.

    Inputs: claims sorted by device; `feeder` what the reference saw, None when it was silent.
    Returns: the balance with cuts by device.
    Guarantees, when the feeder reported: sum(export) - cuts - sum(import) - unattributed - losses
    <= feeder export - feeder import, or nothing is left to cut or share; cuts never exceed a claim.
    """
    imports = [claim.import_wh for claim in claims]
    exports = [claim.export_wh for claim in claims]
    flows = [0] * len(site.parents)
    for claim in claims:
        flows[claim.meter.branch] += claim.export_wh - claim.import_wh
    losses = (
        losses_mwh(
            flows, site.parents, site.resistances_uohm, _voltage_mv(feeder, site), INTERVAL_S
        )
        // 1000
    )
    feeder_import = feeder.import_wh if feeder else 0
    feeder_export = feeder.export_wh if feeder else 0
    net = sum(exports) - sum(imports) - losses
    excess = net - (feeder_export - feeder_import) if feeder is not None else 0
    cut_total = min(max(excess, 0), sum(exports))
    missing = max(excess, 0) - cut_total if sum(imports) else 0
    return Balance(
        start_s=start_s,
        import_wh=sum(imports),
        export_wh=sum(exports),
        losses_wh=losses,
        feeder_import_wh=feeder_import,
        feeder_export_wh=feeder_export,
        corroborated=feeder is not None,
        residual_wh=excess,
        tolerance_wh=tolerance_wh(claims, site, feeder_import + feeder_export),
        cuts=_shares(claims, cut_total, exports),
        unattributed=_shares(claims, missing, imports),
        unclaimed_wh=max(-excess, 0),
    )


def _shares(
    claims: Sequence[Claim], total: int, weights: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Apportion `total` over the claims by weight; leave out those with nothing."""
    parts = apportion(total, weights)
    return tuple((c.device, part) for c, part in zip(claims, parts, strict=True) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Energy that became known only as the sum over more than one interval, or too late."""

    device: int
    start_s: int
    length_s: int
    import_wh: int
    export_wh: int
    """No more than the clear sky allows over the span."""


def explain_late(
    residues: Mapping[int, tuple[int, Mapping[int, int]]], spans: Sequence[Span]
) -> tuple[dict[int, int], dict[int, int], dict[int, tuple[int, dict[int, int]]]]:
    """Credit late energy out of what the feeder saw and nobody was credited.

    Inputs: residues by interval start: (unclaimed Wh, cuts by device); spans sorted by device.
    Returns: granted export by span position; export given back by device to those who were cut
    (a late import shows who had used it); the residues that remain.
    Guarantees: never grants more than the residues hold; pro rata where they do not suffice.
    """
    wants_export = [span.export_wh for span in spans]
    wants_import = [span.import_wh for span in spans]
    granted = dict.fromkeys(range(len(spans)), 0)
    restored: dict[int, int] = {}
    left: dict[int, tuple[int, dict[int, int]]] = {}
    for start, (unclaimed, cuts) in sorted(residues.items()):
        covering = [
            i
            for i, span in enumerate(spans)
            if span.start_s <= start < span.start_s + span.length_s
        ]
        export_wants = [wants_export[i] for i in covering]
        taken = min(unclaimed, sum(export_wants))
        for i, part in zip(covering, apportion(taken, export_wants), strict=True):
            granted[i] += part
            wants_export[i] -= part
        import_wants = [wants_import[i] for i in covering]
        back = min(sum(cuts.values()), sum(import_wants))
        for i, part in zip(covering, apportion(back, import_wants), strict=True):
            wants_import[i] -= part
        remaining = dict(cuts)
        devices = sorted(cuts)
        for device, part in zip(devices, apportion(back, [cuts[d] for d in devices]), strict=True):
            restored[device] = restored.get(device, 0) + part
            remaining[device] -= part
        left[start] = (unclaimed - taken, {d: wh for d, wh in remaining.items() if wh})
    return granted, {d: wh for d, wh in sorted(restored.items()) if wh}, left
