"""The exchange on the embedded chain: the protocol's own contracts, through our proxy."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import chain_kit as kit
from commonworks.chain import uniswap
from commonworks.chain.abi import Item, contract
from commonworks.chain.exchange import (
    Exchange,
    Trade,
    add_genesis_liquidity,
    exchange_of,
    has_liquidity,
)
from commonworks.chain.exchange_code import (
    EXCHANGE_ORDER,
    FACTORY,
    PAIR_CODE_HASH,
    ROUTER,
    WETH,
    exchange_creations,
)
from commonworks.chain.members import Members
from commonworks.chain.plan import Deployment, Government, created_address
from commonworks.chain.transactions import Call, Sender
from commonworks.chain.uniswap import Quote
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict, InvalidInput, NotFound

TOKEN_WEI: Final = 50_021 * 10**18
CURRENCY: Final = 5_003_000_017
"""What the pool is opened with: about 0.10 a token, in a currency of six decimals."""

HOLDINGS: Final = 10_007 * 10**18
"""What each trader has of the token."""
MONEY: Final = 1_009_000_003
"""What each trader has of the currency."""

TIMELOCK: Final = kit.address("timelock")
HOUR_S: Final = 3_600


@dataclass(kw_only=True)
class Market:
    """An exchange, two plain ERC-20s that stand for token and currency, and people with both."""

    rig: kit.Rig
    at: dict[str, bytes]
    deployment: Deployment
    exchange: Exchange
    provider: Members
    minter: Sender

    @property
    def deadline(self) -> int:
        return self.rig.now + HOUR_S

    async def balance(self, asset: bytes, name: str) -> int:
        return await self.provider.balance(asset, kit.address(name))

    async def wealth(self, name: str) -> tuple[int, int]:
        """Return what somebody has of token and of currency."""
        token = await self.balance(self.exchange.token, name)
        return token, await self.balance(self.exchange.currency, name)

    async def allowances(self, name: str) -> list[int]:
        """Return what the router may take of somebody's token and currency."""
        item = uniswap.ALLOWANCE
        data = item.call(kit.address(name), self.exchange.router)
        answers = [
            item.results(await self.rig.endpoints.call(asset, data))[0]
            for asset in (self.exchange.token, self.exchange.currency)
        ]
        return [answer for answer in answers if isinstance(answer, int)]

    async def mint(self, asset: bytes, name: str, amount: int) -> None:
        data = contract("TestEuro")["mint"].call(kit.address(name), amount)
        await self.minter.send(Call(to=asset, data=data))

    async def open(self) -> None:
        """Open the pool."""
        await add_genesis_liquidity(self.provider, TOKEN_WEI, CURRENCY)


async def found(rig: kit.Rig, *, token_first: bool) -> Market:
    """Create two assets and an exchange; `token_first` says which has the lower address."""
    deployer = kit.account("deployer")
    origin = kit.address("deployer")
    sender = Sender(rig.endpoints, deployer)
    creations = [contract("TestEuro").creation(origin)] * 2
    assets = sorted(created_address(origin, nonce) for nonce in (0, 1))
    at = {name: created_address(origin, 2 + i) for i, name in enumerate(EXCHANGE_ORDER)}
    creations += [make() for make in exchange_creations(at).values()]
    for code in creations:
        await sender.send(Call(to=None, data=code))
    token, currency = assets if token_first else reversed(assets)
    nothing = bytes(20)
    deployment = Deployment(
        chain_id=kit.CHAIN_ID,
        network_id=bytes(32),
        token=token,
        devices=nothing,
        nodes=nothing,
        settlement=nothing,
        vault=nothing,
        policy=nothing,
        currency=currency,
        bond_asset=token,
        genesis_block=1,
        genesis_hash=bytes(32),
        government=Government(
            timelock=TIMELOCK,
            governor=nothing,
            guardian=nothing,
            accounts=nothing,
            membership=None,
            router=at[ROUTER],
        ),
    )
    market = Market(
        rig=rig,
        at=at,
        deployment=deployment,
        exchange=exchange_of(rig.endpoints, deployment),
        provider=Members(rig.endpoints, deployment, kit.account("provider")),
        minter=sender,
    )
    for name, tokens, money in (
        ("provider", TOKEN_WEI, CURRENCY),
        ("ada", HOLDINGS, MONEY),
        ("bob", HOLDINGS, MONEY),
    ):
        await market.mint(token, name, tokens)
        await market.mint(currency, name, money)
    return market


def run(
    scenario: Callable[[Market], Awaitable[None]],
    folder: Path,
    *,
    token_first: bool = True,
    opened: bool = True,
) -> None:
    async def main() -> None:
        async with kit.open_rig(folder) as rig:
            market = await found(rig, token_first=token_first)
            if opened:
                await market.open()
            await scenario(market)

    asyncio.run(main())


def fits(trade: Trade, quote: Quote) -> bool:
    said = (quote.side, quote.amount_in, quote.amount_out, quote.price)
    return (trade.side, trade.amount_in, trade.amount_out, trade.price) == said


# --- the first liquidity ----------------------------------------------------------------------


def test_the_pool_opens_once_and_belongs_to_the_timelock(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        with pytest.raises(NotFound, match="has no pool"):
            await market.exchange.pool()
        assert not await has_liquidity(market.provider)
        opened = await add_genesis_liquidity(market.provider, TOKEN_WEI, CURRENCY)
        assert (opened.reserves.token, opened.reserves.currency) == (TOKEN_WEI, CURRENCY)
        assert opened.shares == math.isqrt(TOKEN_WEI * CURRENCY)
        # the protocol keeps a thousand for ever
        assert await market.exchange.shares_of(TIMELOCK) == opened.shares - 1_000
        assert await has_liquidity(market.provider)
        again = await add_genesis_liquidity(market.provider, TOKEN_WEI, CURRENCY)
        assert (again.reserves, again.shares) == (opened.reserves, opened.shares)
        assert await market.wealth("provider") == (0, 0)
        assert await market.allowances("provider") == [0, 0]

    run(scenario, tmp_path, opened=False)


def test_the_contracts_are_where_they_belong_and_nobody_can_charge_for_them(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        async def ask(at: bytes, item: Item) -> object:
            return item.results(await market.rig.endpoints.call(at, item.call()))[0]

        assert await ask(market.at[ROUTER], uniswap.FACTORY_OF) == market.at[FACTORY]
        assert await ask(market.at[ROUTER], uniswap.WETH_OF) == market.at[WETH]
        assert await ask(market.at[FACTORY], uniswap.FEE_TO_SETTER) == bytes(20)
        assets = b"".join(sorted((market.exchange.token, market.exchange.currency)))
        made = b"\xff" + market.at[FACTORY] + keccak256(assets) + PAIR_CODE_HASH
        assert (await market.exchange.pool()).pair == keccak256(made)[12:]

    run(scenario, tmp_path)


class PowerCutError(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_opening_goes_on_wherever_it_was_killed_and_adds_nothing_twice(
    tmp_path: Path, steps: int
) -> None:
    async def scenario(market: Market) -> None:
        # as much again as is needed: adding twice would show
        await market.mint(market.exchange.token, "provider", TOKEN_WEI)
        await market.mint(market.exchange.currency, "provider", CURRENCY)
        seen: list[str] = []

        def cut(step: str) -> None:
            seen.append(step)
            if len(seen) == steps:
                raise PowerCutError

        with pytest.raises(PowerCutError):
            await add_genesis_liquidity(market.provider, TOKEN_WEI, CURRENCY, progress=cut)
        assert seen == ["token allowed", "currency allowed", "pool opened"][:steps]
        assert await has_liquidity(market.provider) == (steps == 3)
        reborn = Members(market.rig.endpoints, market.deployment, kit.account("provider"))
        for _ in range(2):
            pool = await add_genesis_liquidity(reborn, TOKEN_WEI, CURRENCY)
            assert (pool.reserves.token, pool.reserves.currency) == (TOKEN_WEI, CURRENCY)
        assert await market.wealth("provider") == (TOKEN_WEI, CURRENCY)
        assert await market.allowances("provider") == [0, 0]

    run(scenario, tmp_path, opened=False)


def test_a_pool_that_somebody_else_opened_is_left_alone(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        token, currency = market.exchange.token, market.exchange.currency
        stranger = Members(market.rig.endpoints, market.deployment, kit.account("bob"))
        for asset in (token, currency):
            approval = uniswap.APPROVE.call(market.exchange.router, 10**6)
            await stranger.send(Call(to=asset, data=approval))
        amounts = (10**6, 10**6, 0, 0)
        data = uniswap.ADD_LIQUIDITY.call(
            token, currency, *amounts, kit.address("bob"), market.deadline
        )
        await stranger.send(Call(to=market.exchange.router, data=data))
        with pytest.raises(Conflict, match="before it was opened"):
            await market.open()
        assert await market.wealth("provider") == (TOKEN_WEI, CURRENCY)

    run(scenario, tmp_path, opened=False)


def test_money_that_was_put_into_an_unopened_pool_is_named(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        assets = (market.exchange.token, market.exchange.currency)
        create = uniswap._item("createPair", "address,address", "address").call(*assets)
        stranger = Members(market.rig.endpoints, market.deployment, kit.account("bob"))
        await stranger.send(Call(to=market.at[FACTORY], data=create))
        pair = (await market.exchange.pool()).pair
        for trade in (market.exchange.quote_sell, market.exchange.quote_buy):
            with pytest.raises(Conflict, match="is empty"):
                await trade(1)
        await stranger.transfer(market.exchange.currency, pair, 1)
        await stranger.send(Call(to=pair, data=uniswap._item("sync").call()))
        with pytest.raises(Conflict, match="before it was opened"):
            await market.open()

    run(scenario, tmp_path, opened=False)


def test_an_empty_pool_is_opened_all_the_same(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        assets = (market.exchange.token, market.exchange.currency)
        create = uniswap._item("createPair", "address,address", "address").call(*assets)
        stranger = Members(market.rig.endpoints, market.deployment, kit.account("bob"))
        await stranger.send(Call(to=market.at[FACTORY], data=create))
        await market.open()
        assert (await market.exchange.pool()).reserves.token == TOKEN_WEI

    run(scenario, tmp_path, opened=False)


def test_a_provider_that_owns_too_little_opens_nothing(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        with pytest.raises(Conflict, match="could not pay"):
            await add_genesis_liquidity(market.provider, TOKEN_WEI, CURRENCY + 1)
        with pytest.raises(NotFound, match="has no pool"):
            await market.exchange.pool()

    run(scenario, tmp_path, opened=False)


# --- quotes and trades ------------------------------------------------------------------------


@pytest.mark.parametrize("token_first", [True, False])
def test_a_trade_gives_what_its_quote_said(tmp_path: Path, token_first: bool) -> None:
    async def scenario(market: Market) -> None:
        exchange, dice = market.exchange, random.Random(7)
        for _ in range(6):
            name = dice.choice(["ada", "bob"])
            tokens = dice.randrange(1, HOLDINGS // 10)
            before, pool = await market.wealth(name), await exchange.pool()
            if dice.random() < 0.5:
                quote = await exchange.quote_sell(tokens)
                trade = await exchange.sell(
                    kit.account(name), tokens, quote.amount_out, market.deadline
                )
                moved = (-trade.amount_in, trade.amount_out)
            else:
                quote = await exchange.quote_buy(tokens)
                trade = await exchange.buy(
                    kit.account(name), tokens, quote.amount_in, market.deadline
                )
                moved = (trade.amount_out, -trade.amount_in)
            assert fits(trade, quote)
            assert quote.reserves == pool.reserves
            after = await exchange.pool()
            assert after.reserves.token == pool.reserves.token - moved[0]
            assert after.reserves.currency == pool.reserves.currency - moved[1]
            assert after.shares == pool.shares
            wealth = await market.wealth(name)
            assert wealth == (before[0] + moved[0], before[1] + moved[1])
            assert await market.allowances(name) == [0, 0]

    run(scenario, tmp_path, token_first=token_first)


def test_the_formula_is_the_routers_own(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        dice = random.Random(11)
        given_in = uniswap._item("getAmountOut", "uint256,uint256,uint256", "uint256")
        given_out = uniswap._item("getAmountIn", "uint256,uint256,uint256", "uint256")

        async def ask(item: Item, *values: int) -> object:
            at = market.exchange.router
            return item.results(await market.rig.endpoints.call(at, item.call(*values)))[0]

        async def compare() -> None:
            amount, x, y = (dice.randrange(1, 2 ** dice.randrange(2, 113)) for _ in range(3))
            assert await ask(given_in, amount, x, y) == uniswap.amount_out(amount, x, y)
            wanted = amount % y
            if wanted:
                assert await ask(given_out, wanted, x, y) == uniswap.amount_in(wanted, x, y)

        await asyncio.gather(*(compare() for _ in range(200)))

    run(scenario, tmp_path, opened=False)


def test_a_round_trip_loses_exactly_the_fee_twice(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        exchange, ada = market.exchange, kit.account("ada")
        before, pool = await market.wealth("ada"), await exchange.pool()
        tokens = 1_013 * 10**18
        sale = await exchange.sell(ada, tokens, 1, market.deadline)
        purchase = await exchange.buy(ada, tokens, MONEY, market.deadline)
        after, left = await market.wealth("ada"), await exchange.pool()
        lost = purchase.amount_in - sale.amount_out
        assert after == (before[0], before[1] - lost)
        assert left.reserves.token == pool.reserves.token
        assert left.reserves.currency == pool.reserves.currency + lost
        # What a sale brings is 0.997 of its worth; buying back costs 1 / 0.997 of that worth.
        exact = sale.amount_out * 1_000**2 / 997**2
        assert exact < purchase.amount_in <= exact + 3

    run(scenario, tmp_path)


def test_what_a_stranger_gave_to_the_pool_is_not_taken_for_paid(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        exchange = market.exchange
        pool = await exchange.pool()
        await market.mint(exchange.currency, "bob", 1)
        stranger = Members(market.rig.endpoints, market.deployment, kit.account("bob"))
        await stranger.transfer(exchange.currency, pool.pair, 1_000_003)
        quote = await exchange.quote_buy(10**18)
        trade = await exchange.buy(kit.account("ada"), 10**18, MONEY, market.deadline)
        assert fits(trade, quote)
        after = await exchange.pool()
        assert after.reserves.currency == CURRENCY + quote.amount_in + 1_000_003

    run(scenario, tmp_path)


def test_calls_can_be_sent_by_whatever_acts_for_an_account(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        exchange, owner = market.exchange, kit.address("ada")
        sender = Sender(market.rig.endpoints, kit.account("ada"))
        quote = await exchange.quote_sell(10**18)
        for call in exchange.sell_calls(owner, 10**18, quote.amount_out, market.deadline):
            await sender.send(call)
        assert await market.wealth("ada") == (HOLDINGS - 10**18, MONEY + quote.amount_out)
        quote = await exchange.quote_buy(10**18)
        for call in exchange.buy_calls(owner, 10**18, quote.amount_in, market.deadline):
            await sender.send(call)
        assert (await market.wealth("ada"))[0] == HOLDINGS

    run(scenario, tmp_path)


# --- refusals ---------------------------------------------------------------------------------


async def refused(market: Market, trade: Awaitable[Trade], words: str) -> Conflict:
    """Return the one refusal of a trade of ada's, which changed nothing."""
    before, pool = await market.wealth("ada"), await market.exchange.pool()
    with pytest.raises(Conflict, match=words) as refusal:
        await trade
    assert refusal.value.hint
    assert await market.wealth("ada") == before
    assert await market.allowances("ada") == [0, 0]
    after = await market.exchange.pool()
    assert (after.reserves, after.shares) == (pool.reserves, pool.shares)
    return refusal.value


def test_a_price_that_moved_further_than_allowed_is_refused(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        exchange, ada = market.exchange, kit.account("ada")
        tokens, later = 101 * 10**18, market.deadline
        sale, purchase = await exchange.quote_sell(tokens), await exchange.quote_buy(tokens)
        too_much = exchange.sell(ada, tokens, sale.amount_out + 1, later)
        error = await refused(market, too_much, "moved further than allowed")
        assert error.fields["refusal"] == "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT"
        too_little = exchange.buy(ada, tokens, purchase.amount_in - 1, later)
        error = await refused(market, too_little, "moved further than allowed")
        assert error.fields["refusal"] == "UniswapV2Router: EXCESSIVE_INPUT_AMOUNT"
        # bob sells between ada's quote and ada's sale: half a percent is not enough, ten are
        await exchange.sell(kit.account("bob"), 1_009 * 10**18, 1, later)
        least = uniswap.least_out(sale, 5_000)
        await refused(market, exchange.sell(ada, tokens, least, later), "moved further")
        least = uniswap.least_out(sale, 100_000)
        trade = await exchange.sell(ada, tokens, least, later)
        assert least <= trade.amount_out < sale.amount_out

    run(scenario, tmp_path)


def test_a_trade_after_its_deadline_is_refused(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        exchange, ada = market.exchange, kit.account("ada")
        await exchange.sell(ada, 10**18, 1, market.rig.now)  # the last second is still in time
        await refused(market, exchange.sell(ada, 10**18, 1, market.rig.now - 1), "deadline is over")
        deadline = market.deadline
        market.rig.clock[0] = deadline + 1  # nobody mined since: the newest block is older
        error = await refused(
            market, exchange.buy(ada, 10**18, MONEY, deadline), "deadline is over"
        )
        assert error.fields["refusal"] == "UniswapV2Router: EXPIRED"

    run(scenario, tmp_path)


def test_who_has_too_little_is_told_so_before_anything_is_allowed(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        exchange, ada = market.exchange, kit.account("ada")
        too_much = exchange.sell(ada, HOLDINGS + 1, 1, market.deadline)
        error = await refused(market, too_much, "balance is too small")
        assert error.fields == {"balance": HOLDINGS, "needed": HOLDINGS + 1}
        dear = exchange.buy(ada, TOKEN_WEI // 2, 2**128, market.deadline)
        await refused(market, dear, "balance is too small")
        await refused(
            market, exchange.buy(ada, TOKEN_WEI, 2**128, market.deadline), "holds no more than that"
        )
        with pytest.raises(InvalidInput, match="brings nothing"):
            await exchange.sell(ada, 1, 1, market.deadline)
        # more may be allowed than there is, as long as the price asks for no more
        everything = await exchange.quote_buy(10**18)
        assert (await exchange.buy(ada, 10**18, 2 * MONEY, market.deadline)).amount_in == (
            everything.amount_in
        )
        assert await market.allowances("ada") == [0, 0]

    run(scenario, tmp_path)


def test_an_allowance_that_was_there_before_is_used_and_left(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        exchange, ada = market.exchange, kit.account("ada")
        sender = Sender(market.rig.endpoints, ada)

        async def allow(amount: int) -> None:
            data = uniswap.APPROVE.call(exchange.router, amount)
            await sender.send(Call(to=exchange.token, data=data))

        await allow(10**18 - 1)  # too little: replaced, and nothing of it is left
        await exchange.sell(ada, 10**18, 1, market.deadline)
        assert await market.allowances("ada") == [0, 0]
        sender = Sender(market.rig.endpoints, ada)
        await allow(5 * 10**18)
        await exchange.sell(ada, 10**18, 1, market.deadline)
        assert await market.allowances("ada") == [4 * 10**18, 0]

    run(scenario, tmp_path)


def test_a_network_without_exchange_says_so(tmp_path: Path) -> None:
    async def scenario(market: Market) -> None:
        nothing = Exchange(
            market.rig.endpoints,
            router=b"\x01" * 20,
            token=market.exchange.token,
            currency=market.exchange.currency,
        )
        with pytest.raises(NotFound, match=r"nothing at 0x0101.* answers factory\(\)"):
            await nothing.quote_sell(1)
        wrong = Exchange(
            market.rig.endpoints,
            router=market.exchange.token,
            token=market.exchange.token,
            currency=market.exchange.currency,
        )
        with pytest.raises((NotFound, Conflict)):
            await wrong.quote_sell(1)

    run(scenario, tmp_path, opened=False)
