"""Pictures of the economy and of back-tests, as SVG or PNG.

The same numbers give the same bytes: no dates, no random ids, the font that comes with the library.
Light background, one column, large type: readable on a phone. Importing this module takes a moment
(matplotlib), so commands import it only when they draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from commonworks.errors import InvalidInput
from commonworks.units import WEI
from commonworks.wiring.economy import YEAR_S, Point, Schedule

FORMATS: Final = (".svg", ".png")
WIDTH_IN: Final = 6.0
DPI: Final = 160
BARS_MAX: Final = 24
"""Most accounts in one picture; of more, those who gain and lose most."""

STYLE: Final[Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#6b7280",
    "axes.labelcolor": "#374151",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e7eb",
    "text.color": "#111827",
    "xtick.color": "#374151",
    "ytick.color": "#374151",
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "svg.hashsalt": "commonworks",
    "svg.fonttype": "path",
}
BLUE, ORANGE, GREY = "#0369a1", "#c2410c", "#6b7280"
"""Gains and losses differ in more than hue, for those who see no colours: side and sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """One bar of a back-test: what somebody would have more or less."""

    label: str
    amount: int
    """In the asset's smallest unit; negative: less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One asset's bars."""

    symbol: str
    decimals: int
    gains: Sequence[Gain]
    """Winners first."""


def check_path(path: Path) -> None:
    """Raise InvalidInput for a file that is neither SVG nor PNG."""
    if path.suffix.lower() not in FORMATS:
        raise InvalidInput(f"{path.name} is no name of a picture", hint="end it with .svg or .png")


def draw_economy(schedule: Schedule, found: Sequence[Point], path: Path) -> None:
    """Draw supply and emission over the years into a file.

    Inputs: points of the schedule in order, at least two.
    """
    check_path(path)
    years = [point.epoch * schedule.epoch_length_s / YEAR_S for point in found]
    scale, unit = _scale(max(point.supply_wei for point in found))
    with style.context(STYLE, after_reset=True):
        figure = _figure(8.2)
        upper, lower = figure.subplots(2, 1, sharex=True)
        supply = [point.supply_wei / WEI / scale for point in found]
        allocated = schedule.allocated_wei / WEI / scale
        upper.fill_between(years, allocated, supply, color=BLUE, alpha=0.18, linewidth=0)
        upper.fill_between(years, 0, allocated, color=GREY, alpha=0.18, linewidth=0)
        upper.plot(years, supply, color=BLUE, linewidth=2.5)
        upper.set_title("Supply at most")
        upper.set_ylabel(f"{unit}{schedule.symbol}")
        upper.set_ylim(0, max(supply) * 1.15)
        _note(upper, years[-1], supply[-1], f"{supply[-1]:,.2f}", BLUE)
        if allocated:
            upper.annotate(
                f"allocated at genesis: {allocated:,.2f}",
                (years[-1], allocated),
                xytext=(0, -6),
                textcoords="offset points",
                ha="right",
                va="top",
                color="#374151",
                fontsize=12,
            )
        _mark_now(upper, schedule, scale)
        per_day = [point.emission_wei * 86_400 / schedule.epoch_length_s / WEI for point in found]
        daily, daily_unit = _scale(int(max(per_day) * WEI))
        lower.plot(years, [value / daily for value in per_day], color=ORANGE, linewidth=2.5)
        lower.fill_between(
            years, 0, [value / daily for value in per_day], color=ORANGE, alpha=0.15, linewidth=0
        )
        lower.set_title("Emission at most")
        lower.set_ylabel(f"{daily_unit}{schedule.symbol} a day")
        lower.set_ylim(0, max(max(per_day) / daily, 1e-9) * 1.1)
        lower.set_xlabel("years since genesis")
        lower.set_xlim(0, ceil(years[-1]))
        for axes in (upper, lower):
            axes.yaxis.set_major_formatter(FuncFormatter(_tick))
        lower.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
        figure.suptitle(schedule.name, fontsize=15, fontweight="bold", x=0.02, ha="left")
        _save(figure, path)


def draw_backtest(title: str, subtitle: str, panels: Sequence[Panel], path: Path) -> None:
    """Draw who would have gained and who would have lost, one panel an asset, into a file."""
    check_path(path)
    shown = [(panel, *_most(panel.gains)) for panel in panels if panel.gains]
    rows = sum(len(gains) for _, gains, _ in shown)
    height = 1.6 + 0.34 * rows + 1.1 * max(1, len(shown))
    with style.context(STYLE, after_reset=True):
        figure = _figure(height)
        figure.suptitle(
            f"{title}\n{subtitle}", fontsize=13, fontweight="bold", x=0.02, ha="left", wrap=True
        )
        if not shown:
            only = figure.subplots()
            only.axis("off")
            only.text(0.5, 0.5, "nobody would have more or less", ha="center", fontsize=14)
        else:
            ratios = [len(gains) + 1.6 for _, gains, _ in shown]
            found = figure.subplots(len(shown), 1, squeeze=False, height_ratios=ratios)
            for axes, (panel, gains, left_out) in zip(found[:, 0], shown, strict=True):
                _bars(axes, panel, gains, left_out)
        _save(figure, path)


def _figure(height_in: float) -> Figure:
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # type: ignore[union-attr,call-arg]
    return figure


def _bars(axes: Axes, panel: Panel, gains: Sequence[Gain], left_out: int) -> None:
    """Draw one asset's bars, winners above."""
    values = [gain.amount / 10**panel.decimals for gain in gains]
    places = range(len(gains))
    axes.barh(places, values, color=[BLUE if v > 0 else ORANGE for v in values], height=0.72)
    axes.set_yticks(list(places), [gain.label for gain in gains])
    axes.invert_yaxis()
    axes.axvline(0, color="#111827", linewidth=1)
    axes.grid(axis="y", visible=False)
    widest = max(abs(value) for value in values)
    low, high = min(0.0, *values), max(0.0, *values)
    axes.set_xlim(low - 0.32 * widest * (low < 0), high + 0.32 * widest * (high > 0))
    digits = _digits(widest)
    for place, value in zip(places, values, strict=True):
        side = "left" if value > 0 else "right"
        shown = f"{value:+,.{digits}f}"
        axes.annotate(
            shown if float(shown.replace(",", "")) else "almost nothing",
            (value, place),
            xytext=(4 if value > 0 else -4, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=11,
        )
    more = f" ({left_out} with less change not drawn)" if left_out else ""
    axes.set_title(f"{panel.symbol} more or less{more}")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xlabel(panel.symbol)


def _most(gains: Sequence[Gain]) -> tuple[Sequence[Gain], int]:
    """Return the bars that are drawn, in their order, and how many are left out."""
    kept = sorted(gains, key=lambda gain: -abs(gain.amount))[:BARS_MAX]
    chosen = {id(gain) for gain in kept}
    return [gain for gain in gains if id(gain) in chosen], len(gains) - len(kept)


def _mark_now(axes: Axes, schedule: Schedule, scale: float) -> None:
    """Mark where a running network is: what really exists."""
    if not schedule.next_epoch:
        return
    year = schedule.next_epoch * schedule.epoch_length_s / YEAR_S
    real = (schedule.allocated_wei + schedule.minted_wei) / WEI / scale
    axes.plot([year], [real], marker="o", markersize=9, color="#111827")
    axes.annotate(
        f"exists now: {real:,.4g}",
        (year, real),
        xytext=(10, -20),
        textcoords="offset points",
        fontsize=12,
    )


def _note(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(0, 6),
        textcoords="offset points",
        ha="right",
        va="bottom",
        color=color,
        fontweight="bold",
    )


def _scale(wei: int) -> tuple[float, str]:
    """Return a divisor and its name, so that numbers stay short."""
    whole = wei // WEI
    for divisor, name in ((10**9, "billions of "), (10**6, "millions of ")):
        if whole >= divisor:
            return float(divisor), name
    return 1.0, ""


def _tick(value: float, _: int | None) -> str:
    return f"{value:,.10g}"


def _digits(value: float) -> int:
    """Return decimal places that show about four figures of a value."""
    places = 0
    while value < 1_000 and places < 8:
        value, places = value * 10, places + 1
    return places


def _save(figure: Figure, path: Path) -> None:
    """Write a picture without anything that differs from run to run."""
    if path.suffix.lower() == ".svg":
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    else:
        figure.savefig(path, format="png", metadata={"Software": None})
