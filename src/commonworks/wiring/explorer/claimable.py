"""What can be claimed now: the payouts of one settlement, read and hashed once.

Goal: a stranger who asks for claims as fast as the rate allows costs one look at a settlement and
not one for each. Rule: what was read is kept under the root that the chain has; what could not be
read is left alone for a while, since the index's follower waits for the same archive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from commonworks.chain.members import ClaimableRoot
from commonworks.errors import CommonworksError
from commonworks.explorer.ports import Archive
from commonworks.explorer.proofs import PayoutTree
from commonworks.model import Total
from commonworks.settlement.payout import leaf_hash

AGAIN_AFTER_S: Final = 30.0
"""How long a settlement that could not be read is left alone, real time."""


class Payouts:
    """The payout tree that claims are made against."""

    def __init__(self, totals: Sequence[Total]) -> None:
        self._totals = {(total.asset, total.account): total for total in totals}
        self._tree = PayoutTree(leaf_hash(total) for total in totals)

    def leaf(self, asset: bytes, account: bytes) -> Total | None:
        """Return an account's leaf, None where it has none."""
        return self._totals.get((asset, account))

    def siblings(self, leaf: Total) -> tuple[bytes, ...]:
        """Return the siblings of a leaf up to the root."""
        return self._tree.siblings(leaf_hash(leaf))


class ClaimablePayouts:
    """The payouts of the newest root that was asked for. Belongs to one event loop."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._reading = asyncio.Lock()
        self._root: ClaimableRoot | None = None
        self._found: Payouts | CommonworksError | None = None
        self._until = 0.0
        """Until when a failure is believed, by the loop's own clock."""

    async def at(self, root: ClaimableRoot) -> Payouts | None:
        """Return the payouts under a root; None where their settlement is not at hand.

        Raises: what the archive raised, again without asking it for `AGAIN_AFTER_S`.
        """
        async with self._reading:
            now = asyncio.get_running_loop().time()
            failed = isinstance(self._found, CommonworksError) and now < self._until
            if self._root != root or not (failed or isinstance(self._found, Payouts)):
                self._found = await self._read(root)
                self._root, self._until = root, now + AGAIN_AFTER_S
            if isinstance(self._found, CommonworksError):
                raise self._found
            return self._found

    async def _read(self, root: ClaimableRoot) -> Payouts | CommonworksError | None:
        try:
            settled = await self._archive.settlement(root.epoch)
        except CommonworksError as error:
            return error
        return None if settled is None else await asyncio.to_thread(Payouts, settled.payouts)
