"""Why a relay does not hand something in: a closed list."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a relay declines; a published reason never changes its meaning."""

    UNKNOWN_KIND = "unknown_kind"
    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    NO_ACCOUNT = "no_account"
    OVER_BUDGET = "over_budget"
    WOULD_FAIL = "would_fail"
    UNAVAILABLE = "unavailable"


REASONS: Final[Mapping[Reason, str]] = {
    Reason.UNKNOWN_KIND: "the document names no kind of message that the relay knows",
    Reason.MALFORMED: "the document is not as its kind prescribes",
    Reason.BAD_SIGNATURE: "the contract does not accept the signature: another key, another "
    "content, another nonce, or used before",
    Reason.NO_ACCOUNT: "the message is for a member account that this network does not have",
    Reason.OVER_BUDGET: "the epoch's gas of this account, of newcomers or of everybody is used up",
    Reason.WOULD_FAIL: "the contract would refuse it; its own error is named",
    Reason.UNAVAILABLE: "chain or books cannot be reached now; the same document may pass later",
}
"""One line for each reason."""

SIGNATURE_ERRORS: Final = frozenset(
    {
        "InvalidSignature",
        "GovernorInvalidSignature",
        "ERC2612InvalidSigner",
        "ECDSAInvalidSignature",
        "ECDSAInvalidSignatureLength",
        "ECDSAInvalidSignatureS",
        "InvalidAccountNonce",
    }
)
"""How the contracts say that a signature is none of the account's for this content."""
