"""Proof files from strangers: where they come from, and which chain is asked about them.

Rule: a file or an address is trusted with nothing. One document is read, up to the size that the
format allows; no redirect is followed and nothing that is named in it is fetched. A chain is asked
only through an endpoint that the caller named, or a network's folder names.
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from commonworks.chain.abi import contract
from commonworks.chain.accounts import address_text
from commonworks.chain.endpoints import Endpoint, Endpoints, hex_of, int_of
from commonworks.chain.events import decode_log
from commonworks.chain.logs import parse_log
from commonworks.chain.manifest import manifest_hash
from commonworks.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from commonworks.events import Event
from commonworks.proofs import FILE_BYTES_MAX, ChainAnswers, Proof, StatementProof
from commonworks.proofs.model import FinalitySaid, NetworkParts
from commonworks.transport.client import HttpTransport
from commonworks.wiring.logsource import is_url
from commonworks.wiring.session import Session

TIMEOUT_S: Final = 20
"""How long a site may take to give one proof."""

_HEADERS: Final = {"accept": "application/json", "accept-encoding": "identity"}


async def read_document(place: str) -> bytes:
    """Return the bytes of a proof file, from this disk or from an address.

    Raises: NotFound, InvalidInput for what cannot be a proof file, Unavailable where a site does
    not answer.
    """
    data = await _fetch(place) if is_url(place) else _read(Path(place))
    if data.lstrip()[:1] == b"<":
        raise InvalidInput(
            f"{place} is a page, not a proof file",
            hint="download the proof from the page, or give its address below /api/v1/proofs",
        )
    return data


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from None
    return _bounded(data, str(path))


def _bounded(data: bytes, place: str) -> bytes:
    if len(data) > FILE_BYTES_MAX:
        raise InvalidInput(f"{place} is larger than a proof file may be: {FILE_BYTES_MAX} bytes")
    return data


async def _fetch(url: str) -> bytes:
    if not urlsplit(url).netloc:
        raise InvalidInput(f"{url!r} is no address of a document")
    limits = {"timeout_s": TIMEOUT_S, "answer_bytes_max": FILE_BYTES_MAX}
    async with HttpTransport(**limits) as transport:
        status, body = await transport.get(url, _HEADERS)
    if status == HTTPStatus.NOT_FOUND:
        raise NotFound(f"{url} has no such proof", hint="has its epoch been settled?")
    if HTTPStatus(300) <= status < HTTPStatus.BAD_REQUEST:
        raise InvalidInput(f"{url} leads elsewhere", hint="give the address of the document itself")
    if status != HTTPStatus.OK:
        raise Unavailable(f"{url} answered {status}", hint="try again later")
    return body


# --- the network ----------------------------------------------------------------------------------


def require_network(session: Session, told: NetworkParts) -> None:
    """Raise Conflict unless a proof speaks of the network of a folder, part by part."""
    at, network = session.deployment, session.network
    known = manifest_hash(session.manifest)
    pairs: tuple[tuple[str, object, object], ...] = (
        ("network id", told.id, network.network_id),
        ("chain id", told.chain_id, at.chain_id),
        ("contract Settlement", told.settlement, at.settlement),
        ("token", told.token, at.token),
        ("contract Devices", told.devices, at.devices),
        ("contract Nodes", told.nodes, at.nodes),
        ("contract Vault", told.vault, at.vault),
        ("contract Policy", told.policy, at.policy),
        ("start of epoch 0", told.genesis_time, network.genesis_time),
        ("length of an epoch", told.epoch_length_s, network.epoch_length_s),
        ("manifest", told.manifest_hash or known, known),
    )
    for name, said, wanted in pairs:
        if said != wanted:
            raise Conflict(
                f"the proof is of another network than {session.home.path}: "
                f"its {name} is {_shown(said)}, here it is {_shown(wanted)}",
                hint="give the folder of its network with --home, or leave --home out",
            )


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return address_text(value) if len(value) == 20 else hex_of(value)
    return str(value)


# --- the chain ------------------------------------------------------------------------------------


async def ask_chain(endpoints: Endpoints, proof: Proof) -> ChainAnswers:
    """Return what a chain says about a proof.

    Whether it is the proof's chain at all is for the check to say.
    Raises: Unavailable when no endpoint answers.
    """
    return await endpoints.run(lambda endpoint: _ask(endpoint, proof))


async def _ask(endpoint: Endpoint, proof: Proof) -> ChainAnswers:
    settlement = proof.network.settlement
    functions = contract("Settlement")

    async def word(function: str, *values: object) -> bytes:
        """Return what Settlement answers, as it comes: a stranger's contract says anything."""
        return await endpoint.call(settlement, functions[function].call(*values))

    chain_id = int_of(await endpoint.request("eth_chainId"))
    network_id = b""
    with suppress(Conflict):  # a contract that has no such function is none of ours
        network_id = await word("networkId")
    if chain_id != proof.network.chain_id or network_id != proof.network.id:
        return ChainAnswers(chain_id=chain_id, network_id=network_id, events={})
    anchor = evidence = None
    if isinstance(proof, StatementProof):
        anchor, evidence = proof.anchor, proof.evidence
    final = _finality(proof)
    anchored = closed = digest = None
    if isinstance(proof, StatementProof) and anchor is not None:
        anchored = await word("anchorOf", proof.log.id, anchor.size)
    if evidence is not None:
        closed = await word("evidenceHashOf", evidence.epoch)
    if final is not None:
        digest = await word("digestOf", final.epoch)
    heard = {
        said.tx: await _events(endpoint, settlement, said.tx)
        for said in (anchor, evidence, final)
        if said is not None
    }
    return ChainAnswers(
        chain_id=chain_id,
        network_id=network_id,
        anchored=anchored,
        evidence_hash=closed,
        digest=digest,
        events={tx: events for tx, events in heard.items() if events is not None},
    )


def _finality(proof: Proof) -> FinalitySaid | None:
    if isinstance(proof, StatementProof):
        return None if proof.evidence is None else proof.evidence.finality
    return proof.finality


async def _events(endpoint: Endpoint, settlement: bytes, tx: bytes) -> tuple[Event, ...] | None:
    """Return what Settlement said in a transaction; None where the chain does not know it."""
    found = await endpoint.request("eth_getTransactionReceipt", hex_of(tx))
    if found is None:
        return None
    entries = found.get("logs") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise Unavailable(f"endpoint {endpoint.url} answered no receipt")
    events: list[Event] = []
    for log in (parse_log(entry) for entry in entries):
        if log.address != settlement:
            continue
        with suppress(Corrupt):  # another contract's log under our event's name says nothing
            event = decode_log("Settlement", log, 0)
            if event is not None:
                events.append(event)
    return tuple(events)
