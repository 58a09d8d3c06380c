"""Model of the ERC-20 contracts: balances, allowances, and the token that mints by schedule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from commonworks.simulation.blocks import refuse

HALVINGS_MAX: Final = 255
"""After so many half-lives nothing is minted."""

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
    """The network's token: a fixed genesis allocation, then emission by schedule."""

    def __init__(
        self,
        address: bytes,
        *,
        minter: bytes,
        allocations: Sequence[tuple[bytes, int]],
        cap_wei: int,
        initial_emission_wei: int,
        half_life_epochs: int,
    ) -> None:
        super().__init__(address)
        self._minter = minter
        self._initial_emission_wei = initial_emission_wei
        self._half_life_epochs = half_life_epochs
        self._minted_in: dict[int, int] = {}
        for account, amount in allocations:
            self.mint(account, amount)
        # the whole schedule must fit under the cap, or settlement would be blocked one day
        schedule = -(-initial_emission_wei * (3 * half_life_epochs + 1) // 2)
        if self.supply + schedule > cap_wei:
            raise refuse("CapExceeded", supply=self.supply + schedule, cap=cap_wei)

    def emission_of(self, epoch: int) -> int:
        """Return the most that `epoch` may mint, in wei."""
        halvings, rest = divmod(epoch, self._half_life_epochs)
        if halvings >= HALVINGS_MAX:
            return 0
        period = 2 * self._half_life_epochs
        return (self._initial_emission_wei >> halvings) * (period - rest) // period

    def mint_epoch(self, epoch: int, amount: int) -> None:
        """Mint an epoch's emission to the minter: once, and within the schedule."""
        if amount == 0:
            raise refuse("NothingToMint", epoch=epoch)
        if epoch in self._minted_in:
            raise refuse("AlreadyMinted", epoch=epoch, amount=self._minted_in[epoch])
        emission = self.emission_of(epoch)
        if amount > emission:
            raise refuse("EmissionExceeded", epoch=epoch, amount=amount, emission=emission)
        self._minted_in[epoch] = amount
        self.mint(self._minter, amount)
