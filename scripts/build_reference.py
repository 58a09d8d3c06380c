"""Write docs/reference from the code: commands, parameters, reasons, error codes.

The test suite runs it with --check: a command, reason or parameter that is not documented, or a
page that fell behind, fails the build.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from commonworks.cli.main import root
from commonworks.errors import CODES
from commonworks.resources.base import Resource
from commonworks.statements.model import REASONS, REFUSALS
from commonworks.wiring.discover import parameters, select_resources

BUILT_IN = ("energy",)
TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Made by scripts/build_reference.py; edit the code, then run it. -->\n"


def commands() -> str:
    """Return the page of commands."""
    parts = [
        NOTE,
        "# Commands\n",
        "Data on stdout, words for people on stderr. `--json` where a program would read it.\n",
    ]
    for path, command in _walk(root, "commonworks"):
        context = click.Context(command, info_name=path, max_content_width=100)
        parts.append(f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _walk(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        path = f"{prefix} {name}"
        if command is None:
            continue
        if isinstance(command, click.Group):
            yield from _walk(command, path)
        else:
            yield path, command


def policy() -> str:
    """Return the page of parameters."""
    rows = [
        f"| `{p.key}` | {p.unit} | {p.minimum} | {p.maximum} | {p.default} | {p.description} |"
        for _, p in sorted(parameters(select_resources(BUILT_IN)).items())
    ]
    return "\n".join(
        [
            NOTE,
            "# Parameters\n",
            "What can be voted on. A change takes effect when an epoch opens, within the bounds.\n",
            "| key | unit | minimum | maximum | default | meaning |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def reasons() -> str:
    """Return the page of reasons, refusals, and purposes."""
    parts = [NOTE, "# Reasons\n", "Closed lists; a published reason never changes its meaning.\n"]
    parts += ["## Why a statement is rejected\n", _table(REASONS.items())]
    parts += ["## Why a gateway refuses a submission\n", _table(REFUSALS.items())]
    for resource in select_resources(BUILT_IN).values():
        parts += [f"## Reasons of `{resource.name}`\n", _advised(resource)]
        parts += [f"## Purposes of payments of `{resource.name}`\n"]
        parts += [_sides(resource)]
    return "\n".join(parts)


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| `{code}` | {meaning} |" for code, meaning in rows]
    return "\n".join(["| code | meaning |", "|---|---|", *lines, ""])


def _sides(resource: Resource) -> str:
    lines = [
        f"| `{code}` | {resource.purpose(code)} | {resource.purpose(code, received=True)} |"
        for code in resource.purposes
    ]
    return "\n".join(["| code | for who pays | for who gets it |", "|---|---|---|", *lines, ""])


def _advised(resource: Resource) -> str:
    lines = [
        f"| `{code}` | {meaning} | {resource.advice[code]} |"
        for code, meaning in resource.reasons.items()
    ]
    return "\n".join(["| code | meaning | what the owner should do |", "|---|---|---|", *lines, ""])


def errors() -> str:
    """Return the page of error classes."""
    rows = [
        f"| `{kind.__name__}` | {status} | {code} | {(kind.__doc__ or '').strip()} |"
        for kind, (status, code) in CODES.items()
    ]
    return "\n".join(
        [
            NOTE,
            "# Errors\n",
            "Every failure ends as one line that says what is wrong and what to do. Exit code 0 is",
            "success, 1 a check that found a difference, 130 Ctrl-C.\n",
            "| error | HTTP status | exit code | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES = {
    "commands.md": commands,
    "parameters.md": policy,
    "reasons.md": reasons,
    "errors.md": errors,
}


def main() -> int:
    """Write the pages, or with --check tell which ones fell behind."""
    behind = []
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        path, text = TARGET / name, make()
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                behind.append(name)
        else:
            path.write_text(text)
    if behind:
        print(f"docs/reference is behind: {', '.join(behind)}; run scripts/build_reference.py")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
