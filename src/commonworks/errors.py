"""The one error tree.

    CommonworksError
    ├── InvalidInput    the caller's bytes, arguments or files are wrong; the same call fails again
    ├── NotFound        the thing asked for does not exist here
    ├── Conflict        it contradicts what is already there (occupied port, locked folder)
    ├── Unauthorized    the caller may not do this (wrong passphrase, unsigned request)
    ├── Unavailable     not now; the same call may succeed later (full disk, endpoint down)
    └── Corrupt         what should never change has changed; stop and look

Return or raise: nothing in the house logs an error and goes on. `InvariantBroken` stands outside
the tree on purpose: it says that our own reasoning is wrong, and nobody may catch it.
"""

from __future__ import annotations

from typing import Final


class CommonworksError(Exception):
    """A failure that a person or a program is told about in one line.

    `message` says what and where; `hint` says what to do; `fields` carry the facts for programs.
    """

    def __init__(self, message: str, *, hint: str = "", **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class InvalidInput(CommonworksError):
    """The caller's bytes, arguments or files are wrong; the same call fails again."""


class NotFound(CommonworksError):
    """The thing asked for does not exist here."""


class Conflict(CommonworksError):
    """It contradicts what is already there."""


class Unauthorized(CommonworksError):
    """The caller may not do this."""


class Unavailable(CommonworksError):
    """Not now; the same call may succeed later."""


class Corrupt(CommonworksError):
    """What should never change has changed; stop and look."""


class InvariantBroken(RuntimeError):
    """Our own reasoning is wrong. Nobody catches this."""


# One row per class: HTTP status at a server, exit code at the command line.
CODES: Final[dict[type[CommonworksError], tuple[int, int]]] = {
    InvalidInput: (400, 2),
    NotFound: (404, 3),
    Conflict: (409, 4),
    Unauthorized: (401, 5),
    Unavailable: (503, 6),
    Corrupt: (500, 7),
}


def http_status(error: CommonworksError) -> int:
    """Return the HTTP status for an error of the tree."""
    return next(codes[0] for kind, codes in CODES.items() if isinstance(error, kind))


def exit_code(error: CommonworksError) -> int:
    """Return the process exit code for an error of the tree."""
    return next(codes[1] for kind, codes in CODES.items() if isinstance(error, kind))


def require(condition: bool, message: str) -> None:
    """Raise `InvariantBroken` unless `condition` holds (unlike `assert`, also under -O)."""
    if not condition:
        raise InvariantBroken(message)
