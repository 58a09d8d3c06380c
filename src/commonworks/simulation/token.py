"""Model of the ERC-20 contracts: balances, allowances, and the token that mints by schedule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from commonworks.simulation.blocks import refuse
from commonworks.simulation.governance import PolicyModel

HALVINGS_MAX: Final = 255
"""After so many half-lives nothing is minted."""

ONE: Final = 2**96
"""One halving."""

HALF_LIFE: Final = "half_life_epochs"
"""The parameter that says how many epochs a halving takes."""

HALF_LIFE_LIMIT: Final = 2**32
"""Longest half-life that its bounds may allow."""

UNLIMITED: Final = 2**256 - 1
"""Allowance that spending does not reduce."""


class Erc20:
    """Balances and allowances, as OpenZeppelin's ERC20 keeps them."""

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.supply = 0
        self.balances: dict[bytes, int] = defaultdict(int)
        self._allowances: dict[tuple[bytes, bytes], int] = defaultdict(int)

    def mint(self, to: bytes, amount: int) -> None:
        """Create `amount` in favour of `to`."""
        self.supply += amount
        self.balances[to] += amount

    def approve(self, owner: bytes, spender: bytes, amount: int) -> None:
        """Let `spender` move `amount` of the owner's balance."""
        self._allowances[owner, spender] = amount

    def allowance(self, owner: bytes, spender: bytes) -> int:
        """Return how much of the owner's balance `spender` may move."""
        return self._allowances[owner, spender]

    def transfer(self, sender: bytes, receiver: bytes, amount: int) -> None:
        """Move `amount`; refused when the sender has less."""
        self._check_balance(sender, amount)
        self.balances[sender] -= amount
        self.balances[receiver] += amount

    def check_transfer_from(self, spender: bytes, sender: bytes, amount: int) -> None:
        """Refuse what `transfer_from` would refuse, and change nothing."""
        allowance = self._allowances[sender, spender]
        if allowance < amount:
            raise refuse(
                "ERC20InsufficientAllowance", spender=spender, allowance=allowance, needed=amount
            )
        self._check_balance(sender, amount)

    def transfer_from(self, spender: bytes, sender: bytes, receiver: bytes, amount: int) -> None:
        """Move `amount` of somebody else's balance, within the allowance."""
        self.check_transfer_from(spender, sender, amount)
        self.transfer(sender, receiver, amount)
        if self._allowances[sender, spender] != UNLIMITED:
            self._allowances[sender, spender] -= amount

    def _check_balance(self, sender: bytes, amount: int) -> None:
        balance = self.balances[sender]
        if balance < amount:
            raise refuse("ERC20InsufficientBalance", sender=sender, balance=balance, needed=amount)


class CommonsToken(Erc20):
    """The network's token: a fixed genesis allocation, then emission by schedule.

    Votes are left out: nothing that settlement knows depends on them.
    """

    def __init__(
        self,
        address: bytes,
        *,
        minter: bytes,
        bonds: bytes,
        policy: PolicyModel,
        allocations: Sequence[tuple[bytes, int]],
        cap_wei: int,
        initial_emission_wei: int,
    ) -> None:
        super().__init__(address)
        self._minter = minter
        self._policy = policy
        self._cap_wei = cap_wei
        self._initial_emission_wei = initial_emission_wei
        self._minted_in: dict[int, int] = {}
        shortest, longest = policy.bounds(HALF_LIFE)
        if shortest < 1 or longest > HALF_LIFE_LIMIT:
            raise refuse("UnsafeHalfLife", min=shortest, max=longest)
        for account, amount in allocations:
            if account in (minter, bonds):
                raise refuse("UselessAllocation", account=account)
            self.mint(account, amount)
        # the whole schedule must fit under the cap, or settlement would be blocked one day
        schedule = -(-initial_emission_wei * (3 * (longest + 1) + 1) // 2)
        if self.supply + schedule > cap_wei:
            raise refuse("CapExceeded", supply=self.supply + schedule, cap=cap_wei)

    def halvings_at(self, epoch: int) -> int:
        """Return the halvings passed when `epoch` starts, with 96 fractional bits."""
        history = [entry for entry in self._policy.history(HALF_LIFE) if entry[0] <= epoch]
        ends = [start for start, _ in history[1:]] + [epoch]
        stretches = zip(history, ends, strict=True)
        return sum((end - start) * (ONE // half_life) for (start, half_life), end in stretches)

    def emission_of(self, epoch: int) -> int:
        """Return the most that `epoch` may mint, in wei."""
        whole, fraction = divmod(self.halvings_at(epoch), ONE)
        if whole >= HALVINGS_MAX:
            return 0
        return (self._initial_emission_wei >> whole) * (2 * ONE - fraction) // (2 * ONE)

    def mint_epoch(self, epoch: int, amount: int) -> None:
        """Mint an epoch's emission to the minter: once, and within the schedule."""
        if amount == 0:
            raise refuse("NothingToMint", epoch=epoch)
        if epoch in self._minted_in:
            raise refuse("AlreadyMinted", epoch=epoch, amount=self._minted_in[epoch])
        if epoch > self._policy.current_epoch():
            raise refuse("EpochNotOpen", epoch=epoch)
        emission = self.emission_of(epoch)
        if amount > emission:
            raise refuse("EmissionExceeded", epoch=epoch, amount=amount, emission=emission)
        if self.supply + amount > self._cap_wei:
            raise refuse("CapExceeded", supply=self.supply + amount, cap=self._cap_wei)
        self._minted_in[epoch] = amount
        self.mint(self._minter, amount)
