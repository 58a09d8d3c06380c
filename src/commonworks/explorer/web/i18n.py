"""Languages: catalogues of this package and of the resources, one language a request.

Catalogues are .po files, compiled in memory when a process starts: nothing binary is kept.
"""

from __future__ import annotations

import gettext as library
import io
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from commonworks.resources.base import Resource

SOURCE_LANGUAGE: Final = "en"
"""The language of the texts in templates and code."""

NAMES: Final = {"en": "English", "de": "Deutsch"}
"""Languages in their own words, for the chooser."""

_PACKAGE: Final = "commonworks.explorer"
_CURRENT: ContextVar[tuple[str, library.NullTranslations]] = ContextVar(
    "language", default=(SOURCE_LANGUAGE, library.NullTranslations())
)


class Languages:
    """Every language that pages can be read in."""

    def __init__(self, known: Mapping[str, Resource]) -> None:
        """`known`: the network's resources, whose own catalogues are added."""
        packages = [(_PACKAGE, "explorer")]
        packages += [(one.views.__module__.rpartition(".")[0], one.name) for one in known.values()]
        self._translations: dict[str, library.NullTranslations] = {
            SOURCE_LANGUAGE: library.NullTranslations()
        }
        for language in _languages():
            found = [t for package, domain in packages if (t := _read(package, language, domain))]
            for before, after in pairwise(found):
                before.add_fallback(after)
            self._translations[language] = found[0] if found else library.NullTranslations()

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the languages, the source language first."""
        return tuple(self._translations)

    def choose(self, asked: str | None, kept: str | None, accepted: str) -> str:
        """Return the language for a request: asked for, kept in a cookie, or accepted."""
        for wish in (asked, kept, *_accepted(accepted)):
            if wish in self._translations:
                return str(wish)
        return SOURCE_LANGUAGE

    def use(self, language: str) -> None:
        """Speak this language for the rest of the request."""
        _CURRENT.set((language, self._translations[language]))


def language() -> str:
    """Return the language of this request."""
    return _CURRENT.get()[0]


def gettext(message: str, /, **values: object) -> str:
    """Return a text in the language of this request, its %(name)s places filled."""
    text = _CURRENT.get()[1].gettext(message)
    return text % values if values else text


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """Return the form of a text for a count, as `gettext` does; `num` is the count."""
    text = _CURRENT.get()[1].ngettext(one, many, count)
    return text % {"num": count, **values}


def mark(message: str) -> str:
    """Mark a text for the catalogue without translating it yet."""
    return message


def _languages() -> Iterable[str]:
    folder = resources.files(_PACKAGE) / "locale"
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())


def _accepted(header: str) -> Iterable[str]:
    """Return the languages of an Accept-Language header, most wanted first."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:500].split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            found.append((-float(weight or 1), place, tag.split("-")[0].lower()))
        except ValueError:
            continue
    return [tag for _, _, tag in sorted(found)]


@cache
def _compiled(text: str) -> bytes:
    catalogue = read_po(io.StringIO(text))
    packed = io.BytesIO()
    write_mo(packed, catalogue)
    return packed.getvalue()


def _read(package: str, language: str, domain: str) -> library.GNUTranslations | None:
    folder: Traversable = resources.files(package)
    place = folder / "locale" / language / "LC_MESSAGES" / f"{domain}.po"
    if not place.is_file():
        return None
    return library.GNUTranslations(io.BytesIO(_compiled(place.read_text(encoding="utf-8"))))
