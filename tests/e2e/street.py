"""The demo's two days as a folder and a document, and how a test looks into both."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import Done

GATEWAY = "gateway-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A demo that ran to its end."""

    home: Path
    """Its folder; tests that change anything copy it."""
    ran: Done
    """What it printed."""

    @property
    def document(self) -> dict[str, Any]:
        """What it printed for programs."""
        document: dict[str, Any] = self.ran.document
        return document

    def copy(self, target: Path) -> Path:
        """Return a copy of its folder; its chain listens where nobody else's does."""
        shutil.copytree(self.home, target)
        (target / "chain" / "port").unlink(missing_ok=True)
        return target


def results(document: dict[str, Any]) -> list[str]:
    """Return the result hash of every epoch of a demo's document."""
    return [epoch["result"] for epoch in document["epochs"]]
