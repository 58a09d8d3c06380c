"""What a wallet is told: the chain, and the words of its dialogs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from commonworks.explorer.models.session import WalletGuide
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, mark

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "choose": mark("Choose a wallet"),
        "browser_wallet": mark("This browser's wallet"),
        "none_title": mark("No wallet here"),
        "none": mark(
            "This browser has no wallet. Install any wallet for Ethereum, or use the command line "
            "that stands beside each button."
        ),
        "close": mark("Close"),
        "cancel": mark("Cancel"),
        "connect": mark("Connect a wallet"),
        "connected": mark("Connected: %(account)s"),
        "review": mark("Look at it before you sign"),
        "one_call": mark("Your wallet will ask you once."),
        "many_calls": mark("Your wallet will ask you %(count)s times, one after the other."),
        "details": mark("What exactly is signed"),
        "to": mark("Contract"),
        "data": mark("Data"),
        "go": mark("Go to the wallet"),
        "preparing": mark("Preparing …"),
        "connecting": mark("Look at your wallet: it asks whether this page may see your account."),
        "switching": mark("Look at your wallet: it asks to switch to this network's chain."),
        "signing": mark("Look at your wallet: it asks you to sign step %(step)s of %(count)s."),
        "sent": mark("Sent. Waiting for its block …"),
        "sent_link": mark("the transaction"),
        "succeeded": mark("Done."),
        "all_done": mark("Done. It is on chain; the figures here follow within seconds."),
        "failed": mark("The contract refused it when its block was made."),
        "slow": mark("It is in no block yet. It may still happen; look at the transaction later."),
        "sign_message": mark(
            "Look at your wallet: it asks you to sign a message. It costs nothing."
        ),
        "refused": mark("You refused it in your wallet. Nothing happened."),
        "busy": mark("Your wallet has an open question. Answer it there, then try again."),
        "wrong_account": mark(
            "Your wallet has the account %(has)s; this needs %(needs)s. Choose that account there."
        ),
        "wrong_chain": mark(
            "Your wallet is on another chain and did not switch. Choose chain %(chain)s there."
        ),
        "no_coin": mark(
            "The account has too little of the chain's coin to pay for the transaction. Send it "
            "some, or let a relay carry it with the command line."
        ),
        "no_account": mark("Your wallet showed no account."),
        "no_answer": mark("The explorer does not answer. Try again in a moment."),
        "wallet_says": mark("Your wallet says: %(text)s"),
    }
)
"""Key that static/js/wallet.js knows -> sentence."""


def guide(site: Site) -> WalletGuide:
    """Return what a wallet needs, in the reader's language."""
    return WalletGuide(
        chain_id=site.contracts.chain_id,
        chain_name=site.name,
        rpc=list(site.rpc),
        texts={key: gettext(text) for key, text in TEXTS.items()},
    )
