"""The guide to the economy: every example is run, every formula has a source and an example."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "economy.md"
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
EXAMPLE = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SOURCE = re.compile(r"`((?:src|contracts|tests)/[\w./]+)`")
FORMULAS = (
    "Emission", "Halvings", "Shares", "Split over work", "What nodes earn", "Payees",
    "Growth limits", "The exchange", "Threshold and quorum", "Delays",
)  # fmt: skip


def sections() -> dict[str, str]:
    """Return the page's sections by title, in order."""
    parts = SECTION.split(PAGE.read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_example_gives_what_the_page_says() -> None:
    """All of them in one session, as a reader would type them from top to bottom."""
    text = "\n".join(example for example in EXAMPLE.findall(PAGE.read_text()))
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 30
    told: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert result.failed == 0, "".join(told)


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_formula_has_a_source_and_an_example(formula: str) -> None:
    (text,) = (text for title, text in sections().items() if title.startswith(formula))
    assert EXAMPLE.search(text), f"{formula} has no example"
    sources = SOURCE.findall(text)
    assert sources, f"{formula} names no source"
    for source in sources:
        assert (ROOT / source).is_file(), f"{formula} names {source}, which is not there"


def test_nothing_stands_there_without_an_example() -> None:
    assert len(sections()) == len(FORMULAS)


def test_an_example_that_is_wrong_is_seen() -> None:
    """The test of the page can fail."""
    wrong = PAGE.read_text().replace("[1000, 875, 750, 500, 250, 0]", "[1000, 875, 750]")
    text = "\n".join(EXAMPLE.findall(wrong))
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda _: None).failed == 1
