"""Retention: sealed payloads are personal data, and may be erased when nobody needs them any more.

Rule: what an epoch settled may go once the epoch is final and the policy's retention period has
passed. The logs keep the salted hashes, so logs and finalised epochs still verify; an audit of
such an epoch says that its evidence was erased by rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonworks.errors import InvalidInput
from commonworks.model import Network
from commonworks.ports import Store
from commonworks.settlement.epochs import ChainView
from commonworks.settlement.facts import policy_at
from commonworks.storage.files import FileStore
from commonworks.translog.tiles import TILE_WIDTH, decode_entries, encode_entries, sealed_path
from commonworks.wiring.founding import VERIFIER
from commonworks.wiring.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased of one log."""

    gateway: str
    upto: int
    """Entries before this index may be erased."""
    payloads: int
    """Payloads erased now, in the gateway's folder and the verifier's mirror together."""


def retention_ends(network: Network, view: ChainView, epoch: int) -> int:
    """Return when an epoch's sealed payloads may be erased, Unix seconds."""
    values: Mapping[str, int] = policy_at(view.events, epoch).values
    if "retention_s" not in values:
        raise InvalidInput("this network's policy has no retention period")
    return network.epoch_start(epoch + 1) + values["retention_s"]


def erasable(network: Network, view: ChainView, now: int) -> dict[bytes, int]:
    """Return for each log the first index whose payload must be kept."""
    upto: dict[bytes, int] = {}
    for epoch in sorted(view.finalised):
        if retention_ends(network, view, epoch) > now:
            break
        for part in view.closed[epoch].ranges:
            upto[part.log_id] = part.size
    return upto


async def erase(home: Home, network: Network, view: ChainView, now: int) -> list[Erased]:
    """Erase what may be erased from this folder's gateways and its verifier's mirror.

    Whole bundles only, each replaced in one piece: safe beside running nodes, and to repeat.
    """
    found = []
    for log_id, upto in sorted(erasable(network, view, now).items()):
        gateway = view.gateways[log_id].name
        count = 0
        for folder, prefix in (
            (home.gateway(gateway), ""),
            (home.verifier(VERIFIER), f"logs/{log_id.hex()}/"),
        ):
            if folder.is_dir():
                store = FileStore(folder)
                try:
                    count += await _erase_bundles(store, prefix, upto)
                finally:
                    store.close()
        found.append(Erased(gateway=gateway, upto=upto, payloads=count))
    return found


async def _erase_bundles(store: Store, prefix: str, upto: int) -> int:
    """Empty every full bundle below an index; return how many payloads went."""
    count = 0
    nothing = encode_entries([b""] * TILE_WIDTH)
    for index in range(upto // TILE_WIDTH):
        path = prefix + sealed_path(index)
        data = await store.read(path)
        if data is None or data == nothing:
            continue
        count += sum(1 for payload in decode_entries(data, TILE_WIDTH) if payload)
        await store.write({path: nothing})
    return count
