"""Telling an operator about trouble: each line once, however often it comes back."""

from __future__ import annotations

from collections.abc import Callable


class ToldOnce:
    """Tells each trouble once."""

    def __init__(self, on_trouble: Callable[[str], None]) -> None:
        self._on_trouble = on_trouble
        self._told: set[str] = set()

    def line(self, text: str) -> None:
        """Tell it where it is new."""
        if text not in self._told:
            self._told.add(text)
            self._on_trouble(text)
