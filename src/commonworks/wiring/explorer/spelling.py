"""A call in words, for whoever is about to sign it.

Rule: words come from the bytes that will be sent and from nothing else, and only where encoding
them again gives exactly these bytes; everything else is shown as the raw call that it is. So words
cannot say one thing while the wallet signs another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from commonworks.chain.abi import Item, contract, encode
from commonworks.chain.accounts import address_text
from commonworks.chain.ballots import GOVERNOR, Support
from commonworks.chain.decisions import RawCall, spell
from commonworks.chain.endpoints import hex_of
from commonworks.chain.plan import Deployment
from commonworks.chain.uniswap import SWAP_EXACT_IN, SWAP_EXACT_OUT
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Corrupt, InvalidInput
from commonworks.explorer.web.i18n import gettext, ngettext
from commonworks.explorer.web.templating import exact, moment, percent
from commonworks.settlement.facts import text_of
from commonworks.units import WEI_DECIMALS

REASON_SHOWN: Final = 200
"""Characters of a vote's reason that are shown."""

MONEY_PLACES: Final = 2
"""Decimal places that money has at least."""

_Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speller:
    """Puts one network's calls into words."""

    deployment: Deployment
    token_symbol: str
    currency_code: str
    currency_decimals: int
    proposals: Mapping[int, str] = field(default_factory=dict)
    """Proposal id -> what people call it."""

    def knowing(self, proposals: Mapping[int, str]) -> Speller:
        """Return one that also knows what proposals are called."""
        return replace(self, proposals=proposals)

    def words(self, call: RawCall) -> str:
        """Return what a call does, as one or two sentences. Total."""
        for name, items, writers in self._writers(call.to):
            for function, write in writers.items():
                item = items[function]
                if item.selector != call.data[:4]:
                    continue
                said = self._written(item, call, write)
                if said is not None:
                    return f"{said} ({name}.{function})"
        return spell(self.deployment, call)

    def _written(
        self, item: Item, call: RawCall, write: Callable[[RawCall, _Values], str | None]
    ) -> str | None:
        try:
            values = item.named_inputs(call.data[4:])
            exact = item.call(*values.values()) == call.data and call.value_wei == 0
        except (Corrupt, InvalidInput):
            return None
        return write(call, values) if exact else None

    def _writers(self, to: bytes) -> list[_Family]:
        at, government = self.deployment, self.deployment.government
        found: list[_Family] = []
        if to == at.vault:
            found.append(("Vault", contract("Vault").functions, self._vault()))
        if to in (at.token, at.currency):
            found.append(("Token", contract("CommonsToken").functions, self._asset()))
        if to == government.membership:
            delegate = {"delegate": self._delegate}
            found.append(("Membership", contract("Membership").functions, delegate))
        if to == at.devices:
            found.append(("Devices", contract("Devices").functions, self._devices()))
        if to == government.governor:
            found.append(("Governor", contract(GOVERNOR).functions, self._governor()))
        if to == government.router:
            items = {item.name: item for item in (SWAP_EXACT_IN, SWAP_EXACT_OUT)}
            swaps = {SWAP_EXACT_IN.name: self._sell, SWAP_EXACT_OUT.name: self._buy}
            found.append(("Exchange", items, swaps))
        return found

    # --- money --------------------------------------------------------------------------------

    def money(self, asset: bytes, amount: int) -> str:
        """Return an amount with every digit that it has."""
        if asset == self.deployment.token:
            return f"{exact(amount, WEI_DECIMALS, MONEY_PLACES)} {self.token_symbol}"
        if asset == self.deployment.currency:
            return f"{exact(amount, self.currency_decimals, MONEY_PLACES)} {self.currency_code}"
        return f"{amount} {address_text(asset)}"

    def _vault(self) -> Mapping[str, _Writer]:
        return {
            "claim": lambda _, v: gettext(
                "Pays to %(account)s what it earned and was not paid yet. Earned in all so far: "
                "%(earned)s.",
                account=address_text(v["account"]),
                earned=self.money(v["asset"], v["earned"]),
            ),
            "deposit": lambda _, v: gettext(
                "Moves %(amount)s from your wallet into the Vault, to your account's credit there.",
                amount=self.money(v["asset"], v["amount"]),
            ),
            "depositFor": lambda _, v: gettext(
                "Moves %(amount)s from your wallet into the Vault, to the credit of %(account)s.",
                amount=self.money(v["asset"], v["amount"]),
                account=address_text(v["account"]),
            ),
            "requestWithdrawal": lambda _, v: gettext(
                "Asks the Vault to give %(amount)s of your unspent deposit back. It moves no money "
                "yet: the next settlement makes it claimable.",
                amount=self.money(v["asset"], v["amount"]),
            ),
            "setSpendLimit": lambda _, v: gettext(
                "Lets device %(device)s spend at most %(amount)s of your deposit in each epoch.",
                device=v["deviceId"],
                amount=self.money(self.deployment.currency, v["limit"]),
            ),
        }

    def _asset(self) -> Mapping[str, _Writer]:
        return {
            "approve": self._approve,
            "transfer": lambda call, v: gettext(
                "Moves %(amount)s from your wallet to %(account)s.",
                amount=self.money(call.to, v["value"]),
                account=address_text(v["to"]),
            ),
            "delegate": self._delegate,
        }

    def _approve(self, call: RawCall, values: _Values) -> str:
        at, spender = self.deployment, values["spender"]
        known = {at.vault: gettext("the Vault"), at.nodes: gettext("the contract of the nodes")}
        if at.government.router is not None:
            known[at.government.router] = gettext("the exchange")
        who = known.get(spender, address_text(spender))
        amount = self.money(call.to, values["value"])
        if values["value"] == 0:
            return gettext("Takes back what %(who)s was allowed to take.", who=who)
        return gettext(
            "Allows %(who)s to take up to %(amount)s from your wallet. It moves no money yet.",
            who=who,
            amount=amount,
        )

    def _sell(self, _: RawCall, values: _Values) -> str | None:
        given, least, path, receiver, deadline = values.values()
        if path != (self.deployment.token, self.deployment.currency):
            return None
        return gettext(
            "Sells exactly %(given)s for at least %(got)s, paid to %(account)s, until %(time)s.",
            given=self.money(path[0], given),
            got=self.money(path[1], least),
            account=address_text(receiver),
            time=moment(deadline),
        )

    def _buy(self, _: RawCall, values: _Values) -> str | None:
        wanted, most, path, receiver, deadline = values.values()
        if path != (self.deployment.currency, self.deployment.token):
            return None
        return gettext(
            "Buys exactly %(got)s for at most %(given)s, paid to %(account)s, until %(time)s.",
            given=self.money(path[0], most),
            got=self.money(path[1], wanted),
            account=address_text(receiver),
            time=moment(deadline),
        )

    # --- votes --------------------------------------------------------------------------------

    def _delegate(self, _: RawCall, values: _Values) -> str:
        return gettext(
            "Lets %(account)s vote with your votes until you say otherwise. Your tokens stay "
            "yours.",
            account=address_text(values["delegatee"]),
        )

    def _governor(self) -> Mapping[str, _Writer]:
        return {
            "castVote": self._vote,
            "castVoteWithReason": self._vote,
            "queue": lambda _, v: gettext(
                "Puts %(proposal)s into the timelock, where it waits for its delay to pass.",
                proposal=self._proposal(_proposal_id(v)),
            ),
            "cancel": lambda _, v: gettext(
                "Takes %(proposal)s back before its vote begins.",
                proposal=self._proposal(_proposal_id(v)),
            ),
            "execute": lambda _, v: gettext(
                "Carries out %(proposal)s: what was voted for happens now.",
                proposal=self._proposal(_proposal_id(v)),
            ),
        }

    def _vote(self, _: RawCall, values: _Values) -> str | None:
        reason = str(values.get("reason", ""))
        proposal = self._proposal(values["proposalId"])
        match values["support"]:
            case Support.FOR:
                said = gettext("Votes for %(proposal)s.", proposal=proposal)
            case Support.AGAINST:
                said = gettext("Votes against %(proposal)s.", proposal=proposal)
            case Support.ABSTAIN:
                said = gettext("Abstains from %(proposal)s.", proposal=proposal)
            case _:
                return None
        end = gettext("A vote cannot be changed.")
        if not reason:
            return f"{said} {end}"
        shown = reason if len(reason) <= REASON_SHOWN else reason[:REASON_SHOWN] + "…"
        return f"{said} {gettext('Its reason stays on chain: “%(reason)s”.', reason=shown)} {end}"

    def _proposal(self, proposal: int) -> str:
        known = self.proposals.get(proposal)
        if known is not None:
            return known
        return gettext("the proposal %(id)s", id=f"0x{proposal:064x}")

    # --- devices ------------------------------------------------------------------------------

    def _devices(self) -> Mapping[str, _Writer]:
        return {
            "enrol": self._enrol,
            "setPayees": self._payees,
            "transferShare": lambda _, v: gettext(
                "Gives %(share)s of what device %(device)s earns, out of your share, to "
                "%(account)s.",
                share=percent(v["ppm"], 4),
                device=v["id"],
                account=address_text(v["to"]),
            ),
        }

    def _enrol(self, _: RawCall, values: _Values) -> str | None:
        resource = text_of(values["resource"])
        if resource is None:
            return None
        said = gettext(
            "Enrols a device for %(resource)s with your account as its owner. Its key's thumbprint "
            "is %(thumbprint)s.",
            resource=resource,
            thumbprint=hex_of(values["thumbprint"]),
        )
        if not values["cell"]:
            return f"{said} {gettext('It names no place.')}"
        where = gettext("It is placed in the map cell %(cell)s.", cell=f"{values['cell']:x}")
        return f"{said} {where}"

    def _payees(self, _: RawCall, values: _Values) -> str:
        shares = values["shares"]
        if not shares:
            return gettext(
                "Gives what device %(device)s earns to its owner alone.", device=values["id"]
            )
        said = ngettext(
            "Shares what device %(device)s earns, from now on, with %(num)s payee: %(list)s. "
            "Later changes need the consent of every payee.",
            "Shares what device %(device)s earns, from now on, among %(num)s payees: %(list)s. "
            "Later changes need the consent of every payee.",
            len(shares),
            device=values["id"],
            list=", ".join(f"{address_text(who)} {percent(ppm, 4)}" for who, ppm in shares),
        )
        return said


_Writer = Callable[[RawCall, _Values], str | None]
_Family = tuple[str, Mapping[str, Item], Mapping[str, _Writer]]


def _proposal_id(values: _Values) -> int:
    """Return the proposal that a call to queue or execute is about (Governor, hashProposal)."""
    types = ["address[]", "uint256[]", "bytes[]", "bytes32"]
    return int.from_bytes(keccak256(encode(types, list(values.values()))), "big")
