"""The error tree: one line each, fields for programs, one table of codes."""

from __future__ import annotations

import pytest

from commonworks import errors
from commonworks.errors import (
    CODES,
    CommonworksError,
    Conflict,
    InvariantBroken,
    NotFound,
    Unavailable,
    exit_code,
    http_status,
    require,
)


def test_what_a_person_reads() -> None:
    assert str(NotFound("no such device")) == "no such device"
    error = Conflict("port 7 is taken", hint="choose another", port=7)
    assert str(error) == "port 7 is taken; choose another"
    assert (error.message, error.hint, error.fields) == (
        "port 7 is taken",
        "choose another",
        {"port": 7},
    )


def test_every_class_has_its_own_codes() -> None:
    tree = {
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, CommonworksError)
    }
    assert tree - {CommonworksError} == set(CODES)
    assert len({code for _, code in CODES.values()}) == len(CODES)
    assert not {code for _, code in CODES.values()} & {0, 1}
    assert all(400 <= status < 600 for status, _ in CODES.values())


def test_codes_of_a_subclass() -> None:
    class FullDisk(Unavailable):
        """A kind of it."""

    assert (http_status(FullDisk("full")), exit_code(FullDisk("full"))) == (503, 6)


def test_a_broken_invariant_stands_outside() -> None:
    require(True, "fine")
    with pytest.raises(InvariantBroken, match="wrong"):
        require(False, "wrong")
    assert not issubclass(InvariantBroken, CommonworksError)
