"""`commonworks alerts`: who is told what, and where. The running explorer sends the messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from commonworks.chain.accounts import address_text
from commonworks.cli.shell import (
    asynchronous,
    home_option,
    json_option,
    put,
    put_json,
    put_rows,
    say,
)
from commonworks.errors import InvalidInput
from commonworks.explorer.alerts.rules import SILENT_AFTER_S, Channel, Kind
from commonworks.explorer.alerts.store import Baseline, Standing
from commonworks.wiring.home import Home
from commonworks.wiring.records import name_of, resolve_account
from commonworks.wiring.session import open_session

if TYPE_CHECKING:
    from commonworks.explorer.alerts.desk import AlertDesk

HOUR_S: Final = 3_600
KINDS: Final = ",".join(Kind)


@click.group()
def alerts() -> None:
    """Alerts: be told of silence, rejections, payouts and votes."""


@alerts.command("add")
@click.option("--account", required=True, help="Whom it is about: a name of this folder, or 0x...")
@click.option("--email", help="Address to write to; it is asked first whether it agrees.")
@click.option("--webhook", help="HTTPS address to call.")
@click.option("--kinds", default=KINDS, show_default=True, help="What to tell, with commas.")
@click.option(
    "--silent-hours",
    type=click.IntRange(1, 24 * 90),
    default=SILENT_AFTER_S // HOUR_S,
    show_default=True,
    help="Silence of a device that is told, hours of network time.",
)
@click.option("--language", default="en", show_default=True, help="Language of the messages.")
@home_option
@json_option
@asynchronous
async def alerts_add(
    *,
    account: str,
    email: str | None,
    webhook: str | None,
    kinds: str,
    silent_hours: int,
    language: str,
    home: Home,
    as_json: bool,
) -> None:
    """Tell somebody what concerns an account, from now on.

    Example: commonworks alerts add --account alice --email alice@example.org
    """
    if (email is None) == (webhook is None):
        raise InvalidInput("give --email or --webhook, one of them")
    desk = _desk(home)
    made = desk.subscribe(
        account=resolve_account(home, account),
        channel=Channel.WEBHOOK if email is None else Channel.EMAIL,
        target=webhook or email or "",
        kinds=_kinds(kinds),
        silent_after_s=silent_hours * HOUR_S,
        language=language,
        baseline=await _baseline(home),
    )
    from commonworks.explorer.alerts.delivery import secret_text  # noqa: PLC0415 - see _desk

    secret = None if email else secret_text(desk.store.secret_of(made.ident))
    if email:
        say(f"{email} is asked whether it agrees, by the running explorer")
    else:
        say(f"its messages are signed with: {secret}")
    if as_json:
        put_json({"id": made.ident, "in_force": made.in_force, "secret": secret})
    else:
        put(made.ident)


async def _baseline(home: Home) -> Baseline:
    from commonworks.wiring.explorer.alerting import baseline_now  # noqa: PLC0415 - see _desk

    async with open_session(home, say) as session:
        return await baseline_now(session)


def _kinds(text: str) -> frozenset[Kind]:
    try:
        return frozenset(Kind(word.strip()) for word in text.split(",") if word.strip())
    except ValueError:
        raise InvalidInput(f"{text!r} is not what can be told", hint=f"choose of {KINDS}") from None


def _desk(home: Home) -> AlertDesk:
    # Loaded where it is wanted: no other command waits for its libraries.
    from commonworks.wiring.explorer.alerting import alert_desk  # noqa: PLC0415

    home.manifest()  # a folder without a network gets no file
    return alert_desk(home, listens_at="", only_here=True)


@alerts.command("list")
@home_option
@json_option
def alerts_list(*, home: Home, as_json: bool) -> None:
    """List every subscription of this explorer."""
    found = _desk(home).store.standings()
    if as_json:
        put_json([_document(one) for one in found])
        return
    put_rows(
        ("id", "account", "target", "kinds", "sent", "state"),
        [
            (
                one.subscription.ident,
                name_of(home, one.subscription.account),
                one.subscription.target,
                ",".join(sorted(one.subscription.kinds)),
                one.sent,
                one.trouble or ("in force" if one.subscription.in_force else "not confirmed"),
            )
            for one in found
        ],
    )


def _document(standing: Standing) -> dict[str, Any]:
    one = standing.subscription
    return {
        "id": one.ident,
        "account": address_text(one.account),
        "channel": one.channel,
        "target": one.target,
        "kinds": sorted(one.kinds),
        "silent_after_s": one.silent_after_s,
        "language": one.language,
        "in_force": one.in_force,
        "sent": standing.sent,
        "waiting": standing.waiting,
        "trouble": standing.trouble,
    }


@alerts.command("remove")
@click.argument("ident")
@home_option
def alerts_remove(*, ident: str, home: Home) -> None:
    """End a subscription. Example: commonworks alerts remove 5f0c..."""
    store = _desk(home).store
    store.get(ident)
    store.remove(ident)
    say("ended; nothing more is sent there")


@alerts.command("test")
@click.argument("ident")
@home_option
def alerts_test(*, ident: str, home: Home) -> None:
    """Have the running explorer send a test message; print its id."""
    desk = _desk(home)
    put(desk.store.queue_test(ident, desk.wall()))
    say("the running explorer sends it within seconds; see: commonworks alerts list")
