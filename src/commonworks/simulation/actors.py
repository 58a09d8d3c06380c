"""Who takes part in a simulated world, and the statements that its devices sign.

Goal: one script for whoever plays a world: a demo on real contracts, the simulation on their model.
Rule: keys come in as values, whoever holds them; nothing here stores, sends or waits.
Invariant: the same seed, world and network give the same statements, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.agent.devices import Reading, sign_reading
from commonworks.crypto import cbor, cose
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import PrivateKey
from commonworks.errors import require
from commonworks.resources.base import Resource
from commonworks.resources.simulator import Submission, World
from commonworks.statements.codec import Item, sign_binding, sign_record
from commonworks.statements.model import Kind

BEFORE_S: Final = 3_600
"""How long before genesis the standing statements are dated."""

HOUR_S: Final = 3_600
"""A world is played in hours: what happened in one is said when it is over."""


def derive(seed: int, label: str) -> bytes:
    """Return 32 bytes that depend on nothing but a simulated network's seed and a label."""
    return sha256(f"commonworks demo/{seed}/{label}".encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """One resource's world on a network."""

    resource: Resource
    world: World


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One statement, and on whose behalf it is sent."""

    owner: str
    """Name of the account that owns the device; empty for a registrar's."""
    item: Item
    """The statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a span of event time makes devices send."""

    own: tuple[Signed, ...]
    """What agents deliver for their owners' devices."""
    hostile: tuple[Item, ...]
    """What no honest agent would send: by strangers, in another's name, or said before."""


class Signers:
    """Signs what simulated devices say."""

    def __init__(
        self,
        network_id: bytes,
        players: Sequence[Player],
        *,
        keys: Mapping[str, PrivateKey],
        registrar: PrivateKey,
        addresses: Mapping[str, bytes],
    ) -> None:
        """`keys` by actor's name; `addresses` of the owners of enrolled actors, by owner's name."""
        self.players = tuple(players)
        self._network_id = network_id
        self._keys = dict(keys)
        self._registrar = registrar
        self._addresses = dict(addresses)

    def standing(self, player: Player, time_s: int) -> list[Signed]:
        """Return bindings, orders and the site table, as they stand before the first epoch."""
        signed: list[Signed] = []
        site = self.site(player, time_s)
        if site is not None:
            signed.append(Signed(owner="", item=site))
        for actor in player.world.cast.actors:
            if not actor.enrolled:
                continue
            key, owner = self._keys[actor.name], self._addresses[actor.owner]
            items = [sign_binding(key, self._network_id, time_s, owner, 0)]
            for kind, columns in player.world.standing(actor.name):
                reading = Reading(kind=kind, time=time_s, columns=columns)
                items.append(self._sign(player.resource, actor.name, reading))
            signed += [Signed(owner=actor.owner, item=item) for item in items]
        return signed

    def site(self, player: Player, time_s: int) -> Item | None:
        """Return the site table that the registrar signs, where the resource has one."""
        thumbprints = {name: key.public.thumbprint for name, key in self._keys.items()}
        columns = player.world.site(thumbprints)
        if columns is None:
            return None
        schema = player.resource.schemas[Kind.SITE]
        require(not schema.sealed, "a site table is public")
        return sign_record(
            self._registrar,
            Kind.SITE,
            self._network_id,
            player.resource.name,
            time_s,
            columns,
            schema,
            salt=None,
        )

    def said(self, start_s: int, end_s: int) -> Said:
        """Return what all devices send for the event time [start, end), in the worlds' order."""
        own: list[Signed] = []
        hostile: list[Item] = []
        for player in self.players:
            owners = {a.name: a.owner for a in player.world.cast.actors if a.enrolled}
            for submission in player.world.step(start_s, end_s):
                item = self.sign(player, submission)
                honest = submission.actor == submission.poses_as and not submission.repeats
                if honest and submission.actor in owners:
                    own.append(Signed(owner=owners[submission.actor], item=item))
                else:
                    hostile.append(item)
        return Said(own=tuple(own), hostile=tuple(hostile))

    def sign(self, player: Player, submission: Submission) -> Item:
        """Return what a device sends; one that poses as another names the other's key."""
        reading = Reading(kind=submission.kind, time=submission.time, columns=submission.columns)
        item = self._sign(player.resource, submission.actor, reading)
        if submission.poses_as == submission.actor:
            return item
        return pose(
            item,
            self._keys[submission.actor],
            self._keys[submission.poses_as].public.thumbprint,
        )

    def _sign(self, resource: Resource, actor: str, reading: Reading) -> Item:
        return sign_reading(
            self._keys[actor],
            network_id=self._network_id,
            resource=resource.name,
            reading=reading,
            schema=resource.schemas[reading.kind],
        )


def pose(item: Item, key: PrivateKey, kid: bytes) -> Item:
    """Return the statement with another key's id in its header, signed by the liar's own key."""
    signed = cose.decode_sign1(item.statement)
    headers = {**signed.headers, cose.HEADER_KEY_ID: kid}
    protected = cbor.encode(headers)
    payload = signed.payload or b""
    signature = key.sign(cose.sig_structure(protected, payload))
    statement = cose.encode_sign1(protected, {}, payload, signature)
    return Item(statement=statement, preimage=item.preimage)
