"""Devices on both: enrolled alone and in batches, moved, shared, retired, governed."""

from __future__ import annotations

from dataclasses import replace

import chain_kit as kit
from commonworks.chain.abi import contract
from commonworks.chain.messages import (
    Enrolment,
    SignedPayees,
    resource_word,
    sign_batch,
    sign_enrolment,
    sign_payees,
    sign_share_transfer,
)
from commonworks.chain.signer import domain_of, struct
from commonworks.chain.transactions import Call
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import Conflict
from commonworks.events import Share
from commonworks.simulation.devices import BATCH_MAX, EnrolledKey
from commonworks.units import PPM
from twin_pair import MEMBERS, Pair

RETIRE = struct("uint256 id,uint256 payeesNonce,uint256 deadline")


class DeviceTwins(Pair):
    """What members and governance do with devices."""

    def key(self) -> tuple[Enrolment, EnrolledKey]:
        """Return one of few keys, so that repetitions happen; sometimes a malformed one."""
        algorithm = self.random.choice(tuple(Algorithm))
        length = 32 if algorithm is Algorithm.EDDSA else 64
        raw = bytes([self.random.randrange(6)]) * self.random.choice((length,) * 12 + (33,))
        public = PublicKey(algorithm=algorithm, raw=raw)
        cell = self.random.choice((0, 2**64 - 1))
        own = Enrolment(key=public, resource="energy", cell=cell)
        twin = EnrolledKey(
            thumbprint=public.thumbprint,
            algorithm=int(algorithm),
            public_key=raw,
            resource=resource_word("energy"),
            cell=cell,
        )
        return own, twin

    async def enrol(self) -> None:
        """Enrol a device for oneself."""
        name, (own, twin) = self.member(), self.key()
        await self.both(
            "enrol",
            name,
            self.calls.enrol(own),
            lambda: self.model.devices.enrol(kit.address(name), twin),
        )

    async def enrol_for(self) -> None:
        """Relay an enrolment, sometimes too late."""
        name, sender, (own, twin) = self.member(), self.anybody(), self.key()
        nonce = await self.rig.member(name).enrol_nonce(kit.address(name))
        deadline = self.rig.now + self.random.choice((-1, 0, 10))
        signed = sign_enrolment(kit.signer(name), self.rig.at, own, nonce=nonce, deadline=deadline)
        await self.both(
            "enrol_for",
            sender,
            self.calls.enrol_for(signed),
            lambda: self.model.devices.enrol_for(
                kit.address(sender), kit.address(name), twin, deadline
            ),
        )

    def device(self) -> int:
        return self.random.randint(0, self.model.devices.last_id + 1)

    def holder(self, device: int) -> str:
        """Return the name of a device's owner, or anybody's."""
        names = {kit.address(name): name for name in (*kit.NAMES, "owner", "guardian")}
        try:
            return self.usually(names[self.model.devices.owner_of(device)])
        except Conflict:
            return self.anybody()

    async def enrol_batch(self) -> None:
        """Enrol many devices at once, oneself or by a relayer; sometimes too many or none."""
        name, sender = self.member(), self.anybody()
        size = self.random.choice((0, 1, 2, 2, 3, 3, BATCH_MAX, BATCH_MAX + 1))
        pairs = [self.key()] * size if size > 9 else [self.key() for _ in range(size)]
        own, twins = tuple(pair[0] for pair in pairs), [pair[1] for pair in pairs]
        owner, word = kit.address(name), resource_word("energy")
        if self.random.random() < 0.5:
            await self.both(
                "enrol_batch",
                name,
                self.calls.enrol_batch("energy", own),
                lambda: self.model.devices.enrol_batch(owner, word, twins),
            )
            return
        deadline = self.rig.now + self.random.choice((-1, 0, 10))
        signed = sign_batch(
            kit.signer(name),
            self.rig.at,
            "energy",
            own,
            nonce=await self.rig.member(name).enrol_nonce(owner),
            deadline=deadline,
        )
        await self.both(
            "enrol_batch_for",
            sender,
            self.calls.enrol_batch_for(signed),
            lambda: self.model.devices.enrol_batch_for(
                kit.address(sender), owner, word, twins, deadline
            ),
        )

    def _devices(self, function: str, *values: object) -> Call:
        return Call(to=self.rig.at.devices, data=contract("Devices")[function].call(*values))

    async def approve_device(self) -> None:
        """Let another member move one's device."""
        device, receiver = self.device(), kit.address(self.member())
        sender = self.holder(device)
        await self.both(
            "approve_device",
            sender,
            self._devices("approve", receiver, device),
            lambda: self.model.devices.approve(kit.address(sender), receiver, device),
        )

    async def move_device(self) -> None:
        """Give a device to another member, or take one. The call names the owner that it has."""
        device, receiver = self.device(), self.member()
        sender = self.random.choice((self.holder(device), receiver))
        try:
            owner = self.model.devices.owner_of(device)
        except Conflict:
            owner = kit.address(sender)
        await self.both(
            "move_device",
            sender,
            self.calls.transfer_device(owner, kit.address(receiver), device),
            lambda: self.model.devices.transfer(kit.address(sender), kit.address(receiver), device),
        )

    async def retire(self) -> None:
        """Burn a device id."""
        device = self.device()
        sender = self.holder(device)
        if self.random.random() < 0.7:  # devices should live a while
            return
        await self.both(
            "retire",
            sender,
            self.calls.retire(device),
            lambda: self.model.devices.retire(kit.address(sender), device),
        )

    # --- payees -------------------------------------------------------------------------------

    def shares(self) -> list[Share]:
        """Return a list of payees, sometimes one that breaks a rule of lists."""
        names = self.random.sample(MEMBERS, self.random.randint(1, len(MEMBERS)))
        parts = [self.random.randrange(1, 300_000) for _ in names[1:]]
        shares = [
            Share(account=kit.address(name), ppm=ppm)
            for name, ppm in zip(names, (PPM - sum(parts), *parts), strict=True)
        ]
        if self.random.random() < 0.9:
            shares.sort(key=lambda share: share.account)
        if self.random.random() < 0.2:
            wrong = self.random.choice((0, 1, shares[0].ppm + 1))
            shares[0] = replace(shares[0], ppm=wrong)
        return shares

    def shared(self) -> int:
        """Return a device, mostly one that has payees."""
        ids = range(1, self.model.devices.last_id + 1)
        found = [device for device in ids if self.model.devices.payees_of(device)]
        return self.random.choice(found) if found and self.random.random() < 0.9 else self.device()

    async def set_payees(self) -> None:
        """Start a list."""
        device, shares = self.device(), self.shares()
        sender = self.holder(device)
        await self.both(
            "set_payees",
            sender,
            self.calls.set_payees(device, shares),
            lambda: self.model.devices.set_payees(kit.address(sender), device, shares),
        )

    async def transfer_share(self) -> None:
        """Hand on some of a share, all of it, or more; oneself or by a relayer."""
        device, name = self.shared(), self.member()
        payee, to = kit.address(name), self.random.choice((*map(kit.address, kit.NAMES), bytes(20)))
        held = {s.account: s.ppm for s in self.model.devices.payees_of(device)}.get(payee, 0)
        ppm = self.random.choice((0, 1, held, held, held + 1, held // 2))
        if self.random.random() < 0.5:
            await self.both(
                "transfer_share",
                name,
                self.calls.transfer_share(device, to, ppm),
                lambda: self.model.devices.transfer_share(payee, device, to, ppm),
            )
            return
        deadline = self.rig.now + self.random.choice((-1, 0, 10))
        signed = sign_share_transfer(
            kit.signer(name),
            self.rig.at,
            device,
            to,
            ppm,
            nonce=await self.rig.member(name).enrol_nonce(payee),
            deadline=deadline,
        )
        await self.both(
            "transfer_share_for",
            self.anybody(),
            self.calls.transfer_share_for(signed),
            lambda: self.model.devices.transfer_share_for(payee, device, to, ppm, deadline),
        )

    def signers(self, device: int) -> list[str]:
        """Return who signs for a device's list: all payees in order, or nearly."""
        names = {kit.address(name): name for name in kit.NAMES}
        signers = [names[share.account] for share in self.model.devices.payees_of(device)]
        if self.random.random() < 0.2:
            self.random.shuffle(signers)
        return signers[:-1] if self.random.random() < 0.1 else signers

    async def change_payees(self) -> None:
        """Replace a list, or drop it, by everybody's word."""
        device, deadline = self.shared(), self.rig.now + self.random.choice((-1, 0, 10))
        shares = self.shares() if self.random.random() < 0.7 else []
        signers = self.signers(device)
        nonce = await self.rig.member("eve").payees_nonce(device)
        signatures = [
            sign_payees(
                kit.signer(name),
                self.rig.at,
                device,
                shares,
                payees_nonce=nonce,
                deadline=deadline,
            )
            for name in signers
        ]
        signed = SignedPayees(
            device=device, shares=tuple(shares), deadline=deadline, signatures=tuple(signatures)
        )
        await self.both(
            "change_payees",
            self.anybody(),
            self.calls.change_payees(signed),
            lambda: self.model.devices.change_payees(
                device, shares, deadline, [kit.address(name) for name in signers]
            ),
        )

    async def retire_by_all(self) -> None:
        """Burn a shared device by everybody's word."""
        if self.random.random() < 0.5:
            return
        device, deadline = self.shared(), self.rig.now + self.random.choice((-1, 0, 10))
        signers = self.signers(device)
        message = {
            "id": device,
            "payeesNonce": await self.rig.member("eve").payees_nonce(device),
            "deadline": deadline,
        }
        domain = domain_of("Commonworks Devices", self.rig.at.chain_id, self.rig.at.devices)
        signatures = [
            kit.signer(name).sign_typed(domain, {"Retire": RETIRE}, "Retire", message)
            for name in signers
        ]
        await self.both(
            "retire_by_all",
            self.anybody(),
            self._devices("retireByAll", device, deadline, signatures),
            lambda: self.model.devices.retire_by_all(
                device, deadline, [kit.address(name) for name in signers]
            ),
        )

    # --- government ---------------------------------------------------------------------------

    async def govern_devices(self) -> None:
        """Admit registrars, references and sites."""
        sender = self.government()
        account, devices = self.address(sender), self.model.devices
        kind = self.random.choice(("registrar", "reference", "site"))
        if kind == "registrar":
            (own, twin), active = self.key(), self.random.random() < 0.7
            call = self.calls.set_registrar("energy", own.key, active)
            await self.both(
                "set_registrar",
                sender,
                call,
                lambda: devices.set_registrar(
                    account,
                    resource=twin.resource,
                    thumbprint=twin.thumbprint,
                    algorithm=twin.algorithm,
                    public_key=twin.public_key,
                    active=active,
                ),
            )
        elif kind == "reference":
            device, admitted = self.device(), self.random.random() < 0.7
            await self.both(
                "set_reference",
                sender,
                self.calls.set_reference(device, admitted),
                lambda: devices.set_reference(account, device, admitted),
            )
        else:
            site, statement = sha256(b"place"), self.random.randbytes(32)
            await self.both(
                "adopt_site",
                sender,
                self.calls.adopt_site("energy", site, statement),
                lambda: devices.adopt_site(
                    account, resource=resource_word("energy"), site=site, statement=statement
                ),
            )
