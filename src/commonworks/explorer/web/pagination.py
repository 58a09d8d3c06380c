"""Pages by key, never by offset: a page stays the same however much is added meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from commonworks.errors import InvalidInput
from commonworks.explorer.web.i18n import gettext

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 200
CURSOR_MAX: Final = 1_000
"""Longest cursor, characters."""
INTEGER_MAX: Final = 2**63

T = TypeVar("T")

LimitQuery = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most items in the answer.")]
CursorQuery = Annotated[
    str | None,
    Query(max_length=CURSOR_MAX, description="`next` of the page before; none for the first."),
]


class Page(BaseModel, Generic[T]):
    """Some items of a list, and where it goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: list[T]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


def encode_cursor(*values: int | str | bytes) -> str:
    """Return where a list goes on, as opaque text."""
    plain = [["b", v.hex()] if isinstance(v, bytes) else v for v in values]
    data = json.dumps(plain, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode_cursor(text: str | None, *types: type) -> tuple[Any, ...] | None:
    """Return the values of a cursor, None for none; raise InvalidInput where it is not one."""
    if text is None:
        return None
    broken = InvalidInput(
        gettext("the cursor is not one that this list gave"), hint=gettext("begin without one")
    )
    try:
        padded = text.encode() + b"=" * (-len(text) % 4)
        plain = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(plain, list):
            raise broken
        values = tuple(bytes.fromhex(v[1]) if isinstance(v, list) else v for v in plain)
    except (ValueError, TypeError, IndexError, RecursionError, binascii.Error):
        raise broken from None
    if len(values) != len(types) or any(
        type(value) is not kind for value, kind in zip(values, types, strict=True)
    ):
        raise broken
    if any(isinstance(v, int) and not -INTEGER_MAX <= v < INTEGER_MAX for v in values):
        raise broken
    return values


def page_of(
    rows: Sequence[Any],
    limit: int,
    key: Callable[[Any], tuple[int | str | bytes, ...]],
    build: Callable[[Any], T],
) -> Page[T]:
    """Return the first `limit` of `rows` (fetch one more than that) and where the list goes on."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page[Any](
        items=[build(row) for row in shown],
        next=encode_cursor(*key(shown[-1])) if more and shown else None,
    )
