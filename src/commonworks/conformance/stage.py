"""A network in values, on which a resource's world is played: chain events, logs, settlements.

No node, no contract, no socket: what the chain would have said is written down as events, what the
logs would hold is signed and listed, and the one `settle` does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import InvalidInput
from commonworks.events import (
    Deposited,
    Enrolled,
    Event,
    ParameterDefined,
    PayeesSet,
    Position,
    Range,
    ReferenceSet,
    RegistrarSet,
    Share,
    SiteAdopted,
    SpendLimitSet,
)
from commonworks.model import Entry, Evidence, Facts, Network, Settlement, State
from commonworks.policy import KERNEL_PARAMETERS, Policy
from commonworks.resources.base import Resource, ResourceInput, Verified
from commonworks.resources.simulator import Actor, Cast, Columns, Submission, World
from commonworks.settlement.facts import facts_at, policy_at, word_of
from commonworks.settlement.settle import settle
from commonworks.simulation.actors import BEFORE_S, HOUR_S, Player, Signers
from commonworks.statements.codec import Item, decode_statement, sign_record
from commonworks.statements.model import Column, DType, Kind, Reason, Schema, Signer
from commonworks.units import DAY_S, MICRO, PPM, WEI

FOUNDED_S: Final = 2 * BEFORE_S
"""How long before genesis the chain's events lie: before everything that is signed."""
ANCHOR_DELAY_S: Final = 60
"""How long after an hour the chain covers what was logged in it."""
LOGS: Final = (sha256(b"conformance log 1"), sha256(b"conformance log 2"))
TOKEN, CURRENCY, TREASURY = (sha256(name)[:20] for name in (b"token", b"currency", b"treasury"))
SHARED_EVERY: Final = 3
SHARED_PPM: Final = 333_333
"""Part of every third device's earnings that goes to another account than its owner's."""
START_S: Final = 1_767_225_600
"""Genesis where a world follows any start: 2026-01-01 00:00 UTC."""

STRANGE: Final = Schema(
    kind=Kind.REPORT,
    columns=(Column(name="level", dtype=DType.U8, minimum=0, maximum=9, description="A level."),),
    max_rows=1,
    sealed=False,
    signer=Signer.DEVICE,
    description="What some other resource might carry.",
    equal_length=True,
)


def key_of(name: str, algorithm: Algorithm = Algorithm.EDDSA) -> PrivateKey:
    """Return the key of a device of the stage."""
    return PrivateKey.from_seed(algorithm, sha256(f"conformance key/{name}".encode()))


def account_of(name: str) -> bytes:
    """Return the account of a name."""
    return sha256(f"conformance account/{name}".encode())[:20]


class EmptyWorld:
    """A world for a resource that brings none: one device that says nothing."""

    cast = Cast(
        start_s=START_S,
        length_s=DAY_S,
        actors=(
            Actor(
                name="device",
                owner="owner",
                algorithm=Algorithm.EDDSA,
                behaviour="honest",
                spend_limit_micro=MICRO,
            ),
        ),
        deposits_micro={"owner": 10 * MICRO},
        service_accounts={},
        facts={},
    )

    def site(self, _thumbprints: Mapping[str, bytes], /) -> Columns | None:
        """Return no table."""
        return None

    def standing(self, _actor: str, /) -> Sequence[tuple[Kind, Columns]]:
        """Return no order."""
        return ()

    def step(self, _start_s: int, _end_s: int, /) -> Sequence[Submission]:
        """Return no report."""
        return ()


class _Captured(Exception):
    """Carries what settlement would hand to the rules out of it."""

    def __init__(self, data: ResourceInput) -> None:
        super().__init__("captured")
        self.data = data


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One epoch of a world."""

    before: State
    entries: tuple[Entry, ...]
    """What the logs hold of it, as it came."""
    data: ResourceInput
    """What settlement hands to the resource's rules."""


class Stage:
    """A network on which one resource's world is played."""

    def __init__(self, resource: Resource, world: World) -> None:
        """Raises: InvalidInput when the world says something that its resource cannot."""
        self.resource = resource
        self.cast = world.cast
        self.network = Network(
            network_id=sha256(b"conformance"),
            genesis_time=self.cast.start_s,
            epoch_length_s=min(DAY_S, self.cast.length_s),
            token=TOKEN,
            currency=CURRENCY,
            currency_code="tEUR",
            treasury=TREASURY,
            initial_emission_wei=10_000 * WEI,
        )
        self._events: list[Event] = []
        self._world = world
        self._registrar = key_of("registrar")
        player = Player(resource=resource, world=world)
        self._signers = Signers(
            self.network.network_id,
            [player],
            keys={a.name: key_of(a.name, a.algorithm) for a in self.cast.actors},
            registrar=self._registrar,
            addresses={a.owner: account_of(a.owner) for a in self.cast.actors},
        )
        time_s = self.network.genesis_time - BEFORE_S
        self._standing = [signed.item for signed in self._signers.standing(player, time_s)]
        self._found(self._signers.site(player, time_s))

    def _say(self, kind: type[Event], **fields: object) -> None:
        block = len(self._events)
        time_s = self.network.genesis_time - FOUNDED_S
        at = Position(block=block, time=time_s, index=0, tx=block.to_bytes(32, "big"))
        self._events.append(kind(at=at, **fields))

    def _found(self, site: Item | None) -> None:
        """Say everything that the chain says before genesis."""
        services = {key: account_of(name) for key, name in self.cast.service_accounts.items()}
        for parameter in (*KERNEL_PARAMETERS, *self.resource.parameters):
            service = services.get(parameter.key)
            self._say(
                ParameterDefined,
                key=word_of(parameter.key),
                value=parameter.default if service is None else int.from_bytes(service, "big"),
                minimum=parameter.minimum,
                maximum=parameter.maximum,
                from_epoch=0,
            )
        word = word_of(self.resource.name)
        registrar = self._registrar.public
        self._say(
            RegistrarSet,
            resource=word,
            thumbprint=registrar.thumbprint,
            algorithm=int(registrar.algorithm),
            public_key=registrar.raw,
            active=True,
        )
        for device, actor in enumerate((a for a in self.cast.actors if a.enrolled), start=1):
            self._enrol(device, actor, word)
            if device % SHARED_EVERY == 0:
                self._share(device, account_of(actor.owner))
        for owner, amount in sorted(self.cast.deposits_micro.items()):
            who = account_of(owner)
            self._say(Deposited, asset=CURRENCY, account=who, amount=amount, sender=who)
        if site is not None:
            table = decode_statement(site.statement, None)
            if isinstance(table, Reason):
                raise InvalidInput(f"the site table is {table}")
            self._say(SiteAdopted, resource=word, site=word, statement=table.identity)

    def _enrol(self, device: int, actor: Actor, word: bytes) -> None:
        key, owner = key_of(actor.name, actor.algorithm).public, account_of(actor.owner)
        self._say(
            Enrolled,
            device=device,
            owner=owner,
            thumbprint=key.thumbprint,
            algorithm=int(key.algorithm),
            public_key=key.raw,
            resource=word,
            cell=actor.cell,
            enroller=owner,
        )
        if actor.reference:
            self._say(ReferenceSet, device=device, admitted=True)
        if actor.spend_limit_micro:
            self._say(SpendLimitSet, account=owner, device=device, limit=actor.spend_limit_micro)

    def _share(self, device: int, owner: bytes) -> None:
        """Let a device have payees: settlement splits, the resource's rules need not know."""
        ppm = {owner: PPM - SHARED_PPM, account_of("payee"): SHARED_PPM}
        shares = tuple(Share(account=account, ppm=ppm[account]) for account in sorted(ppm))
        self._say(PayeesSet, device=device, shares=shares)

    # --- playing --------------------------------------------------------------------------------

    @property
    def epochs(self) -> int:
        """How many epochs the world reaches for: one or two are played."""
        return min(2, self.cast.length_s // self.network.epoch_length_s)

    def facts(self, epoch: int) -> Facts:
        """Return the facts of an epoch."""
        return facts_at(self.network, self._events, epoch)

    def policy(self, epoch: int) -> Policy:
        """Return the policy of an epoch."""
        return policy_at(self._events, epoch)

    def entries(self, epoch: int) -> tuple[Entry, ...]:
        """Return what one log holds of an epoch, anchored hour by hour."""
        index = count()
        start, end = self.network.epoch_start(epoch), self.network.epoch_start(epoch + 1)
        hours = [(start - BEFORE_S // 2, self._standing)] if epoch == 0 else []
        for hour in range(start, end, HOUR_S):
            said = self._signers.said(hour, min(hour + HOUR_S, end))
            items = [*(signed.item for signed in said.own), *said.hostile]
            hours.append((min(hour + HOUR_S, end) + ANCHOR_DELAY_S, items))
        return tuple(
            Entry(
                log_id=LOGS[0],
                index=next(index),
                statement=item.statement,
                preimage=item.preimage,
                anchored_at=anchored_at,
            )
            for anchored_at, items in hours
            for item in items
        )

    def stranger(self) -> Item:
        """Return a statement for another resource, signed by a device of this one."""
        actor = next(a for a in self.cast.actors if a.enrolled)
        return sign_record(
            key_of(actor.name, actor.algorithm),
            Kind.REPORT,
            self.network.network_id,
            f"not_{self.resource.name}",
            self.network.genesis_time,
            {"level": [7]},
            STRANGE,
            salt=None,
        )

    def settle(self, before: State, entries: Sequence[Entry]) -> Settlement:
        """Settle the epoch after `before`."""
        return self._settle(self.resource, before, entries)

    def play(self, before: State, entries: Sequence[Entry]) -> Played:
        """Return the epoch after `before` with what the rules would get to see of it."""

        def capture(data: ResourceInput) -> Verified:
            raise _Captured(data)

        spy = replace(self.resource, rules=replace(self.resource.rules, verify=capture))
        try:
            self._settle(spy, before, entries)
        except _Captured as captured:
            return Played(before=before, entries=tuple(entries), data=captured.data)
        raise InvalidInput("settlement did not ask the rules")

    def _settle(self, resource: Resource, before: State, entries: Sequence[Entry]) -> Settlement:
        epoch = before.epoch + 1
        sizes = {log_id: sum(e.log_id == log_id for e in entries) for log_id in LOGS}
        ranges = tuple(
            Range(log_id=log_id, first=0, size=size, root=sha256(log_id + bytes([epoch % 256])))
            for log_id, size in sorted(sizes.items())
            if size
        )
        evidence = Evidence(epoch=epoch, ranges=ranges, entries=tuple(entries))
        return settle(
            {resource.name: resource}, self.policy(epoch), self.facts(epoch), before, evidence
        )
