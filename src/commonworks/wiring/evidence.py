"""Reading back what an epoch froze, for whoever recomputes it: the auditor, the back-test.

Goal: the same bytes that the verifiers settled, from any folder or URL that has them. Rule: what
is not there, or not what was signed, is named and never skipped. Invariant: a stored state is
believed only where its hash stands on chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from commonworks.errors import CommonworksError, InvalidInput, NotFound, Unauthorized, Unavailable
from commonworks.events import GatewayRegistered, Range
from commonworks.model import Evidence, Network, State
from commonworks.ports import Log
from commonworks.resources.base import Resource
from commonworks.settlement.epochs import ChainView, LoggedItem
from commonworks.settlement.state import INITIAL, state_hash
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.translog.check import Fault, read_checkpoint
from commonworks.translog.tiles import Read
from commonworks.translog.tree import Frontier, leaf_hash
from commonworks.transport.client import HttpTransport
from commonworks.verifier.reader import read_items
from commonworks.wiring.logsource import is_url, open_source, sync_reader, vkey_beside
from commonworks.wiring.records import stored_state
from commonworks.wiring.retention import retention_ends
from commonworks.wiring.session import Session, gateway_note_key


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedLog:
    """One log as whoever recomputes reads it."""

    name: str
    """The gateway's name."""
    vkey: str
    log: Log
    read: Read
    """The same log, read synchronously for the check of tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Everything that recomputing reads."""

    network: Network
    view: ChainView
    """All events of the chain."""
    logs: Mapping[bytes, AuditedLog]
    """A log for every range that the epochs closed."""
    resources: Mapping[str, Resource]
    rules_hash: bytes
    now: int
    """Network time: what may have been erased by now."""
    stored_state: Callable[[int], Awaitable[State | None]]
    """The state that an epoch left, as somebody stored it; believed only by its hash on chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEvidence:
    """One epoch's evidence as it was read, and what is wrong with it."""

    evidence: Evidence
    missing: tuple[str, ...]
    """One line for each sealed payload that is not there."""
    faults: tuple[str, ...]
    """One line for everything that is not what was signed, logged or closed."""


async def open_evidence(
    session: Session,
    view: ChainView,
    transport: HttpTransport,
    *,
    places: Mapping[bytes, str],
    reader: str | None,
) -> Source:
    """Return what a network's epochs can be recomputed from.

    Inputs: `places` says where logs lie (log id -> folder or URL) that are not read from this
    folder's own gateways, or where they are registered; `reader` is the account of this folder
    that asks for sealed payloads over HTTP.
    """
    logs: dict[bytes, AuditedLog] = {}
    for log_id in sorted(evidence_logs(view)):
        gateway = view.gateways[log_id]
        place = places.get(log_id)
        if place is None:
            place = await asyncio.to_thread(_place, session, gateway)
        found = open_source(session, transport, place, log_id, reader)
        logs[log_id] = AuditedLog(
            name=gateway.name,
            vkey=gateway_note_key(gateway).vkey,
            log=found.log,
            read=found.read,
        )
    return Source(
        network=session.network,
        view=view,
        logs=logs,
        resources=session.resources,
        rules_hash=session.rules_hash,
        now=session.clock.now(),
        stored_state=lambda epoch: stored_state(session.home, epoch),
    )


def evidence_logs(view: ChainView) -> frozenset[bytes]:
    """Return the registered logs that closed evidence is in.

    Anybody registers a gateway, with any text for a name and an address: only those that verifiers
    confirmed are looked at, so that the others can keep nobody from recomputing.
    """
    closed = {part.log_id for one in view.closed.values() for part in one.ranges}
    return frozenset(closed & view.gateways.keys())


def _place(session: Session, gateway: GatewayRegistered) -> str:
    """Return where a log lies: in this folder, else where it is registered, which is no folder."""
    name = gateway.name
    if name not in ("", ".", "..") and "\0" not in name and Path(name).name == name:
        folder = session.home.gateway(name)
        own = vkey_beside(str(folder)) in (None, gateway_note_key(gateway).vkey)
        if own and (folder / "log").is_dir():
            return str(folder)
    if not is_url(gateway.endpoint):
        raise NotFound(
            f"the log of gateway {name!r} is not here, and it is registered without an address",
            hint="give its folder or URL with --log",
        )
    return gateway.endpoint


def places_of(sources: Sequence[str], view: ChainView) -> dict[bytes, str]:
    """Return where given logs lie by log id; each must be signed by one of the gateways.

    Raises: NotFound when there is no log; InvalidInput when no gateway of the network signed it.
    """
    places: dict[bytes, str] = {}
    for place in sources:
        read = sync_reader(place)
        signed = [
            log_id
            for log_id in sorted(evidence_logs(view))
            if not isinstance(
                read_checkpoint(read, gateway_note_key(view.gateways[log_id]).vkey), Fault
            )
        ]
        if not signed:
            raise InvalidInput(
                f"no gateway of this network has signed the checkpoint in {place}",
                hint="see what is wrong with it: commonworks log check",
            )
        places[signed[0]] = place
    return places


async def handed_over(source: Source, epoch: int) -> State:
    """Return the state that an epoch left; only the one whose hash the chain has is believed."""
    if epoch < 0:
        return INITIAL
    final = source.view.finalised[epoch]
    stored = await source.stored_state(epoch)
    if stored is None or state_hash(stored) != final.commitment.state_hash:
        raise NotFound(
            f"no stored state of epoch {epoch} that the chain vouches for",
            hint="ask a verifier for its folder, or begin at genesis",
        )
    return replace(stored, digest=final.digest)


def may_be_erased(source: Source, epoch: int) -> bool:
    """Tell whether the retention period of an epoch's sealed payloads has passed."""
    return retention_ends(source.network, source.view, epoch) <= source.now


async def read_evidence(
    source: Source, epoch: int, frontiers: dict[bytes, Frontier] | None
) -> EpochEvidence:
    """Read an epoch's evidence.

    Inputs: `frontiers` carries each log's tree from epoch to epoch, from genesis on; the ranges
    then have the roots that the entries really hash to. Without it the closed roots stand, and
    only a result that equals the finalised one proves the entries.
    Raises: NotFound when a log is not at hand; Unauthorized or Unavailable when it cannot be read.
    """
    found: list[tuple[Range, Sequence[LoggedItem]]] = []
    missing: list[str] = []
    faults: list[str] = []
    closed = source.view.closed[epoch]
    for part in closed.ranges:
        log = source.logs.get(part.log_id)
        if log is None:
            raise NotFound(
                f"log {part.log_id.hex()[:16]} is part of the evidence and not at hand",
                hint="give its folder or URL with --log",
            )
        try:
            items = await read_items(log.log, part.first, part.size)
        except (Unauthorized, Unavailable):
            raise  # that it cannot be read here says nothing about it
        except CommonworksError as error:
            faults.append(f"log {log.name}: {error.message}")
            items = []
        _check_payloads(log, items, faults, missing)
        root = part.root
        if frontiers is not None:
            frontier = frontiers.get(part.log_id, Frontier())
            frontier = frontier.extend([leaf_hash(item.statement) for item in items])
            frontiers[part.log_id] = frontier
            root = frontier.root()
        if root != part.root:
            faults.append(
                f"log {log.name}: entries {part.first}..{part.size - 1} do not hash to the "
                f"root that was closed"
            )
        found.append((replace(part, root=root), items))
    actual = replace(closed, ranges=tuple(part for part, _ in found))
    return EpochEvidence(
        evidence=source.view.evidence(actual, found),
        missing=tuple(missing),
        faults=tuple(faults),
    )


def _check_payloads(
    log: AuditedLog, items: Sequence[LoggedItem], faults: list[str], missing: list[str]
) -> None:
    """Name every sealed statement whose payload is missing or is not the one that was signed."""
    for item in items:
        decoded = decode_statement(item.statement, item.preimage)
        where = f"log {log.name}: entry {item.index}"
        if decoded is Reason.PAYLOAD_MISMATCH:
            faults.append(f"{where}: the payload is not what was signed")
        elif not isinstance(decoded, Reason) and decoded.payload is None:
            missing.append(f"{where}: the payload is missing")
