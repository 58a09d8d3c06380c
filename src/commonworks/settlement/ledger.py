"""The running books of one settlement: who has earned and spent what, and what is still free.

Invariant: per asset, what one account spends others earn, to the last unit; nobody spends more
than it deposited. Withdrawals come last, in order of request, within the growth that policy allows
an epoch; what finds no room waits and goes first in the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from commonworks.errors import require
from commonworks.model import (
    Facts,
    Payment,
    Reward,
    State,
    Total,
    Withdrawal,
)
from commonworks.policy import Policy
from commonworks.settlement.emission import split_payees

Money = dict[tuple[bytes, bytes], int]
"""(asset, account) -> amount."""


class Ledger:
    """Cumulative earned and spent by (asset, account), and what is still free to spend."""

    def __init__(self, facts: Facts, state: State) -> None:
        self._deposits = facts.deposits
        self._payees = facts.payees
        self._token = facts.network.token
        self.earned: Money = {(t.asset, t.account): t.earned for t in state.totals}
        self.spent: Money = {(t.asset, t.account): t.spent for t in state.totals}
        self._growth: defaultdict[bytes, int] = defaultdict(int)
        """Asset -> growth of all earnings in this epoch; never less than that of what is spent."""
        for where in facts.deposits:  # every depositor has a leaf: the Vault's exit relies on it
            self.earned.setdefault(where, 0)
            self.spent.setdefault(where, 0)

    def free(self, asset: bytes, account: bytes) -> int:
        """Return what an account deposited and has not spent."""
        where = (asset, account)
        return self._deposits.get(where, 0) - self.spent.get(where, 0)

    def earn(self, asset: bytes, account: bytes, amount: int) -> None:
        """Add to what an account earned."""
        where = (asset, account)
        self.earned[where] = self.earned.get(where, 0) + amount
        self.spent.setdefault(where, 0)
        self._growth[asset] += amount

    def spend(self, asset: bytes, account: bytes, amount: int) -> None:
        """Add to what an account spent."""
        require(0 <= amount <= self.free(asset, account), "an account spends more than is free")
        self.spent[asset, account] = self.spent.get((asset, account), 0) + amount

    def reward(self, rewards: Iterable[Reward]) -> None:
        """Book what the emission gives, already split over payees."""
        for item in rewards:
            self.earn(self._token, item.account, item.amount_wei)

    def pay(self, asset: bytes, payments: Iterable[Payment], accounts: Mapping[int, bytes]) -> None:
        """Move payments from their payers' deposits to their payees' earnings.

        Inputs: `accounts`, device -> account it counts for. What a device earned in all is split
        over its payees at once, so that the residual is less than a unit a payee and epoch.
        """
        spent: defaultdict[bytes, int] = defaultdict(int)
        devices: defaultdict[int, int] = defaultdict(int)
        for payment in payments:
            require(payment.amount > 0, "a payment moves something")
            spent[payment.payer] += payment.amount
            if payment.device in self._payees:
                devices[payment.device] += payment.amount
            else:
                self.earn(asset, payment.payee, payment.amount)
            if payment.device:
                owner = accounts.get(payment.device)
                require(payment.payee == owner, "a device is paid for another account")
        for device, amount in devices.items():
            for account, part in split_payees(amount, self._payees[device]):
                self.earn(asset, account, part)
        for payer, amount in sorted(spent.items()):
            self.spend(asset, payer, amount)

    def withdraw(
        self, policy: Policy, requests: Iterable[Withdrawal]
    ) -> tuple[tuple[Withdrawal, ...], tuple[Withdrawal, ...]]:
        """Turn requests into earned + spent as far as deposit and growth limits leave room.

        Inputs: requests sorted by id: what waits from earlier epochs comes first by that.
        Returns: what each request got, without those that only wait; and what waits, with the
        amount that is still due to each.
        Guarantees: got + waiting <= requested; got + waiting of an account <= what is free;
        per asset nobody is served while an earlier request waits.
        """
        done, waiting = list[Withdrawal](), list[Withdrawal]()
        due: defaultdict[tuple[bytes, bytes], int] = defaultdict(int)
        for request in requests:
            asset, account = request.asset, request.account
            free = self.free(asset, account) - due[asset, account]
            wanted = min(request.amount, free)
            amount = min(wanted, self._room(policy, asset))
            if amount > 0:
                self.spend(asset, account, amount)
                self.earn(asset, account, amount)
            if amount < wanted:
                waiting.append(replace(request, amount=wanted - amount))
                due[asset, account] += wanted - amount
            if amount > 0 or wanted == 0:
                done.append(replace(request, amount=amount))
        return tuple(done), tuple(waiting)

    def _room(self, policy: Policy, asset: bytes) -> int:
        """Return by how much earnings in an asset may still grow in this epoch."""
        key = "token_growth_max_wei" if asset == self._token else "currency_growth_max"
        return max(0, policy[key] - self._growth[asset])

    def totals(self) -> tuple[Total, ...]:
        """Return every account's totals, sorted by (asset, account)."""
        return tuple(
            Total(asset=asset, account=account, earned=earned, spent=self.spent[asset, account])
            for (asset, account), earned in sorted(self.earned.items())
        )
