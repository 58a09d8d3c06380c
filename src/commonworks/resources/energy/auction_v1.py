"""A uniform-price call auction: maximum welfare, deterministic ties, whole units.

Sellers with the lowest limits meet buyers with the highest until the limits cross. Everybody
trades at one price, the middle of the range that clears. Where the marginal limit is shared, it is
shared pro rata to quantity; who supplied whom is pro rata too, so nobody can choose a partner.

Source: call auction with limit orders; for the price range see any text on double auctions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from commonworks.units import apportion


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One side of one device in one interval."""

    device: int
    quantity: int
    """Wh, > 0."""
    limit: int
    """Seller: lowest, buyer: highest energy price, micro-units per kWh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Energy that one neighbour supplied to another."""

    seller: int
    buyer: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """What an interval's auction found."""

    price: int
    """Micro-units per kWh; 0 when nothing traded."""
    quantity: int
    matches: tuple[Match, ...]
    """Sorted by (seller, buyer)."""


NOTHING = Clearing(price=0, quantity=0, matches=())


def _volume(asks: Sequence[Offer], bids: Sequence[Offer]) -> int:
    """Return the largest quantity that can trade: welfare grows as long as bid >= ask."""
    a = b = 0
    ask_left = asks[0].quantity if asks else 0
    bid_left = bids[0].quantity if bids else 0
    volume = 0
    while a < len(asks) and b < len(bids) and bids[b].limit >= asks[a].limit:
        step = min(ask_left, bid_left)
        volume += step
        ask_left -= step
        bid_left -= step
        if ask_left == 0:
            a += 1
            ask_left = asks[a].quantity if a < len(asks) else 0
        if bid_left == 0:
            b += 1
            bid_left = bids[b].quantity if b < len(bids) else 0
    return volume


def _fill(ordered: Sequence[Offer], volume: int) -> tuple[dict[int, int], int, int | None]:
    """Fill offers in order up to `volume`; share the marginal limit pro rata.

    Returns: quantity by device, the marginal limit, and the best limit of what stays unfilled.
    """
    filled: dict[int, int] = {}
    marginal = 0
    for limit, level in groupby(ordered, key=lambda offer: offer.limit):
        offers = list(level)
        whole = sum(offer.quantity for offer in offers)
        if volume == 0:
            return filled, marginal, limit
        marginal = limit
        taken = min(volume, whole)
        for offer, part in zip(
            offers, apportion(taken, [offer.quantity for offer in offers]), strict=True
        ):
            filled[offer.device] = part
        volume -= taken
        if taken < whole:
            return filled, marginal, limit
    return filled, marginal, None


def _partner(sold: dict[int, int], bought: dict[int, int]) -> tuple[Match, ...]:
    """Say who supplied whom: each seller's quantity pro rata to what buyers still need."""
    needs = {device: quantity for device, quantity in sorted(bought.items()) if quantity}
    matches = []
    for seller, quantity in sorted(sold.items()):
        for buyer, part in zip(list(needs), apportion(quantity, list(needs.values())), strict=True):
            if part:
                matches.append(Match(seller=seller, buyer=buyer, quantity=part))
                needs[buyer] -= part
    return tuple(matches)


def clear(asks: Sequence[Offer], bids: Sequence[Offer]) -> Clearing:
    """Clear one interval.

    Inputs: at most one ask and one bid a device, quantities in Wh > 0, limits in micro-units/kWh.
    Returns: uniform price, quantity and who supplied whom.
    Guarantees: every seller gets at least its limit, no buyer pays more than its own; no trade
    that both sides would still accept is left; the parts of `matches` add up to `quantity` on both
    sides; independent of the order of the inputs.
    """
    by_ask = sorted(asks, key=lambda offer: (offer.limit, offer.device))
    by_bid = sorted(bids, key=lambda offer: (-offer.limit, offer.device))
    volume = _volume(by_ask, by_bid)
    if volume == 0:
        return NOTHING
    sold, last_ask, next_ask = _fill(by_ask, volume)
    bought, last_bid, next_bid = _fill(by_bid, volume)
    lower = last_ask if next_bid is None else max(last_ask, next_bid)
    upper = last_bid if next_ask is None else min(last_bid, next_ask)
    return Clearing(price=(lower + upper) // 2, quantity=volume, matches=_partner(sold, bought))
