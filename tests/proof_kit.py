"""A network in memory whose proofs can be computed: a real log, a real payout tree, one epoch.

Everything is signed and hashed for real; only the chain is told, by rows of the index.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import uvicorn
from eth_abi.abi import encode

from commonworks.crypto.hashes import keccak256, sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.events import AssetTotal, Commitment, Range
from commonworks.explorer.app import build_app
from commonworks.explorer.index import schema
from commonworks.explorer.ports import Claimable
from commonworks.explorer.site import Site
from commonworks.model import Network, Total
from commonworks.settlement import payout
from commonworks.settlement.commitment import digest as epoch_digest
from commonworks.settlement.commitment import evidence_hash
from commonworks.statements.codec import decode_statement, sign_binding
from commonworks.statements.model import Reason
from commonworks.translog import receipts
from commonworks.translog.notes import Checkpoint, NoteKey, log_id, sign_checkpoint
from commonworks.translog.tiles import HashReader, bundles_for, tiles_for
from commonworks.translog.tree import leaf_hash
from explorer_kit import (
    DAY,
    GENESIS,
    MANY,
    Told,
    account,
    contracts,
    digest,
    fill,
    make_site,
    network,
)

ENTRIES = 300
FIRST_ANCHOR, CLOSED, LAST_ANCHOR = 7, 270, 290
"""Anchored sizes: the middle one is what closing epoch 0 froze."""
UNDECODABLE = b"\xd2 no statement"


@dataclass
class FilesLog:
    """A log out of a dictionary of files."""

    files: dict[str, bytes] = field(default_factory=dict)

    async def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    async def read_sealed(self, path: str) -> bytes | None:
        return self.files.get(path)


def key(name: str, algorithm: Algorithm) -> PrivateKey:
    return PrivateKey.from_seed(algorithm, sha256(name.encode()))


@cache
def real_network() -> Network:
    """Return the kit's network with the id that its parts give."""
    at = contracts()
    types = ["string", "uint256", *["address"] * 6, "uint64", "uint64", "bytes32"]
    parts = ["commonworks/1", at.chain_id]
    parts += [at.settlement, at.token, at.devices, at.nodes, at.vault, at.policy]
    parts += [GENESIS, DAY, at.manifest_hash]
    return dataclasses.replace(network(), network_id=keccak256(encode(types, parts)))


DEVICES = {
    Algorithm.ES256: key("device es256", Algorithm.ES256),
    Algorithm.EDDSA: key("device eddsa", Algorithm.EDDSA),
}
NOTE_KEY = key("note", Algorithm.EDDSA)
RECEIPT_KEY = key("receipt", Algorithm.ES256)
ORIGIN = real_network().network_id[:4].hex() + ".commonworks/gateway"
LOG_ID = log_id(ORIGIN, NOTE_KEY.public.raw)


@cache
def entries() -> tuple[bytes, ...]:
    """Return statements of both algorithms, and one entry that is no statement."""
    made = []
    for place in range(ENTRIES):
        signer = DEVICES[Algorithm.EDDSA if place % 2 else Algorithm.ES256]
        item = sign_binding(signer, real_network().network_id, GENESIS, account(0xA11CE), place)
        made.append(item.statement)
    made[5] = UNDECODABLE
    return tuple(made)


def identity(entry: bytes) -> bytes:
    """Return what settlement calls an entry."""
    decoded = decode_statement(entry, None)
    return leaf_hash(entry) if isinstance(decoded, Reason) else decoded.identity


@cache
def log_files(size: int = ENTRIES) -> dict[str, bytes]:
    """Return the log's files; partial tiles of older sizes are gone, as the format allows."""
    said = entries()[:size]
    nothing: dict[str, bytes] = {}
    leaves = [leaf_hash(entry) for entry in said]
    files = {**tiles_for(0, leaves, nothing.get), **bundles_for(0, said, nothing.get)}
    root = HashReader(files.get, size).frontier().root()
    head = Checkpoint(origin=ORIGIN, size=size, root=root)
    return {**files, "checkpoint": sign_checkpoint(head, NOTE_KEY)}


def root_at(size: int) -> bytes:
    return Checkpoint.decode(
        log_files(size)["checkpoint"].decode().partition("\n\n")[0] + "\n"
    ).root


def receipt_file(position: int, size: int = CLOSED) -> bytes:
    """Return a statement with its receipt, as `commonworks receipt get` writes it."""
    from commonworks.wiring.transparent import join_transparent

    protected = receipts.receipt_protected(
        RECEIPT_KEY.public.thumbprint, real_network().network_id, LOG_ID, size
    )
    signature = RECEIPT_KEY.sign(receipts.receipt_tbs(protected, root_at(size)))
    path = HashReader(log_files(size).get, size).inclusion_proof(position)
    receipt = receipts.encode_receipt(protected, signature, size, position, path)
    return join_transparent(entries()[position], [receipt])


# --- the epochs -----------------------------------------------------------------------------------


def payouts(epoch: int, accounts: int = 20) -> tuple[Total, ...]:
    """Return the leaves of an epoch's payout tree; in epoch 1 some grew and one is new."""
    totals = []
    for asset in (real_network().token, real_network().currency):
        for number in range(1, accounts + 1 + epoch):
            grown = 13 * epoch if number % 3 == 0 else 0
            totals.append(
                Total(
                    asset=asset,
                    account=account(number),
                    earned=7 * number + grown,
                    spent=5 * number,
                )
            )
    return tuple(sorted(totals, key=lambda total: (total.asset, total.account)))


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """A finalised epoch."""

    ranges: tuple[Range, ...]
    commitment: Commitment
    digest: bytes


@cache
def epoch(number: int) -> Epoch:
    """Return epoch 0 or 1: the log's first entries, then nothing."""
    ranges: tuple[Range, ...] = (
        Range(log_id=digest(1), first=0, size=3, root=digest(0x33)),
        Range(log_id=LOG_ID, first=0, size=CLOSED, root=root_at(CLOSED)),
    )
    ranges = tuple(sorted(ranges, key=lambda one: one.log_id)) if number == 0 else ()
    leaves = payouts(number)
    totals = tuple(
        AssetTotal(
            asset=asset,
            earned=sum(t.earned for t in leaves if t.asset == asset),
            spent=sum(t.spent for t in leaves if t.asset == asset),
        )
        for asset in sorted({t.asset for t in leaves})
    )
    commitment = Commitment(
        previous_digest=epoch(number - 1).digest if number else bytes(32),
        evidence_hash=evidence_hash(number, ranges),
        facts_hash=digest(0xFA),
        policy_hash=digest(0xB0),
        rules_hash=digest(0xB1),
        result_hash=digest(0xB2),
        state_hash=digest(0xB3),
        payout_root=payout.root(leaves),
        minted_wei=10**24 + number,
        totals=totals,
    )
    made = epoch_digest(real_network().network_id, number, commitment)
    return Epoch(ranges=ranges, commitment=commitment, digest=made)


def epoch_row(number: int, *, finalised: bool = True) -> dict[str, Any]:
    """Return the index's row of an epoch."""
    one = epoch(number)
    row: dict[str, Any] = dict.fromkeys(column.name for column in schema.epoch.columns)
    end = GENESIS + (number + 1) * DAY
    row |= {
        "epoch": number, "start_s": end - DAY, "end_s": end, "closed_at": end + 60,
        "closed_block": 10 + number, "closed_tx": digest(0xC100 + number),
        "evidence_hash": one.commitment.evidence_hash,
    }  # fmt: skip
    if finalised:
        totals = [
            {"asset": "0x" + t.asset.hex(), "earned": t.earned, "spent": t.spent}
            for t in one.commitment.totals
        ]
        row |= {
            "finalised_at": end + 120, "finalised_tx": digest(0xF100 + number),
            "digest": one.digest, "minted_total_wei": one.commitment.minted_wei,
            "totals": json.dumps(totals), "statements": CLOSED, "accepted": CLOSED - 1,
            "rejected": 1, "minted_wei": 1, "unminted_wei": 0, "paid_micro": 0,
        }  # fmt: skip
        names = ("previous_digest", "facts_hash", "policy_hash", "rules_hash", "result_hash",
                 "state_hash", "payout_root")  # fmt: skip
        row |= {name: getattr(one.commitment, name) for name in names}
    return row


def proof_site(**changes: Any) -> Site:
    """Return a site over the log and two finalised epochs, the second of which is claimable."""
    told = Told()
    told.logs[LOG_ID] = FilesLog(files=dict(log_files()))
    told.note_keys[LOG_ID] = NoteKey(name=ORIGIN, public=NOTE_KEY.public)
    told.root = Claimable(epoch=1, root=epoch(1).commitment.payout_root)
    site = make_site(told, **{"network": real_network(), **changes})
    fill(site.engine, schema.gateway, {
        "log_id": LOG_ID, "operator": account(0x6A), "name": "gateway", "origin": ORIGIN,
        "endpoint": "http://127.0.0.1:1", "note_key": NOTE_KEY.public.raw,
        "receipt_key": RECEIPT_KEY.public.raw, "registered_at": GENESIS,
        "registered_tx": digest(0x6A),
    })  # fmt: skip
    fill(
        site.engine, schema.device, *(_device(n, one) for n, one in enumerate(DEVICES.values(), 1))
    )
    fill(site.engine, schema.statement, *(_statement(at) for at in range(ENTRIES)))
    fill(site.engine, schema.anchor, *(
        {"log_id": LOG_ID, "size": size, "root": root_at(size), "time": GENESIS + size,
         "tx": digest(0xA000 + size)} for size in (FIRST_ANCHOR, CLOSED, LAST_ANCHOR)
    ))  # fmt: skip
    fill(site.engine, schema.epoch, epoch_row(0), epoch_row(1))
    fill(site.engine, schema.evidence_range, *(
        {"epoch": 0, **dataclasses.asdict(one)} for one in epoch(0).ranges
    ))  # fmt: skip
    fill(site.engine, schema.payout, *_payout_rows())
    fill(site.engine, schema.movement, {
        "block": 9, "log_index": 0, "number": 0, "kind": "claim", "account": account(3),
        "asset": real_network().token, "amount": 11, "epoch": 0, "request": None,
        "time": GENESIS + DAY, "tx": digest(9),
    })  # fmt: skip
    return site


def _payout_rows() -> list[dict[str, Any]]:
    known = {(t.asset, t.account): t for t in payouts(0)}
    rows = [{"epoch": 0, **dataclasses.asdict(t)} for t in payouts(0)]
    for total in payouts(1):
        if known.get((total.asset, total.account)) != total:
            rows.append({"epoch": 1, **dataclasses.asdict(total)})
    return rows


def _device(number: int, signer: PrivateKey) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(column.name for column in schema.device.columns)
    return row | {
        "device": number, "owner": account(0xA11CE), "thumbprint": signer.public.thumbprint,
        "algorithm": int(signer.algorithm), "public_key": signer.public.raw, "resource": "water",
        "enroller": account(1), "enrolled_at": GENESIS, "enrolled_tx": digest(0xE1),
        "reference": False, "statements": 1, "rejected": 0,
    }  # fmt: skip


def _statement(position: int) -> dict[str, Any]:
    entry = entries()[position]
    decoded = decode_statement(entry, None)
    row: dict[str, Any] = dict.fromkeys(column.name for column in schema.statement.columns)
    row |= {
        "log_id": LOG_ID, "position": position, "identity": identity(entry),
        "leaf": leaf_hash(entry), "sealed": False,
        "bytes": len(entry), "epoch": 0 if position < CLOSED else None,
    }  # fmt: skip
    if not isinstance(decoded, Reason):
        row |= {"kind": str(decoded.kind), "kid": decoded.kid}
    return row


@contextmanager
def serving(site: Site) -> Iterator[str]:
    """Serve a site on a free port of this machine; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # whoever comes before the server is up waits in line
        server = uvicorn.Server(uvicorn.Config(build_app(site, limits=MANY), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
