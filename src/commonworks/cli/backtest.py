"""`commonworks proposal backtest`: what past epochs would have been under another policy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from commonworks.chain.accounts import address_text
from commonworks.chain.decisions import Decision
from commonworks.chain.government import Governance
from commonworks.chain.members import Members
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
from commonworks.settlement.epochs import ChainView
from commonworks.transport.client import HttpTransport
from commonworks.wiring.backtest import RULES, AccountChange, Backtest, EpochTotals, Flow, backtest
from commonworks.wiring.evidence import open_evidence, places_of
from commonworks.wiring.home import Home
from commonworks.wiring.proposals import PolicyChange, Reader, policy_change
from commonworks.wiring.session import Session, open_session
from commonworks.wiring.words import Words

EPOCHS_DEFAULT: Final = 30
ROWS_MAX: Final = 60
"""Most rows of a table for people; all of them with --json."""

HELD_FIXED: Final = (
    "evidence, orders and facts are what they were: nobody behaves otherwise because of the policy"
)


@click.command("backtest")
@click.argument("wanted", metavar="[PROPOSAL]", required=False)
@click.option("--set", "settings", multiple=True, help="KEY=VALUE, instead of a proposal.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=EPOCHS_DEFAULT,
    show_default=True,
    help="How many of the last final epochs to show.",
)
@click.option(
    "--until", type=click.IntRange(min=0), help="Last epoch to show.  [default: the newest final]"
)
@click.option(
    "--from-state",
    is_flag=True,
    help="Change the policy from the first epoch shown on, after the stored state of the one "
    "before.  [default: from genesis on]",
)
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help=".svg or .png.")
@click.option(
    "--log",
    "logs",
    multiple=True,
    help="A gateway's folder or URL.  [default: this folder's gateways, else as registered]",
)
@click.option("--as", "reader", help="Account that asks for sealed payloads over HTTP.")
@home_option
@json_option
@asynchronous
async def backtest_command(
    *,
    wanted: str | None,
    settings: tuple[str, ...],
    epochs: int,
    until: int | None,
    from_state: bool,
    picture: Path | None,
    logs: tuple[str, ...],
    reader: str | None,
    home: Home,
    as_json: bool,
) -> None:
    """Settle past epochs again under a changed policy: who gains and who loses.

    The same settle() on the same evidence, next to the epochs as they were finalised.

    Example: commonworks proposal backtest 1 --epochs 7 --picture gains.png
    """
    if (wanted is None) == (not settings):
        raise InvalidInput(
            "a back-test tries one proposal, or values",
            hint="give a proposal's number, or --set KEY=VALUE",
        )
    if picture is not None:
        _check_picture(picture)
    async with HttpTransport() as transport, open_session(home, say) as session:
        view = await session.view()
        change = policy_change(await _decisions(session, view, wanted, settings))
        places = await asyncio.to_thread(places_of, logs, view)
        source = await open_evidence(session, view, transport, places=places, reader=reader)
        found = await backtest(
            source,
            change.overrides,
            epochs=epochs,
            from_state=from_state,
            until=until,
            defined=change.defined,
            progress=say,
        )
        words = Words(session)
        left_out = not_part(words, change, found)
        if picture is not None:
            _draw(session, words, found, picture)
        if as_json:
            put_json(document_of(session, words, found, left_out))
        else:
            _show(session, words, found, left_out)


async def _decisions(
    session: Session, view: ChainView, wanted: str | None, settings: Sequence[str]
) -> tuple[Decision, ...]:
    if wanted is None:
        reader = Reader(session, view)
        return tuple(reader.setting(text) for text in settings)
    client = session.client()
    try:
        government = Governance(Members(client.endpoints, session.deployment))
        return (await government.proposal(wanted)).decisions
    finally:
        await client.close()


def not_part(words: Words, change: PolicyChange, found: Backtest) -> tuple[str, ...]:
    """Return a line for everything in a proposal that the back-test cannot show."""
    lines = [words.decision(decision) for decision in change.rest]
    for setting in found.settings:
        if setting.key == RULES:
            lines.append("rules: the back-test settles by the rules of this release")
        elif not setting.read:
            lines.append(f"{setting.key}: nothing that these epochs settled by looks at it")
    return tuple(lines)


# --- for programs ---------------------------------------------------------------------------------


def document_of(
    session: Session, words: Words, found: Backtest, left_out: Sequence[str]
) -> dict[str, Any]:
    """Return a back-test as a JSON document; amounts in the assets' smallest units."""
    assets = {session.network.currency: "currency", session.network.token: "token"}
    return {
        "first": found.first,
        "last": found.last,
        "begun_from": found.begun_from,
        "held_fixed": ["evidence", "orders", "facts"],
        "settings": [
            {
                "key": setting.key,
                "unit": words.unit(setting.key),
                "before": list(setting.before),
                "after": setting.after,
                "read": setting.read,
            }
            for setting in found.settings
        ],
        "not_part": list(left_out),
        "refused": [one.line for one in found.refused],
        "accounts": [
            {
                "resource": item.resource,
                "account": address_text(item.account),
                "name": words.account(item.account),
                "asset": assets[item.asset],
                "before": _flow(item.before),
                "after": _flow(item.after),
                "gain": item.gain,
            }
            for item in found.accounts
        ],
        "gains": [
            {"asset": name, "account": address_text(account), "gain": gain}
            for asset, name in assets.items()
            for account, gain in found.by_account(asset)
        ],
        "epochs": [
            {
                "epoch": item.epoch,
                "before": _epoch(item.before),
                "after": _epoch(item.after),
            }
            for item in found.epochs
        ],
    }


def _flow(flow: Flow) -> dict[str, int]:
    return {"earned": flow.earned, "spent": flow.spent, "outside": flow.outside, "net": flow.net}


def _epoch(totals: EpochTotals) -> dict[str, Any]:
    figures: dict[str, dict[str, int]] = {}
    for (resource, name), value in totals.figures.items():
        figures.setdefault(resource, {})[name] = value
    return {
        "paid_micro": totals.paid_micro,
        "minted_wei": totals.minted_wei,
        "unminted_wei": totals.unminted_wei,
        "figures": figures,
    }


# --- for people -----------------------------------------------------------------------------------


def _show(session: Session, words: Words, found: Backtest, left_out: Sequence[str]) -> None:
    put(f"epochs {found.first}..{found.last}, begun from {found.begun_from}; {HELD_FIXED}")
    for line in _settings(words, found):
        put(line)
    for line in left_out:
        put(f"not part of the back-test: {line}")
    for refusal in found.refused:
        put(f"would be refused: {refusal.line}")
    put("")
    if not found.changed:
        put("nobody would have earned or spent anything else")
    else:
        _put_accounts(words, found.changed)
    put("")
    _put_epochs(session, words, found)


def _settings(words: Words, found: Backtest) -> list[str]:
    """Return a line for each changed parameter."""
    lines = []
    for setting in found.settings:
        was = ", then ".join(words.value(setting.key, value) for value in setting.before)
        lines.append(
            f"{setting.key}: {was or 'not defined'} -> {words.value(setting.key, setting.after)}"
        )
    return lines


def _put_accounts(words: Words, changed: Sequence[AccountChange]) -> None:
    """Print who gains and who loses, by resource and asset, winners first."""
    ordered = sorted(changed, key=lambda i: (i.resource, i.asset, -i.gain, i.account))
    rows = [
        (
            item.resource,
            words.account(item.account),
            words.money(item.asset, item.before.net),
            words.money(item.asset, item.after.net),
            words.money(item.asset, item.gain, sign=True),
            "gains" if item.gain > 0 else "loses" if item.gain < 0 else "same",
        )
        for item in ordered
    ]
    put_rows(
        ("resource", "account", "was", "would be", "change", ""),
        _right(rows[:ROWS_MAX], (2, 3, 4)),
    )
    if len(rows) > ROWS_MAX:
        say(f"... {len(rows) - ROWS_MAX} more rows; see all with --json")
    for asset in sorted({item.asset for item in changed}):
        gains = [item.gain for item in changed if item.asset == asset]
        say(
            f"{words.symbol(asset)}: {sum(g > 0 for g in gains)} gain, "
            f"{sum(g < 0 for g in gains)} lose, together "
            f"{words.money(asset, sum(gains), sign=True)}"
        )


def _put_epochs(session: Session, words: Words, found: Backtest) -> None:
    """Print the epochs' totals, and each resource's first figures."""
    currency, token = session.network.currency, session.network.token
    figures = [
        (name, figure)
        for name, resource in session.resources.items()
        for figure in resource.figures
    ]

    def figure(totals: EpochTotals, name: str, key: str, scale: int, digits: int) -> str:
        return amount(totals.figures.get((name, key), 0), scale, digits)

    headings = ["epoch", "paid", "would be", "minted", "would be"]
    for _, item in figures:
        headings += [f"{item.label}, {item.unit}", "would be"]
    rows = []
    for change in found.epochs:
        before, after = change.before, change.after
        row = [
            str(change.epoch),
            words.money(currency, before.paid_micro),
            words.money(currency, after.paid_micro),
            words.money(token, before.minted_wei),
            words.money(token, after.minted_wei),
        ]
        for name, item in figures:
            row += [
                figure(totals, name, item.key, item.scale, item.digits)
                for totals in (before, after)
            ]
        rows.append(tuple(row))
    put_rows(headings, _right(rows[-ROWS_MAX:], range(len(headings))))
    if len(rows) > ROWS_MAX:
        say(f"... {len(rows) - ROWS_MAX} earlier epochs; see all with --json")


def _right(rows: Sequence[tuple[str, ...]], columns: Sequence[int]) -> list[tuple[str, ...]]:
    """Return rows whose given columns are padded so that their ends align."""
    widths = {column: max((len(row[column]) for row in rows), default=0) for column in columns}
    return [
        tuple(cell.rjust(widths.get(column, 0)) for column, cell in enumerate(row)) for row in rows
    ]


def _check_picture(path: Path) -> None:
    from commonworks.wiring.charts import check_path  # noqa: PLC0415 - takes half a second

    check_path(path)


def _draw(session: Session, words: Words, found: Backtest, path: Path) -> None:
    from commonworks.wiring.charts import Gain, Panel, draw_backtest  # noqa: PLC0415

    assets: Mapping[bytes, str] = {
        session.network.currency: "currency",
        session.network.token: "token",
    }
    panels = [
        Panel(
            symbol=words.symbol(asset),
            decimals=words.decimals(asset),
            gains=[
                Gain(label=words.account(account), amount=gain)
                for account, gain in found.by_account(asset)
            ],
        )
        for asset in assets
    ]
    title = "\n".join(line.replace(": ", "\n", 1) for line in _settings(words, found))
    draw_backtest(
        title or "no parameter changes",
        f"epochs {found.first}..{found.last}, begun from {found.begun_from}",
        panels,
        path,
    )
    say(f"drew {path}")
