"""`commonworks policy`: the parameters in force, their bounds, and every value they ever had."""

from __future__ import annotations

from typing import Any

import click

from commonworks.cli.shell import (
    asynchronous,
    home_option,
    json_option,
    put,
    put_json,
    put_rows,
    say,
)
from commonworks.wiring.home import Home
from commonworks.wiring.proposals import Change, History, find_history, histories
from commonworks.wiring.session import Session, open_session
from commonworks.wiring.words import Words


@click.group()
def policy() -> None:
    """Parameters that members vote on: values, bounds, history."""


@policy.command("list")
@home_option
@json_option
@asynchronous
async def list_(*, home: Home, as_json: bool) -> None:
    """List every parameter with its value now and its bounds."""
    async with open_session(home, say) as session:
        await session.pass_time()
        found, epoch = histories(await session.view()), epoch_now(session)
        words = Words(session)
    if as_json:
        put_json([_document(words, item, epoch) for item in found.values()])
        return
    rows = []
    for item in found.values():
        value = item.at(epoch)
        shown = "not yet in force" if value is None else words.value(item.key, value)
        rows.append((item.key, shown, _bounds(words, item), _coming(words, item, epoch)))
    put_rows(("key", "value", "bounds", "from a later epoch on"), rows)


@policy.command("show")
@click.argument("key")
@home_option
@json_option
@asynchronous
async def show(*, key: str, home: Home, as_json: bool) -> None:
    """Show one parameter: value, bounds, what it is for, and every value that it had.

    Example: commonworks policy show energy.grid_charge
    """
    async with open_session(home, say) as session:
        await session.pass_time()
        found, epoch = find_history(await session.view(), key), epoch_now(session)
        words = Words(session)
    if as_json:
        put_json(_document(words, found, epoch))
        return
    value = found.at(epoch)
    put_rows(
        ("field", "value"),
        [
            ("key", key),
            ("value", "not yet in force" if value is None else words.value(key, value)),
            ("bounds", _bounds(words, found)),
            ("description", words.description(key)),
            ("change it", f"commonworks proposal new --set {key}=VALUE --title ... --as ACCOUNT"),
        ],
    )
    put("")
    _put_changes(words, [(found.key, change) for change in found.changes])


@policy.command("history")
@home_option
@json_option
@asynchronous
async def history(*, home: Home, as_json: bool) -> None:
    """List every change of a parameter since genesis, in the order in which they were made."""
    async with open_session(home, say) as session:
        found = histories(await session.view())
        words = Words(session)
    changes = [(item.key, change) for item in found.values() for change in item.changes[1:]]
    changes += [(i.key, i.changes[0]) for i in found.values() if i.changes[0].from_epoch > 0]
    changes.sort(key=lambda row: (row[1].time, row[1].from_epoch, row[0]))
    if as_json:
        put_json([{"key": key, **_change(change)} for key, change in changes])
    elif not changes:
        put("no parameter was changed since genesis")
    else:
        _put_changes(words, changes)


def epoch_now(session: Session) -> int:
    """Return the epoch that contains network time; 0 before genesis."""
    return max(session.network.epoch_at(session.clock.now()), 0)


def _put_changes(words: Words, changes: list[tuple[str, Change]]) -> None:
    put_rows(
        ("key", "value", "from epoch", "set at", "transaction"),
        [
            (
                key,
                words.value(key, change.value),
                change.from_epoch,
                words.moment(change.time),
                "0x" + change.tx.hex(),
            )
            for key, change in changes
        ],
    )


def _bounds(words: Words, item: History) -> str:
    if words.unit(item.key) in ("address", "hash"):
        return f"any {words.unit(item.key)}"
    return f"{item.minimum:,} .. {item.maximum:,}"


def _coming(words: Words, item: History, epoch: int) -> str:
    """Return what a parameter will be, where that is decided already."""
    return "; ".join(
        f"{words.value(item.key, change.value)} from epoch {change.from_epoch}"
        for change in item.changes
        if change.from_epoch > epoch
    )


def _change(change: Change) -> dict[str, Any]:
    return {
        "value": change.value,
        "from_epoch": change.from_epoch,
        "time": change.time,
        "tx": "0x" + change.tx.hex(),
    }


def _document(words: Words, item: History, epoch: int) -> dict[str, Any]:
    return {
        "key": item.key,
        "value": item.at(epoch),
        "unit": words.unit(item.key),
        "minimum": item.minimum,
        "maximum": item.maximum,
        "description": words.description(item.key),
        "epoch": epoch,
        "history": [_change(change) for change in item.changes],
    }
