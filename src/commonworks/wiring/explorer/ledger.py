"""What the chain says now about accounts: adapter behind the explorer's port `Ledger`."""

from __future__ import annotations

import asyncio
from typing import Final

from commonworks.chain.abi import contract
from commonworks.chain.endpoints import Endpoint, Endpoints, bytes_of, hex_of, int_of
from commonworks.chain.exchange import exchange_of
from commonworks.chain.members import Members
from commonworks.chain.plan import Deployment
from commonworks.errors import Conflict, Corrupt, NotFound
from commonworks.explorer.ports import Balances, Claimable, PriceNow

ACCEPTED: Final = bytes.fromhex("1626ba7e")
"""What a contract answers that stands by a signature (ERC-1271)."""


class ChainLedger:
    """Implements `explorer.ports.Ledger` over JSON-RPC endpoints. Holds no key."""

    def __init__(self, endpoints: Endpoints, deployment: Deployment) -> None:
        self._endpoints = endpoints
        self._at = deployment
        self._members = Members(endpoints, deployment)

    async def balances(self, account: bytes) -> Balances:
        """See `Ledger.balances`; everything is of one block."""
        at, text = self._at, hex_of(account)
        asked = contract("CommonsToken")
        balance, votes, delegates = (asked[name] for name in ("balanceOf", "getVotes", "delegates"))

        async def read(endpoint: Endpoint) -> Balances:
            block = hex(await endpoint.block_number())
            token, currency, power, lent, coin, code = await asyncio.gather(
                endpoint.call(at.token, balance.call(account), block),
                endpoint.call(at.currency, balance.call(account), block),
                endpoint.call(at.votes, votes.call(account), block),
                endpoint.call(at.votes, delegates.call(account), block),
                endpoint.request("eth_getBalance", text, block),
                endpoint.request("eth_getCode", text, block),
            )
            return Balances(
                token=_number(token),
                currency=_number(currency),
                coin_wei=int_of(coin),
                votes=_number(power),
                delegate=lent[-20:] if _number(lent) else None,
                contract=bytes_of(code) != b"",
            )

        return await self._endpoints.run(read)

    async def claimable(self) -> Claimable | None:
        """See `Ledger.claimable`."""
        root = await self._members.claimable_root()
        return None if root is None else Claimable(epoch=root.epoch, root=root.root)

    async def sale(self, amount_in: int) -> PriceNow | None:
        """See `Ledger.sale`; raises InvalidInput for so little that it brings nothing."""
        try:
            quote = await exchange_of(self._endpoints, self._at).quote_sell(amount_in)
        except (NotFound, Conflict):  # no exchange, no pool, or an empty one
            return None
        return PriceNow(amount_in=quote.amount_in, amount_out=quote.amount_out)

    async def signed(self, account: bytes, digest: bytes, signature: bytes) -> bool:
        """See `Ledger.signed`; an account without code never says so."""
        asked = contract("MemberAccount")["isValidSignature"].call(digest, signature)
        try:
            answer = await self._endpoints.call(account, asked)
        except Conflict:  # the contract refuses to look at it, which is a no
            return False
        return len(answer) == 32 and answer == ACCEPTED.ljust(32, b"\0")


def _number(answer: bytes) -> int:
    if len(answer) != 32:
        raise Corrupt("a contract of this network answers no number: the chain is another one")
    return int.from_bytes(answer, "big")
