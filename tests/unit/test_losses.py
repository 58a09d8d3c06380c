"""Line losses: numbers a person can check with a pocket calculator, and claims of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonworks.errors import InvariantBroken
from commonworks.resources.energy.losses import TRANSFORMER, branch_flows_wh, losses_mwh

# A line of 0.03 ohm at 230 V: 23 kW for an hour is 33.3 A in each phase, hence 1 V along it.
ONE_LINE = {
    "parent": [TRANSFORMER],
    "resistance_uohm": [30_000],
    "voltage_mv": 230_000,
    "interval_s": 3_600,
}


def test_a_line_that_feeds_in_loses_at_the_higher_voltage_of_its_end() -> None:
    # 3 phases * 0.03 ohm * (23,000 W / 3 / 231 V)^2 = 99.1361 W for one hour
    assert losses_mwh([23_000], **ONE_LINE) == 99_136


def test_a_line_that_draws_loses_more_at_lower_voltage_and_with_reactive_power() -> None:
    # 3 * 0.03 * (23,000 / 3 / 229)^2 = 100.8753 W; times 1.16 = 117.0153 W
    assert losses_mwh([-23_000], **ONE_LINE, reactive_ppm=0) == 100_875
    assert losses_mwh([-23_000], **ONE_LINE) == 117_015


def test_a_quarter_hour_of_the_same_power_loses_a_quarter() -> None:
    quarter = {**ONE_LINE, "interval_s": 900}
    assert losses_mwh([5_750], **quarter) == 99_136 // 4


def test_flows_add_up_towards_the_transformer() -> None:
    # transformer - 0 - 1 - 3, 0 - 2 and another line 4 at the transformer
    parent = [TRANSFORMER, 0, 0, 1, TRANSFORMER]
    assert branch_flows_wh([2, 3, -5, 7, -11], parent) == (7, 10, -5, 7, -11)


def test_what_flows_between_neighbours_on_one_bus_costs_nothing() -> None:
    assert losses_mwh([0], **ONE_LINE) == 0


def test_the_far_end_pays_for_every_line_on_its_way() -> None:
    street = {
        "parent": [TRANSFORMER, 0],
        "resistance_uohm": [30_000, 30_000],
        "voltage_mv": 230_000,
        "interval_s": 3_600,
    }
    near = losses_mwh([23_000, 0], **street)
    far = losses_mwh([0, 23_000], **street)
    assert near == 99_136
    # second line: 231 V + 33,189 mA * 0.03 ohm = 231.995 V; 3 * 0.03 * (23,000 / 3 / 231.995)^2
    assert far == 99_136 + 98_287


def test_losses_grow_with_the_square_of_the_flow() -> None:
    small = losses_mwh([10_000], **ONE_LINE)
    large = losses_mwh([100_000], **ONE_LINE)
    assert 96 * small < large < 100 * small  # a little less, because the voltage rises


def test_an_absurd_claim_is_still_a_number() -> None:
    assert losses_mwh([-(2**62)], **ONE_LINE) > 0
    assert losses_mwh([2**62], **ONE_LINE) >= 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"parent": [0]},
        {"parent": [TRANSFORMER, 0]},
        {"resistance_uohm": [-1]},
        {"resistance_uohm": [1, 1]},
        {"voltage_mv": 0},
        {"interval_s": 0},
    ],
)
def test_an_impossible_line_is_our_own_mistake(wrong: dict[str, object]) -> None:
    with pytest.raises(InvariantBroken):
        losses_mwh([1], **{**ONE_LINE, **wrong})


@given(
    nets=st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=8),
    data=st.data(),
)
def test_any_claim_on_any_tree_gives_a_loss(nets: list[int], data: st.DataObject) -> None:
    parent = [data.draw(st.integers(TRANSFORMER, i - 1)) for i in range(len(nets))]
    ohms = data.draw(st.lists(st.integers(0, 10**9), min_size=len(nets), max_size=len(nets)))
    roots = sum(
        f for f, above in zip(branch_flows_wh(nets, parent), parent, strict=True) if above < 0
    )
    assert roots == sum(nets)
    assert losses_mwh(nets, parent, ohms, 230_000, 900) >= 0
    assert losses_mwh(nets, parent, [0] * len(nets), 230_000, 900) == 0
