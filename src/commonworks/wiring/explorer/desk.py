"""Prepares members' transactions and passes signed ones on: adapter behind the port `Desk`.

Goal: a wallet is asked for nothing that would fail, and for nothing that its owner was not told in
words. Rules: no key is ever here; what is prepared was executed once without effect for the account
that will send it; words are read from the very bytes that are handed out (`spelling`). What comes
back signed is passed on only if it is for this chain, addresses a contract of this network, and
would succeed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from commonworks.chain.abi import contract
from commonworks.chain.accounts import address_text
from commonworks.chain.ballots import REASON_MAX, Support, governor_call
from commonworks.chain.decisions import RawCall
from commonworks.chain.delegation import delegate_call
from commonworks.chain.embedded.transaction import contents, decode
from commonworks.chain.endpoints import Endpoints, Rejected, hex_of, int_of
from commonworks.chain.exchange import exchange_of
from commonworks.chain.government import Governance, Proposal, ProposalBook, find_proposal
from commonworks.chain.members import Members
from commonworks.chain.messages import Enrolment
from commonworks.chain.plan import Deployment
from commonworks.chain.transactions import Call
from commonworks.chain.uniswap import ALLOWANCE, least_out
from commonworks.crypto.hashes import keccak256
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import Conflict, InvalidInput, NotFound, Unavailable, require
from commonworks.explorer import cells
from commonworks.explorer.ports import Archive, Prepared
from commonworks.explorer.web.i18n import gettext
from commonworks.explorer.web.plain_text import one_line
from commonworks.model import Network
from commonworks.ports import Clock
from commonworks.units import WEI_DECIMALS
from commonworks.wiring.explorer.claimable import ClaimablePayouts
from commonworks.wiring.explorer.spelling import Speller
from commonworks.wiring.explorer.wishes import Wish
from commonworks.wiring.refusals import in_plain_words

RAW_BYTES_MAX: Final = 60_000
"""Longest signed transaction that is passed on; an enrolment of many devices fits."""

DEADLINE_S: Final = 600
"""How long a prepared sale may wait for its block."""

SLIPPAGE: Final = "0.5"
"""How much worse than the quote a price may get, in percent, unless said otherwise."""
TITLE_MAX: Final = 80
"""Longest title of a proposal that is repeated."""
SLIPPAGE_MAX_PPM: Final = 500_000

KEY_BYTES: Final[Mapping[int, Algorithm]] = {32: Algorithm.EDDSA, 64: Algorithm.ES256}
"""Length of a public key -> how it signs."""


class ChainDesk:
    """Implements `explorer.ports.Desk` over JSON-RPC endpoints."""

    def __init__(
        self,
        endpoints: Endpoints,
        deployment: Deployment,
        *,
        archive: Archive,
        clock: Clock,
        network: Network,
        resources: Collection[str],
        speller: Speller,
    ) -> None:
        self._endpoints = endpoints
        self._at = deployment
        self._payouts = ClaimablePayouts(archive)
        self._clock = clock
        self._network = network
        self._resources = resources
        self._speller = speller
        self._names: dict[int, str] = {}
        """Proposal id -> what it is called; an id is a hash over what is proposed."""
        self._book = ProposalBook()
        """Proposals as far as they were read: nobody's question reads the whole chain again."""
        self._reading = asyncio.Lock()
        self._members = Members(endpoints, deployment)
        self._calls = self._members.calls
        self._actions: Mapping[str, Callable[[Wish], Awaitable[Sequence[Call]]]] = {
            "claim": self._claim,
            "exit": self._exit,
            "deposit": self._deposit,
            "withdraw": self._withdraw,
            "limit": self._limit,
            "sell": self._sell,
            "delegate": self._delegate,
            "vote": self._vote,
            "queue": self._queue,
            "execute": self._execute,
            "cancel": self._cancel,
            "enrol": self._enrol,
            "payees": self._payees,
        }

    async def prepare(self, action: str, values: Mapping[str, object]) -> Sequence[Prepared]:
        """See `Desk.prepare`; the first call was executed without effect for its sender."""
        make = self._actions.get(action)
        if make is None:
            raise InvalidInput(gettext("there is no action %(action)s", action=repr(action[:40])))
        wish = Wish(values)
        sender = wish.account()
        try:
            calls = [_raw(call) for call in await make(wish)]
            await self._try(sender, calls[0])
        except Rejected:
            raise
        except Conflict as error:
            raise in_plain_words(error) from None
        speller = self._speller.knowing(self._names)
        return [
            Prepared(to=call.to, data=call.data, value_wei=call.value_wei, does=speller.words(call))
            for call in calls
        ]

    async def submit(self, raw: bytes) -> bytes:
        """See `Desk.submit`; a transaction that is known already is fine."""
        if not 0 < len(raw) <= RAW_BYTES_MAX:
            raise InvalidInput(gettext("a transaction has 1..%(most)s bytes", most=RAW_BYTES_MAX))
        transaction = decode(raw, chain_id=self._at.chain_id)
        content = contents(transaction)
        if content.to is None or content.to not in self._contracts:
            where = "nobody" if content.to is None else address_text(content.to)
            raise InvalidInput(
                gettext(
                    "the transaction is for %(where)s, which is no contract of this network",
                    where=where,
                ),
                hint=gettext("send it by your own node"),
            )
        known = await self._endpoints.request("eth_getTransactionByHash", hex_of(transaction.hash))
        if known is not None:
            return transaction.hash
        await self._in_turn(transaction.sender, transaction.nonce)
        call = RawCall(to=content.to, value_wei=content.value_wei, data=content.data)
        try:
            await self._try(transaction.sender, call)
            await self._endpoints.request("eth_sendRawTransaction", hex_of(raw))
        except Rejected:
            raise
        except Conflict as error:
            raise in_plain_words(error) from None
        return transaction.hash

    async def receipt(self, tx: bytes) -> bool | None:
        """See `Desk.receipt`."""
        found = await self._endpoints.request("eth_getTransactionReceipt", hex_of(tx))
        if not isinstance(found, dict) or found.get("blockNumber") is None:
            return None
        return int_of(found["status"]) == 1

    # --- money --------------------------------------------------------------------------------

    async def _claim(self, wish: Wish) -> Sequence[Call]:
        asset, account = self._asset(wish)[0], wish.account_or("receiver", wish.account())
        root = await self._members.claimable_root()
        if root is None:
            raise Conflict(gettext("Nothing can be claimed yet: no epoch's hold has passed."))
        payouts = await self._payouts.at(root)
        if payouts is None:
            raise _not_at_hand(root.epoch)
        leaf = payouts.leaf(asset, account)
        if leaf is None:
            raise NotFound(gettext("This account has earned nothing in this asset."))
        return [self._calls.claim(leaf, payouts.siblings(leaf))]

    async def _exit(self, wish: Wish) -> Sequence[Call]:
        asset, account = self._asset(wish)[0], wish.account_or("receiver", wish.account())
        root = await self._members.last_root()
        payouts = None if root is None else await self._payouts.at(root)
        if root is not None and payouts is None:
            raise _not_at_hand(root.epoch)
        leaf = None if payouts is None else payouts.leaf(asset, account)
        if payouts is None or leaf is None:
            return [self._calls.exit_without_leaf(asset, account)]
        return [self._calls.exit(leaf, payouts.siblings(leaf))]

    async def _deposit(self, wish: Wish) -> Sequence[Call]:
        asset, decimals = self._asset(wish)
        amount, account = wish.amount(decimals), wish.account()
        balance = await self._members.balance(asset, account)
        if balance < amount:
            raise Conflict(
                gettext(
                    "The account has only %(balance)s.", balance=self._speller.money(asset, balance)
                ),
                hint=gettext("Deposit less, or fund the account first."),
            )
        vault = self._at.vault
        return [
            *await self._allowances(asset, account, vault, amount),
            self._calls.deposit(asset, amount),
        ]

    async def _withdraw(self, wish: Wish) -> Sequence[Call]:
        asset, decimals = self._asset(wish)
        amount, account = wish.amount(decimals), wish.account()
        unspent = await self._unspent(asset, account)
        if amount > unspent:
            raise Conflict(
                gettext(
                    "The account has %(amount)s of unspent deposit.",
                    amount=self._speller.money(asset, unspent),
                ),
                hint=gettext("Ask for less; what was earned is claimed, not withdrawn."),
            )
        return [self._calls.request_withdrawal(asset, amount)]

    async def _limit(self, wish: Wish) -> Sequence[Call]:
        device, account = wish.number("device"), wish.account()
        amount = wish.amount(self._speller.currency_decimals, zero=True)
        if await self._members.owner_of(device) != account:
            raise Conflict(
                gettext("Device %(device)s belongs to another account.", device=device),
                hint=gettext("Only its owner's limit counts."),
            )
        return [self._calls.set_spend_limit(device, amount)]

    async def _sell(self, wish: Wish) -> Sequence[Call]:
        exchange = exchange_of(self._endpoints, self._at)
        amount, account = wish.amount(WEI_DECIMALS), wish.account()
        slippage = wish.percent("slippage", SLIPPAGE, SLIPPAGE_MAX_PPM)
        balance = await self._members.balance(exchange.token, account)
        if balance < amount:
            raise Conflict(
                gettext(
                    "The account has only %(balance)s.",
                    balance=self._speller.money(exchange.token, balance),
                ),
                hint=gettext("Claim first what it has earned, or sell less."),
            )
        least = least_out(await exchange.quote_sell(amount), slippage)
        deadline = await self._chain_time() + DEADLINE_S
        _, swap = exchange.sell_calls(account, amount, least, deadline)
        allow = await self._allowances(exchange.token, account, exchange.router, amount)
        return [*allow, swap]

    async def _allowances(
        self, asset: bytes, account: bytes, spender: bytes, amount: int
    ) -> Sequence[Call]:
        """Return what must be allowed so that `spender` can take exactly this amount."""
        data = ALLOWANCE.call(account, spender)
        (granted,) = ALLOWANCE.results(await self._endpoints.call(asset, data))
        if granted == amount:
            return []
        allow = self._calls.approve(asset, spender, amount)
        if granted and asset != self._at.token:  # some assets change it only from or to nothing
            return [self._calls.approve(asset, spender, 0), allow]
        return [allow]

    async def _unspent(self, asset: bytes, account: bytes) -> int:
        """Return what an account deposited and had not spent when it was last settled."""
        books = await self._members.vault_account(asset, account)
        root = await self._members.claimable_root()
        payouts = None if root is None else await self._payouts.at(root)
        leaf = None if payouts is None else payouts.leaf(asset, account)
        spent = 0 if leaf is None else leaf.spent
        return max(0, books.deposited - books.returned - spent)

    # --- votes --------------------------------------------------------------------------------

    async def _delegate(self, wish: Wish) -> Sequence[Call]:
        return [delegate_call(self._at, wish.account("to"))]

    async def _vote(self, wish: Wish) -> Sequence[Call]:
        proposal, account = await self._proposal(wish), wish.account()
        try:
            support = Support[wish.text("support").upper()]
        except KeyError:
            raise InvalidInput(gettext("Vote for, against or abstain.")) from None
        reason = wish.text("reason", "")
        if len(reason.encode()) > REASON_MAX:
            raise InvalidInput(gettext("The reason is too long."))
        call = governor_call(
            self._at, "castVoteWithReason", proposal.proposal, int(support), reason
        )
        await self._try(account, _raw(call))
        item = contract("CommonsToken")["getPastVotes"]
        answer = await self._endpoints.call(self._at.votes, item.call(account, proposal.vote_start))
        if item.results(answer)[0] == 0:
            raise Conflict(
                gettext("This account had no votes when this vote began."),
                hint=gettext(
                    "Votes count as they were then: what came later, or was lent, does not."
                ),
            )
        return [call]

    async def _queue(self, wish: Wish) -> Sequence[Call]:
        return [self._carried("queue", await self._proposal(wish))]

    async def _execute(self, wish: Wish) -> Sequence[Call]:
        return [self._carried("execute", await self._proposal(wish))]

    async def _cancel(self, wish: Wish) -> Sequence[Call]:
        return [self._carried("cancel", await self._proposal(wish))]

    def _carried(self, function: str, proposal: Proposal) -> Call:
        calls = proposal.calls
        return governor_call(
            self._at,
            function,
            [call.to for call in calls],
            [call.value_wei for call in calls],
            [call.data for call in calls],
            keccak256(proposal.description.encode()),
        )

    async def _proposal(self, wish: Wish) -> Proposal:
        number, governance = wish.number("proposal"), Governance(self._members)
        async with self._reading:  # two that read at once would count votes twice
            await governance.follow(self._book)
        found = tuple(self._book.proposals.values())
        for one in found:
            self._names[one.proposal] = gettext(
                "proposal %(number)s, “%(title)s”", number=one.number, title=_shown(one.title)
            )
        return find_proposal(found, str(number))

    # --- devices ------------------------------------------------------------------------------

    async def _enrol(self, wish: Wish) -> Sequence[Call]:
        resource, raw = wish.text("resource"), wish.data("public_key")
        if resource not in self._resources:
            raise InvalidInput(
                gettext("This network has no resource “%(name)s”.", name=resource[:40])
            )
        algorithm = KEY_BYTES.get(len(raw))
        if algorithm is None:
            raise InvalidInput(gettext("A device's public key has 32 or 64 bytes."))
        key = PublicKey.from_raw(algorithm, raw)
        if wish.text("thumbprint", "") and wish.data("thumbprint") != key.thumbprint:
            raise InvalidInput(gettext("The thumbprint is not that of this key."))
        cell = await self._place(wish)
        return [self._calls.enrol(Enrolment(key=key, resource=resource, cell=cell))]

    async def _place(self, wish: Wish) -> int:
        """Return the wanted map cell, 0 for none; one finer than policy allows now is refused."""
        cell = wish.cell()
        if cell == cells.NOWHERE:
            return cell
        epoch = max(self._network.epoch_at(self._clock.now()), 0)
        finest = cells.allowed(await self._members.parameter(cells.PARAMETER, epoch))
        if cells.finer(f"{cell:x}", finest):
            raise InvalidInput(
                gettext(
                    "The map cell %(cell)s is finer than the network allows now: at most "
                    "resolution %(finest)s.",
                    cell=f"{cell:x}",
                    finest=finest,
                ),
                hint=gettext(
                    "What is on the chain stays there: choose %(cell)s, which it lies in.",
                    cell=cells.coarse(f"{cell:x}", finest),
                ),
            )
        return cell

    async def _payees(self, wish: Wish) -> Sequence[Call]:
        return [self._calls.set_payees(wish.number("device"), wish.shares())]

    # --- inside -------------------------------------------------------------------------------

    @property
    def _contracts(self) -> frozenset[bytes]:
        at, government = self._at, self._at.government
        found = {
            *at.watched, at.token, at.currency, government.governor, government.timelock,
            government.guardian, government.accounts, government.membership, government.router,
        }  # fmt: skip
        return frozenset(address for address in found if address is not None)

    def _asset(self, wish: Wish) -> tuple[bytes, int]:
        """Return an asset's address and decimal places."""
        match wish.text("asset"):
            case "token":
                return self._at.token, WEI_DECIMALS
            case "currency":
                return self._at.currency, self._speller.currency_decimals
            case _:
                raise InvalidInput(gettext("The asset is “token” or “currency”."))

    async def _try(self, sender: bytes, call: RawCall) -> None:
        """Execute a call without effect; raise Conflict with the contract's own error."""
        request: dict[str, Any] = {
            "from": hex_of(sender),
            "to": hex_of(call.to),
            "data": hex_of(call.data),
            "value": hex(call.value_wei),
        }
        await self._endpoints.request("eth_call", request, "latest")

    async def _in_turn(self, sender: bytes, nonce: int) -> None:
        asked = ("eth_getTransactionCount", hex_of(sender), "pending")
        following = int_of(await self._endpoints.request(*asked))
        if nonce < following:
            raise Conflict(
                gettext(
                    "the account has used the number %(nonce)s for another transaction", nonce=nonce
                ),
                hint=gettext("let the wallet sign it again"),
                next=following,
            )
        if nonce > following:
            raise Conflict(
                gettext(
                    "the account's transaction %(following)s has to come before %(nonce)s",
                    following=following,
                    nonce=nonce,
                ),
                hint=gettext("send the earlier ones first"),
                next=following,
            )

    async def _chain_time(self) -> int:
        """Return the time that the next block will not be far from."""
        block = await self._endpoints.run(lambda endpoint: endpoint.block("latest"))
        return max(self._clock.now(), int_of(block["timestamp"]))


def _not_at_hand(epoch: int) -> Unavailable:
    return Unavailable(
        gettext("The settlement of epoch %(epoch)s is not at hand here.", epoch=epoch),
        hint=gettext("Try again in a moment, or claim with the command line."),
    )


def _shown(title: str) -> str:
    """Return a stranger's title for a sentence that is read before signing: one line, no more."""
    text = one_line(title)
    return text if len(text) <= TITLE_MAX else text[: TITLE_MAX - 1] + "…"


def _raw(call: Call) -> RawCall:
    require(call.to is not None, "the desk prepares calls to contracts")
    return RawCall(to=call.to or b"", value_wei=0, data=call.data)
