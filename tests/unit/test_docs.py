"""Documentation that is wrong fails the build: links, commands, reference pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from commonworks.cli.main import root

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "node_modules", ".tools", "home", "lib", ".hypothesis"} & set(path.parts)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"^\s*(?:\.venv/bin/)?(commonworks .*)$")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


def test_reference_is_up_to_date() -> None:
    script = ROOT / "scripts" / "build_reference.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def shown_commands() -> list[tuple[str, str]]:
    """Return the `commonworks ...` lines in the code blocks of readme and guides."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]:
        inside = False
        for line in page.read_text().splitlines():
            if line.startswith("```"):
                inside = not inside
            match = COMMAND.match(line.split("#")[0].rstrip()) if inside else None
            if match:
                found.extend((name_of(page), part) for part in match[1].split(" && "))
    assert found, "the guides show commands"
    return found


@pytest.mark.parametrize(("page", "line"), shown_commands())
def test_commands_shown_exist_with_their_options(page: str, line: str) -> None:
    words = line.replace('"', "").split()
    command: click.Command = root
    used = 1
    while isinstance(command, click.Group):
        assert used < len(words), f"{page}: {line} names no command"
        child = command.get_command(click.Context(command), words[used])
        assert child is not None, f"{page}: there is no command {words[used]} in {line}"
        command, used = child, used + 1
    options = {name for parameter in command.params for name in parameter.opts}
    options |= {name for parameter in command.params for name in parameter.secondary_opts}
    for word in words[used:]:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"{page}: {line} has no option {word}"


def test_every_make_target_of_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"`make ([a-z-]+)", page.read_text()):
            assert target in targets, f"{name_of(page)} speaks of make {target}"


def test_make_alone_lists_the_targets() -> None:
    text = (ROOT / "Makefile").read_text()
    for target in ("run", "test", "lint", "bench", "clean"):
        assert re.search(rf"^{target}:.*##", text, re.MULTILINE), f"{target} has no help line"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
