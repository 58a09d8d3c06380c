"""Who signs a member's EIP-712 messages: a key in a keystore, or a passkey behind its account.

Whoever needs a signature takes a `Signer` and need not know which of the two it is: contracts check
both through ERC-1271's rule (65 bytes of an account with a key, or whatever its contract accepts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from commonworks.chain.endpoints import hex_of
from commonworks.crypto.hashes import keccak256

Domain = Mapping[str, Any]
"""An EIP-712 domain: name, version, chainId, verifyingContract."""

Types = Mapping[str, Sequence[Mapping[str, str]]]
"""Struct name -> its members, each with `name` and `type`; the domain's own type left out."""


class Signer(Protocol):
    """An account that can put its name under a typed message."""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        ...

    def sign_typed(
        self, domain: Domain, types: Types, primary: str, message: Mapping[str, Any]
    ) -> bytes:
        """Return a signature that contracts accept for this account.

        Inputs: `types` are `primary`'s type and those that it uses, no others.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeystoreSigner:
    """An account with a key of its own (secp256k1)."""

    account: LocalAccount

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return bytes.fromhex(self.account.address[2:])

    def sign_typed(
        self, domain: Domain, types: Types, primary: str, message: Mapping[str, Any]
    ) -> bytes:
        """See `Signer.sign_typed`; 65 bytes r || s || v."""
        del primary  # the one type that no other uses
        signed = self.account.sign_typed_data(dict(domain), _types(types), dict(message))
        return bytes(signed.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedHash:
    """What EIP-712 hashes of a message."""

    separator: bytes
    """Hash of the domain, 32 bytes."""
    contents: bytes
    """Hash of the message's struct, 32 bytes."""

    @property
    def digest(self) -> bytes:
        """What a key signs."""
        return typed_digest(self.separator, self.contents)


def typed_hash(domain: Domain, types: Types, message: Mapping[str, Any]) -> TypedHash:
    """Return the hashes of a typed message (EIP-712)."""
    encoded = encode_typed_data(dict(domain), _types(types), dict(message))
    return TypedHash(separator=encoded.header, contents=encoded.body)


def typed_digest(separator: bytes, contents: bytes) -> bytes:
    """Return what a key signs for a struct's hash in a domain (EIP-712)."""
    return keccak256(b"\x19\x01" + separator + contents)


def recovered(
    domain: Domain, types: Types, message: Mapping[str, Any], signature: bytes
) -> bytes | None:
    """Return the account whose key signed a typed message; None where it is nobody's signature."""
    encoded = encode_typed_data(dict(domain), _types(types), dict(message))
    try:
        account = Account.recover_message(encoded, signature=signature)
    except (ValueError, TypeError, BadSignature, ValidationError):
        return None
    return bytes.fromhex(account[2:])


def domain_of(name: str, chain_id: int, contract: bytes, version: str = "1") -> Domain:
    """Return the EIP-712 domain of a contract of the project."""
    return {
        "name": name,
        "version": version,
        "chainId": chain_id,
        "verifyingContract": hex_of(contract),
    }


def struct(members: str) -> list[Mapping[str, str]]:
    """Return a struct's members from Solidity's way to write them: `address to,uint256 value`."""
    pairs = (member.split(" ") for member in members.split(","))
    return [{"name": name, "type": kind} for kind, name in pairs]


BALLOT: Final[Types] = {
    "Ballot": struct("uint256 proposalId,uint8 support,address voter,uint256 nonce")
}
"""OpenZeppelin's Governor: a vote without a reason."""


def sign_ballot(
    signer: Signer, governor: bytes, chain_id: int, proposal: int, support: int, *, nonce: int
) -> bytes:
    """Return a vote that anybody may hand in.

    Inputs: `support` is 0 against, 1 for, 2 abstain; `nonce` is the Governor's for this account.
    """
    domain = domain_of("Commonworks Governor", chain_id, governor)
    message = {
        "proposalId": proposal,
        "support": support,
        "voter": hex_of(signer.address),
        "nonce": nonce,
    }
    return signer.sign_typed(domain, BALLOT, "Ballot", message)


def _types(types: Types) -> dict[str, list[dict[str, str]]]:
    return {name: [dict(member) for member in members] for name, members in types.items()}
