"""The Uniswap v2 protocol, as far as one pool needs it: arithmetic, interface, refusals.

Goal: say exactly what a swap gives before it is sent. Rule: the contracts decide, these formulas
only foretell; a test holds the two together. Nothing here does I/O, and nothing here needs the
protocol's own package: on a chain where the protocol exists already, only its address is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from commonworks.chain.abi import Field, Item
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict, InvalidInput
from commonworks.units import PPM, WEI

FEE_PPM: Final = 3_000
"""What a swap leaves to the pool's owners, out of what is paid in; fixed in the pair's code."""

_KEPT: Final = 997
_WHOLE: Final = 1_000
"""The fee as the pair's code has it: 997 of 1,000 units paid in count."""

UINT256_MAX: Final = 2**256 - 1

UINT112_MAX: Final = 2**112 - 1
"""Most that a pool can hold of an asset."""


class Side(Enum):
    """What is done with the network's token."""

    SELL = "sell"
    """An exact amount of token goes in, currency comes out."""
    BUY = "buy"
    """An exact amount of token comes out, currency goes in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserves:
    """What a pool holds."""

    token: int
    """Network token, in its smallest unit."""
    currency: int
    """Settlement currency, in its smallest unit."""

    @property
    def price(self) -> int:
        """Currency (smallest unit) that one whole token is worth at the margin, floored.

        Raises: Conflict when the pool is empty.
        """
        require_liquidity(self)
        return self.currency * WEI // self.token


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a swap would give now."""

    side: Side
    amount_in: int
    """Paid in, fee included, in the smallest unit of the asset that is given."""
    amount_out: int
    """Got from the pool, in the smallest unit of the other asset."""
    reserves: Reserves
    """The pool before the swap."""
    impact_ppm: int
    """How much worse than the pool's marginal price this is, the fee left aside; rounded up."""
    fee_ppm: int = FEE_PPM
    """Part of `amount_in` that stays with the pool's owners."""

    @property
    def price(self) -> int:
        """Currency (smallest unit) per whole token, fee and impact included."""
        return price(self.side, self.amount_in, self.amount_out)


def amount_out(amount_in: int, reserve_in: int, reserve_out: int) -> int:
    """Return the most that a pool gives for exactly `amount_in`, floored.

    Inputs: all in smallest units; amount_in >= 0, reserves > 0.
    Guarantees: less than reserve_out; with x = reserve_in, y = reserve_out, dx = amount_in and dy
    the result, (1000 (x + dx) - 3 dx) (y - dy) >= 1000 x y, and dy + 1 would break that.
    Source: Uniswap v2 Core whitepaper (2020), section 3.2.1; getAmountOut of UniswapV2Library.
    """
    counted = amount_in * _KEPT
    return counted * reserve_out // (reserve_in * _WHOLE + counted)


def amount_in(amount_out_: int, reserve_in: int, reserve_out: int) -> int:
    """Return what a pool asks for exactly `amount_out_`; at most one unit above the least.

    Inputs: all in smallest units; 0 <= amount_out_ < reserve_out, reserve_in > 0.
    Guarantees: amount_out(result) >= amount_out_.
    Source: as `amount_out`; getAmountIn of UniswapV2Library, which adds one unit always.
    """
    return reserve_in * amount_out_ * _WHOLE // ((reserve_out - amount_out_) * _KEPT) + 1


def price(side: Side, paid: int, got: int) -> int:
    """Return the currency (smallest unit) per whole token of a swap.

    Rounded to the disadvantage of who swaps: down for a sale, up for a purchase.
    """
    if side is Side.SELL:
        return got * WEI // paid
    return -(-paid * WEI // got)


def impact_ppm(paid: int, reserve_in: int) -> int:
    """Return how much worse than the marginal price a swap of `paid` is, in ppm, rounded up.

    With c the part of `paid` that counts after the fee and x the reserve, a swap gives
    y c / (x + c) where the marginal price promises y c / x: a loss of c / (x + c).
    """
    counted = paid * _KEPT
    return -(-PPM * counted // (reserve_in * _WHOLE + counted))


def quote_sell(tokens: int, reserves: Reserves) -> Quote:
    """Return what exactly `tokens` (smallest unit, > 0) bring.

    Raises: InvalidInput where the amount is none or brings nothing, Conflict for an empty pool.
    """
    _require_amount(tokens)
    require_liquidity(reserves)
    got = amount_out(tokens, reserves.token, reserves.currency)
    if got == 0:
        raise InvalidInput("so little token brings nothing", hint="sell more at once")
    return Quote(
        side=Side.SELL,
        amount_in=tokens,
        amount_out=got,
        reserves=reserves,
        impact_ppm=impact_ppm(tokens, reserves.token),
    )


def quote_buy(tokens: int, reserves: Reserves) -> Quote:
    """Return what exactly `tokens` (smallest unit, > 0) cost.

    Raises: InvalidInput where the amount is none, Conflict for an empty pool or one that holds no
    more than that.
    """
    _require_amount(tokens)
    require_liquidity(reserves)
    if tokens >= reserves.token:
        raise Conflict(
            "the pool holds no more than that",
            hint="buy less; see what it holds: commonworks token pool",
            available=reserves.token - 1,
        )
    paid = amount_in(tokens, reserves.currency, reserves.token)
    return Quote(
        side=Side.BUY,
        amount_in=paid,
        amount_out=tokens,
        reserves=reserves,
        impact_ppm=impact_ppm(paid, reserves.currency),
    )


def least_out(quote: Quote, slippage_ppm: int) -> int:
    """Return the least that may come out when the price may move by `slippage_ppm`, floored."""
    return quote.amount_out * (PPM - slippage_ppm) // PPM


def most_in(quote: Quote, slippage_ppm: int) -> int:
    """Return the most that may go in when the price may move by `slippage_ppm`, rounded up."""
    return -(-quote.amount_in * (PPM + slippage_ppm) // PPM)


def require_liquidity(reserves: Reserves) -> None:
    """Return when there is something to trade with; raise Conflict otherwise."""
    if reserves.token == 0 or reserves.currency == 0:
        raise Conflict(
            "the exchange's pool of this network is empty",
            hint="somebody has to add liquidity first",
        )


def _require_amount(amount: int) -> None:
    if not 0 < amount <= UINT112_MAX:
        raise InvalidInput("the amount must be more than nothing and less than a pool can hold")


# --- interface ----------------------------------------------------------------------------------


def _fields(types: str, indexed: str = "") -> tuple[Field, ...]:
    return tuple(
        Field(name=str(position), type=type_, indexed=flag == "i")
        for position, (type_, flag) in enumerate(
            zip(types.split(","), indexed.ljust(types.count(",") + 1), strict=True)
        )
        if type_
    )


def _item(name: str, inputs: str = "", outputs: str = "", indexed: str = "") -> Item:
    return Item(
        name=name,
        inputs=_fields(inputs, indexed),
        outputs=_fields(outputs),
        digest=keccak256(f"{name}({inputs})".encode()),
    )


_SWAP_INPUTS: Final = "uint256,uint256,address[],address,uint256"

FACTORY_OF: Final = _item("factory", outputs="address")
"""Router: the factory whose pairs it trades in."""
WETH_OF: Final = _item("WETH", outputs="address")
"""Router: the wrapped coin of the chain."""
GET_PAIR: Final = _item("getPair", "address,address", "address")
"""Factory: the pool of two assets, or the zero address."""
FEE_TO_SETTER: Final = _item("feeToSetter", outputs="address")
"""Factory: who may turn on a protocol fee."""
GET_RESERVES: Final = _item("getReserves", outputs="uint112,uint112,uint32")
"""Pair: what it holds of the lower and of the higher address, and when that changed."""
TOTAL_SUPPLY: Final = _item("totalSupply", outputs="uint256")
"""Pair: all shares in the pool (an ERC-20)."""
BALANCE_OF: Final = _item("balanceOf", "address", "uint256")
"""Any ERC-20."""
ALLOWANCE: Final = _item("allowance", "address,address", "uint256")
"""Any ERC-20."""
APPROVE: Final = _item("approve", "address,uint256", "bool")
"""Any ERC-20."""
ADD_LIQUIDITY: Final = _item(
    "addLiquidity",
    "address,address,uint256,uint256,uint256,uint256,address,uint256",
    "uint256,uint256,uint256",
)
"""Router: two assets, the amounts wished, the least amounts, receiver of the shares, deadline."""
SWAP_EXACT_IN: Final = _item("swapExactTokensForTokens", _SWAP_INPUTS, "uint256[]")
"""Router: amount in, least out, path, receiver, deadline."""
SWAP_EXACT_OUT: Final = _item("swapTokensForExactTokens", _SWAP_INPUTS, "uint256[]")
"""Router: amount out, most in, path, receiver, deadline."""
TRANSFERRED: Final = _item("Transfer", "address,address,uint256", indexed="ii ")
"""Any ERC-20's event: from, to, amount."""
SWAPPED: Final = _item("Swap", "address,uint256,uint256,uint256,uint256,address", indexed="i    i")
"""Pair's event: sender, lower asset in, higher in, lower out, higher out, receiver."""

INTERFACE: Final[Mapping[str, Sequence[Item]]] = {
    "UniswapV2Router02": (FACTORY_OF, WETH_OF, ADD_LIQUIDITY, SWAP_EXACT_IN, SWAP_EXACT_OUT),
    "UniswapV2Factory": (GET_PAIR, FEE_TO_SETTER),
    "UniswapV2Pair": (
        *(GET_RESERVES, TOTAL_SUPPLY, BALANCE_OF, ALLOWANCE, APPROVE),
        *(TRANSFERRED, SWAPPED),
    ),
}
"""Everything of the protocol that is used here, by contract."""


# --- refusals -----------------------------------------------------------------------------------

_MOVED: Final = (
    "the price moved further than allowed",
    "ask for a new quote, or allow more: --slippage PERCENT",
)
_DEADLINE: Final = ("the deadline is over: nothing was swapped", "try again, or allow more time")
_EMPTY: Final = ("the pool does not hold enough for that", "trade less, or add liquidity first")
_NOTHING: Final = ("so little brings nothing", "trade more at once")
_UNPAID: Final = (
    "the account could not pay: its balance or its allowance is too small",
    "trade less, or fund the account first",
)
_ODD: Final = (
    "an asset of the pool takes a fee or is paused: this exchange cannot trade it",
    "ask whoever runs that asset",
)

_REFUSALS: Final[Mapping[str, tuple[str, str]]] = {
    "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT": _MOVED,
    "UniswapV2Router: EXCESSIVE_INPUT_AMOUNT": _MOVED,
    "UniswapV2Router: INSUFFICIENT_A_AMOUNT": _MOVED,
    "UniswapV2Router: INSUFFICIENT_B_AMOUNT": _MOVED,
    "UniswapV2Router: EXPIRED": _DEADLINE,
    "UniswapV2Library: INSUFFICIENT_LIQUIDITY": _EMPTY,
    "UniswapV2: INSUFFICIENT_LIQUIDITY": _EMPTY,
    "ds-math-sub-underflow": _EMPTY,
    "UniswapV2Library: INSUFFICIENT_INPUT_AMOUNT": _NOTHING,
    "UniswapV2Library: INSUFFICIENT_OUTPUT_AMOUNT": _NOTHING,
    "UniswapV2: INSUFFICIENT_OUTPUT_AMOUNT": _NOTHING,
    "UniswapV2: INSUFFICIENT_LIQUIDITY_MINTED": _NOTHING,
    "TransferHelper: TRANSFER_FROM_FAILED": _UNPAID,
    "UniswapV2: TRANSFER_FAILED": _ODD,
    "UniswapV2: INSUFFICIENT_INPUT_AMOUNT": _ODD,
    "UniswapV2: K": _ODD,
    "UniswapV2: OVERFLOW": ("the pool cannot hold that much", "trade less"),
    "ds-math-mul-overflow": ("the pool cannot hold that much", "trade less"),
}
"""What the contracts say when they refuse -> what that means, and what to do."""


def explained(error: Conflict) -> Conflict:
    """Return a refusal in words: what the contracts said stays in the field `refusal`.

    A refusal that is none of the protocol's comes back unchanged.
    """
    arguments = error.fields.get("arguments")
    reason = arguments.get("reason") if isinstance(arguments, dict) else None
    known = _REFUSALS.get(reason) if isinstance(reason, str) else None
    if known is None:
        return error
    message, hint = known
    return Conflict(message, hint=hint, refusal=reason)
