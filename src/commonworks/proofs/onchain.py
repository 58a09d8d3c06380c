"""The steps that compare a value with the chain: with what it answered, else with what is told.

Rule: a value that nobody but the file vouches for is `told`, never `ok`.
"""

from __future__ import annotations

from dataclasses import dataclass

from commonworks.events import Anchored, Closed, Event, Finalised
from commonworks.proofs.model import ChainAnswers, FinalitySaid, NetworkParts
from commonworks.proofs.steps import Status, StepName, Steps, Values, Why
from commonworks.settlement.identity import network_id


def check_network(steps: Steps, network: NetworkParts) -> None:
    """Add the step that contracts, times and manifest give the network's id."""
    if network.manifest_hash is None:
        steps.add(
            StepName.NETWORK, Status.SKIP, why=Why.NO_MANIFEST, values={"network": network.id}
        )
        return
    computed = network_id(
        network.chain_id,
        network.contracts,
        network.genesis_time,
        network.epoch_length_s,
        network.manifest_hash,
    )
    steps.same(
        StepName.NETWORK,
        computed,
        network.id,
        Why.WRONG_NETWORK_ID,
        {"chain": network.chain_id, "settlement": network.settlement},
    )


def check_chain(
    steps: Steps, network: NetworkParts, chain: ChainAnswers | None
) -> ChainAnswers | None:
    """Add the step on whom one asked; return the answers of a chain that is the network's."""
    if chain is None:
        steps.add(StepName.WALLET, Status.SKIP, why=Why.NO_CHAIN)
        return None
    values: Values = {"chain": chain.chain_id, "settlement": network.settlement}
    if chain.chain_id != network.chain_id:
        steps.add(StepName.WALLET, Status.FAIL, why=Why.OTHER_CHAIN, values=values)
        return None
    steps.same(StepName.WALLET, chain.network_id, network.id, Why.OTHER_NETWORK, values)
    return chain if chain.network_id == network.id else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainClaim:
    """That the chain holds a value, as the file says it."""

    computed: bytes
    """What this check computed."""
    said: bytes
    """What the file says that the chain holds."""
    held: bytes | None
    """What the chain holds; None where it was not asked."""
    tx: bytes
    event: tuple[object, ...]
    """What Settlement must have said in that transaction: the event and what it commits to."""
    otherwise: Why


def check_on_chain(
    steps: Steps, name: StepName, claim: ChainClaim, chain: ChainAnswers | None, values: Values
) -> None:
    """Add the step that the chain holds what was computed, or that nobody else was asked."""
    if claim.computed != claim.said:
        steps.same(name, claim.computed, claim.said, claim.otherwise, values)
        return
    if chain is None or claim.held is None:
        steps.add(name, Status.TOLD, why=Why.TOLD_BY_FILE, result=claim.said, values=values)
        return
    if claim.held != claim.computed:
        steps.same(name, claim.computed, claim.held, claim.otherwise, values)
        return
    heard = chain.events.get(claim.tx)
    if heard is None:
        why = Why.UNKNOWN_TRANSACTION  # an endpoint may have forgotten old transactions
        steps.add(name, Status.OK, why=why, result=claim.held, values=values)
        return
    said_so = any(_heard(event) == claim.event for event in heard)
    steps.add(
        name,
        Status.OK if said_so else Status.FAIL,
        why=Why.TOLD_BY_CHAIN if said_so else Why.NOT_IN_TRANSACTION,
        result=claim.held,
        values={**values, "transaction": claim.tx},
    )


def _heard(event: Event) -> tuple[object, ...]:
    """Return what an event of Settlement commits to."""
    match event:
        case Anchored():
            return (Anchored, event.log_id, event.size, event.root)
        case Closed():
            return (Closed, event.epoch, event.evidence_hash)
        case Finalised():
            return (Finalised, event.epoch, event.digest)
        case _:
            return ()


def check_finalised(steps: Steps, final: FinalitySaid, chain: ChainAnswers | None) -> None:
    """Add the step that a digest is the one that the chain finalised for its epoch."""
    claim = ChainClaim(
        computed=final.digest,
        said=final.digest,
        held=None if chain is None else chain.digest,
        tx=final.tx,
        event=(Finalised, final.epoch, final.digest),
        otherwise=Why.WRONG_DIGEST,
    )
    check_on_chain(steps, StepName.FINALISED, claim, chain, {"epoch": final.epoch})
