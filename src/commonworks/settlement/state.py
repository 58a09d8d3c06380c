"""The state between two epochs: its first value and its hash.

The hash leaves out the digest, because the digest commits to the hash.
"""

from __future__ import annotations

from dataclasses import replace

from commonworks import canonical
from commonworks.model import (
    State,
)
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
    halvings=0,
    waiting=(),
    resources=(),
)
"""What epoch 0 starts from."""


def state_hash(state: State) -> bytes:
    """Return keccak-256 over the state without its digest, 32 bytes."""
    return canonical.digest(replace(state, digest=b""))
