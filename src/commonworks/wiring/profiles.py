"""Profiles: what kind of economy a network starts with.

`commons`: a token that pays contributors, that nodes bond, that votes and that can be sold.
`coop`: members vote, one vote each; nodes bond the settlement currency; nothing is minted or sold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonworks.chain.manifest import Bonds, Votes
from commonworks.policy import Parameter
from commonworks.units import DAY_S, WEI


class Profile(StrEnum):
    """Kind of economy."""

    COMMONS = "commons"
    COOP = "coop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """What a profile fixes. Token amounts in wei, bonds in the bond asset's smallest unit."""

    votes: Votes
    bonds: Bonds
    cap_wei: int
    emission_wei_per_day: int
    """Emission of the first epoch, were it a day."""
    treasury_wei: int
    """Allocated to the timelock, which members govern."""
    liquidity_wei: int
    """What an exchange of the network's own starts with."""
    liquidity_currency: int
    """Beside it, in whole units of the settlement currency."""
    verifier_bond: int
    """What the first verifier bonds."""
    gateway_bond: int
    """What the first gateway bonds."""
    bond_min: int
    """Smallest bond that counts at first, of verifiers and of gateways."""


SLACK_S: Final = 3 * DAY_S
"""Time to attest an epoch, beyond what it takes to close, before anybody can open the exit."""
HALF_LIFE_DAYS: Final = 730
HALF_LIFE_RANGE: Final = 4
"""A vote can move the half-life to a quarter and to four times what it is at genesis."""


def economy_of(profile: Profile, currency_decimals: int) -> Economy:
    """Return what a profile fixes where the settlement currency has so many decimals."""
    unit = 10**currency_decimals
    if profile is Profile.COOP:
        return Economy(
            votes=Votes.MEMBERSHIP,
            bonds=Bonds.CURRENCY,
            cap_wei=0,
            emission_wei_per_day=0,
            treasury_wei=0,
            liquidity_wei=0,
            liquidity_currency=0,
            verifier_bond=1_000 * unit,
            gateway_bond=100 * unit,
            bond_min=100 * unit,
        )
    return Economy(
        votes=Votes.TOKEN,
        bonds=Bonds.TOKEN,
        cap_wei=100_000_000 * WEI,
        emission_wei_per_day=10_000 * WEI,
        treasury_wei=10_000_000 * WEI,
        liquidity_wei=50_000 * WEI,
        liquidity_currency=5_000,
        verifier_bond=100_000 * WEI,
        gateway_bond=10_000 * WEI,
        bond_min=1_000 * WEI,
    )


def half_life(epoch_length_s: int) -> tuple[int, int, int]:
    """Return (value, smallest, largest) of the half-life for epochs of this length, in epochs."""
    value = max(1, HALF_LIFE_DAYS * DAY_S // epoch_length_s)
    return value, max(1, value // HALF_LIFE_RANGE), value * HALF_LIFE_RANGE


def profile_values(economy: Economy, epoch_length_s: int) -> dict[str, int]:
    """Return the parameters that a profile starts with, where they are not the defaults."""
    return {
        "half_life_epochs": half_life(epoch_length_s)[0],
        "verifier_bond_min": economy.bond_min,
        "gateway_bond_min": economy.bond_min,
    }


def bounds_of(key: str, table: Mapping[str, Parameter], epoch_length_s: int) -> tuple[int, int]:
    """Return the bounds that a parameter gets in a network with epochs of this length."""
    if key == "half_life_epochs":
        return half_life(epoch_length_s)[1:]
    least, most = table[key].minimum, table[key].maximum
    if key == "exit_after_s":
        # What an epoch may take to close, and some days to attest, must pass before any exit.
        closing = table["grace_s"].maximum + table["confirm_s"].maximum
        least = max(least, epoch_length_s + closing + SLACK_S)
    return least, most
