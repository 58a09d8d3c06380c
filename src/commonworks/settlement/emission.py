"""Emission and its split.

The schedule halves smoothly: with H the half-life in epochs, epoch e = q*H + r may mint at most

    emission(e) = (E0 >> q) * (2H - r) // (2H)

that is E0 at e = 0, E0/2 at e = H, E0/4 at e = 2H, linear in between. The token contract enforces
the same formula. Each resource's share of it (policy) is split by
quantity x quality x density; what caps and floors leave over is not minted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from commonworks.model import (
    Network,
    Reward,
    Work,
)
from commonworks.units import PPM, mul_div, share_ppm, split_floor

HALVINGS_MAX: Final = 255
"""After so many half-lives nothing is minted (a shift of a 256-bit word)."""


def emission_wei(network: Network, epoch: int) -> int:
    """Return the most that `epoch` (from 0) may mint, in wei."""
    halvings, rest = divmod(epoch, network.half_life_epochs)
    if halvings >= HALVINGS_MAX:
        return 0
    period = 2 * network.half_life_epochs
    return mul_div(network.initial_emission_wei >> halvings, period - rest, period)


def emission_pools(budget_wei: int, shares_ppm: Mapping[str, int]) -> dict[str, int]:
    """Return each resource's part of the epoch's emission, by name.

    Inputs: budget_wei >= 0; shares >= 0 in ppm. Each resource's share is voted on alone, so they
    may add up to more than the whole; then they are weights.
    Guarantees: the pools sum to at most `budget_wei`.
    """
    whole = max(PPM, sum(shares_ppm.values()))
    return {name: mul_div(budget_wei, share, whole) for name, share in shares_ppm.items()}


def split_rewards(
    resource: str, pool_wei: int, work: Sequence[Work], account_cap_ppm: int
) -> tuple[Reward, ...]:
    """Split one resource's pool over verified work; return rewards sorted by account.

    Inputs: pool_wei >= 0; work quantities >= 0 in the resource's unit, quality and density in ppm.
    Guarantees: the rewards sum to at most `pool_wei`; no work gets more than its own ceiling; no
    account gets more than `account_cap_ppm` of the pool.
    """
    weights = [item.quantity * item.quality_ppm * item.density_ppm for item in work]
    parts, _ = split_floor(pool_wei, weights)
    earned: defaultdict[bytes, int] = defaultdict(int)
    for item, part in zip(work, parts, strict=True):
        earned[item.account] += min(part, item.ceiling_wei)
    cap = share_ppm(pool_wei, account_cap_ppm)
    return tuple(
        Reward(resource=resource, account=account, amount_wei=min(amount, cap))
        for account, amount in sorted(earned.items())
        if min(amount, cap) > 0
    )
