"""What every command shares: options, the one place where errors end, printing."""

from __future__ import annotations

import asyncio
import functools
import json
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, ParamSpec

import click

from commonworks.cli import INTERRUPTED
from commonworks.errors import (
    CODES,
    CommonworksError,
    Conflict,
    InvalidInput,
    Unavailable,
    exit_code,
)
from commonworks.resources.base import Table
from commonworks.wiring.home import Home
from commonworks.wiring.words import amount as amount  # noqa: PLC0414 - commands take it from here

P = ParamSpec("P")

DEFAULT_HOME: Final = Path("home/network")
"""Where a network lives when --home is not given, below the working directory."""

MOMENT: Final = click.IntRange(1, 2**53)
"""A time that an option takes, Unix seconds."""

CENT_DIGITS: Final = 2
"""Decimal places of money that are always shown."""

AMOUNT_DIGITS_MAX: Final = 36
"""Most digits of an amount: with 36 decimal places it still fits the contracts' 256 bits."""


def home_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --home and --passphrase-file, and hand the command an opened `Home`."""

    @click.option(
        "--home",
        "home_path",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_HOME,
        show_default=True,
        envvar="COMMONWORKS_HOME",
        help="The network's folder.",
    )
    @click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File whose first line unlocks the keys (else $COMMONWORKS_PASSPHRASE).",
    )
    @functools.wraps(command)
    def wrapped(*args: Any, home_path: Path, passphrase_file: Path | None, **kwargs: Any) -> Any:
        passphrase = None
        if passphrase_file is not None:
            try:
                passphrase = passphrase_file.read_text().split("\n")[0]
            except OSError as error:
                raise InvalidInput(
                    f"passphrase file {passphrase_file} cannot be read ({error.strerror})"
                ) from None
        return command(*args, home=Home(path=home_path, passphrase=passphrase), **kwargs)

    return wrapped


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def asynchronous(
    command: Callable[P, Coroutine[Any, Any, None]],
) -> Callable[P, None]:
    """Run a command that waits for things; Ctrl-C and SIGTERM cancel it cleanly."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        async def run() -> None:
            task = asyncio.current_task()
            loop = asyncio.get_running_loop()
            if task is not None:
                loop.add_signal_handler(signal.SIGTERM, task.cancel)
            await command(*args, **kwargs)

        try:
            asyncio.run(run())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    return wrapped


def program() -> str:
    """Return the command as it was called, for hints that can be copied."""
    called = Path(sys.argv[0])
    if called.is_absolute() and called.is_relative_to(Path.cwd()):
        return str(called.relative_to(Path.cwd()))
    return str(called) if called.name == "commonworks" else "commonworks"


def program_anywhere() -> str:
    """Return the command as it works from any folder, for commands that are copied elsewhere."""
    called = Path(program())
    found = shutil.which(called.name)
    if called.parent == Path() or (
        found is not None and called.exists() and called.samefile(found)
    ):
        return called.name
    return shlex.quote(str(called.absolute()))


def say(text: str = "") -> None:
    """Tell people something (stderr)."""
    click.echo(text, err=True)


class Bar:
    """A progress bar on stderr; silent where that is no terminal."""

    width: Final = 32

    def __init__(self, label: str) -> None:
        self._label = label
        self._live = sys.stderr.isatty()

    def show(self, done: int, total: int) -> None:
        """Draw the bar at `done` of `total` steps."""
        if self._live:
            full = self.width * done // max(total, 1)
            bar = "#" * full + "-" * (self.width - full)
            sys.stderr.write(f"\r{self._label}  [{bar}] {100 * done // max(total, 1):3d} %")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar away, so that lines can follow."""
        if self._live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def put(text: str) -> None:
    """Print data (stdout)."""
    click.echo(text)


def put_json(value: object) -> None:
    """Print one JSON document (stdout)."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def put_table(table: Table, *, limit: int | None = None) -> None:
    """Print a table with aligned columns; numbers to the right."""
    rows = table.rows if limit is None else table.rows[:limit]
    put_rows(table.columns, rows)
    if len(rows) < len(table.rows):
        say(f"... {len(table.rows) - len(rows)} more rows; see all with --json")


def put_rows(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns; numbers to the right, everything else to the left."""
    cells = [[str(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(headings, *cells, strict=True)]
    numeric = [all(isinstance(row[i], int) for row in rows) for i in range(len(headings))]
    for line in [list(headings), *cells]:
        parts = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        put("  ".join(parts).rstrip())


def put_fields(
    as_json: bool, document: Mapping[str, object], shown: Mapping[str, str] | None = None
) -> None:
    """Print what was done: integers for programs; for people `shown` has their words instead."""
    if as_json:
        put_json(document)
        return
    words = shown or {}
    rows = [(name, words.get(name, str(value))) for name, value in document.items()]
    put_rows(("field", "value"), rows)


def run(group: click.Group) -> int:
    """Run the command line; every known failure ends as one line and its exit code."""
    try:
        result = group.main(standalone_mode=False)
    except CommonworksError as error:
        told = _in_plain_words(error)
        say(f"commonworks: {told.message}")
        if told.hint:
            say(f"  {told.hint}")
        return exit_code(told)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        say()
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:  # a disk that is full, a folder that may not be used
        place = f"{error.filename}: " if error.filename else ""
        say(f"commonworks: {place}{error.strerror or error}")
        say("  make room or check the folder's rights; what was acknowledged is kept")
        return CODES[Unavailable][1]
    return result if isinstance(result, int) else 0


def whole(text: str, decimals: int) -> int:
    """Return an amount in an asset's smallest unit from what a person writes (`12.50`)."""
    head, point, tail = text.strip().partition(".")
    digits = head + tail
    if not digits.isdecimal() or not digits.isascii() or (point and not tail):
        raise InvalidInput(f"{text!r} is no amount", hint="write for example 12.50")
    if len(tail) > decimals:
        raise InvalidInput(f"{text} has more than {decimals} decimal places")
    if len(digits) > AMOUNT_DIGITS_MAX:
        raise InvalidInput(f"{text} is more than there can be of anything")
    scale: int = 10 ** (decimals - len(tail))
    return int(digits) * scale


def some(text: str, decimals: int) -> int:
    """Return an amount above zero, as `whole` does."""
    units = whole(text, decimals)
    if units == 0:
        raise InvalidInput(f"{text} is nothing", hint="write an amount above 0, for example 12.50")
    return units


def exactly(value: int, decimals: int) -> str:
    """Return an amount in whole units with every decimal place that it has, at least two."""
    shown = amount(value, decimals, decimals)
    if decimals <= CENT_DIGITS:
        return shown
    head, _, tail = shown.partition(".")
    return f"{head}.{tail.rstrip('0').ljust(CENT_DIGITS, '0')}"


def _in_plain_words(error: CommonworksError) -> CommonworksError:
    """Return what a contract refuses as people understand it; any other error as it is."""
    if not isinstance(error, Conflict) or "refusal" not in error.fields:
        return error
    # Loaded where a contract refused: no other command waits for it.
    from commonworks.wiring.refusals import in_plain_words  # noqa: PLC0415

    return in_plain_words(error)
