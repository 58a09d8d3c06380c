"""The words of the proof viewer: its scripts know codes only, and these are what they say.

Places in braces are filled by the script. A code that the scripts know and this table does not is a
failing test.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from commonworks.explorer.web.i18n import gettext, mark

_STEPS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "form": (
            mark("The file has the form of a proof"),
            mark("Exactly the fields of the format, each in its one spelling and within bounds."),
        ),
        "statement": (
            mark("The entry is a signed statement"),
            mark("Decoded from deterministic CBOR: who signed, which kind, for which network."),
        ),
        "identity": (
            mark("Its identity"),
            mark("SHA-256 of the bytes that the device signed (the Sig_structure of RFC 9052)."),
        ),
        "leaf_identity": (
            mark("Its identity"),
            mark("No reader takes it for a statement, so it is named by its leaf hash."),
        ),
        "device_key": (
            mark("The device's key is the one that the statement names"),
            mark("SHA-256 of the key in the form of RFC 9679 must be the key id in the statement."),
        ),
        "device_signature": (
            mark("The device's signature"),
            mark("Your browser verifies it over the bytes that were signed."),
        ),
        "leaf": (
            mark("Leaf of the log's tree"),
            mark("SHA-256 of the byte 00 and the statement."),
        ),
        "node": (
            mark("Node {number}"),
            mark("SHA-256 of the byte 01, the left hash and the right hash."),
        ),
        "root": (
            mark("The path ends at the root"),
            mark("It is used up exactly at the top of a tree of this size (RFC 9162, 2.1.3.2)."),
        ),
        "log": (
            mark("Which log it is"),
            mark("SHA-256 of the log's name and its key: its identity on chain."),
        ),
        "checkpoint_root": (
            mark("It is in the newest tree that the gateway published, too"),
            mark("A second path leads from the same leaf to the root in the checkpoint."),
        ),
        "checkpoint": (
            mark("The gateway signed that checkpoint"),
            mark("Ed25519 over its three lines: name, size, root."),
        ),
        "network": (
            mark("The network's id names its contracts"),
            mark(
                "Keccak-256 of chain, contracts, times and manifest. Compare the id with one that "
                "you have from elsewhere."
            ),
        ),
        "wallet": (
            mark("Your wallet reaches that network's chain"),
            mark("The contract there is asked for its network's id."),
        ),
        "anchor": (
            mark("The root is the one anchored on chain"),
            mark("Settlement keeps the root that the gateway committed to at this size."),
        ),
        "range": (
            mark("It is evidence of an epoch"),
            mark("Closing the epoch froze a range of this log, which ends at this very root."),
        ),
        "evidence": (
            mark("The epoch's evidence hash"),
            mark("Keccak-256 of the epoch's number and its ranges."),
        ),
        "closed": (
            mark("The chain closed the epoch with this evidence"),
            mark("Settlement keeps the evidence hash of every closed epoch."),
        ),
        "committed": (
            mark("The result speaks of this evidence"),
            mark("The evidence hash is part of what the verifiers signed off on."),
        ),
        "digest": (
            mark("The epoch's digest follows from its parts"),
            mark("Keccak-256 of network, epoch, hashes, payout root and totals."),
        ),
        "finalised": (
            mark("The chain finalised this digest"),
            mark("Settlement keeps the digest that a quorum of verifiers attested."),
        ),
        "receipt_form": (
            mark("The file is a statement with its receipt"),
            mark("A COSE object of RFC 9942, every byte of it in its one place."),
        ),
        "receipt_network": (
            mark("The receipt is of the network that you expect"),
            mark("Its network id, compared with the one of this page."),
        ),
        "receipt_key": (
            mark("The gateway's key is the one that the receipt names"),
            mark("SHA-256 of the key in the form of RFC 9679 must be the key id in the receipt."),
        ),
        "receipt_log": (
            mark("The receipt is of the log that you expect"),
            mark("Its log id, compared with that of the gateway whose key it is."),
        ),
        "receipt_signature": (
            mark("The gateway signed this root"),
            mark("ES256 over network, log, size and the root that the path leads to."),
        ),
        "payout_words": (
            mark("The payout as the chain writes it"),
            mark("Asset, account, earned and spent, 32 bytes each; Keccak-256 of the four."),
        ),
        "payout_leaf": (
            mark("Leaf of the payout tree"),
            mark("Hashed once more, so that no inner node can pass for a leaf."),
        ),
        "payout_node": (
            mark("Node {number}"),
            mark("Keccak-256 of the two hashes, the smaller one first."),
        ),
        "payout_root": (
            mark("The path ends at the payout root"),
            mark("It must be the root in what the verifiers signed off on."),
        ),
        "payout_total": (
            mark("It is within the totals"),
            mark("No account has earned or spent more than all of them together."),
        ),
    }
)

_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bad_address": mark("This is no address in its checked spelling (EIP-55)."),
        "bad_base64": mark("This is not base64 in its one spelling."),
        "bad_cbor": mark("This is not deterministic CBOR."),
        "bad_form": mark("This field has another form."),
        "bad_format": mark("This is no proof of a kind that this page knows."),
        "bad_hex": mark("This is not 0x and pairs of lower-case hexadecimal digits."),
        "bad_json": mark("This is not JSON."),
        "bad_length": mark("It has the wrong length."),
        "bad_note": mark("This is not a signed checkpoint."),
        "bad_number": mark("This is not a number in its one spelling, or it is too large."),
        "bad_receipt": mark("This is not a receipt, or one with something added."),
        "bad_signature": mark("The signature does not fit these bytes and this key."),
        "bad_text": mark("This text is too long or not valid."),
        "beyond_total": mark("It is more than all accounts have together."),
        "key_told_by_site": mark(
            "The key was told by this site. Enter one that you have from elsewhere to be sure."
        ),
        "missing_member": mark("A field is missing."),
        "no_checkpoint": mark("The file brings no checkpoint."),
        "no_ed25519": mark(
            "This browser has no Ed25519, so this signature was not checked here. A newer browser "
            "or the command below checks it."
        ),
        "no_key": mark("The file brings no key of the device, so nothing was checked here."),
        "no_manifest": mark("The file lacks the manifest's hash, so the id was not computed."),
        "no_receipt": mark("There is no receipt in this file."),
        "no_receipt_key": mark("Enter the gateway's receipt key to check its signature."),
        "no_root": mark("There is no root to check a signature over."),
        "no_wallet": mark("No wallet was asked: what the chain says is told by this site."),
        "not_anchored": mark(
            "No anchor covers it yet: so far only the gateway's own signature vouches for it."
        ),
        "not_closed": mark("No closed epoch has it as evidence yet."),
        "not_finalised": mark("The epoch is not finalised yet."),
        "not_in_transaction": mark("The transaction that is named does not say this."),
        "not_sign1": mark("This is not a signed COSE object."),
        "not_statement": mark("This is not a statement that the network could read."),
        "nothing_expected": mark("Nothing was given to compare it with."),
        "other_chain": mark("Your wallet is on another chain."),
        "other_epoch": mark("The result is of another epoch, or of other evidence."),
        "other_network": mark("It is of another network."),
        "other_range": mark("The epoch's range ends at another root or size than the path."),
        "other_size": mark("The anchor is of another size than the path."),
        "outside_range": mark("The position is not in the epoch's range of this log."),
        "path_too_long": mark("The path is too long for this position and size."),
        "path_too_short": mark("The path is too short for this position and size."),
        "position_outside": mark("There is no such position in a tree of this size."),
        "ranges_unordered": mark("The ranges are not in their one order."),
        "told_by_chain": mark("Your wallet's chain says so."),
        "told_by_site": mark(
            "This value was told by this site. Connect a wallet, or run the command below, to ask "
            "the chain yourself."
        ),
        "too_large": mark("It is larger than the format allows."),
        "too_many": mark("It has more items than the format allows."),
        "totals_unordered": mark("The totals are not in their one order."),
        "unknown_member": mark("There is a field that the format does not have."),
        "unknown_transaction": mark(
            "Your wallet's chain says so; it does not know the transaction that is named."
        ),
        "unreadable": mark("What cannot be read cannot be verified."),
        "wallet_failed": mark(
            "The wallet did not answer: what the chain says is told by this site."
        ),
        "wrong_anchor": mark("It is not the root that was anchored."),
        "wrong_digest": mark("It is not the digest."),
        "wrong_evidence": mark("It is not the epoch's evidence hash."),
        "wrong_identity": mark("It is another statement than the one that was asked for."),
        "wrong_key": mark("It is another key."),
        "wrong_log": mark("It is another log."),
        "wrong_network_id": mark("These parts give another network's id."),
        "wrong_root": mark("The path leads to another root."),
    }
)

_VALUES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "algorithm": mark("Algorithm"),
        "chain": mark("Chain id"),
        "earned": mark("Earned"),
        "epoch": mark("Epoch"),
        "evidence": mark("Evidence hash"),
        "expected": mark("Expected"),
        "first": mark("First entry"),
        "inner": mark("First hash"),
        "key": mark("Public key"),
        "kid": mark("Key id"),
        "kind": mark("Kind"),
        "left": mark("Left"),
        "log": mark("Log"),
        "message": mark("Signed bytes"),
        "network": mark("Network"),
        "note": mark("Checkpoint"),
        "origin": mark("Name of the log"),
        "position": mark("Position"),
        "prefix": mark("Byte before it"),
        "right": mark("Right"),
        "root": mark("Root"),
        "sealed": mark("Content sealed"),
        "settlement": mark("Contract Settlement"),
        "signature": mark("Signature"),
        "size": mark("Size of the tree"),
        "spent": mark("Spent"),
        "statement": mark("Statement"),
        "time": mark("Time, Unix seconds"),
        "total_earned": mark("Earned by all"),
        "total_spent": mark("Spent by all"),
        "transaction": mark("Transaction"),
        "words": mark("Bytes that are hashed"),
    }
)

_OTHERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "status.ok": mark("Fits"),
        "status.computed": mark("Computed"),
        "status.fail": mark("Does not fit"),
        "status.told": mark("As told"),
        "status.skip": mark("Not checked"),
        "verdict.statement.holds": mark(
            "It holds: this statement is in the log, under a root that your wallet's chain "
            "confirms."
        ),
        "verdict.statement.told": mark(
            "It holds, as far as this site tells the truth about the chain: the statement is in "
            "the log under this root. That the root was anchored was told by this site."
        ),
        "verdict.statement.open": mark(
            "It holds against what the gateway published. No anchor on chain covers it yet."
        ),
        "verdict.payout.holds": mark(
            "It holds: this payout is in the tree that your wallet's chain finalised."
        ),
        "verdict.payout.told": mark(
            "It holds, as far as this site tells the truth about the chain: the payout is in the "
            "tree of this digest. That the digest was finalised was told by this site."
        ),
        "verdict.receipt.holds": mark(
            "It holds: the gateway with this key signed a root that this statement is under."
        ),
        "verdict.receipt.told": mark(
            "It holds, if the key that this site told is the gateway's: it signed a root that this "
            "statement is under."
        ),
        "verdict.receipt.open": mark(
            "The path is sound, but without the gateway's key nobody vouches for its root."
        ),
        "verdict.fails": mark("It does not hold. It fails at: {steps}."),
        "verdict.unreadable": mark("This is no proof that can be read, so nothing was checked."),
        "unreadable.do": mark(
            "Take a file that “Download the proof” on a proof's page gave you, or one that the "
            "command line wrote: proof.json, or statement.cose with its receipt. Take it whole "
            "and unchanged; if it still cannot be read, ask for it again where you got it."
        ),
        "verdict.unable": mark(
            "Your browser hands out its cryptography only over https or on the machine itself. "
            "Open this page that way, or run the command below."
        ),
        "skipped": mark("Not checked here: “{steps}”."),
        "details": mark("From these bytes"),
        "result": mark("Result"),
        "where": mark("Where: {where}"),
        "yes": mark("yes"),
        "no": mark("no"),
        "bytes": mark("{count} bytes"),
        "tampered": mark("You flipped a byte of {field}."),
        "wallets.none": mark("This browser has no wallet that could be asked."),
        "wallets.ask": mark("Ask the chain through {name}"),
        "wallets.nameless": mark("my wallet"),
    }
)


def proof_words() -> dict[str, str]:
    """Return every text of the viewer by its code, in the language of the request."""
    texts = dict(_OTHERS)
    for code, (title, what) in _STEPS.items():
        texts[f"step.{code}"] = title
        texts[f"what.{code}"] = what
    texts |= {f"reason.{code}": text for code, text in _REASONS.items()}
    texts |= {f"value.{code}": text for code, text in _VALUES.items()}
    return {code: gettext(text) for code, text in texts.items()}
