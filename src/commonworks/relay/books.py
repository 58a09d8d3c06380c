"""What a relay has paid for whom in the current epoch: durable before anything is sent.

Goal: however often the process dies, it never pays more in an epoch than the policy allows.
Rule: gas is booked in full before a transaction is sent, and corrected once its receipt is there.
A relay that dies in between leaves the full amount booked: members lose a little of the epoch's
budget, the community loses nothing.
Invariant: what the files of the epoch say is at least what was paid in it. One file for an account
is its whole truth; the sums are made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from commonworks.errors import Corrupt
from commonworks.ports import Store

FOLDER: Final = "spent"
_NOTHING: Final = b"0 0\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Gas booked for one account in one epoch."""

    gas: int = 0
    """Everything."""
    as_newcomer: int = 0
    """The part booked before the account took part in the network."""

    def encode(self) -> bytes:
        """Return the file's content."""
        return f"{self.gas} {self.as_newcomer}\n".encode()

    @classmethod
    def decode(cls, data: bytes, path: str) -> Spent:
        """Return what a file says; raise Corrupt when it is damaged."""
        parts = data.decode("ascii", "replace").split()
        if len(parts) != 2 or not all(p.isdecimal() and p.isascii() for p in parts):
            raise Corrupt(f"the relay's book {path} is damaged", hint="restore it from a backup")
        return cls(gas=int(parts[0]), as_newcomer=int(parts[1]))


class Books:
    """Gas booked in the current epoch. Calls of `book` must not overlap."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spent: dict[bytes, Spent] = {}
        self.epoch = -1
        self.total = Spent()
        """Sum over all accounts."""

    async def turn_to(self, epoch: int) -> None:
        """Begin `epoch`, or go on with what its files say. An earlier one changes nothing.

        Raises: Corrupt for a damaged file, Unavailable when the store does not answer.
        """
        if epoch <= self.epoch:
            return
        spent: dict[bytes, Spent] = {}
        for path in await self._store.list(f"{FOLDER}/"):
            booked, account = _parse(path)
            if booked < epoch:
                await self._store.delete(path)
            elif booked == epoch:
                data = await self._store.read(path)
                spent[account] = Spent.decode(data if data is not None else _NOTHING, path)
        self._spent, self.epoch = spent, epoch
        self.total = _sum(spent)

    def of(self, account: bytes) -> Spent:
        """Return what is booked for an account in the current epoch."""
        return self._spent.get(account, Spent())

    async def book(self, epoch: int, account: bytes, gas: int, *, newcomer: bool) -> None:
        """Add `gas` (negative: give back) to an account of `epoch`; durable when it returns.

        A correction of an epoch that is over changes nothing. Raises: Unavailable; then nothing
        is booked as far as this process is concerned.
        """
        if epoch != self.epoch:
            return
        before = self.of(account)
        after = replace(
            before,
            gas=before.gas + gas,
            as_newcomer=before.as_newcomer + (gas if newcomer else 0),
        )
        await self._store.write({_path(epoch, account): after.encode()})
        self._spent[account] = after
        self.total = replace(
            self.total,
            gas=self.total.gas + gas,
            as_newcomer=self.total.as_newcomer + (gas if newcomer else 0),
        )


def _path(epoch: int, account: bytes) -> str:
    return f"{FOLDER}/{epoch}/{account.hex()}"


def _parse(path: str) -> tuple[int, bytes]:
    parts = path.split("/")
    try:
        if len(parts) != 3 or len(parts[2]) != 40:
            raise ValueError(path)
        return int(parts[1]), bytes.fromhex(parts[2])
    except ValueError:
        raise Corrupt(f"{path} does not belong into a relay's books", hint="move it away") from None


def _sum(spent: Mapping[bytes, Spent]) -> Spent:
    return Spent(
        gas=sum(item.gas for item in spent.values()),
        as_newcomer=sum(item.as_newcomer for item in spent.values()),
    )
