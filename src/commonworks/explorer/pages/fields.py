"""Fields of filter forms: a browser sends those that were left empty too."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

from fastapi import Query

from commonworks.errors import InvalidInput
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.model import NUMBER_MAX, address_bytes, hash_bytes

Text = Annotated[str, Query(max_length=80)]
"""A field of a form; empty: not filled in."""

E = TypeVar("E", bound=StrEnum)


def number_field(text: str) -> int | None:
    """Return the number in a field, None where it is empty; raise InvalidInput."""
    plain = text.strip().removeprefix("#")
    if not plain:
        return None
    if not (plain.isascii() and plain.isdecimal()) or int(plain) > NUMBER_MAX:
        raise InvalidInput(
            gettext("%(text)s is no number", text=repr(text)),
            hint=gettext("write digits, or leave the field empty"),
        )
    return int(plain)


def address_field(text: str) -> bytes | None:
    """Return the account in a field, None where it is empty; raise InvalidInput."""
    plain = text.strip()
    return address_bytes(plain) if plain else None


def hash_field(text: str) -> bytes | None:
    """Return the hash in a field, None where it is empty; raise InvalidInput."""
    plain = text.strip()
    return hash_bytes(plain) if plain else None


def text_field(text: str) -> str | None:
    """Return the text in a field, None where it is empty."""
    return text.strip() or None


def choice_field(text: str, kind: type[E]) -> E | None:
    """Return what was chosen, None where nothing was; raise InvalidInput for anything else."""
    plain = text.strip()
    if not plain:
        return None
    try:
        return kind(plain)
    except ValueError:
        choices = ", ".join(kind)
        raise InvalidInput(
            gettext("%(plain)s is none of the choices", plain=repr(plain)),
            hint=gettext("one of %(choices)s", choices=choices),
        ) from None
