"""Passkeys in software: WebAuthn assertions, and what a member account does with them.

A browser's passkey signs a *ceremony*, not a hash: authenticator data (whose site, was the user
there and verified) and client data (a JSON text with the challenge). The member account rebuilds
both and takes the challenge to be the hash that it asked for. This module makes such assertions
with a P-256 key out of a file, byte for byte as the account decodes them, and what goes around
them: nested typed data (ERC-7739), batches, recovery. Formats: docs/spec/member-accounts.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commonworks.chain.abi import contract, encode
from commonworks.chain.endpoints import hex_of
from commonworks.chain.signer import (
    Domain,
    Signer,
    TypedHash,
    Types,
    domain_of,
    struct,
    typed_digest,
    typed_hash,
)
from commonworks.chain.transactions import Call
from commonworks.crypto.hashes import keccak256, sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import InvalidInput

RP_ID: Final = "localhost"
"""The site that a software passkey belongs to: this machine."""

ORIGIN: Final = "http://localhost"
"""Where its ceremonies take place."""

CEREMONY: Final = "webauthn.get"
"""What an assertion is for (WebAuthn Level 3, section 5.8.1)."""

FLAGS: Final = 0x05
"""User present and user verified (section 6.1): the account asks for both."""

ACCOUNT_NAME: Final = "Commonworks Member"
ACCOUNT_VERSION: Final = "1"
"""EIP-712 domain of every member account."""

CALLS_MAX: Final = 64
"""Most calls of one batch, as the account has it."""

_EXECUTE: Final[Types] = {
    "Execute": struct("Call[] calls,uint256 nonce,uint256 deadline"),
    "Call": struct("address target,uint256 value,bytes data"),
}
_RECOVER: Final[Types] = {
    "Recover": struct("address account,bytes32 qx,bytes32 qy,uint256 nonce,uint256 deadline")
}
_NESTED: Final = (
    "TypedDataSign({name} contents,string name,string version,uint256 chainId,"
    "address verifyingContract,bytes32 salt){types}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What an authenticator returns when a passkey is used."""

    authenticator_data: bytes
    """SHA-256 of the site's id, flags, signature counter; 37 bytes or more."""
    client_data: bytes
    """JSON text, UTF-8, as the authenticator hashed it."""
    signature: bytes
    """r || s with the lower s, 64 bytes, over authenticator_data || SHA-256(client_data)."""

    def encode(self) -> bytes:
        """Return the form that the account decodes; raise InvalidInput for another ceremony."""
        kind = self.client_data.find(b'"type":"')
        challenge = self.client_data.find(b'"challenge":"')
        if min(kind, challenge) < 0 or len(self.signature) != 64:
            raise InvalidInput("this is no assertion of a passkey")
        return encode(
            ["bytes32", "bytes32", "uint256", "uint256", "bytes", "bytes"],
            [
                self.signature[:32],
                self.signature[32:],
                challenge,
                kind,
                self.authenticator_data,
                self.client_data,
            ],
        )


def assert_passkey(key: PrivateKey, challenge: bytes) -> Assertion:
    """Return the assertion of a software passkey for a challenge of 32 bytes.

    Raises: InvalidInput when the key is not a P-256 key.
    """
    if key.algorithm is not Algorithm.ES256:
        raise InvalidInput("a passkey is a P-256 key")
    authenticator_data = sha256(RP_ID.encode()) + bytes([FLAGS]) + bytes(4)
    client = {
        "type": CEREMONY,
        "challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "origin": ORIGIN,
        "crossOrigin": False,
    }
    client_data = json.dumps(client, separators=(",", ":")).encode()
    return Assertion(
        authenticator_data=authenticator_data,
        client_data=client_data,
        signature=key.sign(authenticator_data + sha256(client_data)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a member account is created with; its address follows from it."""

    key: PublicKey
    """The first passkey, P-256."""
    recoverers: tuple[bytes, ...]
    """Accounts of 20 bytes that may replace the key together, strictly ascending."""
    threshold: int
    """How many of them it takes; 0 exactly where there are none."""
    recovery_delay_s: int
    """Time in which the old key can object, seconds; 1 to 365 days."""

    @property
    def words(self) -> tuple[object, ...]:
        """The factory's arguments."""
        key = point(self.key)
        return (*key, list(self.recoverers), self.threshold, self.recovery_delay_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of a batch that an account carries out."""

    target: bytes
    """Contract or account, 20 bytes."""
    data: bytes
    value: int = 0
    """The chain's own coin, wei."""

    @property
    def words(self) -> tuple[object, ...]:
        """The call as the account's functions take it."""
        return (self.target, self.value, self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeySigner:
    """A member account and the passkey that speaks for it."""

    address: bytes
    """The member account, 20 bytes."""
    key: PrivateKey
    """The passkey."""

    def sign_typed(
        self, domain: Domain, types: Types, primary: str, message: Mapping[str, Any]
    ) -> bytes:
        """See `Signer.sign_typed`: an assertion over the nested message (ERC-7739).

        Returns: assertion, the application's domain separator, the message's hash, the description
        of its type and its length in two bytes, one after the other.
        """
        hashed = typed_hash(domain, types, message)
        name, described, description = describe(types, primary)
        nested = nested_contents(
            hashed, name, described, chain_id=int(domain["chainId"]), account=self.address
        )
        signature = assert_passkey(self.key, typed_digest(hashed.separator, nested)).encode()
        length = len(description).to_bytes(2, "big")
        return signature + hashed.separator + hashed.contents + description + length

    def sign_batch(
        self, chain_id: int, steps: Sequence[Step], *, nonce: int, deadline: int
    ) -> bytes:
        """Return a signature with which anybody may have this account carry out a batch.

        Inputs: `nonce` is the account's `executionNonce`; `deadline` Unix seconds.
        Raises: InvalidInput for no step or too many.
        """
        if not 0 < len(steps) <= CALLS_MAX:
            raise InvalidInput(f"a batch has 1 to {CALLS_MAX} calls")
        calls = [
            {"target": hex_of(step.target), "value": step.value, "data": step.data}
            for step in steps
        ]
        message = {"calls": calls, "nonce": nonce, "deadline": deadline}
        hashed = typed_hash(account_domain(chain_id, self.address), _EXECUTE, message)
        return assert_passkey(self.key, hashed.digest).encode()


def account_domain(chain_id: int, account: bytes) -> Domain:
    """Return the EIP-712 domain of a member account."""
    return domain_of(ACCOUNT_NAME, chain_id, account, ACCOUNT_VERSION)


def sign_recovery(
    signer: Signer, chain_id: int, account: bytes, key: PublicKey, *, nonce: int, deadline: int
) -> bytes:
    """Return a recoverer's word that `key` shall take over an account.

    Inputs: `nonce` is the account's `recoveryNonce`; `deadline` Unix seconds.
    """
    x, y = point(key)
    message = {"account": hex_of(account), "qx": x, "qy": y, "nonce": nonce, "deadline": deadline}
    return signer.sign_typed(account_domain(chain_id, account), _RECOVER, "Recover", message)


def describe(types: Types, primary: str) -> tuple[str, str, bytes]:
    """Return a type's name, the types in EIP-712's order, and ERC-7739's description of them.

    The description is `types` where the primary one comes first in that order, and otherwise
    `types` followed by the name, so that a wallet's own encoding gives the same hash.
    """
    written = {
        name: f"{name}({','.join(member['type'] + ' ' + member['name'] for member in members)})"
        for name, members in types.items()
    }
    if primary not in written:
        raise InvalidInput(f"{primary} is not among the types")
    described = "".join(written[name] for name in sorted(written))
    explicit = "" if described.startswith(f"{primary}(") else primary
    return primary, described, (described + explicit).encode()


def nested_contents(
    hashed: TypedHash, name: str, described: str, *, chain_id: int, account: bytes
) -> bytes:
    """Return the hash of the struct that nests a message for one account (ERC-7739)."""
    kind = keccak256(_NESTED.format(name=name, types=described).encode())
    return keccak256(
        kind
        + hashed.contents
        + keccak256(ACCOUNT_NAME.encode())
        + keccak256(ACCOUNT_VERSION.encode())
        + encode(["uint256", "address", "bytes32"], [chain_id, account, bytes(32)])
    )


def point(key: PublicKey) -> tuple[bytes, bytes]:
    """Return a passkey's public key as the contracts take it: x and y, 32 bytes each."""
    if key.algorithm is not Algorithm.ES256 or not key.is_valid:
        raise InvalidInput("a passkey is a P-256 key")
    return key.raw[:32], key.raw[32:]


def key_of(x: bytes, y: bytes) -> PublicKey:
    """Return the passkey with these coordinates; raise InvalidInput where it is none."""
    return PublicKey.from_raw(Algorithm.ES256, x + y)


def clone_code(implementation: bytes) -> bytes:
    """Return the code of every account of a factory (ERC-1167)."""
    return (
        bytes.fromhex("363d3d373d3d3d363d73")
        + implementation
        + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
    )


# --- calls ------------------------------------------------------------------------------------


def create_account(factory: bytes, terms: Terms) -> Call:
    """Create a member's account, or find it there; sent by anyone."""
    return Call(to=factory, data=contract("MemberAccounts")["create"].call(*terms.words))


def set_recoverers(recoverers: Sequence[bytes], threshold: int, delay_s: int, at: bytes) -> Step:
    """Choose who may replace the key of the account `at`; a step of its own batch."""
    call = contract("MemberAccount")["setRecoverers"].call(list(recoverers), threshold, delay_s)
    return Step(target=at, data=call)


def cancel_recovery(at: bytes) -> Step:
    """Take a started recovery of the account `at` back; a step of its own batch."""
    return Step(target=at, data=contract("MemberAccount")["cancelRecovery"].call())
