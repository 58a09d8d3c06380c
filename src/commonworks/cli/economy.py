"""`commonworks economy`: what the schedule lets exist, and how it is shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from commonworks.cli.policy import epoch_now
from commonworks.cli.shell import (
    amount,
    asynchronous,
    home_option,
    json_option,
    put,
    put_json,
    put_rows,
    say,
)
from commonworks.errors import InvalidInput
from commonworks.units import DAY_S, PPM, mul_div
from commonworks.wiring.discover import installed_resources
from commonworks.wiring.economy import (
    YEAR_S,
    Schedule,
    default_schedule,
    epochs_in,
    part_of,
    points,
    schedule_of,
    steps,
)
from commonworks.wiring.founding import SYMBOL
from commonworks.wiring.home import Home
from commonworks.wiring.profiles import Profile
from commonworks.wiring.session import open_session

SHOWN_YEARS: Final = (1, 2, 5, 10, 20)
SAMPLES: Final = 400
"""Points of a curve: more than a screen shows."""

EPOCHS_SHOWN: Final = 1_000_000
"""Most epochs that `show` steps through: about a second."""

TOKEN_DECIMALS: Final = 18


@click.group()
def economy() -> None:
    """The token over the years: supply, emission, shares."""


@economy.command("show")
@click.option("--epoch", "epoch_s", type=click.IntRange(60), help="Of a network yet to be, in s.")
@home_option
@json_option
@asynchronous
async def show(*, epoch_s: int | None, home: Home, as_json: bool) -> None:
    """Show supply, emission and its shares; without a network, those of the defaults.

    Example: commonworks economy show
    """
    schedule = await _schedule(home, epoch_s)
    if as_json:
        put_json(_document(schedule))
    else:
        _show(schedule)


@economy.command("plot")
@click.option("--years", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Picture to write: .svg or .png.",
)
@click.option("--epoch", "epoch_s", type=click.IntRange(60), help="Of a network yet to be, in s.")
@home_option
@asynchronous
async def plot(*, years: int, out: Path, epoch_s: int | None, home: Home) -> None:
    """Draw supply and emission over the years by the network's own schedule.

    Example: commonworks economy plot --years 20 --out economy.svg
    """
    from commonworks.wiring.charts import check_path, draw_economy  # noqa: PLC0415 - takes a moment

    check_path(out)
    schedule = await _schedule(home, epoch_s)
    draw_economy(schedule, points(schedule, epochs_in(schedule, years), SAMPLES), out)
    say(f"drew {years} years of {schedule.name}")
    put(str(out))


async def _schedule(home: Home, epoch_s: int | None) -> Schedule:
    """Return the schedule of the folder's network, or of the defaults where there is none."""
    if not home.exists():
        say(f"no network in {home.path}: these are the defaults")
        return default_schedule(Profile.COMMONS, epoch_s or DAY_S, installed_resources(), SYMBOL)
    if epoch_s is not None:
        raise InvalidInput(
            f"the network in {home.path} has its own epochs", hint="leave --epoch out"
        )
    async with open_session(home, say) as session:
        await session.pass_time()
        view = await session.view()
        return schedule_of(session.manifest, view, session.resources, epoch_now(session))


def _document(schedule: Schedule) -> dict[str, Any]:
    now = _emission_at(schedule, schedule.next_epoch)
    return {
        "name": schedule.name,
        "symbol": schedule.symbol,
        "epoch_length_s": schedule.epoch_length_s,
        "allocated_wei": schedule.allocated_wei,
        "cap_wei": schedule.cap_wei,
        "minted_wei": schedule.minted_wei,
        "supply_wei": schedule.allocated_wei + schedule.minted_wei,
        "initial_emission_wei": schedule.initial_wei,
        "half_lives": [
            {"from_epoch": first, "epochs": value} for first, value in schedule.half_lives
        ],
        "next_epoch": schedule.next_epoch,
        "emission_wei": now,
        "shares": {
            name: {"weight_ppm": weight, "at_most_wei": part_of(schedule, name, now)}
            for name, weight in schedule.shares_ppm.items()
        },
        "years": {str(year): supply for year, supply in _supplies(schedule).items()},
    }


def _show(schedule: Schedule) -> None:
    def tokens(wei: int) -> str:
        return f"{amount(wei, TOKEN_DECIMALS, 4)} {schedule.symbol}"

    now = _emission_at(schedule, schedule.next_epoch)
    half_life = schedule.half_life_at(schedule.next_epoch)
    days = amount(mul_div(half_life * schedule.epoch_length_s, 100, DAY_S), 2)
    put_rows(
        ("field", "value"),
        [
            ("network", schedule.name),
            ("allocated at genesis", tokens(schedule.allocated_wei)),
            ("minted so far", tokens(schedule.minted_wei)),
            ("exists", tokens(schedule.allocated_wei + schedule.minted_wei)),
            ("cap", tokens(schedule.cap_wei)),
            ("next epoch", f"{schedule.next_epoch:,} of {schedule.epoch_length_s:,} s each"),
            ("it may mint", tokens(now)),
            ("half-life", f"{half_life:,} epochs ({days} days)"),
        ],
    )
    if not schedule.initial_wei:
        put("")
        put("this network never mints")
        return
    put("")
    whole = max(PPM, sum(schedule.shares_ppm.values()))
    put_rows(
        ("share of the emission", "percent", "at most in the next epoch"),
        [
            (
                name,
                amount(mul_div(weight, 100 * PPM, whole), 6),
                tokens(part_of(schedule, name, now)),
            )
            for name, weight in schedule.shares_ppm.items()
        ],
    )
    put("")
    put_rows(
        ("years since genesis", "exists at most"),
        [(year, tokens(supply)) for year, supply in _supplies(schedule).items()],
    )


def _emission_at(schedule: Schedule, epoch: int) -> int:
    return next(p.emission_wei for p in steps(schedule, epoch) if p.epoch == epoch)


def _supplies(schedule: Schedule) -> dict[int, int]:
    """Return the most that exists after some years, as far as they can be stepped through."""
    wanted = {
        year * YEAR_S // schedule.epoch_length_s: year
        for year in SHOWN_YEARS
        if year * YEAR_S // schedule.epoch_length_s <= EPOCHS_SHOWN
    }
    if not wanted:
        return {}
    return {
        wanted[point.epoch]: point.supply_wei
        for point in steps(schedule, max(wanted))
        if point.epoch in wanted
    }
