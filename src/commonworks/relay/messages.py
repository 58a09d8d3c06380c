"""What a member hands to a relay: signed actions as JSON documents. Pure.

Rule: one spelling for each value, so that a document is either understood exactly or refused:
bytes are `0x` and hex digits, numbers are decimal strings, nothing is optional, nothing may be
added. Format: docs/spec/relay.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from commonworks.errors import InvalidInput
from commonworks.relay.forms import (
    Hex,
    Name,
    Number,
    Object,
    Several,
    Text,
    read_members,
    shown,
    write_members,
    written,
)

BODY_BYTES_MAX: Final = 256 << 10
"""Longest document; an enrolment of 256 devices has some 100 KiB."""

BRACKETS_MAX: Final = 1_000
"""Most lists and objects in a document. Bounds the nesting: a library that signs for Ethereum
raises Python's recursion limit so far that the decoder would overflow the C stack."""

SIGNATURE_BYTES_MAX: Final = 4_096
"""Longest signature of one account; a passkey's nested one has some 900 bytes."""

REASON_BYTES_MAX: Final = 20_000
"""Longest reason of a vote."""

CALL_BYTES_MAX: Final = 32 << 10
"""Longest call in a batch."""

DEVICES_MAX: Final = 256
CALLS_MAX: Final = 64
RECOVERERS_MAX: Final = 16
PROOF_MAX: Final = 64
"""Most items of each list, as the contracts have them; a payout tree is never deeper than 64."""

_ADDRESS: Final = Hex(20, 20)
_WORD: Final = Hex(32, 32)
_UINT: Final = Number(0, 2**256 - 1)
_UINT64: Final = Number(0, 2**64 - 1)
_TIME: Final = Number(0, 2**53)
_SIGNATURE: Final = Hex(0, SIGNATURE_BYTES_MAX)
_ALGORITHM: Final = Number(-128, 127)
_PUBLIC_KEY: Final = Hex(0, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """One device of a batch."""

    thumbprint: bytes = written(_WORD)
    alg: int = written(_ALGORITHM)
    """COSE algorithm of the key."""
    public_key: bytes = written(_PUBLIC_KEY)
    cell: int = written(_UINT64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol:
    """A device's owner enrols it."""

    kind: ClassVar[str] = "enrol"
    owner: bytes = written(_ADDRESS)
    thumbprint: bytes = written(_WORD)
    alg: int = written(_ALGORITHM)
    """COSE algorithm of the key."""
    public_key: bytes = written(_PUBLIC_KEY)
    resource: str = written(Name())
    cell: int = written(_UINT64)
    """Coarse H3 cell, 0 where the owner gives none."""
    deadline: int = written(_TIME)
    signature: bytes = written(_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolBatch:
    """An owner enrols many devices of one resource."""

    kind: ClassVar[str] = "enrol_batch"
    owner: bytes = written(_ADDRESS)
    resource: str = written(Name())
    devices: tuple[NewDevice, ...] = written(Several(Object(NewDevice), DEVICES_MAX))
    deadline: int = written(_TIME)
    signature: bytes = written(_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """An account asks for unspent deposit back."""

    kind: ClassVar[str] = "withdrawal"
    account: bytes = written(_ADDRESS)
    asset: bytes = written(_ADDRESS)
    amount: int = written(_UINT)
    """In the asset's smallest unit."""
    deadline: int = written(_TIME)
    signature: bytes = written(_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendLimit:
    """An account limits what one device spends per epoch."""

    kind: ClassVar[str] = "spend_limit"
    account: bytes = written(_ADDRESS)
    device: int = written(_UINT)
    limit: int = written(_UINT)
    """In the settlement currency's smallest unit."""
    deadline: int = written(_TIME)
    signature: bytes = written(_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """An account deposits by a permit of the asset (ERC-2612); only accounts with a key can."""

    kind: ClassVar[str] = "deposit"
    account: bytes = written(_ADDRESS)
    asset: bytes = written(_ADDRESS)
    amount: int = written(_UINT)
    """In the asset's smallest unit."""
    deadline: int = written(_TIME)
    signature: bytes = written(Hex(65, 65))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareTransfer:
    """A payee hands on a part of what a device earns."""

    kind: ClassVar[str] = "share_transfer"
    device: int = written(_UINT)
    sender: bytes = written(_ADDRESS, "from")
    receiver: bytes = written(_ADDRESS, "to")
    ppm: int = written(Number(0, 2**32 - 1))
    deadline: int = written(_TIME)
    signature: bytes = written(_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A vote on a proposal."""

    kind: ClassVar[str] = "ballot"
    voter: bytes = written(_ADDRESS)
    proposal: int = written(_UINT)
    support: int = written(Number(0, 2))
    """0 against, 1 for, 2 abstain."""
    reason: str = written(Text(REASON_BYTES_MAX))
    """Empty for none; the two forms are signed differently."""
    signature: bytes = written(_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """An account lends its votes, or takes them back; only accounts with a key can sign this."""

    kind: ClassVar[str] = "delegation"
    account: bytes = written(_ADDRESS)
    delegatee: bytes = written(_ADDRESS)
    """Who votes with them; the account itself takes them back."""
    nonce: int = written(_UINT)
    """The account's next one at what votes."""
    deadline: int = written(_TIME)
    signature: bytes = written(Hex(65, 65))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCall:
    """One call of a batch."""

    target: bytes = written(_ADDRESS)
    value: int = written(_UINT)
    """The chain's own coin, wei."""
    data: bytes = written(Hex(0, CALL_BYTES_MAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """A member account carries out a batch that its passkey signed."""

    kind: ClassVar[str] = "execute"
    account: bytes = written(_ADDRESS)
    calls: tuple[AccountCall, ...] = written(Several(Object(AccountCall), CALLS_MAX))
    deadline: int = written(_TIME)
    signature: bytes = written(_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAccount:
    """A member account comes into being; its address follows from these members."""

    kind: ClassVar[str] = "create_account"
    qx: bytes = written(_WORD)
    qy: bytes = written(_WORD)
    recoverers: tuple[bytes, ...] = written(Several(_ADDRESS, RECOVERERS_MAX))
    threshold: int = written(Number(0, 255))
    recovery_delay_s: int = written(_UINT64)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRecovery:
    """Recoverers put a new key in place of a member account's present one."""

    kind: ClassVar[str] = "start_recovery"
    account: bytes = written(_ADDRESS)
    qx: bytes = written(_WORD)
    qy: bytes = written(_WORD)
    deadline: int = written(_TIME)
    signers: tuple[bytes, ...] = written(Several(_ADDRESS, RECOVERERS_MAX))
    signatures: tuple[bytes, ...] = written(Several(_SIGNATURE, RECOVERERS_MAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRecovery:
    """A recovery whose delay is over takes effect."""

    kind: ClassVar[str] = "finish_recovery"
    account: bytes = written(_ADDRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An account is paid what it earned."""

    kind: ClassVar[str] = "claim"
    account: bytes = written(_ADDRESS)
    asset: bytes = written(_ADDRESS)
    earned: int = written(_UINT)
    """Cumulative, as the payout tree's leaf has it."""
    spent: int = written(_UINT)
    proof: tuple[bytes, ...] = written(Several(_WORD, PROOF_MAX))


Message = (
    Enrol
    | EnrolBatch
    | Withdrawal
    | SpendLimit
    | Deposit
    | ShareTransfer
    | Ballot
    | Delegation
    | Execute
    | CreateAccount
    | StartRecovery
    | FinishRecovery
    | Claim
)
"""Everything that a relay hands in."""

KINDS: Final[Mapping[str, type[Message]]] = {
    message.kind: message
    for message in (
        Enrol,
        EnrolBatch,
        Withdrawal,
        SpendLimit,
        Deposit,
        ShareTransfer,
        Ballot,
        Delegation,
        Execute,
        CreateAccount,
        StartRecovery,
        FinishRecovery,
        Claim,
    )
}
"""Value of `kind` -> message."""

ACCOUNT_KINDS: Final = (Execute, StartRecovery, FinishRecovery)
"""Messages to a member account itself."""


class UnknownKind(InvalidInput):
    """The document names no kind of message that there is."""


def encode_message(message: Message) -> bytes:
    """Return a message as the document that a relay takes."""
    document = {"kind": message.kind, **write_members(message)}
    return json.dumps(document, separators=(",", ":")).encode()


def decode_message(document: bytes) -> Message:
    """Return the message in a document.

    Inputs: any bytes.
    Raises: UnknownKind, or InvalidInput saying what is wrong where; nothing else.
    """
    if len(document) > BODY_BYTES_MAX:
        raise InvalidInput(f"the document is larger than {BODY_BYTES_MAX} bytes")
    if document.count(b"[") + document.count(b"{") > BRACKETS_MAX:
        raise InvalidInput(f"the document has more than {BRACKETS_MAX} lists and objects")
    try:
        parsed = json.loads(document.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the document is not JSON, or names a member twice") from error
    if not isinstance(parsed, dict):
        raise InvalidInput("the document is no JSON object")
    kind = parsed.pop("kind", None)
    message = KINDS.get(kind) if isinstance(kind, str) else None
    if message is None:
        raise UnknownKind(
            f"{shown(kind)} is no kind of message", hint=f"use one of {', '.join(KINDS)}"
        )
    return read_members(message, parsed)


def charged(message: Message) -> bytes | None:
    """Return the account whose budget pays; None where the message itself creates it."""
    match message:
        case Enrol() | EnrolBatch():
            return message.owner
        case Ballot():
            return message.voter
        case ShareTransfer():
            return message.sender
        case CreateAccount():
            return None
        case _:
            return message.account


def address_of(text: str) -> bytes:
    """Return the account that a text names; raise InvalidInput where it is none."""
    return _ADDRESS.read(text)


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members
