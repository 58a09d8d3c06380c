"""Contract interfaces: calls and constructors out, answers, logs and refusals in.

Artifacts are compiled at build time into package data. Addresses are 20 bytes and every integer is
a Python integer; strings that a stranger put on chain decode whatever their bytes are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, cast

from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder, BaseDecoder, StringDecoder
from eth_abi.encoding import AddressEncoder, BaseEncoder, TextStringEncoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import ABIRegistry, BaseEquals, registry

from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict, Corrupt, InvalidInput, NotFound

WATCHED: Final = ("Policy", "Devices", "Nodes", "Settlement", "Vault", "Guardian")
"""Contracts whose events are read: facts, and what stops money. The token's own are neither."""

CONTRACTS: Final = (
    *WATCHED, "CommonsToken", "CommonsTimelock", "CommonsGovernor", "Membership",
    "MemberAccount", "MemberAccounts", "TestEuro",
)  # fmt: skip
"""Every contract of the project."""


class _ByteAddressDecoder(AddressDecoder):
    decoder_fn = staticmethod(bytes)  # type: ignore[assignment]  # typed as hex upstream


class _TotalStringDecoder(StringDecoder):
    """Any bytes give a string: an ill-formed name in an event must not stop the fold over it."""

    def __init__(self) -> None:
        super().__init__("replace")  # type: ignore[no-untyped-call]


def _codec() -> ABICodec:
    own: ABIRegistry = registry.copy()  # type: ignore[no-untyped-call]
    replaced: tuple[tuple[str, type[BaseEncoder], type[BaseDecoder]], ...] = (
        ("address", AddressEncoder, _ByteAddressDecoder),
        ("string", TextStringEncoder, _TotalStringDecoder),
    )
    for name, encoder, decoder in replaced:
        own.unregister(name)
        matches = BaseEquals(name)  # type: ignore[no-untyped-call]
        own.register(matches, encoder, decoder, label=name)
    return ABICodec(own)


_CODEC: Final = _codec()


def encode(types: Sequence[str], values: Sequence[object]) -> bytes:
    """Return the ABI encoding of `values`; raises InvalidInput when one does not fit its type."""
    try:
        return _CODEC.encode(types, values)
    except (EncodingError, ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"not encodable as ({','.join(types)}): {error}") from error


def decode(types: Sequence[str], data: bytes) -> tuple[object, ...]:
    """Return the values that `data` encodes; raises Corrupt when it does not."""
    try:
        return _CODEC.decode(types, data, strict=False)
    except (DecodingError, ValueError, OverflowError) as error:
        raise Corrupt(f"not the encoding of ({','.join(types)}): {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter of a function, an event or an error."""

    name: str
    type: str
    """Canonical ABI type, tuples spelled out."""
    indexed: bool
    """Event parameters only: carried as a topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A function, an event, an error or a constructor."""

    name: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    digest: bytes
    """Keccak-256 of the canonical signature: an event's topic; its first 4 bytes a selector."""

    @property
    def selector(self) -> bytes:
        """First four bytes of a call or of a refusal."""
        return self.digest[:4]

    def call(self, *values: object) -> bytes:
        """Return the data of a call with these arguments."""
        return self.selector + self.arguments(*values)

    def arguments(self, *values: object) -> bytes:
        """Return the encoded arguments alone."""
        return encode([field.type for field in self.inputs], values)

    def results(self, data: bytes) -> tuple[object, ...]:
        """Return what a call answered."""
        return decode([field.type for field in self.outputs], data)

    def named_inputs(self, data: bytes) -> dict[str, object]:
        """Return a refusal's arguments by name, from the bytes after its selector."""
        values = decode([field.type for field in self.inputs], data)
        return {field.name: value for field, value in zip(self.inputs, values, strict=True)}

    def log_fields(self, topics: Sequence[bytes], data: bytes) -> dict[str, object]:
        """Return an event's parameters by name; `topics` without the first one.

        Raises: Corrupt when topics or data do not fit the event.
        """
        indexed = [field for field in self.inputs if field.indexed]
        plain = [field for field in self.inputs if not field.indexed]
        if len(indexed) != len(topics):
            raise Corrupt(f"an event {self.name} carries {len(topics)} topics")
        named = {
            field.name: decode([field.type], topic)[0]
            for field, topic in zip(indexed, topics, strict=True)
        }
        values = decode([field.type for field in plain], data)
        return named | {field.name: value for field, value in zip(plain, values, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One compiled contract."""

    name: str
    constructor: Item
    functions: Mapping[str, Item]
    """By name; no contract of the project overloads a function that is called from here."""
    events: Mapping[bytes, Item]
    """By topic."""
    errors: Mapping[bytes, Item]
    """By selector."""
    bytecode: bytes
    """Creation code without constructor arguments."""

    def __getitem__(self, function: str) -> Item:
        """Return a function by name."""
        return self.functions[function]

    def creation(self, *values: object) -> bytes:
        """Return the data of the transaction that creates the contract."""
        return self.bytecode + self.constructor.arguments(*values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a contract reverted."""

    name: str
    """Name of the contract's custom error; `Error` or `Panic` for the built-in ones."""
    arguments: Mapping[str, object]
    """By parameter name."""

    def conflict(self) -> Conflict:
        """Return the error to raise: it names the refusal and carries its arguments."""
        shown = ", ".join(f"{name}={_show(value)}" for name, value in self.arguments.items())
        return Conflict(
            f"the contract refuses: {self.name}({shown})",
            refusal=self.name,
            arguments=dict(self.arguments),
        )


@cache
def contract(name: str) -> Contract:
    """Return the compiled contract called `name`; raises NotFound when it was never built."""
    source = resources.files("commonworks.chain") / "artifacts" / f"{name}.json"
    try:
        artifact = json.loads(source.read_bytes())
    except FileNotFoundError:
        raise NotFound(
            f"contract {name} is not compiled", hint="run python scripts/build_contracts.py"
        ) from None
    return _contract(name, artifact)


def decode_refusal(data: bytes) -> Refusal:
    """Return the custom error that revert data carries, whichever contract raised it.

    Total: unknown or damaged data gives a refusal called `unknown` with the raw bytes.
    """
    item = _known_errors().get(data[:4])
    if item is not None:
        try:
            return Refusal(name=item.name, arguments=item.named_inputs(data[4:]))
        except Corrupt:
            pass
    return Refusal(name="unknown", arguments={"data": data})


@cache
def _known_errors() -> Mapping[bytes, Item]:
    known: dict[bytes, Item] = {}
    for name in CONTRACTS:
        try:
            known.update(contract(name).errors)
        except NotFound:
            if name != "TestEuro":  # an installation without the test currency is whole
                raise
    builtin = (("Error", "reason", "string"), ("Panic", "code", "uint256"))
    for name, field, kind in builtin:
        item = _item({"name": name, "inputs": [{"name": field, "type": kind}]})
        known[item.selector] = item
    return known


def _contract(name: str, artifact: Mapping[str, object]) -> Contract:
    items = cast(list[dict[str, object]], artifact["abi"])

    def of(kind: str) -> list[Item]:
        return [_item(item) for item in items if item["type"] == kind]

    constructors = of("constructor") or [_item({"name": "", "inputs": []})]
    bytecode = artifact["bytecode"]
    code = cast(Mapping[str, str], bytecode)["object"] if isinstance(bytecode, dict) else bytecode
    return Contract(
        name=name,
        constructor=constructors[0],
        functions={item.name: item for item in of("function")},
        events={item.digest: item for item in of("event")},
        errors={item.selector: item for item in of("error")},
        bytecode=bytes.fromhex(cast(str, code).removeprefix("0x")),
    )


def _item(entry: Mapping[str, object]) -> Item:
    name = cast(str, entry.get("name", ""))
    inputs = _fields(entry.get("inputs", ()))
    signature = f"{name}({','.join(field.type for field in inputs)})"
    return Item(
        name=name,
        inputs=inputs,
        outputs=_fields(entry.get("outputs", ())),
        digest=keccak256(signature.encode()),
    )


def _fields(entries: object) -> tuple[Field, ...]:
    return tuple(
        Field(
            name=cast(str, entry["name"]) or str(position),
            type=_canonical(entry),
            indexed=bool(entry.get("indexed", False)),
        )
        for position, entry in enumerate(cast(Iterable[Mapping[str, object]], entries))
    )


def _canonical(entry: Mapping[str, object]) -> str:
    kind = cast(str, entry["type"])
    if not kind.startswith("tuple"):
        return kind
    parts = cast(Iterable[Mapping[str, object]], entry["components"])
    return f"({','.join(_canonical(part) for part in parts)}){kind.removeprefix('tuple')}"


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
