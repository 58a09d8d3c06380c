"""The governed parameters in force for one epoch.

A parameter has a key, a unit, bounds, a default and a sentence that says what it does. Values are
integers; a change takes effect when an epoch opens, so one epoch has one policy from start to end.
This module knows no resource: a resource brings its own parameters under its own prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from commonworks.errors import InvalidInput
from commonworks.units import DAY_S, HOUR_S, PPM, WEI

KEY_MAX_BYTES: Final = 31
"""A key is stored left-aligned in 32 bytes on chain; one byte stays free as terminator."""

ADDRESS_MAX: Final = 2**160 - 1
"""An account as an integer parameter; 0 means `nobody`."""

INT256_MAX: Final = 2**255 - 1
INT256_MIN: Final = -(2**255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One governed number: what it means and how far a vote may move it."""

    key: str
    """ASCII, at most 31 bytes; a resource's own keys start with `<resource>.`."""
    unit: str
    """Unit of the value: s, ppm, wei, address, micro per kilo-unit, ..."""
    minimum: int
    """Smallest value that a vote can set (inclusive)."""
    maximum: int
    """Largest value that a vote can set (inclusive)."""
    default: int
    """Value at genesis unless the manifest says otherwise."""
    description: str
    """One sentence: what changes when this number does."""

    def check(self, value: int) -> int:
        """Return `value` when it lies within the bounds; raise InvalidInput otherwise."""
        if not self.minimum <= value <= self.maximum:
            raise InvalidInput(
                f"parameter {self.key} = {value} is outside {self.minimum}..{self.maximum}",
                hint="choose a value within the bounds",
                key=self.key,
            )
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The values in force for one epoch, and the on-chain hash of the history they come from."""

    epoch: int
    """Epoch for which these values hold."""
    values: Mapping[str, int]
    """Every parameter's value by key."""
    history_hash: bytes
    """Rolling keccak-256 over all changes up to this epoch, as the Policy contract keeps it."""

    def __getitem__(self, key: str) -> int:
        """Return the value of `key`; a missing key raises InvalidInput naming it."""
        try:
            return self.values[key]
        except KeyError:
            raise InvalidInput(
                f"the policy of epoch {self.epoch} has no parameter {key}",
                hint="this network was founded without it; a vote must define it first",
                key=key,
            ) from None

    def account(self, key: str) -> bytes | None:
        """Return an address-valued parameter as 20 bytes, or None where it names nobody."""
        value = self[key]
        return value.to_bytes(20, "big") if value else None

    @property
    def rules_hash(self) -> bytes:
        """Hash of the rules (sources and tables) that this epoch settles by, 32 bytes."""
        return (self["rules"] % 2**256).to_bytes(32, "big")


KERNEL_PARAMETERS: Final[tuple[Parameter, ...]] = (
    Parameter(
        key="grace_s", unit="s", minimum=0, maximum=7 * DAY_S, default=3600,
        description="How long after an epoch's end evidence may still reach a gateway in time.",
    ),
    Parameter(
        key="confirm_s", unit="s", minimum=1, maximum=7 * DAY_S, default=1800,
        description="How long verifiers have after the grace period to confirm what they hold.",
    ),
    Parameter(
        key="hold_s", unit="s", minimum=0, maximum=7 * DAY_S, default=3600,
        description="How long a finalised root waits before it can be claimed against.",
    ),
    Parameter(
        key="halt_s", unit="s", minimum=0, maximum=7 * DAY_S, default=2 * DAY_S,
        description="How long a root that was stopped in its hold period stays stopped.",
    ),
    Parameter(
        key="quorum_ppm", unit="ppm", minimum=500_001, maximum=PPM, default=666_667,
        description="Share of the verifiers' stake that freezes evidence and finalises an epoch.",
    ),
    Parameter(
        key="exit_after_s", unit="s", minimum=15 * DAY_S, maximum=365 * DAY_S, default=30 * DAY_S,
        description="How long nothing may finalise before anyone can open the Vault's exit.",
    ),
    Parameter(
        key="unbonding_s", unit="s", minimum=DAY_S, maximum=90 * DAY_S, default=14 * DAY_S,
        description="How long a node's bond stays at stake after it asked to leave.",
    ),
    Parameter(
        key="guardian_cooldown_s", unit="s", minimum=8 * DAY_S, maximum=365 * DAY_S,
        default=30 * DAY_S,
        description="How long after one halt has ended the guardian cannot halt again.",
    ),
    Parameter(
        key="verifier_bond_min", unit="bond", minimum=0, maximum=10**9 * WEI,
        default=1_000 * WEI,
        description="Smallest bond with which a verifier's voice counts.",
    ),
    Parameter(
        key="gateway_bond_min", unit="bond", minimum=0, maximum=10**9 * WEI,
        default=1_000 * WEI,
        description="Smallest bond with which a gateway shares in the emission.",
    ),
    Parameter(
        key="currency_growth_max", unit="micro", minimum=1, maximum=10**30,
        default=1_000_000 * 10**6,
        description="Most by which earnings in the settlement currency grow in one epoch.",
    ),
    Parameter(
        key="token_growth_max_wei", unit="wei", minimum=WEI, maximum=10**9 * WEI,
        default=10**6 * WEI,
        description="Most by which earnings in the network's token grow in one epoch.",
    ),
    Parameter(
        key="half_life_epochs", unit="epochs", minimum=1, maximum=10**9, default=730,
        description="Epochs after which the emission has halved.",
    ),
    Parameter(
        key="emission.verifiers_ppm", unit="ppm", minimum=0, maximum=PPM, default=100_000,
        description="Weight of the verifiers' share of an epoch's emission.",
    ),
    Parameter(
        key="emission.gateways_ppm", unit="ppm", minimum=0, maximum=PPM, default=50_000,
        description="Weight of the gateways' share of an epoch's emission.",
    ),
    Parameter(
        key="emission.treasury_ppm", unit="ppm", minimum=0, maximum=PPM, default=100_000,
        description="Weight of the treasury's share of an epoch's emission.",
    ),
    Parameter(
        key="voting_delay_s", unit="s", minimum=0, maximum=14 * DAY_S, default=DAY_S,
        description="How long after a proposal its vote begins.",
    ),
    Parameter(
        key="voting_period_s", unit="s", minimum=HOUR_S, maximum=30 * DAY_S, default=5 * DAY_S,
        description="How long a vote lasts.",
    ),
    Parameter(
        key="proposal_threshold_ppm", unit="ppm", minimum=0, maximum=100_000, default=1_000,
        description="Share of all votes that somebody needs to propose; one vote at least.",
    ),
    Parameter(
        key="vote_quorum_ppm", unit="ppm", minimum=10_000, maximum=500_000, default=100_000,
        description="Share of all votes that must be for a proposal or abstain.",
    ),
    Parameter(
        key="timelock_delay_s", unit="s", minimum=HOUR_S, maximum=30 * DAY_S, default=2 * DAY_S,
        description="How long a successful proposal waits before it can be executed.",
    ),
    Parameter(
        key="relay_gas_member", unit="gas", minimum=0, maximum=10**9, default=3_000_000,
        description="Gas that a relay pays for one member in an epoch.",
    ),
    Parameter(
        key="relay_gas_total", unit="gas", minimum=0, maximum=10**12, default=300_000_000,
        description="Gas that a relay pays for everybody in an epoch.",
    ),
    Parameter(
        key="lateness_s", unit="s", minimum=DAY_S, maximum=90 * DAY_S, default=7 * DAY_S,
        description="How old a report's readings may be when they settle at last.",
    ),
    Parameter(
        key="retention_s", unit="s", minimum=30 * DAY_S, maximum=3_650 * DAY_S,
        default=730 * DAY_S,
        description="How long after an epoch its sealed payloads must be kept.",
    ),
    Parameter(
        key="account_cap_ppm", unit="ppm", minimum=1, maximum=PPM, default=400_000,
        description="Largest share of one resource's emission that one account gets in an epoch.",
    ),
    Parameter(
        key="map_resolution", unit="H3 resolution", minimum=0, maximum=15, default=7,
        description="How finely pages and new enrolments may say where a device is: a smaller "
        "number means larger map cells, at once and for every device.",
    ),
    Parameter(
        key="rules", unit="hash", minimum=INT256_MIN, maximum=INT256_MAX, default=0,
        description="Hash of the rules in force: sources and tables of every settling module.",
    ),
)  # fmt: skip
"""What the kernel and the contracts read. Times are network time in seconds."""


def parameter_table(groups: Iterable[Iterable[Parameter]]) -> dict[str, Parameter]:
    """Return all parameters by key; two with the same key or an overlong key are refused."""
    table: dict[str, Parameter] = {}
    for group in groups:
        for parameter in group:
            if parameter.key in table:
                raise InvalidInput(f"parameter {parameter.key} is declared twice")
            if not parameter.key.isascii() or len(parameter.key) > KEY_MAX_BYTES:
                raise InvalidInput(
                    f"parameter key {parameter.key!r} does not fit {KEY_MAX_BYTES} bytes"
                )
            parameter.check(parameter.default)
            table[parameter.key] = parameter
    return table
