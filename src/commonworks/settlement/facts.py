"""Facts: a fold over contract events up to the last final block before an epoch's end.

No archive node is needed and anybody gets the same facts for ever. Events whose key does not
match its thumbprint, or whose resource name is not text, are skipped: the contract cannot check
them, and a device that nobody can authenticate is no device.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import InvalidInput
from commonworks.events import (
    Deposited,
    Enrolled,
    Event,
    ParameterDefined,
    ParameterSet,
    PayeesSet,
    ReferenceSet,
    RegistrarSet,
    SiteAdopted,
    SpendLimitSet,
    Transferred,
    WithdrawalRequested,
)
from commonworks.model import (
    Device,
    Facts,
    Network,
    Registrar,
    Withdrawal,
)
from commonworks.policy import Policy
from commonworks.settlement.commitment import define_hash, set_hash
from commonworks.settlement.service import ServiceFold, Steps

NO_HISTORY = bytes(32)
"""Hash of a policy history without a change."""

NOBODY = bytes(20)
"""The zero address: who holds a device id that was retired."""


def text_of(word: bytes) -> str | None:
    """Return the ASCII text that stands left-aligned in a 32-byte word, or None."""
    stripped = word.rstrip(b"\0")
    if not stripped or b"\0" in stripped or not stripped.isascii():
        return None
    return stripped.decode("ascii")


def word_of(text: str) -> bytes:
    """Return ASCII `text` (1..31 bytes) left-aligned in 32 bytes."""
    if not text.isascii() or not 1 <= len(text) <= 31 or "\0" in text:
        raise InvalidInput(f"{text!r} does not fit a 32-byte word")
    return text.encode("ascii").ljust(32, b"\0")


def key_of(algorithm: int, raw: bytes, thumbprint: bytes) -> PublicKey | None:
    """Return the public key of an event, or None when it is malformed or not what it says."""
    if algorithm not in set(Algorithm):
        return None
    key = PublicKey(algorithm=Algorithm(algorithm), raw=raw)
    return key if key.is_valid and key.thumbprint == thumbprint else None


def policy_at(events: Iterable[Event], epoch: int) -> Policy:
    """Return the policy of `epoch` from all policy events in chain order.

    Guarantees: `history_hash` equals `Policy.hashAt(epoch)` on chain.
    """
    values: dict[str, int] = {}
    history = NO_HISTORY
    for event in events:
        if isinstance(event, ParameterDefined) and event.from_epoch <= epoch:
            history = define_hash(
                history, event.key, event.value, event.minimum, event.maximum, event.from_epoch
            )
        elif isinstance(event, ParameterSet) and event.from_epoch <= epoch:
            history = set_hash(history, event.key, event.value, event.from_epoch)
        else:
            continue
        name = text_of(event.key)
        if name is not None:
            values[name] = event.value
    return Policy(epoch=epoch, values=values, history_hash=history)


def facts_at(network: Network, events: Iterable[Event], epoch: int) -> Facts:
    """Return the facts of `epoch`: events in chain order, those in blocks before its end count.

    Guarantees: events at or after the epoch's end change nothing.
    """
    service = ServiceFold(network, epoch)
    fold = _Fold(service.start)
    steps, end = {**fold.steps, **service.steps}, network.epoch_start(epoch + 1)
    for event in events:
        step = steps.get(type(event))
        if step is not None and event.at.time < end:
            step(event)
    registrars = sorted(
        (Registrar(resource=resource, key=key) for (resource, _), key in fold.registrars.items()),
        key=lambda item: (item.resource, item.key.thumbprint),
    )
    return Facts(
        network=network,
        epoch=epoch,
        devices=fold.devices,
        payees=fold.payees,
        registrars=tuple(registrars),
        references=frozenset(fold.references),
        sites=fold.sites,
        deposits=fold.deposits,
        withdrawals=tuple(sorted(fold.withdrawals, key=lambda item: item.request)),
        spend_limits=fold.spend_limits,
        service=service.services(),
    )


class _Fold:
    """The running fold over what concerns members; a table says what each kind of event does."""

    def __init__(self, start: int) -> None:
        self._start = start
        self.devices: dict[int, Device] = {}
        self.payees: dict[int, tuple[tuple[bytes, int], ...]] = {}
        self.registrars: dict[tuple[str, bytes], PublicKey] = {}
        self.references: set[int] = set()
        self.sites: dict[str, bytes] = {}
        self.deposits: dict[tuple[bytes, bytes], int] = {}
        self.withdrawals: list[Withdrawal] = []
        self.spend_limits: dict[tuple[bytes, int], int] = {}
        self.steps: Steps = {
            Enrolled: self._enrol,
            Transferred: self._transfer,
            PayeesSet: self._set_payees,
            RegistrarSet: self._set_registrar,
            ReferenceSet: self._set_reference,
            SiteAdopted: self._adopt,
            Deposited: self._deposit,
            SpendLimitSet: self._limit,
            WithdrawalRequested: self._withdraw,
        }

    def _transfer(self, event: Transferred) -> None:
        device = self.devices.get(event.device)
        if device is None:
            return
        since = (event.at.block, event.at.index)
        self.devices[event.device] = replace(device, owner=event.receiver, since=since)
        if event.receiver == NOBODY:
            self.payees.pop(event.device, None)

    def _set_payees(self, event: PayeesSet) -> None:
        listed = self.payees.pop(event.device, None) is not None
        if event.shares and event.device in self.devices:
            if not listed:
                since = (event.at.block, event.at.index)
                self.devices[event.device] = replace(self.devices[event.device], since=since)
            self.payees[event.device] = tuple((s.account, s.ppm) for s in event.shares)

    def _set_reference(self, event: ReferenceSet) -> None:
        change = self.references.add if event.admitted else self.references.discard
        change(event.device)

    def _adopt(self, event: SiteAdopted) -> None:
        name = text_of(event.resource)
        if name is not None:
            self.sites[name] = event.statement

    def _deposit(self, event: Deposited) -> None:
        where = (event.asset, event.account)
        self.deposits[where] = self.deposits.get(where, 0) + event.amount

    def _limit(self, event: SpendLimitSet) -> None:
        self.spend_limits[event.account, event.device] = event.limit

    def _withdraw(self, event: WithdrawalRequested) -> None:
        if event.at.time < self._start:
            return
        self.withdrawals.append(
            Withdrawal(
                request=event.request,
                asset=event.asset,
                account=event.account,
                amount=event.amount,
            )
        )

    def _enrol(self, event: Enrolled) -> None:
        key = key_of(event.algorithm, event.public_key, event.thumbprint)
        resource = text_of(event.resource)
        if key is None or resource is None:
            return
        self.devices[event.device] = Device(
            device=event.device,
            owner=event.owner,
            key=key,
            resource=resource,
            cell=event.cell,
            since=(event.at.block, event.at.index),
        )

    def _set_registrar(self, event: RegistrarSet) -> None:
        key = key_of(event.algorithm, event.public_key, event.thumbprint)
        resource = text_of(event.resource)
        if key is None or resource is None:
            return
        if event.active:
            self.registrars[resource, event.thumbprint] = key
        else:
            self.registrars.pop((resource, event.thumbprint), None)
