"""Parameters and the policy of one epoch."""

from __future__ import annotations

import pytest

from commonworks.errors import InvalidInput
from commonworks.policy import KERNEL_PARAMETERS, Parameter, Policy, parameter_table
from commonworks.resources.energy.parameters import PARAMETERS


def parameter(key: str = "gauge.rate", default: int = 5) -> Parameter:
    """Return a parameter of 3..7."""
    return Parameter(
        key=key, unit="ppm", minimum=3, maximum=7, default=default, description="A rate."
    )


POLICY = Policy(
    epoch=3, values={"rate": 5, "nobody": 0, "payee": 0xAB, "rules": -1}, history_hash=bytes(32)
)


@pytest.mark.parametrize("value", [3, 7])
def test_bounds_are_inclusive(value: int) -> None:
    assert parameter().check(value) == value


@pytest.mark.parametrize("value", [2, 8])
def test_beyond_the_bounds(value: int) -> None:
    with pytest.raises(InvalidInput, match=r"gauge\.rate"):
        parameter().check(value)


def test_values() -> None:
    assert POLICY["rate"] == 5
    with pytest.raises(InvalidInput, match="epoch 3 has no parameter speed"):
        POLICY["speed"]


def test_accounts() -> None:
    assert POLICY.account("payee") == bytes(19) + b"\xab"
    assert POLICY.account("nobody") is None


def test_the_rules_hash_is_a_word() -> None:
    assert POLICY.rules_hash == b"\xff" * 32


def test_a_table_of_all() -> None:
    table = parameter_table([KERNEL_PARAMETERS, PARAMETERS])
    assert len(table) == len(KERNEL_PARAMETERS) + len(PARAMETERS)
    assert all(item.description.endswith(".") for item in table.values())


@pytest.mark.parametrize(
    "group",
    [
        [parameter(), parameter()],
        [parameter("é")],
        [parameter("k" * 32)],
        [parameter(default=9)],
    ],
)
def test_what_no_table_takes(group: list[Parameter]) -> None:
    with pytest.raises(InvalidInput):
        parameter_table([group])
