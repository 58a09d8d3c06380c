"""What contracts say against a call, in words: what it means, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from commonworks.chain.government import in_words
from commonworks.chain.uniswap import explained
from commonworks.errors import Conflict, Unavailable
from commonworks.explorer.web.i18n import gettext, mark
from commonworks.explorer.web.templating import moment

_WORDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "NothingToClaim": (
            mark("Everything that can be claimed now was claimed already."),
            mark("Claim again after the next epoch is final and its hold has passed."),
        ),
        "NothingClaimable": (
            mark("Nothing can be claimed yet: no epoch's hold has passed."),
            mark("Try again when the hold of the first final epoch has passed."),
        ),
        "InvalidProof": (
            mark("The proof is of another epoch than the one that is claimable now."),
            mark("Prepare the claim again."),
        ),
        "WithdrawalOutOfRange": (
            mark("That is more than the account ever deposited."),
            mark("Ask for less; what was earned is claimed, not withdrawn."),
        ),
        "AssetNotAccepted": (mark("The Vault does not take this asset."), ""),
        "ERC20InsufficientBalance": (
            mark("The account does not have that much."),
            mark("Take a smaller amount, or fund the account first."),
        ),
        "ERC20InsufficientAllowance": (
            mark("The contract may not take that much from the account yet."),
            mark("Send the allowance first and wait until it is in a block."),
        ),
        "NotBonded": (mark("The account has not bonded that much."), ""),
        "ERC721NonexistentToken": (mark("There is no such device."), ""),
        "ERC721IncorrectOwner": (mark("The device belongs to another account."), ""),
        "ERC721InsufficientApproval": (
            mark("The account does not own this device."),
            mark("Use the account that owns it."),
        ),
        "HasPayees": (
            mark("The device has payees already: all of them must agree to a change."),
            mark("Collect their consents with the command line: device payees consent."),
        ),
        "NoPayees": (mark("The device has no list of payees."), ""),
        "ShareTooSmall": (mark("The account's share is smaller than that."), ""),
        "PayeesNotSorted": (mark("Payees must be in the order of their addresses, each once."), ""),
        "SharesNotWhole": (mark("The shares do not add up to one whole."), ""),
        "NotAccepted": (mark("The receiver has not accepted the device yet."), ""),
        "SignatureExpired": (mark("What was signed has expired."), mark("Sign it again.")),
        "InvalidSignature": (mark("The signature is not the account's."), ""),
        "ExitOpen": (
            mark("The network has stopped and its exit is open: only the exit pays now."),
            mark("Take out what is yours: exit instead."),
        ),
        "ExitShut": (
            mark("The Vault's exit is shut: the network goes on."),
            mark("Claim what was earned, and ask deposit back."),
        ),
        "ExitTooEarly": (
            mark("Not enough time has passed since an epoch became final."),
            mark("The exit can be opened from %(opensAt)s on."),
        ),
        "NothingToExit": (mark("The account has nothing left in the Vault in this asset."), ""),
        "LeafNeeded": (
            mark("The account has no leaf in the last payout tree, though it deposited before."),
            "",
        ),
        "OutsideTheVote": (mark("This account's votes are not counted."), ""),
        "NotMember": (mark("The account is no member of this network."), ""),
        "GovernorNonexistentProposal": (mark("There is no such proposal."), ""),
        "Panic": (mark("The contract refuses these numbers."), mark("Take smaller amounts.")),
    }
)
"""Name of a contract's error -> what it means, and what to do; `%(…)s` is one of its times."""

_TIMES: Final = ("opensAt",)
"""Arguments of contracts' errors that are Unix seconds."""


def in_plain_words(error: Conflict) -> Conflict | Unavailable:
    """Return a refusal as people understand it; the contract's own error stays in its fields.

    One that nobody put into words comes back as it is: it names the contract's error.
    """
    name = error.fields.get("refusal")
    known = _WORDS.get(name) if isinstance(name, str) else None
    if known is not None:
        message, hint = known
        own = f"{gettext(message)} [{name}]"
        return Conflict(own, hint=gettext(hint, **_times(error)) if hint else "", **error.fields)
    swap = explained(error)
    return swap if swap is not error else in_words(error)


def _times(error: Conflict) -> dict[str, str]:
    arguments = error.fields.get("arguments")
    given = arguments if isinstance(arguments, Mapping) else {}
    return {name: moment(int(given[name])) for name in _TIMES if name in given}
