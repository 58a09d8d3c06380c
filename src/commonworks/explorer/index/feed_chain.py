"""Chain events as rows: the diary, and the tables that follow from the chain alone.

Rule: as settlement's facts do, skip what the contracts cannot check: a device whose key is not
what its thumbprint says, or whose resource is no name, is in the diary and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import h3  # type: ignore[import-untyped]
from sqlalchemy import Connection, delete, func, select

from commonworks.events import (
    Anchored,
    Attested,
    Bonded,
    Claimed,
    Closed,
    Confirmed,
    Deposited,
    Enrolled,
    Event,
    Finalised,
    GatewayRegistered,
    ParameterDefined,
    ParameterSet,
    PayeesSet,
    ReferenceSet,
    SiteAdopted,
    SpendLimitSet,
    StakeChanged,
    Transferred,
    Unbonded,
    UnbondingStarted,
    VerifierRegistered,
    WithdrawalRequested,
)
from commonworks.explorer.index import schema
from commonworks.explorer.index.feed_roots import RootFold
from commonworks.explorer.index.followed import Followed
from commonworks.explorer.index.rows import (
    Row,
    Rows,
    add,
    clean,
    fitting,
    plain,
    to_json,
)
from commonworks.model import Network
from commonworks.settlement.facts import NOBODY, key_of, text_of
from commonworks.stops import (
    Exited,
    GuardianAppointed,
    GuardianHalted,
    HaltVoted,
    RootAccepted,
    RootDelayed,
)

RESOURCE_MAX: Final = 31
"""Longest name of a resource."""

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ABOUT: Final[Mapping[type[Event], Mapping[str, str]]] = {
    Enrolled: {"account": "owner", "other": "enroller"},
    Transferred: {"account": "sender", "other": "receiver"},
    GatewayRegistered: {"account": "operator"},
    VerifierRegistered: {"account": "operator"},
    Bonded: {"account": "operator"},
    UnbondingStarted: {"account": "operator"},
    Unbonded: {"account": "operator"},
    StakeChanged: {"account": "operator", "amount": "stake"},
    Confirmed: {"account": "verifier"},
    Attested: {"account": "verifier"},
    Deposited: {"other": "sender"},
    SpendLimitSet: {"amount": "limit"},
    HaltVoted: {"account": "verifier", "amount": "stake"},
    GuardianAppointed: {"account": "holder"},
    GuardianHalted: {"account": "holder"},
}
"""The diary's column -> the event's field, where they are called differently."""
_COLUMNS: Final = ("epoch", "device", "log_id", "account", "other", "asset", "amount")
_WORDS: Final = ("resource", "key")
"""Fields with a name of up to 32 bytes."""


def kind_of(event: Event) -> str:
    """Return what the diary calls an event: its class in snake case."""
    return _WORD.sub("_", type(event).__name__).lower()


def diary_row(event: Event) -> Row:
    """Return an event's row in the diary."""
    about = _ABOUT.get(type(event), {})
    row: Row = {name: getattr(event, about.get(name, name), None) for name in _COLUMNS}
    row["epoch"], row["device"] = fitting(row["epoch"]), fitting(row["device"])
    detail = {f.name: plain(getattr(event, f.name)) for f in fields(event) if f.name != "at"}
    for name in _WORDS:
        word = getattr(event, name, None)
        if word is not None and (text := text_of(word)) is not None:
            detail[name] = text
    return row | {
        "block": event.at.block,
        "log_index": event.at.index,
        "time": event.at.time,
        "tx": event.at.tx,
        "kind": kind_of(event),
        "detail": to_json(detail),
    }


def cell_of(cell: int) -> str | None:
    """Return an H3 cell in hexadecimal, None for a number that is none."""
    text = f"{cell:x}"
    return text if h3.is_valid_cell(text) else None


class ChainFold:
    """Folds one run of events that follow those folded before; `write` ends it."""

    def __init__(self, connection: Connection, network: Network) -> None:
        self._connection = connection
        self._network = network
        self.kids: set[bytes] = set()
        """Keys whose device may be another one now."""
        self._rows = {
            table.name: Rows(connection, table)
            for table in (
                schema.device, schema.epoch, schema.evidence_range, schema.confirmation,
                schema.attestation, schema.spend_limit, schema.gateway, schema.verifier,
                schema.bond, schema.anchor, schema.site, schema.payout_root,
            )
        }  # fmt: skip
        self._movements: list[Row] = []
        self._changes: list[Row] = []
        self._newest: dict[str, Row | None] = {}
        self._followed = Followed(connection)
        roots = RootFold(connection, self._rows["payout_root"])
        self._steps: Mapping[type[Event], Callable[[Any], None]] = {
            Enrolled: self._enrol,
            Transferred: self._transfer,
            PayeesSet: self._set_payees,
            ReferenceSet: self._set_reference,
            SiteAdopted: self._adopt,
            GatewayRegistered: self._register_gateway,
            VerifierRegistered: self._register_verifier,
            Bonded: self._bond,
            UnbondingStarted: self._unbond,
            Unbonded: self._pay_out,
            StakeChanged: self._stake,
            ParameterDefined: self._define,
            ParameterSet: self._set,
            Anchored: self._anchor,
            Confirmed: self._confirm,
            Closed: self._close,
            Attested: self._attest,
            Finalised: self._finalise,
            Deposited: self._deposit,
            WithdrawalRequested: self._request,
            SpendLimitSet: self._limit,
            Claimed: self._claim,
            Exited: self._exit,
            RootAccepted: roots.accept,
            RootDelayed: roots.delay,
        }

    def fold(self, events: Sequence[Event]) -> None:
        """Fold events in chain order."""
        for event in events:
            step = self._steps.get(type(event))
            if step is not None:
                step(event)
        add(self._connection, schema.chain_event, [diary_row(event) for event in events])

    def write(self) -> None:
        """Write what was folded."""
        for rows in self._rows.values():
            rows.write()
        add(self._connection, schema.movement, self._movements)
        add(self._connection, schema.parameter_change, self._changes)
        self._followed.write()

    # --- devices ------------------------------------------------------------------------------

    def _enrol(self, event: Enrolled) -> None:
        resource, device = text_of(event.resource), fitting(event.device)
        key = key_of(event.algorithm, event.public_key, event.thumbprint)
        if key is None or device is None or resource is None or len(resource) > RESOURCE_MAX:
            return
        self._rows["device"].put(
            device=device,
            owner=event.owner,
            thumbprint=event.thumbprint,
            algorithm=event.algorithm,
            public_key=event.public_key,
            resource=resource,
            cell=cell_of(event.cell),
            enroller=event.enroller,
            enrolled_at=event.at.time,
            enrolled_tx=event.at.tx,
            reference=False,
            statements=0,
            rejected=0,
            last_judged_epoch=None,
        )
        self.kids.add(event.thumbprint)

    def _transfer(self, event: Transferred) -> None:
        row = self._device(event.device)
        if row is None:
            return
        self._rows["device"].put(**row | {"owner": event.receiver})
        if event.receiver == NOBODY:
            self._forget_payees(row["device"])
            self.kids.add(row["thumbprint"])

    def _set_payees(self, event: PayeesSet) -> None:
        row = self._device(event.device)
        if row is None:
            return
        self._forget_payees(row["device"])
        shares: dict[bytes, int] = {}
        for share in event.shares:
            shares[share.account] = shares.get(share.account, 0) + share.ppm
        rows = [
            {"device": row["device"], "account": account, "ppm": ppm}
            for account, ppm in shares.items()
        ]
        add(self._connection, schema.payee, rows)

    def _set_reference(self, event: ReferenceSet) -> None:
        row = self._device(event.device)
        if row is not None:
            self._rows["device"].put(**row | {"reference": event.admitted})

    def _device(self, number: int) -> Row | None:
        device = fitting(number)
        return None if device is None else self._rows["device"].get(device)

    def _forget_payees(self, device: int) -> None:
        self._connection.execute(delete(schema.payee).where(schema.payee.c.device == device))

    def _adopt(self, event: SiteAdopted) -> None:
        resource = text_of(event.resource)
        if resource is not None and len(resource) <= RESOURCE_MAX:
            self._rows["site"].put(
                resource=resource,
                site=event.site,
                statement=event.statement,
                time=event.at.time,
                tx=event.at.tx,
            )

    # --- nodes --------------------------------------------------------------------------------

    def _register_gateway(self, event: GatewayRegistered) -> None:
        self._rows["gateway"].put(
            log_id=event.log_id,
            operator=event.operator,
            name=clean(event.name),
            origin=clean(event.origin),
            endpoint=clean(event.endpoint),
            note_key=event.note_key,
            receipt_key=event.receipt_key,
            registered_at=event.at.time,
            registered_tx=event.at.tx,
        )
        self._followed.register(event.log_id, event.operator)

    def _register_verifier(self, event: VerifierRegistered) -> None:
        self._rows["verifier"].put(
            operator=event.operator,
            name=clean(event.name),
            endpoint=clean(event.endpoint),
            registered_at=event.at.time,
            registered_tx=event.at.tx,
        )

    def _bond(self, event: Bonded) -> None:
        row = self._bonds(event.operator)
        self._rows["bond"].put(**row | {"bonded": row["bonded"] + event.amount})
        self._followed.bond(event.operator, event.amount)

    def _unbond(self, event: UnbondingStarted) -> None:
        row = self._bonds(event.operator)
        self._rows["bond"].put(
            **row
            | {
                "bonded": max(0, row["bonded"] - event.amount),
                "unbonding": row["unbonding"] + event.amount,
                "ready_at": fitting(event.ready_at),
            }
        )
        self._followed.bond(event.operator, -event.amount)

    def _pay_out(self, event: Unbonded) -> None:
        nothing = {"unbonding": 0, "ready_at": None}
        self._rows["bond"].put(**self._bonds(event.operator) | nothing)

    def _stake(self, event: StakeChanged) -> None:
        self._rows["bond"].put(**self._bonds(event.operator) | {"stake": event.stake})

    def _bonds(self, operator: bytes) -> Row:
        nothing = {"operator": operator, "bonded": 0, "unbonding": 0, "ready_at": None, "stake": 0}
        return self._rows["bond"].get(operator) or nothing

    def _anchor(self, event: Anchored) -> None:
        size = fitting(event.size)
        if size is not None:
            self._rows["anchor"].put(
                log_id=event.log_id,
                size=size,
                root=event.root,
                time=event.at.time,
                tx=event.at.tx,
            )

    # --- policy -------------------------------------------------------------------------------

    def _define(self, event: ParameterDefined) -> None:
        self._change(event, event.minimum, event.maximum)

    def _set(self, event: ParameterSet) -> None:
        before = self._last_change(text_of(event.key))
        if before is not None:
            self._change(event, before["minimum"], before["maximum"])

    def _change(self, event: ParameterDefined | ParameterSet, minimum: int, maximum: int) -> None:
        key, from_epoch = text_of(event.key), fitting(event.from_epoch)
        if key is None or from_epoch is None:
            return
        before = self._last_change(key)
        self._newest[key] = {
            "key": key,
            "number": 0 if before is None else before["number"] + 1,
            "value": event.value,
            "minimum": minimum,
            "maximum": maximum,
            "from_epoch": from_epoch,
            "time": event.at.time,
            "tx": event.at.tx,
        }
        self._changes.append(self._newest[key] or {})

    def _last_change(self, key: str | None) -> Row | None:
        if key is None:
            return None
        if key not in self._newest:
            table = schema.parameter_change
            newest = select(func.max(table.c.number)).where(table.c.key == key).scalar_subquery()
            found = self._connection.execute(
                select(table).where(table.c.key == key, table.c.number == newest)
            ).first()
            self._newest[key] = None if found is None else dict(found._mapping)
        return self._newest[key]

    # --- epochs -------------------------------------------------------------------------------

    def _close(self, event: Closed) -> None:
        self._rows["epoch"].put(
            epoch=event.epoch,
            start_s=self._network.epoch_start(event.epoch),
            end_s=self._network.epoch_start(event.epoch + 1),
            closed_at=event.at.time,
            closed_block=event.at.block,
            closed_tx=event.at.tx,
            evidence_hash=event.evidence_hash,
        )
        for part in event.ranges:
            first, size = fitting(part.first), fitting(part.size)
            if first is not None and size is not None:
                self._rows["evidence_range"].put(
                    epoch=event.epoch, log_id=part.log_id, first=first, size=size, root=part.root
                )
            self._followed.follow(part.log_id)

    def _confirm(self, event: Confirmed) -> None:
        epoch = fitting(event.epoch)
        if epoch is not None:
            self._rows["confirmation"].put(
                epoch=epoch,
                verifier=event.verifier,
                tips=to_json(event.tips),
                time=event.at.time,
                tx=event.at.tx,
            )

    def _attest(self, event: Attested) -> None:
        epoch = fitting(event.epoch)
        if epoch is not None:
            self._rows["attestation"].put(
                epoch=epoch,
                verifier=event.verifier,
                digest=event.digest,
                time=event.at.time,
                tx=event.at.tx,
            )

    def _finalise(self, event: Finalised) -> None:
        row, said = self._rows["epoch"].get(event.epoch), event.commitment
        if row is None:
            return
        self._rows["epoch"].put(
            **row
            | {
                "finalised_at": event.at.time,
                "finalised_tx": event.at.tx,
                "digest": event.digest,
                "previous_digest": said.previous_digest,
                "facts_hash": said.facts_hash,
                "policy_hash": said.policy_hash,
                "rules_hash": said.rules_hash,
                "result_hash": said.result_hash,
                "state_hash": said.state_hash,
                "payout_root": said.payout_root,
                "minted_total_wei": said.minted_wei,
                "totals": to_json(said.totals),
            }
        )

    # --- money --------------------------------------------------------------------------------

    def _deposit(self, event: Deposited) -> None:
        self._move("deposit", event)

    def _request(self, event: WithdrawalRequested) -> None:
        self._move("withdrawal_requested", event, request=fitting(event.request))

    def _claim(self, event: Claimed) -> None:
        self._move("claim", event, epoch=fitting(event.epoch))

    def _exit(self, event: Exited) -> None:
        self._move("exit", event)

    def _move(
        self,
        kind: str,
        event: Deposited | WithdrawalRequested | Claimed | Exited,
        *,
        epoch: int | None = None,
        request: int | None = None,
    ) -> None:
        self._movements.append(
            {
                "block": event.at.block,
                "log_index": event.at.index,
                "number": 0,
                "kind": kind,
                "account": event.account,
                "asset": event.asset,
                "amount": event.amount,
                "epoch": epoch,
                "request": request,
                "time": event.at.time,
                "tx": event.at.tx,
            }
        )

    def _limit(self, event: SpendLimitSet) -> None:
        device = fitting(event.device)
        if device is not None:
            self._rows["spend_limit"].put(account=event.account, device=device, limit=event.limit)
