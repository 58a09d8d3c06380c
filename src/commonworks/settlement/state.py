"""The state between two epochs: its first value, its hash, and its bytes on disk.

The hash leaves out the digest, because the digest commits to the hash.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commonworks.crypto import cbor
from commonworks.crypto.hashes import keccak256
from commonworks.errors import CommonworksError, Corrupt
from commonworks.model import (
    HeldBinding,
    PendingStatement,
    SeenStatement,
    State,
    Total,
)
from commonworks.settlement import canonical
from commonworks.settlement.commitment import NO_DIGEST

INITIAL = State(
    epoch=-1,
    digest=NO_DIGEST,
    bindings=(),
    pending=(),
    seen=(),
    sites=(),
    totals=(),
    minted_wei=0,
    resources=(),
)
"""What epoch 0 starts from."""


def state_hash(state: State) -> bytes:
    """Return keccak-256 over the state without its digest, 32 bytes."""
    return keccak256(canonical.encode(replace(state, digest=b"")))


def encode_state(state: State) -> bytes:
    """Return the state as canonical bytes, digest included."""
    return canonical.encode(state)


def decode_state(data: bytes) -> State:
    """Return the state that `encode_state` wrote; raise Corrupt for anything else."""
    try:
        fields: Any = cbor.decode(data)
        epoch, digest, bindings, pending, seen, sites, totals, minted_wei, resources = fields
        state = State(
            epoch=epoch,
            digest=digest,
            bindings=tuple(
                HeldBinding(kid=kid, owner=owner, generation=generation, identity=identity)
                for kid, owner, generation, identity in bindings
            ),
            pending=tuple(
                PendingStatement(
                    identity=identity, statement=raw, preimage=preimage, anchored_at=anchored_at
                )
                for identity, raw, preimage, anchored_at in pending
            ),
            seen=tuple(SeenStatement(identity=identity, until=until) for identity, until in seen),
            sites=tuple((name, identity, raw) for name, identity, raw in sites),
            totals=tuple(
                Total(asset=asset, account=account, earned=earned, spent=spent)
                for asset, account, earned, spent in totals
            ),
            minted_wei=minted_wei,
            resources=tuple((name, raw) for name, raw in resources),
        )
    except (CommonworksError, TypeError, ValueError) as error:
        raise Corrupt(
            "a stored settlement state cannot be read",
            hint="delete it; it is recomputed from the evidence",
        ) from error
    if encode_state(state) != data:
        raise Corrupt("a stored settlement state is not canonical", hint="delete it")
    return state
