"""How the members of a relay's documents are written: one spelling for each value. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Protocol, TypeVar, cast

from commonworks.errors import InvalidInput

RESOURCE_BYTES_MAX: Final = 32
SHOWN_CHARS_MAX: Final = 60
"""Longest part of a stranger's value that an error repeats."""

_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,77}")
_NAME: Final = re.compile(rf"[!-~]{{1,{RESOURCE_BYTES_MAX}}}")


T = TypeVar("T")


class Form(Protocol):
    """How one member of a document is written."""

    def read(self, value: object) -> Any:
        """Return the typed value; raise InvalidInput saying what belongs there."""
        ...

    def write(self, value: Any) -> object:
        """Return what JSON holds."""
        ...


@dataclass(frozen=True, slots=True)
class Hex:
    """Bytes, between a smallest and a largest length."""

    least: int
    most: int

    def read(self, value: object) -> bytes:
        """See `Form.read`."""
        if isinstance(value, str) and _HEX.fullmatch(value):
            data = bytes.fromhex(value[2:])
            if self.least <= len(data) <= self.most:
                return data
        size = str(self.most) if self.least == self.most else f"{self.least} to {self.most}"
        raise InvalidInput(f"{shown(value)} is not 0x and {size} bytes in hex")

    def write(self, value: bytes) -> str:
        """See `Form.write`."""
        return "0x" + value.hex()


@dataclass(frozen=True, slots=True)
class Number:
    """An integer between two bounds."""

    least: int
    most: int

    def read(self, value: object) -> int:
        """See `Form.read`."""
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            number = int(value)
            if self.least <= number <= self.most:
                return number
        raise InvalidInput(f"{shown(value)} is no integer within its bounds, as a decimal string")

    def write(self, value: int) -> str:
        """See `Form.write`."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Name:
    """A resource's name: printable ASCII, at most 32 characters."""

    def read(self, value: object) -> str:
        """See `Form.read`."""
        if isinstance(value, str) and _NAME.fullmatch(value):
            return value
        raise InvalidInput(f"{shown(value)} is no name of a resource")

    def write(self, value: str) -> str:
        """See `Form.write`."""
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """Any text of Unicode, at most so many bytes in UTF-8."""

    most: int

    def read(self, value: object) -> str:
        """See `Form.read`."""
        try:
            if isinstance(value, str) and len(value.encode()) <= self.most:
                return value
        except UnicodeEncodeError:
            pass  # half of a surrogate pair
        raise InvalidInput(f"{shown(value)} is no text of at most {self.most} bytes")

    def write(self, value: str) -> str:
        """See `Form.write`."""
        return value


@dataclass(frozen=True, slots=True)
class Several:
    """A list of one form, with a largest length."""

    of: Form
    most: int

    def read(self, value: object) -> tuple[Any, ...]:
        """See `Form.read`."""
        if not isinstance(value, list) or len(value) > self.most:
            raise InvalidInput(f"{shown(value)} is no list of at most {self.most}")
        return tuple(self.of.read(item) for item in value)

    def write(self, value: Sequence[Any]) -> list[object]:
        """See `Form.write`."""
        return [self.of.write(item) for item in value]


@dataclass(frozen=True, slots=True)
class Object:
    """An object with the members of a dataclass."""

    of: type

    def read(self, value: object) -> Any:
        """See `Form.read`."""
        if not isinstance(value, dict):
            raise InvalidInput(f"{shown(value)} is no object")
        return read_members(self.of, value)

    def write(self, value: Any) -> object:
        """See `Form.write`."""
        return write_members(value)


def written(form: Form, name: str = "") -> Any:
    """Return a dataclass field that is written in this form, under its own or another name."""
    return field(metadata={"form": form, "name": name})


def read_members(kind: type[T], values: Mapping[str, object]) -> T:
    """Return a dataclass from an object's members; exactly its fields must be there."""
    forms = {item.metadata["name"] or item.name: item for item in fields(cast(Any, kind))}
    if values.keys() != forms.keys():
        odd = sorted(values.keys() ^ forms.keys())[0]
        verb = "does not belong here" if odd in values else "is missing"
        raise InvalidInput(f"member {shown(odd)} {verb}")
    read: dict[str, Any] = {}
    for name, item in forms.items():
        try:
            read[item.name] = item.metadata["form"].read(values[name])
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error.message}") from error
    return kind(**read)


def write_members(message: Any) -> dict[str, object]:
    """Return a dataclass as an object's members; the inverse of `read_members`."""
    return {
        item.metadata["name"] or item.name: item.metadata["form"].write(getattr(message, item.name))
        for item in fields(message)
    }


def shown(value: object) -> str:
    """Return a stranger's value, short and printable, for an error."""
    text = json.dumps(value) if isinstance(value, str | int | bool) or value is None else "this"
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "..."
