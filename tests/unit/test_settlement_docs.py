"""The specification names everything that settlement and energy can say; its links resolve."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commonworks.resources.energy import RESOURCE
from commonworks.statements.model import Reason

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "docs" / "spec"
README = ROOT / "src" / "commonworks" / "resources" / "energy" / "README.md"
PAGES = (SPEC / "settlement.md", SPEC / "payout-tree.md", SPEC / "energy.md", README)


def named(page: Path) -> set[str]:
    """Return everything that a page puts in backquotes."""
    return set(re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")))


def test_every_reason_of_the_kernel() -> None:
    assert {str(reason) for reason in Reason} <= named(SPEC / "settlement.md")


def test_every_reason_and_purpose_of_energy() -> None:
    assert {*map(str, RESOURCE.reasons), *map(str, RESOURCE.purposes)} <= named(SPEC / "energy.md")


def test_every_column_and_parameter_of_energy() -> None:
    columns = {c.name for schema in RESOURCE.schemas.values() for c in schema.columns}
    keys = {parameter.key for parameter in RESOURCE.parameters}
    assert columns | keys <= named(SPEC / "energy.md")


def test_no_reason_that_does_not_exist() -> None:
    known = {*map(str, RESOURCE.reasons), *map(str, RESOURCE.purposes)}
    known |= {parameter.key for parameter in RESOURCE.parameters}
    for page in (SPEC / "energy.md", README):
        assert {word for word in named(page) if word.startswith("energy.")} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target
