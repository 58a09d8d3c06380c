"""From logged bytes to statements that count: decode, authenticate, bind.

Goal: every logged statement gets exactly one verdict, now or in the epoch that its time lies in.
Rule: the result depends on the set of statements and on when each was first anchored, never on
logs, positions or order. A statement's identity leaves its signature out, so several copies of one
identity may differ in signature or payload; one good copy is enough, and a bad copy can never
shadow a good one: only authenticated identities are remembered as seen.

| order | guard | reason |
|---|---|---|
| 1 | size, CBOR, headers, payload form | undecodable, too_large, unknown_type, bad_header, ... |
| 2 | a key of the facts has this kid | unknown_key |
| 3 | its signature holds | bad_signature |
| 4 | the payload is there | payload_missing |
| 5 | it names this network | wrong_network |
| 6 | a known resource takes this kind | unknown_resource, unknown_type |
| 7 | columns, ranges, sealing as declared | bad_schema |
| 8 | its time is not after its anchor | future |
| 9 | its time is not before the lateness limit, unless the facts adopt it as a site | too_late |
| 10 | it counts for an account or is a registrar's | not_bound, not_registrar, ... |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from commonworks.crypto.keys import PublicKey
from commonworks.model import (
    Device,
    Evidence,
    Facts,
    HeldBinding,
    Outcome,
    PendingStatement,
    SeenStatement,
    State,
    Verdict,
)
from commonworks.policy import Policy
from commonworks.resources.base import Authentic, Resource
from commonworks.statements.codec import (
    check_schema,
    decode_request,
    decode_statement,
    verify_signature,
)
from commonworks.statements.model import (
    Binding,
    Kind,
    Payload,
    Reason,
    Record,
    Signer,
    Statement,
)
from commonworks.translog.tree import leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What the first half of a settlement hands to the resources."""

    verdicts: tuple[Verdict, ...]
    """Final verdicts of statements that no resource will see."""
    statements: Mapping[str, tuple[Authentic, ...]]
    """Resource -> authenticated statements, sorted by identity."""
    devices: Mapping[str, Mapping[int, Device]]
    """Resource -> devices with a binding in force."""
    accounts: Mapping[int, bytes]
    """Device -> account it counts for."""
    sites: tuple[tuple[str, bytes, bytes], ...]
    """(resource, identity, statement) of the site tables to keep, for the next state."""
    site_in_force: Mapping[str, Record]
    """Resource -> site table that the facts adopt."""
    bindings: tuple[HeldBinding, ...]
    pending: tuple[PendingStatement, ...]
    seen: tuple[SeenStatement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """One logged copy of a statement."""

    raw: bytes
    preimage: bytes | None
    anchored_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A statement that passed guards 1 to 9."""

    statement: Statement
    payload: Payload
    copy: _Copy
    time: int


@dataclass(slots=True)
class _Desk:
    """Everything gathered while the statements pass; lives within one call of `take_in`."""

    facts: Facts
    policy: Policy
    resources: Mapping[str, Resource]
    verdicts: list[Verdict] = field(default_factory=list)
    pending: list[PendingStatement] = field(default_factory=list)
    known: list[_Known] = field(default_factory=list)

    def reject(
        self, identity: bytes, kind: Kind | None, reason: Reason, device: int | None = None
    ) -> None:
        self.verdicts.append(
            Verdict(
                identity=identity,
                kind=kind,
                device=device,
                outcome=Outcome.REJECTED,
                reason=str(reason),
            )
        )

    def accept(self, identity: bytes, kind: Kind, device: int | None) -> None:
        self.verdicts.append(
            Verdict(
                identity=identity, kind=kind, device=device, outcome=Outcome.ACCEPTED, reason=""
            )
        )


def _keys(facts: Facts) -> dict[bytes, PublicKey]:
    """Return every key that may sign: devices' and registrars', by thumbprint."""
    keys = {device.key.thumbprint: device.key for device in facts.devices.values()}
    keys.update({item.key.thumbprint: item.key for item in facts.registrars})
    return keys


def _copies(state: State, evidence: Evidence) -> dict[bytes, list[_Copy]]:
    """Group all copies by the bytes they are, then let identity gather them later."""
    copies: defaultdict[tuple[bytes, bytes | None], int] = defaultdict(lambda: 2**63)
    for entry in evidence.entries:
        where = (entry.statement, entry.preimage)
        copies[where] = min(copies[where], entry.anchored_at)
    for held in state.pending:
        where = (held.statement, held.preimage)
        copies[where] = min(copies[where], held.anchored_at)
    grouped: defaultdict[bytes, list[_Copy]] = defaultdict(list)
    for (raw, preimage), anchored_at in copies.items():
        grouped[raw].append(_Copy(raw=raw, preimage=preimage, anchored_at=anchored_at))
    return grouped


def _decode_all(
    desk: _Desk, state: State, evidence: Evidence
) -> dict[bytes, list[tuple[Statement, _Copy]]]:
    """Guard 1. Return the copies of each identity that decode; reject the rest by their leaf hash.

    A leaf hash has its own prefix byte: bytes chosen to be another statement's Sig_structure
    cannot get that statement's identity, hence no identity can get two verdicts.
    """
    by_identity: defaultdict[bytes, list[tuple[Statement, _Copy]]] = defaultdict(list)
    failed: dict[bytes, Reason] = {}
    for raw, copies in _copies(state, evidence).items():
        for copy in copies:
            decoded = decode_statement(raw, copy.preimage)
            if isinstance(decoded, Reason):
                # the same bytes with another preimage may decode; the order must not matter
                failed[leaf_hash(raw)] = min(failed.get(leaf_hash(raw), decoded), decoded)
            else:
                by_identity[decoded.identity].append((decoded, copy))
    decoded_raw = {leaf_hash(copy.raw) for group in by_identity.values() for _, copy in group}
    for identity, reason in failed.items():
        if identity not in decoded_raw:
            desk.reject(identity, None, reason)
    return by_identity


def _judge(
    desk: _Desk,
    keys: Mapping[bytes, PublicKey],
    identity: bytes,
    copies: list[tuple[Statement, _Copy]],
) -> None:
    """Guards 2 to 9 for all copies of one identity."""
    kind = copies[0][0].kind
    key = keys.get(copies[0][0].kid)
    if key is None:
        return desk.reject(identity, kind, Reason.UNKNOWN_KEY)
    good = [pair for pair in copies if verify_signature(pair[0], key)]
    if not good:
        return desk.reject(identity, kind, Reason.BAD_SIGNATURE)
    anchored_at = min(copy.anchored_at for _, copy in good)
    readable = [pair for pair in good if pair[0].payload is not None]
    if not readable:
        return desk.reject(identity, kind, Reason.PAYLOAD_MISSING)
    statement, copy = min(readable, key=lambda pair: (pair[1].raw, pair[1].preimage or b""))
    payload = statement.payload
    if payload is None:  # narrowed above; mypy cannot see through the list
        return desk.reject(identity, kind, Reason.PAYLOAD_MISSING)
    reason = _check_payload(desk, statement, payload)
    if reason is None and payload.time > anchored_at:
        reason = Reason.FUTURE
    oldest = desk.facts.start - desk.policy["lateness_s"]
    # a table that governance named is wanted, however long the vote took
    if reason is None and payload.time < oldest and identity not in desk.facts.sites.values():
        reason = Reason.TOO_LATE
    if reason is not None:
        return desk.reject(identity, kind, reason)
    best = _Copy(raw=copy.raw, preimage=copy.preimage, anchored_at=anchored_at)
    if payload.time >= desk.facts.end:
        desk.pending.append(
            PendingStatement(
                identity=identity,
                statement=best.raw,
                preimage=best.preimage,
                anchored_at=anchored_at,
            )
        )
        return None
    desk.known.append(_Known(statement=statement, payload=payload, copy=best, time=payload.time))
    return None


def _check_payload(desk: _Desk, statement: Statement, payload: Payload) -> Reason | None:
    """Guards 5 to 7."""
    if payload.network != desk.facts.network.network_id:
        return Reason.WRONG_NETWORK
    if isinstance(payload, Binding):
        return None
    resource = desk.resources.get(payload.resource)
    if resource is None:
        return Reason.UNKNOWN_RESOURCE
    schema = resource.schemas.get(statement.kind)
    if schema is None:
        return Reason.UNKNOWN_TYPE
    if schema.sealed != statement.sealed or not check_schema(payload, schema):
        return Reason.BAD_SCHEMA
    return None


def _owned(facts: Facts) -> dict[tuple[bytes, bytes], Device]:
    """Return the device id that a key and its owner mean, by (thumbprint, owner).

    Where an owner holds several, one with a list of payees counts before those without: else
    whoever owns the id of what many own would take their earnings by enrolling the key again.
    Among equals the one that has counted longest: neither an id that a stranger pushed to the
    owner nor one kept in reserve displaces it. The zero address owns what was retired, and nothing
    of that counts.
    """
    owned: dict[tuple[bytes, bytes], Device] = {}
    for number in sorted(
        facts.devices, key=lambda n: (n not in facts.payees, facts.devices[n].since, n)
    ):
        device = facts.devices[number]
        if any(device.owner):
            owned.setdefault((device.key.thumbprint, device.owner), device)
    return owned


def _bind(
    desk: _Desk, state: State, owned: Mapping[tuple[bytes, bytes], Device]
) -> dict[bytes, HeldBinding]:
    """Judge the bindings and return the one in force for each key.

    The highest generation wins; between equal ones the one already held, then the larger identity.
    """
    held = {binding.kid: binding for binding in state.bindings}
    candidates: defaultdict[bytes, list[HeldBinding]] = defaultdict(list)
    for known in desk.known:
        if not isinstance(known.payload, Binding):
            continue
        statement = known.statement
        if (statement.kid, known.payload.owner) not in owned:
            desk.reject(statement.identity, statement.kind, Reason.NOT_BOUND)
            continue
        candidates[statement.kid].append(
            HeldBinding(
                kid=statement.kid,
                owner=known.payload.owner,
                generation=known.payload.generation,
                identity=statement.identity,
            )
        )
    for kid, group in candidates.items():
        before = held.get(kid)
        newest = max(group, key=lambda item: (item.generation, item.identity))
        if before is None or newest.generation > before.generation:
            held[kid] = newest
        for item in group:
            if item.identity == held[kid].identity:
                device = owned.get((kid, item.owner))
                desk.accept(item.identity, Kind.BINDING, device.device if device else None)
            else:
                desk.reject(item.identity, Kind.BINDING, Reason.SUPERSEDED)
    return held


def _attribute(
    desk: _Desk, known: _Known, bound: Mapping[bytes, Device], accounts: Mapping[int, bytes]
) -> Authentic | None:
    """Guard 10 for records. Return the statement with whom it counts for, or reject it."""
    statement, record = known.statement, known.payload
    if isinstance(record, Binding):
        return None
    schema = desk.resources[record.resource].schemas[statement.kind]
    device: Device | None = None
    request: Record | None = None
    reason: Reason | None = None
    if schema.signer is Signer.DEVICE:
        device = bound.get(statement.kid)
        if device is None or device.resource != record.resource:
            reason = Reason.NOT_BOUND
    else:
        signers = {(item.resource, item.key.thumbprint) for item in desk.facts.registrars}
        if (record.resource, statement.kid) not in signers:
            reason = Reason.NOT_REGISTRAR
        elif schema.signer is Signer.COUNTERSIGNED:
            device, request, reason = _countersigned(record, bound)
    if reason is not None:
        desk.reject(statement.identity, statement.kind, reason, device.device if device else None)
        return None
    return Authentic(
        identity=statement.identity,
        kind=statement.kind,
        device=device,
        account=accounts[device.device] if device else None,
        record=record,
        request=request,
        anchored_at=known.copy.anchored_at,
    )


def _countersigned(
    record: Record, bound: Mapping[bytes, Device]
) -> tuple[Device | None, Record | None, Reason | None]:
    """Check the device's own statement inside a registrar's; both must say the same."""
    inner = decode_request(record)
    if isinstance(inner, Reason) or not isinstance(inner.payload, Record):
        return None, None, Reason.BAD_SCHEMA
    device = bound.get(inner.kid)
    if device is None or device.resource != record.resource:
        return None, None, Reason.NOT_BOUND
    if not verify_signature(inner, device.key):
        return device, None, Reason.BAD_SIGNATURE
    return device, inner.payload, None


def _sites(
    desk: _Desk, state: State, signed: Iterable[tuple[str, bytes, bytes]]
) -> tuple[tuple[tuple[str, bytes, bytes], ...], dict[str, Record]]:
    """Return the site statements to keep and the one in force for each resource.

    Inputs: `signed`, (resource, identity, statement) of the registrars' own in this evidence.
    One that is not adopted yet is kept as long as a copy of it would still be admitted: a vote
    takes longer than an epoch.
    """
    kept = {(name, identity): raw for name, identity, raw in (*state.sites, *signed)}
    next_start = desk.facts.network.epoch_start(desk.facts.epoch + 1)
    in_force: dict[str, Record] = {}
    rows = []
    for (name, identity), raw in sorted(kept.items()):
        decoded = decode_statement(raw, None)
        if isinstance(decoded, Reason) or not isinstance(decoded.payload, Record):
            continue
        adopted = desk.facts.sites.get(name) == identity
        if adopted:
            in_force[name] = decoded.payload
        if adopted or decoded.payload.time + desk.policy["lateness_s"] >= next_start:
            rows.append((name, identity, raw))
    return tuple(rows), in_force


def take_in(
    resources: Mapping[str, Resource],
    policy: Policy,
    facts: Facts,
    state: State,
    evidence: Evidence,
) -> Intake:
    """Decode, authenticate and bind everything that an epoch's evidence adds.

    Inputs: evidence entries in any order, duplicated or not; state as the last epoch left it.
    Returns: verdicts for what ends here, authenticated statements for the resources, and the parts
    of the next state that the kernel keeps.
    Guarantees: independent of order, of duplicates and of which log held what.
    """
    desk = _Desk(facts=facts, policy=policy, resources=resources)
    keys = _keys(facts)
    seen = {item.identity for item in state.seen}
    for identity, copies in sorted(_decode_all(desk, state, evidence).items()):
        if identity not in seen:
            _judge(desk, keys, identity, copies)
    owned = _owned(facts)
    held = _bind(desk, state, owned)
    bound: dict[bytes, Device] = {}
    for kid, binding in held.items():
        device = owned.get((kid, binding.owner))
        if device is not None:
            bound[kid] = device
    accounts = {device.device: device.owner for device in bound.values()}
    statements: defaultdict[str, list[Authentic]] = defaultdict(list)
    signed_sites: list[tuple[str, bytes, bytes]] = []
    for known in desk.known:
        authentic = _attribute(desk, known, bound, accounts)
        if authentic is None:
            continue
        resource = authentic.record.resource
        statements[resource].append(authentic)
        if authentic.kind is Kind.SITE:
            signed_sites.append((resource, authentic.identity, known.copy.raw))
    sites, in_force = _sites(desk, state, signed_sites)
    next_start = facts.network.epoch_start(facts.epoch + 1)
    fresh = [
        SeenStatement(identity=item.statement.identity, until=item.time + policy["lateness_s"])
        for item in desk.known
    ]
    return Intake(
        verdicts=tuple(sorted(desk.verdicts, key=lambda item: item.identity)),
        statements={
            name: tuple(sorted(group, key=lambda item: item.identity))
            for name, group in statements.items()
        },
        devices={
            name: {d.device: d for d in bound.values() if d.resource == name} for name in resources
        },
        accounts=accounts,
        sites=sites,
        site_in_force=in_force,
        bindings=tuple(held[kid] for kid in sorted(held)),
        pending=tuple(sorted(desk.pending, key=lambda item: item.identity)),
        seen=tuple(
            sorted(
                (item for item in (*state.seen, *fresh) if item.until >= next_start),
                key=lambda item: item.identity,
            )
        ),
    )
