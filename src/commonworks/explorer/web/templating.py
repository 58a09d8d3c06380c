"""Templates: escaped always, in the reader's language, with the same few ways to show a value."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal, localcontext
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal, get_decimal_symbol, get_group_symbol
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from commonworks.explorer.sessions import viewer_of
from commonworks.explorer.site import Site
from commonworks.explorer.web import i18n
from commonworks.explorer.web.words import reason_words

YEAR_MAX_S: Final = 253_402_300_799
"""Last second of the year 9999: later moments are shown as numbers."""

PPM_PERCENT: Final = 10_000
"""Parts per million in a percent."""

SIGNIFICANT: Final = 4
"""Significant digits of what would be shown with one or none."""

PRECISION: Final = 120
"""Digits of decimal arithmetic: 256 bits with all their places fit."""

_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def number(value: int | None) -> str:
    """Return a whole number with the language's separators; a dash where there is none."""
    return "–" if value is None else _decimal(Decimal(value), 0, 0)


def _decimal(value: Decimal, least: int, places: int) -> str:
    """Return a number with `least` to `places` decimal places, as the language writes it."""
    marks = _marks(i18n.language())
    if marks is None:
        pattern = ("#,##0." + "0" * least + "#" * (places - least)).rstrip(".")
        return str(format_decimal(value, format=pattern, locale=i18n.language()))
    whole, _, part = f"{value:,.{places}f}".partition(".")
    part = part[:least] + part[least:].rstrip("0")
    group, point = marks
    return whole.replace(",", group) + (point + part if part else "")


@cache
def _marks(language: str) -> tuple[str, str] | None:
    """Return what groups digits by three and what stands before the places.

    A page may show a thousand numbers, and the library takes its time over each. A language that
    groups or writes digits otherwise is left to it: None.
    """
    locale = Locale.parse(language)
    group, point = get_group_symbol(locale), get_decimal_symbol(locale)
    plain = {"1234.5": f"1{group}234{point}5", "1234567.5": f"1{group}234{group}567{point}5"}
    usual = all(
        format_decimal(Decimal(digits), format="#,##0.#", locale=locale) == text
        for digits, text in plain.items()
    )
    return (group, point) if usual else None


def amount(value: int | str | None, decimals: int, digits: int = 2) -> str:
    """Return smallest units as whole ones, cut off after `digits` places.

    What that would leave one digit of, or none, is shown with its first significant ones, so that
    little is not nothing; everything else in a column ends at the same place.
    """
    if value is None:
        return "–"
    with localcontext(prec=PRECISION):
        whole = Decimal(int(value)).scaleb(-decimals)
        least = places = min(digits, decimals)
        if whole and abs(whole) < 1 and least + whole.adjusted() < 1:
            places = min(decimals, max(least, SIGNIFICANT - 1 - whole.adjusted()))
        shown = whole.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN)
        return _decimal(shown, least, places)


def exact(value: int, decimals: int, least: int = 0) -> str:
    """Return smallest units as whole ones with every place that is not zero, at least `least`."""
    digits, rest = decimals, value
    while digits > least and rest % 10 == 0:
        digits, rest = digits - 1, rest // 10
    return amount(value, decimals, digits)


def percent(ppm: int | None, digits: int = 1) -> str:
    """Return parts per million as a percentage."""
    if ppm is None:
        return "–"
    value = (Decimal(ppm) / PPM_PERCENT).quantize(Decimal(1).scaleb(-digits))
    return f"{format_decimal(value, locale=i18n.language())} %"


def duration(seconds: int | None) -> str:
    """Return a span of time in its two largest units."""
    if seconds is None:
        return "–"
    rest, parts = abs(seconds), []
    for size, name in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(_span(count, name))
    return " ".join(parts[:2]) or _span(0, "second")


def _span(count: int, unit: str) -> str:
    match unit:
        case "day":
            return i18n.ngettext("%(num)s day", "%(num)s days", count)
        case "hour":
            return i18n.ngettext("%(num)s hour", "%(num)s hours", count)
        case "minute":
            return i18n.ngettext("%(num)s minute", "%(num)s minutes", count)
        case _:
            return i18n.ngettext("%(num)s second", "%(num)s seconds", count)


def moment(time_s: int | None) -> str:
    """Return a moment as text, in UTC; what shows it in the reader's zone is the script."""
    if time_s is None:
        return "–"
    if not 0 <= time_s <= YEAR_MAX_S:
        return str(time_s)
    at = datetime.fromtimestamp(time_s, UTC)
    # How a date is written is a text too: some languages put a point after the day.
    pattern = i18n.gettext("d MMM y, HH:mm")
    return f"{format_datetime(at, pattern, tzinfo=UTC, locale=i18n.language())} UTC"


def when(time_s: int | None) -> Markup:
    """Return a <time> element: UTC as it stands, the reader's own zone with the script."""
    if time_s is None or not 0 <= time_s <= YEAR_MAX_S:
        return Markup("<span>{}</span>").format(moment(time_s))
    iso = datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}" data-time="{}">{}</time>').format(
        iso, time_s, moment(time_s)
    )


def short(text: str | None, head: int = 10, tail: int = 4) -> str:
    """Return the ends of a long hexadecimal text."""
    if text is None:
        return "–"
    return text if len(text) <= head + tail + 1 else f"{text[:head]}…{text[-tail:]}"


def money_of(site: Site, value: int | str | None, asset: bytes | str) -> str:
    """Return an amount of an asset with its symbol."""
    address = bytes.fromhex(asset.removeprefix("0x")) if isinstance(asset, str) else asset
    symbol, decimals = site.asset(address)
    return f"{amount(value, decimals)} {symbol}"


@pass_context
def money(context: Context, value: int | str | None, asset: bytes | str) -> str:
    """Return an amount of an asset with its symbol, in a template."""
    return money_of(context["site"], value, asset)


@pass_context
def why(context: Context, code: str) -> Any:
    """Return the words of a reason code."""
    return reason_words(context["site"], code)


def static(path: str) -> str:
    """Return the address of a file of ours; it changes when any of them does.

    One mark for all, because scripts name each other by relative addresses.
    """
    return f"/static/{_mark()}/{path}"


@cache
def _mark() -> str:
    digest = hashlib.sha256()
    todo: list[Traversable] = [resources.files("commonworks.explorer") / "static"]
    while todo:
        place = todo.pop()
        if place.is_dir():
            todo += sorted(place.iterdir(), key=lambda entry: entry.name)
        else:
            digest.update(place.name.encode() + b"\0" + place.read_bytes())
    return digest.hexdigest()[:12]


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("commonworks.explorer", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]
        i18n.gettext, i18n.ngettext, newstyle=False
    )
    made.globals["_"] = i18n.gettext
    made.globals["ngettext"] = i18n.ngettext
    shown: dict[str, Any] = {
        "number": number, "amount": amount, "percent": percent, "duration": duration,
        "moment": moment, "when": when, "short": short, "money": money, "why": why,
        "static": static,
    }  # fmt: skip
    made.globals.update(shown)
    made.filters.update(shown)
    return made


ENVIRONMENT: Final = _environment()

LANGUAGE_COOKIE: Final = "lang"


def render(
    request: Request, template: str, *, status: int = 200, **context: object
) -> HTMLResponse:
    """Return a page. Every value is escaped; the language is the request's."""
    site = request.app.state.site
    account = viewer_of(site, request)
    text = ENVIRONMENT.get_template(template).render(
        request=request,
        site=site,
        viewer=account,
        lang=i18n.language(),
        languages=[
            (code, i18n.NAMES.get(code, code)) for code in request.app.state.languages.codes
        ],
        path=request.url.path,
        here=str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
        **context,
    )
    return HTMLResponse(text, status_code=status)
