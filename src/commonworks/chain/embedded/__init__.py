"""The embedded chain: Foundry's anvil made durable, for networks that start on one machine.

`EmbeddedChain.open` starts anvil as a child, keeps every acknowledged transaction and every visible
block in a journal, brings the same chain back after any crash, and lets clients reach it through
a proxy with an allow-list only. Why so: docs/adr/0001-embedded-chain.md; the bytes:
docs/spec/journal.md.
"""

from commonworks.chain.embedded.anvil import find_anvil
from commonworks.chain.embedded.chain import EmbeddedChain
from commonworks.chain.embedded.config import LABEL, ChainConfig, Head, Tuning
from commonworks.chain.embedded.lock import live_endpoint
from commonworks.chain.embedded.recovery import Recovery

__all__ = [
    "LABEL",
    "ChainConfig",
    "EmbeddedChain",
    "Head",
    "Recovery",
    "Tuning",
    "find_anvil",
    "live_endpoint",
]
