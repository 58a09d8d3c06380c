"""What somebody asks the desk for, read strictly: every value has one form, and one clear error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from commonworks.errors import InvalidInput
from commonworks.events import Share
from commonworks.explorer import cells
from commonworks.explorer.web.i18n import gettext
from commonworks.units import PPM

DIGITS_MAX: Final = 60
"""More digits than any amount has."""
NUMBER_MAX: Final = 2**63 - 1
PAYEES_MAX: Final = 64
PERCENT_DIGITS: Final = 4
"""Decimal places of a percentage that is kept in parts per million."""

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_AMOUNT: Final = re.compile(r"([0-9]{1,40})(?:[.,]([0-9]{1,20}))?")
_BYTES: Final = re.compile(r"0x(?:[0-9a-fA-F]{2}){1,128}")
_CELL: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{1,16}")


class Wish:
    """The values of one action."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; raise InvalidInput where it is missing and there is no default."""
        value = self._values.get(name, default)
        if value is None and default is not None:
            value = default
        if not isinstance(value, str):
            raise InvalidInput(gettext("The value “%(name)s” is missing.", name=name))
        return value.strip()

    def account(self, name: str = "account") -> bytes:
        """Return an account."""
        text = self.text(name)
        if _ADDRESS.fullmatch(text) is None:
            raise InvalidInput(
                gettext("“%(text)s” is no account.", text=text[:80]),
                hint=gettext("Write 0x and 40 hexadecimal digits."),
            )
        return bytes.fromhex(text[2:])

    def account_or(self, name: str, default: bytes) -> bytes:
        """Return an account, or the default where none is named."""
        return self.account(name) if self._values.get(name) else default

    def amount(self, decimals: int, name: str = "value", *, zero: bool = False) -> int:
        """Return an amount in smallest units from what a person writes: `12.50`."""
        text = self.text(name)
        found = _AMOUNT.fullmatch(text)
        if found is None:
            raise InvalidInput(
                gettext("“%(text)s” is no amount.", text=text[:80]),
                hint=gettext("Write for example 12.50."),
            )
        whole, places = found[1], found[2] or ""
        if len(places) > decimals:
            raise InvalidInput(
                gettext("That has more than %(count)s decimal places.", count=decimals)
            )
        units = int(whole) * int(10**decimals) + int(places.ljust(decimals, "0") or "0")
        if units == 0 and not zero:
            raise InvalidInput(gettext("Write an amount above 0."))
        if units >= 2**128:
            raise InvalidInput(gettext("That is more than there can be."))
        return units

    def number(self, name: str) -> int:
        """Return a whole number of at most 63 bits, given as number or digits."""
        value = self._values.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= NUMBER_MAX:
            raise InvalidInput(gettext("The value “%(name)s” is no number.", name=name))
        return value

    def data(self, name: str) -> bytes:
        """Return bytes of at most 128, given in hexadecimal."""
        text = self.text(name)
        if _BYTES.fullmatch(text) is None:
            raise InvalidInput(gettext("“%(name)s” is not written in hexadecimal.", name=name))
        return bytes.fromhex(text[2:])

    def cell(self) -> int:
        """Return a map cell, 0 for none."""
        text = self.text("cell", "")
        if not text:
            return 0
        cell = int(text, 16) if _CELL.fullmatch(text) is not None else -1
        if cell != cells.NOWHERE and not cells.valid(cell):
            raise InvalidInput(gettext("“%(text)s” is no map cell.", text=text[:40]))
        return cell

    def percent(self, name: str, default: str, maximum_ppm: int) -> int:
        """Return parts per million from a percentage that a person writes."""
        text = self.text(name, default)
        found = _AMOUNT.fullmatch(text)
        if found is None or len(found[2] or "") > PERCENT_DIGITS:
            raise InvalidInput(gettext("“%(text)s” is no percentage.", text=text[:40]))
        places = (found[2] or "").ljust(PERCENT_DIGITS, "0")
        ppm = int(found[1]) * int(10**PERCENT_DIGITS) + int(places)
        if ppm > maximum_ppm:
            raise InvalidInput(
                gettext("At most %(most)s percent.", most=maximum_ppm // 10**PERCENT_DIGITS)
            )
        return ppm

    def shares(self) -> tuple[Share, ...]:
        """Return payees, ascending by account, that share one whole."""
        value = self._values.get("shares")
        if not isinstance(value, list) or not 1 <= len(value) <= PAYEES_MAX:
            raise InvalidInput(gettext("Name 1 to %(most)s payees.", most=PAYEES_MAX))
        sizes: dict[bytes, int] = {}
        for entry in value:
            if not isinstance(entry, Mapping):
                raise InvalidInput(gettext("A payee has an account and a share."))
            one = Wish(entry)
            account, ppm = one.account(), one.number("ppm")
            if account in sizes:
                raise InvalidInput(gettext("An account is named twice."))
            if not 0 < ppm <= PPM:
                raise InvalidInput(gettext("A share is more than nothing and at most the whole."))
            sizes[account] = ppm
        if sum(sizes.values()) != PPM:
            raise InvalidInput(gettext("The shares do not add up to one whole (1,000,000)."))
        return tuple(Share(account=account, ppm=sizes[account]) for account in sorted(sizes))
