"""The exchange of a network: one Uniswap v2 pool of its token and its settlement currency.

Rule: nobody trades at an unknown price. Every trade names the worst that it accepts and the last
second in which it may happen, and the router refuses everything else. An allowance that a trade
needed is taken back with it, so the router can never take more than was meant.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from eth_account.signers.local import LocalAccount

from commonworks.chain.abi import Item
from commonworks.chain.accounts import address_text
from commonworks.chain.endpoints import Endpoint, Endpoints
from commonworks.chain.members import Acting, Members
from commonworks.chain.plan import Deployment
from commonworks.chain.transactions import RECEIPT_TIMEOUT_S, Call, Receipt, Sender
from commonworks.chain.uniswap import (
    ADD_LIQUIDITY,
    ALLOWANCE,
    APPROVE,
    BALANCE_OF,
    FACTORY_OF,
    GET_PAIR,
    GET_RESERVES,
    SWAP_EXACT_IN,
    SWAP_EXACT_OUT,
    SWAPPED,
    TOTAL_SUPPLY,
    TRANSFERRED,
    UINT256_MAX,
    Quote,
    Reserves,
    Side,
    explained,
    price,
    quote_buy,
    quote_sell,
)
from commonworks.errors import Conflict, NotFound, Unavailable, require

NO_POOL: Final = bytes(20)
"""What the factory answers for two assets that have no pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool, as it was after one block."""

    pair: bytes
    """Its contract, 20 bytes."""
    reserves: Reserves
    shares: int
    """All shares in it, in their smallest unit."""
    block: int
    """Number of that block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A swap that the chain carried out."""

    tx: bytes
    """Hash of the transaction, 32 bytes."""
    block: int
    """Block that contains it."""
    side: Side
    amount_in: int
    """Paid, fee included, in the smallest unit of the asset that was given."""
    amount_out: int
    """Got, in the smallest unit of the other asset."""

    @property
    def price(self) -> int:
        """Currency (smallest unit) per whole token, fee and impact included."""
        return price(self.side, self.amount_in, self.amount_out)


class Exchange:
    """One pool, seen by anybody and traded in by any account."""

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        router: bytes,
        token: bytes,
        currency: bytes,
        confirmations: int = 0,
        timeout_s: float = RECEIPT_TIMEOUT_S,
    ) -> None:
        self.endpoints = endpoints
        self.router = router
        self.token = token
        self.currency = currency
        self._confirmations = confirmations
        self._timeout_s = timeout_s
        self._senders: dict[str, Sender] = {}

    # --- looking ------------------------------------------------------------------------------

    async def pool(self) -> Pool:
        """Return the pool after the newest block, everything of it after the same block.

        Raises: NotFound when there is no router or no pool.
        """

        async def read(endpoint: Endpoint) -> Pool:
            block = await endpoint.block_number()
            pair = await self._pair(endpoint, block)
            if pair == NO_POOL:
                raise NotFound(
                    "the exchange has no pool of this network's token and its currency",
                    hint="somebody has to add liquidity first",
                )
            lower, higher, _ = await _ask_all(endpoint, block, pair, GET_RESERVES)
            return Pool(
                pair=pair,
                reserves=Reserves(
                    token=lower if self._token_is_lower else higher,
                    currency=higher if self._token_is_lower else lower,
                ),
                shares=await _ask(endpoint, block, pair, TOTAL_SUPPLY),
                block=block,
            )

        return await self.endpoints.run(read)

    async def shares_of(self, account: bytes) -> int:
        """Return an account's shares in the pool; 0 where there is no pool yet."""

        async def read(endpoint: Endpoint) -> int:
            block = await endpoint.block_number()
            pair = await self._pair(endpoint, block)
            if pair == NO_POOL:
                return 0
            return int(await _ask(endpoint, block, pair, BALANCE_OF, account))

        return await self.endpoints.run(read)

    async def quote_sell(self, amount_in: int) -> Quote:
        """Return what exactly `amount_in` of token brings now; raises as `uniswap.quote_sell`."""
        return quote_sell(amount_in, (await self.pool()).reserves)

    async def quote_buy(self, amount_out: int) -> Quote:
        """Return what exactly `amount_out` of token costs now; raises as `uniswap.quote_buy`."""
        return quote_buy(amount_out, (await self.pool()).reserves)

    # --- trading ------------------------------------------------------------------------------

    async def sell(
        self, account: LocalAccount | Acting, amount_in: int, min_out: int, deadline: int
    ) -> Trade:
        """Sell exactly `amount_in` of token for at least `min_out` of currency.

        Inputs: smallest units; `deadline` is the last second in which it may happen, Unix seconds.
        Raises: Conflict when the balance is too small, the price moved further, the deadline is
        over or the pool is empty: nothing was swapped then. NotFound when there is no pool.
        Unavailable as `Sender.send`: the swap may still be carried out until the deadline.
        """
        pool = await self.pool()
        quote = quote_sell(amount_in, pool.reserves)
        calls = self.sell_calls(_address(account), amount_in, min_out, deadline)
        return await self._trade(account, pool.pair, quote, amount_in, calls)

    async def buy(
        self, account: LocalAccount | Acting, amount_out: int, max_in: int, deadline: int
    ) -> Trade:
        """Buy exactly `amount_out` of token for at most `max_in` of currency; raises as `sell`."""
        pool = await self.pool()
        quote = quote_buy(amount_out, pool.reserves)
        calls = self.buy_calls(_address(account), amount_out, max_in, deadline)
        return await self._trade(account, pool.pair, quote, max_in, calls)

    def sell_calls(
        self, account: bytes, amount_in: int, min_out: int, deadline: int
    ) -> tuple[Call, Call]:
        """Return the two calls of a sale, allowance and swap, for whatever sends for `account`."""
        path = [self.token, self.currency]
        swap = SWAP_EXACT_IN.call(amount_in, min_out, path, account, deadline)
        return self._approval(self.token, amount_in), Call(to=self.router, data=swap)

    def buy_calls(
        self, account: bytes, amount_out: int, max_in: int, deadline: int
    ) -> tuple[Call, Call]:
        """Return the two calls of a purchase; what is left of the allowance stays."""
        path = [self.currency, self.token]
        swap = SWAP_EXACT_OUT.call(amount_out, max_in, path, account, deadline)
        return self._approval(self.currency, max_in), Call(to=self.router, data=swap)

    # --- inside -------------------------------------------------------------------------------

    @property
    def _token_is_lower(self) -> bool:
        """A pair keeps its two assets in the order of their addresses."""
        return self.token < self.currency

    async def _pair(self, endpoint: Endpoint, block: int) -> bytes:
        factory = await _ask(endpoint, block, self.router, FACTORY_OF)
        return bytes(await _ask(endpoint, block, factory, GET_PAIR, self.token, self.currency))

    async def _trade(
        self,
        account: LocalAccount | Acting,
        pair: bytes,
        quote: Quote,
        most: int,
        calls: tuple[Call, Call],
    ) -> Trade:
        """Swap with an allowance of `most` that is there for this swap only."""
        asset = self.token if quote.side is Side.SELL else self.currency
        owner, sender = _address(account), self._sender(account)
        balance = await self._read(asset, BALANCE_OF, owner)
        if balance < quote.amount_in:
            raise Conflict(
                "the account's balance is too small for this trade",
                hint="trade less, or fund the account first",
                balance=balance,
                needed=quote.amount_in,
            )
        allow, swap = calls
        granted = await self._read(asset, ALLOWANCE, owner, self.router)
        own_allowance = granted < most
        if own_allowance:
            if granted:  # some assets change an allowance only from or to nothing
                await sender.send(self._approval(asset, 0))
            await sender.send(allow)
        try:
            trade = self._traded(await sender.send(swap), pair, quote.side, owner)
        except Conflict as error:
            if own_allowance:
                await self._take_back(sender, asset)
            raise explained(error) from error
        if own_allowance:
            await self._take_back(sender, asset)
        return trade

    async def _take_back(self, sender: Acting, asset: bytes) -> None:
        """Let the router take nothing any more.

        The trade is decided already, and whoever asked for it must learn how: where this fails,
        the allowance stays for the next trade, and nobody but its owner can use it.
        """
        with suppress(Conflict, Unavailable):
            if await self._read(asset, ALLOWANCE, sender.address, self.router):
                await sender.send(self._approval(asset, 0))

    def _traded(self, receipt: Receipt, pair: bytes, side: Side, owner: bytes) -> Trade:
        """Return what a swap did.

        What came out is in the pair's own event. What went in is what the account transferred:
        the event also counts as paid in whatever strangers gave to the pair before.
        """
        swaps = [
            SWAPPED.log_fields(log.topics[1:], log.data)
            for log in receipt.logs
            if log.address == pair and log.topics[0] == SWAPPED.digest
        ]
        require(len(swaps) == 1, "a trade of one path through one pool writes one Swap")
        lower_out, higher_out = cast(int, swaps[0]["3"]), cast(int, swaps[0]["4"])
        asset = self.token if side is Side.SELL else self.currency
        paid = [
            cast(int, TRANSFERRED.log_fields(log.topics[1:], log.data)["2"])
            for log in receipt.logs
            if log.address == asset
            and log.topics == (TRANSFERRED.digest, _topic(owner), _topic(pair))
        ]
        require(len(paid) == 1, "a trade pays into the pool once")
        got_lower = (side is Side.BUY) == self._token_is_lower
        return Trade(
            tx=receipt.tx,
            block=receipt.block,
            side=side,
            amount_in=paid[0],
            amount_out=lower_out if got_lower else higher_out,
        )

    def _approval(self, asset: bytes, amount: int) -> Call:
        return Call(to=asset, data=APPROVE.call(self.router, amount))

    async def _read(self, at: bytes, item: Item, *values: object) -> int:
        return int(
            await self.endpoints.run(lambda endpoint: _ask(endpoint, "latest", at, item, *values))
        )

    def _sender(self, account: LocalAccount | Acting) -> Acting:
        if not isinstance(account, LocalAccount):
            return account
        if account.address not in self._senders:
            self._senders[account.address] = Sender(
                self.endpoints,
                account,
                confirmations=self._confirmations,
                timeout_s=self._timeout_s,
            )
        return self._senders[account.address]


def exchange_of(endpoints: Endpoints, deployment: Deployment) -> Exchange:
    """Return the exchange of a network; raise NotFound where it has none."""
    router = deployment.government.router
    if router is None:
        raise NotFound(
            "this network has no exchange",
            hint="what it pays is the settlement currency: "
            "commonworks claim --account NAME --asset currency",
        )
    return Exchange(endpoints, router=router, token=deployment.token, currency=deployment.currency)


# --- the first liquidity ------------------------------------------------------------------------


async def has_liquidity(provider: Members) -> bool:
    """Tell whether the network's timelock owns liquidity of the network's exchange already."""
    exchange = exchange_of(provider.endpoints, provider.deployment)
    return await exchange.shares_of(provider.deployment.government.timelock) > 0


async def add_genesis_liquidity(
    provider: Members,
    token_wei: int,
    currency: int,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Pool:
    """Open the pool with the provider's token and currency; the shares go to the timelock.

    Inputs: smallest units, both > 0; their ratio is the first price. Interrupted at any point it
    goes on when it is called again, and adds nothing twice: the pool is opened by one transaction
    and only while the timelock owns no share. `progress` hears of each step once it is done.
    Raises: Conflict when somebody else was there first, or the provider owns less than that.
    """
    deployment, calls = provider.deployment, provider.calls
    exchange = exchange_of(provider.endpoints, deployment)
    timelock = deployment.government.timelock
    if await exchange.shares_of(timelock) == 0:
        for name, asset, amount in (
            ("token", exchange.token, token_wei),
            ("currency", exchange.currency, currency),
        ):
            await provider.send(calls.approve(asset, exchange.router, amount))
            progress(f"{name} allowed")
        # Exactly these amounts or nothing, so that it is never too late for it.
        amounts = (token_wei, currency, token_wei, currency)
        data = ADD_LIQUIDITY.call(
            exchange.token, exchange.currency, *amounts, timelock, UINT256_MAX
        )
        await _open(provider, exchange, Call(to=exchange.router, data=data))
        progress("pool opened")
    return await exchange.pool()


async def _open(provider: Members, exchange: Exchange, call: Call) -> None:
    if await _is_touched(exchange):
        raise Conflict(
            "somebody else put money into the pool before it was opened",
            hint="bring it to the right price and add liquidity by hand",
        )
    try:
        await provider.send(call)
    except Conflict as error:
        raise explained(error) from error


async def _is_touched(exchange: Exchange) -> bool:
    try:
        pool = await exchange.pool()
    except NotFound:
        return False
    return pool.shares > 0 or pool.reserves.token > 0 or pool.reserves.currency > 0


# --- reading ------------------------------------------------------------------------------------


async def _ask_all(
    endpoint: Endpoint, block: int | str, at: bytes, item: Item, *values: object
) -> tuple[Any, ...]:
    answer = await endpoint.call(at, item.call(*values), block)
    if not answer:
        raise NotFound(
            f"nothing at {address_text(at)} answers {item.name}()",
            hint="check the address of the exchange's router in network.json",
        )
    return item.results(answer)


async def _ask(endpoint: Endpoint, block: int | str, at: bytes, item: Item, *values: object) -> Any:
    return (await _ask_all(endpoint, block, at, item, *values))[0]


def _address(account: LocalAccount | Acting) -> bytes:
    address = account.address
    return bytes.fromhex(address[2:]) if isinstance(address, str) else address


def _topic(address: bytes) -> bytes:
    return address.rjust(32, b"\0")
