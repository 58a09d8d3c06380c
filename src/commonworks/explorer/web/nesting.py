"""How deep a document of JSON is nested, found out before anything reads it.

Rule: the parser recurses once for each level, on the C stack, and a library of wallets raises
Python's own limit far beyond what that stack holds: a body of nothing but brackets would end the
process. Nothing that people send here needs more than a few levels.
"""

from __future__ import annotations

import re
from typing import Final

DEPTH_MAX: Final = 32
"""Deepest nesting of a body; the deepest that an operation takes needs four."""

_TOKEN: Final = re.compile(rb'["\\\[\]{}]')


class Nesting:
    """The brackets of one body, which comes in pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def fits(self, piece: bytes) -> bool:
        """Take the next piece; return False from the first one that is nested too deep.

        Zero bytes are refused as well: UTF-8 text has none, and the parser would guess another
        encoding, in which quotes and brackets are other bytes.
        """
        if b"\0" in piece:
            return False
        at = int(self._escaped and piece != b"")
        self._escaped = self._escaped and piece == b""
        while (found := _TOKEN.search(piece, at)) is not None:
            at = found.end()
            mark = found.group()
            if self._quoted:
                if mark == b"\\":
                    self._escaped = at == len(piece)
                    at += 1
                elif mark == b'"':
                    self._quoted = False
            elif mark == b'"':
                self._quoted = True
            elif mark in (b"[", b"{"):
                self._depth += 1
                if self._depth > DEPTH_MAX:
                    return False
            elif mark in (b"]", b"}"):
                self._depth -= 1
        return True
