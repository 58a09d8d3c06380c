"""The rules hash: which sources settle an epoch.

A network names the hash in its policy; a verifier whose own sources hash to something else does
not attest, and an audit says so. The sources come in as bytes: reading them is the wiring's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from commonworks import canonical
from commonworks.crypto.hashes import keccak256
from commonworks.resources.base import Resource

KERNEL_MODULES: Final = tuple(
    f"commonworks.{name}"
    for name in (
        "units",
        "policy",
        "events",
        "model",
        "crypto.cbor",
        "crypto.cose",
        "crypto.ed25519",
        "crypto.es256",
        "crypto.hashes",
        "crypto.keys",
        "translog.tree",
        "statements.model",
        "statements.arrays",
        "statements.codec",
        "resources.base",
        "canonical",
        "settlement.commitment",
        "settlement.emission",
        "settlement.facts",
        "settlement.intake",
        "settlement.ledger",
        "settlement.payout",
        "settlement.service",
        "settlement.settle",
        "settlement.state",
    )
)
"""Modules whose change may change a settlement, whatever the resources."""


def rule_modules(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Return every module that the hash covers, kernel first, then by resource name."""
    own = [module for r in sorted(resources, key=lambda r: r.name) for module in r.rules.modules]
    return (*KERNEL_MODULES, *own)


def rules_hash(sources: Mapping[str, bytes]) -> bytes:
    """Return keccak-256 over (module, keccak-256 of its source) pairs in canonical order."""
    return keccak256(canonical.encode({name: keccak256(raw) for name, raw in sources.items()}))
