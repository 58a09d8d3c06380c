"""A chain event as one plain sentence, in the reader's language, with links to what it names.

Interface: `describe(site, row, names)`. A row is one of table `chain_event`; `names_of` reads what
devices and gateways of some rows are called. Everything in a sentence is plain text until a
template escapes it: names come from strangers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from commonworks.explorer.index.schema import device as device_table
from commonworks.explorer.index.schema import gateway as gateway_table
from commonworks.explorer.queries.parameters import value_text
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, mark
from commonworks.explorer.web.model import address_text
from commonworks.explorer.web.templating import moment, money_of, number, short

TEXT_MAX: Final = 80
"""Characters that are shown of a name that a stranger chose."""

_PLACE: Final = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a sentence."""

    text: str
    """Plain text, not escaped."""
    href: str | None = None
    """Page of what it names; None for mere words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One event in words."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The sentence without its links."""
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What people call things that rows name by number or hash."""

    devices: Mapping[int, str] = field(default_factory=dict)
    """Device id -> label."""
    gateways: Mapping[bytes, str] = field(default_factory=dict)
    """Log id -> the gateway's name."""


NOBODY_KNOWN: Final = Names()

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "enrolled": mark("%(account)s enrolled device %(device)s for %(resource)s."),
        "transferred": mark("Device %(device)s went from %(account)s to %(other)s."),
        "payees_set": mark("Device %(device)s has new payees: what it earns is shared by a list."),
        "payees_set.none": mark("What device %(device)s earns goes to its owner alone."),
        "registrar_set": mark("A registrar's key was admitted for %(resource)s."),
        "registrar_set.no": mark("A registrar's key was removed from %(resource)s."),
        "reference_set": mark("Device %(device)s was admitted as an independent reference."),
        "reference_set.no": mark("Device %(device)s is no longer an independent reference."),
        "site_adopted": mark("A new site table is in force for %(resource)s."),
        "gateway_registered": mark("%(account)s registered the gateway %(name)s."),
        "verifier_registered": mark("%(account)s registered the verifier %(name)s."),
        "bonded": mark("%(account)s put up a bond of %(amount)s."),
        "unbonding_started": mark(
            "%(account)s takes %(amount)s out of its bond; it stays at stake until %(ready_at)s."
        ),
        "unbonded": mark("%(account)s took out its released bond of %(amount)s."),
        "stake_changed": mark("The stake of verifier %(verifier)s is now %(stake)s."),
        "parameter_defined": mark("The parameter %(parameter)s began with the value %(value)s."),
        "parameter_set": mark("The parameter %(parameter)s is %(value)s from epoch %(from)s on."),
        "anchored": mark("Gateway %(gateway)s anchored its log on chain: %(size)s statements."),
        "anchored.run": mark(
            "Gateway %(gateway)s anchored its log on chain %(count)s times, up to %(size)s "
            "statements."
        ),
        "confirmed": mark(
            "Verifier %(verifier)s confirmed that it holds the evidence of epoch %(epoch)s."
        ),
        "closed": mark("Epoch %(epoch)s was closed: its evidence is frozen."),
        "attested": mark("Verifier %(verifier)s signed off on the result of epoch %(epoch)s."),
        "finalised": mark("Epoch %(epoch)s is final: what it pays is fixed."),
        "deposited": mark("%(account)s deposited %(amount)s."),
        "deposited.for": mark("%(other)s deposited %(amount)s for %(account)s."),
        "withdrawal_requested": mark("%(account)s asked for %(amount)s of its deposit back."),
        "spend_limit_set": mark(
            "%(account)s lets device %(device)s spend up to %(limit)s an epoch."
        ),
        "claimed": mark("%(account)s claimed %(amount)s."),
        "halt_voted": mark(
            "Verifier %(verifier)s voted with a stake of %(amount)s to stop the payout of epoch "
            "%(epoch)s."
        ),
        "halted": mark("The payout of epoch %(epoch)s was stopped until %(until)s."),
        "root_accepted": mark(
            "The Vault took in the payout of epoch %(epoch)s; its hold ends at %(claimable_at)s."
        ),
        "root_delayed": mark(
            "The payout root of epoch %(epoch)s cannot be claimed against before %(claimable_at)s."
        ),
        "exit_entered": mark(
            "The Vault's exit was opened: everybody can take out what is theirs, and no epoch is "
            "settled any more."
        ),
        "exited": mark("%(account)s took %(amount)s out of the Vault by its exit."),
        "guardian_appointed": mark(
            "%(account)s is guardian until %(until)s and may stop payouts that wait."
        ),
        "guardian_appointed.none": mark("Nobody is guardian any more."),
        "guardian_halted": mark(
            "The guardian %(account)s stopped the payout of epoch %(epoch)s; it cannot stop "
            "another one before %(ready_at)s."
        ),
    }
)
"""Event kind, or kind and variant -> what it says."""

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "enrolled": mark("Device enrolled"),
        "transferred": mark("Device handed over"),
        "payees_set": mark("Payees set"),
        "registrar_set": mark("Registrar set"),
        "reference_set": mark("Reference device set"),
        "site_adopted": mark("Site table adopted"),
        "gateway_registered": mark("Gateway registered"),
        "verifier_registered": mark("Verifier registered"),
        "bonded": mark("Bond put up"),
        "unbonding_started": mark("Bond leaving"),
        "unbonded": mark("Bond taken out"),
        "stake_changed": mark("Stake changed"),
        "parameter_defined": mark("Parameter defined"),
        "parameter_set": mark("Parameter changed"),
        "anchored": mark("Log anchored"),
        "confirmed": mark("Evidence confirmed"),
        "closed": mark("Epoch closed"),
        "attested": mark("Result attested"),
        "finalised": mark("Epoch final"),
        "deposited": mark("Deposit"),
        "withdrawal_requested": mark("Withdrawal asked for"),
        "spend_limit_set": mark("Spending limit set"),
        "claimed": mark("Earnings claimed"),
        "halt_voted": mark("Vote to stop a payout"),
        "halted": mark("Payout stopped"),
        "root_accepted": mark("Payout on hold"),
        "root_delayed": mark("Payout delayed"),
        "exit_entered": mark("Exit opened"),
        "exited": mark("Paid by the exit"),
        "guardian_appointed": mark("Guardian appointed"),
        "guardian_halted": mark("Payout stopped by the guardian"),
    }
)
"""Event kind -> its heading."""

RUNS: Final[Mapping[str, str]] = MappingProxyType({"anchored": "anchored.run"})
"""Kind that comes again and again -> the sentence of many in a row, by one gateway."""

_UNKNOWN: Final = mark("The contracts recorded: %(kind)s.")
_NOTHING: Final = Part(text="–")


def kind_words(kind: str) -> str:
    """Return the heading of an event kind; one that is unknown here, as it is spelled."""
    known = KINDS.get(kind)
    return gettext(known) if known is not None else kind.replace("_", " ")[:TEXT_MAX]


def describe(site: Site, row: Row[Any], names: Names = NOBODY_KNOWN, *, times: int = 1) -> Sentence:
    """Return what happened as a sentence.

    Inputs: a row of `chain_event`; `names` as `names_of` gives them, or nothing: then things stand
    with their numbers. `times`: how often, where it is the newest of a run that is told as one (the
    kinds of `RUNS`). Never raises for what the chain may hold.
    """
    detail = {**_detail(row.detail), "count": times}
    template = SENTENCES.get(RUNS[row.kind] if times > 1 else _variant(row, detail))
    text = gettext(template if template is not None else _UNKNOWN)
    scene = _Scene(site=site, row=row, detail=detail, names=names)
    pieces = _PLACE.split(text)
    parts = [
        _PARTS[piece](scene) if place % 2 and piece in _PARTS else Part(text=piece)
        for place, piece in enumerate(pieces)
    ]
    return Sentence(parts=tuple(part for part in parts if part.text))


def names_of(connection: Connection, site: Site, rows: Sequence[Row[Any]]) -> Names:
    """Return what the devices and gateways of some rows are called. Bounded by the rows."""
    ids = {row.device for row in rows if row.device is not None}
    logs = {row.log_id for row in rows if row.log_id is not None}
    devices: dict[int, str] = {}
    if ids and site.device_labels:
        found = select(device_table.c.device, device_table.c.thumbprint)
        for number_, thumbprint in connection.execute(found.where(device_table.c.device.in_(ids))):
            label = site.device_labels.get(thumbprint)
            if label is not None:
                devices[number_] = label
    gateways: dict[bytes, str] = {}
    if logs:
        known = select(gateway_table.c.log_id, gateway_table.c.name)
        for log_id, name in connection.execute(known.where(gateway_table.c.log_id.in_(logs))):
            gateways[log_id] = name
    return Names(devices=devices, gateways=gateways)


def account_part(site: Site, account: bytes | None) -> Part:
    """Return an account as part of a sentence."""
    if account is None:
        return _NOTHING
    text = address_text(account)
    return Part(text=site.labels.get(account) or short(text, 8, 4), href=f"/accounts/{text}")


def money_text(site: Site, value: int | None, asset: bytes | None) -> str:
    """Return an amount of an asset with its symbol; bare digits where the asset is unknown."""
    if value is None:
        return "–"
    if asset is None:
        return number(value)
    return money_of(site, value, asset)


# --- what stands in the places of a sentence ------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    site: Site
    row: Row[Any]
    detail: Mapping[str, Any]
    names: Names


def _variant(row: Row[Any], detail: Mapping[str, Any]) -> str:
    """Return the key of the sentence: some kinds of event have more than one."""
    kind = str(row.kind)
    if kind == "payees_set" and not detail.get("shares"):
        return "payees_set.none"
    if kind == "registrar_set" and not detail.get("active", True):
        return "registrar_set.no"
    if kind == "reference_set" and not detail.get("admitted", True):
        return "reference_set.no"
    if kind == "guardian_appointed" and row.account is not None and not any(row.account):
        return "guardian_appointed.none"
    if kind == "deposited" and row.other is not None and row.other != row.account:
        return "deposited.for"
    return kind


def _detail(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def word_text(value: object) -> str:
    """Return a name that a contract keeps in 32 bytes: given as its text or as 0x hexadecimal."""
    text = str(value)
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
        text = bytes.fromhex(text[2:]).rstrip(b"\0").decode("ascii", "replace")
    return text[:TEXT_MAX]


def _whole(scene: _Scene, key: str) -> int | None:
    value = scene.detail.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _account(scene: _Scene) -> Part:
    return account_part(scene.site, scene.row.account)


def _other(scene: _Scene) -> Part:
    return account_part(scene.site, scene.row.other)


def _verifier(scene: _Scene) -> Part:
    account = scene.row.account
    if account is None:
        return _NOTHING
    text = address_text(account)
    label = scene.site.labels.get(account) or short(text, 8, 4)
    return Part(text=label, href=f"/nodes/verifiers/{text}")


def _device(scene: _Scene) -> Part:
    device = scene.row.device
    if device is None:
        return _NOTHING
    label = scene.names.devices.get(device)
    text = f"{device}" if label is None else f"{device} ({label[:TEXT_MAX]})"
    return Part(text=text, href=f"/devices/{device}")


def _resource(scene: _Scene) -> Part:
    name = word_text(scene.detail.get("resource", "–"))
    known = scene.site.resources.get(name)
    if known is None:
        return Part(text=name)
    return Part(text=gettext(known.title), href=f"/resources/{name}")


def _gateway(scene: _Scene) -> Part:
    log_id = scene.row.log_id
    if log_id is None:
        return _NOTHING
    name = scene.names.gateways.get(log_id) or short(log_id.hex(), 8, 4)
    return Part(text=name[:TEXT_MAX], href=f"/nodes/gateways/{log_id.hex()}")


def _name(scene: _Scene) -> Part:
    name = str(scene.detail.get("name", ""))[:TEXT_MAX] or "–"
    if scene.row.log_id is not None:
        return Part(text=name, href=f"/nodes/gateways/{scene.row.log_id.hex()}")
    return Part(text=name, href=_verifier(scene).href)


def _epoch(scene: _Scene) -> Part:
    epoch = scene.row.epoch
    return _NOTHING if epoch is None else Part(text=str(epoch), href=f"/epochs/{epoch}")


def _from(scene: _Scene) -> Part:
    epoch = _whole(scene, "from_epoch")
    return _NOTHING if epoch is None else Part(text=str(epoch))


def _amount(scene: _Scene) -> Part:
    row = scene.row
    bond = row.kind in ("bonded", "unbonding_started", "unbonded", "halt_voted")
    asset = row.asset if row.asset is not None or not bond else scene.site.bond_asset
    value = row.amount if row.amount is not None else _whole(scene, "amount")
    return Part(text=money_text(scene.site, value, asset))


def _stake(scene: _Scene) -> Part:
    return Part(text=money_text(scene.site, _whole(scene, "stake"), scene.site.bond_asset))


def _limit(scene: _Scene) -> Part:
    currency = scene.site.network.currency
    return Part(text=money_text(scene.site, _whole(scene, "limit"), currency))


def _moment(field_name: str) -> Callable[[_Scene], Part]:
    """Return what shows a moment that stands in the event."""
    return lambda scene: Part(text=moment(_whole(scene, field_name)))


def _size(scene: _Scene) -> Part:
    return Part(text=number(_whole(scene, "size")))


def _count(scene: _Scene) -> Part:
    return Part(text=number(_whole(scene, "count")))


def _parameter(scene: _Scene) -> Part:
    key = word_text(scene.detail.get("key", "–"))
    known = key in scene.site.parameters
    return Part(text=key, href=f"/parameters/{key}" if known else None)


def _value(scene: _Scene) -> Part:
    value = _whole(scene, "value")
    parameter = scene.site.parameters.get(word_text(scene.detail.get("key", "")))
    if value is None:
        return _NOTHING
    if parameter is not None and parameter.unit == "address" and 0 <= value < 2**160:
        return account_part(scene.site, value.to_bytes(20, "big")) if value else _NOTHING
    if parameter is not None and parameter.unit == "hash":
        return Part(text=short((value % 2**256).to_bytes(32, "big").hex(), 8, 4))
    if parameter is not None:
        return Part(text=value_text(scene.site, parameter.unit, value))
    return Part(text=number(value))


def _kind(scene: _Scene) -> Part:
    return Part(text=kind_words(str(scene.row.kind)))


_PARTS: Final[Mapping[str, Callable[[_Scene], Part]]] = MappingProxyType(
    {
        "account": _account,
        "other": _other,
        "verifier": _verifier,
        "device": _device,
        "resource": _resource,
        "gateway": _gateway,
        "name": _name,
        "epoch": _epoch,
        "from": _from,
        "amount": _amount,
        "stake": _stake,
        "limit": _limit,
        "ready_at": _moment("ready_at"),
        "until": _moment("until"),
        "claimable_at": _moment("claimable_at"),
        "size": _size,
        "count": _count,
        "parameter": _parameter,
        "value": _value,
        "kind": _kind,
    }
)
