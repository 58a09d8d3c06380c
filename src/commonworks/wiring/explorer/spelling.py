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
from commonworks.chain.decisions import (
    AdmitMember,
    AdoptSite,
    AppointGuardian,
    Decision,
    DefineParameter,
    RawCall,
    RemoveMember,
    SetParameter,
    SetReference,
    SetRegistrar,
    Transfer,
    decode_decision,
    replaces_government,
    spell_known,
)
from commonworks.chain.endpoints import hex_of
from commonworks.chain.plan import Deployment
from commonworks.chain.uniswap import SWAP_EXACT_IN, SWAP_EXACT_OUT
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Corrupt, InvalidInput
from commonworks.explorer.ports import ValueWords
from commonworks.explorer.web.i18n import gettext, ngettext
from commonworks.explorer.web.plain_text import one_line
from commonworks.explorer.web.templating import exact, moment, number, percent
from commonworks.settlement.facts import text_of
from commonworks.units import WEI_DECIMALS
from commonworks.wiring.session import Session

REASON_SHOWN: Final = 200
"""Characters of a vote's reason that are shown."""

DECISION_MAX: Final = 2_000
"""Longest text about what a proposal does, characters."""
HASH_SHOWN: Final = 16
"""Digits of a hash that stand in a sentence."""

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
        return self._raw(call)

    def decision(self, call: RawCall, value: ValueWords) -> str:
        """Return what a call does that a proposal makes. Total.

        Cut where a stranger's arguments make it endless: its own bytes stand beside it.
        """
        decided = decode_decision(self.deployment, call)
        said = self._raw(decided) if isinstance(decided, RawCall) else self._decided(decided, value)
        return said if len(said) <= DECISION_MAX else said[: DECISION_MAX - 1] + "…"

    def _raw(self, call: RawCall) -> str:
        known = spell_known(self.deployment, call)
        if known is None:
            to, data = address_text(call.to), hex_of(call.data)
            known = gettext("Calls %(to)s with the data %(data)s.", to=to, data=data)
        said = [known]
        if call.value_wei:
            sent = number(call.value_wei)
            said.append(gettext("It sends %(sent)s wei of the chain's own coin.", sent=sent))
        if replaces_government(call):
            said.append(
                gettext(
                    "It replaces a part of the government and waits longer than the Vault's exit."
                )
            )
        return " ".join(said)

    def _decided(self, decided: Decision, value: ValueWords) -> str:
        match decided:
            case SetParameter() | DefineParameter():
                return _of_parameter(decided, value)
            case SetRegistrar(resource=resource, key=key, active=active):
                said = (
                    gettext("Admits the registrar %(key)s of %(resource)s.")
                    if active
                    else gettext("Dismisses the registrar %(key)s of %(resource)s.")
                )
                return said % {"key": key.thumbprint.hex()[:HASH_SHOWN], "resource": resource}
            case SetReference(device=device, admitted=admitted):
                said = (
                    gettext("Admits device %(device)s as an independent reference.")
                    if admitted
                    else gettext("Dismisses device %(device)s as an independent reference.")
                )
                return said % {"device": device}
            case AdoptSite(resource=resource, statement=statement):
                return gettext(
                    "Puts the site table %(statement)s of %(resource)s in force.",
                    statement=statement.hex()[:HASH_SHOWN],
                    resource=resource,
                )
            case AdmitMember(account=account):
                return gettext("Admits %(account)s as a member.", account=address_text(account))
            case RemoveMember(account=account):
                return gettext("Removes %(account)s as a member.", account=address_text(account))
            case AppointGuardian(holder=holder, until=until):
                if not any(holder):
                    return gettext("Ends the guardian's office.")
                return gettext(
                    "Appoints %(account)s as guardian until %(time)s.",
                    account=address_text(holder),
                    time=moment(until),
                )
            case Transfer(asset=asset, receiver=receiver, amount=amount):
                return gettext(
                    "Pays %(amount)s from the treasury to %(account)s.",
                    amount=self.money(asset, amount),
                    account=address_text(receiver),
                )
            case RawCall():
                return self._raw(decided)

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
            "exit": lambda _, v: gettext(
                "Pays to %(account)s, by the Vault's exit, what it earned and was not paid yet and "
                "its deposit that was not spent. Earned in all: %(earned)s, spent: %(spent)s.",
                account=address_text(v["account"]),
                earned=self.money(v["asset"], v["earned"]),
                spent=self.money(v["asset"], v["spent"]),
            ),
            "exitWithoutLeaf": lambda _, v: gettext(
                "Pays to %(account)s, by the Vault's exit, the whole deposit that it made after "
                "the last final epoch.",
                account=address_text(v["account"]),
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


def _of_parameter(decided: SetParameter | DefineParameter, value: ValueWords) -> str:
    """Return which value a parameter is given; its key is shown without what would move letters."""
    if isinstance(decided, SetParameter):
        return gettext(
            "Sets %(key)s to %(value)s when the next epoch opens.",
            key=one_line(decided.key),
            value=value(decided.key, decided.value),
        )
    new = decided.parameter
    return gettext(
        "Defines %(key)s as %(value)s, never below %(minimum)s or above %(maximum)s, when the next "
        "epoch opens.",
        key=one_line(new.key),
        value=value(new.key, new.value),
        minimum=value(new.key, new.minimum),
        maximum=value(new.key, new.maximum),
    )


def speller_of(session: Session) -> Speller:
    """Return what puts the calls of an opened network into words."""
    return Speller(
        deployment=session.deployment,
        token_symbol=session.manifest.token_symbol,
        currency_code=session.network.currency_code,
        currency_decimals=session.manifest.currency_decimals,
    )


def _proposal_id(values: _Values) -> int:
    """Return the proposal that a call to queue or execute is about (Governor, hashProposal)."""
    types = ["address[]", "uint256[]", "bytes[]", "bytes32"]
    return int.from_bytes(keccak256(encode(types, list(values.values()))), "big")
