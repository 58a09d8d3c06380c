"""A verifier's mirror: nothing is held that no anchor proves."""

from __future__ import annotations

import pytest

from commonworks.errors import Corrupt
from commonworks.events import Range, Tip
from commonworks.gateway import Gateway
from commonworks.simulation.store import SimulatedStore
from commonworks.translog.tiles import TILE_WIDTH, decode_entries, encode_entries, entries_path
from commonworks.verifier import mirror
from commonworks.verifier.mirror import Mirror
from gateway_kit import asynchronous, device, files, open_gateway, report

KEY = device(1)
ITEMS = [report(KEY, number) for number in range(2 * TILE_WIDTH + 88)]


class GatewayLog:
    """The log on a gateway's disk; it may show another entry than the one it has."""

    def __init__(self, stored: dict[str, bytes], forged: int | None = None) -> None:
        self.stored = stored
        self.forged = forged

    async def read(self, path: str) -> bytes | None:
        """Return a resource, forged where it is to be."""
        data = self.stored.get(f"log/{path}")
        if data is None or self.forged is None:
            return data
        index, offset = divmod(self.forged, TILE_WIDTH)
        if path != entries_path(index):
            return data
        entries = list(decode_entries(data, TILE_WIDTH))
        entries[offset] = report(KEY, 9_999).statement
        return encode_entries(entries)

    async def read_sealed(self, path: str) -> bytes | None:
        """Return a bundle of preimages."""
        return self.stored.get(path)


def tip_of(gateway: Gateway) -> Tip:
    """Return the tip of a gateway's log."""
    head = gateway._log.head
    assert head is not None
    return head.tree.tip(gateway.log_id)


@asynchronous
async def test_what_was_forged_is_not_built_on() -> None:
    """A forgery in an early chunk of a long sync is no start for the next sync."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "CHUNK", TILE_WIDTH)
        store = SimulatedStore()
        gateway = await open_gateway(store, devices=[KEY])
        await gateway.submit([item.encode() for item in ITEMS])
        stored = await files(store)
        tip = tip_of(gateway)
        mine = Mirror(SimulatedStore())
        with pytest.raises(Corrupt, match="does not hash"):
            await mine.sync(GatewayLog(stored, forged=10), tip)
        assert (await mine.held(tip.log_id)).size == 0
        await mine.sync(GatewayLog(stored), tip)
        part = Range(log_id=tip.log_id, first=0, size=tip.size, root=tip.root)
        assert [i.statement for i in await mine.items(part)] == [i.statement for i in ITEMS]
