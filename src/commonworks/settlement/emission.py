"""Emission and its split.

The schedule halves smoothly. With H(i) the half-life in force for epoch i, in epochs, what has
passed of half-lives when epoch e opens is, in units of 2^-96,

    halvings(e) = sum of floor(2^96 / H(i)) over the epochs i < e

and with halvings = q * 2^96 + r, epoch e may mint at most

    emission = floor( (E0 >> q) * (2^97 - r) / 2^97 )

that is E0 at first, half of it after one half-life, a quarter after two, linear in between. Another
half-life bends the curve from where it is. The token contract enforces the same formula.

Shares of the emission are weights: each resource's is split by quantity x quality x density, the
verifiers' and gateways' by what they did, the treasury's is its own. What caps, floors and absent
earners leave over is not minted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from commonworks.errors import require
from commonworks.model import (
    Facts,
    Reward,
    Role,
    Service,
    Work,
)
from commonworks.policy import Policy
from commonworks.units import PPM, mul_div, share_ppm, split_floor

HALVING: Final = 2**96
"""One half-life that has passed."""

HALVINGS_MAX: Final = 255
"""After so many half-lives nothing is minted (a shift of a 256-bit word)."""

VERIFIERS: Final = "verifiers"
GATEWAYS: Final = "gateways"
TREASURY: Final = "treasury"

EARNERS: Final = (GATEWAYS, TREASURY, VERIFIERS)
"""Who shares in the emission besides resources; no resource may have such a name."""

Payees = Mapping[int, Sequence[tuple[bytes, int]]]
"""Device id -> (account, ppm) in list order, ppm adding up to one whole."""


def emission_wei(initial_wei: int, halvings: int) -> int:
    """Return the most that an epoch may mint, in wei.

    Inputs: initial_wei >= 0, the emission of epoch 0; halvings >= 0 when the epoch opens.
    """
    whole, rest = divmod(halvings, HALVING)
    if whole >= HALVINGS_MAX:
        return 0
    return mul_div(initial_wei >> whole, 2 * HALVING - rest, 2 * HALVING)


def after_epoch(halvings: int, half_life_epochs: int) -> int:
    """Return the half-lives that have passed when an epoch with this half-life is over."""
    return halvings + HALVING // half_life_epochs


def emission_pools(budget_wei: int, shares_ppm: Mapping[str, int]) -> dict[str, int]:
    """Return each earner's part of the epoch's emission, by name.

    Inputs: budget_wei >= 0; shares >= 0 in ppm. Each share is voted on alone, so they may add up
    to more than the whole; then they are weights.
    Guarantees: the pools sum to at most `budget_wei`.
    """
    whole = max(PPM, sum(shares_ppm.values()))
    return {name: mul_div(budget_wei, share, whole) for name, share in shares_ppm.items()}


def pools_of(budget_wei: int, policy: Policy, resources: Iterable[str]) -> dict[str, int]:
    """Return the parts of the emission of all resources and of `EARNERS`, by name."""
    shares = {name: policy.values.get(f"{name}.emission_ppm", 0) for name in resources}
    require(not shares.keys() & set(EARNERS), "a resource is called as another earner")
    shares |= {name: policy[f"emission.{name}_ppm"] for name in EARNERS}
    return emission_pools(budget_wei, shares)


def split_payees(amount: int, shares: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """Split what a device earned over its payees; the first of the list gets the residual.

    Inputs: amount >= 0; (account, ppm) in list order, ppm adding up to one whole.
    Guarantees: the parts sum to `amount`; each is its share's floor, the first plus less than one
    unit a payee.
    """
    require(sum(ppm for _, ppm in shares) == PPM, "a device's shares add up to one whole")
    parts = [share_ppm(amount, ppm) for _, ppm in shares]
    parts[0] += amount - sum(parts)
    return [(account, part) for (account, _), part in zip(shares, parts, strict=True)]


def split_rewards(
    resource: str, pool_wei: int, work: Sequence[Work], payees: Payees, account_cap_ppm: int
) -> tuple[Reward, ...]:
    """Split one resource's pool over verified work; return rewards sorted by account.

    Inputs: pool_wei >= 0; work quantities >= 0 in the resource's unit, quality and density in ppm;
    the devices that have payees, others earn for the account of their work.
    Guarantees: the rewards sum to at most `pool_wei`; no work gets more than its own ceiling; no
    account gets more than `account_cap_ppm` of the pool, whatever it is paid for.
    """
    weights = [item.quantity * item.quality_ppm * item.density_ppm for item in work]
    parts, _ = split_floor(pool_wei, weights)
    by_device: defaultdict[tuple[int, bytes], int] = defaultdict(int)
    for item, part in zip(work, parts, strict=True):
        by_device[item.device, item.account] += min(part, item.ceiling_wei)
    earned: defaultdict[bytes, int] = defaultdict(int)
    for (device, account), amount in by_device.items():
        for payee, part in split_payees(amount, payees.get(device, ((account, PPM),))):
            earned[payee] += part
    cap = share_ppm(pool_wei, account_cap_ppm)
    return _rewards(resource, ((account, min(amount, cap)) for account, amount in earned.items()))


def reward_service(pools_wei: Mapping[str, int], facts: Facts) -> tuple[Reward, ...]:
    """Split the nodes' pools over what they did, and give the treasury its own.

    Inputs: the pools of `EARNERS`, wei.
    Guarantees: the rewards of each pool sum to at most the pool; a pool that nobody worked for
    is not minted.
    """
    rewards: list[Reward] = []
    for name, role in ((GATEWAYS, Role.GATEWAY), (VERIFIERS, Role.VERIFIER)):
        served: list[Service] = [item for item in facts.service if item.role is role]
        parts, _ = split_floor(pools_wei[name], [item.weight for item in served])
        rewards += _rewards(
            name, ((item.account, part) for item, part in zip(served, parts, strict=True))
        )
    rewards += _rewards(TREASURY, [(facts.network.treasury, pools_wei[TREASURY])])
    return tuple(rewards)


def _rewards(name: str, amounts: Iterable[tuple[bytes, int]]) -> tuple[Reward, ...]:
    """Return the rewards that are something, sorted by account."""
    return tuple(
        Reward(resource=name, account=account, amount_wei=amount)
        for account, amount in sorted(amounts)
        if amount > 0
    )
