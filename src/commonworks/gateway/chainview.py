"""What a gateway knows from the chain: a fold over contract events. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.events import (
    Anchored,
    Enrolled,
    Event,
    GatewayRegistered,
    ParameterDefined,
    ParameterSet,
    RegistrarSet,
    Tip,
    Transferred,
    VerifierRegistered,
)

GRACE_KEY: Final = b"grace_s".ljust(32, b"\0")
"""The policy parameter `grace_s` as the contract names it."""


@dataclass(slots=True, kw_only=True)
class ChainView:
    """The fold's state; `fold` changes it in place, event by event."""

    log_id: bytes
    """The log whose anchors matter."""
    grace_s: int
    """Grace period in force before the chain says anything, seconds."""
    next_block: int = 0
    """First block not folded yet."""
    owners: dict[int, bytes] = field(default_factory=dict)
    """Device id -> account that holds it."""
    device_keys: dict[bytes, PublicKey] = field(default_factory=dict)
    """Thumbprint -> key of every device ever enrolled."""
    registrars: dict[tuple[bytes, bytes], PublicKey] = field(default_factory=dict)
    """(resource, thumbprint) -> key of every registrar admitted now."""
    operators: set[bytes] = field(default_factory=set)
    """Accounts that run a registered node."""
    anchored: Tip | None = None
    """The newest anchor of this log."""
    grace_from_epoch: dict[int, int] = field(default_factory=dict)
    """Epoch -> grace period in force from it on, seconds."""

    def fold(self, events: Iterable[Event]) -> None:
        """Take in events in chain order."""
        for event in events:
            self._take(event)

    def key(self, kid: bytes) -> PublicKey | None:
        """Return the enrolled or admitted key with that thumbprint."""
        key = self.device_keys.get(kid)
        if key is not None:
            return key
        return next((k for (_, other), k in self.registrars.items() if other == kid), None)

    def members(self) -> set[bytes]:
        """Return the accounts that own a device."""
        return set(self.owners.values())

    def grace_at(self, epoch: int) -> int:
        """Return the grace period after the end of `epoch`, seconds."""
        starts = [start for start in self.grace_from_epoch if start <= epoch]
        return self.grace_from_epoch[max(starts)] if starts else self.grace_s

    def _take(self, event: Event) -> None:
        if isinstance(event, Enrolled):
            self.owners[event.device] = event.owner
            key = _key(event.algorithm, event.public_key, event.thumbprint)
            if key is not None:
                self.device_keys[event.thumbprint] = key
        elif isinstance(event, Transferred):
            self.owners[event.device] = event.receiver
        elif isinstance(event, RegistrarSet):
            self._set_registrar(event)
        elif isinstance(event, GatewayRegistered | VerifierRegistered):
            self.operators.add(event.operator)
        elif isinstance(event, Anchored):
            if event.log_id == self.log_id:
                self.anchored = Tip(log_id=event.log_id, size=event.size, root=event.root)
        elif isinstance(event, ParameterDefined | ParameterSet) and event.key == GRACE_KEY:
            self.grace_from_epoch[event.from_epoch] = event.value

    def _set_registrar(self, event: RegistrarSet) -> None:
        key = _key(event.algorithm, event.public_key, event.thumbprint)
        if event.active and key is not None:
            self.registrars[event.resource, event.thumbprint] = key
        else:
            self.registrars.pop((event.resource, event.thumbprint), None)


def _key(algorithm: int, public_key: bytes, thumbprint: bytes) -> PublicKey | None:
    """Return the key that an event enrols; None unless the thumbprint is really its own.

    The contract cannot compute a thumbprint, so anybody could enrol a key under another's.
    """
    if algorithm not in set(Algorithm):
        return None
    key = PublicKey(algorithm=Algorithm(algorithm), raw=public_key)
    return key if key.thumbprint == thumbprint else None
