"""Search: what a few letters, a number or the beginning of a hash can mean.

Rule: every look into the index is a bounded walk along one of its indexes, however large it is and
whatever was typed; texts that people chose are compared in memory or in tables that stay small.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import h3  # type: ignore[import-untyped]
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from commonworks.explorer import cells
from commonworks.explorer.index.schema import (
    chain_event,
    device,
    epoch,
    gateway,
    payee,
    payout,
    proposal,
    statement,
    verifier,
)
from commonworks.explorer.models.search import Found, Group, Hit, SearchAnswer
from commonworks.explorer.queries import devices, parameters
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, mark
from commonworks.explorer.web.model import NUMBER_MAX, address_text, hash_text
from commonworks.explorer.web.templating import moment, short
from commonworks.explorer.web.words import reason_words
from commonworks.statements.model import REASONS

QUERY_MAX: Final = 200
"""Characters of a query; a longer one names nothing here."""
HITS_MAX: Final = 10
"""Hits of one kind."""
WORDS_MAX: Final = 8
"""Words of a query that are looked for in titles."""
HEX_MIN: Final = 4
"""Digits of a beginning: fewer could mean too much."""
IDENTITY_HEX_MIN: Final = 8
"""The same for statements, of which there are most, and for what reads as a number."""
ADDRESS_HEX: Final = 40
HASH_HEX: Final = 64
CELL_HEX: Final = 15
"""Digits of a map cell; there is no beginning of one: the cells around it begin otherwise."""

_HEX: Final = re.compile(r"(0x)?([0-9a-f]{1,64})")
_NUMBER: Final = re.compile(r"#?([0-9]{1,78})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_KIND_AND_NUMBER: Final = re.compile(r"([^\W\d_]+)[ #]*([0-9]{1,78})")
_BETWEEN: Final = re.compile(r"[\s_./-]+")
LOOSE_MIN: Final = 3
"""Letters and digits of a name that is written without what stands between its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """What was typed, read in every way that makes sense."""

    text: str
    """Lower case, without control characters, spaces as one."""
    hex: str | None
    """Digits of the beginning of a hash, an address, a key."""
    number: int | None
    kind: Found | None = None
    """Kind that was written before the number."""

    @property
    def words(self) -> Sequence[str]:
        return self.text.split()[:WORDS_MAX]


def _read(typed: str) -> _Query:
    text = " ".join(_CONTROL.sub(" ", typed).split()).lower()
    digits = _HEX.fullmatch(text)
    numeral = _NUMBER.fullmatch(text)
    start = None
    if digits is not None:
        plain = digits[1] is None and digits[2].isdecimal()
        if len(digits[2]) >= (IDENTITY_HEX_MIN if plain else HEX_MIN):
            start = digits[2]
    named = _KIND_AND_NUMBER.fullmatch(text)
    kind = None if named is None else _numbered().get(named[1])
    if named is not None and kind is not None:
        return _Query(text=text, hex=None, number=int(named[2]), kind=kind)
    return _Query(text=text, hex=start, number=None if numeral is None else int(numeral[1]))


def _numbered() -> Mapping[str, Found]:
    """Return what people write before a number, in English and in the reader's language."""
    return {
        "device": Found.DEVICE, gettext("Device").lower(): Found.DEVICE,
        "epoch": Found.EPOCH, gettext("Epoch").lower(): Found.EPOCH,
        "proposal": Found.PROPOSAL, gettext("Proposal").lower(): Found.PROPOSAL,
    }  # fmt: skip


def search(connection: Connection, site: Site, typed: str) -> SearchAnswer:
    """Return what a query can mean, by kind; nothing for one that is empty or too long."""
    asked = _read(typed[: QUERY_MAX + 1])
    if not asked.text or len(typed) > QUERY_MAX:
        return SearchAnswer(query=asked.text[:QUERY_MAX], groups=[], certain=None)
    groups = []
    for kind, find in _FINDERS:
        if asked.kind not in (None, kind):
            continue
        hits = find(connection, site, asked)
        if hits:
            groups.append(Group(kind=kind, hits=hits[:HITS_MAX], more=len(hits) > HITS_MAX))
    return SearchAnswer(query=asked.text, groups=groups, certain=_certain(asked, groups))


def _certain(asked: _Query, groups: Sequence[Group]) -> str | None:
    """Return the page of the only hit; of the only exact one when a whole hash was given."""
    hits = [hit for group in groups for hit in group.hits]
    if len(hits) == 1 and not groups[0].more:
        return hits[0].href
    exact = [hit for hit in hits if hit.exact]
    whole = asked.hex is not None and len(asked.hex) in (ADDRESS_HEX, HASH_HEX)
    return exact[0].href if whole and len(exact) == 1 else None


# --- ways to look ---------------------------------------------------------------------------------


def _range(digits: str, length: int) -> tuple[bytes, bytes] | None:
    """Return the smallest and the largest value of so many bytes that begins with these digits."""
    if len(digits) > 2 * length:
        return None
    return (
        bytes.fromhex(digits.ljust(2 * length, "0")),
        bytes.fromhex(digits.ljust(2 * length, "f")),
    )


def _starting(connection: Connection, column: Any, digits: str, length: int) -> list[bytes]:
    """Return different values of an indexed column that begin so: one step for each, no more."""
    bounds = _range(digits, length)
    found: list[bytes] = []
    if bounds is None:
        return found
    low, high = bounds
    beyond: ColumnElement[bool] = column >= low
    while len(found) <= HITS_MAX:
        step = select(column).where(beyond, column <= high).order_by(column).limit(1)
        value = connection.scalar(step)
        if value is None:
            break
        found.append(value)
        beyond = column > value
    return found


def _named(labels: Iterable[tuple[bytes, str]], text: str) -> list[tuple[bytes, str]]:
    """Return whose label holds the text: the same first, then those that begin with it."""
    found = [(key, label) for key, label in labels if _within(text, label)]
    found.sort(key=lambda one: (*_rank(one[1], text), one[0]))
    return found[: HITS_MAX + 1]


def _within(text: str, name: str) -> bool:
    """Tell whether a name holds a text, however its words are separated: `top roof`, `top-roof`."""
    loose = _BETWEEN.sub("", text)
    if text in name.lower():
        return True
    return len(loose) >= LOOSE_MIN and loose in _BETWEEN.sub("", name.lower())


def _rank(label: str, text: str) -> tuple[bool, bool, str]:
    plain = label.lower()
    return plain != text, not plain.startswith(text), plain


def _holds(column: Any, words: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a text holds every word, taken literally."""
    return and_(*(column.icontains(word, autoescape=True) for word in words))


# --- what is found --------------------------------------------------------------------------------


def _devices(connection: Connection, site: Site, asked: _Query) -> list[Hit]:
    columns = (device.c.device, device.c.thumbprint, device.c.resource)
    terms: list[ColumnElement[bool]] = []
    if asked.number is not None and asked.number <= NUMBER_MAX:
        terms.append(device.c.device == asked.number)
    labelled = [key for key, _ in _named(site.device_labels.items(), asked.text)]
    if labelled:
        terms.append(device.c.thumbprint.in_(labelled))
    bounds = None if asked.hex is None else _range(asked.hex, 32)
    if bounds is not None:
        terms.append(device.c.thumbprint.between(*bounds))
    found: dict[int, Hit] = {}
    for term in terms:
        query = select(*columns).where(term).order_by(device.c.device).limit(HITS_MAX + 1)
        for number, thumbprint, resource in connection.execute(query):
            label = site.device_labels.get(thumbprint)
            found[number] = Hit(
                title=gettext("Device %(number)s", number=number)
                if label is None
                else f"{label} #{number}",
                detail=gettext(site.resources[resource].title)
                if resource in site.resources
                else resource,
                href=f"/devices/{number}",
                exact=number == asked.number
                or thumbprint.hex() == asked.hex
                or (label is not None and label.lower() == asked.text),
            )
    return sorted(found.values(), key=lambda hit: not hit.exact)


def _accounts(connection: Connection, site: Site, asked: _Query) -> list[Hit]:
    found = [key for key, _ in _named(site.labels.items(), asked.text)]
    if asked.hex is not None:
        columns = (
            device.c.owner, payee.c.account, payout.c.account, chain_event.c.account,
            chain_event.c.other,
        )  # fmt: skip
        known = {key for key in site.labels if key.hex().startswith(asked.hex)}
        for column in columns:
            known.update(_starting(connection, column, asked.hex, 20))
        found += sorted(known - set(found))
    return [
        Hit(
            title=site.labels.get(account) or address_text(account),
            detail=address_text(account) if account in site.labels else "",
            href=f"/accounts/{address_text(account)}",
            exact=account.hex() == asked.hex or site.labels.get(account, "").lower() == asked.text,
        )
        for account in found[: HITS_MAX + 1]
    ]


_EPOCH_HASHES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "digest": mark("its digest is %(hash)s"),
        "evidence_hash": mark("its evidence hash is %(hash)s"),
        "payout_root": mark("its payout root is %(hash)s"),
    }
)
"""Column of an epoch that people have from elsewhere -> what is said of a hit."""


def _epochs(connection: Connection, site: Site, asked: _Query) -> list[Hit]:
    return [*_epochs_by_number(connection, site, asked), *_epochs_by_hash(connection, asked)]


def _epochs_by_hash(connection: Connection, asked: _Query) -> list[Hit]:
    """Return epochs by the beginning of a hash; a payout root can be that of several."""
    bounds = None if asked.hex is None else _range(asked.hex, 32)
    if bounds is None:
        return []
    found: dict[int, Hit] = {}
    for name, words in _EPOCH_HASHES.items():
        column = epoch.c[name]
        query = select(epoch.c.epoch, column).where(column.between(*bounds))
        for number, value in connection.execute(query.order_by(column).limit(HITS_MAX + 1)):
            hit = Hit(
                title=gettext("Epoch %(number)s", number=number),
                detail=gettext(words, hash=short(hash_text(value))),
                href=f"/epochs/{number}",
                exact=value.hex() == asked.hex,
            )
            found.setdefault(number, hit)
    return [found[number] for number in sorted(found, reverse=True)]


def _epochs_by_number(connection: Connection, _site: Site, asked: _Query) -> list[Hit]:
    if asked.number is None or asked.number > NUMBER_MAX:
        return []
    query = select(epoch.c.epoch, epoch.c.start_s).where(epoch.c.epoch == asked.number)
    return [
        Hit(
            title=gettext("Epoch %(number)s", number=number),
            detail=moment(start),
            href=f"/epochs/{number}",
            exact=True,
        )
        for number, start in connection.execute(query)
    ]


def _transactions(connection: Connection, _site: Site, asked: _Query) -> list[Hit]:
    if asked.hex is None:
        return []
    return [
        Hit(
            title=gettext("Transaction %(hash)s", hash=short(hash_text(tx))),
            detail="",
            href=f"/transactions/{hash_text(tx)}",
            exact=tx.hex() == asked.hex,
        )
        for tx in _starting(connection, chain_event.c.tx, asked.hex, 32)
    ]


def _statements(connection: Connection, _site: Site, asked: _Query) -> list[Hit]:
    if asked.hex is None or len(asked.hex) < IDENTITY_HEX_MIN:
        return []
    return [
        Hit(
            title=gettext("Statement %(hash)s", hash=short(identity.hex())),
            detail="",
            href=f"/statements/{identity.hex()}",
            exact=identity.hex() == asked.hex,
        )
        for identity in _starting(connection, statement.c.identity, asked.hex, 32)
    ]


def _gateways(connection: Connection, _site: Site, asked: _Query) -> list[Hit]:
    term = _holds(gateway.c.name, asked.words)
    bounds = None if asked.hex is None else _range(asked.hex, 32)
    if bounds is not None:
        term = or_(term, gateway.c.log_id.between(*bounds))
    query = select(gateway.c.log_id, gateway.c.name).where(term).order_by(gateway.c.name)
    return [
        Hit(
            title=name or short(log_id.hex()),
            detail=gettext("Gateway, log %(hash)s", hash=short(log_id.hex())),
            href=f"/nodes/gateways/{log_id.hex()}",
            exact=log_id.hex() == asked.hex or name.lower() == asked.text,
        )
        for log_id, name in connection.execute(query.limit(HITS_MAX + 1))
    ]


def _verifiers(connection: Connection, _site: Site, asked: _Query) -> list[Hit]:
    query = select(verifier.c.operator, verifier.c.name).where(_holds(verifier.c.name, asked.words))
    return [
        Hit(
            title=name or address_text(operator),
            detail=gettext("Verifier %(account)s", account=short(address_text(operator), 8, 4)),
            href=f"/nodes/verifiers/{address_text(operator)}",
            exact=name.lower() == asked.text,
        )
        for operator, name in connection.execute(
            query.order_by(verifier.c.name).limit(HITS_MAX + 1)
        )
    ]


def _proposals(connection: Connection, _site: Site, asked: _Query) -> list[Hit]:
    term = _holds(proposal.c.title, asked.words)
    if asked.number is not None:
        term = or_(term, proposal.c.proposal == str(asked.number))
        if asked.number <= NUMBER_MAX:
            term = or_(term, proposal.c.number == asked.number)
    query = select(proposal.c.number, proposal.c.title, proposal.c.proposal).where(term)
    return [
        Hit(
            title=gettext("Proposal %(number)s", number=number),
            detail=title[:QUERY_MAX],
            href=f"/governance/{number}",
            exact=asked.number is not None and str(asked.number) in (str(number), identifier),
        )
        for number, title, identifier in connection.execute(
            query.order_by(proposal.c.number.desc()).limit(HITS_MAX + 1)
        )
    ]


def _parameters(_connection: Connection, site: Site, asked: _Query) -> list[Hit]:
    found = sorted(
        (key for key in site.parameters if _within(asked.text, key)),
        key=lambda key: _rank(key, asked.text),
    )
    return [
        Hit(
            title=key,
            detail=gettext(site.parameters[key].description),
            href=f"/parameters/{key}",
            exact=key.lower() == asked.text,
        )
        for key in found[: HITS_MAX + 1]
    ]


def _resources(_connection: Connection, site: Site, asked: _Query) -> list[Hit]:
    return [
        Hit(
            title=gettext(one.title),
            detail=one.name,
            href=f"/resources/{one.name}",
            exact=one.name == asked.text,
        )
        for one in site.resources.values()
        if asked.text in f"{one.name}\n{one.title}\n{gettext(one.title)}".lower()
    ][: HITS_MAX + 1]


def _reasons(_connection: Connection, site: Site, asked: _Query) -> list[Hit]:
    """Return reasons by their code or their title: there are few, and each has its words."""
    if len(asked.text) < LOOSE_MIN:
        return []
    codes = [str(code) for code in REASONS]
    codes += [str(code) for one in site.resources.values() for code in one.reasons]
    told = [reason_words(site, code) for code in codes]
    return [
        Hit(
            title=one.title,
            detail=one.meaning,
            href=f"/reasons#{one.code}",
            exact=asked.text in (one.code, one.title.lower()),
        )
        for one in told
        if _within(asked.text, one.code) or _within(asked.text, one.title)
    ][: HITS_MAX + 1]


def _cells(connection: Connection, site: Site, asked: _Query) -> list[Hit]:
    """Return a map cell with devices in it; of one finer than the map shows, what is around it."""
    if asked.hex is None or len(asked.hex) != CELL_HEX or not h3.is_valid_cell(asked.hex):
        return []
    finest = parameters.map_resolution(connection, site)
    cell = cells.coarse(asked.hex, finest)
    if not devices.list_devices(connection, site, limit=1, cell=cell).items:
        return []
    whole = cell == asked.hex
    return [
        Hit(
            title=gettext("Map cell %(cell)s", cell=cell),
            detail=gettext("the devices in it")
            if whole
            else gettext("the finest around what was asked for that the map shows"),
            href=f"/devices?cell={cell}",
            exact=whole,
        )
    ]


_FINDERS: Final[Sequence[tuple[Found, Callable[[Connection, Site, _Query], list[Hit]]]]] = (
    (Found.DEVICE, _devices),
    (Found.ACCOUNT, _accounts),
    (Found.EPOCH, _epochs),
    (Found.TRANSACTION, _transactions),
    (Found.STATEMENT, _statements),
    (Found.GATEWAY, _gateways),
    (Found.VERIFIER, _verifiers),
    (Found.PROPOSAL, _proposals),
    (Found.PARAMETER, _parameters),
    (Found.RESOURCE, _resources),
    (Found.REASON, _reasons),
    (Found.CELL, _cells),
)
