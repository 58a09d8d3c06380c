"""What members sign and somebody else hands in: EIP-712 messages and ERC-2612 permits.

A member needs no gas and no connection to sign; whoever relays the message pays for it and can
change nothing in it. Each carries a deadline and the account's next nonce in the contract that
it is for, so it works once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commonworks.chain.endpoints import hex_of
from commonworks.chain.plan import Deployment
from commonworks.chain.signer import Domain, Signer, domain_of, struct
from commonworks.crypto.keys import PublicKey
from commonworks.errors import InvalidInput
from commonworks.events import Share

RESOURCE_MAX_BYTES: Final = 32
"""A resource's name is stored left-aligned in one word."""

_TYPES: Final[Mapping[str, str]] = {
    "Enrol": (
        "address owner,bytes32 thumbprint,int8 alg,bytes publicKey,bytes32 resource,"
        "uint64 cell,uint256 nonce,uint256 deadline"
    ),
    "EnrolBatch": (
        "address owner,bytes32 resource,NewDevice[] devices,uint256 nonce,uint256 deadline"
    ),
    "NewDevice": "bytes32 thumbprint,int8 alg,bytes publicKey,uint64 cell",
    "TransferShare": (
        "uint256 id,address from,address to,uint32 ppm,uint256 nonce,uint256 deadline"
    ),
    "ChangePayees": "uint256 id,Share[] shares,uint256 payeesNonce,uint256 deadline",
    "Share": "address account,uint32 ppm",
    "WithdrawalRequest": (
        "address account,address asset,uint256 amount,uint256 nonce,uint256 deadline"
    ),
    "SpendLimit": ("address account,uint256 deviceId,uint256 limit,uint256 nonce,uint256 deadline"),
    "Permit": "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline",
}
"""Type name -> members, exactly as the contracts hash them."""

_INNER: Final[Mapping[str, str]] = {"EnrolBatch": "NewDevice", "ChangePayees": "Share"}
"""Type name -> the one struct that its arrays hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A device's key, and where it belongs."""

    key: PublicKey
    resource: str
    """Resource name, ASCII, at most 32 bytes."""
    cell: int = 0
    """Coarse H3 cell, 0 where the owner gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitDomain:
    """What an ERC-20 calls itself in its permits."""

    name: str
    version: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What every relayed message carries."""

    account: bytes
    """Who signed, 20 bytes."""
    deadline: int
    """Last second in which it can be handed in, Unix seconds."""
    signature: bytes
    """65 bytes r || s || v, or whatever a contract account accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEnrolment(Signed):
    """An owner enrols a device."""

    enrolment: Enrolment


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBatch(Signed):
    """An owner enrols many devices of one resource."""

    resource: str
    devices: tuple[Enrolment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedShareTransfer(Signed):
    """A payee gives a part of its share in a device's earnings away."""

    device: int
    receiver: bytes
    ppm: int
    """Parts per million of the device's earnings, > 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPayees:
    """All payees of a device agree on others."""

    device: int
    shares: tuple[Share, ...]
    """The new payees, ascending by account; none: the owner alone."""
    deadline: int
    """Last second in which it can be handed in, Unix seconds."""
    signatures: tuple[bytes, ...]
    """One of each present payee, in the order of their list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedWithdrawal(Signed):
    """An account asks for unspent deposit back."""

    asset: bytes
    amount: int
    """In the asset's smallest unit, > 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSpendLimit(Signed):
    """An owner limits what one device may spend per epoch."""

    device: int
    limit: int
    """In the settlement currency's smallest unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPermit(Signed):
    """An account lets the Vault take a deposit (ERC-2612)."""

    asset: bytes
    amount: int
    """In the asset's smallest unit."""


def resource_word(resource: str) -> bytes:
    """Return a resource's name as the contracts keep it; raises InvalidInput for a bad one."""
    if not resource or not resource.isascii() or len(resource) > RESOURCE_MAX_BYTES:
        raise InvalidInput(f"{resource!r} is no resource name of 1..{RESOURCE_MAX_BYTES} bytes")
    return resource.encode().ljust(32, b"\0")


def sign_enrolment(
    signer: Signer,
    deployment: Deployment,
    enrolment: Enrolment,
    *,
    nonce: int,
    deadline: int,
) -> SignedEnrolment:
    """Return an enrolment that anybody may hand in; `nonce` is Devices' for this account."""
    owner = signer.address
    message = {
        "owner": hex_of(owner),
        "thumbprint": enrolment.key.thumbprint,
        "alg": int(enrolment.key.algorithm),
        "publicKey": enrolment.key.raw,
        "resource": resource_word(enrolment.resource),
        "cell": enrolment.cell,
        "nonce": nonce,
        "deadline": deadline,
    }
    signature = _sign(signer, _devices_domain(deployment), "Enrol", message)
    return SignedEnrolment(
        account=owner, deadline=deadline, signature=signature, enrolment=enrolment
    )


def sign_batch(
    signer: Signer,
    deployment: Deployment,
    resource: str,
    devices: Sequence[Enrolment],
    *,
    nonce: int,
    deadline: int,
) -> SignedBatch:
    """Return an enrolment of many devices that anybody may hand in; `nonce` is Devices'."""
    owner = signer.address
    message = {
        "owner": hex_of(owner),
        "resource": resource_word(resource),
        "devices": [
            {
                "thumbprint": item.key.thumbprint,
                "alg": int(item.key.algorithm),
                "publicKey": item.key.raw,
                "cell": item.cell,
            }
            for item in devices
        ],
        "nonce": nonce,
        "deadline": deadline,
    }
    signature = _sign(signer, _devices_domain(deployment), "EnrolBatch", message)
    return SignedBatch(
        account=owner,
        deadline=deadline,
        signature=signature,
        resource=resource,
        devices=tuple(devices),
    )


def sign_share_transfer(
    signer: Signer,
    deployment: Deployment,
    device: int,
    receiver: bytes,
    ppm: int,
    *,
    nonce: int,
    deadline: int,
) -> SignedShareTransfer:
    """Return a transfer of a payee's share that anybody may hand in; `nonce` is Devices'."""
    payee = signer.address
    message = {
        "id": device,
        "from": hex_of(payee),
        "to": hex_of(receiver),
        "ppm": ppm,
        "nonce": nonce,
        "deadline": deadline,
    }
    signature = _sign(signer, _devices_domain(deployment), "TransferShare", message)
    return SignedShareTransfer(
        account=payee,
        deadline=deadline,
        signature=signature,
        device=device,
        receiver=receiver,
        ppm=ppm,
    )


def sign_payees(
    signer: Signer,
    deployment: Deployment,
    device: int,
    shares: Sequence[Share],
    *,
    payees_nonce: int,
    deadline: int,
) -> bytes:
    """Return one payee's consent to other payees; all of them together are a `SignedPayees`."""
    message = {
        "id": device,
        "shares": [{"account": hex_of(item.account), "ppm": item.ppm} for item in shares],
        "payeesNonce": payees_nonce,
        "deadline": deadline,
    }
    return _sign(signer, _devices_domain(deployment), "ChangePayees", message)


def sign_withdrawal(
    signer: Signer,
    deployment: Deployment,
    asset: bytes,
    amount: int,
    *,
    nonce: int,
    deadline: int,
) -> SignedWithdrawal:
    """Return a withdrawal request that anybody may hand in; `nonce` is the Vault's."""
    holder = signer.address
    message = {
        "account": hex_of(holder),
        "asset": hex_of(asset),
        "amount": amount,
        "nonce": nonce,
        "deadline": deadline,
    }
    domain = domain_of("Commonworks Vault", deployment.chain_id, deployment.vault)
    signature = _sign(signer, domain, "WithdrawalRequest", message)
    return SignedWithdrawal(
        account=holder, deadline=deadline, signature=signature, asset=asset, amount=amount
    )


def sign_spend_limit(
    signer: Signer,
    deployment: Deployment,
    device: int,
    limit: int,
    *,
    nonce: int,
    deadline: int,
) -> SignedSpendLimit:
    """Return a spend limit that anybody may hand in; `nonce` is the Vault's."""
    holder = signer.address
    message = {
        "account": hex_of(holder),
        "deviceId": device,
        "limit": limit,
        "nonce": nonce,
        "deadline": deadline,
    }
    domain = domain_of("Commonworks Vault", deployment.chain_id, deployment.vault)
    signature = _sign(signer, domain, "SpendLimit", message)
    return SignedSpendLimit(
        account=holder, deadline=deadline, signature=signature, device=device, limit=limit
    )


def sign_permit(
    signer: Signer,
    deployment: Deployment,
    asset: bytes,
    amount: int,
    *,
    domain: PermitDomain,
    nonce: int,
    deadline: int,
) -> SignedPermit:
    """Return a permit with which anybody may deposit `amount` for its owner.

    Inputs: `domain` and `nonce` are the asset's own (`Members.permit_domain`, `Members.nonce`).
    """
    holder = signer.address
    message = {
        "owner": hex_of(holder),
        "spender": hex_of(deployment.vault),
        "value": amount,
        "nonce": nonce,
        "deadline": deadline,
    }
    separator = domain_of(domain.name, deployment.chain_id, asset, domain.version)
    signature = _sign(signer, separator, "Permit", message)
    return SignedPermit(
        account=holder, deadline=deadline, signature=signature, asset=asset, amount=amount
    )


def _devices_domain(deployment: Deployment) -> Domain:
    return domain_of("Commonworks Devices", deployment.chain_id, deployment.devices)


def _sign(signer: Signer, domain: Domain, kind: str, message: Mapping[str, Any]) -> bytes:
    types = {name: struct(_TYPES[name]) for name in (kind, _INNER.get(kind)) if name is not None}
    return signer.sign_typed(domain, types, kind, message)
