"""JSON that somebody else wrote, or a disk has damaged, parsed without trusting it."""

from __future__ import annotations

import json
from typing import Any, Final

BRACKETS_MAX: Final = 10_000
"""Most lists and objects in one document. Bounds the nesting: the libraries that sign for Ethereum
raise Python's recursion limit so far that the decoder would overflow the C stack."""


def require_shallow(data: bytes) -> None:
    """Raise ValueError for a document that could be nested deeper than it may be parsed."""
    if data.count(b"[") + data.count(b"{") > BRACKETS_MAX:
        raise ValueError(f"more than {BRACKETS_MAX} lists and objects")


def parse(data: bytes) -> Any:
    """Return the value of a JSON document; raise ValueError where it is none."""
    require_shallow(data)
    return json.loads(data)
