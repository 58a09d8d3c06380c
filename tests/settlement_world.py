"""A world to settle in: keys and accounts by name, chain events, signed statements, evidence.

Everything follows from names and numbers, so a test reads like the story it tells and gives the
same bytes on every run. `Street` (street_world.py) adds meters, a site table and a feeder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.events import (
    Attested,
    Bonded,
    Closed,
    Commitment,
    Confirmed,
    Deposited,
    Enrolled,
    Event,
    Finalised,
    GatewayRegistered,
    ParameterDefined,
    ParameterSet,
    PayeesSet,
    Position,
    Range,
    ReferenceSet,
    RegistrarSet,
    Share,
    SiteAdopted,
    SpendLimitSet,
    StakeChanged,
    Transferred,
    WithdrawalRequested,
)
from commonworks.model import (
    Entry,
    Evidence,
    Facts,
    Network,
    Outcome,
    Payment,
    Settlement,
    State,
    Total,
    Verdict,
    Work,
)
from commonworks.policy import KERNEL_PARAMETERS, Parameter, Policy
from commonworks.resources.base import (
    Resource,
    ResourceInput,
    Rules,
    Traded,
    Verified,
    Visibility,
)
from commonworks.settlement.facts import facts_at, policy_at, word_of
from commonworks.settlement.settle import settle
from commonworks.settlement.state import INITIAL
from commonworks.statements.codec import Item, decode_statement, sign_binding, sign_record
from commonworks.statements.model import Column, DType, Kind, Reason, Schema, Signer
from commonworks.units import PPM, WEI

GENESIS_S = 1_767_225_600
EPOCH_S = 3_600
BEFORE_S = GENESIS_S - 1_000
"""When everything is founded: before epoch 0 opens."""
LOGS = (sha256(b"log one"), sha256(b"log two"))


def account(name: str) -> bytes:
    """Return the account called `name`, 20 bytes."""
    return sha256(b"account " + name.encode())[:20]


def key(name: str, algorithm: Algorithm = Algorithm.EDDSA) -> PrivateKey:
    """Return the signing key called `name`."""
    return PrivateKey.from_seed(algorithm, sha256(b"key " + name.encode()))


TOKEN = account("token contract")
CURRENCY = account("currency contract")
NETWORK = Network(
    network_id=sha256(b"network under test"),
    genesis_time=GENESIS_S,
    epoch_length_s=EPOCH_S,
    token=TOKEN,
    currency=CURRENCY,
    currency_code="tEUR",
    treasury=account("treasury"),
    initial_emission_wei=1_000 * WEI,
)
UNLESS_GIVEN = {
    "half_life_epochs": 2,
    "emission_verifiers_ppm": 0,
    "emission_gateways_ppm": 0,
    "emission_treasury_ppm": 0,
}
"""Parameters of a world where they are not the defaults: numbers that a person can check."""


def digest_of(epoch: int) -> bytes:
    """Return the digest with which an epoch of a world was finalised."""
    return sha256(b"digest" + epoch.to_bytes(4, "big"))


def identity_of(item: Item) -> bytes:
    """Return the identity of a statement that decodes."""
    statement = decode_statement(item.statement, item.preimage)
    assert not isinstance(statement, Reason)
    return statement.identity


def spoiled(item: Item) -> Item:
    """Return the same statement under a signature that is not its signer's."""
    raw = bytearray(item.statement)
    raw[-1] ^= 1
    return Item(statement=bytes(raw), preimage=item.preimage)


NO_COMMITMENT = Commitment(
    previous_digest=bytes(32),
    evidence_hash=bytes(32),
    facts_hash=bytes(32),
    policy_hash=bytes(32),
    rules_hash=bytes(32),
    result_hash=bytes(32),
    state_hash=bytes(32),
    payout_root=bytes(32),
    minted_wei=0,
    totals=(),
)
"""What no fact depends on."""


class World:
    """A network, what its chain said, what its logs hold, and the state its epochs left."""

    def __init__(
        self,
        resources: Sequence[Resource],
        network: Network = NETWORK,
        **parameters: int,
    ) -> None:
        self.resources = {resource.name: resource for resource in resources}
        self.network = network
        self.events: list[Event] = []
        self.entries: defaultdict[int, list[Entry]] = defaultdict(list)
        self.state: State = INITIAL
        self.devices: dict[str, int] = {}
        """Name of a key -> its newest device id."""
        self.keys: dict[str, PrivateKey] = {}
        given = {**UNLESS_GIVEN, **parameters}
        groups = (KERNEL_PARAMETERS, *(r.parameters for r in resources))
        for parameter in (p for group in groups for p in group):
            self.event(
                ParameterDefined,
                key=word_of(parameter.key),
                value=given.get(parameter.key.replace(".", "_"), parameter.default),
                minimum=parameter.minimum,
                maximum=parameter.maximum,
                from_epoch=0,
            )

    # --- the chain ----------------------------------------------------------------------------

    def event(self, kind: type[Event], at: int = BEFORE_S, **fields: object) -> None:
        """Let a contract say something at a time."""
        index = len(self.events)
        position = Position(block=index, time=at, index=0, tx=index.to_bytes(32, "big"))
        self.events.append(kind(at=position, **fields))

    def key(self, name: str) -> PrivateKey:
        """Return the key called `name`, Ed25519 unless it was enrolled otherwise."""
        return self.keys.setdefault(name, key(name))

    def enrol(
        self,
        name: str,
        owner: str,
        *,
        resource: str = "gauge",
        at: int = BEFORE_S,
        algorithm: Algorithm = Algorithm.EDDSA,
    ) -> int:
        """Mint the next device id for a key; return it."""
        self.keys[name] = key(name, algorithm)
        device = 1 + sum(isinstance(event, Enrolled) for event in self.events)
        public = self.keys[name].public
        self.event(
            Enrolled,
            at,
            device=device,
            owner=account(owner),
            thumbprint=public.thumbprint,
            algorithm=int(algorithm),
            public_key=public.raw,
            resource=word_of(resource),
            cell=0,
            enroller=account(owner),
        )
        self.devices[name] = device
        return device

    def transfer(self, name: str, sender: str, receiver: str, at: int) -> None:
        """Give a device id to another owner."""
        self.event(
            Transferred,
            at,
            device=self.devices[name],
            sender=account(sender),
            receiver=account(receiver),
        )

    def registrar(
        self, name: str = "registrar", resource: str = "gauge", *, active: bool = True
    ) -> None:
        """Admit a registrar's key."""
        public = self.key(name).public
        self.event(
            RegistrarSet,
            resource=word_of(resource),
            thumbprint=public.thumbprint,
            algorithm=int(public.algorithm),
            public_key=public.raw,
            active=active,
        )

    def reference(self, name: str, *, admitted: bool = True, at: int = BEFORE_S) -> None:
        """Admit a device as an independent reference."""
        self.event(ReferenceSet, at, device=self.devices[name], admitted=admitted)

    def adopt(self, item: Item, resource: str = "gauge", at: int = BEFORE_S) -> None:
        """Let governance put a site statement into force."""
        word = word_of(resource)
        self.event(SiteAdopted, at, resource=word, site=word, statement=identity_of(item))

    def deposit(self, name: str, amount: int, asset: bytes = CURRENCY, at: int = BEFORE_S) -> None:
        """Put money into the Vault."""
        who = account(name)
        self.event(Deposited, at, asset=asset, account=who, amount=amount, sender=who)

    def limit(self, name: str, device: str, amount: int) -> None:
        """Limit what an account spends through a device in one epoch."""
        self.event(SpendLimitSet, account=account(name), device=self.devices[device], limit=amount)

    def withdraw(self, name: str, amount: int, at: int, asset: bytes = CURRENCY) -> int:
        """Ask for unspent deposit back; return the request's id."""
        request = 1 + sum(isinstance(event, WithdrawalRequested) for event in self.events)
        self.event(
            WithdrawalRequested,
            at,
            request=request,
            asset=asset,
            account=account(name),
            amount=amount,
        )
        return request

    def set_policy(self, key: str, value: int, from_epoch: int, at: int = BEFORE_S) -> None:
        """Change a parameter from an epoch on."""
        self.event(ParameterSet, at, key=word_of(key), value=value, from_epoch=from_epoch)

    def share(self, device: str, at: int = BEFORE_S, **ppm: int) -> None:
        """Name who is paid for a device: `share("g1", anna=700_000, ben=300_000)`."""
        shares = tuple(Share(account=account(name), ppm=part) for name, part in ppm.items())
        self.event(PayeesSet, at, device=self.devices[device], shares=shares)

    # --- nodes ----------------------------------------------------------------------------------

    def stake(self, name: str, stake: int, at: int = BEFORE_S) -> None:
        """Let a verifier's stake be another."""
        self.event(StakeChanged, at, operator=account(name), stake=stake, total=stake)

    def gateway(self, name: str, log: int = 0, *, bond: int = 0, at: int = BEFORE_S) -> None:
        """Register a gateway with one of the logs, and bond it."""
        self.event(
            GatewayRegistered,
            at,
            operator=account(name),
            name=name,
            origin=name,
            endpoint="",
            log_id=LOGS[log],
            note_key=bytes(32),
            receipt_key=bytes(64),
        )
        if bond:
            self.event(Bonded, at, operator=account(name), amount=bond)

    def serve(
        self,
        epoch: int,
        at: int,
        *,
        confirmed: Sequence[str] = (),
        attested: Sequence[str] = (),
        wrong: Sequence[str] = (),
        logs: Sequence[int] = (),
    ) -> None:
        """Let nodes see an epoch through until it is finalised; `wrong` attested another digest."""
        ranges = [Range(log_id=LOGS[log], first=3, size=7, root=bytes(32)) for log in logs]
        for name in confirmed:
            self.event(Confirmed, at, epoch=epoch, verifier=account(name), tips=())
        self.event(Closed, at, epoch=epoch, evidence_hash=bytes(32), ranges=tuple(ranges))
        for name in (*attested, *wrong):
            digest = digest_of(epoch) if name in attested else bytes(32)
            self.event(Attested, at, epoch=epoch, verifier=account(name), digest=digest)
        self.event(Finalised, at, epoch=epoch, digest=digest_of(epoch), commitment=NO_COMMITMENT)

    # --- statements ---------------------------------------------------------------------------

    def binding(self, name: str, owner: str, generation: int = 1, time: int = BEFORE_S) -> Item:
        """Return a key's statement that it counts for an owner."""
        return sign_binding(
            self.key(name), self.network.network_id, time, account(owner), generation
        )

    def record(
        self,
        signer: str,
        schema: Schema,
        time: int,
        columns: Mapping[str, Sequence[int] | Sequence[bytes]],
        *,
        resource: str = "gauge",
        network: bytes | None = None,
        request: bytes | None = None,
        salt: bytes = b"",
    ) -> Item:
        """Return a signed record; salts of sealed ones follow from signer, time and content."""
        content = repr(sorted(columns.items())).encode()
        return sign_record(
            self.key(signer),
            schema.kind,
            network or self.network.network_id,
            resource,
            time,
            columns,
            schema,
            salt=(salt or sha256(signer.encode() + content)) if schema.sealed else None,
            request=request,
        )

    def log(
        self, *items: Item, epoch: int = 0, at: int | None = None, log: int = 0
    ) -> tuple[Item, ...]:
        """Let a log's range of `epoch` hold these items, anchored at a time; return them.

        Without a time they are anchored a minute after the epoch's end, within its grace period.
        """
        anchored = self.network.epoch_start(epoch + 1) + 60 if at is None else at
        for item in items:
            self.entries[epoch].append(
                Entry(
                    log_id=LOGS[log],
                    index=len(self.entries[epoch]),
                    statement=item.statement,
                    preimage=item.preimage,
                    anchored_at=anchored,
                )
            )
        return items

    # --- settling -----------------------------------------------------------------------------

    def policy(self, epoch: int) -> Policy:
        """Return the policy of an epoch."""
        return policy_at(self.events, epoch)

    def facts(self, epoch: int) -> Facts:
        """Return the facts of an epoch."""
        return facts_at(self.network, self.events, epoch)

    def evidence(self, epoch: int) -> Evidence:
        """Return an epoch's frozen evidence."""
        return evidence_of(epoch, self.entries[epoch])

    def settle(self) -> Settlement:
        """Settle the next epoch and keep its state."""
        epoch = self.state.epoch + 1
        result = self.settle_with(self.evidence(epoch))
        self.state = result.state
        return result

    def settle_with(self, evidence: Evidence) -> Settlement:
        """Settle the next epoch on other evidence, and keep nothing."""
        epoch = self.state.epoch + 1
        return settle(self.resources, self.policy(epoch), self.facts(epoch), self.state, evidence)


def evidence_of(epoch: int, entries: Sequence[Entry]) -> Evidence:
    """Return evidence that consists of `entries`, with the ranges that hold them."""
    sizes: defaultdict[bytes, int] = defaultdict(int)
    for entry in entries:
        sizes[entry.log_id] += 1
    return Evidence(
        epoch=epoch,
        ranges=tuple(
            Range(log_id=log_id, first=0, size=size, root=sha256(log_id + bytes([epoch % 256])))
            for log_id, size in sorted(sizes.items())
        ),
        entries=tuple(entries),
    )


def reason_of(result: Settlement, item: Item) -> str:
    """Return the reason of a statement's only verdict, empty when it was accepted."""
    identity = identity_of(item)
    (verdict,) = (v for v in result.verdicts if v.identity == identity)
    return verdict.reason


def total(result: Settlement, name: str, asset: bytes = CURRENCY) -> tuple[int, int]:
    """Return (earned, spent) of an account, (0, 0) where it has no leaf."""
    rows: dict[tuple[bytes, bytes], Total] = {(t.asset, t.account): t for t in result.payouts}
    row = rows.get((asset, account(name)))
    return (row.earned, row.spent) if row else (0, 0)


def hashes(result: Settlement) -> tuple[bytes, bytes, bytes]:
    """Return the hashes that may not depend on how evidence arrived."""
    commitment = result.commitment
    return commitment.result_hash, commitment.state_hash, commitment.payout_root


def kind_of(item: Item) -> Kind:
    """Return what a statement says."""
    statement = decode_statement(item.statement, item.preimage)
    assert not isinstance(statement, Reason)
    return statement.kind


def later(entry: Entry, seconds: int) -> Entry:
    """Return an entry whose first anchor came later."""
    return replace(entry, anchored_at=entry.anchored_at + seconds)


# --- the smallest resource ------------------------------------------------------------------------


def gauge(
    name: str = "gauge",
    *,
    payments: Sequence[Payment] = (),
    reason: str = "",
    ceiling_wei: int = 10**30,
    judge: bool = True,
) -> Resource:
    """Return a resource that believes what it is told: `level` per report is its work.

    `payments` are what its market pays each epoch; `reason` rejects every report; without `judge`
    it breaks its contract and gives no verdict.
    """
    level = Column(name="level", dtype=DType.U32, minimum=0, maximum=10**6, description="A level.")

    def schema(kind: Kind, signer: Signer) -> Schema:
        return Schema(
            kind=kind,
            columns=(level,),
            max_rows=3,
            sealed=False,
            signer=signer,
            description="A level.",
            equal_length=True,
        )

    def verify(data: ResourceInput) -> Verified:
        verdicts = tuple(
            Verdict(
                identity=item.identity,
                kind=item.kind,
                device=item.device.device if item.device else None,
                outcome=Outcome.REJECTED if reason else Outcome.ACCEPTED,
                reason=reason,
            )
            for item in data.statements
            if judge
        )
        return Verified(
            verdicts=verdicts,
            intervals=(),
            credits=(),
            terms=(),
            state=data.state + bytes([len(data.statements)]),
            summary={},
            detail=[],
        )

    def market(data: ResourceInput, verified: Verified) -> Traded:
        work = [
            Work(
                device=item.device.device,
                account=item.account,
                quantity=sum(v for v in item.record.columns["level"] if isinstance(v, int)),
                quality_ppm=PPM,
                density_ppm=PPM,
                ceiling_wei=ceiling_wei,
            )
            for item in data.statements
            if item.kind is Kind.REPORT and item.device and item.account
        ]
        return Traded(
            work=tuple(sorted(work, key=lambda item: (item.device, item.quantity))),
            payments=tuple(payments),
            intervals=(),
            summary={},
            detail=[],
        )

    share = Parameter(
        key=f"{name}.emission_ppm",
        unit="ppm",
        minimum=0,
        maximum=PPM,
        default=PPM,
        description="Share of the emission.",
    )
    return Resource(
        name=name,
        title="A gauge",
        unit="mm",
        visibility=Visibility.PUBLIC,
        schemas={
            Kind.REPORT: schema(Kind.REPORT, Signer.DEVICE),
            Kind.SITE: schema(Kind.SITE, Signer.REGISTRAR),
            Kind.REPLACE: schema(Kind.REPLACE, Signer.COUNTERSIGNED),
        },
        reasons={f"{name}.broken": "It is broken."},
        purposes={f"{name}.water": "Water."},
        parameters=(share,),
        rules=Rules(version=1, modules=(), verify=verify, market=market),
        figures=(),
        views=lambda result: (),
    )


def level(world: World, name: str, value: int, time: int, resource: str = "gauge") -> Item:
    """Return a gauge's report."""
    schema = world.resources[resource].schemas[Kind.REPORT]
    return world.record(name, schema, time, {"level": [value]}, resource=resource)


def work(
    name: str, quantity: int, *, quality: int = PPM, ceiling: int = 10**30, device: int = 1
) -> Work:
    """Return one device's work."""
    return Work(
        device=device,
        account=account(name),
        quantity=quantity,
        quality_ppm=quality,
        density_ppm=PPM,
        ceiling_wei=ceiling,
    )
