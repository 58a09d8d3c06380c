"""Line losses of a radial low-voltage street, estimated from what its meters claim.

Goal: make the feeder balance sharp. What the meters feed in, less what they draw, less what the
lines lose, is what the feeder sees; so the sharper the losses are known, the smaller a lie that
shows. A constant percentage will not do: losses grow with the square of the flow.

Rule: the lines of a street form a tree whose root is the transformer. The flow through a branch is
the sum of the net energy of all meters behind it. The voltage starts at the feeder's own meter,
which no member controls, and rises or falls along every branch with the flow through it.

Invariant: integers only, one floor per branch for the loss and one for the voltage. Where a meter
stands decides how much its claim costs, hence a claim moved to another bus shows as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from commonworks.errors import require
from commonworks.units import PPM

DRAW_REACTIVE_PPM: Final = 160_000
"""Square of the reactive power that goes with drawn power, over the square of the drawn power:
0.4 squared, which is a power factor of 0.93. Power fed in is taken as free of reactive power."""

TRANSFORMER: Final = -1
"""Parent of a branch that starts at the transformer."""


def branch_flows_wh(net_wh_by_branch: Sequence[int], parent: Sequence[int]) -> tuple[int, ...]:
    """Return the energy that flows through each branch towards the transformer.

    Inputs: `net_wh_by_branch[i]`, exports less imports of the meters at the far end of branch i,
    in Wh, any sign; `parent[i]`, the branch that branch i hangs on, `TRANSFORMER` for none.
    Returns: Wh per branch, negative where the flow runs away from the transformer.
    Guarantees: the flows of the branches at the transformer add up to the sum of the nets.
    Raises: InvariantBroken unless the lengths agree and every parent comes before its children.
    """
    require(len(net_wh_by_branch) == len(parent), "one net energy for each branch")
    require(
        all(TRANSFORMER <= above < branch for branch, above in enumerate(parent)),
        "a branch comes after the one it hangs on",
    )
    flows = list(net_wh_by_branch)
    for branch in range(len(parent) - 1, -1, -1):
        if parent[branch] != TRANSFORMER:
            flows[parent[branch]] += flows[branch]
    return tuple(flows)


def losses_mwh(
    net_wh_by_branch: Sequence[int],
    parent: Sequence[int],
    resistance_uohm: Sequence[int],
    voltage_mv: int,
    interval_s: int,
    *,
    reactive_ppm: int = DRAW_REACTIVE_PPM,
) -> int:
    """Return the energy that the lines lose in one interval, in mWh (thousandths of a Wh).

    Inputs: `net_wh_by_branch` and `parent` as in `branch_flows_wh`; `resistance_uohm[i] >= 0` of
    one phase conductor of branch i; `voltage_mv > 0`, line to neutral at the transformer's
    low-voltage side; `interval_s > 0`; `reactive_ppm >= 0` (see `DRAW_REACTIVE_PPM`).

    Formula, three balanced phases, with flow E in Wh, T in s, R in micro-ohm, U in mV:
        P [W]       = E * 3600 / T
        U_child     = U_parent + R * P / (3 * U_parent)     [V]  = U + 1200 * R * E / (T * U)  [mV]
        loss [W]    = R * P^2 / (3 * U_child^2)             [V]
        loss [mWh]  = 1,200,000 * R * E^2 / (T * U_child^2)
    and a branch that draws (E < 0) loses (1 + reactive_ppm / 1,000,000) times that. Both divisions
    floor. U_child is never taken below half of `voltage_mv`: no line delivers power below that.

    Returns: >= 0. Guarantees: pure integers, total for any claim, however absurd; zero without
    flow; does not depend on the order of branches beyond parents first.
    Raises: InvariantBroken for lengths that differ, a wrong order or an argument out of range.
    Source: Baran and Wu, "Network reconfiguration in distribution systems for loss reduction and
    load balancing" (1989), the linear branch-flow equations without their reactive terms; fitted
    to a power flow of a real street in docs/guide/street-data.md.
    """
    require(voltage_mv > 0 and interval_s > 0 and reactive_ppm >= 0, "losses of an impossible line")
    require(len(resistance_uohm) == len(parent), "one resistance for each branch")
    require(all(ohms >= 0 for ohms in resistance_uohm), "a resistance is never negative")
    flows = branch_flows_wh(net_wh_by_branch, parent)
    voltages_mv: list[int] = []
    total_mwh = 0
    for flow, above, resistance in zip(flows, parent, resistance_uohm, strict=True):
        start_mv = voltage_mv if above == TRANSFORMER else voltages_mv[above]
        rise_mv = 1_200 * resistance * flow // (interval_s * start_mv)
        end_mv = max(start_mv + rise_mv, voltage_mv // 2, 1)
        voltages_mv.append(end_mv)
        weight_ppm = PPM + (reactive_ppm if flow < 0 else 0)
        above_line = 1_200_000 * resistance * flow * flow * weight_ppm
        total_mwh += above_line // (interval_s * end_mv * end_mv * PPM)
    return total_mwh
