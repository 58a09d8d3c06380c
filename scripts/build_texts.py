"""Collect the explorer's texts and bring every translation up to date.

Writes src/commonworks/explorer/locale/<language>/LC_MESSAGES/explorer.po: texts that are new stand
there untranslated, those that are gone are dropped. Prints what is left to translate; `--check`
writes nothing and fails when anything is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from commonworks.policy import KERNEL_PARAMETERS as PARAMETERS

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = (
    ROOT / "src" / "commonworks" / "explorer",
    ROOT / "src" / "commonworks" / "wiring",
)
"""Where pages and their words are made."""

LOCALE: Final = SOURCES[0] / "locale"
METHODS: Final = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS: Final = {
    "templates/**.html": {
        "extensions": "jinja2.ext.do",
        "trimmed": "true",
        "silent": "false",
        "encoding": "utf-8",
    }
}
NOISE: Final = (
    '"POT-Creation-Date', '"PO-Revision-Date', '"Report-Msgid-Bugs-To', '"Last-Translator',
    '"Language-Team', '"Generated-By', '"Project-Id-Version',
)  # fmt: skip
"""Header lines that say nothing, or another thing each time."""

KEYWORDS: Final = {"_": None, "gettext": None, "mark": None, "ngettext": (1, 2)}


def texts() -> Catalog:
    """Return every text that a page may show."""
    found = Catalog(project="commonworks", charset="utf-8")
    for source in SOURCES:
        for path, line, message, _, context in extract_from_dir(
            source, METHODS, OPTIONS, keywords=KEYWORDS
        ):
            if message and message != "":
                place = (source / path).relative_to(ROOT).as_posix()
                found.add(message, None, [(place, line)], context=context)
    for parameter in PARAMETERS:
        for text in (parameter.description, parameter.unit.rpartition(" per ")[2]):
            found.add(text, None, [("src/commonworks/policy.py", 0)])
    return found


def translations(found: Catalog) -> Iterator[tuple[Path, Catalog, bytes]]:
    """Yield each translation brought up to date: its file, itself, and its bytes."""
    for folder in sorted(entry for entry in LOCALE.iterdir() if entry.is_dir()):
        path = folder / "LC_MESSAGES" / "explorer.po"
        catalog = Catalog(locale=folder.name)
        if path.exists():
            catalog = read_po(BytesIO(path.read_bytes()), locale=folder.name)
        catalog.header_comment = (
            f"# The explorer's texts in {folder.name}; see scripts/build_texts.py."
        )
        catalog.fuzzy = False
        catalog.update(found, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        data = BytesIO()
        write_po(data, catalog, width=100, no_location=True, omit_header=False, sort_output=True)
        lines = data.getvalue().decode().splitlines()
        kept = [line for line in lines if not line.startswith(NOISE)]
        yield path, catalog, ("\n".join(kept) + "\n").encode()


def missing(catalog: Catalog) -> list[str]:
    """Return the texts that lack a translation."""
    gaps = []
    for message in catalog:
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id and not all(forms):
            gaps.append(message.id if isinstance(message.id, str) else message.id[0])
    return gaps


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="Only look.")
    check = parser.parse_args().check
    code = 0
    found = texts()
    for path, catalog, data in translations(found):
        gaps = missing(catalog)
        stale = not path.exists() or path.read_bytes() != data
        name = path.relative_to(ROOT)
        print(f"{name}: {len(catalog)} texts, {len(gaps)} to translate")
        if check and (gaps or stale):
            code = 1
            for gap in gaps[:10]:
                print(f"  {gap}", file=sys.stderr)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
