"""Compare what slither found in the contracts with the answers in docs/reference/slither.md.

Usage: check_slither.py REPORT.json LOG. An answer is a row of the page's tables: detector, place,
reason. The place is `Contract.function`, or `*` for a detector that is answered once and for all.
Exits with 1 when a finding has no answer or an answer no finding.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference" / "slither.md"
ROW: Final = re.compile(r"^\| `([a-z0-9-]+)` \| `([^`]+)` \| (.+) \|$", re.MULTILINE)
UNREAD: Final = re.compile(r"(?:Impossible|Failed) to generate IR for ([\w.]+)")
NOT_ANALYSED: Final = "not-analysed"
"""Stands for a detector where slither could not read a function at all."""
EVERYWHERE: Final = "*"

Finding = tuple[str, str]
"""Detector and place."""


def main() -> int:
    """Compare and print what does not match; return the exit code."""
    report, log = Path(sys.argv[1]), Path(sys.argv[2])
    found = {*_findings(json.loads(report.read_text())), *_unread(log.read_text())}
    answers = {(row[1], row[2]) for row in ROW.finditer(PAGE.read_text())}
    open_findings = sorted(
        f for f in found if f not in answers and (f[0], EVERYWHERE) not in answers
    )
    detectors = {detector for detector, _ in found}
    stale = sorted(
        a for a in answers if a not in found and not (a[1] == EVERYWHERE and a[0] in detectors)
    )
    for detector, place in open_findings:
        print(f"slither: {detector} at {place} has no answer in docs/reference/slither.md")
    for detector, place in stale:
        print(f"docs/reference/slither.md: {detector} at {place} is found no more")
    if not open_findings and not stale:
        print(f"slither: {len(found)} findings, each answered")
    return 1 if open_findings or stale else 0


def _findings(report: Mapping[str, Any]) -> Iterator[Finding]:
    if not report["success"]:
        raise SystemExit(f"slither: {report['error']}")
    for finding in report["results"].get("detectors", ()):
        yield finding["check"], _place(finding["elements"][0])


def _place(element: Mapping[str, Any]) -> str:
    """Return `Contract.member` of what a finding is about, from the outermost name inwards."""
    parent = element.get("type_specific_fields", {}).get("parent")
    if parent is None or parent["type"] not in ("contract", "function"):
        return str(element["name"])
    return f"{_place(parent)}.{element['name']}"


def _unread(log: str) -> Iterator[Finding]:
    for match in UNREAD.finditer(log):
        yield NOT_ANALYSED, match[1]


if __name__ == "__main__":
    sys.exit(main())
