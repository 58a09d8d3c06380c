"""Model of Devices: ids, who owns them, who is paid for them, and what governance admits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.events import (
    Enrolled,
    PayeesSet,
    ReferenceSet,
    RegistrarSet,
    Share,
    SiteAdopted,
    Transferred,
)
from commonworks.simulation.blocks import NOBODY, Blocks, refuse
from commonworks.simulation.governance import Governed
from commonworks.units import PPM

KEY_BYTES: Final = {-8: 32, -7: 64}
"""COSE algorithm -> length of its raw public key."""

BATCH_MAX: Final = 256
"""Most ids that one call mints."""

PAYEES_MAX: Final = 64
"""Most payees of one id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledKey:
    """What an owner enrols: the key of a device, and where it belongs."""

    thumbprint: bytes
    """COSE key thumbprint, 32 bytes."""
    algorithm: int
    """COSE algorithm of the key."""
    public_key: bytes
    """Raw key, 32 or 64 bytes."""
    resource: bytes
    """Resource name, ASCII, left-aligned in 32 bytes."""
    cell: int = 0
    """Coarse H3 cell, 0 where the owner gives none."""


class DevicesModel(Governed):
    """Device ids, payees, registrars, references and site tables.

    Signatures are taken as valid where one account signs; where several must, the caller names
    who signed, in order.
    """

    def __init__(self, blocks: Blocks, *, owner: bytes, founder: bytes, founding_ends: int) -> None:
        super().__init__(blocks, owner=owner, founder=founder, founding_ends=founding_ends)
        self.last_id = 0
        self._owners: dict[int, bytes] = {}
        self._approved: dict[int, bytes] = {}
        self._payees: dict[int, dict[bytes, int]] = {}

    def owner_of(self, device: int) -> bytes:
        """Return the account that holds a device id."""
        if device not in self._owners:
            raise refuse("ERC721NonexistentToken", tokenId=device)
        return self._owners[device]

    def payees_of(self, device: int) -> tuple[Share, ...]:
        """Return who is paid for a device, ascending by account; nobody: its owner."""
        shares = sorted(self._payees.get(device, {}).items())
        return tuple(Share(account=account, ppm=ppm) for account, ppm in shares)

    # --- enrolling ----------------------------------------------------------------------------

    def enrol(self, sender: bytes, key: EnrolledKey) -> int:
        """Mint the next device id for the sender; return it."""
        return self._enrol(sender, sender, key)

    def enrol_for(self, sender: bytes, owner: bytes, key: EnrolledKey, deadline: int) -> int:
        """Mint the next device id for `owner`, who signed it; return it."""
        self._require_in_time(deadline)
        return self._enrol(sender, owner, key)

    def enrol_batch(self, sender: bytes, resource: bytes, keys: Sequence[EnrolledKey]) -> int:
        """Mint an id for each key, all of one resource, for the sender; return the first."""
        return self._enrol_batch(sender, sender, resource, keys)

    def enrol_batch_for(
        self,
        sender: bytes,
        owner: bytes,
        resource: bytes,
        keys: Sequence[EnrolledKey],
        deadline: int,
    ) -> int:
        """Do the same for `owner`, who signed it."""
        self._require_in_time(deadline)
        return self._enrol_batch(sender, owner, resource, keys)

    # --- owning -------------------------------------------------------------------------------

    def approve(self, sender: bytes, account: bytes, device: int) -> None:
        """Let another account move or retire a device; sent by its owner."""
        if self.owner_of(device) != sender:
            raise refuse("ERC721InvalidApprover", approver=sender)
        self._approved[device] = account

    def transfer(self, sender: bytes, receiver: bytes, device: int) -> None:
        """Give a device id to another account; sent by its owner or whom the owner approved.

        One that has payees only goes to who takes it.
        """
        if receiver == NOBODY:
            raise refuse("ERC721InvalidReceiver", receiver=receiver)
        if device in self._payees and receiver != sender:
            raise refuse("NotAccepted", id=device, to=receiver)
        self._move(sender, receiver, device)

    def retire(self, sender: bytes, device: int) -> None:
        """Burn a device id without payees; sent by its owner or whom the owner approved."""
        self.owner_of(device)
        self._require_no_payees(device)
        self._move(sender, NOBODY, device)

    def retire_by_all(self, device: int, deadline: int, signers: Sequence[bytes]) -> None:
        """Burn a device id whose payees all signed it, in the order of the list."""
        self._require_signed_by_all(device, deadline, signers)
        self._write(device, {})
        self._move(self.owner_of(device), NOBODY, device)

    # --- sharing ------------------------------------------------------------------------------

    def set_payees(self, sender: bytes, device: int, shares: Sequence[Share]) -> None:
        """Start the list of a device that has none; sent by its owner."""
        owner = self.owner_of(device)
        if sender != owner:
            raise refuse("ERC721IncorrectOwner", sender=sender, tokenId=device, owner=owner)
        self._require_no_payees(device)
        _require_whole(shares)
        self._write(device, {share.account: share.ppm for share in shares})

    def transfer_share(self, sender: bytes, device: int, to: bytes, ppm: int) -> None:
        """Hand `ppm` of the sender's share on."""
        if to == NOBODY:
            raise refuse("ERC721InvalidReceiver", receiver=to)
        if ppm == 0:
            raise refuse("ZeroShare", account=to)
        shares = dict(self._payees.get(device, {}))
        held = shares.get(sender, 0)
        if held < ppm:
            raise refuse("ShareTooSmall", id=device, account=sender, heldPpm=held, ppm=ppm)
        shares[sender] -= ppm
        shares[to] = shares.get(to, 0) + ppm
        if shares[sender] == 0:
            del shares[sender]
        if len(shares) > PAYEES_MAX:
            raise refuse("TooManyPayees", count=len(shares), maximum=PAYEES_MAX)
        self._write(device, shares)

    def transfer_share_for(
        self, sender: bytes, device: int, to: bytes, ppm: int, deadline: int
    ) -> None:
        """Hand on a share of `sender`, who signed it. Sent by anyone."""
        self._require_in_time(deadline)
        self.transfer_share(sender, device, to, ppm)

    def change_payees(
        self, device: int, shares: Sequence[Share], deadline: int, signers: Sequence[bytes]
    ) -> None:
        """Replace a list by one that all present payees signed, in order; empty: the owner."""
        self._require_signed_by_all(device, deadline, signers)
        if shares:
            _require_whole(shares)
        self._write(device, {share.account: share.ppm for share in shares})

    # --- governing ----------------------------------------------------------------------------

    def set_registrar(
        self,
        sender: bytes,
        *,
        resource: bytes,
        thumbprint: bytes,
        algorithm: int,
        public_key: bytes,
        active: bool,
    ) -> None:
        """Admit a registrar's key to a resource, or remove it."""
        self._only_owner(sender)
        _check_key(algorithm, public_key)
        self._blocks.emit(
            RegistrarSet(
                at=self._blocks.here(),
                resource=resource,
                thumbprint=thumbprint,
                algorithm=algorithm,
                public_key=public_key,
                active=active,
            )
        )

    def set_reference(self, sender: bytes, device: int, admitted: bool) -> None:
        """Admit a device as an independent reference, or dismiss it."""
        self._only_owner(sender)
        self.owner_of(device)
        self._blocks.emit(ReferenceSet(at=self._blocks.here(), device=device, admitted=admitted))

    def adopt_site(self, sender: bytes, *, resource: bytes, site: bytes, statement: bytes) -> None:
        """Put a site statement in force for a resource."""
        self._only_owner(sender)
        self._blocks.emit(
            SiteAdopted(at=self._blocks.here(), resource=resource, site=site, statement=statement)
        )

    # --- inside -------------------------------------------------------------------------------

    def _enrol(self, sender: bytes, owner: bytes, key: EnrolledKey) -> int:
        _check_key(key.algorithm, key.public_key)
        return self._mint(sender, owner, key, key.resource)

    def _enrol_batch(
        self, sender: bytes, owner: bytes, resource: bytes, keys: Sequence[EnrolledKey]
    ) -> int:
        if not 0 < len(keys) <= BATCH_MAX:
            raise refuse("BatchOutOfRange", count=len(keys), maximum=BATCH_MAX)
        for key in keys:
            _check_key(key.algorithm, key.public_key)
        first = self.last_id + 1
        for key in keys:
            self._mint(sender, owner, key, resource)
        return first

    def _mint(self, sender: bytes, owner: bytes, key: EnrolledKey, resource: bytes) -> int:
        self.last_id += 1
        self._owners[self.last_id] = owner
        self._blocks.emit(
            Enrolled(
                at=self._blocks.here(),
                device=self.last_id,
                owner=owner,
                thumbprint=key.thumbprint,
                algorithm=key.algorithm,
                public_key=key.public_key,
                resource=resource,
                cell=key.cell,
                enroller=sender,
            )
        )
        return self.last_id

    def _move(self, sender: bytes, receiver: bytes, device: int) -> None:
        holder = self.owner_of(device)
        if sender not in (holder, self._approved.get(device)):
            raise refuse("ERC721InsufficientApproval", operator=sender, tokenId=device)
        self._approved.pop(device, None)
        if receiver == NOBODY:
            del self._owners[device]
        else:
            self._owners[device] = receiver
        self._blocks.emit(
            Transferred(at=self._blocks.here(), device=device, sender=holder, receiver=receiver)
        )

    def _write(self, device: int, shares: Mapping[bytes, int]) -> None:
        self._payees.pop(device, None)
        if shares:
            self._payees[device] = dict(shares)
        self._blocks.emit(
            PayeesSet(at=self._blocks.here(), device=device, shares=self.payees_of(device))
        )

    def _require_in_time(self, deadline: int) -> None:
        if self._blocks.time > deadline:
            raise refuse("SignatureExpired", deadline=deadline)

    def _require_no_payees(self, device: int) -> None:
        if device in self._payees:
            raise refuse("HasPayees", id=device)

    def _require_signed_by_all(self, device: int, deadline: int, signers: Sequence[bytes]) -> None:
        payees = [share.account for share in self.payees_of(device)]
        if not payees:
            raise refuse("NoPayees", id=device)
        if len(signers) != len(payees):
            raise refuse("WrongSignatureCount", given=len(signers), expected=len(payees))
        for payee, signer in zip(payees, signers, strict=True):
            self._require_in_time(deadline)
            if signer != payee:
                raise refuse("InvalidSignature", account=payee)


def _check_key(algorithm: int, public_key: bytes) -> None:
    if algorithm not in KEY_BYTES:
        raise refuse("UnsupportedAlgorithm", alg=algorithm)
    if len(public_key) != KEY_BYTES[algorithm]:
        raise refuse("WrongKeyLength", alg=algorithm, length=len(public_key))


def _require_whole(shares: Sequence[Share]) -> None:
    if len(shares) > PAYEES_MAX:
        raise refuse("TooManyPayees", count=len(shares), maximum=PAYEES_MAX)
    previous = NOBODY
    for share in shares:
        if share.account <= previous:
            raise refuse("PayeesNotSorted", account=share.account)
        if share.ppm == 0:
            raise refuse("ZeroShare", account=share.account)
        previous = share.account
    whole = sum(share.ppm for share in shares)
    if whole != PPM:
        raise refuse("SharesNotWhole", sumPpm=whole)
