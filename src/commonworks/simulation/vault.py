"""Model of the Vault: deposits, wishes, payout roots, claims, the exit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from eth_abi.abi import encode

from commonworks.crypto.hashes import keccak256
from commonworks.errors import require
from commonworks.events import (
    AssetTotal,
    Claimed,
    Commitment,
    Deposited,
    SpendLimitSet,
    WithdrawalRequested,
)
from commonworks.model import (
    Total,
)
from commonworks.simulation.blocks import NOBODY, Blocks, refuse
from commonworks.simulation.governance import PolicyModel
from commonworks.simulation.token import CommonsToken, Erc20
from commonworks.stops import Exited, ExitEntered, RootAccepted, RootDelayed

UINT128_MAX: Final = 2**128 - 1
"""Largest sum that the Vault's books hold."""


@dataclass(slots=True, kw_only=True)
class _Asset:
    """Sums over all accounts; every number only grows."""

    deposited: int = 0
    claimed: int = 0
    earned: int = 0
    spent: int = 0
    returned: int = 0
    listed: bool = False


@dataclass(slots=True, kw_only=True)
class _Account:
    deposited: int = 0
    claimed: int = 0
    returned: int = 0
    first_deposit_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Root:
    root: bytes
    epoch: int
    claimable_at: int


class VaultModel:
    """Everybody's money."""

    def __init__(
        self,
        blocks: Blocks,
        *,
        address: bytes,
        token: CommonsToken,
        policy: PolicyModel,
        assets: Mapping[bytes, Erc20],
    ) -> None:
        self._blocks = blocks
        self._address = address
        self._token = token
        self._policy = policy
        self._tokens: Mapping[bytes, Erc20] = {token.address: token, **assets}
        self._assets = {asset: _Asset() for asset in self._tokens}
        self._accounts: dict[tuple[bytes, bytes], _Account] = defaultdict(_Account)
        self._earned_by: dict[tuple[bytes, int], int] = {}
        self._roots: list[_Root] = []
        self._claimable: _Root | None = None
        self.minted_wei = 0
        self.last_request = 0
        self.last_finalised_at = 0
        self.exit_at = 0

    def deposited(self, asset: bytes, account: bytes) -> int:
        """Return everything that an account ever deposited of an asset."""
        return self._accounts[asset, account].deposited

    def claimable_epoch(self) -> int | None:
        """Return the epoch of the root that claims are made against now."""
        current = self._current()
        return None if current is None else current.epoch

    # --- deposits and wishes ------------------------------------------------------------------

    def deposit(
        self, sender: bytes, asset: bytes, amount: int, account: bytes | None = None
    ) -> None:
        """Deposit the sender's money for itself or, where given, for another account."""
        self._require_accepted(asset)
        self._deposit(asset, sender, sender if account is None else account, amount)

    def deposit_with_permit(self, owner: bytes, asset: bytes, amount: int, deadline: int) -> None:
        """Deposit the owner's money; its permit is taken as validly signed. Sent by anyone."""
        self._require_accepted(asset)
        if self._blocks.time > deadline:
            raise refuse("ERC2612ExpiredSignature", deadline=deadline)
        token = self._tokens[asset]
        before = token.allowance(owner, self._address)
        token.approve(owner, self._address, amount)
        try:
            self._deposit(asset, owner, owner, amount)
        except BaseException:
            token.approve(owner, self._address, before)
            raise

    def request_withdrawal(
        self, account: bytes, asset: bytes, amount: int, deadline: int | None = None
    ) -> int:
        """Ask for unspent deposit back; return the request's id.

        A `deadline` marks a signed request that somebody else hands in; its signature is valid.
        """
        self._require_signed_in_time(deadline)
        self._require_no_exit()
        deposited = self._accounts[asset, account].deposited
        if not 0 < amount <= deposited:
            raise refuse("WithdrawalOutOfRange", amount=amount, deposited=deposited)
        self.last_request += 1
        self._blocks.emit(
            WithdrawalRequested(
                at=self._blocks.here(),
                request=self.last_request,
                asset=asset,
                account=account,
                amount=amount,
            )
        )
        return self.last_request

    def set_spend_limit(
        self, account: bytes, device: int, limit: int, deadline: int | None = None
    ) -> None:
        """Limit what an account spends through a device per epoch; `deadline` as above."""
        self._require_signed_in_time(deadline)
        self._blocks.emit(
            SpendLimitSet(at=self._blocks.here(), account=account, device=device, limit=limit)
        )

    # --- roots --------------------------------------------------------------------------------

    def finalise(self, epoch: int, commitment: Commitment) -> int:
        """Take over an epoch's root and totals; return when its hold ends. All or nothing."""
        self._require_no_exit()
        minted_wei = commitment.minted_wei
        if minted_wei < self.minted_wei:
            raise refuse("MintedFell", mintedWei=minted_wei, before=self.minted_wei)
        self._require_growth(self._token.address, epoch, minted_wei - self.minted_wei)
        self._check_totals(epoch, minted_wei, commitment.totals)
        hold_ends = self._blocks.time + self._policy.value_at("hold_s", epoch)
        if minted_wei > self.minted_wei:
            self._token.mint_epoch(epoch, minted_wei - self.minted_wei)
        self.minted_wei = minted_wei
        for total in commitment.totals:
            books = self._assets[total.asset]
            books.listed, books.earned, books.spent = True, total.earned, total.spent
            self._earned_by[total.asset, epoch] = total.earned
        self.last_finalised_at = self._blocks.time
        root = _Root(root=commitment.payout_root, epoch=epoch, claimable_at=hold_ends)
        self._take_root(root)
        return hold_ends

    def halt(self, epoch: int, until: int) -> None:
        """Keep the first root that waits and covers `epoch` from being claimed before `until`."""
        self._promote()
        if self._claimable is not None and epoch <= self._claimable.epoch:
            raise refuse("NotHeld", epoch=epoch)
        for position, root in enumerate(self._roots):
            if epoch <= root.epoch:
                delayed = max(until, root.claimable_at)
                self._roots[position] = replace(root, claimable_at=delayed)
                self._blocks.emit(
                    RootDelayed(at=self._blocks.here(), epoch=root.epoch, claimable_at=delayed)
                )
                return
        raise refuse("NotHeld", epoch=epoch)

    # --- claims and exit ----------------------------------------------------------------------

    def claim(self, total: Total, proof: Sequence[bytes]) -> int:
        """Pay an account what it earned and has not claimed; return the amount. By anyone."""
        current = self._current()
        if current is None:
            raise refuse("NothingClaimable")
        self._require_leaf(current, total, proof)
        amount = self._unclaimed(total, current.epoch)
        if amount == 0:
            raise refuse(
                "NothingToClaim", asset=total.asset, account=total.account, earned=total.earned
            )
        self._tokens[total.asset].transfer(self._address, total.account, amount)
        self._book_claim(total, amount)
        self._blocks.emit(
            Claimed(
                at=self._blocks.here(),
                asset=total.asset,
                account=total.account,
                amount=amount,
                epoch=current.epoch,
            )
        )
        return amount

    def enter_exit(self) -> None:
        """Open the exit when nothing was finalised for too long. By anyone."""
        self._require_no_exit()
        since = self.last_finalised_at or self._policy.genesis_time
        opens_at = since + self._policy.value("exit_after_s")
        if self._blocks.time < opens_at:
            raise refuse("ExitTooEarly", opensAt=opens_at)
        self.exit_at = self._blocks.time
        self._blocks.emit(ExitEntered(at=self._blocks.here(), since=self.exit_at))

    def exit(self, total: Total, proof: Sequence[bytes]) -> int:
        """Pay an account unclaimed earnings and unspent deposit by its leaf. By anyone."""
        self._require_exit()
        last = self._last()
        if last is None:
            raise refuse("NoRoot")
        self._require_leaf(last, total, proof)
        earnings = self._unclaimed(total, last.epoch)
        unspent = self._unspent(total.asset, total.account, total.spent)
        if earnings + unspent == 0:
            raise refuse("NothingToExit", asset=total.asset, account=total.account)
        self._tokens[total.asset].transfer(self._address, total.account, earnings + unspent)
        if earnings:
            self._book_claim(total, earnings)
        self._book_return(total.asset, total.account, unspent)
        self._tell_exit(total.asset, total.account, earnings + unspent)
        return earnings + unspent

    def exit_without_leaf(self, asset: bytes, holder: bytes) -> int:
        """Pay back the deposit of an account that the last root cannot know. By anyone."""
        self._require_exit()
        first_deposit_at = self._accounts[asset, holder].first_deposit_at
        last = self._last()
        if last is not None and first_deposit_at < self._policy.epoch_end(last.epoch):
            raise refuse("LeafNeeded", asset=asset, account=holder, firstDepositAt=first_deposit_at)
        unspent = self._unspent(asset, holder, 0)
        if unspent == 0:
            raise refuse("NothingToExit", asset=asset, account=holder)
        self._tokens[asset].transfer(self._address, holder, unspent)
        self._book_return(asset, holder, unspent)
        self._tell_exit(asset, holder, unspent)
        return unspent

    # --- inside -------------------------------------------------------------------------------

    def _deposit(self, asset: bytes, sender: bytes, account: bytes, amount: int) -> None:
        if account == NOBODY:
            raise refuse("ZeroAccount")
        self._require_no_exit()
        books, holder = self._assets[asset], self._accounts[asset, account]
        token = self._tokens[asset]
        token.check_transfer_from(self._address, sender, amount)
        if amount == 0:
            raise refuse("NothingArrived", asset=asset, **{"from": sender})
        _require_uint128(holder.deposited + amount)
        _require_uint128(books.deposited + amount)
        token.transfer_from(self._address, sender, self._address, amount)
        holder.first_deposit_at = holder.first_deposit_at or self._blocks.time
        holder.deposited += amount
        books.deposited += amount
        self._blocks.emit(
            Deposited(
                at=self._blocks.here(), asset=asset, account=account, amount=amount, sender=sender
            )
        )

    def _check_totals(self, epoch: int, minted_wei: int, totals: Sequence[AssetTotal]) -> None:
        before = b""
        for total in totals:
            if before and total.asset <= before:
                raise refuse("TotalsNotSorted", asset=total.asset)
            before = total.asset
            self._require_accepted(total.asset)
            books = self._assets[total.asset]
            if total.earned < books.earned or total.spent < books.spent:
                raise refuse("TotalsFell", asset=total.asset)
            if total.spent > books.deposited:
                raise refuse(
                    "SpentExceedsDeposited",
                    asset=total.asset,
                    spent=total.spent,
                    deposited=books.deposited,
                )
            sources = total.spent + (minted_wei if total.asset == self._token.address else 0)
            if total.earned > sources:
                raise refuse(
                    "EarnedExceedsSources",
                    asset=total.asset,
                    earned=total.earned,
                    sources=sources,
                )
            growth = max(total.earned - books.earned, total.spent - books.spent)
            self._require_growth(total.asset, epoch, growth)
            _require_uint128(total.earned)
        named = {total.asset for total in totals}
        listed = {asset for asset, books in self._assets.items() if books.listed} | named
        if len(totals) != len(listed):
            raise refuse("TotalsIncomplete", listed=len(totals), expected=len(listed))

    def _require_growth(self, asset: bytes, epoch: int, growth: int) -> None:
        """Refuse earnings that grow beyond the epoch's limit, or the one voted since."""
        token = asset == self._token.address
        key = "token_growth_max_wei" if token else "currency_growth_max"
        limit = max(self._policy.value_at(key, epoch), self._policy.value(key))
        if growth > limit:
            raise refuse("GrowthExceeded", asset=asset, growth=growth, limit=limit)

    def _take_root(self, root: _Root) -> None:
        """Put a root behind those that wait: one next, one last; a third replaces the last."""
        self._promote()
        if len(self._roots) == 2:
            newest = self._roots.pop()
            root = replace(root, claimable_at=max(root.claimable_at, newest.claimable_at))
        self._roots.append(root)
        require(len(self._roots) <= 2, "at most two roots wait")
        self._blocks.emit(
            RootAccepted(
                at=self._blocks.here(),
                epoch=root.epoch,
                root=root.root,
                claimable_at=root.claimable_at,
            )
        )

    def _promote(self) -> None:
        while self._roots and self._roots[0].claimable_at <= self._blocks.time:
            self._claimable = self._roots.pop(0)

    def _current(self) -> _Root | None:
        current = self._claimable
        for root in self._roots:
            if root.claimable_at > self._blocks.time:
                break
            current = root
        return current

    def _last(self) -> _Root | None:
        return self._roots[-1] if self._roots else self._claimable

    def _unclaimed(self, total: Total, epoch: int) -> int:
        """Return what is left to claim of a leaf, under the ceiling of the root's epoch."""
        amount = max(0, total.earned - self._accounts[total.asset, total.account].claimed)
        claimed = self._assets[total.asset].claimed + amount
        ceiling = self._earned_by.get((total.asset, epoch), 0)
        if amount and claimed > ceiling:
            raise refuse("ClaimsExceedEarned", asset=total.asset, claimed=claimed, earned=ceiling)
        return amount

    def _unspent(self, asset: bytes, holder: bytes, spent: int) -> int:
        """Return what is left of a deposit, under what is unspent in all."""
        account, books = self._accounts[asset, holder], self._assets[asset]
        amount = max(0, account.deposited - account.returned - spent)
        returned, unspent = books.returned + amount, books.deposited - books.spent
        if amount and returned > unspent:
            raise refuse("ReturnsExceedUnspent", asset=asset, returned=returned, unspent=unspent)
        return amount

    def _book_claim(self, total: Total, amount: int) -> None:
        self._accounts[total.asset, total.account].claimed = total.earned
        self._assets[total.asset].claimed += amount

    def _book_return(self, asset: bytes, holder: bytes, amount: int) -> None:
        self._accounts[asset, holder].returned += amount
        self._assets[asset].returned += amount

    def _tell_exit(self, asset: bytes, account: bytes, amount: int) -> None:
        self._blocks.emit(
            Exited(at=self._blocks.here(), asset=asset, account=account, amount=amount)
        )

    def _require_accepted(self, asset: bytes) -> None:
        if asset not in self._assets:
            raise refuse("AssetNotAccepted", asset=asset)

    def _require_no_exit(self) -> None:
        if self.exit_at:
            raise refuse("ExitOpen", since=self.exit_at)

    def _require_exit(self) -> None:
        if not self.exit_at:
            raise refuse("ExitShut")

    def _require_signed_in_time(self, deadline: int | None) -> None:
        if deadline is not None and self._blocks.time > deadline:
            raise refuse("SignatureExpired", deadline=deadline)

    @staticmethod
    def _require_leaf(root: _Root, total: Total, proof: Sequence[bytes]) -> None:
        """Refuse a leaf that is not under the root (OpenZeppelin's StandardMerkleTree)."""
        types = ["address", "address", "uint256", "uint256"]
        values = [total.asset, total.account, total.earned, total.spent]
        node = keccak256(keccak256(encode(types, values)))
        for sibling in proof:
            node = keccak256(min(node, sibling) + max(node, sibling))
        if node != root.root:
            raise refuse("InvalidProof", asset=total.asset, account=total.account, epoch=root.epoch)


def _require_uint128(value: int) -> None:
    if value > UINT128_MAX:
        raise refuse("SafeCastOverflowedUintDowncast", bits=128, value=value)
