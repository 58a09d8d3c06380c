"""What the index says about governed parameters.

A parameter's value in an epoch is its last change that holds from that epoch or an earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from commonworks.errors import NotFound
from commonworks.explorer import cells
from commonworks.explorer.index.schema import parameter_change
from commonworks.explorer.models.parameters import (
    ComingValue,
    ParameterBrief,
    ParameterChange,
    ParameterValue,
    ParameterView,
)
from commonworks.explorer.queries.commands import command_line
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, mark
from commonworks.explorer.web.model import address_text, amount_text, hash_text, party
from commonworks.explorer.web.pagination import Page, decode_cursor, page_of
from commonworks.explorer.web.templating import duration, exact
from commonworks.units import WEI_DECIMALS

KEY_MAX: Final = 32
"""Longest key, characters."""
PARAMETERS_MAX: Final = 1_000
"""Most parameters that one page shows."""
MICRO_PER: Final = "micro per "
"""Begins the unit of a price: millionths of the currency for each of something."""
MICRO_DECIMALS: Final = 6
PERCENT_DECIMALS: Final = 4
"""Between parts per million and percent."""

ANY: Final = ("address", "hash")
"""Units whose bounds say nothing to people."""

H3_RESOLUTION: Final = mark("H3 resolution")
"""Unit of a map cell's size."""

UNKNOWN: Final = mark("This release does not know what it is for.")


def epoch_now(site: Site) -> int:
    """Return the epoch that contains network time; 0 before genesis."""
    return max(site.network.epoch_at(site.clock.now()), 0)


# --- values in words ------------------------------------------------------------------------------


def value_of(site: Site, unit: str, value: int) -> ParameterValue:
    """Return a parameter's value with its unit in words."""
    account = None
    if unit == "address" and value:
        account = party(site, (value % 2**160).to_bytes(20, "big"))
    shown = value_text(site, unit, value)
    return ParameterValue(value=amount_text(value), text=shown, account=account)


def value_text(site: Site, unit: str, value: int) -> str:
    """Return a value in units that people use; exact, never rounded."""
    if unit.startswith(MICRO_PER):
        shown = exact(value, MICRO_DECIMALS)
        return f"{shown} {site.network.currency_code} / {gettext(unit.removeprefix(MICRO_PER))}"
    match unit:
        case "address":
            return _account_text(site, value)
        case "hash":
            return f"0x{value % 2**256:064x}"
        case "ppm":
            return f"{exact(value, PERCENT_DECIMALS)} %"
        case "s":
            return duration(value) if _in_two_units(value) else f"{exact(value, 0)} s"
        case "wei":
            return f"{exact(value, WEI_DECIMALS)} {site.token_symbol}"
        case "bond":
            symbol, decimals = site.asset(site.bond_asset)
            return f"{exact(value, decimals)} {symbol}"
        case "micro":
            return f"{exact(value, site.currency_decimals)} {site.network.currency_code}"
        case cells.DECLARED.unit if cells.COARSEST <= value <= cells.FINEST:
            return gettext(
                "%(resolution)s (cells of about %(area)s)",
                resolution=exact(value, 0),
                area=area_text(value),
            )
        case "":
            return exact(value, 0)
        case _:
            return f"{exact(value, 0)} {gettext(unit)}"


def area_text(resolution: int) -> str:
    """Return about how large map cells of a resolution are, 0..15: `5.2 km²`."""
    found = cells.area(resolution)
    return f"{exact(found.value, found.decimals)} {found.unit}"


def chain_text(site: Site, unit: str, value: int) -> str:
    """Return a value as the chain has it, its unit in words."""
    shown = exact(value, 0)
    if unit.startswith(MICRO_PER):
        return gettext(
            "%(count)s millionths of %(currency)s per %(what)s",
            count=shown,
            currency=site.network.currency_code,
            what=gettext(unit.removeprefix(MICRO_PER)),
        )
    match unit:
        case "micro" | "bond":
            asset = site.bond_asset if unit == "bond" else site.network.currency
            symbol, _ = site.asset(asset)
            return gettext("%(count)s smallest units of %(symbol)s", count=shown, symbol=symbol)
        case _:
            return f"{shown} {gettext(unit)}" if unit else shown


def text_of(site: Site, key: str, value: int) -> str:
    """Return what a value of a parameter means, in units that people use."""
    return value_text(site, unit_of(site, key), value)


def scale_of(site: Site, unit: str) -> tuple[int, str]:
    """Return (decimal places, unit) by which a chart shows a parameter's values."""
    if unit.startswith(MICRO_PER):
        per = gettext(unit.removeprefix(MICRO_PER))
        return MICRO_DECIMALS, f"{site.network.currency_code} / {per}"
    match unit:
        case "ppm":
            return PERCENT_DECIMALS, "%"
        case "wei":
            return WEI_DECIMALS, site.token_symbol
        case "bond":
            symbol, decimals = site.asset(site.bond_asset)
            return decimals, symbol
        case "micro":
            return site.currency_decimals, site.network.currency_code
        case _:
            return 0, gettext(unit) if unit else ""


def _account_text(site: Site, value: int) -> str:
    address = (value % 2**160).to_bytes(20, "big")
    return site.labels.get(address) or address_text(address) if value else gettext("nobody")


def _in_two_units(seconds: int) -> bool:
    """Tell whether two of day, hour, minute, second say it all."""
    parts, rest = [], abs(seconds)
    for size in (86_400, 3_600, 60, 1):
        count, rest = divmod(rest, size)
        parts.append(count)
    return sum(1 for count in parts if count) <= 2


# --- reading --------------------------------------------------------------------------------------


def parameters(
    connection: Connection, site: Site, limit: int, cursor: str | None
) -> Page[ParameterBrief]:
    """Return parameters as they are now, by key."""
    after = decode_cursor(cursor, str)
    column = parameter_change.c.key
    keys = select(column).distinct().order_by(column).limit(limit + 1)
    if after is not None:
        keys = keys.where(column > after[0])
    found = list(connection.scalars(keys))
    rows = _changes(connection, found)
    epoch = epoch_now(site)
    return page_of(
        found, limit, lambda key: (key,), lambda key: _brief(site, key, rows[key], epoch)
    )


def parameter(
    connection: Connection, site: Site, key: str, limit: int, cursor: str | None
) -> ParameterView:
    """Return one parameter with its history, newest first. Raises NotFound."""
    changes = _changes(connection, [key]).get(key, []) if _is_key(key) else []
    if not changes:
        raise NotFound(
            gettext("this network has no parameter %(key)s", key=repr(key[:KEY_MAX])),
            hint=gettext("see all of them: /parameters"),
        )
    before = decode_cursor(cursor, int)
    column = parameter_change.c.number
    wanted = select(parameter_change).where(parameter_change.c.key == key)
    if before is not None:
        wanted = wanted.where(column < before[0])
    rows = connection.execute(wanted.order_by(column.desc()).limit(limit + 1)).all()
    epoch = epoch_now(site)
    brief = _brief(site, key, changes, epoch)
    return ParameterView(
        parameter=brief,
        epoch=epoch,
        history=page_of(rows, limit, lambda r: (r.number,), lambda r: _change(site, brief.unit, r)),
        command=_proposing(site, key, "VALUE"),
        example=None
        if brief.value is None
        else _proposing(site, key, _written(brief.unit, brief.value)),
    )


def _written(unit: str, value: ParameterValue) -> str:
    """Return a value as commands take it: whole numbers, but accounts and hashes as themselves."""
    if value.account is not None:
        return value.account.address
    return value.text if unit == "hash" else value.value


def _proposing(site: Site, key: str, value: str) -> str:
    setting = ("--set", f"{key}={value}")
    return command_line(site, "proposal", "new", "--title", "TITLE", *setting, "--as", "ACCOUNT")


def current_values(
    connection: Connection, site: Site, keys: Sequence[str] | None = None
) -> dict[str, int]:
    """Return the values in force now, of all parameters or of some."""
    epoch = epoch_now(site)
    return {
        key: held
        for key, rows in _changes(connection, keys).items()
        if (held := value_at(rows, epoch)) is not None
    }


def map_resolution(connection: Connection, site: Site) -> int:
    """Return the finest H3 resolution that may be shown and taken now, 0..15."""
    return cells.allowed(current_values(connection, site, [cells.PARAMETER]).get(cells.PARAMETER))


def changes_of(connection: Connection, keys: Sequence[str]) -> dict[str, list[Any]]:
    """Return the rows of some parameters' changes by key, oldest first."""
    return _changes(connection, keys)


def value_at(rows: Sequence[Any], epoch: int) -> int | None:
    """Return the value that a parameter's changes give an epoch; None before it was defined."""
    held = [row.value for row in rows if row.from_epoch <= epoch]
    return held[-1] if held else None


def named_accounts(connection: Connection, site: Site) -> set[bytes]:
    """Return the accounts that parameters name now: bodies that hold an office, no households."""
    keys = [key for key, known in site.parameters.items() if known.unit == "address"]
    values = current_values(connection, site, keys).values()
    return {(value % 2**160).to_bytes(20, "big") for value in values if value}


def unit_of(site: Site, key: str) -> str:
    """Return a parameter's unit; empty where this release does not know it."""
    known = site.parameters.get(key)
    return known.unit if known is not None else ""


def description_of(site: Site, key: str) -> str:
    """Return what a parameter is for."""
    known = site.parameters.get(key)
    return gettext(known.description if known is not None else UNKNOWN)


def _changes(connection: Connection, keys: Sequence[str] | None) -> dict[str, list[Any]]:
    wanted = select(parameter_change).order_by(parameter_change.c.key, parameter_change.c.number)
    if keys is not None:
        wanted = wanted.where(parameter_change.c.key.in_(keys))
    found: dict[str, list[Any]] = {}
    for row in connection.execute(wanted):
        found.setdefault(row.key, []).append(row)
    return found


def _brief(site: Site, key: str, rows: Sequence[Any], epoch: int) -> ParameterBrief:
    unit, first = unit_of(site, key), rows[0]
    value = value_at(rows, epoch)
    prefix = key.partition(".")[0]
    return ParameterBrief(
        key=key,
        resource=prefix if prefix in site.resources else None,
        unit=unit,
        known=key in site.parameters,
        description=description_of(site, key),
        value=None if value is None else value_of(site, unit, value),
        minimum=value_of(site, unit, first.minimum),
        maximum=value_of(site, unit, first.maximum),
        bounded=unit not in ANY,
        coming=[
            ComingValue(value=value_of(site, unit, row.value), from_epoch=row.from_epoch)
            for row in rows
            if row.from_epoch > epoch
        ],
        changes=len(rows) - 1,
    )


def _change(site: Site, unit: str, row: Any) -> ParameterChange:
    return ParameterChange(
        number=row.number,
        value=value_of(site, unit, row.value),
        from_epoch=row.from_epoch,
        time=row.time,
        tx=hash_text(row.tx),
    )


def _is_key(key: str) -> bool:
    return 0 < len(key) <= KEY_MAX and key.isascii() and "\0" not in key
