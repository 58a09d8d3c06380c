"""What a resource declares, checked as it stands: names, words, bounds, schemas, figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from commonworks.conformance.findings import Finding, Rule
from commonworks.conformance.shown import check_pictures
from commonworks.policy import INT256_MAX, INT256_MIN, KEY_MAX_BYTES, Parameter
from commonworks.resources.base import Resource, Visibility
from commonworks.settlement.emission import EARNERS
from commonworks.statements.model import (
    MAX_COLUMNS,
    MAX_NAME_BYTES,
    Column,
    DType,
    Kind,
    Schema,
    Signer,
)
from commonworks.statements.model import REASONS as KERNEL_REASONS
from commonworks.units import INT63_MAX, PPM

CODE: Final = re.compile(r"[a-z][a-z0-9_]*")
"""What a name, a column and the tail of a code look like."""
NAME_MAX_BYTES: Final = 31
RESERVED: Final = frozenset({*EARNERS, "emission"})
"""Names of what else shares in the emission, and of the parameters that say how."""
RANGES: Final = {
    DType.U8: (0, 2**8 - 1),
    DType.U16: (0, 2**16 - 1),
    DType.U32: (0, 2**32 - 1),
    DType.U64: (0, INT63_MAX),
    DType.I8: (-(2**7), 2**7 - 1),
    DType.I16: (-(2**15), 2**15 - 1),
    DType.I32: (-(2**31), 2**31 - 1),
    DType.I64: (-(2**63), INT63_MAX),
}
"""What each element type can carry."""
SIGNERS: Final = {Kind.SITE: Signer.REGISTRAR, Kind.REPLACE: Signer.COUNTERSIGNED}
"""Kinds that only one signer can say; all others are a device's own."""


def check_declaration(resource: Resource) -> Iterator[Finding]:
    """Yield everything that is wrong with the declaration, without running the rules."""
    name = resource.name
    if not CODE.fullmatch(name) or len(name) > NAME_MAX_BYTES or name in RESERVED:
        yield Finding(rule=Rule.NAME, where="name", message=f"{name!r} is no name of a resource")
    for field in ("title", "unit"):
        if not getattr(resource, field).strip():
            yield Finding(rule=Rule.DOCUMENTED, where=field, message="is empty")
    yield from _parameters(resource)
    for field in ("reasons", "purposes"):
        yield from _codes(resource, field)
    for kind, schema in resource.schemas.items():
        yield from _schema(kind, schema)
    yield from _visibility(resource)
    keys = Counter(figure.key for figure in resource.figures)
    for figure in resource.figures:
        if keys[figure.key] > 1 or figure.scale < 0:
            yield Finding(rule=Rule.FIGURE, where=figure.key, message="twice, or a negative scale")
        if not figure.label or not figure.unit:
            yield Finding(rule=Rule.DOCUMENTED, where=figure.key, message="needs label and unit")
    yield from _words(resource)
    yield from check_pictures(resource)
    if resource.rules.version < 1:
        yield Finding(rule=Rule.MODULES, where="rules.version", message="counts from 1")


def _parameters(resource: Resource) -> Iterator[Finding]:
    keys = Counter(parameter.key for parameter in resource.parameters)
    share = f"{resource.name}.emission_ppm"
    if share not in keys:
        yield Finding(rule=Rule.PARAMETER, where=share, message="is missing")
    for parameter in resource.parameters:
        if keys[parameter.key] > 1:
            yield Finding(rule=Rule.PARAMETER, where=parameter.key, message="is declared twice")
        yield from _parameter(resource, parameter, share)


def _parameter(resource: Resource, parameter: Parameter, share: str) -> Iterator[Finding]:
    key = parameter.key
    if not key.startswith(f"{resource.name}.") or not CODE.fullmatch(key[len(resource.name) + 1 :]):
        message = f"does not stand under {resource.name}."
        yield Finding(rule=Rule.PREFIX, where=key, message=message)
    if not key.isascii() or len(key) > KEY_MAX_BYTES:
        message = f"does not fit {KEY_MAX_BYTES} bytes"
        yield Finding(rule=Rule.PARAMETER, where=key, message=message)
    low, high = parameter.minimum, parameter.maximum
    if not INT256_MIN <= low <= parameter.default <= high <= INT256_MAX:
        message = f"default {parameter.default} is outside {low}..{high}"
        yield Finding(rule=Rule.PARAMETER, where=key, message=message)
    if key == share and (low < 0 or high > PPM):
        yield Finding(rule=Rule.PARAMETER, where=key, message="is a share: 0..1,000,000 ppm")
    if not parameter.unit.strip() or not parameter.description.strip():
        yield Finding(rule=Rule.DOCUMENTED, where=key, message="needs unit and description")


def _codes(resource: Resource, field: str) -> Iterator[Finding]:
    for code, sentence in getattr(resource, field).items():
        tail = code.removeprefix(f"{resource.name}.")
        if tail == code or not CODE.fullmatch(tail):
            message = f"does not stand under {resource.name}."
            yield Finding(rule=Rule.PREFIX, where=f"{field} {code}", message=message)
        if code in set(KERNEL_REASONS):
            yield Finding(rule=Rule.PREFIX, where=f"{field} {code}", message="is the kernel's")
        if not sentence.strip():
            yield Finding(rule=Rule.DOCUMENTED, where=f"{field} {code}", message="has no sentence")


def _words(resource: Resource) -> Iterator[Finding]:
    """Every reason says what to do; every heading, and every side of a payment, has words."""
    for code, sentence in resource.received.items():
        where = f"received {code}"
        if code not in resource.purposes:
            yield Finding(rule=Rule.DOCUMENTED, where=where, message="is for no purpose")
        elif not sentence.strip():
            yield Finding(rule=Rule.DOCUMENTED, where=where, message="has no sentence")
    for code in sorted({*resource.reasons} | {*resource.advice}):
        where = f"advice {code}"
        if code not in resource.reasons:
            yield Finding(rule=Rule.DOCUMENTED, where=where, message="is for no reason")
        elif not resource.advice.get(code, "").strip():
            yield Finding(rule=Rule.DOCUMENTED, where=where, message="has no sentence")
    for key, heading in resource.headings.items():
        if not heading.words.strip():
            yield Finding(rule=Rule.DOCUMENTED, where=f"heading {key}", message="has no words")
        if min(heading.scale, heading.digits) < 0:
            yield Finding(rule=Rule.FIGURE, where=f"heading {key}", message="a negative scale")


def _schema(kind: Kind, schema: Schema) -> Iterator[Finding]:
    where = f"schema of {kind}"

    def wrong(message: str, rule: Rule = Rule.SCHEMA) -> Finding:
        return Finding(rule=rule, where=where, message=message)

    if schema.kind is not kind or kind is Kind.BINDING:
        yield wrong(f"describes a {schema.kind}; a binding's shape is the kernel's")
    if schema.signer is not SIGNERS.get(kind, Signer.DEVICE):
        yield wrong(f"cannot be signed as {schema.signer}")
    if schema.max_rows < 1 or not 1 <= len(schema.columns) <= MAX_COLUMNS:
        yield wrong("needs rows and columns, within the limits")
    if not schema.description.strip():
        yield wrong("has no description", Rule.DOCUMENTED)
    if schema.equal_length and not any(column.required for column in schema.columns):
        yield wrong("is a table without a required column")
    names = Counter(column.name for column in schema.columns)
    for column in schema.columns:
        if names[column.name] > 1:
            yield wrong(f"column {column.name} is declared twice")
        for finding in _column(column):
            yield wrong(f"column {column.name} {finding.message}", finding.rule)


def _column(column: Column) -> Iterator[Finding]:
    def wrong(message: str, rule: Rule = Rule.SCHEMA) -> Finding:
        return Finding(rule=rule, where=column.name, message=message)

    if not CODE.fullmatch(column.name) or len(column.name) > MAX_NAME_BYTES:
        yield wrong("has no lower-case name of letters, digits and _")
    if not column.description.strip():
        yield wrong("has no description", Rule.DOCUMENTED)
    if column.dtype is DType.B32:
        return
    low, high = RANGES[column.dtype]
    if not low <= column.minimum <= column.maximum <= high:
        yield wrong(f"allows {column.minimum}..{column.maximum}, which {column.dtype} cannot carry")


def _visibility(resource: Resource) -> Iterator[Finding]:
    sealed = resource.visibility is Visibility.MEMBERS
    for kind, schema in resource.schemas.items():
        if kind is Kind.SITE and schema.sealed:
            yield Finding(rule=Rule.VISIBILITY, where=kind, message="a site table is public")
        if schema.signer is Signer.DEVICE and schema.sealed is not sealed:
            message = f"evidence is for {resource.visibility}, sealed is {schema.sealed}"
            yield Finding(rule=Rule.VISIBILITY, where=kind, message=message)
        if schema.signer is Signer.COUNTERSIGNED and schema.sealed and not sealed:
            yield Finding(rule=Rule.VISIBILITY, where=kind, message="evidence is public")
