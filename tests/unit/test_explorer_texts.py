"""Every text of the explorer in every language: collected, translated, with the same places."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from commonworks.explorer.web import i18n
from commonworks.explorer.web.i18n import Languages
from commonworks.wiring.discover import installed_resources, select_resources

ROOT = Path(__file__).parents[2]
CATALOGUES = sorted((ROOT / "src").rglob("locale/*/LC_MESSAGES/*.po"))
EXPLORER = (ROOT / "src/commonworks/explorer", ROOT / "src/commonworks/wiring/explorer")
OPERATOR = (
    "explorer/index/", "explorer/archive.py", "explorer/joining.py", "explorer/alerting.py",
    "explorer/backtests.py", "explorer/app.py", "explorer/web/proxies.py",
    "explorer/indexing.py", "explorer/running.py",
)  # fmt: skip
"""What only an operator is told, on a terminal; outcomes of back-tests are codes (test below)."""
OPERATORS_WORDS = re.compile(r"_path|the SMTP setting")
ERRORS = {"InvalidInput", "NotFound", "Conflict", "Unavailable", "Unauthorized"}
PLACE = re.compile(r"%(?:\((\w+)\))?[sd%]")


def messages() -> list[tuple[str, Message]]:
    return [
        (path.parent.parent.name, message)
        for path in CATALOGUES
        for message in read_po(BytesIO(path.read_bytes()))
        if message.id
    ]


def forms(value: object) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (str(value),)


def test_catalogues_are_whole_and_up_to_date() -> None:
    script = ROOT / "scripts" / "build_texts.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run scripts/build_texts.py"


def test_translations_keep_the_places_of_values() -> None:
    assert len(CATALOGUES) >= 2
    for language, message in messages():
        wanted = {place for form in forms(message.id) for place in PLACE.findall(form)}
        for form in forms(message.string):
            assert form, f"{language}: {message.id!r} is not translated"
            missing = wanted ^ set(PLACE.findall(form))
            assert not missing - {"num"}, f"{language}: {message.id!r} -> {form!r}: {missing}"


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "chosen"),
    [
        (None, None, "", "en"),
        (None, None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, None, "fr;q=1,en;q=0.2,de;q=0.7", "de"),
        (None, "en", "de", "en"),
        ("de", "en", "en", "de"),
        ("xx", None, "de;q=junk, en", "en"),
    ],
)
def test_a_language_is_chosen(
    asked: str | None, kept: str | None, accepted: str, chosen: str
) -> None:
    languages = Languages(select_resources(tuple(installed_resources())))
    assert languages.choose(asked, kept, accepted) == chosen


def test_texts_of_the_explorer_and_of_resources_are_translated() -> None:
    resources = select_resources(tuple(installed_resources()))
    languages = Languages(resources)
    assert "de" in languages.codes
    try:
        languages.use("de")
        assert i18n.gettext("Devices") == "Geräte"
        for resource in resources.values():
            if resource.name == "energy":
                assert i18n.gettext(resource.title) != resource.title
        assert i18n.ngettext("%(num)s hour", "%(num)s hours", 2) == "2 Stunden"
    finally:
        languages.use("en")


def _raised(path: Path) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS
    ]


def test_what_a_reader_did_wrong_is_said_in_the_readers_language() -> None:
    """Words of an error are a text of the catalogue, not one that stands in the code alone."""
    paths = [path for folder in EXPLORER for path in sorted(folder.rglob("*.py"))]
    seen = 0
    for path in paths:
        if any(part in path.as_posix() for part in OPERATOR):
            continue
        for call in _raised(path):
            words = [*call.args[:1], *(one.value for one in call.keywords if one.arg == "hint")]
            if OPERATORS_WORDS.search(ast.unparse(call)):
                continue
            seen += 1
            for one in words:
                plain = isinstance(one, ast.JoinedStr) or (
                    isinstance(one, ast.Constant) and bool(one.value)
                )
                assert not plain, f"{path.name}:{call.lineno} {ast.unparse(one)}"
    assert seen > 100
