"""`commonworks token`: what the network's token is worth, and turning it into money and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import click

from commonworks.chain.accounts import address_text
from commonworks.chain.exchange import Exchange, Pool, Trade, exchange_of
from commonworks.chain.members import Members
from commonworks.chain.uniswap import (
    FEE_PPM,
    Quote,
    Reserves,
    Side,
    least_out,
    most_in,
    price,
    quote_sell,
)
from commonworks.cli.shell import (
    amount,
    asynchronous,
    home_option,
    json_option,
    put_json,
    put_rows,
    say,
    whole,
)
from commonworks.errors import Conflict, InvalidInput, NotFound, Unavailable
from commonworks.units import DAY_S, PPM, mul_div
from commonworks.wiring.acting import acting_account, push_claim
from commonworks.wiring.home import Home
from commonworks.wiring.records import asset_of, resolve_account, settled_epoch
from commonworks.wiring.session import Session, open_session

EVERYTHING: Final = "all"
"""Written instead of an amount: everything that the account has."""

SLIPPAGE_MAX_PPM: Final = 500_000
"""Largest slippage that is taken for meant: half the price."""

DEADLINE_S: Final = 600
"""How long a swap may wait for its block unless said otherwise."""

PERCENT_DIGITS: Final = 4
"""Decimal places of a percentage that is kept in parts per million."""

SHOWN_DIGITS: Final = 6
"""Decimal places of amounts and prices shown."""


@click.group()
def token() -> None:
    """See what the network's token is worth; sell and buy it."""


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a trade is limited by, and who makes it."""
    options = (
        click.option("--as", "name", required=True, help="Account that trades."),
        click.option(
            "--slippage",
            default="0.5",
            show_default=True,
            help="How much worse than the quote the price may get, in percent.",
        ),
        click.option(
            "--deadline",
            "deadline_s",
            type=click.IntRange(1, DAY_S),
            default=DEADLINE_S,
            show_default=True,
            help="Seconds after which the trade must not happen any more.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


# --- looking ------------------------------------------------------------------------------------


@token.command("quote")
@click.argument("side", type=click.Choice([side.value for side in Side]))
@click.argument("value")
@home_option
@json_option
@asynchronous
async def token_quote(*, side: str, value: str, home: Home, as_json: bool) -> None:
    """Say what selling or buying VALUE of the token would give now.

    Example: commonworks token quote sell 100
    """
    async with open_session(home, say) as session, trading(session) as exchange:
        units = whole(value, asset_of(session, "token")[1])
        ask = exchange.quote_sell if Side(side) is Side.SELL else exchange.quote_buy
        quote = await ask(units)
        if as_json:
            put_json(_quote_document(session, quote))
        else:
            put_rows(("field", "value"), _quote_rows(session, quote))


@token.command("pool")
@home_option
@json_option
@asynchronous
async def token_pool(*, home: Home, as_json: bool) -> None:
    """Show the pool in which the token is traded.

    Example: commonworks token pool
    """
    async with open_session(home, say) as session, trading(session) as exchange:
        pool = await exchange.pool()
        treasury = await exchange.shares_of(session.deployment.government.timelock)
        document = _pool_document(exchange, pool, treasury)
        if as_json:
            put_json(document)
            return
        worth = f"{_money(session, pool.reserves.price)} per {_symbol(session, 'token')}"
        rows = [
            ("holds", _both(session, pool.reserves)),
            ("price", worth),
            ("fee", f"{_percent(FEE_PPM)} of what is paid in, for the pool's owners"),
            ("treasury's part", _percent(mul_div(treasury, PPM, pool.shares))),
            *((name, document[name]) for name in ("pair", "router")),
        ]
        put_rows(("field", "value"), rows)


@token.command("balance")
@click.argument("account")
@home_option
@json_option
@asynchronous
async def token_balance(*, account: str, home: Home, as_json: bool) -> None:
    """Show what ACCOUNT (a name here, or an address) has, has earned, and could sell that for.

    Example: commonworks token balance alice
    """
    async with open_session(home, say) as session:
        who = resolve_account(home, account)
        client = session.client()
        try:
            members = Members(client.endpoints, session.deployment)
            has = await members.balance(session.network.token, who)
            money = await members.balance(session.network.currency, who)
            try:
                earned = await unclaimed(session, members, who)
            except NotFound:  # this folder has no verifier that settled it
                earned = None
            brings = await _brings(session, members, has + (earned or 0))
        finally:
            await client.close()
    if as_json:
        fields = ("token", "unclaimed", "currency", "brings")
        put_json(
            {"account": account, **dict(zip(fields, (has, earned, money, brings), strict=True))}
        )
        return
    rows = [
        ("token", _tokens(session, has)),
        ("earned, not claimed", "not known here" if earned is None else _tokens(session, earned)),
        ("currency", _money(session, money)),
    ]
    if brings is not None:
        rows.append(("all of it would bring", _money(session, brings)))
    put_rows(("field", "value"), rows)


# --- trading ------------------------------------------------------------------------------------


@token.command("sell")
@click.argument("value")
@limit_options
@click.option("--claim", is_flag=True, help="First claim what the account has earned.")
@home_option
@json_option
@asynchronous
async def token_sell(
    *,
    value: str,
    name: str,
    slippage: str,
    deadline_s: int,
    claim: bool,
    home: Home,
    as_json: bool,
) -> None:
    """Sell VALUE of the token, or `all`, for the settlement currency.

    Example: commonworks token sell all --claim --as alice
    """
    allowed_ppm = _slippage(slippage)
    async with open_session(home, say) as session, trading(session) as exchange:
        wanted = None if value == EVERYTHING else whole(value, asset_of(session, "token")[1])
        who = home.address(name)
        members = Members(exchange.endpoints, session.deployment)
        if claim:
            await _claim(session, members, name)
        has = await members.balance(exchange.token, who)
        units = has if wanted is None else wanted
        if units > has or has == 0:
            hint = "sell less, or wait for what it earns" if claim else "add --claim, or sell less"
            raise Conflict(f"{name} has {_tokens(session, has)}", hint=hint)
        quote = await exchange.quote_sell(units)
        least = least_out(quote, allowed_ppm)
        say(f"{_tokens(session, units)} for at least {_money(session, least)}")
        deadline = session.clock.now() + deadline_s
        async with acting_account(session, name) as account:
            trade = await exchange.sell(account, units, least, deadline)
        _put_trade(session, quote, trade, as_json)


@token.command("buy")
@click.argument("value")
@limit_options
@home_option
@json_option
@asynchronous
async def token_buy(
    *, value: str, name: str, slippage: str, deadline_s: int, home: Home, as_json: bool
) -> None:
    """Buy VALUE of the token with the settlement currency.

    Example: commonworks token buy 100 --as alice --slippage 1
    """
    allowed_ppm = _slippage(slippage)
    async with open_session(home, say) as session, trading(session) as exchange:
        units = whole(value, asset_of(session, "token")[1])
        members = Members(exchange.endpoints, session.deployment)
        has = await members.balance(exchange.currency, home.address(name))
        quote = await exchange.quote_buy(units)
        if quote.amount_in > has:
            raise Conflict(
                f"{name} has {_money(session, has)}, and this costs "
                f"{_money(session, quote.amount_in)}",
                hint="buy less, or fund the account first",
            )
        most = most_in(quote, allowed_ppm)
        say(f"{_tokens(session, units)} for at most {_money(session, most)}")
        deadline = session.clock.now() + deadline_s
        async with acting_account(session, name) as account:
            trade = await exchange.buy(account, units, most, deadline)
        _put_trade(session, quote, trade, as_json)


# --- inside -------------------------------------------------------------------------------------


@asynccontextmanager
async def trading(session: Session) -> AsyncIterator[Exchange]:
    """Yield the network's exchange; raise NotFound where it has none."""
    client = session.client()
    try:
        yield exchange_of(client.endpoints, session.deployment)
    finally:
        await client.close()


async def unclaimed(session: Session, members: Members, account: bytes) -> int:
    """Return the token that a claim would pay an account now.

    Raises: NotFound when this folder's verifier did not settle the claimable epoch.
    """
    root = await members.claimable_root()
    if root is None:
        return 0
    record = await settled_epoch(session.home, await session.view(), root.epoch)
    asset = session.network.token
    earned = sum(
        total.earned
        for total in record.settlement.payouts
        if (total.asset, total.account) == (asset, account)
    )
    return max(0, earned - (await members.vault_account(asset, account)).claimed)


async def _claim(session: Session, members: Members, name: str) -> None:
    """Claim what an account earned, where there is something; the relayer sends it if there is."""
    await session.pass_time()
    who = session.home.address(name)
    if await unclaimed(session, members, who) == 0:
        say(f"{name} has nothing to claim")
        return
    try:
        paid = await push_claim(session, None, session.network.token, who)
    except Unavailable:
        paid = await push_claim(session, name, session.network.token, who)
    say(f"{name} received {_tokens(session, paid.amount)}")


async def _brings(session: Session, members: Members, tokens: int) -> int | None:
    """Return what selling `tokens` would bring; None where there is no exchange or no pool."""
    try:
        pool = await exchange_of(members.endpoints, session.deployment).pool()
        return quote_sell(tokens, pool.reserves).amount_out
    except (NotFound, Conflict):
        return None
    except InvalidInput:  # nothing, or so little that it brings nothing
        return 0


def _slippage(text: str) -> int:
    """Return a slippage in ppm from a percentage that a person writes."""
    ppm = whole(text, PERCENT_DIGITS)
    if ppm > SLIPPAGE_MAX_PPM:
        raise InvalidInput(
            f"a slippage of {text} % is more than {_percent(SLIPPAGE_MAX_PPM)}",
            hint="write a percentage, for example --slippage 0.5",
        )
    return ppm


def _symbol(session: Session, name: str) -> str:
    return asset_of(session, name)[2]


def _tokens(session: Session, units: int) -> str:
    _, decimals, symbol = asset_of(session, "token")
    return f"{amount(units, decimals, SHOWN_DIGITS)} {symbol}"


def _money(session: Session, units: int) -> str:
    _, decimals, symbol = asset_of(session, "currency")
    return f"{amount(units, decimals, SHOWN_DIGITS)} {symbol}"


def _both(session: Session, reserves: Reserves) -> str:
    return f"{_tokens(session, reserves.token)} and {_money(session, reserves.currency)}"


def _percent(ppm: int) -> str:
    return f"{amount(ppm, PERCENT_DIGITS, PERCENT_DIGITS)} %"


def _given_and_got(session: Session, side: Side, paid: int, got: int) -> tuple[str, str]:
    if side is Side.SELL:
        return _tokens(session, paid), _money(session, got)
    return _money(session, paid), _tokens(session, got)


def _quote_rows(session: Session, quote: Quote) -> list[tuple[str, str]]:
    given, got = _given_and_got(session, quote.side, quote.amount_in, quote.amount_out)
    fee, _ = _given_and_got(session, quote.side, quote.amount_in * quote.fee_ppm // PPM, 0)
    return [
        ("give", given),
        ("get", got),
        ("price", f"{_money(session, quote.price)} per {_symbol(session, 'token')}"),
        ("price impact", _percent(quote.impact_ppm)),
        ("fee", f"{_percent(quote.fee_ppm)}, {fee} of what is given"),
        ("pool", _both(session, quote.reserves)),
    ]


def _quote_document(session: Session, quote: Quote) -> dict[str, Any]:
    return {
        **_swap(session, quote.side, quote.amount_in, quote.amount_out),
        "impact_ppm": quote.impact_ppm,
        "fee_ppm": quote.fee_ppm,
        "reserve_token": quote.reserves.token,
        "reserve_currency": quote.reserves.currency,
    }


def _swap(session: Session, side: Side, paid: int, got: int) -> dict[str, Any]:
    symbols = [_symbol(session, name) for name in ("token", "currency")]
    given, received = symbols if side is Side.SELL else reversed(symbols)
    return {
        "side": side.value,
        "asset_in": given,
        "amount_in": paid,
        "asset_out": received,
        "amount_out": got,
        "price": price(side, paid, got),
    }


def _put_trade(session: Session, quote: Quote, trade: Trade, as_json: bool) -> None:
    if as_json:
        put_json(
            {
                **_swap(session, trade.side, trade.amount_in, trade.amount_out),
                "impact_ppm": quote.impact_ppm,
                "fee_ppm": quote.fee_ppm,
                "tx": "0x" + trade.tx.hex(),
            }
        )
        return
    given, got = _given_and_got(session, trade.side, trade.amount_in, trade.amount_out)
    rows = [
        ("gave", given),
        ("got", got),
        ("price", f"{_money(session, trade.price)} per {_symbol(session, 'token')}"),
        ("price impact", _percent(quote.impact_ppm)),
        ("fee", _percent(quote.fee_ppm)),
        ("tx", "0x" + trade.tx.hex()),
    ]
    put_rows(("field", "value"), rows)


def _pool_document(exchange: Exchange, pool: Pool, treasury: int) -> dict[str, Any]:
    return {
        "router": address_text(exchange.router),
        "pair": address_text(pool.pair),
        "reserve_token": pool.reserves.token,
        "reserve_currency": pool.reserves.currency,
        "price": pool.reserves.price,
        "fee_ppm": FEE_PPM,
        "shares": pool.shares,
        "treasury_shares": treasury,
        "block": pool.block,
    }
